/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/wire.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

static const uint8_t run_id[WIRE_RUN_BYTES] = { 0x01, 0x9a, 0xab, 0x00,
	                                        0xc0, 0xde, 0x7a, 0xbc,
	                                        0x8d, 0xef, 0x01, 0x23,
	                                        0x45, 0x67, 0x89, 0xab };
static const uint8_t nonce[WIRE_NONCE_BYTES] = { 0xa0, 0xa1, 0xa2, 0xa3,
	                                         0xa4, 0xa5, 0xa6, 0xa7 };
static const uint8_t token[WIRE_TOKEN_BYTES] = { 0x8b, 0xd4, 0x89, 0xf4,
	                                         0x47, 0xe9, 0x9f, 0xdd,
	                                         0x3b, 0x21, 0xa6, 0xda,
	                                         0xfa, 0x2b, 0x94, 0xb4 };

#define CLOCK_NS INT64_C(1775520000123456789)

union message {
	struct wire_hello hello;
	struct wire_welcome welcome;
	struct wire_probe probe;
	struct wire_echo echo;
	struct wire_report report;
	struct wire_manifest manifest;
};

static bool decode_any(enum wire_type type, const void *bytes, size_t n,
                       union message *m)
{
	struct rd r = rd_of(bytes, n);

	switch (type) {
	case WIRE_HELLO:
		return wire_hello_decode(&r, &m->hello);
	case WIRE_WELCOME:
		return wire_welcome_decode(&r, &m->welcome);
	case WIRE_PROBE:
		return wire_probe_decode(&r, &m->probe);
	case WIRE_ECHO:
		return wire_echo_decode(&r, &m->echo);
	case WIRE_REPORT:
		return wire_report_decode(&r, &m->report);
	case WIRE_MANIFEST:
		return wire_manifest_decode(&r, &m->manifest);
	}
	return false;
}

static size_t encode_any(enum wire_type type, struct wr *w,
                         const union message *m)
{
	switch (type) {
	case WIRE_HELLO:
		return wire_hello_encode(w, &m->hello);
	case WIRE_WELCOME:
		return wire_welcome_encode(w, &m->welcome);
	case WIRE_PROBE:
		return wire_probe_encode(w, &m->probe);
	case WIRE_ECHO:
		return wire_echo_encode(w, &m->echo);
	case WIRE_REPORT:
		return wire_report_encode(w, &m->report);
	case WIRE_MANIFEST:
		return wire_manifest_encode(w, &m->manifest);
	}
	return 0;
}

static const struct {
	enum wire_type type;
	const char *file;
} golden[] = {
	{ WIRE_HELLO, "wire/hello.hex" },
	{ WIRE_WELCOME, "wire/welcome.hex" },
	{ WIRE_PROBE, "wire/probe.hex" },
	{ WIRE_ECHO, "wire/echo.hex" },
	{ WIRE_REPORT, "wire/report.hex" },
	{ WIRE_MANIFEST, "wire/manifest.hex" },
};

enum { GOLDEN_COUNT = sizeof(golden) / sizeof(golden[0]) };

static struct addr addr_of(const char *text, uint16_t port)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	a.port = port;
	return a;
}

static void assert_addr(const struct addr *a, const char *text, uint16_t port)
{
	struct addr wanted = addr_of(text, port);

	assert_int_equal(a->family, wanted.family);
	assert_memory_equal(a->ip, wanted.ip, sizeof(a->ip));
	assert_int_equal(a->port, port);
}

static void load(enum wire_type type, union message *m)
{
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes;

		if (golden[i].type != type)
			continue;
		bytes = fixture_read_hex(golden[i].file, &n);
		assert_true(decode_any(type, bytes, n, m));
		free(bytes);
	}
}

static void integers_are_big_endian(void **state)
{
	static const uint8_t wanted[] = { 1, 2,  3,  4,  5,  6,  7, 8,
		                          9, 10, 11, 12, 13, 14, 15 };
	uint8_t bytes[15];
	struct wr w = wr_of(bytes, sizeof(bytes));
	struct rd r = rd_of(wanted, sizeof(wanted));

	(void)state;
	wr_u8(&w, 1);
	wr_u16(&w, 0x0203);
	wr_u32(&w, 0x04050607);
	wr_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(wr_len(&w), sizeof(bytes));
	assert_memory_equal(bytes, wanted, sizeof(bytes));
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_true(r.p == r.end && !r.bad);
}

static void a_reader_stays_bad(void **state)
{
	uint8_t *one = fixture_copy("x", 1);
	struct rd r = rd_of(one, 1);
	uint8_t out[4] = { 9, 9, 9, 9 };

	(void)state;
	rd_bytes(&r, out, sizeof(out));
	assert_true(r.bad);
	assert_int_equal(out[0] | out[3], 0);
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_u64(&r), 0);
	assert_null(rd_take(&r, 0));
	assert_null(rd_take(&r, SIZE_MAX));
	free(one);
}

static void a_reader_takes_what_is_left_and_no_byte_more(void **state)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		struct rd all = rd_of(bytes, n);
		struct rd more = rd_of(bytes, n);

		assert_ptr_equal(rd_take(&all, n), bytes);
		assert_false(all.bad);
		assert_null(rd_take(&more, n + 1));
		assert_true(more.bad);
		assert_ptr_equal(more.p, bytes);
	}
}

static void a_writer_stays_bad(void **state)
{
	uint8_t *three = fixture_copy("abc", 3);
	struct wr w = wr_of(three, 3);

	(void)state;
	wr_u32(&w, 0);
	assert_true(w.bad);
	wr_u8(&w, 'x');
	assert_int_equal(wr_len(&w), 0);
	free(three);
}

static void golden_hello_has_the_expected_values(void **state)
{
	union message m;

	(void)state;
	load(WIRE_HELLO, &m);
	assert_memory_equal(m.hello.run, run_id, sizeof(run_id));
	assert_memory_equal(m.hello.nonce, nonce, sizeof(nonce));
}

static void golden_welcome_has_the_expected_values(void **state)
{
	union message m;

	(void)state;
	load(WIRE_WELCOME, &m);
	assert_memory_equal(m.welcome.nonce, nonce, sizeof(nonce));
	assert_addr(&m.welcome.seen, "192.0.2.33", 49152);
	assert_true(m.welcome.clock_ns == CLOCK_NS);
	assert_memory_equal(m.welcome.token, token, sizeof(token));
	assert_int_equal(m.welcome.port_count, 6);
	assert_int_equal(m.welcome.port[0].transport, TRANSPORT_TCP);
	assert_int_equal(m.welcome.port[0].port, 25);
	assert_int_equal(m.welcome.port[5].transport, TRANSPORT_UDP);
	assert_int_equal(m.welcome.port[5].port, 65535);
}

static void golden_probe_has_the_expected_values(void **state)
{
	union message m;

	(void)state;
	load(WIRE_PROBE, &m);
	assert_memory_equal(m.probe.run, run_id, sizeof(run_id));
	assert_memory_equal(m.probe.token, token, sizeof(token));
	assert_int_equal(m.probe.transport, TRANSPORT_UDP);
	assert_int_equal(m.probe.port, 53);
	assert_int_equal(m.probe.attempt, 2);
	assert_memory_equal(m.probe.nonce, nonce, sizeof(nonce));
}

static void golden_echo_has_the_expected_values(void **state)
{
	static const uint8_t digest[] = { 0x9f, 0x75, 0x28, 0x24,
		                          0x12, 0x80, 0x3f, 0xb3 };
	union message m;

	(void)state;
	load(WIRE_ECHO, &m);
	assert_memory_equal(m.echo.nonce, nonce, sizeof(nonce));
	assert_addr(&m.echo.seen, "2001:db8::21", 50001);
	assert_int_equal(m.echo.arrived, 53);
	assert_memory_equal(m.echo.digest, digest, sizeof(digest));
}

static void golden_report_has_the_expected_values(void **state)
{
	union message m;

	(void)state;
	load(WIRE_REPORT, &m);
	assert_memory_equal(m.report.run, run_id, sizeof(run_id));
	assert_memory_equal(m.report.token, token, sizeof(token));
}

static void golden_manifest_has_the_expected_values(void **state)
{
	union message m;
	const struct manifest_entry *e;

	(void)state;
	load(WIRE_MANIFEST, &m);
	assert_string_equal(m.manifest.reflector, "fra1");
	assert_memory_equal(m.manifest.run, run_id, sizeof(run_id));
	assert_addr(&m.manifest.seen, "192.0.2.33", 49152);
	assert_true(m.manifest.hello_ns == CLOCK_NS);
	assert_true(m.manifest.report_ns == CLOCK_NS + INT64_C(30000000000));
	assert_int_equal(m.manifest.entry_count, 5);
	e = wire_manifest_find(&m.manifest, TRANSPORT_TCP, 25);
	assert_non_null(e);
	assert_int_equal(e->flags, 0);
	assert_int_equal(e->source_port, 0);
	assert_int_equal(e->from.family, 0);
	e = wire_manifest_find(&m.manifest, TRANSPORT_UDP, 443);
	assert_non_null(e);
	assert_int_equal(e->flags, MANIFEST_SEEN | MANIFEST_OTHER_ADDRESS);
	assert_int_equal(e->source_port, 50013);
	assert_addr(&e->from, "2001:db8:1::9", 50014);
	assert_null(wire_manifest_find(&m.manifest, TRANSPORT_UDP, 25));
}

static void golden_messages_are_encoded_to_the_same_bytes(void **state)
{
	(void)state;
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes = fixture_read_hex(golden[i].file, &n);
		uint8_t *again = malloc(n);
		struct wr w = wr_of(again, n);
		union message m;

		assert_true(decode_any(golden[i].type, bytes, n, &m));
		assert_int_equal(encode_any(golden[i].type, &w, &m), n);
		assert_memory_equal(bytes, again, n);
		free(again);
		free(bytes);
	}
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes = fixture_read_hex(golden[i].file, &n);

		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *part = fixture_copy(bytes, cut);
			union message m;

			assert_false(decode_any(golden[i].type, part, cut, &m));
			if (cut >= WIRE_HEADER_BYTES) {
				/* The same with a length that agrees. */
				part[6] = (uint8_t)(cut >> 8);
				part[7] = (uint8_t)cut;
				assert_false(decode_any(golden[i].type, part,
				                        cut, &m));
			}
			free(part);
		}
		free(bytes);
	}
}

static void trailing_bytes_are_refused(void **state)
{
	(void)state;
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes = fixture_read_hex(golden[i].file, &n);
		uint8_t *longer = malloc(n + 1);
		union message m;

		memcpy(longer, bytes, n);
		longer[n] = 0;
		assert_false(decode_any(golden[i].type, longer, n + 1, &m));
		longer[6] = (uint8_t)((n + 1) >> 8);
		longer[7] = (uint8_t)(n + 1);
		assert_false(decode_any(golden[i].type, longer, n + 1, &m));
		free(longer);
		free(bytes);
	}
}

static void a_changed_header_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes = fixture_read_hex(golden[i].file, &n);
		union message m;

		for (int bit = 0; bit < 8 * WIRE_HEADER_BYTES; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(decode_any(golden[i].type, bytes, n, &m));
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(bytes);
	}
}

static void an_encoder_that_lacks_room_writes_no_message(void **state)
{
	(void)state;
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes = fixture_read_hex(golden[i].file, &n);
		union message m;

		assert_true(decode_any(golden[i].type, bytes, n, &m));
		for (size_t room = 0; room < n; room++) {
			uint8_t *out = fixture_copy(bytes, room);
			struct wr w = wr_of(out, room);

			assert_int_equal(encode_any(golden[i].type, &w, &m), 0);
			free(out);
		}
		free(bytes);
	}
}

/* Encode, spoil one byte, and expect a refusal. */
static void assert_spoilt(enum wire_type type, const union message *m,
                          size_t at, uint8_t value)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wr w = wr_of(bytes, sizeof(bytes));
	size_t n = encode_any(type, &w, m);
	static union message out;

	assert_true(n > at);
	assert_true(decode_any(type, bytes, n, &out));
	bytes[at] = value;
	assert_false(decode_any(type, bytes, n, &out));
}

static void impossible_fields_are_refused(void **state)
{
	static union message m;

	(void)state;
	load(WIRE_WELCOME, &m);
	assert_spoilt(WIRE_WELCOME, &m, 16, 0); /* family */
	assert_spoilt(WIRE_WELCOME, &m, 16, 5);
	assert_spoilt(WIRE_WELCOME, &m, 17 + 4, 1); /* behind an IPv4 */
	assert_spoilt(WIRE_WELCOME, &m, 17 + 15, 1);
	assert_spoilt(WIRE_WELCOME, &m, 60, 7); /* count */
	assert_spoilt(WIRE_WELCOME, &m, 59, 0xff);
	assert_spoilt(WIRE_WELCOME, &m, 61, 2); /* transport */
	load(WIRE_PROBE, &m);
	assert_spoilt(WIRE_PROBE, &m, 40, 2);
	load(WIRE_ECHO, &m);
	assert_spoilt(WIRE_ECHO, &m, 16, 4); /* an IPv6 called IPv4 */
	load(WIRE_MANIFEST, &m);
	assert_spoilt(WIRE_MANIFEST, &m, 8, 0); /* name: empty */
	assert_spoilt(WIRE_MANIFEST, &m, 8, 'F');
	assert_spoilt(WIRE_MANIFEST, &m, 9, '_');
	assert_spoilt(WIRE_MANIFEST, &m, 8 + 20, 'x');
	assert_spoilt(WIRE_MANIFEST, &m, 56, 7);   /* family */
	assert_spoilt(WIRE_MANIFEST, &m, 92, 6);   /* count */
	assert_spoilt(WIRE_MANIFEST, &m, 93, 9);   /* transport */
	assert_spoilt(WIRE_MANIFEST, &m, 96, 16);  /* an unknown flag */
	assert_spoilt(WIRE_MANIFEST, &m, 101, 25); /* 80 becomes 25 again */
}

static void a_manifest_cannot_contradict_itself(void **state)
{
	static struct wire_manifest m = { .reflector = "a",
		                          .seen.family = 4,
		                          .entry_count = 1 };
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	static union message out;

	(void)state;
	m.entry[0].from.family = 4;
	for (int flags = 0; flags < 256; flags++) {
		int at_most_one = flags & ~MANIFEST_OTHER_ADDRESS;
		bool tcp_only = at_most_one == MANIFEST_HALF_OPEN ||
		                at_most_one == MANIFEST_UNSURE;
		bool any = at_most_one == 0 || at_most_one == MANIFEST_SEEN;

		for (uint8_t transport = 0; transport < 2; transport++) {
			bool good =
				any || (tcp_only && transport == TRANSPORT_TCP);
			struct wr w = wr_of(bytes, sizeof(bytes));
			size_t n;

			/* Encode what is allowed, then spoil it. */
			m.entry[0].transport = transport;
			m.entry[0].flags = (uint8_t)flags;
			n = wire_manifest_encode(&w, &m);
			assert_int_equal(n > 0, good);
			m.entry[0].flags = flags & MANIFEST_OTHER_ADDRESS;
			w = wr_of(bytes, sizeof(bytes));
			n = wire_manifest_encode(&w, &m);
			bytes[96] = (uint8_t)flags;
			assert_int_equal(decode_any(WIRE_MANIFEST, bytes, n,
			                            &out),
			                 good);
		}
	}
}

/* Write a message whose list has as many ports as given; 0: does not fit. */
static size_t message_of_ports(enum wire_type type, uint16_t ports,
                               uint8_t out[WIRE_MESSAGE_MAX])
{
	bool is_manifest = type == WIRE_MANIFEST;
	struct wr w = wr_of(out, WIRE_MESSAGE_MAX);
	struct addr seen = { .family = 6, .ip = { 0x20, 0x01 } };
	size_t n = is_manifest ? MANIFEST_BYTES + ports * (size_t)ENTRY_BYTES
	                       : WELCOME_BYTES + ports * (size_t)PORT_BYTES;
	static const uint8_t zero[64];

	wr_header(&w, type, n);
	if (is_manifest) {
		wr_name(&w, "fra1\0..........................");
		wr_bytes(&w, run_id, sizeof(run_id));
	} else {
		wr_bytes(&w, nonce, sizeof(nonce));
	}
	wr_endpoint(&w, &seen);
	wr_bytes(&w, zero, is_manifest ? 16 : 8 + WIRE_TOKEN_BYTES);
	wr_u16(&w, ports);
	for (uint16_t i = 0; i < ports; i++) {
		wr_u8(&w, TRANSPORT_TCP);
		wr_u16(&w, (uint16_t)(i + 1));
		wr_bytes(&w, zero, is_manifest ? 3 : 0);
	}
	wr_bytes(&w, zero, is_manifest ? WIRE_MAC_BYTES : 0);
	return wr_len(&w) == n ? n : 0;
}

static void a_list_of_one_port_too_many_is_refused(void **state)
{
	static const enum wire_type types[] = { WIRE_WELCOME, WIRE_MANIFEST };
	static uint8_t bytes[WIRE_MESSAGE_MAX];

	(void)state;
	for (int i = 0; i < 2; i++)
		for (uint16_t more = 0; more < 2; more++) {
			union message m;
			size_t n = message_of_ports(
				types[i], (uint16_t)(WIRE_PORTS_MAX + more),
				bytes);

			assert_true(n > 0);
			assert_int_equal(decode_any(types[i], bytes, n, &m),
			                 more == 0);
		}
}

static void a_mapped_address_is_refused(void **state)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static union message m;
	uint8_t bytes[128];
	struct wr w = wr_of(bytes, sizeof(bytes));

	(void)state;
	load(WIRE_ECHO, &m);
	size_t n = wire_echo_encode(&w, &m.echo);

	memcpy(bytes + 17, mapped, sizeof(mapped));
	assert_false(decode_any(WIRE_ECHO, bytes, n, &m));
	memcpy(m.echo.seen.ip, mapped, sizeof(mapped));
	w = wr_of(bytes, sizeof(bytes));
	assert_int_equal(wire_echo_encode(&w, &m.echo), 0);
}

static void a_full_name_has_31_characters(void **state)
{
	static union message m;
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wr w = wr_of(bytes, sizeof(bytes));

	(void)state;
	load(WIRE_MANIFEST, &m);
	memset(m.manifest.reflector, 'a', WIRE_NAME_BYTES);
	assert_int_equal(wire_manifest_encode(&w, &m.manifest), 0);
	m.manifest.reflector[WIRE_NAME_BYTES - 1] = '\0';
	w = wr_of(bytes, sizeof(bytes));

	size_t n = wire_manifest_encode(&w, &m.manifest);

	assert_true(n > 0);
	assert_true(decode_any(WIRE_MANIFEST, bytes, n, &m));
	bytes[8 + WIRE_NAME_BYTES - 1] = 'a';
	assert_false(decode_any(WIRE_MANIFEST, bytes, n, &m));
}

static void bytes_behind_a_name_do_not_travel(void **state)
{
	static union message m;
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wr w = wr_of(bytes, sizeof(bytes));

	(void)state;
	load(WIRE_MANIFEST, &m);
	m.manifest.reflector[20] = 'x';

	size_t n = wire_manifest_encode(&w, &m.manifest);

	assert_true(n > 0);
	assert_true(decode_any(WIRE_MANIFEST, bytes, n, &m));
	assert_int_equal(m.manifest.reflector[20], 0);
}

static void an_echo_is_shorter_than_a_probe(void **state)
{
	(void)state;
	assert_true((int)ECHO_BYTES < (int)WIRE_PROBE_BYTES);
}

static void a_probe_with_changed_padding_can_be_read(void **state)
{
	union message m;
	size_t n;
	uint8_t *bytes = fixture_read_hex("wire/probe.hex", &n);

	(void)state;
	bytes[n - 1] = 0xff;
	bytes[n - PADDING_BYTES] = 0xff;
	assert_true(decode_any(WIRE_PROBE, bytes, n, &m));
	free(bytes);
}

static void peek_names_every_message(void **state)
{
	(void)state;
	for (int i = 0; i < GOLDEN_COUNT; i++) {
		size_t n;
		uint8_t *bytes = fixture_read_hex(golden[i].file, &n);
		enum wire_type type = 0;
		size_t length = 0;

		for (size_t cut = 0; cut < WIRE_HEADER_BYTES; cut++) {
			uint8_t *part = fixture_copy(bytes, cut);

			assert_int_equal(wire_peek(part, cut, &type, &length),
			                 WIRE_SHORT);
			free(part);
		}
		assert_int_equal(wire_peek(bytes, WIRE_HEADER_BYTES, &type,
		                           &length),
		                 WIRE_MESSAGE);
		assert_int_equal(type, golden[i].type);
		assert_int_equal(length, n);
		free(bytes);
	}
}

static void peek_knows_strangers_from_their_first_byte(void **state)
{
	static const char *const strangers[] = { "GET / HTTP/1.1",
		                                 "\x16\x03\x01",
		                                 "OPTIONS sip:", "\x1bPpX",
		                                 "\x1bPpS\x02" };
	enum wire_type type;
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++)
		assert_int_equal(wire_peek(strangers[i], strlen(strangers[i]),
		                           &type, &length),
		                 WIRE_FOREIGN);
	assert_int_equal(wire_peek("G", 1, &type, &length), WIRE_FOREIGN);
	assert_int_equal(wire_peek("", 0, &type, &length), WIRE_SHORT);
}

static void peek_refuses_types_and_lengths_that_do_not_exist(void **state)
{
	enum wire_type type;
	size_t length;

	(void)state;
	for (unsigned t = 0; t < 256; t++)
		for (unsigned n = 0; n < 0x10000; n += 1) {
			uint8_t h[8] = { 0x1b,
				         'P',
				         'p',
				         'S',
				         1,
				         (uint8_t)t,
				         (uint8_t)(n >> 8),
				         (uint8_t)n };
			bool known = t >= 1 && t <= 8 && t != 5 && t != 6;
			bool message =
				wire_peek(h, 8, &type, &length) == WIRE_MESSAGE;

			if (message && (!known || n < REPORT_BYTES - 8 ||
			                n > WIRE_MESSAGE_MAX))
				fail_msg("type %u length %u", t, n);
		}
}

static struct addr random_addr(struct fixture_random *r)
{
	struct addr a = { .family = fixture_below(r, 2) ? 4 : 6 };

	fixture_fill(r, a.ip, a.family == 4 ? 4 : 16);
	a.port = (uint16_t)fixture_next(r);
	return a;
}

static void random_welcome(struct fixture_random *r, struct wire_welcome *m)
{
	memset(m, 0, sizeof(*m));
	fixture_fill(r, m->nonce, sizeof(m->nonce));
	fixture_fill(r, m->token, sizeof(m->token));
	m->seen = random_addr(r);
	m->clock_ns = (int64_t)fixture_next(r);
	m->port_count = (uint16_t)fixture_below(r, WIRE_PORTS_MAX + 1);
	for (int i = 0; i < m->port_count; i++) {
		m->port[i].transport = (uint8_t)fixture_below(r, 2);
		m->port[i].port = (uint16_t)fixture_next(r);
	}
}

static uint8_t random_flags(struct fixture_random *r, uint8_t transport)
{
	static const uint8_t flags[] = { 0, MANIFEST_SEEN, MANIFEST_HALF_OPEN,
		                         MANIFEST_UNSURE };
	uint8_t other = fixture_below(r, 2) ? MANIFEST_OTHER_ADDRESS : 0;

	return other |
	       flags[fixture_below(r, transport == TRANSPORT_TCP ? 4 : 2)];
}

static void random_manifest(struct fixture_random *r, struct wire_manifest *m)
{
	uint16_t port = (uint16_t)fixture_next(r);

	memset(m, 0, sizeof(*m));
	fixture_fill(r, m->run, sizeof(m->run));
	fixture_fill(r, m->mac, sizeof(m->mac));
	for (uint32_t i = 0, n = 1 + fixture_below(r, 31); i < n; i++)
		m->reflector[i] = "abz019-"[fixture_below(r, 7)];
	m->seen = random_addr(r);
	m->hello_ns = (int64_t)fixture_next(r);
	m->report_ns = (int64_t)fixture_next(r);
	m->entry_count = (uint16_t)fixture_below(r, WIRE_PORTS_MAX + 1);
	for (int i = 0; i < m->entry_count; i++) {
		struct manifest_entry *e = &m->entry[i];

		e->transport = (uint8_t)(i & 1);
		e->port = (uint16_t)(port + i);
		e->flags = random_flags(r, e->transport);
		e->source_port = (uint16_t)fixture_next(r);
		if (e->flags & MANIFEST_OTHER_ADDRESS)
			e->from = random_addr(r);
	}
}

static void random_messages_survive_the_wire(void **state)
{
	struct fixture_random r = fixture_random_new();
	static union message in;
	static union message out;
	uint8_t *bytes = malloc(WIRE_MESSAGE_MAX);

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct wr w = wr_of(bytes, WIRE_MESSAGE_MAX);
		size_t n;

		memset(&out, 0, sizeof(out));
		random_welcome(&r, &in.welcome);
		n = wire_welcome_encode(&w, &in.welcome);
		assert_true(decode_any(WIRE_WELCOME, bytes, n, &out));
		assert_memory_equal(&in, &out, sizeof(in.welcome));

		memset(&out, 0, sizeof(out));
		w = wr_of(bytes, WIRE_MESSAGE_MAX);
		random_manifest(&r, &in.manifest);
		n = wire_manifest_encode(&w, &in.manifest);
		assert_true(decode_any(WIRE_MANIFEST, bytes, n, &out));
		assert_memory_equal(&in, &out, sizeof(in.manifest));
	}
	free(bytes);
}

static void the_longest_manifest_fits(void **state)
{
	static struct wire_manifest m;
	static union message out;
	uint8_t *bytes = malloc(WIRE_MESSAGE_MAX);
	struct wr w = wr_of(bytes, WIRE_MESSAGE_MAX);

	(void)state;
	m.reflector[0] = 'a';
	m.seen.family = 4;
	m.entry_count = WIRE_PORTS_MAX;
	for (int i = 0; i < WIRE_PORTS_MAX; i++)
		m.entry[i] = (struct manifest_entry){
			.port = (uint16_t)i,
			.flags = MANIFEST_OTHER_ADDRESS,
			.from.family = 4,
		};

	size_t n = wire_manifest_encode(&w, &m);

	assert_int_equal(n, 125 + 25 * WIRE_PORTS_MAX);
	assert_true(decode_any(WIRE_MANIFEST, bytes, n, &out));
	free(bytes);
}

static void an_encoder_refuses_what_a_decoder_would(void **state)
{
	static struct wire_manifest m = { .reflector = "a", .seen.family = 4 };
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wire_probe probe = { .transport = 2 };
	struct wr w = wr_of(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(wire_probe_encode(&w, &probe), 0);
	m.entry_count = WIRE_PORTS_MAX + 1;
	w = wr_of(bytes, sizeof(bytes));
	assert_int_equal(wire_manifest_encode(&w, &m), 0);
	m.entry_count = 1;
	m.entry[0].flags = 16;
	w = wr_of(bytes, sizeof(bytes));
	assert_int_equal(wire_manifest_encode(&w, &m), 0);
	m.entry[0].flags = 0;
	m.seen.family = 0;
	w = wr_of(bytes, sizeof(bytes));
	assert_int_equal(wire_manifest_encode(&w, &m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(a_reader_stays_bad),
		cmocka_unit_test(a_reader_takes_what_is_left_and_no_byte_more),
		cmocka_unit_test(a_writer_stays_bad),
		cmocka_unit_test(golden_hello_has_the_expected_values),
		cmocka_unit_test(golden_welcome_has_the_expected_values),
		cmocka_unit_test(golden_probe_has_the_expected_values),
		cmocka_unit_test(golden_echo_has_the_expected_values),
		cmocka_unit_test(golden_report_has_the_expected_values),
		cmocka_unit_test(golden_manifest_has_the_expected_values),
		cmocka_unit_test(golden_messages_are_encoded_to_the_same_bytes),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(a_changed_header_is_refused),
		cmocka_unit_test(an_encoder_that_lacks_room_writes_no_message),
		cmocka_unit_test(impossible_fields_are_refused),
		cmocka_unit_test(a_manifest_cannot_contradict_itself),
		cmocka_unit_test(a_list_of_one_port_too_many_is_refused),
		cmocka_unit_test(a_mapped_address_is_refused),
		cmocka_unit_test(a_full_name_has_31_characters),
		cmocka_unit_test(bytes_behind_a_name_do_not_travel),
		cmocka_unit_test(an_echo_is_shorter_than_a_probe),
		cmocka_unit_test(a_probe_with_changed_padding_can_be_read),
		cmocka_unit_test(peek_names_every_message),
		cmocka_unit_test(peek_knows_strangers_from_their_first_byte),
		cmocka_unit_test(
			peek_refuses_types_and_lengths_that_do_not_exist),
		cmocka_unit_test(random_messages_survive_the_wire),
		cmocka_unit_test(the_longest_manifest_fits),
		cmocka_unit_test(an_encoder_refuses_what_a_decoder_would),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
