/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome - what a probe came to, and the other codes of a run.
 *
 * The numbers are stored in the database and travel in run records: they
 * never change their meaning.  The lookups in sql/ repeat them; a database
 * test compares the two.
 */
#ifndef LIB_OUTCOME_H
#define LIB_OUTCOME_H

enum outcome {
	OUTCOME_UNTESTED = 0, /* skipped, with a reason */
	OUTCOME_OPEN = 1,     /* the reflector's own reply came intact */
	OUTCOME_TIMEOUT = 2,  /* no answer at all */
	OUTCOME_REFUSED = 3,  /* RST or port-unreachable, though it listens */
	OUTCOME_UNREACHABLE = 4, /* another ICMP error */
	OUTCOME_RESET = 5,       /* connected, then cut before the reply */
	OUTCOME_INTERCEPTED = 6, /* connected, and something else answered */
	OUTCOME_ALTERED = 7,     /* the reply came, port or payload changed */
	OUTCOME_DENIED = 8,      /* this host refused to send */
	OUTCOME_UNTESTABLE = 9,  /* could not be decided here */
	OUTCOME_COUNT,
};

enum direction { DIRECTION_OUT = 0, DIRECTION_IN = 1 };

/* Did the reflector see the probe? */
enum seen { SEEN_NO = 0, SEEN_YES = 1, SEEN_UNKNOWN = 2 };

/* Why a probe was not made. */
enum skip {
	SKIP_NONE = 0,
	SKIP_NOT_LISTENING = 1, /* the reflector said so in its WELCOME */
	SKIP_NO_CONSENT = 2,
	SKIP_FAMILY = 3, /* means nothing over this address family */
	SKIP_VOID = 4,   /* a control failed before it was made */
	SKIP_CANCELLED = 5,
	SKIP_COUNT,
};

/* Why a transport's probes in a run vote for nothing. */
enum void_reason {
	VOID_NONE = 0,
	VOID_NO_HELLO = 1,       /* no control port of the reflector answered */
	VOID_CONTROL_BEFORE = 2, /* a control failed before the probes */
	VOID_CONTROL_AFTER = 3,  /* a control failed while or after probing */
	VOID_NO_MANIFEST = 4, /* the reflector could not be asked at the end */
	VOID_SOURCE_CHANGED = 5, /* the probes left from another address */
	VOID_CANCELLED = 6,
	VOID_COUNT,
};

/* Lower-case names as in the database and in JSON; NULL when out of range. */
const char *outcome_name(int outcome);
const char *direction_name(int direction);
const char *seen_name(int seen);
const char *skip_name(int skip);
const char *void_reason_name(int reason);

/* -1 when the text is no such name. */
int skip_parse(const char *text);
int void_reason_parse(const char *text);

#endif
