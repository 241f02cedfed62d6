/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/consent.c"

#include <sys/stat.h>

#include "tests/unit/unit.h"

#include "tests/unit/scratch.h"

static void lists_are_read_with_commas_and_blanks(void **state)
{
	uint8_t classes;
	struct err e;

	(void)state;
	assert_true(consent_parse("basic", &classes, &e));
	assert_int_equal(classes, CONSENT_BASIC);
	assert_true(consent_parse(" basic,noisy  tor_vpn,", &classes, &e));
	assert_int_equal(classes,
	                 CONSENT_BASIC | CONSENT_NOISY | CONSENT_TOR_VPN);
	assert_true(consent_parse("all", &classes, &e));
	assert_int_equal(classes, CONSENT_ALL);
}

static void nothing_is_agreed_to_by_a_slip(void **state)
{
	static const char *const bad[] = {
		"",
		" , ",
		"Basic",
		"basic noise",
		"basicnoisy",
		"none",
		"a-word-that-is-longer-than-any-name-of-a-class-could-ever-be",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t classes;
		struct err e;

		assert_false(consent_parse(bad[i], &classes, &e));
		assert_non_null(strstr(e.text, "tor_vpn"));
	}
}

static void what_is_formatted_is_read_back(void **state)
{
	(void)state;
	for (int set = 1; set <= CONSENT_ALL; set++) {
		char text[CONSENT_TEXT_BYTES];
		uint8_t classes;
		struct err e;

		consent_format((uint8_t)set, text);
		assert_true(consent_parse(text, &classes, &e));
		assert_int_equal(classes, set);
	}
}

static void no_file_is_no_consent(void **state)
{
	struct consent c = { .classes = 1 };
	struct err e;

	assert_true(consent_read(scratch_path(state, "none"), &c, &e));
	assert_int_equal(c.classes, 0);
	assert_true(consent_read(scratch_path(state, "no/dir"), &c, &e));
	assert_int_equal(c.classes, 0);
}

static void a_written_file_is_read_back(void **state)
{
	const char *path = scratch_path(state, "consent");
	struct consent in = {
		.classes = CONSENT_BASIC | CONSENT_TOR_VPN,
		.date_ns = INT64_C(1800000000123) * CLOCK_MS,
	};
	struct consent out;
	struct stat st;
	struct err e;

	assert_true(consent_write(path, &in, &e));
	assert_true(consent_read(path, &out, &e));
	assert_int_equal(out.classes, in.classes);
	assert_int_equal(out.date_ns, in.date_ns);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_true(consent_revoke(path, &e));
	assert_true(consent_read(path, &out, &e));
	assert_int_equal(out.classes, 0);
	assert_true(consent_revoke(path, &e)); /* twice is fine */
}

static void a_file_that_is_unclear_is_no_consent(void **state)
{
	static const char *const bad[] = {
		"classes = basic, noisi\n",
		"classes =\n",
		"date = 2026-11-22T10:00:00Z\n",
		"date = yesterday\nclasses = basic\n",
		"yes\n",
		"klasses = basic\n",
	};
	const char *path = scratch_path(state, "consent");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct consent c;
		struct err e;

		scratch_write(path, bad[i]);
		assert_false(consent_read(path, &c, &e));
		assert_int_equal(c.classes, 0);
		assert_non_null(strstr(e.text, path));
	}
}

static void each_class_is_explained(void **state)
{
	(void)state;
	for (int i = 0; i < CLASS_COUNT; i++)
		assert_true(strlen(consent_meaning(all_classes[i])) > 40);
	assert_string_equal(consent_meaning(0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_with_commas_and_blanks),
		cmocka_unit_test(nothing_is_agreed_to_by_a_slip),
		cmocka_unit_test(what_is_formatted_is_read_back),
		cmocka_unit_test(each_class_is_explained),
		SCRATCH_TEST(no_file_is_no_consent),
		SCRATCH_TEST(a_written_file_is_read_back),
		SCRATCH_TEST(a_file_that_is_unclear_is_no_consent),
	};

	return UNIT_RUN(tests);
}
