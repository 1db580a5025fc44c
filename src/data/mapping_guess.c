/* mapping_guess.c - which column is meant for what: by its name, then by what it holds.
 *
 * A column fits a target when its values can become the target's (fits_*). Among those that fit, the same name is best, then a name that is
 * used for the same thing (groups). What is asked for and left without a column takes the only one that fits and is still free. */
#include <ctype.h>
#include <string.h>

#include "data/data.h"

enum { NAME_SAME = 3, NAME_ALIKE = 2, NAME_LEFT = 1, LONG_TEXT = 60, OPTIONS_MAX = 20, NAME_BYTES = 100 };

/* Names that people give to the same thing. */
static const char *const groups[][12] = {
    {"prompt", "instruction", "question", "query", "input", "request", "problem", NULL},
    {"response", "completion", "output", "answer", "reply", "generation", "chosen", NULL},
    {"messages", "conversation", "conversations", "chat", "dialogue", "turns", NULL},
    {"text", "sentence", "content", "document", "body", "review", "comment", NULL},
    {"label", "labels", "category", "class", "sentiment", "intent", "topic", NULL},
    {"rating", "score", "stars", "quality", NULL},
    {"image", "picture", "photo", "img", NULL},
    {"id", "external_id", "uid", "uuid", "guid", "record_id", "_id", "prompt_id", NULL},
    {"licence", "license", "source", "group", "terms",
     NULL}, /* what recipes read of a record (recipe.h), whatever stands in it */
};
enum {
    GROUP_PROMPT = 0,
    GROUP_ANSWER = 1,
    GROUP_CHAT = 2,
    GROUP_LABEL = 4,
    GROUP_RATING = 5,
    GROUP_ID = 7,
    GROUP_ABOUT = 8,
    GROUP_COUNT = sizeof groups / sizeof *groups
};

static bool letters_equal(const char *x, const char *y) {
    for (;; x++, y++) {
        while (*x == '_' || *x == '-' || *x == ' ' || *x == '.') x++;
        while (*y == '_' || *y == '-' || *y == ' ' || *y == '.') y++;
        if (tolower((unsigned char)*x) != tolower((unsigned char)*y)) return false;
        if (!*x) return true;
    }
}

static int group_of(const char *name) {
    for (int g = 0; g < (int)GROUP_COUNT; g++)
        for (int i = 0; groups[g][i]; i++)
            if (letters_equal(groups[g][i], name)) return g;
    return -1;
}

static int names_alike(const char *x, const char *y) {
    if (letters_equal(x, y)) return NAME_SAME;
    return group_of(x) >= 0 && group_of(x) == group_of(y) ? NAME_ALIKE : 0;
}

/* ---- what fits --------------------------------------------------------------------------------------------------------------------------- */

static bool is_type(const column_facts *c, const char *type) { return !strcmp(c->type, type); }
static bool is_number(const column_facts *c) { return is_type(c, "integer") || is_type(c, "number"); }
static bool is_scalar(const column_facts *c) { return is_type(c, "text") || is_number(c) || is_type(c, "flag"); }

static bool fits_text(const column_facts *c, const json *settings) { return (void)settings, is_scalar(c) && !c->image; }
static bool fits_chat(const column_facts *c, const json *settings) { return (void)settings, c->messages; }
static bool fits_image(const column_facts *c, const json *settings) { return (void)settings, c->image || is_type(c, "text"); }
static bool fits_object(const column_facts *c, const json *settings) { return (void)settings, is_type(c, "object") && !c->image; }
static bool fits_terms(const column_facts *c, const json *settings) { return (void)settings, is_scalar(c); }
static bool fits_integer(const column_facts *c, const json *settings) { return (void)settings, is_type(c, "integer"); }
static bool fits_float(const column_facts *c, const json *settings) { return (void)settings, is_number(c); }

static bool is_empty(const json *value) { return json_kind_of(value) == JSON_STRING && !json_text(value, STR("")).len; }

static bool has_option(const json *settings, const json *value) {
    const json *options = json_get(settings, "options");
    buf text = {0};
    bool has = false;
    json_put(&text, value);
    for (size_t i = 0; !has && i < json_count(options); i++) {
        const json *option = json_get(json_at(options, i), "value");
        has = json_equal(option, value) || str_eq(json_text(option, STR("")), buf_str(&text)); /* 1 for "1", true for "true" */
    }
    buf_free(&text);
    return has;
}

static bool fits_options(const column_facts *c, const json *settings) {
    if (!c->values || !c->count || !is_scalar(c)) return false;
    for (size_t i = 0; i < json_count(c->values); i++)
        if (!is_empty(json_at(c->values, i)) && !has_option(settings, json_at(c->values, i))) return false;
    return true;
}

static bool fits_list(const column_facts *c, const json *settings) { return (void)settings, is_type(c, "list") && !c->messages; }

static const struct {
    const char *list, *type;
    bool (*fits)(const column_facts *c, const json *settings);
} fittings[] = {
    {"fields", "text", fits_text},         {"fields", "chat", fits_chat},
    {"fields", "image", fits_image},       {"fields", "custom", fits_object},
    {"metadata", "terms", fits_terms},     {"metadata", "integer", fits_integer},
    {"metadata", "float", fits_float},     {"questions", "text", fits_text},
    {"questions", "rating", fits_options}, {"questions", "label_selection", fits_options},
    {"questions", "ranking", fits_list},   {"questions", "multi_label_selection", fits_list},
    {"questions", "span", fits_list},
};

static bool fits(const char *list, const json *target, const column_facts *c) {
    const json *settings = json_get(target, "settings");
    const str type = json_get_text(settings, "type", STR(""));
    if (!c->count) return false;
    if (!strcmp(list, "vectors")) return c->dimensions && c->dimensions == json_get_int(target, "dimensions", 0);
    for (size_t i = 0; i < sizeof fittings / sizeof *fittings; i++)
        if (!strcmp(list, fittings[i].list) && str_is(type, fittings[i].type)) return fittings[i].fits(c, settings);
    return false;
}

/* ---- a mapping to settings there are ------------------------------------------------------------------------------------------------------ */

typedef struct {
    arena *a;
    const row_facts *facts;
    bool *used;
    json *map;
} guessing;

static guessing guessing_new(arena *a, const row_facts *facts) {
    guessing g = {a, facts, arena_array(a, bool, facts->count + 1), json_new_object(a)};
    static const char *const keys[] = {"fields", "metadata", "suggestions", "vectors"};
    for (int i = 0; i < 4; i++) json_set(g.map, keys[i], json_new_array(a));
    json_set(g.map, "external_id", NULL);
    for (int i = 0; i < facts->count; i++) /* names that no mapping can hold */
        g.used[i] = !*facts->column[i].name || strstr(facts->column[i].name, JSON_KEY_NUL);
    return g;
}

static void add_pair(guessing *g, const char *key, int column, const char *name) {
    json *pair = json_new_object(g->a);
    json_set(pair, "source", json_new_text(g->a, str_of(g->facts->column[column].name)));
    json_set(pair, "target", json_new_text(g->a, str_of(name)));
    json_append(json_get(g->map, key), pair);
    g->used[column] = true;
}

/* The free column whose name is nearest, at least `least` near; -1: none. */
static int nearest(const guessing *g, const char *list, const json *target, const char *name, int least) {
    int best = -1, near = least - 1;
    for (int i = 0; i < g->facts->count; i++) {
        const column_facts *c = &g->facts->column[i];
        if (g->used[i] || !fits(list, target, c)) continue;
        const char *dot = strrchr(c->name, '.');
        const bool suggestion = !strcmp(list, "questions") && dot && !strcmp(dot, ".suggestion");
        const char *told = suggestion ? arena_copy(g->a, c->name, (size_t)(dot - c->name)) : c->name;
        if (names_alike(told, name) > near) near = names_alike(told, name), best = i;
    }
    return best;
}

/* The only free column that fits; of texts those that are long, where some are. */
static int only_one(const guessing *g, const char *list, const json *target) {
    int found = -1, count = 0;
    for (int long_ones = 1; long_ones >= 0 && count == 0; long_ones--)
        for (int i = 0; i < g->facts->count; i++) {
            const column_facts *c = &g->facts->column[i];
            if (g->used[i] || !fits(list, target, c) || (is_type(c, "text") && (c->longest > LONG_TEXT) != long_ones)) continue;
            found = i;
            count++;
        }
    return count == 1 ? found : -1;
}

static void guess_part(guessing *g, const json *settings, const char *list, const char *key, int least, bool leftover,
                       bool *done) {
    const json *targets = json_get(settings, list);
    for (size_t i = 0; i < json_count(targets); i++) {
        const json *t = json_at(targets, i);
        const char *name = str_copy(g->a, json_get_text(t, "name", STR("")));
        const bool wanted = leftover && json_get_bool(t, "required", false);
        if (done[i] || (leftover && !wanted)) continue;
        const int column = leftover ? only_one(g, list, t) : nearest(g, list, t, name, least);
        if (column >= 0) add_pair(g, key, column, name);
        done[i] = column >= 0;
    }
}

static void guess_id(guessing *g) {
    for (int i = 0; i < g->facts->count; i++) {
        const column_facts *c = &g->facts->column[i];
        const bool id = group_of(c->name) == GROUP_ID && c->unique && c->count == g->facts->rows;
        if (g->used[i] || !id) continue;
        json_set(g->map, "external_id", json_new_text(g->a, str_of(c->name)));
        g->used[i] = true;
        return;
    }
}

/* The column that goes into this field; "": none. */
static str column_for(const guessing *g, const json *field) {
    const json *list = json_get(g->map, "fields");
    for (size_t i = 0; i < json_count(list); i++)
        if (json_equal(json_get(json_at(list, i), "target"), field)) return json_get_text(json_at(list, i), "source", STR(""));
    return STR("");
}

/* Files of preferences say in the names of their columns which answer is better: the suggestion for a comparison of the two. */
static void guess_choice(guessing *g, const json *settings) {
    const json *questions = json_get(settings, "questions");
    for (size_t i = 0; i < json_count(questions); i++) {
        const json *sides = json_get(json_get(json_at(questions, i), "settings"), "fields");
        const str a = column_for(g, json_at(sides, 0)), b = column_for(g, json_at(sides, 1));
        const bool is_a = str_is(a, "chosen") && str_is(b, "rejected"), is_b = str_is(a, "rejected") && str_is(b, "chosen");
        if (!is_a && !is_b) continue;
        json *one = json_new_object(g->a);
        json_set(one, "target", json_get(json_at(questions, i), "name"));
        json_set(one, "value", json_new_text(g->a, is_a ? STR("a") : STR("b")));
        json_append(json_get(g->map, "suggestions"), one);
    }
}

json *mapping_guess(arena *a, const row_facts *facts, const json *settings) {
    static const struct {
        const char *list, *key;
    } parts[] = {{"fields", "fields"}, {"questions", "suggestions"}, {"metadata", "metadata"}, {"vectors", "vectors"}};
    guessing g = guessing_new(a, facts);
    bool *done[4];
    for (int p = 0; p < 4; p++) done[p] = arena_array(a, bool, json_count(json_get(settings, parts[p].list)) + 1);
    for (int least = NAME_SAME; least >= NAME_ALIKE; least--) { /* no synonym takes what another target is called like */
        for (int p = 0; p < 4; p++)
            if (least == NAME_SAME || p < 2) guess_part(&g, settings, parts[p].list, parts[p].key, least, false, done[p]);
        if (least == NAME_SAME) guess_id(&g);
    }
    guess_part(&g, settings, "fields", "fields", NAME_LEFT, true, done[0]);
    guess_choice(&g, settings);
    return g.map;
}

/* ---- settings for a new data set -------------------------------------------------------------------------------------------------------------- */

static bool is_taken(const json *settings, const char *name) {
    static const char *const lists[] = {"fields", "questions", "metadata", "vectors"};
    for (int l = 0; l < 4; l++) {
        const json *list = json_get(settings, lists[l]);
        for (size_t i = 0; i < json_count(list); i++)
            if (str_is(json_get_text(json_at(list, i), "name", STR("")), name)) return true;
    }
    return false;
}

/* A name as the API takes it: small letters, digits, _ and -, and of nothing else in the data set. */
static const char *name_for(arena *a, const json *settings, const char *column) {
    char *base = arena_copy(a, column, strnlen(column, NAME_BYTES));
    for (char *c = base; *c; c++) *c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : *c == '-' ? '-' : '_';
    if (!strpbrk(base, "abcdefghijklmnopqrstuvwxyz0123456789")) base = arena_text(a, "column");
    const char *name = base;
    for (int again = 2; is_taken(settings, name); again++) name = arena_printf(a, "%s_%d", base, again);
    return name;
}

static json *text_value(arena *a, const char *text) { return json_new_text(a, str_of(text)); }

/* {"name", "title", "required", "settings": {"type"}} in this list of settings; its settings are returned. */
static json *add_setting(arena *a, json *settings, const char *list, const char *name, const char *title, const char *type) {
    json *one = json_new_object(a), *own = json_new_object(a);
    json_set(own, "type", text_value(a, type));
    json_set(one, "name", text_value(a, name));
    json_set(one, "title", text_value(a, strlen(title) <= NAME_BYTES ? title : name));
    if (strcmp(list, "metadata")) json_set(one, "required", json_new_bool(a, true));
    else json_set(one, "visible_for_annotators", json_new_bool(a, true));
    json_set(one, "settings", own);
    json_append(json_get(settings, list), one);
    return own;
}

/* One kind of value with a few that come back: classes, not words. */
static bool is_category(const row_facts *f, const column_facts *c) {
    const size_t values = c->values ? json_count(c->values) : 0;
    if (group_of(c->name) == GROUP_ABOUT && is_type(c, "text") && c->longest <= LONG_TEXT) return true;
    return values >= 1 && values <= OPTIONS_MAX && c->longest <= LONG_TEXT && (is_type(c, "text") || is_type(c, "flag")) &&
           (int64_t)values * 2 <= f->rows;
}

static json *options_of(arena *a, const column_facts *c) {
    json *options = json_new_array(a);
    for (size_t i = 0; i < json_count(c->values); i++) {
        json *option = json_new_object(a), *value = json_at(c->values, i);
        buf text = {0};
        if (is_empty(value)) continue;
        if (json_kind_of(value) == JSON_STRING) buf_put_str(&text, json_text(value, STR("")));
        else json_put(&text, value);
        json *words = json_new_text(a, buf_str(&text));
        json_set(option, "value", words);
        json_set(option, "text", words);
        json_set(option, "description", NULL);
        json_append(options, option);
        buf_free(&text);
    }
    return options;
}

/* All whole numbers between the least and the most that occur. */
static json *ratings_of(arena *a, const column_facts *c) {
    json *options = json_new_array(a);
    for (int64_t n = (int64_t)c->least < 1 ? (int64_t)c->least : 1; n <= (int64_t)c->most || n <= 5; n++) {
        json *option = json_new_object(a);
        json_set(option, "value", json_new_int(a, n));
        json_append(options, option);
    }
    return options;
}

static void add_question(guessing *g, json *settings, int i) {
    const column_facts *c = &g->facts->column[i];
    const int group = group_of(c->name);
    const char *name = name_for(g->a, settings, c->name);
    if (group == GROUP_RATING && is_type(c, "integer") && c->least >= 0 && c->most <= 10) {
        json *own = add_setting(g->a, settings, "questions", name, c->name, "rating");
        json_set(own, "options", ratings_of(g->a, c));
        add_pair(g, "suggestions", i, name);
    } else if (group == GROUP_LABEL && is_category(g->facts, c) && json_count(options_of(g->a, c)) >= 2) {
        json *own = add_setting(g->a, settings, "questions", name, c->name, "label_selection");
        json_set(own, "options", options_of(g->a, c));
        json_set(own, "visible_options", NULL);
        add_pair(g, "suggestions", i, name);
    }
}

static void add_field(guessing *g, json *settings, int i) {
    const column_facts *c = &g->facts->column[i];
    const bool text = is_type(c, "text") && !c->image && !is_category(g->facts, c);
    const char *type = c->messages ? "chat" : c->image ? "image" : text ? "text" : NULL;
    if (!type) return;
    const char *name = name_for(g->a, settings, c->name);
    json *own = add_setting(g->a, settings, "fields", name, c->name, type);
    if (!c->image) json_set(own, "use_markdown", json_new_bool(g->a, c->messages));
    json *list = json_get(settings, "fields"), *field = json_at(list, json_count(list) - 1);
    json_set(field, "required", json_new_bool(g->a, c->count == g->facts->rows && json_count(list) == 1));
    add_pair(g, "fields", i, name);
}

static void add_metadata(guessing *g, json *settings, int i) {
    const column_facts *c = &g->facts->column[i];
    const bool terms = is_category(g->facts, c);
    const char *type = is_type(c, "integer") ? "integer" : is_type(c, "number") ? "float" : terms ? "terms" : NULL;
    const char *name = name_for(g->a, settings, c->name);
    if (c->dimensions > 1 && is_type(c, "list")) {
        if (json_count(json_get(settings, "vectors")) == VECTORS_MAX) return;
        json *vector = json_new_object(g->a);
        json_set(vector, "name", text_value(g->a, name));
        json_set(vector, "title", text_value(g->a, strlen(c->name) <= NAME_BYTES ? c->name : name));
        json_set(vector, "dimensions", json_new_int(g->a, c->dimensions));
        json_append(json_get(settings, "vectors"), vector);
        add_pair(g, "vectors", i, name);
    } else if (type) {
        json *own = add_setting(g->a, settings, "metadata", name, c->name, type);
        json_set(own, terms ? "values" : "min", NULL);
        if (!terms) json_set(own, "max", NULL);
        add_pair(g, "metadata", i, name);
    }
}

/* A chosen and a rejected answer are compared. */
static void add_comparison(guessing *g, json *settings) {
    const json *fields = json_get(settings, "fields");
    json *sides[2] = {NULL, NULL}, *both = json_new_array(g->a);
    for (size_t i = 0; i < json_count(fields); i++) {
        json *name = json_get(json_at(fields, i), "name");
        const str column = column_for(g, name);
        if (str_is(column, "chosen")) sides[0] = name;
        if (str_is(column, "rejected")) sides[1] = name;
    }
    if (!sides[0] || !sides[1]) return;
    for (int i = 0; i < 2; i++) json_append(both, sides[i]);
    json *own = add_setting(g->a, settings, "questions", name_for(g->a, settings, "better"), "Which is better?", "comparison");
    json_set(own, "fields", both);
    guess_choice(g, settings);
}

/* The first column that became a field and is called like others of this group; -1: none. */
static int field_of_group(const guessing *g, int group) {
    const json *list = json_get(g->map, "fields");
    for (int i = 0; i < g->facts->count; i++)
        for (size_t k = 0; k < json_count(list) && group_of(g->facts->column[i].name) == group; k++)
            if (str_is(json_get_text(json_at(list, k), "source", STR("")), g->facts->column[i].name)) return i;
    return -1;
}

/* A data set without a question cannot be published. An answer to a prompt is edited, a conversation's last one too; nothing else is known
 * to be an answer, and remarked on. */
static void add_default_question(guessing *g, json *settings) {
    const int answer = field_of_group(g, GROUP_ANSWER), chat = field_of_group(g, GROUP_CHAT);
    const bool edited = (answer >= 0 && field_of_group(g, GROUP_PROMPT) >= 0) || chat >= 0;
    if (json_count(json_get(settings, "questions"))) return;
    const char *name = name_for(g->a, settings, edited ? "better" : "comment");
    json *own = add_setting(g->a, settings, "questions", name, edited ? "A better answer" : "Comment", "text");
    json_set(own, "use_markdown", json_new_bool(g->a, false));
    if (edited && answer >= 0 && is_scalar(&g->facts->column[answer])) add_pair(g, "suggestions", answer, name);
}

/* Without a long text the short ones are fields: better a field too many than a data set without one. */
static void add_short_field(guessing *g, json *settings) {
    for (int i = 0; i < g->facts->count && !json_count(json_get(settings, "fields")); i++) {
        const column_facts *c = &g->facts->column[i];
        if (g->used[i] || !c->count || !is_scalar(c)) continue;
        const char *name = name_for(g->a, settings, c->name);
        json_set(add_setting(g->a, settings, "fields", name, c->name, "text"), "use_markdown", json_new_bool(g->a, false));
        add_pair(g, "fields", i, name);
    }
}

json *mapping_settings(arena *a, const row_facts *facts, json **map, err *e) {
    static const char *const lists[] = {"fields", "questions", "metadata", "vectors"};
    void (*const add[])(guessing *, json *, int) = {add_question, add_field, add_metadata};
    guessing g = guessing_new(a, facts);
    json *settings = json_new_object(a);
    for (int i = 0; i < 4; i++) json_set(settings, lists[i], json_new_array(a));
    json_set(settings, "guidelines", NULL);
    json_set(settings, "allow_extra_metadata", json_new_bool(a, true));
    guess_id(&g);
    for (int k = 0; k < 3; k++) {
        if (k == 2) add_short_field(&g, settings);
        for (int i = 0; i < facts->count; i++)
            if (!g.used[i] && facts->column[i].count) add[k](&g, settings, i);
    }
    add_comparison(&g, settings);
    add_default_question(&g, settings);
    if (!json_count(json_get(settings, "fields")))
        return err_null(e, ERR_INPUT,
                        "no column holds a text, a conversation or a picture, so there is nothing to show to people");
    *map = g.map;
    return settings;
}
