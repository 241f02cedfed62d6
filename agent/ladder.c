/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ladder.h"

#include "lib/clock.h"

static const int64_t check_gap_ns[JUDGE_ATTEMPTS - 1] = {
	100 * CLOCK_MS,
	200 * CLOCK_MS,
	400 * CLOCK_MS,
};

static const int64_t service_gap_ns[JUDGE_ATTEMPTS - 1] = {
	1 * CLOCK_S,
	3 * CLOCK_S,
	8 * CLOCK_S,
};

static const int64_t patience_ns = 1500 * CLOCK_MS;

/* The kernel sends a SYN again after this long (RFC 6298, section 2). */
static const int64_t syn_resend_ns = CLOCK_S;

/*
 * An overlapping attempt must not start while the one before it is still
 * being answered: that takes one round trip over UDP, two over TCP (handshake,
 * then echo), and one more for what the path and the reflector add.
 */
static int64_t answered_ns(enum transport transport, int64_t rtt_ns)
{
	return transport == TRANSPORT_TCP ? 3 * rtt_ns : 2 * rtt_ns;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct ladder ladder_of(enum run_pace pace, enum transport transport,
                        int64_t rtt_ns)
{
	bool check = pace == RUN_PACE_CHECK;
	const int64_t *gap_ns = check ? check_gap_ns : service_gap_ns;
	struct ladder l = { .overlap = check };

	for (int i = 0; i < JUDGE_ATTEMPTS - 1; i++)
		l.gap_ns[i] = larger(gap_ns[i], answered_ns(transport, rtt_ns));
	l.patience_ns = larger(patience_ns, 4 * rtt_ns);
	/* A lone attempt counts from its kernel's second SYN; of overlapping
	 * ones the last SYN of all is what matters. */
	if (!check && transport == TRANSPORT_TCP)
		l.patience_ns += syn_resend_ns;
	return l;
}
