/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdicts - read the verdicts and print them, for people or for programs.
 */
#ifndef COLLECTOR_VERDICTS_H
#define COLLECTOR_VERDICTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum verdicts_form { VERDICTS_MATRIX, VERDICTS_JSON, VERDICTS_CSV };

/* What to show; 0 and NULL mean any. */
struct verdicts_query {
	enum verdicts_form form;
	bool all; /* in the matrix: also ports that are open everywhere */
	int64_t asn;
	const char *country;
	const char *direction; /* "out" or "in" */
};

/* Print to stdout.  Returns an exit status. */
int verdicts_run(const char *conninfo, const struct verdicts_query *query,
                 struct err *e);

#endif
