/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "lib/clock.h"

struct unit {
	const char *name; /* NULL ends the table */
	int64_t factor;
};

/* Both tables have the largest unit first. */
static const struct unit durations[] = {
	{ "d", CLOCK_DAY },    { "h", 3600 * CLOCK_S },
	{ "m", 60 * CLOCK_S }, { "s", CLOCK_S },
	{ "ms", CLOCK_MS },    { "us", CLOCK_US },
	{ "ns", 1 },           { NULL, 0 },
};

static const struct unit sizes[] = {
	{ "G", 1 << 30 }, { "M", 1 << 20 }, { "k", 1 << 10 },
	{ "", 1 },        { NULL, 0 },
};

/* Read a decimal number and find what follows it. */
static bool read_number(const char *text, int64_t *out, char **rest)
{
	/* strtoll() itself would step over white space and accept "+". */
	if (*text != '-' && (*text < '0' || *text > '9'))
		return false;
	errno = 0;
	*out = strtoll(text, rest, 10);
	return *rest != text && errno == 0;
}

/* A negative amount makes no sense. */
static bool parse_with_unit(const char *text, const struct unit *units,
                            int64_t *out)
{
	char *suffix;
	int64_t n;

	if (!read_number(text, &n, &suffix) || *text == '-')
		return false;
	if (n == 0 && *suffix == '\0') {
		*out = 0;
		return true;
	}
	for (const struct unit *u = units; u->name; u++)
		if (strcmp(suffix, u->name) == 0)
			return !__builtin_mul_overflow(n, u->factor, out);
	return false;
}

static void format_with_unit(int64_t n, const struct unit *units,
                             char out[VALUE_TEXT_BYTES])
{
	const struct unit *u = units;

	while (n % u->factor != 0)
		u++;
	snprintf(out, VALUE_TEXT_BYTES, "%" PRId64 "%s", n / u->factor,
	         u->name);
}

bool value_parse_int(const char *text, int64_t *out)
{
	char *rest;

	return read_number(text, out, &rest) && *rest == '\0';
}

void value_format_int(int64_t n, char out[VALUE_TEXT_BYTES])
{
	snprintf(out, VALUE_TEXT_BYTES, "%" PRId64, n);
}

bool value_parse_duration(const char *text, int64_t *out_ns)
{
	return parse_with_unit(text, durations, out_ns);
}

void value_format_duration(int64_t ns, char out[VALUE_TEXT_BYTES])
{
	if (ns == 0)
		snprintf(out, VALUE_TEXT_BYTES, "0s");
	else
		format_with_unit(ns, durations, out);
}

bool value_parse_size(const char *text, int64_t *out_bytes)
{
	return parse_with_unit(text, sizes, out_bytes);
}

void value_format_size(int64_t bytes, char out[VALUE_TEXT_BYTES])
{
	if (bytes == 0)
		snprintf(out, VALUE_TEXT_BYTES, "0");
	else
		format_with_unit(bytes, sizes, out);
}
