/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/judge.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sodium.h>

#include "lib/token.h"

enum {
	CONFIRMED = 2, /* as many equal findings settle a probe */
};

static void found(struct finding *out, enum outcome outcome)
{
	*out = (struct finding){ .outcome = (uint8_t)outcome };
}

static void found_stranger(struct finding *out, const uint8_t *bytes, size_t n)
{
	if (n > RECORD_BANNER_BYTES)
		n = RECORD_BANNER_BYTES;
	found(out, OUTCOME_INTERCEPTED);
	memcpy(out->banner, bytes, n);
	out->banner_bytes = (uint8_t)n;
}

static const struct judge_sent *sent_with(const struct judge_probe *p,
                                          const uint8_t *nonce)
{
	for (int i = 0; i < p->sent_count; i++)
		if (sodium_memcmp(p->sent[i].nonce, nonce, WIRE_NONCE_BYTES) ==
		    0)
			return &p->sent[i];
	return NULL;
}

/*
 * The tag is good, so the reflector answered.  A nonce that is none of ours
 * means that it got other bytes than were sent.
 */
static void found_echo(const struct judge_probe *p, const struct wire_echo *m,
                       int64_t now_ns, struct finding *out)
{
	const struct judge_sent *sent = sent_with(p, m->nonce);

	if (sent && m->arrived == p->port &&
	    sodium_memcmp(sent->digest, m->digest, WIRE_DIGEST_BYTES) == 0) {
		found(out, OUTCOME_OPEN);
	} else {
		found(out, OUTCOME_ALTERED);
		if (m->arrived != p->port)
			out->arrived_port = m->arrived;
	}
	if (sent)
		out->rtt_ns = now_ns - sent->at_ns;
}

bool judge_reply(const struct judge_probe *p, const uint8_t *bytes, size_t n,
                 int64_t now_ns, struct finding *out)
{
	enum wire_type type = 0;
	size_t length = 0;
	enum wire_sight sight = wire_peek(bytes, n, &type, &length);
	bool stream = p->transport == TRANSPORT_TCP;
	struct wire_echo echo;
	struct rd r;

	if (sight == WIRE_SHORT && stream)
		return false;
	if (sight != WIRE_MESSAGE || type != WIRE_ECHO ||
	    length > WIRE_PROBE_BYTES) {
		found_stranger(out, bytes, n);
		return true;
	}
	if (n < length && stream)
		return false;
	if (n > length && stream)
		n = length; /* what follows the echo is not looked at */
	r = rd_of(bytes, n);
	if (!wire_echo_decode(&r, &echo) ||
	    !token_echo_valid(p->token, bytes, n)) {
		found_stranger(out, bytes, n);
		return true;
	}
	found_echo(p, &echo, now_ns, out);
	return true;
}

static bool is_path_mtu(const struct judge_error *x)
{
	if (x->from.family == 6)
		return x->icmp_type == ICMP6_PACKET_TOO_BIG;
	return x->icmp_type == ICMP_DEST_UNREACH &&
	       x->icmp_code == ICMP_FRAG_NEEDED;
}

static bool is_port_unreachable(const struct judge_error *x)
{
	if (x->from.family == 6)
		return x->icmp_type == ICMP6_DST_UNREACH &&
		       x->icmp_code == ICMP6_DST_UNREACH_NOPORT;
	return x->icmp_type == ICMP_DEST_UNREACH &&
	       x->icmp_code == ICMP_PORT_UNREACH;
}

static bool is_host_unreachable(const struct judge_error *x)
{
	if (x->from.family == 6)
		return x->icmp_type == ICMP6_DST_UNREACH &&
		       x->icmp_code == ICMP6_DST_UNREACH_ADDR;
	return x->icmp_type == ICMP_DEST_UNREACH &&
	       x->icmp_code == ICMP_HOST_UNREACH;
}

/*
 * This host's own error: a firewall's, except that host-unreachable is what
 * the kernel says when the next hop does not answer (ARP, RFC 4861).
 */
static void found_inside(const struct judge_error *x, struct finding *out)
{
	found(out,
	      is_host_unreachable(x) ? OUTCOME_UNTESTABLE : OUTCOME_DENIED);
	out->sys_errno = x->sys_errno;
}

/*
 * Port-unreachable is how UDP says that nobody listens.  TCP says it with a
 * RST, so over TCP it is a filter that speaks, like any other ICMP error.
 */
bool judge_error(enum transport transport, const struct judge_error *error,
                 const struct addr *local, struct finding *out)
{
	if (error->local) {
		judge_call_failed(error->sys_errno, out);
		return true;
	}
	if (is_path_mtu(error))
		return false;
	if (addr_same_host(&error->from, local) ||
	    addr_class(&error->from) == ADDR_LOOPBACK) {
		found_inside(error, out);
	} else if (transport == TRANSPORT_UDP && is_port_unreachable(error)) {
		found(out, OUTCOME_REFUSED);
	} else {
		found(out, OUTCOME_UNREACHABLE);
	}
	out->has_icmp = true;
	out->icmp_type = error->icmp_type;
	out->icmp_code = error->icmp_code;
	out->from = error->from;
	out->from.port = 0;
	return true;
}

bool judge_quote(const uint8_t *sent, size_t sent_bytes, const uint8_t *quote,
                 size_t quote_bytes)
{
	size_t n = quote_bytes < sent_bytes ? quote_bytes : sent_bytes;

	return memcmp(sent, quote, n) == 0;
}

void judge_call_failed(int sys_errno, struct finding *out)
{
	bool refused = sys_errno == EPERM || sys_errno == EACCES;

	found(out, refused ? OUTCOME_DENIED : OUTCOME_UNTESTABLE);
	out->sys_errno = sys_errno;
}

void judge_tcp_failed(int sys_errno, struct finding *out)
{
	switch (sys_errno) {
	case ETIMEDOUT:
		found(out, OUTCOME_TIMEOUT);
		return;
	case ECONNREFUSED: /* a RST in answer to the SYN */
		found(out, OUTCOME_REFUSED);
		return;
	case ECONNRESET: /* a RST later than that */
	case EPIPE:
		found(out, OUTCOME_RESET);
		return;
	case EPERM:
	case EACCES:
		judge_call_failed(sys_errno, out);
		return;
	default:
		/* An ICMP error whose text got lost: EHOSTUNREACH ... */
		found(out, OUTCOME_UNREACHABLE);
	}
}

void judge_tcp_cut(struct finding *out)
{
	found(out, OUTCOME_RESET);
}

static int count_outcome(const struct finding *finding, int count,
                         enum outcome outcome)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		if (finding[i].outcome == outcome)
			n++;
	return n;
}

bool judge_is_answer(uint8_t outcome)
{
	return outcome == OUTCOME_OPEN || outcome == OUTCOME_ALTERED;
}

bool judge_settled(const struct finding *finding, int count)
{
	if (count_outcome(finding, count, OUTCOME_OPEN) > 0)
		return true;
	for (int i = 0; i < count; i++) {
		enum outcome o = finding[i].outcome;

		if (o != OUTCOME_UNTESTED && o != OUTCOME_TIMEOUT &&
		    o != OUTCOME_UNTESTABLE &&
		    count_outcome(finding, count, o) >= CONFIRMED)
			return true;
	}
	return false;
}

/* How many findings of this kind it takes to be believed. */
static int needed(enum transport transport, enum outcome outcome)
{
	if (transport == TRANSPORT_UDP && outcome == OUTCOME_INTERCEPTED)
		return CONFIRMED;
	return 1;
}

/* The most telling outcome comes first. */
static const enum outcome ranking[] = {
	OUTCOME_OPEN,   OUTCOME_ALTERED,    OUTCOME_INTERCEPTED,
	OUTCOME_RESET,  OUTCOME_REFUSED,    OUTCOME_UNREACHABLE,
	OUTCOME_DENIED, OUTCOME_UNTESTABLE,
};

/* Of equal findings, one with an ICMP error attached tells more. */
static const struct finding *best_of(const struct finding *finding, int count,
                                     enum outcome outcome)
{
	const struct finding *best = NULL;

	for (int i = 0; i < count; i++) {
		if (finding[i].outcome != outcome)
			continue;
		if (!best || (!best->has_icmp && finding[i].has_icmp))
			best = &finding[i];
	}
	return best;
}

void judge_combine(enum transport transport, const struct finding *finding,
                   int count, struct finding *out)
{
	for (size_t i = 0; i < sizeof(ranking) / sizeof(ranking[0]); i++) {
		enum outcome o = ranking[i];

		if (count_outcome(finding, count, o) >= needed(transport, o)) {
			*out = *best_of(finding, count, o);
			return;
		}
	}
	found(out, OUTCOME_TIMEOUT);
}

uint8_t judge_with_manifest(uint8_t outcome, const struct manifest_entry *entry)
{
	bool elsewhere = entry && (entry->flags & MANIFEST_OTHER_ADDRESS) &&
	                 !(entry->flags & MANIFEST_SEEN);

	if (elsewhere &&
	    (outcome == OUTCOME_TIMEOUT || outcome == OUTCOME_RESET))
		return OUTCOME_UNTESTABLE;
	return outcome;
}
