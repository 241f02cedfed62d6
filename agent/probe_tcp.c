/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP attempt: connect, send the PROBE, read the ECHO, cut.
 *
 * A packet that this host's own firewall drops leaves no error with TCP: the
 * kernel takes it for lost.  But it counts a SYN that it could not hand on
 * among those that it tried to send again (tcpi_total_retrans) and not among
 * those that are under way (tcpi_retrans), and so the two tell a drop inside
 * from one outside.
 */
#include "agent/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void finish(struct attempt *a, int64_t now_ns)
{
	probe_close(a);
	a->changed(a, now_ns);
}

/* The time since what the peer answers to: the SYN, later the PROBE. */
static void time_finding(struct attempt *a, int64_t now_ns)
{
	if (a->finding.rtt_ns == 0)
		a->finding.rtt_ns = now_ns - a->sent->at_ns;
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* True when the socket is broken; an ICMP error may have said why. */
static bool broken(struct attempt *a, int64_t now_ns)
{
	int error = socket_error(a->watch.fd);

	if (error == 0)
		return false;
	judge_tcp_failed(error, &a->finding);
	if (a->finding.outcome != OUTCOME_TIMEOUT)
		time_finding(a, now_ns);
	return true;
}

/* The handshake is complete: send.  True when that has ended the attempt. */
static bool send_message(struct attempt *a, int64_t now_ns)
{
	ssize_t n;

	a->connected = true;
	a->sent->at_ns = now_ns;
	n = send(a->watch.fd, a->message, sizeof(a->message), MSG_NOSIGNAL);
	if (n == (ssize_t)sizeof(a->message)) {
		loop_rewatch(a->loop, &a->watch, EPOLLIN);
		return false;
	}
	/* An empty send buffer takes 96 bytes whole, or the peer has cut. */
	judge_tcp_failed(n < 0 ? errno : EPIPE, &a->finding);
	return true;
}

/* Read what there is.  True when it has ended the attempt. */
static bool read_reply(struct attempt *a, int64_t now_ns)
{
	size_t room = sizeof(a->got) - a->got_bytes;
	ssize_t n = recv(a->watch.fd, a->got + a->got_bytes, room, 0);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n <= 0) {
		if (n < 0)
			judge_tcp_failed(errno, &a->finding);
		else
			judge_tcp_cut(&a->finding);
	} else {
		a->got_bytes += (size_t)n;
		if (!judge_reply(a->probe, a->got, a->got_bytes, now_ns,
		                 &a->finding))
			return false;
	}
	time_finding(a, now_ns);
	return true;
}

/*
 * The order matters.  On a connection, data comes before errors: the reply
 * may stand in front of the RST that follows it.  Before that, ICMP errors
 * come first, since reading would clear the error and not say who sent it;
 * then data again: a stranger may have connected, spoken and cut at once.
 */
static bool look(struct attempt *a, uint32_t events, int64_t now_ns)
{
	if (a->connected && (events & EPOLLIN) && read_reply(a, now_ns))
		return true;
	if ((events & EPOLLERR) && probe_take_errors(a, now_ns))
		return true;
	if (!a->connected && (events & EPOLLIN) && read_reply(a, now_ns))
		return true;
	if ((events & EPOLLERR) && broken(a, now_ns))
		return true;
	if (!a->connected && (events & EPOLLOUT))
		return send_message(a, now_ns);
	return (events & EPOLLHUP) && read_reply(a, now_ns);
}

static void on_ready(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct attempt *a = LOOP_CONTAINER(w, struct attempt, watch);

	if (look(a, events, now_ns))
		finish(a, now_ns);
}

static bool tcp_open(struct attempt *a, const struct addr *to, int64_t now_ns)
{
	int fd = probe_socket(a, SOCK_STREAM, to);
	struct err e;

	if (fd < 0)
		return false;
	a->sent->at_ns = now_ns;
	a->watch.ready = on_ready;
	if (loop_watch(a->loop, &a->watch, fd, EPOLLIN | EPOLLOUT, &e))
		return true;
	judge_call_failed(e.code, &a->finding);
	a->watch.fd = fd;
	probe_close(a);
	return false;
}

static bool dropped_inside(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_SYN_SENT && info.tcpi_total_retrans > 0 &&
	       info.tcpi_retrans == 0;
}

static void tcp_expire(struct attempt *a, int64_t now_ns)
{
	if (!probe_take_errors(a, now_ns) && !broken(a, now_ns)) {
		if (!a->connected && dropped_inside(a->watch.fd))
			judge_call_failed(EPERM, &a->finding);
		else
			a->finding.outcome = OUTCOME_TIMEOUT;
	}
	probe_close(a);
}

const struct probe_ops probe_tcp = {
	.open = tcp_open,
	.expire = tcp_expire,
};
