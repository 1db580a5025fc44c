/* text.h - words: tokenizers as Hugging Face has them, chat templates as Jinja2 renders them. */
#ifndef FETTLE_TEXT_TEXT_H
#define FETTLE_TEXT_TEXT_H

#include "text/chat.h"
#include "text/jinja.h"
#include "text/regex.h"
#include "text/tokenizer.h"

#endif
