/* lesson.c - what a lesson is at this moment, from its row and its rows (contract: lesson.h). */
#include "serve/lesson.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "serve/teach.h"

static const char *const words[] = {
#define X(token, word) word,
    LESSON_STATES(X)
#undef X
};
const char *lesson_state_word(lesson_state s) { return words[s]; }

/* How the two answers and the edit become examples (data/recipe_ranking.c). */
static const char mapping_text[] = "{\"recipe\":\"ranking\",\"question\":\"best\",\"prompt\":\"prompt\",\"edit\":\"edit\","
                                   "\"answers\":{\"answer_1\":\"answer_1\","
                                   "\"answer_2\":\"answer_2\",\"answer_3\":\"answer_3\",\"answer_4\":\"answer_4\"}}";

/* ---- rows ----------------------------------------------------------------------------------------------------------------------- */

static const json *fact(const json *r, const char *key) { return json_get(json_get(r, "metadata"), key); }
bool lesson_is_of(const json *r, int round) { return json_int(fact(r, "round"), 0) == round; }
int lesson_index(const json *r) { return (int)json_int(fact(r, "index"), -1); }

bool lesson_answered(const json *r) {
    const json *list = json_get(r, "responses");
    for (size_t i = 0; i < json_count(list); i++)
        if (!str_is(json_get_text(json_at(list, i), "status", STR("draft")), "draft")) return true;
    return false;
}

static str answered_at(const json *r) { return json_get_text(json_at(json_get(r, "responses"), 0), "updated_at", STR("")); }

const json *lesson_first_open(const json *rows, int round, bool answered_last) {
    const json *best = NULL;
    for (size_t i = 0; i < json_count(rows); i++) {
        const json *r = json_at(rows, i);
        if (!lesson_is_of(r, round) || lesson_answered(r) != answered_last) continue;
        if (!best || (answered_last ? str_compare(answered_at(r), answered_at(best)) > 0 : lesson_index(r) < lesson_index(best)))
            best = r;
    }
    return best;
}

static int count_answered(const json *rows, int round) {
    int n = 0;
    for (size_t i = 0; i < json_count(rows); i++) n += lesson_is_of(json_at(rows, i), round) && lesson_answered(json_at(rows, i));
    return n;
}

/* ---- loading ------------------------------------------------------------------------------------------------------------------------ */

static bool load_set(call *c, const json *id, dataset *set, schema *s, json **rows, err *e) {
    uuid_text known;
    if (!uuid_parse(json_text(id, STR("")), known)) return err_set(e, ERR_IO, "a lesson without its dataset");
    if (!dataset_get(c->tx, c->a, known, set, e)) return err_prefix(e, "the lesson's dataset was deleted");
    c->set = *set;
    return dataset_records(c, s, rows, e);
}

static int count_pairs(call *c, const lesson_view *v) {
    err none = {0};
    example_list list = {0};
    const json *mapping = json_parse(c->a, str_of(mapping_text), &none);
    const recipe *r = recipe_open(c->a, v->set_schema.fields, v->set_schema.questions, mapping, NULL, &none);
    if (!r || !recipe_convert_all(c->a, r, v->picks, TARGET_PAIRS, &list, &none)) return 0;
    return (int)list.count;
}

json *lesson_of_round(const lesson_view *v, int round) { return json_at(json_get(v->data, "rounds"), (size_t)round - 1); }

int lesson_wanted(const lesson_view *v) { return v->round > 1 ? 2 * LESSON_CHECKS : LESSON_CHECKS; }

static lesson_state state_of(const lesson_view *v) {
    if (v->run && run_is_busy(v->trained.state)) return LESSON_TRAINING;
    if (v->run && v->trained.state == STATE_DONE) return v->voted < lesson_wanted(v) ? LESSON_CHECKING : LESSON_RESULT;
    return v->picked < LESSON_PICKS ? LESSON_TEACHING : LESSON_READY;
}

bool lesson_load(call *c, const char *id, lesson_view *v, err *e) {
    uuid_text known;
    err none = {0};
    *v = (lesson_view){0};
    if (!uuid_parse(str_of(id), known) || !lesson_get(c->tx, c->a, known, &v->row, &none) ||
        (v->row.user != c->me.seq && c->me.role != ROLE_OWNER))
        return err_set(e, ERR_NOT_FOUND, "Lesson with id `%s` not found", id);
    if (!(v->data = json_parse(c->a, v->row.data, e))) return false;
    v->taste = str_copy(c->a, json_get_text(v->data, "taste", STR("own")));
    v->model = str_copy(c->a, json_get_text(v->data, "model", STR("")));
    v->round = (int)json_get_int(v->data, "round", 1);
    if (!load_set(c, json_get(v->data, "dataset"), &v->set, &v->set_schema, &v->picks, e) ||
        !load_set(c, json_get(v->data, "check"), &v->check, &v->check_schema, &v->checks, e))
        return false;
    v->picked = count_answered(v->picks, v->round);
    v->voted = count_answered(v->checks, v->round);
    v->pairs = count_pairs(c, v);
    const str its = json_get_text(lesson_of_round(v, v->round), "run", STR(""));
    if (its.len && runs_find(server_runs(c->server), c->a, str_copy(c->a, its), &v->trained, &none)) v->run = v->trained.id;
    v->state = state_of(v);
    return true;
}

/* ---- models ------------------------------------------------------------------------------------------------------------------------- */

/* The result of the newest round before `round` that has one; NULL: none. */
static const char *result_before(call *c, const lesson_view *v, int round) {
    for (int i = round - 1; i >= 1; i--) {
        const str its = json_get_text(lesson_of_round(v, i), "run", STR(""));
        run_view r;
        err none = {0};
        if (its.len && runs_find(server_runs(c->server), c->a, str_copy(c->a, its), &r, &none) && r.state == STATE_DONE)
            return arena_printf(c->a, "run:%s", r.id);
    }
    return NULL;
}

const char *lesson_source(call *c, const lesson_view *v) {
    const char *newest = result_before(c, v, v->round);
    return newest ? newest : v->model;
}

const char *lesson_against(const lesson_view *v, int index) {
    (void)v;
    return index < LESSON_CHECKS ? "start" : "previous";
}

const char *lesson_rival(call *c, const lesson_view *v, const char *against) {
    return strcmp(against, "start") == 0 ? v->model : lesson_source(c, v);
}

/* ---- made ahead ---------------------------------------------------------------------------------------------------------------------- */

static const demo_prompts *prompts_of(const lesson_view *v) {
    const taste *t = taste_find(v->taste);
    return t ? t->prompts : &demo_everyday;
}

static uint64_t seed_of(const lesson_view *v, int index, uint64_t purpose) {
    uint64_t n = purpose;
    for (const char *p = v->row.id; *p; p++) n = rng_mix(n, (uint64_t)*p);
    return rng_mix(n, (uint64_t)(v->round * 1000 + index)) >> 12;
}

/* Indexes below `wanted` that have no record and are not being made, as long as fewer than `ahead` wait. */
static int missing(call *c, const lesson_view *v, const json *rows, const char *set, int wanted, int ahead, int *out) {
    bool there[LESSON_ITEMS] = {0};
    int now[LESSON_ITEMS], open = 0, n = 0;
    const int making = teach_making(server_teach(c->server), set, v->round, now, LESSON_ITEMS);
    for (size_t i = 0; i < json_count(rows); i++) {
        const json *r = json_at(rows, i);
        const int place = lesson_index(r);
        if (!lesson_is_of(r, v->round) || place < 0 || place >= LESSON_ITEMS) continue;
        there[place] = true;
        open += !lesson_answered(r);
    }
    for (int i = 0; i < making; i++) {
        open += !there[now[i]];
        there[now[i]] = true;
    }
    for (int i = 0; i < wanted && open < ahead; i++)
        if (!there[i]) out[n++] = i, open++;
    return n;
}

static teach_item new_item(const lesson_view *v, const char *set, int index, uint64_t purpose) {
    return (teach_item){.lesson = v->row.id,
                        .dataset = set,
                        .by = v->row.user,
                        .round = v->round,
                        .index = index,
                        .seed = seed_of(v, index, purpose)};
}

bool lesson_plan_picks(call *c, const lesson_view *v, err *e) {
    int next[LESSON_ITEMS];
    const int n = missing(c, v, v->picks, v->set.id, LESSON_PICKS, LESSON_AHEAD, next);
    for (int i = 0; i < n; i++) {
        teach_item x = new_item(v, v->set.id, next[i], 1);
        x.prompt = prompts_of(v)->training[next[i] % DEMO_TRAINING];
        x.model[0] = lesson_source(c, v);
        if (!teach_make(server_teach(c->server), &x, e)) return false;
    }
    return true;
}

bool lesson_plan_checks(call *c, const lesson_view *v, err *e) {
    int next[LESSON_ITEMS];
    const int n = missing(c, v, v->checks, v->check.id, lesson_wanted(v), LESSON_AHEAD + 1, next);
    for (int i = 0; i < n; i++) {
        teach_item x = new_item(v, v->check.id, next[i], 2);
        x.prompt = prompts_of(v)->held_out[((v->round - 1) * 2 * LESSON_CHECKS + next[i]) % DEMO_HELD_OUT];
        x.against = lesson_against(v, next[i]);
        x.model[0] = arena_printf(c->a, "run:%s", v->run);
        x.model[1] = lesson_rival(c, v, x.against);
        if (!teach_make(server_teach(c->server), &x, e)) return false;
    }
    return true;
}

/* ---- as JSON -------------------------------------------------------------------------------------------------------------------------- */

void lesson_put_item(json_writer *w, const json *row) {
    static const char *const names[] = {"answer_1", "answer_2", "answer_3", "answer_4"};
    const json *fields = json_get(row, "fields");
    json_key(w, "record_id"), json_put_value(w, json_get(row, "id"));
    json_key(w, "prompt"), json_put_value(w, json_get(fields, "prompt"));
    json_key(w, "answers"), json_open(w, '[');
    for (int i = 0; i < TEACH_ANSWERS; i++) json_put_text(w, json_get_text(fields, names[i], STR("")));
    json_close(w);
    json_key(w, "ready"), json_put_bool(w, true);
}

void lesson_put(call *c, const lesson_view *v) {
    json_writer *w = &c->w;
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, v->row.id);
    json_key(w, "taste"), json_put_cstr(w, v->taste);
    json_key(w, "model"), json_put_cstr(w, v->model);
    json_key(w, "source"), json_put_cstr(w, lesson_source(c, v));
    json_key(w, "round"), json_put_int(w, v->round);
    json_key(w, "dataset_id"), json_put_cstr(w, v->set.id);
    json_key(w, "check_dataset_id"), json_put_cstr(w, v->check.id);
    json_key(w, "picks"), json_put_int(w, v->picked);
    json_key(w, "picks_wanted"), json_put_int(w, LESSON_PICKS);
    json_key(w, "pairs"), json_put_int(w, v->pairs);
    json_key(w, "votes"), json_put_int(w, v->voted);
    json_key(w, "votes_wanted"), json_put_int(w, lesson_wanted(v));
    json_key(w, "status"), json_put_cstr(w, lesson_state_word(v->state));
    json_key(w, "run"), json_put_cstr(w, v->run);
    json_key(w, "result"), json_put_value(w, json_get(lesson_of_round(v, v->round), "result"));
    put_moment(w, "inserted_at", v->row.inserted_at);
    put_moment(w, "updated_at", v->row.updated_at);
    json_close(w);
}

/* ---- its datasets --------------------------------------------------------------------------------------------------------------------- */

static bool ask(call *c, const char *method, const char *path, const char *body, const char **id, err *e) {
    buf out = {0};
    int status;
    const bool ok = server_call(c->server, method, path, str_of(body), &status, &out, e);
    const json *v = ok && out.len ? json_parse(c->a, str_of(str_copy(c->a, buf_str(&out))), e) : NULL;
    if (id) *id = str_copy(c->a, json_get_text(v, "id", STR("")));
    buf_free(&out);
    return ok && !e->code;
}

static bool add_fields(call *c, const char *at, const char *const *names, err *e) {
    for (; *names; names++) {
        char *title = arena_text(c->a, *names);
        title[0] = (char)toupper((unsigned char)title[0]);
        for (char *x = strchr(title, '_'); x; x = strchr(x, '_')) *x = ' ';
        const char *body = arena_printf(c->a,
                                        "{\"name\":\"%s\",\"title\":\"%s\",\"required\":%s,\"settings\":{\"type\":\"text\","
                                        "\"use_markdown\":true}}",
                                        *names, title, strcmp(*names, "prompt") == 0 ? "true" : "false");
        if (!ask(c, "POST", arena_printf(c->a, "%s/fields", at), body, NULL, e)) return false;
    }
    return true;
}

static bool add_all(call *c, const char *at, const char *what, const char *const *bodies, err *e) {
    for (; *bodies; bodies++)
        if (!ask(c, "POST", arena_printf(c->a, "%s/%s", at, what), *bodies, NULL, e)) return false;
    return true;
}

typedef struct {
    const char *const *fields, *const *questions, *const *metadata;
    const char *guidelines;
} set_plan;

static bool make_set(call *c, const char *space, const char *name, const set_plan *p, const char **id, err *e) {
    const char *body =
        arena_printf(c->a, "{\"name\":\"%s\",\"workspace_id\":\"%s\",\"guidelines\":\"%s\"}", name, space, p->guidelines);
    if (!ask(c, "POST", "/api/v1/datasets", body, id, e)) return false;
    const char *at = arena_printf(c->a, "/api/v1/datasets/%s", *id);
    return add_fields(c, at, p->fields, e) && add_all(c, at, "questions", p->questions, e) &&
           add_all(c, at, "metadata-properties", p->metadata, e) &&
           ask(c, "PUT", arena_printf(c->a, "%s/publish", at), "", NULL, e);
}

#define NUMBER_OF(name) "{\"name\":\"" name "\",\"title\":\"" name "\",\"settings\":{\"type\":\"integer\"}}"
#define HIDDEN_WORD(name)                                                                                                        \
    "{\"name\":\"" name "\",\"title\":\"" name "\",\"settings\":{\"type\":\"terms\"},\"visible_for_annotators\":false}"
#define OPTION(n) "{\"value\":\"answer_" n "\",\"text\":\"" n "\"}"

static const char *const
    pick_fields[] = {"prompt", "answer_1", "answer_2", "answer_3", "answer_4", NULL},
    *const pick_questions[] =
        {"{\"name\":\"best\",\"title\":\"Which is best?\",\"required\":true,\"settings\":{\"type\":\"ranking\","
         "\"options\":[" OPTION("1") "," OPTION("2") "," OPTION("3") "," OPTION("4") "]}}",
         "{\"name\":\"edit\",\"title\":\"Your edit of the best\",\"required\":false,\"settings\":{\"type\":\"text\","
         "\"use_markdown\":false}}",
         NULL},
    *const pick_metadata[] = {NUMBER_OF("round"), NUMBER_OF("index"), HIDDEN_WORD("model"), HIDDEN_WORD("unfinished"), NULL},
    *const check_fields[] = {"prompt", "answer_a", "answer_b", NULL},
    *const check_questions[] =
        {"{\"name\":\"better\",\"title\":\"Which is better?\",\"required\":true,\"settings\":{\"type\":\"comparison\","
         "\"fields\":[\"answer_a\",\"answer_b\"]}}",
         NULL},
    *const check_metadata[] = {NUMBER_OF("round"),  NUMBER_OF("index"),        HIDDEN_WORD("against"),
                               HIDDEN_WORD("a_is"), HIDDEN_WORD("unfinished"), NULL};

enum { SETS_MOST = 1000 }; /* lessons of one taste in a workspace */

static const set_plan picks_plan = {pick_fields, pick_questions, pick_metadata,
                                    "Of four answers to one prompt the best; the edit is the best as you would have it."},
                      checks_plan = {check_fields, check_questions, check_metadata,
                                     "Two models' answers to one prompt, unnamed and shuffled: which is better?"};

/* Under the name, or NAME-2, NAME-3 … where it is taken. */
static bool make_set_beside(call *c, const char *space, const char *name, const set_plan *p, const char **id, err *e) {
    const char *wanted = name;
    for (int i = 2; !make_set(c, space, wanted, p, id, e); i++) {
        if (e->code != ERR_CONFLICT || i > SETS_MOST) return false;
        *e = (err){0};
        wanted = arena_printf(c->a, "%s-%d", name, i);
    }
    return true;
}

bool lesson_make_sets(call *c, const char *space, const char *taste_name, const char **set, const char **check, err *e) {
    const char *name = arena_printf(c->a, "taste-%s", taste_name);
    return make_set_beside(c, space, name, &picks_plan, set, e) &&
           ask(c, "PUT", arena_printf(c->a, "/api/v1/datasets/%s/recipe", *set),
               arena_printf(c->a, "{\"mapping\":%s}", mapping_text), NULL, e) &&
           make_set_beside(c, space, arena_printf(c->a, "%s-check", name), &checks_plan, check, e);
}
