/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zap - the thread that lets agents in (ZeroMQ RFC 27).
 *
 * Anybody who speaks CURVE and proves a key is let in: the key is the identity
 * that rate limits and the database go by.  Its z85 text becomes the User-Id
 * of every message.  Whatever is not CURVE in our domain is turned away, and
 * so is everybody while too many are connected (with a status that agents try
 * again after).  Connections are counted when they are made, and one that was
 * turned away lasts until the handshake's deadline: a crowd that comes within
 * those seconds gets fewer places than there are.  Must be started before the
 * ROUTER is bound.
 */
#ifndef COLLECTOR_ZAP_H
#define COLLECTOR_ZAP_H

#include <stdint.h>

#include "lib/err.h"

#define ZAP_DOMAIN "periplus"

struct zap;

struct zap_counts {
	int64_t connected; /* now */
	uint64_t let_in;
	uint64_t turned_away;
};

/*
 * Start the thread; it watches router for connections that come and go.  NULL
 * on failure.
 */
MUSTCHECK struct zap *zap_start(void *context, void *router,
                                int64_t max_connections, struct err *e);

struct zap_counts zap_counts(struct zap *z);

/*
 * Wait for the thread's end, which comes with zmq_ctx_shutdown(), and free;
 * NULL is allowed.
 */
void zap_stop(struct zap *z);

#endif
