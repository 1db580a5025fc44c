/* test.h - what every test includes: cmocka with the headers it wants before itself, and where shared data lies.
 *
 * A test is a function `static void what_holds(void **state)`; its name is a sentence. */
#ifndef FETTLE_TESTS_TEST_H
#define FETTLE_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

#define TEST(name) cmocka_unit_test(name)

/* Fails with the words of the err. */
#define assert_ok(call, e)                                                                                                       \
    do {                                                                                                                         \
        if (!(call)) {                                                                                                           \
            fail_msg("%s: %s", #call, (e).text);                                                                                 \
            abort(); /* which compilers do not know of fail_msg */                                                               \
        }                                                                                                                        \
    } while (0)

/* The path of optional test data (FETTLE_SHARED, default ../shared); NULL with a loud line when it is not there: skip(). */
static inline char *shared_path(arena *a, const char *name) {
    const char *root = getenv("FETTLE_SHARED");
    char *path = path_join(a, root && *root ? root : "../shared", name);
    if (file_exists(path)) return path;
    fprintf(stderr, "SKIPPED for want of data: %s is not there (FETTLE_SHARED names its folder)\n", path);
    return NULL;
}

/* Leaves a test whose data are not there, and nothing of its arena behind. */
#define skip_freeing(a)                                                                                                          \
    do {                                                                                                                         \
        arena_free(a);                                                                                                           \
        skip();                                                                                                                  \
    } while (0)

/* The program itself, for tests of what starts it: FETTLE_PROGRAM, else build/fettle. */
static inline const char *the_program(void) {
    const char *named = getenv("FETTLE_PROGRAM"), *path = named && *named ? named : "build/fettle";
    if (!file_exists(path)) fail_msg("%s is not there: make program, or FETTLE_PROGRAM=FILE", path);
    return path;
}

/* A new empty folder; remove it with dir_remove. */
static inline char *scratch_folder(arena *a) {
    char *path = arena_text(a, "/tmp/fettle-test-XXXXXX");
    if (!mkdtemp(path)) fail_msg("cannot make a folder like %s", path);
    return path;
}

#endif
