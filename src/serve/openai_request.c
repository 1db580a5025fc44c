/* openai_request.c - a body of /v1/chat/completions or /v1/completions as orders for the worker. */
#include <math.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/message.h"
#include "serve/openai.h"

/* ---- members ------------------------------------------------------------------------------------------------------------------------------ */

static bool want_real(call *c, const char *key, double min, double max, double *out, err *e) {
    const json *v = json_get(c->body, key);
    if (!v) return true;
    const json_kind k = json_kind_of(v);
    const double x = json_real(v, NAN);
    if ((k != JSON_INT && k != JSON_REAL) || !(x >= min && x <= max))
        return invalid(c, key, e, "%s should be a number from %g to %g", key, min, max);
    *out = x;
    return true;
}

static bool want_int(call *c, const char *key, int64_t min, int64_t max, int64_t *out, err *e) {
    const json *v = json_get(c->body, key);
    if (!v) return true;
    const int64_t x = json_int(v, INT64_MIN);
    if (json_kind_of(v) != JSON_INT || x < min || x > max)
        return invalid(c, key, e, "%s should be a whole number from %lld to %lld", key, (long long)min, (long long)max);
    *out = x;
    return true;
}

static bool want_small(call *c, const char *key, int min, int max, int *out, err *e) {
    int64_t v = *out;
    if (!want_int(c, key, min, max, &v, e)) return false;
    *out = (int)v;
    return true;
}

/* What would change the answer and is not there. A value that asks for nothing is let pass. */
static bool refuse_unsupported(call *c, err *e) {
    static const char *const numbers[] = {"frequency_penalty", "presence_penalty"};
    static const char *const things[] = {"tools", "functions", "logit_bias", "suffix", "audio", "prediction", "modalities"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (json_get_real(c->body, numbers[i], 0) != 0)
            return invalid(c, numbers[i], e, "%s is not supported: leave it out (repetition_penalty is there)", numbers[i]);
    for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
        const json *v = json_get(c->body, things[i]);
        const bool empty = !v || (json_count(v) == 0 && json_kind_of(v) != JSON_STRING) || str_is(json_text(v, STR("x")), "");
        if (!empty) return invalid(c, things[i], e, "%s is not supported: leave it out", things[i]);
    }
    const json *format = json_get(c->body, "response_format");
    if (format && !str_is(json_get_text(format, "type", STR("")), "text"))
        return invalid(c, "response_format", e, "response_format knows {\"type\": \"text\"} alone");
    const int64_t n = json_get_int(c->body, "n", 1);
    if (json_get_int(c->body, "best_of", n) != n) return invalid(c, "best_of", e, "best_of is not supported: leave it out");
    return true;
}

static bool read_stop(call *c, work_sampling *s, err *e) {
    enum { STOPS_MOST = 16 };
    const json *v = json_get(c->body, "stop");
    const bool list = json_kind_of(v) == JSON_ARRAY;
    const size_t count = list ? json_count(v) : v != NULL;
    const char **stop = arena_array(c->a, const char *, count);
    if (count > STOPS_MOST) return invalid(c, "stop", e, "stop should be %d texts at most, there are %zu", STOPS_MOST, count);
    for (size_t i = 0; i < count; i++) {
        const json *one = list ? json_at(v, i) : v;
        if (json_kind_of(one) != JSON_STRING) return invalid(c, "stop", e, "stop should be a text or a list of texts");
        const str text = json_text(one, STR(""));
        if (text.len) stop[s->stop_count++] = str_copy(c->a, text);
    }
    s->stop = stop;
    return true;
}

static bool read_sampling(completion *x, err *e) {
    call *c = x->c;
    work_sampling *s = &x->order.sampling;
    int64_t seed;
    *s = work_sampling_default();
    s->max_tokens = x->chat ? -1 : 16;
    secret_random(&seed, sizeof seed);
    seed &= INT64_MAX;
    if (!want_real(c, "temperature", 0, 100, &s->temperature, e) || !want_real(c, "top_p", 0, 1, &s->top_p, e) ||
        !want_real(c, "min_p", 0, 1, &s->min_p, e) || !want_real(c, "repetition_penalty", 0.01, 100, &s->repetition_penalty, e) ||
        !want_small(c, "top_k", -1, 1 << 20, &s->top_k, e) || !want_small(c, "max_tokens", 0, 1 << 20, &s->max_tokens, e) ||
        !want_small(c, "max_completion_tokens", 0, 1 << 20, &s->max_tokens, e) ||
        !want_int(c, "seed", INT64_MIN, INT64_MAX, &seed, e) || !body_bool_or(c, "ignore_eos", &s->ignore_eos, e))
        return false;
    if (x->chat && s->max_tokens == 0) return invalid(c, "max_tokens", e, "max_tokens should be 1 or more");
    s->seed = (uint64_t)seed;
    return read_stop(c, s, e);
}

/* ---- log-probabilities: a flag and a number (chat), or a number (completions) -------------------------------------------------------- */

static bool read_logprobs(completion *x, err *e) {
    call *c = x->c;
    x->tops = 0;
    if (x->chat) {
        if (!body_bool_or(c, "logprobs", &x->logprobs, e) || !want_small(c, "top_logprobs", 0, TOPS_MOST, &x->tops, e))
            return false;
        if (x->tops && !x->logprobs) return invalid(c, "top_logprobs", e, "top_logprobs needs \"logprobs\": true");
    } else if (json_kind_of(json_get(c->body, "logprobs")) != JSON_BOOL) {
        x->logprobs = json_get(c->body, "logprobs") != NULL;
        if (!want_small(c, "logprobs", 0, TOPS_MOST, &x->tops, e) || !body_bool_or(c, "echo", &x->echo, e)) return false;
    }
    x->order.sampling.logprobs = x->logprobs;
    x->order.sampling.tops = x->tops;
    x->order.sampling.echo = x->echo;
    return true;
}

/* ---- conversations ----------------------------------------------------------------------------------------------------------------------- */

/* A text, or a list of parts that are texts. */
static bool content_of(call *c, const json *v, const char *where, str *out, err *e) {
    buf all = {0};
    bool ok = json_kind_of(v) == JSON_STRING || json_kind_of(v) == JSON_ARRAY ||
              invalid(c, where, e, "%s should be a text or a list of parts", where);
    if (ok && json_kind_of(v) == JSON_STRING) buf_put_str(&all, json_text(v, STR("")));
    for (size_t i = 0; ok && json_kind_of(v) == JSON_ARRAY && i < json_count(v); i++) {
        const json *piece = json_at(v, i);
        ok = str_is(json_get_text(piece, "type", STR("")), "text") ||
             invalid(c, where, e, "a part of %s is '%.*s': models here read texts alone", where,
                     STR_ARG(json_get_text(piece, "type", STR("?"))));
        if (ok) buf_put_str(&all, json_get_text(piece, "text", STR("")));
    }
    *out = (str){arena_copy(c->a, all.ptr ? all.ptr : "", all.len), all.len};
    buf_free(&all);
    return ok;
}

static bool read_message(call *c, const json *m, size_t i, json *into, err *e) {
    static const char *const roles[][2] = {
        {"system", "system"}, {"developer", "system"}, {"user", "user"}, {"assistant", "assistant"}, {"tool", "tool"}};
    const char *where = arena_printf(c->a, "messages.%zu", i);
    const str asked = json_get_text(m, "role", STR(""));
    str content;
    for (size_t k = 0; k < sizeof roles / sizeof *roles; k++) {
        if (!str_is(asked, roles[k][0])) continue;
        if (!content_of(c, json_get(m, "content"), arena_printf(c->a, "%s.content", where), &content, e)) return false;
        json_append(into, message_new(c->a, roles[k][1], content));
        return true;
    }
    return invalid(c, where, e, "role should be system, developer, user, assistant or tool, it is '%.*s'", STR_ARG(asked));
}

static bool read_messages(completion *x, err *e) {
    call *c = x->c;
    const json *list = json_get(c->body, "messages");
    json *messages = json_new_array(c->a);
    if (json_kind_of(list) != JSON_ARRAY || !json_count(list))
        return invalid(c, "messages", e, "messages should be a list of at least one message");
    for (size_t i = 0; i < json_count(list); i++)
        if (!read_message(c, json_at(list, i), i, messages, e)) return false;
    x->order.messages = messages;
    x->prompts = 1;
    return true;
}

/* ---- prompts: a text, texts, tokens, or lists of tokens ---------------------------------------------------------------------------------- */

static bool read_tokens(call *c, const json *v, const int32_t **ids, int *count, err *e) {
    const size_t n = json_count(v);
    int32_t *out = arena_array(c->a, int32_t, n);
    for (size_t i = 0; i < n; i++) {
        const int64_t id = json_int(json_at(v, i), -1);
        if (id < 0 || id > INT32_MAX) return invalid(c, "prompt", e, "token %zu of the prompt is no token id", i);
        out[i] = (int32_t)id;
    }
    *ids = out;
    *count = (int)n;
    return n > 0 || invalid(c, "prompt", e, "a prompt of tokens should have at least one");
}

static bool read_prompt(completion *x, const json *v, int i, str *text, err *e) {
    if (json_kind_of(v) == JSON_ARRAY) return read_tokens(x->c, v, &x->ids[i], &x->id_count[i], e);
    if (json_kind_of(v) != JSON_STRING) return invalid(x->c, "prompt", e, "a prompt should be a text or a list of token ids");
    *text = json_text(v, STR(""));
    return true;
}

static bool read_prompts(completion *x, err *e) {
    call *c = x->c;
    const json *v = json_get(c->body, "prompt"), *first = json_at(v, 0);
    const bool many = json_kind_of(v) == JSON_ARRAY && json_kind_of(first) != JSON_INT;
    const size_t count = many ? json_count(v) : 1;
    if (!v || !count) return invalid(c, "prompt", e, "prompt is required: a text, a list of texts, or token ids");
    if (count > PROMPTS_MOST) return invalid(c, "prompt", e, "%zu prompts are more than %d", count, PROMPTS_MOST);
    str *text = arena_array(c->a, str, count);
    x->text = text;
    x->prompts = (int)count;
    x->ids = arena_array(c->a, const int32_t *, count);
    x->id_count = arena_array(c->a, int, count);
    for (size_t i = 0; i < count; i++)
        if (!read_prompt(x, many ? json_at(v, i) : v, (int)i, &text[i], e)) return false;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------------ */

/* Between passes: has the client hung up? */
bool caller_gone(void *self) {
    const call *c = self;
    struct pollfd p = {.fd = c->socket, .events = POLLRDHUP};
    return c->socket > 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void something_new(void *self) {
    completion *x = self;
    pthread_mutex_lock(&x->mutex);
    x->version++;
    pthread_cond_broadcast(&x->news);
    pthread_mutex_unlock(&x->mutex);
}

static bool nobody_reads(void *self) { return caller_gone(((completion *)self)->c); }

static bool read_rest(completion *x, err *e) {
    call *c = x->c;
    const json *options = json_get(c->body, "stream_options"), *own = json_get(c->body, "fettle");
    x->n = 1;
    if (!body_bool_or(c, "stream", &x->stream, e) || !want_small(c, "n", 1, CHOICES_MOST, &x->n, e)) return false;
    x->usage = json_get_bool(options, "include_usage", false);
    x->details = json_get_bool(own, "tokens", false);
    if (x->n * x->prompts > 1024) return invalid(c, "n", e, "%d answers to %d prompts are too many at once", x->n, x->prompts);
    if (x->stream && x->echo && x->logprobs) return invalid(c, "echo", e, "log-probabilities of an echo do not come as a stream");
    return true;
}

static void name_it(completion *x) {
    uuid_text id;
    uuid_new(id);
    strcpy(x->id, x->chat ? "chatcmpl-" : "cmpl-");
    strcat(x->id, id);
    x->created = clock_now() / 1000000;
}

bool completion_read(call *c, bool chat, completion **out, err *e) {
    completion *x = arena_new_of(c->a, completion);
    pthread_condattr_t monotonic;
    *x = (completion){.c = c, .chat = chat};
    if (!body_object(c, e) || !body_text(c, "model", 1, 300, &x->model, e) || !refuse_unsupported(c, e) || !read_sampling(x, e) ||
        !read_logprobs(x, e) || !(chat ? read_messages(x, e) : read_prompts(x, e)) || !read_rest(x, e))
        return false;
    name_it(x);
    x->order.model = x->model;
    x->order.n = x->n;
    x->order.tell = something_new;
    x->order.gone = nobody_reads;
    x->order.self = x;
    x->work = arena_array(c->a, work *, x->prompts);
    x->told = arena_array(c->a, told, x->prompts * x->n);
    pthread_mutex_init(&x->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&x->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    x->open = true;
    *out = x;
    return true;
}

void completion_wait(completion *x) {
    enum { HEARTBEAT = 15 };
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += HEARTBEAT;
    pthread_mutex_lock(&x->mutex);
    while (x->version == x->seen)
        if (pthread_cond_timedwait(&x->news, &x->mutex, &until) != 0) break;
    x->seen = x->version;
    pthread_mutex_unlock(&x->mutex);
}

bool completion_over(completion *x, err *why) {
    bool over = true;
    for (int i = 0; i < x->prompts; i++) {
        const work_state s = work_state_of(x->work[i], why);
        if (s == WORK_FAILED) return true;
        over &= s == WORK_DONE;
    }
    return over;
}

static bool all_begun(completion *x, err *e) {
    bool begun = true;
    for (int i = 0; i < x->prompts; i++) begun &= work_state_of(x->work[i], e) >= WORK_RUNNING;
    return begun || e->code;
}

bool completion_submit(completion *x, err *e) {
    for (int i = 0; i < x->prompts; i++) {
        work_order o = x->order;
        if (!x->chat) {
            o.text = x->text[i];
            o.ids = x->ids[i];
            o.id_count = x->id_count[i];
        }
        if (!(x->work[i] = worker_submit(server_worker(x->c->server), &o, e))) return false;
    }
    while (x->stream && !all_begun(x, e)) completion_wait(x);
    while (!x->stream && !completion_over(x, e)) completion_wait(x);
    return !e->code;
}

void completion_end(completion *x) {
    if (!x->open) return;
    x->open = false;
    account_completion(x);
    for (int i = 0; i < x->prompts; i++) work_free(x->work[i]);
    pthread_cond_destroy(&x->news);
    pthread_mutex_destroy(&x->mutex);
}
