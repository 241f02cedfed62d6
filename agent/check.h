/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - "periplus check": measure once, now, for the person who waits.
 *
 * Plan, runs, report, upload, one after another in one loop.  The report
 * comes before the upload: a result is never held back by a collector.
 */
#ifndef AGENT_CHECK_H
#define AGENT_CHECK_H

#include "agent/config.h"

struct cli;

/* Returns an enum exit_status. */
int check_run(const struct cli *cli, struct config *c);

#endif
