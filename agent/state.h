/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - what must survive a restart, and what "periplus status" shows.
 *
 * One JSON file, replaced whole.  The service keeps a struct state and stores
 * it when something changed; "check" only touches the file while no service
 * holds the lock.
 */
#ifndef AGENT_STATE_H
#define AGENT_STATE_H

#include "agent/schedule.h"
#include "lib/err.h"
#include "lib/record.h"

#define STATE_FILE "status.json"
#define STATE_LOCK "lock"

enum { STATE_TEXT_BYTES = 256 };

/* The latest run that came to an end. */
struct state_run {
	char run[37]; /* "" when there is none */
	char reflector[WIRE_NAME_BYTES];
	int64_t started_ns;
	int64_t duration_ms;
	int family;
	int open;
	int failed;
	int untested;
	int void_tcp; /* enum void_reason */
	int void_udp;
};

struct state {
	int64_t last_round_ns; /* when it began; 0: never */
	int64_t next_round_ns; /* 0: not known */
	struct schedule_day today;
	struct state_run last_run;
	int64_t stored;         /* runs acknowledged by a collector */
	int64_t rejected;       /* runs refused for good */
	int64_t dropped;        /* runs lost because the spool was full */
	int64_t last_stored_ns; /* when a collector last acknowledged one */
	char uplink[STATE_TEXT_BYTES]; /* in words; "" when never used */
	char doing[STATE_TEXT_BYTES];  /* what the service does or waits for */
};

/* Read the file; a missing one is an agent that never ran. */
MUSTCHECK bool state_load(const char *path, struct state *out, struct err *e);

MUSTCHECK bool state_store(const char *path, const struct state *s,
                           struct err *e);

/* Summarise a run. */
void state_note_run(struct state *s, const struct record *r);

/*
 * Lock the state directory for a service.  Returns a descriptor to keep open,
 * or -1: held by another process (e->code is EWOULDBLOCK) or not possible.
 */
MUSTCHECK int state_lock(const char *path, struct err *e);

#endif
