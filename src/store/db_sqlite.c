/* db_sqlite.c - SQLite 3 behind db.h. The only file that includes sqlite3.h.
 *
 * WAL with synchronous=FULL: a commit that was acknowledged is on the disk. Checkpoints are made by the writing connection alone,
 * between commits (SQLite before 3.51.3 can lose a commit when two connections write and checkpoint at once).
 *
 * Readers map the file instead of copying its pages: a random record of a store that is larger than their caches costs half as much. A
 * page that the disk cannot give ends the process then, where a copying reader would have answered 500; the log is read as ever, and the
 * writer maps nothing. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

struct db_conn {
    sqlite3 *handle;
    int wal_pages; /* of the last commit */
    fts5_tokenizer tokenizer_calls;
    Fts5Tokenizer *tokenizer; /* NULL: not asked for yet */
};

struct db_stmt {
    sqlite3_stmt *handle;
    int parameters;
    int parameter[]; /* SQLite's index of $1 ...; 0: not in the statement */
};

enum { CHECKPOINT_PAGES = 4000 };

static bool failed(sqlite3 *handle, const char *doing, err *e) {
    const int code = handle ? sqlite3_extended_errcode(handle) : SQLITE_NOMEM;
    const int first = code & 0xff;
    const err_code kind = first == SQLITE_CONSTRAINT                       ? ERR_CONFLICT
                          : first == SQLITE_FULL                           ? ERR_FULL
                          : first == SQLITE_BUSY || first == SQLITE_LOCKED ? ERR_BUSY
                                                                           : ERR_IO;
    return err_set(e, kind, "the database failed (%s): %.200s", handle ? sqlite3_errmsg(handle) : "no memory", doing);
}

static bool sqlite_exec(db_conn *c, const char *sql, err *e) {
    return sqlite3_exec(c->handle, sql, NULL, NULL, NULL) == SQLITE_OK || failed(c->handle, sql, e);
}

static int count_pages(void *context, sqlite3 *handle, const char *name, int pages) {
    (void)handle, (void)name;
    ((db_conn *)context)->wal_pages = pages;
    return SQLITE_OK;
}

static void sqlite_disconnect(db_conn *c) {
    if (c->tokenizer) c->tokenizer_calls.xDelete(c->tokenizer);
    sqlite3_close(c->handle);
    memory_release(c);
}

/* Counting its memory makes every allocation of every connection pass through one lock. */
static void configure(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

static db_conn *sqlite_connect(const char *where, bool writer, err *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    db_conn *c = memory_alloc(sizeof *c);
    const int flags = SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    bool ok = sqlite3_open_v2(where, &c->handle, flags, NULL) == SQLITE_OK || failed(c->handle, where, e);
    if (ok) {
        sqlite3_db_config(c->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(c->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, NULL); /* FTS5 tables are virtual */
        sqlite3_busy_timeout(c->handle, 10000);
        ok = sqlite_exec(
            c, "PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY", e);
    }
    if (ok && !writer) ok = sqlite_exec(c, "PRAGMA mmap_size=2147418112", e); /* the most SQLite is built for */
    if (ok && writer) {
        ok = sqlite_exec(
            c, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-131072", e);
        sqlite3_wal_hook(c->handle, count_pages, c); /* replaces the automatic checkpoint */
    }
    if (ok) return c;
    sqlite_disconnect(c);
    return NULL;
}

/* SQLite numbers parameters in the order in which they first stand in the text; ours are numbered by their names. */
static db_stmt *with_parameters(sqlite3_stmt *handle) {
    const int count = sqlite3_bind_parameter_count(handle);
    int most = 0;
    for (int i = 1; i <= count; i++) {
        const int number = atoi(sqlite3_bind_parameter_name(handle, i) + 1);
        if (number > most) most = number;
    }
    db_stmt *s = memory_alloc(sizeof *s + sizeof *s->parameter * (size_t)most);
    s->handle = handle;
    s->parameters = most;
    for (int i = 1; i <= count; i++) s->parameter[atoi(sqlite3_bind_parameter_name(handle, i) + 1) - 1] = i;
    return s;
}

static db_stmt *sqlite_prepare(db_conn *c, const char *sql, err *e) {
    sqlite3_stmt *handle;
    if (sqlite3_prepare_v3(c->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL) != SQLITE_OK) {
        failed(c->handle, sql, e);
        return NULL;
    }
    return with_parameters(handle);
}

static void sqlite_finalize(db_stmt *s) {
    sqlite3_finalize(s->handle);
    memory_release(s);
}

static void sqlite_bind(db_stmt *s, int parameter, db_value v) {
    const int at = parameter <= s->parameters ? s->parameter[parameter - 1] : 0;
    if (!at) return; /* a value that the text does not use */
    const char *text = v.text.ptr ? v.text.ptr : "";
    switch (v.kind) {
    case DB_NULL: sqlite3_bind_null(s->handle, at); break;
    case DB_INT: sqlite3_bind_int64(s->handle, at, v.integer); break;
    case DB_REAL: sqlite3_bind_double(s->handle, at, v.real); break;
    case DB_TEXT: sqlite3_bind_text64(s->handle, at, text, v.text.len, SQLITE_STATIC, SQLITE_UTF8); break;
    case DB_BLOB: sqlite3_bind_blob64(s->handle, at, text, v.text.len, SQLITE_STATIC); break;
    }
}

static int sqlite_step(db_stmt *s, err *e) {
    const int code = sqlite3_step(s->handle);
    if (code == SQLITE_ROW) return 1;
    if (code == SQLITE_DONE) return 0;
    failed(sqlite3_db_handle(s->handle), sqlite3_sql(s->handle), e);
    return -1;
}

static void sqlite_reset(db_stmt *s) { sqlite3_reset(s->handle); }

static int sqlite_columns(db_stmt *s) { return sqlite3_column_count(s->handle); }

static db_kind sqlite_kind(db_stmt *s, int column) {
    switch (sqlite3_column_type(s->handle, column)) {
    case SQLITE_INTEGER: return DB_INT;
    case SQLITE_FLOAT: return DB_REAL;
    case SQLITE_TEXT: return DB_TEXT;
    case SQLITE_BLOB: return DB_BLOB;
    default: return DB_NULL;
    }
}

static int64_t sqlite_integer(db_stmt *s, int column) { return sqlite3_column_int64(s->handle, column); }
static double sqlite_real(db_stmt *s, int column) { return sqlite3_column_double(s->handle, column); }

static str sqlite_text(db_stmt *s, int column) {
    const bool blob = sqlite3_column_type(s->handle, column) == SQLITE_BLOB;
    const void *data = blob ? sqlite3_column_blob(s->handle, column) : (const void *)sqlite3_column_text(s->handle, column);
    const size_t size = (size_t)sqlite3_column_bytes(s->handle, column);
    return data || size ? (str){data, size} : blob ? STR("") : (str){NULL, 0};
}

static bool sqlite_inside(db_conn *c) { return !sqlite3_get_autocommit(c->handle); }
static int64_t sqlite_changes(db_conn *c) { return sqlite3_changes(c->handle); }
static int64_t sqlite_last_seq(db_conn *c) { return sqlite3_last_insert_rowid(c->handle); }

/* Readers may keep a checkpoint from its end, which is no failure: the next one goes on. */
static bool sqlite_idle(db_conn *c, err *e) {
    if (c->wal_pages < CHECKPOINT_PAGES) return true;
    c->wal_pages = 0;
    const int code = sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED ||
           failed(c->handle, "checkpoint", e);
}

static bool sqlite_backup(db_conn *c, const char *to, err *e) {
    db_stmt *s = sqlite_prepare(c, "VACUUM INTO $1", e);
    if (!s) return false;
    sqlite_bind(s, 1, db_c(to));
    const bool ok = sqlite_step(s, e) == 0;
    sqlite_finalize(s);
    return ok;
}

static bool sqlite_check(db_conn *c, err *e) {
    db_stmt *s = sqlite_prepare(c, "PRAGMA integrity_check(1)", e);
    if (!s) return false;
    bool ok = sqlite_step(s, e) == 1;
    if (ok && !str_is(sqlite_text(s, 0), "ok"))
        ok = err_set(e, ERR_INPUT, "the database is damaged: %.*s", STR_ARG(sqlite_text(s, 0)));
    sqlite_finalize(s);
    return ok;
}

/* secure_delete is not enough: a page that was split keeps a copy of cells that went to another one, and nobody overwrites it when they
 * are deleted there. So the file is made anew, from a copy in a file of its own rather than in memory. */
static bool sqlite_scrub(db_conn *c, err *e) {
    enum { TRIES = 3 }; /* each waits for readers as long as the busy timeout */
    if (!sqlite_exec(c, "PRAGMA temp_store=FILE; VACUUM; PRAGMA temp_store=MEMORY", e)) return false;
    int code = SQLITE_BUSY;
    for (int i = 0; i < TRIES && code == SQLITE_BUSY; i++)
        code = sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (code == SQLITE_BUSY)
        return err_set(e, ERR_CONFLICT, "somebody reads for so long that the database's log cannot be emptied: try again");
    c->wal_pages = 0;
    return code == SQLITE_OK || failed(c->handle, "emptying the log", e);
}

/* ---- words of a text ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    void (*each)(void *context, str word);
    void *context;
} token_sink;

static int one_token(void *context, int flags, const char *word, int size, int begin, int end) {
    const token_sink *s = context;
    (void)flags, (void)begin, (void)end;
    s->each(s->context, (str){word, (size_t)size});
    return SQLITE_OK;
}

static fts5_api *fts5_of(db_conn *c) {
    fts5_api *api = NULL;
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(c->handle, "SELECT fts5(?1)", -1, &s, NULL) != SQLITE_OK) return NULL;
    sqlite3_bind_pointer(s, 1, &api, "fts5_api_ptr", NULL);
    sqlite3_step(s);
    sqlite3_finalize(s);
    return api;
}

/* The same tokenizer with the same options as the index has (db_sqlite_text.c). */
static bool find_tokenizer(db_conn *c) {
    const char *options[] = {"remove_diacritics", "0"};
    void *context;
    fts5_api *api = c->tokenizer ? NULL : fts5_of(c);
    if (c->tokenizer) return true;
    return api && api->xFindTokenizer(api, "unicode61", &context, &c->tokenizer_calls) == SQLITE_OK &&
           c->tokenizer_calls.xCreate(context, options, 2, &c->tokenizer) == SQLITE_OK;
}

static bool sqlite_tokens(db_conn *c, str text, void (*each)(void *context, str word), void *context, err *e) {
    token_sink s = {each, context};
    if (!find_tokenizer(c)) return err_set(e, ERR_UNSUPPORTED, "this SQLite has no FTS5: fettle needs it for its text index");
    return c->tokenizer_calls.xTokenize(c->tokenizer, &s, FTS5_TOKENIZE_DOCUMENT, text.ptr, (int)text.len, one_token) ==
               SQLITE_OK ||
           err_set(e, ERR_IO, "the words of a text could not be told apart");
}

extern const db_search db_sqlite_search; /* db_sqlite_text.c */

const db_driver db_sqlite = {.name = "sqlite",
                             .connect = sqlite_connect,
                             .disconnect = sqlite_disconnect,
                             .exec = sqlite_exec,
                             .prepare = sqlite_prepare,
                             .finalize = sqlite_finalize,
                             .bind = sqlite_bind,
                             .step = sqlite_step,
                             .reset = sqlite_reset,
                             .columns = sqlite_columns,
                             .kind = sqlite_kind,
                             .integer = sqlite_integer,
                             .real = sqlite_real,
                             .text = sqlite_text,
                             .inside = sqlite_inside,
                             .changes = sqlite_changes,
                             .last_seq = sqlite_last_seq,
                             .idle = sqlite_idle,
                             .backup = sqlite_backup,
                             .check = sqlite_check,
                             .tokens = sqlite_tokens,
                             .scrub = sqlite_scrub,
                             .begin = "BEGIN IMMEDIATE",
                             .version = "PRAGMA data_version",
                             .search = &db_sqlite_search};
