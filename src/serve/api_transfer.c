/* api_transfer.c - files in and out of a dataset as jobs: Argilla's routes for its hub, which here mean files.
 *
 *     POST .../import {"name": PATH | "file": {"name", "text" | "base64"} | "files": [...], "mapping"}
 *                                                                                        ─► a job of kind "import", all or nothing
 *     POST .../export {"name": FILE, "as", "options"}                                    ─► a job of kind "export": a file of JSON Lines
 *     GET /api/v1/jobs/{job}/file                                                        ─► that file, for who may see the job
 *
 * Who sits at this machine may name paths of it; over the network a file comes in the request, and one that is made lands in the
 * folder exports of the data folder, where an erasure finds its lines. The hub is not reached from here: its names are refused with what to
 * do instead. An upload lies in the folder uploads while its job runs. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "serve/jobs.h"

enum { BATCH = 500, PREVIEW = 3 };

static bool at_this_machine(const call *c) { return c->trusted || serve_is_open(c->server); }

static bool no_hub(const char *name, const char *instead, err *e) {
    return err_set(e, ERR_INPUT, "'%s' is no file here, and the hub is not reached from here: %s", name, instead);
}

/* ---- what is imported ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    server *server;
    arena *own;
    uuid_text set;
    const char *source, *path, *folder; /* as it was named; where it lies; of an upload: removed at the end, else NULL */
    json *settings;
    intake in;
    const users *known;     /* NULL: an answer of somebody else is an error */
    int64_t done, left_out; /* records; answers of people who are not here */
    const char *id;         /* of the import */
} incoming;

static void end_incoming(void *context) {
    incoming *x = context;
    err none = {0};
    if (x->folder && !dir_remove(x->folder, &none)) log_warning("an upload stays: %s", none.text);
    arena *own = x->own;
    arena_free(own);
}

static bool plain_name(const char *name) { return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 200; }

/* Names of a file from its folder on, "export/.argilla/settings.json": nothing goes up, and nothing is hidden but what Argilla hides. */
static bool name_below(arena *a, const char *name) {
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        const char *step = arena_copy(a, name, (size_t)(slash - name));
        if (!plain_name(step) && strcmp(step, ".argilla") != 0) return false;
    }
    return plain_name(name);
}

static bool keep_file(call *c, const incoming *x, const json *file, const char **out, err *e) {
    const char *name = str_copy(x->own, json_get_text(file, "name", STR("")));
    const json *text = json_get(file, "text"), *coded = json_get(file, "base64");
    size_t size = 0;
    if (!text == !coded) return invalid(c, "body.file", e, "file should have either 'text' or 'base64'");
    str data = json_text(text, STR(""));
    if (coded) {
        data.ptr = (const char *)secret_unbase64(c->a, json_text(coded, STR("")), &size);
        data.len = size;
    }
    if (!data.len) return invalid(c, "body.file", e, "the file %s is empty", name);
    *out = path_join(x->own, x->folder, name);
    return dir_make(path_folder(c->a, *out), e) && file_write(*out, data, e);
}

static bool keep_upload(call *c, incoming *x, const json *file, err *e) {
    const char *name = str_copy(x->own, json_get_text(file, "name", STR("")));
    if (!plain_name(name)) return invalid(c, "body.file.name", e, "file.name should be a file's name without a folder");
    x->source = name;
    return keep_file(c, x, file, &x->path, e);
}

/* A folder: all names begin with its own. */
static bool keep_folder(call *c, incoming *x, const json *files, err *e) {
    const str first = json_get_text(json_at(files, 0), "name", STR(""));
    const ptrdiff_t slash = str_find(first, STR("/"), 0);
    if (slash < 1)
        return invalid(c, "body.files", e, "files should be those of one folder, each named from it on: folder/file.jsonl");
    const str folder = str_slice(first, 0, (size_t)slash + 1);
    const char *path;
    for (size_t i = 0; i < json_count(files); i++) {
        const str name = json_get_text(json_at(files, i), "name", STR(""));
        if (!str_starts(name, folder) || !name_below(c->a, str_copy(c->a, name)))
            return invalid(c, arena_printf(c->a, "body.files.%zu.name", i), e,
                           "name should be that of a file below %.*s, it is '%.*s'", STR_ARG(folder), STR_ARG(name));
        if (!keep_file(c, x, json_at(files, i), &path, e)) return false;
    }
    x->source = str_copy(x->own, str_slice(folder, 0, folder.len - 1));
    x->path = path_join(x->own, x->folder, x->source);
    return true;
}

/* DIR#subset=S,split=T, when the request says so. */
static const char *with_split(call *c, arena *a, const char *path) {
    const str subset = json_get_text(c->body, "subset", STR("")), split = json_get_text(c->body, "split", STR(""));
    if (!file_is_dir(path) || argilla_export_is(path) || (!subset.len && !split.len)) return path;
    return arena_printf(a, "%s#%s%.*s%s%s%.*s", path, subset.len ? "subset=" : "", STR_ARG(subset),
                        subset.len && split.len ? "," : "", split.len ? "split=" : "", STR_ARG(split));
}

static bool find_source(call *c, incoming *x, err *e) {
    const json *file = json_get(c->body, "file"), *files = json_get(c->body, "files");
    const char *name;
    uuid_text id;
    uuid_new(id);
    if (file || files) x->folder = path_join(x->own, path_join(x->own, store_folder(server_store(c->server)), "uploads"), id);
    if (file) return keep_upload(c, x, file, e);
    if (files) return keep_folder(c, x, files, e);
    if (!body_text(c, "name", 1, 4000, &name, e)) return false;
    x->source = arena_text(x->own, name);
    if (!at_this_machine(c))
        return *name == '/'
                   ? forbidden(e, "a path can be named on the server's own machine only: send the file, \"file\": {\"name\", "
                                  "\"base64\"}")
                   : no_hub(name, "send the file in the request, \"file\": {\"name\", \"base64\"}", e);
    const char *mark = strchr(name, '#'), *path = mark ? arena_copy(c->a, name, (size_t)(mark - name)) : name;
    if (!file_exists(path)) return no_hub(name, "load it elsewhere (huggingface-cli download) and name its folder", e);
    x->path = mark ? x->source : with_split(c, x->own, x->source);
    return true;
}

static bool read_settings(store_tx *t, void *context, err *e) {
    call *c = context;
    schema s;
    c->tx = t;
    const bool ok = schema_rules(c, c->set.seq, &s, e);
    c->tx = NULL;
    if (!ok) return false;
    json *out = json_new_object(c->a);
    json_set(out, "fields", (json *)(uintptr_t)s.fields);
    json_set(out, "questions", (json *)(uintptr_t)s.questions);
    json_set(out, "metadata", (json *)(uintptr_t)s.properties);
    json_set(out, "vectors", (json *)(uintptr_t)s.vectors);
    return (c->body = out) != NULL;
}

/* The dataset's settings in the memory of the import: it outlives the request. */
static bool take_settings(call *c, incoming *x, err *e) {
    call reader = *c;
    buf text = {0};
    if (!store_read(server_store(c->server), read_settings, &reader, e)) return false;
    json_put(&text, reader.body);
    x->settings = json_parse(x->own, buf_str(&text), e);
    buf_free(&text);
    return x->settings != NULL;
}

static bool read_people(store_tx *t, void *context, err *e) {
    incoming *x = context;
    users *all = arena_new_of(x->own, users);
    x->known = all;
    return user_list(t, x->own, all, e);
}

/* "answers": "known": of people who are here; the others are left out and counted, instead of failing the import. */
static bool take_people(call *c, incoming *x, err *e) {
    const json *which = json_get(c->body, "answers");
    if (!which || str_is(json_text(which, STR("")), "all")) return true;
    if (!str_is(json_text(which, STR("")), "known")) return invalid(c, "body.answers", e, "answers should be all or known");
    return store_read(server_store(c->server), read_people, x, e);
}

static bool is_known(const users *all, str id) {
    for (int i = 0; i < all->count; i++)
        if (str_is(id, all->item[i].id)) return true;
    return false;
}

static void leave_strangers_out(incoming *x, arena *a, json *item) {
    const json *given = json_get(item, "responses");
    if (!x->known || !json_count(given)) return;
    json *kept = json_new_array(a);
    for (size_t i = 0; i < json_count(given); i++)
        if (is_known(x->known, json_get_text(json_at(given, i), "user_id", STR("")))) json_append(kept, json_at(given, i));
        else x->left_out++;
    json_set(item, "responses", kept);
}

static bool open_incoming(call *c, incoming *x, err *e) {
    const json *mapping = json_get(c->body, "mapping");
    buf text = {0};
    memcpy(x->set, c->set.id, sizeof x->set);
    if (!find_source(c, x, e) || !take_people(c, x, e) || !take_settings(c, x, e)) return false;
    if (!intake_open(x->own, x->path, x->settings, json_get_bool(c->body, "argilla", false), &x->in, e)) return false;
    if (mapping && x->in.mapping) {
        json_put(&text, mapping);
        x->in.mapping = json_parse(x->own, buf_str(&text), e);
        buf_free(&text);
        if (!x->in.mapping) return false;
    }
    return intake_ready(x->own, &x->in, e);
}

/* ---- the job ---------------------------------------------------------------------------------------------------------------------------- */

static bool ask(incoming *x, const char *method, const char *path, str body, buf *out, err *e) {
    int status;
    buf_clear(out);
    return server_call(x->server, method, path, body, &status, out, e);
}

static bool begin_import(incoming *x, buf *answer, err *e) {
    buf body = {0};
    json_writer w = json_writer_on(&body, false);
    json_open(&w, '{'), json_key(&w, "source"), json_put_cstr(&w, x->source), json_close(&w);
    const bool ok = ask(x, "POST", arena_printf(x->own, "/api/v1/datasets/%s/imports", x->set), buf_str(&body), answer, e);
    const json *v = ok ? json_parse(x->own, buf_str(answer), e) : NULL;
    if (v) x->id = str_copy(x->own, json_get_text(v, "id", STR("")));
    buf_free(&body);
    return v != NULL;
}

/* "record at position 17": where the first of the batch stood is known. */
static bool send(incoming *x, buf *body, int64_t count, const char *place, buf *answer, err *e) {
    const char *path = arena_printf(x->own, "/api/v1/datasets/%s/records?import=%s", x->set, x->id);
    buf_put_text(body, "]}");
    const bool ok = !count || ask(x, "POST", path, buf_str(body), answer, e) || err_prefix(e, "behind %s", place);
    buf_clear(body);
    buf_put_text(body, "{\"items\":[");
    return ok;
}

static bool send_all(incoming *x, job *j, buf *answer, err *e) {
    buf body = {0};
    arena *a = arena_new();
    const char *place = "", *first = "";
    json *item;
    int64_t count = 0;
    bool ok = true;
    buf_put_text(&body, "{\"items\":[");
    while (ok && intake_next(&x->in, a, &item, &place, e)) {
        if (count) buf_put_char(&body, ',');
        else first = arena_text(a, place);
        leave_strangers_out(x, a, item);
        json_put(&body, item);
        x->done++;
        if (++count < BATCH) continue;
        ok = send(x, &body, count, first, answer, e);
        count = 0;
        const double read = intake_read(&x->in);
        job_progress(j, x->done, read > 0.001 ? (int64_t)((double)x->done / read) : 0, NULL);
        arena_free(a);
        a = arena_new();
        if (job_stop_asked(j)) ok = err_set(e, ERR_STOPPED, "stopped");
    }
    ok = ok && e->code == ERR_NONE && send(x, &body, count, first, answer, e);
    if (ok) job_progress(j, x->done, x->done, NULL);
    arena_free(a);
    buf_free(&body);
    return ok;
}

static bool import_work(job *j, void *context, json_writer *result, err *e) {
    incoming *x = context;
    buf answer = {0};
    err undo = {0};
    bool ok = begin_import(x, &answer, e);
    const char *one = ok ? arena_printf(x->own, "/api/v1/datasets/%s/imports/%s", x->set, x->id) : NULL;
    if (ok) {
        ok = send_all(x, j, &answer, e) && ask(x, "PUT", one, STR(""), &answer, e);
        if (!ok && !ask(x, "DELETE", one, STR(""), &answer, &undo))
            err_prefix(e, "the import could not be undone (%s)", undo.text);
    }
    if (ok) {
        json_key(result, "import"), json_put_cstr(result, x->id);
        json_key(result, "records"), json_put_int(result, x->done);
        json_key(result, "left_out"), json_put_int(result, x->left_out);
    }
    buf_free(&answer);
    return ok;
}

static bool put_import_preview(call *c, incoming *x, err *e) {
    const char *place;
    json *item;
    json_open(&c->w, '{');
    json_key(&c->w, "columns"), json_open(&c->w, '[');
    for (int i = 0; i < x->in.facts.count; i++) {
        const column_facts *f = &x->in.facts.column[i];
        json_open(&c->w, '{');
        json_key(&c->w, "name"), json_put_cstr(&c->w, f->name);
        json_key(&c->w, "type"), json_put_cstr(&c->w, f->type);
        json_key(&c->w, "count"), json_put_int(&c->w, f->count);
        json_close(&c->w);
    }
    json_close(&c->w);
    json_key(&c->w, "mapping"), json_put_value(&c->w, x->in.mapping);
    json_key(&c->w, "items"), json_open(&c->w, '[');
    for (int i = 0; i < PREVIEW && intake_next(&x->in, x->own, &item, &place, e); i++) json_put_value(&c->w, item);
    json_close(&c->w), json_close(&c->w);
    return e->code == ERR_NONE;
}

static job_order ordered(const call *c, const char *kind, int64_t total) {
    return (job_order){
        .kind = kind, .unit = "records", .total = total, .workspace = c->set.workspace, .by = c->me.seq, .of = c->set.id};
}

static bool post_import(call *c, err *e) {
    if (!body_object(c, e)) return false;
    if (!c->set.ready) return err_set(e, ERR_INPUT, "records cannot be imported into a draft dataset: publish it first");
    arena *own = arena_new();
    incoming *x = arena_new_of(own, incoming);
    uuid_text id;
    *x = (incoming){.server = c->server, .own = own};
    const bool opened = open_incoming(c, x, e), looks = str_is(query_of(c, "preview", STR("")), "true");
    if (!opened || looks) {
        const bool ok = opened && put_import_preview(c, x, e);
        end_incoming(x);
        return ok;
    }
    const job_order o = ordered(c, "import", 0);
    return job_run(c->server, &o, import_work, end_incoming, x, id, e) && job_accepted(c, id);
}

/* ---- export ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    answer_stream rows;
    char *path;
    int64_t records;
} outgoing;

static void end_outgoing(void *context) {
    outgoing *x = context;
    if (x->rows.end) x->rows.end(x->rows.context);
    memory_release(x->path);
    memory_release(x);
}

/* The last line of rows that could not be made says why. */
static bool is_refusal(str piece, err *e) {
    if (!str_starts(piece, STR("{\"error\":"))) return false;
    arena *a = arena_new();
    err none = {0};
    const json *v = json_parse(a, str_trim(piece), &none);
    err_set(e, ERR_INPUT, "%.*s", STR_ARG(json_get_text(v, "error", STR("the rows could not be made"))));
    arena_free(a);
    return true;
}

static int64_t lines_of(str piece) {
    int64_t n = 0;
    for (size_t i = 0; i < piece.len; i++) n += piece.ptr[i] == '\n';
    return n;
}

static bool write_rows(job *j, outgoing *x, file_out *f, int64_t *rows, err *e) {
    buf piece = {0};
    bool ok = true;
    while (ok && (buf_clear(&piece), x->rows.next(x->rows.context, &piece))) {
        ok = !is_refusal(buf_str(&piece), e) && file_out_put(f, piece.ptr, piece.len, e);
        *rows += lines_of(buf_str(&piece));
        job_progress(j, *rows, 0, NULL);
        if (ok && job_stop_asked(j)) ok = err_set(e, ERR_STOPPED, "stopped");
    }
    buf_free(&piece);
    return ok;
}

static bool export_work(job *j, void *context, json_writer *result, err *e) {
    outgoing *x = context;
    file_out f;
    int64_t rows = 0;
    if (!file_out_open(&f, x->path, e)) return false;
    if (!write_rows(j, x, &f, &rows, e)) {
        file_out_abandon(&f);
        return false;
    }
    json_key(result, "path"), json_put_cstr(result, x->path);
    json_key(result, "rows"), json_put_int(result, rows);
    return file_out_commit(&f, e);
}

static bool target_path(call *c, const char **out, err *e) {
    const char *name;
    if (!body_text(c, "name", 1, 4000, &name, e)) return false;
    if (*name == '/' && !at_this_machine(c))
        return forbidden(e, "a path can be named on the server's own machine only: give a file's name");
    if (*name != '/' && strchr(name, '/'))
        return no_hub(name, "give a file's name without '/', or a whole path, and upload what is made", e);
    const char *folder = path_join(c->a, store_folder(server_store(c->server)), "exports");
    if (*name != '/' && !plain_name(name)) return invalid(c, "body.name", e, "name should be a file's name");
    *out = *name == '/'
               ? name
               : path_join(c->a, folder, str_ends(str_of(name), STR(".jsonl")) ? name : arena_printf(c->a, "%s.jsonl", name));
    return *name == '/' || dir_make(folder, e);
}

static bool post_export(call *c, err *e) {
    const char *path = "";
    uuid_text id;
    if (!body_object(c, e) || !target_path(c, &path, e)) return false;
    if (!c->set.records) return err_set(e, ERR_INPUT, "the dataset has no records to export");
    json *order = json_new_object(c->a);
    json_set(order, "as", json_get(c->body, "as") ? json_get(c->body, "as") : json_new_text(c->a, STR("records")));
    json_set(order, "options", json_get(c->body, "options"));
    c->raw = written(c, order);
    c->body = order;
    if (!rows_begin(c, e)) return false;
    outgoing *x = memory_alloc(sizeof *x);
    *x = (outgoing){.rows = c->stream, .path = memory_alloc(strlen(path) + 1)};
    strcpy(x->path, path);
    c->stream = (answer_stream){0};
    c->type = NULL;
    const job_order o = ordered(c, "export", c->set.records);
    return job_run(c->server, &o, export_work, end_outgoing, x, id, e) && job_accepted(c, id);
}

/* ---- the file of an export ---------------------------------------------------------------------------------------------------------- */

static bool next_piece(void *context, buf *out) {
    enum { PIECE = 1 << 16 };
    const int *fd = context;
    buf_reserve(out, PIECE);
    const ssize_t n = file_io.read(*fd, out->ptr + out->len, PIECE);
    if (n > 0) out->len += (size_t)n;
    return n > 0;
}

static void end_file(void *context) {
    file_close(*(int *)context);
    memory_release(context);
}

/* A file under the folder of exports alone: a path that somebody named on this machine is theirs to read there. */
static bool get_file(call *c, err *e) {
    str kind, path;
    const char *folder = arena_printf(c->a, "%s/", path_join(c->a, store_folder(server_store(c->server)), "exports"));
    if (!job_result_text(c, "path", &kind, &path, e)) return false;
    if (!path.len) return err_set(e, ERR_CONFLICT, "the job has made no file: look at its status");
    if (!str_starts(path, str_of(folder)))
        return err_set(e, ERR_CONFLICT, "the file is not among the exports of the data folder: read it as %.*s", STR_ARG(path));
    const int fd = file_io.open(str_copy(c->a, path), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return err_set(e, ERR_NOT_FOUND, "the file is not there any more: export again");
    int *held = memory_alloc(sizeof *held);
    *held = fd;
    c->type = "application/x-ndjson";
    c->stream = (answer_stream){.next = next_piece, .end = end_file, .context = held};
    return true;
}

const route routes_transfer[] = {
    {"POST", "/api/v1/datasets/{id}/import", WHO_ADMIN, OF_DATASET, RUN_SELF, post_import,
     "import a file as a job: {name: path}, {file: {name, text or base64}} or {files: those of a folder}, mapping, "
     "answers: known or all (?preview=true: only look)"},
    {"POST", "/api/v1/datasets/{id}/export", WHO_ADMIN, OF_DATASET, RUN_SELF, post_export,
     "export to a file as a job: {name, as: sft, pairs, labelled, prompts or records, options}"},
    {"GET", "/api/v1/jobs/{job}/file", WHO_ADMIN, OF_NOTHING, RUN_READ, get_file,
     "the file that an export made in the data folder"},
    {0},
};
