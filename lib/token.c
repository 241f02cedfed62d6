/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each hash carries a personalisation of its own (RFC 7693, 2.8), so that one
 * kind can never pass for another even where an operator uses one key twice.
 * The secrets are the key and, for an ECHO, the token.
 */
#include "lib/token.h"

#include <assert.h>
#include <sodium.h>

#include "lib/clock.h"

enum { PERSONAL_BYTES = crypto_generichash_blake2b_PERSONALBYTES };

static const uint8_t personal_token[PERSONAL_BYTES] = "periplus token";
static const uint8_t personal_echo[PERSONAL_BYTES] = "periplus echo";
static const uint8_t personal_probe[PERSONAL_BYTES] = "periplus probe";
static const uint8_t personal_manifest[PERSONAL_BYTES] = "periplus manif";

struct hash_key {
	const uint8_t *bytes;
	size_t n_bytes;
	const uint8_t *personal;
};

static void keyed_hash(const struct hash_key *key, const uint8_t *in,
                       size_t in_bytes, uint8_t *out, size_t out_bytes)
{
	static const uint8_t salt[crypto_generichash_blake2b_SALTBYTES];
	int rc = crypto_generichash_blake2b_salt_personal(out, out_bytes, in,
	                                                  in_bytes, key->bytes,
	                                                  key->n_bytes, salt,
	                                                  key->personal);

	/* It fails only for lengths that BLAKE2b does not have. */
	assert(rc == 0);
	(void)rc;
}

uint64_t token_epoch(int64_t t_ns)
{
	if (t_ns < 0)
		return 0;
	return (uint64_t)(t_ns / (TOKEN_EPOCH_S * CLOCK_S));
}

void token_make(const uint8_t key[TOKEN_KEY_BYTES], uint64_t epoch,
                const uint8_t run[WIRE_RUN_BYTES], const struct addr *source,
                uint8_t out[WIRE_TOKEN_BYTES])
{
	uint8_t input[8 + WIRE_RUN_BYTES + 1 + sizeof(source->ip)];
	struct wr w = wr_of(input, sizeof(input));
	struct hash_key k = { key, TOKEN_KEY_BYTES, personal_token };

	wr_u64(&w, epoch);
	wr_bytes(&w, run, WIRE_RUN_BYTES);
	wr_u8(&w, source->family);
	wr_bytes(&w, source->ip, sizeof(source->ip));
	assert(wr_len(&w) == sizeof(input));
	keyed_hash(&k, input, sizeof(input), out, WIRE_TOKEN_BYTES);
}

bool token_valid(const uint8_t key[TOKEN_KEY_BYTES], uint64_t epoch_now,
                 const uint8_t run[WIRE_RUN_BYTES], const struct addr *source,
                 const uint8_t token[WIRE_TOKEN_BYTES])
{
	uint8_t good[WIRE_TOKEN_BYTES];

	token_make(key, epoch_now, run, source, good);
	if (sodium_memcmp(good, token, sizeof(good)) == 0)
		return true;
	if (epoch_now == 0)
		return false;
	token_make(key, epoch_now - 1, run, source, good);
	return sodium_memcmp(good, token, sizeof(good)) == 0;
}

void token_echo_tag(const uint8_t token[WIRE_TOKEN_BYTES], const uint8_t *echo,
                    size_t n_bytes, uint8_t out[WIRE_TAG_BYTES])
{
	struct hash_key k = { token, WIRE_TOKEN_BYTES, personal_echo };

	keyed_hash(&k, echo, n_bytes, out, WIRE_TAG_BYTES);
}

bool token_echo_valid(const uint8_t token[WIRE_TOKEN_BYTES],
                      const uint8_t *echo, size_t n_bytes)
{
	uint8_t good[WIRE_TAG_BYTES];

	if (n_bytes < sizeof(good))
		return false;
	n_bytes -= sizeof(good);
	token_echo_tag(token, echo, n_bytes, good);
	return sodium_memcmp(good, echo + n_bytes, sizeof(good)) == 0;
}

void token_probe_digest(const uint8_t *probe, size_t n_bytes,
                        uint8_t out[WIRE_DIGEST_BYTES])
{
	/* libsodium promises lengths from 16 on: cut it ourselves. */
	uint8_t whole[crypto_generichash_BYTES_MIN];
	struct hash_key k = { NULL, 0, personal_probe };

	keyed_hash(&k, probe, n_bytes, whole, sizeof(whole));
	memcpy(out, whole, WIRE_DIGEST_BYTES);
}

static void manifest_mac(const uint8_t receipt_key[TOKEN_KEY_BYTES],
                         const uint8_t *manifest, size_t n_bytes,
                         uint8_t out[WIRE_MAC_BYTES])
{
	struct hash_key k = { receipt_key, TOKEN_KEY_BYTES, personal_manifest };

	keyed_hash(&k, manifest, n_bytes, out, WIRE_MAC_BYTES);
}

void token_manifest_seal(const uint8_t receipt_key[TOKEN_KEY_BYTES],
                         uint8_t *manifest, size_t n_bytes)
{
	assert(n_bytes >= WIRE_MAC_BYTES);
	n_bytes -= WIRE_MAC_BYTES;
	manifest_mac(receipt_key, manifest, n_bytes, manifest + n_bytes);
}

bool token_manifest_valid(const uint8_t receipt_key[TOKEN_KEY_BYTES],
                          const uint8_t *manifest, size_t n_bytes)
{
	uint8_t good[WIRE_MAC_BYTES];

	if (n_bytes < sizeof(good))
		return false;
	n_bytes -= sizeof(good);
	manifest_mac(receipt_key, manifest, n_bytes, good);
	return sodium_memcmp(good, manifest + n_bytes, sizeof(good)) == 0;
}
