/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survey - what the runs of one check say together, port by port.
 *
 * Each family stands for itself.  Pure; borrows the check and its records,
 * which must outlive the survey.
 */
#ifndef AGENT_SURVEY_H
#define AGENT_SURVEY_H

#include <stdbool.h>

#include "agent/report.h"
#include "lib/catalogue.h"
#include "lib/outcome.h"

enum survey_result {
	SURVEY_UNTESTED,    /* no answer counts */
	SURVEY_OPEN,        /* toward every reflector */
	SURVEY_BLOCKED,     /* toward every reflector, one way or another */
	SURVEY_INTERCEPTED, /* all say so */
	SURVEY_ALTERED,     /* all say so */
	SURVEY_DENIED,      /* all say so: this computer's own firewall */
	SURVEY_DISPUTED,    /* open toward some, not toward others */
	SURVEY_RESULTS,
};

/* What one run says of one port. */
struct survey_answer {
	const struct record *record;
	const struct record_probe *probe;
	const struct record_evidence *evidence; /* NULL: none */
	enum seen seen;
	bool counts; /* tested, and its transport not void */
};

struct survey_port {
	uint8_t direction;
	uint8_t transport;
	uint16_t port;
	uint8_t family;
	enum survey_result result;
	const struct catalogue_entry *entry; /* NULL: not in the catalogue */
	int answer_count;
	struct survey_answer *answer; /* one for each run of the family */
};

struct survey {
	const struct report_check *check;
	int port_count;
	struct survey_port *port; /* in the order of the catalogue's groups */
	struct survey_answer *answers; /* room for all of them */
};

void survey_init(struct survey *s, const struct report_check *check);
void survey_fini(struct survey *s);

/* Lower-case, as in JSON; "blocked". */
const char *survey_result_name(enum survey_result result);

/* NULL when the survey does not have it. */
const struct survey_port *survey_find(const struct survey *s, int direction,
                                      int transport, int port, int family);

int survey_count(const struct survey *s, int family, enum survey_result result);

/* Is a transport of a run void? */
enum void_reason survey_void(const struct record *r, int transport);

#endif
