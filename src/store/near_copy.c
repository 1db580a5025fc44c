/* near_copy.c - see near_copy.h.
 *
 * A file follows in place, and its head is written behind its rows. Whatever a crash leaves of the rows, the head still tells a state
 * that was, and all that changed since stands in vector_changes: it is followed again. A row without a vector has a negative record and
 * zeros. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"
#include "store/db.h"
#include "store/near_copy.h"

enum {
    PIECE = 1 << 20,    /* bytes that are added to a file at once */
    FIRST = 512,        /* of a head: what a disk writes whole */
    CHANGES_MOST = 4096 /* more are not followed: making the file anew reads in order */
};

_Static_assert(sizeof(near_head) == 4096, "rows begin on a page");

static int64_t record_at(const char *row) {
    int64_t seq;
    memcpy(&seq, row, sizeof seq);
    return seq;
}

static char *row_at(const near_copy *c, int64_t i) { return c->row + (size_t)i * copy_stride(c->h.n); }

/* ---- a copy ----------------------------------------------------------------------------------------------------------------------- */

near_copy *copy_new(int64_t setting) {
    near_copy *c = memory_alloc(sizeof *c);
    *c = (near_copy){.h.setting = setting, .fd = -1};
    pthread_rwlock_init(&c->lock, NULL);
    return c;
}

void copy_empty(near_copy *c) {
    if (c->map) munmap(c->map, c->mapped);
    else memory_release(c->row);
    if (c->fd >= 0) file_io.close(c->fd);
    c->h = (near_head){.setting = c->h.setting, .n = c->h.n};
    c->map = c->row = NULL;
    c->mapped = c->room = 0;
    c->recents = c->known = c->saved = 0;
    c->fd = -1;
}

void copy_free(near_copy *c) {
    copy_empty(c);
    pthread_rwlock_destroy(&c->lock);
    memory_release(c);
}

size_t copy_stride(int64_t n) { return (sizeof(int64_t) + sizeof(float) * (size_t)n + 7) & ~(size_t)7; }

int64_t copy_count(const near_copy *c, int64_t seq) {
    int64_t from = 0, to = c->h.count;
    if (c->h.last <= seq) return c->h.count;
    while (from < to) {
        const int64_t middle = (from + to) / 2;
        if (llabs(record_at(row_at(c, middle))) <= seq) from = middle + 1;
        else to = middle;
    }
    return from;
}

int64_t copy_find(const near_copy *c, int64_t seq) {
    const int64_t at = copy_count(c, seq) - 1;
    return at >= 0 && llabs(record_at(row_at(c, at))) == seq ? at : -1;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------- */

void near_unit(float *to, const double *v, int n) {
    double norm = 0;
    for (int i = 0; i < n; i++) norm += v[i] * v[i];
    norm = norm > 0 ? 1 / sqrt(norm) : 0;
    for (int i = 0; i < n; i++) to[i] = (float)(v[i] * norm);
}

/* The next row of (record, value) into `to`, with room for n doubles; false at the end. Vectors of another length are passed by. */
static bool next_row(db_rows *r, char *to, double *one, int64_t n, err *e) {
    while (db_next(r, e)) {
        const str v = db_view(r, 1);
        if (v.len != sizeof *one * (size_t)n) continue;
        const int64_t seq = db_int(r, 0);
        memcpy(one, v.ptr, v.len);
        memcpy(to, &seq, sizeof seq);
        near_unit((float *)(void *)(to + sizeof seq), one, (int)n);
        return true;
    }
    return false;
}

static db_rows *rows_behind(store_tx *t, const near_copy *c, err *e) {
    return db_query(t, e, "SELECT record, value FROM vectors WHERE setting = $1 AND record > $2 ORDER BY record",
                    db_i(c->h.setting), db_i(c->h.last));
}

static void make_room(near_copy *c) {
    if ((size_t)c->h.count < c->room) return;
    c->room = c->room ? 2 * c->room : 64;
    c->row = memory_resize(c->row, c->room * copy_stride(c->h.n));
}

bool copy_extend_memory(store_tx *t, near_copy *c, err *e) {
    double *one = memory_alloc(sizeof *one * (size_t)c->h.n);
    db_rows *r = rows_behind(t, c, e);
    for (make_room(c); next_row(r, row_at(c, c->h.count), one, c->h.n, e); make_room(c))
        c->h.last = record_at(row_at(c, c->h.count++));
    memory_release(one);
    return e->code == ERR_NONE;
}

/* ---- a file ----------------------------------------------------------------------------------------------------------------------- */

static const char *path_of(const char *folder, arena *a, int64_t setting) {
    return path_join(a, folder, arena_printf(a, "%lld", (long long)setting));
}

static bool put_at(int fd, size_t at, const void *data, size_t size, err *e) {
    const char *from = data;
    if (lseek(fd, (off_t)at, SEEK_SET) < 0) return err_errno(e, ERR_IO, "cannot write the copy of vectors");
    while (size) {
        const ssize_t n = file_io.write(fd, from, size);
        if (n <= 0) return err_errno(e, ERR_IO, "cannot write the copy of vectors");
        from += n;
        size -= (size_t)n;
    }
    return true;
}

static size_t place_of(const near_copy *c, int64_t row) { return sizeof(near_head) + (size_t)row * copy_stride(c->h.n); }

bool copy_save(near_copy *c, err *e) {
    const char *bytes = (const char *)&c->h;
    if (c->fd < 0 || c->saved == c->h.state) return true;
    memcpy(c->h.mark, NEAR_MARK, sizeof c->h.mark);
    if (!put_at(c->fd, FIRST, bytes + FIRST, sizeof c->h - FIRST, e)) return false;
    if (file_io.sync(c->fd) != 0) return err_errno(e, ERR_IO, "cannot bring the copy of vectors to the disk");
    if (!put_at(c->fd, 0, bytes, FIRST, e)) return false;
    c->saved = c->h.state;
    return true;
}

static bool map_rows(near_copy *c, err *e) {
    if (c->map) munmap(c->map, c->mapped);
    c->mapped = place_of(c, c->h.count);
    c->map = mmap(NULL, c->mapped, PROT_READ, MAP_SHARED, c->fd, 0);
    if (c->map == MAP_FAILED) {
        c->map = c->row = NULL;
        return err_errno(e, ERR_IO, "cannot map the copy of vectors");
    }
    c->row = c->map + sizeof(near_head);
    return true;
}

bool copy_extend_file(store_tx *t, near_copy *c, err *e) {
    const size_t stride = copy_stride(c->h.n), most = PIECE / stride + 1;
    const int64_t before = c->h.count;
    double *one = memory_alloc(sizeof *one * (size_t)c->h.n);
    char *piece = memory_alloc(most * stride);
    db_rows *r = rows_behind(t, c, e);
    bool ok = true;
    for (size_t n = most; ok && n == most;) {
        for (n = 0; n < most && next_row(r, piece + n * stride, one, c->h.n, e);) n++;
        ok = !e->code && put_at(c->fd, place_of(c, c->h.count), piece, n * stride, e);
        if (n) c->h.last = record_at(piece + (n - 1) * stride);
        c->h.count += (int64_t)n;
        if (ok && n == most && sys_stop_requested())
            ok = err_set(e, ERR_STOPPED, "the program ends: the copy of vectors stays unfinished");
    }
    db_done(r);
    memory_release(piece);
    memory_release(one);
    return ok && ((c->map && c->h.count == before) || map_rows(c, e));
}

bool copy_make_file(const char *folder, store_tx *t, near_copy *c, const near_sight *s, err *e) {
    const near_head nothing = {0};
    arena *a = arena_new();
    const char *path = path_of(folder, a, c->h.setting), *unfinished = arena_printf(a, "%s.tmp", path);
    bool ok = dir_make(folder, e);
    if (ok && (c->fd = file_io.open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
        ok = err_errno(e, ERR_IO, "cannot create %s", unfinished);
    ok = ok && put_at(c->fd, 0, &nothing, sizeof nothing, e) && copy_extend_file(t, c, e);
    c->h.state = s->state, c->h.epoch = c->known = s->epoch, c->h.last = s->last;
    ok = ok && copy_save(c, e) &&
         (file_io.rename(unfinished, path) == 0 || err_errno(e, ERR_IO, "cannot rename %s to %s", unfinished, path));
    if (!ok && c->fd >= 0) file_io.unlink(unfinished);
    arena_free(a);
    return ok;
}

/* ---- a file of an earlier process ---------------------------------------------------------------------------------------------------- */

/* Nobody else ever drew the same state; so a head that tells this one, or the one before the first change after it, is of these vectors. */
static bool is_of(store_tx *t, const near_head *h, const near_sight *s, err *e) {
    if (h->epoch == s->epoch) return h->state == s->state;
    return h->epoch < s->epoch &&
           db_int_of(t, e, 0, "SELECT count(*) FROM vector_changes WHERE setting = $1 AND epoch = $2 AND before = $3",
                     db_i(h->setting), db_i(h->epoch + 1), db_i(h->state)) == 1;
}

static bool is_sound(const near_head *h, const near_copy *c, int64_t size) {
    return memcmp(h->mark, NEAR_MARK, sizeof h->mark) == 0 && h->setting == c->h.setting && h->n == c->h.n && h->state &&
           h->count > 0 && h->lates >= 0 && h->lates <= NEAR_LATE_MOST && h->count <= size / (int64_t)copy_stride(h->n) &&
           size >= (int64_t)(sizeof *h + (size_t)h->count * copy_stride(h->n));
}

bool copy_adopt(const char *folder, store_tx *t, near_copy *c, const near_sight *s, err *e) {
    arena *a = arena_new();
    near_head h;
    const char *path = path_of(folder, a, c->h.setting);
    c->fd = file_io.open(path, O_RDWR | O_CLOEXEC, 0);
    bool ok = c->fd >= 0 && file_io.read(c->fd, &h, sizeof h) == (ssize_t)sizeof h && is_sound(&h, c, file_size(path)) &&
              is_of(t, &h, s, e);
    arena_free(a);
    if (ok) c->h = h, c->saved = h.state, c->known = h.epoch;
    ok = ok && map_rows(c, e);
    if (!ok) copy_empty(c);
    return ok;
}

/* ---- changes ------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    near_change *item;
    int count;
} changes;

static bool read_changes(store_tx *t, arena *a, const near_copy *c, const near_sight *s, changes *out, err *e) {
    db_rows *r = db_query(t, e,
                          "SELECT epoch, record FROM vector_changes WHERE setting = $1 AND epoch > $2 AND epoch <= $3"
                          " ORDER BY epoch",
                          db_i(c->h.setting), db_i(c->h.epoch), db_i(s->epoch));
    *out = (changes){0};
    while (db_next(r, e)) STORE_APPEND(a, out, (near_change){db_int(r, 0), db_int(r, 1)});
    return e->code == ERR_NONE;
}

static bool can_follow(const near_copy *c, const near_sight *s, const changes *list) {
    bool ok = list->count == s->epoch - c->h.epoch;
    for (int i = 0; i < list->count && ok; i++) ok = list->item[i].record != 0; /* 0: all */
    return ok;
}

/* A record that has a vector now and no row. */
static bool add_late(near_copy *c, int64_t seq) {
    for (int64_t i = 0; i < c->h.lates; i++)
        if (c->h.late[i] == seq) return true;
    if (c->h.lates == NEAR_LATE_MOST) return false;
    c->h.late[c->h.lates++] = seq;
    return true;
}

static bool follow_one(store_tx *t, near_copy *c, int64_t seq, char *row, double *one, bool *done, err *e) {
    const int64_t at = copy_find(c, seq), gone = -seq;
    db_rows *r =
        db_query(t, e, "SELECT record, value FROM vectors WHERE setting = $1 AND record = $2", db_i(c->h.setting), db_i(seq));
    const bool some = next_row(r, row, one, c->h.n, e);
    db_done(r);
    if (e->code || (at < 0 && !some)) return e->code == ERR_NONE;
    if (at < 0) {
        *done = add_late(c, seq);
        return true;
    }
    if (!some) {
        memset(row, 0, copy_stride(c->h.n));
        memcpy(row, &gone, sizeof gone);
    }
    c->h.dead += !some - (record_at(row_at(c, at)) < 0);
    return put_at(c->fd, place_of(c, at), row, copy_stride(c->h.n), e);
}

static int by_record(const void *x, const void *y) {
    const int64_t a = ((const near_change *)x)->record, b = ((const near_change *)y)->record;
    return (a > b) - (a < b);
}

/* Each record once, those whose rows are still to come not at all. */
static bool follow_all(store_tx *t, near_copy *c, changes *list, bool *done, err *e) {
    char *row = memory_alloc(copy_stride(c->h.n));
    double *one = memory_alloc(sizeof *one * (size_t)c->h.n);
    bool ok = true;
    if (list->count > 1) qsort(list->item, (size_t)list->count, sizeof *list->item, by_record);
    for (int i = 0; i < list->count && ok && *done; i++)
        if (list->item[i].record <= c->h.last && (!i || list->item[i].record != list->item[i - 1].record))
            ok = follow_one(t, c, list->item[i].record, row, one, done, e);
    memory_release(one);
    memory_release(row);
    return ok;
}

static void keep_recent(near_copy *c, const changes *list) {
    for (int i = 0; i < list->count; i++) {
        near_change *place = &c->recent[c->recents++ % NEAR_RECENT];
        if (c->recents > NEAR_RECENT) c->known = place->epoch;
        *place = list->item[i];
    }
}

bool copy_follow(store_tx *t, near_copy *c, const near_sight *s, bool *done, err *e) {
    arena *a = arena_new();
    changes list;
    *done = s->epoch - c->h.epoch <= CHANGES_MOST;
    bool ok = !*done || read_changes(t, a, c, s, &list, e);
    *done = *done && ok && can_follow(c, s, &list);
    if (*done) {
        keep_recent(c, &list);
        ok = follow_all(t, c, &list, done, e);
        c->h.epoch = s->epoch;
    }
    arena_free(a);
    return ok;
}
