/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate - have the database bring its verdicts up to date.
 *
 * All the work is the database's; any number of collectors may ask, one of
 * them does it.
 */
#ifndef COLLECTOR_AGGREGATE_H
#define COLLECTOR_AGGREGATE_H

#include <stdbool.h>

#include "lib/err.h"

/* Which cells to look at. */
enum aggregate_scope {
	AGGREGATE_CHANGED, /* those with new runs */
	AGGREGATE_ALL,
};

/* Says on stdout what was done.  Returns an exit status. */
int aggregate_run(const char *conninfo, enum aggregate_scope scope,
                  struct err *e);

#endif
