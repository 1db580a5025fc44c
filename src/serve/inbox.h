/* inbox.h - what people say in passing (a thumb, a better answer, a vote) becomes a record of an ordinary dataset, made when it is first needed:
 * it goes through the routes that everybody uses. Used inside serve alone, outside of a transaction. */
#ifndef FETTLE_SERVE_INBOX_H
#define FETTLE_SERVE_INBOX_H

#include "serve/api.h"

/* Bodies of the API, in the order in which they are posted to datasets/ID/WHAT. */
typedef struct {
    const char *what, *body;
} inbox_part;
typedef struct {
    const char *name, *guidelines; /* of the dataset */
    const inbox_part *parts;       /* ended by {NULL, NULL} */
} inbox_shape;

/* The dataset of this name in the workspace "inbox" of c->me, else in the first one; an owner of a server without workspaces gets one.
 * ERR_FORBIDDEN: the person is in none. */
bool inbox_find(call *c, const inbox_shape *shape, const char **set, err *e);
/* Id of one of its questions. */
bool inbox_question(call *c, const char *set, const char *name, const char **id, err *e);
/* One record as PUT .../records/bulk takes it, JSON of an object: by its external_id a new one, or in the place of the old one. Its words
 * are those of c->me, with whom it is erased. */
bool inbox_put(call *c, const char *set, str item, const char **row, err *e);

#endif
