/* api_suggestions.c - suggestions of one record. */
#include <string.h>

#include "serve/api.h"

enum { DELETE_MOST = 100 };

static bool get_list(call *c, err *e) {
    suggestions list;
    if (!suggestion_list(c->tx, c->a, c->record.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_suggestion(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool put_one(call *c, err *e) {
    schema s;
    suggestion made;
    bool created;
    if (!body_object(c, e) || !schema_rules(c, c->set.seq, &s, e) ||
        !suggestion_write(c, &c->record, &s, c->body, &made, &created, e))
        return false;
    c->status = created ? 201 : 200;
    put_suggestion(&c->w, &made);
    return note_event(c, "record.updated", &c->set, &c->record, NULL, e);
}

static bool post_one(call *c, err *e) {
    if (!put_one(c, e)) return false;
    c->status = 201;
    return true;
}

static bool delete_list(call *c, err *e) {
    suggestions list;
    const str text = query_of(c, "ids", STR(""));
    int named = 0;
    if (!suggestion_list(c->tx, c->a, c->record.seq, &list, e)) return false;
    for (size_t at = 0; at < text.len;) {
        const ptrdiff_t comma = str_find(text, STR(","), at);
        const size_t end = comma < 0 ? text.len : (size_t)comma;
        uuid_text id;
        const str one = str_trim(str_slice(text, at, end));
        at = end + 1;
        if (!one.len) continue;
        if (!uuid_parse(one, id) || ++named > DELETE_MOST)
            return invalid(c, "query.ids", e, "ids should be 1 to %d UUIDs", DELETE_MOST);
        for (int i = 0; i < list.count; i++)
            if (strcmp(list.item[i].id, id) == 0 && !suggestion_delete(c->tx, &list.item[i], e)) return false;
    }
    if (!named) return invalid(c, "query.ids", e, "ids is empty: name 1 to %d suggestions", DELETE_MOST);
    c->status = 204;
    c->no_body = true;
    return note_event(c, "record.updated", &c->set, &c->record, NULL, e);
}

static bool delete_one(call *c, err *e) {
    put_suggestion(&c->w, &c->suggestion);
    return suggestion_delete(c->tx, &c->suggestion, e) && note_event(c, "record.updated", &c->set, &c->record, NULL, e);
}

const route routes_suggestions[] = {
    {"GET", "/api/v1/records/{id}/suggestions", WHO_MEMBER, OF_RECORD, RUN_READ, get_list, "suggestions of a record"},
    {"PUT", "/api/v1/records/{id}/suggestions", WHO_ADMIN, OF_RECORD, RUN_WRITE, put_one,
     "the suggestion for a question, new or replaced"},
    {"POST", "/api/v1/records/{id}/suggestions", WHO_ADMIN, OF_RECORD, RUN_WRITE, post_one, "the same, for older clients"},
    {"DELETE", "/api/v1/records/{id}/suggestions", WHO_ADMIN, OF_RECORD, RUN_WRITE, delete_list,
     "remove suggestions by ?ids=a,b"},
    {"DELETE", "/api/v1/suggestions/{id}", WHO_ADMIN, OF_SUGGESTION, RUN_WRITE, delete_one, "remove a suggestion"},
    {0},
};
