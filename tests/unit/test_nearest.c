/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/nearest.c"

#include "tests/unit/unit.h"

static const char *nearest_of(const char *wanted)
{
	static const char *const known[] = {
		"check",          "run",           "status",   "ports",
		"consent",        "keygen",        "interval", "geo_country",
		"batch_max_runs", "batch_max_age", NULL,
	};
	struct nearest n = nearest_to(wanted);

	for (int i = 0; known[i]; i++)
		nearest_offer(&n, known[i]);
	return n.best;
}

static void one_slip_is_understood(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("chek"), "check");   /* left out */
	assert_string_equal(nearest_of("checkk"), "check"); /* too many */
	assert_string_equal(nearest_of("chack"), "check");  /* another */
	assert_string_equal(nearest_of("chekc"), "check");  /* swapped */
	assert_string_equal(nearest_of("intervall"), "interval");
	assert_string_equal(nearest_of("geo-country"), "geo_country");
	assert_string_equal(nearest_of("rum"), "run");
}

static void a_word_cut_short_is_understood(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("stat"), "status");
	assert_string_equal(nearest_of("int"), "interval");
}

static void the_nearest_of_several_wins(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("batch_max_agee"), "batch_max_age");
	assert_string_equal(nearest_of("batch_max_run"), "batch_max_runs");
}

static void the_first_of_equally_near_words_wins(void **state)
{
	struct nearest n = nearest_to("rat");

	(void)state;
	nearest_offer(&n, "cat");
	nearest_offer(&n, "bat");
	assert_string_equal(n.best, "cat");
}

static void another_word_gets_no_suggestion(void **state)
{
	(void)state;
	assert_null(nearest_of("frobnicate"));
	assert_null(nearest_of("xyz"));
	assert_null(nearest_of("r"));
	assert_null(nearest_of(""));
}

static void a_very_long_word_gets_no_suggestion(void **state)
{
	char word[2 * WORD_MAX];
	struct nearest n;

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(nearest_of(word));
	n = nearest_to("aaaa");
	nearest_offer(&n, word);
	assert_null(n.best);
	/* The longest that is compared. */
	word[WORD_MAX] = '\0';
	n = nearest_to(word);
	nearest_offer(&n, word);
	assert_ptr_equal(n.best, word);
}

static void the_distance_counts_slips(void **state)
{
	(void)state;
	assert_int_equal(distance("", ""), 0);
	assert_int_equal(distance("abc", ""), 3);
	assert_int_equal(distance("", "abc"), 3);
	assert_int_equal(distance("abcd", "abcd"), 0);
	assert_int_equal(distance("ab", "ba"), 1);
	assert_int_equal(distance("kitten", "sitting"), 3);
	assert_int_equal(distance("ca", "abc"), 3); /* as OSA has it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slip_is_understood),
		cmocka_unit_test(a_word_cut_short_is_understood),
		cmocka_unit_test(the_nearest_of_several_wins),
		cmocka_unit_test(the_first_of_equally_near_words_wins),
		cmocka_unit_test(another_word_gets_no_suggestion),
		cmocka_unit_test(a_very_long_word_gets_no_suggestion),
		cmocka_unit_test(the_distance_counts_slips),
	};

	return UNIT_RUN(tests);
}
