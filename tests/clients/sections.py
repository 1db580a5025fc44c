"""What the contract says beside shapes and traps, in its order: transport, errors, conventions, endpoints, records, search, values,
webhooks, the 1.x client (usage: common.py)."""
import http.server, json, threading, time, urllib.parse, uuid
from common import check, run, same, unique
from contract import NOBODY, OPTIONS, RECORD, Case, external, shaped, submitted

ALL = "include=responses&include=suggestions&include=vectors"


def both(*filters):
    return {"filters": {"type": "and", "and": list(filters)}}


def terms(scope, *values):
    return {"type": "terms", "scope": scope, "values": list(values)}


def between(scope, ge=None, le=None):
    return {"type": "range", "scope": scope, "ge": ge, "le": le}


def prop(name):
    return {"entity": "record", "property": name}


def meta(name):
    return {"entity": "metadata", "metadata_property": name}


def found(c, dataset, body, query="?limit=1000", key=""):
    return external([i["record"] for i in c.want(200, "POST", f"/api/v1/datasets/{dataset['id']}/records/search{query}", body, key)["items"]])


# ---- 1 to 3 -------------------------------------------------------------------------------------------------------------------------

@check
def pages_of_documentation_are_where_they_were(c):
    for path in ("/docs", "/api"):
        status, _, headers = c.ask("GET", path, key=None)
        same(path, (status, headers.get("Location")), (307, "/api/v1/docs"))
    assert c.ask("GET", "/api/v1/docs", key=None)[0] == 200
    described = c.want(200, "GET", "/api/v1/openapi.json", key=None)
    assert described["openapi"].startswith("3.") and "/api/v1/datasets/{id}/records/bulk" in described["paths"], sorted(described["paths"])[:9]


@check
def a_request_is_judged_in_order(c):
    member, stranger, admin = c.server.user("annotator", [c.workspace["id"]]), c.server.user("annotator"), c.server.user("admin", [c.workspace["id"]])
    dataset = c.dataset()
    path = f"/api/v1/datasets/{dataset['id']}"
    c.want(401, "GET", "/api/v1/users/not-an-id", key=None)
    c.want(401, "POST", "/api/v1/workspaces", b"{", key=None)
    c.want(422, "GET", "/api/v1/datasets/not-an-id", key=stranger.key)
    c.want(404, "GET", f"/api/v1/datasets/{NOBODY}", key=stranger.key)
    c.want(403, "PATCH", path, {"name": "x"}, member.key)
    c.want(409, "POST", "/api/v1/datasets", {"name": dataset["name"], "workspace_id": c.workspace["id"]}, admin.key)


@check
def keys_that_may_not_be_null_are_named(c):
    dataset = c.dataset()
    bad = c.want(422, "PATCH", f"/api/v1/datasets/{dataset['id']}", {"name": None, "distribution": None})
    error = bad["detail"]["params"]["errors"][0]
    same("where", error["loc"], ["body"])
    assert "The following keys must have non-null values" in error["msg"] and "name" in error["msg"] and "distribution" in error["msg"], error


@check
def times_are_read_with_and_without_a_zone(c):
    dataset = c.dataset()
    rows = c.rows(dataset, 3)
    at = rows[1]["inserted_at"]
    day = at[:10]
    for when in (day + "T00:00:00", day + "T00:00:00Z", day + "T00:00:00+00:00", day, day + "T00:00:00.000001"):
        same(when, len(found(c, dataset, both(between(prop("inserted_at"), ge=when)))), 3)
    same("its own time", found(c, dataset, both(between(prop("inserted_at"), at, at))) != [], True)
    same("an hour on, told from there", len(found(c, dataset, both(between(prop("inserted_at"), le="2000-01-01T00:00:00+01:00")))), 0)
    c.search(dataset, both(between(prop("inserted_at"), ge="yesterday")), status=422)


# ---- 5 ------------------------------------------------------------------------------------------------------------------------------

@check
def information_has_its_keys(c):
    status = c.want(200, "GET", "/api/v1/status", key=None)
    assert {"version", "search_engine", "memory"} <= set(status) and isinstance(status["memory"], dict), status
    assert c.ask("GET", "/api/v1/oauth2/providers/huggingface/authentication", key=None)[0] in (404, 403)


@check
def ids_may_be_given(c):
    mine = str(uuid.uuid4())
    name = unique("user")
    user = {"id": mine, "username": name, "first_name": "A", "password": "12345678"}
    same("user", c.want(201, "POST", "/api/v1/users", user)["id"], mine)
    c.want(409, "POST", "/api/v1/users", {**user, "username": unique("user")})
    space = {"id": mine, "name": unique("ws")}
    same("workspace", c.want(201, "POST", "/api/v1/workspaces", space)["id"], mine)
    c.want(409, "POST", "/api/v1/workspaces", {"id": mine, "name": unique("ws")})
    c.want(422, "POST", "/api/v1/workspaces", {"id": "x", "name": unique("ws")})
    got = c.want(200, "PATCH", f"/api/v1/users/{mine}", {**c.want(200, "GET", f"/api/v1/users/{mine}"), "last_name": "B", "password": None})
    same("a whole model sent back", (got["last_name"], got["first_name"], got["username"]), ("B", "A", name))
    for key in ("first_name", "username", "role"):
        c.want(422, "PATCH", f"/api/v1/users/{mine}", {key: None})


@check
def who_goes_takes_their_answers_along(c):
    dataset = c.dataset(distribution={"strategy": "overlap", "min_submitted": 1})
    user = c.server.user("annotator", [c.workspace["id"]])
    row = c.rows(dataset, 1)[0]
    c.want(201, "POST", f"/api/v1/records/{row['id']}/responses", submitted(), user.key)
    same("completed", c.want(200, "GET", f"/api/v1/records/{row['id']}")["status"], "completed")
    c.want(200, "DELETE", f"/api/v1/users/{user.id}")
    same("gone", c.want(200, "GET", f"/api/v1/records/{row['id']}")["responses"], [])
    same("members", c.want(200, "GET", f"/api/v1/workspaces/{c.workspace['id']}/users")["items"].count(user.id), 0)


@check
def lists_are_in_the_order_of_making(c):
    names = [unique("ws") for _ in range(3)]
    for n in names:
        c.want(201, "POST", "/api/v1/workspaces", {"name": n})
    same("workspaces", [w["name"] for w in c.want(200, "GET", "/api/v1/me/workspaces")["items"]][-3:], names)
    users = [c.server.user("annotator") for _ in range(3)]
    same("users", [u["id"] for u in c.want(200, "GET", "/api/v1/users")["items"]][-3:], [u.id for u in users])
    sets = [c.draft()["id"] for _ in range(3)]
    same("datasets", [d["id"] for d in c.want(200, "GET", "/api/v1/me/datasets")["items"]][-3:], sets)
    owner = c.server.user("owner")
    spaces = c.want(200, "GET", f"/api/v1/users/{owner.id}/workspaces")["items"]
    assert set(names) <= {w["name"] for w in spaces}, "an owner has all workspaces"


@check
def progress_has_people_in_it(c):
    dataset = c.dataset(distribution={"strategy": "overlap", "min_submitted": 2})
    a, b = (c.server.user("annotator", [c.workspace["id"]]) for _ in range(2))
    c.put(dataset, *[{"external_id": str(i), "fields": {"text": "x"}, "responses": r} for i, r in enumerate((
        [submitted(user=a.id), submitted(user=b.id)], [submitted(user=a.id)], [{**submitted(user=b.id), "status": "draft"}],
        [{"user_id": a.id, "status": "discarded"}], []))])
    path = f"/api/v1/datasets/{dataset['id']}"
    got = c.want(200, "GET", path + "/progress")
    same("progress", [got[k] for k in ("total", "completed", "pending")], [5, 1, 4])
    same("who", sorted(u["username"] for u in got["users"]), sorted([a.username, b.username]))
    people = {u["username"]: u for u in c.want(200, "GET", path + "/users/progress")["users"]}
    zero = {"submitted": 0, "discarded": 0, "draft": 0}
    same("a", (people[a.username]["completed"], people[a.username]["pending"]), ({**zero, "submitted": 1}, {**zero, "submitted": 1, "discarded": 1}))
    same("b", (people[b.username]["completed"], people[b.username]["pending"]), ({**zero, "submitted": 1}, {**zero, "draft": 1}))
    same("a's metrics", c.metrics(dataset, a.key), {"total": 5, "submitted": 2, "discarded": 1, "draft": 0, "pending": 2})
    c.want(200, "PATCH", path, {"distribution": {"strategy": "overlap", "min_submitted": 1}})
    same("less is wanted", c.want(200, "GET", path + "/progress")["completed"], 2)
    same("statuses", [r["status"] for r in c.records(dataset)["items"]], ["completed", "completed", "pending", "pending", "pending"])


@check
def work_of_a_hub_is_a_job(c):
    dataset = c.dataset()
    path = f"/api/v1/datasets/{dataset['id']}"
    c.want(422, "POST", path + "/export", {"name": "a/b", "token": "t"})
    c.want(422, "POST", path + "/export", {"name": "", "token": "t"})
    c.want(422, "POST", path + "/import", {"name": "a/b", "subset": "default", "split": "train", "mapping": {"fields": []}})
    c.want(404, "GET", "/api/v1/jobs/none")
    draft = c.draft()
    same("a draft has no progress", c.want(200, "GET", f"/api/v1/datasets/{draft['id']}/progress"), {"total": 0, "completed": 0, "pending": 0, "users": []})


@check
def names_are_looked_at_in_their_workspace(c):
    other = c.want(201, "POST", "/api/v1/workspaces", {"name": unique("ws")})
    one = c.draft()
    c.want(201, "POST", "/api/v1/datasets", {"name": one["name"], "workspace_id": other["id"]})
    stranger = c.server.user("annotator")
    assert c.ask("GET", f"/api/v1/me/datasets?workspace_id={other['id']}", key=stranger.key)[0] in (403, 404)
    c.want(422, "GET", "/api/v1/me/datasets?status=none")
    c.want(422, "GET", "/api/v1/me/datasets?workspace_id=x")


@check
def hidden_metadata_is_hidden(c):
    dataset = c.dataset(metadata={"f": {"type": "float"}})
    hidden = c.add(dataset, "metadata-properties", name="hidden", visible_for_annotators=False, settings={"type": "terms"})
    annotator, admin = c.server.user("annotator", [c.workspace["id"]]), c.server.user("admin", [c.workspace["id"]])
    c.rows(dataset, 2, metadata={"f": 0.123456789, "hidden": "h"})
    mine = f"/api/v1/me/datasets/{dataset['id']}/metadata-properties"
    same("seen", [[p["name"] for p in c.want(200, "GET", mine, key=k)["items"]] for k in (annotator.key, admin.key)], [["f"], ["f", "hidden"]])
    assert c.ask("GET", f"/api/v1/metadata-properties/{hidden['id']}/metrics", key=annotator.key)[0] in (403, 404)
    same("counts", c.want(200, "GET", f"/api/v1/metadata-properties/{hidden['id']}/metrics", key=admin.key)["values"], [{"term": "h", "count": 2}])
    f = c.want(200, "GET", mine)["items"][0]["id"]
    same("rounded", c.want(200, "GET", f"/api/v1/metadata-properties/{f}/metrics", key=annotator.key), {"type": "float", "min": 0.12346, "max": 0.12346})


@check
def records_belong_to_those_who_may_see_them(c):
    dataset = c.dataset()
    row = c.rows(dataset, 1)[0]
    annotator = c.server.user("annotator", [c.workspace["id"]])
    for method, path, body in (("GET", f"/api/v1/datasets/{dataset['id']}/records", None), ("POST", f"/api/v1/datasets/{dataset['id']}/records/search", {}),
                               ("PUT", f"/api/v1/datasets/{dataset['id']}/records/bulk", {"items": [{"fields": {"text": "x"}}]}), ("DELETE", f"/api/v1/records/{row['id']}", None)):
        c.want(403, method, path, body, annotator.key)
    shaped("record", c.want(200, "GET", f"/api/v1/records/{row['id']}", key=annotator.key), RECORD | {"responses", "suggestions", "vectors"})
    same("comma", set(c.records(dataset, "?include=responses,suggestions")["items"][0]) & {"responses", "suggestions", "vectors"}, {"responses", "suggestions"})
    c.want(422, "DELETE", f"/api/v1/records/{row['id']}/suggestions?ids=" + ",".join([NOBODY] * 101))
    c.want(204, "DELETE", f"/api/v1/records/{row['id']}/suggestions?ids={NOBODY}")


@check
def webhooks_have_rules(c):
    good = {"url": "http://127.0.0.1:9/x", "events": ["record.created"], "description": "d"}
    made = [c.want(201, "POST", "/api/v1/webhooks", good)]
    path = f"/api/v1/webhooks/{made[0]['id']}"
    same("enabled", made[0]["enabled"], True)
    assert len(made[0]["secret"]) >= 80
    for bad in ({"url": "ftp://x/y"}, {"url": "x"}, {"url": None}, {"events": []}, {"events": ["record.created"] * 2}, {"events": ["none"]}, {"events": None},
                {"description": ""}, {"description": "x" * 1001}):
        c.want(422, "POST", "/api/v1/webhooks", {**good, **bad})
        if bad != {"description": ""}:
            c.want(422, "PATCH", path, bad)
    c.want(422, "PATCH", path, {"enabled": None})
    got = c.want(200, "PATCH", path, {**made[0], "enabled": False, "description": None, "events": ["dataset.created", "response.deleted"]})
    same("changed", (got["enabled"], got["description"], got["events"], got["secret"]), (False, None, ["dataset.created", "response.deleted"], made[0]["secret"]))
    have = len(c.want(200, "GET", "/api/v1/webhooks")["items"])
    made += [c.want(201, "POST", "/api/v1/webhooks", good) for _ in range(10 - have)]
    c.want(422, "POST", "/api/v1/webhooks", good)
    for w in made:
        same("deleted", c.want(200, "DELETE", f"/api/v1/webhooks/{w['id']}")["id"], w["id"])
    c.want(404, "POST", f"/api/v1/webhooks/{made[0]['id']}/ping")


# ---- 6 ------------------------------------------------------------------------------------------------------------------------------

@check
def an_upsert_merges_as_written(c):
    dataset = c.dataset(vectors={"a": 1, "b": 1}, questions={"more": {"type": "text"}})
    q = dataset["q"]
    user = c.server.user("annotator")
    c.put(dataset, {"external_id": "1", "fields": {"text": 12}, "metadata": {"k": 1}, "vectors": {"a": [1]},
                    "suggestions": [{"question_id": q["label"], "value": "good"}], "responses": [submitted(user=user.id)]})
    sent = {"id": None, "inserted_at": None, "updated_at": None, "status": "pending", "fields": None, "metadata": {}, "vectors": {"b": [2]}, "responses": [submitted("bad", c.me["id"])],
            "suggestions": [{"value": "t", "question_name": "more", "type": None, "score": None, "agent": None, "id": NOBODY, "question_id": q["more"]}], "external_id": "1"}
    answer = c.put(dataset, sent)
    got = answer["items"][0]
    same("fields", got["fields"], {"text": "12"})
    same("metadata", got["metadata"] or {}, {})
    same("vectors", got["vectors"], {"a": [1], "b": [2]})
    same("suggestions", sorted((s["question_id"], s["value"]) for s in got["suggestions"]), sorted([(q["label"], "good"), (q["more"], "t")]))
    same("responses", sorted(r["values"]["label"]["value"] for r in got["responses"]), ["bad", "good"])
    same("whole answer", c.records(dataset, "?" + ALL)["items"], [got])
    bad = c.put(dataset, {"external_id": "2", "fields": {"text": "x"}}, {"external_id": "3", "fields": {"text": []}}, status=422)
    assert "1" in json.dumps(bad), "the position of what is wrong is not named"
    for responses in ([submitted(user=NOBODY)], [submitted(user=c.me["id"])] * 2, [{"user_id": c.me["id"], "status": "draft"}], [{"user_id": c.me["id"], "status": "submitted", "values": {}}]):
        c.put(dataset, {"external_id": "4", "fields": {"text": "x"}, "responses": responses}, status=422)
    c.put(dataset, {"external_id": "4", "fields": {"text": "x"}, "responses": [{"user_id": c.me["id"], "status": "discarded"}]})
    for suggestions in ([{"question_id": NOBODY, "value": "x"}], [{"question_id": q["label"], "value": "good"}] * 2):
        c.put(dataset, {"external_id": "5", "fields": {"text": "x"}, "suggestions": suggestions}, status=422)
    same("whose", sorted(u["username"] for u in c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}/progress")["users"]), sorted([user.username, c.me["username"]]))


# ---- 7 ------------------------------------------------------------------------------------------------------------------------------

@check
def texts_are_asked_for_in_the_simple_syntax(c):
    dataset = c.dataset(fields={"chat": {"type": "chat"}, "custom": {"type": "custom", "template": "x"}, "image": {"type": "image"}})
    texts = ("the quick brown fox", "quick red dogs", "brown bread and butter", "nothing")
    c.put(dataset, *[{"external_id": str(i), "fields": {"text": t}} for i, t in enumerate(texts)],
          {"external_id": "4", "fields": {"text": "x", "chat": [{"role": "user", "content": "a walrus sings"}], "custom": {"deep": {"key": "narwhal"}}, "image": "http://a.bc/pelican.png"}})
    ask = lambda q, field=None: sorted(found(c, dataset, {"query": {"text": {"q": q, "field": field}}}))
    for q, wanted in (("quick brown", ["0"]), ("quick + brown", ["0"]), ("quick | bread", ["0", "1", "2"]), ("brown -fox", ["2"]), ('"brown fox"', ["0"]), ('"fox brown"', []),
                      ("bre*", ["2"]), ("(quick | butter) -red", ["0", "2"]), ("QUICK", ["0", "1"]), ("qu", []), ("dog", []), ("(((", []), ('"quick', ["0", "1"]), ("walrus", ["4"]),
                      ("narwhal", ["4"]), ("pelican", []), ("user", ["4"])):
        same(q, ask(q), wanted)
    same("in one field", (ask("walrus", "chat"), ask("walrus", "text")), (["4"], []))
    got = c.search(dataset, {"query": {"text": {"q": "brown"}}})
    assert all(i["query_score"] > 0 for i in got["items"]) and [i["query_score"] for i in got["items"]] == sorted((i["query_score"] for i in got["items"]), reverse=True)
    same("total is of all", c.search(dataset, {"query": {"text": {"q": "quick | bread"}}}, "?limit=1")["total"], 3)


@check
def filters_of_every_scope(c):
    dataset = c.dataset(questions={"rate": {"type": "rating", "options": [{"value": i} for i in range(1, 6)]}, "multi": {"type": "multi_label_selection", "options": OPTIONS},
                                   "free": {"type": "text"}}, metadata={"t": {"type": "terms"}, "i": {"type": "integer"}})
    a, b = (c.server.user("annotator", [c.workspace["id"]]) for _ in range(2))
    q = dataset["q"]
    answer = lambda user, rate, multi, status="submitted": {"user_id": user.id, "status": status, "values": {"label": {"value": "good"}, "rate": {"value": rate}, "multi": {"value": multi},
                                                                                                             "free": {"value": "words"}}}
    made = c.put(dataset, {"external_id": "0", "fields": {"text": "x"}, "metadata": {"t": ["u", "v"], "i": 3}, "responses": [answer(a, 1, ["good", "odd"]), answer(b, 5, ["bad"])]},
                 {"external_id": "1", "fields": {"text": "x"}, "metadata": {"t": True, "i": 7}, "responses": [answer(a, 4, ["odd"], "draft")]},
                 {"external_id": "2", "fields": {"text": "x"}, "suggestions": [{"question_id": q["rate"], "value": 2, "score": 0.25, "agent": "m", "type": "model"}]},
                 {"external_id": "3", "fields": {"text": "x"}, "metadata": {"i": 5}, "suggestions": [{"question_id": q["multi"], "value": ["good"], "score": [0.5], "agent": "n", "type": "human"}]})["items"]
    answered = lambda name: {"entity": "response", "question": name}
    suggested = lambda name, what="value": {"entity": "suggestion", "question": name, "property": what}
    status = {"entity": "response", "property": "status"}
    for name, filters, wanted in (
            ("id", [terms(prop("id"), made[1]["id"], made[3]["id"])], ["1", "3"]), ("external id", [terms(prop("external_id"), "2")], ["2"]), ("status", [terms(prop("status"), "completed")], ["0"]),
            ("both statuses", [terms(prop("status"), "completed", "pending")], ["0", "1", "2", "3"]), ("rating", [terms(answered("rate"), "5")], ["0"]), ("rating as a number", [terms(answered("rate"), 4)], ["1"]),
            ("rating range", [between(answered("rate"), 4, 4)], ["1"]), ("one of the labels", [terms(answered("multi"), "odd")], ["0", "1"]), ("texts are not indexed", [terms(answered("free"), "words")], []),
            ("response status", [terms(status, "submitted")], ["0"]), ("draft", [terms(status, "draft")], ["1"]), ("nobody", [terms(status, "pending")], ["2", "3"]),
            ("or", [terms(status, "pending", "draft")], ["1", "2", "3"]), ("suggested value", [terms(suggested("rate"), "2")], ["2"]), ("without property", [terms({"entity": "suggestion", "question": "rate"}, 2)], ["2"]),
            ("score", [between(suggested("rate", "score"), 0.2, 0.3)], ["2"]), ("agent", [terms(suggested("multi", "agent"), "n")], ["3"]), ("type", [terms(suggested("rate", "type"), "model")], ["2"]),
            ("suggested label", [terms(suggested("multi"), "good", "none")], ["3"]), ("a list's element", [terms(meta("t"), "v")], ["0"]), ("a truth value", [terms(meta("t"), "true")], ["1"]),
            ("a JSON truth value", [terms(meta("t"), True)], ["1"]), ("integer", [between(meta("i"), 4)], ["1", "3"]), ("and", [between(meta("i"), 4), terms(status, "pending")], ["3"]),
            ("a number as a text", [between(meta("i"), "4", "6")], ["3"])):
        same(name, sorted(found(c, dataset, both(*filters))), wanted)
    order = lambda scope, way="asc": [{"scope": scope, "order": way}]
    same("by what they rated", found(c, dataset, {"sort": order(answered("rate"))}), ["0", "1", "2", "3"])  # 3, 4, none
    same("the other way", found(c, dataset, {"sort": order(answered("rate"), "desc")}), ["1", "0", "2", "3"])
    same("by metadata, none at the end", found(c, dataset, {"sort": order(meta("i"), "desc")}), ["1", "3", "0", "2"])
    same("by score", found(c, dataset, {"sort": order(suggested("rate", "score"))})[0], "2")
    same("two keys", sorted(found(c, dataset, {"sort": order(prop("status"), "desc") + order(meta("i"))})), ["0", "1", "2", "3"])
    for scope in (answered("none"), suggested("none"), meta("none"), {"entity": "record", "property": "none"}, {"entity": "response", "question": None, "property": None}):
        c.search(dataset, both(terms(scope, "x")), status=422)
    c.search(dataset, both(terms(prop("id"), *["x"] * 251)), status=422)
    c.search(dataset, {"sort": order(prop("id")) * 11}, status=422)
    c.search(dataset, both(*[terms(prop("external_id"), "2")] * 50))


@check
def my_queue_is_in_an_order_of_my_own(c):
    dataset = c.dataset()
    c.rows(dataset, 40)
    path = f"/api/v1/me/datasets/{dataset['id']}/records/search?limit=1000"
    users = [c.server.user("annotator", [c.workspace["id"]]) for _ in range(2)]
    orders = [[external([i["record"] for i in c.want(200, "POST", path, {}, u.key)["items"]]) for _ in range(2)] for u in users]
    same("stable", [o[0] == o[1] for o in orders], [True, True])
    assert orders[0][0] != orders[1][0] and sorted(orders[0][0], key=int) == [str(i) for i in range(40)]
    mine = both(terms({"entity": "response", "property": "status"}, "pending"), terms(prop("status"), "pending"))
    same("to do", c.want(200, "POST", path, mine, users[0].key)["total"], 40)


@check
def the_nearest_by_record_and_by_value(c):
    dataset = c.dataset(vectors={"v": 2, "w": 2}, metadata={"i": {"type": "integer"}})
    made = c.put(dataset, *[{"external_id": str(i), "fields": {"text": f"w{i % 2}"}, "metadata": {"i": i}, "vectors": {"v": [1, i]}} for i in range(6)])["items"]
    near = lambda status=200, query="", text=None, filters=None, sort=None, **v: c.search(dataset, {"query": {"text": text, "vector": {"name": "v", **v}}, "filters": filters, "sort": sort}, query, status)
    ids = lambda got: external([i["record"] for i in got["items"]])
    got = near(record_id=made[0]["id"], value=None, order="most_similar")
    same("without itself", ids(got), ["1", "2", "3", "4", "5"])
    got = near(value=[1, 0])
    same("with it", ids(got)[0], "0")
    assert abs(got["items"][1]["query_score"] - (1 + 2 ** -0.5) / 2) < 1e-9
    same("least", ids(near(value=[1, 0], order="least_similar")), ["5", "4", "3", "2", "1", "0"])
    same("under a text", ids(near(value=[1, 0], text={"q": "w1", "field": None})), ["1", "3", "5"])
    same("under a filter", ids(near(value=[1, 0], filters=both(between(meta("i"), 2, 4))["filters"])), ["2", "3", "4"])
    same("sort is not read", ids(near(value=[1, 0], sort=[{"scope": meta("i"), "order": "desc"}]))[0], "0")
    same("a page", ids(near(value=[1, 0], query="?offset=2&limit=2")), ["2", "3"])
    near(422, record_id=NOBODY)
    near(422)
    near(422, value=[1, 0], record_id=made[0]["id"])
    same("code", c.search(dataset, {"query": {"vector": {"name": "w", "record_id": made[0]["id"]}}}, status=422)["code"], "missing_vector")


# ---- 8 ------------------------------------------------------------------------------------------------------------------------------

@check
def fields_take_what_they_may(c):
    dataset = c.dataset(fields={"chat": {"type": "chat"}, "custom": {"type": "custom", "template": "x"}, "image": {"type": "image"}})
    good = lambda **more: c.put(dataset, {"fields": {"text": "x", **more}})["items"][0]["fields"]
    bad = lambda **more: c.put(dataset, {"fields": {"text": "x", **more}}, status=422)
    turn = lambda role="user", content="x", **more: {"role": role, "content": content, **more}
    same("chat", [(t["role"], t["content"]) for t in good(chat=[turn(), turn("assistant", more=1)])["chat"]], [("user", "x"), ("assistant", "x")])
    for chat in ([turn("")], [turn("r" * 21)], [turn(content="")], [turn(content="x" * 20001)], [{"role": "user"}], "x", {}, [1], [turn()] * 501):
        bad(chat=chat)
    good(chat=[turn()] * 500)
    same("custom", good(custom={"a": [1, None, {"b": True}]})["custom"], {"a": [1, None, {"b": True}]})
    for custom in ([], "x", 1):
        bad(custom=custom)
    good(image="https://a.bc/d.png?e=f")
    good(image="data:image/webp;base64,AAAA")
    same("null", good(image=None).get("image"), None)
    strict = c.dataset(allow_extra_metadata=False, metadata={"k": {"type": "terms", "values": ["a", True, 1]}})
    for value, status in (("a", 200), (["a", 1], 200), (None, 200), (True, 200), ("b", 422), (["a", "b"], 422), (False, 422), (2, 422)):
        c.put(strict, {"fields": {"text": "x"}, "metadata": {"k": value}}, status=status)
    c.put(strict, {"fields": {"text": "x"}, "metadata": {"other": 1}}, status=422)
    vectors = c.dataset(vectors={"v": 2})
    for v in ({"v": [1]}, {"v": [1, 2, 3]}, {"w": [1, 2]}, {"v": "x"}, {"v": [1, None]}):
        c.put(vectors, {"fields": {"text": "x"}, "vectors": v}, status=422)


@check
def answers_take_what_they_may(c):
    span = {"type": "span", "field": "text", "options": OPTIONS}
    dataset = c.dataset(questions={"rate": {"type": "rating", "options": [{"value": 1}, {"value": 3}]}, "multi": {"type": "multi_label_selection", "options": OPTIONS},
                                   "rank": {"type": "ranking", "options": OPTIONS}, "span": span, "free": {"type": "text"}})
    text = "añ😀b"  # four code points, five UTF-16 units
    row = c.put(dataset, {"fields": {"text": text}})["items"][0]
    path = f"/api/v1/records/{row['id']}/responses"
    one = c.want(201, "POST", path, submitted())
    put = lambda status, how="submitted", **values: c.want(status, "PUT", f"/api/v1/responses/{one['id']}", {"status": how, "values": {"label": {"value": "good"}, **{k: {"value": v} for k, v in values.items()}}})
    rank = lambda *pairs: [{"value": v, **({} if r is None else {"rank": r})} for v, r in pairs]
    part = lambda start, end, label="good": {"label": label, "start": start, "end": end}
    for values in ({"rate": 3}, {"multi": ["good"]}, {"multi": ["odd", "good"]}, {"rank": rank(("good", 1), ("bad", 1), ("odd", 3))}, {"span": []}, {"span": [part(0, 4)]},
                   {"span": [part(0, 1), part(3, 4, "bad")]}, {"free": "x"}, {"free": ""}):
        put(200, **values)
    for values in ({"rate": 2}, {"rate": "3"}, {"rate": 3.0}, {"rate": None}, {"multi": []}, {"multi": ["good", "good"]}, {"multi": "good"}, {"multi": ["none"]}, {"label": ["good"]},
                   {"rank": rank(("good", 1), ("bad", 2))}, {"rank": rank(("good", 1), ("bad", 2), ("odd", 4))}, {"rank": rank(("good", 1), ("bad", 2), ("odd", None))},
                   {"rank": rank(("good", 1), ("good", 2), ("odd", 3))}, {"rank": rank(("good", 1), ("bad", 2), ("none", 3))}, {"span": [part(0, 5)]}, {"span": [part(2, 2)]}, {"span": [part(-1, 2)]},
                   {"span": [part(0, 2), part(1, 3)]}, {"span": [part(0, 1, "none")]}, {"span": [{"start": 0, "end": 1}]}, {"free": 1}):
        put(422, **values)
    put(200, "draft", rank=rank(("good", None)))
    put(200, "draft", rank=rank(("good", 1), ("bad", None)))
    c.want(200, "PUT", f"/api/v1/responses/{one['id']}", {"status": "draft", "values": None})
    c.want(200, "PUT", f"/api/v1/responses/{one['id']}", {"status": "discarded", "values": None})
    same("no null", c.want(200, "GET", f"/api/v1/records/{row['id']}")["responses"][0]["values"], {})
    suggest = lambda status, name, value, **more: c.want(status, "PUT", f"/api/v1/records/{row['id']}/suggestions", {"question_id": dataset["q"][name], "value": value, **more})
    suggest(201, "multi", ["good", "bad"], score=[0.5, 1])
    for more in ({"score": 0.5}, {"score": [0.5]}, {"score": [0.5, 2]}, {"score": [0.5, "x"]}, {"score": "x"}):
        suggest(422, "multi", ["good", "bad"], **more)
    suggest(422, "label", "good", score=[0.5])
    suggest(201, "rank", rank(("good", None), ("bad", None)))
    suggest(201, "span", [part(0, 1)])


# ---- 9 ------------------------------------------------------------------------------------------------------------------------------

class Ear(http.server.BaseHTTPRequestHandler):
    heard = []

    def do_POST(self):
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@check
def events_carry_whole_objects(c):
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    names = [f"{k}.{v}" for k in ("dataset", "record", "response") for v in ("created", "updated", "deleted")] + ["dataset.published", "record.completed"]
    hook = c.want(201, "POST", "/api/v1/webhooks", {"url": f"http://127.0.0.1:{listener.server_port}/", "events": names})
    c.want(204, "POST", f"/api/v1/webhooks/{hook['id']}/ping")
    dataset = c.dataset(vectors={"v": 1}, metadata={"m": {"type": "terms"}})
    row = c.rows(dataset, 1, metadata={"m": "x"})[0]
    answer = c.want(201, "POST", f"/api/v1/records/{row['id']}/responses", submitted())
    c.want(200, "PUT", f"/api/v1/responses/{answer['id']}", submitted("bad"))
    c.want(200, "DELETE", f"/api/v1/responses/{answer['id']}")
    c.want(200, "PATCH", f"/api/v1/records/{row['id']}", {"metadata": {"m": "y"}})
    c.want(200, "PATCH", f"/api/v1/datasets/{dataset['id']}", {"guidelines": "g"})
    c.want(200, "DELETE", f"/api/v1/records/{row['id']}")
    c.want(200, "DELETE", f"/api/v1/datasets/{dataset['id']}")
    end = time.time() + 20
    while "dataset.deleted" not in [e["type"] for e in Ear.heard] and time.time() < end:
        time.sleep(0.05)
    c.want(200, "DELETE", f"/api/v1/webhooks/{hook['id']}")
    listener.shutdown()
    of = {}
    for e in Ear.heard:
        of.setdefault(e["type"], e["data"])
    same("all kinds", sorted(of), sorted(names + ["ping"]))
    same("ping", (of["ping"]["agent"], isinstance(of["ping"]["version"], str)), ("argilla-server", True))
    space, people = {"id", "name", "inserted_at", "updated_at"}, {"id", "first_name", "last_name", "username", "role", "inserted_at", "updated_at"}
    whole = {"id", "name", "guidelines", "allow_extra_metadata", "status", "distribution", "workspace", "questions", "fields", "metadata_properties", "vectors_settings", "last_activity_at",
             "inserted_at", "updated_at"}
    record = {"id", "status", "fields", "metadata", "external_id", "dataset", "inserted_at", "updated_at"}
    for kind, data in of.items():
        if kind == "ping":
            continue
        keys = whole if kind.startswith("dataset") else record if kind.startswith("record") else {"id", "values", "status", "record", "user", "inserted_at", "updated_at"}
        assert keys <= set(data), f"{kind} lacks {keys - set(data)}"
    one = of["response.deleted"]
    assert record <= set(one["record"]) and whole <= set(one["record"]["dataset"]) and people <= set(one["user"]) and not one["user"].get("api_key")
    assert space <= set(of["dataset.published"]["workspace"])
    same("settings", [len(of["dataset.published"][k]) for k in ("fields", "questions", "metadata_properties", "vectors_settings")], [1, 1, 1, 1])
    order = [e["type"] for e in Ear.heard]
    at = order.index("record.completed")
    assert "record.updated" in order[:at], "record.completed comes after record.updated"
    same("the record as it was", of["record.deleted"]["metadata"], {"m": "y"})


# ---- 13 -----------------------------------------------------------------------------------------------------------------------------

@check
def the_old_client_has_its_routes(c):
    old = {"id", "first_name", "last_name", "full_name", "username", "role", "workspaces", "api_key", "inserted_at", "updated_at"}
    me = c.want(200, "GET", "/api/me")
    assert old <= set(me) and c.workspace["name"] in me["workspaces"], me
    assert isinstance(c.want(200, "GET", "/api/_info", key=None)["version"], str)
    assert {"version", "elasticsearch", "mem_info"} <= set(c.want(200, "GET", "/api/_status"))
    name = unique("user")
    user = c.want(200, "POST", "/api/users", {"first_name": "A", "last_name": "B", "username": name, "role": "annotator", "password": "12345678", "workspaces": [c.workspace["name"]]})
    same("user", (user["full_name"], user["workspaces"], old <= set(user)), ("A B", [c.workspace["name"]], True))
    again = c.want(409, "POST", "/api/users", {"first_name": "A", "username": name, "password": "12345678"})
    same("error", again["detail"]["code"], "argilla.api.errors::EntityAlreadyExistsError")
    assert name in [u["username"] for u in c.want(200, "GET", "/api/users")]
    space = c.want(200, "POST", "/api/workspaces", {"name": unique("ws").lower()})
    assert space["name"] in [w["name"] for w in c.want(200, "GET", "/api/workspaces")]
    c.want(200, "POST", f"/api/workspaces/{space['id']}/users/{user['id']}")
    same("members", [u["username"] for u in c.want(200, "GET", f"/api/workspaces/{space['id']}/users")], [name])
    c.want(200, "DELETE", f"/api/workspaces/{space['id']}/users/{user['id']}")
    form = urllib.parse.urlencode({"username": name, "password": "12345678"}).encode()
    token = c.want(200, "POST", "/api/security/token", form, None, {"Content-Type": "application/x-www-form-urlencoded"})
    same("token", token["token_type"], "bearer")
    c.want(200, "DELETE", f"/api/users/{user['id']}")
    same("missing", c.want(404, "DELETE", f"/api/users/{user['id']}")["detail"]["code"], "argilla.api.errors::EntityNotFoundError")


@check
def the_old_client_has_its_statuses(c):
    dataset = c.dataset(metadata={"n": {"type": "integer"}})
    path = f"/api/v1/datasets/{dataset['id']}"
    for i in range(4):
        same("added", c.want(204, "POST", path + "/records", {"items": [{"external_id": str(i), "fields": {"text": f"row {i}"}, "metadata": {"n": i},
                                                                        "suggestions": [{"question_id": dataset["q"]["label"], "value": "good"}]}]}), None)
    rows = c.want(200, "GET", path + "/records?limit=250")["items"]
    c.want(204, "PATCH", path + "/records", {"items": [{"id": rows[0]["id"], "metadata": {"n": 9}}]})
    c.want(201, "POST", f"/api/v1/records/{rows[1]['id']}/responses", submitted())
    listed = lambda query: external(c.want(200, "GET", path + "/records?" + query)["items"])
    same("by status", (listed("response_status=submitted"), listed("response_status=missing"), listed("response_status=pending&response_status=submitted")),
         (["1"], ["0", "2", "3"], ["0", "1", "2", "3"]))
    same("by metadata", listed("metadata=" + urllib.parse.quote('n:{"ge":2,"le":5}')), ["2", "3"])
    same("sorted", (listed("sort_by=inserted_at:desc"), listed("sort_by=metadata.n:desc")[0]), (["3", "2", "1", "0"], "0"))
    got = c.want(200, "GET", f"/api/v1/me/datasets/{dataset['id']}/metrics")
    same("metrics", (got["records"]["count"], got["responses"]["count"]), (4, 1))
    c.want(204, "DELETE", path + f"/records?ids={rows[3]['id']}")
    same("left", c.records(dataset)["total"], 3)
    for kind in ("metadata-properties", "vectors-settings"):
        assert "items" in c.want(200, "GET", f"{path}/{kind}")


run(Case)
