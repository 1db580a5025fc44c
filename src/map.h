/* map.h - start here. Included by src/cli/main.c alone; the page a newcomer reads first.
 *
 * fettle turns people's judgement into a better language model: feedback in, fine-tuning, comparison, serving, in one program.
 *
 *                  ┌─────────────────────────────────┐
 *                  │               cli               │  main(), one file per command, all the wiring
 *                  └──────┬───────────────────┬──────┘
 *                  ┌──────▼──────┐     ┌──────▼──────┐
 *                  │    serve    │     │    train    │  they do not see each other
 *                  └──┬────────┬─┘     └─┬────────┬──┘
 *                     │     ┌──▼─────────▼──┐     │
 *                     │     │  run · assist │     │     the run folder, checkpoints, options · a model that helps
 *                     │     └──────┬────────┘     │
 *           ┌─────────▼─────┐      │      ┌───────▼───────┐
 *    WORDS  │     data      │      │      │     model     │  NUMBERS    families, files, adapters, engine
 *           └─────────┬─────┘      │      └──┬─────────┬──┘
 *           ┌─────────▼─────┐      │     ┌───▼──┐ ┌────▼────┐
 *           │     store     │      │     │ text │ │ tensor  │          text: tokenizers, chat templates
 *           └────── sqlite ─┘      │     └───┬──┘ └── cpu ──┘
 *           ┌──────────────────────▼─────────▼───────────────┐
 *           │ base                                           │  arena, str, err, json, file, rng, opt, log, sys
 *           └────────────────────────────────────────────────┘
 *
 * Words (data) and numbers (model, tensor) never include each other; tools/check-layers holds that. ARCHITECTURE.md has the table,
 * what must stay absent, and four walks through the code: a preference to a gradient, a prompt to text, a command to a run, an answer to
 * a row.
 *
 * Tables: everything that comes in kinds is one file and one row (docs/add-an-objective.md, add-a-model-family.md, add-a-format.md).
 *     COMMANDS     cli/command.h         fettle NAME
 *     OBJECTIVES   train/objective.h     fettle train NAME: its loss is one file in train/objective/
 *     COLUMNS      train/objective.h     what a loss may see
 *     OPTIMIZERS   train/optimizer.h     how gradients change weights: one file in train/optimizer/
 *     SCHEDULES    train/schedule.h      learning rates by step
 *     PACKINGS     train/packing.h       documents that share a row
 *     REWARDS      train/reward.h        what a completion earns: one file in train/reward/
 *     FORMATS      data/data.h           files of examples
 *     screens      web/src/screens.ts    pages of the web app
 *     ROUTE_TABLES serve/api.h           what the server answers: a row is method, path, who may, which object, handler
 *     migrations   store/schema.c        the store's tables, from version to version
 *     DB_DRIVERS   store/db.h            databases: sqlite
 *     ENDPOINT_KINDS  assist/assist.h    who computes for suggestions and vectors: our engine, a server elsewhere
 *     ASK_KINDS    assist/ask.h          questions of a dataset that a model can be asked
 *     QUESTION_TYPES  data/kinds.h       what people are asked: text, rating, label, ranking, span, comparison
 *     FIELD_TYPES, METADATA_TYPES  data/kinds.h   what a record holds
 *     RECIPES      data/recipe.h         answers become examples
 *     FAMILIES     model/model.h         model architectures
 *     HEADS        model/model.h         what stands on the last hidden state: writes, scores, labels
 *     OPS          tensor/tensor.h       operations with their gradients
 *     TYPES        tensor/tensor.h       storage of weights
 *     BACKENDS     tensor/backends.h     what computes: cpu
 *     options      train/train.h         train_option_table: settings of every run
 *     presets      run/run.h             run_presets: settings that belong together
 *     ERRORS       base/err.h            codes with exit and HTTP status
 *
 * Reading order: the headers below, from the floor up. */
#ifndef FETTLE_MAP_H
#define FETTLE_MAP_H

#include "base/err.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/json.h"
#include "base/file.h"
#include "base/opt.h"
#include "store/store.h"
#include "text/text.h"
#include "tensor/tensor.h"
#include "model/model.h"
#include "data/data.h"
#include "run/run.h"
#include "assist/assist.h"
#include "train/train.h"
#include "serve/serve.h"
#include "cli/command.h"

#endif
