/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	/* Cannot fail: both clocks exist on every Linux. */
	clock_gettime(id, &t);
	return t.tv_sec * CLOCK_S + t.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Division that rounds down for times before 1970 as well. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void clock_format(int64_t t_ns, char out[CLOCK_TEXT_BYTES])
{
	int64_t seconds = floor_div(t_ns, CLOCK_S);
	int64_t ms = (t_ns % CLOCK_S + CLOCK_S) % CLOCK_S / CLOCK_MS;
	time_t t = (time_t)seconds;
	struct tm tm;
	size_t n;

	gmtime_r(&t, &tm); /* 64 bits of nanoseconds end in the year 2262 */
	n = strftime(out, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLOCK_TEXT_BYTES - n, ".%03dZ", (int)ms);
}

/* Read exactly n digits at *p and step over them; -1 if there are not so many. */
static int digits(const char **p, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (**p < '0' || **p > '9')
			return -1;
		value = value * 10 + (*(*p)++ - '0');
	}
	return value;
}

static bool take(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* "2026-11-22T09:44:10", every field of fixed width. */
static bool read_fields(const char **p, struct tm *tm)
{
	*tm = (struct tm){ 0 };
	tm->tm_year = digits(p, 4) - 1900;
	if (!take(p, '-'))
		return false;
	tm->tm_mon = digits(p, 2) - 1;
	if (!take(p, '-'))
		return false;
	tm->tm_mday = digits(p, 2);
	if (!take(p, 'T'))
		return false;
	tm->tm_hour = digits(p, 2);
	if (!take(p, ':'))
		return false;
	tm->tm_min = digits(p, 2);
	if (!take(p, ':'))
		return false;
	tm->tm_sec = digits(p, 2);
	return true;
}

/* timegm() turns 30 February into 2 March: what it changed did not exist. */
static bool to_seconds(const struct tm *tm, int64_t *seconds)
{
	struct tm same = *tm;

	*seconds = timegm(&same);
	return same.tm_year == tm->tm_year && same.tm_mon == tm->tm_mon &&
	       same.tm_mday == tm->tm_mday && same.tm_hour == tm->tm_hour &&
	       same.tm_min == tm->tm_min && same.tm_sec == tm->tm_sec;
}

/* The optional ".125": 1 to 9 digits. */
static bool read_fraction(const char **p, int64_t *ns)
{
	int64_t unit = CLOCK_S;

	*ns = 0;
	if (!take(p, '.'))
		return true;
	while (**p >= '0' && **p <= '9' && unit > 1) {
		unit /= 10;
		*ns += (*(*p)++ - '0') * unit;
	}
	return unit < CLOCK_S;
}

bool clock_parse(const char *text, int64_t *t_ns)
{
	const char *p = text;
	struct tm tm;
	int64_t seconds;
	int64_t ns;

	return read_fields(&p, &tm) && read_fraction(&p, &ns) &&
	       take(&p, 'Z') && *p == '\0' && to_seconds(&tm, &seconds) &&
	       !__builtin_mul_overflow(seconds, CLOCK_S, &seconds) &&
	       !__builtin_add_overflow(seconds, ns, t_ns);
}

int64_t clock_day(int64_t t_ns)
{
	return floor_div(t_ns, CLOCK_DAY);
}
