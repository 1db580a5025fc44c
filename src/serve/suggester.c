/* suggester.c - see suggester.h: the thread, and the routes. */
#include "serve/suggester.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "serve/asking.h"

enum { AHEAD = 10, AHEAD_MOST = 200, AGAIN_SECONDS = 60 };

/* One dataset's suggester while it is on. Made and freed by the thread; the routes read it under the lock. */
typedef struct one {
    suggesting *of;
    int64_t dataset, at; /* at: of the settings it was begun with */
    asking *x;           /* NULL: could not be opened */
    asking_count before; /* what the row had when it was begun */
    asking_count kept;   /* of what was counted since: what the row has by now */
    bool asks;
    double until; /* nothing before this moment, after a failure */
    char failure[sizeof((err *)0)->text];
    _Atomic bool stop;
    struct one *next;
} one;

struct suggesting {
    server *server;
    pthread_t thread;
    pthread_mutex_t mutex;
    one *first;
    _Atomic bool ending;
};

static bool ends(const suggesting *x) { return x->ending || sys_stop_requested(); }
static bool stop_asked(void *self) {
    const one *o = self;
    return o->stop || ends(o->of);
}

/* ---- what was spent ------------------------------------------------------------------------------------------------------------------- */

static asking_count count_of_json(const json *v) {
    return (asking_count){.suggested = json_get_int(v, "suggested", 0),
                          .requests = json_get_int(v, "requests", 0),
                          .tokens = json_get_int(v, "tokens", 0),
                          .cost = json_get_real(v, "cost", 0)};
}

static asking_count sum(asking_count a, asking_count b) {
    return (asking_count){a.suggested + b.suggested, a.requests + b.requests, a.tokens + b.tokens, a.cost + b.cost};
}

static void put_count(json_writer *w, const asking_count *n) {
    json_key(w, "suggested"), json_put_int(w, n->suggested);
    json_key(w, "requests"), json_put_int(w, n->requests);
    json_key(w, "tokens"), json_put_int(w, n->tokens);
    json_key(w, "cost"), json_put_real(w, n->cost);
}

static asking_count spent_by(const one *o) { return o->x ? sum(o->before, asking_counted(o->x)) : o->before; }

typedef struct {
    int64_t dataset;
    asking_count more;
} spending;

/* Onto what the row has: its settings may be others by now, the money is spent all the same. */
static bool add_spent(store_tx *t, void *context, err *e) {
    const spending *p = context;
    arena *a = arena_new();
    suggester row;
    buf text = {0};
    const json *spent = suggester_get(t, a, p->dataset, &row, e) ? json_parse(a, row.spent, e) : NULL;
    if (spent) {
        json_writer w = json_writer_on(&text, false);
        const asking_count all = sum(count_of_json(spent), p->more);
        json_open(&w, '{');
        put_count(&w, &all);
        json_close(&w);
    }
    const bool ok = spent && suggester_spend(t, p->dataset, buf_str(&text), e);
    buf_free(&text);
    arena_free(a);
    return ok;
}

/* A dataset that is gone took its row along. */
static bool keep_spent(one *o, err *e) {
    const asking_count now = asking_counted(o->x), kept = o->kept;
    spending p = {o->dataset,
                  {now.suggested - kept.suggested, now.requests - kept.requests, now.tokens - kept.tokens, now.cost - kept.cost}};
    if (!store_write(server_store(o->of->server), add_spent, &p, e)) return e->code == ERR_NOT_FOUND;
    o->kept = now;
    return true;
}

/* ---- the thread ------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    arena *a;
    suggesters rows;
    dataset *set;
} found;

static bool find_active(store_tx *t, void *context, err *e) {
    found *f = context;
    if (!suggester_active(t, f->a, &f->rows, e)) return false;
    f->set = arena_array(f->a, dataset, f->rows.count + 1);
    for (int i = 0; i < f->rows.count; i++)
        if (!dataset_get_seq(t, f->a, f->rows.item[i].dataset, &f->set[i], e)) return false;
    return true;
}

static one *one_of(suggesting *x, int64_t set) { /* under the lock, or on the thread that makes them */
    one *o = x->first;
    while (o && o->dataset != set) o = o->next;
    return o;
}

static void forget(suggesting *x, one *gone) {
    pthread_mutex_lock(&x->mutex);
    one **at = &x->first;
    while (*at != gone) at = &(*at)->next;
    *at = gone->next;
    pthread_mutex_unlock(&x->mutex);
    asking_end(gone->x);
    memory_release(gone);
}

static bool is_current(const one *o, const found *f) {
    for (int i = 0; i < f->rows.count; i++)
        if (f->rows.item[i].dataset == o->dataset) return f->rows.item[i].at == o->at;
    return false;
}

static void note_failure(one *o, const err *why) {
    pthread_mutex_lock(&o->of->mutex);
    o->until = sys_seconds() + AGAIN_SECONDS;
    snprintf(o->failure, sizeof o->failure, "%s", why->text);
    pthread_mutex_unlock(&o->of->mutex);
    server_tell(o->of->server);
}

static one *begin_one(suggesting *x, const suggester *row) {
    one *o = memory_alloc(sizeof *o);
    o->of = x;
    o->dataset = row->dataset;
    o->at = row->at;
    pthread_mutex_lock(&x->mutex);
    o->next = x->first;
    x->first = o;
    pthread_mutex_unlock(&x->mutex);
    return o;
}

static bool open_asking(one *o, const suggester *row, const dataset *set, arena *a, err *e) {
    const json *settings = json_parse(a, row->settings, e), *spent = settings ? json_parse(a, row->spent, e) : NULL;
    if (!spent) return false;
    o->before = count_of_json(spent);
    const int64_t budget = json_get_int(settings, "tokens_most", 0), left = budget - o->before.tokens;
    if (budget && left <= 0) return err_set(e, ERR_LIMIT, "the budget of %lld tokens is used up", (long long)budget);
    const asking_limits most = {(int)json_get_int(settings, "ahead", AHEAD), budget ? left : 0, stop_asked, o};
    asking *opened = asking_begin(o->of->server, set, settings, &most, e);
    pthread_mutex_lock(&o->of->mutex);
    o->x = opened;
    pthread_mutex_unlock(&o->of->mutex);
    return opened != NULL;
}

static void set_asks(one *o, bool asks) {
    pthread_mutex_lock(&o->of->mutex);
    o->asks = asks;
    if (asks) *o->failure = '\0';
    pthread_mutex_unlock(&o->of->mutex);
}

/* What was asked before a failure is written and counted. */
static void work_on(one *o, const suggester *row, const dataset *set, arena *a) {
    err e = {0}, unkept = {0};
    int count;
    if (o->until > sys_seconds() || o->stop) return;
    set_asks(o, true);
    bool ok = o->x || open_asking(o, row, set, a, &e);
    const int64_t before = ok ? asking_counted(o->x).requests : 0;
    ok = ok && asking_ahead(o->x, &count, &e);
    set_asks(o, false);
    if (o->x && asking_counted(o->x).requests != before && !keep_spent(o, &unkept)) log_error("suggestions: %s", unkept.text);
    if (!ok && e.code != ERR_STOPPED) note_failure(o, &e);
}

static void look_at_all(suggesting *x) {
    found f = {.a = arena_new()};
    err e = {0};
    if (!store_read(server_store(x->server), find_active, &f, &e)) log_error("suggestions wait: %s", e.text);
    else {
        for (one *o = x->first, *next; o; o = next) {
            next = o->next;
            if (!is_current(o, &f)) forget(x, o);
        }
        for (int i = 0; i < f.rows.count && !ends(x); i++) {
            one *o = one_of(x, f.rows.item[i].dataset);
            work_on(o ? o : begin_one(x, &f.rows.item[i]), &f.rows.item[i], &f.set[i], f.a);
        }
    }
    arena_free(f.a);
}

static void *suggesting_main(void *context) {
    suggesting *x = context;
    int64_t news = -1;
    while (!ends(x)) {
        look_at_all(x);
        news = server_wait_news(x->server, news, 2);
        poll(NULL, 0, 100); /* not at every write */
    }
    return NULL;
}

suggesting *suggesting_start(server *s, err *e) {
    suggesting *x = memory_alloc(sizeof *x);
    x->server = s;
    pthread_mutex_init(&x->mutex, NULL);
    if (pthread_create(&x->thread, NULL, suggesting_main, x) == 0) return x;
    pthread_mutex_destroy(&x->mutex);
    memory_release(x);
    return err_null(e, ERR_LIMIT, "no thread for suggestions");
}

void suggesting_stop(suggesting *x) {
    if (!x) return;
    x->ending = true;
    server_tell(x->server);
    pthread_join(x->thread, NULL);
    while (x->first) forget(x, x->first);
    pthread_mutex_destroy(&x->mutex);
    memory_release(x);
}

/* ---- routes ------------------------------------------------------------------------------------------------------------------------------ */

static void put_state(call *c, const suggester *row, asking_count *spent) {
    suggesting *x = server_suggesting(c->server);
    const char *state = row->active ? "waiting" : "off";
    char failure[sizeof((err *)0)->text] = "";
    if (x) {
        pthread_mutex_lock(&x->mutex);
        const one *o = row->active ? one_of(x, row->dataset) : NULL;
        if (o && o->at == row->at) {
            state = o->asks ? "asking" : *o->failure ? "failed" : "waiting";
            memcpy(failure, o->failure, sizeof failure);
            *spent = spent_by(o);
        }
        pthread_mutex_unlock(&x->mutex);
    }
    json_key(&c->w, "state"), json_put_cstr(&c->w, state);
    json_key(&c->w, "error"), json_put_cstr(&c->w, *failure ? failure : NULL);
}

static bool put_suggester(call *c, const suggester *row, err *e) {
    json *settings = json_parse(c->a, row->settings, e);
    const json *sums = settings ? json_parse(c->a, row->spent, e) : NULL;
    if (!sums) return false;
    asking_count spent = count_of_json(sums);
    json_open(&c->w, '{');
    for (json_member m = {0}; json_next(settings, &m);) json_key(&c->w, m.key), json_put_value(&c->w, m.value);
    json_key(&c->w, "active"), json_put_bool(&c->w, row->active);
    put_state(c, row, &spent);
    put_count(&c->w, &spent);
    if (row->at) put_moment(&c->w, "updated_at", row->at);
    json_close(&c->w);
    return true;
}

/* None was ever set: one that is off, without a model. */
static bool get_suggester(call *c, err *e) {
    suggester row;
    err none = {0};
    if (!suggester_get(c->tx, c->a, c->set.seq, &row, &none)) {
        if (none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
        row = (suggester){.dataset = c->set.seq, .settings = STR("{\"model\":null}"), .spent = STR("{}")};
    }
    return put_suggester(c, &row, e);
}

/* Members that the settings have: those of the body, beside what the row itself has. */
static bool read_settings(call *c, suggester *row, err *e) {
    static const char *const kept[] = {"model", "questions", "tie", "per_minute", "tokens_most", "cost_prompt", "cost_answer"};
    const int64_t ahead = json_int(json_get(c->body, "ahead"), AHEAD);
    if (!asking_allowed(c, e) || !body_bool_or(c, "active", &row->active, e)) return false;
    if (ahead < 1 || ahead > AHEAD_MOST) return invalid(c, "body.ahead", e, "ahead should be 1 to %d records", AHEAD_MOST);
    json *settings = json_new_object(c->a);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_get(c->body, kept[i])) json_set(settings, kept[i], json_share(c->a, json_get(c->body, kept[i])));
    json_set(settings, "ahead", json_new_int(c->a, ahead));
    row->settings = written(c, settings);
    return true;
}

/* What runs by the settings as they were ends within a moment. */
static void halt(call *c) {
    suggesting *x = server_suggesting(c->server);
    if (!x) return;
    pthread_mutex_lock(&x->mutex);
    one *o = one_of(x, c->set.seq);
    if (o) o->stop = true;
    pthread_mutex_unlock(&x->mutex);
    server_tell(c->server);
}

static bool put_settings(call *c, err *e) {
    suggester row = {.dataset = c->set.seq, .actor = c->me.seq, .spent = STR("{}")}, old;
    err none = {0};
    if (suggester_get(c->tx, c->a, c->set.seq, &old, &none)) row.spent = old.spent, row.active = old.active;
    else if (none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
    if (!read_settings(c, &row, e) || !suggester_put(c->tx, &row, e) ||
        !audit_add(c->tx, c->me.seq, row.active ? "suggester.on" : "suggester.off", c->set.id, row.settings, e))
        return false;
    c->after = halt;
    return put_suggester(c, &row, e);
}

static bool post_stop(call *c, err *e) {
    suggester row;
    if (!suggester_get(c->tx, c->a, c->set.seq, &row, e)) return false;
    row.active = false;
    if (!suggester_put(c->tx, &row, e) || !audit_add(c->tx, c->me.seq, "suggester.off", c->set.id, (str){NULL, 0}, e))
        return false;
    c->after = halt;
    return put_suggester(c, &row, e);
}

const route routes_suggester[] = {
    {"GET", "/api/v1/datasets/{id}/suggester", WHO_ADMIN, OF_DATASET, RUN_READ, get_suggester,
     "the model that suggests ahead of people: settings, state, what it spent"},
    {"PUT", "/api/v1/datasets/{id}/suggester", WHO_ADMIN, OF_DATASET, RUN_WRITE, put_settings,
     "set it, on or off: {model, questions, ahead, active, tie, per_minute, tokens_most, cost_prompt, cost_answer}"},
    {"POST", "/api/v1/datasets/{id}/suggester/stop", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_stop,
     "switch it off; its settings stay"},
    {0},
};
