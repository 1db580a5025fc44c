/* Formats: a row in, the example it becomes (as a row of TRL's type), for every format and its relatives; and what is refused. */
#include "reading.h"

#include "data/format.h"

#define USER      "{\"role\":\"user\",\"content\":\"Hi\"}"
#define ASSISTANT "{\"role\":\"assistant\",\"content\":\"Hello.\"}"
#define WORSE     "{\"role\":\"assistant\",\"content\":\"What.\"}"
#define PROMPT    "\"prompt\":[" USER "]"
#define PAIR      "{" PROMPT ",\"chosen\":[" ASSISTANT "],\"rejected\":[" WORSE "]}\n"
#define CHAT_ROW  "{\"messages\":[" USER "," ASSISTANT "]}"
#define CHAT      CHAT_ROW "\n"

/* As gives, for one row that is a row of TRL's type already. */
static void stays(const char *row) { gives(row, row); }

static void named(const char *name, const char *text, const char *expected) {
    room r = room_new();
    assert_string_equal(read_as(&r, name, text), expected);
    room_end(&r);
}

static void rows_of_trls_types_stay_as_they_are(void **state) {
    (void)state;
    stays("{\"text\":\"The sky is blue.\"}\n");
    stays(CHAT);
    stays("{\"prompt\":\"The sky is\",\"completion\":\" blue.\"}\n");
    stays("{" PROMPT ",\"completion\":[" ASSISTANT "]}\n");
    stays("{\"prompt\":\"The sky is\",\"chosen\":\" blue.\",\"rejected\":\" green.\"}\n");
    stays("{\"prompt\":\"The sky is\",\"chosen\":\" blue.\",\"rejected\":\" green.\",\"reference\":\" grey.\"}\n");
    stays("{\"prompt\":\"The sky is\",\"chosen\":\" blue.\",\"rejected\":\" green.\",\"margin\":0.5}\n");
    stays(PAIR);
    stays("{\"prompt\":\"The sky is\"}\n");
    stays("{" PROMPT "}\n");
    stays("{\"prompt\":\"The sky is\",\"completion\":\" blue.\",\"label\":true}\n");
    stays("{" PROMPT ",\"completion\":[" WORSE "],\"label\":false}\n");
    stays("{\"prompt\":\"2+3*4?\",\"completions\":[\"3*4 = 12\",\"2+12 = 15\"],\"labels\":[true,false]}\n");
}

static void tools_lineage_and_template_arguments_travel_along(void **state) {
    (void)state;
    stays("{\"messages\":[" USER "," ASSISTANT
          "],\"tools\":[{\"type\":\"function\"}],\"chat_template_kwargs\":{\"thinking\":false},"
          "\"record\":\"r7\",\"responses\":[\"a\",\"b\"],\"licence\":\"CC0-1.0\",\"group\":\"g\"}\n");
    gives("{\"messages\":[" USER "," ASSISTANT "],\"tools\":\"[{\\\"name\\\":\\\"f\\\"}]\",\"record\":7,\"license\":\"MIT\"}",
          "{\"messages\":[" USER "," ASSISTANT "],\"tools\":[{\"name\":\"f\"}],\"record\":\"7\",\"licence\":\"MIT\"}\n");
    gives("{\"messages\":[" USER "," ASSISTANT "],\"tools\":\"\",\"images\":[]}", CHAT);
    gives("{\"messages\":[" USER "," ASSISTANT "],\"tools\":\"[]\",\"image\":null}", CHAT);
}

static void messages_may_hold_calls_parts_and_further_members(void **state) {
    (void)state;
    stays("{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]},"
          "{\"role\":\"tool\",\"content\":\"3\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Three.\"}],"
          "\"reasoning_content\":\"hm\"}]}\n");
}

static void a_text_may_be_a_row_by_itself(void **state) {
    (void)state;
    gives("\"one\"\n\"two\"\n", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
    named("prompt", "\"one\"\n", "{\"prompt\":\"one\"}\n");
}

static void a_prompt_shared_by_two_answers_is_taken_out(void **state) {
    (void)state;
    gives("{\"chosen\":\"\\n\\nHuman: Hi\\n\\nAssistant: Hello.\",\"rejected\":\"\\n\\nHuman: Hi\\n\\nAssistant: What.\"}",
          "{\"prompt\":\"\\n\\nHuman: Hi\\n\\nAssistant:\",\"chosen\":\" Hello.\",\"rejected\":\" What.\"}\n");
    gives("{\"chosen\":[" USER "," ASSISTANT "],\"rejected\":[" USER "," WORSE "]}", PAIR);
    /* a text beside conversations only repeats how they begin */
    gives("{\"prompt\":\"Hi\",\"chosen\":[" USER "," ASSISTANT "],\"rejected\":[" USER "," WORSE "]}", PAIR);
}

static void a_conversation_with_a_label_is_a_judged_answer(void **state) {
    (void)state;
    gives("{\"messages\":[" USER "," ASSISTANT "],\"label\":true}",
          "{" PROMPT ",\"completion\":[" ASSISTANT "],\"label\":true}\n");
    gives("{\"prompt\":\"a\",\"completion\":\"b\",\"label\":0}", "{\"prompt\":\"a\",\"completion\":\"b\",\"label\":false}\n");
}

static void alpaca_is_instruction_blank_line_input(void **state) {
    (void)state;
    gives("{\"instruction\":\"Hi\",\"input\":\"\",\"output\":\"Hello.\"}", "{" PROMPT ",\"completion\":[" ASSISTANT "]}\n");
    gives("{\"instruction\":\"Hi\",\"output\":\"Hello.\"}", "{" PROMPT ",\"completion\":[" ASSISTANT "]}\n");
    gives("{\"instruction\":\"Add\",\"input\":\"2 3\",\"output\":\"5\",\"text\":\"Below is ...\"}",
          "{\"prompt\":[{\"role\":\"user\",\"content\":\"Add\\n\\n2 "
          "3\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"5\"}]}\n");
    gives("{\"instruction\":\"Hi\",\"context\":\"\",\"response\":\"Hello.\",\"category\":\"qa\"}",
          "{" PROMPT ",\"completion\":[" ASSISTANT "]}\n");
    gives("{\"instruction\":\"Hi\",\"chosen\":\"Hello.\",\"rejected\":\"What.\"}", PAIR);
    gives("{\"instruction\":\"Hi\",\"output\":\"Hello.\",\"kto_tag\":true}",
          "{" PROMPT ",\"completion\":[" ASSISTANT "],\"label\":true}\n");
    gives("{\"instruction\":\"Hi\",\"output\":\"Hello.\",\"system\":\"Be kind.\",\"history\":[[\"a\",\"b\"]]}",
          "{\"prompt\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\"a\"},"
          "{\"role\":\"assistant\",\"content\":\"b\"}," USER "],\"completion\":[" ASSISTANT "]}\n");
    named("alpaca-plain", "{\"instruction\":\"Add\",\"input\":\"2 3\",\"output\":\"5\"}",
          "{\"prompt\":\"Add\\n\\n2 3\\n\\n\",\"completion\":\"5\"}\n");
}

static void sharegpt_becomes_messages_whoever_speaks(void **state) {
    (void)state;
    gives("{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Hello.\"}]}", CHAT);
    gives("{\"messages\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Hello.\"}]}", CHAT);
    gives("{\"conversations\":[" USER "," ASSISTANT "]}", CHAT);
    gives("{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Hello.\"}],\"system\":\"Be "
          "kind.\"}",
          "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"}," USER "," ASSISTANT "]}\n");
    gives("{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"Hello.\"},"
          "\"rejected\":{\"from\":\"gpt\",\"value\":\"What.\"}}",
          PAIR);
    gives("{\"conversations\":[" USER "],\"chosen\":" ASSISTANT ",\"rejected\":\"What.\"}", PAIR);
    gives("{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Hello.\"}],\"label\":false}",
          "{" PROMPT ",\"completion\":[" ASSISTANT "],\"label\":false}\n");
}

static void sharegpt_calls_become_tool_calls(void **state) {
    (void)state;
    gives("{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},"
          "{\"from\":\"function_call\",\"value\":\"{\\\"name\\\":\\\"f\\\",\\\"arguments\\\":{\\\"x\\\":1}}\"},"
          "{\"from\":\"observation\",\"value\":\"3\"},{\"from\":\"gpt\",\"value\":\"Hello.\"}],"
          "\"tools\":\"[{\\\"name\\\":\\\"f\\\",\\\"parameters\\\":{}}]\"}",
          "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"type\":\"function\","
          "\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]},{\"role\":\"tool\",\"content\":\"3\"}," ASSISTANT "],"
          "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]}\n");
}

static void openai_preferences_become_pairs(void **state) {
    (void)state;
    gives("{\"input\":{\"messages\":[" USER "],\"tools\":[],\"parallel_tool_calls\":true},\"preferred_output\":[" ASSISTANT "],"
          "\"non_preferred_output\":[" WORSE "]}",
          PAIR);
}

static void self_instruct_gives_one_example_an_instance(void **state) {
    (void)state;
    gives("{\"instruction\":\"Hi\",\"instances\":[{\"input\":\"\",\"output\":\"Hello.\"},{\"input\":\"x\",\"output\":\"y\"}]}",
          "{" PROMPT ",\"completion\":[" ASSISTANT "]}\n"
          "{\"prompt\":[{\"role\":\"user\",\"content\":\"Hi\\n\\nx\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"y\"}"
          "]}\n");
}

#define REPLY(text, rank, more)                                                                                                  \
    "{\"text\":\"" text "\",\"role\":\"assistant\",\"rank\":" rank ",\"message_id\":\"" text "\"" more "}"
#define TREE(id, replies)                                                                                                        \
    "{\"message_tree_id\":\"" id "\",\"prompt\":{\"text\":\"Hi\",\"role\":\"prompter\",\"replies\":[" replies "]}}\n"

static void open_assistant_trees_give_conversations_or_pairs(void **state) {
    (void)state;
    const char *trees = TREE("one", REPLY("What.", "1", "") "," REPLY(
                                        "Hello.", "0",
                                        ",\"replies\":[{\"text\":\"Bye\","
                                        "\"role\":\"prompter\",\"replies\":[]}]") "," REPLY("No", "0", ",\"deleted\":true"))
        TREE("two", "") TREE("three", REPLY("Hello.", "null", ""));
    named("open-assistant", trees,
          "{\"messages\":[" USER "," ASSISTANT "],\"record\":\"one\"}\n{\"messages\":[" USER "," ASSISTANT
          "],\"record\":\"three\"}\n");
    named("open_assistant_pairs", trees,
          "{" PROMPT ",\"chosen\":[" ASSISTANT "],\"rejected\":[" WORSE
          "],\"record\":\"one\",\"responses\":[\"Hello.\",\"What.\"]}\n");
}

/* ---- refusals -------------------------------------------------------------------------------------------------------------------- */

/* Two good rows, then a bad one: the error speaks of line 3. */
static void refuses(const char *good, const char *bad, const char *words) {
    room r = room_new();
    const char *text = arena_printf(r.a, "%s\n%s\n%s\n", good, good, bad), *got = read_as(&r, "", text),
               *at = strstr(got, "ERROR ");
    const char *expected = arena_printf(r.a, "ERROR rows.jsonl line 3: %s\n", words);
    assert_string_equal(at ? at : got, expected);
    room_end(&r);
}

static void wrong_fields_are_named_with_what_was_expected_and_what_came(void **state) {
    (void)state;
    const char *pair = "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}", *chat = CHAT_ROW;
    refuses(pair, "{\"prompt\":\"a\",\"chosen\":5,\"rejected\":\"c\"}",
            "field 'chosen' should be a text or a list of messages, but is an integer");
    refuses(pair, "{\"prompt\":\"a\",\"rejected\":\"c\"}",
            "field 'chosen' should be a text or a list of messages, but is missing");
    refuses(pair, "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":null}",
            "field 'rejected' should be a text or a list of messages, but is null");
    refuses(pair, "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":[" WORSE "]}",
            "field 'rejected' should be of the same type as 'chosen', but is a list");
    refuses(pair, "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"margin\":\"much\"}",
            "field 'margin' should be a number, but is a text");
    refuses("{\"text\":\"a\"}", "{\"text\":[\"a\"]}", "field 'text' should be a text, but is a list");
    refuses("{\"text\":\"a\"}", "[1]", "a row should be an object, but is an array");
    refuses("{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}", "{\"prompt\":\"a\",\"completion\":\"b\",\"label\":2}",
            "field 'label' should be true or false (or 1 or 0), but is an integer");
    refuses("{\"prompt\":\"a\",\"completions\":[\"b\"],\"labels\":[true]}",
            "{\"prompt\":\"a\",\"completions\":[\"b\",\"c\"],\"labels\":[true]}",
            "field 'labels' should have one label for each of 2 completions, but has 1");
    refuses(chat, "{\"messages\":[]}", "field 'messages' should be a list of messages, but is an empty list");
    refuses(chat, "{\"messages\":[" USER ",{\"role\":\"assistant\"}]}",
            "field 'messages', message 2: 'content' should be a text (or null beside 'tool_calls'), but is missing");
    refuses(chat, "{\"messages\":[{\"content\":\"a\"}]}",
            "field 'messages', message 1: 'role' should be a text such as 'user', but is missing");
    refuses(chat, "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":7}]}",
            "field 'messages', message 2: 'content' should be a text, but is an integer");
    refuses(chat, "{\"messages\":[\"a\"]}",
            "field 'messages', message 1 should be an object with 'role' and 'content', but is a text");
    refuses(chat, "{\"messages\":[" USER "],\"tools\":{\"a\":1}}",
            "field 'tools' should be a list of tools (or a JSON text of one), but is an object");
    refuses(chat, "{\"messages\":[" USER "],\"chat_template_kwargs\":1}",
            "field 'chat_template_kwargs' should be an object, but is an integer");
    refuses("{\"instruction\":\"a\",\"output\":\"b\"}", "{\"instruction\":\"a\",\"output\":1}",
            "field 'output' should be a text, but is an integer");
    refuses("{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"}]}",
            "{\"conversations\":[{\"from\":\"clown\",\"value\":\"Hi\"}]}",
            "field 'conversations', turn 1: 'from' is 'clown'; known are human, gpt, system, tool, function_call, observation");
}

static void pictures_are_refused_not_dropped(void **state) {
    (void)state;
    refuses(CHAT_ROW, "{\"messages\":[" USER "],\"images\":[\"a.png\"]}",
            "field 'images': only text can be learned from; remove the field to go on without it");
    refuses(CHAT_ROW, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]}",
            "field 'messages', message 1: a part of type 'image_url'; only parts of type 'text' can be used");
}

static void a_file_that_changes_its_kind_is_refused(void **state) {
    (void)state;
    refuses("{\"instruction\":\"a\",\"output\":\"b\"}", "{\"instruction\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}",
            "this row is of kind preference, those before are of kind prompt-completion");
}

static void a_runs_own_examples_may_be_of_several_kinds(void **state) {
    (void)state;
    room r = room_new();
    assert_string_equal(read_as(&r, "examples",
                                "{\"text\":\"a\"}\n{\"prompt\":\"b\",\"completion\":\"c\",\"record\":\"7\"}\n"
                                "{\"prompt\":\"d\",\"chosen\":\"e\",\"rejected\":\"f\",\"margin\":0.5}"),
                        "{\"text\":\"a\"}\n{\"prompt\":\"b\",\"completion\":\"c\",\"record\":\"7\"}\n"
                        "{\"prompt\":\"d\",\"chosen\":\"e\",\"rejected\":\"f\",\"margin\":0.5}\n");
    room_end(&r);
}

/* ---- help and documentation ------------------------------------------------------------------------------------------------------ */

static void every_format_reads_its_own_sample(void **state) {
    (void)state;
    int count;
    const format *const *all = format_list(&count);
    for (int i = 0; i < count; i++) {
        room r = room_new();
        const char *got = read_as(&r, all[i]->name, all[i]->sample);
        if (*got != '{') fail_msg("%s: %s", all[i]->name, got);
        if (all[i]->look) {
            const guess g = all[i]->look(json_parse(r.a, str_of(all[i]->sample), NULL));
            assert_true(g.level > LIKELY_NOT || !strcmp(all[i]->name, "alpaca-plain"));
        }
        room_end(&r);
    }
}

static void help_and_documentation_show_every_format(void **state) {
    (void)state;
    int count;
    const format *const *all = format_list(&count);
    arena *a = arena_new();
    buf help = {0};
    err e = {0};
    str page;
    format_put_help(&help);
    assert_ok(file_read(a, "docs/formats.md", 1 << 20, &page, &e), e);
    for (int i = 0; i < count; i++) {
        assert_non_null(strstr(help.ptr, all[i]->becomes));
        if (!strstr(page.ptr, arena_printf(a, "`%s`", all[i]->name))) fail_msg("docs/formats.md does not name %s", all[i]->name);
        if (!strstr(page.ptr, all[i]->sample)) fail_msg("docs/formats.md does not show the sample of %s", all[i]->name);
    }
    buf_free(&help);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_of_trls_types_stay_as_they_are),
        TEST(tools_lineage_and_template_arguments_travel_along),
        TEST(messages_may_hold_calls_parts_and_further_members),
        TEST(a_text_may_be_a_row_by_itself),
        TEST(a_prompt_shared_by_two_answers_is_taken_out),
        TEST(a_conversation_with_a_label_is_a_judged_answer),
        TEST(alpaca_is_instruction_blank_line_input),
        TEST(sharegpt_becomes_messages_whoever_speaks),
        TEST(sharegpt_calls_become_tool_calls),
        TEST(openai_preferences_become_pairs),
        TEST(self_instruct_gives_one_example_an_instance),
        TEST(open_assistant_trees_give_conversations_or_pairs),
        TEST(wrong_fields_are_named_with_what_was_expected_and_what_came),
        TEST(pictures_are_refused_not_dropped),
        TEST(a_file_that_changes_its_kind_is_refused),
        TEST(a_runs_own_examples_may_be_of_several_kinds),
        TEST(every_format_reads_its_own_sample),
        TEST(help_and_documentation_show_every_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
