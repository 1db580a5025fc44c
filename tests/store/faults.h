/* faults.h - a file system under SQLite that fails, or loses its power, at a chosen moment.
 *
 * It stands before the real one. Of each file of the store it remembers what a sync has made safe; power_cut() writes down, in another
 * folder, what would be found after the power went: the safe state, and of what was written since then a part chosen by lot. */
#ifndef FETTLE_TESTS_STORE_FAULTS_H
#define FETTLE_TESTS_STORE_FAULTS_H

#include "test.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

typedef enum { FAULT_NONE, FAULT_WRITE, FAULT_SYNC, FAULT_FULL } fault_kind;

enum { FAULT_FILES = 16 };

/* One file: as it is, and as it was at its last sync. */
typedef struct {
    char path[256];
    buf now, safe;
    bool there, safe_there;
} shadow;

static struct {
    pthread_mutex_t mutex;
    fault_kind kind;
    bool for_good;  /* from then on, not once */
    int64_t at;     /* the n-th call of that kind fails; 0: none */
    int64_t count;  /* calls so far */
    int64_t failed; /* how often it failed */
    bool remember;  /* keep shadows */
    shadow file[FAULT_FILES];
    sqlite3_vfs vfs, *real;
} faults = {.mutex = PTHREAD_MUTEX_INITIALIZER};

typedef struct {
    sqlite3_file base;
    shadow *shadow;
    sqlite3_file real[]; /* room for the real one */
} fault_file;

static inline sqlite3_file *real_of(sqlite3_file *f) { return ((fault_file *)(void *)f)->real; }

/* Whether this call is the one that fails. */
static inline bool strikes(fault_kind kind) {
    pthread_mutex_lock(&faults.mutex);
    bool hit = false;
    if (faults.kind == kind || (faults.kind == FAULT_FULL && kind == FAULT_WRITE)) {
        faults.count++;
        hit = faults.at && (faults.for_good ? faults.count >= faults.at : faults.count == faults.at);
        faults.failed += hit;
    }
    pthread_mutex_unlock(&faults.mutex);
    return hit;
}

static inline void write_shadow(buf *b, const void *data, size_t size, size_t at) {
    static const char zeros[4096];
    while (b->len < at + size) buf_put(b, zeros, at + size - b->len < sizeof zeros ? at + size - b->len : sizeof zeros);
    memcpy(b->ptr + at, data, size);
}

static inline int fault_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }
static inline int fault_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
    return real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static inline int fault_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at) {
    shadow *s = ((fault_file *)(void *)f)->shadow;
    if (strikes(FAULT_WRITE)) return faults.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (s) write_shadow(&s->now, data, (size_t)n, (size_t)at);
    return real_of(f)->pMethods->xWrite(real_of(f), data, n, at);
}

static inline int fault_truncate(sqlite3_file *f, sqlite3_int64 size) {
    shadow *s = ((fault_file *)(void *)f)->shadow;
    if (s && s->now.len > (size_t)size) s->now.len = (size_t)size;
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static inline int fault_sync(sqlite3_file *f, int flags) {
    shadow *s = ((fault_file *)(void *)f)->shadow;
    if (strikes(FAULT_SYNC)) return SQLITE_IOERR_FSYNC;
    if (s) {
        buf_clear(&s->safe);
        buf_put(&s->safe, s->now.ptr, s->now.len);
        s->safe_there = true;
    }
    (void)flags;
    return SQLITE_OK; /* no power goes in truth: the real one would only take time */
}

static inline int fault_size(sqlite3_file *f, sqlite3_int64 *n) { return real_of(f)->pMethods->xFileSize(real_of(f), n); }
static inline int fault_lock(sqlite3_file *f, int k) { return real_of(f)->pMethods->xLock(real_of(f), k); }
static inline int fault_unlock(sqlite3_file *f, int k) { return real_of(f)->pMethods->xUnlock(real_of(f), k); }
static inline int fault_reserved(sqlite3_file *f, int *k) { return real_of(f)->pMethods->xCheckReservedLock(real_of(f), k); }
static inline int fault_control(sqlite3_file *f, int op, void *p) {
    return real_of(f)->pMethods->xFileControl(real_of(f), op, p);
}
static inline int fault_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
static inline int fault_device(sqlite3_file *f) { return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)); }
static inline int fault_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static inline int fault_shm_lock(sqlite3_file *f, int at, int n, int flags) {
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}
static inline void fault_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
static inline int fault_unmap(sqlite3_file *f, int gone) { return real_of(f)->pMethods->xShmUnmap(real_of(f), gone); }

static const sqlite3_io_methods fault_methods = {.iVersion = 2, /* without xFetch: every write goes through here */
                                                 .xClose = fault_close,
                                                 .xRead = fault_read,
                                                 .xWrite = fault_write,
                                                 .xTruncate = fault_truncate,
                                                 .xSync = fault_sync,
                                                 .xFileSize = fault_size,
                                                 .xLock = fault_lock,
                                                 .xUnlock = fault_unlock,
                                                 .xCheckReservedLock = fault_reserved,
                                                 .xFileControl = fault_control,
                                                 .xSectorSize = fault_sector,
                                                 .xDeviceCharacteristics = fault_device,
                                                 .xShmMap = fault_map,
                                                 .xShmLock = fault_shm_lock,
                                                 .xShmBarrier = fault_barrier,
                                                 .xShmUnmap = fault_unmap};

static inline shadow *shadow_of(const char *path) {
    if (!path || !faults.remember) return NULL;
    for (int i = 0; i < FAULT_FILES; i++) {
        shadow *s = &faults.file[i];
        if (!*s->path) snprintf(s->path, sizeof s->path, "%s", path);
        if (strcmp(s->path, path) == 0) {
            s->there = true;
            return s;
        }
    }
    return NULL;
}

static inline int fault_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *got) {
    fault_file *own = (fault_file *)(void *)f;
    (void)vfs;
    const int code = faults.real->xOpen(faults.real, path, own->real, flags, got);
    own->base.pMethods = own->real->pMethods ? &fault_methods : NULL;
    own->shadow = code == SQLITE_OK && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) ? shadow_of(path) : NULL;
    return code;
}

static inline int fault_delete(sqlite3_vfs *vfs, const char *path, int sync) {
    (void)vfs;
    for (int i = 0; i < FAULT_FILES; i++)
        if (strcmp(faults.file[i].path, path) == 0) faults.file[i].there = faults.file[i].safe_there = false;
    return faults.real->xDelete(faults.real, path, sync);
}

static inline void faults_install(void) {
    faults.real = sqlite3_vfs_find(NULL);
    faults.vfs = *faults.real;
    faults.vfs.zName = "faults";
    faults.vfs.szOsFile = (int)sizeof(fault_file) + faults.real->szOsFile;
    faults.vfs.xOpen = fault_open;
    faults.vfs.xDelete = fault_delete;
    faults.vfs.pNext = NULL;
    sqlite3_vfs_register(&faults.vfs, 1);
}

static inline void faults_set(fault_kind kind, int64_t at, bool for_good) {
    pthread_mutex_lock(&faults.mutex);
    faults.kind = kind;
    faults.at = at;
    faults.for_good = for_good;
    faults.count = faults.failed = 0;
    pthread_mutex_unlock(&faults.mutex);
}

static inline void faults_forget(void) {
    for (int i = 0; i < FAULT_FILES; i++) {
        buf_free(&faults.file[i].now);
        buf_free(&faults.file[i].safe);
    }
    memset(faults.file, 0, sizeof faults.file);
}

/* The files as the power left them: what is not safe is there in whole, in part by sectors, or not at all. */
static inline void power_cut(arena *a, const char *to, rng *random) {
    err e = {0};
    for (int i = 0; i < FAULT_FILES; i++) {
        const shadow *s = &faults.file[i];
        if (!*s->path || !s->there) continue;
        const uint32_t mode = rng_below(random, 3); /* nothing, everything, some sectors */
        if (mode == 0 && !s->safe_there) continue;
        buf left = {0};
        buf_put(&left, s->safe.ptr, s->safe.len);
        enum { SECTOR = 512 };
        for (size_t at = 0; at < s->now.len && mode; at += SECTOR)
            if (mode == 1 || rng_below(random, 2))
                write_shadow(&left, s->now.ptr + at, s->now.len - at < SECTOR ? s->now.len - at : SECTOR, at);
        if (!file_write(path_join(a, to, path_name(s->path)), buf_str(&left), &e)) fail_msg("%s", e.text);
        buf_free(&left);
    }
}

#endif
