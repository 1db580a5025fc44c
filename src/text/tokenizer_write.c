/* tokenizer_write.c - a tokenizer as tokenizer.json, tokenizer_config.json, or the vocabulary of a GGUF file. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

static void put_pair(json_writer *w, const char *key, const char *value) {
    json_key(w, key);
    json_put_cstr(w, value);
}

static void put_added(const tokenizer *t, json_writer *w) {
    json_key(w, "added_tokens"), json_open(w, '[');
    for (int id = 0; id < t->size; id++)
        for (int i = 0; i < t->added_count; i++) {
            const added_token *a = &t->added[i];
            if (a->id != id) continue;
            json_open(w, '{');
            json_key(w, "id"), json_put_int(w, a->id);
            json_key(w, "content"), json_put_text(w, a->text);
            json_key(w, "single_word"), json_put_bool(w, a->single_word);
            json_key(w, "lstrip"), json_put_bool(w, a->lstrip);
            json_key(w, "rstrip"), json_put_bool(w, a->rstrip);
            json_key(w, "normalized"), json_put_bool(w, a->normalized);
            json_key(w, "special"), json_put_bool(w, a->special);
            json_close(w);
        }
    json_close(w);
}

static void put_string_pattern(json_writer *w, const char *kind, const char *text) {
    json_key(w, "pattern"), json_open(w, '{');
    put_pair(w, kind, text);
    json_close(w);
}

/* Splits by the patterns, then bytes become letters. */
static void put_byte_level(const tokenizer *t, json_writer *w) {
    json_key(w, "normalizer"), json_put_null(w);
    json_key(w, "pre_tokenizer"), json_open(w, '{');
    put_pair(w, "type", "Sequence");
    json_key(w, "pretokenizers"), json_open(w, '[');
    for (int i = 0; i < t->pre_tokenizers.count; i++) {
        json_open(w, '{');
        put_pair(w, "type", "Split");
        put_string_pattern(w, "Regex", t->pre_tokenizers.item[i].pattern_text);
        put_pair(w, "behavior", "Isolated");
        json_key(w, "invert"), json_put_bool(w, false);
        json_close(w);
    }
    json_open(w, '{');
    put_pair(w, "type", "ByteLevel");
    json_key(w, "add_prefix_space"), json_put_bool(w, false);
    json_key(w, "trim_offsets"), json_put_bool(w, true);
    json_key(w, "use_regex"), json_put_bool(w, false);
    json_close(w);
    json_close(w);
    json_close(w);
    json_key(w, "decoder"), json_open(w, '{');
    put_pair(w, "type", "ByteLevel");
    json_key(w, "add_prefix_space"), json_put_bool(w, true);
    json_key(w, "trim_offsets"), json_put_bool(w, true);
    json_key(w, "use_regex"), json_put_bool(w, true);
    json_close(w);
}

static void put_replace(json_writer *w, const char *from, const char *to) {
    json_open(w, '{');
    put_pair(w, "type", "Replace");
    put_string_pattern(w, "String", from);
    put_pair(w, "content", to);
    json_close(w);
}

static void put_plain_kind(json_writer *w, const char *type) {
    json_open(w, '{');
    put_pair(w, "type", type);
    json_close(w);
}

static void put_sentence(const tokenizer *t, json_writer *w) {
    static const char mark[] = "\xE2\x96\x81";
    json_key(w, "normalizer"), json_open(w, '{');
    put_pair(w, "type", "Sequence");
    json_key(w, "normalizers"), json_open(w, '[');
    if (t->add_space_prefix) {
        json_open(w, '{');
        put_pair(w, "type", "Prepend");
        put_pair(w, "prepend", mark);
        json_close(w);
    }
    put_replace(w, " ", mark);
    json_close(w);
    json_close(w);
    json_key(w, "pre_tokenizer"), json_put_null(w);
    json_key(w, "decoder"), json_open(w, '{');
    put_pair(w, "type", "Sequence");
    json_key(w, "decoders"), json_open(w, '[');
    put_replace(w, mark, " ");
    put_plain_kind(w, "ByteFallback");
    put_plain_kind(w, "Fuse");
    if (t->add_space_prefix) {
        json_open(w, '{');
        put_pair(w, "type", "Strip");
        put_pair(w, "content", " ");
        json_key(w, "start"), json_put_int(w, 1);
        json_key(w, "stop"), json_put_int(w, 0);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

static void put_post(const tokenizer *t, json_writer *w) {
    json_key(w, "post_processor");
    if (!t->before_count && !t->after_count) {
        json_put_null(w);
        return;
    }
    json_open(w, '{');
    put_pair(w, "type", "TemplateProcessing");
    for (int pair = 0; pair < 2; pair++) {
        json_key(w, pair ? "pair" : "single"), json_open(w, '[');
        for (int part = 0; part <= pair; part++) {
            for (int i = 0; i < t->before_count + 1 + t->after_count; i++) {
                json_open(w, '{');
                json_key(w, i == t->before_count ? "Sequence" : "SpecialToken"), json_open(w, '{');
                json_key(w, "id");
                if (i == t->before_count) json_put_cstr(w, part ? "B" : "A");
                else json_put_text(w, t->shown[i < t->before_count ? t->before[i] : t->after[i - t->before_count - 1]]);
                json_key(w, "type_id"), json_put_int(w, part);
                json_close(w);
                json_close(w);
            }
        }
        json_close(w);
    }
    json_key(w, "special_tokens"), json_open(w, '{');
    for (int i = 0; i < t->before_count + t->after_count; i++) {
        const int id = i < t->before_count ? t->before[i] : t->after[i - t->before_count];
        const char *name = str_copy(t->arena, t->shown[id]);
        json_key(w, name), json_open(w, '{');
        put_pair(w, "id", name);
        json_key(w, "ids"), json_open(w, '['), json_put_int(w, id), json_close(w);
        json_key(w, "tokens"), json_open(w, '['), json_put_cstr(w, name), json_close(w);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

/* ---- merges of a scored vocabulary: every way to make a token of two, best score first ---------------------------------------------- */

typedef struct {
    int left, right;
    float score;
} made;

static int by_score(const void *a, const void *b) {
    const made *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->left != y->left ? x->left - y->left : x->right - y->right;
}

static made *scored_merges(const tokenizer *t, int *count) {
    size_t room = 1024;
    made *list = memory_alloc(room * sizeof *list);
    *count = 0;
    for (int id = 0; id < t->size; id++) {
        const str s = t->token[id];
        if (t->is_added[id] || (s.len == 6 && str_starts(s, STR("<0x")))) continue;
        for (size_t at = 1; at < s.len; at++) {
            const int l = tokenizer_match(t, str_slice(s, 0, at)), r = tokenizer_match(t, str_slice(s, at, s.len));
            if (l < 0 || r < 0 || t->is_added[l] || t->is_added[r]) continue;
            if ((size_t)*count == room) list = memory_resize(list, (room *= 2) * sizeof *list);
            list[(*count)++] = (made){l, r, t->score[id]};
        }
    }
    qsort(list, (size_t)*count, sizeof *list, by_score);
    return list;
}

static void put_merges(const tokenizer *t, json_writer *w) {
    json_key(w, "merges"), json_open(w, '[');
    if (t->by_score) {
        int count;
        made *list = scored_merges(t, &count);
        for (int i = 0; i < count; i++) {
            json_open(w, '[');
            json_put_text(w, t->shown[list[i].left]);
            json_put_text(w, t->shown[list[i].right]);
            json_close(w);
        }
        memory_release(list);
    } else
        for (int i = 0; i < t->merge_count; i++) json_put_text(w, t->merge_text[i]);
    json_close(w);
}

void tokenizer_write_json(const tokenizer *t, buf *out) {
    json_writer w = json_writer_on(out, true);
    json_open(&w, '{');
    put_pair(&w, "version", "1.0");
    json_key(&w, "truncation"), json_put_null(&w);
    json_key(&w, "padding"), json_put_null(&w);
    put_added(t, &w);
    if (t->byte_level) put_byte_level(t, &w);
    else put_sentence(t, &w);
    put_post(t, &w);
    json_key(&w, "model"), json_open(&w, '{');
    put_pair(&w, "type", "BPE");
    json_key(&w, "dropout"), json_put_null(&w);
    json_key(&w, "unk_token");
    if (t->unk >= 0) json_put_text(&w, t->shown[t->unk]);
    else json_put_null(&w);
    json_key(&w, "continuing_subword_prefix"), json_put_null(&w);
    json_key(&w, "end_of_word_suffix"), json_put_null(&w);
    json_key(&w, "fuse_unk"), json_put_bool(&w, t->fuse_unk);
    json_key(&w, "byte_fallback"), json_put_bool(&w, t->byte_fallback);
    json_key(&w, "ignore_merges"), json_put_bool(&w, t->ignore_merges);
    json_key(&w, "vocab"), json_open(&w, '{');
    for (int i = 0; i < t->size; i++)
        if (t->shown[i].ptr) json_key_str(&w, t->shown[i]), json_put_int(&w, i);
    json_close(&w);
    put_merges(t, &w);
    json_close(&w);
    json_close(&w);
    buf_put_char(out, '\n');
}

void tokenizer_write_config(const tokenizer *t, buf *out) {
    const struct {
        const char *key;
        int id;
    } names[] = {{"bos_token", t->bos}, {"eos_token", t->eos}, {"pad_token", t->pad}, {"unk_token", t->unk}};
    json_writer w = json_writer_on(out, true);
    json_open(&w, '{');
    put_pair(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_key(&w, "clean_up_tokenization_spaces"), json_put_bool(&w, false);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].id >= 0) json_key(&w, names[i].key), json_put_text(&w, t->shown[names[i].id]);
    json_close(&w);
    buf_put_char(out, '\n');
}

bool tokenizer_vocabulary(const tokenizer *t, arena *a, tokenizer_vocab *out, err *e) {
    const bool sentence = !t->byte_level;
    if (t->byte_level && !t->pre)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: llama.cpp has no name for this pre-tokenizer, so a GGUF file could not say what it does", t->name);
    if (sentence && !t->byte_fallback)
        return err_set(e, ERR_UNSUPPORTED, "%s: neither byte-level nor with byte fallback: GGUF has no such tokenizer", t->name);
    *out = (tokenizer_vocab){.model = sentence ? "llama" : "gpt2",
                             .pre = sentence ? "default" : t->pre,
                             .count = t->size,
                             .tokens = arena_array(a, str, t->size),
                             .types = arena_array(a, int32_t, t->size),
                             .bos = t->bos,
                             .eos = t->eos,
                             .unk = t->unk,
                             .pad = t->pad,
                             .merge_count = t->merge_count};
    if (sentence) out->scores = arena_array(a, float, t->size);
    for (int i = 0; i < t->size; i++) {
        out->tokens[i] = t->shown[i];
        const bool byte = sentence && t->shown[i].len == 6 && str_starts(t->shown[i], STR("<0x"));
        out->types[i] = i == t->unk && sentence ? 2
                        : t->is_added[i]        ? (t->special[i] ? 3 : 4)
                        : byte                  ? 6
                        : t->shown[i].ptr       ? 1
                                                : 5;
        if (sentence) out->scores[i] = t->score ? t->score[i] : t->is_added[i] || byte ? 0 : -(float)i;
    }
    out->merges = sentence ? NULL : t->merge_text;
    for (int i = 0; i < t->before_count; i++) out->add_bos |= t->before[i] == t->bos;
    for (int i = 0; i < t->after_count; i++) out->add_eos |= t->after[i] == t->eos;
    out->add_space_prefix =
        sentence && (t->add_space_prefix || (t->normalizers.count && strcmp(t->normalizers.item[0].kind->name, "Prepend") == 0));
    return true;
}
