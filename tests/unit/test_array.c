/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "collector/array.c" /* the code under test */

static void an_array_is_complete_after_each_value(void **state)
{
	static const uint8_t expected[] = {
		0, 0, 0, 1, 0, 0, 0, 0, 0, 0,   0,   25, 0, 0, 0,
		2, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b', 0,  0, 0, 0,
	};
	struct array a = { 0 };

	(void)state;
	array_clear(&a, ARRAY_TEXT);
	array_add(&a, "ab", 2);
	array_add(&a, "", 0);
	assert_int_equal(a.n_bytes, sizeof(expected));
	assert_memory_equal(a.bytes, expected, sizeof(expected));
	assert_int_equal(a.count, 2);
	array_fini(&a);
}

static void it_grows_and_forgets(void **state)
{
	struct array a = { 0 };

	(void)state;
	array_clear(&a, ARRAY_INT8);
	for (uint64_t i = 0; i < 10000; i++)
		array_add(&a, &i, sizeof(i));
	assert_int_equal(a.count, 10000);
	assert_int_equal(a.n_bytes, 20 + 10000 * 12);
	array_clear(&a, ARRAY_UUID);
	assert_int_equal(a.count, 0);
	assert_int_equal(a.n_bytes, 20);
	array_fini(&a);
	array_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_is_complete_after_each_value),
		cmocka_unit_test(it_grows_and_forgets),
	};

	return UNIT_RUN(tests);
}
