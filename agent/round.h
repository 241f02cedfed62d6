/* SPDX-License-Identifier: Apache-2.0 */
/*
 * round - one run for each reflector and address family, one after another.
 *
 * A family without a route on this machine is left out, and said so.  The
 * runs come out one by one; what they mean is not decided here.
 */
#ifndef AGENT_ROUND_H
#define AGENT_ROUND_H

#include "agent/run.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/plan.h"

struct round_filter {
	const char *reflector; /* only this one; NULL: any */
	int family;            /* only this one; 0: any */
	int reflectors_max;    /* so many, drawn by lot; 0: all */
};

struct round_options {
	struct loop *loop;
	const struct plan *plan; /* must outlive the round */
	struct round_filter filter;
	uint8_t classes;
	enum run_pace pace;
	/* index counts the runs of this round from 0.  May be NULL. */
	void (*on_progress)(void *ctx, int index, int count,
	                    const struct run_progress *p);
	/* r is the callee's to free(); x is valid during the call. */
	void (*on_run)(void *ctx, struct record *r, const struct run_extra *x);
	/* After the last run; round_free is allowed from here. */
	void (*on_end)(void *ctx);
	void *ctx;
};

struct round;

/*
 * Start a round; NULL when there is nothing to run: no such reflector, or no
 * route to any.  Nothing is called back from here.
 */
MUSTCHECK struct round *round_start(const struct round_options *o,
                                    struct err *e);

/* Stop it wherever it is; NULL is allowed. */
void round_free(struct round *r);

/*
 * Which family was left out for want of a route, in words; "" when none.
 */
const char *round_note(const struct round *r);

#endif
