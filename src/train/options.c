/* options.c - the options of every run as rows: transformers' and TRL's names and defaults; ours are marked. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "train/packing.h"
#include "train/reward.h"
#include "train/schedule.h"
#include "train/train.h"

#define AT(member) offsetof(train_options, member)
// clang-format off
const opt train_option_table[] = {
    {"base", OPT_TEXT, AT(base), NULL, 0, 0, NULL, "the model to train: a folder or a .gguf file"},
    {"tokenizer", OPT_TEXT, AT(tokenizer), NULL, 0, 0, NULL, "ours: a folder or .gguf file whose tokenizer and chat template are used (unset: the base's own)"},
    {"data", OPT_LIST, AT(data), NULL, 0, 0, NULL, "files or folders of examples (FORMAT:PATH says the format, DIR#split=NAME the split)"},
    {"eval_data", OPT_LIST, AT(eval_data), NULL, 0, 0, NULL, "files of examples that are measured and not trained on"},
    {"eval_percent", OPT_REAL, AT(eval_percent), "0", 0, 90, NULL, "ours: percent of the prompts in data that are measured instead of trained on (which, is a matter of the prompt alone)"},
    {"eval_steps", OPT_INT, AT(eval_steps), "0", 0, 1e9, NULL, "steps between measurements of what is not trained on; 0: at the end alone"},
    {"reference", OPT_TEXT, AT(reference), NULL, 0, 0, NULL, "a reference model of its own (unset: the start of the policy)"},
    {"teacher", OPT_TEXT, AT(teacher), NULL, 0, 0, NULL, "gkd: the frozen model to learn from, with the same tokens"},
    {"adapter", OPT_TEXT, AT(adapter), NULL, 0, 0, NULL, "a PEFT adapter to train on"},
    {"chat_template", OPT_TEXT, AT(chat_template), NULL, 0, 0, NULL, "another chat template: a file, or chatml"},
    {"dtype", OPT_CHOICE, AT(dtype), "bfloat16", 0, 0, "bfloat16|float32", "arithmetic of matrix products; sums and master weights are float32"},
    {"max_length", OPT_INT, AT(max_length), "1024", 0, 1e7, NULL, "tokens of a row that are kept, from its start; 0: all"},
    {"completion_only_loss", OPT_CHOICE, AT(completion_only_loss), "auto", 0, 0, "auto|true|false", "train only the completion of prompt/completion rows (auto: yes)"},
    {"assistant_only_loss", OPT_BOOL, AT(assistant_only_loss), "false", 0, 0, NULL, "train only what the template marks with {% generation %}"},
    {"packing", OPT_BOOL, AT(packing), "false", 0, 0, NULL, "sft: several documents in a row of max_length tokens"},
    {"packing_strategy", OPT_CHOICE, AT(packing_strategy), "bfd", 0, 0, PACKING_NAMES, "bfd cuts longer documents, bfd_split keeps all pieces, wrapped is one stream whose documents see each other"},
    {"padding_free", OPT_BOOL, AT(padding_free), "false", 0, 0, NULL, "changes nothing: no batch is ever padded"},
    {"train_sampling_strategy", OPT_CHOICE, AT(train_sampling_strategy), "random", 0, 0, "random|sequential", "order of the rows in an epoch"},
    {"per_device_train_batch_size", OPT_INT, AT(per_device_train_batch_size), "8", 1, 65536, NULL, "rows (or pairs) of a micro-batch as TRL counts them"},
    {"gradient_accumulation_steps", OPT_INT, AT(gradient_accumulation_steps), "1", 1, 65536, NULL, "micro-batches of a step"},
    {"micro_batch_tokens", OPT_INT, AT(micro_batch_tokens), "1024", 1, 1e7, NULL, "ours: tokens computed at a time; changes memory and speed, not the result"},
    {"num_train_epochs", OPT_REAL, AT(num_train_epochs), "3", 0, 1e6, NULL, "passes over the rows"},
    {"max_steps", OPT_INT, AT(max_steps), "-1", -1, 1e9, NULL, "steps instead of epochs; -1: epochs"},
    {"learning_rate", OPT_REAL, AT(learning_rate), NULL, 0, 1e3, NULL, "unset: TRL's default for the objective"},
    {"lr_scheduler_type", OPT_CHOICE, AT(lr_scheduler_type), "linear", 0, 0, SCHEDULE_NAMES, "how the rate changes"},
    {"lr_scheduler_kwargs", OPT_TEXT, AT(lr_scheduler_kwargs), NULL, 0, 0, NULL, "an object of further settings of the schedule"},
    {"warmup_steps", OPT_REAL, AT(warmup_steps), "0", 0, 1e9, NULL, "steps of warm-up, or a share of all steps below 1"},
    {"optim", OPT_CHOICE, AT(optim), "adamw_torch", 0, 0, OPTIMIZER_CHOICES, "the optimiser"},
    {"optim_args", OPT_TEXT, AT(optim_args), NULL, 0, 0, NULL, "further settings of the optimiser: an object, or momentum=0.9,nesterov=true"},
    {"adam_beta1", OPT_REAL, AT(adam_beta1), "0.9", 0, 1, NULL, "decay of the first moment"},
    {"adam_beta2", OPT_REAL, AT(adam_beta2), "0.999", 0, 1, NULL, "decay of the second moment"},
    {"adam_epsilon", OPT_REAL, AT(adam_epsilon), "1e-8", 0, 1, NULL, "added to the root of the second moment"},
    {"weight_decay", OPT_REAL, AT(weight_decay), "0", 0, 10, NULL, "decoupled; biases and norms are left alone"},
    {"max_grad_norm", OPT_REAL, AT(max_grad_norm), "1", 0, 1e9, NULL, "gradients are scaled down to this norm; 0: never"},
    {"preflight", OPT_CHOICE, AT(preflight), "refuse", 0, 0, "refuse|warn", "ours: what happens to rows that look wrong (an all-masked batch, two BOS tokens, an end of turn that is never trained)"},
    {"precompute_ref_log_probs", OPT_BOOL, AT(precompute_ref_log_probs), "false", 0, 0, NULL, "TRL's; what the reference says of a row is kept from its first step on in any case"},
    {"normalize", OPT_CHOICE, AT(normalize), "step", 0, 0, "step|microbatch", "ours: means over the whole step, or TRL's mean of micro-batch means"},
    {"neftune_noise_alpha", OPT_REAL, AT(neftune_noise_alpha), "0", 0, 1e3, NULL, "noise on the embeddings while it trains: evenly from +- alpha / sqrt(tokens of the longest row x width) (sft only; NEFTune)"},
    {"seed", OPT_INT, AT(seed), "42", 0, 9e15, NULL, "of order, adapters and dropout"},
    {"gradient_checkpointing", OPT_BOOL, AT(gradient_checkpointing), "false", 0, 0, NULL, "compute layers again in backward: less memory, a third more time (TRL: true)"},
    {"use_peft", OPT_BOOL, AT(use_peft), "false", 0, 0, NULL, "train a LoRA adapter instead of the weights"},
    {"lora_r", OPT_INT, AT(lora_r), "16", 1, 4096, NULL, "rank of the adapter"},
    {"lora_alpha", OPT_REAL, AT(lora_alpha), "32", 0, 1e6, NULL, "its scale is alpha / r"},
    {"lora_dropout", OPT_REAL, AT(lora_dropout), "0.05", 0, 0.99, NULL, "share of the adapter's input that is dropped (sft only)"},
    {"lora_target_modules", OPT_LIST, AT(lora_target_modules), NULL, 0, 0, NULL, "names of layers, or all-linear (unset: PEFT's for the family)"},
    {"use_rslora", OPT_BOOL, AT(use_rslora), "false", 0, 0, NULL, "scale by alpha / sqrt(r)"},
    {"use_dora", OPT_BOOL, AT(use_dora), "false", 0, 0, NULL, "a magnitude of its own for every output of an adapted layer (DoRA)"},
    {"modules_to_save", OPT_LIST, AT(modules_to_save), NULL, 0, 0, NULL, "layers trained whole beside the adapter: lm_head, embed_tokens (gpt2: wte)"},
    {"sync_ref_model", OPT_BOOL, AT(sync_ref_model), "false", 0, 0, NULL, "move the reference towards the policy now and then (TR-DPO)"},
    {"ref_model_mixup_alpha", OPT_REAL, AT(ref_model_mixup_alpha), "0.6", 0, 1, NULL, "share of the policy in the new reference"},
    {"ref_model_sync_steps", OPT_INT, AT(ref_model_sync_steps), "512", 1, 1e9, NULL, "steps between two such moves"},
    {"logging_steps", OPT_INT, AT(logging_steps), "10", 1, 1e9, NULL, "steps between logged metrics"},
    {"save_steps", OPT_INT, AT(save_steps), "500", 0, 1e9, NULL, "steps between checkpoints; 0: only on Ctrl-C"},
    {"save_total_limit", OPT_INT, AT(save_total_limit), "2", 0, 1e6, NULL, "checkpoints that are kept; 0: all"},
    {"sample_times", OPT_INT, AT(sample_times), "0", 0, 1e6, NULL, "ours: so many times in the run, evenly, and before it, answers to the first three prompts"},
    {"sample_steps", OPT_INT, AT(sample_steps), "0", 0, 1e9, NULL, "ours: steps between answers to the first three prompts; 0: none"},
    {"max_drift", OPT_REAL, AT(max_drift), "0", 0, 100, NULL, "ours: stop when a chosen token's mean log-probability moves this many nats from the reference; 0: never"},
    OPT_END,
};
#undef AT

#define AT(member) offsetof(rollout_options, member)
const opt rollout_option_table[] = {
    {"num_generations", OPT_INT, AT(num_generations), "8", 1, 65536, NULL, "completions of a prompt"},
    {"max_completion_length", OPT_INT, AT(max_completion_length), "512", 1, 1e6, NULL, "tokens of a completion at most"},
    {"temperature", OPT_REAL, AT(temperature), "1", 0, 100, NULL, "of sampling, and of the log-probabilities that are trained"},
    {"top_p", OPT_REAL, AT(top_p), "1", 0, 1, NULL, "sample from the most likely tokens that have this share together"},
    {"top_k", OPT_INT, AT(top_k), "0", 0, 1e9, NULL, "sample from so many tokens; 0: all"},
    {"min_p", OPT_REAL, AT(min_p), "0", 0, 1, NULL, "leave out tokens with less than this share of the likeliest one's probability"},
    {"repetition_penalty", OPT_REAL, AT(repetition_penalty), "1", 0.01, 100, NULL, "above 1: tokens that stand there already are less likely"},
    {"num_iterations", OPT_INT, AT(num_iterations), "1", 1, 1000, NULL, "how often a rollout is gone through"},
    {"steps_per_generation", OPT_INT, AT(steps_per_generation), NULL, 1, 65536, NULL, "micro-batches of a rollout; unset: gradient_accumulation_steps"},
    {"shuffle_dataset", OPT_BOOL, AT(shuffle_dataset), "true", 0, 0, NULL, "prompts in another order each epoch (with train_sampling_strategy random)"},
    {"mask_truncated_completions", OPT_BOOL, AT(mask_truncated_completions), "false", 0, 0, NULL, "learn nothing from completions that found no end"},
    {"reward_funcs", OPT_EACH, AT(reward_funcs), NULL, 0, 0, NULL, "a reward function, NAME or NAME:ARGUMENT; more flags, more functions"},
    {"reward_weights", OPT_LIST, AT(reward_weights), NULL, 0, 0, NULL, "what each of them weighs; unset: 1"},
    {"value_model", OPT_TEXT, AT(value_model), NULL, 0, 0, NULL, "ppo: values by a copy of this reward adapter on the policy's base, trained beside it (unset: a head on the policy's own layers)"},
    {"rollouts", OPT_TEXT, AT(rollouts), NULL, 0, 0, NULL, "ours: completions and rewards from this file (as in a run's rollouts.jsonl) instead of sampling them"},
    {"max_kl", OPT_REAL, AT(max_kl), NULL, 0, 1e6, NULL, "ours: stop when the policy is this many nats a token from the reference (unset: 1 where a reference is read anyway; 0: never)"},
    {"min_entropy", OPT_REAL, AT(min_entropy), "0.01", 0, 100, NULL, "ours: stop when the entropy of a token falls below this; 0: never"},
    {"min_distinct", OPT_REAL, AT(min_distinct), "0.1", 0, 1, NULL, "ours: stop when the share of distinct completions falls below this; 0: never"},
    {"preference_data", OPT_TEXT, AT(preference_data), NULL, 0, 0, NULL, "ours: held-out pairs of people's preferences; stop when reward rises while the policy prefers fewer of them"},
    {"max_length_growth", OPT_REAL, AT(max_length_growth), "0", 0, 1e6, NULL, "ours: stop when completions are this many times as long as the first ones; 0: never"},
    {"good_steps", OPT_INT, AT(good_steps), "10", 1, 1e9, NULL, "ours: steps between the checkpoints that an alarm goes back to"},
    {"on_alarm", OPT_CHOICE, AT(on_alarm), "stop", 0, 0, "stop|back_off", "ours: at an alarm stop at the last good checkpoint, or go back to it with half the learning rate (three times)"},
    OPT_END,
};
// clang-format on

/* Where an objective's trainer has other defaults than GRPO's. */
static bool own_defaults(arena *a, train_settings *s, err *e) {
    for (const char *const *d = s->objective->rollout; d && *d; d++) {
        const char *equals = strchr(*d, '=');
        const opt *o = opt_find(rollout_option_table, (str){*d, (size_t)(equals - *d)});
        if (!o) bug("%s has a default for '%s', which is no option of rollouts", s->objective->name, *d);
        if (!opt_set(o, s->rollout, str_of(equals + 1), a, e)) return false;
    }
    return true;
}

bool train_settings_begin(arena *a, const char *name, train_settings **out, err *e) {
    const objective *o = objective_of(name);
    if (!o) return err_set(e, ERR_UNSUPPORTED, "no objective '%s'; there are: %s", name, objective_names(a));
    train_settings *s = *out = arena_new_of(a, train_settings);
    s->objective = o;
    s->own = arena_alloc(a, o->options_size);
    opt_group *groups = arena_array(a, opt_group, 3);
    groups[0] = (opt_group){train_option_table, &s->o};
    groups[1] = (opt_group){o->options, s->own};
    s->from = (resolved){.groups = groups, .count = 2};
    if (o->judge) {
        s->rollout = arena_new_of(a, rollout_options);
        groups[s->from.count++] = (opt_group){rollout_option_table, s->rollout};
    }
    return resolve_defaults(a, &s->from) && own_defaults(a, s, e);
}

void train_settings_settle(train_settings *s) {
    if (s->rollout && !objective_writes(s->objective, s->own)) s->rollout = NULL;
    const bool compares = objective_needs(s->objective, s->own) & NEEDS(COLUMN_REF_LOGP);
    if (s->rollout && isnan(s->rollout->max_kl)) s->rollout->max_kl = compares ? 1 : 0;
}

static bool parse_kwargs(const train_settings *s, arena *a, const json **out, err *e) {
    *out = NULL;
    return !s->o.lr_scheduler_kwargs || (*out = json_parse(a, str_of(s->o.lr_scheduler_kwargs), e)) != NULL;
}

double train_learning_rate(const train_settings *s) {
    return isnan(s->o.learning_rate) ? s->objective->learning_rate : s->o.learning_rate; /* NAN: not set */
}

bool train_rate(const train_settings *s, int64_t done, int64_t total, double *out, err *e) {
    arena *a = arena_new();
    const json *kwargs;
    const bool ok = parse_kwargs(s, a, &kwargs, e) &&
                    schedule_rate(s->o.lr_scheduler_type, train_learning_rate(s), done, total, s->o.warmup_steps, kwargs, out, e);
    arena_free(a);
    return ok;
}

static bool check_optimizer(const train_settings *s, err *e) {
    optimizer_choice ignored;
    arena *a = arena_new();
    const bool ok = optimizer_choose(a, s->o.optim, s->o.optim_args, &ignored, e);
    arena_free(a);
    return ok;
}

static bool check_packing(const train_settings *s, err *e) {
    if (!s->o.packing) return true;
    if (s->objective->scope != SCOPE_TOKEN)
        return err_set(e, ERR_USAGE, "packing puts documents into one row, and %s trains on whole answers", s->objective->name);
    return s->o.max_length > 0 || err_set(e, ERR_USAGE, "packing wants a max_length, the tokens of a row");
}

static bool check_teacher(const train_settings *s, err *e) {
    const bool wanted = objective_needs(s->objective, s->own) & NEEDS(COLUMN_DIVERGENCE);
    if (wanted && !s->o.teacher) return err_set(e, ERR_USAGE, "say which model to learn from: --teacher MODEL");
    return wanted || !s->o.teacher ||
           err_set(e, ERR_USAGE, "%s has no use for a teacher: 'fettle train gkd' learns from one", s->objective->name);
}

static bool check_sync(const train_settings *s, err *e) {
    if (!s->o.sync_ref_model) return true;
    if (!(objective_needs(s->objective, s->own) & NEEDS(COLUMN_REF_LOGP)))
        return err_set(e, ERR_USAGE, "sync_ref_model: this run has no reference");
    return (!s->o.use_peft && !s->o.adapter) ||
           err_set(e, ERR_UNSUPPORTED,
                   "sync_ref_model wants all weights in training: under an adapter the reference is the base itself");
}

bool train_settings_check(const train_settings *s, err *e) {
    double rate;
    if (!s->o.base) return err_set(e, ERR_USAGE, "say which model to train: --base MODEL");
    if (!s->o.data.count) return err_set(e, ERR_USAGE, "say what to train on: --data FILE");
    return train_rate(s, 0, 1, &rate, e) && check_optimizer(s, e) && check_packing(s, e) && check_sync(s, e) &&
           check_teacher(s, e) && (!s->objective->check || s->objective->check(s->own, e));
}

void train_describe(json_writer *w) {
    int count;
    const objective *const *list = objective_list(&count);
    json_open(w, '{');
    json_key(w, "objectives"), json_open(w, '[');
    for (int i = 0; i < count; i++) {
        json_open(w, '{');
        json_key(w, "name"), json_put_cstr(w, list[i]->name);
        json_key(w, "words"), json_put_cstr(w, list[i]->words);
        json_key(w, "rows"), json_put_cstr(w, objective_rows_name(list[i]->rows));
        json_key(w, "store"), json_open(w, '['); /* what a dataset gives for it, the first that it has */
        for (const char *const *as = objective_rows_store(list[i]->rows); *as; as++) json_put_cstr(w, *as);
        json_close(w);
        json_key(w, "reference"), json_put_bool(w, list[i]->reference);
        json_key(w, "rewarded"), json_put_bool(w, list[i]->rows == WANTS_PROMPTS && !list[i]->unrewarded); /* asks for a reward */
        json_key(w, "rollouts"), json_put_bool(w, list[i]->judge != NULL); /* takes the options of rollouts */
        json_key(w, "learning_rate"), json_put_real(w, list[i]->learning_rate);
        json_key(w, "options"), opt_describe(w, list[i]->options);
        json_close(w);
    }
    json_close(w);
    json_key(w, "options"), opt_describe(w, train_option_table);
    json_key(w, "rollout_options"), opt_describe(w, rollout_option_table);
    json_key(w, "rewards"), rewards_describe(w);
    json_key(w, "optimizers"), optimizers_describe(w);
    json_key(w, "presets"), json_open(w, '[');
    for (const preset *p = run_presets; p->name; p++) {
        json_open(w, '{');
        json_key(w, "name"), json_put_cstr(w, p->name);
        json_key(w, "words"), json_put_cstr(w, p->words);
        json_key(w, "settings"), json_open(w, '[');
        for (const char *const *k = p->settings; k && *k; k++) json_put_cstr(w, *k);
        json_close(w);
        json_key(w, "among"), json_open(w, '['); /* of a preset that the data choose */
        for (const char *const *k = p->among; k && *k; k++) json_put_cstr(w, *k);
        json_close(w);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}
