/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/tcp.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

/* Connections taken from one socket before the others have their turn. */
enum { ACCEPTS_A_TURN = 64 };

struct connection {
	struct watch watch;
	struct timer deadline;
	struct tcp *table;
	struct arrival arrival;
	bool replied;
	uint8_t in_bytes;
	/* The longest request is a PROBE; one more byte is garbage. */
	uint8_t in[WIRE_PROBE_BYTES + 1];
};

struct tcp {
	struct loop *loop;
	const struct answerer *me;
	struct counters *counters;
	struct tcp_limits limits;
	struct roster *roster;
	struct connection *connection; /* by place */
	int64_t turn_ns;               /* the loop's turn, and */
	uint32_t taken;                /* connections taken in it */
	uint8_t out[WIRE_MESSAGE_MAX];
};

/* Release what a connection holds but its place. */
static void end(struct connection *c)
{
	struct tcp *t = c->table;
	int fd = c->watch.fd;

	loop_unwatch(t->loop, &c->watch);
	loop_disarm(t->loop, &c->deadline);
	close(fd);
}

/*
 * The same with a reset, so that nothing is left in the kernel, not even a
 * reply that waits for somebody who never takes it.
 */
static void cut(struct connection *c)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &at_once,
	           sizeof(at_once));
	end(c);
}

static void leave(struct connection *c)
{
	roster_leave(c->table->roster, (uint32_t)(c - c->table->connection));
}

static void end_and_leave(struct connection *c)
{
	end(c);
	leave(c);
}

static void cut_and_leave(struct connection *c)
{
	cut(c);
	leave(c);
}

static void refuse(struct connection *c, enum counter why)
{
	count(c->table->counters, why);
	cut_and_leave(c);
}

static void on_deadline(struct timer *timer, int64_t now_ns)
{
	struct connection *c =
		LOOP_CONTAINER(timer, struct connection, deadline);

	(void)now_ns;
	refuse(c, c->replied ? COUNT_TCP_LINGERED : COUNT_TCP_DEADLINE);
}

/* A whole message is here: reply at once, or close. */
static void reply(struct connection *c, int64_t now_ns)
{
	struct tcp *t = c->table;
	size_t n_bytes;

	c->arrival.now_ns = now_ns;
	c->arrival.real_ns = clock_realtime_ns();
	n_bytes = answer_tcp(t->me, t->counters, &c->arrival,
	                     rd_of(c->in, c->in_bytes), t->out);
	if (n_bytes == 0) {
		cut_and_leave(c);
		return;
	}
	/* The buffer is empty and large enough: all of it, or it is broken. */
	if (send(c->watch.fd, t->out, n_bytes, MSG_NOSIGNAL) !=
	    (ssize_t)n_bytes) {
		refuse(c, COUNT_SEND_FAILED);
		return;
	}
	c->replied = true;
	loop_arm(t->loop, &c->deadline, now_ns + t->limits.linger_timeout_ns);
}

static void on_bytes(struct connection *c, int64_t now_ns)
{
	enum wire_type type;
	size_t n_bytes = 0;

	switch (wire_peek(c->in, c->in_bytes, &type, &n_bytes)) {
	case WIRE_SHORT:
		return;
	case WIRE_FOREIGN:
		refuse(c, COUNT_TCP_FOREIGN);
		return;
	case WIRE_MESSAGE:
		break;
	}
	if (n_bytes > WIRE_PROBE_BYTES || c->in_bytes > n_bytes)
		refuse(c, COUNT_TCP_FOREIGN);
	else if (c->in_bytes == n_bytes)
		reply(c, now_ns);
}

static void on_ready(struct watch *w, uint32_t epoll_events, int64_t now_ns)
{
	struct connection *c = LOOP_CONTAINER(w, struct connection, watch);
	size_t room = sizeof(c->in) - c->in_bytes;
	ssize_t n;

	(void)epoll_events; /* recv() reports errors and the end as well */
	if (c->replied) {
		uint8_t more;

		n = recv(w->fd, &more, sizeof(more), 0);
		if (n > 0)
			refuse(c, COUNT_TCP_FOREIGN);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			end_and_leave(c);
		return;
	}
	n = recv(w->fd, c->in + c->in_bytes, room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		cut_and_leave(c);
		return;
	}
	c->in_bytes = (uint8_t)(c->in_bytes + n);
	on_bytes(c, now_ns);
}

/* Takes ownership of fd. */
static bool start(struct tcp *t, int fd, const struct arrival *arrival)
{
	struct roster_seat seat = roster_admit(t->roster, &arrival->from);
	struct connection *c = &t->connection[seat.place];
	struct err e;

	if (seat.evicted) {
		count(t->counters, COUNT_TCP_EVICTED);
		cut(c);
	}
	*c = (struct connection){
		.watch = { .ready = on_ready },
		.deadline = { .fire = on_deadline },
		.table = t,
		.arrival = *arrival,
	};
	if (!loop_watch(t->loop, &c->watch, fd, EPOLLIN, &e)) {
		roster_leave(t->roster, seat.place);
		close(fd);
		return false;
	}
	loop_arm(t->loop, &c->deadline,
	         arrival->now_ns + t->limits.request_timeout_ns);
	count(t->counters, COUNT_TCP_ACCEPTED);
	return true;
}

struct tcp *tcp_new(struct loop *loop, const struct answerer *me,
                    struct counters *counters, const struct tcp_limits *limits,
                    const uint8_t key[ROSTER_KEY_BYTES])
{
	struct tcp *t = mem_alloc(sizeof(*t));

	t->loop = loop;
	t->me = me;
	t->counters = counters;
	t->limits = *limits;
	t->roster = roster_new(limits->connections, limits->per_prefix, key);
	t->connection = mem_array(limits->connections, sizeof(*t->connection));
	return t;
}

void tcp_free(struct tcp *t)
{
	uint32_t place;

	if (!t)
		return;
	while ((place = roster_oldest(t->roster)) != ROSTER_NONE)
		end_and_leave(&t->connection[place]);
	free(t->connection);
	roster_free(t->roster);
	free(t);
}

/* accept(2): errors that belong to one connection, which is gone. */
static bool is_passing(int code)
{
	return code == EINTR || code == ECONNABORTED || code == EPROTO ||
	       code == ENETDOWN || code == ENETUNREACH || code == EHOSTDOWN ||
	       code == EHOSTUNREACH || code == ENONET || code == ENOPROTOOPT ||
	       code == EOPNOTSUPP || code == EPERM;
}

/*
 * Whoever was taken must be heard before newcomers can push them out: over
 * all sockets, a turn of the loop takes no more than a part of the table.
 */
static bool may_take(struct tcp *t, int64_t now_ns)
{
	if (t->turn_ns != now_ns) {
		t->turn_ns = now_ns;
		t->taken = 0;
	}
	return t->taken++ < t->limits.connections / 8 + 1;
}

/* Nothing is left to hold one more: the oldest gives up what it has. */
static bool make_room(struct tcp *t)
{
	uint32_t place = roster_oldest(t->roster);

	if (place == ROSTER_NONE)
		return false;
	refuse(&t->connection[place], COUNT_TCP_EVICTED);
	return true;
}

enum tcp_accept tcp_accept(struct tcp *t, int listen_fd,
                           const struct arrival *where)
{
	struct arrival arrival = *where;

	for (int i = 0; i < ACCEPTS_A_TURN && may_take(t, where->now_ns); i++) {
		struct sockaddr_storage from;
		socklen_t from_bytes = sizeof(from);
		int fd = accept4(listen_fd, (struct sockaddr *)&from,
		                 &from_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return TCP_TAKEN;
		if (fd < 0 && (is_passing(errno) || make_room(t)))
			continue;
		if (fd < 0)
			return TCP_NO_FILES;
		if (!addr_from_sockaddr((struct sockaddr *)&from, from_bytes,
		                        &arrival.from))
			close(fd);
		else if (!start(t, fd, &arrival))
			return TCP_NO_FILES;
	}
	return TCP_TAKEN;
}
