/* store_near.c - copies of vectors for searches (near.h): which there are, and what a transaction gets of one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "store/db.h"
#include "store/near_copy.h"

enum { FILE_LEAST = 1 << 20 }; /* bytes: smaller copies are kept in memory */

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

void near_shelf_free(near_shelf *s) {
    if (!s) return;
    for (near_copy *c = s->first, *next; c; c = next) {
        err none = {0};
        next = c->next;
        copy_save(c, &none); /* else the next process finds the state before */
        copy_free(c);
    }
    pthread_mutex_destroy(&s->mutex);
    memory_release(s->folder);
    memory_release(s);
}

static near_copy *find_copy(near_shelf *s, int64_t setting) {
    pthread_mutex_lock(&s->mutex);
    near_copy *c = s->first;
    while (c && c->h.setting != setting) c = c->next;
    if (!c) {
        c = copy_new(setting);
        c->next = s->first;
        s->first = c;
    }
    pthread_mutex_unlock(&s->mutex);
    return c;
}

/* ---- what a transaction sees ------------------------------------------------------------------------------------------------------- */

static near_sight look(store_tx *t, int64_t setting, err *e) {
    db_rows *r = db_query(t, e, "SELECT state, epoch, last FROM vector_states WHERE setting = $1", db_i(setting));
    if (!db_next(r, e)) return (near_sight){0};
    const near_sight s = {db_int(r, 0), db_int(r, 1), db_int(r, 2)};
    db_done(r);
    return s;
}

static bool is_large(store_tx *t, int64_t setting, int64_t n, err *e) {
    return db_int_of(t, e, 0, "SELECT record FROM vectors WHERE setting = $1 ORDER BY record LIMIT 1 OFFSET $2", db_i(setting),
                     db_i((int64_t)(FILE_LEAST / copy_stride(n)))) != 0;
}

/* The changes since then are known. */
static bool reaches_back(const near_copy *c, const near_sight *s) {
    return c->h.epoch == s->epoch || (c->fd >= 0 && c->known <= s->epoch);
}

static bool is_past(const near_copy *c, const near_sight *s) {
    return c->h.state && c->h.epoch > s->epoch && !reaches_back(c, s);
}

static bool shows(const near_copy *c, const near_sight *s) {
    return c->h.state && c->h.epoch >= s->epoch && c->h.last >= s->last && reaches_back(c, s);
}

/* The caller alone has the copy. */
static bool bring_up(const near_shelf *shelf, store_tx *t, near_copy *c, const near_sight *s, err *e) {
    bool done = true, ok = true;
    const bool large = c->fd >= 0 || is_large(t, c->h.setting, c->h.n, e);
    if (e->code) return false;
    if (c->h.state && c->fd < 0 && (large || c->h.epoch != s->epoch)) copy_empty(c); /* it grew out of memory, or is small */
    const bool file = large && (c->fd >= 0 || copy_adopt(shelf->folder, t, c, s, e));
    if (e->code) return false;
    if (file) ok = copy_follow(t, c, s, &done, e);
    if (file && !done) copy_empty(c);
    if (ok && file && done) ok = copy_extend_file(t, c, e);
    else if (ok && large) ok = copy_make_file(shelf->folder, t, c, s, e);
    else if (ok) ok = copy_extend_memory(t, c, e);
    if (ok) c->h.state = s->state, c->h.epoch = s->epoch, c->h.last = s->last;
    else copy_empty(c);
    return ok;
}

static int by_number(const void *x, const void *y) {
    const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static void list_apart(const near_copy *c, const near_sight *s, near_rows *out) {
    const int64_t some = c->h.epoch > s->epoch ? c->recents < NEAR_RECENT ? c->recents : NEAR_RECENT : 0;
    if (!some && !c->h.lates) return;
    int64_t *list = memory_alloc(sizeof *list * (size_t)(some + c->h.lates)), count = c->h.lates, kept = 0;
    memcpy(list, c->h.late, sizeof *list * (size_t)count);
    for (int64_t i = 0; i < some; i++)
        if (c->recent[i].epoch > s->epoch) list[count++] = c->recent[i].record;
    qsort(list, (size_t)count, sizeof *list, by_number);
    for (int64_t i = 0; i < count; i++)
        if (!kept || list[kept - 1] != list[i]) list[kept++] = list[i];
    out->apart = list;
    out->aparts = kept;
}

static bool take_own(store_tx *t, int64_t setting, int n, near_rows *out, err *e) {
    near_copy *c = copy_new(setting);
    c->h.n = n;
    const bool ok = copy_extend_memory(t, c, e);
    *out = (near_rows){.row = c->row, .count = c->h.count, .stride = copy_stride(n), .held = c, .own = true};
    if (!ok) near_give(out);
    return ok;
}

bool near_take(store_tx *t, int64_t setting, int n, near_rows *out, err *e) {
    *out = (near_rows){.stride = copy_stride(n)};
    const near_sight s = look(t, setting, e);
    if (e->code || !s.state || !s.last) return e->code == ERR_NONE;
    if (db_writes(t)) return take_own(t, setting, n, out, e);
    near_shelf *shelf = db_near(t);
    near_copy *c = find_copy(shelf, setting);
    pthread_rwlock_rdlock(&c->lock);
    while (!shows(c, &s) || c->h.n != n) {
        pthread_rwlock_unlock(&c->lock);
        pthread_rwlock_wrlock(&c->lock);
        if (!c->h.state) c->h.n = n;
        const bool past = c->h.n != n || is_past(c, &s), ok = past || shows(c, &s) || bring_up(shelf, t, c, &s, e);
        pthread_rwlock_unlock(&c->lock);
        if (past) return take_own(t, setting, n, out, e);
        if (!ok) return false;
        pthread_rwlock_rdlock(&c->lock); /* somebody may have gone on in between */
    }
    *out = (near_rows){.row = c->row, .count = copy_count(c, s.last), .stride = copy_stride(n), .held = c};
    list_apart(c, &s, out);
    return true;
}

void near_give(near_rows *r) {
    near_copy *c = r->held;
    memory_release(r->apart);
    r->held = r->apart = NULL;
    if (!c) return;
    if (r->own) copy_free(c);
    else pthread_rwlock_unlock(&c->lock);
}

/* ---- behind the searches ----------------------------------------------------------------------------------------------------------- */

static int numbers_of(store_tx *t, int64_t setting, err *e) {
    return (int)(db_int_of(t, e, 0, "SELECT length(value) FROM vectors WHERE setting = $1 LIMIT 1", db_i(setting)) /
                 (int64_t)sizeof(double));
}

static void remove_file(const near_shelf *s, near_copy *c) {
    arena *a = arena_new();
    copy_empty(c);
    file_io.unlink(path_join(a, s->folder, arena_printf(a, "%lld", (long long)c->h.setting)));
    arena_free(a);
}

/* A file of which much is dead is made anew. */
static void give_up_dead(const near_shelf *s, near_copy *c) {
    pthread_rwlock_wrlock(&c->lock);
    if (c->fd >= 0 && 4 * c->h.dead > c->h.count) remove_file(s, c);
    pthread_rwlock_unlock(&c->lock);
}

/* One that changes just now is left alone until it rests from one look to the next. */
static bool refresh_one(store_tx *t, int64_t setting, err *e) {
    const near_sight s = look(t, setting, e);
    const int n = numbers_of(t, setting, e);
    near_copy *c = find_copy(db_near(t), setting);
    const bool rests = c->seen == s.state;
    near_rows rows = {0};
    c->seen = s.state;
    if (e->code || !rests || !n || !is_large(t, setting, n, e)) return e->code == ERR_NONE;
    give_up_dead(db_near(t), c);
    if (!near_take(t, setting, n, &rows, e)) return false;
    const bool ok = rows.held != c || copy_save(c, e); /* who only reads the rows does not mind */
    near_give(&rows);
    return ok;
}

static bool head_is_ours(const char *path) {
    char mark[8] = "";
    const int fd = file_io.open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return false;
    const bool ok = file_io.read(fd, mark, sizeof mark) == (ssize_t)sizeof mark && strcmp(mark, NEAR_MARK) == 0;
    file_io.close(fd);
    return ok;
}

static bool follows(const near_shelf *s, store_tx *t, near_copy *c, const near_sight *sight, err *e) {
    const int n = numbers_of(t, c->h.setting, e);
    if (e->code || !n || (c->h.state && c->fd < 0)) return false;
    if (!c->h.state) c->h.n = n;
    if (c->fd < 0 && !copy_adopt(s->folder, t, c, sight, e)) return false;
    return bring_up(s, t, c, sight, e) && copy_save(c, e);
}

/* Of a setting that is no more, or of an earlier program, or unfinished: the file goes. After an erasure it must follow at once, or go.
 * Those who look at the rows keep them until they are done. */
static bool sweep_one(near_shelf *s, store_tx *t, arena *a, const char *name, bool erased, err *e) {
    char *end;
    const int64_t setting = strtoll(name, &end, 10);
    const near_sight sight = look(t, setting, e);
    const char *path = path_join(a, s->folder, name);
    err why = {0};
    if (e->code) return false;
    near_copy *c = find_copy(s, setting); /* its lock holds off those who would make it just now */
    pthread_rwlock_wrlock(&c->lock);
    if (*end) file_io.unlink(path);
    else if (!sight.state || !head_is_ours(path) || (erased && !follows(s, t, c, &sight, &why))) remove_file(s, c);
    pthread_rwlock_unlock(&c->lock);
    return true;
}

static bool sweep(store_tx *t, bool erased, err *e) {
    near_shelf *s = db_near(t);
    arena *a = arena_new();
    char **names;
    int count = 0;
    bool ok = !file_is_dir(s->folder) || dir_list(a, s->folder, &names, &count, e);
    for (int i = 0; i < count && ok; i++) ok = sweep_one(s, t, a, names[i], erased, e);
    arena_free(a);
    return ok;
}

bool near_sweep(store_tx *t, err *e) { return sweep(t, true, e); }

bool near_refresh(store_tx *t, err *e) {
    arena *a = arena_new();
    struct {
        int64_t *item;
        int count;
    } list = {0};
    db_rows *r = db_query_values(t, "SELECT setting FROM vector_states", NULL, 0, e);
    while (db_next(r, e)) STORE_APPEND(a, &list, db_int(r, 0));
    bool ok = !e->code && sweep(t, false, e);
    for (int i = 0; i < list.count && ok; i++) ok = refresh_one(t, list.item[i], e);
    arena_free(a);
    return ok;
}
