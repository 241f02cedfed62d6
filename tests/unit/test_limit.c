/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "collector/limit.c" /* the code under test */

static const uint8_t alice[LIMIT_KEY_BYTES] = "alice";
static const uint8_t bob[LIMIT_KEY_BYTES] = "bob";

#define START (5 * HOUR)

static int take_all(struct limit *l, const uint8_t *key, int64_t now)
{
	int n = 0;

	while (n < 10000 && limit_take(l, key, now) == 0)
		n++;
	return n;
}

static void an_hour_s_allowance_may_come_at_once(void **state)
{
	struct limit *l = limit_new(100, 64);

	(void)state;
	assert_int_equal(take_all(l, alice, START), 100);
	limit_free(l);
}

static void keys_do_not_share_an_allowance(void **state)
{
	struct limit *l = limit_new(10, 64);

	(void)state;
	assert_int_equal(take_all(l, alice, START), 10);
	assert_int_equal(take_all(l, bob, START), 10);
	limit_free(l);
}

static void after_the_wait_that_was_told_one_more_is_allowed(void **state)
{
	struct limit *l = limit_new(60, 64);
	int64_t wait;

	(void)state;
	take_all(l, alice, START);
	wait = limit_take(l, alice, START);
	assert_int_equal(wait, 60 * CLOCK_S);
	assert_true(limit_take(l, alice, START + wait - 1) > 0);
	assert_int_equal(limit_take(l, alice, START + wait), 0);
	assert_true(limit_take(l, alice, START + wait) > 0);
	limit_free(l);
}

static void an_idle_hour_restores_the_allowance_and_no_more(void **state)
{
	struct limit *l = limit_new(60, 64);

	(void)state;
	take_all(l, alice, START);
	assert_int_equal(take_all(l, alice, START + HOUR), 60);
	assert_int_equal(take_all(l, alice, START + 9 * HOUR), 60);
	limit_free(l);
}

static void a_crowd_of_new_keys_does_not_grow_the_table(void **state)
{
	struct limit *l = limit_new(5, 64);
	uint8_t key[LIMIT_KEY_BYTES] = { 0 };
	struct slot *slots = l->slot;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(key, &i, sizeof(i));
		assert_int_equal(limit_take(l, key, START), 0);
	}
	assert_ptr_equal(l->slot, slots);
	limit_free(l);
}

static void the_key_nearest_to_being_free_gives_way(void **state)
{
	struct limit *l = limit_new(1000, WAYS);
	uint8_t key[LIMIT_KEY_BYTES] = { 0 };

	(void)state;
	/* With eight places in all, each key may take each of them. */
	for (uint8_t i = 1; i <= WAYS; i++) {
		key[0] = i;
		for (int n = 0; n < 10 * i; n++)
			assert_int_equal(limit_take(l, key, START), 0);
	}
	assert_int_equal(limit_take(l, alice, START), 0); /* replaces 1 */
	key[0] = WAYS;
	assert_int_equal(take_all(l, key, START), 1000 - 10 * WAYS);
	limit_free(l);
}

static void no_rate_is_no_limit(void **state)
{
	(void)state;
	assert_null(limit_new(0, 64));
	assert_int_equal(take_all(NULL, alice, START), 10000);
	limit_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_s_allowance_may_come_at_once),
		cmocka_unit_test(keys_do_not_share_an_allowance),
		cmocka_unit_test(
			after_the_wait_that_was_told_one_more_is_allowed),
		cmocka_unit_test(
			an_idle_hour_restores_the_allowance_and_no_more),
		cmocka_unit_test(a_crowd_of_new_keys_does_not_grow_the_table),
		cmocka_unit_test(the_key_nearest_to_being_free_gives_way),
		cmocka_unit_test(no_rate_is_no_limit),
	};

	return UNIT_RUN(tests);
}
