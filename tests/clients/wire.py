"""The REST contract on the wire, with Python's standard library only: status codes and shapes (usage: common.py)."""
import urllib.parse
from common import check, run, same, unique
from contract import DATASET, FIELD, NOBODY, OPTIONS, PROPERTY, QUESTION, RECORD, RESPONSE, SUGGESTION, USER, VECTOR, WORKSPACE, Case, detail, shaped, submitted


# ---- status codes and shapes ----------------------------------------------------------------------------------------------------

@check
def information_needs_no_credentials(c):
    for path in ("/api/v1/version", "/api/v1/status"):
        assert isinstance(c.want(200, "GET", path, key=None)["version"], str)
    assert isinstance(c.want(200, "GET", "/api/v1/settings", key=None)["argilla"]["share_your_progress_enabled"], bool)
    same("providers", c.want(200, "GET", "/api/v1/oauth2/providers", key=None)["items"], [])


@check
def errors_have_their_shapes(c):
    same("no credentials", detail(c.want(401, "GET", "/api/v1/me", key=None)), "UnauthorizedError")
    same("bad credentials", detail(c.want(401, "GET", "/api/v1/me", key="none")), "UnauthorizedError")
    same("unknown route", c.want(404, "GET", "/api/v1/no/such/route"), {"detail": "Not Found"})
    same("wrong method", c.want(405, "PUT", "/api/v1/me"), {"detail": "Method Not Allowed"})
    annotator = c.server.user("annotator")
    same("refused", detail(c.want(403, "GET", "/api/v1/users", key=annotator.key)), "ForbiddenOperationError")
    bad = c.want(422, "GET", "/api/v1/users/not-an-id")
    same("schema", detail(bad), "ValidationError")
    same("where", bad["detail"]["params"]["errors"][0]["loc"][0], "path")
    same("where", c.want(422, "POST", "/api/v1/workspaces", {})["detail"]["params"]["errors"][0]["loc"], ["body", "name"])
    same("where", c.want(422, "GET", f"/api/v1/datasets/{c.dataset()['id']}/records?limit=0")["detail"]["params"]["errors"][0]["loc"][0], "query")
    assert isinstance(c.want(404, "GET", f"/api/v1/users/{NOBODY}")["detail"], str)
    for body in (b"", b"{", b'{"name": "a",}', b"{'name': 'a'}", b"[]", b"null", b'{"name": "a"} x'):
        c.want(422, "POST", "/api/v1/workspaces", body)
    for body in (b'{"name": "\xff"}', b"\xff\xfe"):
        assert c.ask("POST", "/api/v1/workspaces", body)[0] in (400, 422), "a body that is not UTF-8 was taken"
    for body in (b'{"name":' * 5000, b"[" * 100000):
        assert c.ask("POST", "/api/v1/workspaces", body)[0] in (400, 413, 422)
    same("still there", c.want(200, "GET", "/api/v1/me")["id"], c.me["id"])


@check
def tokens_open_the_same_routes(c):
    name = unique("user")
    c.want(201, "POST", "/api/v1/users", {"username": name, "first_name": "A", "password": "12345678"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    login = lambda password: c.ask("POST", "/api/v1/token", urllib.parse.urlencode({"username": name, "password": password}).encode(), None, form)
    status, token, _ = login("12345678")
    same("login", (status, token["token_type"]), (201, "bearer"))
    same("who", c.want(200, "GET", "/api/v1/me", key=None, headers={"Authorization": "Bearer " + token["access_token"]})["username"], name)
    same("wrong password", login("87654321")[0], 401)
    same("forged", c.ask("GET", "/api/v1/me", key=None, headers={"Authorization": "Bearer " + token["access_token"][:-3] + "abc"})[0], 401)


@check
def users_on_the_wire(c):
    body = {"id": None, "inserted_at": None, "updated_at": None, "username": unique("user"), "role": "admin", "first_name": " Ada ", "last_name": None,
            "password": "12345678", "unknown": 1}
    user = shaped("user", c.want(201, "POST", "/api/v1/users", body), USER)
    same("members", (user["first_name"], user["last_name"], user["role"]), ("Ada", None, "admin"))
    assert "password" not in user and len(user["api_key"]) >= 20
    c.want(409, "POST", "/api/v1/users", body)
    for change in ({"password": None}, {"password": "short"}, {"password": "x" * 101}, {"first_name": ""}, {"first_name": None}, {"username": ""},
                   {"role": "king"}, {"last_name": ""}):
        c.want(422, "POST", "/api/v1/users", {**body, "username": unique("x"), **change})
    same("default role", c.want(201, "POST", "/api/v1/users", {"username": unique("x"), "first_name": "A", "password": "12345678"})["role"], "annotator")
    path = f"/api/v1/users/{user['id']}"
    same("the same user", c.want(200, "GET", path)["username"], user["username"])
    same("changed", c.want(200, "PATCH", path, {"first_name": "B", "last_name": "C", "role": "annotator", "password": None})["last_name"], "C")
    same("cleared", c.want(200, "PATCH", path, {"last_name": None})["last_name"], None)
    c.want(422, "PATCH", path, {"username": c.me["username"]})
    c.want(422, "PATCH", path, {"first_name": None})
    same("workspaces", c.want(200, "GET", path + "/workspaces"), {"items": []})
    assert c.workspace["id"] in [w["id"] for w in c.want(200, "GET", f"/api/v1/users/{c.me['id']}/workspaces")["items"]]
    shaped("deleted user", c.want(200, "DELETE", path), USER - {"api_key"})
    c.want(404, "DELETE", path)
    same("key of a deleted user", c.ask("GET", "/api/v1/me", key=user["api_key"])[0], 401)


@check
def workspaces_on_the_wire(c):
    workspace = shaped("workspace", c.want(201, "POST", "/api/v1/workspaces", {"id": None, "name": unique("ws"), "inserted_at": None}), WORKSPACE)
    path = f"/api/v1/workspaces/{workspace['id']}"
    same("the same", c.want(200, "GET", path), workspace)
    c.want(409, "POST", "/api/v1/workspaces", {"name": workspace["name"]})
    for name in ("", "a b", "ä", "a/b", "a\0b"):
        c.want(422, "POST", "/api/v1/workspaces", {"name": name})
    user = c.server.user("annotator")
    shaped("member", c.want(201, "POST", path + "/users", {"user_id": user.id}), USER - {"api_key"})
    c.want(409, "POST", path + "/users", {"user_id": user.id})
    c.want(422, "POST", path + "/users", {"user_id": NOBODY})
    same("members", [u["id"] for u in c.want(200, "GET", path + "/users")["items"]], [user.id])
    same("mine", [w["id"] for w in c.want(200, "GET", "/api/v1/me/workspaces", key=user.key)["items"]], [workspace["id"]])
    c.want(200, "DELETE", f"{path}/users/{user.id}")
    c.want(404, "DELETE", f"{path}/users/{user.id}")
    same("deleted", c.want(200, "DELETE", path)["id"], workspace["id"])
    c.want(404, "GET", path)


@check
def datasets_on_the_wire(c):
    draft = shaped("dataset", c.draft(), DATASET)
    same("defaults", [draft[k] for k in ("guidelines", "allow_extra_metadata", "status", "distribution", "metadata")],
         [None, True, "draft", {"strategy": "overlap", "min_submitted": 1}, None])
    path = f"/api/v1/datasets/{draft['id']}"
    same("the same", c.want(200, "GET", path), draft)
    for body, status in (({"name": draft["name"]}, 409), ({"workspace_id": NOBODY}, 422), ({"name": "x" * 201}, 422), ({"name": ""}, 422), ({"name": "a\0b"}, 422), ({"guidelines": ""}, 422),
                         ({"guidelines": "x" * 10001}, 422), ({"distribution": {"strategy": "overlap", "min_submitted": 0}}, 422),
                         ({"distribution": {"strategy": "other", "min_submitted": 1}}, 422), ({"workspace_id": "x"}, 422)):
        c.want(status, "POST", "/api/v1/datasets", {"name": unique("x"), "workspace_id": c.workspace["id"], **body})
    changed = c.want(200, "PATCH", path, {**draft, "guidelines": "Read", "metadata": {"a": [1]}, "distribution": {"strategy": "overlap", "min_submitted": 3}, "status": "ready"})
    same("changed", [changed[k] for k in ("guidelines", "metadata", "distribution", "status")],
         ["Read", {"a": [1]}, {"strategy": "overlap", "min_submitted": 3}, "draft"])
    same("cleared", c.want(200, "PATCH", path, {"guidelines": None})["guidelines"], None)
    for key in ("name", "allow_extra_metadata", "distribution"):
        c.want(422, "PATCH", path, {key: None})
    c.want(422, "PUT", path + "/publish")
    c.add(draft, "fields", name="text", required=True, settings={"type": "text"})
    c.want(422, "PUT", path + "/publish")
    c.add(draft, "questions", name="label", settings={"type": "label_selection", "options": OPTIONS})
    c.want(422, "PUT", path + "/publish")
    c.add(draft, "questions", name="must", required=True, settings={"type": "text"})
    same("published", c.want(200, "PUT", path + "/publish")["status"], "ready")
    c.want(422, "PUT", path + "/publish")
    same("progress", c.want(200, "GET", path + "/progress"), {"total": 0, "completed": 0, "pending": 0, "users": []})
    same("users' progress", c.want(200, "GET", path + "/users/progress"), {"users": []})
    same("metrics", c.metrics(draft), {"total": 0, "submitted": 0, "discarded": 0, "draft": 0, "pending": 0})
    listed = lambda query: [d["id"] for d in c.want(200, "GET", "/api/v1/me/datasets" + query)["items"]]
    assert draft["id"] in listed("") and draft["id"] in listed(f"?workspace_id={c.workspace['id']}")
    same("by name", listed(f"?name={draft['name']}"), [draft["id"]])
    assert draft["id"] in listed("?status=ready") and draft["id"] not in listed("?status=draft")
    same("deleted", c.want(200, "DELETE", path)["id"], draft["id"])
    c.want(404, "GET", path)


@check
def fields_on_the_wire(c):
    draft = c.draft()
    path = f"/api/v1/datasets/{draft['id']}/fields"
    kinds = {"text": {"use_markdown": False}, "image": {}, "chat": {"use_markdown": True}, "custom": {"template": "<p>", "advanced_mode": False}}
    made = []
    for kind, defaults in kinds.items():
        given = {"type": kind, **({"template": "<p>"} if kind == "custom" else {})}
        field = shaped("field", c.add(draft, "fields", name=kind, settings=given, id=None, description=None, dataset_id=draft["id"]), FIELD)
        same("settings", field["settings"], {"type": kind, **defaults})
        same("required", field["required"], False)
        made.append(field)
    same("list", c.want(200, "GET", path), {"items": made})
    c.want(409, "POST", path, {"name": "text", "title": "x", "settings": {"type": "text"}})
    for bad in ({"name": ""}, {"name": "x" * 201}, {"title": ""}, {"title": "x" * 501}, {"settings": {"type": "none"}}, {"settings": {}}, {"settings": {"type": "custom"}}):
        c.want(422, "POST", path, {"name": unique("f"), "title": "x", "settings": {"type": "text"}, **bad})
    item = f"/api/v1/fields/{made[0]['id']}"
    got = c.want(200, "PATCH", item, {**made[0], "title": "New", "name": "other", "required": True, "settings": {"type": "text", "use_markdown": True}})
    same("changed", (got["title"], got["name"], got["required"], got["settings"]), ("New", "text", False, {"type": "text", "use_markdown": True}))
    for bad in ({"title": None}, {"settings": None}, {"settings": {"type": "chat", "use_markdown": True}}, {"settings": {"type": 0, "use_markdown": True}},
                {"settings": {"type": None}}, {"settings": []}, {"settings": {"type": "text", "use_markdown": "yes"}}):
        c.want(422, "PATCH", item, bad)
    same("deleted", c.want(200, "DELETE", f"/api/v1/fields/{made[1]['id']}")["name"], "image")
    c.add(draft, "questions", name="q", required=True, settings={"type": "text"})
    c.want(200, "PUT", f"/api/v1/datasets/{draft['id']}/publish")
    c.want(422, "POST", path, {"name": "late", "title": "x", "settings": {"type": "text"}})
    c.want(422, "DELETE", item)


@check
def questions_on_the_wire(c):
    draft = c.draft()
    path = f"/api/v1/datasets/{draft['id']}/questions"
    c.add(draft, "fields", name="text", required=True, settings={"type": "text"})
    c.add(draft, "fields", name="other", settings={"type": "text"})
    options = [{**o, "description": None} for o in OPTIONS]
    kinds = {"text": ({}, {"use_markdown": False}), "rating": ({"options": [{"value": 3}, {"value": 1}]},) * 2,
             "label_selection": ({"options": OPTIONS}, {"options": options, "visible_options": None}),
             "multi_label_selection": ({"options": OPTIONS, "visible_options": 3}, {"options": options, "visible_options": 3, "options_order": "natural"}),
             "ranking": ({"options": OPTIONS}, {"options": options}),
             "span": ({"options": OPTIONS, "field": "text"}, {"options": options, "field": "text", "visible_options": None, "allow_overlapping": False})}
    made = {}
    for kind, (given, answer) in kinds.items():
        made[kind] = shaped("question", c.add(draft, "questions", name=kind, required=kind == "text", settings={"type": kind, **given}), QUESTION)
        settings = {k: v for k, v in made[kind]["settings"].items() if k != "allow_character_annotation"}
        same("settings", settings, {"type": kind, **answer})
    same("list", c.want(200, "GET", path), {"items": list(made.values())})
    c.want(409, "POST", path, {"name": "text", "title": "x", "settings": {"type": "text"}})
    many = lambda n: [{"value": f"v{i}", "text": f"t{i}"} for i in range(n)]
    label = lambda **more: {"type": "label_selection", "options": OPTIONS, **more}
    for bad in ({"type": "rating", "options": [{"value": 1}]}, {"type": "rating", "options": [{"value": i} for i in range(12)]}, {"type": "rating", "options": [{"value": 1}, {"value": 11}]},
                {"type": "rating", "options": [{"value": 1}, {"value": 1}]}, {"type": "rating", "options": [{"value": "1"}, {"value": "x"}]},
                label(options=many(1)), label(options=many(501)), label(options=OPTIONS + OPTIONS[:1]), label(visible_options=2), label(visible_options=4),
                label(options=[{"value": "", "text": "x"}, {"value": "b", "text": "x"}]), label(options=[{"value": "a", "text": ""}, {"value": "b", "text": "x"}]),
                label(options=[{"value": "a", "text": "x", "description": ""}, {"value": "b", "text": "x"}]),
                {"type": "multi_label_selection", "options": OPTIONS, "options_order": "random"}, {"type": "ranking", "options": many(1)}, {"type": "ranking", "options": many(51)},
                {"type": "span", "options": OPTIONS, "field": "none"}, {"type": "span", "options": OPTIONS, "field": "text"}, {"type": "span", "options": [], "field": "other"},
                {"type": "none"}, {}):
        c.want(422, "POST", path, {"name": unique("q"), "title": "x", "settings": bad})
    for bad in ({"name": ""}, {"title": ""}, {"description": ""}, {"description": "x" * 1001}):
        c.want(422, "POST", path, {"name": unique("q"), "title": "x", "settings": {"type": "text"}, **bad})
    same("deleted", c.want(200, "DELETE", f"/api/v1/questions/{c.add(draft, 'questions', name='gone', settings={'type': 'text'})['id']}")["name"], "gone")
    c.want(200, "PUT", f"/api/v1/datasets/{draft['id']}/publish")
    c.want(422, "POST", path, {"name": "late", "title": "x", "settings": {"type": "text"}})
    c.want(422, "DELETE", f"/api/v1/questions/{made['text']['id']}")
    change = lambda kind, status, **body: c.want(status, "PATCH", f"/api/v1/questions/{made[kind]['id']}", body)
    new = [{"value": o["value"], "text": "New " + o["text"], "description": "D"} for o in OPTIONS[::-1]]
    same("options", change("label_selection", 200, settings={"type": "label_selection", "options": new, "visible_options": None})["settings"]["options"], new)
    same("title", change("text", 200, title="T", description="D", required=False)["title"], "T")
    same("required stays", c.want(200, "GET", path)["items"][0]["required"], True)
    same("description", change("text", 200, description=None)["description"], None)
    same("markdown", change("text", 200, settings={"type": "text", "use_markdown": True})["settings"]["use_markdown"], True)
    same("order", change("multi_label_selection", 200, settings={"type": "multi_label_selection", "options_order": "suggestion"})["settings"]["options_order"], "suggestion")
    same("rating stays", change("rating", 200, settings={"type": "rating", "options": [{"value": 5}, {"value": 6}]})["settings"], made["rating"]["settings"])
    same("overlap", change("span", 200, settings={"type": "span", "allow_overlapping": True})["settings"]["allow_overlapping"], True)
    for kind, settings in (("label_selection", label(options=new[:2])), ("label_selection", label(options=many(3))), ("label_selection", label(visible_options=2)),
                           ("label_selection", label(visible_options=4)), ("span", {"type": "span", "allow_overlapping": False}), ("text", {"type": "rating"})):
        change(kind, 422, settings=settings)
    change("text", 422, title=None)


@check
def metadata_and_vectors_on_the_wire(c):
    dataset = c.dataset()
    path = f"/api/v1/datasets/{dataset['id']}/metadata-properties"
    mine = f"/api/v1/me/datasets/{dataset['id']}/metadata-properties"
    add = lambda name, **settings: shaped("metadata", c.add(dataset, "metadata-properties", name=name, settings={"visible_for_annotators": True, **settings}), PROPERTY)
    terms = add("terms", type="terms", values=["a", True, 1, None, {"x": 1}])
    same("terms", terms["settings"]["values"], ["a", True, 1, None, {"x": 1}])
    assert terms["settings"]["values"][1] is True, "true became another value"
    same("open terms", add("open", type="terms")["settings"]["values"], None)
    same("integer", add("integer", type="integer", min=1, max=9)["settings"], {"type": "integer", "min": 1, "max": 9})
    same("float", add("float", type="float", min=-0.5)["settings"], {"type": "float", "min": -0.5, "max": None})
    same("list", [p["name"] for p in c.want(200, "GET", mine)["items"]], ["terms", "open", "integer", "float"])
    c.want(409, "POST", path, {"name": "open", "title": "x", "settings": {"type": "terms"}})
    for bad in ({"type": "terms", "values": []}, {"type": "terms", "values": list(range(251))}, {"type": "integer", "min": 2, "max": 2}, {"type": "integer", "min": 1.5},
                {"type": "float", "min": 2, "max": 1}, {"type": "none"}):
        c.want(422, "POST", path, {"name": unique("m"), "title": "x", "settings": bad})
    item = f"/api/v1/metadata-properties/{terms['id']}"
    got = c.want(200, "PATCH", item, {**terms, "title": "New", "visible_for_annotators": False, "settings": {"type": "terms", "values": ["z"]}})
    same("changed", (got["title"], got["visible_for_annotators"], got["settings"]["values"]), ("New", False, terms["settings"]["values"]))
    c.want(422, "PATCH", item, {"title": None})
    c.want(422, "PATCH", item, {"visible_for_annotators": None})
    c.rows(dataset, 3, metadata={"terms": "a", "integer": 4, "float": 0.1234567})
    same("term counts", c.want(200, "GET", item + "/metrics"), {"type": "terms", "total": 1, "values": [{"term": "a", "count": 3}]})
    ids = {p["name"]: p["id"] for p in c.want(200, "GET", mine)["items"]}
    same("range", c.want(200, "GET", f"/api/v1/metadata-properties/{ids['integer']}/metrics"), {"type": "integer", "min": 4, "max": 4})
    c.want(200, "DELETE", item)
    c.want(404, "DELETE", item)
    same("values stay", c.records(dataset)["items"][0]["metadata"]["terms"], "a")
    path = f"/api/v1/datasets/{dataset['id']}/vectors-settings"
    vectors = [shaped("vector", c.add(dataset, "vectors-settings", name=f"v{i}", dimensions=2), VECTOR) for i in range(5)]
    same("list", c.want(200, "GET", path), {"items": vectors})
    c.want(422, "POST", path, {"name": "v6", "title": "x", "dimensions": 2})
    c.put(dataset, {"external_id": "0", "vectors": {"v0": [1, 2], "v1": [3, 4]}})
    same("changed", c.want(200, "PATCH", f"/api/v1/vectors-settings/{vectors[0]['id']}", {**vectors[0], "title": "New", "dimensions": 7})["title"], "New")
    c.want(422, "PATCH", f"/api/v1/vectors-settings/{vectors[0]['id']}", {"title": None})
    c.want(200, "DELETE", f"/api/v1/vectors-settings/{vectors[1]['id']}")
    same("stored vectors go too", c.records(dataset, "?include=vectors")["items"][0]["vectors"], {"v0": [1, 2]})
    c.want(409, "POST", path, {"name": "v0", "title": "x", "dimensions": 2})
    for bad in (0, -1, 1.5, None, "x"):
        c.want(422, "POST", path, {"name": unique("v"), "title": "x", "dimensions": bad})


@check
def records_on_the_wire(c):
    dataset = c.dataset(vectors={"v": 2}, questions={"rate": {"type": "rating", "options": [{"value": 1}, {"value": 2}]}})
    path = f"/api/v1/datasets/{dataset['id']}/records"
    suggestion = {"question_id": dataset["q"]["label"], "value": "odd", "type": "model", "score": 0.5, "agent": "m"}
    item = {"fields": {"text": "a"}, "external_id": "a", "vectors": {"v": [0.1, 1 / 3]}, "suggestions": [suggestion], "responses": [submitted(user=c.me["id"])],
            "metadata": {"n": 1, "f": 1.0, "t": True}}
    made = c.want(201, "POST", path + "/bulk", {"items": [item, {"fields": {"text": "b"}}]})["items"]
    first = shaped("record", made[0], RECORD | {"responses", "suggestions", "vectors"})
    shaped("response", first["responses"][0], RESPONSE)
    shaped("suggestion", first["suggestions"][0], SUGGESTION)
    same("statuses", [r["status"] for r in made], ["completed", "pending"])
    same("vector", first["vectors"], {"v": [0.1, 1 / 3]})
    assert first["metadata"]["t"] is True and isinstance(first["metadata"]["n"], int) and isinstance(first["metadata"]["f"], float)
    one = f"/api/v1/records/{first['id']}"
    same("one record", c.want(200, "GET", one), first)
    for items in ([], [{"fields": {"text": "x"}}] * 501, [{"fields": {"text": "x"}, "external_id": "z"}] * 2, [{"fields": {"text": "x"}, "external_id": "a"}],
                  [{"fields": {}}], [{"fields": {"text": "x", "more": "y"}}], [{"fields": {"text": None}}], [{"fields": {"text": "x"}}, {}]):
        c.want(422, "POST", path + "/bulk", {"items": items})
    same("nothing of the refused", c.records(dataset)["total"], 2)
    c.want(422, "POST", f"/api/v1/datasets/{c.draft()['id']}/records/bulk", {"items": [{"fields": {"text": "x"}}]})
    c.want(422, "PUT", f"/api/v1/datasets/{c.draft()['id']}/records/bulk", {"items": [{"fields": {"text": "x"}}]})
    c.put(dataset, *[{"fields": {"text": "x"}}] * 501, status=422)
    for bad in ({"suggestions": "x"}, {"suggestions": {}}, {"suggestions": [1]}, {"responses": 1}, {"responses": [{}]}, {"vectors": []}, {"metadata": []},
                {"fields": []}, {"fields": "x"}, {"external_id": []}):
        c.put(dataset, {"external_id": "a", **bad}, status=422)
        if not {"responses", "external_id"} & set(bad):  # no keys of this route
            c.want(422, "PATCH", one, bad)
    same("after what was refused", c.want(200, "GET", one), first)
    changed = c.want(200, "PATCH", one, {"metadata": {"n": 2}, "vectors": {"v": [5, 6]}, "suggestions": [{"question_id": dataset["q"]["rate"], "value": 2}]})
    same("changed", changed["metadata"], {"n": 2})
    got = c.want(200, "GET", one)
    same("changed", ([s["value"] for s in got["suggestions"]], got["vectors"], len(got["responses"])), ([2], {"v": [5, 6]}, 1))
    c.want(200, "PATCH", one, {"fields": {"text": "changed"}})
    same("fields", c.want(200, "GET", one)["fields"], {"text": "changed"})
    same("deleted", c.want(200, "DELETE", one)["id"], first["id"])
    c.want(404, "GET", one)
    for query in ("", "?ids=", "?ids=x", "?ids=" + ",".join([NOBODY] * 101)):
        c.want(422, "DELETE", path + query)
    same("bulk delete", c.want(204, "DELETE", f"{path}?ids={made[1]['id']},{NOBODY}"), None)
    same("left", c.records(dataset), {"items": [], "total": 0})
    for query in ("?limit=0", "?limit=1001", "?offset=-1", "?limit=x", "?include=none", "?include=vectors&include=vectors:v"):
        c.want(422, "GET", path + query)


@check
def numbers_and_coercions(c):
    dataset = c.dataset(vectors={"v": 3}, metadata={"f": {"type": "float", "min": 0}, "i": {"type": "integer"}})
    values = [5e-324, 1.7976931348623157e308, 0.1 + 0.2]
    c.put(dataset, {"fields": {"text": "12"}, "external_id": 7, "vectors": {"v": values}, "metadata": {"f": 5, "i": -9007199254740993, "big": 12345678901234567890}})
    got = c.records(dataset, "?include=vectors")["items"][0]
    same("external id", got["external_id"], "7")
    same("doubles", got["vectors"]["v"], values)
    same("integer", got["metadata"]["i"], -9007199254740993)
    for bad in ({"i": 1.5}, {"i": "1"}, {"f": "1"}, {"f": -1}):
        c.put(dataset, {"fields": {"text": "x"}, "metadata": bad}, status=422)
    c.want(422, "PUT", f"/api/v1/datasets/{dataset['id']}/records/bulk", b'{"items":[{"fields":{"text":"x"},"metadata":{"f":NaN}}]}')


@check
def put_bulk_matches_by_id_then_by_external_id(c):
    dataset = c.dataset()
    a, b = c.rows(dataset, 2)
    again = c.put(dataset, {"id": a["id"], "fields": {"text": "by id"}}, {"id": NOBODY, "external_id": "1", "fields": {"text": "by external id"}},
                  {"id": NOBODY, "external_id": "new", "fields": {"text": "new"}})
    same("ids", [r["id"] for r in again["items"]][:2], [a["id"], b["id"]])
    assert again["items"][2]["id"] not in (a["id"], b["id"], NOBODY)
    same("records", [(r["external_id"], r["fields"]["text"]) for r in c.records(dataset)["items"]], [("0", "by id"), ("1", "by external id"), ("new", "new")])
    other = c.dataset()
    moved = c.put(other, {"id": a["id"], "fields": {"text": "x"}})["items"][0]
    assert moved["id"] != a["id"], "a record of another dataset was changed"
    c.put(dataset, {"external_id": "0", "fields": {"text": ""}, "metadata": {}}, {"external_id": "1", "fields": {"none": "x"}}, status=422)
    same("nothing of a refused call", [r["fields"]["text"] for r in c.records(dataset)["items"]], ["by id", "by external id", "new"])
    c.put(dataset, {"external_id": "0", "metadata": {"k": 1}}, {"external_id": "1", "fields": None, "metadata": {"k": 2}})
    got = c.records(dataset)["items"]
    same("fields that were not given stay", [(r["fields"]["text"], r["metadata"]) for r in got[:2]], [("by id", {"k": 1}), ("by external id", {"k": 2})])
    c.put(dataset, {"external_id": "0"})
    same("metadata that was not given stays", c.records(dataset)["items"][0]["metadata"], {"k": 1})


@check
def responses_on_the_wire(c):
    dataset = c.dataset(questions={"more": {"type": "text"}}, distribution={"strategy": "overlap", "min_submitted": 2})
    record = c.rows(dataset, 1)[0]
    user = c.server.user("annotator", [c.workspace["id"]])
    one, path = f"/api/v1/records/{record['id']}", f"/api/v1/records/{record['id']}/responses"
    before = c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}")
    mine = shaped("response", c.want(201, "POST", path, submitted()), RESPONSE)
    same("user", mine["user_id"], c.me["id"])
    c.want(409, "POST", path, submitted())
    for bad in ({"status": "submitted"}, {"values": {}, "status": "submitted"}, submitted("none"), {**submitted(), "status": "none"},
                {"values": {"more": {"value": "x"}}, "status": "submitted"}, {"values": {"none": {"value": "x"}}, "status": "draft"},
                {"values": {"label": {"value": "good"}, "more": {"value": 1}}, "status": "submitted"}):
        c.want(422, "POST", path, bad, user.key)
    same("pending", c.want(200, "GET", one)["status"], "pending")
    theirs = c.want(201, "POST", path, submitted("bad"), user.key)
    same("completed", c.want(200, "GET", one)["status"], "completed")
    after = c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}")
    assert after["last_activity_at"] > before["last_activity_at"] and after["updated_at"] == before["updated_at"]
    item = f"/api/v1/responses/{theirs['id']}"
    same("draft", c.want(200, "PUT", item, {"status": "draft"}, user.key)["status"], "draft")
    same("pending again", c.want(200, "GET", one)["status"], "pending")
    c.want(422, "PUT", item, {"status": "submitted"}, user.key)
    c.want(200, "PUT", item, {"status": "discarded"}, user.key)
    same("by the owner", c.want(200, "PUT", item, submitted("odd"))["values"], {"label": {"value": "odd"}})
    other = c.server.user("annotator", [c.workspace["id"]])
    c.want(403, "PUT", item, submitted(), other.key)
    c.want(403, "DELETE", item, key=other.key)
    same("deleted", c.want(200, "DELETE", item, key=user.key)["id"], theirs["id"])
    c.want(404, "DELETE", item, key=user.key)
    same("pending at last", c.want(200, "GET", one)["status"], "pending")
    second = c.rows(dataset, 2)[1]
    answer = c.want(200, "POST", "/api/v1/me/responses/bulk", {"items": [
        {"record_id": record["id"], **submitted()}, {"record_id": second["id"], **submitted("none")}, {"record_id": NOBODY, **submitted()},
        {"record_id": second["id"], "values": None, "status": "discarded"}]}, user.key)["items"]
    same("which were stored", [(a["item"] is not None, a["error"] is not None) for a in answer], [(True, False), (False, True), (False, True), (True, False)])
    assert isinstance(answer[1]["error"]["detail"], str)
    again = c.want(200, "POST", "/api/v1/me/responses/bulk", {"items": [{"record_id": record["id"], **submitted("odd")}]}, user.key)["items"][0]["item"]
    same("the same response, changed", (again["id"], again["values"]), (answer[0]["item"]["id"], {"label": {"value": "odd"}}))
    for items in ([], [{"record_id": record["id"], **submitted()}] * 101):
        c.want(422, "POST", "/api/v1/me/responses/bulk", {"items": items}, user.key)
    same("my metrics", c.metrics(dataset, user.key), {"total": 2, "submitted": 1, "discarded": 1, "draft": 0, "pending": 0})


@check
def suggestions_on_the_wire(c):
    dataset = c.dataset(questions={"more": {"type": "text"}})
    record = c.rows(dataset, 1)[0]
    path = f"/api/v1/records/{record['id']}/suggestions"
    body = {"question_id": dataset["q"]["label"], "value": "good", "score": 0.5, "agent": "a b-1.0/c:d", "type": "human"}
    made = shaped("suggestion", c.want(201, "PUT", path, body), SUGGESTION)
    again = c.want(200, "PUT", path, {**body, "value": "bad", "score": None, "agent": None, "type": None})
    same("replaced", [again[k] for k in ("id", "value", "score", "agent", "type")], [made["id"], "bad", None, None, None])
    for bad in ({"question_id": NOBODY}, {"value": "none"}, {"score": 2}, {"score": -0.1}, {"agent": ""}, {"agent": "x" * 201}, {"agent": "a@b"}, {"agent": "--"}, {"type": "bot"}):
        c.want(422, "PUT", path, {**body, **bad})
    more = c.want(201, "PUT", path, {"question_id": dataset["q"]["more"], "value": "t"})
    same("list", [s["id"] for s in c.want(200, "GET", path)["items"]], [made["id"], more["id"]])
    agents = c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}/records/search/suggestions/options")["items"]
    same("agents", {i["question"]["name"]: i["agents"] for i in agents}, {"label": [], "more": []})
    c.want(200, "PUT", path, body)
    agents = c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}/records/search/suggestions/options")["items"]
    same("agents", {i["question"]["name"]: i["agents"] for i in agents}["label"], ["a b-1.0/c:d"])
    same("deleted", c.want(200, "DELETE", f"/api/v1/suggestions/{more['id']}")["id"], more["id"])
    c.want(422, "DELETE", path + "?ids=")
    same("deleted", c.want(204, "DELETE", f"{path}?ids={made['id']}"), None)
    same("none left", c.want(200, "GET", path), {"items": []})


run(Case)
