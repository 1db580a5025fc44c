/* endpoint_remote.c - a server that speaks OpenAI's API: URL#MODEL, with a key from the environment.
 *
 * The key goes over https, or to this machine; it is never written anywhere. Answers are foreign bytes: read strictly, with limits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assist/assist.h"
#include "base/fetch.h"

enum { ANSWER_MOST = 64 << 20, TOPS = 20, WIDTH_MOST = 1 << 16 };

typedef struct {
    arena *a;
    const char *url, *model;   /* url without a '/' at its end */
    const char *authorization; /* "Authorization: Bearer ..." or NULL */
} remote;

static bool takes(const char *spec) {
    return str_starts(str_of(spec), STR("http://")) || str_starts(str_of(spec), STR("https://"));
}

/* ---- opening -------------------------------------------------------------------------------------------------------------------------- */

/* Over https, or to this machine by number or by its name. */
static bool is_private(const char *url) {
    static const char *const hosts[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    if (str_starts(str_of(url), STR("https://"))) return true;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        const size_t n = strlen(hosts[i]);
        if (strncmp(url, hosts[i], n) == 0 && (!url[n] || url[n] == ':' || url[n] == '/')) return !strchr(url, '@');
    }
    return false;
}

static const char *key_of(const endpoint_options *o) {
    if (o->key_env) return getenv(o->key_env);
    const char *own = getenv("FETTLE_ENDPOINT_KEY");
    return own && *own ? own : getenv("OPENAI_API_KEY");
}

static bool address(remote *r, const char *spec, err *e) {
    const char *hash = strchr(spec, '#');
    size_t n = hash ? (size_t)(hash - spec) : strlen(spec);
    if (!hash || !hash[1]) return err_set(e, ERR_USAGE, "say which model of %s: %s#MODEL", spec, spec);
    while (n && spec[n - 1] == '/') n--;
    r->url = arena_copy(r->a, spec, n);
    r->model = arena_text(r->a, hash + 1);
    return true;
}

static void close_remote(void *hands) {
    remote *r = hands;
    arena *a = r->a;
    arena_free(a);
}

static void *open_remote(const endpoint_options *o, err *e) {
    arena *a = arena_new();
    remote *r = arena_new_of(a, remote);
    r->a = a;
    bool ok = address(r, o->spec, e);
    const char *key = key_of(o);
    if (ok && key && *key) {
        ok = !strpbrk(key, "\r\n") || err_set(e, ERR_USAGE, "the key for %s has a line break in it", r->url);
        if (ok && !is_private(r->url)) ok = err_set(e, ERR_REFUSED, "a key is sent over https alone, %s is not", r->url);
        if (ok) r->authorization = arena_printf(a, "Authorization: Bearer %s", key);
    }
    if (ok) return r;
    close_remote(r);
    return NULL;
}

/* ---- one request ---------------------------------------------------------------------------------------------------------------------- */

static bool passes(int status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

/* {"error": {"message"}} or {"detail"}, or the beginning of whatever it is. */
static str reason(arena *a, str body) {
    err none = {0};
    const json *v = json_parse(a, body, &none), *error = json_get(v, "error");
    const str words = json_get_text(error, "message", json_text(error, json_get_text(v, "detail", body)));
    return str_slice(words, 0, words.len < 300 ? words.len : 300);
}

static bool refused(const remote *r, arena *a, int status, str body, endpoint_try *t, err *e) {
    const str words = reason(a, body);
    t->passing = passes(status);
    const err_code code = status == 401 || status == 403 ? ERR_UNAUTHORIZED
                          : status == 404                ? ERR_NOT_FOUND
                          : status == 429                ? ERR_BUSY
                          : status < 500                 ? ERR_INPUT
                                                         : ERR_IO;
    return err_set(e, code, "%s answered %d: %.*s", r->url, status, STR_ARG(words));
}

/* POST, and the answer's JSON with what it says was used. */
static json *post(const remote *r, arena *a, const char *path, const buf *body, endpoint_try *t, err *e) {
    int status = 0;
    str text;
    const char *const headers[] = {"Content-Type: application/json", r->authorization, NULL};
    const fetch_request q = {"POST", arena_printf(a, "%s%s", r->url, path), headers, buf_str(body), t->seconds, ANSWER_MOST};
    if (!fetch(a, &q, &status, &text, e)) {
        t->passing = e->code == ERR_IO;
        return NULL;
    }
    if (status < 200 || status >= 300) return refused(r, a, status, text, t, e), NULL;
    json *v = json_parse(a, text, e);
    if (!v) return err_prefix(e, "the answer of %s", r->url), NULL;
    const json *usage = json_get(v, "usage");
    t->prompt_tokens = json_get_int(usage, "prompt_tokens", 0);
    t->answer_tokens = json_get_int(usage, "completion_tokens", 0);
    return v;
}

static bool odd(const remote *r, const char *what, err *e) {
    return err_set(e, ERR_INPUT, "the answer of %s has no %s", r->url, what);
}

static void put_order(json_writer *w, const remote *r, const json *messages, double temperature, int most) {
    json_key(w, "model"), json_put_cstr(w, r->model);
    json_key(w, "messages"), json_put_value(w, messages);
    json_key(w, "temperature"), json_put_real(w, temperature);
    json_key(w, "max_tokens"), json_put_int(w, most);
}

/* ---- chat ------------------------------------------------------------------------------------------------------------------------------ */

static bool chat(void *hands, arena *a, const endpoint_order *o, endpoint_answer *out, endpoint_try *t, err *e) {
    const remote *r = hands;
    buf body = {0};
    json_writer w = json_writer_on(&body, false);
    json_open(&w, '{');
    put_order(&w, r, o->messages, o->temperature, o->max_tokens);
    if (o->seed) json_key(&w, "seed"), json_put_int(&w, (int64_t)(o->seed & INT32_MAX));
    if (o->stop_count) {
        json_key(&w, "stop"), json_open(&w, '[');
        for (int i = 0; i < o->stop_count; i++) json_put_cstr(&w, o->stop[i]);
        json_close(&w);
    }
    json_close(&w);
    const json *v = post(r, a, "/chat/completions", &body, t, e), *first = json_at(json_get(v, "choices"), 0);
    buf_free(&body);
    if (!v) return false;
    const json *content = json_get(json_get(first, "message"), "content");
    if (json_kind_of(content) != JSON_STRING) return odd(r, "text (choices[0].message.content)", e);
    const bool cut = str_is(json_get_text(first, "finish_reason", STR("")), "length");
    *out = (endpoint_answer){json_text(content, STR("")), cut ? "length" : "stop"};
    return true;
}

/* ---- choices ---------------------------------------------------------------------------------------------------------------------------- */

/* Does the choice begin with this token (white space before it does not count)? */
static bool begins(const char *choice, str token) {
    token = str_trim(token);
    return token.len && str_starts(str_of(choice), token);
}

/* Of the likeliest first tokens those that begin this choice and no other. */
static double mass_of(const json *tops, const char *const *choices, int count, int which) {
    double mass = 0;
    for (size_t i = 0; i < json_count(tops); i++) {
        const str token = json_get_text(json_at(tops, i), "token", STR(""));
        int of = 0;
        for (int k = 0; k < count; k++) of += begins(choices[k], token);
        if (of == 1 && begins(choices[which], token)) mass += exp(json_get_real(json_at(tops, i), "logprob", -INFINITY));
    }
    return mass;
}

static double least_of(const json *tops) {
    double least = 0;
    for (size_t i = 0; i < json_count(tops); i++) least = fmin(least, json_get_real(json_at(tops, i), "logprob", 0));
    return least;
}

static bool choose(void *hands, arena *a, const json *messages, const char *const *choices, int count, double *logp,
                   endpoint_try *t, err *e) {
    const remote *r = hands;
    buf body = {0};
    json_writer w = json_writer_on(&body, false);
    json_open(&w, '{');
    put_order(&w, r, messages, 0, 1);
    json_key(&w, "logprobs"), json_put_bool(&w, true);
    json_key(&w, "top_logprobs"), json_put_int(&w, TOPS);
    json_close(&w);
    const json *v = post(r, a, "/chat/completions", &body, t, e);
    buf_free(&body);
    if (!v) return false;
    const json *tops =
        json_get(json_at(json_get(json_get(json_at(json_get(v, "choices"), 0), "logprobs"), "content"), 0), "top_logprobs");
    if (!json_count(tops))
        return err_set(e, ERR_UNSUPPORTED, "%s tells no log-probabilities (top_logprobs) of %s", r->url, r->model);
    for (int i = 0; i < count; i++) {
        const double mass = mass_of(tops, choices, count, i);
        logp[i] = mass > 0 ? log(mass) : least_of(tops);
    }
    return true;
}

/* ---- vectors ----------------------------------------------------------------------------------------------------------------------------- */

static const float *unit_of(arena *a, const json *list, int width) {
    float *out = arena_array(a, float, width);
    double length = 0;
    for (int i = 0; i < width; i++) {
        const double x = json_real(json_at(list, (size_t)i), NAN);
        length += x * x;
        out[i] = (float)x;
    }
    if (!isfinite(length) || length <= 0) return NULL;
    for (int i = 0; i < width; i++) out[i] = (float)((double)out[i] / sqrt(length));
    return out;
}

static bool read_vectors(const remote *r, arena *a, const json *data, int count, const float **out, int *width, err *e) {
    *width = (int)json_count(json_get(json_at(data, 0), "embedding"));
    if ((int)json_count(data) != count) return odd(r, "vector for every text (data)", e);
    if (*width < 1 || *width > WIDTH_MOST) return odd(r, "list of numbers (data[0].embedding)", e);
    for (int i = 0; i < count; i++) {
        const json *one = json_at(data, (size_t)i), *list = json_get(one, "embedding");
        const int64_t at = json_get_int(one, "index", i);
        if (at < 0 || at >= count || (int)json_count(list) != *width)
            return odd(r, "vectors of one length, one for each text", e);
        if (!(out[at] = unit_of(a, list, *width))) return odd(r, "vector of finite numbers that are not all 0", e);
    }
    for (int i = 0; i < count; i++)
        if (!out[i]) return odd(r, "vector for every text (data)", e);
    return true;
}

static bool embed(void *hands, arena *a, const str *texts, int count, const float **out, int *width, endpoint_try *t, err *e) {
    const remote *r = hands;
    buf body = {0};
    json_writer w = json_writer_on(&body, false);
    json_open(&w, '{');
    json_key(&w, "model"), json_put_cstr(&w, r->model);
    json_key(&w, "input"), json_open(&w, '[');
    for (int i = 0; i < count; i++) json_put_text(&w, texts[i]), out[i] = NULL;
    json_close(&w);
    json_key(&w, "encoding_format"), json_put_cstr(&w, "float");
    json_close(&w);
    const json *v = post(r, a, "/embeddings", &body, t, e);
    buf_free(&body);
    return v && read_vectors(r, a, json_get(v, "data"), count, out, width, e);
}

const endpoint_kind endpoint_kind_remote = {
    "remote", "a server that speaks OpenAI's API", takes, open_remote, close_remote, chat, choose, embed};
