/* Transactions and the file: all or nothing, acknowledged means there, one process at a time, migrations, copies. */
#include "things.h"

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/db.h"

/* ---- all or nothing ------------------------------------------------------------------------------------------------------------------ */

static void a_job_that_fails_leaves_nothing(void **state) {
    things *h = *state;
    err e = {0};
    users all;
    session *x = begin(h, true);
    a_user(x->t, "gone", ROLE_OWNER);
    const desk d = a_desk(x->t);
    a_record(x->t, &d.set, "1");
    assert_false(finish(h, x, false));
    assert_int_equal(x->e.code, ERR_REFUSED);
    x = begin(h, false);
    assert_ok(user_list(x->t, h->a, &all, &e), e);
    assert_int_equal(all.count, 0);
    KEEP(h, x);
}

typedef struct {
    int number;
    bool fail;
} numbered;

static bool add_numbered(store_tx *t, void *context, err *e) {
    const numbered *n = context;
    char name[32];
    snprintf(name, sizeof name, "u%d", n->number);
    user u = {.username = name, .first_name = name};
    return user_add(t, &u, e) && (!n->fail || err_set(e, ERR_REFUSED, "not this one"));
}

/* Jobs that wait while another runs share its commit: one that fails must take nothing of its neighbours along. */
static void *write_numbered(void *context) {
    void **p = context;
    err e = {0};
    return store_write(p[0], add_numbered, p[1], &e) ? p : NULL;
}

static void a_failed_job_spares_its_neighbours_of_one_commit(void **state) {
    things *h = *state;
    enum { JOBS = 60 };
    numbered n[JOBS];
    void *context[JOBS][2];
    pthread_t thread[JOBS];
    err e = {0};
    session *x = begin(h, true); /* holds the writer, so that all others queue up */
    const int64_t before = store_count(h->s).commits;
    for (int i = 0; i < JOBS; i++) {
        n[i] = (numbered){i, i % 3 == 0};
        context[i][0] = h->s, context[i][1] = &n[i];
        assert_int_equal(pthread_create(&thread[i], NULL, write_numbered, context[i]), 0);
    }
    usleep(100000);
    KEEP(h, x);
    for (int i = 0; i < JOBS; i++) {
        void *ok;
        pthread_join(thread[i], &ok);
        assert_int_equal(ok != NULL, i % 3 != 0);
    }
    assert_true(store_count(h->s).commits - before < JOBS / 2);
    x = begin(h, false);
    for (int i = 0; i < JOBS; i++) {
        user u;
        char name[32];
        snprintf(name, sizeof name, "u%d", i);
        err none = {0};
        assert_int_equal(user_named(x->t, h->a, str_of(name), &u, &none), i % 3 != 0);
    }
    assert_int_equal(user_count(x->t, &e), JOBS - JOBS / 3);
    KEEP(h, x);
}

static void a_reader_sees_one_moment(void **state) {
    things *h = *state;
    err e = {0};
    session *reader = begin(h, false);
    assert_int_equal(user_count(reader->t, &e), 0);
    session *x = begin(h, true);
    a_user(x->t, "ann", ROLE_OWNER);
    assert_int_equal(user_count(reader->t, &e), 0);
    KEEP(h, x);
    assert_int_equal(user_count(reader->t, &e), 0);
    KEEP(h, reader);
    reader = begin(h, false);
    assert_int_equal(user_count(reader->t, &e), 1);
    KEEP(h, reader);
}

/* A job that stops in the midst of rows must not hold the connection at its moment for those who get it next. */
static bool read_half(store_tx *t, void *context, err *e) {
    db_rows *r = db_query_values(t, "SELECT username FROM users ORDER BY seq", NULL, 0, e);
    *(bool *)context = db_next(r, e);
    return true;
}

static bool read_count(store_tx *t, void *context, err *e) {
    *(int64_t *)context = user_count(t, e);
    return e->code == ERR_NONE;
}

static void rows_left_half_read_hold_nobody_back(void **state) {
    things *h = *state;
    err e = {0};
    bool some;
    int64_t count;
    for (int i = 0; i < 2; i++) assert_ok(store_write(h->s, add_numbered, &(numbered){i, false}, &e), e);
    assert_ok(store_read(h->s, read_half, &some, &e), e);
    assert_true(some);
    assert_ok(store_write(h->s, add_numbered, &(numbered){2, false}, &e), e);
    assert_ok(store_read(h->s, read_count, &count, &e), e);
    assert_int_equal(count, 3);
    assert_ok(store_write(h->s, read_half, &some, &e) && store_write(h->s, add_numbered, &(numbered){3, false}, &e), e);
    assert_ok(store_read(h->s, read_count, &count, &e), e);
    assert_int_equal(count, 4);
}

static bool reads_only(store_tx *t, void *context, err *e) {
    user u = {.username = "x", .first_name = "x"};
    (void)context;
    return user_add(t, &u, e);
}

static void a_reader_cannot_write(void **state) {
    things *h = *state;
    assert_fails(store_read(h->s, reads_only, NULL, &because), ERR_IO);
}

/* ---- many at once -------------------------------------------------------------------------------------------------------------------- */

enum { WRITERS = 16, EACH = 50, READERS = 4 };

typedef struct {
    store *s;
    int64_t record, user;
    _Atomic bool *stop;
    _Atomic int *wrong;
    int acknowledged;
} worker;

static bool answer_once(store_tx *t, void *context, err *e) {
    const worker *w = context;
    response r = {.record = w->record, .user = w->user, .status = RESPONSE_SUBMITTED, .values = STR("{}")};
    bool changed;
    record row = {.seq = w->record, .dataset = 1};
    note n = {.record = w->record, .user = w->user, .text = "n"};
    return response_put(t, &r, w->user, e) && record_recount(t, &row, 1000, &changed, e) && note_add(t, &n, e);
}

static void *answer_often(void *context) {
    worker *w = context;
    for (int i = 0; i < EACH; i++) {
        err e = {0};
        if (store_write(w->s, answer_once, w, &e)) w->acknowledged++;
        else (*w->wrong)++;
    }
    return NULL;
}

/* Each job writes an answer and a note: at every moment there are as many changes of answers as notes. */
static bool look(store_tx *t, void *context, err *e) {
    const int64_t notes_seen = db_int_of_values(t, -1, "SELECT count(*) FROM notes", NULL, 0, e),
                  changes = db_int_of_values(t, -2, "SELECT count(*) FROM history", NULL, 0, e);
    *(bool *)context = notes_seen == changes;
    return true;
}

static void *look_often(void *context) {
    worker *w = context;
    while (!*w->stop) {
        err e = {0};
        bool even = false;
        if (!store_read(w->s, look, &even, &e) || !even) (*w->wrong)++;
    }
    return NULL;
}

static void every_acknowledged_write_of_many_threads_is_there(void **state) {
    things *h = *state;
    err e = {0};
    _Atomic bool stop = false;
    _Atomic int wrong = 0;
    worker w[WRITERS + READERS];
    pthread_t thread[WRITERS + READERS];
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    for (int i = 0; i < WRITERS + READERS; i++)
        w[i] = (worker){h->s, r.seq, a_user(x->t, arena_printf(h->a, "w%d", i), ROLE_ANNOTATOR).seq, &stop, &wrong, 0};
    KEEP(h, x);
    for (int i = 0; i < WRITERS + READERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, i < WRITERS ? answer_often : look_often, &w[i]), 0);
    for (int i = 0; i < WRITERS; i++) pthread_join(thread[i], NULL);
    stop = true;
    for (int i = WRITERS; i < WRITERS + READERS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(wrong, 0);
    reopen(h);
    x = begin(h, false);
    responses answers;
    notes list;
    assert_ok(response_list(x->t, h->a, r.seq, &answers, &e) && note_list(x->t, h->a, r.seq, &list, &e), e);
    assert_int_equal(answers.count, WRITERS);
    assert_int_equal(list.count, WRITERS * EACH);
    for (int i = 0; i < WRITERS; i++) {
        response_versions v;
        assert_int_equal(w[i].acknowledged, EACH);
        assert_ok(response_history(x->t, h->a, r.seq, w[i].user, &v, &e), e);
        assert_int_equal(v.count, EACH);
    }
    KEEP(h, x);
    assert_ok(store_check(h->s, &e), e);
}

/* ---- one process ---------------------------------------------------------------------------------------------------------------------- */

static void a_folder_has_one_store_at_a_time(void **state) {
    things *h = *state;
    err e = {0};
    char mine[32];
    if (store_open(h->folder, &e)) fail_msg("a second store opened the folder");
    assert_int_equal(e.code, ERR_CONFLICT);
    snprintf(mine, sizeof mine, "process %ld", (long)getpid());
    assert_non_null(strstr(e.text, mine)); /* it names who has it */
    reopen(h);
}

static void a_folder_that_cannot_be_is_refused_in_words(void **state) {
    things *h = *state;
    err e = {0};
    const char *file = path_join(h->a, h->folder, "file");
    assert_ok(file_write(file, STR("x"), &e), e);
    assert_null(store_open(path_join(h->a, file, "folder"), &e));
    assert_true(e.code != ERR_NONE && *e.text);
    const char *other = path_join(h->a, h->folder, "other");
    err damaged = {0};
    assert_ok(dir_make(other, &e) || true, e);
    e = (err){0};
    assert_ok(dir_make(other, &e) &&
                  file_write(path_join(h->a, other, "fettle.db"), STR("this is no database at all, but text"), &e),
              e);
    assert_null(store_open(other, &damaged));
    assert_true(damaged.code != ERR_NONE && *damaged.text);
}

static void *let_go(void *context) {
    usleep(300000);
    sqlite3_exec(context, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

/* Somebody looks at the file with sqlite3 and holds it for a moment. */
static void a_lock_of_another_program_is_waited_for(void **state) {
    things *h = *state;
    err e = {0};
    sqlite3 *other;
    pthread_t thread;
    assert_int_equal(sqlite3_open(path_join(h->a, h->folder, "fettle.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, let_go, other), 0);
    assert_ok(store_write(h->s, add_numbered, &(numbered){1, false}, &e), e);
    pthread_join(thread, NULL);
    sqlite3_close(other);
    assert_true(store_healthy(h->s));
}

/* ---- copies ---------------------------------------------------------------------------------------------------------------------------- */

static void *write_until(void *context) {
    worker *w = context;
    for (int i = 0; !*w->stop; i++) {
        err e = {0};
        if (store_write(w->s, answer_once, w, &e)) w->acknowledged++;
        else (*w->wrong)++;
    }
    return NULL;
}

static void a_backup_under_load_is_whole(void **state) {
    things *h = *state, copy = {.a = h->a};
    err e = {0};
    _Atomic bool stop = false;
    _Atomic int wrong = 0;
    pthread_t thread;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const record r = a_record(x->t, &d.set, NULL);
    worker w = {h->s, r.seq, d.ann.seq, &stop, &wrong, 0};
    KEEP(h, x);
    assert_int_equal(pthread_create(&thread, NULL, write_until, &w), 0);
    for (int i = 0; i < 3; i++) {
        bool even = false;
        copy.folder = scratch_folder(h->a);
        usleep(30000);
        assert_ok(store_backup(h->s, path_join(h->a, copy.folder, "fettle.db"), &e), e);
        copy.s = store_open(copy.folder, &e);
        assert_ok(copy.s != NULL, e);
        assert_ok(store_check(copy.s, &e) && store_read(copy.s, look, &even, &e), e);
        assert_true(even);
        store_close(copy.s);
        assert_ok(dir_remove(copy.folder, &e), e);
    }
    stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
    assert_true(w.acknowledged > 0);
}

static void a_backup_overwrites_nothing(void **state) {
    things *h = *state;
    err e = {0};
    str text;
    const char *path = path_join(h->a, h->folder, "precious");
    assert_ok(file_write(path, STR("words"), &e), e);
    assert_false(store_backup(h->s, path, &e));
    e = (err){0};
    assert_ok(file_read(h->a, path, 100, &text, &e), e);
    assert_text(text, "words");
}

/* ---- migrations ------------------------------------------------------------------------------------------------------------------------- */

static void run_sql(things *h, const char *file, const char *sql) {
    sqlite3 *handle;
    char *words = NULL;
    if (sqlite3_open(path_join(h->a, h->folder, file), &handle) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(handle));
    if (sqlite3_exec(handle, sql, NULL, NULL, &words) != SQLITE_OK) fail_msg("%s", words);
    sqlite3_close(handle);
}

static char *backup_of(things *h) {
    char **names;
    int count = 0;
    err e = {0};
    const char *folder = path_join(h->a, h->folder, "backups");
    if (!file_is_dir(folder)) return NULL;
    assert_ok(dir_list(h->a, folder, &names, &count, &e), e);
    assert_int_equal(count, 1);
    return arena_printf(h->a, "backups/%s", names[0]);
}

static void a_newer_schema_is_refused_and_left_alone(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    a_user(x->t, "ann", ROLE_OWNER);
    KEEP(h, x);
    store_close(h->s);
    h->s = NULL;
    run_sql(h, "fettle.db", "UPDATE schema SET version = 1000");
    assert_null(store_open(h->folder, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "1000"));
    assert_null(backup_of(h));
    run_sql(h, "fettle.db", arena_printf(h->a, "UPDATE schema SET version = %d", schema_newest()));
    e = (err){0};
    h->s = store_open(h->folder, &e);
    assert_ok(h->s != NULL, e);
    x = begin(h, false);
    assert_int_equal(user_count(x->t, &e), 1);
    KEEP(h, x);
}

/* tests/store/schemas/N.sql is a store as it was under schema N, with a row of everything; each must arrive at the newest. When a
 * schema is released:  build/tests/store/jobs make DIR && sqlite3 DIR/fettle.db .dump >tests/store/schemas/N.sql */
static int make_rows(const char *folder) {
    err e = {0};
    things h = {.a = arena_new()};
    h.s = store_open(folder, &e);
    if (!h.s) return fprintf(stderr, "%s\n", e.text), 1;
    session *x = begin(&h, true);
    store_tx *t = x->t;
    desk d = a_desk(t);
    bool created, changed;
    const parts fields = {&d.field, 1};
    const str one = STR("hello world"), two = STR("other words");
    d.set.ready = true;
    bool ok = dataset_save(t, &d.set, &e) && search_create(t, d.set.seq, &fields, &e);
    record r = a_record(t, &d.set, "1"), other = a_record(t, &d.set, "2");
    an_answer(t, &r, &d.ann, RESPONSE_DRAFT, NULL);
    an_answer(t, &r, &d.ann, RESPONSE_SUBMITTED, "{\"label\":{\"value\":\"yes\"}}");
    suggestion s = {.record = r.seq, .question = d.question.seq, .value = STR("\"no\""), .agent = "m", .score = STR("0.5")};
    note n = {.record = r.seq, .user = d.ann.seq, .text = "look"};
    webhook w = {.url = "http://x/", .secret = "s", .events = STR("[]")};
    pass p = {.kind = PASS_KEY, .user = d.ann.seq, .name = "first"};
    ok = ok && search_put(t, d.set.seq, r.seq, &fields, NULL, &one, &e) &&
         search_put(t, d.set.seq, other.seq, &fields, NULL, &two, &e) && record_recount(t, &r, 1, &changed, &e) &&
         suggestion_put(t, &s, &created, &e) && vector_put(t, d.vector.seq, r.seq, (const double[]){1, 0}, 2, &e) &&
         vector_put(t, d.vector.seq, other.seq, (const double[]){0, 1}, 2, &e) &&
         facet_add(t, FACET_METADATA, d.property.seq, r.seq, 0, STR("a"), 1, &e) && note_add(t, &n, &e) &&
         gold_put(t, other.seq, STR("{}"), d.ann.seq, true, &e) && lease_take(t, other.seq, d.ann.seq, 5, &e) &&
         webhook_add(t, &w, &e) && event_add(t, "record.created", 1, 1, STR("{}"), STR("{}"), &e) &&
         audit_add(t, d.ann.seq, "login", NULL, STR("x"), &e) &&
         idempotency_keep(t, d.ann.seq, STR("k"), STR("POST /"), 201, STR("{}"), &e) &&
         member_add(t, d.space.seq, d.ann.seq, &e) && pass_add(t, &p, STR("key"), &e);
    ok = finish(&h, x, ok) && ok;
    store_close(h.s);
    arena_free(h.a);
    return ok ? 0 : (fprintf(stderr, "%s\n", e.text), 1);
}

static void check_rows(things *h) {
    err e = {0};
    dataset set;
    records all;
    responses answers;
    response_versions versions;
    suggestions proposed;
    double *v;
    int n;
    record_hits hits;
    session *x = begin(h, true);
    user ann;
    assert_ok(user_named(x->t, h->a, STR("ann"), &ann, &e) && dataset_named(x->t, h->a, 0, STR("set"), &set, &e) &&
                  record_page(x->t, h->a, set.seq, 0, 10, &all, &e),
              e);
    assert_int_equal(all.count, 2);
    assert_int_equal(set.records, 2);
    assert_int_equal(set.completed, 1);
    assert_ok(response_list(x->t, h->a, all.item[0].seq, &answers, &e) &&
                  response_history(x->t, h->a, all.item[0].seq, 0, &versions, &e) &&
                  suggestion_list(x->t, h->a, all.item[0].seq, &proposed, &e),
              e);
    assert_int_equal(answers.count, 1);
    assert_text(answers.item[0].values, "{\"label\":{\"value\":\"yes\"}}");
    assert_int_equal(versions.count, 2);
    assert_int_equal(proposed.count, 1);
    parts vectors;
    assert_ok(part_list(x->t, h->a, set.seq, PART_VECTOR, &vectors, &e), e);
    assert_int_equal(vectors.count, 1);
    assert_ok(vector_get(x->t, h->a, vectors.item[0].seq, all.item[0].seq, &v, &n, &e), e);
    assert_int_equal(n, 2);
    const record_query words = {.dataset = set.seq, .text = STR("hello"), .limit = 5}, every = {.dataset = set.seq, .limit = 5};
    assert_ok(record_search(x->t, h->a, &words, &hits, &e), e);
    assert_int_equal(hits.total, 1);
    assert_ok(
        record_similar(x->t, h->a, &every, &(nearness){vectors.item[0].seq, (const double[]){1, 0}, 2, false, 0}, &hits, &e), e);
    assert_int_equal(hits.total, 2);
    const record third = a_record(x->t, &set, "3"); /* and it is written to as before */
    an_answer(x->t, &third, &ann, RESPONSE_SUBMITTED, NULL);
    assert_ok(vector_put(x->t, vectors.item[0].seq, third.seq, (const double[]){1, 1}, 2, &e), e);
    KEEP(h, x);
    assert_ok(store_check(h->s, &e), e);
}

static void every_schema_since_the_first_is_carried_on_after_a_copy(void **state) {
    things *h = *state;
    for (int version = 1; version < schema_newest(); version++) {
        err e = {0};
        str sql;
        int64_t found = 0;
        store_close(h->s);
        h->s = NULL;
        assert_ok(dir_remove(h->folder, &e) && dir_make(h->folder, &e), e);
        assert_ok(file_read(h->a, arena_printf(h->a, "tests/store/schemas/%d.sql", version), 1 << 20, &sql, &e), e);
        run_sql(h, "fettle.db", str_copy(h->a, sql));
        h->s = store_open(h->folder, &e);
        assert_ok(h->s != NULL, e);
        check_rows(h);
        store_close(h->s);
        h->s = NULL;
        const char *copy = backup_of(h);
        assert_non_null(copy);
        sqlite3 *handle;
        sqlite3_stmt *read;
        assert_int_equal(sqlite3_open(path_join(h->a, h->folder, copy), &handle), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(handle, "SELECT version FROM schema", -1, &read, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(read), SQLITE_ROW);
        found = sqlite3_column_int64(read, 0);
        sqlite3_finalize(read);
        sqlite3_close(handle);
        assert_int_equal(found, version);
        h->s = store_open(h->folder, &e); /* a second time there is nothing to migrate */
        assert_ok(h->s != NULL, e);
        assert_non_null(backup_of(h));
    }
}

/* ---- log ---------------------------------------------------------------------------------------------------------------------------------- */

static void the_same_request_gets_the_same_answer_and_another_is_refused(void **state) {
    things *h = *state;
    err e = {0};
    int status;
    str body;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_OWNER), bob = a_user(x->t, "bob", ROLE_OWNER);
    assert_fails(idempotency_find(x->t, h->a, ann.seq, STR("k"), STR("POST /a"), &status, &body, &because), ERR_NOT_FOUND);
    assert_ok(idempotency_keep(x->t, ann.seq, STR("k"), STR("POST /a"), 201, STR("{\"a\":1}"), &e), e);
    assert_ok(idempotency_find(x->t, h->a, ann.seq, STR("k"), STR("POST /a"), &status, &body, &e), e);
    assert_int_equal(status, 201);
    assert_text(body, "{\"a\":1}");
    assert_fails(idempotency_find(x->t, h->a, ann.seq, STR("k"), STR("POST /b"), &status, &body, &because), ERR_CONFLICT);
    assert_fails(idempotency_find(x->t, h->a, bob.seq, STR("k"), STR("POST /a"), &status, &body, &because), ERR_NOT_FOUND);
    assert_fails(idempotency_keep(x->t, ann.seq, STR("k"), STR("POST /a"), 200, STR(""), &because), ERR_CONFLICT);
    KEEP(h, x);
}

static void answers_are_kept_for_a_week(void **state) {
    things *h = *state;
    err e = {0};
    int status;
    str body;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_OWNER);
    assert_ok(idempotency_keep(x->t, ann.seq, STR("old"), STR("a"), 201, STR(""), &e) &&
                  idempotency_keep(x->t, ann.seq, STR("older"), STR("a"), 201, STR(""), &e),
              e);
    KEEP(h, x);
    store_close(h->s);
    run_sql(h, "fettle.db", "UPDATE idempotency SET at = at - 6 * 24 * 3600 * 1000000 WHERE key = 'old'");
    run_sql(h, "fettle.db", "UPDATE idempotency SET at = at - 8 * 24 * 3600 * 1000000 WHERE key = 'older'");
    h->s = store_open(h->folder, &e);
    x = begin(h, true);
    assert_ok(idempotency_keep(x->t, ann.seq, STR("new"), STR("a"), 201, STR(""), &e), e);
    assert_ok(idempotency_find(x->t, h->a, ann.seq, STR("old"), STR("a"), &status, &body, &e), e);
    assert_fails(idempotency_find(x->t, h->a, ann.seq, STR("older"), STR("a"), &status, &body, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

static void events_are_read_on_from_any_of_them(void **state) {
    things *h = *state;
    err e = {0};
    events list;
    session *x = begin(h, true);
    assert_int_equal(event_last(x->t, &e), 0);
    for (int i = 0; i < 10; i++)
        assert_ok(event_add(x->t, i % 2 ? "b" : "a", i, 2 * i, STR("{}"), i % 2 ? STR("[]") : (str){NULL, 0}, &e), e);
    const int64_t last = event_last(x->t, &e);
    assert_ok(event_after(x->t, h->a, last - 4, 3, &list, &e), e);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.item[0].seq, last - 3);
    assert_int_equal(list.item[2].dataset, 2 * list.item[2].workspace);
    assert_string_equal(list.item[0].kind, "a");
    assert_null(list.item[0].payload.ptr);
    assert_text(list.item[1].payload, "[]");
    assert_ok(event_after(x->t, h->a, last, 3, &list, &e), e);
    assert_int_equal(list.count, 0);
    KEEP(h, x);
}

static void the_audit_log_names_actors_newest_first(void **state) {
    things *h = *state;
    err e = {0};
    audit_entries list;
    session *x = begin(h, true);
    const user ann = a_user(x->t, "ann", ROLE_OWNER), bob = a_user(x->t, "bob", ROLE_OWNER);
    assert_ok(audit_add(x->t, ann.seq, "login", "x", (str){NULL, 0}, &e) && audit_add(x->t, bob.seq, "key", NULL, STR("d"), &e),
              e);
    assert_ok(user_delete(x->t, &bob, &e) && audit_list(x->t, h->a, 10, &list, &e), e);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.item[1].actor, "ann");
    assert_string_equal(list.item[1].action, "login");
    assert_null(list.item[0].actor); /* who is gone stays in the log without a name */
    assert_text(list.item[0].detail, "d");
    assert_ok(audit_list(x->t, h->a, 1, &list, &e), e);
    assert_int_equal(list.count, 1);
    KEEP(h, x);
}

static void webhooks_come_back_as_they_were_put(void **state) {
    things *h = *state;
    err e = {0};
    webhooks list;
    webhook got;
    session *x = begin(h, true);
    webhook w = {.url = "http://x/", .secret = "s", .events = STR("[\"record.created\"]"), .enabled = true};
    assert_ok(webhook_add(x->t, &w, &e), e);
    w.description = "d";
    w.enabled = false;
    assert_ok(webhook_save(x->t, &w, &e) && webhook_get(x->t, h->a, w.id, &got, &e), e);
    assert_false(got.enabled);
    assert_string_equal(got.description, "d");
    assert_string_equal(got.secret, "s");
    assert_ok(webhook_delete(x->t, &w, &e) && webhook_list(x->t, h->a, &list, &e), e);
    assert_int_equal(list.count, 0);
    assert_fails(webhook_get(x->t, h->a, w.id, &got, &because), ERR_NOT_FOUND);
    KEEP(h, x);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "make") == 0) return make_rows(argv[2]);
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_job_that_fails_leaves_nothing),
        STORE_TEST(a_failed_job_spares_its_neighbours_of_one_commit),
        STORE_TEST(a_reader_sees_one_moment),
        STORE_TEST(rows_left_half_read_hold_nobody_back),
        STORE_TEST(a_reader_cannot_write),
        STORE_TEST(every_acknowledged_write_of_many_threads_is_there),
        STORE_TEST(a_folder_has_one_store_at_a_time),
        STORE_TEST(a_folder_that_cannot_be_is_refused_in_words),
        STORE_TEST(a_lock_of_another_program_is_waited_for),
        STORE_TEST(a_backup_under_load_is_whole),
        STORE_TEST(a_backup_overwrites_nothing),
        STORE_TEST(a_newer_schema_is_refused_and_left_alone),
        STORE_TEST(every_schema_since_the_first_is_carried_on_after_a_copy),
        STORE_TEST(the_same_request_gets_the_same_answer_and_another_is_refused),
        STORE_TEST(answers_are_kept_for_a_week),
        STORE_TEST(events_are_read_on_from_any_of_them),
        STORE_TEST(the_audit_log_names_actors_newest_first),
        STORE_TEST(webhooks_come_back_as_they_were_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
