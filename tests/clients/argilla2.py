"""Argilla's own SDK, 2.8, unmodified: people, workspaces, settings, webhooks, roles, refusals (usage: common.py)."""
import base64, uuid
from common import check, raises, run, same, unique
import httpx
import argilla as rg
from argilla._exceptions import (ArgillaCredentialsError, ConflictError, ForbiddenError, NotFoundError, SettingsError,
                                 UnprocessableEntityError)
from sdk2 import LABELS, Case, bare, every_kind, plain


# ---- who and where ------------------------------------------------------------------------------------------------------------

@check
def a_client_knows_itself(c):
    same("role", c.client.me.role, "owner")
    assert c.client.me.id and c.client.me.inserted_at and c.client.me.first_name
    raises(ArgillaCredentialsError, rg.Argilla, api_url=c.server.url, api_key="no-such-key")
    rg.Argilla._set_default(c.client)


@check
def users_are_made_found_changed_and_removed(c):
    user = rg.User(username=unique("user"), first_name="Ada", last_name="Lovelace", role="admin", password="12345678", client=c.client)
    c.client.users.add(user)
    found = c.client.users(username=user.username)
    same("user by name", found, c.client.users(id=user.id))
    for member, value in (("id", user.id), ("first_name", "Ada"), ("last_name", "Lovelace"), ("role", "admin"), ("password", None)):
        same(member, getattr(found, member), value)
    assert found in c.client.users and len(c.client.users) == len(c.client.users.list())
    found.first_name, found.last_name, found.role = "Augusta", "King", "annotator"
    found.update()
    again = c.client.users(id=str(user.id))
    same("changed user", (again.first_name, again.last_name, again.role, again.username), ("Augusta", "King", "annotator", user.username))
    again.delete()
    assert not c.client.api.users.exist(user.id)
    same("user by the id of a removed one", c.client.users(id=user.id), None)
    same("user by an unknown name", c.client.users(username=user.username), None)


@check
def users_are_refused_as_documented(c):
    one = rg.User(username=unique("one"), password="12345678", client=c.client).create()
    two = rg.User(username=unique("two"), password="12345678", client=c.client).create()
    same("first name of a user without one", c.client.users(id=one.id).first_name, one.username)
    raises(ConflictError, rg.User(username=one.username, password="12345678", client=c.client).create)
    raises(UnprocessableEntityError, rg.User(username=unique("x"), client=c.client).create)
    raises(UnprocessableEntityError, rg.User(username=unique("x"), password="short", client=c.client).create)
    two.username = one.username
    raises(UnprocessableEntityError, two.update)
    chosen = uuid.uuid4()
    rg.User(id=chosen, username=unique("own-id"), password="12345678", client=c.client).create()
    same("id that was asked for", c.client.users(id=chosen).id, chosen)
    raises(ConflictError, rg.User(id=chosen, username=unique("own-id"), password="12345678", client=c.client).create)


@check
def workspaces_and_their_members(c):
    workspace = rg.Workspace(name=unique("Work-space"), client=c.client)
    c.client.workspaces.add(workspace)
    same("workspace by name", c.client.workspaces(workspace.name), workspace)
    same("workspace by id", c.client.workspaces(id=workspace.id), workspace)
    assert workspace in c.client.workspaces and c.client.api.workspaces.exists(workspace.id)
    same("default workspace", c.client.workspaces.default, c.client.workspaces[0])
    user = rg.User(username=unique("member"), password="12345678", client=c.client).create()
    other = rg.User(username=unique("member"), password="12345678", client=c.client).create()
    added = workspace.add_user(user.username)
    workspace.add_user(other)
    same("members", sorted(u.username for u in workspace.users), sorted([user.username, other.username]))
    assert added in workspace.users
    same("workspaces of a user", [w.name for w in c.client.api.workspaces.list_by_user_id(user.id)], [workspace.name])
    raises(ConflictError, workspace.add_user, user.username)
    raises(ConflictError, rg.Workspace(name=workspace.name, client=c.client).create)
    workspace.remove_user(user.username)
    same("members after a removal", [u.username for u in workspace.users], [other.username])
    raises(NotFoundError, workspace.remove_user, user)
    rg.Dataset(name=unique("set"), workspace=workspace, settings=plain(), client=c.client).create()
    raises(ConflictError, workspace.delete)
    for dataset in workspace.datasets:
        dataset.delete()
    workspace.delete()
    assert not c.client.api.workspaces.exists(workspace.id)
    same("workspace by the id of a removed one", c.client.workspaces(id=workspace.id), None)
    chosen = uuid.uuid4()
    rg.Workspace(id=chosen, name=unique("ws"), client=c.client).create()
    same("id that was asked for", c.client.workspaces(id=chosen).id, chosen)


# ---- settings -----------------------------------------------------------------------------------------------------------------

@check
def settings_of_every_kind_come_back_as_sent(c):
    sent = every_kind()
    dataset = c.dataset(sent)
    same("settings after create()", bare(dataset.settings), bare(sent))
    found = c.read(dataset)
    same("settings of a dataset that was looked up", bare(found.settings), bare(sent))
    same("model of the dataset", found._model, dataset._model)
    for kind in ("fields", "questions", "metadata", "vectors"):
        for a, b in zip(getattr(dataset.settings, kind), getattr(found.settings, kind)):
            same(f"model of {a.name}", b._model, a._model)
    same("settings.get() of the same dataset", c.client.datasets(id=dataset.id).get().settings, found.settings)
    same("status", found._model.status, "ready")


@check
def datasets_are_listed_and_removed(c):
    sets = [c.dataset(plain()) for _ in range(3)]
    names = [d.name for d in c.workspace.datasets]
    same("order of the list", [n for n in names if n in [d.name for d in sets]], [d.name for d in sets])
    assert sets[1].name in [d.name for d in c.client.datasets]
    sets[1].delete()
    assert not c.client.api.datasets.exists(sets[1].id)
    same("dataset by the id of a removed one", c.client.datasets(id=sets[1].id), None)
    same("dataset by the name of a removed one", c.read(sets[1]), None)


@check
def datasets_are_refused_as_documented(c):
    dataset = c.dataset(plain())
    raises(ConflictError, c.dataset, plain(), dataset.name)
    before = len(c.workspace.datasets)
    for settings in (plain([rg.LabelQuestion("label", labels=LABELS, required=False)]),
                     plain([rg.LabelQuestion("label", labels=["one"])]),
                     plain([rg.RatingQuestion("rating", values=[1, 11])]),
                     plain([rg.SpanQuestion("spans", field="nowhere", labels=LABELS)]),
                     plain([rg.SpanQuestion("s1", field="text", labels=LABELS), rg.SpanQuestion("s2", field="text", labels=LABELS)]),
                     plain(vectors=[rg.VectorField(f"v{i}", dimensions=2) for i in range(6)]),
                     rg.Settings(fields=[], questions=[rg.LabelQuestion("label", labels=LABELS)]),
                     rg.Settings(fields=[rg.TextField("text")], questions=[])):
        raises(SettingsError, c.dataset, settings)
    same("datasets left over by those that were refused", len(c.workspace.datasets), before)
    raises(NotFoundError, rg.Dataset(name=unique("set"), workspace="no-such-workspace", settings=plain(), client=c.client).create)
    raises(NotFoundError, rg.Dataset(name=unique("set"), workspace=uuid.uuid4(), settings=plain(), client=c.client).create)


@check
def settings_change_after_publishing(c):
    dataset = c.dataset(every_kind())
    s = dataset.settings
    s.guidelines, s.allow_extra_metadata, s.distribution.min_submitted = "New ones", False, 5
    s.fields["text"].title, s.fields["text"].use_markdown, s.fields["chat"].use_markdown = "Other title", False, True
    s.fields["custom"].template = "<i>new</i>"
    s.questions["label"].title, s.questions["label"].description = "Choose", "One of them"
    s.questions["label"].labels = {"odd": "Odd", "good": "Good", "bad": "Bad"}
    s.questions["topics"].visible_labels = 3
    s.questions["comment"].use_markdown = False
    s.metadata["source"].title, s.metadata["words"].visible_for_annotators = "From", False
    s.vectors["small"].title = "Smaller"
    s.vectors.add(rg.VectorField("late", dimensions=5))
    s.metadata.add(rg.FloatMetadataProperty("late_number", min=0, max=1))
    s.metadata.remove("free")
    s.vectors.remove("wide")
    dataset.update()
    got = c.read(dataset).settings
    same("settings after update()", bare(got), bare(s))
    same("order of the labels", [o["value"] for o in got.questions["label"]._model.settings.options], ["odd", "good", "bad"])
    same("vectors", [v.name for v in got.vectors], ["small", "late"])
    same("metadata", [m.name for m in got.metadata], ["source", "words", "odds", "open", "late_number"])


@check
def settings_that_cannot_change_are_refused(c):
    for change in (lambda s: setattr(s.questions["label"], "labels", ["good", "bad"]),
                   lambda s: setattr(s.questions["label"], "labels", ["good", "bad", "new"]),
                   lambda s: s.questions["spans"]._model.settings.__setattr__("allow_overlapping", False),
                   lambda s: s.fields.add(rg.TextField("more")),
                   lambda s: s.questions.add(rg.TextQuestion("more")),
                   lambda s: s.fields.remove("image"),
                   lambda s: s.questions.remove("rating")):
        dataset = c.dataset(every_kind())
        change(dataset.settings)
        raises(SettingsError, dataset.update)
        assert bare(c.read(dataset).settings)["questions"] == bare(every_kind())["questions"], "a refused change was kept"


@check
def templates_of_settings_work(c):
    for settings in (rg.Settings.for_classification(labels=["positive", "negative"]), rg.Settings.for_ranking(), rg.Settings.for_rating()):
        dataset = c.dataset(settings)
        same("settings of the template", bare(c.read(dataset).settings)["questions"], bare(settings)["questions"])


# ---- webhooks and refusals ----------------------------------------------------------------------------------------------------

@check
def webhooks_are_made_changed_and_removed(c):
    hook = rg.Webhook(url="https://example.org/hook", events=["record.created", "response.updated"], description="Mine", _client=c.client).create()
    found = next(w for w in c.client.webhooks if w.id == hook.id)
    same("webhook in the list", found, hook)
    assert found.enabled and len(base64.b64decode(found.secret)) >= 24
    found.url, found.events, found.description, found.enabled = "http://example.org/b", ["dataset.created"], "Changed", False
    found.update()
    again = next(w for w in c.client.webhooks if w.id == hook.id)
    same("changed webhook", (again.url, [e.value for e in again.events], again.description, again.enabled, again.secret),
         ("http://example.org/b", ["dataset.created"], "Changed", False, hook.secret))
    again.delete()
    assert hook.id not in [w.id for w in c.client.webhooks]
    raises(NotFoundError, c.client.api.webhooks.delete, hook.id)
    raises(UnprocessableEntityError, rg.Webhook(url="ftp://example.org", events=["record.created"], _client=c.client).create)
    raises(UnprocessableEntityError, rg.Webhook(url="https://example.org", events=[], _client=c.client).create)
    hooks = [rg.Webhook(url="https://example.org/", events=["dataset.deleted"], _client=c.client).create() for _ in range(10 - len(c.client.webhooks))]
    raises(UnprocessableEntityError, rg.Webhook(url="https://example.org/", events=["dataset.deleted"], _client=c.client).create)
    for w in hooks:
        w.delete()


@check
def roles_see_what_is_theirs(c):
    dataset = c.dataset(every_kind())
    dataset.records.log([{"id": "r", "text": "x"}])
    record = next(iter(dataset.records))
    annotator, admin, stranger = c.as_user("annotator"), c.as_user("admin"), c.as_user("admin", member=False)
    for client in (annotator, admin):
        same("workspaces", [w.name for w in client.workspaces], [c.workspace.name])
        same("dataset by name", client.datasets(name=dataset.name, workspace=c.workspace.name).id, dataset.id)
        raises(ForbiddenError, rg.User(username=unique("x"), password="12345678", client=client).create)
        raises(ForbiddenError, rg.Workspace(name=unique("x"), client=client).create)
        raises(ForbiddenError, client.users.list)
        raises(ForbiddenError, client.webhooks.list)
    same("metadata an annotator sees", [m.name for m in annotator.datasets(name=dataset.name, workspace=c.workspace.name).settings.metadata],
         ["source", "words", "odds", "open"])
    same("metadata an admin sees", [m.name for m in admin.datasets(name=dataset.name, workspace=c.workspace.name).settings.metadata],
         ["source", "free", "words", "odds", "open"])
    theirs = annotator.datasets(name=dataset.name, workspace=c.workspace.name)
    raises(ForbiddenError, theirs.records.log, [{"id": "n", "text": "y"}])
    raises(ForbiddenError, list, theirs.records())
    raises(ForbiddenError, theirs.delete)
    raises(ForbiddenError, rg.Dataset(name=unique("set"), workspace=c.workspace.name, settings=plain(), client=annotator).create)
    rg.Dataset(name=unique("set"), workspace=c.workspace.name, settings=plain(), client=admin).create().delete()
    admin.datasets(name=dataset.name, workspace=c.workspace.name).records.log([{"id": "n", "text": "y"}])
    same("workspaces of a stranger", list(stranger.workspaces), [])
    same("datasets of a stranger", len(stranger.datasets), 0)
    for ask in (lambda: stranger.api.datasets.get(dataset.id), lambda: stranger.api.records.get(record._server_id),
                lambda: stranger.api.workspaces.get(c.workspace.id), lambda: stranger.api.datasets.delete(dataset.id)):
        raises((ForbiddenError, NotFoundError), ask)
    assert not stranger.api.datasets.exists(dataset.id) and c.client.api.datasets.exists(dataset.id)
    rg.Argilla._set_default(c.client)


@check
def missing_things_are_missing(c):
    nobody = uuid.uuid4()
    for ask in (c.client.api.datasets.get, c.client.api.datasets.delete, c.client.api.datasets.publish, c.client.api.datasets.get_progress,
                c.client.api.workspaces.get, c.client.api.workspaces.delete, c.client.api.users.get, c.client.api.users.delete,
                c.client.api.records.get, c.client.api.records.delete, c.client.api.fields.list, c.client.api.questions.list,
                c.client.api.fields.delete, c.client.api.questions.delete, c.client.api.vectors.delete, c.client.api.webhooks.delete):
        raises(NotFoundError, ask, nobody)
    same("status for missing metadata", raises(httpx.HTTPStatusError, c.client.api.metadata.delete, nobody).response.status_code, 404)
    raises(UnprocessableEntityError, c.client.api.datasets.get, "not-an-id")


run(Case)
