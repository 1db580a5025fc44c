/* bench_server.c - the server under load: records come in by the command people use, clients read, answer and search, streams wait.
 *
 * The server is a child on a temporary folder; the load runs here, so both share the machine's cores. Nothing here asserts a time. */
#include "cli/bench_server.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/sys.h"
#include "cli/bench_people.h"
#include "cli/desk.h"
#include "cli/load.h"

enum {
    READERS = 16,
    WRITERS = 64,
    SEARCHERS = 1,
    DIMENSIONS = 384,
    WORDS = 2000,
    RECORD_BYTES = 1000,
    EXPORTED_MOST = 1 << 20, /* a record as a line of the export */
    STREAMS_MOST = 4000
};

typedef struct {
    arena *a;
    const bench_server_options *o;
    json_writer *out;
    const char *folder, *home, *rows, *exported, *key, *space, *set;
    int64_t process;
    int port;
    desk d;
    const char **record; /* ids, o->records of them */
    int64_t records;
} bench;

/* ---- telling -------------------------------------------------------------------------------------------------------------------- */

static void tell(const bench *b, const char *key, const char *words, double value, const char *unit) {
    if (b->out) json_key(b->out, key), json_put_real(b->out, value);
    else printf("  %-52s %12.*f %s\n", words, value < 100 ? 1 : 0, value, unit);
    fflush(stdout);
}

static void tell_bytes(const bench *b, const char *key, const char *words, double bytes) {
    tell(b, key, words, b->out ? bytes : bytes / 1e6, "MB");
}

static void tell_load(const bench *b, const char *key, const char *words, const load_result *r) {
    const double rate = r->seconds > 0 ? (double)r->answers / r->seconds : 0;
    if (!b->out) {
        printf("  %-52s %12.0f /s   p50 %.2f  p95 %.2f  p99 %.2f ms%s\n", words, rate, r->p50, r->p95, r->p99,
               r->refused ? "  SOME REFUSED" : "");
        fflush(stdout);
        return;
    }
    json_key(b->out, key), json_open(b->out, '{');
    json_key(b->out, "per_second"), json_put_real(b->out, rate);
    json_key(b->out, "answers"), json_put_int(b->out, r->answers);
    json_key(b->out, "refused"), json_put_int(b->out, r->refused);
    json_key(b->out, "p50_ms"), json_put_real(b->out, r->p50);
    json_key(b->out, "p95_ms"), json_put_real(b->out, r->p95);
    json_key(b->out, "p99_ms"), json_put_real(b->out, r->p99);
    json_key(b->out, "worst_ms"), json_put_real(b->out, r->worst);
    json_close(b->out);
}

/* ---- the server ----------------------------------------------------------------------------------------------------------------- */

static bool ask(bench *b, const char *method, const char *path, const char *body, json **out, err *e) {
    return desk_ask(b->a, &b->d, method, path, str_of(body), out, e);
}

static const char *text_of(bench *b, const json *v, const char *key) { return str_copy(b->a, json_get_text(v, key, STR(""))); }

static bool furnish(bench *b, err *e) {
    json *v;
    if (!desk_open(b->a, b->home, &b->d, e) ||
        !ask(b, "POST", "/api/v1/users",
             "{\"username\":\"bench\",\"first_name\":\"b\",\"role\":\"owner\",\"password\":\"12345678\"}", &v, e))
        return false;
    b->key = text_of(b, v, "api_key");
    if (!ask(b, "POST", "/api/v1/workspaces", "{\"name\":\"bench\"}", &v, e)) return false;
    b->space = text_of(b, v, "id");
    const char *set = arena_printf(b->a, "{\"name\":\"bench\",\"workspace_id\":\"%s\"}", b->space);
    if (!ask(b, "POST", "/api/v1/datasets", set, &v, e)) return false;
    b->set = arena_printf(b->a, "/api/v1/datasets/%s", text_of(b, v, "id"));
    static const char *const settings[][2] = {
        {"fields", "{\"name\":\"text\",\"title\":\"t\",\"required\":true,\"settings\":{\"type\":\"text\"}}"},
        {"questions",
         "{\"name\":\"label\",\"title\":\"l\",\"required\":true,\"settings\":{\"type\":\"label_selection\",\"options\":["
         "{\"value\":\"good\",\"text\":\"good\"},{\"value\":\"bad\",\"text\":\"bad\"}]}}"},
        {"metadata-properties", "{\"name\":\"n\",\"title\":\"n\",\"settings\":{\"type\":\"integer\"}}"},
        {"vectors-settings", "{\"name\":\"v\",\"title\":\"v\",\"dimensions\":384}"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!ask(b, "POST", arena_printf(b->a, "%s/%s", b->set, settings[i][0]), settings[i][1], &v, e)) return false;
    return ask(b, "PUT", arena_printf(b->a, "%s/publish", b->set), "", &v, e);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------------- */

/* Words as common as in a language: the square of a uniform number picks the first ones more often. */
static void put_word(buf *out, rng *r) {
    const double u = rng_uniform(r);
    int n = (int)(WORDS * u * u * u) + 11;
    for (; n; n /= 11) buf_put_char(out, "etaoinshrdl"[n % 11]);
}

/* Numbers between -3 and 3 with four digits, written by hand: a million of these vectors has 384 million. */
static void put_vector(buf *out, rng *r) {
    enum { LONGEST = 9 };
    buf_reserve(out, DIMENSIONS * LONGEST);
    char *at = out->ptr + out->len;
    for (int i = 0; i < DIMENSIONS; i++) {
        const uint32_t n = rng_below(r, 60000), size = n < 30000 ? n : n - 30000;
        *at++ = i ? ',' : '[';
        if (n < 30000) *at++ = '-';
        *at++ = (char)('0' + size / 10000);
        *at++ = '.';
        for (uint32_t unit = 1000; unit; unit /= 10) *at++ = (char)('0' + size / unit % 10);
    }
    out->len = (size_t)(at - out->ptr);
    buf_put_char(out, ']');
}

static bool write_rows(bench *b, err *e) {
    file_out f;
    buf line = {0};
    rng r = rng_new(1, 7);
    b->rows = path_join(b->a, b->folder, "rows.jsonl");
    if (!file_out_open(&f, b->rows, e)) return false;
    bool ok = true;
    for (int64_t i = 0; i < b->o->records && ok; i++) {
        buf_clear(&line);
        buf_printf(&line, "{\"n\":%lld,\"text\":\"", (long long)i);
        while (line.len < RECORD_BYTES - 8) put_word(&line, &r), buf_put_char(&line, ' ');
        buf_put_char(&line, '"');
        if (i < b->o->vectors) buf_put_text(&line, ",\"v\":"), put_vector(&line, &r);
        buf_put_text(&line, "}\n");
        ok = file_out_put(&f, line.ptr, line.len, e);
    }
    buf_free(&line);
    if (ok) return file_out_commit(&f, e);
    file_out_abandon(&f);
    return false;
}

static bool run_command(const char *const *words, int count, double *seconds, err *e) {
    const double begun = sys_seconds();
    const int status = sys_run_self(words, count);
    *seconds = sys_seconds() - begun;
    return status == 0 || err_set(e, ERR_IO, "fettle %s ended with %d", words[0], status);
}

static bool move_rows(bench *b, err *e) {
    b->exported = path_join(b->a, b->folder, "export.jsonl");
    const char *const in[] = {"import", b->rows, "--dataset", "bench", "--home", b->home, "--quiet"};
    const char *const export[] = {"export", "bench", "--as", "records", "--out", b->exported, "--home", b->home};
    double seconds;
    if (!run_command(in, 7, &seconds, e)) return false;
    tell(b, "import_per_second", "fettle import, records of 1 KB", (double)b->o->records / seconds, "/s");
    if (!run_command(export, 8, &seconds, e)) return false;
    tell(b, "export_per_second", "fettle export --as records", (double)b->o->records / seconds, "/s");
    tell_bytes(b, "resident_bytes", "memory of the server after both", (double)sys_memory_of(b->process));
    return true;
}

/* Until what was imported is in the index: a search that has to wait too long says how much is not. */
static bool settle(bench *b, err *e) {
    const double begun = sys_seconds();
    for (int64_t left = 1; left;) {
        arena *a = arena_new();
        json *answer;
        const bool ok = desk_ask(a, &b->d, "POST", arena_printf(a, "%s/records/search?limit=1", b->set),
                                 STR("{\"query\":{\"text\":{\"q\":\"e\"}}}"), &answer, e);
        left = ok ? json_get_int(answer, "indexing", 0) : 0;
        arena_free(a);
        if (!ok) return false;
    }
    tell(b, "index_per_second", "the index behind the import", (double)b->o->records / (sys_seconds() - begun + 1e-9), "/s");
    return true;
}

/* Until the lists of words, which are read beside the index, stand at its state. */
static bool await_words(bench *b, err *e) {
    const double begun = sys_seconds();
    for (bool behind = true; behind;) {
        arena *a = arena_new();
        str text;
        const bool ok = desk_ask_raw(a, &b->d, "GET", "/metrics", (str){NULL, 0}, &text, e);
        behind = ok && str_find(text, STR("\nfettle_words_behind 0\n"), 0) < 0;
        arena_free(a);
        if (!ok) return false;
        poll(NULL, 0, 50);
    }
    tell(b, "words_seconds", "the words in memory, after that", sys_seconds() - begun, "s");
    return true;
}

/* From the export: pages with an offset would take longer the more records there are. */
static bool read_ids(bench *b, err *e) {
    const str begin = STR("{\"id\":\"");
    file_lines f;
    str line;
    b->record = arena_array(b->a, const char *, b->o->records + 1);
    if (!file_lines_open(&f, b->exported, EXPORTED_MOST, e)) return false;
    while (b->records < b->o->records && file_lines_next(&f, &line, e))
        if (str_starts(line, begin))
            b->record[b->records++] = arena_copy(b->a, line.ptr + begin.len, strcspn(line.ptr + begin.len, "\""));
    file_lines_close(&f);
    return !e->code && (b->records > 0 || err_set(e, ERR_IO, "no records came in"));
}

/* ---- loads ---------------------------------------------------------------------------------------------------------------------- */

static bool make_read(const void *context, int connection, int64_t i, buf *out) {
    const bench *b = context;
    char path[128];
    snprintf(path, sizeof path, "/api/v1/records/%s",
             b->record[rng_mix((uint64_t)connection, (uint64_t)i) % (uint64_t)b->records]);
    wire_put(out, "GET", path, b->key, (str){NULL, 0});
    return true;
}

/* Each record is answered once: connection k has the records k, k + 64, ... */
static bool make_answer(const void *context, int connection, int64_t i, buf *out) {
    const bench *b = context;
    const int64_t at = i * WRITERS + connection;
    char path[128];
    if (at >= b->records) return false;
    snprintf(path, sizeof path, "/api/v1/records/%s/responses", b->record[at]);
    wire_put(out, "POST", path, b->key,
             i % 2 ? STR("{\"values\":{\"label\":{\"value\":\"good\"}},\"status\":\"submitted\"}")
                   : STR("{\"values\":{\"label\":{\"value\":\"bad\"}},\"status\":\"submitted\"}"));
    return true;
}

/* Two words, a range of a tenth of the records, sorted by metadata; every second one by relevance. */
static bool make_search(const void *context, int connection, int64_t i, buf *out) {
    const bench *b = context;
    rng r = rng_new(3, rng_mix((uint64_t)connection, (uint64_t)i));
    buf body = {0};
    char path[160];
    const uint32_t from = rng_below(&r, (uint32_t)b->records);
    buf_put_text(&body, "{\"query\":{\"text\":{\"q\":\"");
    put_word(&body, &r), buf_put_char(&body, ' '), put_word(&body, &r);
    buf_printf(&body,
               "\"}},\"filters\":{\"type\":\"and\",\"and\":[{\"type\":\"range\",\"scope\":{\"entity\":\"metadata\",\"metadata_"
               "property\":"
               "\"n\"},\"ge\":%u,\"le\":%lld}]}%s}",
               from, (long long)(from + b->records / 10),
               i % 2 ? ",\"sort\":[{\"scope\":{\"entity\":\"metadata\",\"metadata_property\":\"n\"},\"order\":\"desc\"}]" : "");
    snprintf(path, sizeof path, "%s/records/search?limit=50", b->set);
    wire_put(out, "POST", path, b->key, buf_str(&body));
    buf_free(&body);
    return true;
}

static bool make_similar(const void *context, int connection, int64_t i, buf *out) {
    const bench *b = context;
    rng r = rng_new(5, rng_mix((uint64_t)connection, (uint64_t)i));
    buf body = {0};
    char path[160];
    buf_put_text(&body, "{\"query\":{\"vector\":{\"name\":\"v\",\"order\":\"most_similar\",\"value\":");
    put_vector(&body, &r);
    buf_put_text(&body, "}}}");
    snprintf(path, sizeof path, "%s/records/search?limit=50", b->set);
    wire_put(out, "POST", path, b->key, buf_str(&body));
    buf_free(&body);
    return true;
}

static bool measure(bench *b, const char *key, const char *words, int connections,
                    bool (*make)(const void *context, int connection, int64_t i, buf *out), err *e) {
    const load l = {.port = b->port, .connections = connections, .seconds = b->o->seconds, .make = make, .context = b};
    load_result r;
    if (!load_run(&l, &r, e)) return false;
    tell_load(b, key, words, &r);
    return !r.refused ||
           err_set(e, ERR_IO, "%s: %lld of %lld requests were refused", key, (long long)r.refused, (long long)r.answers);
}

/* ---- people --------------------------------------------------------------------------------------------------------------------- */

static bool measure_people(bench *b, int round, const char *when, err *e) {
    const bench_people people = {.people = b->o->people,
                                 .port = b->port,
                                 .seconds = b->o->seconds,
                                 .d = &b->d,
                                 .space = b->space,
                                 .set = b->set,
                                 .put_word = put_word};
    people_result r;
    if (!bench_people_run(b->a, &people, round, &r, e)) return false;
    const char *suffix = round ? "_training" : "";
    tell_load(b, arena_printf(b->a, "people_next%s", suffix),
              arena_printf(b->a, "%d annotate%s: the next record", people.people, when), &r.next);
    tell_load(b, arena_printf(b->a, "people_submit%s", suffix), "                  their answers acknowledged", &r.submit);
    tell_load(b, arena_printf(b->a, "people_search%s", suffix), "                  their searches", &r.search);
    return true;
}

/* The same people alone, and beside a run of the model. */
static bool annotate(bench *b, err *e) {
    const char *run;
    int64_t before, after;
    if (!measure_people(b, 0, "", e)) return false;
    if (!b->o->train) return true;
    if (!bench_run_begin(b->a, &b->d, b->folder, b->o->train, &run, e)) return false;
    const double begun = sys_seconds();
    bool ok = bench_run_step(b->a, &b->d, run, &before, e) && measure_people(b, 1, ", a run trains", e) &&
              bench_run_step(b->a, &b->d, run, &after, e);
    if (ok)
        tell(b, "run_steps_per_minute", "steps of the run meanwhile", 60 * (double)(after - before) / (sys_seconds() - begun),
             "/min");
    return bench_run_end(b->a, &b->d, run, e) && ok;
}

/* ---- streams -------------------------------------------------------------------------------------------------------------------- */

/* Connections that listen to events and hear nothing. */
static bool hold_streams(bench *b, wire *w, int count, err *e) {
    buf request = {0};
    bool ok = true;
    int open = 0;
    wire_put(&request, "GET", "/api/v1/events", b->key, (str){NULL, 0});
    const size_t before = sys_memory_of(b->process);
    for (; open < count && ok; open++) {
        char first[512];
        ok = wire_open(&w[open], b->port, e) && wire_send(&w[open], buf_str(&request), e);
        struct pollfd p = {.fd = ok ? w[open].fd : -1, .events = POLLIN};
        if (ok && (poll(&p, 1, 10000) != 1 || read(w[open].fd, first, sizeof first) <= 0))
            ok = err_set(e, ERR_IO, "stream %d got no answer", open + 1);
    }
    if (ok) {
        const double grown = (double)sys_memory_of(b->process) - (double)before;
        tell_bytes(b, "stream_bytes", arena_printf(b->a, "%d idle event streams, memory of all", count), grown);
    }
    for (int i = 0; i < open; i++) wire_close(&w[i]);
    buf_free(&request);
    return ok;
}

static bool measure_streams(bench *b, err *e) {
    struct rlimit files;
    const int count = b->o->streams < STREAMS_MOST ? (int)b->o->streams : STREAMS_MOST;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < (rlim_t)count + 100)
        return err_set(e, ERR_LIMIT, "%d streams want more open files than %lld: ulimit -n", count, (long long)files.rlim_cur);
    wire *w = memory_alloc((size_t)count * sizeof *w + 1);
    const bool ok = hold_streams(b, w, count, e);
    memory_release(w);
    return ok;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------- */

static bool run_all(bench *b, err *e) {
    if (!load_server(b->a, b->folder, b->home, &b->process, &b->port, e) || !furnish(b, e) || !write_rows(b, e) ||
        !move_rows(b, e) || !settle(b, e) || !await_words(b, e) || !read_ids(b, e))
        return false;
    if (b->o->people && !annotate(b, e)) return false;
    return measure(b, "get_record", "GET one record, 16 connections", READERS, make_read, e) &&
           measure(b, "submit", "submit an answer, 64 writers, each acknowledged", WRITERS, make_answer, e) &&
           measure(b, "search", "search: two words, a tenth of the records, a page", SEARCHERS, make_search, e) &&
           (!b->o->vectors || measure(b, "similar", "the 50 most similar of all vectors", SEARCHERS, make_similar, e)) &&
           (!b->o->streams || measure_streams(b, e));
}

static void raise_limits(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max; /* the child has it too */
    setrlimit(RLIMIT_NOFILE, &files);
}

bool bench_server_run(arena *a, const bench_server_options *o, json_writer *out, err *e) {
    bench b = {.a = a, .o = o, .out = out};
    char *folder = arena_printf(a, "%s/fettle-bench-XXXXXX", sys_scratch());
    if (!mkdtemp(folder)) return err_errno(e, ERR_IO, "cannot make a folder like %s", folder);
    b.folder = folder;
    b.home = path_join(a, folder, "home");
    raise_limits();
    setenv("FETTLE_LOG", "error", 1); /* of the children */
    if (out) json_open(out, '{'), json_key(out, "records"), json_put_int(out, o->records);
    else
        printf("  %lld records, %lld vectors; the load runs beside the server on the same cores\n", (long long)o->records,
               (long long)o->vectors);
    fflush(stdout);
    bool ok = run_all(&b, e);
    if (out) json_close(out);
    if (b.process > 0) {
        const int status = sys_end_child(b.process);
        if (status && ok) ok = err_set(e, ERR_IO, "the server ended with %d", status);
    }
    err none = {0};
    dir_remove(folder, &none);
    return ok;
}
