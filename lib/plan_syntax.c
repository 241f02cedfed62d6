/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan_syntax.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/plan.h"

enum { HOST_MAX = 100 };

bool plan_is_version(const char *text)
{
	bool digit_before = false;

	for (; *text; text++) {
		if (*text != '.' && !(*text >= '0' && *text <= '9'))
			return false;
		if (*text == '.' && !digit_before)
			return false;
		digit_before = *text != '.';
	}
	return digit_before;
}

/* Z85 (ZeroMQ RFC 32): five characters are one 32-bit number in base 85. */
bool plan_is_curve_key(const char *text)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     ".-:+=^!/*?&<>()[]{}@%$#";
	uint64_t group = 0;

	if (strlen(text) != PLAN_KEY_BYTES - 1)
		return false;
	for (int i = 0; i < PLAN_KEY_BYTES - 1; i++) {
		const char *digit = strchr(digits, text[i]);

		if (!digit)
			return false;
		group = group * 85 + (uint64_t)(digit - digits);
		if (i % 5 < 4)
			continue;
		if (group > UINT32_MAX)
			return false;
		group = 0;
	}
	return true;
}

/* 1 to 65535 in plain decimal, and nothing behind it. */
static bool is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n >= 1 && n <= 5 && text[n] == '\0' && text[0] != '0' &&
	       strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* A name or IPv4 address, or an IPv6 address in brackets. */
static bool is_host(const char *text, size_t n)
{
	char host[HOST_MAX + 1];
	struct addr a;

	if (n == 0 || n > HOST_MAX)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		return addr_parse(host + 1, &a) && a.family == 6;
	}
	return isalnum((unsigned char)host[0]) &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyz"
	                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

bool plan_is_endpoint(const char *text)
{
	static const char scheme[] = "tcp://";

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return false;
	text += sizeof(scheme) - 1;

	const char *colon = strrchr(text, ':');

	return colon && is_host(text, (size_t)(colon - text)) &&
	       is_port(colon + 1);
}
