/* heads.c - what stands on the last hidden state beside a head that writes: numbers for a sequence (reward models) or for each token, as
 * transformers' ForSequenceClassification and ForTokenClassification have them. The weights: load.c; beside an adapter: adapter.c. */
#include <string.h>

#include "model/load.h"

static const struct {
    const char *ending, *task, *pipeline, *words;
} heads[] = {
#define X(token, class, task, pipeline, words) {class, task, pipeline, words},
    HEADS(X)
#undef X
};

const char *head_words(head_kind k) { return heads[k].words; }
const char *head_ending(head_kind k) { return heads[k].ending; }
const char *head_task(head_kind k) { return heads[k].task; }

const char *head_pipeline(head_kind k) { return heads[k].pipeline; }

head_kind head_of_class(str name) {
    for (int k = 0; k < HEAD_COUNT; k++)
        if (str_ends(name, str_of(heads[k].ending))) return (head_kind)k;
    return HEAD_WRITES; /* GPT2LMHeadModel, or not said */
}

static head_kind head_of_task(str task) {
    for (int k = 0; k < HEAD_COUNT; k++)
        if (str_is(task, heads[k].task)) return (head_kind)k;
    return HEAD_WRITES;
}

bool config_head(const json *j, model_config *c, err *e) {
    const int64_t named = (int64_t)json_count(json_get(j, "id2label"));
    c->head = head_of_class(json_text(json_at(json_get(j, "architectures"), 0), STR("")));
    if (c->head == HEAD_WRITES) return true;
    return config_size(j, "num_labels", named > 0 ? named : 2, 4096, &c->labels, e); /* 2: transformers' default */
}

bool model_head_of(const char *path, head_kind *out, int *labels, err *e) {
    arena *a = arena_new();
    const char *peft = path_join(a, path, "adapter_config.json"), *own = path_join(a, path, "config.json");
    const bool adapts = file_exists(peft);
    *out = HEAD_WRITES;
    *labels = 0;
    const bool told = file_is_dir(path) && (adapts || file_exists(own));
    const json *j = !told ? NULL : json_parse_file(a, adapts ? peft : own, 16 << 20, e);
    bool ok = !told || j;
    if (j && !adapts) {
        model_config c = {0};
        ok = config_head(j, &c, e);
        *out = c.head;
        *labels = c.labels;
    } else if (j && (*out = head_of_task(json_get_text(j, "task_type", STR("")))) != HEAD_WRITES) {
        tensor_file files;
        ok = safetensors_open_folder(a, path, "adapter_model", &files, e);
        const file_tensor *w = ok ? adapter_head_tensor(&files, "weight") : NULL;
        if (!w) *out = HEAD_WRITES;
        else *labels = w->dims == 2 && w->shape[0] <= 4096 ? (int)w->shape[0] : 0;
    }
    arena_free(a);
    return ok;
}

const file_tensor *adapter_head_tensor(const tensor_file *files, const char *kind) {
    static const char *const names[] = {"score", "classifier"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "base_model.model.%s.%s", names[i], kind);
        const file_tensor *t = tensor_file_find(files, name);
        if (t) return t;
    }
    return NULL;
}

bool model_writes(const model *m, const adapter *ad, err *e) {
    const head_kind k = ad && ad->score ? ad->head : m->config.head;
    return k == HEAD_WRITES || err_set(e, ERR_USAGE, "%s is %s: it judges answers and writes none", m->path, head_words(k));
}

/* ---- forward ------------------------------------------------------------------------------------------------------------------- */

tensor *model_labels(const model *m, tape *t, tensor *hidden, const adapter *ad) {
    const bool own = ad && ad->score;
    return op_linear(t, hidden, own ? ad->score : m->score, own ? ad->score_bias : m->score_bias);
}

int model_label_count(const model *m, const adapter *ad) {
    return ad && ad->score ? ad->score->rows : m->score ? m->score->rows : 0;
}

int head_padding(const model *m) {
    if (m->config.pad >= 0 || !m->tokenizer) return m->config.pad;
    return tokenizer_pad(m->tokenizer) >= 0 ? tokenizer_pad(m->tokenizer) : tokenizer_eos(m->tokenizer);
}

int model_score_place(const model *m, const int32_t *ids, int length) {
    const int pad = head_padding(m);
    int k = length - 1;
    while (k > 0 && ids[k] == pad) k--;
    return k;
}

/* How many tokens sequence i takes from sequence root of the same pass: what both begin with, short of the place of its score. 0 where that is
 * hardly worth a span of its own. */
static int common_start(const model *m, const int32_t *const *ids, const int *length, int root, int i) {
    enum { LEAST = 8 };
    const int place = model_score_place(m, ids[i], length[i]), most = place < length[root] ? place : length[root];
    int n = 0;
    while (n < most && ids[root][n] == ids[i][n]) n++;
    return n < LEAST ? 0 : n;
}

/* Sequences first .. first+count-1 as spans; what a sequence begins with as the last one that stands whole does is not computed again. Returns the
 * tokens. place: where the scores are. */
static int reward_spans(const model *m, const int32_t *const *ids, const int *length, int first, int count, span *spans,
                        int32_t *id, int32_t *place) {
    int T = 0;
    for (int i = 0, root = 0; i < count; T += spans[i++].length) {
        const int k = first + i, from = i ? common_start(m, ids, length, first + root, k) : 0;
        if (!from) root = i;
        spans[i] = (span){.begin = T, .length = length[k] - from, .parent = from ? root : -1, .shared = from};
        memcpy(id + T, ids[k] + from, (size_t)spans[i].length * sizeof *id);
        place[i] = T + model_score_place(m, ids[k], length[k]) - from;
    }
    return T;
}

/* One ragged pass over sequences first .. last-1. */
static void reward_pass(const model *m, const adapter *ad, tape *t, arena *a, const int32_t *const *ids, const int *length,
                        int first, int last, float *reward) {
    const int count = last - first, labels = model_label_count(m, ad);
    int most = 0;
    for (int i = first; i < last; i++) most += length[i];
    int32_t *id = arena_array(a, int32_t, most), *position = arena_array(a, int32_t, most),
            *place = arena_array(a, int32_t, count);
    float *out = arena_array(a, float, count *labels);
    span *spans = arena_array(a, span, count);
    const int T = reward_spans(m, ids, length, first, count, spans, id, place);
    layout_positions(spans, count, position);
    const layout l = {T, count, spans, position};
    tensor *h = op_rows(t, model_forward(m, t, &(model_batch){id, &l}, ad), place, count);
    tape_read(t, model_labels(m, t, h, ad), out);
    for (int i = 0; i < count; i++) reward[first + i] = out[i * labels];
}

static bool check_sequence(const model *m, const int32_t *ids, int length, int number, err *e) {
    if (length < 1) return err_set(e, ERR_INPUT, "sequence %d is empty: a score stands at its last token", number);
    if (m->config.positions && length > m->config.positions)
        return err_set(e, ERR_LIMIT, "sequence %d has %d tokens, the model knows %d positions", number, length,
                       m->config.positions);
    for (int k = 0; k < length; k++)
        if (ids[k] < 0 || ids[k] >= m->config.vocab)
            return err_set(e, ERR_INPUT, "token %d of sequence %d is %d, the model knows 0 to %d", k, number, ids[k],
                           m->config.vocab - 1);
    return true;
}

static bool has_head(const model *m, const adapter *ad, err *e) {
    return model_label_count(m, ad) > 0 ||
           err_set(e, ERR_USAGE, "%s is %s: a reward model has a score head ('fettle train reward' makes one)", m->path,
                   head_words(HEAD_WRITES));
}

bool model_token_labels(const model *m, const adapter *ad, compute_type compute, const int32_t *ids, int length, float *out,
                        err *e) {
    if (!has_head(m, ad, e) || !check_sequence(m, ids, length, 1, e)) return false;
    const span all = {.length = length, .parent = -1};
    pool *memory_of_pass = pool_new();
    arena *a = arena_new();
    int32_t *position = arena_array(a, int32_t, length);
    layout_positions(&all, 1, position);
    const layout l = {length, 1, &all, position};
    tape *t = tape_new(m->backend, memory_of_pass, (tape_options){.compute = compute});
    tape_read(t, model_labels(m, t, model_forward(m, t, &(model_batch){ids, &l}, ad), ad), out);
    tape_free(t);
    arena_free(a);
    pool_free(memory_of_pass);
    return true;
}

bool model_rewards(const model *m, const adapter *ad, compute_type compute, const int32_t *const *ids, const int *length,
                   int count, float *reward, err *e) {
    enum { PASS_TOKENS = 2048 };
    if (!has_head(m, ad, e)) return false;
    for (int i = 0; i < count; i++)
        if (!check_sequence(m, ids[i], length[i], i + 1, e)) return false;
    pool *memory_of_passes = pool_new();
    for (int first = 0, last; first < count; first = last) {
        int T = 0;
        for (last = first; last < count && (last == first || T + length[last] <= PASS_TOKENS); last++) T += length[last];
        arena *a = arena_new();
        tape *t = tape_new(m->backend, memory_of_passes, (tape_options){.compute = compute});
        reward_pass(m, ad, t, a, ids, length, first, last, reward);
        tape_free(t);
        arena_free(a);
    }
    pool_free(memory_of_passes);
    return true;
}
