/* The server about itself: backups over the network and from the machine, its description, its measures. */
#include "house.h"

#include "store/store.h"

static void a_backup_over_the_network_lands_in_the_data_folder(void **state) {
    house *h = *state;
    err e = {0};
    const char *aside;
    const person olga = a_person("owner"), ann = a_person("annotator");
    const answer x = request_of(olga.key, "POST", "/api/v1/backup", NULL),
                 y = request_of(olga.key, "POST", "/api/v1/backup", "{}");
    assert_int_equal(x.status, 201);
    assert_int_equal(y.status, 201);
    const char *first = word(parsed(x.body), "file"), *second = word(parsed(y.body), "file");
    assert_string_not_equal(first, second);
    assert_string_equal(path_folder(h->a, first), path_join(h->a, store_folder(server_store(h->s)), "backups"));
    assert_int_equal(json_get_int(parsed(x.body), "bytes", 0), file_size(first));
    assert_int_equal(request_of(ann.key, "POST", "/api/v1/backup", NULL).status, 403);
    const char *folder = scratch_folder(h->a);
    assert_ok(store_restore(h->a, folder, second, &aside, &e), e);
    store *s = store_open(folder, &e);
    assert_ok(s, e);
    store_close(s);
    assert_ok(dir_remove(folder, &e), e);
}

static void only_the_machine_itself_may_name_a_file(void **state) {
    house *h = *state;
    int status;
    const person olga = a_person("owner");
    const char *path = path_join(h->a, h->folder, "mine.db"), *body = FORMAT("{'file':'%s'}", path);
    assert_int_equal(request_of(olga.key, "POST", "/api/v1/backup", body).status, 403);
    assert_false(file_exists(path));
    ask("POST", "/api/v1/backup", body, &status);
    assert_int_equal(status, 201);
    assert_true(file_exists(path));
    ask("POST", "/api/v1/backup", body, &status);
    assert_int_equal(status, 409);
    const json *log = json_get(made("GET", "/api/v1/audit?limit=1", NULL), "items");
    assert_string_equal(word(json_at(log, 0), "action"), "backup");
    assert_string_equal(word(json_at(log, 0), "target"), path);
}

static const json *described(const json *all, const route_info *r) {
    char method[8] = "";
    for (size_t i = 0; r->method[i] && i < sizeof method - 1; i++) method[i] = (char)(r->method[i] | 32);
    return json_get(json_get(json_get(all, "paths"), r->path), method);
}

static void the_description_has_every_route_and_its_policy(void **state) {
    house *h = *state;
    const int count = server_routes(NULL, 0);
    route_info *list = arena_array(h->a, route_info, count);
    assert_int_equal(server_routes(list, count), count);
    const json *all = made("GET", "/api/v1/openapi.json", NULL);
    for (int i = 0; i < count; i++) {
        const json *one = described(all, &list[i]);
        if (!one) fail_msg("%s %s is not described", list[i].method, list[i].path);
        assert_string_equal(word(one, "x-who"), list[i].who);
        assert_int_equal(json_get(json_get(one, "responses"), "404") != NULL, *list[i].of != '\0');
        assert_int_equal(json_get(json_get(one, "responses"), "401") != NULL, strcmp(list[i].who, "anyone") != 0);
        /* What {id} names can be found only by a route that says what it is. */
        if (strstr(list[i].path, "{id}") && !*list[i].of) fail_msg("%s: what is {id}?", list[i].path);
    }
}

static void ids_are_kept_for_owners_alone(void **state) {
    (void)state;
    const char *space = a_space();
    const stuff x = a_dataset(space, NULL), y = a_draft(space);
    const person ben = a_person("admin");
    joins(space, &ben);
    const char *at = FORMAT("/api/v1/datasets/%s/records/bulk?keep_ids=true", x.id);
    const char *item = "{'items':[{'id':'11111111-2222-4333-8444-555555555555','fields':{'text':'kept'}}]}";
    assert_int_equal(request_of(ben.key, "PUT", at, item).status, 403);
    for (int i = 0; i < 2; i++) /* the second time it is known */
        assert_string_equal(word(json_at(json_get(made("PUT", at, item), "items"), 0), "id"),
                            "11111111-2222-4333-8444-555555555555");
    made("PUT", FORMAT("/api/v1/datasets/%s/publish", y.id), NULL);
    int status;
    ask("PUT", FORMAT("/api/v1/datasets/%s/records/bulk?keep_ids=true", y.id), item, &status); /* it is elsewhere */
    assert_int_equal(status, 422);
    ask("PUT", at, "{'items':[{'id':'no uuid','fields':{'text':'x'}}]}", &status);
    assert_int_equal(status, 422);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_backup_over_the_network_lands_in_the_data_folder),
        TEST(only_the_machine_itself_may_name_a_file),
        TEST(the_description_has_every_route_and_its_policy),
        TEST(ids_are_kept_for_owners_alone),
    };
    return HOUSE_TESTS(tests);
}
