/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox - from a finished run to a collector: the service's spool and uplink.
 *
 * Writes to the journal what became of the runs.
 */
#ifndef AGENT_OUTBOX_H
#define AGENT_OUTBOX_H

#include "agent/journal.h"
#include "agent/key.h"
#include "agent/spool.h"
#include "agent/uplink.h"
#include "lib/loop.h"
#include "lib/plan.h"
#include "lib/record.h"

struct outbox {
	struct loop *loop;
	struct journal *journal;
	const struct key *key;
	struct spool *spool;
	struct uplink *uplink; /* NULL: nothing is sent now */
	int stored_in_a_row;   /* since the uplink was last quiet */
	bool uplink_fails;     /* these two were logged */
	bool spool_fails;
	int64_t dropped; /* what of the spool's count the journal has */
};

/* loop, journal and key must be set, and outlive the outbox. */
MUSTCHECK bool outbox_open(struct outbox *o, const char *spool_dir,
                           int64_t max_bytes, struct err *e);

/*
 * What is held in memory gets a last chance to be written.  A zeroed struct
 * is fine.
 */
void outbox_close(struct outbox *o);

/* Talk to this plan's collectors from now on; NULL: to none. */
void outbox_use_plan(struct outbox *o, const struct plan *plan);

/* Keep a run. */
void outbox_put(struct outbox *o, const struct record *r);

/* Send what is there, now that the line is free. */
void outbox_start(struct outbox *o);

/* A measurement needs the line. */
void outbox_stop(struct outbox *o);

#endif
