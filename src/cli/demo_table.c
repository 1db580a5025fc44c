/* demo_table.c - methods side by side: the same feedback through each, every result against the same answers of the start model (contract: demo.h).
 *
 * A row tells what a method gives (how often it is preferred, with the interval), what that costs in distance, fluency, variety and length, and
 * what it took: seconds of training, a reward model's included, and the most memory that a training process had. The table is
 * Markdown, to be kept as it is printed. */
#include "cli/demo.h"

#include <stdio.h>

#include "base/file.h"
#include "base/sys.h"

typedef struct {
    const demo_method *method;
    const char *run;
    comparison c;
    double seconds;
    size_t memory;
} table_row;

bool demo_table_check(const demo *d, err *e) {
    for (int i = 0; i < d->o.methods.count; i++)
        if (!demo_method_find(d->o.methods.item[i]))
            return err_set(e, ERR_USAGE, "methods: expected some of %s, got '%s'", DEMO_METHOD_NAMES, d->o.methods.item[i]);
    if (d->o.methods.count && !d->judged)
        return err_set(e, ERR_USAGE, "a table wants a judge: name one with --taste beside --feedback");
    return true;
}

/* ---- printing ------------------------------------------------------------------------------------------------------------------- */

static void print_head(const comparison *before) {
    printf("\n| method | preferred | of decided | 95 %% | nats a token away | fluency | variety | words | cut off | seconds | "
           "memory |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|\n"
           "| start model | | | | | | | %.1f | %d | | |\n",
           before->words[0], before->cut[0]);
}

static bool print_row(const table_row *row) {
    const comparison *c = &row->c;
    printf("| `%s` | %.0f %% | %d of %d | %.0f to %.0f %% | %.3f | %+.3f | x %.2f | %.1f | %d | %.0f | %.2f GB |\n",
           row->method->name, 100 * c->rate, c->wins, c->wins + c->losses, 100 * c->low, 100 * c->high, c->kl[1],
           c->start_loss[1] - c->start_loss[0], c->distinct[0] > 0 ? c->distinct[1] / c->distinct[0] : 1, c->words[1], c->cut[1],
           row->seconds, (double)row->memory / 1e9);
    return fflush(stdout) == 0;
}

static void print_table(const demo *d, const table_row *rows, int count) {
    print_head(&rows[0].c);
    for (int i = 0; i < count; i++) print_row(&rows[i]);
    printf("\n%d preferences (\"%s\"), %d held-out prompts, seed %lld; a rule judged, not a person. Fluency: the start model's "
           "loss on the "
           "answers, against its own.\n%.0f s in all.\n",
           d->pairs, d->taste->words, DEMO_HELD_OUT, (long long)d->o.seed, sys_seconds() - d->begun);
}

static bool write_rows(const demo *d, const table_row *rows, int count, err *e) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "taste"), json_put_cstr(&w, d->taste->name);
    json_key(&w, "seconds"), json_put_real(&w, sys_seconds() - d->begun);
    if (d->reward) json_key(&w, "reward_accuracy_held_out"), json_put_real(&w, demo_metric(d, d->reward, "eval_accuracy"));
    json_key(&w, "methods"), json_open(&w, '[');
    for (int i = 0; i < count; i++) {
        json_open(&w, '{');
        json_key(&w, "method"), json_put_cstr(&w, rows[i].method->name);
        json_key(&w, "run"), json_put_cstr(&w, rows[i].run);
        json_key(&w, "training_seconds"), json_put_real(&w, rows[i].seconds);
        json_key(&w, "training_memory"), json_put_int(&w, (int64_t)rows[i].memory);
        json_key(&w, "comparison"), comparison_put_json(&w, &rows[i].c, d->taste);
        json_close(&w);
    }
    json_close(&w);
    json_close(&w);
    const bool ok = file_write(d->o.report, buf_str(&out), e);
    buf_free(&out);
    return ok;
}

/* ---- making it ------------------------------------------------------------------------------------------------------------------ */

/* before: with the start model's answers. */
static bool make_row(demo *d, const comparison_how *how, const comparison *before, table_row *row, err *e) {
    subject after;
    if (!demo_train(d, e) || !subject_open(&d->all, arena_printf(d->a, "%s:%s/model", d->start.base_path, d->run), &after, e))
        return false;
    *row = (table_row){d->method, d->run, *before, d->seconds, d->memory};
    if (!comparison_answer(d->a, how, &after, 1, &row->c, e)) return false;
    comparison_count(d->a, how, &row->c);
    return print_row(row); /* each as it comes: all of them take long */
}

bool demo_table(demo *d, err *e) {
    const int count = d->o.methods.count;
    table_row *rows = arena_array(d->a, table_row, count);
    answering_options o = d->answering;
    o.seed += 1000;
    const comparison_how how = {
        .start = &d->start, .judge = d->taste, .compute = d->all.options.compute, .answering = &o, .quiet = d->o.quiet};
    comparison before = {.prompts = (const char **)(const void *)d->taste->prompts->held_out, .count = DEMO_HELD_OUT};
    if (!comparison_answer(d->a, &how, &d->start, 0, &before, e)) return false;
    for (int i = 0; i < count; i++) {
        d->method = demo_method_find(d->o.methods.item[i]);
        if (!make_row(d, &how, &before, &rows[i], e)) return err_prefix(e, "%s", d->method->name);
    }
    print_table(d, rows, count);
    return !d->o.report || write_rows(d, rows, count, e);
}
