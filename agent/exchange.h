/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - one request to the reflector over TCP, one reply.
 *
 * Caller-owned; the request is borrowed and must outlive the exchange.  The
 * whole reply message, of the wanted type, stands in reply[] when done() says
 * ok; whether it is genuine is for the caller to judge.  done() is called
 * once, from the loop, when the socket is closed already.
 */
#ifndef AGENT_EXCHANGE_H
#define AGENT_EXCHANGE_H

#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/wire.h"

struct exchange {
	struct loop *loop;
	const uint8_t *request;
	size_t request_bytes;
	enum wire_type wanted;
	void (*done)(struct exchange *x, bool ok);
	void *ctx; /* the caller's */

	/* Valid in done(). */
	uint8_t *reply; /* owned by the exchange until exchange_stop */
	size_t reply_bytes;
	int64_t rtt_ns;     /* the shorter of handshake and reply */
	int sys_errno;      /* not ok: the reason, 0 when none applies */
	const char *reason; /* not ok: in words; NULL: strerror(sys_errno) */

	/* Internal. */
	struct watch watch;
	struct timer timer;
	bool connected;
	size_t got_bytes;
	int64_t opened_ns;
	int64_t sent_ns;
};

/*
 * Start toward an address and port, to be done by deadline_ns.  The first
 * five members must be set, the rest zero.
 */
void exchange_start(struct exchange *x, const struct addr *to,
                    int64_t deadline_ns);

/* Stop and free the reply; not being under way is fine. */
void exchange_stop(struct exchange *x);

#endif
