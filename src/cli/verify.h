/* verify.h - the pieces of `fettle verify` (tools/verify): one row of KINDS per sort of folder (private to cli). */
#ifndef FETTLE_CLI_VERIFY_H
#define FETTLE_CLI_VERIFY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

typedef enum { CASE_PASSED, CASE_FAILED, CASE_SKIPPED } outcome;

/* What came out of one case. The deviation told is the one nearest to (or furthest over) its tolerance. */
typedef struct {
    outcome outcome;
    double deviation, tolerance, ratio; /* ratio = deviation / tolerance, the largest so far */
    char where[160], words[600];        /* words: why it failed or was skipped */
} verdict;

/* Notes a deviation; NaN fails. */
void verdict_note(verdict *v, double deviation, double tolerance, const char *where, ...) __attribute__((format(printf, 4, 5)));
void verdict_fail(verdict *v, const char *words, ...) __attribute__((format(printf, 2, 3)));
void verdict_skip(verdict *v, const char *words, ...) __attribute__((format(printf, 2, 3)));

/* Compares numbers, texts, arrays and objects; every key of `want` must be in `got`. */
void verdict_compare(verdict *v, const json *want, const json *got, double relative, double absolute, const char *where);
void verdict_compare_floats(verdict *v, const float *want, const float *got, size_t n, double tolerance, const char *where);

/* Runs this very program with `words` (NULL-terminated, without the program's name), `input` on its standard input. False when it
 * could not be started; the exit status and both outputs are the caller's to judge. */
typedef struct {
    str out, errors;
    int status;
} program_result;
bool program_run(arena *a, const char *const *words, str input, program_result *r, err *e);

/* A result that says "we do not have this": exit status of ERR_UNSUPPORTED. Fails or skips the verdict and returns false unless
 * the status is 0. */
bool program_succeeded(const program_result *r, verdict *v);

/* A folder for what a case writes; removed at the end. */
const char *verify_scratch(void);

/* The lines of a JSONL file, at most 65,536; an unreadable one fails the verdict (NULL: is told to nobody). */
json **verify_lines(arena *a, const char *path, int *count, verdict *v);

/* Reports one finished case. */
void verify_report(const char *name, const verdict *v);

typedef struct {
    const char *name, *words;
    bool (*is)(arena *a, const char *folder);  /* does this folder hold such cases? */
    void (*run)(arena *a, const char *folder); /* runs and reports all of them */
} verify_kind;

/* One case of columns through `fettle probe`, compared and reported; file says the tolerance. */
void verify_vector(arena *a, const char *name, const json *file, const json *one);

#define VERIFY_KINDS(X)                                                                                                          \
    X(family)                                                                                                                    \
    X(adapter)                                                                                                                   \
    X(curve)                                                                                                                     \
    X(ppo)                                                                                                                       \
    X(columns)                                                                                                                   \
    X(distil)                                                                                                                    \
    X(vectors)                                                                                                                   \
    X(schedules) X(token_vectors) X(templates) X(template_files) X(curve_tokens) X(ggml_model) X(story) X(starter) X(quant)
#define X(name) extern const verify_kind verify_##name;
VERIFY_KINDS(X)
#undef X

#endif
