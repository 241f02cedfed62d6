/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_source - the plan that may be used now, wherever it comes from.
 *
 * plan_source_refresh tries the configured files and URLs in turn; the first
 * acceptable plan is cached in the state directory with its signature, so
 * that the agent goes on while the network is down.  "plan-seen.json" beside
 * it remembers, across restarts, the highest serial (an older plan is refused)
 * and the keys that accepted plans announced as their successors.  All of it
 * belongs to one plan_key: with another key it is forgotten.
 *
 * A plan that is refused never replaces one that is good.
 */
#ifndef AGENT_PLAN_SOURCE_H
#define AGENT_PLAN_SOURCE_H

#include "agent/config.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/plan.h"

struct plan_source;

/*
 * Load the cached plan, if any.  config must outlive the result; now_ns is
 * the real time.  Never fails: what is wrong is in plan_source_fault.
 */
struct plan_source *plan_source_new(struct loop *l, const struct config *c,
                                    int64_t now_ns);

/* Also in the middle of a refresh.  NULL is allowed. */
void plan_source_free(struct plan_source *s);

/*
 * Ask the sources again.  done is called once, from the loop and never from
 * here; until then the plan does not change.  One refresh at a time.
 */
void plan_source_refresh(struct plan_source *s, int64_t now_ns,
                         void (*done)(void *ctx), void *ctx);

/* The plan, or NULL with the reason: there is none, or it expired. */
const struct plan *plan_source_get(const struct plan_source *s, int64_t now_ns,
                                   struct err *e);

/* What was wrong with the sources in the latest refresh; "" when nothing. */
const char *plan_source_fault(const struct plan_source *s);

#endif
