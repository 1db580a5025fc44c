/* turns.c - see turns.h. */
#include "serve/turns.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"

enum { ENTRIES = 64, KEY_MOST = 64, PATIENCE = 60 };

typedef struct {
    char key[KEY_MOST];
    int64_t next, used;
    bool failed;
} entry;

struct turns {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    entry list[ENTRIES];
    int64_t uses;
};

turns *turns_new(void) {
    turns *t = memory_alloc(sizeof *t);
    pthread_condattr_t monotonic;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return t;
}

void turns_free(turns *t) {
    if (!t) return;
    pthread_cond_destroy(&t->moved);
    pthread_mutex_destroy(&t->mutex);
    memory_release(t);
}

/* The one longest unused makes room. */
static entry *entry_of(turns *t, str key) {
    entry *oldest = &t->list[0];
    for (int i = 0; i < ENTRIES; i++) {
        entry *x = &t->list[i];
        if (x->used && str_is(key, x->key)) return x->used = ++t->uses, x;
        if (x->used < oldest->used) oldest = x;
    }
    *oldest = (entry){.used = ++t->uses};
    snprintf(oldest->key, sizeof oldest->key, "%.*s", STR_ARG(key));
    return oldest;
}

bool turn_wait(turns *t, str key, int64_t part, err *e) {
    struct timespec until;
    bool late = false;
    if (key.len >= KEY_MOST) return err_set(e, ERR_INPUT, "no import has an id that long");
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE;
    pthread_mutex_lock(&t->mutex);
    while (!entry_of(t, key)->failed && entry_of(t, key)->next < part && !late)
        late = pthread_cond_timedwait(&t->moved, &t->mutex, &until) != 0;
    const entry x = *entry_of(t, key);
    pthread_mutex_unlock(&t->mutex);
    if (x.failed) return err_set(e, ERR_CONFLICT, "an earlier part of this import failed");
    return x.next == part || err_set(e, ERR_CONFLICT, "part %lld of this import should come next, this is part %lld",
                                     (long long)x.next, (long long)part);
}

void turn_end(turns *t, str key, int64_t part, bool ok) {
    pthread_mutex_lock(&t->mutex);
    entry *x = entry_of(t, key);
    if (x->next == part) x->next = part + 1;
    x->failed |= !ok;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->mutex);
}
