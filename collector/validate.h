/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate - what the collector believes of a record.
 *
 * An agent can write what it likes, so nothing counts that only the agent
 * says.  The manifest, sealed by the reflector, tells from which address the
 * run came and which probes arrived; every claim of the record is held
 * against it.  A claim that it does not bear makes the run "unproven": kept,
 * and without a vote.  Only what can be no run at all is refused.
 *
 * For each transport that the agent has not declared void:
 *  - an open port needs the manifest's "seen";
 *  - a blocked, intercepted or altered one needs controls that arrived:
 *    443/tcp and one drawn TCP port, or one drawn UDP port (lib/control.h:
 *    20000-59999, not in the catalogue; the seed is the plan's and not known
 *    here);
 *  - a port that the manifest does not list was not listened on: it must be
 *    untested.
 *
 * Pure: time, keys and what geo data says are parameters.
 */
#ifndef COLLECTOR_VALIDATE_H
#define COLLECTOR_VALIDATE_H

#include "collector/keys.h"
#include "lib/record.h"

/* Stored in the database: the numbers never change their meaning. */
enum run_status { RUN_VALID = 0, RUN_VOID = 1, RUN_UNPROVEN = 2 };

/* Where a probe failed; stored as well. */
enum place {
	PLACE_NONE = 0, /* it did not fail */
	PLACE_HOST = 1,
	PLACE_GATEWAY = 2,
	PLACE_ACCESS = 3,
	PLACE_ISP = 4,
	PLACE_TRANSIT = 5,
	PLACE_RETURN = 6,
	PLACE_UNKNOWN = 7,
};

/* Why a run is unproven; the first that was found. */
enum doubt {
	DOUBT_NONE = 0,
	DOUBT_NO_MANIFEST,
	DOUBT_UNKNOWN_REFLECTOR, /* no receipt key under that name */
	DOUBT_MALFORMED,         /* the manifest's bytes are none */
	DOUBT_FORGED,            /* its MAC does not match */
	DOUBT_OTHER_REFLECTOR,
	DOUBT_OTHER_RUN,
	DOUBT_OTHER_FAMILY,
	DOUBT_OTHER_TIME, /* hello and "started" are far apart */
	DOUBT_NOT_LISTENING,
	DOUBT_OPEN_UNSEEN,
	DOUBT_CONTROL_UNSEEN,
	DOUBT_INBOUND, /* nothing here can bear out an inbound result */
	DOUBT_COUNT,
};

/* Why a well-formed record is refused. */
enum refusal {
	REFUSAL_NONE = 0,
	REFUSAL_TOO_OLD,
	REFUSAL_IN_FUTURE,
	REFUSAL_COUNT,
};

struct judgement {
	enum run_status status;
	enum doubt doubt;
	uint8_t seen[RECORD_PROBES_MAX];  /* enum seen */
	uint8_t place[RECORD_PROBES_MAX]; /* enum place */
};

/* What the judge needs to know beside the record. */
struct validate_facts {
	/* Accepted by validate_manifest; NULL when none was. */
	const struct wire_manifest *manifest;
	enum doubt doubt;                   /* what validate_manifest said */
	const struct keys_receipt *receipt; /* of the reflector; may be NULL */
	uint32_t asn;                       /* of the run's line; 0 unknown */
	const uint32_t *evidence_asn; /* of each evidence's sender; 0 unknown */
};

/* Short names for counters and for NAK. */
const char *doubt_name(enum doubt d);
const char *refusal_name(enum refusal r);

/* Is the record from a time that is still, or already, accepted? */
enum refusal validate_time(const struct record *r, int64_t now_ns);

/*
 * Decode the record's manifest and check that it is this reflector's word on
 * this run.  out is to be used only after DOUBT_NONE.
 */
enum doubt validate_manifest(const struct record *r,
                             const struct keys_receipt *receipt,
                             struct wire_manifest *out);

/* Holds the judge's work space; a judge serves one thread. */
struct judge;

struct judge *judge_new(void);

/* NULL is allowed. */
void judge_free(struct judge *j);

/* Decide on the run's status and on each probe's "seen" and place. */
void judge_run(struct judge *j, const struct record *r,
               const struct validate_facts *facts, struct judgement *out);

#endif
