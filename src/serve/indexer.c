/* indexer.c - see indexer.h. */
#include "serve/indexer.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"

enum { FIND_SECONDS = 10, QUIET_MICROSECONDS = 300000, STEP = 16, STEPS_MOST = 64, WORDS_PIECE = 500, TIDY_EVERY = 200 };

struct indexer {
    server *server;
    pthread_t writer, reader;
    bool reads;
    _Atomic bool ending;
    int64_t rounds;
    double looked; /* when copies of vectors were brought up last */
};

typedef struct {
    server *server;
    int64_t dataset; /* 0: any */
    int64_t left;    /* ranges remain */
} piece;

/* ---- one job of the writer -------------------------------------------------------------------------------------------------------- */

/* STEP records, in memory of their own; *next: where to go on. */
static bool index_step(call *c, const schema *s, const behind_range *b, int64_t *next, err *e) {
    records page;
    arena *own = c->a, *scratch = c->a = arena_new();
    bool ok = behind_records(c->tx, scratch, b, *next, STEP, &page, e);
    for (int i = 0; i < page.count && ok; i++) ok = index_new(c, &page.item[i], s, e);
    *next = page.count < STEP ? b->last + 1 : page.item[page.count - 1].seq + 1;
    c->a = own;
    arena_free(scratch);
    return ok;
}

static bool index_range(call *c, const behind_range *b, err *e) {
    schema s;
    int64_t next = b->first;
    if (!schema_rules(c, b->dataset, &s, e)) return false;
    for (int i = 0; i < STEPS_MOST && next <= b->last && (!i || !store_awaited(c->tx)); i++)
        if (!index_step(c, &s, b, &next, e)) return false;
    return behind_move(c->tx, b, next, e);
}

static bool index_piece(store_tx *t, void *context, err *e) {
    piece *p = context;
    behind_range b;
    call *c;
    p->left = 0;
    if (!behind_next(t, p->dataset, &b, e) || !b.dataset) return e->code == ERR_NONE;
    arena *a = arena_new();
    c = arena_new_of(a, call);
    *c = (call){.server = p->server, .a = a, .tx = t};
    p->left = 1;
    const bool ok = index_range(c, &b, e);
    arena_free(a);
    return ok;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------------------------- */

static bool count_left(store_tx *t, void *context, err *e) {
    piece *p = context;
    p->left = behind_count(t, p->dataset, e);
    return e->code == ERR_NONE;
}

bool index_look(server *s, err *e) {
    piece p = {.server = s};
    if (!store_read(server_store(s), count_left, &p, e)) return false;
    if (p.left) server_note_behind(s);
    return true;
}

bool index_wait(server *s, int64_t set, int64_t *left, err *e) {
    piece p = {.server = s, .dataset = set};
    const double until = sys_seconds() + FIND_SECONDS;
    *left = 0;
    if (!store_read(server_store(s), count_left, &p, e)) return false;
    while (p.left && sys_seconds() < until && !server_ends(s))
        if (!store_write(server_store(s), index_piece, &p, e)) return false;
    if (!p.left) return true;
    if (!store_read(server_store(s), count_left, &p, e)) return false;
    *left = p.left;
    return true;
}

/* ---- lists of words, copies of vectors -------------------------------------------------------------------------------------------------------------- */

typedef struct {
    server *server;
    int64_t set;
    bool more;
} reading;

static bool give_texts(call *c, const words_piece *p, err *e) {
    schema s;
    if (!schema_rules(c, p->dataset, &s, e)) return false;
    const str **texts = arena_array(c->a, const str *, p->list.count + 1);
    for (int i = 0; i < p->list.count; i++) {
        str *own = arena_array(c->a, str, s.field.count + 1);
        if (!record_texts(c, &p->list.item[i], &s, own, e)) return false;
        texts[i] = own;
    }
    return words_give(c->tx, p, texts, s.field.count, e);
}

static bool read_words(store_tx *t, void *context, err *e) {
    reading *x = context;
    arena *a = arena_new();
    call *c = arena_new_of(a, call);
    words_piece p;
    *c = (call){.server = x->server, .a = a, .tx = t};
    bool ok = words_take(t, a, x->set, WORDS_PIECE, &p, e);
    x->more = ok && p.more;
    ok = ok && (!x->more || give_texts(c, &p, e));
    arena_free(a);
    return ok;
}

typedef struct {
    arena *a;
    int64_t *set;
    int count;
} wanted;

static bool find_wanted(store_tx *t, void *context, err *e) {
    wanted *w = context;
    return words_wanted(t, w->a, &w->set, &w->count, e);
}

static bool tidy_changes(store_tx *t, void *context, err *e) {
    int64_t *forgotten = context;
    return words_tidy(t, forgotten, e) && (*forgotten || vector_tidy(t, forgotten, e));
}

static bool is_ending(const indexer *x) { return x->ending || sys_stop_requested(); }

/* An import that runs has the machine for itself. */
static bool is_importing(server *s) {
    const int64_t stamp = server_behind(s);
    return stamp && clock_now() - stamp < QUIET_MICROSECONDS;
}

static bool tidy(indexer *x, err *e) {
    int64_t forgotten = 1;
    while (forgotten && !is_ending(x) && !is_importing(x->server)) {
        if (!store_write(server_store(x->server), tidy_changes, &forgotten, e)) return false;
        poll(NULL, 0, 20); /* nobody waits for this */
    }
    return true;
}

/* Beside the writer too: what it put into the index is read soon after. */
static bool keep_words(indexer *x, err *e) {
    wanted w = {.a = arena_new()};
    store *s = server_store(x->server);
    bool ok = store_read(s, find_wanted, &w, e);
    for (int i = 0; ok && i < w.count; i++) {
        reading one = {.server = x->server, .set = w.set[i], .more = true};
        while (ok && one.more && !is_ending(x) && !is_importing(x->server)) ok = store_read(s, read_words, &one, e);
    }
    arena_free(w.a);
    return ok && (x->rounds++ % TIDY_EVERY || tidy(x, e));
}

static bool refresh(store_tx *t, void *context, err *e) {
    (void)context;
    return near_refresh(t, e);
}

/* Once a second at most: each look at a vector that changes puts its copy off. */
static bool keep_vectors(indexer *x, err *e) {
    const double now = sys_seconds();
    if (now - x->looked < 1) return true;
    x->looked = now;
    return store_read(server_store(x->server), refresh, NULL, e) || e->code == ERR_STOPPED;
}

/* ---- the threads ------------------------------------------------------------------------------------------------------------------- */

static void *write_main(void *context) {
    indexer *x = context;
    int64_t news = -1;
    while (!is_ending(x)) {
        const int64_t stamp = server_behind(x->server);
        piece p = {.server = x->server};
        err e = {0};
        if (!stamp) news = server_wait_news(x->server, news, 1);
        else if (is_importing(x->server)) poll(NULL, 0, 50);
        else if (!store_write(server_store(x->server), index_piece, &p, &e)) {
            log_error("the index stays behind: %s", e.text);
            poll(NULL, 0, 1000);
        } else if (!p.left) server_caught_up(x->server, stamp);
    }
    return NULL;
}

static void *read_main(void *context) {
    indexer *x = context;
    int64_t news = -1;
    while (!is_ending(x)) {
        err e = {0};
        news = server_wait_news(x->server, news, 1);
        poll(NULL, 0, 50); /* not at every write */
        if (!is_importing(x->server) && (!keep_words(x, &e) || !keep_vectors(x, &e)))
            log_error("the lists of words or the copies of vectors stay behind: %s", e.text);
    }
    return NULL;
}

indexer *indexer_start(server *s, err *e) {
    indexer *x = memory_alloc(sizeof *x);
    *x = (indexer){.server = s};
    if (pthread_create(&x->writer, NULL, write_main, x) == 0) {
        x->reads = pthread_create(&x->reader, NULL, read_main, x) == 0;
        if (x->reads) return x;
        indexer_stop(x);
    } else memory_release(x);
    return err_null(e, ERR_LIMIT, "no thread for the index");
}

void indexer_stop(indexer *x) {
    if (!x) return;
    x->ending = true;
    server_tell(x->server);
    pthread_join(x->writer, NULL);
    if (x->reads) pthread_join(x->reader, NULL);
    memory_release(x);
}
