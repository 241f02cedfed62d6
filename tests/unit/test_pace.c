/* SPDX-License-Identifier: Apache-2.0 */
/* Pace, retry ladder and shuffle: how a run spreads its probes over time. */
#include "agent/ladder.c"
#include "agent/pace.c"
#include "agent/shuffle.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

/* Ask every step_ns for a second; how many starts were granted? */
static int granted(struct pace *p, int64_t from_ns, int64_t step_ns)
{
	int n = 0;

	for (int64_t t = 0; t < CLOCK_S; t += step_ns)
		if (pace_take(p, from_ns + t))
			n++;
	return n;
}

static void a_second_holds_as_many_starts_as_asked_for(void **state)
{
	struct pace p = pace_of(100, 5);

	(void)state;
	assert_int_equal(granted(&p, 5, CLOCK_MS), 100);
	assert_int_equal(granted(&p, 5 + CLOCK_S, CLOCK_MS), 100);
}

static void late_timers_do_not_slow_it_down(void **state)
{
	struct pace p = pace_of(100, 0);

	(void)state;
	/* Asked every 7 ms, so up to 7 ms late each time. */
	assert_in_range(granted(&p, 0, 7 * CLOCK_MS), 99, 100);
}

static void a_stall_is_not_followed_by_a_burst(void **state)
{
	struct pace p = pace_of(20, 0);
	int n = 0;

	(void)state;
	assert_true(pace_take(&p, 0));
	while (pace_take(&p, 30 * CLOCK_S))
		n++;
	assert_in_range(n, 1, 2);
}

static void a_start_too_early_is_refused(void **state)
{
	struct pace p = pace_of(20, 0);

	(void)state;
	assert_true(pace_take(&p, 0));
	assert_false(pace_take(&p, 49 * CLOCK_MS));
	assert_true(pace_take(&p, 50 * CLOCK_MS));
}

static void a_check_overlaps_its_attempts(void **state)
{
	struct ladder l = ladder_of(RUN_PACE_CHECK, TRANSPORT_TCP, CLOCK_MS);

	(void)state;
	assert_true(l.overlap);
	assert_int_equal(l.gap_ns[0], 100 * CLOCK_MS);
	assert_int_equal(l.gap_ns[1], 200 * CLOCK_MS);
	assert_int_equal(l.gap_ns[2], 400 * CLOCK_MS);
	assert_int_equal(l.patience_ns, 1500 * CLOCK_MS);
}

static void the_service_waits_for_the_kernels_second_syn(void **state)
{
	struct ladder tcp = ladder_of(RUN_PACE_SERVICE, TRANSPORT_TCP, 0);
	struct ladder udp = ladder_of(RUN_PACE_SERVICE, TRANSPORT_UDP, 0);

	(void)state;
	assert_false(tcp.overlap);
	assert_int_equal(tcp.patience_ns, 2500 * CLOCK_MS);
	assert_int_equal(udp.patience_ns, 1500 * CLOCK_MS);
	assert_int_equal(tcp.gap_ns[0], 1 * CLOCK_S);
	assert_int_equal(tcp.gap_ns[1], 3 * CLOCK_S);
	assert_int_equal(tcp.gap_ns[2], 8 * CLOCK_S);
}

/* A satellite line must neither time out nor be asked everything twice. */
static void a_long_path_is_given_its_time(void **state)
{
	const int64_t rtt_ns = 700 * CLOCK_MS;

	(void)state;
	for (int pace = RUN_PACE_SERVICE; pace <= RUN_PACE_CHECK; pace++)
		for (int t = TRANSPORT_TCP; t <= TRANSPORT_UDP; t++) {
			struct ladder l = ladder_of((enum run_pace)pace,
			                            (enum transport)t, rtt_ns);

			assert_true(l.patience_ns >= 4 * rtt_ns);
			for (int i = 0; i < JUDGE_ATTEMPTS - 1; i++)
				assert_true(l.gap_ns[i] >= 2 * rtt_ns);
		}
}

/* Over TCP an answer takes the handshake and the echo: two round trips. */
static void a_second_attempt_never_races_the_first_answer(void **state)
{
	(void)state;
	for (int64_t rtt_ns = 0; rtt_ns < CLOCK_S; rtt_ns += CLOCK_MS) {
		struct ladder l =
			ladder_of(RUN_PACE_CHECK, TRANSPORT_TCP, rtt_ns);

		assert_true(l.gap_ns[0] > 2 * rtt_ns);
	}
}

static struct fixture_random random_source;

static uint32_t uniform(uint32_t n)
{
	return fixture_below(&random_source, n);
}

static void a_shuffle_loses_nothing(void **state)
{
	uint16_t order[512] = { 0 };
	bool met[512];

	(void)state;
	for (int n = 0; n <= 512; n += 37) {
		memset(met, 0, sizeof(met));
		shuffle_order(order, n, uniform);
		for (int i = 0; i < n; i++) {
			assert_true(order[i] < n);
			assert_false(met[order[i]]);
			met[order[i]] = true;
		}
	}
}

static void every_order_is_equally_likely(void **state)
{
	int count[27] = { 0 };
	uint16_t order[3] = { 0 };

	(void)state;
	for (int i = 0; i < 60000; i++) {
		shuffle_order(order, 3, uniform);
		count[order[0] * 9 + order[1] * 3 + order[2]]++;
	}
	/* 0 1 2, 0 2 1, 1 0 2, 1 2 0, 2 0 1, 2 1 0; seven sigmas */
	for (int i = 0; i < 6; i++) {
		static const int at[] = { 5, 7, 11, 15, 19, 21 };

		assert_in_range(count[at[i]], 9350, 10650);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_holds_as_many_starts_as_asked_for),
		cmocka_unit_test(late_timers_do_not_slow_it_down),
		cmocka_unit_test(a_stall_is_not_followed_by_a_burst),
		cmocka_unit_test(a_start_too_early_is_refused),
		cmocka_unit_test(a_check_overlaps_its_attempts),
		cmocka_unit_test(the_service_waits_for_the_kernels_second_syn),
		cmocka_unit_test(a_long_path_is_given_its_time),
		cmocka_unit_test(a_second_attempt_never_races_the_first_answer),
		cmocka_unit_test(a_shuffle_loses_nothing),
		cmocka_unit_test(every_order_is_equally_likely),
	};

	random_source = fixture_random_new();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
