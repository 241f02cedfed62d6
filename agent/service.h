/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - "periplus run": measure on a schedule, until told to stop.
 *
 * Whatever is missing (a set clock, a plan, a route, a collector, room on the
 * disk), the service goes on, says once what it waits for, and shows it in
 * "periplus status".  Between rounds nothing wakes it up.
 */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include "agent/config.h"

struct cli;

/* Takes over what c holds and leaves it empty.  Returns an enum exit_status. */
int service_run(const struct cli *cli, struct config *c);

#endif
