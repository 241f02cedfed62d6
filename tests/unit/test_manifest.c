/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/manifest.c"

#include "tests/unit/unit.h"

static const uint8_t receipt_key[TOKEN_KEY_BYTES] = "receipt key";
static const uint8_t run[WIRE_RUN_BYTES] = "a run";

static const struct portset_entry listening[] = {
	{ { TRANSPORT_TCP, 443 }, 5 },
	{ { TRANSPORT_UDP, 53 }, 0 },
	{ { TRANSPORT_UDP, 123 }, 2 },
};

static struct session_view session_of(void)
{
	struct session_view s = { .hello_real_ns = 11 };

	assert_true(addr_parse("192.0.2.1", &s.seen));
	s.seen.port = 40000;
	assert_true(addr_parse("203.0.113.9", &s.other[1]));
	s.mark[5] = (struct session_mark){ .flags = MANIFEST_SEEN,
		                           .source_port = 1234 };
	s.mark[2] = (struct session_mark){ .flags = MANIFEST_OTHER_ADDRESS,
		                           .other = 1,
		                           .other_port = 5678 };
	return s;
}

static struct manifest_source source_of(const struct session_view *session)
{
	static const struct halfopen_view nothing_waits = { .complete = true };

	return (struct manifest_source){
		.reflector = "fra1",
		.receipt_key = receipt_key,
		.run = run,
		.session = session,
		.halfopen = &nothing_waits,
		.listening = listening,
		.listening_count = 3,
		.report_real_ns = 22,
	};
}

static void each_listening_port_has_its_entry(void **state)
{
	struct session_view session = session_of();
	struct manifest_source source = source_of(&session);
	uint8_t bytes[WIRE_MESSAGE_MAX];
	struct rd r = rd_of(bytes, manifest_write(&source, bytes));
	struct wire_manifest m;
	const struct manifest_entry *entry;

	(void)state;
	assert_true(wire_manifest_decode(&r, &m));
	assert_string_equal(m.reflector, "fra1");
	assert_memory_equal(m.run, run, sizeof(run));
	assert_int_equal(m.hello_ns, 11);
	assert_int_equal(m.report_ns, 22);
	assert_int_equal(m.seen.port, 40000);
	assert_int_equal(m.entry_count, 3);

	entry = wire_manifest_find(&m, TRANSPORT_TCP, 443);
	assert_int_equal(entry->flags, MANIFEST_SEEN);
	assert_int_equal(entry->source_port, 1234);
	entry = wire_manifest_find(&m, TRANSPORT_UDP, 53);
	assert_int_equal(entry->flags, 0);
	assert_int_equal(entry->source_port, 0);
	entry = wire_manifest_find(&m, TRANSPORT_UDP, 123);
	assert_int_equal(entry->flags, MANIFEST_OTHER_ADDRESS);
	assert_true(addr_same_host(&entry->from, &session.other[1]));
	assert_int_equal(entry->from.port, 5678);
	assert_null(wire_manifest_find(&m, TRANSPORT_TCP, 80));
}

static void what_came_of_a_syn_counts_where_no_probe_was_seen(void **state)
{
	struct session_view session = session_of();
	struct manifest_source source = source_of(&session);
	struct halfopen_view half = {
		.complete = false,
		.waits = { 3, { { 53, 7, 0 }, { 443, 8, 0 }, { 25, 9, 0 } } },
	};
	struct portset_entry more[] = {
		{ { TRANSPORT_TCP, 443 }, 5 }, /* seen */
		{ { TRANSPORT_TCP, 25 }, 4 },
		{ { TRANSPORT_TCP, 80 }, 2 }, /* from another address */
		{ { TRANSPORT_UDP, 53 }, 0 },
	};
	uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wire_manifest m;
	struct rd r;

	(void)state;
	source.listening = more;
	source.listening_count = 4;
	source.halfopen = &half;
	r = rd_of(bytes, manifest_write(&source, bytes));
	assert_true(wire_manifest_decode(&r, &m));
	assert_int_equal(m.entry[0].flags, MANIFEST_SEEN);
	assert_int_equal(m.entry[0].source_port, 1234);
	assert_int_equal(m.entry[1].flags, MANIFEST_HALF_OPEN);
	assert_int_equal(m.entry[1].source_port, 9);
	assert_int_equal(m.entry[2].flags,
	                 MANIFEST_OTHER_ADDRESS | MANIFEST_UNSURE);
	assert_int_equal(m.entry[3].flags, 0);
}

static void one_changed_bit_breaks_the_seal(void **state)
{
	struct session_view session = session_of();
	struct manifest_source source = source_of(&session);
	uint8_t bytes[WIRE_MESSAGE_MAX];
	size_t n = manifest_write(&source, bytes);

	(void)state;
	assert_true(token_manifest_valid(receipt_key, bytes, n));
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 0x10;
		assert_false(token_manifest_valid(receipt_key, bytes, n));
		bytes[i] ^= 0x10;
	}
}

static void the_longest_manifest_fits_a_message(void **state)
{
	struct session_view session = session_of();
	struct manifest_source source = source_of(&session);
	struct portset_entry all[WIRE_PORTS_MAX];
	uint8_t bytes[WIRE_MESSAGE_MAX];
	size_t n;

	(void)state;
	for (uint16_t i = 0; i < WIRE_PORTS_MAX; i++) {
		all[i] = (struct portset_entry){
			{ TRANSPORT_UDP, (uint16_t)(i + 1) }, i
		};
		session.mark[i] = (struct session_mark){
			.flags = MANIFEST_SEEN | MANIFEST_OTHER_ADDRESS,
			.other = 1,
		};
	}
	source.listening = all;
	source.listening_count = WIRE_PORTS_MAX;
	source.reflector = "a-name-that-is-as-long-as-may-b";
	n = manifest_write(&source, bytes);
	assert_true(n > 0);
	assert_true(token_manifest_valid(receipt_key, bytes, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_listening_port_has_its_entry),
		cmocka_unit_test(
			what_came_of_a_syn_counts_where_no_probe_was_seen),
		cmocka_unit_test(one_changed_bit_breaks_the_seal),
		cmocka_unit_test(the_longest_manifest_fits_a_message),
	};

	return UNIT_RUN(tests);
}
