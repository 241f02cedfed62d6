/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - what to measure, toward whom, and where to send the results.
 *
 * A JSON file "periplus-plan/1" with a detached signature in minisign's
 * format (lib/minisign.h).  plan_parse checks form and caps; whether a plan
 * may be used now (signature, serial, time, agent version) is plan_accept's.
 *
 * {"format":"periplus-plan/1","serial":12,"valid_until":"2027-01-31T00:00:00Z",
 *  "interval_s":21600,"min_agent":"0.1.0","seed":"<32 hex digits>",
 *  "next_key":"RWQ...",
 *  "collectors":[{"endpoint":"tcp://c.example:443","key":"<z85, 40>"}],
 *  "reflectors":[{"name":"fra1","ipv4":"192.0.2.7","ipv6":"2001:db8::7",
 *                 "control_ports":[443,80,8080]}],
 *  "probes":[{"direction":"out","transport":"tcp","port":25,"class":"basic"}]}
 *
 * next_key, ipv4 and ipv6 may be left out (a reflector has at least one
 * address).  Unknown keys are ignored, so that older agents read newer plans.
 */
#ifndef LIB_PLAN_H
#define LIB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/control.h"
#include "lib/err.h"
#include "lib/wire.h"

/* Caps that no plan can raise. */
enum {
	PLAN_COLLECTORS_MAX = 8,
	PLAN_REFLECTORS_MAX = 16,
	PLAN_CONTROL_PORTS_MAX = 8,
	PLAN_PROBES_MAX = 512,
	PLAN_INTERVAL_MIN_S = 1800, /* at most 48 rounds of runs a day */
	PLAN_INTERVAL_MAX_S = 86400,
	PLAN_ENDPOINT_BYTES = 128,
	PLAN_KEY_BYTES = 41,
	PLAN_JSON_MAX = 262144,
};

struct plan_collector {
	char endpoint[PLAN_ENDPOINT_BYTES]; /* tcp://host:port */
	char key[PLAN_KEY_BYTES];           /* CURVE public key, z85 */
};

struct plan_reflector {
	char name[WIRE_NAME_BYTES]; /* [a-z0-9-]+ */
	struct addr ipv4;           /* family 0: none */
	struct addr ipv6;
	int control_port_count;
	uint16_t control_port
		[PLAN_CONTROL_PORTS_MAX]; /* TCP, in order of trial */
};

struct plan_probe {
	uint8_t direction; /* enum direction */
	uint8_t transport; /* enum transport */
	uint16_t port;
	uint8_t consent; /* enum consent_class */
};

struct plan {
	uint32_t serial;
	int64_t valid_until_ns;
	int64_t interval_s;
	char min_agent[16];
	uint8_t seed[CONTROL_SEED_BYTES];
	char next_key[64]; /* minisign public key, base64; "" when none */
	int collector_count;
	struct plan_collector collector[PLAN_COLLECTORS_MAX];
	int reflector_count;
	struct plan_reflector reflector[PLAN_REFLECTORS_MAX];
	int probe_count;
	struct plan_probe probe[PLAN_PROBES_MAX];
};

/* Read a plan's JSON; errors name the field. */
MUSTCHECK bool plan_parse(const char *json, size_t n_bytes, struct plan *out,
                          struct err *e);

enum plan_verdict {
	PLAN_OK,
	PLAN_BAD_SIGNATURE,
	PLAN_MALFORMED,
	PLAN_OLDER, /* a lower serial than one seen before */
	PLAN_EXPIRED,
	PLAN_AGENT_TOO_OLD,
	PLAN_BAD_TARGET, /* a target that no plan may name */
};

struct plan_check {
	const char *public_key;  /* minisign, base64 */
	const char *next_key;    /* also accepted; NULL or "": none */
	uint32_t highest_serial; /* seen so far; 0: none */
	int64_t now_ns;          /* real time */
	const char *agent_version;
	bool allow_any_target; /* the lab's; else only public addresses */
};

/*
 * Verify the signature, parse, and apply every rule.  e says what is wrong
 * and what to do, in one line, whenever the verdict is not PLAN_OK.
 */
enum plan_verdict plan_accept(const struct plan_check *check, const char *json,
                              size_t json_bytes, const char *signature,
                              size_t signature_bytes, struct plan *out,
                              struct err *e);

/* Compare dotted version numbers: negative, 0 or positive. */
int plan_version_compare(const char *a, const char *b);

#endif
