/* card.c - the README.md of a model that a run made, told from the run folder alone: what trained, and what is exported later, say the
 * same. */
#include <string.h>

#include "base/version.h"
#include "train/train.h"

enum { LICENCES = 8 };

typedef struct {
    int64_t count;
    char *licence[LICENCES];
    int licences;
} examples_summary;

static void note_licence(arena *a, examples_summary *s, str licence) {
    int i = 0;
    while (i < s->licences && !str_is(licence, s->licence[i])) i++;
    if (licence.len && i == s->licences && i < LICENCES) s->licence[s->licences++] = str_copy(a, licence);
}

static bool read_examples(arena *a, const char *path, examples_summary *out, err *e) {
    file_lines in;
    str line;
    if (!file_lines_open(&in, path, 1 << 28, e)) return false;
    while (file_lines_next(&in, &line, e)) {
        out->count++;
        if (str_find(line, STR("\"licence\""), 0) < 0) continue;
        arena *one = arena_new();
        err ignored = {0};
        note_licence(a, out, json_get_text(json_parse(one, line, &ignored), "licence", STR("")));
        arena_free(one);
    }
    file_lines_close(&in);
    return !e->code;
}

static const char *text_of(arena *a, const json *v) {
    if (json_kind_of(v) == JSON_STRING) return str_copy(a, json_text(v, STR("")));
    buf out = {0};
    json_put(&out, v);
    const char *text = str_copy(a, buf_str(&out));
    buf_free(&out);
    return text;
}

/* name, value, name, value ..., NULL; without the members named in `without`. */
static const char *const *pairs_of(arena *a, const json *object, const json *values, const char *const *without) {
    const char **out = arena_array(a, const char *, 2 * json_count(object) + 1);
    int n = 0;
    for (json_member m = {0}; json_next(object, &m);) {
        int i = 0;
        while (without[i] && strcmp(without[i], m.key) != 0) i++;
        if (without[i]) continue;
        out[n++] = arena_text(a, m.key);
        out[n++] = text_of(a, values ? json_get(values, m.key) : m.value);
    }
    return out;
}

static json *last_line(arena *a, const char *path, err *e) {
    file_lines in;
    str line;
    json *last = NULL;
    if (!file_exists(path) || !file_lines_open(&in, path, 1 << 24, e)) return NULL;
    buf kept = {0};
    while (file_lines_next(&in, &line, e)) buf_clear(&kept), buf_put_str(&kept, line);
    if (!e->code && kept.len) last = json_parse(a, buf_str(&kept), e);
    buf_free(&kept);
    file_lines_close(&in);
    return last;
}

static const char *joined(arena *a, char *const *texts, int count) {
    char *out = NULL;
    for (int i = 0; i < count; i++) out = out ? arena_printf(a, "%s, %s", out, texts[i]) : texts[i];
    return out;
}

static const char *data_words(arena *a, const json *files, int64_t count) {
    char *out = arena_text(a, "");
    for (size_t i = 0; i < json_count(files); i++)
        out = arena_printf(a, "%s%s%s", out, i ? ", " : "", path_name(str_copy(a, json_text(json_at(files, i), STR("")))));
    return arena_printf(a, "%s (%lld examples; examples.jsonl of the run)", out, (long long)count);
}

bool train_card(arena *a, const char *run_folder, const char *folder, const char *how, bool is_adapter, err *e) {
    static const char *const told[] = {"base", "data", "reference", "adapter", NULL}, *const none[] = {NULL};
    examples_summary examples = {0};
    const json *config = json_parse_file(a, path_join(a, run_folder, "config.json"), 16 << 20, e);
    if (!config || !read_examples(a, path_join(a, run_folder, "examples.jsonl"), &examples, e)) return false;
    const json *options = json_get(config, "options"), *last = last_line(a, path_join(a, run_folder, "metrics.jsonl"), e);
    const char *base = str_copy(a, json_get_text(options, "base", STR(""))), *erased = run_erased_words(a, run_folder);
    const model_card card = {.name = path_name(run_folder),
                             .base = base,
                             .base_hash = str_copy(a, json_get_text(config, "base_sha256", STR(""))),
                             .licence = model_licence(a, base),
                             .objective = str_copy(a, json_get_text(config, "objective", STR(""))),
                             .data = data_words(a, json_get(options, "data"), examples.count),
                             .data_licence = joined(a, examples.licence, examples.licences),
                             .summary =
                                 arena_printf(a,
                                              "%s with fettle %s. The licences of the base model and of the data apply to "
                                              "it. Settings that are not listed were at their defaults.%s%s",
                                              how, FETTLE_VERSION, erased ? "\n\n**Erased data.** " : "", erased ? erased : ""),
                             .adapter = is_adapter,
                             .settings = pairs_of(a, json_get(config, "origin"), options, told),
                             .metrics = pairs_of(a, last, NULL, none)};
    return !e->code && model_card_write(&card, folder, e);
}
