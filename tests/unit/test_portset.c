/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/portset.c"

#include "tests/unit/unit.h"

static const uint8_t seed[CONTROL_SEED_BYTES] = "seed of a plan.";
static const struct port_list nothing = { 0 };

static const struct port_list two = {
	.count = 2,
	.port = { { TRANSPORT_TCP, 443 }, { TRANSPORT_UDP, 53 } },
};

/* The slot that wants a port, or -1. */
static int slot_of(struct portset *s, uint8_t transport, uint16_t port)
{
	for (uint16_t i = 0; i < portset_slots(s); i++) {
		struct wire_port at = portset_wanted(s, i);

		if (at.port == port && at.transport == transport)
			return i;
	}
	return -1;
}

static int wanted_count(struct portset *s)
{
	int n = 0;

	for (uint16_t i = 0; i < portset_slots(s); i++)
		n += portset_wanted(s, i).port != 0;
	return n;
}

static void the_control_ports_of_three_days_are_wanted(void **state)
{
	struct portset *s = portset_new(&two, &nothing, seed);

	(void)state;
	for (int64_t day = 20000; day < 20400; day++) {
		portset_set_day(s, day);
		for (int64_t d = day - 1; d <= day + 1; d++) {
			struct control_ports c = control_draw(seed, d);

			assert_true(slot_of(s, TRANSPORT_TCP, c.tcp) >= 0);
			assert_true(slot_of(s, TRANSPORT_UDP, c.udp) >= 0);
		}
		assert_true(wanted_count(s) <= 8);
		assert_int_equal(slot_of(s, TRANSPORT_TCP, 443), 0);
		assert_int_equal(slot_of(s, TRANSPORT_UDP, 53), 1);
	}
	portset_free(s);
}

static void a_port_keeps_its_slot_while_it_is_wanted(void **state)
{
	struct portset *s = portset_new(&two, &nothing, seed);
	struct control_ports tomorrow = control_draw(seed, 101);
	int slot;

	(void)state;
	portset_set_day(s, 100);
	slot = slot_of(s, TRANSPORT_TCP, tomorrow.tcp);
	portset_set_day(s, 101);
	assert_int_equal(slot_of(s, TRANSPORT_TCP, tomorrow.tcp), slot);
	portset_set_day(s, 102);
	assert_int_equal(slot_of(s, TRANSPORT_TCP, tomorrow.tcp), slot);
	portset_set_day(s, 103);
	assert_int_equal(slot_of(s, TRANSPORT_TCP, tomorrow.tcp), -1);
	portset_free(s);
}

static void a_slot_given_up_today_is_not_used_today(void **state)
{
	struct portset *s = portset_new(&two, &nothing, seed);

	(void)state;
	portset_set_day(s, 20000);
	for (int64_t day = 20001; day < 20400; day++) {
		struct control_ports gone = control_draw(seed, day - 2);
		int slot = slot_of(s, TRANSPORT_TCP, gone.tcp);

		assert_true(slot >= 0);
		portset_set_day(s, day);
		assert_int_equal(portset_wanted(s, (uint16_t)slot).port, 0);
	}
	portset_free(s);
}

static void
a_slot_given_up_is_not_used_at_once_however_the_clock_jumps(void **state)
{
	static const int64_t days[] = { 20000, 20400, 20002, 0, 20003, 19000 };
	struct portset *s = portset_new(&two, &nothing, seed);
	struct wire_port old[WIRE_PORTS_MAX];
	uint16_t slots = portset_slots(s);

	(void)state;
	portset_set_day(s, 1);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		for (uint16_t k = 0; k < slots; k++)
			old[k] = portset_wanted(s, k);
		portset_set_day(s, days[i]);
		for (uint16_t k = 0; k < slots; k++) {
			struct wire_port now = portset_wanted(s, k);

			if (old[k].port != 0 && now.port != 0)
				assert_true(wire_port_same(old[k], now));
		}
	}
	portset_free(s);
}

static void only_open_ports_are_listed_and_by_address(void **state)
{
	struct portset *s = portset_new(&two, &nothing, seed);
	struct portset_entry out[WIRE_PORTS_MAX];

	(void)state;
	assert_int_equal(portset_listening(s, 0, out), 0);
	portset_opened(s, 1, 53, 0);
	assert_int_equal(portset_listening(s, 1, out), 0);
	assert_int_equal(portset_listening(s, 0, out), 1);
	assert_int_equal(out[0].port.port, 53);
	assert_int_equal(out[0].slot, 1);
	assert_true(portset_is_open(s, 1, 0));
	assert_false(portset_is_open(s, 0, 0));
	portset_free(s);
}

static void a_port_is_open_until_its_last_socket_closes(void **state)
{
	struct portset *s = portset_new(&two, &nothing, seed);

	(void)state;
	portset_opened(s, 0, 443, 0);
	portset_opened(s, 0, 443, 0);
	portset_closed(s, 0, 443, 0);
	assert_true(portset_is_open(s, 0, 0));
	portset_closed(s, 0, 443, 0);
	assert_false(portset_is_open(s, 0, 0));
	portset_free(s);
}

static void closing_a_port_that_lost_its_slot_changes_nothing(void **state)
{
	struct portset *s = portset_new(&two, &nothing, seed);
	uint16_t old = control_draw(seed, 99).tcp;
	uint16_t slot;

	(void)state;
	portset_set_day(s, 100);
	slot = (uint16_t)slot_of(s, TRANSPORT_TCP, old);
	portset_opened(s, slot, old, 0);
	portset_set_day(s, 500); /* somebody set the clock: all are new */
	portset_set_day(s, 900);

	uint16_t now = portset_wanted(s, slot).port;

	assert_int_not_equal(now, 0);
	assert_int_not_equal(now, old);
	portset_opened(s, slot, now, 0);
	portset_closed(s, slot, old, 0);
	assert_true(portset_is_open(s, slot, 0));
	portset_free(s);
}

static void ports_left_out_are_not_wanted(void **state)
{
	struct control_ports c = control_draw(seed, 100);
	struct port_list without = {
		.count = 2,
		.port = { { TRANSPORT_TCP, 443 }, { TRANSPORT_UDP, c.udp } },
	};
	struct portset *s = portset_new(&two, &without, seed);

	(void)state;
	portset_set_day(s, 100);
	assert_int_equal(slot_of(s, TRANSPORT_TCP, 443), -1);
	assert_int_equal(slot_of(s, TRANSPORT_UDP, c.udp), -1);
	assert_true(slot_of(s, TRANSPORT_UDP, 53) >= 0);
	assert_true(slot_of(s, TRANSPORT_TCP, c.tcp) >= 0);
	portset_free(s);
}

static void a_drawn_port_that_is_listed_anyway_is_wanted_once(void **state)
{
	struct control_ports c = control_draw(seed, 100);
	struct port_list one = {
		.count = 1,
		.port = { { TRANSPORT_TCP, c.tcp } },
	};
	struct portset *s = portset_new(&one, &nothing, seed);

	(void)state;
	portset_set_day(s, 100);
	assert_int_equal(slot_of(s, TRANSPORT_TCP, c.tcp), 0);
	assert_int_equal(wanted_count(s), 6);
	portset_set_day(s, 105);
	assert_int_equal(slot_of(s, TRANSPORT_TCP, c.tcp), 0);
	portset_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_control_ports_of_three_days_are_wanted),
		cmocka_unit_test(a_port_keeps_its_slot_while_it_is_wanted),
		cmocka_unit_test(a_slot_given_up_today_is_not_used_today),
		cmocka_unit_test(
			a_slot_given_up_is_not_used_at_once_however_the_clock_jumps),
		cmocka_unit_test(only_open_ports_are_listed_and_by_address),
		cmocka_unit_test(a_port_is_open_until_its_last_socket_closes),
		cmocka_unit_test(
			closing_a_port_that_lost_its_slot_changes_nothing),
		cmocka_unit_test(ports_left_out_are_not_wanted),
		cmocka_unit_test(
			a_drawn_port_that_is_listed_anyway_is_wanted_once),
	};

	return UNIT_RUN(tests);
}
