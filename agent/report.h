/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - what a check found, for people and for programs.
 *
 * A check is one run for each reflector and address family.  Runs are merged
 * port by port and family by family: a port is called blocked only where
 * every reflector that could be asked agrees, and disagreement is said.  No
 * place is claimed beyond what an answer proves by its sender.
 *
 * Pure: nothing is read but the arguments; output goes to the caller's FILE.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "agent/run.h"
#include "lib/record.h"

struct cJSON;

struct report_run {
	const struct record *record;
	struct run_extra extra;
};

struct report_check {
	const struct report_run *run;
	int run_count;
	const char *version; /* of the agent */
	uint32_t plan;       /* serial */
	int64_t started_ns;  /* real time */
	int64_t duration_ms;
	/* Address families that were left out on purpose, in words, one line;
	 * NULL when none: "IPv6 was not tested: this computer has no route" */
	const char *note;
};

enum report_style { REPORT_PLAIN, REPORT_COLOUR };

/*
 * Return the check as JSON text, format "periplus-check/1"; free() it.
 * upload becomes its member "upload" (null when NULL); takes ownership.
 */
char *report_json(const struct report_check *c, struct cJSON *upload);

/*
 * Write what a person wants to know: how much is open, what is blocked and
 * what can be done, what could not be tested and why.  Lines are wrapped at
 * width columns, at least 40 and at most 100 (0: 80).
 */
void report_table(FILE *out, const struct report_check *c,
                  enum report_style style, int width);

/*
 * Draw the progress of runs under way over the current line of a terminal,
 * without a line feed.  report_progress_clear wipes it out.
 */
void report_progress(FILE *out, const struct run_progress *p, int run_count,
                     enum report_style style, int width);
void report_progress_clear(FILE *out, int width);

#endif
