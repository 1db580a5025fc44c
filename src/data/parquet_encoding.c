/* parquet_encoding.c - how values are written in a page: a row per encoding.
 *
 * Nothing here allocates by what a page says: values are views of its bytes. A decoder that meets damage says so in `wrong`. */
#include <string.h>

#include "data/parquet_parts.h"

static bool wrong(value_decoder *d, const char *why) {
    d->wrong = why;
    return false;
}

static uint32_t read_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t read_u64(const uint8_t *p) { return read_u32(p) | (uint64_t)read_u32(p + 4) << 32; }

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *v) {
    *v = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t b = *(*at)++;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

/* The index-th number of `width` bits (0..64), lowest bits first; bytes past the end count as 0. */
static uint64_t bits_at(const uint8_t *p, const uint8_t *end, uint64_t index, int width) {
    const uint64_t bit = index * (uint64_t)width, first = bit / 8;
    const int shift = (int)(bit % 8);
    const size_t have = (uint64_t)(end - p) > first ? (size_t)((uint64_t)(end - p) - first) : 0;
    uint8_t bytes[9] = {0};
    if (width == 0 || !have) return 0;
    memcpy(bytes, p + first, have < 9 ? have : 9);
    uint64_t v = read_u64(bytes) >> shift;
    if (shift) v |= (uint64_t)bytes[8] << (64 - shift);
    return width == 64 ? v : v & (((uint64_t)1 << width) - 1);
}

/* ---- runs -------------------------------------------------------------------------------------------------------------------------- */

run_decoder run_decoder_on(const uint8_t *at, const uint8_t *end, int width) {
    return (run_decoder){.at = at, .end = end, .width = width};
}

static bool begin_packed(run_decoder *d, uint64_t groups) {
    const uint64_t room = (uint64_t)(d->end - d->at);
    if (!groups || groups > UINT32_MAX || (d->width && !room)) return false;
    const uint64_t bytes = groups * (uint64_t)d->width; /* some writers leave the last bytes out */
    d->packed = d->at;
    d->left = bytes <= room ? groups * 8 : room * 8 / (uint64_t)d->width;
    d->at += bytes <= room ? bytes : room;
    d->index = 0;
    return d->left > 0;
}

static bool begin_repeated(run_decoder *d, uint64_t count) {
    const int bytes = (d->width + 7) / 8;
    if (!count || d->end - d->at < bytes) return false;
    d->packed = NULL;
    d->left = count;
    d->value = 0;
    for (int i = 0; i < bytes; i++) d->value |= (uint32_t)d->at[i] << (8 * i);
    d->at += bytes;
    return true;
}

bool run_next(run_decoder *d, uint32_t *value) {
    uint64_t head;
    if (!d->left) {
        if (!read_varint(&d->at, d->end, &head)) return false;
        if (!(head & 1 ? begin_packed(d, head >> 1) : begin_repeated(d, head >> 1))) return false;
    }
    *value = d->packed ? (uint32_t)bits_at(d->packed, d->end, d->index++, d->width) : d->value;
    d->left--;
    return true;
}

/* ---- differences ------------------------------------------------------------------------------------------------------------------- */

static uint64_t unzigzag(uint64_t v) { return (v >> 1) ^ (0 - (v & 1)); }

bool delta_open(delta_decoder *d, const uint8_t *at, const uint8_t *end) {
    uint64_t block, minis, count, value;
    if (!read_varint(&at, end, &block) || !read_varint(&at, end, &minis) || !read_varint(&at, end, &count) ||
        !read_varint(&at, end, &value))
        return false;
    if (!minis || minis > 1024 || !block || block > 1 << 20 || block % minis || block / minis % 8 || count > PARQUET_VALUES_MAX)
        return false;
    *d = (delta_decoder){.at = at, .end = end, .left = count, .value = unzigzag(value), .first = true};
    d->per_mini = (uint32_t)(block / minis);
    d->minis = d->mini = (uint32_t)minis;
    return true;
}

static bool delta_block(delta_decoder *d) {
    uint64_t least;
    if (!read_varint(&d->at, d->end, &least) || d->end - d->at < (ptrdiff_t)d->minis) return false;
    d->least = unzigzag(least);
    d->widths = d->at;
    d->at += d->minis;
    d->mini = 0;
    return true;
}

/* Into the next part of a block, whose numbers have a width of their own. */
static bool delta_mini(delta_decoder *d) {
    if (d->mini == d->minis && !delta_block(d)) return false;
    const uint64_t width = d->widths[d->mini], bytes = width * d->per_mini / 8;
    const uint64_t needed = (d->left < d->per_mini ? (d->left * width + 7) / 8 : bytes);
    if (width > 64 || needed > (uint64_t)(d->end - d->at)) return false;
    d->packed = d->at;
    d->at += bytes <= (uint64_t)(d->end - d->at) ? bytes : (uint64_t)(d->end - d->at);
    d->index = 0;
    return true;
}

bool delta_next(delta_decoder *d, int64_t *value) {
    if (!d->left) return false;
    if (!d->first) {
        if ((!d->packed || d->index == d->per_mini) && !delta_mini(d)) return false;
        d->value += d->least + bits_at(d->packed, d->end, d->index++, d->widths[d->mini]);
        if (d->index == d->per_mini) d->mini++;
    }
    d->first = false;
    d->left--;
    *value = (int64_t)d->value;
    return true;
}

const uint8_t *delta_behind(delta_decoder d) {
    while (d.left) {
        const uint64_t step = d.first ? 1 : d.left < d.per_mini ? d.left : d.per_mini;
        if (!d.first && !delta_mini(&d)) return NULL;
        if (!d.first) d.mini++;
        d.first = false;
        d.left -= step;
    }
    return d.at;
}

/* ---- PLAIN -------------------------------------------------------------------------------------------------------------------------- */

static bool plain_begin(value_decoder *d) {
    d->index = 0;
    return true;
}

static bool plain_flag(value_decoder *d, parquet_value *v) {
    if (d->index / 8 >= (uint64_t)(d->end - d->at)) return wrong(d, "the page ends before its values do");
    v->bits = d->at[d->index / 8] >> (d->index % 8) & 1;
    d->index++;
    return true;
}

/* From the bytes of a value of fixed size. */
static void fixed_value(const value_decoder *d, const uint8_t *p, parquet_value *v) {
    switch (d->physical) {
    case PHYSICAL_INT32: v->bits = (int32_t)read_u32(p); break;
    case PHYSICAL_FLOAT: v->bits = read_u32(p); break;
    case PHYSICAL_INT64:
    case PHYSICAL_DOUBLE: v->bits = (int64_t)read_u64(p); break;
    default: *v = (parquet_value){p, d->size};
    }
}

static bool plain_next(value_decoder *d, parquet_value *v) {
    if (d->physical == PHYSICAL_BOOLEAN) return plain_flag(d, v);
    uint64_t size = (uint64_t)d->size, room = (uint64_t)(d->end - d->at);
    if (d->physical == PHYSICAL_BYTE_ARRAY) {
        if (room < 4) return wrong(d, "the page ends before its values do");
        size = read_u32(d->at);
        d->at += 4;
        room -= 4;
    }
    if (size > room) return wrong(d, "a value is longer than its page");
    if (d->physical == PHYSICAL_BYTE_ARRAY) *v = (parquet_value){d->at, (int64_t)size};
    else fixed_value(d, d->at, v);
    d->at += size;
    return true;
}

/* ---- indexes of a dictionary ----------------------------------------------------------------------------------------------------------- */

static bool dictionary_begin(value_decoder *d) {
    if (d->at == d->end) return true; /* nothing but nulls */
    const int width = *d->at++;
    if (width > 32) return wrong(d, "indexes of more than 32 bits");
    if (!d->dictionary) return wrong(d, "indexes, but the column has no dictionary");
    d->runs = run_decoder_on(d->at, d->end, width);
    return true;
}

static bool dictionary_next(value_decoder *d, parquet_value *v) {
    uint32_t index;
    if (!run_next(&d->runs, &index)) return wrong(d, "the page ends before its indexes do");
    if (index >= d->dictionary_count) return wrong(d, "an index is outside the dictionary");
    *v = d->dictionary[index];
    return true;
}

/* ---- RLE: booleans --------------------------------------------------------------------------------------------------------------------- */

static bool runs_begin(value_decoder *d) {
    if (d->physical != PHYSICAL_BOOLEAN) return wrong(d, "RLE holds booleans alone");
    if (d->at == d->end) return true;
    if (d->end - d->at < 4 || read_u32(d->at) > (uint64_t)(d->end - d->at) - 4)
        return wrong(d, "runs are longer than their page");
    d->runs = run_decoder_on(d->at + 4, d->at + 4 + read_u32(d->at), 1);
    return true;
}

static bool runs_next(value_decoder *d, parquet_value *v) {
    uint32_t flag;
    if (!run_next(&d->runs, &flag)) return wrong(d, "the page ends before its values do");
    v->bits = flag & 1;
    return true;
}

/* ---- DELTA_BINARY_PACKED ----------------------------------------------------------------------------------------------------------------- */

static bool delta_begin(value_decoder *d) {
    if (d->physical != PHYSICAL_INT32 && d->physical != PHYSICAL_INT64) return wrong(d, "differences hold integers alone");
    d->lengths = (delta_decoder){0};
    return d->at == d->end || delta_open(&d->lengths, d->at, d->end) || wrong(d, "damaged head of differences");
}

static bool delta_value(value_decoder *d, parquet_value *v) {
    if (!delta_next(&d->lengths, &v->bits)) return wrong(d, "the page ends before its differences do");
    if (d->physical == PHYSICAL_INT32) v->bits = (int32_t)(uint32_t)v->bits;
    return true;
}

/* ---- DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes ---------------------------------------------------------------------------- */

static bool lengths_begin(value_decoder *d) {
    if (d->physical != PHYSICAL_BYTE_ARRAY) return wrong(d, "lengths belong to texts alone");
    d->lengths = (delta_decoder){0};
    if (d->at == d->end) return true;
    if (!delta_open(&d->lengths, d->at, d->end)) return wrong(d, "damaged head of lengths");
    d->at = delta_behind(d->lengths);
    return d->at || wrong(d, "the page ends before its lengths do");
}

static bool lengths_next(value_decoder *d, parquet_value *v) {
    int64_t size;
    if (!delta_next(&d->lengths, &size)) return wrong(d, "the page ends before its lengths do");
    if (size < 0 || size > d->end - d->at) return wrong(d, "a value is longer than its page");
    *v = (parquet_value){d->at, size};
    d->at += size;
    return true;
}

/* ---- DELTA_BYTE_ARRAY: how much of the value before, then the rest ------------------------------------------------------------------- */

static bool prefixes_begin(value_decoder *d) {
    if (d->physical != PHYSICAL_BYTE_ARRAY && d->physical != PHYSICAL_FIXED) return wrong(d, "prefixes belong to texts alone");
    d->prefixes = d->lengths = (delta_decoder){0};
    buf_clear(d->previous);
    if (d->at == d->end) return true;
    if (!delta_open(&d->prefixes, d->at, d->end)) return wrong(d, "damaged head of prefixes");
    const uint8_t *behind = delta_behind(d->prefixes);
    if (!behind) return wrong(d, "the page ends before its prefixes do");
    if (!delta_open(&d->lengths, behind, d->end)) return wrong(d, "damaged head of lengths");
    d->at = delta_behind(d->lengths);
    return d->at || wrong(d, "the page ends before its lengths do");
}

static bool prefixes_next(value_decoder *d, parquet_value *v) {
    int64_t shared, more;
    if (!delta_next(&d->prefixes, &shared) || !delta_next(&d->lengths, &more))
        return wrong(d, "the page ends before its lengths do");
    if (shared < 0 || (uint64_t)shared > d->previous->len) return wrong(d, "a prefix is longer than the value before");
    if (more < 0 || more > d->end - d->at) return wrong(d, "a value is longer than its page");
    d->previous->len = (size_t)shared;
    buf_put(d->previous, d->at, (size_t)more);
    d->at += more;
    if (d->physical == PHYSICAL_FIXED && d->previous->len != (size_t)d->size)
        return wrong(d, "a value is not as long as it should be");
    *v = (parquet_value){(const uint8_t *)d->previous->ptr, (int64_t)d->previous->len};
    return true;
}

/* ---- BYTE_STREAM_SPLIT: the first bytes of all values, then the second ones ... ---------------------------------------------------------- */

static bool split_begin(value_decoder *d) {
    d->index = 0;
    if (!d->size || d->physical == PHYSICAL_INT96) return wrong(d, "split bytes belong to numbers alone");
    return (d->end - d->at) % d->size == 0 || wrong(d, "split bytes that are no whole number of values");
}

static bool split_next(value_decoder *d, parquet_value *v) {
    const size_t count = (size_t)((d->end - d->at) / d->size);
    if (d->index >= count) return wrong(d, "the page ends before its values do");
    buf_clear(d->previous);
    for (int i = 0; i < d->size; i++) buf_put_char(d->previous, (char)d->at[(size_t)i * count + d->index]);
    d->index++;
    fixed_value(d, (const uint8_t *)d->previous->ptr, v);
    return true;
}

/* ---- the table --------------------------------------------------------------------------------------------------------------------------- */

// clang-format off
/* number in the format, name, beginning of a page, next value */
#define ENCODINGS(X)                                                            \
    X(0, "PLAIN",                   plain_begin,      plain_next)               \
    X(2, "PLAIN_DICTIONARY",        dictionary_begin, dictionary_next)          \
    X(3, "RLE",                     runs_begin,       runs_next)                \
    X(5, "DELTA_BINARY_PACKED",     delta_begin,      delta_value)              \
    X(6, "DELTA_LENGTH_BYTE_ARRAY", lengths_begin,    lengths_next)             \
    X(7, "DELTA_BYTE_ARRAY",        prefixes_begin,   prefixes_next)            \
    X(8, "RLE_DICTIONARY",          dictionary_begin, dictionary_next)          \
    X(9, "BYTE_STREAM_SPLIT",       split_begin,      split_next)
// clang-format on

static const encoding table[] = {
#define X(number, name, begin, next) {number, name, begin, next},
    ENCODINGS(X)
#undef X
};

const encoding *encoding_find(int number) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].number == number) return &table[i];
    return NULL;
}
