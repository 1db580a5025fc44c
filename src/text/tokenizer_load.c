/* tokenizer_load.c - making tokenizers: from tokenizer.json (with tokenizer_config.json) and from a GGUF vocabulary. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

enum { SIZE_MAX_TOKENS = 16 << 20 };

static str keep(arena *a, str s) { return (str){arena_copy(a, s.ptr ? s.ptr : "", s.len), s.len}; }

static tokenizer *begin(arena *a, const char *name, int size) {
    tokenizer *t = arena_new_of(a, tokenizer);
    *t = (tokenizer){.arena = a, .name = arena_text(a, name), .size = size, .unk = -1, .bos = -1, .eos = -1, .pad = -1};
    t->token = arena_array(a, str, size + 1);
    t->shown = arena_array(a, str, size + 1);
    t->decoded = arena_array(a, str, size + 1);
    t->special = arena_array(a, bool, size + 1);
    t->is_added = arena_array(a, bool, size + 1);
    return t;
}

static void add_token(tokenizer *t, added_token add) {
    added_token *a = &t->added[t->added_count++];
    *a = add;
    a->text = keep(t->arena, add.text);
    if (!t->shown[a->id].ptr) t->token[a->id] = a->text;
    t->shown[a->id] = a->text;
    t->special[a->id] = a->special;
    t->is_added[a->id] = true;
}

/* Tokens that are found in normalised text are looked for, and written, as the normalizers leave them. */
static void finish(tokenizer *t) {
    for (int i = 0; i < t->added_count; i++) {
        added_token *a = &t->added[i];
        a->found = a->normalized && t->normalizers.count ? tokenizer_normalized(t, t->arena, a->text) : a->text;
        if (!str_eq(a->found, a->text)) t->decoded[a->id] = a->found;
    }
    t->found_raw = trie_new(t->arena, t->added, t->added_count, false);
    t->found_normalized = trie_new(t->arena, t->added, t->added_count, true);
}

/* ---- tokenizer.json: vocabulary -------------------------------------------------------------------------------------------------- */

static bool read_id(const json *v, const char *what, int *id, err *e) {
    const int64_t n = json_int(v, -1);
    if (json_kind_of(v) != JSON_INT || n < 0 || n >= SIZE_MAX_TOKENS)
        return err_set(e, ERR_INPUT, "the id of token '%s' should be a number from 0 to %d", what, SIZE_MAX_TOKENS - 1);
    *id = (int)n;
    return true;
}

/* The largest id bounds every array, and ids are nearly without gaps: a file cannot claim more than it has entries for. */
static bool count_ids(const json *vocab, const json *added, int *size, err *e) {
    json_member m = {0};
    int id = -1, largest = -1;
    while (json_next(vocab, &m)) {
        if (!read_id(m.value, m.key, &id, e)) return false;
        largest = id > largest ? id : largest;
    }
    for (size_t i = 0; i < json_count(added); i++) {
        if (!read_id(json_get(json_at(added, i), "id"), "added", &id, e)) return false;
        largest = id > largest ? id : largest;
    }
    const size_t entries = json_count(vocab) + json_count(added);
    if (largest < 0) return err_set(e, ERR_INPUT, "the vocabulary is empty");
    if ((size_t)largest > 4 * entries + 65536)
        return err_set(e, ERR_INPUT, "the largest id is %d, but there are only %zu tokens", largest, entries);
    *size = largest + 1;
    return true;
}

static bool uses_bytes(const json *steps_of, const char *list) {
    if (str_is(json_get_text(steps_of, "type", STR("")), "ByteLevel")) return true;
    const json *l = json_get(steps_of, list);
    for (size_t i = 0; i < json_count(l); i++)
        if (uses_bytes(json_at(l, i), list)) return true;
    return false;
}

static bool read_vocab(tokenizer *t, const json *vocab, err *e) {
    json_member m = {0};
    while (json_next(vocab, &m)) {
        const int id = (int)json_int(m.value, 0);
        if (t->shown[id].ptr)
            return err_set(e, ERR_INPUT, "tokens '%s' and '%.*s' have the same id %d", m.key, STR_ARG(t->shown[id]), id);
        t->shown[id] = keep(t->arena, json_key_text(t->arena, m.key));
        t->token[id] = t->byte_level ? letters_to_bytes(t->arena, t->shown[id]) : t->shown[id];
    }
    return true;
}

static bool read_added(tokenizer *t, const json *list, err *e) {
    t->added = arena_array(t->arena, added_token, json_count(list) + 8);
    for (size_t i = 0; i < json_count(list); i++) {
        const json *a = json_at(list, i);
        str text;
        int id = -1;
        if (!json_want_text(a, "content", &text, e) || !read_id(json_get(a, "id"), "added", &id, e))
            return err_prefix(e, "added_tokens[%zu]", i);
        add_token(t, (added_token){text,
                                   id,
                                   json_get_bool(a, "special", false),
                                   json_get_bool(a, "lstrip", false),
                                   json_get_bool(a, "rstrip", false),
                                   json_get_bool(a, "single_word", false),
                                   json_get_bool(a, "normalized", !json_get_bool(a, "special", false)),
                                   {NULL, 0}});
    }
    return true;
}

/* tokenizer_config.json has the last word on how a token is found, as in transformers. */
static void override_added(tokenizer *t, const json *list) {
    json_member m = {0};
    while (json_next(list, &m))
        for (int i = 0; i < t->added_count; i++) {
            added_token *a = &t->added[i];
            if (!str_eq(a->text, json_get_text(m.value, "content", STR("")))) continue;
            a->lstrip = json_get_bool(m.value, "lstrip", a->lstrip);
            a->rstrip = json_get_bool(m.value, "rstrip", a->rstrip);
            a->single_word = json_get_bool(m.value, "single_word", a->single_word);
            a->normalized = json_get_bool(m.value, "normalized", a->normalized);
            a->special = t->special[a->id] = json_get_bool(m.value, "special", a->special);
        }
}

static bool read_merge(tokenizer *t, const json *m, int rank, err *e) {
    str left = json_text(json_at(m, 0), STR("")), right = json_text(json_at(m, 1), STR(""));
    if (json_kind_of(m) == JSON_STRING) {
        const str both = json_text(m, STR(""));
        const ptrdiff_t space = str_find(both, STR(" "), 1);
        if (space < 0) return err_set(e, ERR_INPUT, "merge %d: '%.*s' has no two parts", rank, STR_ARG(both));
        left = str_slice(both, 0, (size_t)space);
        right = str_slice(both, (size_t)space + 1, both.len);
    }
    if (!left.len || !right.len) return err_set(e, ERR_INPUT, "merge %d has no two parts", rank);
    t->merge_text[rank] = str_join(t->arena, left, str_join(t->arena, STR(" "), right));
    arena *a = arena_new();
    const bool ok = t->byte_level ? tokenizer_add_merge(t, letters_to_bytes(a, left), letters_to_bytes(a, right), rank, e)
                                  : tokenizer_add_merge(t, left, right, rank, e);
    arena_free(a);
    return ok;
}

static bool read_bpe(tokenizer *t, const json *model, err *e) {
    const json *merges = json_get(model, "merges");
    t->byte_fallback = json_get_bool(model, "byte_fallback", false);
    t->ignore_merges = json_get_bool(model, "ignore_merges", false);
    t->fuse_unk = json_get_bool(model, "fuse_unk", false);
    t->subword_prefix = keep(t->arena, json_get_text(model, "continuing_subword_prefix", STR("")));
    t->suffix = keep(t->arena, json_get_text(model, "end_of_word_suffix", STR("")));
    const str unk = json_get_text(model, "unk_token", STR(""));
    if (unk.len) t->unk = tokenizer_id(t, unk);
    t->merge_count = (int)json_count(merges);
    t->merge_text = arena_array(t->arena, str, t->merge_count + 1);
    int_map_init(t->arena, &t->merges, (size_t)t->merge_count + 1);
    for (int i = 0; i < t->merge_count; i++)
        if (!read_merge(t, json_at(merges, (size_t)i), i, e)) return false;
    return true;
}

/* ---- post-processors: ids before and after the text --------------------------------------------------------------------------------- */

static void put_id(arena *a, int **list, int *count, int id) {
    int *grown = arena_array(a, int, *count + 1);
    if (*count) memcpy(grown, *list, (size_t)*count * sizeof *grown);
    grown[(*count)++] = id;
    *list = grown;
}

static bool read_template(tokenizer *t, const json *j, err *e) {
    const json *single = json_get(j, "single"), *specials = json_get(j, "special_tokens");
    bool seen = false;
    for (size_t i = 0; i < json_count(single); i++) {
        const json *item = json_at(single, i), *s = json_get(item, "SpecialToken");
        if (json_has(item, "Sequence")) {
            seen = true;
            continue;
        }
        const char *name = str_copy(t->arena, json_get_text(s, "id", STR("")));
        const json *ids = json_get(json_get(specials, name), "ids");
        if (!json_count(ids)) return err_set(e, ERR_INPUT, "post_processor: special token '%s' has no ids", name);
        for (size_t k = 0; k < json_count(ids); k++) {
            const int64_t id = json_int(json_at(ids, k), -1);
            if (id < 0 || id >= t->size)
                return err_set(e, ERR_INPUT, "post_processor: id %lld of '%s' is no token", (long long)id, name);
            if (seen) put_id(t->arena, &t->after, &t->after_count, (int)id);
            else put_id(t->arena, &t->before, &t->before_count, (int)id);
        }
    }
    return true;
}

static bool read_post(tokenizer *t, const json *j, err *e) {
    const str type = json_get_text(j, "type", STR(""));
    if (!j || str_is(type, "ByteLevel")) return true;
    if (str_is(type, "TemplateProcessing")) return read_template(t, j, e);
    if (str_is(type, "RobertaProcessing") || str_is(type, "BertProcessing")) {
        put_id(t->arena, &t->before, &t->before_count, (int)json_int(json_at(json_get(j, "cls"), 1), 0));
        put_id(t->arena, &t->after, &t->after_count, (int)json_int(json_at(json_get(j, "sep"), 1), 0));
        return true;
    }
    if (!str_is(type, "Sequence")) return err_set(e, ERR_UNSUPPORTED, "post_processor: kind '%.*s' is not here", STR_ARG(type));
    const json *list = json_get(j, "processors");
    for (size_t i = 0; i < json_count(list); i++)
        if (!read_post(t, json_at(list, i), e)) return false;
    return true;
}

/* ---- decoders ------------------------------------------------------------------------------------------------------------------------- */

static bool read_decoder(tokenizer *t, const json *j, err *e) {
    static const struct {
        const char *name;
        decode_what what;
    } kinds[] = {{"Replace", DECODE_REPLACE},    {"ByteFallback", DECODE_BYTES},  {"Fuse", DECODE_FUSE},
                 {"Strip", DECODE_STRIP},        {"Metaspace", DECODE_METASPACE}, {"ByteLevel", DECODE_BYTE_LEVEL},
                 {"WordPiece", DECODE_WORDPIECE}};
    const str type = json_get_text(j, "type", STR(""));
    if (!j) return true;
    if (str_is(type, "Sequence")) {
        const json *list = json_get(j, "decoders");
        for (size_t i = 0; i < json_count(list); i++)
            if (!read_decoder(t, json_at(list, i), e)) return false;
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!str_is(type, kinds[i].name)) continue;
        const json *pattern = json_get(j, "pattern");
        decode_step *d = &t->decoders[t->decoder_count];
        if (t->decoder_count++ == 16) return err_set(e, ERR_LIMIT, "decoder: more than 16 steps");
        *d = (decode_step){
            .what = kinds[i].what, .start = (int)json_get_int(j, "start", 0), .stop = (int)json_get_int(j, "stop", 0)};
        d->content = keep(t->arena, d->what == DECODE_REPLACE     ? json_get_text(pattern, "String", STR(""))
                                    : d->what == DECODE_METASPACE ? json_get_text(j, "replacement", STR("\xE2\x96\x81"))
                                    : d->what == DECODE_WORDPIECE ? json_get_text(j, "prefix", STR("##"))
                                                                  : json_get_text(j, "content", STR("")));
        d->with = keep(t->arena, json_get_text(j, "content", STR("")));
        d->flag = !str_is(json_get_text(j, "prepend_scheme", STR("always")), "never");
        return true;
    }
    return err_set(e, ERR_UNSUPPORTED, "decoder: kind '%.*s' is not here", STR_ARG(type));
}

/* ---- names of special tokens ----------------------------------------------------------------------------------------------------------- */

/* A text, or an object with "content". */
static int named(const tokenizer *t, const json *config, const char *key) {
    const json *v = json_get(config, key);
    const str text = json_kind_of(v) == JSON_OBJECT ? json_get_text(v, "content", STR("")) : json_text(v, STR(""));
    return text.len ? tokenizer_id(t, text) : -1;
}

/* Patterns of pre-tokenizers as llama.cpp names them: what a GGUF file says in tokenizer.ggml.pre. */
#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
static const struct {
    const char *name;
    const char *patterns[4];
    bool ignore_merges;
} pre_names[] = {
    {"smollm", {"\\p{N}", GPT2_PATTERN}, false},
    {"gpt-2", {GPT2_PATTERN}, false},
    {"llama-bpe",
     {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     true},
    {"qwen2",
     {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     false},
    {"starcoder", {"\\p{N}", GPT2_PATTERN}, false},
    {"mpt", {GPT2_PATTERN}, false},
    {"olmo", {GPT2_PATTERN}, false},
    {"refact", {"\\p{N}", GPT2_PATTERN}, false},
    {"command-r", {"\\p{N}", GPT2_PATTERN}, false},
    {"codeshell", {"\\p{N}", GPT2_PATTERN}, false},
    {"llama3",
     {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     true},
    {"stablelm2",
     {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     false},
    {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_PATTERN, "\\p{N}+", "[0-9][0-9][0-9]"}, false},
};

/* Which of these rows does what the steps of a tokenizer.json do; NULL: none. */
static const char *pre_name_of(const steps *s) {
    const char *found[4] = {0};
    int n = 0;
    for (int i = 0; i < s->count && n < 4; i++) {
        const step *p = &s->item[i];
        if (strcmp(p->kind->name, "Digits") == 0) found[n++] = p->flag ? "\\p{N}" : "\\p{N}+";
        else if (strcmp(p->kind->name, "Split") == 0) found[n++] = p->pattern_text;
        else if (strcmp(p->kind->name, "ByteLevel") != 0 || p->flag) return NULL;
        else if (p->other) found[n++] = GPT2_PATTERN;
    }
    for (size_t i = 0; i < sizeof pre_names / sizeof *pre_names; i++) {
        bool same = true;
        for (int k = 0; k < 4 && same; k++) {
            const char *a = k < n ? found[k] : NULL, *b = pre_names[i].patterns[k];
            same = a && b ? strcmp(a, b) == 0 : a == b;
        }
        if (same) return pre_names[i].name;
    }
    return NULL;
}

static tokenizer *build(arena *a, const json *j, const json *config, const char *name, err *e) {
    const json *model = json_get(j, "model"), *vocab = json_get(model, "vocab"), *added = json_get(j, "added_tokens");
    const str type = json_get_text(model, "type", json_has(model, "merges") ? STR("BPE") : STR("?"));
    int size = 0;
    if (!str_is(type, "BPE"))
        return err_null(e, ERR_UNSUPPORTED,
                        "model type '%.*s' is not here; BPE is (byte-level, and SentencePiece with byte fallback)",
                        STR_ARG(type));
    if (json_kind_of(vocab) != JSON_OBJECT)
        return err_null(e, ERR_INPUT, "model.vocab should be an object, it is %s", json_kind_name(json_kind_of(vocab)));
    if (!count_ids(vocab, added, &size, e)) return NULL;
    tokenizer *t = begin(a, name, size);
    t->decoders = arena_array(a, decode_step, 17);
    t->byte_level =
        uses_bytes(json_get(j, "pre_tokenizer"), "pretokenizers") || uses_bytes(json_get(j, "normalizer"), "normalizers");
    if (!read_vocab(t, vocab, e) || !read_added(t, added, e)) return NULL;
    tokenizer_index(t);
    if (!read_bpe(t, model, e) || !steps_read(a, json_get(j, "normalizer"), normalizer_kinds, "normalizer", &t->normalizers, e) ||
        !steps_read(a, json_get(j, "pre_tokenizer"), pre_tokenizer_kinds, "pre_tokenizer", &t->pre_tokenizers, e) ||
        !read_post(t, json_get(j, "post_processor"), e) || !read_decoder(t, json_get(j, "decoder"), e))
        return NULL;
    override_added(t, json_get(config, "added_tokens_decoder"));
    finish(t);
    t->pre = t->byte_level ? pre_name_of(&t->pre_tokenizers) : NULL;
    t->bos = named(t, config, "bos_token");
    t->eos = named(t, config, "eos_token");
    t->pad = named(t, config, "pad_token");
    if (t->unk < 0) t->unk = named(t, config, "unk_token");
    return t;
}

tokenizer *tokenizer_from_json(arena *a, str text, str config, const char *name, err *e) {
    arena *scratch = arena_new();
    const json *c = NULL, *j = json_parse(scratch, text, e);
    tokenizer *t = NULL;
    if (j && (!config.len || (c = json_parse(scratch, config, e)))) t = build(a, j, c, name, e);
    if (!t) err_prefix(e, "%s: tokenizer", name);
    arena_free(scratch);
    return t;
}

/* ---- from GGUF -------------------------------------------------------------------------------------------------------------------------- */

static bool add_pattern(tokenizer *t, const char *pattern, err *e) {
    json *p = json_new_object(t->arena), *s = json_new_object(t->arena);
    json_set(p, "Regex", json_new_text(t->arena, str_of(pattern)));
    json_set(s, "pattern", p);
    json_set(s, "behavior", json_new_text(t->arena, STR("Isolated")));
    return steps_add(t->arena, &t->pre_tokenizers, pre_tokenizer_kinds, "Split", s, e);
}

static bool byte_level_steps(tokenizer *t, const char *pre, err *e) {
    for (size_t i = 0; i < sizeof pre_names / sizeof *pre_names; i++) {
        if (strcmp(pre_names[i].name, pre && *pre ? pre : "default") != 0) continue;
        t->pre = pre_names[i].name;
        t->ignore_merges = pre_names[i].ignore_merges;
        for (int k = 0; k < 4 && pre_names[i].patterns[k]; k++)
            if (!add_pattern(t, pre_names[i].patterns[k], e)) return false;
        return true;
    }
    return err_set(e, ERR_UNSUPPORTED, "pre-tokenizer '%s' is not here", pre);
}

static bool sentence_steps(tokenizer *t, const tokenizer_vocab *v, err *e) {
    json *j = json_new_object(t->arena), *p = json_new_object(t->arena);
    json_set(j, "prepend", json_new_text(t->arena, STR("\xE2\x96\x81")));
    json_set(p, "String", json_new_text(t->arena, STR(" ")));
    json_set(j, "pattern", p);
    json_set(j, "content", json_new_text(t->arena, STR("\xE2\x96\x81")));
    t->by_score = t->byte_fallback = t->fuse_unk = true;
    t->add_space_prefix = v->add_space_prefix;
    t->decoders[t->decoder_count++] = (decode_step){.what = DECODE_REPLACE, .content = STR("\xE2\x96\x81"), .with = STR(" ")};
    t->decoders[t->decoder_count++] = (decode_step){.what = DECODE_BYTES};
    t->decoders[t->decoder_count++] = (decode_step){.what = DECODE_FUSE};
    if (v->add_space_prefix)
        t->decoders[t->decoder_count++] = (decode_step){.what = DECODE_STRIP, .content = STR(" "), .start = 1};
    return (!v->add_space_prefix || steps_add(t->arena, &t->normalizers, normalizer_kinds, "Prepend", j, e)) &&
           steps_add(t->arena, &t->normalizers, normalizer_kinds, "Replace", j, e);
}

static bool vocab_merges(tokenizer *t, const tokenizer_vocab *v, err *e) {
    t->merge_count = v->merge_count;
    t->merge_text = arena_array(t->arena, str, v->merge_count + 1);
    int_map_init(t->arena, &t->merges, (size_t)v->merge_count + 1);
    for (int i = 0; i < v->merge_count; i++) {
        const ptrdiff_t space = str_find(v->merges[i], STR(" "), 1);
        if (space < 0) return err_set(e, ERR_INPUT, "merge %d: '%.*s' has no two parts", i, STR_ARG(v->merges[i]));
        t->merge_text[i] = keep(t->arena, v->merges[i]);
        arena *a = arena_new();
        const bool ok =
            tokenizer_add_merge(t, letters_to_bytes(a, str_slice(v->merges[i], 0, (size_t)space)),
                                letters_to_bytes(a, str_slice(v->merges[i], (size_t)space + 1, v->merges[i].len)), i, e);
        arena_free(a);
        if (!ok) return false;
    }
    return true;
}

tokenizer *tokenizer_from_vocab(arena *a, const tokenizer_vocab *v, err *e) {
    enum { UNKNOWN = 2, CONTROL = 3, USER = 4 };
    const bool sentence = strcmp(v->model, "llama") == 0;
    if (!sentence && strcmp(v->model, "gpt2") != 0)
        return err_null(e, ERR_UNSUPPORTED, "tokenizer model '%s' is not here; gpt2 and llama are", v->model);
    if (sentence && !v->scores) return err_null(e, ERR_INPUT, "a SentencePiece vocabulary needs scores (tokenizer.ggml.scores)");
    tokenizer *t = begin(a, "GGUF vocabulary", v->count);
    t->decoders = arena_array(a, decode_step, 17);
    t->added = arena_array(a, added_token, v->count + 1);
    t->byte_level = !sentence;
    for (int i = 0; i < v->count; i++) {
        const int type = v->types ? v->types[i] : 1;
        t->shown[i] = keep(a, v->tokens[i]);
        t->token[i] = t->byte_level ? letters_to_bytes(a, t->shown[i]) : t->shown[i];
        if (type == CONTROL || type == USER || (type == UNKNOWN && sentence))
            add_token(t, (added_token){.text = t->shown[i], .id = i, .special = type != USER});
    }
    if (v->scores) t->score = memcpy(arena_array(a, float, v->count + 1), v->scores, (size_t)v->count * sizeof(float));
    t->unk = v->unk < v->count ? v->unk : -1;
    t->bos = v->bos < v->count ? v->bos : -1;
    t->eos = v->eos < v->count ? v->eos : -1;
    t->pad = v->pad < v->count ? v->pad : -1;
    if (v->add_bos && t->bos >= 0) put_id(a, &t->before, &t->before_count, t->bos);
    if (v->add_eos && t->eos >= 0) put_id(a, &t->after, &t->after_count, t->eos);
    tokenizer_index(t);
    if (!(sentence ? sentence_steps(t, v, e) : vocab_merges(t, v, e) && byte_level_steps(t, v->pre, e))) return NULL;
    finish(t);
    return t;
}
