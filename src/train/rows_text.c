/* rows_text.c - the one place where words become ids, as TRL's trainers have it.
 *
 * Plain text gets the end token's text behind it if it is not there; a chat is rendered by its template and nothing is added. An answer
 * begins at the end of the longest common token prefix of the prompt alone and of prompt and answer.
 *
 * Older trainers (CPO, ORPO, BCO): the begin token's id stands in front if the tokenizer has one, the end token's id behind every answer
 * that does not end with it, chats included; the answer begins behind as many tokens as the prompt alone has, one earlier when those
 * are not its beginning; and max_length cuts the answer, never the prompt. */
#include <string.h>

#include "train/rows_parts.h"

/* ---- text to tokens --------------------------------------------------------------------------------------------------------------------- */

static str with_end(arena *a, const preparing *p, str text) {
    const int eos = tokenizer_eos(p->m->tokenizer);
    const str end = eos >= 0 ? tokenizer_token(p->m->tokenizer, eos) : (str){NULL, 0};
    if (!end.len || str_ends(text, end)) return text;
    return str_join(a, text, end);
}

bool rows_plain(arena *a, const preparing *p, str text, bool special, fresh *out) {
    token_ids ids = {0};
    if (!tokenizer_encode(p->m->tokenizer, text, special, &ids, p->e)) return false;
    *out = (fresh){
        .length = (int)ids.count, .ids = arena_array(a, int32_t, ids.count + 1), .mask = arena_array(a, uint8_t, ids.count + 1)};
    if (ids.count) memcpy(out->ids, ids.ids, ids.count * sizeof *out->ids);
    memset(out->mask, 1, ids.count);
    token_ids_free(&ids);
    return true;
}

bool rows_text(arena *a, const preparing *p, str text, fresh *out) { return rows_plain(a, p, with_end(a, p, text), true, out); }

bool rows_chat(arena *a, const preparing *p, const example *x, json *messages, chat_ending ending, bool marks, fresh *out) {
    chat_encoded c;
    if (!p->m->chat)
        return err_set(
            p->e, ERR_INPUT,
            "the data are conversations, but %s has no chat template; name one with --chat-template (chatml, or a file)",
            p->m->path);
    const chat_request r = {.messages = messages,
                            .tools = x->tools,
                            .extra = x->template_kwargs,
                            .add_generation_prompt = ending == ENDS_ASKING,
                            .continue_final_message = ending == ENDS_OPEN,
                            .tok = p->m->tokenizer};
    if (!chat_tokens(p->m->chat, p->m->tokenizer, &r, a, &c, p->e)) return false;
    *out = (fresh){.ids = c.ids, .length = c.count, .mask = arena_array(a, uint8_t, c.count + 1)};
    for (int i = 0; i < c.count; i++) out->mask[i] = marks ? c.trained[i] : 1;
    return true;
}

bool rows_prompt(arena *a, const preparing *p, const example *x, fresh *out) {
    const bool ok = x->prompt.type == PART_MESSAGES ? rows_chat(a, p, x, x->prompt.messages, ENDS_ASKING, false, out)
                                                    : rows_plain(a, p, x->prompt.text, true, out);
    if (!ok) return false;
    memset(out->mask, 0, (size_t)out->length);
    out->prompt = out->length;
    return true;
}

static json *joined(arena *a, const json *first, const json *second) {
    json *all = json_new_array(a);
    for (size_t i = 0; i < json_count(first); i++) json_append(all, json_at(first, i));
    for (size_t i = 0; i < json_count(second); i++) json_append(all, json_at(second, i));
    return all;
}

int rows_common_prefix(const fresh *a, const fresh *b) {
    int n = 0;
    while (n < a->length && n < b->length && a->ids[n] == b->ids[n]) n++;
    return n;
}

chat_ending rows_ending(bool unfinished) { return unfinished ? ENDS_OPEN : ENDS_CLOSED; }

bool rows_both(arena *a, const preparing *p, const example *x, const example_part *answer, bool marks, fresh *prompt,
               fresh *full) {
    bool ok;
    if (answer->type == PART_MESSAGES)
        ok = rows_chat(a, p, x, x->prompt.messages, ENDS_ASKING, false, prompt) &&
             rows_chat(a, p, x, joined(a, x->prompt.messages, answer->messages), rows_ending(answer->unfinished), marks, full);
    else {
        const str text =
            str_join(a, x->prompt.text,
                     answer->unfinished ? answer->text : with_end(a, p, answer->text)); /* the end belongs to the answer */
        ok = rows_plain(a, p, x->prompt.text, true, prompt) && rows_plain(a, p, text, true, full);
    }
    if (ok) full->prompt = rows_common_prefix(prompt, full);
    return ok;
}

/* ---- older trainers ------------------------------------------------------------------------------------------------------------------- */

/* The begin token in front and the end token behind, where they are missing. */
static void frame(arena *a, const preparing *p, bool ended, fresh *f) {
    const int bos = tokenizer_bos(p->m->tokenizer), eos = tokenizer_eos(p->m->tokenizer);
    const bool begin = bos >= 0 && (!f->length || f->ids[0] != bos),
               end = ended && eos >= 0 && (f->length <= f->prompt || f->ids[f->length - 1] != eos);
    fresh out = {.ids = arena_array(a, int32_t, f->length + 2),
                 .mask = arena_array(a, uint8_t, f->length + 2),
                 .prompt = f->prompt + begin};
    if (begin) out.ids[out.length++] = bos;
    memcpy(out.ids + out.length, f->ids, (size_t)f->length * sizeof *out.ids);
    out.length += f->length;
    if (end) out.ids[out.length++] = eos;
    memset(out.mask, 1, (size_t)out.length);
    *f = out;
}

bool rows_both_older(arena *a, const preparing *p, const example *x, const example_part *answer, fresh *full) {
    fresh prompt;
    const bool ok = answer->type == PART_MESSAGES ? rows_chat(a, p, x, x->prompt.messages, ENDS_ASKING, false, &prompt) &&
                                                        rows_chat(a, p, x, joined(a, x->prompt.messages, answer->messages),
                                                                  rows_ending(answer->unfinished), false, full)
                                                  : rows_plain(a, p, x->prompt.text, false, &prompt) &&
                                                        rows_plain(a, p, str_join(a, x->prompt.text, answer->text), false, full);
    if (!ok) return false;
    full->prompt = prompt.length <= full->length ? prompt.length : full->length;
    if (full->prompt && rows_common_prefix(&prompt, full) < prompt.length) full->prompt--;
    frame(a, p, !answer->unfinished, full);
    const int most = (int)p->s->o.max_length;
    full->cut = most && full->length > most;
    if (full->cut) full->length = full->prompt > most ? full->prompt : most;
    return true;
}

/* ---- tokens that end a turn ---------------------------------------------------------------------------------------------------------------- */

bool rows_ends_turn(const preparing *p, int32_t id) {
    for (int i = 0; i < p->ends; i++)
        if (p->end[i] == id) return true;
    return false;
}

static void add_end(preparing *p, int64_t id) {
    if (id < 0 || rows_ends_turn(p, (int32_t)id) || p->ends == (int)(sizeof p->end / sizeof *p->end)) return;
    p->end[p->ends++] = (int32_t)id;
}

/* What the chat template writes behind an answer: the last special token of a rendered conversation, <|im_end|> or <|eot_id|>, which
 * need not be the tokenizer's end token. A template that cannot render this conversation has no say. */
static void add_end_of_template(preparing *p) {
    arena *a = arena_new();
    err ignored = {0};
    const json *messages =
        json_parse(a, STR("[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]"), &ignored);
    chat_encoded c;
    const chat_request r = {.messages = messages, .tok = p->m->tokenizer};
    if (p->m->chat && chat_tokens(p->m->chat, p->m->tokenizer, &r, a, &c, &ignored)) {
        int i = c.count - 1;
        while (i > 0 && !tokenizer_is_special(p->m->tokenizer, c.ids[i])) i--;
        buf behind = {0}; /* the answer stands before it, or it is what begins the answer */
        if (i > 0) tokenizer_decode(p->m->tokenizer, c.ids + i + 1, c.count - i - 1, true, &behind);
        if (i > 0 && !str_trim(buf_str(&behind)).len) add_end(p, c.ids[i]);
        buf_free(&behind);
    }
    arena_free(a);
}

void rows_collect_ends(preparing *p) {
    const json *eos = json_get(p->m->generation, "eos_token_id");
    add_end(p, tokenizer_eos(p->m->tokenizer));
    for (int i = 0; i < p->m->config.eos_count; i++) add_end(p, p->m->config.eos[i]);
    for (size_t i = 0; i < json_count(eos); i++) add_end(p, json_int(json_at(eos, i), -1));
    if (json_kind_of(eos) == JSON_INT) add_end(p, json_int(eos, -1));
    add_end_of_template(p);
}
