/* api_session.c - who is asking: login, the first owner, passwords. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "serve/api.h"

#define HOUR      ((int64_t)3600 * 1000000)
#define USE_NOTED (HOUR / 12) /* how often the last use of a key or session is written down */
enum { SESSION_HOURS = 24 * 30, NAMES = 4096, FREE_TRIES = 3, WAIT_MOST = 60 };
enum { HASHES_MOST = 2, HASHES_WAIT = 32 };

bool write_inside(call *c, bool (*inside)(call *c, err *e), err *e);

typedef struct {
    call *c;
    bool (*run)(call *c, err *e);
} inside_context;

static bool run_inside(store_tx *t, void *context, err *e) {
    inside_context *x = context;
    x->c->tx = t;
    const bool ok = replay(x->c, e) && (x->c->replayed || (x->run(x->c, e) && keep_answer(x->c, e)));
    x->c->tx = NULL;
    return ok;
}

bool write_inside(call *c, bool (*inside)(call *c, err *e), err *e) {
    inside_context x = {c, inside};
    if (!store_write(server_store(c->server), run_inside, &x, e)) return false;
    server_tell(c->server);
    return true;
}

/* ---- finding out ------------------------------------------------------------------------------------------------------------------------ */

/* From this process, or through the data folder's socket: the first owner, or an owner without a row. */
static bool find_owner(call *c, err *e) {
    users all;
    if (!user_list(c->tx, c->a, &all, e)) return false;
    c->me = (user){.username = "local", .first_name = "local", .role = ROLE_OWNER};
    for (int i = all.count - 1; i >= 0; i--)
        if (all.item[i].role == ROLE_OWNER) c->me = all.item[i];
    return true;
}

static bool enter_by(call *c, pass_kind kind, str secret, err *e) {
    pass p;
    err none = {0};
    if (!pass_find(c->tx, c->a, kind, secret, &p, &none))
        return none.code == ERR_NOT_FOUND ? false : err_set(e, none.code, "%s", none.text);
    c->session = p.seq;
    c->came_by = p;
    return user_get_seq(c->tx, c->a, p.user, &c->me, e);
}

bool session_find(call *c, err *e) {
    if (c->api_key.len && enter_by(c, PASS_KEY, c->api_key, e)) return true;
    if (!e->code && c->bearer.len &&
        (enter_by(c, PASS_SESSION, c->bearer, e) || (!e->code && enter_by(c, PASS_KEY, c->bearer, e))))
        return true;
    if (!e->code && c->cookie.len && enter_by(c, PASS_SESSION, c->cookie, e)) return true;
    if (e->code) return false;
    const bool nothing = !c->api_key.len && !c->bearer.len;
    /* Without a login any key will do: clients of models cannot be told to send none. */
    if (serve_is_open(c->server) || (nothing && c->trusted)) return find_owner(c, e);
    return err_set(e, ERR_UNAUTHORIZED, "Could not validate credentials");
}

static bool write_use(store_tx *t, void *context, err *e) {
    const pass *p = context;
    return pass_touch(t, p->seq, clock_now(), e);
}

/* Written once in a while: a write at every request would make readers wait for the disk. */
void note_use(call *c) {
    const int64_t now = clock_now();
    err none = {0}; /* that it was not noted fails nobody's request */
    if (c->came_by.seq && c->came_by.used_at + USE_NOTED < now)
        store_write(server_store(c->server), write_use, &c->came_by, &none);
}

/* ---- passwords: few at once ------------------------------------------------------------------------------------------------------------ */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t free;
    int running, waiting;
} hashing = {.mutex = PTHREAD_MUTEX_INITIALIZER, .free = PTHREAD_COND_INITIALIZER};

static bool take_turn(err *e) {
    pthread_mutex_lock(&hashing.mutex);
    const bool may = hashing.running < HASHES_MOST || hashing.waiting < HASHES_WAIT;
    hashing.waiting++;
    while (may && hashing.running >= HASHES_MOST) pthread_cond_wait(&hashing.free, &hashing.mutex);
    hashing.waiting--;
    hashing.running += may;
    pthread_mutex_unlock(&hashing.mutex);
    return may || err_set(e, ERR_BUSY, "too many people log in at once: try again in a few seconds");
}

static void end_turn(void) {
    pthread_mutex_lock(&hashing.mutex);
    hashing.running--;
    pthread_cond_signal(&hashing.free);
    pthread_mutex_unlock(&hashing.mutex);
}

bool hash_password(call *c, const char *password, user *u, err *e) {
    char *own = arena_alloc(c->a, sizeof(password_hash));
    if (!take_turn(e)) return false;
    const bool ok = password_set(str_of(password), own);
    end_turn();
    u->password = own;
    return ok || err_set(e, ERR_LIMIT, "no memory for the password");
}

bool check_password(str password, const char *hash, bool *right, err *e) {
    if (!take_turn(e)) return false;
    *right = password_check(password, hash);
    end_turn();
    return true;
}

/* ---- login delays: after a few failures a name has to wait, twice as long each time ------------------------------------------------------- */

/* By a hash of the name: names that share a place wait together, so that nobody gets rid of a delay by trying another name. */
static struct {
    int failures;
    int64_t until;
} waits[NAMES];
static pthread_mutex_t waits_guard = PTHREAD_MUTEX_INITIALIZER;

static int wait_of(str username) {
    sha256_text hash;
    bytes_sha256(username.ptr, username.len, hash);
    int at = 0;
    for (int i = 0; i < 4; i++) at = at * 16 + (hash[i] <= '9' ? hash[i] - '0' : hash[i] - 'a' + 10);
    at %= NAMES;
    if (waits[at].until && waits[at].until + HOUR < clock_now()) waits[at].failures = 0, waits[at].until = 0;
    return at;
}

bool throttle_wait(call *c, str username, err *e) {
    (void)c;
    pthread_mutex_lock(&waits_guard);
    const int64_t left = waits[wait_of(username)].until - clock_now();
    pthread_mutex_unlock(&waits_guard);
    return left <= 0 ||
           err_set(e, ERR_BUSY, "too many wrong passwords for this name: wait %lld seconds", (long long)(left / 1000000 + 1));
}

void throttle_note(call *c, str username, bool failed) {
    (void)c;
    pthread_mutex_lock(&waits_guard);
    const int at = wait_of(username), over = failed ? ++waits[at].failures - FREE_TRIES : 0;
    if (!failed) waits[at].failures = 0, waits[at].until = 0;
    else { /* a moment that is over marks when the last failure was */
        const int64_t seconds = over <= 0 ? 0 : over < 6 ? (int64_t)1 << over : WAIT_MOST;
        waits[at].until = clock_now() + seconds * 1000000;
    }
    pthread_mutex_unlock(&waits_guard);
}

/* ---- keys and sessions ------------------------------------------------------------------------------------------------------------------------ */

bool new_key_as(call *c, pass *p, key_text out, err *e) {
    p->kind = PASS_KEY;
    key_new(out);
    c->shows_secret = true;
    return pass_add(c->tx, p, str_of(out), e);
}

bool new_key(call *c, int64_t person, const char *name, key_text out, err *e) {
    return new_key_as(c, &(pass){.user = person, .name = name}, out, e);
}

bool new_session(call *c, int64_t person, const char *name, key_text out, err *e) {
    pass p = {.kind = PASS_SESSION, .user = person, .name = name, .expires_at = clock_now() + SESSION_HOURS * HOUR};
    key_new(out);
    return pass_add(c->tx, &p, str_of(out), e);
}

static str form_value(call *c, const char *key) {
    const size_t n = strlen(key);
    for (size_t at = 0; at < c->raw.len;) {
        const ptrdiff_t amp = str_find(c->raw, STR("&"), at);
        const size_t end = amp < 0 ? c->raw.len : (size_t)amp;
        const str one = str_slice(c->raw, at, end);
        if (one.len > n && strncmp(one.ptr, key, n) == 0 && one.ptr[n] == '=')
            return str_of(url_decoded(c->a, str_slice(one, n + 1, one.len)));
        at = end + 1;
    }
    return STR("");
}

static bool read_person(store_tx *t, void *context, err *e) {
    call *c = context;
    err none = {0};
    if (!user_named(t, c->a, str_of(c->person.username), &c->person, &none)) c->person.seq = 0;
    return none.code == ERR_NONE || none.code == ERR_NOT_FOUND || err_set(e, none.code, "%s", none.text);
}

static bool add_session(call *c, err *e) {
    key_text key;
    if (!new_session(c, c->person.seq, "login", key, e) ||
        !audit_add(c->tx, c->person.seq, "login", c->person.id, (str){NULL, 0}, e))
        return false;
    c->set_cookie =
        arena_printf(c->a, "fettle_session=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%d", key, SESSION_HOURS * 3600);
    json_open(&c->w, '{');
    json_key(&c->w, "access_token"), json_put_cstr(&c->w, key);
    json_key(&c->w, "token_type"), json_put_cstr(&c->w, "bearer");
    json_close(&c->w);
    return true;
}

static bool log_in(call *c, int status, err *e) {
    const str name = c->form ? form_value(c, "username") : json_get_text(c->body, "username", STR("")),
              password = c->form ? form_value(c, "password") : json_get_text(c->body, "password", STR(""));
    if (!name.len || !password.len) return invalid(c, "body.username", e, "username and password are required");
    if (!throttle_wait(c, name, e)) return false;
    c->person = (user){.username = str_copy(c->a, name)};
    if (!store_read(server_store(c->server), read_person, c, e)) return false;
    static const char nobody[] =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const bool there = c->person.seq && c->person.password; /* a name that is not there takes as long */
    bool right;
    if (!check_password(password, there ? c->person.password : nobody, &right, e)) return false;
    right = right && there;
    throttle_note(c, name, !right);
    if (!right) return err_set(e, ERR_UNAUTHORIZED, "Incorrect username or password");
    c->status = status;
    return write_inside(c, add_session, e);
}

static bool post_token(call *c, err *e) { return log_in(c, 201, e); }
static bool post_token_v0(call *c, err *e) { return log_in(c, 200, e); }

static bool get_me(call *c, err *e) {
    (void)e;
    put_user(&c->w, &c->me, NULL);
    return true;
}

static bool end_session(call *c, err *e) {
    passes list;
    if (!pass_list(c->tx, c->a, c->me.seq, &list, e)) return false;
    for (int i = 0; i < list.count; i++)
        if (list.item[i].seq == c->session && list.item[i].kind == PASS_SESSION &&
            !pass_delete(c->tx, c->me.seq, list.item[i].id, e))
            return false;
    c->set_cookie = "fettle_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0";
    c->status = 204;
    c->no_body = true;
    return true;
}

/* ---- the first owner ---------------------------------------------------------------------------------------------------------------------------- */

static bool add_owner(call *c, err *e) {
    key_text key;
    if (user_count(c->tx, e)) return err_set(e, ERR_CONFLICT, "somebody is the owner already");
    workspace space = {.name = "default"};
    if (!user_add(c->tx, &c->person, e) || !workspace_add(c->tx, &space, e) || !new_key(c, c->person.seq, "first", key, e))
        return false;
    put_user(&c->w, &c->person, key);
    return true;
}

/* The secret stands behind the # of the link /welcome, so that no log on the way holds it; the page there sends it. */
static bool post_welcome(call *c, err *e) {
    const char *link = server_link(c->server), *name = "owner", *password;
    const str secret = json_get_text(c->body, "link", STR(""));
    if (!link || secret.len != strlen(link) || !secret_equal(secret.ptr, link, secret.len))
        return err_set(e, ERR_FORBIDDEN, "this link is not, or no longer, good");
    if (!body_text_or(c, "username", 1, 200, &name, e) || !password_rule(c, &password, e)) return false;
    c->person = (user){.username = name, .first_name = name, .role = ROLE_OWNER};
    if (!hash_password(c, password, &c->person, e)) return false;
    c->status = 201;
    return write_inside(c, add_owner, e);
}

/* ---- my password ---------------------------------------------------------------------------------------------------------------------------- */

static bool save_password(call *c, err *e) {
    const char *own = c->me.password; /* the rest of the row may have changed while this was made */
    if (!user_get_seq(c->tx, c->a, c->me.seq, &c->me, e)) return false;
    c->me.password = own;
    return user_save(c->tx, &c->me, e) && pass_delete_kind(c->tx, c->me.seq, PASS_SESSION, e) &&
           audit_add(c->tx, c->me.seq, "password.change", c->me.id, (str){NULL, 0}, e);
}

static bool put_password(call *c, err *e) {
    const char *password;
    const str old = json_get_text(c->body, "old_password", STR(""));
    bool right = true;
    if (!password_rule(c, &password, e) || (c->me.password && !check_password(old, c->me.password, &right, e))) return false;
    if (!right) return err_set(e, ERR_FORBIDDEN, "the old password is wrong");
    if (!hash_password(c, password, &c->me, e)) return false;
    c->status = 204;
    c->no_body = true;
    return write_inside(c, save_password, e);
}

const route routes_session[] = {
    {"GET", "/api/v1/me", WHO_USER, OF_NOTHING, RUN_READ, get_me, "who I am"},
    {"POST", "/api/v1/token", WHO_ANYONE, OF_NOTHING, RUN_SELF, post_token, "log in: form or JSON with username and password"},
    {"POST", "/api/security/token", WHO_ANYONE, OF_NOTHING, RUN_SELF, post_token_v0, "log in, as older clients do"},
    {"POST", "/api/v1/welcome", WHO_ANYONE, OF_NOTHING, RUN_SELF, post_welcome,
     "become the owner by the link of an empty server"},
    {"DELETE", "/api/v1/me/session", WHO_USER, OF_NOTHING, RUN_WRITE, end_session, "log out"},
    {"PUT", "/api/v1/me/password", WHO_USER, OF_NOTHING, RUN_SELF, put_password, "change my password; ends my sessions"},
    {0},
};
