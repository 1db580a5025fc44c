/* api_teach.c - teach a model a taste: pick the best of four, edit it, train, compare blind, see what came of it, and again. */
#include <math.h>
#include <string.h>

#include "base/message.h"
#include "base/secret.h"
#include "model/model.h"
#include "serve/lesson.h"
#include "serve/teach.h"
#include "serve/worker.h"

/* ---- tastes ---------------------------------------------------------------------------------------------------------------------------- */

static void put_taste(json_writer *w, const char *id, const char *title, const char *words) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, id);
    json_key(w, "title"), json_put_cstr(w, title);
    json_key(w, "words"), json_put_cstr(w, words);
    json_key(w, "prompts"), json_put_int(w, DEMO_TRAINING);
    json_close(w);
}

static bool get_tastes(call *c, err *e) {
    (void)e;
    items_begin(c);
    for (const taste *t = taste_list; t->name; t++) {
        char *title = arena_text(c->a, t->name);
        if (*title >= 'a' && *title <= 'z') *title = (char)(*title - 'a' + 'A');
        if (!t->control) put_taste(&c->w, t->name, title, t->words);
    }
    put_taste(&c->w, "own", "My own taste", "you know it when you see it");
    items_end(c);
    object_end(c);
    return true;
}

/* ---- transactions of handlers that have none --------------------------------------------------------------------------------------------- */

typedef struct {
    call *c;
    bool (*see)(call *c, void *context, err *e);
    void *context;
} looking;

static bool look_inside(store_tx *t, void *context, err *e) {
    looking *x = context;
    x->c->tx = t;
    const bool ok = x->see(x->c, x->context, e);
    x->c->tx = NULL;
    return ok;
}

static bool look(call *c, bool (*see)(call *c, void *context, err *e), void *context, err *e) {
    return store_read(server_store(c->server), look_inside, &(looking){c, see, context}, e);
}

static bool load(call *c, void *view, err *e) { return lesson_load(c, str_copy(c->a, c->arg[0]), view, e); }

static bool put_lesson(call *c, void *context, err *e) {
    lesson_view v;
    (void)context;
    if (!load(c, &v, e)) return false;
    lesson_put(c, &v);
    return true;
}

/* ---- beginning --------------------------------------------------------------------------------------------------------------------------- */

static bool find_me(call *c, void *context, err *e) {
    (void)context;
    return user_named(c->tx, c->a, STR("you"), &c->me, e);
}

/* Where whoever connects is the owner there may be no row for them: answers belong to somebody, so one is made. */
static bool be_somebody(call *c, err *e) {
    key_text password;
    buf out = {0};
    int status;
    if (c->me.seq) return true;
    key_new(password);
    const char *body =
        arena_printf(c->a, "{\"username\":\"you\",\"first_name\":\"You\",\"role\":\"owner\",\"password\":\"%s\"}", password);
    const bool ok = server_call(c->server, "POST", "/api/v1/users", str_of(body), &status, &out, e);
    buf_free(&out);
    return ok && look(c, find_me, NULL, e);
}

static bool first_space(call *c, void *out, err *e) {
    workspaces list;
    if (!workspace_list(c->tx, c->a, c->me.seq, &list, e)) return false;
    *(const char **)out = list.count ? arena_text(c->a, list.item[0].id) : NULL;
    return true;
}

static bool join_space(call *c, err *e) {
    workspace w = {.name = arena_printf(c->a, "teach-%s", c->me.username)};
    err none = {0};
    if (!workspace_named(c->tx, c->a, str_of(w.name), &w, &none) && !workspace_add(c->tx, &w, e)) return false;
    return member_is(c->tx, w.seq, c->me.seq) || member_add(c->tx, w.seq, c->me.seq, e);
}

/* The person's first workspace; without one, a new one of theirs. */
static bool find_space(call *c, const char **out, err *e) {
    if (!look(c, first_space, out, e) || *out) return *out != NULL;
    return write_inside(c, join_space, e) && look(c, first_space, out, e);
}

static bool add_lesson(call *c, err *e) {
    lesson x = {.user = c->me.seq, .data = written(c, c->body)};
    if (!lesson_add(c->tx, &x, e)) return false;
    c->arg[0] = str_of(arena_text(c->a, x.id));
    return true;
}

static bool plan_picks(call *c, void *context, err *e) {
    lesson_view v;
    (void)context;
    return load(c, &v, e) && (v.state != LESSON_TEACHING || lesson_plan_picks(c, &v, e));
}

static json *first_data(call *c, const char *taste_name, const char *began, const char *set, const char *check) {
    json *data = json_new_object(c->a), *rounds = json_new_array(c->a);
    json_append(rounds, json_new_object(c->a));
    json_set(data, "taste", json_new_text(c->a, str_of(taste_name)));
    json_set(data, "model", json_new_text(c->a, str_of(began)));
    json_set(data, "round", json_new_int(c->a, 1));
    json_set(data, "dataset", json_new_text(c->a, str_of(set)));
    json_set(data, "check", json_new_text(c->a, str_of(check)));
    json_set(data, "rounds", rounds);
    return data;
}

static bool known_model(call *c, const char **id, err *e) {
    model_place at;
    err none = {0};
    *id = worker_resolve(server_worker(c->server), c->a, *id);
    return model_find(c->a, store_folder(server_store(c->server)), *id, false, &at, &none) ||
           invalid(c, "body.model", e, "%s", none.text);
}

static bool post_lesson(call *c, err *e) {
    const char *taste_name, *began = "smollm2", *space, *set, *check;
    if (!body_text(c, "taste", 1, 50, &taste_name, e) || !body_text_or(c, "model", 1, 200, &began, e)) return false;
    if (!taste_find(taste_name) && strcmp(taste_name, "own") != 0)
        return invalid(c, "body.taste", e, "there is no taste '%s'; GET /api/v1/teach/tastes lists them", taste_name);
    if (!known_model(c, &began, e) || !be_somebody(c, e) || !find_space(c, &space, e) ||
        !lesson_make_sets(c, space, taste_name, &set, &check, e))
        return false;
    c->body = first_data(c, taste_name, began, set, check);
    c->status = 201;
    return write_inside(c, add_lesson, e) && look(c, plan_picks, NULL, e) && look(c, put_lesson, NULL, e);
}

static bool get_lessons(call *c, err *e) {
    lessons list;
    if (!lesson_list(c->tx, c->a, c->me.seq, &list, e)) return false;
    buf all = {0};
    for (int i = 0; i < list.count; i++) {
        lesson_view v;
        err none = {0};
        if (!lesson_load(c, list.item[i].id, &v, &none)) continue; /* its dataset was deleted */
        buf_clear(&c->out);
        c->w = json_writer_on(&c->out, false);
        lesson_put(c, &v);
        buf_printf(&all, "%s%.*s", all.len ? "," : "", STR_ARG(buf_str(&c->out)));
    }
    buf_clear(&c->out);
    buf_printf(&c->out, "{\"items\":[%.*s]}", STR_ARG(buf_str(&all)));
    buf_free(&all);
    return true;
}

static bool get_lesson(call *c, err *e) { return put_lesson(c, NULL, e); }

/* ---- picks ------------------------------------------------------------------------------------------------------------------------------- */

/* What there is so far of the one that is being made. */
static void put_partial(call *c, const lesson_view *v) {
    str texts[TEACH_ANSWERS];
    int count = 0;
    const char *prompt = NULL, *failed = teach_failure(server_teach(c->server), c->a, v->set.id);
    teach_partial(server_teach(c->server), c->a, v->set.id, v->round, &prompt, texts, TEACH_ANSWERS, &count);
    json_open(&c->w, '{');
    json_key(&c->w, "ready"), json_put_bool(&c->w, false);
    json_key(&c->w, "done"), json_put_bool(&c->w, v->picked >= LESSON_PICKS);
    json_key(&c->w, "prompt"), json_put_cstr(&c->w, prompt);
    json_key(&c->w, "partial"), json_open(&c->w, '[');
    for (int i = 0; i < count; i++) json_put_text(&c->w, texts[i]);
    json_close(&c->w);
    json_key(&c->w, "problem"), json_put_cstr(&c->w, failed);
    json_close(&c->w);
}

static bool get_next(call *c, err *e) {
    lesson_view v;
    if (!load(c, &v, e)) return false;
    const json *next = lesson_first_open(v.picks, v.round, false);
    if (v.state == LESSON_TEACHING && !lesson_plan_picks(c, &v, e)) return false;
    if (!next) return put_partial(c, &v), true;
    json_open(&c->w, '{');
    lesson_put_item(&c->w, next);
    json_close(&c->w);
    return true;
}

/* The best alone stands first; none is best: all are equal, which prefers nothing but an edit. */
static json *pick_values(call *c, int64_t best, str edit) {
    json *values = json_new_object(c->a), *ranking = json_new_object(c->a), *list = json_new_array(c->a);
    for (int i = 1; i <= TEACH_ANSWERS; i++) {
        json *item = json_new_object(c->a);
        json_set(item, "value", json_new_text(c->a, str_of(arena_printf(c->a, "answer_%d", i))));
        json_set(item, "rank", json_new_int(c->a, !best || i == best ? 1 : 2));
        json_append(list, item);
    }
    json_set(ranking, "value", list);
    json_set(values, "best", ranking);
    if (edit.len) {
        json *text = json_new_object(c->a);
        json_set(text, "value", json_new_text(c->a, edit));
        json_set(values, "edit", text);
    }
    return values;
}

static bool answer_of(call *c, const json *rows, const char *key, int round, record *r, const json **found, err *e) {
    const str id = json_get_text(c->body, key, STR(""));
    uuid_text known;
    for (size_t i = 0; i < json_count(rows); i++)
        if (str_eq(json_get_text(json_at(rows, i), "id", STR("")), id) && lesson_is_of(json_at(rows, i), round)) {
            *found = json_at(rows, i);
            return uuid_parse(id, known) && record_get(c->tx, c->a, known, r, e);
        }
    return invalid(c, arena_printf(c->a, "body.%s", key), e, "this round of the lesson has no record `%.*s`", STR_ARG(id));
}

static bool put_pick(call *c, err *e) {
    lesson_view v;
    record r;
    response made;
    const json *found, *best = json_get(c->body, "best");
    const str edit = str_trim(json_get_text(c->body, "edit", STR("")));
    if (!load(c, &v, e) || !answer_of(c, v.picks, "record_id", v.round, &r, &found, e)) return false;
    if (json_kind_of(best) != JSON_INT || json_int(best, -1) < 0 || json_int(best, -1) > TEACH_ANSWERS)
        return invalid(c, "body.best", e, "best should be 1 to %d, or 0 for none", TEACH_ANSWERS);
    const bool nothing = !json_int(best, 0) && !edit.len;
    return answer_put(c, &r, &v.set, &v.set_schema, c->me.seq, nothing ? NULL : pick_values(c, json_int(best, 0), edit),
                      nothing ? STR("discarded") : STR("submitted"), false, &made, e);
}

static bool post_pick(call *c, err *e) {
    if (!need_me(c, e) || !body_object(c, e) || !write_inside(c, put_pick, e)) return false;
    if (c->replayed) return true;
    c->status = 201;
    return look(c, plan_picks, NULL, e) && look(c, put_lesson, NULL, e);
}

/* Takes my last answer of the round back. */
static bool take_back(call *c, const json *rows, int round, const dataset *set, const schema *s, const json **last, err *e) {
    record r;
    response mine;
    uuid_text id;
    *last = lesson_first_open(rows, round, true);
    if (!*last) return err_set(e, ERR_NOT_FOUND, "there is nothing to take back in this round");
    return uuid_parse(json_get_text(*last, "id", STR("")), id) && record_get(c->tx, c->a, id, &r, e) &&
           response_of(c->tx, c->a, r.seq, c->me.seq, &mine, e) && response_delete(c->tx, &mine, c->me.seq, e) &&
           index_response(c, &mine, s, true, e) && answer_changed(c, &r, set, e) &&
           note_event(c, "response.deleted", set, &r, &mine, e);
}

static bool delete_pick(call *c, err *e) {
    lesson_view v;
    const json *last;
    if (!need_me(c, e) || !load(c, &v, e) || !take_back(c, v.picks, v.round, &v.set, &v.set_schema, &last, e)) return false;
    json_open(&c->w, '{');
    lesson_put_item(&c->w, last);
    json_close(&c->w);
    return true;
}

/* ---- training ---------------------------------------------------------------------------------------------------------------------------- */

static bool may_train(call *c, void *view, err *e) {
    lesson_view *v = view;
    if (!load(c, v, e)) return false;
    if (v->state == LESSON_TRAINING) return err_set(e, ERR_CONFLICT, "it is training already: run %s", v->run);
    if (v->state == LESSON_CHECKING || v->state == LESSON_RESULT)
        return err_set(e, ERR_CONFLICT, "round %d is trained: POST .../again begins the next one", v->round);
    return v->pairs > 0 || err_set(e, ERR_INPUT, "nothing was preferred to anything yet: pick some answers first");
}

static bool save_data(call *c, err *e) { /* c->body: the new data */
    lesson x;
    uuid_text id;
    if (!uuid_parse(c->arg[0], id) || !lesson_get(c->tx, c->a, id, &x, e)) return false;
    x.data = written(c, c->body);
    return lesson_save(c->tx, &x, e);
}

static bool post_train(call *c, err *e) {
    static const char *const set[] = {"sample_times=5"};
    lesson_view v;
    const char *settings = "auto", *id;
    run_view made;
    err why = {0};
    if (!body_text_or(c, "preset", 1, 100, &settings, e) || !look(c, may_train, &v, e)) return false;
    const run_order o = {.name = arena_printf(c->a, "taste-%s", v.taste),
                         .objective = "dpo",
                         .base = v.model,
                         .preset = settings,
                         .dataset_id = v.set.id,
                         .by = c->me.id,
                         .teach = v.row.id,
                         .set = set,
                         .sets = 1};
    if (!runs_order(server_runs(c->server), c->a, &o, &id, &why))
        return why.code == ERR_INPUT || why.code == ERR_REFUSED ? invalid(c, "body", e, "%s", why.text)
                                                                : err_set(e, why.code, "%s", why.text);
    json_set(lesson_of_round(&v, v.round), "run", json_new_text(c->a, str_of(id)));
    c->body = v.data;
    c->status = 201;
    if (!write_inside(c, save_data, e) || !runs_find(server_runs(c->server), c->a, id, &made, e)) return false;
    run_put(c, &made);
    return true;
}

/* ---- the blind check --------------------------------------------------------------------------------------------------------------------- */

static const json *check_of(const lesson_view *v, int index) {
    for (size_t i = 0; i < json_count(v->checks); i++)
        if (lesson_is_of(json_at(v->checks, i), v->round) && lesson_index(json_at(v->checks, i)) == index)
            return json_at(v->checks, i);
    return NULL;
}

static void put_check(call *c, const json *r) {
    const json *fields = json_get(r, "fields");
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_value(&c->w, json_get(r, "id"));
    json_key(&c->w, "ready"), json_put_bool(&c->w, r != NULL);
    json_key(&c->w, "voted"), json_put_bool(&c->w, r && lesson_answered(r));
    json_key(&c->w, "prompt"), json_put_value(&c->w, json_get(fields, "prompt"));
    json_key(&c->w, "left"), json_put_value(&c->w, json_get(fields, "answer_a"));
    json_key(&c->w, "right"), json_put_value(&c->w, json_get(fields, "answer_b"));
    json_close(&c->w);
}

static bool get_check(call *c, err *e) {
    lesson_view v;
    if (!load(c, &v, e)) return false;
    if (v.state < LESSON_CHECKING)
        return err_set(e, ERR_CONFLICT, "there is nothing to compare yet: the lesson is %s", lesson_state_word(v.state));
    if (!lesson_plan_checks(c, &v, e)) return false;
    items_begin(c);
    for (int i = 0; i < lesson_wanted(&v); i++) put_check(c, check_of(&v, i));
    items_end(c);
    json_key(&c->w, "wanted"), json_put_int(&c->w, lesson_wanted(&v));
    json_key(&c->w, "problem"), json_put_cstr(&c->w, teach_failure(server_teach(c->server), c->a, v.check.id));
    object_end(c);
    return true;
}

static const struct { const char *vote, *choice; } votes[] = {{"left", "a"}, {"right", "b"}, {"tie", "tie"}, {"bad", "both_bad"}};

static bool put_vote(call *c, err *e) {
    lesson_view v;
    record r;
    response made;
    const json *found;
    const char *vote, *choice = NULL;
    if (!body_text(c, "vote", 1, 10, &vote, e) || !load(c, &v, e) || !answer_of(c, v.checks, "id", v.round, &r, &found, e))
        return false;
    for (size_t i = 0; i < sizeof votes / sizeof *votes; i++)
        if (strcmp(votes[i].vote, vote) == 0) choice = votes[i].choice;
    if (!choice) return invalid(c, "body.vote", e, "vote should be left, right, tie or bad, it is '%s'", vote);
    const json *values = json_parse(
        c->a, str_of(arena_printf(c->a, "{\"better\":{\"value\":{\"choice\":\"%s\",\"order\":[\"a\",\"b\"]}}}", choice)), e);
    return values && answer_put(c, &r, &v.check, &v.check_schema, c->me.seq, values, STR("submitted"), false, &made, e);
}

static bool put_votes(call *c, void *context, err *e) {
    lesson_view v;
    (void)context;
    if (!load(c, &v, e) || (v.state == LESSON_CHECKING && !lesson_plan_checks(c, &v, e))) return false;
    json_open(&c->w, '{');
    json_key(&c->w, "votes"), json_put_int(&c->w, v.voted);
    json_key(&c->w, "left"), json_put_int(&c->w, lesson_wanted(&v) - v.voted);
    json_close(&c->w);
    return true;
}

static bool post_vote(call *c, err *e) {
    if (!need_me(c, e) || !body_object(c, e) || !write_inside(c, put_vote, e)) return false;
    if (c->replayed) return true;
    c->status = 201;
    return look(c, put_votes, NULL, e);
}

static bool delete_vote(call *c, err *e) {
    lesson_view v;
    const json *last;
    if (!need_me(c, e) || !load(c, &v, e) || !take_back(c, v.checks, v.round, &v.check, &v.check_schema, &last, e)) return false;
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_value(&c->w, json_get(last, "id"));
    json_key(&c->w, "votes"), json_put_int(&c->w, v.voted - 1);
    json_key(&c->w, "left"), json_put_int(&c->w, lesson_wanted(&v) - v.voted + 1);
    json_close(&c->w);
    return true;
}

/* ---- the result -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *against;
    int won, lost, tied, bad, count;
    str text[2][LESSON_ITEMS]; /* old, new */
    str prompt[LESSON_ITEMS];
} tally_of;

static void count_vote(tally_of *t, const json *r) {
    const json *values = json_get(json_at(json_get(r, "responses"), 0), "values");
    const str choice = json_get_text(json_get(json_get(values, "better"), "value"), "choice", STR(""));
    const bool a_is_new = str_is(json_get_text(json_get(r, "metadata"), "a_is", STR("")), "new");
    if (str_is(choice, "tie")) t->tied++;
    else if (str_is(choice, "both_bad")) t->bad++;
    else if (choice.len) (str_is(choice, "a") == a_is_new ? &t->won : &t->lost)[0]++;
}

static void take_texts(tally_of *t, const json *r) {
    const json *fields = json_get(r, "fields");
    const bool a_is_new = str_is(json_get_text(json_get(r, "metadata"), "a_is", STR("")), "new");
    t->prompt[t->count] = json_get_text(fields, "prompt", STR(""));
    t->text[a_is_new][t->count] = json_get_text(fields, "answer_a", STR(""));
    t->text[!a_is_new][t->count++] = json_get_text(fields, "answer_b", STR(""));
}

static void count_all(const lesson_view *v, const char *against, tally_of *t) {
    *t = (tally_of){.against = against};
    for (size_t i = 0; i < json_count(v->checks) && t->count < LESSON_ITEMS; i++) {
        const json *r = json_at(v->checks, i);
        if (!lesson_is_of(r, v->round) || !str_is(json_get_text(json_get(r, "metadata"), "against", STR("")), against)) continue;
        take_texts(t, r);
        if (lesson_answered(r)) count_vote(t, r);
    }
}

/* Two-sided sign test: how often a coin would lie as far from the middle. */
static double sign_test(int won, int lost) {
    const int n = won + lost, least = won < lost ? won : lost;
    double sum = 0;
    for (int i = 0; i <= least; i++) sum += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * log(2));
    return fmin(1, 2 * sum);
}

static double mean_words(const str *texts, int n) {
    double words = 0;
    for (int i = 0; i < n; i++) words += (double)text_words(texts[i]) / n;
    return words;
}

static double distinct_share(const str *texts, int n) {
    int distinct, all;
    texts_trigrams(texts, n, &distinct, &all);
    return all ? (double)distinct / all : 1;
}

/* Nats per token of the model the lesson began with, on one side's answers. */
static bool loss_of(call *c, const lesson_view *v, const tally_of *t, int side, double *out, err *e) {
    work_pair *pairs = arena_array(c->a, work_pair, t->count);
    work_scored *scored;
    double sum = 0, tokens = 0;
    for (int i = 0; i < t->count; i++)
        pairs[i] = (work_pair){.messages = messages_new(c->a, STR(""), t->prompt[i]), .answer = t->text[side][i]};
    if (!worker_score(server_worker(c->server), v->model, pairs, t->count, c->a, &scored, e)) return false;
    for (int i = 0; i < t->count; i++) sum -= scored[i].sum, tokens += scored[i].count;
    *out = tokens > 0 ? sum / tokens : 0;
    return true;
}

static json *drifts_of(call *c, const lesson_view *v) {
    json *round = lesson_of_round(v, v->round);
    if (!json_get(round, "drift")) json_set(round, "drift", json_new_object(c->a));
    return json_get(round, "drift");
}

/* Scored once, when all answers are there, and kept in the lesson. */
static bool find_drift(call *c, lesson_view *v, const tally_of *t, bool *changed, err *e) {
    double old, new;
    json *drifts = drifts_of(c, v);
    if (json_get(drifts, t->against) || t->count < LESSON_CHECKS) return true;
    if (!loss_of(c, v, t, 0, &old, e) || !loss_of(c, v, t, 1, &new, e)) return false;
    json_set(drifts, t->against, json_new_real(c->a, new - old));
    *changed = true;
    return true;
}

static void put_row(call *c, const lesson_view *v, const tally_of *t) {
    json_writer *w = &c->w;
    const int decided = t->won + t->lost;
    double low, high;
    wilson_interval(t->won, decided, 0.95, &low, &high);
    const double before = distinct_share(t->text[0], t->count);
    const struct {
        const char *key;
        int64_t n;
    } counts[] = {{"won", t->won}, {"lost", t->lost}, {"tied", t->tied}, {"bad", t->bad}};
    json_open(w, '{');
    json_key(w, "against"), json_put_cstr(w, t->against);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) json_key(w, counts[i].key), json_put_int(w, counts[i].n);
    json_key(w, "rate"), decided ? json_put_real(w, (double)t->won / decided) : json_put_null(w);
    json_key(w, "low"), json_put_real(w, low);
    json_key(w, "high"), json_put_real(w, high);
    json_key(w, "p"), json_put_real(w, sign_test(t->won, t->lost));
    json_key(w, "better"), json_put_cstr(w, low > 0.5 ? "better" : high < 0.5 ? "worse" : "unclear");
    json_key(w, "drift_nat"), json_put_value(w, json_get(drifts_of(c, v), t->against));
    json_key(w, "distinct_ratio"), json_put_real(w, before > 0 ? distinct_share(t->text[1], t->count) / before : 1);
    json_key(w, "words_before"), json_put_real(w, mean_words(t->text[0], t->count));
    json_key(w, "words_after"), json_put_real(w, mean_words(t->text[1], t->count));
    json_close(w);
}

static bool get_result(call *c, err *e) {
    static const char *const against[] = {"start", "previous"};
    lesson_view v;
    tally_of t[2];
    bool changed = false;
    if (!look(c, load, &v, e)) return false;
    if (v.state < LESSON_CHECKING)
        return err_set(e, ERR_CONFLICT, "there is no result yet: the lesson is %s", lesson_state_word(v.state));
    const int rows = v.round > 1 ? 2 : 1;
    for (int i = 0; i < rows; i++) {
        count_all(&v, against[i], &t[i]);
        if (!find_drift(c, &v, &t[i], &changed, e)) return false;
    }
    c->body = v.data;
    if (changed && !write_inside(c, save_data, e)) return false;
    json_open(&c->w, '{');
    json_key(&c->w, "rows"), json_open(&c->w, '[');
    for (int i = 0; i < rows; i++) put_row(c, &v, &t[i]);
    json_close(&c->w);
    json_key(&c->w, "round"), json_put_int(&c->w, v.round);
    json_key(&c->w, "run"), json_put_cstr(&c->w, v.run);
    json_key(&c->w, "model"), json_put_cstr(&c->w, arena_printf(c->a, "run:%s", v.run));
    json_close(&c->w);
    return true;
}

/* ---- again ------------------------------------------------------------------------------------------------------------------------------- */

static bool may_go_on(call *c, void *view, err *e) {
    lesson_view *v = view;
    return load(c, v, e) &&
           (v->state >= LESSON_CHECKING ||
            err_set(e, ERR_CONFLICT, "round %d is %s: it has no model to go on from yet", v->round, lesson_state_word(v->state)));
}

static bool post_again(call *c, err *e) {
    lesson_view v;
    if (!look(c, may_go_on, &v, e)) return false;
    json_append(json_get(v.data, "rounds"), json_new_object(c->a));
    json_set(v.data, "round", json_new_int(c->a, v.round + 1));
    c->body = v.data;
    c->status = 201;
    return write_inside(c, save_data, e) && look(c, plan_picks, NULL, e) && look(c, put_lesson, NULL, e);
}

const route routes_teach[] = {
    {"GET", "/api/v1/teach/tastes", WHO_USER, OF_NOTHING, RUN_READ, get_tastes,
     "what a model can be taught, with prompts for it"},
    {"POST", "/api/v1/teach", WHO_USER, OF_NOTHING, RUN_SELF, post_lesson, "begin to teach a model a taste"},
    {"GET", "/api/v1/teach", WHO_USER, OF_NOTHING, RUN_READ, get_lessons, "my lessons, newest first"},
    {"GET", "/api/v1/teach/{lesson}", WHO_USER, OF_NOTHING, RUN_READ, get_lesson, "how far a lesson is"},
    {"GET", "/api/v1/teach/{lesson}/next", WHO_USER, OF_NOTHING, RUN_READ, get_next, "a prompt and four answers to choose from"},
    {"POST", "/api/v1/teach/{lesson}/picks", WHO_USER, OF_NOTHING, RUN_SELF, post_pick, "the best of them, and my edit of it"},
    {"DELETE", "/api/v1/teach/{lesson}/picks/last", WHO_USER, OF_NOTHING, RUN_WRITE, delete_pick, "take my last pick back"},
    {"POST", "/api/v1/teach/{lesson}/train", WHO_ADMIN, OF_NOTHING, RUN_SELF, post_train, "train on all picks so far"},
    {"GET", "/api/v1/teach/{lesson}/check", WHO_USER, OF_NOTHING, RUN_READ, get_check,
     "answers of before and after to compare, unnamed"},
    {"POST", "/api/v1/teach/{lesson}/votes", WHO_USER, OF_NOTHING, RUN_SELF, post_vote, "which of two is better"},
    {"DELETE", "/api/v1/teach/{lesson}/votes/last", WHO_USER, OF_NOTHING, RUN_WRITE, delete_vote, "take my last vote back"},
    {"GET", "/api/v1/teach/{lesson}/result", WHO_USER, OF_NOTHING, RUN_SELF, get_result,
     "whether it became better, and how sure that is"},
    {"POST", "/api/v1/teach/{lesson}/again", WHO_USER, OF_NOTHING, RUN_SELF, post_again,
     "another round, from the model as it is now"},
    {0},
};
