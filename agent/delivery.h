/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery - send the spool while a person waits, but not for ever.
 *
 * Ends when the spool is empty, when a collector asks to wait, when none of
 * them answers, or when nothing was stored for a while.
 */
#ifndef AGENT_DELIVERY_H
#define AGENT_DELIVERY_H

#include <stddef.h>

#include "agent/key.h"
#include "agent/spool.h"
#include "lib/loop.h"
#include "lib/plan.h"

struct cJSON;

enum { DELIVERY_TEXT_BYTES = 512 };

struct delivery_result {
	int stored;
	int rejected;
	int waiting;                         /* still in the spool */
	char collector[PLAN_ENDPOINT_BYTES]; /* "" when none took a run */
	char why[256]; /* why some wait; "" when none does */
};

/*
 * Runs the loop until it is over.  loop_stop from elsewhere (a signal) ends it
 * early.
 */
MUSTCHECK bool delivery_run(struct loop *l, const struct key *k,
                            const struct plan *plan, struct spool *spool,
                            struct delivery_result *out, struct err *e);

/* One sentence for people. */
void delivery_describe(const struct delivery_result *r, char *out,
                       size_t out_bytes);

/* For the JSON report; the caller owns it. */
struct cJSON *delivery_json(const struct delivery_result *r);

#endif
