/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privilege - give up what the agent never needs.
 *
 * The agent works with ordinary sockets.  Started by root it becomes the
 * owner of the directory that it is going to write to, so that nothing there
 * becomes unreadable to the service, and in any case clears every capability
 * for good, for itself and for the programs that it starts.
 */
#ifndef AGENT_PRIVILEGE_H
#define AGENT_PRIVILEGE_H

#include "lib/err.h"

/* dir need not exist.  Without any privilege this only promises to gain none. */
MUSTCHECK bool privilege_drop(const char *dir, struct err *e);

#endif
