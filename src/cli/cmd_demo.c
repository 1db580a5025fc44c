/* cmd_demo.c - fettle demo: the whole loop on the starter model, without a browser.
 *
 *   answer 12 prompts four times each ─► a scripted annotator picks and edits ─► feedback file ─► DPO + LoRA ─► before against after
 *                                        with --method ppo: feedback file ─► reward model (accuracy on prompts held out) ─► PPO + LoRA ─┘
 *                                        (edits in words that the model hardly writes are imitated first)
 *
 * The annotator is a rule with a taste (taste.c) and the result says so; a person's own feedback file takes its place with
 * --feedback. Everything goes through the same code as the commands it names at the end. */
#include "cli/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/sys.h"
#include "cli/demo.h"

static const opt options[] = {
    {"taste", OPT_CHOICE, offsetof(demo_options, taste), NULL, 0, 0, "shorter|prose|warmer|longer",
     "what the scripted annotator and judge likes (longer: a control; unset: shorter, and no judge for --feedback)"},
    {"feedback", OPT_TEXT, offsetof(demo_options, feedback), NULL, 0, 0, NULL,
     "a file of preferences instead of the scripted annotator's"},
    {"method", OPT_CHOICE, offsetof(demo_options, method), "dpo", 0, 0, DEMO_METHOD_NAMES,
     "how it learns: from the pairs, or by reinforcement from a reward model that they make"},
    {"methods", OPT_LIST, offsetof(demo_options, methods), NULL, 0, 0, NULL,
     "several of them on the same feedback, as one table: dpo,ipo,kto,orpo,simpo,grpo,rloo,ppo"},
    {"model", OPT_TEXT, offsetof(demo_options, model), "smollm2", 0, 0, NULL, "the model to teach"},
    {"preset", OPT_TEXT, offsetof(demo_options, preset), "auto", 0, 0, NULL, "settings of the training run"},
    {"set", OPT_EACH, offsetof(demo_options, set), NULL, 0, 0, NULL, "KEY=VALUE, a further setting of the run"},
    {"seed", OPT_INT, offsetof(demo_options, seed), "1", 0, 1e9, NULL, "of answers and training"},
    {"shuffle", OPT_BOOL, offsetof(demo_options, shuffle), "false", 0, 0, NULL,
     "control: swap chosen and rejected in half of each prompt's pairs"},
    {"report", OPT_TEXT, offsetof(demo_options, report), NULL, 0, 0, NULL, "write all figures as JSON to this file"},
    {"quiet", OPT_BOOL, offsetof(demo_options, quiet), "false", 0, 0, NULL, "no progress lines"},
    OPT_END,
};

static answering_options demo_answering(const demo_options *o) {
    return (answering_options){.temperature = 0.9,
                               .top_p = 1,
                               .min_p = 0.02,
                               .repetition_penalty = 1,
                               .top_k = 0,
                               .max_new_tokens = ANSWER_TOKENS,
                               .seed = o->seed};
}

/* ---- a first answer ---------------------------------------------------------------------------------------------------------- */

static bool print_piece(void *self, str piece) {
    (void)self;
    fwrite(piece.ptr, 1, piece.len, stdout);
    return fflush(stdout) == 0;
}

static bool first_answer(demo *d, err *e) {
    const char *prompt = d->taste->prompts->training[0];
    answering_options o = d->answering;
    o.max_new_tokens = 48;
    given_answer g;
    printf("> %s\n", prompt);
    const answering_order x = {&d->start, d->all.options.compute, &prompt, 1, 1, &o, NULL, print_piece};
    if (!answer_prompts(d->a, &x, &g, e)) return false;
    printf("%s\n\n", g.finish == FINISH_LENGTH ? " ..." : "");
    return fflush(stdout) == 0;
}

/* ---- feedback ------------------------------------------------------------------------------------------------------------------- */

void demo_put_message(json_writer *w, const char *key, const char *role, str content) {
    json_key(w, key), json_open(w, '[');
    json_open(w, '{');
    json_key(w, "role"), json_put_cstr(w, role);
    json_key(w, "content"), json_put_text(w, content);
    json_close(w);
    json_close(w);
}

/* One preference in TRL's conversational form; anyone can open the file, change it, and give it back with --feedback. */
static void put_pair(buf *out, const char *prompt, str chosen, str rejected) {
    json_writer w = json_writer_on(out, false);
    json_open(&w, '{');
    demo_put_message(&w, "prompt", "user", str_of(prompt));
    demo_put_message(&w, "chosen", "assistant", chosen);
    demo_put_message(&w, "rejected", "assistant", rejected);
    json_close(&w);
    buf_put_char(out, '\n');
}

static judged_text as_answer(const given_answer *g) { return (judged_text){g->text, g->finish == FINISH_LENGTH, ANSWER_TOKENS}; }

/* Picks the best of the four, edits it, and prefers the edit to each of them that says something else. Shuffled: half of a
 * prompt's preferences, drawn by the coin, stand the wrong way round, so that all together say nothing. */
static int annotate(const demo *d, const char *prompt, const given_answer *four, rng *coin, buf *out) {
    int best = 0, pairs = 0;
    str other[EACH];
    for (int k = 1; k < EACH; k++)
        if (d->taste->score(as_answer(&four[k])) > d->taste->score(as_answer(&four[best]))) best = k;
    const str edited = str_of(d->taste->edit(d->a, as_answer(&four[best])));
    if (text_words(edited) < 3) return 0; /* nothing a person would keep */
    for (int k = 0; k < EACH; k++) {
        const str given = str_trim(four[k].text);
        if (given.len && !str_eq(given, edited)) other[pairs++] = given;
    }
    int swaps = d->o.shuffle ? (pairs + (int)rng_below(coin, 2)) / 2 : 0;
    for (int k = 0; k < pairs; k++) {
        const bool swap = (int)rng_below(coin, (uint32_t)(pairs - k)) < swaps;
        put_pair(out, prompt, swap ? other[k] : edited, swap ? edited : other[k]);
        swaps -= swap;
    }
    return pairs;
}

/* Every two of the four as they were written, the one that the rule likes better first: what a reward model meets in its work. */
static void rank(const demo *d, const char *prompt, const given_answer *four, buf *out) {
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < EACH; k++)
            if (d->taste->score(as_answer(&four[i])) > d->taste->score(as_answer(&four[k])) && four[i].text.len &&
                four[k].text.len)
                put_pair(out, prompt, str_trim(four[i].text), str_trim(four[k].text));
}

static const char *feedback_path(const demo *d, const char *what) {
    const char *name = arena_printf(d->a, "demo-%s%s%s.jsonl", d->taste->name, what, d->o.shuffle ? "-shuffled" : "");
    return path_join(d->a, path_join(d->a, sys_home(d->a), "feedback"), name);
}

/* For the reward model: the same preferences, those of the last prompts apart, to be measured on; there the answers' own order too. */
static bool write_reward_pairs(demo *d, const buf *all, size_t split, const given_answer *answers, err *e) {
    buf held = {0};
    const str whole = buf_str(all);
    for (int i = DEMO_TRAINING - REWARD_HELD_OUT; i < DEMO_TRAINING; i++)
        rank(d, d->taste->prompts->training[i], answers + i * EACH, &held);
    buf_put_str(&held, str_slice(whole, split, whole.len));
    d->reward_data = feedback_path(d, "-reward");
    d->reward_held_out = feedback_path(d, "-held-out");
    const bool ok =
        file_write(d->reward_data, str_slice(whole, 0, split), e) && file_write(d->reward_held_out, buf_str(&held), e);
    buf_free(&held);
    return ok;
}

static bool make_feedback(demo *d, err *e) {
    given_answer *answers = arena_array(d->a, given_answer, DEMO_TRAINING * EACH);
    const char *const *prompts = d->taste->prompts->training;
    const answering_order x = {&d->start,     d->all.options.compute,          prompts, DEMO_TRAINING, EACH,
                               &d->answering, d->o.quiet ? NULL : "answering", NULL};
    if (!answer_prompts(d->a, &x, answers, e)) return false;
    buf out = {0};
    size_t split = 0;
    rng coin = rng_new((uint64_t)d->o.seed, 0x73687566);
    for (int i = 0; i < DEMO_TRAINING; i++) {
        if (i == DEMO_TRAINING - REWARD_HELD_OUT) split = out.len;
        d->pairs += annotate(d, prompts[i], answers + i * EACH, &coin, &out);
    }
    d->feedback = feedback_path(d, "");
    const bool ok = d->pairs ? dir_make(path_folder(d->a, d->feedback), e) && file_write(d->feedback, buf_str(&out), e) &&
                                   write_reward_pairs(d, &out, split, answers, e)
                             : err_set(e, ERR_INPUT, "the annotator found nothing to prefer in %d answers", DEMO_TRAINING * EACH);
    buf_free(&out);
    if (ok) printf("%d preferences from a scripted annotator (\"%s\"): %s\n", d->pairs, d->taste->words, d->feedback);
    return ok;
}

/* ---- the result ---------------------------------------------------------------------------------------------------------------------- */

static bool write_report(const demo *d, const comparison *c, const taste *judge, err *e) {
    buf out = {0};
    json_writer w = json_writer_on(&out, true);
    json_open(&w, '{');
    json_key(&w, "taste"), json_put_cstr(&w, judge ? judge->name : NULL);
    json_key(&w, "pairs"), json_put_int(&w, d->pairs);
    json_key(&w, "seconds"), json_put_real(&w, sys_seconds() - d->begun);
    json_key(&w, "run"), json_put_cstr(&w, d->run);
    json_key(&w, "method"), json_put_cstr(&w, d->method->name);
    demo_put_learning(&w, d);
    json_key(&w, "comparison"), comparison_put_json(&w, c, judge);
    json_close(&w);
    const bool ok = file_write(d->o.report, buf_str(&out), e);
    buf_free(&out);
    return ok;
}

/* A run counts as good only when all three hold: preferred, not drifted, not repeating itself. */
static void print_judgement(const comparison *c, const taste *judge) {
    const double drift = c->start_loss[1] - c->start_loss[0], distinct = c->distinct[0] > 0 ? c->distinct[1] / c->distinct[0] : 1;
    if (fabs(drift) > 0.3)
        printf("But it drifted: %+.2f nat per token against the start model (limit 0.30). Fewer epochs or a lower rate keep it "
               "nearer.\n",
               drift);
    if (distinct < 0.8) printf("But it repeats itself: %.0f %% of the variety of before (limit 80 %%).\n", 100 * distinct);
    if (judge && c->low <= 0.5) printf("That is %s. More feedback, or clearer feedback, would tell.\n", comparison_verdict(c));
}

static bool compare(demo *d, err *e) {
    const taste *judge = d->judged ? d->taste : NULL;
    subject after;
    comparison c;
    if (!subject_open(&d->all, arena_printf(d->a, "%s:%s/model", d->start.base_path, d->run), &after, e)) return false;
    const char **prompts = (const char **)(const void *)d->taste->prompts->held_out;
    answering_options o = d->answering;
    o.seed += 1000;
    const comparison_how how = {
        .start = &d->start, .judge = judge, .compute = d->all.options.compute, .answering = &o, .quiet = d->o.quiet};
    if (!comparison_run(d->a, &how, &d->start, &after, prompts, DEMO_HELD_OUT, &c, e)) return false;
    comparison_print(stdout, &c, judge, 4);
    if (d->method->rewarded)
        printf("It finds its own answers %.3f nats a token likelier than the start model does (before: %.3f).\n", c.kl[1],
               c.kl[0]);
    print_judgement(&c, judge);
    printf("\n%.0f s in all. Next:\n  ./fettle chat %s:%s          talk with it\n  ./fettle runs show %s\n  make demo "
           "FEEDBACK=%s     after you have edited that file\n",
           sys_seconds() - d->begun, d->o.model, path_name(d->run), path_name(d->run), d->feedback);
    return !d->o.report || write_report(d, &c, judge, e);
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------------------------- */

/* The starter model that tools/deps fetched gets its name in the data folder, once. */
static void name_the_starter(arena *a, const char *name) {
    static const char *const file = "build/starter/smollm2.gguf";
    subject s;
    err ignored = {0};
    if (strcmp(name, "smollm2") != 0 || subject_find(a, name, &s, &ignored) || !file_exists(file)) return;
    const char *folder = path_join(a, sys_home(a), "models");
    char *real = realpath(file, NULL);
    if (real && dir_make(folder, &ignored)) {
        const char *to = path_join(a, folder, "smollm2.gguf");
        unlink(to);
        if (symlink(real, to) == 0) log_note("added the starter model as smollm2");
    }
    memory_release(real);
}

static bool demo_run(arena *a, int argc, char **argv, err *e);

const command command_demo = {"demo", "the whole loop on the starter model: answer, prefer, train, compare",
                              "[--taste shorter|prose|warmer] [--feedback FILE] [--method " DEMO_METHOD_NAMES "]", options,
                              demo_run};

static bool demo_run(arena *a, int argc, char **argv, err *e) {
    demo d = {.a = a, .begun = sys_seconds()};
    int rest;
    bool help;
    if (!arguments_read(a, &command_demo, &d.o, argc, argv, &rest, &help, e) || help) return help;
    d.judged = d.o.taste || !d.o.feedback;
    d.method = demo_method_find(d.o.method);
    d.taste = taste_find(d.o.taste ? d.o.taste : "shorter");
    if (!demo_table_check(&d, e)) return false;
    d.answering = demo_answering(&d.o);
    name_the_starter(a, d.o.model);
    if (!subjects_begin(a, NULL, &d.all, e) || !subject_open(&d.all, d.o.model, &d.start, e)) return false;
    if (!demo_print_plan(&d, e) || !first_answer(&d, e)) return false;
    d.feedback = d.o.feedback;
    if (!d.feedback && !make_feedback(&d, e)) return false;
    if (!file_exists(d.feedback)) return err_set(e, ERR_NOT_FOUND, "no feedback file %s", d.feedback);
    return d.o.methods.count ? demo_table(&d, e) : demo_train(&d, e) && compare(&d, e);
}
