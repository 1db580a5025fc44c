/* demo_method.c - the methods of the demo with their settings (contract: demo_method.h).
 *
 * A rollout is 24 answers, 4 to each of 6 prompts, gone through twice in steps of 12. Answers may be as long as those that were judged
 * (96 tokens); one that does not end by itself loses a point. kl_coef and max_kl hold the policy near the start model. The values know nothing in so
 * short a run, so every token has the whole of the score (lam=1). */
#include "cli/demo_method.h"

#include <stddef.h>
#include <string.h>

const char *const demo_reward_settings[] = {"use_peft=true",
                                            "lora_target_modules=all-linear",
                                            "learning_rate=2e-4",
                                            "num_train_epochs=2",
                                            "center_rewards_coefficient=0.01",
                                            "logging_steps=1",
                                            "per_device_train_batch_size=8",
                                            NULL};

#define ROLLOUTS                                                                                                                 \
    "use_peft=true", "lora_target_modules=all-linear", "learning_rate=3e-4", "lr_scheduler_type=constant", "logging_steps=1",    \
        "per_device_train_batch_size=12", "steps_per_generation=2", "num_generations=4", "max_completion_length=96",             \
        "temperature=0.9", "micro_batch_tokens=2048", "max_steps=32", "max_kl=0.5", "on_alarm=back_off"

/* What the methods over pairs share: the passes and the adapter of the preset small-feedback. */
#define PAIRS                                                                                                                    \
    "use_peft=true", "lora_r=16", "lora_alpha=32", "lora_dropout=0", "lora_target_modules=all-linear",                           \
        "lr_scheduler_type=constant", "num_train_epochs=2", "per_device_train_batch_size=6", "max_length=512", "logging_steps=1"

static const char *const none[] = {NULL};
static const char *const ipo[] = {PAIRS, "loss_type=ipo", "beta=0.5", "learning_rate=7e-5", NULL};
static const char *const kto[] = {PAIRS, "beta=0.4", "learning_rate=1e-4", NULL};
static const char *const orpo[] = {PAIRS, "beta=0.5", "learning_rate=1e-4", NULL};
static const char *const simpo[] = {PAIRS, "beta=2", "simpo_gamma=0.5", "learning_rate=5e-5", NULL};
static const char *const ppo[] = {ROLLOUTS, "num_iterations=2", "missing_eos_penalty=1", "kl_coef=0.05", "vf_coef=0.1", "lam=1",
                                  NULL};
static const char *const grpo[] = {ROLLOUTS, "num_iterations=2", "beta=0.05", NULL};

const demo_method demo_methods[] = {{"dpo", "dpo", "DPO + LoRA", true, false, none, 0},
                                    {"ipo", "dpo", "IPO + LoRA", false, false, ipo, 0},
                                    {"kto", "kto", "KTO + LoRA", false, false, kto, 0},
                                    {"orpo", "orpo", "ORPO + LoRA", false, false, orpo, 0},
                                    {"simpo", "simpo", "SimPO + LoRA", false, false, simpo, 0},
                                    {"ppo", "ppo", "a reward model, then PPO + LoRA", false, true, ppo, 192},
                                    {"grpo", "grpo", "a reward model, then GRPO + LoRA", false, true, grpo, 192},
                                    {"rloo", "rloo", "a reward model, then RLOO + LoRA", false, true, grpo, 192},
                                    {0}};

const demo_method *demo_method_find(const char *name) {
    for (const demo_method *m = demo_methods; m->name; m++)
        if (strcmp(m->name, name) == 0) return m;
    return NULL;
}
