/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace - so many things a second, evenly.
 *
 * A start that comes late because a timer did is made up for; a stall is not:
 * nothing ever goes out in a burst.  Pure: the caller passes the time in.
 */
#ifndef AGENT_PACE_H
#define AGENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	int64_t gap_ns;
	int64_t next_ns; /* when the next start is due */
};

/* The first start is due at once. */
struct pace pace_of(int per_second, int64_t now_ns);

/* Is a start due?  If so it is taken, and the next one put off. */
bool pace_take(struct pace *p, int64_t now_ns);

#endif
