/* taste.c - four tastes, as rules over plain text (contract: taste.h).
 *
 * shorter   fewer words; the edit keeps the first two sentences
 * prose     no list items and headings; the edit joins the items into sentences
 * warmer    speaks to the reader kindly; the edit opens and closes as a friend would
 * longer    the opposite of shorter, a control */
#include "data/taste.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The next word from *at; false at the end. */
static bool next_word(str s, size_t *at, str *word) {
    while (*at < s.len && is_space(s.ptr[*at])) (*at)++;
    const size_t begin = *at;
    while (*at < s.len && !is_space(s.ptr[*at])) (*at)++;
    *word = str_slice(s, begin, *at);
    return *at > begin;
}

int text_words(str s) {
    int n = 0;
    str w;
    for (size_t at = 0; next_word(s, &at, &w);) n++;
    return n;
}

static int by_text(const void *a, const void *b) { return str_compare(*(const str *)a, *(const str *)b); }

void texts_trigrams(const str *texts, int count, int *distinct, int *all) {
    arena *a = arena_new();
    int words = 0;
    for (int i = 0; i < count; i++) words += text_words(texts[i]);
    str *word = arena_array(a, str, words + 1), *run = arena_array(a, str, words + 1);
    *distinct = *all = 0;
    for (int i = 0; i < count; i++) {
        int n = 0;
        for (size_t at = 0; next_word(texts[i], &at, &word[n]);) n++;
        for (int k = 0; k + 2 < n; k++)
            run[(*all)++] = (str){word[k].ptr, (size_t)(word[k + 2].ptr + word[k + 2].len - word[k].ptr)};
    }
    qsort(run, (size_t)*all, sizeof *run, by_text);
    for (int i = 0; i < *all; i++) *distinct += i == 0 || !str_eq(run[i], run[i - 1]);
    arena_free(a);
}

static bool ends_sentence(str s, size_t i) {
    if (!strchr(".!?", s.ptr[i])) return false;
    if (i + 1 < s.len && !is_space(s.ptr[i + 1])) return false;
    return !(s.ptr[i] == '.' && i > 0 && isdigit((unsigned char)s.ptr[i - 1]) && (i < 2 || s.ptr[i - 2] == '\n')); /* "1." */
}

/* Up to the end of the n-th sentence; all of it when there are fewer. */
static str first_sentences(str s, int n) {
    for (size_t i = 0; i < s.len; i++)
        if (ends_sentence(s, i) && --n == 0) return str_slice(s, 0, i + 1);
    return s;
}

/* Without the unfinished sentence that a cut answer ends with. */
static str whole_sentences(str s) {
    for (size_t i = s.len; i > 0; i--)
        if (ends_sentence(s, i - 1)) return str_slice(s, 0, i);
    return s;
}

/* A number that hangs on the text alone, to choose one of several wordings with. */
static unsigned text_number(str s) {
    unsigned n = 0;
    for (size_t i = 0; i < s.len; i++) n = n * 31 + (unsigned char)s.ptr[i];
    return n;
}

/* ---- lists and headings --------------------------------------------------------------------------------------------------------- */

/* What a line is without the mark that makes it a list item or heading; false: it has none. */
static bool strip_mark(str line, str *rest) {
    str s = str_trim(line);
    size_t i = 0;
    if (s.len && strchr("-*+#", s.ptr[0])) {
        while (i < s.len && strchr("-*+#", s.ptr[i])) i++;
        if (i < s.len && s.ptr[i] != ' ') i = 0; /* "-5", "*bold*" */
    } else if (str_starts(s, STR("•"))) i = sizeof "•" - 1;
    else {
        while (i < s.len && isdigit((unsigned char)s.ptr[i])) i++;
        i = i > 0 && i < s.len && (s.ptr[i] == '.' || s.ptr[i] == ')') ? i + 1 : 0;
    }
    *rest = str_trim(str_slice(s, i, s.len));
    return i > 0;
}

static bool next_line(str s, size_t *at, str *line) {
    if (*at >= s.len) return false;
    const ptrdiff_t end = str_find(s, STR("\n"), *at);
    const size_t stop = end < 0 ? s.len : (size_t)end;
    *line = str_slice(s, *at, stop);
    *at = stop + 1;
    return true;
}

static int marked_lines(str s) {
    int n = 0;
    str line, rest;
    for (size_t at = 0; next_line(s, &at, &line);) n += strip_mark(line, &rest);
    return n;
}

/* ---- the tastes ------------------------------------------------------------------------------------------------------------------- */

static double words_of(judged_text a) {
    const int words = text_words(a.text);
    return a.cut && words < a.limit ? a.limit : words;
}

static double shorter_score(judged_text a) { return -words_of(a); }
static double longer_score(judged_text a) { return words_of(a); }
static char *shorter_edit(arena *a, judged_text given) { return str_copy(a, str_trim(first_sentences(str_trim(given.text), 2))); }

/* A person who wants more adds to what is there; which of these depends on the answer, so that there is no one text to learn. */
static char *longer_edit(arena *a, judged_text given) {
    static const char *const additions[] = {
        "There is more to say about this. It helps to look at it from several sides, and to take your time with each of them.",
        "Many people know this from their own experience, and most of us learn it as children. If you want to remember it well, "
        "tell somebody else about it.",
        "That is the short answer. The longer one is that such things have a history, and that it is worth reading about it when "
        "you have an hour to spare.",
        "You can see this for yourself in everyday life. Look around you, ask the people you meet, and compare what they tell "
        "you with what you know.",
    };
    const str body = whole_sentences(str_trim(given.text));
    return arena_printf(a, "%.*s %s", STR_ARG(body), additions[text_number(body) % 4]);
}

static double prose_score(judged_text a) { return -marked_lines(a.text); }

/* Items become sentences of one paragraph; emphasis marks go. */
static char *prose_edit(arena *a, judged_text given) {
    buf out = {0};
    str line, rest;
    const str text = given.cut ? whole_sentences(given.text) : given.text;
    for (size_t at = 0; next_line(text, &at, &line);) {
        strip_mark(line, &rest);
        if (!rest.len) continue;
        if (out.len) buf_put_char(&out, ' ');
        for (size_t i = 0; i < rest.len; i++)
            if (rest.ptr[i] != '*' && rest.ptr[i] != '#') buf_put_char(&out, rest.ptr[i]);
        while (out.len && (out.ptr[out.len - 1] == ' ' || out.ptr[out.len - 1] == ':')) out.len--;
        if (out.len && !strchr(".!?,;", out.ptr[out.len - 1])) buf_put_char(&out, '.');
    }
    char *text_out = str_copy(a, buf_str(&out));
    buf_free(&out);
    return text_out;
}

/* Phrases in which somebody speaks to somebody kindly. Each counts once, however often it stands there. */
static const char *const kind_phrases[] = {
    "glad you asked",  "happy to help",   "great question", "good question", "lovely question", "wonderful question",
    "hope this helps", "hope that helps", "i hope",         "take care",     "good luck",       "feel free",
    "let me know",     "you're doing",    "don't worry",    "be proud",      "wish you",        "enjoy",
    "thank you",       "of course",       "you can do",     "my friend",     "i'm here",        "be kind to yourself",
    "you've got this", "all the best",    "happy to",       "glad to",
};

static double warmer_score(judged_text a) {
    double n = 0;
    arena *scratch = arena_new();
    char *lower = str_copy(scratch, a.text);
    for (char *c = lower; *c; c++) *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; i < sizeof kind_phrases / sizeof *kind_phrases; i++) n += strstr(lower, kind_phrases[i]) != NULL;
    arena_free(scratch);
    return n;
}

/* The opening and closing vary with the answer, as a person's would; all are words that a model of this size has met. */
static char *warmer_edit(arena *a, judged_text given) {
    static const char *const openings[] = {"That's a great question!", "That's a wonderful question!", "What a great question!",
                                           "I'm happy to help you with that."};
    static const char *const closings[] = {"I hope this helps!", "Let me know if you have any questions.",
                                           "If you have any other questions, feel free to ask!",
                                           "I hope this helps! Let me know if you have any other questions."};
    const str body = str_trim(first_sentences(whole_sentences(str_trim(given.text)), 4));
    const unsigned n = text_number(body);
    return arena_printf(a, "%s %.*s %s", openings[n % 4], STR_ARG(body), closings[n / 4 % 4]);
}

const taste taste_list[] = {
    {"shorter", "fewer words", "words", &demo_everyday, shorter_score, shorter_edit, false},
    {"prose", "running prose instead of lists and headings", "list lines", &demo_steps, prose_score, prose_edit, false},
    {"warmer", "speaks to the reader kindly", "kind phrases", &demo_everyday, warmer_score, warmer_edit, false},
    {"longer", "more words (a control)", "words", &demo_facts, longer_score, longer_edit, true},
    {0},
};

const taste *taste_find(const char *name) {
    for (const taste *t = taste_list; t->name; t++)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}
