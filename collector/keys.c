/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/keys.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/file.h"
#include "lib/mem.h"

enum {
	PAIR_FILE_MAX = 4096,
	RECEIPTS_FILE_MAX = 1 << 20,
	HASH_BYTES = 32, /* BLAKE2b-256; ids are its first half */
};

static const char blank[] = " \t\r";

/* ---- the CURVE pair ------------------------------------------------------ */

/* Copy the z85 key that follows label at the start of a line of text. */
static bool take_key(const char *text, const char *label,
                     char out[KEYS_Z85_BYTES])
{
	const char *at = strstr(text, label);
	uint8_t raw[KEYS_PUBLIC_BYTES];

	if (!at || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(label);
	at += strspn(at, blank);
	if (strcspn(at, " \t\r\n") != KEYS_Z85_BYTES - 1)
		return false;
	memcpy(out, at, KEYS_Z85_BYTES - 1);
	out[KEYS_Z85_BYTES - 1] = 0;
	return zmq_z85_decode(raw, out) != NULL;
}

static bool pair_belongs_together(const struct keys_pair *pair)
{
	char derived[KEYS_Z85_BYTES];

	return zmq_curve_public(derived, pair->secret_key) == 0 &&
	       strcmp(derived, pair->public_key) == 0;
}

bool keys_pair_load(const char *path, struct keys_pair *out, struct err *e)
{
	char *text;
	bool ok;

	if (access(path, F_OK) != 0)
		return err_set(e, errno,
		               "cannot open key file %s ('periplus-collector "
		               "keygen' makes it)",
		               path);
	text = file_read_secret(path, PAIR_FILE_MAX, NULL, e);
	if (!text)
		return false;
	ok = take_key(text, "public", out->public_key) &&
	     take_key(text, "secret", out->secret_key);
	if (!ok)
		err_set(e, 0,
		        "key file %s has no lines 'public KEY' and 'secret "
		        "KEY' in z85; keygen writes such a file",
		        path);
	else if (!pair_belongs_together(out))
		ok = err_set(e, 0,
		             "key file %s: the public key does not belong to "
		             "the secret one",
		             path);
	explicit_bzero(text, strlen(text));
	free(text);
	return ok;
}

bool keys_pair_ensure(const char *path, struct keys_pair *out, struct err *e)
{
	char text[128];
	bool ok;

	if (access(path, F_OK) == 0)
		return keys_pair_load(path, out, e);
	if (zmq_curve_keypair(out->public_key, out->secret_key) != 0)
		return err_set(e, errno, "cannot make a CURVE key pair");
	snprintf(text, sizeof(text), "public %s\nsecret %s\n", out->public_key,
	         out->secret_key);
	ok = file_replace(path, text, strlen(text), 0600, e);
	explicit_bzero(text, sizeof(text));
	return ok;
}

bool keys_line_ensure(const char *path, struct err *e)
{
	uint8_t key[KEYS_LINE_BYTES];
	char text[2 * sizeof(key) + 2];
	size_t n = 2 * sizeof(key);
	bool ok;

	if (access(path, F_OK) == 0)
		return file_read_key(path, key, sizeof(key), e);
	randombytes_buf(key, sizeof(key));
	sodium_bin2hex(text, n + 1, key, sizeof(key));
	text[n] = '\n';
	text[n + 1] = 0;
	ok = file_replace(path, text, n + 1, 0600, e);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(key, sizeof(key));
	return ok;
}

/* ---- receipt keys -------------------------------------------------------- */

/* Cut the next word off *p; NULL when the line has no more. */
static char *next_word(char **p)
{
	char *word = *p + strspn(*p, blank);
	size_t n = strcspn(word, blank);

	if (n == 0)
		return NULL;
	*p = word + n;
	if (**p)
		*(*p)++ = 0;
	return word;
}

static bool name_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	return strlen(name) < WIRE_NAME_BYTES &&
	       strspn(name, allowed) == strlen(name);
}

static bool key_valid(const char *hex, uint8_t out[TOKEN_KEY_BYTES])
{
	size_t n = strlen(hex);

	return n == 2 * TOKEN_KEY_BYTES &&
	       sodium_hex2bin(out, TOKEN_KEY_BYTES, hex, n, NULL, NULL, NULL) ==
	               0;
}

static bool parse_addresses(char *line, struct keys_receipt *out, struct err *e)
{
	char *word;

	while ((word = next_word(&line))) {
		if (out->address_count == KEYS_ADDRESSES_MAX)
			return err_set(e, 0, "more than %d addresses",
			               KEYS_ADDRESSES_MAX);
		if (!addr_parse(word, &out->address[out->address_count]))
			return err_set(e, 0, "'%s' is no address", word);
		out->address_count++;
	}
	return true;
}

static bool parse_receipt(char *line, struct keys_receipt *out, struct err *e)
{
	char *name = next_word(&line);
	char *hex = next_word(&line);

	if (!name_valid(name))
		return err_set(e, 0,
		               "'%s' is no reflector name: a-z, 0-9 and -, "
		               "at most %d characters",
		               name, WIRE_NAME_BYTES - 1);
	if (!hex || !key_valid(hex, out->key))
		return err_set(e, 0, "%s needs a receipt key of %d hex digits",
		               name, 2 * TOKEN_KEY_BYTES);
	memcpy(out->name, name, strlen(name) + 1);
	return parse_addresses(line, out, e);
}

static int by_name(const void *a, const void *b)
{
	const struct keys_receipt *x = a;
	const struct keys_receipt *y = b;

	return strcmp(x->name, y->name);
}

static bool parse_receipts(char *text, struct keys_receipts *out, struct err *e)
{
	int number = 0;

	while (*text) {
		char *line = text;
		size_t n = strcspn(text, "\n");

		text += n + (text[n] == '\n');
		line[n] = 0;
		line[strcspn(line, "#")] = 0;
		number++;
		if (line[strspn(line, blank)] == 0)
			continue;
		if (out->count == KEYS_RECEIPTS_MAX)
			return err_set(e, 0, "more than %d reflectors",
			               KEYS_RECEIPTS_MAX);
		if (!parse_receipt(line, &out->item[out->count++], e))
			return err_prefix(e, "line %d", number);
	}
	if (out->count == 0)
		return err_set(e, 0, "no reflector's key in it");
	return true;
}

static bool names_differ(const struct keys_receipts *r, struct err *e)
{
	for (size_t i = 1; i < r->count; i++) {
		if (by_name(&r->item[i - 1], &r->item[i]) == 0)
			return err_set(e, 0, "%s is there twice",
			               r->item[i].name);
	}
	return true;
}

bool keys_receipts_load(const char *path, struct keys_receipts *out,
                        struct err *e)
{
	char *text = file_read_secret(path, RECEIPTS_FILE_MAX, NULL, e);
	bool ok;

	*out = (struct keys_receipts){ 0 };
	if (!text)
		return false;
	out->item = mem_array(KEYS_RECEIPTS_MAX, sizeof(*out->item));
	ok = parse_receipts(text, out, e);
	qsort(out->item, out->count, sizeof(*out->item), by_name);
	ok = ok && names_differ(out, e);
	free(text);
	if (ok)
		return true;
	keys_receipts_free(out);
	return err_prefix(e, "receipt keys %s", path);
}

void keys_receipts_free(struct keys_receipts *r)
{
	if (r->item)
		explicit_bzero(r->item, r->count * sizeof(*r->item));
	free(r->item);
	*r = (struct keys_receipts){ 0 };
}

const struct keys_receipt *keys_receipts_find(const struct keys_receipts *r,
                                              const char *name)
{
	struct keys_receipt wanted = { 0 };

	if (strlen(name) >= sizeof(wanted.name))
		return NULL;
	memcpy(wanted.name, name, strlen(name) + 1);
	return bsearch(&wanted, r->item, r->count, sizeof(*r->item), by_name);
}

/* ---- ids ----------------------------------------------------------------- */

static void hash_id(const uint8_t *key, size_t key_bytes,
                    const uint8_t *message, size_t n_bytes,
                    uint8_t out[KEYS_ID_BYTES])
{
	uint8_t hash[HASH_BYTES];
	int rc = crypto_generichash(hash, sizeof(hash), message, n_bytes, key,
	                            key_bytes);

	assert(rc == 0);
	(void)rc;
	memcpy(out, hash, KEYS_ID_BYTES);
}

void keys_agent_id(const uint8_t public_key[KEYS_PUBLIC_BYTES],
                   uint8_t out[KEYS_ID_BYTES])
{
	hash_id(NULL, 0, public_key, KEYS_PUBLIC_BYTES, out);
}

void keys_line_id(const uint8_t line_key[KEYS_LINE_BYTES],
                  const uint8_t public_key[KEYS_PUBLIC_BYTES],
                  const struct addr *seen, uint8_t out[KEYS_ID_BYTES])
{
	struct addr line = addr_prefix(seen, 32, 56);
	size_t n_address = seen->family == 4 ? 4 : 7;
	uint8_t message[KEYS_PUBLIC_BYTES + 7];

	memcpy(message, public_key, KEYS_PUBLIC_BYTES);
	memcpy(message + KEYS_PUBLIC_BYTES, line.ip, n_address);
	hash_id(line_key, KEYS_LINE_BYTES, message,
	        KEYS_PUBLIC_BYTES + n_address, out);
}
