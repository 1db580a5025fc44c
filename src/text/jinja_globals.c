/* jinja_globals.c - functions that templates find without being given them. */
#include <time.h>

#include "text/jinja_parts.h"

static jvalue g_range(run *r, const jfunction *f, const jargs *args) {
    (void)f;
    const int64_t a = jinja_int_arg(args, 0, "start", 0), b = jinja_int_arg(args, 1, "stop", 0),
                  step = jinja_int_arg(args, 2, "step", 1);
    const int64_t from = args->count > 1 ? a : 0, to = args->count > 1 ? b : a;
    const jvalue out = jv_list(r, false);
    if (!step) jinja_fail(r, "range() arg 3 must not be zero");
    if ((step > 0 ? to - from : from - to) / (step > 0 ? step : -step) > 100000)
        jinja_fail(r, "Range too big. The sandbox blocks ranges larger than 100000.");
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) jv_append(r, out, jv_int(i));
    return out;
}
static jvalue keyed(run *r, const jargs *args, bool namespace) {
    const jvalue d = jv_dict(r);
    d.u.dict->namespace = namespace;
    for (int i = 0; i < args->count; i++) {
        if (args->name[i].len) jv_put(r, d.u.dict, jv_text(args->name[i]), args->item[i]);
        else if (args->item[i].kind == V_DICT)
            for (int k = 0; k < args->item[i].u.dict->count; k++)
                jv_put(r, d.u.dict, args->item[i].u.dict->key[k], args->item[i].u.dict->value[k]);
    }
    return d;
}
static jvalue g_namespace(run *r, const jfunction *f, const jargs *args) {
    (void)f;
    return keyed(r, args, true);
}
static jvalue g_dict(run *r, const jfunction *f, const jargs *args) {
    (void)f;
    return keyed(r, args, false);
}
static jvalue g_raise(run *r, const jfunction *f, const jargs *args) {
    (void)f;
    const str s = jinja_text_arg(r, args, 0, "message", STR(""));
    jinja_fail(r, "%.*s", STR_ARG(s));
}
static jvalue g_strftime(run *r, const jfunction *f, const jargs *args) {
    char out[256];
    const time_t now = time(NULL);
    struct tm t;
    (void)f;
    localtime_r(&now, &t);
    const size_t n = strftime(out, sizeof out, str_copy(r->a, jinja_text_arg(r, args, 0, "format", STR("%Y"))), &t);
    return jv_copy_text(r, (str){out, n});
}

static const struct {
    const char *name;
    jvalue (*call)(run *, const jfunction *, const jargs *);
} globals[] = {
    {"range", g_range}, {"namespace", g_namespace}, {"dict", g_dict}, {"raise_exception", g_raise}, {"strftime_now", g_strftime}};

bool jinja_global(run *r, str name, jvalue *out) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (str_is(name, globals[i].name)) {
            *out = jinja_function(r, globals[i].name, globals[i].call);
            return true;
        }
    return false;
}
