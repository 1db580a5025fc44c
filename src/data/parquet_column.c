/* parquet_column.c - a column chunk: its pages one after the other, of each the levels and values.
 *
 *   chunk:  [dictionary page] data page, data page ...        page v1:  header | packed( rep levels, def levels, values )
 *                                                             page v2:  header | rep levels, def levels, packed( values )
 *
 * Every size is checked against the bytes that are there, and against PARQUET_PAGE_MAX and PARQUET_LIVE_MAX, before memory is taken. */
#include <string.h>

#include "data/parquet_parts.h"

enum { PAGE_DATA, PAGE_INDEX, PAGE_DICTIONARY, PAGE_DATA_2 };
enum { LEVELS_AS_RUNS = 3 };

typedef struct {
    int64_t type, unpacked, packed, values, encoding, def_encoding, rep_encoding, def_bytes, rep_bytes;
    bool is_packed;
} page_header;

static bool damaged(const parquet_column *c, const char *why, err *e) {
    (void)c;
    return err_set(e, ERR_INPUT, "%s", why);
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------------------- */

static bool hold(parquet_column *c, void **place, size_t *room, size_t need, err *e) {
    if (need <= *room) return true;
    if (need - *room > PARQUET_LIVE_MAX - *c->live)
        return err_set(e, ERR_LIMIT, "the pages at hand need more than %d MB together", PARQUET_LIVE_MAX >> 20);
    *c->live += need - *room;
    memory_release(*place);
    *place = memory_alloc(need);
    *room = need;
    return true;
}

void parquet_column_free(parquet_column *c) {
    memory_release(c->page);
    memory_release(c->dictionary_page);
    memory_release(c->table);
    buf_free(&c->previous);
    *c = (parquet_column){.leaf = c->leaf, .max_def = c->max_def, .max_rep = c->max_rep, .live = c->live};
}

/* ---- headers of pages -------------------------------------------------------------------------------------------------------------------- */

/* Fields of the header that is in the header; which ones depends on the kind of page. */
static void read_inner(thrift_in *t, thrift_field f, page_header *h, bool second) {
    if (!thrift_enter(t, f)) return;
    for (thrift_field x = {0}; thrift_next(t, &x);) {
        if (x.id == 1) h->values = thrift_int(t, x);
        else if (x.id == (second ? 4 : 2)) h->encoding = thrift_int(t, x);
        else if (x.id == 3 && !second && h->type == PAGE_DATA) h->def_encoding = thrift_int(t, x);
        else if (x.id == 4 && !second && h->type == PAGE_DATA) h->rep_encoding = thrift_int(t, x);
        else if (x.id == 5 && second) h->def_bytes = thrift_int(t, x);
        else if (x.id == 6 && second) h->rep_bytes = thrift_int(t, x);
        else if (x.id == 7 && second) h->is_packed = thrift_int(t, x);
        else thrift_skip(t, x);
    }
}

static page_header read_header(thrift_in *t) {
    page_header h = {.type = -1, .def_encoding = LEVELS_AS_RUNS, .rep_encoding = LEVELS_AS_RUNS, .is_packed = true};
    for (thrift_field f = {0}; thrift_next(t, &f);) switch (f.id) {
        case 1: h.type = thrift_int(t, f); break;
        case 2: h.unpacked = thrift_int(t, f); break;
        case 3: h.packed = thrift_int(t, f); break;
        case 5:
        case 7: read_inner(t, f, &h, false); break;
        case 8: read_inner(t, f, &h, true); break;
        default: thrift_skip(t, f);
        }
    return h;
}

static bool next_header(parquet_column *c, page_header *h, err *e) {
    thrift_in t = {.at = c->at, .end = c->end};
    *h = read_header(&t);
    if (t.wrong) return err_set(e, ERR_INPUT, "damaged head of a page: %s", t.wrong);
    c->at = t.at;
    if (h->packed < 0 || h->packed > c->end - c->at || h->unpacked < 0) return damaged(c, "a page is longer than its column", e);
    if (h->unpacked > PARQUET_PAGE_MAX)
        return err_set(e, ERR_LIMIT, "a page of %lld bytes; at most %d MB are read", (long long)h->unpacked,
                       PARQUET_PAGE_MAX >> 20);
    if (h->values < 0 || h->values > PARQUET_VALUES_MAX)
        return err_set(e, ERR_LIMIT, "a page of %lld values; at most %d are read", (long long)h->values, PARQUET_VALUES_MAX);
    return true;
}

/* The bytes of a page; where nothing is packed, as they lie in the file. */
static bool page_bytes(parquet_column *c, str packed, size_t size, bool dictionary, str *out, err *e) {
    uint8_t **owner = dictionary ? &c->dictionary_page : &c->page;
    size_t *room = dictionary ? &c->dictionary_room : &c->page_room;
    if (c->codec == COMPRESS_NONE || !size) return *out = str_slice(packed, 0, size), true;
    if (!compression_can(c->codec, packed.len, size))
        return err_set(e, ERR_INPUT, "%zu bytes of %s cannot become the %zu that are promised", packed.len,
                       compression_name(c->codec), size);
    void *place = *owner;
    const bool held = hold(c, &place, room, size, e);
    *owner = place;
    *out = (str){place, size};
    return held && bytes_unpack(c->codec, packed, place, size, e);
}

/* ---- dictionary -------------------------------------------------------------------------------------------------------------------------- */

static value_decoder decoder_on(parquet_column *c, str bytes) {
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (value_decoder){.physical = c->leaf->physical,
                           .size = c->leaf->size,
                           .at = at,
                           .end = at + bytes.len,
                           .dictionary = c->has_dictionary ? c->table : NULL,
                           .dictionary_count = c->values.dictionary_count,
                           .previous = &c->previous};
}

static bool read_dictionary(parquet_column *c, const page_header *h, err *e) {
    const str packed = {(const char *)c->at, (size_t)h->packed};
    const size_t each = c->leaf->physical == PHYSICAL_BYTE_ARRAY ? 4 : (size_t)c->leaf->size;
    str bytes;
    if (c->has_dictionary) return damaged(c, "a second dictionary", e);
    if (h->encoding != 0 && h->encoding != 2) return damaged(c, "a dictionary that is not written plainly", e);
    if (!each) return damaged(c, "a dictionary of booleans", e);
    if (!page_bytes(c, packed, (size_t)h->unpacked, true, &bytes, e)) return false;
    if ((uint64_t)h->values > bytes.len / each) return damaged(c, "a dictionary with more values than its page has room for", e);
    void *table = c->table;
    const bool held = hold(c, &table, &c->table_room, (size_t)h->values * sizeof *c->table + 1, e);
    c->table = table;
    if (!held) return false;
    value_decoder plain = decoder_on(c, bytes);
    for (int64_t i = 0; i < h->values; i++)
        if (!encoding_find(0)->next(&plain, &c->table[i])) return err_set(e, ERR_INPUT, "damaged dictionary: %s", plain.wrong);
    c->values.dictionary_count = (uint32_t)h->values;
    return c->has_dictionary = true;
}

/* ---- data pages -------------------------------------------------------------------------------------------------------------------------- */

static int width_of(int most) {
    int width = 0;
    while (most >> width) width++;
    return width;
}

static run_decoder levels_on(str bytes, int most) {
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return run_decoder_on(at, at + bytes.len, width_of(most));
}

/* Levels of a page v1: their length, and they. */
static bool take_levels(str *bytes, int most, run_decoder *out, err *e) {
    if (!most) return true;
    if (bytes->len < 4) return err_set(e, ERR_INPUT, "a page ends before its levels do");
    const uint8_t *p = (const uint8_t *)bytes->ptr;
    const size_t size = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (size > bytes->len - 4) return err_set(e, ERR_INPUT, "levels are longer than their page");
    *out = levels_on(str_slice(*bytes, 4, 4 + size), most);
    *bytes = str_slice(*bytes, 4 + size, bytes->len);
    return true;
}

static bool begin_values(parquet_column *c, const page_header *h, str bytes, err *e) {
    c->encoding = encoding_find((int)(h->encoding >= 0 && h->encoding < 100 ? h->encoding : -1));
    if (!c->encoding)
        return err_set(e, ERR_UNSUPPORTED, "values in an encoding (number %lld) that is not read", (long long)h->encoding);
    const uint32_t count = c->values.dictionary_count;
    c->values = decoder_on(c, bytes);
    c->values.dictionary_count = count;
    c->page_left = h->values;
    return c->encoding->begin(&c->values) || err_set(e, ERR_INPUT, "%s: %s", c->encoding->name, c->values.wrong);
}

static bool begin_page_1(parquet_column *c, const page_header *h, err *e) {
    str bytes;
    if ((c->max_rep && h->rep_encoding != LEVELS_AS_RUNS) || (c->max_def && h->def_encoding != LEVELS_AS_RUNS))
        return err_set(e, ERR_UNSUPPORTED, "levels in the encoding BIT_PACKED, which nobody writes any more, are not read");
    return page_bytes(c, (str){(const char *)c->at, (size_t)h->packed}, (size_t)h->unpacked, false, &bytes, e) &&
           take_levels(&bytes, c->max_rep, &c->reps, e) && take_levels(&bytes, c->max_def, &c->defs, e) &&
           begin_values(c, h, bytes, e);
}

static bool begin_page_2(parquet_column *c, const page_header *h, err *e) {
    const str page = {(const char *)c->at, (size_t)h->packed};
    if (h->rep_bytes < 0 || h->def_bytes < 0 || h->rep_bytes > h->packed || h->def_bytes > h->packed - h->rep_bytes ||
        h->rep_bytes + h->def_bytes > h->unpacked)
        return damaged(c, "levels are longer than their page", e);
    const size_t reps = (size_t)h->rep_bytes, levels = reps + (size_t)h->def_bytes;
    c->reps = levels_on(str_slice(page, 0, reps), c->max_rep);
    c->defs = levels_on(str_slice(page, reps, levels), c->max_def);
    str values = str_slice(page, levels, page.len);
    if (h->is_packed && !page_bytes(c, values, (size_t)h->unpacked - levels, false, &values, e)) return false;
    return begin_values(c, h, values, e);
}

/* Pages up to the next one with entries. */
static bool next_page(parquet_column *c, err *e) {
    page_header h;
    while (c->left && !c->page_left) {
        if (c->at == c->end) return damaged(c, "the column ends before its values do", e);
        if (!next_header(c, &h, e)) return false;
        const bool data = h.type == PAGE_DATA || h.type == PAGE_DATA_2;
        if (data && h.values > c->left) return damaged(c, "pages hold more values than their column", e);
        const bool ok = h.type == PAGE_DATA         ? begin_page_1(c, &h, e)
                        : h.type == PAGE_DATA_2     ? begin_page_2(c, &h, e)
                        : h.type == PAGE_DICTIONARY ? read_dictionary(c, &h, e)
                                                    : true;
        if (!ok) return false;
        c->at += h.packed;
    }
    return c->page_left > 0;
}

bool parquet_column_peek(parquet_column *c, err *e) {
    uint32_t rep = 0, def = 0;
    if (c->peeked) return true;
    if (!c->page_left && !next_page(c, e)) return false;
    if ((c->max_rep && !run_next(&c->reps, &rep)) || (c->max_def && !run_next(&c->defs, &def)))
        return damaged(c, "a page ends before its levels do", e);
    if (rep > (uint32_t)c->max_rep || def > (uint32_t)c->max_def)
        return damaged(c, "a level is higher than the schema allows", e);
    c->rep = (int)rep;
    c->def = (int)def;
    c->page_left--;
    c->left--;
    return c->peeked = true;
}

bool parquet_column_take(parquet_column *c, parquet_value *v, err *e) {
    *v = (parquet_value){0};
    return c->encoding->next(&c->values, v) || err_set(e, ERR_INPUT, "%s: %s", c->encoding->name, c->values.wrong);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t physical, codec, values, packed, data_at, dictionary_at;
    bool there, elsewhere, encrypted;
} chunk;

static void read_metadata(thrift_in *t, thrift_field f, chunk *x) {
    x->there = thrift_enter(t, f);
    for (thrift_field m = {0}; x->there && thrift_next(t, &m);) switch (m.id) {
        case 1: x->physical = thrift_int(t, m); break;
        case 4: x->codec = thrift_int(t, m); break;
        case 5: x->values = thrift_int(t, m); break;
        case 7: x->packed = thrift_int(t, m); break;
        case 9: x->data_at = thrift_int(t, m); break;
        case 11: x->dictionary_at = thrift_int(t, m); break;
        default: thrift_skip(t, m);
        }
}

static chunk read_chunk(thrift_in *t) {
    chunk x = {.physical = -1};
    for (thrift_field f = {0}; thrift_next(t, &f);) switch (f.id) {
        case 1: x.elsewhere = thrift_text(t, f).len > 0; break;
        case 3: read_metadata(t, f, &x); break;
        case 8:
        case 9:
            x.encrypted = true;
            thrift_skip(t, f);
            break;
        default: thrift_skip(t, f);
        }
    return x;
}

/* The numbers that the format gives to compressions: -1 is not read. */
static int codec_of(int64_t number) {
    static const int codecs[] = {COMPRESS_NONE, COMPRESS_SNAPPY, COMPRESS_GZIP, -1, -1, -1, COMPRESS_ZSTD};
    return number >= 0 && number < (int64_t)(sizeof codecs / sizeof *codecs) ? codecs[number] : -1;
}

static bool check_chunk(const parquet_column *c, const chunk *x, err *e) {
    static const char *const names[] = {"", "", "", "LZO", "BROTLI", "LZ4", "", "LZ4_RAW"};
    if (x->encrypted) return err_set(e, ERR_UNSUPPORTED, "the column is encrypted");
    if (x->elsewhere) return err_set(e, ERR_UNSUPPORTED, "the column lies in another file");
    if (!x->there || x->physical != (int64_t)c->leaf->physical)
        return damaged(c, "the column is of another type than the schema says", e);
    if (codec_of(x->codec) < 0)
        return err_set(e, ERR_UNSUPPORTED, "compressed with %s; read are snappy, gzip and zstd",
                       x->codec >= 3 && x->codec < 8 ? names[x->codec] : "something unknown");
    return x->values >= 0 || damaged(c, "a negative number of values", e);
}

static void begin_empty(parquet_column *c) {
    c->at = c->end = NULL;
    c->left = c->page_left = 0;
    c->peeked = c->has_dictionary = false;
    c->values = (value_decoder){0};
}

bool parquet_column_begin(parquet_column *c, thrift_in *t, str file, err *e) {
    const chunk x = read_chunk(t);
    if (t->wrong) return err_set(e, ERR_INPUT, "damaged metadata: %s", t->wrong);
    if (!check_chunk(c, &x, e)) return false;
    if (!x.values) return begin_empty(c), true;
    const int64_t begin = x.dictionary_at > 0 && x.dictionary_at < x.data_at ? x.dictionary_at : x.data_at;
    if (begin < 4 || (uint64_t)begin > file.len || x.packed < 0 || (uint64_t)x.packed > file.len - (size_t)begin)
        return damaged(c, "the column lies outside the file", e);
    begin_empty(c);
    c->at = (const uint8_t *)file.ptr + begin;
    c->end = c->at + x.packed;
    c->codec = (compression)codec_of(x.codec);
    c->left = x.values;
    return true;
}
