/* plain.h - answers for clients that know Argilla's types of questions alone. Used inside serve alone.
 *
 * Argilla's SDK reads settings of a closed union of types: one question of another type, and a dataset cannot be read at all. To such a
 * client a comparison is a label_selection of the same four choices, and an answer to it the choice; what it writes in this form is made
 * whole again (question_whole), keeping strength and order where the choice stays. Everybody else gets ours in full.
 *
 * Such a client is known by its User-Agent, python-httpx; one that says Accept: application/vnd.fettle+json is none. */
#ifndef FETTLE_SERVE_PLAIN_H
#define FETTLE_SERVE_PLAIN_H

#include "serve/api.h"

void plain_answer(call *c); /* what is in c->out, in the client's words */

#endif
