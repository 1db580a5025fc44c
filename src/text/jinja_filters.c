/* jinja_filters.c - what stands behind `|`: each a row of a table. Here those of numbers and lists; jinja_filters_text.c and _html.c have
 * the others. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"

FILTER(f_default) {
    (void)r;
    return v.kind == V_UNDEFINED || (jv_truth(jinja_arg(args, 1, "boolean", jv_bool(false))) && !jv_truth(v))
               ? jinja_arg(args, 0, "default_value", jv_text(STR("")))
               : v;
}
FILTER(f_length) {
    (void)args;
    return jv_int(jv_length(r, v));
}
FILTER(f_list) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false);
    for (int i = 0; i < l->count; i++) jv_append(r, out, l->item[i]);
    return out;
}
FILTER(f_first) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    return l->count ? l->item[0] : jv_undefined(STR("No first item, sequence was empty."));
}
FILTER(f_last) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    return l->count ? l->item[l->count - 1] : jv_undefined(STR("No last item, sequence was empty."));
}
FILTER(f_join) {
    const jvalue attribute = jinja_arg(args, 1, "attribute", jv_none());
    const jlist *l = jv_iterate(r, v);
    if (attribute.kind == V_NONE) return jinja_join(r, jinja_text_arg(r, args, 0, "d", STR("")), l);
    const jvalue of = jv_list(r, false);
    for (int i = 0; i < l->count; i++) jv_append(r, of, jinja_dotted(r, l->item[i], attribute));
    return jinja_join(r, jinja_text_arg(r, args, 0, "d", STR("")), of.u.list);
}
FILTER(f_reverse) {
    (void)args;
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false);
    for (int i = l->count - 1; i >= 0; i--) jv_append(r, out, l->item[i]);
    return v.kind == V_STRING ? jv_marked(jinja_join(r, STR(""), out.u.list), v.markup) : out;
}
FILTER(f_abs) {
    (void)args;
    return v.kind == V_FLOAT ? jv_real(fabs(v.u.real))
           : v.kind == V_INT ? jv_int(v.u.integer < 0 ? -v.u.integer : v.u.integer)
                             : (jinja_fail(r, "bad operand type for abs(): '%s'", jv_type(v)), v);
}
static jvalue whole(run *r, double x) {
    if (!(fabs(x) < 9.2e18)) jinja_fail(r, "the number %g is too large for a whole one of 64 bits", x);
    return jv_int((int64_t)x);
}
FILTER(f_int) {
    jinja_refuse_undefined(r, v);
    if (v.kind == V_INT) return v;
    if (v.kind == V_BOOL) return jv_int(v.u.boolean);
    if (v.kind == V_FLOAT) return whole(r, v.u.real);
    double x;
    long n;
    const int64_t base = jinja_int_arg(args, 1, "base", 10);
    if (v.kind == V_STRING && base != 10 && base >= 0 && base <= 36) {
        const char *digits = str_copy(r->a, str_trim(v.u.text));
        char *end;
        if (digits[0] == '0' && digits[1] && strchr(base == 8 ? "oO" : base == 2 ? "bB" : "", digits[1])) digits += 2;
        const long long based = strtoll(digits, &end, (int)base);
        if (end != digits && !*end) return jv_int(based);
        return jinja_arg(args, 0, "default", jv_int(0));
    }
    if (v.kind == V_STRING && str_to_long(str_trim(v.u.text), &n)) return jv_int(n);
    if (v.kind == V_STRING && str_to_double(str_trim(v.u.text), &x)) return whole(r, x);
    return jinja_arg(args, 0, "default", jv_int(0));
}
FILTER(f_float) {
    double x;
    jinja_refuse_undefined(r, v);
    if (v.kind == V_FLOAT) return v;
    if (v.kind == V_INT) return jv_real((double)v.u.integer);
    if (v.kind == V_BOOL) return jv_real(v.u.boolean);
    return v.kind == V_STRING && str_to_double(str_trim(v.u.text), &x) ? jv_real(x) : jinja_arg(args, 0, "default", jv_real(0));
}
FILTER(f_round) {
    const int64_t digits = jinja_int_arg(args, 0, "precision", 0);
    const str method = jinja_text_arg(r, args, 1, "method", STR("common"));
    const double x = f_float(r, v, &(jargs){0}).u.real, by = pow(10, (double)digits);
    if (!str_is(method, "common")) return jv_real((str_is(method, "ceil") ? ceil(x * by) : floor(x * by)) / by);
    if (v.kind == V_INT && digits >= 0) return v;
    if (digits < 0 || digits > 300 || !isfinite(x)) return jv_real(digits < 0 ? rint(x * by) / by : x);
    return jv_real(strtod(arena_printf(r->a, "%.*f", (int)digits, x), NULL)); /* the nearest decimal, as round() finds it */
}
/* select, reject, selectattr, rejectattr */
static jvalue choose(run *r, jvalue v, const jargs *args, bool by_attribute, bool want) {
    const jvalue out = jv_list(r, false);
    const jlist *l = jv_truth(v) ? jv_iterate(r, v) : out.u.list; /* none, too, is nothing to choose from */
    const int shift = by_attribute ? 1 : 0;
    const bool named = args->count > shift;
    const jargs rest = {args->item + shift + 1, args->name + shift + 1,
                        args->count - shift - 1 > 0 ? args->count - shift - 1 : 0};
    for (int i = 0; i < l->count; i++) {
        const jvalue x = by_attribute ? jinja_dotted(r, l->item[i], jinja_arg(args, 0, "attribute", jv_none())) : l->item[i];
        const bool yes = named ? jinja_test(r, jv_string(r, args->item[shift]), x, &rest) : jv_truth(x);
        if (yes == want) jv_append(r, out, l->item[i]);
    }
    return out;
}
FILTER(f_select) { return choose(r, v, args, false, true); }
FILTER(f_reject) { return choose(r, v, args, false, false); }
FILTER(f_selectattr) { return choose(r, v, args, true, true); }
FILTER(f_rejectattr) { return choose(r, v, args, true, false); }
FILTER(f_map) {
    const jlist *l = jv_truth(v) ? jv_iterate(r, v) : jv_list(r, false).u.list;
    const jvalue out = jv_list(r, false), attribute = jinja_arg(args, 1 << 20, "attribute", jv_none()),
                 fallback = jinja_arg(args, 1 << 20, "default", jv_undefined(STR("default")));
    const jargs rest = {args->item + 1, args->name + 1, args->count ? args->count - 1 : 0};
    for (int i = 0; i < l->count; i++) {
        jvalue x = attribute.kind != V_NONE ? jinja_dotted(r, l->item[i], attribute)
                                            : jinja_filter(r, jinja_text_arg(r, args, 0, "filter", STR("")), l->item[i], &rest);
        if (x.kind == V_UNDEFINED && fallback.kind != V_UNDEFINED) x = fallback;
        jv_append(r, out, x);
    }
    return out;
}

/* Merge sort, stable as Python's; keys are compared without case unless asked. */
static jvalue folded(run *r, jvalue v, bool fold) { return fold && v.kind == V_STRING ? jinja_cased(r, v.u.text, 0) : v; }
static void sort_by(run *r, jvalue *item, jvalue *key, int n, bool reverse) {
    for (int i = 1; i < n; i++) { /* insertion: lists in templates are short; fuel bounds the rest */
        const jvalue x = item[i], k = key[i];
        int at = i;
        for (; at > 0; at--) {
            const int c =
                jv_equal(key[at - 1], k) ? 0 : jv_compare(r, key[at - 1], k); /* equal things have no order to ask for */
            if (reverse ? c >= 0 : c <= 0) break;
            item[at] = item[at - 1];
            key[at] = key[at - 1];
        }
        item[at] = x;
        key[at] = k;
    }
}
/* The values of "a,b.c" in a list: what is sorted by. */
static jvalue sort_key(run *r, jvalue item, jvalue attribute, bool fold) {
    if (attribute.kind == V_NONE) return folded(r, item, fold);
    if (attribute.kind != V_STRING || str_find(attribute.u.text, STR(","), 0) < 0)
        return folded(r, jinja_dotted(r, item, attribute), fold);
    const jvalue out = jv_list(r, false);
    for (size_t at = 0; at <= attribute.u.text.len;) {
        const ptrdiff_t comma = str_find(attribute.u.text, STR(","), at);
        const size_t end = comma < 0 ? attribute.u.text.len : (size_t)comma;
        jv_append(r, out, folded(r, jinja_dotted(r, item, jv_text(str_slice(attribute.u.text, at, end))), fold));
        at = end + 1;
    }
    return out;
}
FILTER(f_sort) {
    const jvalue out = f_list(r, v, args), attribute = jinja_arg(args, 2, "attribute", jv_none());
    const bool reverse = jv_truth(jinja_arg(args, 0, "reverse", jv_bool(false))),
               fold = !jv_truth(jinja_arg(args, 1, "case_sensitive", jv_bool(false)));
    jlist *l = out.u.list;
    jvalue *key = arena_array(r->a, jvalue, l->count + 1);
    for (int i = 0; i < l->count; i++) key[i] = sort_key(r, l->item[i], attribute, fold);
    sort_by(r, l->item, key, l->count, reverse);
    return out;
}
/* Pairs of a value of the attribute and the items that have it, in the order of the values. */
FILTER(f_groupby) {
    const jvalue items = f_list(r, v, args), attribute = jinja_arg(args, 0, "attribute", jv_none()), out = jv_list(r, false),
                 fallback = jinja_arg(args, 1, "default", jv_undefined(STR("default")));
    const bool fold = !jv_truth(jinja_arg(args, 2, "case_sensitive", jv_bool(false)));
    const jlist *l = items.u.list;
    jvalue *key = arena_array(r->a, jvalue, l->count + 1), group = jv_none();
    for (int i = 0; i < l->count; i++) {
        const jvalue x = jinja_dotted(r, l->item[i], attribute);
        key[i] = folded(r, x.kind == V_UNDEFINED ? fallback : x, fold);
    }
    sort_by(r, l->item, key, l->count, false);
    for (int i = 0; i < l->count; i++) {
        if (!i || !jv_equal(key[i - 1], key[i])) {
            const jvalue x = jinja_dotted(r, l->item[i], attribute);
            group = jv_list(r, true);
            group.u.list->group = true;
            jv_append(r, group, x.kind == V_UNDEFINED ? fallback : x);
            jv_append(r, group, jv_list(r, false));
            jv_append(r, out, group);
        }
        jv_append(r, group.u.list->item[1], l->item[i]);
    }
    return out;
}
/* So many columns of nearly the same length. */
FILTER(f_slice) {
    const jlist *l = jv_iterate(r, v);
    const int64_t n = jinja_int_arg(args, 0, "slices", 1);
    const jvalue out = jv_list(r, false), fill = jinja_arg(args, 1, "fill_with", jv_none());
    if (n < 1 || n > 100000) jinja_fail(r, "slice wants a number from 1 to 100000");
    for (int64_t i = 0, at = 0; i < n; i++) {
        const jvalue part = jv_list(r, false);
        const int64_t size = l->count / n + (i < l->count % n);
        for (int64_t k = 0; k < size; k++) jv_append(r, part, l->item[at++]);
        if (fill.kind != V_NONE && i >= l->count % n && l->count % n) jv_append(r, part, fill);
        jv_append(r, out, part);
    }
    return out;
}
FILTER(f_dictsort) {
    if (v.kind != V_DICT) jinja_fail(r, "dictsort wants a dict, not '%s'", jv_type(v));
    const jvalue out = jv_items(r, v.u.dict);
    const bool by_value = str_is(jinja_text_arg(r, args, 1, "by", STR("key")), "value"),
               fold = !jv_truth(jinja_arg(args, 0, "case_sensitive", jv_bool(false)));
    jlist *l = out.u.list;
    jvalue *key = arena_array(r->a, jvalue, l->count + 1);
    for (int i = 0; i < l->count; i++) key[i] = folded(r, l->item[i].u.list->item[by_value], fold);
    sort_by(r, l->item, key, l->count, jv_truth(jinja_arg(args, 2, "reverse", jv_bool(false))));
    return out;
}
FILTER(f_unique) {
    const jlist *l = jv_iterate(r, v);
    const jvalue out = jv_list(r, false), seen = jv_list(r, false), attribute = jinja_arg(args, 1, "attribute", jv_none());
    for (int i = 0; i < l->count; i++) {
        const jvalue k = folded(r, attribute.kind == V_NONE ? l->item[i] : jinja_dotted(r, l->item[i], attribute),
                                !jv_truth(jinja_arg(args, 0, "case_sensitive", jv_bool(false))));
        if (jv_contains(r, seen, k)) continue;
        jv_append(r, seen, k);
        jv_append(r, out, l->item[i]);
    }
    return out;
}
FILTER(f_sum) {
    const jlist *l = jv_iterate(r, v);
    const jvalue attribute = jinja_arg(args, 0, "attribute", jv_none()), start = jinja_arg(args, 1, "start", jv_int(0));
    if (start.kind == V_LIST) { /* lists, one behind the other */
        const jvalue all = f_list(r, start, args);
        for (int i = 0; i < l->count; i++) {
            const jlist *more = jv_iterate(r, attribute.kind == V_NONE ? l->item[i] : jinja_dotted(r, l->item[i], attribute));
            for (int k = 0; k < more->count; k++) jv_append(r, all, more->item[k]);
        }
        return all;
    }
    bool real = start.kind == V_FLOAT;
    double x = real ? start.u.real : 0;
    int64_t n = start.kind == V_INT ? start.u.integer : 0;
    for (int i = 0; i < l->count; i++) {
        const jvalue k = attribute.kind == V_NONE ? l->item[i] : jinja_dotted(r, l->item[i], attribute);
        if (!jv_is_number(k)) jinja_fail(r, "unsupported operand type(s) for +: 'int' and '%s'", jv_type(k));
        real |= k.kind == V_FLOAT;
        if (k.kind == V_FLOAT) x += k.u.real;
        else n += k.kind == V_INT ? k.u.integer : k.u.boolean;
    }
    return real ? jv_real(x + (double)n) : jv_int(n);
}
static jvalue extreme(run *r, jvalue v, const jargs *args, int sign) {
    const jlist *l = jv_iterate(r, v);
    const jvalue attribute = jinja_arg(args, 1, "attribute", jv_none());
    int best = 0;
    if (!l->count) return jv_undefined(STR("No aggregated item, sequence was empty."));
    for (int i = 1; i < l->count; i++) {
        const jvalue a = attribute.kind == V_NONE ? l->item[i] : jinja_dotted(r, l->item[i], attribute),
                     b = attribute.kind == V_NONE ? l->item[best] : jinja_dotted(r, l->item[best], attribute);
        if (jv_compare(r, folded(r, a, true), folded(r, b, true)) * sign > 0) best = i;
    }
    return l->item[best];
}
FILTER(f_max) { return extreme(r, v, args, 1); }
FILTER(f_min) { return extreme(r, v, args, -1); }
FILTER(f_items) {
    (void)args;
    return v.kind == V_UNDEFINED ? jv_list(r, false)
           : v.kind == V_DICT    ? jv_items(r, v.u.dict)
                                 : (jinja_fail(r, "Can only get item pairs from a mapping."), v);
}
FILTER(f_attr) { return jinja_attribute(r, v, jinja_text_arg(r, args, 0, "name", STR("")), false); }
FILTER(f_batch) {
    const jlist *l = jv_iterate(r, v);
    const int64_t n = jinja_int_arg(args, 0, "linecount", 1);
    const jvalue out = jv_list(r, false), fill = jinja_arg(args, 1, "fill_with", jv_none());
    if (n < 1) jinja_fail(r, "batch wants a positive number");
    for (int i = 0; i < l->count; i += (int)n) {
        const jvalue part = jv_list(r, false);
        for (int k = i; k < i + n; k++)
            if (k < l->count) jv_append(r, part, l->item[k]);
            else if (fill.kind != V_NONE) jv_append(r, part, fill);
        jv_append(r, out, part);
    }
    return out;
}
FILTER(f_random) {
    (void)v, (void)args;
    jinja_fail(r, "random would make each rendering another; a chat template must give the same text every time");
}

const jinja_filter_row jinja_filters_of_lists[] = {{"default", f_default},
                                                   {"d", f_default},
                                                   {"length", f_length},
                                                   {"count", f_length},
                                                   {"list", f_list},
                                                   {"first", f_first},
                                                   {"last", f_last},
                                                   {"join", f_join},
                                                   {"reverse", f_reverse},
                                                   {"abs", f_abs},
                                                   {"int", f_int},
                                                   {"float", f_float},
                                                   {"round", f_round},
                                                   {"select", f_select},
                                                   {"reject", f_reject},
                                                   {"selectattr", f_selectattr},
                                                   {"rejectattr", f_rejectattr},
                                                   {"map", f_map},
                                                   {"sort", f_sort},
                                                   {"groupby", f_groupby},
                                                   {"slice", f_slice},
                                                   {"dictsort", f_dictsort},
                                                   {"unique", f_unique},
                                                   {"sum", f_sum},
                                                   {"max", f_max},
                                                   {"min", f_min},
                                                   {"items", f_items},
                                                   {"attr", f_attr},
                                                   {"batch", f_batch},
                                                   {"random", f_random},
                                                   {NULL, NULL}};

static const jinja_filter_row *find(str name) {
    static const jinja_filter_row *const tables[] = {jinja_filters_of_lists, jinja_filters_of_text, jinja_filters_of_html};
    for (int t = 0; t < 3; t++)
        for (const jinja_filter_row *row = tables[t]; row->name; row++)
            if (str_is(name, row->name)) return row;
    return NULL;
}

bool jinja_has_filter(str name) { return find(name) != NULL; }

jvalue jinja_filter(run *r, str name, jvalue v, const jargs *args) {
    const jinja_filter_row *row = find(name);
    if (!row) jinja_fail(r, "No filter named '%.*s'.", STR_ARG(name));
    return row->apply(r, v, args);
}
