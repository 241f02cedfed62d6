/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - what the service says, and to whom.
 *
 * Keeps the struct state that "periplus status" shows, stores it when it
 * changed, tells the service manager what goes on, and remembers what was
 * logged already, so that only changes are.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include "agent/state.h"
#include "lib/err.h"
#include "lib/record.h"

struct journal {
	char *path;
	struct state state;
	char plan_fault[512];
	bool clock_is_off;
	bool store_fails;
};

/* Load what an earlier process left; a damaged file is said and forgotten. */
void journal_open(struct journal *j, const char *path);

/* Does not store.  A zeroed struct is fine. */
void journal_close(struct journal *j);

void journal_store(struct journal *j);

/* Say what the service does or waits for. */
void journal_doing(struct journal *j, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, and log it as a warning; only when it is news. */
void journal_waiting(struct journal *j, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Say how the uplink fares. */
void journal_uplink(struct journal *j, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Log what is wrong with the plan's sources; "" when nothing is. */
void journal_plan_fault(struct journal *j, const char *fault);

/* Note a run, and log a clock that is far off. */
void journal_run(struct journal *j, const struct record *r);

#endif
