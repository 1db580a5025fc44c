/* The machine, and messages. */
#include "test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/sys.h"

static void figures_of_the_machine_are_plausible(void **state) {
    (void)state;
    assert_true(sys_memory_total() > 64u << 20 && sys_memory_available() <= sys_memory_total());
    assert_true(sys_memory_resident() > 1 << 16 && sys_memory_peak() >= sys_memory_resident());
    const double begun = sys_seconds();
    usleep(1000);
    assert_true(sys_seconds() > begun);
    char date[32];
    sys_date(date);
    assert_true(strlen(date) == 20 && date[19] == 'Z' && date[10] == 'T');
    assert_true(strlen(sys_cpu_model()) > 0);
}

static void the_environment_has_the_word(void **state) {
    (void)state;
    unsetenv("FETTLE_THREADS");
    assert_in_range(sys_threads(), 1, 4096);
    setenv("FETTLE_THREADS", "3", 1);
    assert_int_equal(sys_threads(), 3);
    unsetenv("FETTLE_THREADS");
    setenv("FETTLE_CPU", "avx2", 1);
    assert_string_equal(sys_cpu_name(sys_cpu()), "avx2");
    unsetenv("FETTLE_CPU");
    arena *a = arena_new();
    setenv("FETTLE_HOME", "/x/y", 1);
    assert_string_equal(sys_home(a), "/x/y");
    unsetenv("FETTLE_HOME");
    setenv("XDG_DATA_HOME", "/d", 1);
    assert_string_equal(sys_home(a), "/d/fettle");
    unsetenv("XDG_DATA_HOME");
    setenv("HOME", "/h", 1);
    assert_string_equal(sys_home(a), "/h/.local/share/fettle");
    arena_free(a);
}

static void ctrl_c_asks_to_stop(void **state) {
    (void)state;
    sys_catch_signals();
    assert_false(sys_stop_requested());
    raise(SIGINT);
    assert_true(sys_stop_requested());
}

static void a_wait_for_input_ends_when_asked_to_stop(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) { /* waits for a line that never comes; the signal arrives while it does */
        file_lines l;
        str line;
        err e = {0};
        dup2(ends[0], STDIN_FILENO);
        signal(SIGALRM, SIG_DFL);
        alarm(20);
        sys_catch_signals();
        const bool opened = file_lines_open(&l, "-", 100, &e);
        const bool read = opened && file_lines_next(&l, &line, &e);
        _exit(!read && e.code == ERR_STOPPED ? 0 : 1);
    }
    usleep(200000);
    kill(child, SIGTERM);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void messages_are_copied_to_the_log_of_a_run(void **state) {
    (void)state;
    arena *a = arena_new();
    char *folder = scratch_folder(a), *path = path_join(a, folder, "log");
    const int fd = file_append_open(path, NULL);
    const log_level before = log_most;
    log_most = LOG_ERROR;
    log_copy_to(fd);
    log_note("step %d", 5);
    log_copy_to(-1);
    log_note("not there");
    log_most = before;
    file_close(fd);
    str text;
    assert_true(file_read(a, path, 1000, &text, NULL));
    assert_true(str_ends(text, STR("Z note: step 5\n")) && text.len == 34);
    dir_remove(folder, NULL);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(figures_of_the_machine_are_plausible),     TEST(the_environment_has_the_word),
        TEST(a_wait_for_input_ends_when_asked_to_stop), TEST(ctrl_c_asks_to_stop),
        TEST(messages_are_copied_to_the_log_of_a_run),
    };
    return cmocka_run_group_tests_name("base/sys", tests, NULL, NULL);
}
