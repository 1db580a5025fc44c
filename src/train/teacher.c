/* teacher.c - the frozen second model that a policy learns from row by row: opened beside it, run over the same pieces. Its logits are made
 * chunk by chunk inside the head's kernel, from what teacher_pass gives. */
#include "train/loop.h"

bool teacher_wanted(const trainer *t) { return trainer_needs(t) & NEEDS(COLUMN_DIVERGENCE); }

/* Tokens must mean the same to both: as many of them, and of a few all over the vocabulary the same texts. */
static bool same_tokens(const trainer *t, err *e) {
    const model *x = t->policy, *y = t->teacher;
    const int V = x->head->rows;
    if (y->head->rows != V)
        return err_set(e, ERR_USAGE, "the teacher %s has %d tokens, the policy %d: rows can only be compared token by token",
                       y->path, y->head->rows, V);
    for (int id = 0; x->tokenizer && y->tokenizer && id < V; id += V / 97 + 1)
        if (!str_eq(tokenizer_token(x->tokenizer, id), tokenizer_token(y->tokenizer, id)))
            return err_set(e, ERR_USAGE, "token %d of the teacher %s is '%.*s', of the policy '%.*s': it has another tokenizer",
                           id, y->path, STR_ARG(tokenizer_token(y->tokenizer, id)), STR_ARG(tokenizer_token(x->tokenizer, id)));
    return true;
}

bool teacher_open(trainer *t, err *e) {
    if (!teacher_wanted(t)) return true;
    t->teacher = model_open(t->arena, t->backend, t->s->o.teacher, &(model_options){.compute = t->compute}, e);
    return t->teacher && model_writes(t->teacher, NULL, e) && same_tokens(t, e);
}

float *teacher_pass(trainer *t, arena *a, const piece *p) {
    tape *tp = tape_new(t->backend, t->pool, (tape_options){.compute = t->compute});
    tensor *h = op_rows(tp, model_forward(t->teacher, tp, &(model_batch){p->ids, &p->layout}, NULL), p->head_row, p->R);
    float *out = arena_array(a, float, (size_t)p->R *(size_t)h->cols + 1);
    tape_read(tp, h, out);
    tape_free(tp);
    return out;
}
