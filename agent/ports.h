/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports - "periplus ports": the catalogue, and what of it the plan probes.
 */
#ifndef AGENT_PORTS_H
#define AGENT_PORTS_H

#include "agent/config.h"

struct cli;

/* Returns an enum exit_status. */
int ports_run(const struct cli *cli, struct config *c);

#endif
