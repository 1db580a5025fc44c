/* tokenizer_pieces.c - lists of pieces, patterns over them, and the running and reading of steps. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

void pieces_free(pieces *p) {
    buf_free(&p->text);
    memory_release(p->from);
    memory_release(p->cut);
    *p = (pieces){0};
}

/* Room for n more bytes, which are put; NULL: too many. */
static span *more(pieces *p, const void *bytes, size_t n) {
    const size_t at = p->text.len;
    if (n > PIECES_MAX - at) p->full = true;
    if (p->full) return NULL;
    buf_put(&p->text, bytes, n);
    if (p->from_room < at + n) {
        p->from_room = 2 * (at + n) + 64;
        p->from = memory_resize(p->from, p->from_room * sizeof *p->from);
    }
    return p->from + at;
}

void pieces_put(pieces *p, const void *bytes, size_t n, span from) {
    span *f = n ? more(p, bytes, n) : NULL;
    for (size_t i = 0; f && i < n; i++) f[i] = from;
}

void pieces_put_text(pieces *p, str text, int32_t at) {
    span *f = text.len ? more(p, text.ptr, text.len) : NULL;
    int32_t code;
    for (size_t i = 0, n; f && i < text.len; i += n) {
        n = (unsigned char)text.ptr[i] < 0x80 ? 1 : utf8_next(text, i, &code);
        for (size_t k = i; k < i + n; k++) f[k] = (span){at + (int32_t)i, at + (int32_t)(i + n)};
    }
}

void pieces_copy(const pieces *in, pieces *out, size_t from, size_t to) {
    span *f = to > from ? more(out, in->text.ptr + from, to - from) : NULL;
    if (f) memcpy(f, in->from + from, (to - from) * sizeof *f);
}

void pieces_cut(pieces *p, size_t end) {
    if (!end || (p->cuts && p->cut[p->cuts - 1] >= end)) return;
    if (p->cuts == p->cut_room) {
        p->cut_room = p->cut_room ? 2 * p->cut_room : 64;
        p->cut = memory_resize(p->cut, p->cut_room * sizeof *p->cut);
    }
    p->cut[p->cuts++] = end;
}

/* ---- patterns ------------------------------------------------------------------------------------------------------------- */

bool step_read_pattern(arena *a, const json *j, step *s, err *e) {
    const json *p = json_get(j, "pattern"), *literal = json_get(p, "String"), *expression = json_get(p, "Regex");
    if (json_kind_of(p) == JSON_STRING) literal = p;
    const json *v = expression ? expression : literal;
    if (json_kind_of(v) != JSON_STRING) return err_set(e, ERR_INPUT, "pattern should be {\"String\": ...} or {\"Regex\": ...}");
    s->pattern_text = text_keep(a, json_text(v, STR("")));
    if (!expression) s->content = s->pattern_text;
    return (!expression && s->content.len) || (s->pattern = regex_new(a, s->pattern_text, e)) != NULL;
}

void matches_open(matches *m, const step *s) {
    *m = (matches){.s = s};
    if (s->pattern) regex_scan_open(&m->scan, s->pattern);
}

void matches_text(matches *m, str text) {
    m->text = text;
    m->at = 0;
    if (m->s->pattern) regex_scan_text(&m->scan, text);
}

bool matches_next(matches *m, size_t *begin, size_t *end, err *e) {
    if (m->s->pattern) return regex_scan_next(&m->scan, begin, end, e);
    const ptrdiff_t at = str_find(m->text, m->s->content, m->at);
    if (at < 0) return false;
    *begin = (size_t)at;
    *end = m->at = *begin + m->s->content.len;
    return true;
}

void matches_close(matches *m) {
    if (m->s->pattern) regex_scan_close(&m->scan);
}

/* ---- steps ----------------------------------------------------------------------------------------------------------------- */

static bool add_step(arena *a, const json *j, const step_kind *kinds, steps *s, err *e) {
    const str type = json_get_text(j, "type", STR("?"));
    const step_kind *k = kinds;
    while (k->name && !str_is(type, k->name)) k++;
    if (!k->name) return err_set(e, ERR_UNSUPPORTED, "type '%.*s' is not among the kinds we have", STR_ARG(type));
    if ((s->count & (s->count - 1)) == 0) { /* room doubles */
        step *grown = arena_array(a, step, s->count ? 2 * s->count : 1);
        if (s->count) memcpy(grown, s->item, (size_t)s->count * sizeof *grown);
        s->item = grown;
    }
    step *now = &s->item[s->count];
    *now = (step){.kind = k, .cut = CUT_ISOLATED};
    if (k->read && !k->read(a, j, now, e)) return err_prefix(e, "%s", k->name);
    s->count++;
    return true;
}

static bool read_steps(arena *a, const json *j, const step_kind *kinds, const char *members, steps *s, err *e) {
    if (!str_is(json_get_text(j, "type", STR("?")), "Sequence")) return add_step(a, j, kinds, s, e);
    const json *list = json_get(j, members);
    if (json_kind_of(list) != JSON_ARRAY) return err_set(e, ERR_INPUT, "a Sequence should have a list \"%s\"", members);
    for (size_t i = 0; i < json_count(list); i++)
        if (!read_steps(a, json_at(list, i), kinds, members, s, e)) return err_prefix(e, "[%zu]", i);
    return true;
}

bool steps_read(arena *a, const json *j, const step_kind *kinds, const char *what, const char *members, steps *s, err *e) {
    *s = (steps){0};
    return !j || read_steps(a, j, kinds, members, s, e) || err_prefix(e, "%s", what);
}

bool steps_run(const steps *s, pieces *p, err *e) {
    for (int i = 0; i < s->count && p->text.len; i++) {
        pieces out = {0};
        const bool ok = s->item[i].kind->run(&s->item[i], p, &out, e);
        pieces_free(p);
        *p = out;
        if (!ok) return false;
        if (p->full)
            return err_set(e, ERR_LIMIT, "step %s makes more than %d MB of this text", s->item[i].kind->name, PIECES_MAX >> 20);
    }
    return true;
}
