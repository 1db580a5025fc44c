/* Fields, metadata properties and vectors: how they are made and changed, which values fit, what search and filters see. */
#include "json_words.h"

typedef bool (*maker)(arena *a, const json *body, const json *others, json **out, err *e);

/* wanted: what comes out, or words of the error when code is not ERR_NONE. */
static void makes(maker make, const char *body, const char *wanted, err_code code) {
    json *out = NULL;
    err e = {0};
    const bool ok = make(memory_of_test, J(body), J("[{'name':'old'}]"), &out, &e);
    if (ok) assert_string_equal(text_of(out), wanted);
    else assert_words(ok, &e, wanted, body);
    assert_int_equal(e.code, code);
}

static void field_changes(const char *old, const char *body, const char *wanted, err_code code) {
    json *out = NULL;
    err e = {0};
    const bool ok = field_update(memory_of_test, J(old), J(body), &out, &e);
    if (ok) assert_string_equal(text_of(out), wanted);
    else assert_words(ok, &e, wanted, body);
    assert_int_equal(e.code, code);
}

/* ---- fields ------------------------------------------------------------------------------------------------------------------------ */

static void fields_are_made_with_their_defaults(void **state) {
    (void)state;
    makes(field_create, "{'name':'f','title':'F','required':null,'settings':{'type':'text'}}",
          "{'name':'f','title':'F','required':false,'settings':{'type':'text','use_markdown':false}}", ERR_NONE);
    makes(field_create, "{'name':'f','title':'F','required':true,'settings':{'type':'chat'}}",
          "{'name':'f','title':'F','required':true,'settings':{'type':'chat','use_markdown':true}}", ERR_NONE);
    makes(field_create, "{'name':'f','title':'F','settings':{'type':'image','more':1}}",
          "{'name':'f','title':'F','required':false,'settings':{'type':'image'}}", ERR_NONE);
    makes(field_create, "{'name':'f','title':'F','settings':{'type':'custom','template':'<p>'}}",
          "{'name':'f','title':'F','required':false,'settings':{'type':'custom','template':'<p>','advanced_mode':false}}",
          ERR_NONE);
}

static void fields_that_break_a_rule_are_refused_by_name(void **state) {
    (void)state;
    makes(field_create, "{'name':'f','settings':{'type':'text'}}", "field 'f': 'title'", ERR_INPUT);
    makes(field_create, "{'name':'','title':'F','settings':{'type':'text'}}", "'name'", ERR_INPUT);
    makes(field_create, "{'name':'old','title':'F','settings':{'type':'text'}}", "'old' exists already", ERR_CONFLICT);
    makes(field_create, "{'name':'f','title':'F','settings':{'type':'video'}}", "should be one of: text image chat custom",
          ERR_INPUT);
    makes(field_create, "{'name':'f','title':'F','settings':{}}", "but is missing", ERR_INPUT);
    makes(field_create, "{'name':'f','title':'F'}", "'settings' should be an object", ERR_INPUT);
    makes(field_create, "{'name':'f','title':'F','settings':{'type':'custom'}}", "'template' should be a text", ERR_INPUT);
    makes(field_create, "{'name':'f','title':'F','settings':{'type':'text','use_markdown':1}}", "'use_markdown'", ERR_INPUT);
}

static void fields_change_title_and_settings_alone(void **state) {
    (void)state;
    const char *old = "{'name':'f','title':'F','required':true,'settings':{'type':'text','use_markdown':false}}";
    field_changes(old, "{'name':'g','title':'G','required':false,'settings':{'type':'text','use_markdown':true}}",
                  "{'name':'f','title':'G','required':true,'settings':{'type':'text','use_markdown':true}}", ERR_NONE);
    field_changes(old, "{}", old, ERR_NONE);
    field_changes(old, "{'settings':{'type':'chat','use_markdown':true}}", "the type stays 'text'", ERR_INPUT);
    field_changes(old, "{'title':null}", "must have non-null values: title", ERR_INPUT);
    field_changes(old, "{'settings':null}", "must have non-null values: settings", ERR_INPUT);
}

static void values(const char *fields, const char *given, const char *words) {
    err e = {0};
    assert_words(fields_check(J(fields), J(given), &e), &e, words, given);
}

static const char *const FIELDS =
    "[{'name':'text','required':true,'settings':{'type':'text'}},{'name':'image','settings':{'type':'image'}},"
    "{'name':'chat','settings':{'type':'chat'}},{'name':'custom','settings':{'type':'custom'}}]";

static void a_record_has_its_required_fields_and_no_others(void **state) {
    (void)state;
    values(FIELDS, "{'text':'x'}", "");
    values(FIELDS, "{'text':'x','chat':null}", "");
    values(FIELDS, "{}", "is empty");
    values(FIELDS, "null", "should be an object");
    values(FIELDS, "{'chat':[]}", "the required field 'text' has no value");
    values(FIELDS, "{'text':null}", "the required field 'text' has no value");
    values(FIELDS, "{'text':'x','more':'y'}", "no field 'more'");
}

static void texts_may_be_numbers_and_become_their_digits(void **state) {
    (void)state;
    values(FIELDS, "{'text':12}", "");
    values(FIELDS, "{'text':true}", "field 'text': it should be a text, but is true");
    values(FIELDS, "{'text':['x']}", "field 'text'");
    assert_string_equal(text_of(fields_normal(memory_of_test, J(FIELDS), J("{'text':1.5,'custom':{'n':1}}"))),
                        "{'text':'1.5','custom':{'n':1}}");
}

static void images_are_addresses_or_data(void **state) {
    (void)state;
    values(FIELDS, "{'text':'x','image':'https://host/a.png'}", "");
    values(FIELDS, "{'text':'x','image':'http://host/a'}", "");
    values(FIELDS, "{'text':'x','image':'data:image/png;base64,AAAA'}", "");
    values(FIELDS, "{'text':'x','image':'data:image/svg+xml;base64,AAAA'}", "");
    values(FIELDS, "{'text':'x','image':'https://host'}", "host or path is empty");
    values(FIELDS, "{'text':'x','image':'https:///a'}", "host or path is empty");
    values(FIELDS, "{'text':'x','image':'ftp://host/a'}", "should be an address");
    values(FIELDS, "{'text':'x','image':'data:text/html,x'}", "should be an image of type");
    values(FIELDS, "{'text':'x','image':'data:image/pngx;base64,'}", "should be an image of type");
    values(FIELDS, "{'text':'x','image':'data:image/png'}", "should be an image of type");
    values(FIELDS, "{'text':'x','image':1}", "field 'image'");
}

static void images_have_a_length_at_most(void **state) {
    (void)state;
    char *path = arena_alloc(memory_of_test, 2100);
    memset(path, 'p', 2038 - 15);
    values(FIELDS, arena_printf(memory_of_test, "{'text':'x','image':'https://host/aa%s'}", path), "");
    values(FIELDS, arena_printf(memory_of_test, "{'text':'x','image':'https://host/aaa%s'}", path), "at most 2038");
    char *data = arena_alloc(memory_of_test, 5000002);
    memset(data, 'A', 5000000 - 15);
    values(FIELDS, arena_printf(memory_of_test, "{'text':'x','image':'data:image/png,%s'}", data), "");
    values(FIELDS, arena_printf(memory_of_test, "{'text':'x','image':'data:image/png,A%s'}", data), "at most 5000000");
}

static void chats_are_messages_with_role_and_content(void **state) {
    (void)state;
    values(FIELDS, "{'text':'x','chat':[{'role':'user','content':'Hi','more':1}]}", "");
    values(FIELDS, "{'text':'x','chat':[]}", "");
    values(FIELDS, "{'text':'x','chat':'Hi'}", "should be a list of messages");
    values(FIELDS, "{'text':'x','chat':[{'role':'user'}]}", "message 1: 'content'");
    values(FIELDS, "{'text':'x','chat':[{'role':'','content':'x'}]}", "message 1: 'role'");
    values(FIELDS, "{'text':'x','chat':[{'role':'a-role-of-21-letters.','content':'x'}]}", "but has 21");
    values(FIELDS, "{'text':'x','chat':['x']}", "message 1: it should be an object");
    buf many = {0};
    for (int i = 0; i < 501; i++) buf_printf(&many, "%s{'role':'user','content':'x'}", i ? "," : "");
    values(FIELDS, arena_printf(memory_of_test, "{'text':'x','chat':[%s]}", many.ptr), "at most 500 messages");
    buf_free(&many);
}

static void custom_values_are_objects(void **state) {
    (void)state;
    values(FIELDS, "{'text':'x','custom':{}}", "");
    values(FIELDS, "{'text':'x','custom':[1]}", "field 'custom': it should be an object");
}

static void search_sees_texts_chats_and_objects_not_images(void **state) {
    (void)state;
    buf out = {0};
    fields_search_text(J(FIELDS),
                       J("{'text':'x','image':'https://h/a','chat':[{'role':'user','content':'Hi'}],'custom':{'k':'v'}}"), &out);
    assert_string_equal(out.ptr, "x\nuser: Hi\n\n{\"k\":\"v\"}\n");
    buf_free(&out);
}

/* ---- metadata ---------------------------------------------------------------------------------------------------------------------- */

static void properties_are_made_with_their_bounds(void **state) {
    (void)state;
    makes(
        metadata_create,
        "{'name':'m','title':'M','type':'terms','settings':{'type':'terms','values':['a',1,true],'visible_for_annotators':true}}",
        "{'name':'m','title':'M','settings':{'type':'terms','values':['a',1,true]},'visible_for_annotators':true}", ERR_NONE);
    makes(metadata_create, "{'name':'m','title':'M','visible_for_annotators':false,'settings':{'type':'integer','min':0}}",
          "{'name':'m','title':'M','settings':{'type':'integer','min':0,'max':null},'visible_for_annotators':false}", ERR_NONE);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'float','min':0,'max':0.5}}",
          "{'name':'m','title':'M','settings':{'type':'float','min':0,'max':0.5},'visible_for_annotators':true}", ERR_NONE);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'integer','min':0.0}}",
          "'min' should be null or a whole number", ERR_INPUT);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'float','min':1,'max':1}}", "'min' should be below 'max'",
          ERR_INPUT);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'float','min':'a'}}", "null or a number", ERR_INPUT);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'terms','values':[]}}", "1 to 250", ERR_INPUT);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'terms','values':'a'}}", "a list of values", ERR_INPUT);
    makes(metadata_create, "{'name':'m','title':'M','settings':{'type':'date'}}", "should be one of: terms integer float",
          ERR_INPUT);
    makes(metadata_create, "{'name':'old','title':'M','settings':{'type':'terms'}}", "exists already", ERR_CONFLICT);
    makes(metadata_create, "{'name':'m','title':'M','visible_for_annotators':null,'settings':{'type':'terms'}}", "true or false",
          ERR_INPUT);
}

static void properties_change_title_and_who_sees_them(void **state) {
    (void)state;
    json *out;
    err e = {0};
    const json *old = J("{'name':'m','title':'M','settings':{'type':'terms','values':null},'visible_for_annotators':true}");
    assert_ok(metadata_update(memory_of_test, old, J("{'title':'N','visible_for_annotators':false,'settings':{'type':'float'}}"),
                              &out, &e),
              e);
    assert_string_equal(text_of(out),
                        "{'name':'m','title':'N','settings':{'type':'terms','values':null},'visible_for_annotators':false}");
    assert_words(metadata_update(memory_of_test, old, J("{'visible_for_annotators':null}"), &out, &e), &e, "non-null", "null");
}

static const char *const PROPERTIES =
    "[{'name':'t','settings':{'type':'terms','values':['a',1,true]}},{'name':'any','settings':{'type':'terms'}},"
    "{'name':'i','settings':{'type':'integer','min':0,'max':5}},{'name':'f','settings':{'type':'float','min':0.5}}]";

static void metadata(const char *given, bool extra, const char *words) {
    err e = {0};
    assert_words(metadata_check(J(PROPERTIES), extra, J(given), &e), &e, words, given);
}

static void metadata_fits_its_properties(void **state) {
    (void)state;
    metadata("null", false, "");
    metadata("{}", false, "");
    metadata("{'t':'a','any':{'x':1},'i':5,'f':0.5}", false, "");
    metadata("{'t':null,'i':null}", false, "");
    metadata("{'t':['a',true]}", false, "");
    metadata("{'t':['a','b']}", false, "metadata 't': value 2: it should be one of [\"a\",1,true], but is the text 'b'");
    metadata("{'t':1.0}", false, "but is the number 1.0");
    metadata("{'t':false}", false, "but is false");
    metadata("{'i':6}", false, "from 0 to 5, but is 6");
    metadata("{'i':2.0}", false, "a whole number, but is the number 2.0");
    metadata("{'i':'2'}", false, "a whole number");
    metadata("{'i':true}", false, "a whole number, but is true");
    metadata("{'f':1}", false, "");
    metadata("{'f':0.4}", false, "at least 0.5, but is 0.4");
    metadata("{'f':'x'}", false, "should be a number");
    metadata("[]", true, "should be an object");
}

static void extra_metadata_stands_where_it_may(void **state) {
    (void)state;
    metadata("{'more':1}", true, "");
    metadata("{'more':1}", false, "no metadata property 'more'");
    metadata("{'more':1,'i':9}", true, "metadata 'i'");
}

static void filters_see_metadata_as_json_writes_it(void **state) {
    (void)state;
    double n;
    assert_string_equal(text_of(metadata_terms(memory_of_test, J("['a',1,true,1.5]"))), "['a','1','true','1.5']");
    assert_string_equal(text_of(metadata_terms(memory_of_test, J("'a'"))), "['a']");
    assert_string_equal(text_of(metadata_terms(memory_of_test, NULL)), "[]");
    assert_true(metadata_number(J("3"), &n) && n == 3);
    assert_false(metadata_number(J("'3'"), &n));
}

/* ---- vectors ----------------------------------------------------------------------------------------------------------------------- */

static void vectors_have_plain_names_and_dimensions(void **state) {
    (void)state;
    makes(vector_create, "{'name':'v_1-A','title':'V','dimensions':3,'dataset_id':'x'}",
          "{'name':'v_1-A','title':'V','dimensions':3}", ERR_NONE);
    makes(vector_create, "{'name':'v 1','title':'V','dimensions':3}", "letters a-z, digits", ERR_INPUT);
    makes(vector_create, "{'name':'v','title':'V','dimensions':0}", "above 0", ERR_INPUT);
    makes(vector_create, "{'name':'v','title':'V','dimensions':3.0}", "above 0", ERR_INPUT);
    makes(vector_create, "{'name':'v','title':'V'}", "vector 'v': 'dimensions'", ERR_INPUT);
    makes(vector_create, "{'name':'old','title':'V','dimensions':3}", "exists already", ERR_CONFLICT);
    json *out;
    err e = {0};
    const json *five = J("[{'name':'a'},{'name':'b'},{'name':'c'},{'name':'d'},{'name':'e'}]");
    assert_words(vector_create(memory_of_test, J("{'name':'v','title':'V','dimensions':3}"), five, &out, &e), &e,
                 "at most 5 vectors", "a sixth");
}

static void vectors_are_as_long_as_their_setting(void **state) {
    (void)state;
    static const struct {
        const char *given, *words;
    } cases[] = {
        {"{'v':[1,2.5]}", ""},
        {"null", ""},
        {"{'v':null}", ""},
        {"{'v':[1]}", "vector 'v': it should have 2 numbers, but has 1"},
        {"{'v':[1,'2']}", "place 2 should be a number"},
        {"{'v':'x'}", "a list of numbers"},
        {"{'w':[1,2]}", "no vector 'w'"},
        {"[]", "should be an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err e = {0};
        assert_words(vectors_check(J("[{'name':'v','dimensions':2}]"), J(cases[i].given), &e), &e, cases[i].words,
                     cases[i].given);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(fields_are_made_with_their_defaults),
        TEST(fields_that_break_a_rule_are_refused_by_name),
        TEST(fields_change_title_and_settings_alone),
        TEST(a_record_has_its_required_fields_and_no_others),
        TEST(texts_may_be_numbers_and_become_their_digits),
        TEST(images_are_addresses_or_data),
        TEST(images_have_a_length_at_most),
        TEST(chats_are_messages_with_role_and_content),
        TEST(custom_values_are_objects),
        TEST(search_sees_texts_chats_and_objects_not_images),
        TEST(properties_are_made_with_their_bounds),
        TEST(properties_change_title_and_who_sees_them),
        TEST(metadata_fits_its_properties),
        TEST(extra_metadata_stands_where_it_may),
        TEST(filters_see_metadata_as_json_writes_it),
        TEST(vectors_have_plain_names_and_dimensions),
        TEST(vectors_are_as_long_as_their_setting),
    };
    return cmocka_run_group_tests(tests, words_begin, words_end);
}
