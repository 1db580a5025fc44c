/* ask_text.c - a text that the model writes, as the guidelines say. One that was cut off at the limit is none. */
#include "assist/ask.h"

#include "base/message.h"

enum { LONGEST = 512 };

static bool ask(const ask_order *o, ask_answer *out, err *e) {
    const str words = ask_words(o), context = ask_context(o, NULL, 0);
    if (!context.len) return true;
    const char *system = arena_printf(o->a, "%.*s%sWrite what is asked for, and nothing else.", STR_ARG(o->guidelines),
                                      o->guidelines.len ? "\n\n" : "");
    const char *user = arena_printf(o->a, "%.*s\n\n%.*s", STR_ARG(context), STR_ARG(words));
    const endpoint_order order = {
        .messages = messages_new(o->a, str_of(system), str_of(user)), .max_tokens = LONGEST, .seed = o->seed};
    endpoint_answer said;
    if (!endpoint_chat(o->p, o->a, &order, &said, e)) return false;
    const str text = str_trim(said.text);
    out->no_use = !text.len || !str_is(str_of(said.finish), "stop");
    if (!out->no_use) out->value = json_new_text(o->a, text);
    return true;
}

const ask_kind ask_kind_text = {"text", false, ask};
