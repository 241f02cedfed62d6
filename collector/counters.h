/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters - what became of the messages, for one line in the log.
 *
 * Nothing that agents send is logged message by message; it is counted.
 * Belongs to the intake's thread.
 */
#ifndef COLLECTOR_COUNTERS_H
#define COLLECTOR_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/validate.h"
#include "lib/record.h"

struct counters {
	uint64_t received; /* messages of any kind */
	uint64_t stored;
	uint64_t duplicate;
	uint64_t foreign;   /* without a CURVE key, or with a made-up name */
	uint64_t odd;       /* not the two frames of a run */
	uint64_t wait_busy; /* told to wait: queue full or database away */
	uint64_t wait_rate; /* told to wait: too many from key or prefix */
	uint64_t unplaced;  /* refused by the database */
	uint64_t gone;      /* replies whose agent had left */
	uint64_t stuck;     /* replies that the agent did not take in */
	uint64_t void_runs;
	uint64_t fault[RECORD_FAULT_COUNT];
	uint64_t refusal[REFUSAL_COUNT];
	uint64_t doubt[DOUBT_COUNT];
};

enum { COUNTERS_TEXT_BYTES = 1024 };

/* Write "received 12, stored 10, ..."; what is zero is left out. */
void counters_format(const struct counters *c, char *out, size_t out_bytes);

#endif
