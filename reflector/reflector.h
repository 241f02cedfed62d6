/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reflector - the whole service: tables, workers, and the thread that waits
 * for signals.
 */
#ifndef REFLECTOR_REFLECTOR_H
#define REFLECTOR_REFLECTOR_H

#include "lib/err.h"
#include "lib/exit.h"
#include "reflector/config.h"

struct reflector;

/*
 * Read the key, allocate all tables, open all sockets.  Borrows the
 * configuration.  NULL on failure; status is then the program's exit status.
 */
struct reflector *reflector_new(const struct reflector_config *config,
                                enum exit_status *status, struct err *e);

/*
 * Answer until SIGTERM or SIGINT; SIGHUP and SIGUSR1 log the counters.  Tells
 * the service manager, if there is one.
 */
MUSTCHECK bool reflector_run(struct reflector *r, struct err *e);

/* NULL is allowed. */
void reflector_free(struct reflector *r);

#endif
