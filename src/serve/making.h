/* making.h - what a model makes in the background: rows in a file of exports and, when it is asked for, a dataset of them whose answers are
 * suggestions with the model's name. What jobs of this sort have in common; used inside serve alone. */
#ifndef FETTLE_SERVE_MAKING_H
#define FETTLE_SERVE_MAKING_H

#include "serve/hosted.h"
#include "serve/jobs.h"

/* Where it goes, and what it may use. Lives in `own`, which is freed by making_end. */
typedef struct {
    server *server;
    arena *own;
    const char *name,
        *path; /* of the dataset; exports/NAME.jsonl in the data folder: OUT.part beside it is what the same order goes on with */
    const char *space;   /* id of the workspace of the dataset; NULL: no dataset is made */
    const char *licence; /* the terms of what is made; NULL: not said */
    endpoint_options limits;
} making;

/* The dataset that rows become: JSON of the API, and a record of it from a row. */
typedef struct {
    const char *const *fields, *const *questions; /* bodies of POST .../fields and .../questions; ended by NULL */
    const char *guidelines;                       /* NULL: none */
    const char *recipe;                           /* body of PUT .../recipe; NULL: as it is guessed */
    void (*put)(arena *a, const json *row, int64_t number, json *items); /* appends records as the API takes them */
} making_shape;

/* From the body: name, dataset (true: make one), workspace_id (missing: the first of the person's), licence, per_minute, tokens_most,
 * cost_prompt, cost_answer. file: what is put before ".jsonl"; NULL: the name. */
bool making_take(call *c, making *x, const char *file, err *e);
bool making_number(call *c, const char *key, double least, double most, double *out, err *e); /* missing: *out as it was */
/* Of texts that come from a server elsewhere the terms must be said. */
bool making_terms(call *c, const making *x, const char *model, err *e);

/* A job that a request ordered. */
typedef struct {
    job_order order;
    const char *running; /* said where one of the kind works on the same already */
    job_work work;
    void (*end)(void *context); /* gets the context once, also where nothing begins */
    void *context;
} making_job;
bool making_begin(call *c, const making_job *j, bool ordered,
                  err *e); /* ordered: the body was in order, else only the end is called */

endpoint *making_open(making *x, const char *model, job *j, err *e); /* stops with the job */
void making_tell(job *j, endpoint *p, int64_t done, int64_t total);
/* Members of the result: path, what was used; with a dataset its id, made of the rows of the file. */
bool making_finish(const making *x, const making_shape *shape, endpoint *p, json_writer *result, err *e);

#endif
