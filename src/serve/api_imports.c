/* api_imports.c - records that come together: begun, finished, undone. A failed or forgotten import leaves nothing behind. */
#include <string.h>

#include "base/file.h"
#include "serve/api.h"

enum { PAGE = 500 };

static void put_import(json_writer *w, const import_row *i) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, i->id);
    json_key(w, "source"), json_put_cstr(w, i->source);
    json_key(w, "records"), json_put_int(w, i->records);
    put_moment(w, "started_at", i->started_at);
    if (i->finished_at) put_moment(w, "finished_at", i->finished_at);
    else json_key(w, "finished_at"), json_put_null(w);
    json_close(w);
}

static bool get_list(call *c, err *e) {
    imports list;
    if (!import_list(c->tx, c->a, c->set.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_import(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool post_one(call *c, err *e) {
    import_row i = {.dataset = c->set.seq};
    if (!body_text(c, "source", 1, 1000, &i.source, e)) return false;
    if (!c->set.ready) return err_set(e, ERR_INPUT, "records cannot be imported into a draft dataset: publish it first");
    if (!import_begin(c->tx, &i, c->me.seq, e)) return false;
    c->status = 201;
    put_import(&c->w, &i);
    return true;
}

static bool named(call *c, import_row *out, err *e) {
    uuid_text id;
    if (!uuid_parse(c->arg[1], id)) return invalid(c, "path.import", e, "the import's id should be a UUID");
    return import_get(c->tx, c->a, c->set.seq, id, out, e) && import_count(c->tx, out, e);
}

static bool finish(call *c, err *e) {
    import_row i;
    if (!named(c, &i, e) || !import_end(c->tx, &i, e) || !named(c, &i, e)) return false;
    put_import(&c->w, &i);
    return note_event(c, "dataset.imported", &c->set, NULL, NULL, e) &&
           audit_add(c->tx, c->me.seq, "import", c->set.id, str_of(i.source), e);
}

static bool undo(call *c, const import_row *i, err *e) {
    schema s;
    records page;
    int64_t seq = 0;
    arena *own = c->a;
    if (!schema_rules(c, i->dataset, &s, e)) return false;
    do {
        arena *scratch = c->a = arena_new();
        bool ok = import_records(c->tx, scratch, i->seq, seq, PAGE, &page, e);
        for (int k = 0; k < page.count && ok; k++) {
            seq = page.item[k].seq;
            ok = unindex_record(c, &page.item[k], &s, e);
        }
        c->a = own;
        arena_free(scratch);
        if (!ok) return false;
    } while (page.count);
    return import_undo(c->tx, i, e);
}

static bool delete_one(call *c, err *e) {
    import_row i;
    if (!named(c, &i, e) || !undo(c, &i, e)) return false;
    put_import(&c->w, &i);
    return audit_add(c->tx, c->me.seq, "import.undo", c->set.id, str_of(i.source), e);
}

static bool undo_all(store_tx *t, void *context, err *e) {
    call *c = context;
    imports list;
    c->tx = t;
    bool ok = import_unfinished(t, c->a, &list, e);
    for (int i = 0; ok && i < list.count; i++) ok = undo(c, &list.item[i], e);
    return ok;
}

bool undo_unfinished_imports(server *s, err *e) {
    arena *a = arena_new();
    call c = {.server = s, .a = a};
    const char *uploads = path_join(a, store_folder(server_store(s)), "uploads"); /* of jobs that were cut off */
    const bool ok = store_write(server_store(s), undo_all, &c, e) && dir_remove(uploads, e);
    arena_free(a);
    return ok;
}

const route routes_imports[] = {
    {"GET", "/api/v1/datasets/{id}/imports", WHO_ADMIN, OF_DATASET, RUN_READ, get_list, "what was imported"},
    {"POST", "/api/v1/datasets/{id}/imports", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_one,
     "begin an import; records are sent with ?import=ID"},
    {"PUT", "/api/v1/datasets/{id}/imports/{import}", WHO_ADMIN, OF_DATASET, RUN_WRITE, finish, "finish an import"},
    {"DELETE", "/api/v1/datasets/{id}/imports/{import}", WHO_ADMIN, OF_DATASET, RUN_WRITE, delete_one,
     "undo an import: its records go"},
    {0},
};
