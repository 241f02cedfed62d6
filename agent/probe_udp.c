/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP attempt: a connected socket, one datagram, whatever comes back.
 */
#include "agent/probe.h"

#include <errno.h>
#include <sys/socket.h>

enum { READS_MAX = 8 };

/*
 * The reflector's own answer ends the attempt; anything else is kept while
 * the socket goes on listening.  An ICMP error is kept rather than what a
 * stranger sends after it.
 */
static bool take_datagram(struct attempt *a, size_t n, int64_t now_ns)
{
	struct finding f;

	judge_reply(a->probe, a->got, n, now_ns, &f);
	if (f.outcome == OUTCOME_INTERCEPTED) {
		if (a->finding.outcome != OUTCOME_UNTESTED)
			return false;
		f.rtt_ns = now_ns - a->sent->at_ns;
		a->finding = f;
		return true;
	}
	a->finding = f;
	probe_close(a);
	return true;
}

/*
 * Read what there is; true when the finding is new.  An error is the echo of
 * an ICMP error, of which the error queue has told the facts; reading clears
 * it.  What is left after READS_MAX waits for the next turn.
 */
static bool take_all(struct attempt *a, int64_t now_ns)
{
	bool changed = false;

	for (int i = 0; i < READS_MAX && a->watch.fd >= 0; i++) {
		ssize_t n = recv(a->watch.fd, a->got, sizeof(a->got), 0);

		if (n >= 0 && take_datagram(a, (size_t)n, now_ns))
			changed = true;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
	}
	return changed;
}

static bool look(struct attempt *a, int64_t now_ns)
{
	bool failed = probe_take_errors(a, now_ns);

	return take_all(a, now_ns) || failed;
}

static void on_ready(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct attempt *a = LOOP_CONTAINER(w, struct attempt, watch);

	(void)events;
	if (look(a, now_ns))
		a->changed(a, now_ns);
}

/* A host's own firewall answers at once: EPERM, perhaps an ICMP error too. */
static bool send_message(struct attempt *a, int fd)
{
	struct finding denied;

	if (send(fd, a->message, sizeof(a->message), 0) >= 0)
		return true;
	judge_call_failed(errno, &denied);
	a->watch.fd = fd;
	if (!probe_take_errors(a, a->sent->at_ns) ||
	    a->finding.outcome != OUTCOME_DENIED)
		a->finding = denied;
	return false;
}

static bool udp_open(struct attempt *a, const struct addr *to, int64_t now_ns)
{
	int fd = probe_socket(a, SOCK_DGRAM, to);
	struct err e;

	if (fd < 0)
		return false;
	a->sent->at_ns = now_ns;
	a->watch.ready = on_ready;
	if (send_message(a, fd)) {
		if (loop_watch(a->loop, &a->watch, fd, EPOLLIN, &e))
			return true;
		judge_call_failed(e.code, &a->finding);
		a->watch.fd = fd;
	}
	probe_close(a);
	return false;
}

static void udp_expire(struct attempt *a, int64_t now_ns)
{
	look(a, now_ns);
	probe_close(a);
	if (a->finding.outcome == OUTCOME_UNTESTED)
		a->finding.outcome = OUTCOME_TIMEOUT;
}

const struct probe_ops probe_udp = {
	.open = udp_open,
	.expire = udp_expire,
};
