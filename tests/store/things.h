/* things.h - a store in an empty folder, transactions that a test holds in its hands, and the things that tests need in a store.
 *
 * Jobs of store_write run on the store's own thread, where an assertion must not jump from. So a transaction is parked: a thread
 * of its own asks for it and waits, the test works in it, and finish() says whether it is kept. */
#ifndef FETTLE_TESTS_STORE_THINGS_H
#define FETTLE_TESTS_STORE_THINGS_H

#include "test.h"

#include <pthread.h>
#include <string.h>

#include "store/store.h"

typedef struct {
    store *s;
    bool writes, ready, done, keep, ok;
    store_tx *t;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    err e;
} session;

typedef struct {
    arena *a;
    char *folder;
    store *s;
    session *open[8]; /* what a failed test left */
} things;

static inline bool park(store_tx *t, void *context, err *e) {
    session *x = context;
    pthread_mutex_lock(&x->mutex);
    x->t = t;
    x->ready = true;
    pthread_cond_broadcast(&x->changed);
    while (!x->done) pthread_cond_wait(&x->changed, &x->mutex);
    const bool keep = x->keep;
    pthread_mutex_unlock(&x->mutex);
    return keep || err_set(e, ERR_REFUSED, "the test takes it back");
}

static inline void *park_main(void *context) {
    session *x = context;
    x->ok = x->writes ? store_write(x->s, park, x, &x->e) : store_read(x->s, park, x, &x->e);
    pthread_mutex_lock(&x->mutex);
    x->ready = true; /* also when the store refused */
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->mutex);
    return NULL;
}

static inline session *begin(things *h, bool writes) {
    session *x = arena_new_of(h->a, session);
    x->s = h->s;
    x->writes = writes;
    pthread_mutex_init(&x->mutex, NULL);
    pthread_cond_init(&x->changed, NULL);
    for (int i = 0; i < 8; i++)
        if (!h->open[i]) {
            h->open[i] = x;
            break;
        }
    if (pthread_create(&x->thread, NULL, park_main, x) != 0) fail_msg("no thread");
    pthread_mutex_lock(&x->mutex);
    while (!x->ready) pthread_cond_wait(&x->changed, &x->mutex);
    pthread_mutex_unlock(&x->mutex);
    return x;
}

/* What store_write or store_read answered. */
static inline bool finish(things *h, session *x, bool keep) {
    pthread_mutex_lock(&x->mutex);
    x->keep = keep;
    x->done = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->mutex);
    pthread_join(x->thread, NULL);
    for (int i = 0; i < 8; i++)
        if (h->open[i] == x) h->open[i] = NULL;
    return x->ok;
}

#define KEEP(h, x)                                                                                                               \
    do {                                                                                                                         \
        session *kept = (x);                                                                                                     \
        if (!finish((h), kept, true)) fail_msg("the transaction failed: %s", kept->e.text);                                      \
    } while (0)

static inline int things_begin(void **state) {
    arena *a = arena_new();
    things *h = arena_new_of(a, things);
    err e = {0};
    h->a = a;
    h->folder = scratch_folder(a);
    h->s = store_open(h->folder, &e);
    if (!h->s) fprintf(stderr, "%s\n", e.text);
    *state = h;
    return h->s ? 0 : -1;
}

static inline int things_end(void **state) {
    things *h = *state;
    err e = {0};
    for (int i = 0; i < 8; i++)
        if (h->open[i]) finish(h, h->open[i], false);
    store_close(h->s);
    dir_remove(h->folder, &e);
    arena_free(h->a);
    return 0;
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, things_begin, things_end)

/* Closes and opens again: what is read afterwards came from the file. */
static inline void reopen(things *h) {
    err e = {0};
    store_close(h->s);
    h->s = store_open(h->folder, &e);
    if (!h->s) fail_msg("%s", e.text);
}

/* ---- things ---------------------------------------------------------------------------------------------------------------------- */

static inline user a_user(store_tx *t, const char *name, role r) {
    user u = {.username = name, .first_name = name, .role = r};
    err e = {0};
    assert_ok(user_add(t, &u, &e), e);
    return u;
}

static inline workspace a_workspace(store_tx *t, const char *name) {
    workspace w = {.name = name};
    err e = {0};
    assert_ok(workspace_add(t, &w, &e), e);
    return w;
}

static inline dataset a_dataset(store_tx *t, const workspace *w, const char *name) {
    dataset d = {.workspace = w->seq, .name = name, .allow_extra_metadata = true, .min_submitted = 1};
    err e = {0};
    memcpy(d.workspace_id, w->id, sizeof d.workspace_id);
    assert_ok(dataset_add(t, &d, &e), e);
    return d;
}

static inline part a_part(store_tx *t, const dataset *d, part_kind kind, const char *name) {
    part p = {.dataset = d->seq, .kind = kind, .name = name, .title = name, .settings = STR("{\"type\":\"text\"}")};
    err e = {0};
    memcpy(p.dataset_id, d->id, sizeof p.dataset_id);
    assert_ok(part_add(t, &p, &e), e);
    return p;
}

static inline record a_record(store_tx *t, const dataset *d, const char *external_id) {
    record r = {.dataset = d->seq, .fields = STR("{\"text\":\"x\"}")};
    err e = {0};
    if (external_id) r.external_id = str_of(external_id);
    assert_ok(record_add(t, &r, &e), e);
    assert_ok(record_count(t, d->seq, 1, &e), e);
    return r;
}

static inline response an_answer(store_tx *t, const record *r, const user *u, response_status status, const char *values) {
    response x = {.record = r->seq, .user = u->seq, .status = status, .values = values ? str_of(values) : (str){NULL, 0}};
    err e = {0};
    assert_ok(response_put(t, &x, u->seq, &e), e);
    return x;
}

/* One of everything: a user, a workspace, a published dataset with a field, a question, a property and a vector. */
typedef struct {
    user ann;
    workspace space;
    dataset set;
    part field, question, property, vector;
} desk;

static inline desk a_desk(store_tx *t) {
    desk d = {.ann = a_user(t, "ann", ROLE_ANNOTATOR), .space = a_workspace(t, "space")};
    d.set = a_dataset(t, &d.space, "set");
    d.field = a_part(t, &d.set, PART_FIELD, "text");
    d.question = a_part(t, &d.set, PART_QUESTION, "label");
    d.property = a_part(t, &d.set, PART_METADATA, "source");
    d.vector = a_part(t, &d.set, PART_VECTOR, "emb");
    return d;
}

#define assert_text(view, literal)                                                                                               \
    do {                                                                                                                         \
        const str seen = (view);                                                                                                 \
        if (!str_is(seen, (literal))) fail_msg("expected '%s', got '%.*s'", (literal), STR_ARG(seen));                           \
    } while (0)

/* The call fails with this code; it gets `&because` for its err. */
#define assert_fails(call, wanted)                                                                                               \
    do {                                                                                                                         \
        err because = {0};                                                                                                       \
        if (call) fail_msg("%s should have failed", #call);                                                                      \
        if (because.code != (wanted))                                                                                            \
            fail_msg("%s: expected %s, got %s (%s)", #call, #wanted, err_words(because.code), because.text);                     \
    } while (0)

#endif
