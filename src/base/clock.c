/* clock.c - moments from and to text. Days are counted by the proleptic Gregorian calendar, so no time zone data is asked. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

enum { SECOND = 1000000 };
#define DAY ((int64_t)86400 * SECOND)

int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

/* Days since 1970-01-01 of a date; years begin in March here, so that a leap day is the last of its year. */
static int64_t days_of(int64_t y, int m, int d) {
    y -= m <= 2;
    const int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    const int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static char *put_digits(char *to, int v, int n) {
    for (int i = n - 1; i >= 0; i--, v /= 10) to[i] = (char)('0' + v % 10);
    return to + n;
}

static bool is_date(int y, int m, int d) {
    if (m < 1 || m > 12 || d < 1) return false;
    return d <= days_of(y + m / 12, m % 12 + 1, 1) - days_of(y, m, 1);
}

/* By hand: an answer has many of them, and printing them took more than all else that was done for one. */
void moment_put(int64_t moment, moment_text out) {
    const time_t seconds = (time_t)(moment / SECOND - (moment % SECOND < 0));
    const int fraction = (int)(moment - (int64_t)seconds * SECOND);
    struct tm t;
    gmtime_r(&seconds, &t);
    const int part[] = {(t.tm_year + 1900) % 10000, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec};
    static const char behind[] = "--T::.";
    char *to = out;
    for (int i = 0; i < 6; i++) {
        to = put_digits(to, part[i] < 0 ? -part[i] : part[i], i ? 2 : 4);
        *to++ = behind[i];
    }
    *put_digits(to, fraction, 6) = '\0';
}

/* Exactly n digits at *at. */
static bool digits(str s, size_t *at, int n, int *out) {
    *out = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (*at >= s.len || s.ptr[*at] < '0' || s.ptr[*at] > '9') return false;
        *out = *out * 10 + (s.ptr[*at] - '0');
    }
    return true;
}

static bool sign(str s, size_t *at, char c) { return *at < s.len && s.ptr[*at] == c && ++*at; }

static bool zone(str s, size_t *at, int64_t *moment) {
    int hours, minutes = 0;
    if (sign(s, at, 'Z') || sign(s, at, 'z') || *at == s.len) return true;
    const bool east = s.ptr[*at] == '+';
    if (!east && s.ptr[*at] != '-') return false;
    ++*at;
    if (!digits(s, at, 2, &hours)) return false;
    sign(s, at, ':');
    if (*at < s.len && !digits(s, at, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *moment += (east ? -1 : 1) * (int64_t)(hours * 60 + minutes) * 60 * SECOND;
    return true;
}

static bool time_of_day(str s, size_t *at, int64_t *moment) {
    int hour, minute, second = 0, digit;
    if (!digits(s, at, 2, &hour) || !sign(s, at, ':') || !digits(s, at, 2, &minute)) return false;
    if (sign(s, at, ':') && !digits(s, at, 2, &second)) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    *moment += ((int64_t)hour * 3600 + minute * 60 + second) * SECOND;
    if (sign(s, at, '.'))
        for (int64_t unit = SECOND / 10; *at < s.len && digits(s, at, 1, &digit); unit /= 10) *moment += digit * unit;
    return true;
}

bool moment_parse(str s, int64_t *out) {
    size_t at = 0;
    int y, m, d;
    if (!digits(s, &at, 4, &y) || !sign(s, &at, '-') || !digits(s, &at, 2, &m) || !sign(s, &at, '-') || !digits(s, &at, 2, &d) ||
        !is_date(y, m, d))
        return false;
    *out = days_of(y, m, d) * DAY;
    if (at == s.len) return true;
    if (!sign(s, &at, 'T') && !sign(s, &at, ' ') && !sign(s, &at, 't')) return false;
    return time_of_day(s, &at, out) && zone(s, &at, out) && at == s.len;
}
