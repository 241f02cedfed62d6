/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr - an IP address with a port, either family, by value.
 *
 * IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) are stored as IPv4, so two
 * struct addr of the same host compare equal however the kernel reported it.
 */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
	uint8_t family; /* 4, 6, or 0: none */
	uint8_t ip[16]; /* network order; IPv4 uses the first 4, rest zero */
	uint16_t port;  /* host order; 0 when it does not matter */
};

/* From the special-purpose registries of RFC 6890 and RFC 6598. */
enum addr_class {
	ADDR_PUBLIC,
	ADDR_PRIVATE, /* RFC 1918, RFC 4193 */
	ADDR_SHARED,  /* 100.64.0.0/10, carrier-grade NAT */
	ADDR_LOOPBACK,
	ADDR_LINK_LOCAL,
	ADDR_DOCUMENTATION, /* documentation and benchmark prefixes */
	ADDR_SPECIAL,       /* multicast, unspecified, reserved, broadcast */
};

#define ADDR_TEXT_BYTES 64 /* enough for addr_format */

/* Read "192.0.2.1" or "2001:db8::1", without port or brackets. */
bool addr_parse(const char *text, struct addr *out);

/* Write the address without its port. */
void addr_format(const struct addr *a, char out[ADDR_TEXT_BYTES]);

enum addr_class addr_class(const struct addr *a);

/* Same family and address; the port does not matter. */
bool addr_same_host(const struct addr *a, const struct addr *b);

/*
 * The address with all bits after the first bits4 (IPv4) or bits6 (IPv6)
 * cleared and no port.
 */
struct addr addr_prefix(const struct addr *a, int bits4, int bits6);

/* Return the length to pass to connect() or bind(). */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);

/* False for anything but AF_INET and AF_INET6. */
bool addr_from_sockaddr(const struct sockaddr *sa, socklen_t len,
                        struct addr *out);

#endif
