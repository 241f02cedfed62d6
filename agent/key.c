/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/key.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/file.h"

enum { KEY_FILE_MAX = 4096 };

bool key_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The 40 characters after the label at the beginning of a line. */
static bool take_line(const char **p, const char *label,
                      char out[KEY_TEXT_BYTES])
{
	size_t n = strlen(label);

	if (strncmp(*p, label, n) != 0)
		return false;
	*p += n;
	if (strcspn(*p, "\n") != KEY_TEXT_BYTES - 1)
		return false;
	memcpy(out, *p, KEY_TEXT_BYTES - 1);
	out[KEY_TEXT_BYTES - 1] = '\0';
	*p += KEY_TEXT_BYTES - 1;
	*p += **p == '\n';
	return true;
}

/* Does the public key belong to the secret one? */
static bool understand(const char *text, struct key *out)
{
	uint8_t secret[KEY_BYTES];
	uint8_t expected[KEY_BYTES];
	bool ok;

	if (!take_line(&text, "public ", out->public_text) ||
	    !take_line(&text, "secret ", out->secret_text))
		return false;
	ok = zmq_z85_decode(out->public_bytes, out->public_text) &&
	     zmq_z85_decode(secret, out->secret_text) &&
	     crypto_scalarmult_base(expected, secret) == 0 &&
	     sodium_memcmp(expected, out->public_bytes, KEY_BYTES) == 0;
	sodium_memzero(secret, sizeof(secret));
	return ok;
}

bool key_load(const char *path, struct key *out, struct err *e)
{
	struct stat st;
	char *text;
	size_t n;
	bool ok;

	if (stat(path, &st) != 0)
		return err_set(e, errno,
		               "cannot read the key %s ('periplus keygen' "
		               "makes one)",
		               path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(e, 0,
		               "the key %s can be read by others: chmod 600, "
		               "or make a new one with 'periplus keygen "
		               "--force'",
		               path);
	text = file_read(path, KEY_FILE_MAX, &n, e);
	if (!text)
		return false;
	ok = understand(text, out);
	sodium_memzero(text, n);
	free(text);
	if (!ok)
		return err_set(e, 0,
		               "the key %s is malformed: 'periplus keygen "
		               "--force' makes a new one",
		               path);
	return true;
}

bool key_make(const char *path, struct key *out, struct err *e)
{
	char text[2 * KEY_TEXT_BYTES + 32];
	int n;
	bool ok;

	if (zmq_curve_keypair(out->public_text, out->secret_text) != 0)
		return err_set(e, errno, "cannot make a key pair");
	if (!zmq_z85_decode(out->public_bytes, out->public_text))
		return err_set(e, 0, "cannot make a key pair");
	n = snprintf(text, sizeof(text), "public %s\nsecret %s\n",
	             out->public_text, out->secret_text);
	ok = file_replace(path, text, (size_t)n, 0600, e);
	sodium_memzero(text, sizeof(text));
	return ok;
}

void key_derive(const struct key *k, const char *purpose,
                uint8_t out[KEY_BYTES])
{
	crypto_generichash(out, KEY_BYTES, (const uint8_t *)purpose,
	                   strlen(purpose), (const uint8_t *)k->secret_text,
	                   KEY_TEXT_BYTES - 1);
}
