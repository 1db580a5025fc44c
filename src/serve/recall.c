/* recall.c - a ring of answers (contract: recall.h). */
#include "serve/recall.h"

#include <pthread.h>
#include <string.h>

#include "base/sys.h"

enum { ANSWERS_MOST = 1000, KEPT_SECONDS = 3600 };
static const size_t bytes_most = (size_t)64 << 20;

typedef struct {
    arena *a; /* NULL: empty */
    recalled x;
    size_t bytes;
    double at;
} place;

struct recall {
    pthread_mutex_t mutex;
    place ring[ANSWERS_MOST];
    int oldest, count;
    size_t bytes;
};

recall *recall_new(void) {
    recall *r = memory_alloc(sizeof *r);
    pthread_mutex_init(&r->mutex, NULL);
    return r;
}

static void drop_oldest(recall *r) {
    place *p = &r->ring[r->oldest];
    r->bytes -= p->bytes;
    arena_free(p->a);
    *p = (place){0};
    r->oldest = (r->oldest + 1) % ANSWERS_MOST;
    r->count--;
}

void recall_free(recall *r) {
    if (!r) return;
    while (r->count) drop_oldest(r);
    pthread_mutex_destroy(&r->mutex);
    memory_release(r);
}

static void copy(arena *a, const recalled *x, recalled *out) {
    *out = (recalled){.id = arena_text(a, x->id), .model = arena_text(a, x->model), .user = x->user};
    out->messages = str_of(str_copy(a, x->messages));
    out->answers = str_of(str_copy(a, x->answers));
    out->unfinished = str_of(str_copy(a, x->unfinished));
}

static void drop_old(recall *r, size_t more) {
    const double now = sys_seconds();
    while (r->count && (r->count == ANSWERS_MOST || r->bytes + more > bytes_most || now - r->ring[r->oldest].at > KEPT_SECONDS))
        drop_oldest(r);
}

void recall_put(recall *r, const recalled *x) {
    const size_t bytes = x->messages.len + x->answers.len;
    if (bytes > bytes_most / 4) return;
    pthread_mutex_lock(&r->mutex);
    drop_old(r, bytes);
    place *p = &r->ring[(r->oldest + r->count++) % ANSWERS_MOST];
    *p = (place){.a = arena_new(), .bytes = bytes, .at = sys_seconds()};
    copy(p->a, x, &p->x);
    r->bytes += bytes;
    pthread_mutex_unlock(&r->mutex);
}

bool recall_find(recall *r, arena *a, const char *id, recalled *out) {
    bool found = false;
    pthread_mutex_lock(&r->mutex);
    drop_old(r, 0);
    for (int i = 0; i < r->count && !found; i++) {
        const place *p = &r->ring[(r->oldest + i) % ANSWERS_MOST];
        found = strcmp(p->x.id, id) == 0;
        if (found) copy(a, &p->x, out);
    }
    pthread_mutex_unlock(&r->mutex);
    return found;
}
