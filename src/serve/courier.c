/* courier.c - one thread that reads the events in order and posts each to the webhooks that asked for it. */
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

enum { TIME_LIMIT = 20, TRIES = 4, BATCH = 200 };
static const int64_t pause_seconds[TRIES] = {0, 10, 60, 180};

typedef struct parcel {
    char *url, *secret, *body;
    char id[64];
    int tries;
    int64_t due;
    struct parcel *next;
} parcel;

struct courier {
    server *server;
    pthread_t thread;
    _Atomic bool ending;
    int64_t seq;
    bool more; /* the last look found as many events as it may read at once */
    parcel *waiting;
};

static void free_parcel(parcel *p) {
    memory_release(p->url);
    memory_release(p->secret);
    memory_release(p->body);
    memory_release(p);
}

static char *kept(str s) {
    char *out = memory_alloc(s.len + 1);
    memcpy(out, s.ptr ? s.ptr : "", s.len);
    return out;
}

/* What happened before somebody asked to be told is not told. */
static bool wants(const webhook *w, const event *x, arena *a) {
    err e = {0};
    if (x->at < w->inserted_at) return false;
    if (strcmp(x->kind, "ping") == 0) return str_find(x->payload, str_of(w->id), 0) >= 0;
    const json *list = json_parse(a, w->events, &e);
    for (size_t i = 0; i < json_count(list); i++)
        if (str_is(json_text(json_at(list, i), STR("")), x->kind)) return w->enabled;
    return false;
}

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
    if (strcmp(x->kind, "ping") == 0) json_put_raw(&w, STR("{\"agent\":\"fettle\",\"version\":\"" FETTLE_VERSION "\"}"));
    else json_put_raw(&w, x->payload);
    json_close(&w);
    const str out = {arena_copy(a, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

static void pack(courier *c, const webhook *w, str body) {
    parcel *p = memory_alloc(sizeof *p);
    uuid_text id;
    uuid_new(id);
    *p = (parcel){.url = kept(str_of(w->url)), .secret = kept(str_of(w->secret)), .body = kept(body)};
    strcpy(p->id, "msg_");
    strcat(p->id, id);
    parcel **end = &c->waiting;
    while (*end) end = &(*end)->next;
    *end = p;
}

static bool read_events(store_tx *t, void *context, err *e) {
    courier *c = context;
    arena *a = arena_new();
    webhooks hooks;
    events list;
    bool ok = webhook_list(t, a, &hooks, e) && event_after(t, a, c->seq, BATCH, &list, e);
    c->more = ok && list.count == BATCH;
    for (int i = 0; ok && i < list.count; i++) {
        c->seq = list.item[i].seq;
        if (!list.item[i].payload.ptr) continue;
        const str body = hooks.count ? body_of(a, &list.item[i]) : STR("");
        for (int k = 0; k < hooks.count; k++)
            if (wants(&hooks.item[k], &list.item[i], a)) pack(c, &hooks.item[k], body);
    }
    arena_free(a);
    return ok;
}

/* webhook-signature: v1,BASE64(HMAC-SHA256(secret, "id.seconds.body")); the secret is kept as base64. */
static bool post(parcel *p) {
    arena *a = arena_new();
    err e = {0};
    int status = 0;
    str answer;
    unsigned char mac[32];
    size_t key_size;
    const unsigned char *key = secret_unbase64(a, str_of(p->secret), &key_size);
    const char *seconds = arena_printf(a, "%lld", (long long)(clock_now() / 1000000));
    const char *text = arena_printf(a, "%s.%s.%s", p->id, seconds, p->body);
    secret_hmac(key, key_size, text, strlen(text), mac);
    const char *const headers[] = {"Content-Type: application/json", arena_printf(a, "webhook-id: %s", p->id),
                                   arena_printf(a, "webhook-timestamp: %s", seconds),
                                   arena_printf(a, "webhook-signature: v1,%s", secret_base64(a, mac, sizeof mac)), NULL};
    const fetch_request r = {"POST", p->url, headers, str_of(p->body), TIME_LIMIT, 1 << 20};
    const bool ok = fetch(a, &r, &status, &answer, &e) && status >= 200 && status < 300;
    if (!ok) log_warning("webhook %s: %s", p->url, e.code ? e.text : arena_printf(a, "answered %d", status));
    arena_free(a);
    return ok;
}

static void deliver(courier *c) {
    for (parcel **at = &c->waiting; *at && !c->ending;) {
        parcel *p = *at;
        if (p->due > clock_now()) {
            at = &p->next;
            continue;
        }
        if (!post(p) && ++p->tries < TRIES) {
            p->due = clock_now() + pause_seconds[p->tries] * 1000000;
            at = &p->next;
            continue;
        }
        *at = p->next;
        free_parcel(p);
    }
}

static void *courier_main(void *context) {
    courier *c = context;
    int64_t news = -1;
    while (!c->ending && !sys_stop_requested()) {
        err e = {0};
        const int64_t now = server_wait_news(c->server, news, 1);
        poll(NULL, 0, 50); /* what happens at once is told at once */
        c->more = now != news && server_has_webhooks(c->server);
        news = now;
        while (c->more && !c->ending && store_read(server_store(c->server), read_events, c, &e)) continue;
        deliver(c);
    }
    return NULL;
}

static bool read_last(store_tx *t, void *context, err *e) {
    *(int64_t *)context = event_last(t, e);
    return e->code == ERR_NONE;
}

courier *courier_start(server *s, err *e) {
    courier *c = memory_alloc(sizeof *c);
    c->server = s;
    if (store_read(server_store(s), read_last, &c->seq, e) && pthread_create(&c->thread, NULL, courier_main, c) == 0) return c;
    memory_release(c);
    return err_null(e, ERR_LIMIT, "no thread for webhooks");
}

void courier_stop(courier *c) {
    if (!c) return;
    c->ending = true;
    server_tell(c->server);
    pthread_join(c->thread, NULL);
    for (parcel *p; (p = c->waiting) != NULL;) {
        c->waiting = p->next;
        free_parcel(p);
    }
    memory_release(c);
}
