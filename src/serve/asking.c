/* asking.c - a model answers questions of a dataset as suggestions, in the background.
 *
 *     POST /api/v1/datasets/{id}/suggest {"model", "questions", "again", "tie", "per_minute", "tokens_most", "cost_prompt", "cost_answer"}
 *     POST /api/v1/datasets/{id}/judge   the same, with the questions that judge answers: comparison, rating, ranking
 *
 *     records ──► those without a suggestion ──► ask_kind (assist; no transaction is open) ──► suggestion, written at once
 *
 * The same without a job: ahead of people (suggester.h), and tried on a few records, where nothing is written:
 *     POST /api/v1/datasets/{id}/suggester/try {"model", "questions", "records"}
 *
 * Each record is a write of its own, and what has a suggestion is not asked again: a job that was cut off goes on where it was. A record
 * that changed meanwhile is left for the next time. What a model says are suggestions with its name, never answers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "serve/asking.h"
#include "serve/hosted.h"
#include "serve/jobs.h"

enum { PAGE = 16, FAILURES_MOST = 5 /* so many before the first success: it will not get better */, TRIED_MOST = 10 };

/* A question of a record that was asked without a suggestion to show for it. */
typedef struct {
    int64_t record, question;
} tried;

struct asking {
    server *server;
    arena *own;
    dataset set;
    const char *kind, *model; /* kind: a literal */
    json *questions;          /* names; NULL: all that can be asked */
    bool judges, again;
    double tie;
    endpoint_options limits;

    int page;          /* records read at once */
    bool open;         /* those that are not completed alone */
    json_writer *show; /* what is said goes here, and is not written; NULL: it is written */
    struct {
        tried *item;
        int count, room;
    } without; /* ahead of people: not asked again */

    endpoint *p;
    int64_t seq, done, asked, there, nothing, no_use, failed, worded, changed;
    char failure[sizeof((err *)0)->text];
};

static void end_asking(void *context) {
    asking *x = context;
    endpoint_close(x->p);
    memory_release(x->without.item);
    arena *own = x->own;
    arena_free(own);
}

/* ---- which questions ------------------------------------------------------------------------------------------------------------------ */

static bool is_named(const asking *x, str name) {
    for (size_t i = 0; i < json_count(x->questions); i++)
        if (str_eq(json_text(json_at(x->questions, i), STR("")), name)) return true;
    return !x->questions;
}

static const ask_kind *kind_of(const asking *x, const json *question) {
    const ask_kind *k = ask_kind_of(question);
    if (!k || (x->judges && !k->judges)) return NULL;
    return is_named(x, json_get_text(question, "name", STR(""))) ? k : NULL;
}

/* What people said which field is what, else what names tell. */
static bool mapping_of(call *c, const schema *s, str question, const json **out, err *e) {
    str kept, options;
    if (!recipe_kept(c->tx, c->a, c->set.seq, &kept, &options, e)) return false;
    *out = NULL;
    if (kept.ptr && !(*out = json_parse(c->a, kept, e))) return false;
    if (*out && str_eq(json_get_text(*out, "question", STR("")), question)) return true;
    const json *guesses = recipe_guess(c->a, s->fields, s->questions);
    *out = NULL;
    for (size_t i = 0; i < json_count(guesses) && !*out; i++)
        if (str_eq(json_get_text(json_at(guesses, i), "question", STR("")), question)) *out = json_at(guesses, i);
    return true;
}

/* ---- a page: read, asked, written ------------------------------------------------------------------------------------------------------- */

typedef struct {
    asking *x;
    arena *a;
    schema s;
    str guidelines;
    const json **mapping; /* of each question */
    records list;
    bool *has; /* [record][question]: a suggestion is there */
    /* what is written next */
    const record *row;
    const json *question;
    const ask_answer *answer;
    bool written;
} page;

static bool begin_call(call *c, page *p, store_tx *t, err *e) {
    *c = (call){.server = p->x->server, .a = p->a, .tx = t};
    return dataset_get(t, p->a, p->x->set.id, &c->set, e);
}

static bool read_there(page *p, store_tx *t, int row, err *e) {
    suggestions list;
    const size_t n = json_count(p->s.questions);
    if (!suggestion_list(t, p->a, p->list.item[row].seq, &list, e)) return false;
    for (size_t q = 0; q < n; q++) {
        const part *question = part_named(&p->s.question, json_get_text(json_at(p->s.questions, q), "name", STR("")));
        for (int i = 0; i < list.count; i++)
            p->has[(size_t)row * n + q] = p->has[(size_t)row * n + q] || list.item[i].question == question->seq;
    }
    return true;
}

static bool read_page(store_tx *t, void *context, err *e) {
    page *p = context;
    call c;
    if (!begin_call(&c, p, t, e) || !schema_rules(&c, c.set.seq, &p->s, e)) return false;
    p->guidelines = c.set.guidelines;
    const size_t n = json_count(p->s.questions);
    p->mapping = arena_array(p->a, const json *, n + 1);
    for (size_t q = 0; q < n; q++)
        if (!mapping_of(&c, &p->s, json_get_text(json_at(p->s.questions, q), "name", STR("")), &p->mapping[q], e)) return false;
    if (!(p->x->open ? record_open_after : record_after)(t, p->a, c.set.seq, p->x->seq, p->x->page, &p->list, e)) return false;
    p->has = arena_array(p->a, bool, (size_t)p->list.count *n + 1);
    for (int i = 0; i < p->list.count; i++)
        if (!read_there(p, t, i, e)) return false;
    return true;
}

static json *as_suggestion(page *p) {
    json *v = json_new_object(p->a);
    json_set(v, "question_name", json_get(p->question, "name"));
    json_set(v, "value", p->answer->value);
    json_set(v, "type", json_new_text(p->a, STR("model")));
    json_set(v, "agent", json_new_text(p->a, str_of(endpoint_agent(p->x->p))));
    if (p->answer->score) json_set(v, "score", p->answer->score);
    return v;
}

/* Nothing is written for a record that is gone or says something else now, nor over what somebody suggested meanwhile. */
static bool write_one(store_tx *t, void *context, err *e) {
    page *p = context;
    call c;
    record now;
    schema s;
    suggestions list;
    suggestion made;
    bool created;
    err gone = {0};
    p->written = false;
    if (!begin_call(&c, p, t, e)) return false;
    if (!record_get(t, p->a, p->row->id, &now, &gone))
        return gone.code == ERR_NOT_FOUND || err_set(e, gone.code, "%s", gone.text);
    if (!str_eq(now.fields, p->row->fields)) return true;
    if (!schema_rules(&c, c.set.seq, &s, e) || !suggestion_list(t, p->a, now.seq, &list, e)) return false;
    const part *question = part_named(&s.question, json_get_text(p->question, "name", STR("")));
    for (int i = 0; i < list.count && !p->x->again; i++)
        if (question && list.item[i].question == question->seq) return true;
    if (!question) return true;
    p->written = true;
    return suggestion_write(&c, &now, &s, as_suggestion(p), &made, &created, e) &&
           note_event(&c, "record.updated", &c.set, &now, NULL, e);
}

/* ---- what was asked in vain --------------------------------------------------------------------------------------------------------------- */

static int64_t seq_of_question(const page *p, size_t q) {
    return part_named(&p->s.question, json_get_text(json_at(p->s.questions, q), "name", STR("")))->seq;
}

static bool was_tried(const page *p, int64_t question) {
    const asking *x = p->x;
    for (int i = 0; i < x->without.count; i++)
        if (x->without.item[i].record == p->row->seq && x->without.item[i].question == question) return true;
    return false;
}

static void note_tried(page *p, int64_t question) {
    asking *x = p->x;
    if (!x->open) return; /* a job asks each record once */
    if (x->without.count == x->without.room) {
        x->without.room = x->without.room ? 2 * x->without.room : 64;
        x->without.item = memory_resize(x->without.item, (size_t)x->without.room * sizeof(tried));
    }
    x->without.item[x->without.count++] = (tried){p->row->seq, question};
}

/* ---- asking -------------------------------------------------------------------------------------------------------------------------------- */

static bool show(page *p, const ask_answer *said) {
    json_writer *w = p->x->show;
    json_open(w, '{');
    json_key(w, "record_id"), json_put_cstr(w, p->row->id);
    json_key(w, "fields"), json_put_raw(w, p->row->fields);
    json_key(w, "question"), json_put_text(w, json_get_text(p->question, "name", STR("")));
    json_key(w, "value"), said->value ? json_put_value(w, said->value) : json_put_null(w);
    json_key(w, "score"), said->score ? json_put_value(w, said->score) : json_put_null(w);
    json_close(w);
    return true;
}

static bool write_down(page *p, err *e) {
    if (!store_write(server_store(p->x->server), write_one, p, e)) return false;
    server_tell(p->x->server);
    p->x->asked += p->written;
    p->x->changed += !p->written;
    return true;
}

/* One that the model's words cannot answer is counted and left; a world that failed ends the job. */
static bool note_failure(asking *x, const err *why, err *e) {
    if (why->code != ERR_INPUT || (++x->failed >= FAILURES_MOST && !x->asked)) return err_set(e, why->code, "%s", why->text);
    if (!*x->failure) snprintf(x->failure, sizeof x->failure, "%s", why->text);
    return true;
}

static bool ask_one(page *p, const ask_kind *k, const json *values, size_t q, err *e) {
    asking *x = p->x;
    ask_answer said = {0};
    err why = {0};
    const ask_order o = {.p = x->p,
                         .a = p->a,
                         .guidelines = p->guidelines,
                         .fields = p->s.fields,
                         .question = json_at(p->s.questions, q),
                         .mapping = p->mapping[q],
                         .values = values,
                         .tie = x->tie,
                         .seed = (uint64_t)p->row->seq};
    const bool ok = k->ask(&o, &said, &why);
    x->worded += said.worded;
    p->question = o.question;
    p->answer = &said;
    if (!ok || !said.value) note_tried(p, seq_of_question(p, q));
    if (!ok) return note_failure(x, &why, e);
    if (x->show) return x->asked++, show(p, &said);
    if (!said.value) return ++*(said.no_use ? &x->no_use : &x->nothing), true;
    return write_down(p, e);
}

static bool ask_record(page *p, int row, err *e) {
    const size_t n = json_count(p->s.questions);
    p->row = &p->list.item[row];
    const json *values = json_parse(p->a, p->row->fields, e);
    if (!values) return false;
    for (size_t q = 0; q < n; q++) {
        const ask_kind *k = kind_of(p->x, json_at(p->s.questions, q));
        if (!k) continue;
        if (p->x->limits.stop(p->x->limits.self)) return err_set(e, ERR_STOPPED, "stopped");
        if (was_tried(p, seq_of_question(p, q))) continue;
        if (p->has[(size_t)row * n + q] && !p->x->again) p->x->there++;
        else if (!ask_one(p, k, values, q, e)) return false;
    }
    return true;
}

static void tell(const asking *x, job *j) {
    char words[200];
    const endpoint_use u = endpoint_used(x->p);
    snprintf(words, sizeof words, "%lld suggestions, %lld requests, %lld tokens, cost %.4g", (long long)x->asked,
             (long long)u.requests, (long long)(u.prompt_tokens + u.answer_tokens), u.cost);
    job_progress(j, x->done, x->set.records > x->done ? x->set.records : x->done, words);
}

/* j NULL: nobody is told. *count: records of the page. */
static bool one_page(asking *x, job *j, int *count, err *e) {
    page p = {.x = x, .a = arena_new()};
    bool ok = store_read(server_store(x->server), read_page, &p, e);
    for (int i = 0; i < p.list.count && ok; i++) {
        if (!(ok = ask_record(&p, i, e))) break;
        x->seq = p.list.item[i].seq;
        x->done++;
        if (j) tell(x, j);
    }
    *count = p.list.count;
    arena_free(p.a);
    return ok;
}

static bool open_model(asking *x, bool (*stop)(void *self), void *self, err *e) {
    x->limits.spec = x->model;
    x->limits.stop = stop;
    x->limits.self = self;
    return (x->p = hosted_open(server_worker(x->server), &x->limits, e)) != NULL;
}

/* ---- the job ---------------------------------------------------------------------------------------------------------------------------- */

static bool stop_asked(void *self) { return job_stop_asked(self); }

static void put_count(json_writer *w, const char *key, int64_t n) { json_key(w, key), json_put_int(w, n); }

static void put_result(const asking *x, json_writer *w) {
    put_count(w, "records", x->done);
    put_count(w, "suggested", x->asked);
    put_count(w, "there_already", x->there);
    put_count(w, "nothing_to_ask", x->nothing);
    put_count(w, "empty_or_cut_off", x->no_use);
    put_count(w, "changed_meanwhile", x->changed);
    put_count(w, "failed", x->failed);
    json_key(w, "first_failure"), json_put_cstr(w, *x->failure ? x->failure : NULL);
    put_count(w, "read_from_words", x->worded);
    endpoint_put_used(w, x->p);
}

static bool ask_work(job *j, void *context, json_writer *result, err *e) {
    asking *x = context;
    int count = 1;
    if (!open_model(x, stop_asked, j, e)) return false;
    while (count)
        if (!one_page(x, j, &count, e)) return false;
    if (x->failed && !x->asked) return err_set(e, ERR_INPUT, "no question was answered: %s", x->failure);
    put_result(x, result);
    return true;
}

/* ---- routes ------------------------------------------------------------------------------------------------------------------------------ */

static bool take_number(call *c, const char *key, double most, double *out, err *e) {
    const json *v = json_get(c->body, key);
    if (!v) return true;
    *out = json_real(v, NAN);
    return (*out >= 0 && *out <= most) ||
           invalid(c, arena_printf(c->a, "body.%s", key), e, "%s should be a number from 0 to %g", key, most);
}

static bool take_limits(call *c, asking *x, err *e) {
    double tokens = 0;
    endpoint_options *o = &x->limits;
    x->tie = 0.05;
    if (!take_number(c, "tie", 0.5, &x->tie, e) || !take_number(c, "per_minute", 1e6, &o->per_minute, e) ||
        !take_number(c, "tokens_most", 1e15, &tokens, e) || !take_number(c, "cost_prompt", 1e9, &o->cost_prompt, e) ||
        !take_number(c, "cost_answer", 1e9, &o->cost_answer, e))
        return false;
    o->tokens_most = (int64_t)tokens;
    return true;
}

/* All that are named can be asked, and there is one. */
static bool check_questions(call *c, bool judges, err *e) {
    schema s;
    const json *named = json_get(c->body, "questions");
    const asking x = {.judges = judges};
    size_t able = 0;
    if (named && (json_kind_of(named) != JSON_ARRAY || !json_count(named)))
        return invalid(c, "body.questions", e, "questions should be a list of names of questions");
    bool ok = schema_rules(c, c->set.seq, &s, e);
    for (size_t i = 0; ok && i < json_count(named); i++) {
        const str name = json_text(json_at(named, i), STR("?"));
        const json *q = question_named(s.questions, name);
        if (!q) ok = invalid(c, "body.questions", e, "the dataset has no question '%.*s'", STR_ARG(name));
        else if (!kind_of(&x, q))
            ok = invalid(c, "body.questions", e, "a model cannot be asked '%.*s' here: %s", STR_ARG(name),
                         judges ? "judge takes comparison, rating and ranking"
                                : "suggest takes text, label, multi-label, rating, comparison and ranking");
    }
    for (size_t i = 0; ok && i < json_count(s.questions); i++) able += kind_of(&x, json_at(s.questions, i)) != NULL;
    if (ok && !able)
        return err_set(e, ERR_INPUT, "the dataset has no question that %s",
                       judges ? "judges answers: comparison, rating, ranking" : "a model can be asked");
    return ok;
}

static bool look_at_questions(store_tx *t, void *context, err *e) {
    call *c = context;
    c->tx = t;
    const bool ok = check_questions(c, str_ends(str_of(c->route->path), STR("/judge")), e);
    c->tx = NULL;
    return ok;
}

static asking *asking_of(call *c, const char *kind, const char *model, bool judges) {
    arena *own = arena_new();
    asking *x = arena_new_of(own, asking);
    err none = {0};
    *x = (asking){.server = c->server, .own = own, .kind = kind, .model = arena_text(own, model), .judges = judges, .page = PAGE};
    x->set = (dataset){.seq = c->set.seq, .workspace = c->set.workspace, .records = c->set.records};
    memcpy(x->set.id, c->set.id, sizeof x->set.id);
    const str names = written(c, json_get(c->body, "questions"));
    if (names.ptr) x->questions = json_parse(own, names, &none);
    return x;
}

static bool begin_job(call *c, asking *x, err *e) {
    uuid_text id;
    const job_order o = {.kind = x->kind,
                         .unit = "records",
                         .total = x->set.records,
                         .workspace = x->set.workspace,
                         .by = c->me.seq,
                         .of = x->set.id};
    if (jobs_run_of(x->server, "suggest", x->set.id) || jobs_run_of(x->server, "judge", x->set.id)) {
        end_asking(x);
        return err_set(e, ERR_CONFLICT, "a model is being asked about this dataset: wait for that job, or stop it");
    }
    return job_run(c->server, &o, ask_work, end_asking, x, id, e) && job_accepted(c, id);
}

static bool read_model(call *c, const char **model, err *e) {
    if (!body_object(c, e) || !body_text(c, "model", 1, 2000, model, e) || !hosted_may_name(c, *model, e)) return false;
    return c->set.ready || err_set(e, ERR_INPUT, "a draft dataset has no records yet: publish it first");
}

static bool begin(call *c, const char *kind, bool judges, err *e) {
    const char *model;
    if (!read_model(c, &model, e)) return false;
    if (!store_read(server_store(c->server), look_at_questions, c, e)) return false;
    asking *x = asking_of(c, kind, model, judges);
    if (body_bool_or(c, "again", &x->again, e) && take_limits(c, x, e)) return begin_job(c, x, e);
    end_asking(x);
    return false;
}

static bool post_suggest(call *c, err *e) { return begin(c, "suggest", false, e); }
static bool post_judge(call *c, err *e) { return begin(c, "judge", true, e); }

/* ---- a few records, to look at what would come ------------------------------------------------------------------------------------------- */

static bool try_work(job *j, void *context, json_writer *result, err *e) {
    asking *x = context;
    int count;
    if (!open_model(x, stop_asked, j, e)) return false;
    x->show = result;
    json_key(result, "answers"), json_open(result, '[');
    if (!one_page(x, j, &count, e)) return false;
    json_close(result);
    if (x->failed && !x->asked) return err_set(e, ERR_INPUT, "no question was answered: %s", x->failure);
    put_result(x, result);
    return true;
}

static bool post_try(call *c, err *e) {
    const char *model;
    uuid_text id;
    const int64_t few = json_int(json_get(c->body, "records"), 3);
    if (!read_model(c, &model, e)) return false;
    if (few < 1 || few > TRIED_MOST) return invalid(c, "body.records", e, "records should be 1 to %d", TRIED_MOST);
    if (!store_read(server_store(c->server), look_at_questions, c, e)) return false;
    asking *x = asking_of(c, "suggest-try", model, false);
    x->again = x->open = true;
    x->page = (int)few;
    if (!take_limits(c, x, e)) return end_asking(x), false;
    const job_order o = {
        .kind = x->kind, .unit = "records", .total = few, .workspace = x->set.workspace, .by = c->me.seq, .of = x->set.id};
    return job_run(c->server, &o, try_work, end_asking, x, id, e) && job_accepted(c, id);
}

/* ---- ahead of people: asking.h ---------------------------------------------------------------------------------------------------------------- */

bool asking_allowed(call *c, err *e) {
    const char *model;
    asking scratch = {0};
    return read_model(c, &model, e) && take_limits(c, &scratch, e) && check_questions(c, false, e);
}

asking *asking_begin(server *s, const dataset *set, const json *settings, const asking_limits *most, err *e) {
    arena *own = arena_new();
    asking *x = arena_new_of(own, asking);
    buf names = {0};
    err none = {0};
    *x = (asking){.server = s, .own = own, .kind = "suggester", .open = true, .tie = json_get_real(settings, "tie", 0.05)};
    x->model = str_copy(own, json_get_text(settings, "model", STR("")));
    x->page = most->ahead;
    x->set = (dataset){.seq = set->seq, .workspace = set->workspace};
    memcpy(x->set.id, set->id, sizeof x->set.id);
    x->limits = (endpoint_options){.per_minute = json_get_real(settings, "per_minute", 0),
                                   .tokens_most = most->tokens,
                                   .cost_prompt = json_get_real(settings, "cost_prompt", 0),
                                   .cost_answer = json_get_real(settings, "cost_answer", 0)};
    if (json_has(settings, "questions")) {
        json_put(&names, json_get(settings, "questions"));
        x->questions = json_parse(own, buf_str(&names), &none);
        buf_free(&names);
    }
    if (open_model(x, most->stop, most->self, e)) return x;
    end_asking(x);
    return NULL;
}

bool asking_ahead(asking *x, int *count, err *e) {
    x->seq = x->done = x->there = x->failed = 0;
    return one_page(x, NULL, count, e);
}

asking_count asking_counted(asking *x) {
    const endpoint_use u = endpoint_used(x->p);
    return (asking_count){
        .suggested = x->asked, .requests = u.requests, .tokens = u.prompt_tokens + u.answer_tokens, .cost = u.cost};
}

void asking_end(asking *x) {
    if (x) end_asking(x);
}

const route routes_asking[] = {
    {"POST", "/api/v1/datasets/{id}/suggest", WHO_ADMIN, OF_DATASET, RUN_SELF, post_suggest,
     "a model answers questions of records as suggestions, as a job: {model, questions, again, tie, per_minute, tokens_most, "
     "cost_prompt, cost_answer}"},
    {"POST", "/api/v1/datasets/{id}/judge", WHO_ADMIN, OF_DATASET, RUN_SELF, post_judge,
     "the same for comparison, rating and ranking questions: a model judges answers, in both orders"},
    {"POST", "/api/v1/datasets/{id}/suggester/try", WHO_ADMIN, OF_DATASET, RUN_SELF, post_try,
     "what a model would suggest for the next records, as a job that writes nothing: {model, questions, records}"},
    {0},
};
