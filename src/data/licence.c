/* licence.c - what licences and the terms of sources say about training on their texts. Rows to be read with sense, not legal advice. */
#include <ctype.h>
#include <string.h>

#include "data/recipe.h"

static const licence_terms table[] = {
    {"cc0-1.0", "public domain", (const char *const[]){"cc0", "public domain", "pddl", "unlicense", NULL}, true, true},
    {"apache-2.0", "permissive, with notice", (const char *const[]){"apache 2", "apache license 2.0", "apache", NULL}, true,
     true},
    {"mit", "permissive, with notice", (const char *const[]){"mit license", NULL}, true, true},
    {"bsd", "permissive, with notice", (const char *const[]){"bsd 2 clause", "bsd 3 clause", NULL}, true, true},
    {"cc-by-4.0", "with attribution", (const char *const[]){"cc by", "cc by 3.0", "cc by 2.0", NULL}, true, true},
    {"cc-by-sa-4.0", "with attribution, share alike", (const char *const[]){"cc by sa", "cc by sa 3.0", NULL}, true, true},
    {"odc-by", "with attribution", (const char *const[]){"odc by 1.0", "odbl", "odbl 1.0", NULL}, true, true},
    {"cc-by-nc-4.0", "no commercial use", (const char *const[]){"cc by nc", "cc by nc 3.0", "cc by nc 2.0", NULL}, false, true},
    {"cc-by-nc-sa-4.0", "no commercial use, share alike", (const char *const[]){"cc by nc sa", "cc by nc sa 3.0", NULL}, false,
     true},
    {"cc-by-nc-nd-4.0", "no commercial use, no derivatives", (const char *const[]){"cc by nc nd", "cc by nc nd 3.0", NULL}, false,
     false},
    {"cc-by-nd-4.0", "no derivatives", (const char *const[]){"cc by nd", NULL}, false, true},
    {"research-only", "for research alone",
     (const char *const[]){"research", "non commercial", "noncommercial", "academic", NULL}, false, true},
    {"openai-terms", "outputs may not train competing models",
     (const char *const[]){"openai", "openai terms of use", "gpt 3*", "gpt 4*", "gpt 5*", "chatgpt*", "text davinci*", "o1*",
                           "o3*", NULL},
     true, false},
    {"anthropic-terms", "outputs may not train competing models", (const char *const[]){"anthropic", "claude*", NULL}, true,
     false},
    {"google-terms", "outputs may not train competing models", (const char *const[]){"gemini*", "bard", "palm*", NULL}, true,
     false},
    {"llama2", "outputs may not improve other models", (const char *const[]){"llama 2*", "llama2*", NULL}, true, false},
    {"llama3", "outputs may not improve other models", (const char *const[]){"llama 3", "meta llama 3", NULL}, true, false},
    {"proprietary", "all rights reserved", (const char *const[]){"all rights reserved", "confidential", NULL}, false, false},
};

/* Lower case, one '-' for every run of what is no letter, digit or dot. */
static size_t spell(str name, char *out, size_t room) {
    size_t n = 0;
    for (size_t i = 0; i < name.len && n + 1 < room; i++) {
        const char c = (char)tolower((unsigned char)name.ptr[i]);
        const bool plain = isalnum((unsigned char)c) || c == '.' || c == '*';
        if (plain) out[n++] = c;
        else if (n && out[n - 1] != '-') out[n++] = '-';
    }
    while (n && out[n - 1] == '-') n--;
    out[n] = 0;
    return n;
}

static bool is_name(const char *given, size_t n, const char *name) {
    char spelled[128];
    size_t length = spell(str_of(name), spelled, sizeof spelled);
    if (length && spelled[length - 1] == '*') return n >= length - 1 && !memcmp(given, spelled, length - 1);
    return n == length && !memcmp(given, spelled, n);
}

const licence_terms *licence_find(str name) {
    char given[128];
    const size_t n = spell(name, given, sizeof given);
    for (size_t i = 0; n && i < sizeof table / sizeof *table; i++) {
        if (is_name(given, n, table[i].name)) return &table[i];
        for (const char *const *also = table[i].also; *also; also++)
            if (is_name(given, n, *also)) return &table[i];
    }
    return NULL;
}

static str said(const json *record) {
    const json *metadata = json_get(record, "metadata");
    return json_get_text(metadata, "licence", json_get_text(metadata, "license", STR("")));
}

static str source_of(const json *record) { return json_get_text(json_get(record, "metadata"), "source", STR("")); }

const licence_terms *licence_of_record(const json *record) {
    const str text = said(record);
    return licence_find(text.len ? text : source_of(record));
}

/* A text may be licensed freely and still come from somebody whose terms forbid it. */
static const licence_terms *what_forbids(const json *record) {
    const licence_terms *both[] = {licence_find(said(record)), licence_find(source_of(record))};
    for (size_t i = 0; i < 2; i++)
        if (both[i] && !(both[i]->commercial && both[i]->competing)) return both[i];
    return NULL;
}

str licence_text_of_record(const json *record) {
    const str text = said(record);
    const licence_terms *l = text.len ? NULL : licence_of_record(record);
    return l ? str_of(l->name) : text;
}

enum { NAMED = 5 };

bool licences_allow(const json *records, const char *purpose, err *e) {
    buf names = {0};
    size_t refused = 0;
    if (!purpose || strcmp(purpose, "commercial") != 0) return true;
    for (size_t i = 0; i < json_count(records); i++) {
        const licence_terms *l = what_forbids(json_at(records, i));
        if (!l) continue;
        if (refused++ < NAMED)
            buf_printf(&names, "%s%.*s (%s: %s)", refused > 1 ? ", " : "",
                       STR_ARG(json_get_text(json_at(records, i), "id", STR("?"))), l->name, l->words);
    }
    if (refused > NAMED) buf_put_text(&names, " ...");
    if (refused)
        err_set(e, ERR_REFUSED, "purpose commercial: %zu record%s forbid it: %s; leave them out, or set another purpose", refused,
                refused == 1 ? "'s licence would" : "s' licences would", names.ptr);
    buf_free(&names);
    return !refused;
}
