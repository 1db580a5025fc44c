/* Where a request ends (RFC 9112): what two readers could understand differently is refused, the connection is closed, and nothing of it,
 * nor of what stands behind it, reaches a route. */
#include "house.h"

#include <errno.h>

static person owner;

static int begin(void **state) {
    if (house_begin(state) != 0) return -1;
    owner = a_person("owner");
    return 0;
}

static int64_t spaces(void) { return (int64_t)json_count(json_get(made("GET", "/api/v1/me/workspaces", NULL), "items")); }

/* All answers to these bytes until the server closes, or says no more for a while. */
static str exchange(str bytes, bool *closed) {
    const struct timeval patience = {.tv_sec = 1};
    const int fd = dial(the_house->port);
    if (fd < 0) fail_msg("no connection");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    buf all = {0};
    char chunk[8192];
    ssize_t n = 0;
    send_bytes(fd, bytes);
    while ((n = recv(fd, chunk, sizeof chunk, 0)) > 0) buf_put(&all, chunk, (size_t)n);
    *closed = n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
    close(fd);
    const str text = {arena_copy(the_house->a, all.ptr ? all.ptr : "", all.len), all.len};
    buf_free(&all);
    return text;
}

static int status_of(str text) {
    int status = 0;
    return text.len && sscanf(str_copy(the_house->a, text), "HTTP/1.%*d %d", &status) == 1 ? status : 0;
}

static int answers_in(str text) {
    int count = 0;
    for (ptrdiff_t at = -1; (at = str_find(text, STR("HTTP/1."), (size_t)(at + 1))) >= 0;) count++;
    return count;
}

/* A request that would make a workspace, framed by these lines; behind it another one, which must never be read. LENGTH stands for the
 * length of the body. */
static str request_with(const char *lines, size_t lines_size, const char *body) {
    static int number;
    buf out = {0};
    const char *own = body ? body : FORMAT("{\"name\":\"framed-%d\"}", ++number);
    buf_printf(&out, "POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\n", owner.key);
    for (size_t i = 0; i < lines_size;) {
        const bool length = lines_size - i >= 6 && memcmp(lines + i, "LENGTH", 6) == 0;
        if (length) buf_printf(&out, "%zu", strlen(own));
        else buf_put_char(&out, lines[i]);
        i += length ? 6 : 1;
    }
    buf_printf(&out, "\r\n%s", own);
    buf_printf(&out,
               "POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\nContent-Length: 20\r\n\r\n"
               "{\"name\":\"smuggled-%d\"}",
               owner.key, number % 10);
    const str text = {arena_copy(the_house->a, out.ptr, out.len), out.len};
    buf_free(&out);
    return text;
}

typedef struct {
    const char *what, *lines;
    size_t size; /* 0: of the string */
    const char *body;
} framing;

#define CASE(what, lines)                                                                                                        \
    { what, lines, sizeof(lines) - 1, NULL }

static const framing refused[] = {
    CASE("two equal lengths", "Content-Length: LENGTH\r\nContent-Length: LENGTH\r\n"),
    CASE("two lengths", "Content-Length: LENGTH\r\nContent-Length: 0\r\n"),
    CASE("two lengths, the wrong one first", "Content-Length: 0\r\nContent-Length: LENGTH\r\n"),
    CASE("a list of lengths", "Content-Length: LENGTH, LENGTH\r\n"),
    CASE("a length and a coding", "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n"),
    CASE("a coding and a length", "Transfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n"),
    CASE("a space before the colon of the length", "Content-Length : LENGTH\r\n"),
    CASE("a tab before the colon", "X-Test\t: a\r\nContent-Length: LENGTH\r\n"),
    CASE("a space before the colon of the coding", "Content-Length: LENGTH\r\nTransfer-Encoding : chunked\r\n"),
    CASE("an unknown coding", "Transfer-Encoding: gzip\r\n"),
    CASE("xchunked", "Transfer-Encoding: xchunked\r\nContent-Length: LENGTH\r\n"),
    CASE("xchunked alone", "Transfer-Encoding: xchunked\r\n"),
    CASE("chunked, identity", "Transfer-Encoding: chunked, identity\r\n"),
    CASE("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
    CASE("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    CASE("a coding in quotes", "Transfer-Encoding: \"chunked\"\r\nContent-Length: LENGTH\r\n"),
    CASE("a vertical tab before the coding", "Transfer-Encoding: \x0b"
                                             "chunked\r\n"),
    CASE("an empty coding", "Transfer-Encoding:\r\nContent-Length: LENGTH\r\n"),
    CASE("a negative length", "Content-Length: -1\r\n"),
    CASE("a length with a plus", "Content-Length: +LENGTH\r\n"),
    CASE("a length in hexadecimal", "Content-Length: 0x20\r\n"),
    CASE("a length with letters", "Content-Length: LENGTHa\r\n"),
    CASE("a length with a point", "Content-Length: LENGTH.0\r\n"),
    CASE("a length with a space in it", "Content-Length: 1 2\r\n"),
    CASE("an empty length", "Content-Length:\r\n"),
    CASE("a length of 2 to the 64", "Content-Length: 18446744073709551616\r\n"),
    CASE("a length of 2 to the 64 and 32", "Content-Length: 18446744073709551648\r\n"),
    CASE("a length of 100 digits",
         "Content-Length: 1000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "000000000000000000000\r\n"),
    CASE("a length over the limit", "Content-Length: 100000000000\r\n"),
    CASE("a NUL in a value", "X-Test: a\0b\r\nContent-Length: LENGTH\r\n"),
    CASE("two NULs in a value", "X-Test: a\0\0b\r\nContent-Length: LENGTH\r\n"),
    CASE("a NUL in a name", "X-T\0est: a\r\nContent-Length: LENGTH\r\n"),
    CASE("a NUL at the end of a value", "X-Test: a\0\r\nContent-Length: LENGTH\r\n"),
    CASE("a NUL in the length", "Content-Length: LENGTH\0\r\n"),
    CASE("a folded line", "X-Test: a\r\n b\r\nContent-Length: LENGTH\r\n"),
    CASE("a line folded by a tab", "X-Test: a\r\n\tb\r\nContent-Length: LENGTH\r\n"),
    CASE("a folded length", "Content-Length:\r\n LENGTH\r\n"),
    CASE("a folded coding", "Content-Length: LENGTH\r\nTransfer-Encoding:\r\n chunked\r\n"),
    CASE("a folded first line", " X-Test: a\r\nContent-Length: LENGTH\r\n"),
    CASE("a bare LF behind a header", "X-Test: a\nContent-Length: LENGTH\r\n"),
    CASE("a bare LF behind the length", "Content-Length: LENGTH\n"),
    CASE("a bare CR in a value", "X-Test: a\rContent-Length: 0\r\nContent-Length: LENGTH\r\n"),
    CASE("CR CR LF", "X-Test: a\r\r\nContent-Length: LENGTH\r\n"),
    CASE("a header without a colon", "Nothing\r\nContent-Length: LENGTH\r\n"),
    CASE("a header without a name", ": a\r\nContent-Length: LENGTH\r\n"),
    CASE("a name with a space", "X Test: a\r\nContent-Length: LENGTH\r\n"),
    CASE("a name with a bracket", "X(Test: a\r\nContent-Length: LENGTH\r\n"),
    CASE("a name with a letter of UTF-8", "X-\xc3\xa9: a\r\nContent-Length: LENGTH\r\n"),
    CASE("a control character in a value", "X-Test: a\x01"
                                           "b\r\nContent-Length: LENGTH\r\n"),
    CASE("two hosts", "Host: other\r\nContent-Length: LENGTH\r\n"),
    {"a chunk of a negative size", "Transfer-Encoding: chunked\r\n", 0, "-1\r\n{}\r\n0\r\n\r\n"},
    {"a chunk with no size", "Transfer-Encoding: chunked\r\n", 0, "\r\n{}\r\n0\r\n\r\n"},
    {"a chunk with a size in words", "Transfer-Encoding: chunked\r\n", 0, "two\r\n{}\r\n0\r\n\r\n"},
    {"a chunk of 17 digits", "Transfer-Encoding: chunked\r\n", 0, "10000000000000002\r\n{}\r\n0\r\n\r\n"},
    {"a chunk longer than it says", "Transfer-Encoding: chunked\r\n", 0, "2\r\n{\"name\":\"long\"}\r\n0\r\n\r\n"},
    {"a chunk with 0x", "Transfer-Encoding: chunked\r\n", 0, "0x2\r\n{}\r\n0\r\n\r\n"},
};

static void what_two_readers_could_read_differently_is_refused(void **state) {
    (void)state;
    const int64_t before = spaces();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const framing *f = &refused[i];
        bool closed;
        const str text = exchange(request_with(f->lines, f->size ? f->size : strlen(f->lines), f->body), &closed);
        const int status = status_of(text);
        if (status && status != 400 && status != 413 && status != 431 && status != 501)
            fail_msg("%s: %d: %.*s", f->what, status, STR_ARG(text));
        if (!closed) fail_msg("%s: the connection stays open", f->what);
        if (str_find(text, STR("HTTP/1.1 2"), 0) >= 0) fail_msg("%s: a route answered: %.*s", f->what, STR_ARG(text));
        if (spaces() != before) fail_msg("%s: a route was reached", f->what);
    }
}

/* Where nothing came back the library had closed by itself; where the head could be read there is an answer. */
static void the_refusal_is_said_in_words(void **state) {
    (void)state;
    bool closed;
    static const char *const lines[] = {"Content-Length: 1\r\nContent-Length: 1\r\n",
                                        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
                                        "X-Test: a\r\n b\r\n", "Host: other\r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const str text = exchange(request_with(lines[i], strlen(lines[i]), "x"), &closed);
        if (status_of(text) != 400) fail_msg("%s: %.*s", lines[i], STR_ARG(text));
        assert_true(str_find(text, STR("Connection: close"), 0) > 0 || str_find(text, STR("connection: close"), 0) > 0);
        assert_true(str_find(text, STR("application/json"), 0) > 0);
    }
}

static str bytes(const char *text) { return str_of(text); }

static void first_lines_are_read_strictly(void **state) {
    (void)state;
    static const char *const lines[] = {
        "GET  /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/v1/me  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET\t/api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n",
        " GET /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/v1/me HTTP/1.1\nHost: x\r\n\r\n",
        "GET /api/v1/me HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET /api/v1/me HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /api/v1/me HTTP/1.1x\r\nHost: x\r\n\r\n",
        "GET /api/v1/me\r\nHost: x\r\n\r\n",
        "G(T /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/v1/version%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/v1/version\r HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/v1/version HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\x7f\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        bool closed;
        const str text = exchange(bytes(lines[i]), &closed);
        const int status = status_of(text);
        if (status && status != 400 && status != 505) fail_msg("%s: %.*s", lines[i], STR_ARG(text));
        if (!closed) fail_msg("%s: the connection stays open", lines[i]);
    }
}

static void heads_have_a_limit(void **state) {
    (void)state;
    static const size_t sizes[] = {(size_t)100 << 10, (size_t)1 << 20};
    for (size_t i = 0; i < 2; i++) {
        bool closed;
        buf one = {0}, many = {0};
        buf_put_text(&one, "GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
        while (one.len < sizes[i]) buf_put_text(&one, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        buf_put_text(&one, "\r\n\r\n");
        buf_put_text(&many, "GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n");
        for (int k = 0; many.len < sizes[i]; k++) buf_printf(&many, "X-%d: a\r\n", k);
        buf_put_text(&many, "\r\n");
        for (int k = 0; k < 2; k++) {
            const str text = exchange(buf_str(k ? &many : &one), &closed);
            const int status = status_of(text);
            if (status && status != 431 && status != 413 && status != 414 && status != 400) fail_msg("%.*s", STR_ARG(text));
            assert_true(closed);
        }
        buf_free(&one);
        buf_free(&many);
    }
    /* and a long path */
    bool closed;
    buf path = {0};
    buf_put_text(&path, "GET /api/v1/");
    while (path.len < (size_t)100 << 10) buf_put_text(&path, "aaaaaaaaaaaaaaaa");
    buf_put_text(&path, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const int status = status_of(exchange(buf_str(&path), &closed));
    assert_true(!status || status == 414 || status == 431 || status == 400);
    assert_true(closed);
    buf_free(&path);
}

/* The limit of bodies holds whether the length is said before or the body simply goes on. */
static void bodies_have_a_limit(void **state) {
    (void)state;
    bool closed;
    buf out = {0};
    buf_printf(&out, "POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\nContent-Length: %d\r\n\r\n",
               owner.key, (8 << 20) + 1);
    str text = exchange(buf_str(&out), &closed);
    assert_int_equal(status_of(text), 413);
    assert_true(closed);
    buf_clear(&out);
    buf_printf(
        &out,
        "POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
        owner.key);
    char *mega = memory_alloc((1 << 20) + 1);
    memset(mega, ' ', 1 << 20);
    for (int i = 0; i < 9; i++) buf_printf(&out, "100000\r\n%s\r\n", mega);
    buf_put_text(&out, "0\r\n\r\n");
    memory_release(mega);
    text = exchange(buf_str(&out), &closed);
    assert_int_equal(status_of(text), 413);
    assert_true(closed);
    buf_free(&out);
}

static void what_is_clear_is_answered(void **state) {
    (void)state;
    bool closed;
    const int64_t before = spaces();
    const char *head = FORMAT("POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\n", owner.key);
    /* one behind the other on a connection: as many answers, in order */
    str text =
        exchange(str_of(FORMAT("%sContent-Length: 14\r\n\r\n{\"name\":\"one\"}%scontent-length:14 \r\n\r\n{\"name\":\"two\"}",
                               head, head)),
                 &closed);
    (void)closed;
    assert_true(answers_in(text) >= 1);
    text =
        exchange(str_of(FORMAT("%sContent-Length: 16\r\n\r\n{\"name\":\"three\"}%sContent-Length:\t15\r\n\r\n{\"name\":\"four\"}",
                               head, head)),
                 &closed);
    assert_int_equal(answers_in(text), 2);
    assert_true(str_find(text, STR("three"), 0) < str_find(text, STR("four"), 0));
    /* in chunks, with an extension and a trailer */
    text = exchange(
        str_of(FORMAT("%sTransfer-Encoding: chunked\r\n\r\n8\r\n{\"name\":\r\n7;a=b\r\n\"five\"}\r\n0\r\nX-Trailer: a\r\n\r\n",
                      head)),
        &closed);
    assert_int_equal(status_of(text), 201);
    text = exchange(str_of(FORMAT("%sTransfer-Encoding: Chunked\r\n\r\nE\r\n{\"name\":\"six\"}\r\n0\r\n\r\n", head)), &closed);
    assert_int_equal(status_of(text), 201);
    /* HTTP/1.0 ends its connection */
    text = exchange(bytes("GET /api/v1/version HTTP/1.0\r\nHost: localhost\r\n\r\n"), &closed);
    assert_int_equal(status_of(text), 200);
    assert_true(closed);
    assert_true(spaces() - before >= 5);
}

static void every_answer_carries_the_headers_that_protect(void **state) {
    (void)state;
    const answer all[] = {request_of(owner.key, "GET", "/api/v1/me", NULL), request_of(NULL, "GET", "/api/v1/me", NULL),
                          request_of(NULL, "GET", "/nowhere", NULL),
                          request_of(owner.key, "POST", "/api/v1/workspaces", "{'name':''}")};
    static const char *const names[][2] = {
        {"X-Content-Type-Options", "nosniff"}, {"Referrer-Policy", "no-referrer"}, {"Cache-Control", "no-store"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (!str_is(header_of(all[i].head, names[k][0]), names[k][1])) fail_msg("%s of answer %zu", names[k][0], i);
        assert_true(str_find(header_of(all[i].head, "Content-Security-Policy"), STR("frame-ancestors 'none'"), 0) >= 0);
        assert_true(str_starts(header_of(all[i].head, "Content-Type"), STR("application/json")));
        assert_null(header_of(all[i].head, "Access-Control-Allow-Origin").ptr);
    }
}

/* A browser sends the cookie along with whatever page asks; only our own may. Keys are not sent by themselves. */
static void pages_of_other_sites_cannot_use_a_cookie(void **state) {
    (void)state;
    const person ann = a_person("annotator");
    const answer in = request_of(NULL, "POST", "/api/v1/token", FORMAT("{'username':'%s','password':'12345678'}", ann.name));
    const char *cookie = FORMAT("Cookie: fettle_session=%s\r\n", word(parsed(in.body), "access_token"));
    const struct {
        const char *more;
        int status;
    } cases[] = {{"", 200},
                 {"Origin: http://localhost\r\n", 200},
                 {"Sec-Fetch-Site: same-origin\r\n", 200},
                 {"Sec-Fetch-Site: none\r\n", 200},
                 {"Origin: http://evil.example\r\n", 403},
                 {"Origin: null\r\n", 403},
                 {"Origin: http://localhost.evil.example\r\n", 403},
                 {"Origin: http://localhost:1\r\n", 403},
                 {"Sec-Fetch-Site: cross-site\r\n", 403},
                 {"Sec-Fetch-Site: same-site\r\n", 403},
                 {"Origin: http://localhost\r\nSec-Fetch-Site: cross-site\r\n", 403}};
    assert_int_equal(in.status, 201);
    const str attributes = header_of(in.head, "Set-Cookie");
    assert_true(str_find(attributes, STR("HttpOnly"), 0) > 0 && str_find(attributes, STR("SameSite=Strict"), 0) > 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int fd = dial(the_house->port);
        const answer x =
            request_on(the_house->a, fd, "GET", "/api/v1/me", NULL, FORMAT("%s%s", cookie, cases[i].more), (str){NULL, 0});
        if (x.status != cases[i].status) fail_msg("%s: %d", cases[i].more, x.status);
        close(fd);
    }
    const int fd = dial(the_house->port);
    assert_int_equal(
        request_on(the_house->a, fd, "GET", "/api/v1/me", ann.key, "Origin: http://evil.example\r\n", (str){NULL, 0}).status,
        200);
    close(fd);
}

static void a_request_that_ends_in_the_middle_reaches_nothing(void **state) {
    (void)state;
    const int64_t before = spaces();
    const char *head = FORMAT(
        "POST /api/v1/workspaces HTTP/1.1\r\nHost: localhost\r\nX-Argilla-Api-Key: %s\r\nContent-Length: 100\r\n\r\n", owner.key);
    const char *const cut[] = {"POST /api", head, FORMAT("%s{\"name\":\"half\"}", head)};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        const int fd = dial(the_house->port);
        assert_true(send_bytes(fd, str_of(cut[i])));
        shutdown(fd, SHUT_WR);
        const answer x = receive(the_house->a, fd);
        assert_true(x.status == 0 || x.status >= 400);
        close(fd);
    }
    assert_int_equal(spaces(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_two_readers_could_read_differently_is_refused),
        TEST(the_refusal_is_said_in_words),
        TEST(first_lines_are_read_strictly),
        TEST(heads_have_a_limit),
        TEST(bodies_have_a_limit),
        TEST(what_is_clear_is_answered),
        TEST(every_answer_carries_the_headers_that_protect),
        TEST(pages_of_other_sites_cannot_use_a_cookie),
        TEST(a_request_that_ends_in_the_middle_reaches_nothing),
    };
    return cmocka_run_group_tests(tests, begin, house_end);
}
