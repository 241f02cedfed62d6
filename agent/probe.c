/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/icmp.h"

/*
 * Closing with RST spares the network the FIN handshake and this host the
 * TIME_WAIT.  The kernel is to send its SYN once more, not six times.  With
 * delayed acknowledgements the handshake's ACK travels with the PROBE.  All
 * three are manners: a kernel that refuses one still measures right.
 */
static void set_tcp_manners(int fd)
{
	struct linger reset = { .l_onoff = 1 };
	int syn_resends = 1;
	int off = 0;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &syn_resends,
	           sizeof(syn_resends));
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

static void learn_local(int fd, struct addr *local)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    !addr_from_sockaddr((const struct sockaddr *)&sa, len, local))
		*local = (struct addr){ 0 };
}

int probe_socket(struct attempt *a, int type, const struct addr *to)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	int fd = socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		judge_call_failed(errno, &a->finding);
		return -1;
	}
	if (type == SOCK_STREAM)
		set_tcp_manners(fd);
	if (!icmp_enable(fd, to->family) ||
	    (connect(fd, (const struct sockaddr *)&sa, len) < 0 &&
	     errno != EINPROGRESS)) {
		judge_call_failed(errno, &a->finding);
		close(fd);
		return -1;
	}
	learn_local(fd, &a->local);
	return fd;
}

bool probe_take_errors(struct attempt *a, int64_t now_ns)
{
	enum transport transport = a->probe->transport;
	struct icmp_message m;
	bool failed = false;

	while (icmp_next(a->watch.fd, &m)) {
		/* For TCP the kernel has compared the quoted segment. */
		if (transport == TRANSPORT_UDP && !m.error.local &&
		    !judge_quote(a->message, sizeof(a->message), m.quote,
		                 m.quote_bytes))
			continue;
		if (failed ||
		    !judge_error(transport, &m.error, &a->local, &a->finding))
			continue;
		a->finding.rtt_ns = now_ns - a->sent->at_ns;
		failed = true;
	}
	return failed;
}

void probe_close(struct attempt *a)
{
	int fd = a->watch.fd;

	if (fd < 0)
		return;
	loop_unwatch(a->loop, &a->watch);
	close(fd);
}
