/* demo_method.h - how the demo learns from preferences: from the pairs themselves, or through a reward model that they make. */
#ifndef FETTLE_CLI_DEMO_METHOD_H
#define FETTLE_CLI_DEMO_METHOD_H

#include <stdbool.h>

/* A row of DEMO_METHODS (demo_method.c). */
typedef struct {
    const char *name, *objective;
    const char *words;           /* for the plan: "DPO + LoRA" */
    bool preset;                 /* with the demo's --preset */
    bool rewarded;               /* the pairs make a reward model, which rewards the answers that the policy writes */
    const char *const *settings; /* KEY=VALUE, NULL at the end */
    double answers;              /* that it writes itself, for the plan */
} demo_method;

extern const demo_method demo_methods[];         /* ended by a row without a name */
extern const char *const demo_reward_settings[]; /* of the reward model's run */
#define DEMO_METHOD_NAMES "dpo|ipo|kto|orpo|simpo|ppo|grpo|rloo"
const demo_method *demo_method_find(const char *name); /* NULL: none */

#endif
