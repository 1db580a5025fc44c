/* When the disk fails: whatever was acknowledged is there afterwards, whatever was not is there whole or not at all, and a store
 * that could not write says so. Every write and every sync of a scenario fails once, and once for good; the power goes after
 * every transaction. */
#include "faults.h"
#include "things.h"

#include "store/db.h"

enum { STEPS = 24 };

/* A step writes two rows that belong together. */
static bool step(store_tx *t, void *context, err *e) {
    char name[32];
    snprintf(name, sizeof name, "u%d", *(int *)context);
    user u = {.username = name, .first_name = name};
    workspace w = {.name = name};
    char filler[3000];
    memset(filler, 'x', sizeof filler);
    return user_add(t, &u, e) && audit_add(t, u.seq, "step", name, (str){filler, sizeof filler}, e) && workspace_add(t, &w, e);
}

/* More than the cache holds, and than waits for a checkpoint. */
static size_t large_size = (size_t)40 << 20;

static bool large(store_tx *t, void *context, err *e) {
    char *filler = memory_alloc(large_size);
    const bool ok = step(t, context, e) && audit_add(t, 1, "large", NULL, (str){filler, large_size}, e);
    memory_release(filler);
    return ok;
}

typedef struct {
    bool seen[STEPS], half;
} findings;

static bool look(store_tx *t, void *context, err *e) {
    findings *f = context;
    arena *a = arena_new();
    for (int i = 0; i < STEPS; i++) {
        char name[32];
        user u;
        workspace w;
        err one = {0}, two = {0};
        snprintf(name, sizeof name, "u%d", i);
        f->seen[i] = user_named(t, a, str_of(name), &u, &one);
        f->half |= f->seen[i] != workspace_named(t, a, str_of(name), &w, &two);
        if ((one.code && one.code != ERR_NOT_FOUND) || (two.code && two.code != ERR_NOT_FOUND)) {
            arena_free(a);
            return err_set(e, ERR_IO, "%s", one.text);
        }
    }
    arena_free(a);
    return true;
}

static void check_folder(const char *folder, const bool *acknowledged, const char *what, int64_t n) {
    err e = {0};
    findings f = {0};
    store *s = store_open(folder, &e);
    if (!s) fail_msg("%s %lld: the store does not open again: %s", what, (long long)n, e.text);
    if (!store_check(s, &e) || !store_read(s, look, &f, &e)) fail_msg("%s %lld: %s", what, (long long)n, e.text);
    store_close(s);
    if (f.half) fail_msg("%s %lld: half a transaction is there", what, (long long)n);
    for (int i = 0; i < STEPS; i++)
        if (acknowledged[i] && !f.seen[i]) fail_msg("%s %lld: step %d was acknowledged and is not there", what, (long long)n, i);
}

/* Runs the scenario with the n-th call failing; false: nothing failed any more. */
static bool fails_at(fault_kind kind, int64_t n, bool for_good, const char *what) {
    arena *a = arena_new();
    const char *folder = scratch_folder(a);
    bool acknowledged[STEPS] = {false};
    err e = {0};
    store *s = store_open(folder, &e);
    assert_ok(s != NULL, e);
    faults_set(kind, n, for_good);
    bool refused = false;
    for (int i = 0; i < STEPS; i++) {
        err one = {0};
        acknowledged[i] = store_write(s, step, &i, &one);
        if (acknowledged[i]) continue;
        refused = true;
        if (!*one.text || !one.code) fail_msg("%s %lld: refused without a word", what, (long long)n);
    }
    const bool struck = faults.failed > 0;
    if (kind == FAULT_SYNC && refused && store_healthy(s)) fail_msg("%s %lld: a failed sync was forgotten", what, (long long)n);
    findings f = {0};
    if (!store_read(s, look, &f, &e)) fail_msg("%s %lld: nothing can be read any more: %s", what, (long long)n, e.text);
    store_close(s);
    faults_set(FAULT_NONE, 0, false);
    check_folder(folder, acknowledged, what, n);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
    return struck;
}

static void every_failing_write_is_told_and_loses_nothing(void **state) {
    (void)state;
    int64_t n = 1;
    while (n < 2000 && fails_at(FAULT_WRITE, n, false, "failed write")) n += n < 24 ? 1 : 17;
    assert_true(n > 24);
    for (n = 1; n < 100; n += 23) fails_at(FAULT_WRITE, n, true, "writes failing from");
}

static void every_failing_sync_is_told_and_loses_nothing(void **state) {
    (void)state;
    int64_t n = 1;
    while (n < 500 && fails_at(FAULT_SYNC, n, false, "failed sync")) n += n < 8 ? 1 : 4;
    assert_true(n > 8);
    fails_at(FAULT_SYNC, 3, true, "syncs failing from");
}

/* A full disk is survivable: reading goes on, and so does writing once there is room. */
static void a_full_disk_is_told_and_passes(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *folder = scratch_folder(a);
    bool acknowledged[STEPS] = {false};
    err e = {0};
    store *s = store_open(folder, &e);
    assert_ok(s != NULL, e);
    for (int i = 0; i < STEPS; i++) {
        err one = {0};
        findings f = {0};
        if (i == 5) faults_set(FAULT_FULL, 1, true);
        if (i == 10) faults_set(FAULT_NONE, 0, false);
        acknowledged[i] = store_write(s, step, &i, &one);
        if (acknowledged[i] != (i < 5 || i >= 10)) fail_msg("step %d: %s", i, one.text);
        if (!acknowledged[i]) {
            assert_int_equal(err_http_status(one.code), 507);
            assert_non_null(strstr(one.text, "full"));
        }
        assert_ok(store_read(s, look, &f, &e), e);
        assert_false(f.half);
    }
    assert_true(store_healthy(s));
    store_close(s);
    check_folder(folder, acknowledged, "full disk", 0);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

/* After a commit that may not have reached the disk nothing is acknowledged until the file was read anew. */
static void after_a_failed_commit_nothing_is_acknowledged(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *folder = scratch_folder(a);
    bool acknowledged[STEPS] = {false};
    int number = 0;
    err e = {0}, first = {0}, second = {0};
    store *s = store_open(folder, &e);
    assert_ok(s != NULL, e);
    acknowledged[0] = store_write(s, step, &number, &e);
    assert_true(acknowledged[0] && store_healthy(s));
    faults_set(FAULT_SYNC, 1, false);
    number = 1;
    assert_false(store_write(s, step, &number, &first));
    assert_int_equal(first.code, ERR_IO);
    assert_false(store_healthy(s));
    number = 2;
    assert_false(store_write(s, step, &number, &second)); /* though the disk would take it now */
    assert_int_equal(faults.failed, 1);
    assert_non_null(strstr(second.text, "Start the program again"));
    faults_set(FAULT_NONE, 0, false);
    store_close(s);
    check_folder(folder, acknowledged, "failed commit", 0);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

/* What was committed comes into the database file later, after everybody was told; a sync that fails then must not be forgotten. */
static void a_failing_checkpoint_stops_the_store(void **state) {
    (void)state;
    int64_t stopped = 0;
    large_size = (size_t)18 << 20; /* more pages than a checkpoint waits for */
    for (int64_t n = 1; n <= 6; n++) {
        arena *a = arena_new();
        const char *folder = scratch_folder(a);
        bool acknowledged[STEPS] = {false};
        err e = {0};
        int number = 0;
        store *s = store_open(folder, &e);
        assert_ok(s != NULL, e);
        faults_set(FAULT_SYNC, n, false);
        acknowledged[0] = store_write(s, large, &number, &e);
        for (int i = 0; i < 300 && store_healthy(s) && acknowledged[0] && faults.count < 4; i++) usleep(1000);
        usleep(20000);
        if (faults.failed && store_healthy(s)) fail_msg("sync %lld failed and was forgotten", (long long)n);
        stopped += faults.failed && acknowledged[0];
        faults_set(FAULT_NONE, 0, false);
        store_close(s);
        check_folder(folder, acknowledged, "failing checkpoint", n);
        assert_ok(dir_remove(folder, &e), e);
        arena_free(a);
    }
    assert_true(stopped > 0);
}

static void what_was_acknowledged_survives_the_power(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *folder = scratch_folder(a);
    bool acknowledged[STEPS] = {false};
    rng random = rng_new(99, 0);
    err e = {0};
    const char *asked = getenv("FETTLE_CUTS"); /* so many after each step */
    const int cuts = asked && atoi(asked) > 0 ? atoi(asked) : 2;
    faults_forget();
    faults.remember = true;
    store *s = store_open(folder, &e);
    assert_ok(s != NULL, e);
    for (int i = 0; i < STEPS; i++) {
        acknowledged[i] = store_write(s, step, &i, &e);
        assert_ok(acknowledged[i], e);
        for (int k = 0; k < cuts; k++) {
            const char *after = scratch_folder(a);
            power_cut(a, after, &random);
            faults.remember = false;
            check_folder(after, acknowledged, "power cut after step", i);
            faults.remember = true;
            assert_ok(dir_remove(after, &e), e);
        }
    }
    faults.remember = false;
    store_close(s);
    faults_forget();
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

typedef struct {
    store *s;
    store_job run;
    int number;
    bool ok;
    err e;
} writing;

static void *write_one(void *context) {
    writing *w = context;
    w->ok = store_write(w->s, w->run, &w->number, &w->e);
    return NULL;
}

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t go;
    bool gone;
} gate;

static bool wait_at(store_tx *t, void *context, err *e) {
    gate *g = context;
    (void)t, (void)e;
    pthread_mutex_lock(&g->mutex);
    while (!g->gone) pthread_cond_wait(&g->go, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
    return true;
}

static void *hold(void *context) {
    void **p = context;
    err e = {0};
    return store_write(p[0], wait_at, p[1], &e) ? p : NULL;
}

/* A job too large for memory meets the full disk before its commit: the database gives up the transaction of all jobs that share it. */
static void a_transaction_given_up_midway_takes_all_its_jobs(void **state) {
    (void)state;
    arena *a = arena_new();
    const char *folder = scratch_folder(a);
    bool acknowledged[STEPS] = {false};
    err e = {0};
    gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    pthread_t holder, thread[3];
    store *s = store_open(folder, &e);
    assert_ok(s != NULL, e);
    void *held[] = {s, &g};
    assert_int_equal(pthread_create(&holder, NULL, hold, held), 0);
    usleep(20000);
    writing w[3] = {{s, step, 1, false, {0}}, {s, large, 2, false, {0}}, {s, step, 3, false, {0}}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, write_one, &w[i]), 0);
        usleep(20000);
    }
    faults_set(FAULT_FULL, 1, true);
    pthread_mutex_lock(&g.mutex);
    g.gone = true;
    pthread_cond_broadcast(&g.go);
    pthread_mutex_unlock(&g.mutex);
    pthread_join(holder, NULL);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    faults_set(FAULT_NONE, 0, false);
    for (int i = 0; i < 3; i++) {
        if (w[i].ok) fail_msg("job %d of a transaction that was given up was acknowledged", i);
        assert_int_equal(w[i].e.code, ERR_FULL);
    }
    int number = 4;
    acknowledged[4] = store_write(s, step, &number, &e);
    assert_ok(acknowledged[4], e);
    findings f = {0};
    assert_ok(store_read(s, look, &f, &e), e);
    assert_false(f.half || f.seen[1] || f.seen[2] || f.seen[3]);
    store_close(s);
    check_folder(folder, acknowledged, "given up", 0);
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_failing_write_is_told_and_loses_nothing),
        TEST(every_failing_sync_is_told_and_loses_nothing),
        TEST(a_full_disk_is_told_and_passes),
        TEST(a_transaction_given_up_midway_takes_all_its_jobs),
        TEST(after_a_failed_commit_nothing_is_acknowledged),
        TEST(a_failing_checkpoint_stops_the_store),
        TEST(what_was_acknowledged_survives_the_power),
    };
    faults_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
