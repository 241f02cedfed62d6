/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ladder - when a probe that gets no answer is tried again.
 *
 * The service waits for an attempt to end before it makes the next one.  A
 * check has a person waiting: its attempts overlap, each stays open until the
 * last one has had its time, and whichever is answered first counts.
 *
 *  service   |--1--|  gap  |--2--|   gap   |--3--|     gap     |--4--|
 *  check     |--1-------------------------->
 *              |--2------------------------>
 *                  |--3-------------------->
 *                          |--4------------>
 *
 * Pure: only intervals, no clock.
 */
#ifndef AGENT_LADDER_H
#define AGENT_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/judge.h"
#include "agent/run.h"

struct ladder {
	bool overlap;
	/* To the next attempt: from the start of the one before it when they
	 * overlap, else from its end. */
	int64_t gap_ns[JUDGE_ATTEMPTS - 1];
	/* An attempt's time, from its start.  When they overlap all attempts
	 * end together, this long after the last one's start. */
	int64_t patience_ns;
};

struct ladder ladder_of(enum run_pace pace, enum transport transport,
                        int64_t rtt_ns);

#endif
