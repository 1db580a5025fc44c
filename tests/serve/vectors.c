/* Vectors of records, computed in the background: those that lack one, new ones and changed ones, by a model or a server elsewhere. */
#include "house.h"

#include "../assist/far.h"
#include "../tiny.h"

static const char *at(const stuff *x, const char *what) { return FORMAT("/api/v1/datasets/%s/%s", x->id, what); }

static json *ended(const json *begun) {
    const char *path = FORMAT("/api/v1/jobs/%s", word(begun, "id"));
    for (int i = 0; i < 20000; i++) {
        json *v = made("GET", path, NULL);
        if (json_get(v, "ended_at")) return v;
        usleep(1000);
    }
    fail_msg("the job does not end");
    return NULL;
}

static void wait_until_done(const stuff *x) {
    for (int i = 0; i < 20000; i++) {
        const json *all = json_get(made("GET", "/api/v1/jobs", NULL), "items");
        bool running = false;
        for (size_t k = 0; k < json_count(all); k++)
            running = running || (strcmp(word(json_at(all, k), "of"), x->id) == 0 && !json_get(json_at(all, k), "ended_at"));
        if (!running) return;
        usleep(1000);
    }
    fail_msg("jobs do not end");
}

/* The job's result; it must succeed. A keeper that was there first is waited for. */
static json *fill(const stuff *x, const char *body) {
    wait_until_done(x);
    json *v = ended(made("POST", at(x, "vectors"), body));
    if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s: %s", word(v, "status"), word(v, "error"));
    return json_get(v, "result");
}

static json *setting(const stuff *x, const char *name) {
    json *list = json_get(made("GET", at(x, "vectors"), NULL), "items");
    for (size_t i = 0; i < json_count(list); i++)
        if (strcmp(word(json_at(list, i), "name"), name) == 0) return json_at(list, i);
    fail_msg("there is no setting %s", name);
    return NULL;
}

static json *vector_of(const char *row, const char *name) {
    return json_get(json_get(made("GET", FORMAT("/api/v1/records/%s", row), NULL), "vectors"), name);
}

static const char *add(const stuff *x, const char *text) {
    const json *all = made("POST", FORMAT("%s/bulk", at(x, "records")), FORMAT("{'items':[{'fields':{'text':'%s'}}]}", text));
    return word(json_at(json_get(all, "items"), 0), "id");
}

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    house *h = *state;
    err e = {0};
    const char *models = path_join(h->own, store_folder(server_store(h->s)), "models");
    if (!dir_make(models, &e)) return -1;
    tiny_model(h->own, models);
    return 0;
}

static void records_that_lack_one_get_a_vector(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    for (int i = 0; i < 70; i++) add(&x, "some words");
    const json *done = fill(&x, "{'setting':'mean','model':'base','keep':false}");
    assert_int_equal(json_get_int(done, "computed", -1), 71);
    assert_int_equal(json_get_int(done, "dimensions", -1), 32);
    assert_int_equal(json_get_int(setting(&x, "mean"), "vectors", -1), 71);
    assert_int_equal(json_get_int(setting(&x, "mean"), "wanting", -1), 0);
    assert_string_equal(word(json_get(setting(&x, "mean"), "source"), "model"), "base");
    assert_int_equal(json_count(vector_of(x.record, "mean")), 32);
    assert_int_equal(json_get_int(fill(&x, "{'setting':'mean'}"), "computed", -1), 0);
    const json *found = made("POST", FORMAT("%s/search", at(&x, "records")),
                             FORMAT("{'query':{'vector':{'name':'mean','record_id':'%s'}}}", x.record));
    assert_int_equal(json_get_int(found, "total", -1), 50); /* the nearest ones */
    assert_int_equal(json_get_int(fill(&x, "{'setting':'mean','again':true}"), "computed", -1), 71);
}

static void changed_and_new_ones_follow_and_those_given_by_hand_stay(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    const char *b = add(&x, "first words");
    fill(&x, "{'setting':'mean','model':'base','keep':false}");
    const json *before = vector_of(b, "mean");
    made("PATCH", FORMAT("/api/v1/records/%s", b), "{'metadata':{'source':'b'}}"); /* not what the vector is made of */
    assert_int_equal(json_get_int(setting(&x, "mean"), "wanting", -1), 1);
    assert_int_equal(json_get_int(fill(&x, "{'setting':'mean'}"), "computed", -1), 0);
    assert_int_equal(json_get_int(setting(&x, "mean"), "wanting", -1), 0);
    assert_true(json_equal(before, vector_of(b, "mean")));
    made("PATCH", FORMAT("/api/v1/records/%s", b), "{'fields':{'text':'zz qq'}}");
    assert_int_equal(json_get_int(fill(&x, "{'setting':'mean'}"), "computed", -1), 1);
    assert_false(json_equal(before, vector_of(b, "mean")));
    buf ones = {0};
    for (int i = 0; i < 32; i++) buf_printf(&ones, "%s%d", i ? "," : "", i);
    made("PATCH", FORMAT("/api/v1/records/%s", b), FORMAT("{'vectors':{'mean':[%s]},'fields':{'text':'other'}}", ones.ptr));
    buf_free(&ones);
    assert_int_equal(json_get_int(fill(&x, "{'setting':'mean'}"), "computed", -1), 0);
    assert_true(json_int(json_at(vector_of(b, "mean"), 31), 0) == 31);
}

static void a_kept_setting_is_filled_by_itself(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    fill(&x, "{'setting':'mean','model':'base'}");
    const char *b = add(&x, "later words");
    for (int i = 0; i < 200 && !vector_of(b, "mean"); i++) usleep(100000);
    assert_int_equal(json_count(vector_of(b, "mean")), 32);
    fill(&x, "{'setting':'mean','keep':false}");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    int status;
    const stuff x = a_dataset(a_space(), NULL);
    const json *v = ended(made("POST", at(&x, "vectors"), "{'setting':'emb','model':'base'}")); /* emb has 3 */
    assert_string_equal(word(v, "status"), "failed");
    assert_non_null(strstr(word(v, "error"), "gives 32 numbers"));
    assert_non_null(
        strstr(word(ended(made("POST", at(&x, "vectors"), "{'setting':'m','model':'nothing'}")), "error"), "nothing"));
    static const char *const wrong[] = {"{'setting':'m'}", "{'model':'base'}", "{'setting':'m','model':'base','fields':['x']}",
                                        "{'setting':'m','model':'base','fields':'text'}", "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask("POST", at(&x, "vectors"), wrong[i], &status);
        if (status != 422) fail_msg("%s: %d", wrong[i], status);
    }
}

static void another_server_computes_when_an_owner_says_so(void **state) {
    (void)state;
    far_server f;
    const stuff x = a_dataset(a_space(), NULL);
    const person ben = a_person("admin");
    joins(x.space, &ben);
    far_begin(&f, (const far_answer[]){{200, "{\"data\":[{\"index\":0,\"embedding\":[3,4,0]}],\"usage\":{\"prompt_tokens\":2}}"}},
              1);
    const char *body = FORMAT("{'setting':'emb','model':'http://127.0.0.1:%d/v1#e','keep':false}", f.port);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "vectors"), body).status, 403);
    add(&x, "new words");
    const json *done = fill(&x, body);
    assert_int_equal(json_get_int(done, "computed", -1), 1); /* the first record's was given by hand */
    assert_int_equal(json_get_int(done, "tokens", -1), 4);
    assert_non_null(strstr(f.request[1], "new words"));
    assert_null(strstr(f.request[1], "Hello world"));
    far_end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_that_lack_one_get_a_vector),
        cmocka_unit_test(changed_and_new_ones_follow_and_those_given_by_hand_stay),
        cmocka_unit_test(a_kept_setting_is_filled_by_itself),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(another_server_computes_when_an_owner_says_so),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
