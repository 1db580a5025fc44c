/* route.c - from a method and a path to a handler: who, which object, may they, in which transaction. */
#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "serve/plain.h"
#include "serve/openai.h"
#include "serve/indexer.h"
#include "serve/turns.h"

static const route *const tables[] = {
#define X(name) routes_##name,
    ROUTE_TABLES(X)
#undef X
};
enum { TABLES = sizeof tables / sizeof *tables, ROUTES_MOST = 512 };

/* ---- which route --------------------------------------------------------------------------------------------------------------------- */

/* A pattern's {braces} stand for one part of a path each. */
static bool matches(const char *pattern, const char *path, str arg[3]) {
    int args = 0;
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        const size_t n = strcspn(path, "/");
        if (!n || args == 3) return false;
        arg[args++] = (str){path, n};
        path += n;
        pattern = strchr(pattern, '}') + 1;
    }
    return !*pattern && !*path;
}

/* All rows in order, each with its number of slashes: that alone leaves few to be compared. */
static struct {
    pthread_once_t once;
    int count;
    struct {
        const route *route;
        int slashes;
    } item[ROUTES_MOST];
} sorted = {.once = PTHREAD_ONCE_INIT};

static int count_slashes(const char *path) {
    int n = 0;
    for (; *path; path++) n += *path == '/';
    return n;
}

static void number_routes(void) {
    for (int t = 0; t < TABLES; t++)
        for (const route *r = tables[t]; r->method; r++) {
            if (sorted.count == ROUTES_MOST) bug("more than %d routes", ROUTES_MOST);
            sorted.item[sorted.count].route = r;
            sorted.item[sorted.count++].slashes = count_slashes(r->path);
        }
}

static const route *find(call *c, bool *other_method) {
    const int slashes = count_slashes(c->path);
    *other_method = false;
    pthread_once(&sorted.once, number_routes);
    for (int i = 0; i < sorted.count; i++) {
        const route *r = sorted.item[i].route;
        str arg[3] = {{0}};
        if (sorted.item[i].slashes != slashes || !matches(r->path, c->path, arg)) continue;
        *other_method = true;
        if (strcmp(r->method, c->method) != 0) continue;
        memcpy(c->arg, arg, sizeof arg);
        return r;
    }
    return NULL;
}

/* ---- which object -------------------------------------------------------------------------------------------------------------------- */

static bool find_part(call *c, part_kind kind, const char *id, err *e) {
    return part_get(c->tx, c->a, kind, id, &c->part, e) && dataset_get_seq(c->tx, c->a, c->part.dataset, &c->set, e);
}

static bool find_record_of(call *c, int64_t seq, const char *id, err *e) {
    return record_get(c->tx, c->a, id, &c->record, e) && (!seq || c->record.seq == seq) &&
           dataset_get_seq(c->tx, c->a, c->record.dataset, &c->set, e);
}

static bool find_suggestion(call *c, const char *id, err *e) {
    int64_t row;
    if (!suggestion_get(c->tx, c->a, id, &c->suggestion, &row, e)) return false;
    records one;
    part question;
    if (!part_get(c->tx, c->a, PART_QUESTION, c->suggestion.question_id, &question, e)) return false;
    if (!record_after(c->tx, c->a, question.dataset, row - 1, 1, &one, e)) return false;
    if (!one.count || one.item[0].seq != row) return err_set(e, ERR_NOT_FOUND, "Suggestion with id `%s` not found", id);
    c->record = one.item[0];
    return dataset_get_seq(c->tx, c->a, question.dataset, &c->set, e);
}

static const char *class_of(object of) {
    static const char *const names[] = {
        [OF_NOTHING] = "",      [OF_USER] = "User",         [OF_WORKSPACE] = "Workspace",       [OF_DATASET] = "Dataset",
        [OF_FIELD] = "Field",   [OF_QUESTION] = "Question", [OF_METADATA] = "MetadataProperty", [OF_VECTOR] = "VectorSettings",
        [OF_RECORD] = "Record", [OF_RESPONSE] = "Response", [OF_SUGGESTION] = "Suggestion",     [OF_WEBHOOK] = "Webhook"};
    return names[of];
}

static bool find_object(call *c, const char *id, err *e) {
    switch (c->route->of) {
    case OF_NOTHING: return true;
    case OF_USER: return user_get(c->tx, c->a, id, &c->person, e);
    case OF_WORKSPACE: return workspace_get(c->tx, c->a, id, &c->space, e);
    case OF_DATASET: return dataset_get(c->tx, c->a, id, &c->set, e);
    case OF_FIELD: return find_part(c, PART_FIELD, id, e);
    case OF_QUESTION: return find_part(c, PART_QUESTION, id, e);
    case OF_METADATA: return find_part(c, PART_METADATA, id, e);
    case OF_VECTOR: return find_part(c, PART_VECTOR, id, e);
    case OF_RECORD: return find_record_of(c, 0, id, e);
    case OF_RESPONSE:
        return response_get(c->tx, c->a, id, &c->response, e) && find_record_of(c, c->response.record, c->response.record_id, e);
    case OF_SUGGESTION: return find_suggestion(c, id, e);
    case OF_WEBHOOK: return webhook_get(c->tx, c->a, id, &c->webhook, e);
    }
    return false;
}

bool is_member(call *c, int64_t space) { return c->me.role == ROLE_OWNER || member_is(c->tx, space, c->me.seq); }

/* Under /v1 errors have the shape that OpenAI's clients read, and keys that serve alone are good. */
static bool is_openai(const call *c) { return strncmp(c->path, "/v1/", 4) == 0; }

static bool judge_scope(const call *c, err *e) {
    const int64_t mine = c->came_by.kind == PASS_KEY ? c->came_by.scopes : 0;
    if (!mine || (mine & (is_openai(c) ? SCOPE_SERVE : SCOPE_API))) return true;
    return forbidden(e, is_openai(c) ? "this key is not for models: its scopes do not hold 'serve'"
                                     : "this key is for models alone: its scopes do not hold 'api'");
}

/* Foreign and missing objects are one answer, so that nobody learns what is there. */
static bool judge_object(call *c, err *e) {
    uuid_text id;
    if (c->route->of == OF_NOTHING) return true;
    if (!uuid_parse(c->arg[0], id)) return invalid(c, "path.id", e, "the id should be a UUID, it is '%.*s'", STR_ARG(c->arg[0]));
    if (!find_object(c, id, e)) return false;
    const int64_t space = c->route->of == OF_WORKSPACE ? c->space.seq : c->set.workspace;
    if (!space || is_member(c, space)) return true;
    return err_set(e, ERR_NOT_FOUND, "%s with id `%s` not found", class_of(c->route->of), id);
}

static bool judge_role(call *c, err *e) {
    const role r = c->me.role;
    const who w = c->route->who;
    if (w <= WHO_MEMBER || r == ROLE_OWNER || (w == WHO_ADMIN && r == ROLE_ADMIN)) return true;
    return forbidden(e, "Operation not allowed");
}

/* ---- the same request again ------------------------------------------------------------------------------------------------------- */

enum { KEY_MOST = 255 };

static str fingerprint(call *c) {
    sha256_text hash;
    buf all = {0};
    for (int i = 0; i < c->queries; i++)
        buf_printf(&all, "%s=%zu:%.*s&", c->query[i].key, c->query[i].value.len, STR_ARG(c->query[i].value));
    buf_put_str(&all, c->raw);
    bytes_sha256(all.ptr ? all.ptr : "", all.len, hash);
    buf_free(&all);
    return str_of(arena_printf(c->a, "%s %s %s", c->method, c->path, hash));
}

/* Only people have keys, and only what writes is remembered. */
static bool has_key(const call *c) {
    const running r = c->route->running;
    return c->idempotency.len && c->me.seq && r != RUN_READ && r != RUN_FIND;
}

bool replay(call *c, err *e) {
    str body;
    int status;
    err none = {0};
    if (!has_key(c)) return true;
    if (c->idempotency.len > KEY_MOST) return err_set(e, ERR_INPUT, "the Idempotency-Key is longer than %d characters", KEY_MOST);
    c->replayed = idempotency_find(c->tx, c->a, c->me.seq, c->idempotency, fingerprint(c), &status, &body, &none);
    if (!c->replayed) return none.code == ERR_NOT_FOUND || err_set(e, none.code, "%s", none.text);
    buf_clear(&c->out);
    buf_put_str(&c->out, body);
    c->no_body = !body.len;
    c->status = status;
    return true;
}

bool keep_answer(call *c, err *e) {
    const str secret = STR("{\"detail\":\"this request was done; its answer held a secret, which is shown once\"}");
    if (!has_key(c) || (!c->out.len && !c->no_body)) return true;
    const int status = c->shows_secret ? 409 : c->status ? c->status : 200;
    return idempotency_keep(c->tx, c->me.seq, c->idempotency, fingerprint(c), status,
                            c->shows_secret ? secret
                            : c->no_body    ? STR("")
                                            : buf_str(&c->out),
                            e);
}

/* ---- running ------------------------------------------------------------------------------------------------------------------------- */

static bool judge(call *c, err *e) {
    if (c->route->who == WHO_ANYONE) return session_find(c, e) || (*e = (err){0}, true);
    /* Where an object decides nothing, the role does, and before the object is looked for: no id can be probed. */
    if (!session_find(c, e) || !judge_scope(c, e) || !replay(c, e)) return false;
    if (c->replayed) return true; /* whatever became of its object since */
    if (c->route->who == WHO_OWNER && !judge_role(c, e)) return false;
    return judge_object(c, e) && judge_role(c, e);
}

static bool judge_alone(store_tx *t, void *context, err *e) {
    call *c = context;
    c->tx = t;
    const bool ok = judge(c, e);
    c->tx = NULL;
    return ok;
}

static bool handle_inside(store_tx *t, void *context, err *e) {
    call *c = context;
    c->tx = t;
    const bool ok = judge(c, e) && c->route->handle(c, e);
    c->tx = NULL;
    return ok;
}

static bool handle_once(store_tx *t, void *context, err *e) {
    call *c = context;
    c->tx = t;
    const bool ok = judge(c, e) && (c->replayed || (c->route->handle(c, e) && keep_answer(c, e)));
    c->tx = NULL;
    return ok;
}

static bool parse_body(call *c, err *e) {
    if (!c->raw.len || (c->form && c->raw.ptr[0] != '{')) return true; /* some tools call every body a form */
    if (json_parse_any(c->a, c->raw, &c->body, e)) return true;
    if (e->code == ERR_INPUT) c->where = "body";
    return false;
}

/* One look at the store for both: who asks and may they, and what the handler can do before its turn. */
static bool judge_ahead(store_tx *t, void *context, err *e) {
    call *c = context;
    c->tx = t;
    bool ok = judge(c, e);
    if (ok && !c->replayed) {
        c->ahead = true;
        ok = parse_body(c, e) && c->route->handle(c, e);
        c->ahead = false;
    }
    c->tx = NULL;
    return ok;
}

/* ?import=ID&part=N: the parts of an import may be sent at once and are written in order. */
static bool run_ahead(call *c, err *e) {
    store *s = server_store(c->server);
    const str import = query_of(c, "import", (str){NULL, 0});
    int64_t at;
    if (!query_int(c, "part", -1, INT64_MAX - 1, -1, &at, e)) return false;
    if (!store_read(s, judge_ahead, c, e)) return false;
    if (c->replayed) return true;
    if (at < 0 || !import.ptr) return store_write(s, handle_once, c, e);
    if (!turn_wait(server_turns(c->server), import, at, e)) return false;
    const bool ok = store_write(s, handle_once, c, e);
    turn_end(server_turns(c->server), import, at, ok);
    return ok;
}

/* A page of records that asks for none in particular needs no index. */
static bool asks_index(const call *c) { return c->route->of != OF_DATASET || c->method[0] == 'P' || old_query_given(c); }

static bool catch_up(call *c, err *e) {
    if (!server_behind(c->server) || !asks_index(c)) return true;
    return store_read(server_store(c->server), judge_alone, c, e) && index_wait(c->server, c->set.seq, &c->indexing, e);
}

static bool run(call *c, err *e) {
    store *s = server_store(c->server);
    switch (c->route->running) {
    case RUN_READ: return parse_body(c, e) && store_read(s, handle_inside, c, e);
    case RUN_FIND: return parse_body(c, e) && catch_up(c, e) && store_read(s, handle_inside, c, e);
    case RUN_AHEAD: return run_ahead(c, e);
    case RUN_WRITE:
        if (c->route->who != WHO_ANYONE && !store_read(s, judge_alone, c, e)) return false;
        return c->replayed || (parse_body(c, e) && store_write(s, handle_once, c, e));
    case RUN_SELF: return store_read(s, judge_alone, c, e) && (c->replayed || (parse_body(c, e) && c->route->handle(c, e)));
    }
    return false;
}

/* ---- errors as answers ------------------------------------------------------------------------------------------------------------------- */

static void put_detail(json_writer *w, const char *code, const char *text) {
    json_key(w, "detail"), json_open(w, '{');
    json_key(w, "code"), json_put_cstr(w, code);
    json_key(w, "params"), json_open(w, '{');
    json_key(w, "detail"), json_put_cstr(w, text);
    json_close(w), json_close(w);
}

static void put_place(json_writer *w, const char *where) {
    json_open(w, '[');
    for (const char *at = where; *at;) {
        const size_t n = strcspn(at, ".");
        json_put_text(w, (str){at, n});
        at += n + (at[n] != '\0');
    }
    json_close(w);
}

static void put_invalid(json_writer *w, const char *where, const char *text) {
    json_key(w, "detail"), json_open(w, '{');
    json_key(w, "code"), json_put_cstr(w, "argilla.api.errors::ValidationError");
    json_key(w, "params"), json_open(w, '{');
    json_key(w, "errors"), json_open(w, '[');
    json_open(w, '{');
    json_key(w, "type"), json_put_cstr(w, "value_error");
    json_key(w, "loc"), put_place(w, where);
    json_key(w, "msg"), json_put_cstr(w, text);
    json_close(w), json_close(w), json_close(w), json_close(w);
}

/* Under /api/ without v1 these two have a shape of their own, which 1.x clients read. */
static bool is_old(const call *c, int status) {
    return strncmp(c->path, "/api/", 5) == 0 && strncmp(c->path, "/api/v1/", 8) != 0 && c->route &&
           (status == 404 || status == 409);
}

/* "Class with id `name` not found" says which; a name that is taken stands in the body. */
static void put_old(call *c, int status, str text) {
    json_writer *w = &c->w;
    const str with = STR(" with id `");
    const ptrdiff_t at = str_find(text, with, 0);
    str name = json_get_text(c->body, "username", json_get_text(c->body, "name", STR("")));
    str type = json_get(c->body, "username") ? STR("User") : STR("Workspace");
    if (at > 0) {
        type = (str){text.ptr, (size_t)at};
        name = str_slice(text, (size_t)at + with.len, text.len);
        name.len = strcspn(name.ptr, "`");
    }
    json_key(w, "detail"), json_open(w, '{');
    json_key(w, "code"), json_put_cstr(w, status == 404 ? "argilla.api.errors::EntityNotFoundError"
                                                        : "argilla.api.errors::EntityAlreadyExistsError");
    json_key(w, "params"), json_open(w, '{');
    json_key(w, "name"), json_put_text(w, name);
    json_key(w, "type"), json_put_text(w, type);
    json_close(w), json_close(w);
}

static void answer_error(call *c, const err *e) {
    const int status = err_http_status(e->code);
    const bool missing_vector = c->where && strcmp(c->where, "missing_vector") == 0;
    buf_clear(&c->out);
    c->w = json_writer_on(&c->out, false);
    c->type = NULL;
    c->no_body = false;
    c->location = NULL;
    c->etag = c->cache = c->encoding = c->policy = NULL;
    c->status = status;
    if (e->code == ERR_BUSY && !c->retry_after) c->retry_after = 2;
    if (is_openai(c)) {
        c->status = openai_status(e->code);
        put_openai_error(&c->w, c->status, c->route ? c->where : "url", e);
        return;
    }
    json_open(&c->w, '{');
    if (is_old(c, status)) put_old(c, status, str_of(e->text));
    else if (status == 401) put_detail(&c->w, "argilla.api.errors::UnauthorizedError", e->text);
    else if (status == 403) put_detail(&c->w, "argilla.api.errors::ForbiddenOperationError", e->text);
    else if (missing_vector) {
        json_key(&c->w, "code"), json_put_cstr(&c->w, "missing_vector");
        json_key(&c->w, "message"), json_put_cstr(&c->w, e->text);
    } else if (status == 422 && c->where) put_invalid(&c->w, c->where, e->text);
    else if (status >= 500) {
        json_key(&c->w, "detail"), json_open(&c->w, '{');
        json_key(&c->w, "code"), json_put_cstr(&c->w, "argilla.api.errors::GenericServerError");
        json_key(&c->w, "params"), json_open(&c->w, '{');
        json_key(&c->w, "type"), json_put_cstr(&c->w, err_words(e->code));
        json_key(&c->w, "message"), json_put_cstr(&c->w, e->text);
        json_close(&c->w), json_close(&c->w);
    } else json_key(&c->w, "detail"), json_put_cstr(&c->w, e->text);
    json_close(&c->w);
}

static void run_and_answer(call *c) {
    err e = {0};
    bool other_method;
    c->w = json_writer_on(&c->out, false);
    c->route = find(c, &other_method);
    bool ok = c->route != NULL;
    if (!ok && other_method) {
        answer_error(c, &(err){.code = ERR_USAGE, .text = "Method Not Allowed"});
        c->status = 405;
        return;
    }
    if (!ok) err_set(&e, ERR_NOT_FOUND, "Not Found");
    ok = ok && run(c, &e);
    if (!ok) {
        if (e.code == ERR_NONE) err_set(&e, ERR_IO, "the request failed without saying why");
        if (err_http_status(e.code) >= 500) log_error("%s %s: %s", c->method, c->path, e.text);
        answer_error(c, &e);
        return;
    }
    if (!c->status) c->status = 200;
    if (c->route->running == RUN_WRITE || c->route->running == RUN_AHEAD) server_tell(c->server);
    if (c->after) c->after(c);
    if (c->plain) plain_answer(c);
}

void route_run(call *c) {
    server_enter(c->server);
    run_and_answer(c);
    note_use(c);
    server_leave(c->server);
}

/* ---- the table, for documents and tests ---------------------------------------------------------------------------------------------------- */

static const char *const who_names[] = {"anyone", "user", "member", "admin", "owner"};
static const char *const table_names[] = {
#define X(name) #name,
    ROUTE_TABLES(X)
#undef X
};

int server_routes(route_info *out, int room) {
    int n = 0;
    for (int t = 0; t < TABLES; t++)
        for (const route *r = tables[t]; r->method; r++, n++)
            if (n < room)
                out[n] = (route_info){.method = r->method,
                                      .path = r->path,
                                      .who = who_names[r->who],
                                      .of = class_of(r->of),
                                      .group = table_names[t],
                                      .writes = r->running == RUN_WRITE || r->running == RUN_AHEAD,
                                      .words = r->words};
    return n;
}
