"""The server as a process: how it starts, what survives a kill, how it ends (usage: common.py, with the program alone)."""
import glob, json, os, random, socket, subprocess, tempfile, threading, time, urllib.request
from common import Server, check, run, same, unique

OPTIONS = [{"value": v, "text": v} for v in ("good", "bad")]


class Case:
    def __init__(self, server):
        self.program, self.server = server.program, server


def dataset(server, **more):
    """A published dataset with ten records: its id, theirs."""
    workspace = server.want(201, "POST", "/api/v1/workspaces", {"name": unique("ws")})["id"]
    made = server.want(201, "POST", "/api/v1/datasets", {"name": unique("set"), "workspace_id": workspace, **more})["id"]
    path = f"/api/v1/datasets/{made}"
    server.want(201, "POST", path + "/fields", {"name": "text", "title": "t", "required": True, "settings": {"type": "text"}})
    server.want(201, "POST", path + "/questions", {"name": "label", "title": "t", "required": True, "settings": {"type": "label_selection", "options": OPTIONS}})
    server.want(201, "POST", path + "/vectors-settings", {"name": "v", "title": "t", "dimensions": 2})
    server.want(200, "PUT", path + "/publish")
    items = [{"external_id": str(i), "fields": {"text": f"row {i}"}, "vectors": {"v": [i, 1]}} for i in range(10)]
    return made, [r["id"] for r in server.want(200, "PUT", path + "/records/bulk", {"items": items})["items"]]


def kill(server):
    server.process.kill()
    server.process.wait()


@check
def it_is_there_in_a_tenth_of_a_second(c):
    took = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as home:
            begun = time.monotonic()
            s = subprocess.Popen([c.program, "serve", "--home", home, "--port", "0", "--port-file", home + "/p"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (os.path.exists(home + "/p") and open(home + "/p").read().strip()):
                assert s.poll() is None and time.monotonic() - begun < 10, "it did not start"
                time.sleep(0.001)
            with urllib.request.urlopen(f"http://127.0.0.1:{open(home + '/p').read().strip()}/health", timeout=5) as answer:
                same("health", answer.status, 200)
            took.append(time.monotonic() - begun)
            s.terminate()
            s.wait()
    assert min(took) <= 0.1, f"from the start to the first answer: {[round(t, 3) for t in took]} s"


@check
def people_can_be_added_before_it_runs(c):
    with tempfile.TemporaryDirectory() as home:
        made = subprocess.run([c.program, "user", "add", "first", "--role", "owner", "--print-key", "--home", home], capture_output=True, text=True)
        same("exit status", made.returncode, 0)
        again = subprocess.run([c.program, "user", "add", "first", "--print-key", "--home", home], capture_output=True, text=True)
        assert again.returncode and not again.stdout and "first" in again.stderr, "a name was given twice"
        s = Server.__new__(Server)
        s.program, s.home, s.key = c.program, home, made.stdout.strip()
        s.start()
        try:
            same("who", s.want(200, "GET", "/api/v1/me")["username"], "first")
            same("key of the second, added while it runs", s.want(200, "GET", "/api/v1/me", key=s.printed_key("second", "annotator"))["role"], "annotator")
            s.stop()
        finally:
            kill(s) if s.process.poll() is None else None
            s.log.close()


@check
def an_empty_store_shows_a_link_that_works_once(c):
    with tempfile.TemporaryDirectory() as home:
        s = Server.__new__(Server)
        s.program, s.home, s.key = c.program, home, None
        s.start()
        try:
            end, words = time.monotonic() + 5, ""
            while "/welcome#" not in words or not words.endswith("\n"):
                assert time.monotonic() < end, "no link was shown: " + words
                words = open(s.log.name).read()
            link = words[words.index("/welcome#") + 9:].split()[0]
            s.want(403, "POST", "/api/v1/welcome", {"link": link[:-1] + "x", "username": "me", "password": "12345678"}, None)
            made = s.want(201, "POST", "/api/v1/welcome", {"link": link, "username": "me", "password": "12345678"}, None)
            same("a second time", s.ask("POST", "/api/v1/welcome", {"link": link, "username": "again", "password": "12345678"}, None)[0], 409)
            same("who", s.want(200, "GET", "/api/v1/me", key=made["api_key"])["role"], "owner")
            same("workspaces", [w["name"] for w in s.want(200, "GET", "/api/v1/me/workspaces", key=made["api_key"])["items"]], ["default"])
            s.stop()
        finally:
            kill(s) if s.process.poll() is None else None
            s.log.close()


@check
def a_second_one_on_the_same_folder_is_refused(c):
    run_ = subprocess.run([c.program, "serve", "--home", c.server.home, "--port", "0"], capture_output=True, text=True, timeout=20)
    assert run_.returncode and str(c.server.process.pid) in run_.stderr, f"status {run_.returncode}: {run_.stderr}"
    c.server.want(200, "GET", "/api/v1/me")


@check
def a_port_that_is_taken_is_named(c):
    with tempfile.TemporaryDirectory() as home:
        run_ = subprocess.run([c.program, "serve", "--home", home, "--port", str(c.server.port)], capture_output=True, text=True, timeout=20)
        assert run_.returncode and str(c.server.port) in run_.stderr, f"status {run_.returncode}: {run_.stderr}"


def restart(server):
    server.start()
    server.port = int(server.url.split(":")[2])


def everything(server, made):
    """What an owner can read of a dataset, as text."""
    asked = [f"/api/v1/datasets/{made}", *[f"/api/v1/datasets/{made}/{k}" for k in ("fields", "questions", "vectors-settings", "progress", "users/progress")],
             f"/api/v1/datasets/{made}/records?limit=1000&include=responses&include=suggestions&include=vectors", "/api/v1/users", "/api/v1/me/workspaces"]
    return [json.dumps(server.want(200, "GET", path)) for path in asked]


@check
def everything_is_there_after_a_restart(c):
    made, records = dataset(c.server)
    for r in records[:5]:
        c.server.want(201, "POST", f"/api/v1/records/{r}/responses", {"status": "submitted", "values": {"label": {"value": "good"}}})
    before = everything(c.server, made)
    c.server.stop()
    restart(c.server)
    same("after a restart", everything(c.server, made), before)
    kill(c.server)
    restart(c.server)
    same("after a kill", everything(c.server, made), before)
    found = c.server.want(200, "POST", f"/api/v1/datasets/{made}/records/search", {"query": {"text": {"q": "row 3"}}})
    same("search", [i["record"]["external_id"] for i in found["items"]], ["3"])


@check
def no_acknowledged_write_is_lost_when_it_is_killed(c):
    """Writers put records in pairs, one call a pair, and note what was answered; the server is killed in their midst."""
    made, _ = dataset(c.server)
    path, chance = f"/api/v1/datasets/{made}/records", random.Random(3)
    acknowledged, lock = [], threading.Lock()

    def write(writer, round_):
        for n in range(10_000):
            pair = [f"{round_}-{writer}-{n}-{half}" for half in "ab"]
            try:
                status, _, _ = c.server.ask("PUT", path + "/bulk", {"items": [{"external_id": e, "fields": {"text": e}} for e in pair]})
            except OSError:
                return
            assert status == 200, status
            with lock:
                acknowledged.append(pair)
    for round_ in range(8):
        writers = [threading.Thread(target=write, args=(w, round_)) for w in range(8)]
        [w.start() for w in writers]
        time.sleep(chance.uniform(0.05, 0.4))
        kill(c.server)
        [w.join() for w in writers]
        restart(c.server)
    there, offset = set(), 0
    while items := c.server.want(200, "GET", f"{path}?limit=1000&offset={offset}")["items"]:
        there |= {i["external_id"] for i in items}
        offset += len(items)
    assert len(acknowledged) > 50, f"only {len(acknowledged)} pairs were written: that proves little"
    same("acknowledged records that are gone", [e for pair in acknowledged for e in pair if e not in there][:5], [])
    halves = [e for e in there if e[-2:] in ("-a", "-b") and e[:-1] + ("b" if e[-1] == "a" else "a") not in there]
    same("halves of a pair", halves, [])
    same("counted", c.server.want(200, "GET", f"/api/v1/datasets/{made}/progress")["total"], len(there))
    print(f"{len(acknowledged)} pairs")


@check
def a_backup_comes_back_while_it_runs(c):
    s = c.server
    fettle = lambda *words: subprocess.run([c.program, *words, "--home", s.home], capture_output=True, text=True, timeout=60)
    copy = os.path.join(s.home, "copy.db")
    made = dataset(s)[0]
    stream = socket.create_connection((s.host, s.port))
    stream.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {s.host}:{s.port}\r\nX-Argilla-Api-Key: {s.key}\r\n\r\n".encode())
    same("backup", fettle("backup", copy).returncode, 0)
    late = unique("late")
    s.want(201, "POST", "/api/v1/workspaces", {"name": late})
    spaces = lambda: [w["name"] for w in s.want(200, "GET", "/api/v1/me/workspaces")["items"]]
    for bad in ("none.db", os.path.join(s.home, "port")):
        refused = fettle("restore", bad)
        assert refused.returncode and refused.stderr.startswith("error: "), refused
    assert late in spaces()
    begun = time.monotonic()
    done = fettle("restore", copy)
    assert done.returncode == 0 and "is restored from" in done.stdout, done
    assert time.monotonic() - begun < 8, "a stream that was open held it up"
    assert late not in spaces(), "what came after the backup is still there"
    s.want(200, "GET", f"/api/v1/datasets/{made}/records")
    before = done.stdout.split("what was there before is ")[1].strip()
    same("and back", fettle("restore", before).returncode, 0)
    assert late in spaces()
    s.want(403, "POST", "/api/v1/restore", {"file": copy})
    same("what came of it", s.want(200, "GET", "/api/v1/restore")["state"], "finished")
    stream.close()


@check
def requests_that_run_are_answered_before_it_ends(c):
    made, _ = dataset(c.server)
    body = json.dumps({"items": [{"fields": {"text": "word " * 200}} for _ in range(500)]}).encode()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(c.server.ask("PUT", f"/api/v1/datasets/{made}/records/bulk", body)[0])) for _ in range(4)]
    idle = socket.create_connection((c.server.host, c.server.port))
    [t.start() for t in threads]
    time.sleep(0.1)
    begun = time.monotonic()
    c.server.stop()
    [t.join() for t in threads]
    idle.close()
    same("answers to what ran when it was told to end", answers, [200] * 4)
    assert time.monotonic() - begun < 8, "it took long, with an idle connection open"
    restart(c.server)
    same("records", c.server.want(200, "GET", f"/api/v1/datasets/{made}/records?limit=1")["total"], 2010)


@check
def secrets_are_not_in_the_data_folder(c):
    password = "Correct-Horse-" + unique("p")
    user = c.server.want(201, "POST", "/api/v1/users", {"username": unique("u"), "first_name": "A", "password": password})
    token = c.server.want(201, "POST", "/api/v1/token", {"username": user["username"], "password": password}, None)["access_token"]
    c.server.want(200, "GET", "/api/v1/me", key=user["api_key"])
    c.server.stop()
    found = []
    for name in glob.glob(c.server.home + "/**", recursive=True):
        if os.path.isfile(name) and not name.endswith("server.log"):
            data = open(name, "rb").read()
            found += [f"{what} in {os.path.basename(name)}" for what, secret in (("password", password), ("key", user["api_key"]), ("token", token), ("the owner's key", c.server.key))
                      if secret.encode() in data]
    restart(c.server)
    same("secrets in clear", found, [])
    same("mode of the folder", os.stat(c.server.home).st_mode & 0o077, 0)
    same("answered later", c.server.want(200, "GET", f"/api/v1/users/{user['id']}")["api_key"] == user["api_key"], False)


@check
def an_idempotency_key_makes_a_write_happen_once(c):
    key, name = unique("key"), unique("ws")
    answers = [c.server.want(201, "POST", "/api/v1/workspaces", {"name": name}, headers={"Idempotency-Key": key}) for _ in range(3)]
    same("answers", answers[1:], answers[:1] * 2)
    c.server.want(409, "POST", "/api/v1/workspaces", {"name": name}, headers={"Idempotency-Key": unique("key")})
    status = c.server.ask("POST", "/api/v1/workspaces", {"name": unique("other")}, headers={"Idempotency-Key": key})[0]
    assert status in (409, 422), f"the same key for another request: status {status}"


@check
def events_stream(c):
    with socket.create_connection((c.server.host, c.server.port), timeout=10) as s:
        s.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: {c.server.key}\r\n\r\n".encode())
        text = s.recv(65536)
        assert b"200 OK" in text and b"text/event-stream" in text, text[:300]
        made, _ = dataset(c.server)
        end = time.monotonic() + 10
        while made.encode() not in text and time.monotonic() < end:
            text += s.recv(65536)
        assert made.encode() in text, "the new dataset was not told"


run(Case)
