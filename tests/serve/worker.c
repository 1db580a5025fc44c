/* worker.c - the thread that generates: together as alone, cancelled, refused, and models that come and go. */
#include "hall.h"

#include <pthread.h>

static const char *const prompts[] = {"the cat ", "a dog ran ", "abc", "the cat sat on", "z", "the cat "};
enum { PROMPTS = sizeof prompts / sizeof *prompts };

static work *begun(hall *h, const work_order *o) {
    err e = {0};
    work *x = worker_submit(h->w, o, &e);
    if (!x) fail_msg("%s", e.text);
    return x;
}

static void wait_over(work *x) {
    for (int64_t seen = 0; !work_over(x);) seen = work_wait(x, seen, 10);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------------- */

static void answers_made_together_are_those_made_alone(void **state) {
    hall *h = *state;
    static const char *const models[] = {"base", "base:lora"};
    const char *alone[2][PROMPTS];
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < PROMPTS; i++) {
            work_order o = text_order(models[m], prompts[i], 20);
            if (i % 2) o.sampling.temperature = 1, o.sampling.seed = 7;
            alone[m][i] = str_copy(h->a, answered(h, &o).answer[0].text);
        }
    work *all[2][PROMPTS];
    for (int i = 0; i < PROMPTS; i++)
        for (int m = 0; m < 2; m++) {
            work_order o = text_order(models[m], prompts[i], 20);
            if (i % 2) o.sampling.temperature = 1, o.sampling.seed = 7;
            all[m][i] = begun(h, &o);
        }
    int differs = 0;
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < PROMPTS; i++) {
            work_view v;
            wait_over(all[m][i]);
            work_read(all[m][i], h->a, &v);
            assert_int_equal(v.state, WORK_DONE);
            assert_int_equal(v.answer[0].count, 20);
            assert_string_equal(str_copy(h->a, v.answer[0].text), alone[m][i]);
            work_free(all[m][i]);
            differs += m && strcmp(alone[0][i], alone[1][i]) != 0;
        }
    assert_true(differs > 0); /* the adapter does something */
    assert_int_equal(worker_count(h->w).models, 1);
}

static void several_answers_to_one_prompt_differ_and_repeat(void **state) {
    hall *h = *state;
    work_order o = text_order("base", "the cat ", 12);
    o.n = 4;
    o.sampling.temperature = 1;
    const work_view first = answered(h, &o), again = answered(h, &o);
    int differs = 0;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(str_copy(h->a, first.answer[i].text), str_copy(h->a, again.answer[i].text));
        differs += i && !str_eq(first.answer[i].text, first.answer[0].text);
    }
    assert_true(differs > 0);
    o.n = 1;
    assert_string_equal(str_copy(h->a, answered(h, &o).answer[0].text), str_copy(h->a, first.answer[0].text));
}

static void a_prompt_that_begins_as_an_earlier_one_is_not_read_again(void **state) {
    hall *h = *state;
    const char *first = "the quick brown fox jumps over the lazy dog and runs ", *longer = arena_printf(h->a, "%saway.", first);
    const work_order cold = text_order("base:lora", longer, 16), o = text_order("base", first, 16),
                     warm = text_order("base", longer, 16);
    const work_order other = text_order("base", longer, 16);
    assert_int_equal(answered(h, &cold).reused, 0);
    assert_int_equal(answered(h, &o).reused, 0);
    const work_view v = answered(h, &warm), w = answered(h, &other);
    assert_int_equal(v.reused, (int)strlen(first));
    assert_int_equal(w.reused, (int)strlen(longer) - 1); /* the last token's logits are wanted */
    assert_string_equal(str_copy(h->a, v.answer[0].text), str_copy(h->a, w.answer[0].text));
}

static void a_stop_text_ends_an_answer(void **state) {
    hall *h = *state;
    work_order o = text_order("base", "the cat ", 20);
    const char *whole = str_copy(h->a, answered(h, &o).answer[0].text);
    const char *stop[] = {arena_copy(h->a, whole + 4, 2)};
    o.sampling.stop = stop;
    o.sampling.stop_count = 1;
    const work_view v = answered(h, &o);
    const char *hit = strstr(whole, stop[0]);
    assert_string_equal(v.answer[0].finish, "stop");
    assert_string_equal(str_copy(h->a, v.answer[0].text), arena_copy(h->a, whole, (size_t)(hit - whole)));
}

/* ---- log-probabilities ----------------------------------------------------------------------------------------------------------- */

static void scores_are_the_log_probabilities_of_what_was_generated(void **state) {
    hall *h = *state;
    err e = {0};
    work_order o = text_order("base:lora", "the cat ", 10);
    o.sampling.logprobs = true;
    o.sampling.tops = 3;
    work *x = begun(h, &o);
    work_view v;
    wait_over(x);
    work_read(x, h->a, &v);
    const work_pair pair = {.text = o.text, .answer = v.answer[0].text};
    work_scored *scored;
    assert_ok(worker_score(h->w, "base:lora", &pair, 1, h->a, &scored, &e), e);
    double sum = 0;
    for (int i = 0; i < v.answer[0].count; i++) {
        const work_token *t = &v.answer[0].token[i];
        assert_int_equal(t->tops, 3);
        assert_int_equal(t->top[0].id, t->id); /* greedy */
        assert_true(t->top[0].logp == t->logp);
        assert_true(t->top[1].logp <= t->top[0].logp && t->top[2].logp <= t->top[1].logp);
        if (i < scored->count) assert_true(fabsf(t->logp - scored->logp[i]) < 2e-2f); /* bfloat16 in batches of other sizes */
        sum += (double)t->logp;
    }
    assert_int_equal(scored->count, v.answer[0].count);
    assert_true(fabs(sum - scored->sum) < 0.1);
    work_free(x);
}

static void an_echo_tells_the_prompts_tokens_too(void **state) {
    hall *h = *state;
    err e = {0};
    work_order o = text_order("base", "the cat sat.", 1);
    o.sampling.logprobs = o.sampling.echo = true;
    o.sampling.tops = 1;
    work *x = begun(h, &o);
    work_view v;
    wait_over(x);
    work_read(x, h->a, &v);
    assert_int_equal(v.prompt_tokens, 12);
    assert_non_null(v.prompt_token);
    assert_true(isnan(v.prompt_token[0].logp));
    assert_string_equal(str_copy(h->a, v.prompt_token[4].text), "c");
    const work_pair pair = {.text = STR("t"), .answer = STR("he cat sat.")};
    work_scored *scored;
    assert_ok(worker_score(h->w, "base", &pair, 1, h->a, &scored, &e), e);
    for (int i = 1; i < 12; i++) {
        assert_true(fabsf(v.prompt_token[i].logp - scored->logp[i - 1]) < 1e-2f);
        assert_true(v.prompt_token[i].top[0].logp >= v.prompt_token[i].logp);
    }
    work_free(x);
    o.sampling.max_tokens = 0;
    x = begun(h, &o);
    wait_over(x);
    work_read(x, h->a, &v);
    assert_int_equal(v.answer[0].count, 0);
    assert_int_equal((int)v.answer[0].text.len, 0);
    assert_non_null(v.prompt_token);
    work_free(x);
}

static void vectors_have_length_one_and_do_not_depend_on_company(void **state) {
    hall *h = *state;
    err e = {0};
    work_input in[40];
    for (int i = 0; i < 40; i++) in[i] = (work_input){.text = str_of(prompts[i % PROMPTS])};
    const work_order base = {.model = "base"};
    work_vectors all, one;
    assert_ok(worker_embed(h->w, &base, in, 40, h->a, &all, &e), e);
    assert_int_equal(all.width, 32);
    for (int i = 0; i < PROMPTS; i++) {
        double length = 0, apart = 0;
        assert_ok(worker_embed(h->w, &base, in + i, 1, h->a, &one, &e), e);
        assert_int_equal(one.tokens, (int)strlen(prompts[i]));
        for (int k = 0; k < one.width; k++) {
            length += (double)all.vector[i][k] * (double)all.vector[i][k];
            apart = fmax(apart, fabs((double)all.vector[i][k] - (double)one.vector[0][k]));
        }
        assert_true(fabs(length - 1) < 1e-5);
        assert_true(apart < 1e-2);
    }
}

/* ---- who leaves -------------------------------------------------------------------------------------------------------------------- */

static void a_cancelled_answer_ends_and_gives_its_place_up(void **state) {
    hall *h = *state;
    work_order o = text_order("base", "the cat ", -1);
    work *x = begun(h, &o);
    work_view v;
    int64_t seen = 0;
    do {
        seen = work_wait(x, seen, 10);
        work_read(x, h->a, &v);
    } while (v.answer[0].count < 2 && v.state < WORK_DONE);
    work_cancel(x);
    wait_over(x);
    work_read(x, h->a, &v);
    if (v.state == WORK_FAILED) assert_int_equal(v.e.code, ERR_STOPPED);
    work_free(x);
    for (int i = 0; i < 200 && worker_count(h->w).running; i++) usleep(10000);
    assert_int_equal(worker_count(h->w).running, 0);
}

typedef struct {
    int asked;
} visitor;

static bool leaves_after_three(void *self) { return ++((visitor *)self)->asked > 3; }

static void who_is_gone_gets_no_more_than_a_token(void **state) {
    hall *h = *state;
    visitor v = {0};
    work_view out;
    answered(h, &(work_order){.model = "base", .text = STR("a"), .sampling = {.max_tokens = 1, .repetition_penalty = 1}});
    work_order o = text_order("base", "the cat ", -1);
    o.gone = leaves_after_three;
    o.self = &v;
    work *x = begun(h, &o);
    wait_over(x);
    work_read(x, h->a, &out);
    assert_int_equal(out.state, WORK_FAILED);
    assert_int_equal(out.e.code, ERR_STOPPED);
    assert_true(out.answer[0].count <= 3);
    work_free(x);
}

static int two_places(void **state) { return hall_begin_with(state, (worker_options){.streams = 1, .queue = 2}); }

static void a_full_queue_refuses(void **state) {
    hall *h = *state;
    err e = {0};
    work *list[64];
    int n = 0;
    const work_order o = text_order("base", "the cat ", 100);
    while (n < 64 && (list[n] = worker_submit(h->w, &o, &e)) != NULL) n++;
    assert_true(n >= 2 && n < 64);
    assert_int_equal(e.code, ERR_BUSY);
    for (int i = 0; i < n; i++) {
        wait_over(list[i]);
        work_free(list[i]);
    }
    answered(h, &o); /* and there is room again */
}

static void what_waits_is_told_when_the_worker_ends(void **state) {
    hall *h = *state;
    const work_order o = text_order("base", "the cat ", -1);
    work *list[8];
    for (int i = 0; i < 8; i++) list[i] = begun(h, &o);
    worker_end(h->w);
    for (int i = 0; i < 8; i++) {
        assert_true(work_over(list[i]));
        work_free(list[i]);
    }
    err e = {0};
    assert_null(worker_submit(h->w, &o, &e));
    assert_int_equal(e.code, ERR_STOPPED);
}

/* ---- models ---------------------------------------------------------------------------------------------------------------------------- */

static void names_that_are_not_there_and_paths_are_refused(void **state) {
    hall *h = *state;
    static const char *const names[] = {"none", "base:none", "../models/base", "/etc/passwd", "run:none", "", "base:../lora"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        err e = {0};
        const work_order o = text_order(names[i], "a", 1);
        if (worker_submit(h->w, &o, &e)) fail_msg("'%s' was taken", names[i]);
        assert_int_equal(e.code, ERR_NOT_FOUND);
    }
}

static void a_broken_file_fails_with_words_and_can_be_mended(void **state) {
    hall *h = *state;
    err e = {0};
    work_view v;
    const char *folder = path_join(h->a, h->models, "base"), *file = path_join(h->a, folder, "model.safetensors");
    str whole;
    assert_ok(file_read(h->a, file, 1 << 24, &whole, &e), e);
    assert_ok(file_write(file, str_slice(whole, 0, whole.len / 2), &e), e);
    const work_order o = text_order("base", "a", 3);
    assert_false(worker_answer(h->w, &o, h->a, &v, &e));
    assert_non_null(strstr(e.text, "model.safetensors"));
    err none = {0};
    assert_ok(file_write(file, whole, &none), none);
    answered(h, &o);
}

static void new_files_are_read_anew(void **state) {
    hall *h = *state;
    const work_order o = text_order("base", "the cat ", 20);
    const char *before = str_copy(h->a, answered(h, &o).answer[0].text);
    tiny_model_of(h->a, h->models, "base", 32, 99);
    assert_string_not_equal(str_copy(h->a, answered(h, &o).answer[0].text), before);
}

static int briefly(void **state) { return hall_begin_with(state, (worker_options){.idle = 0.1}); }

static void an_idle_model_is_given_up(void **state) {
    hall *h = *state;
    const work_order o = text_order("base", "a", 3);
    answered(h, &o);
    for (int i = 0; i < 500 && worker_count(h->w).models; i++) usleep(10000);
    assert_int_equal(worker_count(h->w).models, 0);
    answered(h, &o);
}

static void a_model_that_does_not_fit_is_refused_with_numbers(void **state) {
    hall *h = *state;
    err e = {0};
    work_view v;
    const work_order o = text_order("base", "a", 3);
    setenv("FETTLE_MEMORY_MB", "1", 1);
    const bool ok = worker_answer(h->w, &o, h->a, &v, &e);
    unsetenv("FETTLE_MEMORY_MB");
    assert_false(ok);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "GB"));
    answered(h, &o);
}

static void an_alias_means_what_it_means_when_asked(void **state) {
    hall *h = *state;
    worker_alias(h->w, "mine", "base");
    const work_order o = text_order("mine", "the cat ", 20), base = text_order("base", "the cat ", 20);
    const work_view v = answered(h, &o);
    assert_string_equal(v.model, "base");
    assert_string_equal(str_copy(h->a, v.answer[0].text), str_copy(h->a, answered(h, &base).answer[0].text));
    worker_alias(h->w, "mine", "base:lora");
    assert_string_equal(answered(h, &o).model, "base:lora");
    worker_alias(h->w, "mine", NULL);
    err e = {0};
    assert_null(worker_submit(h->w, &o, &e));
}

/* ---- many at once ------------------------------------------------------------------------------------------------------------------------ */

static void *come_and_go(void *context) {
    hall *h = context;
    for (int i = 0; i < 12; i++) {
        err e = {0};
        arena *a = arena_new();
        const work_order o = text_order(i % 3 ? "base" : "base:lora", prompts[i % PROMPTS], 10 + i);
        work *x = worker_submit(h->w, &o, &e);
        work_view v;
        if (!x) abort();
        if (i % 4 == 3) work_wait(x, 0, 0.01);
        else
            for (int64_t seen = 0; !work_over(x); work_read(x, a, &v)) seen = work_wait(x, seen, 1);
        work_free(x);
        arena_free(a);
    }
    return NULL;
}

static void many_threads_come_and_go(void **state) {
    hall *h = *state;
    pthread_t t[8];
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&t[i], NULL, come_and_go, h), 0);
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    worker_counters n = worker_count(h->w);
    for (int i = 0; i < 1000 && (n.running || n.waiting); i++, n = worker_count(h->w)) usleep(10000);
    assert_int_equal(n.running, 0);
    assert_int_equal(n.waiting, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HALL_TEST(answers_made_together_are_those_made_alone),
        HALL_TEST(several_answers_to_one_prompt_differ_and_repeat),
        HALL_TEST(a_prompt_that_begins_as_an_earlier_one_is_not_read_again),
        HALL_TEST(a_stop_text_ends_an_answer),
        HALL_TEST(scores_are_the_log_probabilities_of_what_was_generated),
        HALL_TEST(an_echo_tells_the_prompts_tokens_too),
        HALL_TEST(vectors_have_length_one_and_do_not_depend_on_company),
        HALL_TEST(a_cancelled_answer_ends_and_gives_its_place_up),
        HALL_TEST(who_is_gone_gets_no_more_than_a_token),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses, two_places, hall_end),
        HALL_TEST(what_waits_is_told_when_the_worker_ends),
        HALL_TEST(names_that_are_not_there_and_paths_are_refused),
        HALL_TEST(a_broken_file_fails_with_words_and_can_be_mended),
        HALL_TEST(new_files_are_read_anew),
        cmocka_unit_test_setup_teardown(an_idle_model_is_given_up, briefly, hall_end),
        HALL_TEST(a_model_that_does_not_fit_is_refused_with_numbers),
        HALL_TEST(an_alias_means_what_it_means_when_asked),
        HALL_TEST(many_threads_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
