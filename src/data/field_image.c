/* field_image.c - a picture: a web address, or the picture itself as a data URL. */
#include "data/kind.h"

enum { ADDRESS_MAX = 2038, DATA_MAX = 5000000 };

static bool create(arena *a, const json *in, json **out, err *e) {
    (void)in, (void)e;
    *out = json_new_object(a);
    json_set(*out, "type", json_new_text(a, STR("image")));
    return true;
}

static bool update(arena *a, const json *old, const json *in, json **out, err *e) {
    return same_type(old, in, e) && create(a, old, out, e);
}

/* data:image/png;base64,... The type ends at ';' or ','. */
static bool check_data(str url, err *e) {
    static const char *const types[] = {"avif", "gif", "ico", "jpeg", "jpg", "png", "svg", "svg+xml", "webp"};
    const str rest = str_slice(url, 5, url.len), prefix = STR("image/");
    size_t end = 0;
    if (text_characters(url) > DATA_MAX)
        return err_set(e, ERR_INPUT, "its data URL should have at most %d characters, but has %zu", DATA_MAX,
                       text_characters(url));
    while (end < rest.len && rest.ptr[end] != ';' && rest.ptr[end] != ',') end++;
    for (size_t i = 0; str_starts(rest, prefix) && end < rest.len && i < sizeof types / sizeof *types; i++)
        if (str_is(str_slice(rest, prefix.len, end), types[i])) return true;
    return err_set(e, ERR_INPUT,
                   "its data URL should be an image of type avif, gif, ico, jpeg, jpg, png, svg or webp, but is '%.*s'",
                   STR_ARG(str_slice(rest, 0, end < 40 ? end : 40)));
}

static bool check_address(str url, err *e) {
    const str rest = str_slice(url, str_starts(url, STR("https://")) ? 8 : 7, url.len);
    const ptrdiff_t slash = str_find(rest, STR("/"), 0);
    if (slash <= 0 || (size_t)slash + 1 >= rest.len)
        return err_set(e, ERR_INPUT, "its address should be http(s)://HOST/PATH, but host or path is empty");
    return text_characters(url) <= ADDRESS_MAX ||
           err_set(e, ERR_INPUT, "its address should have at most %d characters, but has %zu", ADDRESS_MAX, text_characters(url));
}

static bool check(const json *value, err *e) {
    const str url = json_text(value, STR(""));
    if (str_starts(url, STR("data:"))) return check_data(url, e);
    if (str_starts(url, STR("http://")) || str_starts(url, STR("https://"))) return check_address(url, e);
    return err_set(e, ERR_INPUT, "it should be an address (http:// or https://) or a data URL of an image, but is %s",
                   value_words(value));
}

static void search_text(const json *value, buf *out) { (void)value, (void)out; }

const field_type field_type_image = {"image", "a picture, by address or as a data URL", create, update, check, search_text};
