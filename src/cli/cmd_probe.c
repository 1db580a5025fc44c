/* cmd_probe.c - fettle probe WHAT: windows for checks. JSON lines in, JSON lines out in the same order, through the same code as
 * everything else; a bad line answers {"error", "line"} and the exit status tells at the end. Numbers read back exactly. */
#include "cli/command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/probe.h"
#include "cli/rewarding.h"
#include "cli/subject.h"
#include "data/data.h"
#include "train/train.h"

static const opt options[] = {
    {"model", OPT_TEXT, offsetof(probe_options, model), NULL, 0, 0, NULL, "model folder, .gguf file or name"},
    {"adapter", OPT_TEXT, offsetof(probe_options, adapter), NULL, 0, 0, NULL, "logits, labels: with this adapter"},
    {"merged", OPT_BOOL, offsetof(probe_options, merged), "false", 0, 0, NULL,
     "logits: with the adapter merged into the weights"},
    {"grad", OPT_BOOL, offsetof(probe_options, grad), "false", 0, 0, NULL, "logits: gradients of the mean loss too"},
    {"greedy", OPT_INT, offsetof(probe_options, greedy), "0", 0, 1e6, NULL,
     "logits: so many greedy tokens behind each line's ids"},
    {"dtype", OPT_CHOICE, offsetof(probe_options, dtype), "float32", 0, 0, "float32|bfloat16", "arithmetic of matrix products"},
    {"chat_template", OPT_TEXT, offsetof(probe_options, chat_template), NULL, 0, 0, NULL,
     "chat, rows: another chat template (file or name)"},
    {"out", OPT_TEXT, offsetof(probe_options, out), NULL, 0, 0, NULL, "logits: safetensors file; quant: float32 file to write"},
    {"in", OPT_TEXT, offsetof(probe_options, in), NULL, 0, 0, NULL, "quant: raw blocks (with --encode: float32) to read"},
    {"encode", OPT_BOOL, offsetof(probe_options, encode), "false", 0, 0, NULL, "quant: from float32 to blocks"},
    {"set", OPT_EACH, offsetof(probe_options, set), NULL, 0, 0, NULL, "rows: KEY=VALUE, an option of the run"},
    OPT_END,
};

/* ---- lines ---------------------------------------------------------------------------------------------------------------------- */

bool probe_lines(arena *a, const probe *p, probe_line line, err *e) {
    file_lines in;
    str text;
    int bad = 0, lacking = 0; /* lacking: things that we do not have */
    err first = {0};
    if (!file_lines_open(&in, "-", 1u << 30, e)) return false;
    while (file_lines_next(&in, &text, e)) {
        if (!str_trim(text).len) continue;
        arena *scratch = arena_new();
        buf out = {0};
        err one = {0};
        json_writer w = json_writer_on(&out, false);
        const json *v = json_parse(scratch, text, &one);
        if (!v || !line(scratch, p, v, &w, &one)) {
            buf_clear(&out);
            w = json_writer_on(&out, false);
            json_open(&w, '{');
            json_key(&w, "error"), json_put_cstr(&w, one.text);
            json_key(&w, "line"), json_put_int(&w, in.line);
            json_close(&w);
            if (!bad++) first = one;
            lacking += one.code == ERR_UNSUPPORTED;
        }
        if (out.len) printf("%.*s\n", STR_ARG(buf_str(&out)));
        buf_free(&out);
        arena_free(scratch);
    }
    file_lines_close(&in);
    (void)a;
    if (e->code) return false;
    return bad == 0 || err_set(e, lacking == bad ? ERR_UNSUPPORTED : ERR_INPUT,
                               "%d lines could not be answered, the first: %.300s", bad, first.text);
}

static bool read_ids(arena *a, const json *list, int32_t **out, int *count, err *e) {
    if (json_kind_of(list) != JSON_ARRAY)
        return err_set(e, ERR_INPUT, "'ids' should be an array of token ids, it is %s", json_kind_name(json_kind_of(list)));
    *count = (int)json_count(list);
    *out = arena_array(a, int32_t, *count + 1);
    for (int i = 0; i < *count; i++) {
        const json *v = json_at(list, (size_t)i);
        if (json_kind_of(v) != JSON_INT || json_int(v, -1) < 0 || json_int(v, -1) > INT32_MAX)
            return err_set(e, ERR_INPUT, "ids[%d] is no token id", i);
        (*out)[i] = (int32_t)json_int(v, 0);
    }
    return true;
}

static void put_ids(json_writer *w, const int32_t *ids, int count) {
    json_open(w, '[');
    for (int i = 0; i < count; i++) json_put_int(w, ids[i]);
    json_close(w);
}

static const tokenizer *tokenizer_of(const probe *p, err *e) {
    if (p->subject.model->tokenizer) return p->subject.model->tokenizer;
    return err_null(e, ERR_INPUT, "%s has no tokenizer", p->subject.model->path);
}

/* ---- tokens, chat ------------------------------------------------------------------------------------------------------------------ */

static bool line_tokens(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const tokenizer *t = tokenizer_of(p, e);
    if (!t) return false;
    json_open(w, '{');
    if (json_has(v, "ids")) {
        int32_t *ids = NULL;
        int count = 0;
        buf text = {0};
        if (!read_ids(a, json_get(v, "ids"), &ids, &count, e)) return false;
        tokenizer_decode(t, ids, count, json_get_bool(v, "skip_special", false), &text);
        json_key(w, "text"), json_put_text(w, buf_str(&text));
        buf_free(&text);
    } else {
        str text;
        token_ids ids = {0};
        if (!json_want_text(v, "text", &text, e) || !tokenizer_encode(t, text, json_get_bool(v, "special", false), &ids, e))
            return false;
        json_key(w, "ids"), put_ids(w, ids.ids, (int)ids.count);
        token_ids_free(&ids);
    }
    json_close(w);
    return true;
}

static bool line_chat(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const tokenizer *t = tokenizer_of(p, e);
    const model *m = p->subject.model;
    if (!t) return false;
    if (!m->chat) return err_set(e, ERR_INPUT, "%s has no chat template", m->path);
    const chat_request r = {.messages = json_get(v, "messages"),
                            .tools = json_get(v, "tools"),
                            .extra = v,
                            .tok = t,
                            .add_generation_prompt = json_get_bool(v, "add_generation_prompt", false),
                            .continue_final_message = json_get_bool(v, "continue_final_message", false)};
    chat_encoded out;
    if (!chat_tokens(m->chat, t, &r, a, &out, e)) return false;
    json_open(w, '{');
    json_key(w, "text"), json_put_text(w, out.text);
    json_key(w, "ids"), put_ids(w, out.ids, out.count);
    json_key(w, "trained"), json_open(w, '[');
    for (int i = 0; i < out.count; i++) json_put_int(w, out.trained[i] ? 1 : 0);
    json_close(w);
    json_close(w);
    return true;
}

/* Any Jinja template: {"template", "context"?}, or as a chat template with "chat": true (trimmed blocks). With "parse": true it is
 * read and not rendered. */
static bool line_template(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const bool chat = json_get_bool(v, "chat", false);
    jinja_output made = {0};
    str text;
    (void)p;
    if (!json_want_text(v, "template", &text, e)) return false;
    const jinja *j = jinja_parse(a, text, (jinja_options){chat, chat}, e);
    const bool parse = json_get_bool(v, "parse", false);
    if (!j || (!parse && !jinja_render(j, json_get(v, "context"), NULL, a, &made, e))) return false;
    json_open(w, '{');
    if (!parse) json_key(w, "text"), json_put_text(w, buf_str(&made.text));
    json_key(w, "generation"), json_put_bool(w, jinja_has_generation(j));
    json_close(w);
    buf_free(&made.text);
    return true;
}

static bool line_statistic(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    (void)a;
    return statistic_put(str_of(p->rest ? p->words[0] : ""), v, w, e);
}

/* A model with a head that scores or labels: what it says of a sequence, and of its tokens. */
static bool line_labels(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const json *list = json_get(v, "ids");
    const int n = (int)json_count(list);
    int32_t *ids = arena_array(a, int32_t, n + 1);
    for (int i = 0; i < n; i++) ids[i] = (int32_t)json_int(json_at(list, (size_t)i), -1);
    const subject *s = &p->subject;
    const int32_t *const one = ids;
    const int labels = model_label_count(s->model, s->adapter);
    float score, *out = arena_array(a, float, n *labels + 1);
    if (!model_rewards(s->model, s->adapter, p->all.options.compute, &one, &n, 1, &score, e) ||
        !model_token_labels(s->model, s->adapter, p->all.options.compute, ids, n, out, e))
        return false;
    json_open(w, '{');
    json_key(w, "score"), json_put_float(w, score);
    json_key(w, "labels"), json_open(w, '[');
    for (int i = 0; i < n; i++) {
        json_open(w, '[');
        for (int j = 0; j < labels; j++) json_put_float(w, out[i * labels + j]);
        json_close(w);
    }
    json_close(w);
    json_close(w);
    return true;
}

/* Scores of answers, in groups that stand side by side: the best n_candidates of each, by number. */
static bool line_best(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const json *in = json_get(v, "inputs"), *groups = json_get(in, "group"), *scores = json_get(in, "score");
    const int count = (int)json_count(scores);
    const int64_t best = json_get_int(json_get(v, "params"), "n_candidates", 1);
    double *score = arena_array(a, double, count + 1);
    int *order = arena_array(a, int, count + 1);
    (void)p;
    if ((int)json_count(groups) != count)
        return err_set(e, ERR_INPUT, "inputs need score and group, as many of one as of the other");
    for (int i = 0; i < count; i++) score[i] = json_real(json_at(scores, (size_t)i), NAN);
    json_open(w, '{');
    json_key(w, "selected"), json_open(w, '[');
    for (int first = 0, n; first < count; first += n) {
        const int64_t group = json_int(json_at(groups, (size_t)first), 0);
        for (n = 1; first + n < count && json_int(json_at(groups, (size_t)(first + n)), 0) == group;) n++;
        reward_order(score + first, n, order);
        json_open(w, '[');
        for (int k = 0; k < n && k < best; k++) json_put_int(w, first + order[k]);
        json_close(w);
    }
    json_close(w);
    json_close(w);
    return true;
}

static bool run_best(arena *a, const probe *p, err *e) { return probe_lines(a, p, line_best, e); }

/* An answer as one with this taste sees it: what it is worth to them, and how they would have it. */
static bool line_taste(arena *a, const probe *p, const json *v, json_writer *w, err *e) {
    const taste *t = p->rest ? taste_find(p->words[0]) : NULL;
    str text;
    if (!t) return err_set(e, ERR_USAGE, "fettle probe taste shorter|prose|warmer|longer, not '%s'", p->rest ? p->words[0] : "");
    if (!json_want_text(v, "text", &text, e)) return false;
    const judged_text given = {text, json_get_bool(v, "cut", false), (int)json_get_int(v, "limit", 0)};
    json_open(w, '{');
    json_key(w, "score"), json_put_real(w, t->score(given));
    json_key(w, "edit"), json_put_cstr(w, t->edit(a, given));
    json_close(w);
    return true;
}

static bool run_taste(arena *a, const probe *p, err *e) { return probe_lines(a, p, line_taste, e); }

static bool run_labels(arena *a, const probe *p, err *e) {
    probe with = *p;
    if (p->o.adapter && !(with.subject.adapter = adapter_open(a, p->subject.model, p->o.adapter, false, e))) return false;
    return probe_lines(a, &with, line_labels, e);
}

static bool run_agreement(arena *a, const probe *p, err *e) { return probe_lines(a, p, line_statistic, e); }
static bool run_templates(arena *a, const probe *p, err *e) { return probe_lines(a, p, line_template, e); }
static bool run_tokens(arena *a, const probe *p, err *e) { return probe_lines(a, p, line_tokens, e); }
static bool run_chat(arena *a, const probe *p, err *e) { return probe_lines(a, p, line_chat, e); }

/* ---- quant ---------------------------------------------------------------------------------------------------------------------------- */

static bool run_quant(arena *a, const probe *p, err *e) {
    storage_type type;
    if (p->rest != 1 || !type_of_name(p->words[0], &type))
        return err_set(e, ERR_USAGE, "fettle probe quant f16|bf16|q8_0|q4_0|q4_1 --in FILE --out FILE [--encode]");
    if (!p->o.in || !p->o.out) return err_set(e, ERR_USAGE, "quant wants --in and --out");
    str in;
    if (!file_read(a, p->o.in, (size_t)1 << 34, &in, e)) return false;
    const size_t block = type_bytes(type, 32) == 32 * type_bytes(type, 1) && type_bytes(type, 1) ? 1 : 32,
                 unit = type_bytes(type, block);
    const size_t step = p->o.encode ? block * sizeof(float) : unit;
    if (in.len % step) return err_set(e, ERR_INPUT, "%s has %zu bytes, which is no multiple of %zu", p->o.in, in.len, step);
    const size_t blocks = in.len / step, values = blocks * block;
    const size_t size = p->o.encode ? blocks * unit : values * sizeof(float);
    char *out = memory_alloc(size + 1);
    if (p->o.encode) type_from_f32(type, (const float *)(const void *)in.ptr, out, values);
    else type_to_f32(type, in.ptr, (float *)(void *)out, values);
    const bool ok = file_write(p->o.out, (str){out, size}, e);
    memory_release(out);
    if (ok) printf("{\"blocks\": %zu}\n", blocks);
    return ok;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *words;
    bool model, text; /* wants --model; its tokenizer and template are enough */
    bool (*run)(arena *a, const probe *p, err *e);
} probes[] = {
    {"tokens", "{\"text\"} or {\"ids\"} lines -> ids or text", true, true, run_tokens},
    {"chat", "{\"messages\", ...} lines -> text, ids, trained", true, true, run_chat},
    {"template", "{\"template\", \"context\"} lines -> text", false, false, run_templates},
    {"rows", "OBJECTIVE: a data set -> the rows that would be trained", true, true, probe_rows},
    {"logits", "{\"ids\"} lines, one ragged batch -> logp, loss, gradients", true, false, probe_logits},
    {"labels", "{\"ids\"} lines -> score of the sequence, and what the head says of every token", true, false, run_labels},
    {"best-of-n", "scores of answers in groups -> the best of each", false, false, run_best},
    {"objective", "NAME: one case of columns -> loss and gradients", false, false, probe_objectives},
    {"schedule", "one case -> learning rates", false, false, probe_schedules},
    {"optimizer", "one case -> parameters after every step", false, false, probe_optimizers},
    {"agreement", "NAME: one case -> kappa, alpha, intervals, strengths", false, false, run_agreement},
    {"taste", "NAME: {\"text\", \"cut\", \"limit\"} lines -> its score and edit by the demo's scripted annotator", false, false,
     run_taste},
    {"quant", "TYPE: blocks <-> float32", false, false, run_quant},
};

/* A path, or a name of the data folder: tokenizer and template are enough. */
static bool open_words(arena *a, probe *p, err *e) {
    const char *path = p->o.model;
    if (!file_exists(path)) {
        if (!subject_find(a, path, &p->subject, e)) return false;
        path = p->subject.base_path;
    }
    return (p->subject.model = model_open_text(a, path, &p->all.options, e)) != NULL;
}

static bool probe_run(arena *a, int argc, char **argv, err *e);

const command command_probe = {
    "probe", "put one case through the real code and read what comes out",
    "tokens|chat|template|rows|logits|labels|best-of-n|objective|schedule|optimizer|agreement|taste|quant "
    "... < lines\n\nOne JSON object a line "
    "on standard input, one answer a line on standard output.",
    options, probe_run};

static bool probe_run(arena *a, int argc, char **argv, err *e) {
    probe p = {0};
    bool help;
    if (!arguments_read(a, &command_probe, &p.o, argc, argv, &p.rest, &help, e) || help) return help;
    const char *name = p.rest ? argv[0] : "";
    p.words = argv + 1;
    p.rest--;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        if (strcmp(probes[i].name, name) != 0) continue;
        if (probes[i].model) {
            if (!p.o.model) return err_set(e, ERR_USAGE, "fettle probe %s wants --model", name);
            if (!subjects_begin(a, p.o.dtype, &p.all, e)) return false;
            p.all.options.chat_template = p.o.chat_template;
            p.all.options.train = p.o.grad && !p.o.adapter;
            if (probes[i].text ? !open_words(a, &p, e) : !subject_open(&p.all, p.o.model, &p.subject, e)) return false;
        }
        return probes[i].run(a, &p, e);
    }
    buf list = {0};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        buf_printf(&list, "\n  %-10s %s", probes[i].name, probes[i].words);
    err_set(e, ERR_USAGE, "fettle probe knows:%s", list.ptr);
    buf_free(&list);
    return false;
}
