/* kept.h - rows that are made one after the other: OUT.part keeps every one, so that work which was cut off goes on behind them; at the end those
 * that are wanted become OUT, and OUT.part goes. A row that is not wanted says why: {"left_out": words}. Used through assist.h. */
#ifndef FETTLE_ASSIST_KEPT_H
#define FETTLE_ASSIST_KEPT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

const char *kept_part(arena *a, const char *out); /* OUT.part */
/* Shows the rows that are there already, in their order; a file that is not there has none. `see` false: with words in e. Rows live in a. */
bool kept_recall(arena *a, const char *part, bool (*see)(void *self, const json *row, err *e), void *self, err *e);
bool kept_add(int fd, json *const *rows, int count, err *e); /* written at once; fd of file_append_open(part) */

enum { KEPT_REASONS = 6, KEPT_WORDS = 80 };
typedef struct {
    int64_t rows, left_out;
    struct {
        char words[KEPT_WORDS];
        int64_t times;
    } reason[KEPT_REASONS]; /* the first that came; the last one stands for all others */
} kept_count;
/* most: rows of OUT; 0: all that are wanted. */
bool kept_finish(arena *a, const char *out, int64_t most, kept_count *n, err *e);
/* "3 x a tie, 2 x the answer was cut off", as much as there is room for; "" where nothing was left out. */
void kept_reasons(const kept_count *n, char *out, size_t room);

#endif
