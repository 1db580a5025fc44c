/* cmd_verify.c - fettle verify DIR...: walks folders of other programs' numbers, puts every case it knows through the program
 * (as a child process, as a user would) and prints one row per case. It knows formats, not names of cases. */
#include "cli/command.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/verify.h"

static const verify_kind *const kinds[] = {
#define X(name) &verify_##name,
    VERIFY_KINDS(X)
#undef X
};

static int counts[3];
static char scratch[64];

/* ---- verdicts ---------------------------------------------------------------------------------------------------------------------- */

void verdict_note(verdict *v, double deviation, double tolerance, const char *where, ...) {
    const double ratio = isnan(deviation) ? INFINITY : deviation / tolerance;
    if (ratio > v->ratio || !*v->where) {
        v->ratio = ratio;
        v->deviation = deviation;
        v->tolerance = tolerance;
        va_list args;
        va_start(args, where);
        vsnprintf(v->where, sizeof v->where, where, args);
        va_end(args);
    }
    if (ratio > 1 && v->outcome == CASE_PASSED) v->outcome = CASE_FAILED;
}

static void put_words(verdict *v, outcome o, const char *words, va_list args) {
    if (v->outcome == CASE_FAILED && *v->words) return;
    v->outcome = o;
    vsnprintf(v->words, sizeof v->words, words, args);
}

void verdict_fail(verdict *v, const char *words, ...) {
    va_list args;
    va_start(args, words);
    put_words(v, CASE_FAILED, words, args);
    va_end(args);
}

void verdict_skip(verdict *v, const char *words, ...) {
    va_list args;
    va_start(args, words);
    put_words(v, CASE_SKIPPED, words, args);
    va_end(args);
}

static bool is_number(const json *v) { return json_kind_of(v) == JSON_INT || json_kind_of(v) == JSON_REAL; }

void verdict_compare(verdict *v, const json *want, const json *got, double relative, double absolute, const char *where) {
    if (is_number(want) && is_number(got)) {
        const double w = json_real(want, 0), g = json_real(got, 0);
        verdict_note(v, fabs(g - w), relative * fabs(w) + absolute, "%s", where);
        return;
    }
    if (json_kind_of(want) != json_kind_of(got)) {
        verdict_fail(v, "%s: expected %s, got %s", where, json_kind_name(json_kind_of(want)), json_kind_name(json_kind_of(got)));
        return;
    }
    char inner[160];
    if (json_kind_of(want) == JSON_ARRAY) {
        if (json_count(want) != json_count(got))
            verdict_fail(v, "%s: expected %zu items, got %zu", where, json_count(want), json_count(got));
        for (size_t i = 0; i < json_count(want) && i < json_count(got); i++) {
            snprintf(inner, sizeof inner, "%.120s[%zu]", where, i);
            verdict_compare(v, json_at(want, i), json_at(got, i), relative, absolute, inner);
        }
    } else if (json_kind_of(want) == JSON_OBJECT) {
        json_member m = {0};
        while (json_next(want, &m)) {
            snprintf(inner, sizeof inner, "%.70s%s%.70s", where, *where ? "." : "", m.key);
            if (json_has(got, m.key)) verdict_compare(v, m.value, json_get(got, m.key), relative, absolute, inner);
            else verdict_fail(v, "%s: expected, but not there", inner);
        }
    } else if (!json_equal(want, got)) {
        buf w = {0}, g = {0};
        json_put(&w, want);
        json_put(&g, got);
        verdict_fail(v, "%s: expected %.200s, got %.200s", where, w.ptr, g.ptr);
        buf_free(&w);
        buf_free(&g);
    }
}

void verdict_compare_floats(verdict *v, const float *want, const float *got, size_t n, double tolerance, const char *where) {
    double most = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)want[i] - (double)got[i]);
        if (!(d <= most)) {
            most = d;
            at = i;
        }
    }
    verdict_note(v, most, tolerance, "%s[%zu]", where, at);
}

/* ---- the program ------------------------------------------------------------------------------------------------------------------- */

const char *verify_scratch(void) { return scratch; }

json **verify_lines(arena *a, const char *path, int *count, verdict *v) {
    enum { MOST = 65536 };
    json **list = arena_array(a, json *, MOST);
    file_lines in;
    str line;
    err e = {0};
    *count = 0;
    if (file_lines_open(&in, path, 1 << 28, &e)) {
        while (*count < MOST && file_lines_next(&in, &line, &e))
            if (str_trim(line).len) list[(*count)++] = json_parse(a, line, &e);
        file_lines_close(&in);
    }
    if (e.code && v) verdict_fail(v, "%s", e.text);
    return list;
}

static bool slurp(arena *a, const char *path, str *out, err *e) { return file_read(a, path, (size_t)1 << 33, out, e); }

bool program_run(arena *a, const char *const *words, str input, program_result *r, err *e) {
    char *in = path_join(a, scratch, "stdin"), *out = path_join(a, scratch, "stdout"), *errors = path_join(a, scratch, "stderr");
    int n = 0;
    while (words[n]) n++;
    const char **argv = arena_array(a, const char *, n + 2);
    argv[0] = "fettle";
    memcpy(argv + 1, words, (size_t)n * sizeof *words);
    if (!file_write(in, input, e)) return false;
    const pid_t child = fork();
    if (child < 0) return err_errno(e, ERR_IO, "cannot start a child process");
    if (child == 0) {
        const int fds[3] = {open(in, O_RDONLY), open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600),
                            open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600)};
        for (int i = 0; i < 3; i++)
            if (fds[i] < 0 || dup2(fds[i], i) < 0) _exit(127);
        execv("/proc/self/exe", (char *const *)(const void *)argv);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) < 0) return err_errno(e, ERR_IO, "waiting for a child process");
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return slurp(a, out, &r->out, e) && slurp(a, errors, &r->errors, e);
}

bool program_succeeded(const program_result *r, verdict *v) {
    if (r->status == 0) return true;
    const str said = str_trim(r->errors);
    const str last = str_slice(said, said.len > 400 ? said.len - 400 : 0, said.len);
    if (r->status == err_exit_status(ERR_UNSUPPORTED)) verdict_skip(v, "%.*s", STR_ARG(last));
    else verdict_fail(v, "exit status %d: %.*s", r->status, STR_ARG(last));
    return false;
}

/* ---- walking -------------------------------------------------------------------------------------------------------------------------- */

void verify_report(const char *name, const verdict *v) {
    static const char *const words[] = {"pass", "FAIL", "skipped"};
    counts[v->outcome]++;
    if (*v->where) printf("%-52s %10.2e  %-34.34s %8.1e  %s", name, v->deviation, v->where, v->tolerance, words[v->outcome]);
    else printf("%-52s %10s  %-34s %8s  %s", name, v->outcome == CASE_PASSED ? "equal" : "", "", "", words[v->outcome]);
    if (*v->words && v->outcome != CASE_PASSED) printf(": %s", v->words);
    putchar('\n');
    fflush(stdout);
}

static bool walk(arena *a, const char *folder, int depth, err *e) {
    char **names;
    int count;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->is(a, folder)) kinds[i]->run(a, folder);
    if (!dir_list(a, folder, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) {
        char *path = path_join(a, folder, names[i]);
        if (depth < 6 && file_is_dir(path) && !walk(a, path, depth + 1, e)) return false;
    }
    return true;
}

static bool verify(arena *a, int argc, char **argv, err *e);

const command command_verify = {"verify", "check against folders of other programs' numbers", "DIR ...", NULL, verify};

static bool verify(arena *a, int argc, char **argv, err *e) {
    int rest;
    bool help;
    if (!arguments_read(a, &command_verify, NULL, argc, argv, &rest, &help, e) || help) return help;
    if (!rest) return err_set(e, ERR_USAGE, "name a folder: fettle verify DIR ...");
    snprintf(scratch, sizeof scratch, "/tmp/fettle-verify-XXXXXX");
    if (!mkdtemp(scratch)) return err_errno(e, ERR_IO, "cannot make a folder in /tmp");
    bool ok = true;
    for (int i = 0; ok && i < rest; i++) {
        ok = file_is_dir(argv[i]) || err_set(e, ERR_NOT_FOUND, "%s is no folder", argv[i]);
        arena *one = arena_new();
        ok = ok && walk(one, argv[i], 0, e);
        arena_free(one);
    }
    err ignored = {0};
    dir_remove(scratch, &ignored);
    if (ok) printf("%d passed, %d failed, %d skipped\n", counts[CASE_PASSED], counts[CASE_FAILED], counts[CASE_SKIPPED]);
    if (ok && counts[CASE_FAILED]) return err_set(e, ERR_INPUT, "%d cases failed", counts[CASE_FAILED]);
    if (ok && !counts[CASE_PASSED] && !counts[CASE_SKIPPED])
        return err_set(e, ERR_NOT_FOUND, "no cases in a format that we know");
    return ok;
}
