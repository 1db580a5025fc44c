/* store_near.c - copies of vectors for searches (near.h). */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"
#include "store/db.h"
#include "store/near.h"

enum { FILE_LEAST = 1 << 20, PIECE = 1 << 20 }; /* bytes: of a copy in a file; of what is added to a file at once */

typedef struct {
    char mark[8];
    int64_t setting, state, n, count;
    int64_t room[3]; /* zeros: rows begin at 64 */
} head;

static const char mark[8] = "fettle1";

typedef struct near_copy {
    int64_t setting, state, count, last; /* state 0: nothing is there; last: seq of the last row */
    int64_t seen;                        /* the state when near_refresh looked last */
    int n;
    int fd;                /* -1: in memory */
    char *map, *row;       /* the mapped file; the rows, of the file or on the heap */
    size_t mapped, room;   /* bytes; rows of the heap */
    pthread_rwlock_t lock; /* read: the rows are looked at */
    struct near_copy *next;
} near_copy;

struct near_shelf {
    char *folder;
    pthread_mutex_t mutex; /* of the list; a copy that is in it stays */
    near_copy *first;
};

/* ---- the shelf -------------------------------------------------------------------------------------------------------------------- */

near_shelf *near_shelf_new(const char *folder) {
    near_shelf *s = memory_alloc(sizeof *s);
    arena *a = arena_new();
    const char *path = path_join(a, folder, "vectors");
    *s = (near_shelf){.folder = memory_alloc(strlen(path) + 1)};
    strcpy(s->folder, path);
    pthread_mutex_init(&s->mutex, NULL);
    arena_free(a);
    return s;
}

static near_copy *new_copy(int64_t setting) {
    near_copy *c = memory_alloc(sizeof *c);
    *c = (near_copy){.setting = setting, .fd = -1};
    pthread_rwlock_init(&c->lock, NULL);
    return c;
}

static void empty(near_copy *c) {
    if (c->map) munmap(c->map, c->mapped);
    else memory_release(c->row);
    if (c->fd >= 0) file_io.close(c->fd);
    c->state = c->count = c->last = 0;
    c->map = c->row = NULL;
    c->mapped = c->room = 0;
    c->fd = -1;
}

static void free_copy(near_copy *c) {
    empty(c);
    pthread_rwlock_destroy(&c->lock);
    memory_release(c);
}

void near_shelf_free(near_shelf *s) {
    if (!s) return;
    for (near_copy *c = s->first, *next; c; c = next) {
        next = c->next;
        free_copy(c);
    }
    pthread_mutex_destroy(&s->mutex);
    memory_release(s->folder);
    memory_release(s);
}

static near_copy *find_copy(near_shelf *s, int64_t setting, bool make) {
    pthread_mutex_lock(&s->mutex);
    near_copy *c = s->first;
    while (c && c->setting != setting) c = c->next;
    if (!c && make) {
        c = new_copy(setting);
        c->next = s->first;
        s->first = c;
    }
    pthread_mutex_unlock(&s->mutex);
    return c;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------- */

static size_t stride_of(int n) { return (sizeof(int64_t) + sizeof(float) * (size_t)n + 7) & ~(size_t)7; }
static int64_t epoch_of(int64_t state) { return state >> 32; }

void near_unit(float *to, const double *v, int n) {
    double norm = 0;
    for (int i = 0; i < n; i++) norm += v[i] * v[i];
    norm = norm > 0 ? 1 / sqrt(norm) : 0;
    for (int i = 0; i < n; i++) to[i] = (float)(v[i] * norm);
}

/* The next row of (record, value) into `to`, with room for n doubles; false at the end. Vectors of another length are passed by. */
static bool next_row(db_rows *r, char *to, double *one, int n, err *e) {
    while (db_next(r, e)) {
        const str v = db_view(r, 1);
        if (v.len != sizeof *one * (size_t)n) continue;
        const int64_t seq = db_int(r, 0);
        memcpy(one, v.ptr, v.len);
        memcpy(to, &seq, sizeof seq);
        near_unit((float *)(void *)(to + sizeof seq), one, n);
        return true;
    }
    return false;
}

static int64_t seq_at(const char *row) {
    int64_t seq;
    memcpy(&seq, row, sizeof seq);
    return seq;
}

static db_rows *rows_behind(store_tx *t, int64_t setting, int64_t last, err *e) {
    return db_query(t, e, "SELECT record, value FROM vectors WHERE setting = $1 AND record > $2 ORDER BY record", db_i(setting),
                    db_i(last));
}

/* ---- in memory -------------------------------------------------------------------------------------------------------------------- */

static void make_room(near_copy *c) {
    if ((size_t)c->count < c->room) return;
    c->room = c->room ? 2 * c->room : 64;
    c->row = memory_resize(c->row, c->room * stride_of(c->n));
}

static bool extend_memory(store_tx *t, near_copy *c, err *e) {
    const size_t stride = stride_of(c->n);
    double *one = memory_alloc(sizeof *one * (size_t)c->n);
    db_rows *r = rows_behind(t, c->setting, c->last, e);
    for (make_room(c); next_row(r, c->row + (size_t)c->count * stride, one, c->n, e); make_room(c))
        c->last = seq_at(c->row + (size_t)c->count++ * stride);
    memory_release(one);
    return e->code == ERR_NONE;
}

/* ---- in a file -------------------------------------------------------------------------------------------------------------------- */

static const char *path_of(const near_shelf *s, arena *a, int64_t setting) {
    return path_join(a, s->folder, arena_printf(a, "%lld", (long long)setting));
}

static bool put_at(int fd, int64_t at, const void *data, size_t size, err *e) {
    const char *from = data;
    if (lseek(fd, at, SEEK_SET) < 0) return err_errno(e, ERR_IO, "cannot write the copy of vectors");
    while (size) {
        const ssize_t n = file_io.write(fd, from, size);
        if (n <= 0) return err_errno(e, ERR_IO, "cannot write the copy of vectors");
        from += n;
        size -= (size_t)n;
    }
    return true;
}

static bool put_head(const near_copy *c, int64_t state, err *e) {
    head h = {.setting = c->setting, .state = state, .n = c->n, .count = c->count};
    memcpy(h.mark, mark, sizeof mark);
    if (file_io.sync(c->fd) != 0) return err_errno(e, ERR_IO, "cannot bring the copy of vectors to the disk");
    return put_at(c->fd, 0, &h, sizeof h, e);
}

static bool map_rows(near_copy *c, err *e) {
    if (c->map) munmap(c->map, c->mapped);
    c->mapped = sizeof(head) + (size_t)c->count * stride_of(c->n);
    c->map = mmap(NULL, c->mapped, PROT_READ, MAP_SHARED, c->fd, 0);
    if (c->map == MAP_FAILED) {
        c->map = NULL;
        return err_errno(e, ERR_IO, "cannot map the copy of vectors");
    }
    c->row = c->map + sizeof(head);
    return true;
}

/* Rows behind the last one, piece by piece. The head still says what was there before: a crash leaves that, or nothing of use. */
static bool add_rows(store_tx *t, near_copy *c, err *e) {
    const size_t stride = stride_of(c->n), most = PIECE / stride + 1;
    double *one = memory_alloc(sizeof *one * (size_t)c->n);
    char *piece = memory_alloc(most * stride);
    db_rows *r = rows_behind(t, c->setting, c->last, e);
    bool ok = true;
    for (size_t n = most; ok && n == most;) {
        for (n = 0; n < most && next_row(r, piece + n * stride, one, c->n, e);) n++;
        ok = !e->code && put_at(c->fd, (int64_t)(sizeof(head) + (size_t)c->count * stride), piece, n * stride, e);
        if (n) c->last = seq_at(piece + (n - 1) * stride);
        c->count += (int64_t)n;
        if (ok && n == most && sys_stop_requested())
            ok = err_set(e, ERR_STOPPED, "the program ends: the copy of vectors stays unfinished");
    }
    db_done(r);
    memory_release(piece);
    memory_release(one);
    return ok;
}

static bool extend_file(store_tx *t, near_copy *c, int64_t state, err *e) {
    return add_rows(t, c, e) && put_head(c, state, e) && map_rows(c, e);
}

/* The file of an earlier process, when it is of exactly this state. */
static bool adopt(const near_shelf *s, near_copy *c, int64_t state) {
    arena *a = arena_new();
    err none = {0};
    head h;
    c->fd = file_io.open(path_of(s, a, c->setting), O_RDWR | O_CLOEXEC, 0);
    bool ok = c->fd >= 0 && read(c->fd, &h, sizeof h) == (ssize_t)sizeof h && memcmp(h.mark, mark, sizeof mark) == 0 &&
              h.setting == c->setting && h.state == state && h.n == c->n && h.count > 0 &&
              file_size(path_of(s, a, c->setting)) >= (int64_t)(sizeof h + (size_t)h.count * stride_of(c->n));
    arena_free(a);
    c->count = ok ? h.count : 0;
    ok = ok && map_rows(c, &none);
    if (ok) c->last = seq_at(c->row + (size_t)(c->count - 1) * stride_of(c->n));
    else empty(c);
    return ok;
}

static bool make_file(const near_shelf *s, store_tx *t, near_copy *c, int64_t state, err *e) {
    const head nothing = {0};
    arena *a = arena_new();
    const char *path = path_of(s, a, c->setting), *unfinished = arena_printf(a, "%s.tmp", path);
    bool ok = dir_make(s->folder, e);
    if (ok && (c->fd = file_io.open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
        ok = err_errno(e, ERR_IO, "cannot create %s", unfinished);
    ok = ok && put_at(c->fd, 0, &nothing, sizeof nothing, e) && extend_file(t, c, state, e) &&
         (file_io.rename(unfinished, path) == 0 || err_errno(e, ERR_IO, "cannot rename %s to %s", unfinished, path));
    if (!ok && c->fd >= 0) file_io.unlink(unfinished);
    arena_free(a);
    return ok;
}

/* ---- what a transaction sees ------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t state, last; /* of the setting as this transaction has it; state 0: no vector was ever put; last 0: there is none */
} sight;

static sight look(store_tx *t, int64_t setting, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT (SELECT state FROM vector_states WHERE setting = $1),"
                          " (SELECT max(record) FROM vectors WHERE setting = $1)",
                          db_i(setting));
    if (!db_next(r, e)) return (sight){0};
    const sight s = {db_int(r, 0), db_int(r, 1)}; /* null reads as 0 */
    db_done(r);
    return s;
}

static bool is_large(store_tx *t, int64_t setting, int n, err *e) {
    return db_int_of(t, e, 0, "SELECT record FROM vectors WHERE setting = $1 ORDER BY record LIMIT 1 OFFSET $2", db_i(setting),
                     db_i((int64_t)(FILE_LEAST / stride_of(n)))) != 0;
}

static bool shows(const near_copy *c, sight s) {
    return c->state && epoch_of(c->state) == epoch_of(s.state) && c->last >= s.last;
}

/* The caller alone has the copy. */
static bool bring_up(const near_shelf *shelf, store_tx *t, near_copy *c, sight s, err *e) {
    if (c->state && epoch_of(c->state) != epoch_of(s.state)) empty(c);
    const bool large = is_large(t, c->setting, c->n, e), fresh = !c->state;
    if (e->code) return false;
    if (!fresh && large && c->fd < 0) empty(c); /* it grew out of memory */
    bool ok;
    if (!c->state && large && adopt(shelf, c, s.state)) ok = true;
    else if (!large) ok = extend_memory(t, c, e);
    else if (c->fd >= 0) ok = extend_file(t, c, s.state, e);
    else ok = make_file(shelf, t, c, s.state, e);
    if (ok) c->state = s.state;
    else empty(c);
    return ok;
}

/* Rows are in the order of seq: those of an earlier transaction are the first ones. */
static int64_t count_to(const near_copy *c, int64_t last) {
    const size_t stride = stride_of(c->n);
    int64_t from = 0, to = c->count;
    if (c->last == last) return c->count;
    while (from < to) {
        const int64_t middle = (from + to) / 2;
        if (seq_at(c->row + (size_t)middle * stride) <= last) from = middle + 1;
        else to = middle;
    }
    return from;
}

static bool take_own(store_tx *t, int64_t setting, int n, near_rows *out, err *e) {
    near_copy *c = new_copy(setting);
    c->n = n;
    const bool ok = extend_memory(t, c, e);
    *out = (near_rows){c->row, c->count, stride_of(n), c, true};
    if (!ok) near_give(out);
    return ok;
}

bool near_take(store_tx *t, int64_t setting, int n, near_rows *out, err *e) {
    *out = (near_rows){.stride = stride_of(n)};
    const sight s = look(t, setting, e);
    if (e->code || !s.state || !s.last) return e->code == ERR_NONE;
    if (db_writes(t)) return take_own(t, setting, n, out, e);
    near_shelf *shelf = db_near(t);
    near_copy *c = find_copy(shelf, setting, true);
    pthread_rwlock_rdlock(&c->lock);
    while (!shows(c, s)) {
        pthread_rwlock_unlock(&c->lock);
        pthread_rwlock_wrlock(&c->lock);
        c->n = n;
        const bool ok = shows(c, s) || bring_up(shelf, t, c, s, e);
        pthread_rwlock_unlock(&c->lock);
        if (!ok) return false;
        pthread_rwlock_rdlock(&c->lock); /* somebody of another epoch may have been here in between */
    }
    *out = (near_rows){c->row, count_to(c, s.last), stride_of(n), c, false};
    return true;
}

void near_give(near_rows *r) {
    near_copy *c = r->held;
    r->held = NULL;
    if (!c) return;
    if (r->own) free_copy(c);
    else pthread_rwlock_unlock(&c->lock);
}

/* ---- behind the searches ----------------------------------------------------------------------------------------------------------- */

/* One that changes just now is left alone until it rests from one look to the next. */
static bool refresh_one(store_tx *t, int64_t setting, err *e) {
    const int64_t state = db_int_of(t, e, 0, "SELECT state FROM vector_states WHERE setting = $1", db_i(setting));
    const int64_t bytes = db_int_of(t, e, 0, "SELECT length(value) FROM vectors WHERE setting = $1 LIMIT 1", db_i(setting));
    const int n = (int)(bytes / (int64_t)sizeof(double));
    near_copy *c = find_copy(db_near(t), setting, true);
    const bool rests = c->seen == state;
    near_rows rows = {0};
    c->seen = state;
    if (e->code || !rests || !n || !is_large(t, setting, n, e)) return e->code == ERR_NONE;
    const bool ok = near_take(t, setting, n, &rows, e);
    near_give(&rows);
    return ok;
}

bool near_refresh(store_tx *t, err *e) {
    arena *a = arena_new();
    struct {
        int64_t *item;
        int count;
    } list = {0};
    db_rows *r = db_query_values(t, "SELECT setting FROM vector_states", NULL, 0, e);
    while (db_next(r, e)) STORE_APPEND(a, &list, db_int(r, 0));
    bool ok = !e->code && near_sweep(t, e);
    for (int i = 0; i < list.count && ok; i++) ok = refresh_one(t, list.item[i], e);
    arena_free(a);
    return ok;
}

static bool is_old(const near_shelf *s, arena *a, int64_t setting, int64_t state) {
    head h = {0};
    const int fd = file_io.open(path_of(s, a, setting), O_RDONLY | O_CLOEXEC, 0);
    const bool read_it = fd >= 0 && read(fd, &h, sizeof h) == (ssize_t)sizeof h;
    if (fd >= 0) file_io.close(fd);
    return !read_it || epoch_of(h.state) != epoch_of(state);
}

/* Those who look at the rows keep the file until they are done; its name goes at once. */
static bool sweep_one(near_shelf *s, store_tx *t, arena *a, const char *name, err *e) {
    char *end;
    const int64_t setting = strtoll(name, &end, 10);
    const int64_t state = db_int_of(t, e, 0, "SELECT state FROM vector_states WHERE setting = $1", db_i(setting));
    if (e->code) return false;
    near_copy *c = find_copy(s, setting, true); /* its lock holds off those who would make it just now */
    pthread_rwlock_wrlock(&c->lock);
    if (c->state && epoch_of(c->state) != epoch_of(state)) empty(c);
    if (*end || is_old(s, a, setting, state)) {
        empty(c);
        file_io.unlink(path_join(a, s->folder, name));
    }
    pthread_rwlock_unlock(&c->lock);
    return true;
}

bool near_sweep(store_tx *t, err *e) {
    near_shelf *s = db_near(t);
    arena *a = arena_new();
    char **names;
    int count = 0;
    bool ok = !file_is_dir(s->folder) || dir_list(a, s->folder, &names, &count, e);
    for (int i = 0; i < count && ok; i++) ok = sweep_one(s, t, a, names[i], e);
    arena_free(a);
    return ok;
}
