/* log.h - messages to the person at the terminal, on standard error. */
#ifndef FETTLE_BASE_LOG_H
#define FETTLE_BASE_LOG_H

#include <stdbool.h>

typedef enum { LOG_ERROR, LOG_WARNING, LOG_NOTE, LOG_DEBUG } log_level;
extern log_level log_most; /* what is shown; FETTLE_LOG=error|warning|note|debug */

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_copy_to(int fd); /* every message also goes there (a run's log file); -1 ends it */

/* A progress line: a bar that rewrites itself on a terminal, a line every few seconds elsewhere. */
typedef struct {
    const char *what;
    double begun, shown;
    bool quiet;
} progress;
progress progress_begin(const char *what, bool quiet);
/* done of total units; `note` is short and may be NULL. Prints share, note and the time left. */
void progress_show(progress *p, double done, double total, const char *note);
void progress_end(progress *p, const char *note);

#endif
