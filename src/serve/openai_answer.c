/* openai_answer.c - what the worker made, in OpenAI's shapes: whole or in chunks. */
#include <math.h>
#include <string.h>

#include "serve/openai.h"

/* ---- errors --------------------------------------------------------------------------------------------------------------------------------- */

/* OpenAI's clients take 400 for what is wrong with a request. */
int openai_status(err_code code) {
    const int status = err_http_status(code);
    return status == 422 ? 400 : status;
}

static const struct {
    int status;
    const char *type, *code;
} error_kinds[] = {{400, "invalid_request_error", "invalid_request"},
                   {401, "authentication_error", "invalid_api_key"},
                   {403, "permission_error", "not_allowed"},
                   {404, "invalid_request_error", "model_not_found"},
                   {405, "invalid_request_error", "method_not_allowed"},
                   {409, "conflict_error", "conflict"},
                   {413, "invalid_request_error", "too_large"},
                   {429, "rate_limit_error", "rate_limit_exceeded"},
                   {503, "service_unavailable_error", "stopped"},
                   {0, "server_error", "server_error"}};

void put_openai_error(json_writer *w, int status, const char *where, const err *e) {
    size_t k = 0;
    while (error_kinds[k].status && error_kinds[k].status != status) k++;
    if (where && strncmp(where, "body.", 5) == 0) where += 5;
    json_open(w, '{');
    json_key(w, "error"), json_open(w, '{');
    json_key(w, "message"), json_put_cstr(w, e->text);
    json_key(w, "type"), json_put_cstr(w, error_kinds[k].type);
    const bool nowhere = where && strcmp(where, "url") == 0;
    json_key(w, "param"), json_put_cstr(w, status == 400 ? where : NULL);
    json_key(w, "code"), json_put_cstr(w, nowhere ? "unknown_url" : error_kinds[k].code);
    json_close(w), json_close(w);
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------------------------------- */

/* A token's text as a member's name or value: bytes that are no whole characters are told as such. */
static str token_name(arena *a, str bytes) {
    if (str_is_utf8(bytes)) return bytes;
    buf out = {0};
    buf_put_text(&out, "bytes:");
    for (size_t i = 0; i < bytes.len; i++) buf_printf(&out, "\\x%02x", (unsigned char)bytes.ptr[i]);
    const str s = {arena_copy(a, out.ptr, out.len), out.len};
    buf_free(&out);
    return s;
}

static void put_logp(json_writer *w, float logp) {
    if (isnan(logp)) json_put_null(w);
    else json_put_real(w, (double)(isinf(logp) ? -9999.0F : logp));
}

static void put_chat_token(arena *a, json_writer *w, const work_token *t, bool with_tops) {
    json_open(w, '{');
    json_key(w, "token"), json_put_text(w, token_name(a, t->text));
    json_key(w, "logprob"), put_logp(w, t->logp);
    json_key(w, "bytes"), json_open(w, '[');
    for (size_t i = 0; i < t->text.len; i++) json_put_int(w, (unsigned char)t->text.ptr[i]);
    json_close(w);
    if (with_tops) {
        json_key(w, "top_logprobs"), json_open(w, '[');
        for (int i = 0; i < t->tops; i++) put_chat_token(a, w, &t->top[i], false);
        json_close(w);
    }
    json_close(w);
}

static void put_chat_logprobs(arena *a, json_writer *w, const work_answer *v, int from) {
    const int count = v->count - v->ended; /* the end of the turn is no part of the message */
    json_open(w, '{');
    json_key(w, "content"), json_open(w, '[');
    for (int i = from; i < count; i++) put_chat_token(a, w, &v->token[i], true);
    json_close(w), json_close(w);
}

/* The older shape: parallel lists. The chosen token is among its alternatives, as clients expect that read the best of them. */
static void put_old_tops(arena *a, json_writer *w, const work_token *t) {
    bool there = false;
    if (isnan(t->logp)) {
        json_put_null(w);
        return;
    }
    json_open(w, '{');
    for (int i = 0; i < t->tops; i++) {
        json_key_str(w, token_name(a, t->top[i].text)), put_logp(w, t->top[i].logp);
        there |= t->top[i].id == t->id;
    }
    if (!there) json_key_str(w, token_name(a, t->text)), put_logp(w, t->logp);
    json_close(w);
}

typedef struct {
    const work_token *token;
    int count;
} token_list;

static void put_old_logprobs(arena *a, json_writer *w, const token_list *lists, int count, size_t offset, bool tops) {
    json_open(w, '{');
    json_key(w, "tokens"), json_open(w, '[');
    for (int k = 0; k < count; k++)
        for (int i = 0; i < lists[k].count; i++) json_put_text(w, token_name(a, lists[k].token[i].text));
    json_close(w);
    json_key(w, "token_logprobs"), json_open(w, '[');
    for (int k = 0; k < count; k++)
        for (int i = 0; i < lists[k].count; i++) put_logp(w, lists[k].token[i].logp);
    json_close(w);
    json_key(w, "top_logprobs");
    if (tops) json_open(w, '[');
    else json_put_null(w);
    for (int k = 0; tops && k < count; k++)
        for (int i = 0; i < lists[k].count; i++) put_old_tops(a, w, &lists[k].token[i]);
    if (tops) json_close(w);
    json_key(w, "text_offset"), json_open(w, '[');
    for (int k = 0; k < count; k++)
        for (int i = 0; i < lists[k].count; offset += text_characters(lists[k].token[i].text), i++)
            json_put_int(w, (int64_t)offset);
    json_close(w), json_close(w);
}

/* ---- whole answers ----------------------------------------------------------------------------------------------------------------------------- */

static void put_head(const completion *x, json_writer *w, const char *kind) {
    json_key(w, "id"), json_put_cstr(w, x->id);
    json_key(w, "object"), json_put_cstr(w, kind);
    json_key(w, "created"), json_put_int(w, x->created);
    json_key(w, "model"), json_put_cstr(w, x->model);
}

static void put_chat_choice(const completion *x, arena *a, json_writer *w, const work_answer *v) {
    json_key(w, "message"), json_open(w, '{');
    json_key(w, "role"), json_put_cstr(w, "assistant");
    json_key(w, "content"), json_put_text(w, v->text);
    json_key(w, "refusal"), json_put_null(w);
    json_close(w);
    json_key(w, "logprobs");
    if (x->logprobs) put_chat_logprobs(a, w, v, 0);
    else json_put_null(w);
}

static void put_text_choice(const completion *x, arena *a, json_writer *w, const work_view *all, const work_answer *v) {
    const token_list lists[2] = {{all->prompt_token, all->prompt_token ? all->prompt_tokens : 0}, {v->token, v->count}};
    json_key(w, "text"), json_put_text(w, x->echo ? str_join(a, all->prompt, v->text) : v->text);
    json_key(w, "logprobs");
    if (x->logprobs) put_old_logprobs(a, w, lists, 2, 0, x->tops > 0);
    else json_put_null(w);
}

typedef struct {
    int prompt, answer, reused;
    double tokens_per_s;
} counts;

static void add_counts(counts *n, const work_view *v) {
    n->prompt += v->prompt_tokens;
    n->reused += v->reused;
    n->tokens_per_s += v->tokens_per_s;
    for (int i = 0; i < v->count; i++) n->answer += v->answer[i].count;
}

static void put_usage(json_writer *w, const counts *n) {
    json_key(w, "usage"), json_open(w, '{');
    json_key(w, "prompt_tokens"), json_put_int(w, n->prompt);
    json_key(w, "completion_tokens"), json_put_int(w, n->answer);
    json_key(w, "total_tokens"), json_put_int(w, n->prompt + n->answer);
    json_key(w, "prompt_tokens_details"), json_open(w, '{');
    json_key(w, "cached_tokens"), json_put_int(w, n->reused);
    json_close(w), json_close(w);
}

/* The tokens that the first prompt was, and how fast it went. */
static void put_details(json_writer *w, const work_view *first, const counts *n) {
    json_key(w, "fettle"), json_open(w, '{');
    json_key(w, "model"), json_put_cstr(w, first->model);
    json_key(w, "prompt_tokens"), json_open(w, '[');
    for (int i = 0; i < first->prompt_tokens; i++) json_put_int(w, first->prompt_ids[i]);
    json_close(w);
    json_key(w, "prompt_text"), json_put_text(w, first->prompt);
    json_key(w, "tokens_per_s"), json_put_real(w, n->tokens_per_s);
    json_close(w);
}

static void put_choices(completion *x, arena *a, json_writer *w, work_view *views) {
    json_key(w, "choices"), json_open(w, '[');
    for (int i = 0; i < x->prompts; i++)
        for (int k = 0; k < x->n; k++) {
            const work_answer *v = &views[i].answer[k];
            json_open(w, '{');
            json_key(w, "index"), json_put_int(w, i * x->n + k);
            if (x->chat) put_chat_choice(x, a, w, v);
            else put_text_choice(x, a, w, &views[i], v);
            json_key(w, "finish_reason"), json_put_cstr(w, v->finish);
            json_close(w);
        }
    json_close(w);
}

void completion_put(completion *x, json_writer *w) {
    arena *a = x->c->a;
    work_view *views = arena_array(a, work_view, x->prompts);
    counts n = {0};
    for (int i = 0; i < x->prompts; i++) {
        work_read(x->work[i], a, &views[i]);
        add_counts(&n, &views[i]);
    }
    json_open(w, '{');
    put_head(x, w, x->chat ? "chat.completion" : "text_completion");
    put_choices(x, a, w, views);
    put_usage(w, &n);
    if (x->details) put_details(w, &views[0], &n);
    json_close(w);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------------------------------- */

static void begin_chunk(const completion *x, json_writer *w) {
    json_open(w, '{');
    put_head(x, w, x->chat ? "chat.completion.chunk" : "text_completion");
    json_key(w, "choices"), json_open(w, '[');
}

static void end_chunk(const completion *x, json_writer *w, buf *out) {
    if (x->usage) json_key(w, "usage"), json_put_null(w);
    json_close(w);
    buf_put_text(out, "\n\n");
}

/* One choice of one chunk: some text, perhaps none, and perhaps why it is over. */
static void put_piece(const completion *x, arena *a, buf *out, int index, str text, const work_answer *v, told *t, bool over) {
    json_writer w = json_writer_on(out, false);
    buf_put_text(out, "data: ");
    begin_chunk(x, &w);
    json_open(&w, '{');
    json_key(&w, "index"), json_put_int(&w, index);
    if (x->chat) {
        json_key(&w, "delta"), json_open(&w, '{');
        if (!t->begun) json_key(&w, "role"), json_put_cstr(&w, "assistant");
        if (!over || text.len) json_key(&w, "content"), json_put_text(&w, text);
        json_close(&w);
    } else json_key(&w, "text"), json_put_text(&w, text);
    json_key(&w, "logprobs");
    if (!x->logprobs || t->tokens >= v->count) json_put_null(&w);
    else if (x->chat) put_chat_logprobs(a, &w, v, t->tokens);
    else put_old_logprobs(a, &w, &(token_list){v->token + t->tokens, v->count - t->tokens}, 1, t->text, x->tops > 0);
    json_key(&w, "finish_reason"), json_put_cstr(&w, over ? v->finish : NULL);
    json_close(&w), json_close(&w);
    end_chunk(x, &w, out);
    t->begun = true;
    t->over = over;
    t->tokens = v->count;
}

static void put_news(const completion *x, arena *a, buf *out, const work_view *all, int prompt) {
    for (int k = 0; k < x->n; k++) {
        const int index = prompt * x->n + k;
        const work_answer *v = &all->answer[k];
        told *t = &x->told[index];
        if (t->over) continue;
        str text = str_slice(v->text, t->text, v->text.len);
        if (!t->begun && x->echo) text = str_join(a, all->prompt, text);
        const bool more = text.len || (x->logprobs && v->count > t->tokens);
        if (more || (!t->begun && x->chat)) put_piece(x, a, out, index, text, v, t, false);
        t->text = v->text.len;
        if (v->finish) put_piece(x, a, out, index, STR(""), v, t, true);
    }
}

static void put_last(completion *x, arena *a, buf *out, const work_view *views) {
    counts n = {0};
    for (int i = 0; i < x->prompts; i++) add_counts(&n, &views[i]);
    if (x->usage || x->details) {
        json_writer w = json_writer_on(out, false);
        buf_put_text(out, "data: ");
        begin_chunk(x, &w);
        json_close(&w);
        if (x->usage) put_usage(&w, &n);
        if (x->details) put_details(&w, &views[0], &n);
        json_close(&w);
        buf_put_text(out, "\n\n");
    }
    buf_put_text(out, "data: [DONE]\n\n");
    (void)a;
}

static void put_failure(buf *out, const err *why) {
    json_writer w = json_writer_on(out, false);
    buf_put_text(out, "data: ");
    put_openai_error(&w, openai_status(why->code), NULL, why);
    buf_put_text(out, "\n\n");
}

bool completion_chunks(completion *x, buf *out) {
    err why = {0};
    if (x->ended) return false;
    const bool over = completion_over(x, &why); /* before reading: what comes later is told later */
    arena *a = arena_new();
    work_view *views = arena_array(a, work_view, x->prompts);
    for (int i = 0; i < x->prompts; i++) {
        work_read(x->work[i], a, &views[i]);
        put_news(x, a, out, &views[i], i);
    }
    if (why.code) put_failure(out, &why);
    else if (over) put_last(x, a, out, views);
    x->ended = over;
    if (!out->len) buf_put_text(out, ": \n\n");
    arena_free(a);
    return true;
}
