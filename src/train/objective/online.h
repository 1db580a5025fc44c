/* online.h - the better of two answers to a prompt (private to the objectives that learn from pairs of their own). */
#ifndef FETTLE_TRAIN_OBJECTIVE_ONLINE_H
#define FETTLE_TRAIN_OBJECTIVE_ONLINE_H

#include "train/objective/advantages.h"
#include "train/objective/links.h"

/* The two answers of one prompt, told by its first answer s: the one of the higher score, the first of equals, and the other. chosen -1: s is
 * not the first of its group, or alone. */
typedef struct {
    int first, second, chosen, rejected;
} duel;
duel duel_of(const columns *c, int s);
void put_duels(json_writer *w, const columns *c); /* chosen, rejected: sequence numbers, for explain */

double log_ratio(const columns *c, int s);                                  /* sum of logp - ref_logp over trained tokens */
linked online_link(const char *loss_type, const link_options *o, double z); /* sigmoid, or ipo */

#endif
