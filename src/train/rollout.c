/* rollout.c - see rollout.h. */
#include "train/rollout.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/sys.h"
#include "train/loop.h"

/* ---- sizes ---------------------------------------------------------------------------------------------------------------------------- */

static int64_t micros_per_rollout(const train_settings *s) {
    const int64_t own = s->rollout->steps_per_generation;
    return own == OPT_UNSET_INT ? s->o.gradient_accumulation_steps : own;
}

int64_t rollout_size(const train_settings *s) { return s->o.per_device_train_batch_size * micros_per_rollout(s); }

int64_t rollout_steps(const train_settings *s) {
    return s->rollout->num_iterations * micros_per_rollout(s) / s->o.gradient_accumulation_steps;
}

static int64_t prompts_per_rollout(const train_settings *s) { return rollout_size(s) / s->rollout->num_generations; }
static int64_t rollouts_per_epoch(const trainer *t) { return t->units / prompts_per_rollout(t->s); }
int64_t rollout_epoch_steps(const trainer *t) { return rollouts_per_epoch(t) * rollout_steps(t->s); }

float trainer_logit_scale(const trainer *t) {
    const objective *o = t->s->objective;
    const bool tempered =
        t->s->rollout && t->s->rollout->temperature > 0 && (o->tempered || (o->distil && o->distil(t->s->own).tempered));
    return tempered ? (float)(1 / t->s->rollout->temperature) : 1;
}

bool rollout_fits(trainer *t, err *e) {
    const train_settings *s = t->s;
    const int64_t G = s->rollout->num_generations, size = rollout_size(s);
    if (s->o.eval_data.count || s->o.eval_percent > 0)
        return err_set(e, ERR_USAGE,
                       "%s has no given answers to measure on: eval_data and eval_percent are for other objectives; "
                       "preference_data watches what people prefer",
                       s->objective->name);
    if (size % G)
        return err_set(e, ERR_USAGE,
                       "a rollout has %lld completions (per_device_train_batch_size x steps_per_generation), which should be a "
                       "multiple of num_generations, %lld",
                       (long long)size, (long long)G);
    if (s->rollout->num_iterations * micros_per_rollout(s) % s->o.gradient_accumulation_steps)
        return err_set(
            e, ERR_USAGE,
            "num_iterations x steps_per_generation is %lld, which should be a multiple of gradient_accumulation_steps, "
            "%lld: a step must not stand across two rollouts",
            (long long)(s->rollout->num_iterations * micros_per_rollout(s)), (long long)s->o.gradient_accumulation_steps);
    if (s->objective->whole_groups && s->o.per_device_train_batch_size % G)
        return err_set(e, ERR_USAGE,
                       "per_device_train_batch_size should be a multiple of num_generations, %lld: completions of a "
                       "prompt are compared with one another",
                       (long long)G);
    if ((s->objective->whole_groups || s->objective->in_twos) && G != 2)
        return err_set(e, ERR_USAGE, "%s compares two completions of a prompt: num_generations should be 2, not %lld",
                       s->objective->name, (long long)G);
    if (t->units && t->units < prompts_per_rollout(s))
        return err_set(e, ERR_REFUSED,
                       "a rollout takes %lld prompts, the data have %lld: lower per_device_train_batch_size or "
                       "steps_per_generation, or raise num_generations",
                       (long long)prompts_per_rollout(s), (long long)t->units);
    return true;
}

bool rollout_is_fresh(const trainer *t) { return t->step % rollout_steps(t->s) == 0; }

/* Micro-batch m of the rollout is its m-th slice, from the start again with each iteration. */
void rollout_slice(const trainer *t, int64_t *index) {
    const int64_t first = t->step % rollout_steps(t->s) * t->s->o.gradient_accumulation_steps, micros = micros_per_rollout(t->s);
    for (int64_t k = 0; k < t->s->o.gradient_accumulation_steps; k++)
        for (int64_t i = 0; i < t->per_micro; i++) index[k * t->per_micro + i] = (first + k) % micros * t->per_micro + i;
}

double rollout_share(const trainer *t) {
    return t->rollout->tokens * (double)t->s->o.gradient_accumulation_steps / (double)micros_per_rollout(t->s);
}

static void mask_truncated(const trainer *t, rollout *r) {
    for (int i = 0; i < r->count; i++) {
        completion *c = &r->item[i];
        uint8_t *mask = (uint8_t *)(uintptr_t)c->row.mask;
        const bool other = t->s->objective->own_alone && c->row.role == ROLE_OPPONENT;
        if (other || (t->s->rollout->mask_truncated_completions && c->truncated))
            memset(mask + c->row.prompt, 0, (size_t)c->tokens);
        if (t->s->objective->in_pairs) c->row.label = c->row.role != ROLE_OPPONENT;
        r->tokens += row_trained(&c->row);
    }
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------------------- */

static bool open_replay(trainer *t, err *e) {
    if (!t->s->rollout->rollouts) return true;
    t->replay = arena_new_of(t->arena, file_lines);
    if (file_lines_open(t->replay, t->s->rollout->rollouts, 1 << 28, e)) return true;
    t->replay = NULL;
    return false;
}

bool rollout_open(trainer *t, err *e) {
    const rollout_options *o = t->s->rollout;
    if (!t->s->objective->unrewarded && !o->rollouts && !o->reward_funcs.count)
        return err_set(e, ERR_USAGE,
                       "%s wants to know what a good answer is: name a reward function, --reward-funcs NAME[:ARGUMENT]",
                       t->s->objective->name);
    t->reward_count = o->reward_funcs.count;
    const reward_world world = {t->backend, t->compute, t->adapter ? t->policy : NULL, t->s->o.chat_template};
    bool ok = rewards_open(t->arena, o->reward_funcs.item, o->reward_funcs.count, o->reward_weights.item, o->reward_weights.count,
                           &t->rewards, e);
    for (int f = 0; ok && !o->rollouts && f < t->reward_count; f++)
        ok = !t->rewards[f].kind->ready || t->rewards[f].kind->ready(t->rewards[f].state, &world, e) ||
             err_prefix(e, "reward %s", t->rewards[f].name);
    return ok && open_replay(t, e) && guard_open(t, e);
}

static void drop(trainer *t) {
    if (!t->rollout) return;
    reference_forget(t);
    arena_free(t->rollout->a);
    t->rollout = NULL;
}

static bool same_tokens(const completion *x, const completion *y) {
    return x->tokens == y->tokens &&
           memcmp(x->row.ids + x->row.prompt, y->row.ids + y->row.prompt, (size_t)x->tokens * sizeof *x->row.ids) == 0;
}

/* What guards look at. A completion is distinct when none before it in the rollout says the same: one answer to all prompts shows, and so does one
 * answer in a group. */
static void measure_health(rollout *r) {
    double distinct = 0, n = 0, sum = 0, length = 0;
    for (int i = 0; i < r->count; i++) {
        bool first = true;
        for (int k = 0; k < i && first; k++) first = !same_tokens(&r->item[i], &r->item[k]);
        distinct += first;
        length += r->item[i].tokens;
        if (!isnan(r->item[i].score)) sum += (double)r->item[i].score, n++;
    }
    r->distinct = distinct / r->count;
    r->mean_score = n > 0 ? sum / n : NAN;
    r->mean_length = length / r->count;
    metric_add(&r->metrics, "completions/distinct", r->distinct, 1);
}

/* A rollout out of a checkpoint. */
void rollout_take(trainer *t, rollout *r) {
    drop(t);
    if (!r) return;
    t->rollout = r;
    mask_truncated(t, r);
    measure_health(r);
    for (int i = 0; i < r->count; i++) {
        const completion *c = &r->item[i];
        if (c->ref_logp)
            t->reference_logp[i] =
                memcpy(memory_alloc((size_t)(c->tokens + 1) * sizeof(float)), c->ref_logp, (size_t)c->tokens * sizeof(float));
    }
}

void rollout_close(trainer *t) {
    drop(t);
    if (t->replay) file_lines_close(t->replay);
    t->replay = NULL;
}

rollout *rollout_new(const trainer *t, int64_t number) {
    arena *a = arena_new();
    rollout *r = arena_new_of(a, rollout);
    *r = (rollout){.a = a, .kept_pass = -1, .number = number, .count = (int)rollout_size(t->s)};
    r->item = arena_array(a, completion, r->count + 1);
    return r;
}

static writer_kind writer_of(const trainer *t, int which, double chance) {
    const objective *o = t->s->objective;
    return o->writer ? o->writer(t->s->own, which, chance) : WRITER_POLICY;
}

row rollout_prompt(const trainer *t, int64_t i) {
    row r = rows_at(t->rows, i);
    r.length = r.prompt;
    return r;
}

/* Which prompts, in the order of their epoch, and who answers them. */
static void choose_prompts(trainer *t, rollout *r) {
    const int64_t each = prompts_per_rollout(t->s), epoch = r->number / rollouts_per_epoch(t),
                  first = r->number % rollouts_per_epoch(t) * each, G = t->s->rollout->num_generations;
    rng one = rng_new(rng_mix((uint64_t)t->s->o.seed, (uint64_t)r->number), 0x77726974);
    const double chance = rng_uniform(&one);
    for (int i = 0; i < r->count; i++) {
        r->item[i].group = (int)(i / G);
        r->item[i].prompt = t->s->rollout->shuffle_dataset ? trainer_unit(t, epoch, first + i / G) : first + i / G;
        r->item[i].writer = writer_of(t, (int)(i % G), chance);
        r->item[i].row.role = i % G && r->item[i].writer != WRITER_POLICY ? ROLE_OPPONENT : ROLE_ANSWER;
    }
}

/* ---- rewards ------------------------------------------------------------------------------------------------------------------------------ */

static str decoded(const trainer *t, arena *a, const int32_t *ids, int count, bool plain) {
    buf text = {0};
    tokenizer_decode(t->text->tokenizer, ids, count, plain, &text);
    const str out = {str_copy(a, buf_str(&text)), text.len};
    buf_free(&text);
    return out;
}

static bool reward_all(trainer *t, rollout *r, err *e) {
    arena *a = arena_new();
    reward_case *c = arena_array(a, reward_case, r->count + 1);
    float *out = arena_array(a, float, r->count + 1);
    bool ok = true;
    for (int i = 0; ok && i < r->count; i++) {
        completion *x = &r->item[i];
        const row prompt = rollout_prompt(t, x->prompt);
        c[i] = (reward_case){.row = json_parse(a, rows_columns(t->rows, x->prompt), e),
                             .prompt = decoded(t, a, prompt.ids, prompt.length, true),
                             .whole = decoded(t, a, x->row.ids, x->row.length, false),
                             .text = x->text,
                             .prompt_ids = prompt.ids,
                             .ids = x->row.ids + x->row.prompt,
                             .prompt_tokens = prompt.length,
                             .tokens = x->tokens,
                             .truncated = x->truncated};
        x->reward = arena_array(r->a, float, t->reward_count + 1);
        ok = c[i].row != NULL;
    }
    for (int f = 0; ok && f < t->reward_count; f++) {
        ok =
            t->rewards[f].kind->score(t->rewards[f].state, c, r->count, out, e) || err_prefix(e, "reward %s", t->rewards[f].name);
        for (int i = 0; ok && i < r->count; i++) r->item[i].reward[f] = out[i];
    }
    arena_free(a);
    return ok;
}

/* ---- the objective's view ------------------------------------------------------------------------------------------------------------------- */

static float *flat(arena *a, const rollout *r, const judged *j, size_t member) {
    float *out = arena_array(a, float, j->T + 1);
    for (int i = 0; i < r->count; i++) {
        const float *from = *(float *const *)(const void *)((const char *)&r->item[i] + member);
        if (!from) continue;
        memcpy(out + j->sequence[i].begin, from, (size_t)r->item[i].tokens * sizeof *out);
    }
    return out;
}

static judged view_of(arena *a, trainer *t, rollout *r) {
    judged j = {.carry = t->carry, .a = a, .S = r->count, .F = t->reward_count, .metrics = &r->metrics};
    seq *sequence = arena_array(a, seq, j.S + 1);
    int *group = arena_array(a, int, j.S + 1);
    bool *truncated = arena_array(a, bool, j.S + 1);
    float *rewards = arena_array(a, float, j.S *j.F + 1);
    double *weights = arena_array(a, double, j.F + 1);
    for (int f = 0; f < j.F; f++) weights[f] = t->rewards[f].weight;
    for (int i = 0; i < j.S; i++) {
        const completion *c = &r->item[i];
        sequence[i] = (seq){j.T, j.T + c->tokens};
        j.T += c->tokens;
        group[i] = c->group;
        truncated[i] = c->truncated;
        for (int f = 0; f < j.F; f++) rewards[i * j.F + f] = c->reward[f];
    }
    uint8_t *mask = arena_array(a, uint8_t, j.T + 1);
    for (int i = 0; i < j.S; i++)
        for (int k = 0; k < r->item[i].tokens; k++)
            mask[sequence[i].begin + k] = row_trains(&r->item[i].row, r->item[i].row.prompt + k);
    j.sequence = sequence;
    j.group = group;
    j.truncated = truncated;
    j.rewards = rewards;
    j.weights = weights;
    j.mask = mask;
    j.score = arena_array(a, float, j.S + 1);
    j.advantage = arena_array(a, float, j.T + 1);
    j.returns = arena_array(a, float, j.T + 1);
    if (r->item[0].old_logp) j.old_logp = flat(a, r, &j, offsetof(completion, old_logp));
    if (r->item[0].ref_logp) j.ref_logp = flat(a, r, &j, offsetof(completion, ref_logp));
    if (r->item[0].value) j.value = flat(a, r, &j, offsetof(completion, value));
    return j;
}

static void judge_all(trainer *t, rollout *r) {
    arena *a = arena_new();
    judged j = view_of(a, t, r);
    t->s->objective->judge(t->s->own, &j);
    for (int i = 0; i < r->count; i++) {
        completion *c = &r->item[i];
        const size_t bytes = (size_t)c->tokens * sizeof(float);
        c->score = j.score[i];
        c->advantage = (float *)(void *)arena_copy(r->a, j.advantage + j.sequence[i].begin, bytes);
        c->returns = (float *)(void *)arena_copy(r->a, j.returns + j.sequence[i].begin, bytes);
    }
    arena_free(a);
}

/* ---- metrics ---------------------------------------------------------------------------------------------------------------------------------- */

static void measure_lengths(rollout *r) {
    metrics *m = &r->metrics;
    double cut = 0;
    bool ended = false;
    for (int i = 0; i < r->count; i++) {
        const completion *c = &r->item[i];
        cut += c->truncated;
        metric_add(m, "completions/mean_length", c->tokens, 1);
        metric_add_least(m, "completions/min_length", c->tokens);
        metric_add_most(m, "completions/max_length", c->tokens);
        if (c->truncated) continue;
        ended = true;
        metric_add(m, "completions/mean_terminated_length", c->tokens, 1);
        metric_add_least(m, "completions/min_terminated_length", c->tokens);
        metric_add_most(m, "completions/max_terminated_length", c->tokens);
    }
    metric_add(m, "completions/clipped_ratio", cut, r->count);
    static const char *const none[] = {"completions/mean_terminated_length", "completions/min_terminated_length",
                                       "completions/max_terminated_length"};
    for (int i = 0; !ended && i < 3; i++) metric_add(m, none[i], 0, 1);
}

static void measure_rewards(const trainer *t, rollout *r) {
    for (int f = 0; f < t->reward_count; f++) {
        double n = 0, sum = 0, squares = 0;
        for (int i = 0; i < r->count; i++)
            if (!isnan(r->item[i].reward[f])) sum += (double)r->item[i].reward[f], n++;
        if (n == 0) continue;
        for (int i = 0; i < r->count; i++)
            if (!isnan(r->item[i].reward[f])) squares += pow((double)r->item[i].reward[f] - sum / n, 2);
        metric_add(&r->metrics, arena_printf(t->arena, "rewards/%s/mean", t->rewards[f].name), sum / n, 1);
        metric_add(&r->metrics, arena_printf(t->arena, "rewards/%s/std", t->rewards[f].name), n > 1 ? sqrt(squares / (n - 1)) : 0,
                   1);
    }
}

/* ---- making one -------------------------------------------------------------------------------------------------------------------------------- */

/* With one step to a rollout the old policy is the one that learns: its log-probabilities are those of the step itself. */
static bool wants_old(const trainer *t) { return t->s->objective->judges_old || rollout_steps(t->s) > 1; }

/* What a rollout costs, part by part; not among the metrics, which are the same in every repetition. */
enum { WRITING, REWARDING, LOOKING, REFERRING, PARTS };
static void say_cost(const rollout *r, const double *since) {
    log_debug(
        "rollout %lld: %d completions of %.1f tokens: %.1f s written, %.1f s rewarded, %.1f s policy's look, %.1f s reference's",
        (long long)r->number, r->count, r->mean_length, since[WRITING + 1] - since[WRITING],
        since[REWARDING + 1] - since[REWARDING], since[LOOKING + 1] - since[LOOKING], since[PARTS] - since[REFERRING]);
}

static bool make_rollout(trainer *t, rollout *r, err *e) {
    double since[PARTS + 1] = {sys_seconds()};
    if (t->replay ? !rollout_replay(t, r, e) : !rollout_sample(t, r, e)) return false;
    mask_truncated(t, r);
    for (int i = 0; i < r->count; i++) t->num_tokens += r->item[i].row.length;
    t->rollout = r;
    since[REWARDING] = sys_seconds();
    if (!t->replay && !reward_all(t, r, e)) return false;
    since[LOOKING] = sys_seconds();
    if (wants_old(t)) trainer_look(t);
    since[REFERRING] = sys_seconds();
    if (reference_wanted(t)) trainer_look_reference(t);
    since[PARTS] = sys_seconds();
    judge_all(t, r);
    measure_lengths(r);
    measure_rewards(t, r);
    measure_health(r);
    say_cost(r, since);
    return true;
}

/* Which completions the coming step may learn from, where the objective says so anew each time a rollout is gone through. */
static void choose_kept(trainer *t) {
    rollout *r = t->rollout;
    const objective *o = t->s->objective;
    const int64_t done = t->step % rollout_steps(t->s) * t->s->o.gradient_accumulation_steps;
    const int now = (int)(done / micros_per_rollout(t->s));
    if (!o->keep || r->kept_pass == now) return;
    arena *a = arena_new();
    int *group = arena_array(a, int, r->count + 1), n = 0;
    float *earned = arena_array(a, float, r->count + 1);
    bool *kept = arena_array(a, bool, r->count + 1);
    for (int i = 0; i < r->count; i++) {
        group[i] = r->item[i].group;
        earned[i] = r->item[i].tokens ? r->item[i].advantage[0] : NAN;
    }
    o->keep(t->s->own, group, earned, r->count, now, kept);
    r->kept_pass = now;
    r->tokens = 0;
    for (int i = 0; i < r->count; i++) {
        const completion *c = &r->item[i];
        const bool on = kept[i] && !(t->s->rollout->mask_truncated_completions && c->truncated);
        memset((uint8_t *)(uintptr_t)c->row.mask + c->row.prompt, on ? MASK_TRAINED : 0, (size_t)c->tokens);
        n += on && c->tokens;
        r->tokens += on ? c->tokens : 0;
    }
    if (now == 0) metric_add(&r->metrics, "completions/kept", (double)n / r->count, 1);
    arena_free(a);
}

static bool get_rollout(trainer *t, err *e) {
    const int64_t number = t->step / rollout_steps(t->s);
    if (t->rollout && t->rollout->number == number) return true;
    drop(t);
    rollout *r = rollout_new(t, number);
    choose_prompts(t, r);
    if (make_rollout(t, r, e)) return true;
    if (t->rollout != r) arena_free(r->a);
    drop(t);
    return false;
}

bool rollout_ready(trainer *t, err *e) {
    if (!get_rollout(t, e)) return false;
    choose_kept(t);
    return true;
}
