/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "collector/batch.c" /* the code under test */

#include "tests/load/made.h"
#include "tests/unit/fixture.h"

#define STARTED INT64_C(1795340650123456789)

enum { PROBES = 5 };

static const uint8_t agent[KEYS_ID_BYTES] = { 1, 2, 3 };
static const uint8_t line[KEYS_ID_BYTES] = { 9 };
static const uint8_t peer[BATCH_PEER_BYTES] = { 0, 1, 2, 3, 4 };

struct sample {
	struct record record;
	struct judgement judgement;
	struct geo_place place;
	struct addr seen;
	uint32_t evidence_asn[RECORD_EVIDENCE_MAX];
	struct batch_run run;
};

static struct sample *sample_new(size_t probes)
{
	struct sample *s = mem_alloc(sizeof(*s));

	made_record(&s->record, "fra1", STARTED, probes);
	s->judgement.status = RUN_VALID;
	memset(s->judgement.seen, SEEN_YES, sizeof(s->judgement.seen));
	s->place = (struct geo_place){ .asn = 64501,
		                       .asn_name = "Netz \xc3\x84",
		                       .country = "XA" };
	s->evidence_asn[0] = 64501;
	assert_true(addr_parse("198.51.100.7", &s->seen));
	s->run = (struct batch_run){
		.record = &s->record,
		.judgement = &s->judgement,
		.place = &s->place,
		.seen = &s->seen,
		.agent_id = agent,
		.line = line,
		.evidence_asn = s->evidence_asn,
		.reflector = 3,
		.received_ns = STARTED + CLOCK_S,
		.peer = peer,
	};
	return s;
}

/* The next field of a row; length -1 when it is null. */
static struct rd field(struct rd *row, int32_t *n)
{
	const uint8_t *at;

	*n = (int32_t)rd_u32(row);
	at = *n > 0 ? rd_take(row, (size_t)*n) : row->p;
	assert_false(row->bad);
	return rd_of(at, *n > 0 ? (size_t)*n : 0);
}

static void skip_fields(struct rd *row, int count)
{
	int32_t n;

	while (count-- > 0)
		field(row, &n);
}

static struct rd row_at(const struct batch *b, size_t i)
{
	struct rd r = rd_of(b->bytes + b->row[i].offset, b->row[i].n_bytes);

	assert_int_equal(rd_u16(&r), FIELDS);
	return r;
}

static int count_columns(void)
{
	int n = 1;

	for (const char *p = batch_columns; *p; p++)
		n += *p == ',';
	return n;
}

static void a_row_has_a_field_for_each_column_and_no_byte_more(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd row;

	(void)state;
	assert_int_equal(count_columns(), FIELDS);
	batch_add(b, &s->run);
	row = row_at(b, 0);
	skip_fields(&row, FIELDS);
	assert_ptr_equal(row.p, row.end);
	batch_free(b);
	free(s);
}

static void times_are_microseconds_since_2000(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd row;
	struct rd value;
	int32_t n;

	(void)state;
	batch_add(b, &s->run);
	row = row_at(b, 0);
	skip_fields(&row, 3);
	value = field(&row, &n);
	assert_int_equal(n, 8);
	assert_int_equal(rd_u64(&value),
	                 STARTED / 1000 - INT64_C(946684800000000));
	batch_free(b);
	free(s);
}

static void the_prefix_is_what_postgresql_calls_a_cidr(void **state)
{
	static const uint8_t ipv4[] = { 2, 24, 1, 4, 198, 51, 100, 0 };
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd row;
	struct rd value;
	int32_t n;

	(void)state;
	batch_add(b, &s->run);
	assert_true(addr_parse("2001:db8:1:2::3", &s->seen));
	batch_add(b, &s->run);
	s->run.seen = NULL;
	s->run.line = NULL;
	batch_add(b, &s->run);
	row = row_at(b, 0);
	skip_fields(&row, 9);
	value = field(&row, &n);
	assert_int_equal(n, sizeof(ipv4));
	assert_memory_equal(value.p, ipv4, sizeof(ipv4));
	row = row_at(b, 1);
	skip_fields(&row, 9);
	value = field(&row, &n);
	assert_int_equal(n, 20);
	assert_int_equal(value.p[0], 3);
	assert_int_equal(value.p[1], 48);
	row = row_at(b, 2);
	skip_fields(&row, 8);
	field(&row, &n);
	assert_int_equal(n, -1);
	field(&row, &n);
	assert_int_equal(n, -1);
	batch_free(b);
	free(s);
}

static void assert_array(struct rd a, uint32_t type, size_t element_bytes,
                         const uint32_t *expected, size_t count)
{
	assert_int_equal(rd_u32(&a), 1);
	assert_int_equal(rd_u32(&a), 0);
	assert_int_equal(rd_u32(&a), type);
	assert_int_equal(rd_u32(&a), count);
	assert_int_equal(rd_u32(&a), 1);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(rd_u32(&a), element_bytes);
		assert_int_equal(element_bytes == 2 ? rd_u16(&a) : rd_u32(&a),
		                 expected[i]);
	}
	assert_ptr_equal(a.p, a.end);
	assert_false(a.bad);
}

static void probes_become_parallel_arrays(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	uint32_t transports[PROBES];
	uint32_t ports[PROBES];
	uint32_t rtts[PROBES];
	struct rd row;
	int32_t n;

	(void)state;
	for (size_t i = 0; i < PROBES; i++) {
		s->record.probe[i].rtt_us = (uint32_t)(0x01020300 + i);
		s->record.probe[i].port = (uint16_t)(65531 + i);
		transports[i] = s->record.probe[i].transport;
		ports[i] = s->record.probe[i].port;
		rtts[i] = s->record.probe[i].rtt_us;
	}
	batch_add(b, &s->run);
	row = row_at(b, 0);
	skip_fields(&row, 20);
	assert_array(field(&row, &n), INT2_OID, 2, transports, PROBES);
	assert_array(field(&row, &n), INT4_OID, 4, ports, PROBES);
	skip_fields(&row, 1);
	assert_array(field(&row, &n), INT4_OID, 4, rtts, PROBES);
	batch_free(b);
	free(s);
}

static void no_probes_are_empty_arrays(void **state)
{
	struct sample *s = sample_new(0);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd row;
	struct rd value;
	int32_t n;

	(void)state;
	batch_add(b, &s->run);
	row = row_at(b, 0);
	skip_fields(&row, 19);
	value = field(&row, &n);
	assert_int_equal(n, 12);
	assert_int_equal(rd_u32(&value), 0);
	batch_free(b);
	free(s);
}

static void evidence_is_json_with_the_sender_s_as(void **state)
{
	static const char expected[] =
		"\x01[{\"i\":4,\"icmp\":[3,13],\"from\":\"100.64.7.1\","
		"\"asn\":64501}]";
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd row;
	struct rd value;
	int32_t n;

	(void)state;
	batch_add(b, &s->run);
	row = row_at(b, 0);
	skip_fields(&row, 28);
	value = field(&row, &n);
	assert_int_equal(n, sizeof(expected) - 1);
	assert_memory_equal(value.p, expected, sizeof(expected) - 1);
	batch_free(b);
	free(s);
}

static void the_largest_record_fits_a_row(void **state)
{
	struct sample *s = sample_new(RECORD_PROBES_MAX);
	struct batch *b = batch_new(10, 4 << 20);

	(void)state;
	s->record.evidence_count = RECORD_EVIDENCE_MAX;
	for (size_t i = 0; i < RECORD_EVIDENCE_MAX; i++) {
		struct record_evidence *v = &s->record.evidence[i];

		*v = (struct record_evidence){
			.probe = (uint16_t)i,
			.skip = SKIP_NOT_LISTENING,
			.has_icmp = true,
			.icmp_type = 255,
			.icmp_code = 255,
			.banner_bytes = RECORD_BANNER_BYTES,
			.arrived_port = 65535,
			.sys_errno = 4095,
		};
		assert_true(addr_parse("2001:db8:1111:2222:3333:4444:5555:6666",
		                       &v->from));
		s->evidence_asn[i] = UINT32_MAX;
	}
	batch_add(b, &s->run);
	assert_true(b->row[0].n_bytes < BATCH_ROW_MAX);
	batch_free(b);
	free(s);
}

static void the_store_s_columns_are_filled_in_afterwards(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd row;
	struct rd value;
	int32_t n;

	(void)state;
	batch_add(b, &s->run);
	batch_add(b, &s->run);
	batch_patch(b, &b->row[1], 0x1234, 0x0567);
	row = row_at(b, 1);
	value = field(&row, &n);
	assert_int_equal(n, 2);
	assert_int_equal(rd_u16(&value), 0x1234);
	value = field(&row, &n);
	assert_int_equal(n, 2);
	assert_int_equal(rd_u16(&value), 0x0567);
	batch_free(b);
	free(s);
}

static void rows_are_ordered_by_key(void **state)
{
	struct fixture_random random = fixture_random_new();
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(300, 64 << 20);
	uint8_t id[KEYS_ID_BYTES];

	(void)state;
	s->run.agent_id = id;
	for (size_t i = 0; i < 300; i++) {
		fixture_fill(&random, id, sizeof(id));
		id[0] %= 4;
		batch_add(b, &s->run);
	}
	batch_sort(b);
	for (size_t i = 1; i < b->count; i++)
		assert_true(memcmp(b->row[b->order[i - 1]].key,
		                   b->row[b->order[i]].key,
		                   BATCH_KEY_BYTES) < 0);
	batch_free(b);
	free(s);
}

static void after_a_row_stands_what_is_about_it(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	struct rd about;
	struct rd value;
	int32_t n;

	(void)state;
	batch_add(b, &s->run);
	batch_add(b, &s->run);
	about = batch_about(b, &b->row[0]);
	value = field(&about, &n);
	assert_int_equal(n, 4);
	assert_int_equal(rd_u32(&value), 9822); /* 2026-11-22 less 2000-01-01 */
	value = field(&about, &n);
	assert_memory_equal(value.p, agent, sizeof(agent));
	skip_fields(&about, ABOUT_ASN_NAME - ABOUT_VERSION);
	value = field(&about, &n);
	assert_int_equal(n, strlen(s->place.asn_name));
	assert_memory_equal(value.p, s->place.asn_name, (size_t)n);
	skip_fields(&about, 1);
	assert_ptr_equal(about.p, about.end);
	assert_ptr_equal(about.end, b->bytes + b->row[1].offset);
	batch_free(b);
	free(s);
}

static void runs_are_the_same_but_for_when_they_came(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);

	(void)state;
	batch_add(b, &s->run);
	s->run.received_ns += CLOCK_S;
	s->record.started_ns += CLOCK_S;
	batch_add(b, &s->run);
	s->record.started_ns += CLOCK_DAY;
	batch_add(b, &s->run);
	s->place.asn_name[0] ^= 1;
	batch_add(b, &s->run);
	assert_true(batch_same_about(b, &b->row[0], &b->row[1]));
	assert_false(batch_same_about(b, &b->row[1], &b->row[2]));
	assert_false(batch_same_about(b, &b->row[2], &b->row[3]));
	batch_free(b);
	free(s);
}

static void the_same_run_twice_is_a_twin(void **state)
{
	struct sample *s = sample_new(PROBES);
	struct batch *b = batch_new(10, 4 << 20);
	size_t twins = 0;

	(void)state;
	batch_add(b, &s->run);
	s->record.run[0] ^= 1;
	batch_add(b, &s->run);
	s->record.run[0] ^= 1;
	batch_add(b, &s->run);
	batch_sort(b);
	for (size_t i = 0; i < b->count; i++) {
		twins += batch_is_twin(b, i);
		assert_true(batch_is_twin(b, i) != batch_is_pending(b, i));
	}
	assert_int_equal(twins, 1);
	b->row[b->order[0]].result = ROW_STORED;
	assert_false(batch_is_pending(b, 0));
	batch_free(b);
	free(s);
}

static void a_batch_is_full_by_rows_or_by_bytes(void **state)
{
	struct sample *s = sample_new(RECORD_PROBES_MAX);
	struct batch *b = batch_new(3, 4 << 20);
	size_t rows = 0;

	(void)state;
	for (; !batch_is_full(b); rows++)
		batch_add(b, &s->run);
	assert_int_equal(rows, 3);
	batch_free(b);
	b = batch_new(100000, 1 << 20);
	for (rows = 0; !batch_is_full(b); rows++)
		batch_add(b, &s->run);
	assert_true(b->n_bytes <= 1 << 20);
	assert_true(rows > 10);
	batch_clear(b);
	assert_false(batch_is_full(b));
	batch_free(b);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_row_has_a_field_for_each_column_and_no_byte_more),
		cmocka_unit_test(times_are_microseconds_since_2000),
		cmocka_unit_test(the_prefix_is_what_postgresql_calls_a_cidr),
		cmocka_unit_test(probes_become_parallel_arrays),
		cmocka_unit_test(no_probes_are_empty_arrays),
		cmocka_unit_test(evidence_is_json_with_the_sender_s_as),
		cmocka_unit_test(the_largest_record_fits_a_row),
		cmocka_unit_test(the_store_s_columns_are_filled_in_afterwards),
		cmocka_unit_test(rows_are_ordered_by_key),
		cmocka_unit_test(after_a_row_stands_what_is_about_it),
		cmocka_unit_test(runs_are_the_same_but_for_when_they_came),
		cmocka_unit_test(the_same_run_twice_is_a_twin),
		cmocka_unit_test(a_batch_is_full_by_rows_or_by_bytes),
	};

	return UNIT_RUN(tests);
}
