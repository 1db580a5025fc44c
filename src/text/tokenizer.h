/* tokenizer.h - text to token ids and back, exactly as Hugging Face's tokenizers do from the same tokenizer.json, or as llama.cpp does
 * from the vocabulary inside a GGUF file.
 *
 *     text ─ added tokens found ─ normalise ─ pre-tokenise ─ model (BPE) ─ post-process ─► ids
 *
 * A tokenizer is read-only after it is made and may be used from several threads. Text is UTF-8; invalid bytes count as U+FFFD. */
#ifndef FETTLE_TEXT_TOKENIZER_H
#define FETTLE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct tokenizer tokenizer;

/* Ids that grow on the heap; begin and end are byte offsets of each token in the text (0, 0 for tokens that were added). */
typedef struct {
    int32_t *ids, *begin, *end;
    size_t count, room;
} token_ids;
void token_ids_free(token_ids *t);

/* The tokenizer part of a GGUF file. Texts of byte-level tokens are in GPT-2's alphabet, as the file has them. */
typedef struct {
    const char *model, *pre; /* "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE); "smollm", "llama-bpe", "default" ... */
    int count;
    str *tokens;
    float *scores;  /* or NULL */
    int32_t *types; /* 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; or NULL */
    str *merges;    /* "left right"; or NULL */
    int merge_count;
    int bos, eos, unk, pad; /* -1: none */
    bool add_bos, add_eos, add_space_prefix;
} tokenizer_vocab;

/* config: tokenizer_config.json or empty. The texts need not outlive the call. Unknown kinds of steps are refused by name. */
tokenizer *tokenizer_from_json(arena *a, str tokenizer_json, str config, const char *name, err *e);
tokenizer *tokenizer_from_vocab(arena *a, const tokenizer_vocab *v, err *e);

/* Appends to out. special: the post-processor adds its tokens (BOS ...). Special tokens written in the text are recognised. */
bool tokenizer_encode(const tokenizer *t, str text, bool special, token_ids *out, err *e);
/* Appends to out; ids out of range are left out. */
void tokenizer_decode(const tokenizer *t, const int32_t *ids, int count, bool skip_special, buf *out);

int tokenizer_size(const tokenizer *t);          /* one more than the largest id */
int tokenizer_id(const tokenizer *t, str token); /* -1: no such token */
str tokenizer_token(const tokenizer *t, int id); /* as the vocabulary writes it; empty when there is none */
bool tokenizer_is_special(const tokenizer *t, int id);
int tokenizer_bos(const tokenizer *t); /* -1: none */
int tokenizer_eos(const tokenizer *t);
int tokenizer_pad(const tokenizer *t);
int tokenizer_unk(const tokenizer *t);

/* Appends the bytes of one token as it stands inside a text; they need not be whole characters. */
void tokenizer_put_bytes(const tokenizer *t, int id, buf *out);

/* One token after the other; text comes out in whole characters. */
typedef struct stream_decoder stream_decoder;
stream_decoder *stream_decoder_new(const tokenizer *t, bool skip_special);
void stream_decoder_free(stream_decoder *d);
void stream_decoder_push(stream_decoder *d, int32_t id, buf *out); /* appends what is certain now */
void stream_decoder_flush(stream_decoder *d, buf *out);            /* and the rest */

/* For writing model folders and GGUF files. */
void tokenizer_write_json(const tokenizer *t, buf *out);   /* a tokenizer.json that gives the same ids */
void tokenizer_write_config(const tokenizer *t, buf *out); /* tokenizer_config.json */
bool tokenizer_vocabulary(const tokenizer *t, arena *a, tokenizer_vocab *out, err *e);

#endif
