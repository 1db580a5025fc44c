/* err.h - when the world fails: one code, and words for the reader.
 *
 * Three classes of error (CONTRIBUTING.md): the world failed (a file, a row, a flag) -> return false or NULL and fill the
 * caller's err; we failed (a broken invariant) -> bug(); memory ran out -> abort with the size asked for.
 * A message says what was expected, what came, and what to do. The first cause wins; callers may put a prefix before it. */
#ifndef FETTLE_BASE_ERR_H
#define FETTLE_BASE_ERR_H

#include <stdbool.h>

// clang-format off
/*          code            exit HTTP  words */
#define ERRORS(X)                                              \
    X(ERR_NONE,               0, 200, "no error")              \
    X(ERR_USAGE,              2, 400, "wrong usage")           \
    X(ERR_INPUT,              3, 422, "bad input")             \
    X(ERR_NOT_FOUND,          4, 404, "not found")             \
    X(ERR_UNSUPPORTED,        5, 501, "not supported")         \
    X(ERR_IO,                 6, 500, "input or output failed")\
    X(ERR_LIMIT,              7, 413, "over a limit")          \
    X(ERR_CONFLICT,           8, 409, "in conflict")           \
    X(ERR_REFUSED,            9, 422, "refused before start")  \
    X(ERR_UNAUTHORIZED,      11, 401, "not logged in")         \
    X(ERR_FORBIDDEN,         12, 403, "not allowed")           \
    X(ERR_BUSY,              13, 429, "too often")             \
    X(ERR_FULL,              14, 507, "no room on the disk")   \
    X(ERR_DIVERGED,          10, 500, "training went wrong")   \
    X(ERR_STOPPED,          130, 503, "stopped on request")
// clang-format on

typedef enum {
#define X(code, exit_status, http_status, words) code,
    ERRORS(X)
#undef X
} err_code;

enum { ERR_TEXT_MAX = 1024 };

/* Lives on the caller's stack: `err e = {0};`. */
typedef struct {
    err_code code;
    char text[ERR_TEXT_MAX];
} err;

/* Records the first cause (a later call on a set err changes nothing). e may be NULL. Always returns false, so that
 * `return err_set(...)` ends a bool function; use err_null() in functions that return a pointer. */
bool err_set(err *e, err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void *err_null(err *e, err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with ": " and the words of errno at the end. */
bool err_errno(err *e, err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the words of a set err; returns false. */
bool err_prefix(err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

int err_exit_status(err_code code);
err_code err_of_exit(int status); /* ERR_IO for a status that is none of ours */
int err_http_status(err_code code);
const char *err_words(err_code code);

/* A broken invariant of ours: prints file, line and words, then aborts. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
