/* cmd_doctor.c - fettle doctor: what this machine has, how the data folder and its store are, and whether it is enough. */
#include "cli/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/subject.h"
#include "store/store.h"

typedef struct {
    const char *home;
    bool quick;
} options;

static const opt table[] = {
    {"home", OPT_TEXT, offsetof(options, home), NULL, 0, 0, NULL, "data folder (unset: FETTLE_HOME, else ~/.local/share/fettle)"},
    {"quick", OPT_BOOL, offsetof(options, quick), "false", 0, 0, NULL, "leave out what reads the whole store"},
    OPT_END,
};

static bool doctor(arena *a, int argc, char **argv, err *e);
const command command_doctor = {"doctor", "tell what this machine has, how the store is, and whether it is enough",
                                "[options]\n\nFails when the store is damaged or from a newer fettle.", table, doctor};

static void print_folder(const char *home, const store_facts *f) {
    const char *words = !f->mode                    ? " (made when first needed)"
                        : access(home, W_OK | X_OK) ? " (NOT writable)"
                        : f->mode & 077             ? " (others may look into it: chmod 700)"
                                                    : "";
    printf("data folder   %s%s\n", home, words);
    if (f->owner) printf("in use by     process %lld\n", (long long)f->owner);
}

static void print_store(const store_facts *f, bool whole) {
    if (!f->there) {
        printf("store         none yet: fettle serve makes it\n");
        return;
    }
    printf("store         %.1f MB (+ %.1f MB log), schema %d of %d%s%s\n", (double)f->bytes / 1e6, (double)f->log_bytes / 1e6,
           f->schema, f->newest, f->schema < f->newest ? ": the next start copies and changes it" : "",
           whole ? "; integrity checked" : "");
}

/* A backup takes as much again as the store. */
static void print_disk(const char *home, const store_facts *f) {
    const int64_t left = sys_disk_free(home), wanted = 2 * (f->bytes + f->log_bytes) + (1 << 30);
    if (left < 0) printf("disk          unknown\n");
    else printf("disk          %.1f GB free%s\n", (double)left / 1e9, left < wanted ? " (LOW)" : "");
}

static bool look_at_store(arena *a, const options *o, err *e) {
    store_facts f;
    const char *home = o->home ? o->home : sys_home(a);
    const bool ok = store_look(a, home, !o->quick, &f, e);
    print_folder(home, &f);
    if (ok) print_store(&f, !o->quick);
    else printf("store         DAMAGED, or no store: %s\n", e->text);
    print_disk(home, &f);
    if (!ok) return err_prefix(e, "%s/fettle.db", home);
    return f.schema <= f.newest ||
           err_set(e, ERR_UNSUPPORTED, "%s was written by a newer fettle (schema %d, this one knows %d): use that one", home,
                   f.schema, f.newest);
}

static bool doctor(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest;
    bool help;
    subjects all;
    subject s;
    err none = {0};
    if (!arguments_read(a, &command_doctor, &o, argc, argv, &rest, &help, e) || help) return help;
    if (!subjects_begin(a, NULL, &all, e)) return false;
    printf("fettle %s\nprocessor     %s, %d threads; %s\n", FETTLE_VERSION, sys_cpu_model(), sys_threads(), all.backend->words);
    printf("memory        %.1f GB, %.1f GB free\n", (double)sys_memory_total() / 1e9, (double)sys_memory_available() / 1e9);
    const bool ok = look_at_store(a, &o, e);
    printf("starter model %s\n", subject_find(a, "smollm2", &s, &none) ? s.base_path : "not here yet: 'make demo' fetches it");
    return ok;
}
