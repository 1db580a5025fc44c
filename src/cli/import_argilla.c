/* import_argilla.c - another server's workspaces, one after the other, dataset by dataset and page by page.
 *
 *     there, over HTTP ─► ids of questions and people become ours ─► PUT records/bulk of our own API, at the desk
 *
 * A page that is refused is sent again record by record, so that one wrong record takes no other along. At the end both sides are
 * counted, ours by reading it back. */
#include "cli/import_argilla.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/fetch.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/sys.h"

enum { PAGE = 100, TRIES = 3, TOLD_MOST = 20, PEOPLE_MOST = 100000 };

typedef struct {
    int64_t records, responses, suggestions, vectors;
} counts;

typedef struct {
    str there;
    const char *here;
} pair;

typedef struct {
    arena *a;
    desk *d;
    const argilla_from *from;
    const char *url;
    const json *users; /* all people there */
    pair *person;      /* ids there and here, filled as people are met */
    int people, new_people;
    int64_t refused;
    FILE *passwords;
} mover;

/* ---- asking both sides ---------------------------------------------------------------------------------------------------------- */

static bool refused_there(const char *path, int status, str body, err *e) {
    const err_code code = status == 401   ? ERR_UNAUTHORIZED
                          : status == 403 ? ERR_FORBIDDEN
                          : status == 404 ? ERR_NOT_FOUND
                                          : ERR_IO;
    return err_set(e, code, "%s answered %d: %.*s", path, status, (int)(body.len < 300 ? body.len : 300), body.ptr);
}

/* Answers of 429 and 5xx, and none at all, are worth a second try: nothing is written there. */
static bool ask_there(mover *m, arena *a, const char *path, json **out, err *e) {
    const char *const headers[] = {arena_printf(a, "X-Argilla-Api-Key: %s", m->from->key), "Accept: application/json", NULL};
    const fetch_request r = {.method = "GET", .url = arena_printf(a, "%s%s", m->url, path), .headers = headers, .seconds = 300};
    for (int i = 0;; i++) {
        err why = {0};
        int status = 0;
        str body;
        const bool answered = fetch(a, &r, &status, &body, &why);
        if (answered && status < 300) return (*out = json_parse(a, body, e)) != NULL || err_prefix(e, "%s", r.url);
        const bool again = (answered ? status == 429 || status >= 500 : why.code == ERR_IO) && i + 1 < TRIES;
        if (!again || sys_stop_requested())
            return answered ? refused_there(r.url, status, body, e) : err_set(e, why.code, "%s", why.text);
        log_warning("%s: once more", answered ? arena_printf(a, "%s answered %d", r.url, status) : why.text);
        for (int k = 0; k < 10 * (i + 1) && !sys_stop_requested(); k++) poll(NULL, 0, 100);
    }
}

static bool ask_here(mover *m, arena *a, const char *method, const char *path, const json *body, json **out, err *e) {
    buf t = {0};
    if (body) json_put(&t, body);
    const bool ok = desk_ask(a, m->d, method, path, buf_str(&t), out, e);
    buf_free(&t);
    return ok;
}

static const json *named(const json *list, const char *member, str name) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(desk_text(json_at(list, i), member), name)) return json_at(list, i);
    return NULL;
}

/* ---- people --------------------------------------------------------------------------------------------------------------------- */

static bool note_password(mover *m, const json *person, const char *password, err *e) {
    if (!m->passwords && m->from->passwords) {
        const int fd = open(m->from->passwords, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || !(m->passwords = fdopen(fd, "a"))) return err_errno(e, ERR_IO, "cannot write %s", m->from->passwords);
    }
    FILE *out = m->passwords ? m->passwords : stdout;
    fprintf(out, "%.*s %s\n", STR_ARG(desk_text(person, "username")), password);
    return fflush(out) == 0 || err_errno(e, ERR_IO, "cannot write %s", m->passwords ? m->from->passwords : "standard output");
}

/* The password is written before the person is made: nobody is locked out by a full disk. */
static bool add_person(mover *m, const json *there, const char **id, err *e) {
    key_text password;
    json *made, *body = json_new_object(m->a);
    const str first = desk_text(there, "first_name");
    key_new(password);
    json_set(body, "id", json_new_text(m->a, desk_text(there, "id")));
    json_set(body, "username", json_new_text(m->a, desk_text(there, "username")));
    json_set(body, "first_name", json_new_text(m->a, first.len ? first : desk_text(there, "username")));
    if (desk_text(there, "last_name").len) json_set(body, "last_name", json_new_text(m->a, desk_text(there, "last_name")));
    json_set(body, "role", json_new_text(m->a, desk_text(there, "role")));
    json_set(body, "password", json_new_text(m->a, str_of(password)));
    if (!note_password(m, there, password, e) || !ask_here(m, m->a, "POST", "/api/v1/users", body, &made, e)) return false;
    *id = str_copy(m->a, desk_text(made, "id"));
    m->new_people++;
    return true;
}

/* Whom an id there means here; people are made when they are first met. */
static bool person_here(mover *m, str id, const char **out, err *e) {
    json *all;
    for (int i = 0; i < m->people; i++)
        if (str_eq(m->person[i].there, id)) {
            *out = m->person[i].here;
            return true;
        }
    const json *there = named(m->users, "id", id);
    if (!there) return err_set(e, ERR_NOT_FOUND, "nobody there has the id %.*s", STR_ARG(id));
    if (m->people == PEOPLE_MOST) return err_set(e, ERR_LIMIT, "more than %d people", PEOPLE_MOST);
    if (!desk_ask(m->a, m->d, "GET", "/api/v1/users", STR(""), &all, e)) return false;
    const json *here = named(json_get(all, "items"), "username", desk_text(there, "username"));
    if (!here) here = named(json_get(all, "items"), "id", id); /* renamed since an earlier import */
    if (here) *out = str_copy(m->a, desk_text(here, "id"));
    else if (!add_person(m, there, out, e)) return err_prefix(e, "%.*s", STR_ARG(desk_text(there, "username")));
    m->person[m->people++] = (pair){desk_text(there, "id"), *out};
    return true;
}

static bool move_members(mover *m, const json *space, const char *here, err *e) {
    json *members, *answer;
    if (!ask_there(m, m->a, arena_printf(m->a, "/api/v1/workspaces/%.*s/users", STR_ARG(desk_text(space, "id"))), &members, e))
        return false;
    const json *list = json_get(members, "items");
    for (size_t i = 0; i < json_count(list); i++) {
        const char *id;
        err known = {0};
        if (!person_here(m, desk_text(json_at(list, i), "id"), &id, e)) return false;
        json *body = json_new_object(m->a);
        json_set(body, "user_id", json_new_text(m->a, str_of(id)));
        if (!ask_here(m, m->a, "POST", arena_printf(m->a, "/api/v1/workspaces/%s/users", here), body, &answer, &known) &&
            known.code != ERR_CONFLICT)
            return err_set(e, known.code, "%s", known.text);
    }
    return true;
}

/* ---- settings -------------------------------------------------------------------------------------------------------------------- */

static bool space_here(mover *m, const json *there, const char **out, err *e) {
    json *all, *made, *body = json_new_object(m->a);
    if (!desk_ask(m->a, m->d, "GET", "/api/v1/me/workspaces", STR(""), &all, e)) return false;
    const json *here = named(json_get(all, "items"), "name", desk_text(there, "name"));
    json_set(body, "name", json_new_text(m->a, desk_text(there, "name")));
    if (!here && !ask_here(m, m->a, "POST", "/api/v1/workspaces", body, &made, e)) return false;
    *out = str_copy(m->a, desk_text(here ? here : made, "id"));
    return true;
}

static bool set_here(mover *m, const json *there, const char *space, const json **out, err *e) {
    static const char *const keys[] = {"name", "guidelines", "allow_extra_metadata", "distribution", "metadata"};
    json *all, *made, *body = json_new_object(m->a);
    const char *path = arena_printf(m->a, "/api/v1/me/datasets?workspace_id=%s", space);
    if (!desk_ask(m->a, m->d, "GET", path, STR(""), &all, e)) return false;
    *out = named(json_get(all, "items"), "name", desk_text(there, "name"));
    if (*out) return true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_get(there, keys[i])) json_set(body, keys[i], json_share(m->a, json_get(there, keys[i])));
    json_set(body, "workspace_id", json_new_text(m->a, str_of(space)));
    if (!ask_here(m, m->a, "POST", "/api/v1/datasets", body, &made, e)) return false;
    *out = made;
    return true;
}

/* What is not here yet by name is made; *list: all of that kind there. */
static bool move_parts(mover *m, const char *there, const json *here, const char *what, const char *path, const json **list,
                       err *e) {
    json *theirs, *ours, *made;
    const char *own = arena_printf(m->a, "/api/v1/datasets/%.*s/%s", STR_ARG(desk_text(here, "id")), what);
    if (!ask_there(m, m->a, arena_printf(m->a, path, there), &theirs, e) || !desk_ask(m->a, m->d, "GET", own, STR(""), &ours, e))
        return false;
    *list = json_get(theirs, "items");
    for (size_t i = 0; i < json_count(*list); i++) {
        const json *one = json_at(*list, i);
        if (named(json_get(ours, "items"), "name", desk_text(one, "name"))) continue;
        const bool late = str_is(desk_text(here, "status"), "ready");
        if (!ask_here(m, m->a, "POST", late ? arena_printf(m->a, "%s?migrate=true", own) : own, one, &made, e))
            return err_prefix(e, "%s '%.*s'", what, STR_ARG(desk_text(one, "name")));
    }
    return true;
}

static bool move_settings(mover *m, const json *there, const json *here, const json **questions, err *e) {
    const json *ignored;
    json *answer;
    const char *id = str_copy(m->a, desk_text(there, "id"));
    if (!move_parts(m, id, here, "fields", "/api/v1/datasets/%s/fields", &ignored, e) ||
        !move_parts(m, id, here, "questions", "/api/v1/datasets/%s/questions", questions, e) ||
        !move_parts(m, id, here, "metadata-properties", "/api/v1/me/datasets/%s/metadata-properties", &ignored, e) ||
        !move_parts(m, id, here, "vectors-settings", "/api/v1/datasets/%s/vectors-settings", &ignored, e))
        return false;
    if (!str_is(desk_text(there, "status"), "ready") || str_is(desk_text(here, "status"), "ready")) return true;
    return ask_here(m, m->a, "PUT", arena_printf(m->a, "/api/v1/datasets/%.*s/publish", STR_ARG(desk_text(here, "id"))), NULL,
                    &answer, e);
}

/* ---- records --------------------------------------------------------------------------------------------------------------------- */

static void copy_members(arena *a, json *to, const json *from, const char *const *keys) {
    for (; *keys; keys++)
        if (json_get(from, *keys)) json_set(to, *keys, json_share(a, json_get(from, *keys)));
}

static json *suggestions_here(arena *a, const json *questions, const json *list) {
    static const char *const keys[] = {"value", "type", "score", "agent", NULL};
    json *out = json_new_array(a);
    for (size_t i = 0; i < json_count(list); i++) {
        json *one = json_new_object(a);
        const json *question = named(questions, "id", desk_text(json_at(list, i), "question_id"));
        copy_members(a, one, json_at(list, i), keys);
        json_set(one, "question_name", json_new_text(a, desk_text(question, "name")));
        json_append(out, one);
    }
    return out;
}

static bool responses_here(mover *m, arena *a, const json *list, json **out, err *e) {
    static const char *const keys[] = {"values", "status", NULL};
    *out = json_new_array(a);
    for (size_t i = 0; i < json_count(list); i++) {
        json *one = json_new_object(a);
        const char *id;
        if (!person_here(m, desk_text(json_at(list, i), "user_id"), &id, e)) return false;
        copy_members(a, one, json_at(list, i), keys);
        json_set(one, "user_id", json_new_text(a, str_of(id)));
        json_append(*out, one);
    }
    return true;
}

static bool record_here(mover *m, arena *a, const json *questions, const json *there, json **out, err *e) {
    static const char *const keys[] = {"id", "external_id", "fields", "metadata", "vectors", NULL};
    json *answers;
    *out = json_new_object(a);
    copy_members(a, *out, there, keys);
    json_set(*out, "suggestions", suggestions_here(a, questions, json_get(there, "suggestions")));
    if (!responses_here(m, a, json_get(there, "responses"), &answers, e)) return false;
    json_set(*out, "responses", answers);
    return true;
}

static void count_record(counts *n, const json *r) {
    n->records++;
    n->responses += (int64_t)json_count(json_get(r, "responses"));
    n->suggestions += (int64_t)json_count(json_get(r, "suggestions"));
    n->vectors += (int64_t)json_count(json_get(r, "vectors"));
}

static bool send_items(mover *m, arena *a, const char *path, json *items, err *e) {
    json *body = json_new_object(a), *answer;
    json_set(body, "items", items);
    return ask_here(m, a, "PUT", path, body, &answer, e);
}

/* The page at once, or, when a record of it does not fit, those that do. */
static bool send_page(mover *m, arena *a, const char *path, json *items, err *e) {
    err why = {0};
    if (send_items(m, a, path, items, &why)) return true;
    if (why.code != ERR_INPUT && why.code != ERR_CONFLICT) return err_set(e, why.code, "%s", why.text);
    for (size_t i = 0; i < json_count(items); i++) {
        json *one = json_new_array(a);
        err reason = {0};
        json_append(one, json_share(a, json_at(items, i)));
        if (send_items(m, a, path, one, &reason)) continue;
        if (reason.code != ERR_INPUT && reason.code != ERR_CONFLICT) return err_set(e, reason.code, "%s", reason.text);
        if (m->refused++ < TOLD_MOST)
            log_warning("record %.*s was left out: %s", STR_ARG(desk_text(json_at(items, i), "id")), reason.text);
    }
    return true;
}

static bool move_page(mover *m, arena *a, const json *page, const json *questions, const char *to, counts *n, err *e) {
    json *items = json_new_array(a);
    for (size_t i = 0; i < json_count(page); i++) {
        json *item;
        if (!record_here(m, a, questions, json_at(page, i), &item, e)) return false;
        json_append(items, item);
        count_record(n, json_at(page, i));
    }
    return !json_count(items) || send_page(m, a, to, items, e);
}

static const char *page_path(arena *a, const char *id, int64_t offset) {
    return arena_printf(a,
                        "/api/v1/datasets/%s/records?include=responses&include=suggestions&include=vectors&offset=%lld&limit=%d",
                        id, (long long)offset, PAGE);
}

static bool move_records(mover *m, const char *there, const char *here, const json *questions, counts *n, err *e) {
    progress p = progress_begin("records", m->from->quiet);
    const char *to = arena_printf(m->a, "/api/v1/datasets/%s/records/bulk?keep_ids=true", here);
    bool ok = true;
    for (int64_t offset = 0, got = PAGE; ok && got == PAGE; offset += got) {
        arena *a = arena_new();
        json *page;
        got = 0;
        ok = ask_there(m, a, page_path(a, there, offset), &page, e);
        if (ok) {
            got = (int64_t)json_count(json_get(page, "items"));
            ok = move_page(m, a, json_get(page, "items"), questions, to, n, e);
            progress_show(&p, (double)(offset + got), (double)json_get_int(page, "total", offset + got), NULL);
        }
        arena_free(a);
        if (ok && sys_stop_requested()) ok = err_set(e, ERR_STOPPED, "stopped; the same command goes on");
    }
    progress_end(&p, NULL);
    return ok;
}

static bool count_here(mover *m, const char *here, counts *n, err *e) {
    bool ok = true;
    for (int64_t offset = 0, got = PAGE; ok && got == PAGE; offset += got) {
        arena *a = arena_new();
        json *page;
        got = 0;
        if ((ok = desk_ask(a, m->d, "GET", page_path(a, here, offset), STR(""), &page, e))) {
            const json *items = json_get(page, "items");
            got = (int64_t)json_count(items);
            for (size_t i = 0; i < json_count(items); i++) count_record(n, json_at(items, i));
        }
        arena_free(a);
    }
    return ok;
}

/* ---- reconciling ------------------------------------------------------------------------------------------------------------------ */

static bool reconcile(const char *space, str set, const counts *there, const counts *here) {
    const int64_t pairs[][2] = {{there->records, here->records},
                                {there->responses, here->responses},
                                {there->suggestions, here->suggestions},
                                {there->vectors, here->vectors}};
    static const char *const words[] = {"records", "responses", "suggestions", "vectors"};
    bool less = false, more = false;
    printf("%s/%.*s:", space, STR_ARG(set));
    for (int i = 0; i < 4; i++) {
        printf("%s %lld of %lld %s", i ? "," : "", (long long)pairs[i][1], (long long)pairs[i][0], words[i]);
        less |= pairs[i][1] < pairs[i][0];
        more |= pairs[i][1] > pairs[i][0];
    }
    printf("%s%s\n", less ? "  NOT ALL" : "", more ? "  (more was here before)" : "");
    return !less;
}

static bool move_set(mover *m, const json *there, const char *space, const char *space_id, bool *whole, err *e) {
    const json *here, *questions;
    counts theirs = {0}, ours = {0};
    if (!set_here(m, there, space_id, &here, e) || !move_settings(m, there, here, &questions, e)) return false;
    const char *from = str_copy(m->a, desk_text(there, "id")), *to = str_copy(m->a, desk_text(here, "id"));
    if (str_is(desk_text(there, "status"), "ready") && !move_records(m, from, to, questions, &theirs, e)) return false;
    if (!count_here(m, to, &ours, e)) return false;
    *whole &= reconcile(space, desk_text(there, "name"), &theirs, &ours);
    return true;
}

static bool move_space(mover *m, const json *there, bool *whole, err *e) {
    const char *here, *name = str_copy(m->a, desk_text(there, "name"));
    json *sets;
    if (!space_here(m, there, &here, e) || !move_members(m, there, here, e)) return err_prefix(e, "workspace %s", name);
    const char *path = arena_printf(m->a, "/api/v1/me/datasets?workspace_id=%.*s", STR_ARG(desk_text(there, "id")));
    if (!ask_there(m, m->a, path, &sets, e)) return false;
    const json *list = json_get(sets, "items");
    for (size_t i = 0; i < json_count(list); i++)
        if (!move_set(m, json_at(list, i), name, here, whole, e))
            return err_prefix(e, "dataset %s/%.*s", name, STR_ARG(desk_text(json_at(list, i), "name")));
    return true;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------------------- */

static bool look_there(mover *m, json **spaces, err *e) {
    json *me, *people;
    if (!ask_there(m, m->a, "/api/v1/me", &me, e)) return false;
    if (!str_is(desk_text(me, "role"), "owner"))
        return err_set(e, ERR_FORBIDDEN, "the key is of %.*s, who is no owner there: people can be listed by an owner only",
                       STR_ARG(desk_text(me, "username")));
    if (!ask_there(m, m->a, "/api/v1/users", &people, e) || !ask_there(m, m->a, "/api/v1/me/workspaces", spaces, e)) return false;
    m->users = json_get(people, "items");
    return true;
}

static bool move_all(mover *m, const json *spaces, bool *whole, err *e) {
    bool found = false;
    for (size_t i = 0; i < json_count(spaces); i++) {
        const json *one = json_at(spaces, i);
        if (m->from->workspace && !str_is(desk_text(one, "name"), m->from->workspace)) continue;
        found = true;
        if (!move_space(m, one, whole, e)) return false;
    }
    if (m->from->workspace) return found || err_set(e, ERR_NOT_FOUND, "there is no workspace '%s' there", m->from->workspace);
    for (size_t i = 0; i < json_count(m->users); i++) { /* also those who are members of nothing */
        const char *id;
        if (!person_here(m, desk_text(json_at(m->users, i), "id"), &id, e)) return false;
    }
    return true;
}

bool import_argilla(arena *a, desk *d, const argilla_from *from, err *e) {
    json *spaces;
    bool whole = true;
    size_t length = strlen(from->url);
    while (length && from->url[length - 1] == '/') length--;
    mover m = {.a = a, .d = d, .from = from, .url = arena_copy(a, from->url, length)};
    m.person = arena_array(a, pair, PEOPLE_MOST);
    const bool ok = look_there(&m, &spaces, e) && move_all(&m, json_get(spaces, "items"), &whole, e);
    if (m.passwords) fclose(m.passwords);
    if (m.people)
        printf("people: %d, of whom %d are new here%s%s\n", m.people, m.new_people,
               m.new_people ? m.from->passwords ? "; their passwords are in " : "; their passwords stand above" : "",
               m.new_people && m.from->passwords ? m.from->passwords : "");
    if (!ok) return false;
    return (whole && !m.refused) ||
           err_set(e, ERR_INPUT, "not everything came along: %lld records were refused", (long long)m.refused);
}
