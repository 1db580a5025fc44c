/* Backup and restore: a copy taken under load has all that was acknowledged before; a restore is checked, and loses nothing. */
#include "things.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>

typedef struct {
    store *s;
    int number;
    _Atomic bool *end;
    _Atomic int acknowledged; /* names of this writer that are on the disk: 0 ... acknowledged - 1 */
    err e;
} writer;

static bool add_person(store_tx *t, void *context, err *e) {
    char name[64];
    const writer *w = context;
    snprintf(name, sizeof name, "w%d-%d", w->number, w->acknowledged);
    user u = {.username = name, .first_name = "x"};
    return user_add(t, &u, e);
}

static void *write_on(void *context) {
    writer *w = context;
    while (!*w->end && store_write(w->s, add_person, w, &w->e)) w->acknowledged++;
    return NULL;
}

static void a_backup_under_load_has_all_that_was_acknowledged(void **state) {
    enum { WRITERS = 4 };
    things *h = *state;
    err e = {0};
    _Atomic bool end = false;
    writer w[WRITERS];
    pthread_t thread[WRITERS];
    int before[WRITERS];
    const char *copy = path_join(h->a, h->folder, "copy.db"), *folder = scratch_folder(h->a), *aside;
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (writer){.s = h->s, .number = i, .end = &end};
        if (pthread_create(&thread[i], NULL, write_on, &w[i]) != 0) fail_msg("no thread");
    }
    for (bool all = false; !all;) { /* every writer is at work */
        all = true;
        for (int i = 0; i < WRITERS; i++) all &= w[i].acknowledged > 3;
        usleep(1000);
    }
    for (int i = 0; i < WRITERS; i++) before[i] = w[i].acknowledged;
    const bool ok = store_backup(h->s, copy, &e);
    end = true;
    for (int i = 0; i < WRITERS; i++) pthread_join(thread[i], NULL);
    assert_ok(ok, e);
    for (int i = 0; i < WRITERS; i++) assert_int_equal(w[i].e.code, ERR_NONE);
    assert_ok(store_restore(h->a, folder, copy, &aside, &e), e);
    assert_null(aside);
    things other = {.a = h->a, .folder = (char *)folder, .s = store_open(folder, &e)};
    assert_ok(other.s, e);
    session *x = begin(&other, false);
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < before[i]; k++) {
            user u;
            assert_ok(user_named(x->t, h->a, str_of(arena_printf(h->a, "w%d-%d", i, k)), &u, &e), e);
        }
    KEEP(&other, x);
    assert_ok(store_check(other.s, &e), e);
    store_close(other.s);
    assert_ok(dir_remove(folder, &e), e);
}

static bool add_named(store_tx *t, void *context, err *e) {
    user u = {.username = context, .first_name = "x"};
    return user_add(t, &u, e);
}

static bool has(things *h, const char *name) {
    user u;
    err e = {0};
    session *x = begin(h, false);
    const bool found = user_named(x->t, h->a, str_of(name), &u, &e);
    KEEP(h, x);
    return found;
}

static void a_restore_brings_back_the_copy_and_keeps_what_was_there(void **state) {
    things *h = *state;
    err e = {0};
    const char *copy = path_join(h->a, h->folder, "copy.db"), *aside, *aside_again;
    struct stat about;
    assert_ok(store_write(h->s, add_named, "ann", &e), e);
    assert_ok(store_backup(h->s, copy, &e), e);
    assert_int_equal(stat(copy, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_ok(store_write(h->s, add_named, "bob", &e), e);
    assert_fails(store_restore(h->a, h->folder, copy, &aside, &because), ERR_CONFLICT); /* it is open */
    store_close(h->s);
    assert_ok(store_restore(h->a, h->folder, copy, &aside, &e), e);
    assert_non_null(aside);
    h->s = store_open(h->folder, &e);
    assert_ok(h->s, e);
    assert_true(has(h, "ann"));
    assert_false(has(h, "bob"));
    store_close(h->s);
    assert_ok(store_restore(h->a, h->folder, aside, &aside_again, &e), e);
    h->s = store_open(h->folder, &e);
    assert_ok(h->s, e);
    assert_true(has(h, "ann"));
    assert_true(has(h, "bob"));
}

static void a_backup_replaces_no_file(void **state) {
    things *h = *state;
    err e = {0};
    str there;
    const char *path = path_join(h->a, h->folder, "there");
    assert_ok(file_write(path, STR("mine"), &e), e);
    assert_fails(store_backup(h->s, path, &because), ERR_CONFLICT);
    assert_ok(file_read(h->a, path, 100, &there, &e), e);
    assert_true(str_is(there, "mine"));
    assert_fails(store_backup(h->s, path_join(h->a, h->folder, "no/such/folder.db"), &because), ERR_IO);
}

/* The store must be as it was after each refusal. */
static void refuses(things *h, const char *from, err_code code) {
    const char *aside;
    err e = {0};
    store_close(h->s);
    const bool done = store_restore(h->a, h->folder, from, &aside, &e);
    err again = {0};
    h->s = store_open(h->folder, &again);
    assert_ok(h->s, again);
    assert_false(done);
    if (e.code != code) fail_msg("%s: code %d: %s", from, e.code, e.text);
    assert_true(has(h, "ann"));
    assert_false(file_exists(path_join(h->a, h->folder, "fettle.db.new")));
}

static void what_is_no_backup_is_refused(void **state) {
    things *h = *state;
    err e = {0};
    str whole;
    const char *copy = path_join(h->a, h->folder, "copy.db"), *bad = path_join(h->a, h->folder, "bad.db");
    assert_ok(store_write(h->s, add_named, "ann", &e), e);
    assert_ok(store_backup(h->s, copy, &e), e);
    assert_ok(file_read(h->a, copy, 1 << 24, &whole, &e), e);
    refuses(h, path_join(h->a, h->folder, "nothing.db"), ERR_NOT_FOUND);
    assert_ok(file_write(bad, STR("this is a text, long enough to be taken for the head of something else"), &e), e);
    refuses(h, bad, ERR_INPUT);
    assert_ok(file_write(bad, str_slice(whole, 0, whole.len / 2), &e), e);
    refuses(h, bad, ERR_INPUT);
    assert_ok(file_write(bad, STR(""), &e), e); /* SQLite takes an empty file for an empty database */
    refuses(h, bad, ERR_INPUT);
    assert_ok(file_write(bad, whole, &e), e);
    assert_ok(file_write(arena_printf(h->a, "%s-wal", bad), STR("log"), &e), e);
    refuses(h, bad, ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_backup_under_load_has_all_that_was_acknowledged),
        STORE_TEST(a_restore_brings_back_the_copy_and_keeps_what_was_there),
        STORE_TEST(a_backup_replaces_no_file),
        STORE_TEST(what_is_no_backup_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
