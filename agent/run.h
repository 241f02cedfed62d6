/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - one run: one reflector, one address family, all probes of the plan.
 *
 * hello -> controls -> probes -> controls -> report.  Everything happens in
 * the caller's loop; on_done is called once, from the loop and never from
 * run_start, with a record that is complete whatever happened: a reflector
 * that does not answer gives a record that is void, not an error.
 *
 * The run borrows the plan and the reflector, which must outlive it.  It reads
 * the clocks at its start and the real one when the reflector's WELCOME comes,
 * and never again.
 */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H

#include <stdint.h>

#include "lib/addr.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/plan.h"
#include "lib/record.h"

enum run_pace {
	RUN_PACE_SERVICE, /* 20 new probes a second, patient */
	RUN_PACE_CHECK,   /* 100 new probes a second; a person is waiting */
};

struct run_progress {
	int done;
	int total;  /* probes that this run makes; 0 until that is known */
	int open;   /* of those done */
	int failed; /* of those done */
	const char *phase; /* "hello", "controls", "probes", "report" */
};

struct run_extra {
	struct addr seen;       /* our address as the reflector sees it */
	int64_t rtt_ns;         /* to the reflector; 0: unknown */
	char hello_error[128];  /* why there was no hello; "" when there was */
	int hello_errno;        /* of the first control port; 0: none applies */
	char report_error[128]; /* why there was no manifest; "" otherwise */
};

struct run_options {
	const struct plan *plan;
	const struct plan_reflector *reflector;
	int family;      /* 4 or 6; the reflector must have such an address */
	uint8_t classes; /* consented, bit set of enum consent_class */
	enum run_pace pace;
	const char *version; /* of the agent, for the record */
	/* May be NULL.  p is only valid during the call. */
	void (*on_progress)(void *ctx, const struct run_progress *p);
	/* r now belongs to the callee, who free()s it; x is only valid
	 * during the call.  run_free() is allowed from here. */
	void (*on_done)(void *ctx, struct record *r, const struct run_extra *x);
	void *ctx;
};

struct run;

/* Start a run; NULL on failure. */
MUSTCHECK struct run *run_start(struct loop *l, const struct run_options *o,
                                struct err *e);

/*
 * Stop a run, wherever it is, and free it; nothing of it remains.  NULL is
 * allowed.
 */
void run_free(struct run *r);

#endif
