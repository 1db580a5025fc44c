/* jinja_tests.c - what stands behind `is`: each a row of a table. */
#include "text/jinja_parts.h"

#define TEST(name) static bool name(run *r, jvalue v, const jargs *args)
#define ARG0       jinja_arg(args, 0, "other", jv_none())
TEST(t_defined) {
    (void)r, (void)args;
    return v.kind != V_UNDEFINED;
}
TEST(t_undefined) {
    (void)r, (void)args;
    return v.kind == V_UNDEFINED;
}
TEST(t_none) {
    (void)r, (void)args;
    return v.kind == V_NONE;
}
TEST(t_boolean) {
    (void)r, (void)args;
    return v.kind == V_BOOL;
}
TEST(t_true) {
    (void)r, (void)args;
    return v.kind == V_BOOL && v.u.boolean;
}
TEST(t_false) {
    (void)r, (void)args;
    return v.kind == V_BOOL && !v.u.boolean;
}
TEST(t_integer) {
    (void)r, (void)args;
    return v.kind == V_INT;
}
TEST(t_float) {
    (void)r, (void)args;
    return v.kind == V_FLOAT;
}
TEST(t_number) {
    (void)r, (void)args;
    return jv_is_number(v);
}
TEST(t_string) {
    (void)r, (void)args;
    return v.kind == V_STRING;
}
TEST(t_mapping) {
    (void)r, (void)args;
    return v.kind == V_DICT && !v.u.dict->namespace;
}
static bool is_sequence(jvalue v) {
    return v.kind == V_LIST || (v.kind == V_DICT && !v.u.dict->namespace) || v.kind == V_STRING || v.kind == V_UNDEFINED;
}
TEST(t_iterable) {
    (void)r, (void)args;
    return is_sequence(v);
}
TEST(t_sequence) {
    (void)r, (void)args;
    return is_sequence(v);
}
TEST(t_callable) {
    (void)r, (void)args; /* what is undefined can be called, to fail with its name */
    return v.kind == V_FUNCTION || v.kind == V_UNDEFINED;
}
static int64_t modulo(run *r, jvalue v, int64_t by) {
    if (v.kind != V_INT && v.kind != V_BOOL) jinja_fail(r, "not all arguments converted: '%s' is no whole number", jv_type(v));
    if (!by) jinja_fail(r, "integer modulo by zero");
    return (v.kind == V_INT ? v.u.integer : v.u.boolean) % by;
}
TEST(t_odd) {
    (void)args;
    return modulo(r, v, 2) != 0;
}
TEST(t_even) {
    (void)args;
    return modulo(r, v, 2) == 0;
}
TEST(t_divisibleby) { return modulo(r, v, jinja_int_arg(args, 0, "num", 1)) == 0; }
TEST(t_eq) {
    (void)r;
    return jv_equal(v, ARG0);
}
TEST(t_ne) {
    (void)r;
    return !jv_equal(v, ARG0);
}
TEST(t_lt) { return jv_compare(r, v, ARG0) < 0; }
TEST(t_le) { return jv_compare(r, v, ARG0) <= 0; }
TEST(t_gt) { return jv_compare(r, v, ARG0) > 0; }
TEST(t_ge) { return jv_compare(r, v, ARG0) >= 0; }
TEST(t_in) { return jv_contains(r, ARG0, v); }
TEST(t_lower) {
    (void)args;
    return jinja_has_case(jv_string(r, v), false);
}
TEST(t_upper) {
    (void)args;
    return jinja_has_case(jv_string(r, v), true);
}
TEST(t_escaped) {
    (void)r, (void)args;
    return v.kind == V_STRING && v.markup;
}
TEST(t_filter) {
    (void)r, (void)args;
    return v.kind == V_STRING && jinja_has_filter(v.u.text);
}
TEST(t_test) {
    (void)r, (void)args;
    return v.kind == V_STRING && jinja_has_test(v.u.text);
}
TEST(t_sameas) {
    (void)r;
    const jvalue o = ARG0;
    return v.kind == o.kind && jv_equal(v, o);
}

static const struct {
    const char *name;
    bool (*test)(run *, jvalue, const jargs *);
} tests[] = {{"defined", t_defined},
             {"undefined", t_undefined},
             {"none", t_none},
             {"boolean", t_boolean},
             {"true", t_true},
             {"false", t_false},
             {"integer", t_integer},
             {"float", t_float},
             {"number", t_number},
             {"string", t_string},
             {"mapping", t_mapping},
             {"iterable", t_iterable},
             {"sequence", t_sequence},
             {"callable", t_callable},
             {"odd", t_odd},
             {"even", t_even},
             {"divisibleby", t_divisibleby},
             {"eq", t_eq},
             {"equalto", t_eq},
             {"==", t_eq},
             {"ne", t_ne},
             {"!=", t_ne},
             {"lt", t_lt},
             {"lessthan", t_lt},
             {"<", t_lt},
             {"le", t_le},
             {"<=", t_le},
             {"gt", t_gt},
             {"greaterthan", t_gt},
             {">", t_gt},
             {"ge", t_ge},
             {">=", t_ge},
             {"in", t_in},
             {"lower", t_lower},
             {"upper", t_upper},
             {"sameas", t_sameas},
             {"escaped", t_escaped},
             {"filter", t_filter},
             {"test", t_test}};

bool jinja_has_test(str name) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (str_is(name, tests[i].name)) return true;
    return false;
}

bool jinja_test(run *r, str name, jvalue v, const jargs *args) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (str_is(name, tests[i].name)) return tests[i].test(r, v, args);
    jinja_fail(r, "no test named '%.*s'", STR_ARG(name));
}
