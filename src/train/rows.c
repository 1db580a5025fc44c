/* rows.c - the one place where words become ids: examples to token ids and masks, as TRL's trainers prepare them.
 *
 * Plain text gets the end token's text behind it if it is not there; a chat is rendered by its template and nothing is added. A
 * completion begins at the end of the longest common token prefix of the prompt alone and of prompt and completion. Rows go to a
 * file that is mapped, so that a data set need not fit into memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "train/packing.h"
#include "train/train.h"

typedef struct {
    int64_t at; /* in the file: ids, then mask, padded to 4 */
    int64_t example;
    int32_t length, prompt, pair;
    int32_t label;
    float margin;
} entry;

struct rows {
    entry *item;
    int64_t count, room;
    str file;
    row_counts counts;
    bool pairs, documents; /* documents: several in a row */
};

/* A row before it is written. */
typedef struct {
    int32_t *ids;
    uint8_t *mask;
    int length, prompt;
    bool cut; /* to max_length */
} fresh;

/* Documents that wait to be packed. */
typedef struct {
    arena *a;
    fresh item[PACKED_AT_ONCE];
    int64_t example[PACKED_AT_ONCE];
    int count;
} waiting;

typedef struct {
    const model *m;
    const train_settings *s;
    rows *r;
    file_out out;
    waiting *waiting; /* NULL: rows are not packed */
    uint64_t *seen;   /* hashes of examples, open addressing */
    int64_t seen_count, seen_room;
    int32_t end[16]; /* tokens that end a turn */
    int ends;
    bool quiet;
    err *e;
} preparing;

static void free_rows(void *thing) { memory_release(((rows *)thing)->item); }

int64_t rows_count(const rows *r) { return r->count; }
const row_counts *rows_counts(const rows *r) { return &r->counts; }

row rows_at(const rows *r, int64_t i) {
    const entry *x = &r->item[i];
    const char *at = r->file.ptr + x->at;
    return (row){.example = x->example,
                 .length = x->length,
                 .prompt = x->prompt,
                 .ids = (const int32_t *)(const void *)at,
                 .mask = (const uint8_t *)at + 4 * (size_t)x->length,
                 .pair = x->pair,
                 .label = x->label,
                 .margin = x->margin};
}

/* ---- text to tokens --------------------------------------------------------------------------------------------------------------------- */

static str with_end(arena *a, const preparing *p, str text) {
    const int eos = tokenizer_eos(p->m->tokenizer);
    const str end = eos >= 0 ? tokenizer_token(p->m->tokenizer, eos) : (str){NULL, 0};
    if (!end.len || str_ends(text, end)) return text;
    return str_join(a, text, end);
}

static bool plain(arena *a, const preparing *p, str text, fresh *out) {
    token_ids ids = {0};
    if (!tokenizer_encode(p->m->tokenizer, text, true, &ids, p->e)) return false;
    *out = (fresh){
        .length = (int)ids.count, .ids = arena_array(a, int32_t, ids.count + 1), .mask = arena_array(a, uint8_t, ids.count + 1)};
    if (ids.count) memcpy(out->ids, ids.ids, ids.count * sizeof *out->ids);
    memset(out->mask, 1, ids.count);
    token_ids_free(&ids);
    return true;
}

/* marks: the mask is what {% generation %} says. */
static bool chat(arena *a, const preparing *p, const example *x, json *messages, bool prompt, bool marks, fresh *out) {
    chat_encoded c;
    if (!p->m->chat)
        return err_set(
            p->e, ERR_INPUT,
            "the data are conversations, but %s has no chat template; name one with --chat-template (chatml, or a file)",
            p->m->path);
    const chat_request r = {.messages = messages,
                            .tools = x->tools,
                            .extra = x->template_kwargs,
                            .add_generation_prompt = prompt,
                            .tok = p->m->tokenizer};
    if (!chat_tokens(p->m->chat, p->m->tokenizer, &r, a, &c, p->e)) return false;
    *out = (fresh){.ids = c.ids, .length = c.count, .mask = arena_array(a, uint8_t, c.count + 1)};
    for (int i = 0; i < c.count; i++) out->mask[i] = marks ? c.trained[i] : 1;
    return true;
}

static json *joined(arena *a, const json *first, const json *second) {
    json *all = json_new_array(a);
    for (size_t i = 0; i < json_count(first); i++) json_append(all, json_at(first, i));
    for (size_t i = 0; i < json_count(second); i++) json_append(all, json_at(second, i));
    return all;
}

/* Prompt alone, and prompt with answer. */
static bool both(arena *a, const preparing *p, const example *x, const example_part *answer, bool marks, fresh *prompt,
                 fresh *full) {
    if (answer->type == PART_MESSAGES)
        return chat(a, p, x, x->prompt.messages, true, false, prompt) &&
               chat(a, p, x, joined(a, x->prompt.messages, answer->messages), false, marks, full);
    const str text = str_join(a, x->prompt.text, with_end(a, p, answer->text)); /* the end belongs to the answer */
    return plain(a, p, x->prompt.text, prompt) && plain(a, p, text, full);
}

static int common_prefix(const fresh *a, const fresh *b) {
    int n = 0;
    while (n < a->length && n < b->length && a->ids[n] == b->ids[n]) n++;
    return n;
}

/* ---- tokens that end a turn ---------------------------------------------------------------------------------------------------------------- */

static bool ends_turn(const preparing *p, int32_t id) {
    for (int i = 0; i < p->ends; i++)
        if (p->end[i] == id) return true;
    return false;
}

static void add_end(preparing *p, int64_t id) {
    if (id < 0 || ends_turn(p, (int32_t)id) || p->ends == (int)(sizeof p->end / sizeof *p->end)) return;
    p->end[p->ends++] = (int32_t)id;
}

/* What the chat template writes behind an answer: the last special token of a rendered conversation, <|im_end|> or <|eot_id|>, which
 * need not be the tokenizer's end token. A template that cannot render this conversation has no say. */
static void add_end_of_template(preparing *p) {
    arena *a = arena_new();
    err ignored = {0};
    const json *messages =
        json_parse(a, STR("[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]"), &ignored);
    chat_encoded c;
    const chat_request r = {.messages = messages, .tok = p->m->tokenizer};
    if (p->m->chat && chat_tokens(p->m->chat, p->m->tokenizer, &r, a, &c, &ignored)) {
        int i = c.count - 1;
        while (i > 0 && !tokenizer_is_special(p->m->tokenizer, c.ids[i])) i--;
        buf behind = {0}; /* the answer stands before it, or it is what begins the answer */
        if (i > 0) tokenizer_decode(p->m->tokenizer, c.ids + i + 1, c.count - i - 1, true, &behind);
        if (i > 0 && !str_trim(buf_str(&behind)).len) add_end(p, c.ids[i]);
        buf_free(&behind);
    }
    arena_free(a);
}

static void collect_ends(preparing *p) {
    const json *eos = json_get(p->m->generation, "eos_token_id");
    add_end(p, tokenizer_eos(p->m->tokenizer));
    for (int i = 0; i < p->m->config.eos_count; i++) add_end(p, p->m->config.eos[i]);
    for (size_t i = 0; i < json_count(eos); i++) add_end(p, json_int(json_at(eos, i), -1));
    if (json_kind_of(eos) == JSON_INT) add_end(p, json_int(eos, -1));
    add_end_of_template(p);
}

/* ---- writing rows ----------------------------------------------------------------------------------------------------------------------- */

static void note_row(row_numbers *n, int64_t from_zero) {
    const int64_t number = from_zero + 1;
    if (n->count && n->last == number) return; /* both answers of a pair */
    if (n->count < ROW_NUMBERS) n->first[n->count] = number;
    n->last = number;
    n->count++;
}

const char *row_numbers_text(arena *a, const row_numbers *n) {
    char *text = arena_printf(a, "row%s", n->count == 1 ? "" : "s");
    for (int64_t i = 0; i < n->count && i < ROW_NUMBERS; i++)
        text = arena_printf(a, "%s%s %lld", text, i ? "," : "", (long long)n->first[i]);
    return n->count > ROW_NUMBERS ? arena_printf(a, "%s and %lld more", text, (long long)(n->count - ROW_NUMBERS)) : text;
}

/* What the step will see of a row: pairs are kept whole and cut there. In a row that is cut and trained from end to end, the ends are
 * of earlier turns. */
static void look_at(const preparing *p, const fresh *f, int64_t example_row) {
    row_counts *c = &p->r->counts;
    const int bos = tokenizer_bos(p->m->tokenizer), eos = tokenizer_eos(p->m->tokenizer), most = (int)p->s->o.max_length;
    const int n = most && f->length > most ? most : f->length;
    int64_t learned = 0, masked = 0, ends = 0, ends_learned = 0;
    if (n > 1 && bos >= 0 && bos != eos && f->ids[0] == bos && f->ids[1] == bos) note_row(&c->double_bos, example_row);
    for (int i = 0, begin = 0; i < n; i++) {
        if (f->mask[i] & MASK_BEGINS) begin = i;
        if (i + 1 - begin > c->longest_document) c->longest_document = i + 1 - begin;
        if (f->mask[i] & MASK_BEGINS) continue;
        const bool trained = f->mask[i], end = ends_turn(p, f->ids[i]);
        learned += trained;
        masked += !trained;
        ends += end;
        ends_learned += end && trained;
    }
    c->trained_tokens += learned;
    c->masked_tokens += masked;
    if (!f->cut || masked) c->ends += ends, c->ends_trained += ends_learned;
    if (!learned) note_row(&c->untrained, example_row);
    c->tokens += n;
    c->longest = n > c->longest ? n : c->longest;
}

static bool write_row(preparing *p, fresh *f, int64_t example_row, int pair, int label, float margin) {
    rows *r = p->r;
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 1024;
        r->item = memory_resize(r->item, (size_t)r->room * sizeof *r->item);
    }
    if (f->length) f->mask[0] |= MASK_BEGINS;
    look_at(p, f, example_row);
    r->item[r->count++] = (entry){(int64_t)p->out.written, example_row, f->length, f->prompt, pair, label, margin};
    const size_t pad = (4 - (size_t)f->length % 4) % 4;
    return file_out_put(&p->out, f->ids, 4 * (size_t)f->length, p->e) &&
           file_out_put(&p->out, f->mask, (size_t)f->length, p->e) && file_out_put(&p->out, "\0\0\0", pad, p->e);
}

static bool any_label(const fresh *f) {
    for (int i = 0; i < f->length; i++)
        if (f->mask[i]) return true;
    return false;
}

/* ---- packing -------------------------------------------------------------------------------------------------------------------------------- */

static bool write_packed(preparing *p, const packed_row *packed, bool apart) {
    arena *a = arena_new();
    const waiting *w = p->waiting;
    fresh f = {.ids = arena_array(a, int32_t, packed->length), .mask = arena_array(a, uint8_t, packed->length)};
    for (int i = 0; i < packed->count; i++) {
        const fragment *x = &packed->item[i];
        const fresh *from = &w->item[x->document];
        memcpy(f.ids + f.length, from->ids + x->from, (size_t)x->length * sizeof *f.ids);
        memcpy(f.mask + f.length, from->mask + x->from, (size_t)x->length);
        if (apart) f.mask[f.length] |= MASK_BEGINS;
        f.length += x->length;
    }
    const bool ok = write_row(p, &f, w->example[packed->item[0].document], -1, 1, 0);
    arena_free(a);
    return ok;
}

/* Packs what waits and writes it. */
static bool flush(preparing *p) {
    waiting *w = p->waiting;
    int lengths[PACKED_AT_ONCE];
    bool ok = true;
    if (!w) return true;
    for (int i = 0; i < w->count; i++) lengths[i] = w->item[i].length;
    const packed_rows packed = pack_documents(w->a, p->s->o.packing_strategy, lengths, w->count, (int)p->s->o.max_length);
    for (int i = 0; ok && i < packed.count; i++) ok = write_packed(p, &packed.row[i], packed.apart);
    arena_free(w->a);
    *w = (waiting){.a = arena_new()};
    return ok;
}

static bool wait_for_packing(preparing *p, const fresh *f, int64_t example_row) {
    waiting *w = p->waiting;
    p->r->counts.truncated += strcmp(p->s->o.packing_strategy, "bfd") == 0 && f->length > p->s->o.max_length;
    w->example[w->count] = example_row;
    w->item[w->count++] = (fresh){.ids = (void *)arena_copy(w->a, f->ids, (size_t)f->length * sizeof *f->ids),
                                  .mask = (void *)arena_copy(w->a, f->mask, (size_t)f->length),
                                  .length = f->length};
    return w->count < PACKED_AT_ONCE || flush(p);
}

/* ---- sft ----------------------------------------------------------------------------------------------------------------------------------- */

static bool sft_row(arena *a, preparing *p, const example *x, fresh *f) {
    const train_options *o = &p->s->o;
    const bool marks = o->assistant_only_loss;
    fresh prompt;
    f->prompt = 0;
    if (x->kind == EXAMPLE_TEXT) return plain(a, p, with_end(a, p, x->text), f);
    if (x->kind == EXAMPLE_MESSAGES) return chat(a, p, x, x->messages, false, marks, f);
    if (x->kind == EXAMPLE_LABELLED && !x->label) return (f->length = 0, true); /* nothing to imitate */
    const example_part *answer = x->kind == EXAMPLE_PREFERENCE ? &x->chosen : &x->completion;
    if (answer->type == PART_ABSENT)
        return err_set(p->e, ERR_INPUT, "%s line %lld: sft wants an answer to imitate; this example is a %s", x->source,
                       (long long)x->line, example_kind_name(x->kind));
    if (!both(a, p, x, answer, marks, &prompt, f)) return false;
    f->prompt = common_prefix(&prompt, f);
    if (strcmp(o->completion_only_loss, "false") != 0) memset(f->mask, 0, (size_t)f->prompt);
    return true;
}

static bool add_sft(arena *a, preparing *p, const example *x) {
    fresh f = {0};
    if (!sft_row(a, p, x, &f)) return false;
    const int most = (int)p->s->o.max_length;
    if (p->waiting && f.length) return wait_for_packing(p, &f, x->row);
    if (most && f.length > most) {
        f.length = most;
        f.cut = true;
        p->r->counts.truncated++;
    }
    if (!any_label(&f)) {
        p->r->counts.dropped++;
        p->r->counts.empty += f.length == 0;
        note_row(&p->r->counts.dropped_rows, x->row);
        return true;
    }
    return write_row(p, &f, x->row, -1, 1, 0);
}

/* ---- pairs ----------------------------------------------------------------------------------------------------------------------------------- */

static bool add_pair(arena *a, preparing *p, const example *x) {
    fresh prompt, side[2];
    if (x->kind != EXAMPLE_PREFERENCE)
        return err_set(p->e, ERR_INPUT, "%s line %lld: %s wants pairs (chosen and rejected); this example is a %s", x->source,
                       (long long)x->line, p->s->objective->name, example_kind_name(x->kind));
    if (!both(a, p, x, &x->chosen, false, &prompt, &side[0]) || !both(a, p, x, &x->rejected, false, &prompt, &side[1]))
        return false;
    const int c = common_prefix(&prompt, &side[0]), r = common_prefix(&prompt, &side[1]), boundary = c < r ? c : r,
              most = (int)p->s->o.max_length;
    if (most && boundary >= most) {
        p->r->counts.dropped++;
        note_row(&p->r->counts.dropped_rows, x->row);
        return true;
    }
    const int number = (int)(p->r->count / 2);
    p->r->counts.pairs++;
    for (int k = 0; k < 2; k++) {
        side[k].prompt = boundary;
        memset(side[k].mask, 0, (size_t)boundary);
        side[k].cut = most && side[k].length > most;
        p->r->counts.truncated += side[k].cut;
        if (!write_row(p, &side[k], x->row, number, k == 0, (float)x->margin)) return false;
    }
    return true;
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

static bool keep_example(file_out *keep, const example *x, err *e) {
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    example_put_json(&w, x);
    buf_put_char(&line, '\n');
    const bool ok = file_out_put(keep, line.ptr, line.len, e);
    buf_free(&line);
    return ok;
}

static bool add_source(preparing *p, const char *spec, file_out *keep) {
    arena *a = arena_new();
    progress shown = progress_begin("reading examples", p->quiet);
    const bool pairs = p->s->objective->rows == WANTS_PAIRS;
    const source_options o = {.kinds = pairs ? KIND(EXAMPLE_PREFERENCE)
                                             : KIND(EXAMPLE_TEXT) | KIND(EXAMPLE_MESSAGES) | KIND(EXAMPLE_PROMPT_COMPLETION)};
    source *s = source_open_with(a, spec, &o, p->e);
    bool ok = s != NULL;
    while (ok) {
        arena *one = arena_new();
        example x;
        ok = source_next(s, one, &x, p->e);
        if (ok) {
            p->r->counts.examples++;
            count_duplicate(p, example_hash(&x));
            p->r->counts.turns += x.kind != EXAMPLE_TEXT;
            ok = (!keep || keep_example(keep, &x, p->e)) && (pairs ? add_pair(one, p, &x) : add_sft(one, p, &x));
            if (!ok && p->e->code && strncmp(p->e->text, x.source, strlen(x.source)) != 0)
                err_prefix(p->e, "%s line %lld", x.source, (long long)x.line);
            if (ok && p->r->counts.examples % 64 == 0) {
                const int64_t bytes = source_describe(s)->bytes;
                progress_show(&shown, (double)source_position(s), (double)(bytes > 0 ? bytes : 1), NULL);
                if (sys_stop_requested()) ok = err_set(p->e, ERR_STOPPED, "stopped while reading %s", spec);
            }
        }
        arena_free(one);
        if (!ok) break;
    }
    arena_free(a);
    return p->e->code == ERR_NONE;
}

rows *rows_prepare(arena *a, const model *m, const train_settings *s, const char *folder, const rows_how *how, err *e) {
    static const rows_how plainly = {.quiet = true};
    if (!how) how = &plainly;
    if (!m->tokenizer) return err_null(e, ERR_INPUT, "%s has no tokenizer, so words cannot become ids", m->path);
    if (s->o.assistant_only_loss && m->chat && !chat_template_has_generation(m->chat))
        return err_null(e, ERR_REFUSED,
                        "assistant_only_loss wants {%% generation %%} marks, and the chat template of %s has none; use "
                        "--chat-template chatml or a file with marks, or prompt/completion rows",
                        m->path);
    rows *r = arena_new_of(a, rows);
    arena_defer(a, free_rows, r);
    preparing p = {.m = m, .s = s, .r = r, .quiet = how->quiet, .e = e};
    collect_ends(&p);
    r->counts.end = p.ends ? p.end[p.ends - 1] : -1;
    char *path = path_join(a, folder, arena_printf(a, ".rows-%d", (int)getpid()));
    r->pairs = s->objective->rows == WANTS_PAIRS;
    if (s->o.packing) {
        p.waiting = arena_new_of(a, waiting);
        p.waiting->a = arena_new();
        r->documents = strcmp(s->o.packing_strategy, "wrapped") != 0;
    }
    if (!file_out_open(&p.out, path, e)) return NULL;
    bool ok = true;
    if (how->kept) ok = add_source(&p, arena_printf(a, "examples:%s", how->kept), NULL);
    for (int i = 0; ok && !how->kept && i < s->o.data.count; i++) ok = add_source(&p, s->o.data.item[i], how->keep);
    ok = ok && flush(&p);
    if (p.waiting) arena_free(p.waiting->a);
    if (ok) ok = file_out_commit(&p.out, e);
    else file_out_abandon(&p.out);
    memory_release(p.seen);
    r->counts.rows = r->count;
    ok = ok && file_map(a, path, &r->file, e);
    file_io.unlink(path);
    return ok ? r : NULL;
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

/* What would train, but hardly what was meant. */
static bool look_right(const rows *r, const model *m, const train_options *o, arena *a, err *e) {
    const row_counts *c = &r->counts;
    const int64_t batch = o->per_device_train_batch_size * o->gradient_accumulation_steps, unit = r->pairs ? 2 : 1;
    const int eos = tokenizer_eos(m->tokenizer);
    const char *end = c->end >= 0 ? str_copy(a, tokenizer_token(m->tokenizer, c->end))
                      : eos >= 0  ? str_copy(a, tokenizer_token(m->tokenizer, eos))
                                  : "none is known";
    if (c->untrained.count && (c->untrained.count >= batch || c->untrained.count * unit >= r->count))
        return err_set(e, ERR_REFUSED, "a batch would have no token to train: every token is masked in %s",
                       row_numbers_text(a, &c->untrained));
    if (c->double_bos.count)
        return err_set(e, ERR_REFUSED,
                       "two BOS tokens ('%.*s') begin %s: the text (or template) writes one and the tokenizer adds another; take "
                       "it out of the text",
                       STR_ARG(tokenizer_token(m->tokenizer, tokenizer_bos(m->tokenizer))), row_numbers_text(a, &c->double_bos));
    return ends_are_learned(c, end, e);
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
    else if (!c->trained_tokens) err_set(e, ERR_REFUSED, "no token would be trained: every row is masked from end to end");
    else if (!(ok = look_right(r, m, &s->o, a, e)) && strcmp(s->o.preflight, "warn") == 0) {
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

static void put_documents(json_writer *w, const row *x) {
    json_key(w, "seq_lengths"), json_open(w, '[');
    for (int k = 0, begin = 0; k < x->length; k++)
        if (k + 1 == x->length || row_begins(x, k + 1)) {
            json_put_int(w, k + 1 - begin);
            begin = k + 1;
        }
    json_close(w);
}

void rows_put_json(json_writer *w, const rows *r, int64_t i) {
    const row x = rows_at(r, r->pairs ? 2 * i : i);
    json_open(w, '{');
    json_key(w, "row"), json_put_int(w, i);
    if (r->pairs) {
        const row y = rows_at(r, 2 * i + 1);
        put_ids(w, "prompt_ids", x.ids, 0, x.prompt);
        put_ids(w, "chosen_ids", x.ids, x.prompt, x.length);
        put_ids(w, "rejected_ids", y.ids, y.prompt, y.length);
    } else {
        put_ids(w, "input_ids", x.ids, 0, x.length);
        json_key(w, "labels"), json_open(w, '[');
        for (int k = 0; k < x.length; k++) json_put_int(w, x.mask[k] & MASK_TRAINED ? x.ids[k] : -100);
        json_close(w);
        if (r->documents) put_documents(w, &x);
    }
    json_close(w);
}
