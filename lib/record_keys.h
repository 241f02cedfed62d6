/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_keys - the names and limits of a record's JSON, for record_encode.c
 * and record_decode.c alone.  The format is described in record_encode.c.
 */
#ifndef LIB_RECORD_KEYS_H
#define LIB_RECORD_KEYS_H

#include <stdint.h>

#define RECORD_FORMAT_NAME "periplus-run/1"

enum {
	RUN_ID_CHARS = 36,
	RECORD_DAY_MS = 86400000,
	RECORD_ERRNO_MAX = 4095, /* as in the kernel */
};

/* Past this, cJSON would print a number with an exponent: 317 years. */
#define RECORD_OFFSET_MAX_MS INT64_C(10000000000000)

/* Plans' serials and round-trip times are stored in 32 bits with a sign. */
#define RECORD_INTEGER_MAX INT32_MAX

enum record_key {
	KEY_FORMAT,
	KEY_RUN,
	KEY_STARTED,
	KEY_CLOCK_OFFSET,
	KEY_DURATION,
	KEY_PLAN,
	KEY_REFLECTOR,
	KEY_FAMILY,
	KEY_AGENT,
	KEY_CLASS,
	KEY_VOID,
	KEY_PROBE,
	KEY_EVIDENCE,
	KEY_MANIFEST,
	RECORD_KEYS,
};

enum agent_key { AGENT_VERSION, AGENT_PLATFORM, AGENT_ARCH, AGENT_KEYS };

/* The arrays side by side. */
enum column {
	COLUMN_DIRECTION,
	COLUMN_TRANSPORT,
	COLUMN_PORT,
	COLUMN_OUTCOME,
	COLUMN_RTT,
	COLUMN_ATTEMPTS,
	COLUMN_HOP,
	COLUMNS,
};

enum evidence_key {
	EVIDENCE_INDEX,
	EVIDENCE_SKIP,
	EVIDENCE_ICMP,
	EVIDENCE_FROM,
	EVIDENCE_BANNER,
	EVIDENCE_ARRIVED,
	EVIDENCE_ERRNO,
	EVIDENCE_KEYS,
};

extern const char *const record_names[RECORD_KEYS];
extern const char *const record_agent_names[AGENT_KEYS];
extern const char *const record_void_names[2]; /* by enum transport */
extern const char *const record_column_names[COLUMNS];
extern const char *const record_evidence_names[EVIDENCE_KEYS];

#endif
