"""Argilla's own SDK, 2.8, unmodified: records are written, found, changed, counted, exported, and what is read back is what was
written (usage: common.py)."""
import datetime, os, random, tempfile, uuid
from common import check, raises, run, same, unique
import argilla as rg
from argilla._exceptions import NotFoundError, UnprocessableEntityError
from sdk2 import DATA_URL, LABELS, Case, bare, every_kind, ids, plain, same_record


# ---- records ------------------------------------------------------------------------------------------------------------------

def full_records(c, users):
    """Records of every kind of content, with suggestions and responses to every kind of question."""
    text = "Zoë met 😀 Bob in Rome\n\ttoday"
    start = text.index("Bob")
    span = [{"start": start, "end": start + 3, "label": "PER"}, {"start": text.index("Rome"), "end": text.index("Rome") + 4, "label": "LOC"}]
    ranked = [{"value": "third", "rank": 1}, {"value": "first", "rank": 2}, {"value": "second", "rank": 2}]
    full = rg.Record(
        id="full", fields={"text": text, "image": DATA_URL, "custom": {"a": 1, "b": [None, True, 1.5, {"c": "d"}]},
                           "chat": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello 👩‍👩‍👧"}]},
        metadata={"source": True, "free": "anything at all", "words": 12, "odds": 0.1, "open": -3.25, "extra": {"deep": [1, 2]}},
        vectors={"small": [0.1, 1 / 3, -2e-17], "wide": [float(i) for i in range(8)]},
        suggestions=[rg.Suggestion("comment", "say so", agent="model-1.0/b:2 c", type="model", score=0.25),
                     rg.Suggestion("rating", 10, agent="person", type="human", score=1.0),
                     rg.Suggestion("label", "odd", score=0.0),
                     rg.Suggestion("topics", ["b", "e"], score=[0.5, 0.75], agent="m"),
                     rg.Suggestion("ranking", ["second", "first", "third"]),
                     rg.Suggestion("spans", span, score=[0.9, 0.1])],
        responses=[rg.Response("comment", "first answer", users[0].id, "submitted"), rg.Response("rating", 0, users[0].id, "submitted"),
                   rg.Response("label", "good", users[0].id, "submitted"), rg.Response("topics", ["a", "d"], users[0].id, "submitted"),
                   rg.Response("ranking", ranked, users[0].id, "submitted"), rg.Response("spans", span, users[0].id, "submitted"),
                   rg.Response("label", "bad", users[1].id, "draft")])
    small = rg.Record(id="small", fields={"text": "x"}, metadata={"source": 7, "odds": 1.0})
    web = rg.Record(id="web", fields={"text": "y", "image": "http://example.org/a.png"}, metadata={"source": ["web", "book"]},
                    responses=[rg.Response("label", "good", users[0].id, "submitted"), rg.Response("label", "good", users[1].id, "submitted")])
    gone = rg.Record(id="gone", fields={"text": "z"}, responses=[rg.Response("label", "odd", users[1].id, "discarded")])
    return [full, small, web, gone]


def suggestions_of(record):
    return {s.question_name: (s.value, s.score, s.agent, s.type) for s in record.suggestions}


def responses_of(record):
    return {(r.question_name, str(r.user_id)): (r.value, r.status.value) for r in record.responses}


def with_order(responses):
    """Responses as the SDK reads them: of a ranking only the order of its values."""
    order = lambda v: [x["value"] for x in v] if isinstance(v, list) and v and isinstance(v[0], dict) and "value" in v[0] else v
    return {k: (order(v), s) for k, (v, s) in responses.items()}


@check
def records_of_every_kind_come_back_as_sent(c):
    dataset = c.dataset(every_kind())
    users = [c.server.user("annotator", [c.workspace.id]) for _ in range(2)]
    sent = full_records(c, users)
    dataset.records.log(sent)
    got = list(c.read(dataset).records(with_vectors=True))
    same("order", ids(got), ids(sent))
    for a, b in zip(got, sent):
        for part in ("fields", "metadata", "vectors"):
            same(f"{part} of {a.id}", a.to_dict()[part], b.to_dict()[part])
        same(f"suggestions of {a.id}", suggestions_of(a), suggestions_of(b))
        same(f"responses of {a.id}", responses_of(a), with_order(responses_of(b)))
    same("types of metadata", [type(got[0].metadata[k]) for k in ("source", "words", "odds")], [bool, int, float])
    same("status", {r.id: r.status for r in got}, {"full": "pending", "small": "pending", "web": "completed", "gone": "pending"})
    one = got[0].fields["image"]
    same("size of the image", one.size, (1, 1))
    alone = next(iter(dataset.records(with_suggestions=False, with_responses=False))).get()
    same("one record", alone.to_dict(), got[0].to_dict())


@check
def only_what_is_asked_for_comes(c):
    dataset = c.dataset(every_kind())
    users = [c.server.user("annotator") for _ in range(2)]
    dataset.records.log(full_records(c, users))
    first = lambda **more: next(iter(dataset.records(**more)))
    for query in (None, rg.Query(filter=("id", "==", "full"))):
        got = first(query=query)
        assert len(got.suggestions) == 6 and len(got.responses) == 7 and not got.vectors
        got = first(query=query, with_suggestions=False)
        assert not got.suggestions and len(got.responses) == 7
        got = first(query=query, with_responses=False)
        assert len(got.suggestions) == 6 and not got.responses
        same("all vectors", sorted(first(query=query, with_vectors=True).vectors), ["small", "wide"])
        same("a list of vectors", sorted(first(query=query, with_vectors=["wide"]).vectors), ["wide"])
        same("two named vectors", sorted(first(query=query, with_vectors=["wide", "small"]).vectors), ["small", "wide"])
        same("one vector by name", sorted(first(query=query, with_vectors="small").vectors), ["small"])


@check
def pages_hold_every_record_once_and_in_order(c):
    dataset = c.dataset(plain())
    dataset.records.log([{"id": i, "text": f"row {i}"} for i in range(1203)], batch_size=500)
    all_ids = [str(i) for i in range(1203)]
    same("all", ids(dataset.records), all_ids)
    same("pages of 17", ids(dataset.records(batch_size=17, limit=100)), all_ids[:100])
    same("from an offset", ids(dataset.records(start_offset=1000, batch_size=1000)), all_ids[1000:])
    same("a limit", ids(dataset.records(limit=3)), all_ids[:3])
    same("a filter in pages", ids(dataset.records(rg.Query(filter=("status", "==", "pending")), batch_size=100)), all_ids)
    same("texts of a search in pages", sorted(ids(dataset.records(query="row", batch_size=200)), key=int), all_ids)


@check
def records_can_be_dictionaries_with_mappings(c):
    dataset = c.dataset(plain([rg.LabelQuestion("label", labels=LABELS), rg.TextQuestion("comment", required=False)],
                              metadata=[rg.IntegerMetadataProperty("words")], vectors=[rg.VectorField("v", dimensions=2)]))
    dataset.records.log([{"uid": f"m{i}", "body": f"text {i}", "guess": LABELS[i], "sure": 0.5, "who": "bot", "answer": LABELS[2 - i],
                          "words": i, "v": [i, 1.5]} for i in range(3)],
                        mapping={"uid": "id", "body": "text", "guess": "label.suggestion", "sure": "label.suggestion.score",
                                 "who": "label.suggestion.agent", "answer": "label.response"})
    for i, r in enumerate(dataset.records(with_vectors=True)):
        same_record(r, {"id": f"m{i}", "fields": {"text": f"text {i}"}, "metadata": {"words": i}, "vectors": {"v": [float(i), 1.5]}})
        same("suggestions", suggestions_of(r), {"label": (LABELS[i], 0.5, "bot", None)})
        same("responses", responses_of(r), {("label", str(c.client.me.id)): (LABELS[2 - i], "draft")})


@check
def records_without_an_id_get_one(c):
    dataset = c.dataset(plain())
    dataset.records.log([{"text": "a"}, {"text": "b"}])
    got = list(dataset.records)
    assert len({r.id for r in got}) == 2 and all(uuid.UUID(r.id) for r in got) and len({r._server_id for r in got}) == 2
    assert all(isinstance(r._model.inserted_at, datetime.datetime) and r._model.updated_at for r in got)


@check
def records_are_updated_by_id(c):
    dataset = c.dataset(every_kind())
    users = [c.server.user("annotator") for _ in range(2)]
    dataset.records.log(full_records(c, users))
    before = {r.id: r for r in dataset.records(with_vectors=True)}
    dataset.records.log([rg.Record(id="full", fields={"text": "Another text, long enough for its spans"}, metadata={"words": 13},
                                   vectors={"small": [1.0, 2.0, 3.0]}, suggestions=[rg.Suggestion("label", "good", score=0.5, agent="n")],
                                   responses=[rg.Response("label", "odd", users[1].id, "submitted")])])
    after = {r.id: r for r in dataset.records(with_vectors=True)}
    same("records", list(after), list(before))
    full = after["full"]
    same("server id", full._server_id, before["full"]._server_id)
    same("fields", full.to_dict()["fields"], {"text": "Another text, long enough for its spans"})
    same("metadata", dict(full.metadata), {"words": 13})
    same("vectors", dict(full.vectors), {"small": [1.0, 2.0, 3.0], "wide": [float(i) for i in range(8)]})
    same("suggestions", suggestions_of(full), {**suggestions_of(before["full"]), "label": ("good", 0.5, "n", None)})
    same("responses", responses_of(full), {**responses_of(before["full"]), ("label", users[1].id): ("odd", "submitted")})
    same("status", full.status, "completed")
    for name in ("small", "web", "gone"):
        same(f"record {name}", after[name].to_dict(), before[name].to_dict())


@check
def records_that_were_read_can_be_changed_and_logged(c):
    dataset = c.dataset(every_kind())
    users = [c.server.user("annotator") for _ in range(2)]
    dataset.records.log([rg.Record(id=str(i), fields={"text": f"row {i}"}, metadata={"words": i}) for i in range(5)])
    changed = []
    for r in dataset.records(with_vectors=True):
        r.metadata["words"] += 100
        r.fields["text"] += " changed"
        r.vectors["small"] = [1.0, float(r.id), 0.0]
        r.suggestions.add(rg.Suggestion("label", "bad", agent="second", score=0.75))
        r.responses.add(rg.Response("label", "good", users[0].id, "submitted"))
        changed.append(r)
    dataset.records.log(changed)
    for i, r in enumerate(dataset.records(with_vectors=True)):
        same_record(r, {"id": i, "fields": {"text": f"row {i} changed"}, "metadata": {"words": i + 100},
                        "vectors": {"small": [1.0, float(i), 0.0]}})
        same("suggestions", suggestions_of(r), {"label": ("bad", 0.75, "second", None)})
        same("responses", responses_of(r), {("label", users[0].id): ("good", "submitted")})


@check
def a_suggestion_alone_updates_a_record(c):
    dataset = c.dataset(plain())
    dataset.records.log([{"id": "a", "text": "as it was"}])
    dataset.records.log([rg.Record(id="a", suggestions=[rg.Suggestion("label", "odd")])])
    got = list(dataset.records)
    same("records", len(got), 1)
    same("text", got[0].fields["text"], "as it was")
    same("suggestion", got[0].suggestions["label"].value, "odd")


@check
def records_are_deleted(c):
    dataset = c.dataset(plain())
    dataset.records.log([{"id": i, "text": f"row {i}"} for i in range(200)])
    got = list(dataset.records)
    dataset.records.delete(got[::2])
    same("what is left", ids(dataset.records), [str(i) for i in range(1, 200, 2)])
    c.client.api.records.delete(got[1]._server_id)
    same("what is left after one more", ids(dataset.records)[0], "3")
    raises(NotFoundError, got[1].get)
    dataset.records.delete([dataset_record for dataset_record in dataset.records])
    same("nothing", list(dataset.records), [])


@check
def bad_records_are_refused_whole(c):
    dataset = c.dataset(rg.Settings(
        fields=[rg.TextField("text"), rg.ImageField("image", required=False), rg.ChatField("chat", required=False)],
        questions=[rg.LabelQuestion("label", labels=LABELS), rg.RatingQuestion("rating", values=[1, 2], required=False),
                   rg.MultiLabelQuestion("multi", labels=LABELS, required=False),
                   rg.RankingQuestion("rank", values=["x", "y"], required=False),
                   rg.SpanQuestion("span", field="text", labels=LABELS, required=False)],
        metadata=[rg.TermsMetadataProperty("t", options=["a", "b"]), rg.IntegerMetadataProperty("i", min=1, max=3),
                  rg.FloatMetadataProperty("f", min=0, max=1)],
        vectors=[rg.VectorField("v", dimensions=2)]))
    me = c.client.me.id
    good = {"text": "0123456789"}
    R, S = rg.Record, rg.Suggestion
    answer = lambda q, v: [rg.Response(q, v, me, "draft")]
    bad = {
        "no required field": R(id="x", fields={"chat": [{"role": "user", "content": "x"}]}),
        "an image that is no address": R(fields={**good, "image": "data:text/plain;base64,AAAA"}),
        "a role that is too long": R(fields={**good, "chat": [{"role": "r" * 21, "content": "x"}]}),
        "a term that is none": R(fields=good, metadata={"t": "c"}), "an integer out of range": R(fields=good, metadata={"i": 4}),
        "a string for an integer": R(fields=good, metadata={"i": "2"}), "a float out of range": R(fields=good, metadata={"f": 1.5}),
        "unknown metadata": R(fields=good, metadata={"unknown": 1}), "a vector too short": R(fields=good, vectors={"v": [1.0]}),
        "a label that is none": R(fields=good, suggestions=[S("label", "none")]),
        "a rating that is none": R(fields=good, suggestions=[S("rating", 3)]),
        "a rating in letters": R(fields=good, suggestions=[S("rating", "2")]),
        "a label twice": R(fields=good, suggestions=[S("multi", ["good", "good"])]),
        "no label": R(fields=good, suggestions=[S("multi", [])]),
        "a ranking of unknown values": R(fields=good, suggestions=[S("rank", ["x", "z"])]),
        "a span past the end": R(fields=good, suggestions=[S("span", [{"start": 5, "end": 11, "label": "good"}])]),
        "an empty span": R(fields=good, suggestions=[S("span", [{"start": 5, "end": 5, "label": "good"}])]),
        "spans that overlap": R(fields=good, suggestions=[S("span", [{"start": 1, "end": 5, "label": "good"}, {"start": 4, "end": 6, "label": "bad"}])]),
        "a score above 1": R(fields=good, suggestions=[S("label", "good", score=1.5)]),
        "a list of scores for one value": R(fields=good, suggestions=[S("label", "good", score=[0.5])]),
        "too few scores": R(fields=good, suggestions=[S("multi", ["good", "bad"], score=[0.5])]),
        "one score for many values": R(fields=good, suggestions=[S("multi", ["good", "bad"], score=0.5)]),
        "an agent of no letters": R(fields=good, suggestions=[S("label", "good", agent="-")]),
        "an answer that is none": R(fields=good, responses=answer("label", "none")),
        "an answer of an unknown user": R(fields=good, responses=[rg.Response("label", "good", uuid.uuid4(), "draft")]),
        "submitted without its required question": R(fields=good, responses=[rg.Response("rating", 1, me, "submitted")]),
        "submitted with a ranking without ranks": R(fields=good, responses=[rg.Response("label", "good", me, "submitted"),
                                                                            rg.Response("rank", ["x", "y"], me, "submitted")]),
    }
    kept = []
    for what, record in bad.items():
        try:
            dataset.records.log([R(id="before", fields=good), record])
            kept.append(what)
        except UnprocessableEntityError:
            pass
    same("bad records that were kept", kept, [])
    same("records", list(dataset.records), [])
    dataset.records.log([R(id="null", fields={**good, "image": None}, metadata={"t": None, "f": 1}, suggestions=[S("span", [])],
                           responses=answer("rank", ["y"]))])
    same("records that are right", ids(dataset.records), ["null"])


# ---- finding ------------------------------------------------------------------------------------------------------------------

@check
def texts_are_found(c):
    dataset = c.dataset(rg.Settings(fields=[rg.TextField("text"), rg.ChatField("chat", required=False), rg.CustomField("custom", template="x", required=False)],
                                    questions=[rg.LabelQuestion("label", labels=LABELS)]))
    texts = ["The quick brown fox", "A lazy DOG sleeps", "quick dogs and quick foxes", "Straße nach Köln", "Привет, мир", "no. 42, C-3PO"]
    dataset.records.log([{"id": i, "text": t} for i, t in enumerate(texts)])
    dataset.records.log([rg.Record(id="chat", fields={"text": "-", "chat": [{"role": "narrator", "content": "once upon a zebra"}]}),
                         rg.Record(id="custom", fields={"text": "-", "custom": {"animal": "giraffe", "n": 1}})])
    cases = {"quick": ["0", "2"], "QUICK": ["0", "2"], "Dog": ["1"], "quick fox": ["0"], "dog | fox": ["0", "1"], "quick -brown": ["2"],
             '"brown fox"': ["0"], '"fox brown"': [], "fox*": ["0", "2"], "nothing": [], "köln": ["3"], "ПРИВЕТ": ["4"], "42": ["5"],
             "zebra": ["chat"], "narrator": ["chat"], "giraffe": ["custom"], "(dog | fox) + lazy": ["1"]}
    wrong = {q: got for q, want in cases.items() if (got := sorted(ids(dataset.records(query=q)))) != want}
    same("searches with other results", wrong, {})
    for odd in ('"', '(', ')))', '*', '-', '+', '|', '~', '\\', 'a"b', 'AND', 'NEAR(', 'text:fox', "'; drop table records; --", '"a" "'):
        list(dataset.records(query=odd))
    dataset.records.log([{"id": 0, "text": "turned to grey"}])
    same("the new text", ids(dataset.records(query="grey")), ["0"])
    same("the old text", ids(dataset.records(query="brown")), [])
    dataset.records.delete([r for r in dataset.records(query="grey")])
    same("a text that was deleted", ids(dataset.records(query="grey")), [])
    same("text and filter together", ids(dataset.records(rg.Query(query="quick", filter=("id", "in", ["2", "1"])))), ["2"])


def for_filters(c):
    """A dataset, and per record the values a filter can name."""
    dataset = c.dataset(plain([rg.LabelQuestion("label", labels=LABELS), rg.MultiLabelQuestion("topics", labels=["a", "b", "c"], required=False),
                               rg.RatingQuestion("rating", values=list(range(11)), required=False)],
                              distribution=rg.TaskDistribution(min_submitted=2),
                              metadata=[rg.TermsMetadataProperty("source"), rg.IntegerMetadataProperty("words"), rg.FloatMetadataProperty("odds")]))
    users = [c.server.user("annotator") for _ in range(2)]
    rows, records = [], []
    for i in range(36):
        row = {"id": str(i), "source": ["web", "book", True, None][i % 4], "words": i * 3 if i % 5 else None, "odds": i / 7 if i % 3 else None,
               "label": LABELS[i % 3] if i % 4 else None, "score": round((i % 10) / 10, 1), "agent": f"agent-{i % 2}",
               "type": ["model", "human", None][i % 3], "topics": [["a"], ["a", "b"], ["c"], None][i % 4], "rating": i % 11,
               "answers": [[], [("good", "submitted")], [("bad", "submitted"), ("odd", "submitted")], [("odd", "draft")],
                           [("good", "discarded"), ("bad", "submitted")]][i % 5], "rates": [10 - i % 11 if i % 5 else None]}
        row["status"] = "completed" if sum(s == "submitted" for _, s in row["answers"]) >= 2 else "pending"
        suggestions = [rg.Suggestion("rating", row["rating"])]
        if row["label"]:
            suggestions.append(rg.Suggestion("label", row["label"], score=row["score"], agent=row["agent"], type=row["type"]))
        if row["topics"]:
            suggestions.append(rg.Suggestion("topics", row["topics"]))
        responses = [rg.Response("label", v, users[n].id, s) for n, (v, s) in enumerate(row["answers"])]
        if row["answers"]:
            responses.append(rg.Response("rating", row["rates"][0], users[0].id, row["answers"][0][1]))
        metadata = {k: row[k] for k in ("source", "words", "odds") if row[k] is not None}
        records.append(rg.Record(id=row["id"], fields={"text": f"row {i}"}, metadata=metadata, suggestions=suggestions, responses=responses))
        rows.append(row)
    dataset.records.log(records)
    return dataset, rows


def has(value, wanted):
    text = lambda v: {True: "true", False: "false"}.get(v, str(v)) if isinstance(v, bool) else str(v)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return any(text(v) in [text(w) for w in wanted] for v in values)


@check
def filters_of_every_scope_and_operator(c):
    dataset, rows = for_filters(c)
    labelled = [r for r in rows if r["label"]]
    terms = {"id": lambda r: r["id"], "status": lambda r: r["status"], "metadata.source": lambda r: r["source"],
             "metadata.words": lambda r: r["words"], "label": lambda r: r["label"], "label.suggestion": lambda r: r["label"],
             "label.agent": lambda r: r["label"] and r["agent"], "label.type": lambda r: r["label"] and r["type"],
             "topics.suggestion": lambda r: r["topics"], "rating.suggestion": lambda r: r["rating"],
             "label.response": lambda r: [v for v, _ in r["answers"]], "rating.response": lambda r: r["rates"] if r["answers"] else None,
             "response.status": lambda r: [s for _, s in r["answers"]] or ["pending"]}
    values = {"id": ["3", 7, "none"], "status": ["pending", "completed"], "metadata.source": ["web", "book", True], "metadata.words": [3, "6"],
              "label": LABELS, "label.suggestion": LABELS, "label.agent": ["agent-0", "agent-1", "agent-2"], "label.type": ["model", "human"],
              "topics.suggestion": ["a", "b", "c"], "rating.suggestion": [0, 3, 10], "label.response": LABELS, "rating.response": [1, 5, 10],
              "response.status": ["submitted", "draft", "discarded", "pending"]}
    ranges = {"metadata.words": ("words", [9, 60]), "metadata.odds": ("odds", [1.0, 3.5]), "label.score": ("score", [0.3, 0.7]),
              "rating.suggestion": ("rating", [3, 8]), "rating.response": (None, [2, 7])}
    wrong = []

    def compare(condition, wanted):
        try:
            got = ids(dataset.records(rg.Query(filter=[condition])))
        except Exception as e:
            got = str(e)[:200]
        if got != wanted:
            wrong.append((condition, got, wanted))
    for field, read in terms.items():
        for v in values[field]:
            compare((field, "==", v), [r["id"] for r in rows if has(read(r), [v])])
        compare((field, "in", values[field][:2]), [r["id"] for r in rows if has(read(r), values[field][:2])])
    for field, (key, bounds) in ranges.items():
        of = (lambda r: r["rates"][0] if r["answers"] else None) if key is None else lambda r: r[key]
        among = labelled if key == "score" else rows
        for b in bounds:
            compare((field, ">=", b), [r["id"] for r in among if of(r) is not None and of(r) >= b])
            compare((field, "<=", b), [r["id"] for r in among if of(r) is not None and of(r) <= b])
    same("filters with other results", wrong, [])
    for pair in ([("label", "==", "good"), ("metadata.source", "==", "web")], [("rating.suggestion", ">=", 2), ("rating.suggestion", "<=", 5)],
                 [("label", "==", "good"), ("label", "==", "bad")]):
        want = [r["id"] for r in rows if all(has(terms[f](r), [v]) if op == "==" else r["rating"] >= v if op == ">=" else r["rating"] <= v
                                             for f, op, v in pair)]
        same(f"filter {pair}", ids(dataset.records(rg.Query(filter=pair))), want)


@check
def filters_by_server_id_and_time(c):
    dataset = c.dataset(plain())
    dataset.records.log([{"id": i, "text": "first"} for i in range(3)])
    all_records = list(dataset.records)
    same("by server id", ids(dataset.records(rg.Query(filter=("_server_id", "==", all_records[1]._server_id)))), ["1"])
    same("in server ids", ids(dataset.records(rg.Query(filter=("_server_id", "in", [r._server_id for r in all_records[:2]])))), ["0", "1"])
    middle = datetime.datetime.utcnow()
    dataset.records.log([{"id": i, "text": "second"} for i in range(2, 5)])
    same("inserted before", ids(dataset.records(rg.Query(filter=("inserted_at", "<=", middle)))), ["0", "1", "2"])
    same("inserted after", ids(dataset.records(rg.Query(filter=("inserted_at", ">=", middle)))), ["3", "4"])
    same("changed after", ids(dataset.records(rg.Query(filter=("updated_at", ">=", middle)))), ["2", "3", "4"])
    zone = middle.replace(tzinfo=datetime.timezone.utc).astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    same("with a zone", ids(dataset.records(rg.Query(filter=("inserted_at", ">=", zone)))), ["3", "4"])


@check
def unknown_names_in_a_query_are_refused(c):
    dataset = c.dataset(plain(vectors=[rg.VectorField("v", dimensions=2)]))
    for field in ("metadata.none", "none.suggestion", "none.response", "none"):
        raises(UnprocessableEntityError, list, dataset.records(rg.Query(filter=(field, "==", "x"))))
    raises(UnprocessableEntityError, list, dataset.records(rg.Query(similar=rg.Similar("none", [1.0, 2.0]))))
    dataset.records.log([{"id": "bare", "text": "no vector"}])
    raises(UnprocessableEntityError, list, dataset.records(rg.Query(similar=rg.Similar("v", next(iter(dataset.records))))))


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / (sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5)


@check
def similar_records_are_found(c):
    chance = random.Random(5)
    dataset = c.dataset(plain(metadata=[rg.IntegerMetadataProperty("half")], vectors=[rg.VectorField("v", dimensions=12), rg.VectorField("w", dimensions=2)]))
    vectors = {str(i): [chance.uniform(-1, 1) for _ in range(12)] for i in range(200)}
    dataset.records.log([rg.Record(id=i, fields={"text": f"row {i}"}, vectors={"v": v}, metadata={"half": int(i) % 2}) for i, v in vectors.items()])
    dataset.records.log([{"id": "none", "text": "no vector"}])
    records = {r.id: r for r in dataset.records}

    def compare(what, similar, wanted, **more):
        got = list(dataset.records(rg.Query(similar=similar, **more), limit=150))
        same(what, [r.id for r, _ in got], wanted[:150])
        return [s for _, s in got]
    near = sorted(vectors, key=lambda i: -cosine(vectors[i], vectors["3"]))
    scores = compare("most similar to a value", rg.Similar("v", vectors["3"]), near)
    assert max(abs(s - (1 + cosine(vectors[i], vectors["3"])) / 2) for i, s in zip(near, scores)) < 1e-5, "other scores"
    compare("most similar to a record", rg.Similar("v", records["3"]), near[1:])
    scores = compare("least similar to a value", rg.Similar("v", vectors["3"], most_similar=False), near[::-1])
    assert scores == sorted(scores, reverse=True), "the best match must have the best score"
    compare("least similar to a record", rg.Similar("v", records["3"], most_similar=False), [i for i in near[::-1] if i != "3"])
    compare("with a filter", rg.Similar("v", vectors["3"]), [i for i in near if int(i) % 2], filter=("metadata.half", "==", "1"))
    compare("with a text", rg.Similar("v", vectors["3"]), [i for i in near if i in ("7", "8")], query="7 | 8")
    same("vectors nobody has", list(dataset.records(rg.Query(similar=rg.Similar("w", [1.0, 0.0])))), [])
    many = [rg.Record(id=f"m{i}", fields={"text": "m"}, vectors={"v": [chance.uniform(-1, 1) for _ in range(12)]}) for i in range(1000)]
    dataset.records.log(many)
    all_near = list(dataset.records(rg.Query(similar=rg.Similar("v", vectors["3"]))))
    same("at most a thousand", (len(all_near), all_near[0][0].id, len({r.id for r, _ in all_near})), (1000, "3", 1000))


# ---- progress and export ------------------------------------------------------------------------------------------------------

@check
def progress_counts(c):
    dataset = c.dataset(plain(distribution=rg.TaskDistribution(min_submitted=2)))
    same("progress without records", dataset.progress(), {"total": 0, "completed": 0, "pending": 0})
    users = [c.server.user("annotator", [c.workspace.id]) for _ in range(2)]
    plan = [["submitted", "submitted"], ["submitted", None], ["draft", "discarded"], [None, None], ["submitted", "draft"]]
    dataset.records.log([rg.Record(id=i, fields={"text": "x"}, responses=[rg.Response("label", "good", users[n].id, s) for n, s in enumerate(p) if s])
                         for i, p in enumerate(plan)])
    zero = {"submitted": 0, "discarded": 0, "draft": 0}
    want = {"total": 5, "completed": 1, "pending": 4, "users": {
        users[0].username: {"completed": {**zero, "submitted": 1}, "pending": {"submitted": 2, "discarded": 0, "draft": 1}},
        users[1].username: {"completed": {**zero, "submitted": 1}, "pending": {"submitted": 0, "discarded": 1, "draft": 1}}}}
    same("progress", dataset.progress(with_users_distribution=True), want)
    same("who answered", sorted(u["username"] for u in c.server.want(200, "GET", f"/api/v1/datasets/{dataset.id}/progress")["users"]), sorted(u.username for u in users))
    dataset.settings.distribution.min_submitted = 1
    dataset.update()
    same("progress after the quota fell", {k: dataset.progress()[k] for k in ("completed", "pending")}, {"completed": 3, "pending": 2})
    same("status", [r.status for r in dataset.records], ["completed", "completed", "pending", "pending", "completed"])


@check
def exports_hold_what_was_logged(c):
    dataset = c.dataset(every_kind())
    users = [c.server.user("annotator") for _ in range(2)]
    sent = full_records(c, users)
    dataset.records.log(sent)
    rows = dataset.records(with_vectors=True).to_list(flatten=False)
    same("to_list", [(r["id"], r["fields"], r["metadata"], r["vectors"]) for r in rows],
         [(r.id, r.to_dict()["fields"], r.to_dict()["metadata"], r.to_dict()["vectors"]) for r in sent])
    same("suggestion in to_list", rows[0]["suggestions"]["topics"], {"value": ["b", "e"], "score": [0.5, 0.75], "agent": "m"})
    flat = dataset.records.to_list(flatten=True)
    same("flat", (flat[0]["text"], flat[0]["label.suggestion"], flat[0]["label.responses"], flat[0]["label.responses.users"],
                  flat[0]["label.responses.status"], flat[2]["source"]),
         (sent[0].fields["text"], "odd", ["good", "bad"], [u.id for u in users], ["submitted", "draft"], ["web", "book"]))
    same("to_dict by names", dataset.records.to_dict()["id"], [r.id for r in sent])
    same("to_dict by index", list(dataset.records.to_dict(orient="index")), [r.id for r in sent])


@check
def records_become_a_table(c):
    dataset = c.dataset(rg.Settings(fields=[rg.TextField("text"), rg.ImageField("image", required=False), rg.ChatField("chat", required=False)],
                                    questions=[rg.LabelQuestion("label", labels=LABELS)], metadata=[rg.IntegerMetadataProperty("words")],
                                    vectors=[rg.VectorField("small", dimensions=3)]))
    chat, vector = [{"role": "user", "content": "Hi"}], [0.1, 1 / 3, -2e-17]
    dataset.records.log([rg.Record(id="a", fields={"text": "x", "image": DATA_URL, "chat": chat}, metadata={"words": 3}, vectors={"small": vector},
                                   suggestions=[rg.Suggestion("label", "odd", score=0.5)],
                                   responses=[rg.Response("label", "good", c.client.me.id, "submitted")])])
    table = dataset.records(with_vectors=True).to_datasets()
    row = table[0]
    row["label.suggestion"] = table.features["label.suggestion"].int2str(row["label.suggestion"])
    same("row", [row[k] for k in ("id", "text", "chat", "words", "small", "label.suggestion", "label.suggestion.score", "label.responses", "label.responses.status")],
         ["a", "x", chat, 3, vector, "odd", 0.5, ["good"], ["submitted"]])
    same("size of the image", row["image"].size, (1, 1))


@check
def a_dataset_goes_to_disk_and_back(c):
    dataset = c.dataset(every_kind())
    users = [c.server.user("annotator") for _ in range(2)]
    dataset.records.log(full_records(c, users))
    with tempfile.TemporaryDirectory() as folder:
        dataset.to_disk(folder)
        back = rg.Dataset.from_disk(folder, name=unique("back"), workspace=c.workspace.name, client=c.client)
        same("settings", bare(back.settings), bare(dataset.settings))
        drop = lambda r: {k: v for k, v in r.to_dict().items() if k not in ("_server_id", "status")}
        a, b = [drop(r) for r in dataset.records], [drop(r) for r in c.read(back).records]
        for x, y in zip(a, b):
            same("a record that was exported and imported", y, x)
        same("records", len(b), len(a))
        file = os.path.join(folder, "rows.json")
        dataset.records.to_json(file)
        third = c.dataset(every_kind())
        third.records.from_json(file)
        same("records through JSON", [drop(r) for r in third.records], a)


run(Case)
