/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial - one probe: up to four attempts at a port, and what they came to.
 *
 * Caller-owned and large (about 2 kB): keep them in a table.  on_done is
 * called once, from the loop; by then all sockets are closed and the trial may
 * be started again for another port, though only after on_done has returned.
 */
#ifndef AGENT_TRIAL_H
#define AGENT_TRIAL_H

#include "agent/ladder.h"
#include "agent/probe.h"
#include "lib/addr.h"

/* What the trials of a run have in common; outlives them. */
struct trial_setting {
	struct loop *loop;
	struct addr reflector; /* its port is not used */
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t token[WIRE_TOKEN_BYTES];
	int64_t rtt_ns;
	enum run_pace pace;
};

struct trial {
	const struct trial_setting *setting;
	struct ladder ladder;
	struct judge_probe probe; /* probe.sent_count attempts were made */
	struct attempt attempt[JUDGE_ATTEMPTS];
	struct timer timer;
	int64_t next_ns; /* when the next attempt is due */
	bool live;
	int index; /* the caller's */
	void *ctx; /* the caller's */
	/* May both be NULL.  Equal failures are about to end the trial early:
	 * are they to be believed?  If not, it goes on. */
	bool (*may_end)(const struct trial *t);
	/* The last attempt has just been made, at loop_now. */
	void (*on_last)(struct trial *t);
	void (*on_done)(struct trial *t, const struct finding *f);
};

/* Start; index, ctx and on_done must be set.  The first attempt is made now. */
void trial_start(struct trial *t, const struct trial_setting *setting,
                 enum transport transport, uint16_t port);

/* Stop without a word; not being under way is fine. */
void trial_stop(struct trial *t);

#endif
