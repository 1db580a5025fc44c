/* jinja_parse.c - tokens to a syntax tree: tags and the bodies between them (the grammar of Jinja2's parser). */
#include "text/jinja_parts.h"

static jnode *statements(parser *p, const char *const *ends, str *end);

static bool end_tag(parser *p) { return peek(p)->kind == T_ENDTAG ? (bool)++p->at : parse_complain(p, "'%}'") != NULL; }

/* The body of a block up to one of `ends`, whose tag is open behind its name then. */
static jnode *body(parser *p, str *end, const char *e1, const char *e2, const char *e3) {
    const char *const ends[] = {e1, e2, e3, NULL};
    return end_tag(p) ? statements(p, ends, end) : NULL;
}

static jnode *target(parser *p);

/* A name, an attribute of a namespace, or more of them in brackets. */
static jnode *one_target(parser *p) {
    if (take_op(p, "(")) {
        if (++p->depth > NESTING_MAX) return parse_complain(p, "fewer brackets");
        jnode *inside = target(p);
        p->depth--;
        return inside && !take_op(p, ")") ? parse_complain(p, "')'") : inside;
    }
    if (peek(p)->kind != T_NAME) return parse_complain(p, "a name");
    jnode *n = parse_node(p, N_NAME);
    n->name = p->t[p->at++].text;
    while (take_op(p, ".")) {
        if (peek(p)->kind != T_NAME) return parse_complain(p, "a name behind '.'");
        jnode *i = parse_node(p, N_ATTRIBUTE);
        i->a = n;
        i->name = p->t[p->at++].text;
        n = i;
    }
    return n;
}

static jnode *target(parser *p) {
    jnode *t = parse_node(p, N_TUPLE);
    do {
        if (t->count && peek(p)->kind != T_NAME && !is_op(p, "(")) return t; /* a comma at the end */
        jnode *n = one_target(p);
        if (!n) return NULL;
        parse_push(p, t, n, (str){NULL, 0});
    } while (take_op(p, ","));
    return t->count == 1 ? t->list[0] : t;
}

static jnode *parse_if(parser *p) {
    jnode *n = parse_node(p, S_IF);
    str end;
    if (!(n->a = parse_tuple(p)) || !(n->b = body(p, &end, "elif", "else", "endif"))) return NULL;
    if (str_is(end, "elif")) return (n->c = parse_if(p)) ? n : NULL;
    if (str_is(end, "else") && !(n->c = body(p, &end, "endif", NULL, NULL))) return NULL;
    return end_tag(p) ? n : NULL;
}

static jnode *parse_for(parser *p) {
    jnode *n = parse_node(p, S_FOR);
    str end;
    if (!(n->a = target(p))) return NULL;
    if (!take_name(p, "in")) return parse_complain(p, "'in'");
    if (!(n->b = parse_disjunction(p))) return NULL;
    if (is_op(p, ",")) { /* for x in a, b */
        jnode *t = parse_node(p, N_TUPLE);
        parse_push(p, t, n->b, (str){NULL, 0});
        while (take_op(p, ",")) {
            jnode *v = parse_disjunction(p);
            if (!v) return NULL;
            parse_push(p, t, v, (str){NULL, 0});
        }
        n->b = t;
    }
    if (take_name(p, "if") && !(n->d = parse_expression(p))) return NULL;
    n->flag = take_name(p, "recursive");
    p->loops++;
    jnode *inside = body(p, &end, "else", "endfor", NULL);
    p->loops--;
    if (!inside) return NULL;
    parse_push(p, n, inside, (str){NULL, 0});
    if (str_is(end, "else") && !(n->c = body(p, &end, "endfor", NULL, NULL))) return NULL;
    return end_tag(p) ? n : NULL;
}

static jnode *parse_set(parser *p) {
    jnode *n = parse_node(p, S_SET);
    str end;
    if (!(n->a = target(p))) return NULL;
    if (take_op(p, "=")) return (n->b = parse_tuple(p)) && end_tag(p) ? n : NULL;
    n->kind = S_SETBLOCK;
    jnode *filter = NULL;
    while (take_op(p, "|")) {
        if (!(filter = parse_filter(p, filter))) return NULL;
    }
    n->c = filter;
    return (n->b = body(p, &end, "endset", NULL, NULL)) && end_tag(p) ? n : NULL;
}

/* (a, b=1) of a macro: names with defaults (NULL: none) */
static bool parameters(parser *p, jnode *n) {
    while (!take_op(p, ")")) {
        if (n->count && !take_op(p, ",")) return parse_complain(p, "',' or ')'") != NULL;
        if (peek(p)->kind != T_NAME) return parse_complain(p, "the name of a parameter") != NULL;
        const str name = p->t[p->at++].text;
        jnode *fallback = NULL;
        if (take_op(p, "=") && !(fallback = parse_expression(p))) return false;
        parse_push(p, n, fallback, name);
    }
    return true;
}

static jnode *parse_macro(parser *p) {
    jnode *n = parse_node(p, S_MACRO);
    str end;
    if (peek(p)->kind != T_NAME) return parse_complain(p, "the name of a macro");
    n->name = p->t[p->at++].text;
    if (!take_op(p, "(")) return parse_complain(p, "'('");
    return parameters(p, n) && (n->a = body(p, &end, "endmacro", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_call(parser *p) {
    jnode *n = parse_node(p, S_CALL);
    str end;
    if (take_op(p, "(") && !parameters(p, n)) return NULL;
    if (!(n->b = parse_postfix(p, parse_primary(p)))) return NULL;
    if (n->b->kind != N_CALL) return parse_complain(p, "a call");
    return (n->a = body(p, &end, "endcall", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_filter_block(parser *p) {
    jnode *n = parse_node(p, S_FILTER), *filter = NULL;
    str end;
    do
        if (!(filter = parse_filter(p, filter))) return NULL;
    while (take_op(p, "|"));
    n->a = filter;
    return (n->b = body(p, &end, "endfilter", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_with(parser *p) {
    jnode *n = parse_node(p, S_WITH);
    str end;
    while (peek(p)->kind == T_NAME) {
        const str name = p->t[p->at++].text;
        if (!take_op(p, "=")) return parse_complain(p, "'='");
        jnode *v = parse_expression(p);
        if (!v) return NULL;
        parse_push(p, n, v, name);
        take_op(p, ",");
    }
    return (n->a = body(p, &end, "endwith", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *parse_generation(parser *p) {
    jnode *n = parse_node(p, S_GENERATION);
    str end;
    *p->generation = true;
    return (n->a = body(p, &end, "endgeneration", NULL, NULL)) && end_tag(p) ? n : NULL;
}

static jnode *leave_loop(parser *p, node_kind kind) {
    jnode *n = parse_node(p, kind);
    if (!p->loops) return parse_complain(p, "a loop around break or continue");
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
    if (peek(p)->kind != T_NAME) return parse_complain(p, "the name of a tag");
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
    jnode *block = parse_node(p, S_BLOCK);
    if (++p->depth > NESTING_MAX)
        return err_null(p->e, ERR_LIMIT, "line %d: more than %d levels of nesting", peek(p)->line, NESTING_MAX);
    for (;;) {
        const token *t = peek(p);
        jnode *n = NULL;
        if (t->kind == T_END) {
            p->depth--;
            return ends ? parse_complain(p, arena_printf(p->a, "{%% %s %%}", ends[0])) : block;
        }
        if (t->kind == T_TEXT) {
            n = parse_node(p, S_TEXT);
            n->name = t->text;
            p->at++;
        } else if (t->kind == T_OPEN) {
            p->at++;
            n = parse_node(p, S_PRINT);
            if (!(n->a = parse_tuple(p))) return NULL;
            if (peek(p)->kind != T_CLOSE) return parse_complain(p, "'}}'");
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
        parse_push(p, block, n, (str){NULL, 0});
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
