"""What the client tests share: a server in a fresh data folder, and checks that print TAP.

    PYTHON argilla2.py build/fettle         starts a server of its own and ends it with SIGTERM
    PYTHON argilla2.py http://HOST:PORT KEY asks one that runs already, with the key of an owner

A check is a function under @check; it makes what it needs and compares what it reads back. Words after the program choose
the checks whose names hold one of them."""
import json, os, shutil, signal, subprocess, sys, tempfile, time, traceback, uuid
import urllib.error, urllib.request

CHECKS = []
TAP, sys.stdout = sys.stdout, sys.stderr  # what clients print (progress bars, logs) is no TAP


def check(f):
    CHECKS.append(f)
    return f


class Server:
    """The server under test: .url, .key (of an owner), .host, .port."""

    def __init__(self, program, key=None):
        self.process = self.home = None
        if program.startswith("http"):
            self.url, self.key = program.rstrip("/"), key
        else:
            self.program, self.home = os.path.abspath(program), tempfile.mkdtemp(prefix="fettle-clients-")
            self.start()
            self.key = self.printed_key("chief", "owner")
        host, port = self.url.split("//")[1].split(":")
        self.host, self.port = host, int(port)

    def start(self):
        file = os.path.join(self.home, "port")
        if os.path.exists(file):
            os.remove(file)
        self.log = open(os.path.join(self.home, "server.log"), "a")
        self.process = subprocess.Popen([self.program, "serve", "--home", self.home, "--port", "0", "--port-file", file],
                                        stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        end = time.time() + 20
        while not (os.path.exists(file) and open(file).read().strip()):
            if self.process.poll() is not None or time.time() > end:
                raise RuntimeError("the server did not start:\n" + open(self.log.name).read()[-2000:])
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{open(file).read().strip()}"

    def printed_key(self, name, role):
        """A new user from the command line; what --print-key prints."""
        run = subprocess.run([self.program, "user", "add", name, "--role", role, "--print-key", "--home", self.home],
                             capture_output=True, text=True, timeout=30)
        if run.returncode or len(run.stdout.split()) != 1:
            raise RuntimeError(f"fettle user add ended with {run.returncode}: {run.stdout}{run.stderr}")
        return run.stdout.strip()

    def stop(self):
        """SIGTERM must end the server within ten seconds, with exit status 0."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not end within 10 s of SIGTERM")
        same("exit status of the server after SIGTERM", status, 0)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.home:
            self.log.close()
            shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, method, path, body=None, key="", headers=None):
        """One request: (status, answer, headers). The answer is parsed when it is JSON. key=None: no credentials."""
        send = {"X-Argilla-Api-Key": key or self.key} if key is not None else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=send)
        try:
            answer = OPENER.open(request, timeout=60)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            text = answer.read()
        try:
            parsed = json.loads(text) if text else None
        except ValueError:
            parsed = text
        return answer.status, parsed, answer.headers

    def want(self, status, method, path, body=None, key="", headers=None):
        """The answer to a request that must end with this status."""
        got, answer, _ = self.ask(method, path, body, key, headers)
        if got != status:
            raise AssertionError(f"{method} {path}: status {got}, not {status}: {json.dumps(answer, default=str)[:600]}")
        return answer

    def user(self, role, workspaces=()):
        """A new user, member of the workspaces with these ids: an object with id, username and key."""
        name = unique(role)
        made = self.want(201, "POST", "/api/v1/users", {"username": name, "first_name": name, "role": role, "password": "12345678"})
        for w in workspaces:
            self.want(201, "POST", f"/api/v1/workspaces/{w}/users", {"user_id": made["id"]})
        return Named(id=made["id"], username=name, key=made["api_key"], role=role)


class Named:
    def __init__(self, **members):
        self.__dict__.update(members)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def unique(name):
    return f"{name}_{uuid.uuid4().hex[:12]}"


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {short(got)}, not {short(wanted)}")


def short(value):
    text = repr(value)
    return text if len(text) < 1500 else text[:1500] + " ..."


def raises(kind, f, *arguments, **named):
    """The exception of this kind (or of one of these) that the call must raise."""
    name = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
    try:
        result = f(*arguments, **named)
    except kind as e:
        return e
    except Exception as e:
        raise AssertionError(f"{name} expected, got {type(e).__name__}: {short(str(e))}")
    raise AssertionError(f"{name} expected, got the answer {short(result)}")


def report(number, f, argument):
    try:
        f(argument)
        print(f"ok {number} - {f.__name__}", file=TAP, flush=True)
        return True
    except Exception as e:
        words = str(e) if isinstance(e, AssertionError) and str(e) else traceback.format_exc()
        at = traceback.extract_tb(e.__traceback__)
        line = next((t.lineno for t in reversed(at) if "tests/clients" in t.filename and not t.filename.endswith("common.py")), 0)
        lines = words.strip().split("\n")
        lines = lines if len(lines) <= 40 else lines[:20] + [f"... {len(lines) - 30} lines ..."] + lines[-10:]
        print(f"not ok {number} - {f.__name__}\n# line {line}: " + "\n# ".join(l[:1000] for l in lines), file=TAP, flush=True)
        return False


def run(prepare):
    """Runs the checks, each with what prepare(server) gives; ends the process."""
    url = sys.argv[1].startswith("http")
    words = sys.argv[3 if url else 2:]
    chosen = [f for f in CHECKS if not words or any(w in f.__name__ for w in words)]
    server = Server(*sys.argv[1:3 if url else 2])
    print(f"1..{len(chosen) + (server.process is not None)}", file=TAP, flush=True)
    try:
        argument = prepare(server)
        bad = sum([not report(n + 1, f, argument) for n, f in enumerate(chosen)])
        if server.process:
            bad += not report(len(chosen) + 1, the_server_ends_when_asked, server)
    finally:
        server.remove()
    sys.exit(bad > 0)


def the_server_ends_when_asked(server):
    server.stop()
