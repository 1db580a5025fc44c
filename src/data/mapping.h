/* mapping.h - which column of a file becomes which field, metadata, suggestion or vector of a data set.
 *
 *   rows ── facts (what each column holds) ──► guess: a mapping to settings there are, or settings for a new data set with a mapping
 *   rows ── mapping ──► items of the REST API
 *
 * A mapping is JSON, as Argilla's import takes it: {"fields": [{"source": column, "target": name}], "metadata": [...],
 * "suggestions": [...], "vectors": [...], "external_id": column or null}. A source may be a path into objects: "meta.language". A suggestion may
 * be the same for all rows: {"value", "target"}. */
#ifndef FETTLE_DATA_MAPPING_H
#define FETTLE_DATA_MAPPING_H

#include <stdint.h>

#include "base/json.h"

struct row_source;

enum { FACT_VALUES_MAX = 64 };

/* What the first rows say of a column. */
typedef struct {
    const char *name;
    const char *type; /* as row_column.type */
    int64_t count;    /* rows in which it is not null */
    bool unique;      /* no two of them are alike (texts and integers) */
    bool messages;    /* lists of {"role", "content"} or {"from", "value"} */
    bool image;       /* data:image/ texts, or objects with such bytes */
    int dimensions;   /* all of them are lists of that many numbers; 0: no */
    double least, most;
    size_t longest; /* bytes of a text */
    json *values;   /* texts, flags and integers that occur, when they are at most FACT_VALUES_MAX; else NULL */
} column_facts;
typedef struct {
    column_facts *column;
    int count;
    int64_t rows; /* looked at */
} row_facts;

/* Reads up to `rows` rows and rewinds. Damaged rows are left out here; applying the mapping names them. */
bool row_facts_look(arena *a, struct row_source *s, int64_t rows, row_facts *out, err *e);

/* The likeliest mapping to settings {"fields", "questions", "metadata", "vectors"} in the shape of the REST API. What fits nothing is left out. */
json *mapping_guess(arena *a, const row_facts *facts, const json *settings);
/* Settings for a data set made of these rows, and the mapping to them. Every data set gets a field and a question; NULL when there is no column
 * for a field. */
json *mapping_settings(arena *a, const row_facts *facts, json **mapping, err *e);

/* A mapping made ready. Fails with the names there are when it names a column, a field or a question that is not there. Lives as long as the
 * arena, the mapping and the settings. */
typedef struct mapping_plan mapping_plan;
mapping_plan *mapping_open(arena *a, const json *map, const json *settings, const row_facts *facts, err *e);
/* Suggestions are said to come from a file of this name (without its folder): their agent. Such a suggestion stands in for an answer where
 * nobody gave one (recipe.h), as the file's labels are all there is. */
#define SUGGESTED_BY_FILE "file:"
void mapping_of_file(mapping_plan *m, arena *a, const char *file);
/* One row as an item {"external_id", "fields", "metadata", "suggestions": [{"question_name", "value"}], "vectors"}, in memory of a; values are
 * shared with the row. Errors name the column; the caller puts the place in front. */
bool mapping_apply(const mapping_plan *m, arena *a, const json *row, json **item, err *e);

#endif
