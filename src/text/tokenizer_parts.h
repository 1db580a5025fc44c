/* tokenizer_parts.h - the insides of a tokenizer (private to text).
 *
 * A step is one row of a table and its settings. While a text is worked on it is a `piece list`: bytes, for each byte where in the
 * given text it came from, and the cuts between pieces. */
#ifndef FETTLE_TEXT_TOKENIZER_PARTS_H
#define FETTLE_TEXT_TOKENIZER_PARTS_H

#include "base/json.h"
#include "text/regex.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

typedef struct {
    buf text;
    int32_t *origin; /* [text.len + 1] */
    size_t origin_room;
    size_t *cut; /* ends of pieces, ascending; the last is text.len */
    size_t cuts, cut_room;
    bool first; /* this section begins the text (Metaspace "first") */
} pieces;
void pieces_free(pieces *p);
void pieces_put(pieces *p, const void *bytes, size_t n, int32_t from, bool same); /* same: byte i came from `from` + i */
void pieces_cut(pieces *p, size_t end);

typedef struct step step;
typedef struct {
    const char *name;                                          /* "type" in tokenizer.json */
    bool (*read)(arena *a, const json *j, step *s, err *e);    /* NULL: no settings */
    void (*run)(const step *s, const pieces *in, pieces *out); /* normalizers and pre-tokenizers */
} step_kind;

struct step {
    const step_kind *kind;
    str content, with;    /* Replace, Prepend, Strip ... */
    regex *pattern;       /* NULL: content is meant literally */
    const char *behavior; /* Split: "isolated" ... */
    const char *pattern_text;
    bool invert, flag, other; /* meanings with each kind */
    int form, start, stop;
};

typedef struct {
    step *item;
    int count;
} steps;

extern const step_kind normalizer_kinds[], pre_tokenizer_kinds[];
/* Reads one object, or a Sequence of them, into s. what: "normalizer" for messages. */
bool steps_read(arena *a, const json *j, const step_kind *kinds, const char *what, steps *s, err *e);
bool steps_add(arena *a, steps *s, const step_kind *kinds, const char *name, const json *settings, err *e);

typedef struct {
    uint64_t *key; /* 0: empty */
    int64_t *value;
    size_t mask;
} int_map;
void int_map_init(arena *a, int_map *m, size_t items);
void int_map_put(int_map *m, uint64_t key, int64_t value);
int64_t int_map_get(const int_map *m, uint64_t key); /* -1 */

typedef struct {
    int32_t *slot; /* id + 1; 0: empty */
    size_t mask;
} text_map; /* token text -> id, over tokenizer.token */

typedef struct {
    str text;
    int id;
    bool special, lstrip, rstrip, single_word, normalized;
    str found; /* what is looked for: the text; of a normalized one, what the normalizers make of it */
} added_token;

typedef enum {
    DECODE_REPLACE,
    DECODE_BYTES,
    DECODE_FUSE,
    DECODE_STRIP,
    DECODE_METASPACE,
    DECODE_BYTE_LEVEL,
    DECODE_WORDPIECE
} decode_what;
typedef struct {
    decode_what what;
    str content, with;
    int start, stop;
    bool flag;
} decode_step;

struct tokenizer {
    arena *arena;
    const char *name;
    /* vocabulary */
    int size;
    str *token;   /* what the model matches: raw bytes when byte-level */
    str *shown;   /* as the file writes it */
    str *decoded; /* what decoding starts from, where that is another text */
    bool *special, *is_added;
    text_map ids;
    /* BPE */
    bool byte_level, byte_fallback, ignore_merges, fuse_unk, by_score;
    float *score;
    int_map merges;  /* (left << 32 | right) + 1 -> rank << 32 | id */
    str *merge_text; /* as given, for writing */
    int merge_count;
    int byte_id[256]; /* <0xXX>, or the single byte when byte-level */
    str suffix, subword_prefix;
    int unk, bos, eos, pad;
    /* steps */
    steps normalizers, pre_tokenizers;
    added_token *added;
    int added_count;
    struct trie *found_raw, *found_normalized;
    int *before, *after; /* post-processor: ids around the text */
    int before_count, after_count;
    decode_step *decoders;
    int decoder_count;
    const char *pre; /* llama.cpp's name of the pre-tokenizer, NULL: not known */
    bool add_space_prefix;
};

/* GPT-2's alphabet: every byte as a printable character, and back (-1: not of it). */
int32_t byte_to_letter(int byte);
int letter_to_byte(int32_t letter);
/* A vocabulary entry in that alphabet as raw bytes; entries with other characters stay as they are. */
str letters_to_bytes(arena *a, str letters);
void bytes_to_letters(buf *out, str bytes);

/* Made by the loaders when token, shown and added are there. */
void tokenizer_index(tokenizer *t);
str tokenizer_normalized(const tokenizer *t, arena *a, str text); /* what the normalizers make of a text alone */
int tokenizer_match(const tokenizer *t, str token);               /* by what the model matches */
bool tokenizer_add_merge(tokenizer *t, str left, str right, int rank, err *e);
struct trie *trie_new(arena *a, const added_token *list, int count, bool normalized);
/* The longest token that begins at text[at]; -1: none. */
int trie_match(const struct trie *t, str text, size_t at);
void model_tokens(const tokenizer *t, str piece, const int32_t *origin, token_ids *out);
void token_ids_put(token_ids *t, int32_t id, int32_t begin, int32_t end);

#endif
