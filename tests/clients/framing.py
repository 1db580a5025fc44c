"""HTTP/1.1 framing on raw sockets (RFC 9112): a message whose end two readers could see at different places gets 400 and the
connection is closed, and nothing behind it is read as a request (usage: common.py)."""
import random, socket, time
from common import check, run, same, unique

BODY = b'{"name": "%s"}'


class Answer:
    """What came for the bytes that were sent: .status (0: nothing), .text, .closed."""

    def __init__(self, server, data, wait=2.0, parts=(), half=False):
        self.text, self.closed = b"", False
        with socket.create_connection((server.host, server.port), timeout=10) as s:
            s.settimeout(wait)
            try:
                for piece in (data, *parts):
                    s.sendall(piece)
                    time.sleep(0.05 if parts else 0)
                if half:
                    s.shutdown(socket.SHUT_WR)
                while piece := s.recv(65536):
                    self.text += piece
                self.closed = True
            except (TimeoutError, socket.timeout):
                pass
            except (ConnectionResetError, BrokenPipeError):
                self.closed = True
        first = self.text.split(b"\r\n")[0].split()
        self.status = int(first[1]) if len(first) > 1 and first[1].isdigit() else 0


def request(server, *headers, method="POST", path="/api/v1/workspaces", body=None, version="HTTP/1.1", host=True, end=b"\r\n"):
    """A request for a new workspace, with these header lines as they are; its name."""
    name = unique("framing")
    body = BODY % name.encode() if body is None else body
    lines = [f"{method} {path} {version}".encode()]
    lines += [b"Host: localhost"] if host else []
    lines += [b"X-Argilla-Api-Key: " + server.key.encode(), b"Content-Type: application/json"]
    lines += [h if isinstance(h, bytes) else h.replace("LENGTH", str(len(body))).encode() for h in headers]
    return end.join(lines) + end + end + body, name


def exists(server, name):
    return name in [w["name"] for w in server.want(200, "GET", "/api/v1/me/workspaces")["items"]]


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


REFUSED = {
    "two equal lengths": ["Content-Length: LENGTH", "Content-Length: LENGTH"],
    "two different lengths": ["Content-Length: LENGTH", "Content-Length: 0"],
    "a list of lengths": ["Content-Length: LENGTH, LENGTH"],
    "a length and a transfer coding": ["Content-Length: LENGTH", "Transfer-Encoding: chunked"],
    "a transfer coding and a length": ["Transfer-Encoding: chunked", "Content-Length: LENGTH"],
    "a space before the colon": ["Content-Length : LENGTH"],
    "a tab before the colon": ["Content-Length\t: LENGTH"],
    "a space before the colon of the coding": ["Content-Length: LENGTH", "Transfer-Encoding : chunked"],
    "an unknown transfer coding": ["Transfer-Encoding: gzip"],
    "an unknown coding after chunked": ["Transfer-Encoding: chunked, identity"],
    "chunked twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "a coding with a vertical tab": ["Transfer-Encoding: \x0bchunked"],
    "a negative length": ["Content-Length: -1"],
    "a length with a plus": ["Content-Length: +LENGTH"],
    "a length in hexadecimal": ["Content-Length: 0x1d"],
    "a length with letters": ["Content-Length: LENGTHx"],
    "an empty length": ["Content-Length:"],
    "a length beyond 64 bits": ["Content-Length: 18446744073709551617"],
    "a NUL in a header": [b"X-Test: a\x00b", "Content-Length: LENGTH"],
    "a NUL in a name": [b"X-T\x00est: ab", "Content-Length: LENGTH"],
    "a folded header": ["X-Test: a", " b", "Content-Length: LENGTH"],
    "a folded header, by a tab": ["X-Test: a", "\tb", "Content-Length: LENGTH"],
    "a header without a colon": ["Nothing", "Content-Length: LENGTH"],
    "a header without a name": [": x", "Content-Length: LENGTH"],
    "a bare CR in a header": [b"X-Test: a\rContent-Length: 0", "Content-Length: LENGTH"],
    "two hosts": ["Host: other", "Content-Length: LENGTH"],
}


def refused(server, data, name, what, statuses=(400,), may_work=False):
    """One of these statuses (0: closed without a word) and a closed connection; what is behind the message is never read as a
    request, and the message has no effect (unless it may_work, being the last one of its connection)."""
    behind, hidden = request(server, "Content-Length: LENGTH")
    got = Answer(server, data + behind, half=True)
    worked = may_work and got.status == 201
    problems = [] if got.status in statuses or worked else [f"status {got.status}"]
    if not got.closed:
        problems.append("the connection stays open")
    if got.text.count(b"HTTP/1.1 2") > worked:
        problems.append("the bytes behind were answered")
    problems += [f"workspace {n} was made" for n in ([] if worked else [name]) + [hidden] if exists(server, n)]
    return [f"{what}: {', '.join(problems)}"] if problems else []


def all_right(wrong):
    if wrong:
        raise AssertionError("\n".join(wrong))


@check
def a_right_request_is_answered(server):
    data, name = request(server, "Content-Length: LENGTH")
    got = Answer(server, data, wait=1)
    same("status", got.status, 201)
    assert exists(server, name) and not got.closed
    second, _ = request(server, "Content-Length: LENGTH")
    third, _ = request(server, "Content-Length: LENGTH", "Connection: close")
    got = Answer(server, second + third)
    same("two in one packet", (got.text.count(b"HTTP/1.1 201"), got.closed), (2, True))


@check
def a_right_chunked_request_is_answered(server):
    name = unique("framing")
    body = BODY % name.encode()
    for coding in ("chunked", "Chunked", "  \tchunked"):
        name = unique("framing")
        body = BODY % name.encode()
        data, _ = request(server, f"Transfer-Encoding: {coding}", body=chunked(body))
        same(f"status for {coding!r}", Answer(server, data, wait=1).status, 201)
        assert exists(server, name)
    name = unique("framing")
    body = BODY % name.encode()
    data, _ = request(server, "Transfer-Encoding: chunked", "Connection: close", body=b"")
    parts = [b"%x\r\n" % 5, body[:5] + b"\r\n", b"%X;ext=1\r\n" % len(body[5:]), body[5:] + b"\r\n", b"0\r\n", b"X-Trailer: y\r\n\r\n"]
    same("status of one in pieces", Answer(server, data, parts=parts).status, 201)
    assert exists(server, name)


@check
def doubtful_headers_are_refused(server):
    wrong = []
    for what, headers in REFUSED.items():
        data, name = request(server, *headers)
        if any("Transfer-Encoding" in str(h) for h in headers):
            head, body = data.split(b"\r\n\r\n", 1)
            data = head + b"\r\n\r\n" + chunked(body)
        wrong += refused(server, data, name, what, (400, 413) if "64 bits" in what else (400,))
    all_right(wrong)


@check
def doubtful_chunks_are_refused(server):
    """The library reads a bare LF between chunks as the end of a line; then nothing may be read behind that request."""
    wrong = []
    for what, make in {"a chunk size that is no number": lambda b: b"zz\r\n" + b + b"\r\n0\r\n\r\n",
                       "a chunk size with a sign": lambda b: b"+%x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
                       "a chunk size with 0x": lambda b: b"0x%x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
                       "a chunk size of 17 digits": lambda b: b"1%016x\r\n%s\r\n0\r\n\r\n" % (len(b), b),
                       "a chunk that is longer than its size": lambda b: b"%x\r\n%s\r\n0\r\n\r\n" % (len(b) - 1, b),
                       "a bare LF after a chunk size": lambda b: b"%x\n%s\r\n0\r\n\r\n" % (len(b), b),
                       "a bare LF after a chunk": lambda b: b"%x\r\n%s\n0\r\n\r\n" % (len(b), b),
                       "an empty chunk size": lambda b: b"\r\n%s\r\n0\r\n\r\n" % b}.items():
        name = unique("framing")
        data, _ = request(server, "Transfer-Encoding: chunked", body=make(BODY % name.encode()))
        wrong += refused(server, data, name, what, (400, 413), "bare LF" in what)
    all_right(wrong)


@check
def a_chunked_request_is_the_last_of_its_connection(server):
    name = unique("framing")
    data, _ = request(server, "Transfer-Encoding: chunked", body=chunked(BODY % name.encode()))
    behind, hidden = request(server, "Content-Length: LENGTH")
    got = Answer(server, data + behind)
    same("status, and closed", (got.status, got.closed), (201, True))
    same("which exist", (exists(server, name), exists(server, hidden)), (True, False))


@check
def doubtful_lines_are_refused(server):
    wrong = []
    length = "Content-Length: LENGTH"
    for what, (data, name) in {"bare LF everywhere": request(server, length, end=b"\n"),
                               "no host": request(server, length, host=False),
                               "another version": request(server, length, version="HTTP/2.0"),
                               "no version": request(server, length, version=""),
                               "a version in small letters": request(server, length, version="http/1.1"),
                               "an empty method": request(server, length, method=""),
                               "a method with a colon": request(server, length, method="PO:ST"),
                               "a NUL in the path": request(server, length, path="/api/v1/work\0spaces"),
                               "a space in the path": request(server, length, path="/api/v1/work spaces")}.items():
        wrong += refused(server, data, name, what, (0, 400, 505))
    data, name = request(server, length)
    wrong += refused(server, data.replace(b"localhost\r\n", b"localhost\n", 1), name, "one bare LF")
    wrong += refused(server, data.replace(b"Host:", b" Host:", 1), name, "a space before the first header")
    all_right(wrong)


@check
def an_old_version_closes(server):
    data, name = request(server, "Content-Length: LENGTH", version="HTTP/1.0")
    got = Answer(server, data)
    same("HTTP/1.0", (got.status, got.closed), (201, True))
    assert exists(server, name)


@check
def too_much_is_refused(server):
    for what, headers in (("a header of 100 kB", ["X-Long: " + "a" * 100_000]), ("10,000 headers", [f"X-{i}: a" for i in range(10_000)])):
        data, name = request(server, *headers, "Content-Length: LENGTH")
        got = Answer(server, data)
        assert got.status in (0, 400, 413, 431) and got.closed, f"{what}: status {got.status}, closed: {got.closed}"
        assert not exists(server, name)
    data, name = request(server, "Content-Length: LENGTH", path="/api/v1/workspaces?" + "a" * 100_000)
    got = Answer(server, data)
    assert got.status in (0, 400, 413, 414, 431) and got.closed, f"a path of 100 kB: status {got.status}, closed: {got.closed}"
    data, name = request(server, "Content-Length: 1000000000000")
    got = Answer(server, data)
    assert got.status in (0, 400, 413), f"a body of 1 TB is announced: status {got.status}"


@check
def half_a_request_has_no_effect(server):
    data, name = request(server, "Content-Length: LENGTH")
    for cut in (1, 20, len(data) - 1):
        got = Answer(server, data[:cut], half=True)
        assert got.status in (0, 400) and got.closed, f"{cut} bytes and the end: status {got.status}, closed: {got.closed}"
        assert not exists(server, name)
    slow = [bytes([b]) for b in data]
    same("byte by byte", Answer(server, b"", parts=[data[:40], *slow[40:60], data[60:]], wait=1).status, 201)


@check
def rubbish_does_not_stop_it(server):
    chance = random.Random(7)
    good, _ = request(server, "Content-Length: LENGTH", method="GET", path="/api/v1/me", body=b"")
    for n in range(150):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        Answer(server, bytes(data), wait=0.2, half=True)
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n\r\n\r\n", b"\0" * 5000, b"GET\r\n\r\n"):
        Answer(server, data, wait=0.5, half=True)
    server.want(200, "GET", "/api/v1/me")


run(lambda server: server)
