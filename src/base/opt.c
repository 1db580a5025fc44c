/* opt.c - options as rows: values from flags, the environment and JSON, and back.
 *
 *     text  ─ opt_set ──────►  member of the struct  ─ opt_put_json ─► JSON
 *     JSON  ─ opt_set_json ─►
 *
 * A value that was not given: NULL, an empty list, NAN, OPT_UNSET_INT; in JSON null, in text "none". */
#include "base/opt.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *member_of(const opt *o, void *target) { return (char *)target + o->offset; }

/* The value as `none` leaves it. A bool has no such value. */
static bool unset(const opt *o, void *member) {
    switch (o->type) {
    case OPT_BOOL: return false;
    case OPT_INT: *(int64_t *)member = OPT_UNSET_INT; return true;
    case OPT_REAL: *(double *)member = NAN; return true;
    case OPT_TEXT:
    case OPT_CHOICE: *(const char **)member = NULL; return true;
    case OPT_EACH:
    case OPT_LIST: *(opt_list *)member = (opt_list){0}; return true;
    }
    return false;
}

void opt_defaults(const opt *table, void *target, arena *a) {
    for (const opt *o = table; o->key; o++) {
        err e = {0};
        if (!o->fallback) {
            if (!unset(o, member_of(o, target))) *(bool *)member_of(o, target) = false;
        } else if (!opt_set(o, target, str_of(o->fallback), a, &e))
            bug("the default of option '%s' is no value of it: %s", o->key, e.text);
    }
}

static char plain(char c) { return c == '-' ? '_' : c; }

static bool same_key(const char *key, str given) {
    for (size_t i = 0; i < given.len; i++)
        if (!key[i] || plain(key[i]) != plain(given.ptr[i])) return false;
    return key[given.len] == '\0';
}

const opt *opt_find(const opt *table, str key) {
    for (const opt *o = table; o->key; o++)
        if (same_key(o->key, key)) return o;
    return NULL;
}

static bool has_range(const opt *o) { return o->min != 0 || o->max != 0; }

/* What this option takes, for messages. */
static const char *wanted(const opt *o, char *text, size_t size) {
    switch (o->type) {
    case OPT_BOOL: return "true or false";
    case OPT_TEXT: return "a text";
    case OPT_EACH:
    case OPT_LIST: return "a list of texts";
    case OPT_CHOICE: snprintf(text, size, "one of %s", o->choices); return text;
    case OPT_INT:
    case OPT_REAL: break;
    }
    const char *what = o->type == OPT_INT ? "an integer" : "a number";
    if (!has_range(o)) return what;
    snprintf(text, size, "%s from %.15g to %.15g", what, o->min, o->max);
    return text;
}

/* got: as the reader wrote it */
static bool refuse(const opt *o, str got, err *e) {
    char text[512];
    const int shown = (int)(got.len > 80 ? 80 : got.len);
    return err_set(e, ERR_USAGE, "expected %s, got '%.*s'", wanted(o, text, sizeof text), shown, got.ptr);
}

static bool in_range(const opt *o, double v) { return !has_range(o) || (v >= o->min && v <= o->max); }

static bool set_int(const opt *o, void *member, int64_t v) {
    if (!in_range(o, (double)v) || v == OPT_UNSET_INT) return false;
    *(int64_t *)member = v;
    return true;
}

static bool set_real(const opt *o, void *member, double v) {
    if (!isfinite(v) || !in_range(o, v)) return false;
    *(double *)member = v;
    return true;
}

/* Whole numbers may also be written 1e4. */
static bool text_to_int(str text, int64_t *out) {
    long n;
    double real;
    if (str_to_long(text, &n)) return *out = n, true;
    if (!str_to_double(text, &real) || real != floor(real) || fabs(real) > 0x1p53) return false;
    return *out = (int64_t)real, true;
}

static bool text_to_bool(str text, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(text, words[i])) return *out = i % 2, true;
    return text.len == 0 && (*out = true); /* a flag alone */
}

static bool is_choice(const char *choices, str text) {
    for (const char *at = choices; text.len;) {
        const size_t length = strcspn(at, "|");
        if (str_eq((str){at, length}, text)) return true;
        if (!at[length]) return false;
        at += length + 1;
    }
    return false;
}

static opt_list split(arena *a, str text) {
    opt_list list = {0};
    if (text.len == 0) return list;
    int count = 1;
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == ',';
    list.item = arena_array(a, const char *, count);
    for (size_t from = 0; from <= text.len;) {
        const ptrdiff_t comma = str_find(text, STR(","), from);
        const size_t to = comma < 0 ? text.len : (size_t)comma;
        const str item = str_trim(str_slice(text, from, to));
        if (item.len) list.item[list.count++] = str_copy(a, item);
        from = to + 1;
    }
    return list;
}

static void append(arena *a, opt_list *list, str value) {
    const char **grown = arena_array(a, const char *, list->count + 1);
    for (int i = 0; i < list->count; i++) grown[i] = list->item[i];
    grown[list->count] = str_copy(a, value);
    *list = (opt_list){grown, list->count + 1};
}

bool opt_set(const opt *o, void *target, str value, arena *a, err *e) {
    void *member = member_of(o, target);
    int64_t n;
    double real;
    bool ok = false;
    const bool none = str_is(value, "none") && !(o->type == OPT_CHOICE && is_choice(o->choices, value));
    if (none && o->type != OPT_TEXT && unset(o, member)) return true;
    switch (o->type) {
    case OPT_BOOL: ok = text_to_bool(value, member); break;
    case OPT_INT: ok = text_to_int(value, &n) && set_int(o, member, n); break;
    case OPT_REAL: ok = str_to_double(value, &real) && set_real(o, member, real); break;
    case OPT_TEXT:
        ok = true;
        *(const char **)member = str_copy(a, value);
        break;
    case OPT_CHOICE:
        ok = is_choice(o->choices, value);
        if (ok) *(const char **)member = str_copy(a, value);
        break;
    case OPT_LIST:
        ok = true;
        *(opt_list *)member = split(a, value);
        break;
    case OPT_EACH:
        ok = true;
        append(a, member, value);
        break;
    }
    return ok || refuse(o, value, e);
}

/* Elements of a list: texts as they are, numbers and booleans as they are written. */
static bool list_of_json(const json *value, arena *a, opt_list *out) {
    *out = (opt_list){arena_array(a, const char *, json_count(value) + 1), 0};
    for (size_t i = 0; i < json_count(value); i++) {
        const json *v = json_at(value, i);
        const json_kind kind = json_kind_of(v);
        if (kind == JSON_NULL || kind == JSON_ARRAY || kind == JSON_OBJECT) return false;
        buf text = {0};
        if (kind == JSON_STRING) buf_put_str(&text, json_text(v, STR("")));
        else json_put(&text, v);
        out->item[out->count++] = str_copy(a, buf_str(&text));
        buf_free(&text);
    }
    return true;
}

/* Whether a JSON value of this kind may stand for the option; whole numbers may be written as reals and the other way round. */
static bool set_of_kind(const opt *o, void *target, const json *value, arena *a, err *e) {
    void *member = member_of(o, target);
    const json_kind kind = json_kind_of(value);
    const bool number = kind == JSON_INT || kind == JSON_REAL;
    switch (o->type) {
    case OPT_BOOL:
        if (kind == JSON_BOOL) *(bool *)member = json_bool(value, false);
        return kind == JSON_BOOL;
    case OPT_INT: return number && set_int(o, member, json_int(value, OPT_UNSET_INT));
    case OPT_REAL: return number && set_real(o, member, json_real(value, NAN));
    case OPT_TEXT:
    case OPT_CHOICE: return kind == JSON_STRING && opt_set(o, target, json_text(value, STR("")), a, e);
    case OPT_EACH:
    case OPT_LIST:
        if (kind == JSON_STRING) return opt_set(o, target, json_text(value, STR("")), a, e);
        return kind == JSON_ARRAY && list_of_json(value, a, member);
    }
    return false;
}

bool opt_set_json(const opt *o, void *target, const json *value, arena *a, err *e) {
    if (json_kind_of(value) == JSON_NULL && unset(o, member_of(o, target))) return true;
    if (set_of_kind(o, target, value, a, e)) return true;
    buf text = {0};
    json_put(&text, value);
    refuse(o, buf_str(&text), e);
    buf_free(&text);
    return false;
}

void opt_put_json(json_writer *w, const opt *o, const void *target) {
    const void *member = (const char *)target + o->offset;
    switch (o->type) {
    case OPT_BOOL: json_put_bool(w, *(const bool *)member); return;
    case OPT_INT:
        if (*(const int64_t *)member == OPT_UNSET_INT) json_put_null(w);
        else json_put_int(w, *(const int64_t *)member);
        return;
    case OPT_REAL: json_put_real(w, *(const double *)member); return; /* NAN: null */
    case OPT_TEXT:
    case OPT_CHOICE: json_put_cstr(w, *(const char *const *)member); return;
    case OPT_EACH:
    case OPT_LIST: {
        const opt_list *list = member;
        json_open(w, '[');
        for (int i = 0; i < list->count; i++) json_put_cstr(w, list->item[i]);
        json_close(w);
    }
    }
}

static void put_flag(buf *out, const opt *o) {
    static const char *const values[] = {[OPT_BOOL] = "",    [OPT_INT] = " N",    [OPT_REAL] = " X",   [OPT_TEXT] = " TEXT",
                                         [OPT_CHOICE] = " ", [OPT_LIST] = " A,B", [OPT_EACH] = " TEXT"};
    buf_put_text(out, "--");
    for (const char *c = o->key; *c; c++) buf_put_char(out, *c == '_' ? '-' : *c);
    buf_put_text(out, values[o->type]);
    if (o->type == OPT_CHOICE) buf_put_text(out, strlen(o->choices) <= 24 ? o->choices : "NAME");
}

enum { FLAG_COLUMN_MOST = 40 };

void opt_put_default(buf *out, const opt *o) {
    for (const char *c = o->fallback; c && *c; c++)
        if (*c == '\n') buf_put_text(out, "\\n");
        else buf_put_char(out, *c);
}

void opt_help(buf *out, const opt *table) {
    size_t column = 0;
    buf flag = {0};
    for (const opt *o = table; o->key; o++) {
        buf_clear(&flag);
        put_flag(&flag, o);
        if (flag.len > column && flag.len <= FLAG_COLUMN_MOST) column = flag.len;
    }
    for (const opt *o = table; o->key; o++) {
        buf_clear(&flag);
        put_flag(&flag, o);
        buf_printf(out, "  %-*s  %s", (int)column, flag.ptr, o->help ? o->help : "");
        if (o->type == OPT_CHOICE && strlen(o->choices) > 24) buf_printf(out, ": %s", o->choices);
        if (o->fallback && *o->fallback && !(o->type == OPT_BOOL && strcmp(o->fallback, "false") == 0))
            buf_put_text(out, " ("), opt_put_default(out, o), buf_put_char(out, ')');
        buf_put_char(out, '\n');
    }
    buf_free(&flag);
}

static void describe_default(json_writer *w, const opt *o) {
    union {
        bool flag;
        int64_t integer;
        double real;
        const char *text;
        opt_list list;
    } value;
    opt alone[] = {*o, OPT_END};
    alone[0].offset = 0;
    arena *a = arena_new();
    memset(&value, 0, sizeof value);
    opt_defaults(alone, &value, a);
    opt_put_json(w, alone, &value);
    arena_free(a);
}

static void describe_choices(json_writer *w, const char *choices) {
    json_open(w, '[');
    for (const char *at = choices; *at;) {
        const size_t length = strcspn(at, "|");
        json_put_text(w, (str){at, length});
        at += length + (at[length] == '|');
    }
    json_close(w);
}

void opt_describe(json_writer *w, const opt *table) {
    static const char *const types[] = {[OPT_BOOL] = "bool",     [OPT_INT] = "int",   [OPT_REAL] = "real", [OPT_TEXT] = "text",
                                        [OPT_CHOICE] = "choice", [OPT_LIST] = "list", [OPT_EACH] = "list"};
    json_open(w, '[');
    for (const opt *o = table; o->key; o++) {
        json_open(w, '{');
        json_key(w, "key"), json_put_cstr(w, o->key);
        json_key(w, "type"), json_put_cstr(w, types[o->type]);
        json_key(w, "default"), describe_default(w, o);
        if ((o->type == OPT_INT || o->type == OPT_REAL) && has_range(o)) {
            json_key(w, "min"), json_put_real(w, o->min);
            json_key(w, "max"), json_put_real(w, o->max);
        }
        if (o->type == OPT_CHOICE) json_key(w, "choices"), describe_choices(w, o->choices);
        json_key(w, "help"), json_put_cstr(w, o->help ? o->help : "");
        json_close(w);
    }
    json_close(w);
}

enum { KEY_MOST = 64 };

/* Insertions, deletions, replacements and swaps of neighbours that lead from a to b (optimal string alignment). */
static int distance(str a, str b) {
    int rows[3][KEY_MOST + 1];
    for (size_t j = 0; j <= b.len; j++) rows[0][j] = (int)j;
    for (size_t i = 1; i <= a.len; i++) {
        int *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= b.len; j++) {
            const bool same = plain(a.ptr[i - 1]) == plain(b.ptr[j - 1]);
            int least = before[j - 1] + !same;
            if (before[j] + 1 < least) least = before[j] + 1;
            if (now[j - 1] + 1 < least) least = now[j - 1] + 1;
            const bool swapped =
                i > 1 && j > 1 && plain(a.ptr[i - 1]) == plain(b.ptr[j - 2]) && plain(a.ptr[i - 2]) == plain(b.ptr[j - 1]);
            if (swapped && earlier[j - 2] + 1 < least) least = earlier[j - 2] + 1;
            now[j] = least;
        }
    }
    return rows[a.len % 3][b.len];
}

/* How far off a key is, the first letter counting half more; ONE_BEGINS where only the beginning is the same; less is nearer. */
enum { ONE_BEGINS = 2 * KEY_MOST, TOO_FAR };
static int farness(arena *a, str key, const char *candidate) {
    const str other = str_of(candidate);
    const size_t both = other.len < key.len ? other.len : key.len;
    if (other.len > KEY_MOST) return TOO_FAR;
    const int slips = distance(key, other);
    if (slips < 2 + (int)key.len / 5)
        return 2 * slips + (plain(*key.ptr) != plain(*candidate)); /* one in a short key, more in a long one */
    return both >= 3 && same_key(arena_copy(a, candidate, both), str_slice(key, 0, both)) ? ONE_BEGINS : TOO_FAR;
}

void opt_nearer(arena *a, const opt *table, str key, opt_near *best) {
    if (!best->key) *best = (opt_near){"", TOO_FAR};
    if (key.len == 0 || key.len > KEY_MOST) return;
    for (const opt *o = table; o->key; o++) {
        const int far = farness(a, key, o->key);
        if (far < best->far) *best = (opt_near){o->key, far};
    }
}

const char *opt_nearest(arena *a, const opt *table, str key) {
    opt_near best = {0};
    opt_nearer(a, table, key, &best);
    return best.key;
}
