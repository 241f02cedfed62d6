/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   nlmsghdr | inet_diag_req_v2 | nlattr | local: op, hostcond, address |
 *                                          peer:  op, hostcond, address
 *
 * The filter is a program for the kernel (inet_diag.h): each op names how far
 * to go on when its condition holds and when it does not.  Past the end by
 * exactly nothing is a yes, by 4 a no.
 */
#include "reflector/sockdiag.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "lib/clock.h"

/* Marks this question's answers: each is asked on a socket of its own. */
enum { SEQUENCE = 1 };

/* More than a listener is asked to send; a number from outside has a bound. */
enum { RETRANS_MAX = 16 };

/* The kernel's timers tick. */
static const int64_t timer_slack_ns = 50 * CLOCK_MS;

static_assert(sizeof(struct nlmsghdr) + sizeof(struct inet_diag_req_v2) +
                              sizeof(struct nlattr) +
                              2 * (sizeof(struct inet_diag_bc_op) +
                                   sizeof(struct inet_diag_hostcond) + 16) <=
                      SOCKDIAG_REQUEST_MAX,
              "a question does not fit");

static size_t ip_bytes(const struct addr *a)
{
	return a->family == 4 ? 4 : 16;
}

static uint8_t domain_of(const struct addr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

static bool is_wildcard(const struct addr *a)
{
	static const uint8_t zero[sizeof(a->ip)] = { 0 };

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

static size_t condition_bytes(const struct addr *a)
{
	return sizeof(struct inet_diag_bc_op) +
	       sizeof(struct inet_diag_hostcond) + ip_bytes(a);
}

/* left: what remains of the filter, this condition included. */
static void write_condition(struct wr *w, uint8_t code, const struct addr *a,
                            size_t left)
{
	struct inet_diag_bc_op op = {
		.code = code,
		.yes = (uint8_t)condition_bytes(a),
		.no = (uint16_t)(left + 4),
	};
	struct inet_diag_hostcond host = {
		.family = domain_of(a),
		.prefix_len = is_wildcard(a) ? 0 : (uint8_t)(8 * ip_bytes(a)),
		.port = -1,
	};

	wr_bytes(w, &op, sizeof(op));
	wr_bytes(w, &host, sizeof(host));
	wr_bytes(w, a->ip, ip_bytes(a));
}

size_t sockdiag_request(const struct sockdiag_query *q,
                        uint8_t out[SOCKDIAG_REQUEST_MAX])
{
	size_t condition = condition_bytes(&q->peer);
	struct nlattr filter = {
		.nla_len = (uint16_t)(sizeof(filter) + 2 * condition),
		.nla_type = INET_DIAG_REQ_BYTECODE,
	};
	struct inet_diag_req_v2 request = {
		.sdiag_family = domain_of(&q->peer),
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1 << TCP_SYN_RECV,
	};
	struct nlmsghdr head = {
		.nlmsg_len = (uint32_t)(sizeof(head) + sizeof(request) +
		                        filter.nla_len),
		.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.nlmsg_seq = SEQUENCE,
	};
	struct wr w = wr_of(out, SOCKDIAG_REQUEST_MAX);

	assert(q->local.family == q->peer.family);
	wr_bytes(&w, &head, sizeof(head));
	wr_bytes(&w, &request, sizeof(request));
	wr_bytes(&w, &filter, sizeof(filter));
	write_condition(&w, INET_DIAG_BC_S_COND, &q->local, 2 * condition);
	write_condition(&w, INET_DIAG_BC_D_COND, &q->peer, condition);
	assert(wr_len(&w) == head.nlmsg_len);
	return wr_len(&w);
}

/* ---- the answer --------------------------------------------------------- */

static bool is_asked_for(const struct sockdiag_query *q,
                         const struct inet_diag_msg *m)
{
	return m->idiag_family == domain_of(&q->peer) &&
	       m->idiag_state == TCP_SYN_RECV &&
	       memcmp(m->id.idiag_dst, q->peer.ip, ip_bytes(&q->peer)) == 0 &&
	       (is_wildcard(&q->local) ||
	        memcmp(m->id.idiag_src, q->local.ip, ip_bytes(&q->local)) == 0);
}

/*
 * The SYN-ACK's timer runs 1 s, then twice as long each time; when it runs for
 * the t-th time, beginning with 0, it was set after 2^t - 1 s.  The kernel
 * tells how often the SYN-ACK was sent again, which is t, or one more when the
 * SYN came twice, as an agent's does (TCP_SYNCNT 1), and how long the timer
 * has left.  A SYN that came more often looks older than it is.
 */
static int64_t age_of(const struct inet_diag_msg *m)
{
	int sent =
		m->idiag_retrans < RETRANS_MAX ? m->idiag_retrans : RETRANS_MAX;
	int64_t left_ns = m->idiag_expires * CLOCK_MS - timer_slack_ns;
	int64_t timer_ns = CLOCK_S << (sent > 0 ? sent - 1 : 0);
	int64_t age_ns;

	if (left_ns > timer_ns)
		timer_ns *= 2;
	age_ns = 2 * timer_ns - CLOCK_S - left_ns - 2 * timer_slack_ns;
	return age_ns > 0 ? age_ns : 0;
}

/* False: there is no room.  O(n) in the ports, which are some hundred. */
static bool add(struct sockdiag_waits *out, const struct inet_diag_msg *m)
{
	struct sockdiag_wait new = { .local_port = ntohs(m->id.idiag_sport),
		                     .peer_port = ntohs(m->id.idiag_dport),
		                     .age_ns = age_of(m) };

	for (uint16_t i = 0; i < out->count; i++) {
		struct sockdiag_wait *old = &out->wait[i];

		if (old->local_port != new.local_port)
			continue;
		if (new.age_ns < old->age_ns)
			*old = new;
		return true;
	}
	if (out->count == WIRE_PORTS_MAX)
		return false;
	out->wait[out->count++] = new;
	return true;
}

/* The payload of DONE begins with an error number, or 0; that of ERROR too. */
static bool ends_well(struct rd *payload, int *error)
{
	const uint8_t *p = rd_take(payload, sizeof(int));
	int code = 0;

	if (!p)
		return false;
	memcpy(&code, p, sizeof(code));
	if (code < 0)
		*error = -code;
	return code >= 0;
}

static enum sockdiag_progress
read_message(const struct sockdiag_query *q, const struct nlmsghdr *head,
             struct rd payload, struct sockdiag_waits *out, int *error)
{
	struct inet_diag_msg m;
	const uint8_t *p;

	/* Interrupted: something may be missing. */
	if (head->nlmsg_seq != SEQUENCE ||
	    (head->nlmsg_flags & NLM_F_DUMP_INTR))
		return SOCKDIAG_BROKEN;
	switch (head->nlmsg_type) {
	case NLMSG_NOOP:
		return SOCKDIAG_MORE;
	case NLMSG_DONE:
		return ends_well(&payload, error) ? SOCKDIAG_DONE
		                                  : SOCKDIAG_BROKEN;
	case NLMSG_ERROR:
		ends_well(&payload, error);
		return SOCKDIAG_BROKEN;
	case SOCK_DIAG_BY_FAMILY:
		break;
	default:
		return SOCKDIAG_BROKEN;
	}
	p = rd_take(&payload, sizeof(m));
	if (!p)
		return SOCKDIAG_BROKEN;
	memcpy(&m, p, sizeof(m));
	if (is_asked_for(q, &m) && !add(out, &m))
		return SOCKDIAG_BROKEN;
	return SOCKDIAG_MORE;
}

/* Take one whole message off the datagram. */
static bool take_message(struct rd *r, struct nlmsghdr *head,
                         struct rd *payload)
{
	const uint8_t *p = rd_take(r, sizeof(*head));
	size_t left = (size_t)(r->end - r->p);
	size_t n_bytes;

	if (!p)
		return false;
	memcpy(head, p, sizeof(*head));
	if (head->nlmsg_len < sizeof(*head))
		return false;
	n_bytes = head->nlmsg_len - sizeof(*head);
	if (n_bytes > left)
		return false;
	*payload = rd_of(r->p, n_bytes);
	/* Messages are aligned; the last may lack what fills it up. */
	n_bytes = (n_bytes + 3) / 4 * 4;
	rd_take(r, n_bytes < left ? n_bytes : left);
	return true;
}

enum sockdiag_progress sockdiag_read(const struct sockdiag_query *q,
                                     struct rd datagram,
                                     struct sockdiag_waits *out, int *error)
{
	while (datagram.p < datagram.end) {
		struct nlmsghdr head;
		struct rd payload;
		enum sockdiag_progress at;

		if (!take_message(&datagram, &head, &payload))
			return SOCKDIAG_BROKEN;
		at = read_message(q, &head, payload, out, error);
		if (at != SOCKDIAG_MORE)
			return at;
	}
	return SOCKDIAG_MORE;
}

const struct sockdiag_wait *sockdiag_find(const struct sockdiag_waits *w,
                                          uint16_t local_port)
{
	for (uint16_t i = 0; i < w->count; i++)
		if (w->wait[i].local_port == local_port)
			return &w->wait[i];
	return NULL;
}
