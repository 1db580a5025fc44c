/* Any bytes as rows to import: settings made of them must take them; as records of Argilla's SDK, what is written is what was read; and as
 * Parquet, written, every row is there again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/data.h"
#include "data/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_in_memory(const void *data, size_t size, char path[64]) {
    const int fd = memfd_create("rows", 0);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void must(bool holds, const char *what, const err *e) {
    if (holds) return;
    fprintf(stderr, "%s: %s\n", what, e->text);
    abort();
}

/* What is guessed for a new data set can be made. */
static void make_settings(arena *a, const json *settings) {
    json *out;
    const json *fields = json_get(settings, "fields"), *questions = json_get(settings, "questions");
    const kind_context c = {.fields = fields};
    err e = {0};
    for (size_t i = 0; i < json_count(fields); i++) must(field_create(a, json_at(fields, i), NULL, &out, &e), "field", &e);
    for (size_t i = 0; i < json_count(questions); i++)
        must(question_create(a, json_at(questions, i), &c, &out, &e), "question", &e);
    const json *metadata = json_get(settings, "metadata"), *vectors = json_get(settings, "vectors");
    for (size_t i = 0; i < json_count(metadata); i++)
        must(metadata_create(a, json_at(metadata, i), NULL, &out, &e), "metadata", &e);
    for (size_t i = 0; i < json_count(vectors); i++) must(vector_create(a, json_at(vectors, i), NULL, &out, &e), "vector", &e);
    must(json_count(vectors) <= VECTORS_MAX, "vectors", &e);
    must(dataset_publishable(fields, questions, &e), "dataset", &e);
}

/* And takes the items that the mapping makes. */
static void check_item(const json *settings, const json *item) {
    err e = {0};
    const json *suggestions = json_get(item, "suggestions"), *fields = json_get(item, "fields");
    if (json_count(fields)) must(fields_check(json_get(settings, "fields"), fields, &e), "fields", &e);
    must(metadata_check(json_get(settings, "metadata"), true, json_get(item, "metadata"), &e), "metadata", &e);
    must(vectors_check(json_get(settings, "vectors"), json_get(item, "vectors"), &e), "vectors", &e);
    for (size_t i = 0; i < json_count(suggestions); i++)
        must(suggestion_check(json_get(settings, "questions"), fields, json_at(suggestions, i), NULL, &e), "suggestion", &e);
}

static void map_rows(arena *a, const char *path) {
    err e = {0};
    row_facts facts;
    json *map, *row, *item;
    row_source *s = row_source_open(a, path, &e);
    if (!s || !row_facts_look(a, s, 100, &facts, &e)) return;
    const json *settings = mapping_settings(a, &facts, &map, &e);
    if (!settings) return;
    mapping_plan *m = mapping_open(a, map, settings, &facts, &e);
    if (!m) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    mapping_guess(a, &facts, settings);
    make_settings(a, settings);
    for (int n = 0; n < 100 && !row_source_ended(s); n++) {
        err bad = {0};
        if (!row_source_next(s, a, &row, &bad)) continue;
        const bool made = mapping_apply(m, a, row, &item, &bad);
        if (made) check_item(settings, item);
        else if (!bad.code) abort();
    }
}

static void read_records(arena *a, const char *path) {
    static const char settings_text[] =
        "{\"fields\":[{\"name\":\"f\"}],\"questions\":[{\"name\":\"q\",\"settings\":{\"type\":\"ranking\"}},"
        "{\"name\":\"l\",\"settings\":{\"type\":\"label_selection\",\"options\":[{\"value\":\"x\"}]}}]}";
    err e = {0};
    const json *settings = json_parse(a, str_of(settings_text), &e);
    json *item;
    argilla_export *x = argilla_export_open(a, path, settings, &e);
    for (int n = 0; x && n < 100 && !argilla_export_ended(x); n++) {
        err bad = {0};
        if (!argilla_export_next(x, a, &item, &bad)) continue;
        argilla_record(a, item, settings, false);
        argilla_record(a, item, settings, true);
    }
}

static void write_columns(arena *a, const char *path) {
    char out[64];
    err e = {0};
    json *row;
    buf text = {0};
    snprintf(out, sizeof out, "/tmp/fettle-fuzz-%d.parquet", (int)getpid());
    row_source *s = row_source_open(a, path, &e);
    parquet_out *w = s ? parquet_out_open(a, out, COMPRESS_SNAPPY, &e) : NULL;
    for (int n = 0; w && n < 100 && !row_source_ended(s); n++) {
        err bad = {0};
        if (row_source_next(s, a, &row, &bad) && !parquet_out_row(w, row, &e)) abort();
    }
    int64_t rows = w ? parquet_out_rows(w) : 0, read = 0;
    if (w && parquet_out_commit(w, &e)) {
        parquet *p = parquet_open(a, out, &e);
        while (p && parquet_next(p, &text, &e)) read += json_parse(a, buf_str(&text), &e) != NULL;
        if (e.code || read != rows) {
            fprintf(stderr, "%s: %lld of %lld rows\n", e.text, (long long)read, (long long)rows);
            abort();
        }
    }
    unlink(out);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const int fd = file_in_memory(data, size, path);
    arena *a = arena_new();
    map_rows(a, path);
    read_records(a, path);
    write_columns(a, path);
    arena_free(a);
    close(fd);
    return 0;
}
