/* suggester.h - a model that suggests ahead of people: where a dataset has one, the next records of its queue have suggestions before anybody
 * comes to them. Used inside serve alone.
 *
 *     PUT suggester {"model", "questions", "ahead": N, "active": true}  ──► a row of the dataset
 *                                                                            │ a thread of its own, woken by every write
 *     an answer is given ──► the queue moves on ──► of its first N open records those without suggestions are asked (asking.h)
 *
 *            ┌── off ◄── stop ──┐                    what fails waits a minute, and says why
 *            └──────► waiting ◄─┴─► asking ──► failed ──► waiting
 *
 * It never runs further ahead than N records, so a queue that nobody works on costs nothing more. Tokens and cost are summed in the row. */
#ifndef FETTLE_SERVE_SUGGESTER_H
#define FETTLE_SERVE_SUGGESTER_H

#include "serve/api.h"

typedef struct suggesting suggesting;
suggesting *suggesting_start(server *s, err *e);
void suggesting_stop(suggesting *x); /* NULL is fine */
suggesting *server_suggesting(server *s);

#endif
