/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A public key is base64 of
 *   "Ed" 2 | key id 8 | Ed25519 public key 32
 * and a signature file has four lines:
 *   untrusted comment: <anything>
 *   base64 of: "ED" or "Ed" 2 | key id 8 | signature 64
 *   trusted comment: <text>
 *   base64 of: signature over (the 64 bytes above | the text)
 * "ED" signs the BLAKE2b-512 of the data, "Ed" the data itself.
 */
#include "lib/minisign.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

enum {
	ALGORITHM_BYTES = 2,
	KEY_ID_BYTES = 8,
	COMMENT_MAX = 8192,
	LINE_COUNT = 4,
};

struct key {
	uint8_t algorithm[ALGORITHM_BYTES];
	uint8_t id[KEY_ID_BYTES];
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
};

struct signature {
	uint8_t algorithm[ALGORITHM_BYTES];
	uint8_t key_id[KEY_ID_BYTES];
	uint8_t bytes[crypto_sign_BYTES];
};

/* Byte arrays only: a file's bytes can be decoded straight into them. */
_Static_assert(sizeof(struct key) == 42, "struct key has padding");
_Static_assert(sizeof(struct signature) == 74, "struct signature has padding");

struct line {
	const char *text; /* not terminated */
	size_t n_bytes;
};

/* libsodium 1.0.18 reads every byte above 0x7f as if it were a slash. */
static bool is_ascii(const struct line *l)
{
	for (size_t i = 0; i < l->n_bytes; i++)
		if (l->text[i] & 0x80)
			return false;
	return true;
}

static bool from_base64(const struct line *l, void *out, size_t out_bytes)
{
	size_t n = 0;

	return is_ascii(l) &&
	       sodium_base642bin(out, out_bytes, l->text, l->n_bytes, NULL, &n,
	                         NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       n == out_bytes;
}

static void trim(struct line *l)
{
	while (l->n_bytes > 0 && strchr("\r\n", l->text[l->n_bytes - 1]) &&
	       l->text[l->n_bytes - 1] != '\0')
		l->n_bytes--;
}

/* Exactly four lines; line feeds at the very end do not count. */
static bool split(const char *text, size_t n_bytes,
                  struct line line[LINE_COUNT])
{
	struct line rest = { text, n_bytes };

	trim(&rest);
	for (int i = 0; i < LINE_COUNT; i++) {
		const char *feed = memchr(rest.text, '\n', rest.n_bytes);

		if (!feed != (i == LINE_COUNT - 1))
			return false;
		line[i] = rest;
		if (feed) {
			line[i].n_bytes = (size_t)(feed - rest.text);
			rest.text += line[i].n_bytes + 1;
			rest.n_bytes -= line[i].n_bytes + 1;
		}
		trim(&line[i]);
	}
	return true;
}

/* Cut the prefix off a line; false when it has another. */
static bool cut_prefix(struct line *l, const char *prefix)
{
	size_t n = strlen(prefix);

	if (l->n_bytes < n || memcmp(l->text, prefix, n) != 0)
		return false;
	l->text += n;
	l->n_bytes -= n;
	return true;
}

/* minisign shows key ids as one little-endian number. */
static uint64_t number_of(const uint8_t id[KEY_ID_BYTES])
{
	uint64_t number = 0;

	for (int i = KEY_ID_BYTES - 1; i >= 0; i--)
		number = number << 8 | id[i];
	return number;
}

static bool read_key(const char *text, struct key *out, struct err *e)
{
	struct line l = { text, strlen(text) };

	trim(&l);
	if (!from_base64(&l, out, sizeof(*out)) ||
	    memcmp(out->algorithm, "Ed", ALGORITHM_BYTES) != 0)
		return err_set(
			e, 0,
			"the public key is not minisign's: it must be "
			"the 56 characters of a .pub file's second line");
	return true;
}

static bool data_is_signed(const struct key *key, const struct signature *s,
                           const void *data, size_t data_bytes)
{
	uint8_t hash[crypto_generichash_BYTES_MAX];

	if (memcmp(s->algorithm, "Ed", ALGORITHM_BYTES) == 0)
		return crypto_sign_verify_detached(s->bytes, data, data_bytes,
		                                   key->public) == 0;
	return crypto_generichash(hash, sizeof(hash), data, data_bytes, NULL,
	                          0) == 0 &&
	       crypto_sign_verify_detached(s->bytes, hash, sizeof(hash),
	                                   key->public) == 0;
}

static bool comment_is_signed(const struct key *key, const struct signature *s,
                              const struct line *comment,
                              const uint8_t global[crypto_sign_BYTES])
{
	uint8_t input[crypto_sign_BYTES + COMMENT_MAX];

	if (comment->n_bytes > COMMENT_MAX)
		return false;
	memcpy(input, s->bytes, sizeof(s->bytes));
	memcpy(input + sizeof(s->bytes), comment->text, comment->n_bytes);
	return crypto_sign_verify_detached(global, input,
	                                   sizeof(s->bytes) + comment->n_bytes,
	                                   key->public) == 0;
}

static bool same_key(const struct key *key, const struct signature *s,
                     struct err *e)
{
	if (memcmp(key->id, s->key_id, KEY_ID_BYTES) == 0)
		return true;
	return err_set(e, 0,
	               "signed by key %016" PRIX64 ", not by key %016" PRIX64,
	               number_of(s->key_id), number_of(key->id));
}

bool minisign_verify(const char *public_key, const void *data,
                     size_t data_bytes, const char *signature,
                     size_t signature_bytes, struct err *e)
{
	struct key key;
	struct signature s;
	struct line line[LINE_COUNT];
	uint8_t global[crypto_sign_BYTES];

	if (!read_key(public_key, &key, e))
		return false;
	if (!split(signature, signature_bytes, line) ||
	    !cut_prefix(&line[0], "untrusted comment: ") ||
	    !from_base64(&line[1], &s, sizeof(s)) ||
	    !cut_prefix(&line[2], "trusted comment: ") ||
	    !from_base64(&line[3], global, sizeof(global)))
		return err_set(e, 0, "the signature is not in minisign's form");
	if (memcmp(s.algorithm, "ED", ALGORITHM_BYTES) != 0 &&
	    memcmp(s.algorithm, "Ed", ALGORITHM_BYTES) != 0)
		return err_set(e, 0, "the signature's algorithm is unknown");
	if (!same_key(&key, &s, e))
		return false;
	if (!data_is_signed(&key, &s, data, data_bytes))
		return err_set(e, 0,
		               "the signature does not match: the content "
		               "was changed after it was signed");
	if (!comment_is_signed(&key, &s, &line[2], global))
		return err_set(e, 0,
		               "the signature's trusted comment was "
		               "changed after it was signed");
	return true;
}
