/* db.h - what the store asks of a database, and the drivers that answer. Used inside store alone.
 *
 *        store_read(job) ──► a reading connection of the pool, one snapshot ──► job ──► end
 *        store_write(job) ─► queue ─► the one writing thread: BEGIN, each waiting job under its own savepoint, COMMIT ─► all are told
 *
 * One connection writes, and it alone checkpoints; so a write never waits for a lock and never fails for one. Jobs that wait
 * while a commit is on its way to the disk share the next one (group commit). A failed commit is final: nothing more is
 * acknowledged until the program has read the file anew (docs/decisions/0014); but a full disk is known to have taken nothing, and
 * passes.
 *
 * SQL is one dialect with parameters $1, $2 ...; what each database says in its own way is the driver's: text search (db_search), backup,
 * scrub. What is left of SQLite elsewhere: STRICT, WITHOUT ROWID and AUTOINCREMENT in schema.c, which another driver reads as its own words
 * for them; and plus signs before numbers, which keep SQLite from an index and say nothing to others. */
#ifndef FETTLE_STORE_DB_H
#define FETTLE_STORE_DB_H

#include <string.h>

#include "store/store.h"

/* ---- values -------------------------------------------------------------------------------------------------------------------- */

typedef enum { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BLOB } db_kind;
typedef struct {
    db_kind kind;
    int64_t integer;
    double real;
    str text;
} db_value;

static inline db_value db_null(void) { return (db_value){0}; }
static inline db_value db_i(int64_t v) { return (db_value){.kind = DB_INT, .integer = v}; }
static inline db_value db_r(double v) { return (db_value){.kind = DB_REAL, .real = v}; }
static inline db_value db_s(str v) { return v.ptr ? (db_value){.kind = DB_TEXT, .text = v} : db_null(); } /* NULL view: null */
static inline db_value db_c(const char *v) { return v ? (db_value){.kind = DB_TEXT, .text = str_of(v)} : db_null(); }
static inline db_value db_b(str v) { return (db_value){.kind = DB_BLOB, .text = v}; }

/* ---- statements of a transaction -------------------------------------------------------------------------------------------------- */

typedef struct db_rows db_rows;

/* A statement without rows. The variadic forms take db_values: db_run(t, e, "DELETE FROM x WHERE seq=$1", db_i(7)). */
bool db_run_values(store_tx *t, const char *sql, const db_value *v, int count, err *e);
#define db_run(t, e, sql, ...)                                                                                                   \
    db_run_values((t), (sql), (const db_value[]){__VA_ARGS__},                                                                   \
                  (int)(sizeof((const db_value[]){__VA_ARGS__}) / sizeof(db_value)), (e))
bool db_exec(store_tx *t, const char *sql, err *e); /* statements without parameters, several at once; not kept prepared */
int64_t db_changes(store_tx *t);                    /* rows that the last db_run touched */
int64_t db_last_seq(store_tx *t);                   /* seq of the last INSERT */

/* Rows: `db_rows *r = db_query(...); while (db_next(r, e)) ...`. Reading to the end closes them; db_done does it before. A failed
 * query gives NULL, on which db_next is false. */
db_rows *db_query_values(store_tx *t, const char *sql, const db_value *v, int count, err *e);
#define db_query(t, e, sql, ...)                                                                                                 \
    db_query_values((t), (sql), (const db_value[]){__VA_ARGS__},                                                                 \
                    (int)(sizeof((const db_value[]){__VA_ARGS__}) / sizeof(db_value)), (e))
/* The same for what hardly changes and is asked by every request: read from memory while nobody has written (memo.h). */
db_rows *db_query_memo_values(store_tx *t, const char *sql, const db_value *v, int count, err *e);
#define db_query_memo(t, e, sql, ...)                                                                                            \
    db_query_memo_values((t), (sql), (const db_value[]){__VA_ARGS__},                                                            \
                         (int)(sizeof((const db_value[]){__VA_ARGS__}) / sizeof(db_value)), (e))
bool db_next(db_rows *r, err *e);
void db_done(db_rows *r);
bool db_is_null(db_rows *r, int column);
int64_t db_int(db_rows *r, int column);
double db_real(db_rows *r, int column);
str db_view(db_rows *r, int column);             /* until the next row; null: the NULL view */
str db_text(db_rows *r, arena *a, int column);   /* a copy; null: the NULL view */
char *db_cstr(db_rows *r, arena *a, int column); /* NULL for null */

/* One integer; fallback when there is no row or null. */
int64_t db_int_of_values(store_tx *t, int64_t fallback, const char *sql, const db_value *v, int count, err *e);
#define db_int_of(t, e, fallback, sql, ...)                                                                                      \
    db_int_of_values((t), (fallback), (sql), (const db_value[]){__VA_ARGS__},                                                    \
                     (int)(sizeof((const db_value[]){__VA_ARGS__}) / sizeof(db_value)), (e))

/* From a column, as uuid_new or uuid_parse wrote it; "" for null. */
static inline void store_id(str text, uuid_text out) {
    const bool whole = text.len == sizeof(uuid_text) - 1;
    if (whole) memcpy(out, text.ptr, sizeof(uuid_text) - 1);
    out[whole ? sizeof(uuid_text) - 1 : 0] = '\0';
}

/* Adds to a list {item, count}; room is doubled at powers of two, so the list keeps no capacity. */
#define STORE_APPEND(a, list, ...)                                                                                               \
    do {                                                                                                                         \
        if (((list)->count & ((list)->count - 1)) == 0)                                                                          \
            (list)->item = store_grow((a), (list)->item, sizeof *(list)->item * (size_t)(list)->count,                           \
                                      sizeof *(list)->item * (size_t)((list)->count ? 2 * (list)->count : 1));                   \
        (list)->item[(list)->count++] = __VA_ARGS__;                                                                             \
    } while (0)
void *store_grow(arena *a, void *old, size_t used, size_t room);

/* ---- text ---------------------------------------------------------------------------------------------------------------------------- */

/* A dataset's text index and what of statements each database says in its own way. A field is a column. Texts: one a field, in order. */
typedef struct {
    bool (*is_there)(store_tx *t, int64_t dataset, err *e);
    bool (*drop)(store_tx *t, int64_t dataset, err *e);
    bool (*create)(store_tx *t, int64_t dataset, const parts *fields, err *e); /* anew; none for no fields */
    bool (*put)(store_tx *t, int64_t dataset, int64_t record, const parts *fields, const str *texts, bool remove, err *e);
    bool (*compact)(store_tx *t, int64_t dataset, err *e);
    /* A query in Elasticsearch's simple syntax as this index takes it; false: it names no word. *all_but: it says what must not be there. */
    bool (*match)(arena *a, str text, int64_t field, const char **out, bool *all_but);
    const char *(*from)(arena *a, int64_t dataset);                   /* FROM records r with the index, so that it has a rank */
    const char *(*where)(arena *a, int64_t dataset);                  /* a condition; the parameter with the query follows */
    const char *(*rows)(arena *a, int64_t dataset, const char *what); /* SELECT "seq" or "*" (their number) ...; likewise */
    const char *rank;                                                 /* the lower the better */
    const char *list_begin, *list_end; /* around a parameter with a JSON array: its members as rows */
    const char *type_of;               /* of a part: settings.type */
} db_search;

/* ---- drivers ------------------------------------------------------------------------------------------------------------------------ */

typedef struct db_conn db_conn;
typedef struct db_stmt db_stmt;

typedef struct {
    const char *name;
    db_conn *(*connect)(const char *where, bool writer, err *e);
    void (*disconnect)(db_conn *c);
    bool (*exec)(db_conn *c, const char *sql, err *e);
    db_stmt *(*prepare)(db_conn *c, const char *sql, err *e);
    void (*finalize)(db_stmt *s);
    void (*bind)(db_stmt *s, int parameter, db_value v); /* parameter 1: $1; views stay valid until reset */
    int (*step)(db_stmt *s, err *e);                     /* 1: a row, 0: the end, -1: failed */
    void (*reset)(db_stmt *s);
    int (*columns)(db_stmt *s);
    db_kind (*kind)(db_stmt *s, int column);
    int64_t (*integer)(db_stmt *s, int column);
    double (*real)(db_stmt *s, int column);
    str (*text)(db_stmt *s, int column);
    bool (*inside)(db_conn *c); /* a transaction is open: some failures end it */
    int64_t (*changes)(db_conn *c);
    int64_t (*last_seq)(db_conn *c);
    bool (*idle)(db_conn *c, err *e); /* housekeeping of the writer between commits: checkpoints */
    bool (*backup)(db_conn *c, const char *to, err *e);
    bool (*check)(db_conn *c, err *e); /* integrity */
    /* The words of a text as the text index has them, one after the other. */
    bool (*tokens)(db_conn *c, str text, void (*each)(void *context, str word), void *context, err *e);
    /* What was deleted leaves the files: they are made anew, and the log is emptied once nobody reads from it. Outside a transaction. */
    bool (*scrub)(db_conn *c, err *e);
    const char *begin; /* a transaction that writes */
    const char
        *version; /* a query: another number than before on this connection when another one has written in between; it is of the
                            snapshot that the transaction reads from then on. NULL: it cannot say */
    const db_search *search;
} db_driver;

#define DB_DRIVERS(X) X(sqlite)
#define DB_USUAL      db_sqlite /* of a folder */
#define X(name)       extern const db_driver db_##name;
DB_DRIVERS(X)
#undef X

/* A copy as a file that is whole or not there; ERR_CONFLICT when `to` exists. */
bool db_backup(const db_driver *driver, db_conn *c, const char *to, err *e);
/* The folder for this process alone: a descriptor that holds it until it is closed, -1 with ERR_CONFLICT that names the other. */
int store_lock(const char *folder, err *e);

/* ---- text search: one index a dataset, a column a field ------------------------------------------------------------------------------- */

bool db_search_drop(store_tx *t, int64_t dataset, err *e);
bool db_tokens(store_tx *t, str text, void (*each)(void *context, str word), void *context, err *e);
const db_search *db_search_of(const store_tx *t);
struct words_shelf *db_words(store_tx *t); /* of the store (store_words.c) */
struct near_shelf *db_near(store_tx *t);   /* of the store (store_near.c) */
bool db_writes(const store_tx *t);         /* it may see what nobody else does, and what may be taken back */

/* ---- schema ------------------------------------------------------------------------------------------------------------------------------ */

/* Numbered migrations; the store's number is in its file. A newer store than the program knows is refused. */
int schema_newest(void);
bool schema_version(store_tx *t, int *version, err *e);
bool schema_migrate(store_tx *t, int from, err *e);

#endif
