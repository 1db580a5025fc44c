/* load.h - from a file's tensors, or random numbers, to the weights of a model (private to model). */
#ifndef FETTLE_MODEL_LOAD_H
#define FETTLE_MODEL_LOAD_H

#include "base/rng.h"
#include "model/config.h"

typedef struct {
    model *m; /* config is filled in */
    const model_options *o;
    tensor_file files;
    bool gguf;
    bool random; /* model_new: no files */
    rng draw;
    bool *used; /* [files.count] */
    err *e;
} loader;

/* Fills in parameters, slots and head. A tensor that is missing, has another shape, or that the family does not know is an error. */
bool load_weights(loader *l);

/* out [cols, rows] = in [rows, cols] */
void transpose(float *out, const float *in, int rows, int cols);

#endif
