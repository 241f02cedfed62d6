/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep - many probes, evenly paced, a bounded number of them at once.
 *
 * Serves the controls and the catalogue alike.  Targets are probed in the
 * order given.  Callbacks come from the loop; on_done is the last, and the
 * sweep may be freed from it.
 *
 * A path that dies for two seconds swallows all attempts at dozens of ports,
 * and is well again when the controls are asked.  So a failure is believed
 * only when something of its transport got through meanwhile: between the
 * second attempt, by which the first one had its time, and the last.  On most
 * lines another probe did; where none did, a control port is asked together
 * with the last attempt, which does for all probes that are under way: a
 * reflector answers a port over UDP a few times only.  Either the first attempt
 * then met a live path, or the last one did.  A failure without such a witness
 * is doubtful: nothing is known of the port.
 */
#ifndef AGENT_SWEEP_H
#define AGENT_SWEEP_H

#include "agent/trial.h"

/* One control of each transport may come on top. */
enum { SWEEP_OPEN_MAX = 64 };

struct sweep_target {
	uint8_t transport;
	uint16_t port;
};

struct sweep_result {
	struct finding finding;
	int attempts;
	bool doubtful;
};

struct sweep_options {
	const struct trial_setting *setting; /* outlives the sweep */
	const struct sweep_target *target;   /* outlives the sweep */
	int count;
	/* To be asked whether the path is alive, by transport; 0: nobody is
	 * asked, and no failure is doubtful. */
	uint16_t control[2];
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
