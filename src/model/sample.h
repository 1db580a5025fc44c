/* sample.h - choosing the next token from a row of logits (private to the model folder). */
#ifndef FETTLE_MODEL_SAMPLE_H
#define FETTLE_MODEL_SAMPLE_H

#include "base/rng.h"
#include "model/model.h"

/* Room for the candidates of one row; grows once to the vocabulary's size. */
typedef struct {
    struct candidate {
        float logit;
        int id;
    } * item, *top;
    int capacity;
    float *row, *weight;
} sampler;
void sampler_free(sampler *s);

/* z [V] raw logits; seen [n] tokens of prompt and answer (repetition penalty). Order of the steps as in transformers: repetition
 * penalty, temperature, top-k, top-p, min-p, then one draw (temperature 0: the largest logit, the lowest id of equals). */
int sample_token(sampler *s, const float *z, int V, const int32_t *seen, int n, const sampling *o, rng *r);

/* log softmax(z / temperature)[id]. */
float logit_logp(sampler *s, const float *z, int V, int id, double temperature);

/* The k likeliest tokens, likeliest first (of equals the lowest id), with the same log-probabilities. k <= V. */
void logit_tops(sampler *s, const float *z, int V, int k, token_top *out);

#endif
