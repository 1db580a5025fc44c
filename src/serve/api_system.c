/* api_system.c - the server about itself: version, health, measures, events. */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/version.h"
#include "serve/jobs.h"
#include "serve/news.h"

static bool get_version(call *c, err *e) {
    (void)e;
    json_open(&c->w, '{');
    json_key(&c->w, "version"), json_put_cstr(&c->w, "2.8.0"); /* of the contract */
    json_key(&c->w, "fettle"), json_put_cstr(&c->w, FETTLE_VERSION);
    json_close(&c->w);
    return true;
}

static bool get_status(call *c, err *e) {
    (void)e;
    json_open(&c->w, '{');
    json_key(&c->w, "version"), json_put_cstr(&c->w, "2.8.0");
    json_key(&c->w, "search_engine"), json_open(&c->w, '{');
    json_key(&c->w, "name"), json_put_cstr(&c->w, "fts5");
    json_close(&c->w);
    json_key(&c->w, "memory"), json_open(&c->w, '{'), json_close(&c->w);
    json_close(&c->w);
    return true;
}

/* open: this machine alone, without a login; waiting: nobody is the owner yet; me: who asks, or null. */
static bool get_settings(call *c, err *e) {
    json_open(&c->w, '{');
    json_key(&c->w, "argilla"), json_open(&c->w, '{');
    json_key(&c->w, "share_your_progress_enabled"), json_put_bool(&c->w, false);
    json_close(&c->w);
    json_key(&c->w, "fettle"), json_open(&c->w, '{');
    json_key(&c->w, "open"), json_put_bool(&c->w, serve_is_open(c->server));
    json_key(&c->w, "waiting"), json_put_bool(&c->w, !user_count(c->tx, e));
    json_key(&c->w, "me");
    if (c->me.username) put_user(&c->w, &c->me, NULL);
    else json_put_null(&c->w);
    json_close(&c->w), json_close(&c->w);
    return e->code == ERR_NONE;
}

static bool get_providers(call *c, err *e) {
    (void)e;
    items_begin(c);
    items_end(c);
    object_end(c);
    return true;
}

static bool get_health(call *c, err *e) {
    (void)e;
    const bool well = store_healthy(server_store(c->server));
    c->status = well ? 200 : 503;
    json_open(&c->w, '{');
    json_key(&c->w, "status"), json_put_cstr(&c->w, well ? "ok" : "a write did not reach the disk");
    json_close(&c->w);
    return true;
}

static bool is_gauge(const char *name) {
    static const char *const names[] = {"running", "answering", "waiting", "models", "words_behind"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* Prometheus' text format: each number of the server's own statistics is a line. */
static bool get_metrics(call *c, err *e) {
    buf text = {0};
    json_writer w = json_writer_on(&text, false);
    json_open(&w, '{');
    server_stats(c->server, &w);
    int64_t behind;
    if (words_behind(c->tx, &behind, e)) json_key(&w, "words_behind"), json_put_int(&w, behind);
    json_close(&w);
    const json *all = e->code ? NULL : json_parse(c->a, buf_str(&text), e);
    buf_free(&text);
    json_member m = {0};
    while (all && json_next(all, &m)) {
        const bool gauge = is_gauge(m.key) || strstr(m.key, "bytes") || strstr(m.key, "seconds");
        buf_printf(&c->out, "# TYPE fettle_%s %s\nfettle_%s %.17g\n", m.key, gauge ? "gauge" : "counter", m.key,
                   json_real(m.value, 0));
    }
    c->type = "text/plain; version=0.0.4";
    return all != NULL;
}

static bool get_audit(call *c, err *e) {
    audit_entries list;
    int64_t limit;
    if (!query_int(c, "limit", 1, 1000, 100, &limit, e) || !audit_list(c->tx, c->a, limit, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const audit_entry *x = &list.item[i];
        json_open(&c->w, '{');
        put_moment(&c->w, "at", x->at);
        json_key(&c->w, "actor"), json_put_cstr(&c->w, x->actor);
        json_key(&c->w, "action"), json_put_cstr(&c->w, x->action);
        json_key(&c->w, "target"), json_put_cstr(&c->w, x->target);
        json_key(&c->w, "detail");
        if (x->detail.ptr) json_put_text(&c->w, x->detail);
        else json_put_null(&c->w);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

/* ---- backup --------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t actor;
    const char *path;
} copying;

static bool note_backup(store_tx *t, void *context, err *e) {
    const copying *x = context;
    return audit_add(t, x->actor, "backup", x->path, (str){NULL, 0}, e);
}

/* Who sits at this machine may say where; over the network a copy lands in the data folder, whatever is asked. */
static bool backup_path(call *c, const char **out, err *e) {
    moment_text now;
    const char *folder = path_join(c->a, store_folder(server_store(c->server)), "backups");
    moment_put(clock_now(), now);
    *out = path_join(c->a, folder, arena_printf(c->a, "fettle-%s.db", now));
    if (!c->body) return dir_make(folder, e);
    const char *asked = NULL;
    if (!body_object(c, e) || !body_text_or(c, "file", 1, 4000, &asked, e)) return false;
    if (asked && !c->trusted) return forbidden(e, "a file can be named on the server's own machine only: fettle backup FILE");
    if (asked) *out = asked;
    return asked || dir_make(folder, e);
}

static bool post_backup(call *c, err *e) {
    store *s = server_store(c->server);
    copying x = {.actor = c->me.seq};
    if (!backup_path(c, &x.path, e) || !store_backup(s, x.path, e) || !store_write(s, note_backup, &x, e)) return false;
    c->status = 201;
    json_open(&c->w, '{');
    json_key(&c->w, "file"), json_put_cstr(&c->w, x.path);
    json_key(&c->w, "bytes"), json_put_int(&c->w, file_size(x.path));
    json_close(&c->w);
    return true;
}

/* ---- restore -------------------------------------------------------------------------------------------------------------------- */

static void put_restore(call *c, const serve_restore *r, const char *state) {
    json_writer *w = &c->w;
    json_open(w, '{');
    json_key(w, "state"), json_put_cstr(w, state);
    json_key(w, "file"), json_put_cstr(w, r && *r->file ? r->file : NULL);
    json_key(w, "kept"), json_put_cstr(w, r && r->done && *r->kept ? r->kept : NULL);
    json_key(w, "error"), json_put_cstr(w, r && r->done && r->failed.code ? r->failed.text : NULL);
    json_close(w);
}

static bool get_restore(call *c, err *e) {
    const serve_restore *r = server_restore(c->server);
    (void)e;
    put_restore(c, r, !r ? "none" : r->asked ? "asked" : !r->done ? "none" : r->failed.code ? "failed" : "finished");
    return true;
}

/* The file is looked at before anybody is disturbed. The server ends as it does for SIGTERM, and is back on the same port. */
static bool post_restore(call *c, err *e) {
    const char *file;
    serve_restore *r = server_restore(c->server);
    if (!body_text(c, "file", 1, sizeof r->file - 1, &file, e)) return false;
    if (!c->trusted) return forbidden(e, "a store is put back on the server's own machine only: fettle restore FILE");
    if (!r) return err_set(e, ERR_CONFLICT, "this process cannot begin again: end it and restore then");
    if (!store_restore_check(c->a, store_folder(server_store(c->server)), file, e)) return false;
    if (strlen(file) >= sizeof r->file) return err_set(e, ERR_LIMIT, "the file's name is too long");
    if (atomic_load(&r->asked)) return err_set(e, ERR_CONFLICT, "another restore was asked for just now");
    strcpy(r->file, file);
    r->done = false;
    r->asked = true;
    c->status = 202;
    put_restore(c, r, "asked");
    return true;
}

/* ---- events as a stream ---------------------------------------------------------------------------------------------------------------- */

enum { EVENTS_AT_ONCE = 100 };

typedef struct {
    server *server;
    int64_t me, session; /* 0: of this process */
    role role;
    int64_t seq, news, jobs, board;
    buf *out;
    bool greeted, more;
} listener;

/* A stream lasts; whoever was removed, demoted or logged out meanwhile hears no more than they would be answered now. */
static bool may_still(store_tx *t, arena *a, listener *l, err *e) {
    user now;
    passes list = {0};
    if (!l->me) return true;
    if (!user_get_seq(t, a, l->me, &now, e) || !pass_list(t, a, l->me, &list, e)) return false;
    l->role = now.role;
    for (int i = 0; i < list.count; i++)
        if (list.item[i].seq == l->session) return !list.item[i].expires_at || list.item[i].expires_at > clock_now();
    return !l->session;
}

typedef struct {
    store_tx *t;
    int64_t me;
} membership;

static bool is_in(void *context, int64_t space) {
    const membership *m = context;
    return member_is(m->t, space, m->me);
}

static bool append_events(store_tx *t, void *context, err *e) {
    listener *l = context;
    arena *a = arena_new();
    events list = {0};
    const bool ok = may_still(t, a, l, e) && event_after(t, a, l->seq, EVENTS_AT_ONCE, &list, e);
    l->more = list.count == EVENTS_AT_ONCE;
    for (int i = 0; i < list.count && ok; i++) {
        const event *x = &list.item[i];
        l->seq = x->seq;
        if (!x->workspace || (l->role != ROLE_OWNER && !member_is(t, x->workspace, l->me))) continue;
        buf_printf(l->out, "id: %lld\nevent: %s\ndata: %.*s\n\n", (long long)x->seq, x->kind,
                   STR_ARG(x->data.ptr ? x->data : STR("{}")));
    }
    const user me = {.seq = l->me, .role = l->role};
    if (ok) jobs_append_news(l->server, &me, is_in, &(membership){t, l->me}, &l->jobs, l->out);
    if (ok) news_append(l->server, &me, &l->board, l->out);
    arena_free(a);
    return ok;
}

/* A line of comment every 15 s tells both ends that the other is there. */
static bool next_events(void *context, buf *out) {
    enum { HEARTBEAT = 15 };
    listener *l = context;
    err e = {0};
    l->out = out;
    if (!l->greeted) {
        l->greeted = true;
        buf_put_text(out, ": fettle\n\n");
        return true;
    }
    const int64_t now = l->more ? l->news : server_wait_news(l->server, l->news, HEARTBEAT);
    const bool news = l->more || now != l->news;
    l->news = now;
    if (news && !store_read(server_store(l->server), append_events, l, &e)) return false;
    if (!out->len) buf_put_text(out, ": \n\n");
    return true;
}

static void end_events(void *context) { memory_release(context); }

static bool read_last(store_tx *t, void *context, err *e) {
    *(int64_t *)context = event_last(t, e);
    return e->code == ERR_NONE;
}

static bool get_events(call *c, err *e) {
    int64_t from;
    const int64_t news = server_wait_news(c->server, -1, 0); /* first: what comes after it is told, what was before is read */
    if (!query_int(c, "after", -1, INT64_MAX, -1, &from, e)) return false;
    const bool earlier = from >= 0;
    if (!earlier && !store_read(server_store(c->server), read_last, &from, e)) return false;
    listener *l = memory_alloc(sizeof *l);
    *l = (listener){.server = c->server,
                    .me = c->me.seq,
                    .session = c->session,
                    .role = c->me.role,
                    .seq = from,
                    .news = news,
                    .jobs = jobs_news(c->server),
                    .board = news_last(c->server),
                    .more = earlier};
    c->type = "text/event-stream";
    c->stream = (answer_stream){next_events, end_events, l};
    return true;
}

const route routes_system[] = {
    {"GET", "/api/v1/version", WHO_ANYONE, OF_NOTHING, RUN_READ, get_version, "version of the contract and of fettle"},
    {"GET", "/api/v1/status", WHO_ANYONE, OF_NOTHING, RUN_READ, get_status, "version and search engine"},
    {"GET", "/api/v1/settings", WHO_ANYONE, OF_NOTHING, RUN_READ, get_settings, "what a web page should show"},
    {"GET", "/api/v1/oauth2/providers", WHO_ANYONE, OF_NOTHING, RUN_READ, get_providers, "ways to log in elsewhere: none"},
    {"GET", "/api/v1/events", WHO_USER, OF_NOTHING, RUN_SELF, get_events, "what happens, as server-sent events (?after=SEQ)"},
    {"GET", "/api/v1/audit", WHO_OWNER, OF_NOTHING, RUN_READ, get_audit, "who did what, newest first"},
    {"POST", "/api/v1/backup", WHO_OWNER, OF_NOTHING, RUN_SELF, post_backup, "a copy of the store, taken while others write"},
    {"GET", "/api/v1/restore", WHO_OWNER, OF_NOTHING, RUN_READ, get_restore,
     "what came of the last restore while this server ran"},
    {"POST", "/api/v1/restore", WHO_OWNER, OF_NOTHING, RUN_SELF, post_restore,
     "put a backup in the place of the store (on the server's machine); it begins again"},
    {"GET", "/health", WHO_ANYONE, OF_NOTHING, RUN_READ, get_health, "200 while writes reach the disk"},
    {"GET", "/metrics", WHO_ANYONE, OF_NOTHING, RUN_READ, get_metrics, "measures for Prometheus"},
    {0},
};
