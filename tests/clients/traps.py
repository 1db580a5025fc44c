"""The traps of the contract, each of which cost somebody a bug, searches, and what goes around a request (usage: common.py)."""
import base64, hashlib, hmac, http.client, http.server, json, re, threading, time
from common import check, run, same, unique
from contract import NOBODY, WEBHOOK, Case, external, shaped, submitted


# ---- traps ----------------------------------------------------------------------------------------------------------------------

@check
def trap_what_was_not_asked_for_is_absent(c):
    dataset = c.dataset(vectors={"v": 1})
    c.rows(dataset, 1)
    for get in (lambda q: c.records(dataset, q)["items"][0], lambda q: c.search(dataset, {}, q)["items"][0]["record"]):
        assert not {"responses", "suggestions", "vectors"} & set(get(""))
        same("asked for", {k: get("?include=responses&include=suggestions&include=vectors")[k] for k in ("responses", "suggestions", "vectors")},
             {"responses": [], "suggestions": [], "vectors": {}})
        assert "responses" not in get("?include=suggestions")


@check
def trap_include_values_are_percent_encoded(c):
    dataset = c.dataset(vectors={"a": 1, "b": 1, "c": 1})
    c.rows(dataset, 1, vectors={"a": [1], "b": [2], "c": [3]})
    for query, names in (("include=vectors%3Aa%2Cb", ["a", "b"]), ("include=vectors:c", ["c"]), ("include=responses%2Csuggestions&include=vectors%3Aa", ["a"]),
                         ("include=vectors", ["a", "b", "c"])):
        same(query, sorted(c.records(dataset, "?" + query)["items"][0]["vectors"]), names)


@check
def trap_suggestion_ids_and_unknown_keys_are_ignored(c):
    dataset = c.dataset()
    suggestion = {"id": NOBODY, "question_id": dataset["q"]["label"], "question_name": "other", "value": "good", "unknown": [1]}
    made = c.put(dataset, *[{"fields": {"text": t}, "suggestions": [suggestion], "status": "completed", "inserted_at": "1999-01-01T00:00:00", "x": {}} for t in "ab"])["items"]
    ids = [r["suggestions"][0]["id"] for r in made]
    assert len(set(ids)) == 2 and NOBODY not in ids
    same("status", [r["status"] for r in made], ["pending", "pending"])
    assert made[0]["inserted_at"] > "2000"


@check
def trap_one_bulk_call_keeps_its_order(c):
    dataset = c.dataset()
    names = [unique("e") for _ in range(500)]
    made = c.put(dataset, *[{"external_id": n, "fields": {"text": n}} for n in names])["items"]
    same("answer", external(made), names)
    same("list", external(c.records(dataset, "?limit=1000")["items"]), names)
    same("search", [i["record"]["external_id"] for i in c.search(dataset, {}, "?limit=1000")["items"]], names)
    same("a page", external(c.records(dataset, "?offset=100&limit=7")["items"]), names[100:107])
    same("limit by default", len(c.records(dataset)["items"]), 50)


@check
def trap_similar_records_end_at_a_thousand(c):
    dataset = c.dataset(vectors={"v": 2})
    for base in range(0, 1200, 400):
        c.put(dataset, *[{"external_id": str(base + i), "fields": {"text": "x"}, "vectors": {"v": [1, (base + i) / 100]}} for i in range(400)])
    body = {"query": {"vector": {"name": "v", "value": [1, 0], "order": "most_similar"}}}
    page = c.search(dataset, body, "?offset=990&limit=100")
    same("the last page", [i["record"]["external_id"] for i in page["items"]], [str(i) for i in range(990, 1000)])
    same("past the end", c.search(dataset, body, "?offset=1000&limit=100"), {"items": [], "total": 0})
    first = c.search(dataset, body, "?limit=2")["items"]
    same("score of the same direction", (first[0]["record"]["external_id"], round(first[0]["query_score"], 6)), ("0", 1.0))


@check
def trap_duplicate_names_of_users(c):
    one, two = c.server.user("annotator"), c.server.user("annotator")
    c.want(409, "POST", "/api/v1/users", {"username": one.username, "first_name": "x", "password": "12345678"})
    c.want(422, "PATCH", f"/api/v1/users/{two.id}", {"username": one.username})
    c.want(200, "PATCH", f"/api/v1/users/{two.id}", {"username": two.username})


@check
def trap_a_workspace_with_datasets_stays(c):
    workspace = c.want(201, "POST", "/api/v1/workspaces", {"name": unique("ws")})
    dataset = c.want(201, "POST", "/api/v1/datasets", {"name": "x", "workspace_id": workspace["id"]})
    c.want(409, "DELETE", f"/api/v1/workspaces/{workspace['id']}")
    c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}")
    c.want(200, "DELETE", f"/api/v1/datasets/{dataset['id']}")
    c.want(200, "DELETE", f"/api/v1/workspaces/{workspace['id']}")


@check
def trap_words_are_found_at_once_in_any_case(c):
    dataset = c.dataset()
    for i in range(20):
        c.put(dataset, {"external_id": str(i), "fields": {"text": f"ÄPFEL Number{i} here"}})
        for q in (f"number{i}", f"NUMBER{i} äpfel"):
            found = c.search(dataset, {"query": {"text": {"q": q, "field": None}}})
            same(q, ([i["record"]["external_id"] for i in found["items"]], found["total"]), ([str(i)], 1))
    c.search(dataset, {"query": {"text": {"q": "x", "field": "none"}}}, status=422)
    same("in a field", c.search(dataset, {"query": {"text": {"q": "äpfel", "field": "text"}}})["total"], 20)


@check
def trap_bounds_and_empty_texts(c):
    dataset = c.dataset()
    for low, high in ((0, 1), (0.0, 1.0), (-1, None)):
        made = c.add(dataset, "metadata-properties", name=unique("m"), settings={"type": "float", "min": low, "max": high})["settings"]
        same("bounds", (made["min"], made["max"]), (low, high))
    c.want(422, "PATCH", f"/api/v1/datasets/{dataset['id']}", {"guidelines": ""})


@check
def searches_answer_in_their_shapes(c):
    dataset = c.dataset(vectors={"v": 2}, metadata={"n": {"type": "integer"}})
    c.put(dataset, *[{"external_id": str(i), "fields": {"text": f"word{i % 2}"}, "metadata": {"n": 9 - i}} for i in range(6)])
    got = c.search(dataset, {"query": None, "filters": None, "sort": None})
    same("keys", (set(got), set(got["items"][0])), ({"items", "total"}, {"record", "query_score"}))
    same("scores", [i["query_score"] for i in got["items"]], [1.0] * 6)
    sort = lambda order: [{"scope": {"entity": "metadata", "metadata_property": "n"}, "order": order}]
    got = c.search(dataset, {"sort": sort("asc"), "query": {"text": {"q": "word1"}}}, "?limit=2")
    same("sorted", ([i["record"]["external_id"] for i in got["items"]], [i["query_score"] for i in got["items"]], got["total"]), (["5", "3"], [None, None], 3))
    name = {"entity": "metadata", "metadata_property": "n"}
    both = lambda *filters: {"filters": {"type": "and", "and": list(filters)}}
    same("range", c.search(dataset, both({"type": "range", "scope": name, "ge": 5, "le": 7}))["total"], 3)
    for bad in (both(), both({"type": "range", "scope": name}), both({"type": "range", "scope": name, "ge": 7, "le": 5}), both({"type": "terms", "scope": name, "values": []}),
                both({"type": "terms", "scope": {"entity": "metadata", "metadata_property": "none"}, "values": ["x"]}), both({"type": "none"}),
                both({"type": "terms", "scope": {"entity": "none"}, "values": ["x"]}), both(*[{"type": "terms", "scope": name, "values": ["1"]}] * 51),
                both({"type": "terms", "scope": {"entity": "response"}, "values": ["x"]}), {"sort": []}, {"sort": sort("up")},
                {"query": {"vector": {"name": "none", "value": [1, 2]}}}, {"query": {"vector": {"name": "v"}}}, {"query": {"vector": {"name": "v", "value": [1]}}},
                {"query": {"vector": {"name": "v", "value": [1, 2], "record_id": NOBODY}}}, {"query": {"vector": {"name": "v", "record_id": NOBODY}}},
                {"query": {"vector": {"name": "v", "value": [1, "2"]}}}, {"query": {"vector": {"name": "v", "value": [1, 2], "order": "up"}}}, {"query": "word1"},
                {"query": {"text": "word1"}}, {"query": {"text": {"q": 1}}}, {"sort": [{"scope": name, "order": 1}]}, {"filters": []}, {"filters": "x"},
                both({"type": "terms", "scope": {"entity": "suggestion", "question": "label", "property": 1}, "values": ["x"]})):
        c.search(dataset, bad, status=422)
    record = c.records(dataset)["items"][0]["id"]
    same("without that vector", c.search(dataset, {"query": {"vector": {"name": "v", "record_id": record}}}, status=422)["code"], "missing_vector")


@check
def my_search_shows_only_what_is_mine(c):
    dataset = c.dataset(metadata={"open": {"type": "terms"}})
    c.add(dataset, "metadata-properties", name="hidden", visible_for_annotators=False, settings={"type": "terms"})
    users = [c.server.user("annotator", [c.workspace["id"]]) for _ in range(2)]
    c.put(dataset, *[{"external_id": str(i), "fields": {"text": "x"}, "metadata": {"open": "o", "hidden": "h"},
                      "responses": [submitted("good", u.id) for u in users[:i]]} for i in range(3)])
    path = f"/api/v1/me/datasets/{dataset['id']}/records/search?include=responses"
    status = lambda *v: {"filters": {"type": "and", "and": [{"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": list(v)}]}}
    items = c.want(200, "POST", path, {}, users[0].key)["items"]
    same("responses", {i["record"]["external_id"]: [r["user_id"] for r in i["record"]["responses"]] for i in items}, {"0": [], "1": [users[0].id], "2": [users[0].id]})
    same("metadata", [i["record"]["metadata"] for i in items], [{"open": "o"}] * 3)
    found = lambda user, *v: sorted(i["record"]["external_id"] for i in c.want(200, "POST", path, status(*v), user.key)["items"])
    same("my pending", [found(u, "pending") for u in users], [["0"], ["0", "1"]])
    same("my submitted", [found(u, "submitted") for u in users], [["1", "2"], ["2"]])
    same("either", found(users[1], "pending", "submitted"), ["0", "1", "2"])


# ---- transport --------------------------------------------------------------------------------------------------------------------

@check
def connections_are_kept(c):
    connection = http.client.HTTPConnection(c.server.host, c.server.port, timeout=30)
    headers = {"X-Argilla-Api-Key": c.server.key, "Accept-Encoding": "gzip, deflate"}
    sockets = set()
    for method, path in (("GET", "/api/v1/me"), ("GET", "/api/v1/none"), ("POST", "/api/v1/workspaces"), ("GET", "/api/v1/me")):
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        answer.read()
        sockets.add(id(connection.sock))
        assert connection.sock is not None, f"the connection was closed after {method} {path}"
    same("sockets", len(sockets), 1)
    same("last status", answer.status, 200)


@check
def large_bodies_come_through(c):
    dataset = c.dataset(fields={"image": {"type": "image"}})
    image = "data:image/png;base64," + "A" * 4_900_000
    made = c.put(dataset, {"external_id": "big", "fields": {"text": "x" * 1_000_000, "image": image}})["items"][0]
    same("image", made["fields"]["image"] == image, True)
    c.put(dataset, {"fields": {"text": "x", "image": "data:image/png;base64," + "A" * 5_000_000}}, status=422)
    c.put(dataset, {"fields": {"text": "x", "image": "http://example.org/" + "a" * 2050}}, status=422)
    for bad in ("ftp://example.org/a.png", "http://", "http:///a.png", "http://example.org", "data:text/html;base64,AAAA", "data:image/;base64,AAAA", "x"):
        c.put(dataset, {"fields": {"text": "x", "image": bad}}, status=422)


@check
def many_clients_write_at_once(c):
    dataset = c.dataset(distribution={"strategy": "overlap", "min_submitted": 8})
    records = c.rows(dataset, 20)
    users = [c.server.user("annotator", [c.workspace["id"]]) for _ in range(8)]
    wrong = []

    def answer(user):
        for r in records:
            status, got, _ = c.ask("POST", f"/api/v1/records/{r['id']}/responses", submitted(), user.key)
            if status != 201:
                wrong.append((status, got))
    threads = [threading.Thread(target=answer, args=(u,)) for u in users]
    [t.start() for t in threads]
    [t.join() for t in threads]
    same("refused", wrong, [])
    same("progress", {k: c.want(200, "GET", f"/api/v1/datasets/{dataset['id']}/progress")[k] for k in ("total", "completed")}, {"total": 20, "completed": 20})


class Listener(http.server.BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@check
def webhooks_are_delivered_and_signed(c):
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    Listener.got = []
    hook = shaped("webhook", c.want(201, "POST", "/api/v1/webhooks", {"url": f"http://127.0.0.1:{listener.server_port}/in", "description": None,
                                                                      "events": ["record.created", "response.created", "record.completed", "dataset.deleted"]}), WEBHOOK)
    c.want(204, "POST", f"/api/v1/webhooks/{hook['id']}/ping")
    dataset = c.dataset()
    record = c.rows(dataset, 1)[0]
    c.want(201, "POST", f"/api/v1/records/{record['id']}/responses", submitted())
    c.want(200, "DELETE", f"/api/v1/datasets/{dataset['id']}")
    end = time.time() + 15
    while len(Listener.got) < 5 and time.time() < end:
        time.sleep(0.05)
    c.want(200, "DELETE", f"/api/v1/webhooks/{hook['id']}")
    listener.shutdown()
    events = {}
    for headers, body in Listener.got:
        h = {k.lower(): v for k, v in headers.items()}
        signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(base64.b64decode(hook["secret"]), signed, hashlib.sha256).digest()).decode()
        same("signature", h["webhook-signature"], "v1," + wanted)
        assert h["webhook-id"].startswith("msg_") and abs(int(h["webhook-timestamp"]) - time.time()) < 60
        message = json.loads(body)
        same("version", message["version"], 1)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["timestamp"])
        events[message["type"]] = message["data"]
    same("events", sorted(events), ["dataset.deleted", "ping", "record.completed", "record.created", "response.created"])
    same("record", (events["record.created"]["id"], events["record.created"]["dataset"]["id"]), (record["id"], dataset["id"]))
    same("response", (events["response.created"]["record"]["id"], events["response.created"]["user"]["id"]), (record["id"], c.me["id"]))
    same("dataset", [q["name"] for q in events["dataset.deleted"]["questions"]], ["label"])


run(Case)
