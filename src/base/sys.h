/* sys.h - the machine: time, memory, processor, terminal, signals, child processes. */
#ifndef FETTLE_BASE_SYS_H
#define FETTLE_BASE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

double sys_seconds(void);                /* monotonic */
double sys_processor_seconds(void);      /* of all threads of this process together */
void sys_date(char out[32]);             /* 2026-11-24T13:05:00Z */
size_t sys_memory_total(void);           /* bytes; the smaller of the machine's and the cgroup's limit */
size_t sys_memory_available(void);       /* of the machine, the cgroup, and FETTLE_MEMORY_MB: the smallest */
size_t sys_memory_resident(void);        /* of this process, anonymous pages only (mapped files left out) */
size_t sys_memory_peak(void);            /* VmHWM of this process */
int sys_threads(void);                   /* FETTLE_THREADS, else the cores we may run on */
int64_t sys_disk_free(const char *path); /* bytes we may still write there; the nearest folder that exists counts; -1: unknown */
bool sys_is_terminal(int fd);
int sys_terminal_columns(int fd); /* 80 when unknown */
bool sys_color(int fd);           /* a terminal, and NO_COLOR unset */

/* Instruction sets, weakest first; sys_cpu() is the best this processor announces, or what FETTLE_CPU names
 * (portable, avx2, avx512, avx512-bf16): naming one the processor does not announce is tried as it stands. */
typedef enum { CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_AVX512_BF16 } cpu_level;
cpu_level sys_cpu(void);
const char *sys_cpu_name(cpu_level level);
const char *sys_cpu_model(void); /* "model name" of /proc/cpuinfo */

/* Ctrl-C and SIGTERM set a flag that long work polls; a second one ends the process at once. */
void sys_catch_signals(void);
bool sys_stop_requested(void);
void sys_request_stop(void); /* for tests */

/* Runs this very program with `count` words after its name, sharing our terminal, and waits; the exit status (128 + signal when
 * killed, 127 when it could not be started). */
int sys_run_self(const char *const *words, int count);
/* The same; *peak: the most that it had at once, in bytes. */
int sys_run_self_measured(const char *const *words, int count, size_t *peak);
int64_t sys_start_self(const char *const *words, int count); /* the same, beside us: its process id, -1 */
int sys_wait_child(int64_t child);                           /* its exit status, as above */
int sys_end_child(int64_t child);                            /* SIGTERM, and waits */
/* Shows an address in the browser of whoever sits here; nothing happens where there is no display. */
void sys_show_address(const char *address);
size_t sys_memory_of(int64_t process); /* of it, anonymous pages only; 0: no such process */

/* The same with more to say about the child. It has none of our open files but the standard ones. */
typedef struct {
    const char *program; /* NULL: this very one */
    const char *const *words;
    int count;
    const char *const *environment; /* "NAME=value" over ours, ended by NULL; or NULL */
    const char *output;             /* standard output and error are appended to this file; NULL: they are ours */
    bool watched;                   /* of a server: it may start none like it (FETTLE_CHILD in its environment says so) */
    int nice;                       /* added to ours */
    bool apart;                     /* a session of its own: Ctrl-C at our terminal does not reach it, and it outlives us */
    bool bound;                     /* it reads nothing, and is killed when the thread that started it ends */
    int out, errors;                /* its standard output and error go to these descriptors; 0: as `output` says */
    size_t memory_most;             /* of its address space; 0: unlimited */
} sys_child;
int64_t sys_start(const sys_child *c, err *e); /* its process id, -1. What it prints is caught by child_capture (child.h) */

typedef enum { PROCESS_GONE, PROCESS_RUNS, PROCESS_PAUSED } process_state;
process_state sys_process(int64_t process);          /* one that ended and was not waited for is gone */
bool sys_poll_child(int64_t child, int *status);     /* true: it has ended, and was waited for now */
void sys_signal(int64_t process, int signal_number); /* to it alone; one that is gone is fine */

const char *sys_scratch(void);  /* $TMPDIR, else /tmp: for files that are gone when the program is */
const char *sys_home(arena *a); /* $FETTLE_HOME, else $XDG_DATA_HOME/fettle, else ~/.local/share/fettle */

#endif
