/* jinja_filters_html.c - filters that know HTML: escaping and its way back, attributes, addresses. A text that was escaped is markup:
 * it is not escaped twice, and what is joined to it is escaped first (markupsafe's rules). */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_parts.h"
#include "text/unicode.h"

static jvalue escaped(run *r, str s) {
    static const char signs[] = "&<>\"'";
    static const char *const with[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    buf *out = jinja_buf(r);
    for (size_t i = 0; i < s.len; i++) {
        const char *sign = s.ptr[i] ? strchr(signs, s.ptr[i]) : NULL;
        if (sign) buf_put_text(out, with[sign - signs]);
        else buf_put_char(out, s.ptr[i]);
    }
    return jv_marked(jv_of_buf(r, out), true);
}

jvalue jinja_escape(run *r, jvalue v) { return v.kind == V_STRING && v.markup ? v : escaped(r, jv_string(r, v)); }

FILTER(f_escape) {
    (void)args;
    return jinja_escape(r, v);
}
FILTER(f_forceescape) {
    (void)args;
    return escaped(r, jv_string(r, v));
}
FILTER(f_safe) {
    (void)args;
    return jv_marked(jv_text(jv_string(r, v)), true);
}

/* ---- striptags -------------------------------------------------------------------------------------------------------------------------- */

/* Names of signs: HTML 4's, as html.unescape reads them. Those of Latin-1, from U+00A0 on, also stand without a semicolon. HTML 5 has
 * two thousand more; they stay as they are. */
static const char latin[] =
    "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute "
    "micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring "
    "AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml "
    "times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil "
    "egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash "
    "ugrave uacute ucirc uuml yacute thorn yuml";
static const struct {
    const char *name;
    int32_t code;
} bare[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'},   {"quot", '"'},  {"AMP", '&'},
            {"LT", '<'},  {"GT", '>'}, {"QUOT", '"'}, {"COPY", 0xa9}, {"REG", 0xae}},
  closed[] = {
      {"apos", '\''},     {"OElig", 0x152},   {"oelig", 0x153},    {"Scaron", 0x160},  {"scaron", 0x161},   {"Yuml", 0x178},
      {"fnof", 0x192},    {"circ", 0x2c6},    {"tilde", 0x2dc},    {"Alpha", 0x391},   {"Beta", 0x392},     {"Gamma", 0x393},
      {"Delta", 0x394},   {"Epsilon", 0x395}, {"Zeta", 0x396},     {"Eta", 0x397},     {"Theta", 0x398},    {"Iota", 0x399},
      {"Kappa", 0x39a},   {"Lambda", 0x39b},  {"Mu", 0x39c},       {"Nu", 0x39d},      {"Xi", 0x39e},       {"Omicron", 0x39f},
      {"Pi", 0x3a0},      {"Rho", 0x3a1},     {"Sigma", 0x3a3},    {"Tau", 0x3a4},     {"Upsilon", 0x3a5},  {"Phi", 0x3a6},
      {"Chi", 0x3a7},     {"Psi", 0x3a8},     {"Omega", 0x3a9},    {"alpha", 0x3b1},   {"beta", 0x3b2},     {"gamma", 0x3b3},
      {"delta", 0x3b4},   {"epsilon", 0x3b5}, {"zeta", 0x3b6},     {"eta", 0x3b7},     {"theta", 0x3b8},    {"iota", 0x3b9},
      {"kappa", 0x3ba},   {"lambda", 0x3bb},  {"mu", 0x3bc},       {"nu", 0x3bd},      {"xi", 0x3be},       {"omicron", 0x3bf},
      {"pi", 0x3c0},      {"rho", 0x3c1},     {"sigmaf", 0x3c2},   {"sigma", 0x3c3},   {"tau", 0x3c4},      {"upsilon", 0x3c5},
      {"phi", 0x3c6},     {"chi", 0x3c7},     {"psi", 0x3c8},      {"omega", 0x3c9},   {"thetasym", 0x3d1}, {"upsih", 0x3d2},
      {"piv", 0x3d6},     {"ensp", 0x2002},   {"emsp", 0x2003},    {"thinsp", 0x2009}, {"zwnj", 0x200c},    {"zwj", 0x200d},
      {"lrm", 0x200e},    {"rlm", 0x200f},    {"ndash", 0x2013},   {"mdash", 0x2014},  {"lsquo", 0x2018},   {"rsquo", 0x2019},
      {"sbquo", 0x201a},  {"ldquo", 0x201c},  {"rdquo", 0x201d},   {"bdquo", 0x201e},  {"dagger", 0x2020},  {"Dagger", 0x2021},
      {"bull", 0x2022},   {"hellip", 0x2026}, {"permil", 0x2030},  {"prime", 0x2032},  {"Prime", 0x2033},   {"lsaquo", 0x2039},
      {"rsaquo", 0x203a}, {"oline", 0x203e},  {"frasl", 0x2044},   {"euro", 0x20ac},   {"image", 0x2111},   {"weierp", 0x2118},
      {"real", 0x211c},   {"trade", 0x2122},  {"alefsym", 0x2135}, {"larr", 0x2190},   {"uarr", 0x2191},    {"rarr", 0x2192},
      {"darr", 0x2193},   {"harr", 0x2194},   {"crarr", 0x21b5},   {"lArr", 0x21d0},   {"uArr", 0x21d1},    {"rArr", 0x21d2},
      {"dArr", 0x21d3},   {"hArr", 0x21d4},   {"forall", 0x2200},  {"part", 0x2202},   {"exist", 0x2203},   {"empty", 0x2205},
      {"nabla", 0x2207},  {"isin", 0x2208},   {"notin", 0x2209},   {"ni", 0x220b},     {"prod", 0x220f},    {"sum", 0x2211},
      {"minus", 0x2212},  {"lowast", 0x2217}, {"radic", 0x221a},   {"prop", 0x221d},   {"infin", 0x221e},   {"ang", 0x2220},
      {"and", 0x2227},    {"or", 0x2228},     {"cap", 0x2229},     {"cup", 0x222a},    {"int", 0x222b},     {"there4", 0x2234},
      {"sim", 0x223c},    {"cong", 0x2245},   {"asymp", 0x2248},   {"ne", 0x2260},     {"equiv", 0x2261},   {"le", 0x2264},
      {"ge", 0x2265},     {"sub", 0x2282},    {"sup", 0x2283},     {"nsub", 0x2284},   {"sube", 0x2286},    {"supe", 0x2287},
      {"oplus", 0x2295},  {"otimes", 0x2297}, {"perp", 0x22a5},    {"sdot", 0x22c5},   {"lceil", 0x2308},   {"rceil", 0x2309},
      {"lfloor", 0x230a}, {"rfloor", 0x230b}, {"loz", 0x25ca},     {"spades", 0x2660}, {"clubs", 0x2663},   {"hearts", 0x2665},
      {"diams", 0x2666},  {"lang", 0x27e8},   {"rang", 0x27e9}};

static int32_t latin_code(str name) {
    const char *at = latin;
    for (int32_t code = 0xa0; at; code++) {
        if (strncmp(at, name.ptr, name.len) == 0 && (at[name.len] == ' ' || !at[name.len])) return code;
        at = strchr(at, ' ');
        if (at) at++;
    }
    return -1;
}

/* The sign of a name (its semicolon seen, or not), or -1. */
static int32_t sign_of(str name, bool semicolon) {
    if (!name.len) return -1;
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
        if (str_is(name, bare[i].name)) return bare[i].code;
    for (size_t i = 0; semicolon && i < sizeof closed / sizeof *closed; i++)
        if (str_is(name, closed[i].name)) return closed[i].code;
    return latin_code(name);
}

/* What a number stands for: Windows' signs for the controls from 128 on, nothing for what is no character. */
static void put_numbered(buf *out, unsigned long n) {
    static const uint16_t windows[] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
                                       0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                       0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    if (n >= 0x80 && n < 0xa0) utf8_put(out, windows[n - 0x80]);
    else if (!n || n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) utf8_put(out, 0xfffd);
    else if ((n < 32 && n != 9 && n != 10 && n != 12 && n != 13) || n == 127 || n == 11 || (n >= 0xfdd0 && n < 0xfdf0) ||
             (n & 0xfffe) == 0xfffe)
        return;
    else utf8_put(out, (int32_t)n);
}

/* The reference behind the & at s[at - 1] as its sign; where it ends (at: it is none). */
static size_t put_reference(buf *out, str s, size_t at) {
    size_t end = at;
    if (end < s.len && s.ptr[end] == '#') {
        const bool hex = end + 1 < s.len && (s.ptr[end + 1] == 'x' || s.ptr[end + 1] == 'X');
        const size_t from = end + 1 + hex;
        unsigned long n = 0;
        for (end = from; end < s.len && s.ptr[end] && strchr("0123456789abcdefABCDEF", s.ptr[end]); end++) {
            const char c = s.ptr[end];
            if (!hex && c > '9') break;
            n = (hex ? 16 : 10) * n + (unsigned long)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
            if (n > 0x10ffff) n = 0x110000;
        }
        if (end == from) return at;
        put_numbered(out, n);
        return end + (end < s.len && s.ptr[end] == ';');
    }
    while (end < s.len && end - at < 32 && s.ptr[end] && !strchr("\t\n\f <&#;", s.ptr[end])) end++;
    const bool semicolon = end < s.len && s.ptr[end] == ';';
    int32_t code = sign_of(str_slice(s, at, end), semicolon);
    if (code >= 0) return utf8_put(out, code), end + semicolon;
    for (; end > at + 1; end--) /* the longest beginning that is a name without a semicolon */
        if ((code = sign_of(str_slice(s, at, end - 1), false)) >= 0) return utf8_put(out, code), end - 1;
    return at;
}

/* Everything from `open` to `close` goes, as long as there is one behind the other. */
static str without(run *r, str s, str open, str close) {
    buf *out = jinja_buf(r);
    for (;;) {
        const ptrdiff_t from = str_find(s, open, 0), to = from < 0 ? -1 : str_find(s, close, (size_t)from);
        if (to < 0) break;
        buf_put_str(out, str_slice(s, 0, (size_t)from));
        s = str_slice(s, (size_t)to + close.len, s.len);
        jinja_burn(r, 1);
    }
    buf_put_str(out, s);
    return jv_of_buf(r, out).u.text;
}

FILTER(f_striptags) {
    const str open = without(r, without(r, jv_string(r, v), STR("<!--"), STR("-->")), STR("<"), STR(">"));
    const str s = jinja_join(r, STR(" "), jinja_split(r, open, (str){NULL, 0}, -1, false).u.list).u.text;
    buf *out = jinja_buf(r);
    (void)args;
    for (size_t at = 0; at < s.len;) {
        const char c = s.ptr[at++];
        if (c == '&') jinja_burn(r, 8);
        const size_t end = c == '&' ? put_reference(out, s, at) : at;
        if (c != '&' || end == at) buf_put_char(out, c);
        at = end;
    }
    return jv_of_buf(r, out);
}

/* ---- attributes and addresses --------------------------------------------------------------------------------------------------------- */

FILTER(f_xmlattr) {
    if (v.kind != V_DICT || v.u.dict->namespace) jinja_fail(r, "xmlattr wants a dict, not '%s'", jv_type(v));
    buf *out = jinja_buf(r);
    for (int i = 0; i < v.u.dict->count; i++) {
        const jvalue value = v.u.dict->value[i];
        const str key = jv_string(r, v.u.dict->key[i]);
        if (value.kind == V_NONE || value.kind == V_UNDEFINED) continue;
        for (size_t k = 0; k < key.len; k++)
            if (strchr(" \t\n\v\f\r/>=", key.ptr[k])) jinja_fail(r, "Invalid character in attribute name: '%.*s'", STR_ARG(key));
        if (out->len || jv_truth(jinja_arg(args, 0, "autospace", jv_bool(true)))) buf_put_char(out, ' ');
        buf_put_str(out, jinja_escape(r, v.u.dict->key[i]).u.text);
        buf_put_text(out, "=\"");
        buf_put_str(out, jinja_escape(r, value).u.text);
        buf_put_char(out, '"');
    }
    return jv_of_buf(r, out);
}

/* In a query / is quoted too, and a blank is +. */
static void put_quoted(run *r, buf *out, jvalue v, bool query) {
    const str s = jv_string(r, v);
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("_.-~", c));
        if (plain || (c == '/' && !query)) buf_put_char(out, c);
        else if (c == ' ' && query) buf_put_char(out, '+');
        else buf_printf(out, "%%%02X", (unsigned char)c);
    }
    jinja_burn(r, (int64_t)(s.len / 16) + 1);
}

FILTER(f_urlencode) {
    buf *out = jinja_buf(r);
    (void)args;
    if (v.kind != V_DICT && v.kind != V_LIST) put_quoted(r, out, v.kind == V_UNDEFINED ? jv_text(STR("")) : v, false);
    const jlist *pairs = v.kind == V_DICT ? jv_items(r, v.u.dict).u.list : v.kind == V_LIST ? v.u.list : NULL;
    for (int i = 0; pairs && i < pairs->count; i++) {
        const jlist *pair = jv_iterate(r, pairs->item[i]);
        if (pair->count != 2) jinja_fail(r, "urlencode wants pairs of a name and a value, not %d values", pair->count);
        if (i) buf_put_char(out, '&');
        put_quoted(r, out, pair->item[0], true);
        buf_put_char(out, '=');
        put_quoted(r, out, pair->item[1], true);
    }
    return jv_of_buf(r, out);
}

FILTER(f_urlize) {
    (void)v, (void)args;
    jinja_fail(r, "urlize makes links for a web page, which a chat template has no use for; it is not here");
}

const jinja_filter_row jinja_filters_of_html[] = {{"escape", f_escape},
                                                  {"e", f_escape},
                                                  {"forceescape", f_forceescape},
                                                  {"safe", f_safe},
                                                  {"striptags", f_striptags},
                                                  {"xmlattr", f_xmlattr},
                                                  {"urlencode", f_urlencode},
                                                  {"urlize", f_urlize},
                                                  {NULL, NULL}};
