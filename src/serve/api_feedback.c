/* api_feedback.c - POST /v1/feedback: a thumb or a better answer to a completion becomes a record of the dataset "inbox", with an answer
 * of the person who gave it. The dataset is an ordinary one: what it is made of goes through the routes that everybody uses. */
#include <string.h>

#include "base/clock.h"
#include "base/message.h"
#include "serve/inbox.h"
#include "serve/recall.h"

/* ---- the dataset ---------------------------------------------------------------------------------------------------------------------------- */

static const inbox_part dataset_parts[] = {
    {"fields", "{\"name\":\"messages\",\"title\":\"Conversation\",\"required\":true,\"settings\":{\"type\":\"chat\",\"use_"
               "markdown\":true}}"},
    {"questions", "{\"name\":\"good\",\"title\":\"Is the last answer good?\",\"required\":true,\"settings\":"
                  "{\"type\":\"label_selection\",\"options\":[{\"value\":\"good\",\"text\":\"Good\"},"
                  "{\"value\":\"bad\",\"text\":\"Bad\"},{\"value\":\"edited\",\"text\":\"I wrote a better one\"}]}}"},
    {"questions", "{\"name\":\"better\",\"title\":\"A better answer\",\"required\":false,"
                  "\"settings\":{\"type\":\"text\",\"use_markdown\":true}}"},
    {"metadata-properties", "{\"name\":\"model\",\"title\":\"Model\",\"settings\":{\"type\":\"terms\"}}"},
    {NULL, NULL}};
static const inbox_shape shape = {"inbox", "What people said of answers they were given.", dataset_parts};

/* ---- the record ---------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    recalled of;
    const char *thumb, *text, *comment;
    int64_t choice;
    bool unfinished; /* the answer of this choice */
} opinion;

static const json *with_answer(call *c, opinion *o, str *answer, err *e) {
    json *messages = json_parse(c->a, o->of.messages, e);
    const json *answers = messages ? json_parse(c->a, o->of.answers, e) : NULL,
               *unfinished = answers ? json_parse(c->a, o->of.unfinished, e) : NULL;
    if (!unfinished) return NULL;
    if ((size_t)o->choice >= json_count(answers))
        return err_null(e, ERR_INPUT, "this completion has %zu answers", json_count(answers));
    *answer = json_text(json_at(answers, (size_t)o->choice), STR(""));
    for (size_t i = 0; i < json_count(unfinished); i++) o->unfinished |= json_int(json_at(unfinished, i), -1) == o->choice;
    json_append(messages, message_new(c->a, "assistant", *answer));
    return messages;
}

static void put_value(json_writer *w, const char *question, str value) {
    json_key(w, question), json_open(w, '{');
    json_key(w, "value"), json_put_text(w, value);
    json_close(w);
}

static void put_item(call *c, json_writer *w, const opinion *o, const json *messages, str answer, const char *better) {
    const char *external = o->choice ? arena_printf(c->a, "%s#%lld", o->of.id, (long long)o->choice) : o->of.id;
    json_key(w, "external_id"), json_put_cstr(w, external);
    json_key(w, "fields"), json_open(w, '{'), json_key(w, "messages"), json_put_value(w, messages), json_close(w);
    json_key(w, "metadata"), json_open(w, '{');
    put_unfinished(w, (const char *const[]){"messages"}, &o->unfinished, 1);
    json_key(w, "model"), json_put_cstr(w, o->of.model);
    json_key(w, "completion"), json_put_cstr(w, o->of.id);
    if (o->comment) json_key(w, "comment"), json_put_cstr(w, o->comment);
    json_close(w);
    json_key(w, "suggestions"), json_open(w, '['), json_open(w, '{');
    json_key(w, "question_id"), json_put_cstr(w, better);
    json_key(w, "value"), json_put_text(w, answer);
    json_key(w, "agent"), json_put_cstr(w, o->of.model);
    json_close(w), json_close(w);
    json_key(w, "responses"), json_open(w, '['), json_open(w, '{');
    json_key(w, "user_id"), json_put_cstr(w, c->me.id);
    json_key(w, "status"), json_put_cstr(w, o->thumb || o->text ? "submitted" : "discarded");
    json_key(w, "values"), json_open(w, '{');
    /* Who writes a better answer does not say that the first was bad. */
    const str label = !o->thumb ? STR("edited") : strcmp(o->thumb, "up") == 0 ? STR("good") : STR("bad");
    if (o->thumb || o->text) put_value(w, "good", label);
    if (o->text) put_value(w, "better", str_of(o->text));
    json_close(w), json_close(w), json_close(w);
}

static bool put_record_of(call *c, opinion *o, const char *set, const char **id, err *e) {
    str answer;
    const char *better;
    buf item = {0};
    json_writer w = json_writer_on(&item, false);
    const json *messages = with_answer(c, o, &answer, e);
    if (!messages || !inbox_question(c, set, "better", &better, e)) return false;
    json_open(&w, '{');
    put_item(c, &w, o, messages, answer, better);
    json_close(&w);
    const bool ok = inbox_put(c, set, buf_str(&item), id, e);
    buf_free(&item);
    return ok;
}

/* ---- what somebody says -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    call *c;
    const char *id;
    recalled *out;
} looking;

static bool read_kept(store_tx *t, void *context, err *e) {
    const looking *l = context;
    traffic x;
    if (!traffic_get(t, l->c->a, l->id, &x, e)) return false;
    *l->out = (recalled){
        .id = x.id, .model = x.model, .user = x.user, .messages = x.request, .answers = x.answer, .unfinished = x.unfinished};
    return true;
}

/* A conversation keeps its answers for longer, those that were stopped too. */
static const json *message_of(const json *list, const char *key, str id) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(json_get_text(json_at(list, i), key, STR("")), id)) return json_at(list, i);
    return NULL;
}

/* What stands above `m` in the tree, from its root on: parents stand before their children (api_chats.c). */
static void append_above(arena *a, json *to, const json *list, const json *m) {
    const json *parent = message_of(list, "id", json_get_text(m, "parent", STR("")));
    if (!parent) return;
    append_above(a, to, list, parent);
    json_append(to,
                message_new(a, str_copy(a, json_get_text(parent, "role", STR(""))), json_get_text(parent, "content", STR(""))));
}

static bool recall_from(call *c, const talk *x, str id, recalled *out, err *e) {
    const json *list = json_parse(c->a, x->messages, e), *settings = list ? json_parse(c->a, x->settings, e) : NULL,
               *m = message_of(list, "completion_id", id);
    const str system = json_get_text(settings, "system", STR("")), finish = json_get_text(m, "finish", STR("stop"));
    json *above = json_new_array(c->a), *answers = json_new_array(c->a);
    if (!settings || !m) return err_set(e, ERR_NOT_FOUND, "this conversation holds no such answer");
    if (system.len) json_append(above, message_new(c->a, "system", system));
    append_above(c->a, above, list, m);
    json_append(answers, json_new_text(c->a, json_get_text(m, "content", STR(""))));
    *out = (recalled){.id = str_copy(c->a, id), .user = c->me.seq, .messages = written(c, above), .answers = written(c, answers)};
    out->model = str_copy(c->a, json_get_text(m, "model", str_of(x->model)));
    out->unfinished = str_is(finish, "stop") ? STR("[]") : STR("[0]");
    return true;
}

static bool read_talk(store_tx *t, void *context, err *e) {
    const looking *l = context;
    uuid_text id;
    talk x;
    return uuid_parse(json_get_text(l->c->body, "chat", STR("")), id) && talk_get(t, l->c->a, l->c->me.seq, id, &x, e) &&
           recall_from(l->c, &x, str_of(l->id), l->out, e);
}

static bool find_completion(call *c, const char *id, recalled *out, err *e) {
    static const char gone[] = "there is no answer '%s': it was given more than an hour ago and in no kept conversation that "
                               "'chat' names, or not here";
    err unkept = {0}, unsaid = {0};
    looking l = {c, id, out};
    const bool found = recall_find(server_recall(c->server), c->a, id, out) ||
                       store_read(server_store(c->server), read_kept, &l, &unkept) ||
                       store_read(server_store(c->server), read_talk, &l, &unsaid);
    return (found && (out->user == c->me.seq || c->me.role == ROLE_OWNER)) || err_set(e, ERR_NOT_FOUND, gone, id);
}

static bool read_opinion(call *c, opinion *o, err *e) {
    const char *id;
    if (!body_text(c, "id", 1, 100, &id, e) || !body_text_or(c, "thumb", 1, 10, &o->thumb, e) ||
        !body_text_or(c, "text", 1, 200000, &o->text, e) || !body_text_or(c, "comment", 1, 10000, &o->comment, e))
        return false;
    if (o->thumb && strcmp(o->thumb, "up") != 0 && strcmp(o->thumb, "down") != 0)
        return invalid(c, "thumb", e, "thumb should be up, down or null, it is '%s'", o->thumb);
    o->choice = json_get_int(c->body, "index", 0);
    if (o->choice < 0) return invalid(c, "index", e, "index should be that of a choice, from 0");
    return find_completion(c, id, &o->of, e);
}

static bool post_feedback(call *c, err *e) {
    opinion o = {0};
    const char *set, *row = NULL;
    if (!need_me(c, e) || !read_opinion(c, &o, e)) return false;
    if (!inbox_find(c, &shape, &set, e) || !put_record_of(c, &o, set, &row, e)) return false;
    c->status = 201;
    json_open(&c->w, '{');
    json_key(&c->w, "record_id"), json_put_cstr(&c->w, row);
    json_key(&c->w, "dataset_id"), json_put_cstr(&c->w, set);
    json_close(&c->w);
    return true;
}

/* ---- what is kept ------------------------------------------------------------------------------------------------------------------------------------ */

static bool get_traffic(call *c, err *e) {
    traffic_rows list;
    int64_t limit;
    if (!query_int(c, "limit", 1, 1000, 100, &limit, e) || !traffic_list(c->tx, c->a, c->me.seq, limit, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const traffic *x = &list.item[i];
        json_open(&c->w, '{');
        json_key(&c->w, "id"), json_put_cstr(&c->w, x->id);
        json_key(&c->w, "model"), json_put_cstr(&c->w, x->model);
        json_key(&c->w, "messages"), json_put_raw(&c->w, x->request);
        json_key(&c->w, "answers"), json_put_raw(&c->w, x->answer);
        json_key(&c->w, "unfinished"), json_put_raw(&c->w, x->unfinished);
        put_moment(&c->w, "at", x->at);
        put_moment(&c->w, "until", x->until);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

const route routes_feedback[] = {
    {"POST", "/v1/feedback", WHO_USER, OF_NOTHING, RUN_SELF, post_feedback,
     "a thumb or a better answer to a completion, by its id"},
    {"GET", "/api/v1/me/traffic", WHO_USER, OF_NOTHING, RUN_READ, get_traffic, "answers that are kept of keys of mine marked so"},
    {0},
};
