/* probe_logits.c - fettle probe logits: lines are ragged batches, as many together as a pass holds; log-probabilities, the mean loss
 * over all predicted tokens, gradients of that loss, greedy continuations. Big arrays go to a safetensors file as they are computed:
 * logits.0 ..., grad.NAME. */
#include "cli/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

typedef struct {
    int32_t **ids;
    int *length;
    int count, tokens, predicted;
} batch;

static bool read_batch(arena *a, const probe *p, batch *b, err *e) {
    enum { MOST = 4096 };
    const int V = p->subject.model->config.vocab, positions = p->subject.model->config.positions;
    b->ids = arena_array(a, int32_t *, MOST);
    b->length = arena_array(a, int, MOST);
    file_lines in;
    str text;
    bool ok = file_lines_open(&in, "-", 1u << 30, e);
    while (ok && file_lines_next(&in, &text, e)) {
        if (!str_trim(text).len) continue;
        const json *v = json_parse(a, text, e), *ids = json_get(v, "ids");
        const int n = (int)json_count(ids);
        ok = v && (json_kind_of(ids) == JSON_ARRAY && n > 0
                       ? b->count < MOST || err_set(e, ERR_LIMIT, "more than %d lines", MOST)
                       : err_set(e, ERR_INPUT, "line %lld: 'ids' should be an array of token ids", (long long)in.line));
        if (ok && positions > 0 && n > positions)
            ok = err_set(e, ERR_LIMIT, "line %lld: %d tokens, the model knows %d positions", (long long)in.line, n, positions);
        if (!ok) break;
        int32_t *list = arena_array(a, int32_t, n);
        for (int i = 0; ok && i < n; i++) {
            const int64_t id = json_int(json_at(ids, (size_t)i), -1);
            ok = (id >= 0 && id < V) || err_set(e, ERR_INPUT, "line %lld: ids[%d] is %lld, the model knows 0 to %d",
                                                (long long)in.line, i, (long long)id, V - 1);
            list[i] = (int32_t)id;
        }
        b->ids[b->count] = list;
        b->length[b->count++] = n;
        b->tokens += n;
        b->predicted += n - 1;
    }
    file_lines_close(&in);
    return ok && !e->code && (b->count || err_set(e, ERR_INPUT, "no lines: give {\"ids\": [...]} on standard input"));
}

/* ---- forward, backward ------------------------------------------------------------------------------------------------------------ */

/* Lines go through the model together up to so many tokens, as long as there is no longer one alone; the logits of a line are
 * computed for so many rows at a time, so that memory is that of one pass, not of all lines. */
enum { PASS_TOKENS = 2048, LOGIT_ROWS = 128 };

/* The passes over a batch. One pass is there at a time: its tape keeps the hidden states that logits are computed from. */
typedef struct {
    const probe *p;
    const model *m;
    const adapter *ad;
    const batch *b;
    float *logp; /* [predicted], of all lines */
    pool *memory;
    arena *arena; /* of the pass */
    tape *tape;
    tensor *hidden;
    int first, last;      /* lines of the pass */
    int token, predicted; /* before `last` */
} passes;

static void end_pass(passes *s) {
    if (s->tape) tape_free(s->tape);
    arena_free(s->arena);
    s->tape = NULL;
    s->arena = NULL;
}

/* d loss / d logp, the loss being the mean over the predicted tokens of all lines. */
static void go_back(passes *s, tensor *logp, int rows) {
    float *dlogp = arena_array(s->arena, float, rows);
    for (int i = 0; i < rows; i++) dlogp[i] = -1.0f / (float)s->b->predicted;
    op_logp_seed(s->tape, logp, dlogp, NULL, NULL);
    tape_backward(s->tape);
}

static void score_pass(passes *s, const int32_t *row, const int32_t *target, int rows, bool grad) {
    if (!rows) return;
    const logp_form form = {.target = target, .columns = {.logp = s->logp + s->predicted}};
    tensor *y = op_logp(s->tape, op_rows(s->tape, s->hidden, row, rows), model_head(s->m, s->ad), s->m->head_bias, &form);
    if (grad) go_back(s, y, rows);
    s->predicted += rows;
}

/* The lines from `last` on that fit into one pass go through the model. */
static void next_pass(passes *s, bool grad) {
    const batch *b = s->b;
    int T = 0, R = 0;
    end_pass(s);
    for (s->first = s->last; s->last < b->count && (!T || T + b->length[s->last] <= PASS_TOKENS); s->last++)
        T += b->length[s->last];
    s->arena = arena_new();
    int32_t *id = arena_array(s->arena, int32_t, T), *position = arena_array(s->arena, int32_t, T),
            *row = arena_array(s->arena, int32_t, T), *target = arena_array(s->arena, int32_t, T);
    span *spans = arena_array(s->arena, span, s->last - s->first);
    for (int i = s->first, at = 0; i < s->last; at += b->length[i++]) {
        memcpy(id + at, b->ids[i], (size_t)b->length[i] * sizeof *id);
        spans[i - s->first] = (span){.begin = at, .length = b->length[i], .parent = -1};
        for (int t = 0; t + 1 < b->length[i]; t++, R++) row[R] = at + t, target[R] = b->ids[i][t + 1];
    }
    layout_positions(spans, s->last - s->first, position);
    layout *l = arena_new_of(s->arena, layout);
    *l = (layout){T, s->last - s->first, spans, position};
    s->tape = tape_new(s->m->backend, s->memory, (tape_options){.compute = s->p->all.options.compute, .grad = grad});
    s->hidden = model_forward(s->m, s->tape, &(model_batch){id, l}, s->ad);
    s->token = 0;
    score_pass(s, row, target, R, grad);
}

static void all_passes(passes *s, bool grad) {
    for (s->last = s->predicted = 0; s->last < s->b->count;) next_pass(s, grad);
    end_pass(s);
}

/* The logits [length, V] of the next line. */
static void read_logits(passes *s, int line, float *out) {
    const int V = s->m->config.vocab, length = s->b->length[line];
    int32_t row[LOGIT_ROWS];
    if (line == s->last) next_pass(s, false);
    for (int from = 0, n; from < length; from += n, out += (size_t)n * (size_t)V) {
        for (n = 0; n < LOGIT_ROWS && from + n < length; n++) row[n] = s->token + from + n;
        tape_segment_begin(s->tape, s->hidden); /* whose inside, the logits, is freed at its end */
        tape_read(s->tape, model_logits(s->m, s->tape, op_rows(s->tape, s->hidden, row, n), s->ad), out);
        tape_segment_end(s->tape, op_rows(s->tape, s->hidden, row, 1));
    }
    s->token += length;
}

/* ---- gradients and logits to a file -------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const weight *w;
    const parameter *p; /* NULL: of an adapter */
} trained;

static trained *trained_weights(arena *a, const model *m, const adapter *ad, int *count) {
    int own = 0;
    weight **of = ad ? adapter_weights(a, ad, &own) : NULL;
    trained *list = arena_array(a, trained, m->count + own + 1);
    for (int i = 0; i < own; i++) list[i] = (trained){arena_printf(a, "base_model.model.%s", of[i]->name), of[i], NULL};
    *count = own;
    for (int i = 0; i < m->count; i++)
        if (m->parameters[i].w->grad) list[(*count)++] = (trained){m->parameters[i].name, m->parameters[i].w, &m->parameters[i]};
    return list;
}

static double grad_norm(backend *b, const trained *list, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values_sum_squares(b, list[i].w->grad, (size_t)list[i].w->rows * (size_t)list[i].w->cols);
    return sqrt(sum);
}

typedef struct {
    passes *of;
    const trained *list;
} writing;

/* Logits of the lines, then gradients. */
static void fill(void *self, int index, void *out) {
    const writing *w = self;
    if (index < w->of->b->count) {
        read_logits(w->of, index, out);
        return;
    }
    end_pass(w->of);
    const trained *t = &w->list[index - w->of->b->count];
    backend *b = w->of->m->backend;
    if (t->p) parameter_grad_read(w->of->m, t->p, out);
    else b->get(b, out, t->w->grad, (size_t)t->w->rows * (size_t)t->w->cols * sizeof(float));
}

static tensor_to_write gradient_to_write(arena *a, const trained *of) {
    const weight *w = of->w;
    const bool turned = of->p && of->p->form->transposed;
    const int rows = turned ? w->cols : w->rows, cols = turned ? w->rows : w->cols;
    return (tensor_to_write){.name = arena_printf(a, "grad.%s", of->name),
                             .type = "F32",
                             .dims = w->matrix ? 2 : 1,
                             .shape = {w->matrix ? rows : w->rows * w->cols, cols},
                             .fill = fill,
                             .bytes = (size_t)rows * (size_t)cols * sizeof(float)};
}

static bool write_arrays(arena *a, passes *s, const trained *list, int count, err *e) {
    const batch *b = s->b;
    const int V = s->m->config.vocab;
    tensor_to_write *t = arena_array(a, tensor_to_write, b->count + count);
    int n = 0;
    for (int i = 0; i < b->count; i++)
        t[n++] = (tensor_to_write){.name = arena_printf(a, "logits.%d", i),
                                   .type = "F32",
                                   .dims = 2,
                                   .shape = {b->length[i], V},
                                   .fill = fill,
                                   .bytes = (size_t)b->length[i] * (size_t)V * sizeof(float)};
    for (int i = 0; s->p->o.grad && i < count; i++) t[n++] = gradient_to_write(a, &list[i]);
    s->last = s->predicted = 0;
    const bool ok = safetensors_write(s->p->o.out, t, n, &(writing){s, list}, NULL, e);
    end_pass(s);
    return ok;
}

/* ---- greedy ------------------------------------------------------------------------------------------------------------------------------ */

static bool greedy(const probe *p, const batch *b, const model *m, const adapter *ad, session **out, err *e) {
    engine *g = engine_new(m, p->all.options.compute);
    const sampling s = {
        .temperature = 0, .top_p = 1, .repetition_penalty = 1, .max_new_tokens = (int)p->o.greedy, .ignore_eos = true};
    bool ok = true;
    for (int i = 0; ok && i < b->count; i++)
        ok = (out[i] = session_new(g, ad, b->ids[i], b->length[i], &s, NULL, NULL, e)) != NULL;
    ok = ok && engine_run(g, out, b->count, NULL, e);
    engine_free(g);
    return ok;
}

static void put_sequence(const probe *p, const float *logp, int n, const session *s) {
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    json_open(&w, '{');
    json_key(&w, "logp"), json_open(&w, '[');
    for (int i = 0; i < n; i++) json_put_float(&w, logp[i]);
    json_close(&w);
    if (p->o.greedy) {
        int count;
        const int32_t *ids = session_ids(s, &count);
        json_key(&w, "greedy"), json_open(&w, '[');
        for (int i = 0; i < count; i++) json_put_int(&w, ids[i]);
        json_close(&w);
    }
    json_close(&w);
    printf("%.*s\n", STR_ARG(buf_str(&line)));
    buf_free(&line);
}

static void put_total(const float *logp, int predicted, bool grad, double norm) {
    double loss = 0;
    for (int i = 0; i < predicted; i++) loss -= (double)logp[i];
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    json_open(&w, '{');
    json_key(&w, "loss"), json_put_real(&w, predicted ? loss / predicted : 0);
    json_key(&w, "predicted"), json_put_int(&w, predicted);
    if (grad) json_key(&w, "grad_norm"), json_put_real(&w, norm);
    json_close(&w);
    printf("%.*s\n", STR_ARG(buf_str(&line)));
    buf_free(&line);
}

/* With --merged the adapter is added to the weights first: the model goes through a folder, as an export would. */
static model *merged_model(arena *a, const probe *p, const adapter *ad, err *e) {
    char folder[] = "/tmp/fettle-merged-XXXXXX";
    if (!mkdtemp(folder)) return err_null(e, ERR_IO, "cannot make a folder in /tmp");
    const char *path = path_join(a, folder, "model");
    model_options o = p->all.options;
    o.no_text = true;
    model *m = model_save(p->subject.model, ad, path, TYPE_F32, 0, e) ? model_open(a, p->all.backend, path, &o, e) : NULL;
    err ignored = {0};
    dir_remove(folder, &ignored);
    return m;
}

bool probe_logits(arena *a, const probe *p, err *e) {
    batch b = {0};
    model *m = p->subject.model;
    adapter *ad = NULL;
    if (!model_writes(m, NULL, e) || !read_batch(a, p, &b, e)) return false;
    if (p->o.adapter && !(ad = adapter_open(a, m, p->o.adapter, p->o.grad && !p->o.merged, e))) return false;
    if (p->o.merged) {
        if (!ad) return err_set(e, ERR_USAGE, "--merged wants --adapter");
        if (!(m = merged_model(a, p, ad, e))) return false;
        ad = NULL;
    }
    passes s = {.p = p, .m = m, .ad = ad, .b = &b, .logp = arena_array(a, float, b.predicted + 1), .memory = pool_new()};
    if (p->o.grad || !p->o.out) all_passes(&s, p->o.grad);
    int count;
    const trained *list = trained_weights(a, m, ad, &count);
    session **continued = arena_array(a, session *, b.count);
    bool ok = (!p->o.out || write_arrays(a, &s, list, count, e)) && (!p->o.greedy || greedy(p, &b, m, ad, continued, e));
    for (int i = 0, at = 0; ok && i < b.count; at += b.length[i++] - 1)
        put_sequence(p, s.logp + at, b.length[i] - 1, continued[i]);
    if (ok) put_total(s.logp, b.predicted, p->o.grad, p->o.grad ? grad_norm(m->backend, list, count) : 0);
    for (int i = 0; i < b.count; i++) session_free(continued[i]);
    pool_free(s.memory);
    return ok;
}
