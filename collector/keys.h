/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - the secrets of a collector, and the ids made with them.
 *
 * Three files, none of which others may read: the CURVE key pair that agents
 * know the collector by, the line key, and the receipt keys that reflectors
 * seal their manifests with.  The ids are pure functions of their arguments,
 * so that any collector with the same keys makes the same ones.
 */
#ifndef COLLECTOR_KEYS_H
#define COLLECTOR_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/err.h"
#include "lib/token.h"
#include "lib/wire.h"

enum {
	KEYS_Z85_BYTES = 41, /* 40 characters and a 0 */
	KEYS_PUBLIC_BYTES = 32,
	KEYS_LINE_BYTES = 32,
	KEYS_ID_BYTES = 16,
	KEYS_RECEIPTS_MAX = 1024,
	KEYS_ADDRESSES_MAX = 2,
};

struct keys_pair {
	char public_key[KEYS_Z85_BYTES];
	char secret_key[KEYS_Z85_BYTES];
};

/* A reflector that is trusted to say what it saw. */
struct keys_receipt {
	char name[WIRE_NAME_BYTES];
	uint8_t key[TOKEN_KEY_BYTES];
	int address_count;
	struct addr address[KEYS_ADDRESSES_MAX];
};

struct keys_receipts {
	size_t count;
	struct keys_receipt *item; /* sorted by name; owned */
};

/* Read "public Z85" and "secret Z85" lines; the halves must belong together. */
MUSTCHECK bool keys_pair_load(const char *path, struct keys_pair *out,
                              struct err *e);

/* Load the pair; when there is no such file, make one and write it. */
MUSTCHECK bool keys_pair_ensure(const char *path, struct keys_pair *out,
                                struct err *e);

/* Check a line key; when there is no such file, make one and write it. */
MUSTCHECK bool keys_line_ensure(const char *path, struct err *e);

/* Read lines "name hex-key [address ...]"; "#" starts a comment. */
MUSTCHECK bool keys_receipts_load(const char *path, struct keys_receipts *out,
                                  struct err *e);
void keys_receipts_free(struct keys_receipts *r);

/* NULL when the name is not known. */
const struct keys_receipt *keys_receipts_find(const struct keys_receipts *r,
                                              const char *name);

/* The uuid of an agent: the hash of its public key. */
void keys_agent_id(const uint8_t public_key[KEYS_PUBLIC_BYTES],
                   uint8_t out[KEYS_ID_BYTES]);

/*
 * The uuid of a line: the keyed hash of an agent's public key and the IPv4
 * address or /56 that the reflector saw.  Without the key it tells neither.
 */
void keys_line_id(const uint8_t line_key[KEYS_LINE_BYTES],
                  const uint8_t public_key[KEYS_PUBLIC_BYTES],
                  const struct addr *seen, uint8_t out[KEYS_ID_BYTES]);

#endif
