/* model.c - what a reward model says of prompt and answer together: `fettle train reward` makes one, transformers'
 * AutoModelForSequenceClassification with one output is one.
 *
 * The prompt's row and the answer are rendered by the reward model's own chat template and tokenizer, as in its training, so it may be of
 * another family than the policy. Beside a policy that trains an adapter, a reward adapter on the same base shares its weights. */
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "train/reward.h"
#include "train/train.h"

typedef struct {
    arena *a;
    const char *path, *base;
    const model *model;
    adapter *adapter;
} judge_model;

/* PATH is a model, an adapter (its base is named inside), or a run. */
static bool model_reward_open(arena *a, str argument, void **state, err *e) {
    judge_model *j = arena_new_of(a, judge_model);
    *state = j;
    const char *path = str_copy(a, argument), *result = path_join(a, path, "model");
    if (!argument.len) return err_set(e, ERR_USAGE, "say which: model:PATH");
    if (file_is_dir(result) && !file_exists(path_join(a, path, "config.json"))) path = result;
    if (file_exists(path_join(a, path, "state.json")) && file_is_dir(result)) path = result;
    if (!file_exists(path)) return err_set(e, ERR_NOT_FOUND, "no reward model at %s", path);
    *j = (judge_model){.a = a, .path = path, .base = path};
    const char *peft = path_join(a, path, "adapter_config.json");
    const json *config = file_exists(peft) ? json_parse_file(a, peft, 1 << 20, e) : NULL;
    if (config) j->base = str_copy(a, json_get_text(config, "base_model_name_or_path", STR("")));
    return !e->code;
}

static bool same_file(const char *x, const char *y) {
    char *a = realpath(x, NULL), *b = realpath(y, NULL);
    const bool same = a && b && strcmp(a, b) == 0;
    free(a);
    free(b);
    return same;
}

static bool model_reward_ready(void *state, const reward_world *w, err *e) {
    judge_model *j = state;
    model *base = w->frozen && same_file(w->frozen->path, j->base) ? w->frozen : NULL;
    const model_options o = {.compute = w->compute, .keep_blocks = true, .chat_template = w->chat_template};
    if (!base && !(base = model_open(j->a, w->backend, j->base, &o, e))) return false;
    if (strcmp(j->base, j->path) != 0 && !(j->adapter = adapter_open(j->a, base, j->path, false, e))) return false;
    j->model = base;
    return model_label_count(base, j->adapter) > 0 ||
           err_set(e, ERR_USAGE, "%s has no score head: 'fettle train reward' makes one", j->path);
}

/* The prompt as messages: the row's own, or its text as what a user says. */
static json *dialogue(arena *a, const reward_case *c) {
    const json *given = json_get(c->row, "prompt"),
               *list = json_kind_of(given) == JSON_ARRAY ? given : json_get(c->row, "messages");
    json *all = json_count(list) ? json_new_array(a) : messages_new(a, STR(""), c->prompt);
    for (size_t i = 0; i < json_count(list); i++) json_append(all, json_at(list, i));
    json_append(all, message_new(a, "assistant", c->text));
    return all;
}

static bool is_chat(const reward_case *c) {
    return json_kind_of(json_get(c->row, "prompt")) == JSON_ARRAY || json_has(c->row, "messages");
}

static bool chat_ids(arena *a, const model *m, const reward_case *c, const int32_t **ids, int *length, err *e) {
    chat_encoded out;
    if (!m->chat) return err_set(e, ERR_INPUT, "%s has no chat template, and the prompts are conversations", m->path);
    if (!chat_tokens(m->chat, m->tokenizer, &(chat_request){.messages = dialogue(a, c), .tok = m->tokenizer}, a, &out, e))
        return false;
    *ids = out.ids;
    *length = out.count;
    return true;
}

static bool text_ids(arena *a, const model *m, const reward_case *c, const int32_t **ids, int *length, err *e) {
    const int eos = tokenizer_eos(m->tokenizer);
    const str end = eos < 0 || c->truncated ? STR("") : tokenizer_token(m->tokenizer, eos),
              text = str_join(a, c->prompt, c->text);
    token_ids out = {0};
    if (!tokenizer_encode(m->tokenizer, str_ends(text, end) ? text : str_join(a, text, end), true, &out, e)) return false;
    *ids = (const int32_t *)(const void *)arena_copy(a, out.ids, (size_t)out.count * sizeof(int32_t));
    *length = (int)out.count;
    token_ids_free(&out);
    return true;
}

static bool model_reward_score(void *state, const reward_case *c, int count, float *out, err *e) {
    const judge_model *j = state;
    if (!j->model->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer, so it cannot read answers", j->path);
    arena *a = arena_new();
    const int32_t **ids = arena_array(a, const int32_t *, count + 1);
    int *length = arena_array(a, int, count + 1);
    bool ok = true;
    for (int i = 0; ok && i < count; i++) ok = (is_chat(&c[i]) ? chat_ids : text_ids)(a, j->model, &c[i], &ids[i], &length[i], e);
    ok = ok && model_rewards(j->model, j->adapter, j->model->compute, ids, length, count, out, e);
    arena_free(a);
    return ok;
}

const reward_kind reward_model = {.name = "model",
                                  .argument = "PATH",
                                  .words = "what a reward model says of prompt and answer",
                                  .reach = REACHES_FILES,
                                  .open = model_reward_open,
                                  .ready = model_reward_ready,
                                  .score = model_reward_score};
