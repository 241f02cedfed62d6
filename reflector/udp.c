/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/clock.h"

/* Datagrams taken from one socket before the others have their turn. */
enum { DATAGRAMS_A_TURN = 64 };

/* A datagram with where it came from and what it was sent to. */
struct datagram {
	struct sockaddr_storage from;
	/* cmsg(3): has to be aligned like its header. */
	_Alignas(struct cmsghdr)
		uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct iovec part;
	struct msghdr message;
	uint8_t bytes[WIRE_PROBE_BYTES + 1]; /* one more: too long shows */
};

static ssize_t receive(int fd, struct datagram *d)
{
	ssize_t n;

	d->part = (struct iovec){ d->bytes, sizeof(d->bytes) };
	d->message = (struct msghdr){
		.msg_name = &d->from,
		.msg_namelen = sizeof(d->from),
		.msg_iov = &d->part,
		.msg_iovlen = 1,
		.msg_control = d->control,
		.msg_controllen = sizeof(d->control),
	};
	do {
		n = recvmsg(fd, &d->message, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

static bool prepare4(struct cmsghdr *c)
{
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr)
		return false; /* sent to a broadcast or multicast address */
	info.ipi_ifindex = 0;
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return true;
}

static bool prepare6(struct cmsghdr *c)
{
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
		return false;
	if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
		info.ipi6_ifindex = 0;
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return true;
}

/*
 * Turn the control data, which says where the datagram was sent to, into that
 * of a reply from there.  The route is left to the routing table.  False: it
 * was not sent to one host, or the kernel did not say.
 */
static bool prepare_reply(struct datagram *d)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&d->message);

	if (!c || d->message.msg_flags & MSG_CTRUNC)
		return false;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
		return prepare4(c);
	if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		return prepare6(c);
	return false;
}

static void reply(int fd, struct datagram *d, struct counters *counters,
                  uint8_t *bytes, size_t n_bytes)
{
	d->part = (struct iovec){ bytes, n_bytes };
	d->message.msg_flags = 0;
	if (sendmsg(fd, &d->message, MSG_NOSIGNAL) != (ssize_t)n_bytes)
		count(counters, COUNT_SEND_FAILED);
}

static void serve_one(int fd, const struct answerer *me,
                      struct counters *counters, struct arrival *a,
                      struct datagram *d, size_t n_bytes)
{
	uint8_t out[WIRE_MESSAGE_MAX];
	size_t out_bytes;

	if (!addr_from_sockaddr((struct sockaddr *)&d->from,
	                        d->message.msg_namelen, &a->from) ||
	    !prepare_reply(d)) {
		count(counters, COUNT_UDP_FOREIGN);
		return;
	}
	a->real_ns = clock_realtime_ns();
	out_bytes = answer_udp(me, counters, a, rd_of(d->bytes, n_bytes), out);
	assert(out_bytes <= n_bytes); /* never an amplifier */
	if (out_bytes > 0)
		reply(fd, d, counters, out, out_bytes);
}

void udp_serve(int fd, const struct answerer *me, struct counters *counters,
               const struct arrival *where)
{
	struct arrival a = *where;
	struct datagram d;

	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		ssize_t n = receive(fd, &d);

		if (n < 0)
			return;
		serve_one(fd, me, counters, &a, &d, (size_t)n);
	}
}
