/* tokenizer.c - encoding and decoding with a made tokenizer (contract: tokenizer.h). */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_parts.h"

void token_ids_free(token_ids *t) {
    memory_release(t->ids);
    memory_release(t->begin);
    memory_release(t->end);
    *t = (token_ids){0};
}

void token_ids_put(token_ids *t, int32_t id, int32_t begin, int32_t end) {
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->ids = memory_resize(t->ids, t->room * sizeof *t->ids);
        t->begin = memory_resize(t->begin, t->room * sizeof *t->begin);
        t->end = memory_resize(t->end, t->room * sizeof *t->end);
    }
    t->ids[t->count] = id;
    t->begin[t->count] = begin;
    t->end[t->count++] = end;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------------------------------- */

static void run_steps(const steps *s, pieces *p) {
    for (int i = 0; i < s->count; i++) {
        pieces out = {.first = p->first};
        s->item[i].kind->run(&s->item[i], p, &out);
        if (!out.origin) pieces_put(&out, "", 0, 0, false);
        out.origin[out.text.len] = p->origin[p->text.len];
        if (!out.text.ptr) buf_reserve(&out.text, 1);
        pieces_free(p);
        *p = out;
    }
}

static pieces pieces_of(str text, int32_t at, bool first) {
    pieces p = {.first = first};
    pieces_put(&p, text.ptr, text.len, at, true);
    p.origin[text.len] = at + (int32_t)text.len;
    return p;
}

static bool is_word_letter(str text, size_t at, bool before) {
    int32_t code;
    if (before) {
        if (!at) return false;
        do at--;
        while (at && ((unsigned char)text.ptr[at] & 0xC0) == 0x80);
    } else if (at >= text.len) return false;
    utf8_next(text, at, &code);
    return code == '_' || unicode_is_letter(code) || unicode_is_digit(code);
}

/* Cuts [begin, end) of p at added tokens of this trie and gives the spans between them to `rest`. */
typedef void (*between)(const tokenizer *t, const pieces *p, size_t begin, size_t end, token_ids *out);

static void cut_at_added(const tokenizer *t, const struct trie *found, const pieces *p, size_t begin, size_t end, between rest,
                         token_ids *out) {
    const str text = buf_str(&p->text);
    size_t plain = begin;
    for (size_t i = begin; i < end;) {
        const int k = trie_match(found, str_slice(text, 0, end), i);
        if (k < 0) {
            i++;
            continue;
        }
        const added_token *a = &t->added[k];
        size_t from = i, to = i + a->found.len;
        if (a->single_word && (is_word_letter(text, from, true) || is_word_letter(text, to, false))) {
            i++;
            continue;
        }
        int32_t code;
        while (a->lstrip && from > plain) {
            size_t at = from - 1;
            while (at > plain && ((unsigned char)text.ptr[at] & 0xC0) == 0x80) at--;
            utf8_next(text, at, &code);
            if (!unicode_is_space(code)) break;
            from = at;
        }
        for (size_t n; a->rstrip && to < end; to += n) {
            n = utf8_next(text, to, &code);
            if (!unicode_is_space(code)) break;
        }
        if (from > plain) rest(t, p, plain, from, out);
        token_ids_put(out, a->id, p->origin[from], p->origin[to]);
        plain = i = to;
    }
    if (plain < end) rest(t, p, plain, end, out);
}

static void encode_plain(const tokenizer *t, const pieces *p, size_t begin, size_t end, token_ids *out) {
    pieces part = pieces_of(str_slice(buf_str(&p->text), begin, end), 0, p->first && begin == 0);
    memcpy(part.origin, p->origin + begin, (end - begin + 1) * sizeof *part.origin);
    pieces_cut(&part, part.text.len);
    run_steps(&t->pre_tokenizers, &part);
    size_t at = 0;
    for (size_t c = 0; c < part.cuts; at = part.cut[c++])
        model_tokens(t, (str){part.text.ptr + at, part.cut[c] - at}, part.origin + at, out);
    pieces_free(&part);
}

static void encode_section(const tokenizer *t, const pieces *p, size_t begin, size_t end, token_ids *out) {
    pieces part = pieces_of(str_slice(buf_str(&p->text), begin, end), (int32_t)p->origin[begin], p->first && begin == 0);
    run_steps(&t->normalizers, &part);
    cut_at_added(t, t->found_normalized, &part, 0, part.text.len, encode_plain, out);
    pieces_free(&part);
}

str tokenizer_normalized(const tokenizer *t, arena *a, str text) {
    pieces p = pieces_of(text, 0, true);
    run_steps(&t->normalizers, &p);
    const str out = {str_copy(a, buf_str(&p.text)), p.text.len};
    pieces_free(&p);
    return out;
}

bool tokenizer_encode(const tokenizer *t, str text, bool special, token_ids *out, err *e) {
    buf clean = {0};
    if (text.len > INT32_MAX / 2) return err_set(e, ERR_LIMIT, "a text of %zu bytes is too long to tokenise at once", text.len);
    if (!utf8_valid(text)) {
        utf8_lossy(&clean, text);
        text = buf_str(&clean);
    }
    for (int i = 0; special && i < t->before_count; i++) token_ids_put(out, t->before[i], 0, 0);
    pieces p = pieces_of(text, 0, true);
    cut_at_added(t, t->found_raw, &p, 0, text.len, encode_section, out);
    pieces_free(&p);
    for (int i = 0; special && i < t->after_count; i++) token_ids_put(out, t->after[i], 0, 0);
    buf_free(&clean);
    return true;
}

/* ---- decoding ------------------------------------------------------------------------------------------------------------------------------ */

/* <0xXX> -> the byte; -1: another token */
static int byte_of(str token) {
    if (token.len != 6 || memcmp(token.ptr, "<0x", 3) != 0 || token.ptr[5] != '>') return -1;
    char *end, digits[3] = {token.ptr[3], token.ptr[4], 0};
    const long v = strtol(digits, &end, 16);
    return *end ? -1 : (int)v;
}

static void put_replaced(buf *out, str s, str content, str with) {
    size_t at = 0;
    for (ptrdiff_t found; content.len && (found = str_find(s, content, at)) >= 0; at = (size_t)found + content.len) {
        buf_put(out, s.ptr + at, (size_t)found - at);
        buf_put_str(out, with);
    }
    buf_put(out, s.ptr + at, s.len - at);
}

static bool has_step(const tokenizer *t, decode_what what) {
    for (int i = 0; i < t->decoder_count; i++)
        if (t->decoders[i].what == what) return true;
    return false;
}

/* One token through the decoders that work token by token. */
static void put_token(const tokenizer *t, int id, bool first, bool bytes, buf *out) {
    if (t->byte_level && !t->is_added[id]) {
        buf_put_str(out, t->token[id]);
        return;
    }
    const int byte = bytes ? byte_of(t->shown[id]) : -1;
    if (byte >= 0) {
        buf_put_char(out, (char)byte);
        return;
    }
    buf now = {0}, next = {0};
    buf_put_str(&now, t->decoded[id].ptr ? t->decoded[id] : t->shown[id]);
    for (int i = 0; i < t->decoder_count; i++) {
        const decode_step *d = &t->decoders[i];
        buf_clear(&next);
        str s = buf_str(&now);
        if (d->what == DECODE_REPLACE) put_replaced(&next, s, d->content, d->with);
        else if (d->what == DECODE_METASPACE) {
            if (first && d->flag && str_starts(s, d->content)) s = str_slice(s, d->content.len, s.len);
            put_replaced(&next, s, d->content, STR(" "));
        } else if (d->what == DECODE_WORDPIECE) {
            if (!first && str_starts(s, d->content)) s = str_slice(s, d->content.len, s.len);
            else if (!first) buf_put_char(&next, ' ');
            buf_put_str(&next, s);
        } else continue;
        const buf swap = now;
        now = next;
        next = swap;
    }
    buf_put_str(out, buf_str(&now));
    buf_free(&now);
    buf_free(&next);
}

/* All tokens as bytes: characters may be broken. */
static void decode_bytes(const tokenizer *t, const int32_t *ids, int count, bool skip_special, buf *out) {
    const bool bytes = has_step(t, DECODE_BYTES);
    const size_t begin = out->len;
    bool first = true;
    for (int i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= t->size || !t->shown[ids[i]].ptr || (skip_special && t->special[ids[i]])) continue;
        put_token(t, ids[i], first, bytes, out);
        first = false;
    }
    for (int i = 0; i < t->decoder_count; i++) { /* Strip behind Fuse: of the whole text */
        const decode_step *d = &t->decoders[i];
        if (d->what != DECODE_STRIP) continue;
        size_t n = 0;
        while (n < (size_t)d->start && str_starts(str_slice(buf_str(out), begin + n * d->content.len, out->len), d->content)) n++;
        n *= d->content.len;
        if (!n) continue;
        memmove(out->ptr + begin, out->ptr + begin + n, out->len - begin - n);
        out->len -= n;
        if (out->ptr) out->ptr[out->len] = 0;
    }
}

void tokenizer_decode(const tokenizer *t, const int32_t *ids, int count, bool skip_special, buf *out) {
    buf raw = {0};
    decode_bytes(t, ids, count, skip_special, &raw);
    utf8_lossy(out, buf_str(&raw));
    buf_free(&raw);
}

void tokenizer_put_bytes(const tokenizer *t, int id, buf *out) {
    if (id >= 0 && id < t->size && t->shown[id].ptr) put_token(t, id, false, has_step(t, DECODE_BYTES), out);
}

/* ---- streaming: the text of a short window of tokens, before and after the newest ---------------------------------------------------- */

struct stream_decoder {
    const tokenizer *t;
    bool skip_special;
    token_ids kept;
    size_t told; /* tokens whose text is out; those before them are kept for context */
};

stream_decoder *stream_decoder_new(const tokenizer *t, bool skip_special) {
    stream_decoder *d = memory_alloc(sizeof *d);
    *d = (stream_decoder){.t = t, .skip_special = skip_special};
    return d;
}

void stream_decoder_free(stream_decoder *d) {
    if (!d) return;
    token_ids_free(&d->kept);
    memory_release(d);
}

/* Length of an unfinished character at the end. */
static size_t unfinished(str s) {
    for (size_t n = 1; n <= 3 && n <= s.len; n++) {
        const unsigned c = (unsigned char)s.ptr[s.len - n];
        if ((c & 0xC0) == 0x80) continue;
        return (c >= 0xF0 && n < 4) || (c >= 0xE0 && n < 3) || (c >= 0xC0 && n < 2) ? n : 0;
    }
    return 0;
}

static void tell(stream_decoder *d, buf *out, bool all) {
    buf before = {0}, now = {0};
    decode_bytes(d->t, d->kept.ids, (int)d->told, d->skip_special, &before);
    decode_bytes(d->t, d->kept.ids, (int)d->kept.count, d->skip_special, &now);
    const str text = buf_str(&now);
    if (all || !unfinished(text)) {
        if (now.len > before.len) utf8_lossy(out, str_slice(text, before.len, text.len));
        const size_t keep = d->kept.count - d->told; /* the newest become the context of the next */
        memmove(d->kept.ids, d->kept.ids + d->told, keep * sizeof *d->kept.ids);
        d->kept.count = d->told = keep;
    }
    buf_free(&before);
    buf_free(&now);
}

void stream_decoder_push(stream_decoder *d, int32_t id, buf *out) {
    token_ids_put(&d->kept, id, 0, 0);
    tell(d, out, false);
}

void stream_decoder_flush(stream_decoder *d, buf *out) {
    if (d->kept.count > d->told) tell(d, out, true);
}

/* ---- what it holds --------------------------------------------------------------------------------------------------------------------------- */

int tokenizer_size(const tokenizer *t) { return t->size; }

int tokenizer_id(const tokenizer *t, str token) {
    for (int i = 0; i < t->added_count; i++)
        if (str_eq(t->added[i].text, token)) return t->added[i].id;
    if (!t->byte_level) return tokenizer_match(t, token);
    arena *a = arena_new();
    const int id = tokenizer_match(t, letters_to_bytes(a, token));
    arena_free(a);
    return id;
}

str tokenizer_token(const tokenizer *t, int id) { return id >= 0 && id < t->size ? t->shown[id] : (str){NULL, 0}; }
bool tokenizer_is_special(const tokenizer *t, int id) { return id >= 0 && id < t->size && t->special[id]; }
int tokenizer_bos(const tokenizer *t) { return t->bos; }
int tokenizer_eos(const tokenizer *t) { return t->eos; }
int tokenizer_pad(const tokenizer *t) { return t->pad; }
int tokenizer_unk(const tokenizer *t) { return t->unk; }
