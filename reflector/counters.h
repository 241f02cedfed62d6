/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters - what happened, in numbers.
 *
 * Each thread adds to its own set; a reader sums them up at any time.
 */
#ifndef REFLECTOR_COUNTERS_H
#define REFLECTOR_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum counter {
	COUNT_TCP_ACCEPTED,
	COUNT_HELLO,         /* answered with a WELCOME */
	COUNT_TCP_PROBE,     /* answered with an ECHO */
	COUNT_UDP_PROBE,     /* answered with an ECHO */
	COUNT_REPORT,        /* answered with a MANIFEST */
	COUNT_REPORT_UNSURE, /* of these: not all half-open ones were known */
	COUNT_TCP_FOREIGN,   /* not this protocol, or garbage behind it */
	COUNT_UDP_FOREIGN,   /* not a PROBE */
	COUNT_BAD_TOKEN,     /* unknown, expired, or of another address */
	COUNT_NO_SESSION,    /* the session is gone, or could not be had */
	COUNT_OTHER_ADDRESS, /* a run's own token from another host */
	COUNT_UDP_SPENT,     /* the port's datagrams of a run are used up */
	COUNT_TCP_DEADLINE,  /* too slow with the request */
	COUNT_TCP_LINGERED,  /* did not close after the reply */
	COUNT_TCP_EVICTED,   /* had to make room for a newer connection */
	COUNT_SEND_FAILED,   /* a reply that the kernel did not take */
	COUNT_ACCEPT_PAUSED, /* times out of descriptors or memory */
	COUNTER_COUNT,
};

struct counters {
	_Atomic uint64_t n[COUNTER_COUNT];
};

static inline void count(struct counters *c, enum counter which)
{
	atomic_fetch_add_explicit(&c->n[which], 1, memory_order_relaxed);
}

enum { COUNTERS_TEXT_BYTES = 1024 };

/* Write the sums over several sets as "name=1 name=2 ...". */
void reflector_counters_format(struct counters *const *sets, size_t set_count,
                               char out[COUNTERS_TEXT_BYTES]);

#endif
