/* bouts.c - the list of bouts that wait for a vote (contract: bouts.h). */
#include "serve/bouts.h"

#include <pthread.h>
#include <string.h>

enum { BOUTS_MOST = 64 };

typedef struct kept_bout kept_bout;
struct kept_bout {
    arena *a;
    bout x;
    kept_bout *next;
};

struct bouts {
    pthread_mutex_t mutex;
    kept_bout *newest;
    bool ended;
};

bouts *bouts_new(void) {
    bouts *b = memory_alloc(sizeof *b);
    pthread_mutex_init(&b->mutex, NULL);
    return b;
}

static void free_bout(kept_bout *k) {
    work_free(k->x.work[0]);
    work_free(k->x.work[1]);
    arena_free(k->a);
}

void bouts_end(bouts *b) {
    if (!b) return;
    pthread_mutex_lock(&b->mutex);
    b->ended = true;
    for (kept_bout *k; (k = b->newest) != NULL;) {
        b->newest = k->next;
        free_bout(k);
    }
    pthread_mutex_unlock(&b->mutex);
}

void bouts_free(bouts *b) {
    if (!b) return;
    bouts_end(b);
    pthread_mutex_destroy(&b->mutex);
    memory_release(b);
}

static void forget_oldest(bouts *b) {
    int n = 0;
    for (kept_bout **at = &b->newest, *k; (k = *at) != NULL;) {
        if (++n <= BOUTS_MOST) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        free_bout(k);
    }
}

void bouts_add(bouts *b, const bout *x) {
    arena *a = arena_new();
    kept_bout *k = arena_new_of(a, kept_bout);
    *k = (kept_bout){.a = a, .x = *x};
    k->x.prompt = arena_text(a, x->prompt);
    for (int i = 0; i < 2; i++) k->x.model[i] = arena_text(a, x->model[i]);
    pthread_mutex_lock(&b->mutex);
    k->next = b->newest;
    b->newest = k;
    forget_oldest(b);
    pthread_mutex_unlock(&b->mutex);
}

bool bouts_see(bouts *b, const char *id, int64_t by, void (*see)(void *context, const bout *x), void *context) {
    pthread_mutex_lock(&b->mutex);
    const kept_bout *k = b->newest;
    while (k && !(strcmp(k->x.id, id) == 0 && k->x.by == by)) k = k->next;
    if (k) see(context, &k->x);
    pthread_mutex_unlock(&b->mutex);
    return k != NULL;
}
