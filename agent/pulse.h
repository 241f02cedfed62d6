/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse - moments at which a path was seen to be alive.
 *
 * A moment is when something was sent that was answered.  Pure; a zeroed
 * struct is empty, pulse_free gives back what it holds.
 */
#ifndef AGENT_PULSE_H
#define AGENT_PULSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pulse {
	int64_t *at_ns; /* in no order */
	size_t count;
	size_t room;
};

void pulse_note(struct pulse *p, int64_t at_ns);

/* Was it alive at a moment from one to the other, both included? */
bool pulse_between(const struct pulse *p, int64_t from_ns, int64_t until_ns);

void pulse_free(struct pulse *p);

#endif
