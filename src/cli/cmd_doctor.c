/* cmd_doctor.c - fettle doctor: what this machine has, and whether it is enough. */
#include "cli/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/subject.h"

static bool doctor(arena *a, int argc, char **argv, err *e);
const command command_doctor = {"doctor", "tell what this machine has, and whether it is enough", "", NULL, doctor};

static bool doctor(arena *a, int argc, char **argv, err *e) {
    int rest;
    bool help;
    subjects all;
    subject s;
    err none = {0};
    if (!arguments_read(a, &command_doctor, NULL, argc, argv, &rest, &help, e) || help) return help;
    if (!subjects_begin(a, NULL, &all, e)) return false;
    printf("fettle %s\nprocessor     %s, %d threads; %s\n", FETTLE_VERSION, sys_cpu_model(), sys_threads(), all.backend->words);
    printf("memory        %.1f GB, %.1f GB free\n", (double)sys_memory_total() / 1e9, (double)sys_memory_available() / 1e9);
    printf("data folder   %s%s\n", sys_home(a),
           !file_exists(sys_home(a))        ? " (made when first needed)"
           : access(sys_home(a), W_OK) == 0 ? ""
                                            : " (NOT writable)");
    printf("starter model %s\n", subject_find(a, "smollm2", &s, &none) ? s.base_path : "not here yet: 'make demo' fetches it");
    return true;
}
