/* jinja_eval.c - running a template: the values of expressions, calls and macros. An error unwinds to jinja_render at once. */
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

void jinja_enter(run *r) {
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

void jinja_refuse_undefined(run *r, jvalue v) {
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
        *out = jv_marked(l->item[i], v.kind == V_STRING ? v.markup : l->item[i].markup);
        return true;
    }
    return false;
}

jvalue jinja_attribute(run *r, jvalue v, str name, bool item_first) {
    jvalue out;
    jinja_refuse_undefined(r, v);
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

static jvalue add(run *r, jvalue a, jvalue b) {
    if (a.kind == V_STRING && b.kind == V_STRING) {
        const bool markup = a.markup || b.markup; /* what stands beside markup is escaped */
        if (markup) a = jinja_escape(r, a), b = jinja_escape(r, b);
        buf *out = jinja_buf(r);
        buf_put_str(out, a.u.text);
        buf_put_str(out, b.u.text);
        return jv_marked(jv_of_buf(r, out), markup);
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
    if (a.kind == V_FLOAT || b.kind == V_FLOAT) return jv_real(jv_real_of(a) + jv_real_of(b));
    return jv_int((int64_t)((uint64_t)jv_whole_of(a) + (uint64_t)jv_whole_of(b)));
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
    return v.kind == V_STRING ? jv_marked(jv_of_buf(r, out), v.markup) : l;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static jvalue arithmetic(run *r, str op, jvalue a, jvalue b) {
    jinja_refuse_undefined(r, a);
    jinja_refuse_undefined(r, b);
    const char o = op.ptr[0];
    const bool two = op.len == 2;
    if (o == '+') return add(r, a, b);
    if (o == '*' && !two && (a.kind == V_STRING || a.kind == V_LIST) && (b.kind == V_INT || b.kind == V_BOOL))
        return repeat(r, a, jv_whole_of(b));
    if (o == '*' && !two && (b.kind == V_STRING || b.kind == V_LIST) && (a.kind == V_INT || a.kind == V_BOOL))
        return repeat(r, b, jv_whole_of(a));
    if (o == '%' && a.kind == V_STRING) {
        const bool many = b.kind == V_LIST && b.u.list->tuple;
        const jargs args = {.item = many ? b.u.list->item : &b,
                            .name = arena_array(r->a, str, many ? b.u.list->count + 1 : 1),
                            .count = many ? b.u.list->count : 1};
        return jinja_percent(r, a, &args);
    }
    if (!jv_is_number(a) || !jv_is_number(b))
        jinja_fail(r, "unsupported operand type(s) for %.*s: '%s' and '%s'", STR_ARG(op), jv_type(a), jv_type(b));
    const bool real = a.kind == V_FLOAT || b.kind == V_FLOAT;
    const double x = jv_real_of(a), y = jv_real_of(b);
    if ((o == '/' || o == '%') && y == 0) jinja_fail(r, "division by zero");
    if (o == '*' && two) {
        if (!real && jv_whole_of(b) >= 0) {
            int64_t p = 1;
            for (int64_t i = 0; i < jv_whole_of(b); i++) {
                jinja_burn(r, 1);
                p = (int64_t)((uint64_t)p * (uint64_t)jv_whole_of(a));
            }
            return jv_int(p);
        }
        return jv_real(pow(x, y));
    }
    if (o == '-') return real ? jv_real(x - y) : jv_int((int64_t)((uint64_t)jv_whole_of(a) - (uint64_t)jv_whole_of(b)));
    if (o == '*') return real ? jv_real(x * y) : jv_int((int64_t)((uint64_t)jv_whole_of(a) * (uint64_t)jv_whole_of(b)));
    if (o == '/' && !two) return jv_real(x / y);
    if (!real && jv_whole_of(b) == -1) return jv_int(o == '/' ? (int64_t)(0 - (uint64_t)jv_whole_of(a)) : 0);
    if (o == '/') return real ? jv_real(floor(x / y)) : jv_int(floor_div(jv_whole_of(a), jv_whole_of(b)));
    return real ? jv_real(x - floor(x / y) * y)
                : jv_int(jv_whole_of(a) - floor_div(jv_whole_of(a), jv_whole_of(b)) * jv_whole_of(b));
}

static bool holds(run *r, str op, jvalue a, jvalue b) {
    if (str_is(op, "==")) return jv_equal(a, b);
    if (str_is(op, "!=")) return !jv_equal(a, b);
    if (str_is(op, "in")) return jv_contains(r, b, a);
    if (str_is(op, "not in")) return !jv_contains(r, b, a);
    jinja_refuse_undefined(r, a);
    jinja_refuse_undefined(r, b);
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

void jinja_eval_arguments(run *r, frame *f, const jnode *n, jargs *out) {
    int room = n->count;
    *out = (jargs){arena_array(r->a, jvalue, room + 1), arena_array(r->a, str, room + 1), 0};
    for (int i = 0; i < n->count; i++) {
        const jvalue v = jinja_eval(r, f, n->list[i]);
        if (str_is(n->names[i], "*")) {
            const jlist *l = jv_iterate(r, v);
            for (int k = 0; k < l->count; k++) add_argument(r, out, &room, l->item[k], (str){NULL, 0});
        } else if (str_is(n->names[i], "**")) spread_dict(r, out, &room, v);
        else add_argument(r, out, &room, v, n->names[i]);
    }
}

jvalue jinja_captured(run *r, frame *f, const jnode *body) {
    buf *out = jinja_buf(r), *before = r->text;
    r->text = out;
    r->mute++;
    jinja_execute(r, f, body);
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
        if (!given && m->list[i]) v = jinja_eval(r, &inner, m->list[i]);
        jv_put(r, &inner.vars, jv_text(m->names[i]), v);
    }
    if (fn->caller) jv_put(r, &inner.vars, jv_text(STR("caller")), *fn->caller);
    return jinja_captured(r, &inner, m->a);
}

jvalue jinja_macro(run *r, frame *f, const jnode *n) {
    jfunction *fn = arena_new_of(r->a, jfunction);
    /* the frame outlives this call only for macros set at the top; inner ones are used inside their frame */
    *fn = (jfunction){.call = call_macro, .name = n->name.len ? str_copy(r->a, n->name) : "caller", .macro = n, .frame = f};
    return (jvalue){.kind = V_FUNCTION, .u.function = fn};
}

jvalue jinja_call(run *r, jvalue f, const jargs *args) {
    jinja_refuse_undefined(r, f);
    if (f.kind != V_FUNCTION) jinja_fail(r, "'%s' object is not callable", jv_type(f));
    jinja_enter(r);
    const jvalue v = f.u.function->call(r, f.u.function, args);
    r->depth--;
    return v;
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------------------ */

static jvalue slice(run *r, frame *f, const jnode *n, jvalue v) {
    jinja_refuse_undefined(r, v);
    const jlist *l = jv_iterate(r, v);
    const jvalue b = n->b ? jinja_eval(r, f, n->b) : jv_none(), e = n->c ? jinja_eval(r, f, n->c) : jv_none(),
                 s = n->d ? jinja_eval(r, f, n->d) : jv_none();
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
    return jv_marked(jv_of_buf(r, text), v.markup);
}

static jvalue eval_items(run *r, frame *f, const jnode *n) {
    const jvalue l = jv_list(r, n->kind == N_TUPLE);
    for (int i = 0; i < n->count; i++) jv_append(r, l, jinja_eval(r, f, n->list[i]));
    return l;
}

static jvalue eval_dict(run *r, frame *f, const jnode *n) {
    const jvalue d = jv_dict(r);
    for (int i = 0; i + 1 < n->count; i += 2) {
        const jvalue key = jinja_eval(r, f, n->list[i]);
        jv_put(r, d.u.dict, key, jinja_eval(r, f, n->list[i + 1]));
    }
    return d;
}

static jvalue subscript(run *r, jvalue v, jvalue key) {
    jvalue out;
    jinja_refuse_undefined(r, v);
    if (item_of(r, v, key, &out)) return out;
    if (key.kind == V_STRING) return jinja_attribute(r, v, key.u.text, true);
    return jv_undefined(STR("item"));
}

static jvalue compare_chain(run *r, frame *f, const jnode *n) {
    jvalue left = jinja_eval(r, f, n->a);
    for (int i = 0; i < n->count; i++) {
        const jvalue right = jinja_eval(r, f, n->list[i]);
        if (!holds(r, n->names[i], left, right)) return jv_bool(false);
        left = right;
    }
    return jv_bool(true);
}

static jvalue unary(run *r, str op, jvalue v) {
    jinja_refuse_undefined(r, v);
    if (!jv_is_number(v)) jinja_fail(r, "bad operand type for unary %.*s: '%s'", STR_ARG(op), jv_type(v));
    if (op.ptr[0] == '+') return v.kind == V_BOOL ? jv_int(v.u.boolean) : v;
    return v.kind == V_FLOAT ? jv_real(-v.u.real) : jv_int((int64_t)(0 - (uint64_t)jv_whole_of(v)));
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
    case N_ATTRIBUTE: return jinja_attribute(r, jinja_eval(r, f, n->a), n->name, false);
    case N_ITEM: v = jinja_eval(r, f, n->a); return subscript(r, v, jinja_eval(r, f, n->b));
    case N_SLICE: return slice(r, f, n, jinja_eval(r, f, n->a));
    case N_CALL:
        v = jinja_eval(r, f, n->a);
        if (v.kind == V_DICT && v.u.dict->namespace && jv_get(v.u.dict, jv_text(STR("()")))) /* loop(...) goes deeper */
            v = *jv_get(v.u.dict, jv_text(STR("()")));
        jinja_eval_arguments(r, f, n, &args);
        return jinja_call(r, v, &args);
    case N_FILTER:
        v = n->a ? jinja_eval(r, f, n->a) : jv_none();
        jinja_eval_arguments(r, f, n, &args);
        return jinja_filter(r, n->name, v, &args);
    case N_TEST:
        v = jinja_eval(r, f, n->a);
        jinja_eval_arguments(r, f, n, &args);
        return jv_bool(jinja_test(r, n->name, v, &args) != n->flag);
    case N_UNARY: return unary(r, n->name, jinja_eval(r, f, n->a));
    case N_BINARY:
        v = jinja_eval(r, f, n->a);
        return str_is(n->name, "~") ? joined(r, v, jinja_eval(r, f, n->b)) : arithmetic(r, n->name, v, jinja_eval(r, f, n->b));
    case N_COMPARE: return compare_chain(r, f, n);
    case N_AND: v = jinja_eval(r, f, n->a); return jv_truth(v) ? jinja_eval(r, f, n->b) : v;
    case N_OR: v = jinja_eval(r, f, n->a); return jv_truth(v) ? v : jinja_eval(r, f, n->b);
    case N_NOT: return jv_bool(!jv_truth(jinja_eval(r, f, n->a)));
    case N_IF:
        return jv_truth(jinja_eval(r, f, n->a)) ? jinja_eval(r, f, n->b)
               : n->c                           ? jinja_eval(r, f, n->c)
                                                : jv_undefined(STR("the inline if without else"));
    default: bug("node %d is no expression", (int)n->kind);
    }
}

jvalue jinja_eval(run *r, frame *f, const jnode *n) {
    jinja_enter(r);
    r->line = n->line;
    const jvalue v = eval_node(r, f, n);
    r->depth--;
    return v;
}
