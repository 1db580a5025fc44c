/* shape.c - how a file lays out its rows: found by its first bytes and its first line.
 *
 *     [                      one array
 *     a whole value a line   JSON Lines; a single line may also be an object around an array, which the caller decides
 *     anything else          an object around an array if there is one, else lines, whose first will tell what is wrong
 *     PAR1                   Parquet
 *     a name ending in .csv or .tsv     a table of text */
#include <string.h>

#include "base/json.h"
#include "data/rows.h"

// clang-format off
/*    bytes at the beginning   what they mean                  what to do (the path follows) */
#define FOREIGN(X)                                                                                                \
    X("\x1f\x8b",              "compressed with gzip",         "unpack it first: gunzip -k ")                     \
    X("\x28\xb5\x2f\xfd",      "compressed with zstd",         "unpack it first: unzstd ")                        \
    X("\xfd" "7zXZ",           "compressed with xz",           "unpack it first: unxz -k ")                       \
    X("BZh",                   "compressed with bzip2",        "unpack it first: bunzip2 -k ")                    \
    X("PK\x03\x04",            "a ZIP archive",                "unpack it first: unzip ")                         \
    X("ARROW1",                "Arrow, which is not read",     "write as Parquet (datasets: to_parquet) what is in ") \
    X("\xff\xff\xff\xff",      "an Arrow stream, which is not read", "write as Parquet (datasets: to_parquet) what is in ") \
    X("\xff\xfe",              "text in UTF-16",               "write it in UTF-8: iconv -f UTF-16 -t UTF-8 ")    \
    X("\xfe\xff",              "text in UTF-16",               "write it in UTF-8: iconv -f UTF-16 -t UTF-8 ")
// clang-format on

static const struct {
    str magic;
    const char *words, *advice;
} foreign[] = {
#define X(magic, words, advice) {{magic, sizeof(magic) - 1}, words, advice},
    FOREIGN(X)
#undef X
};

static bool check_magic(const byte_scanner *s, err *e) {
    const str head = {s->data, s->end};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (str_starts(head, foreign[i].magic))
            return err_set(e, ERR_UNSUPPORTED, "%s is %s; %s%s", s->path, foreign[i].words, foreign[i].advice, s->path);
    return true;
}

/* The first byte that says something: '[', '{' or '"'; 'P' of Parquet, ',' of a table. */
static bool first_byte(const char *path, int *first, err *e) {
    byte_scanner s;
    if (!scanner_open(&s, path, e)) return false;
    bool ok = check_magic(&s, e);
    const bool columns = str_starts((str){s.data, s.end}, STR("PAR1")), cells = csv_has_name(path);
    if (ok && (columns || cells)) {
        scanner_close(&s);
        return *first = columns ? 'P' : ',', true;
    }
    if (ok) *first = scanner_peek_solid(&s, e);
    if (ok && *first == SCANNER_END) ok = err_set(e, ERR_INPUT, "%s is empty: expected rows of examples", path);
    if (ok && *first >= 0 && *first != '[' && *first != '{' && *first != '"')
        ok = err_set(
            e, ERR_INPUT,
            "%s line %lld: expected JSON Lines (an object in each line) or JSON (an array of objects), found '%c'; tables "
            "of text should be called .csv or .tsv",
            path, (long long)s.line, *first > ' ' && *first < 0x7f ? *first : '?');
    scanner_close(&s);
    return ok && *first != SCANNER_FAILED;
}

static bool next_solid(file_lines *lines, str *line, err *e) {
    while (file_lines_next(lines, line, e))
        if (str_trim(*line).len) return true;
    return false;
}

/* Whether the first line is a whole JSON value, and whether it is the only line. */
static bool try_lines(const char *path, bool *whole, bool *single, err *e) {
    file_lines lines;
    str line;
    err no = {0};
    if (!file_lines_open(&lines, path, ROW_BYTES_MAX, e)) return false;
    arena *scratch = arena_new();
    json *value;
    *whole = next_solid(&lines, &line, &no) && json_parse_any(scratch, line, &value, &no);
    *single = *whole && !next_solid(&lines, &line, &no);
    arena_free(scratch);
    file_lines_close(&lines);
    return (no.code != ERR_IO && no.code != ERR_STOPPED) || err_set(e, no.code, "%s", no.text);
}

static bool find_member(arena *a, const char *path, char **member, err *e) {
    byte_scanner s;
    if (!scanner_open(&s, path, e)) return false;
    const bool ok = scanner_find_member(&s, a, member, e);
    scanner_close(&s);
    return ok;
}

bool file_shape_find(arena *a, const char *path, file_shape *out, err *e) {
    int first = SCANNER_FAILED;
    bool whole = false, single = false;
    *out = (file_shape){0};
    if (file_is_dir(path)) return err_set(e, ERR_INPUT, "%s is a folder: name one file in it", path);
    if (!first_byte(path, &first, e)) return false;
    if (first == 'P' || first == ',') return out->layout = first == 'P' ? ROWS_PARQUET : ROWS_CSV, true;
    if (first == '[') return out->layout = ROWS_ARRAY, true;
    if (!try_lines(path, &whole, &single, e)) return false;
    if (whole && !single) return true;
    if (!find_member(a, path, &out->member, e)) return false;
    if (!whole && out->member) out->layout = ROWS_MEMBER;
    return true;
}
