/* db.c - the pool of readers, the one writer with its queue, and statements that stay prepared (db.h has the drawing). */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "store/db.h"
#include "store/memo.h"
#include "store/near.h"
#include "store/words.h"

enum { READERS_MOST = 16, STATEMENTS = 512, NEAR = 256, JOBS_MOST = 256, VIEWS = 4 };

struct db_rows {
    store_tx *owner;
    db_stmt *stmt;
    char *own_sql; /* a copy: the text may be made at run time */
    uint64_t hash;
    bool busy;
    const memo_rows *memo; /* rows in memory, without a statement */
    int row;
};

/* A connection with what it has prepared; a transaction is its use for a while. */
struct store_tx {
    store *s;
    db_conn *conn;
    db_rows *slot[STATEMENTS];  /* open addressing by the hash of the SQL text */
    db_rows *near[NEAR];        /* what was last found for a text at an address: most texts are literals */
    int prepared, reading;      /* statements; those with rows not read to the end */
    bool writes, last_of_batch; /* last: the job that runs is the last of its commit */
    memo *memo;                 /* of a reader */
    db_rows view[VIEWS];        /* readings of it */
    store_tx *next;             /* in the pool */
};

typedef struct job {
    store_job run; /* NULL: scrub */
    const needles *gone;
    bool *left;
    void *context;
    err *e;
    bool ok;
    sem_t done; /* each is woken alone: a crowd that wakes for every commit hinders the next one */
    struct job *next;
} job;

struct store {
    const db_driver *driver;
    char *folder, *path;
    int lock;
    store_tx *writer;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work, reader_free;
    job *first, *last;
    bool ending;
    _Atomic bool broken;
    store_tx *idle;
    int readers;
    words_shelf *words;
    near_shelf *near;
    _Atomic int64_t commits, writes;
};

/* ---- statements ------------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *sql) {
    uint64_t h = 1469598103934665603u;
    for (; *sql; sql++) h = (h ^ (unsigned char)*sql) * 1099511628211u;
    return h ? h : 1;
}

static void forget_statements(store_tx *t) {
    for (int i = 0; i < STATEMENTS; i++) {
        db_rows *r = t->slot[i];
        if (!r || r->busy) continue;
        t->s->driver->finalize(r->stmt);
        memory_release(r->own_sql);
        memory_release(r);
        t->slot[i] = NULL;
        t->prepared--;
    }
    memset(t->near, 0, sizeof t->near);
}

/* A statement that is not being read; a busy one of the same text is passed by. */
static db_rows *statement(store_tx *t, const char *sql, err *e) {
    db_rows **near = &t->near[((uintptr_t)sql >> 3) % NEAR];
    if (*near && !(*near)->busy && strcmp((*near)->own_sql, sql) == 0) return *near;
    const uint64_t hash = hash_of(sql);
    if (t->prepared > STATEMENTS / 2) forget_statements(t);
    size_t at = hash % STATEMENTS;
    for (db_rows *r; (r = t->slot[at]) != NULL; at = (at + 1) % STATEMENTS)
        if (r->hash == hash && !r->busy && strcmp(r->own_sql, sql) == 0) return *near = r;
    db_stmt *stmt = t->s->driver->prepare(t->conn, sql, e);
    if (!stmt) return NULL;
    db_rows *r = memory_alloc(sizeof *r);
    const size_t size = strlen(sql) + 1;
    *r = (db_rows){.owner = t, .stmt = stmt, .hash = hash, .own_sql = memory_alloc(size)};
    memcpy(r->own_sql, sql, size);
    t->slot[at] = r;
    t->prepared++;
    return *near = r;
}

db_rows *db_query_values(store_tx *t, const char *sql, const db_value *v, int count, err *e) {
    db_rows *r = statement(t, sql, e);
    if (!r) return NULL;
    for (int i = 0; i < count; i++) t->s->driver->bind(r->stmt, i + 1, v[i]);
    r->busy = true;
    t->reading++;
    return r;
}

void db_done(db_rows *r) {
    if (!r || !r->busy) return;
    r->busy = false;
    if (r->memo) return;
    r->owner->s->driver->reset(r->stmt);
    r->owner->reading--;
}

/* Rows that a job left unread would keep the connection at this moment for whoever gets it next. */
static void end_reading(store_tx *t) {
    for (int i = 0; i < VIEWS; i++) db_done(&t->view[i]);
    for (int i = 0; i < STATEMENTS && t->reading; i++) db_done(t->slot[i]);
}

bool db_next(db_rows *r, err *e) {
    if (!r) return false;
    if (r->memo && r->row + 1 < r->memo->rows) return r->row++, true;
    if (r->memo) return db_done(r), false;
    if (r->owner->s->driver->step(r->stmt, e) == 1) return true;
    db_done(r);
    return false;
}

static db_value cell_of(db_rows *r, arena *a, int column) {
    const db_driver *d = r->owner->s->driver;
    db_value v = {.kind = d->kind(r->stmt, column)};
    if (v.kind == DB_INT) v.integer = d->integer(r->stmt, column);
    if (v.kind == DB_REAL) v.real = d->real(r->stmt, column);
    if (v.kind == DB_TEXT || v.kind == DB_BLOB) v.text = db_text(r, a, column);
    return v;
}

static const memo_rows *keep_all(store_tx *t, const char *sql, const db_value *v, int count, err *e) {
    db_rows *r = db_query_values(t, sql, v, count, e);
    arena *a = memo_memory(t->memo);
    struct {
        db_value *item;
        int count;
    } cells = {0};
    const int columns = r ? t->s->driver->columns(r->stmt) : 0;
    int rows = 0;
    for (; db_next(r, e); rows++)
        for (int i = 0; i < columns; i++) STORE_APPEND(a, &cells, cell_of(r, a, i));
    return e->code ? NULL : memo_add(t->memo, sql, v, count, (memo_rows){cells.item, rows, columns});
}

db_rows *db_query_memo_values(store_tx *t, const char *sql, const db_value *v, int count, err *e) {
    int i = 0;
    while (i < VIEWS && t->view[i].busy) i++;
    const memo_rows *rows = t->memo && i < VIEWS ? memo_find(t->memo, sql, v, count) : NULL;
    if (!rows) {
        if (!t->memo || i == VIEWS || !memo_has_room(t->memo)) return db_query_values(t, sql, v, count, e);
        if (!(rows = keep_all(t, sql, v, count, e))) return NULL;
    }
    t->view[i] = (db_rows){.owner = t, .busy = true, .memo = rows, .row = -1};
    return &t->view[i];
}

bool db_run_values(store_tx *t, const char *sql, const db_value *v, int count, err *e) {
    db_rows *r = db_query_values(t, sql, v, count, e);
    if (!r) return false;
    const bool ok = t->s->driver->step(r->stmt, e) >= 0;
    db_done(r);
    return ok;
}

int64_t db_int_of_values(store_tx *t, int64_t fallback, const char *sql, const db_value *v, int count, err *e) {
    db_rows *r = db_query_values(t, sql, v, count, e);
    if (!db_next(r, e)) return fallback;
    const int64_t value = db_is_null(r, 0) ? fallback : db_int(r, 0);
    db_done(r);
    return value;
}

bool db_tokens(store_tx *t, str text, void (*each)(void *context, str word), void *context, err *e) {
    return t->s->driver->tokens(t->conn, text, each, context, e);
}
const db_search *db_search_of(const store_tx *t) { return t->s->driver->search; }
struct words_shelf *db_words(store_tx *t) {
    return t->s->words;
}
struct near_shelf *db_near(store_tx *t) {
    return t->s->near;
}
bool db_writes(const store_tx *t) { return t->writes; }

bool db_exec(store_tx *t, const char *sql, err *e) { return t->s->driver->exec(t->conn, sql, e); }
int64_t db_changes(store_tx *t) { return t->s->driver->changes(t->conn); }
int64_t db_last_seq(store_tx *t) { return t->s->driver->last_seq(t->conn); }

static const db_value *memo_cell(const db_rows *r, int column) {
    return r->memo ? &r->memo->cell[r->row * r->memo->columns + column] : NULL;
}

bool db_is_null(db_rows *r, int column) {
    const db_value *v = memo_cell(r, column);
    return (v ? v->kind : r->owner->s->driver->kind(r->stmt, column)) == DB_NULL;
}

int64_t db_int(db_rows *r, int column) {
    const db_value *v = memo_cell(r, column);
    return v ? v->integer : r->owner->s->driver->integer(r->stmt, column);
}

double db_real(db_rows *r, int column) {
    const db_value *v = memo_cell(r, column);
    return v ? v->real : r->owner->s->driver->real(r->stmt, column);
}

str db_view(db_rows *r, int column) {
    const db_value *v = memo_cell(r, column);
    return v ? v->text : r->owner->s->driver->text(r->stmt, column);
}

str db_text(db_rows *r, arena *a, int column) {
    const str v = db_view(r, column);
    return v.ptr ? (str){arena_copy(a, v.ptr, v.len), v.len} : v;
}

char *db_cstr(db_rows *r, arena *a, int column) {
    const str v = db_view(r, column);
    return v.ptr ? arena_copy(a, v.ptr, v.len) : NULL;
}

void *store_grow(arena *a, void *old, size_t used, size_t room) {
    void *grown = arena_alloc(a, room);
    if (used) memcpy(grown, old, used);
    return grown;
}

/* ---- connections ------------------------------------------------------------------------------------------------------------------ */

static store_tx *open_connection(store *s, bool writes, err *e) {
    db_conn *conn = s->driver->connect(s->path, writes, e);
    if (!conn) return NULL;
    store_tx *t = memory_alloc(sizeof *t);
    t->s = s;
    t->conn = conn;
    t->writes = writes;
    if (!writes && s->driver->version) t->memo = memo_new();
    return t;
}

static void close_connection(store_tx *t) {
    if (!t) return;
    end_reading(t);
    forget_statements(t);
    memo_free(t->memo);
    t->s->driver->disconnect(t->conn);
    memory_release(t);
}

static store_tx *take_reader(store *s, err *e) {
    pthread_mutex_lock(&s->mutex);
    while (!s->idle && s->readers >= READERS_MOST) pthread_cond_wait(&s->reader_free, &s->mutex);
    store_tx *t = s->idle;
    if (t) s->idle = t->next;
    else s->readers++;
    pthread_mutex_unlock(&s->mutex);
    if (t || (t = open_connection(s, false, e)) != NULL) return t;
    pthread_mutex_lock(&s->mutex);
    s->readers--;
    pthread_cond_signal(&s->reader_free);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static void give_reader(store *s, store_tx *t) {
    pthread_mutex_lock(&s->mutex);
    t->next = s->idle;
    s->idle = t;
    pthread_cond_signal(&s->reader_free);
    pthread_mutex_unlock(&s->mutex);
}

/* A snapshot, and whether it is the one that was read last. */
static bool begin_reading(store_tx *t, err *e) {
    if (!db_run_values(t, "BEGIN", NULL, 0, e)) return false;
    if (t->memo) memo_begin(t->memo, db_int_of_values(t, 0, t->s->driver->version, NULL, 0, e));
    return !e->code;
}

bool store_read(store *s, store_job run, void *context, err *e) {
    store_tx *t = take_reader(s, e);
    if (!t) return false;
    err end = {0};
    bool ok = begin_reading(t, e) && run(t, context, e);
    end_reading(t);
    db_run_values(t, "COMMIT", NULL, 0, &end);
    give_reader(s, t);
    return ok;
}

/* ---- the writer ------------------------------------------------------------------------------------------------------------------- */

static bool run_job(store_tx *t, job *j) {
    err undo = {0};
    if (!db_run_values(t, "SAVEPOINT job", NULL, 0, j->e)) return false;
    const bool ok = j->run(t, j->context, j->e);
    end_reading(t);
    if (ok) return db_run_values(t, "RELEASE job", NULL, 0, j->e);
    db_run_values(t, "ROLLBACK TO job", NULL, 0, &undo);
    db_run_values(t, "RELEASE job", NULL, 0, &undo);
    return false;
}

static void fail_all(job *batch, const err *why) {
    for (job *j = batch; j; j = j->next)
        if (j->ok || !j->e->code) {
            j->ok = false;
            err_set(j->e, why->code, "%s", why->text);
        }
}

static bool may_write(const store *s, err *e) {
    return !s->broken ||
           err_set(e, ERR_IO, "the store stopped: an earlier write did not reach the disk. Start the program again");
}

static bool begin_batch(store *s, err *e) { return may_write(s, e) && db_run_values(s->writer, s->driver->begin, NULL, 0, e); }

/* What did not reach the disk may be gone, though a second try succeeds. */
static void note_failure(store *s, const err *e) {
    if (e->code != ERR_FULL && e->code != ERR_CONFLICT && e->code != ERR_BUSY) s->broken = true;
    log_error("%s", e->text);
}

static bool run_scrub(store *s, const needles *gone, bool *left, err *e) {
    *left = false;
    if (!may_write(s, e)) return false;
    if (!s->driver->scrub(s->writer->conn, e)) {
        note_failure(s, e);
        return false;
    }
    if (!near_sweep(s->writer, e)) return false;
    return !gone || needles_in_file(gone, s->path, left, e);
}

/* Some failures (no room, no memory, a disk that does not answer) end the whole transaction, not the job's part alone: then nothing
 * of this batch is there, and the jobs that did not run yet must not run outside. */
static bool run_jobs(store *s, job *batch, err *e) {
    for (job *j = batch; j; j = j->next) {
        s->writer->last_of_batch = !j->next;
        j->ok = run_job(s->writer, j);
        if (s->driver->inside(s->writer->conn)) continue;
        const err_code code = j->e->code ? j->e->code : ERR_IO;
        return err_set(e, code, "%s", j->e->code ? j->e->text : "the database gave the transaction up");
    }
    return db_run_values(s->writer, "COMMIT", NULL, 0, e);
}

static void run_batch(store *s, job *batch) {
    err e = {0}, undo = {0};
    if (!batch->run) {
        batch->ok = run_scrub(s, batch->gone, batch->left, batch->e);
        return;
    }
    if (!begin_batch(s, &e)) {
        fail_all(batch, &e);
        return;
    }
    if (run_jobs(s, batch, &e)) {
        s->commits++;
        return;
    }
    if (s->driver->inside(s->writer->conn)) db_run_values(s->writer, "ROLLBACK", NULL, 0, &undo);
    note_failure(s, &e);
    fail_all(batch, &e);
}

static void tidy(store *s) {
    err e = {0};
    if (!s->broken && !s->driver->idle(s->writer->conn, &e)) note_failure(s, &e);
}

/* A scrub is a batch of its own. */
static job *take_batch(store *s) {
    job *batch = s->first, *j = batch;
    for (int n = 1; j && j->run && j->next && j->next->run && n < JOBS_MOST; n++) j = j->next;
    s->first = j ? j->next : NULL;
    if (!s->first) s->last = NULL;
    if (j) j->next = NULL;
    return batch;
}

static void *writer_main(void *context) {
    store *s = context;
    pthread_mutex_lock(&s->mutex);
    while (true) {
        while (!s->first && !s->ending) pthread_cond_wait(&s->work, &s->mutex);
        if (!s->first) break;
        job *batch = take_batch(s);
        pthread_mutex_unlock(&s->mutex);
        run_batch(s, batch);
        for (job *j = batch, *next; j; j = next) {
            next = j->next;
            s->writes += j->ok && j->run;
            sem_post(&j->done); /* from here on j may be gone */
        }
        tidy(s);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static bool queue_and_wait(store *s, job *j) {
    sem_init(&j->done, 0, 0);
    pthread_mutex_lock(&s->mutex);
    if (s->last) s->last->next = j;
    else s->first = j;
    s->last = j;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
    while (sem_wait(&j->done) != 0) continue; /* a signal */
    sem_destroy(&j->done);
    return j->ok;
}

bool store_write(store *s, store_job run, void *context, err *e) {
    err unread = {0};
    return queue_and_wait(s, &(job){.run = run, .context = context, .e = e ? e : &unread});
}

bool store_scrub(store *s, const needles *gone, bool *left, err *e) {
    return queue_and_wait(s, &(job){.gone = gone, .left = left, .e = e});
}

bool store_healthy(const store *s) { return !s->broken; }
store_counters store_count(const store *s) { return (store_counters){s->commits, s->writes}; }

bool store_awaited(const store_tx *t) {
    if (!t->last_of_batch) return true;
    pthread_mutex_lock(&t->s->mutex);
    const bool some = t->s->first != NULL;
    pthread_mutex_unlock(&t->s->mutex);
    return some;
}

const char *store_folder(const store *s) { return s->folder; }

/* ---- opening ---------------------------------------------------------------------------------------------------------------------- */

int store_lock(const char *folder, err *e) {
    arena *a = arena_new();
    const char *path = path_join(a, folder, "fettle.lock");
    char text[32] = "";
    bool ok = true;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) ok = err_errno(e, ERR_IO, "cannot open %s", path);
    if (ok && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = '\0';
        ok = err_set(e, ERR_CONFLICT, "%s belongs to another fettle (process %s)", folder, text[0] ? text : "?");
    }
    if (ok) {
        const int n = snprintf(text, sizeof text, "%ld", (long)getpid());
        ok = (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n) || err_errno(e, ERR_IO, "cannot write %s", path);
    }
    if (!ok && fd >= 0) close(fd);
    arena_free(a);
    return ok ? fd : -1;
}

static bool migrate(store_tx *t, void *context, err *e) {
    (void)context;
    int version;
    return schema_version(t, &version, e) && schema_migrate(t, version, e);
}

static bool read_version(store_tx *t, void *context, err *e) { return schema_version(t, context, e); }

/* An older store is copied before it is changed. */
static bool prepare_schema(store *s, arena *a, err *e) {
    int version = 0;
    if (!store_write(s, read_version, &version, e)) return false;
    if (version > schema_newest())
        return err_set(e, ERR_UNSUPPORTED, "%s was written by a newer fettle (schema %d, this one knows %d): use that one",
                       s->path, version, schema_newest());
    if (version == schema_newest()) return true;
    if (version > 0) {
        char date[32];
        sys_date(date);
        const char *folder = path_join(a, s->folder, "backups");
        if (!dir_make(folder, e) ||
            !db_backup(s->driver, s->writer->conn, path_join(a, folder, arena_printf(a, "schema-%d-%s.db", version, date)), e))
            return err_prefix(e, "the copy before the migration to schema %d", schema_newest());
    }
    return store_write(s, migrate, NULL, e);
}

static bool begin(store *s, arena *a, err *e) {
    if (!dir_make(s->folder, e) || (s->lock = store_lock(s->folder, e)) < 0) return false;
    if (!(s->writer = open_connection(s, true, e))) return false;
    if (pthread_create(&s->thread, NULL, writer_main, s) != 0) {
        close_connection(s->writer);
        s->writer = NULL;
        return err_set(e, ERR_LIMIT, "no thread for the store");
    }
    return prepare_schema(s, a, e);
}

store *store_open(const char *folder, err *e) {
    arena *a = arena_new();
    store *s = memory_alloc(sizeof *s);
    s->driver = &DB_USUAL;
    s->lock = -1;
    const char *path = path_join(a, folder, "fettle.db");
    s->folder = memory_alloc(strlen(folder) + 1);
    s->path = memory_alloc(strlen(path) + 1);
    strcpy(s->folder, folder);
    strcpy(s->path, path);
    s->words = words_shelf_new();
    s->near = near_shelf_new(folder);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->reader_free, NULL);
    const bool ok = begin(s, a, e);
    arena_free(a);
    if (ok) return s;
    store_close(s);
    return NULL;
}

void store_close(store *s) {
    if (!s) return;
    if (s->writer) {
        pthread_mutex_lock(&s->mutex);
        s->ending = true;
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
    }
    for (store_tx *t; (t = s->idle) != NULL;) {
        s->idle = t->next;
        close_connection(t);
    }
    close_connection(s->writer);
    if (s->lock >= 0) close(s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->reader_free);
    pthread_mutex_destroy(&s->mutex);
    words_shelf_free(s->words);
    near_shelf_free(s->near);
    memory_release(s->folder);
    memory_release(s->path);
    memory_release(s);
}

bool store_backup(store *s, const char *to, err *e) {
    store_tx *t = take_reader(s, e);
    if (!t) return false;
    const bool ok = db_backup(s->driver, t->conn, to, e);
    give_reader(s, t);
    return ok;
}

bool store_check(store *s, err *e) {
    store_tx *t = take_reader(s, e);
    if (!t) return false;
    const bool ok = s->driver->check(t->conn, e);
    give_reader(s, t);
    return ok;
}
