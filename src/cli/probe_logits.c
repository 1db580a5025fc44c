/* probe_logits.c - fettle probe logits: all lines together are one ragged batch; log-probabilities, the mean loss over predicted
 * tokens, gradients of that loss, greedy continuations. Big arrays go to a safetensors file: logits.0 ..., grad.NAME. */
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

typedef struct {
    float *logits; /* [tokens, V] */
    float *logp;   /* [predicted] */
} results;

static void run_batch(arena *a, const probe *p, const model *m, const adapter *ad, const batch *b, results *r) {
    const int V = m->config.vocab;
    int32_t *id = arena_array(a, int32_t, b->tokens), *position = arena_array(a, int32_t, b->tokens);
    int32_t *row = arena_array(a, int32_t, b->predicted + 1), *target = arena_array(a, int32_t, b->predicted + 1);
    span *spans = arena_array(a, span, b->count);
    for (int i = 0, at = 0, k = 0; i < b->count; at += b->length[i++]) {
        memcpy(id + at, b->ids[i], (size_t)b->length[i] * sizeof *id);
        spans[i] = (span){.begin = at, .length = b->length[i], .parent = -1};
        for (int t = 0; t + 1 < b->length[i]; t++, k++) {
            row[k] = at + t;
            target[k] = b->ids[i][t + 1];
        }
    }
    layout_positions(spans, b->count, position);
    const layout l = {b->tokens, b->count, spans, position};
    pool *memory_pool = pool_new();
    tape *t = tape_new(m->backend, memory_pool, (tape_options){.compute = p->all.options.compute, .grad = p->o.grad});
    tensor *h = model_forward(m, t, &(model_batch){id, &l}, ad);
    if (p->o.out) {
        r->logits = memory_alloc((size_t)b->tokens * (size_t)V * sizeof(float));
        tape_read(t, model_logits(m, t, h, ad), r->logits);
    }
    r->logp = arena_array(a, float, b->predicted + 1);
    if (b->predicted) {
        const logp_form form = {.target = target, .columns = {.logp = r->logp}};
        tensor *y = op_logp(t, op_rows(t, h, row, b->predicted), model_head(m, ad), m->head_bias, &form);
        if (p->o.grad) {
            float *dlogp = arena_array(a, float, b->predicted);
            for (int i = 0; i < b->predicted; i++) dlogp[i] = -1.0f / (float)b->predicted;
            op_logp_seed(t, y, dlogp, NULL, NULL);
            tape_backward(t);
        }
    }
    tape_free(t);
    pool_free(memory_pool);
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

static bool write_arrays(arena *a, const probe *p, const batch *b, const results *r, const trained *list, int count, err *e) {
    const model *m = p->subject.model;
    const int V = m->config.vocab;
    tensor_to_write *t = arena_array(a, tensor_to_write, b->count + count);
    int n = 0;
    for (int i = 0, at = 0; i < b->count; at += b->length[i++])
        t[n++] = (tensor_to_write){.name = arena_printf(a, "logits.%d", i),
                                   .type = "F32",
                                   .dims = 2,
                                   .shape = {b->length[i], V},
                                   .data = r->logits + (size_t)at * (size_t)V,
                                   .bytes = (size_t)b->length[i] * (size_t)V * 4};
    for (int i = 0; p->o.grad && i < count; i++) {
        const weight *w = list[i].w;
        const size_t values = (size_t)w->rows * (size_t)w->cols;
        float *copy = arena_array(a, float, values);
        if (list[i].p) parameter_grad_read(m, list[i].p, copy);
        else m->backend->get(m->backend, copy, w->grad, values * 4);
        const bool turned = list[i].p && list[i].p->form->transposed;
        t[n] = (tensor_to_write){.name = arena_printf(a, "grad.%s", list[i].name),
                                 .type = "F32",
                                 .dims = w->matrix ? 2 : 1,
                                 .shape = {turned ? w->cols : w->rows, turned ? w->rows : w->cols},
                                 .data = copy,
                                 .bytes = values * 4};
        if (!w->matrix) t[n].shape[0] = (int64_t)values;
        n++;
    }
    return safetensors_write(p->o.out, t, n, NULL, NULL, e);
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

static void put_total(const results *r, int predicted, bool grad, double norm) {
    double loss = 0;
    for (int i = 0; i < predicted; i++) loss -= (double)r->logp[i];
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
    results r = {0};
    model *m = p->subject.model;
    adapter *ad = NULL;
    if (!model_writes(m, NULL, e) || !read_batch(a, p, &b, e)) return false;
    if (p->o.adapter && !(ad = adapter_open(a, m, p->o.adapter, p->o.grad && !p->o.merged, e))) return false;
    if (p->o.merged) {
        if (!ad) return err_set(e, ERR_USAGE, "--merged wants --adapter");
        if (!(m = merged_model(a, p, ad, e))) return false;
        ad = NULL;
    }
    run_batch(a, p, m, ad, &b, &r);
    int count;
    const trained *list = trained_weights(a, m, ad, &count);
    session **continued = arena_array(a, session *, b.count);
    bool ok = (!p->o.out || write_arrays(a, p, &b, &r, list, count, e)) && (!p->o.greedy || greedy(p, &b, m, ad, continued, e));
    for (int i = 0, at = 0; ok && i < b.count; at += b.length[i++] - 1)
        put_sequence(p, r.logp + at, b.length[i] - 1, continued[i]);
    if (ok) put_total(&r, b.predicted, p->o.grad, p->o.grad ? grad_norm(m->backend, list, count) : 0);
    for (int i = 0; i < b.count; i++) session_free(continued[i]);
    memory_release(r.logits);
    return ok;
}
