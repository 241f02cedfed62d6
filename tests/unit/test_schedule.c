/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/schedule.c"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define HOUR (3600 * CLOCK_S)

/* A day far from 1970; midnight UTC. */
#define DAY (INT64_C(20000) * CLOCK_DAY)

static struct schedule schedule_of(uint8_t seed, int64_t interval_s)
{
	struct schedule s = { .interval_s = interval_s };

	memset(s.seed, seed, sizeof(s.seed));
	return s;
}

/* Live through days, a round at each moment; count those of each slot. */
static void each_slot_has_exactly_one_round(void **state)
{
	(void)state;
	for (uint8_t seed = 0; seed < 20; seed++) {
		struct schedule s = schedule_of(seed, 6 * 3600);
		int64_t last = DAY - 1;
		int rounds[40] = { 0 };

		while (last < DAY + 10 * CLOCK_DAY) {
			int64_t next = schedule_next(&s, last + 1, last);

			assert_true(next > last);
			last = next;
			if (last < DAY + 10 * CLOCK_DAY)
				rounds[(last - DAY) / (6 * HOUR)]++;
		}
		for (int i = 0; i < 40; i++)
			assert_int_equal(rounds[i], 1);
	}
}

static void an_agent_that_never_measured_begins_at_once(void **state)
{
	struct schedule s = schedule_of(1, 3600);

	(void)state;
	assert_int_equal(schedule_next(&s, DAY + 5, 0), DAY + 5);
}

static void a_restart_changes_nothing(void **state)
{
	struct schedule s = schedule_of(3, 6 * 3600);
	int64_t last = DAY - HOUR;
	int64_t next = schedule_next(&s, DAY, last);

	(void)state;
	for (int64_t t = DAY; t <= next; t += (next - DAY) / 50 + 1)
		assert_int_equal(schedule_next(&s, t, last), next);
}

static void a_restart_does_not_run_twice_in_a_slot(void **state)
{
	struct schedule s = schedule_of(4, 6 * 3600);
	int64_t last = DAY + HOUR;

	(void)state;
	for (int64_t t = last; t < DAY + 6 * HOUR; t += HOUR / 7)
		assert_true(schedule_next(&s, t, last) >= DAY + 6 * HOUR);
}

static void a_missed_moment_is_made_up_for_in_its_slot(void **state)
{
	int made_up = 0;

	(void)state;
	for (uint8_t seed = 0; seed < 100; seed++) {
		struct schedule s = schedule_of(seed, 6 * 3600);
		int64_t now = DAY + 5 * HOUR;
		int64_t next = schedule_next(&s, now, DAY - CLOCK_DAY);

		assert_true(next >= now);
		made_up += next < DAY + 6 * HOUR;
	}
	assert_true(made_up > 80); /* hardly ever are all eight missed */
}

static void moments_are_spread_over_the_slot(void **state)
{
	int hours[6] = { 0 };

	(void)state;
	for (int i = 0; i < 600; i++) {
		struct schedule s = schedule_of((uint8_t)i, 6 * 3600);
		int64_t next;

		s.seed[0] = (uint8_t)(i >> 8);
		next = schedule_next(&s, DAY, DAY - HOUR);
		hours[(next - DAY) / HOUR]++;
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(hours[i], 60, 140);
}

static void agents_do_not_meet(void **state)
{
	struct schedule a = schedule_of(1, 3600);
	struct schedule b = schedule_of(2, 3600);

	(void)state;
	assert_int_not_equal(schedule_next(&a, DAY, DAY - 1),
	                     schedule_next(&b, DAY, DAY - 1));
}

static void a_round_in_the_future_does_not_stop_the_present(void **state)
{
	struct schedule s = schedule_of(5, 3600);
	int64_t next = schedule_next(&s, DAY, DAY + 1000 * CLOCK_DAY);

	(void)state;
	assert_true(next < DAY + 2 * HOUR);
}

static void slots_are_equal_and_fill_the_day(void **state)
{
	struct schedule s = schedule_of(6, 5 * 3600);
	struct slot slot = slot_at(&s, DAY + 1);

	(void)state;
	assert_int_equal(slot.start_ns, DAY);
	assert_int_equal(slot.length_ns, 6 * HOUR); /* 24 h / 5 h, floored */
	slot = slot_at(&s, DAY + CLOCK_DAY - 1);
	assert_int_equal(slot.start_ns, DAY + 18 * HOUR);
}

static void no_plan_raises_the_caps(void **state)
{
	struct schedule s = schedule_of(7, 1);
	struct schedule_day d = { .day = DAY / CLOCK_DAY };

	(void)state;
	assert_true(slot_at(&s, DAY).length_ns >=
	            PLAN_INTERVAL_MIN_S * CLOCK_S);
	d.rounds = SCHEDULE_ROUNDS_A_DAY;
	assert_false(schedule_allows(&d, DAY + HOUR));
	d.rounds = 0;
	d.bytes = SCHEDULE_BYTES_A_DAY;
	assert_false(schedule_allows(&d, DAY + HOUR));
	assert_true(schedule_allows(&d, DAY + CLOCK_DAY));
	assert_int_equal(d.bytes, 0);
}

static void more_attempts_cost_more_bytes(void **state)
{
	struct record *r = calloc(1, sizeof(*r));
	int64_t idle;

	(void)state;
	assert_non_null(r);
	idle = schedule_run_bytes(r);
	r->probe_count = 2;
	r->probe[0].attempts = 1;
	r->probe[1].attempts = 4;
	assert_int_equal(schedule_run_bytes(r), idle + 5 * ATTEMPT_BYTES);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_slot_has_exactly_one_round),
		cmocka_unit_test(an_agent_that_never_measured_begins_at_once),
		cmocka_unit_test(a_restart_changes_nothing),
		cmocka_unit_test(a_restart_does_not_run_twice_in_a_slot),
		cmocka_unit_test(a_missed_moment_is_made_up_for_in_its_slot),
		cmocka_unit_test(moments_are_spread_over_the_slot),
		cmocka_unit_test(agents_do_not_meet),
		cmocka_unit_test(
			a_round_in_the_future_does_not_stop_the_present),
		cmocka_unit_test(slots_are_equal_and_fill_the_day),
		cmocka_unit_test(no_plan_raises_the_caps),
		cmocka_unit_test(more_attempts_cost_more_bytes),
	};

	return UNIT_RUN(tests);
}
