/* api_recipes.c - what a dataset can train, the examples themselves, agreement and people's work on it: its records read page by page
 * as the API answers them, and handed to data. */
#include <math.h>
#include <string.h>

#include "serve/api.h"

enum { PAGE = 500, PREVIEW = 3, WORST = 100, REPORT_MOST = 200000 };
static const double NEAR = 0.7; /* from this similarity on two prompts nearly repeat each other */

static const include wanted = {.responses = true, .suggestions = true};

/* ---- records as JSON --------------------------------------------------------------------------------------------------------------------- */

/* A record with its settled answer; licence and source of the dataset where it says none itself. */
static json *whole_record(call *c, const record *r, const schema *s, const json *of_set, err *e) {
    str gold;
    bool hidden;
    buf_clear(&c->out);
    c->w = json_writer_on(&c->out, false);
    if (!put_record(c, r, s, &wanted, e)) return NULL;
    json *v = json_parse(c->a, buf_str(&c->out), e);
    if (!v || !gold_get(c->tx, c->a, r->seq, &gold, &hidden, e)) return NULL;
    if (c->me.role == ROLE_ANNOTATOR) gold = (str){NULL, 0}, hidden = false; /* they are not to know, not from a preview either */
    if (gold.ptr) json_set(v, "gold", json_parse(c->a, gold, e));
    if (hidden) json_set(v, "gold_hidden", json_new_bool(c->a, true));
    json *metadata = json_get(v, "metadata");
    if (!metadata) json_set(v, "metadata", metadata = json_new_object(c->a));
    static const char *const keys[] = {"licence", "license", "source", "terms"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_has(metadata, keys[i]) && json_get(of_set, keys[i])) json_set(metadata, keys[i], json_get(of_set, keys[i]));
    return v;
}

typedef struct {
    call *c;
    schema s;
    const json *of_set; /* metadata of the dataset */
    recipe *r;
    int64_t seq;
    json *page;
} walk;

static bool walk_begin(call *c, walk *w, err *e) {
    *w = (walk){.c = c};
    if (c->set.metadata.ptr && !(w->of_set = json_parse(c->a, c->set.metadata, e))) return false;
    return schema_rules(c, c->set.seq, &w->s, e);
}

/* The next page into w->page; empty at the end. */
static bool walk_page(walk *w, int64_t limit, err *e) {
    records rows;
    call *c = w->c;
    w->page = json_new_array(c->a);
    if (!record_after(c->tx, c->a, c->set.seq, w->seq, limit, &rows, e)) return false;
    for (int i = 0; i < rows.count; i++) {
        json *v = whole_record(c, &rows.item[i], &w->s, w->of_set, e);
        if (!v) return false;
        json_append(w->page, v);
        w->seq = rows.item[i].seq;
    }
    buf_clear(&c->out);
    c->w = json_writer_on(&c->out, false);
    return true;
}

/* All records at once, for what looks at all of them. */
static bool walk_all(walk *w, json **out, err *e) {
    *out = json_new_array(w->c->a);
    if (w->c->set.records > REPORT_MOST)
        return err_set(e, ERR_LIMIT, "the dataset has %lld records; this looks at %d at most at once",
                       (long long)w->c->set.records, REPORT_MOST);
    do {
        if (!walk_page(w, PAGE, e)) return false;
        for (size_t i = 0; i < json_count(w->page); i++) json_append(*out, json_share(w->c->a, json_at(w->page, i)));
    } while (json_count(w->page));
    return true;
}

bool dataset_records(call *c, schema *s, json **out, err *e) {
    walk w;
    if (!walk_begin(c, &w, e) || !walk_all(&w, out, e)) return false;
    *s = w.s;
    return true;
}

/* ---- the recipe of a dataset -------------------------------------------------------------------------------------------------------------- */

static bool take_options(call *c, const json *v, recipe_options *out, err *e) {
    json_member m = {0};
    while (v && json_next(v, &m)) {
        const opt *o = opt_find(recipe_option_table, str_of(m.key));
        if (!o) return invalid(c, "body.options", e, "recipes have no option '%s'", m.key);
        if (!opt_set_json(o, out, m.value, c->a, e)) return err_prefix(e, "options.%s", m.key);
    }
    return true;
}

/* The mapping of the request, else the one that is kept, else the guess; an ambiguous guess is asked, never assumed. */
static bool choose_mapping(call *c, const schema *s, const json **out, bool *asks, err *e) {
    str kept, options;
    *asks = false;
    if ((*out = json_get(c->body, "mapping")) != NULL) return true;
    if (!recipe_kept(c->tx, c->a, c->set.seq, &kept, &options, e)) return false;
    if (kept.ptr) return (*out = json_parse(c->a, kept, e)) != NULL;
    const json *guesses = recipe_guess(c->a, s->fields, s->questions);
    *out = json_at(guesses, 0);
    *asks = *out && json_count(json_get(*out, "ask")) > 0;
    return true;
}

static bool choose_options(call *c, recipe_options *out, err *e) {
    str kept, options;
    opt_defaults(recipe_option_table, out, c->a);
    out->salt = store_fact(c->tx, c->a, "salt", e);
    if (!recipe_kept(c->tx, c->a, c->set.seq, &kept, &options, e)) return false;
    if (options.ptr) {
        const json *v = json_parse(c->a, options, e);
        if (!v || !take_options(c, v, out, e)) return false;
    }
    return take_options(c, json_get(c->body, "options"), out, e);
}

static str words_of_ask(call *c, const json *mapping) {
    buf text = {0};
    const json *ask = json_get(mapping, "ask");
    for (size_t i = 0; i < json_count(ask); i++) {
        const json *one = json_at(ask, i), *choices = json_get(one, "choices");
        buf_printf(&text, "%s%.*s (%.*s: ", i ? "; " : "", STR_ARG(json_get_text(one, "words", STR(""))),
                   STR_ARG(json_get_text(one, "role", STR(""))));
        for (size_t k = 0; k < json_count(choices); k++)
            buf_printf(&text, "%s%.*s", k ? ", " : "", STR_ARG(json_text(json_at(choices, k), STR("?"))));
        buf_put_char(&text, ')');
    }
    const str out = {arena_copy(c->a, text.ptr ? text.ptr : "", text.len), text.len};
    buf_free(&text);
    return out;
}

static bool open_recipe(call *c, walk *w, err *e) {
    const json *mapping;
    bool asks;
    recipe_options o;
    if (!walk_begin(c, w, e) || !choose_mapping(c, &w->s, &mapping, &asks, e) || !choose_options(c, &o, e)) return false;
    if (!mapping)
        return err_set(
            e, ERR_INPUT,
            "no question of this dataset gives examples: it needs a text, rating, ranking or comparison question, or labels that"
            " mean good or bad; which of others do is said by fettle dataset map NAME --set question=Q --set good=LABEL,LABEL");
    if (asks)
        return err_set(e, ERR_INPUT,
                       "which is which is not clear: %.*s. Choose it on the dataset's page, or with fettle dataset map %s",
                       STR_ARG(words_of_ask(c, mapping)), c->set.name);
    w->r = recipe_open(c->a, w->s.fields, w->s.questions, mapping, &o, e);
    return w->r != NULL;
}

/* Where the split puts the prompts, and which nearly repeat each other across it. */
static bool put_split(call *c, walk *w, const json *all, json *report, err *e) {
    enum { PERCENT = 10 };
    int64_t validation, test;
    example_list list = {0};
    if (!query_int(c, "validation", 0, 50, PERCENT, &validation, e) || !query_int(c, "test", 0, 50, PERCENT, &test, e))
        return false;
    for (size_t i = 0; i < json_count(all); i++) recipe_convert(c->a, w->r, json_at(all, i), TARGET_PROMPTS, &list);
    json *split = split_report(c->a, list.item, list.count, (double)validation, (double)test, NEAR);
    json_set(split, "validation_percent", json_new_int(c->a, validation));
    json_set(split, "test_percent", json_new_int(c->a, test));
    json_set(report, "split", split);
    return true;
}

static bool put_report(call *c, walk *w, json_writer *out, err *e) {
    json *all;
    if (!walk_all(w, &all, e)) return false;
    json *report = recipe_report(c->a, w->r, all);
    if (!put_split(c, w, all, report, e)) return false;
    json_key(out, "report"), json_put_value(out, report);
    return true;
}

static bool put_preview(call *c, walk *w, json_writer *out, err *e) {
    walk few = *w;
    few.seq = 0;
    if (!walk_page(&few, PREVIEW, e)) return false;
    json_key(out, "preview"), json_open(out, '{');
    for (int t = 0; t < TARGET_COUNT; t++) {
        example_list list = {0};
        for (size_t i = 0; i < json_count(few.page); i++)
            recipe_convert(c->a, w->r, json_at(few.page, i), (recipe_target)t, &list);
        json_key(out, recipe_target_name((recipe_target)t)), json_open(out, '[');
        for (size_t i = 0; i < list.count; i++) example_put_json(out, &list.item[i]);
        json_close(out);
    }
    json_close(out);
    return true;
}

static bool get_recipes(call *c, err *e) {
    walk w;
    str kept, options;
    buf text = {0};
    err why = {0};
    json_writer out = json_writer_on(&text, false);
    if (!recipe_kept(c->tx, c->a, c->set.seq, &kept, &options, e)) return false;
    const bool usable = open_recipe(c, &w, &why);
    if (!usable && why.code == ERR_IO) return err_set(e, why.code, "%s", why.text);
    json_open(&out, '{');
    json_key(&out, "guesses"), json_put_value(&out, recipe_guess(c->a, w.s.fields, w.s.questions));
    json_key(&out, "mapping"), json_put_raw(&out, kept);
    json_key(&out, "options"), json_put_raw(&out, options);
    json_key(&out, "reason"), json_put_cstr(&out, usable ? NULL : why.text);
    json_key(&out, "records"), json_put_int(&out, c->set.records);
    json_key(&out, "completed"), json_put_int(&out, c->set.completed);
    bool ok = !usable || (put_report(c, &w, &out, e) && put_preview(c, &w, &out, e));
    if (ok) json_close(&out);
    buf_clear(&c->out);
    if (ok) buf_put_str(&c->out, buf_str(&text));
    buf_free(&text);
    return ok;
}

static bool put_recipe(call *c, err *e) {
    walk w;
    const json *mapping = json_get(c->body, "mapping");
    if (!body_object(c, e)) return false;
    if (!mapping) return invalid(c, "body.mapping", e, "a mapping is required: GET .../recipes shows the guesses");
    if (!open_recipe(c, &w, e) ||
        !recipe_keep(c->tx, c->set.seq, written(c, mapping), written(c, json_get(c->body, "options")), e))
        return false;
    json_open(&c->w, '{');
    json_key(&c->w, "mapping"), json_put_value(&c->w, mapping);
    json_close(&c->w);
    return true;
}

/* ---- examples ------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    call c; /* a copy with an arena of its own: the request's may end first */
    recipe_target as;
    bool all, ended, plain;
} export;

static bool put_examples(export *x, walk *w, buf *out, err *e) {
    example_list list = {0};
    if (x->all) {
        json *every;
        if (!walk_all(w, &every, e) || !recipe_convert_all(w->c->a, w->r, every, x->as, &list, e)) return false;
        x->ended = true;
    } else {
        if (!walk_page(w, PAGE, e)) return false;
        x->ended = !json_count(w->page);
        if (!recipe_convert_all(w->c->a, w->r, w->page, x->as, &list, e)) return false;
    }
    recipe_put_rows(out, list.item, list.count);
    return true;
}

typedef struct {
    export *x;
    buf *out;
    int64_t seq;
} step;

static bool one_step(store_tx *t, void *context, err *e) {
    step *s = context;
    walk w;
    call c = s->x->c;
    arena *a = c.a = arena_new();
    c.tx = t;
    c.out = (buf){0};
    bool ok = open_recipe(&c, &w, e);
    w.seq = s->seq;
    ok = ok && put_examples(s->x, &w, s->out, e);
    s->seq = w.seq;
    buf_free(&c.out);
    arena_free(a);
    return ok;
}

/* Rows of a whole record as the API answers it, for copies and other programs. */
static bool one_plain_step(store_tx *t, void *context, err *e) {
    static const include every = {.responses = true, .suggestions = true, .vectors = true};
    step *s = context;
    call c = s->x->c;
    schema own;
    records rows;
    arena *a = c.a = arena_new();
    c.tx = t;
    c.out = (buf){0};
    bool ok = schema_of(&c, c.set.seq, &own, e) && record_after(t, a, c.set.seq, s->seq, PAGE, &rows, e);
    for (int i = 0; ok && i < rows.count; i++) {
        c.w = json_writer_on(&c.out, false);
        ok = put_record(&c, &rows.item[i], &own, &every, e);
        buf_put_char(&c.out, '\n');
        s->seq = rows.item[i].seq;
    }
    if (ok) buf_put_str(s->out, buf_str(&c.out));
    s->x->ended = ok && !rows.count;
    buf_free(&c.out);
    arena_free(a);
    return ok;
}

typedef struct {
    export x;
    int64_t seq;
    arena *own;
} running_export;

static bool next_rows(void *context, buf *out) {
    running_export *r = context;
    err e = {0};
    while (!r->x.ended && !out->len) {
        step s = {&r->x, out, r->seq};
        if (!store_read(server_store(r->x.c.server), r->x.plain ? one_plain_step : one_step, &s, &e)) {
            buf_printf(out, "{\"error\":");
            json_quote(out, str_of(e.text));
            buf_put_text(out, "}\n");
            r->x.ended = true;
            return true;
        }
        r->seq = s.seq;
    }
    return out->len > 0;
}

static void end_rows(void *context) {
    running_export *r = context;
    arena *own = r->own;
    arena_free(own);
}

static bool check_export(store_tx *t, void *context, err *e) {
    call *c = context;
    walk w;
    json *all;
    c->tx = t;
    bool ok = open_recipe(c, &w, e);
    /* What a purpose forbids is said before the first row goes out. */
    if (ok && str_is(json_get_text(json_get(c->body, "options"), "purpose", STR("any")), "commercial")) {
        ok = walk_all(&w, &all, e) && licences_allow(all, "commercial", e);
    }
    c->tx = NULL;
    return ok;
}

bool rows_begin(call *c, err *e) {
    recipe_target as = TARGET_SFT;
    const str name = json_get_text(c->body, "as", STR(""));
    const bool plain = str_is(name, "records");
    if (!body_object(c, e)) return false;
    if (!plain && !recipe_target_find(name, &as))
        return invalid(c, "body.as", e, "as should be sft, pairs, labelled, prompts or records, it is '%.*s'", STR_ARG(name));
    if (!plain && !store_read(server_store(c->server), check_export, c, e)) return false;
    arena *own = arena_new();
    running_export *r = arena_new_of(own, running_export);
    *r = (running_export){.own = own,
                          .x = {.c = {.server = c->server, .a = own, .me = c->me, .set = c->set}, .as = as, .plain = plain}};
    r->x.c.set.metadata = c->set.metadata.ptr
                              ? (str){arena_copy(own, c->set.metadata.ptr, c->set.metadata.len), c->set.metadata.len}
                              : c->set.metadata;
    if (!(r->x.c.body = json_parse(own, (str){arena_copy(own, c->raw.ptr, c->raw.len), c->raw.len}, e))) {
        arena_free(own);
        return false;
    }
    /* Pairs of ratings are made between records too: all of them are looked at together. */
    r->x.all = as == TARGET_PAIRS && c->set.records <= REPORT_MOST;
    c->type = "application/jsonl";
    c->stream = (answer_stream){next_rows, end_rows, r};
    return true;
}

/* ---- agreement -------------------------------------------------------------------------------------------------------------------------------- */

static bool get_agreement(call *c, err *e) {
    walk w;
    json *all;
    if (!walk_begin(c, &w, e) || !walk_all(&w, &all, e)) return false;
    json_put_value(&c->w, agreement_report(c->a, w.s.questions, all, WORST));
    return true;
}

const route routes_recipes[] = {
    {"GET", "/api/v1/datasets/{id}/recipes", WHO_MEMBER, OF_DATASET, RUN_READ, get_recipes,
     "what the dataset can train, and why not; prompts that nearly repeat each other across the split (?validation=10&test=10)"},
    {"PUT", "/api/v1/datasets/{id}/recipe", WHO_ADMIN, OF_DATASET, RUN_WRITE, put_recipe,
     "keep the mapping of fields and questions to roles"},
    {"POST", "/api/v1/datasets/{id}/rows", WHO_ADMIN, OF_DATASET, RUN_SELF, rows_begin,
     "examples (sft, pairs, labelled, prompts) or records, as JSON lines"},
    {"GET", "/api/v1/datasets/{id}/agreement", WHO_ADMIN, OF_DATASET, RUN_READ, get_agreement,
     "agreement per question, pair and person"},
    {0},
};
