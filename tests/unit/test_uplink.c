/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/uplink.c"

#include "tests/unit/unit.h"

#define RUN_TEXT "0190a5c1-7b3c-7d2e-8f10-0123456789ab"

static bool parse(const char *text, struct reply *out)
{
	return reply_parse(text, strlen(text), out);
}

static void replies_are_understood(void **state)
{
	struct reply r;
	uint8_t run[WIRE_RUN_BYTES];

	(void)state;
	assert_true(record_run_id_parse(RUN_TEXT, run));
	assert_true(parse("ACK " RUN_TEXT " stored", &r));
	assert_int_equal(r.kind, REPLY_ACK);
	assert_true(r.names_run);
	assert_memory_equal(r.run, run, sizeof(run));
	assert_true(parse("ACK " RUN_TEXT " duplicate", &r));
	assert_true(parse("NAK " RUN_TEXT " range probe[3]", &r));
	assert_int_equal(r.kind, REPLY_NAK);
	assert_string_equal(r.text, "range probe[3]");
	assert_true(parse("NAK - not-json", &r));
	assert_false(r.names_run);
	assert_true(parse("WAIT " RUN_TEXT " 60", &r));
	assert_int_equal(r.kind, REPLY_WAIT);
	assert_int_equal(r.wait_s, 60);
}

static void what_is_no_reply_is_ignored(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"ACK",
		"ACK " RUN_TEXT,
		"ACK " RUN_TEXT " stored ",
		"ACK " RUN_TEXT " perhaps",
		"ACK - stored",
		"ack " RUN_TEXT " stored",
		"ACK 0190a5c1 stored",
		"WAIT " RUN_TEXT,
		"WAIT " RUN_TEXT " ",
		"WAIT " RUN_TEXT " -1",
		"WAIT " RUN_TEXT " 5s",
		"WAIT " RUN_TEXT " 99999999999999999999",
		"HTTP/1.1 302 Found",
	};
	struct reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse(bad[i], &r));
	assert_false(reply_parse("ACK\0" RUN_TEXT " stored", 47, &r));
}

static void a_reply_cut_at_any_length_acknowledges_nothing(void **state)
{
	static const char whole[] = "ACK " RUN_TEXT " stored";

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *exact = malloc(n ? n : 1);
		struct reply r;

		assert_non_null(exact);
		memcpy(exact, whole, n);
		assert_false(reply_parse(exact, n, &r));
		free(exact);
	}
}

static void odd_bytes_of_a_reason_are_made_printable(void **state)
{
	struct reply r;

	(void)state;
	assert_true(parse("NAK - \x1b[2Jboo\n", &r));
	for (const char *p = r.text; *p; p++)
		assert_in_range(*p, ' ', '~');
}

static void nobody_makes_an_agent_wait_for_ever(void **state)
{
	struct reply r;

	(void)state;
	assert_true(parse("WAIT " RUN_TEXT " 999999999", &r));
	assert_int_equal(r.wait_s, WAIT_MAX_S);
}

/* ---- order of collectors ------------------------------------------------ */

static struct plan *plan_of(int count)
{
	struct plan *p = mem_alloc(sizeof(*p));

	p->collector_count = count;
	for (int i = 0; i < count; i++)
		snprintf(p->collector[i].endpoint, PLAN_ENDPOINT_BYTES,
		         "tcp://c%d.example:443", i);
	return p;
}

static struct uplink *ranked(const struct key *k, const struct plan *p)
{
	const struct uplink_options o = { .key = k, .plan = p };

	return uplink_new(&o);
}

static struct key key_of(uint8_t seed)
{
	struct key k = { .public_bytes = { seed } };

	return k;
}

static void agents_spread_evenly(void **state)
{
	struct plan *p = plan_of(4);
	int first[4] = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct key k = key_of((uint8_t)i);
		struct uplink *u;

		k.public_bytes[1] = (uint8_t)(i >> 8);
		u = ranked(&k, p);
		first[u->collector[0].endpoint[7] - '0']++;
		free(u);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(first[i], 190, 310);
	free(p);
}

static void the_order_does_not_depend_on_the_plans_order(void **state)
{
	struct plan *p = plan_of(8);
	struct plan *reversed = plan_of(8);
	struct key k = key_of(7);
	struct uplink *a;
	struct uplink *b;

	(void)state;
	for (int i = 0; i < 8; i++)
		reversed->collector[i] = p->collector[7 - i];
	a = ranked(&k, p);
	b = ranked(&k, reversed);
	assert_int_equal(a->collector_count, 8);
	for (int i = 0; i < 8; i++)
		assert_string_equal(a->collector[i].endpoint,
		                    b->collector[i].endpoint);
	free(a);
	free(b);
	free(p);
	free(reversed);
}

/* What rendezvous hashing is for. */
static void losing_a_collector_moves_only_its_own_agents(void **state)
{
	struct plan *all = plan_of(5);
	struct plan *fewer = plan_of(4);

	(void)state;
	for (uint8_t i = 0; i < 200; i++) {
		struct key k = key_of(i);
		struct uplink *before = ranked(&k, all);
		struct uplink *after = ranked(&k, fewer);
		const char *was = before->collector[0].endpoint;

		if (strcmp(was, "tcp://c4.example:443") != 0)
			assert_string_equal(after->collector[0].endpoint, was);
		else
			assert_string_equal(after->collector[0].endpoint,
			                    before->collector[1].endpoint);
		free(before);
		free(after);
	}
	free(all);
	free(fewer);
}

static void pauses_grow_and_are_bounded(void **state)
{
	(void)state;
	for (int passes = 1; passes < 50; passes++) {
		int64_t plain = passes < 7 ? PAUSE_FIRST_NS << (passes - 1)
		                           : PAUSE_MAX_NS;

		for (int i = 0; i < 20; i++) {
			int64_t ns = pause_after(passes);

			assert_true(ns >= plain / 2);
			assert_true(ns <= plain / 2 + plain);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_are_understood),
		cmocka_unit_test(what_is_no_reply_is_ignored),
		cmocka_unit_test(
			a_reply_cut_at_any_length_acknowledges_nothing),
		cmocka_unit_test(odd_bytes_of_a_reason_are_made_printable),
		cmocka_unit_test(nobody_makes_an_agent_wait_for_ever),
		cmocka_unit_test(agents_spread_evenly),
		cmocka_unit_test(the_order_does_not_depend_on_the_plans_order),
		cmocka_unit_test(losing_a_collector_moves_only_its_own_agents),
		cmocka_unit_test(pauses_grow_and_are_bounded),
	};

	return UNIT_RUN(tests);
}
