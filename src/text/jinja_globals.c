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

static jvalue g_lipsum(run *r, const jfunction *f, const jargs *args) {
    (void)f, (void)args;
    jinja_fail(r, "lipsum() would make each rendering another; a chat template must give the same text every time");
}

/* ---- cycler: an object with .current, .next() and .reset(); items stand in turn ------------------------------------------------------ */

static jvalue turn(run *r, jdict *cycle, int64_t to) {
    const jvalue before = *jv_get(cycle, jv_text(STR("current")));
    const jlist *items = jv_get(cycle, jv_text(STR("items")))->u.list;
    jv_put(r, cycle, jv_text(STR("pos")), jv_int(to % items->count));
    jv_put(r, cycle, jv_text(STR("current")), items->item[to % items->count]);
    return before;
}
static jvalue g_cycler_next(run *r, const jfunction *f, const jargs *args) {
    (void)args;
    return turn(r, f->self->u.dict, jv_get(f->self->u.dict, jv_text(STR("pos")))->u.integer + 1);
}
static jvalue g_cycler_reset(run *r, const jfunction *f, const jargs *args) {
    (void)args;
    turn(r, f->self->u.dict, 0);
    return jv_none();
}
static jvalue g_cycler(run *r, const jfunction *f, const jargs *args) {
    const jvalue d = jv_dict(r), items = jv_list(r, true);
    jvalue *self = arena_new_of(r->a, jvalue);
    (void)f;
    if (!args->count) jinja_fail(r, "at least one item has to be provided");
    for (int i = 0; i < args->count; i++) jv_append(r, items, args->item[i]);
    d.u.dict->namespace = true;
    *self = d;
    jv_put(r, d.u.dict, jv_text(STR("items")), items);
    jv_put(r, d.u.dict, jv_text(STR("current")), items.u.list->item[0]);
    jv_put(r, d.u.dict, jv_text(STR("next")), jinja_bound(r, "next", g_cycler_next, self));
    jv_put(r, d.u.dict, jv_text(STR("reset")), jinja_bound(r, "reset", g_cycler_reset, self));
    turn(r, d.u.dict, 0);
    return d;
}

/* joiner(", "): nothing the first time it is called, then the separator. */
static jvalue g_join(run *r, const jfunction *f, const jargs *args) {
    (void)r, (void)args;
    const jvalue now = f->self->u.list->item[0];
    f->self->u.list->item[0] = f->self->u.list->item[1];
    return now;
}
static jvalue g_joiner(run *r, const jfunction *f, const jargs *args) {
    jvalue *turns = arena_new_of(r->a, jvalue);
    (void)f;
    *turns = jv_list(r, true);
    jv_append(r, *turns, jv_text(STR("")));
    jv_append(r, *turns, jinja_arg(args, 0, "sep", jv_text(STR(", "))));
    return jinja_bound(r, "joiner", g_join, turns);
}

static const struct {
    const char *name;
    jvalue (*call)(run *, const jfunction *, const jargs *);
} globals[] = {{"range", g_range},           {"namespace", g_namespace}, {"dict", g_dict},     {"raise_exception", g_raise},
               {"strftime_now", g_strftime}, {"cycler", g_cycler},       {"joiner", g_joiner}, {"lipsum", g_lipsum}};

bool jinja_global(run *r, str name, jvalue *out) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (str_is(name, globals[i].name)) {
            *out = jinja_function(r, globals[i].name, globals[i].call);
            return true;
        }
    return false;
}
