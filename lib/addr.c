/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct block {
	uint8_t family;
	uint8_t bits;
	uint8_t ip[16];
	enum addr_class class;
};

/*
 * The IANA special-purpose registries; the first match wins, so that a small
 * block stands before the larger one around it.  An IPv4 address that is not
 * here is public; of IPv6 only 2000::/3 is given out (RFC 4291, 2.4).
 */
static const struct block blocks[] = {
	{ 4, 8, { 0 }, ADDR_SPECIAL },            /* RFC 791: this network */
	{ 4, 8, { 10 }, ADDR_PRIVATE },           /* RFC 1918 */
	{ 4, 10, { 100, 64 }, ADDR_SHARED },      /* RFC 6598 */
	{ 4, 8, { 127 }, ADDR_LOOPBACK },         /* RFC 1122, 3.2.1.3 */
	{ 4, 16, { 169, 254 }, ADDR_LINK_LOCAL }, /* RFC 3927 */
	{ 4, 12, { 172, 16 }, ADDR_PRIVATE },     /* RFC 1918 */
	{ 4, 24, { 192, 0, 0 }, ADDR_SPECIAL },   /* RFC 6890: protocols */
	{ 4, 24, { 192, 0, 2 }, ADDR_DOCUMENTATION }, /* RFC 5737 */
	{ 4, 24, { 192, 88, 99 }, ADDR_SPECIAL },   /* RFC 7526: 6to4 relays */
	{ 4, 16, { 192, 168 }, ADDR_PRIVATE },      /* RFC 1918 */
	{ 4, 15, { 198, 18 }, ADDR_DOCUMENTATION }, /* RFC 2544 */
	{ 4, 24, { 198, 51, 100 }, ADDR_DOCUMENTATION }, /* RFC 5737 */
	{ 4, 24, { 203, 0, 113 }, ADDR_DOCUMENTATION },  /* RFC 5737 */
	{ 4, 3, { 224 }, ADDR_SPECIAL },         /* multicast, reserved */
	{ 6, 128, { [15] = 1 }, ADDR_LOOPBACK }, /* RFC 4291 */
	{ 6, 48, { 0x20, 0x01, 0, 2 }, ADDR_DOCUMENTATION }, /* RFC 5180 */
	/* RFC 3849 */
	{ 6, 32, { 0x20, 0x01, 0x0d, 0xb8 }, ADDR_DOCUMENTATION },
	{ 6, 23, { 0x20, 0x01 }, ADDR_SPECIAL },       /* RFC 2928: protocols */
	{ 6, 16, { 0x20, 0x02 }, ADDR_SPECIAL },       /* RFC 3056: 6to4 */
	{ 6, 20, { 0x3f, 0xff }, ADDR_DOCUMENTATION }, /* RFC 9637 */
	{ 6, 3, { 0x20 }, ADDR_PUBLIC },               /* RFC 4291 */
	{ 6, 7, { 0xfc }, ADDR_PRIVATE },              /* RFC 4193 */
	{ 6, 10, { 0xfe, 0x80 }, ADDR_LINK_LOCAL },    /* RFC 4291 */
	/* Also NAT64 (RFC 6052): what it leads to depends on the inside. */
	{ 6, 0, { 0 }, ADDR_SPECIAL },
};

/* Clear what lies after the first bits. */
static void mask(uint8_t ip[16], int bits)
{
	for (int i = 0; i < 16; i++) {
		int kept = bits - 8 * i;

		if (kept <= 0)
			ip[i] = 0;
		else if (kept < 8)
			ip[i] = (uint8_t)(ip[i] & (0xff00 >> kept));
	}
}

static void set_ipv6(struct addr *a, const struct in6_addr *ip)
{
	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		a->family = 4;
		memcpy(a->ip, ip->s6_addr + 12, 4);
		return;
	}
	a->family = 6;
	memcpy(a->ip, ip->s6_addr, 16);
}

bool addr_parse(const char *text, struct addr *out)
{
	struct in6_addr ip;

	*out = (struct addr){ 0 };
	if (inet_pton(AF_INET, text, out->ip) == 1) {
		out->family = 4;
		return true;
	}
	if (inet_pton(AF_INET6, text, &ip) != 1)
		return false;
	set_ipv6(out, &ip);
	return true;
}

void addr_format(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
	if (a->family == 0)
		snprintf(out, ADDR_TEXT_BYTES, "none");
	else
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, out,
		          ADDR_TEXT_BYTES);
}

enum addr_class addr_class(const struct addr *a)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		const struct block *b = &blocks[i];
		uint8_t ip[16];

		if (b->family != a->family)
			continue;
		memcpy(ip, a->ip, sizeof(ip));
		mask(ip, b->bits);
		if (memcmp(ip, b->ip, sizeof(ip)) == 0)
			return b->class;
	}
	return a->family == 4 ? ADDR_PUBLIC : ADDR_SPECIAL;
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

struct addr addr_prefix(const struct addr *a, int bits4, int bits6)
{
	struct addr prefix = *a;

	prefix.port = 0;
	mask(prefix.ip, a->family == 4 ? bits4 : bits6);
	return prefix;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	assert(a->family == 4 || a->family == 6);
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		in.sin_port = htons(a->port);
		memcpy(&in.sin_addr, a->ip, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	in6.sin6_port = htons(a->port);
	memcpy(&in6.sin6_addr, a->ip, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

bool addr_from_sockaddr(const struct sockaddr *sa, socklen_t len,
                        struct addr *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*out = (struct addr){ 0 };
	if (len >= sizeof(in) && sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		out->family = 4;
		out->port = ntohs(in.sin_port);
		memcpy(out->ip, &in.sin_addr, 4);
		return true;
	}
	if (len >= sizeof(in6) && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		set_ipv6(out, &in6.sin6_addr);
		out->port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}
