/* train.h - the one loop: examples in, a better model out.
 *
 *   source ── prepare (chat template, token ids, mask) ──► rows on disk ── plan ──► micro-batches
 *   for each optimiser step:   reference columns ─► policy forward ─► columns ─► objective ─► dlogp ─► backward … clip ─► optimiser ─► log
 *
 * A run is started from a run folder alone (run.h). Objectives: train/objective.h and train/objective/<name>.c. */
#ifndef FETTLE_TRAIN_TRAIN_H
#define FETTLE_TRAIN_TRAIN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "data/data.h"
#include "model/model.h"
#include "run/run.h"
#include "text/text.h"
#include "train/objective.h"
#include "train/optimizer.h"

/* ---- options of every run (TRL's and transformers' names and defaults) ------------------------------------------------------ */

typedef struct {
    const char *base, *tokenizer, *reference, *teacher, *adapter, *dtype, *chat_template;
    opt_list data, eval_data;
    double eval_percent; /* of the prompts */
    int64_t eval_steps, max_length;
    const char *completion_only_loss; /* "auto", "true", "false" */
    bool assistant_only_loss, packing, padding_free;
    const char *packing_strategy;
    const char *train_sampling_strategy;
    int64_t per_device_train_batch_size, gradient_accumulation_steps, max_steps, micro_batch_tokens;
    double num_train_epochs, learning_rate, warmup_steps, weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    const char *lr_scheduler_type, *lr_scheduler_kwargs, *optim, *optim_args, *normalize, *preflight;
    int64_t seed;
    bool gradient_checkpointing, use_peft, use_rslora, use_dora, precompute_ref_log_probs;
    int64_t lora_r;
    double lora_alpha, lora_dropout, neftune_noise_alpha;
    opt_list lora_target_modules, modules_to_save;
    bool sync_ref_model;
    double ref_model_mixup_alpha;
    int64_t ref_model_sync_steps;
    int64_t logging_steps, save_steps, save_total_limit, sample_steps, sample_times;
    double max_drift; /* nats per token; 0: no limit */
} train_options;
extern const opt train_option_table[];

/* ---- options of objectives that write their own answers (TRL's GRPOConfig; ours are marked in the table) -------------------- */

typedef struct {
    int64_t num_generations, max_completion_length, num_iterations, steps_per_generation, top_k;
    double temperature, top_p, min_p, repetition_penalty;
    bool mask_truncated_completions, shuffle_dataset;
    opt_list reward_funcs, reward_weights;
    const char *rollouts, *preference_data, *on_alarm, *value_model;
    int64_t good_steps;
    double max_kl, min_entropy, min_distinct, max_length_growth;
} rollout_options;
extern const opt rollout_option_table[];

/* What a preset came to that the data choose (train_choose): how many of the rejected and of the chosen answers' tokens the start model
 * hardly writes. */
enum { CHOICE_REJECTED, CHOICE_CHOSEN };
typedef struct {
    const char *asked, *name; /* "auto", and the preset that was taken */
    double rare[2];           /* shares of tokens, end tokens left out */
    int pairs;                /* that were looked at */
    const char *words;        /* for people */
} preset_choice;

/* All options of one objective, resolved from their sources. */
typedef struct {
    const objective *objective;
    train_options o;
    rollout_options *rollout; /* NULL: it learns from given answers (known once settled) */
    void *own;                /* the objective's options */
    resolved from;
    const preset_choice *choice; /* NULL: no preset, or one by name */
} train_settings;
bool train_settings_begin(arena *a, const char *objective_name, train_settings **out, err *e);
/* Behind the last option: without rollouts where these options ask for none. */
void train_settings_settle(train_settings *s);
bool train_settings_check(const train_settings *s, err *e);
/* Takes that preset of p->among which the data suit, under what other sources have set; the settings are whole but for it, with the first
 * of these presets in its place. A forward pass over some dozen answers; s->choice says what was found. */
bool train_choose(arena *a, const preset *p, train_settings *s, err *e);
bool train_may_choose(const preset *p, const train_settings *s, err *e); /* it learns from pairs */
void preset_choice_put(json_writer *w, const preset_choice *c); /* {"asked", "name", "rare_chosen", "rare_rejected", "pairs"} */

/* ---- rows: examples as token ids and masks ----------------------------------------------------------------------------------- */

typedef struct {
    int64_t example;     /* row in the data */
    int length, prompt;  /* tokens; the first trained position at the earliest */
    const int32_t *ids;  /* [length], mapped from the prepared file */
    const uint8_t *mask; /* [length] MASK_* */
    int unit, label;     /* unit: number of the example whose rows stand together, -1: it stands alone; label 1 chosen or good */
    int role;            /* sequence_role */
    float margin, probability; /* of the example; NAN: not given */
} row;

/* A row is one document, or several in a packed one: they do not see each other, and the first token of each is not predicted. */
enum { MASK_TRAINED = 1, MASK_BEGINS = 2 /* the first token of a document */, MASK_WRONG = 4 /* a trained token's label is 0 */ };
static inline bool row_begins(const row *r, int k) { return r->mask[k] & MASK_BEGINS; }
static inline bool row_trains(const row *r, int k) {
    return (r->mask[k] & ~MASK_WRONG) == MASK_TRAINED;
} /* predicted, and counts */
static inline bool row_right(const row *r, int k) { return !(r->mask[k] & MASK_WRONG); }

typedef struct rows rows; /* a prepared data set, on disk (a temporary file in the run folder or $TMPDIR), mapped */

/* Which rows of the data something was found in: how many, and the numbers (from 1) of the first. */
enum { ROW_NUMBERS = 8 };
typedef struct {
    int64_t count, last, first[ROW_NUMBERS];
} row_numbers;
const char *row_numbers_text(arena *a, const row_numbers *n); /* "rows 3, 7, 12 and 5 more" */

typedef struct {
    int64_t examples, rows, pairs, dropped, truncated, duplicates, empty, masked_tokens, trained_tokens, tokens, longest;
    int64_t longest_document;                        /* of packed rows; else longest */
    int64_t ends, ends_trained;                      /* end-of-turn tokens, and how many of them are trained */
    int64_t turns;                                   /* examples that have turns: all but plain text */
    int32_t end;                                     /* the token that ends a turn; -1: none is known */
    row_numbers dropped_rows, double_bos, untrained; /* untrained: kept, though no token of them is trained */
} row_counts;

/* The ids and mask of an answer in steps (TRL's PRM): prompt, and each step with the separator behind it, whose last token is trained
 * and has the step's label. Out: as many ids as are kept (at most prompt + all steps + a separator each). */
typedef struct {
    const int32_t *ids;
    int count;
} id_list;
int rows_lay_steps(const step_rows *how, id_list prompt, const id_list *steps, const bool *right, int count, id_list separator,
                   int64_t max_length, int32_t *ids, uint8_t *mask);

/* Reads every example of every source, tokenises, masks, truncates as TRL's trainer of that objective does, writes the rows to a
 * temporary file in `folder` that is mapped and already unlinked. Of the model only path, tokenizer and chat template are used.
 * how NULL: plainly, without a word. */
typedef struct {
    file_out *keep;   /* NULL, or examples are written there in TRL's types */
    const char *kept; /* NULL, or such a file, which is read instead of the settings' data */
    bool quiet;
    bool held_out; /* the side of the data that is not trained on: eval_data, or eval_percent of the prompts */
} rows_how;
rows *rows_prepare(arena *a, const model *m, const train_settings *s, const char *folder, const rows_how *how, err *e);
/* What would go wrong with them, in words; false with e filled. */
bool rows_refuse(const rows *r, const model *m, const train_settings *s, err *e);
int64_t rows_count(const rows *r);                /* sequences; those of a unit are neighbours (OBJECTIVE_ROWS) */
unsigned rows_example_kinds(objective_rows kind); /* KIND(...) of the examples it is made of, for source_open_with */
row rows_at(const rows *r, int64_t i);
str rows_columns(const rows *r, int64_t i); /* of a prompt: its row in the data, a JSON object */
const row_counts *rows_counts(const rows *r);
void rows_put_json(json_writer *w, const rows *r, int64_t unit); /* one line of `fettle probe rows`: keys as in tokens.jsonl */

/* ---- the run ------------------------------------------------------------------------------------------------------------------- */

/* Makes the run folder (config.json with everything resolved, state ready). */
bool train_create(arena *a, const train_settings *s, const char *dir, run *out, err *e);
/* Reads the settings of an existing run folder. */
bool train_reopen(arena *a, const char *dir, train_settings **out, run *r, err *e);

/* Runs to the end, or from the newest whole checkpoint on. preview: checks and prints, trains nothing. */
typedef struct {
    bool resume, quiet, preview, json;
} train_how;
bool train_run(arena *a, const train_settings *s, run *r, const train_how *how, err *e);
void train_describe(json_writer *w); /* objectives and options as tables, for --describe --json */

double train_learning_rate(const train_settings *s); /* of the run: given, or the objective's */
/* The README.md of a model in `folder` that comes from this run: "Trained", "Trained and merged" ... */
bool train_card(arena *a, const char *run_folder, const char *folder, const char *how, bool is_adapter, err *e);

/* Learning rate of the step after `done` steps. */
bool train_rate(const train_settings *s, int64_t done, int64_t total, double *out, err *e);

/* ---- measuring: steps of 8 x 256 tokens on a model with random weights ------------------------------------------------------------- */

typedef struct {
    const char *name;
    double tokens_per_second; /* by the medians of a quarter of the step's rows and of the optimiser */
    double optimizer_seconds; /* of them in every step */
    sampled share;   /* of the bfloat16 limit: 6 FLOP per weight and token (full), 4 (LoRA), 4 and 2 of the reference (DPO) */
    double had;      /* as in series */
    size_t resident; /* bytes, mapped files left out */
} train_bench_result;
enum { TRAIN_BENCH_SFT_FULL, TRAIN_BENCH_SFT_LORA, TRAIN_BENCH_DPO_LORA, TRAIN_BENCH_COUNT };
typedef int train_bench_case;
/* Takes about `seconds`, at least two quarters of a step and its end. */
bool train_bench(backend *b, const json *config, train_bench_case which, double seconds, train_bench_result *out, err *e);

#endif
