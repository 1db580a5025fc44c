/* api_arena.c - the arena: two models answer unnamed, a person says which is better, and a table says how strong each is.
 *
 *     a vote ──► the table of models
 *            └─► a record of the dataset "arena" (inbox.h) with the person's comparison: pairs to export and to train on, like all others. Who
 *                answers it besides sees no names: they lie in metadata that annotators are not shown. */
#include <math.h>
#include <string.h>

#include "base/message.h"
#include "base/secret.h"
#include "model/model.h"
#include "serve/bouts.h"
#include "serve/catalog.h"
#include "serve/inbox.h"

enum { PROMPT_MOST = 20000, TOKENS = 512, PLAYERS_MOST = 200 };
static const char *const vote_words[] = {"left", "right", "tie", "bad"};

/* ---- who meets whom ---------------------------------------------------------------------------------------------------------------------- */

static uint32_t below(uint32_t n) {
    uint32_t v;
    secret_random(&v, sizeof v);
    return v % n;
}

/* Two of the models there are, any two alike. */
static bool draw_two(call *c, const char *out[2], err *e) {
    catalog all;
    if (!catalog_read(c->a, store_folder(server_store(c->server)), &all, e)) return false;
    int writers = 0;
    for (int i = 0; i < all.count; i++)
        if (all.item[i].writes) all.item[writers++] = all.item[i];
    all.count = writers;
    if (all.count < 2)
        return err_set(e, ERR_INPUT, "the arena needs two models, there %s %d", all.count == 1 ? "is" : "are", all.count);
    const int first = (int)below((uint32_t)all.count), second = (int)below((uint32_t)all.count - 1);
    out[0] = all.item[first].id;
    out[1] = all.item[second + (second >= first)].id;
    return true;
}

static bool take_models(call *c, const char *out[2], err *e) {
    const json *list = json_get(c->body, "models");
    if (!list) return draw_two(c, out, e);
    if (json_kind_of(list) != JSON_ARRAY || json_count(list) != 2)
        return invalid(c, "body.models", e, "models should be null or two ids");
    const bool swap = below(2);
    for (size_t i = 0; i < 2; i++) {
        model_place at;
        err none = {0};
        const char *id = str_copy(c->a, json_text(json_at(list, i), STR("")));
        id = worker_resolve(server_worker(c->server), c->a, id);
        if (!model_find(c->a, store_folder(server_store(c->server)), id, false, &at, &none))
            return invalid(c, "body.models", e, "%s", none.text);
        out[swap ? 1 - i : i] = id;
    }
    return true;
}

static work *submit(call *c, const char *id, const char *prompt, err *e) {
    work_order o = {
        .model = id, .messages = messages_new(c->a, STR(""), str_of(prompt)), .n = 1, .sampling = work_sampling_default()};
    o.sampling.max_tokens = TOKENS;
    secret_random(&o.sampling.seed, sizeof o.sampling.seed);
    o.sampling.seed >>= 12;
    return worker_submit(server_worker(c->server), &o, e);
}

static bool post_bout(call *c, err *e) {
    bout x = {.by = c->me.seq};
    if (!need_me(c, e) || !body_text(c, "prompt", 1, PROMPT_MOST, &x.prompt, e) || !take_models(c, x.model, e)) return false;
    if (!(x.work[0] = submit(c, x.model[0], x.prompt, e))) return false;
    if (!(x.work[1] = submit(c, x.model[1], x.prompt, e))) return work_free(x.work[0]), false;
    uuid_new(x.id);
    bouts_add(server_bouts(c->server), &x);
    c->status = 201;
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_cstr(&c->w, x.id);
    json_key(&c->w, "prompt"), json_put_cstr(&c->w, x.prompt);
    json_close(&c->w);
    return true;
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------------------- */

static void put_sides(call *c, const char *id, const char *prompt, const str text[2], bool done, const char *problem) {
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_cstr(&c->w, id);
    json_key(&c->w, "prompt"), json_put_cstr(&c->w, prompt);
    json_key(&c->w, "left"), json_put_text(&c->w, text[0]);
    json_key(&c->w, "right"), json_put_text(&c->w, text[1]);
    json_key(&c->w, "done"), json_put_bool(&c->w, done);
    json_key(&c->w, "problem"), json_put_cstr(&c->w, problem);
    json_close(&c->w);
}

static void see_sides(void *context, const bout *x) {
    call *c = context;
    str text[2];
    bool done = true;
    const char *problem = NULL;
    for (int i = 0; i < 2; i++) {
        work_view v;
        work_read(x->work[i], c->a, &v);
        text[i] = v.count ? v.answer[0].text : STR("");
        done = done && (v.state == WORK_DONE || v.state == WORK_FAILED);
        if (v.state == WORK_FAILED) problem = arena_text(c->a, v.e.text);
    }
    put_sides(c, x->id, x->prompt, text, done, problem);
}

static bool no_bout(call *c, err *e) { return err_set(e, ERR_NOT_FOUND, "Arena with id `%.*s` not found", STR_ARG(c->arg[0])); }

static bool get_bout(call *c, err *e) {
    uuid_text id;
    duel d;
    if (!uuid_parse(c->arg[0], id)) return no_bout(c, e);
    if (bouts_see(server_bouts(c->server), id, c->me.seq, see_sides, c)) return true;
    if (!duel_get(c->tx, c->a, c->me.seq, id, &d, e)) return false;
    put_sides(c, d.id, d.prompt, (str[2]){str_of(d.text[0]), str_of(d.text[1])}, true, NULL);
    return true;
}

/* ---- votes ----------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    call *c;
    duel d;
    bool done;
} judging;

static void see_whole(void *context, const bout *x) {
    judging *j = context;
    j->done = true;
    memcpy(j->d.id, x->id, sizeof j->d.id);
    j->d.prompt = arena_text(j->c->a, x->prompt);
    for (int i = 0; i < 2; i++) {
        work_view v;
        work_read(x->work[i], j->c->a, &v);
        j->done = j->done && v.state == WORK_DONE;
        j->d.model[i] = arena_text(j->c->a, x->model[i]);
        j->d.text[i] = str_copy(j->c->a, v.count ? v.answer[0].text : STR(""));
        j->d.unfinished[i] = v.count && work_cut(&v.answer[0]);
    }
}

static bool take_vote(call *c, const char **out, err *e) {
    if (!body_text(c, "vote", 1, 10, out, e)) return false;
    for (size_t i = 0; i < sizeof vote_words / sizeof *vote_words; i++)
        if (strcmp(vote_words[i], *out) == 0) return true;
    return invalid(c, "body.vote", e, "vote should be left, right, tie or bad, it is '%s'", *out);
}

static bool put_names(call *c, const duel *d, const char *set, const char *row) {
    json_open(&c->w, '{');
    json_key(&c->w, "left"), json_put_cstr(&c->w, d->model[0]);
    json_key(&c->w, "right"), json_put_cstr(&c->w, d->model[1]);
    json_key(&c->w, "dataset_id"), json_put_cstr(&c->w, set);
    json_key(&c->w, "record_id"), json_put_cstr(&c->w, row);
    json_close(&c->w);
    return true;
}

/* The vote on one that waits, or another vote on one that was judged before. */
typedef struct {
    call *c;
    uuid_text id;
    const char *vote;
    duel d;
} voting;

static bool write_vote(store_tx *t, void *context, err *e) {
    voting *v = context;
    judging j = {.c = v->c, .d = {.user = v->c->me.seq}};
    err none = {0};
    if (duel_get(t, v->c->a, v->c->me.seq, v->id, &v->d, &none)) return duel_vote(t, &v->d, v->vote, e);
    if (!bouts_see(server_bouts(v->c->server), v->id, v->c->me.seq, see_whole, &j)) return no_bout(v->c, e);
    if (!j.done) return err_set(e, ERR_CONFLICT, "the answers are not whole yet");
    v->d = j.d;
    v->d.vote = v->vote;
    return duel_add(t, &v->d, e);
}

static bool write_back(store_tx *t, void *context, err *e) {
    voting *v = context;
    return duel_get(t, v->c->a, v->c->me.seq, v->id, &v->d, e) && duel_vote(t, &v->d, NULL, e);
}

/* ---- votes as records ------------------------------------------------------------------------------------------------------------------------ */

#define TEXT(name, title)                                                                                                        \
    "{\"name\":\"" name "\",\"title\":\"" title "\",\"required\":true,\"settings\":{\"type\":\"text\",\"use_markdown\":true}}"
#define HIDDEN(name, title)                                                                                                      \
    "{\"name\":\"" name "\",\"title\":\"" title "\",\"settings\":{\"type\":\"terms\"},\"visible_for_annotators\":false}"
static const inbox_part dataset_parts[] = {
    {"fields", TEXT("prompt", "Prompt")},
    {"fields", TEXT("answer_a", "Answer A")},
    {"fields", TEXT("answer_b", "Answer B")},
    {"questions", "{\"name\":\"better\",\"title\":\"Which answer is better?\",\"required\":true,\"settings\":"
                  "{\"type\":\"comparison\",\"fields\":[\"answer_a\",\"answer_b\"]}}"},
    {"metadata-properties", HIDDEN("model_a", "Model A")},
    {"metadata-properties", HIDDEN("model_b", "Model B")},
    {NULL, NULL}};
static const inbox_shape shape = {"arena", "Which of two unnamed models answered better.", dataset_parts};

static const char *choice_of(const char *vote) {
    static const char *const choices[] = {"a", "b", "tie", "both_bad"}; /* in the order of vote_words */
    for (size_t i = 0; vote && i < sizeof choices / sizeof *choices; i++)
        if (strcmp(vote_words[i], vote) == 0) return choices[i];
    return NULL;
}

/* A vote that was taken back is an answer that is discarded. */
static void put_vote(const call *c, json_writer *w, const char *vote) {
    json_key(w, "responses"), json_open(w, '['), json_open(w, '{');
    json_key(w, "user_id"), json_put_cstr(w, c->me.id);
    json_key(w, "status"), json_put_cstr(w, vote ? "submitted" : "discarded");
    json_key(w, "values"), json_open(w, '{');
    if (vote) {
        json_key(w, "better"), json_open(w, '{'), json_key(w, "value"), json_open(w, '{');
        json_key(w, "choice"), json_put_cstr(w, choice_of(vote));
        json_close(w), json_close(w);
    }
    json_close(w), json_close(w), json_close(w);
}

static void put_bout_record(const call *c, json_writer *w, const duel *d, const char *vote) {
    static const char *const sides[] = {"answer_a", "answer_b"};
    json_open(w, '{');
    json_key(w, "external_id"), json_put_cstr(w, d->id);
    json_key(w, "fields"), json_open(w, '{');
    json_key(w, "prompt"), json_put_cstr(w, d->prompt);
    for (int i = 0; i < 2; i++) json_key(w, sides[i]), json_put_cstr(w, d->text[i]);
    json_close(w);
    json_key(w, "metadata"), json_open(w, '{');
    put_unfinished(w, sides, d->unfinished, 2);
    json_key(w, "model_a"), json_put_cstr(w, d->model[0]);
    json_key(w, "model_b"), json_put_cstr(w, d->model[1]);
    json_close(w);
    put_vote(c, w, vote);
    json_close(w);
}

/* *set NULL: the vote counts for the table alone, of who is in no workspace, or between answers of which one is empty. */
static bool keep_record(call *c, const duel *d, const char *vote, const char **set, const char **row, err *e) {
    err none = {0};
    buf item = {0};
    json_writer w = json_writer_on(&item, false);
    *set = *row = NULL;
    if (!*d->text[0] || !*d->text[1]) return true;
    if (!inbox_find(c, &shape, set, &none)) return none.code == ERR_FORBIDDEN || err_set(e, none.code, "%s", none.text);
    put_bout_record(c, &w, d, vote);
    const bool ok = inbox_put(c, *set, buf_str(&item), row, e);
    buf_free(&item);
    return ok;
}

static bool post_vote(call *c, err *e) {
    voting v = {.c = c};
    const char *set, *row;
    if (!need_me(c, e) || !take_vote(c, &v.vote, e)) return false;
    if (!uuid_parse(c->arg[0], v.id)) return no_bout(c, e);
    return store_write(server_store(c->server), write_vote, &v, e) && keep_record(c, &v.d, v.vote, &set, &row, e) &&
           put_names(c, &v.d, set, row);
}

static bool delete_vote(call *c, err *e) {
    voting v = {.c = c};
    const char *set, *row;
    if (!uuid_parse(c->arg[0], v.id)) return no_bout(c, e);
    if (!store_write(server_store(c->server), write_back, &v, e) || !keep_record(c, &v.d, NULL, &set, &row, e)) return false;
    c->status = 204;
    c->no_body = true;
    return true;
}

/* ---- the table ---------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name[PLAYERS_MOST];
    int games[PLAYERS_MOST], count;
    double strength[PLAYERS_MOST], error[PLAYERS_MOST];
} players;

static int player_of(players *p, const char *name) {
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->name[i], name) == 0) return i;
    if (p->count == PLAYERS_MOST) return -1;
    p->name[p->count] = name;
    return p->count++;
}

static int games_of(call *c, const duels *list, players *p, game **out) {
    int n = 0;
    *out = arena_array(c->a, game, list->count + 1);
    for (int i = 0; i < list->count; i++) {
        const duel *d = &list->item[i];
        const int left = player_of(p, d->model[0]), right = player_of(p, d->model[1]);
        if (left < 0 || right < 0 || left == right) continue;
        (*out)[n++] = (game){left, right, strcmp(d->vote, "left") == 0 ? 1 : strcmp(d->vote, "right") == 0 ? 0 : 0.5};
        p->games[left]++, p->games[right]++;
    }
    return n;
}

static int strongest(const players *p, const bool *put) {
    int best = -1;
    for (int i = 0; i < p->count; i++)
        if (!put[i] && (best < 0 || p->strength[i] > p->strength[best])) best = i;
    return best;
}

/* One game against the average for each: finite for who never lost. */
static bool get_table(call *c, err *e) {
    duels list;
    game *games;
    bool put[PLAYERS_MOST] = {0};
    players *p = arena_new_of(c->a, players);
    if (!duel_list(c->tx, c->a, &list, e)) return false;
    const int n = games_of(c, &list, p, &games);
    bradley_terry(games, n, p->count, 1, p->strength);
    bradley_terry_errors(games, n, p->count, 1, p->strength, p->error);
    items_begin(c);
    for (int i; (i = strongest(p, put)) >= 0; put[i] = true) {
        json_open(&c->w, '{');
        json_key(&c->w, "model"), json_put_cstr(&c->w, p->name[i]);
        json_key(&c->w, "score"), json_put_real(&c->w, elo_of(p->strength[i]));
        json_key(&c->w, "low"), json_put_real(&c->w, elo_of(p->strength[i] - 1.96 * p->error[i]));
        json_key(&c->w, "high"), json_put_real(&c->w, elo_of(p->strength[i] + 1.96 * p->error[i]));
        json_key(&c->w, "games"), json_put_int(&c->w, p->games[i]);
        json_close(&c->w);
    }
    items_end(c);
    json_key(&c->w, "votes"), json_put_int(&c->w, n);
    object_end(c);
    return true;
}

const route routes_arena[] = {
    {"POST", "/api/v1/arena", WHO_USER, OF_NOTHING, RUN_READ, post_bout, "let two models answer, unnamed"},
    {"GET", "/api/v1/arena/table", WHO_USER, OF_NOTHING, RUN_READ, get_table,
     "how strong each model is, from all votes (Bradley and Terry)"},
    {"GET", "/api/v1/arena/{bout}", WHO_USER, OF_NOTHING, RUN_READ, get_bout, "their answers so far"},
    {"POST", "/api/v1/arena/{bout}/vote", WHO_USER, OF_NOTHING, RUN_SELF, post_vote,
     "which is better; tells who they are, and which record of the dataset arena keeps it"},
    {"DELETE", "/api/v1/arena/{bout}/vote", WHO_USER, OF_NOTHING, RUN_SELF, delete_vote, "take the vote back"},
    {0},
};
