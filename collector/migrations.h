/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrations - the schema that this program was built with.
 *
 * The table is generated from sql/ by migrations.sh, so that "migrate" needs
 * no files beside it.  Sorted by version.
 */
#ifndef COLLECTOR_MIGRATIONS_H
#define COLLECTOR_MIGRATIONS_H

struct migration {
	int version; /* 0 ends the table */
	const char *name;
	const char *sql;
};

extern const struct migration migrations[];

/* Fills lookup tables; may be run again at any time. */
extern const char *const migrations_seed;

#endif
