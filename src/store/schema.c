/* schema.c - the tables, as numbered migrations. A migration that was released is never changed: a new one follows it. */
#include "store/db.h"

/* Each string is one migration, from the version of its index to the next. */
static const char *const migrations[] = {
    /* 1 */
    "CREATE TABLE users(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, username TEXT NOT NULL UNIQUE,"
    " first_name TEXT NOT NULL, last_name TEXT, password TEXT, role INTEGER NOT NULL, inserted_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE passes(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, hash TEXT NOT NULL UNIQUE, name TEXT,"
    " inserted_at INTEGER NOT NULL, used_at INTEGER NOT NULL DEFAULT 0, expires_at INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX passes_of ON passes(user);"
    "CREATE TABLE workspaces(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,"
    " inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE members(workspace INTEGER NOT NULL REFERENCES workspaces(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, inserted_at INTEGER NOT NULL,"
    " PRIMARY KEY(workspace, user)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX members_of ON members(user);"
    "CREATE TABLE datasets(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " workspace INTEGER NOT NULL REFERENCES workspaces(seq), name TEXT NOT NULL, guidelines TEXT, metadata TEXT,"
    " allow_extra_metadata INTEGER NOT NULL, ready INTEGER NOT NULL, min_submitted INTEGER NOT NULL,"
    " records INTEGER NOT NULL DEFAULT 0, completed INTEGER NOT NULL DEFAULT 0, last_activity_at INTEGER NOT NULL,"
    " inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX datasets_of ON datasets(workspace, name);"
    "CREATE TABLE parts(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE, kind INTEGER NOT NULL, name TEXT NOT NULL,"
    " title TEXT NOT NULL, description TEXT, required INTEGER NOT NULL, visible INTEGER NOT NULL, settings TEXT NOT NULL,"
    " inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE(dataset, kind, name)) STRICT;"
    "CREATE TABLE records(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE, external_id TEXT, completed INTEGER NOT NULL DEFAULT "
    "0,"
    " submitted INTEGER NOT NULL DEFAULT 0, import INTEGER NOT NULL DEFAULT 0, fields TEXT NOT NULL, metadata TEXT,"
    " inserted_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL, UNIQUE(dataset, external_id)) STRICT;"
    "CREATE INDEX records_of ON records(dataset);"
    "CREATE INDEX records_by_status ON records(dataset, completed);"
    "CREATE INDEX records_by_import ON records(import) WHERE import > 0;"
    "CREATE TABLE imports(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE, source TEXT NOT NULL, actor INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL, finished_at INTEGER) STRICT;"
    "CREATE TABLE responses(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, dataset INTEGER NOT NULL, status INTEGER NOT NULL, "
    "\"values\" TEXT,"
    " inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE(record, user)) STRICT;"
    "CREATE INDEX responses_of ON responses(dataset, user, status);"
    "CREATE INDEX responses_by_user ON responses(user);"
    "CREATE TABLE history(seq INTEGER PRIMARY KEY AUTOINCREMENT, record INTEGER NOT NULL REFERENCES records(seq) ON DELETE "
    "CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, actor INTEGER NOT NULL, status INTEGER NOT NULL, \"values\" "
    "TEXT,"
    " at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX history_of ON history(record, user);"
    "CREATE INDEX history_by_user ON history(user);"
    "CREATE TABLE suggestions(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE,"
    " question INTEGER NOT NULL REFERENCES parts(seq) ON DELETE CASCADE, type TEXT, agent TEXT, value TEXT NOT NULL, score TEXT,"
    " inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE(record, question)) STRICT;"
    "CREATE INDEX suggestions_of ON suggestions(question, agent);"
    "CREATE TABLE vectors(setting INTEGER NOT NULL REFERENCES parts(seq) ON DELETE CASCADE,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE, value BLOB NOT NULL, PRIMARY KEY(setting, record)) "
    "STRICT,"
    " WITHOUT ROWID;"
    "CREATE INDEX vectors_of ON vectors(record);"
    "CREATE TABLE facets(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, part INTEGER NOT NULL,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE, owner INTEGER NOT NULL, text TEXT, number REAL) STRICT;"
    "CREATE INDEX facets_by_text ON facets(kind, part, text, record);"
    "CREATE INDEX facets_by_number ON facets(kind, part, number, record);"
    "CREATE INDEX facets_of ON facets(record, kind, part);"
    "CREATE TABLE webhooks(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, url TEXT NOT NULL, secret TEXT NOT "
    "NULL,"
    " description TEXT, events TEXT NOT NULL, enabled INTEGER NOT NULL, inserted_at INTEGER NOT NULL, updated_at INTEGER NOT "
    "NULL) STRICT;"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, workspace INTEGER NOT "
    "NULL,"
    " dataset INTEGER NOT NULL, data TEXT, payload TEXT) STRICT;"
    "CREATE TABLE audit(seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor INTEGER NOT NULL, action TEXT NOT NULL,"
    " target TEXT, detail TEXT) STRICT;"
    "CREATE TABLE idempotency(user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, key TEXT NOT NULL, request TEXT NOT "
    "NULL,"
    " status INTEGER NOT NULL, body TEXT, at INTEGER NOT NULL, PRIMARY KEY(user, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE leases(record INTEGER PRIMARY KEY REFERENCES records(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, until INTEGER NOT NULL) STRICT;"
    "CREATE INDEX leases_by_user ON leases(user);"
    "CREATE TABLE notes(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, text TEXT NOT NULL, flag INTEGER NOT NULL,"
    " resolved INTEGER NOT NULL DEFAULT 0, inserted_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX notes_of ON notes(record);"
    "CREATE INDEX notes_by_user ON notes(user);"
    "CREATE TABLE facts(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE recipes(dataset INTEGER PRIMARY KEY REFERENCES datasets(seq) ON DELETE CASCADE, mapping TEXT NOT NULL,"
    " options TEXT, at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE gold(record INTEGER PRIMARY KEY REFERENCES records(seq) ON DELETE CASCADE, \"values\" TEXT NOT NULL,"
    " actor INTEGER NOT NULL, hidden INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;",
    /* 2: which state of a setting's vectors this is, so that a copy in memory can be known to be old (store_similar.c) */
    "CREATE TABLE vector_states(setting INTEGER PRIMARY KEY REFERENCES parts(seq) ON DELETE CASCADE, state INTEGER NOT NULL) "
    "STRICT;"
    "INSERT INTO vector_states SELECT DISTINCT setting, -setting FROM vectors;"
    /* what is left of what was erased; who works on what; guidelines as they were */
    "CREATE TABLE erasures(seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor INTEGER NOT NULL, kind TEXT NOT "
    "NULL,"
    " target TEXT NOT NULL, dataset INTEGER NOT NULL, responses INTEGER NOT NULL, versions INTEGER NOT NULL,"
    " suggestions INTEGER NOT NULL, notes INTEGER NOT NULL, golds INTEGER NOT NULL) STRICT;"
    "CREATE TABLE tallies(user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE, status INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY(user, dataset, status)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX tallies_of ON tallies(dataset);"
    "CREATE TABLE assignments(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, quota INTEGER NOT NULL, inserted_at INTEGER NOT NULL,"
    " UNIQUE(dataset, user)) STRICT;"
    "CREATE INDEX assignments_by_user ON assignments(user);"
    "CREATE TABLE assigned(assignment INTEGER NOT NULL REFERENCES assignments(seq) ON DELETE CASCADE,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE, PRIMARY KEY(assignment, record)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX assigned_of ON assigned(record);"
    "CREATE TABLE guidelines(seq INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE "
    "CASCADE,"
    " text TEXT, at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX guidelines_of ON guidelines(dataset);"
    "INSERT INTO guidelines(dataset, text, at) SELECT seq, guidelines, updated_at FROM datasets WHERE guidelines IS NOT NULL;"
    "CREATE INDEX idempotency_by_age ON idempotency(at);"
    "CREATE TABLE returned(response INTEGER PRIMARY KEY REFERENCES responses(seq) ON DELETE CASCADE, at INTEGER NOT NULL) "
    "STRICT;",
    /* 3: changes of a question's options, with what each changed as it was before (store_change.c) */
    "CREATE TABLE changes(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " part INTEGER NOT NULL REFERENCES parts(seq) ON DELETE CASCADE, actor INTEGER NOT NULL, at INTEGER NOT NULL,"
    " settings TEXT NOT NULL, summary TEXT NOT NULL) STRICT;"
    "CREATE INDEX changes_of ON changes(part);"
    "CREATE TABLE changed(seq INTEGER PRIMARY KEY, change INTEGER NOT NULL REFERENCES changes(seq) ON DELETE CASCADE,"
    " kind INTEGER NOT NULL, record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE,"
    " user INTEGER REFERENCES users(seq) ON DELETE CASCADE, status INTEGER NOT NULL, value TEXT NOT NULL, score TEXT, type TEXT,"
    " agent TEXT, stamp INTEGER NOT NULL) STRICT;"
    "CREATE INDEX changed_of ON changed(change);"
    "CREATE INDEX changed_record ON changed(record);"
    "CREATE INDEX changed_user ON changed(user) WHERE user IS NOT NULL;"
    /* vectors that were computed, and of which state of the record: those given by hand have no mark (store_vector.c) */
    "CREATE TABLE vector_marks(setting INTEGER NOT NULL REFERENCES parts(seq) ON DELETE CASCADE,"
    " record INTEGER NOT NULL REFERENCES records(seq) ON DELETE CASCADE, at INTEGER NOT NULL, PRIMARY KEY(setting, record))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX vector_marks_of ON vector_marks(record);",
    /* 4: records whose words and metadata are not in the index yet (store_behind.c) */
    "CREATE TABLE behind(first INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE) STRICT;"
    "CREATE INDEX behind_of ON behind(dataset);"
    /* how far each webhook was told, and what has to be told again (store_log.c) */
    "ALTER TABLE webhooks ADD COLUMN told INTEGER NOT NULL DEFAULT 0;"
    "UPDATE webhooks SET told = (SELECT coalesce(max(seq), 0) FROM events);"
    "CREATE TABLE deliveries(webhook INTEGER NOT NULL REFERENCES webhooks(seq) ON DELETE CASCADE, event INTEGER NOT NULL,"
    " tries INTEGER NOT NULL, due INTEGER NOT NULL, PRIMARY KEY(webhook, event)) STRICT, WITHOUT ROWID;",
    /* 5: lessons, conversations and anonymous pairs (store_live.c) */
    "CREATE TABLE lessons(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, data TEXT NOT NULL, inserted_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX lessons_by_user ON lessons(user);"
    "CREATE TABLE talks(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, title TEXT NOT NULL, model TEXT NOT NULL,"
    " settings TEXT NOT NULL, messages TEXT NOT NULL, inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX talks_by_user ON talks(user, updated_at);"
    "CREATE TABLE duels(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, left_model TEXT NOT NULL, right_model TEXT NOT NULL,"
    " prompt TEXT NOT NULL, left_text TEXT NOT NULL, right_text TEXT NOT NULL, vote TEXT, at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX duels_by_user ON duels(user);",
    /* 6: whose words changed since an index in memory last looked (store_words.c) */
    "CREATE TABLE text_changes(seq INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL, record INTEGER NOT NULL) STRICT;"
    "CREATE INDEX text_changes_of ON text_changes(dataset);"
    /* and of what a computed vector was made (store_vector.c) */
    "ALTER TABLE vector_marks ADD COLUMN hash TEXT NOT NULL DEFAULT '';",
    /* 7: names of models, what keys may and spent, answers that are kept (store_traffic.c) */
    "CREATE TABLE aliases(name TEXT PRIMARY KEY, target TEXT NOT NULL, history TEXT NOT NULL, at INTEGER NOT NULL) STRICT, "
    "WITHOUT ROWID;"
    "ALTER TABLE passes ADD COLUMN scopes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE passes ADD COLUMN budget INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE passes ADD COLUMN record INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE passes ADD COLUMN retention INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE spent(pass INTEGER NOT NULL REFERENCES passes(seq) ON DELETE CASCADE, day INTEGER NOT NULL, tokens INTEGER NOT "
    "NULL, PRIMARY KEY(pass, day)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE traffic(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " pass INTEGER NOT NULL REFERENCES passes(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, model TEXT NOT NULL, request TEXT NOT NULL,"
    " answer TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;"
    "CREATE INDEX traffic_by_pass ON traffic(pass);"
    "CREATE INDEX traffic_by_user ON traffic(user);"
    "CREATE INDEX traffic_by_end ON traffic(until);",
    /* 8: views of a dataset that people keep, and the model that suggests ahead of them (store_view.c) */
    "CREATE TABLE views(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " dataset INTEGER NOT NULL REFERENCES datasets(seq) ON DELETE CASCADE,"
    " user INTEGER NOT NULL REFERENCES users(seq) ON DELETE CASCADE, name TEXT NOT NULL, query TEXT NOT NULL,"
    " shared INTEGER NOT NULL, inserted_at INTEGER NOT NULL, UNIQUE(dataset, user, name)) STRICT;"
    "CREATE INDEX views_by_user ON views(user);"
    "CREATE TABLE suggesters(dataset INTEGER PRIMARY KEY REFERENCES datasets(seq) ON DELETE CASCADE, settings TEXT NOT NULL,"
    " active INTEGER NOT NULL, spent TEXT NOT NULL, actor INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;",
    /* 9: which vectors changed, so that copies follow instead of being made anew (near.h) */
    "ALTER TABLE vector_states ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE vector_states ADD COLUMN last INTEGER NOT NULL DEFAULT 0;"
    "UPDATE vector_states SET last = (SELECT coalesce(max(record), 0) FROM vectors WHERE setting = vector_states.setting);"
    "CREATE TABLE vector_changes(setting INTEGER NOT NULL REFERENCES parts(seq) ON DELETE CASCADE, epoch INTEGER NOT NULL,"
    " record INTEGER NOT NULL, before INTEGER NOT NULL, PRIMARY KEY(setting, epoch)) STRICT, WITHOUT ROWID;"
    /* and whose words a record is made of: it goes with the person; 0: nobody's (inbox.h) */
    "ALTER TABLE records ADD COLUMN author INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX records_by_author ON records(author) WHERE author > 0;",
    /* 10: which answers were cut off, so that nobody learns to end there */
    "ALTER TABLE traffic ADD COLUMN unfinished TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE duels ADD COLUMN left_unfinished INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE duels ADD COLUMN right_unfinished INTEGER NOT NULL DEFAULT 0;",
};

int schema_newest(void) { return (int)(sizeof migrations / sizeof *migrations); }

bool schema_version(store_tx *t, int *version, err *e) {
    if (!db_exec(t, "CREATE TABLE IF NOT EXISTS schema(version INTEGER NOT NULL) STRICT", e)) return false;
    *version = (int)db_int_of_values(t, 0, "SELECT version FROM schema", NULL, 0, e);
    return e->code == ERR_NONE;
}

bool schema_migrate(store_tx *t, int from, err *e) {
    for (int v = from; v < schema_newest(); v++)
        if (!db_exec(t, migrations[v], e)) return err_prefix(e, "the migration to schema %d", v + 1);
    if (from == 0) { /* a secret of this store: pseudonyms of people are made with it */
        key_text salt;
        key_new(salt);
        if (!db_run(t, e, "INSERT INTO facts VALUES('salt', $1)", db_c(salt))) return false;
    }
    return db_exec(t, "DELETE FROM schema", e) && db_run(t, e, "INSERT INTO schema VALUES($1)", db_i(schema_newest()));
}
