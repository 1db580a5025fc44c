/* cmd_user.c - fettle user VERB: people, their keys and sessions, from a terminal. A verb is a row of verbs[]. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/erased.h"
#include "cli/listing.h"

typedef struct {
    const char *home, *role, *first_name, *last_name, *password, *workspace, *address, *revoke;
    int64_t hours;
    bool print_key, json;
} options;

#define AT(member) offsetof(options, member)
static const opt table[] = {
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder"},
    {"role", OPT_CHOICE, AT(role), "annotator", 0, 0, "owner|admin|annotator", "what the person may do"},
    {"first_name", OPT_TEXT, AT(first_name), NULL, 0, 0, NULL, "unset: the user name"},
    {"last_name", OPT_TEXT, AT(last_name), NULL, 0, 0, NULL, "may stay unset"},
    {"password", OPT_TEXT, AT(password), NULL, 0, 0, NULL, "unset: a random one; '-' reads a line of standard input"},
    {"workspace", OPT_TEXT, AT(workspace), NULL, 0, 0, NULL,
     "make the person a member; the workspace is made when it is not there"},
    {"hours", OPT_INT, AT(hours), "72", 1, 24 * 90, NULL, "invite: so long the link is good"},
    {"address", OPT_TEXT, AT(address), "http://127.0.0.1:6900", 0, 0, NULL, "invite: where the invited reach the server"},
    {"revoke", OPT_TEXT, AT(revoke), NULL, 0, 0, NULL, "keys, sessions: end the one with this id, or 'all'"},
    {"print_key", OPT_BOOL, AT(print_key), "false", 0, 0, NULL, "print the API key alone"},
    {"json", OPT_BOOL, AT(json), "false", 0, 0, NULL, "list, keys, sessions, erase: as JSON"},
    OPT_END,
};

static bool user_run(arena *a, int argc, char **argv, err *e);

const command command_user = {
    "user", "people: add, invite, list, password, key, keys, sessions, rm, erase",
    "add NAME [options]\nuser invite NAME [--address URL]\nuser list\nuser password NAME [--password -]\nuser key NAME "
    "[--print-key]\nuser keys NAME [--revoke ID]\nuser sessions NAME [--revoke ID]\nuser rm NAME\nuser erase NAME",
    table, user_run};

static bool read_password(arena *a, const options *o, const char **out, err *e) {
    key_text made;
    char line[256];
    if (o->password && strcmp(o->password, "-") == 0) {
        if (!fgets(line, sizeof line, stdin)) return err_set(e, ERR_INPUT, "no password on standard input");
        line[strcspn(line, "\r\n")] = '\0';
        *out = arena_text(a, line);
    } else if (o->password) *out = o->password;
    else {
        key_new(made);
        *out = arena_text(a, made);
    }
    return true;
}

static bool join(arena *a, desk *d, str person, const char *name, err *e) {
    const json *space;
    json *answer;
    err none = {0};
    if (!desk_find(a, d, "/api/v1/me/workspaces", "name", name, &space, &none)) {
        if (!desk_ask(a, d, "POST", "/api/v1/workspaces", desk_body(a, (const char *const[]){"name", name, NULL}), &answer, e))
            return false;
        space = answer;
    }
    const char *path = arena_printf(a, "/api/v1/workspaces/%.*s/users", STR_ARG(json_get_text(space, "id", STR(""))));
    return desk_ask(a, d, "POST", path, desk_body(a, (const char *const[]){"user_id", str_copy(a, person), NULL}), &answer, e);
}

static bool add(arena *a, desk *d, const options *o, const char *name, err *e) {
    const char *password;
    json *made;
    if (!read_password(a, o, &password, e)) return false;
    const char *const body[] = {"username",  name,         "first_name", o->first_name ? o->first_name : name,
                                "last_name", o->last_name, "role",       o->role,
                                "password",  password,     NULL};
    if (!desk_ask(a, d, "POST", "/api/v1/users", desk_body(a, body), &made, e)) return false;
    if (o->workspace && !join(a, d, json_get_text(made, "id", STR("")), o->workspace, e)) return false;
    const str key = json_get_text(made, "api_key", STR(""));
    if (o->print_key) printf("%.*s\n", STR_ARG(key));
    else {
        printf("%s is here as %s\n  API key   %.*s\n", name, o->role, STR_ARG(key));
        if (!o->password) printf("  password  %s\n", password);
        printf("Neither is shown again.\n");
    }
    return true;
}

/* The person is made without a password, and sets one behind the link. */
static bool invite(arena *a, desk *d, const options *o, const char *name, err *e) {
    json *made, *body = json_new_object(a);
    buf text = {0};
    json_set(body, "username", json_new_text(a, str_of(name)));
    json_set(body, "role", json_new_text(a, str_of(o->role)));
    json_set(body, "hours", json_new_int(a, o->hours));
    json_put(&text, body);
    const bool ok = desk_ask(a, d, "POST", "/api/v1/invitations", buf_str(&text), &made, e);
    buf_free(&text);
    if (!ok || (o->workspace && !join(a, d, json_get_text(made, "user_id", STR("")), o->workspace, e))) return false;
    printf("%s/join#%.*s\n", o->address, STR_ARG(json_get_text(made, "link", STR(""))));
    log_note("good once, for %lld hours; not shown again", (long long)o->hours);
    return true;
}

static bool list(arena *a, desk *d, const options *o, const char *name, err *e) {
    json *all;
    (void)name;
    if (!desk_ask(a, d, "GET", "/api/v1/users", STR(""), &all, e)) return false;
    const json *items = json_get(all, "items");
    if (o->json) {
        desk_print(items);
        return true;
    }
    listing l = listing_new(a, (const char *const[]){"name", "role", "id", NULL});
    for (size_t i = 0; i < json_count(items); i++) {
        const json *v = json_at(items, i);
        listing_add(&l, (const char *const[]){str_copy(a, desk_text(v, "username")), str_copy(a, desk_text(v, "role")),
                                              str_copy(a, desk_text(v, "id"))});
    }
    listing_print(&l, "nobody yet: 'fettle user add NAME --role owner' makes the first");
    return true;
}

static bool person_path(arena *a, desk *d, const char *name, const char *more, const char **out, err *e) {
    const json *person;
    if (!desk_find(a, d, "/api/v1/users", "username", name, &person, e)) return false;
    *out = arena_printf(a, "/api/v1/users/%.*s%s", STR_ARG(json_get_text(person, "id", STR(""))), more);
    return true;
}

static bool set_password(arena *a, desk *d, const options *o, const char *name, err *e) {
    const char *path, *password;
    json *answer;
    if (!person_path(a, d, name, "", &path, e) || !read_password(a, o, &password, e) ||
        !desk_ask(a, d, "PATCH", path, desk_body(a, (const char *const[]){"password", password, NULL}), &answer, e))
        return false;
    if (!o->password) printf("%s\n", password);
    return true;
}

static bool new_key(arena *a, desk *d, const options *o, const char *name, err *e) {
    const char *path;
    json *answer;
    (void)o;
    if (!person_path(a, d, name, "/keys", &path, e) || !desk_ask(a, d, "POST", path, STR(""), &answer, e)) return false;
    printf("%.*s\n", STR_ARG(json_get_text(answer, "api_key", STR(""))));
    return true;
}

static bool user_rm(arena *a, desk *d, const options *o, const char *name, err *e) {
    const char *path;
    json *answer;
    (void)o;
    return person_path(a, d, name, "", &path, e) && desk_ask(a, d, "DELETE", path, STR(""), &answer, e);
}

static bool user_erase_everywhere(arena *a, desk *d, const options *o, const char *name, err *e) {
    const char *path;
    return person_path(a, d, name, "/erase", &path, e) && erased_ask(a, d, path, name, o->json, e);
}

/* ---- keys and sessions ---------------------------------------------------------------------------------------------------------- */

/* Those of a kind, of a person. */
static bool passes_of(arena *a, desk *d, const char *path, const char *kind, json **out, err *e) {
    json *all;
    *out = json_new_array(a);
    if (!desk_ask(a, d, "GET", path, STR(""), &all, e)) return false;
    const json *items = json_get(all, "items");
    for (size_t i = 0; i < json_count(items); i++)
        if (str_is(desk_text(json_at(items, i), "kind"), kind)) json_append(*out, json_share(a, json_at(items, i)));
    return true;
}

/* A moment to the minute, in UTC. */
static const char *minute_of(arena *a, const json *its, const char *key) {
    const str text = json_get_text(its, key, STR(""));
    return text.len < 16 ? "never" : arena_printf(a, "%.10s %.5s", text.ptr, text.ptr + 11);
}

/* A session may do whatever its person may. */
static const char *scopes_of(arena *a, const json *its) {
    const json *list = json_get(its, "scopes");
    const char *out = json_count(list) ? "" : "all";
    for (size_t i = 0; i < json_count(list); i++)
        out = arena_printf(a, "%s%s%.*s", out, i ? "," : "", STR_ARG(json_text(json_at(list, i), STR(""))));
    return out;
}

static void print_passes(arena *a, const json *list, const char *kind, const char *name) {
    listing l = listing_new(a, (const char *const[]){"id", "name", "scope", "made (UTC)", "last used", "expires", NULL});
    for (size_t i = 0; i < json_count(list); i++) {
        const json *p = json_at(list, i);
        listing_add(&l, (const char *const[]){str_copy(a, desk_text(p, "id")), str_copy(a, desk_text(p, "name")), scopes_of(a, p),
                                              minute_of(a, p, "inserted_at"), minute_of(a, p, "used_at"),
                                              minute_of(a, p, "expires_at")});
    }
    listing_print(&l, arena_printf(a, "%s has no %s", name, kind));
}

static bool revoke(arena *a, desk *d, const char *path, const char *kind, const char *name, const json *list, const char *id,
                   err *e) {
    const bool all = strcmp(id, "all") == 0;
    json *none;
    int ended = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        const str its = desk_text(json_at(list, i), "id");
        if (!all && !str_is(its, id)) continue;
        if (!desk_ask(a, d, "DELETE", arena_printf(a, "%s/%.*s", path, STR_ARG(its)), STR(""), &none, e)) return false;
        ended++;
    }
    if (!ended && !all)
        return err_set(e, ERR_NOT_FOUND, "%s has no %s with id '%s': fettle user %ss %s lists them", name, kind, id, kind, name);
    log_note("%d %s%s of %s ended", ended, kind, ended == 1 ? "" : "s", name);
    return true;
}

static bool show_passes(arena *a, desk *d, const options *o, const char *name, const char *kind, err *e) {
    const char *path;
    json *list;
    if (!person_path(a, d, name, "/keys", &path, e) || !passes_of(a, d, path, kind, &list, e)) return false;
    if (o->revoke) return revoke(a, d, path, kind, name, list, o->revoke, e);
    if (o->json) desk_print(list);
    else print_passes(a, list, kind, name);
    return true;
}

static bool keys(arena *a, desk *d, const options *o, const char *name, err *e) { return show_passes(a, d, o, name, "key", e); }

static bool sessions(arena *a, desk *d, const options *o, const char *name, err *e) {
    return show_passes(a, d, o, name, "session", e);
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *word;
    bool (*run)(arena *a, desk *d, const options *o, const char *name, err *e); /* name NULL: none was given */
    bool nobody;                                                                /* it needs no name */
} verbs[] = {{"add", add, false},
             {"invite", invite, false},
             {"list", list, true},
             {"password", set_password, false},
             {"key", new_key, false},
             {"keys", keys, false},
             {"sessions", sessions, false},
             {"rm", user_rm, false},
             {"erase", user_erase_everywhere, false}};
enum { VERBS = sizeof verbs / sizeof *verbs };

static bool unknown(const char *what, err *e) {
    buf words = {0};
    for (int i = 0; i < VERBS; i++) buf_printf(&words, "%s%s", i == 0 ? "" : i + 1 < VERBS ? ", " : " and ", verbs[i].word);
    err_set(e, ERR_USAGE, *what ? "fettle user knows %s, not '%s'" : "fettle user: say which of %s%s", words.ptr, what);
    buf_free(&words);
    return false;
}

static bool user_run(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest, v = 0;
    bool help;
    desk d;
    if (!arguments_read(a, &command_user, &o, argc, argv, &rest, &help, e) || help) return help;
    const char *what = rest ? argv[0] : "", *name = rest > 1 ? argv[1] : NULL;
    while (v < VERBS && strcmp(what, verbs[v].word) != 0) v++;
    if (v == VERBS) return unknown(what, e);
    if (!name && !verbs[v].nobody) return err_set(e, ERR_USAGE, "say whose: fettle user %s NAME", what);
    if (!desk_open(a, o.home, &d, e)) return false;
    const bool ok = verbs[v].run(a, &d, &o, name, e);
    desk_close(&d);
    return ok;
}
