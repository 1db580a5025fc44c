/* jinja_eval.c - running a template: expressions, statements, scopes. An error unwinds to jinja_render at once. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja_parts.h"

void jinja_fail(run *r, const char *format, ...) {
    char words[600];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    err_set(r->e, ERR_INPUT, "template line %d: %s", r->line, words);
    longjmp(r->out, 1);
}

void jinja_burn(run *r, int64_t steps) {
    if ((r->fuel -= steps) < 0) jinja_fail(r, "the template runs too long and was stopped");
}

static jvalue eval(run *r, frame *f, const jnode *n);
typedef enum { GO_ON, BREAK, CONTINUE } flow;
static flow execute(run *r, frame *f, const jnode *n);

static void enter(run *r) {
    jinja_burn(r, 1);
    if (++r->depth > r->depth_max) jinja_fail(r, "more than %d levels of nesting", r->depth_max);
}

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

static jvalue look_up(run *r, const frame *f, str name) {
    jvalue found;
    for (; f; f = f->up) {
        const jvalue *v = jv_get(&f->vars, jv_text(name));
        if (v) return *v;
    }
    return jinja_global(r, name, &found) ? found : jv_undefined(name);
}

static void refuse_undefined(run *r, jvalue v) {
    if (v.kind == V_UNDEFINED) jinja_fail(r, "'%.*s' is undefined", STR_ARG(v.u.text));
}

static int64_t index_of(jvalue i, int64_t length) {
    const int64_t k = i.kind == V_BOOL ? i.u.boolean : i.u.integer;
    return k < 0 ? k + length : k;
}

static bool item_of(run *r, jvalue v, jvalue key, jvalue *out) {
    if (v.kind == V_DICT) {
        const jvalue *found = jv_get(v.u.dict, key);
        if (found) *out = *found;
        return found != NULL;
    }
    if ((v.kind == V_LIST || v.kind == V_STRING) && (key.kind == V_INT || key.kind == V_BOOL)) {
        const jlist *l = jv_iterate(r, v);
        const int64_t i = index_of(key, l->count);
        if (i < 0 || i >= l->count) return false;
        *out = l->item[i];
        return true;
    }
    return false;
}

jvalue jinja_attribute(run *r, jvalue v, str name, bool item_first) {
    jvalue out;
    refuse_undefined(r, v);
    if (v.kind == V_LIST && v.u.list->group && (str_is(name, "grouper") || str_is(name, "list")))
        return v.u.list->item[str_is(name, "list")];
    if (v.kind == V_FUNCTION && v.u.function->macro && str_is(name, "name")) return jv_text(str_of(v.u.function->name));
    const bool plain = v.kind == V_DICT && v.u.dict->namespace;
    if (item_first || plain) {
        if (item_of(r, v, jv_text(name), &out) || (!plain && jinja_method(r, v, name, &out))) return out;
    } else if (jinja_method(r, v, name, &out) || item_of(r, v, jv_text(name), &out)) return out;
    buf *words = jinja_buf(r);
    buf_printf(words, "%s object' has no attribute '%.*s", jv_type(v), STR_ARG(name));
    return jv_undefined(jv_of_buf(r, words).u.text);
}

/* ---- arithmetic ------------------------------------------------------------------------------------------------------------------- */

static double real_of(jvalue v) { return v.kind == V_FLOAT ? v.u.real : v.kind == V_INT ? (double)v.u.integer : v.u.boolean; }
static int64_t whole_of(jvalue v) { return v.kind == V_INT ? v.u.integer : v.u.boolean; }

static jvalue add(run *r, jvalue a, jvalue b) {
    if (a.kind == V_STRING && b.kind == V_STRING) {
        buf *out = jinja_buf(r);
        buf_put_str(out, a.u.text);
        buf_put_str(out, b.u.text);
        return jv_of_buf(r, out);
    }
    if (a.kind == V_LIST && b.kind == V_LIST) {
        const jvalue l = jv_list(r, a.u.list->tuple);
        for (int i = 0; i < a.u.list->count; i++) jv_append(r, l, a.u.list->item[i]);
        for (int i = 0; i < b.u.list->count; i++) jv_append(r, l, b.u.list->item[i]);
        return l;
    }
    if (!jv_is_number(a) || !jv_is_number(b))
        jinja_fail(
            r, a.kind == V_STRING ? "can only concatenate str (not \"%s\") to str" : "unsupported operand type(s) for +: '%s'",
            jv_type(a.kind == V_STRING ? b : a));
    if (a.kind == V_FLOAT || b.kind == V_FLOAT) return jv_real(real_of(a) + real_of(b));
    return jv_int((int64_t)((uint64_t)whole_of(a) + (uint64_t)whole_of(b)));
}

static jvalue repeat(run *r, jvalue v, int64_t times) {
    const jvalue l = jv_list(r, v.kind == V_LIST && v.u.list->tuple);
    buf *out = jinja_buf(r);
    for (int64_t i = 0; i < times; i++) {
        jinja_burn(r, 1);
        if (v.kind == V_STRING) {
            buf_put_str(out, v.u.text);
            if (out->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
        } else
            for (int k = 0; k < v.u.list->count; k++) jv_append(r, l, v.u.list->item[k]);
    }
    return v.kind == V_STRING ? jv_of_buf(r, out) : l;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static jvalue arithmetic(run *r, str op, jvalue a, jvalue b) {
    refuse_undefined(r, a);
    refuse_undefined(r, b);
    const char o = op.ptr[0];
    const bool two = op.len == 2;
    if (o == '+') return add(r, a, b);
    if (o == '*' && !two && (a.kind == V_STRING || a.kind == V_LIST) && (b.kind == V_INT || b.kind == V_BOOL))
        return repeat(r, a, whole_of(b));
    if (o == '*' && !two && (b.kind == V_STRING || b.kind == V_LIST) && (a.kind == V_INT || a.kind == V_BOOL))
        return repeat(r, b, whole_of(a));
    if (o == '%' && a.kind == V_STRING) {
        const bool many = b.kind == V_LIST && b.u.list->tuple;
        jargs args = {.item = many ? b.u.list->item : &b,
                      .name = arena_array(r->a, str, many ? b.u.list->count + 1 : 1),
                      .count = many ? b.u.list->count : 1};
        return jinja_filter(r, STR("format"), a, &args);
    }
    if (!jv_is_number(a) || !jv_is_number(b))
        jinja_fail(r, "unsupported operand type(s) for %.*s: '%s' and '%s'", STR_ARG(op), jv_type(a), jv_type(b));
    const bool real = a.kind == V_FLOAT || b.kind == V_FLOAT;
    const double x = real_of(a), y = real_of(b);
    if ((o == '/' || o == '%') && y == 0) jinja_fail(r, "division by zero");
    if (o == '*' && two) {
        if (!real && whole_of(b) >= 0) {
            int64_t p = 1;
            for (int64_t i = 0; i < whole_of(b); i++) {
                jinja_burn(r, 1);
                p = (int64_t)((uint64_t)p * (uint64_t)whole_of(a));
            }
            return jv_int(p);
        }
        return jv_real(pow(x, y));
    }
    if (o == '-') return real ? jv_real(x - y) : jv_int((int64_t)((uint64_t)whole_of(a) - (uint64_t)whole_of(b)));
    if (o == '*') return real ? jv_real(x * y) : jv_int((int64_t)((uint64_t)whole_of(a) * (uint64_t)whole_of(b)));
    if (o == '/' && !two) return jv_real(x / y);
    if (!real && whole_of(b) == -1) return jv_int(o == '/' ? (int64_t)(0 - (uint64_t)whole_of(a)) : 0);
    if (o == '/') return real ? jv_real(floor(x / y)) : jv_int(floor_div(whole_of(a), whole_of(b)));
    return real ? jv_real(x - floor(x / y) * y) : jv_int(whole_of(a) - floor_div(whole_of(a), whole_of(b)) * whole_of(b));
}

static bool holds(run *r, str op, jvalue a, jvalue b) {
    if (str_is(op, "==")) return jv_equal(a, b);
    if (str_is(op, "!=")) return !jv_equal(a, b);
    if (str_is(op, "in")) return jv_contains(r, b, a);
    if (str_is(op, "not in")) return !jv_contains(r, b, a);
    refuse_undefined(r, a);
    refuse_undefined(r, b);
    const int c = jv_compare(r, a, b);
    return op.ptr[0] == '<' ? (op.len == 2 ? c <= 0 : c < 0) : op.len == 2 ? c >= 0 : c > 0;
}

/* ---- calls ---------------------------------------------------------------------------------------------------------------------------- */

static void add_argument(run *r, jargs *out, int *room, jvalue v, str name) {
    if (out->count == *room) {
        *room = 2 * *room + 4;
        jvalue *item = arena_array(r->a, jvalue, *room);
        str *names = arena_array(r->a, str, *room);
        if (out->count) memcpy(item, out->item, (size_t)out->count * sizeof *item);
        if (out->count) memcpy(names, out->name, (size_t)out->count * sizeof *names);
        out->item = item;
        out->name = names;
    }
    out->item[out->count] = v;
    out->name[out->count++] = name;
}

static void spread_dict(run *r, jargs *out, int *room, jvalue v) {
    if (v.kind != V_DICT) jinja_fail(r, "argument after ** must be a mapping, not %s", jv_type(v));
    for (int i = 0; i < v.u.dict->count; i++) add_argument(r, out, room, v.u.dict->value[i], jv_string(r, v.u.dict->key[i]));
}

static void eval_arguments(run *r, frame *f, const jnode *n, jargs *out) {
    int room = n->count;
    *out = (jargs){arena_array(r->a, jvalue, room + 1), arena_array(r->a, str, room + 1), 0};
    for (int i = 0; i < n->count; i++) {
        const jvalue v = eval(r, f, n->list[i]);
        if (str_is(n->names[i], "*")) {
            const jlist *l = jv_iterate(r, v);
            for (int k = 0; k < l->count; k++) add_argument(r, out, &room, l->item[k], (str){NULL, 0});
        } else if (str_is(n->names[i], "**")) spread_dict(r, out, &room, v);
        else add_argument(r, out, &room, v, n->names[i]);
    }
}

static jvalue captured(run *r, frame *f, const jnode *body) {
    buf *out = jinja_buf(r), *before = r->text;
    r->text = out;
    r->mute++;
    execute(r, f, body);
    r->mute--;
    r->text = before;
    return jv_of_buf(r, out);
}

static bool is_parameter(const jnode *macro, str name) {
    for (int i = 0; i < macro->count; i++)
        if (str_eq(macro->names[i], name)) return true;
    return false;
}

/* What a macro was given beyond its parameters. */
static void put_rest(run *r, frame *inner, const jnode *macro, const jargs *args) {
    const jvalue places = jv_list(r, true), names = jv_dict(r);
    int place = 0;
    for (int k = 0; k < args->count; k++) {
        if (!args->name[k].len && place++ >= macro->count) jv_append(r, places, args->item[k]);
        else if (args->name[k].len && !is_parameter(macro, args->name[k]))
            jv_put(r, names.u.dict, jv_text(args->name[k]), args->item[k]);
    }
    jv_put(r, &inner->vars, jv_text(STR("varargs")), places);
    jv_put(r, &inner->vars, jv_text(STR("kwargs")), names);
}

static jvalue call_macro(run *r, const jfunction *fn, const jargs *args) {
    frame inner = {.up = fn->frame};
    const jnode *m = fn->macro;
    int place = 0;
    put_rest(r, &inner, m, args);
    for (int i = 0; i < m->count; i++) {
        jvalue v = jv_undefined(m->names[i]);
        bool given = false;
        for (int k = 0; k < args->count && !given; k++)
            if (args->name[k].len ? str_eq(args->name[k], m->names[i]) : false) v = args->item[k], given = true;
        while (!given && place < args->count && args->name[place].len) place++;
        if (!given && place < args->count) v = args->item[place++], given = true;
        if (!given && m->list[i]) v = eval(r, &inner, m->list[i]);
        jv_put(r, &inner.vars, jv_text(m->names[i]), v);
    }
    if (fn->caller) jv_put(r, &inner.vars, jv_text(STR("caller")), *fn->caller);
    return captured(r, &inner, m->a);
}

static jvalue macro_value(run *r, frame *f, const jnode *n) {
    jfunction *fn = arena_new_of(r->a, jfunction);
    /* the frame outlives this call only for macros set at the top; inner ones are used inside their frame */
    *fn = (jfunction){.call = call_macro, .name = n->name.len ? str_copy(r->a, n->name) : "caller", .macro = n, .frame = f};
    return (jvalue){V_FUNCTION, {.function = fn}};
}

jvalue jinja_call(run *r, jvalue f, const jargs *args) {
    refuse_undefined(r, f);
    if (f.kind != V_FUNCTION) jinja_fail(r, "'%s' object is not callable", jv_type(f));
    enter(r);
    const jvalue v = f.u.function->call(r, f.u.function, args);
    r->depth--;
    return v;
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------------------ */

static jvalue slice(run *r, frame *f, const jnode *n, jvalue v) {
    refuse_undefined(r, v);
    const jlist *l = jv_iterate(r, v);
    const jvalue b = n->b ? eval(r, f, n->b) : jv_none(), e = n->c ? eval(r, f, n->c) : jv_none(),
                 s = n->d ? eval(r, f, n->d) : jv_none();
    const int64_t step = s.kind == V_INT ? s.u.integer : 1, count = l->count;
    if (step == 0) jinja_fail(r, "slice step cannot be zero");
    int64_t from = b.kind == V_INT ? index_of(b, count)
                   : step > 0      ? 0
                                   : count - 1,
            to = e.kind == V_INT ? index_of(e, count)
                 : step > 0      ? count
                                 : -1;
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
    from = from < low ? low : from > high ? high : from;
    if (e.kind == V_INT) to = to < low ? low : to > high ? high : to;
    const jvalue out = jv_list(r, v.kind == V_LIST && v.u.list->tuple);
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) jv_append(r, out, l->item[i]);
    if (v.kind != V_STRING) return out;
    buf *text = jinja_buf(r);
    for (int i = 0; i < out.u.list->count; i++) buf_put_str(text, out.u.list->item[i].u.text);
    return jv_of_buf(r, text);
}

static jvalue eval_items(run *r, frame *f, const jnode *n) {
    const jvalue l = jv_list(r, n->kind == N_TUPLE);
    for (int i = 0; i < n->count; i++) jv_append(r, l, eval(r, f, n->list[i]));
    return l;
}

static jvalue eval_dict(run *r, frame *f, const jnode *n) {
    const jvalue d = jv_dict(r);
    for (int i = 0; i + 1 < n->count; i += 2) {
        const jvalue key = eval(r, f, n->list[i]);
        jv_put(r, d.u.dict, key, eval(r, f, n->list[i + 1]));
    }
    return d;
}

static jvalue subscript(run *r, jvalue v, jvalue key) {
    jvalue out;
    refuse_undefined(r, v);
    if (item_of(r, v, key, &out)) return out;
    if (key.kind == V_STRING) return jinja_attribute(r, v, key.u.text, true);
    return jv_undefined(STR("item"));
}

static jvalue compare_chain(run *r, frame *f, const jnode *n) {
    jvalue left = eval(r, f, n->a);
    for (int i = 0; i < n->count; i++) {
        const jvalue right = eval(r, f, n->list[i]);
        if (!holds(r, n->names[i], left, right)) return jv_bool(false);
        left = right;
    }
    return jv_bool(true);
}

static jvalue unary(run *r, str op, jvalue v) {
    refuse_undefined(r, v);
    if (!jv_is_number(v)) jinja_fail(r, "bad operand type for unary %.*s: '%s'", STR_ARG(op), jv_type(v));
    if (op.ptr[0] == '+') return v.kind == V_BOOL ? jv_int(v.u.boolean) : v;
    return v.kind == V_FLOAT ? jv_real(-v.u.real) : jv_int((int64_t)(0 - (uint64_t)whole_of(v)));
}

static jvalue joined(run *r, jvalue a, jvalue b) {
    buf *out = jinja_buf(r);
    jv_str(r, out, a);
    jv_str(r, out, b);
    return jv_of_buf(r, out);
}

static jvalue eval_node(run *r, frame *f, const jnode *n) {
    jargs args;
    jvalue v;
    switch (n->kind) {
    case N_LITERAL: return *n->value;
    case N_NAME: return look_up(r, f, n->name);
    case N_LIST:
    case N_TUPLE: return eval_items(r, f, n);
    case N_DICT: return eval_dict(r, f, n);
    case N_ATTRIBUTE: return jinja_attribute(r, eval(r, f, n->a), n->name, false);
    case N_ITEM: v = eval(r, f, n->a); return subscript(r, v, eval(r, f, n->b));
    case N_SLICE: return slice(r, f, n, eval(r, f, n->a));
    case N_CALL:
        v = eval(r, f, n->a);
        if (v.kind == V_DICT && v.u.dict->namespace && jv_get(v.u.dict, jv_text(STR("()")))) /* loop(...) goes deeper */
            v = *jv_get(v.u.dict, jv_text(STR("()")));
        eval_arguments(r, f, n, &args);
        return jinja_call(r, v, &args);
    case N_FILTER:
        v = n->a ? eval(r, f, n->a) : jv_none();
        eval_arguments(r, f, n, &args);
        return jinja_filter(r, n->name, v, &args);
    case N_TEST:
        v = eval(r, f, n->a);
        eval_arguments(r, f, n, &args);
        return jv_bool(jinja_test(r, n->name, v, &args) != n->flag);
    case N_UNARY: return unary(r, n->name, eval(r, f, n->a));
    case N_BINARY:
        v = eval(r, f, n->a);
        return str_is(n->name, "~") ? joined(r, v, eval(r, f, n->b)) : arithmetic(r, n->name, v, eval(r, f, n->b));
    case N_COMPARE: return compare_chain(r, f, n);
    case N_AND: v = eval(r, f, n->a); return jv_truth(v) ? eval(r, f, n->b) : v;
    case N_OR: v = eval(r, f, n->a); return jv_truth(v) ? v : eval(r, f, n->b);
    case N_NOT: return jv_bool(!jv_truth(eval(r, f, n->a)));
    case N_IF:
        return jv_truth(eval(r, f, n->a)) ? eval(r, f, n->b)
               : n->c                     ? eval(r, f, n->c)
                                          : jv_undefined(STR("the inline if without else"));
    default: bug("node %d is no expression", (int)n->kind);
    }
}

static jvalue eval(run *r, frame *f, const jnode *n) {
    enter(r);
    r->line = n->line;
    const jvalue v = eval_node(r, f, n);
    r->depth--;
    return v;
}

/* ---- statements -------------------------------------------------------------------------------------------------------------------------- */

static void assign(run *r, frame *f, const jnode *target, jvalue v) {
    if (target->kind == N_NAME) jv_put(r, &f->vars, jv_text(target->name), v);
    else if (target->kind == N_ATTRIBUTE) {
        const jvalue of = eval(r, f, target->a);
        if (of.kind != V_DICT || !of.u.dict->namespace) jinja_fail(r, "cannot assign attribute on non-namespace object");
        jv_put(r, of.u.dict, jv_text(target->name), v);
    } else {
        const jlist *l = jv_iterate(r, v);
        if (l->count != target->count)
            jinja_fail(r, "%s values to unpack (expected %d, got %d)", l->count < target->count ? "not enough" : "too many",
                       target->count, l->count);
        for (int i = 0; i < target->count; i++) assign(r, f, target->list[i], l->item[i]);
    }
}

typedef struct {
    const jnode *n;
    frame *f;
    int depth;
} recursion;

static flow loop_over(run *r, frame *f, const jnode *n, jvalue over, int depth);

static jvalue call_loop(run *r, const jfunction *fn, const jargs *args) {
    const recursion *rec = (const recursion *)(const void *)fn->self;
    buf *out = jinja_buf(r), *before = r->text;
    r->text = out;
    r->mute++;
    loop_over(r, rec->f, rec->n, args->count ? args->item[0] : jv_undefined(STR("argument")), rec->depth + 1);
    r->mute--;
    r->text = before;
    return jv_of_buf(r, out);
}

static jvalue call_cycle(run *r, const jfunction *fn, const jargs *args) {
    if (!args->count) jinja_fail(r, "no items for cycling given");
    return args->item[fn->self->u.integer % args->count];
}

static jvalue call_changed(run *r, const jfunction *fn, const jargs *args) {
    const jvalue now = jv_list(r, false);
    for (int i = 0; i < args->count; i++) jv_append(r, now, args->item[i]);
    const bool same = fn->self->kind == V_LIST && jv_equal(*fn->self, now);
    *fn->self = now;
    return jv_bool(!same);
}

static jvalue with_self(run *r, const char *name, jvalue (*call)(run *, const jfunction *, const jargs *), jvalue *self) {
    jvalue v = jinja_function(r, name, call);
    v.u.function->self = self;
    return v;
}

/* The variable `loop` of one turn. */
static jvalue loop_value(run *r, const jlist *l, int i, int depth, jvalue *last, frame *f, const jnode *n) {
    const jvalue d = jv_dict(r);
    jdict *v = d.u.dict;
    v->namespace = true;
    jvalue *index = arena_new_of(r->a, jvalue);
    *index = jv_int(i);
#define SET(name, value) jv_put(r, v, jv_text(STR(name)), value)
    SET("index", jv_int(i + 1));
    SET("index0", jv_int(i));
    SET("revindex", jv_int(l->count - i));
    SET("revindex0", jv_int(l->count - i - 1));
    SET("first", jv_bool(i == 0));
    SET("last", jv_bool(i == l->count - 1));
    SET("length", jv_int(l->count));
    SET("depth", jv_int(depth + 1));
    SET("depth0", jv_int(depth));
    SET("previtem", i ? l->item[i - 1] : jv_undefined(STR("there is no previous item")));
    SET("nextitem", i + 1 < l->count ? l->item[i + 1] : jv_undefined(STR("there is no next item")));
    SET("cycle", with_self(r, "cycle", call_cycle, index));
    SET("changed", with_self(r, "changed", call_changed, last));
#undef SET
    if (!n->flag) return d;
    recursion *rec = arena_new_of(r->a, recursion);
    *rec = (recursion){n, f, depth};
    jv_put(r, v, jv_text(STR("()")), with_self(r, "loop", call_loop, (jvalue *)(void *)rec));
    return d;
}

static flow loop_over(run *r, frame *f, const jnode *n, jvalue over, int depth) {
    const jlist *all = jv_iterate(r, over);
    const jvalue kept = jv_list(r, false);
    jvalue *last = arena_new_of(r->a, jvalue);
    for (int i = 0; i < all->count; i++) {
        frame test = {.up = f};
        if (n->d) {
            assign(r, &test, n->a, all->item[i]);
            if (!jv_truth(eval(r, &test, n->d))) continue;
        }
        jv_append(r, kept, all->item[i]);
    }
    const jlist *l = kept.u.list;
    if (!l->count && n->c) return execute(r, f, n->c);
    for (int i = 0; i < l->count; i++) {
        frame *inner = arena_new_of(r->a, frame);
        inner->up = f;
        jvalue loop = loop_value(r, l, i, depth, last, f, n);
        jv_put(r, &inner->vars, jv_text(STR("loop")), loop);
        assign(r, inner, n->a, l->item[i]);
        if (execute(r, inner, n->list[0]) == BREAK) break;
    }
    return GO_ON;
}

static void execute_call(run *r, frame *f, const jnode *n) {
    jargs args;
    jvalue *caller = arena_new_of(r->a, jvalue);
    const jvalue fn = eval(r, f, n->b->a);
    *caller = macro_value(r, f, n);
    eval_arguments(r, f, n->b, &args);
    if (fn.kind != V_FUNCTION) jinja_fail(r, "'%s' object is not callable", jv_type(fn));
    jfunction with = *fn.u.function;
    with.caller = caller;
    jv_str(r, r->text, jinja_call(r, (jvalue){V_FUNCTION, {.function = &with}}, &args));
}

/* Filters of a block: the innermost takes the captured text. */
static jvalue through_filters(run *r, frame *f, const jnode *filter, jvalue text) {
    jargs args;
    const jvalue v = filter->a ? through_filters(r, f, filter->a, text) : text;
    eval_arguments(r, f, filter, &args);
    return jinja_filter(r, filter->name, v, &args);
}

static void note_generation(run *r, size_t begin, size_t end) {
    if (r->mute || end <= begin) return;
    if (r->ranges == r->range_room) {
        r->range_room = r->range_room ? 2 * r->range_room : 16;
        jinja_range *grown = arena_array(r->a, jinja_range, r->range_room);
        if (r->ranges) memcpy(grown, r->range, (size_t)r->ranges * sizeof *grown);
        r->range = grown;
    }
    r->range[r->ranges++] = (jinja_range){begin, end};
}

static flow execute_block(run *r, frame *f, const jnode *n) {
    for (int i = 0; i < n->count; i++) {
        const flow way = execute(r, f, n->list[i]);
        if (way != GO_ON) return way;
    }
    return GO_ON;
}

static flow execute_node(run *r, frame *f, const jnode *n) {
    flow way;
    switch (n->kind) {
    case S_BLOCK: return execute_block(r, f, n);
    case S_TEXT: buf_put_str(r->text, n->name); break;
    case S_PRINT: jv_str(r, r->text, eval(r, f, n->a)); break;
    case S_IF: return jv_truth(eval(r, f, n->a)) ? execute(r, f, n->b) : n->c ? execute(r, f, n->c) : GO_ON;
    case S_FOR: return loop_over(r, f, n, eval(r, f, n->b), 0);
    case S_SET: assign(r, f, n->a, eval(r, f, n->b)); break;
    case S_SETBLOCK: {
        frame inner = {.up = f};
        const jvalue v = captured(r, &inner, n->b);
        assign(r, f, n->a, n->c ? through_filters(r, f, n->c, v) : v);
        break;
    }
    case S_MACRO: jv_put(r, &f->vars, jv_text(n->name), macro_value(r, f, n)); break;
    case S_CALL: execute_call(r, f, n); break;
    case S_FILTER: jv_str(r, r->text, through_filters(r, f, n->a, captured(r, f, n->b))); break;
    case S_WITH: {
        frame *inner = arena_new_of(r->a, frame);
        inner->up = f;
        for (int i = 0; i < n->count; i++) jv_put(r, &inner->vars, jv_text(n->names[i]), eval(r, f, n->list[i]));
        return execute(r, inner, n->a);
    }
    case S_GENERATION: {
        const size_t begin = r->text->len;
        way = execute(r, f, n->a);
        note_generation(r, begin, r->text->len);
        return way;
    }
    case S_BREAK: return BREAK;
    case S_CONTINUE: return CONTINUE;
    default: bug("node %d is no statement", (int)n->kind);
    }
    return GO_ON;
}

static flow execute(run *r, frame *f, const jnode *n) {
    enter(r);
    r->line = n->line;
    const flow way = execute_node(r, f, n);
    if (r->text->len > r->output_max) jinja_fail(r, "the template makes more than %zu bytes of text", r->output_max);
    r->depth--;
    return way;
}

bool jinja_render(const jinja *j, const json *globals, const jinja_limits *limits, arena *a, jinja_output *out, err *e) {
    static const jinja_limits none = {0};
    if (!limits) limits = &none;
    arena *scratch = arena_new();
    run *r = arena_new_of(scratch, run);
    *out = (jinja_output){0};
    *r = (run){.a = scratch,
               .e = e,
               .fuel = limits->fuel ? limits->fuel : 20000000,
               .output_max = limits->output ? limits->output : 64u << 20,
               .depth_max = limits->depth ? limits->depth : 200,
               .text = &out->text};
    frame *top = arena_new_of(scratch, frame);
    r->top = top;
    const bool ok = setjmp(r->out) == 0;
    if (ok) {
        json_member m = {0};
        while (globals && json_next(globals, &m)) jv_put(r, &top->vars, jv_copy_text(r, str_of(m.key)), jv_of_json(r, m.value));
        execute(r, top, j->root);
        out->ranges = r->ranges;
        out->range = arena_array(a, jinja_range, r->ranges + 1);
        if (r->ranges) memcpy(out->range, r->range, (size_t)r->ranges * sizeof *out->range);
    } else buf_free(&out->text);
    arena_free(scratch);
    return ok;
}
