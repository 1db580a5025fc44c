/* argilla_export.h - data sets as Argilla's own Python SDK (2.x) writes and reads them.
 *
 *     to_disk:            DIR/.argilla/settings.json, dataset.json, perhaps version.json; DIR/records.json
 *     to_hub:             the same .argilla, and the records as Parquet, flattened
 *     records.to_json:    a list of records:  {"id", "fields", "metadata", "suggestions": {question: {value, score, agent}},
 *                         "responses": {question: [{value, user_id}]}, "vectors", "status", "_server_id"}
 *     to_list(flatten):   the same with fields, metadata and vectors as columns, and QUESTION.responses, .responses.users,
 *                         .responses.status, QUESTION.suggestion, .suggestion.score, .suggestion.agent
 *
 * What is read comes as items of Argilla's REST API: {"external_id", "fields", "metadata", "vectors",
 * "suggestions": [{"question_name", "value", "score", "agent"}], "responses": [{"values": {question: {"value"}}, "status", "user_id"}]}. */
#ifndef FETTLE_DATA_ARGILLA_EXPORT_H
#define FETTLE_DATA_ARGILLA_EXPORT_H

#include "base/json.h"

typedef struct argilla_export argilla_export;

bool argilla_export_is(const char *path); /* a folder with .argilla/settings.json in it */

/* A folder, or a file of records (any layout of rows). `settings` are those of the data set that the records go to, for files that carry
 * none; NULL: those of the folder. Rankings, classes and flattened rows are read by them. Owned by the arena. */
argilla_export *argilla_export_open(arena *a, const char *path, const json *settings, err *e);
const json *
argilla_export_settings(const argilla_export *x); /* fields, questions, metadata, vectors, guidelines ...; NULL: none */
const json *argilla_export_dataset(const argilla_export *x); /* dataset.json: name, guidelines ...; NULL: none */
/* The next record as an item, in memory of a. False: the end (e->code == 0), or an error that names file, line and member. The SDK leaves the
 * status of nested responses out: they are submitted, where a value is there, else discarded. */
bool argilla_export_next(argilla_export *x, arena *a, json **item, err *e);
bool argilla_export_ended(const argilla_export *x); /* after an error: nothing more can be read */

/* A record of the REST API (with responses and suggestions) as the SDK writes it. Suggestions name their question (question_name), or give
 * a question_id that settings' questions have. */
json *argilla_record(arena *a, const json *item, const json *settings, bool flat);

/* The folder of to_disk: settings and dataset as in the REST API. */
typedef struct argilla_out argilla_out;
argilla_out *argilla_out_open(arena *a, const char *folder, const json *dataset, const json *settings, err *e);
bool argilla_out_item(argilla_out *w, const json *item, err *e);
bool argilla_out_commit(argilla_out *w, err *e);

#endif
