/* Files in and out of a dataset as jobs: whole or not at all, and from where they may come. */
#include "house.h"

static const char *at(const stuff *x, const char *what) { return FORMAT("/api/v1/datasets/%s/%s", x->id, what); }

static json *ended(const char *id) {
    for (int i = 0; i < 5000; i++) {
        json *v = made("GET", FORMAT("/api/v1/jobs/%s", id), NULL);
        if (strcmp(word(v, "status"), "started") != 0) return v;
        usleep(1000);
    }
    fail_msg("the job %s does not end", id);
    return NULL;
}

static int64_t records_of(const stuff *x) { return json_get_int(made("GET", at(x, "records"), NULL), "total", -1); }

static const char *rows_file(const char *name, const char *text) {
    house *h = the_house;
    err e = {0};
    const char *path = path_join(h->a, h->folder, name);
    assert_ok(file_write(path, str_of(quoted(h->a, text)), &e), e);
    return path;
}

static json *job_of(const answer *x) {
    if (x->status != 202) fail_msg("%d: %.*s", x->status, STR_ARG(x->body));
    return ended(word(parsed(x->body), "id"));
}

#define ROWS "{'id':'a','text':'First words','label':'yes'}\n{'id':'b','text':'Other words','label':'no'}\n"

static void a_file_of_this_machine_is_imported_as_a_job(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    const json *v =
        made("POST", at(&x, "import"), FORMAT("{'name':'%s','subset':'default','split':'train'}", rows_file("in.jsonl", ROWS)));
    assert_string_equal(word(v, "kind"), "import");
    v = ended(word(v, "id"));
    assert_string_equal(word(v, "status"), "finished");
    assert_int_equal(json_get_int(json_get(v, "result"), "records", -1), 2);
    assert_int_equal(records_of(&x), 3);
    const json *list = json_get(made("GET", at(&x, "imports"), NULL), "items");
    assert_string_equal(word(json_at(list, 0), "id"), word(json_get(v, "result"), "import"));
    made("DELETE", FORMAT("%s/%s", at(&x, "imports"), word(json_at(list, 0), "id")), NULL);
    assert_int_equal(records_of(&x), 1);
}

static void a_file_in_the_request_is_imported_and_gone_afterwards(void **state) {
    house *h = *state;
    const stuff x = a_dataset(a_space(), NULL);
    const person ben = a_person("admin"), ann = a_person("annotator");
    joins(x.space, &ben), joins(x.space, &ann);
    const char *body =
        "{'file':{'name':'my.csv','text':'words,kind\\nFirst words,yes\\n'},'mapping':{'fields':[{'source':'words','target':"
        "'text'}],'metadata':[],'suggestions':[{'source':'kind','target':'label'}],'external_id':null}}";
    assert_int_equal(request_of(ann.key, "POST", at(&x, "import"), body).status, 403);
    const answer looked = request_of(ben.key, "POST", FORMAT("%s?preview=true", at(&x, "import")), body);
    assert_int_equal(looked.status, 200);
    assert_int_equal(json_count(json_get(parsed(looked.body), "columns")), 2);
    assert_int_equal(json_count(json_get(parsed(looked.body), "items")), 1);
    assert_int_equal(records_of(&x), 1);
    const answer got = request_of(ben.key, "POST", at(&x, "import"), body);
    assert_string_equal(word(job_of(&got), "status"), "finished");
    assert_int_equal(request_of(ben.key, "GET", FORMAT("/api/v1/jobs/%s", word(parsed(got.body), "id")), NULL).status, 200);
    const json *r = json_at(json_get(made("GET", FORMAT("%s?include=suggestions", at(&x, "records")), NULL), "items"), 1);
    assert_string_equal(word(json_get(r, "fields"), "text"), "First words");
    assert_string_equal(word(json_at(json_get(r, "suggestions"), 0), "agent"), "file:my.csv");
    char **names;
    int count = 0;
    err e = {0};
    assert_ok(dir_list(h->a, path_join(h->a, store_folder(server_store(h->s)), "uploads"), &names, &count, &e), e);
    assert_int_equal(count, 0);
}

/* ~ stands for a quote inside of a text. */
static const char *quoting(arena *a, const char *words) {
    const char *out = "";
    for (const char *mark; (mark = strchr(words, '~')); words = mark + 1)
        out = arena_printf(a, "%s%.*s\\\"", out, (int)(mark - words), words);
    return arena_printf(a, "%s%s", out, words);
}

static void a_folder_in_the_request_is_imported_whole(void **state) {
    house *h = *state;
    const stuff x = a_dataset(a_space(), NULL);
    const person ben = a_person("admin");
    joins(x.space, &ben);
    const char *two =
        "{'files':[{'name':'rows/b.jsonl','text':'{~text~:~Second~}'},{'name':'rows/a.jsonl','text':'{~text~:~First~}'}]}";
    const answer got = request_of(ben.key, "POST", at(&x, "import"), quoting(h->a, two));
    const json *v = job_of(&got);
    if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s", word(v, "error"));
    assert_int_equal(json_get_int(json_get(v, "result"), "records", -1), 2);
    /* Argilla's own folder: its records come as they are, with suggestions and answers */
    const char *export = quoting(
        h->a, FORMAT("{'files':[{'name':'set/.argilla/settings.json','text':'{}'},{'name':'set/records.json','text':'[{~id~:~77~,"
                     "~fields~:{~text~:~Third~},~suggestions~:{~label~:{~value~:~yes~,~agent~:~m~}},~responses~:{~label~:[{"
                     "~value~:~no~,~user_id~:~%s~}]}}]'}]}",
                     ben.id));
    const answer looked = request_of(ben.key, "POST", FORMAT("%s?preview=true", at(&x, "import")), export);
    assert_int_equal(looked.status, 200);
    assert_null(json_get(parsed(looked.body), "mapping"));
    const answer taken = request_of(ben.key, "POST", at(&x, "import"), export);
    v = job_of(&taken);
    if (strcmp(word(v, "status"), "finished") != 0) fail_msg("%s", word(v, "error"));
    const json *all = json_get(made("GET", FORMAT("%s?include=suggestions,responses", at(&x, "records")), NULL), "items");
    const json *r = json_at(all, json_count(all) - 1);
    assert_string_equal(word(r, "external_id"), "77");
    assert_string_equal(word(json_get(r, "fields"), "text"), "Third");
    assert_string_equal(word(json_at(json_get(r, "suggestions"), 0), "agent"), "m");
    assert_int_equal(json_count(json_get(r, "responses")), 1);
    /* an answer of somebody who is not here */
    const char *stranger = quoting(
        h->a, "{'files':[{'name':'set/.argilla/settings.json','text':'{}'},{'name':'set/records.json','text':'[{~fields~:{"
              "~text~:~Fourth~},~responses~:{~label~:[{~value~:~no~,~user_id~:~5a3b1f64-8d78-4b74-82d4-72d502905a34~}]}}]'"
              "}],'answers':'%s'}");
    const answer all_of_them = request_of(ben.key, "POST", at(&x, "import"), FORMAT(stranger, "all"));
    v = job_of(&all_of_them);
    assert_string_equal(word(v, "status"), "failed");
    assert_non_null(strstr(word(v, "error"), "5a3b1f64-8d78-4b74-82d4-72d502905a34"));
    const answer known = request_of(ben.key, "POST", at(&x, "import"), FORMAT(stranger, "known"));
    v = job_of(&known);
    assert_string_equal(word(v, "status"), "finished");
    assert_int_equal(json_get_int(json_get(v, "result"), "left_out", -1), 1);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "import"), FORMAT(stranger, "some")).status, 422);
    static const char *const wrong[] = {"[{'name':'a.jsonl','text':'x'}]",
                                        "[{'name':'a/../../b','text':'x'}]",
                                        "[{'name':'a/.hidden','text':'x'}]",
                                        "[{'name':'/etc/x','text':'x'}]",
                                        "[{'name':'a/b','text':'x'},{'name':'c/d','text':'x'}]",
                                        "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(request_of(ben.key, "POST", at(&x, "import"), FORMAT("{'files':%s}", wrong[i])).status, 422);
    char **names;
    int count = 0;
    err e = {0};
    assert_ok(dir_list(h->a, path_join(h->a, store_folder(server_store(h->s)), "uploads"), &names, &count, &e), e);
    assert_int_equal(count, 0);
}

static void a_failed_import_leaves_nothing(void **state) {
    (void)state;
    const stuff x = a_dataset(a_space(), NULL);
    const char *bad = rows_file("bad.jsonl", "{'text':'Fine','label':'yes'}\n{'label':'no'}\n");
    const json *v = ended(word(made("POST", at(&x, "import"), FORMAT("{'name':'%s'}", bad)), "id"));
    assert_string_equal(word(v, "status"), "failed");
    assert_non_null(strstr(word(v, "error"), "line 2"));
    assert_int_equal(records_of(&x), 1);
    assert_int_equal(json_count(json_get(made("GET", at(&x, "imports"), NULL), "items")), 0);
}

static void the_hub_and_paths_of_others_are_refused(void **state) {
    (void)state;
    int status;
    const stuff x = a_dataset(a_space(), NULL);
    const person ben = a_person("admin");
    joins(x.space, &ben);
    ask("POST", at(&x, "import"), "{'name':'argilla/some-set','subset':'default','split':'train'}", &status);
    assert_int_equal(status, 422);
    const answer hub = request_of(ben.key, "POST", at(&x, "import"), "{'name':'argilla/some-set'}");
    assert_int_equal(hub.status, 422);
    assert_true(str_find(hub.body, STR("hub is not reached"), 0) >= 0);
    const char *mine = FORMAT("{'name':'%s'}", rows_file("in.jsonl", ROWS));
    assert_int_equal(request_of(ben.key, "POST", at(&x, "import"), mine).status, 403);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "export"), "{'name':'/tmp/fettle-never'}").status, 403);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "export"), "{'name':'me/set','token':'t'}").status, 422);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "export"), "{'name':'..'}").status, 422);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "import"), "{'file':{'name':'../x','text':'a'}}").status, 422);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "import"), "{}").status, 422);
    const stuff draft = a_draft(x.space);
    assert_int_equal(request_of(ben.key, "POST", at(&draft, "import"), "{'file':{'name':'x','text':'a'}}").status, 422);
}

static void an_export_lands_in_the_data_folder(void **state) {
    house *h = *state;
    err e = {0};
    str text;
    const stuff x = a_dataset(a_space(), NULL);
    const person ben = a_person("admin");
    joins(x.space, &ben);
    const answer got = request_of(ben.key, "POST", at(&x, "export"), "{'name':'mine','subset':'default','split':'train'}");
    const json *v = job_of(&got), *result = json_get(v, "result");
    assert_string_equal(word(v, "status"), "finished");
    assert_int_equal(json_get_int(result, "rows", -1), 1);
    assert_string_equal(word(result, "path"), path_join(h->a, store_folder(server_store(h->s)), "exports/mine.jsonl"));
    assert_ok(file_read(h->a, word(result, "path"), 1 << 20, &text, &e), e);
    assert_true(str_find(text, str_of(x.record), 0) >= 0);
    int status;
    const char *file = FORMAT("/api/v1/jobs/%s/file", word(v, "id"));
    const person ann = a_person("annotator"), eve = a_person("admin");
    joins(x.space, &ann);
    assert_true(str_eq(ask("GET", file, NULL, &status), text) && status == 200);
    assert_int_equal(request_of(ben.key, "GET", file, NULL).status, 200);
    assert_int_equal(request_of(ann.key, "GET", file, NULL).status, 403);
    assert_int_equal(request_of(eve.key, "GET", file, NULL).status, 404);
    assert_int_equal(request_of(NULL, "GET", file, NULL).status, 401);
    made("DELETE", FORMAT("/api/v1/workspaces/%s/users/%s", x.space, ben.id), NULL); /* its maker has left */
    assert_int_equal(request_of(ben.key, "GET", file, NULL).status, 404);
    joins(x.space, &ben);
    assert_int_equal(unlink(word(result, "path")), 0);
    assert_int_equal(request_of(ben.key, "GET", file, NULL).status, 404);
    made("DELETE", FORMAT("/api/v1/records/%s", x.record), NULL);
    assert_int_equal(request_of(ben.key, "POST", at(&x, "export"), "{'name':'mine'}").status, 422); /* none left */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_this_machine_is_imported_as_a_job),
        cmocka_unit_test(a_file_in_the_request_is_imported_and_gone_afterwards),
        cmocka_unit_test(a_folder_in_the_request_is_imported_whole),
        cmocka_unit_test(a_failed_import_leaves_nothing),
        cmocka_unit_test(the_hub_and_paths_of_others_are_refused),
        cmocka_unit_test(an_export_lands_in_the_data_folder),
    };
    return HOUSE_TESTS(tests);
}
