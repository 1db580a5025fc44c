/* jinja_parse.c - tokens to a syntax tree (the grammar of Jinja2's parser). */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"

enum { NESTING_MAX = 200 };

/* ---- expressions ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    arena *a;
    const token *t;
    int at, depth, loops;
    bool *generation;
    err *e;
} parser;

static jnode *expression(parser *p);
static jnode *unary(parser *p, bool filters);

static const token *peek(const parser *p) { return &p->t[p->at]; }
static bool is_op(const parser *p, const char *op) { return peek(p)->kind == T_OP && str_is(peek(p)->text, op); }
static bool is_name(const parser *p, const char *name) { return peek(p)->kind == T_NAME && str_is(peek(p)->text, name); }
static bool take_op(parser *p, const char *op) { return is_op(p, op) && ++p->at; }
static bool take_name(parser *p, const char *name) { return is_name(p, name) && ++p->at; }

static void *complain(parser *p, const char *wanted) {
    const token *t = peek(p);
    const char *what = t->kind == T_END                            ? "the end of the template"
                       : t->kind == T_ENDTAG || t->kind == T_CLOSE ? "the end of the tag"
                       : t->kind == T_TEXT                         ? "text"
                       : t->kind == T_OPEN || t->kind == T_TAG     ? "a tag"
                                                                   : NULL;
    if (what) return err_null(p->e, ERR_INPUT, "line %d: expected %s, found %s", t->line, wanted, what);
    return err_null(p->e, ERR_INPUT, "line %d: expected %s, found '%.*s'", t->line, wanted, STR_ARG(t->text));
}

static jnode *node_at(parser *p, node_kind kind) {
    jnode *n = arena_new_of(p->a, jnode);
    n->kind = kind;
    n->line = peek(p)->line;
    return n;
}

static void push(parser *p, jnode *n, jnode *item, str name) {
    if ((n->count & (n->count - 1)) == 0) { /* powers of two: grow */
        const int room = n->count ? 2 * n->count : 1;
        jnode **list = arena_array(p->a, jnode *, room);
        str *names = arena_array(p->a, str, room);
        if (n->count) {
            memcpy(list, n->list, (size_t)n->count * sizeof *list);
            memcpy(names, n->names, (size_t)n->count * sizeof *names);
        }
        n->list = list;
        n->names = names;
    }
    n->list[n->count] = item;
    n->names[n->count++] = name;
}

static jnode *literal(parser *p, jvalue v) {
    jnode *n = node_at(p, N_LITERAL);
    n->value = arena_new_of(p->a, jvalue);
    *n->value = v;
    return n;
}

static jnode *binary(parser *p, node_kind kind, const char *op, jnode *a, jnode *b) {
    jnode *n = node_at(p, kind);
    n->name = str_of(op);
    n->a = a;
    n->b = b;
    return a && b ? n : NULL;
}

/* (a, b=c, *list, **dict, ...) behind an open bracket; * and ** stand where a keyword would. */
static bool arguments(parser *p, jnode *n) {
    while (!take_op(p, ")")) {
        str name = {NULL, 0};
        if (n->count && !take_op(p, ",")) return complain(p, "',' or ')'") != NULL;
        if (take_op(p, ")")) break;
        if (take_op(p, "**")) name = STR("**");
        else if (take_op(p, "*")) name = STR("*");
        else if (peek(p)->kind == T_NAME && p->t[p->at + 1].kind == T_OP && str_is(p->t[p->at + 1].text, "=")) {
            name = peek(p)->text;
            p->at += 2;
        }
        jnode *v = expression(p);
        if (!v) return false;
        push(p, n, v, name);
    }
    return true;
}

static jnode *list_until(parser *p, jnode *n, const char *end) {
    while (!take_op(p, end)) {
        if (n->count && !take_op(p, ",")) return complain(p, "',' or the end of the list");
        if (take_op(p, end)) break;
        jnode *v = expression(p);
        if (!v) return NULL;
        push(p, n, v, (str){NULL, 0});
    }
    return n;
}

static jnode *dictionary(parser *p) {
    jnode *n = node_at(p, N_DICT);
    while (!take_op(p, "}")) {
        if (n->count && !take_op(p, ",")) return complain(p, "',' or '}'");
        if (take_op(p, "}")) break;
        jnode *key = expression(p);
        if (!key) return NULL;
        if (!take_op(p, ":")) return complain(p, "':'");
        jnode *v = expression(p);
        if (!v) return NULL;
        push(p, n, key, (str){NULL, 0});
        push(p, n, v, (str){NULL, 0});
    }
    return n;
}

static jnode *bracketed(parser *p) {
    jnode *n = node_at(p, N_TUPLE);
    if (take_op(p, ")")) return n;
    jnode *first = expression(p);
    if (!first) return NULL;
    if (take_op(p, ")")) return first;
    push(p, n, first, (str){NULL, 0});
    return list_until(p, n, ")");
}

static jnode *primary(parser *p) {
    const token *t = peek(p);
    if (t->kind == T_INT) return p->at++, literal(p, (jvalue){V_INT, {.integer = t->number}});
    if (t->kind == T_FLOAT) return p->at++, literal(p, (jvalue){V_FLOAT, {.real = t->real}});
    if (t->kind == T_STRING) {
        buf all = {0};
        for (; peek(p)->kind == T_STRING; p->at++) buf_put_str(&all, peek(p)->text);
        const str kept = {arena_copy(p->a, all.ptr ? all.ptr : "", all.len), all.len};
        buf_free(&all);
        return literal(p, (jvalue){V_STRING, {.text = kept}});
    }
    if (t->kind == T_NAME) {
        p->at++;
        if (str_is(t->text, "true") || str_is(t->text, "True")) return literal(p, (jvalue){V_BOOL, {.boolean = true}});
        if (str_is(t->text, "false") || str_is(t->text, "False")) return literal(p, (jvalue){V_BOOL, {.boolean = false}});
        if (str_is(t->text, "none") || str_is(t->text, "None")) return literal(p, (jvalue){.kind = V_NONE});
        jnode *n = node_at(p, N_NAME);
        n->name = t->text;
        return n;
    }
    if (take_op(p, "[")) return list_until(p, node_at(p, N_LIST), "]");
    if (take_op(p, "{")) return dictionary(p);
    if (take_op(p, "(")) return bracketed(p);
    return complain(p, "a value");
}

/* [a], [a:b:c] behind an open bracket */
static jnode *subscript(parser *p, jnode *of) {
    jnode *part[3] = {0};
    int k = 0;
    bool slice = false;
    while (!take_op(p, "]")) {
        if (take_op(p, ":")) {
            slice = true;
            if (++k > 2) return complain(p, "']'");
        } else if (!(part[k] = expression(p))) return NULL;
    }
    if (!slice && !part[0]) return complain(p, "an index");
    jnode *n = node_at(p, slice ? N_SLICE : N_ITEM);
    n->a = of;
    n->b = part[0];
    n->c = part[1];
    n->d = part[2];
    return n;
}

static jnode *call_of(parser *p, jnode *f) {
    jnode *n = node_at(p, N_CALL);
    n->a = f;
    return arguments(p, n) ? n : NULL;
}

static jnode *postfix(parser *p, jnode *n) {
    while (n) {
        if (take_op(p, ".")) {
            if (peek(p)->kind == T_INT) {
                jnode *i = node_at(p, N_ITEM);
                i->a = n;
                i->b = literal(p, (jvalue){V_INT, {.integer = peek(p)->number}});
                p->at++;
                n = i;
                continue;
            }
            if (peek(p)->kind != T_NAME) return complain(p, "a name behind '.'");
            jnode *i = node_at(p, N_ATTRIBUTE);
            i->a = n;
            i->name = p->t[p->at++].text;
            n = i;
        } else if (take_op(p, "[")) n = subscript(p, n);
        else if (take_op(p, "(")) n = call_of(p, n);
        else return n;
    }
    return NULL;
}

static jnode *one_filter(parser *p, jnode *n) {
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a filter");
    jnode *f = node_at(p, N_FILTER);
    f->a = n;
    f->name = p->t[p->at++].text;
    return !take_op(p, "(") || arguments(p, f) ? f : NULL;
}

static jnode *one_test(parser *p, jnode *n) {
    jnode *t = node_at(p, N_TEST);
    t->a = n;
    t->flag = take_name(p, "not");
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a test");
    t->name = p->t[p->at++].text;
    const token *next = peek(p);
    const bool word = next->kind == T_NAME && !str_is(next->text, "else") && !str_is(next->text, "or") &&
                      !str_is(next->text, "and") && !str_is(next->text, "is") && !str_is(next->text, "if") &&
                      !str_is(next->text, "in") && !str_is(next->text, "not");
    if (take_op(p, "(")) return arguments(p, t) ? t : NULL;
    if (word || next->kind == T_STRING || next->kind == T_INT || next->kind == T_FLOAT || is_op(p, "[") || is_op(p, "{")) {
        jnode *v = postfix(p, primary(p));
        if (!v) return NULL;
        push(p, t, v, (str){NULL, 0});
    }
    return t;
}

static jnode *filters_and_tests(parser *p, jnode *n) {
    while (n) {
        if (take_op(p, "|")) n = one_filter(p, n);
        else if (take_name(p, "is")) n = one_test(p, n);
        else if (take_op(p, "(")) n = call_of(p, n);
        else return n;
    }
    return NULL;
}

static jnode *unary(parser *p, bool filters) {
    jnode *n;
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    if (is_op(p, "-") || is_op(p, "+")) {
        n = node_at(p, N_UNARY);
        n->name = p->t[p->at++].text;
        n->a = unary(p, false);
        if (!n->a) n = NULL;
    } else n = postfix(p, primary(p));
    if (filters) n = filters_and_tests(p, n);
    p->depth--;
    return n;
}

static jnode *power(parser *p) {
    jnode *n = unary(p, true);
    while (n && take_op(p, "**")) n = binary(p, N_BINARY, "**", n, unary(p, true));
    return n;
}

static jnode *products(parser *p) {
    static const char *const ops[] = {"*", "//", "/", "%"};
    jnode *n = power(p);
    for (bool more = true; n && more;) {
        more = false;
        for (int i = 0; i < 4 && n && !more; i++)
            if (take_op(p, ops[i])) {
                n = binary(p, N_BINARY, ops[i], n, power(p));
                more = true;
            }
    }
    return n;
}

static jnode *joined(parser *p) {
    jnode *n = products(p);
    while (n && take_op(p, "~")) n = binary(p, N_BINARY, "~", n, products(p));
    return n;
}

static jnode *sums(parser *p) {
    jnode *n = joined(p);
    for (;;) {
        if (n && take_op(p, "+")) n = binary(p, N_BINARY, "+", n, joined(p));
        else if (n && take_op(p, "-")) n = binary(p, N_BINARY, "-", n, joined(p));
        else return n;
    }
}

/* a < b <= c: list holds b, c with the operators as names */
static jnode *comparison(parser *p) {
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    jnode *first = sums(p), *n = NULL;
    while (first) {
        const char *op = NULL;
        for (int i = 0; i < 6 && !op; i++)
            if (take_op(p, ops[i])) op = ops[i];
        if (!op && take_name(p, "in")) op = "in";
        if (!op && is_name(p, "not") && p->t[p->at + 1].kind == T_NAME && str_is(p->t[p->at + 1].text, "in")) {
            p->at += 2;
            op = "not in";
        }
        if (!op) break;
        if (!n) {
            n = node_at(p, N_COMPARE);
            n->a = first;
        }
        jnode *right = sums(p);
        if (!right) return NULL;
        push(p, n, right, str_of(op));
    }
    return n ? n : first;
}

static jnode *negation(parser *p) {
    if (!take_name(p, "not")) return comparison(p);
    jnode *n = node_at(p, N_NOT);
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", n->line, NESTING_MAX);
    n->a = negation(p);
    p->depth--;
    return n->a ? n : NULL;
}

static jnode *conjunction(parser *p) {
    jnode *n = negation(p);
    while (n && take_name(p, "and")) n = binary(p, N_AND, "and", n, negation(p));
    return n;
}

static jnode *disjunction(parser *p) {
    jnode *n = conjunction(p);
    while (n && take_name(p, "or")) n = binary(p, N_OR, "or", n, conjunction(p));
    return n;
}

static jnode *expression(parser *p) {
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    jnode *n = disjunction(p);
    while (n && take_name(p, "if")) {
        jnode *c = node_at(p, N_IF);
        c->a = disjunction(p);
        c->b = n;
        if (c->a && take_name(p, "else")) {
            c->c = expression(p);
            if (!c->c) return NULL;
        }
        n = c->a ? c : NULL;
    }
    p->depth--;
    return n;
}

/* a, b without brackets is a tuple */
static jnode *tuple(parser *p) {
    jnode *n = expression(p);
    if (!n || !is_op(p, ",")) return n;
    jnode *t = node_at(p, N_TUPLE);
    push(p, t, n, (str){NULL, 0});
    while (take_op(p, ",")) {
        if (peek(p)->kind == T_ENDTAG || peek(p)->kind == T_CLOSE || is_op(p, "=")) break;
        if (!(n = expression(p))) return NULL;
        push(p, t, n, (str){NULL, 0});
    }
    return t;
}

/* ---- statements ------------------------------------------------------------------------------------------------------------------------ */

static jnode *statements(parser *p, const char *const *ends, str *end);

static bool end_tag(parser *p) { return peek(p)->kind == T_ENDTAG ? (bool)++p->at : complain(p, "'%}'") != NULL; }

/* The body of a block up to one of `ends`, whose tag is open behind its name then. */
static jnode *body(parser *p, str *end, const char *e1, const char *e2, const char *e3) {
    const char *const ends[] = {e1, e2, e3, NULL};
    return end_tag(p) ? statements(p, ends, end) : NULL;
}

static jnode *target(parser *p);

/* A name, an attribute of a namespace, or more of them in brackets. */
static jnode *one_target(parser *p) {
    if (take_op(p, "(")) {
        if (++p->depth > NESTING_MAX) return complain(p, "fewer brackets");
        jnode *inside = target(p);
        p->depth--;
        return inside && !take_op(p, ")") ? complain(p, "')'") : inside;
    }
    if (peek(p)->kind != T_NAME) return complain(p, "a name");
    jnode *n = node_at(p, N_NAME);
    n->name = p->t[p->at++].text;
    while (take_op(p, ".")) {
        if (peek(p)->kind != T_NAME) return complain(p, "a name behind '.'");
        jnode *i = node_at(p, N_ATTRIBUTE);
        i->a = n;
        i->name = p->t[p->at++].text;
        n = i;
    }
    return n;
}

static jnode *target(parser *p) {
    jnode *t = node_at(p, N_TUPLE);
    do {
        if (t->count && peek(p)->kind != T_NAME && !is_op(p, "(")) return t; /* a comma at the end */
        jnode *n = one_target(p);
        if (!n) return NULL;
        push(p, t, n, (str){NULL, 0});
    } while (take_op(p, ","));
    return t->count == 1 ? t->list[0] : t;
}

static jnode *parse_if(parser *p) {
    jnode *n = node_at(p, S_IF);
    str end;
    if (!(n->a = tuple(p)) || !(n->b = body(p, &end, "elif", "else", "endif"))) return NULL;
    if (str_is(end, "elif")) return (n->c = parse_if(p)) ? n : NULL;
    if (str_is(end, "else") && !(n->c = body(p, &end, "endif", NULL, NULL))) return NULL;
    return end_tag(p) ? n : NULL;
}

static jnode *parse_for(parser *p) {
    jnode *n = node_at(p, S_FOR);
    str end;
    if (!(n->a = target(p))) return NULL;
    if (!take_name(p, "in")) return complain(p, "'in'");
    if (!(n->b = disjunction(p))) return NULL;
    if (is_op(p, ",")) { /* for x in a, b */
        jnode *t = node_at(p, N_TUPLE);
        push(p, t, n->b, (str){NULL, 0});
        while (take_op(p, ",")) {
            jnode *v = disjunction(p);
            if (!v) return NULL;
            push(p, t, v, (str){NULL, 0});
        }
        n->b = t;
    }
    if (take_name(p, "if") && !(n->d = expression(p))) return NULL;
    n->flag = take_name(p, "recursive");
    p->loops++;
    jnode *inside = body(p, &end, "else", "endfor", NULL);
    p->loops--;
    if (!inside) return NULL;
    push(p, n, inside, (str){NULL, 0});
    if (str_is(end, "else") && !(n->c = body(p, &end, "endfor", NULL, NULL))) return NULL;
    return end_tag(p) ? n : NULL;
}

static jnode *parse_set(parser *p) {
    jnode *n = node_at(p, S_SET);
    str end;
    if (!(n->a = target(p))) return NULL;
    if (take_op(p, "=")) return (n->b = tuple(p)) && end_tag(p) ? n : NULL;
    n->kind = S_SETBLOCK;
    jnode *filter = NULL;
    while (take_op(p, "|")) {
        if (!(filter = one_filter(p, filter))) return NULL;
    }
    n->c = filter;
    return (n->b = body(p, &end, "endset", NULL, NULL)) && end_tag(p) ? n : NULL;
}

/* (a, b=1) of a macro: names with defaults (NULL: none) */
static bool parameters(parser *p, jnode *n) {
    while (!take_op(p, ")")) {
        if (n->count && !take_op(p, ",")) return complain(p, "',' or ')'") != NULL;
        if (peek(p)->kind != T_NAME) return complain(p, "the name of a parameter") != NULL;
        const str name = p->t[p->at++].text;
        jnode *fallback = NULL;
        if (take_op(p, "=") && !(fallback = expression(p))) return false;
        push(p, n, fallback, name);
    }
    return true;
}

static jnode *parse_macro(parser *p) {
    jnode *n = node_at(p, S_MACRO);
    str end;
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a macro");
    n->name = p->t[p->at++].text;
    if (!take_op(p, "(")) return complain(p, "'('");
    return parameters(p, n) && (n->a = body(p, &end, "endmacro", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_call(parser *p) {
    jnode *n = node_at(p, S_CALL);
    str end;
    if (take_op(p, "(") && !parameters(p, n)) return NULL;
    if (!(n->b = postfix(p, primary(p)))) return NULL;
    if (n->b->kind != N_CALL) return complain(p, "a call");
    return (n->a = body(p, &end, "endcall", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_filter_block(parser *p) {
    jnode *n = node_at(p, S_FILTER), *filter = NULL;
    str end;
    do
        if (!(filter = one_filter(p, filter))) return NULL;
    while (take_op(p, "|"));
    n->a = filter;
    return (n->b = body(p, &end, "endfilter", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_with(parser *p) {
    jnode *n = node_at(p, S_WITH);
    str end;
    while (peek(p)->kind == T_NAME) {
        const str name = p->t[p->at++].text;
        if (!take_op(p, "=")) return complain(p, "'='");
        jnode *v = expression(p);
        if (!v) return NULL;
        push(p, n, v, name);
        take_op(p, ",");
    }
    return (n->a = body(p, &end, "endwith", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_generation(parser *p) {
    jnode *n = node_at(p, S_GENERATION);
    str end;
    *p->generation = true;
    return (n->a = body(p, &end, "endgeneration", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *leave_loop(parser *p, node_kind kind) {
    jnode *n = node_at(p, kind);
    if (!p->loops) return complain(p, "a loop around break or continue");
    return end_tag(p) ? n : NULL;
}
static jnode *parse_break(parser *p) { return leave_loop(p, S_BREAK); }
static jnode *parse_continue(parser *p) { return leave_loop(p, S_CONTINUE); }

static const struct {
    const char *name;
    jnode *(*parse)(parser *p);
} tags[] = {{"if", parse_if},       {"for", parse_for},
            {"set", parse_set},     {"macro", parse_macro},
            {"call", parse_call},   {"filter", parse_filter_block},
            {"with", parse_with},   {"generation", parse_generation},
            {"break", parse_break}, {"continue", parse_continue}};

static jnode *one_tag(parser *p) {
    const str name = peek(p)->text;
    if (peek(p)->kind != T_NAME) return complain(p, "the name of a tag");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (str_is(name, tags[i].name)) {
            p->at++;
            return tags[i].parse(p);
        }
    return err_null(p->e, ERR_INPUT, "line %d: the tag '%.*s' is not known here", peek(p)->line, STR_ARG(name));
}

static bool ends_here(const parser *p, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (p->t[p->at + 1].kind == T_NAME && str_is(p->t[p->at + 1].text, *ends)) return true;
    return false;
}

static jnode *statements(parser *p, const char *const *ends, str *end) {
    jnode *block = node_at(p, S_BLOCK);
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    for (;;) {
        const token *t = peek(p);
        jnode *n = NULL;
        if (t->kind == T_END) {
            p->depth--;
            return ends ? complain(p, arena_printf(p->a, "{%% %s %%}", ends[0])) : block;
        }
        if (t->kind == T_TEXT) {
            n = node_at(p, S_TEXT);
            n->name = t->text;
            p->at++;
        } else if (t->kind == T_OPEN) {
            p->at++;
            n = node_at(p, S_PRINT);
            if (!(n->a = tuple(p))) return NULL;
            if (peek(p)->kind != T_CLOSE) return complain(p, "'}}'");
            p->at++;
        } else {
            if (ends_here(p, ends)) {
                *end = p->t[p->at + 1].text;
                p->at += 2;
                p->depth--;
                return block;
            }
            p->at++;
            if (!(n = one_tag(p))) return NULL;
        }
        push(p, block, n, (str){NULL, 0});
    }
}

jnode *jinja_parse_tokens(arena *a, const token *t, int count, bool *generation, err *e) {
    (void)count;
    parser p = {.a = a, .t = t, .generation = generation, .e = e};
    return statements(&p, NULL, NULL);
}

jinja *jinja_parse(arena *a, str text, jinja_options o, err *e) {
    int count;
    if (text.len > 16u << 20) return err_null(e, ERR_LIMIT, "a template of %zu bytes; at most 16 MB are read", text.len);
    const token *t = jinja_tokens(a, text, o, &count, e);
    jinja *j = arena_new_of(a, jinja);
    return t && (j->root = jinja_parse_tokens(a, t, count, &j->generation, e)) ? j : NULL;
}

bool jinja_has_generation(const jinja *j) { return j->generation; }
