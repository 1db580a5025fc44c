/* links.h - what pairwise objectives make of the distance z between two answers (private to them): a loss and its slope by z. */
#ifndef FETTLE_TRAIN_OBJECTIVE_LINKS_H
#define FETTLE_TRAIN_OBJECTIVE_LINKS_H

typedef struct {
    double loss, slope;
} linked;

typedef struct {
    double beta, smoothing, gamma;
} link_options;

/*     name     of means per token, not of sums
 *     sigmoid  -(1-s) log sigmoid(beta z) - s log sigmoid(-beta z)    slope  beta (sigmoid(beta z) - (1-s))
 *     hinge    max(0, 1 - beta z)                                     slope  -beta where beta z < 1
 *     ipo      (z - 1/(2 beta))^2                                     slope  2 (z - 1/(2 beta))
 *     margin   sigmoid of z - gamma/beta: SimPO's, TPO-L's */
linked link_sigmoid(const link_options *o, double z);
linked link_hinge(const link_options *o, double z);
linked link_ipo(const link_options *o, double z);
linked link_margin(const link_options *o, double z);

typedef struct {
    const char *name;
    linked (*link)(const link_options *o, double z);
    bool mean; /* z is of means per token, not of sums */
} link_type;

const link_type *link_find(const link_type *table, const char *name); /* table ends with a name of NULL; the name is in it */

#endif
