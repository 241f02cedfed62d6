/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf - "key = value" files, described by one constant table.
 *
 * The table is parser, defaults, range check and documentation at once:
 * --help-config, --print-config and the manual page's list come from it.
 * "#" starts a comment at the beginning of a line or after white space.
 * A value that is given replaces the default, also of a list.
 * Errors name file and line, what is wrong and what would be right.
 */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"

enum conf_type {
	CONF_INT,      /* int64_t */
	CONF_BOOL,     /* bool; yes or no */
	CONF_STRING,   /* char *, owned by the target; NULL when empty */
	CONF_LIST,     /* struct conf_list; see there */
	CONF_DURATION, /* int64_t nanoseconds; 500ms 10s 5m 6h 1d */
	CONF_SIZE,     /* int64_t bytes; 512 64k 10M 1G */
};

#define CONF_LIST_MAX 16

/* The key may be repeated, and a value holds items with white space between. */
struct conf_list {
	int count;
	char *item[CONF_LIST_MAX]; /* owned by the target */
};

struct conf_key {
	const char *name; /* NULL ends the table */
	enum conf_type type;
	size_t offset;   /* of the field in the target */
	int64_t min;     /* CONF_INT, CONF_SIZE; CONF_DURATION in seconds */
	int64_t max;     /* min and max both 0: no limit */
	const char *def; /* as written in a file; NULL: empty, or 0 */
	const char *help;
};

/* Set every field to its default; what stood there before is not freed. */
void conf_defaults(const struct conf_key *keys, void *target);

/*
 * Read a file over the values of conf_defaults; the target may be half filled
 * on failure, and conf_free is due in any case.
 */
MUSTCHECK bool conf_load(const struct conf_key *keys, void *target,
                         const char *path, struct err *e);

/*
 * Set one key from "key=value" (--set on the command line), whatever it was
 * before.  where names the origin in errors.
 */
MUSTCHECK bool conf_set(const struct conf_key *keys, void *target,
                        const char *where, const char *assignment,
                        struct err *e);

/* Write the current values as a file that conf_load would read. */
void conf_print(const struct conf_key *keys, const void *target, FILE *out);

/* Write the table for people: name, default, range, help. */
void conf_help(const struct conf_key *keys, FILE *out);

/* Write the table for a manual page: a list in the man(7) format of roff. */
void conf_man(const struct conf_key *keys, FILE *out);

/* Free the strings that the target owns. */
void conf_free(const struct conf_key *keys, void *target);

#endif
