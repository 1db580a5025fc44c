"""What the scripts on the wire share: a workspace, datasets made by requests, and the shapes of answers."""
import re, uuid
from common import same, unique

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$")
NOBODY = "00000000-0000-4000-8000-000000000000"
OPTIONS = [{"value": v, "text": v.title()} for v in ("good", "bad", "odd")]
USER = {"id", "first_name", "last_name", "username", "role", "api_key", "inserted_at", "updated_at"}
WORKSPACE = {"id", "name", "inserted_at", "updated_at"}
DATASET = {"id", "name", "guidelines", "allow_extra_metadata", "status", "distribution", "metadata", "workspace_id", "last_activity_at",
           "inserted_at", "updated_at"}
FIELD = {"id", "name", "title", "required", "settings", "dataset_id", "inserted_at", "updated_at"}
QUESTION = FIELD | {"description"}
PROPERTY = {"id", "name", "title", "settings", "visible_for_annotators", "dataset_id", "inserted_at", "updated_at"}
VECTOR = {"id", "name", "title", "dimensions", "dataset_id", "inserted_at", "updated_at"}
RECORD = {"id", "status", "fields", "metadata", "external_id", "dataset_id", "inserted_at", "updated_at"}
RESPONSE = {"id", "values", "status", "record_id", "user_id", "inserted_at", "updated_at"}
SUGGESTION = {"id", "question_id", "type", "value", "agent", "score", "inserted_at", "updated_at"}
WEBHOOK = {"id", "url", "secret", "events", "enabled", "description", "inserted_at", "updated_at"}


class Case:
    """The server, and a workspace made for the checks."""

    def __init__(self, server):
        self.server, self.want, self.ask = server, server.want, server.ask
        self.me = self.want(200, "GET", "/api/v1/me")
        self.workspace = self.want(201, "POST", "/api/v1/workspaces", {"name": unique("ws")})

    def draft(self, **more):
        return self.want(201, "POST", "/api/v1/datasets", {"name": unique("set"), "workspace_id": self.workspace["id"], **more})

    def add(self, dataset, kind, **body):
        body.setdefault("title", body["name"])
        return self.want(201, "POST", f"/api/v1/datasets/{dataset['id']}/{kind}", body)

    def dataset(self, questions=None, fields=None, metadata=(), vectors=(), **more):
        """A published dataset: a required text, a required label; questions by name. Holds the ids of its questions in "q"."""
        made = self.draft(**more)
        self.add(made, "fields", name="text", required=True, settings={"type": "text"})
        for name, settings in (fields or {}).items():
            self.add(made, "fields", name=name, settings=settings)
        made["q"] = {"label": self.add(made, "questions", name="label", required=True, settings={"type": "label_selection", "options": OPTIONS})["id"]}
        for name, settings in (questions or {}).items():
            made["q"][name] = self.add(made, "questions", name=name, settings=settings)["id"]
        for name, settings in dict(metadata).items():
            self.add(made, "metadata-properties", name=name, settings=settings)
        for name, dimensions in dict(vectors).items():
            self.add(made, "vectors-settings", name=name, dimensions=dimensions)
        return {**self.want(200, "PUT", f"/api/v1/datasets/{made['id']}/publish"), "q": made["q"]}

    def put(self, dataset, *items, status=200):
        return self.want(status, "PUT", f"/api/v1/datasets/{dataset['id']}/records/bulk", {"items": list(items)})

    def rows(self, dataset, n=1, **more):
        return self.put(dataset, *[{"external_id": str(i), "fields": {"text": f"row {i}"}, **more} for i in range(n)])["items"]

    def records(self, dataset, query=""):
        return self.want(200, "GET", f"/api/v1/datasets/{dataset['id']}/records{query}")

    def metrics(self, dataset, key=""):
        got = self.want(200, "GET", f"/api/v1/me/datasets/{dataset['id']}/metrics", key=key)["responses"]
        return {k: got[k] for k in ("total", "submitted", "discarded", "draft", "pending")}

    def search(self, dataset, body, query="", status=200):
        return self.want(status, "POST", f"/api/v1/datasets/{dataset['id']}/records/search{query}", body)


def shaped(what, thing, keys):
    """The keys that must be there, ids and times in their one form."""
    missing = keys - set(thing)
    if missing:
        raise AssertionError(f"{what} lacks {sorted(missing)}: {thing}")
    for k in keys:
        if k.endswith("_at") and not (isinstance(thing[k], str) and TIME.match(thing[k])):
            raise AssertionError(f"{k} of {what} is {thing[k]!r}, not a time like 2026-01-31T10:15:30.123456")
        if k == "id" or k.endswith("_id") and k != "external_id":
            same(f"{k} of {what}", str(uuid.UUID(thing[k])), thing[k])
    return thing


def external(items):
    return [i["external_id"] for i in items]


def submitted(label="good", user=None, status="submitted"):
    return {"values": {"label": {"value": label}}, "status": status, **({"user_id": user} if user else {})}


def detail(answer):
    return answer["detail"]["code"].split("::")[1] if isinstance(answer["detail"], dict) else "text"
