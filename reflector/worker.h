/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - one thread: its loop, its sockets, its connections.
 *
 * Everything here belongs to the thread once it runs; only the functions that
 * say so may be called from outside then.  At midnight UTC, or when somebody
 * sets the clock, a worker draws the control ports again.
 */
#ifndef REFLECTOR_WORKER_H
#define REFLECTOR_WORKER_H

#include "lib/err.h"
#include "reflector/answer.h"
#include "reflector/tcp.h"

/* What all workers share; outlives them. */
struct worker_common {
	const struct answerer *answerer;
	struct portset *ports;
	const struct addr *local; /* addresses to listen on */
	uint8_t local_count;
	struct tcp_limits tcp; /* of one worker */
};

/* How opening the sockets went. */
struct worker_report {
	int opened;
	int failed;
	int in_use; /* of the failed: the address was taken */
};

struct worker;

/*
 * Create the worker with this number, without sockets.  Number 0 speaks for
 * all when a port cannot be opened.  NULL on failure.
 */
struct worker *worker_new(const struct worker_common *common, int number,
                          struct err *e);

/* Close all; the thread must have ended.  NULL is allowed. */
void worker_free(struct worker *w);

/* Open what the portset wants; failures are logged and counted. */
struct worker_report worker_open(struct worker *w);

MUSTCHECK bool worker_start(struct worker *w, struct err *e);

/* From outside: let the thread end.  Not running is fine. */
void worker_stop(struct worker *w);

/* From outside: wait for the end; false when it came by a failure. */
bool worker_join(struct worker *w);

/* From outside: ask the thread for a sign of life. */
void worker_ask(struct worker *w);

/* From outside: has it answered since it was asked last? */
bool worker_answered(const struct worker *w);

/* From outside: its counters, to read. */
struct counters *worker_counters(struct worker *w);

#endif
