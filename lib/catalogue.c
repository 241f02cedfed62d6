/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/catalogue.h"

static const struct {
	const char *name;
	enum consent_class class;
} classes[] = {
	{ "basic", CONSENT_BASIC },
	{ "noisy", CONSENT_NOISY },
	{ "inbound", CONSENT_INBOUND },
	{ "tor_vpn", CONSENT_TOR_VPN },
};

enum { CLASS_COUNT = sizeof(classes) / sizeof(classes[0]) };

static uint32_t order_of(uint32_t transport, uint32_t port)
{
	return transport << 16 | port;
}

const struct catalogue_entry *catalogue_find(enum transport transport,
                                             uint16_t port)
{
	uint32_t wanted = order_of(transport, port);
	size_t low = 0;
	size_t high = catalogue_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct catalogue_entry *c = &catalogue[middle];
		uint32_t here = order_of(c->transport, c->port);

		if (here == wanted)
			return c;
		if (here < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *transport_name(enum transport transport)
{
	return transport == TRANSPORT_UDP ? "udp" : "tcp";
}

const char *consent_class_name(enum consent_class c)
{
	for (size_t i = 0; i < CLASS_COUNT; i++)
		if (classes[i].class == c)
			return classes[i].name;
	return NULL;
}

int consent_class_parse(const char *text)
{
	for (size_t i = 0; i < CLASS_COUNT; i++)
		if (strcmp(classes[i].name, text) == 0)
			return classes[i].class;
	return 0;
}
