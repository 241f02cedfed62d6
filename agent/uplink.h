/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink - empty the spool into a collector.
 *
 * Newest run first, one at a time over ZeroMQ with CURVE; a run leaves the
 * spool when the collector says that it is stored, and not before.  Agents
 * spread over the plan's collectors by rendezvous hashing of their key, so
 * each has its own order of trial.
 *
 * libzmq gives up for good, and silently, on a peer that speaks something
 * else (a captive portal).  So silence is judged here: without an answer
 * within a time the socket is thrown away and the next collector is tried,
 * and after a pass over all of them everything pauses, longer each time.
 *
 * Socket, context and their thread exist only while there is something to
 * send: an idle agent never wakes up for them.
 */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

#include "agent/key.h"
#include "agent/spool.h"
#include "lib/loop.h"
#include "lib/plan.h"

#define UPLINK_PATIENCE_NS (20 * CLOCK_S)

enum uplink_event_kind {
	UPLINK_STORED,   /* a run is stored, or was already */
	UPLINK_REJECTED, /* a run was refused for good; text is the reason */
	UPLINK_ASKED_TO_WAIT, /* pause_ns says how long */
	UPLINK_NO_ANSWER,     /* from this collector; the next one is tried */
	UPLINK_GAVE_UP,       /* a pass failed; trying again after pause_ns */
	UPLINK_DRAINED,       /* nothing is left to send */
};

struct uplink_event {
	enum uplink_event_kind kind;
	const char *endpoint; /* of the collector; NULL when it is over none */
	const char *text;     /* printable; "" when there is nothing to say */
	int64_t pause_ns;
};

struct uplink_options {
	struct loop *loop;
	const struct key *key;   /* must outlive the uplink, as the spool */
	const struct plan *plan; /* its collectors are copied */
	struct spool *spool;
	int64_t patience_ns; /* without an answer */
	/* The uplink must not be freed from here. */
	void (*on_event)(void *ctx, const struct uplink_event *event);
	void *ctx;
};

struct uplink;

struct uplink *uplink_new(const struct uplink_options *o);

/* What is in flight stays in the spool.  NULL is allowed. */
void uplink_free(struct uplink *u);

/*
 * Send whatever is in the spool.  Does nothing while it is at it, or while a
 * collector's wish to wait holds; ends a pause of its own.
 */
void uplink_start(struct uplink *u);

/* Let go of the line until uplink_start: a measurement needs it. */
void uplink_stop(struct uplink *u);

#endif
