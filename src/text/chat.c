/* chat.c - see chat.h. */
#include "text/chat.h"

#include <string.h>

#include "base/message.h"

struct chat_template {
    str source;
    const char *name;
    jinja *parsed;
};

/* ChatML as many models speak it, with what is trained marked. */
static const char chatml[] = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] "
                             "== 'assistant' %}{% generation %}"
                             "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ message['content'] + "
                             "'<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
                             "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static const struct { const char *name, *text; } own_templates[] = {{"chatml", chatml}};

str chat_template_named(const char *name) {
    for (size_t i = 0; i < sizeof own_templates / sizeof *own_templates; i++)
        if (strcmp(own_templates[i].name, name) == 0) return str_of(own_templates[i].text);
    return (str){NULL, 0};
}

chat_template *chat_template_parse(arena *a, str text, const char *name, err *e) {
    chat_template *t = arena_new_of(a, chat_template);
    t->source = (str){arena_copy(a, text.ptr ? text.ptr : "", text.len), text.len};
    t->name = arena_text(a, name);
    t->parsed = jinja_parse(a, t->source, (jinja_options){true, true}, e);
    return t->parsed ? t : (err_prefix(e, "%s", name), NULL);
}

str chat_template_source(const chat_template *t) { return t->source; }
bool chat_template_has_generation(const chat_template *t) { return jinja_has_generation(t->parsed); }

str chat_template_of_config(const json *config) {
    const json *v = json_get(config, "chat_template");
    if (json_kind_of(v) != JSON_ARRAY) return json_text(v, (str){NULL, 0});
    for (size_t i = 0; i < json_count(v); i++)
        if (str_is(json_get_text(json_at(v, i), "name", STR("")), "default"))
            return json_get_text(json_at(v, i), "template", (str){NULL, 0});
    return (str){NULL, 0};
}

static void set_token(arena *a, json *globals, const char *name, const tokenizer *t, int id) {
    if (id >= 0 && !json_has(globals, name)) json_set(globals, name, json_new_text(a, tokenizer_token(t, id)));
}

static json *globals_of(arena *a, const chat_request *r) {
    json *g = json_new_object(a);
    json_member m = {0};
    while (r->extra && json_next(r->extra, &m)) json_set(g, m.key, m.value);
    if (r->messages) json_set(g, "messages", (json *)(uintptr_t)r->messages);
    json_set(g, "tools", (json *)(uintptr_t)r->tools);
    json_set(g, "add_generation_prompt", json_new_bool(a, r->add_generation_prompt));
    if (r->tok) {
        set_token(a, g, "bos_token", r->tok, tokenizer_bos(r->tok));
        set_token(a, g, "eos_token", r->tok, tokenizer_eos(r->tok));
        set_token(a, g, "pad_token", r->tok, tokenizer_pad(r->tok));
        set_token(a, g, "unk_token", r->tok, tokenizer_unk(r->tok));
    }
    return g;
}

/* The last message's text stays open: what the template writes behind it is cut off. */
static void cut_final(const chat_request *r, jinja_output *o) {
    const json *last = json_at(r->messages, json_count(r->messages) - 1);
    const str content = str_trim(json_get_text(last, "content", STR("")));
    ptrdiff_t at = -1;
    for (ptrdiff_t k = 0; content.len && (k = str_find(buf_str(&o->text), content, (size_t)k)) >= 0; k++) at = k;
    if (at >= 0) o->text.len = (size_t)at + content.len;
}

bool chat_render(const chat_template *t, const chat_request *r, arena *a, chat_rendered *out, err *e) {
    jinja_output o;
    if (!jinja_render(t->parsed, globals_of(a, r), NULL, a, &o, e)) return err_prefix(e, "%s", t->name);
    if (r->continue_final_message && json_count(r->messages)) cut_final(r, &o);
    *out = (chat_rendered){
        .begin = arena_array(a, size_t, o.ranges + 1), .end = arena_array(a, size_t, o.ranges + 1), .generations = o.ranges};
    out->text = (str){arena_copy(a, o.text.ptr ? o.text.ptr : "", o.text.len), o.text.len};
    for (int i = 0; i < o.ranges; i++) {
        out->begin[i] = o.range[i].begin;
        out->end[i] = o.range[i].end < o.text.len ? o.range[i].end : o.text.len;
    }
    buf_free(&o.text);
    return true;
}

/* Where the character before `end` begins. */
static size_t last_character(str text, size_t end) {
    size_t at = end;
    while (at > 0 && ((unsigned char)text.ptr[--at] & 0xC0) == 0x80) {}
    return at;
}

/* A generation block is trained from the token of its first character to the first token of its last one, as transformers marks it:
 * where that character is cut into several tokens, the others are left out. */
bool chat_tokens(const chat_template *t, const tokenizer *tok, const chat_request *r, arena *a, chat_encoded *out, err *e) {
    chat_rendered made;
    token_ids ids = {0};
    if (!chat_render(t, r, a, &made, e) || !tokenizer_encode(tok, made.text, false, &ids, e)) return false;
    *out = (chat_encoded){.text = made.text,
                          .count = (int)ids.count,
                          .ids = arena_array(a, int32_t, ids.count + 1),
                          .trained = arena_array(a, uint8_t, ids.count + 1)};
    memcpy(out->ids, ids.ids ? ids.ids : (int32_t[1]){0}, ids.count * sizeof *out->ids);
    for (int g = 0, i = 0; g < made.generations; g++) {
        while (i < out->count && (size_t)ids.end[i] <= made.begin[g]) i++;
        for (bool last = false; !last && i < out->count && (size_t)ids.begin[i] < made.end[g]; i++) {
            out->trained[i] = 1;
            last = (size_t)ids.end[i] > last_character(made.text, made.end[g]);
        }
    }
    token_ids_free(&ids);
    return true;
}

/* ---- a rendered prompt, read again ------------------------------------------------------------------------------------------------------- */

/* What a template writes around turns: found by rendering marks in their place. */
static const char *const marks[] = {"qZ0Zq", "qZ1Zq", "qZ2Zq"};

static bool render_marks(const chat_template *t, const tokenizer *tok, const char *const *roles, int count, arena *a, str *out) {
    json *messages = json_new_array(a);
    for (int i = 0; i < count; i++) json_append(messages, message_new(a, roles[i], str_of(marks[i])));
    chat_rendered r;
    err refused = {0}; /* a template that knows no such conversation */
    if (!chat_render(t, &(chat_request){.messages = messages, .add_generation_prompt = true, .tok = tok}, a, &r, &refused))
        return false;
    *out = r.text;
    return true;
}

/* frame[i]: what stands before mark i; frame[count]: behind the last one. */
static bool frames(const chat_template *t, const tokenizer *tok, const char *const *roles, int count, arena *a, str *frame) {
    str text;
    if (!render_marks(t, tok, roles, count, a, &text)) return false;
    size_t from = 0;
    for (int i = 0; i < count; i++) {
        const ptrdiff_t at = str_find(text, str_of(marks[i]), from);
        if (at < 0) return false;
        frame[i] = str_slice(text, from, (size_t)at);
        from = (size_t)at + strlen(marks[i]);
    }
    frame[count] = str_slice(text, from, text.len);
    return true;
}

/* Every frame between two turns becomes a blank line. */
static str without(arena *a, str said, const str *between, int count) {
    buf out = {0};
    for (size_t at = 0; at < said.len;) {
        str found = {0};
        for (int i = 0; i < count && !found.len; i++)
            if (between[i].len && str_starts(str_slice(said, at, said.len), between[i])) found = between[i];
        if (found.len) buf_put_text(&out, "\n\n");
        else buf_put_char(&out, said.ptr[at]);
        at += found.len ? found.len : 1;
    }
    const str text = {arena_copy(a, out.ptr ? out.ptr : "", out.len), out.len};
    buf_free(&out);
    return text;
}

str chat_said(const chat_template *t, const tokenizer *tok, str prompt, arena *a) {
    static const char *const turns[] = {"user", "assistant", "user"}, *const led[] = {"system", "user"};
    str frame[4], system[3];
    if (!frames(t, tok, turns, 3, a, frame) || !str_ends(prompt, frame[3])) return prompt;
    const str said = str_slice(prompt, 0, prompt.len - frame[3].len);
    if (frame[0].len <= said.len && str_starts(said, frame[0]))
        return without(a, str_slice(said, frame[0].len, said.len), frame + 1, 2);
    if (!frames(t, tok, led, 2, a, system) || !system[1].len || !str_starts(said, system[0])) return prompt;
    const ptrdiff_t user = str_find(said, system[1], system[0].len);
    return user < 0 ? prompt : without(a, str_slice(said, (size_t)user + system[1].len, said.len), frame + 1, 2);
}
