/* cmd_import.c - fettle import FILE: rows of any file into a dataset, all of them or none.
 *
 * Columns are mapped to fields, metadata, suggestions and vectors by a guess that --preview shows and --map changes. Without a dataset
 * of that name one is made to fit the rows. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/import_argilla.h"
#include "cli/shelf.h"
#include "data/data.h"

enum { BATCH = 1000, FLYING = 3, PREVIEW = 3 };

typedef struct {
    const char *home, *dataset, *workspace, *api_key, *passwords;
    opt_list map;
    bool preview, quiet, argilla, json;
} options;

#define AT(member) offsetof(options, member)
static const opt table[] = {
    {"home", OPT_TEXT, AT(home), NULL, 0, 0, NULL, "data folder"},
    {"dataset", OPT_TEXT, AT(dataset), NULL, 0, 0, NULL,
     "name (unset: of the file); one that is not there is made to fit the rows"},
    {"workspace", OPT_TEXT, AT(workspace), NULL, 0, 0, NULL,
     "of a new dataset; made when it is not there (unset: default); argilla: only this one"},
    {"map", OPT_EACH, AT(map), NULL, 0, 0, NULL,
     "COLUMN=NAME: into this field, question (as suggestion) or metadata; COLUMN=external_id"},
    {"preview", OPT_BOOL, AT(preview), "false", 0, 0, NULL, "show the mapping and the first records, and write nothing"},
    {"argilla", OPT_BOOL, AT(argilla), "false", 0, 0, NULL,
     "the file was written by Argilla's SDK (folders are seen by themselves)"},
    {"api_key", OPT_TEXT, AT(api_key), NULL, 0, 0, NULL,
     "argilla: of an owner there (unset: ARGILLA_API_KEY, which ps does not show)"},
    {"passwords", OPT_TEXT, AT(passwords), NULL, 0, 0, NULL,
     "argilla: file for the passwords of people who are new here (unset: printed)"},
    {"quiet", OPT_BOOL, AT(quiet), "false", 0, 0, NULL, "no progress"},
    {"json", OPT_BOOL, AT(json), "false", 0, 0, NULL, "list: as JSON"},
    OPT_END,
};

static bool import_run(arena *a, int argc, char **argv, err *e);
const command command_import = {"import", "rows of a file into a dataset, or all of a running Argilla",
                                "FILE [--dataset NAME] [--map COLUMN=NAME ...] [--preview]\nimport argilla URL --api-key KEY "
                                "[--workspace NAME]\nimport list DATASET\nimport undo DATASET ID",
                                table, import_run};

/* ---- the dataset ------------------------------------------------------------------------------------------------------------------ */

static bool ask_json(arena *a, desk *d, const char *method, const char *path, const json *body, json **out, err *e) {
    buf t = {0};
    if (body) json_put(&t, body);
    const bool ok = desk_ask(a, d, method, path, buf_str(&t), out, e);
    buf_free(&t);
    return ok;
}

static bool make_parts(arena *a, desk *d, const char *id, const char *what, const json *list, err *e) {
    json *answer;
    for (size_t i = 0; i < json_count(list); i++)
        if (!ask_json(a, d, "POST", arena_printf(a, "/api/v1/datasets/%s/%s", id, what), json_at(list, i), &answer, e))
            return err_prefix(e, "%s '%.*s'", what, STR_ARG(desk_text(json_at(list, i), "name")));
    return true;
}

static bool find_space(arena *a, desk *d, const char *name, const json **out, err *e) {
    err none = {0};
    json *made;
    if (desk_find(a, d, "/api/v1/me/workspaces", "name", name, out, &none)) return true;
    if (none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
    if (!desk_ask(a, d, "POST", "/api/v1/workspaces", desk_body(a, (const char *const[]){"name", name, NULL}), &made, e))
        return false;
    *out = made;
    return true;
}

static bool make_dataset(arena *a, desk *d, const options *o, const char *name, const json *settings, const json **out, err *e) {
    const json *space;
    json *set, *body = json_new_object(a);
    if (!find_space(a, d, o->workspace ? o->workspace : "default", &space, e)) return false;
    json_set(body, "name", json_new_text(a, str_of(name)));
    json_set(body, "workspace_id", json_get(space, "id"));
    if (json_get(settings, "guidelines")) json_set(body, "guidelines", json_get(settings, "guidelines"));
    if (!ask_json(a, d, "POST", "/api/v1/datasets", body, &set, e)) return false;
    const char *id = str_copy(a, desk_text(set, "id"));
    *out = set;
    return make_parts(a, d, id, "fields", json_get(settings, "fields"), e) &&
           make_parts(a, d, id, "questions", json_get(settings, "questions"), e) &&
           make_parts(a, d, id, "metadata-properties", json_get(settings, "metadata"), e) &&
           make_parts(a, d, id, "vectors-settings", json_get(settings, "vectors"), e) &&
           desk_ask(a, d, "PUT", arena_printf(a, "/api/v1/datasets/%s/publish", id), STR(""), &set, e);
}

/* ---- the mapping ------------------------------------------------------------------------------------------------------------------ */

static bool has_name(const json *list, str name) {
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(desk_text(json_at(list, i), "name"), name)) return true;
    return false;
}

static void drop_column(arena *a, json *mapping, const char *key, str column) {
    const json *old = json_get(mapping, key);
    json *kept = json_new_array(a);
    for (size_t i = 0; i < json_count(old); i++)
        if (!str_eq(desk_text(json_at(old, i), "source"), column)) json_append(kept, json_share(a, json_at(old, i)));
    json_set(mapping, key, kept);
}

/* COLUMN=NAME in the place of what was guessed for the column. */
static bool change_mapping(arena *a, json *mapping, const json *settings, const char *words, err *e) {
    static const char *const kinds[][2] = {
        {"fields", "fields"}, {"questions", "suggestions"}, {"metadata", "metadata"}, {"vectors", "vectors"}};
    const char *equals = strchr(words, '=');
    if (!equals) return err_set(e, ERR_USAGE, "--map wants COLUMN=NAME, not '%s'", words);
    const str column = {words, (size_t)(equals - words)}, name = str_of(equals + 1);
    for (size_t i = 0; i < 4; i++) drop_column(a, mapping, kinds[i][1], column);
    if (str_is(name, "external_id")) {
        json_set(mapping, "external_id", json_new_text(a, column));
        return true;
    }
    if (!name.len) return true; /* COLUMN= : nowhere */
    for (size_t i = 0; i < 4; i++) {
        if (!has_name(json_get(settings, kinds[i][0]), name)) continue;
        json *pair = json_new_object(a);
        json_set(pair, "source", json_new_text(a, column));
        json_set(pair, "target", json_new_text(a, name));
        json_append(json_get(mapping, kinds[i][1]), pair);
        return true;
    }
    return err_set(e, ERR_INPUT, "--map %s: the dataset has no field, question, metadata property or vector '%.*s'", words,
                   STR_ARG(name));
}

static bool open_intake(arena *a, const options *o, const char *path, const json *settings, intake *in, err *e) {
    if (!intake_open(a, path, settings, o->argilla, in, e)) return false;
    for (int i = 0; i < o->map.count && in->mapping; i++)
        if (!change_mapping(a, in->mapping, in->settings, o->map.item[i], e)) return false;
    return intake_ready(a, in, e);
}

/* ---- preview ----------------------------------------------------------------------------------------------------------------------- */

static void print_names(const char *what, const json *list) {
    printf("%-12s", what);
    for (size_t i = 0; i < json_count(list); i++) {
        const json *v = json_at(list, i);
        const str column = desk_text(v, "source"), name = column.len ? desk_text(v, "target") : desk_text(v, "name");
        if (json_has(v, "value")) {
            buf value = {0};
            json_put(&value, json_get(v, "value"));
            printf("%s%s -> %.*s", i ? ", " : "", value.ptr, STR_ARG(desk_text(v, "target")));
            buf_free(&value);
        } else if (column.len) printf("%s%.*s -> %.*s", i ? ", " : "", STR_ARG(column), STR_ARG(name));
        else printf("%s%.*s", i ? ", " : "", STR_ARG(name));
    }
    printf("%s\n", json_count(list) ? "" : "none");
}

static bool preview(arena *a, intake *in, const char *name, err *e) {
    const json *m = in->mapping;
    if (in->rows) {
        const row_source_info *info = row_source_describe(in->rows);
        printf("%s: %s, %lld bytes\n", info->path, info->layout, (long long)info->bytes);
    }
    printf("%s dataset '%s'\n", in->fresh ? "A new" : "Into the", name);
    print_names("fields", m ? json_get(m, "fields") : json_get(in->settings, "fields"));
    print_names("suggestions", m ? json_get(m, "suggestions") : json_get(in->settings, "questions"));
    print_names("metadata", json_get(m ? m : in->settings, "metadata"));
    print_names("vectors", json_get(m ? m : in->settings, "vectors"));
    if (in->fresh) print_names("questions", json_get(in->settings, "questions"));
    for (int i = 0; i < PREVIEW; i++) {
        json *item;
        const char *place;
        buf row = {0};
        if (!intake_next(in, a, &item, &place, e)) break;
        json_put(&row, item);
        printf("%d: %.500s%s\n", i + 1, row.ptr, row.len > 500 ? " ..." : "");
        buf_free(&row);
    }
    return e->code == ERR_NONE;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------------- */

/* Rows that go together. While one is read, one is taken apart by the server and one is written; they say which part they are. */
typedef struct {
    desk *d;
    const char *path; /* of the records, with the import */
    buf body;
    int count;
    int64_t part;
    const char *place[BATCH];
    arena *places;
    pthread_t thread;
    bool flying;
    err e; /* of its sending */
} batch;

/* "record at position 17": where that stood in the file. */
static void name_place(const batch *b, err *e) {
    const char *at = strstr(e->text, "at position ");
    const long n = at ? strtol(at + 12, NULL, 10) : -1;
    if (n >= 0 && n < b->count && *b->place[n]) err_prefix(e, "%s", b->place[n]);
}

static void begin_batch(batch *b) {
    b->places = arena_new();
    b->count = 0;
    buf_clear(&b->body);
    buf_put_text(&b->body, "{\"items\":[");
}

static void *send_main(void *context) {
    batch *b = context;
    arena *a = arena_new();
    str answer;
    if (!desk_ask_raw(a, b->d, "POST", arena_printf(a, "%s&part=%lld", b->path, (long long)b->part), buf_str(&b->body), &answer,
                      &b->e))
        name_place(b, &b->e);
    arena_free(a);
    return NULL;
}

/* Waits until it arrived; it is empty then. */
static bool land(batch *b, err *e) {
    if (!b->flying) return true;
    pthread_join(b->thread, NULL);
    b->flying = false;
    arena_free(b->places);
    begin_batch(b);
    return !b->e.code || err_set(e, b->e.code, "%s", b->e.text);
}

static bool take_off(batch *b, err *e) {
    if (!b->count) return true;
    buf_put_text(&b->body, "]}");
    b->flying = pthread_create(&b->thread, NULL, send_main, b) == 0;
    return b->flying || err_set(e, ERR_LIMIT, "no thread to send records");
}

static bool add_item(intake *in, batch *b, err *e) {
    arena *row = arena_new();
    json *item;
    const char *place;
    const bool ok = intake_next(in, row, &item, &place, e);
    if (ok) {
        if (b->count) buf_put_char(&b->body, ',');
        json_put(&b->body, item);
        b->place[b->count++] = arena_text(b->places, place);
    }
    arena_free(row);
    return ok;
}

/* Lands the oldest first: it has the cause of what follows. */
static bool fly_all(intake *in, batch ring[FLYING], const options *o, int64_t *written, err *e) {
    progress p = progress_begin("importing", o->quiet);
    int64_t at = 0;
    batch *b = ring;
    while (add_item(in, b, e)) {
        ++*written;
        if (sys_stop_requested() && !err_set(e, ERR_STOPPED, "stopped")) break;
        if (b->count < BATCH) continue;
        b->part = at++;
        if (!take_off(b, e)) break;
        b = &ring[at % FLYING];
        if (!land(b, e)) break;
        if (intake_read(in) >= 0) progress_show(&p, intake_read(in), 1, NULL);
    }
    b->part = at;
    if (!e->code) take_off(b, e);
    for (int64_t i = 1; i <= FLYING; i++) land(&ring[(at + i) % FLYING], e);
    progress_end(&p, NULL);
    return e->code == ERR_NONE;
}

static bool write_all(intake *in, desk *d, const char *path, const options *o, int64_t *written, err *e) {
    batch *ring = memory_alloc(FLYING * sizeof *ring);
    for (int i = 0; i < FLYING; i++) {
        ring[i] = (batch){.d = d, .path = path};
        begin_batch(&ring[i]);
    }
    const bool ok = fly_all(in, ring, o, written, e);
    for (int i = 0; i < FLYING; i++) {
        arena_free(ring[i].places);
        buf_free(&ring[i].body);
    }
    memory_release(ring);
    return ok;
}

static bool write_records(arena *a, desk *d, const options *o, const char *path, intake *in, const char *set, int64_t *written,
                          const char **id, err *e) {
    json *import, *answer;
    const char *where = arena_printf(a, "/api/v1/datasets/%s/imports", set);
    if (!desk_ask(a, d, "POST", where, desk_body(a, (const char *const[]){"source", path, NULL}), &import, e)) return false;
    *id = str_copy(a, desk_text(import, "id"));
    const char *to = arena_printf(a, "/api/v1/datasets/%s/records?import=%s", set, *id);
    const char *one = arena_printf(a, "%s/%s", where, *id);
    if (write_all(in, d, to, o, written, e)) return desk_ask(a, d, "PUT", one, STR(""), &answer, e);
    err undo = {0};
    if (!desk_ask(a, d, "DELETE", one, STR(""), &answer, &undo)) log_error("the import could not be undone now: %s", undo.text);
    return false;
}

static bool import_file(arena *a, desk *d, const options *o, const char *path, err *e) {
    const char *file = path_name(path), *dot = strrchr(file, '.');
    const char *name = o->dataset ? o->dataset : dot && dot > file ? arena_copy(a, file, (size_t)(dot - file)) : file, *id = "";
    const json *set = NULL;
    json *answer, *settings = NULL;
    intake in = {0};
    err none = {0};
    int64_t written = 0;
    const double begun = sys_seconds();
    const bool there = shelf_dataset(a, d, name, &set, &none);
    if (!there && none.code != ERR_NOT_FOUND) return err_set(e, none.code, "%s", none.text);
    if (there && !shelf_settings(a, d, set, &settings, e)) return false;
    if (!open_intake(a, o, path, settings, &in, e)) return false;
    if (o->preview) return preview(a, &in, name, e);
    bool ok = !in.fresh || make_dataset(a, d, o, name, in.settings, &set, e);
    ok = ok && write_records(a, d, o, path, &in, str_copy(a, desk_text(set, "id")), &written, &id, e);
    if (!ok && in.fresh && set)
        desk_ask(a, d, "DELETE", arena_printf(a, "/api/v1/datasets/%.*s", STR_ARG(desk_text(set, "id"))), STR(""), &answer,
                 &none);
    if (!ok) return err_prefix(e, "nothing was imported");
    const double seconds = sys_seconds() - begun;
    log_note("%lld records into '%s' (%.0f a second)\nUndo: fettle import undo %s %s", (long long)written, name,
             (double)written / fmax(seconds, 1e-3), name, id);
    return true;
}

/* ---- list, undo ---------------------------------------------------------------------------------------------------------------------- */

static bool list(arena *a, desk *d, const options *o, const char *name, err *e) {
    const json *set;
    json *all;
    if (!shelf_dataset(a, d, name, &set, e) ||
        !desk_ask(a, d, "GET", arena_printf(a, "/api/v1/datasets/%.*s/imports", STR_ARG(desk_text(set, "id"))), STR(""), &all, e))
        return false;
    const json *items = json_get(all, "items");
    if (o->json) return desk_print(items), true;
    for (size_t i = 0; i < json_count(items); i++)
        printf("%.*s  %.19s  %8lld records  %.*s\n", STR_ARG(desk_text(json_at(items, i), "id")),
               desk_text(json_at(items, i), "started_at").ptr, (long long)json_get_int(json_at(items, i), "records", 0),
               STR_ARG(desk_text(json_at(items, i), "source")));
    return true;
}

static bool undo(arena *a, desk *d, const char *name, const char *id, err *e) {
    const json *set;
    json *answer;
    if (!shelf_dataset(a, d, name, &set, e) ||
        !desk_ask(a, d, "DELETE", arena_printf(a, "/api/v1/datasets/%.*s/imports/%s", STR_ARG(desk_text(set, "id")), id), STR(""),
                  &answer, e))
        return false;
    printf("%lld records are gone\n", (long long)json_get_int(answer, "records", 0));
    return true;
}

/* ---- another server -------------------------------------------------------------------------------------------------------------------- */

static bool argilla(arena *a, desk *d, const options *o, const char *url, err *e) {
    const argilla_from from = {.url = url,
                               .key = o->api_key ? o->api_key : getenv("ARGILLA_API_KEY"),
                               .workspace = o->workspace,
                               .passwords = o->passwords,
                               .quiet = o->quiet};
    if (!from.key || !*from.key)
        return err_set(e, ERR_USAGE, "say who asks: --api-key KEY of an owner there, or ARGILLA_API_KEY");
    return import_argilla(a, d, &from, e);
}

static bool import_run(arena *a, int argc, char **argv, err *e) {
    options o;
    int rest;
    bool help;
    desk d;
    if (!arguments_read(a, &command_import, &o, argc, argv, &rest, &help, e) || help) return help;
    const bool lists = rest == 2 && strcmp(argv[0], "list") == 0, undoes = rest == 3 && strcmp(argv[0], "undo") == 0,
               moves = rest == 2 && strcmp(argv[0], "argilla") == 0;
    if (!lists && !undoes && !moves && rest != 1)
        return err_set(e, ERR_USAGE, "fettle import FILE | argilla URL | list DATASET | undo DATASET ID");
    if (!desk_open(a, o.home, &d, e)) return false;
    const bool ok = lists    ? list(a, &d, &o, argv[1], e)
                    : undoes ? undo(a, &d, argv[1], argv[2], e)
                    : moves  ? argilla(a, &d, &o, argv[1], e)
                             : import_file(a, &d, &o, argv[0], e);
    desk_close(&d);
    return ok;
}
