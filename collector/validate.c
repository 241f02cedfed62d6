/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/validate.h"

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/mem.h"

#define OLDEST           (30 * CLOCK_DAY)
#define NEWEST           (3600 * CLOCK_S)
#define HELLO_TOLERANCE  (600 * CLOCK_S)
#define DRAWN_PORT_FIRST 20000
#define DRAWN_PORT_LAST  59999

/* Beside the manifest's own flags: the port is in the manifest's list. */
#define LISTED 0x80

struct judge {
	/* What the manifest says of each port; all zero between two runs. */
	uint8_t port[2][UINT16_MAX + 1];
	/* Index of a probe's evidence plus one. */
	uint16_t evidence[RECORD_PROBES_MAX];
};

const char *doubt_name(enum doubt d)
{
	static const char *const name[DOUBT_COUNT] = {
		[DOUBT_NONE] = "none",
		[DOUBT_NO_MANIFEST] = "no-manifest",
		[DOUBT_UNKNOWN_REFLECTOR] = "unknown-reflector",
		[DOUBT_MALFORMED] = "manifest-malformed",
		[DOUBT_FORGED] = "manifest-forged",
		[DOUBT_OTHER_REFLECTOR] = "other-reflector",
		[DOUBT_OTHER_RUN] = "other-run",
		[DOUBT_OTHER_FAMILY] = "other-family",
		[DOUBT_OTHER_TIME] = "other-time",
		[DOUBT_NOT_LISTENING] = "not-listening",
		[DOUBT_OPEN_UNSEEN] = "open-unseen",
		[DOUBT_CONTROL_UNSEEN] = "control-unseen",
		[DOUBT_INBOUND] = "inbound",
	};

	return name[d];
}

const char *refusal_name(enum refusal r)
{
	static const char *const name[REFUSAL_COUNT] = {
		[REFUSAL_NONE] = "none",
		[REFUSAL_TOO_OLD] = "too-old",
		[REFUSAL_IN_FUTURE] = "in-future",
	};

	return name[r];
}

enum refusal validate_time(const struct record *r, int64_t now_ns)
{
	if (r->started_ns < now_ns - OLDEST)
		return REFUSAL_TOO_OLD;
	if (r->started_ns > now_ns + NEWEST)
		return REFUSAL_IN_FUTURE;
	return REFUSAL_NONE;
}

/* ---- the manifest -------------------------------------------------------- */

static bool times_agree(const struct record *r, const struct wire_manifest *m)
{
	/* validate_time has bounded started_ns; hello_ns is the reflector's. */
	return m->hello_ns >= r->started_ns - HELLO_TOLERANCE &&
	       m->hello_ns <= r->started_ns + HELLO_TOLERANCE;
}

enum doubt validate_manifest(const struct record *r,
                             const struct keys_receipt *receipt,
                             struct wire_manifest *out)
{
	struct rd rd = rd_of(r->manifest, r->manifest_bytes);

	if (r->manifest_bytes == 0)
		return DOUBT_NO_MANIFEST;
	if (!receipt)
		return DOUBT_UNKNOWN_REFLECTOR;
	if (!wire_manifest_decode(&rd, out))
		return DOUBT_MALFORMED;
	if (!token_manifest_valid(receipt->key, r->manifest, r->manifest_bytes))
		return DOUBT_FORGED;
	if (strcmp(out->reflector, r->reflector) != 0)
		return DOUBT_OTHER_REFLECTOR;
	if (memcmp(out->run, r->run, WIRE_RUN_BYTES) != 0)
		return DOUBT_OTHER_RUN;
	if (out->seen.family != r->family)
		return DOUBT_OTHER_FAMILY;
	if (!times_agree(r, out))
		return DOUBT_OTHER_TIME;
	return DOUBT_NONE;
}

/* ---- claims against the manifest ----------------------------------------- */

struct judge *judge_new(void)
{
	return mem_alloc(sizeof(struct judge));
}

void judge_free(struct judge *j)
{
	free(j);
}

static void note_ports(struct judge *j, const struct wire_manifest *m)
{
	for (size_t i = 0; i < m->entry_count; i++) {
		const struct manifest_entry *at = &m->entry[i];

		j->port[at->transport][at->port] = at->flags | LISTED;
	}
}

static void forget_ports(struct judge *j, const struct wire_manifest *m)
{
	for (size_t i = 0; i < m->entry_count; i++)
		j->port[m->entry[i].transport][m->entry[i].port] = 0;
}

static bool has_been_seen(const struct judge *j, enum transport transport,
                          uint16_t port)
{
	return j->port[transport][port] & MANIFEST_SEEN;
}

static bool drawn_port_seen(const struct judge *j,
                            const struct wire_manifest *m,
                            enum transport transport)
{
	for (size_t i = 0; i < m->entry_count; i++) {
		const struct manifest_entry *at = &m->entry[i];

		if (at->transport == transport &&
		    at->port >= DRAWN_PORT_FIRST &&
		    at->port <= DRAWN_PORT_LAST &&
		    has_been_seen(j, transport, at->port) &&
		    !catalogue_find(transport, at->port))
			return true;
	}
	return false;
}

static bool controls_seen(const struct judge *j, const struct wire_manifest *m,
                          enum transport transport)
{
	if (transport == TRANSPORT_TCP &&
	    !has_been_seen(j, TRANSPORT_TCP, CONTROL_TCP_PORT))
		return false;
	return drawn_port_seen(j, m, transport);
}

/* Does the outcome say that something on the way interfered? */
static bool accuses(uint8_t outcome)
{
	return outcome == OUTCOME_TIMEOUT || outcome == OUTCOME_REFUSED ||
	       outcome == OUTCOME_UNREACHABLE || outcome == OUTCOME_RESET ||
	       outcome == OUTCOME_INTERCEPTED || outcome == OUTCOME_ALTERED;
}

static bool is_void(const struct record *r, uint8_t transport)
{
	if (transport == TRANSPORT_TCP)
		return r->void_tcp != VOID_NONE;
	return r->void_udp != VOID_NONE;
}

static enum doubt doubt_probe(const struct judge *j,
                              const struct record_probe *p,
                              const bool controls[2])
{
	bool claims = p->outcome == OUTCOME_OPEN || accuses(p->outcome);

	if (!claims)
		return DOUBT_NONE;
	if (p->direction != DIRECTION_OUT)
		return DOUBT_INBOUND;
	if (!(j->port[p->transport][p->port] & LISTED))
		return DOUBT_NOT_LISTENING;
	if (accuses(p->outcome))
		return controls[p->transport] ? DOUBT_NONE
		                              : DOUBT_CONTROL_UNSEEN;
	return has_been_seen(j, p->transport, p->port) ? DOUBT_NONE
	                                               : DOUBT_OPEN_UNSEEN;
}

static enum doubt doubt_claims(const struct judge *j, const struct record *r,
                               const struct wire_manifest *m)
{
	const bool controls[2] = {
		controls_seen(j, m, TRANSPORT_TCP),
		controls_seen(j, m, TRANSPORT_UDP),
	};

	for (size_t i = 0; i < r->probe_count; i++) {
		const struct record_probe *p = &r->probe[i];
		enum doubt d;

		if (is_void(r, p->transport))
			continue;
		d = doubt_probe(j, p, controls);
		if (d != DOUBT_NONE)
			return d;
	}
	return DOUBT_NONE;
}

static enum seen seen_of(const struct judge *j, const struct record_probe *p)
{
	uint8_t flags = j->port[p->transport][p->port];

	if (p->direction != DIRECTION_OUT || !(flags & LISTED))
		return SEEN_UNKNOWN;
	if (flags & (MANIFEST_SEEN | MANIFEST_HALF_OPEN))
		return SEEN_YES;
	/* It cannot be told, or something came, though not as it should. */
	return flags == LISTED ? SEEN_NO : SEEN_UNKNOWN;
}

/* ---- places -------------------------------------------------------------- */

static bool is_reflector(const struct addr *a, const struct keys_receipt *k)
{
	for (int i = 0; k && i < k->address_count; i++) {
		if (addr_same_host(a, &k->address[i]))
			return true;
	}
	return false;
}

/* Who sent the ICMP error says where it was sent. */
/*
 * Over IPv6 there is no NAT: the home's router answers from an address of the
 * link that it shares with the host, which is the /64 that the line was seen
 * with.  No other router of the path has one there.
 */
static bool is_on_the_hosts_link(const struct addr *from,
                                 const struct wire_manifest *manifest)
{
	struct addr link;
	struct addr hosts;

	if (!manifest || from->family != 6)
		return false;
	link = addr_prefix(from, 32, 64);
	hosts = addr_prefix(&manifest->seen, 32, 64);
	return addr_same_host(&link, &hosts);
}

static enum place place_of_sender(const struct addr *from, uint32_t asn,
                                  const struct validate_facts *facts)
{
	if (is_reflector(from, facts->receipt))
		return PLACE_TRANSIT; /* its own firewall: not this ISP */
	if (is_on_the_hosts_link(from, facts->manifest))
		return PLACE_GATEWAY;
	switch (addr_class(from)) {
	case ADDR_LOOPBACK:
		return PLACE_HOST;
	case ADDR_PRIVATE:
	case ADDR_LINK_LOCAL:
		return PLACE_GATEWAY;
	case ADDR_SHARED:
		return PLACE_ISP;
	case ADDR_PUBLIC:
	case ADDR_DOCUMENTATION:
	case ADDR_SPECIAL:
		break;
	}
	if (asn == 0 || facts->asn == 0)
		return PLACE_UNKNOWN;
	return asn == facts->asn ? PLACE_ISP : PLACE_TRANSIT;
}

static enum place place_of(const struct judge *j, const struct record *r,
                           size_t i, enum seen seen,
                           const struct validate_facts *facts)
{
	uint8_t outcome = r->probe[i].outcome;
	size_t at = j->evidence[i];

	if (outcome == OUTCOME_DENIED)
		return PLACE_HOST;
	if (!accuses(outcome))
		return PLACE_NONE;
	if (at > 0 && r->evidence[at - 1].has_icmp &&
	    r->evidence[at - 1].from.family != 0)
		return place_of_sender(&r->evidence[at - 1].from,
		                       facts->evidence_asn[at - 1], facts);
	if (outcome == OUTCOME_TIMEOUT && seen == SEEN_YES)
		return PLACE_RETURN;
	return PLACE_UNKNOWN;
}

static void index_evidence(struct judge *j, const struct record *r)
{
	memset(j->evidence, 0, sizeof(j->evidence));
	for (size_t i = 0; i < r->evidence_count; i++)
		j->evidence[r->evidence[i].probe] = (uint16_t)(i + 1);
}

/* ---- the run ------------------------------------------------------------- */

static enum doubt decide(const struct judge *j, const struct record *r,
                         const struct validate_facts *facts)
{
	if (facts->doubt != DOUBT_NONE)
		return facts->doubt;
	return doubt_claims(j, r, facts->manifest);
}

void judge_run(struct judge *j, const struct record *r,
               const struct validate_facts *facts, struct judgement *out)
{
	if (facts->manifest)
		note_ports(j, facts->manifest);
	index_evidence(j, r);
	for (size_t i = 0; i < r->probe_count; i++) {
		enum seen seen = seen_of(j, &r->probe[i]);

		out->seen[i] = (uint8_t)seen;
		out->place[i] = (uint8_t)place_of(j, r, i, seen, facts);
	}
	out->doubt = DOUBT_NONE;
	if (r->void_tcp != VOID_NONE && r->void_udp != VOID_NONE) {
		out->status = RUN_VOID;
	} else {
		out->doubt = decide(j, r, facts);
		out->status =
			out->doubt == DOUBT_NONE ? RUN_VALID : RUN_UNPROVEN;
	}
	if (facts->manifest)
		forget_ports(j, facts->manifest);
}
