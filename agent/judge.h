/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge - what a probe came to, from what was seen.
 *
 * Each attempt at a port ends in a finding; the findings of one probe are
 * combined into its outcome.  Pure: no socket, no clock.
 *
 * What a stranger off the path could forge decides nothing.  The reflector's
 * reply carries a tag that only it and this run can make.  For TCP the kernel
 * has checked sequence numbers, of segments and of the packets that ICMP
 * errors quote.  A datagram without our tag has only its addresses to vouch
 * for it: it is believed when a second attempt, from another source port,
 * meets the like.
 */
#ifndef AGENT_JUDGE_H
#define AGENT_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/outcome.h"
#include "lib/record.h"
#include "lib/wire.h"

enum { JUDGE_ATTEMPTS = 4 };

/* OUTCOME_UNTESTED: nothing has been found yet. */
struct finding {
	uint8_t outcome; /* enum outcome */
	int64_t rtt_ns;  /* 0: nothing was timed */
	/* The rest is evidence, as in struct record_evidence. */
	bool has_icmp;
	uint8_t icmp_type;
	uint8_t icmp_code;
	struct addr from;
	uint8_t banner_bytes;
	uint8_t banner[RECORD_BANNER_BYTES];
	uint16_t arrived_port;
	int32_t sys_errno;
};

/* An attempt that was made, as far as its reply must match it. */
struct judge_sent {
	uint8_t nonce[WIRE_NONCE_BYTES];
	uint8_t digest[WIRE_DIGEST_BYTES];
	int64_t at_ns;
};

struct judge_probe {
	uint8_t transport;
	uint16_t port;
	uint8_t token[WIRE_TOKEN_BYTES];
	int sent_count;
	struct judge_sent sent[JUDGE_ATTEMPTS];
};

/* An ICMP error, or an error of this host's own network stack. */
struct judge_error {
	bool local; /* the stack's own */
	uint8_t icmp_type;
	uint8_t icmp_code;
	int32_t sys_errno;
	struct addr from;
};

/*
 * Judge bytes that came in answer at now_ns.  False: too few to tell, more
 * may come (only over TCP; a datagram is whole).
 */
bool judge_reply(const struct judge_probe *p, const uint8_t *bytes, size_t n,
                 int64_t now_ns, struct finding *out);

/*
 * Judge an error about a packet that this host sent from local.  False: it is
 * no failure (path MTU).
 */
bool judge_error(enum transport transport, const struct judge_error *error,
                 const struct addr *local, struct finding *out);

/*
 * Is a packet that an ICMP error quotes ours?  A router may quote less than
 * the whole payload, even nothing, or append to it (RFC 4884).
 */
bool judge_quote(const uint8_t *sent, size_t sent_bytes, const uint8_t *quote,
                 size_t quote_bytes);

/*
 * A system call failed: this host did not send.  Denied when it was not
 * allowed to; else it lacks something (a route, descriptors), and nothing is
 * known of the port.
 */
void judge_call_failed(int sys_errno, struct finding *out);

/* A TCP socket reported an error with no ICMP error to explain it. */
void judge_tcp_failed(int sys_errno, struct finding *out);

/* A TCP connection was cut before the reply was complete. */
void judge_tcp_cut(struct finding *out);

/* Is it the reflector's own answer, by its tag? */
bool judge_is_answer(uint8_t outcome);

/* Can no further attempt change the outcome? */
bool judge_settled(const struct finding *finding, int count);

/* The outcome of a probe whose attempts all have ended. */
void judge_combine(enum transport transport, const struct finding *finding,
                   int count, struct finding *out);

/*
 * Correct an outcome by the reflector's account.  A probe that came from
 * another address than the hello's (a NAT with several) was not answered for
 * that reason: nothing is known of the port.
 */
uint8_t judge_with_manifest(uint8_t outcome,
                            const struct manifest_entry *entry);

#endif
