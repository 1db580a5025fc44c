/* verify_distil.c - divergence of given rows of logits, or of given hidden states and heads (curves/gkd-jsd), through `fettle probe objective gkd`.
 * Gradients by hidden states are those by logits times the head. Tolerance: 1e-4 relative, as the folder's INDEX says of columns. */
#include <string.h>

#include "base/file.h"
#include "cli/verify.h"

static json *read_json(arena *a, const char *folder, const char *name) {
    err e = {0};
    const char *path = path_join(a, folder, name);
    return file_exists(path) ? json_parse_file(a, path, 256 << 20, &e) : NULL;
}

static bool is_distil(arena *a, const char *folder) {
    return json_has(read_json(a, folder, "expected.json"), "generalized_jsd") && read_json(a, folder, "columns.json");
}

static void put(json *object, const char *key, const json *value) { json_set(object, key, (json *)(uintptr_t)value); }
static double real_at(const json *list, size_t i) { return json_real(json_at(list, i), 0); }

/* [S, T, K] times matrix [K, N], or with `across` its transpose [N, K]: [S, T, N] */
static json *product(arena *a, const json *x, const json *m, bool across) {
    json *out = json_new_array(a);
    const size_t N = across ? json_count(m) : json_count(json_at(m, 0));
    for (size_t s = 0; s < json_count(x); s++) {
        json *rows = json_new_array(a);
        for (size_t t = 0; t < json_count(json_at(x, s)); t++) {
            const json *row = json_at(json_at(x, s), t);
            json *sums = json_new_array(a);
            for (size_t n = 0; n < N; n++) {
                double sum = 0;
                for (size_t k = 0; k < json_count(row); k++)
                    sum += real_at(row, k) * (across ? real_at(json_at(m, n), k) : real_at(json_at(m, k), n));
                json_append(sums, json_new_real(a, sum));
            }
            json_append(rows, sums);
        }
        json_append(out, rows);
    }
    return out;
}

/* Labels stand where their row of logits does; without labels every row counts. */
static json *mask_of(arena *a, const json *labels, bool all) {
    json *out = json_new_array(a);
    for (size_t s = 0; s < json_count(labels); s++) {
        json *bits = json_new_array(a);
        for (size_t t = 0; t < json_count(json_at(labels, s)); t++)
            json_append(bits, json_new_int(a, all || json_int(json_at(json_at(labels, s), t), -100) >= 0));
        json_append(out, bits);
    }
    return out;
}

/* The program's answer to one case; NULL with the verdict failed. */
static json *ask(arena *a, const json *variant, json *inputs, verdict *v) {
    const char *words[] = {"probe", "objective", "gkd", NULL};
    json *one = json_new_object(a), *params = json_new_object(a);
    program_result r;
    err e = {0};
    buf line = {0};
    put(params, "beta", json_get(variant, "beta"));
    put(params, "temperature", json_get(variant, "temperature"));
    json_set(one, "params", params);
    json_set(one, "inputs", inputs);
    json_put(&line, one);
    buf_put_char(&line, '\n');
    const bool ran = program_run(a, words, buf_str(&line), &r, &e);
    buf_free(&line);
    if (!ran) verdict_fail(v, "%s", e.text);
    if (!ran || !program_succeeded(&r, v)) return NULL;
    json *got = json_parse(a, str_trim(r.out), &e);
    if (!got) verdict_fail(v, "the program's answer is no JSON: %s", e.text);
    return got;
}

static void compare(arena *a, const json *variant, const char *key, const json *gradient, const json *got, const char *name,
                    verdict *v) {
    json *want = json_new_object(a), *have = json_new_object(a);
    put(want, "loss", json_get(variant, "loss"));
    put(have, "loss", json_get(got, "loss"));
    if (json_has(variant, key)) put(want, key, json_get(variant, key)), put(have, key, gradient);
    if (got) verdict_compare(v, want, have, 1e-4, 1e-6, "");
    verify_report(name, v);
}

static const char *name_of(arena *a, const char *what, const json *variant) {
    return arena_printf(a, "%s: beta %g, temperature %g %s", what, json_get_real(variant, "beta", 0),
                        json_get_real(variant, "temperature", 1), str_copy(a, json_get_text(variant, "mode", STR(""))));
}

static void run_logits(arena *a, const json *columns, const json *variant) {
    const str mode = json_get_text(variant, "mode", STR(""));
    const bool all = str_is(mode, "all");
    json *inputs = json_new_object(a), *counts = json_new_object(a);
    verdict v = {0};
    put(inputs, "logits", json_get(columns, "student_logits"));
    put(inputs, "teacher_logits", json_get(columns, "teacher_logits"));
    json_set(inputs, "mask", mask_of(a, json_get(columns, "labels"), all));
    if (str_is(mode, "num_items")) put(counts, "tokens", json_get(columns, "num_items_in_batch"));
    if (all) json_set(counts, "tokens", json_new_int(a, (int64_t)json_count(json_get(columns, "labels"))));
    json_set(inputs, "counts", counts);
    const json *got = ask(a, variant, inputs, &v);
    compare(a, variant, "dloss_dstudent", json_get(got, "dlogits"), got, name_of(a, "rows", variant), &v);
}

static void run_hidden(arena *a, const json *columns, const json *variant) {
    const json *head = json_get(columns, "student_head");
    json *inputs = json_new_object(a);
    verdict v = {0};
    json_set(inputs, "logits", product(a, json_get(columns, "student_hidden"), head, true));
    json_set(inputs, "teacher_logits", product(a, json_get(columns, "teacher_hidden"), json_get(columns, "teacher_head"), true));
    json_set(inputs, "mask", mask_of(a, json_get(columns, "labels"), false));
    const json *got = ask(a, variant, inputs, &v);
    compare(a, variant, "dloss_dstudent_hidden", got ? product(a, json_get(got, "dlogits"), head, false) : NULL, got,
            name_of(a, "hidden states", variant), &v);
}

static void run_distil(arena *a, const char *folder) {
    const json *columns = read_json(a, folder, "columns.json"), *expected = read_json(a, folder, "expected.json");
    const json *rows = json_get(expected, "generalized_jsd"), *hidden = json_get(expected, "distillation");
    for (size_t i = 0; i < json_count(rows); i++) run_logits(a, columns, json_at(rows, i));
    for (size_t i = 0; i < json_count(hidden); i++) run_hidden(a, columns, json_at(hidden, i));
}

const verify_kind verify_distil = {"distillation", "divergence of rows of logits", is_distil, run_distil};
