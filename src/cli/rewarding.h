/* rewarding.h - answers that a reward model judges: for generate (best of n), compare and eval. */
#ifndef FETTLE_CLI_REWARDING_H
#define FETTLE_CLI_REWARDING_H

#include "cli/answering.h"

#define REWARD_MODEL_ROW(type, member)                                                                                           \
    {                                                                                                                            \
        "reward_model", OPT_TEXT, offsetof(type, member), NULL, 0, 0, NULL,                                                      \
            "a model that 'fettle train reward' made: judges the answers"                                                        \
    }

/* Opens it and makes sure that it judges. */
bool reward_model_open(subjects *all, const char *spec, subject *out, err *e);

/* Fills in the reward of each answer; answer i belongs to prompts[i / each]. Prompt and answer are rendered by the reward model's own chat
 * template and tokenizer, as in its training (raw: as plain text, its end token behind). */
bool reward_answers(arena *a, const subject *judge, const answering_order *x, given_answer *answers, err *e);

/* order [count]: numbers of answers with these rewards, the best first, the first of equals before the others. */
void reward_order(const double *reward, int count, int *order);

#endif
