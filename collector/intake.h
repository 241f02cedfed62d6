/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake - the thread that agents talk to.
 *
 * Takes messages from the ROUTER, puts runs into batches, hands a batch to the
 * store when it is full, or old enough and the store has nothing to do, and
 * answers each agent once the store has committed.  With no batch left to
 * fill it stops reading for a moment, so that TCP makes the agents wait; when
 * that lasts, or the database is away, it reads on and tells them to come
 * back later.  Batches are made once and go round between intake and store.
 */
#ifndef COLLECTOR_INTAKE_H
#define COLLECTOR_INTAKE_H

#include "collector/admit.h"
#include "collector/config.h"
#include "collector/geo.h"
#include "collector/store.h"
#include "collector/zap.h"

/* Everything is borrowed and must outlive the intake. */
struct intake_parts {
	const struct config *config;
	void *router;
	struct store *store;
	struct zap *zap;
	struct geo *geo; /* reloaded in place when its files change */
	struct admit *admit;
	struct counters *counters;
	int signal_fd; /* SIGTERM, SIGINT, SIGHUP, SIGUSR1 */
};

/* Serve until told to stop; returns an exit status. */
int intake_run(const struct intake_parts *parts);

#endif
