/* worker_pieces.c - requests that are computed in pieces between the passes of answers: texts as vectors, and how likely texts are. */
#include <string.h>

#include "serve/worker_parts.h"

enum { PIECE_TOKENS = 512 }; /* of several sequences in a piece; a longer one is a piece of its own */

/* How many of the next sequences make a piece. */
static int piece_size(const work *x) {
    int n = 0, tokens = 0;
    while (x->done + n < x->inputs && (n == 0 || tokens + x->length[x->done + n] <= PIECE_TOKENS))
        tokens += x->length[x->done + n++];
    return n;
}

static bool fits(const work *x, int i, err *e) {
    const model *m = x->mount->base->m;
    const int most = m->config.positions;
    if (most > 0 && x->length[i] > most)
        return err_set(e, ERR_INPUT, "input %d has %d tokens, %s reads %d: shorten it", i, x->length[i], x->model, most);
    return model_fits(m, x->ids[i], x->length[i], i, e);
}

static void make_arrays(work *x) {
    x->ids = arena_array(x->a, const int32_t *, x->inputs);
    x->length = arena_array(x->a, int, x->inputs);
    x->from = arena_array(x->a, int, x->inputs);
    x->out = arena_array(x->a, float *, x->inputs);
    x->tokens = 0;
}

/* ---- vectors ------------------------------------------------------------------------------------------------------------------------------- */

static bool embed_begin(worker *w, work *x, err *e) {
    (void)w;
    make_arrays(x);
    const int D = x->mount->base->m->config.hidden, most = x->mount->base->m->config.positions;
    for (int i = 0; i < x->inputs; i++) {
        const work_input *in = &x->input[i];
        x->ids[i] = in->ids ? in->ids : work_tokens(x, in->text, true, &x->length[i], e);
        if (in->ids) x->length[i] = in->id_count;
        if (in->cut && most > 0 && x->length[i] > most) x->length[i] = most;
        if (!x->ids[i] || !fits(x, i, e)) return false;
        x->out[i] = arena_array(x->a, float, D);
        x->tokens += x->length[i];
    }
    return true;
}

static bool embed_piece(worker *w, work *x, bool *over, err *e) {
    (void)w;
    const int n = piece_size(x), at = x->done;
    if (!model_embed(x->mount->base->m, x->mount->adapter, COMPUTE_BF16, x->ids + at, x->length + at, n, x->out + at, e))
        return false;
    x->done += n;
    *over = x->done == x->inputs;
    return true;
}

const work_form form_embed = {"embed", embed_begin, embed_piece};

/* ---- scores ---------------------------------------------------------------------------------------------------------------------------------- */

static bool before_answer(work *x, int i, const int32_t **ids, int *count, err *e) {
    const model *m = x->mount->base->m;
    chat_encoded out;
    if (!x->pair_messages[i]) return (*ids = work_tokens(x, x->pair[i].text, true, count, e)) != NULL;
    if (!m->tokenizer || !m->chat) return err_set(e, ERR_INPUT, "%s has no tokenizer or no chat template", x->model);
    const chat_request r = {.messages = x->pair_messages[i], .add_generation_prompt = true, .tok = m->tokenizer};
    if (!chat_tokens(m->chat, m->tokenizer, &r, x->a, &out, e)) return false;
    *ids = out.ids;
    *count = out.count;
    return true;
}

static bool score_begin(worker *w, work *x, err *e) {
    (void)w;
    make_arrays(x);
    for (int i = 0; i < x->inputs; i++) {
        const int32_t *before = NULL, *after;
        int first = 0, more;
        if (!before_answer(x, i, &before, &first, e) || !(after = work_tokens(x, x->pair[i].answer, false, &more, e)))
            return false;
        int32_t *all = arena_array(x->a, int32_t, first + more + 1);
        if (first) memcpy(all, before, (size_t)first * sizeof *all);
        if (more) memcpy(all + first, after, (size_t)more * sizeof *all);
        x->ids[i] = all;
        x->length[i] = first + more;
        x->from[i] = first;
        if (!fits(x, i, e)) return false;
        x->out[i] = arena_array(x->a, float, x->length[i]);
        x->tokens += x->length[i];
    }
    return true;
}

static bool score_piece(worker *w, work *x, bool *over, err *e) {
    (void)w;
    const int n = piece_size(x), at = x->done;
    if (!model_score(x->mount->base->m, x->mount->adapter, COMPUTE_BF16, x->ids + at, x->length + at, n, x->out + at, e))
        return false;
    x->done += n;
    *over = x->done == x->inputs;
    return true;
}

const work_form form_score = {"score", score_begin, score_piece};
