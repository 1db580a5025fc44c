/* demo_plan.c - what a demo is about to do, and about how long each part takes (contract: demo.h).
 *
 * Seconds come from a forward pass timed now, `one` a token: a token that is written costs about 1.6 of it (32 answers together), one that is
 * trained 2 in every epoch and 1 for the reference; one of a rollout is read by the reward model, the policy and the reference, and trained twice. */
#include <stdio.h>

#include "cli/demo.h"

enum { WORDS = 42, PAIR = 220, ANSWER = 85, PROMPT_AND_ANSWER = 105, EPOCHS = 2 }; /* tokens of a pair, of an answer */

static int pairs_of(const demo *d) { return d->o.feedback ? 48 : DEMO_TRAINING * EACH; }

/* What comes once before all methods that are rewarded: a reward model, and where the chosen answers' words are new (which shows then) their imitation,
 * behind which half the answers are enough. */
static double preparing_seconds(const demo *d, double one) { return pairs_of(d) * 2 * (EPOCHS * PAIR + PROMPT_AND_ANSWER) * one; }

static double method_seconds(const demo *d, const demo_method *m, double one) {
    if (!m->rewarded) return pairs_of(d) * PAIR * (2 * EPOCHS + 1) * one;
    return m->answers * (ANSWER * 1.6 + PROMPT_AND_ANSWER * 7) * one;
}

/* The k-th method that this demo trains. */
static const demo_method *trained(const demo *d, int k) {
    return d->o.methods.count ? demo_method_find(d->o.methods.item[k]) : d->method;
}

static double training_seconds(const demo *d, int methods, double one) {
    double sum = 0;
    bool rewarded = false;
    for (int k = 0; k < methods; k++) {
        sum += method_seconds(d, trained(d, k), one);
        rewarded |= trained(d, k)->rewarded;
    }
    return sum + (rewarded ? preparing_seconds(d, one) : 0);
}

static const char *training_words(const demo *d, int methods) {
    const demo_method *m = trained(d, 0);
    if (methods > 1) return arena_printf(d->a, "%d methods, one behind the other", methods);
    if (m->preset) return arena_printf(d->a, "%s, preset %s", m->words, d->o.preset);
    return m->words;
}

static void put_phase(int number, const char *words, double seconds) {
    printf("  %d. %-*s about %4.0f s\n", number, WORDS, words, seconds);
}

bool demo_print_plan(const demo *d, err *e) {
    double one;
    if (!model_seconds_per_token(d->start.model, d->all.options.compute, &one, e)) return false;
    const int methods = d->o.methods.count ? d->o.methods.count : 1;
    const double answering = d->o.feedback ? 0 : DEMO_TRAINING * EACH * ANSWER * 1.6 * one,
                 training = training_seconds(d, methods, one), comparing = DEMO_HELD_OUT * (1 + methods) * ANSWER * 2.0 * one;
    printf("The loop, on %s (%.0f M weights), a token of it takes %.1f ms here:\n", d->o.model,
           (double)model_parameter_count(d->start.model) / 1e6, 1e3 * one);
    if (d->o.feedback) printf("  1. read your feedback from %s\n", d->o.feedback);
    else {
        put_phase(1, arena_printf(d->a, "answer %d prompts %d times each", DEMO_TRAINING, EACH), answering);
        printf("  2. %-*s at once\n", WORDS, arena_printf(d->a, "a scripted annotator picks and edits (%s)", d->taste->name));
    }
    put_phase(d->o.feedback ? 2 : 3, arena_printf(d->a, "train: %s", training_words(d, methods)), training);
    put_phase(d->o.feedback ? 3 : 4, arena_printf(d->a, "before against after, %d held-out prompts", DEMO_HELD_OUT), comparing);
    printf("     %-*s about %4.0f s\n\n", WORDS, "in all", answering + training + comparing + 5);
    return fflush(stdout) == 0;
}
