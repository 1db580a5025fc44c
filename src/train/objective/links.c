/* links.c - see links.h. */
#include <string.h>

#include "train/objective.h"
#include "train/objective/links.h"

linked link_sigmoid(const link_options *o, double z) {
    const double x = o->beta * z, s = o->smoothing;
    return (linked){(1 - s) * softplus(-x) + s * softplus(x), o->beta * (sigmoid(x) - (1 - s))};
}

linked link_hinge(const link_options *o, double z) {
    const double x = o->beta * z;
    return x < 1 ? (linked){1 - x, -o->beta} : (linked){0, 0};
}

linked link_ipo(const link_options *o, double z) {
    const double miss = z - 1 / (2 * o->beta);
    return (linked){miss * miss, 2 * miss};
}

linked link_margin(const link_options *o, double z) { return link_sigmoid(o, z - o->gamma / o->beta); }

const link_type *link_find(const link_type *table, const char *name) {
    while (table->name && strcmp(table->name, name) != 0) table++;
    if (!table->name) bug("loss_type %s", name);
    return table;
}
