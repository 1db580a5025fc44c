/* parquet_value.c - values of Parquet as JSON: a row per meaning. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "data/parquet_parts.h"

static bool fail(const char **wrong, const char *why) {
    *wrong = why;
    return false;
}

static bool flag_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n, (void)wrong;
    buf_put_text(out, v.bits ? "true" : "false");
    return true;
}

/* Digits of a number, a point `scale` digits before the end where there is one. */
static void put_digits(buf *out, bool negative, unsigned __int128 v, int scale) {
    char digits[48];
    int at = (int)sizeof digits;
    int place = 0;
    for (; v > UINT64_MAX; place++, v /= 10) {
        if (scale && place == scale) digits[--at] = '.';
        digits[--at] = (char)('0' + (int)(v % 10));
    }
    for (uint64_t low = (uint64_t)v; low || place <= scale; place++, low /= 10) {
        if (scale && place == scale) digits[--at] = '.';
        digits[--at] = (char)('0' + (int)(low % 10));
    }
    if (negative) digits[--at] = '-';
    buf_put(out, digits + at, sizeof digits - (size_t)at);
}

static bool integer_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n, (void)wrong;
    const bool negative = v.bits < 0;
    put_digits(out, negative, negative ? 0 - (uint64_t)v.bits : (uint64_t)v.bits, 0);
    return true;
}

static bool unsigned_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)wrong;
    put_digits(out, false, n->physical == PHYSICAL_INT32 ? (uint32_t)v.bits : (uint64_t)v.bits, 0);
    return true;
}

static bool real64_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n, (void)wrong;
    double real;
    json_writer w = json_writer_on(out, false);
    memcpy(&real, &v.bits, sizeof real);
    json_put_real(&w, real);
    return true;
}

static bool real32_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n, (void)wrong;
    const uint32_t bits = (uint32_t)v.bits;
    float real;
    json_writer w = json_writer_on(out, false);
    memcpy(&real, &bits, sizeof real);
    json_put_float(&w, real);
    return true;
}

/* IEEE 754 half precision: sign, 5 bits of exponent, 10 of fraction. */
static bool real16_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n, (void)wrong;
    const int bits = v.ptr[0] | v.ptr[1] << 8, exponent = bits >> 10 & 31, fraction = bits & 1023;
    json_writer w = json_writer_on(out, false);
    const double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                        : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                       : ldexp(fraction, -24);
    json_put_real(&w, bits >> 15 ? -size : size);
    return true;
}

/* Bytes are a number in two's complement, highest byte first. */
static bool decimal_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    __int128 number = v.bits;
    if (v.ptr) {
        if (v.bits < 1 || v.bits > 16) return fail(wrong, "a decimal of more than 16 bytes, or none");
        number = (int8_t)v.ptr[0];
        for (int64_t i = 1; i < v.bits; i++) number = (__int128)((unsigned __int128)number << 8 | v.ptr[i]);
    }
    const unsigned __int128 size = number < 0 ? 0 - (unsigned __int128)number : (unsigned __int128)number;
    put_digits(out, number < 0, size, n->scale);
    return true;
}

/* ---- time: the Gregorian calendar before and behind its own beginning ---------------------------------------------------------------- */

/* Days since 1970-01-01; eras of 400 years begin on 1 March (Hinnant, chrono-compatible low-level date algorithms). */
static bool put_day(buf *out, int64_t days, const char **wrong) {
    if (days < -719528 || days > 2932896) return fail(wrong, "a date outside the years 0 to 9999");
    const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
    const int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9), day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    buf_printf(out, "%04d-%02d-%02d", (int)(year + era * 400 + (month <= 2)), month, day);
    return true;
}

/* Fractions of a second in six digits, as ISO 8601 is written elsewhere; in nine where there are nanoseconds. */
static void put_clock(buf *out, int64_t units, int64_t per_second) {
    const int seconds = (int)(units / per_second);
    const long long nanoseconds = units % per_second * (1000000000 / per_second);
    buf_printf(out, "%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (nanoseconds % 1000) buf_printf(out, ".%09lld", nanoseconds);
    else if (nanoseconds) buf_printf(out, ".%06lld", nanoseconds / 1000);
}

static bool date_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n;
    buf_put_char(out, '"');
    if (!put_day(out, v.bits, wrong)) return false;
    buf_put_char(out, '"');
    return true;
}

static bool time_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    if (v.bits < 0 || v.bits >= 86400 * n->per_second) return fail(wrong, "a time of day outside 24 hours");
    buf_put_char(out, '"');
    put_clock(out, v.bits, n->per_second);
    buf_put_char(out, '"');
    return true;
}

static bool put_stamp(buf *out, int64_t day, int64_t units, int64_t per_second, bool utc, const char **wrong) {
    buf_put_char(out, '"');
    if (!put_day(out, day, wrong)) return false;
    buf_put_char(out, 'T');
    put_clock(out, units, per_second);
    buf_put_text(out, utc ? "Z\"" : "\"");
    return true;
}

static bool timestamp_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    const int64_t of_day = 86400 * n->per_second, day = v.bits / of_day - (v.bits % of_day < 0);
    return put_stamp(out, day, v.bits - day * of_day, n->per_second, n->utc, wrong);
}

/* Nanoseconds of the day, then the Julian day. */
static bool timestamp96_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n;
    uint64_t nanoseconds;
    uint32_t day;
    memcpy(&nanoseconds, v.ptr, sizeof nanoseconds);
    memcpy(&day, v.ptr + 8, sizeof day);
    if (nanoseconds >= 86400000000000) return fail(wrong, "a time of day outside 24 hours");
    return put_stamp(out, (int64_t)day - 2440588, (int64_t)nanoseconds, 1000000000, false, wrong);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------------------------ */

static str view(parquet_value v) { return (str){(const char *)v.ptr, (size_t)v.bits}; }

static bool text_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n;
    if (!str_is_utf8(view(v))) return fail(wrong, "a text that is not UTF-8");
    json_quote(out, view(v));
    return true;
}

static bool document_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n;
    arena *scratch = arena_new();
    json *value;
    err why = {0};
    const bool ok = json_parse_any(scratch, view(v), &value, &why);
    if (ok) json_put(out, value);
    arena_free(scratch);
    return ok || fail(wrong, "a text that should be JSON and is none");
}

static const char *media_type(str s) {
    static const struct {
        str magic;
        const char *type;
    } known[] = {
        {{"\x89PNG", 4}, "image/png"}, {{"\xff\xd8\xff", 3}, "image/jpeg"}, {{"GIF8", 4}, "image/gif"},
        {{"RIFF", 4}, "image/webp"},   {{"%PDF", 4}, "application/pdf"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_starts(s, known[i].magic)) return known[i].type;
    return "application/octet-stream";
}

static void put_base64(buf *out, str s) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_reserve(out, s.len / 3 * 4 + 8);
    for (size_t i = 0; i < s.len; i += 3) {
        const uint8_t *p = (const uint8_t *)s.ptr + i;
        const size_t left = s.len - i;
        const unsigned bits = (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '='};
        buf_put(out, four, 4);
    }
}

static bool bytes_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    const str s = view(v);
    if (str_is_utf8(s) && !memchr(s.ptr, 0, s.len)) return text_put(out, n, v, wrong);
    buf_printf(out, "\"data:%s;base64,", media_type(s));
    put_base64(out, s);
    buf_put_char(out, '"');
    return true;
}

static bool uuid_put(buf *out, const parquet_node *n, parquet_value v, const char **wrong) {
    (void)n, (void)wrong;
    buf_put_char(out, '"');
    for (int i = 0; i < 16; i++) buf_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", v.ptr[i]);
    buf_put_char(out, '"');
    return true;
}

/* ---- the table -------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *words;
    bool (*put)(buf *out, const parquet_node *n, parquet_value v, const char **wrong);
} table[MEANING_COUNT] = {
#define X(name, words) {words, name##_put},
    MEANINGS(X)
#undef X
};

bool parquet_value_put(buf *out, const parquet_node *leaf, parquet_value v, const char **wrong) {
    return table[leaf->meaning].put(out, leaf, v, wrong);
}

const char *parquet_node_type(const parquet_node *n) {
    if (n->shape == SHAPE_LEAF) return table[n->meaning].words;
    return n->shape == SHAPE_LIST ? "list" : "object";
}
