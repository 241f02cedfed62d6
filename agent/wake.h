/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wake - a timer on the real clock.
 *
 * The loop's timers count awake time only.  This one fires at a time of day,
 * also when the machine slept or the clock was set in between: whenever the
 * real clock is set it fires early, and the callback looks again.  Nothing
 * wakes the process before that.
 */
#ifndef AGENT_WAKE_H
#define AGENT_WAKE_H

#include "lib/err.h"
#include "lib/loop.h"

struct wake {
	struct loop *loop;
	struct watch watch;
	int fd;
	void (*fire)(struct wake *w); /* the clock may have been set: check */
};

/* w->fire must be set; the rest is filled in. */
MUSTCHECK bool wake_open(struct loop *l, struct wake *w, struct err *e);

/* Not being open is fine when the struct was zeroed. */
void wake_close(struct wake *w);

/* Fire at a real time; again replaces. */
MUSTCHECK bool wake_at(struct wake *w, int64_t realtime_ns, struct err *e);

#endif
