/* demo_prompts.h - the questions of the demo: ours, short, about everyday things. Training and held-out sets never share one. */
#ifndef FETTLE_DATA_DEMO_PROMPTS_H
#define FETTLE_DATA_DEMO_PROMPTS_H

enum { DEMO_TRAINING = 12, DEMO_HELD_OUT = 50 };

typedef struct {
    const char *training[DEMO_TRAINING], *held_out[DEMO_HELD_OUT];
} demo_prompts;

extern const demo_prompts demo_everyday; /* questions and small requests */
extern const demo_prompts demo_steps;    /* requests that invite a numbered list */
extern const demo_prompts demo_facts;    /* questions that a sentence answers: room to grow longer */

#endif
