/* chat.h - conversations as a model reads them: its chat template, rendered, and the tokens of that text. */
#ifndef FETTLE_TEXT_CHAT_H
#define FETTLE_TEXT_CHAT_H

#include "base/json.h"
#include "text/jinja.h"
#include "text/tokenizer.h"

typedef struct chat_template chat_template;

/* `name` is for messages. The text is untrusted: rendering has limits (jinja.h). */
chat_template *chat_template_parse(arena *a, str text, const char *name, err *e);
str chat_template_source(const chat_template *t);
bool chat_template_has_generation(const chat_template *t); /* {% generation %} marks what is trained */

/* tokenizer_config.json's chat_template: a text, or the one named "default" of a list. Empty: none. */
str chat_template_of_config(const json *tokenizer_config);
/* Templates of our own, by name ("chatml"). Empty: no such name. */
str chat_template_named(const char *name);

typedef struct {
    const json *messages; /* [{role, content, ...}] */
    const json *tools;    /* or NULL */
    const json *extra;    /* an object whose further keys reach the template; or NULL */
    bool add_generation_prompt, continue_final_message;
    const tokenizer *tok; /* for bos_token, eos_token ...; NULL: they are undefined */
} chat_request;

typedef struct {
    str text;
    size_t *begin, *end; /* bytes that {% generation %} blocks made */
    int generations;
} chat_rendered;
bool chat_render(const chat_template *t, const chat_request *r, arena *a, chat_rendered *out, err *e);

typedef struct {
    str text;
    int32_t *ids;
    uint8_t *trained; /* 1: inside a {% generation %} block, as transformers' assistant mask */
    int count;
} chat_encoded;
/* Renders and tokenises, without special tokens of the tokenizer's own: the template writes them. */
bool chat_tokens(const chat_template *t, const tokenizer *tok, const chat_request *r, arena *a, chat_encoded *out, err *e);

/* What a person reads of a rendered prompt: what was said from the first user's turn on, a blank line between turns, without the words of
 * the template and of a system turn before it. A prompt that the template did not write comes back as it is. */
str chat_said(const chat_template *t, const tokenizer *tok, str prompt, arena *a);

#endif
