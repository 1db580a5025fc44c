/* rng.h - random numbers that depend on a key, not on the order of calls.
 *
 * Philox4x32-10 (Salmon et al., SC 2011): a counter-based generator. A stream is keyed by (seed, purpose); its position is a
 * plain counter, so saving a state is saving two integers, and the n-th number of a stream needs no others. */
#ifndef FETTLE_BASE_RNG_H
#define FETTLE_BASE_RNG_H

#include <stdint.h>

typedef struct {
    uint64_t key, counter;
} rng;

rng rng_new(uint64_t seed, uint64_t purpose);  /* purpose: any constant that names the use, or a step number mixed in */
uint32_t rng_next(rng *r);                     /* 32 uniform bits */
double rng_uniform(rng *r);                    /* [0,1), 53 bits */
double rng_normal(rng *r);                     /* N(0,1), Box-Muller: always four words */
uint32_t rng_below(rng *r, uint32_t n);        /* 0 .. n-1 without bias; n >= 1 */
uint64_t rng_mix(uint64_t a, uint64_t b);      /* a well-mixed hash of two numbers, for keys */
void rng_permutation(rng *r, int n, int *out); /* Fisher-Yates of 0 .. n-1 */

#endif
