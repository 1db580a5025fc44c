/* folder.c - states of a run folder, who may write in it, checkpoints whole or damaged, and where options come from. */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "run/run.h"

static void in_folder(void (*test)(arena *a, const char *root)) {
    arena *a = arena_new();
    err e = {0};
    char *root = scratch_folder(a);
    test(a, root);
    dir_remove(root, &e);
    arena_free(a);
}

static void states(arena *a, const char *root) {
    const char *dir = path_join(a, root, "r");
    err e = {0};
    run r, seen;
    assert_ok(run_create(a, dir, STR("{}"), &r, &e), e);
    assert_ok(run_begin(&r, 5, &e), e);
    assert_ok(run_open(a, dir, &seen, &e), e);
    assert_int_equal(seen.status, RUN_RUNNING);
    run_release(&r); /* as the kernel does when the process is killed */
    assert_ok(run_open(a, dir, &seen, &e), e);
    assert_int_equal(seen.status, RUN_KILLED);
    assert_ok(run_end(&r, RUN_FAILED, "the \"disk\" is full", &e), e);
    assert_ok(run_open(a, dir, &seen, &e), e);
    assert_int_equal(seen.status, RUN_FAILED);
    assert_string_equal(seen.reason, "the \"disk\" is full");
}
static void a_run_whose_process_is_gone_reads_as_killed(void **state) {
    (void)state;
    in_folder(states);
}

static void alone(arena *a, const char *root) {
    const char *dir = path_join(a, root, "r");
    err e = {0};
    run mine, other;
    assert_ok(run_create(a, dir, STR("{}"), &mine, &e), e);
    assert_ok(run_open(a, dir, &other, &e), e);
    assert_false(run_lock(&other, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    e = (err){0};
    assert_false(run_create(a, dir, STR("{}"), &other, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    run_release(&mine);
    e = (err){0};
    assert_ok(run_open(a, dir, &other, &e), e);
    assert_ok(run_lock(&other, &e), e);
    run_release(&other);
    assert_false(run_create(a, dir, STR("{}"), &other, &e)); /* not empty */
    assert_non_null(strstr(e.text, "--resume"));
}
static void a_folder_has_one_owner_at_a_time(void **state) {
    (void)state;
    in_folder(alone);
}

static void names(arena *a, const char *root) {
    err e = {0};
    const char *first = run_new_path(a, root, "sft", &e), *second = run_new_path(a, root, "sft", &e);
    assert_string_equal(path_name(first), "sft-1");
    assert_string_equal(path_name(second), "sft-2");
    assert_string_equal(run_find(a, root, "sft-2"), second);
    assert_string_equal(run_find(a, root, "nowhere"), "nowhere");
}
static void two_new_runs_never_get_one_name(void **state) {
    (void)state;
    in_folder(names);
}

static void rewinding(arena *a, const char *root) {
    const char *dir = path_join(a, root, "r");
    err e = {0};
    run r;
    str left;
    assert_ok(run_create(a, dir, STR("{}"), &r, &e), e);
    assert_ok(run_begin(&r, 9, &e), e);
    for (int i = 1; i <= 3; i++) assert_ok(run_metric(&r, str_of(arena_printf(a, "{\"step\":%d}", i)), &e), e);
    assert_true(file_append(r.metrics_fd, STR("{\"step\":4,\"lo"), &e)); /* a kill in the middle of a line */
    assert_ok(run_rewind(&r, 2, &e), e);
    assert_ok(file_read(a, path_join(a, dir, "metrics.jsonl"), 1 << 20, &left, &e), e);
    assert_true(str_is(left, "{\"step\":1}\n{\"step\":2}\n"));
    assert_ok(run_end(&r, RUN_STOPPED, NULL, &e), e);
}
static void lines_behind_the_checkpoint_are_cut_off(void **state) {
    (void)state;
    in_folder(rewinding);
}

static void save(arena *a, const run *r, int64_t step, int keep) {
    checkpoint_out c;
    err e = {0};
    assert_ok(checkpoint_begin(a, r, step, &c, &e), e);
    assert_ok(file_write(path_join(a, c.path, "weights"), str_of(arena_printf(a, "weights of %d", (int)step)), &e), e);
    assert_ok(checkpoint_commit(r, &c, keep, &e), e);
}

static void checkpoints(arena *a, const char *root) {
    err e = {0};
    run r;
    int64_t step;
    assert_ok(run_create(a, path_join(a, root, "r"), STR("{}"), &r, &e), e);
    assert_null(checkpoint_latest(a, &r, &step, &e));
    for (int i = 9; i <= 12; i++) save(a, &r, i, 3); /* 9 < 10 by number, not by name */
    assert_false(file_exists(path_join(a, r.path, "checkpoint-9")));
    assert_string_equal(path_name(checkpoint_latest(a, &r, &step, &e)), "checkpoint-12");
    assert_ok(file_write(path_join(a, r.path, "checkpoint-12/weights"), STR("weights of 13"), &e), e); /* same size */
    assert_ok(dir_remove(path_join(a, r.path, "checkpoint-11/weights"), &e) ||
                  unlink(path_join(a, r.path, "checkpoint-11/weights")) == 0,
              e);
    e = (err){0};
    assert_string_equal(path_name(checkpoint_latest(a, &r, &step, &e)), "checkpoint-10");
    assert_int_equal(step, 10);
    assert_int_equal(e.code, ERR_NONE);
    run_release(&r);
}
static void a_damaged_checkpoint_is_left_out_for_the_one_before(void **state) {
    (void)state;
    in_folder(checkpoints);
}

/* ---- a disk that fails ---------------------------------------------------------------------------------------------------------------- */

static int writes_left;
static ssize_t full_disk(int fd, const void *data, size_t size) {
    if (writes_left-- > 0) return write(fd, data, size);
    errno = ENOSPC;
    return -1;
}

static void full(arena *a, const char *root) {
    const file_ops whole = file_io;
    err e = {0};
    run r;
    int64_t step;
    assert_ok(run_create(a, path_join(a, root, "r"), STR("{}"), &r, &e), e);
    save(a, &r, 1, 2);
    file_io.write = full_disk;
    int failed = 0;
    for (int n = 0; n < 4; n++) {
        checkpoint_out c;
        e = (err){0};
        writes_left = n;
        bool ok = checkpoint_begin(a, &r, 2, &c, &e) && file_write(path_join(a, c.path, "weights"), STR("w"), &e);
        if (ok) ok = checkpoint_commit(&r, &c, 2, &e);
        else checkpoint_abandon(&c);
        if (ok) break;
        failed++;
        assert_int_equal(e.code, ERR_IO);
        assert_false(file_exists(path_join(a, r.path, ".checkpoint-2.part")));
        err none = {0};
        assert_string_equal(path_name(checkpoint_latest(a, &r, &step, &none)), "checkpoint-1");
    }
    file_io = whole;
    assert_true(failed >= 2);
    run_release(&r);
}
static void a_full_disk_leaves_the_old_checkpoint_and_no_half_one(void **state) {
    (void)state;
    in_folder(full);
}

/* ---- options ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double learning_rate;
    int64_t seed;
    bool use_peft;
} settings;
static const opt table[] = {{"learning_rate", OPT_REAL, offsetof(settings, learning_rate), "1", 0, 10, NULL, "a rate"},
                            {"seed", OPT_INT, offsetof(settings, seed), "42", 0, 100, NULL, "a seed"},
                            {"use_peft", OPT_BOOL, offsetof(settings, use_peft), "false", 0, 0, NULL, "a switch"},
                            OPT_END};

static void sources(arena *a, const char *root) {
    settings s;
    const opt_group group = {table, &s};
    resolved r = {.groups = &group, .count = 1};
    const char *file = path_join(a, root, "o.json"), *wrong = path_join(a, root, "w.json");
    err e = {0};
    assert_ok(file_write(file, STR("{\"seed\":3,\"learning_rate\":0.5}"), &e), e);
    assert_ok(file_write(wrong, STR("{\"sead\":3}"), &e), e);
    resolve_defaults(a, &r);
    assert_ok(resolve_preset(a, &r, "small-feedback", &e), e);
    assert_true(s.use_peft && s.learning_rate < 0.01);
    assert_ok(resolve_preset(a, &r, "small-edits", &e), e);
    assert_ok(resolve_file(a, &r, file, &e), e);
    setenv("FETTLE_SEED", "7", 1);
    assert_ok(resolve_environment(a, &r, &e), e);
    unsetenv("FETTLE_SEED");
    assert_true(s.seed == 7 && s.learning_rate == 0.5);
    assert_ok(resolve_set(a, &r, STR("seed"), STR("9"), "command line", &e), e);
    assert_int_equal(s.seed, 9);
    for (int i = 0; i < r.origins; i++)
        if (strcmp(r.origin[i].key, "seed") == 0) assert_string_equal(r.origin[i].source, "command line");
    assert_false(resolve_file(a, &r, wrong, &e));
    assert_non_null(strstr(e.text, "did you mean 'seed'"));
    e = (err){0};
    assert_false(resolve_set(a, &r, STR("seed"), STR("101"), "command line", &e));
    assert_int_equal(e.code, ERR_USAGE);
}
static void flags_stand_over_environment_over_file_over_preset(void **state) {
    (void)state;
    in_folder(sources);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_run_whose_process_is_gone_reads_as_killed),
        TEST(a_folder_has_one_owner_at_a_time),
        TEST(two_new_runs_never_get_one_name),
        TEST(lines_behind_the_checkpoint_are_cut_off),
        TEST(a_damaged_checkpoint_is_left_out_for_the_one_before),
        TEST(a_full_disk_leaves_the_old_checkpoint_and_no_half_one),
        TEST(flags_stand_over_environment_over_file_over_preset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
