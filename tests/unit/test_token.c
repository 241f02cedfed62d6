/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/token.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

enum { EPOCH = 5918400 };

static const uint8_t run_id[WIRE_RUN_BYTES] = { 0x01, 0x9a, 0xab, 0x00,
	                                        0xc0, 0xde, 0x7a, 0xbc,
	                                        0x8d, 0xef, 0x01, 0x23,
	                                        0x45, 0x67, 0x89, 0xab };

/* Worked out with another implementation of BLAKE2b. */
static const uint8_t golden_token[WIRE_TOKEN_BYTES] = {
	0x8b, 0xd4, 0x89, 0xf4, 0x47, 0xe9, 0x9f, 0xdd,
	0x3b, 0x21, 0xa6, 0xda, 0xfa, 0x2b, 0x94, 0xb4
};

static void counting_key(uint8_t key[TOKEN_KEY_BYTES], uint8_t first)
{
	for (int i = 0; i < TOKEN_KEY_BYTES; i++)
		key[i] = (uint8_t)(first + i);
}

static struct addr addr_of(const char *text, uint16_t port)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	a.port = port;
	return a;
}

static void an_epoch_lasts_five_minutes(void **state)
{
	(void)state;
	assert_int_equal(token_epoch(0), 0);
	assert_int_equal(token_epoch(300 * CLOCK_S - 1), 0);
	assert_int_equal(token_epoch(300 * CLOCK_S), 1);
	assert_int_equal(token_epoch(-1), 0);
	assert_int_equal(token_epoch(EPOCH * 300 * CLOCK_S), EPOCH);
}

static void a_token_is_the_golden_one(void **state)
{
	uint8_t key[TOKEN_KEY_BYTES];
	uint8_t token[WIRE_TOKEN_BYTES];
	struct addr a = addr_of("192.0.2.33", 49152);

	(void)state;
	counting_key(key, 0);
	token_make(key, EPOCH, run_id, &a, token);
	assert_memory_equal(token, golden_token, sizeof(token));
}

static void a_token_lives_for_two_epochs(void **state)
{
	uint8_t key[TOKEN_KEY_BYTES];
	struct addr a = addr_of("192.0.2.33", 1);

	(void)state;
	counting_key(key, 0);
	assert_false(token_valid(key, EPOCH - 1, run_id, &a, golden_token));
	assert_true(token_valid(key, EPOCH, run_id, &a, golden_token));
	assert_true(token_valid(key, EPOCH + 1, run_id, &a, golden_token));
	assert_false(token_valid(key, EPOCH + 2, run_id, &a, golden_token));
}

static void the_first_epoch_has_none_before_it(void **state)
{
	uint8_t key[TOKEN_KEY_BYTES];
	uint8_t token[WIRE_TOKEN_BYTES];
	struct addr a = addr_of("192.0.2.33", 1);

	(void)state;
	counting_key(key, 0);
	token_make(key, UINT64_MAX, run_id, &a, token);
	assert_false(token_valid(key, 0, run_id, &a, token));
}

static void a_token_binds_run_and_address_but_no_port(void **state)
{
	uint8_t key[TOKEN_KEY_BYTES];
	uint8_t other_run[WIRE_RUN_BYTES];
	struct addr a = addr_of("192.0.2.33", 7);
	struct addr b = addr_of("192.0.2.34", 7);
	struct addr six = addr_of("c000:221::", 7);

	(void)state;
	counting_key(key, 0);
	assert_true(token_valid(key, EPOCH, run_id, &a, golden_token));
	assert_false(token_valid(key, EPOCH, run_id, &b, golden_token));
	/* The same 16 bytes, another family. */
	assert_memory_equal(a.ip, six.ip, sizeof(a.ip));
	assert_false(token_valid(key, EPOCH, run_id, &six, golden_token));
	memcpy(other_run, run_id, sizeof(other_run));
	other_run[15] ^= 1;
	assert_false(token_valid(key, EPOCH, other_run, &a, golden_token));
	counting_key(key, 1);
	assert_false(token_valid(key, EPOCH, run_id, &a, golden_token));
}

static void any_flipped_bit_spoils_a_token(void **state)
{
	uint8_t key[TOKEN_KEY_BYTES];
	uint8_t token[WIRE_TOKEN_BYTES];
	struct addr a = addr_of("192.0.2.33", 7);

	(void)state;
	counting_key(key, 0);
	memcpy(token, golden_token, sizeof(token));
	for (int bit = 0; bit < 8 * WIRE_TOKEN_BYTES; bit++) {
		token[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(token_valid(key, EPOCH, run_id, &a, token));
		token[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void any_flipped_bit_spoils_an_echo(void **state)
{
	size_t n;
	uint8_t *echo = fixture_read_hex("wire/echo.hex", &n);
	uint8_t wrong[WIRE_TOKEN_BYTES] = { 0 };

	(void)state;
	assert_true(token_echo_valid(golden_token, echo, n));
	assert_false(token_echo_valid(wrong, echo, n));
	for (size_t bit = 0; bit < 8 * n; bit++) {
		echo[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(token_echo_valid(golden_token, echo, n));
		echo[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *part = fixture_copy(echo, cut);

		assert_false(token_echo_valid(golden_token, part, cut));
		free(part);
	}
	free(echo);
}

static void an_echo_carries_the_digest_of_the_probe(void **state)
{
	size_t n;
	size_t m;
	uint8_t *probe = fixture_read_hex("wire/probe.hex", &n);
	uint8_t *bytes = fixture_read_hex("wire/echo.hex", &m);
	struct rd r = rd_of(bytes, m);
	struct wire_echo echo;
	uint8_t digest[WIRE_DIGEST_BYTES];

	(void)state;
	assert_true(wire_echo_decode(&r, &echo));
	token_probe_digest(probe, n, digest);
	assert_memory_equal(digest, echo.digest, sizeof(digest));
	for (size_t bit = 0; bit < 8 * n; bit++) {
		probe[bit / 8] ^= (uint8_t)(1 << bit % 8);
		token_probe_digest(probe, n, digest);
		assert_memory_not_equal(digest, echo.digest, sizeof(digest));
		probe[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(bytes);
	free(probe);
}

static void any_flipped_bit_spoils_a_manifest(void **state)
{
	size_t n;
	uint8_t *manifest = fixture_read_hex("wire/manifest.hex", &n);
	uint8_t key[TOKEN_KEY_BYTES];

	(void)state;
	counting_key(key, 0x80);
	assert_true(token_manifest_valid(key, manifest, n));
	for (size_t bit = 0; bit < 8 * n; bit++) {
		manifest[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(token_manifest_valid(key, manifest, n));
		manifest[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *part = fixture_copy(manifest, cut);

		assert_false(token_manifest_valid(key, part, cut));
		free(part);
	}
	counting_key(key, 0x81);
	assert_false(token_manifest_valid(key, manifest, n));
	free(manifest);
}

static void sealing_writes_the_golden_mac(void **state)
{
	size_t n;
	uint8_t *manifest = fixture_read_hex("wire/manifest.hex", &n);
	uint8_t *copy = fixture_copy(manifest, n);
	uint8_t key[TOKEN_KEY_BYTES];

	(void)state;
	counting_key(key, 0x80);
	memset(copy + n - WIRE_MAC_BYTES, 0, WIRE_MAC_BYTES);
	token_manifest_seal(key, copy, n);
	assert_memory_equal(copy, manifest, n);
	free(copy);
	free(manifest);
}

static void hashes_of_different_kinds_differ_under_one_key(void **state)
{
	uint8_t input[64] = { 0 };
	uint8_t key[TOKEN_KEY_BYTES] = { 0 };
	uint8_t a[16];
	uint8_t b[16];
	struct hash_key as_token = { key, sizeof(key), personal_token };
	struct hash_key as_manifest = { key, sizeof(key), personal_manifest };

	(void)state;
	keyed_hash(&as_token, input, sizeof(input), a, sizeof(a));
	keyed_hash(&as_manifest, input, sizeof(input), b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_epoch_lasts_five_minutes),
		cmocka_unit_test(a_token_is_the_golden_one),
		cmocka_unit_test(a_token_lives_for_two_epochs),
		cmocka_unit_test(the_first_epoch_has_none_before_it),
		cmocka_unit_test(a_token_binds_run_and_address_but_no_port),
		cmocka_unit_test(any_flipped_bit_spoils_a_token),
		cmocka_unit_test(any_flipped_bit_spoils_an_echo),
		cmocka_unit_test(an_echo_carries_the_digest_of_the_probe),
		cmocka_unit_test(any_flipped_bit_spoils_a_manifest),
		cmocka_unit_test(sealing_writes_the_golden_mac),
		cmocka_unit_test(
			hashes_of_different_kinds_differ_under_one_key),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
