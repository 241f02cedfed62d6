/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/value.c"

#include "tests/unit/unit.h"

typedef bool parser(const char *text, int64_t *out);
typedef void formatter(int64_t n, char out[VALUE_TEXT_BYTES]);

static void check(parser *parse, const char *text, int64_t expected)
{
	int64_t n;

	if (!parse(text, &n))
		fail_msg("refused \"%s\"", text);
	assert_int_equal(n, expected);
}

static void refuse_all(parser *parse, const char *const *bad)
{
	int64_t n;

	for (; *bad; bad++)
		if (parse(*bad, &n))
			fail_msg("accepted \"%s\"", *bad);
}

static void whole_numbers_are_read(void **state)
{
	(void)state;
	check(value_parse_int, "0", 0);
	check(value_parse_int, "007", 7);
	check(value_parse_int, "-7", -7);
	check(value_parse_int, "9223372036854775807", INT64_MAX);
	check(value_parse_int, "-9223372036854775808", INT64_MIN);
}

static void anything_but_a_whole_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"",      " 1",  "1 ",  "+1",
		"-",     "--1", "1.5", "1e3",
		"0x10",  "abc", "12a", "9223372036854775808",
		"1,000", "- 1", "1\n", "-9223372036854775809",
		NULL,
	};

	(void)state;
	refuse_all(value_parse_int, bad);
}

static void durations_are_read_in_every_unit(void **state)
{
	(void)state;
	check(value_parse_duration, "500ms", 500 * CLOCK_MS);
	check(value_parse_duration, "10s", 10 * CLOCK_S);
	check(value_parse_duration, "5m", 300 * CLOCK_S);
	check(value_parse_duration, "6h", 21600 * CLOCK_S);
	check(value_parse_duration, "1d", CLOCK_DAY);
	check(value_parse_duration, "7us", 7000);
	check(value_parse_duration, "7ns", 7);
	check(value_parse_duration, "0", 0);
	check(value_parse_duration, "0s", 0);
}

static void anything_but_a_duration_is_refused(void **state)
{
	static const char *const bad[] = {
		"",     "10",    "s",   "10 s",    "10S", "10sec", "-1s",
		"1.5h", "1h30m", "10w", "200000d", "-0s", NULL,
	};

	(void)state;
	refuse_all(value_parse_duration, bad);
}

static void sizes_are_read_in_every_unit(void **state)
{
	(void)state;
	check(value_parse_size, "0", 0);
	check(value_parse_size, "512", 512);
	check(value_parse_size, "64k", 65536);
	check(value_parse_size, "10M", 10485760);
	check(value_parse_size, "1G", 1073741824);
}

static void anything_but_a_size_is_refused(void **state)
{
	static const char *const bad[] = {
		"",   "k",    "64K", "64kB",        "64 k",
		"-1", "1.5M", "1T",  "8589934592G", NULL,
	};

	(void)state;
	refuse_all(value_parse_size, bad);
}

static void check_round_trip(parser *parse, formatter *format, const char *text)
{
	char again[VALUE_TEXT_BYTES];
	int64_t n;

	assert_true(parse(text, &n));
	format(n, again);
	assert_string_equal(again, text);
}

static void what_is_written_is_short_exact_and_read_back(void **state)
{
	char text[VALUE_TEXT_BYTES];

	(void)state;
	check_round_trip(value_parse_duration, value_format_duration, "0s");
	check_round_trip(value_parse_duration, value_format_duration, "90m");
	check_round_trip(value_parse_duration, value_format_duration, "1d");
	check_round_trip(value_parse_duration, value_format_duration, "1500ms");
	check_round_trip(value_parse_duration, value_format_duration,
	                 "9223372036854775807ns");
	check_round_trip(value_parse_size, value_format_size, "0");
	check_round_trip(value_parse_size, value_format_size, "1025");
	check_round_trip(value_parse_size, value_format_size, "3M");
	check_round_trip(value_parse_int, value_format_int,
	                 "-9223372036854775808");
	value_format_duration(3600 * CLOCK_S, text);
	assert_string_equal(text, "1h");
	value_format_size(2048, text);
	assert_string_equal(text, "2k");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_read),
		cmocka_unit_test(anything_but_a_whole_number_is_refused),
		cmocka_unit_test(durations_are_read_in_every_unit),
		cmocka_unit_test(anything_but_a_duration_is_refused),
		cmocka_unit_test(sizes_are_read_in_every_unit),
		cmocka_unit_test(anything_but_a_size_is_refused),
		cmocka_unit_test(what_is_written_is_short_exact_and_read_back),
	};

	return UNIT_RUN(tests);
}
