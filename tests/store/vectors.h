/* vectors.h - records with vectors, random ones too, and how alike two are, in double: what near.c and similar.c compare with. */
#ifndef FETTLE_TESTS_STORE_VECTORS_H
#define FETTLE_TESTS_STORE_VECTORS_H

#include "things.h"

#include <math.h>

#include "base/rng.h"

enum { DIMENSIONS = 24 };

static inline double cosine(const double *a, const double *b) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < DIMENSIONS; i++) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static inline void a_vector(rng *random, double *out) {
    for (int i = 0; i < DIMENSIONS; i++) out[i] = rng_normal(random);
}

/* A record with this vector under the desk's one name. */
static inline record with_numbers(store_tx *t, const desk *d, const double *numbers, int count) {
    err e = {0};
    const record r = a_record(t, &d->set, NULL);
    assert_ok(vector_put(t, d->vector.seq, r.seq, numbers, count, &e), e);
    return r;
}

/* The same with a random vector of DIMENSIONS, which stands in `out` then. */
static inline record with_random(store_tx *t, const desk *d, rng *random, double *out) {
    a_vector(random, out);
    return with_numbers(t, d, out, DIMENSIONS);
}

#endif
