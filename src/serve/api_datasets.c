/* api_datasets.c - datasets as such: made, changed, published, counted. */
#include <string.h>

#include "serve/api.h"

/* A dataset as data's rules want it: an object with the keys a body has. */
static json *definition_of(call *c, const dataset *d) {
    buf text = {0};
    err e = {0};
    json_writer w = json_writer_on(&text, false);
    put_dataset(&w, d);
    json *v = json_parse(c->a, buf_str(&text), &e);
    buf_free(&text);
    return v;
}

static void take_definition(call *c, const json *v, dataset *d) {
    d->name = str_copy(c->a, json_get_text(v, "name", STR("")));
    d->guidelines = json_get_text(v, "guidelines", (str){NULL, 0});
    d->allow_extra_metadata = json_get_bool(v, "allow_extra_metadata", true);
    d->min_submitted = json_get_int(json_get(v, "distribution"), "min_submitted", 1);
    d->metadata = written(c, json_get(v, "metadata"));
}

static bool get_mine(call *c, err *e) {
    datasets list;
    const str space = query_of(c, "workspace_id", (str){NULL, 0}), name = query_of(c, "name", (str){NULL, 0}),
              status = query_of(c, "status", (str){NULL, 0});
    uuid_text id;
    if (status.ptr && !str_is(status, "ready") && !str_is(status, "draft"))
        return invalid(c, "query.status", e, "status should be draft or ready");
    if (space.ptr) {
        workspace w;
        if (!uuid_parse(space, id)) return invalid(c, "query.workspace_id", e, "workspace_id should be a UUID");
        if (!workspace_get(c->tx, c->a, id, &w, e)) return false;
        if (!is_member(c, w.seq)) return err_set(e, ERR_NOT_FOUND, "Workspace with id `%s` not found", id); /* as a missing one */
    }
    if (!dataset_list(c->tx, c->a, c->me.role == ROLE_OWNER ? 0 : c->me.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const dataset *d = &list.item[i];
        if ((!space.ptr || strcmp(d->workspace_id, id) == 0) && (!name.ptr || str_is(name, d->name)) &&
            (!status.ptr || str_is(status, d->ready ? "ready" : "draft")))
            put_dataset(&c->w, d);
    }
    items_end(c);
    object_end(c);
    return true;
}

static bool post_dataset(call *c, err *e) {
    uuid_text id;
    json *made;
    err broken = {0};
    if (!body_object(c, e)) return false;
    if (!uuid_parse(json_get_text(c->body, "workspace_id", STR("")), id))
        return invalid(c, "body.workspace_id", e, "workspace_id should be a UUID");
    if (!dataset_create(c->a, c->body, &made, &broken)) return broken_rule(c, &broken, e);
    if (!workspace_get(c->tx, c->a, id, &c->space, &broken)) return err_set(e, ERR_INPUT, "%s", broken.text);
    if (c->me.role == ROLE_ANNOTATOR) return forbidden(e, "Operation not allowed");
    if (!is_member(c, c->space.seq)) return err_set(e, ERR_INPUT, "Workspace with id `%s` not found", id);
    dataset *d = &c->set;
    *d = (dataset){.workspace = c->space.seq};
    memcpy(d->workspace_id, id, sizeof id);
    take_definition(c, made, d);
    if (!dataset_add(c->tx, d, e) || !note_event(c, "dataset.created", d, NULL, NULL, e)) return false;
    c->status = 201;
    put_dataset(&c->w, d);
    return true;
}

static bool get_dataset(call *c, err *e) {
    (void)e;
    put_dataset(&c->w, &c->set);
    return true;
}

static bool patch_dataset(call *c, err *e) {
    static const char *const fixed[] = {"name", "allow_extra_metadata", "distribution", NULL};
    dataset *d = &c->set;
    const int64_t before = d->min_submitted;
    json *made;
    err broken = {0};
    if (!body_object(c, e) || !body_not_null(c, fixed, e)) return false;
    if (!dataset_update(c->a, definition_of(c, d), c->body, &made, &broken)) return broken_rule(c, &broken, e);
    take_definition(c, made, d);
    if (!dataset_save(c->tx, d, e)) return false;
    if (before != d->min_submitted && !record_recount_all(c->tx, d->seq, d->min_submitted, e)) return false;
    put_dataset(&c->w, d);
    return note_event(c, "dataset.updated", d, NULL, NULL, e);
}

static bool delete_dataset(call *c, err *e) {
    put_dataset(&c->w, &c->set);
    return note_event(c, "dataset.deleted", &c->set, NULL, NULL, e) && dataset_delete(c->tx, &c->set, e) &&
           audit_add(c->tx, c->me.seq, "dataset.delete", c->set.id, str_of(c->set.name), e);
}

static bool publish(call *c, err *e) {
    dataset *d = &c->set;
    schema s;
    if (d->ready) return err_set(e, ERR_INPUT, "Dataset is already published");
    if (!schema_of(c, d->seq, &s, e) || !dataset_publishable(parts_json(c->a, &s.field), parts_json(c->a, &s.question), e))
        return false;
    d->ready = true;
    if (!dataset_save(c->tx, d, e) || !search_create(c->tx, d->seq, &s.field, e)) return false;
    put_dataset(&c->w, d);
    return note_event(c, "dataset.published", d, NULL, NULL, e);
}

/* ---- progress ------------------------------------------------------------------------------------------------------------------------ */

static void put_counts(json_writer *w, const char *key, const int64_t n[3]) {
    json_key(w, key), json_open(w, '{');
    json_key(w, "submitted"), json_put_int(w, n[RESPONSE_SUBMITTED]);
    json_key(w, "discarded"), json_put_int(w, n[RESPONSE_DISCARDED]);
    json_key(w, "draft"), json_put_int(w, n[RESPONSE_DRAFT]);
    json_close(w);
}

static bool put_people(call *c, bool counted, err *e) {
    static const int64_t zero[3];
    user_progress *list;
    int count;
    if (!progress_users(c->tx, c->a, c->set.seq, &list, &count, e)) return false;
    json_key(&c->w, "users"), json_open(&c->w, '[');
    for (int i = 0; i < count; i++) {
        json_open(&c->w, '{');
        json_key(&c->w, "username"), json_put_cstr(&c->w, list[i].username);
        put_counts(&c->w, "completed", counted ? list[i].count[1] : zero);
        put_counts(&c->w, "pending", counted ? list[i].count[0] : zero);
        json_close(&c->w);
    }
    json_close(&c->w);
    return true;
}

static bool get_progress(call *c, err *e) {
    json_open(&c->w, '{');
    json_key(&c->w, "total"), json_put_int(&c->w, c->set.records);
    json_key(&c->w, "completed"), json_put_int(&c->w, c->set.completed);
    json_key(&c->w, "pending"), json_put_int(&c->w, c->set.records - c->set.completed);
    if (!put_people(c, false, e)) return false;
    json_close(&c->w);
    return true;
}

static bool get_users_progress(call *c, err *e) {
    json_open(&c->w, '{');
    if (!put_people(c, true, e)) return false;
    json_close(&c->w);
    return true;
}

static bool get_metrics(call *c, err *e) {
    int64_t n[3];
    if (!progress_of(c->tx, c->set.seq, c->me.seq, n, e)) return false;
    const int64_t total = c->set.records, answered = n[0] + n[1] + n[2];
    json_open(&c->w, '{');
    json_key(&c->w, "records"), json_open(&c->w, '{');
    json_key(&c->w, "count"), json_put_int(&c->w, total);
    json_close(&c->w);
    json_key(&c->w, "responses"), json_open(&c->w, '{');
    json_key(&c->w, "count"), json_put_int(&c->w, answered);
    json_key(&c->w, "total"), json_put_int(&c->w, total);
    json_key(&c->w, "submitted"), json_put_int(&c->w, n[RESPONSE_SUBMITTED]);
    json_key(&c->w, "discarded"), json_put_int(&c->w, n[RESPONSE_DISCARDED]);
    json_key(&c->w, "draft"), json_put_int(&c->w, n[RESPONSE_DRAFT]);
    json_key(&c->w, "pending"), json_put_int(&c->w, total - answered);
    json_close(&c->w), json_close(&c->w);
    return true;
}

const route routes_datasets[] = {
    {"GET", "/api/v1/me/datasets", WHO_USER, OF_NOTHING, RUN_READ, get_mine, "datasets I may see"},
    {"POST", "/api/v1/datasets", WHO_USER, OF_NOTHING, RUN_WRITE, post_dataset,
     "a new dataset, in a workspace of mine (owner, admin)"},
    {"GET", "/api/v1/datasets/{id}", WHO_MEMBER, OF_DATASET, RUN_READ, get_dataset, "a dataset"},
    {"PATCH", "/api/v1/datasets/{id}", WHO_ADMIN, OF_DATASET, RUN_WRITE, patch_dataset,
     "change name, guidelines, distribution ..."},
    {"DELETE", "/api/v1/datasets/{id}", WHO_ADMIN, OF_DATASET, RUN_WRITE, delete_dataset,
     "remove a dataset with all that is in it"},
    {"PUT", "/api/v1/datasets/{id}/publish", WHO_ADMIN, OF_DATASET, RUN_WRITE, publish, "open a dataset for records"},
    {"GET", "/api/v1/datasets/{id}/progress", WHO_MEMBER, OF_DATASET, RUN_READ, get_progress, "records completed and pending"},
    {"GET", "/api/v1/datasets/{id}/users/progress", WHO_MEMBER, OF_DATASET, RUN_READ, get_users_progress, "answers by person"},
    {"GET", "/api/v1/me/datasets/{id}/metrics", WHO_MEMBER, OF_DATASET, RUN_READ, get_metrics, "my answers by status"},
    {0},
};
