/* annotator_report.c - how much each person answered, how long it took, and how often they said what gold, the others, or a suggestion said.
 *
 * A person's answers in the order of their moments: gaps below five minutes are work, longer ones are pauses. So the first answer after a
 * pause has no time of its own, and a single answer none at all. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/agreement.h"
#include "data/kinds.h"

enum { PAUSE_SECONDS = 300 };

typedef struct {
    int64_t compared, same;
} share;

typedef struct {
    const json *user;
    int64_t by_status[3]; /* draft, submitted, discarded */
    int64_t *moment;
    int moments, room;
    share gold, hidden, majority, suggestion;
} annotator;

typedef struct {
    arena *a;
    const json *questions;
    annotator *item;
    int count, room;
} people;

static annotator *person_of(people *p, const json *user) {
    for (int i = 0; i < p->count; i++)
        if (json_equal(p->item[i].user, user)) return &p->item[i];
    if (p->count == p->room) {
        annotator *grown = arena_array(p->a, annotator, 2 * p->room + 8);
        for (int i = 0; i < p->count; i++) grown[i] = p->item[i];
        p->item = grown;
        p->room = 2 * p->room + 8;
    }
    p->item[p->count] = (annotator){.user = user};
    return &p->item[p->count++];
}

static void note_moment(arena *a, annotator *x, str text) {
    int64_t moment;
    if (!moment_parse(text, &moment)) return;
    if (x->moments == x->room) {
        int64_t *grown = arena_array(a, int64_t, 2 * x->room + 16);
        for (int i = 0; i < x->moments; i++) grown[i] = x->moment[i];
        x->moment = grown;
        x->room = 2 * x->room + 16;
    }
    x->moment[x->moments++] = moment;
}

/* ---- compared with what ------------------------------------------------------------------------------------------------------------- */

static void compare(const people *p, const json *question, const json *mine, const json *other, share *s) {
    if (!mine || !other) return;
    s->compared++;
    s->same += str_eq(question_same(p->a, question, mine), question_same(p->a, question, other));
}

static const json *suggested(const json *record, const json *question) {
    const json *list = json_get(record, "suggestions"), *id = json_get(question, "id");
    for (size_t i = 0; id && i < json_count(list); i++)
        if (json_equal(json_get(json_at(list, i), "question_id"), id)) return json_get(json_at(list, i), "value");
    return NULL;
}

static void enter(people *p, const json *record, const json *response) {
    static const char *const statuses[] = {"draft", "submitted", "discarded"};
    annotator *x = person_of(p, json_get(response, "user_id"));
    const str status = json_get_text(response, "status", STR(""));
    for (int i = 0; i < 3; i++) x->by_status[i] += str_is(status, statuses[i]);
    note_moment(p->a, x, json_get_text(response, "updated_at", STR("")));
    if (!str_is(status, "submitted")) return;
    share *gold = json_get_bool(record, "gold_hidden", false) ? &x->hidden : &x->gold;
    for (size_t i = 0; i < json_count(p->questions); i++) {
        const json *question = json_at(p->questions, i);
        const char *name = str_copy(p->a, json_get_text(question, "name", STR("")));
        const json *mine = json_get(json_get(json_get(response, "values"), name), "value");
        compare(p, question, mine, json_get(json_get(json_get(record, "gold"), name), "value"), gold);
        compare(p, question, mine, suggested(record, question), &x->suggestion);
    }
}

static void add_majorities(people *p, const json *records) {
    const json *list = json_get(agreement_report(p->a, p->questions, records, 0), "questions");
    for (size_t q = 0; q < json_count(list); q++) {
        const json *each = json_get(json_at(list, q), "annotators");
        for (size_t i = 0; i < json_count(each); i++) {
            const json *one = json_at(each, i);
            annotator *x = person_of(p, json_get(one, "user_id"));
            const int64_t compared = json_get_int(one, "compared", 0);
            x->majority.compared += compared;
            x->majority.same += llround(json_get_real(one, "with_majority", 0) * (double)compared);
        }
    }
}

/* ---- time --------------------------------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Seconds of work, and the median of the gaps that are work (NAN: none). */
static void time_of(arena *a, annotator *x, double *active, double *median) {
    int64_t *gap = arena_array(a, int64_t, x->moments + 1);
    int gaps = 0;
    *active = 0;
    qsort(x->moment, (size_t)x->moments, sizeof *x->moment, by_size);
    for (int i = 1; i < x->moments; i++) {
        const int64_t d = x->moment[i] - x->moment[i - 1];
        if (d >= (int64_t)PAUSE_SECONDS * 1000000) continue;
        gap[gaps++] = d;
        *active += (double)d / 1e6;
    }
    qsort(gap, (size_t)gaps, sizeof *gap, by_size);
    *median = gaps ? (double)(gap[(gaps - 1) / 2] + gap[gaps / 2]) / 2e6 : (double)NAN;
}

/* ---- together ------------------------------------------------------------------------------------------------------------------------ */

static void set_number(arena *a, json *out, const char *key, double v) {
    json_set(out, key, isnan(v) ? NULL : json_new_real(a, v));
}

static void set_share(arena *a, json *out, const char *key, const share *s) {
    json *v = json_new_object(a);
    json_set(v, "compared", json_new_int(a, s->compared));
    json_set(v, "same", json_new_int(a, s->same));
    set_number(a, v, "share", s->compared ? (double)s->same / (double)s->compared : (double)NAN);
    json_set(out, key, v);
}

static json *report_of(arena *a, annotator *x) {
    json *out = json_new_object(a);
    double active, median;
    time_of(a, x, &active, &median);
    json_set(out, "user_id", json_share(a, (json *)(uintptr_t)x->user));
    json_set(out, "submitted", json_new_int(a, x->by_status[1]));
    json_set(out, "drafts", json_new_int(a, x->by_status[0]));
    json_set(out, "discarded", json_new_int(a, x->by_status[2]));
    json_set(out, "active_seconds", json_new_real(a, active));
    set_number(a, out, "median_seconds", median);
    set_share(a, out, "gold", &x->gold);
    set_share(a, out, "hidden_gold", &x->hidden);
    set_share(a, out, "majority", &x->majority);
    set_share(a, out, "suggestions", &x->suggestion);
    return out;
}

json *annotator_report(arena *a, const json *questions, const json *records) {
    people p = {.a = a, .questions = questions};
    json *out = json_new_array(a);
    for (size_t r = 0; r < json_count(records); r++) {
        const json *record = json_at(records, r), *list = json_get(record, "responses");
        for (size_t i = 0; i < json_count(list); i++) enter(&p, record, json_at(list, i));
    }
    add_majorities(&p, records);
    for (int i = 0; i < p.count; i++) json_append(out, report_of(a, &p.item[i]));
    return out;
}
