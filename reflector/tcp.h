/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp - connections: one request, one reply, then the peer closes.
 *
 * Each thread has a table of fixed size.  A connection has a deadline in each
 * of its two states, reading and lingering, and makes room for a newer one
 * when its prefix or the table is full (reflector/roster.h).  Anything that
 * is not exactly one message of ours is cut off.
 */
#ifndef REFLECTOR_TCP_H
#define REFLECTOR_TCP_H

#include "lib/loop.h"
#include "reflector/answer.h"

struct tcp_limits {
	uint32_t connections;
	uint32_t per_prefix;
	int64_t request_timeout_ns;
	int64_t linger_timeout_ns;
};

enum tcp_accept {
	TCP_TAKEN, /* all that waited, or as many as one turn may take */
	/* Out of descriptors or memory, and no connection to give up. */
	TCP_NO_FILES,
};

struct tcp;

/* Borrows the loop, the answerer and the counters.  The key is random. */
struct tcp *tcp_new(struct loop *loop, const struct answerer *me,
                    struct counters *counters, const struct tcp_limits *limits,
                    const uint8_t key[ROSTER_KEY_BYTES]);

/* Close all connections; NULL is allowed. */
void tcp_free(struct tcp *t);

/*
 * Take connections from a listening socket, a bounded number.  where holds
 * all but the peer and the real time.
 */
enum tcp_accept tcp_accept(struct tcp *t, int listen_fd,
                           const struct arrival *where);

#endif
