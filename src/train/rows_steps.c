/* rows_steps.c - answers in steps, each right or wrong, as TRL's trainer of process reward models lays them out: the begin token if the
 * tokenizer has one, the prompt, and each step with a separator behind it, each made ids alone. The last token of a separator has the
 * label of its step; nothing else is trained. */
#include <string.h>

#include "train/rows_parts.h"

static int put(int32_t *ids, uint8_t *mask, int at, id_list list) {
    if (list.count) memcpy(ids + at, list.ids, (size_t)list.count * sizeof *ids);
    memset(mask + at, 0, (size_t)list.count);
    return at + list.count;
}

int rows_lay_steps(const step_rows *how, id_list prompt, const id_list *steps, const bool *right, int count, id_list separator,
                   int64_t max_length, int32_t *ids, uint8_t *mask) {
    int n = put(ids, mask, 0, prompt);
    for (int i = 0; i < count; i++) {
        n = put(ids, mask, put(ids, mask, n, steps[i]), separator);
        if (n > prompt.count && (!how->last_only || i + 1 == count))
            mask[n - 1] = (uint8_t)(MASK_TRAINED | (right[i] ? 0 : MASK_WRONG));
    }
    if (how->max_completion && n - prompt.count > how->max_completion) n = prompt.count + (int)how->max_completion;
    return max_length && n > max_length ? (int)max_length : n;
}

static id_list list_of(const fresh *f) { return (id_list){f->ids, f->length}; }

bool rows_steps(arena *a, const preparing *p, const example *x, fresh *out) {
    const step_rows how = p->s->objective->steps(p->s->own);
    const int bos = tokenizer_bos(p->m->tokenizer);
    fresh prompt, separator, *step = arena_array(a, fresh, x->steps + 1);
    id_list *steps = arena_array(a, id_list, x->steps + 1);
    if (!rows_plain(a, p, x->prompt.text, false, &prompt) || !rows_plain(a, p, str_of(how.separator), false, &separator))
        return false;
    int most = 1 + prompt.length;
    for (int i = 0; i < x->steps; i++) {
        if (!rows_plain(a, p, x->completions[i], false, &step[i])) return false;
        steps[i] = list_of(&step[i]);
        most += step[i].length + separator.length;
    }
    id_list begin = {arena_array(a, int32_t, 1 + prompt.length), prompt.length};
    int32_t *ids = (int32_t *)(uintptr_t)begin.ids;
    if (bos >= 0) ids[0] = bos, begin.count++;
    memcpy(ids + (bos >= 0), prompt.ids, (size_t)prompt.length * sizeof *ids);
    *out = (fresh){.ids = arena_array(a, int32_t, most), .mask = arena_array(a, uint8_t, most), .prompt = begin.count};
    out->length =
        rows_lay_steps(&how, begin, steps, x->labels, x->steps, list_of(&separator), p->s->o.max_length, out->ids, out->mask);
    out->cut = out->length < most - (bos < 0);
    return true;
}
