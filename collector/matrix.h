/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matrix - verdicts as a table for people: providers by ports.
 *
 * A cell shows a letter for the label, how many of the provider's lines it is
 * about, and their share.  A table that is too wide is cut into several, one
 * below the other.  Pure but for the stream that it writes to.
 */
#ifndef COLLECTOR_MATRIX_H
#define COLLECTOR_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct matrix_cell {
	int64_t asn;
	const char *asn_name;
	const char *country;
	const char *direction;
	const char *transport;
	const char *label;
	int port;
	int family;
	int64_t k;       /* lines that the label is about */
	int64_t lines;   /* that voted */
	bool remarkable; /* not simply open */
};

struct matrix_style {
	bool all;    /* also ports that are open everywhere */
	bool colour; /* ANSI colours */
	size_t width;
};

/*
 * Write the table.  Cells must be ordered by direction, asn, family; each row
 * is one of them.
 */
void matrix_print(const struct matrix_cell *cells, size_t count,
                  const struct matrix_style *style, FILE *out);

#endif
