/* parquet_thrift.h - Thrift's compact protocol, which Parquet's metadata is written in. Used inside data alone.
 *
 * Reading never fails with words: the first thing that is wrong stays in `wrong`, and from then on every value is 0, every text empty
 * and every struct at its end, so that callers ask once. Nothing is allocated; texts are views of the bytes. */
#ifndef FETTLE_DATA_PARQUET_THRIFT_H
#define FETTLE_DATA_PARQUET_THRIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef enum {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_BYTE,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT,
} thrift_type;

typedef struct {
    const uint8_t *at, *end;
    const char *wrong; /* a static text, or NULL */
    int depth;
} thrift_in;

typedef struct {
    thrift_type type;
    int id;
} thrift_field;

thrift_in thrift_on(str bytes);
/* `for (thrift_field f = {0}; thrift_next(t, &f);)` over a struct; every turn reads the field's value or skips it. */
bool thrift_next(thrift_in *t, thrift_field *f);
int64_t thrift_int(thrift_in *t, thrift_field f); /* any integer or bool; else wrong */
str thrift_text(thrift_in *t, thrift_field f);
/* How many elements follow, each of the type in *element; never more than there are bytes. */
uint32_t thrift_list(thrift_in *t, thrift_field f, thrift_field *element);
/* Into a struct, to be walked with thrift_next; false (and wrong) when the field is none. */
bool thrift_enter(thrift_in *t, thrift_field f);
void thrift_skip(thrift_in *t, thrift_field f);

/* Writing: fields in rising order of their ids. `last` is 0 at the beginning of every struct. */
typedef struct {
    buf *out;
    int last;
} thrift_out;
void thrift_put_int(thrift_out *t, int id, thrift_type type, int64_t v); /* THRIFT_I32, THRIFT_I64 */
void thrift_put_bool(thrift_out *t, int id, bool v);
void thrift_put_text(thrift_out *t, int id, str text);
void thrift_put_list(thrift_out *t, int id, thrift_type element, size_t count); /* the elements follow by hand */
thrift_out thrift_put_struct(thrift_out *t, int id);                            /* ended by thrift_end of what it returns */
thrift_out thrift_element(buf *out); /* a struct that is an element of a list, or the first */
void thrift_end(thrift_out *t);
void thrift_put_bare_int(buf *out, int64_t v); /* an element of a list of integers */
void thrift_put_bare_text(buf *out, str text);

#endif
