/* online.c - see online.h. */
#include "train/objective/online.h"

#include <string.h>

duel duel_of(const columns *c, int s) {
    duel d = {s, -1, -1, -1};
    for (int i = 0; i < s; i++)
        if (c->group[i] == c->group[s]) return d;
    for (int i = s + 1; i < c->S && d.second < 0; i++)
        if (c->group[i] == c->group[s]) d.second = i;
    if (d.second < 0) return d;
    const bool first = !((double)c->score[d.second] > (double)c->score[s]);
    d.chosen = first ? s : d.second;
    d.rejected = first ? d.second : s;
    return d;
}

void put_duels(json_writer *w, const columns *c) {
    for (int side = 0; side < 2; side++) {
        json_key(w, side ? "rejected" : "chosen"), json_open(w, '[');
        for (int s = 0; s < c->S; s++) {
            const duel d = duel_of(c, s);
            if (d.chosen >= 0) json_put_int(w, side ? d.rejected : d.chosen);
        }
        json_close(w);
    }
}

double log_ratio(const columns *c, int s) {
    return sum_trained(c, c->logp, c->sequence[s]) - sum_trained(c, c->ref_logp, c->sequence[s]);
}

linked online_link(const char *loss_type, const link_options *o, double z) {
    return strcmp(loss_type, "ipo") == 0 ? link_ipo(o, z) : link_sigmoid(o, z);
}
