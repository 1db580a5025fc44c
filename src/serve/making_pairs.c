/* making_pairs.c - preference pairs without people (assist/rlaif.h) from the prompts of a dataset, in the background.
 *
 *     POST /api/v1/datasets/{id}/rlaif {"model", "judge", "revise", "constitution": [principle ...], "guidelines", "name", "count", "temperature",
 *                          "tie", "max_new_tokens", "seed", "licence", limits, "dataset"}                        ─► a job of kind "rlaif"
 *
 *     prompts of the dataset ──► two answers, judged: a comparison with the judge's choice and its probability
 *                            └─► an answer, its critique, its revision: a text with the revision, the critique a field beside it
 *
 * The rows lie in the folder exports, for every objective that learns from pairs; with "dataset": true they become a dataset in the workspace of
 * the first one, where people can look at what the model said before it is trained on, or train on it as it is. */
#include <string.h>

#include "base/rng.h"
#include "serve/making.h"

enum { PROMPTS_MOST = 10000, PRINCIPLES_MOST = 200, GUIDELINES_MOST = 100000, PURPOSE_SIDES = 0x73696465 };

typedef struct {
    making m;
    const char *model, *judge, *set; /* set: id of the dataset with the prompts */
    rlaif_order order;
    rlaif_file file;
    int64_t most; /* prompts; 0: all */
    job *j;
} pairs;

static void end_pairs(void *context) {
    pairs *x = context;
    if (x->order.judge != x->order.policy) endpoint_close(x->order.judge);
    endpoint_close(x->order.policy);
    arena *own = x->m.own;
    arena_free(own);
}

/* ---- as a dataset ------------------------------------------------------------------------------------------------------------------------- */

#define TEXT(name, title, required)                                                                                              \
    "{\"name\":\"" name "\",\"title\":\"" title "\",\"required\":" required                                                      \
    ",\"settings\":{\"type\":\"text\",\"use_markdown\":true}}"

static const char
    *const judged_fields[] = {TEXT("prompt", "Prompt", "true"), TEXT("answer_a", "Answer A", "true"),
                              TEXT("answer_b", "Answer B", "true"), NULL},
           *const judged_questions[] =
               {"{\"name\":\"better\",\"title\":\"Which answer is better?\",\"required\":true,\"settings\":{\"type\":"
                "\"comparison\",\"fields\":[\"answer_a\",\"answer_b\"]}}",
                NULL},
           *const revised_fields[] = {TEXT("prompt", "Prompt", "true"), TEXT("answer", "Answer", "true"),
                                      TEXT("critique", "Critique", "false"), TEXT("principle", "Principle", "false"), NULL},
           *const revised_questions[] = {TEXT("better", "A better answer", "true"), NULL};
#undef TEXT

static void copy_text(arena *a, json *to, const char *key, const json *from, const char *what) {
    const json *v = json_get(from, what);
    if (v) json_set(to, key, json_new_text(a, json_text(v, STR(""))));
}

static void put_item(arena *a, const json *row, json *values, json *value, json *items) {
    json *item = json_new_object(a), *said = json_new_object(a), *list = json_new_array(a);
    const json *score = json_get(row, "probability_chosen");
    json_set(said, "question_name", json_new_text(a, STR("better")));
    json_set(said, "value", value);
    json_set(said, "type", json_new_text(a, STR("model")));
    copy_text(a, said, "agent", row, "judge");
    if (score) json_set(said, "score", json_new_real(a, json_real(score, 0)));
    json_append(list, said);
    json_set(item, "fields", values);
    json_set(item, "suggestions", list);
    json_append(items, item);
}

/* Which of the two is A is drawn, so that the letter tells nothing. */
static void put_judged(arena *a, const json *row, int64_t number, json *items) {
    rng draw = rng_new((uint64_t)number, PURPOSE_SIDES);
    json *values = json_new_object(a), *value = json_new_object(a);
    const bool first = rng_below(&draw, 2);
    copy_text(a, values, "prompt", row, "prompt");
    copy_text(a, values, "answer_a", row, first ? "chosen" : "rejected");
    copy_text(a, values, "answer_b", row, first ? "rejected" : "chosen");
    json_set(value, "choice", json_new_text(a, first ? STR("a") : STR("b")));
    put_item(a, row, values, value, items);
}

static void put_revised(arena *a, const json *row, int64_t number, json *items) {
    json *values = json_new_object(a);
    (void)number;
    copy_text(a, values, "prompt", row, "prompt");
    copy_text(a, values, "answer", row, "rejected");
    copy_text(a, values, "critique", row, "critique");
    copy_text(a, values, "principle", row, "principle");
    put_item(a, row, values, json_new_text(a, json_get_text(row, "chosen", STR(""))), items);
}

#define AND_SUGGESTIONS ",\"options\":{\"suggestions\":true}}"
static const making_shape judged = {.fields = judged_fields,
                                    .questions = judged_questions,
                                    .recipe =
                                        "{\"mapping\":{\"recipe\":\"comparison\",\"question\":\"better\",\"prompt\":\"prompt\","
                                        "\"answer_a\":\"answer_a\",\"answer_b\":\"answer_b\"}" AND_SUGGESTIONS,
                                    .put = put_judged},
                          revised = {.fields = revised_fields,
                                     .questions = revised_questions,
                                     .recipe = "{\"mapping\":{\"recipe\":\"text\",\"question\":\"better\",\"prompt\":\"prompt\","
                                               "\"answer\":\"answer\"}" AND_SUGGESTIONS,
                                     .put = put_revised};

/* ---- the prompts -------------------------------------------------------------------------------------------------------------------------- */

static bool take_rows(void *context, str piece, err *e) {
    (void)e;
    buf_put_str(context, piece);
    return true;
}

static bool is_new(const pairs *x, const char *prompt) {
    for (int i = 0; i < x->file.count; i++)
        if (strcmp(x->file.prompts[i], prompt) == 0) return false;
    return true;
}

/* A failure in the middle of the rows is a row of its own. */
static bool take_prompt(pairs *x, const char **list, str line, err *e) {
    const json *row = json_parse(x->m.own, line, e);
    if (!row) return false;
    if (json_has(row, "error")) return err_set(e, ERR_INPUT, "%.*s", STR_ARG(json_get_text(row, "error", STR(""))));
    const char *prompt = str_copy(x->m.own, str_trim(json_get_text(row, "prompt", STR(""))));
    if (*prompt && is_new(x, prompt)) list[x->file.count++] = prompt;
    return true;
}

static bool read_prompts(pairs *x, err *e) {
    buf rows = {0};
    const int64_t most = x->most ? x->most : PROMPTS_MOST;
    const char **list = arena_array(x->m.own, const char *, (size_t)most);
    x->file.prompts = list;
    bool ok = server_call_to(x->m.server, "POST", arena_printf(x->m.own, "/api/v1/datasets/%s/rows", x->set),
                             STR("{\"as\":\"prompts\",\"options\":{\"form\":\"text\"}}"), take_rows, &rows, e);
    for (str rest = buf_str(&rows); ok && rest.len && x->file.count < most;) {
        const ptrdiff_t end = str_find(rest, STR("\n"), 0);
        const str line = end < 0 ? rest : str_slice(rest, 0, (size_t)end);
        rest = str_slice(rest, line.len + (end >= 0), rest.len);
        ok = take_prompt(x, list, line, e);
    }
    buf_free(&rows);
    return ok && (x->file.count || err_set(e, ERR_INPUT, "the dataset gives no prompts: its recipes say why"));
}

/* ---- the job ------------------------------------------------------------------------------------------------------------------------------ */

static bool go_on(void *self, int done) {
    const pairs *x = self;
    making_tell(x->j, x->order.judge, done, x->file.count);
    return !job_stop_asked(x->j);
}

static bool open_both(pairs *x, job *j, err *e) {
    if (!(x->order.policy = making_open(&x->m, x->model, j, e))) return false;
    x->order.judge = strcmp(x->judge, x->model) == 0 ? x->order.policy : making_open(&x->m, x->judge, j, e);
    return x->order.judge != NULL;
}

static bool pairs_work(job *j, void *context, json_writer *result, err *e) {
    pairs *x = context;
    rlaif_made made;
    x->j = j;
    x->file.out = x->m.path, x->file.go_on = go_on, x->file.self = x;
    if (!read_prompts(x, e) || !open_both(x, j, e) || !rlaif_run(&x->order, &x->file, &made, e)) return false;
    if (!made.pairs)
        return err_set(e, ERR_INPUT, "none of %lld prompts gave a pair: the answers were alike, a tie, or cut off",
                       (long long)made.left_out);
    if (!making_finish(&x->m, x->order.revise ? &revised : &judged, x->order.judge, result, e)) return false;
    json_key(result, "pairs"), json_put_int(result, made.pairs);
    json_key(result, "left_out"), json_put_int(result, made.left_out);
    json_key(result, "read_from_words"), json_put_int(result, made.worded);
    return true;
}

/* ---- what is ordered ---------------------------------------------------------------------------------------------------------------------- */

static bool take_numbers(call *c, pairs *x, err *e) {
    double count = 0, tokens = 256, seed = 1;
    x->order.temperature = 0.7, x->order.tie = 0.05;
    if (!making_number(c, "count", 0, PROMPTS_MOST, &count, e) || !making_number(c, "max_new_tokens", 1, 1e6, &tokens, e) ||
        !making_number(c, "seed", 0, 1e9, &seed, e) || !making_number(c, "temperature", 0, 100, &x->order.temperature, e) ||
        !making_number(c, "tie", 0, 0.5, &x->order.tie, e))
        return false;
    x->most = (int64_t)count;
    x->order.max_tokens = (int)tokens;
    x->order.seed = (uint64_t)seed;
    return true;
}

static bool take_principles(call *c, pairs *x, err *e) {
    const json *list = json_get(c->body, "constitution");
    const size_t n = json_count(list);
    const char **out = arena_array(x->m.own, const char *, n + 1);
    bool ok = !list || (json_kind_of(list) == JSON_ARRAY && n <= PRINCIPLES_MOST);
    for (size_t i = 0; ok && i < n; i++) {
        out[i] = str_copy(x->m.own, str_trim(json_text(json_at(list, i), STR(""))));
        ok = *out[i] != '\0';
    }
    if (!ok) return invalid(c, "body.constitution", e, "constitution should be a list of up to %d principles", PRINCIPLES_MOST);
    x->file.principles = out;
    x->file.principle_count = (int)n;
    return true;
}

static bool take_rules(call *c, pairs *x, err *e) {
    const char *said = NULL;
    if (!body_bool_or(c, "revise", &x->order.revise, e) || !take_principles(c, x, e) ||
        !body_text_or(c, "guidelines", 1, GUIDELINES_MOST, &said, e))
        return false;
    const str rules = said ? str_of(said) : c->set.guidelines;
    x->order.guidelines = str_of(str_copy(x->m.own, rules));
    if (x->file.principle_count && !x->order.revise)
        return invalid(c, "body.constitution", e, "principles are what answers are revised by: say \"revise\": true");
    return str_trim(rules).len || x->file.principle_count ||
           invalid(c, "body.guidelines", e, "the dataset has no guidelines: say by what answers are judged");
}

static bool take_models(call *c, pairs *x, err *e) {
    const char *model, *judge = NULL;
    if (!body_text(c, "model", 1, 2000, &model, e) || !body_text_or(c, "judge", 1, 2000, &judge, e)) return false;
    x->model = arena_text(x->m.own, model);
    x->judge = arena_text(x->m.own, judge ? judge : model);
    return hosted_may_name(c, x->model, e) && hosted_may_name(c, x->judge, e) && making_terms(c, &x->m, x->model, e) &&
           (!x->order.revise || making_terms(c, &x->m, x->judge, e));
}

static bool post_rlaif(call *c, err *e) {
    if (!body_object(c, e)) return false;
    arena *own = arena_new();
    pairs *x = arena_new_of(own, pairs);
    *x = (pairs){.m = {.server = c->server, .own = own}, .set = arena_text(own, c->set.id)};
    const char *file = arena_printf(c->a, "-%s", strrchr(c->set.id, '-') + 1);
    const bool ok = take_numbers(c, x, e) && take_rules(c, x, e) && making_take(c, &x->m, file, e) && take_models(c, x, e);
    const making_job j = {
        .order = {.kind = "rlaif", .unit = "prompts", .workspace = c->set.workspace, .by = c->me.seq, .of = c->set.id},
        .running = "pairs of this dataset are being made: wait for the job, or stop it",
        .work = pairs_work,
        .end = end_pairs,
        .context = x};
    return making_begin(c, &j, ok, e);
}

const route routes_making_pairs[] = {
    {"POST", "/api/v1/datasets/{id}/rlaif", WHO_ADMIN, OF_DATASET, RUN_SELF, post_rlaif,
     "preference pairs of the dataset's prompts, judged or revised by a model, to a file in exports, as a job: {model, judge, "
     "revise, constitution: [principle ...], guidelines, name, count, temperature, tie, max_new_tokens, seed, licence, "
     "per_minute, "
     "tokens_most, cost_prompt, cost_answer, dataset: true to make one of them, workspace_id}"},
    {0},
};
