/* recipe_guess.c - which field is prompt, system, context, answer: guessed from names and types; what stays open is asked. */
#include <ctype.h>

#include "data/kind.h"
#include "data/recipe_kind.h"

/* Lower case, with '_' for '-' and ' '. */
static char *plain_name(arena *a, str name) {
    char *out = str_copy(a, name);
    for (char *c = out; *c; c++) *c = *c == '-' || *c == ' ' ? '_' : (char)tolower((unsigned char)*c);
    return out;
}

bool name_is_like(arena *a, str name, const char *names) {
    const str plain = str_of(plain_name(a, name));
    for (const char *at = names; *at;) {
        size_t n = 0;
        while (at[n] && at[n] != '|') n++;
        const bool begins = n && at[n - 1] == '*';
        const str one = {at, n - begins};
        if (begins ? str_starts(plain, one) : str_eq(plain, one)) return true;
        at += at[n] ? n + 1 : n;
    }
    return false;
}

json *fields_named(arena *a, const json *fields, const char *names) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(fields); i++) {
        json *name = json_get(json_at(fields, i), "name");
        if (name_is_like(a, json_text(name, STR("")), names)) json_append(out, name);
    }
    return out;
}

json *all_field_names(arena *a, const json *fields, const char *type) {
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(fields); i++) {
        const json *field = json_at(fields, i);
        const str is = json_get_text(json_get(field, "settings"), "type", STR(""));
        if (type ? str_is(is, type) : !str_is(is, "image")) json_append(out, json_get(field, "name"));
    }
    return out;
}

void ask_for(arena *a, json *ask, const char *role, json *choices, const char *words) {
    json *one = json_new_object(a);
    json_set(one, "role", json_new_text(a, str_of(role)));
    json_set(one, "choices", choices);
    json_set(one, "words", json_new_text(a, str_of(words)));
    json_append(ask, one);
}

static const char answer_names[] =
    "answer*|response*|completion*|output*|generation*|reply*|candidate*|model_*|chosen*|rejected*|a|b|summary";

json *answer_fields(arena *a, const json *fields) { return fields_named(a, fields, answer_names); }

/* One name under the role; several: the question is asked. */
static bool settle(arena *a, json *mapping, json *ask, const char *role, json *names, const char *words) {
    if (json_count(names) == 1) json_set(mapping, role, json_at(names, 0));
    if (json_count(names) > 1) ask_for(a, ask, role, names, words);
    return json_count(names) == 1;
}

static void guess_side_roles(arena *a, const json *fields, json *mapping, json *ask) {
    settle(a, mapping, ask, "system", fields_named(a, fields, "system|system_prompt|system_message"),
           "Which field holds the system prompt?");
    const char *names = json_get(mapping, "messages") ? "" : "context|input|document|passage|reference_text";
    json *found = json_new_array(a), *all = fields_named(a, fields, names);
    for (size_t i = 0; i < json_count(all); i++)
        if (!json_equal(json_at(all, i), json_get(mapping, "prompt"))) json_append(found, json_at(all, i));
    if (json_get(mapping, "prompt"))
        settle(a, mapping, ask, "context", found, "Which field belongs to the prompt as its context?");
}

/* Fields that are no answer, and texts or chats. */
static json *possible_prompts(arena *a, const json *fields) {
    json *out = json_new_array(a), *all = all_field_names(a, fields, NULL);
    for (size_t i = 0; i < json_count(all); i++) {
        const str name = json_text(json_at(all, i), STR(""));
        if (!name_is_like(a, name, answer_names) && !name_is_like(a, name, "system*")) json_append(out, json_at(all, i));
    }
    return out;
}

static void guess_prompt_role(arena *a, const json *fields, json *mapping, json *ask) {
    static const char words[] = "Which field is the prompt?";
    static const char *const tries[] = {"prompt|instruction|user_prompt", "question|query|user|task|request",
                                        "input|text|messages|chat|conversation"};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        json *names = fields_named(a, fields, tries[i]);
        if (!json_count(names)) continue;
        settle(a, mapping, ask, "prompt", names, words);
        return;
    }
    json *possible = possible_prompts(a, fields);
    if (!settle(a, mapping, ask, "prompt", possible, words) && !json_count(possible))
        ask_for(a, ask, "prompt", all_field_names(a, fields, NULL), words);
}

void guess_prompt(arena *a, const json *fields, json *mapping, json *ask) {
    json *chats = all_field_names(a, fields, "chat");
    const bool alone =
        json_count(fields) == 1 && json_count(chats) == 1; /* a conversation and nothing else: it ends with the answer */
    if (alone) json_set(mapping, "messages", json_at(chats, 0));
    else guess_prompt_role(a, fields, mapping, ask);
    guess_side_roles(a, fields, mapping, ask);
}

bool guess_answer(arena *a, const json *fields, json *mapping, json *ask, const char *words) {
    if (json_get(mapping, "messages")) return true;
    json *names = answer_fields(a, fields), *left = json_new_array(a);
    if (json_count(names)) return settle(a, mapping, ask, "answer", names, words);
    json *all = all_field_names(a, fields, NULL); /* names tell nothing: whatever is not the prompt */
    for (size_t i = 0; i < json_count(all); i++)
        if (!json_equal(json_at(all, i), json_get(mapping, "prompt"))) json_append(left, json_at(all, i));
    if (!json_count(left)) ask_for(a, ask, "answer", all, words);
    return settle(a, mapping, ask, "answer", left, words);
}
