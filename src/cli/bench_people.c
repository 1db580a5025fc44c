/* bench_people.c - annotators as the page is one: three records fetched ahead, a lease on the one that is shown, an answer, and now and
 * then a search (web/src/annotate/work.svelte.ts has the same requests). Each is a thread with a connection of its own. */
#include "cli/bench_people.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sys.h"

enum {
    AHEAD = 4,         /* records known before they are shown, with the shown one */
    EXCEPT = 490,      /* records the page says it has */
    THINK_MS = 300,    /* a person who answers three records a second: quicker than anybody */
    SEARCH_EVERY = 10, /* answers */
    PATIENCE = 120,    /* seconds until a run makes steps, or has ended */
    LATER = 1000000    /* steps: longer than anybody measures */
};

typedef char record_id[40];

typedef struct {
    const bench_people *b;
    const char *key;
    double until;
    rng random;
    wire w;
    record_id *known; /* all that were fetched */
    int fetched, shown, answered, room;
    load_times next, submit, search;
    err e;
    pthread_t thread;
} person;

/* ---- requests ------------------------------------------------------------------------------------------------------------------- */

/* `times` may be NULL. A refusal is an error, but for the status `may`, which the result tells. */
static bool ask(person *p, arena *a, const char *method, const char *path, str body, load_times *times, int may, json **out) {
    buf request = {0};
    int status = 0;
    str answer = {0};
    *out = NULL;
    wire_put(&request, method, path, p->key, body);
    const double from = sys_seconds();
    const bool ok = wire_send(&p->w, buf_str(&request), &p->e) && wire_receive(&p->w, &status, &answer, &p->e);
    if (ok && times) load_note(times, sys_seconds() - from);
    buf_free(&request);
    if (!ok || (status >= 400 && status == may)) return false;
    if (status >= 400)
        return err_set(&p->e, ERR_IO, "%s %s: %d %.*s", method, path, status, (int)(answer.len < 150 ? answer.len : 150),
                       answer.ptr);
    return !answer.len || json_parse_any(a, answer, out, &p->e);
}

static const char *of_set(person *p, arena *a, const char *what) {
    return arena_printf(a, "/api/v1/me/datasets/%s/%s", p->b->set + strlen("/api/v1/datasets/"), what);
}

static bool fetch(person *p, arena *a) {
    buf body = {0};
    json *got;
    const int from = p->fetched > EXCEPT ? p->fetched - EXCEPT : 0;
    buf_printf(&body, "{\"order\":\"sequential\",\"count\":%d,\"except\":[", AHEAD - (p->fetched - p->shown));
    for (int i = from; i < p->fetched; i++) buf_printf(&body, "%s\"%s\"", i > from ? "," : "", p->known[i]);
    buf_put_text(&body, "]}");
    const bool ok = ask(p, a, "POST", of_set(p, a, "next"), buf_str(&body), &p->next, 0, &got);
    buf_free(&body);
    const json *items = json_get(got, "items");
    for (size_t i = 0; ok && i < json_count(items); i++) {
        if (p->fetched == p->room) {
            p->room = p->room ? 2 * p->room : 256;
            p->known = memory_resize(p->known, (size_t)p->room * sizeof *p->known);
        }
        const str id = json_get_text(json_at(items, i), "id", STR(""));
        snprintf(p->known[p->fetched++], sizeof *p->known, "%.*s", STR_ARG(id));
    }
    return ok;
}

/* What the page's search sends: two words among the records that wait for this person. */
static bool find(person *p, arena *a) {
    buf body = {0};
    json *got;
    buf_put_text(&body, "{\"query\":{\"text\":{\"q\":\"");
    p->b->put_word(&body, &p->random), buf_put_char(&body, ' '), p->b->put_word(&body, &p->random);
    buf_put_text(&body,
                 "\"}},\"filters\":{\"type\":\"and\",\"and\":["
                 "{\"type\":\"terms\",\"scope\":{\"entity\":\"response\",\"property\":\"status\"},\"values\":[\"pending\"]},"
                 "{\"type\":\"terms\",\"scope\":{\"entity\":\"record\",\"property\":\"status\"},\"values\":[\"pending\"]}]}}");
    const char *path = of_set(p, a, "records/search?include=responses,suggestions&offset=0&limit=20");
    const bool ok = ask(p, a, "POST", path, buf_str(&body), &p->search, 0, &got);
    buf_free(&body);
    return ok;
}

/* One record: held, thought about, answered. Somebody else has it: passed over, as the page does. */
static bool annotate(person *p, arena *a) {
    const char *id = p->known[p->shown++];
    json *got;
    if (!ask(p, a, "POST", arena_printf(a, "/api/v1/records/%s/lease", id), STR("{}"), NULL, 409, &got)) return !p->e.code;
    poll(NULL, 0, THINK_MS);
    const char *body =
        arena_printf(a, "{\"items\":[{\"record_id\":\"%s\",\"status\":\"submitted\",\"values\":{\"label\":{\"value\":\"%s\"}}}]}",
                     id, p->answered % 2 ? "good" : "bad");
    if (!ask(p, a, "POST", "/api/v1/me/responses/bulk", str_of(body), &p->submit, 0, &got)) return false;
    const json *refused = json_get(json_at(json_get(got, "items"), 0), "error");
    if (refused) return err_set(&p->e, ERR_IO, "an answer to record %s was refused", id);
    if (++p->answered % SEARCH_EVERY) return true;
    return ask(p, a, "GET", of_set(p, a, "metrics"), (str){NULL, 0}, NULL, 0, &got) && find(p, a);
}

static void *person_main(void *context) {
    person *p = context;
    bool ok = wire_open(&p->w, p->b->port, &p->e);
    while (ok && sys_seconds() < p->until && !sys_stop_requested()) {
        arena *a = arena_new();
        ok = fetch(p, a) && p->shown < p->fetched && annotate(p, a);
        arena_free(a);
    }
    return NULL;
}

/* ---- people --------------------------------------------------------------------------------------------------------------------- */

static bool invite(arena *a, const bench_people *b, int round, int number, person *out, err *e) {
    json *made, *added;
    const char *body = arena_printf(
        a, "{\"username\":\"p%d-%d\",\"first_name\":\"p\",\"role\":\"annotator\",\"password\":\"12345678\"}", round, number);
    if (!desk_ask(a, b->d, "POST", "/api/v1/users", str_of(body), &made, e)) return false;
    *out = (person){.b = b, .key = str_copy(a, json_get_text(made, "api_key", STR(""))), .random = rng_new(11, (uint64_t)number)};
    const char *member = arena_printf(a, "{\"user_id\":\"%.*s\"}", STR_ARG(json_get_text(made, "id", STR(""))));
    return desk_ask(a, b->d, "POST", arena_printf(a, "/api/v1/workspaces/%s/users", b->space), str_of(member), &added, e);
}

static void sum_up(arena *a, person *p, int count, people_result *out) {
    load_times **next = arena_array(a, load_times *, count), **submit = arena_array(a, load_times *, count),
               **search = arena_array(a, load_times *, count);
    for (int i = 0; i < count; i++) next[i] = &p[i].next, submit[i] = &p[i].submit, search[i] = &p[i].search;
    load_sum(next, count, &out->next);
    load_sum(submit, count, &out->submit);
    load_sum(search, count, &out->search);
}

bool bench_people_run(arena *a, const bench_people *b, int round, people_result *out, err *e) {
    person *p = arena_array(a, person, b->people);
    int started = 0;
    *out = (people_result){0};
    for (int i = 0; i < b->people; i++)
        if (!invite(a, b, round, i, &p[i], e)) return false;
    const double begun = sys_seconds();
    for (; started < b->people; started++) {
        p[started].until = begun + b->seconds;
        if (pthread_create(&p[started].thread, NULL, person_main, &p[started]) != 0) break;
    }
    for (int i = 0; i < started; i++) pthread_join(p[i].thread, NULL);
    out->next.seconds = out->submit.seconds = out->search.seconds = sys_seconds() - begun;
    bool ok = started == b->people || err_set(e, ERR_LIMIT, "no more than %d threads", started);
    for (int i = 0; i < started; i++) {
        if (p[i].e.code) ok = err_set(e, p[i].e.code, "%s", p[i].e.text);
        wire_close(&p[i].w);
        memory_release(p[i].known);
    }
    sum_up(a, p, started, out);
    return ok;
}

/* ---- a run beside them -------------------------------------------------------------------------------------------------------------- */

static bool write_examples(const char *path, err *e) {
    file_out f;
    if (!file_out_open(&f, path, e)) return false;
    bool ok = true;
    for (int i = 0; i < 256 && ok; i++) {
        char line[1200] = "";
        int n = snprintf(line, sizeof line, "{\"prompt\":\"Tell me about number %d.\",\"completion\":\"", i);
        for (int k = 0; k < 20; k++) n += snprintf(line + n, sizeof line - (size_t)n, "It is %d. ", i * k);
        n += snprintf(line + n, sizeof line - (size_t)n, "\"}\n");
        ok = file_out_put(&f, line, (size_t)n, e);
    }
    if (ok) return file_out_commit(&f, e);
    file_out_abandon(&f);
    return false;
}

static bool look(arena *a, desk *d, const char *run, json **out, err *e) {
    return desk_ask(a, d, "GET", arena_printf(a, "/api/v1/runs/%s", run), STR(""), out, e);
}

bool bench_run_step(arena *a, desk *d, const char *run, int64_t *step, err *e) {
    json *v;
    if (!look(a, d, run, &v, e)) return false;
    *step = json_get_int(v, "step", 0);
    return true;
}

/* Until it makes steps, or has ended. */
static bool wait_for(arena *a, desk *d, const char *run, bool working, err *e) {
    json *v = NULL;
    for (int i = 0; i < 10 * PATIENCE; i++) {
        if (!look(a, d, run, &v, e)) return false;
        const str now = json_get_text(v, "status", STR(""));
        const bool alive = !json_get(v, "ended_at");
        if (working ? json_get_int(v, "step", 0) > 0 : !alive) return true;
        if (!alive) return err_set(e, ERR_IO, "the run ended: %.*s", STR_ARG(json_get_text(v, "reason", now)));
        poll(NULL, 0, 100);
    }
    return err_set(e, ERR_IO, "the run %s within %d seconds", working ? "made no step" : "did not end", PATIENCE);
}

bool bench_run_begin(arena *a, desk *d, const char *folder, const char *model, const char **run, err *e) {
    json *v;
    const char *examples = path_join(a, folder, "examples.jsonl");
    const char *const added[] = {"name", "taught", "path", path_absolute(a, model), NULL};
    if (!write_examples(examples, e) || !desk_ask(a, d, "POST", "/api/v1/models", desk_body(a, added), &v, e)) return false;
    const char *order = arena_printf(
        a,
        "{\"objective\":\"sft\",\"base\":\"taught\",\"data\":{\"file\":\"%s\"},\"set\":{"
        "\"max_steps\":%d,\"save_steps\":0,\"logging_steps\":1,\"per_device_train_batch_size\":2,\"use_peft\":true}}",
        examples, LATER);
    if (!desk_ask(a, d, "POST", "/api/v1/runs", str_of(order), &v, e)) return false;
    *run = str_copy(a, json_get_text(v, "id", STR("")));
    return wait_for(a, d, *run, true, e);
}

bool bench_run_end(arena *a, desk *d, const char *run, err *e) {
    json *v;
    return desk_ask(a, d, "POST", arena_printf(a, "/api/v1/runs/%s/stop", run), STR(""), &v, e) && wait_for(a, d, run, false, e);
}
