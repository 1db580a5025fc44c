/* cmd_bench.c - fettle bench: the machine's own limits, and our share of them, each measured beside its limit (tensor.h, series).
 *
 * What is measured comes as rows: a part prints its figures or puts them into the JSON, and takes the seconds it is given. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/sys.h"
#include "cli/bench_server.h"
#include "cli/bench_v1.h"
#include "cli/subject.h"
#include "train/train.h"

typedef struct {
    bool json;
    double seconds, measure_seconds;
    int64_t records, vectors, streams, people;
    char *train;
} bench_options;

static const opt options[] = {
    {"seconds", OPT_REAL, offsetof(bench_options, seconds), "75", 1, 36000, NULL,
     "about how long all takes; a slow machine has its least"},
    {"records", OPT_INT, offsetof(bench_options, records), "100000", 1, 10000000, NULL, "server: records of 1 KB"},
    {"vectors", OPT_INT, offsetof(bench_options, vectors), "0", 0, 10000000, NULL,
     "server: how many of them have a vector of 384 numbers, for similarity"},
    {"streams", OPT_INT, offsetof(bench_options, streams), "1000", 0, 4000, NULL, "server: idle event streams"},
    {"people", OPT_INT, offsetof(bench_options, people), "0", 0, 1000, NULL,
     "server: annotators at once, by the page's requests"},
    {"train", OPT_TEXT, offsetof(bench_options, train), NULL, 0, 0, NULL,
     "server: a model, folder or GGUF file, that a run trains beside these people"},
    {"measure_seconds", OPT_REAL, offsetof(bench_options, measure_seconds), "3", 0.01, 3600, NULL, "server, v1: of each load"},
    {"json", OPT_BOOL, offsetof(bench_options, json), "false", 0, 0, NULL, "one JSON object instead of tables"},
    OPT_END,
};

/* The shape that every figure in docs/performance.md is about: 134.5 M parameters, as SmolLM2-135M. */
static const char config_135m[] =
    "{\"model_type\":\"llama\",\"hidden_size\":576,\"num_hidden_layers\":30,\"num_attention_heads\":9,\"num_key_value_heads\":3,"
    "\"intermediate_size\":1536,\"vocab_size\":49152,\"max_position_embeddings\":2048,\"rms_norm_eps\":1e-5,\"rope_theta\":10000."
    "0,"
    "\"tie_word_embeddings\":true,\"hidden_act\":\"silu\"}";

typedef struct {
    arena *arena;
    backend *b;
    const json *config;
    json_writer *out; /* NULL: print */
    double seconds;   /* of this part */
    const bench_options *options;
} bench_run;

static void put_sampled(json_writer *w, const char *key, sampled s) {
    json_key(w, key), json_open(w, '[');
    json_put_real(w, s.median), json_put_real(w, s.low), json_put_real(w, s.high);
    json_close(w);
}

static void print_share(const char *of, sampled s) {
    printf("  %4.0f %% of %s (%.0f to %.0f)", 100 * s.median, of, 100 * s.low, 100 * s.high);
}

/* Others' work on the same cores makes a share too low, and nothing here can tell by how much. */
static void print_had(double had) {
    if (had < 0.9) printf("  (others had %.0f %% of the cores)", 100 * (1 - had));
}

/* ---- limits -------------------------------------------------------------------------------------------------------------------- */

static bool bench_peak(bench_run *r, err *e) {
    const machine_peak p = backend_peak(r->b);
    const double rate[LIMIT_COUNT] = {p.f32_flops, p.bf16_flops, p.bandwidth};
    static const char *const words[] =
        {
#define X(token, name, unit) name,
            LIMITS(X)
#undef X
        },
                             *const units[] = {
#define X(token, name, unit) unit,
                                 LIMITS(X)
#undef X
                             };
    (void)e;
    if (r->out) json_open(r->out, '{');
    for (int k = 0; k < LIMIT_COUNT; k++)
        if (r->out) json_key(r->out, words[k]), json_put_real(r->out, rate[k]);
        else printf("  %-14s %8.1f G%s/s\n", words[k], rate[k] / 1e9, units[k]);
    if (r->out) json_close(r->out);
    return true;
}

/* ---- products ------------------------------------------------------------------------------------------------------------------- */

static bool put_product(void *self, const product_figure *f) {
    const bench_run *r = self;
    const char *compute = f->compute == COMPUTE_BF16 ? "bfloat16" : "float32";
    if (sys_stop_requested()) return false;
    if (!r->out) {
        printf("  %-8s  %-6s  %3d rows  %5d x %-4d  %6.0f GFLOP/s", compute, f->product, f->M, f->N, f->K,
               f->flops_per_second / 1e9);
        print_share(f->M == 1 ? "memory read" : "the arithmetic", f->share);
        print_had(f->had);
        putchar('\n');
        fflush(stdout);
        return true;
    }
    json_open(r->out, '{');
    json_key(r->out, "product"), json_put_cstr(r->out, f->product);
    json_key(r->out, "compute"), json_put_cstr(r->out, compute);
    json_key(r->out, "rows"), json_put_int(r->out, f->M);
    json_key(r->out, "N"), json_put_int(r->out, f->N);
    json_key(r->out, "K"), json_put_int(r->out, f->K);
    json_key(r->out, "flops"), json_put_real(r->out, f->flops_per_second);
    put_sampled(r->out, f->M == 1 ? "share_of_memory" : "share", f->share);
    json_key(r->out, "cores_had"), json_put_real(r->out, f->had);
    json_close(r->out);
    return true;
}

static bool bench_products(bench_run *r, err *e) {
    (void)e;
    if (r->out) json_open(r->out, '[');
    const bool ok = backend_bench(r->b, r->seconds, put_product, r);
    if (r->out) json_close(r->out);
    return ok;
}

/* ---- generation ------------------------------------------------------------------------------------------------------------------ */

enum { PROMPT = 64, NEW = 64, STEPS = 8 /* tokens of a sample */, MOST = 16 };

static bool start_sessions(engine *g, session **list, int together, err *e) {
    for (int i = 0; i < together; i++) {
        int32_t prompt[PROMPT];
        rng random = rng_new((uint64_t)i, 7);
        for (int k = 0; k < PROMPT; k++) prompt[k] = (int32_t)rng_below(&random, 49152);
        const sampling s = {.temperature = 1,
                            .top_p = 1,
                            .repetition_penalty = 1,
                            .max_new_tokens = NEW + 1,
                            .seed = (uint64_t)i,
                            .ignore_eos = true};
        if (!(list[i] = session_new(g, NULL, prompt, PROMPT, &s, NULL, NULL, e))) return false;
    }
    return engine_step(g, list, together, e); /* the prompts */
}

static void put_generation(const bench_run *r, int together, double rate, const series *s) {
    if (!r->out) {
        printf("  %2d together  %8.1f tokens/s", together, rate);
        print_share("memory read", s->share[LIMIT_MEMORY]);
        print_share("the arithmetic", s->share[LIMIT_BF16]);
        print_had(s->had);
        putchar('\n');
        fflush(stdout);
        return;
    }
    json_open(r->out, '{');
    json_key(r->out, "together"), json_put_int(r->out, together);
    json_key(r->out, "tokens_per_second"), json_put_real(r->out, rate);
    put_sampled(r->out, "share_of_memory", s->share[LIMIT_MEMORY]);
    put_sampled(r->out, "share", s->share[LIMIT_BF16]);
    json_key(r->out, "cores_had"), json_put_real(r->out, s->had);
    json_close(r->out);
}

/* A sample is a few tokens of every session, so that the limits are probed often; sessions begin again when they have said all. */
static bool generate_together(bench_run *r, const model *m, int together, double seconds, err *e) {
    const double amount[LIMIT_COUNT] = {[LIMIT_MEMORY] = (double)model_weight_bytes(m) * STEPS,
                                        [LIMIT_BF16] = 2.0 * (double)model_parameter_count(m) * together * STEPS};
    engine *g = engine_new(m, COMPUTE_BF16);
    session *list[MOST] = {NULL};
    bool ok = start_sessions(g, list, together, e) && engine_step(g, list, together, e); /* the first token warms up */
    series s = series_begin(r->b, 1u << LIMIT_MEMORY | 1u << LIMIT_BF16, seconds, 3);
    for (int said = 1; ok && said + STEPS <= NEW && series_next(&s); said += STEPS) {
        series_start(&s);
        for (int k = 0; ok && k < STEPS; k++) ok = engine_step(g, list, together, e);
        series_stop(&s, amount);
    }
    series_end(&s);
    for (int i = 0; i < together; i++)
        if (list[i]) session_free(list[i]);
    engine_free(g);
    if (ok && s.samples) put_generation(r, together, together * STEPS / s.seconds.median, &s);
    return ok;
}

static bool bench_generate(bench_run *r, err *e) {
    static const int together[] = {1, 4, MOST};
    enum { COUNT = sizeof together / sizeof *together };
    const model *m = model_new(r->arena, r->b, r->config, 1, &(model_options){.compute = COMPUTE_BF16, .no_text = true}, e);
    if (!m) return false;
    if (r->out) json_open(r->out, '[');
    bool ok = true;
    for (int i = 0; ok && i < COUNT; i++) ok = generate_together(r, m, together[i], r->seconds / COUNT, e);
    if (r->out) json_close(r->out);
    return ok;
}

/* ---- training ------------------------------------------------------------------------------------------------------------------- */

static void put_training(const bench_run *r, const train_bench_result *t) {
    if (!r->out) {
        printf("  %-9s %8.0f tokens/s", t->name, t->tokens_per_second);
        print_share("the arithmetic", t->share);
        printf("   %5.2f GB resident, optimiser %.2f s a step", (double)t->resident / 1e9, t->optimizer_seconds);
        print_had(t->had);
        putchar('\n');
        fflush(stdout);
        return;
    }
    json_open(r->out, '{');
    json_key(r->out, "step"), json_put_cstr(r->out, t->name);
    json_key(r->out, "tokens_per_second"), json_put_real(r->out, t->tokens_per_second);
    put_sampled(r->out, "share", t->share);
    json_key(r->out, "resident_bytes"), json_put_int(r->out, (int64_t)t->resident);
    json_key(r->out, "optimizer_seconds"), json_put_real(r->out, t->optimizer_seconds);
    json_key(r->out, "cores_had"), json_put_real(r->out, t->had);
    json_close(r->out);
}

static bool bench_train(bench_run *r, err *e) {
    bool ok = true;
    if (r->out) json_open(r->out, '[');
    for (int i = 0; ok && i < TRAIN_BENCH_COUNT && !sys_stop_requested(); i++) {
        train_bench_result t;
        if ((ok = train_bench(r->b, r->config, i, r->seconds / TRAIN_BENCH_COUNT, &t, e))) put_training(r, &t);
    }
    if (r->out) json_close(r->out);
    return ok;
}

/* ---- the server ------------------------------------------------------------------------------------------------------------------ */

static bool bench_server(bench_run *r, err *e) {
    const bench_options *o = r->options;
    const bench_server_options s = {.records = o->records,
                                    .vectors = o->vectors,
                                    .streams = o->streams,
                                    .people = (int)o->people,
                                    .train = o->train,
                                    .seconds = o->measure_seconds};
    if (o->train && !o->people)
        return err_set(e, ERR_USAGE, "--train is a model that a run trains while --people annotate: say how many");
    return bench_server_run(r->arena, &s, r->out, e);
}

static bool bench_v1(bench_run *r, err *e) {
    return bench_v1_run(r->arena, r->b, r->config, r->options->measure_seconds, r->out, e);
}

/* ---- all --------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *words;
    double share; /* of the seconds */
    bool (*run)(bench_run *r, err *e);
    bool asked; /* runs only when it is named */
} parts[] = {
    {"peak", "the machine's limits, best of five probes", 0, bench_peak, false},
    {"products", "matrix products of a 134.5 M llama: median of its samples (lowest to highest share)", 0.25, bench_products,
     false},
    {"generate", "generation, 134.5 M llama in bfloat16, prompt 64, 64 new tokens; memory: the bytes of the weights per pass",
     0.2, bench_generate, false},
    {"train",
     "training step, 134.5 M llama, 8 x 256 tokens, bfloat16; by useful work: full 6N, LoRA 4N, DPO 4N + 2N of the reference",
     0.55, bench_train, false},
    {"server", "the feedback server, on a temporary folder", 0, bench_server, true},
    {"v1", "answers over HTTP, 134.5 M llama in bfloat16, prompt 64, 64 new tokens; the peak: of all tokens, prompts too", 0,
     bench_v1, true},
};
enum { PARTS = sizeof parts / sizeof *parts };

static bool bench(arena *a, int argc, char **argv, err *e);

const command command_bench = {"bench", "measure this machine and fettle's share of it",
                               "[peak] [products] [generate] [train] [server] [v1]", options, bench};

static bool choose(char **words, int count, bool chosen[PARTS], err *e) {
    for (int i = 0; i < count; i++) {
        int k = 0;
        while (k < PARTS && strcmp(words[i], parts[k].name) != 0) k++;
        if (k == PARTS)
            return err_set(e, ERR_USAGE, "bench: no part '%s'; there are: peak, products, generate, train, server, v1", words[i]);
        chosen[k] = true;
    }
    for (int k = 0; !count && k < PARTS; k++) chosen[k] = !parts[k].asked;
    return true;
}

static bool run_parts(bench_run *r, const bool chosen[PARTS], double seconds, err *e) {
    double all = 0;
    for (int k = 0; k < PARTS; k++) all += chosen[k] ? parts[k].share : 0;
    for (int k = 0; k < PARTS; k++) {
        if (!chosen[k]) continue;
        if (r->out) json_key(r->out, parts[k].name);
        else printf("%s\n", parts[k].words);
        r->seconds = all > 0 ? seconds * parts[k].share / all : 0;
        if (!parts[k].run(r, e) && !sys_stop_requested()) return false;
        if (sys_stop_requested()) return err_set(e, ERR_STOPPED, "stopped while measuring");
        if (!r->out) putchar('\n');
    }
    return true;
}

static bool bench(arena *a, int argc, char **argv, err *e) {
    bench_options o;
    int rest;
    bool help, chosen[PARTS] = {false};
    subjects all;
    buf text = {0};
    if (!arguments_read(a, &command_bench, &o, argc, argv, &rest, &help, e) || help) return help;
    if (!choose(argv, rest, chosen, e) || !subjects_begin(a, NULL, &all, e)) return false;
    json_writer w = json_writer_on(&text, true);
    bench_run r = {
        .arena = a, .b = all.backend, .config = json_parse(a, STR(config_135m), e), .out = o.json ? &w : NULL, .options = &o};
    if (!r.config) return false;
    if (o.json) {
        json_open(&w, '{');
        json_key(&w, "machine"), json_put_cstr(&w, sys_cpu_model());
        json_key(&w, "backend"), json_put_cstr(&w, all.backend->words);
    } else printf("machine: %s, %s\n\n", sys_cpu_model(), all.backend->words);
    const bool ok = run_parts(&r, chosen, o.seconds, e);
    if (o.json && ok) {
        json_close(&w);
        printf("%.*s\n", (int)text.len, text.ptr);
    }
    buf_free(&text);
    return ok;
}
