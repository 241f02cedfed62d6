/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made - run records that a collector has every reason to believe.
 *
 * Made out of nothing but a key: the record of a run over an almost open
 * path, with the manifest that a reflector would have sealed.  Tests then
 * spoil what they want to see refused.
 */
#ifndef TESTS_LOAD_MADE_H
#define TESTS_LOAD_MADE_H

#include <sodium.h>

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/record.h"
#include "lib/token.h"

#define MADE_VERSION "0.1.0"

static const uint8_t made_seed[CONTROL_SEED_BYTES] = "seed for testing";

/* The (i+1)-th port of the catalogue, then of numbers that are not in it. */
static inline struct wire_port made_port(size_t i)
{
	if (i < catalogue_count)
		return (struct wire_port){ .transport = catalogue[i].transport,
			                   .port = catalogue[i].port };
	return (struct wire_port){ .transport = (uint8_t)(i % 2),
		                   .port = (uint16_t)(61000 + i) };
}

static inline void made_entry(struct wire_manifest *m, enum transport transport,
                              uint16_t port, bool seen)
{
	m->entry[m->entry_count++] = (struct manifest_entry){
		.transport = (uint8_t)transport,
		.port = port,
		.flags = seen ? MANIFEST_SEEN : 0,
		.source_port = seen ? 40000 : 0,
	};
}

/* What the reflector saw: every open probe, and the controls. */
static inline void made_manifest(const struct record *r,
                                 const struct addr *seen,
                                 struct wire_manifest *m)
{
	struct control_ports controls =
		control_draw(made_seed, clock_day(r->started_ns));
	bool has_443 = false;

	*m = (struct wire_manifest){
		.seen = *seen,
		.hello_ns = r->started_ns,
		.report_ns = r->started_ns + r->duration_ms * CLOCK_MS,
	};
	memcpy(m->reflector, r->reflector, sizeof(m->reflector));
	memcpy(m->run, r->run, WIRE_RUN_BYTES);
	for (size_t i = 0; i < r->probe_count; i++) {
		const struct record_probe *p = &r->probe[i];
		bool is_443 = p->transport == TRANSPORT_TCP &&
		              p->port == CONTROL_TCP_PORT;

		has_443 |= is_443;
		made_entry(m, p->transport, p->port,
		           is_443 || p->outcome == OUTCOME_OPEN);
	}
	if (!has_443)
		made_entry(m, TRANSPORT_TCP, CONTROL_TCP_PORT, true);
	made_entry(m, TRANSPORT_TCP, controls.tcp, true);
	made_entry(m, TRANSPORT_UDP, controls.udp, true);
}

/* Seal a manifest into its record. */
static inline void made_seal(struct record *r, const struct wire_manifest *m,
                             const uint8_t key[TOKEN_KEY_BYTES])
{
	struct wr w = wr_of(r->manifest, sizeof(r->manifest));

	r->manifest_bytes = (uint16_t)wire_manifest_encode(&w, m);
	token_manifest_seal(key, r->manifest, r->manifest_bytes);
}

/*
 * A run of so many probes in which SMTP is dropped and one more port gets an
 * ICMP error from within the provider.
 */
static inline void made_record(struct record *r, const char *reflector,
                               int64_t started_ns, size_t probes)
{
	memset(r, 0, sizeof(*r));
	record_new_run_id(started_ns, r->run);
	r->started_ns = started_ns;
	r->duration_ms = 8000;
	r->plan = 1;
	r->family = 4;
	r->classes = CONSENT_BASIC;
	snprintf(r->reflector, sizeof(r->reflector), "%s", reflector);
	snprintf(r->version, sizeof(r->version), MADE_VERSION);
	snprintf(r->platform, sizeof(r->platform), "linux");
	snprintf(r->arch, sizeof(r->arch), "x86_64");
	for (size_t i = 0; i < probes; i++) {
		struct wire_port at = made_port(i);
		bool blocked = at.transport == TRANSPORT_TCP && at.port == 25;

		r->probe[i] = (struct record_probe){
			.transport = at.transport,
			.port = at.port,
			.outcome = blocked ? OUTCOME_TIMEOUT : OUTCOME_OPEN,
			.attempts = blocked ? 4 : 1,
			.rtt_us =
				blocked ? 0 : 20000 + randombytes_uniform(9999),
		};
	}
	r->probe_count = (uint16_t)probes;
	if (probes < 2)
		return;
	r->probe[probes - 1].outcome = OUTCOME_UNREACHABLE;
	r->probe[probes - 1].attempts = 4;
	r->evidence_count = 1;
	r->evidence[0] = (struct record_evidence){
		.probe = (uint16_t)(probes - 1),
		.has_icmp = true,
		.icmp_type = 3,
		.icmp_code = 13,
	};
	addr_parse("100.64.7.1", &r->evidence[0].from);
}

#endif
