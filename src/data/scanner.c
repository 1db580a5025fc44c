/* scanner.c - finding rows in JSON without reading it whole. */
#include "data/scanner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "data/format.h"

enum { KEY_MAX = 256 };

static bool fill(byte_scanner *s, err *e) {
    ssize_t n;
    s->before += (int64_t)s->end;
    s->at = s->end = 0;
    do n = file_io.read(s->fd, s->data, SCANNER_CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0) return err_errno(e, ERR_IO, "cannot read %s", s->path);
    s->end = (size_t)n;
    return true;
}

bool scanner_open(byte_scanner *s, const char *path, err *e) {
    *s = (byte_scanner){.fd = file_io.open(path, O_RDONLY, 0), .path = path, .line = 1};
    if (s->fd < 0) return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot read %s", path);
    s->data = memory_alloc(SCANNER_CHUNK);
    if (!fill(s, e)) return scanner_close(s), false;
    if (s->end >= 3 && !memcmp(s->data, "\xef\xbb\xbf", 3)) s->at = 3, s->line_begin = 3;
    return true;
}

void scanner_close(byte_scanner *s) {
    if (!s->data) return;
    file_io.close(s->fd);
    memory_release(s->data);
    s->data = NULL;
}

int scanner_peek(byte_scanner *s, err *e) {
    if (s->at == s->end && !fill(s, e)) return SCANNER_FAILED;
    return s->at < s->end ? (unsigned char)s->data[s->at] : SCANNER_END;
}

static void new_line(byte_scanner *s, size_t at) {
    s->line++;
    s->line_begin = s->before + (int64_t)at + 1;
}

void scanner_pass(byte_scanner *s) {
    if (s->data[s->at] == '\n') new_line(s, s->at);
    s->at++;
}

int scanner_peek_solid(byte_scanner *s, err *e) {
    for (;;) {
        const int c = scanner_peek(s, e);
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return c;
        scanner_pass(s);
    }
}

int64_t scanner_column(const byte_scanner *s) { return s->before + (int64_t)s->at - s->line_begin + 1; }

/* ---- values -------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t depth;
    bool in_text, escaped;
} place;

typedef enum { GO_ON, VALUE_ENDS, TEXT_OPEN } verdict;

static inline verdict look_at(place *p, char c) {
    if (p->in_text) {
        if (c == '\n') return TEXT_OPEN;
        if (p->escaped) p->escaped = false;
        else if (c == '\\') p->escaped = true;
        else if (c == '"') p->in_text = false;
        return GO_ON;
    }
    if (c == '"') p->in_text = true;
    else if (c == '{' || c == '[') p->depth++;
    else if (c == '}' || c == ']') return p->depth-- ? GO_ON : VALUE_ENDS;
    else if (c == ',' && !p->depth) return VALUE_ENDS;
    return GO_ON;
}

/* The part of the value that lies in this chunk. */
static verdict take_chunk(byte_scanner *s, place *p) {
    for (; s->at < s->end; s->at++) {
        const verdict v = look_at(p, s->data[s->at]);
        if (v != GO_ON) return v;
        if (s->data[s->at] == '\n') new_line(s, s->at);
    }
    return GO_ON;
}

bool scanner_take_value(byte_scanner *s, buf *into, size_t max_bytes, err *e) {
    place p = {0};
    const int64_t begun = s->line;
    for (;;) {
        const size_t from = s->at;
        const verdict v = take_chunk(s, &p);
        if (into) buf_put(into, s->data + from, s->at - from);
        if (into && into->len > max_bytes)
            return err_set(e, ERR_LIMIT, "%s line %lld: a row of more than %zu bytes", s->path, (long long)begun, max_bytes);
        if (v == VALUE_ENDS) return true;
        if (v == TEXT_OPEN)
            return err_set(e, ERR_INPUT, "%s line %lld: not valid JSON: a text is not closed before the line ends", s->path,
                           (long long)s->line);
        const int next = scanner_peek(s, e);
        if (next < 0) return next == SCANNER_END;
    }
}

/* ---- an array inside an object --------------------------------------------------------------------------------------------------- */

static bool is_column(str key) {
    int count;
    const format *const *all = format_list(&count);
    for (int i = 0; i < count; i++)
        if (format_reads(all[i], key)) return true;
    return false;
}

/* "key" and its colon; false: something else stands there. Escapes are kept as they are. */
static bool take_key(byte_scanner *s, char key[KEY_MAX], err *e) {
    size_t length = 0;
    if (scanner_peek_solid(s, e) != '"') return false;
    for (scanner_pass(s);; scanner_pass(s)) {
        const int c = scanner_peek(s, e);
        if (c < ' ' || length + 1 == KEY_MAX) return false;
        if (c == '"') break;
        key[length++] = (char)c;
    }
    key[length] = 0;
    scanner_pass(s);
    if (scanner_peek_solid(s, e) != ':') return false;
    scanner_pass(s);
    return true;
}

/* Over the rest of an array whose '[' was passed. */
static bool pass_array(byte_scanner *s, err *e) {
    for (;;) {
        if (!scanner_take_value(s, NULL, 0, e)) return false;
        const int c = scanner_peek(s, e);
        if (c != ',' && c != ']') return false;
        scanner_pass(s);
        if (c == ']') return true;
    }
}

/* One member: true with *found when its value is an array of objects (or an empty one), which is entered; else it is passed. */
static bool try_member(byte_scanner *s, char key[KEY_MAX], bool *found, err *e) {
    if (!take_key(s, key, e)) return false;
    if (scanner_peek_solid(s, e) != '[') return scanner_take_value(s, NULL, 0, e);
    scanner_pass(s);
    const int first = scanner_peek_solid(s, e);
    *found = (first == '{' || first == ']') && !is_column(str_of(key));
    return *found || pass_array(s, e);
}

/* What is no JSON has no member: only reading itself can fail here. */
bool scanner_find_member(byte_scanner *s, arena *a, char **key, err *e) {
    char name[KEY_MAX];
    bool found = false, more = scanner_peek_solid(s, e) == '{';
    err not_json = {0};
    *key = NULL;
    while (more && !found) {
        scanner_pass(s);
        if (!try_member(s, name, &found, &not_json)) break;
        more = !found && scanner_peek_solid(s, &not_json) == ',';
    }
    if (found) *key = arena_text(a, name);
    return (not_json.code != ERR_IO && !e->code) || err_set(e, ERR_IO, "%s", not_json.text);
}
