/* run_loop.c - a run from its folder to its end: pre-flight, steps, metrics, samples, checkpoints, the result. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/version.h"
#include "train/loop.h"

/* ---- config.json ------------------------------------------------------------------------------------------------------------------------- */

/* What the run starts from; unset, the reference is the policy's start. */
static bool put_hashes(json_writer *w, const train_settings *s, err *e) {
    const char *const reference = s->o.reference ? s->o.reference : s->objective->reference ? s->o.base : NULL;
    const char *const paths[] = {s->o.base, reference};
    static const char *const keys[] = {"base_sha256", "reference_sha256"};
    sha256_text hash;
    for (int i = 0; i < 2; i++) {
        model m = {.path = paths[i]};
        if (!paths[i]) continue;
        if (i == 0 || s->o.reference) /* else it is the one just computed */
            if (!model_hash(&m, hash, e)) return false;
        json_key(w, keys[i]), json_put_cstr(w, hash);
    }
    if (!s->o.adapter) return true;
    arena *a = arena_new();
    const bool ok = file_sha256(path_join(a, s->o.adapter, "adapter_model.safetensors"), hash, e);
    if (ok) json_key(w, "adapter_sha256"), json_put_cstr(w, hash);
    arena_free(a);
    return ok;
}

/* A run goes on only from the very weights that it began with. */
static bool same_start(arena *a, const run *r, const train_settings *s, err *e) {
    const json *config = run_config(a, r, e);
    const char *const paths[] = {s->o.base, s->o.reference};
    static const char *const keys[] = {"base_sha256", "reference_sha256"};
    for (int i = 0; config && i < 2; i++) {
        sha256_text hash;
        model m = {.path = paths[i]};
        const str kept = json_get_text(config, keys[i], STR(""));
        if (!paths[i] || !kept.len) continue;
        if (!model_hash(&m, hash, e)) return false;
        if (!str_is(kept, hash))
            return err_set(e, ERR_CONFLICT, "%s is not the file this run began with (SHA-256 %.12s..., then %.12s...)", paths[i],
                           hash, kept.ptr);
    }
    return config != NULL;
}

bool train_create(arena *a, const train_settings *s, const char *dir, run *out, err *e) {
    buf config = {0};
    char now[32];
    sys_date(now);
    json_writer w = json_writer_on(&config, true);
    json_open(&w, '{');
    json_key(&w, "objective"), json_put_cstr(&w, s->objective->name);
    json_key(&w, "created"), json_put_cstr(&w, now);
    json_key(&w, "fettle"), json_put_cstr(&w, FETTLE_VERSION);
    bool ok = put_hashes(&w, s, e);
    json_key(&w, "options"), resolve_put_json(&w, &s->from);
    json_key(&w, "origin"), json_open(&w, '{');
    for (int i = 0; i < s->from.origins; i++) json_key(&w, s->from.origin[i].key), json_put_cstr(&w, s->from.origin[i].source);
    json_close(&w);
    json_close(&w);
    buf_put_char(&config, '\n');
    ok = ok && run_create(a, dir, buf_str(&config), out, e);
    buf_free(&config);
    return ok;
}

bool train_reopen(arena *a, const char *dir, train_settings **out, run *r, err *e) {
    if (!run_open(a, dir, r, e)) return false;
    const json *c = run_config(a, r, e);
    return c && run_lock(r, e) && train_settings_begin(a, str_copy(a, json_get_text(c, "objective", STR("?"))), out, e) &&
           resolve_set_json(a, &(*out)->from, json_get(c, "options"), "config.json", e);
}

/* What must hold before step 1. */
typedef struct {
    size_t memory_needed, memory_free, weights, activations;
    int64_t steps, tokens_per_step;
    double seconds; /* from the machine's peak measured now */
} preflight;

/* ---- pre-flight --------------------------------------------------------------------------------------------------------------------------- */

static void print_counts(FILE *out, const trainer *t) {
    const row_counts *c = rows_counts(t->rows);
    fprintf(out, "%lld examples: %lld %s, %lld dropped, %lld truncated, %lld duplicates, %lld empty\n", (long long)c->examples,
            (long long)t->units, t->s->objective->rows == WANTS_PAIRS ? "pairs" : "rows", (long long)c->dropped,
            (long long)c->truncated, (long long)c->duplicates, (long long)c->empty);
    arena *a = arena_new();
    if (c->dropped_rows.count) fprintf(out, "dropped: %s\n", row_numbers_text(a, &c->dropped_rows));
    if (c->untrained.count) fprintf(out, "masked from end to end: %s\n", row_numbers_text(a, &c->untrained));
    arena_free(a);
    fprintf(out, "tokens: %lld trained, %lld masked, %.1f a row, longest %lld\n", (long long)c->trained_tokens,
            (long long)c->masked_tokens, t->units ? (double)c->tokens / (double)c->rows : 0, (long long)c->longest);
}

/* Text of the data on a terminal: a control character could be an order to it. */
static void put_shown(FILE *out, str text) {
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) fprintf(out, "\\x%02x", c);
        else fputc(c, out);
    }
}

/* One row; what is trained stands in colour, or in [brackets]. Characters of several tokens are whole. */
static void print_row(FILE *out, const tokenizer *tok, const row *r, bool color) {
    stream_decoder *d = stream_decoder_new(tok, false);
    bool on = false;
    buf text = {0};
    for (int k = 0; k <= r->length; k++) {
        const bool now = k > 0 && k < r->length && r->mask[k];
        if (now != on || k == r->length) {
            stream_decoder_flush(d, &text);
            put_shown(out, buf_str(&text));
            buf_clear(&text);
            if (now != on) fputs(color ? (now ? "\033[32m" : "\033[0m") : now ? "[" : "]", out);
            on = now;
        }
        if (k < r->length) stream_decoder_push(d, r->ids[k], &text);
    }
    fputc('\n', out);
    buf_free(&text);
    stream_decoder_free(d);
}

enum { PREVIEW_UNITS = 16 };

/* Rows of the first batch, in its order; a long one is cut. */
static int64_t first_batch(trainer *t, row *out) {
    const int64_t each = t->s->objective->rows == WANTS_PAIRS ? 2 : 1;
    int64_t n = 0;
    for (int64_t i = 0; i < t->per_micro && i < t->units && i < PREVIEW_UNITS; i++)
        for (int64_t k = 0; k < each; k++) {
            out[n] = rows_at(t->rows, trainer_unit(t, 0, i) * each + k);
            if (t->s->o.max_length && out[n].length > t->s->o.max_length) out[n].length = (int)t->s->o.max_length;
            n++;
        }
    return n;
}

static const char *role_of(const row *r) { return r->pair < 0 ? "" : r->label ? ", chosen" : ", rejected"; }

static void print_first(FILE *out, trainer *t) {
    row batch[2 * PREVIEW_UNITS];
    const bool color = sys_color(fileno(out));
    const int64_t n = first_batch(t, batch);
    for (int64_t i = 0; i < n; i++) {
        fprintf(out, "\n--- row %lld%s (%d tokens)\n", (long long)batch[i].example + 1, role_of(&batch[i]), batch[i].length);
        print_row(out, t->sized->tokenizer, &batch[i], color);
    }
    if (t->per_micro > PREVIEW_UNITS && t->units > PREVIEW_UNITS)
        fprintf(out, "\n(%d of %lld of the first batch)\n", PREVIEW_UNITS, (long long)t->per_micro);
}

/* [{"row", "role", "pieces": [{"text", "trained"}]}] */
static void put_first(json_writer *w, trainer *t) {
    row batch[2 * PREVIEW_UNITS];
    const int64_t n = first_batch(t, batch);
    json_open(w, '[');
    for (int64_t i = 0; i < n; i++) {
        const row *r = &batch[i];
        json_open(w, '{');
        json_key(w, "row"), json_put_int(w, r->example + 1);
        if (r->pair >= 0) json_key(w, "role"), json_put_cstr(w, r->label ? "chosen" : "rejected");
        json_key(w, "pieces"), json_open(w, '[');
        for (int from = 0, k = 1; k <= r->length; k++) {
            const bool learned = from > 0 && r->mask[from];
            if (k < r->length && (r->mask[k] != 0) == learned) continue;
            buf text = {0};
            tokenizer_decode(t->sized->tokenizer, r->ids + from, k - from, false, &text);
            json_open(w, '{');
            json_key(w, "text"), json_put_text(w, buf_str(&text));
            json_key(w, "trained"), json_put_bool(w, learned);
            json_close(w);
            buf_free(&text);
            from = k;
        }
        json_close(w);
        json_close(w);
    }
    json_close(w);
}

static bool refuse_memory(trainer *t, const preflight *p, err *e) {
    arena *a = arena_new();
    const char *advice = trainer_advice(a, t, p->memory_free);
    err_set(e, ERR_REFUSED, "needs %.2f GB, %.2f GB are free (weights and optimiser %.2f, activations %.2f): %s%s",
            (double)p->memory_needed / 1e9, (double)p->memory_free / 1e9, (double)p->weights / 1e9, (double)p->activations / 1e9,
            advice ? "it fits with " : "no setting makes it fit; take a smaller model", advice ? advice : "");
    arena_free(a);
    return false;
}

static bool preflight_of(trainer *t, preflight *p, err *e) {
    const machine_peak peak = backend_peak(t->backend);
    const double tokens = (double)rows_counts(t->rows)->tokens / (double)(t->units ? t->units : 1) * (double)t->per_step,
                 N = (double)model_parameter_count(t->sized);
    const memory_plan plan = trainer_plan(t);
    memory_need need;
    if (!trainer_need(t, &plan, &need, e)) return false;
    p->activations = need.activations;
    p->weights = need.weights;
    p->memory_needed = p->weights + p->activations;
    p->memory_free = sys_memory_available() + sys_memory_resident();
    p->steps = t->steps;
    p->tokens_per_step = (int64_t)tokens;
    p->seconds = (double)t->steps * tokens * N * (t->s->o.use_peft || t->s->o.adapter ? 4 : 6) /
                 (0.35 * (t->compute == COMPUTE_BF16 ? peak.bf16_flops : peak.f32_flops));
    return p->memory_needed <= p->memory_free || refuse_memory(t, p, e);
}

static void print_preflight(FILE *out, const preflight *p) {
    fprintf(out, "%lld steps of about %lld tokens; needs %.2f GB of %.2f GB; about %.0f s\n", (long long)p->steps,
            (long long)p->tokens_per_step, (double)p->memory_needed / 1e9, (double)p->memory_free / 1e9, p->seconds);
}

static void put_preflight(trainer *t, const preflight *p) {
    const row_counts *c = rows_counts(t->rows);
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    const struct {
        const char *key;
        int64_t value;
    } values[] = {{"examples", c->examples},
                  {"rows", c->rows},
                  {"pairs", c->pairs},
                  {"dropped", c->dropped},
                  {"truncated", c->truncated},
                  {"duplicates", c->duplicates},
                  {"empty", c->empty},
                  {"trained_tokens", c->trained_tokens},
                  {"masked_tokens", c->masked_tokens},
                  {"tokens", c->tokens},
                  {"longest", c->longest},
                  {"tokens_per_step", p->tokens_per_step},
                  {"steps", p->steps},
                  {"memory_needed", (int64_t)p->memory_needed},
                  {"memory_weights", (int64_t)p->weights},
                  {"memory_activations", (int64_t)p->activations},
                  {"memory_free", (int64_t)p->memory_free}};
    json_open(&w, '{');
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) json_key(&w, values[i].key), json_put_int(&w, values[i].value);
    json_key(&w, "tokens_per_example"), json_put_real(&w, t->units ? (double)c->tokens / (double)t->units : 0);
    json_key(&w, "seconds"), json_put_real(&w, p->seconds);
    json_key(&w, "dropped_rows"), json_open(&w, '[');
    for (int64_t i = 0; i < c->dropped_rows.count && i < ROW_NUMBERS; i++) json_put_int(&w, c->dropped_rows.first[i]);
    json_close(&w);
    json_key(&w, "first_batch"), put_first(&w, t);
    json_close(&w);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_free(&out);
}

/* ---- what is written while it runs ---------------------------------------------------------------------------------------------------------- */

static bool log_metrics(run *r, const trainer *t, const step_result *s, double epoch, bool as_json, err *e) {
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    json_open(&w, '{');
    json_key(&w, "step"), json_put_int(&w, t->step);
    json_key(&w, "epoch"), json_put_real(&w, epoch);
    json_key(&w, "loss"), json_put_real(&w, s->loss);
    json_key(&w, "grad_norm"), json_put_real(&w, s->grad_norm);
    json_key(&w, "learning_rate"), json_put_real(&w, s->lr);
    for (int i = 0; i < s->metrics.count; i++)
        json_key(&w, s->metrics.item[i].name), json_put_real(&w, s->metrics.item[i].sum / s->metrics.item[i].weight);
    json_key(&w, "num_tokens"), json_put_real(&w, t->num_tokens);
    if (t->s->objective->reference) json_key(&w, "drift"), json_put_real(&w, s->drift);
    json_close(&w);
    const bool ok = run_metric(r, buf_str(&line), e);
    if (as_json) printf("%.*s\n", STR_ARG(buf_str(&line))), fflush(stdout);
    buf_free(&line);
    return ok;
}

/* Answers to the first three prompts, by the very weights in training. */
static bool write_samples(run *r, trainer *t, err *e) {
    engine *g = engine_new(t->policy, t->compute);
    bool ok = true;
    for (int64_t i = 0, found = 0; ok && i < rows_count(t->rows) && found < 3; i++) {
        const row x = rows_at(t->rows, i);
        const sampling s = {.temperature = 0, .top_p = 1, .repetition_penalty = 1, .max_new_tokens = 64};
        if (x.label == 0 || x.prompt < 1) continue;
        found++;
        session *one = session_new(g, t->adapter, x.ids, x.prompt, &s, NULL, NULL, e);
        ok = one && engine_run(g, &one, 1, NULL, e);
        buf line = {0}, prompt = {0};
        if (ok) {
            json_writer w = json_writer_on(&line, false);
            tokenizer_decode(t->policy->tokenizer, x.ids, x.prompt, true, &prompt);
            json_open(&w, '{');
            json_key(&w, "step"), json_put_int(&w, t->step);
            json_key(&w, "prompt"), json_put_text(&w, buf_str(&prompt));
            json_key(&w, "text"), json_put_text(&w, session_text(one));
            json_close(&w);
            ok = run_sample(r, buf_str(&line), e);
        }
        buf_free(&line);
        buf_free(&prompt);
        session_free(one);
    }
    engine_free(g);
    return ok;
}

static bool save_checkpoint(arena *a, run *r, const trainer *t, err *e) {
    checkpoint_out c;
    if (!checkpoint_begin(a, r, t->step, &c, e)) return false;
    if (trainer_save(t, c.path, e)) return checkpoint_commit(r, &c, (int)t->s->o.save_total_limit, e);
    checkpoint_abandon(&c);
    return false;
}

static bool save_result(arena *a, const run *r, const trainer *t, err *e) {
    const char *folder = path_join(a, r->path, "model");
    const storage_type type = t->compute == COMPUTE_F32 || t->adapter ? TYPE_F32 : TYPE_BF16;
    return (t->adapter ? adapter_save(t->adapter, t->policy, folder, type, e)
                       : model_save(t->policy, NULL, folder, type, 0, e)) &&
           train_card(a, r->path, folder, t->adapter ? "A LoRA adapter, trained" : "Full weights, trained", t->adapter != NULL,
                      e);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------------------------ */

static bool drifted(const trainer *t, const step_result *s, err *e) {
    if (t->s->o.max_drift <= 0 || fabs(s->drift) <= t->s->o.max_drift) return false;
    err_set(e, ERR_DIVERGED,
            "stopped at step %lld: the chosen answers moved %.3f nats per token from the reference, the limit is %.3f",
            (long long)t->step, s->drift, t->s->o.max_drift);
    return true;
}

/* As transformers counts: micro-batches of this epoch that are done, over all of them. */
static double epoch_of(const trainer *t) {
    const int64_t per = trainer_steps_per_epoch(t), micros = (t->units + t->per_micro - 1) / t->per_micro,
                  whole = (t->step - 1) / per;
    const int64_t done = ((t->step - 1) % per + 1) * t->s->o.gradient_accumulation_steps;
    return (double)whole + (double)(done < micros ? done : micros) / (double)micros;
}

static bool every(int64_t n, int64_t step) { return n > 0 && step % n == 0; }

static bool run_steps(arena *a, run *r, trainer *t, const train_how *how, step_result *s, err *e) {
    const train_options *o = &t->s->o;
    progress p = progress_begin("training", how->quiet);
    if (o->sample_steps && !t->step && !write_samples(r, t, e)) return false;
    while (t->step < t->steps) {
        char words[96];
        if (!trainer_step(t, s, e)) return false;
        const double epoch = epoch_of(t);
        snprintf(words, sizeof words, "step %lld of %lld, loss %.4f", (long long)t->step, (long long)t->steps, s->loss);
        progress_show(&p, (double)t->step, (double)t->steps, words);
        if ((every(o->logging_steps, t->step) || t->step == t->steps) && !log_metrics(r, t, s, epoch, how->json, e)) return false;
        if (every(o->sample_steps, t->step) && !write_samples(r, t, e)) return false;
        if (!run_step(r, t->step, e)) return false;
        const bool stop = sys_stop_requested(), far = drifted(t, s, e);
        if ((stop || every(o->save_steps, t->step)) && !save_checkpoint(a, r, t, e)) return false;
        if (stop)
            return err_set(e, ERR_STOPPED, "stopped at step %lld, checkpoint saved; go on with: fettle train --resume %s",
                           (long long)t->step, r->path);
        if (far) return false;
    }
    progress_end(&p, NULL);
    return true;
}

static bool begin_again(arena *a, run *r, trainer *t, err *e) {
    int64_t step;
    const char *folder = checkpoint_latest(a, r, &step, e);
    if (e->code) return false;
    if (!folder) {
        log_note("no checkpoint yet: beginning at step 1");
        return run_rewind(r, 0, e);
    }
    log_note("going on behind step %lld", (long long)step);
    return trainer_load(t, folder, step, e) && run_rewind(r, step, e);
}

/* Pre-flight: everything is read and checked; says what was found, or refuses. */
static bool get_ready(arena *a, const train_settings *s, run *r, const train_how *how, const rows_how *from, trainer *t,
                      preflight *p, err *e) {
    FILE *out = how->preview ? stdout : stderr;
    const bool talks = how->preview ? !how->json : !how->quiet;
    if (!train_settings_check(s, e) || (how->resume && !same_start(a, r, s, e)) ||
        !trainer_open(a, s, how->preview ? sys_scratch() : r->path, from, t, e))
        return false;
    if (talks) print_counts(out, t);
    if (!rows_refuse(t->rows, t->sized, s, e) || !preflight_of(t, p, e)) return false;
    if (talks) print_preflight(out, p);
    if (how->preview && how->json) put_preflight(t, p);
    else if (how->preview) print_first(out, t);
    return true;
}

/* What stood on the terminal before step 1 stands in the log too. */
static void log_ready(const run *r, const trainer *t, const preflight *p) {
    FILE *out = fdopen(dup(r->log_fd), "a");
    if (!out) return;
    print_counts(out, t);
    print_preflight(out, p);
    fclose(out);
}

static bool go(arena *a, run *r, trainer *t, const train_how *how, const preflight *p, err *e) {
    step_result last = {0};
    bool ok = trainer_load_models(t, e) && (!how->resume || begin_again(a, r, t, e)) && run_begin(r, t->steps, e);
    if (ok) log_ready(r, t, p);
    ok = ok && run_steps(a, r, t, how, &last, e);
    if ((!ok && e->code != ERR_DIVERGED) || t->step == 0 || !isfinite(last.loss)) return ok;
    err again = {0};
    return save_result(a, r, t, ok ? e : &again) && ok;
}

/* The examples stand in the run folder, whole, before the first step; what finds them there reads them again. */
static bool run_in_folder(arena *a, const train_settings *s, run *r, const train_how *how, trainer *t, err *e) {
    const char *path = path_join(a, r->path, "examples.jsonl");
    const bool there = file_exists(path);
    file_out keep;
    preflight p = {0};
    const rows_how from = {.kept = there ? path : NULL, .keep = there ? NULL : &keep, .quiet = how->quiet};
    if (!there && !file_out_open(&keep, path, e)) return false;
    const bool ready = get_ready(a, s, r, how, &from, t, &p, e);
    if (!there && !ready) file_out_abandon(&keep);
    return ready && (there || file_out_commit(&keep, e)) && go(a, r, t, how, &p, e);
}

bool train_run(arena *a, const train_settings *s, run *r, const train_how *how, err *e) {
    trainer t = {0};
    preflight p = {0};
    bool ok;
    if (how->preview) ok = get_ready(a, s, NULL, how, &(rows_how){.quiet = how->quiet || how->json}, &t, &p, e);
    else if (!run_lock(r, e)) return false;
    else if (how->resume && r->status == RUN_DONE) {
        run_release(r);
        return err_set(e, ERR_CONFLICT, "%s is finished, at step %lld of %lld; its model is %s/model", r->path,
                       (long long)r->step, (long long)r->steps, r->path);
    } else {
        err ignored = {0};
        ok = run_in_folder(a, s, r, how, &t, e);
        run_end(r, ok ? RUN_DONE : e->code == ERR_STOPPED ? RUN_STOPPED : RUN_FAILED, ok ? NULL : e->text, ok ? e : &ignored);
    }
    if (t.pool) trainer_close(&t);
    return ok && e->code == ERR_NONE;
}
