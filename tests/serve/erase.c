/* What was erased is nowhere: a canary of 32 bytes is put wherever words can be put, and looked for in every byte of the data folder. */
#include "desk.h"

#include "data/data.h"
#include "run/run.h"

#define CANARY "q7x2kfw9z4hb8n3vcm5ty6rjd1gp0lsa"

/* Files below the folder that hold the canary; their names go to `where`. */
static int holding(arena *a, const char *folder, const char *needle, buf *where) {
    char **names;
    int count, found = 0;
    err e = {0};
    assert_ok(dir_list(a, folder, &names, &count, &e), e);
    for (int i = 0; i < count; i++) {
        const char *path = path_join(a, folder, names[i]);
        str data;
        if (file_is_dir(path)) {
            found += holding(a, path, needle, where);
            continue;
        }
        if (file_size(path) < 1) continue;
        assert_ok(file_read(a, path, (size_t)1 << 30, &data, &e), e);
        if (str_find(data, str_of(needle), 0) < 0) continue;
        buf_printf(where, " %s", path);
        found++;
    }
    return found;
}

#define assert_nowhere(d)                                                                                                        \
    do {                                                                                                                         \
        buf where = {0};                                                                                                         \
        if (holding((d)->a, (d)->home, CANARY, &where)) fail_msg("the canary is still in%s", where.ptr);                         \
        buf_free(&where);                                                                                                        \
    } while (0)

static void assert_somewhere(desk *d, const char *file) {
    buf where = {0};
    holding(d->a, d->home, CANARY, &where);
    if (!where.ptr || !strstr(where.ptr, file))
        fail_msg("the canary should be in %s before, it is in%s", file, where.ptr ? where.ptr : " nothing");
    buf_free(&where);
}

/* A run that trained on some lines; its folder. */
static const char *a_run(desk *d, const char *name, const char *base, const char *examples, const char *samples) {
    run r;
    err e = {0};
    const char *path = path_join(d->a, path_join(d->a, d->home, "runs"), name);
    const char *config = arena_printf(d->a, "{\"objective\":\"sft\",\"options\":{\"base\":\"%s\"}}", base);
    assert_ok(run_create(d->a, path, str_of(config), &r, &e) && run_begin(&r, 1, &e) && run_end(&r, RUN_DONE, NULL, &e), e);
    assert_ok(file_write(path_join(d->a, path, "examples.jsonl"), str_of(examples), &e), e);
    assert_ok(file_write(path_join(d->a, path, "samples.jsonl"), str_of(samples), &e), e);
    assert_ok(dir_make(path_join(d->a, path, "model"), &e), e);
    assert_ok(file_write(path_join(d->a, path, "model/README.md"), STR("# a model\n"), &e), e);
    return path;
}

static void write_text(desk *d, const char *folder, const char *name, const char *text) {
    err e = {0};
    assert_ok(file_write(path_join(d->a, folder, name), str_of(text), &e), e);
}

static void a_checkpoint(desk *d, const char *path, int64_t step, const char *rollouts) {
    err e = {0};
    run r = {.path = (char *)(uintptr_t)path};
    checkpoint_out c;
    assert_ok(checkpoint_begin(d->a, &r, step, &c, &e), e);
    write_text(d, c.path, CHECKPOINT_ROLLOUTS, rollouts);
    assert_ok(checkpoint_commit(&r, &c, 0, &e), e);
}

static str text_of(desk *d, const char *folder, const char *name) {
    str out;
    err e = {0};
    assert_ok(file_read(d->a, path_join(d->a, folder, name), 1 << 20, &out, &e), e);
    return out;
}

/* Many records around it, so that pages split and the text index has blocks. */
static void fill(desk *d, int n) {
    buf items = {0};
    for (int i = 0; i < n; i++)
        buf_printf(&items,
                   "%s{\"fields\":{\"prompt\":\"word%d other%d of record\",\"answer\":\"%d\"},\"metadata\":{\"source\":\"s%d\"}}",
                   i ? "," : "", i, i * 7, i, i % 5);
    ask(d, "POST", arena_printf(d->a, "/api/v1/datasets/%s/records/bulk", d->set),
        arena_printf(d->a, "{\"items\":[%s]}", items.ptr), NULL);
    buf_free(&items);
}

static void a_record_is_erased_everywhere(void **state) {
    desk *d = *state;
    err e = {0};
    const char *ann = a_member(d, "ann", "annotator");
    ask(d, "POST", "/api/v1/webhooks", "{\"url\":\"http://127.0.0.1:9/\",\"events\":[\"record.created\",\"response.created\"]}",
        NULL);
    fill(d, 200);
    const char *id =
        a_record(d, "\"fields\":{\"prompt\":\"tell " CANARY " please\",\"answer\":\"" CANARY "\"},\"external_id\":\"" CANARY
                    "\",\"metadata\":{\"source\":\"" CANARY "\",\"more\":\"" CANARY "\"}");
    const char *other = a_record(d, "\"fields\":{\"prompt\":\"another\",\"answer\":\"b\"}");
    fill(d, 200);
    const char *path = arena_printf(d->a, "/api/v1/records/%s", id);
    an_answer(d, id, ann, "an older " CANARY, "yes");
    an_answer(d, id, ann, "a newer " CANARY, "no");
    ask(d, "PUT", arena_printf(d->a, "%s/suggestions", path),
        arena_printf(d->a, "{\"question_id\":\"%s\",\"value\":\"%s\",\"agent\":\"m\"}", d->question, CANARY), NULL);
    ask(d, "POST", arena_printf(d->a, "%s/notes", path), "{\"text\":\"look: " CANARY "\"}", NULL);
    ask(d, "PUT", arena_printf(d->a, "%s/gold", path),
        "{\"values\":{\"good\":{\"value\":\"yes\"},\"note\":{\"value\":\"" CANARY "\"}}}", NULL);
    ask(d, "PATCH", path, "{\"fields\":{\"prompt\":\"changed, still " CANARY "\",\"answer\":\"c\"}}", NULL);
    const char *examples =
        arena_printf(d->a,
                     "{\"prompt\":\"x\",\"completion\":\"" CANARY "\",\"record\":\"%s\",\"people\":[\"p-1\"]}\n"
                     "{\"prompt\":\"two\",\"chosen\":\"a\",\"rejected\":\"b\",\"record\":\"%s,%s\"}\n{\"prompt\":\"y\","
                     "\"completion\":\"z\",\"record\":\"%s\"}\n",
                     id, other, id, other);
    const char *run_a =
        a_run(d, "sft-1", "/models/tiny", examples,
              "{\"step\":0,\"prompt\":\"user: changed, still " CANARY "\\n\",\"text\":\"...\"}\n{\"step\":1,\"text\":\"ok\"}\n");
    a_checkpoint(d, run_a, 1, "{\"text\":\"as it was: changed, still " CANARY "\"}\n");
    a_checkpoint(d, run_a, 2, "{\"text\":\"of others\"}\n");
    write_text(d, run_a, "rollouts.jsonl", "{\"step\":1,\"prompt\":\"changed, still " CANARY "\"}\n{\"step\":2}\n");
    write_text(d, run_a, "console", "warning: changed, still " CANARY "\n");
    const char *run_b = a_run(d, "sft-2", arena_printf(d->a, "%s/model", run_a), "{\"prompt\":\"y\",\"record\":\"other\"}\n", "");
    const char *run_c = a_run(d, "sft-3", "/models/tiny", "{\"prompt\":\"y\",\"record\":\"other\"}\n", "");
    assert_ok(dir_make(path_join(d->a, d->home, "exports"), &e), e);
    assert_ok(file_write(path_join(d->a, d->home, "exports/set-sft.jsonl"), str_of(examples), &e), e);
    assert_ok(dir_make(path_join(d->a, d->home, "models/copied"), &e) && dir_make(path_join(d->a, d->home, "models/foreign"), &e),
              e);
    assert_ok(file_write(path_join(d->a, d->home, "models/copied/README.md"), STR("---\n---\n\n# sft-1\n"), &e), e);
    assert_ok(file_write(path_join(d->a, d->home, "models/foreign/README.md"), STR("---\n---\n\n# sft-12\n"), &e), e);
    assert_int_equal(symlink(path_join(d->a, run_b, "model"), path_join(d->a, d->home, "models/linked")), 0);
    assert_somewhere(d, "fettle.db");
    assert_somewhere(d, "sft-1/examples.jsonl");
    assert_somewhere(d, "sft-1/samples.jsonl");
    assert_somewhere(d, "sft-1/rollouts.jsonl");
    assert_somewhere(d, "sft-1/checkpoint-1/" CHECKPOINT_ROLLOUTS);

    const json *answer = ask(d, "POST", arena_printf(d->a, "%s/erase", path), "", NULL);
    assert_nowhere(d);
    assert_false(json_get_bool(answer, "elsewhere", true));
    assert_int_equal(json_get_int(answer, "responses", -1), 1);
    assert_int_equal(json_get_int(answer, "versions", -1), 2);
    assert_int_equal(json_get_int(answer, "suggestions", -1), 1);
    assert_int_equal(json_get_int(answer, "notes", -1), 1);
    assert_int_equal(json_get_int(answer, "gold", -1), 1);
    assert_int_equal(json_get_int(answer, "export_lines", -1), 2);
    const json *runs = json_get(answer, "runs");
    assert_int_equal(json_count(runs), 2);
    assert_true(str_is(json_get_text(json_at(runs, 0), "name", STR("")), "sft-1"));
    assert_int_equal(json_get_int(json_at(runs, 0), "examples", -1), 2);
    assert_true(str_is(json_get_text(json_at(runs, 1), "name", STR("")), "sft-2"));
    assert_true(str_is(json_get_text(json_at(runs, 1), "through", STR("")), "sft-1"));
    const json *copied = json_get(json_at(runs, 0), "added"), *linked = json_get(json_at(runs, 1), "added");
    assert_int_equal(json_count(copied) + json_count(linked), 2);
    assert_true(str_is(json_text(json_at(copied, 0), STR("")), "copied"));
    assert_true(str_is(json_text(json_at(linked, 0), STR("")), "linked"));
    assert_true(str_find(text_of(d, path_join(d->a, d->home, "models/copied"), "README.md"), STR("## Erased data"), 0) > 0);
    /* What is of others stays. */
    assert_true(str_is(text_of(d, run_a, "examples.jsonl"),
                       arena_printf(d->a, "{\"prompt\":\"y\",\"completion\":\"z\",\"record\":\"%s\"}\n", other)));
    assert_true(str_is(text_of(d, run_a, "samples.jsonl"), "{\"step\":1,\"text\":\"ok\"}\n"));
    assert_true(str_is(text_of(d, run_a, "rollouts.jsonl"), "{\"step\":2}\n"));
    assert_false(file_exists(path_join(d->a, run_a, "checkpoint-1")));
    assert_true(file_exists(path_join(d->a, run_a, "checkpoint-2")));
    assert_non_null(run_erased_words(d->a, run_a));
    assert_non_null(run_erased_words(d->a, run_b));
    assert_null(run_erased_words(d->a, run_c));
    assert_true(str_find(text_of(d, run_a, "model/README.md"), STR("## Erased data"), 0) > 0);
    ask(d, "GET", path, "", &e);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    const json *left = ask(d, "GET", arena_printf(d->a, "/api/v1/datasets/%s/records?limit=1", d->set), "", NULL);
    assert_int_equal(json_get_int(left, "total", -1), 401);
    const json *found = ask(d, "POST", arena_printf(d->a, "/api/v1/datasets/%s/records/search", d->set),
                            "{\"query\":{\"text\":{\"q\":\"word7\"}}}", NULL);
    assert_int_equal(json_get_int(found, "total", -1), 2); /* the index is whole */
    e = (err){0};
    assert_ok(store_check(server_store(d->s), &e), e);
}

typedef struct {
    arena *a;
    const char *row, *person;
} owning;

static bool make_own(store_tx *t, void *context, err *e) {
    const owning *o = context;
    user u;
    return user_get(t, o->a, o->person, &u, e) && record_author(t, o->row, u.seq, e);
}

/* What was asked and said in passing lies in records of the inbox and the arena: they go with who said it, whoever else answered them. */
static void records_of_a_persons_own_words_go_with_them(void **state) {
    desk *d = *state;
    err e = {0};
    const char *ann = a_member(d, "ann", "annotator"), *bob = a_member(d, "bob", "annotator");
    fill(d, 50);
    const char *own = a_record(d, "\"fields\":{\"prompt\":\"asked " CANARY "\",\"answer\":\"b\"}");
    const char *other = a_record(d, "\"fields\":{\"prompt\":\"two\",\"answer\":\"b\"}");
    an_answer(d, own, bob, "said of " CANARY, "yes");
    an_answer(d, other, ann, "mine", "yes");
    owning o = {d->a, own, ann};
    assert_ok(store_write(server_store(d->s), make_own, &o, &e), e);
    const char *run_a =
        a_run(d, "sft-1", "tiny", arena_printf(d->a, "{\"prompt\":\"asked " CANARY "\",\"record\":\"%s\"}\n", own), "");
    assert_somewhere(d, "fettle.db");
    const json *answer = ask(d, "POST", arena_printf(d->a, "/api/v1/users/%s/erase", ann), "", NULL);
    assert_nowhere(d);
    assert_int_equal(json_get_int(answer, "responses", -1), 1);
    assert_int_equal(json_count(json_get(answer, "runs")), 1);
    assert_int_equal(text_of(d, run_a, "examples.jsonl").len, 0);
    ask(d, "GET", arena_printf(d->a, "/api/v1/records/%s", own), "", &e);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    ask(d, "GET", arena_printf(d->a, "/api/v1/records/%s", other), "", NULL);
    const json *list = json_get(ask(d, "GET", "/api/v1/erasures", "", NULL), "items");
    assert_int_equal(json_count(list), 2); /* the person, and the record */
}

/* A duel and a kept completion of the owner, and two records named after them. */
typedef struct {
    arena *a;
    const char *person, *said, *judged; /* ids */
    duel d;
    traffic kept;
} passing;

static bool make_passing(store_tx *t, void *context, err *e) {
    passing *p = context;
    user u;
    dataset set;
    pass key = {.kind = PASS_KEY, .name = "k"};
    record r;
    if (!user_get(t, p->a, p->person, &u, e) || !record_get(t, p->a, p->said, &r, e)) return false;
    key.user = p->d.user = p->kept.user = u.seq;
    if (!dataset_get_seq(t, p->a, r.dataset, &set, e) || !duel_add(t, &p->d, e) || !pass_add(t, &key, STR("a secret"), e) ||
        !pass_find(t, p->a, PASS_KEY, STR("a secret"), &key, e))
        return false;
    p->kept.pass = key.seq;
    if (!traffic_add(t, &p->kept, e) || !record_author(t, p->said, u.seq, e) || !record_author(t, p->judged, u.seq, e))
        return false;
    r.external_id = str_of(p->kept.id);
    if (!record_save(t, &r, e) || !record_get(t, p->a, p->judged, &r, e)) return false;
    r.external_id = str_of(p->d.id);
    return record_save(t, &r, e);
}

/* Words said in passing stand where they were said as well. */
static void words_in_passing_go_with_their_record(void **state) {
    desk *d = *state;
    err e = {0};
    const json *me = json_at(json_get(ask(d, "GET", "/api/v1/users", "", NULL), "items"), 0);
    passing p = {.a = d->a,
                 .person = id_of(d, me),
                 .said = a_record(d, "\"fields\":{\"prompt\":\"asked " CANARY "\",\"answer\":\"b\"}"),
                 .judged = a_record(d, "\"fields\":{\"prompt\":\"two\",\"answer\":\"said " CANARY "\"}"),
                 .d = {.model = {"m", "n"}, .prompt = "two", .text = {"said " CANARY, "x"}, .vote = "left"},
                 .kept = {.id = "chatcmpl-7",
                          .model = "m",
                          .request = STR("asked " CANARY),
                          .answer = STR("[\"b\"]"),
                          .unfinished = STR("[0]"),
                          .until = INT64_MAX}};
    assert_ok(store_write(server_store(d->s), make_passing, &p, &e), e);
    const char *chat = id_of(
        d, ask(d, "POST", "/api/v1/chats",
               "{\"model\":\"m\",\"title\":\"asked " CANARY "\",\"messages\":["
               "{\"id\":\"1\",\"parent\":null,\"role\":\"user\",\"content\":\"asked " CANARY "\"},"
               "{\"id\":\"2\",\"parent\":\"1\",\"role\":\"assistant\",\"content\":\"another\",\"completion_id\":\"chatcmpl-6\"},"
               "{\"id\":\"3\",\"parent\":\"1\",\"role\":\"assistant\",\"content\":\"b " CANARY
               "\",\"completion_id\":\"chatcmpl-7\"}]}",
               NULL));
    const char *like = id_of(d, ask(d, "POST", "/api/v1/chats",
                                    "{\"model\":\"m\",\"title\":\"kept\",\"messages\":[{\"id\":\"1\",\"parent\":null,\"role\":"
                                    "\"assistant\",\"content\":\"x\",\"completion_id\":\"chatcmpl-70\"}]}",
                                    NULL));
    const char *path = arena_printf(d->a, "/api/v1/records/%s/erase", p.judged);
    assert_true(json_get_bool(ask(d, "POST", path, "", NULL), "elsewhere", false)); /* of the other record */
    const json *left = ask(d, "POST", arena_printf(d->a, "/api/v1/records/%s/erase", p.said), "", NULL);
    assert_nowhere(d);
    assert_false(json_get_bool(left, "elsewhere", true));
    const json *table = ask(d, "GET", "/api/v1/arena/table", "", NULL);
    assert_int_equal(json_get_int(table, "votes", -1), 1); /* as a number */
    const json *messages = json_get(ask(d, "GET", arena_printf(d->a, "/api/v1/chats/%s", chat), "", NULL), "messages");
    assert_int_equal(json_count(messages), 3);
    const json *other = ask(d, "GET", arena_printf(d->a, "/api/v1/chats/%s", like), "", NULL);
    assert_true(str_is(json_get_text(other, "title", STR("")), "kept")); /* another completion's, whose name begins alike */
    assert_true(str_is(json_get_text(json_at(messages, 1), "content", STR("")), "another"));
    assert_int_equal(json_get_text(json_at(messages, 0), "content", STR("?")).len, 0);
    assert_int_equal(json_count(json_get(ask(d, "GET", "/api/v1/me/traffic", "", NULL), "items")), 0);
}

/* A view of the dataset that the person kept, and a key that they named. */
static bool make_words(store_tx *t, void *context, err *e) {
    const owning *o = context;
    user u;
    dataset set;
    if (!user_get(t, o->a, o->person, &u, e) || !dataset_get(t, o->a, o->row, &set, e)) return false;
    kept_view v = {
        .dataset = set.seq, .user = u.seq, .name = "my " CANARY, .query = STR("{\"q\":\"" CANARY "\"}"), .shared = true};
    pass p = {.kind = PASS_KEY, .user = u.seq, .name = "for " CANARY};
    return view_put(t, &v, e) && pass_add(t, &p, STR("a secret"), e);
}

static void a_person_is_erased_and_their_numbers_stay(void **state) {
    desk *d = *state;
    err e = {0};
    const char *ann = a_member(d, CANARY, "annotator"), *bob = a_member(d, "bob", "annotator");
    fill(d, 50);
    const char *one = a_record(d, "\"fields\":{\"prompt\":\"one\",\"answer\":\"b\"}");
    const char *two = a_record(d, "\"fields\":{\"prompt\":\"two\",\"answer\":\"b\"}");
    an_answer(d, one, ann, "first " CANARY, "yes");
    an_answer(d, one, ann, "then " CANARY, "yes");
    an_answer(d, one, bob, "mine", "no");
    an_answer(d, two, ann, CANARY, "no");
    owning words = {d->a, d->set, ann};
    assert_ok(store_write(server_store(d->s), make_words, &words, &e), e);
    const json *before = ask(d, "GET", arena_printf(d->a, "/api/v1/records/%s", one), "", NULL);
    assert_true(str_is(json_get_text(before, "status", STR("")), "completed"));
    const char *answer_id = id_of(d, json_at(json_get(before, "responses"), 0));
    const char *run_a = a_run(d, "sft-1", "tiny",
                              arena_printf(d->a,
                                           "{\"prompt\":\"x\",\"completion\":\"then " CANARY
                                           "\",\"record\":\"%s\",\"responses\":[\"%s\"],\"people\":[\"p-123456789012\"]}\n",
                                           one, answer_id),
                              "");
    assert_somewhere(d, "fettle.db");
    const json *answer = ask(d, "POST", arena_printf(d->a, "/api/v1/users/%s/erase", ann), "", NULL);
    assert_nowhere(d);
    assert_int_equal(json_get_int(answer, "responses", -1), 2);
    assert_int_equal(json_get_int(answer, "versions", -1), 3);
    assert_int_equal(json_count(json_get(answer, "runs")), 1);
    assert_int_equal(text_of(d, run_a, "examples.jsonl").len, 0);
    const json *person = ask(d, "GET", arena_printf(d->a, "/api/v1/users/%s", ann), "", NULL);
    assert_true(str_starts(json_get_text(person, "username", STR("")), STR("erased-")));
    const json *after = ask(d, "GET", arena_printf(d->a, "/api/v1/records/%s", one), "", NULL);
    assert_int_equal(json_count(json_get(after, "responses")), 1);
    assert_true(str_is(json_get_text(after, "status", STR("")), "pending")); /* one of two answers is left */
    const json *list = json_get(ask(d, "GET", "/api/v1/erasures", "", NULL), "items");
    assert_int_equal(json_count(list), 1);
    assert_int_equal(json_get_int(json_at(list, 0), "responses", -1), 2);
}

/* Lineage names people by pseudonyms alone: lines whose answers are gone are found by these. */
static void lines_are_found_by_the_pseudonym(void **state) {
    desk *d = *state;
    err e = {0};
    const char *ann = a_member(d, "ann", "annotator");
    const char *one = a_record(d, "\"fields\":{\"prompt\":\"one\",\"answer\":\"b\"}");
    an_answer(d, one, ann, NULL, "yes");
    int status;
    buf rows = {0};
    assert_ok(
        server_call(
            d->s, "PUT", arena_printf(d->a, "/api/v1/datasets/%s/recipe", d->set),
            STR("{\"mapping\":{\"recipe\":\"label\",\"question\":\"good\",\"prompt\":\"prompt\",\"answer\":\"answer\",\"good\":["
                "\"yes\"],\"bad\":[\"no\"]}}"),
            &status, &rows, &e),
        e);
    buf_clear(&rows);
    assert_ok(server_call(d->s, "POST", arena_printf(d->a, "/api/v1/datasets/%s/rows", d->set), STR("{\"as\":\"labelled\"}"),
                          &status, &rows, &e),
              e);
    assert_true(str_find(buf_str(&rows), STR("\"p-"), 0) > 0);
    const char *all = str_copy(d->a, buf_str(&rows));
    buf_free(&rows);
    const ptrdiff_t at = str_find(str_of(all), STR("\"responses\":"), 0);
    assert_true(at > 0);
    ((char *)(uintptr_t)all)[at + 14] ^= 1; /* the answer was another one then */
    const char *run_a = a_run(d, "kto-1", "tiny", all, "");
    ask(d, "POST", arena_printf(d->a, "/api/v1/users/%s/erase", ann), "", NULL);
    assert_int_equal(text_of(d, run_a, "examples.jsonl").len, 0);
}

static void a_text_that_another_record_holds_is_told(void **state) {
    desk *d = *state;
    const char *one = a_record(d, "\"fields\":{\"prompt\":\"a text of more than twenty-four bytes\"}");
    a_record(d, "\"fields\":{\"prompt\":\"a text of more than twenty-four bytes\"}");
    assert_true(json_get_bool(ask(d, "POST", arena_printf(d->a, "/api/v1/records/%s/erase", one), "", NULL), "elsewhere", false));
    ask(d, "POST", "/api/v1/erasures/scrub", "", NULL);
}

static void the_only_owner_stays(void **state) {
    desk *d = *state;
    err e = {0};
    const json *me = json_at(json_get(ask(d, "GET", "/api/v1/users", "", NULL), "items"), 0);
    ask(d, "POST", arena_printf(d->a, "/api/v1/users/%s/erase", id_of(d, me)), "", &e);
    assert_int_equal(e.code, ERR_CONFLICT);
}

static void a_run_that_is_training_on_it_is_in_the_way(void **state) {
    desk *d = *state;
    err e = {0};
    run r;
    const char *one = a_record(d, "\"fields\":{\"prompt\":\"one\",\"answer\":\"b\"}");
    const char *path = path_join(d->a, d->home, "runs/sft-9");
    assert_ok(run_create(d->a, path, STR("{}"), &r, &e) && run_begin(&r, 1, &e), e);
    assert_ok(file_write(path_join(d->a, path, "examples.jsonl"), str_of(arena_printf(d->a, "{\"record\":\"%s\"}\n", one)), &e),
              e);
    ask(d, "POST", arena_printf(d->a, "/api/v1/records/%s/erase", one), "", &e);
    assert_int_equal(e.code, ERR_CONFLICT);
    ask(d, "GET", arena_printf(d->a, "/api/v1/records/%s", one), "", NULL);
    e = (err){0};
    assert_ok(run_end(&r, RUN_DONE, NULL, &e), e);
    ask(d, "POST", arena_printf(d->a, "/api/v1/records/%s/erase", one), "", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DESK_TEST(a_record_is_erased_everywhere),
        DESK_TEST(a_person_is_erased_and_their_numbers_stay),
        DESK_TEST(records_of_a_persons_own_words_go_with_them),
        DESK_TEST(words_in_passing_go_with_their_record),
        DESK_TEST(lines_are_found_by_the_pseudonym),
        DESK_TEST(a_text_that_another_record_holds_is_told),
        DESK_TEST(the_only_owner_stays),
        DESK_TEST(a_run_that_is_training_on_it_is_in_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
