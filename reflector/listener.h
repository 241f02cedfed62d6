/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener - sockets that wait for agents.
 *
 * All threads listen on the same ports with sockets of their own
 * (SO_REUSEPORT, socket(7)); the kernel spreads what comes over them.  IPv4
 * and IPv6 are separate sockets.
 */
#ifndef REFLECTOR_LISTENER_H
#define REFLECTOR_LISTENER_H

#include "lib/addr.h"
#include "lib/err.h"
#include "lib/wire.h"

enum listener_claim {
	/* The first socket of a port: fails when anyone has the port. */
	LISTENER_FIRST,
	/* One more beside those of other threads. */
	LISTENER_NEXT,
};

/*
 * Open a non-blocking socket on the address and port of local, listening when
 * it is TCP.  Returns the descriptor, or -1.
 */
int listener_open(const struct addr *local, enum transport transport,
                  enum listener_claim claim, struct err *e);

/* Can anything be opened at this address? */
MUSTCHECK bool listener_try(const struct addr *local, struct err *e);

#endif
