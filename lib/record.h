/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one run, as the agent writes it and the collector reads it.
 *
 * The format "periplus-run/1" is JSON with arrays side by side, one element a
 * probe, as they are stored.  This module is its only definition; golden files
 * in tests/data pin it.  Decoding validates everything that can be checked
 * without the outside: types, ranges, lengths, enumerations, duplicates.
 *
 * A struct record is large (about 100 kB) and has a fixed size: allocate one
 * and use it again.
 */
#ifndef LIB_RECORD_H
#define LIB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/outcome.h"
#include "lib/wire.h"

enum {
	RECORD_PROBES_MAX = 512,
	RECORD_EVIDENCE_MAX = 512,
	RECORD_BANNER_BYTES = 64,
	RECORD_JSON_MAX = 131072, /* longest accepted record, bytes */
	RECORD_TEXT_BYTES = 32,   /* version, platform, arch with their 0 */
};

struct record_probe {
	uint8_t direction; /* enum direction */
	uint8_t transport; /* enum transport */
	uint16_t port;
	uint8_t outcome;  /* enum outcome */
	uint8_t attempts; /* 0-4 */
	uint8_t hop; /* last TTL that answered on this port; 0: not located */
	uint32_t rtt_us; /* 0 unless an answer was timed */
};

struct record_evidence {
	uint16_t probe; /* index of the probe it belongs to */
	uint8_t skip;   /* enum skip; why an untested probe was not made */
	bool has_icmp;
	uint8_t icmp_type;
	uint8_t icmp_code;
	struct addr from;     /* who sent the ICMP error; family 0: none */
	uint8_t banner_bytes; /* what answered in the reflector's place */
	uint8_t banner[RECORD_BANNER_BYTES];
	uint16_t
		arrived_port; /* OUTCOME_ALTERED: where it arrived; 0: as sent */
	int32_t sys_errno;    /* when this host did not send: why; else 0 */
};

struct record {
	uint8_t run[WIRE_RUN_BYTES]; /* UUIDv7, RFC 9562 */
	int64_t started_ns;          /* corrected by the reflector's clock */
	int64_t clock_offset_ms;     /* reflector's clock minus the agent's */
	int64_t duration_ms;
	uint32_t plan; /* serial */
	char reflector[WIRE_NAME_BYTES];
	uint8_t family;  /* 4 or 6 */
	uint8_t classes; /* bit set of enum consent_class */
	char version[RECORD_TEXT_BYTES];
	char platform[RECORD_TEXT_BYTES];
	char arch[RECORD_TEXT_BYTES];
	uint8_t void_tcp; /* enum void_reason */
	uint8_t void_udp;
	uint16_t probe_count;
	struct record_probe probe[RECORD_PROBES_MAX];
	uint16_t evidence_count;
	struct record_evidence evidence[RECORD_EVIDENCE_MAX];
	uint16_t manifest_bytes; /* 0: none */
	uint8_t manifest[WIRE_MESSAGE_MAX];
};

/* Why a record was refused; counted one by one by the collector. */
enum record_fault {
	RECORD_OK = 0,
	RECORD_TOO_LONG,
	RECORD_NOT_JSON,
	RECORD_FORMAT,    /* not "periplus-run/1" */
	RECORD_FIELD,     /* a field is missing or of the wrong type */
	RECORD_RANGE,     /* a value is out of range */
	RECORD_ARRAYS,    /* the probe arrays differ in length */
	RECORD_DUPLICATE, /* the same probe twice */
	RECORD_MANIFEST,  /* the manifest is no base64 */
	RECORD_FAULT_COUNT,
};

/* A short name for counters and NAK: "not-json". */
const char *record_fault_name(enum record_fault fault);

/*
 * Return the record as JSON text without white space; free() it.  Its length
 * without the 0 is stored in n_bytes.
 */
char *record_encode(const struct record *r, size_t *n_bytes);

/*
 * Read a record; the bytes need no terminating 0.  On a fault, where (at least
 * 64 bytes) gets the field that is to blame.
 */
enum record_fault record_decode(const char *json, size_t n_bytes,
                                struct record *out, char where[64]);

/* Make a UUIDv7 from a real time and random bytes. */
void record_new_run_id(int64_t realtime_ns, uint8_t out[WIRE_RUN_BYTES]);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" with its 0. */
void record_run_id_format(const uint8_t run[WIRE_RUN_BYTES], char out[37]);
bool record_run_id_parse(const char *text, uint8_t out[WIRE_RUN_BYTES]);

/* The evidence of a probe, or NULL. */
const struct record_evidence *record_evidence_of(const struct record *r,
                                                 size_t probe);

#endif
