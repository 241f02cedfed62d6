/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp - read the errors that the kernel keeps for a socket.
 *
 * With IP_RECVERR an ordinary socket, TCP or UDP, learns of ICMP errors about
 * its own packets and who sent them (ip(7)); no privilege is needed.
 */
#ifndef AGENT_ICMP_H
#define AGENT_ICMP_H

#include "agent/judge.h"

enum { ICMP_QUOTE_BYTES = 128 };

struct icmp_message {
	struct judge_error error;
	uint8_t quote
		[ICMP_QUOTE_BYTES]; /* what the kernel kept of the packet */
	size_t quote_bytes;
};

/* Ask the kernel to keep errors.  family is 4 or 6. */
bool icmp_enable(int fd, int family);

/* Take the next error off the socket's queue; false when there is none. */
bool icmp_next(int fd, struct icmp_message *out);

#endif
