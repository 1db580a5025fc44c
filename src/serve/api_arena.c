/* api_arena.c - the arena: two models answer unnamed, a person says which is better, and a table says how strong each is. */
#include <math.h>
#include <string.h>

#include "base/secret.h"
#include "model/model.h"
#include "serve/bouts.h"
#include "serve/catalog.h"

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
    json *list = json_new_array(c->a), *one = json_new_object(c->a);
    json_set(one, "role", json_new_text(c->a, STR("user")));
    json_set(one, "content", json_new_text(c->a, str_of(prompt)));
    json_append(list, one);
    work_order o = {.model = id, .messages = list, .n = 1, .sampling = work_sampling_default()};
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
    }
}

static bool take_vote(call *c, const char **out, err *e) {
    if (!body_text(c, "vote", 1, 10, out, e)) return false;
    for (size_t i = 0; i < sizeof vote_words / sizeof *vote_words; i++)
        if (strcmp(vote_words[i], *out) == 0) return true;
    return invalid(c, "body.vote", e, "vote should be left, right, tie or bad, it is '%s'", *out);
}

static bool put_names(call *c, const duel *d) {
    json_open(&c->w, '{');
    json_key(&c->w, "left"), json_put_cstr(&c->w, d->model[0]);
    json_key(&c->w, "right"), json_put_cstr(&c->w, d->model[1]);
    json_close(&c->w);
    return true;
}

/* The vote on one that waits, or another vote on one that was judged before. */
static bool post_vote(call *c, err *e) {
    uuid_text id;
    judging j = {.c = c, .d = {.user = c->me.seq}};
    const char *vote;
    if (!need_me(c, e) || !take_vote(c, &vote, e)) return false;
    if (!uuid_parse(c->arg[0], id)) return no_bout(c, e);
    duel before;
    err none = {0};
    if (duel_get(c->tx, c->a, c->me.seq, id, &before, &none)) return duel_vote(c->tx, &before, vote, e) && put_names(c, &before);
    if (!bouts_see(server_bouts(c->server), id, c->me.seq, see_whole, &j)) return no_bout(c, e);
    if (!j.done) return err_set(e, ERR_CONFLICT, "the answers are not whole yet");
    j.d.vote = vote;
    return duel_add(c->tx, &j.d, e) && put_names(c, &j.d);
}

static bool delete_vote(call *c, err *e) {
    uuid_text id;
    duel d;
    if (!uuid_parse(c->arg[0], id)) return no_bout(c, e);
    c->status = 204;
    c->no_body = true;
    return duel_get(c->tx, c->a, c->me.seq, id, &d, e) && duel_vote(c->tx, &d, NULL, e);
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
    {"POST", "/api/v1/arena/{bout}/vote", WHO_USER, OF_NOTHING, RUN_WRITE, post_vote, "which is better; tells who they are"},
    {"DELETE", "/api/v1/arena/{bout}/vote", WHO_USER, OF_NOTHING, RUN_WRITE, delete_vote, "take the vote back"},
    {0},
};
