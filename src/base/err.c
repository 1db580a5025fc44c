/* err.c - recording the first cause of a failure, and ending the process on a broken invariant. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void record(err *e, err_code code, const char *format, va_list arguments) {
    if (!e || e->code != ERR_NONE) return;
    if (code == ERR_NONE) bug("an error was recorded without a code: %s", format);
    e->code = code;
    vsnprintf(e->text, sizeof e->text, format, arguments);
}

bool err_set(err *e, err_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    record(e, code, format, arguments);
    va_end(arguments);
    return false;
}

void *err_null(err *e, err_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    record(e, code, format, arguments);
    va_end(arguments);
    return NULL;
}

bool err_errno(err *e, err_code code, const char *format, ...) {
    const int number = errno; /* before anything below changes it */
    if (!e || e->code != ERR_NONE) return false;
    va_list arguments;
    va_start(arguments, format);
    record(e, code, format, arguments);
    va_end(arguments);
    const size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, ": %s", strerror(number));
    return false;
}

bool err_prefix(err *e, const char *format, ...) {
    if (!e || e->code == ERR_NONE) return false;
    char old[ERR_TEXT_MAX];
    memcpy(old, e->text, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e->text, sizeof e->text, format, arguments);
    va_end(arguments);
    const size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, ": %s", old);
    return false;
}

static const struct {
    int exit_status, http_status;
    const char *words;
} rows[] = {
#define X(code, exit_status, http_status, words) [code] = {exit_status, http_status, words},
    ERRORS(X)
#undef X
};

int err_exit_status(err_code code) { return rows[code].exit_status; }
err_code err_of_exit(int status) {
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++)
        if (rows[i].exit_status == status) return (err_code)i;
    return ERR_IO;
}

int err_http_status(err_code code) { return rows[code].http_status; }
const char *err_words(err_code code) { return rows[code].words; }

void bug_at(const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "fettle: a defect of this program at %s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    abort();
}
