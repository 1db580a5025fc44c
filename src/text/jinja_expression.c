/* jinja_expression.c - tokens to the tree of an expression (the grammar of Jinja2's parser, weakest operator last). */
#include <string.h>

#include "text/jinja_parts.h"

static jnode *unary(parser *p, bool filters);

void *parse_complain(parser *p, const char *wanted) {
    const token *t = peek(p);
    const char *what = t->kind == T_END                            ? "the end of the template"
                       : t->kind == T_ENDTAG || t->kind == T_CLOSE ? "the end of the tag"
                       : t->kind == T_TEXT                         ? "text"
                       : t->kind == T_OPEN || t->kind == T_TAG     ? "a tag"
                                                                   : NULL;
    if (what) return err_null(p->e, ERR_INPUT, "line %d: expected %s, found %s", t->line, wanted, what);
    return err_null(p->e, ERR_INPUT, "line %d: expected %s, found '%.*s'", t->line, wanted, STR_ARG(t->text));
}

jnode *parse_node(parser *p, node_kind kind) {
    jnode *n = arena_new_of(p->a, jnode);
    n->kind = kind;
    n->line = peek(p)->line;
    return n;
}

void parse_push(parser *p, jnode *n, jnode *item, str name) {
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
    jnode *n = parse_node(p, N_LITERAL);
    n->value = arena_new_of(p->a, jvalue);
    *n->value = v;
    return n;
}

static jnode *binary(parser *p, node_kind kind, const char *op, jnode *a, jnode *b) {
    jnode *n = parse_node(p, kind);
    n->name = str_of(op);
    n->a = a;
    n->b = b;
    return a && b ? n : NULL;
}

/* (a, b=c, *list, **dict, ...) behind an open bracket; * and ** stand where a keyword would. */
static bool arguments(parser *p, jnode *n) {
    while (!take_op(p, ")")) {
        str name = {NULL, 0};
        if (n->count && !take_op(p, ",")) return parse_complain(p, "',' or ')'") != NULL;
        if (take_op(p, ")")) break;
        if (take_op(p, "**")) name = STR("**");
        else if (take_op(p, "*")) name = STR("*");
        else if (peek(p)->kind == T_NAME && p->t[p->at + 1].kind == T_OP && str_is(p->t[p->at + 1].text, "=")) {
            name = peek(p)->text;
            p->at += 2;
        }
        jnode *v = parse_expression(p);
        if (!v) return false;
        parse_push(p, n, v, name);
    }
    return true;
}

static jnode *list_until(parser *p, jnode *n, const char *end) {
    while (!take_op(p, end)) {
        if (n->count && !take_op(p, ",")) return parse_complain(p, "',' or the end of the list");
        if (take_op(p, end)) break;
        jnode *v = parse_expression(p);
        if (!v) return NULL;
        parse_push(p, n, v, (str){NULL, 0});
    }
    return n;
}

static jnode *dictionary(parser *p) {
    jnode *n = parse_node(p, N_DICT);
    while (!take_op(p, "}")) {
        if (n->count && !take_op(p, ",")) return parse_complain(p, "',' or '}'");
        if (take_op(p, "}")) break;
        jnode *key = parse_expression(p);
        if (!key) return NULL;
        if (!take_op(p, ":")) return parse_complain(p, "':'");
        jnode *v = parse_expression(p);
        if (!v) return NULL;
        parse_push(p, n, key, (str){NULL, 0});
        parse_push(p, n, v, (str){NULL, 0});
    }
    return n;
}

static jnode *bracketed(parser *p) {
    jnode *n = parse_node(p, N_TUPLE);
    if (take_op(p, ")")) return n;
    jnode *first = parse_expression(p);
    if (!first) return NULL;
    if (take_op(p, ")")) return first;
    parse_push(p, n, first, (str){NULL, 0});
    return list_until(p, n, ")");
}

jnode *parse_primary(parser *p) {
    const token *t = peek(p);
    if (t->kind == T_INT) return p->at++, literal(p, (jvalue){.kind = V_INT, .u.integer = t->number});
    if (t->kind == T_FLOAT) return p->at++, literal(p, (jvalue){.kind = V_FLOAT, .u.real = t->real});
    if (t->kind == T_STRING) {
        buf all = {0};
        for (; peek(p)->kind == T_STRING; p->at++) buf_put_str(&all, peek(p)->text);
        const str kept = {arena_copy(p->a, all.ptr ? all.ptr : "", all.len), all.len};
        buf_free(&all);
        return literal(p, (jvalue){.kind = V_STRING, .u.text = kept});
    }
    if (t->kind == T_NAME) {
        p->at++;
        if (str_is(t->text, "true") || str_is(t->text, "True")) return literal(p, (jvalue){.kind = V_BOOL, .u.boolean = true});
        if (str_is(t->text, "false") || str_is(t->text, "False")) return literal(p, (jvalue){.kind = V_BOOL, .u.boolean = false});
        if (str_is(t->text, "none") || str_is(t->text, "None")) return literal(p, (jvalue){.kind = V_NONE});
        jnode *n = parse_node(p, N_NAME);
        n->name = t->text;
        return n;
    }
    if (take_op(p, "[")) return list_until(p, parse_node(p, N_LIST), "]");
    if (take_op(p, "{")) return dictionary(p);
    if (take_op(p, "(")) return bracketed(p);
    return parse_complain(p, "a value");
}

/* [a], [a:b:c] behind an open bracket */
static jnode *subscript(parser *p, jnode *of) {
    jnode *part[3] = {0};
    int k = 0;
    bool slice = false;
    while (!take_op(p, "]")) {
        if (take_op(p, ":")) {
            slice = true;
            if (++k > 2) return parse_complain(p, "']'");
        } else if (!(part[k] = parse_expression(p))) return NULL;
    }
    if (!slice && !part[0]) return parse_complain(p, "an index");
    jnode *n = parse_node(p, slice ? N_SLICE : N_ITEM);
    n->a = of;
    n->b = part[0];
    n->c = part[1];
    n->d = part[2];
    return n;
}

static jnode *call_of(parser *p, jnode *f) {
    jnode *n = parse_node(p, N_CALL);
    n->a = f;
    return arguments(p, n) ? n : NULL;
}

jnode *parse_postfix(parser *p, jnode *n) {
    while (n) {
        if (take_op(p, ".")) {
            if (peek(p)->kind == T_INT) {
                jnode *i = parse_node(p, N_ITEM);
                i->a = n;
                i->b = literal(p, (jvalue){.kind = V_INT, .u.integer = peek(p)->number});
                p->at++;
                n = i;
                continue;
            }
            if (peek(p)->kind != T_NAME) return parse_complain(p, "a name behind '.'");
            jnode *i = parse_node(p, N_ATTRIBUTE);
            i->a = n;
            i->name = p->t[p->at++].text;
            n = i;
        } else if (take_op(p, "[")) n = subscript(p, n);
        else if (take_op(p, "(")) n = call_of(p, n);
        else return n;
    }
    return NULL;
}

jnode *parse_filter(parser *p, jnode *n) {
    if (peek(p)->kind != T_NAME) return parse_complain(p, "the name of a filter");
    jnode *f = parse_node(p, N_FILTER);
    f->a = n;
    f->name = p->t[p->at++].text;
    return !take_op(p, "(") || arguments(p, f) ? f : NULL;
}

static jnode *one_test(parser *p, jnode *n) {
    jnode *t = parse_node(p, N_TEST);
    t->a = n;
    t->flag = take_name(p, "not");
    if (peek(p)->kind != T_NAME) return parse_complain(p, "the name of a test");
    t->name = p->t[p->at++].text;
    const token *next = peek(p);
    const bool word = next->kind == T_NAME && !str_is(next->text, "else") && !str_is(next->text, "or") &&
                      !str_is(next->text, "and") && !str_is(next->text, "is") && !str_is(next->text, "if") &&
                      !str_is(next->text, "in") && !str_is(next->text, "not");
    if (take_op(p, "(")) return arguments(p, t) ? t : NULL;
    if (word || next->kind == T_STRING || next->kind == T_INT || next->kind == T_FLOAT || is_op(p, "[") || is_op(p, "{")) {
        jnode *v = parse_postfix(p, parse_primary(p));
        if (!v) return NULL;
        parse_push(p, t, v, (str){NULL, 0});
    }
    return t;
}

static jnode *filters_and_tests(parser *p, jnode *n) {
    while (n) {
        if (take_op(p, "|")) n = parse_filter(p, n);
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
        n = parse_node(p, N_UNARY);
        n->name = p->t[p->at++].text;
        n->a = unary(p, false);
        if (!n->a) n = NULL;
    } else n = parse_postfix(p, parse_primary(p));
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
            n = parse_node(p, N_COMPARE);
            n->a = first;
        }
        jnode *right = sums(p);
        if (!right) return NULL;
        parse_push(p, n, right, str_of(op));
    }
    return n ? n : first;
}

static jnode *negation(parser *p) {
    if (!take_name(p, "not")) return comparison(p);
    jnode *n = parse_node(p, N_NOT);
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

jnode *parse_disjunction(parser *p) {
    jnode *n = conjunction(p);
    while (n && take_name(p, "or")) n = binary(p, N_OR, "or", n, conjunction(p));
    return n;
}

jnode *parse_expression(parser *p) {
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    jnode *n = parse_disjunction(p);
    while (n && take_name(p, "if")) {
        jnode *c = parse_node(p, N_IF);
        c->a = parse_disjunction(p);
        c->b = n;
        if (c->a && take_name(p, "else")) {
            c->c = parse_expression(p);
            if (!c->c) return NULL;
        }
        n = c->a ? c : NULL;
    }
    p->depth--;
    return n;
}

/* a, b without brackets is a tuple */
jnode *parse_tuple(parser *p) {
    jnode *n = parse_expression(p);
    if (!n || !is_op(p, ",")) return n;
    jnode *t = parse_node(p, N_TUPLE);
    parse_push(p, t, n, (str){NULL, 0});
    while (take_op(p, ",")) {
        if (peek(p)->kind == T_ENDTAG || peek(p)->kind == T_CLOSE || is_op(p, "=")) break;
        if (!(n = parse_expression(p))) return NULL;
        parse_push(p, t, n, (str){NULL, 0});
    }
    return t;
}
