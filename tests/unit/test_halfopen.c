/* SPDX-License-Identifier: Apache-2.0 */
/* What of it needs no kernel: the allowance and the counts of lost SYNs. */
#include "reflector/halfopen.c"

#include "tests/unit/unit.h"

static void a_flood_of_questions_gets_a_tenth_of_the_time(void **state)
{
	static const int64_t costs_ns[] = { 10 * CLOCK_US, CLOCK_MS,
		                            50 * CLOCK_MS };
	static const int64_t time_ns = 100 * CLOCK_S;

	(void)state;
	for (size_t i = 0; i < sizeof(costs_ns) / sizeof(costs_ns[0]); i++) {
		struct allowance a = { .left_ns = allowance_most_ns };
		int64_t spent_ns = 0;
		int64_t now_ns = 0;

		while (now_ns < time_ns) {
			now_ns += 5 * CLOCK_US;
			if (!may_spend(&a, now_ns))
				continue;
			a.left_ns -= costs_ns[i];
			spent_ns += costs_ns[i];
			now_ns += costs_ns[i];
		}
		assert_true(spent_ns <= time_ns / SHARE + allowance_most_ns +
		                                2 * costs_ns[i]);
		assert_true(spent_ns >= time_ns / SHARE - 2 * costs_ns[i]);
	}
}

static void a_quiet_time_does_not_add_up_without_bound(void **state)
{
	struct allowance a = { .left_ns = -CLOCK_S };

	(void)state;
	assert_false(may_spend(&a, CLOCK_S));
	assert_true(may_spend(&a, INT64_MAX));
	assert_int_equal(a.left_ns, allowance_most_ns);
}

static void lost_syns_are_summed_up_by_name(void **state)
{
	uint64_t sum = 0;

	(void)state;
	assert_true(parse_lost("TcpExt: SyncookiesSent X ListenOverflows "
	                       "ListenDrops TCPReqQFullDrop\n"
	                       "TcpExt: 5 1000 20 7 300\n"
	                       "IpExt: A\nIpExt: 1\n",
	                       &sum));
	assert_int_equal(sum, 325);
	assert_true(parse_lost("IpExt: A\nIpExt: 1\n"
	                       "TcpExt: TCPReqQFullDrop ListenOverflows "
	                       "SyncookiesSent\n"
	                       "TcpExt: 0 0 4000000000",
	                       &sum));
	assert_int_equal(sum, 4000000000);
}

static void a_count_that_is_missing_is_not_taken_for_zero(void **state)
{
	static const char *const texts[] = {
		"",
		"TcpExt:",
		"TcpExt: SyncookiesSent ListenOverflows TCPReqQFullDrop\n",
		"TcpExt: SyncookiesSent ListenOverflows TCPReqQFullDrop\n"
		"TcpExt: 1 2\n",
		"TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1 2\n",
		"TcpExt: SyncookiesSentX ListenOverflows TCPReqQFullDrop\n"
		"TcpExt: 1 2 3\n",
	};
	uint64_t sum;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(parse_lost(texts[i], &sum));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_questions_gets_a_tenth_of_the_time),
		cmocka_unit_test(a_quiet_time_does_not_add_up_without_bound),
		cmocka_unit_test(lost_syns_are_summed_up_by_name),
		cmocka_unit_test(a_count_that_is_missing_is_not_taken_for_zero),
	};

	return UNIT_RUN(tests);
}
