/* reading.h - what the tests of data share: files made of text, and a file read to its end as text. */
#ifndef FETTLE_TESTS_DATA_READING_H
#define FETTLE_TESTS_DATA_READING_H

#include "test.h"

#include <string.h>

#include "data/data.h"

typedef struct {
    arena *a;
    char *folder;
} room;

static inline room room_new(void) {
    arena *a = arena_new();
    return (room){a, scratch_folder(a)};
}

static inline void room_end(room *r) {
    err e = {0};
    assert_ok(dir_remove(r->folder, &e), e);
    arena_free(r->a);
}

static inline char *file_of(room *r, const char *name, str text) {
    char *path = path_join(r->a, r->folder, name);
    err e = {0};
    assert_ok(file_write(path, text, &e), e);
    return path;
}

/* Every example as a row of TRL's type, one a line; at the end "ERROR ..." (the folder cut out of it) if it did not end well. */
static inline char *read_with(room *r, const char *spec, const source_options *o) {
    err e = {0};
    buf out = {0};
    arena *mine = arena_new();
    source *s = source_open_with(mine, spec, o, &e);
    for (example x; s;) {
        arena *row = arena_new();
        const bool more = source_next(s, row, &x, &e);
        json_writer w = json_writer_on(&out, false);
        if (more) example_put_json(&w, &x), buf_put_char(&out, '\n');
        arena_free(row);
        if (!more) break;
    }
    if (e.code) buf_printf(&out, "ERROR %s\n", e.text);
    char *text = arena_text(r->a, out.len ? out.ptr : ""), *at;
    const size_t folder = strlen(r->folder) + 1;
    while ((at = strstr(text, r->folder))) memmove(at, at + folder, strlen(at + folder) + 1);
    buf_free(&out);
    arena_free(mine);
    return text;
}

static inline char *read_as(room *r, const char *format, const char *text) {
    char *path = file_of(r, "rows.jsonl", str_of(text));
    return read_with(r, *format ? arena_printf(r->a, "%s:%s", format, path) : path, NULL);
}

/* `text` as a file, its format found by looking, gives `expected` (as read_with writes it). */
static inline void gives(const char *text, const char *expected) {
    room r = room_new();
    assert_string_equal(read_as(&r, "", text), expected);
    room_end(&r);
}

#endif
