/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - the agent's CURVE key pair, which is its identity.
 *
 * The file holds two lines, "public <z85>" and "secret <z85>", and nobody
 * else may read it.  Whoever has it can send runs in this agent's name.
 */
#ifndef AGENT_KEY_H
#define AGENT_KEY_H

#include <stdint.h>

#include "lib/err.h"

enum { KEY_BYTES = 32, KEY_TEXT_BYTES = 41 };

#define KEY_FILE "agent.key"

struct key {
	char public_text[KEY_TEXT_BYTES]; /* z85 */
	char secret_text[KEY_TEXT_BYTES];
	uint8_t public_bytes[KEY_BYTES];
};

/* Make a new pair and write it; an existing file is replaced. */
MUSTCHECK bool key_make(const char *path, struct key *out, struct err *e);

/* Read a pair; refuses one that is malformed, does not match, or is public. */
MUSTCHECK bool key_load(const char *path, struct key *out, struct err *e);

bool key_exists(const char *path);

/*
 * Derive 32 bytes that only this agent knows, one value for each purpose.
 */
void key_derive(const struct key *k, const char *purpose,
                uint8_t out[KEY_BYTES]);

#endif
