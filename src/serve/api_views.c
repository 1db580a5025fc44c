/* api_views.c - views of a dataset: filters and order under a name, for oneself or for everybody who sees the dataset. */
#include <string.h>

#include "serve/api.h"

enum { QUERY_MOST = 16 << 10, VIEWS_MOST = 100 /* of a person in a dataset */ };

static void put_view(call *c, const kept_view *x) {
    json_open(&c->w, '{');
    json_key(&c->w, "id"), json_put_cstr(&c->w, x->id);
    json_key(&c->w, "name"), json_put_cstr(&c->w, x->name);
    json_key(&c->w, "query"), json_put_raw(&c->w, x->query);
    json_key(&c->w, "shared"), json_put_bool(&c->w, x->shared);
    json_key(&c->w, "mine"), json_put_bool(&c->w, x->user == c->me.seq);
    json_key(&c->w, "by"), json_put_cstr(&c->w, x->username);
    put_moment(&c->w, "inserted_at", x->inserted_at);
    json_close(&c->w);
}

static bool get_views(call *c, err *e) {
    kept_views list;
    if (!view_list(c->tx, c->a, c->set.seq, c->me.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_view(c, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool post_view(call *c, err *e) {
    kept_view x = {.dataset = c->set.seq, .user = c->me.seq, .username = c->me.username};
    if (!need_me(c, e) || !body_object(c, e) || !body_text(c, "name", 1, 60, &x.name, e) ||
        !body_bool_or(c, "shared", &x.shared, e))
        return false;
    const json *query = json_get(c->body, "query");
    if (json_kind_of(query) != JSON_OBJECT) return invalid(c, "body.query", e, "query should be an object");
    x.query = written(c, query);
    if (x.query.len > QUERY_MOST) return invalid(c, "body.query", e, "query should be at most %d bytes", QUERY_MOST);
    if (!view_put(c->tx, &x, e)) return false;
    if (view_count(c->tx, x.dataset, x.user, e) > VIEWS_MOST)
        return err_set(e, ERR_LIMIT, "a person keeps at most %d views of a dataset: forget one first", VIEWS_MOST);
    c->status = 201;
    put_view(c, &x);
    return true;
}

/* One's own; shared ones of others by admins. A view that is not shown is as if it were not there. */
static bool delete_view(call *c, err *e) {
    kept_view x;
    uuid_text id;
    if (!uuid_parse(c->arg[1], id)) return invalid(c, "path.view", e, "the view's id should be a UUID");
    if (!view_get(c->tx, c->a, c->set.seq, id, &x, e)) return false;
    const bool mine = c->me.seq && x.user == c->me.seq;
    if (!mine && !x.shared) return err_set(e, ERR_NOT_FOUND, "View with id `%s` not found", id);
    if (!mine && c->me.role == ROLE_ANNOTATOR)
        return err_set(e, ERR_CONFLICT, "this view is %s's: they or an admin may remove it", x.username);
    c->status = 204;
    c->no_body = true;
    return view_delete(c->tx, &x, e);
}

const route routes_views[] = {
    {"GET", "/api/v1/datasets/{id}/views", WHO_MEMBER, OF_DATASET, RUN_READ, get_views,
     "kept views: mine, and those that are shared"},
    {"POST", "/api/v1/datasets/{id}/views", WHO_MEMBER, OF_DATASET, RUN_WRITE, post_view,
     "keep a view: {name, query, shared}; in the place of mine of that name"},
    {"DELETE", "/api/v1/datasets/{id}/views/{view}", WHO_MEMBER, OF_DATASET, RUN_WRITE, delete_view, "forget a view"},
    {0},
};
