/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockdiag - the bytes of one question to the kernel, sock_diag(7): to which
 * ports of this host has a peer sent a SYN whose handshake is not finished?
 *
 * The question carries a filter, so that the answer is short however many
 * others wait.  The answer comes in datagrams of netlink messages; only what
 * really is an answer to this question is believed.  Pure: no sockets.
 */
#ifndef REFLECTOR_SOCKDIAG_H
#define REFLECTOR_SOCKDIAG_H

#include <stdint.h>

#include "lib/addr.h"
#include "lib/wire.h"

enum { SOCKDIAG_REQUEST_MAX = 160 };

/* Between whom; ports do not matter, local may be a wildcard address. */
struct sockdiag_query {
	struct addr local;
	struct addr peer;
};

/* A port with a SYN that waits, and the port that the SYN came from. */
struct sockdiag_wait {
	uint16_t local_port;
	uint16_t peer_port;
	int64_t age_ns; /* it has waited so long, or somewhat longer */
};

/* The youngest of each local port, as many as a manifest has room for. */
struct sockdiag_waits {
	uint16_t count;
	struct sockdiag_wait wait[WIRE_PORTS_MAX];
};

/* Write the question; returns its length. */
size_t sockdiag_request(const struct sockdiag_query *q,
                        uint8_t out[SOCKDIAG_REQUEST_MAX]);

enum sockdiag_progress {
	SOCKDIAG_MORE, /* more datagrams follow */
	SOCKDIAG_DONE, /* that was all, and complete */
	/* An error, not what was asked for, or more ports than fit. */
	SOCKDIAG_BROKEN,
};

/*
 * Read one datagram of the answer and add what it tells to out.  error gets
 * the number of an error that the kernel names, or stays.
 */
enum sockdiag_progress sockdiag_read(const struct sockdiag_query *q,
                                     struct rd datagram,
                                     struct sockdiag_waits *out, int *error);

/* The entry of a local port, or NULL. */
const struct sockdiag_wait *sockdiag_find(const struct sockdiag_waits *w,
                                          uint16_t local_port);

#endif
