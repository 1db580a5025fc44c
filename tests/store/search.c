/* Finding records: whatever a random query says, the store finds what a scan over all records finds, in the same order. */
#include "things.h"

#include <math.h>

#include "base/rng.h"

/* ---- the records, as the scan sees them --------------------------------------------------------------------------------------------- */

enum { RECORDS = 250, FIELDS = 2, WORDS = 6, PEOPLE = 3, VOCABULARY = 10 };

static const char *const vocabulary[VOCABULARY] = {
    "alpha", "alpine", "beta", "betamax", "gamma", "d\xc3\xa9j\xc3\xa0", "\xd0\xbc\xd0\xb8\xd1\x80", "x1", "42", "omega"};
/* Written as people do; the index must not care. */
static const char *const written[VOCABULARY] = {
    "Alpha",  "ALPINE,", "(beta)", "betaMax!", "gamma;", "D\xc3\xa9j\xc3\xa0", "\xd0\x9c\xd0\x98\xd0\xa0",
    "\"X1\"", "42.",     "*omega*"};
static const char *const labels[] = {"yes", "no", "may'be \"x\""};

typedef struct {
    record r;
    int word[FIELDS][WORDS], words[FIELDS];
    int term;      /* metadata: of labels, or -1 */
    double number; /* metadata, or NAN */
    int suggested; /* of labels, or -1 */
    double score;  /* or NAN */
    const char *agent, *type;
    int status[PEOPLE], rating[PEOPLE]; /* -1: no answer */
} thing;

typedef struct {
    desk d;
    part second, number, rating;
    user people[PEOPLE];
    thing all[RECORDS];
} world;

static int or_none(rng *random, uint32_t n) { return (int)rng_below(random, n + 1) - 1; }

static void make_words(rng *random, thing *x, str *texts, arena *a) {
    for (int f = 0; f < FIELDS; f++) {
        buf text = {0};
        x->words[f] = (int)rng_below(random, WORDS + 1);
        for (int i = 0; i < x->words[f]; i++) {
            x->word[f][i] = (int)rng_below(random, VOCABULARY);
            buf_printf(&text, "%s%s", i ? (rng_below(random, 4) ? " " : "\n - ") : "", written[x->word[f][i]]);
        }
        texts[f] = str_of(arena_copy(a, text.ptr ? text.ptr : "", text.len));
        buf_free(&text);
    }
}

static void make_answers(things *h, store_tx *t, rng *random, world *w, thing *x) {
    err e = {0};
    bool changed;
    for (int p = 0; p < PEOPLE; p++) {
        x->status[p] = or_none(random, 3);
        x->rating[p] = x->status[p] < 0 ? -1 : or_none(random, 5);
        if (x->status[p] < 0) continue;
        an_answer(t, &x->r, &w->people[p], (response_status)x->status[p], NULL);
        if (x->rating[p] >= 0)
            assert_ok(facet_add(t, FACET_RESPONSE, w->rating.seq, x->r.seq, w->people[p].seq,
                                str_of(arena_printf(h->a, "%d", x->rating[p])), x->rating[p], &e),
                      e);
    }
    assert_ok(record_recount(t, &x->r, 2, &changed, &e), e);
}

static void make_thing(things *h, store_tx *t, rng *random, world *w, int i) {
    err e = {0};
    bool created;
    str texts[FIELDS];
    thing *x = &w->all[i];
    part both[FIELDS] = {w->d.field, w->second};
    const parts fields = {both, FIELDS};
    x->r = a_record(t, &w->d.set, i % 3 ? arena_printf(h->a, "id%d", RECORDS - i) : NULL);
    make_words(random, x, texts, h->a);
    assert_ok(search_put(t, w->d.set.seq, x->r.seq, &fields, NULL, texts, &e), e);
    x->term = or_none(random, 3);
    x->number = rng_below(random, 3) ? (double)rng_below(random, 20) / 4 - 2 : NAN;
    x->suggested = or_none(random, 3);
    x->score = x->suggested >= 0 && rng_below(random, 2) ? (double)rng_below(random, 5) / 4 : NAN;
    x->agent = x->suggested >= 0 && rng_below(random, 2) ? labels[rng_below(random, 3)] : NULL;
    x->type = x->suggested >= 0 && rng_below(random, 2) ? "human" : NULL;
    if (x->term >= 0)
        assert_ok(facet_add(t, FACET_METADATA, w->d.property.seq, x->r.seq, 0, str_of(labels[x->term]), NAN, &e), e);
    if (!isnan(x->number)) assert_ok(facet_add(t, FACET_METADATA, w->number.seq, x->r.seq, 0, (str){NULL, 0}, x->number, &e), e);
    if (x->suggested >= 0) {
        suggestion s = {.record = x->r.seq, .question = w->d.question.seq, .value = STR("1"), .agent = x->agent, .type = x->type};
        if (!isnan(x->score)) s.score = str_of(arena_printf(h->a, "%g", x->score));
        assert_ok(suggestion_put(t, &s, &created, &e), e);
        assert_ok(facet_add(t, FACET_SUGGESTION, w->d.question.seq, x->r.seq, 0, str_of(labels[x->suggested]), NAN, &e), e);
    }
    make_answers(h, t, random, w, x);
}

static world *make_world(things *h, store_tx *t, rng *random) {
    err e = {0};
    world *w = arena_new_of(h->a, world);
    w->d = a_desk(t);
    w->second = a_part(t, &w->d.set, PART_FIELD, "second");
    w->number = a_part(t, &w->d.set, PART_METADATA, "number");
    w->number.settings = STR("{\"type\":\"float\"}"); /* one number each: sorting by it may walk the index */
    assert_ok(part_save(t, &w->number, &e), e);
    w->rating = a_part(t, &w->d.set, PART_QUESTION, "rating");
    for (int p = 0; p < PEOPLE; p++) w->people[p] = a_user(t, arena_printf(h->a, "p%d", p), ROLE_ANNOTATOR);
    part both[FIELDS] = {w->d.field, w->second};
    const parts fields = {both, FIELDS};
    assert_ok(search_create(t, w->d.set.seq, &fields, &e), e);
    for (int i = 0; i < RECORDS; i++) make_thing(h, t, random, w, i);
    for (int i = 0; i < RECORDS; i++) assert_ok(record_get(t, h->a, w->all[i].r.id, &w->all[i].r, &e), e);
    const dataset other = a_dataset(t, &w->d.space, "other"); /* whose records are never found */
    for (int i = 0; i < 5; i++) a_record(t, &other, NULL);
    return w;
}

/* ---- filters: random trees, and what they say of a record ----------------------------------------------------------------------------- */

static const filter *leaf(things *h, rng *random, const world *w) {
    static const filter_scope scopes[] = {SCOPE_ID,       SCOPE_EXTERNAL_ID,      SCOPE_INSERTED_AT,      SCOPE_STATUS,
                                          SCOPE_METADATA, SCOPE_RESPONSE_STATUS,  SCOPE_RESPONSE,         SCOPE_SUGGESTION,
                                          SCOPE_METADATA, SCOPE_SUGGESTION_AGENT, SCOPE_SUGGESTION_SCORE, SCOPE_SUGGESTION_TYPE};
    static const char *const statuses[] = {"draft", "submitted", "discarded", "pending"}, *const states[] = {"pending",
                                                                                                             "completed"};
    filter *f = arena_new_of(h->a, filter);
    *f = (filter){.kind = FILTER_TERMS, .scope = scopes[rng_below(random, 12)], .ge = NAN, .le = NAN};
    f->count = 1 + (int)rng_below(random, 3);
    f->terms = arena_array(h->a, str, f->count);
    for (int i = 0; i < f->count; i++) {
        const thing *x = &w->all[rng_below(random, RECORDS)];
        switch (f->scope) {
        case SCOPE_ID: f->terms[i] = str_of(x->r.id); break;
        case SCOPE_EXTERNAL_ID: f->terms[i] = x->r.external_id.ptr ? x->r.external_id : STR("none"); break;
        case SCOPE_STATUS: f->terms[i] = str_of(states[rng_below(random, 2)]); break;
        case SCOPE_RESPONSE_STATUS: f->terms[i] = str_of(statuses[rng_below(random, 4)]); break;
        case SCOPE_RESPONSE: f->terms[i] = str_of(arena_printf(h->a, "%d", (int)rng_below(random, 5))); break;
        case SCOPE_SUGGESTION_TYPE: f->terms[i] = rng_below(random, 2) ? STR("human") : STR("model"); break;
        default: f->terms[i] = str_of(labels[rng_below(random, 3)]);
        }
    }
    f->part = f->scope == SCOPE_RESPONSE ? w->rating.seq : f->scope == SCOPE_METADATA ? w->d.property.seq : w->d.question.seq;
    const bool moment = f->scope == SCOPE_INSERTED_AT;
    if (moment || f->scope == SCOPE_SUGGESTION_SCORE ||
        ((f->scope == SCOPE_METADATA || f->scope == SCOPE_RESPONSE) && rng_below(random, 2))) {
        f->kind = FILTER_RANGE;
        if (f->scope == SCOPE_METADATA) f->part = w->number.seq;
        const uint32_t open = rng_below(random, 3);
        if (open != 0)
            f->ge = moment ? (double)w->all[rng_below(random, RECORDS)].r.inserted_at : (double)rng_below(random, 8) / 4;
        if (open != 1)
            f->le = moment ? (double)w->all[rng_below(random, RECORDS)].r.inserted_at : (double)rng_below(random, 12) / 4;
    }
    return f;
}

static const filter *tree(things *h, rng *random, const world *w, int depth) {
    const uint32_t kind = depth ? rng_below(random, 5) : 9;
    if (kind > 2) return leaf(h, random, w);
    filter *f = arena_new_of(h->a, filter);
    *f = (filter){.kind = (filter_kind)kind, .children = kind == FILTER_NOT ? 1 : 1 + (int)rng_below(random, 4)};
    f->child = arena_array(h->a, const filter *, f->children);
    for (int i = 0; i < f->children; i++) f->child[i] = tree(h, random, w, depth - 1);
    return f;
}

static bool within(const filter *f, double v) { return !isnan(v) && !(v < f->ge) && !(v > f->le); }

static bool among(const filter *f, str v) {
    for (int i = 0; i < f->count; i++)
        if (v.ptr && str_eq(f->terms[i], v)) return true;
    return false;
}

static bool among_text(const filter *f, const char *v) { return v && among(f, str_of(v)); }

/* who: of the people, or -1 for anybody. */
static bool answered(const filter *f, const thing *x, int who) {
    bool any = false;
    for (int p = 0; p < PEOPLE; p++) {
        if (who >= 0 && p != who) continue;
        any |= x->status[p] >= 0;
        if (f->scope == SCOPE_RESPONSE && x->rating[p] >= 0) {
            char text[12];
            snprintf(text, sizeof text, "%d", x->rating[p]);
            if (f->kind == FILTER_RANGE ? within(f, x->rating[p]) : among_text(f, text)) return true;
        }
        if (f->scope == SCOPE_RESPONSE_STATUS && x->status[p] >= 0 &&
            among_text(f, response_status_name((response_status)x->status[p])))
            return true;
    }
    return f->scope == SCOPE_RESPONSE_STATUS && !any && among_text(f, "pending");
}

static bool says(const filter *f, const world *w, const thing *x, int who) {
    bool any = false, all = true;
    switch (f->kind) {
    case FILTER_NOT: return !says(f->child[0], w, x, who);
    case FILTER_AND:
    case FILTER_OR:
        for (int i = 0; i < f->children; i++) {
            const bool one = says(f->child[i], w, x, who);
            any |= one, all &= one;
        }
        return f->kind == FILTER_OR ? any : all;
    default: break;
    }
    switch (f->scope) {
    case SCOPE_ID: return among_text(f, x->r.id);
    case SCOPE_EXTERNAL_ID: return among(f, x->r.external_id);
    case SCOPE_INSERTED_AT: return within(f, (double)x->r.inserted_at);
    case SCOPE_STATUS: return among_text(f, x->r.completed ? "completed" : "pending");
    case SCOPE_METADATA: return f->kind == FILTER_RANGE ? within(f, x->number) : x->term >= 0 && among_text(f, labels[x->term]);
    case SCOPE_SUGGESTION: return x->suggested >= 0 && among_text(f, labels[x->suggested]);
    case SCOPE_SUGGESTION_SCORE: return within(f, x->score);
    case SCOPE_SUGGESTION_AGENT: return among_text(f, x->agent);
    case SCOPE_SUGGESTION_TYPE: return among_text(f, x->type);
    default: return answered(f, x, who);
    }
}

/* ---- texts: random queries in words, and what they say ------------------------------------------------------------------------------------ */

typedef enum { TEXT_WORD, TEXT_PREFIX, TEXT_PHRASE, TEXT_AND, TEXT_OR } text_kind;
typedef struct text_query {
    text_kind kind;
    int word, second;
    struct text_query *child[3];
    bool negated[3];
    int children;
} text_query;

static text_query *a_query(things *h, rng *random, int depth) {
    text_query *q = arena_new_of(h->a, text_query);
    q->kind = (text_kind)rng_below(random, depth ? 5 : 3);
    q->word = (int)rng_below(random, VOCABULARY);
    q->second = (int)rng_below(random, VOCABULARY);
    if (q->kind < TEXT_AND) return q;
    q->children = 1 + (int)rng_below(random, 3);
    for (int i = 0; i < q->children; i++) {
        q->child[i] = a_query(h, random, depth - 1);
        q->negated[i] = q->kind == TEXT_AND && rng_below(random, 3) == 0;
    }
    if (q->kind == TEXT_AND) q->negated[0] = false; /* what is left out is left out of something */
    return q;
}

static void write_query(buf *out, rng *random, const text_query *q) {
    static const char *const joints[] = {" ", " + ", "  +"};
    const char *word = rng_below(random, 2) ? vocabulary[q->word] : written[q->word];
    const size_t first = (unsigned char)vocabulary[q->word][0] >= 0xc0 ? 2 : 1;
    switch (q->kind) {
    case TEXT_WORD:
        if (strpbrk(word, "(\"*")) word = vocabulary[q->word];
        buf_printf(out, "%s%s", word, rng_below(random, 6) ? "" : "~1");
        break;
    case TEXT_PREFIX: buf_printf(out, "%.*s*", (int)first, vocabulary[q->word]); break;
    case TEXT_PHRASE:
        buf_printf(out, "\"%s %s\"%s", vocabulary[q->word], vocabulary[q->second], rng_below(random, 4) ? "" : "~2");
        break;
    default:
        for (int i = 0; i < q->children; i++) {
            if (i) buf_put_text(out, q->kind == TEXT_OR ? " | " : joints[rng_below(random, 3)]);
            if (q->negated[i]) buf_put_char(out, '-');
            buf_put_char(out, '(');
            write_query(out, random, q->child[i]);
            buf_put_char(out, ')');
        }
    }
}

static bool reads(const text_query *q, const thing *x, int field) {
    bool any = false, all = true;
    if (q->kind >= TEXT_AND) {
        for (int i = 0; i < q->children; i++) {
            const bool one = reads(q->child[i], x, field) != q->negated[i];
            any |= one, all &= one;
        }
        return q->kind == TEXT_OR ? any : all;
    }
    const size_t first = (unsigned char)vocabulary[q->word][0] >= 0xc0 ? 2 : 1;
    for (int f = 0; f < FIELDS; f++)
        for (int i = 0; i < x->words[f] && (field < 0 || f == field); i++) {
            const int word = x->word[f][i];
            if (q->kind == TEXT_WORD && word == q->word) return true;
            if (q->kind == TEXT_PREFIX && strncmp(vocabulary[word], vocabulary[q->word], first) == 0) return true;
            if (q->kind == TEXT_PHRASE && word == q->word && i + 1 < x->words[f] && x->word[f][i + 1] == q->second) return true;
        }
    return false;
}

/* ---- order -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    bool there, is_text;
    double number;
    str text;
} sort_value;

static sort_value of_number(double v) { return (sort_value){.there = !isnan(v), .number = v}; }
static sort_value of_text(str v) { return (sort_value){.there = v.ptr != NULL, .is_text = true, .text = v}; }

static sort_value value_of(const sort_key *k, const world *w, const thing *x, int who) {
    double sum = 0, count = 0;
    switch (k->scope) {
    case SCOPE_ID: return of_text(str_of(x->r.id));
    case SCOPE_EXTERNAL_ID: return of_text(x->r.external_id);
    case SCOPE_STATUS: return of_number(x->r.completed);
    case SCOPE_INSERTED_AT: return of_number((double)x->r.inserted_at);
    case SCOPE_SUGGESTION_SCORE: return of_number(x->score);
    case SCOPE_SUGGESTION_AGENT: return of_text(x->agent ? str_of(x->agent) : (str){NULL, 0});
    case SCOPE_SUGGESTION: return of_text(x->suggested >= 0 ? str_of(labels[x->suggested]) : (str){NULL, 0});
    case SCOPE_METADATA:
        if (k->part == w->number.seq) return of_number(x->number);
        return of_text(x->term >= 0 ? str_of(labels[x->term]) : (str){NULL, 0});
    default:
        for (int p = 0; p < PEOPLE; p++)
            if (x->rating[p] >= 0 && (who < 0 || p == who)) sum += x->rating[p], count++;
        return of_number(count > 0 ? sum / count : NAN);
    }
}

static const record_query *ordering; /* of by_keys */
static const world *sorted_world;
static int sorted_who;

static int by_keys(const void *left, const void *right) {
    const thing *a = *(const thing *const *)left, *b = *(const thing *const *)right;
    for (int i = 0; i < ordering->sorts; i++) {
        const sort_value x = value_of(&ordering->sort[i], sorted_world, a, sorted_who),
                         y = value_of(&ordering->sort[i], sorted_world, b, sorted_who);
        if (x.there != y.there) return x.there ? -1 : 1; /* those without come last, whatever the direction */
        if (!x.there) continue;
        const int order = x.is_text ? str_compare(x.text, y.text) : (x.number > y.number) - (x.number < y.number);
        if (order) return ordering->sort[i].descending ? -order : order;
    }
    return a->r.seq < b->r.seq ? -1 : a->r.seq > b->r.seq;
}

static void random_sort(things *h, rng *random, const world *w, record_query *q) {
    static const filter_scope scopes[] = {SCOPE_ID,         SCOPE_EXTERNAL_ID, SCOPE_STATUS,           SCOPE_INSERTED_AT,
                                          SCOPE_METADATA,   SCOPE_METADATA,    SCOPE_SUGGESTION_SCORE, SCOPE_SUGGESTION_AGENT,
                                          SCOPE_SUGGESTION, SCOPE_RESPONSE};
    q->sorts = (int)rng_below(random, 4);
    sort_key *keys = arena_array(h->a, sort_key, q->sorts + 1);
    for (int i = 0; i < q->sorts; i++) {
        const uint32_t which = rng_below(random, 10);
        keys[i] = (sort_key){scopes[which], 0, rng_below(random, 2) != 0};
        keys[i].part = which == 4   ? w->number.seq
                       : which == 5 ? w->d.property.seq
                       : which == 9 ? w->rating.seq
                                    : w->d.question.seq;
    }
    q->sort = keys;
}

/* ---- the property --------------------------------------------------------------------------------------------------------------------------- */

static void check(things *h, store_tx *t, const world *w, record_query *q, const text_query *words, int field, int who) {
    err e = {0};
    const thing *wanted[RECORDS];
    int count = 0, seen = 0;
    for (int i = 0; i < RECORDS; i++)
        if ((!words || reads(words, &w->all[i], field)) && (!q->where || says(q->where, w, &w->all[i], who)))
            wanted[count++] = &w->all[i];
    ordering = q, sorted_world = w, sorted_who = who;
    qsort(wanted, (size_t)count, sizeof *wanted, by_keys);
    bool found[RECORDS] = {false};
    double score = INFINITY;
    record_hits hits;
    do {
        q->offset = seen;
        if (!record_search(t, h->a, q, &hits, &e)) fail_msg("'%.*s': %s", STR_ARG(q->text), e.text);
        if (hits.total != count)
            fail_msg("'%.*s': %lld records, a scan finds %d", STR_ARG(q->text), (long long)hits.total, count);
        for (int k = 0; k < hits.count; k++, seen++) {
            int i = 0;
            while (i < count && wanted[i]->r.seq != hits.item[k].record.seq) i++;
            if (i == count || found[i]) fail_msg("'%.*s': hit %d is none, or came twice", STR_ARG(q->text), seen);
            found[i] = true;
            if (!words || q->sorts) assert_int_equal(i, seen);
            else assert_true(hits.item[k].score <= score + 1e-9);
            score = hits.item[k].score;
            if (words) assert_true(score > 0);
            else assert_true(score == 1);
        }
    } while (hits.count);
    assert_int_equal(seen, count);
}

static void a_search_finds_what_a_scan_finds(void **state) {
    things *h = *state;
    rng random = rng_new(2024, 0);
    session *x = begin(h, true);
    world *w = make_world(h, x->t, &random);
    KEEP(h, x);
    x = begin(h, false);
    for (int round = 0; round < 400; round++) {
        const int who = rng_below(&random, 2) ? (int)rng_below(&random, PEOPLE) : -1, field = or_none(&random, FIELDS);
        record_query q = {.dataset = w->d.set.seq, .user = who < 0 ? 0 : w->people[who].seq, .limit = 40 + 100 * (round % 3)};
        const text_query *words = round % 2 ? a_query(h, &random, 2) : NULL;
        buf text = {0};
        if (words) {
            write_query(&text, &random, words);
            q.text = str_of(arena_copy(h->a, text.ptr, text.len));
            q.text_field = field < 0 ? 0 : field ? w->second.seq : w->d.field.seq;
        }
        buf_free(&text);
        if (round % 4 != 1) q.where = tree(h, &random, w, (int)(round % 5));
        random_sort(h, &random, w, &q);
        if (round % 8 == 0) { /* by the number alone */
            sort_key *key = arena_new_of(h->a, sort_key);
            *key = (sort_key){SCOPE_METADATA, w->number.seq, round % 16 == 0};
            q.sort = key;
            q.sorts = 1;
            q.limit = 1 + round % 50;
        }
        check(h, x->t, w, &q, words, words ? field : -1, who);
    }
    KEEP(h, x);
}

/* ---- the language, case by case ---------------------------------------------------------------------------------------------------------------- */

static const char *const texts[] = {"The quick brown fox",
                                    "the lazy dog, sleeping",
                                    "Quick dogs don't sleep",
                                    "C++ and foo-bar \"quoted\"",
                                    "gro\xc3\x9f na\xc3\xafve caf\xc3\xa9",
                                    ""};

/* The records that a query finds, as digits. */
static const char *finds(things *h, store_tx *t, const desk *d, const char *query) {
    err e = {0};
    record_hits hits;
    bool found[16] = {false};
    const record_query q = {.dataset = d->set.seq, .text = str_of(query), .limit = 100};
    char *out = arena_alloc(h->a, 20);
    if (!record_search(t, h->a, &q, &hits, &e)) fail_msg("'%s': %s", query, e.text);
    for (int i = 0; i < hits.count; i++) found[hits.item[i].record.external_id.ptr[0] - '0'] = true;
    for (int i = 0, n = 0; i < 10; i++)
        if (found[i]) out[n++] = (char)('0' + i);
    return out;
}

static desk a_library(store_tx *t) {
    err e = {0};
    const desk d = a_desk(t);
    const parts fields = {(part *)(uintptr_t)&d.field, 1};
    assert_ok(search_create(t, d.set.seq, &fields, &e), e);
    for (int i = 0; i < (int)(sizeof texts / sizeof *texts); i++) {
        const char id[] = {(char)('0' + i), 0};
        const str text = str_of(texts[i]);
        const record r = a_record(t, &d.set, id);
        assert_ok(search_put(t, d.set.seq, r.seq, &fields, NULL, &text, &e), e);
    }
    return d;
}

static void the_language_of_text_queries_is_simple_query_string(void **state) {
    things *h = *state;
    static const char *const cases[][2] = {
        {"quick", "02"},
        {"QUICK Brown", "0"},
        {"quick + brown", "0"},
        {"brown | lazy", "01"},
        {"quick -brown", "2"},
        {"-quick", "1345"},
        {"-quick -lazy", "345"},
        {"\"quick brown\"", "0"},
        {"\"brown quick\"", ""},
        {"\"quick fox\"~3", ""}, /* slop is read and not used */
        {"sleep*", "12"},
        {"sleep", "2"},
        {"(fox | dog) the", "01"},
        {"(fox | dog) -lazy", "0"},
        {"fox~1", "0"},
        {"foo-bar", "3"},
        {"don't", "2"},
        {"C++", "3"},
        {"gro\xc3\x9f", "4"},
        {"GRO\xe1\xba\x9e", "4"},
        {"NA\xc3\x8fVE", "4"},
        {"naive", ""},
        {"caf\xc3\xa9", "4"},
        {"", "012345"},
        {"  ", "012345"},
        {"-", ""},
        {"()", ""},
        {"\"", ""},
        {"fox)", "0"},
        {"(fox", "0"},
        {"((((fox", "0"},
        {"\"quick brown", "0"},
        {"fox |", "0"},
        {"| fox", "0"},
        {"fox OR lazy", ""}, /* OR, AND, NOT, NEAR are words like others */
        {"quick NOT brown", ""},
        {"NEAR(quick brown)", ""},
        {"text:fox", ""},
        {"f1:fox", ""},
        {"^the", "01"},
        {"fo\\x", "0"},
        {"\\\"quick\\\"", "02"},
        {"'; DROP TABLE records; --", ""},
        {"*", ""},
        {"--fox", "0"},
    };
    session *x = begin(h, true);
    const desk d = a_library(x->t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = finds(h, x->t, &d, cases[i][0]);
        if (strcmp(found, cases[i][1]) != 0) fail_msg("'%s' finds '%s', should be '%s'", cases[i][0], found, cases[i][1]);
    }
    KEEP(h, x);
}

static void queries_of_any_size_and_depth_never_fail(void **state) {
    things *h = *state;
    session *x = begin(h, true);
    const desk d = a_library(x->t);
    static const char *const pieces[] = {"(",        ")",   "-(",     "fox |(",  "a ",    "a | ", "-a ",
                                         "\"a b\" ", "a* ", "-(-(a ", "(a -(b ", "\xff ", "\"\\"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (int times = 1; times <= 3000; times *= 7) {
            buf q = {0};
            for (int k = 0; k < times; k++) buf_put_text(&q, pieces[i]);
            finds(h, x->t, &d, q.ptr);
            buf_put_text(&q, "fox");
            finds(h, x->t, &d, q.ptr);
            buf_free(&q);
        }
    KEEP(h, x);
}

static void the_index_forgets_what_a_record_said_before(void **state) {
    things *h = *state;
    err e = {0};
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    const parts fields = {(part *)(uintptr_t)&d.field, 1};
    const str before = STR("first words"), after = STR("second words");
    const record r = a_record(x->t, &d.set, "0");
    assert_ok(search_create(x->t, d.set.seq, &fields, &e) && search_put(x->t, d.set.seq, r.seq, &fields, NULL, &before, &e), e);
    assert_string_equal(finds(h, x->t, &d, "first"), "0");
    assert_ok(search_put(x->t, d.set.seq, r.seq, &fields, &before, &after, &e), e);
    assert_string_equal(finds(h, x->t, &d, "first"), "");
    assert_string_equal(finds(h, x->t, &d, "second words"), "0");
    assert_ok(search_put(x->t, d.set.seq, r.seq, &fields, &after, NULL, &e), e);
    assert_string_equal(finds(h, x->t, &d, "words"), "");
    KEEP(h, x);
}

static void every_field_of_many_is_searched(void **state) {
    things *h = *state;
    enum { MANY = 40 };
    err e = {0};
    part fields_of[MANY];
    str words[MANY];
    record_hits hits;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    for (int i = 0; i < MANY; i++) {
        fields_of[i] = a_part(x->t, &d.set, PART_FIELD, arena_printf(h->a, "field%d", i));
        words[i] = str_of(arena_printf(h->a, "word%d", i));
    }
    const parts fields = {fields_of, MANY};
    const record r = a_record(x->t, &d.set, "0");
    assert_ok(search_create(x->t, d.set.seq, &fields, &e) && search_put(x->t, d.set.seq, r.seq, &fields, NULL, words, &e), e);
    for (int i = 0; i < MANY; i++)
        for (int f = 0; f < 2; f++) {
            const record_query q = {
                .dataset = d.set.seq, .text = words[i], .text_field = fields_of[(i + f) % MANY].seq, .limit = 2};
            assert_ok(record_search(x->t, h->a, &q, &hits, &e), e);
            assert_int_equal(hits.count, f == 0);
        }
    assert_ok(search_put(x->t, d.set.seq, r.seq, &fields, words, NULL, &e), e);
    assert_string_equal(finds(h, x->t, &d, "word39"), "");
    KEEP(h, x);
}

static void each_person_has_an_order_of_their_own_that_stays(void **state) {
    things *h = *state;
    err e = {0};
    record_hits one, two, again;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    for (int i = 0; i < 50; i++) a_record(x->t, &d.set, NULL);
    record_query q = {.dataset = d.set.seq, .user = 1, .shuffled = true, .limit = 50};
    assert_ok(record_search(x->t, h->a, &q, &one, &e) && record_search(x->t, h->a, &q, &again, &e), e);
    q.user = 2;
    assert_ok(record_search(x->t, h->a, &q, &two, &e), e);
    int same = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(one.item[i].record.seq, again.item[i].record.seq);
        same += one.item[i].record.seq == two.item[i].record.seq;
    }
    assert_true(same < 25);
    KEEP(h, x);
}

/* Fifty filters are what the contract allows. */
static void fifty_conditions_are_not_too_many(void **state) {
    things *h = *state;
    err e = {0};
    record_hits hits;
    session *x = begin(h, true);
    const desk d = a_desk(x->t);
    a_record(x->t, &d.set, NULL);
    filter leaves[50], all = {.kind = FILTER_OR, .children = 50};
    const filter *child[50];
    for (int i = 0; i < 50; i++) {
        leaves[i] = (filter){.kind = FILTER_RANGE, .scope = SCOPE_RESPONSE, .part = d.question.seq, .ge = i, .le = i};
        child[i] = &leaves[i];
    }
    all.child = child;
    const record_query q = {.dataset = d.set.seq, .where = &all, .user = d.ann.seq, .text = STR("x"), .limit = 10};
    const parts fields = {(part *)(uintptr_t)&d.field, 1};
    assert_ok(search_create(x->t, d.set.seq, &fields, &e) && record_search(x->t, h->a, &q, &hits, &e), e);
    assert_int_equal(hits.total, 0);
    KEEP(h, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_search_finds_what_a_scan_finds),         STORE_TEST(the_language_of_text_queries_is_simple_query_string),
        STORE_TEST(queries_of_any_size_and_depth_never_fail), STORE_TEST(the_index_forgets_what_a_record_said_before),
        STORE_TEST(every_field_of_many_is_searched),          STORE_TEST(each_person_has_an_order_of_their_own_that_stays),
        STORE_TEST(fifty_conditions_are_not_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
