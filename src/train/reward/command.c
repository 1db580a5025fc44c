/* command.c - what a shell command says: it is started once per completion, gets the completion on standard input and the prompt in $FETTLE_PROMPT,
 * its columns of the data as JSON in $FETTLE_ROW, and prints one number. A time limit in seconds may stand in front: command:5:./judge.sh (10).
 * A command that fails, is late, or prints no number has no word on that completion; when none of a rollout gets one, the run stops. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "train/reward.h"

typedef struct {
    const char *line;
    double limit;
} command_state;

static bool command_open(arena *a, str argument, void **state, err *e) {
    command_state *s = arena_new_of(a, command_state);
    const ptrdiff_t colon = str_find(argument, STR(":"), 0);
    long seconds = 10;
    if (colon > 0 && str_to_long(str_slice(argument, 0, (size_t)colon), &seconds))
        argument = str_slice(argument, (size_t)colon + 1, argument.len);
    s->line = str_copy(a, argument);
    s->limit = (double)seconds;
    *state = s;
    if (!argument.len) return err_set(e, ERR_USAGE, "which command? command:LINE, or command:SECONDS:LINE");
    return (seconds >= 1 && seconds <= 3600) ||
           err_set(e, ERR_USAGE, "the time limit should be 1 to 3600 seconds, not %ld", seconds);
}

/* A child with pipes to its standard input and from its output, in a process group of its own, so that all it starts ends with it. */
static pid_t start(const char *line, const char *prompt, const char *row, int *to, int *from) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC)) return -1;
    if (pipe2(out, O_CLOEXEC)) return close(in[0]), close(in[1]), -1;
    const pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        setenv("FETTLE_PROMPT", prompt, 1);
        setenv("FETTLE_ROW", row, 1);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (child < 0) return close(in[1]), close(out[0]), -1;
    setpgid(child, child);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    *to = in[1];
    *from = out[0];
    return child;
}

typedef struct {
    int to, from;
    str left;
    char said[256];
    size_t heard;
} talk;

static void send_some(talk *t) {
    const ssize_t n = t->left.len ? write(t->to, t->left.ptr, t->left.len) : 0;
    if (n > 0) t->left = str_slice(t->left, (size_t)n, t->left.len);
    if (!t->left.len || (n < 0 && errno != EAGAIN)) close(t->to), t->to = -1;
}

/* False: there is nothing more to hear. */
static bool hear_some(talk *t) {
    char rest[256];
    const size_t room = sizeof t->said - 1 - t->heard;
    const ssize_t n = room ? read(t->from, t->said + t->heard, room) : read(t->from, rest, sizeof rest);
    if (n > 0 && room) t->heard += (size_t)n;
    return n > 0;
}

/* False: too late. */
static bool converse(talk *t, double limit) {
    const double end = sys_seconds() + limit;
    for (;;) {
        const double left = end - sys_seconds();
        struct pollfd p[2] = {{.fd = t->from, .events = POLLIN}, {.fd = t->to, .events = POLLOUT}};
        if (left <= 0 || sys_stop_requested()) return false;
        if (poll(p, 2, (int)(left * 1000) + 1) < 0 && errno != EINTR) return false;
        if (t->to >= 0 && p[1].revents) send_some(t);
        if (p[0].revents && !hear_some(t)) return true;
    }
}

static double ask(const command_state *s, const reward_case *c) {
    arena *a = arena_new();
    buf row = {0};
    talk t = {.left = c->text};
    int status = 1;
    double out = NAN;
    json_put(&row, c->row);
    const pid_t child = start(s->line, str_copy(a, c->prompt), str_copy(a, buf_str(&row)), &t.to, &t.from);
    if (child > 0) {
        const bool heard = converse(&t, s->limit);
        if (!heard) log_warning("reward command: no answer within %g s", s->limit);
        if (t.to >= 0) close(t.to);
        close(t.from);
        if (!heard) kill(-child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
        if (!heard || !WIFEXITED(status) || WEXITSTATUS(status) || !str_to_double(str_trim((str){t.said, t.heard}), &out))
            out = NAN;
    }
    buf_free(&row);
    arena_free(a);
    return out;
}

static bool command_score(void *state, const reward_case *c, int count, float *out, err *e) {
    const command_state *s = state;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before; /* a command that does not read its input */
    int heard = 0;
    sigaction(SIGPIPE, &ignore, &before);
    for (int i = 0; i < count && !sys_stop_requested(); i++) {
        const double r = ask(s, &c[i]);
        heard += !isnan(r);
        out[i] = (float)r;
    }
    sigaction(SIGPIPE, &before, NULL);
    if (sys_stop_requested()) return err_set(e, ERR_STOPPED, "stopped while commands judged completions");
    return heard || !count ||
           err_set(e, ERR_INPUT,
                   "'%s' printed a number for none of %d completions: it gets the completion on standard input and should "
                   "print one number and end with status 0 within %g s",
                   s->line, count, s->limit);
}

const reward_kind reward_command = {.name = "command",
                                    .argument = "[SECONDS:]LINE",
                                    .words = "the number that this shell command prints; it reads the completion (10 seconds)",
                                    .open = command_open,
                                    .score = command_score,
                                    .reach = REACHES_PROGRAMS};
