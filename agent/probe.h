/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - one attempt at one port, whatever the transport.
 *
 * An attempt is data that its trial embeds, plus three callbacks of its
 * transport; nothing else switches on the kind.  It owns its socket, fresh
 * for each attempt and hence with a fresh source port, and says through
 * changed() that its finding is new.  Nothing of the attempt may be touched
 * after changed() returns: the trial may have ended.
 *
 * A finding is final when the socket is closed with it.  A UDP attempt goes
 * on listening after an ICMP error or a stranger's datagram, since the
 * reflector's own answer may still come and counts for more.
 */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

#include "agent/judge.h"
#include "lib/loop.h"

struct probe_ops;

struct attempt {
	struct watch watch; /* fd -1: nothing under way */
	const struct probe_ops *ops;
	struct loop *loop;
	struct judge_probe *probe; /* the trial's: all its attempts */
	struct judge_sent *sent;   /* ours in it */
	struct addr local;         /* where we send from */
	bool connected;            /* TCP only */
	int64_t opened_ns;
	struct finding finding; /* OUTCOME_UNTESTED: none yet */
	uint8_t message[WIRE_PROBE_BYTES];
	uint8_t got[WIRE_PROBE_BYTES]; /* no reply is longer than its request */
	size_t got_bytes;
	void (*changed)(struct attempt *a, int64_t now_ns);
};

struct probe_ops {
	/*
	 * Make the socket and start.  False, with the finding set, when this
	 * host will not send; changed() is not called.
	 */
	bool (*open)(struct attempt *a, const struct addr *to, int64_t now_ns);
	/* The time is over: look one last time, set the finding. */
	void (*expire)(struct attempt *a, int64_t now_ns);
};

extern const struct probe_ops probe_tcp;
extern const struct probe_ops probe_udp;

/*
 * What both transports do with a new socket: keep ICMP errors, go to the
 * reflector, learn the local address.  Returns the descriptor, or -1 with the
 * finding set.
 */
int probe_socket(struct attempt *a, int type, const struct addr *to);

/*
 * Take all ICMP errors off the socket.  True when one of them is a failure;
 * the finding is set.
 */
bool probe_take_errors(struct attempt *a, int64_t now_ns);

/* Stop watching and close; nothing under way is fine. */
void probe_close(struct attempt *a);

#endif
