/* jinja.c - the template engine: text triples, limits, then the shared cases. */
#include "test.h"

#include <string.h>

#include "text/text.h"

static bool render(const char *template, const char *globals, jinja_options o, const jinja_limits *limits, buf *out, err *e) {
    arena *a = arena_new();
    jinja_output made = {0};
    const json *g = *globals ? json_parse(a, str_of(globals), e) : NULL;
    jinja *j = e->code ? NULL : jinja_parse(a, str_of(template), o, e);
    const bool ok = j && jinja_render(j, g, limits, a, &made, e);
    if (ok) buf_put_str(out, buf_str(&made.text));
    if (ok && !out->ptr) buf_reserve(out, 1);
    buf_free(&made.text);
    arena_free(a);
    return ok;
}

static const struct {
    const char *template, *globals, *want;
} triples[] = {
    {"{{ 'a' ~ 1 ~ none }}", "", "a1None"},
    {"{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ -7 % 3 }}", "", "3 -4 3.5 1024 2"},
    {"{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}", "{\"xs\":[1,2,3]}",
     "1:2,2:3"},
    {"{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "", "6"},
    {"{% macro f(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(2, b=3) }}", "", "[1x][23]"},
    {"{{ d | tojson }} {{ d }}", "{\"d\":{\"a\":[1,true,null,\"\\u00e9\"]}}",
     "{\"a\": [1, true, null, \"\xC3\xA9\"]} {'a': [1, True, None, '\xC3\xA9']}"},
    {"  {%- if true -%}  x  {%- endif -%}  ", "", "x"},
    {"{{ xs[::-1] }}{{ 'abc'[1:] }}{{ xs[-1] }}", "{\"xs\":[1,2]}", "[2, 1]bc2"},
    {"{{ missing is defined }} {{ missing | default('d') }} [{{ missing }}]", "", "False d []"},
    {"{{ xs | selectattr('r', 'equalto', 'u') | map(attribute='c') | join('+') }}",
     "{\"xs\":[{\"r\":\"u\",\"c\":\"a\"},{\"r\":\"s\",\"c\":\"b\"},{\"r\":\"u\",\"c\":\"c\"}]}", "a+c"},
    {"{{ ' a '.strip() + 'B'.lower() + 'x-y'.split('-')[1] }}", "", "aby"},
    {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{\"d\":{\"a\":1,\"b\":2}}", "a=1;b=2;"},
    {"{% raw %}{{ x }}{% endraw %}{# gone #}", "", "{{ x }}"},
    {"{{ 1.0 }} {{ 1e16 }} {{ 0.1 + 0.2 }}", "", "1.0 1e+16 0.30000000000000004"},
    {"{{ rows.0.1 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }}", "{\"rows\":[[1,2]]}", "2 31 5 15"},
    {"{{ ' 1 2 3 4 '.split(none, 2) }}", "", "['1', '2', '3 4 ']"},
    {"{{ d | tojson(separators=(',', ':'), sort_keys=true) }} {{ d | tojson(ensure_ascii=true) }}",
     "{\"d\":{\"b\":\"\\u00e9\\ud83e\\udd17\",\"a\":1}}",
     "{\"a\":1,\"b\":\"\xc3\xa9\xf0\x9f\xa4\x97\"} {\"b\": \"\\u00e9\\ud83e\\udd17\", \"a\": 1}"},
    {"{{ d | tojson(indent=1) }}", "{\"d\":{\"a\\u0000\":[],\"c\":[1]}}", "{\n \"a\\u0000\": [],\n \"c\": [\n  1\n ]\n}"},
    {"{{ '\x7f' | tojson }}{{ '\x7f' | tojson(ensure_ascii=true) }}", "", "\"\x7f\"\"\\u007f\""},
    {"{{ [none, none] | sort }}{{ us | sort(attribute='a,n') | map(attribute='n') | join }}",
     "{\"us\":[{\"n\":\"b\",\"a\":2},{\"n\":\"a\",\"a\":2},{\"n\":\"c\",\"a\":1}]}", "[None, None]cab"},
    {"{% macro f(a, b=0) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(*[1, 2, 3], **{'z': 4}) }} {{ f.name }}", "",
     "12(3,){'z': 4} f"},
    {"{% for g in us | groupby('a') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}{% for k, l in us | groupby('a') %}{{ k "
     "}}{% endfor %}",
     "{\"us\":[{\"a\":2},{\"a\":2},{\"a\":1}]}", "1:1;2:2;12"},
    {"{% for (a, b), c in [[[1, 2], 3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "", "123"},
    {"{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}{% endif %}{% endfor %}", "",
     "1[2[3]]"},
    {"{{ '{0}{k:>4}|{1:.2f}|{2:<3}|'.format('a', 3.14159, 'b', k='q') }}", "", "a   q|3.14|b  |"},
    {"{{ 2.675 | round(2) }} {{ 2.5 | round }} {{ 7 | round }} {{ '0x1f' | int(0, 16) }}", "", "2.67 2.0 7 31"},
    {"{{ \"it's ok\" | title }} {{ \"it's\".title() }} {{ 'aB'.swapcase() }} {{ 'a-b-c'.rpartition('-') }} {{ '-7'.zfill(4) }}",
     "", "It's Ok It'S Ab ('a-b', '-', 'c') -007"},
    {"{{ 'ab1'.isalnum() }}{{ 'ab'.islower() }}{{ 'x'.center(4, '*') }}{{ [[1], [2]] | sum(start=[]) }}{{ [1, 2, 3] | slice(2) | "
     "list }}",
     "", "TrueTrue*x**[1, 2][[1, 2], [3]]"},
    {"{{ h | striptags }}",
     "{\"h\": \"<p class='a'>Tom &amp; Jerry</p> &lt;b&gt; &#39;x&#x41; &hellip;&eacute;&notit; &#128;&#0; <!-- a <b> c -->\\n z "
     "< y\"}",
     "Tom & Jerry <b> 'xA \xe2\x80\xa6\xc3\xa9\xc2\xacit; \xe2\x82\xac\xef\xbf\xbd z < y"},
    {"{{ ('a<b' | e) + '<' }} {{ '<' | e | e }} {{ '<' | e | forceescape }} {{ ('<%s>' | safe) % '&' }} {{ ('-' | e).join(['<', "
     "'x' | e]) }}",
     "", "a&lt;b&lt; &lt; &amp;lt; <&amp;> &lt;-x"},
    {"{{ 'a' is escaped }} {{ 'a' | e is escaped }} {{ ('a' | e | upper)[0:] is escaped }} {{ 'a' | e ~ '' is escaped }} {{ ['<' "
     "| e] }}",
     "", "False True True aFalse [Markup('&lt;')]"},
    {"{{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ '1' is lower }}", "", "True False True False"},
    {"{{ p | wordwrap(12) }}|{{ p | wordwrap(5, false) }}|{{ p | wordwrap(12, true, '~', false) }}",
     "{\"p\": \"The quick-brown fox -- it's said---jumped well-being a_b-c  unconditionally.\\n\\n x\"}",
     "The quick-\nbrown fox --\nit's said---\njumped well-\nbeing a_b-c\nunconditiona\nlly.\n\n "
     "x|The\nquick-\nbrown\nfox\n--\nit's\nsaid\n---\njumped\nwell-\nbeing\na_b-c\nunconditionally.\n\n x|The~quick-brown~fox -- "
     "it's ~said---jumpe~d well-being~a_b-c  uncon~ditionally.~~ x"},
    {"{{ {'a': 1, 'b': none, 'c': '<\"', 'd': nope} | xmlattr }}|{{ {'a': 1} | xmlattr(false) }}|{{ {} | xmlattr }}", "",
     " a=\"1\" c=\"&lt;&#34;\"|a=\"1\"|"},
    {"{{ 'a/b c?\xc3\xa9~' | urlencode }} {{ {'a b': 'x/y&z'} | urlencode }} {{ [[1, 2.5]] | urlencode }}", "",
     "a/b%20c%3F%C3%A9~ a+b=x%2Fy%26z 1=2.5"},
    {"{{ 1 | filesizeformat }}, {{ 999 | filesizeformat }}, {{ '1048576' | filesizeformat(true) }}, {{ 1e24 | filesizeformat }}",
     "", "1 Byte, 999 Bytes, 1.0 MiB, 1000.0 ZB"},
    {"{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }} {{ c.current }} {{ c.reset() }} {{ c.current }}{% "
     "set j = joiner('|') %}{% for x in 'xyz' %}{{ j() }}{{ x }}{% endfor %}",
     "", "aba b None ax|y|z"},
    {"{{ '%5.1f|%-4d|%+05d|%#x|%r|%.2s|%%' % (2.25, 7, 3, 255, '\xc3\xa9', 'abc') }} {{ '%(a)s-%(b)03d' | format(a='x', b=5) }} "
     "{{ '%x' % -26 }}",
     "", "  2.2|7   |+0003|0xff|'\xc3\xa9'|ab|% x-005 -1a"},
    {"{{ v | pprint }}",
     "{\"v\": {\"b\": [1, 2, {\"c\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"a\": \"word word word word word word word "
     "word word word word word word word word word word word word word \", \"d\": [\"some text here\", \"and more of it, so that "
     "it breaks\", \"some text here\", \"and more of it, so that it breaks\"]}}",
     "{'a': 'word word word word word word word word word word word word word word '\n      'word word word word word word ',\n "
     "'b': [1, 2, {'c': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}],\n 'd': ['some text here',\n       'and more of it, so that "
     "it breaks',\n       'some text here',\n       'and more of it, so that it breaks']}"},
    {"{{ ('word ' * 20) | pprint }} {{ ['\xe2\x80\x8b\xc2\xa0\xc3\xa9'] }}", "",
     "('word word word word word word word word word word word word word word word '\n 'word word word word word ') "
     "['\\u200b\\xa0\xc3\xa9']"},
    {"{{ l.splitlines() }} {{ l | indent(2, true) }} {{ '' | indent(2, true) }}|", "{\"l\": \"a\\r\\nb\\u2028c\\n\"}",
     "['a', 'b', 'c']   a\n  b\n  c\n   |"},
    {"{{ \"don't stop_it 1-2\" | wordcount }} {{ none | select | list }} {{ nope | map('upper') | list }}", "", "5 [] []"},
    {"{{ 'abc def' | truncate(6, true, '!', 0) }} {{ 'a b c d e f' | truncate(6, false, '.', 0) }}|{{ 'x' | center(4) }}|", "",
     "abc d! a b.| x  |"},
    {"{{ 1 < 2 < 3 }} {{ 'b' not in 'abc' }} {{ not true or 1 }}", "", "True False 1"},
};

static void templates_render_as_in_jinja2(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof triples / sizeof *triples; i++) {
        buf out = {0};
        err e = {0};
        if (!render(triples[i].template, triples[i].globals, (jinja_options){0}, NULL, &out, &e))
            fail_msg("%s: %s", triples[i].template, e.text);
        assert_string_equal(out.ptr, triples[i].want);
        buf_free(&out);
    }
}

static void faults_say_the_line(void **state) {
    static const char *const bad[] = {"a\n{% if %}",
                                      "{{ 1 +",
                                      "{% for x in %}{% endfor %}",
                                      "{% frob %}",
                                      "\n\n{{ raise_exception('no') }}",
                                      "{{ missing.x }}",
                                      "{{ 1 / 0 }}",
                                      "{{ 'a' + 1 }}",
                                      "{% include 'x' %}",
                                      "{{ xs.append(1) }}",
                                      "{{ cycler() }}",
                                      "{{ '%d' % 'a' }}",
                                      "{{ '%s %s' % (1,) }}",
                                      "{{ '%s' % (1, 2) }}",
                                      "{{ {'a b': 1} | xmlattr }}",
                                      "{{ 'a' | wordwrap(0) }}",
                                      "{{ 'abcdefgh' | truncate(2) }}",
                                      "{{ 1e300 | int }}"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf out = {0};
        err e = {0};
        if (render(bad[i], "{\"xs\":[]}", (jinja_options){0}, NULL, &out, &e)) fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(e.text, "line "));
        buf_free(&out);
    }
}

/* What Jinja2 has and a chat template must not use is refused with the reason. */
static void what_a_template_must_not_use_says_why(void **state) {
    static const char *const bad[][2] = {{"{{ xs | random }}", "the same text every time"},
                                         {"{{ lipsum() }}", "the same text every time"},
                                         {"{{ 'a' | urlize }}", "links for a web page"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf out = {0};
        err e = {0};
        if (render(bad[i][0], "{\"xs\":[1]}", (jinja_options){0}, NULL, &out, &e)) fail_msg("accepted: %s", bad[i][0]);
        assert_non_null(strstr(e.text, bad[i][1]));
        buf_free(&out);
    }
}

static void endless_templates_are_stopped(void **state) {
    static const char *const bad[] = {"{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}",
                                      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                                      "{{ 'x' * 999999999 }}",
                                      "{{ '%999999999d' % 1 }}",
                                      "{{ '%*d' % (999999999, 1) }}",
                                      "{{ 'x' | center(999999999) }}",
                                      "{{ ('\\n' * 60000) | indent(900, true, true) }}",
                                      "{{ ('a ' * 30000) | wordwrap(1, true, 'between lines') }}",
                                      "{{ ('&x' * 30000) | striptags }}",
                                      "{{ ([[[[]] * 99] * 99] * 99) | pprint }}"};
    const jinja_limits small = {.fuel = 200000, .output = 1 << 16, .depth = 60};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf out = {0};
        err e = {0};
        if (render(bad[i], "", (jinja_options){0}, &small, &out, &e)) fail_msg("ran to its end: %s", bad[i]);
        buf_free(&out);
    }
}

static void generation_blocks_mark_what_is_trained(void **state) {
    arena *a = arena_new();
    err e = {0};
    chat_rendered r;
    (void)state;
    chat_template *t = chat_template_parse(a, chat_template_named("chatml"), "chatml", &e);
    const json *m =
        json_parse(a, STR("[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Ho\"}]"), &e);
    if (!t || !m) fail_msg("%s", e.text);
    assert_ok(chat_render(t, &(chat_request){.messages = m}, a, &r, &e), e);
    assert_int_equal(r.generations, 1);
    assert_true(str_is(str_slice(r.text, r.begin[0], r.end[0]), "Ho<|im_end|>"));
    arena_free(a);
}

/* transformers marks up to the first token of the last character: the others of an emoji cut into bytes are left out. */
static void a_block_ends_with_the_first_token_of_its_last_character(void **state) {
    static const char letters[] =
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},\"decoder\":{\"type\":"
        "\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\\u00c3\":1,\"\\u00a9\":2},\"merges\":[]}}";
    arena *a = arena_new();
    err e = {0};
    chat_encoded out;
    (void)state;
    const tokenizer *tok = tokenizer_from_json(a, str_of(letters), STR(""), "letters", &e);
    chat_template *t = chat_template_parse(a, STR("a{% generation %}{{ messages[0].content }}{% endgeneration %}a"), "marks", &e);
    const json *m = json_parse(a, STR("[{\"content\":\"\\u00e9a\\u00e9\"}]"), &e);
    if (!tok || !t || !m) fail_msg("%s", e.text);
    assert_ok(chat_tokens(t, tok, &(chat_request){.messages = m}, a, &out, &e), e);
    const uint8_t want[] = {0, 1, 1, 1, 1, 0, 0};
    assert_int_equal(out.count, 7);
    assert_memory_equal(out.trained, want, sizeof want);
    arena_free(a);
}

/* A letter and its marks become fewer characters: each of them still comes from its own place, so that the block's are trained and the
 * space before it is not. */
static void a_block_of_letters_with_marks_is_trained_whole(void **state) {
    static const char letters[] = "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_"
                                  "space\":false,\"use_regex\":true},"
                                  "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"x\":0,"
                                  "\"\u00c3\":1,\"\u00a1\":2,\"\u00cc\":3,"
                                  "\"\u00a7\":4},\"merges\":[]}}";
    arena *a = arena_new();
    err e = {0};
    chat_encoded out;
    (void)state;
    const tokenizer *tok = tokenizer_from_json(a, str_of(letters), STR(""), "letters", &e);
    chat_template *t = chat_template_parse(a, STR("x{% generation %}{{ messages[0].content }}{% endgeneration %}x"), "marks", &e);
    const json *m = json_parse(a, STR("[{\"content\":\"a\\u0327\\u0301x\"}]"), &e); /* NFC: a with acute, cedilla */
    if (!tok || !t || !m) fail_msg("%s", e.text);
    assert_ok(chat_tokens(t, tok, &(chat_request){.messages = m}, a, &out, &e), e);
    const int32_t ids[] = {0, 1, 2, 3, 4, 0, 0};
    const uint8_t want[] = {0, 1, 1, 1, 1, 1, 0};
    assert_int_equal(out.count, 7);
    assert_memory_equal(out.ids, ids, sizeof ids);
    assert_memory_equal(out.trained, want, sizeof want);
    arena_free(a);
}

static void shared_language_cases_render(void **state) {
    arena *a = arena_new();
    err e = {0};
    const char *path = shared_path(a, "data/chat-templates/hf-jinja-syntax.json");
    int failed = 0, n = 0;
    (void)state;
    if (!path) {
        arena_free(a);
        skip();
    }
    const json *cases = json_get(json_parse_file(a, path, 1 << 26, &e), "cases");
    if (!json_count(cases)) fail_msg("no cases: %s", e.text);
    for (size_t i = 0; i < json_count(cases); i++) {
        const json *c = json_at(cases, i);
        str want = json_get_text(c, "python_jinja2_3.1.6_output",
                                 json_get_text(c, "target", STR(""))); /* where Jinja2 differs, it decides */
        const str said = json_get_text(c, "python_jinja2_3.1.6", STR("agrees"));
        const bool differs = !str_is(said, "agrees") && !str_is(said, "differs"); /* errors of Python's own types, or not run */
        buf globals = {0}, out = {0};
        json_put(&globals, json_get(c, "context"));
        err one = {0};
        const bool ok = render(str_copy(a, json_get_text(c, "template", STR(""))),
                               globals.ptr && *globals.ptr == '{' ? globals.ptr : "", (jinja_options){0}, NULL, &out, &one);
        n++;
        if (!differs && (!ok || !str_eq(buf_str(&out), want))) {
            failed++;
            print_message("%.*s: want '%.*s', got '%s' %s\n", STR_ARG(json_get_text(c, "name", STR("?"))), STR_ARG(want),
                          out.ptr ? out.ptr : "", one.text);
        }
        buf_free(&globals);
        buf_free(&out);
    }
    if (failed) fail_msg("%d of %d cases", failed, n);
    arena_free(a);
}

static void shared_templates_parse(void **state) {
    static const char *const folders[] = {"data/chat-templates/templates/trl", "data/chat-templates/templates/llama.cpp"};
    (void)state;
    for (int f = 0; f < 2; f++) {
        arena *a = arena_new();
        char **names;
        int count;
        err e = {0};
        const char *folder = shared_path(a, folders[f]);
        if (!folder) {
            arena_free(a);
            skip();
        }
        assert_ok(dir_list(a, folder, &names, &count, &e), e);
        for (int i = 0; i < count; i++) {
            str text;
            if (!str_ends(str_of(names[i]), STR(".jinja"))) continue;
            assert_ok(file_read(a, path_join(a, folder, names[i]), 1 << 24, &text, &e), e);
            if (!chat_template_parse(a, text, names[i], &e)) fail_msg("%s", e.text);
        }
        arena_free(a);
    }
}

static void shared_chat_templates_render(void **state) {
    arena *a = arena_new();
    err e = {0};
    int failed = 0;
    const char *path = shared_path(a, "data/chat-templates/llama.cpp-test-chat-template.json");
    (void)state;
    if (!path) {
        arena_free(a);
        skip();
    }
    const json *j = json_parse_file(a, path, 1 << 26, &e),
               *list = json_get(j, "templates") ? json_get(j, "templates") : json_get(j, "cases");
    if (!json_count(list)) fail_msg("no templates: %s", e.text);
    for (size_t i = 0; i < json_count(list); i++) {
        const json *c = json_at(list, i);
        chat_rendered r = {0};
        err one = {0};
        json *extra = json_new_object(a);
        json_set(extra, "bos_token", json_get(c, "bos_token") ? json_get(c, "bos_token") : json_new_text(a, STR("")));
        json_set(extra, "eos_token", json_get(c, "eos_token") ? json_get(c, "eos_token") : json_new_text(a, STR("")));
        const str want = json_get_text(c, "python_jinja2_3.1.6_output", json_get_text(c, "expected_jinja", STR("")));
        const bool refuses = str_starts(json_get_text(c, "python_jinja2_3.1.6", STR("")), STR("error"));
        chat_template *t = chat_template_parse(a, json_get_text(c, "template", STR("")), "case", &one);
        const bool ok =
            t &&
            chat_render(t, &(chat_request){.messages = json_get(j, "messages"), .add_generation_prompt = true, .extra = extra}, a,
                        &r, &one);
        if (refuses ? ok : !ok || !str_eq(r.text, want)) {
            failed++;
            print_message("case %zu: want '%.*s'\n got '%.*s' %s\n", i, STR_ARG(want), STR_ARG(r.text), one.text);
        }
    }
    if (failed) fail_msg("%d of %zu templates", failed, json_count(list));
    arena_free(a);
}

/* Renders the messages with the template and reads them again. */
static void reads(const char *template, const char *messages, const char *want) {
    arena *a = arena_new();
    err e = {0};
    chat_template *t =
        chat_template_parse(a, chat_template_named(template).len ? chat_template_named(template) : str_of(template), "case", &e);
    chat_rendered r;
    assert_ok(t && chat_render(t, &(chat_request){.messages = json_parse(a, str_of(messages), &e), .add_generation_prompt = true},
                               a, &r, &e),
              e);
    const str got = chat_said(t, NULL, r.text, a);
    if (!str_is(got, want)) fail_msg("'%s' is read as '%.*s', not '%s'", messages, STR_ARG(got), want);
    arena_free(a);
}

static void a_rendered_prompt_is_read_without_the_words_of_its_template(void **state) {
    (void)state;
    reads("chatml", "[{\"role\":\"user\",\"content\":\"How long?\"}]", "How long?");
    reads("chatml", "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"How\\nlong?\"}]",
          "How\nlong?");
    reads("chatml",
          "[{\"role\":\"user\",\"content\":\"One\"},{\"role\":\"assistant\",\"content\":\"Two\"},{\"role\":\"user\",\"content\":"
          "\"Three\"}]",
          "One\n\nTwo\n\nThree");
    /* a system turn of the template's own; a template that refuses system turns; one that writes other words than were said */
    reads("[sys]be kind[/sys]{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{% endfor %}[assistant]",
          "[{\"role\":\"user\",\"content\":\" Why? \"}]", "Why?");
    reads(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}<{{ m.content }}>{% endfor %}",
        "[{\"role\":\"user\",\"content\":\"Why?\"}]", "Why?");
    reads("{% for m in messages %}<{{ m.content | upper }}>{% endfor %}", "[{\"role\":\"user\",\"content\":\"Why?\"}]", "<WHY?>");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(templates_render_as_in_jinja2),
        TEST(faults_say_the_line),
        TEST(what_a_template_must_not_use_says_why),
        TEST(endless_templates_are_stopped),
        TEST(generation_blocks_mark_what_is_trained),
        TEST(a_block_ends_with_the_first_token_of_its_last_character),
        TEST(a_rendered_prompt_is_read_without_the_words_of_its_template),
        TEST(a_block_of_letters_with_marks_is_trained_whole),
        TEST(shared_language_cases_render),
        TEST(shared_templates_parse),
        TEST(shared_chat_templates_render),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
