/* jinja_pprint.c - pprint.pformat: a value in lines of at most 80 columns, as Python's pprint breaks them; keys of dicts in order. */
#include <string.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

enum { COLUMNS = 80 };

typedef struct {
    run *r;
    buf *out;
} page;

static void put_value(const page *p, jvalue v, int64_t indent, int64_t behind, int level);

/* The items of a dict by key: numbers and texts in their own order. */
static jvalue sorted_items(run *r, const jdict *d) {
    const jvalue of = jv_items(r, d), by = jv_dict(r);
    const jargs args = {.item = (jvalue[]){jv_bool(true)}, .name = (str[]){STR("case_sensitive")}, .count = 1};
    by.u.dict->key = d->key, by.u.dict->value = d->value, by.u.dict->count = by.u.dict->room = d->count;
    return d->count < 2 ? of : jinja_filter(r, STR("dictsort"), by, &args);
}

/* repr(v), with the keys of all dicts in order. */
static void put_sorted(run *r, buf *out, jvalue v) {
    const bool dict = v.kind == V_DICT;
    if (!dict && v.kind != V_LIST) {
        jv_repr(r, out, v);
        return;
    }
    const bool tuple = !dict && v.u.list->tuple;
    const jlist *l = dict ? sorted_items(r, v.u.dict).u.list : v.u.list;
    jinja_enter(r);
    buf_put_char(out, dict ? '{' : tuple ? '(' : '[');
    for (int i = 0; i < l->count; i++) {
        if (i) buf_put_text(out, ", ");
        if (dict) jv_repr(r, out, l->item[i].u.list->item[0]), buf_put_text(out, ": ");
        put_sorted(r, out, dict ? l->item[i].u.list->item[1] : l->item[i]);
    }
    buf_put_text(out, dict ? "}" : !tuple ? "]" : l->count == 1 ? ",)" : ")");
    r->depth--;
}

static str sorted_text(run *r, jvalue v) {
    buf *out = jinja_buf(r);
    put_sorted(r, out, v);
    return jv_of_buf(r, out).u.text;
}

static void break_line(const page *p, int64_t indent) {
    jinja_burn(p->r, 1 + indent / 16);
    buf_put_char(p->out, '\n');
    for (; indent > 0; indent--) buf_put_char(p->out, ' ');
    if (p->out->len > p->r->output_max) jinja_fail(p->r, "the template makes more than %zu bytes of text", p->r->output_max);
}

/* ---- a text over several lines: its lines, and those at blanks ---------------------------------------------------------------------------- */

/* The end of the characters other than blanks at `at`, and of the blanks behind them. */
static size_t word_end(str s, size_t at) {
    int32_t c;
    size_t n;
    while (at < s.len && (n = utf8_next(s, at, &c), !unicode_is_space(c))) at += n;
    while (at < s.len && (n = utf8_next(s, at, &c), unicode_is_space(c))) at += n;
    return at;
}

/* Pieces of a line whose repr fits into `width` columns; the last into so many less. */
static void split_line(run *r, jvalue chunks, str line, int64_t width, int64_t less) {
    size_t from = 0, last = 0;
    for (size_t at = 0; at < line.len;) {
        at = word_end(line, at);
        if (at == line.len) width -= less;
        const str repr = sorted_text(r, jv_text(str_slice(line, from, at)));
        if (str_characters(repr) > width && last > from) {
            jv_append(r, chunks, jv_text(sorted_text(r, jv_text(str_slice(line, from, last)))));
            from = last;
        }
        last = at;
    }
    if (from < line.len) jv_append(r, chunks, jv_text(sorted_text(r, jv_text(str_slice(line, from, line.len)))));
}

static void put_text(const page *p, str s, int64_t indent, int64_t behind, int level) {
    run *r = p->r;
    const jlist *lines = jinja_lines(r, s, true).u.list;
    const jvalue chunks = jv_list(r, false);
    if (level == 1) indent++, behind++;
    for (int i = 0; i < lines->count; i++) {
        const int64_t less = i == lines->count - 1 ? behind : 0;
        const str repr = sorted_text(r, lines->item[i]);
        if (str_characters(repr) <= COLUMNS - indent - less) jv_append(r, chunks, jv_text(repr));
        else split_line(r, chunks, lines->item[i].u.text, COLUMNS - indent, less);
    }
    const jlist *l = chunks.u.list;
    const bool brackets = level == 1 && l->count != 1;
    if (brackets) buf_put_char(p->out, '(');
    for (int i = 0; i < l->count; i++) {
        if (i) break_line(p, indent);
        buf_put_str(p->out, l->item[i].u.text);
    }
    if (brackets) buf_put_char(p->out, ')');
}

/* ---- containers, an item a line ----------------------------------------------------------------------------------------------------------- */

static void put_dict(const page *p, const jdict *d, int64_t indent, int64_t behind, int level) {
    const jlist *l = sorted_items(p->r, d).u.list;
    buf_put_char(p->out, '{');
    for (int i = 0; i < l->count; i++) {
        const str key = sorted_text(p->r, l->item[i].u.list->item[0]);
        if (i) buf_put_char(p->out, ','), break_line(p, indent + 1);
        buf_put_str(p->out, key);
        buf_put_text(p->out, ": ");
        put_value(p, l->item[i].u.list->item[1], indent + 1 + str_characters(key) + 2, i == l->count - 1 ? behind + 1 : 1, level);
    }
    buf_put_char(p->out, '}');
}

static void put_list(const page *p, const jlist *l, int64_t indent, int64_t behind, int level) {
    const char *end = !l->tuple ? "]" : l->count == 1 ? ",)" : ")";
    buf_put_char(p->out, l->tuple ? '(' : '[');
    for (int i = 0; i < l->count; i++) {
        if (i) buf_put_char(p->out, ','), break_line(p, indent + 1);
        put_value(p, l->item[i], indent + 1, i == l->count - 1 ? behind + (int64_t)strlen(end) : 1, level);
    }
    buf_put_text(p->out, end);
}

/* behind: columns that what follows on the same line needs. */
static void put_value(const page *p, jvalue v, int64_t indent, int64_t behind, int level) {
    const str repr = sorted_text(p->r, v);
    const bool fits = str_characters(repr) <= COLUMNS - indent - behind;
    jinja_enter(p->r);
    if (!fits && v.kind == V_DICT && !v.u.dict->namespace) put_dict(p, v.u.dict, indent, behind, level + 1);
    else if (!fits && v.kind == V_LIST) put_list(p, v.u.list, indent, behind, level + 1);
    else if (!fits && v.kind == V_STRING && !v.markup) put_text(p, v.u.text, indent, behind, level + 1);
    else buf_put_str(p->out, repr);
    p->r->depth--;
}

void jinja_pretty(run *r, buf *out, jvalue v) { put_value(&(page){r, out}, v, 0, 0, 0); }
