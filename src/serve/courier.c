/* courier.c - see courier.h. */
#include "serve/courier.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fetch.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/version.h"

enum { TIME_LIMIT = 20, TRIES = 5, BATCH = 200, LINES = 16, WAITING_MOST = 1000 };
static const int64_t pause_seconds[TRIES] = {0, 10, 60, 180, 600};

/* The thread of one webhook. */
typedef struct {
    courier *c;
    int64_t hook; /* 0: the place is free */
    pthread_t thread;
    _Atomic bool ended;
} line;

struct courier {
    server *server;
    pthread_t thread;
    _Atomic bool ending;
    line lines[LINES];
};

/* What to do next for a webhook. */
typedef struct {
    int64_t hook;
    arena *a;
    webhook w;
    event x;      /* seq 0: nothing to send */
    int tries;    /* how often it failed */
    int64_t told; /* all before this is told or not wanted */
    bool moved;   /* told is further than the store has it */
    int64_t due;  /* when to try again; 0: it is settled */
} errand;

/* ---- what -------------------------------------------------------------------------------------------------------------------------- */

/* What happened before somebody asked to be told is not told. */
static bool wants(const webhook *w, const event *x, arena *a) {
    err e = {0};
    if (!x->payload.ptr) return false; /* nobody wanted it then, or it was erased */
    if (x->at < w->inserted_at) return false;
    if (strcmp(x->kind, "ping") == 0) return str_find(x->payload, str_of(w->id), 0) >= 0;
    const json *list = json_parse(a, w->events, &e);
    for (size_t i = 0; i < json_count(list); i++)
        if (str_is(json_text(json_at(list, i), STR("")), x->kind)) return w->enabled;
    return false;
}

static bool take_failed(store_tx *t, errand *x, err *e) {
    int64_t seq;
    events one;
    if (!x->w.enabled || !delivery_again(t, x->hook, clock_now(), &seq, &x->tries, e)) return e->code == ERR_NONE;
    if (!seq || !event_after(t, x->a, seq - 1, 1, &one, e)) return e->code == ERR_NONE;
    x->x = one.count && one.item[0].seq == seq ? one.item[0] : (event){.seq = seq};
    return true;
}

static bool take_new(store_tx *t, errand *x, err *e) {
    int64_t waiting;
    events list;
    if (!delivery_place(t, x->hook, &x->told, &waiting, e)) return false;
    if (x->told < 0 || waiting >= WAITING_MOST) return true;
    if (!event_after(t, x->a, x->told, BATCH, &list, e)) return false;
    for (int i = 0; i < list.count; i++) {
        x->told = list.item[i].seq;
        x->moved = true;
        if (!wants(&x->w, &list.item[i], x->a)) continue;
        x->x = list.item[i];
        break;
    }
    return true;
}

static bool take(store_tx *t, void *context, err *e) {
    errand *x = context;
    webhooks hooks;
    bool there = false;
    if (!webhook_list(t, x->a, &hooks, e)) return false;
    for (int i = 0; i < hooks.count; i++)
        if (hooks.item[i].seq == x->hook) x->w = hooks.item[i], there = true;
    return !there || (take_failed(t, x, e) && (x->x.seq || take_new(t, x, e)));
}

static bool write_down(store_tx *t, void *context, err *e) {
    const errand *x = context;
    if (x->moved && !delivery_move(t, x->hook, x->told, e)) return false;
    if (!x->x.seq) return true;
    return x->due ? delivery_keep(t, x->hook, x->x.seq, x->tries, x->due, e) : delivery_drop(t, x->hook, x->x.seq, e);
}

/* ---- sending ----------------------------------------------------------------------------------------------------------------------- */

static str body_of(arena *a, const event *x) {
    buf text = {0};
    moment_text at;
    json_writer w = json_writer_on(&text, false);
    moment_put(x->at, at);
    json_open(&w, '{');
    json_key(&w, "type"), json_put_cstr(&w, x->kind);
    json_key(&w, "version"), json_put_int(&w, 1);
    json_key(&w, "timestamp"), json_put_cstr(&w, arena_printf(a, "%sZ", at));
    json_key(&w, "data");
    if (strcmp(x->kind, "ping") == 0) json_put_raw(&w, STR("{\"agent\":\"argilla-server\",\"version\":\"" FETTLE_VERSION "\"}"));
    else json_put_raw(&w, x->payload);
    json_close(&w);
    const str out = {arena_copy(a, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

/* The same for every try, so that a receiver knows what it has. */
static const char *message_id(const errand *x) {
    uuid_text id;
    uuid_of_text(id, str_of(x->w.id), str_of(arena_printf(x->a, "%lld", (long long)x->x.seq)));
    return arena_printf(x->a, "msg_%s", id);
}

/* webhook-signature: v1,BASE64(HMAC-SHA256(secret, "id.seconds.body")); the secret is kept as base64. */
static bool post(const errand *x) {
    arena *a = x->a;
    err e = {0};
    int status = 0;
    str answer;
    unsigned char mac[32];
    size_t key_size;
    const unsigned char *key = secret_unbase64(a, str_of(x->w.secret), &key_size);
    const char *seconds = arena_printf(a, "%lld", (long long)(clock_now() / 1000000)), *id = message_id(x);
    const str body = body_of(a, &x->x);
    const char *text = arena_printf(a, "%s.%s.%.*s", id, seconds, STR_ARG(body));
    secret_hmac(key, key_size, text, strlen(text), mac);
    const char *const headers[] = {"Content-Type: application/json", arena_printf(a, "webhook-id: %s", id),
                                   arena_printf(a, "webhook-timestamp: %s", seconds),
                                   arena_printf(a, "webhook-signature: v1,%s", secret_base64(a, mac, sizeof mac)), NULL};
    const fetch_request r = {"POST", x->w.url, headers, body, TIME_LIMIT, 1 << 20};
    const bool ok = fetch(a, &r, &status, &answer, &e) && status >= 200 && status < 300;
    if (!ok) log_warning("webhook %s: %s", x->w.url, e.code ? e.text : arena_printf(a, "answered %d", status));
    return ok;
}

static void send_it(errand *x) {
    if (!x->x.payload.ptr || post(x)) return; /* what was erased meanwhile is not told */
    if (++x->tries < TRIES) x->due = clock_now() + pause_seconds[x->tries] * 1000000;
    else log_warning("webhook %s: event %lld was given up after %d tries", x->w.url, (long long)x->x.seq, TRIES);
}

/* ---- one webhook ------------------------------------------------------------------------------------------------------------------- */

/* False when there was nothing to do, or it failed. */
static bool one_errand(line *l) {
    arena *a = arena_new();
    err e = {0};
    store *s = server_store(l->c->server);
    errand x = {.hook = l->hook, .a = a};
    bool ok = store_read(s, take, &x, &e);
    if (ok && (x.x.seq || x.moved)) {
        send_it(&x);
        ok = store_write(s, write_down, &x, &e);
    } else ok = false;
    if (e.code) log_error("webhooks: %s", e.text);
    arena_free(a);
    return ok;
}

static void *line_main(void *context) {
    line *l = context;
    while (!l->c->ending && !sys_stop_requested() && one_errand(l)) continue;
    l->ended = true;
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------------- */

static void join_ended(courier *c, bool all) {
    for (int i = 0; i < LINES; i++) {
        line *l = &c->lines[i];
        if (!l->hook || (!all && !l->ended)) continue;
        pthread_join(l->thread, NULL);
        l->hook = 0;
    }
}

static void begin_line(courier *c, int64_t hook) {
    line *empty = NULL;
    for (int i = 0; i < LINES; i++) {
        if (c->lines[i].hook == hook) return;
        if (!c->lines[i].hook) empty = &c->lines[i];
    }
    if (!empty) return; /* later, when another has ended */
    empty->c = c;
    empty->ended = false;
    empty->hook = hook;
    if (pthread_create(&empty->thread, NULL, line_main, empty) != 0) empty->hook = 0;
}

/* Webhooks with something to do. */
typedef struct {
    int64_t hook[LINES];
    int count;
} due_list;

static bool find_due(store_tx *t, void *context, err *e) {
    due_list *out = context;
    arena *a = arena_new();
    webhooks hooks;
    const int64_t last = event_last(t, e), now = clock_now();
    bool ok = !e->code && webhook_list(t, a, &hooks, e);
    for (int i = 0; ok && i < hooks.count && out->count < LINES; i++) {
        int64_t told, waiting, seq;
        int tries;
        const webhook *w = &hooks.item[i];
        ok = delivery_place(t, w->seq, &told, &waiting, e) && delivery_again(t, w->seq, now, &seq, &tries, e);
        if (ok && ((w->enabled && seq) || (told < last && waiting < WAITING_MOST))) out->hook[out->count++] = w->seq;
    }
    arena_free(a);
    return ok;
}

static void *courier_main(void *context) {
    courier *c = context;
    int64_t news = -1;
    while (!c->ending && !sys_stop_requested()) {
        err e = {0};
        due_list due = {0};
        news = server_wait_news(c->server, news, 1);
        poll(NULL, 0, 50); /* not at every write */
        join_ended(c, false);
        if (!server_has_webhooks(c->server)) continue;
        if (!store_read(server_store(c->server), find_due, &due, &e)) log_error("webhooks: %s", e.text);
        for (int i = 0; i < due.count; i++) begin_line(c, due.hook[i]);
    }
    join_ended(c, true);
    return NULL;
}

courier *courier_start(server *s, err *e) {
    courier *c = memory_alloc(sizeof *c);
    c->server = s;
    if (pthread_create(&c->thread, NULL, courier_main, c) == 0) return c;
    memory_release(c);
    return err_null(e, ERR_LIMIT, "no thread for webhooks");
}

void courier_stop(courier *c) {
    if (!c) return;
    c->ending = true;
    server_tell(c->server);
    pthread_join(c->thread, NULL);
    memory_release(c);
}
