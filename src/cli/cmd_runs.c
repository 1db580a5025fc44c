/* cmd_runs.c - fettle runs: what was trained, how it went. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sys.h"
#include "cli/listing.h"
#include "run/run.h"

typedef struct {
    bool json;
} runs_options;

static const opt options[] = {
    {"json", OPT_BOOL, offsetof(runs_options, json), "false", 0, 0, NULL,
     "the list as one object a line; show and compare as one object"},
    OPT_END,
};

static bool runs(arena *a, int argc, char **argv, err *e);
const command command_runs = {"runs", "list, show, compare, resume and remove training runs",
                              "[show RUN | compare RUN RUN | resume RUN | rm RUN] [--json]\n\n"
                              "RUN is a run folder or the name of one in the data folder.",
                              options, runs};

static const char *folder_of(arena *a, const char *name) { return run_find(a, sys_home(a), name); }

static void print_json(const buf *out) { printf("%.*s\n", STR_ARG(buf_str(out))); }

static void put_state(json_writer *w, const run *r) {
    json_key(w, "name"), json_put_cstr(w, path_name(r->path));
    json_key(w, "path"), json_put_cstr(w, r->path);
    json_key(w, "status"), json_put_cstr(w, run_status_word(r->status));
    json_key(w, "step"), json_put_int(w, r->step);
    json_key(w, "steps"), json_put_int(w, r->steps);
    json_key(w, "started"), json_put_cstr(w, r->started);
    json_key(w, "updated"), json_put_cstr(w, r->updated);
    json_key(w, "reason"), json_put_cstr(w, r->reason);
}

static void list_json(arena *a, const run *r) {
    buf out = {0};
    json_writer w = json_writer_on(&out, false);
    json_open(&w, '{');
    put_state(&w, r);
    json_key(&w, "erased"), json_put_bool(&w, run_erasures(a, r->path) != NULL);
    json_close(&w);
    print_json(&out);
    buf_free(&out);
}

static bool list(arena *a, bool as_json, err *e) {
    run *all;
    int count;
    if (!run_list(a, sys_home(a), &all, &count, e)) return false;
    listing l = listing_new(a, (const char *const[]){"run", "state", "step", "started", "", NULL});
    for (int i = 0; i < count; i++) {
        const run *r = &all[i];
        if (as_json) {
            list_json(a, r);
            continue;
        }
        const char *erased = run_erasures(a, r->path) ? "(of its data something was erased)" : "";
        const char *step = arena_printf(a, "%lld of %lld", (long long)r->step, (long long)r->steps);
        listing_add(&l, (const char *const[]){path_name(r->path), run_status_word(r->status), step, r->started,
                                              r->reason ? arena_printf(a, "%s %s", r->reason, erased) : erased});
    }
    if (!as_json || !count) listing_print(&l, arena_printf(a, "no runs in %s/runs", sys_home(a)));
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

static void show_json(const run *r, const json *config, const json *metrics, const json *erased) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    put_state(&w, r);
    json_key(&w, "config"), json_put_value(&w, config);
    json_key(&w, "metrics"), json_put_value(&w, metrics);
    json_key(&w, "erased"), json_put_value(&w, erased);
    json_close(&w);
    print_json(&out);
    buf_free(&out);
}

static bool show(arena *a, const char *name, bool as_json, err *e) {
    run r;
    json *metrics;
    if (!run_open(a, folder_of(a, name), &r, e) || !last_metrics(a, &r, &metrics, e)) return false;
    const json *config = run_config(a, &r, e);
    if (!config) return false;
    if (as_json) {
        show_json(&r, config, metrics, run_erasures(a, r.path));
        return true;
    }
    printf("%s: %s, step %lld of %lld\n", r.path, run_status_word(r.status), (long long)r.step, (long long)r.steps);
    if (r.reason) printf("%s\n", r.reason);
    const char *erased = run_erased_words(a, r.path);
    if (erased) printf("%s\n", erased);
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

/* {key: [of the first, of the second]} where they differ; keys of either. */
static void put_differences(json_writer *w, const char *key, const json *x, const json *y) {
    json_key(w, key), json_open(w, '{');
    for (int k = 0; k < 2; k++)
        for (json_member m = {0}; json_next(k ? y : x, &m);) {
            if (k ? json_has(x, m.key) : json_equal(m.value, json_get(y, m.key))) continue;
            json_key(w, m.key), json_open(w, '[');
            json_put_value(w, json_get(x, m.key)), json_put_value(w, json_get(y, m.key));
            json_close(w);
        }
    json_close(w);
}

static void compare_json(const json *const config[2], json *const metrics[2]) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    put_differences(&w, "options", json_get(config[0], "options"), json_get(config[1], "options"));
    put_differences(&w, "metrics", metrics[0], metrics[1]);
    json_close(&w);
    print_json(&out);
    buf_free(&out);
}

static bool compare(arena *a, char **names, bool as_json, err *e) {
    run r[2];
    json *metrics[2];
    const json *config[2];
    for (int i = 0; i < 2; i++)
        if (!run_open(a, folder_of(a, names[i]), &r[i], e) || !last_metrics(a, &r[i], &metrics[i], e) ||
            !(config[i] = run_config(a, &r[i], e)))
            return false;
    if (as_json) {
        compare_json(config, metrics);
        return true;
    }
    printf("options that differ:\n");
    print_members(json_get(config[0], "options"), json_get(config[1], "options"));
    printf("last metrics:\n");
    print_members(metrics[0], metrics[1] ? metrics[1] : json_new_object(a));
    return true;
}

static bool rm(arena *a, const char *name, err *e) {
    run r;
    if (!run_open(a, folder_of(a, name), &r, e) || !run_lock(&r, e)) return false;
    const bool ok = dir_remove(r.path, e);
    run_release(&r);
    return ok;
}

static bool runs(arena *a, int argc, char **argv, err *e) {
    runs_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_runs, &o, argc, argv, &rest, &help, e) || help) return help;
    if (!rest || (rest == 1 && strcmp(argv[0], "list") == 0)) return list(a, o.json, e);
    if (rest == 2 && strcmp(argv[0], "show") == 0) return show(a, argv[1], o.json, e);
    if (rest == 3 && strcmp(argv[0], "compare") == 0) return compare(a, argv + 1, o.json, e);
    if (rest == 2 && strcmp(argv[0], "rm") == 0) return rm(a, argv[1], e);
    if (rest == 2 && strcmp(argv[0], "resume") == 0)
        return command_train.run(a, o.json ? 3 : 2, (char *[]){"--resume", argv[1], "--json"}, e);
    return err_set(e, ERR_USAGE, "fettle runs [show RUN | compare RUN RUN | resume RUN | rm RUN]");
}
