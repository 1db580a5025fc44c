/* divergence.c - how far one row of logits is from another (contract: tensor.h). In double: what is looked for is a difference of
 * logarithms that are nearly equal. */
#include <math.h>

#include "tensor/tensor.h"

static double log_sum(const float *z, int n) {
    double max = (double)z[row_largest(z, n)], sum = 0;
    for (int k = 0; k < n; k++) sum += exp((double)z[k] - max);
    return max + log(sum);
}

/* KL(q|p): dz = p - q */
static double towards(const float *z, const float *y, int n, double lz, double ly, float *dz) {
    double D = 0;
    for (int k = 0; k < n; k++) {
        const double s = (double)z[k] - lz, t = (double)y[k] - ly, q = exp(t);
        D += q * (t - s);
        if (dz) dz[k] = (float)(exp(s) - q);
    }
    return D;
}

/* p (u - sum p u), where dz holds u */
static void centre(const float *z, int n, double lz, double mean, float *dz) {
    for (int k = 0; k < n; k++) dz[k] = (float)(exp((double)z[k] - lz) * ((double)dz[k] - mean));
}

/* KL(p|q): u = s - t */
static double away(const float *z, const float *y, int n, double lz, double ly, float *dz) {
    double D = 0;
    for (int k = 0; k < n; k++) {
        const double s = (double)z[k] - lz, u = s - ((double)y[k] - ly);
        D += exp(s) * u;
        if (dz) dz[k] = (float)u;
    }
    if (dz) centre(z, n, lz, D, dz);
    return D;
}

/* beta KL(q|M) + (1-beta) KL(p|M): u = (1-beta) (s - log M). A token that neither would say counts for nothing. */
static double between(const float *z, const float *y, int n, double lz, double ly, double beta, float *dz) {
    double D = 0, mean = 0;
    for (int k = 0; k < n; k++) {
        const double s = (double)z[k] - lz, t = (double)y[k] - ly, p = exp(s), q = exp(t), M = (1 - beta) * p + beta * q,
                     log_M = M > 0 ? log(M) : 0, u = M > 0 ? (1 - beta) * (s - log_M) : 0;
        if (q > 0) D += beta * q * (t - log_M);
        if (p > 0) D += p * u;
        mean += p * u;
        if (dz) dz[k] = (float)u;
    }
    if (dz) centre(z, n, lz, mean, dz);
    return D;
}

double row_divergence(const float *z, const float *y, int n, double beta, float *dz) {
    const double lz = log_sum(z, n), ly = log_sum(y, n);
    return beta <= 0 ? towards(z, y, n, lz, ly, dz) : beta >= 1 ? away(z, y, n, lz, ly, dz) : between(z, y, n, lz, ly, beta, dz);
}
