/* migrate.c - see migrate.h: one walk over the answers of a dataset, one over the suggestions for a question, one over settled answers. */
#include "serve/migrate.h"

#include <string.h>

enum { PAGE = 500, KINDS = 3 };

typedef enum {
    SAME,
    CHANGED,
    EMPTIED,    /* nothing is left of it */
    INCOMPLETE, /* fits, but not as a final answer */
    UNFIT       /* fits in no way */
} outcome;

typedef struct {
    int64_t touched, emptied, drafts; /* drafts: submitted answers that become drafts */
} tally_of_kind;

typedef struct {
    call *c;
    part before, now;
    schema s; /* with the question as it will be */
    json *definition;
    option_change change;
    int64_t seq; /* of the change in the store; 0: a dry run */
    tally_of_kind of[KINDS];
    int64_t *held_by[KINDS]; /* per fate: in how many of a kind it stands */
    int64_t incomplete, unfit;
} migration;

/* ---- one value --------------------------------------------------------------------------------------------------------------------- */

static outcome judge(migration *m, held_kind kind, const json *value, const value_context *context, json **now) {
    err why = {0};
    *now = question_replace(m->c->a, m->definition, value, &m->change);
    for (int i = 0; i < m->change.count; i++) m->held_by[kind][i] += m->change.fate[i].seen;
    if (!*now) return EMPTIED;
    if (question_check(m->definition, *now, context, &why)) return *now == value ? SAME : CHANGED;
    const value_context draft = {false, context->record_fields};
    why = (err){0};
    if (context->submitted && question_check(m->definition, *now, &draft, &why)) {
        m->incomplete++;
        return INCOMPLETE;
    }
    m->unfit++;
    *now = NULL;
    return UNFIT;
}

static bool record_of(call *c, int64_t seq, record *out, json **fields, err *e) {
    records one;
    if (!record_after(c->tx, c->a, c->set.seq, seq - 1, 1, &one, e) || !one.count) return false;
    *out = one.item[0];
    return (*fields = json_parse(c->a, out->fields, e)) != NULL;
}

/* {question: {"value": ...}} with another value, or without the question. */
static json *values_with(call *c, const json *values, const char *name, json *value) {
    json *out = json_new_object(c->a);
    for (json_member m = {0}; json_next(values, &m);) {
        if (strcmp(m.key, name) != 0) json_set(out, m.key, m.value);
        else if (value) {
            json *one = json_new_object(c->a);
            json_set(one, "value", value);
            json_set(out, name, one);
        }
    }
    return out;
}

static const json *value_in(const migration *m, const json *values) { return json_get(json_get(values, m->now.name), "value"); }

/* ---- answers ------------------------------------------------------------------------------------------------------------------------ */

static bool write_response(migration *m, record *of, response *r, const json *values, response_status status, err *e) {
    call *c = m->c;
    held_value held = {.kind = HELD_RESPONSE, .record = r->record, .user = r->user, .status = r->status, .value = r->values};
    const bool recount = status != r->status;
    r->values = written(c, values);
    r->status = status;
    if (!response_put(c->tx, r, c->me.seq, e) || !index_response(c, r, &m->s, false, e)) return false;
    held.stamp = r->updated_at;
    return change_hold(c->tx, m->seq, &held, e) && (!recount || answer_changed(c, of, &c->set, e));
}

static bool migrate_response(migration *m, response *r, err *e) {
    call *c = m->c;
    const json *values = r->values.ptr ? json_parse(c->a, r->values, e) : NULL, *value = value_in(m, values);
    record of;
    json *fields, *now;
    if (e->code) return false;
    if (!value) return true;
    if (!record_of(c, r->record, &of, &fields, e)) return false;
    const bool submitted = r->status == RESPONSE_SUBMITTED;
    const value_context context = {submitted, fields};
    const outcome o = judge(m, HELD_RESPONSE, value, &context, &now);
    if (o == SAME) return true;
    tally_of_kind *n = &m->of[HELD_RESPONSE];
    const json *all = values_with(c, values, m->now.name, now);
    const bool draft = submitted && (o == INCOMPLETE || (!now && (m->now.required || !json_count(all))));
    n->touched++, n->emptied += !now, n->drafts += draft;
    return !m->seq || write_response(m, &of, r, all, draft ? RESPONSE_DRAFT : r->status, e);
}

/* ---- suggestions -------------------------------------------------------------------------------------------------------------------- */

/* A score for each item says nothing once items went. */
static str kept_score(const suggestion *x, const json *before, const json *now) {
    const bool list = x->score.len && x->score.ptr[0] == '[';
    return list && json_count(before) != json_count(now) ? (str){NULL, 0} : x->score;
}

static bool write_suggestion(migration *m, suggestion *x, const json *before, const json *now, err *e) {
    call *c = m->c;
    bool created;
    held_value held = {
        .kind = HELD_SUGGESTION, .record = x->record, .value = x->value, .score = x->score, .type = x->type, .agent = x->agent};
    if (!now) return change_hold(c->tx, m->seq, &held, e) && suggestion_delete(c->tx, x, e);
    x->value = written(c, now);
    x->score = kept_score(x, before, now);
    if (!suggestion_put(c->tx, x, &created, e) || !index_suggestion(c, x, &m->now, m->definition, e)) return false;
    held.stamp = x->updated_at;
    return change_hold(c->tx, m->seq, &held, e);
}

static bool migrate_suggestion(migration *m, suggestion *x, err *e) {
    call *c = m->c;
    record of;
    json *fields, *before, *now;
    if (!json_parse_any(c->a, x->value, &before, e) || !record_of(c, x->record, &of, &fields, e)) return false;
    const value_context context = {false, fields};
    if (judge(m, HELD_SUGGESTION, before, &context, &now) == SAME) return true;
    tally_of_kind *n = &m->of[HELD_SUGGESTION];
    n->touched++, n->emptied += !now;
    return !m->seq || write_suggestion(m, x, before, now, e);
}

/* ---- settled answers ------------------------------------------------------------------------------------------------------------------- */

static bool write_gold(migration *m, const gold_row *g, const json *values, err *e) {
    call *c = m->c;
    gold_row now = {0};
    held_value held = {.kind = HELD_GOLD, .record = g->record, .user = g->actor, .status = g->hidden, .value = g->values};
    const bool some = json_count(values) > 0;
    if (some ? !gold_put(c->tx, g->record, written(c, values), g->actor, g->hidden, e) : !gold_delete(c->tx, g->record, e))
        return false;
    if (some && !gold_of(c->tx, c->a, g->record, &now, e)) return false;
    held.stamp = now.at;
    return change_hold(c->tx, m->seq, &held, e);
}

static bool migrate_gold(migration *m, const gold_row *g, err *e) {
    call *c = m->c;
    const json *values = json_parse(c->a, g->values, e), *value = value_in(m, values);
    record of;
    json *fields, *now;
    if (e->code) return false;
    if (!value) return true;
    if (!record_of(c, g->record, &of, &fields, e)) return false;
    const value_context context = {true, fields};
    const outcome o = judge(m, HELD_GOLD, value, &context, &now);
    if (o == SAME) return true;
    if (o == INCOMPLETE) now = NULL; /* a settled answer is whole, or it is none */
    tally_of_kind *n = &m->of[HELD_GOLD];
    n->touched++, n->emptied += !now;
    return !m->seq || write_gold(m, g, values_with(c, values, m->now.name, now), e);
}

/* ---- walks ------------------------------------------------------------------------------------------------------------------------------- */

/* One page, in memory of its own; *seq: of the last; *more: there was one. */
static bool step(migration *m, held_kind kind, int64_t *seq, bool *more, err *e) {
    call *c = m->c;
    bool ok = false;
    responses answers = {0};
    suggestions proposed = {0};
    gold_rows settled = {0};
    switch (kind) {
    case HELD_RESPONSE:
        ok = response_after(c->tx, c->a, c->set.seq, *seq, PAGE, &answers, e);
        for (int i = 0; i < answers.count && ok; i++) *seq = answers.item[i].seq, ok = migrate_response(m, &answers.item[i], e);
        break;
    case HELD_SUGGESTION:
        ok = suggestion_after(c->tx, c->a, m->now.seq, *seq, PAGE, &proposed, e);
        for (int i = 0; i < proposed.count && ok; i++)
            *seq = proposed.item[i].seq, ok = migrate_suggestion(m, &proposed.item[i], e);
        break;
    case HELD_GOLD:
        ok = gold_after(c->tx, c->a, c->set.seq, *seq, PAGE, &settled, e);
        for (int i = 0; i < settled.count && ok; i++) *seq = settled.item[i].record, ok = migrate_gold(m, &settled.item[i], e);
        break;
    }
    *more = answers.count + proposed.count + settled.count > 0;
    return ok;
}

static bool walk(migration *m, held_kind kind, err *e) {
    arena *own = m->c->a;
    bool more = true, ok = true;
    for (int64_t seq = 0; ok && more;) {
        arena *scratch = m->c->a = arena_new();
        ok = step(m, kind, &seq, &more, e);
        m->c->a = own;
        arena_free(scratch);
    }
    return ok;
}

static bool walk_all(migration *m, err *e) {
    return walk(m, HELD_RESPONSE, e) && walk(m, HELD_SUGGESTION, e) && walk(m, HELD_GOLD, e);
}

/* ---- what it told ------------------------------------------------------------------------------------------------------------------------ */

static int64_t uses_of(const migration *m, int fate) {
    int64_t n = 0;
    for (int k = 0; k < KINDS; k++) n += m->held_by[k][fate];
    return n;
}

static bool undecided(const migration *m, int fate) {
    const option_fate *f = &m->change.fate[fate];
    return f->gone && !f->told && !m->change.drop_all && uses_of(m, fate) > 0;
}

static void put_counts(json *out, arena *a, const char *key, int64_t n) { json_set(out, key, json_new_int(a, n)); }

static json *fate_json(const migration *m, int i) {
    arena *a = m->c->a;
    const option_fate *f = &m->change.fate[i];
    json *out = json_new_object(a);
    json_set(out, "value", f->value);
    json_set(out, "becomes", f->becomes);
    json_set(out, "decided", json_new_bool(a, !undecided(m, i)));
    put_counts(out, a, "answers", m->held_by[HELD_RESPONSE][i]);
    put_counts(out, a, "suggestions", m->held_by[HELD_SUGGESTION][i]);
    put_counts(out, a, "settled", m->held_by[HELD_GOLD][i]);
    return out;
}

static json *report_of(const migration *m) {
    static const char *const keys[KINDS] = {"answers", "suggestions", "settled"};
    arena *a = m->c->a;
    json *out = json_new_object(a), *fates = json_new_array(a);
    for (int k = 0; k < KINDS; k++) {
        json *one = json_new_object(a);
        put_counts(one, a, "touched", m->of[k].touched);
        put_counts(one, a, "emptied", m->of[k].emptied);
        if (k == HELD_RESPONSE) put_counts(one, a, "become_drafts", m->of[k].drafts);
        json_set(out, keys[k], one);
    }
    for (int i = 0; i < m->change.count; i++) json_append(fates, fate_json(m, i));
    json_set(out, "options", fates);
    put_counts(out, a, "incomplete", m->incomplete);
    put_counts(out, a, "unfit", m->unfit);
    return out;
}

static str fate_word(const migration *m, int i) {
    const json *v = m->change.fate[i].value;
    return json_kind_of(v) == JSON_STRING ? json_text(v, STR(""))
                                          : str_of(arena_printf(m->c->a, "%lld", (long long)json_int(v, 0)));
}

/* Refuses what would lose something that the plan is silent about. */
static bool all_decided(migration *m, err *e) {
    call *c = m->c;
    const option_change *o = &m->change;
    for (int i = 0; i < o->count; i++) {
        if (!undecided(m, i)) continue;
        const str word = fate_word(m, i);
        return invalid(
            c, "body.migration", e,
            "the option '%.*s' goes, but stands in %lld answers, %lld suggestions and %lld settled answers: say what becomes "
            "of it, \"migration\": {\"map\": {\"%.*s\": \"another option\"}} or {\"drop\": [\"%.*s\"]}",
            STR_ARG(word), (long long)m->held_by[HELD_RESPONSE][i], (long long)m->held_by[HELD_SUGGESTION][i],
            (long long)m->held_by[HELD_GOLD][i], STR_ARG(word), STR_ARG(word));
    }
    if (m->incomplete && !o->to_draft)
        return invalid(
            c, "body.migration", e,
            "%lld submitted answers would lack an option: say \"migration\": {\"incomplete\": \"draft\"} (they become drafts) "
            "or {\"incomplete\": \"last\"} (new options come last)",
            (long long)m->incomplete);
    return !m->unfit || o->drop_all ||
           invalid(c, "body.migration", e,
                   "%lld values would not fit the new settings in any way: say \"migration\": {\"drop\": true} to lose them",
                   (long long)m->unfit);
}

/* ---- doing it ------------------------------------------------------------------------------------------------------------------------------ */

static json *one_definition(call *c, const part *p) {
    const parts one = {(part *)(uintptr_t)p, 1};
    return json_at(parts_json(c->a, &one), 0);
}

/* The dataset's settings with the question as `now`. */
static bool schema_with(call *c, const part *now, schema *s, err *e) {
    if (!schema_of(c, c->set.seq, s, e)) return false;
    for (int i = 0; i < s->question.count; i++)
        if (s->question.item[i].seq == now->seq) s->question.item[i] = *now;
    s->fields = parts_json(c->a, &s->field);
    s->questions = parts_json(c->a, &s->question);
    return true;
}

static bool begin(migration *m, call *c, const part *now, err *e) {
    *m = (migration){.c = c, .before = c->part, .now = *now, .definition = one_definition(c, now)};
    err broken = {0};
    const json *before = json_parse(c->a, c->part.settings, e), *after = json_parse(c->a, now->settings, e);
    if (!before || !after || !schema_with(c, now, &m->s, e)) return false;
    if (!option_change_plan(c->a, before, after, json_get(c->body, "migration"), &m->change, &broken))
        return broken_rule(c, &broken, e);
    for (int k = 0; k < KINDS; k++) m->held_by[k] = arena_array(c->a, int64_t, m->change.count + 1);
    return true;
}

bool migrate_answers(call *c, const part *now, bool dry, json **report, err *e) {
    migration look, m;
    if (!begin(&look, c, now, e) || !walk_all(&look, e)) return false;
    *report = report_of(&look);
    if (dry) return true;
    if (!all_decided(&look, e) || !begin(&m, c, now, e)) return false;
    int64_t touched = 0;
    for (int k = 0; k < KINDS; k++) touched += look.of[k].touched;
    part_change change = {.part = now->seq, .actor = c->me.seq, .settings = c->part.settings, .summary = written(c, *report)};
    if (!touched && !look.change.count) return true;
    if (!change_begin(c->tx, &change, e)) return false;
    m.seq = change.seq;
    json_set(*report, "change", json_new_text(c->a, str_of(arena_text(c->a, change.id))));
    return walk_all(&m, e) && audit_add(c->tx, c->me.seq, "question.change", now->id, str_of(now->name), e) &&
           note_event(c, "dataset.updated", &c->set, NULL, NULL, e);
}

/* ---- undo ---------------------------------------------------------------------------------------------------------------------------------- */

static bool restore_response(migration *m, const held_value *h, err *e) {
    call *c = m->c;
    response r;
    record of;
    json *fields;
    err none = {0};
    if (!response_of(c->tx, c->a, h->record, h->user, &r, &none))
        return none.code == ERR_NOT_FOUND || err_set(e, none.code, "%s", none.text);
    if (r.updated_at != h->stamp) return true;
    const bool recount = r.status != (response_status)h->status;
    r.values = h->value;
    r.status = (response_status)h->status;
    return record_of(c, h->record, &of, &fields, e) && response_put(c->tx, &r, c->me.seq, e) &&
           index_response(c, &r, &m->s, false, e) && (!recount || answer_changed(c, &of, &c->set, e));
}

static bool restore_suggestion(migration *m, const held_value *h, err *e) {
    call *c = m->c;
    suggestions list;
    bool created;
    if (!suggestion_list(c->tx, c->a, h->record, &list, e)) return false;
    const suggestion *there = NULL;
    for (int i = 0; i < list.count; i++)
        if (list.item[i].question == m->now.seq) there = &list.item[i];
    if ((there ? there->updated_at : 0) != h->stamp) return true;
    suggestion x = {
        .record = h->record, .question = m->now.seq, .type = h->type, .agent = h->agent, .value = h->value, .score = h->score};
    memcpy(x.question_id, m->now.id, sizeof x.question_id);
    return suggestion_put(c->tx, &x, &created, e) && index_suggestion(c, &x, &m->now, m->definition, e);
}

static bool restore_gold(migration *m, const held_value *h, err *e) {
    call *c = m->c;
    gold_row now;
    if (!gold_of(c->tx, c->a, h->record, &now, e)) return false;
    return now.at != h->stamp || gold_put(c->tx, h->record, h->value, h->user, h->status != 0, e);
}

static bool restore(migration *m, const held_value *h, err *e) {
    switch (h->kind) {
    case HELD_RESPONSE: return restore_response(m, h, e);
    case HELD_SUGGESTION: return restore_suggestion(m, h, e);
    case HELD_GOLD: return restore_gold(m, h, e);
    }
    return false;
}

static bool restore_all(migration *m, int64_t change, err *e) {
    held_values page = {0};
    arena *own = m->c->a;
    bool ok = true, more = true;
    for (int64_t seq = 0; ok && more;) {
        arena *scratch = m->c->a = arena_new();
        ok = change_held(m->c->tx, scratch, change, seq, PAGE, &page, e);
        for (int i = 0; i < page.count && ok; i++) seq = page.item[i].seq, ok = restore(m, &page.item[i], e);
        more = page.count > 0;
        m->c->a = own;
        arena_free(scratch);
    }
    return ok;
}

/* What was given or changed after the change, and stays, must fit the options as they were. */
static bool rest_fits(migration *m, err *e) {
    int64_t left = 0;
    if (!walk_all(m, e)) return false;
    for (int k = 0; k < KINDS; k++) left += m->of[k].touched;
    return !left ||
           err_set(e, ERR_CONFLICT,
                   "%lld answers, suggestions or settled answers that came since do not fit the options as they were: change "
                   "the options with a map instead, PATCH /api/v1/questions/%s?migrate=true",
                   (long long)left, m->now.id);
}

bool migrate_undo(call *c, err *e) {
    part_changes list;
    migration m;
    if (!change_list(c->tx, c->a, c->part.seq, &list, e)) return false;
    if (!list.count)
        return err_set(e, ERR_NOT_FOUND, "the options of '%s' were not changed since it was published", c->part.name);
    const part_change *last = &list.item[0];
    part was = c->part;
    was.settings = last->settings;
    c->body = NULL; /* no plan */
    if (!begin(&m, c, &was, e) || !restore_all(&m, last->seq, e) || !rest_fits(&m, e)) return false;
    c->part = was;
    return part_save(c->tx, &c->part, e) && change_delete(c->tx, last->seq, e) &&
           audit_add(c->tx, c->me.seq, "question.undo", was.id, str_of(was.name), e) &&
           note_event(c, "dataset.updated", &c->set, NULL, NULL, e);
}
