/* vectors.c - the job that fills a vector setting, what it reads of a record, and who begins it again. */
#include "serve/vectors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "serve/hosted.h"
#include "serve/jobs.h"

enum { PAGE = 32, TEXT_MOST = 1 << 16 };

typedef struct {
    server *server;
    arena *own;
    dataset set;
    const char *setting, *model; /* names */
    json *fields;                /* names of those that are read; NULL: all texts and conversations */
    bool keep, again;

    endpoint *p;
    part part; /* seq 0: the setting has to be made */
    int64_t seq, done, total, computed, empty;
    int width; /* of the model; 0: not known yet */
} filling;

static void end_filling(void *context) {
    filling *f = context;
    endpoint_close(f->p);
    arena *own = f->own;
    arena_free(own);
}

/* ---- what is read of a record ----------------------------------------------------------------------------------------------------------- */

static bool is_read(const filling *f, str name) {
    for (size_t i = 0; i < json_count(f->fields); i++)
        if (str_eq(json_text(json_at(f->fields, i), STR("")), name)) return true;
    return !f->fields;
}

static str text_of(const filling *f, arena *a, const schema *s, const json *values) {
    buf text = {0};
    for (size_t i = 0; i < json_count(s->fields); i++) {
        const json *field = json_at(s->fields, i), *v;
        const str name = json_get_text(field, "name", STR(""));
        if (!is_read(f, name) || !(v = json_get(values, str_copy(a, name)))) continue;
        if (text.len) buf_put_char(&text, '\n');
        field_search_text(field, v, &text);
    }
    size_t end = text.len < TEXT_MOST ? text.len : TEXT_MOST;
    while (end && end < text.len && ((unsigned char)text.ptr[end] & 0xC0) == 0x80) end--;
    const str out = {arena_copy(a, text.ptr ? text.ptr : "", end), end};
    buf_free(&text);
    return str_trim(out);
}

static const char *hash_of(const filling *f, arena *a, str text) {
    sha256_text hash;
    const char *both = arena_printf(a, "%s\n%.*s", f->model, STR_ARG(text));
    bytes_sha256(both, strlen(f->model) + 1 + text.len, hash);
    return arena_text(a, hash);
}

/* ---- a page: read, computed, written ------------------------------------------------------------------------------------------------------ */

typedef struct {
    filling *f;
    arena *a;
    int count;
    vector_computed item[PAGE];
    str text[PAGE];
} page;

static bool read_page(store_tx *t, void *context, err *e) {
    page *p = context;
    filling *f = p->f;
    call c = {.server = f->server, .a = p->a, .tx = t};
    schema s;
    wanting_records list;
    if (!schema_rules(&c, f->set.seq, &s, e) || !vector_wanting(t, p->a, f->set.seq, f->part.seq, f->seq, PAGE, &list, e))
        return false;
    for (int i = 0; i < list.count; i++) {
        const record *r = &list.item[i].record;
        const json *values = json_parse(p->a, r->fields, e);
        if (!values) return false;
        p->text[i] = text_of(f, p->a, &s, values);
        const char *hash = hash_of(f, p->a, p->text[i]);
        p->item[i] = (vector_computed){.record = r->seq,
                                       .at = r->updated_at,
                                       .hash = hash,
                                       .same = list.item[i].hash.ptr && str_is(list.item[i].hash, hash)};
    }
    p->count = list.count;
    return true;
}

static bool compute_page(page *p, err *e) {
    str texts[PAGE];
    int of[PAGE], n = 0, width = 0;
    const float **v;
    for (int i = 0; i < p->count; i++)
        if (!p->item[i].same && p->text[i].len) texts[n] = p->text[i], of[n++] = i;
    if (!n) return true;
    if (!endpoint_embed(p->f->p, p->a, texts, n, &v, &width, e)) return false;
    if (p->f->width && width != p->f->width)
        return err_set(e, ERR_INPUT, "%s gives %d numbers, the vector setting '%s' has %d: name another setting", p->f->model,
                       width, p->f->setting, p->f->width);
    p->f->width = width;
    for (int k = 0; k < n; k++) {
        double *x = arena_array(p->a, double, width);
        for (int i = 0; i < width; i++) x[i] = (double)v[k][i];
        p->item[of[k]].v = x;
        p->item[of[k]].n = width;
    }
    return true;
}

static bool write_page(store_tx *t, void *context, err *e) {
    page *p = context;
    filling *f = p->f;
    for (int i = 0; i < p->count; i++) {
        bool kept;
        if (!vector_keep(t, f->part.seq, &p->item[i], &kept, e)) return false;
        f->computed += kept && p->item[i].v;
        f->empty += kept && !p->item[i].v && !p->item[i].same;
    }
    return true;
}

static bool one_page(filling *f, job *j, bool *more, err *e) {
    page *p = memory_alloc(sizeof *p);
    store *s = server_store(f->server);
    *p = (page){.f = f, .a = arena_new()};
    bool ok = store_read(s, read_page, p, e) && compute_page(p, e);
    ok = ok && (!p->count || store_write(s, write_page, p, e));
    *more = ok && p->count > 0;
    if (*more) {
        f->seq = p->item[p->count - 1].record;
        f->done += p->count;
        job_progress(j, f->done, f->done > f->total ? f->done : f->total, NULL);
    }
    arena_free(p->a);
    memory_release(p);
    return ok;
}

/* ---- the setting ---------------------------------------------------------------------------------------------------------------------------- */

/* {"dimensions", "source": {"model", "fields", "keep"}} */
static str settings_text(const filling *f) {
    json *all = json_new_object(f->own), *from = json_new_object(f->own);
    json_set(from, "model", json_new_text(f->own, str_of(f->model)));
    json_set(from, "fields", f->fields);
    json_set(from, "keep", json_new_bool(f->own, f->keep));
    json_set(all, "dimensions", json_new_int(f->own, f->width));
    json_set(all, "source", from);
    buf text = {0};
    json_put(&text, all);
    const str out = {arena_copy(f->own, text.ptr, text.len), text.len};
    buf_free(&text);
    return out;
}

static const json *source_of(arena *a, const part *p, int *width) {
    err none = {0};
    const json *v = json_parse(a, p->settings, &none);
    *width = (int)json_get_int(v, "dimensions", 0);
    return json_get(v, "source");
}

static bool make_setting(filling *f, call *c, err *e) {
    schema s;
    json *made, *body = json_new_object(f->own);
    json_set(body, "name", json_new_text(f->own, str_of(f->setting)));
    json_set(body, "title", json_new_text(f->own, str_of(f->setting)));
    json_set(body, "dimensions", json_new_int(f->own, f->width));
    if (!schema_rules(c, f->set.seq, &s, e) || !vector_create(f->own, body, s.vectors, &made, e)) return false;
    f->part = part_of_json(f->own, made, PART_VECTOR);
    f->part.dataset = f->set.seq;
    memcpy(f->part.dataset_id, f->set.id, sizeof f->part.dataset_id);
    f->part.settings = settings_text(f);
    return part_add(c->tx, &f->part, e);
}

static bool find_setting(store_tx *t, void *context, err *e) {
    filling *f = context;
    parts list;
    if (!part_list(t, f->own, f->set.seq, PART_VECTOR, &list, e)) return false;
    const part *p = part_named(&list, str_of(f->setting));
    if (!p) return true;
    f->part = *p;
    f->total = vector_wanting_count(t, f->set.seq, p->seq, e);
    source_of(f->own, p, &f->width);
    return e->code == ERR_NONE;
}

/* The source is kept once the model has shown that it fits; what another one computed is wanted again. */
static bool settle(store_tx *t, void *context, err *e) {
    filling *f = context;
    call c = {.server = f->server, .a = f->own, .tx = t};
    int width;
    if (!f->part.seq) return make_setting(f, &c, e);
    const json *old = source_of(f->own, &f->part, &width);
    const bool other = !str_is(json_get_text(old, "model", STR("")), f->model) || !json_equal(json_get(old, "fields"), f->fields);
    if ((f->again || (old && other)) && !vector_forget(t, f->part.seq, e)) return false;
    f->part.settings = settings_text(f);
    f->total = vector_wanting_count(t, f->set.seq, f->part.seq, e);
    return e->code == ERR_NONE && part_save(t, &f->part, e);
}

static bool show_width(filling *f, err *e) {
    arena *a = arena_new();
    const str text = STR("a");
    const float **v;
    int width = 0;
    bool ok = endpoint_embed(f->p, a, &text, 1, &v, &width, e);
    if (ok && f->width && width != f->width)
        ok = err_set(e, ERR_INPUT, "%s gives %d numbers, the vector setting '%s' has %d: name another setting", f->model, width,
                     f->setting, f->width);
    f->width = width;
    arena_free(a);
    return ok;
}

/* ---- the job -------------------------------------------------------------------------------------------------------------------------------- */

static bool stop_asked(void *self) { return job_stop_asked(self); }

static bool fill_work(job *j, void *context, json_writer *result, err *e) {
    filling *f = context;
    store *s = server_store(f->server);
    bool more = true;
    const endpoint_options o = {.spec = f->model, .stop = stop_asked, .self = j};
    if (!(f->p = hosted_open(server_worker(f->server), &o, e)) || !store_read(s, find_setting, f, e) || !show_width(f, e) ||
        !store_write(s, settle, f, e))
        return false;
    while (more) {
        if (job_stop_asked(j)) return err_set(e, ERR_STOPPED, "stopped");
        if (!one_page(f, j, &more, e)) return false;
    }
    const endpoint_use used = endpoint_used(f->p);
    json_key(result, "setting"), json_put_cstr(result, f->part.id);
    json_key(result, "dimensions"), json_put_int(result, f->width);
    json_key(result, "computed"), json_put_int(result, f->computed);
    json_key(result, "without_text"), json_put_int(result, f->empty);
    json_key(result, "tokens"), json_put_int(result, used.prompt_tokens);
    return true;
}

static filling *filling_of(server *s, const dataset *set, const char *setting, const char *model, const json *fields) {
    arena *own = arena_new();
    filling *f = arena_new_of(own, filling);
    err none = {0};
    *f = (filling){.server = s, .own = own, .keep = true};
    f->set = (dataset){.seq = set->seq, .workspace = set->workspace};
    memcpy(f->set.id, set->id, sizeof f->set.id);
    f->setting = arena_text(own, setting);
    f->model = arena_text(own, model);
    if (fields) {
        buf text = {0};
        json_put(&text, fields);
        f->fields = json_parse(own, buf_str(&text), &none);
        buf_free(&text);
    }
    return f;
}

/* One job a dataset at a time: jobs of two settings would only take turns at the model. */
static bool begin_job(filling *f, int64_t by, uuid_text id, err *e) {
    const job_order o = {.kind = "vectors", .unit = "records", .workspace = f->set.workspace, .by = by, .of = f->set.id};
    if (!jobs_run_of(f->server, "vectors", f->set.id)) return job_run(f->server, &o, fill_work, end_filling, f, id, e);
    end_filling(f);
    return err_set(e, ERR_CONFLICT, "vectors of this dataset are being computed: wait for that job, or stop it");
}

/* ---- routes ---------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *setting, *model;
    const json *fields;
    bool keep, again;
} wish;

static bool list_of_fields(call *c, const json *fields, err *e) {
    schema s;
    if (!schema_of(c, c->set.seq, &s, e)) return false;
    for (size_t i = 0; i < json_count(fields); i++)
        if (!part_named(&s.field, json_text(json_at(fields, i), STR(""))))
            return invalid(c, "body.fields", e, "the dataset has no field '%.*s'",
                           STR_ARG(json_text(json_at(fields, i), STR("?"))));
    return true;
}

/* What is not said is as the setting's source says it. */
static bool complete(store_tx *t, void *context, err *e) {
    call *c = context;
    parts list;
    int width;
    c->tx = t;
    bool ok = part_list(t, c->a, c->set.seq, PART_VECTOR, &list, e);
    const part *p = ok ? part_named(&list, json_get_text(c->body, "setting", STR(""))) : NULL;
    const json *from = p ? source_of(c->a, p, &width) : NULL;
    static const char *const keys[] = {"model", "fields", "keep"};
    for (size_t i = 0; i < 3 && ok; i++)
        if (!json_has(c->body, keys[i]) && json_get(from, keys[i])) json_set(c->body, keys[i], json_get(from, keys[i]));
    ok = ok && list_of_fields(c, json_get(c->body, "fields"), e);
    c->tx = NULL;
    return ok;
}

static bool read_wish(call *c, wish *w, err *e) {
    *w = (wish){.keep = true};
    if (!body_object(c, e) || !body_text(c, "setting", 1, 200, &w->setting, e) ||
        !store_read(server_store(c->server), complete, c, e) || !body_text(c, "model", 1, 2000, &w->model, e) ||
        !body_bool_or(c, "keep", &w->keep, e) || !body_bool_or(c, "again", &w->again, e))
        return false;
    w->fields = json_get(c->body, "fields");
    if (w->fields && (json_kind_of(w->fields) != JSON_ARRAY || !json_count(w->fields)))
        return invalid(c, "body.fields", e, "fields should be a list of names of fields");
    return true;
}

static bool post_vectors(call *c, err *e) {
    wish w;
    uuid_text id;
    if (!read_wish(c, &w, e) || !hosted_may_name(c, w.model, e)) return false;
    if (!c->set.ready) return err_set(e, ERR_INPUT, "a draft dataset has no records yet: publish it first");
    filling *f = filling_of(c->server, &c->set, w.setting, w.model, w.fields);
    f->keep = w.keep;
    f->again = w.again;
    return begin_job(f, c->me.seq, id, e) && job_accepted(c, id);
}

static bool get_vectors(call *c, err *e) {
    parts list;
    if (!part_list(c->tx, c->a, c->set.seq, PART_VECTOR, &list, e)) return false;
    items_begin(c);
    for (int i = 0; i < list.count; i++) {
        const part *p = &list.item[i];
        int width;
        const json *from = source_of(c->a, p, &width);
        json_open(&c->w, '{');
        json_key(&c->w, "id"), json_put_cstr(&c->w, p->id);
        json_key(&c->w, "name"), json_put_cstr(&c->w, p->name);
        json_key(&c->w, "dimensions"), json_put_int(&c->w, width);
        json_key(&c->w, "source"), json_put_value(&c->w, from);
        json_key(&c->w, "vectors"), json_put_int(&c->w, vector_count(c->tx, p->seq, e));
        json_key(&c->w, "wanting"), json_put_int(&c->w, vector_wanting_count(c->tx, c->set.seq, p->seq, e));
        json_close(&c->w);
    }
    items_end(c);
    object_end(c);
    return e->code == ERR_NONE;
}

const route routes_vectors[] = {
    {"GET", "/api/v1/datasets/{id}/vectors", WHO_MEMBER, OF_DATASET, RUN_READ, get_vectors,
     "vector settings with their source, and how many records have and lack a vector"},
    {"POST", "/api/v1/datasets/{id}/vectors", WHO_ADMIN, OF_DATASET, RUN_SELF, post_vectors,
     "compute vectors of records that lack one, as a job: {setting, model, fields, keep, again}"},
    {0},
};

/* ---- the keeper ------------------------------------------------------------------------------------------------------------------------------ */

struct vector_keeper {
    server *server;
    pthread_t thread;
    _Atomic bool ending;
};

typedef struct {
    server *server;
    filling *found; /* the first that has something to fill */
} keeping;

static bool look_at_set(store_tx *t, arena *a, keeping *k, const dataset *set, err *e) {
    parts list;
    wanting_records some;
    enum { PAUSE = 600 }; /* seconds after a job that failed, or that somebody stopped */
    if (!set->ready || jobs_run_of(k->server, "vectors", set->id) || jobs_failed_lately(k->server, "vectors", set->id, PAUSE))
        return true;
    if (!part_list(t, a, set->seq, PART_VECTOR, &list, e)) return false;
    for (int i = 0; i < list.count && !k->found; i++) {
        int width;
        const json *from = source_of(a, &list.item[i], &width), *fields = json_get(from, "fields");
        if (!json_get_bool(from, "keep", false)) continue;
        if (!vector_wanting(t, a, set->seq, list.item[i].seq, 0, 1, &some, e)) return false;
        if (some.count)
            k->found = filling_of(k->server, set, list.item[i].name, str_copy(a, json_get_text(from, "model", STR(""))), fields);
    }
    return true;
}

static bool look(store_tx *t, void *context, err *e) {
    keeping *k = context;
    arena *a = arena_new();
    datasets all;
    bool ok = dataset_list(t, a, 0, &all, e);
    for (int i = 0; i < all.count && ok && !k->found; i++) ok = look_at_set(t, a, k, &all.item[i], e);
    arena_free(a);
    return ok;
}

/* Looks when something was written, but never so often that looking is a twentieth of the time. */
static void *keeper_main(void *context) {
    vector_keeper *x = context;
    enum { PAUSE_LEAST = 3 };
    double next = 0;
    int64_t news = -1;
    while (!x->ending && !sys_stop_requested()) {
        const int64_t now = server_wait_news(x->server, news, 1);
        if (now == news || sys_seconds() < next) {
            if (now != news) usleep(100000);
            continue;
        }
        news = now;
        keeping k = {.server = x->server};
        err e = {0}, busy = {0};
        uuid_text id;
        const double begun = sys_seconds();
        if (!store_read(server_store(x->server), look, &k, &e)) log_warning("vectors: %s", e.text);
        else if (k.found && !begin_job(k.found, 0, id, &busy)) log_debug("vectors wait: %s", busy.text);
        const double took = 20 * (sys_seconds() - begun);
        next = sys_seconds() + (took > PAUSE_LEAST ? took : PAUSE_LEAST);
    }
    return NULL;
}

vector_keeper *vector_keeper_start(server *s, err *e) {
    vector_keeper *x = memory_alloc(sizeof *x);
    x->server = s;
    if (pthread_create(&x->thread, NULL, keeper_main, x) == 0) return x;
    memory_release(x);
    return err_null(e, ERR_LIMIT, "no thread for vectors");
}

void vector_keeper_stop(vector_keeper *x) {
    if (!x) return;
    x->ending = true;
    server_tell(x->server);
    pthread_join(x->thread, NULL);
    memory_release(x);
}
