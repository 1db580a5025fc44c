/* Records of an import are indexed after it: whatever happens to them before, the index says in the end what the records say, and a search
 * waits for it. Parts that come at once are written in their order. */
#include "house.h"

#include <pthread.h>

enum { PARTS = 4, EACH = 40, WORDS = 7 };

typedef struct {
    const char *path;
    int part;
    int status;
    buf body, out;
    pthread_t thread;
} sending;

static void *send_part(void *context) {
    sending *x = context;
    err e = {0};
    server_call(the_house->s, "POST", x->path, buf_str(&x->body), &x->status, &x->out, &e);
    return NULL;
}

/* Record k of all says "w(k % WORDS) row(k)" and has metadata a or b. */
static void make_part(sending *x, const char *set, const char *import, int number, bool spoiled) {
    *x = (sending){.part = number, .path = FORMAT("/api/v1/datasets/%s/records?import=%s&part=%d", set, import, number)};
    buf_put_text(&x->body, "{\"items\":[");
    for (int i = 0; i < EACH; i++) {
        const int k = number * EACH + i;
        buf_printf(&x->body,
                   "%s{\"external_id\":\"%d\",\"fields\":{\"text\":%s\"w%d row%d\"%s},\"metadata\":{\"source\":\"%s\"}}",
                   i ? "," : "", k, spoiled ? "[" : "", k % WORDS, k, spoiled ? "]" : "", k % 2 ? "a" : "b");
    }
    buf_put_text(&x->body, "]}");
}

static const char *begin_import(const char *set) {
    return word(made("POST", FORMAT("/api/v1/datasets/%s/imports", set), "{'source':'file'}"), "id");
}

/* The last part first, each on a thread of its own. */
static void send_all(sending *x, const char *set, const char *import, int spoiled) {
    for (int i = PARTS - 1; i >= 0; i--) {
        make_part(&x[i], set, import, i, i == spoiled);
        assert_int_equal(pthread_create(&x[i].thread, NULL, send_part, &x[i]), 0);
        usleep(2000);
    }
    for (int i = 0; i < PARTS; i++) {
        pthread_join(x[i].thread, NULL);
        buf_free(&x[i].body);
        buf_free(&x[i].out);
    }
}

static int found(const char *set, const char *body) {
    const json *v = made("POST", FORMAT("/api/v1/datasets/%s/records/search?limit=1000", set), body);
    assert_null(json_get(v, "indexing"));
    assert_int_equal(json_count(json_get(v, "items")), json_get_int(v, "total", -1));
    return (int)json_get_int(v, "total", -1);
}

static int with_word(const char *set, const char *words) { return found(set, FORMAT("{'query':{'text':{'q':'%s'}}}", words)); }

static int with_source(const char *set, const char *source) {
    return found(set, FORMAT("{'filters':{'type':'and','and':[{'type':'terms','scope':{'entity':'metadata','metadata_property':"
                             "'source'},'values':['%s']}]}}",
                             source));
}

static const json *page_of(const char *set) {
    return json_get(made("GET", FORMAT("/api/v1/datasets/%s/records?limit=1000", set), NULL), "items");
}

static stuff an_empty_dataset(void) {
    const stuff x = a_draft(a_space());
    made("PUT", FORMAT("/api/v1/datasets/%s/publish", x.id), NULL);
    return x;
}

static void parts_are_written_in_their_order_and_found_at_once(void **state) {
    (void)state;
    sending all[PARTS];
    const stuff x = an_empty_dataset();
    send_all(all, x.id, begin_import(x.id), -1);
    for (int i = 0; i < PARTS; i++) assert_int_equal(all[i].status, 204);
    const json *page = page_of(x.id);
    assert_int_equal(json_count(page), PARTS * EACH);
    for (int k = 0; k < PARTS * EACH; k++) assert_string_equal(word(json_at(page, (size_t)k), "external_id"), FORMAT("%d", k));
    for (int w = 0; w < WORDS; w++) {
        int expected = 0;
        for (int k = 0; k < PARTS * EACH; k++) expected += k % WORDS == w;
        assert_int_equal(with_word(x.id, FORMAT("w%d", w)), expected);
    }
    assert_int_equal(with_source(x.id, "a"), PARTS * EACH / 2);
}

/* In the third of a second in which the index still waits, and after it. */
static void what_changes_before_it_is_indexed_is_indexed_as_it_is_then(void **state) {
    (void)state;
    sending all[PARTS];
    for (int late = 0; late < 2; late++) {
        const stuff x = an_empty_dataset();
        send_all(all, x.id, begin_import(x.id), -1);
        if (late) assert_int_equal(with_word(x.id, "row3"), 1);
        const json *page = page_of(x.id);
        const char *changed = word(json_at(page, 3), "id"), *gone = word(json_at(page, 4), "id");
        made("PATCH", FORMAT("/api/v1/records/%s", changed), "{'fields':{'text':'other'},'metadata':{'source':true}}");
        made("DELETE", FORMAT("/api/v1/records/%s", gone), NULL);
        assert_int_equal(with_word(x.id, "row3"), 0);
        assert_int_equal(with_word(x.id, "other"), 1);
        assert_int_equal(with_word(x.id, "row4"), 0);
        assert_int_equal(with_word(x.id, "row5"), 1);
        assert_int_equal(with_source(x.id, "true"), 1);
        assert_int_equal(with_source(x.id, "a") + with_source(x.id, "b"), PARTS * EACH - 2);
        made("PATCH", FORMAT("/api/v1/records/%s", changed), "{'fields':{'text':'again'}}"); /* takes out what was put in */
        assert_int_equal(with_word(x.id, "other"), 0);
        assert_int_equal(with_word(x.id, "again"), 1);
    }
}

static void an_undone_import_leaves_nothing_in_the_index(void **state) {
    (void)state;
    sending all[PARTS];
    const stuff x = an_empty_dataset();
    for (int late = 0; late < 2; late++) {
        const char *import = begin_import(x.id);
        send_all(all, x.id, import, -1);
        if (late) assert_int_equal(with_word(x.id, "row3"), 1);
        made("DELETE", FORMAT("/api/v1/datasets/%s/imports/%s", x.id, import), NULL);
        assert_int_equal(with_word(x.id, "row3"), 0);
        assert_int_equal(with_source(x.id, "a"), 0);
        assert_int_equal(json_count(page_of(x.id)), 0);
    }
}

static void after_a_part_that_failed_none_is_written(void **state) {
    (void)state;
    sending all[PARTS];
    const stuff x = an_empty_dataset();
    send_all(all, x.id, begin_import(x.id), 1);
    assert_int_equal(all[0].status, 204);
    assert_int_equal(all[1].status, 422);
    assert_int_equal(all[2].status, 409);
    assert_int_equal(all[3].status, 409);
    assert_int_equal(json_count(page_of(x.id)), EACH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(parts_are_written_in_their_order_and_found_at_once),
        TEST(what_changes_before_it_is_indexed_is_indexed_as_it_is_then),
        TEST(an_undone_import_leaves_nothing_in_the_index),
        TEST(after_a_part_that_failed_none_is_written),
    };
    return HOUSE_TESTS(tests);
}
