/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json_reader.h"

#include <string.h>

enum {
	DEPTH_MAX = 32,   /* of a value that is skipped */
	KEY_BYTES = 64,   /* longer names are nobody's */
	DIGITS_MAX = 18,  /* any number of 18 digits fits an int64_t */
	NOT_ASCII = 0xff, /* stands for a character that no field may have */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The next byte, or 0 at the end; no byte of JSON is 0. */
static char here(const struct json_reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static void fail(struct json_reader *r)
{
	r->bad = true;
	r->p = r->end;
}

struct json_reader json_reader_of(const char *bytes, size_t n_bytes)
{
	return (struct json_reader){ .p = bytes, .end = bytes + n_bytes };
}

char json_peek(struct json_reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' ||
	                         *r->p == '\t' || *r->p == '\r'))
		r->p++;
	return here(r);
}

static bool take(struct json_reader *r, char c)
{
	if (json_peek(r) != c || r->p == r->end) {
		fail(r);
		return false;
	}
	r->p++;
	return true;
}

void json_enter(struct json_reader *r)
{
	char c = json_peek(r);

	if (c != '{' && c != '[') {
		fail(r);
		return;
	}
	r->p++;
	r->fresh = true;
}

bool json_next(struct json_reader *r, char closing)
{
	bool first = r->fresh;
	char c = json_peek(r);

	r->fresh = false;
	if (c == closing) {
		r->p++;
		return false;
	}
	if (first)
		return !r->bad;
	if (c != ',') {
		fail(r);
		return false;
	}
	r->p++;
	if (json_peek(r) == closing)
		fail(r);
	return !r->bad;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of \uXXXX. */
static uint8_t unicode_escape(struct json_reader *r)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_value(here(r));

		if (digit < 0) {
			fail(r);
			return NOT_ASCII;
		}
		value = value << 4 | (unsigned)digit;
		r->p++;
	}
	return value < 0x80 ? (uint8_t)value : NOT_ASCII;
}

/* What stands behind a backslash. */
static uint8_t escape(struct json_reader *r)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	char c = here(r);
	const char *found = c ? strchr(from, c) : NULL;

	if (c == 'u') {
		r->p++;
		return unicode_escape(r);
	}
	if (!found) {
		fail(r);
		return NOT_ASCII;
	}
	r->p++;
	return (uint8_t)to[found - from];
}

bool json_string(struct json_reader *r, char *out, size_t out_bytes)
{
	size_t n = 0;
	bool fits = take(r, '"');

	while (r->p < r->end && *r->p != '"') {
		uint8_t c = (uint8_t)*r->p++;

		if (c < ' ')
			fail(r);
		else if (c == '\\')
			c = escape(r);
		if (c < ' ' || c > '~' || n + 1 >= out_bytes)
			fits = false;
		if (fits)
			out[n++] = (char)c;
	}
	if (out_bytes > 0)
		out[n] = '\0';
	if (r->p == r->end) {
		fail(r);
		return false;
	}
	r->p++;
	return fits;
}

int json_key(struct json_reader *r, const char *const *names, int count)
{
	char name[KEY_BYTES];
	bool fits = json_string(r, name, sizeof(name));

	if (!take(r, ':') || !fits)
		return -1;
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* Pass over digits, of which there must be one. */
static void digits(struct json_reader *r)
{
	const char *start = r->p;

	while (is_digit(here(r)))
		r->p++;
	if (r->p == start)
		fail(r);
}

/* ".5" and "e+7", which may follow the digits; true when one does. */
static bool fraction_or_exponent(struct json_reader *r)
{
	bool any = false;

	if (here(r) == '.') {
		any = true;
		r->p++;
		digits(r);
	}
	if (here(r) == 'e' || here(r) == 'E') {
		any = true;
		r->p++;
		if (here(r) == '+' || here(r) == '-')
			r->p++;
		digits(r);
	}
	return any;
}

bool json_whole_number(struct json_reader *r, int64_t *out)
{
	bool negative = json_peek(r) == '-';
	const char *start = r->p + negative;
	const char *p = start;
	uint64_t value = 0;

	/* Numbers are most of a record: look at each digit once. */
	for (; p < r->end && is_digit(*p); p++)
		value = value * 10 + (uint64_t)(*p - '0');
	r->p = p;
	if (p == start || (p - start > 1 && *start == '0'))
		fail(r);
	if (r->bad || fraction_or_exponent(r) || r->bad ||
	    p - start > DIGITS_MAX)
		return false;
	*out = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool literal(struct json_reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

bool json_null(struct json_reader *r)
{
	return json_peek(r) == 'n' && literal(r, "null");
}

static void skip(struct json_reader *r, int depth);

static void skip_members(struct json_reader *r, int depth)
{
	char key[1];

	json_enter(r);
	while (json_next(r, '}')) {
		json_string(r, key, sizeof(key));
		take(r, ':');
		skip(r, depth);
	}
}

static void skip_elements(struct json_reader *r, int depth)
{
	json_enter(r);
	while (json_next(r, ']'))
		skip(r, depth);
}

/* Recursion ends at DEPTH_MAX. */
static void skip(struct json_reader *r, int depth)
{
	char c = json_peek(r);
	char text[1];
	int64_t number;

	if (depth == 0)
		fail(r);
	else if (c == '{')
		skip_members(r, depth - 1);
	else if (c == '[')
		skip_elements(r, depth - 1);
	else if (c == '"')
		json_string(r, text, sizeof(text));
	else if (c == '-' || is_digit(c))
		json_whole_number(r, &number);
	else if (!literal(r, "true") && !literal(r, "false") &&
	         !literal(r, "null"))
		fail(r);
}

void json_skip(struct json_reader *r)
{
	skip(r, DEPTH_MAX);
}

bool json_ends(struct json_reader *r)
{
	json_peek(r);
	return !r->bad && r->p == r->end;
}
