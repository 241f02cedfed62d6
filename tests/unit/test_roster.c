/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/roster.c"

#include "tests/unit/unit.h"

static const uint8_t key[ROSTER_KEY_BYTES] = "sixteen bytes..";

static struct addr host(const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

/* 10.x.y.1: one prefix for each number. */
static struct addr network(uint32_t number)
{
	struct addr a = host("10.0.0.1");

	a.ip[1] = (uint8_t)(number >> 8);
	a.ip[2] = (uint8_t)number;
	return a;
}

static uint32_t admit(struct roster *r, const char *text)
{
	struct addr a = host(text);

	return roster_admit(r, &a).place;
}

static void everybody_gets_a_place_of_their_own(void **state)
{
	struct roster *r = roster_new(100, 100, key);
	bool taken[100] = { false };

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		struct addr a = network(i);
		struct roster_seat seat = roster_admit(r, &a);

		assert_false(seat.evicted);
		assert_true(seat.place < 100);
		assert_false(taken[seat.place]);
		taken[seat.place] = true;
	}
	assert_int_equal(roster_count(r), 100);
	roster_free(r);
}

static void the_oldest_of_all_goes_when_it_is_full(void **state)
{
	struct roster *r = roster_new(3, 3, key);
	uint32_t first = admit(r, "192.0.2.1");
	uint32_t second = admit(r, "198.51.100.1");
	struct addr late = host("203.0.113.9");
	struct addr later = host("2001:db8::1");
	struct roster_seat seat;

	(void)state;
	admit(r, "203.0.113.1");
	seat = roster_admit(r, &late);
	assert_true(seat.evicted);
	assert_int_equal(seat.place, first);
	seat = roster_admit(r, &later);
	assert_true(seat.evicted);
	assert_int_equal(seat.place, second);
	assert_int_equal(roster_count(r), 3);
	roster_free(r);
}

static void a_flood_from_one_prefix_costs_only_that_prefix(void **state)
{
	struct roster *r = roster_new(100, 4, key);
	uint32_t honest = admit(r, "192.0.2.1");
	struct addr flooder = host("198.51.100.7");

	(void)state;
	for (int i = 0; i < 100000; i++) {
		flooder.ip[3] = (uint8_t)i;
		assert_int_not_equal(roster_admit(r, &flooder).place, honest);
	}
	assert_int_equal(roster_count(r), 5);
	assert_int_equal(roster_oldest(r), honest);
	roster_free(r);
}

static void a_prefix_loses_its_own_oldest_first(void **state)
{
	struct roster *r = roster_new(10, 2, key);
	uint32_t other = admit(r, "192.0.2.1");
	uint32_t first = admit(r, "198.51.100.1");
	uint32_t second = admit(r, "198.51.100.2");

	(void)state;
	assert_int_equal(admit(r, "198.51.100.3"), first);
	assert_int_equal(admit(r, "198.51.100.4"), second);
	assert_int_equal(roster_oldest(r), other);
	roster_free(r);
}

static void ipv6_is_counted_by_48_bits(void **state)
{
	struct roster *r = roster_new(10, 1, key);
	uint32_t a = admit(r, "2001:db8:1:1::1");

	(void)state;
	assert_int_equal(admit(r, "2001:db8:1:ffff::2"), a);
	assert_int_not_equal(admit(r, "2001:db8:2:1::1"), a);
	assert_int_equal(roster_count(r), 2);
	roster_free(r);
}

static void who_is_renewed_is_the_newest_again(void **state)
{
	struct roster *r = roster_new(3, 2, key);
	uint32_t a = admit(r, "192.0.2.1");
	uint32_t b = admit(r, "192.0.2.2");

	(void)state;
	roster_renew(r, a);
	assert_int_equal(roster_oldest(r), b);
	assert_int_equal(admit(r, "192.0.2.3"), b);
	assert_int_equal(roster_oldest(r), a);
	roster_renew(r, b);
	roster_renew(r, b);
	assert_int_equal(roster_oldest(r), a);
	roster_free(r);
}

static void a_place_given_back_is_used_again(void **state)
{
	struct roster *r = roster_new(2, 2, key);
	uint32_t a = admit(r, "192.0.2.1");
	struct addr next = host("192.0.2.3");
	struct roster_seat seat;

	(void)state;
	admit(r, "192.0.2.2");
	roster_leave(r, a);
	seat = roster_admit(r, &next);
	assert_false(seat.evicted);
	assert_int_equal(seat.place, a);
	roster_free(r);
}

static void an_empty_roster_has_no_oldest(void **state)
{
	struct roster *r = roster_new(2, 2, key);

	(void)state;
	assert_int_equal(roster_oldest(r), ROSTER_NONE);
	roster_leave(r, admit(r, "192.0.2.1"));
	assert_int_equal(roster_oldest(r), ROSTER_NONE);
	assert_int_equal(roster_count(r), 0);
	roster_free(r);
}

/* A simple list of who came when must agree after any history. */
enum { PLACES = 17, PER_PREFIX = 5, PREFIXES = 6 };

struct model {
	int count;
	struct {
		uint32_t place;
		uint32_t prefix;
	} by_age[PLACES + 1];
};

static void model_remove(struct model *m, int at)
{
	m->count--;
	for (int i = at; i < m->count; i++)
		m->by_age[i] = m->by_age[i + 1];
}

static int model_victim(const struct model *m, uint32_t prefix)
{
	int own = 0;
	int first = -1;

	for (int i = m->count - 1; i >= 0; i--) {
		if (m->by_age[i].prefix == prefix) {
			own++;
			first = i;
		}
	}
	if (own >= PER_PREFIX)
		return first;
	return m->count == PLACES ? 0 : -1;
}

static void model_admit(struct model *m, struct roster *r, uint32_t prefix)
{
	struct addr a = network(prefix);
	struct roster_seat seat = roster_admit(r, &a);
	int victim = model_victim(m, prefix);

	assert_int_equal(seat.evicted, victim >= 0);
	if (victim >= 0) {
		assert_int_equal(seat.place, m->by_age[victim].place);
		model_remove(m, victim);
	}
	m->by_age[m->count].place = seat.place;
	m->by_age[m->count].prefix = prefix;
	m->count++;
}

static void any_history_agrees_with_a_plain_list(void **state)
{
	struct roster *r = roster_new(PLACES, PER_PREFIX, key);
	struct model m = { 0 };
	uint32_t random = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		random = random * 1664525 + 1013904223;
		uint32_t what = random >> 24;

		if (what < 40 && m.count > 0) {
			int at = (int)(what % (uint32_t)m.count);

			roster_leave(r, m.by_age[at].place);
			model_remove(&m, at);
		} else {
			model_admit(&m, r, (random >> 16) % PREFIXES);
		}
		assert_int_equal(roster_count(r), m.count);
		if (m.count > 0)
			assert_int_equal(roster_oldest(r), m.by_age[0].place);
	}
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_gets_a_place_of_their_own),
		cmocka_unit_test(the_oldest_of_all_goes_when_it_is_full),
		cmocka_unit_test(
			a_flood_from_one_prefix_costs_only_that_prefix),
		cmocka_unit_test(a_prefix_loses_its_own_oldest_first),
		cmocka_unit_test(ipv6_is_counted_by_48_bits),
		cmocka_unit_test(who_is_renewed_is_the_newest_again),
		cmocka_unit_test(a_place_given_back_is_used_again),
		cmocka_unit_test(an_empty_roster_has_no_oldest),
		cmocka_unit_test(any_history_agrees_with_a_plain_list),
	};

	return UNIT_RUN(tests);
}
