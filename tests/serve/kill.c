/* kill -9 under load: people submit over HTTP, the server is killed at a random moment, and again; whatever was acknowledged is there,
 * nothing is there by half, and what nobody knows about is settled by asking again under the same key.
 *
 * FETTLE_KILLS=N: how often (20); FETTLE_SEED=N: which moments (1). The server is this program itself, started as `kill serve HOME PORT-FILE`. */
#include "ear.h"
#include "house.h"

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/rng.h"

extern char **environ;

enum { WRITERS = 6, RECORDS = 4, TRIPLE = 3, NOTED = 1 << 16 };

/* What one person did. A submission puts three records at once, or answers one of a few records anew with a number that grows. */
typedef struct {
    int number;
    person who;
    int port;
    const char *set, *record[RECORDS];
    rng random;
    arena *a;                                  /* of the round */
    int tries, submissions;                    /* triples tried so far; answers tried so far */
    int kept[NOTED], count, checked;           /* triples that were acknowledged */
    int answered[RECORDS];                     /* last acknowledged answer, 0: none */
    int open_triple, open_answer, open_record; /* asked, and no answer came: -1 none */
    _Atomic int acknowledged;
    char wrong[300];
} writer;

/* ---- the server as a process -------------------------------------------------------------------------------------------------------- */

static int serve(const char *home, const char *port_file) {
    err e = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    log_most = LOG_ERROR;
    sys_catch_signals();
    const serve_options o = {.home = home, .host = "127.0.0.1", .port_file = port_file, .body_max = 1 << 20};
    server *s = server_open(&o, &e);
    const bool ok = s && server_run(s, &e);
    if (!ok) fprintf(stderr, "%s\n", e.text);
    server_close(s);
    return ok ? 0 : 1;
}

/* Waits for the end; kills what does not end. A process that was waited for is nobody's any more, and its number may be another's. */
static int end_of(pid_t child, int hundredths) {
    int status = -1;
    pid_t done = 0;
    for (int i = 0; i < hundredths && (done = waitpid(child, &status, WNOHANG)) == 0; i++) usleep(10000);
    if (done) return status;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

static pid_t start(arena *a, const char *home, const char *port_file, int *port) {
    err e = {0};
    str text;
    pid_t child;
    char *words[] = {"kill", "serve", arena_text(a, home), arena_text(a, port_file), NULL};
    unlink(port_file);
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, words, environ) != 0) fail_msg("no process");
    for (int i = 0; i < 10000; i++) {
        if (file_size(port_file) > 0 && file_read(a, port_file, 20, &text, &e)) {
            *port = atoi(str_copy(a, text));
            return child;
        }
        usleep(1000);
    }
    kill(child, SIGKILL);
    fail_msg("the server did not start");
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------------- */

static answer submit_triple(writer *w, int fd, int number) {
    const char *body =
        arena_printf(w->a,
                     "{\"items\":[{\"fields\":{\"text\":\"a\"},\"external_id\":\"%d-%d-0\"},{\"fields\":{\"text\":\"b\"},"
                     "\"external_id\":\"%d-%d-1\"},{\"fields\":{\"text\":\"c\"},\"external_id\":\"%d-%d-2\"}]}",
                     w->number, number, w->number, number, w->number, number);
    return request_on(w->a, fd, "POST", arena_printf(w->a, "/api/v1/datasets/%s/records/bulk", w->set), w->who.key,
                      arena_printf(w->a, "Idempotency-Key: t-%d-%d\r\n", w->number, number), str_of(body));
}

static answer submit_answer(writer *w, int fd, int which, int number) {
    const char *body =
        arena_printf(w->a, "{\"items\":[{\"record_id\":\"%s\",\"status\":\"submitted\",\"values\":{\"n\":{\"value\":\"%d\"}}}]}",
                     w->record[which], number);
    return request_on(w->a, fd, "POST", "/api/v1/me/responses/bulk", w->who.key,
                      arena_printf(w->a, "Idempotency-Key: a-%d-%d\r\n", w->number, number), str_of(body));
}

static bool judge(writer *w, const answer *x, int status, const char *what) {
    if (x->status == status && str_find(x->body, STR("\"error\":{"), 0) < 0) return true;
    if (x->status)
        snprintf(w->wrong, sizeof w->wrong, "%s: %d %.*s", what, x->status, (int)(x->body.len < 200 ? x->body.len : 200),
                 x->body.ptr);
    return false;
}

static bool one_triple(writer *w, int fd, int number) {
    w->open_triple = number;
    const answer x = submit_triple(w, fd, number);
    if (!judge(w, &x, 201, "three records")) return false;
    if (w->count < NOTED) w->kept[w->count++] = number;
    w->open_triple = -1;
    w->acknowledged++;
    return true;
}

static bool one_answer(writer *w, int fd, int which, int number) {
    w->open_record = which;
    w->open_answer = number;
    const answer x = submit_answer(w, fd, which, number);
    if (!judge(w, &x, 200, "an answer")) return false;
    w->answered[which] = number;
    w->open_record = w->open_answer = -1;
    w->acknowledged++;
    return true;
}

static void *write_until_killed(void *context) {
    writer *w = context;
    const int fd = dial(w->port);
    bool ok = fd >= 0;
    if (ok && w->open_triple >= 0) ok = one_triple(w, fd, w->open_triple); /* first settle what nobody knows about */
    if (ok && w->open_answer >= 0) ok = one_answer(w, fd, w->open_record, w->open_answer);
    while (ok && !*w->wrong)
        ok = rng_below(&w->random, 3) ? one_answer(w, fd, (int)rng_below(&w->random, RECORDS), ++w->submissions)
                                      : one_triple(w, fd, ++w->tries);
    if (fd >= 0) close(fd);
    return NULL;
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    writer *w;
    int64_t set;
    bool everything;
    char wrong[300];
} looking;

static int parts_of_triple(store_tx *t, arena *a, int64_t set, int who, int number) {
    int there = 0;
    for (int i = 0; i < TRIPLE; i++) {
        char id[64];
        record r;
        err none = {0};
        snprintf(id, sizeof id, "%d-%d-%d", who, number, i);
        there += record_external(t, a, set, str_of(id), &r, &none);
    }
    return there;
}

static bool check_writer(store_tx *t, arena *a, looking *l, writer *w) {
    for (int i = l->everything ? 0 : w->checked; i < w->count; i++) {
        const int there = parts_of_triple(t, a, l->set, w->number, w->kept[i]);
        if (there == TRIPLE) continue;
        snprintf(l->wrong, sizeof l->wrong, "records %d of writer %d were acknowledged; %d of 3 are there", w->kept[i], w->number,
                 there);
        return false;
    }
    w->checked = w->count;
    const int half = w->open_triple < 0 ? 0 : parts_of_triple(t, a, l->set, w->number, w->open_triple);
    if (half != 0 && half != TRIPLE) {
        snprintf(l->wrong, sizeof l->wrong, "a write of three records is there by %d", half);
        return false;
    }
    for (int i = 0; i < RECORDS; i++) {
        record r;
        user u;
        response x;
        err none = {0};
        int number = 0;
        if (record_get(t, a, w->record[i], &r, &none) && user_get(t, a, w->who.id, &u, &none) &&
            response_of(t, a, r.seq, u.seq, &x, &none) &&
            sscanf(str_copy(a, x.values), "{\"n\":{\"value\":\"%d\"}}", &number) != 1)
            number = -1;
        if (number == w->answered[i] || (i == w->open_record && number == w->open_answer)) continue;
        snprintf(l->wrong, sizeof l->wrong, "writer %d: answer %d to record %d was acknowledged, %d is there", w->number,
                 w->answered[i], i, number);
        return false;
    }
    return true;
}

/* Counts that are kept beside the rows must be those of the rows. */
static bool check_counts(store_tx *t, arena *a, looking *l) {
    dataset d;
    records page = {0};
    err e = {0};
    int64_t all = 0, completed = 0, last = 0;
    do {
        if (!record_after(t, a, l->set, last, 1000, &page, &e)) return false;
        for (int i = 0; i < page.count; i++) {
            responses answers;
            last = page.item[i].seq;
            all++;
            completed += page.item[i].completed;
            if (!response_list(t, a, last, &answers, &e)) return false;
            if (page.item[i].submitted == answers.count && page.item[i].completed == (answers.count >= 2)) continue;
            snprintf(l->wrong, sizeof l->wrong, "a record counts %lld answers and has %d", (long long)page.item[i].submitted,
                     answers.count);
            return false;
        }
    } while (page.count);
    if (!dataset_get_seq(t, a, l->set, &d, &e)) return false;
    if (d.records == all && d.completed == completed) return true;
    snprintf(l->wrong, sizeof l->wrong, "the dataset counts %lld records, %lld completed; there are %lld and %lld",
             (long long)d.records, (long long)d.completed, (long long)all, (long long)completed);
    return false;
}

static bool look(store_tx *t, void *context, err *e) {
    looking *l = context;
    arena *a = arena_new();
    bool ok = true;
    for (int i = 0; i < WRITERS && ok; i++) ok = check_writer(t, a, l, &l->w[i]);
    ok = ok && (!l->everything || check_counts(t, a, l));
    arena_free(a);
    return ok || err_set(e, ERR_INPUT, "%s", l->wrong);
}

/* ---- the test ------------------------------------------------------------------------------------------------------------------------- */

static int64_t furnish(house *h, writer *w) {
    static const char *const kinds[] = {"owner", "admin"};
    const char *space = a_space();
    const char *set =
        word(made("POST", "/api/v1/datasets",
                  FORMAT("{'name':'load','workspace_id':'%s','distribution':{'strategy':'overlap','min_submitted':2}}", space)),
             "id");
    const char *where = FORMAT("/api/v1/datasets/%s", set);
    made("POST", FORMAT("%s/fields", where), "{'name':'text','title':'T','required':true,'settings':{'type':'text'}}");
    made("POST", FORMAT("%s/questions", where), "{'name':'n','title':'N','required':true,'settings':{'type':'text'}}");
    made("PUT", FORMAT("%s/publish", where), NULL);
    const json *all =
        made("POST", FORMAT("%s/records/bulk", where),
             "{'items':[{'fields':{'text':'0'}},{'fields':{'text':'1'}},{'fields':{'text':'2'}},{'fields':{'text':'3'}}]}");
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (writer){.number = i,
                        .set = set,
                        .who = a_person(kinds[i % 2]),
                        .random = rng_new(17, (uint64_t)i),
                        .open_triple = -1,
                        .open_answer = -1,
                        .open_record = -1};
        if (i % 2) joins(space, &w[i].who);
        for (int k = 0; k < RECORDS; k++) w[i].record[k] = word(json_at(json_get(all, "items"), (size_t)k), "id");
    }
    (void)h;
    return 1; /* the first dataset of its store */
}

static int acknowledged_by_all(const writer *w) {
    int sum = 0;
    for (int i = 0; i < WRITERS; i++) sum += w[i].acknowledged;
    return sum;
}

/* However busy the machine is, most kills are to meet a server at work. */
static void wait_for_work(const writer *w, int before) {
    for (int i = 0; i < 10000 && acknowledged_by_all(w) == before; i++) usleep(1000);
}

static void load_and_kill(house *h, writer *w, rng *random) {
    pthread_t thread[WRITERS];
    int port, status;
    const int before = acknowledged_by_all(w);
    const char *home = path_join(h->own, h->folder, "home");
    arena *a = arena_new();
    const pid_t child = start(a, home, h->port_file, &port);
    for (int i = 0; i < WRITERS; i++) {
        w[i].port = port;
        w[i].a = arena_new();
        if (pthread_create(&thread[i], NULL, write_until_killed, &w[i]) != 0) fail_msg("no thread");
    }
    if (rng_below(random, 4)) wait_for_work(w, before); /* else: while it starts, too */
    usleep(rng_below(random, 55000));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(thread[i], NULL);
        arena_free(w[i].a);
    }
    arena_free(a);
}

static void check(house *h, looking *l, int round) {
    err e = {0};
    store *s = store_open(path_join(h->own, h->folder, "home"), &e);
    if (!s) fail_msg("after kill %d: the store does not open: %s", round, e.text);
    if (!store_read(s, look, l, &e)) fail_msg("after kill %d: %s", round, e.text);
    if (l->everything && !store_check(s, &e)) fail_msg("after kill %d: %s", round, e.text);
    store_close(s);
    for (int i = 0; i < WRITERS; i++)
        if (*l->w[i].wrong) fail_msg("after kill %d: %s", round, l->w[i].wrong);
}

static void what_was_acknowledged_survives_kill_9(void **state) {
    static writer w[WRITERS];
    house *h = *state;
    const char *asked = getenv("FETTLE_KILLS");
    const int kills = asked && atoi(asked) > 0 ? atoi(asked) : 20;
    err e = {0};
    const char *seed = getenv("FETTLE_SEED");
    rng random = rng_new(23, seed ? (uint64_t)atoi(seed) : 1);
    const serve_options o = {.home = path_join(h->own, h->folder, "home"), .host = "127.0.0.1", .body_max = 1 << 20};
    h->s = server_open(&o, &e);
    assert_ok(h->s != NULL, e);
    looking l = {.w = w, .set = furnish(h, w)};
    server_close(h->s);
    for (int i = 0; i < kills; i++) {
        load_and_kill(h, w, &random);
        l.everything = i % 50 == 49 || i == kills - 1;
        check(h, &l, i);
    }
    const int acknowledged = acknowledged_by_all(w);
    print_message("%d kills, %d acknowledged writes\n", kills, acknowledged);
    assert_true(acknowledged > kills / 2);
}

/* SIGTERM under load: what runs is answered, the exit is 0, and nothing acknowledged is missing either. */
static void what_was_acknowledged_survives_an_orderly_end(void **state) {
    static writer w[WRITERS];
    house *h = *state;
    err e = {0};
    pthread_t thread[WRITERS];
    int port, status = -1;
    const serve_options o = {.home = path_join(h->own, h->folder, "home"), .host = "127.0.0.1", .body_max = 1 << 20};
    h->s = server_open(&o, &e);
    assert_ok(h->s != NULL, e);
    looking l = {.w = w, .set = furnish(h, w), .everything = true};
    server_close(h->s);
    for (int round = 0; round < 2; round++) {
        const pid_t child = start(h->own, o.home, h->port_file, &port);
        const double begun = sys_seconds();
        for (int i = 0; i < WRITERS; i++) {
            w[i].port = port;
            w[i].a = arena_new();
            assert_int_equal(pthread_create(&thread[i], NULL, write_until_killed, &w[i]), 0);
        }
        usleep(50000);
        kill(child, SIGTERM);
        status = end_of(child, 1200);
        const double took = sys_seconds() - begun;
        for (int i = 0; i < WRITERS; i++) {
            pthread_join(thread[i], NULL);
            arena_free(w[i].a);
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("the server ended with %d after %.1f s", status, took);
        if (took > 10) fail_msg("ending took %.1f s", took);
        check(h, &l, round);
    }
}

/* Streams, clients that never finish their request, and clients that say nothing do not hold it up. */
static void idle_clients_do_not_hold_up_an_orderly_end(void **state) {
    house *h = *state;
    err e = {0};
    int port, status = -1;
    const serve_options o = {.home = path_join(h->own, h->folder, "home"), .host = "127.0.0.1", .body_max = 1 << 20};
    h->s = server_open(&o, &e);
    assert_ok(h->s != NULL, e);
    const person owner = a_person("owner");
    server_close(h->s);
    const pid_t child = start(h->own, o.home, h->port_file, &port);
    int fd[12];
    for (int i = 0; i < 12; i++) {
        fd[i] = dial(port);
        const char *head = FORMAT("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\n\r\n", owner.key);
        if (i % 4 == 0) send_bytes(fd[i], str_of(head));
        if (i % 4 == 1) send_bytes(fd[i], STR("GET /api/v1/me HTT"));
        if (i % 4 == 2)
            send_bytes(fd[i], STR("POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"));
    }
    usleep(100000);
    const double begun = sys_seconds();
    kill(child, SIGTERM);
    status = end_of(child, 1500);
    const double took = sys_seconds() - begun;
    for (int i = 0; i < 12; i++) close(fd[i]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("the server ended with %d after %.1f s", status, took);
    if (took > 8) fail_msg("ending took %.1f s", took);
}

/* The pauses after a failure are long: what waits is made due while no server runs. */
static bool make_due(store_tx *t, void *context, err *e) {
    webhooks hooks;
    int *waiting = context;
    if (!webhook_list(t, the_house->a, &hooks, e)) return false;
    for (int i = 0; i < hooks.count; i++) {
        int64_t seq;
        int tries = 0;
        if (!delivery_again(t, hooks.item[i].seq, INT64_MAX, &seq, &tries, e)) return false;
        if (seq && !delivery_keep(t, hooks.item[i].seq, seq, tries, 1, e)) return false;
        *waiting += seq != 0;
    }
    return true;
}

static void kill_now(pid_t child) {
    kill(child, SIGKILL);
    end_of(child, 1000);
}

/* One receiver was being told when the server was killed, one had refused: both hear it again, under the same id. */
static void what_webhooks_were_not_told_survives_kill_9(void **state) {
    house *h = *state;
    err e = {0};
    ear slow, cross;
    int port, waiting = 0;
    const char *home = path_join(h->own, h->folder, "home"), *told = "'events':['record.created']}";
    const serve_options o = {.home = home, .host = "127.0.0.1", .body_max = 1 << 20};
    listen_on(&slow, 0), listen_on(&cross, 500);
    h->s = server_open(&o, &e);
    assert_ok(h->s != NULL, e);
    const person owner = a_person("owner");
    const stuff x = a_dataset(a_space(), NULL);
    made("POST", "/api/v1/webhooks", FORMAT("{'url':'http://127.0.0.1:%d/',%s", slow.port, told));
    made("POST", "/api/v1/webhooks", FORMAT("{'url':'http://127.0.0.1:%d/',%s", cross.port, told));
    server_close(h->s);
    pid_t child = start(h->own, home, h->port_file, &port);
    const int fd = dial(port);
    const str body = str_of(quoted(h->a, "{'items':[{'fields':{'text':'a'}}]}"));
    const answer got = request_on(h->a, fd, "POST", FORMAT("/api/v1/datasets/%s/records/bulk", x.id), owner.key, NULL, body);
    assert_int_equal(got.status, 201);
    close(fd);
    assert_true(hears(&slow, 1, 20) && hears(&cross, 1, 20));
    for (int i = 0; i < 100 && !waiting; i++) { /* until the refusal is noted, which nothing outside shows */
        kill_now(child);
        store *s = store_open(home, &e);
        assert_ok(s && store_write(s, make_due, &waiting, &e), e);
        store_close(s);
        if (waiting) break;
        child = start(h->own, home, h->port_file, &port);
        usleep(50000);
    }
    assert_int_equal(waiting, 1);
    const int before[] = {slow.count, cross.count};
    slow.status = cross.status = 200;
    child = start(h->own, home, h->port_file, &port);
    assert_true(hears(&slow, before[0] + 1, 20) && hears(&cross, before[1] + 1, 20));
    for (int i = 0; i < slow.count; i++) assert_string_equal(slow.id[i], slow.id[0]);
    for (int i = 0; i < cross.count; i++) assert_string_equal(cross.id[i], cross.id[0]);
    kill_now(child);
    go_deaf(&slow), go_deaf(&cross);
}

static int folder_begin(void **state) {
    arena *a = arena_new();
    house *h = arena_new_of(a, house);
    *h = (house){.own = a, .a = arena_new(), .folder = scratch_folder(a)};
    h->port_file = path_join(a, h->folder, "port");
    log_most = LOG_ERROR;
    *state = the_house = h;
    return 0;
}

static int folder_end(void **state) {
    house *h = *state;
    err e = {0};
    dir_remove(h->folder, &e);
    arena_free(h->a);
    arena_free(h->own);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "serve") == 0) return serve(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_kill_9, folder_begin, folder_end),
        cmocka_unit_test_setup_teardown(what_webhooks_were_not_told_survives_kill_9, folder_begin, folder_end),
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_an_orderly_end, folder_begin, folder_end),
        cmocka_unit_test_setup_teardown(idle_clients_do_not_hold_up_an_orderly_end, folder_begin, folder_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
