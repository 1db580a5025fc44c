/* families.c - the numbers of transformers and PEFT for every family: logits, log-probabilities, loss, the gradient of every
 * parameter, merged weights. The cases lie in ../shared/fixtures/families (its INDEX.md says how they were made); both sequences of
 * a case go through as one ragged batch, and each model is opened with either spelling of its config. */
#include "model/pass.h"

typedef struct {
    const char *folder, *adapter; /* adapter NULL: the family itself */
} family_case;

static const family_case cases[] = {
    {"llama", NULL},
    {"llama-tied", NULL},
    {"llama-bias", NULL},
    {"llama-rope-llama3", NULL},
    {"llama-rope-linear", NULL},
    {"llama-sharded", NULL},
    {"llama-bf16", NULL},
    {"qwen2", NULL},
    {"gpt2", NULL},
    {"gpt2-bf16", NULL},
    {"gpt2-sharded", NULL},
    {"gpt2-hub-names", NULL},
    {"llama-lora/base", "llama-lora/lora"},
    {"llama-lora/base", "llama-lora/rslora"},
    {"qwen2-lora/base", "qwen2-lora/lora"},
    {"qwen2-lora/base", "qwen2-lora/rslora"},
    {"gpt2-lora/base", "gpt2-lora/lora"},
    {"llama-lora/base", "llama-lora/lora-lm-head"},
    {"llama-lora/base", "llama-lora/dora"},
    {"qwen2-lora/base", "qwen2-lora/dora"},
    {"gpt2-lora/base", "gpt2-lora/dora"},
};

static const file_tensor *expected(const tensor_file *f, const char *name) {
    const file_tensor *t = tensor_file_find(f, name);
    if (!t) fail_msg("expected.safetensors has no %s", name);
    return t;
}

/* A folder with the same weights whose config.json is in the spelling of transformers 4. */
static const char *with_old_config(arena *a, const char *folder, const char *scratch) {
    char **names, *real = realpath(folder, NULL);
    int count;
    err e = {0};
    assert_ok(dir_list(a, real, &names, &count, &e), e);
    for (int i = 0; i < count; i++) {
        const bool old = strcmp(names[i], "config.v4.json") == 0;
        if (strcmp(names[i], "config.json") == 0) continue;
        assert_int_equal(symlink(path_join(a, real, names[i]), path_join(a, scratch, old ? "config.json" : names[i])), 0);
    }
    free(real);
    return scratch;
}

static sequences read_sequences(arena *a, const tensor_file *f) {
    sequences s = {.count = 2};
    for (int i = 0; i < s.count; i++) {
        const file_tensor *t = expected(f, arena_printf(a, "input_ids.%d", i));
        int32_t *id = arena_array(a, int32_t, t->shape[0]);
        for (int64_t k = 0; k < t->shape[0]; k++) {
            int64_t v;
            memcpy(&v, (const char *)t->data + 8 * k, 8);
            id[k] = (int32_t)v;
        }
        s.length[i] = (int)t->shape[0];
        s.ids[i] = id;
    }
    return s;
}

static void compare_logits(arena *a, const tensor_file *f, const char *what, const sequences *s, const model *m,
                           const float *got) {
    for (int i = 0; i < s->count; i++) {
        const size_t n = (size_t)s->length[i] * (size_t)m->config.vocab;
        const double d = largest_difference(got, expected(f, arena_printf(a, "%s.%d", what, i))->data, n);
        if (!(d <= 5e-5)) fail_msg("%s.%d differs by %g", what, i, d);
        got += n;
    }
}

static void compare_logp(arena *a, const tensor_file *f, const sequences *s, const passed *p) {
    const float *got = p->logp;
    for (int i = 0; i < s->count; i++) {
        const double d = largest_difference(got, expected(f, arena_printf(a, "logp.%d", i))->data, (size_t)s->length[i] - 1);
        if (!(d <= 5e-5)) fail_msg("logp.%d differs by %g", i, d);
        got += s->length[i] - 1;
    }
    const double loss = (double)*(const float *)expected(f, "loss")->data;
    if (!(fabs(loss - p->loss) <= 1e-5)) fail_msg("the loss is %.8g, transformers' is %.8g", p->loss, loss);
}

typedef struct {
    double difference, size; /* sums of squares over all gradients */
    int count;
} gradient_sum;

static void compare_gradient(const file_tensor *want, const float *got, size_t n, const char *name, gradient_sum *sum) {
    const float *w = want->data;
    double most = 0;
    if (want->bytes != n * sizeof *w) fail_msg("%s has another size", name);
    for (size_t i = 0; i < n; i++) {
        most = fabs((double)w[i]) > most ? fabs((double)w[i]) : most;
        sum->difference += pow((double)w[i] - (double)got[i], 2);
        sum->size += (double)w[i] * (double)w[i];
    }
    const double d = largest_difference(got, w, n);
    if (!(d <= 1e-4 * most + 1e-6)) fail_msg("%s differs by %g, its largest value is %g", name, d, most);
    sum->count++;
}

static void compare_gradients(arena *a, const tensor_file *f, const model *m, const adapter *ad) {
    gradient_sum sum = {0};
    for (int i = 0; !ad && i < m->count; i++) {
        const parameter *p = &m->parameters[i];
        const char *prefix = m->config.family->prefix;
        const size_t n = (size_t)p->w->rows * (size_t)p->w->cols;
        const file_tensor *want = tensor_file_find(f, arena_printf(a, "grad.%s", p->name));
        if (!want && prefix) want = tensor_file_find(f, arena_printf(a, "grad.%s", p->name + strlen(prefix)));
        if (!want) fail_msg("no gradient of %s is expected", p->name);
        float *got = arena_array(a, float, n);
        parameter_grad_read(m, p, got);
        compare_gradient(want, got, n, p->name, &sum);
    }
    int own = 0;
    weight **list = ad ? adapter_weights(a, ad, &own) : NULL;
    for (int i = 0; i < own; i++) {
        const char *name = arena_printf(a, "grad.base_model.model.%s", list[i]->name);
        compare_gradient(expected(f, name), list[i]->grad, (size_t)list[i]->rows * (size_t)list[i]->cols, name, &sum);
    }
    int wanted = 0;
    for (int i = 0; i < f->count; i++) wanted += str_starts(f->tensor[i].name, STR("grad."));
    assert_int_equal(sum.count, wanted);
    const double relative = sqrt(sum.difference / sum.size);
    if (!(relative <= 1e-4)) fail_msg("all gradients together differ by %g of their norm", relative);
}

/* The tokens that generate() chose after the first tokens of the first sequence, with a cache. */
static void compare_greedy(arena *a, const char *folder, const model *m, const adapter *ad, const sequences *s) {
    err e = {0};
    const json *greedy = json_get(json_parse_file(a, path_join(a, folder, "expected.json"), 1 << 20, &e), "greedy");
    const json *want = json_get(greedy, "tokens");
    const sampling o = {.top_p = 1, .repetition_penalty = 1, .max_new_tokens = (int)json_count(want), .ignore_eos = true};
    engine *g = engine_new(m, COMPUTE_F32);
    int count;
    session *x = session_new(g, ad, s->ids[0], (int)json_get_int(greedy, "prompt_tokens", 8), &o, NULL, NULL, &e);
    if (!x) fail_msg("%s", e.text);
    assert_ok(engine_run(g, &x, 1, NULL, &e), e);
    const int32_t *got = session_ids(x, &count);
    assert_int_equal(count, json_count(want));
    for (int i = 0; i < count; i++) assert_int_equal(got[i], json_int(json_at(want, (size_t)i), -1));
    session_free(x);
    engine_free(g);
}

static void merging_gives_the_same_logits(arena *a, const tensor_file *f, const char *folder, const model *m, const adapter *ad,
                                          const sequences *s) {
    char *scratch = scratch_folder(a);
    err e = {0};
    const model_options o = {.compute = COMPUTE_F32, .no_text = true};
    assert_ok(model_save(m, ad, scratch, TYPE_F32, 0, &e), e);
    const model *merged = model_open(a, m->backend, scratch, &o, &e);
    if (!merged) fail_msg("%s", e.text);
    compare_logits(a, f, "merged_logits", s, merged, pass(a, merged, NULL, s, false).logits);
    tensor_file theirs, ours; /* weight by weight */
    assert_ok(safetensors_open(a, path_join(a, folder, "merged.safetensors"), &theirs, &e), e);
    assert_ok(safetensors_open(a, path_join(a, scratch, "model.safetensors"), &ours, &e), e);
    for (int i = 0; i < ours.count; i++) {
        const file_tensor *w = tensor_file_find(&theirs, ours.tensor[i].name.ptr);
        if (w && !(largest_difference(w->data, ours.tensor[i].data, w->bytes / 4) <= 1e-5))
            fail_msg("merged %s differs", ours.tensor[i].name.ptr);
    }
    assert_ok(dir_remove(scratch, &e), e);
}

static void close_backend(void *b) { backend_close(b); }

static void check_case(arena *a, const family_case *c, const char *root, bool old_config) {
    const char *folder = path_join(a, root, c->folder), *expectations = path_join(a, root, c->adapter ? c->adapter : c->folder);
    char *scratch = scratch_folder(a);
    err e = {0};
    tensor_file f;
    if (old_config) folder = with_old_config(a, folder, scratch);
    backend *b = test_backend();
    arena_defer(a, close_backend, b);
    const model_options o = {.compute = COMPUTE_F32, .train = !c->adapter, .no_text = true};
    model *m = model_open(a, b, folder, &o, &e);
    if (!m) fail_msg("%s", e.text);
    adapter *ad = c->adapter ? adapter_open(a, m, expectations, true, &e) : NULL;
    if (c->adapter && !ad) fail_msg("%s", e.text);
    assert_ok(safetensors_open(a, path_join(a, expectations, "expected.safetensors"), &f, &e), e);
    const sequences s = read_sequences(a, &f);
    const passed p = pass(a, m, ad, &s, true);
    compare_logits(a, &f, "logits", &s, m, p.logits);
    compare_logp(a, &f, &s, &p);
    compare_gradients(a, &f, m, ad);
    compare_greedy(a, expectations, m, ad, &s);
    if (ad) merging_gives_the_same_logits(a, &f, expectations, m, ad, &s);
    assert_ok(dir_remove(scratch, &e), e);
}

static void has_the_numbers_of_transformers(void **state) {
    arena *a = arena_new();
    const char *root = shared_path(a, "fixtures/families");
    if (!root) {
        arena_free(a);
        skip();
    }
    check_case(a, *state, root, false);
    check_case(a, *state, root, true);
    arena_free(a);
}

int main(void) {
    enum { COUNT = sizeof cases / sizeof *cases };
    struct CMUnitTest tests[COUNT];
    for (int i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){cases[i].adapter ? cases[i].adapter : cases[i].folder, has_the_numbers_of_transformers,
                                       NULL, NULL, (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
