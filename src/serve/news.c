/* news.c - the board of news: a list under one lock, newest first (contract: news.h). */
#include "serve/news.h"

#include <pthread.h>
#include <string.h>

enum { NOTES_MOST = 500 }; /* the oldest go */

typedef struct note_on_board note_on_board;
struct note_on_board {
    const char *kind;
    char *id, *data;
    int64_t by, number;
    note_on_board *next;
};

struct board {
    pthread_mutex_t mutex;
    note_on_board *newest;
    int64_t last;
};

board *news_new(void) {
    board *n = memory_alloc(sizeof *n);
    pthread_mutex_init(&n->mutex, NULL);
    return n;
}

static void free_note(note_on_board *x) {
    memory_release(x->id);
    memory_release(x->data);
    memory_release(x);
}

void news_free(board *n) {
    if (!n) return;
    for (note_on_board *x; (x = n->newest) != NULL;) {
        n->newest = x->next;
        free_note(x);
    }
    pthread_mutex_destroy(&n->mutex);
    memory_release(n);
}

static char *kept(str text) {
    char *out = memory_alloc(text.len + 1);
    memcpy(out, text.ptr, text.len);
    return out;
}

/* The older one of the same thing, and what is one too many. */
static void forget(board *n, const char *kind, const char *id) {
    int count = 0;
    for (note_on_board **at = &n->newest, *x; (x = *at) != NULL;) {
        if (++count < NOTES_MOST && !(strcmp(x->kind, kind) == 0 && strcmp(x->id, id) == 0)) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        free_note(x);
    }
}

void news_post(server *s, const char *kind, const char *id, int64_t by, str data) {
    board *n = server_board(s);
    note_on_board *x = memory_alloc(sizeof *x);
    *x = (note_on_board){.kind = kind, .id = kept(str_of(id)), .data = kept(data), .by = by};
    pthread_mutex_lock(&n->mutex);
    forget(n, kind, id);
    x->number = ++n->last;
    x->next = n->newest;
    n->newest = x;
    pthread_mutex_unlock(&n->mutex);
    server_tell(s);
}

void news_append(server *s, const user *me, int64_t *seen, buf *out) {
    board *n = server_board(s);
    pthread_mutex_lock(&n->mutex);
    for (const note_on_board *x = n->newest; x && x->number > *seen; x = x->next)
        if (!x->by || x->by == me->seq || me->role == ROLE_OWNER) buf_printf(out, "event: %s\ndata: %s\n\n", x->kind, x->data);
    *seen = n->last;
    pthread_mutex_unlock(&n->mutex);
}

int64_t news_last(server *s) {
    board *n = server_board(s);
    pthread_mutex_lock(&n->mutex);
    const int64_t last = n->last;
    pthread_mutex_unlock(&n->mutex);
    return last;
}
