/* api.h - what a route is and what its handler may use. Used inside serve alone.
 *
 * A route is a row: method, path, who may, which object {id} names, and whether it reads or writes. route.c judges a request in
 * this order: who is it (401), is the object there and in a workspace of theirs (404), may they (403); then the handler runs inside
 * a transaction and answers. A handler that fails leaves nothing behind. Handlers may run on the store's writing thread. */
#ifndef FETTLE_SERVE_API_H
#define FETTLE_SERVE_API_H

#include "data/data.h"
#include "serve/serve.h"

typedef struct call call;

typedef enum { WHO_ANYONE, WHO_USER, WHO_MEMBER, WHO_ADMIN, WHO_OWNER } who; /* admin: of the object's workspace */

/* What the first {id} of a path is: found before the handler, with its dataset and workspace. */
typedef enum {
    OF_NOTHING,
    OF_USER,
    OF_WORKSPACE,
    OF_DATASET,
    OF_FIELD,
    OF_QUESTION,
    OF_METADATA,
    OF_VECTOR,
    OF_RECORD,
    OF_RESPONSE,
    OF_SUGGESTION,
    OF_WEBHOOK
} object;

typedef enum {
    RUN_READ,  /* inside a reading transaction */
    RUN_FIND,  /* the same, once the dataset's index has caught up (indexer.h) */
    RUN_WRITE, /* inside the writing one */
    RUN_AHEAD, /* the same, and before its turn, with c->ahead, inside a reading one on its own thread: for what needs no writing */
    RUN_SELF   /* slow work beside it (a password, a stream): opens its own */
} running;

typedef struct {
    const char *method, *path; /* "/api/v1/datasets/{id}/fields" */
    who who;
    object of;
    running running;
    bool (*handle)(call *c, err *e);
    const char *words;
} route;

// clang-format off
#define ROUTE_TABLES(X) \
    X(session) \
    X(users) \
    X(keys) \
    X(invitations) \
    X(workspaces) \
    X(datasets) \
    X(settings) \
    X(views) \
    X(records) \
    X(search) \
    X(responses) \
    X(suggestions) \
    X(webhooks) \
    X(imports) \
    X(more) \
    X(work) \
    X(recipes) \
    X(people) \
    X(erase) \
    X(jobs) \
    X(transfer) \
    X(vectors) \
    X(asking) \
    X(making_tasks) \
    X(making_pairs) \
    X(suggester) \
    X(runs) \
    X(teach) \
    X(chats) \
    X(arena) \
    X(openai) \
    X(feedback) \
    X(models) \
    X(v0) \
    X(system) \
    X(docs) \
    X(pages) \
    X(frame)
// clang-format on
#define X(name) extern const route routes_##name[];
ROUTE_TABLES(X)
#undef X

typedef struct {
    const char *key;
    str value;
} query_member;

enum { PARAMETERS_MOST = 64 };

/* An answer made while it goes out: next() appends some text; false ends it. end() is called once in any case. */
typedef struct {
    bool (*next)(void *context, buf *out);
    void (*end)(void *context);
    void *context;
} answer_stream;

struct call {
    server *server;
    arena *a;
    store_tx *tx;
    const route *route;
    const char *method, *path;
    str arg[3]; /* what stood for the braces of the path */
    query_member query[PARAMETERS_MOST];
    int queries;
    str raw;    /* the body as it came */
    bool form;  /* it is application/x-www-form-urlencoded */
    json *body; /* NULL: none */
    bool ahead; /* this is not the handler's turn yet (RUN_AHEAD) */
    str parsed; /* a record's fields that were read ahead, and what they are */
    const json *parsed_as;
    json *questions; /* as schema_answers read them last, and what they were then */
    uint64_t questions_stamp;
    const void *prepared;                                  /* what it did ahead */
    str api_key, bearer, cookie, idempotency, socket_peer; /* of the headers */
    str if_none_match;
    bool takes_gzip;
    int socket;      /* of the connection, to see whether the caller is still there; 0: there is none */
    bool plain;      /* a client that knows Argilla's types alone (plain.h) */
    bool trusted;    /* from this process or the data folder's socket: the owner */
    user me;         /* seq 0: nobody */
    int64_t session; /* pass through which they came, or 0 */
    pass came_by;    /* the same, as it is */

    /* What {id} named. */
    user person;
    workspace space;
    dataset set;
    part part;
    record record;
    response response;
    suggestion suggestion;
    webhook webhook;
    erasure_entry erased; /* how much a handler erased */

    /* The answer. */
    int status; /* 0: 200, or of the error */
    buf out;
    json_writer w;
    answer_stream stream; /* next set: follows what is in out */
    const char *type;     /* content type; NULL: JSON */
    const char *set_cookie, *location;
    int retry_after;                              /* seconds, beside a refusal that is not for ever; 0: none */
    const char *etag, *cache, *encoding, *policy; /* of pages; NULL: an answer that is kept nowhere and shows nothing */
    const char *where;                            /* "body.name": the part of the request an error is about */
    bool no_body;
    int64_t indexing;              /* records that what was asked could not find yet (RUN_FIND) */
    bool replayed, shows_secret;   /* the answer of an earlier request; it holds what nobody may see twice */
    void (*after)(struct call *c); /* runs when the write is on the disk, before the answer goes out */
};

/* ---- reading a request ------------------------------------------------------------------------------------------------------------- */

str query_of(const call *c, const char *key, str fallback); /* the first of that name */
bool query_int(call *c, const char *key, int64_t min, int64_t max, int64_t fallback, int64_t *out, err *e);
/* Members of the body. Each fails with 422 and the place of the member. */
bool body_object(call *c, err *e);
bool body_text(call *c, const char *key, size_t min, size_t max, const char **out, err *e); /* required */
bool body_text_or(call *c, const char *key, size_t min, size_t max, const char **out,
                  err *e); /* missing or null: *out as it was */
bool body_text_null(call *c, const char *key, size_t min, size_t max, str *out, bool *given, err *e); /* null: the NULL view */
bool body_bool_or(call *c, const char *key, bool *out, err *e);
bool body_not_null(call *c, const char *const *keys, err *e); /* keys that may be absent but not null; ended by NULL */
bool invalid(call *c, const char *where, err *e, const char *format, ...) __attribute__((format(printf, 4, 5)));
bool forbidden(err *e, const char *words);
bool broken_rule(call *c, const err *broken, err *e); /* a refusal of data's, as one about the body */
str written(call *c, const json *v);                  /* as compact JSON, in the call's memory; NULL: the NULL view */

/* ---- shapes of answers -------------------------------------------------------------------------------------------------------------- */

void put_moment(json_writer *w, const char *key, int64_t moment);
/* Metadata of a record: the fields whose answers the limit cut off, so that nobody learns to end there (data/recipe_parts.c); nothing when
 * there are none. */
void put_unfinished(json_writer *w, const char *const *names, const bool *unfinished, int count);
void put_user(json_writer *w, const user *u, const char *api_key); /* NULL: "" */
void put_workspace(json_writer *w, const workspace *x);
void put_dataset(json_writer *w, const dataset *d);
void put_dataset_head(json_writer *w, const dataset *d); /* id to distribution, in an object that is open */
void put_part(json_writer *w, const part *p);
void put_response(json_writer *w, const response *r);
void put_suggestion(json_writer *w, const suggestion *s);
void put_webhook(json_writer *w, const webhook *x);
void items_begin(call *c); /* {"items":[ ... */
void items_end(call *c);   /* ... ]; the object stays open for "total" */
void object_end(call *c);

/* What a record answers with beside itself. */
typedef struct {
    bool responses, suggestions, vectors;
    const str *vector_names; /* with vectors: only these; count 0: all */
    int vector_count;
    int64_t only_user; /* responses of this person alone; 0: everybody's */
} include;
bool include_of(call *c, include *out, err *e); /* from the query */
/* Settings of a dataset, read once per request. */
typedef struct {
    parts field, question, metadata, vector;
    const json *fields, *questions, *properties, *vectors; /* the same as data's rules want them; after schema_rules */
} schema;
bool schema_of(call *c, int64_t dataset, schema *out, err *e);
bool schema_answers(call *c, int64_t dataset, schema *out, err *e); /* with the questions' rules alone */
bool schema_rules(call *c, int64_t dataset, schema *out, err *e);   /* for writing */
uint64_t schema_stamp(const schema *s);                             /* changes with any of its settings */
json *parts_json(arena *a, const parts *list); /* as the kinds of data want them: [{name, required, settings ...}] */
bool put_record(call *c, const record *r, const schema *s, const include *i, err *e);
/* A page of records found and ordered by what older clients put into the query: response_status=, metadata=, sort_by=. */
bool old_query_given(const call *c);
bool put_old_page(call *c, const schema *s, const include *i, int64_t offset, int64_t limit, err *e);

/* ---- use cases that several routes share ---------------------------------------------------------------------------------------------- */

bool is_member(call *c, int64_t workspace);
bool need_me(call *c, err *e); /* what is done in a person's name wants a person: fails for an owner without a row */
/* Every record of c->set as recipes and statistics want it, with gold, "gold_hidden", and the dataset's licence; s: schema_rules. */
bool dataset_records(call *c, schema *s, json **out, err *e);
/* Rows of c->set as the body orders them, as c->stream; refused before the first row where a purpose forbids some. */
bool rows_begin(call *c, err *e);
bool record_texts(call *c, const record *r, const schema *s, str *out, err *e); /* for search_put: one a field */
/* Facets and the text index of a record after its fields, metadata or answers changed. */
bool index_record(call *c, const record *r, const schema *s, const record *before, err *e);
bool index_metadata(call *c, const record *r, const schema *s, err *e);
bool index_new(call *c, const record *r, const schema *s, err *e); /* both, of a record that was never in the index */
bool index_response(call *c, const response *r, const schema *s, bool gone, err *e);
bool index_suggestion(call *c, const suggestion *x, const part *question, const json *definition, err *e);
/* Checks and stores an answer, its facets, the record's status, the event. */
void answer_ahead(call *c); /* what answer_put can do of c->record before its turn (RUN_AHEAD) */
bool answer_put(call *c, record *r, const dataset *d, const schema *s, int64_t user, const json *values, str status, bool bulk,
                response *out, err *e);
bool answer_changed(call *c, record *r, const dataset *d, err *e);
bool suggestion_write(call *c, const record *r, const schema *s, const json *item, suggestion *out, bool *created, err *e);
bool note_event(call *c, const char *kind, const dataset *d, const record *r, const response *x, err *e);

/* The rest of the server. */
typedef struct worker worker; /* worker.h */
worker *server_worker(server *s);
const char *server_program(const server *s); /* a file of this program, or NULL: serve.h */
bool load_aliases(server *s, err *e);        /* tells the worker what the store knows */
bool session_find(call *c, err *e);          /* who is it: fills me */
void note_use(call *c); /* after the answer: when their key or session was last used; outside a transaction */
void server_stats(server *s, json_writer *w);
void server_enter(server *s); /* around each request */
void server_leave(server *s);
void server_tell(server *s);                                       /* something was written: streams look again */
int64_t server_wait_news(server *s, int64_t seen, double seconds); /* until told after `seen`, or the time is over */
char *url_decoded(arena *a, str text);
bool server_has_webhooks(server *s);
void server_note_webhooks(server *s); /* there may be one from now on */
/* When records were last left for the index: a stamp that changes, 0 when there are none. */
int64_t server_behind(server *s);
void server_note_behind(server *s);
struct turns *server_turns(server *s);
void server_caught_up(server *s, int64_t stamp); /* none were left when the stamp was this */
const char *server_link(server *s);              /* for a new owner; NULL */
bool serve_is_open(const server *s);
serve_restore *server_restore(const server *s);    /* NULL: it cannot */
bool server_ends(const server *s);                 /* for good, or to begin again: nothing waits any more */
const char *server_pages(const server *s);         /* folder of the web app's files; NULL: those in the program */
bool throttle_wait(call *c, str username, err *e); /* login delays after failures */
void throttle_note(call *c, str username, bool failed);

/* A RUN_SELF handler's own writing transaction; c->tx is set inside. */
bool write_inside(call *c, bool (*inside)(call *c, err *e), err *e);
bool new_key(call *c, int64_t user, const char *name, key_text out, err *e);
bool new_key_as(call *c, pass *p, key_text out, err *e); /* with its scopes and limits */
bool new_session(call *c, int64_t user, const char *name, key_text out, err *e);
bool password_rule(call *c, const char **out, err *e); /* body.password, 8 to 100 characters */
/* Both take 64 MiB and a tenth of a second: few run at once, some wait, more are refused (ERR_BUSY). */
bool hash_password(call *c, const char *password, user *u, err *e);
bool check_password(str password, const char *hash, bool *right, err *e);
part part_of_json(arena *a, const json *definition, part_kind kind);

/* Takes a record out of the text index. */
bool unindex_record(call *c, const record *r, const schema *s, err *e);
bool undo_unfinished_imports(server *s, err *e);

/* A request that comes again under its Idempotency-Key: replay finds the answer of the first time (c->replayed), keep_answer keeps it
 * with the write it stands for. Keys that an answer showed are not kept: such a request is refused the second time. */
bool replay(call *c, err *e);
bool keep_answer(call *c, err *e);

/* Runs a request whose members up to `trusted` are filled; never fails: errors become answers. */
void route_run(call *c);

#endif
