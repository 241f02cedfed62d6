/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/pulse.h"

#include <stdlib.h>

#include "lib/mem.h"

void pulse_note(struct pulse *p, int64_t at_ns)
{
	if (p->count == p->room) {
		p->room = p->room ? 2 * p->room : 64;
		p->at_ns = mem_resize(p->at_ns, p->room, sizeof(p->at_ns[0]));
	}
	p->at_ns[p->count++] = at_ns;
}

/* O(n); a sweep has some hundred answers. */
bool pulse_between(const struct pulse *p, int64_t from_ns, int64_t until_ns)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->at_ns[i] >= from_ns && p->at_ns[i] <= until_ns)
			return true;
	return false;
}

void pulse_free(struct pulse *p)
{
	free(p->at_ns);
	*p = (struct pulse){ 0 };
}
