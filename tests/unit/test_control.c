/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/control.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

static const uint8_t seed[CONTROL_SEED_BYTES] = { 0x00, 0x11, 0x22, 0x33,
	                                          0x44, 0x55, 0x66, 0x77,
	                                          0x88, 0x99, 0xaa, 0xbb,
	                                          0xcc, 0xdd, 0xee, 0xff };

static void a_seed_is_32_hex_digits_and_nothing_else(void **state)
{
	static const char *const bad[] = {
		"",
		"00112233445566778899aabbccddeef",
		"00112233445566778899aabbccddeeff0",
		"00112233445566778899aabbccddeeff00",
		"00112233445566778899aabbccddeef ",
		"0x112233445566778899aabbccddeeff",
		"00:12233445566778899aabbccddeeff",
	};
	uint8_t out[CONTROL_SEED_BYTES];

	(void)state;
	assert_true(
		control_seed_parse("00112233445566778899aABBccddeeff", out));
	assert_memory_equal(out, seed, sizeof(seed));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(control_seed_parse(bad[i], out));
}

/* The expected ports were worked out with another BLAKE2b. */
static void the_draw_is_fixed_for_ever(void **state)
{
	struct control_ports today = control_draw(seed, 20550);
	struct control_ports tomorrow = control_draw(seed, 20551);
	struct control_ports long_ago = control_draw(seed, -1);

	(void)state;
	assert_int_equal(today.tcp, 56442);
	assert_int_equal(today.udp, 59441);
	assert_int_equal(tomorrow.tcp, 51355);
	assert_int_equal(tomorrow.udp, 26488);
	assert_int_equal(long_ago.tcp, 41713);
	assert_int_equal(long_ago.udp, 41772);
}

static void a_catalogue_port_is_stepped_over(void **state)
{
	(void)state;
	assert_int_equal(draw(seed, 16, TRANSPORT_UDP, 0), 52869);
	assert_true(in_catalogue(52869));
	assert_int_equal(control_draw(seed, 16).udp, 37829);
}

static void ports_are_high_and_not_in_the_catalogue(void **state)
{
	struct fixture_random r = fixture_random_new();
	uint8_t any[CONTROL_SEED_BYTES];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		fixture_fill(&r, any, sizeof(any));
		struct control_ports c =
			control_draw(any, (int64_t)fixture_below(&r, 40000));

		assert_in_range(c.tcp, 20000, 59999);
		assert_in_range(c.udp, 20000, 59999);
		assert_false(in_catalogue(c.tcp));
		assert_false(in_catalogue(c.udp));
	}
}

static void days_and_seeds_spread_over_the_range(void **state)
{
	uint8_t other[CONTROL_SEED_BYTES] = { 0 };
	int low = 0;
	int same = 0;

	(void)state;
	for (int64_t day = 0; day < 2000; day++) {
		low += control_draw(seed, day).tcp < 40000;
		same += control_draw(seed, day).tcp ==
		        control_draw(other, day).tcp;
	}
	assert_in_range(low, 850, 1150);
	assert_in_range(same, 0, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_is_32_hex_digits_and_nothing_else),
		cmocka_unit_test(the_draw_is_fixed_for_ever),
		cmocka_unit_test(a_catalogue_port_is_stepped_over),
		cmocka_unit_test(ports_are_high_and_not_in_the_catalogue),
		cmocka_unit_test(days_and_seeds_spread_over_the_range),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
