/* demo_train.c - the training of the demo: child processes with the commands that a person would type (contract: demo.h). */
#include "cli/demo.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sys.h"
#include "train/train.h"

enum { WORDS_MOST = 120 };
typedef struct {
    const char *word[WORDS_MOST];
    int count;
} command_line;

static void add_words(command_line *c, const char *flag, const char *value) {
    if (c->count + 2 > WORDS_MOST) bug("a command of more than %d words", WORDS_MOST);
    c->word[c->count++] = flag;
    if (value) c->word[c->count++] = value;
}

static bool run_command(const demo *d, command_line *c, const char *folder, double *seconds, size_t *peak, err *e) {
    const double begun = sys_seconds();
    add_words(c, "--seed", arena_printf(d->a, "%lld", (long long)d->o.seed));
    if (d->o.quiet) add_words(c, "--quiet", NULL);
    printf("fettle");
    for (int i = 0; i < c->count; i++) printf(" %s", c->word[i]);
    printf("\n");
    fflush(stdout);
    const int status = sys_run_self_measured(c->word, c->count, peak);
    *seconds = sys_seconds() - begun;
    if (status == 0) return true;
    return err_set(e, status == err_exit_status(ERR_STOPPED) ? ERR_STOPPED : ERR_INPUT,
                   "training ended with exit status %d; its words are above and in %s/log", status, folder);
}

static command_line training_of(const demo *d, const char *name, const char *data, const char *folder,
                                const char *const *settings) {
    command_line c = {0};
    add_words(&c, "train", name);
    add_words(&c, "--base", d->start.base_path);
    add_words(&c, "--data", data);
    add_words(&c, "--output", folder);
    for (; *settings; settings++) add_words(&c, "--set", *settings);
    return c;
}

/* The prompts alone, for a policy that answers them itself. */
static bool write_prompts(const demo *d, const char **path, err *e) {
    buf out = {0};
    for (int i = 0; i < DEMO_TRAINING; i++) {
        json_writer w = json_writer_on(&out, false);
        json_open(&w, '{');
        demo_put_message(&w, "prompt", "user", str_of(d->taste->prompts->training[i]));
        json_close(&w);
        buf_put_char(&out, '\n');
    }
    *path = path_join(d->a, path_folder(d->a, d->feedback), arena_printf(d->a, "demo-%s-prompts.jsonl", d->taste->name));
    const bool ok = file_write(*path, buf_str(&out), e);
    buf_free(&out);
    return ok;
}

double demo_metric(const demo *d, const char *folder, const char *name) {
    file_lines in;
    str line;
    err ignored = {0};
    double last = NAN;
    if (!file_lines_open(&in, path_join(d->a, folder, "metrics.jsonl"), 1 << 24, &ignored)) return last;
    while (file_lines_next(&in, &line, &ignored)) last = json_get_real(json_parse(d->a, line, &ignored), name, last);
    file_lines_close(&in);
    return last;
}

/* A training run before the one that the demo is about. */
static bool prepare(demo *d, command_line *c, const char *folder, err *e) {
    double seconds;
    size_t peak;
    if (!run_command(d, c, folder, &seconds, &peak, e)) return false;
    d->preparing_seconds += seconds;
    if (peak > d->preparing_memory) d->preparing_memory = peak;
    return true;
}

static bool train_reward(demo *d, err *e) {
    d->reward = run_new_path(d->a, sys_home(d->a), arena_printf(d->a, "%s-reward", path_name(d->run)), e);
    if (!d->reward) return false;
    command_line c = training_of(d, "reward", d->reward_data ? d->reward_data : d->feedback, d->reward, demo_reward_settings);
    add_words(&c, "--set", d->reward_held_out ? arena_printf(d->a, "eval_data=%s", d->reward_held_out) : "eval_percent=35");
    if (!prepare(d, &c, d->reward, e)) return false;
    const double accuracy = demo_metric(d, d->reward, "eval_accuracy");
    if (isnan(accuracy)) printf("No prompt was held out: the reward model was not measured.\n\n");
    else
        printf("The reward model prefers the better answer in %.0f %% of the pairs of prompts that it has not seen.\n\n",
               100 * accuracy);
    return fflush(stdout) == 0;
}

/* The preset by which the policy imitates the chosen answers first, where these hold words that it hardly writes: such words cannot be rewarded,
 * for it never draws them (InstructGPT began so, arXiv:2203.02155). NULL: it begins as it is. */
static bool choose_start(demo *d, const char **out, err *e) {
    const preset *p = preset_find(d->o.preset);
    const char **data = arena_array(d->a, const char *, 1);
    train_settings *s;
    if (!p) return err_set(e, ERR_USAGE, "no preset '%s'", d->o.preset);
    if (p->among) {
        if (!train_settings_begin(d->a, "dpo", &s, e) || !resolve_preset(d->a, &s->from, p->among[0], e)) return false;
        data[0] = d->feedback;
        s->o.data = (opt_list){data, 1};
        s->o.base = d->start.base_path;
        if (!train_choose(d->a, p, s, e)) return false;
        p = preset_find(s->choice->name);
        printf("%.1f %% of the chosen answers' words are such as the model hardly writes, %.1f %% of the rejected ones': %s.\n\n",
               100 * s->choice->rare[CHOICE_CHOSEN], 100 * s->choice->rare[CHOICE_REJECTED],
               p->start ? "it imitates them before it is rewarded" : "it is rewarded as it is");
    }
    *out = p->start;
    return fflush(stdout) == 0;
}

static bool train_start(demo *d, const char *by, err *e) {
    static const char *const twice[] = {"num_train_epochs=2", NULL}; /* after one pass the new words are still rare in rollouts */
    d->begin = run_new_path(d->a, sys_home(d->a), arena_printf(d->a, "%s-start", path_name(d->run)), e);
    if (!d->begin) return false;
    command_line c = training_of(d, "sft", d->feedback, d->begin, twice);
    add_words(&c, "--preset", by);
    return prepare(d, &c, d->begin, e);
}

/* Once, for all methods that are rewarded. */
static bool prepare_rewarding(demo *d, err *e) {
    const char *start = NULL;
    return train_reward(d, e) && choose_start(d, &start, e) && (!start || train_start(d, start, e));
}

bool demo_train(demo *d, err *e) {
    const demo_method *m = d->method;
    const char *data = d->feedback, *label = d->o.feedback ? "own" : d->taste->name;
    const bool named = strcmp(m->name, "dpo") != 0;
    d->run =
        run_new_path(d->a, sys_home(d->a), arena_printf(d->a, "demo-%s%s%s", label, named ? "-" : "", named ? m->name : ""), e);
    if (!d->run || (m->rewarded && !d->reward && !prepare_rewarding(d, e))) return false;
    if (m->rewarded && !d->o.feedback && !write_prompts(d, &data, e)) return false; /* else the prompts of the pairs */
    command_line c = training_of(d, m->objective, data, d->run, m->settings);
    if (m->rewarded) add_words(&c, "--reward-funcs", arena_printf(d->a, "model:%s/model", d->reward));
    if (m->rewarded && d->begin) {
        add_words(&c, "--adapter", arena_printf(d->a, "%s/model", d->begin));
        add_words(&c, "--set", "max_steps=16"); /* half the way is done */
    }
    if (m->preset) add_words(&c, "--preset", d->o.preset);
    for (int i = 0; i < d->o.set.count; i++) add_words(&c, "--set", d->o.set.item[i]);
    if (!run_command(d, &c, d->run, &d->seconds, &d->memory, e)) return false;
    d->seconds += m->rewarded ? d->preparing_seconds : 0;
    if (m->rewarded && d->preparing_memory > d->memory) d->memory = d->preparing_memory;
    return true;
}

void demo_put_learning(json_writer *w, const demo *d) {
    static const char *const told[] = {"objective/scores", "objective/kl", "reward", "drift", "entropy"};
    json_key(w, "training_seconds"), json_put_real(w, d->seconds);
    json_key(w, "training_memory"), json_put_int(w, (int64_t)d->memory);
    if (!d->method->rewarded) return;
    json_key(w, "reward_run"), json_put_cstr(w, d->reward);
    json_key(w, "start_run"), json_put_cstr(w, d->begin);
    json_key(w, "reward_accuracy_held_out"), json_put_real(w, demo_metric(d, d->reward, "eval_accuracy"));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        json_key(w, told[i]), json_put_real(w, demo_metric(d, d->run, told[i])); /* null: this method does not tell it */
}
