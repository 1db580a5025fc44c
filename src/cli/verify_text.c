/* verify_text.c - token ids of texts, rendered conversations with masks, chat templates, and blocks of quantised values. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/verify.h"
#include "tensor/tensor.h"

static json *read_json(arena *a, const char *path, verdict *v) {
    err e = {0};
    json *j = json_parse_file(a, path, 256 << 20, &e);
    if (!j && v) verdict_fail(v, "%s", e.text);
    return j;
}

/* Sends lines to `probe WORDS` and gives back the answers, one for each line (NULL: none came). */
static const json **ask(arena *a, const char *const *words, const buf *lines, int count, verdict *v) {
    const json **out = arena_array(a, const json *, count + 1);
    program_result r;
    err e = {0};
    if (!program_run(a, words, buf_str(lines), &r, &e)) verdict_fail(v, "%s", e.text);
    else {
        int n = 0;
        for (size_t at = 0; at < r.out.len && n < count;) {
            const ptrdiff_t end = str_find(r.out, STR("\n"), at);
            const str line = str_slice(r.out, at, end < 0 ? r.out.len : (size_t)end);
            at = end < 0 ? r.out.len : (size_t)end + 1;
            if (line.len) out[n++] = json_parse(a, line, &e);
        }
        if (n < count) program_succeeded(&r, v);
        if (n < count && v->outcome == CASE_PASSED) verdict_fail(v, "%d answers to %d lines", n, count);
    }
    return out;
}

static void put_line(arena *a, buf *lines, json *object) {
    (void)a;
    json_put(lines, object);
    buf_put_char(lines, '\n');
}

static void expect_equal(verdict *v, const json *want, const json *answer, const char *key, const char *what, size_t i) {
    if (json_equal(want, json_get(answer, key))) return;
    buf w = {0}, g = {0};
    json_put(&w, want);
    json_put(&g, answer);
    verdict_fail(v, "case %zu, %s: expected %.200s, got %.200s", i + 1, what, w.ptr, g.ptr);
    buf_free(&w);
    buf_free(&g);
}

/* ---- vectors of token ids: {"cases": [{text, ids}]} beside a tokenizer.json or a GGUF vocabulary -------------------------------------------- */

static const char *vocabulary_of(arena *a, const char *folder, const char *name) {
    const char *own = path_join(a, folder, "tokenizer.json");
    if (file_exists(own)) return folder;
    const ptrdiff_t dot = str_find(str_of(name), STR("."), 0);
    const char *gguf = path_join(a, folder, arena_printf(a, "ggml-vocab-%.*s.gguf", (int)dot, name));
    return dot > 0 && file_exists(gguf) ? gguf : NULL;
}

static bool is_token_file(arena *a, const char *folder, const char *name) {
    if (!str_ends(str_of(name), STR(".json")) || !vocabulary_of(a, folder, name)) return false;
    if (str_find(str_of(name), STR("vectors"), 0) < 0 && str_find(str_of(name), STR("cases"), 0) < 0) return false;
    const json *j = read_json(a, path_join(a, folder, name), NULL), *first = json_at(json_get(j, "cases"), 0);
    return json_has(first, "text") && json_has(first, "ids");
}

static bool is_token_vectors(arena *a, const char *folder) {
    char **names;
    int count;
    err e = {0};
    if (!dir_list(a, folder, &names, &count, &e)) return false;
    for (int i = 0; i < count; i++)
        if (is_token_file(a, folder, names[i])) return true;
    return false;
}

static void token_file(arena *a, const char *folder, const char *name) {
    verdict v = {0};
    const json *j = read_json(a, path_join(a, folder, name), &v), *cases = json_get(j, "cases");
    const char *words[] = {"probe", "tokens", "--model", vocabulary_of(a, folder, name), NULL};
    const int n = (int)json_count(cases);
    buf there = {0}, back = {0};
    for (int i = 0; i < n; i++) {
        json *line = json_new_object(a), *ids = json_new_object(a);
        json_set(line, "text", json_get(json_at(cases, (size_t)i), "text"));
        json_set(line, "special", json_new_bool(a, json_get_bool(j, "add_special", false)));
        put_line(a, &there, line);
        json_set(ids, "ids", json_get(json_at(cases, (size_t)i), "ids"));
        put_line(a, &back, ids);
    }
    const json **answer = ask(a, words, &there, n, &v);
    for (int i = 0; i < n; i++)
        expect_equal(&v, json_get(json_at(cases, (size_t)i), "ids"), answer[i], "ids", "ids of a text", (size_t)i);
    buf_free(&there);
    buf_free(&back);
    verify_report(arena_printf(a, "%s/%s (%d texts)", path_name(folder), name, n), &v);
}

static void run_token_vectors(arena *a, const char *folder) {
    char **names;
    int count;
    err e = {0};
    if (!dir_list(a, folder, &names, &count, &e)) return;
    for (int i = 0; i < count; i++)
        if (is_token_file(a, folder, names[i])) token_file(a, folder, names[i]);
}

const verify_kind verify_token_vectors = {"tokens", "ids of hostile texts", is_token_vectors, run_token_vectors};

/* ---- templates with the text they make: {"cases": [{name, template, context?, ...}]}; with "messages" for all, chat templates ---------------- */

static bool is_template_file(arena *a, const char *folder, const char *name) {
    enum { LOOK = 65536 };
    const char *path = path_join(a, folder, name);
    str text;
    err e = {0};
    arena *scratch = arena_new();
    bool yes = str_ends(str_of(name), STR(".json")) && file_map(scratch, path, &text, &e) &&
               str_find(str_slice(text, 0, text.len < LOOK ? text.len : LOOK), STR("\"template\""), 0) >= 0;
    yes = yes && json_has(json_at(json_get(read_json(scratch, path, NULL), "cases"), 0), "template");
    arena_free(scratch);
    return yes;
}

static bool any_file(arena *a, const char *folder, bool (*is)(arena *a, const char *folder, const char *name)) {
    char **names;
    int count;
    err e = {0};
    if (!dir_list(a, folder, &names, &count, &e)) return false;
    for (int i = 0; i < count; i++)
        if (is(a, folder, names[i])) return true;
    return false;
}

static bool is_templates(arena *a, const char *folder) { return any_file(a, folder, is_template_file); }

/* What Jinja2 itself said (python_jinja2_VERSION: agrees, differs, error: ...), and the text it made. */
static str said_by_jinja2(const json *c, bool output) {
    json_member m = {0};
    while (json_next(c, &m))
        if (str_starts(str_of(m.key), STR("python_jinja2")) && str_ends(str_of(m.key), STR("_output")) == output)
            return json_text(m.value, STR(""));
    return (str){NULL, 0};
}

static json *template_line(arena *a, const json *file, const json *c) {
    static const char *const shared[] = {"messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"};
    json *line = json_new_object(a), *context = json_new_object(a);
    json_member m = {0};
    while (json_next(json_get(c, "context"), &m)) json_set(context, m.key, m.value);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        const json *from = json_has(c, shared[i]) ? c : file;
        if (json_has(from, shared[i])) json_set(context, shared[i], json_get(from, shared[i]));
    }
    json_set(line, "template", json_get(c, "template"));
    json_set(line, "context", context);
    json_set(line, "chat", json_new_bool(a, json_has(file, "messages") || json_has(c, "messages")));
    return line;
}

/* Errors of Python's own types are no promise of the language: whatever we do with such a template is not compared. */
static void template_case(const json *c, const json *answer, verdict *v) {
    const str said = said_by_jinja2(c, false), made = said_by_jinja2(c, true);
    const str want = made.ptr ? made : json_get_text(c, "target", json_get_text(c, "expected_jinja", STR("")));
    const bool failed = json_has(answer, "error"), refuses = str_starts(said, STR("error: TemplateError"));
    if (str_starts(said, STR("not run"))) verdict_skip(v, "%.*s", STR_ARG(said));
    else if (refuses && !failed) verdict_fail(v, "Jinja2 refuses it (%.*s), we do not", STR_ARG(said));
    else if (refuses || str_starts(said, STR("error"))) return;
    else if (failed) verdict_fail(v, "%.*s", STR_ARG(json_get_text(answer, "error", STR(""))));
    else if (!str_eq(json_get_text(answer, "text", STR("")), want))
        verdict_fail(v, "expected '%.*s', got '%.*s'", (int)(want.len < 200 ? want.len : 200), want.ptr,
                     STR_ARG(str_slice(json_get_text(answer, "text", STR("")), 0, 200)));
}

static void run_template_file(arena *a, const char *folder, const char *name) {
    verdict whole = {0};
    const json *file = read_json(a, path_join(a, folder, name), &whole), *cases = json_get(file, "cases");
    const char *words[] = {"probe", "template", NULL};
    const int n = (int)json_count(cases);
    buf lines = {0};
    for (int i = 0; i < n; i++) put_line(a, &lines, template_line(a, file, json_at(cases, (size_t)i)));
    const json **answer = ask(a, words, &lines, n, &whole);
    for (int i = 0; i < n; i++) {
        const json *c = json_at(cases, (size_t)i);
        verdict v = whole;
        if (v.outcome == CASE_PASSED) template_case(c, answer[i], &v);
        verify_report(arena_printf(a, "template %.40s", str_copy(a, json_get_text(c, "name", STR("?")))), &v);
    }
    buf_free(&lines);
}

static void run_each_file(arena *a, const char *folder, bool (*is)(arena *a, const char *folder, const char *name),
                          void (*run)(arena *a, const char *folder, const char *name)) {
    char **names;
    int count;
    err e = {0};
    if (!dir_list(a, folder, &names, &count, &e)) return;
    for (int i = 0; i < count; i++)
        if (is(a, folder, names[i])) run(a, folder, names[i]);
}

static void run_templates(arena *a, const char *folder) { run_each_file(a, folder, is_template_file, run_template_file); }

const verify_kind verify_templates = {"templates", "what templates make", is_templates, run_templates};

/* ---- folders of chat templates: each must be read ------------------------------------------------------------------------------------------ */

static bool is_jinja(arena *a, const char *folder, const char *name) {
    (void)a, (void)folder;
    return str_ends(str_of(name), STR(".jinja")) && strcmp(name, "chat_template.jinja") != 0;
}

static bool is_template_files(arena *a, const char *folder) { return any_file(a, folder, is_jinja); }

static void run_jinja(arena *a, const char *folder, const char *name) {
    verdict v = {0};
    err e = {0};
    str text;
    const char *words[] = {"probe", "template", NULL};
    json *line = json_new_object(a);
    buf lines = {0};
    if (!file_read(a, path_join(a, folder, name), 16 << 20, &text, &e)) verdict_fail(&v, "%s", e.text);
    else {
        json_set(line, "template", json_new_text(a, text));
        json_set(line, "chat", json_new_bool(a, true));
        json_set(line, "parse", json_new_bool(a, true));
        put_line(a, &lines, line);
        const json **answer = ask(a, words, &lines, 1, &v);
        if (json_has(answer[0], "error")) verdict_fail(&v, "%.*s", STR_ARG(json_get_text(answer[0], "error", STR(""))));
    }
    buf_free(&lines);
    verify_report(arena_printf(a, "%s is read", name), &v);
}

static void run_template_files(arena *a, const char *folder) { run_each_file(a, folder, is_jinja, run_jinja); }

const verify_kind verify_template_files = {"template files", "chat templates are read", is_template_files, run_template_files};

/* ---- the tokenizer of the curves: vectors.jsonl, chat.jsonl ------------------------------------------------------------------------------------ */

static bool is_curve_tokens(arena *a, const char *f) {
    return file_exists(path_join(a, f, "case.json")) && file_exists(path_join(a, f, "vectors.jsonl"));
}

static void run_vectors_jsonl(arena *a, const char *folder, const char *model) {
    verdict v = {0};
    int n;
    json **rows = verify_lines(a, path_join(a, folder, "vectors.jsonl"), &n, &v);
    const char *words[] = {"probe", "tokens", "--model", model, NULL};
    buf lines = {0};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            json *line = json_new_object(a);
            json_set(line, k < 2 ? "text" : "ids", json_get(rows[i], k < 2 ? "text" : "ids"));
            json_set(line, "special", json_new_bool(a, k == 0));
            put_line(a, &lines, line);
        }
    const json **answer = ask(a, words, &lines, 3 * n, &v);
    for (int i = 0; i < n; i++) {
        expect_equal(&v, json_get(rows[i], "ids"), answer[3 * i], "ids", "ids", (size_t)i);
        expect_equal(&v, json_get(rows[i], "ids_without_special"), answer[3 * i + 1], "ids", "ids without special", (size_t)i);
        expect_equal(&v, json_get(rows[i], "decoded"), answer[3 * i + 2], "text", "decoded", (size_t)i);
    }
    buf_free(&lines);
    verify_report(arena_printf(a, "%s/vectors.jsonl (%d texts)", path_name(folder), n), &v);
}

static void run_chat_jsonl(arena *a, const char *folder, const char *model) {
    verdict v = {0};
    int n;
    json **rows = verify_lines(a, path_join(a, folder, "chat.jsonl"), &n, &v);
    const char *words[] = {"probe", "chat", "--model", model, NULL};
    buf lines = {0};
    for (int i = 0; i < n; i++) {
        json *line = json_new_object(a);
        json_set(line, "messages", json_get(rows[i], "messages"));
        put_line(a, &lines, line);
        json *prompt = json_new_object(a), *shorter = json_new_array(a);
        const json *messages = json_get(rows[i], "messages");
        for (size_t k = 0; k + 1 < json_count(messages); k++) json_append(shorter, json_at(messages, k));
        json_set(prompt, "messages", shorter);
        json_set(prompt, "add_generation_prompt", json_new_bool(a, true));
        put_line(a, &lines, prompt);
    }
    const json **answer = ask(a, words, &lines, 2 * n, &v);
    for (int i = 0; i < n; i++) {
        expect_equal(&v, json_get(rows[i], "text"), answer[2 * i], "text", "text", (size_t)i);
        expect_equal(&v, json_get(rows[i], "ids"), answer[2 * i], "ids", "ids", (size_t)i);
        if (json_has(rows[i], "assistant_mask"))
            expect_equal(&v, json_get(rows[i], "assistant_mask"), answer[2 * i], "trained", "assistant mask", (size_t)i);
        if (json_has(rows[i], "prompt_text"))
            expect_equal(&v, json_get(rows[i], "prompt_text"), answer[2 * i + 1], "text", "prompt text", (size_t)i);
        if (json_has(rows[i], "prompt_ids"))
            expect_equal(&v, json_get(rows[i], "prompt_ids"), answer[2 * i + 1], "ids", "prompt ids", (size_t)i);
    }
    buf_free(&lines);
    verify_report(arena_printf(a, "%s/chat.jsonl (%d conversations)", path_name(folder), n), &v);
}

static void run_curve_tokens(arena *a, const char *folder) {
    const json *c = read_json(a, path_join(a, folder, "case.json"), NULL);
    const char *model = path_join(a, folder, str_copy(a, json_get_text(c, "model", STR("../base"))));
    run_vectors_jsonl(a, folder, model);
    if (file_exists(path_join(a, folder, "chat.jsonl"))) run_chat_jsonl(a, folder, model);
}

const verify_kind verify_curve_tokens = {"curve tokens", "texts and conversations with masks", is_curve_tokens, run_curve_tokens};

/* ---- blocks of quantised values ------------------------------------------------------------------------------------------------------------------ */

static bool is_quant(arena *a, const char *f) {
    if (!file_exists(path_join(a, f, "index.json"))) return false;
    return json_has(json_at(json_get(read_json(a, path_join(a, f, "index.json"), NULL), "types"), 0), "block_size");
}

static void quant_case(arena *a, const char *folder, const char *name, verdict *v) {
    storage_type type;
    if (!type_of_name(name, &type)) {
        verdict_skip(v, "no such type here");
        return;
    }
    const char *blocks = path_join(a, folder, arena_printf(a, "%s.q.bin", name)),
               *values = path_join(a, folder, arena_printf(a, "%s.deq.f32", name));
    const char *input = path_join(a, folder, "input.f32"), *out = path_join(a, verify_scratch(), "quant");
    if (!file_exists(blocks) || !file_exists(values)) {
        verdict_skip(v, "no vectors of this type in the folder");
        return;
    }
    const char *decode[] = {"probe", "quant", name, "--in", blocks, "--out", out, NULL},
               *encode[] = {"probe", "quant", name, "--in", input, "--out", out, "--encode", NULL};
    program_result r;
    err e = {0};
    str want, got;
    if (!program_run(a, decode, STR(""), &r, &e) || !program_succeeded(&r, v) || !file_read(a, values, 1 << 28, &want, &e) ||
        !file_read(a, out, 1 << 28, &got, &e)) {
        verdict_fail(v, "%s", e.text);
        return;
    }
    if (want.len != got.len) verdict_fail(v, "%zu bytes of values, expected %zu", got.len, want.len);
    else
        verdict_compare_floats(v, (const float *)(const void *)want.ptr, (const float *)(const void *)got.ptr, want.len / 4, 1e-7,
                               "values");
    if (!program_run(a, encode, STR(""), &r, &e) || !program_succeeded(&r, v) || !file_read(a, blocks, 1 << 28, &want, &e) ||
        !file_read(a, out, 1 << 28, &got, &e)) {
        verdict_fail(v, "%s", e.text);
        return;
    }
    if (!str_eq(want, got)) verdict_fail(v, "the encoded blocks differ from ggml's");
}

static void run_quant_folder(arena *a, const char *folder) {
    const json *types = json_get(read_json(a, path_join(a, folder, "index.json"), NULL), "types");
    for (size_t i = 0; i < json_count(types); i++) {
        verdict v = {0};
        const char *name = str_copy(a, json_get_text(json_at(types, i), "name", STR("?")));
        quant_case(a, folder, name, &v);
        verify_report(arena_printf(a, "quant %s", name), &v);
    }
}

const verify_kind verify_quant = {"quant", "blocks to values and back", is_quant, run_quant_folder};
