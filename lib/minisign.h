/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minisign - verify detached signatures in minisign's format.
 *
 * Format: https://jedisct1.github.io/minisign/ ("Signature format").  Both
 * the prehashed "ED" (BLAKE2b-512, then Ed25519) and the legacy "Ed" kind are
 * read; the global signature over the trusted comment is checked as well.
 * Pure; no file access.
 */
#ifndef LIB_MINISIGN_H
#define LIB_MINISIGN_H

#include <stddef.h>

#include "lib/err.h"

/*
 * Verify that signature (the text of a .minisig file) is over data by
 * public_key (the base64 line of a .pub file).
 */
MUSTCHECK bool minisign_verify(const char *public_key, const void *data,
                               size_t data_bytes, const char *signature,
                               size_t signature_bytes, struct err *e);

#endif
