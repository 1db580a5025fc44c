/* api_erase.c - a record or a person goes for good: from the store, the text index, what repeats it, exports and run folders.
 *
 *     traces (ids, texts) ──► run folders, exports ──► the store, in one transaction ──► bytes of the files (store_scrub)
 *
 * Files come first: once the store has forgotten the texts, nobody could look for them. An erasure that was cut off is asked for
 * again and goes on. Copies of the whole store (backups) are named in the answer: they are the owner's to remove. */
#include <pthread.h>
#include <string.h>

#include "run/run.h"
#include "serve/api.h"

enum { TEXT_LEAST = 24, PIECE = 48 }; /* bytes: shorter texts are found in anything */

/* ---- what to look for -------------------------------------------------------------------------------------------------------------- */

/* Pieces, so that a text that somebody cut off is found too: any quotation of two pieces' length holds a whole one. */
static void add_line(needles *n, str line) {
    if (line.len < TEXT_LEAST) return;
    if (line.len < 2 * PIECE) needles_add(n, line);
    for (size_t at = 0; line.len >= 2 * PIECE && at < line.len; at += PIECE) {
        const size_t from = at + PIECE > line.len ? line.len - PIECE : at;
        needles_add(n, str_slice(line, from, from + PIECE));
    }
}

/* Line by line, as it is and as JSON writes it. */
static void add_text(needles *n, str text) {
    for (size_t at = 0; at < text.len;) {
        const ptrdiff_t end = str_find(text, STR("\n"), at);
        const str line = str_trim(str_slice(text, at, end < 0 ? text.len : (size_t)end));
        buf quoted = {0};
        json_quote(&quoted, line);
        add_line(n, line);
        add_line(n, str_slice(buf_str(&quoted), 1, quoted.len - 1));
        buf_free(&quoted);
        at = end < 0 ? text.len : (size_t)end + 1;
    }
}

static void add_json(needles *n, const json *v) {
    json_member m = {0};
    if (json_kind_of(v) == JSON_STRING) add_text(n, json_text(v, STR("")));
    for (size_t i = 0; json_kind_of(v) == JSON_ARRAY && i < json_count(v); i++) add_json(n, json_at(v, i));
    while (json_kind_of(v) == JSON_OBJECT && json_next(v, &m)) add_json(n, m.value);
}

static bool add_traces(call *c, const traces *list, needles *ids, needles *texts, err *e) {
    for (int i = 0; i < list->ids; i++) needles_add(ids, str_of(list->id[i]));
    for (int i = 0; i < list->count; i++) {
        json *v;
        if (list->item[i].plain) add_text(texts, list->item[i].text);
        else if (json_parse_any(c->a, list->item[i].text, &v, e)) add_json(texts, v);
        else return false;
    }
    return true;
}

typedef struct {
    call *c;
    needles *ids, *texts;
} search;

static bool gather(store_tx *t, void *context, err *e) {
    const search *s = context;
    call *c = s->c;
    traces list;
    if (c->route->of == OF_RECORD)
        return record_traces(t, c->a, &c->record, &list, e) && add_traces(c, &list, s->ids, s->texts, e);
    const char *salt = store_fact(t, c->a, "salt", e);
    if (e->code) return false;
    needles_add(s->ids, str_of(arena_printf(c->a, "\"%s\"", person_pseudonym(c->a, salt, str_of(c->person.id)))));
    records own;
    if (!record_list_author(t, c->a, c->person.seq, &own, e)) return false;
    for (int i = 0; i < own.count; i++)
        if (!record_traces(t, c->a, &own.item[i], &list, e) || !add_traces(c, &list, s->ids, s->texts, e)) return false;
    return user_traces(t, c->a, &c->person, &list, e) && add_traces(c, &list, s->ids, s->texts, e);
}

/* ---- the store ----------------------------------------------------------------------------------------------------------------------- */

/* Webhooks are told the ids alone. */
static bool tell(call *c, const erasure_entry *x, err *e) {
    const char *ids = arena_printf(c->a, "{\"id\": \"%s\", \"dataset_id\": \"%s\", \"record_id\": \"%s\", \"erased\": true}",
                                   x->target, c->set.id, x->target);
    return event_add(c->tx, "record.deleted", c->set.workspace, c->set.seq, str_of(ids),
                     server_has_webhooks(c->server) ? str_of(ids) : (str){NULL, 0}, e);
}

/* c->record of c->set; its bytes leave the text index with search_compact. */
static bool drop_record(call *c, err *e) {
    schema s;
    erasure_entry *x = &c->erased;
    return schema_rules(c, c->set.seq, &s, e) && (!c->set.ready || unindex_record(c, &c->record, &s, e)) &&
           record_erase(c->tx, c->a, &c->record, c->me.seq, x, e) && tell(c, x, e);
}

static bool inside_record(call *c, err *e) { return drop_record(c, e) && search_compact(c->tx, c->set.seq, e); }

/* Records of the person's own words. */
static bool drop_own(call *c, const records *own, err *e) {
    for (int i = 0; i < own->count; i++) {
        const bool last = i + 1 == own->count || own->item[i + 1].dataset != own->item[i].dataset;
        if (!record_get(c->tx, c->a, own->item[i].id, &c->record, e) ||
            !dataset_get_seq(c->tx, c->a, c->record.dataset, &c->set, e) || !drop_record(c, e) ||
            (last && !search_compact(c->tx, c->set.seq, e)))
            return false;
    }
    return true;
}

/* Before any file is touched, and again where it is written. */
static bool keeps_an_owner(call *c, store_tx *t, err *e) {
    users all;
    if (c->person.role != ROLE_OWNER) return true;
    if (!user_list(t, c->a, &all, e)) return false;
    for (int i = 0; i < all.count; i++)
        if (all.item[i].role == ROLE_OWNER && all.item[i].seq != c->person.seq) return true;
    return err_set(e, ERR_CONFLICT, "%s is the only owner: make another one first", c->person.username);
}

static bool inside_user(call *c, err *e) {
    records own;
    if (!keeps_an_owner(c, c->tx, e) || !record_list_author(c->tx, c->a, c->person.seq, &own, e) ||
        !user_erase(c->tx, c->a, &c->person, c->me.seq, &c->erased, e))
        return false;
    const erasure_entry of_person = c->erased;
    const bool ok = drop_own(c, &own, e);
    c->erased = of_person;
    return ok;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------------------------ */

static void put_runs(json_writer *w, const erased_run *runs, int count) {
    json_key(w, "runs"), json_open(w, '[');
    for (int i = 0; i < count; i++) {
        json_open(w, '{');
        json_key(w, "name"), json_put_cstr(w, path_name(runs[i].path));
        json_key(w, "path"), json_put_cstr(w, runs[i].path);
        json_key(w, "model"), json_put_cstr(w, runs[i].model);
        json_key(w, "examples"), json_put_int(w, runs[i].examples);
        json_key(w, "through"), json_put_cstr(w, runs[i].through);
        json_key(w, "added"), json_open(w, '[');
        for (const char **name = runs[i].added; *name; name++) json_put_cstr(w, *name);
        json_close(w);
        json_close(w);
    }
    json_close(w);
}

static bool put_backups(call *c, const char *home, err *e) {
    const char *folder = path_join(c->a, home, "backups");
    char **names;
    int count = 0;
    if (file_is_dir(folder) && !dir_list(c->a, folder, &names, &count, e)) return false;
    json_key(&c->w, "backups"), json_open(&c->w, '[');
    for (int i = 0; i < count; i++) json_put_cstr(&c->w, path_join(c->a, folder, names[i]));
    json_close(&c->w);
    return true;
}

static bool put_erased(call *c, const erased_run *runs, int count, int64_t lines, bool left, err *e) {
    json_writer *w = &c->w;
    const erasure_entry *x = &c->erased;
    json_open(w, '{');
    json_key(w, "kind"), json_put_cstr(w, x->kind);
    json_key(w, "id"), json_put_cstr(w, x->target);
    if (c->route->of == OF_USER) json_key(w, "username"), json_put_cstr(w, c->person.username);
    json_key(w, "responses"), json_put_int(w, x->responses);
    json_key(w, "versions"), json_put_int(w, x->versions);
    json_key(w, "suggestions"), json_put_int(w, x->suggestions);
    json_key(w, "notes"), json_put_int(w, x->notes);
    json_key(w, "gold"), json_put_int(w, x->golds);
    json_key(w, "export_lines"), json_put_int(w, lines);
    json_key(w, "elsewhere"), json_put_bool(w, left);
    put_runs(w, runs, count);
    const bool ok = put_backups(c, store_folder(server_store(c->server)), e);
    json_close(w);
    return ok;
}

/* ---- in order ---------------------------------------------------------------------------------------------------------------------------- */

/* One at a time: they rewrite the same files. */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static bool scrub(call *c, const needles *gone, bool *left, err *e) {
    return store_scrub(server_store(c->server), gone, left, e) ||
           err_prefix(e, "the rows are gone, but the file may still hold their bytes (once it works again, fettle record scrub)");
}

static bool erase_alone(call *c, const char *kind, const char *id, bool (*inside)(call *c, err *e), err *e) {
    store *s = server_store(c->server);
    const char *home = store_folder(s), *exports = path_join(c->a, home, "exports");
    search x = {c, needles_new(c->a), needles_new(c->a)};
    erased_run *runs;
    int count;
    int64_t lines, later;
    bool left = false;
    if (!store_read(s, gather, &x, e)) return false;
    const erasure files = {kind, id, x.ids, x.texts};
    if (!run_erase(c->a, home, &files, &runs, &count, e) || !erase_folder(c->a, exports, &files, &lines, e)) return false;
    if (!write_inside(c, inside, e)) return false;
    if (!str_is(query_of(c, "scrub", STR("true")), "false") && !scrub(c, x.texts, &left, e)) return false;
    /* An export that was being written meanwhile. */
    return erase_folder(c->a, exports, &files, &later, e) && put_erased(c, runs, count, lines + later, left, e);
}

static bool erase(call *c, const char *kind, const char *id, bool (*inside)(call *c, err *e), err *e) {
    pthread_mutex_lock(&guard);
    const bool ok = erase_alone(c, kind, id, inside, e);
    pthread_mutex_unlock(&guard);
    return ok;
}

static bool post_scrub(call *c, err *e) {
    c->status = 204;
    c->no_body = true;
    bool left;
    return scrub(c, NULL, &left, e);
}

static bool post_record_erase(call *c, err *e) { return erase(c, "record", c->record.id, inside_record, e); }

static bool owner_stays(store_tx *t, void *context, err *e) { return keeps_an_owner(context, t, e); }

static bool post_user_erase(call *c, err *e) {
    return store_read(server_store(c->server), owner_stays, c, e) && erase(c, "user", c->person.id, inside_user, e);
}

static bool get_erasures(call *c, err *e) {
    erasure_entries list;
    if (!erasure_list(c->tx, c->a, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const erasure_entry *x = &list.item[i];
        json_open(&c->w, '{');
        put_moment(&c->w, "at", x->at);
        json_key(&c->w, "kind"), json_put_cstr(&c->w, x->kind);
        json_key(&c->w, "id"), json_put_cstr(&c->w, x->target);
        json_key(&c->w, "responses"), json_put_int(&c->w, x->responses);
        json_key(&c->w, "versions"), json_put_int(&c->w, x->versions);
        json_key(&c->w, "suggestions"), json_put_int(&c->w, x->suggestions);
        json_key(&c->w, "notes"), json_put_int(&c->w, x->notes);
        json_key(&c->w, "gold"), json_put_int(&c->w, x->golds);
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return true;
}

const route routes_erase[] = {
    {"POST", "/api/v1/records/{id}/erase", WHO_OWNER, OF_RECORD, RUN_SELF, post_record_erase,
     "erase a record everywhere; the answer lists the runs that trained on it (?scrub=false: more follow, the bytes go with the "
     "last)"},
    {"POST", "/api/v1/users/{id}/erase", WHO_OWNER, OF_USER, RUN_SELF, post_user_erase,
     "erase a person's answers, records of their own words, name and keys everywhere; numbers stay"},
    {"POST", "/api/v1/erasures/scrub", WHO_OWNER, OF_NOTHING, RUN_SELF, post_scrub,
     "make the database's file anew, without a byte of what was deleted"},
    {"GET", "/api/v1/erasures", WHO_OWNER, OF_NOTHING, RUN_READ, get_erasures, "what was erased, newest first: ids and numbers"},
    {0},
};
