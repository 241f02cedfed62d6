/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/pace.h"

#include "lib/clock.h"

struct pace pace_of(int per_second, int64_t now_ns)
{
	return (struct pace){ .gap_ns = CLOCK_S / per_second,
		              .next_ns = now_ns };
}

bool pace_take(struct pace *p, int64_t now_ns)
{
	if (now_ns < p->next_ns)
		return false;
	p->next_ns += p->gap_ns;
	/* At most one start is made up for. */
	if (p->next_ns < now_ns)
		p->next_ns = now_ns;
	return true;
}
