/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalogue - the ports worth asking about, and why.
 *
 * The table is generated from sql/seed/ports.tsv, which also fills the
 * database table "port": one source for both.  Sorted by transport, then port.
 */
#ifndef LIB_CATALOGUE_H
#define LIB_CATALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/wire.h"

/* Consent classes; a bit set says what a person agreed to. */
enum consent_class {
	CONSENT_BASIC = 1,
	CONSENT_NOISY = 2,   /* ports that intrusion detectors dislike */
	CONSENT_INBOUND = 4, /* connections from the reflector to this line */
	CONSENT_TOR_VPN = 8, /* ports of Tor and VPNs */
};

enum { CONSENT_ALL = 15 };

struct catalogue_entry {
	uint16_t port;
	uint8_t transport;
	uint8_t tier;    /* 1 and 2 make the default set */
	uint8_t consent; /* one enum consent_class */
	uint8_t family;  /* 0: both; 6: only means something over IPv6 */
	const char *iana_name;
	const char *application;
	const char *category;
	const char *direction; /* usual direction of a block, in words */
	const char *reason;    /* usual reason of a block */
	const char *caution;   /* what may mislead; "" when nothing */
	const char *advice; /* what a person can do when blocked; "" if none */
};

extern const struct catalogue_entry catalogue[];
extern const size_t catalogue_count;

/* NULL when the catalogue does not have it. */
const struct catalogue_entry *catalogue_find(enum transport transport,
                                             uint16_t port);

/* "tcp" or "udp". */
const char *transport_name(enum transport transport);

/* "basic", "noisy", "inbound", "tor_vpn"; NULL for anything but one class. */
const char *consent_class_name(enum consent_class c);

/* 0 when the text is no class name. */
int consent_class_parse(const char *text);

#endif
