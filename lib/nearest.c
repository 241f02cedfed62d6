/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimal string alignment: the least number of characters inserted, left
 * out, replaced, or swapped with their neighbour.
 */
#include "lib/nearest.h"

#include <stdbool.h>

enum { WORD_MAX = 63 }; /* longer words get no suggestion */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Do the last two of i characters stand the other way round in b? */
static bool swapped(const char *a, size_t i, const char *b, size_t j)
{
	return i >= 2 && j >= 2 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
}

/*
 * row[i % 3][j] is the distance between the first i characters of a and the
 * first j of b; a swap looks two rows back.
 */
static size_t distance(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1];
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);

	for (size_t j = 0; j <= b_length; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *here = row[i % 3];
		const size_t *above = row[(i - 1) % 3];
		const size_t *two_above = row[(i + 1) % 3];

		here[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t n = above[j - 1] + (a[i - 1] != b[j - 1]);

			n = least(n, least(above[j], here[j - 1]) + 1);
			if (swapped(a, i, b, j))
				n = least(n, two_above[j - 2] + 1);
			here[j] = n;
		}
	}
	return row[a_length % 3][b_length];
}

struct nearest nearest_to(const char *wanted)
{
	return (struct nearest){ .wanted = wanted };
}

/* One slip in three characters is a slip; more is another word. */
void nearest_offer(struct nearest *n, const char *known)
{
	size_t length = strlen(n->wanted);
	size_t d;

	if (length > WORD_MAX || strlen(known) > WORD_MAX)
		return;
	if (length >= 2 && strncmp(known, n->wanted, length) == 0)
		d = 1; /* cut short */
	else
		d = distance(n->wanted, known);
	if (d > (length + 2) / 3 || d >= strlen(known))
		return;
	if (!n->best || d < n->distance) {
		n->best = known;
		n->distance = d;
	}
}
