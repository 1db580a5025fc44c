/* format_open_assistant.c - trees of messages as Open Assistant publishes them: a first message of a prompter, and replies to replies,
 * the assistant's ranked by people (rank 0 is the best).
 *
 *      prompter ─┬─ assistant, rank 0 ── prompter ─┬─ assistant, rank 0     open-assistant: the best answers all the way down, one
 *                │                                 └─ assistant, rank 1     conversation a tree
 *                └─ assistant, rank 1                                        open-assistant-pairs: every two ranked answers to the
 *                                                                            same message, the better one chosen
 *
 * A row is a tree ({"message_tree_id", "prompt": {...}}) or its first message. Deleted messages are left out with what follows them. */
#include "data/format.h"

enum { DEPTH = 40, RANKED_MAX = 16 }; /* JSON of depth 64 holds no deeper tree; of more answers the first 16 are compared */

static json *root_of(json *row) { return json_has(row, "replies") ? row : json_get(row, "prompt"); }
static json *replies_of(const json *m) { return json_get(m, "replies"); }
static bool is_said(const json *m) { return is_text(m, "text") && !json_get_bool(m, "deleted", false); }
static bool is_assistant(const json *m) { return str_is(json_get_text(m, "role", STR("")), "assistant"); }
static int64_t rank_of(const json *m) { return json_int(json_get(m, "rank"), INT64_MAX); }

static bool is_tree(const json *row) {
    const json *root = json_has(row, "replies") ? row : json_get(row, "prompt");
    return is_text(root, "text") && is_text(root, "role") && is_list(root, "replies");
}

static json *message_of(arena *a, const json *m) {
    return message_new(a, is_assistant(m) ? "assistant" : "user", json_get_text(m, "text", STR("")));
}

static json *messages_of(arena *a, json *const *path, int count) {
    json *list = json_new_array(a);
    for (int i = 0; i < count; i++) json_append(list, message_of(a, path[i]));
    return list;
}

static void keep_lineage(json *row, example *out) {
    out->record = json_get_text(row, "message_tree_id", json_get_text(root_of(row), "message_id", STR("")));
}

/* ---- the best conversation ------------------------------------------------------------------------------------------------------ */

static json *best_reply(const json *m) {
    json *best = NULL;
    const json *replies = replies_of(m);
    for (size_t i = 0; json_kind_of(replies) == JSON_ARRAY && i < json_count(replies); i++) {
        json *reply = json_at(replies, i);
        if (is_said(reply) && (!best || rank_of(reply) < rank_of(best))) best = reply;
    }
    return best;
}

/* Messages up to the last answer; 0 when nobody answered. */
static int best_path(json *root, json *path[DEPTH]) {
    int count = 0;
    for (json *m = is_said(root) ? root : NULL; m && count < DEPTH; m = best_reply(m)) path[count++] = m;
    while (count && !is_assistant(path[count - 1])) count--;
    return count;
}

static guess look(const json *row) { return is_tree(row) ? (guess){LIKELY_SURELY, EXAMPLE_MESSAGES} : NOT_MINE; }

static int64_t count_conversations(const json *row) {
    json *path[DEPTH];
    if (!is_tree(row)) return 1; /* one, which says what is wrong */
    return best_path(root_of((json *)(uintptr_t)row), path) > 0;
}

static bool not_a_tree(const json *row, err *e) {
    return field_wrong(row, json_has(row, "prompt") ? "prompt" : "replies", "part of a message tree (text, role, replies)", e);
}

static bool convert(arena *a, json *row, int64_t nth, example *out, err *e) {
    (void)nth;
    json *path[DEPTH];
    out->kind = EXAMPLE_MESSAGES;
    if (!is_tree(row)) return not_a_tree(row, e);
    out->messages = messages_of(a, path, best_path(root_of(row), path));
    keep_lineage(row, out);
    return true;
}

/* ---- pairs ---------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    json *path[DEPTH]; /* down to the message that is answered */
    int depth;
    json *better, *worse;
    int64_t left; /* pairs still to pass; the one met at 0 is taken */
} walk;

static int ranked_replies(const json *m, json *ranked[RANKED_MAX]) {
    int count = 0;
    const json *replies = replies_of(m);
    for (size_t i = 0; json_kind_of(replies) == JSON_ARRAY && i < json_count(replies) && count < RANKED_MAX; i++) {
        json *reply = json_at(replies, i);
        if (is_said(reply) && is_assistant(reply) && rank_of(reply) != INT64_MAX) ranked[count++] = reply;
    }
    return count;
}

/* Whether the pair looked for is among the answers to the last message of the path. */
static bool pairs_here(walk *w) {
    json *ranked[RANKED_MAX];
    const int count = ranked_replies(w->path[w->depth - 1], ranked);
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++) {
            if (rank_of(ranked[i]) == rank_of(ranked[j]) || w->left-- > 0) continue;
            const bool first = rank_of(ranked[i]) < rank_of(ranked[j]);
            w->better = ranked[first ? i : j];
            w->worse = ranked[first ? j : i];
            return true;
        }
    return false;
}

static bool walk_to_pair(walk *w, json *m) {
    if (!is_said(m) || w->depth == DEPTH) return false;
    w->path[w->depth++] = m;
    if (pairs_here(w)) return true;
    const json *replies = replies_of(m);
    for (size_t i = 0; json_kind_of(replies) == JSON_ARRAY && i < json_count(replies); i++)
        if (walk_to_pair(w, json_at(replies, i))) return true;
    w->depth--;
    return false;
}

static guess look_for_pairs(const json *row) { return is_tree(row) ? (guess){LIKELY_SURELY, EXAMPLE_PREFERENCE} : NOT_MINE; }

static int64_t count_pairs(const json *row) {
    walk w = {.left = INT64_MAX};
    if (!is_tree(row)) return 1;
    walk_to_pair(&w, root_of((json *)(uintptr_t)row));
    return INT64_MAX - w.left;
}

static bool convert_pair(arena *a, json *row, int64_t nth, example *out, err *e) {
    walk w = {.left = nth};
    out->kind = EXAMPLE_PREFERENCE;
    if (!is_tree(row)) return not_a_tree(row, e);
    if (!walk_to_pair(&w, root_of(row))) bug("a message tree has no pair %lld", (long long)nth);
    out->prompt = part_messages(messages_of(a, w.path, w.depth));
    out->chosen = part_messages(messages_one(a, message_of(a, w.better)));
    out->rejected = part_messages(messages_one(a, message_of(a, w.worse)));
    keep_lineage(row, out);
    out->responses = json_new_array(a);
    if (json_get(w.better, "message_id")) json_append(out->responses, json_get(w.better, "message_id"));
    if (json_get(w.worse, "message_id")) json_append(out->responses, json_get(w.worse, "message_id"));
    return true;
}

#define SAMPLE                                                                                                                   \
    "{\"prompt\": {\"text\": \"Hi\", \"role\": \"prompter\", \"replies\": [{\"text\": \"Hello.\", \"role\": \"assistant\", "     \
    "\"rank\": 0}, {\"text\": \"What.\", \"role\": \"assistant\", \"rank\": 1}]}}"

static const char *const columns[] = {"prompt", "text", "role", "replies", "deleted", "message_tree_id", "message_id", NULL};
const format format_open_assistant = {
    "open-assistant", columns, look, count_conversations, convert, "a conversation: of a tree of messages the best answers",
    SAMPLE,
};
const format format_open_assistant_pairs = {
    "open-assistant-pairs",
    columns,
    look_for_pairs,
    count_pairs,
    convert_pair,
    "pairs: of a tree of messages every two ranked answers to the same message",
    SAMPLE,
};
