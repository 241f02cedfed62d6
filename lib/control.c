/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/control.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "lib/catalogue.h"
#include "lib/wire.h"

enum { LOWEST = 20000, HOW_MANY = 40000 };

static bool in_catalogue(uint16_t port)
{
	return catalogue_find(TRANSPORT_TCP, port) ||
	       catalogue_find(TRANSPORT_UDP, port);
}

static uint16_t draw(const uint8_t seed[CONTROL_SEED_BYTES], int64_t day,
                     enum transport transport, uint32_t counter)
{
	uint8_t input[8 + 1 + 4];
	uint8_t hash[crypto_generichash_BYTES_MIN];
	struct wr w = wr_of(input, sizeof(input));
	struct rd r = rd_of(hash, sizeof(hash));

	wr_u64(&w, (uint64_t)day);
	wr_u8(&w, (uint8_t)transport);
	wr_u32(&w, counter);
	assert(wr_len(&w) == sizeof(input));

	int rc = crypto_generichash(hash, sizeof(hash), input, sizeof(input),
	                            seed, CONTROL_SEED_BYTES);

	assert(rc == 0);
	(void)rc;
	return (uint16_t)(LOWEST + rd_u64(&r) % HOW_MANY);
}

/* Ends: the catalogue holds but a few of the 40,000 ports. */
static uint16_t draw_free(const uint8_t seed[CONTROL_SEED_BYTES], int64_t day,
                          enum transport transport)
{
	uint32_t counter = 0;
	uint16_t port = draw(seed, day, transport, counter);

	while (in_catalogue(port))
		port = draw(seed, day, transport, ++counter);
	return port;
}

bool control_seed_parse(const char *text, uint8_t out[CONTROL_SEED_BYTES])
{
	size_t n = 0;

	return strlen(text) == 2 * CONTROL_SEED_BYTES &&
	       sodium_hex2bin(out, CONTROL_SEED_BYTES, text, strlen(text), NULL,
	                      &n, NULL) == 0 &&
	       n == CONTROL_SEED_BYTES;
}

struct control_ports control_draw(const uint8_t seed[CONTROL_SEED_BYTES],
                                  int64_t day)
{
	return (struct control_ports){
		.tcp = draw_free(seed, day, TRANSPORT_TCP),
		.udp = draw_free(seed, day, TRANSPORT_UDP),
	};
}
