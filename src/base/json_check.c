/* json_check.c - the grammar of RFC 8259, nothing more: recursive descent without building anything.
 *
 * json-c's strict mode still takes NaN, clamps large integers and names errors by a bare offset; this pass settles what is
 * JSON before json-c sees it. It recurses at most JSON_DEPTH_MAX deep and looks at every byte once. */
#include "base/json_check.h"

#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    str text;
    size_t at, copied; /* copied: how far `patched` has the text */
    int depth;
    buf *patched;
    err *e;
} checker;

static bool value(checker *c);

/* Names the place: lines and columns (in bytes) count from 1. */
static bool fail_at(checker *c, size_t at, const char *expected) {
    size_t line = 1, begin = 0;
    for (size_t i = 0; i < at && i < c->text.len; i++)
        if (c->text.ptr[i] == '\n') line++, begin = i + 1;
    if (at >= c->text.len)
        return err_set(c->e, ERR_INPUT, "not valid JSON: line %zu, column %zu: expected %s, but the text ends", line,
                       at - begin + 1, expected);
    const unsigned char byte = (unsigned char)c->text.ptr[at];
    if (byte > ' ' && byte < 0x7f)
        return err_set(c->e, ERR_INPUT, "not valid JSON: line %zu, column %zu: expected %s, found '%c'", line, at - begin + 1,
                       expected, byte);
    return err_set(c->e, ERR_INPUT, "not valid JSON: line %zu, column %zu: expected %s, found byte 0x%02x", line, at - begin + 1,
                   expected, byte);
}
static bool fail(checker *c, const char *expected) { return fail_at(c, c->at, expected); }

static int peek(const checker *c) { return c->at < c->text.len ? (unsigned char)c->text.ptr[c->at] : -1; }
static bool is_digit(int byte) { return byte >= '0' && byte <= '9'; }
static void skip_space(checker *c) {
    for (int b = peek(c); b == ' ' || b == '\n' || b == '\r' || b == '\t'; b = peek(c)) c->at++;
}
static bool skip_digits(checker *c) {
    const size_t begin = c->at;
    while (is_digit(peek(c))) c->at++;
    return c->at > begin ? true : fail(c, "a digit");
}

static bool word(checker *c, const char *text) {
    if (!str_starts(str_slice(c->text, c->at, c->text.len), str_of(text))) return fail(c, "a value");
    c->at += strlen(text);
    return true;
}

/* The number literal in text[begin, at): integers past int64 become reals, reals past double are refused. */
static bool settle_number(checker *c, size_t begin, bool real) {
    const size_t length = c->at - begin;
    if (!real && length < 19) return true;
    if (real && length < 300 && !memchr(c->text.ptr + begin, 'e', length) && !memchr(c->text.ptr + begin, 'E', length))
        return true;
    buf digits = {0};
    buf_put(&digits, c->text.ptr + begin, length);
    errno = 0;
    if (!real) (void)strtoll(digits.ptr, NULL, 10);
    const bool huge = !real && errno == ERANGE, finite = isfinite(strtod(digits.ptr, NULL));
    buf_free(&digits);
    if (!finite) return fail_at(c, begin, "a number that fits a double (up to 1.8e308)");
    if (!huge) return true;
    buf_put(c->patched, c->text.ptr + c->copied, c->at - c->copied);
    buf_put_text(c->patched, "e0");
    c->copied = c->at;
    return true;
}

static bool number(checker *c) {
    const size_t begin = c->at;
    bool real = false;
    if (peek(c) == '-') c->at++;
    if (peek(c) == '0') {
        c->at++;
        if (is_digit(peek(c))) return fail(c, "no digit after a leading zero");
    } else if (!skip_digits(c)) return false;
    if (peek(c) == '.') {
        real = true;
        c->at++;
        if (!skip_digits(c)) return false;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        real = true;
        c->at++;
        if (peek(c) == '+' || peek(c) == '-') c->at++;
        if (!skip_digits(c)) return false;
    }
    return settle_number(c, begin, real);
}

/* A NUL in a key goes to json-c, whose keys are C strings, as JSON_KEY_NUL. */
static bool escape(checker *c, bool is_key) {
    const size_t begin = c->at;
    c->at++; /* the backslash */
    const int kind = peek(c);
    if (kind != 'u') {
        if (kind < 0 || !strchr("\"\\/bfnrt", kind)) return fail(c, "one of \"\\/bfnrtu behind a backslash");
        c->at++;
        return true;
    }
    c->at++;
    bool zero = true;
    for (int i = 0; i < 4; i++, c->at++) {
        const int digit = peek(c);
        if (!is_digit(digit) && !(digit >= 'a' && digit <= 'f') && !(digit >= 'A' && digit <= 'F'))
            return fail(c, "four hexadecimal digits behind \\u");
        zero = zero && digit == '0';
    }
    if (!zero || !is_key) return true;
    buf_put(c->patched, c->text.ptr + c->copied, begin - c->copied);
    buf_put_text(c->patched, JSON_KEY_NUL);
    c->copied = c->at;
    return true;
}

static bool text(checker *c, bool is_key) {
    c->at++; /* the opening quote */
    for (;;) {
        const int byte = peek(c);
        if (byte < 0x20)
            return fail(c, byte < 0 ? "'\"' at the end of a string" : "control characters to be escaped in a string");
        if (byte == '"') break;
        if (byte == '\\') {
            if (!escape(c, is_key)) return false;
        } else if (byte < 0x80) c->at++;
        else {
            const size_t size = str_utf8(c->text, c->at);
            if (!size) return fail(c, "UTF-8");
            c->at += size;
        }
    }
    c->at++;
    return true;
}

static bool member(checker *c) {
    if (peek(c) != '"') return fail(c, "a key in double quotes");
    if (!text(c, true)) return false;
    skip_space(c);
    if (peek(c) != ':') return fail(c, "':' behind a key");
    c->at++;
    return value(c);
}

static bool members(checker *c, char closer) {
    const bool object = closer == '}';
    if (++c->depth > JSON_DEPTH_MAX) return fail(c, "brackets at most 64 deep");
    c->at++;
    skip_space(c);
    if (peek(c) == closer) return c->at++, c->depth--, true;
    for (;;) {
        skip_space(c);
        if (!(object ? member(c) : value(c))) return false;
        skip_space(c);
        if (peek(c) == closer) break;
        if (peek(c) != ',') return fail(c, object ? "',' or '}' behind a member" : "',' or ']' behind an element");
        c->at++;
    }
    return c->at++, c->depth--, true;
}

static bool value(checker *c) {
    skip_space(c);
    switch (peek(c)) {
    case '{': return members(c, '}');
    case '[': return members(c, ']');
    case '"': return text(c, false);
    case 't': return word(c, "true");
    case 'f': return word(c, "false");
    case 'n': return word(c, "null");
    default: return is_digit(peek(c)) || peek(c) == '-' ? number(c) : fail(c, "a value");
    }
}

bool json_check(str whole, buf *patched, err *e) {
    checker c = {.text = whole, .patched = patched, .e = e};
    if (!value(&c)) return false;
    skip_space(&c);
    if (c.at < whole.len) return fail(&c, "nothing behind the value");
    if (c.copied) buf_put(patched, whole.ptr + c.copied, whole.len - c.copied);
    return true;
}
