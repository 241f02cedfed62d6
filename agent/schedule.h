/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule - when the next round is due.
 *
 * The UTC day is cut into equal slots of at least the plan's interval, with
 * one moment in each that is drawn from a secret of this agent: not on the
 * hour, not guessable, and the same after a restart.  A round that began in
 * a slot fills it.  When the moment is missed because the agent was off, the
 * rest of the slot has others, drawn likewise; only an agent that never
 * measured begins at once.
 *
 * The caps on rounds and bytes a day are compiled in: no plan can raise them.
 * Pure: times are parameters, real-time nanoseconds.
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/record.h"

enum {
	SCHEDULE_SEED_BYTES = 32,
	SCHEDULE_ROUNDS_A_DAY = 48,
	SCHEDULE_BYTES_A_DAY = 64 * 1024 * 1024,
};

struct schedule {
	uint8_t seed[SCHEDULE_SEED_BYTES];
	int64_t interval_s; /* at least PLAN_INTERVAL_MIN_S */
};

/* What was done on one UTC day. */
struct schedule_day {
	int64_t day; /* clock_day */
	int rounds;
	int64_t bytes;
};

/*
 * The moment of the next round, at or after now.  last_round_ns is when the
 * latest one began, 0 for never.
 */
int64_t schedule_next(const struct schedule *s, int64_t now_ns,
                      int64_t last_round_ns);

/* May another round begin on the day of now?  Forgets an earlier day. */
bool schedule_allows(struct schedule_day *d, int64_t now_ns);

/* The bytes of a run on the wire, both ways, estimated from above. */
int64_t schedule_run_bytes(const struct record *r);

#endif
