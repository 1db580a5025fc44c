/* rows.c - a prepared data set: sources read, rows in a file that is mapped, so that a data set need not fit into memory; what is wrong
 * with them, in words. How words become ids: rows_text.c; which rows an example becomes: rows_units.c. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "train/rows_parts.h"

static void free_rows(void *thing) { memory_release(((rows *)thing)->item); }

int64_t rows_count(const rows *r) { return r->count; }
const row_counts *rows_counts(const rows *r) { return &r->counts; }

row rows_at(const rows *r, int64_t i) {
    const rows_entry *x = &r->item[i];
    const char *at = r->file.ptr + x->at;
    return (row){.example = x->example,
                 .length = x->length,
                 .prompt = x->prompt,
                 .ids = (const int32_t *)(const void *)at,
                 .mask = (const uint8_t *)at + 4 * (size_t)x->length,
                 .unit = x->unit,
                 .label = x->label,
                 .role = x->role,
                 .margin = x->margin,
                 .probability = x->probability};
}

str rows_columns(const rows *r, int64_t i) {
    const rows_entry *x = &r->item[i];
    return (str){r->file.ptr + x->at + 5 * (int64_t)x->length, (size_t)x->note};
}

/* ---- all of it ----------------------------------------------------------------------------------------------------------------------------------- */

static void count_duplicate(preparing *p, uint64_t hash) {
    if (!hash) hash = 1;
    if (2 * p->seen_count >= p->seen_room) {
        const int64_t room = p->seen_room ? 2 * p->seen_room : 4096;
        uint64_t *grown = memory_alloc((size_t)room * sizeof *grown);
        for (int64_t i = 0; i < p->seen_room; i++)
            if (p->seen[i]) {
                int64_t at = (int64_t)(p->seen[i] % (uint64_t)room);
                while (grown[at]) at = (at + 1) % room;
                grown[at] = p->seen[i];
            }
        memory_release(p->seen);
        p->seen = grown;
        p->seen_room = room;
    }
    int64_t at = (int64_t)(hash % (uint64_t)p->seen_room);
    while (p->seen[at] && p->seen[at] != hash) at = (at + 1) % p->seen_room;
    if (p->seen[at]) p->r->counts.duplicates++;
    else {
        p->seen[at] = hash;
        p->seen_count++;
    }
}

/* Of a prompt all columns of its row are kept, for reward functions that read them. */
static bool keep_example(const preparing *p, file_out *keep, const example *x, err *e) {
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    example_put_json(&w, x);
    if ((p->r->kind == WANTS_PROMPTS || p->r->kind == WANTS_ANSWERED) && json_kind_of(x->raw) == JSON_OBJECT &&
        !json_has(x->raw, "columns")) {
        line.len--; /* the closing bracket */
        buf_put_text(&line, ",\"columns\":");
        json_put(&line, x->raw);
        buf_put_char(&line, '}');
    }
    buf_put_char(&line, '\n');
    const bool ok = file_out_put(keep, line.ptr, line.len, e);
    buf_free(&line);
    return ok;
}

/* Whether an example is on the side that is read: what is trained on, or what is held out. */
static bool on_side(const preparing *p, const example *x) {
    const double percent = p->from_eval ? 0 : p->s->o.eval_percent;
    return percent <= 0 || (example_split(x, percent, 0) == SPLIT_VALIDATION) == p->held_out;
}

static bool add_example(arena *a, preparing *p, const example *x, file_out *keep) {
    if (keep && !keep_example(p, keep, x, p->e)) return false;
    if (!on_side(p, x)) return true;
    p->r->counts.examples++;
    count_duplicate(p, example_hash(x));
    p->r->counts.turns += x->kind != EXAMPLE_TEXT;
    if (rows_add(a, p, x)) return true;
    if (p->e->code && strncmp(p->e->text, x->source, strlen(x->source)) != 0)
        err_prefix(p->e, "%s line %lld", x->source, (long long)x->line);
    return false;
}

static bool add_source(preparing *p, const char *spec, file_out *keep) {
    arena *a = arena_new();
    progress shown = progress_begin("reading examples", p->quiet);
    const source_options o = {.kinds = rows_example_kinds(p->r->kind)};
    source *s = source_open_with(a, spec, &o, p->e);
    bool ok = s != NULL;
    for (int64_t seen = 1; ok; seen++) {
        arena *one = arena_new();
        example x;
        ok = source_next(s, one, &x, p->e) && add_example(one, p, &x, keep);
        if (ok && seen % 64 == 0) {
            const int64_t bytes = source_describe(s)->bytes;
            progress_show(&shown, (double)source_position(s), (double)(bytes > 0 ? bytes : 1), NULL);
            if (sys_stop_requested()) ok = err_set(p->e, ERR_STOPPED, "stopped while reading %s", spec);
        }
        arena_free(one);
    }
    arena_free(a);
    return p->e->code == ERR_NONE;
}

/* What no row could mend. */
static bool check_settings(const model *m, const train_settings *s, err *e) {
    if (!m->tokenizer) return err_set(e, ERR_INPUT, "%s has no tokenizer, so words cannot become ids", m->path);
    if (s->o.assistant_only_loss && m->chat && !chat_template_has_generation(m->chat))
        return err_set(e, ERR_REFUSED,
                       "assistant_only_loss wants {%% generation %%} marks, and the chat template of %s has none; use "
                       "--chat-template chatml or a file with marks, or prompt/completion rows",
                       m->path);
    if (objective_rows_of(s->objective, s->own) == WANTS_MATCHED && s->o.per_device_train_batch_size < 2)
        return err_set(e, ERR_USAGE,
                       "%s matches the answers of a micro-batch with one another's prompts: "
                       "per_device_train_batch_size should be 2 or more",
                       s->objective->name);
    return true;
}

static rows *new_rows(arena *a, const train_settings *s) {
    rows *r = arena_new_of(a, rows);
    arena_defer(a, free_rows, r);
    r->kind = objective_rows_of(s->objective, s->own);
    r->older = s->objective->older_rows;
    r->writes = s->objective->policy == POLICY_WRITES;
    r->documents = s->o.packing && strcmp(s->o.packing_strategy, "wrapped") != 0;
    return r;
}

static bool add_sources(arena *a, preparing *p, const opt_list *data, const char *kept, const rows_how *how) {
    if (kept) return add_source(p, arena_printf(a, "examples:%s", kept), NULL);
    for (int i = 0; i < data->count; i++)
        if (!add_source(p, data->item[i], how->keep)) return false;
    return true;
}

rows *rows_prepare(arena *a, const model *m, const train_settings *s, const char *folder, const rows_how *how, err *e) {
    static const rows_how plainly = {.quiet = true};
    if (!how) how = &plainly;
    if (!check_settings(m, s, e)) return NULL;
    rows *r = new_rows(a, s);
    const opt_list *data = how->held_out && s->o.eval_data.count ? &s->o.eval_data : &s->o.data;
    preparing p = {
        .m = m, .s = s, .r = r, .quiet = how->quiet, .held_out = how->held_out, .from_eval = data != &s->o.data, .e = e};
    rows_collect_ends(&p);
    r->counts.end = p.ends ? p.end[p.ends - 1] : -1;
    const char *path = path_join(a, folder, arena_printf(a, ".rows-%d%s", (int)getpid(), how->held_out ? "-held-out" : ""));
    if (!file_out_open(&p.out, path, e)) return NULL;
    if (s->o.packing) p.waiting = arena_new_of(a, waiting), p.waiting->a = arena_new();
    bool ok = add_sources(a, &p, data, p.from_eval ? NULL : how->kept, how) && rows_flush(&p);
    rows_forget(&p);
    if (ok) ok = file_out_commit(&p.out, e);
    else file_out_abandon(&p.out);
    memory_release(p.seen);
    r->counts.rows = r->count;
    ok = ok && file_map(a, path, &r->file, e);
    file_io.unlink(path);
    return ok ? r : NULL;
}

const char *row_numbers_text(arena *a, const row_numbers *n) {
    char *text = arena_printf(a, "row%s", n->count == 1 ? "" : "s");
    for (int64_t i = 0; i < n->count && i < ROW_NUMBERS; i++)
        text = arena_printf(a, "%s%s %lld", text, i ? "," : "", (long long)n->first[i]);
    return n->count > ROW_NUMBERS ? arena_printf(a, "%s and %lld more", text, (long long)(n->count - ROW_NUMBERS)) : text;
}

/* The end of a turn, which a model that is to answer must learn to write. Plain text has no turns: it is only told. */
static bool ends_are_learned(const row_counts *c, const char *end, err *e) {
    if (c->ends_trained) return true;
    if (c->turns && c->ends)
        return err_set(
            e, ERR_REFUSED,
            "the end of a turn ('%s') stands %lld times in the rows but is never trained, so the model would not learn "
            "to stop: the template leaves it out of {%% generation %%}",
            end, (long long)c->ends);
    if (c->turns && c->truncated)
        return err_set(e, ERR_REFUSED,
                       "the end of a turn ('%s') is never trained, so the model would not learn to stop: max_length cuts it off "
                       "(%lld rows are cut, the longest kept has %lld tokens); raise max_length",
                       end, (long long)c->truncated, (long long)c->longest);
    log_warning("no token that ends %s ('%s') stands in the rows: the model will not learn where to stop",
                c->turns ? "a turn" : "a text", end);
    return true;
}

static bool refuse_double_bos(const row_counts *c, const model *m, arena *a, err *e) {
    return err_set(e, ERR_REFUSED,
                   "two BOS tokens ('%.*s') begin %s: the text (or template) writes one and the tokenizer adds another; take "
                   "it out of the text",
                   STR_ARG(tokenizer_token(m->tokenizer, tokenizer_bos(m->tokenizer))), row_numbers_text(a, &c->double_bos));
}

/* What would train, but hardly what was meant. */
static bool look_right(const rows *r, const model *m, const train_options *o, arena *a, err *e) {
    const row_counts *c = &r->counts;
    const int64_t batch = o->per_device_train_batch_size * o->gradient_accumulation_steps,
                  unit = objective_rows_per_unit(r->kind);
    const int eos = tokenizer_eos(m->tokenizer);
    const char *end = c->end >= 0 ? str_copy(a, tokenizer_token(m->tokenizer, c->end))
                      : eos >= 0  ? str_copy(a, tokenizer_token(m->tokenizer, eos))
                                  : "none is known";
    if (c->untrained.count && (c->untrained.count >= batch || c->untrained.count * unit >= r->count))
        return err_set(e, ERR_REFUSED, "a batch would have no token to train: every token is masked in %s",
                       row_numbers_text(a, &c->untrained));
    if (c->double_bos.count) return refuse_double_bos(c, m, a, e);
    return !r->writes || ends_are_learned(c, end, e);
}

static bool prompts_are_right(const row_counts *c, const model *m, arena *a, err *e) {
    return !c->double_bos.count || refuse_double_bos(c, m, a, e);
}

bool rows_refuse(const rows *r, const model *m, const train_settings *s, err *e) {
    const row_counts *c = &r->counts;
    arena *a = arena_new();
    bool ok = false;
    if (!c->examples) err_set(e, ERR_REFUSED, "the data hold no examples");
    else if (!r->count)
        err_set(e, ERR_REFUSED,
                "none of %lld examples is left: each is empty, masked, or longer than max_length with its prompt alone (%s)",
                (long long)c->examples, row_numbers_text(a, &c->dropped_rows));
    else if (r->kind == WANTS_PROMPTS) ok = prompts_are_right(c, m, a, e);
    else if (!c->trained_tokens) err_set(e, ERR_REFUSED, "no token would be trained: every row is masked from end to end");
    else ok = look_right(r, m, &s->o, a, e);
    if (!ok && c->examples && r->count && (c->trained_tokens || r->kind == WANTS_PROMPTS) &&
        strcmp(s->o.preflight, "warn") == 0) {
        log_warning("%s", e->text);
        *e = (err){0};
        ok = true;
    }
    arena_free(a);
    return ok;
}

static void put_ids(json_writer *w, const char *key, const int32_t *ids, int from, int to) {
    json_key(w, key), json_open(w, '[');
    for (int i = from; i < to; i++) json_put_int(w, ids[i]);
    json_close(w);
}

static void put_labels(json_writer *w, const char *key, const row *x) {
    json_key(w, key), json_open(w, '[');
    for (int k = 0; k < x->length; k++) json_put_int(w, x->mask[k] & MASK_TRAINED ? x->ids[k] : -100);
    json_close(w);
}

static void put_documents(json_writer *w, const row *x) {
    json_key(w, "seq_lengths"), json_open(w, '[');
    for (int k = 0, begin = 0; k < x->length; k++)
        if (k + 1 == x->length || row_begins(x, k + 1)) {
            json_put_int(w, k + 1 - begin);
            begin = k + 1;
        }
    json_close(w);
}

/* Keys of the older trainers: ids of prompt and answer together, and what of them is trained. */
static void put_older(arena *a, json_writer *w, const char *side, const row *x) {
    put_ids(w, arena_printf(a, "%s_input_ids", side), x->ids, 0, x->length);
    put_labels(w, arena_printf(a, "%s_labels", side), x);
}

/* Pairs that are read whole. */
static void put_judged(json_writer *w, const row *chosen, const row *rejected) {
    put_ids(w, "chosen_ids", chosen->ids, 0, chosen->length);
    put_ids(w, "rejected_ids", rejected->ids, 0, rejected->length);
    if (!isnan(chosen->margin)) json_key(w, "margin"), json_put_float(w, chosen->margin);
}

/* Labels of an answer in steps: 1 right, 0 wrong. */
static void put_steps(json_writer *w, const row *x) {
    put_ids(w, "input_ids", x->ids, 0, x->length);
    json_key(w, "labels"), json_open(w, '[');
    for (int k = 0; k < x->length; k++) json_put_int(w, row_trains(x, k) ? row_right(x, k) : -100);
    json_close(w);
}

static void put_unit(arena *a, json_writer *w, const rows *r, int64_t i) {
    static const char *const pair[] = {"chosen", "rejected", "reference"}, *const one[] = {"completion", "KL_completion"};
    const int each = objective_rows_per_unit(r->kind);
    const row first = rows_at(r, i * each);
    const char *const *sides = objective_wants_pairs(r->kind) ? pair : one;
    int shown = first.prompt;
    for (int k = 0; k < each; k++) /* of older rows each side has a boundary of its own; the prompt shown is the shorter */
        if (rows_at(r, i * each + k).prompt < shown) shown = rows_at(r, i * each + k).prompt;
    put_ids(w, r->older ? "prompt_input_ids" : "prompt_ids", first.ids, 0, shown);
    for (int k = 0; k < each; k++) {
        const row x = rows_at(r, i * each + k);
        if (r->older) put_older(a, w, sides[k], &x);
        else put_ids(w, arena_printf(a, "%s_ids", sides[k]), x.ids, x.prompt, x.length);
    }
    if (sides == one) json_key(w, "label"), json_put_bool(w, first.label);
}

void rows_put_json(json_writer *w, const rows *r, int64_t i) {
    arena *a = arena_new();
    json_open(w, '{');
    json_key(w, "row"), json_put_int(w, i);
    if (r->kind == WANTS_JUDGED) {
        const row chosen = rows_at(r, 2 * i), rejected = rows_at(r, 2 * i + 1);
        put_judged(w, &chosen, &rejected);
    } else if (r->kind == WANTS_STEPS) {
        const row x = rows_at(r, i);
        put_steps(w, &x);
    } else if (r->kind == WANTS_ROWS || r->kind == WANTS_CHAINS || r->kind == WANTS_REWARDED || r->kind == WANTS_PROMPTS ||
               r->kind == WANTS_ANSWERED) {
        const row x = rows_at(r, i);
        put_ids(w, "input_ids", x.ids, 0, x.length);
        put_labels(w, "labels", &x);
        if (r->documents) put_documents(w, &x);
    } else put_unit(a, w, r, i);
    json_close(w);
    arena_free(a);
}
