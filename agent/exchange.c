/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/exchange.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"

static void close_socket(struct exchange *x)
{
	int fd = x->watch.fd;

	loop_disarm(x->loop, &x->timer);
	if (fd < 0)
		return;
	loop_unwatch(x->loop, &x->watch);
	close(fd);
}

static void succeed(struct exchange *x, size_t length, int64_t now_ns)
{
	int64_t rtt_ns = now_ns - x->sent_ns;

	if (x->rtt_ns == 0 || rtt_ns < x->rtt_ns)
		x->rtt_ns = rtt_ns;
	x->reply_bytes = length;
	close_socket(x);
	x->done(x, true);
}

static void fail(struct exchange *x, int sys_errno, const char *reason)
{
	x->sys_errno = sys_errno;
	x->reason = reason;
	close_socket(x);
	x->done(x, false);
}

static void on_connected(struct exchange *x, int64_t now_ns)
{
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t n;

	if (getsockopt(x->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		fail(x, error, NULL);
		return;
	}
	x->connected = true;
	x->rtt_ns = now_ns - x->opened_ns;
	x->sent_ns = now_ns;
	n = send(x->watch.fd, x->request, x->request_bytes, MSG_NOSIGNAL);
	if (n != (ssize_t)x->request_bytes)
		fail(x, n < 0 ? errno : EPIPE, NULL);
	else
		loop_rewatch(x->loop, &x->watch, EPOLLIN);
}

/* True when the exchange is over. */
static bool look_at_reply(struct exchange *x, int64_t now_ns)
{
	enum wire_type type = 0;
	size_t length = 0;
	enum wire_sight sight =
		wire_peek(x->reply, x->got_bytes, &type, &length);

	if (sight == WIRE_SHORT)
		return false;
	if (sight == WIRE_FOREIGN || type != x->wanted ||
	    length > WIRE_MESSAGE_MAX) {
		fail(x, 0, "something else than the reflector answers");
		return true;
	}
	if (x->got_bytes < length)
		return false;
	succeed(x, length, now_ns);
	return true;
}

static void on_readable(struct exchange *x, int64_t now_ns)
{
	for (;;) {
		size_t room = WIRE_MESSAGE_MAX - x->got_bytes;
		ssize_t n = recv(x->watch.fd, x->reply + x->got_bytes, room, 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			fail(x, errno, NULL);
			return;
		}
		if (n == 0) {
			fail(x, 0, "connection cut before the reply");
			return;
		}
		x->got_bytes += (size_t)n;
		if (look_at_reply(x, now_ns))
			return;
	}
}

static void on_ready(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct exchange *x = LOOP_CONTAINER(w, struct exchange, watch);

	(void)events;
	if (x->connected)
		on_readable(x, now_ns);
	else
		on_connected(x, now_ns);
}

static void on_deadline(struct timer *t, int64_t now_ns)
{
	struct exchange *x = LOOP_CONTAINER(t, struct exchange, timer);

	(void)now_ns;
	if (x->sys_errno)
		fail(x, x->sys_errno, NULL);
	else
		fail(x, ETIMEDOUT,
		     x->connected ? "connected, but no reply" : "no answer");
}

/* The reply is all we want: RST rather than FIN, wherever it stops. */
static int open_socket(const struct addr *to)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	struct linger reset = { .l_onoff = 1 };
	int fd = socket(sa.ss_family,
	                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0 &&
	    errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/*
 * A failure here is told by the timer, at once, so that done() never comes
 * from within exchange_start.
 */
void exchange_start(struct exchange *x, const struct addr *to,
                    int64_t deadline_ns)
{
	int fd = open_socket(to);
	struct err e;

	x->watch.ready = on_ready;
	x->watch.fd = -1;
	x->timer.fire = on_deadline;
	x->opened_ns = loop_now(x->loop);
	x->reply = mem_alloc(WIRE_MESSAGE_MAX);
	if (fd < 0) {
		x->sys_errno = errno;
	} else if (!loop_watch(x->loop, &x->watch, fd, EPOLLOUT, &e)) {
		x->sys_errno = e.code;
		close(fd);
	}
	loop_arm(x->loop, &x->timer, x->sys_errno ? x->opened_ns : deadline_ns);
}

void exchange_stop(struct exchange *x)
{
	if (!x->reply)
		return;
	close_socket(x);
	free(x->reply);
	x->reply = NULL;
}
