/* eval_heads.h - what fettle eval says of models that judge instead of writing (private to cli). */
#ifndef FETTLE_CLI_EVAL_HEADS_H
#define FETTLE_CLI_EVAL_HEADS_H

#include "base/opt.h"
#include "cli/subject.h"

typedef struct {
    opt_list data;
    const char *dtype;
    int64_t max_length;
    bool json;
} eval_options;

/* A reward model on pairs: how often the chosen answer scores higher. A process reward model on answers in steps: how many it judges as
 * people did. */
bool eval_head(arena *a, const subject *s, compute_type compute, const eval_options *o, err *e);

#endif
