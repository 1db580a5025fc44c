/* source.c - an open file of examples: finds its format, reads row after row, says where it hurts.
 *
 *   open ── files (stream.c) ── format (detect.c) ── first examples for the preview ──► next, next, ... ──► end
 *
 * A row may hold several examples (format.count): it is then parsed once into the source's own arena and shared with the arenas of
 * its examples. All examples of a file are of one kind: a file that changes its mind is an error that names the line. */
#include <math.h>
#include <string.h>

#include "data/detect.h"

struct source {
    row_files files;
    source_options options;
    finding found;
    bool kind_known; /* of a format the user named: after the first example */
    source_info info;
    row_stream rows;
    int64_t row;   /* number of the row last read */
    json *several; /* the row last read, when it holds several examples; in several_arena */
    arena *several_arena;
    int64_t nth, count;
    int64_t skipped;
    char first_bad[ERR_TEXT_MAX];
};

/* ---- one row to one example ------------------------------------------------------------------------------------------------------ */

static bool parse_row(source *s, arena *a, str text, json **row, err *e) {
    err why = {0};
    *row = NULL;
    if (s->rows.rows.bad.code) return err_set(e, s->rows.rows.bad.code, "%s", s->rows.rows.bad.text);
    if (!json_parse_any(a, text, row, &why)) return row_stream_bad_json(&s->rows, &why, e);
    const json_kind kind = json_kind_of(*row);
    if (kind == JSON_OBJECT || kind == JSON_STRING) return true;
    err_set(e, ERR_INPUT, "a row should be an object, but is %s", json_kind_name(kind));
    return row_stream_at(&s->rows, e);
}

/* Texts of any type that name where the example came from. */
static str lineage_text(arena *a, const json *row, const char *key) {
    const json *v = json_get(row, key);
    if (json_kind_of(v) == JSON_STRING) return json_text(v, STR(""));
    return json_kind_of(v) == JSON_INT ? str_of(arena_printf(a, "%lld", (long long)json_int(v, 0))) : (str){0};
}

/* "unfinished": ["rejected", ...] */
static bool read_unfinished(const json *row, example *out, err *e) {
    const json *names = json_get(row, "unfinished");
    bool known = json_kind_of(names) == JSON_NULL || json_kind_of(names) == JSON_ARRAY;
    for (size_t i = 0; known && i < json_count(names); i++) {
        const str name = json_text(json_at(names, i), STR(""));
        bool *found = NULL;
#define X(answer, there, mark)                                                                                                   \
    if (str_is(name, answer) && out->there) found = &out->mark;
        EXAMPLE_ANSWERS(X)
#undef X
        known = found != NULL;
        if (known) *found = true;
    }
    return known || field_wrong(row, "unfinished",
                                "a list of the answers of this row that were cut off: completion, chosen, rejected, messages", e);
}

static bool no_pictures(const json *row, err *e) {
    static const char *const keys[] = {"images", "image", "videos", "video", "audios", "audio"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json *v = json_get(row, keys[i]);
        if (v && (json_kind_of(v) != JSON_ARRAY || json_count(v)) &&
            (json_kind_of(v) != JSON_STRING || json_text(v, STR("")).len))
            return err_set(e, ERR_UNSUPPORTED, "field '%s': only text can be learned from; remove the field to go on without it",
                           keys[i]);
    }
    return true;
}

static bool common_fields(arena *a, json *row, example *out, err *e) {
    out->template_kwargs = json_get(row, "chat_template_kwargs");
    if (out->template_kwargs && json_kind_of(out->template_kwargs) != JSON_OBJECT)
        return field_wrong(row, "chat_template_kwargs", "an object", e);
    if (!out->record.len) out->record = lineage_text(a, row, "record");
    if (!out->responses) out->responses = json_get(row, "responses");
    out->licence = lineage_text(a, row, json_has(row, "licence") ? "licence" : "license");
    out->people = json_get(row, "people");
    out->origin = lineage_text(a, row, "origin");
    out->by = lineage_text(a, row, "by");
    out->group = json_text(json_get(row, "group"), (str){0});
    return no_pictures(row, e) && read_unfinished(row, out, e) && (out->tools || field_tools(a, row, "tools", &out->tools, e));
}

static bool same_kind(source *s, example_kind kind, err *e) {
    if (!s->found.format->look) return true;
    if (!s->kind_known) s->found.kind = s->info.kind = kind;
    s->kind_known = true;
    return kind == s->found.kind || err_set(e, ERR_INPUT, "this row is of kind %s, those before are of kind %s",
                                            example_kind_name(kind), example_kind_name(s->found.kind));
}

static bool convert(source *s, arena *a, json *row, int64_t nth, example *out, err *e) {
    *out = (example){.margin = NAN,
                     .reward = NAN,
                     .probability = NAN,
                     .raw = row,
                     .row = s->row,
                     .line = s->rows.line,
                     .source = s->rows.path};
    return (s->found.format->convert(a, row, nth, out, e) && common_fields(a, row, out, e) && same_kind(s, out->kind, e)) ||
           row_stream_at(&s->rows, e);
}

static bool next_of_several(source *s, arena *a, example *out, err *e) {
    json *row = json_share(a, s->several);
    const int64_t nth = s->nth++;
    if (s->nth == s->count) {
        arena_free(s->several_arena);
        s->several_arena = NULL;
    }
    return convert(s, a, row, nth, out, e);
}

static bool begin_several(source *s, str text, err *e) {
    s->several_arena = arena_new();
    s->nth = s->count = 0;
    const bool ok = parse_row(s, s->several_arena, text, &s->several, e);
    if (ok) s->count = s->found.format->count(s->several);
    if (s->count) return true;
    arena_free(s->several_arena);
    s->several_arena = NULL;
    return ok;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------- */

static bool next_row(source *s, str *text, bool *at_end, err *e) {
    err reading = {0};
    if (row_stream_next(&s->rows, text, &reading)) return s->row++, true;
    *at_end = true;
    if (!reading.code) s->info.rows = s->row + 1;
    return reading.code && err_set(e, reading.code, "%s", reading.text);
}

/* False with *at_end: the end, or an error behind which nothing can be read. */
static bool next_example(source *s, arena *a, example *out, bool *at_end, err *e) {
    str text;
    json *row;
    while (!s->several_arena) {
        if (!next_row(s, &text, at_end, e)) return false;
        if (!s->found.format->count) return parse_row(s, a, text, &row, e) && convert(s, a, row, 0, out, e);
        if (!begin_several(s, text, e)) return false;
    }
    return next_of_several(s, a, out, e);
}

bool source_next(source *s, arena *row, example *out, err *e) {
    for (;;) {
        err why = {0};
        bool at_end = false;
        if (next_example(s, row, out, &at_end, &why)) return true;
        if (at_end && !why.code) return false;
        if (at_end || !s->options.skip_bad) return err_set(e, why.code, "%s", why.text);
        if (!s->skipped++) memcpy(s->first_bad, why.text, sizeof s->first_bad);
    }
}

static void let_go(source *s) {
    row_stream_close(&s->rows);
    arena_free(s->several_arena);
    s->several_arena = NULL;
}

bool source_rewind(source *s, err *e) {
    let_go(s);
    s->row = -1;
    s->skipped = 0;
    s->first_bad[0] = 0;
    return row_stream_open(&s->rows, &s->files, s->found.members, e);
}

void source_close(source *s) {
    if (s) let_go(s);
}

int64_t source_position(const source *s) { return row_stream_position(&s->rows); }

int64_t source_skipped(const source *s) { return s->skipped; }
const char *source_first_bad(const source *s) { return s->skipped ? s->first_bad : NULL; }
const source_info *source_describe(const source *s) { return &s->info; }

/* ---- opening ---------------------------------------------------------------------------------------------------------------------- */

static void close_deferred(void *s) { source_close(s); }

/* FORMAT:PATH, unless a file has that very name. */
static bool read_spec(arena *a, source *s, const char *spec, const format **named, err *e) {
    const char *colon = strchr(spec, ':');
    *named = colon && !file_exists(spec) ? format_find((str){spec, (size_t)(colon - spec)}) : NULL;
    err why = {0};
    if (row_files_find(a, *named ? colon + 1 : spec, &s->files, &why)) return true;
    if (why.code != ERR_NOT_FOUND || !colon || *named || file_exists(spec)) return err_set(e, why.code, "%s", why.text);
    return err_set(e, ERR_NOT_FOUND, "there is no file %s, and no format %.*s; formats are %s", spec, (int)(colon - spec), spec,
                   format_names(a));
}

static const char *layout_words(arena *a, const source *s) {
    const file_shape *shape = &s->files.shape;
    const bool member = shape->layout == ROWS_MEMBER || (shape->layout == ROWS_LINES && shape->member && s->found.members);
    const char *words = member ? arena_printf(a, "the JSON array '%s'", shape->member) : rows_layout_words(shape->layout);
    return s->files.words ? arena_printf(a, "%s, %s", words, s->files.words) : words;
}

/* The first examples, written as TRL's rows. What is wrong with them is said when they are read. */
static bool preview(arena *a, source *s, err *e) {
    arena *scratch = arena_new();
    example x;
    err bad = {0};
    for (int i = 0; i < SOURCE_PREVIEW && source_next(s, scratch, &x, &bad); i++) {
        buf out = {0};
        json_writer w = json_writer_on(&out, false);
        example_put_json(&w, &x);
        s->info.preview[i] = arena_copy(a, out.ptr, out.len);
        if (!i) s->info.conversational = example_is_conversational(&x);
        buf_free(&out);
    }
    arena_free(scratch);
    s->info.rows = -1;
    return source_rewind(s, e);
}

static bool describe(arena *a, source *s, err *e) {
    s->info = (source_info){
        .path = s->files.name,
        .format = s->found.format->name,
        .layout = layout_words(a, s),
        .reason = s->found.reason,
        .kind = s->found.kind,
        .used = s->found.used,
        .ignored = s->found.ignored,
        .bytes = s->files.bytes,
        .rows = -1,
    };
    return source_rewind(s, e) && preview(a, s, e);
}

source *source_open_with(arena *a, const char *spec, const source_options *o, err *e) {
    source *s = arena_new_of(a, source);
    const format *named;
    err why = {0};
    if (o) s->options = *o;
    const bool ok = read_spec(a, s, spec, &named, &why) && detect(a, &s->files, named, s->options.kinds, &s->found, &why);
    if (ok) {
        s->kind_known = !named;
        arena_defer(a, close_deferred, s);
        if (describe(a, s, &why)) return s;
    }
    source_close(s);
    return err_null(e, why.code, "%s", why.text);
}

source *source_open(arena *a, const char *spec, err *e) { return source_open_with(a, spec, NULL, e); }
