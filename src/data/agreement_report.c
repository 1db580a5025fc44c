/* agreement_report.c - how far the people of a dataset agree, question by question.
 *
 * Answers become a table of numbers, people by records: ratings are themselves, everything else is the number of its kind of answer
 * (two answers that say the same have one number). The statistics of agreement.h do the rest. */
#include <math.h>
#include <stdlib.h>

#include "data/agreement.h"
#include "data/kinds.h"

typedef struct {
    arena *a;
    const json *question, *records;
    const json **people; /* user ids */
    int people_count, record_count, kinds;
    str *same;      /* [kinds] what each kind of answer is */
    int *bucket;    /* [buckets] kinds + 1 by the hash of `same`; 0: free */
    size_t buckets; /* a power of two, at least twice the answers */
    double *values; /* [people][records], NAN: none */
    int *kind;      /* [people][records], -1: none */
    int *x, *y;     /* [records] what two people said of the records they share */
    double *column; /* [people] */
} table;

/* ---- the table --------------------------------------------------------------------------------------------------------------------- */

static bool counts(const json *response) { return str_is(json_get_text(response, "status", STR("")), "submitted"); }

static int person_of(const table *t, const json *user) {
    for (int p = 0; p < t->people_count; p++)
        if (json_equal(t->people[p], user)) return p;
    return -1;
}

/* Everyone who submitted something. */
static void find_people(table *t) {
    size_t room = 1;
    for (int r = 0; r < t->record_count; r++) room += json_count(json_get(json_at(t->records, (size_t)r), "responses"));
    t->people = arena_array(t->a, const json *, room);
    t->same = arena_array(t->a, str, room);
    for (t->buckets = 2; t->buckets < 2 * room;) t->buckets *= 2;
    t->bucket = arena_array(t->a, int, t->buckets);
    for (int r = 0; r < t->record_count; r++) {
        const json *responses = json_get(json_at(t->records, (size_t)r), "responses");
        for (size_t i = 0; i < json_count(responses); i++) {
            const json *one = json_at(responses, i), *user = json_get(one, "user_id");
            if (counts(one) && person_of(t, user) < 0) t->people[t->people_count++] = user;
        }
    }
}

static uint64_t hash_of(str s) {
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < s.len; i++) hash = (hash ^ (uint8_t)s.ptr[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static int kind_of_answer(table *t, const json *value) {
    const str same = question_same(t->a, t->question, value);
    size_t at = hash_of(same) & (t->buckets - 1);
    for (; t->bucket[at]; at = (at + 1) & (t->buckets - 1))
        if (str_eq(t->same[t->bucket[at] - 1], same)) return t->bucket[at] - 1;
    t->same[t->kinds] = same;
    t->bucket[at] = ++t->kinds;
    return t->kinds - 1;
}

static void enter(table *t, int record, const char *name, const json *response) {
    const json *answer = json_get(json_get(response, "values"), name), *value = json_get(answer, "value");
    if (!value || !counts(response)) return;
    const int at = person_of(t, json_get(response, "user_id")) * t->record_count + record;
    t->kind[at] = kind_of_answer(t, value);
    if (!question_number(t->question, value, &t->values[at])) t->values[at] = t->kind[at];
}

static table table_of(arena *a, const json *question, const json *records) {
    table t = {.a = a, .question = question, .records = records, .record_count = (int)json_count(records)};
    const char *name = str_copy(a, json_get_text(question, "name", STR("")));
    find_people(&t);
    const int cells = t.people_count * t.record_count;
    t.values = arena_array(a, double, cells + 1);
    t.kind = arena_array(a, int, cells + 1);
    t.x = arena_array(a, int, t.record_count + 1);
    t.y = arena_array(a, int, t.record_count + 1);
    t.column = arena_array(a, double, t.people_count + 1);
    for (int i = 0; i < cells; i++) t.values[i] = NAN, t.kind[i] = -1;
    for (int r = 0; r < t.record_count; r++) {
        const json *responses = json_get(json_at(records, (size_t)r), "responses");
        for (size_t i = 0; i < json_count(responses); i++) enter(&t, r, name, json_at(responses, i));
    }
    return t;
}

static int answers_to(const table *t, int record) {
    int n = 0;
    for (int p = 0; p < t->people_count; p++) n += t->kind[p * t->record_count + record] >= 0;
    return n;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------------------------- */

static void set_number(arena *a, json *out, const char *key, double v) {
    json_set(out, key, isnan(v) ? NULL : json_new_real(a, v));
}
static void set_count(arena *a, json *out, const char *key, int n) { json_set(out, key, json_new_int(a, n)); }

enum { FLEISS_KINDS_MAX = 1000 };

/* Not for texts, rankings and spans, of which there are as many kinds as answers. */
static double fleiss_of(const table *t) {
    if (question_scale(t->question) == SCALE_NONE || t->kinds > FLEISS_KINDS_MAX) return NAN;
    int *table_of_counts = arena_array(t->a, int, (size_t)t->record_count *(size_t)t->kinds + 1), rows = 0;
    for (int r = 0; r < t->record_count; r++) {
        if (answers_to(t, r) < 2) continue;
        for (int p = 0; p < t->people_count; p++) {
            const int kind = t->kind[p * t->record_count + r];
            if (kind >= 0) table_of_counts[rows * t->kinds + kind]++;
        }
        rows++;
    }
    return fleiss_kappa(table_of_counts, rows, t->kinds).kappa;
}

/* Places of two people's answers on the question's scale: the options of a rating in order, any order for what is only the same or not. */
static int scale_place(const table *t, int at) {
    const json *options = json_get(json_get(t->question, "settings"), "options");
    int place = 0;
    if (question_scale(t->question) == SCALE_NOMINAL || question_scale(t->question) == SCALE_NONE) return t->kind[at];
    for (size_t i = 0; i < json_count(options); i++)
        place += json_get_real(json_at(options, i), "value", INFINITY) < t->values[at];
    return place;
}

static json *pair_of(const table *t, int p, int q) {
    int *const x = t->x, *const y = t->y, n = 0, most = 0;
    for (int r = 0; r < t->record_count; r++) {
        const int i = p * t->record_count + r, k = q * t->record_count + r;
        if (t->kind[i] < 0 || t->kind[k] < 0) continue;
        x[n] = scale_place(t, i);
        y[n] = scale_place(t, k);
        most = x[n] > most ? x[n] : most;
        most = y[n] > most ? y[n] : most;
        n++;
    }
    if (!n) return NULL;
    json *out = json_new_object(t->a), *ids = json_new_array(t->a);
    const kappa_result k = cohen_kappa(x, y, n, most + 1);
    json_append(ids, json_share(t->a, (json *)(uintptr_t)t->people[p]));
    json_append(ids, json_share(t->a, (json *)(uintptr_t)t->people[q]));
    json_set(out, "people", ids);
    set_count(t->a, out, "records", n);
    set_number(t->a, out, "percent", k.observed);
    set_number(t->a, out, "kappa", k.kappa);
    set_number(t->a, out, "weighted", question_scale(t->question) == SCALE_ORDINAL ? cohen_weighted(x, y, n, most + 1, 2) : NAN);
    return out;
}

static json *pairs_of(const table *t) {
    json *out = json_new_array(t->a);
    for (int p = 0; p < t->people_count; p++)
        for (int q = p + 1; q < t->people_count; q++) {
            json *pair = pair_of(t, p, q);
            if (pair) json_append(out, pair);
        }
    return out;
}

/* ---- people ------------------------------------------------------------------------------------------------------------------------ */

/* The most frequent kind of answer to a record among all but one person (-1: all). -1: none, or a tie. */
static int majority(const table *t, int record, int but) {
    int best = -1, most = 0;
    for (int p = 0; p < t->people_count; p++) {
        const int kind = t->kind[p * t->record_count + record];
        int n = 0;
        if (p == but || kind < 0 || kind == best) continue;
        for (int q = 0; q < t->people_count; q++) n += q != but && t->kind[q * t->record_count + record] == kind;
        if (n >= most) best = n == most ? -2 - kind : kind; /* below -1: a tie, until something beats it */
        if (n > most) most = n;
    }
    return best < 0 ? -1 : best;
}

static json *annotator_of(const table *t, int p) {
    int answers = 0, compared = 0, with = 0;
    for (int r = 0; r < t->record_count; r++) {
        const int mine = t->kind[p * t->record_count + r], others = mine < 0 ? -1 : majority(t, r, p);
        answers += mine >= 0;
        compared += others >= 0;
        with += others >= 0 && others == mine;
    }
    json *out = json_new_object(t->a);
    json_set(out, "user_id", json_share(t->a, (json *)(uintptr_t)t->people[p]));
    set_count(t->a, out, "answers", answers);
    set_count(t->a, out, "compared", compared);
    set_number(t->a, out, "with_majority", compared ? (double)with / compared : NAN);
    return out;
}

static json *annotators_of(const table *t) {
    json *out = json_new_array(t->a);
    for (int p = 0; p < t->people_count; p++) json_append(out, annotator_of(t, p));
    return out;
}

/* ---- records ----------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int record, answers;
    double agreement;
} dispute;

static int least_first(const void *x, const void *y) {
    const dispute *a = x, *b = y;
    if (a->agreement != b->agreement) return a->agreement < b->agreement ? -1 : 1;
    return a->answers != b->answers ? b->answers - a->answers : a->record - b->record;
}

static double agreement_on(const table *t, int record) {
    for (int p = 0; p < t->people_count; p++) {
        const int kind = t->kind[p * t->record_count + record];
        t->column[p] = kind < 0 ? (double)NAN : kind;
    }
    return percent_agreement(t->column, t->people_count, 1);
}

static json *disputes_of(const table *t, int worst) {
    dispute *list = arena_array(t->a, dispute, t->record_count + 1);
    json *out = json_new_array(t->a);
    int n = 0;
    for (int r = 0; r < t->record_count; r++) {
        const double agreement = agreement_on(t, r);
        if (agreement < 1) list[n++] = (dispute){r, answers_to(t, r), agreement};
    }
    qsort(list, (size_t)n, sizeof *list, least_first);
    for (int i = 0; i < n && i < worst; i++) {
        json *one = json_new_object(t->a), *id = json_get(json_at(t->records, (size_t)list[i].record), "id");
        json_set(one, "record_id", id);
        set_count(t->a, one, "answers", list[i].answers);
        set_number(t->a, one, "agreement", list[i].agreement);
        json_append(out, one);
    }
    return out;
}

/* ---- together ---------------------------------------------------------------------------------------------------------------------- */

static void set_alpha(const table *t, json *out) {
    static const struct {
        const char *name;
        alpha_metric metric;
    } scales[] = {[SCALE_NOMINAL] = {"nominal", ALPHA_NOMINAL},
                  [SCALE_ORDINAL] = {"ordinal", ALPHA_ORDINAL},
                  [SCALE_INTERVAL] = {"interval", ALPHA_INTERVAL}};
    const answer_scale scale = question_scale(t->question);
    json_set(out, "alpha_metric", scale == SCALE_NONE ? NULL : json_new_text(t->a, str_of(scales[scale].name)));
    set_number(t->a, out, "alpha",
               scale == SCALE_NONE ? NAN : krippendorff_alpha(t->values, t->people_count, t->record_count, scales[scale].metric));
}

static json *report_of(arena *a, const json *question, const json *records, int worst) {
    const table t = table_of(a, question, records);
    json *out = json_new_object(a);
    int answers = 0, compared = 0;
    for (int r = 0; r < t.record_count; r++) answers += answers_to(&t, r), compared += answers_to(&t, r) > 1;
    json_set(out, "name", json_get(question, "name"));
    json_set(out, "type", json_get(json_get(question, "settings"), "type"));
    set_count(a, out, "answers", answers);
    set_count(a, out, "records", compared);
    set_count(a, out, "people", t.people_count);
    set_number(a, out, "percent", percent_agreement(t.values, t.people_count, t.record_count));
    set_alpha(&t, out);
    set_number(a, out, "fleiss", fleiss_of(&t));
    json_set(out, "pairs", pairs_of(&t));
    json_set(out, "annotators", annotators_of(&t));
    json_set(out, "disagreements", disputes_of(&t, worst));
    return out;
}

json *agreement_report(arena *a, const json *questions, const json *records, int worst) {
    json *out = json_new_object(a), *list = json_new_array(a);
    for (size_t i = 0; i < json_count(questions); i++) json_append(list, report_of(a, json_at(questions, i), records, worst));
    json_set(out, "questions", list);
    return out;
}
