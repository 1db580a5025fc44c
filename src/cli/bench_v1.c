/* bench_v1.c - /v1/completions under load. The server is a child, as the load's clients it shares the machine's cores. */
#include "cli/bench_v1.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/sys.h"
#include "cli/desk.h"
#include "cli/load.h"
#include "model/model.h"

enum { PROMPT = 64, NEW = 64, VOCABULARY = 49152 };

typedef struct {
    arena *a;
    json_writer *out;
    const char *folder, *home, *key;
    int64_t process;
    int port;
    double parameters, peak, one; /* peak: bfloat16 operations a second; one: tokens a second of one stream */
} bench;

static bool make_model(bench *b, backend *back, const json *config, err *e) {
    arena *own = arena_new();
    const model *m = model_new(own, back, config, 1, &(model_options){.compute = COMPUTE_BF16, .no_text = true}, e);
    const bool ok = m && model_save(m, NULL, path_join(own, b->home, "models/bench"), TYPE_BF16, 0, e);
    if (ok) b->parameters = (double)model_parameter_count(m);
    arena_free(own);
    return ok;
}

static bool get_key(bench *b, err *e) {
    desk d;
    json *v;
    const str body = STR("{\"username\":\"bench\",\"first_name\":\"b\",\"role\":\"owner\",\"password\":\"12345678\"}");
    if (!desk_open(b->a, b->home, &d, e)) return false;
    const bool ok = desk_ask(b->a, &d, "POST", "/api/v1/users", body, &v, e);
    desk_close(&d);
    if (ok) b->key = str_copy(b->a, json_get_text(v, "api_key", STR("")));
    return ok;
}

/* Another prompt each time, so that nothing of it was read before. */
static bool make_request(const void *context, int connection, int64_t i, buf *out) {
    const bench *b = context;
    rng r = rng_new((uint64_t)connection * 1000003 + (uint64_t)i, 7);
    buf body = {0};
    buf_printf(&body, "{\"model\":\"bench\",\"max_tokens\":%d,\"ignore_eos\":true,\"prompt\":[", NEW);
    for (int k = 0; k < PROMPT; k++) buf_printf(&body, "%s%d", k ? "," : "", (int)rng_below(&r, VOCABULARY));
    buf_put_text(&body, "]}");
    wire_put(out, "POST", "/v1/completions", b->key, buf_str(&body));
    buf_free(&body);
    return true;
}

static void tell(bench *b, int together, double rate, const load_result *r) {
    const double share = b->peak > 0 ? 2 * b->parameters * rate * (PROMPT + NEW) / NEW / b->peak : 0;
    if (!b->out) {
        printf("  %2d together  %8.1f tokens/s  %5.1f x one  %4.0f %% of the bfloat16 peak  p50 %.0f ms%s\n", together, rate,
               b->one > 0 ? rate / b->one : 0, 100 * share, r->p50, r->refused ? "  SOME REFUSED" : "");
        fflush(stdout);
        return;
    }
    json_open(b->out, '{');
    json_key(b->out, "together"), json_put_int(b->out, together);
    json_key(b->out, "tokens_per_second"), json_put_real(b->out, rate);
    json_key(b->out, "times_one"), json_put_real(b->out, b->one > 0 ? rate / b->one : 0);
    json_key(b->out, "share"), json_put_real(b->out, share);
    json_key(b->out, "p50_ms"), json_put_real(b->out, r->p50);
    json_key(b->out, "refused"), json_put_int(b->out, r->refused);
    json_close(b->out);
}

static bool measure(bench *b, int together, double seconds, err *e) {
    load_result r;
    const load l = {.port = b->port, .connections = together, .seconds = seconds, .make = make_request, .context = b};
    if (!load_run(&l, &r, e)) return false;
    if (sys_stop_requested()) return err_set(e, ERR_STOPPED, "stopped while measuring");
    const double rate = r.seconds > 0 ? (double)(r.answers - r.refused) * NEW / r.seconds : 0;
    if (together == 1) b->one = rate;
    tell(b, together, rate, &r);
    return true;
}

static bool run_all(bench *b, backend *back, const json *config, double seconds, err *e) {
    static const int together[] = {1, 4, 16};
    load_result warm;
    if (!dir_make(path_join(b->a, b->home, "models"), e) || !make_model(b, back, config, e) ||
        !load_server(b->a, b->folder, b->home, &b->process, &b->port, e) || !get_key(b, e) ||
        !load_run(&(load){.port = b->port, .connections = 1, .seconds = 0.01, .make = make_request, .context = b}, &warm, e))
        return false;
    if (warm.refused) return err_set(e, ERR_IO, "the server refused to answer");
    for (size_t i = 0; i < sizeof together / sizeof *together; i++)
        if (!measure(b, together[i], seconds, e)) return false;
    return true;
}

bool bench_v1_run(arena *a, backend *back, const json *config, double seconds, json_writer *out, err *e) {
    bench b = {.a = a, .out = out, .process = -1};
    err none = {0};
    char *folder = arena_printf(a, "%s/fettle-bench-XXXXXX", sys_scratch());
    if (!mkdtemp(folder)) return err_errno(e, ERR_IO, "cannot make a folder like %s", folder);
    b.folder = folder;
    b.home = path_join(a, folder, "home");
    b.peak = backend_peak(back).bf16_flops;
    if (out) json_open(out, '[');
    const bool ok = run_all(&b, back, config, seconds, e);
    if (out) json_close(out);
    if (b.process > 0) sys_end_child(b.process);
    dir_remove(folder, &none);
    return ok;
}
