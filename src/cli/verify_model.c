/* verify_model.c - families (folder with config.json and expected.safetensors), adapters on ../base, models with ggml's logits, the
 * story model, the starter model. Tolerances: fixtures' INDEX: logits 1e-4, log-probabilities 1e-4, loss 1e-5, gradients per tensor
 * 1e-4 of the largest value + 1e-6 and 1e-4 relative L2. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/verify.h"
#include "model/model.h"

static bool has(arena *a, const char *folder, const char *name) { return file_exists(path_join(a, folder, name)); }

/* ids of all sequences as probe lines; `most` > 0 keeps only that many tokens of the first sequence. */
static str id_lines(arena *a, const json *sequences, int most) {
    buf out = {0};
    const size_t count = most ? 1 : json_count(sequences);
    for (size_t i = 0; i < count; i++) {
        const json *ids = json_at(sequences, i);
        buf_put_text(&out, "{\"ids\": [");
        for (size_t k = 0; k < json_count(ids) && (!most || k < (size_t)most); k++)
            buf_printf(&out, "%s%lld", k ? ", " : "", (long long)json_int(json_at(ids, k), -1));
        buf_put_text(&out, "]}\n");
    }
    const str text = {str_copy(a, buf_str(&out)), out.len};
    buf_free(&out);
    return text;
}

static const json **lines_of(arena *a, str out, int *count, verdict *v) {
    enum { MOST = 4096 };
    const json **list = arena_array(a, const json *, MOST);
    *count = 0;
    for (size_t at = 0; at < out.len && *count < MOST;) {
        const ptrdiff_t end = str_find(out, STR("\n"), at);
        const str line = str_trim(str_slice(out, at, end < 0 ? out.len : (size_t)end));
        at = end < 0 ? out.len : (size_t)end + 1;
        err e = {0};
        if (line.len && !(list[(*count)++] = json_parse(a, line, &e)))
            verdict_fail(v, "the program's answer is no JSON: %s", e.text);
    }
    return list;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------------------------- */

static const file_tensor *want_tensor(const tensor_file *f, const char *name, const file_tensor *like, verdict *v) {
    const file_tensor *t = tensor_file_find(f, name);
    if (!t) verdict_fail(v, "%s is not in what the program wrote", name);
    else if (t->bytes != like->bytes) verdict_fail(v, "%s has %zu bytes, expected %zu", name, t->bytes, like->bytes);
    else return t;
    return NULL;
}

static void compare_gradient(verdict *v, const float *want, const float *got, size_t n, const char *name) {
    double most = 0, largest = 0, difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double w = (double)want[i], d = (double)got[i] - w;
        most = fabs(d) > most || isnan(d) ? fabs(d) : most;
        largest = fabs(w) > largest ? fabs(w) : largest;
        difference += d * d;
        size += w * w;
    }
    verdict_note(v, most, 1e-4 * largest + 1e-6, "%s", name);
    if (size > 1e-10) verdict_note(v, sqrt(difference / size), 1e-4, "%s, relative L2", name);
}

/* Everything in expected.safetensors that the program's file should hold: logits, gradients (or logits by another name). */
static void compare_arrays(arena *a, verdict *v, const tensor_file *want, const char *written, const char *logits,
                           bool gradients) {
    err e = {0};
    tensor_file got;
    if (!safetensors_open(a, written, &got, &e)) {
        verdict_fail(v, "%s", e.text);
        return;
    }
    for (int i = 0; i < want->count; i++) {
        const file_tensor *w = &want->tensor[i];
        char *name = str_copy(a, w->name);
        const size_t n = w->bytes / 4;
        if (strncmp(name, logits, strlen(logits)) == 0) {
            const file_tensor *g = want_tensor(&got, arena_printf(a, "logits.%s", name + strlen(logits)), w, v);
            if (g) verdict_compare_floats(v, w->data, g->data, n, 1e-4, name);
        } else if (gradients && strncmp(name, "grad.", 5) == 0) {
            const file_tensor *g = want_tensor(&got, name, w, v);
            if (g) compare_gradient(v, w->data, g->data, n, name);
        }
    }
}

/* ---- families and adapters --------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *folder, *base, *adapter; /* adapter NULL: a family */
    const json *expected;
    tensor_file arrays;
} family_case;

static bool open_case(arena *a, family_case *c, verdict *v) {
    err e = {0};
    c->expected = json_parse_file(a, path_join(a, c->folder, "expected.json"), 64 << 20, &e);
    if (c->expected && safetensors_open(a, path_join(a, c->folder, "expected.safetensors"), &c->arrays, &e)) return true;
    verdict_fail(v, "%s", e.text);
    return false;
}

static bool run_probe(arena *a, const family_case *c, bool merged, const char *greedy, const char *out, str input,
                      program_result *r, verdict *v) {
    const char *words[16] = {"probe", "logits", "--model", c->base, "--dtype", "float32"};
    int n = 6;
    if (c->adapter) words[n++] = "--adapter", words[n++] = c->adapter;
    if (merged) words[n++] = "--merged";
    else if (out) words[n++] = "--grad";
    if (out) words[n++] = "--out", words[n++] = out;
    if (greedy) words[n++] = "--greedy", words[n++] = greedy;
    words[n] = NULL;
    err e = {0};
    if (!program_run(a, words, input, r, &e)) {
        verdict_fail(v, "%s", e.text);
        return false;
    }
    return program_succeeded(r, v);
}

static void compare_lines(arena *a, const family_case *c, const program_result *r, verdict *v) {
    int count;
    const json **line = lines_of(a, r->out, &count, v);
    if (count != (int)json_count(json_get(c->expected, "input_ids")) + 1) {
        verdict_fail(v, "%d lines came", count);
        return;
    }
    for (int i = 0; i + 1 < count; i++) {
        const file_tensor *t = tensor_file_find(&c->arrays, arena_printf(a, "logp.%d", i));
        const json *logp = json_get(line[i], "logp");
        for (size_t k = 0; t && k < t->bytes / 4; k++)
            verdict_note(v, fabs(json_real(json_at(logp, k), NAN) - (double)((const float *)t->data)[k]), 1e-4, "logp.%d[%zu]", i,
                         k);
    }
    verdict_note(v, fabs(json_get_real(line[count - 1], "loss", NAN) - json_get_real(c->expected, "loss", 0)), 1e-5, "loss");
    const double norm = json_get_real(c->expected, "grad_norm", NAN);
    if (!isnan(norm)) verdict_note(v, fabs(json_get_real(line[count - 1], "grad_norm", NAN) - norm), 1e-4 * norm, "grad_norm");
}

static void compare_greedy(arena *a, const family_case *c, verdict *v) {
    const json *greedy = json_get(c->expected, "greedy"), *tokens = json_get(greedy, "tokens");
    if (!json_count(tokens)) return;
    program_result r;
    const str input = id_lines(a, json_get(c->expected, "input_ids"), (int)json_get_int(greedy, "prompt_tokens", 8));
    if (!run_probe(a, c, false, arena_printf(a, "%zu", json_count(tokens)), NULL, input, &r, v)) return;
    int count;
    const json **line = lines_of(a, r.out, &count, v);
    if (count < 1 || !json_equal(json_get(line[0], "greedy"), tokens)) verdict_fail(v, "the greedy tokens differ");
}

static void run_family_case(arena *a, const family_case *c, verdict *v) {
    program_result r;
    const char *out = path_join(a, verify_scratch(), "probe.safetensors");
    const str input = id_lines(a, json_get(c->expected, "input_ids"), 0);
    if (!run_probe(a, c, false, NULL, out, input, &r, v)) return;
    compare_lines(a, c, &r, v);
    compare_arrays(a, v, &c->arrays, out, "logits.", true);
    compare_greedy(a, c, v);
    if (!c->adapter || !run_probe(a, c, true, NULL, out, input, &r, v)) return;
    compare_arrays(a, v, &c->arrays, out, "merged_logits.", false);
}

/* The same weights beside the config as transformers 4 wrote it. */
static const char *version4_folder(arena *a, const char *folder, verdict *v) {
    const char *to = path_join(a, verify_scratch(), "v4");
    char **names;
    int count;
    err e = {0};
    char *real = realpath(folder, NULL);
    arena_defer(a, memory_release, real);
    bool ok = real && dir_remove(to, &e) && dir_make(to, &e) && dir_list(a, folder, &names, &count, &e);
    for (int i = 0; ok && i < count; i++) {
        const bool v4 = strcmp(names[i], "config.v4.json") == 0;
        if (strcmp(names[i], "config.json") == 0 || strncmp(names[i], "expected", 8) == 0) continue;
        ok = symlink(path_join(a, real, names[i]), path_join(a, to, v4 ? "config.json" : names[i])) == 0;
    }
    if (!ok) verdict_fail(v, "cannot lay out the version 4 folder: %s", e.text);
    return ok ? to : NULL;
}

static bool is_family(arena *a, const char *f) { return has(a, f, "config.json") && has(a, f, "expected.safetensors"); }
static bool is_adapter(arena *a, const char *f) { return has(a, f, "adapter_config.json") && has(a, f, "expected.safetensors"); }

static void run_family(arena *a, const char *folder) {
    for (int v4 = 0; v4 < 2; v4++) {
        if (v4 && !has(a, folder, "config.v4.json")) continue;
        verdict v = {0};
        family_case c = {.folder = folder, .base = folder};
        if (open_case(a, &c, &v)) {
            if (v4) c.base = version4_folder(a, folder, &v);
            if (c.base) run_family_case(a, &c, &v);
        }
        verify_report(arena_printf(a, "%s%s", path_name(folder), v4 ? " (config.v4.json)" : ""), &v);
    }
}

static void run_adapter(arena *a, const char *folder) {
    verdict v = {0};
    family_case c = {.folder = folder, .base = path_join(a, folder, "../base"), .adapter = folder};
    if (open_case(a, &c, &v)) run_family_case(a, &c, &v);
    verify_report(arena_printf(a, "%s/%s", path_name(path_folder(a, folder)), path_name(folder)), &v);
}

const verify_kind verify_family = {"family", "logits, loss and gradients of a model", is_family, run_family};
const verify_kind verify_adapter = {"adapter", "the same through an adapter, apart and merged", is_adapter, run_adapter};

/* ---- ggml's logits: {tokens} and raw float32 logits, for the folder and the .gguf beside it -------------------------------------------- */

static bool is_ggml(arena *a, const char *f) { return has(a, f, "llama.cpp.json") && has(a, f, "llama.cpp.logits.f32"); }

static void ggml_case(arena *a, const char *folder, const char *model_path, verdict *v) {
    err e = {0};
    str raw;
    const json *info = json_parse_file(a, path_join(a, folder, "llama.cpp.json"), 1 << 24, &e);
    if (!info || !file_read(a, path_join(a, folder, "llama.cpp.logits.f32"), 1 << 30, &raw, &e)) {
        verdict_fail(v, "%s", e.text);
        return;
    }
    json *one = json_new_array(a);
    json_append(one, json_get(info, "tokens"));
    program_result r;
    const char *out = path_join(a, verify_scratch(), "probe.safetensors");
    const char *words[] = {"probe", "logits", "--model", model_path, "--dtype", "float32", "--out", out, NULL};
    tensor_file got;
    if (!program_run(a, words, id_lines(a, one, 0), &r, &e)) verdict_fail(v, "%s", e.text);
    else if (!program_succeeded(&r, v)) return;
    else if (!safetensors_open(a, out, &got, &e)) verdict_fail(v, "%s", e.text);
    else {
        const file_tensor *t = tensor_file_find(&got, "logits.0");
        const size_t n = raw.len < t->bytes ? raw.len : t->bytes;
        if (raw.len > t->bytes) verdict_fail(v, "%zu bytes of logits, expected %zu", t->bytes, raw.len);
        verdict_compare_floats(v, (const float *)(const void *)raw.ptr, t->data, n / 4, 1e-4, "logits");
    }
}

static void run_ggml(arena *a, const char *folder) {
    const char *file = path_join(a, folder, "model.gguf");
    verdict v = {0}, w = {0};
    ggml_case(a, folder, folder, &v);
    verify_report(arena_printf(a, "%s (folder)", path_name(folder)), &v);
    if (!file_exists(file)) return;
    ggml_case(a, folder, file, &w);
    verify_report(arena_printf(a, "%s (gguf)", path_name(folder)), &w);
}

const verify_kind verify_ggml_model = {"ggml model", "logits as llama.cpp computes them", is_ggml, run_ggml};

/* ---- the story model: greedy text byte for byte ------------------------------------------------------------------------------------------ */

static const json *expected_with(arena *a, const char *folder, const char *key) {
    err e = {0};
    if (!has(a, folder, "expected.json")) return NULL;
    const json *v = json_parse_file(a, path_join(a, folder, "expected.json"), 64 << 20, &e);
    return json_has(v, key) ? v : NULL;
}

static bool is_story(arena *a, const char *f) { return expected_with(a, f, "expected_text") != NULL; }

static void story_case(arena *a, const char *model_path, const char *tokenizer_path, const json *x, verdict *v) {
    err e = {0};
    program_result r;
    const char *steps = arena_printf(a, "%lld", (long long)json_get_int(x, "steps", 0));
    const char *words[] = {"probe", "logits", "--model", model_path, "--dtype", "float32", "--greedy", steps, NULL};
    if (!program_run(a, words, STR("{\"ids\": [1]}\n"), &r, &e)) verdict_fail(v, "%s", e.text);
    if (e.code || !program_succeeded(&r, v)) return;
    int count;
    const json **line = lines_of(a, r.out, &count, v);
    buf ids = {0};
    buf_put_text(&ids, "{\"skip_special\": true, \"ids\": ");
    json_put(&ids, count ? json_get(line[0], "greedy") : NULL);
    buf_put_text(&ids, "}\n");
    const char *decode[] = {"probe", "tokens", "--model", tokenizer_path, NULL};
    if (!program_run(a, decode, buf_str(&ids), &r, &e)) verdict_fail(v, "%s", e.text);
    else if (program_succeeded(&r, v)) {
        const json **answer = lines_of(a, r.out, &count, v);
        const str want = str_trim(json_get_text(x, "expected_text", STR(""))),
                  got = str_trim(json_get_text(count ? answer[0] : NULL, "text", STR("")));
        if (!str_starts(got, want) && !str_eq(got, want)) verdict_fail(v, "the text differs: %.*s", STR_ARG(got));
    }
    buf_free(&ids);
}

static void run_story(arena *a, const char *folder) {
    const json *x = expected_with(a, folder, "expected_text");
    char **names;
    int count;
    err e = {0};
    const char *file = NULL;
    if (dir_list(a, folder, &names, &count, &e))
        for (int i = 0; i < count; i++)
            if (str_ends(str_of(names[i]), STR(".gguf"))) file = path_join(a, folder, names[i]);
    verdict v = {0};
    if (!file) verdict_fail(&v, "no .gguf file in the folder, whose tokenizer makes the text");
    else story_case(a, file, file, x, &v);
    verify_report(arena_printf(a, "%s (gguf)", path_name(folder)), &v);
    if (!file || !has(a, folder, "config.json")) return;
    verdict w = {0};
    story_case(a, folder, file, x, &w);
    verify_report(arena_printf(a, "%s (folder)", path_name(folder)), &w);
}

const verify_kind verify_story = {"story", "greedy text, byte for byte", is_story, run_story};

/* ---- the starter model ------------------------------------------------------------------------------------------------------------------- */

static bool is_starter(arena *a, const char *f) { return expected_with(a, f, "gguf_sha256") != NULL; }

static void starter_case(arena *a, const char *model_path, const json *c, verdict *v) {
    err e = {0};
    program_result r;
    json *request = json_new_object(a);
    json_set(request, "messages", json_get(c, "messages"));
    json_set(request, "add_generation_prompt", json_new_bool(a, true));
    buf line = {0};
    json_put(&line, request);
    const char *chat[] = {"probe", "chat", "--model", model_path, NULL};
    int count;
    if (!program_run(a, chat, buf_str(&line), &r, &e)) verdict_fail(v, "%s", e.text);
    buf_free(&line);
    if (e.code || !program_succeeded(&r, v)) return;
    const json **answer = lines_of(a, r.out, &count, v);
    if (!count || !json_equal(json_get(answer[0], "text"), json_get(c, "text"))) verdict_fail(v, "the rendered text differs");
    if (!count || !json_equal(json_get(answer[0], "ids"), json_get(c, "ids"))) verdict_fail(v, "the token ids differ");
    json *one = json_new_array(a);
    json_append(one, json_get(c, "ids"));
    const char *greedy = arena_printf(a, "%zu", json_count(json_get(c, "greedy_ids")));
    const char *out = path_join(a, verify_scratch(), "probe.safetensors");
    const char *logits[] = {"probe", "logits", "--model",  model_path, "--dtype", "float32",
                            "--out", out,      "--greedy", greedy,     NULL};
    if (!program_run(a, logits, id_lines(a, one, 0), &r, &e)) verdict_fail(v, "%s", e.text);
    if (e.code || !program_succeeded(&r, v)) return;
    answer = lines_of(a, r.out, &count, v);
    if (count) verdict_compare(v, json_get(c, "logp_of_next"), json_get(answer[0], "logp"), 0, 1e-3, "logp");
    if (!count || !json_equal(json_get(answer[0], "greedy"), json_get(c, "greedy_ids")))
        verdict_fail(v, "the greedy tokens differ");
    tensor_file got;
    if (!safetensors_open(a, out, &got, &e)) {
        verdict_fail(v, "%s", e.text);
        return;
    }
    const file_tensor *t = tensor_file_find(&got, "logits.0");
    const json *top = json_get(c, "top5_logits");
    for (size_t i = 0; i < json_count(top); i++)
        for (size_t k = 0; k < json_count(json_at(top, i)); k++) {
            const json *pair = json_at(json_at(top, i), k);
            const float z = ((const float *)t->data)[(int64_t)i * t->shape[1] + json_int(json_at(pair, 0), 0)];
            verdict_note(v, fabs((double)z - json_real(json_at(pair, 1), NAN)), 1e-3, "logit[%zu][%lld]", i,
                         (long long)json_int(json_at(pair, 0), 0));
        }
}

static void run_starter(arena *a, const char *folder) {
    static const char *const path = "build/starter/smollm2.gguf";
    const json *x = expected_with(a, folder, "gguf_sha256");
    sha256_text hash;
    err e = {0};
    const bool there = file_exists(path) && file_sha256(path, hash, &e) && str_is(json_get_text(x, "gguf_sha256", STR("")), hash);
    const json *cases = json_get(x, "cases");
    for (size_t i = 0; i < json_count(cases); i++) {
        verdict v = {0};
        if (there) starter_case(a, path, json_at(cases, i), &v);
        else verdict_skip(&v, "%s is not here: tools/deps starter fetches it", path);
        verify_report(arena_printf(a, "starter %zu", i + 1), &v);
    }
}

const verify_kind verify_starter = {"starter", "the starter model widened to float32", is_starter, run_starter};
