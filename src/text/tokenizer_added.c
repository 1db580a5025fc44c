/* tokenizer_added.c - added tokens: a trie over their bytes, that finds the longest one that begins at a place. */
#include "text/tokenizer_parts.h"

typedef struct {
    int32_t child, next; /* first child, next sibling; 0: none */
    int32_t token;       /* index + 1 of the text that ends here; 0: none */
    unsigned char byte;
} node;

struct trie {
    node *node;
    int32_t count, room;
    int32_t first[256];
};

trie *trie_new(arena *a) {
    trie *t = arena_new_of(a, trie);
    t->count = 1; /* node 0 stands for none */
    t->room = 256;
    t->node = arena_array(a, node, t->room);
    return t;
}

static int32_t node_new(arena *a, trie *t, unsigned char byte) {
    if (t->count == t->room) {
        node *grown = arena_array(a, node, 2 * (size_t)t->room);
        for (int32_t i = 0; i < t->count; i++) grown[i] = t->node[i];
        t->node = grown;
        t->room *= 2;
    }
    t->node[t->count] = (node){.byte = byte};
    return t->count++;
}

/* Among siblings; a new one comes behind `before`, which is their parent when there is none yet. */
static int32_t child_of(arena *a, trie *t, int32_t parent, unsigned char byte) {
    int32_t at = parent ? t->node[parent].child : t->first[byte], last = 0;
    for (; at && t->node[at].byte != byte; at = t->node[at].next) last = at;
    if (at) return at;
    at = node_new(a, t, byte);
    if (last) t->node[last].next = at;
    else if (parent) t->node[parent].child = at;
    else t->first[byte] = at;
    return at;
}

void trie_put(arena *a, trie *t, str text, int index) {
    int32_t at = 0;
    for (size_t i = 0; i < text.len; i++) at = child_of(a, t, at, (unsigned char)text.ptr[i]);
    if (at) t->node[at].token = index + 1;
}

int trie_match(const trie *t, str text, size_t at, size_t *length) {
    int found = -1;
    int32_t n = t->first[(unsigned char)text.ptr[at]];
    for (size_t i = at; n; n = t->node[n].child) {
        while (n && t->node[n].byte != (unsigned char)text.ptr[i]) n = t->node[n].next;
        if (!n) break;
        i++;
        if (t->node[n].token) found = t->node[n].token - 1, *length = i - at;
        if (i == text.len) break;
    }
    return found;
}
