/* jinja_parts.h - the insides of the Jinja interpreter (private to text): tokens, syntax tree, values. */
#ifndef FETTLE_TEXT_JINJA_PARTS_H
#define FETTLE_TEXT_JINJA_PARTS_H

#include <setjmp.h>

#include "text/jinja.h"

/* ---- tokens ------------------------------------------------------------------------------------------------------------------- */

typedef enum { T_END, T_TEXT, T_OPEN, T_CLOSE, T_TAG, T_ENDTAG, T_NAME, T_INT, T_FLOAT, T_STRING, T_OP } token_kind;
typedef struct {
    token_kind kind;
    str text;
    int line;
    int64_t number;
    double real;
} token;
token *jinja_tokens(arena *a, str text, jinja_options o, int *count, err *e);

/* ---- syntax tree -------------------------------------------------------------------------------------------------------------- */

typedef enum {
    /* expressions */
    N_LITERAL,
    N_NAME,
    N_LIST,
    N_TUPLE,
    N_DICT,
    N_ATTRIBUTE,
    N_ITEM,
    N_SLICE,
    N_CALL,
    N_FILTER,
    N_TEST,
    N_UNARY,
    N_BINARY,
    N_COMPARE,
    N_AND,
    N_OR,
    N_NOT,
    N_IF,
    /* statements */
    S_BLOCK,
    S_TEXT,
    S_PRINT,
    S_IF,
    S_FOR,
    S_SET,
    S_SETBLOCK,
    S_MACRO,
    S_CALL,
    S_FILTER,
    S_WITH,
    S_GENERATION,
    S_BREAK,
    S_CONTINUE
} node_kind;

typedef struct jvalue jvalue;
typedef struct jnode jnode;
struct jnode {
    node_kind kind;
    int line;
    str name; /* of a name, attribute, filter, test, operator */
    jnode *a, *b, *c, *d;
    jnode **list; /* items, arguments, statements */
    str *names;   /* keyword of list[i] (empty: positional); parameters of a macro */
    int count;
    bool flag; /* recursive for, negated test, ... */
    jvalue *value;
};

struct jinja {
    jnode *root;
    bool generation;
};

jnode *jinja_parse_tokens(arena *a, const token *t, int count, bool *generation, err *e);

/* ---- parser: what expressions (jinja_expression.c) and statements (jinja_parse.c) share --------------------------------------------------- */

enum { NESTING_MAX = 200 };

typedef struct {
    arena *a;
    const token *t;
    int at, depth, loops;
    bool *generation;
    err *e;
} parser;

static inline const token *peek(const parser *p) { return &p->t[p->at]; }
static inline bool is_op(const parser *p, const char *op) { return peek(p)->kind == T_OP && str_is(peek(p)->text, op); }
static inline bool is_name(const parser *p, const char *name) { return peek(p)->kind == T_NAME && str_is(peek(p)->text, name); }
static inline bool take_op(parser *p, const char *op) { return is_op(p, op) && ++p->at; }
static inline bool take_name(parser *p, const char *name) { return is_name(p, name) && ++p->at; }

void *parse_complain(parser *p, const char *wanted); /* NULL, and the error "line N: expected ..., found ..." */
jnode *parse_node(parser *p, node_kind kind);        /* a node of the line where the parser stands */
void parse_push(parser *p, jnode *n, jnode *item, str name);
/* Each takes its tokens; NULL: an error is set. */
jnode *parse_primary(parser *p);           /* a literal, a name, brackets */
jnode *parse_postfix(parser *p, jnode *n); /* .name, [..], (..) behind n */
jnode *parse_filter(parser *p, jnode *n);  /* one filter behind its | */
jnode *parse_disjunction(parser *p);       /* without an inline if */
jnode *parse_expression(parser *p);
jnode *parse_tuple(parser *p); /* a, b without brackets is one */

/* ---- values ---------------------------------------------------------------------------------------------------------------------- */

typedef enum { V_UNDEFINED, V_NONE, V_BOOL, V_INT, V_FLOAT, V_STRING, V_LIST, V_DICT, V_FUNCTION } value_kind;

typedef struct {
    jvalue *item;
    int count, room;
    bool tuple;
    bool group; /* of groupby: also .grouper and .list */
} jlist;
typedef struct {
    jvalue *key, *value;
    int count, room;
    bool namespace;
} jdict;
typedef struct run run;
typedef struct frame frame;
typedef struct {
    jvalue *item;
    str *name;
    int count;
} jargs;
typedef struct jfunction {
    jvalue (*call)(run *r, const struct jfunction *f, const jargs *args);
    const char *name;
    jvalue *self; /* of a method */
    const jnode *macro;
    frame *frame;
    jvalue *caller;
} jfunction;

struct jvalue {
    value_kind kind;
    bool markup; /* of V_STRING: what |escape and |safe made, which is not escaped again */
    union {
        bool boolean;
        int64_t integer;
        double real;
        str text; /* of V_STRING; of V_UNDEFINED: its name */
        jlist *list;
        jdict *dict;
        jfunction *function;
    } u;
};

struct frame {
    frame *up;
    jdict vars;
};

struct run {
    arena *a;
    err *e;
    jmp_buf out;
    int64_t fuel;
    size_t output_max, made;
    int depth, depth_max, line;
    buf *text; /* where output goes now */
    frame *top;
    jinja_range *range;
    int ranges, range_room;
    int mute; /* inside captured output, generation ranges are relative to it: not noted */
};

_Noreturn void jinja_fail(run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void jinja_burn(run *r, int64_t steps);
buf *jinja_buf(run *r); /* freed with the run at the latest: jinja_fail jumps past whoever holds it */

jvalue jv_none(void);
jvalue jv_bool(bool b);
jvalue jv_int(int64_t n);
jvalue jv_real(double x);
jvalue jv_text(str s); /* the view must live */
jvalue jv_marked(jvalue text, bool markup);
jvalue jv_copy_text(run *r, str s);
jvalue jv_of_buf(run *r, buf *b); /* takes what b holds */
jvalue jv_undefined(str name);
jvalue jv_list(run *r, bool tuple);
jvalue jv_dict(run *r);
void jv_append(run *r, jvalue list, jvalue item);
void jv_put(run *r, jdict *d, jvalue key, jvalue value);
const jvalue *jv_get(const jdict *d, jvalue key);
jvalue jv_of_json(run *r, const json *j);
bool jv_truth(jvalue v);
bool jv_is_number(jvalue v); /* booleans too, as in Python */
static inline int64_t jv_whole_of(jvalue v) { return v.kind == V_INT ? v.u.integer : v.u.boolean; } /* of a number */
static inline double jv_real_of(jvalue v) { return v.kind == V_FLOAT ? v.u.real : (double)jv_whole_of(v); }
jvalue jv_items(run *r, const jdict *d); /* a list of (key, value) */
bool jv_equal(jvalue a, jvalue b);
int jv_compare(run *r, jvalue a, jvalue b);
const char *jv_type(jvalue v);           /* Python's name of its type */
void jv_str(run *r, buf *out, jvalue v); /* str(v) */
void jv_repr(run *r, buf *out, jvalue v);
/* json.dumps(v, ensure_ascii=, indent=, separators=, sort_keys=); broken: into lines, because an indent was given. */
typedef struct {
    str indent, between, behind_key;
    bool broken, ascii, sorted;
} json_style;
void jv_json(run *r, buf *out, jvalue v, const json_style *s, int level);
str jv_string(run *r, jvalue v); /* str(v) as a text that lives */

jlist *jv_iterate(run *r, jvalue v); /* the items of a list, keys of a dict, characters of a text */
int64_t jv_length(run *r, jvalue v);
bool jv_contains(run *r, jvalue container, jvalue item);
void jinja_put_float(buf *out, double x);

void jinja_refuse_undefined(run *r, jvalue v); /* fails with its name */
void jinja_enter(run *r);                      /* one level deeper, one step of fuel; r->depth-- leaves */
jvalue jinja_eval(run *r, frame *f, const jnode *n);
void jinja_eval_arguments(run *r, frame *f, const jnode *n, jargs *out);
jvalue jinja_macro(run *r, frame *f, const jnode *n);       /* the function of a macro or call block */
jvalue jinja_captured(run *r, frame *f, const jnode *body); /* what a body prints, as a text */
typedef enum { GO_ON, BREAK, CONTINUE } flow;
flow jinja_execute(run *r, frame *f, const jnode *n);
jvalue jinja_call(run *r, jvalue f, const jargs *args);
jvalue jinja_attribute(run *r, jvalue v, str name, bool item_first);
jvalue jinja_filter(run *r, str name, jvalue v, const jargs *args);
bool jinja_has_filter(str name);
bool jinja_test(run *r, str name, jvalue v, const jargs *args);
bool jinja_has_test(str name);
bool jinja_method(run *r, jvalue v, str name, jvalue *out);
bool jinja_global(run *r, str name, jvalue *out);
jvalue jinja_function(run *r, const char *name, jvalue (*call)(run *, const jfunction *, const jargs *));
jvalue jinja_bound(run *r, const char *name, jvalue (*call)(run *, const jfunction *, const jargs *), jvalue *self);
/* The argument at a place or of a name; fallback when it was not given. */
jvalue jinja_arg(const jargs *args, int place, const char *name, jvalue fallback);
str jinja_text_arg(run *r, const jargs *args, int place, const char *name, str fallback);
int64_t jinja_int_arg(const jargs *args, int place, const char *name, int64_t fallback);
str jinja_set_arg(run *r, const jargs *args, int place, const char *name); /* characters to strip or split at; NULL view: space */

/* Filters: each file has a table of them, which ends with a row without a name. */
typedef struct {
    const char *name;
    jvalue (*apply)(run *, jvalue, const jargs *);
} jinja_filter_row;
extern const jinja_filter_row jinja_filters_of_lists[], jinja_filters_of_text[], jinja_filters_of_html[];
#define FILTER(name) static jvalue name(run *r, jvalue v, const jargs *args)

/* Texts, for methods and filters alike. */
jvalue jinja_escape(run *r, jvalue v);                                  /* & < > " ' as HTML; what is markup stays */
jvalue jinja_percent(run *r, jvalue format, const jargs *args);         /* "%s of %d" % values; a dict alone: by name */
void jinja_pretty(run *r, buf *out, jvalue v);                          /* pprint.pformat */
jvalue jinja_lines(run *r, str s, bool keep_ends);                      /* str.splitlines */
jvalue jinja_padded(run *r, str s, int64_t width, str with, int where); /* to the left (-1), the middle, the right (1) */
bool jinja_has_case(str s, bool upper);                  /* no letter is of the other case, and at least one has a case */
bool jinja_is_word(int32_t code);                        /* \w of a regular expression */
jvalue jinja_dotted(run *r, jvalue v, jvalue attribute); /* an attribute by a dotted name or number */
str jinja_stripped(str s, str set, bool left, bool right);
jvalue jinja_cased(run *r, str s, int mode); /* 0 lower, 1 upper, 2 title, 3 capitalize, 4 swap, 5 Jinja's title */
jvalue jinja_replaced(run *r, str s, str from, str to, int64_t most);
jvalue jinja_split(run *r, str s, str separator, int64_t most, bool from_right);
jvalue jinja_join(run *r, str separator, const jlist *l);

#endif
