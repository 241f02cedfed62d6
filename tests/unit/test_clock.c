/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.c"

#include "tests/unit/unit.h"

static const struct {
	const char *text;
	int64_t t_ns;
} known[] = {
	{ "1970-01-01T00:00:00.000Z", 0 },
	{ "2026-11-22T09:44:10.125Z", INT64_C(1795340650125000000) },
	{ "2024-02-29T23:59:59.999Z", INT64_C(1709251199999000000) },
	{ "1969-12-31T23:59:59.999Z", -CLOCK_MS },
	{ "2262-04-11T23:47:16.854Z", INT64_C(9223372036854000000) },
};

static void known_times_are_written_and_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char text[CLOCK_TEXT_BYTES];
		int64_t t_ns;

		clock_format(known[i].t_ns, text);
		assert_string_equal(text, known[i].text);
		assert_true(clock_parse(known[i].text, &t_ns));
		assert_int_equal(t_ns, known[i].t_ns);
	}
}

static void milliseconds_are_rounded_down(void **state)
{
	char text[CLOCK_TEXT_BYTES];

	(void)state;
	clock_format(CLOCK_S - 1, text);
	assert_string_equal(text, "1970-01-01T00:00:00.999Z");
	clock_format(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void the_ends_of_time_are_written(void **state)
{
	char text[CLOCK_TEXT_BYTES];

	(void)state;
	clock_format(INT64_MAX, text);
	assert_string_equal(text, "2262-04-11T23:47:16.854Z");
	clock_format(INT64_MIN, text);
	assert_string_equal(text, "1677-09-21T00:12:43.145Z");
}

static void fractions_of_any_length_are_read(void **state)
{
	int64_t t_ns;

	(void)state;
	assert_true(clock_parse("1970-01-01T00:00:01Z", &t_ns));
	assert_int_equal(t_ns, CLOCK_S);
	assert_true(clock_parse("1970-01-01T00:00:00.5Z", &t_ns));
	assert_int_equal(t_ns, 500 * CLOCK_MS);
	assert_true(clock_parse("1970-01-01T00:00:00.000000001Z", &t_ns));
	assert_int_equal(t_ns, 1);
	assert_true(clock_parse("1969-12-31T23:59:59.999999999Z", &t_ns));
	assert_int_equal(t_ns, -1);
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"now",
		"2026-11-22",
		"2026-11-22T09:44:10",
		"2026-11-22T09:44:10z",
		"2026-11-22 09:44:10Z",
		"2026-11-22T09:44:10+00:00",
		"2026-11-22T09:44:10Z ",
		" 2026-11-22T09:44:10Z",
		"2026-11-22T09:44:10.Z",
		"2026-11-22T09:44:10.1234567890Z",
		"2026-11-22T09:44:10,5Z",
		"2026-1-22T09:44:10Z",
		"26-11-22T09:44:10Z",
		"2026-11-22T9:44:10Z",
		"+026-11-22T09:44:10Z",
		"2026-11-22T09:44Z",
	};
	int64_t t_ns;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse(bad[i], &t_ns))
			fail_msg("accepted \"%s\"", bad[i]);
}

static void dates_that_do_not_exist_are_refused(void **state)
{
	static const char *const bad[] = {
		"2026-02-29T00:00:00Z", "2026-02-30T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z", "2100-02-29T00:00:00Z",
	};
	int64_t t_ns;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse(bad[i], &t_ns))
			fail_msg("accepted \"%s\"", bad[i]);
	assert_true(clock_parse("2000-02-29T00:00:00Z", &t_ns));
}

static void times_beyond_64_bits_are_refused(void **state)
{
	int64_t t_ns;

	(void)state;
	assert_false(clock_parse("2262-04-11T23:47:17Z", &t_ns));
	assert_false(clock_parse("2262-04-11T23:47:16.854775808Z", &t_ns));
	assert_true(clock_parse("2262-04-11T23:47:16.854775807Z", &t_ns));
	assert_int_equal(t_ns, INT64_MAX);
	assert_false(clock_parse("9999-12-31T23:59:59Z", &t_ns));
	assert_false(clock_parse("0000-01-01T00:00:00Z", &t_ns));
}

static void a_text_cut_anywhere_is_refused(void **state)
{
	static const char whole[] = "2026-11-22T09:44:10.125Z";
	int64_t t_ns;

	(void)state;
	for (size_t n = 0; n < strlen(whole); n++) {
		char cut[sizeof(whole)] = "";

		memcpy(cut, whole, n);
		assert_false(clock_parse(cut, &t_ns));
	}
}

static void days_are_whole_and_round_down(void **state)
{
	(void)state;
	assert_int_equal(clock_day(0), 0);
	assert_int_equal(clock_day(CLOCK_DAY - 1), 0);
	assert_int_equal(clock_day(CLOCK_DAY), 1);
	assert_int_equal(clock_day(-1), -1);
	assert_int_equal(clock_day(-CLOCK_DAY), -1);
	assert_int_equal(clock_day(-CLOCK_DAY - 1), -2);
	assert_int_equal(clock_day(INT64_C(1795340650125000000)), 20779);
}

static void the_clocks_run(void **state)
{
	int64_t before = clock_monotonic_ns();

	(void)state;
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_realtime_ns() > INT64_C(1700000000) * CLOCK_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times_are_written_and_read),
		cmocka_unit_test(milliseconds_are_rounded_down),
		cmocka_unit_test(the_ends_of_time_are_written),
		cmocka_unit_test(fractions_of_any_length_are_read),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(dates_that_do_not_exist_are_refused),
		cmocka_unit_test(times_beyond_64_bits_are_refused),
		cmocka_unit_test(a_text_cut_anywhere_is_refused),
		cmocka_unit_test(days_are_whole_and_round_down),
		cmocka_unit_test(the_clocks_run),
	};

	return UNIT_RUN(tests);
}
