/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halfopen - SYNs that came, and whose answer found nobody.
 *
 * While a SYN-ACK goes unanswered the kernel keeps the half-open connection
 * and sends the answer again; sock_diag(7) shows it to anybody.  That tells
 * "nothing came" from "it came and our answer was lost".  What has gone again
 * is not shown: a connection that somebody resets meanwhile leaves no trace.
 *
 * Not finding one means "nothing came" only while the kernel keeps them all,
 * and it keeps none that it answers with a SYN cookie or has no room for.  It
 * counts those, for all ports together: lost_syns.
 *
 * One for all threads; locks by itself; reads the clock to bound its cost.
 */
#ifndef REFLECTOR_HALFOPEN_H
#define REFLECTOR_HALFOPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "reflector/sockdiag.h"

enum {
	/* How often listeners are to send a SYN-ACK again: at 1, 3, 7, 15
	 * and 31 s, and the kernel keeps the connection for 63 s. */
	HALFOPEN_RETRIES = 5,
};

struct halfopen;

struct halfopen *halfopen_new(void);

/* NULL is allowed. */
void halfopen_free(struct halfopen *h);

/* Does the kernel answer at all?  False with the reason. */
MUSTCHECK bool halfopen_try(struct err *e);

/*
 * How many SYNs the kernel has not kept, or 0 when it does not say; at most
 * 100 ms old.  Remember it when a run begins.
 */
uint64_t halfopen_lost_syns(struct halfopen *h);

struct halfopen_view {
	/* Whatever came since the run began, and did not get on, is here. */
	bool complete;
	int64_t run_age_ns; /* what has waited longer is not the run's */
	struct sockdiag_waits waits;
};

/*
 * Look which of a peer's connections wait, some of which may be older than the
 * run.  lost_syns is what was remembered when the run began.  Not complete
 * also when the run is too old, or when too much time went to questions like
 * this lately: a tenth of one core's is what they may have.
 */
void halfopen_look(struct halfopen *h, const struct sockdiag_query *q,
                   int64_t run_age_ns, uint64_t lost_syns,
                   struct halfopen_view *out);

#endif
