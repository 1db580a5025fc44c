/* endpoint.c - what holds for every kind: which one a spec means, tries, rate, budget, counts. */
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "assist/assist.h"
#include "base/rng.h"
#include "base/sys.h"

enum { TRIES = 5, SECONDS = 120, PAUSE_MOST = 30, MAX_TOKENS = 512 };

struct endpoint {
    const endpoint_kind *kind;
    void *hands;
    endpoint_options o;
    char agent[128];
    pthread_mutex_t mutex; /* over what follows */
    endpoint_use used;
    double free_at; /* when the next request may begin */
    uint64_t waits;
};

static const endpoint_kind *const kinds[] = {
#define X(name) &endpoint_kind_##name,
    ENDPOINT_KINDS(X)
#undef X
};

/* "http://host/v1#gpt" is named by its model, a path by its last part. */
static void name_agent(endpoint *p) {
    const char *hash = strrchr(p->o.spec, '#'), *slash = strrchr(p->o.spec, '/');
    const char *from = hash ? hash + 1 : slash && slash[1] ? slash + 1 : p->o.spec;
    size_t n = 0;
    for (; from[n] && n < sizeof p->agent - 1; n++)
        p->agent[n] = isalnum((unsigned char)from[n]) || strchr("-_:./", from[n]) ? from[n] : '_';
    if (!n) strcpy(p->agent, "model");
}

endpoint *endpoint_over(const endpoint_kind *kind, void *hands, const endpoint_options *o) {
    endpoint *p = memory_alloc(sizeof *p);
    *p = (endpoint){.kind = kind, .hands = hands, .o = *o};
    if (p->o.seconds <= 0) p->o.seconds = SECONDS;
    if (p->o.tries <= 0) p->o.tries = TRIES;
    pthread_mutex_init(&p->mutex, NULL);
    name_agent(p);
    return p;
}

endpoint *endpoint_open(const endpoint_options *o, err *e) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!kinds[i]->takes(o->spec)) continue;
        void *hands = kinds[i]->open(o, e);
        return hands ? endpoint_over(kinds[i], hands, o) : NULL;
    }
    return err_null(e, ERR_USAGE, "'%s' is neither a model nor the address of one", o->spec);
}

void endpoint_close(endpoint *p) {
    if (!p) return;
    p->kind->close(p->hands);
    pthread_mutex_destroy(&p->mutex);
    memory_release(p);
}

const char *endpoint_agent(const endpoint *p) { return p->agent; }

endpoint_use endpoint_used(endpoint *p) {
    pthread_mutex_lock(&p->mutex);
    const endpoint_use u = p->used;
    pthread_mutex_unlock(&p->mutex);
    return u;
}

void endpoint_put_used(json_writer *w, endpoint *p) {
    const endpoint_use u = endpoint_used(p);
    json_key(w, "agent"), json_put_cstr(w, endpoint_agent(p));
    json_key(w, "requests"), json_put_int(w, u.requests);
    json_key(w, "retries"), json_put_int(w, u.retries);
    json_key(w, "prompt_tokens"), json_put_int(w, u.prompt_tokens);
    json_key(w, "answer_tokens"), json_put_int(w, u.answer_tokens);
    json_key(w, "cost"), json_put_real(w, u.cost);
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------------------- */

static bool asked_to_stop(const endpoint *p) { return (p->o.stop && p->o.stop(p->o.self)) || sys_stop_requested(); }

static bool wait_until(const endpoint *p, double moment, err *e) {
    for (double left; (left = moment - sys_seconds()) > 0;) {
        if (asked_to_stop(p)) return err_set(e, ERR_STOPPED, "stopped");
        const double nap = left < 0.05 ? left : 0.05;
        nanosleep(&(struct timespec){.tv_nsec = (long)(nap * 1e9)}, NULL);
    }
    return !asked_to_stop(p) || err_set(e, ERR_STOPPED, "stopped");
}

/* The turn of a request: so many a minute, each as far from the next. */
static bool take_turn(endpoint *p, err *e) {
    pthread_mutex_lock(&p->mutex);
    const double now = sys_seconds(), turn = p->free_at > now ? p->free_at : now;
    const int64_t spent = p->used.prompt_tokens + p->used.answer_tokens;
    const bool allowed = !p->o.tokens_most || spent < p->o.tokens_most;
    if (allowed && p->o.per_minute > 0) p->free_at = turn + 60 / p->o.per_minute;
    pthread_mutex_unlock(&p->mutex);
    if (!allowed)
        return err_set(e, ERR_LIMIT, "the budget of %lld tokens is used up (%lld)", (long long)p->o.tokens_most,
                       (long long)spent);
    return wait_until(p, turn, e);
}

/* 1, 2, 4 ... seconds, half of it by chance, so that those who failed together do not come back together. */
static double pause_before(endpoint *p, int failures) {
    pthread_mutex_lock(&p->mutex);
    const double chance = (double)(rng_mix(p->waits++, (uint64_t)(sys_seconds() * 1e9)) >> 11) / 9007199254740992.0;
    pthread_mutex_unlock(&p->mutex);
    const double full = fmin(ldexp(1, failures - 1), PAUSE_MOST);
    return full * (0.5 + 0.5 * chance);
}

static void count(endpoint *p, const endpoint_try *t, double seconds, bool again) {
    pthread_mutex_lock(&p->mutex);
    p->used.requests++;
    p->used.retries += again;
    p->used.prompt_tokens += t->prompt_tokens;
    p->used.answer_tokens += t->answer_tokens;
    p->used.seconds += seconds;
    p->used.cost += ((double)t->prompt_tokens * p->o.cost_prompt + (double)t->answer_tokens * p->o.cost_answer) / 1e6;
    pthread_mutex_unlock(&p->mutex);
}

/* ---- trying -------------------------------------------------------------------------------------------------------------------------- */

typedef bool (*attempt)(endpoint *p, void *what, endpoint_try *t, err *e);

static bool try_until(endpoint *p, attempt run, void *what, err *e) {
    for (int failures = 0;;) {
        endpoint_try t = {.seconds = p->o.seconds};
        err why = {0};
        if (!take_turn(p, e)) return false;
        const double begun = sys_seconds();
        const bool ok = run(p, what, &t, &why);
        count(p, &t, sys_seconds() - begun, failures > 0);
        if (ok) return true;
        if (!t.passing || ++failures >= p->o.tries) {
            if (failures > 1) return err_set(e, why.code, "%s (tried %d times)", why.text, failures);
            return err_set(e, why.code, "%s", why.text);
        }
        if (!wait_until(p, sys_seconds() + pause_before(p, failures), e)) return false;
    }
}

typedef struct {
    arena *a;
    const endpoint_order *order;
    endpoint_answer *out;
} chat_call;

static bool chat_once(endpoint *p, void *what, endpoint_try *t, err *e) {
    chat_call *c = what;
    return p->kind->chat(p->hands, c->a, c->order, c->out, t, e);
}

bool endpoint_chat(endpoint *p, arena *a, const endpoint_order *o, endpoint_answer *out, err *e) {
    endpoint_order own = *o;
    if (own.max_tokens <= 0) own.max_tokens = MAX_TOKENS;
    return try_until(p, chat_once, &(chat_call){a, &own, out}, e);
}

typedef struct {
    arena *a;
    const json *messages;
    const char *const *choices;
    int count;
    double *logp;
} choice_call;

static bool choose_once(endpoint *p, void *what, endpoint_try *t, err *e) {
    choice_call *c = what;
    return p->kind->choices(p->hands, c->a, c->messages, c->choices, c->count, c->logp, t, e);
}

bool endpoint_choices(endpoint *p, arena *a, const json *messages, const char *const *choices, int count_of, double *logp,
                      err *e) {
    if (count_of < 1) bug("no choices");
    return try_until(p, choose_once, &(choice_call){a, messages, choices, count_of, logp}, e);
}

typedef struct {
    arena *a;
    const str *texts;
    int count;
    const float **out;
    int *width;
} embed_call;

static bool embed_once(endpoint *p, void *what, endpoint_try *t, err *e) {
    embed_call *c = what;
    return p->kind->embed(p->hands, c->a, c->texts, c->count, c->out, c->width, t, e);
}

bool endpoint_embed(endpoint *p, arena *a, const str *texts, int count_of, const float ***out, int *width, err *e) {
    *out = arena_array(a, const float *, count_of + 1);
    for (int i = 0; i < count_of; i++)
        if (!str_trim(texts[i]).len) return err_set(e, ERR_INPUT, "text %d is empty: it has no vector", i);
    return !count_of || try_until(p, embed_once, &(embed_call){a, texts, count_of, *out, width}, e);
}
