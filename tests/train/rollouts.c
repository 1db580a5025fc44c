/* rollouts.c - objectives that write their own answers, on a tiny model: what is rewarded grows, what is punished shrinks, the reference holds;
 * a run goes on with the same bits, in the middle of a rollout too; and what reward functions say. */
#include "tiny.h"

#include <math.h>
#include <string.h>

#include "train/train.h"

static char *prompts_file(arena *a, const char *root) {
    static const char *const words[] = {"the cat", "a dog", "rain", "bread", "go on", "ships", "moss", "stones"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 8; i++) buf_printf(&t, "{\"prompt\":\"%s \",\"answer\":\"b\"}\n", words[i]);
    char *path = path_join(a, root, "prompts.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

typedef struct {
    arena *a;
    char *root, *base, *data;
} place;

static place begin(void) {
    arena *a = arena_new();
    char *root = scratch_folder(a);
    return (place){a, root, tiny_model(a, root), prompts_file(a, root)};
}

static void end(place *p) {
    err e = {0};
    dir_remove(p->root, &e);
    arena_free(p->a);
}

static train_settings *settings_of(const place *p, const char *name, const char *const *words) {
    static const char *const common[] = {"dtype=float32",
                                         "logging_steps=1",
                                         "lr_scheduler_type=constant",
                                         "learning_rate=1e-2",
                                         "per_device_train_batch_size=16",
                                         "num_generations=8",
                                         "max_completion_length=6",
                                         "max_steps=12",
                                         NULL};
    err e = {0};
    train_settings *s;
    assert_ok(train_settings_begin(p->a, name, &s, &e), e);
    assert_ok(resolve_set(p->a, &s->from, STR("base"), str_of(p->base), "test", &e), e);
    assert_ok(resolve_set(p->a, &s->from, STR("data"), str_of(p->data), "test", &e), e);
    for (int k = 0; k < 2; k++)
        for (const char *const *w = k ? words : common; *w; w++) {
            const char *equals = strchr(*w, '=');
            assert_ok(resolve_set(p->a, &s->from, (str){*w, (size_t)(equals - *w)}, str_of(equals + 1), "test", &e), e);
        }
    train_settings_settle(s);
    return s;
}

static bool try_run(const place *p, const char *name, const char *dir, const char *const *words, err *e) {
    run r;
    const train_settings *s = settings_of(p, name, words);
    return train_create(p->a, s, dir, &r, e) && train_run(p->a, s, &r, &(train_how){.quiet = true}, e);
}

/* A metric of every step of a run. */
enum { MOST = 64 };
typedef struct {
    double at[MOST];
    int steps;
} track;

static track metric_of(const place *p, const char *dir, const char *name) {
    err e = {0};
    file_lines in;
    str line;
    track out = {0};
    assert_ok(file_lines_open(&in, path_join(p->a, dir, "metrics.jsonl"), 1 << 20, &e), e);
    while (out.steps < MOST && file_lines_next(&in, &line, &e))
        out.at[out.steps++] = json_get_real(json_parse(p->a, line, &e), name, NAN);
    file_lines_close(&in);
    return out;
}

static track run_it(const place *p, const char *name, const char *label, const char *metric, const char *const *words) {
    err e = {0};
    const char *dir = path_join(p->a, p->root, label);
    assert_ok(try_run(p, name, dir, words, &e), e);
    return metric_of(p, dir, metric);
}
#define RUN(p, name, label, metric, ...) run_it(p, name, label, metric, (const char *const[]){__VA_ARGS__, NULL})

/* Steps that go through a rollout again tell nothing of it. */
static double mean(const track *s, int from, int to) {
    double sum = 0, n = 0;
    for (int i = from; i < to; i++)
        if (!isnan(s->at[i])) sum += s->at[i], n++;
    return sum / n;
}

/* ---- signs ------------------------------------------------------------------------------------------------------------------------------ */

static const char *const learners[] = {"grpo", "rloo", "online-dpo", "xpo", "nash-md"};
static const char *const groups[] = {"num_generations=8", "num_generations=8", "num_generations=2", "num_generations=2",
                                     "num_generations=2"};
enum { LEARNERS = sizeof learners / sizeof *learners, WITH_ADVANTAGES = 2 };

/* A first letter of the alphabet's first half: about a third of a random model's answers. Of xpo every second answer is the reference's, of nash-md
 * the mixture's, so not all of them can learn it. */
static void what_is_rewarded_grows_and_what_is_punished_shrinks(void **state) {
    (void)state;
    place p = begin();
    for (int i = 0; i < LEARNERS; i++) {
        const char *name = learners[i], *beta = i < WITH_ADVANTAGES ? "beta=0" : "beta=0.1";
        const track up = RUN(&p, name, arena_printf(p.a, "%s-up", name), "reward", "reward_funcs=regex:^[a-m]", beta, groups[i],
                             "max_completion_length=3"),
                    down = RUN(&p, name, arena_printf(p.a, "%s-down", name), "reward", "reward_funcs=regex:^[a-m]",
                               "reward_weights=-1", beta, groups[i], "max_completion_length=3");
        const double before = mean(&up, 0, 2), after = mean(&up, 8, 12), punished = -mean(&down, 8, 12);
        const double least = i < WITH_ADVANTAGES ? 0.15 : 0.05; /* pairs whose answers earn the same teach nothing */
        if (!(after > punished + least)) fail_msg("%s: rewarded %g, punished %g, at first %g", name, after, punished, before);
        if (i < WITH_ADVANTAGES && !(after > before && punished < before))
            fail_msg("%s: at first %g, rewarded %g, punished %g", name, before, after, punished);
    }
    end(&p);
}

static void the_reference_holds_the_policy(void **state) {
    (void)state;
    place p = begin();
    for (int i = 0; i < WITH_ADVANTAGES; i++) {
        const char *name = learners[i];
        const track loose = RUN(&p, name, arena_printf(p.a, "%s-loose", name), "drift", "reward_funcs=regex:b", "beta=0.001"),
                    tight = RUN(&p, name, arena_printf(p.a, "%s-tight", name), "drift", "reward_funcs=regex:b", "beta=5");
        if (!(mean(&tight, 8, 12) < 0.6 * mean(&loose, 8, 12)))
            fail_msg("%s: drift %g with a small beta, %g with a large one", name, mean(&loose, 8, 12), mean(&tight, 8, 12));
    }
    end(&p);
}

static void equal_rewards_teach_nothing(void **state) {
    (void)state;
    place p = begin();
    for (int i = 0; i < WITH_ADVANTAGES; i++) {
        const track norm = RUN(&p, learners[i], arena_printf(p.a, "%s-flat", learners[i]), "grad_norm", "reward_funcs=regex:.*",
                               "beta=0", "max_steps=2", "max_completion_length=4");
        assert_true(norm.at[0] == 0 && norm.at[1] == 0);
    }
    end(&p);
}

/* ---- resuming --------------------------------------------------------------------------------------------------------------------------- */

/* Checkpoints at every step; the newest ones are taken away, so that the run goes on in the middle of its second rollout. */
static void resumes(const place *q, const char *name, const char *held) {
    const place p = *q;
    const char *dir = path_join(p.a, p.root, arena_printf(p.a, "%s-kill", name)),
               *result = path_join(p.a, dir, "model/model.safetensors"), *lines = path_join(p.a, dir, "rollouts.jsonl");
    const bool pairs = objective_of(name)->whole_groups || objective_of(name)->in_twos;
    const char *const words[] = {"reward_funcs=regex:b",
                                 "max_steps=6",
                                 pairs ? "num_generations=2" : "num_generations=8",
                                 "num_iterations=2",
                                 "steps_per_generation=2",
                                 "gradient_accumulation_steps=1",
                                 "save_steps=1",
                                 "save_total_limit=0",
                                 "per_device_train_batch_size=8",
                                 held,
                                 "temperature=0.8",
                                 "max_kl=0", /* such steps go far */
                                 NULL};
    sha256_text hash[2], told[2];
    err e = {0};
    train_settings *s;
    run r;
    assert_ok(try_run(&p, name, dir, words, &e), e);
    assert_ok(file_sha256(result, hash[0], &e) && file_sha256(lines, told[0], &e), e);
    assert_ok(dir_remove(path_join(p.a, dir, "model"), &e), e);
    for (int step = 6; step > 5; step--)
        assert_ok(dir_remove(path_join(p.a, dir, arena_printf(p.a, "checkpoint-%d", step)), &e), e);
    assert_ok(train_reopen(p.a, dir, &s, &r, &e), e);
    assert_ok(train_run(p.a, s, &r, &(train_how){.resume = true, .quiet = true}, &e), e);
    assert_ok(file_sha256(result, hash[1], &e) && file_sha256(lines, told[1], &e), e);
    if (strcmp(hash[0], hash[1]) != 0) fail_msg("%s: other bits after a resume", name);
    if (strcmp(told[0], told[1]) != 0) fail_msg("%s: other rollouts after a resume", name);
}

static char *answered_file(const place *p);
static void a_run_goes_on_in_the_middle_of_a_rollout(void **state) {
    (void)state;
    place p = begin();
    for (int i = 0; i < LEARNERS; i++) resumes(&p, learners[i], "beta=0.05");
    resumes(&p, "ppo", "target=1"); /* the coefficient adapts, and is kept */
    resumes(&p, "rest", "iterations=3");
    p.data = answered_file(&p);
    resumes(&p, "spin", "iterations=3");
    end(&p);
}

/* ---- rounds ------------------------------------------------------------------------------------------------------------------------------ */

/* Prompts with a person's answer. */
static char *answered_file(const place *p) {
    static const char *const words[] = {"the cat", "a dog", "rain", "bread", "go on", "ships", "moss", "stones"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 8; i++) buf_printf(&t, "{\"prompt\":\"%s \",\"completion\":\"bb\"}\n", words[i]);
    char *path = path_join(p->a, p->root, "answered.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

/* The best of the policy's own answers are imitated, by a threshold that rises and by rank. */
static void growing_and_improving_raises_the_reward(void **state) {
    static const char *const ways[][4] = {{"method=rest", "threshold=0.7", "num_iterations=1", "rise=0"},
                                          {"method=rest", "threshold=0.5", "num_iterations=2", "rise=0.3"},
                                          {"method=raft", "keep=2", "num_iterations=1", "rise=0"}};
    (void)state;
    place p = begin();
    for (int i = 0; i < 3; i++) {
        const track up = RUN(&p, "rest", arena_printf(p.a, "up%d", i), "reward", "reward_funcs=regex:^[a-m]",
                             "max_completion_length=3", "max_steps=-1", "iterations=6", "num_generations=8",
                             "per_device_train_batch_size=32", ways[i][0], ways[i][1], ways[i][2], ways[i][3]),
                    kept = metric_of(&p, path_join(p.a, p.root, arena_printf(p.a, "up%d", i)), "completions/kept");
        const int steps = i == 1 ? 24 : 12; /* eight prompts, four at a time, six iterations */
        assert_int_equal(up.steps, steps);
        if (!(mean(&up, steps - 4, steps) > mean(&up, 0, 2) + 0.2))
            fail_msg("%s: reward %g, then %g", ways[i][0], mean(&up, 0, 2), mean(&up, steps - 4, steps));
        assert_true(kept.at[0] > 0 && kept.at[0] < 1);
        if (i == 2) assert_true(fabs(kept.at[0] - 0.25) < 1e-6); /* two of eight */
    }
    end(&p);
}

/* A person's answer over the policy's own. With the next iteration the policy is the reference: the loss is ln 2 again. */
static void self_play_is_against_the_policy_of_the_iteration_before(void **state) {
    (void)state;
    place p = begin();
    p.data = answered_file(&p);
    for (int adapts = 0; adapts < 2; adapts++) {
        const char *peft = adapts ? "use_peft=true" : "use_peft=false", *dir = arena_printf(p.a, "spin%d", adapts);
        const track loss = RUN(&p, "spin", dir, "loss", "iterations=3", "num_generations=2", "per_device_train_batch_size=8",
                               "beta=0.5", "max_steps=-1", peft, "learning_rate=1e-2"),
                    chosen = metric_of(&p, path_join(p.a, p.root, dir), "logps/chosen");
        assert_int_equal(loss.steps, 6); /* eight prompts, four a step */
        for (int k = 0; k < 6; k += 2) {
            if (!(fabs(loss.at[k] - M_LN2) < 1e-6)) fail_msg("%s step %d: loss %g", peft, k + 1, loss.at[k]);
            assert_true(loss.at[k + 1] < M_LN2 - 1e-4);
        }
        if (!(chosen.at[5] > chosen.at[0] + 0.2)) fail_msg("%s: %g, then %g", peft, chosen.at[0], chosen.at[5]);
    }
    end(&p);
}

/* ---- ppo -------------------------------------------------------------------------------------------------------------------------------- */

#define PPO(p, label, metric, ...)                                                                                               \
    RUN(p, "ppo", label, metric, "num_generations=2", "num_iterations=2", "temperature=1", "vf_coef=0.5", "max_steps=24",        \
        __VA_ARGS__)

static void ppo_learns_rewards_and_values_and_stays_near_the_reference(void **state) {
    (void)state;
    place p = begin();
    const track up = PPO(&p, "up", "objective/scores", "reward_funcs=regex:b", "kl_coef=0"),
                down = PPO(&p, "down", "objective/scores", "reward_funcs=regex:b", "reward_weights=-1", "kl_coef=0"),
                loose = PPO(&p, "loose", "drift", "reward_funcs=regex:b", "kl_coef=0.001"),
                tight = PPO(&p, "tight", "drift", "reward_funcs=regex:b", "kl_coef=1");
    const double before = mean(&up, 0, 4), after = mean(&up, 20, 24), punished = mean(&down, 20, 24);
    if (!(after > before + 0.3)) fail_msg("reward %g, then %g", before, after);
    if (!(punished > -before)) fail_msg("punished %g, then %g", -before, punished);
    if (!(mean(&tight, 16, 24) < 0.6 * mean(&loose, 16, 24)))
        fail_msg("drift %g with a small coefficient, %g with a large one", mean(&loose, 16, 24), mean(&tight, 16, 24));
    const track value = metric_of(&p, path_join(p.a, p.root, "up"), "loss/value_avg");
    if (!(value.at[value.steps - 1] < value.at[0]))
        fail_msg("loss of values %g, then %g", value.at[0], value.at[value.steps - 1]);
    const track first = metric_of(&p, path_join(p.a, p.root, "up"), "val/ratio");
    assert_true(fabs(first.at[0] - 1) < 1e-6); /* the first step after a rollout is taken by the policy that wrote it */
    end(&p);
}

/* ---- a reward model ----------------------------------------------------------------------------------------------------------------------- */

/* A reward adapter on the policy's base that likes the letter b, then a policy that writes for it. */
static void a_reward_model_rewards(void **state) {
    (void)state;
    place p = begin();
    err e = {0};
    const char *pairs = path_join(p.a, p.root, "pairs.jsonl"), *judge = path_join(p.a, p.root, "judge");
    assert_ok(file_write(pairs,
                         STR("{\"prompt\":\"rain \",\"chosen\":\"b\",\"rejected\":\"c\"}\n"
                             "{\"prompt\":\"moss \",\"chosen\":\"bb\",\"rejected\":\"dz\"}\n"
                             "{\"prompt\":\"a dog \",\"chosen\":\"b\",\"rejected\":\"xy\"}\n"
                             "{\"prompt\":\"bread \",\"chosen\":\"bb\",\"rejected\":\"qr\"}\n"),
                         &e),
              e);
    train_settings *s;
    run r;
    static const char *const words[] = {"dtype=float32",
                                        "use_peft=true",
                                        "lora_target_modules=all-linear",
                                        "learning_rate=3e-3",
                                        "max_steps=16",
                                        "lora_r=4",
                                        NULL};
    assert_ok(train_settings_begin(p.a, "reward", &s, &e), e);
    assert_ok(resolve_set(p.a, &s->from, STR("base"), str_of(p.base), "test", &e), e);
    assert_ok(resolve_set(p.a, &s->from, STR("data"), str_of(pairs), "test", &e), e);
    for (const char *const *w = words; *w; w++) {
        const char *equals = strchr(*w, '=');
        assert_ok(resolve_set(p.a, &s->from, (str){*w, (size_t)(equals - *w)}, str_of(equals + 1), "test", &e), e);
    }
    assert_ok(train_create(p.a, s, judge, &r, &e) && train_run(p.a, s, &r, &(train_how){.quiet = true}, &e), e);
    const char *function = arena_printf(p.a, "reward_funcs=model:%s/model", judge);
    const track shared = PPO(&p, "shared", "objective/scores", function, "use_peft=true", "max_steps=1"),
                own = PPO(&p, "own", "objective/scores", function, "kl_coef=0", "max_steps=60", "learning_rate=2e-3",
                          "per_device_train_batch_size=64", "num_generations=8"),
                same = PPO(&p, "same", "objective/scores", function, "max_steps=1");
    if (!(mean(&own, 52, 60) > mean(&own, 0, 4) + 0.5)) fail_msg("score %g, then %g", mean(&own, 0, 4), mean(&own, 52, 60));
    /* the same judge, on the policy's own weights or on a copy */
    assert_true(fabs(same.at[0] - shared.at[0]) < 1e-5);
    /* values by a copy of the judge: what it expects of an answer is what the answer gets, near enough to begin with */
    const char *values = arena_printf(p.a, "value_model=%s/model", judge);
    const track expected = PPO(&p, "values", "loss/value_avg", function, values, "use_peft=true", "learning_rate=5e-3"),
                blank = metric_of(&p, path_join(p.a, p.root, "shared"), "loss/value_avg");
    assert_true(expected.at[0] != blank.at[0] && mean(&expected, 16, 24) < mean(&expected, 0, 8));
    assert_false(try_run(&p, "ppo", path_join(p.a, p.root, "full"),
                         (const char *const[]){function, values, "num_generations=2", NULL}, &e));
    assert_non_null(strstr(e.text, "use-peft"));
    e = (err){0};
    const char *plain = arena_printf(p.a, "reward_funcs=model:%s", p.base);
    assert_false(try_run(&p, "ppo", path_join(p.a, p.root, "none"), (const char *const[]){plain, "num_generations=2", NULL}, &e));
    assert_non_null(strstr(e.text, "score head"));
    end(&p);
}

/* What a run wrote can be learned from again. */
static void a_rollout_can_be_replayed(void **state) {
    (void)state;
    place p = begin();
    const track first =
        RUN(&p, "grpo", "once", "reward", "reward_funcs=regex:b", "reward_funcs=length:3", "reward_weights=1,0.5", "max_steps=3");
    const char *lines = path_join(p.a, p.root, "once/rollouts.jsonl");
    const track again =
        RUN(&p, "grpo", "again", "reward", arena_printf(p.a, "rollouts=%s", lines), "reward_weights=1,0.5", "max_steps=3");
    for (int i = 0; i < 3; i++) assert_true(fabs(first.at[i] - again.at[i]) < 1e-5);
    end(&p);
}

/* ---- what goes wrong is seen ------------------------------------------------------------------------------------------------------------ */

/* Pairs whose better answer has no b in it. */
static char *preferences_file(const place *p) {
    static const char *const words[] = {"the cat", "a dog", "rain", "oats", "go on", "ships", "moss", "stones"};
    err e = {0};
    buf t = {0};
    for (int i = 0; i < 8; i++)
        buf_printf(&t, "{\"prompt\":\"%s \",\"chosen\":\"%s\",\"rejected\":\"bbb\"}\n", words[i], words[(i + 3) % 8]);
    char *path = path_join(p->a, p->root, "pairs.jsonl");
    assert_ok(file_write(path, buf_str(&t), &e), e);
    buf_free(&t);
    return path;
}

/* The weights of the result are those of the newest checkpoint. */
static void result_is_the_newest_checkpoint(const place *p, const char *dir) {
    err e = {0};
    tensor_file kept, result;
    run r;
    int64_t step;
    assert_ok(run_open(p->a, dir, &r, &e), e);
    const char *folder = checkpoint_latest(p->a, &r, &step, &e);
    assert_ok(folder, e);
    assert_ok(safetensors_open(p->a, path_join(p->a, folder, "weights.safetensors"), &kept, &e), e);
    assert_ok(safetensors_open(p->a, path_join(p->a, dir, "model/model.safetensors"), &result, &e), e);
    for (int i = 0; i < kept.count; i++) {
        const file_tensor *x = tensor_file_find(&result, str_copy(p->a, kept.tensor[i].name));
        assert_true(x && x->bytes == kept.tensor[i].bytes && memcmp(x->data, kept.tensor[i].data, x->bytes) == 0);
    }
}

/* Stops within 20 steps, with these words. */
static void stops(const place *p, const char *label, const char *says, const char *const *words) {
    err e = {0};
    const char *dir = path_join(p->a, p->root, label);
    assert_false(try_run(p, "grpo", dir, words, &e));
    if (e.code != ERR_DIVERGED || !strstr(e.text, says) || !strstr(e.text, "the last good checkpoint"))
        fail_msg("%s: %s", label, e.text);
    const track steps = metric_of(p, dir, "step");
    assert_true(steps.at[steps.steps - 1] <= 20);
    result_is_the_newest_checkpoint(p, dir);
}
#define STOPS(p, label, says, ...) stops(p, label, says, (const char *const[]){__VA_ARGS__, "good_steps=1", "max_steps=20", NULL})

static void what_goes_wrong_stops_the_run_at_its_last_good_checkpoint(void **state) {
    (void)state;
    place p = begin();
    const char *pairs = arena_printf(p.a, "preference_data=%s", preferences_file(&p));
    STOPS(&p, "kl", "max_kl", "reward_funcs=regex:b", "max_kl=0.3");
    STOPS(&p, "entropy", "min_entropy", "reward_funcs=regex:b", "min_entropy=3");
    STOPS(&p, "collapse", "collapsed", "reward_funcs=regex:^b", "min_distinct=0.4", "learning_rate=3e-2",
          "max_completion_length=2");
    STOPS(&p, "hack", "being played", "reward_funcs=regex:b", pairs, "min_distinct=0");
    STOPS(&p, "growth", "max_length_growth", "reward_funcs=length", "max_length_growth=1.75", "max_completion_length=40",
          "learning_rate=3e-3", "min_distinct=0");
    end(&p);
}

/* Before the first checkpoint nothing is good but the start. */
static void a_gradient_that_is_not_finite_leaves_no_result(void **state) {
    (void)state;
    place p = begin();
    err e = {0};
    const char *dir = path_join(p.a, p.root, "nan");
    static const char *const words[] = {"reward_funcs=regex:[a-m]", "reward_weights=1e30", "scale_rewards=none", "max_steps=3",
                                        NULL};
    assert_false(try_run(&p, "grpo", dir, words, &e));
    if (!strstr(e.text, "not finite") || !strstr(e.text, "no checkpoint was good before")) fail_msg("%s", e.text);
    assert_false(file_exists(path_join(p.a, dir, "model")));
    end(&p);
}

/* Later on the newest checkpoint is what is left: the command's word grows beyond all numbers behind four rollouts. */
static void a_gradient_that_is_not_finite_later_leaves_the_last_good_checkpoint(void **state) {
    (void)state;
    place p = begin();
    const char *asked = path_join(p.a, p.root, "asked");
    STOPS(&p, "later", "not finite",
          arena_printf(p.a,
                       "reward_funcs=command:s=0; case $(cat) in [a-m]*) s=1;; esac; echo >>%s; [ $(wc -l <%s) -le 64 ] || "
                       "s=${s}e30; echo $s",
                       asked, asked),
          "scale_rewards=none", "min_distinct=0");
    const track steps = metric_of(&p, path_join(p.a, p.root, "later"), "step"),
                loss = metric_of(&p, path_join(p.a, p.root, "later"), "loss");
    assert_true(steps.at[steps.steps - 1] >= 3);
    for (int i = 0; i < loss.steps; i++) assert_true(isfinite(loss.at[i]));
    end(&p);
}

static void a_run_backs_off_when_it_is_told_to(void **state) {
    (void)state;
    place p = begin();
    err e = {0};
    const char *dir = path_join(p.a, p.root, "back");
    static const char *const words[] = {"reward_funcs=regex:b", "max_kl=0.3",        "good_steps=1",
                                        "max_steps=20",         "on_alarm=back_off", NULL};
    try_run(&p, "grpo", dir, words, &e);
    const track rate = metric_of(&p, dir, "learning_rate"), step = metric_of(&p, dir, "step");
    assert_true(rate.at[0] == 1e-2 && rate.at[rate.steps - 1] == 1e-2 / 8);             /* three times */
    for (int i = 1; i < step.steps; i++) assert_true(step.at[i] == step.at[i - 1] + 1); /* what was taken back is not told */
    end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(what_is_rewarded_grows_and_what_is_punished_shrinks),
                                       TEST(the_reference_holds_the_policy),
                                       TEST(equal_rewards_teach_nothing),
                                       TEST(a_run_goes_on_in_the_middle_of_a_rollout),
                                       TEST(growing_and_improving_raises_the_reward),
                                       TEST(self_play_is_against_the_policy_of_the_iteration_before),
                                       TEST(ppo_learns_rewards_and_values_and_stays_near_the_reference),
                                       TEST(a_reward_model_rewards),
                                       TEST(a_rollout_can_be_replayed),

                                       TEST(what_goes_wrong_stops_the_run_at_its_last_good_checkpoint),
                                       TEST(a_gradient_that_is_not_finite_leaves_no_result),
                                       TEST(a_gradient_that_is_not_finite_later_leaves_the_last_good_checkpoint),
                                       TEST(a_run_backs_off_when_it_is_told_to)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
