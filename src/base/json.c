/* json.c - JSON values, read strictly. The only file that includes json-c.
 *
 * json_check settles what is JSON and names errors by line and column; json-c then builds the tree, whose objects keep the
 * order of their keys in a list and find them through a hash table. The arena holds one reference to what it owns. */
#define json_bool json_c_bool /* json-c's name for int; json_bool is a function here */
#include <json-c/json.h>
#undef json_bool

#include "base/json.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json_check.h"

static void put_reference(void *v) { json_object_put(v); }

static json *owned(arena *a, json *v) {
    if (v) arena_defer(a, put_reference, v);
    return v;
}

/* The text is known to be JSON; what can still fail is json-c itself. */
static bool build(arena *a, str text, json **out, err *e) {
    json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    if (!tokener) return err_set(e, ERR_LIMIT, "no memory to read JSON");
    *out = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    enum json_tokener_error why = json_tokener_get_error(tokener);
    if (why == json_tokener_continue) { /* a bare number may go on: say that it does not */
        *out = json_tokener_parse_ex(tokener, "", 1);
        why = json_tokener_get_error(tokener);
    }
    json_tokener_free(tokener);
    if (why != json_tokener_success) return err_set(e, ERR_INPUT, "not valid JSON: %s", json_tokener_error_desc(why));
    owned(a, *out);
    return true;
}

bool json_parse_any(arena *a, str text, json **out, err *e) {
    *out = NULL;
    if (str_starts(text, STR("\xef\xbb\xbf"))) text = str_slice(text, 3, text.len); /* a byte order mark: RFC 8259, 8.1 */
    if (text.len > INT_MAX - 64) return err_set(e, ERR_LIMIT, "JSON of %zu bytes: at most 2 GiB can be read at once", text.len);
    buf patched = {0};
    bool ok = json_check(text, &patched, e);
    if (ok && patched.len > INT_MAX - 64) ok = err_set(e, ERR_LIMIT, "JSON of %zu bytes: at most 2 GiB can be read", patched.len);
    ok = ok && build(a, patched.len ? buf_str(&patched) : text, out, e);
    buf_free(&patched);
    return ok;
}

json *json_parse(arena *a, str text, err *e) {
    json *v;
    if (!json_parse_any(a, text, &v, e)) return NULL;
    return v ? v : err_null(e, ERR_INPUT, "expected a JSON value, got null");
}

json *json_parse_file(arena *a, const char *path, size_t max_bytes, err *e) {
    arena *scratch = arena_new();
    str text;
    json *v = NULL;
    if (file_read(scratch, path, max_bytes, &text, e)) {
        v = json_parse(a, text, e);
        if (!v) err_prefix(e, "%s", path);
    }
    arena_free(scratch);
    return v;
}

void json_key_decode(const char *key, buf *out) {
    for (const char *nul; (nul = strstr(key, JSON_KEY_NUL)) != NULL; key = nul + strlen(JSON_KEY_NUL)) {
        buf_put(out, key, (size_t)(nul - key));
        buf_put_char(out, 0);
    }
    buf_put_text(out, key);
}

str json_key_text(arena *a, const char *key) {
    buf whole = {0};
    if (!strstr(key, JSON_KEY_NUL)) return str_of(key);
    json_key_decode(key, &whole);
    const str text = {str_copy(a, buf_str(&whole)), whole.len};
    buf_free(&whole);
    return text;
}

json_kind json_kind_of(const json *v) {
    switch (json_object_get_type(v)) {
    case json_type_boolean: return JSON_BOOL;
    case json_type_double: return JSON_REAL;
    case json_type_int: return JSON_INT;
    case json_type_object: return JSON_OBJECT;
    case json_type_array: return JSON_ARRAY;
    case json_type_string: return JSON_STRING;
    case json_type_null: break;
    }
    return JSON_NULL;
}

const char *json_kind_name(json_kind k) {
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "true or false", [JSON_INT] = "an integer",   [JSON_REAL] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",     [JSON_OBJECT] = "an object",
    };
    return names[k];
}

json *json_get(const json *object, const char *key) {
    json *v = NULL;
    if (json_kind_of(object) == JSON_OBJECT) json_object_object_get_ex(object, key, &v);
    return v;
}

bool json_has(const json *object, const char *key) {
    return json_kind_of(object) == JSON_OBJECT && json_object_object_get_ex(object, key, NULL);
}

json *json_at(const json *array, size_t i) {
    return json_kind_of(array) == JSON_ARRAY && i < json_object_array_length(array) ? json_object_array_get_idx(array, i) : NULL;
}

size_t json_count(const json *v) {
    const json_kind kind = json_kind_of(v);
    if (kind == JSON_ARRAY) return json_object_array_length(v);
    return kind == JSON_OBJECT ? (size_t)json_object_object_length(v) : 0;
}

bool json_next(const json *object, json_member *m) {
    if (json_kind_of(object) != JSON_OBJECT) return false;
    const struct lh_entry *entry = m->state ? lh_entry_next((struct lh_entry *)m->state) : json_object_get_object(object)->head;
    if (!entry) return false;
    *m = (json_member){lh_entry_k(entry), lh_entry_v(entry), (void *)(uintptr_t)entry};
    return true;
}

str json_text(const json *v, str fallback) {
    if (json_kind_of(v) != JSON_STRING) return fallback;
    json *text = (json *)(uintptr_t)v; /* json-c's getters of strings are not const */
    return (str){json_object_get_string(text), (size_t)json_object_get_string_len(text)};
}

double json_real(const json *v, double fallback) {
    const json_kind kind = json_kind_of(v);
    if (kind == JSON_INT) return (double)json_object_get_int64(v);
    return kind == JSON_REAL ? json_object_get_double(v) : fallback;
}

/* Whether v is a whole number within int64, written either way. */
static bool whole(const json *v, int64_t *out) {
    const json_kind kind = json_kind_of(v);
    const double real = kind == JSON_REAL ? json_object_get_double(v) : 0;
    if (kind == JSON_INT) return *out = json_object_get_int64(v), true;
    if (kind != JSON_REAL || real != floor(real) || !(fabs(real) < 0x1p63)) return false;
    return *out = (int64_t)real, true;
}

int64_t json_int(const json *v, int64_t fallback) {
    int64_t n;
    return whole(v, &n) ? n : fallback;
}

bool json_bool(const json *v, bool fallback) { return json_kind_of(v) == JSON_BOOL ? json_object_get_boolean(v) : fallback; }

str json_get_text(const json *object, const char *key, str fallback) { return json_text(json_get(object, key), fallback); }
double json_get_real(const json *object, const char *key, double fallback) { return json_real(json_get(object, key), fallback); }
int64_t json_get_int(const json *object, const char *key, int64_t fallback) { return json_int(json_get(object, key), fallback); }
bool json_get_bool(const json *object, const char *key, bool fallback) { return json_bool(json_get(object, key), fallback); }

/* What came instead: the kind, or that nothing did. */
static const char *came(const json *object, const char *key) {
    if (json_kind_of(object) != JSON_OBJECT) return "no object to look in";
    return json_has(object, key) ? json_kind_name(json_kind_of(json_get(object, key))) : "nothing: the key is missing";
}

bool json_want_text(const json *object, const char *key, str *out, err *e) {
    const json *v = json_get(object, key);
    if (json_kind_of(v) != JSON_STRING) return err_set(e, ERR_INPUT, "'%s': expected a string, got %s", key, came(object, key));
    *out = json_text(v, (str){0});
    return true;
}

bool json_want_int(const json *object, const char *key, int64_t min, int64_t max, int64_t *out, err *e) {
    const json *v = json_get(object, key);
    const long long low = min, high = max;
    int64_t n;
    if (!whole(v, &n)) {
        if (json_kind_of(v) == JSON_REAL)
            return err_set(e, ERR_INPUT, "'%s': expected an integer from %lld to %lld, got %g", key, low, high, json_real(v, 0));
        return err_set(e, ERR_INPUT, "'%s': expected an integer from %lld to %lld, got %s", key, low, high, came(object, key));
    }
    if (n < min || n > max)
        return err_set(e, ERR_INPUT, "'%s': expected an integer from %lld to %lld, got %lld", key, low, high, (long long)n);
    *out = n;
    return true;
}

bool json_want_real(const json *object, const char *key, double min, double max, double *out, err *e) {
    const json *v = json_get(object, key);
    const json_kind kind = json_kind_of(v);
    if (kind != JSON_INT && kind != JSON_REAL)
        return err_set(e, ERR_INPUT, "'%s': expected a number from %g to %g, got %s", key, min, max, came(object, key));
    const double n = json_real(v, 0);
    if (!(n >= min && n <= max)) return err_set(e, ERR_INPUT, "'%s': expected a number from %g to %g, got %g", key, min, max, n);
    *out = n;
    return true;
}

static bool equal_objects(const json *a, const json *b) {
    if (json_count(a) != json_count(b)) return false;
    for (json_member m = {0}; json_next(a, &m);)
        if (!json_has(b, m.key) || !json_equal(m.value, json_get(b, m.key))) return false;
    return true;
}

static bool equal_arrays(const json *a, const json *b) {
    if (json_count(a) != json_count(b)) return false;
    for (size_t i = 0; i < json_count(a); i++)
        if (!json_equal(json_at(a, i), json_at(b, i))) return false;
    return true;
}

/* Numbers are equal when their values are, however they were written; objects whatever the order of their keys. */
bool json_equal(const json *a, const json *b) {
    const json_kind kind = json_kind_of(a), other = json_kind_of(b);
    if ((kind == JSON_INT && other == JSON_REAL) || (kind == JSON_REAL && other == JSON_INT))
        return json_real(a, 0) == json_real(b, 0);
    if (kind != other) return false;
    switch (kind) {
    case JSON_NULL: return true;
    case JSON_BOOL: return json_bool(a, false) == json_bool(b, false);
    case JSON_INT: return json_int(a, 0) == json_int(b, 0);
    case JSON_REAL: return json_real(a, 0) == json_real(b, 0);
    case JSON_STRING: return str_eq(json_text(a, STR("")), json_text(b, STR("")));
    case JSON_ARRAY: return equal_arrays(a, b);
    case JSON_OBJECT: return equal_objects(a, b);
    }
    return false;
}

static json *made(arena *a, json *v) {
    if (!v) bug("json-c gave no memory for a value");
    return owned(a, v);
}

json *json_new_object(arena *a) { return made(a, json_object_new_object()); }
json *json_new_array(arena *a) { return made(a, json_object_new_array()); }
json *json_new_text(arena *a, str text) {
    if (text.len > INT_MAX - 64) bug("a JSON string of %zu bytes", text.len);
    return made(a, json_object_new_string_len(text.ptr, (int)text.len));
}
json *json_new_int(arena *a, int64_t v) { return made(a, json_object_new_int64(v)); }
json *json_new_real(arena *a, double v) { return made(a, json_object_new_double(v)); }
json *json_new_bool(arena *a, bool v) { return made(a, json_object_new_boolean(v)); }

/* A container holds its own reference to what is in it, next to the arena's. */
void json_set(json *object, const char *key, json *value) { json_object_object_add(object, key, json_object_get(value)); }
void json_append(json *array, json *value) { json_object_array_add(array, json_object_get(value)); }

json *json_share(arena *a, json *v) { return owned(a, json_object_get(v)); }
