/* recipe_voices.c - several people's answers to one question become one voice, or stay as many as they are. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "data/kind.h"
#include "data/recipe_kind.h"

char *person_pseudonym(arena *a, const char *salt, str user_id) {
    sha256_text hash;
    const char *secret = salt ? salt : "";
    char *both = arena_printf(a, "%s\n%.*s", secret, STR_ARG(user_id));
    bytes_sha256(both, strlen(secret) + 1 + user_id.len, hash);
    return arena_printf(a, "p-%.12s", hash);
}

bool is_discarded(const json *record) {
    const json *responses = json_get(record, "responses");
    for (size_t i = 0; i < json_count(responses); i++)
        if (!str_is(json_get_text(json_at(responses, i), "status", STR("")), "discarded")) return false;
    return json_count(responses) > 0;
}

/* ---- what there is ------------------------------------------------------------------------------------------------------------------ */

static voice new_voice(arena *a, const json *value, const char *origin) {
    return (voice){value, json_new_array(a), json_new_array(a), str_of(origin)};
}

static void note_person(arena *a, const recipe *r, voice *v, const json *user) {
    if (json_kind_of(user) != JSON_STRING) return;
    json_append(v->people, json_new_text(a, str_of(person_pseudonym(a, r->o.salt, json_text(user, STR(""))))));
}

/* What came with a file stands in for answers, what a model proposed only where that is asked for. */
static bool stands_in(const recipe *r, const json *suggestion) {
    return r->o.suggestions || str_starts(json_get_text(suggestion, "agent", STR("")), STR(SUGGESTED_BY_FILE));
}

static bool suggested_voice(arena *a, const recipe *r, const json *record, const json *question, voice *out) {
    const json *list = json_get(record, "suggestions");
    for (size_t i = 0; i < json_count(list); i++) {
        const json *one = json_at(list, i), *id = json_get(one, "question_id");
        const bool mine = id ? json_equal(id, json_get(question, "id"))
                             : json_equal(json_get(one, "question_name"), json_get(question, "name"));
        if (!mine || !json_get(one, "value") || !stands_in(r, one)) continue;
        *out = new_voice(a, json_get(one, "value"),
                         arena_printf(a, "suggestion:%.*s", STR_ARG(json_get_text(one, "agent", STR("unknown")))));
        return true;
    }
    return false;
}

static bool is_left_out(arena *a, const recipe *r, const json *user) {
    const str id = json_text(user, STR(""));
    const char *pseudonym = r->o.without.count ? person_pseudonym(a, r->o.salt, id) : "";
    for (int i = 0; i < r->o.without.count; i++)
        if (str_is(id, r->o.without.item[i]) || !strcmp(pseudonym, r->o.without.item[i])) return true;
    return false;
}

/* What the adjudicator decided: {question: {"value": ..., "user_id": ...}}. */
static bool gold_voice(arena *a, const recipe *r, const json *record, str question, voice *out) {
    const json *gold = value_of(json_get(record, "gold"), question);
    if (!json_get(gold, "value") || is_left_out(a, r, json_get(gold, "user_id"))) return false;
    *out = new_voice(a, json_get(gold, "value"), "gold");
    note_person(a, r, out, json_get(gold, "user_id"));
    return true;
}

static size_t human_voices(arena *a, const recipe *r, const json *record, str question, voice *out, const json **response) {
    const json *list = json_get(record, "responses");
    size_t n = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        const json *one = json_at(list, i), *value = json_get(value_of(json_get(one, "values"), question), "value");
        if (!value || !str_is(json_get_text(one, "status", STR("")), "submitted")) continue;
        if (is_left_out(a, r, json_get(one, "user_id"))) continue;
        out[n] = new_voice(a, value, "");
        if (json_get(one, "id")) json_append(out[n].responses, json_get(one, "id"));
        note_person(a, r, &out[n], json_get(one, "user_id"));
        response[n++] = one;
    }
    return n;
}

/* ---- unified ------------------------------------------------------------------------------------------------------------------------ */

static void join(voice *into, const voice *v) {
    for (size_t i = 0; i < json_count(v->responses); i++) json_append(into->responses, json_at(v->responses, i));
    for (size_t i = 0; i < json_count(v->people); i++) json_append(into->people, json_at(v->people, i));
}

static size_t keep_majority(arena *a, const json *question, voice *v, size_t n) {
    str *same = arena_array(a, str, n + 1);
    size_t best = 0, most = 0;
    bool tied = false;
    for (size_t i = 0; i < n; i++) same[i] = question_same(a, question, v[i].value);
    for (size_t i = 0; i < n; i++) {
        size_t votes = 0;
        for (size_t k = 0; k < n; k++) votes += str_eq(same[i], same[k]);
        if (votes == most && !str_eq(same[i], same[best])) tied = true;
        if (votes > most) most = votes, best = i, tied = false;
    }
    if (tied) return 0;
    voice winner = v[best];
    for (size_t i = 0; i < n; i++)
        if (i != best && str_eq(same[i], same[best])) join(&winner, &v[i]);
    v[0] = winner;
    return 1;
}

static size_t keep_mean(arena *a, const recipe *r, voice *v, size_t n) {
    const json **values = arena_array(a, const json *, n);
    for (size_t i = 0; i < n; i++) values[i] = v[i].value;
    for (size_t i = 1; i < n; i++) join(&v[0], &v[i]);
    if (n > 1) v[0].value = r->kind->mean(a, r, values, n);
    return 1;
}

/* Times are written so that the order of texts is the order of time. */
static str changed_at(const json *response) {
    return json_get_text(response, "updated_at", json_get_text(response, "inserted_at", STR("")));
}

static size_t keep_latest(voice *v, const json *const *response, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (str_compare(changed_at(response[i]), changed_at(response[best])) >= 0) best = i;
    v[0] = v[best];
    return 1;
}

static size_t unify(arena *a, const recipe *r, const json *question, voice *v, const json *const *response, size_t n) {
    const str how = str_of(r->o.unify);
    if (str_is(how, "majority")) return keep_majority(a, question, v, n);
    if (str_is(how, "mean")) return keep_mean(a, r, v, n);
    return str_is(how, "latest") ? keep_latest(v, response, n) : n;
}

size_t voices_of(arena *a, const recipe *r, const json *record, const json *question, voice **out, left_out *why) {
    const str name = json_get_text(question, "name", STR("")), how = str_of(r->o.unify);
    const size_t room = json_count(json_get(record, "responses")) + 1;
    const json **response = arena_array(a, const json *, room);
    voice *v = *out = arena_array(a, voice, room), gold;
    const bool decided = gold_voice(a, r, record, name, &gold);
    *why = LEFT_NO_ANSWER;
    if (decided && r->gold_alone) return v[0] = gold, 1;
    if (str_is(how, "gold")) return 0;
    const size_t n = human_voices(a, r, record, name, v, response);
    if (decided) return v[n] = gold, n + 1;
    if (!n) return suggested_voice(a, r, record, question, &v[0]);
    const size_t kept = unify(a, r, question, v, response, n);
    if (!kept) *why = LEFT_DISAGREED;
    return kept;
}
