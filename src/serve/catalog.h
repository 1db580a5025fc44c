/* catalog.h - the models of the data folder: HOME/models, and what runs made. Used inside serve alone. */
#ifndef FETTLE_SERVE_CATALOG_H
#define FETTLE_SERVE_CATALOG_H

#include "serve/api.h"

typedef struct {
    const char *id;      /* NAME, or run:NAME */
    const char *path;    /* of the model or adapter */
    const char *base;    /* path of an adapter's base; NULL: it is a model, or its base is not here */
    const char *base_id; /* the same as an id, where one leads there; NULL: none */
    const char *run;     /* the run that made it; NULL: none */
    bool adapter;
    bool writes;   /* false: it judges answers (a reward model) */
    int64_t bytes; /* of its files */
    int64_t at;    /* when they were made, in seconds */
} catalog_entry;

typedef struct {
    catalog_entry *item;
    int count;
} catalog;

/* Whether the model or adapter at path writes answers; a reward model judges them. */
bool catalog_writes(const char *path);
bool catalog_read(arena *a, const char *home, catalog *out, err *e); /* by name, runs behind models */

#endif
