"""What the scripts with Argilla's SDK 2.8 share: a client with a workspace of its own, and datasets of every kind."""
import base64, warnings
from common import same, unique
import argilla as rg

warnings.simplefilter("ignore")
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
DATA_URL = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
LABELS = ["good", "bad", "odd"]
ENTITIES = {"PER": "Person", "LOC": "Place", "ORG": "Organisation", "MISC": "Other"}


class Case:
    """One server, its owner's client, and a workspace made for the checks."""

    def __init__(self, server):
        self.server, self.client = server, rg.Argilla(api_url=server.url, api_key=server.key)
        self.workspace = rg.Workspace(name=unique("ws"), client=self.client).create()

    def as_user(self, role, member=True):
        """The client of a new user, who is a member of the workspace or not."""
        user = self.server.user(role, [self.workspace.id] if member else [])
        client = rg.Argilla(api_url=self.server.url, api_key=user.key)
        rg.Argilla._set_default(self.client)
        client.key = user.key
        return client

    def dataset(self, settings, name=None, **more):
        return rg.Dataset(name=name or unique("set"), workspace=self.workspace, settings=settings, client=self.client, **more).create()

    def read(self, dataset):
        """The dataset as a client sees it that knows only its name."""
        return self.client.datasets(name=dataset.name, workspace=self.workspace)


def every_kind():
    return rg.Settings(
        guidelines="Read *twice*, answer once. 日本語 😀",
        allow_extra_metadata=True,
        distribution=rg.TaskDistribution(min_submitted=2),
        fields=[rg.TextField("text", title="The text", use_markdown=True, required=True),
                rg.ImageField("image", title="A picture", required=False),
                rg.ChatField("chat", use_markdown=False, required=False),
                rg.CustomField("custom", template="<b>{{record.fields.custom.a}}</b>", advanced_mode=True, required=False)],
        questions=[rg.TextQuestion("comment", title="Say it", description="In your words", required=False, use_markdown=True),
                   rg.RatingQuestion("rating", values=[0, 2, 10], required=False),
                   rg.LabelQuestion("label", labels={"good": "Good one", "bad": "Bad one", "odd": "Odd one"}, required=True),
                   rg.MultiLabelQuestion("topics", labels=["a", "b", "c", "d", "e"], visible_labels=4, labels_order="suggestion",
                                         required=False),
                   rg.RankingQuestion("ranking", values=["first", "second", "third"], required=False),
                   rg.SpanQuestion("spans", field="text", labels=ENTITIES, allow_overlapping=True, visible_labels=3, required=False)],
        metadata=[rg.TermsMetadataProperty("source", options=["web", "book", True, 7], title="Where from"),
                  rg.TermsMetadataProperty("free", visible_for_annotators=False),
                  rg.IntegerMetadataProperty("words", min=0, max=1000),
                  rg.FloatMetadataProperty("odds", min=-0.5, max=1.5),
                  rg.FloatMetadataProperty("open")],
        vectors=[rg.VectorField("small", dimensions=3, title="Small one"), rg.VectorField("wide", dimensions=8)])


def plain(questions=None, **more):
    return rg.Settings(fields=[rg.TextField("text")], questions=questions or [rg.LabelQuestion("label", labels=LABELS)], **more)


def bare(settings):
    """The settings as plain values, without what the server adds to them (ids, times), an absent description being null."""
    drop = ("id", "inserted_at", "updated_at", "dataset_id")
    result = {k: v for k, v in settings.serialize().items() if k not in ("questions", "fields", "vectors", "metadata")}
    for kind in ("fields", "questions", "vectors", "metadata"):
        result[kind] = [{k: v for k, v in item.items() if k not in drop} for item in settings.serialize()[kind]]
    for question in result["questions"]:
        for option in question["settings"].get("options", []):
            if option.get("description", "") is None:
                del option["description"]
        question["settings"].pop("allow_character_annotation", None)
    return result


def same_record(record, sent, **given):
    """What came back for a record, against what was logged as a dictionary of fields, metadata, vectors."""
    got = record.to_dict()
    for part in ("fields", "metadata", "vectors"):
        same(f"{part} of record {record.id}", got[part], given.get(part, sent.get(part, {})))
    same("id", record.id, str(sent["id"]))


def ids(records):
    return [r.id for r in records]
