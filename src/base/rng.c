/* rng.c - Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).
 *
 * One block of the generator turns a 128-bit counter and a 64-bit key into four 32-bit words through ten rounds of
 *     (c0, c1, c2, c3)  <-  (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0)),   (k0, k1) += (W0, W1)
 * The n-th 32-bit number of a stream is word n mod 4 of block n / 4. */
#include "base/rng.h"

#include <math.h>

#include "base/err.h"

static void philox(uint64_t key, uint64_t block, uint32_t c[4]) {
    const uint32_t M0 = 0xD2511F53u, M1 = 0xCD9E8D57u, W0 = 0x9E3779B9u, W1 = 0xBB67AE85u;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    c[0] = (uint32_t)block;
    c[1] = (uint32_t)(block >> 32);
    c[2] = c[3] = 0;
    for (int round = 0; round < 10; round++, k0 += W0, k1 += W1) {
        const uint64_t p0 = (uint64_t)M0 * c[0], p1 = (uint64_t)M1 * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
    }
}

/* Two rounds of the finaliser of SplitMix64 (Steele, Lea, Flood; OOPSLA 2014). */
static uint64_t scramble(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t rng_mix(uint64_t a, uint64_t b) { return scramble(scramble(a + 0x9E3779B97F4A7C15u) + b * 0xD1B54A32D192ED03u + 1); }

rng rng_new(uint64_t seed, uint64_t purpose) { return (rng){rng_mix(seed, purpose), 0}; }

uint32_t rng_next(rng *r) {
    uint32_t words[4];
    philox(r->key, r->counter / 4, words);
    return words[r->counter++ % 4];
}

/* 27 + 26 bits */
static double uniform(uint32_t high, uint32_t low) { return (double)((uint64_t)(high >> 5) << 26 | low >> 6) * 0x1p-53; }

double rng_uniform(rng *r) {
    const uint32_t high = rng_next(r);
    return uniform(high, rng_next(r));
}

double rng_normal(rng *r) {
    uint32_t c[4]; /* the next four words: of one block, if one begins here */
    if (r->counter % 4 == 0) {
        philox(r->key, r->counter / 4, c);
        r->counter += 4;
    } else
        for (int i = 0; i < 4; i++) c[i] = rng_next(r);
    const double u = 1 - uniform(c[0], c[1]), v = uniform(c[2], c[3]); /* u in (0,1]: its logarithm is finite */
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

/* Multiply and keep the high half; numbers whose low half falls into the uneven rest are drawn again (Lemire 2019). */
uint32_t rng_below(rng *r, uint32_t n) {
    if (n == 0) bug("a random number below 0 was asked for");
    const uint32_t uneven = (uint32_t)(-n) % n;
    uint64_t product;
    do product = (uint64_t)rng_next(r) * n;
    while ((uint32_t)product < uneven);
    return (uint32_t)(product >> 32);
}

void rng_permutation(rng *r, int n, int *out) {
    for (int i = 0; i < n; i++) out[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)rng_below(r, (uint32_t)i + 1), kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}
