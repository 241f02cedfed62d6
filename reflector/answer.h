/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - the protocol: one message in, one reply or silence out.
 *
 * No sockets and no clock here, but a look at what the kernel knows
 * (reflector/halfopen.h).  Over UDP a reply is never longer than what it
 * answers, and there is none without a token that proves that its source
 * address had asked over TCP before: nobody can use the reflector to send
 * traffic to somebody else.
 */
#ifndef REFLECTOR_ANSWER_H
#define REFLECTOR_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/token.h"
#include "lib/wire.h"
#include "reflector/counters.h"
#include "reflector/halfopen.h"
#include "reflector/portset.h"
#include "reflector/session.h"

/* Shared by all threads; borrows everything it points to. */
struct answerer {
	const char *name;
	uint8_t receipt_key[TOKEN_KEY_BYTES];
	uint8_t token_key[TOKEN_KEY_BYTES];
	struct portset *ports;
	struct sessions *sessions;
	struct halfopen *halfopen;
	const struct addr *local; /* by an arrival's index */
};

/*
 * Answer one whole message of a type from wire_peek.  Returns the length of
 * the reply in out, or 0 for silence, and counts which it was.
 */
size_t answer_tcp(const struct answerer *me, struct counters *counters,
                  const struct arrival *a, struct rd message,
                  uint8_t out[WIRE_MESSAGE_MAX]);

/* Answer one datagram, whatever it is. */
size_t answer_udp(const struct answerer *me, struct counters *counters,
                  const struct arrival *a, struct rd datagram,
                  uint8_t out[WIRE_MESSAGE_MAX]);

#endif
