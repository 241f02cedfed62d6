/* SPDX-License-Identifier: Apache-2.0 */
/*
 * personal - the commands about the person and the agent's identity:
 * "consent" and "keygen".  Both return an enum exit_status.
 */
#ifndef AGENT_PERSONAL_H
#define AGENT_PERSONAL_H

#include "agent/config.h"
#include "agent/consent.h"
#include "agent/key.h"

struct cli;

int personal_run_consent(const struct cli *cli, struct config *c);
int personal_run_keygen(const struct cli *cli, struct config *c);

/*
 * Read the consent for a command that measures.  False when there is none or
 * it is unreadable; the error says how to give it.
 */
MUSTCHECK bool personal_consent(const struct config *c, struct consent *out,
                                struct err *e);

/* Load the agent's key; the first time, make one and say so. */
MUSTCHECK bool personal_key(const struct config *c, struct key *out,
                            struct err *e);

#endif
