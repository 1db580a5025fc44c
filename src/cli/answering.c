/* answering.c - prompts to answers (contract: answering.h). */
#include "cli/answering.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/sys.h"

sampling answering_sampling(const answering_options *o, const model *m) {
    sampling s = sampling_default(m);
    if (!isnan(o->temperature)) s.temperature = o->temperature;
    if (!isnan(o->top_p)) s.top_p = o->top_p;
    if (!isnan(o->min_p)) s.min_p = o->min_p;
    if (!isnan(o->repetition_penalty)) s.repetition_penalty = o->repetition_penalty;
    if (o->top_k != OPT_UNSET_INT) s.top_k = (int)o->top_k;
    s.max_new_tokens = (int)o->max_new_tokens;
    s.seed = (uint64_t)o->seed;
    s.stop = o->stop.item;
    s.stop_count = o->stop.count;
    return s;
}

static json *message(arena *a, const char *role, str content) {
    json *m = json_new_object(a);
    json_set(m, "role", json_new_text(a, str_of(role)));
    json_set(m, "content", json_new_text(a, content));
    return m;
}

bool conversation_tokens(arena *a, const model *m, json *messages, bool open, const int32_t **ids, int *count, err *e) {
    if (!m->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer.json, so it cannot read text", m->path);
    if (!m->chat)
        return err_set(e, ERR_INPUT, "%s has no chat template: use --raw to continue a text, or name one with --chat-template",
                       m->path);
    chat_encoded out;
    if (!chat_tokens(m->chat, m->tokenizer,
                     &(chat_request){.messages = messages, .add_generation_prompt = open, .tok = m->tokenizer}, a, &out, e))
        return false;
    *ids = out.ids;
    *count = out.count;
    return true;
}

static json *question(arena *a, const answering_options *o, str prompt) {
    json *messages = json_new_array(a);
    if (o->system) json_append(messages, message(a, "system", str_of(o->system)));
    json_append(messages, message(a, "user", prompt));
    return messages;
}

bool dialogue_tokens(arena *a, const model *m, const char *prompt, str text, const answering_options *o, const int32_t **ids,
                     int *count, err *e) {
    json *messages = question(a, o, str_of(prompt));
    json_append(messages, message(a, "assistant", text));
    return conversation_tokens(a, m, messages, false, ids, count, e);
}

bool prompt_tokens(arena *a, const model *m, str prompt, const answering_options *o, const int32_t **ids, int *count, err *e) {
    if (!o->raw && m->chat) return conversation_tokens(a, m, question(a, o, prompt), true, ids, count, e);
    if (!o->raw) return conversation_tokens(a, m, NULL, true, ids, count, e); /* says what is missing */
    if (!m->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer.json, so it cannot read text", m->path);
    token_ids out = {0};
    if (!tokenizer_encode(m->tokenizer, prompt, true, &out, e)) return false;
    *ids = (const int32_t *)(const void *)arena_copy(a, out.ids, (size_t)out.count * sizeof(int32_t));
    *count = (int)out.count;
    token_ids_free(&out);
    return true;
}

enum { TOGETHER = 32 };

static bool whisper(void *self, str piece) { return ((on_text)(*(on_text *)self))(NULL, piece); }

static void keep(arena *a, const session *s, const int32_t *prompt, int prompt_count, given_answer *out) {
    int count;
    const int32_t *ids = session_ids(s, &count);
    const float *logp = session_logps(s);
    *out = (given_answer){.count = count, .prompt = prompt, .prompt_count = prompt_count, .finish = session_finish(s)};
    out->text = str_of(str_copy(a, session_text(s)));
    out->ids = (const int32_t *)(const void *)arena_copy(a, ids, (size_t)count * sizeof *ids);
    for (int i = 0; i < count; i++) out->logp += (double)logp[i];
}

/* One pass after the other over all sessions, with a progress line counted in tokens. */
static bool run_all(engine *g, session **list, int count, int limit, const char *words, err *e) {
    progress p = progress_begin(words ? words : "", !words);
    for (;;) {
        int busy = 0, done = 0;
        for (int i = 0; i < count; i++) {
            int n;
            session_ids(list[i], &n);
            const bool over = session_finish(list[i]) != FINISH_NONE;
            busy += !over;
            done += over ? limit : n;
        }
        if (words) progress_show(&p, done, (double)count * limit, NULL);
        if (!busy) {
            if (words) progress_end(&p, NULL);
            return true;
        }
        if (sys_stop_requested()) return err_set(e, ERR_STOPPED, "stopped while answering");
        if (!engine_step(g, list, count, e)) return false;
    }
}

typedef struct {
    const int32_t *ids;
    int length;
} tokens;

static session *begin_answer(engine *g, const answering_order *x, const tokens *prompts, int nth, err *e) {
    const tokens *p = &prompts[nth / x->each];
    const bool listen = x->first && nth == 0;
    sampling set = answering_sampling(x->how, x->who->model);
    set.seed = rng_mix(set.seed, (uint64_t)nth);
    return session_new(g, x->who->adapter, p->ids, p->length, &set, listen ? whisper : NULL,
                       listen ? (void *)(uintptr_t)&x->first : NULL, e);
}

/* Answers [from, from + n). */
static bool answer_some(arena *a, engine *g, const answering_order *x, const tokens *prompts, int from, int n, given_answer *out,
                        err *e) {
    session *list[TOGETHER];
    int made = 0;
    while (made < n && (list[made] = begin_answer(g, x, prompts, from + made, e))) made++;
    const char *words =
        x->progress ? arena_printf(a, "%s %d to %d of %d", x->progress, from + 1, from + n, x->count * x->each) : NULL;
    const bool ok = made == n && run_all(g, list, n, (int)x->how->max_new_tokens, words, e);
    for (int k = 0; k < made; k++) {
        const tokens *p = &prompts[(from + k) / x->each];
        if (ok) keep(a, list[k], p->ids, p->length, &out[from + k]);
        session_free(list[k]);
    }
    return ok;
}

bool answer_prompts(arena *a, const answering_order *x, given_answer *out, err *e) {
    const model *m = x->who->model;
    const int total = x->count * x->each;
    tokens *prompts = arena_array(a, tokens, x->count);
    bool ok = true;
    for (int i = 0; ok && i < x->count; i++)
        ok = prompt_tokens(a, m, str_of(x->prompts[i]), x->how, &prompts[i].ids, &prompts[i].length, e);
    engine *g = engine_new(m, x->compute);
    for (int from = 0; ok && from < total; from += TOGETHER)
        ok = answer_some(a, g, x, prompts, from, total - from < TOGETHER ? total - from : TOGETHER, out, e);
    engine_free(g);
    return ok;
}

bool prompts_read(arena *a, const char *path, const char ***out, int *count, err *e) {
    enum { MOST = 10000 };
    const char **list = arena_array(a, const char *, MOST);
    file_lines in;
    str line;
    if (!file_lines_open(&in, path, 1 << 20, e)) return false;
    while (*count < MOST && file_lines_next(&in, &line, e))
        if (str_trim(line).len) list[(*count)++] = str_copy(a, line);
    file_lines_close(&in);
    *out = list;
    return !e->code && (*count || err_set(e, ERR_INPUT, "%s has no prompts", path));
}
