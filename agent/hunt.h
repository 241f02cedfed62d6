/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hunt - the same request on one control port after the other, until a
 * genuine reply comes.
 *
 * Ports are tried in order.  The next one starts when the one before it has
 * failed, or has been silent for 1.5 s; all stay open, and the first genuine
 * reply wins (in the manner of RFC 8305).  A hunt that fails may begin again
 * after a pause, as often as rounds says.
 */
#ifndef AGENT_HUNT_H
#define AGENT_HUNT_H

#include "agent/exchange.h"
#include "lib/plan.h"

struct hunt {
	struct loop *loop;
	struct addr reflector; /* its port is not used */
	const uint16_t *port;  /* outlives the hunt */
	int port_count;
	int rounds; /* at least 1 */
	uint8_t request[64];
	size_t request_bytes;
	enum wire_type wanted;
	/* Is the reply genuine?  If not, the exchange counts as failed. */
	bool (*accept)(struct hunt *h, const struct exchange *x);
	/* Once, from the loop; hunt_stop may be called from it. */
	void (*done)(struct hunt *h, bool ok);

	/* Valid in done(), when it failed. */
	char error[128]; /* of the last round, port by port */
	int sys_errno;   /* of its first port */

	/* Internal. */
	struct timer timer;
	struct exchange exchange[PLAN_CONTROL_PORTS_MAX];
	int started;
	int failed;
	int round;
	bool over;
	bool won;
};

/* Start; the members up to done must be set, the rest zero. */
void hunt_start(struct hunt *h);

/* Stop all exchanges; not being under way is fine. */
void hunt_stop(struct hunt *h);

#endif
