/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/outcome.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers_have_the_published_names(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(0), "untested");
	assert_string_equal(outcome_name(1), "open");
	assert_string_equal(outcome_name(2), "timeout");
	assert_string_equal(outcome_name(3), "refused");
	assert_string_equal(outcome_name(4), "unreachable");
	assert_string_equal(outcome_name(5), "reset");
	assert_string_equal(outcome_name(6), "intercepted");
	assert_string_equal(outcome_name(7), "altered");
	assert_string_equal(outcome_name(8), "denied");
	assert_string_equal(outcome_name(9), "untestable");
	assert_string_equal(direction_name(0), "out");
	assert_string_equal(direction_name(1), "in");
	assert_string_equal(seen_name(0), "no");
	assert_string_equal(seen_name(1), "yes");
	assert_string_equal(seen_name(2), "unknown");
}

static void numbers_out_of_range_have_no_name(void **state)
{
	(void)state;
	assert_null(outcome_name(-1));
	assert_null(outcome_name(OUTCOME_COUNT));
	assert_null(direction_name(2));
	assert_null(direction_name(-1));
	assert_null(seen_name(3));
	assert_null(skip_name(SKIP_COUNT));
	assert_null(skip_name(-1));
	assert_null(void_reason_name(VOID_COUNT));
	assert_null(void_reason_name(-1));
}

static void every_name_is_read_back(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		assert_non_null(outcome_name(i));
	for (int i = 0; i < SKIP_COUNT; i++)
		assert_int_equal(skip_parse(skip_name(i)), i);
	for (int i = 0; i < VOID_COUNT; i++)
		assert_int_equal(void_reason_parse(void_reason_name(i)), i);
}

static void other_words_are_no_names(void **state)
{
	(void)state;
	assert_int_equal(skip_parse(""), -1);
	assert_int_equal(skip_parse("Family"), -1);
	assert_int_equal(void_reason_parse("control"), -1);
	assert_int_equal(void_reason_parse("no_hello "), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_the_published_names),
		cmocka_unit_test(numbers_out_of_range_have_no_name),
		cmocka_unit_test(every_name_is_read_back),
		cmocka_unit_test(other_words_are_no_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
