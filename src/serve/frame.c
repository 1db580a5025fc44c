/* frame.c - the page inside which templates of custom fields are shown.
 *
 *     field (web/src/fields/Custom.svelte) ── postMessage {html, record} ──► /frame or /frame/script ── {height} ──► field
 *
 * Templates are HTML of whoever made the dataset, so they never stand in a page of ours: the frame has an origin of its own that is no
 * other's (sandbox, in the element and in the policy), may fetch nothing and go nowhere. In /frame nothing of the template runs either: the
 * policy lets in the one script below, which puts in elements and attributes that are known to do nothing. /frame/script is for templates that
 * are programs (advanced mode): there the template's scripts run, with `record` in reach, and reach nothing else.
 *
 * The frame is a white sheet in dark mode too: templates choose colours for one. */
#include "serve/api.h"

#define SAME                                                                                                                     \
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; " \
    "frame-ancestors 'self'; script-src "

static const char page[] =
    "<!doctype html><meta charset=\"utf-8\"><style>html{background:#fff;color:#1c1a17}body{margin:0;padding:8px;font:15px/1.5 "
    "system-ui,sans-serif;"
    "overflow-wrap:anywhere}img{max-width:100%%}</style><body><script nonce=\"%s\">\n"
    "const programs = %s, list = (s) => new Set(s.split(' '))\n"
    "const tags = list('A ABBR ARTICLE ASIDE B BLOCKQUOTE BR CAPTION CODE COL COLGROUP DD DEL DETAILS DIV DL DT EM FIGCAPTION "
    "FIGURE FOOTER H1 H2 H3 H4 H5 H6 HEADER HR I IMG INS KBD LI MAIN MARK OL P PRE Q S SAMP SECTION SMALL SPAN STRONG STYLE SUB "
    "SUMMARY SUP TABLE TBODY TD TFOOT TH THEAD TIME TR U UL VAR')\n"
    "const attributes = list('align alt class colspan dir height id lang open rowspan scope span start style title type value "
    "width')\n"
    "function tame(node) {\n"
    "  for (const e of [...node.children]) {\n"
    "    if (!tags.has(e.tagName)) { e.remove(); continue }\n"
    "    for (const a of [...e.attributes])\n"
    "      if (!attributes.has(a.name) && !(e.tagName === 'IMG' && a.name === 'src' && /^data:image\\//i.test(a.value))) "
    "e.removeAttribute(a.name)\n"
    "    tame(e)\n"
    "  }\n"
    "}\n"
    "function wake(node) {\n"
    "  for (const old of node.querySelectorAll('script')) {\n"
    "    const fresh = document.createElement('script')\n"
    "    for (const a of old.attributes) fresh.setAttribute(a.name, a.value)\n"
    "    fresh.textContent = old.textContent\n"
    "    old.replaceWith(fresh)\n"
    "  }\n"
    "}\n"
    "const tell = () => parent.postMessage({ height: Math.ceil(document.documentElement.getBoundingClientRect().height) }, '*')\n"
    "addEventListener('message', (m) => {\n"
    "  if (m.source !== parent || typeof m.data.html !== 'string') return\n"
    "  window.record = m.data.record\n"
    "  const made = new DOMParser().parseFromString(m.data.html, 'text/html')\n"
    "  if (!programs) { tame(made.head); tame(made.body) }\n"
    "  document.body.replaceChildren(...made.head.childNodes, ...made.body.childNodes)\n"
    "  if (programs) wake(document.body)\n"
    "  tell()\n"
    "})\n"
    "new ResizeObserver(tell).observe(document.documentElement)\n"
    "parent.postMessage({ ready: true }, '*')\n"
    "</script>";

static bool put_frame(call *c, bool programs) {
    key_text nonce;
    key_new(nonce);
    buf_printf(&c->out, page, nonce, programs ? "true" : "false");
    c->type = "text/html; charset=utf-8";
    c->policy = programs ? SAME "'unsafe-inline'" : arena_printf(c->a, SAME "'nonce-%s'", nonce);
    return true;
}

static bool get_frame(call *c, err *e) { return (void)e, put_frame(c, false); }
static bool get_program(call *c, err *e) { return (void)e, put_frame(c, true); }

const route routes_frame[] = {
    {"GET", "/frame", WHO_ANYONE, OF_NOTHING, RUN_READ, get_frame, "the frame in which the app shows templates of custom fields"},
    {"GET", "/frame/script", WHO_ANYONE, OF_NOTHING, RUN_READ, get_program, "the same for templates that are programs"},
    {0},
};
