/* child.c - a process of its own for what may fail in any way (contract: child.h). */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

enum { PIECE = 4096, SAID_MOST = 4096, LOOK_EVERY = 100, LOOK_AT_END = 2 /* milliseconds */ };

typedef struct {
    const child_run *c;
    pid_t process;
    int out, said; /* pipes, -1: closed */
    buf printed, last;
    double seconds, until;
    bool late, much, stopped;
} watch;

static void close_pipe(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static int64_t start_on(const child_run *c, int out, int said, err *e) {
    sys_child child = {.program = c->program,
                       .words = c->words,
                       .environment = c->environment,
                       .watched = c->watched,
                       .apart = true,
                       .bound = true,
                       .out = out,
                       .errors = said,
                       .memory_most = c->memory_most};
    while (c->words[child.count]) child.count++;
    return sys_start(&child, e);
}

static bool start(watch *w, err *e) {
    int out[2], said[2];
    if (pipe2(out, O_CLOEXEC) != 0) return err_errno(e, ERR_IO, "cannot make a pipe");
    if (pipe2(said, O_CLOEXEC) != 0) {
        close(out[0]), close(out[1]);
        return err_errno(e, ERR_IO, "cannot make a pipe");
    }
    w->process = (pid_t)start_on(w->c, out[1], said[1], e);
    close(out[1]), close(said[1]);
    w->out = out[0], w->said = said[0];
    if (w->process > 0) return true;
    close_pipe(&w->out), close_pipe(&w->said);
    return false;
}

static bool take(int *fd, buf *into) {
    char piece[PIECE];
    const ssize_t n = read(*fd, piece, sizeof piece);
    if (n > 0) buf_put(into, piece, (size_t)n);
    else if (n == 0 || errno != EINTR) close_pipe(fd);
    return n > 0;
}

/* Whole lines go to the listener; without one the end of what was said is kept. */
static void hear(watch *w) {
    ptrdiff_t end;
    while (w->c->line && (end = str_find(buf_str(&w->last), STR("\n"), 0)) >= 0) {
        w->c->line(w->c->self, str_slice(buf_str(&w->last), 0, (size_t)end));
        memmove(w->last.ptr, w->last.ptr + end + 1, w->last.len - (size_t)end - 1);
        w->last.len -= (size_t)end + 1;
    }
    if (w->last.len <= SAID_MOST) return;
    memmove(w->last.ptr, w->last.ptr + w->last.len - SAID_MOST / 2, SAID_MOST / 2);
    w->last.len = SAID_MOST / 2;
}

static bool has_ended(const watch *w) {
    siginfo_t how = {0};
    return waitid(P_PID, (id_t)w->process, &how, WEXITED | WNOHANG | WNOWAIT) == 0 && how.si_pid == w->process;
}

/* Until both pipes are at their end and so is the process, which may close them and go on. */
static void listen(watch *w) {
    const size_t most = w->c->output_most ? w->c->output_most : (size_t)1 << 20;
    while (w->out >= 0 || w->said >= 0 || !has_ended(w)) {
        struct pollfd both[2] = {{.fd = w->out, .events = POLLIN}, {.fd = w->said, .events = POLLIN}};
        poll(both, 2, w->out >= 0 || w->said >= 0 ? LOOK_EVERY : LOOK_AT_END);
        if (both[0].revents) take(&w->out, &w->printed);
        if (both[1].revents && take(&w->said, &w->last)) hear(w);
        w->late |= sys_seconds() > w->until;
        w->much |= w->printed.len > most;
        w->stopped |= w->c->stop && w->c->stop(w->c->self);
        if (w->late || w->much || w->stopped) break;
    }
}

/* The last line that was said, without the program's own name before it. */
static str last_line(str all) {
    all = str_trim(all);
    size_t begin = all.len;
    while (begin && all.ptr[begin - 1] != '\n') begin--;
    str line = str_slice(all, begin, all.len);
    static const char *const before[] = {"fettle: ", "error: "};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (str_starts(line, str_of(before[i]))) line = str_slice(line, strlen(before[i]), line.len);
    return line;
}

static bool judge(const watch *w, int status, err *e) {
    if (w->stopped) return err_set(e, ERR_STOPPED, "stopped on request");
    if (w->late) return err_set(e, ERR_LIMIT, "it took longer than %.0f seconds", w->seconds);
    if (w->much) return err_set(e, ERR_LIMIT, "it printed more than was to be expected");
    if (WIFSIGNALED(status))
        return err_set(e, ERR_IO, "the process was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    const str said = last_line(buf_str(&w->last));
    if (WEXITSTATUS(status) == 127 && !said.len) return err_set(e, ERR_IO, "the program could not be started");
    if (WEXITSTATUS(status) == 0) return true;
    const err_code code = err_of_exit(WEXITSTATUS(status));
    return err_set(e, code == ERR_USAGE ? ERR_INPUT : code, "%.*s", STR_ARG(said.len ? said : STR("it failed without words")));
}

/* Its status. Who was asked to stop has ten seconds to put things in order. */
static int end(const watch *w) {
    int status = 0;
    if (w->late || w->much) kill(w->process, SIGKILL);
    if (w->stopped) kill(w->process, SIGTERM);
    for (int i = 0; w->stopped && i < 10 * 1000 / LOOK_EVERY; i++) {
        if (waitpid(w->process, &status, WNOHANG) != 0) return status;
        poll(NULL, 0, LOOK_EVERY);
    }
    if (w->stopped) kill(w->process, SIGKILL);
    while (waitpid(w->process, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

bool child_capture(arena *a, const child_run *c, str *out, err *e) {
    watch w = {.c = c, .seconds = c->seconds > 0 ? c->seconds : 3600};
    w.until = sys_seconds() + w.seconds;
    *out = (str){"", 0};
    if (!start(&w, e)) return false;
    listen(&w);
    close_pipe(&w.out), close_pipe(&w.said);
    const int status = end(&w);
    *out = (str){arena_copy(a, w.printed.ptr ? w.printed.ptr : "", w.printed.len), w.printed.len};
    const bool ok = judge(&w, status, e);
    buf_free(&w.printed);
    buf_free(&w.last);
    return ok;
}
