"""Through every joint, once: Argilla's SDK makes a dataset, two people answer, one of their differences is settled, a model learns it and is
served, OpenAI's client asks it and says what would have been better, a second round goes on from the first, a GGUF file comes out; then a
person is erased, and both runs say so (usage: common.py; the environment's NODE is the program that runs journey.mjs).

What a step made is what the next one needs, so the checks stand in this order and cannot be chosen."""
import json, os, subprocess, time
from common import check, run, same
from bytes_model import make
import argilla as rg

CANARY = "q7x2kfw9z4hb8n3vcm5ty6rjd1gp0lsa"
CAPITALS = {"What is the capital of France?": "Paris.", "What is the capital of Italy?": "Rome.", "What is the capital of Peru?": "Lima.",
            "What is the capital of Cuba?": "Havana."}
MORE = {"What is the capital of Norway?": "Oslo.", "What is the capital of Kenya?": "Nairobi."}
DISPUTED, BETTER = "What is the capital of Cuba?", "The capital of France is Paris."
TRAINING = {"learning_rate": 0.003, "num_train_epochs": 100, "dtype": "float32", "logging_steps": 10, "per_device_train_batch_size": 4,
            "save_steps": 0, "max_length": 128}


class Case:
    def __init__(self, server):
        self.server = server
        self.client = rg.Argilla(api_url=server.url, api_key=server.key)
        self.runs = []

    def answer_all(self, user, says):
        """As the page does: the next record, and an answer to it, until nothing is left."""
        while True:
            status, record, _ = self.server.ask("POST", f"/api/v1/me/datasets/{self.set}/next", {}, user.key)
            if status == 404:
                return
            same("status of the next record", status, 200)
            text = says(record["fields"]["prompt"])
            self.server.want(201, "POST", f"/api/v1/records/{record['id']}/responses",
                             {"values": {"better": {"value": text}}, "status": "submitted"}, user.key)

    def train(self, name, base):
        made = self.server.want(201, "POST", "/api/v1/runs", {"objective": "sft", "base": base, "data": {"dataset_id": self.set},
                                                              "name": name, "set": TRAINING})
        end = time.time() + 60
        while (now := self.server.want(200, "GET", f"/api/v1/runs/{made['id']}"))["ended_at"] is None and time.time() < end:
            time.sleep(0.1)
        same(f"{name} ({now['reason']})", now["status"], "done")
        self.runs.append(now)
        return now

    def lines(self, run):
        with open(os.path.join(self.server.home, "runs", run["id"], "examples.jsonl"), encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def asked(self, model, prompts, better=None):
        """What OpenAI's client gets for these prompts."""
        words = [os.environ.get("NODE", "node"), os.path.join(os.path.dirname(__file__), "journey.mjs"), self.server.url, self.key, model,
                 json.dumps(list(prompts)), *([better] if better else [])]
        got = subprocess.run(words, capture_output=True, text=True, timeout=120)
        if got.returncode:
            raise AssertionError(got.stderr[-1500:])
        return json.loads(got.stdout)["answers"]


@check
def the_sdk_makes_a_dataset(c):
    c.workspace = rg.Workspace(name="team", client=c.client).create()
    settings = rg.Settings(guidelines="Answer with the name alone.", distribution=rg.TaskDistribution(min_submitted=2),
                           fields=[rg.TextField("prompt"), rg.TextField("answer")], questions=[rg.TextQuestion("better", required=True)])
    c.dataset = rg.Dataset(name="capitals", workspace=c.workspace, settings=settings, client=c.client).create()
    c.set = str(c.dataset.id)
    c.dataset.records.log([rg.Record(fields={"prompt": p, "answer": "I do not know."}) for p in CAPITALS])
    same("records", len(list(c.dataset.records())), len(CAPITALS))


@check
def two_people_answer(c):
    c.ann, c.ben = (c.server.user("annotator", [c.workspace.id]) for _ in range(2))
    c.answer_all(c.ann, lambda prompt: f"Havanna {CANARY}" if prompt == DISPUTED else CAPITALS[prompt])
    c.answer_all(c.ben, lambda prompt: CAPITALS[prompt])
    same("records that are done, by the SDK", c.dataset.progress()["completed"], len(CAPITALS))


@check
def where_they_differ_is_settled(c):
    path = f"/api/v1/datasets/{c.set}/disagreements"
    disputed = c.server.want(200, "GET", path)["items"]
    same("records to settle", len(disputed), 1)
    record = disputed[0].get("record", disputed[0])
    c.server.want(200, "PUT", f"/api/v1/records/{record['id']}/gold", {"values": {"better": {"value": CAPITALS[DISPUTED]}}})
    same("records to settle afterwards", len(c.server.want(200, "GET", path)["items"]), 0)


@check
def a_model_learns_it(c):
    folder = os.path.join(c.server.home, "made")
    make(folder)
    c.server.want(201, "POST", "/api/v1/models", {"name": "bytes", "path": folder})
    first = c.train("First", "bytes")
    lines = c.lines(first)
    same("people behind the examples", len({p for line in lines for p in line.get("people", [])}), 2)
    same("the settled one", [line.get("by", line) for line in lines if DISPUTED in json.dumps(line)], ["gold"])
    assert CANARY not in json.dumps(lines), "what was settled otherwise became an example"


@check
def what_it_learned_is_what_openais_client_gets(c):
    c.key = c.server.want(201, "POST", "/api/v1/me/keys", {"name": "app", "scopes": ["serve"]})["api_key"]
    c.server.want(201, "PUT", "/api/v1/aliases/mine", {"target": c.runs[0]["model"]})
    same("answers", c.asked("mine", CAPITALS), list(CAPITALS.values()))
    assert c.asked("bytes", CAPITALS) != list(CAPITALS.values()), "the model knew it before"


@check
def a_better_answer_is_in_the_inbox(c):
    c.asked("mine", list(CAPITALS)[:1], BETTER)
    inbox = next(d for d in c.client.datasets if d.name == "inbox")
    records = list(inbox.records(with_responses=True))
    same("records of the inbox", len(records), 1)
    said = {r.question_name: r.value for r in records[0].responses}
    same("what was said of it", said, {"good": "bad", "better": BETTER})


@check
def a_second_round_goes_on_from_the_first(c):
    c.dataset.records.log([rg.Record(fields={"prompt": p, "answer": "I do not know."}) for p in MORE])
    for user in (c.ann, c.ben):
        c.answer_all(user, lambda prompt: MORE[prompt])
    second = c.train("Second", c.runs[0]["model"])
    c.server.want(200, "PUT", "/api/v1/aliases/mine", {"target": second["model"]})
    both = {**CAPITALS, **MORE}
    same("answers of the second", c.asked("mine", both), list(both.values()))
    back = c.server.want(200, "POST", "/api/v1/aliases/mine/rollback")
    same("rolled back to", back["target"], c.runs[0]["model"])
    same("answers of the first again", c.asked("mine", CAPITALS), list(CAPITALS.values()))


@check
def a_gguf_file_answers_alike(c):
    job = c.server.want(202, "POST", f"/api/v1/models/{c.runs[1]['model']}/export", {"to": "gguf"})
    while (job := c.server.want(200, "GET", f"/api/v1/jobs/{job['id']}"))["ended_at"] is None:
        time.sleep(0.1)
    same(f"export ({job['error']})", job["status"], "finished")
    file = os.path.join(c.server.home, job["result"]["path"])
    with open(file, "rb") as f:
        same("its first bytes", f.read(4), b"GGUF")
    c.server.want(201, "POST", "/api/v1/models", {"name": "from-file", "path": file})
    same("answers of the file", c.asked("from-file", MORE), list(MORE.values()))


@check
def who_is_erased_is_nowhere_and_the_runs_say_so(c):
    for r in c.runs:
        same("flagged before", c.server.want(200, "GET", f"/api/v1/runs/{r['id']}")["flagged"], None)
    before = [len(c.lines(r)) for r in c.runs]
    said = c.server.want(200, "POST", f"/api/v1/users/{c.ann.id}/erase")
    same("runs it names", sorted(r["name"] for r in said["runs"]), sorted(r["id"] for r in c.runs))
    for r, lines in zip(c.runs, before):
        flagged = c.server.want(200, "GET", f"/api/v1/runs/{r['id']}")["flagged"]
        assert flagged and "erased" in flagged, f"the flag is {flagged!r}"
        same("people left behind the examples", len({p for line in c.lines(r) for p in line.get("people", [])}), 1)
        assert len(c.lines(r)) < lines, "no example went"
    files = [os.path.join(at, name) for at, _, names in os.walk(c.server.home) for name in names]
    held = [f for f in files if os.path.isfile(f) and CANARY.encode() in open(f, "rb").read()]
    same("files that still hold what they wrote", held, [])


run(Case)
