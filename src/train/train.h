/* train.h - the one loop: examples in, a better model out.
 *
 *   source ── prepare (chat template, token ids, mask) ──► rows on disk ── plan ──► micro-batches
 *   for each optimiser step:   reference columns ─► policy forward ─► columns ─► objective ─► dlogp ─► backward … clip ─► AdamW ─► log
 *
 * A run is started from a run folder alone (run.h). Objectives: train/objective.h and train/objective/<name>.c. */
#ifndef FETTLE_TRAIN_TRAIN_H
#define FETTLE_TRAIN_TRAIN_H

#include "base/arena.h"
#include "base/err.h"
#include "data/data.h"
#include "model/model.h"
#include "run/run.h"
#include "text/text.h"
#include "train/objective.h"

/* ---- options of every run (TRL's and transformers' names and defaults) ------------------------------------------------------ */

typedef struct {
    /* what */
    const char *base, *reference, *adapter, *output, *dtype, *chat_template, *purpose;
    opt_list data;
    /* rows */
    int64_t max_length;
    bool completion_only_loss_set, completion_only_loss, assistant_only_loss, packing;
    const char *packing_strategy, *train_sampling_strategy;
    /* batch and schedule */
    int64_t per_device_train_batch_size, gradient_accumulation_steps, max_steps, micro_batch_tokens;
    double num_train_epochs, learning_rate, warmup_steps, weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    const char *lr_scheduler_type, *optim, *normalize;
    int64_t seed;
    bool gradient_checkpointing;
    /* adapters */
    bool use_peft, use_rslora;
    int64_t lora_r;
    double lora_alpha, lora_dropout;
    opt_list lora_target_modules;
    /* watching */
    int64_t logging_steps, save_steps, save_total_limit, sample_steps;
    double max_drift;                   /* nats per token; 0: no limit */
} train_options;
extern const opt train_option_table[];

/* ---- rows: examples as token ids and masks ----------------------------------------------------------------------------------- */

typedef struct {
    int64_t example;            /* row in the data */
    int length, prompt;         /* tokens; the first trained position at the earliest */
    const int32_t *ids;         /* [length], mapped from the prepared file */
    const uint8_t *mask;        /* [length] 1 = trained when predicted; mask[0] never counts */
    int pair, label;            /* pair -1: none; label 1 chosen, 0 rejected */
    float margin;
} row;

typedef struct rows rows;       /* a prepared data set, on disk (a temporary file in the run folder or $TMPDIR), mapped */

typedef struct {
    int64_t examples, rows, pairs, dropped, truncated, duplicates, empty, masked_tokens, trained_tokens, tokens, longest;
    /* refusals, with row numbers: an all-masked set, an end of turn never trained, a doubled BOS ... */
} row_counts;

/* Reads every example of every source, tokenises, masks, truncates as TRL's trainer of that objective does (rules with the
 * fixtures' notes), writes the rows. */
rows *rows_prepare(arena *a, const model *m, const objective *o, const train_options *t, const char *folder, err *e);
int64_t rows_count(const rows *r);                       /* sequences; a pair is two neighbours: chosen, rejected */
row rows_at(const rows *r, int64_t i);
const row_counts *rows_counts(const rows *r);
void rows_put_json(json_writer *w, const rows *r, int64_t example);   /* one line of `fettle probe rows`: keys as in tokens.jsonl */

/* ---- the run ------------------------------------------------------------------------------------------------------------------- */

/* What must hold before step 1: counts, memory, time, the first batch as text. */
typedef struct {
    size_t memory_needed, memory_free, weights, optimiser, activations;
    int64_t steps, tokens_per_step;
    double seconds;                      /* estimate, from the machine's peak measured now */
    char *advice;                        /* the nearest setting that fits, or NULL */
} preflight;

/* From argv-like settings to a run folder (state ready): resolves options, refuses unknown keys, hashes the base. */
bool train_create(arena *a, const char *objective_name, const resolved *options, const char *dir, run *out, err *e);
/* Prints the preview (text, or JSON) and refuses with words what would go wrong. */
bool train_preview(arena *a, const char *objective_name, const resolved *options, bool as_json, FILE *out, err *e);
/* Runs or resumes the run in this folder to its end. */
bool train_run(const char *dir, bool resume, bool quiet, err *e);
void train_describe(json_writer *w);                     /* objectives and options as tables, for --describe --json */

#endif
