/* objectives.c - every objective and loss type against finite differences over random ragged columns, and shares of a step that add up. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/objective/dpo.h"
#include "train/train.h"

typedef struct {
    arena *a;
    columns c;
    float *logp, *smooth, *log_sum_sq, *score, *value, *divergence;
} made;

/* What a rollout brings: the policy has moved a little since. */
static void add_rollout(arena *a, columns *c, rng *r) {
    float *old = arena_array(a, float, c->T + 1), *sampler = arena_array(a, float, c->T + 1),
          *advantage = arena_array(a, float, c->T + 1), *entropy = arena_array(a, float, c->T + 1);
    for (int s = 0; s < c->S; s++) {
        const float A = (float)(2 * rng_uniform(r) - 1);
        for (int t = c->sequence[s].begin; t < c->sequence[s].end; t++) {
            old[t] = c->logp[t] + (float)(0.6 * rng_uniform(r) - 0.3);
            sampler[t] = old[t] + (float)(0.1 * rng_uniform(r) - 0.05);
            advantage[t] = A;
            entropy[t] = (float)(2 * rng_uniform(r));
        }
    }
    c->old_logp = old;
    c->sampler_logp = sampler;
    c->advantage = advantage;
    c->entropy = entropy;
}

static made some_columns(uint64_t seed, int pairs) {
    made m = {.a = arena_new()};
    rng r = rng_new(seed, 1);
    columns *c = &m.c;
    c->P = pairs;
    c->S = 2 * pairs;
    seq *s = arena_array(m.a, seq, c->S);
    for (int i = 0; i < c->S; i++) {
        s[i].begin = c->T;
        s[i].end = c->T += (int)rng_below(&r, 7);
    }
    float *logp = arena_array(m.a, float, c->T + 1), *ref = arena_array(m.a, float, c->T + 1),
          *smooth = arena_array(m.a, float, c->T + 1), *log_sum_sq = arena_array(m.a, float, c->T + 1);
    uint8_t *mask = arena_array(m.a, uint8_t, c->T + 1);
    int *label = arena_array(m.a, int, c->S);
    struct pair_of *p = arena_array(m.a, struct pair_of, pairs + 1);
    for (int t = 0; t < c->T; t++) {
        logp[t] = (float)(-4 * rng_uniform(&r));
        ref[t] = (float)(-4 * rng_uniform(&r));
        smooth[t] = (float)(-6 * rng_uniform(&r));
        log_sum_sq[t] = (float)(-2 * rng_uniform(&r));
        mask[t] = rng_below(&r, 4) != 0;
    }
    for (int i = 0; i < c->S; i++) {
        label[i] = i % 2 == 0;
        p[i / 2].target = -1;
        if (label[i]) p[i / 2].chosen = i;
        else p[i / 2].rejected = i;
    }
    c->sequence = s;
    c->logp = m.logp = logp;
    c->ref_logp = ref;
    c->smooth = m.smooth = smooth;
    c->log_sum_sq = m.log_sum_sq = log_sum_sq;
    m.divergence = arena_array(m.a, float, c->T + 1);
    for (int t = 0; t < c->T; t++) m.divergence[t] = (float)rng_uniform(&r);
    c->divergence = m.divergence;
    c->mask = mask;
    c->label = label;
    c->pairs = p;
    c->carry = arena_array(m.a, double, OBJECTIVE_CARRY);
    int *group = arena_array(m.a, int, c->S);
    float *score = arena_array(m.a, float, c->S);
    for (int i = 0; i < c->S; i++) {
        group[i] = i / 4; /* two pairs answer one prompt */
        score[i] = (float)rng_below(&r, 3);
    }
    c->group = group;
    c->score = m.score = score;
    float *value = arena_array(m.a, float, 2 * c->T + 1);
    uint8_t *right = arena_array(m.a, uint8_t, c->T + 1);
    for (int t = 0; t < c->T; t++) right[t] = rng_below(&r, 2) != 0;
    for (int t = 0; t < 2 * c->T; t++) value[t] = (float)(4 * rng_uniform(&r) - 2);
    float *old_value = arena_array(m.a, float, c->T + 1), *returns = arena_array(m.a, float, c->T + 1);
    for (int t = 0; t < c->T; t++) {
        old_value[t] = value[t] + (float)(rng_uniform(&r) - 0.5);
        returns[t] = (float)(4 * rng_uniform(&r) - 2);
    }
    c->value = m.value = value;
    c->old_value = old_value;
    c->returns = returns;
    c->token_label = right;
    add_rollout(m.a, c, &r);
    c->step = (step_counts){.sequences = c->S, .pairs = pairs, .groups = (pairs + 1) / 2, .most_tokens = 6};
    for (int i = 0; i < c->S; i++) {
        c->step.tokens += count_trained(c, s[i]);
        c->step.labelled += count_trained(c, s[i]);
        c->step.chosen_tokens += label[i] ? count_trained(c, s[i]) : 0;
        c->step.chosen_predicted += label[i] ? s[i].end - s[i].begin : 0;
    }
    c->step.rollout_tokens = c->step.tokens;
    return m;
}

static double loss_and_gradients(const objective *o, const void *own, const columns *c, gradients *g) {
    memset(g->dlogp, 0, (size_t)c->T * sizeof(float));
    memset(g->dsmooth, 0, (size_t)c->T * sizeof(float));
    memset(g->ddivergence, 0, (size_t)c->T * sizeof(float));
    memset(g->dvalue, 0, 2 * (size_t)c->T * sizeof(float));
    memset(g->dscore, 0, (size_t)c->S * sizeof(float));
    c->carry[0] = 0.3; /* bco's mean of so many rewards that one step does not move it: it is held constant */
    c->carry[1] = 1e12;
    return o->loss(own, c, g);
}

/* Settings as "key=value" words, NULL at the end. */
static train_settings *settings_of(arena *a, const char *name, const char *const *words) {
    train_settings *s;
    err e = {0};
    assert_ok(train_settings_begin(a, name, &s, &e), e);
    for (; *words; words++) {
        const char *equals = strchr(*words, '=');
        assert_ok(resolve_set(a, &s->from, (str){*words, (size_t)(equals - *words)}, str_of(equals + 1), "test", &e), e);
    }
    if (s->objective->check) assert_ok(s->objective->check(s->own, &e), e);
    return s;
}

static gradients new_gradients(const made *m) {
    return (gradients){.dlogp = arena_array(m->a, float, m->c.T + 1),
                       .dentropy = arena_array(m->a, float, m->c.T + 1),
                       .dsmooth = arena_array(m->a, float, m->c.T + 1),
                       .ddivergence = arena_array(m->a, float, m->c.T + 1),
                       .dvalue = arena_array(m->a, float, 2 * m->c.T + 1),
                       .dscore = arena_array(m->a, float, m->c.S + 1)};
}

/* The loss with one token's logp moved. log_sum_sq goes along, so that WPO's weights, which are held constant, do not move. */
static double moved(const train_settings *s, made *m, int t, float by, gradients *scratch) {
    const float x = m->logp[t], y = m->log_sum_sq[t];
    m->logp[t] = x + by;
    m->log_sum_sq[t] = y + by;
    const double loss = loss_and_gradients(s->objective, s->own, &m->c, scratch);
    m->logp[t] = x;
    m->log_sum_sq[t] = y;
    return loss;
}

static bool near(double got, double want) { return fabs(want - got) <= 2e-3 * fabs(want) + 2e-4; }

/* Central differences; at a kink (hinge) one of the two sides. */
static void check_slope(const char *what, const train_settings *s, made *m, int t, bool kinks, double got, gradients *scratch) {
    const float h = s->objective->judge ? 2e-3f : 1e-2f; /* ratios bend at their clips, and are no straight lines beside them */
    const double up = moved(s, m, t, h, scratch), down = moved(s, m, t, -h, scratch), here = moved(s, m, t, 0, scratch),
                 want = (up - down) / (2 * (double)h);
    if (near(got, want) || (kinks && (near(got, (up - here) / (double)h) || near(got, (here - down) / (double)h)))) return;
    fail_msg("%s, token %d: %g, finite differences say %g", what, t, got, want);
}

/* What a head that scores or labels says, moved number by number. */
static void check_head(const char *what, const train_settings *s, made *m, float *said, int count, const float *got,
                       gradients *scratch) {
    const float h = s->objective->judge ? 2e-3f : 1e-2f; /* ratios bend at their clips, and are no straight lines beside them */
    for (int i = 0; i < count; i++) {
        const float x = said[i];
        double loss[2];
        for (int k = 0; k < 2; k++) {
            said[i] = k ? x - h : x + h;
            loss[k] = loss_and_gradients(s->objective, s->own, &m->c, scratch);
        }
        said[i] = x;
        const double here = loss_and_gradients(s->objective, s->own, &m->c, scratch),
                     want = (loss[0] - loss[1]) / (2 * (double)h);
        const bool kink =
            near((double)got[i], (loss[0] - here) / (double)h) || near((double)got[i], (here - loss[1]) / (double)h);
        if (!near((double)got[i], want) && !kink)
            fail_msg("%s, output %d: %g, finite differences say %g", what, i, (double)got[i], want);
    }
}

/* Every second sequence is there to be measured only. */
static void match(made *m) {
    int *role = arena_array(m->a, int, m->c.S);
    for (int i = 1; i < m->c.S; i += 2) role[i] = ROLE_MISMATCHED;
    for (int i = 0; i < m->c.S; i += 2) ((int *)(uintptr_t)m->c.label)[i] = i % 4 == 0;
    m->c.role = role;
    m->c.step.sequences = m->c.S / 2;
}

static int sequence_of(const columns *c, int t) {
    int s = 0;
    while (t >= c->sequence[s].end) s++;
    return s;
}

/* Every third sequence is a third answer beside a pair. */
static void make_triples(made *m) {
    columns *c = &m->c;
    int *role = arena_array(m->a, int, c->S);
    struct pair_of *p = arena_array(m->a, struct pair_of, c->S);
    c->P = 0;
    for (int i = 0; i + 2 < c->S; i += 3) p[c->P++] = (struct pair_of){i, i + 1, i + 2};
    for (int i = 0; i < c->P; i++) {
        role[p[i].target] = ROLE_TARGET;
        c->step.target_tokens += count_trained(c, c->sequence[p[i].target]);
    }
    c->pairs = p;
    c->role = role;
    c->step.pairs = c->P;
}

static bool has_kinks(const char *name, const char *const *words) {
    return strcmp(name, "slic") == 0 || strcmp(name, "rrhf") == 0 || objective_of(name)->judge ||
           (words[0] && strstr(words[0], "hinge"));
}

static void check(const char *name, const char *const *words, bool differences) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        made m = some_columns(seed, 1 + (int)seed % 4);
        const train_settings *s = settings_of(m.a, name, words);
        gradients g = new_gradients(&m), scratch = new_gradients(&m);
        if (objective_rows_of(s->objective, s->own) == WANTS_MATCHED) match(&m);
        if (objective_rows_of(s->objective, s->own) == WANTS_TRIPLES) make_triples(&m);
        m.c.values = objective_values(s->objective, s->own);
        const bool imitates_prompts = s->objective->whole_chosen && s->objective->whole_chosen(s->own);
        assert_true(isfinite(loss_and_gradients(s->objective, s->own, &m.c, &g)));
        const char *what = arena_printf(m.a, "%s %s, seed %d", name, words[0] ? words[0] : "", (int)seed);
        if (s->objective->policy == POLICY_SCORES) check_head(what, s, &m, m.score, m.c.S, g.dscore, &scratch);
        const bool values = objective_needs(s->objective, s->own) & NEEDS(COLUMN_VALUE);
        if (values) check_head(what, s, &m, m.value, m.c.T * m.c.values, g.dvalue, &scratch);
        for (int t = 0; s->objective->policy == POLICY_WRITES && t < m.c.T; t++) {
            if (!m.c.mask[t] && !imitates_prompts) assert_true(g.dlogp[t] == 0);
            if (sequence_role_of(&m.c, sequence_of(&m.c, t)) == ROLE_MISMATCHED) {
                assert_true(g.dlogp[t] == 0);
                continue;
            }
            if (!differences) continue;
            check_slope(what, s, &m, t, has_kinks(name, words), (double)g.dlogp[t], &scratch);
        }
        arena_free(m.a);
    }
}
#define CHECK(name, ...) check(name, (const char *const[]){__VA_ARGS__, NULL}, true)

static void every_objective_has_the_gradient_of_finite_differences(void **state) {
    int count;
    (void)state;
    const objective *const *list = objective_list(&count);
    for (int i = 0; i < count; i++) /* nash-md holds the distance from the reference constant: a test of its own */
        check(list[i]->name, (const char *const[]){NULL}, strcmp(list[i]->name, "nash-md") != 0);
    CHECK("sft", "label_smoothing_factor=0.2");
    check("sft", (const char *const[]){"loss_type=dft", NULL}, false); /* its p is held constant */
}

/* A token that the reference likes less is held back by beta, an answer that was preferred is pushed up, as far as it was. */
static void nash_md_weighs_the_distance_against_the_preference(void **state) {
    (void)state;
    made m = some_columns(3, 3);
    const train_settings *s = settings_of(m.a, "nash-md", (const char *const[]){"beta=0.3", NULL});
    gradients g = new_gradients(&m);
    double loss = 0;
    const double got = loss_and_gradients(s->objective, s->own, &m.c, &g);
    for (int t = 0; t < m.c.T; t++) {
        const double off = (double)m.logp[t] - (double)m.c.ref_logp[t], slope = (0.3 * off - (double)m.c.advantage[t]) / m.c.S;
        assert_true(m.c.mask[t] ? fabs((double)g.dlogp[t] - slope) < 1e-6 : g.dlogp[t] == 0);
        if (m.c.mask[t]) loss += slope * (double)m.logp[t];
    }
    assert_true(fabs(got - loss) < 1e-9);
    arena_free(m.a);
}

/* A teacher's row beside the policy's: the divergence of every trained token, moved number by number. */
static void a_divergence_has_its_gradient_at_trained_tokens_alone(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        made m = some_columns(seed, 1 + (int)seed % 4);
        const train_settings *s = settings_of(m.a, "gkd", (const char *const[]){"beta=0.3", NULL});
        gradients g = new_gradients(&m), scratch = new_gradients(&m);
        loss_and_gradients(s->objective, s->own, &m.c, &g);
        check_head("gkd", s, &m, m.divergence, m.c.T, g.ddivergence, &scratch);
        for (int t = 0; t < m.c.T; t++) {
            assert_true(g.dlogp[t] == 0);
            assert_true((g.ddivergence[t] > 0) == (m.c.mask[t] != 0));
        }
        arena_free(m.a);
    }
}

static void every_setting_of_the_pairwise_objectives_has_its_gradient(void **state) {
    (void)state;
    CHECK("orpo", "nll_tokens=completion", "beta=2");
    CHECK("cpo", "loss_type=hinge", "beta=0.2");
    CHECK("cpo", "loss_type=ipo", "beta=0.5", "cpo_alpha=0");
    CHECK("cpo", "loss_type=simpo", "beta=2", "cpo_alpha=0.3", "label_smoothing=0.1");
    CHECK("cpo", "loss_type=sigmoid", "label_smoothing=0.2", "alpha=-0.1");
    CHECK("simpo", "simpo_gamma=0", "label_smoothing=0.1");
    CHECK("alphapo", "alpha=-0.5", "beta=1");
    CHECK("tpo", "loss_type=hinge", "beta=0.2");
    CHECK("tpo", "loss_type=ipo", "tpo_alpha=0.5");
    CHECK("tpo", "loss_type=tpo-l", "beta=2", "label_smoothing=0.1");
    CHECK("slic", "delta=3", "lambda=0.5", "imitate=reference");
    CHECK("rrhf", "rrhf_weight=1", "length_penalty=0.5");
    CHECK("spin", "beta=1");
}

/* Ratios that are clipped bend; what is held constant in front of logp (cispo, vespo) is not for differences. */
static void every_loss_of_the_grpo_family_has_its_gradient(void **state) {
    static const char *const types[] = {"grpo", "bnpo", "dr_grpo", "dapo", "luspo", "sapo", "gmpo"};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        arena *a = arena_new();
        const char *type = arena_printf(a, "loss_type=%s", types[i]);
        CHECK("grpo", type, "epsilon=0.2", "epsilon_high=0.28", "beta=0.04");
        CHECK("grpo", type, "beta=0.04", "use_bias_correction_kl=false", "delta=1.1");
        CHECK("grpo", type, "top_entropy_quantile=0.5");
        CHECK("grpo", type, "vllm_importance_sampling_mode=token_truncate", "beta=0.1");
        if (i < 6) CHECK("grpo", type, "importance_sampling_level=sequence", "beta=0.04");
        arena_free(a);
    }
    CHECK("rloo", "epsilon=0.1", "epsilon_high=0.3", "beta=0");
}

static void every_setting_of_the_labelled_objectives_has_its_gradient(void **state) {
    (void)state;
    CHECK("kto", "beta=1", "desirable_weight=1.3", "undesirable_weight=0.7");
    CHECK("kto", "loss_type=apo_zero_unpaired", "beta=0.7");
    CHECK("bco", "beta=1");
}

static void every_setting_of_ppo_has_its_gradient(void **state) {
    (void)state;
    CHECK("ppo", "cliprange=0.5", "vf_coef=1");
    CHECK("ppo", "dual_clip=2", "entropy_coef=0.1");
    CHECK("ppo", "kl_in_loss=k1", "kl_coef=0.5");
    CHECK("ppo", "kl_in_loss=k2", "kl_coef=0.5");
    CHECK("ppo", "kl_in_loss=k3", "kl_coef=0.5");
}

static void every_setting_of_the_reward_models_has_its_gradient(void **state) {
    (void)state;
    CHECK("reward", "center_rewards_coefficient=0.05");
    CHECK("prm", "head=scalar");
}

/* Two calls see six answers: the mean is of all of them, and the second call's loss stands on it. */
static void the_mean_reward_is_carried_from_step_to_step(void **state) {
    (void)state;
    made m = some_columns(5, 3);
    const train_settings *s = settings_of(m.a, "bco", (const char *const[]){"beta=0.5", NULL});
    gradients g = new_gradients(&m);
    double sum = 0;
    for (int i = 0; i < m.c.S; i++)
        sum += 0.5 * (sum_trained(&m.c, m.c.logp, m.c.sequence[i]) - sum_trained(&m.c, m.c.ref_logp, m.c.sequence[i]));
    m.c.carry[0] = m.c.carry[1] = 0;
    s->objective->loss(s->own, &m.c, &g);
    assert_true(fabs(m.c.carry[0] - sum / 6) < 1e-12 && m.c.carry[1] == 6);
    for (int t = 0; t < m.c.T; t++) m.logp[t] = m.c.ref_logp[t];
    s->objective->loss(s->own, &m.c, &g);
    assert_true(fabs(m.c.carry[0] - sum / 12) < 1e-12 && m.c.carry[1] == 12);
    arena_free(m.a);
}

static const char *const loss_types[] = {
#define X(name, match, divergence) #name,
    DPO_LOSS_TYPES(X)
#undef X
};
static const char *const divergences[] = {
#define X(name) #name,
    DPO_DIVERGENCES(X)
#undef X
};
enum { TYPES_OF_LOSS = sizeof loss_types / sizeof *loss_types, KINDS_OF_DIVERGENCE = sizeof divergences / sizeof *divergences };

/* discopop bends within tau of 0, faster than the differences can follow: a wider one. */
static void every_loss_type_under_every_divergence_has_its_gradient(void **state) {
    (void)state;
    for (int i = 0; i < TYPES_OF_LOSS; i++)
        for (int k = 0; k < KINDS_OF_DIVERGENCE; k++) {
            arena *a = arena_new();
            const char *type = arena_printf(a, "loss_type=%s", loss_types[i]),
                       *divergence = arena_printf(a, "f_divergence_type=%s", divergences[k]);
            if (k == 0 || dpo_loss_type_of(loss_types[i])->divergence)
                CHECK("dpo", type, divergence, "label_smoothing=0.1", "beta=0.3", "discopop_tau=0.5");
            arena_free(a);
        }
}

static void every_variation_has_its_gradient(void **state) {
    (void)state;
    for (int i = 0; i < TYPES_OF_LOSS; i++) {
        arena *a = arena_new();
        const char *type = arena_printf(a, "loss_type=%s", loss_types[i]);
        CHECK("dpo", type, "ld_alpha=0.3", "label_smoothing=0.1", "beta=0.3", "discopop_tau=0.5");
        CHECK("dpo", type, "reference_free=true", "label_smoothing=0.1", "beta=0.3", "discopop_tau=0.5");
        if (!dpo_loss_type_of(loss_types[i])->match)
            CHECK("dpo", type, "use_weighting=true", "label_smoothing=0.1", "beta=0.3", "discopop_tau=0.5");
        arena_free(a);
    }
    CHECK("dpo", "loss_type=ipo", "length_average=false");
    CHECK("dpo", "loss_type=ipo", "length_average=false", "ld_alpha=0.5", "f_divergence_type=js_divergence");
    CHECK("dpo", "loss_type=sigmoid,bco_pair,sft", "loss_weights=0.8,0.2,1");
    CHECK("dpo", "loss_type=aot,aot_unpaired,nca_pair", "loss_weights=0.3,0.7,-1");
    CHECK("dpo", "loss_type=sigmoid", "f_divergence_type=alpha_divergence", "f_alpha_divergence_coef=1");
    CHECK("dpo", "loss_type=sigmoid", "f_divergence_type=alpha_divergence", "f_alpha_divergence_coef=1.7");
}

/* Two pairs of the sums S_c = -12, -7.5, S_r = -15, -6 under Q_c = -13, -7, Q_r = -14.5, -6.8; n_c = 5, 3, n_r = 6, 2. Values and
 * slopes of the mean were worked out in double precision by automatic differentiation. */
static made two_pairs(bool exchanged) {
    static const double S[4] = {-12, -15, -7.5, -6}, Q[4] = {-13, -14.5, -7, -6.8};
    static const int n[4] = {5, 6, 3, 2};
    made m = some_columns(1, 2);
    columns *c = &m.c;
    seq *s = arena_array(m.a, seq, 4);
    float *ref = arena_array(m.a, float, 16);
    uint8_t *mask = arena_array(m.a, uint8_t, 16);
    m.logp = arena_array(m.a, float, 16);
    c->T = 0;
    for (int i = 0; i < 4; i++) {
        s[i] = (seq){c->T, c->T + n[i]};
        m.logp[c->T] = (float)S[i];
        ref[c->T] = (float)Q[exchanged ? (i + 2) % 4 : i];
        for (int k = 0; k < n[i]; k++) mask[c->T++] = 1;
    }
    c->sequence = s;
    c->logp = m.logp;
    c->ref_logp = ref;
    c->mask = mask;
    return m;
}

static void losses_and_slopes_are_those_worked_out_beforehand(void **state) {
    static const struct {
        const char *type, *divergence, *smoothing;
        double loss, slope[4]; /* by S of chosen and rejected, pair by pair */
    } table[] = {
        {"sigmoid", "reverse_kl", "0", 0.690607621, {-0.023128508, 0.023128508, -0.026622715, 0.026622715}},
        {"sigmoid", "reverse_kl", "0.1", 0.691607621, {-0.018128508, 0.018128508, -0.021622715, 0.021622715}},
        {"hinge", "reverse_kl", "0", 0.99, {-0.05, 0.05, -0.05, 0.05}},
        {"ipo", "reverse_kl", "0", 26.617361111, {-0.943333333, 0.786111111, -1.855555556, 2.783333333}},
        {"exo_pair", "reverse_kl", "0.1", 0.507815763, {-0.025446900, 0.025446900, -0.028967746, 0.028967746}},
        {"nca_pair", "reverse_kl", "0", 1.385243885, {-0.010626561, 0.012187565, -0.013437305, 0.012999734}},
        {"robust", "reverse_kl", "0.1", 0.689357621, {-0.029378508, 0.029378508, -0.032872715, 0.032872715}},
        {"bco_pair", "reverse_kl", "0", 1.382631462, {-0.023751041, 0.024375130, -0.025624870, 0.025999467}},
        {"sppo_hard", "reverse_kl", "0", 50.07, {-4, 4.5, -5.5, 5.8}},
        {"apo_zero", "reverse_kl", "0", 0.997505076, {-0.012468802, 0.012492191, -0.012492191, 0.012480021}},
        {"apo_down", "reverse_kl", "0", 1.003753126, {0.000038852, 0.012429950, 0.000044855, 0.012447336}},
        {"discopop", "reverse_kl", "0", 0.817884759, {-0.031260151, 0.031260151, -0.004354769, 0.004354769}},
        {"sigmoid_norm", "reverse_kl", "0", 0.700481353, {-0.004929171, 0.004107643, -0.008569381, 0.012854072}},
        {"sigmoid", "forward_kl", "0", 0.693034140, {-0.008608796, 0.038581946, -0.043686902, 0.011906070}},
        {"sigmoid", "js_divergence", "0", 0.692201283, {-0.006501466, 0.015047507, -0.016030501, 0.007984240}},
        {"sigmoid", "alpha_divergence", "0", 0.692045328, {-0.014137532, 0.029929156, -0.034068199, 0.017785159}},
        {"ipo", "js_divergence", "0", 25.699306247, {-0.262336288, 0.505976573, -1.090272070, 0.814540358}},
        {"sigmoid_norm", "forward_kl", "0", 0.699758366, {-0.001817827, 0.006789114, -0.014076972, 0.005754634}},
        {"aot", "reverse_kl", "0", 0.690607621, {-0.023128508, 0.023128508, -0.026622715, 0.026622715}},
        {"aot_unpaired", "reverse_kl", "0", 0.688172180, {-0.024750008, 0.025, -0.025, 0.024750008}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        made m = two_pairs(false);
        const char *words[] = {arena_printf(m.a, "loss_type=%s", table[i].type),
                               arena_printf(m.a, "f_divergence_type=%s", table[i].divergence),
                               arena_printf(m.a, "label_smoothing=%s", table[i].smoothing), NULL};
        const train_settings *s = settings_of(m.a, "dpo", words);
        gradients g = new_gradients(&m);
        const double loss = loss_and_gradients(s->objective, s->own, &m.c, &g);
        if (!(fabs(loss - table[i].loss) < 1e-6 * (1 + table[i].loss)))
            fail_msg("%s: %.9f, expected %.9f", words[0], loss, table[i].loss);
        for (int k = 0; k < 4; k++)
            for (int t = m.c.sequence[k].begin; t < m.c.sequence[k].end; t++)
                if (!(fabs((double)g.dlogp[t] - table[i].slope[k]) < 1e-6 * (1 + fabs(table[i].slope[k]))))
                    fail_msg("%s %s, answer %d: slope %.9f, expected %.9f", words[0], words[1], k, (double)g.dlogp[t],
                             table[i].slope[k]);
        arena_free(m.a);
    }
}

static void references_that_change_places_change_no_sorted_loss(void **state) {
    static const char *const types[] = {"loss_type=aot", "loss_type=sigmoid"};
    static const double want[] = {0.690607621, 0.700124091};
    (void)state;
    for (int i = 0; i < 2; i++) {
        made m = two_pairs(true);
        const train_settings *s = settings_of(m.a, "dpo", (const char *const[]){types[i], NULL});
        gradients g = new_gradients(&m);
        assert_true(fabs(loss_and_gradients(s->objective, s->own, &m.c, &g) - want[i]) < 1e-6);
        assert_int_equal(objective_scope_of(s->objective, s->own), i ? SCOPE_PAIR : SCOPE_STEP);
        arena_free(m.a);
    }
}

static void settings_that_do_not_go_together_are_refused(void **state) {
    static const char *const cases[][4] = {{"loss_type=aot", "use_weighting=true", "matches", NULL},
                                           {"loss_type=bco_pair", "f_divergence_type=js_divergence", "bco_pair", NULL},
                                           {"loss_type=exo_pair", "label_smoothing=0", "label_smoothing", NULL},
                                           {"loss_type=robust", "label_smoothing=0.5", "below 0.5", NULL},
                                           {"loss_type=sigmoid,sft", "loss_weights=1", "1 loss_weights", NULL},
                                           {"loss_type=sigmund", "beta=0.1", "sigmoid hinge", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena *a = arena_new();
        train_settings *s;
        err e = {0};
        assert_ok(train_settings_begin(a, "dpo", &s, &e), e);
        for (int k = 0; k < 2; k++) {
            const char *equals = strchr(cases[i][k], '=');
            assert_ok(
                resolve_set(a, &s->from, (str){cases[i][k], (size_t)(equals - cases[i][k])}, str_of(equals + 1), "test", &e), e);
        }
        assert_false(s->objective->check(s->own, &e));
        if (!strstr(e.text, cases[i][2])) fail_msg("'%s' does not say '%s'", e.text, cases[i][2]);
        arena_free(a);
    }
}

static void huge_margins_stay_finite(void **state) {
    (void)state;
    for (int i = 0; i < TYPES_OF_LOSS; i++)
        for (int k = 0; k < KINDS_OF_DIVERGENCE; k++) {
            if (k && !dpo_loss_type_of(loss_types[i])->divergence) continue;
            made m = some_columns(3, 2);
            const char *words[] = {arena_printf(m.a, "loss_type=%s", loss_types[i]),
                                   arena_printf(m.a, "f_divergence_type=%s", divergences[k]), "label_smoothing=0.1", NULL};
            const train_settings *s = settings_of(m.a, "dpo", words);
            gradients g = new_gradients(&m);
            for (int sign = -1; sign < 2; sign += 2) {
                for (int t = 0; t < m.c.T; t++) m.logp[t] = (float)(sign * 1e4);
                if (!isfinite(loss_and_gradients(s->objective, s->own, &m.c, &g))) fail_msg("%s %s", words[0], words[1]);
                for (int t = 0; t < m.c.T; t++) assert_true(g.dlogp[t] == g.dlogp[t]);
            }
            arena_free(m.a);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(every_objective_has_the_gradient_of_finite_differences),
                                       TEST(nash_md_weighs_the_distance_against_the_preference),
                                       TEST(a_divergence_has_its_gradient_at_trained_tokens_alone),
                                       TEST(every_setting_of_the_pairwise_objectives_has_its_gradient),
                                       TEST(every_setting_of_the_labelled_objectives_has_its_gradient),
                                       TEST(every_setting_of_ppo_has_its_gradient),
                                       TEST(every_setting_of_the_reward_models_has_its_gradient),
                                       TEST(every_loss_of_the_grpo_family_has_its_gradient),
                                       TEST(the_mean_reward_is_carried_from_step_to_step),
                                       TEST(every_loss_type_under_every_divergence_has_its_gradient),
                                       TEST(every_variation_has_its_gradient),
                                       TEST(losses_and_slopes_are_those_worked_out_beforehand),
                                       TEST(references_that_change_places_change_no_sorted_loss),
                                       TEST(settings_that_do_not_go_together_are_refused),
                                       TEST(huge_margins_stay_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
