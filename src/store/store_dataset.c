/* store_dataset.c - workspaces, datasets, and the parts of a dataset: fields, questions, metadata properties, vector settings. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/db.h"
#include "store/row.h"

static bool missing(err *e, const char *class, const char *id) {
    return e->code ? false : err_set(e, ERR_NOT_FOUND, "%s with id `%s` not found", class, id);
}

/* ---- workspaces ------------------------------------------------------------------------------------------------------------------ */

#define WORKSPACE_COLUMNS "seq, id, name, inserted_at, updated_at"

static workspace read_workspace(db_rows *r, arena *a) {
    workspace w = {.seq = db_int(r, 0), .name = db_cstr(r, a, 2), .inserted_at = db_int(r, 3), .updated_at = db_int(r, 4)};
    store_id(db_view(r, 1), w.id);
    return w;
}

static bool one_workspace(db_rows *r, arena *a, workspace *out, const char *key, err *e) {
    if (!db_next(r, e)) return missing(e, "Workspace", key);
    *out = read_workspace(r, a);
    db_done(r);
    return true;
}

bool workspace_add(store_tx *t, workspace *w, err *e) {
    w->inserted_at = w->updated_at = clock_now();
    if (!*w->id) uuid_new(w->id);
    if (db_int_of(t, e, 0, "SELECT count(*) FROM workspaces WHERE name = $1 OR id = $2", db_c(w->name), db_c(w->id)))
        return err_set(e, ERR_CONFLICT, "Workspace with name `%s` is not unique", w->name);
    if (!db_run(t, e, "INSERT INTO workspaces(id, name, inserted_at, updated_at) VALUES($1, $2, $3, $3)", db_c(w->id),
                db_c(w->name), db_i(w->inserted_at)))
        return false;
    w->seq = db_last_seq(t);
    return true;
}

bool workspace_delete(store_tx *t, const workspace *w, err *e) {
    const int64_t n = db_int_of(t, e, 0, "SELECT count(*) FROM datasets WHERE workspace = $1", db_i(w->seq));
    if (n) return err_set(e, ERR_CONFLICT, "Cannot delete the workspace %s. This workspace has some datasets linked", w->id);
    return !e->code && db_run(t, e, "DELETE FROM workspaces WHERE seq = $1", db_i(w->seq));
}

bool workspace_get(store_tx *t, arena *a, const char *id, workspace *out, err *e) {
    return one_workspace(db_query(t, e, "SELECT " WORKSPACE_COLUMNS " FROM workspaces WHERE id = $1", db_c(id)), a, out, id, e);
}

bool workspace_get_seq(store_tx *t, arena *a, int64_t seq, workspace *out, err *e) {
    return one_workspace(db_query(t, e, "SELECT " WORKSPACE_COLUMNS " FROM workspaces WHERE seq = $1", db_i(seq)), a, out, "?",
                         e);
}

bool workspace_named(store_tx *t, arena *a, str name, workspace *out, err *e) {
    return one_workspace(db_query(t, e, "SELECT " WORKSPACE_COLUMNS " FROM workspaces WHERE name = $1", db_s(name)), a, out,
                         str_copy(a, name), e);
}

bool workspace_list(store_tx *t, arena *a, int64_t member, workspaces *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT " WORKSPACE_COLUMNS " FROM workspaces WHERE $1 = 0 OR seq IN"
                          " (SELECT workspace FROM members WHERE user = $1) ORDER BY seq",
                          db_i(member));
    *out = (workspaces){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_workspace(r, a));
    return e->code == ERR_NONE;
}

bool member_is(store_tx *t, int64_t space, int64_t person) {
    err e = {0};
    return db_int_of(t, &e, 0, "SELECT 1 FROM members WHERE workspace = $1 AND user = $2", db_i(space), db_i(person)) == 1;
}

bool member_add(store_tx *t, int64_t space, int64_t person, err *e) {
    if (member_is(t, space, person)) return err_set(e, ERR_CONFLICT, "the user is a member of this workspace already");
    return db_run(t, e, "INSERT INTO members(workspace, user, inserted_at) VALUES($1, $2, $3)", db_i(space), db_i(person),
                  db_i(clock_now()));
}

bool member_remove(store_tx *t, int64_t space, int64_t person, err *e) {
    if (!db_run(t, e, "DELETE FROM members WHERE workspace = $1 AND user = $2", db_i(space), db_i(person))) return false;
    return db_changes(t) > 0 || err_set(e, ERR_NOT_FOUND, "WorkspaceUser not found: the user is no member of this workspace");
}

/* ---- datasets ----------------------------------------------------------------------------------------------------------------------- */

#define DATASET_COLUMNS                                                                                                          \
    "d.seq, d.id, d.workspace, w.id, d.name, d.guidelines, d.metadata, d.allow_extra_metadata, d.ready, d.min_submitted, "       \
    "d.records,"                                                                                                                 \
    " d.completed, d.last_activity_at, d.inserted_at, d.updated_at FROM datasets d JOIN workspaces w ON w.seq = d.workspace "

static dataset read_dataset(db_rows *r, arena *a) {
    dataset d = {.seq = db_int(r, 0),
                 .workspace = db_int(r, 2),
                 .name = db_cstr(r, a, 4),
                 .guidelines = db_text(r, a, 5),
                 .metadata = db_text(r, a, 6),
                 .allow_extra_metadata = db_int(r, 7) != 0,
                 .ready = db_int(r, 8) != 0,
                 .min_submitted = db_int(r, 9),
                 .records = db_int(r, 10),
                 .completed = db_int(r, 11),
                 .last_activity_at = db_int(r, 12),
                 .inserted_at = db_int(r, 13),
                 .updated_at = db_int(r, 14)};
    store_id(db_view(r, 1), d.id);
    store_id(db_view(r, 3), d.workspace_id);
    return d;
}

static bool one_dataset(db_rows *r, arena *a, dataset *out, const char *key, err *e) {
    if (!db_next(r, e)) return missing(e, "Dataset", key);
    *out = read_dataset(r, a);
    db_done(r);
    return true;
}

bool dataset_add(store_tx *t, dataset *d, err *e) {
    d->inserted_at = d->updated_at = d->last_activity_at = clock_now();
    uuid_new(d->id);
    if (db_int_of(t, e, 0, "SELECT count(*) FROM datasets WHERE workspace = $1 AND name = $2", db_i(d->workspace), db_c(d->name)))
        return err_set(e, ERR_CONFLICT, "Dataset with name `%s` already exists for workspace with id `%s`", d->name,
                       d->workspace_id);
    if (!db_run(t, e,
                "INSERT INTO datasets(id, workspace, name, guidelines, metadata, allow_extra_metadata, ready, min_submitted,"
                " last_activity_at, inserted_at, updated_at) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9)",
                db_c(d->id), db_i(d->workspace), db_c(d->name), db_s(d->guidelines), db_s(d->metadata),
                db_i(d->allow_extra_metadata), db_i(d->ready), db_i(d->min_submitted), db_i(d->inserted_at)))
        return false;
    d->seq = db_last_seq(t);
    return guidelines_keep(t, d, e);
}

bool dataset_save(store_tx *t, dataset *d, err *e) {
    d->updated_at = clock_now();
    return db_run(t, e,
                  "UPDATE datasets SET name = $2, guidelines = $3, metadata = $4, allow_extra_metadata = $5, ready = $6,"
                  " min_submitted = $7, updated_at = $8 WHERE seq = $1",
                  db_i(d->seq), db_c(d->name), db_s(d->guidelines), db_s(d->metadata), db_i(d->allow_extra_metadata),
                  db_i(d->ready), db_i(d->min_submitted), db_i(d->updated_at)) &&
           guidelines_keep(t, d, e);
}

bool dataset_touch(store_tx *t, int64_t seq, err *e) {
    return db_run(t, e, "UPDATE datasets SET last_activity_at = $2 WHERE seq = $1", db_i(seq), db_i(clock_now()));
}

bool dataset_delete(store_tx *t, const dataset *d, err *e) {
    return db_search_drop(t, d->seq, e) && db_run(t, e, "DELETE FROM datasets WHERE seq = $1", db_i(d->seq));
}

bool dataset_get(store_tx *t, arena *a, const char *id, dataset *out, err *e) {
    return one_dataset(db_query(t, e, "SELECT " DATASET_COLUMNS "WHERE d.id = $1", db_c(id)), a, out, id, e);
}

bool dataset_get_seq(store_tx *t, arena *a, int64_t seq, dataset *out, err *e) {
    return one_dataset(db_query_memo(t, e, "SELECT " DATASET_COLUMNS "WHERE d.seq = $1", db_i(seq)), a, out, "?", e);
}

bool dataset_named(store_tx *t, arena *a, int64_t space, str name, dataset *out, err *e) {
    const int64_t n = db_int_of(t, e, 0, "SELECT count(*) FROM datasets WHERE name = $1 AND ($2 = 0 OR workspace = $2)",
                                db_s(name), db_i(space));
    if (n > 1) return err_set(e, ERR_CONFLICT, "%lld datasets are named '%.*s': say WORKSPACE/NAME", (long long)n, STR_ARG(name));
    return !e->code && one_dataset(db_query(t, e, "SELECT " DATASET_COLUMNS "WHERE d.name = $1 AND ($2 = 0 OR d.workspace = $2)",
                                            db_s(name), db_i(space)),
                                   a, out, str_copy(a, name), e);
}

bool dataset_list(store_tx *t, arena *a, int64_t member, datasets *out, err *e) {
    db_rows *r =
        db_query(t, e,
                 "SELECT " DATASET_COLUMNS "WHERE $1 = 0 OR d.workspace IN (SELECT workspace FROM members WHERE user = $1)"
                 " ORDER BY d.seq",
                 db_i(member));
    *out = (datasets){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_dataset(r, a));
    return e->code == ERR_NONE;
}

/* ---- parts --------------------------------------------------------------------------------------------------------------------------- */

#define PART_COLUMNS                                                                                                             \
    "p.seq, p.id, p.dataset, d.id, p.kind, p.name, p.title, p.description, p.required, p.visible, p.settings, p.inserted_at,"    \
    " p.updated_at FROM parts p JOIN datasets d ON d.seq = p.dataset "

static const char *const classes[] = {"Field", "Question", "MetadataProperty", "VectorSettings"};

static part read_part(db_rows *r, arena *a) {
    part p = {.seq = db_int(r, 0),
              .dataset = db_int(r, 2),
              .kind = (part_kind)db_int(r, 4),
              .name = db_cstr(r, a, 5),
              .title = db_cstr(r, a, 6),
              .description = db_cstr(r, a, 7),
              .required = db_int(r, 8) != 0,
              .visible = db_int(r, 9) != 0,
              .settings = db_text(r, a, 10),
              .inserted_at = db_int(r, 11),
              .updated_at = db_int(r, 12)};
    store_id(db_view(r, 1), p.id);
    store_id(db_view(r, 3), p.dataset_id);
    return p;
}

bool part_add(store_tx *t, part *p, err *e) {
    p->inserted_at = p->updated_at = clock_now();
    uuid_new(p->id);
    if (db_int_of(t, e, 0, "SELECT count(*) FROM parts WHERE dataset = $1 AND kind = $2 AND name = $3", db_i(p->dataset),
                  db_i(p->kind), db_c(p->name)))
        return err_set(e, ERR_CONFLICT, "%s with name `%s` already exists for dataset with id `%s`", classes[p->kind], p->name,
                       p->dataset_id);
    if (!db_run(
            t, e,
            "INSERT INTO parts(id, dataset, kind, name, title, description, required, visible, settings, inserted_at, updated_at)"
            " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
            db_c(p->id), db_i(p->dataset), db_i(p->kind), db_c(p->name), db_c(p->title), db_c(p->description), db_i(p->required),
            db_i(p->visible), db_s(p->settings), db_i(p->inserted_at)))
        return false;
    p->seq = db_last_seq(t);
    return true;
}

bool part_save(store_tx *t, part *p, err *e) {
    p->updated_at = clock_now();
    return db_run(t, e,
                  "UPDATE parts SET name = $2, title = $3, description = $4, required = $5, visible = $6, settings = $7,"
                  " updated_at = $8 WHERE seq = $1",
                  db_i(p->seq), db_c(p->name), db_c(p->title), db_c(p->description), db_i(p->required), db_i(p->visible),
                  db_s(p->settings), db_i(p->updated_at));
}

bool part_delete(store_tx *t, const part *p, err *e) {
    return db_run(t, e, "DELETE FROM facets WHERE part = $1", db_i(p->seq)) &&
           db_run(t, e, "DELETE FROM parts WHERE seq = $1", db_i(p->seq));
}

bool part_get(store_tx *t, arena *a, part_kind kind, const char *id, part *out, err *e) {
    db_rows *r = db_query(t, e, "SELECT " PART_COLUMNS "WHERE p.id = $1 AND p.kind = $2", db_c(id), db_i(kind));
    if (!db_next(r, e)) return missing(e, classes[kind], id);
    *out = read_part(r, a);
    db_done(r);
    return true;
}

bool part_list(store_tx *t, arena *a, int64_t set, part_kind kind, parts *out, err *e) {
    db_rows *r =
        db_query(t, e, "SELECT " PART_COLUMNS "WHERE p.dataset = $1 AND p.kind = $2 ORDER BY p.seq", db_i(set), db_i(kind));
    *out = (parts){0};
    while (db_next(r, e)) STORE_APPEND(a, out, read_part(r, a));
    return e->code == ERR_NONE;
}

static int by_seq(const void *x, const void *y) {
    const int64_t a = ((const part *)x)->seq, b = ((const part *)y)->seq;
    return (a > b) - (a < b);
}

/* Nearly every request asks for these: sorted here, as in response_list. */
bool part_list_all(store_tx *t, arena *a, int64_t set, parts out[PART_KINDS], err *e) {
    db_rows *r = db_query_memo(t, e, "SELECT " PART_COLUMNS "WHERE p.dataset = $1", db_i(set));
    memset(out, 0, PART_KINDS * sizeof *out);
    while (db_next(r, e)) {
        const part p = read_part(r, a);
        STORE_APPEND(a, &out[p.kind], p);
    }
    for (int kind = 0; kind < PART_KINDS; kind++)
        if (out[kind].count > 1) qsort(out[kind].item, (size_t)out[kind].count, sizeof *out[kind].item, by_seq);
    return e->code == ERR_NONE;
}

const part *part_named(const parts *list, str name) {
    for (int i = 0; i < list->count; i++)
        if (str_is(name, list->item[i].name)) return &list->item[i];
    return NULL;
}

const part *part_of_id(const parts *list, const char *id) {
    for (int i = 0; i < list->count; i++)
        if (strcmp(id, list->item[i].id) == 0) return &list->item[i];
    return NULL;
}
