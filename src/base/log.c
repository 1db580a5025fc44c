/* log.c - messages and progress on standard error.
 *
 * A message is one write, so lines of several threads do not mix. On a terminal the progress line stands below the
 * messages: a message wipes it and the next progress_show draws it anew. */
#include "base/log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/sys.h"

static const struct {
    const char *name, *prefix, *colored;
} levels[] = {
    [LOG_ERROR] = {"error", "error: ", "\033[1;31merror:\033[0m "},
    [LOG_WARNING] = {"warning", "warning: ", "\033[1;33mwarning:\033[0m "},
    [LOG_NOTE] = {"note", "", ""},
    [LOG_DEBUG] = {"debug", "debug: ", "\033[2mdebug:\033[0m "},
};

log_level log_most = LOG_NOTE;
static int copy_fd = -1;
static bool bar_is_drawn;

__attribute__((constructor)) static void level_from_environment(void) {
    const char *wish = getenv("FETTLE_LOG");
    if (!wish || !*wish) return;
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(wish, levels[i].name) == 0) {
            log_most = (log_level)i;
            return;
        }
    log_warning("FETTLE_LOG: expected error, warning, note or debug, got '%s'; using note", wish);
}

void log_copy_to(int fd) { copy_fd = fd; }

static void put_all(int fd, str text) {
    while (text.len) {
        const ssize_t n = write(fd, text.ptr, text.len);
        if (n <= 0) return; /* nobody is left to be told */
        text = str_slice(text, (size_t)n, text.len);
    }
}

static void put_copy(log_level level, const char *message) {
    char date[32];
    buf line = {0};
    sys_date(date);
    buf_printf(&line, "%s %s: %s\n", date, levels[level].name, message);
    put_all(copy_fd, buf_str(&line));
    buf_free(&line);
}

static void put_message(log_level level, const char *format, va_list arguments) {
    if (level > log_most && copy_fd < 0) return;
    buf line = {0};
    if (bar_is_drawn) buf_put_text(&line, "\r\033[K");
    buf_put_text(&line, sys_color(STDERR_FILENO) ? levels[level].colored : levels[level].prefix);
    const size_t message = line.len;
    buf_vprintf(&line, format, arguments);
    if (copy_fd >= 0) put_copy(level, line.ptr + message);
    buf_put_char(&line, '\n');
    if (level <= log_most) {
        bar_is_drawn = false;
        put_all(STDERR_FILENO, buf_str(&line));
    }
    buf_free(&line);
}

#define LOG_FUNCTION(name, level)                                                                                                \
    void name(const char *format, ...) {                                                                                         \
        va_list arguments;                                                                                                       \
        va_start(arguments, format);                                                                                             \
        put_message(level, format, arguments);                                                                                   \
        va_end(arguments);                                                                                                       \
    }
LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warning, LOG_WARNING)
LOG_FUNCTION(log_note, LOG_NOTE)
LOG_FUNCTION(log_debug, LOG_DEBUG)

enum { BAR_CELLS = 24 };
static const double REDRAW_SECONDS = 0.1, LINE_SECONDS = 5;

static void put_duration(buf *out, double seconds) {
    const long s = lround(seconds);
    if (s >= 3600) buf_printf(out, "%ld h %02ld min", s / 3600, s / 60 % 60);
    else if (s >= 60) buf_printf(out, "%ld min %02ld s", s / 60, s % 60);
    else buf_printf(out, "%ld s", s);
}

progress progress_begin(const char *what, bool quiet) {
    const double now = sys_seconds();
    return (progress){
        .what = what, .begun = now, .shown = sys_is_terminal(STDERR_FILENO) ? 0 : now, .quiet = quiet || log_most < LOG_NOTE};
}

static void put_bar(buf *out, double share) {
    const int full = (int)(share * BAR_CELLS);
    buf_put_char(out, '[');
    for (int i = 0; i < BAR_CELLS; i++) buf_put_char(out, i < full ? '#' : '.');
    buf_put_text(out, "] ");
}

void progress_show(progress *p, double done, double total, const char *note) {
    const bool terminal = sys_is_terminal(STDERR_FILENO);
    const double now = sys_seconds(), share = total > 0 ? fmin(1, fmax(0, done / total)) : 0;
    if (p->quiet || now - p->shown < (terminal ? REDRAW_SECONDS : LINE_SECONDS)) return;
    p->shown = now;
    buf line = {0};
    if (terminal) buf_put_text(&line, "\r\033[K");
    buf_printf(&line, "%s ", p->what);
    if (terminal) put_bar(&line, share);
    buf_printf(&line, "%.0f %%", 100 * share);
    if (note && *note) buf_printf(&line, "  %s", note);
    if (share > 0 && share < 1) {
        buf_put_text(&line, "  ");
        put_duration(&line, (now - p->begun) * (1 - share) / share);
        buf_put_text(&line, " left");
    }
    const size_t room = (size_t)sys_terminal_columns(STDERR_FILENO) + 3; /* the wiping sequence takes no room, less one cell */
    if (terminal && line.len > room) line.len = room;
    if (!terminal) buf_put_char(&line, '\n');
    put_all(STDERR_FILENO, buf_str(&line));
    bar_is_drawn = terminal;
    buf_free(&line);
}

void progress_end(progress *p, const char *note) {
    if (p->quiet) return;
    buf line = {0};
    if (bar_is_drawn) buf_put_text(&line, "\r\033[K");
    bar_is_drawn = false;
    buf_printf(&line, "%s: %s (", p->what, note && *note ? note : "done");
    put_duration(&line, sys_seconds() - p->begun);
    buf_put_text(&line, ")\n");
    put_all(STDERR_FILENO, buf_str(&line));
    buf_free(&line);
}
