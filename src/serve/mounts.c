/* mounts.c - models in memory: who wants one, from files to ready, and when it goes (worker_parts.h has the states). */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/log.h"
#include "base/sys.h"
#include "serve/worker_parts.h"

enum { CHECK_SECONDS = 120, FAILED_KEPT = 5 };

/* ---- files as they are ------------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++) h = (h ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    return h;
}

static uint64_t stamp_file(uint64_t h, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return mix(h, "-", 1);
    const int64_t facts[] = {st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int64_t)st.st_ino};
    return mix(h, facts, sizeof facts);
}

/* A number that changes when the files of a model do. */
static uint64_t stamp_of(const char *path) {
    uint64_t h = 14695981039346656037u;
    if (!path) return 0;
    if (!file_is_dir(path)) return stamp_file(h, path);
    arena *a = arena_new();
    char **names;
    int count = 0;
    err none = {0};
    if (dir_list(a, path, &names, &count, &none))
        for (int i = 0; i < count; i++) h = stamp_file(mix(h, names[i], strlen(names[i])), path_join(a, path, names[i]));
    arena_free(a);
    return h;
}

/* ---- a look by a process of its own ---------------------------------------------------------------------------------------------------- */

typedef struct checked {
    struct checked *next;
    char *base_path, *adapter_path, *facts;
    uint64_t base_stamp, adapter_stamp;
} checked;

static char *kept_text(const char *text) {
    if (!text) return NULL;
    char *out = memory_alloc(strlen(text) + 1);
    strcpy(out, text);
    return out;
}

static bool same_path(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static checked *find_checked(mounts *all, const char *base_path, const char *adapter_path) {
    for (checked *c = all->checked; c; c = c->next)
        if (strcmp(c->base_path, base_path) == 0 && same_path(c->adapter_path, adapter_path)) return c;
    return NULL;
}

static bool look(worker *w, arena *a, const char *base_path, const char *adapter_path, str *facts, err *e) {
    const char *const words[] = {"model", "check", base_path, adapter_path, NULL};
    const child_run c = {.program = w->o.program, .words = words, .seconds = CHECK_SECONDS};
    err own = {0};
    if (child_capture(a, &c, facts, &own)) return true;
    return err_set(e, own.code, "%s cannot be used: %s", adapter_path ? adapter_path : base_path, own.text);
}

/* stamps: of the files before they were looked at, so that what changes meanwhile is looked at again. */
static void keep_facts(mounts *all, const char *base_path, const char *adapter_path, uint64_t base_stamp, uint64_t adapter_stamp,
                       str facts) {
    checked *c = find_checked(all, base_path, adapter_path);
    if (!c) {
        c = memory_alloc(sizeof *c);
        *c = (checked){.next = all->checked, .base_path = kept_text(base_path), .adapter_path = kept_text(adapter_path)};
        all->checked = c;
    }
    memory_release(c->facts);
    c->facts = memory_alloc(facts.len + 1);
    memcpy(c->facts, facts.ptr, facts.len);
    c->base_stamp = base_stamp;
    c->adapter_stamp = adapter_stamp;
}

bool worker_check(worker *w, arena *a, const char *base_path, const char *adapter_path, const json **out, err *e) {
    mounts *all = &w->mounts;
    const uint64_t base_stamp = stamp_of(base_path), adapter_stamp = stamp_of(adapter_path);
    str facts = {NULL, 0};
    pthread_mutex_lock(&all->checking); /* one look at a time: they take memory */
    const checked *known = find_checked(all, base_path, adapter_path);
    const bool current = known && known->base_stamp == base_stamp && known->adapter_stamp == adapter_stamp;
    if (current) facts = str_of(arena_text(a, known->facts));
    const bool ok = current || look(w, a, base_path, adapter_path, &facts, e);
    if (ok && !current) keep_facts(all, base_path, adapter_path, base_stamp, adapter_stamp, facts);
    pthread_mutex_unlock(&all->checking);
    *out = ok ? json_parse(a, facts, e) : NULL;
    return *out != NULL;
}

/* ---- who wants what ------------------------------------------------------------------------------------------------------------------------ */

mount *mounts_take(worker *w, const model_place *at) {
    const uint64_t base_stamp = stamp_of(at->base), adapter_stamp = stamp_of(at->adapter);
    for (mount *m = w->mounts.list; m; m = m->next) {
        if (m->stale || strcmp(m->base_path, at->base) != 0 || !same_path(m->adapter_path, at->adapter)) continue;
        if (m->base_stamp != base_stamp || m->adapter_stamp != adapter_stamp) {
            m->stale = true;
            continue;
        }
        m->users++;
        return m;
    }
    arena *a = arena_new();
    mount *m = arena_new_of(a, mount);
    *m = (mount){.next = w->mounts.list, .a = a, .users = 1, .base_stamp = base_stamp, .adapter_stamp = adapter_stamp};
    m->base_path = arena_text(a, at->base);
    m->adapter_path = arena_text(a, at->adapter);
    w->mounts.list = m;
    pthread_cond_signal(&w->mounts.wanted);
    return m;
}

void mounts_release(worker *w, mount *m) {
    m->users--;
    m->used_at = sys_seconds();
    if (!m->users && m->stale) worker_wake(w);
}

static base *find_base(mounts *all, const char *path, uint64_t stamp) {
    for (base *b = all->bases; b; b = b->next)
        if (b->stamp == stamp && strcmp(b->path, path) == 0) return b;
    return NULL;
}

bool worker_has(worker *w, const char *base_path, const char *adapter_path) {
    bool found = false;
    pthread_mutex_lock(&w->mutex);
    for (const mount *m = w->mounts.list; m; m = m->next)
        found |= m->state == MOUNT_READY && strcmp(m->base_path, base_path) == 0 && same_path(m->adapter_path, adapter_path);
    pthread_mutex_unlock(&w->mutex);
    return found;
}

void worker_forget(worker *w, const char *path) {
    pthread_mutex_lock(&w->mutex);
    for (mount *m = w->mounts.list; m; m = m->next)
        m->stale |= strcmp(m->base_path, path) == 0 || same_path(m->adapter_path, path);
    worker_wake(w);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- the loader's steps ------------------------------------------------------------------------------------------------------------------------ */

static void close_it(void *b) { backend_close(b); }

static base *open_base(const mount *m, err *e) {
    arena *a = arena_new();
    base *b = arena_new_of(a, base);
    const model_options o = {.compute = COMPUTE_BF16};
    *b = (base){.a = a, .path = arena_text(a, m->base_path), .stamp = m->base_stamp};
    backend *own = backend_open(NULL, e);
    if (own) arena_defer(a, close_it, own);
    if (own && (b->m = model_open(a, own, b->path, &o, e))) return b;
    arena_free(a);
    return NULL;
}

static void check_step(worker *w, mount *m) {
    arena *a = arena_new();
    const json *facts;
    err e = {0};
    pthread_mutex_unlock(&w->mutex);
    const bool ok = worker_check(w, a, m->base_path, m->adapter_path, &facts, &e);
    pthread_mutex_lock(&w->mutex);
    m->e = e;
    m->need = ok ? (size_t)json_get_int(facts, "bytes", 0) : 0;
    m->state = ok ? MOUNT_CHECKED : MOUNT_FAILED;
    arena_free(a);
}

static void open_step(worker *w, mount *m) {
    const double begun = sys_seconds();
    err e = {0};
    pthread_mutex_unlock(&w->mutex);
    base *b = open_base(m, &e);
    pthread_mutex_lock(&w->mutex);
    m->e = e;
    m->state = b ? MOUNT_OPENED : MOUNT_FAILED;
    w->mounts.load_seconds += sys_seconds() - begun;
    if (!b) return;
    b->next = w->mounts.bases;
    w->mounts.bases = b;
    m->base = b;
    b->mounts++;
    log_note("loaded %s in %.1f s", b->path, sys_seconds() - begun);
}

static void *loader_main(void *context) {
    worker *w = context;
    pthread_mutex_lock(&w->mutex);
    while (!w->mounts.ending) {
        mount *m = w->mounts.list;
        while (m && m->state != MOUNT_WANTED && m->state != MOUNT_CLEARED) m = m->next;
        if (!m) {
            pthread_cond_wait(&w->mounts.wanted, &w->mutex);
            continue;
        }
        m->users++; /* it stays while it is worked on */
        if (m->state == MOUNT_WANTED) check_step(w, m);
        else open_step(w, m);
        m->users--;
        m->used_at = sys_seconds();
        worker_wake(w);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* ---- the worker's steps ---------------------------------------------------------------------------------------------------------------------------- */

static void free_base(mounts *all, base *b) {
    for (base **at = &all->bases; *at; at = &(*at)->next)
        if (*at == b) {
            *at = b->next;
            break;
        }
    for (int i = 0; i < b->kept_count; i++) session_free(b->kept[i]);
    engine_free(b->g);
    arena_free(b->a);
}

static void drop_kept_of(base *b, const mount *m);

static void free_mount(worker *w, mount *m) {
    for (mount **at = &w->mounts.list; *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    base *b = m->base;
    if (b && m->adapter) drop_kept_of(b, m);
    arena_free(m->a);
    if (b && --b->mounts == 0) free_base(&w->mounts, b);
}

/* The longest unused one that is in memory; NULL: all are in use. */
static mount *idlest(const worker *w) {
    mount *best = NULL;
    for (mount *m = w->mounts.list; m; m = m->next)
        if (!m->users && m->state == MOUNT_READY && (!best || m->used_at < best->used_at)) best = m;
    return best;
}

bool mounts_make_room(worker *w, size_t bytes) {
    for (;;) {
        const size_t free_now = sys_memory_available(), spare = (size_t)w->o.memory_spare;
        if (free_now > spare && free_now - spare >= bytes) return true;
        mount *m = idlest(w);
        if (!m) return false;
        log_note("giving up %s to make room", m->base_path);
        free_mount(w, m);
    }
}

static void clear_step(worker *w, mount *m) {
    base *there = find_base(&w->mounts, m->base_path, m->base_stamp);
    if (there) {
        m->base = there;
        there->mounts++;
        m->state = MOUNT_OPENED;
        return;
    }
    m->state = mounts_make_room(w, m->need) ? MOUNT_CLEARED : MOUNT_FAILED;
    if (m->state == MOUNT_CLEARED) pthread_cond_signal(&w->mounts.wanted);
    else
        err_set(&m->e, ERR_LIMIT,
                "%s needs %.2f GB of memory, %.2f GB are free (%.2f GB are left alone): end other programs, or use "
                "a smaller model",
                m->base_path, (double)m->need / 1e9, (double)sys_memory_available() / 1e9, (double)w->o.memory_spare / 1e9);
}

/* The adapter is small, and its weights come from the base's own backend, which is this thread's. */
static void adapter_step(mount *m) {
    if (!m->base->g) m->base->g = engine_new(m->base->m, COMPUTE_BF16);
    if (m->adapter_path) m->adapter = adapter_open(m->a, m->base->m, m->adapter_path, false, &m->e);
    m->state = m->adapter_path && !m->adapter ? MOUNT_FAILED : MOUNT_READY;
}

bool mounts_advance(worker *w) {
    bool changed = false;
    for (mount *m = w->mounts.list; m; m = m->next) {
        if (m->state != MOUNT_CHECKED && m->state != MOUNT_OPENED) continue;
        if (m->state == MOUNT_CHECKED) clear_step(w, m);
        if (m->state == MOUNT_OPENED) adapter_step(m);
        changed = true;
        m->used_at = sys_seconds();
    }
    for (mount *m = w->mounts.list; m; m = m->next) m->stale |= m->state == MOUNT_FAILED;
    return changed;
}

void mounts_sweep(worker *w, double now) {
    for (mount *m = w->mounts.list, *next; m; m = next) {
        next = m->next;
        if (m->users || (m->state != MOUNT_READY && m->state != MOUNT_FAILED)) continue;
        if (m->stale || now - m->used_at > w->o.idle) free_mount(w, m);
    }
}

/* ---- beginnings that are kept -------------------------------------------------------------------------------------------------------------------- */

size_t base_kept_bytes(const base *b) {
    size_t sum = 0;
    for (int i = 0; i < b->kept_count; i++) sum += session_bytes(b->kept[i]);
    return sum;
}

static void drop_kept_of(base *b, const mount *m) {
    int left = 0;
    for (int i = 0; i < b->kept_count; i++)
        if (session_adapter(b->kept[i]) == m->adapter) session_free(b->kept[i]);
        else b->kept[left++] = b->kept[i];
    b->kept_count = left;
}

void base_keep(base *b, session *s, size_t most_bytes) {
    enum { ROOM = sizeof b->kept / sizeof *b->kept };
    if (b->kept_count == ROOM) session_free(b->kept[--b->kept_count]);
    memmove(b->kept + 1, b->kept, (size_t)b->kept_count * sizeof *b->kept);
    b->kept[0] = s;
    b->kept_count++;
    while (b->kept_count && base_kept_bytes(b) > most_bytes) session_free(b->kept[--b->kept_count]);
}

int base_borrow(base *b, session *s, session *const *running, int count) {
    const session *best = NULL;
    int most = 0;
    for (int i = 0; i < b->kept_count + count; i++) {
        const session *other = i < b->kept_count ? b->kept[i] : running[i - b->kept_count];
        const int same = other == s ? 0 : session_common(s, other);
        if (same > most) most = same, best = other;
    }
    return best ? session_borrow(s, best) : 0;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------------------------------------ */

bool mounts_begin(worker *w, err *e) {
    w->mounts.w = w;
    pthread_mutex_init(&w->mounts.checking, NULL);
    pthread_cond_init(&w->mounts.wanted, NULL);
    return pthread_create(&w->mounts.loader, NULL, loader_main, w) == 0 || err_set(e, ERR_LIMIT, "no thread for loading models");
}

void mounts_end(worker *w) {
    pthread_mutex_lock(&w->mutex);
    w->mounts.ending = true;
    pthread_cond_signal(&w->mounts.wanted);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->mounts.loader, NULL);
}

void mounts_free(worker *w) {
    while (w->mounts.list) free_mount(w, w->mounts.list);
    for (checked *c; (c = w->mounts.checked) != NULL;) {
        w->mounts.checked = c->next;
        memory_release(c->base_path);
        memory_release(c->adapter_path);
        memory_release(c->facts);
        memory_release(c);
    }
    pthread_cond_destroy(&w->mounts.wanted);
    pthread_mutex_destroy(&w->mounts.checking);
}
