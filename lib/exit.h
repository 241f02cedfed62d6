/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit - exit statuses shared by the three programs.
 *
 * Scripts may rely on them: they are part of the interface and are listed in
 * the manual pages.
 */
#ifndef LIB_EXIT_H
#define LIB_EXIT_H

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,  /* anything that has no number of its own */
	EXIT_USAGE = 2,   /* unknown command or option */
	EXIT_CONFIG = 3,  /* configuration file: unknown key, bad value */
	EXIT_CONSENT = 4, /* nobody has consented to measure */
	EXIT_PLAN = 5,    /* no plan, or the plan was refused */
	EXIT_CLOCK = 6,   /* the clock is too far off to trust */
	EXIT_UNREACHABLE =
		7,      /* no reflector could be reached: nothing measured */
	EXIT_SPOOL = 8, /* the spool cannot be written */
	EXIT_KEY = 9,   /* a key file is missing or malformed */
	EXIT_DATABASE = 10,   /* the database cannot be reached */
	EXIT_SCHEMA_OLD = 11, /* the database schema needs 'migrate' */
	EXIT_SCHEMA_NEW =
		12,    /* the database schema is newer than the program */
	EXIT_GEO = 13, /* an MMDB is missing or of the wrong type */
	EXIT_ADDRESS_IN_USE = 14, /* the address to listen on is taken */
};

#endif
