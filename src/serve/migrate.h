/* migrate.h - options of a published question change, and what holds them changes with them: answers, suggestions, settled answers.
 *
 *     PATCH /api/v1/questions/{id}?migrate=true[&dry_run=true]  {"settings": {...}, "migration": {"map", "drop", "incomplete"}}
 *
 * The plan is data's (option_change, kinds.h). What would be lost without the plan saying so is refused, with how often it stands
 * where; a dry run tells the same and writes nothing. Every answer goes on by response_put, so its history has it; what the change
 * wrote over is held by the store, and POST /api/v1/questions/{id}/undo puts it back. */
#ifndef FETTLE_SERVE_MIGRATE_H
#define FETTLE_SERVE_MIGRATE_H

#include "serve/api.h"

/* c->part is the question as it was, `now` as it will be (not saved yet). Writes what follows from it, unless `dry`; *report: what it
 * told, as JSON. */
bool migrate_answers(call *c, const part *now, bool dry, json **report, err *e);
bool migrate_undo(call *c, err *e); /* the newest change of c->part, which is saved as it was */

#endif
