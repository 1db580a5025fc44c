/* rollout_file.c - rollouts as lines: told in rollouts.jsonl, kept in a checkpoint, and read again instead of sampled (--rollouts). */
#include <math.h>
#include <string.h>

#include "train/loop.h"

/* ---- writing ---------------------------------------------------------------------------------------------------------------------------- */

static void put_ids(json_writer *w, const char *key, const int32_t *ids, int count) {
    json_key(w, key), json_open(w, '[');
    for (int i = 0; i < count; i++) json_put_int(w, ids[i]);
    json_close(w);
}

static void put_floats(json_writer *w, const char *key, const float *x, int count) {
    if (!x) return;
    json_key(w, key), json_open(w, '[');
    for (int i = 0; i < count; i++) json_put_float(w, x[i]);
    json_close(w);
}

void row_put_prompt(json_writer *w, const model *m, const row *x) {
    arena *a = arena_new();
    buf text = {0};
    tokenizer_decode(m->tokenizer, x->ids, x->prompt, false, &text);
    json_key(w, "prompt"), json_put_text(w, buf_str(&text));
    const str said = m->chat ? chat_said(m->chat, m->tokenizer, buf_str(&text), a) : buf_str(&text);
    if (!str_eq(said, buf_str(&text))) json_key(w, "said"), json_put_text(w, said);
    buf_free(&text);
    arena_free(a);
}

void rollout_put_line(json_writer *w, const trainer *t, int which, int64_t step) {
    const completion *c = &t->rollout->item[which];
    json_open(w, '{');
    json_key(w, "step"), json_put_int(w, step);
    json_key(w, "rollout"), json_put_int(w, t->rollout->number);
    json_key(w, "group"), json_put_int(w, c->group);
    row_put_prompt(w, t->text, &c->row);
    json_key(w, "completion"), json_put_text(w, c->text);
    json_key(w, "rewards"), json_open(w, '{');
    for (int f = 0; f < t->reward_count; f++) json_key(w, t->rewards[f].name), json_put_float(w, c->reward[f]);
    json_close(w);
    json_key(w, "reward"), json_put_float(w, c->score);
    json_key(w, "advantage"), json_put_float(w, c->tokens ? c->advantage[0] : 0);
    json_key(w, "truncated"), json_put_bool(w, c->truncated);
    put_ids(w, "prompt_ids", c->row.ids, c->row.prompt);
    put_ids(w, "completion_ids", c->row.ids + c->row.prompt, c->tokens);
    json_close(w);
}

/* All that the coming steps read of it. */
static void put_state(json_writer *w, const trainer *t, const completion *c) {
    json_open(w, '{');
    json_key(w, "prompt"), json_put_int(w, c->prompt);
    json_key(w, "group"), json_put_int(w, c->group);
    json_key(w, "role"), json_put_int(w, c->row.role);
    json_key(w, "truncated"), json_put_bool(w, c->truncated);
    json_key(w, "text"), json_put_text(w, c->text);
    json_key(w, "score"), json_put_float(w, c->score);
    put_ids(w, "prompt_ids", c->row.ids, c->row.prompt);
    put_ids(w, "completion_ids", c->row.ids + c->row.prompt, c->tokens);
    put_floats(w, "reward", c->reward, t->reward_count);
    put_floats(w, "sampler_logp", c->sampler_logp, c->tokens);
    put_floats(w, "old_logp", c->old_logp, c->tokens);
    put_floats(w, "ref_logp", c->ref_logp, c->tokens);
    put_floats(w, "value", c->value, c->tokens);
    put_floats(w, "advantage", c->advantage, c->tokens);
    put_floats(w, "returns", c->returns, c->tokens);
    json_close(w);
}

bool rollout_save(const trainer *t, const char *path, err *e) {
    if (!t->rollout || rollout_is_fresh(t)) return true; /* the coming step makes a new one */
    buf out = {0};
    for (int i = 0; i < t->rollout->count; i++) {
        json_writer w = json_writer_on(&out, false);
        put_state(&w, t, &t->rollout->item[i]);
        buf_put_char(&out, '\n');
    }
    const bool ok = file_write(path, buf_str(&out), e);
    buf_free(&out);
    return ok;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------------------- */

static float *read_floats(arena *a, const json *list, int count) {
    if (json_kind_of(list) != JSON_ARRAY || (int)json_count(list) != count) return NULL;
    float *out = arena_array(a, float, count + 1);
    for (int i = 0; i < count; i++) out[i] = (float)json_real(json_at(list, (size_t)i), NAN);
    return out;
}

static bool read_ids(const trainer *t, const json *list, int32_t *out, err *e) {
    for (size_t i = 0; i < json_count(list); i++) {
        const int64_t id = json_int(json_at(list, i), -1);
        if (id < 0 || id >= t->policy->config.vocab)
            return err_set(e, ERR_INPUT, "a token is %lld, the model knows 0 to %d", (long long)id, t->policy->config.vocab - 1);
        out[i] = (int32_t)id;
    }
    return true;
}

static bool read_tokens(const trainer *t, rollout *r, const json *j, completion *c, err *e) {
    const json *prompt = json_get(j, "prompt_ids"), *answer = json_get(j, "completion_ids");
    const int p = (int)json_count(prompt), n = (int)json_count(answer);
    if (p < 1 || json_kind_of(answer) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "a rollout's line wants prompt_ids (not empty) and completion_ids");
    int32_t *ids = arena_array(r->a, int32_t, p + n + 1);
    uint8_t *mask = arena_array(r->a, uint8_t, p + n + 1);
    if (!read_ids(t, prompt, ids, e) || !read_ids(t, answer, ids + p, e)) return false;
    memset(mask + p, MASK_TRAINED, (size_t)n);
    mask[0] |= MASK_BEGINS;
    c->row =
        (row){.length = p + n, .prompt = p, .ids = ids, .mask = mask, .unit = -1, .label = 1, .margin = NAN, .probability = NAN};
    c->row.role = (int)json_get_int(j, "role", 0);
    c->tokens = n;
    const str text = json_get_text(j, "text", json_get_text(j, "completion", STR("")));
    c->text = (str){str_copy(r->a, text), text.len};
    return true;
}

static bool load_state(trainer *t, rollout *r, const json *j, completion *c, err *e) {
    if (!read_tokens(t, r, j, c, e)) return false;
    c->prompt = json_get_int(j, "prompt", 0);
    c->group = (int)json_get_int(j, "group", 0);
    c->truncated = json_get_bool(j, "truncated", false);
    c->score = (float)json_get_real(j, "score", NAN);
    c->reward = read_floats(r->a, json_get(j, "reward"), t->reward_count);
    c->sampler_logp = read_floats(r->a, json_get(j, "sampler_logp"), c->tokens);
    c->old_logp = read_floats(r->a, json_get(j, "old_logp"), c->tokens);
    c->ref_logp = read_floats(r->a, json_get(j, "ref_logp"), c->tokens);
    c->value = read_floats(r->a, json_get(j, "value"), c->tokens);
    c->advantage = read_floats(r->a, json_get(j, "advantage"), c->tokens);
    c->returns = read_floats(r->a, json_get(j, "returns"), c->tokens);
    return true;
}

static bool load_lines(trainer *t, rollout *r, const char *path, err *e) {
    file_lines in;
    str line;
    int n = 0;
    if (!file_lines_open(&in, path, 1 << 28, e)) return false;
    while (n < r->count && file_lines_next(&in, &line, e)) {
        const json *j = json_parse(r->a, line, e);
        if (!j || !load_state(t, r, j, &r->item[n++], e)) break;
    }
    file_lines_close(&in);
    return !e->code &&
           (n == r->count || err_set(e, ERR_INPUT, "the checkpoint's rollout has %d completions, expected %d", n, r->count));
}

bool rollout_load(trainer *t, const char *path, err *e) {
    if (!t->s->rollout) return true;
    if (!file_exists(path)) return rollout_take(t, NULL), true;
    rollout *r = rollout_new(t, t->step / rollout_steps(t->s));
    if (!load_lines(t, r, path, e)) {
        arena_free(r->a);
        return false;
    }
    r->told = r->looked = true;
    rollout_take(t, r);
    return true;
}

/* ---- replayed ---------------------------------------------------------------------------------------------------------------------------- */

/* Rewards as a list, or by name; their names are those of the first line. */
static bool read_rewards(trainer *t, rollout *r, const json *given, completion *c, err *e) {
    const int n = (int)json_count(given);
    const rollout_options *o = t->s->rollout;
    json_member m = {0};
    if (!t->reward_count) {
        t->rewards = arena_array(t->arena, reward, n + 1);
        for (int f = 0; f < n; f++) {
            const bool named = json_next(given, &m);
            t->rewards[f] =
                (reward){.name = named ? arena_text(t->arena, m.key) : arena_printf(t->arena, "reward_%d", f), .weight = 1};
            if (f < o->reward_weights.count) str_to_double(str_of(o->reward_weights.item[f]), &t->rewards[f].weight);
        }
        t->reward_count = n;
    }
    if (n != t->reward_count || n == 0)
        return err_set(e, ERR_INPUT, "a rollout's line has %d rewards, expected %d", n, t->reward_count);
    c->reward = arena_array(r->a, float, n + 1);
    for (int f = 0; f < n; f++) {
        const json *x = json_kind_of(given) == JSON_OBJECT ? json_get(given, t->rewards[f].name) : json_at(given, (size_t)f);
        c->reward[f] = (float)json_real(x, NAN);
    }
    return true;
}

static bool ends_turn(const trainer *t, const completion *c) {
    const model_config *m = &t->policy->config;
    const int32_t last = c->tokens ? c->row.ids[c->row.length - 1] : -1;
    bool ends = last == tokenizer_eos(t->text->tokenizer);
    for (int i = 0; i < m->eos_count; i++) ends |= last == m->eos[i];
    return ends;
}

static bool same_prompt(const completion *x, const completion *y) {
    return x->row.prompt == y->row.prompt && memcmp(x->row.ids, y->row.ids, (size_t)x->row.prompt * sizeof *x->row.ids) == 0;
}

bool rollout_replay(trainer *t, rollout *r, err *e) {
    str line;
    r->replayed = true;
    while (t->replay->line < r->number * r->count && file_lines_next(t->replay, &line, e))
        continue; /* what a resumed run had read */
    for (int i = 0, groups = 0; i < r->count; i++) {
        completion *c = &r->item[i];
        if (!file_lines_next(t->replay, &line, e)) {
            if (e->code) return false;
            return err_set(e, ERR_INPUT, "%s ends behind %lld lines; rollout %lld wants %d completions", t->s->rollout->rollouts,
                           (long long)t->replay->line, (long long)r->number, r->count);
        }
        const json *j = json_parse(r->a, line, e);
        if (!j || !read_tokens(t, r, j, c, e) || !read_rewards(t, r, json_get(j, "rewards"), c, e))
            return err_prefix(e, "%s line %lld", t->s->rollout->rollouts, (long long)t->replay->line);
        c->truncated = json_get_bool(j, "truncated", !ends_turn(t, c));
        c->group = groups;
        for (int k = 0; k < i; k++)
            if (same_prompt(c, &r->item[k])) {
                c->group = r->item[k].group;
                break;
            }
        groups += c->group == groups;
    }
    return true;
}
