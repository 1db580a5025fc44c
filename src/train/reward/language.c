/* language.c - share of a completion's words that are common words of a language, at most 1: a third of running text in a language are these few
 * dozen words, so the share is taken three times. Between languages of one script it is the little words that tell. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "train/reward.h"

typedef struct {
    const char *code, *words;
} tongue;

static const tongue tongues[] = {
    {"en",
     " the of and to in a is that it for was on with as be at by this had not are but from or have an they which you were all "
     "we when there can been has their if would who will what your i my do so about how "},
    {"de", " der die und in den von zu das mit sich des auf ist im dem nicht ein eine als auch es an werden aus er hat dass sie "
           "nach wird bei einer um am sind noch wie einem einen so zum war haben nur oder aber vor zur bis ich wir du "},
    {"fr", " de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec son cette ou sa "
           "mais aux comme nous vous je tu elle ils ont leur on tout fait bien "},
    {"es", " de la que el en y a los se del las un por con no una su para es al lo como o pero sus le ha me si sin sobre este ya "
           "entre cuando todo esta ser son dos fue era hasta muy yo "},
    {"it", " di e il la che in a per un del non sono le una si da con i dei della al come ma nel anche alla ha gli delle o lo "
           "questo se mi io tu ci suo sua essere quando molto "},
    {"pt", " de a o que e do da em um para com uma os no se na por mais as dos como mas foi ao ele das tem seu sua ou ser quando "
           "muito nos ja eu tambem so pelo pela ate isso ela "},
    {"nl",
     " de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij uit nog naar heeft ze wordt door "
     "was over hij ik je we kan hun dit "},
};

static bool language_open(arena *a, str argument, void **state, err *e) {
    const char *codes = "";
    for (size_t i = 0; i < sizeof tongues / sizeof *tongues; i++) {
        if (str_is(argument, tongues[i].code)) return *state = (void *)(uintptr_t)&tongues[i], true;
        codes = arena_printf(a, "%s%s%s", codes, i ? ", " : "", tongues[i].code);
    }
    return err_set(e, ERR_USAGE, "which language? language:CODE with one of %s", codes);
}

static bool is_common(const tongue *t, const char *word, size_t n) {
    char framed[20] = " ";
    if (n > 16) return false;
    for (size_t i = 0; i < n; i++) framed[i + 1] = (char)tolower((unsigned char)word[i]);
    memcpy(framed + n + 1, " ", 2);
    return strstr(t->words, framed) != NULL;
}

static bool in_word(char c) { return isalpha((unsigned char)c) || (unsigned char)c >= 0x80; }

static double share_of(const tongue *t, str text) {
    double words = 0, common = 0;
    for (size_t i = 0; i < text.len;) {
        size_t n = 0;
        while (i + n < text.len && in_word(text.ptr[i + n])) n++;
        if (n) words++, common += is_common(t, text.ptr + i, n);
        i += n ? n : 1;
    }
    return words > 0 ? fmin(3 * common / words, 1) : 0;
}

static bool language_score(void *state, const reward_case *c, int count, float *out, err *e) {
    (void)e;
    for (int i = 0; i < count; i++) out[i] = (float)share_of(state, c[i].text);
    return true;
}

const reward_kind reward_language = {.name = "language",
                                     .argument = "CODE",
                                     .words =
                                         "1 where the words are that language's (en, de, fr, es, it, pt, nl), 0 where none is",
                                     .open = language_open,
                                     .score = language_score};
