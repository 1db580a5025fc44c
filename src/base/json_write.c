/* json_write.c - JSON written as a stream onto a buf.
 *
 * Numbers are printed in the fewest digits that read back as the same value; reals keep a point or an exponent, so that
 * what was a real is read as one again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

json_writer json_writer_on(buf *out, bool pretty) { return (json_writer){.out = out, .pretty = pretty}; }

static void new_line(json_writer *w) {
    buf_put_char(w->out, '\n');
    for (int i = 0; i < w->depth; i++) buf_put_text(w->out, "  ");
}

/* What has to stand before a key, or a value of an array. */
static void separate(json_writer *w) {
    if (w->depth == 0) return;
    bool *has_members = &w->has_members[w->depth - 1];
    if (*has_members) buf_put_char(w->out, ',');
    if (w->pretty) new_line(w);
    *has_members = true;
}

static void before_value(json_writer *w) {
    if (w->after_key) w->after_key = false;
    else if (w->depth && w->closer[w->depth - 1] == '}') bug("a JSON value was written into an object without a key");
    else separate(w);
}

void json_open(json_writer *w, char bracket) {
    before_value(w);
    if (w->depth == (int)sizeof w->closer) bug("JSON written more than %d deep", w->depth);
    buf_put_char(w->out, bracket);
    w->closer[w->depth] = bracket == '{' ? '}' : ']';
    w->has_members[w->depth++] = false;
}

void json_close(json_writer *w) {
    if (w->depth == 0 || w->after_key) bug("a JSON bracket was closed too early");
    const int level = --w->depth;
    if (w->pretty && w->has_members[level]) new_line(w);
    buf_put_char(w->out, w->closer[level]);
}

void json_key_str(json_writer *w, str key) {
    if (w->depth == 0 || w->closer[w->depth - 1] != '}' || w->after_key)
        bug("the JSON key '%.*s' was written outside an object", STR_ARG(key));
    separate(w);
    json_quote(w->out, key);
    buf_put_text(w->out, w->pretty ? ": " : ":");
    w->after_key = true;
}

void json_key(json_writer *w, const char *key) {
    buf whole = {0};
    const bool nul = strstr(key, JSON_KEY_NUL) != NULL;
    if (nul) json_key_decode(key, &whole);
    json_key_str(w, nul ? buf_str(&whole) : str_of(key));
    buf_free(&whole);
}

static void put_escape(buf *out, unsigned char c) {
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *hit = c ? strchr(plain, c) : NULL;
    if (hit) {
        buf_put_char(out, '\\');
        buf_put_char(out, letters[hit - plain]);
    } else buf_printf(out, "\\u%04x", c);
}

void json_quote(buf *out, str text) {
    if (!text.len) text = STR(""); /* an empty view may have no place */
    buf_reserve(out, text.len + 2);
    buf_put_char(out, '"');
    size_t plain = 0, at = 0; /* text[plain, at) goes out as it is */
    while (at < text.len) {
        const unsigned char c = (unsigned char)text.ptr[at];
        const size_t size = str_utf8(text, at);
        if (size && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            at += size;
            continue;
        }
        buf_put(out, text.ptr + plain, at - plain);
        if (size) put_escape(out, c);
        else buf_put_text(out, "\xef\xbf\xbd"); /* U+FFFD for each byte that is no UTF-8 */
        plain = ++at;
    }
    buf_put(out, text.ptr + plain, at - plain);
    buf_put_char(out, '"');
}

void json_put_text(json_writer *w, str text) {
    before_value(w);
    json_quote(w->out, text);
}

void json_put_cstr(json_writer *w, const char *text) {
    if (text) json_put_text(w, str_of(text));
    else json_put_null(w);
}

void json_put_int(json_writer *w, int64_t v) {
    before_value(w);
    buf_printf(w->out, "%lld", (long long)v);
}

/* digits: as printed; reals without point or exponent get ".0" */
static void put_digits(json_writer *w, const char *digits) {
    before_value(w);
    buf_put_text(w->out, digits);
    if (!strpbrk(digits, ".e")) buf_put_text(w->out, ".0");
}

void json_put_real(json_writer *w, double v) {
    char digits[40];
    if (!isfinite(v)) {
        json_put_null(w);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, v);
        if (strtod(digits, NULL) == v) break;
    }
    put_digits(w, digits);
}

void json_put_float(json_writer *w, float v) {
    char digits[40];
    if (!isfinite(v)) {
        json_put_null(w);
        return;
    }
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)v);
        if (strtof(digits, NULL) == v) break;
    }
    put_digits(w, digits);
}

void json_put_bool(json_writer *w, bool v) {
    before_value(w);
    buf_put_text(w->out, v ? "true" : "false");
}

void json_put_null(json_writer *w) {
    before_value(w);
    buf_put_text(w->out, "null");
}

static void put_members(json_writer *w, const json *v, bool object) {
    json_open(w, object ? '{' : '[');
    if (object) {
        for (json_member m = {0}; json_next(v, &m);) {
            json_key(w, m.key);
            json_put_value(w, m.value);
        }
    } else {
        for (size_t i = 0; i < json_count(v); i++) json_put_value(w, json_at(v, i));
    }
    json_close(w);
}

void json_put_value(json_writer *w, const json *v) {
    switch (json_kind_of(v)) {
    case JSON_NULL: json_put_null(w); return;
    case JSON_BOOL: json_put_bool(w, json_bool(v, false)); return;
    case JSON_INT: json_put_int(w, json_int(v, 0)); return;
    case JSON_REAL: json_put_real(w, json_real(v, 0)); return;
    case JSON_STRING: json_put_text(w, json_text(v, STR(""))); return;
    case JSON_ARRAY: put_members(w, v, false); return;
    case JSON_OBJECT: put_members(w, v, true); return;
    }
}

void json_put(buf *out, const json *v) {
    json_writer w = json_writer_on(out, false);
    json_put_value(&w, v);
}

void json_put_raw(json_writer *w, str text) {
    before_value(w);
    buf_put_str(w->out, text.len ? text : STR("null"));
}
