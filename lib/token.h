/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - the keyed hashes that make the protocol safe.
 *
 * All are BLAKE2b (RFC 7693) in keyed mode through libsodium, compared in
 * constant time.  Pure: keys and times are parameters.
 */
#ifndef LIB_TOKEN_H
#define LIB_TOKEN_H

#include "lib/addr.h"
#include "lib/wire.h"

enum {
	TOKEN_KEY_BYTES = 32,
	/* A token is good in the epoch it was made in and in the next one. */
	TOKEN_EPOCH_S = 300,
};

/*
 * The epoch of a time, on whichever clock the one who makes and checks the
 * tokens reads.  The reflector's is monotonic: setting its clock costs no run.
 */
uint64_t token_epoch(int64_t t_ns);

/*
 * The token of a run: a keyed hash of epoch, run id and source address
 * without port.
 */
void token_make(const uint8_t key[TOKEN_KEY_BYTES], uint64_t epoch,
                const uint8_t run[WIRE_RUN_BYTES], const struct addr *source,
                uint8_t out[WIRE_TOKEN_BYTES]);

/* Is it the token of this run and address, of this epoch or the one before? */
bool token_valid(const uint8_t key[TOKEN_KEY_BYTES], uint64_t epoch_now,
                 const uint8_t run[WIRE_RUN_BYTES], const struct addr *source,
                 const uint8_t token[WIRE_TOKEN_BYTES]);

/* The tag of an encoded ECHO: over all bytes before the tag. */
void token_echo_tag(const uint8_t token[WIRE_TOKEN_BYTES], const uint8_t *echo,
                    size_t n_bytes, uint8_t out[WIRE_TAG_BYTES]);

/* Does the tag at the end of a whole encoded ECHO match? */
bool token_echo_valid(const uint8_t token[WIRE_TOKEN_BYTES],
                      const uint8_t *echo, size_t n_bytes);

/* The digest of a PROBE as it stands in an ECHO. */
void token_probe_digest(const uint8_t *probe, size_t n_bytes,
                        uint8_t out[WIRE_DIGEST_BYTES]);

/* Write the MAC over all before it into the end of a whole encoded MANIFEST. */
void token_manifest_seal(const uint8_t receipt_key[TOKEN_KEY_BYTES],
                         uint8_t *manifest, size_t n_bytes);

/* Does the MAC at the end of a whole encoded MANIFEST match? */
bool token_manifest_valid(const uint8_t receipt_key[TOKEN_KEY_BYTES],
                          const uint8_t *manifest, size_t n_bytes);

#endif
