/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - "periplus status": what the agent did last and will do next.
 *
 * Reads the files of the state directory and changes none of them.
 */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include "agent/config.h"

struct cli;

/* Returns an enum exit_status. */
int status_run(const struct cli *cli, struct config *c);

#endif
