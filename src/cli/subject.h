/* subject.h - what a command is asked to use: a base model, perhaps with an adapter, by name or path.
 *
 *   PATH                a Hugging Face folder, a GGUF file, or a PEFT adapter folder (its base is named inside)
 *   NAME                a model of the data folder (HOME/models/NAME), or a run (HOME/runs/NAME): its result
 *   MODEL:ADAPTER       either of the above, with an adapter by path or by the name of the run that made it
 *
 * Models are opened once: two subjects with the same base share its weights. */
#ifndef FETTLE_CLI_SUBJECT_H
#define FETTLE_CLI_SUBJECT_H

#include "base/arena.h"
#include "base/err.h"
#include "model/model.h"

typedef struct {
    const char *spec;                     /* as it was given */
    const char *base_path, *adapter_path; /* adapter_path NULL: none */
    model *model;                         /* filled by subject_open */
    adapter *adapter;
} subject;

typedef struct {
    arena *arena;
    backend *backend;
    model_options options;
    struct {
        const char *path;
        model *model;
    } opened[8];
    int count;
} subjects;

/* Finds the files, opens nothing. The message names every place that was looked at. */
bool subject_find(arena *a, const char *spec, subject *out, err *e);

bool subjects_begin(arena *a, const char *dtype, subjects *out, err *e); /* "bfloat16", "float32" or NULL: bfloat16 */
bool subject_open(subjects *s, const char *spec, subject *out, err *e);

bool compute_of_dtype(const char *dtype, compute_type *out, err *e);

#endif
