/* cmd_runs.c - fettle runs: what was trained, how it went. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sys.h"
#include "run/run.h"

static bool runs(arena *a, int argc, char **argv, err *e);
const command command_runs = {"runs", "list, show, compare and remove training runs", "[show RUN | compare RUN RUN | rm RUN]",
                              NULL, runs};

static const char *folder_of(arena *a, const char *name) {
    if (file_exists(path_join(a, name, "state.json"))) return name;
    return path_join(a, path_join(a, sys_home(a), "runs"), name);
}

static bool list(arena *a, err *e) {
    run *all;
    int count;
    if (!run_list(a, sys_home(a), &all, &count, e)) return false;
    for (int i = 0; i < count; i++)
        printf("%-24s %-8s step %lld of %lld  %s%s%s\n", path_name(all[i].path), run_status_word(all[i].status),
               (long long)all[i].step, (long long)all[i].steps, all[i].started, all[i].reason ? "  " : "",
               all[i].reason ? all[i].reason : "");
    if (!count) fprintf(stderr, "no runs in %s/runs\n", sys_home(a));
    return true;
}

/* The last line of metrics.jsonl. */
static bool last_metrics(arena *a, const run *r, json **out, err *e) {
    file_lines in;
    str line, last = {0};
    *out = NULL;
    const char *path = path_join(a, r->path, "metrics.jsonl");
    if (!file_exists(path)) return true;
    if (!file_lines_open(&in, path, 1 << 24, e)) return false;
    while (file_lines_next(&in, &line, e)) last = str_of(str_copy(a, line));
    file_lines_close(&in);
    return !e->code && (!last.len || (*out = json_parse(a, last, e)) != NULL);
}

static void print_members(const json *j, const json *other) {
    json_member m = {0};
    while (json_next(j, &m)) {
        buf x = {0}, y = {0};
        json_put(&x, m.value);
        json_put(&y, json_get(other, m.key));
        if (!other) printf("  %-30s %s\n", m.key, x.ptr);
        else if (!json_equal(m.value, json_get(other, m.key))) printf("  %-30s %-24s %s\n", m.key, x.ptr, y.ptr);
        buf_free(&x);
        buf_free(&y);
    }
}

static bool show(arena *a, const char *name, err *e) {
    run r;
    json *metrics;
    if (!run_open(a, folder_of(a, name), &r, e) || !last_metrics(a, &r, &metrics, e)) return false;
    const json *config = run_config(a, &r, e);
    if (!config) return false;
    printf("%s: %s, step %lld of %lld\n", r.path, run_status_word(r.status), (long long)r.step, (long long)r.steps);
    if (r.reason) printf("%s\n", r.reason);
    printf("\nobjective %.*s, options that are not at their default:\n", STR_ARG(json_get_text(config, "objective", STR("?"))));
    json_member m = {0};
    while (json_next(json_get(config, "origin"), &m)) {
        buf value = {0};
        json_put(&value, json_get(json_get(config, "options"), m.key));
        printf("  %-30s %-30s (%.*s)\n", m.key, value.ptr, STR_ARG(json_text(m.value, STR(""))));
        buf_free(&value);
    }
    if (metrics) printf("\nlast metrics:\n");
    print_members(metrics, NULL);
    return true;
}

static bool compare(arena *a, char **names, err *e) {
    run r[2];
    json *metrics[2];
    const json *config[2];
    for (int i = 0; i < 2; i++)
        if (!run_open(a, folder_of(a, names[i]), &r[i], e) || !last_metrics(a, &r[i], &metrics[i], e) ||
            !(config[i] = run_config(a, &r[i], e)))
            return false;
    printf("options that differ:\n");
    print_members(json_get(config[0], "options"), json_get(config[1], "options"));
    printf("last metrics:\n");
    print_members(metrics[0], metrics[1] ? metrics[1] : json_new_object(a));
    return true;
}

static bool runs(arena *a, int argc, char **argv, err *e) {
    int rest;
    bool help;
    if (!arguments_read(a, &command_runs, NULL, argc, argv, &rest, &help, e) || help) return help;
    if (!rest) return list(a, e);
    if (rest == 2 && strcmp(argv[0], "show") == 0) return show(a, argv[1], e);
    if (rest == 3 && strcmp(argv[0], "compare") == 0) return compare(a, argv + 1, e);
    if (rest == 2 && strcmp(argv[0], "rm") == 0) {
        run r;
        if (!run_open(a, folder_of(a, argv[1]), &r, e)) return false;
        if (r.status == RUN_RUNNING) return err_set(e, ERR_CONFLICT, "%s is running (process %lld)", r.path, (long long)r.pid);
        return dir_remove(r.path, e);
    }
    return err_set(e, ERR_USAGE, "fettle runs %s", command_runs.usage);
}
