/* tokenizer_parts.h - the insides of a tokenizer (private to text).
 *
 * Tables, one row per kind:  normalizer_kinds, pre_tokenizer_kinds, decoder_kinds  (a step: name, read settings, run)
 *                            model_kinds                                           (name, read, pieces to ids, write)
 *                            post_kinds in tokenizer_post.c                        (ids around the text)
 * While a text is worked on it is a list of pieces: bytes, for each byte the span of the given text it stands for, and the
 * cuts between pieces. */
#ifndef FETTLE_TEXT_TOKENIZER_PARTS_H
#define FETTLE_TEXT_TOKENIZER_PARTS_H

#include "base/json.h"
#include "text/regex.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

/* ---- a text being worked on (tokenizer_pieces.c) ---- */

typedef struct {
    int32_t begin, end;
} span; /* bytes of the given text */

typedef struct {
    buf text;
    span *from; /* [text.len]: what each byte stands for */
    size_t from_room;
    size_t *cut; /* ends of pieces, ascending; the last is text.len */
    size_t cuts, cut_room;
    bool full; /* more than PIECES_MAX bytes were put: the rest is lost, and encoding fails */
} pieces;
enum { PIECES_MAX = 1 << 29 };

void pieces_free(pieces *p);
void pieces_put(pieces *p, const void *bytes, size_t n, span from);                 /* all bytes stand for `from` */
void pieces_put_text(pieces *p, str text, int32_t at);                              /* each character for itself */
void pieces_copy(const pieces *in, pieces *out, size_t from, size_t to);            /* with their spans */
void pieces_cut(pieces *p, size_t end);                                             /* nothing where the piece is empty */

/* ---- steps ---- */

/* What becomes of a match (the delimiter) when text is cut. */
typedef enum { CUT_REMOVED, CUT_ISOLATED, CUT_WITH_PREVIOUS, CUT_WITH_NEXT, CUT_CONTIGUOUS } cut_behavior;

/* Settings of one step; what they mean is said at each kind. */
typedef struct step step;
typedef struct {
    const char *name;                                                        /* "type" in tokenizer.json */
    bool (*read)(arena *a, const json *j, step *s, err *e);                  /* NULL: no settings */
    bool (*run)(const step *s, const pieces *in, pieces *out, err *e);
} step_kind;

struct step {
    const step_kind *kind;
    str content, with;
    regex *pattern; /* NULL: content is meant literally */
    str pattern_text;
    cut_behavior cut;
    bool invert, flag, other;
    int start, stop;
};

typedef struct {
    step *item;
    int count;
} steps;

extern const step_kind normalizer_kinds[], pre_tokenizer_kinds[];
/* Reads one object, or a Sequence of them, into s. what: "normalizer" or "pre_tokenizer". NULL is no step. */
bool steps_read(arena *a, const json *j, const step_kind *kinds, const char *what, const char *members, steps *s, err *e);
bool steps_run(const steps *s, pieces *p, err *e);
/* Bytes become letters of GPT-2's alphabet; cuts stay. */
bool step_letters(const step *s, const pieces *in, pieces *out, err *e);
/* "pattern": {"String"} or {"Regex"} of Replace and Split. */
bool step_read_pattern(arena *a, const json *j, step *s, err *e);

/* Matches of a step's pattern, literal or not, in one text after the other. */
typedef struct {
    const step *s;
    regex_scan scan;
    str text;
    size_t at;
} matches;
void matches_open(matches *m, const step *s);
void matches_text(matches *m, str text);
bool matches_next(matches *m, size_t *begin, size_t *end, err *e); /* false: no more, or e is set */
void matches_close(matches *m);

/* The pattern of GPT-2, which ByteLevel uses. */
#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* ---- decoders (tokenizer_decode.c): a list of texts through each step ---- */

typedef struct {
    buf text;
    size_t *end;
    size_t count, room;
} text_list;

typedef struct {
    const char *name;
    bool (*read)(arena *a, const json *j, step *s, err *e);
    void (*run)(const step *s, const text_list *in, text_list *out);
} decoder_kind;
typedef struct {
    const decoder_kind *kind;
    step set;
} decoder_step;
bool decoders_read(tokenizer *t, const json *j, err *e);

/* ---- vocabulary and maps (tokenizer_vocab.c) ---- */

typedef struct {
    uint64_t *key; /* 0: empty */
    int64_t *value;
    size_t mask;
} int_map;
void int_map_init(arena *a, int_map *m, size_t items);
void int_map_put(int_map *m, uint64_t key, int64_t value);
int64_t int_map_get(const int_map *m, uint64_t key); /* -1 */

typedef struct {
    int count;        /* one more than the largest id */
    str *text;        /* [count]; ptr NULL: no such id */
    int32_t *slot;    /* id + 1; 0: empty */
    size_t mask;
} vocab;
void vocab_init(arena *a, vocab *v, int count, size_t entries);
bool vocab_put(vocab *v, int id, str text, err *e); /* refuses an id or a text that is there; keeps the view */
int vocab_find(const vocab *v, str text);           /* -1 */

/* ---- models ---- */

typedef struct model_kind model_kind;
struct model_kind {
    const char *name;
    bool (*read)(tokenizer *t, const json *model, err *e);                               /* vocabulary and settings */
    void (*encode)(const tokenizer *t, str piece, const span *from, token_ids *out);     /* piece is not empty */
    void (*write)(const tokenizer *t, json_writer *w);                                   /* members of "model" but its type */
};
extern const model_kind model_bpe;

/* Byte-pair encoding, by ranked merges (Hugging Face) or by scores of tokens (SentencePiece, as llama.cpp). */
typedef struct {
    bool byte_fallback, ignore_merges, fuse_unk;
    int unk;             /* for what the vocabulary lacks; -1: left out */
    str prefix, suffix;  /* of symbols inside a word, and at its end */
    float *score;        /* [vocab.count]: by score; NULL: by merges */
    int_map merges;      /* (left << 32 | right) + 1 -> rank << 32 | id */
    int32_t (*pair)[2];  /* by rank */
    int pair_count;
    int byte_id[256];    /* <0xXX>; -1: none */
    int letter_id[1024]; /* of the first code points; -1: none */
} bpe;
bool bpe_add_merge(const tokenizer *t, bpe *b, int rank, str left, str right, err *e);
void bpe_index(const tokenizer *t, bpe *b);

/* ---- added tokens (tokenizer_added.c) ---- */

typedef struct {
    str text;
    int id;
    bool special, lstrip, rstrip, single_word, normalized;
} added_token;

typedef struct trie trie;
trie *trie_new(arena *a);
void trie_put(arena *a, trie *t, str text, int index);
int trie_match(const trie *t, str text, size_t at, size_t *length); /* index of the longest that begins there; -1 */

struct tokenizer {
    arena *arena;
    const char *name;
    int size;
    vocab words; /* the model's */
    const model_kind *model;
    bpe *bpe;    /* when the model is one */
    added_token *added;
    int added_count, added_room;
    int32_t *added_of; /* [size] index of the added token with this id; -1: none */
    trie *found_raw, *found_normalized;
    steps normalizers, pre_tokenizers;
    decoder_step *decoders;
    int decoder_count;
    int *before, *after; /* post-processor: ids around the text */
    int before_count, after_count;
    bool trim_offsets, trim_keeps_first; /* post-processor: spans without the spaces at their ends */
    str normalizer_json, pre_tokenizer_json, post_json, decoder_json; /* as read, for writing; empty: null */
    int bos, eos, pad, unk;
};

/* ---- making (tokenizer_load.c, tokenizer_post.c) ---- */

str text_keep(arena *a, str s);
tokenizer *tokenizer_begin(arena *a, const char *name);
/* Each reads a part and keeps its text; NULL is none. */
bool tokenizer_set_normalizer(tokenizer *t, const json *j, err *e);
bool tokenizer_set_pre_tokenizer(tokenizer *t, const json *j, err *e);
bool tokenizer_set_decoder(tokenizer *t, const json *j, err *e);
bool tokenizer_set_post(tokenizer *t, const json *j, err *e);
/* A template that puts bos in front and eos behind, each when it is not -1. */
bool tokenizer_set_bos_eos(tokenizer *t, int bos, int eos, err *e);
/* As Hugging Face adds tokens: the id is that of the same text, else the next free one. */
bool tokenizer_add_token(tokenizer *t, added_token add, err *e);
/* After the last token was added. */
bool tokenizer_finish(tokenizer *t, err *e);

/* GPT-2's alphabet: every byte as a printable character, and back (-1: not of it). */
int32_t byte_to_letter(int byte);
int letter_to_byte(int32_t letter);
/* llama.cpp's name of what the pre-tokenizers do; NULL: it has none. */
const char *tokenizer_pre_name(const tokenizer *t);
bool tokenizer_is_byte_level(const tokenizer *t);

void token_ids_put(token_ids *t, int32_t id, int32_t begin, int32_t end);

#endif
