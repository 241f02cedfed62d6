/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nearest - the known word that a mistyped one probably meant.
 *
 * Offer each known word in turn; best is then the nearest of them, or NULL
 * when none is near enough to be worth a suggestion.  Words are borrowed.
 */
#ifndef LIB_NEAREST_H
#define LIB_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *wanted;
	const char *best;
	size_t distance; /* of best */
};

struct nearest nearest_to(const char *wanted);

/* The first of equally near words wins. */
void nearest_offer(struct nearest *n, const char *known);

#endif
