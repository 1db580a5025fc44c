/* The web app's pages as the server answers them. */
#include "house.h"

static void the_first_page_is_html_of_this_program(void **state) {
    (void)state;
    const answer x = request_of(NULL, "GET", "/", NULL), y = request_of(NULL, "GET", "/welcome", NULL);
    assert_int_equal(x.status, 200);
    assert_true(str_find(x.body, STR("<div id=\"app\">"), 0) > 0);
    assert_true(str_eq(x.body, y.body));
}

/* Every file that the first page names is there, and none of them is the page itself. */
static void what_the_first_page_asks_for_is_there(void **state) {
    (void)state;
    const answer x = request_of(NULL, "GET", "/", NULL);
    int files = 0;
    for (ptrdiff_t at = 0; (at = str_find(x.body, STR("./assets/"), (size_t)at)) >= 0; at++, files++) {
        const ptrdiff_t end = str_find(x.body, STR("\""), (size_t)at);
        const char *path = str_copy(the_house->a, str_slice(x.body, (size_t)at + 1, (size_t)end));
        const answer file = request_of(NULL, "GET", path, NULL);
        if (file.status != 200 || !file.body.len || str_eq(file.body, x.body)) fail_msg("%s: %d", path, file.status);
    }
    assert_true(files >= 2);
}

static void no_other_file_is_answered(void **state) {
    static const char *const paths[] = {"/assets/nothing.js",          "/assets/..",  "/assets/.",
                                        "/assets/%2e%2e%2findex.html", "/index.html", "/assets/"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (request_of(NULL, "GET", paths[i], NULL).status != 404) fail_msg("%s is answered", paths[i]);
}

static void a_page_is_told_who_asks_and_what_this_server_is(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const json *nobody = json_get(parsed(request_of(NULL, "GET", "/api/v1/settings", NULL).body), "fettle"),
               *somebody = json_get(parsed(request_of(ann.key, "GET", "/api/v1/settings", NULL).body), "fettle");
    assert_null(json_get(nobody, "me"));
    assert_false(json_get_bool(nobody, "open", true));
    assert_false(json_get_bool(nobody, "waiting", true));
    assert_string_equal(word(json_get(somebody, "me"), "username"), ann.name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_page_is_html_of_this_program),
        TEST(what_the_first_page_asks_for_is_there),
        TEST(no_other_file_is_answered),
        TEST(a_page_is_told_who_asks_and_what_this_server_is),
    };
    return HOUSE_TESTS(tests);
}
