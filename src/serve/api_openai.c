/* api_openai.c - /v1: models, chats, completions, embeddings, as OpenAI's clients ask for them. */
#include <math.h>
#include <string.h>

#include "model/model.h"
#include "serve/catalog.h"
#include "serve/openai.h"

/* ---- models --------------------------------------------------------------------------------------------------------------------------------- */

static void put_one_model(json_writer *w, const char *id, int64_t at) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, id);
    json_key(w, "object"), json_put_cstr(w, "model");
    json_key(w, "created"), json_put_int(w, at);
    json_key(w, "owned_by"), json_put_cstr(w, "fettle");
    json_close(w);
}

static bool list_models(call *c, err *e) {
    catalog all;
    if (!catalog_read(c->a, store_folder(server_store(c->server)), &all, e)) return false;
    json_open(&c->w, '{');
    json_key(&c->w, "object"), json_put_cstr(&c->w, "list");
    json_key(&c->w, "data"), json_open(&c->w, '[');
    for (int i = 0; i < all.count; i++)
        if (all.item[i].writes) put_one_model(&c->w, all.item[i].id, all.item[i].at);
    const char *name;
    for (int i = 0; (name = worker_alias_at(server_worker(c->server), c->a, i)) != NULL; i++) put_one_model(&c->w, name, 0);
    json_close(&c->w), json_close(&c->w);
    return true;
}

static bool show_model(call *c, err *e) {
    model_place at;
    const char *id = str_copy(c->a, c->arg[0]);
    if (!model_find(c->a, store_folder(server_store(c->server)), worker_resolve(server_worker(c->server), c->a, id), false, &at,
                    e))
        return false;
    put_one_model(&c->w, id, 0);
    return true;
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------------------------- */

static bool next_chunks(void *context, buf *out) {
    completion *x = context;
    if (x->ended) return false;
    if (x->streaming) completion_wait(x);
    x->streaming = true;
    return completion_chunks(x, out);
}

static void end_stream(void *context) {
    completion *x = context;
    completion_end(x);
}

static bool complete(call *c, bool chat, err *e) {
    completion *x;
    if (!completion_read(c, chat, &x, e) || !budget_left(c, e)) return false;
    if (!completion_submit(x, e)) {
        completion_end(x);
        return false;
    }
    if (x->stream) {
        c->type = "text/event-stream";
        c->stream = (answer_stream){next_chunks, end_stream, x};
        return true;
    }
    completion_put(x, &c->w);
    completion_end(x);
    return true;
}

static bool post_chat(call *c, err *e) { return complete(c, true, e); }
static bool post_completion(call *c, err *e) { return complete(c, false, e); }

/* ---- embeddings ----------------------------------------------------------------------------------------------------------------------------------- */

enum { INPUTS_MOST = 2048 };

static bool read_ids(call *c, const json *v, work_input *out, err *e) {
    int32_t *ids = arena_array(c->a, int32_t, json_count(v));
    for (size_t i = 0; i < json_count(v); i++) {
        const int64_t id = json_int(json_at(v, i), -1);
        if (id < 0 || id > INT32_MAX) return invalid(c, "input", e, "token %zu of an input is no token id", i);
        ids[i] = (int32_t)id;
    }
    *out = (work_input){.ids = ids, .id_count = (int)json_count(v)};
    return true;
}

/* A text, texts, tokens, or lists of tokens. */
static bool read_inputs(call *c, work_input **out, int *count, err *e) {
    const json *v = json_get(c->body, "input");
    const bool many = json_kind_of(v) == JSON_ARRAY && json_kind_of(json_at(v, 0)) != JSON_INT;
    const size_t n = many ? json_count(v) : v != NULL;
    if (!n || n > INPUTS_MOST) return invalid(c, "input", e, "input should be a text, or a list of 1 to %d", INPUTS_MOST);
    *out = arena_array(c->a, work_input, n);
    *count = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json *one = many ? json_at(v, i) : v;
        if (json_kind_of(one) == JSON_ARRAY) {
            if (!read_ids(c, one, &(*out)[i], e)) return false;
        } else if (json_kind_of(one) == JSON_STRING && json_text(one, STR("")).len) (*out)[i].text = json_text(one, STR(""));
        else return invalid(c, "input", e, "input %zu should be a text that is not empty, or a list of token ids", i);
    }
    return true;
}

static void put_vector(call *c, const float *v, int width, bool coded) {
    if (coded) { /* little-endian float32, as this machine has them */
        json_put_cstr(&c->w, secret_base64(c->a, v, (size_t)width * sizeof *v));
        return;
    }
    json_open(&c->w, '[');
    for (int k = 0; k < width; k++) json_put_float(&c->w, v[k]);
    json_close(&c->w);
}

static void put_vectors(call *c, const char *id, const work_vectors *v, int count, bool coded) {
    json_open(&c->w, '{');
    json_key(&c->w, "object"), json_put_cstr(&c->w, "list");
    json_key(&c->w, "data"), json_open(&c->w, '[');
    for (int i = 0; i < count; i++) {
        json_open(&c->w, '{');
        json_key(&c->w, "object"), json_put_cstr(&c->w, "embedding");
        json_key(&c->w, "index"), json_put_int(&c->w, i);
        json_key(&c->w, "embedding"), put_vector(c, v->vector[i], v->width, coded);
        json_close(&c->w);
    }
    json_close(&c->w);
    json_key(&c->w, "model"), json_put_cstr(&c->w, id);
    json_key(&c->w, "usage"), json_open(&c->w, '{');
    json_key(&c->w, "prompt_tokens"), json_put_int(&c->w, v->tokens);
    json_key(&c->w, "total_tokens"), json_put_int(&c->w, v->tokens);
    json_close(&c->w), json_close(&c->w);
}

static bool post_embeddings(call *c, err *e) {
    const char *id, *format = "float";
    work_input *in = NULL;
    work_vectors v;
    int count = 0;
    if (!body_text(c, "model", 1, 300, &id, e) || !body_text_or(c, "encoding_format", 1, 20, &format, e) ||
        !read_inputs(c, &in, &count, e) || !budget_left(c, e))
        return false;
    const bool coded = strcmp(format, "base64") == 0;
    if (!coded && strcmp(format, "float") != 0)
        return invalid(c, "encoding_format", e, "encoding_format should be float or base64, it is '%s'", format);
    const work_order order = {.model = id, .gone = caller_gone, .self = c};
    if (!worker_embed(server_worker(c->server), &order, in, count, c->a, &v, e)) return false;
    account_tokens(c, v.tokens);
    const int64_t wanted = json_get_int(c->body, "dimensions", v.width);
    if (wanted != v.width)
        return invalid(c, "dimensions", e, "vectors of %s have %d dimensions, not %lld", id, v.width, (long long)wanted);
    put_vectors(c, id, &v, count, coded);
    return true;
}

const route routes_openai[] = {
    {"GET", "/v1/models", WHO_USER, OF_NOTHING, RUN_SELF, list_models, "models, adapters and aliases, as OpenAI lists them"},
    {"GET", "/v1/models/{model}", WHO_USER, OF_NOTHING, RUN_SELF, show_model, "one of them"},
    {"POST", "/v1/chat/completions", WHO_USER, OF_NOTHING, RUN_SELF, post_chat,
     "an answer to a conversation, whole or as a stream"},
    {"POST", "/v1/completions", WHO_USER, OF_NOTHING, RUN_SELF, post_completion, "texts go on, with log-probabilities on demand"},
    {"POST", "/v1/embeddings", WHO_USER, OF_NOTHING, RUN_SELF, post_embeddings, "texts as vectors"},
    {0},
};
