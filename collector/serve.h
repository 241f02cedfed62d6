/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - put the collector's parts together, run it, take it apart.
 */
#ifndef COLLECTOR_SERVE_H
#define COLLECTOR_SERVE_H

#include "collector/config.h"

/* Serve until a signal says to stop.  Returns an exit status; e says why. */
int serve_run(const struct config *c, struct err *e);

/* Read every file that serving needs and say what is wrong with them. */
int serve_check(const struct config *c, struct err *e);

#endif
