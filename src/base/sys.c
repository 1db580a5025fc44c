/* sys.c - the machine, as Linux tells it through /proc, /sys/fs/cgroup and the processor itself. */
#include "base/sys.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

double sys_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double sys_processor_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void sys_date(char out[32]) {
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

int64_t sys_disk_free(const char *path) {
    struct statvfs s;
    arena *a = arena_new();
    while (statvfs(path, &s) != 0 && errno == ENOENT && strcmp(path, "/") != 0 && strcmp(path, ".") != 0)
        path = path_folder(a, path);
    const bool known = statvfs(path, &s) == 0;
    arena_free(a);
    return known ? (int64_t)s.f_bavail * (int64_t)s.f_frsize : -1;
}

/* A small text file of the kernel's into `text`; empty when it cannot be read. */
static str kernel_file(const char *path, char *text, size_t size) {
    text[0] = '\0';
    FILE *f = fopen(path, "re");
    const size_t n = f ? fread(text, 1, size - 1, f) : 0;
    if (f) fclose(f);
    text[n] = '\0';
    return (str){text, n};
}

/* The number behind "NAME:" in kB, in bytes; 0 when there is none. */
static size_t field_kb(const char *path, const char *name) {
    char text[8192];
    kernel_file(path, text, sizeof text);
    const char *hit = strstr(text, name);
    return hit ? (size_t)strtoull(hit + strlen(name), NULL, 10) * 1024 : 0;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* A number in this process's control group; SIZE_MAX for "max" or nothing there. Version 2 at its own path and at the root
 * (in a container the path seen inside may not exist there), then version 1. */
static size_t cgroup_number(const char *v2_name, const char *v1_path) {
    char text[4096], path[4352];
    kernel_file("/proc/self/cgroup", text, sizeof text);
    const char *own = strstr(text, "0::/");
    const int length = own ? (int)strcspn(own + 3, "\n") : 0;
    const char *const folders[] = {own ? own + 3 : "", ""};
    size_t least = SIZE_MAX;
    for (int i = 0; i < 2; i++) {
        char value[64];
        snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/%s", i == 0 ? length : 0, folders[i], v2_name);
        kernel_file(path, value, sizeof value);
        if (value[0] >= '0' && value[0] <= '9') least = smaller(least, (size_t)strtoull(value, NULL, 10));
    }
    char value[64];
    kernel_file(v1_path, value, sizeof value);
    if (value[0] >= '0' && value[0] <= '9') least = smaller(least, (size_t)strtoull(value, NULL, 10));
    return least;
}

static size_t cgroup_limit(void) { return cgroup_number("memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"); }

size_t sys_memory_total(void) { return smaller(field_kb("/proc/meminfo", "MemTotal:"), cgroup_limit()); }

/* What FETTLE_MEMORY_MB leaves, less what this process has. */
static size_t allowance(void) {
    const char *wish = getenv("FETTLE_MEMORY_MB");
    const double megabytes = wish ? strtod(wish, NULL) : 0;
    if (megabytes <= 0) return SIZE_MAX;
    const size_t most = (size_t)(megabytes * 1e6), has = sys_memory_resident();
    return most > has ? most - has : 0;
}

size_t sys_memory_available(void) {
    const size_t machine = field_kb("/proc/meminfo", "MemAvailable:"), limit = cgroup_limit();
    const size_t used = cgroup_number("memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
    const size_t left = limit == SIZE_MAX || used == SIZE_MAX ? limit : limit > used ? limit - used : 0;
    return smaller(smaller(machine, left), allowance());
}

size_t sys_memory_resident(void) { return field_kb("/proc/self/status", "RssAnon:"); }

size_t sys_memory_of(int64_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/status", (long long)process);
    const size_t bytes = field_kb(path, "RssAnon:");
    return bytes == SIZE_MAX ? 0 : bytes;
}

size_t sys_memory_peak(void) { return field_kb("/proc/self/status", "VmHWM:"); }

/* Cores allowed by a quota ("200000 100000": two), rounded up; 0: no quota. */
static int quota_cores(void) {
    char text[64];
    kernel_file("/sys/fs/cgroup/cpu.max", text, sizeof text);
    char *rest;
    const double quota = strtod(text, &rest), period = strtod(rest, NULL);
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int sys_threads(void) {
    const char *wish = getenv("FETTLE_THREADS");
    long n = 0;
    if (wish && *wish) {
        if (str_to_long(str_of(wish), &n) && n >= 1 && n <= 1024) return (int)n;
        log_warning("FETTLE_THREADS: expected a number from 1 to 1024, got '%s'; using all cores", wish);
    }
    cpu_set_t set;
    const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    const int quota = quota_cores();
    return quota && quota < cores ? quota : cores;
}

bool sys_is_terminal(int fd) { return isatty(fd) == 1; }

int sys_terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool sys_color(int fd) {
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return sys_is_terminal(fd) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

static const char *const cpu_names[] = {
    [CPU_PORTABLE] = "portable", [CPU_AVX2] = "avx2", [CPU_AVX512] = "avx512", [CPU_AVX512_BF16] = "avx512-bf16"};

const char *sys_cpu_name(cpu_level level) { return cpu_names[level]; }

static cpu_level announced(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return CPU_PORTABLE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vnni"))
        return CPU_AVX2;
    return __builtin_cpu_supports("avx512bf16") ? CPU_AVX512_BF16 : CPU_AVX512;
#else
    return CPU_PORTABLE;
#endif
}

cpu_level sys_cpu(void) {
    const char *wish = getenv("FETTLE_CPU");
    if (!wish || !*wish) return announced();
    for (int i = CPU_PORTABLE; i <= CPU_AVX512_BF16; i++)
        if (strcmp(wish, cpu_names[i]) == 0) return (cpu_level)i;
    log_warning("FETTLE_CPU: expected portable, avx2, avx512 or avx512-bf16, got '%s'; using %s", wish, cpu_names[announced()]);
    return announced();
}

const char *sys_cpu_model(void) {
    static char name[128];
    char text[4096];
    kernel_file("/proc/cpuinfo", text, sizeof text);
    const char *hit = strstr(text, "model name");
    const char *colon = hit ? strchr(hit, ':') : NULL;
    if (colon) snprintf(name, sizeof name, "%.*s", (int)strcspn(colon + 1, "\n") - 1, colon + 2);
    return colon ? name : "an unnamed processor";
}

static atomic_int stop_requested; /* set by a handler, read by every thread; an atomic int is fit for both */

/* The first signal asks; the second one ends the process as if nobody had caught it. */
static void on_signal(int number) {
    if (!stop_requested) {
        stop_requested = 1;
        return;
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* No SA_RESTART: a read that waits for the keyboard has to end. */
void sys_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool sys_stop_requested(void) { return stop_requested; }
void sys_request_stop(void) { stop_requested = 1; }

const char *sys_home(arena *a) {
    const char *own = getenv("FETTLE_HOME"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (own && *own) return arena_text(a, own);
    if (data && *data == '/') return path_join(a, data, "fettle"); /* the standard: relative paths are to be ignored */
    return path_join(a, home && *home ? home : "/root", ".local/share/fettle");
}

const char *sys_scratch(void) {
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}
