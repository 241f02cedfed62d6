/* SPDX-License-Identifier: Apache-2.0 */
/* The key pairs, plan and signatures in tests/data/plan are minisign's own. */
#include "lib/minisign.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

static const char key[] =
	"RWSlqp+hooDto1Mn7CxpLy4PpQMfaw+ZHY/tR+IS9r33MZrdLlLpNn2V";

static const char *const signatures[] = { "plan/plan.json.minisig",
	                                  "plan/plan.json.legacy.minisig" };

struct signed_plan {
	char *plan;
	size_t plan_bytes;
	char *signature;
	size_t signature_bytes;
};

static struct signed_plan load(const char *signature)
{
	struct signed_plan p;

	p.plan = fixture_read("plan/plan.json", &p.plan_bytes);
	p.signature = fixture_read(signature, &p.signature_bytes);
	return p;
}

static void release(struct signed_plan *p)
{
	free(p->plan);
	free(p->signature);
}

static bool verify(const struct signed_plan *p, struct err *e)
{
	return minisign_verify(key, p->plan, p->plan_bytes, p->signature,
	                       p->signature_bytes, e);
}

static void both_kinds_of_signature_are_accepted(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct signed_plan p = load(signatures[i]);
		struct err e = { 0 };

		if (!verify(&p, &e))
			fail_msg("%s: %s", signatures[i], e.text);
		release(&p);
	}
}

static void the_key_file_itself_has_the_key(void **state)
{
	size_t n;
	char *file = fixture_read("plan/test-key-without-password.pub", &n);

	(void)state;
	assert_non_null(strstr(file, key));
	free(file);
}

static void any_flipped_bit_of_the_data_is_noticed(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct signed_plan p = load(signatures[i]);
		struct err e;

		for (size_t bit = 0; bit < 8 * p.plan_bytes; bit += 7) {
			p.plan[bit / 8] ^= (char)(1 << bit % 8);
			assert_false(verify(&p, &e));
			p.plan[bit / 8] ^= (char)(1 << bit % 8);
		}
		p.plan_bytes--;
		assert_false(verify(&p, &e));
		assert_non_null(strstr(e.text, "changed"));
		release(&p);
	}
}

/* All but the untrusted comment's text, which nothing protects. */
static void any_flipped_bit_of_the_signature_is_noticed(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct signed_plan p = load(signatures[i]);
		size_t second = strcspn(p.signature, "\n") + 1;
		struct err e;

		for (size_t bit = 8 * second; bit < 8 * p.signature_bytes - 8;
		     bit++) {
			p.signature[bit / 8] ^= (char)(1 << bit % 8);
			if (verify(&p, &e))
				fail_msg("bit %zu of %s", bit, signatures[i]);
			p.signature[bit / 8] ^= (char)(1 << bit % 8);
		}
		assert_true(verify(&p, &e));
		release(&p);
	}
}

static void a_changed_trusted_comment_is_named(void **state)
{
	struct signed_plan p = load(signatures[0]);
	char *comment = strstr(p.signature, "periplus test plan");
	struct err e;

	(void)state;
	assert_non_null(comment);
	comment[0] = 'P';
	assert_false(verify(&p, &e));
	assert_non_null(strstr(e.text, "trusted comment"));
	release(&p);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct signed_plan p = load(signatures[i]);
		struct err e;

		/* Only the last line feed may be missing. */
		for (size_t cut = 0; cut < p.signature_bytes - 1; cut++) {
			char *part = fixture_copy(p.signature, cut);

			assert_false(minisign_verify(key, p.plan, p.plan_bytes,
			                             part, cut, &e));
			free(part);
		}
		p.signature_bytes--;
		assert_true(verify(&p, &e));
		release(&p);
	}
}

static void line_ends_of_windows_are_accepted(void **state)
{
	struct signed_plan p = load(signatures[0]);
	char *text = malloc(2 * p.signature_bytes);
	size_t n = 0;
	struct err e;

	(void)state;
	for (size_t i = 0; i < p.signature_bytes; i++) {
		if (p.signature[i] == '\n')
			text[n++] = '\r';
		text[n++] = p.signature[i];
	}
	assert_true(minisign_verify(key, p.plan, p.plan_bytes, text, n, &e));
	free(text);
	release(&p);
}

static void a_fifth_line_is_refused(void **state)
{
	struct signed_plan p = load(signatures[0]);
	char *text = malloc(p.signature_bytes + 2);
	struct err e;

	(void)state;
	memcpy(text, p.signature, p.signature_bytes);
	memcpy(text + p.signature_bytes, "x\n", 2);
	assert_false(minisign_verify(key, p.plan, p.plan_bytes, text,
	                             p.signature_bytes + 2, &e));
	free(text);
	release(&p);
}

static void another_key_is_named(void **state)
{
	struct signed_plan p = load(signatures[0]);
	struct err e;
	size_t n;
	char *file = fixture_read("plan/other-test-key.pub", &n);
	char *other = strchr(file, '\n') + 1;

	(void)state;
	assert_false(minisign_verify(other, p.plan, p.plan_bytes, p.signature,
	                             p.signature_bytes, &e));
	assert_string_equal(e.text,
	                    "signed by key A3ED80A2A19FAAA5, not by key "
	                    "63A6EA85E9D463F7");
	free(file);
	release(&p);
}

/* The id is in the clear: only the signature proves who signed. */
static void a_key_with_a_borrowed_id_is_refused(void **state)
{
	struct signed_plan p = load(signatures[0]);
	struct key forged;
	struct line l = { key, strlen(key) };
	char text[64];
	struct err e;

	(void)state;
	assert_true(from_base64(&l, &forged, sizeof(forged)));
	forged.public[3] ^= 1;
	sodium_bin2base64(text, sizeof(text), (const uint8_t *)&forged,
	                  sizeof(forged), sodium_base64_VARIANT_ORIGINAL);
	assert_false(minisign_verify(text, p.plan, p.plan_bytes, p.signature,
	                             p.signature_bytes, &e));
	release(&p);
}

static void a_malformed_key_is_named(void **state)
{
	static const char *const bad[] = {
		"",
		"RWQ",
		"not base64 at all",
		"AWSlqp+hooDto1Mn7CxpLy4PpQMfaw+ZHY/tR+IS9r33MZrdLlLpNn2V",
		"RWSlqp+hooDto1Mn7CxpLy4PpQMfaw+ZHY/tR+IS9r33MZrdLlLpNn2VAAAA",
	};
	struct signed_plan p = load(signatures[0]);
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(minisign_verify(bad[i], p.plan, p.plan_bytes,
		                             p.signature, p.signature_bytes,
		                             &e));
		assert_non_null(strstr(e.text, "public key"));
	}
	release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_kinds_of_signature_are_accepted),
		cmocka_unit_test(the_key_file_itself_has_the_key),
		cmocka_unit_test(any_flipped_bit_of_the_data_is_noticed),
		cmocka_unit_test(any_flipped_bit_of_the_signature_is_noticed),
		cmocka_unit_test(a_changed_trusted_comment_is_named),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(line_ends_of_windows_are_accepted),
		cmocka_unit_test(a_fifth_line_is_refused),
		cmocka_unit_test(another_key_is_named),
		cmocka_unit_test(a_key_with_a_borrowed_id_is_refused),
		cmocka_unit_test(a_malformed_key_is_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
