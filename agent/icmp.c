/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/icmp.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Room for one struct sock_extended_err and the offender's address. */
enum { CONTROL_BYTES = 256 };

bool icmp_enable(int fd, int family)
{
	int on = 1;

	if (family == 6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on,
		                  sizeof(on)) == 0;
	return setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) == 0;
}

static bool is_error(const struct cmsghdr *c)
{
	if (c->cmsg_len < CMSG_LEN(sizeof(struct sock_extended_err)))
		return false;
	return (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
	       (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
}

/* The offender's address follows the error, where there is one. */
static void read_offender(const struct cmsghdr *c, struct addr *out)
{
	size_t skip = sizeof(struct sock_extended_err);
	size_t rest = c->cmsg_len - CMSG_LEN(skip);
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };

	if (rest > sizeof(from))
		rest = sizeof(from);
	memcpy(&from, CMSG_DATA(c) + skip, rest);
	if (!addr_from_sockaddr((const struct sockaddr *)&from, (socklen_t)rest,
	                        out))
		*out = (struct addr){ 0 };
}

static bool read_error(const struct cmsghdr *c, struct judge_error *out)
{
	struct sock_extended_err see;

	memcpy(&see, CMSG_DATA(c), sizeof(see));
	*out = (struct judge_error){
		.local = see.ee_origin == SO_EE_ORIGIN_LOCAL,
		.icmp_type = see.ee_type,
		.icmp_code = see.ee_code,
		.sys_errno = (int32_t)see.ee_errno,
	};
	if (see.ee_origin != SO_EE_ORIGIN_LOCAL &&
	    see.ee_origin != SO_EE_ORIGIN_ICMP &&
	    see.ee_origin != SO_EE_ORIGIN_ICMP6)
		return false;
	if (!out->local)
		read_offender(c, &out->from);
	return true;
}

/* One message off the queue: -1 none, 0 of another kind, 1 an error. */
static int take(int fd, struct icmp_message *out)
{
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
	struct iovec iov = { out->quote, sizeof(out->quote) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return -1;
	out->quote_bytes = (size_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (is_error(c) && read_error(c, &out->error))
			return 1;
	return 0;
}

bool icmp_next(int fd, struct icmp_message *out)
{
	int n;

	do {
		n = take(fd, out);
	} while (n == 0);
	return n > 0;
}
