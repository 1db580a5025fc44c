/* process.c - child processes: this very program with other words (contract: sys.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

extern char **environ;

enum { WORDS_MOST = 400 };

/* ---- starting -------------------------------------------------------------------------------------------------------------------- */

/* What the child needs is made before the fork: between fork and exec a process with threads may only make system calls. */
typedef struct {
    const char *program, *argv[WORDS_MOST + 2];
    char **environment;
    int in, out, errors; /* -1: ours */
    int nice;
    bool apart, bound;
    size_t memory_most;
    pid_t parent;
} launch;

static bool is_named(const char *setting, const char *other) {
    const size_t n = strcspn(setting, "=");
    return strncmp(setting, other, n) == 0 && other[n] == '=';
}

/* Whoever starts children is none itself: a program that takes these words for its own would start itself for ever. */
static const char mark[] = "FETTLE_CHILD=1";

static char **with_settings(arena *a, const char *const *more, bool marked) {
    size_t ours = 0, added = 0, n = 0;
    while (environ[ours]) ours++;
    while (more && more[added]) added++;
    char **all = arena_array(a, char *, ours + added + 2);
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        for (size_t k = 0; k < added; k++) replaced = replaced || is_named(more[k], environ[i]);
        if (!replaced) all[n++] = environ[i];
    }
    for (size_t k = 0; k < added; k++) all[n++] = arena_text(a, more[k]);
    if (marked) all[n++] = arena_text(a, mark);
    return all;
}

_Noreturn static void become(const launch *l) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (l->apart) setsid();
    if (l->nice && nice(l->nice) == -1) errno = 0; /* at worst it runs as we do */
    if (l->in >= 0) dup2(l->in, 0);
    if (l->out >= 0) dup2(l->out, 1);
    if (l->errors >= 0) dup2(l->errors, 2);
    close_range(3, ~0U, 0);
    const struct rlimit most = {l->memory_most, l->memory_most};
    if (l->memory_most && setrlimit(RLIMIT_AS, &most) != 0) _exit(127);
    if (l->bound && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != l->parent)) _exit(127);
    execve(l->program, (char *const *)(const void *)l->argv, l->environment);
    _exit(127);
}

static bool prepare(arena *a, const sys_child *c, launch *l, err *e) {
    if (c->watched && getenv("FETTLE_CHILD"))
        return err_set(e, ERR_CONFLICT, "a process that a server started starts none of its own");
    if (c->count > WORDS_MOST)
        return err_set(e, ERR_LIMIT, "a command of %d words, %d at most are passed on", c->count, WORDS_MOST);
    *l = (launch){.program = c->program ? c->program : "/proc/self/exe",
                  .in = -1,
                  .out = c->out ? c->out : -1,
                  .errors = c->errors ? c->errors : -1,
                  .nice = c->nice,
                  .apart = c->apart,
                  .bound = c->bound,
                  .memory_most = c->memory_most,
                  .parent = getpid()};
    l->argv[0] = c->program ? c->program : "fettle"; /* some find their files by it */
    for (int i = 0; i < c->count; i++) l->argv[i + 1] = c->words[i];
    l->environment = with_settings(a, c->environment, c->watched);
    return true;
}

static int64_t spawn(const launch *l, err *e) {
    const pid_t child = fork();
    if (child == 0) become(l);
    if (child < 0) err_errno(e, ERR_LIMIT, "cannot start another process");
    return child;
}

int64_t sys_start(const sys_child *c, err *e) {
    arena *a = arena_new();
    launch l;
    int64_t child = -1;
    if (prepare(a, c, &l, e)) {
        if (c->output) l.out = l.errors = open(c->output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (c->bound) l.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (c->output && l.out < 0) err_errno(e, ERR_IO, "cannot open %s", c->output);
        else if (c->bound && l.in < 0) err_errno(e, ERR_IO, "cannot open /dev/null");
        else child = spawn(&l, e);
        if (c->output && l.out >= 0) close(l.out);
        if (l.in >= 0) close(l.in);
    }
    arena_free(a);
    return child;
}

int64_t sys_start_self(const char *const *words, int count) {
    err ignored = {0};
    return sys_start(&(sys_child){.words = words, .count = count}, &ignored);
}

/* ---- ending ------------------------------------------------------------------------------------------------------------------------ */

static int exit_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

int sys_wait_child(int64_t child) {
    int status = 0;
    while (child > 0 && waitpid((pid_t)child, &status, 0) < 0)
        if (errno != EINTR) return 127;
    return child < 0 ? 127 : exit_of(status);
}

bool sys_poll_child(int64_t child, int *status) {
    int word = 0;
    const pid_t ended = waitpid((pid_t)child, &word, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    *status = ended < 0 ? 127 : exit_of(word);
    return true;
}

void sys_signal(int64_t process, int number) {
    if (process > 1) kill((pid_t)process, number);
}

int sys_end_child(int64_t child) {
    sys_signal(child, SIGTERM);
    return sys_wait_child(child);
}

int sys_run_self(const char *const *words, int count) { return sys_wait_child(sys_start_self(words, count)); }

int sys_run_self_measured(const char *const *words, int count, size_t *peak) {
    const int64_t child = sys_start_self(words, count);
    int status = 0;
    struct rusage used = {0};
    while (child > 0 && wait4((pid_t)child, &status, 0, &used) < 0)
        if (errno != EINTR) return 127;
    *peak = (size_t)used.ru_maxrss * 1024;
    return child < 0 ? 127 : exit_of(status);
}

/* The letter behind the name in parentheses, which may itself hold any character. */
process_state sys_process(int64_t process) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)process);
    FILE *f = process > 0 ? fopen(path, "re") : NULL;
    const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = '\0';
    const char *behind = strrchr(text, ')'), state = behind && behind[1] ? behind[2] : 'X';
    return state == 'X' || state == 'Z' ? PROCESS_GONE : state == 'T' || state == 't' ? PROCESS_PAUSED : PROCESS_RUNS;
}

/* The grandchild is nobody's to wait for. */
void sys_show_address(const char *address) {
    const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (!(x && *x) && !(wayland && *wayland)) return;
    const pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            execlp("xdg-open", "xdg-open", address, (char *)NULL);
            _exit(127);
        }
        _exit(0);
    }
    sys_wait_child(child);
}
