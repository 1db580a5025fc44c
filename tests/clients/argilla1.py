"""Argilla's FeedbackDataset client, 1.29, unmodified: it compares status codes exactly (usage: common.py)."""
import datetime, os, warnings
warnings.simplefilter("ignore")
os.environ["ARGILLA_ENABLE_TELEMETRY"] = "0"
from common import check, raises, run, same, unique
import argilla as rg
from argilla.client.feedback.schemas.records import SortBy
from argilla.client.sdk.commons.errors import UnauthorizedApiError

LABELS = ["good", "bad", "odd"]
TEXT = "Zoë met 😀 Bob in Rome"
SPAN = [{"label": "per", "start": TEXT.index("Bob"), "end": TEXT.index("Bob") + 3}]
RANKED = [{"value": "first", "rank": 2}, {"value": "second", "rank": 1}]


class Case:
    def __init__(self, server):
        self.server = server
        rg.init(api_url=server.url, api_key=server.key)
        self.workspace = rg.Workspace.create(name("ws"))

    def push(self, dataset, **more):
        return dataset.push_to_argilla(name("set"), workspace=self.workspace.name, show_progress=False, **more)

    def read(self, remote, **more):
        """The dataset as a client sees it that knows only its name."""
        return rg.FeedbackDataset.from_argilla(remote.name, workspace=self.workspace.name, **more)

    def user(self, role="annotator"):
        return rg.User.create(name("user"), "12345678", first_name="A", role=role, workspaces=[self.workspace.name])


def name(start):
    return unique(start).replace("_", "-")


def every_kind():
    return rg.FeedbackDataset(
        guidelines="Read twice.", allow_extra_metadata=False,
        fields=[rg.TextField(name="text", title="The text", use_markdown=True), rg.TextField(name="more", required=False)],
        questions=[rg.TextQuestion(name="comment", title="Say it", description="In words", required=False, use_markdown=True),
                   rg.RatingQuestion(name="rating", values=[0, 2, 10], required=False),
                   rg.LabelQuestion(name="label", labels={"good": "Good one", "bad": "Bad one", "odd": "Odd one"}, required=True),
                   rg.MultiLabelQuestion(name="topics", labels=["a", "b", "c", "d"], visible_labels=3, required=False),
                   rg.RankingQuestion(name="ranking", values=["first", "second"], required=False),
                   rg.SpanQuestion(name="spans", field="text", labels={"per": "Person", "loc": "Place"}, allow_overlapping=True, required=False)],
        metadata_properties=[rg.TermsMetadataProperty(name="source", values=["web", "book"], title="From"),
                             rg.IntegerMetadataProperty(name="words", min=0, max=1000), rg.FloatMetadataProperty(name="odds", min=0.0, max=9.5),
                             rg.TermsMetadataProperty(name="hidden", visible_for_annotators=False)],
        vectors_settings=[rg.VectorSettings(name="small", dimensions=3)])


def plain(records=()):
    dataset = rg.FeedbackDataset(fields=[rg.TextField(name="text")], questions=[rg.LabelQuestion(name="label", labels=LABELS)],
                                 metadata_properties=[rg.TermsMetadataProperty(name="source"), rg.IntegerMetadataProperty(name="words"),
                                                      rg.FloatMetadataProperty(name="odds")],
                                 vectors_settings=[rg.VectorSettings(name="v", dimensions=2)])
    if records:
        dataset.add_records(list(records))
    return dataset


def full_record(user):
    return rg.FeedbackRecord(
        fields={"text": TEXT, "more": "and more"}, metadata={"source": "web", "words": 7, "odds": 0.1}, vectors={"small": [0.1, 1 / 3, -2e-17]},
        external_id="full",
        suggestions=[{"question_name": "comment", "value": "say so", "agent": "m-1", "type": "model", "score": 0.5},
                     {"question_name": "rating", "value": 10}, {"question_name": "label", "value": "odd", "type": "human"},
                     {"question_name": "topics", "value": ["a", "d"], "score": [0.25, 0.75]}, {"question_name": "ranking", "value": RANKED},
                     {"question_name": "spans", "value": SPAN}],
        responses=[{"user_id": user.id, "status": "submitted", "values": {
            "comment": {"value": "first"}, "rating": {"value": 0}, "label": {"value": "good"}, "topics": {"value": ["b"]},
            "ranking": {"value": RANKED}, "spans": {"value": SPAN}}}])


def values(response):
    return {k: v.dict()["value"] for k, v in response.values.items()}


def bare(items):
    return [{k: v for k, v in i.dict().items() if k not in ("id", "client")} for i in items]


def ids(records):
    return [r.external_id for r in records]


@check
def a_client_starts_and_knows_itself(c):
    me = rg.User.me()
    same("role", me.role, "owner")
    assert me.is_owner and me.first_name and me.id and c.workspace.name in [w.name for w in me.workspaces]
    raises(UnauthorizedApiError, rg.init, api_url=c.server.url, api_key="no-such-key")
    rg.init(api_url=c.server.url, api_key=c.server.key, workspace=c.workspace.name)
    same("active workspace", rg.get_workspace(), c.workspace.name)


@check
def users_and_workspaces(c):
    user = rg.User.create(name("user"), "12345678", first_name="Ada", last_name="L", role="admin", workspaces=[c.workspace.name])
    same("user", (user.first_name, user.last_name, user.full_name, user.role), ("Ada", "L", "Ada L", "admin"))
    same("user by name", rg.User.from_name(user.username).id, user.id)
    same("user by id", rg.User.from_id(user.id).username, user.username)
    assert user.username in [u.username for u in rg.User.list()]
    same("workspaces of a user", [w.name for w in rg.User.from_name(user.username).workspaces], [c.workspace.name])
    raises(KeyError, rg.User.create, user.username, "12345678", first_name="x", role="admin")
    raises(ValueError, rg.User.from_name, "nobody-of-this-name")
    workspace = rg.Workspace.create(name("ws"))
    same("workspace by name", rg.Workspace.from_name(workspace.name).id, workspace.id)
    same("workspace by id", rg.Workspace.from_id(workspace.id).name, workspace.name)
    assert workspace.name in [w.name for w in rg.Workspace.list()]
    raises(ValueError, rg.Workspace.create, workspace.name)
    raises(ValueError, rg.Workspace.from_name, name("none"))
    workspace.add_user(user.id)
    same("members", [u.id for u in workspace.users], [user.id])
    raises(ValueError, workspace.add_user, user.id)
    workspace.delete_user(user.id)
    same("members after a removal", workspace.users, [])
    raises(ValueError, workspace.delete_user, user.id)
    remote = plain().push_to_argilla(name("set"), workspace=workspace.name)
    raises(ValueError, workspace.delete)
    remote.delete()
    workspace.delete()
    raises(ValueError, rg.Workspace.from_name, workspace.name)
    user.delete()
    raises(ValueError, rg.User.from_name, user.username)
    raises(ValueError, user.delete)


@check
def settings_come_back_as_sent(c):
    local = every_kind()
    for remote in (pushed := c.push(local), c.read(pushed)):
        same("fields", bare(remote.fields), bare(local.fields))
        same("questions", bare(remote.questions), bare(local.questions))
        same("metadata", bare(remote.metadata_properties), bare(local.metadata_properties))
        same("vectors", [(v.name, v.title, v.dimensions) for v in remote.vectors_settings], [("small", "small", 3)])  # it sends the name as title
        same("dataset", (remote.guidelines, remote.allow_extra_metadata, remote.workspace.name), ("Read twice.", False, c.workspace.name))
        assert isinstance(remote.created_at, datetime.datetime) and isinstance(remote.updated_at, datetime.datetime)
    assert pushed.name in [d.name for d in rg.FeedbackDataset.list(workspace=c.workspace.name)]
    same("by id", rg.FeedbackDataset.from_argilla(id=pushed.id).name, pushed.name)
    raises(Exception, local.push_to_argilla, pushed.name, workspace=c.workspace.name)
    raises(ValueError, rg.FeedbackDataset.from_argilla, name("none"), workspace=c.workspace.name)
    pushed.delete()
    raises(ValueError, c.read, pushed)


@check
def records_come_back_as_sent(c):
    user, local = c.user(), every_kind()
    sent = full_record(user)
    local.add_records([sent, rg.FeedbackRecord(fields={"text": "alone"}, external_id="alone")])
    remote = c.read(c.push(local), with_vectors="all")
    same("count", len(remote), 2)
    full, alone = list(remote.records)
    for part in ("fields", "metadata", "vectors", "external_id"):
        same(part, getattr(full, part), getattr(sent, part))
    same("suggestions", [(s.question_name, s.dict()["value"], s.score, s.type, s.agent) for s in full.suggestions],
         [(s.question_name, s.dict()["value"], s.score, s.type, s.agent) for s in sent.suggestions])
    same("responses", [(r.user_id, r.status.value, values(r)) for r in full.responses], [(r.user_id, r.status.value, values(r)) for r in sent.responses])
    same("a bare record", (alone.fields, alone.metadata, alone.vectors, list(alone.suggestions), alone.responses), ({"text": "alone"}, {}, {}, [], []))
    same("without vectors", c.read(remote)[0].vectors, {})
    same("with named vectors", c.read(remote, with_vectors=["small"])[0].vectors, sent.vectors)
    same("pulled", [r.dict(exclude={"responses", "suggestions"}) for r in remote.pull().records],
         [r.to_local().dict(exclude={"responses", "suggestions"}) for r in (full, alone)])


@check
def responses_without_a_user_are_mine(c):
    remote = c.push(plain([rg.FeedbackRecord(fields={"text": "x"}, responses=[{"values": {"label": {"value": "bad"}}}])]))
    same("user of the response", [r.user_id for r in remote[0].responses], [rg.User.me().id])


@check
def records_are_added_in_batches_and_sliced(c):
    remote = c.push(plain([rg.FeedbackRecord(fields={"text": f"row {i}"}, external_id=str(i)) for i in range(270)]))
    remote.add_records([{"fields": {"text": f"row {i}"}, "external_id": str(i)} for i in range(270, 300)])
    same("count", len(remote), 300)
    same("order", ids(remote.records), [str(i) for i in range(300)])
    same("a slice", ids(remote[248:253]), ["248", "249", "250", "251", "252"])
    same("the last", remote[299].external_id, "299")


def for_filters(c):
    user = c.user()
    status = [None, "submitted", "draft", "discarded"]
    rows = [{"id": str(i), "source": ["web", "book", "talk"][i % 3], "words": (i * 7) % 20, "odds": i / 4 if i % 5 else None, "status": status[i % 4]}
            for i in range(24)]
    records = [rg.FeedbackRecord(fields={"text": f"row {r['id']}"}, external_id=r["id"],
                                 metadata={k: r[k] for k in ("source", "words", "odds") if r[k] is not None}, vectors={"v": [1.0, r["words"] / 10]},
                                 responses=[{"user_id": user.id, "status": r["status"], "values": {"label": {"value": "good"}}}] if r["status"] else [])
               for r in rows]
    return c.push(plain(records)), rows


@check
def records_are_filtered(c):
    remote, rows = for_filters(c)
    T, I, F = rg.TermsMetadataFilter, rg.IntegerMetadataFilter, rg.FloatMetadataFilter
    cases = [({"response_status": "submitted"}, lambda r: r["status"] == "submitted"),
             ({"response_status": "pending"}, lambda r: r["status"] is None),
             ({"response_status": ["draft", "discarded"]}, lambda r: r["status"] in ("draft", "discarded")),
             ({"response_status": ["pending", "draft"]}, lambda r: r["status"] in (None, "draft")),
             ({"metadata_filters": T(name="source", values=["web", "talk"])}, lambda r: r["source"] != "book"),
             ({"metadata_filters": I(name="words", ge=5)}, lambda r: r["words"] >= 5),
             ({"metadata_filters": I(name="words", ge=5, le=9)}, lambda r: 5 <= r["words"] <= 9),
             ({"metadata_filters": F(name="odds", le=2.5)}, lambda r: r["odds"] is not None and r["odds"] <= 2.5),
             ({"metadata_filters": [T(name="source", values=["web", "book"]), I(name="words", le=10)], "response_status": "submitted"},
              lambda r: r["source"] != "talk" and r["words"] <= 10 and r["status"] == "submitted")]
    for given, keeps in cases:
        wanted = [r["id"] for r in rows if keeps(r)]
        assert wanted, "a filter that keeps nothing proves nothing"
        found = remote.filter_by(**given)
        same(f"records of {given}", ids(found.records), wanted)
        same(f"count of {given}", len(found), len(wanted))


@check
def records_are_sorted(c):
    remote, rows = for_filters(c)
    number = lambda r: int(r["id"])
    cases = [([SortBy(field="metadata.words", order="desc"), SortBy(field="metadata.source")], lambda r: (-r["words"], r["source"])),
             ([SortBy(field="metadata.odds", order="asc")], lambda r: (r["odds"] is None, r["odds"] or 0)),
             ([SortBy(field="metadata.odds", order="desc")], lambda r: (r["odds"] is None, -(r["odds"] or 0))),
             ([SortBy(field="metadata.source", order="desc"), SortBy(field="metadata.words")], lambda r: (["web", "talk", "book"].index(r["source"]), r["words"]))]
    for sort, key in cases:
        same(f"sorted by {sort}", ids(remote.sort_by(sort).records), [r["id"] for r in sorted(rows, key=lambda r: (*key(r), number(r)))])
    same("sorted by time", sorted(ids(remote.sort_by([SortBy(field="inserted_at", order="desc")]).records), key=int), [r["id"] for r in rows])
    found = remote.filter_by(metadata_filters=rg.IntegerMetadataFilter(name="words", ge=10)).sort_by([SortBy(field="metadata.words")])
    same("filtered and sorted", [r.metadata["words"] for r in found.records], sorted(r["words"] for r in rows if r["words"] >= 10))


@check
def similar_records_are_found(c):
    remote, rows = for_filters(c)
    near = lambda target, some: [r["words"] for r in sorted(some, key=lambda r: -(1 + r["words"] * target / 100) / ((1 + r["words"] ** 2 / 100) ** 0.5))]
    got = remote.find_similar_records("v", value=[1.0, 1.9], max_results=10)
    same("near a value", [r.metadata["words"] for r, _ in got], near(19, rows)[:10])
    assert all(0 <= s <= 1 for _, s in got) and [s for _, s in got] == sorted((s for _, s in got), reverse=True)
    first = remote[0]
    got = remote.find_similar_records("v", record=first, max_results=5)
    same("near a record", [r.metadata["words"] for r, _ in got], near(rows[0]["words"], rows[1:])[:5])
    some = remote.filter_by(response_status="submitted", metadata_filters=rg.TermsMetadataFilter(name="source", values=["web", "book"]))
    kept = [r for r in rows if r["status"] == "submitted" and r["source"] != "talk"]
    same("near a value, filtered", [r.metadata["words"] for r, _ in some.find_similar_records("v", value=[1.0, 1.9])], near(19, kept))


@check
def records_are_updated(c):
    user, local = c.user(), every_kind()
    local.add_records([full_record(user), rg.FeedbackRecord(fields={"text": TEXT}, external_id="b")])
    remote = c.read(c.push(local), with_vectors="all")
    a, b = list(remote.records)
    a.metadata.update({"words": 8, "source": "book"})
    a.vectors = {"small": [1.0, 2.0, 3.0]}
    a.suggestions = [{"question_name": "label", "value": "bad", "score": 0.5, "agent": "second"}]
    b.metadata = {"odds": 9.5}
    b.suggestions = [{"question_name": "rating", "value": 2}]
    remote.update_records([a, b])
    again = list(c.read(remote, with_vectors="all").records)
    same("metadata", [r.metadata for r in again], [{"source": "book", "words": 8, "odds": 0.1}, {"odds": 9.5}])
    same("vectors", [r.vectors for r in again], [{"small": [1.0, 2.0, 3.0]}, {}])
    same("suggestions", [[(s.question_name, s.value, s.score, s.agent) for s in r.suggestions] for r in again],
         [[("label", "bad", 0.5, "second")], [("rating", 2, None, None)]])
    same("responses stay", [values(r) for r in again[0].responses], [values(r) for r in full_record(user).responses])
    one = again[0]
    one.metadata["words"] = 9
    one.suggestions = []
    one.update()
    one = c.read(remote)[0]
    same("one record", (one.metadata["words"], list(one.suggestions), one.fields["text"]), (9, [], TEXT))


@check
def suggestions_are_deleted(c):
    user, local = c.user(), every_kind()
    local.add_records(full_record(user))
    remote = c.push(local)
    record = remote[0]
    record.delete_suggestions([s for s in record.suggestions if s.question_name in ("label", "spans")])
    same("what is left", [s.question_name for s in c.read(remote)[0].suggestions], ["comment", "rating", "topics", "ranking"])


@check
def records_are_deleted(c):
    remote = c.push(plain([rg.FeedbackRecord(fields={"text": f"row {i}"}, external_id=str(i)) for i in range(150)]))
    records = list(remote.records)
    gone = records[0].delete()
    same("what delete() gives back", (gone.external_id, gone.fields), ("0", {"text": "row 0"}))
    remote.delete_records(records[1:141])
    same("what is left", ids(remote.records), [str(i) for i in range(141, 150)])
    remote.delete_records(list(remote.records)[-1])
    same("count", len(remote), 8)


@check
def settings_change_after_publishing(c):
    remote = c.push(plain())
    added = remote.add_metadata_property(rg.FloatMetadataProperty(name="late", min=0.5, max=1.5))
    same("new metadata", (added.name, added.min, added.max), ("late", 0.5, 1.5))
    words = remote.metadata_properties[1]
    words.title, words.visible_for_annotators = "How many", False
    remote.update_metadata_properties(words)
    same("deleted metadata", remote.delete_metadata_properties("source").name, "source")
    same("metadata", [(m.name, m.title, m.visible_for_annotators) for m in c.read(remote).metadata_properties],
         [("words", "How many", False), ("odds", "odds", True), ("late", "late", True)])
    remote.add_vector_settings(rg.VectorSettings(name="w", dimensions=4))
    raises(ValueError, remote.add_vector_settings, rg.VectorSettings(name="w", dimensions=4))
    v = remote.vectors_settings[0]
    v.title = "First one"
    remote.update_vectors_settings(v)
    same("deleted vectors", remote.delete_vectors_settings("w").name, "w")
    same("vectors", [(v.name, v.title, v.dimensions) for v in c.read(remote).vectors_settings], [("v", "First one", 2)])


@check
def bad_records_are_refused_whole(c):
    remote = c.push(every_kind())
    send = lambda item: c.server.ask("POST", f"/api/v1/datasets/{remote.id}/records", {"items": [{"fields": {"text": "right"}}, item]})[0]
    for item in ({"fields": {"more": "no text"}}, {"fields": {"text": "x", "none": "y"}}, {"fields": {"text": "x"}, "metadata": {"source": "none"}},
                 {"fields": {"text": "x"}, "metadata": {"unknown": 1}}, {"fields": {"text": "x"}, "vectors": {"small": [1.0]}}):
        same(f"status for {item}", send(item), 422)
    same("records that were kept", len(remote), 0)


@check
def annotators_may_not_change_anything(c):
    remote = c.push(plain([rg.FeedbackRecord(fields={"text": "x"})]))
    annotator = c.user()
    try:
        rg.init(api_url=c.server.url, api_key=annotator.api_key)
        same("role", rg.User.me().role, "annotator")
        same("workspaces", [w.name for w in rg.Workspace.list()], [c.workspace.name])
        seen = c.read(remote)
        same("questions", bare(seen.questions), bare(remote.questions))
        for refused in (lambda: seen.add_records({"fields": {"text": "y"}}), seen.delete, rg.User.list, lambda: rg.Workspace.create(name("ws"))):
            raises(PermissionError, refused)
        raises(Exception, plain().push_to_argilla, name("set"), workspace=c.workspace.name)
    finally:
        rg.init(api_url=c.server.url, api_key=c.server.key)
    same("count", len(c.read(remote)), 1)


@check
def a_dataset_becomes_a_table(c):
    user, local = c.user(), every_kind()
    local.add_records([full_record(user)])
    table = c.push(local).pull().format_as("datasets")
    same("row", (table[0]["text"], table[0]["label-suggestion"], table[0]["label"][0]["value"], table[0]["external_id"]), (TEXT, "odd", "good", "full"))


run(Case)
