/* jinja_execute.c - running a template: statements, loops and scopes, and the frame of a whole rendering. */
#include <string.h>

#include "text/jinja_parts.h"

static void assign(run *r, frame *f, const jnode *target, jvalue v) {
    if (target->kind == N_NAME) jv_put(r, &f->vars, jv_text(target->name), v);
    else if (target->kind == N_ATTRIBUTE) {
        const jvalue of = jinja_eval(r, f, target->a);
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
    SET("cycle", jinja_bound(r, "cycle", call_cycle, index));
    SET("changed", jinja_bound(r, "changed", call_changed, last));
#undef SET
    if (!n->flag) return d;
    recursion *rec = arena_new_of(r->a, recursion);
    *rec = (recursion){n, f, depth};
    jv_put(r, v, jv_text(STR("()")), jinja_bound(r, "loop", call_loop, (jvalue *)(void *)rec));
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
            if (!jv_truth(jinja_eval(r, &test, n->d))) continue;
        }
        jv_append(r, kept, all->item[i]);
    }
    const jlist *l = kept.u.list;
    if (!l->count && n->c) return jinja_execute(r, f, n->c);
    for (int i = 0; i < l->count; i++) {
        frame *inner = arena_new_of(r->a, frame);
        inner->up = f;
        jvalue loop = loop_value(r, l, i, depth, last, f, n);
        jv_put(r, &inner->vars, jv_text(STR("loop")), loop);
        assign(r, inner, n->a, l->item[i]);
        if (jinja_execute(r, inner, n->list[0]) == BREAK) break;
    }
    return GO_ON;
}

static void execute_call(run *r, frame *f, const jnode *n) {
    jargs args;
    jvalue *caller = arena_new_of(r->a, jvalue);
    const jvalue fn = jinja_eval(r, f, n->b->a);
    *caller = jinja_macro(r, f, n);
    jinja_eval_arguments(r, f, n->b, &args);
    if (fn.kind != V_FUNCTION) jinja_fail(r, "'%s' object is not callable", jv_type(fn));
    jfunction with = *fn.u.function;
    with.caller = caller;
    jv_str(r, r->text, jinja_call(r, (jvalue){.kind = V_FUNCTION, .u.function = &with}, &args));
}

/* Filters of a block: the innermost takes the captured text. */
static jvalue through_filters(run *r, frame *f, const jnode *filter, jvalue text) {
    jargs args;
    const jvalue v = filter->a ? through_filters(r, f, filter->a, text) : text;
    jinja_eval_arguments(r, f, filter, &args);
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
        const flow way = jinja_execute(r, f, n->list[i]);
        if (way != GO_ON) return way;
    }
    return GO_ON;
}

static flow execute_node(run *r, frame *f, const jnode *n) {
    flow way;
    switch (n->kind) {
    case S_BLOCK: return execute_block(r, f, n);
    case S_TEXT: buf_put_str(r->text, n->name); break;
    case S_PRINT: jv_str(r, r->text, jinja_eval(r, f, n->a)); break;
    case S_IF: return jv_truth(jinja_eval(r, f, n->a)) ? jinja_execute(r, f, n->b) : n->c ? jinja_execute(r, f, n->c) : GO_ON;
    case S_FOR: return loop_over(r, f, n, jinja_eval(r, f, n->b), 0);
    case S_SET: assign(r, f, n->a, jinja_eval(r, f, n->b)); break;
    case S_SETBLOCK: {
        frame inner = {.up = f};
        const jvalue v = jinja_captured(r, &inner, n->b);
        assign(r, f, n->a, n->c ? through_filters(r, f, n->c, v) : v);
        break;
    }
    case S_MACRO: jv_put(r, &f->vars, jv_text(n->name), jinja_macro(r, f, n)); break;
    case S_CALL: execute_call(r, f, n); break;
    case S_FILTER: jv_str(r, r->text, through_filters(r, f, n->a, jinja_captured(r, f, n->b))); break;
    case S_WITH: {
        frame *inner = arena_new_of(r->a, frame);
        inner->up = f;
        for (int i = 0; i < n->count; i++) jv_put(r, &inner->vars, jv_text(n->names[i]), jinja_eval(r, f, n->list[i]));
        return jinja_execute(r, inner, n->a);
    }
    case S_GENERATION: {
        const size_t begin = r->text->len;
        way = jinja_execute(r, f, n->a);
        note_generation(r, begin, r->text->len);
        return way;
    }
    case S_BREAK: return BREAK;
    case S_CONTINUE: return CONTINUE;
    default: bug("node %d is no statement", (int)n->kind);
    }
    return GO_ON;
}

flow jinja_execute(run *r, frame *f, const jnode *n) {
    jinja_enter(r);
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
        jinja_execute(r, top, j->root);
        out->ranges = r->ranges;
        out->range = arena_array(a, jinja_range, r->ranges + 1);
        if (r->ranges) memcpy(out->range, r->range, (size_t)r->ranges * sizeof *out->range);
    } else buf_free(&out->text);
    arena_free(scratch);
    return ok;
}
