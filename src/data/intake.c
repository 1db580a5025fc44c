/* intake.c - files opened for an import. */
#include "data/intake.h"

#include "base/file.h"
#include "data/data.h"

enum { FACTS = 1000 }; /* rows that are looked at before anything is guessed */

static bool open_rows(arena *a, intake *x, err *e) {
    if (!(x->rows = row_source_open(a, x->path, e)) || !row_facts_look(a, x->rows, FACTS, &x->facts, e)) return false;
    if (x->fresh) x->settings = mapping_settings(a, &x->facts, &x->mapping, e);
    else x->mapping = mapping_guess(a, &x->facts, x->settings);
    return x->settings != NULL;
}

/* The first row is a record as Argilla's SDK writes it: an object each of fields, suggestions and responses. */
static bool written_by_sdk(const char *path) {
    arena *a = arena_new();
    err none = {0};
    json *row;
    struct row_source *rows = row_source_open(a, path, &none);
    bool is = rows && row_source_next(rows, a, &row, &none);
    static const char *const parts[] = {"fields", "suggestions", "responses"};
    for (int i = 0; i < 3 && is; i++) is = json_kind_of(json_get(row, parts[i])) == JSON_OBJECT;
    if (rows) row_source_close(rows);
    arena_free(a);
    return is;
}

bool intake_open(arena *a, const char *path, const json *settings, bool argilla, intake *out, err *e) {
    *out = (intake){.path = path, .settings = settings, .fresh = !settings};
    if (!argilla && !argilla_export_is(path) && (!settings || !written_by_sdk(path))) return open_rows(a, out, e);
    if (!(out->export = argilla_export_open(a, path, settings, e))) return false;
    if (out->fresh) out->settings = argilla_export_settings(out->export);
    return out->settings || err_set(e, ERR_INPUT, "%s carries no settings: name a dataset that is there", path);
}

bool intake_ready(arena *a, intake *x, err *e) {
    if (x->export) return true;
    if (!(x->plan = mapping_open(a, x->mapping, x->settings, &x->facts, e))) return false;
    mapping_of_file(x->plan, a, path_name(x->path));
    return true;
}

bool intake_next(intake *x, arena *a, json **item, const char **place, err *e) {
    json *row;
    *place = "";
    if (x->export) return argilla_export_next(x->export, a, item, e);
    if (!row_source_next(x->rows, a, &row, e)) return false;
    *place = row_source_place(x->rows, a);
    return mapping_apply(x->plan, a, row, item, e) || err_prefix(e, "%s", *place);
}

double intake_read(const intake *x) {
    const double bytes = x->rows ? (double)row_source_describe(x->rows)->bytes : 0;
    return bytes > 0 ? (double)row_source_position(x->rows) / bytes : -1;
}
