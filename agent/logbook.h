/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logbook - write down in a record what happens in a run.
 *
 * The record is the caller's; no clock is read here.
 */
#ifndef AGENT_LOGBOOK_H
#define AGENT_LOGBOOK_H

#include "agent/judge.h"
#include "agent/run.h"
#include "lib/outcome.h"

/* Begin a record, with a new run id; free() it. */
struct record *logbook_open(const struct run_options *o, int64_t realtime_ns);

/* End it: nothing is added after this. */
void logbook_close(struct record *r, int64_t took_ns);

/* A transport votes for nothing; the first reason given stands. */
void logbook_void(struct record *r, uint8_t transport, enum void_reason reason);
void logbook_void_both(struct record *r, enum void_reason reason);
bool logbook_is_void(const struct record *r, uint8_t transport);

/* A better reason for a transport that is void. */
void logbook_revise_void(struct record *r, uint8_t transport,
                         enum void_reason reason);

/*
 * Add a probe of the plan: one that is skipped for a reason, or (SKIP_NONE)
 * one whose result follows.  Returns its index.
 */
uint16_t logbook_probe(struct record *r, const struct plan_probe *p,
                       enum skip skip);

void logbook_result(struct record *r, uint16_t probe, const struct finding *f,
                    int attempts);

/* Correct the outcomes by the reflector's account. */
void logbook_correct(struct record *r, const struct wire_manifest *m);

#endif
