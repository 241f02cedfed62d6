/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep - many probes, evenly paced, a bounded number of them at once.
 *
 * Serves the controls and the catalogue alike.  Targets are probed in the
 * order given.  Callbacks come from the loop; on_done is the last, and the
 * sweep may be freed from it.
 */
#ifndef AGENT_SWEEP_H
#define AGENT_SWEEP_H

#include "agent/trial.h"

enum { SWEEP_OPEN_MAX = 64 };

struct sweep_target {
	uint8_t transport;
	uint16_t port;
};

struct sweep_result {
	struct finding finding;
	int attempts;
};

struct sweep_options {
	const struct trial_setting *setting; /* outlives the sweep */
	const struct sweep_target *target;   /* outlives the sweep */
	int count;
	void (*on_result)(void *ctx, int index, const struct sweep_result *r);
	void (*on_done)(void *ctx);
	void *ctx;
};

struct sweep;

/* Start; with no targets on_done still comes, from the loop. */
struct sweep *sweep_start(const struct sweep_options *o);

/* Stop and free; NULL is allowed. */
void sweep_free(struct sweep *s);

#endif
