/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/session.c"

#include "tests/unit/unit.h"

static const uint8_t key[ROSTER_KEY_BYTES] = "sixteen bytes..";
static const int64_t second_ns = 1000000000;

static const struct session_limits small = {
	.sessions = 8,
	.per_prefix = 3,
	.slots = 4,
};

struct run_id {
	uint8_t bytes[WIRE_RUN_BYTES];
};

static struct run_id run_of(uint32_t number)
{
	struct run_id run = { "run" };

	memcpy(run.bytes + 8, &number, sizeof(number));
	return run;
}

static struct arrival from(const char *host, uint16_t port, int64_t now_ns)
{
	struct arrival a = { .transport = TRANSPORT_TCP,
		             .slot = 1,
		             .now_ns = now_ns,
		             .real_ns = 1000 * second_ns + now_ns };

	assert_true(addr_parse(host, &a.from));
	a.from.port = port;
	return a;
}

static struct arrival udp_from(const char *host, uint16_t port, uint16_t slot)
{
	struct arrival a = from(host, port, 0);

	a.transport = TRANSPORT_UDP;
	a.slot = slot;
	return a;
}

static void hello(struct sessions *s, uint32_t run, const char *host,
                  int64_t now_ns)
{
	struct arrival a = from(host, 40000, now_ns);

	assert_true(sessions_hello(s, run_of(run).bytes, &a));
}

static bool is_held(struct sessions *s, uint32_t run, int64_t now_ns)
{
	struct arrival a = { .now_ns = now_ns };
	struct addr host[SESSION_HOSTS_MAX];

	return sessions_hosts(s, run_of(run).bytes, &a, host) > 0;
}

static bool view(struct sessions *s, uint32_t run, const char *host,
                 struct session_view *out)
{
	struct arrival a = from(host, 0, 0);

	return sessions_view(s, run_of(run).bytes, &a, out);
}

static void a_hello_is_remembered_as_it_came(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival a = from("2001:db8::7", 4321, 5);
	struct session_view v;

	(void)state;
	a.local = 3;
	assert_true(sessions_hello(s, run_of(1).bytes, &a));
	assert_true(sessions_view(s, run_of(1).bytes, &a, &v));
	assert_true(addr_same_host(&v.seen, &a.from));
	assert_int_equal(v.seen.port, 4321);
	assert_int_equal(v.hello_real_ns, a.real_ns);
	for (int i = 0; i < small.slots; i++)
		assert_int_equal(v.mark[i].flags, 0);
	sessions_free(s);
}

static void a_session_lives_five_minutes_and_not_longer(void **state)
{
	struct sessions *s = sessions_new(&small, key);

	(void)state;
	hello(s, 1, "192.0.2.1", 7);
	assert_true(is_held(s, 1, 7 + 300 * second_ns - 1));
	assert_false(is_held(s, 1, 7 + 300 * second_ns));
	sessions_free(s);
}

static void expired_sessions_make_room_without_an_eviction(void **state)
{
	struct sessions *s = sessions_new(&small, key);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		hello(s, i, "192.0.2.1", i);
	hello(s, 9, "192.0.2.1", 300 * second_ns + 1);
	assert_int_equal(sessions_count(s, 0).held, 2); /* the third, the new */
	assert_int_equal(sessions_count(s, 0).evicted, 0);
	sessions_free(s);
}

static void a_repeated_hello_keeps_the_marks_and_lives_on(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival probe = from("192.0.2.1", 555, 0);
	struct session_view v;

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	sessions_probe(s, run_of(1).bytes, &probe);
	hello(s, 1, "192.0.2.1", 200 * second_ns);
	assert_true(is_held(s, 1, 499 * second_ns));
	assert_int_equal(sessions_count(s, 0).held, 1);
	assert_true(view(s, 1, "192.0.2.1", &v));
	assert_int_equal(v.mark[1].flags, MANIFEST_SEEN);
	assert_int_equal(v.hello_real_ns, 1000 * second_ns);
	sessions_free(s);
}

static void a_hello_from_another_host_is_a_session_beside(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival probe = from("192.0.2.1", 555, 0);
	struct session_view v;

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	sessions_probe(s, run_of(1).bytes, &probe);
	hello(s, 1, "198.51.100.1", 0);
	assert_int_equal(sessions_count(s, 0).held, 2);
	assert_true(view(s, 1, "198.51.100.1", &v));
	assert_int_equal(v.mark[1].flags, 0);
	assert_true(view(s, 1, "192.0.2.1", &v));
	assert_int_equal(v.mark[1].flags, MANIFEST_SEEN);
	sessions_free(s);
}

static void
what_comes_to_another_local_address_is_not_this_session(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival a = from("192.0.2.1", 555, 0);
	struct addr host[SESSION_HOSTS_MAX];
	struct session_view v;

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	a.local = 1;
	assert_int_equal(sessions_probe(s, run_of(1).bytes, &a), SESSION_NONE);
	assert_false(sessions_other(s, run_of(1).bytes, &a.from, &a));
	assert_false(sessions_view(s, run_of(1).bytes, &a, &v));
	assert_int_equal(sessions_hosts(s, run_of(1).bytes, &a, host), 0);
	assert_true(view(s, 1, "192.0.2.1", &v));
	assert_int_equal(v.mark[1].flags, 0);
	sessions_free(s);
}

static void the_number_of_hosts_in_a_run_is_bounded(void **state)
{
	struct session_limits wide = { 64, 64, 4 };
	struct sessions *s = sessions_new(&wide, key);
	struct addr host[SESSION_HOSTS_MAX];
	struct arrival a = from("192.0.2.0", 555, 0);

	(void)state;
	for (uint8_t i = 0; i < 20; i++) {
		a.from.ip[3] = i;
		assert_int_equal(sessions_hello(s, run_of(1).bytes, &a),
		                 i < SESSION_HOSTS_MAX);
	}
	assert_int_equal(sessions_hosts(s, run_of(1).bytes, &a, host),
	                 SESSION_HOSTS_MAX);
	a.from.ip[3] = 0; /* one that has a session keeps it */
	assert_true(sessions_hello(s, run_of(1).bytes, &a));
	a.now_ns = SESSION_LIFE_NS;
	a.from.ip[3] = 99; /* when they are over there is room again */
	assert_true(sessions_hello(s, run_of(1).bytes, &a));
	sessions_free(s);
}

static void after_a_flood_no_hello_sweeps_more_than_a_few(void **state)
{
	struct session_limits wide = { 100, 100, 4 };
	struct sessions *s = sessions_new(&wide, key);
	struct arrival probe = from("192.0.2.1", 555, 0);
	struct session_view v;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		hello(s, i, "192.0.2.1", 0);
	sessions_probe(s, run_of(99).bytes, &probe);
	hello(s, 200, "192.0.2.1", SESSION_LIFE_NS);
	assert_int_equal(roster_count(s->roster), 100 - SWEPT_AT_ONCE + 1);
	/* One that is over and still there is not used again. */
	probe.now_ns = SESSION_LIFE_NS;
	assert_false(is_held(s, 99, SESSION_LIFE_NS));
	assert_int_equal(sessions_probe(s, run_of(99).bytes, &probe),
	                 SESSION_NONE);
	hello(s, 99, "192.0.2.1", SESSION_LIFE_NS);
	probe.now_ns = SESSION_LIFE_NS;
	assert_true(sessions_view(s, run_of(99).bytes, &probe, &v));
	assert_int_equal(v.mark[1].flags, 0);
	assert_int_equal(roster_count(s->roster), 100 - 2 * SWEPT_AT_ONCE + 1);
	for (uint32_t i = 300; i < 310; i++)
		hello(s, i, "192.0.2.1", SESSION_LIFE_NS);
	assert_int_equal(roster_count(s->roster), 12);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS).evicted, 0);
	sessions_free(s);
}

static void what_is_over_already_is_not_evicted(void **state)
{
	struct session_limits wide = { 100, 3, 4 };
	struct sessions *s = sessions_new(&wide, key);
	char host[ADDR_TEXT_BYTES];

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		snprintf(host, sizeof(host), "10.0.%u.1", (unsigned int)i);
		hello(s, i, host, 0);
	}
	for (uint32_t i = 20; i < 23; i++)
		hello(s, i, "192.0.2.1", 0);
	hello(s, 23, "192.0.2.1", SESSION_LIFE_NS);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS).evicted, 0);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS).held, 1);
	sessions_free(s);
}

static void only_sessions_alive_are_counted(void **state)
{
	struct session_limits wide = { 100, 100, 4 };
	struct sessions *s = sessions_new(&wide, key);

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		hello(s, i, "192.0.2.1", i);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS - 1).held, 100);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS + 89).held, 10);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS + 99).held, 0);
	assert_int_equal(sessions_count(s, SESSION_LIFE_NS + 99).evicted, 0);
	sessions_free(s);
}

static void the_oldest_goes_when_the_table_is_full(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	char host[ADDR_TEXT_BYTES];

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		snprintf(host, sizeof(host), "10.0.%u.1", (unsigned int)i);
		hello(s, i, host, i);
	}
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(is_held(s, i, 10), i >= 2);
	assert_int_equal(sessions_count(s, 0).held, 8);
	assert_int_equal(sessions_count(s, 0).evicted, 2);
	sessions_free(s);
}

static void a_flood_from_one_prefix_leaves_the_others_alone(void **state)
{
	struct sessions *s = sessions_new(&small, key);

	(void)state;
	hello(s, 0, "192.0.2.1", 0);
	for (uint32_t i = 1; i <= 10000; i++)
		hello(s, i, "198.51.100.1", 1);
	assert_true(is_held(s, 0, 2));
	assert_int_equal(sessions_count(s, 0).held, 4);
	assert_true(is_held(s, 10000, 2));
	assert_false(is_held(s, 9997, 2));
	sessions_free(s);
}

static void a_place_used_again_has_no_old_marks(void **state)
{
	struct session_limits one = { 1, 1, 4 };
	struct sessions *s = sessions_new(&one, key);
	struct arrival probe = udp_from("192.0.2.1", 555, 2);
	struct session_view v;

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	sessions_probe(s, run_of(1).bytes, &probe);
	hello(s, 2, "192.0.2.1", 0);
	assert_true(view(s, 2, "192.0.2.1", &v));
	assert_int_equal(v.mark[2].flags, 0);
	assert_int_equal(v.mark[2].udp_answers, 0);
	sessions_free(s);
}

static void eight_datagrams_are_answered_on_each_port_of_a_run(void **state)
{
	struct sessions *s = sessions_new(&small, key);

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	hello(s, 2, "192.0.2.1", 0);
	for (uint32_t run = 1; run <= 2; run++) {
		for (uint16_t slot = 0; slot < 2; slot++) {
			struct arrival a = udp_from("192.0.2.1", 555, slot);

			for (int i = 0; i < 8; i++)
				assert_int_equal(
					sessions_probe(s, run_of(run).bytes,
				                       &a),
					SESSION_REPLY);
			for (int i = 0; i < 500; i++)
				assert_int_equal(
					sessions_probe(s, run_of(run).bytes,
				                       &a),
					SESSION_SPENT);
		}
	}
	sessions_free(s);
}

static void
a_datagram_that_is_not_answered_any_more_still_counts_as_seen(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival a = udp_from("192.0.2.1", 1, 0);
	struct session_view v;

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	for (uint16_t i = 1; i <= 9; i++) {
		a.from.port = i;
		sessions_probe(s, run_of(1).bytes, &a);
	}
	assert_true(view(s, 1, "192.0.2.1", &v));
	assert_int_equal(v.mark[0].flags, MANIFEST_SEEN);
	assert_int_equal(v.mark[0].source_port, 9);
	sessions_free(s);
}

static void a_probe_without_its_session_is_not_noted(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival stranger = from("192.0.2.99", 555, 0);
	struct arrival late = from("192.0.2.1", 555, 300 * second_ns);

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	assert_int_equal(sessions_probe(s, run_of(2).bytes, &late),
	                 SESSION_NONE);
	assert_int_equal(sessions_probe(s, run_of(1).bytes, &stranger),
	                 SESSION_NONE);
	assert_int_equal(sessions_probe(s, run_of(1).bytes, &late),
	                 SESSION_NONE);
	sessions_free(s);
}

static void another_host_is_noted_beside_the_own_one(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival own = udp_from("192.0.2.1", 555, 2);
	struct arrival other = udp_from("203.0.113.5", 777, 2);
	struct session_view v;

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	sessions_probe(s, run_of(1).bytes, &own);
	assert_true(sessions_other(s, run_of(1).bytes, &own.from, &other));
	assert_true(view(s, 1, "192.0.2.1", &v));
	assert_int_equal(v.mark[2].flags,
	                 MANIFEST_SEEN | MANIFEST_OTHER_ADDRESS);
	assert_int_equal(v.mark[2].source_port, 555);
	assert_int_equal(v.mark[2].other_port, 777);
	assert_true(addr_same_host(&v.other[v.mark[2].other], &other.from));
	sessions_free(s);
}

static void the_number_of_other_hosts_is_bounded(void **state)
{
	struct sessions *s = sessions_new(&small, key);
	struct arrival own = udp_from("192.0.2.1", 555, 0);
	struct arrival other = udp_from("203.0.113.0", 777, 0);

	(void)state;
	hello(s, 1, "192.0.2.1", 0);
	for (int i = 0; i < 20; i++) {
		other.from.ip[3] = (uint8_t)i;
		assert_int_equal(sessions_other(s, run_of(1).bytes, &own.from,
		                                &other),
		                 i < SESSION_OTHERS_MAX);
	}
	other.from.ip[3] = 0; /* one that is known has its room */
	assert_true(sessions_other(s, run_of(1).bytes, &own.from, &other));
	sessions_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_is_remembered_as_it_came),
		cmocka_unit_test(a_session_lives_five_minutes_and_not_longer),
		cmocka_unit_test(
			expired_sessions_make_room_without_an_eviction),
		cmocka_unit_test(a_repeated_hello_keeps_the_marks_and_lives_on),
		cmocka_unit_test(a_hello_from_another_host_is_a_session_beside),
		cmocka_unit_test(
			what_comes_to_another_local_address_is_not_this_session),
		cmocka_unit_test(the_number_of_hosts_in_a_run_is_bounded),
		cmocka_unit_test(after_a_flood_no_hello_sweeps_more_than_a_few),
		cmocka_unit_test(what_is_over_already_is_not_evicted),
		cmocka_unit_test(only_sessions_alive_are_counted),
		cmocka_unit_test(the_oldest_goes_when_the_table_is_full),
		cmocka_unit_test(
			a_flood_from_one_prefix_leaves_the_others_alone),
		cmocka_unit_test(a_place_used_again_has_no_old_marks),
		cmocka_unit_test(
			eight_datagrams_are_answered_on_each_port_of_a_run),
		cmocka_unit_test(
			a_datagram_that_is_not_answered_any_more_still_counts_as_seen),
		cmocka_unit_test(a_probe_without_its_session_is_not_noted),
		cmocka_unit_test(another_host_is_noted_beside_the_own_one),
		cmocka_unit_test(the_number_of_other_hosts_is_bounded),
	};

	return UNIT_RUN(tests);
}
