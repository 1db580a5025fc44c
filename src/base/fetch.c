/* fetch.c - libcurl by dlopen: the only file that includes its header. */
#include "base/fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/sys.h"
#include "base/version.h"

/* What is used of it; the names are libcurl's. */
static struct {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *c, CURLoption o, ...);
    CURLcode (*easy_perform)(CURL *c);
    CURLcode (*easy_getinfo)(CURL *c, CURLINFO what, ...);
    void (*easy_cleanup)(CURL *c);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    bool there;
} lib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    void *so = dlopen("libcurl.so.4", RTLD_NOW);
    if (!so) return;
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {{"curl_global_init", &lib.global_init},      {"curl_easy_init", &lib.easy_init},
                  {"curl_easy_setopt", &lib.easy_setopt},      {"curl_easy_perform", &lib.easy_perform},
                  {"curl_easy_getinfo", &lib.easy_getinfo},    {"curl_easy_cleanup", &lib.easy_cleanup},
                  {"curl_easy_strerror", &lib.easy_strerror},  {"curl_slist_append", &lib.slist_append},
                  {"curl_slist_free_all", &lib.slist_free_all}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *symbol = dlsym(so, wanted[i].name);
        if (!symbol) return;
        memcpy(wanted[i].slot, &symbol, sizeof symbol);
    }
    lib.there = lib.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

typedef struct {
    buf out;
    size_t most;
    bool too_large;
} sink;

static size_t take(char *data, size_t size, size_t count, void *context) {
    sink *s = context;
    s->too_large |= s->out.len + size * count > s->most;
    if (s->too_large) return 0;
    buf_put(&s->out, data, size * count);
    return size * count;
}

/* Called about once a second, whatever the other side does: who is asked to end does not wait for it. */
static int may_go_on(void *context, curl_off_t all, curl_off_t got, curl_off_t whole, curl_off_t sent) {
    (void)context, (void)all, (void)got, (void)whole, (void)sent;
    return sys_stop_requested() ? 1 : 0;
}

#undef curl_easy_setopt
static void set_up(CURL *c, const fetch_request *r, struct curl_slist *headers, sink *s) {
    lib.easy_setopt(c, CURLOPT_URL, r->url);
    lib.easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    lib.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    lib.easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    lib.easy_setopt(c, CURLOPT_USERAGENT, "fettle/" FETTLE_VERSION);
    lib.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, may_go_on);
    lib.easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    lib.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)((r->seconds > 0 ? r->seconds : 60) * 1000));
    lib.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    lib.easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    lib.easy_setopt(c, CURLOPT_WRITEDATA, s);
    if (r->body.ptr) {
        lib.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        lib.easy_setopt(c, CURLOPT_POSTFIELDS, r->body.ptr);
    }
}

bool fetch(arena *a, const fetch_request *r, int *status, str *body, err *e) {
    pthread_once(&once, load);
    if (!lib.there)
        return err_set(e, ERR_UNSUPPORTED, "requests to other servers need libcurl (Debian: libcurl4), which is not here");
    if (!str_starts(str_of(r->url), STR("http://")) &&
        !str_starts(str_of(r->url), STR("https://"))) /* an old libcurl asks others too */
        return err_set(e, ERR_INPUT, "expected an address that begins with http:// or https://, got '%s'", r->url);
    CURL *c = lib.easy_init();
    if (!c) return err_set(e, ERR_LIMIT, "no memory for a request");
    struct curl_slist *headers = NULL;
    sink s = {.most = r->most ? r->most : (size_t)1 << 30};
    long code = 0;
    for (const char *const *h = r->headers; h && *h; h++) headers = lib.slist_append(headers, *h);
    set_up(c, r, headers, &s);
    const CURLcode result = lib.easy_perform(c);
    lib.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
    lib.slist_free_all(headers);
    lib.easy_cleanup(c);
    *status = (int)code;
    *body = (str){arena_copy(a, s.out.ptr ? s.out.ptr : "", s.out.len), s.out.len};
    buf_free(&s.out);
    if (result == CURLE_OK) return true;
    return err_set(e, ERR_IO, "%s %s: %s", r->method, r->url,
                   s.too_large ? "the answer is too large" : lib.easy_strerror(result));
}
