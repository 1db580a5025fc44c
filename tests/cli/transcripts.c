/* transcripts.c - command lines and what they say: every file of tests/cli/transcripts is played with the built program.
 *
 *     $ fettle ...        a line for the shell, in an empty folder that holds `base`, a tiny model, with an empty data folder
 *     text                what stands on standard output, line by line
 *     ! text              what stands on standard error
 *     ? 2                 the exit status (0 when nothing is said)
 *     # text              for the reader
 * [..] stands for any characters of a line, a line [...] for any number of lines. */
#include "tiny.h"

#include <string.h>
#include <sys/wait.h>

enum { LINES_MOST = 8000 };

/* Whether a line is as expected, where [..] may be anything. */
static bool matches(str line, str expected) {
    const ptrdiff_t gap = str_find(expected, STR("[..]"), 0);
    if (gap < 0) return str_eq(line, expected);
    if (!str_starts(line, str_slice(expected, 0, (size_t)gap))) return false;
    const str rest = str_slice(expected, (size_t)gap + 4, expected.len);
    for (size_t i = (size_t)gap; i <= line.len; i++)
        if (matches(str_slice(line, i, line.len), rest)) return true;
    return false;
}

typedef struct {
    str line[LINES_MOST];
    int count;
} lines;

static void add_line(lines *l, str line) {
    assert_true(l->count < LINES_MOST);
    l->line[l->count++] = line;
}

/* keep_empty: they count in a transcript's line numbers, and are for the eye in what a program says. */
static lines lines_of(str text, bool keep_empty) {
    lines l = {.count = 0};
    for (size_t at = 0; at < text.len;) {
        const ptrdiff_t end = str_find(text, STR("\n"), at);
        const size_t to = end < 0 ? text.len : (size_t)end;
        if (to > at || keep_empty) add_line(&l, str_slice(text, at, to));
        at = to + 1;
    }
    return l;
}

static bool all_match(const lines *got, int g, const lines *want, int w) {
    if (w == want->count) return g == got->count;
    if (str_is(want->line[w], "[...]")) {
        for (int i = g; i <= got->count; i++)
            if (all_match(got, i, want, w + 1)) return true;
        return false;
    }
    return g < got->count && matches(got->line[g], want->line[w]) && all_match(got, g + 1, want, w + 1);
}

typedef struct {
    str command;
    int line, status;
    lines out, error;
} step;

static void play(arena *a, const char *file, const char *root, const step *s) {
    const char *out = path_join(a, root, ".out"), *error = path_join(a, root, ".err");
    const char *script = arena_printf(a, "cd '%s' && { %.*s\n} >.out 2>.err </dev/null", root, STR_ARG(s->command));
    const int ended = system(script), status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    str said[2];
    err e = {0};
    assert_ok(file_read(a, out, 1 << 24, &said[0], &e) && file_read(a, error, 1 << 24, &said[1], &e), e);
    const lines got[2] = {lines_of(said[0], false), lines_of(said[1], false)};
    if (status == s->status && all_match(&got[0], 0, &s->out, 0) && all_match(&got[1], 0, &s->error, 0)) return;
    fail_msg("%s line %d: $ %.*s\nexit status %d, expected %d\n--- standard output\n%.*s--- standard error\n%.*s", file, s->line,
             STR_ARG(s->command), status, s->status, STR_ARG(said[0]), STR_ARG(said[1]));
}

static void play_file(arena *a, const char *file, const char *root) {
    str text;
    err e = {0};
    step *s = NULL;
    int number = 0;
    assert_ok(file_read(a, file, 1 << 20, &text, &e), e);
    const lines all = lines_of(text, true);
    for (int i = 0; i <= all.count; i++) {
        const str line = i < all.count ? all.line[i] : STR("$ ");
        number++;
        if (str_starts(line, STR("$ "))) {
            if (s) play(a, file, root, s);
            s = arena_new_of(a, step);
            *s = (step){.command = str_slice(line, 2, line.len), .line = number};
        } else if (str_starts(line, STR("#")) || !line.len) continue;
        else if (!s) fail_msg("%s line %d: expected a command first", file, number);
        else if (str_starts(line, STR("? "))) s->status = atoi(line.ptr + 2);
        else if (str_starts(line, STR("! "))) add_line(&s->error, str_slice(line, 2, line.len));
        else add_line(&s->out, line);
    }
}

static void every_transcript_is_as_written(void **state) {
    (void)state;
    arena *a = arena_new();
    char **names;
    int count;
    err e = {0};
    const char *program = getenv("FETTLE_PROGRAM"), *folder = "tests/cli/transcripts";
    if (!program) {
        fprintf(stderr, "SKIPPED: FETTLE_PROGRAM does not name the program to play transcripts with\n");
        skip();
    }
    setenv("PATH", arena_printf(a, "%s:%s", path_folder(a, path_absolute(a, program)), getenv("PATH")), 1);
    setenv("NO_COLOR", "1", 1);
    setenv("FETTLE_THREADS", "1", 1);
    assert_ok(dir_list(a, folder, &names, &count, &e), e);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char *root = scratch_folder(a);
        setenv("FETTLE_HOME", path_join(a, root, "home"), 1);
        tiny_model(a, root);
        play_file(a, path_join(a, folder, names[i]), root);
        dir_remove(root, &e);
    }
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(every_transcript_is_as_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
