/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_reader - read JSON in one pass, straight from the bytes.
 *
 * For run records, which arrive by the thousand a second: building a tree of
 * one costs some ten times as much as reading it.  Plans, of which there is
 * one a day, use the tree (lib/json.h).
 *
 * Sticky like struct rd: after the first error of syntax bad is set and every
 * call fails.  The caller asks what comes next, reads it, and tests bad when
 * it is done.  Text is RFC 8259, with nesting limited and without a check
 * that skipped strings are UTF-8.  Nothing is allocated.
 */
#ifndef LIB_JSON_READER_H
#define LIB_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_reader {
	const char *p;
	const char *end;
	bool bad;
	bool fresh; /* an array or object was entered, nothing read from it */
};

struct json_reader json_reader_of(const char *bytes, size_t n_bytes);

/*
 * The first character of what comes next: { [ " t f n - 0..9 for a value.
 * 0 at the end.
 */
char json_peek(struct json_reader *r);

/* Step into the object or array whose bracket, { or [, comes next. */
void json_enter(struct json_reader *r);

/*
 * Step to the next member or element of what was entered; false, and outside
 * again, after the last.  The one before must have been read.
 */
bool json_next(struct json_reader *r, char closing);

/* Read a member's name: its index in names, or -1 when it is not there. */
int json_key(struct json_reader *r, const char *const *names, int count);

/*
 * Read a string into out with its 0.  False when it has other than printable
 * ASCII characters or does not fit; it is passed over all the same.
 */
bool json_string(struct json_reader *r, char *out, size_t out_bytes);

/*
 * Read a number; false when it has a fraction or an exponent or does not fit
 * 18 digits; it is passed over all the same.
 */
bool json_whole_number(struct json_reader *r, int64_t *out);

/* Pass over a null, if one comes next. */
bool json_null(struct json_reader *r);

/* Pass over any value. */
void json_skip(struct json_reader *r);

/* Nothing but white space is left, and all before it was well-formed. */
bool json_ends(struct json_reader *r);

#endif
