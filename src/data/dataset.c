/* dataset.c - a dataset's own settings: name, guidelines, how many must answer. */
#include "data/kind.h"

enum { NAME_MAX_LENGTH = 200, GUIDELINES_MAX = 10000 };

static bool take_distribution(arena *a, const json *body, json *out, err *e) {
    const json *given = json_get(body, "distribution"), *least = json_get(given, "min_submitted");
    json *distribution = json_new_object(a);
    if (given && !body_is_object(given, "'distribution'", e)) return false;
    if (given && !str_is(json_get_text(given, "strategy", STR("")), "overlap"))
        return key_wrong(given, "strategy", "'overlap'", e) || err_prefix(e, "distribution");
    if (given && (json_kind_of(least) != JSON_INT || json_int(least, 0) < 1))
        return key_wrong(given, "min_submitted", "a whole number of at least 1", e) || err_prefix(e, "distribution");
    json_set(distribution, "strategy", json_new_text(a, STR("overlap")));
    json_set(distribution, "min_submitted", json_new_int(a, json_int(least, 1)));
    json_set(out, "distribution", distribution);
    return true;
}

static bool take_metadata(const json *body, json *out, err *e) {
    json *v = json_get(body, "metadata");
    json_set(out, "metadata", v);
    return !v || body_is_object(v, "'metadata'", e);
}

bool dataset_create(arena *a, const json *body, json **out, err *e) {
    json *d = *out = json_new_object(a);
    return body_is_object(body, "a dataset", e) && take_text(a, body, "name", NAME_MAX_LENGTH, d, e) &&
           take_text_or_null(a, body, "guidelines", GUIDELINES_MAX, d, e) &&
           take_flag(a, body, "allow_extra_metadata", true, false, d, e) && take_distribution(a, body, d, e) &&
           take_metadata(body, d, e);
}

bool dataset_update(arena *a, const json *old, const json *body, json **out, err *e) {
    static const char *const never_null[] = {"name", "allow_extra_metadata", "distribution", NULL};
    json *d = *out = copy_object(a, old);
    return body_is_object(body, "a dataset", e) && keys_not_null(body, never_null, e) &&
           (!json_has(body, "name") || take_text(a, body, "name", NAME_MAX_LENGTH, d, e)) &&
           (!json_has(body, "guidelines") || take_text_or_null(a, body, "guidelines", GUIDELINES_MAX, d, e)) &&
           (!json_has(body, "allow_extra_metadata") || take_flag(a, body, "allow_extra_metadata", true, false, d, e)) &&
           (!json_has(body, "distribution") || take_distribution(a, body, d, e)) &&
           (!json_has(body, "metadata") || take_metadata(body, d, e));
}

bool dataset_publishable(const json *fields, const json *questions, err *e) {
    if (!json_count(fields)) return err_set(e, ERR_INPUT, "a dataset needs a field before it is published: add one");
    for (size_t i = 0; i < json_count(questions); i++)
        if (json_get_bool(json_at(questions, i), "required", false)) return true;
    return err_set(e, ERR_INPUT, "a dataset needs a required question before it is published: add one, or make one required");
}
