/* ask.c - which kind asks which question, and what all of them read of a record. */
#include "assist/ask.h"
#include "data/data.h"

static const ask_kind *const kinds[] = {
#define X(name) &ask_kind_##name,
    ASK_KINDS(X)
#undef X
};

const ask_kind *ask_kind_of(const json *question) {
    const str type = json_get_text(json_get(question, "settings"), "type", STR(""));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(type, kinds[i]->type)) return kinds[i];
    return NULL;
}

static const json *definition(const ask_order *o, str name) {
    for (size_t i = 0; i < json_count(o->fields); i++)
        if (str_eq(json_get_text(json_at(o->fields, i), "name", STR("")), name)) return json_at(o->fields, i);
    return NULL;
}

static str kept(arena *a, buf *text) {
    const str out = {arena_copy(a, text->ptr ? text->ptr : "", text->len), text->len};
    buf_free(text);
    return str_trim(out);
}

/* A conversation keeps who said what. */
static void put_turns(buf *out, const json *turns) {
    for (size_t i = 0; i < json_count(turns); i++)
        buf_printf(out, "%s%.*s: %.*s", i ? "\n" : "", STR_ARG(json_get_text(json_at(turns, i), "role", STR("user"))),
                   STR_ARG(json_get_text(json_at(turns, i), "content", STR(""))));
}

str ask_field(const ask_order *o, str name) {
    const json *field = definition(o, name), *v = field ? json_get(o->values, str_copy(o->a, name)) : NULL;
    buf text = {0};
    if (!v) return STR("");
    if (json_kind_of(v) == JSON_ARRAY) put_turns(&text, v);
    else field_search_text(field, v, &text);
    return kept(o->a, &text);
}

static bool is_among(str name, const str *list, int count) {
    for (int i = 0; i < count; i++)
        if (str_eq(list[i], name)) return true;
    return false;
}

str ask_context(const ask_order *o, const str *without, int count) {
    buf text = {0};
    for (size_t i = 0; i < json_count(o->fields); i++) {
        const str name = json_get_text(json_at(o->fields, i), "name", STR(""));
        const str words = is_among(name, without, count) ? STR("") : ask_field(o, name);
        if (words.len) buf_printf(&text, "%s%.*s: %.*s", text.len ? "\n\n" : "", STR_ARG(name), STR_ARG(words));
    }
    return kept(o->a, &text);
}

str ask_words(const ask_order *o) {
    const str title = json_get_text(o->question, "title", json_get_text(o->question, "name", STR("")));
    const str more = json_get_text(o->question, "description", STR(""));
    return str_of(more.len ? arena_printf(o->a, "%.*s\n%.*s", STR_ARG(title), STR_ARG(more))
                           : arena_printf(o->a, "%.*s", STR_ARG(title)));
}

const json *ask_options(const ask_order *o) { return json_get(json_get(o->question, "settings"), "options"); }

bool ask_option_texts(const ask_order *o, str *out, int *count, err *e) {
    const json *options = ask_options(o);
    *count = (int)json_count(options);
    if (*count < 2 || *count > JUDGE_OPTIONS_MOST)
        return err_set(e, ERR_UNSUPPORTED, "'%.*s' has %d options; a model is asked about 2 to %d",
                       STR_ARG(json_get_text(o->question, "name", STR("?"))), *count, JUDGE_OPTIONS_MOST);
    for (int i = 0; i < *count; i++) {
        const json *one = json_at(options, (size_t)i), *value = json_get(one, "value");
        out[i] = json_kind_of(value) == JSON_INT ? str_of(arena_printf(o->a, "%lld", (long long)json_int(value, 0)))
                                                 : json_get_text(one, "text", json_text(value, STR("")));
    }
    return true;
}

int ask_likeliest(const double *p, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (p[i] > p[best]) best = i;
    return best;
}
