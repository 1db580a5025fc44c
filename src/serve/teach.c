/* teach.c - the list of what is being made, and the thread that writes what is whole (contract: teach.h). */
#include "serve/teach.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/message.h"
#include "base/rng.h"
#include "base/sys.h"
#include "serve/news.h"
#include "serve/worker.h"

/* What was written stays in the list for a while: who asked what is being made after it was, but reads the store as it was before, would
 * have it made again. */
enum { LOOK_MS = 40, IDLE_MS = 1000, KEPT_SECONDS = 30 };

typedef struct making making;
struct making {
    arena *a; /* of the item's texts */
    teach_item x;
    work *work[2];  /* the second one of comparisons alone */
    double written; /* when its record was there; 0: not yet */
    making *next;
};

typedef struct failure failure;
struct failure {
    char *dataset, *words;
    failure *next;
};

struct teach {
    server *server;
    pthread_mutex_t mutex;
    pthread_cond_t call;
    pthread_t thread;
    bool begun;
    _Atomic bool ending;
    making *oldest; /* in the order of making */
    failure *failures;
};

static char *kept(const char *text) {
    char *out = memory_alloc(strlen(text) + 1);
    memcpy(out, text, strlen(text));
    return out;
}

/* ---- beginning --------------------------------------------------------------------------------------------------------------------- */

static work *submit(teach *t, arena *a, const teach_item *x, int which, err *e) {
    work_order o = {
        .model = x->model[which], .messages = messages_new(a, STR(""), str_of(x->prompt)), .n = x->model[1] ? 1 : TEACH_ANSWERS};
    o.sampling = work_sampling_default();
    o.sampling.temperature = 0.9;
    o.sampling.top_p = 1;
    o.sampling.min_p = 0.02;
    o.sampling.repetition_penalty = 1;
    o.sampling.top_k = 0;
    o.sampling.max_tokens = TEACH_TOKENS;
    o.sampling.seed = x->seed;
    return worker_submit(server_worker(t->server), &o, e);
}

static void give_up(making *m) {
    work_free(m->work[0]);
    work_free(m->work[1]);
    arena_free(m->a);
}

static making *new_making(const teach_item *x) {
    arena *a = arena_new();
    making *m = arena_new_of(a, making);
    m->a = a;
    m->x = *x;
    m->x.lesson = arena_text(a, x->lesson);
    m->x.dataset = arena_text(a, x->dataset);
    m->x.prompt = arena_text(a, x->prompt);
    m->x.model[0] = arena_text(a, x->model[0]);
    m->x.model[1] = arena_text(a, x->model[1]);
    m->x.against = arena_text(a, x->against);
    return m;
}

static bool is_made(const teach *t, const teach_item *x) { /* under the lock */
    for (const making *m = t->oldest; m; m = m->next)
        if (strcmp(m->x.dataset, x->dataset) == 0 && m->x.round == x->round && m->x.index == x->index) return true;
    return false;
}

static void *teach_main(void *context);

bool teach_make(teach *t, const teach_item *x, err *e) {
    pthread_mutex_lock(&t->mutex);
    bool ok = true;
    if (!t->ending && !is_made(t, x)) {
        making *m = new_making(x), **at = &t->oldest;
        ok = (m->work[0] = submit(t, m->a, x, 0, e)) != NULL && (!x->model[1] || (m->work[1] = submit(t, m->a, x, 1, e)) != NULL);
        while (*at) at = &(*at)->next;
        if (ok) *at = m;
        else give_up(m);
        if (!t->begun) t->begun = pthread_create(&t->thread, NULL, teach_main, t) == 0;
        pthread_cond_signal(&t->call);
    }
    pthread_mutex_unlock(&t->mutex);
    return ok;
}

/* ---- looking ----------------------------------------------------------------------------------------------------------------------- */

int teach_making(teach *t, const char *set, int round, int *from, int room) {
    int n = 0;
    pthread_mutex_lock(&t->mutex);
    for (const making *m = t->oldest; m && n < room; m = m->next)
        if (strcmp(m->x.dataset, set) == 0 && m->x.round == round) from[n++] = m->x.index;
    pthread_mutex_unlock(&t->mutex);
    return n;
}

bool teach_partial(teach *t, arena *a, const char *set, int round, const char **prompt, str *texts, int room, int *count) {
    work_view v;
    bool some = false;
    *count = 0;
    pthread_mutex_lock(&t->mutex);
    for (const making *m = t->oldest; m && !some; m = m->next) {
        if (m->written > 0 || strcmp(m->x.dataset, set) != 0 || m->x.round != round) continue;
        work_read(m->work[0], a, &v);
        *prompt = arena_text(a, m->x.prompt);
        for (int i = 0; i < v.count && i < room; i++) texts[(*count)++] = v.answer[i].text;
        some = true;
    }
    pthread_mutex_unlock(&t->mutex);
    return some;
}

const char *teach_failure(teach *t, arena *a, const char *set) {
    const char *words = NULL;
    pthread_mutex_lock(&t->mutex);
    for (failure **at = &t->failures, *f; (f = *at) != NULL && !words;) {
        if (strcmp(f->dataset, set) != 0) {
            at = &f->next;
            continue;
        }
        words = arena_text(a, f->words);
        *at = f->next;
        memory_release(f->dataset);
        memory_release(f->words);
        memory_release(f);
    }
    pthread_mutex_unlock(&t->mutex);
    return words;
}

/* ---- what is whole ------------------------------------------------------------------------------------------------------------------ */

static void note_failure(teach *t, const making *m, const char *words) {
    failure *f = memory_alloc(sizeof *f);
    *f = (failure){kept(m->x.dataset), kept(words), NULL};
    log_warning("lesson %s: %s", m->x.lesson, words);
    pthread_mutex_lock(&t->mutex);
    f->next = t->failures;
    t->failures = f;
    pthread_mutex_unlock(&t->mutex);
}

typedef struct {
    str text;
    bool unfinished; /* cut off at the limit */
} given;

static bool answers_of(const making *m, arena *a, given all[TEACH_ANSWERS], int *count, err *e) {
    *count = 0;
    for (int k = 0; k < 2 && m->work[k]; k++) {
        work_view v;
        work_read(m->work[k], a, &v);
        if (v.state == WORK_FAILED) return err_set(e, v.e.code, "%s", v.e.text);
        for (int i = 0; i < v.count && *count < TEACH_ANSWERS; i++)
            all[(*count)++] = (given){str_trim(v.answer[i].text), work_cut(&v.answer[i])};
    }
    return true;
}

static void put_number(json_writer *w, const char *key, int64_t n) { json_key(w, key), json_put_int(w, n); }

/* Which of two answers stands first is drawn here, and kept where annotators do not see it. */
static void put_item(const making *m, const given *all, int count, buf *out) {
    rng coin = rng_new(m->x.seed, 0x73696465);
    const bool swap = m->x.model[1] && rng_below(&coin, 2);
    static const char *const picks[] = {"answer_1", "answer_2", "answer_3", "answer_4"}, *const sides[] = {"answer_a",
                                                                                                           "answer_b"};
    const char *const *names = m->x.model[1] ? sides : picks;
    bool unfinished[TEACH_ANSWERS];
    json_writer w = json_writer_on(out, false);
    json_open(&w, '{');
    json_key(&w, "items"), json_open(&w, '[');
    json_open(&w, '{');
    json_key(&w, "fields"), json_open(&w, '{');
    json_key(&w, "prompt"), json_put_cstr(&w, m->x.prompt);
    for (int i = 0; i < count; i++) {
        const given *g = &all[swap ? count - 1 - i : i];
        json_key(&w, names[i]);
        json_put_text(&w, g->text);
        unfinished[i] = g->unfinished;
    }
    json_close(&w);
    json_key(&w, "metadata"), json_open(&w, '{');
    put_unfinished(&w, names, unfinished, count);
    put_number(&w, "round", m->x.round);
    put_number(&w, "index", m->x.index);
    if (m->x.model[1]) {
        json_key(&w, "against"), json_put_cstr(&w, m->x.against);
        json_key(&w, "a_is"), json_put_cstr(&w, swap ? "old" : "new");
    } else json_key(&w, "model"), json_put_cstr(&w, m->x.model[0]);
    json_close(&w);
    json_close(&w), json_close(&w), json_close(&w);
}

static void tell(teach *t, const making *m) {
    buf data = {0};
    json_writer w = json_writer_on(&data, false);
    json_open(&w, '{');
    json_key(&w, "id"), json_put_cstr(&w, m->x.lesson);
    json_key(&w, "status"), json_put_cstr(&w, m->x.model[1] ? "checking" : "teaching");
    json_close(&w);
    news_post(t->server, "teach", m->x.lesson, m->x.by, buf_str(&data));
    buf_free(&data);
}

static bool write_down(teach *t, making *m) {
    arena *a = arena_new();
    given all[TEACH_ANSWERS];
    int count, status;
    buf body = {0}, answer = {0};
    err e = {0};
    bool ok = answers_of(m, a, all, &count, &e);
    if (ok) {
        put_item(m, all, count, &body);
        ok = server_call(t->server, "POST", arena_printf(a, "/api/v1/datasets/%s/records/bulk", m->x.dataset), buf_str(&body),
                         &status, &answer, &e);
    }
    if (!ok && !t->ending) note_failure(t, m, e.text);
    buf_free(&body);
    buf_free(&answer);
    arena_free(a);
    return ok;
}

static making *first_whole(teach *t) { /* under the lock */
    for (making *m = t->oldest; m; m = m->next)
        if (m->written <= 0 && work_over(m->work[0]) && (!m->work[1] || work_over(m->work[1]))) return m;
    return NULL;
}

static bool some_work(const teach *t) {
    const making *m = t->oldest;
    while (m && m->written > 0) m = m->next;
    return m != NULL;
}

/* Those that failed, and those that were written long ago. */
static void forget(teach *t, const making *failed) { /* under the lock */
    const double now = sys_seconds();
    for (making **at = &t->oldest, *m; (m = *at) != NULL;) {
        if (m != failed && (m->written <= 0 || now - m->written < KEPT_SECONDS)) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        give_up(m);
    }
}

static void rest(teach *t, int milliseconds) { /* under the lock */
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)milliseconds % 1000 * 1000000;
    until.tv_sec += milliseconds / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&t->call, &t->mutex, &until);
}

static void *teach_main(void *context) {
    teach *t = context;
    pthread_mutex_lock(&t->mutex);
    while (!t->ending) {
        making *m = first_whole(t);
        if (!m) {
            forget(t, NULL);
            rest(t, some_work(t) ? LOOK_MS : IDLE_MS);
            continue;
        }
        pthread_mutex_unlock(&t->mutex);
        const bool ok = write_down(t, m);
        if (ok) tell(t, m);
        pthread_mutex_lock(&t->mutex);
        m->written = sys_seconds();
        work_free(m->work[0]), work_free(m->work[1]);
        m->work[0] = m->work[1] = NULL;
        if (!ok) forget(t, m);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

/* ---- its life ------------------------------------------------------------------------------------------------------------------------ */

teach *teach_new(server *s) {
    teach *t = memory_alloc(sizeof *t);
    t->server = s;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->call, NULL);
    return t;
}

void teach_end(teach *t) {
    if (!t || t->ending) return;
    t->ending = true;
    pthread_mutex_lock(&t->mutex);
    pthread_cond_signal(&t->call);
    pthread_mutex_unlock(&t->mutex);
    if (t->begun) pthread_join(t->thread, NULL);
    for (making *m; (m = t->oldest) != NULL;) {
        t->oldest = m->next;
        give_up(m);
    }
}

void teach_free(teach *t) {
    if (!t) return;
    teach_end(t);
    for (failure *f; (f = t->failures) != NULL;) {
        t->failures = f->next;
        memory_release(f->dataset);
        memory_release(f->words);
        memory_release(f);
    }
    pthread_cond_destroy(&t->call);
    pthread_mutex_destroy(&t->mutex);
    memory_release(t);
}
