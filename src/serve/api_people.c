/* api_people.c - how people work: what each of them did, and where they disagree, for whom settles it. */
#include <stdlib.h>
#include <string.h>

#include "serve/api.h"

enum { WORST = 100000 };

/* ---- annotators -------------------------------------------------------------------------------------------------------------------- */

static bool name_person(call *c, json *v, err *e) {
    user person;
    err none = {0};
    const char *id = str_copy(c->a, json_get_text(v, "user_id", STR("")));
    if (user_get(c->tx, c->a, id, &person, &none)) json_set(v, "username", json_new_text(c->a, str_of(person.username)));
    return !none.code || none.code == ERR_NOT_FOUND || err_set(e, none.code, "%s", none.text);
}

/* Of erased people the numbers alone. */
static void put_tally(json_writer *w, const tally *x) {
    json_open(w, '{');
    json_key(w, "user_id"), json_put_cstr(w, x->user_id);
    json_key(w, "username"), json_put_cstr(w, x->username);
    json_key(w, "submitted"), json_put_int(w, x->count[RESPONSE_SUBMITTED]);
    json_key(w, "drafts"), json_put_int(w, x->count[RESPONSE_DRAFT]);
    json_key(w, "discarded"), json_put_int(w, x->count[RESPONSE_DISCARDED]);
    json_key(w, "erased"), json_put_bool(w, true);
    json_close(w);
}

static bool get_annotators(call *c, err *e) {
    schema s;
    json *all;
    tallies erased;
    if (!dataset_records(c, &s, &all, e) || !tally_list(c->tx, c->a, c->set.seq, &erased, e)) return false;
    const json *list = annotator_report(c->a, s.questions, all);
    items_begin(c);
    for (size_t i = 0; i < json_count(list); i++) {
        if (!name_person(c, json_at(list, i), e)) return false;
        json_put_value(&c->w, json_at(list, i));
    }
    for (int i = 0; i < erased.count; i++) put_tally(&c->w, &erased.item[i]);
    items_end(c);
    object_end(c);
    return true;
}

/* ---- disagreements ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    str id;
    json *record, *questions; /* NULL: they agree */
    double least;
} dispute;

static int by_id(const void *a, const void *b) { return str_compare(((const dispute *)a)->id, ((const dispute *)b)->id); }

static int worst_first(const void *a, const void *b) {
    const dispute *x = a, *y = b;
    if (!x->questions || !y->questions) return (x->questions == NULL) - (y->questions == NULL);
    return x->least != y->least ? (x->least < y->least ? -1 : 1) : by_id(a, b);
}

static void note_dispute(arena *a, dispute *d, const json *question, const json *found) {
    const double agreement = json_get_real(found, "agreement", 1);
    json *one = json_new_object(a);
    if (!d->questions) d->questions = json_new_array(a);
    json_set(one, "name", json_share(a, json_get(question, "name")));
    json_set(one, "answers", json_share(a, json_get(found, "answers")));
    json_set(one, "agreement", json_new_real(a, agreement));
    json_append(d->questions, one);
    d->least = agreement < d->least ? agreement : d->least;
}

/* All records, the most disputed first; those without a dispute, or (open) with a settled answer, at the end without questions. */
static dispute *disputes_of(arena *a, const json *questions, const json *all, str only, bool open) {
    const size_t n = json_count(all);
    const json *report = json_get(agreement_report(a, questions, all, WORST), "questions");
    dispute *list = arena_array(a, dispute, n + 1);
    for (size_t i = 0; i < n; i++) list[i] = (dispute){json_get_text(json_at(all, i), "id", STR("")), json_at(all, i), NULL, 1};
    qsort(list, n, sizeof *list, by_id);
    for (size_t q = 0; q < json_count(report); q++) {
        const json *question = json_at(report, q), *found = json_get(question, "disagreements");
        if (only.ptr && !str_eq(only, json_get_text(question, "name", STR("")))) continue;
        for (size_t i = 0; i < json_count(found); i++) {
            const dispute key = {.id = json_get_text(json_at(found, i), "record_id", STR(""))};
            dispute *d = bsearch(&key, list, n, sizeof *list, by_id);
            if (d && !(open && json_get(d->record, "gold"))) note_dispute(a, d, question, json_at(found, i));
        }
    }
    qsort(list, n, sizeof *list, worst_first);
    return list;
}

static bool get_disagreements(call *c, err *e) {
    schema s;
    json *all;
    int64_t offset, limit, total = 0;
    const bool open = !str_is(query_of(c, "settled", STR("false")), "true");
    if (!query_int(c, "offset", 0, INT32_MAX, 0, &offset, e) || !query_int(c, "limit", 1, 1000, 50, &limit, e) ||
        !dataset_records(c, &s, &all, e))
        return false;
    const dispute *list = disputes_of(c->a, s.questions, all, query_of(c, "question", (str){NULL, 0}), open);
    while (total < (int64_t)json_count(all) && list[total].questions) total++;
    items_begin(c);
    for (int64_t i = offset; i < total && i < offset + limit; i++) {
        json_open(&c->w, '{');
        json_key(&c->w, "agreement"), json_put_real(&c->w, list[i].least);
        json_key(&c->w, "questions"), json_put_value(&c->w, list[i].questions);
        json_key(&c->w, "record"), json_put_value(&c->w, list[i].record);
        json_close(&c->w);
    }
    items_end(c);
    json_key(&c->w, "total"), json_put_int(&c->w, total);
    object_end(c);
    return true;
}

const route routes_people[] = {
    {"GET", "/api/v1/datasets/{id}/annotators", WHO_ADMIN, OF_DATASET, RUN_READ, get_annotators,
     "what each person did: answers, time, agreement with gold, the others and suggestions"},
    {"GET", "/api/v1/datasets/{id}/disagreements", WHO_ADMIN, OF_DATASET, RUN_READ, get_disagreements,
     "records whose answers differ and are not settled, least agreement first (?question=, ?settled=true)"},
    {0},
};
