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

enum { SAMPLES = 3 };

/* ---- config.json ------------------------------------------------------------------------------------------------------------------------- */

/* The i-th reward function where it is a model: its folder or file; NULL: another function. */
static const char *reward_model_path(const train_settings *s, int i) {
    static const char prefix[] = "model:";
    const char *spec = s->rollout->reward_funcs.item[i];
    return strncmp(spec, prefix, strlen(prefix)) == 0 ? spec + strlen(prefix) : NULL;
}

/* Of every reward model, in the order of reward_funcs. */
static bool put_reward_hashes(json_writer *w, const train_settings *s, err *e) {
    bool any = false;
    for (int i = 0; s->rollout && i < s->rollout->reward_funcs.count; i++) {
        model m = {.path = reward_model_path(s, i)};
        sha256_text hash;
        if (!m.path || !file_exists(m.path)) continue; /* what is missing is told when it is opened */
        if (!model_hash(&m, hash, e)) return false;
        if (!any) json_key(w, "reward_sha256"), json_open(w, '[');
        json_put_cstr(w, hash);
        any = true;
    }
    if (any) json_close(w);
    return true;
}

static bool same_rewards(const json *config, const train_settings *s, err *e) {
    size_t at = 0;
    for (int i = 0; s->rollout && i < s->rollout->reward_funcs.count; i++) {
        model m = {.path = reward_model_path(s, i)};
        sha256_text hash;
        if (!m.path) continue;
        const str kept = json_text(json_at(json_get(config, "reward_sha256"), at++), STR(""));
        if (!model_hash(&m, hash, e)) return false;
        if (kept.len && !str_is(kept, hash))
            return err_set(e, ERR_CONFLICT, "%s is not the reward model this run began with (SHA-256 %.12s..., then %.12s...)",
                           m.path, hash, kept.ptr);
    }
    return true;
}

/* What the run starts from; unset, the reference is the policy's start. */
static bool put_hashes(json_writer *w, const train_settings *s, err *e) {
    const char *const reference = s->o.reference ? s->o.reference : s->objective->reference ? s->o.base : NULL;
    const char *const paths[] = {s->o.base, reference, s->o.teacher};
    static const char *const keys[] = {"base_sha256", "reference_sha256", "teacher_sha256"};
    sha256_text hash;
    for (int i = 0; i < 3; i++) {
        model m = {.path = paths[i]};
        if (!paths[i]) continue;
        if (i != 1 || s->o.reference) /* else it is the one just computed */
            if (!model_hash(&m, hash, e)) return false;
        json_key(w, keys[i]), json_put_cstr(w, hash);
    }
    if (!put_reward_hashes(w, s, e)) return false;
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
    const char *const paths[] = {s->o.base, s->o.reference, s->o.teacher};
    static const char *const keys[] = {"base_sha256", "reference_sha256", "teacher_sha256"};
    for (int i = 0; config && i < 3; i++) {
        sha256_text hash;
        model m = {.path = paths[i]};
        const str kept = json_get_text(config, keys[i], STR(""));
        if (!paths[i] || !kept.len) continue;
        if (!model_hash(&m, hash, e)) return false;
        if (!str_is(kept, hash))
            return err_set(e, ERR_CONFLICT, "%s is not the file this run began with (SHA-256 %.12s..., then %.12s...)", paths[i],
                           hash, kept.ptr);
    }
    return config && same_rewards(config, s, e);
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
    if (s->choice) json_key(&w, "preset"), preset_choice_put(&w, s->choice);
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
    const bool ok = c && run_lock(r, e) &&
                    train_settings_begin(a, str_copy(a, json_get_text(c, "objective", STR("?"))), out, e) &&
                    resolve_set_json(a, &(*out)->from, json_get(c, "options"), "config.json", e);
    if (ok) train_settings_settle(*out);
    return ok;
}

/* ---- what is written while it runs ---------------------------------------------------------------------------------------------------------- */

/* What is held out has transformers' names: eval_loss, eval_accuracy ... */
static void put_measured(json_writer *w, const step_result *held) {
    char key[96];
    json_key(w, "eval_loss"), json_put_real(w, held->loss);
    for (int i = 0; i < held->metrics.count; i++) {
        snprintf(key, sizeof key, "eval_%s", held->metrics.item[i].name);
        json_key(w, key), json_put_real(w, held->metrics.item[i].sum / held->metrics.item[i].weight);
    }
}

/* held NULL: not measured at this step. */
static bool log_metrics(run *r, const trainer *t, const step_result *s, const step_result *held, double epoch, bool as_json,
                        err *e) {
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
    if (reference_wanted(t)) json_key(&w, "drift"), json_put_real(&w, s->drift);
    if (held) put_measured(&w, held);
    json_close(&w);
    const bool ok = run_metric(r, buf_str(&line), e);
    if (as_json) printf("%.*s\n", STR_ARG(buf_str(&line))), fflush(stdout);
    buf_free(&line);
    return ok;
}

/* What the model wrote for this step and the coming ones, and what it earned. */
static bool write_rollout(run *r, trainer *t, err *e) {
    bool ok = true;
    for (int i = 0; ok && t->rollout && !t->rollout->told && i < t->rollout->count; i++) {
        buf line = {0};
        json_writer w = json_writer_on(&line, false);
        rollout_put_line(&w, t, i, t->step);
        ok = run_rollout(r, buf_str(&line), e);
        buf_free(&line);
    }
    if (t->rollout) t->rollout->told = true;
    return ok;
}

/* The first rows that may be answered, each with another prompt than those before it. */
static int sample_rows(const trainer *t, row *out) {
    int n = 0;
    for (int64_t i = 0; i < rows_count(t->rows) && n < SAMPLES; i++) {
        const row x = rows_at(t->rows, i);
        bool again = x.label == 0 || x.prompt < 1;
        for (int k = 0; k < n && !again; k++)
            again = out[k].prompt == x.prompt && memcmp(out[k].ids, x.ids, (size_t)x.prompt * sizeof *x.ids) == 0;
        if (!again) out[n++] = x;
    }
    return n;
}

static bool put_sample(run *r, const trainer *t, const row *x, int index, const session *s, err *e) {
    buf line = {0};
    json_writer w = json_writer_on(&line, false);
    json_open(&w, '{');
    json_key(&w, "step"), json_put_int(&w, t->step);
    json_key(&w, "index"), json_put_int(&w, index);
    row_put_prompt(&w, t->policy, x);
    json_key(&w, "text"), json_put_text(&w, session_text(s));
    json_close(&w);
    const bool ok = run_sample(r, buf_str(&line), e);
    buf_free(&line);
    return ok;
}

/* What is held out, in words, for who waits for the end. */
static void say_measured(const trainer *t, const step_result *held) {
    buf words = {0};
    for (int i = 0; i < held->metrics.count; i++)
        if (strstr(held->metrics.item[i].name, "accurac"))
            buf_printf(&words, ", %s %.1f %%", held->metrics.item[i].name,
                       100 * held->metrics.item[i].sum / held->metrics.item[i].weight);
    log_note("held out, %lld %s that were not trained on: loss %.4f%.*s",
             (long long)(rows_count(t->held) / trainer_rows_per_unit(t)),
             objective_rows_name(objective_rows_of(t->s->objective, t->s->own)), held->loss, STR_ARG(buf_str(&words)));
    buf_free(&words);
}

/* Answers to the first three prompts, by the very weights in training. */
static bool write_samples(run *r, trainer *t, err *e) {
    static const sampling greedy = {.temperature = 0, .top_p = 1, .repetition_penalty = 1, .max_new_tokens = 64};
    row x[SAMPLES];
    session *s[SAMPLES] = {0};
    const int n = sample_rows(t, x);
    if (t->s->objective->policy != POLICY_WRITES) return true; /* it writes no answers */
    engine *g = engine_new(t->policy, t->compute);
    bool ok = true;
    for (int i = 0; ok && i < n; i++)
        ok = (s[i] = session_new(g, t->adapter, x[i].ids, x[i].prompt, &greedy, NULL, NULL, e)) != NULL;
    ok = ok && (!n || engine_run(g, s, n, NULL, e));
    for (int i = 0; ok && i < n; i++) ok = put_sample(r, t, &x[i], i, s[i], e);
    for (int i = 0; i < n; i++) session_free(s[i]);
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
    if (t->s->rollout) return (double)t->step / (double)trainer_steps_per_epoch(t);
    const int64_t per = trainer_steps_per_epoch(t), micros = (t->units + t->per_micro - 1) / t->per_micro,
                  whole = (t->step - 1) / per;
    const int64_t done = ((t->step - 1) % per + 1) * t->s->o.gradient_accumulation_steps;
    return (double)whole + (double)(done < micros ? done : micros) / (double)micros;
}

static bool every(int64_t n, int64_t step) { return n > 0 && step % n == 0; }

/* Every so many steps, or so many times in the run, the last one behind its last step. */
static bool sample_is_due(const trainer *t) {
    const int64_t times = t->s->o.sample_times;
    return every(t->s->o.sample_steps, t->step) || (times && t->step * times / t->steps > (t->step - 1) * times / t->steps);
}

/* Ctrl-C while completions are written: nothing has moved since the last step, which a resumed run goes on from. */
static bool stopped_early(arena *a, run *r, const trainer *t, err *e) {
    err again = {0};
    if (e->code != ERR_STOPPED || !t->step || !save_checkpoint(a, r, t, &again)) return false;
    *e = (err){0};
    return err_set(e, ERR_STOPPED, "stopped at step %lld, checkpoint saved; go on with: fettle train --resume %s",
                   (long long)t->step, r->path);
}

enum { BACK_OFFS = 3 };

/* The newest checkpoint before the policy that gave the alarm; those from there on are thrown away. NULL: none. */
static const char *last_good(arena *a, const run *r, int64_t suspect, int64_t *step, err *e) {
    const char *folder;
    while ((folder = checkpoint_latest(a, r, step, e)) && *step >= suspect)
        if (!dir_remove(folder, e)) return NULL;
    return folder;
}

/* An alarm of a run that writes its own answers, given by the policy behind step `suspect`: back to the last good checkpoint, from where it goes on with half the learning rate (true), or
 * where it stops (false, with the words of the alarm). */
static bool recover(arena *a, run *r, trainer *t, int64_t suspect, const err *alarm, err *e) {
    const double turns = t->guard[GUARD_BACKED_OFF];
    const int64_t at = t->step;
    int64_t good = 0;
    const char *folder = last_good(a, r, suspect, &good, e);
    if (e->code || (folder && !trainer_load(t, folder, good, e))) return false;
    t->nothing_good = !folder;
    if (folder && turns < BACK_OFFS && strcmp(t->s->rollout->on_alarm, "back_off") == 0) {
        t->guard[GUARD_BACKED_OFF] = turns + 1;
        log_warning("step %lld: %s; back to step %lld with half the learning rate", (long long)at, alarm->text, (long long)good);
        return run_back(r, good, e);
    }
    if (!folder)
        return err_set(e, ERR_DIVERGED,
                       "stopped at step %lld: %s; no checkpoint was good before (good_steps), so there is no result",
                       (long long)at, alarm->text);
    return err_set(e, ERR_DIVERGED, "stopped at step %lld: %s; the result is the last good checkpoint, of step %lld",
                   (long long)at, alarm->text, (long long)good);
}

/* What is written of a step that was made: its rollout, metrics, samples; where the run is. */
static bool write_step(run *r, trainer *t, const train_how *how, const step_result *s, err *e) {
    const train_options *o = &t->s->o;
    const bool last = t->step == t->steps, measured = t->held && (every(o->eval_steps, t->step) || last);
    const double epoch = epoch_of(t);
    step_result held;
    if (measured) trainer_measure(t, &held);
    if ((every(o->logging_steps, t->step) || measured || last) &&
        !log_metrics(r, t, s, measured ? &held : NULL, epoch, how->json, e))
        return false;
    if (measured && last) say_measured(t, &held);
    return (!sample_is_due(t) || write_samples(r, t, e)) && run_step(r, t->step, e);
}

static void show_step(progress *p, const trainer *t, double loss) {
    char words[96];
    snprintf(words, sizeof words, "step %lld of %lld, loss %.4f", (long long)t->step, (long long)t->steps, loss);
    progress_show(p, (double)t->step, (double)t->steps, words);
}

/* A checkpoint where one is due, and the end where a person, or the drift, asks for it. */
static bool keep_step(arena *a, run *r, trainer *t, const step_result *s, err *e) {
    const bool stop = sys_stop_requested(), good = t->s->rollout && every(t->s->rollout->good_steps, t->step);
    if ((stop || good || every(t->s->o.save_steps, t->step)) && !save_checkpoint(a, r, t, e)) return false;
    if (stop)
        return err_set(e, ERR_STOPPED, "stopped at step %lld, checkpoint saved; go on with: fettle train --resume %s",
                       (long long)t->step, r->path);
    return !drifted(t, s, e);
}

static bool run_steps(arena *a, run *r, trainer *t, const train_how *how, step_result *s, err *e) {
    progress p = progress_begin("training", how->quiet);
    if ((t->s->o.sample_steps || t->s->o.sample_times) && !t->step && !write_samples(r, t, e)) return false;
    while (t->step < t->steps) {
        err alarm = {0};
        const double begun = sys_seconds();
        if (!trainer_step(t, s, e)) {
            if (!t->s->rollout || e->code != ERR_DIVERGED) return stopped_early(a, r, t, e);
            alarm = *e;
            *e = (err){0};
            if (!recover(a, r, t, t->step, &alarm, e)) return false;
            continue;
        }
        log_debug("step %lld: %.1f s", (long long)t->step, sys_seconds() - begun);
        if (!write_rollout(r, t, e)) return false;
        if (!guard_look(t, s, &alarm) && alarm.code != ERR_DIVERGED) return *e = alarm, false;
        show_step(&p, t, s->loss);
        if (!write_step(r, t, how, s, e)) return false;
        if (!(alarm.code ? recover(a, r, t, t->step - 1, &alarm, e) : keep_step(a, r, t, s, e))) return false;
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

static void print_json(trainer *t, const preflight *p, const char *refusal) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    preflight_put_json(&w, t, p, refusal);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_free(&out);
}

/* Pre-flight: everything is read and checked; says what was found, or refuses. */
static bool get_ready(arena *a, const train_settings *s, run *r, const train_how *how, const rows_how *from, trainer *t,
                      preflight *p, err *e) {
    FILE *out = how->preview ? stdout : stderr;
    const bool talks = !how->quiet && !(how->preview && how->json);
    if (!train_settings_check(s, e) || (how->resume && !same_start(a, r, s, e)) ||
        !trainer_open(a, s, how->preview ? sys_scratch() : r->path, from, t, e))
        return false;
    if (talks) preflight_print_counts(out, t);
    if (!rows_refuse(t->rows, t->text, s, e) || !preflight_memory(t, p, e) || !trainer_models(t, e) ||
        ((how->preview || !how->quiet) && !preflight_time(t, p, e))) {
        if (how->preview && how->json && e->code == ERR_REFUSED) print_json(t, p, e->text);
        return false;
    }
    if (talks) preflight_print(out, p);
    if (how->preview && how->json) print_json(t, p, NULL);
    else if (how->preview && talks) preflight_print_batch(out, t);
    return true;
}

/* What stood on the terminal before step 1 stands in the log too. */
static void log_ready(const run *r, const trainer *t, const preflight *p) {
    FILE *out = fdopen(dup(r->log_fd), "a");
    if (!out) return;
    preflight_print_counts(out, t);
    preflight_print(out, p);
    fclose(out);
}

static bool go(arena *a, run *r, trainer *t, const train_how *how, const preflight *p, err *e) {
    step_result last = {0};
    bool ok = (!how->resume || begin_again(a, r, t, e)) && run_begin(r, t->steps, e);
    if (ok) log_ready(r, t, p);
    ok = ok && run_steps(a, r, t, how, &last, e);
    const bool lost = t->s->rollout ? t->nothing_good : !isfinite(last.loss); /* behind an alarm what is good was loaded again */
    if ((!ok && e->code != ERR_DIVERGED) || t->step == 0 || lost) return ok;
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
    else if (how->resume && r->status == RUN_DONE && file_exists(path_join(a, r->path, "model"))) {
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
