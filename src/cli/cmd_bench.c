/* cmd_bench.c - fettle bench: the machine's own limits first, then our share of them. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/sys.h"
#include "cli/subject.h"
#include "train/train.h"

typedef struct {
    const char *what;
    bool json;
    int64_t repeat;
} bench_options;

static const opt options[] = {
    {"what", OPT_CHOICE, offsetof(bench_options, what), "all", 0, 0, "peak|products|train|generate|all", "which table"},
    {"repeat", OPT_INT, offsetof(bench_options, repeat), "3", 1, 100, NULL, "best of so many"},
    {"json", OPT_BOOL, offsetof(bench_options, json), "false", 0, 0, NULL, "the machine's limits as JSON"},
    OPT_END,
};

/* The shape that every figure in docs/performance.md is about: 134.5 M parameters, as SmolLM2-135M. */
static const char config_135m[] =
    "{\"model_type\":\"llama\",\"hidden_size\":576,\"num_hidden_layers\":30,\"num_attention_heads\":9,\"num_key_value_heads\":3,"
    "\"intermediate_size\":1536,\"vocab_size\":49152,\"max_position_embeddings\":2048,\"rms_norm_eps\":1e-5,\"rope_theta\":10000."
    "0,"
    "\"tie_word_embeddings\":true,\"hidden_act\":\"silu\"}";

static void print_peak(const backend *b, const machine_peak *p) {
    printf("machine: %s, %d threads, %s\n", sys_cpu_model(), p->threads, b->words);
    printf("  float32 FMA   %8.0f GFLOP/s\n  bfloat16 dot  %8.0f GFLOP/s\n  memory read   %8.1f GB/s\n\n", p->f32_flops / 1e9,
           p->bf16_flops / 1e9, p->bandwidth / 1e9);
}

static void print_peak_json(const machine_peak *p) {
    printf("{\"threads\": %d, \"f32_gflops\": %.1f, \"bf16_gflops\": %.1f, \"bandwidth_gb\": %.2f}\n", p->threads,
           p->f32_flops / 1e9, p->bf16_flops / 1e9, p->bandwidth / 1e9);
}

/* ---- generation --------------------------------------------------------------------------------------------------------------- */

static bool bench_generate(arena *a, backend *b, const machine_peak *peak, int together, int repeat, err *e) {
    enum { PROMPT = 64, NEW = 64 };
    static model *m;
    if (!m) {
        const json *config = json_parse(a, STR(config_135m), e);
        if (!config || !(m = model_new(a, b, config, 1, &(model_options){.compute = COMPUTE_BF16, .no_text = true}, e)))
            return false;
    }
    double best = 1e9;
    for (int r = 0; r < repeat; r++) {
        engine *g = engine_new(m, COMPUTE_BF16);
        session *list[64];
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
        if (!engine_step(g, list, together, e)) return false; /* the prompts */
        const double begun = sys_seconds();
        if (!engine_run(g, list, together, NULL, e)) return false;
        const double took = sys_seconds() - begun;
        best = took < best ? took : best;
        for (int i = 0; i < together; i++) session_free(list[i]);
        engine_free(g);
    }
    const double rate = together * NEW / best, bytes = (double)model_weight_bytes(m) * NEW / best;
    const double flops = 2.0 * (double)model_parameter_count(m) * rate;
    printf("  %2d together  %8.1f tokens/s   %5.1f GB/s of weights = %3.0f %% of memory read   %3.0f %% of bf16 peak\n", together,
           rate, bytes / 1e9, 100 * bytes / peak->bandwidth, 100 * flops / peak->bf16_flops);
    return true;
}

/* ---- training ------------------------------------------------------------------------------------------------------------------ */

static bool bench_train(arena *a, backend *b, const machine_peak *peak, int repeat, err *e) {
    printf("training step, 134.5 M llama, 8 x 256 tokens, bf16 (share of bf16 peak by useful work: full 6N, LoRA 4N, DPO 4N + 2N "
           "reference)\n");
    const json *config = json_parse(a, STR(config_135m), e);
    if (!config) return false;
    static const train_bench_case cases[] = {TRAIN_BENCH_SFT_FULL, TRAIN_BENCH_SFT_LORA, TRAIN_BENCH_DPO_LORA};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        train_bench_result r;
        if (!train_bench(b, config, cases[i], repeat, &r, e)) return false;
        printf("  %-9s %8.0f tokens/s   %3.0f %% of bf16 peak   %5.2f GB resident\n", r.name, r.tokens_per_second,
               100 * r.useful_flops_per_second / peak->bf16_flops, (double)r.resident / 1e9);
    }
    return true;
}

static bool wants(const bench_options *o, const char *what) { return strcmp(o->what, "all") == 0 || strcmp(o->what, what) == 0; }

static bool bench(arena *a, int argc, char **argv, err *e);

const command command_bench = {"bench", "measure this machine and fettle's share of it", "[--what peak|products|train|generate]",
                               options, bench};

static bool bench(arena *a, int argc, char **argv, err *e) {
    bench_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_bench, &o, argc, argv, &rest, &help, e) || help) return help;
    subjects all;
    if (!subjects_begin(a, NULL, &all, e)) return false;
    const machine_peak peak = backend_peak(all.backend);
    if (o.json) {
        print_peak_json(&peak);
        return true;
    }
    print_peak(all.backend, &peak);
    if (wants(&o, "products")) backend_bench(all.backend, stdout);
    if (wants(&o, "generate")) {
        printf("generation, 134.5 M llama in bfloat16, prompt 64, 64 new tokens\n");
        static const int together[] = {1, 4, 16};
        for (int i = 0; i < 3; i++)
            if (!bench_generate(a, all.backend, &peak, together[i], (int)o.repeat, e)) return false;
        putchar('\n');
    }
    return !wants(&o, "train") || bench_train(a, all.backend, &peak, (int)o.repeat, e);
}
