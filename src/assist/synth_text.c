/* synth_text.c - words of a generator to tasks, and the filters that were published with Self-Instruct. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "assist/assist.h"

static str line_at(str text, size_t *at) {
    const ptrdiff_t end = str_find(text, STR("\n"), *at);
    const str line = str_slice(text, *at, end < 0 ? text.len : (size_t)end);
    *at = end < 0 ? text.len : (size_t)end + 1;
    return line;
}

/* ---- instructions ---------------------------------------------------------------------------------------------------------------------- */

/* What stands behind "12." or "12)"; empty: the line has no number. */
static str behind_number(str line) {
    size_t n = 0;
    line = str_trim(line);
    while (n < line.len && isdigit((unsigned char)line.ptr[n])) n++;
    if (!n || n >= line.len || (line.ptr[n] != '.' && line.ptr[n] != ')')) return STR("");
    return str_trim(str_slice(line, n + 1, line.len));
}

int synth_read_list(arena *a, str words, str *out, int most) {
    int n = 0;
    for (size_t at = 0; at < words.len && n < most;) {
        const str item = behind_number(line_at(words, &at));
        if (item.len) out[n++] = (str){str_copy(a, item), item.len};
    }
    return n;
}

static int count_words(str text) {
    int n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += !isspace((unsigned char)text.ptr[i]) && (i == 0 || isspace((unsigned char)text.ptr[i - 1]));
    return n;
}

static bool has_word(str text, const char *word) {
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len; i++) {
        const bool begins = i == 0 || !isalnum((unsigned char)text.ptr[i - 1]),
                   ends = i + n == text.len || !isalnum((unsigned char)text.ptr[i + n]);
        if (begins && ends && strncasecmp(text.ptr + i, word, n) == 0) return true;
    }
    return false;
}

const char *synth_unfit(str instruction) {
    /* what a model of text can neither see nor make */
    static const char *const beyond[] = {"image", "images", "graph", "graphs", "picture", "pictures", "file",
                                         "files", "map",    "maps",  "draw",   "plot",    "go to"};
    const unsigned char first = instruction.len ? (unsigned char)instruction.ptr[0] : 0;
    const int words = count_words(instruction);
    if (words <= 3) return "too short";
    if (words > 150) return "too long";
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if (has_word(instruction, beyond[i])) return "asks for what text cannot do";
    if (str_starts(instruction, STR("Write a program"))) return "asks for a program";
    if (ispunct(first)) return "begins with punctuation";
    return first >= 0x80 ? "begins with a letter that is not ASCII" : NULL;
}

/* ---- instances -------------------------------------------------------------------------------------------------------------------------- */

/* What stands behind the mark, where the line begins with it in whatever case. */
static bool marked(str line, const char *mark, str *out) {
    const size_t n = strlen(mark);
    line = str_trim(line);
    if (line.len < n || strncasecmp(line.ptr, mark, n) != 0) return false;
    *out = str_trim(str_slice(line, n, line.len));
    return true;
}

static bool is_heading(str line) {
    str rest;
    return marked(line, "Example", &rest) && rest.len <= 4;
}

static str none_of(str text) {
    static const char *const none[] = {"none", "n/a", "<noinput>", "no input", "(none)"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (text.len == strlen(none[i]) && strncasecmp(text.ptr, none[i], text.len) == 0) return STR("");
    return text;
}

static void join(arena *a, str *to, str line) {
    const char *text = to->len ? arena_printf(a, "%.*s\n%.*s", STR_ARG(*to), STR_ARG(line)) : str_copy(a, line);
    *to = str_of(text);
}

int synth_read_instances(arena *a, str words, bool labelled, synth_instance *out, int most) {
    int n = 0;
    bool open = false; /* the newest instance has its first part, and not yet its second */
    str *into = NULL;
    for (size_t at = 0; at < words.len;) {
        str line = line_at(words, &at), rest;
        const bool begins = marked(line, labelled ? "Class label:" : "Input:", &rest);
        const bool second = !begins && marked(line, labelled ? "Input:" : "Output:", &rest);
        if (begins || (second && !open)) {
            if (n == most) break;
            out[n] = (synth_instance){STR(""), STR("")};
            into = begins == labelled ? &out[n].output : &out[n].input;
            if (second) into = labelled ? &out[n].input : &out[n].output;
            n++;
        } else if (second) into = labelled ? &out[n - 1].input : &out[n - 1].output;
        if (begins || second) {
            open = begins;
            if (rest.len) join(a, into, rest);
        } else if (into && !is_heading(line)) join(a, into, line);
    }
    for (int i = 0; i < n; i++) {
        out[i].input = none_of(str_trim(out[i].input));
        out[i].output = str_trim(out[i].output);
    }
    return n;
}

static bool ends_open(str text) { return text.len && text.ptr[text.len - 1] == ':'; }

static bool contradicted(const synth_instance *x, int count, int i) {
    for (int k = 0; k < count; k++)
        if (str_eq(x[k].input, x[i].input) && !str_eq(x[k].output, x[i].output)) return true;
    return false;
}

int synth_fit_instances(synth_instance *x, int count, bool open) {
    int n = 0, left = 0;
    bool keep[64];
    if (count > (int)(sizeof keep / sizeof *keep)) count = sizeof keep / sizeof *keep;
    for (int i = 0; i < count; i++) {
        bool again = false;
        for (int k = 0; k < n && !again; k++) again = str_eq(x[k].input, x[i].input) && str_eq(x[k].output, x[i].output);
        const bool empty = !x[i].output.len && !open, echo = x[i].output.len && str_eq(x[i].input, x[i].output);
        if (!again && !empty && !echo && !ends_open(x[i].input) && !ends_open(x[i].output)) x[n++] = x[i];
    }
    for (int i = 0; i < n; i++) keep[i] = !contradicted(x, n, i);
    for (int i = 0; i < n; i++)
        if (keep[i]) x[left++] = x[i];
    return left;
}
