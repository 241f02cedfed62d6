/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/logbook.h"

#include <assert.h>
#include <sys/utsname.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct record *logbook_open(const struct run_options *o, int64_t realtime_ns)
{
	struct record *r = mem_alloc(sizeof(*r));
	struct utsname u;

	record_new_run_id(realtime_ns, r->run);
	r->started_ns = realtime_ns;
	r->plan = o->plan->serial;
	r->family = (uint8_t)o->family;
	r->classes = o->classes;
	snprintf(r->reflector, sizeof(r->reflector), "%s", o->reflector->name);
	snprintf(r->version, sizeof(r->version), "%s", o->version);
	snprintf(r->platform, sizeof(r->platform), "linux");
	snprintf(r->arch, sizeof(r->arch), "%.31s",
	         uname(&u) == 0 ? u.machine : "unknown");
	return r;
}

static int by_probe(const void *a, const void *b)
{
	const struct record_evidence *x = a;
	const struct record_evidence *y = b;

	return (int)x->probe - (int)y->probe;
}

/* Evidence comes in the order that was drawn, and is kept in the plan's. */
void logbook_close(struct record *r, int64_t took_ns)
{
	r->duration_ms = took_ns / CLOCK_MS;
	qsort(r->evidence, r->evidence_count, sizeof(r->evidence[0]), by_probe);
}

static uint8_t *void_of(struct record *r, uint8_t transport)
{
	return transport == TRANSPORT_TCP ? &r->void_tcp : &r->void_udp;
}

void logbook_void(struct record *r, uint8_t transport, enum void_reason reason)
{
	uint8_t *at = void_of(r, transport);

	if (*at == VOID_NONE)
		*at = (uint8_t)reason;
}

void logbook_void_both(struct record *r, enum void_reason reason)
{
	logbook_void(r, TRANSPORT_TCP, reason);
	logbook_void(r, TRANSPORT_UDP, reason);
}

bool logbook_is_void(const struct record *r, uint8_t transport)
{
	return (transport == TRANSPORT_TCP ? r->void_tcp : r->void_udp) !=
	       VOID_NONE;
}

void logbook_revise_void(struct record *r, uint8_t transport,
                         enum void_reason reason)
{
	assert(logbook_is_void(r, transport));
	*void_of(r, transport) = (uint8_t)reason;
}

/* Each probe has one piece of evidence at most, so there is always room. */
static struct record_evidence *add_evidence(struct record *r, uint16_t probe)
{
	struct record_evidence *v = &r->evidence[r->evidence_count];

	assert(r->evidence_count < RECORD_EVIDENCE_MAX);
	r->evidence_count++;
	*v = (struct record_evidence){ .probe = probe };
	return v;
}

uint16_t logbook_probe(struct record *r, const struct plan_probe *p,
                       enum skip skip)
{
	uint16_t i = r->probe_count;

	assert(r->probe_count < RECORD_PROBES_MAX);
	r->probe_count++;
	r->probe[i] = (struct record_probe){
		.direction = p->direction,
		.transport = p->transport,
		.port = p->port,
	};
	if (skip != SKIP_NONE)
		add_evidence(r, i)->skip = (uint8_t)skip;
	return i;
}

static bool has_evidence(const struct finding *f)
{
	return f->has_icmp || f->banner_bytes || f->arrived_port ||
	       f->sys_errno;
}

static void keep_evidence(struct record *r, uint16_t probe,
                          const struct finding *f)
{
	struct record_evidence *v;

	if (!has_evidence(f))
		return;
	v = add_evidence(r, probe);
	v->has_icmp = f->has_icmp;
	v->icmp_type = f->icmp_type;
	v->icmp_code = f->icmp_code;
	v->from = f->from;
	v->banner_bytes = f->banner_bytes;
	memcpy(v->banner, f->banner, f->banner_bytes);
	v->arrived_port = f->arrived_port;
	v->sys_errno = f->sys_errno;
}

/* Stored as 32 bits with a sign, by the record's own rule. */
static uint32_t to_us(int64_t ns)
{
	int64_t us = ns / CLOCK_US;

	if (us > INT32_MAX)
		return INT32_MAX;
	return us < 0 ? 0 : (uint32_t)us;
}

void logbook_result(struct record *r, uint16_t probe, const struct finding *f,
                    int attempts)
{
	struct record_probe *p = &r->probe[probe];

	p->outcome = f->outcome;
	p->attempts = (uint8_t)attempts;
	p->rtt_us = to_us(f->rtt_ns);
	keep_evidence(r, probe, f);
}

void logbook_correct(struct record *r, const struct wire_manifest *m)
{
	for (int i = 0; i < r->probe_count; i++) {
		struct record_probe *p = &r->probe[i];

		p->outcome = judge_with_manifest(
			p->outcome,
			wire_manifest_find(m, p->transport, p->port));
	}
}
