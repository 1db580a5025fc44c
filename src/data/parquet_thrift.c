/* parquet_thrift.c - Thrift's compact protocol: a field is a byte (step of the id, type) and its value; integers are varints. */
#include "data/parquet_thrift.h"

#include <string.h>

enum { DEPTH_MAX = 32 };

thrift_in thrift_on(str bytes) {
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (thrift_in){.at = at, .end = at + bytes.len};
}

static uint8_t fail(thrift_in *t, const char *why) {
    if (!t->wrong) t->wrong = why;
    t->at = t->end;
    return 0;
}

static uint8_t next_byte(thrift_in *t) { return t->at < t->end ? *t->at++ : fail(t, "it ends too early"); }

static uint64_t varint(thrift_in *t) {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint8_t b = next_byte(t);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
    return fail(t, "an integer of more than 64 bits");
}

static int64_t zigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

static void leave(thrift_in *t) { t->depth--; }

bool thrift_next(thrift_in *t, thrift_field *f) {
    const uint8_t b = next_byte(t);
    if (t->wrong || !b) return leave(t), false;
    const int step = b >> 4;
    const int64_t id = step ? f->id + step : zigzag(varint(t));
    if ((b & 15) > THRIFT_STRUCT || (b & 15) == 0 || id < INT16_MIN || id > INT16_MAX)
        return fail(t, "a field of no known type"), leave(t), false;
    *f = (thrift_field){(thrift_type)(b & 15), (int)id};
    return !t->wrong;
}

int64_t thrift_int(thrift_in *t, thrift_field f) {
    switch (f.type) {
    case THRIFT_TRUE: return 1;
    case THRIFT_FALSE: return 0;
    case THRIFT_BYTE: return (int8_t)next_byte(t);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64: return zigzag(varint(t));
    default: return fail(t, "a field that should be an integer is none");
    }
}

static str bytes(thrift_in *t) {
    const uint64_t size = varint(t);
    if (size > (uint64_t)(t->end - t->at)) return fail(t, "a text is longer than what is left"), STR("");
    const str text = {(const char *)t->at, (size_t)size};
    t->at += size;
    return text;
}

str thrift_text(thrift_in *t, thrift_field f) {
    if (f.type != THRIFT_BINARY) return fail(t, "a field that should be a text is none"), STR("");
    return bytes(t);
}

uint32_t thrift_list(thrift_in *t, thrift_field f, thrift_field *element) {
    if (f.type != THRIFT_LIST && f.type != THRIFT_SET) return fail(t, "a field that should be a list is none");
    const uint8_t b = next_byte(t);
    const uint64_t count = b >> 4 == 15 ? varint(t) : b >> 4;
    *element = (thrift_field){(thrift_type)(b & 15), 0};
    if (count > (uint64_t)(t->end - t->at)) return fail(t, "a list is longer than what is left");
    return (uint32_t)(count < UINT32_MAX ? count : UINT32_MAX);
}

bool thrift_enter(thrift_in *t, thrift_field f) {
    if (f.type != THRIFT_STRUCT) fail(t, "a field that should be a struct is none");
    else if (t->depth >= DEPTH_MAX) fail(t, "structs are too deep in each other");
    else t->depth++;
    return !t->wrong;
}

/* In lists and maps a bool is a byte of its own. */
static void skip_element(thrift_in *t, int type) {
    if (type == THRIFT_TRUE || type == THRIFT_FALSE) next_byte(t);
    else thrift_skip(t, (thrift_field){(thrift_type)type, 0});
}

static void skip_elements(thrift_in *t, thrift_field f) {
    thrift_field element;
    const uint32_t count = thrift_list(t, f, &element);
    for (uint32_t i = 0; i < count && !t->wrong; i++) skip_element(t, (int)element.type);
}

static void skip_map(thrift_in *t) {
    const uint64_t count = varint(t);
    const uint8_t types = count ? next_byte(t) : 0;
    for (uint64_t i = 0; i < count && !t->wrong; i++) {
        skip_element(t, types >> 4);
        skip_element(t, types & 15);
    }
}

static void skip_struct(thrift_in *t) {
    for (thrift_field inner = {0}; thrift_next(t, &inner);) thrift_skip(t, inner);
}

void thrift_skip(thrift_in *t, thrift_field f) {
    if (t->wrong) return;
    if (t->depth >= DEPTH_MAX) {
        fail(t, "structs are too deep in each other");
        return;
    }
    t->depth++;
    switch (f.type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE: break;
    case THRIFT_BYTE: next_byte(t); break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64: varint(t); break;
    case THRIFT_DOUBLE:
        for (int i = 0; i < 8; i++) next_byte(t);
        break;
    case THRIFT_BINARY: bytes(t); break;
    case THRIFT_LIST:
    case THRIFT_SET: skip_elements(t, f); break;
    case THRIFT_MAP: skip_map(t); break;
    case THRIFT_STRUCT: skip_struct(t); return; /* thrift_next has left it */
    default: fail(t, "a field of no known type");
    }
    t->depth--;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------------- */

static void put_varint(buf *out, uint64_t v) {
    for (; v >= 0x80; v >>= 7) buf_put_char(out, (char)(v | 0x80));
    buf_put_char(out, (char)v);
}

void thrift_put_bare_int(buf *out, int64_t v) { put_varint(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63)); }

void thrift_put_bare_text(buf *out, str text) {
    put_varint(out, text.len);
    buf_put_str(out, text);
}

static void put_field(thrift_out *t, int id, thrift_type type) {
    const int step = id - t->last;
    t->last = id;
    if (step > 0 && step < 16) {
        buf_put_char(t->out, (char)(step << 4 | (int)type));
        return;
    }
    buf_put_char(t->out, (char)type);
    thrift_put_bare_int(t->out, id);
}

void thrift_put_int(thrift_out *t, int id, thrift_type type, int64_t v) {
    put_field(t, id, type);
    thrift_put_bare_int(t->out, v);
}

void thrift_put_bool(thrift_out *t, int id, bool v) { put_field(t, id, v ? THRIFT_TRUE : THRIFT_FALSE); }

void thrift_put_text(thrift_out *t, int id, str text) {
    put_field(t, id, THRIFT_BINARY);
    thrift_put_bare_text(t->out, text);
}

void thrift_put_list(thrift_out *t, int id, thrift_type element, size_t count) {
    put_field(t, id, THRIFT_LIST);
    buf_put_char(t->out, (char)((count < 15 ? (int)count : 15) << 4 | (int)element));
    if (count >= 15) put_varint(t->out, count);
}

thrift_out thrift_put_struct(thrift_out *t, int id) {
    put_field(t, id, THRIFT_STRUCT);
    return thrift_element(t->out);
}

thrift_out thrift_element(buf *out) { return (thrift_out){.out = out}; }
void thrift_end(thrift_out *t) { buf_put_char(t->out, THRIFT_STOP); }
