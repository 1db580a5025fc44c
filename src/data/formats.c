/* formats.c - the table of formats. */
#include "data/format.h"

enum {
#define X(name) FORMAT_##name,
    FORMATS(X)
#undef X
        FORMAT_COUNT
};

static const format *const all[FORMAT_COUNT] = {
#define X(name) &format_##name,
    FORMATS(X)
#undef X
};

const format *const *format_list(int *count) {
    *count = FORMAT_COUNT;
    return all;
}

static char spelled(char c) { return c == '_' ? '-' : c; }

static bool same_name(const char *name, str given) {
    size_t i = 0;
    while (i < given.len && name[i] && spelled(name[i]) == spelled(given.ptr[i])) i++;
    return i == given.len && !name[i];
}

const format *format_find(str name) {
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (same_name(all[i]->name, name)) return all[i];
    return NULL;
}

bool format_reads(const format *f, str column) {
    static const char *const always[] = {
        "tools",     "chat_template_kwargs", "record", "responses", "people", "by", "origin", "licence", "license", "group",
        "unfinished"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (str_is(column, always[i])) return true;
    return format_reads_itself(f, column);
}

bool format_reads_itself(const format *f, str column) {
    for (const char *const *c = f->columns; *c; c++)
        if (str_is(column, *c)) return true;
    return false;
}

const char *format_names(arena *a) {
    char *names = arena_text(a, all[0]->name);
    for (int i = 1; i < FORMAT_COUNT; i++) names = arena_printf(a, "%s, %s", names, all[i]->name);
    return names;
}

void format_put_help(buf *out) {
    for (int i = 0; i < FORMAT_COUNT; i++)
        buf_printf(out, "  %-22s %s\n  %-22s %s\n", all[i]->name, all[i]->becomes, "", all[i]->sample);
}
