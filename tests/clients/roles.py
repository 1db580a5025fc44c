"""Who may ask for what: every route of Argilla's SDK, as every role, in a workspace that is theirs and in one that is not
(usage: common.py). A line per route; the checks are made from the table."""
from common import CHECKS, run, same, unique

NOBODY = "00000000-0000-4000-8000-000000000000"
OPTIONS = [{"value": v, "text": v} for v in ("good", "bad")]
TEXT = {"type": "text"}
OWNER, ADMIN, MEMBER, ANYBODY = ["owner"], ["owner", "admin"], ["owner", "admin", "annotator"], ["owner", "admin", "annotator", "stranger-admin", "stranger"]
ACTORS = ["owner", "admin", "annotator", "stranger-admin", "stranger", "nobody", "forger"]

# method, path, body, status where it is allowed, who may. {names} are things of the world below. What is deleted comes last.
ROUTES = [
    ("GET", "/me", None, 200, ANYBODY),
    ("GET", "/me/workspaces", None, 200, ANYBODY),
    ("GET", "/me/datasets", None, 200, ANYBODY),
    ("GET", "/users", None, 200, OWNER),
    ("POST", "/users", {"username": "{unique}", "first_name": "A", "password": "12345678"}, 201, OWNER),
    ("GET", "/users/{user}", None, 200, OWNER),
    ("PATCH", "/users/{user}", {"last_name": "B"}, 200, OWNER),
    ("GET", "/users/{user}/workspaces", None, 200, OWNER),
    ("GET", "/workspaces/{workspace}", None, 200, MEMBER),
    ("POST", "/workspaces", {"name": "{unique}"}, 201, OWNER),
    ("GET", "/workspaces/{workspace}/users", None, 200, ADMIN),
    ("POST", "/workspaces/{workspace}/users", {"user_id": "{user}"}, 201, OWNER),
    ("POST", "/datasets", {"name": "{unique}", "workspace_id": "{workspace}"}, 201, ADMIN),
    ("GET", "/datasets/{dataset}", None, 200, MEMBER),
    ("PATCH", "/datasets/{dataset}", {"guidelines": "G"}, 200, ADMIN),
    ("GET", "/datasets/{dataset}/progress", None, 200, MEMBER),
    ("GET", "/datasets/{dataset}/users/progress", None, 200, MEMBER),
    ("GET", "/me/datasets/{dataset}/metrics", None, 200, MEMBER),
    ("GET", "/datasets/{dataset}/fields", None, 200, MEMBER),
    ("POST", "/datasets/{draft}/fields", {"name": "f", "title": "t", "settings": TEXT}, 201, ADMIN),
    ("PATCH", "/fields/{field}", {"title": "New"}, 200, ADMIN),
    ("GET", "/datasets/{dataset}/questions", None, 200, MEMBER),
    ("POST", "/datasets/{draft}/questions", {"name": "q", "title": "t", "settings": TEXT}, 201, ADMIN),
    ("PATCH", "/questions/{question}", {"title": "New"}, 200, ADMIN),
    ("GET", "/me/datasets/{dataset}/metadata-properties", None, 200, MEMBER),
    ("POST", "/datasets/{dataset}/metadata-properties", {"name": "n", "title": "t", "settings": {"type": "terms"}}, 201, ADMIN),
    ("PATCH", "/metadata-properties/{property}", {"title": "New"}, 200, ADMIN),
    ("GET", "/metadata-properties/{property}/metrics", None, 200, MEMBER),
    ("GET", "/metadata-properties/{hidden}/metrics", None, 200, ADMIN),
    ("GET", "/datasets/{dataset}/vectors-settings", None, 200, MEMBER),
    ("POST", "/datasets/{dataset}/vectors-settings", {"name": "n", "title": "t", "dimensions": 2}, 201, ADMIN),
    ("PATCH", "/vectors-settings/{vector}", {"title": "New"}, 200, ADMIN),
    ("GET", "/datasets/{dataset}/records", None, 200, ADMIN),
    ("POST", "/datasets/{dataset}/records/bulk", {"items": [{"fields": {"text": "x"}}]}, 201, ADMIN),
    ("PUT", "/datasets/{dataset}/records/bulk", {"items": [{"fields": {"text": "x"}}]}, 200, ADMIN),
    ("POST", "/datasets/{dataset}/records/search", {}, 200, ADMIN),
    ("POST", "/me/datasets/{dataset}/records/search", {}, 200, MEMBER),
    ("GET", "/datasets/{dataset}/records/search/suggestions/options", None, 200, MEMBER),
    ("GET", "/records/{record}", None, 200, MEMBER),
    ("PATCH", "/records/{record}", {"metadata": {"a": 1}}, 200, ADMIN),
    ("POST", "/records/{record}/responses", {"status": "draft", "values": {"label": {"value": "good"}}}, 201, MEMBER),
    ("PUT", "/responses/{response}", {"status": "draft", "values": {"label": {"value": "bad"}}}, 200, ADMIN),
    ("DELETE", "/responses/{response}", None, 200, ADMIN),
    ("GET", "/records/{record}/suggestions", None, 200, MEMBER),
    ("PUT", "/records/{record}/suggestions", {"question_id": "{question}", "value": "bad"}, 200, ADMIN),
    ("DELETE", "/suggestions/{suggestion}", None, 200, ADMIN),
    ("DELETE", "/records/{record}/suggestions?ids={suggestion2}", None, 204, ADMIN),
    ("DELETE", "/records/{record2}", None, 200, ADMIN),
    ("DELETE", "/datasets/{dataset}/records?ids={record}", None, 204, ADMIN),
    ("DELETE", "/vectors-settings/{vector}", None, 200, ADMIN),
    ("DELETE", "/metadata-properties/{property}", None, 200, ADMIN),
    ("DELETE", "/questions/{draft_question}", None, 200, ADMIN),
    ("DELETE", "/fields/{draft_field}", None, 200, ADMIN),
    ("PUT", "/datasets/{complete}/publish", None, 200, ADMIN),
    ("DELETE", "/datasets/{dataset}", None, 200, ADMIN),
    ("DELETE", "/workspaces/{workspace}/users/{member}", None, 200, ADMIN),
    ("DELETE", "/workspaces/{empty}", None, 200, OWNER),
    ("DELETE", "/users/{user}", None, 200, OWNER),
    ("GET", "/webhooks", None, 200, OWNER),
    ("POST", "/webhooks", {"url": "http://example.org/", "events": ["dataset.deleted"]}, 201, OWNER),
    ("PATCH", "/webhooks/{webhook}", {"enabled": False}, 200, OWNER),
    ("DELETE", "/webhooks/{webhook}", None, 200, OWNER),
]


def world(server):
    """A workspace with everything a route can name: ids by the names in the table."""
    make = lambda path, body: server.want(201, "POST", "/api/v1" + path, body)["id"]
    w = {"workspace": make("/workspaces", {"name": unique("ws")}), "empty": make("/workspaces", {"name": unique("ws")}),
         "webhook": make("/webhooks", {"url": "http://example.org/", "events": ["dataset.deleted"]})}
    w["user"], member = server.user("annotator").id, server.user("annotator", [w["workspace"]])
    w["member"] = member.id
    for kind in ("dataset", "draft", "complete"):
        d = w[kind] = make("/datasets", {"name": unique("set"), "workspace_id": w["workspace"]})
        field = make(f"/datasets/{d}/fields", {"name": "text", "title": "t", "required": True, "settings": TEXT})
        question = make(f"/datasets/{d}/questions", {"name": "label", "title": "t", "required": True, "settings": {"type": "label_selection", "options": OPTIONS}})
        if kind == "draft":
            w["draft_field"], w["draft_question"] = field, question
        elif kind == "dataset":
            w["field"], w["question"] = field, question
    d = w["dataset"]
    second = make(f"/datasets/{d}/questions", {"name": "second", "title": "t", "settings": TEXT})
    w["property"] = make(f"/datasets/{d}/metadata-properties", {"name": "p", "title": "t", "settings": {"type": "terms"}})
    w["hidden"] = make(f"/datasets/{d}/metadata-properties", {"name": "h", "title": "t", "visible_for_annotators": False, "settings": {"type": "terms"}})
    w["vector"] = make(f"/datasets/{d}/vectors-settings", {"name": "v", "title": "t", "dimensions": 2})
    server.want(200, "PUT", f"/api/v1/datasets/{d}/publish")
    item = {"fields": {"text": "x"}, "suggestions": [{"question_id": w["question"], "value": "good"}, {"question_id": second, "value": "x"}]}
    records = server.want(200, "PUT", f"/api/v1/datasets/{d}/records/bulk", {"items": [item, item]})["items"]
    w["record"], w["record2"] = [r["id"] for r in records]
    w["suggestion"], w["suggestion2"] = [s["id"] for s in records[0]["suggestions"]]
    w["response"] = server.want(201, "POST", f"/api/v1/records/{w['record']}/responses", {"status": "draft", "values": {"label": {"value": "good"}}}, member.key)["id"]
    return w


def keys(server, workspace):
    user = lambda role, where=(): server.user(role, where).key
    return {"owner": server.key, "admin": user("admin", [workspace]), "annotator": user("annotator", [workspace]), "stranger-admin": user("admin"),
            "stranger": user("annotator"), "nobody": None, "forger": "x" * 40}


def filled(thing, names):
    if isinstance(thing, str):
        for name, value in names.items():
            thing = thing.replace("{" + name + "}", value)
    elif isinstance(thing, dict):
        thing = {k: filled(v, names) for k, v in thing.items()}
    return thing


def wanted(actor, path, allowed_status, who):
    """The statuses that are right. A foreign thing looks as if it were not there, or is refused; a person of the workspace is refused."""
    if actor in ("nobody", "forger"):
        return [401]
    if actor in who:
        return [allowed_status]
    if who == OWNER and not path.startswith("/workspaces/{workspace}"):
        return [403, 404] if path.startswith("/workspaces/") else [403]
    if actor.startswith("stranger"):
        return [403, 404, 422] if path == "/datasets" else [403, 404]
    return [403]


def check_of(actor):
    def f(server):
        w = world(server)
        key, wrong = keys(server, w["workspace"])[actor], []
        for method, path, body, status, who in ROUTES:
            names = {**w, "unique": unique("x")}
            got, answer, _ = server.ask(method, "/api/v1" + filled(path, names), filled(body, names), key)
            if got not in wanted(actor, path, status, who):
                wrong.append(f"{method} {path}: {got}, not {wanted(actor, path, status, who)} {str(answer)[:160]}")
        if wrong:
            raise AssertionError("\n".join(wrong))
        if actor not in ("owner", "admin"):
            untouched(server, w)
    f.__name__ = f"every_route_as_{actor.replace('-', '_')}"
    return f


def untouched(server, w):
    """After all that was refused everything is still there, as it was."""
    for path in ("/workspaces/{workspace}", "/workspaces/{empty}", "/users/{user}", "/datasets/{draft}", "/datasets/{complete}", "/records/{record2}"):
        server.want(200, "GET", "/api/v1" + filled(path, w))
    dataset = server.want(200, "GET", f"/api/v1/datasets/{w['dataset']}")
    same("guidelines", (dataset["guidelines"], dataset["status"]), (None, "ready"))
    same("status of the draft", server.want(200, "GET", f"/api/v1/datasets/{w['complete']}")["status"], "draft")
    record = server.want(200, "GET", f"/api/v1/records/{w['record']}")
    same("suggestions", [s["value"] for s in record["suggestions"]], ["good", "x"])
    same("response", [r["values"] for r in record["responses"] if r["id"] == w["response"]], [{"label": {"value": "good"}}])
    same("records", server.want(200, "GET", f"/api/v1/datasets/{w['dataset']}/records")["total"], 2)
    for kind in ("fields", "questions", "vectors-settings"):
        items = server.want(200, "GET", f"/api/v1/datasets/{w['dataset']}/{kind}")["items"]
        assert all(i["title"] == "t" for i in items) and len(items) == (2 if kind == "questions" else 1), f"{kind} were changed"
    assert w["webhook"] in [h["id"] for h in server.want(200, "GET", "/api/v1/webhooks")["items"]]
    server.want(200, "DELETE", f"/api/v1/webhooks/{w['webhook']}")


def foreign_things_look_like_missing_ones(server):
    """To somebody of another workspace an object that exists and one that does not answer alike, but for the id."""
    w = world(server)
    wrong = []
    for actor in ("stranger-admin", "stranger"):
        key = keys(server, w["workspace"])[actor]
        for method, path, body, _, who in ROUTES:
            if actor in who or who == OWNER or path.count("{") != 1 or path == "/datasets":
                continue
            there = server.ask(method, "/api/v1" + filled(path, w), filled(body, w), key)[:2]
            name = path[path.index("{") + 1:path.index("}")]
            missing = server.ask(method, "/api/v1" + filled(path, {name: NOBODY}), filled(body, {**w, name: NOBODY}), key)[:2]
            if there[0] != missing[0] or str(there[1]).replace(w[name], NOBODY) != str(missing[1]):
                wrong.append(f"{actor}: {method} {path}: {there}, but {missing} when missing")
    server.want(200, "DELETE", f"/api/v1/webhooks/{w['webhook']}")
    if wrong:
        raise AssertionError("\n".join(wrong))


def lists_hold_only_what_is_theirs(server):
    mine, other = world(server), world(server)
    for role in ("admin", "annotator"):
        key = keys(server, mine["workspace"])[role]
        same("workspaces", [w["id"] for w in server.want(200, "GET", "/api/v1/me/workspaces", key=key)["items"]], [mine["workspace"]])
        same("datasets", [d["id"] for d in server.want(200, "GET", "/api/v1/me/datasets", key=key)["items"]], [mine[k] for k in ("dataset", "draft", "complete")])
        got = server.ask("GET", f"/api/v1/me/datasets?workspace_id={other['workspace']}", key=key)[0]
        assert got in (403, 404), f"the datasets of another workspace: status {got}"
    for w in (mine, other):
        server.want(200, "DELETE", f"/api/v1/webhooks/{w['webhook']}")


def annotators_see_each_others_answers_only_through_a_record(server):
    """The only route that shows an annotator somebody else's response is the record itself, as with Argilla."""
    w = world(server)
    key = keys(server, w["workspace"])["annotator"]
    items = server.want(200, "POST", f"/api/v1/me/datasets/{w['dataset']}/records/search?include=responses", {}, key)["items"]
    same("responses", [i["record"]["responses"] for i in items], [[], []])
    server.want(200, "DELETE", f"/api/v1/webhooks/{w['webhook']}")


def a_member_who_leaves_sees_nothing_more(server):
    w = world(server)
    user = server.user("annotator", [w["workspace"]])
    server.want(200, "GET", f"/api/v1/datasets/{w['dataset']}", key=user.key)
    server.want(200, "DELETE", f"/api/v1/workspaces/{w['workspace']}/users/{user.id}")
    assert server.ask("GET", f"/api/v1/datasets/{w['dataset']}", key=user.key)[0] in (403, 404)
    same("datasets", server.want(200, "GET", "/api/v1/me/datasets", key=user.key), {"items": []})
    server.want(200, "DELETE", f"/api/v1/webhooks/{w['webhook']}")


def a_role_can_be_taken_away(server):
    user = server.user("owner")
    server.want(200, "GET", "/api/v1/users", key=user.key)
    server.want(200, "PATCH", f"/api/v1/users/{user.id}", {"role": "annotator"})
    server.want(403, "GET", "/api/v1/users", key=user.key)
    server.want(200, "DELETE", f"/api/v1/users/{user.id}")
    server.want(401, "GET", "/api/v1/me", key=user.key)


CHECKS += [check_of(a) for a in ACTORS] + [foreign_things_look_like_missing_ones, lists_hold_only_what_is_theirs,
                                           annotators_see_each_others_answers_only_through_a_record, a_member_who_leaves_sees_nothing_more,
                                           a_role_can_be_taken_away]
run(lambda server: server)
