/* json.h - JSON read strictly (json-c inside) and written as a stream.
 *
 * Reading: UTF-8 is checked, duplicate keys keep the last, depth <= 64 unless said, trailing text is an error; errors name
 * the byte or line. A `json` is owned by the arena given to the parser. Accessors on a missing or wrong-typed value return
 * the fallback; json_want_* fail with the key's name, what was expected and what came. */
#ifndef FETTLE_BASE_JSON_H
#define FETTLE_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct json_object json; /* json-c's own object; NULL stands for JSON null */

typedef enum { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

json *json_parse(arena *a, str text, err *e);
bool json_parse_any(arena *a, str text, json **out, err *e); /* as json_parse, but a bare null is no error */
json *json_parse_file(arena *a, const char *path, size_t max_bytes, err *e);

json_kind json_kind_of(const json *v);
const char *json_kind_name(json_kind k); /* "a string", "an object" ... for messages */

json *json_get(const json *object, const char *key); /* NULL: not an object, no such key, or null */
bool json_has(const json *object, const char *key);  /* true also when the value is null */
json *json_at(const json *array, size_t i);          /* NULL when out of range */
size_t json_count(const json *v);                    /* members of an array or object, else 0 */
/* The i-th member of an object in file order; O(1) when walked from 0 up through json_next. */
typedef struct {
    const char *key;
    json *value;
    void *state;
} json_member;
bool json_next(const json *object, json_member *m); /* `json_member m = {0}; while (json_next(o, &m)) ...` */

/* Keys are C strings: a \u0000 in one stands as these bytes, which no UTF-8 has. json_key_text gives the key as it was written
 * (the key itself where nothing stands for a NUL); json_key writes such a key back. */
#define JSON_KEY_NUL "\xC0\x80"
str json_key_text(arena *a, const char *key);
void json_key_decode(const char *key, buf *out); /* appends */

str json_text(const json *v, str fallback);        /* the view lives as long as the value */
double json_real(const json *v, double fallback);  /* integers too */
int64_t json_int(const json *v, int64_t fallback); /* a real with no fraction too */
bool json_bool(const json *v, bool fallback);

str json_get_text(const json *object, const char *key, str fallback);
double json_get_real(const json *object, const char *key, double fallback);
int64_t json_get_int(const json *object, const char *key, int64_t fallback);
bool json_get_bool(const json *object, const char *key, bool fallback);

bool json_want_text(const json *object, const char *key, str *out, err *e);
bool json_want_int(const json *object, const char *key, int64_t min, int64_t max, int64_t *out, err *e);
bool json_want_real(const json *object, const char *key, double min, double max, double *out, err *e);

bool json_equal(const json *a, const json *b);
void json_put(buf *out, const json *v); /* compact text of a parsed value, keys in file order */

/* Building values (owned by the arena), for programs that hand JSON on. */
json *json_new_object(arena *a);
json *json_new_array(arena *a);
json *json_new_text(arena *a, str text);
json *json_new_int(arena *a, int64_t v);
json *json_new_real(arena *a, double v);
json *json_new_bool(arena *a, bool v);
void json_set(json *object, const char *key, json *value); /* takes part of the same arena's life; value may be shared */
void json_append(json *array, json *value);
json *json_share(arena *a, json *v); /* the same value, which now lives at least as long as this arena too */

/* Writing: a stream onto a buf; commas and quotes follow by themselves.
 *     json_writer w = json_writer_on(&out, false);
 *     json_open(&w, '{'); json_key(&w, "loss"); json_put_real(&w, 0.7); json_close(&w);                                   */
typedef struct {
    buf *out;
    bool pretty; /* two spaces a level */
    int depth;
    char closer[64];
    bool has_members[64];
    bool after_key;
} json_writer;

json_writer json_writer_on(buf *out, bool pretty);
void json_open(json_writer *w, char bracket); /* '{' or '[' */
void json_close(json_writer *w);
void json_key(json_writer *w, const char *key);
void json_key_str(json_writer *w, str key); /* as it is, NULs and all */
void json_put_text(json_writer *w, str text);
void json_put_cstr(json_writer *w, const char *text); /* NULL writes null */
void json_put_int(json_writer *w, int64_t v);
void json_put_real(json_writer *w, double v); /* shortest form that reads back exactly; NaN and infinities: null */
void json_put_float(json_writer *w, float v); /* shortest form that reads back as the same float */
void json_put_bool(json_writer *w, bool v);
void json_put_null(json_writer *w);
void json_put_value(json_writer *w, const json *v);
void json_put_raw(json_writer *w, str text); /* text that is JSON already; empty: null */
void json_quote(buf *out, str text);         /* "text" with escapes; invalid UTF-8 becomes U+FFFD */

#endif
