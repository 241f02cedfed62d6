/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "lib/catalogue.h"
#include "reflector/halfopen.h"

enum {
	BACKLOG = 1024,
	/*
	 * The longest reply fits an empty send buffer of this size with room
	 * to spare, so that one send() takes it whole.
	 */
	SEND_BUFFER_BYTES = 4 * WIRE_MESSAGE_MAX,
	/*
	 * After so long without an acknowledgement the kernel gives a reply
	 * up, also that of a connection which is closed already.
	 */
	UNHEARD_MS = 10000,
};

static bool set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool set_options(int fd, const struct addr *local,
                        enum transport transport)
{
	bool is_tcp = transport == TRANSPORT_TCP;

	if (local->family == 6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		return false;
	/*
	 * TCP: a restart must not wait for old connections to time out, and
	 * half-open ones must live as long as is counted on.
	 * Connections inherit what is set here.
	 */
	if (is_tcp)
		return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
		       set_option(fd, SOL_SOCKET, SO_SNDBUF,
		                  SEND_BUFFER_BYTES) &&
		       set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		                  UNHEARD_MS) &&
		       set_option(fd, IPPROTO_TCP, TCP_SYNCNT,
		                  HALFOPEN_RETRIES);
	/* UDP: replies leave from the address that the request came to. */
	if (local->family == 6)
		return set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

/*
 * SO_REUSEPORT before bind() would let us in beside a stranger of the same
 * user who has set it too; set after bind() it still lets our own others in.
 */
static bool claim_port(int fd, const struct addr *local,
                       enum listener_claim claim)
{
	struct sockaddr_storage to;
	socklen_t to_bytes = addr_to_sockaddr(local, &to);

	if (claim == LISTENER_NEXT &&
	    !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return false;
	if (bind(fd, (struct sockaddr *)&to, to_bytes) < 0)
		return false;
	return claim == LISTENER_NEXT ||
	       set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int listener_open(const struct addr *local, enum transport transport,
                  enum listener_claim claim, struct err *e)
{
	int domain = local->family == 4 ? AF_INET : AF_INET6;
	int kind = transport == TRANSPORT_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(domain, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && set_options(fd, local, transport) &&
	    claim_port(fd, local, claim) &&
	    (transport == TRANSPORT_UDP || listen(fd, BACKLOG) == 0))
		return fd;

	int code = errno;
	char text[ADDR_TEXT_BYTES];

	if (fd >= 0)
		close(fd);
	addr_format(local, text);
	err_set(e, code, "cannot listen on %s/%d at %s",
	        transport_name(transport), local->port, text);
	return -1;
}

bool listener_try(const struct addr *local, struct err *e)
{
	struct addr any_port = *local;
	char text[ADDR_TEXT_BYTES];
	int fd;

	any_port.port = 0;
	fd = listener_open(&any_port, TRANSPORT_UDP, LISTENER_FIRST, e);
	if (fd >= 0)
		return close(fd) == 0;
	addr_format(local, text);
	return err_set(e, e->code, "cannot listen at address %s", text);
}
