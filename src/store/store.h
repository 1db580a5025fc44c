/* store.h - rows in, rows out: people, workspaces, datasets with their settings, records, answers, and what happened to them.
 *
 * Everything here happens inside a transaction (store_tx), which a job gets from store_read or store_write. A job that fails leaves
 * nothing; one that succeeds in store_write is on the disk when store_write returns. A job may run on another thread than its
 * caller (all writes run on one), while the caller waits.
 *
 * Rows have a `seq` (inside the store: an integer that grows) and an `id` (outside: a UUID). Moments are microseconds (base/clock.h).
 * JSON columns are texts that are JSON already. Functions that find one row answer ERR_NOT_FOUND when there is none. */
#ifndef FETTLE_STORE_STORE_H
#define FETTLE_STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/needles.h"
#include "base/secret.h"
#include "base/str.h"

typedef struct store store;
typedef struct store_tx store_tx;
typedef bool (*store_job)(store_tx *t, void *context, err *e);

store *store_open(const char *folder, err *e); /* makes it; one process at a time (ERR_CONFLICT names the other) */
void store_close(store *s);                    /* waits for what is queued; NULL is fine */
bool store_read(store *s, store_job run, void *context, err *e);
bool store_write(store *s, store_job run, void *context, err *e);
bool store_backup(store *s, const char *to, err *e); /* a whole copy, taken while others read and write; replaces no file */
/* Puts a backup in the place of a folder's store, which nobody may have open (ERR_CONFLICT). The backup is checked first: integrity,
 * and a schema this program knows. What was there stays, as backups/before-restore-DATE.db: *kept (NULL: nothing was). */
bool store_restore(arena *a, const char *folder, const char *from, const char **kept, err *e);
bool store_restore_check(arena *a, const char *folder, const char *from, err *e); /* only that; of a folder that may be open */
/* A store looked at from outside, also while another process has it open; whole: its integrity too, which reads all of it. */
typedef struct {
    bool there;
    int schema, newest;       /* its own, and the newest this program knows */
    int mode;                 /* of the folder; 0: no folder */
    int64_t owner;            /* the process that has it open; 0: nobody, -1: somebody */
    int64_t bytes, log_bytes; /* of the file and of its write-ahead log */
} store_facts;
bool store_look(arena *a, const char *folder, bool whole, store_facts *out, err *e);
bool store_check(store *s, err *e); /* integrity of the file */
/* What committed writes deleted leaves the files as bytes: they are made anew, some seconds for a gigabyte; waits for readers, writes wait
 * for it. *left: one of `gone` (texts that were deleted, or NULL) is still there, so other rows say it too. */
bool store_scrub(store *s, const needles *gone, bool *left, err *e);
bool store_healthy(const store *s); /* false after a commit failed */
const char *store_folder(const store *s);
typedef struct {
    int64_t commits, writes;
} store_counters;
store_counters store_count(const store *s);
/* In a job of store_write: somebody else waits for the writer, so a job of many steps does well to end here. */
bool store_awaited(const store_tx *t);

/* ---- people ----------------------------------------------------------------------------------------------------------------------- */

typedef enum { ROLE_ANNOTATOR, ROLE_ADMIN, ROLE_OWNER } role;
const char *role_name(role r);
bool role_of(str name, role *out);

typedef struct {
    int64_t seq;
    uuid_text id;
    const char *username, *first_name, *last_name, *password; /* last_name and password (a hash) may be NULL */
    role role;
    int64_t inserted_at, updated_at;
} user;

typedef struct {
    user *item;
    int count;
} users;

bool user_add(store_tx *t, user *u, err *e);  /* id may be ""; fills seq, id, times. ERR_CONFLICT: the name is taken */
bool user_save(store_tx *t, user *u, err *e); /* all members; ERR_CONFLICT likewise */
bool user_delete(store_tx *t, const user *u, err *e);
bool user_get(store_tx *t, arena *a, const char *id, user *out, err *e);
bool user_get_seq(store_tx *t, arena *a, int64_t seq, user *out, err *e);
bool user_named(store_tx *t, arena *a, str username, user *out, err *e);
bool user_list(store_tx *t, arena *a, users *out, err *e);
int64_t user_count(store_tx *t, err *e);

/* What lets somebody in: an API key, a session of a browser, a link that works once. Only a SHA-256 of it is kept. */
typedef enum { PASS_KEY, PASS_SESSION, PASS_LINK } pass_kind;
typedef struct {
    int64_t seq;
    uuid_text id;
    pass_kind kind;
    int64_t user;
    const char *name;                         /* of a key, or the browser of a session */
    int64_t inserted_at, used_at, expires_at; /* expires_at 0: never */
    int64_t scopes;                           /* of a key: pass_scope bits; 0: everything its owner may */
    int64_t budget;                           /* tokens a day for models; 0: no end */
    bool record;                              /* what it asks models, and their answers, are kept */
    int64_t retention;                        /* for so many days */
} pass;
typedef enum { SCOPE_API = 1, SCOPE_SERVE = 2 } pass_scope; /* /api; /v1 */
typedef struct {
    pass *item;
    int count;
} passes;
bool pass_add(store_tx *t, pass *p, str secret, err *e);
bool pass_find(store_tx *t, arena *a, pass_kind kind, str secret, pass *out, err *e); /* expired ones are not found */
bool pass_list(store_tx *t, arena *a, int64_t user, passes *out, err *e);
bool pass_list_kind(store_tx *t, arena *a, pass_kind kind, passes *out, err *e); /* of everybody, oldest first */
bool pass_delete(store_tx *t, int64_t user, const char *id, err *e);
bool pass_delete_kind(store_tx *t, int64_t user, pass_kind kind, err *e); /* all of a person */
bool pass_touch(store_tx *t, int64_t seq, int64_t now, err *e);

/* Tokens that a key spent on a day (days since 1970, UTC). */
bool pass_spend(store_tx *t, int64_t pass, int64_t day, int64_t tokens, err *e);
int64_t pass_spent(store_tx *t, int64_t pass, int64_t day, err *e);

/* ---- models: names that mean others, and answers that are kept ------------------------------------------------------------------------- */

typedef struct {
    const char *name, *target;
    str history; /* JSON: [{"target", "at"}], what it meant before, the newest last */
    int64_t at;
} alias;
typedef struct {
    alias *item;
    int count;
} alias_rows;
bool alias_put(store_tx *t, alias *x, err *e); /* makes or changes it; fills at */
bool alias_get(store_tx *t, arena *a, const char *name, alias *out, err *e);
bool alias_list(store_tx *t, arena *a, alias_rows *out, err *e);
bool alias_delete(store_tx *t, const char *name, err *e);

/* An answer of a model that was given to a key marked so; gone after `until`, with its key, with its person. */
typedef struct {
    int64_t seq, pass, user, at, until;
    const char *id, *model;
    str request, answer; /* JSON: messages; texts */
    str unfinished;      /* JSON: which of the texts were cut off at the limit, from 0 */
} traffic;
typedef struct {
    traffic *item;
    int count;
} traffic_rows;
bool traffic_add(store_tx *t, traffic *x, err *e); /* and removes what is over; fills at */
bool traffic_get(store_tx *t, arena *a, const char *id, traffic *out, err *e);
bool traffic_list(store_tx *t, arena *a, int64_t user, int64_t limit, traffic_rows *out, err *e); /* newest first */
bool traffic_sweep(store_tx *t, int64_t now, err *e);

/* ---- workspaces ---------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t seq;
    uuid_text id;
    const char *name;
    int64_t inserted_at, updated_at;
} workspace;
typedef struct {
    workspace *item;
    int count;
} workspaces;
bool workspace_add(store_tx *t, workspace *w, err *e);
bool workspace_delete(store_tx *t, const workspace *w, err *e); /* ERR_CONFLICT while it has datasets */
bool workspace_get(store_tx *t, arena *a, const char *id, workspace *out, err *e);
bool workspace_get_seq(store_tx *t, arena *a, int64_t seq, workspace *out, err *e);
bool workspace_named(store_tx *t, arena *a, str name, workspace *out, err *e);
bool workspace_list(store_tx *t, arena *a, int64_t member, workspaces *out, err *e); /* member 0: all */
bool member_add(store_tx *t, int64_t workspace, int64_t user, err *e);               /* ERR_CONFLICT: is one already */
bool member_remove(store_tx *t, int64_t workspace, int64_t user, err *e);
bool member_is(store_tx *t, int64_t workspace, int64_t user);
bool member_list(store_tx *t, arena *a, int64_t workspace, users *out, err *e);

/* ---- datasets and their settings ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t seq;
    uuid_text id, workspace_id;
    int64_t workspace;
    const char *name;
    str guidelines, metadata; /* NULL view: null */
    bool allow_extra_metadata, ready;
    int64_t min_submitted;
    int64_t records, completed; /* counted as records come, change and go */
    int64_t last_activity_at, inserted_at, updated_at;
} dataset;
typedef struct {
    dataset *item;
    int count;
} datasets;
bool dataset_add(store_tx *t, dataset *d, err *e);
bool dataset_save(store_tx *t, dataset *d, err *e);         /* its own members, not the counts; sets updated_at */
bool dataset_touch(store_tx *t, int64_t seq, err *e);       /* last_activity_at = now */
bool dataset_delete(store_tx *t, const dataset *d, err *e); /* with all that is in it */
bool dataset_get(store_tx *t, arena *a, const char *id, dataset *out, err *e);
bool dataset_get_seq(store_tx *t, arena *a, int64_t seq, dataset *out, err *e);
bool dataset_named(store_tx *t, arena *a, int64_t workspace, str name, dataset *out,
                   err *e);                                                      /* workspace 0: the only one of that name */
bool dataset_list(store_tx *t, arena *a, int64_t member, datasets *out, err *e); /* member 0: all */

/* Fields, questions, metadata properties and vector settings have one shape. */
typedef enum { PART_FIELD, PART_QUESTION, PART_METADATA, PART_VECTOR } part_kind;
enum { PART_KINDS = PART_VECTOR + 1 };
typedef struct {
    int64_t seq, dataset;
    uuid_text id, dataset_id;
    part_kind kind;
    const char *name, *title, *description; /* description may be NULL */
    bool required, visible;                 /* visible: a metadata property, for annotators */
    str settings;                           /* JSON object; of a vector: {"dimensions": n} */
    int64_t inserted_at, updated_at;
} part;
typedef struct {
    part *item;
    int count;
} parts;
bool part_add(store_tx *t, part *p, err *e); /* ERR_CONFLICT: the dataset has one of that name */
bool part_save(store_tx *t, part *p, err *e);
bool part_delete(store_tx *t, const part *p, err *e); /* a vector setting takes its vectors along */
bool part_get(store_tx *t, arena *a, part_kind kind, const char *id, part *out, err *e);
bool part_list(store_tx *t, arena *a, int64_t dataset, part_kind kind, parts *out, err *e); /* in order of making */
bool part_list_all(store_tx *t, arena *a, int64_t dataset, parts out[PART_KINDS], err *e);  /* one list a kind */
const part *part_named(const parts *list, str name);
const part *part_of_id(const parts *list, const char *id);

/* ---- records ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t seq, dataset;
    uuid_text id, dataset_id;
    bool completed;
    str fields, metadata, external_id; /* JSON object; JSON object or NULL view; text or NULL view */
    int64_t submitted;                 /* answers that count */
    int64_t import;                    /* with which import it came; 0: with none */
    int64_t inserted_at, updated_at;
} record;
typedef struct {
    record *item;
    int count;
} records;
bool record_add(store_tx *t, record *r, err *e); /* record_count follows. ERR_CONFLICT: the external id is taken */
/* The dataset has so many more records: told once for all that were added. */
bool record_count(store_tx *t, int64_t dataset, int64_t more, err *e);
bool record_save(store_tx *t, record *r, err *e);
bool record_delete(store_tx *t, const record *r, err *e);
bool record_get(store_tx *t, arena *a, const char *id, record *out, err *e);
bool record_external(store_tx *t, arena *a, int64_t dataset, str external_id, record *out, err *e);
/* Records that hold a person's own words (what was asked and said in passing) are erased with the person. */
bool record_author(store_tx *t, const char *id, int64_t person, err *e);
bool record_list_author(store_tx *t, arena *a, int64_t person, records *out, err *e);
bool record_page(store_tx *t, arena *a, int64_t dataset, int64_t offset, int64_t limit, records *out, err *e);
/* The next records behind a seq: for walks over all of them. */
bool record_after(store_tx *t, arena *a, int64_t dataset, int64_t seq, int64_t limit, records *out, err *e);
/* Counts submitted answers anew; *changed: whether the status did. */
bool record_recount(store_tx *t, record *r, int64_t min_submitted, bool *changed, err *e);
bool record_recount_all(store_tx *t, int64_t dataset, int64_t min_submitted, err *e);

/* Imports: records that came together go together. One that was not finished is undone when the store is opened again. */
typedef struct {
    int64_t seq, dataset;
    uuid_text id;
    const char *source;
    int64_t records, started_at, finished_at; /* finished_at 0: not yet */
} import_row;
typedef struct {
    import_row *item;
    int count;
} imports;
bool import_begin(store_tx *t, import_row *i, int64_t actor, err *e);
bool import_end(store_tx *t, const import_row *i, err *e);
bool import_get(store_tx *t, arena *a, int64_t dataset, const char *id, import_row *out, err *e); /* its records not counted */
bool import_count(store_tx *t, import_row *i, err *e);                          /* sets its records; walks all of them */
bool import_list(store_tx *t, arena *a, int64_t dataset, imports *out, err *e); /* newest first, counted */
bool import_undo(store_tx *t, const import_row *i, err *e);                     /* the index must have forgotten its records */
bool import_records(store_tx *t, arena *a, int64_t import, int64_t seq, int64_t limit, records *out, err *e);
bool import_unfinished(store_tx *t, arena *a, imports *out, err *e);

/* Answers. */
typedef enum { RESPONSE_DRAFT, RESPONSE_SUBMITTED, RESPONSE_DISCARDED } response_status;
const char *response_status_name(response_status s);
bool response_status_of(str name, response_status *out);
typedef struct {
    int64_t seq, record, user;
    uuid_text id, record_id, user_id;
    response_status status;
    str values; /* JSON object or NULL view */
    int64_t inserted_at, updated_at;
    bool fresh; /* after response_put: there was none before */
} response;
typedef struct {
    response *item;
    int count;
} responses;
/* Inserts or replaces (record, user); what was there goes to the history with who changed it. Ids of the user and the record that are not ""
 * are taken as they are. */
bool response_put(store_tx *t, response *r, int64_t actor, err *e);
bool response_delete(store_tx *t, const response *r, int64_t actor, err *e);
bool response_get(store_tx *t, arena *a, const char *id, response *out, err *e);
bool response_of(store_tx *t, arena *a, int64_t record, int64_t user, response *out, err *e);
bool response_list(store_tx *t, arena *a, int64_t record, responses *out, err *e);

typedef struct {
    int64_t seq, at;
    uuid_text user_id, actor_id; /* whose answer; who changed it */
    const char *status;          /* a status, or "none": there was no answer before */
    str values;
} response_version;
typedef struct {
    response_version *item;
    int count;
} response_versions;
bool response_history(store_tx *t, arena *a, int64_t record, int64_t user, response_versions *out, err *e); /* newest first */
bool response_undo(store_tx *t, arena *a, int64_t record, int64_t user, int64_t actor, response *now, bool *exists, err *e);

/* Suggestions. */
typedef struct {
    int64_t seq, record, question;
    uuid_text id, question_id;
    const char *type, *agent; /* NULL: null */
    str value, score;         /* JSON; score NULL view: null */
    int64_t inserted_at, updated_at;
} suggestion;
typedef struct {
    suggestion *item;
    int count;
} suggestions;
bool suggestion_put(store_tx *t, suggestion *s, bool *created, err *e); /* one per record and question */
bool suggestion_delete(store_tx *t, const suggestion *s, err *e);
bool suggestion_get(store_tx *t, arena *a, const char *id, suggestion *out, int64_t *record, err *e);
bool suggestion_list(store_tx *t, arena *a, int64_t record, suggestions *out, err *e);
bool suggestion_clear(store_tx *t, int64_t record, err *e);
bool suggestion_agents(store_tx *t, arena *a, int64_t question, const char ***out, int *count, err *e); /* distinct */

/* Vectors: IEEE doubles, as they came. */
bool vector_put(store_tx *t, int64_t setting, int64_t record, const double *v, int n, err *e);
bool vector_delete(store_tx *t, int64_t setting, int64_t record, err *e);
bool vector_get(store_tx *t, arena *a, int64_t setting, int64_t record, double **v, int *n, err *e); /* n 0: none */

/* Vectors that are computed: a mark says of which state of the record (its updated_at, and a hash of what was read), and that nobody gave it
 * by hand. */
typedef struct {
    record record;
    str hash; /* of what its vector was made of; NULL view: it has none */
} wanting_record;
typedef struct {
    wanting_record *item;
    int count;
} wanting_records;
typedef struct {
    int64_t record, at; /* at: updated_at of the record that was read */
    const char *hash;
    bool same;       /* the vector stays as it is: what it is made of did not change */
    const double *v; /* NULL: there is nothing to compute from */
    int n;
} vector_computed;
/* Those of dataset behind a seq that lack one, or whose computed one is older than they are. */
bool vector_wanting(store_tx *t, arena *a, int64_t dataset, int64_t setting, int64_t seq, int64_t limit, wanting_records *out,
                    err *e);
int64_t vector_wanting_count(store_tx *t, int64_t dataset, int64_t setting, err *e);
int64_t vector_count(store_tx *t, int64_t setting, err *e);
bool vector_forget(store_tx *t, int64_t setting, err *e); /* the computed ones: they are wanted again */
/* *kept: false when the record is gone, or somebody gave a vector by hand meanwhile. */
bool vector_keep(store_tx *t, int64_t setting, const vector_computed *x, bool *kept, err *e);

/* Facets: the values by which records are found and sorted. A text (a label, a term, a rating as text) and, of numbers, the number.
 * owner: the user of a response, else 0. */
typedef enum { FACET_METADATA, FACET_SUGGESTION, FACET_RESPONSE } facet_kind;
bool facet_clear(store_tx *t, facet_kind kind, int64_t part, int64_t record, int64_t owner,
                 err *e);                                     /* part 0: all of the record */
bool facet_clear_answers(store_tx *t, int64_t owner, err *e); /* all of a person's responses, wherever */
bool facet_add(store_tx *t, facet_kind kind, int64_t part, int64_t record, int64_t owner, str text, double number,
               err *e); /* NAN: none */
typedef struct {
    str text;
    double number;
    int64_t count;
} facet_count;
bool facet_terms(store_tx *t, arena *a, facet_kind kind, int64_t part, facet_count **out, int *count, err *e);
bool facet_range(store_tx *t, facet_kind kind, int64_t part, double *min, double *max, bool *any, err *e);

/* ---- text search ------------------------------------------------------------------------------------------------------------------------- */

bool search_create(store_tx *t, int64_t dataset, const parts *fields,
                   err *e); /* an index over these fields; drops an older one */
/* The texts of a record's fields, in the order of `fields`, into the index; `before` (same shape) or NULL: what it held. */
bool search_put(store_tx *t, int64_t dataset, int64_t record, const parts *fields, const str *before, const str *texts, err *e);

/* Records that an import wrote and whose words and metadata are still to be indexed, as ranges of seqs. As long as a record is among
 * them nothing of its text or metadata is in the index. behind_next: the oldest range (set 0: of any dataset; none: dataset 0). */
typedef struct {
    int64_t first, last, dataset;
} behind_range;
bool behind_add(store_tx *t, int64_t dataset, int64_t first, int64_t last, err *e);
bool behind_holds(store_tx *t, int64_t record, err *e);
int64_t behind_count(store_tx *t, int64_t dataset, err *e); /* 0: of all datasets; an upper bound: some may have been removed */
bool behind_next(store_tx *t, int64_t dataset, behind_range *out, err *e);
bool behind_records(store_tx *t, arena *a, const behind_range *b, int64_t from, int64_t limit, records *out,
                    err *e);                                                 /* seq >= from */
bool behind_move(store_tx *t, const behind_range *b, int64_t first, err *e); /* what lies before `first` is indexed now */

/* Makes the copies of vectors that searches for similar records look at (near.h), where they are large, and takes old ones away: so that no
 * search has to wait for it, and brings them to the disk. One whose vectors changed since the last look waits for the next. Takes seconds
 * for a million new ones; for one thread. */
bool near_refresh(store_tx *t, err *e);
enum { TIDY_MOST = 1000 };
bool vector_tidy(store_tx *t, int64_t *forgotten, err *e); /* as words_tidy, changes that nobody follows any more */

/* The second index of words, in memory, for datasets of many records (words.h). Pieces of what it has to read: for each record its texts
 * as search_put gets them (absent: the record is gone, or not in the index yet). */
enum { WORDS_LEAST = 5000 }; /* records; the database's index is quick enough for fewer */
typedef struct {
    int64_t dataset, upto; /* inside */
    records list;
    int64_t *gone; /* records whose texts are to be forgotten, those of the list among them */
    int goners;
    bool fresh, last; /* the first piece; the last of a first reading */
    bool more;        /* false: there is nothing to give */
} words_piece;
/* In a reading transaction: what may be taken back must not be read. */
bool words_take(store_tx *t, arena *a, int64_t dataset, int64_t limit, words_piece *out, err *e);
bool words_give(store_tx *t, const words_piece *p, const str *const *texts, int fields, err *e); /* texts[i]: of list.item[i] */
bool words_wanted(store_tx *t, arena *a, int64_t **datasets, int *count, err *e); /* which are large enough to have one */
/* How many of these have lists that are not at the state of this transaction: their searches take longer. */
bool words_behind(store_tx *t, int64_t *behind, err *e);
/* In a writing transaction: forgets changes that have been read, TIDY_MOST at a time, so that other writes need not wait long. */
bool words_tidy(store_tx *t, int64_t *forgotten, err *e);

/* A filter is a tree of AND, OR, NOT over conditions. */
typedef enum { FILTER_AND, FILTER_OR, FILTER_NOT, FILTER_TERMS, FILTER_RANGE } filter_kind;
typedef enum {
    SCOPE_ID,
    SCOPE_EXTERNAL_ID,
    SCOPE_INSERTED_AT,
    SCOPE_UPDATED_AT,
    SCOPE_STATUS,          /* of the record */
    SCOPE_RESPONSE_STATUS, /* draft, submitted, discarded, pending */
    SCOPE_RESPONSE,
    SCOPE_SUGGESTION,
    SCOPE_METADATA, /* facets of `part` */
    SCOPE_SUGGESTION_SCORE,
    SCOPE_SUGGESTION_AGENT,
    SCOPE_SUGGESTION_TYPE
} filter_scope;
typedef struct filter filter;
struct filter {
    filter_kind kind;
    const filter **child; /* AND, OR: `children` of them; NOT: one */
    int children;
    filter_scope scope;
    int64_t part;
    str *terms;
    int count;
    double ge, le; /* NAN: open. Moments as microseconds */
};
typedef struct {
    filter_scope scope;
    int64_t part;
    bool descending;
} sort_key;

typedef struct {
    int64_t dataset;
    str text;            /* in Elasticsearch's simple query syntax; NULL view: none */
    int64_t text_field;  /* 0: all */
    const filter *where; /* NULL: all */
    int64_t user;        /* scopes of responses mean this person's; 0: anybody's */
    const sort_key *sort;
    int sorts;
    bool shuffled; /* no sort and no text: an order of its own for each user */
    int64_t offset, limit;
} record_query;
typedef struct {
    record record;
    double score;
} record_hit;
typedef struct {
    record_hit *item;
    int count;
    int64_t total;
} record_hits;
bool record_search(store_tx *t, arena *a, const record_query *q, record_hits *out, err *e);

/* Cosine similarity to a vector among the records of q (its text and filter), nearest first (or farthest); score (1 + cos) / 2. */
typedef struct {
    int64_t setting;
    const double *to; /* [n] */
    int n;
    bool least;      /* the farthest first */
    int64_t without; /* a record that is not asked for; 0: none */
} nearness;
bool record_similar(store_tx *t, arena *a, const record_query *q, const nearness *near, record_hits *out, err *e);

/* ---- progress ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *username;
    int64_t count[2][3]; /* [record completed][status] */
} user_progress;
bool progress_users(store_tx *t, arena *a, int64_t dataset, user_progress **out, int *count, err *e);
bool progress_of(store_tx *t, int64_t dataset, int64_t user, int64_t count[3], err *e); /* by status */

/* ---- webhooks, events, audit, idempotency ---------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t seq;
    uuid_text id;
    const char *url, *secret, *description;
    str events; /* JSON array */
    bool enabled;
    int64_t inserted_at, updated_at;
} webhook;
typedef struct {
    webhook *item;
    int count;
} webhooks;
bool webhook_add(store_tx *t, webhook *w, err *e);
bool webhook_save(store_tx *t, webhook *w, err *e);
bool webhook_delete(store_tx *t, const webhook *w, err *e);
bool webhook_get(store_tx *t, arena *a, const char *id, webhook *out, err *e);
bool webhook_list(store_tx *t, arena *a, webhooks *out, err *e);

/* How far a webhook was told, event by event, and which have to be told again: each has a queue of its own, which is the events after
 * `told` and the deliveries that failed. delivery_again: one that is due, event 0: none. delivery_place: told -1: the webhook is gone. */
bool delivery_again(store_tx *t, int64_t webhook, int64_t now, int64_t *event, int *tries, err *e);
bool delivery_place(store_tx *t, int64_t webhook, int64_t *told, int64_t *waiting, err *e);
bool delivery_move(store_tx *t, int64_t webhook, int64_t told, err *e);
bool delivery_keep(store_tx *t, int64_t webhook, int64_t event, int tries, int64_t due, err *e);
bool delivery_drop(store_tx *t, int64_t webhook, int64_t event, err *e);

/* What happened, in order; /api/v1/events and webhooks read on from a seq. */
typedef struct {
    int64_t seq, at, dataset, workspace;
    const char *kind;  /* record.created ... */
    str data, payload; /* JSON: ids for anybody who may see the dataset; the whole for webhooks (NULL view: none wanted) */
} event;
typedef struct {
    event *item;
    int count;
} events;
bool event_add(store_tx *t, const char *kind, int64_t workspace, int64_t dataset, str data, str payload, err *e);
bool event_after(store_tx *t, arena *a, int64_t seq, int64_t limit, events *out, err *e);
int64_t event_last(store_tx *t, err *e);

bool audit_add(store_tx *t, int64_t actor, const char *action, const char *target, str detail, err *e);
typedef struct {
    int64_t at;
    const char *actor, *action, *target;
    str detail;
} audit_entry;
typedef struct {
    audit_entry *item;
    int count;
} audit_entries;
bool audit_list(store_tx *t, arena *a, int64_t limit, audit_entries *out, err *e); /* newest first */

/* The answer that a request with this key got: status and body. ERR_NOT_FOUND: none yet, or it is more than a week ago. */
bool idempotency_find(store_tx *t, arena *a, int64_t user, str key, str request, int *status, str *body, err *e);
bool idempotency_keep(store_tx *t, int64_t user, str key, str request, int status, str body, err *e);

/* ---- beyond the answer: leases, comments, flags, gold ------------------------------------------------------------------------------------- */

/* The record belongs to the person until then; false with ERR_CONFLICT when somebody else holds it. */
bool lease_take(store_tx *t, int64_t record, int64_t user, int64_t until, err *e);
bool lease_drop(store_tx *t, int64_t record, int64_t user, err *e);

typedef struct {
    int64_t seq, record, user;
    uuid_text id, user_id;
    const char *text;
    bool flag; /* a flag with words: "look at this"; else a comment */
    bool resolved;
    int64_t inserted_at;
} note;
typedef struct {
    note *item;
    int count;
} notes;
bool note_add(store_tx *t, note *n, err *e);
bool note_resolve(store_tx *t, int64_t record, const char *id, bool resolved, err *e);
bool note_list(store_tx *t, arena *a, int64_t record, notes *out, err *e);

/* The settled answer of a record: {"question": {"value": ...}}. hidden: a check that annotators do not see. */
bool gold_put(store_tx *t, int64_t record, str values, int64_t by, bool hidden, err *e);
bool gold_get(store_tx *t, arena *a, int64_t record, str *values, bool *hidden, err *e); /* NULL view: none */
bool gold_delete(store_tx *t, int64_t record, err *e);

/* ---- options that changed ----------------------------------------------------------------------------------------------------------------- */

/* A change of a question's settings after which answers were changed too; what they were before is held, so that it can be undone.
 * Newest changes are undone first. */
typedef struct {
    int64_t seq, part, actor, at;
    uuid_text id, actor_id; /* actor_id "": the owner of the process, or somebody who is gone */
    str settings, summary;  /* JSON: the settings before; what was told about it */
} part_change;
typedef struct {
    part_change *item;
    int count;
} part_changes;
bool change_begin(store_tx *t, part_change *x, err *e);                           /* fills seq, id, at */
bool change_list(store_tx *t, arena *a, int64_t part, part_changes *out, err *e); /* newest first */
bool change_delete(store_tx *t, int64_t seq, err *e);                             /* with what it holds */

typedef enum { HELD_RESPONSE, HELD_SUGGESTION, HELD_GOLD } held_kind;
typedef struct {
    int64_t seq;
    held_kind kind;
    int64_t record, user; /* user 0: of a suggestion */
    int64_t status;       /* of a response; of a settled answer: whether it is hidden */
    str value, score;     /* a response's values, a suggestion's value, settled values */
    const char *type, *agent;
    int64_t stamp; /* when the change wrote it: one that says otherwise now was changed since. 0: the change took it away */
} held_value;
typedef struct {
    held_value *item;
    int count;
} held_values;
bool change_hold(store_tx *t, int64_t change, const held_value *x, err *e);
bool change_held(store_tx *t, arena *a, int64_t change, int64_t seq, int64_t limit, held_values *out, err *e);

/* Walks: what follows a seq (of settled answers: a record's). */
typedef struct {
    int64_t record, actor, at;
    str values;
    bool hidden;
} gold_row;
typedef struct {
    gold_row *item;
    int count;
} gold_rows;
bool response_after(store_tx *t, arena *a, int64_t dataset, int64_t seq, int64_t limit, responses *out, err *e);
bool suggestion_after(store_tx *t, arena *a, int64_t question, int64_t seq, int64_t limit, suggestions *out, err *e);
bool gold_after(store_tx *t, arena *a, int64_t dataset, int64_t record, int64_t limit, gold_rows *out, err *e);
bool gold_of(store_tx *t, arena *a, int64_t record, gold_row *out, err *e); /* record 0: none */

/* ---- who works on what -------------------------------------------------------------------------------------------------------------------- */

/* One for a person and a dataset: the records they are given (none: any), and how many answers are wanted of them. */
typedef struct {
    int64_t seq, dataset, user;
    uuid_text id, user_id;
    const char *username;
    int64_t quota;             /* 0: no end */
    int64_t records, answered; /* assigned; submitted or discarded by them: of the assigned, or of all where none is */
    int64_t inserted_at;
} assignment;
typedef struct {
    assignment *item;
    int count;
} assignments;
bool assignment_put(store_tx *t, assignment *x, err *e); /* makes it, or changes the quota; fills seq and id */
bool assignment_add_record(store_tx *t, const assignment *x, int64_t record, err *e);                 /* again is fine */
bool assignment_list(store_tx *t, arena *a, int64_t dataset, int64_t user, assignments *out, err *e); /* user 0: all */
bool assignment_delete(store_tx *t, int64_t dataset, const char *id, err *e);

/* Records a person may be given now: not answered by them, not held by somebody else; of their assignment, else not completed. */
typedef enum {
    QUEUE_SEQUENTIAL,
    QUEUE_RANDOM,      /* an order of its own for each person */
    QUEUE_UNCERTAINTY, /* the lowest score of a suggestion first */
    QUEUE_ANSWERED,    /* only those that others submitted answers to */
    QUEUE_CHECKS,      /* only those with a hidden settled answer, whoever completed them */
    QUEUE_RETURNED     /* only those whose answer was sent back to them */
} queue_order;
bool queue_list(store_tx *t, arena *a, int64_t dataset, int64_t user, const assignment *of, queue_order order, int64_t limit,
                records *out, err *e);                        /* of NULL: no assignment */
bool response_return(store_tx *t, const response *r, err *e); /* until it is submitted or discarded again */

/* Guidelines of a dataset as they were, newest first; kept by dataset_add and dataset_save. */
typedef struct {
    str text; /* NULL view: there were none */
    int64_t at;
} guideline;
typedef struct {
    guideline *item;
    int count;
} guidelines;
bool guidelines_list(store_tx *t, arena *a, int64_t dataset, guidelines *out, err *e);

/* ---- erasure ------------------------------------------------------------------------------------------------------------------------- */

/* Texts that an erasure takes away, to be looked for elsewhere: JSON values, or (plain) words as they are. */
typedef struct {
    str text;
    bool plain;
} trace;
typedef struct {
    trace *item;
    int count;
    uuid_text *id; /* of the record and its answers; of the person and theirs */
    int ids;
} traces;
bool record_traces(store_tx *t, arena *a, const record *r, traces *out, err *e);
bool user_traces(store_tx *t, arena *a, const user *u, traces *out, err *e);

/* How much went. What is kept of it is numbers, ids and the moment. */
typedef struct {
    const char *kind; /* "record" or "user" */
    uuid_text target;
    int64_t at, actor, dataset; /* dataset 0: of a user */
    int64_t responses, versions, suggestions, notes, golds;
} erasure_entry;
typedef struct {
    erasure_entry *item;
    int count;
} erasure_entries;
bool erasure_list(store_tx *t, arena *a, erasure_entries *out, err *e); /* newest first */
/* The record with all that belongs to it, also from kept answers of requests and events, and of words said in passing (record_author) the
 * duel, the kept completion or the part of a conversation where they were said; its text index is the caller's (search_put,
 * search_compact). */
bool record_erase(store_tx *t, arena *a, const record *r, int64_t actor, erasure_entry *out, err *e);
/* Answers, history, notes, settled answers, keys, name and password of a person; the row stays under a name that says nothing, and how
 * many answers there were in each dataset. */
bool user_erase(store_tx *t, arena *a, user *u, int64_t actor, erasure_entry *out, err *e);
bool search_compact(store_tx *t, int64_t dataset, err *e); /* words that were taken out leave the index's blocks too */

/* What is left of erased people: how many answers they had given. */
typedef struct {
    uuid_text user_id;
    const char *username;
    int64_t count[3]; /* by status */
} tally;
typedef struct {
    tally *item;
    int count;
} tallies;
bool tally_list(store_tx *t, arena *a, int64_t dataset, tallies *out, err *e);

/* ---- what a person does with models --------------------------------------------------------------------------------------------------- */

/* A model taught a taste by best-of-four picks (serve/teach.h says what `data` holds). */
typedef struct {
    int64_t seq, user;
    uuid_text id;
    str data; /* JSON object */
    int64_t inserted_at, updated_at;
} lesson;
typedef struct {
    lesson *item;
    int count;
} lessons;
bool lesson_add(store_tx *t, lesson *x, err *e);
bool lesson_save(store_tx *t, lesson *x, err *e);
bool lesson_get(store_tx *t, arena *a, const char *id, lesson *out, err *e); /* anybody's */
bool lesson_list(store_tx *t, arena *a, int64_t user, lessons *out, err *e); /* newest first */

/* A conversation with a model: its owner's alone. */
typedef struct {
    int64_t seq, user;
    uuid_text id;
    const char *title, *model;
    str settings,
        messages; /* JSON object; JSON array: a tree of {"id", "parent", "role", "content", "model", "completion_id", "finish"} */
    int64_t inserted_at, updated_at;
} talk;
typedef struct {
    talk *item;
    int count;
} talks;
bool talk_add(store_tx *t, talk *x, err *e);
bool talk_save(store_tx *t, talk *x, err *e);
bool talk_delete(store_tx *t, const talk *x, err *e);
bool talk_get(store_tx *t, arena *a, int64_t user, const char *id, talk *out, err *e);
bool talk_list(store_tx *t, arena *a, int64_t user, talks *out, err *e); /* latest change first */

/* Two models answered one prompt, unnamed; a person said which was better. */
typedef struct {
    int64_t seq, user;
    uuid_text id;         /* "" to duel_add: a new one */
    const char *model[2]; /* left, right */
    const char *prompt, *text[2];
    bool unfinished[2]; /* cut off at the limit */
    const char *vote;   /* "left", "right", "tie", "bad"; NULL: taken back */
    int64_t at;
} duel;
typedef struct {
    duel *item;
    int count;
} duels;
bool duel_add(store_tx *t, duel *x, err *e);
bool duel_get(store_tx *t, arena *a, int64_t user, const char *id, duel *out, err *e);
bool duel_vote(store_tx *t, const duel *x, const char *vote, err *e);
bool duel_list(store_tx *t, arena *a, duels *out, err *e); /* everybody's with a vote, oldest first */

/* What the store knows of itself; "salt" is a secret that pseudonyms are made with. NULL: not there. */
const char *store_fact(store_tx *t, arena *a, const char *key, err *e);

/* The mapping a dataset's answers become examples by, and its options: JSON objects; mapping NULL view: none kept. */
bool recipe_keep(store_tx *t, int64_t dataset, str mapping, str options, err *e);
bool recipe_kept(store_tx *t, arena *a, int64_t dataset, str *mapping, str *options, err *e);

/* ---- views and suggesters of datasets ------------------------------------------------------------------------------------------------- */

/* Filters and order of a dataset's records under a name, of one person; shared: everybody who sees the dataset has it. */
typedef struct {
    int64_t seq, dataset, user;
    uuid_text id;
    const char *name, *username; /* whose it is */
    str query;                   /* JSON of the page: the store does not read it */
    bool shared;
    int64_t inserted_at;
} kept_view;
typedef struct {
    kept_view *item;
    int count;
} kept_views;
bool view_put(store_tx *t, kept_view *x, err *e); /* in the place of the person's one of that name; fills seq, id, inserted_at */
bool view_list(store_tx *t, arena *a, int64_t dataset, int64_t user, kept_views *out,
               err *e); /* theirs and shared ones, by name */
bool view_get(store_tx *t, arena *a, int64_t dataset, const char *id, kept_view *out, err *e);
bool view_delete(store_tx *t, const kept_view *x, err *e);
int64_t view_count(store_tx *t, int64_t dataset, int64_t user, err *e); /* of this person alone */

/* The model that answers the next records of a dataset ahead of people; one a dataset. */
typedef struct {
    int64_t dataset, actor, at; /* who set it, when */
    bool active;
    str settings, spent; /* JSON: what it is asked; requests, tokens, cost so far */
} suggester;
typedef struct {
    suggester *item;
    int count;
} suggesters;
bool suggester_put(store_tx *t, suggester *x, err *e); /* makes or changes it; fills at */
bool suggester_get(store_tx *t, arena *a, int64_t dataset, suggester *out, err *e);
bool suggester_spend(store_tx *t, int64_t dataset, str spent, err *e); /* what was spent in all; its settings stay */
bool suggester_active(store_tx *t, arena *a, suggesters *out, err *e); /* all that are on */
/* Records that are not completed, from the one after `seq` on. */
bool record_open_after(store_tx *t, arena *a, int64_t dataset, int64_t seq, int64_t limit, records *out, err *e);

#endif
