/* api_work.c - who is given which record next, what is assigned to whom, answers sent back, guidelines as they were.
 *
 *     next: what was sent back to me ──► is my quota done? ──► now and then a hidden check ──► my records, or anybody's, in an order */
#include <string.h>

#include "base/clock.h"
#include "serve/api.h"

enum { LEASE_SECONDS = 600, CHECK_EVERY = 10, CANDIDATES = 500, ASSIGN_MOST = 10000, AHEAD_MOST = 10, EXCEPT_MOST = 500 };

/* ---- the next record --------------------------------------------------------------------------------------------------------------- */

typedef enum { BY_SEQUENCE, BY_LOT, BY_UNCERTAINTY, BY_DISAGREEMENT, ORDERS } work_order;
static const char *const order_names[] = {"sequential", "random", "uncertainty", "disagreement"};

static bool order_of(call *c, work_order *out, err *e) {
    const str name = json_get_text(c->body, "order", STR("sequential"));
    for (int i = 0; i < ORDERS; i++)
        if (str_is(name, order_names[i])) {
            *out = (work_order)i;
            return true;
        }
    return invalid(c, "body.order", e, "order should be sequential, random, uncertainty or disagreement, it is '%.*s'",
                   STR_ARG(name));
}

/* How many different things are said to a question, by submitted answers and the suggestion, beyond the first. */
static bool differences(call *c, const schema *s, const record *r, int *out, err *e) {
    responses answers;
    suggestions list;
    *out = 0;
    if (!response_list(c->tx, c->a, r->seq, &answers, e) || !suggestion_list(c->tx, c->a, r->seq, &list, e)) return false;
    for (int q = 0; q < s->question.count; q++) {
        const part *question = &s->question.item[q];
        str *said = arena_array(c->a, str, answers.count + 2);
        int kinds = 0;
        for (int i = 0; i <= answers.count; i++) {
            json *value = NULL;
            for (int k = 0; i == answers.count && k < list.count; k++)
                if (list.item[k].question == question->seq && !json_parse_any(c->a, list.item[k].value, &value, e)) return false;
            if (i < answers.count && answers.item[i].status == RESPONSE_SUBMITTED && answers.item[i].values.ptr)
                value = json_get(json_get(json_parse(c->a, answers.item[i].values, e), question->name), "value");
            if (e->code) return false;
            if (!value) continue;
            const str same = question_same(c->a, json_at(s->questions, (size_t)q), value);
            int k = 0;
            while (k < kinds && !str_eq(said[k], same)) k++;
            if (k == kinds) said[kinds++] = same;
        }
        *out += kinds > 1 ? kinds - 1 : 0;
    }
    return true;
}

/* Records that the person has on the screen or passed over: not these. */
typedef struct {
    uuid_text *id;
    int count;
} passed;

static bool is_passed(const passed * not, const record *r) {
    for (int i = 0; i < not ->count; i++)
        if (strcmp(not ->id[i], r->id) == 0) return true;
    return false;
}

/* The first of a queue; none: out->count 0. */
static bool first_of(call *c, const assignment *of, queue_order order, const passed * not, records *out, err *e) {
    records list;
    *out = (records){0};
    if (!queue_list(c->tx, c->a, c->set.seq, c->me.seq, of, order, not ->count + 1, &list, e)) return false;
    for (int i = 0; i < list.count && !out->count; i++)
        if (!is_passed(not, &list.item[i])) *out = (records){&list.item[i], 1};
    return true;
}

/* The one with most differences; none has any: out->count 0. */
static bool most_disputed(call *c, const schema *s, const assignment *of, const passed * not, records *out, err *e) {
    records list;
    int most = 0;
    *out = (records){0};
    if (!queue_list(c->tx, c->a, c->set.seq, c->me.seq, of, QUEUE_ANSWERED, CANDIDATES, &list, e)) return false;
    for (int i = 0; i < list.count; i++) {
        int n;
        if (is_passed(not, &list.item[i])) continue;
        if (!differences(c, s, &list.item[i], &n, e)) return false;
        if (n > most) *out = (records){&list.item[i], 1}, most = n;
    }
    return true;
}

/* Neither the person nor anybody who watches can tell when: a number of their own decides. */
static bool check_is_due(const call *c, int64_t answered) {
    const uint64_t mixed = ((uint64_t)c->me.seq * 1000003u + (uint64_t)answered) * 0x9E3779B97F4A7C15u;
    return (mixed >> 32) % CHECK_EVERY == 0;
}

static bool choose(call *c, const schema *s, work_order by, const passed * not, records *out, err *e) {
    static const queue_order plain[] = {QUEUE_SEQUENTIAL, QUEUE_RANDOM, QUEUE_UNCERTAINTY, QUEUE_SEQUENTIAL};
    const int64_t set = c->set.seq, me = c->me.seq;
    assignments mine;
    int64_t count[3];
    if (!first_of(c, NULL, QUEUE_RETURNED, not, out, e)) return false;
    if (out->count) return true;
    if (!assignment_list(c->tx, c->a, set, me, &mine, e) || !progress_of(c->tx, set, me, count, e)) return false;
    const assignment *of = mine.count ? &mine.item[0] : NULL;
    if (of && of->quota && of->answered >= of->quota)
        return err_set(e, ERR_NOT_FOUND, "nothing is left for you: your quota of %lld answers is reached", (long long)of->quota);
    if (check_is_due(c, count[RESPONSE_SUBMITTED] + count[RESPONSE_DISCARDED] + not ->count)) {
        if (!first_of(c, of, QUEUE_CHECKS, not, out, e)) return false;
        if (out->count) return true;
    }
    if (by == BY_DISAGREEMENT) {
        if (!most_disputed(c, s, of, not, out, e)) return false;
        if (out->count) return true;
    }
    return first_of(c, of, plain[by], not, out, e);
}

static bool read_passed(call *c, passed *out, err *e) {
    const json *list = json_get(c->body, "except");
    *out = (passed){.id = arena_array(c->a, uuid_text, EXCEPT_MOST + AHEAD_MOST)};
    if (!list) return true;
    if (json_kind_of(list) != JSON_ARRAY || json_count(list) > EXCEPT_MOST)
        return invalid(c, "body.except", e, "except should be a list of at most %d ids of records", EXCEPT_MOST);
    for (size_t i = 0; i < json_count(list); i++)
        if (!uuid_parse(json_text(json_at(list, i), STR("")), out->id[out->count++]))
            return invalid(c, "body.except", e, "except should hold ids of records, item %zu is none", i);
    return true;
}

/* {"count", "order", "except"}: what comes next, held for nobody; fewer, or none, when that is all. */
static bool put_ahead(call *c, const schema *s, const include *i, work_order by, passed * not, err *e) {
    int64_t count = 0;
    err none = {0};
    const json *v = json_get(c->body, "count");
    if ((count = json_int(v, 0)) < 1 || count > AHEAD_MOST)
        return invalid(c, "body.count", e, "count should be a whole number from 1 to %d", AHEAD_MOST);
    items_begin(c);
    for (records one; count-- > 0; memcpy(not ->id[not ->count++], one.item[0].id, sizeof(uuid_text))) {
        if (!choose(c, s, by, not, &one, &none)) {
            if (none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
            break; /* the quota is reached */
        }
        if (!one.count) break;
        if (!put_record(c, &one.item[0], s, i, e)) return false;
    }
    items_end(c);
    object_end(c);
    return true;
}

/* What is free was chosen in this transaction: nobody else can have taken it. */
static bool post_next(call *c, err *e) {
    schema s;
    records list;
    work_order by = BY_SEQUENCE;
    passed not ;
    const include i = {.suggestions = true, .responses = true, .only_user = c->me.seq};
    if (!need_me(c, e) || !order_of(c, &by, e) || !read_passed(c, &not, e) || !schema_rules(c, c->set.seq, &s, e)) return false;
    if (json_has(c->body, "count")) return put_ahead(c, &s, &i, by, &not, e);
    if (!choose(c, &s, by, &not, &list, e)) return false;
    if (!list.count)
        return err_set(e, ERR_NOT_FOUND,
                       "nothing is left for you: every record is answered by you, completed, or held by somebody else");
    return lease_take(c->tx, list.item[0].seq, c->me.seq, clock_now() + (int64_t)LEASE_SECONDS * 1000000, e) &&
           put_record(c, &list.item[0], &s, &i, e);
}

/* What was looked at ahead is held when it is shown. */
static bool post_lease(call *c, err *e) {
    c->status = 204;
    c->no_body = true;
    return need_me(c, e) && lease_take(c->tx, c->record.seq, c->me.seq, clock_now() + (int64_t)LEASE_SECONDS * 1000000, e);
}

static bool delete_lease(call *c, err *e) {
    c->status = 204;
    c->no_body = true;
    return lease_drop(c->tx, c->record.seq, c->me.seq, e);
}

/* ---- assignments ------------------------------------------------------------------------------------------------------------------- */

static void put_assignment(json_writer *w, const assignment *x) {
    json_open(w, '{');
    json_key(w, "id"), json_put_cstr(w, x->id);
    json_key(w, "user_id"), json_put_cstr(w, x->user_id);
    json_key(w, "username"), json_put_cstr(w, x->username);
    json_key(w, "quota");
    if (x->quota) json_put_int(w, x->quota);
    else json_put_null(w);
    json_key(w, "records"), json_put_int(w, x->records);
    json_key(w, "answered"), json_put_int(w, x->answered);
    put_moment(w, "inserted_at", x->inserted_at);
    json_close(w);
}

static bool put_assignments(call *c, int64_t person, err *e) {
    assignments list;
    if (!assignment_list(c->tx, c->a, c->set.seq, person, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) put_assignment(&c->w, &list.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

static bool get_assignments(call *c, err *e) { return put_assignments(c, c->me.role == ROLE_ANNOTATOR ? c->me.seq : 0, e); }

static bool body_count(call *c, const json *in, const char *key, int64_t most, int64_t *out, err *e) {
    const json *v = json_get(in, key);
    if (v) *out = json_int(v, -1);
    return (*out >= 0 && *out <= most) ||
           invalid(c, arena_printf(c->a, "body.%s", key), e, "%s should be a whole number from 0 to %lld", key, (long long)most);
}

static bool assign_named(call *c, const assignment *x, const json *ids, err *e) {
    if (ids && (json_kind_of(ids) != JSON_ARRAY || json_count(ids) > ASSIGN_MOST))
        return invalid(c, "body.records", e, "records should be a list of at most %d ids", ASSIGN_MOST);
    for (size_t i = 0; i < json_count(ids); i++) {
        uuid_text id;
        record r;
        if (!uuid_parse(json_text(json_at(ids, i), STR("")), id))
            return invalid(c, "body.records", e, "record %zu should be a UUID", i);
        if (!record_get(c->tx, c->a, id, &r, e)) return false;
        if (r.dataset != c->set.seq) return err_set(e, ERR_NOT_FOUND, "Record with id `%s` not found", id);
        if (!assignment_add_record(c->tx, x, r.seq, e)) return false;
    }
    return true;
}

static bool assign_batch(call *c, const assignment *x, const json *batch, err *e) {
    int64_t offset = 0, count = 0;
    records page;
    if (!batch) return true;
    if (!body_count(c, batch, "offset", INT32_MAX, &offset, e) || !body_count(c, batch, "count", ASSIGN_MOST, &count, e) ||
        !record_page(c->tx, c->a, c->set.seq, offset, count, &page, e))
        return false;
    for (int i = 0; i < page.count; i++)
        if (!assignment_add_record(c->tx, x, page.item[i].seq, e)) return false;
    return true;
}

/* {"user_id", "quota", "records": [ids], "batch": {"offset", "count"}}: what is assigned already stays. */
static bool post_assignment(call *c, err *e) {
    uuid_text id;
    user person;
    assignments list;
    assignment x = {.dataset = c->set.seq};
    if (!body_object(c, e)) return false;
    if (!uuid_parse(json_get_text(c->body, "user_id", STR("")), id))
        return invalid(c, "body.user_id", e, "user_id should be a UUID");
    if (!user_get(c->tx, c->a, id, &person, e)) return false;
    if (person.role != ROLE_OWNER && !member_is(c->tx, c->set.workspace, person.seq)) /* as if there were nobody */
        return err_set(e, ERR_NOT_FOUND,
                       "User with id `%s` not found in the dataset's workspace: only its members are given records", id);
    x.user = person.seq;
    if (!assignment_list(c->tx, c->a, c->set.seq, person.seq, &list, e)) return false;
    x.quota = list.count ? list.item[0].quota : 0;
    if (json_has(c->body, "quota") && !json_get(c->body, "quota")) x.quota = 0;
    if (!body_count(c, c->body, "quota", INT32_MAX, &x.quota, e) || !assignment_put(c->tx, &x, e) ||
        !assign_named(c, &x, json_get(c->body, "records"), e) || !assign_batch(c, &x, json_get(c->body, "batch"), e) ||
        !audit_add(c->tx, c->me.seq, "assignment.put", x.id, (str){NULL, 0}, e) ||
        !assignment_list(c->tx, c->a, c->set.seq, person.seq, &list, e))
        return false;
    c->status = 201;
    put_assignment(&c->w, &list.item[0]);
    return true;
}

static bool delete_assignment(call *c, err *e) {
    uuid_text id;
    c->status = 204;
    c->no_body = true;
    if (!uuid_parse(c->arg[1], id)) return invalid(c, "path.assignment", e, "the assignment's id should be a UUID");
    return assignment_delete(c->tx, c->set.seq, id, e) && audit_add(c->tx, c->me.seq, "assignment.delete", id, (str){NULL, 0}, e);
}

/* ---- sent back ---------------------------------------------------------------------------------------------------------------------- */

static bool post_return(call *c, err *e) {
    schema s;
    response *x = &c->response;
    note n = {.record = c->record.seq, .user = c->me.seq};
    if (!need_me(c, e) || !body_text(c, "comment", 1, 10000, &n.text, e) || !schema_rules(c, c->set.seq, &s, e)) return false;
    if (x->status == RESPONSE_DRAFT) return err_set(e, ERR_CONFLICT, "this answer is a draft: there is nothing to send back");
    x->status = RESPONSE_DRAFT;
    if (!response_put(c->tx, x, c->me.seq, e) || !response_return(c->tx, x, e) || !note_add(c->tx, &n, e) ||
        !index_response(c, x, &s, false, e) || !answer_changed(c, &c->record, &c->set, e) ||
        !note_event(c, "response.updated", &c->set, &c->record, x, e) ||
        !note_event(c, "response.returned", &c->set, &c->record, x, e) ||
        !audit_add(c->tx, c->me.seq, "response.return", x->id, (str){NULL, 0}, e))
        return false;
    put_response(&c->w, x);
    return true;
}

/* ---- guidelines --------------------------------------------------------------------------------------------------------------------- */

static bool get_guidelines(call *c, err *e) {
    guidelines list;
    if (!guidelines_list(c->tx, c->a, c->set.seq, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        json_open(&c->w, '{');
        json_key(&c->w, "version"), json_put_int(&c->w, list.count - i);
        json_key(&c->w, "guidelines");
        if (list.item[i].text.ptr) json_put_text(&c->w, list.item[i].text);
        else json_put_null(&c->w);
        put_moment(&c->w, "inserted_at", list.item[i].at);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

const route routes_work[] = {
    {"POST", "/api/v1/me/datasets/{id}/next", WHO_MEMBER, OF_DATASET, RUN_WRITE, post_next,
     "the next record for me, held for ten minutes; order: sequential, random, uncertainty, disagreement; with count: a list, "
     "not held"},
    {"POST", "/api/v1/records/{id}/lease", WHO_MEMBER, OF_RECORD, RUN_WRITE, post_lease,
     "hold a record for ten minutes; 409 while somebody else does"},
    {"DELETE", "/api/v1/records/{id}/lease", WHO_MEMBER, OF_RECORD, RUN_WRITE, delete_lease, "let go of a record"},
    {"GET", "/api/v1/datasets/{id}/assignments", WHO_MEMBER, OF_DATASET, RUN_READ, get_assignments,
     "who is to answer what, and how much of it is done; annotators see their own"},
    {"POST", "/api/v1/datasets/{id}/assignments", WHO_ADMIN, OF_DATASET, RUN_WRITE, post_assignment,
     "assign records or a batch to a person, with a quota"},
    {"DELETE", "/api/v1/datasets/{id}/assignments/{assignment}", WHO_ADMIN, OF_DATASET, RUN_WRITE, delete_assignment,
     "end an assignment"},
    {"POST", "/api/v1/responses/{id}/return", WHO_ADMIN, OF_RESPONSE, RUN_WRITE, post_return,
     "send an answer back with a comment: it is a draft again, and comes first in the person's queue"},
    {"GET", "/api/v1/datasets/{id}/guidelines", WHO_MEMBER, OF_DATASET, RUN_READ, get_guidelines,
     "guidelines as they are and were, newest first"},
    {0},
};
