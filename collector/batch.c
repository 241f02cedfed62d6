/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of a binary COPY is a count of fields, then for each its length in
 * bytes (-1: null) and its value as the type's receive function wants it:
 *
 *   +-------+--------+---------------+--------+--------------+--
 *   | n (2) | len(4) | reflector (2) | len(4) | geo source(2)| ...
 *   +-------+--------+---------------+--------+--------------+--
 *   0       2        6               8        12
 *
 * An array is: dimensions, has nulls, type; for each dimension its size and
 * lowest index; then length and value of each element.
 *
 * After a row comes what is about it: fields of the same form.
 */
#include "collector/batch.h"

#include "collector/evidence.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include <assert.h>

enum {
	FIELDS = 30,
	REFLECTOR_AT = 6,
	SOURCE_AT = 12,
	INT2_OID = 21,
	INT4_OID = 23,
	PG_IPV4 = 2, /* PGSQL_AF_INET, PGSQL_AF_INET6 */
	PG_IPV6 = 3,
	JSONB_VERSION = 1,
	PREFIX_BITS4 = 24,
	PREFIX_BITS6 = 48,
	/* All but evidence: fixed columns, texts, nine arrays, what is about. */
	FIXED_BYTES_MAX = 2048 + 9 * 20,
	PROBE_BYTES = 7 * 6 + 2 * 8,
	FIRST_ROOM_BYTES = 65536,
};

/* 2000-01-01, where PostgreSQL's time begins, as counted from 1970. */
#define PG_EPOCH_US   INT64_C(946684800000000)
#define PG_EPOCH_DAYS 10957

/* The last field about a run, which is left out where two are compared. */
#define RECEIVED_BYTES (4 + 8)

const char batch_columns[] =
	"reflector_id, geo_source_id, agent_id, started, run_id, received, "
	"asn, country, line, prefix, family, plan, classes, status, void_tcp, "
	"void_udp, clock_offset_ms, duration_ms, agent_version, "
	"probe_direction, probe_transport, probe_port, probe_outcome, "
	"probe_rtt_us, probe_attempts, probe_hop, probe_seen, probe_place, "
	"evidence, path";

const uint8_t batch_header[BATCH_HEADER_BYTES] = {
	'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n',
};

const uint8_t batch_trailer[BATCH_TRAILER_BYTES] = { 0xff, 0xff };

/* ---- fields -------------------------------------------------------------- */

static void put_null(struct wr *w)
{
	wr_u32(w, UINT32_MAX);
}

static void put_int2(struct wr *w, int16_t v)
{
	wr_u32(w, 2);
	wr_u16(w, (uint16_t)v);
}

static void put_int4(struct wr *w, int32_t v)
{
	wr_u32(w, 4);
	wr_u32(w, (uint32_t)v);
}

static void put_int8(struct wr *w, int64_t v)
{
	wr_u32(w, 8);
	wr_u64(w, (uint64_t)v);
}

static void put_bytes(struct wr *w, const void *bytes, size_t n)
{
	wr_u32(w, (uint32_t)n);
	wr_bytes(w, bytes, n);
}

static void put_text(struct wr *w, const char *s)
{
	put_bytes(w, s, strlen(s));
}

static void put_id(struct wr *w, const uint8_t *id)
{
	if (id)
		put_bytes(w, id, KEYS_ID_BYTES);
	else
		put_null(w);
}

static int64_t pg_time(int64_t t_ns)
{
	return t_ns / 1000 - PG_EPOCH_US;
}

/* cidr: family, bits, is_cidr, length, address. */
static void put_prefix(struct wr *w, const struct addr *seen)
{
	struct addr prefix;
	bool ipv4;

	if (!seen) {
		put_null(w);
		return;
	}
	ipv4 = seen->family == 4;
	prefix = addr_prefix(seen, PREFIX_BITS4, PREFIX_BITS6);
	wr_u32(w, ipv4 ? 8 : 20);
	wr_u8(w, ipv4 ? PG_IPV4 : PG_IPV6);
	wr_u8(w, ipv4 ? PREFIX_BITS4 : PREFIX_BITS6);
	wr_u8(w, 1);
	wr_u8(w, ipv4 ? 4 : 16);
	wr_bytes(w, prefix.ip, ipv4 ? 4 : 16);
}

/* ---- arrays -------------------------------------------------------------- */

static void put_array_head(struct wr *w, size_t count, uint32_t type,
                           size_t element_bytes)
{
	size_t head = count > 0 ? 20 : 12;

	wr_u32(w, (uint32_t)(head + count * (4 + element_bytes)));
	wr_u32(w, count > 0);
	wr_u32(w, 0);
	wr_u32(w, type);
	if (count == 0)
		return;
	wr_u32(w, (uint32_t)count);
	wr_u32(w, 1);
}

/* Where the elements of a column lie, so that filling it is one tight loop. */
struct column {
	const uint8_t *first;
	size_t stride_bytes;
	uint8_t size_bytes; /* of an element there: 1, 2 or 4 */
	bool wide;          /* integer, else smallint */
};

static uint32_t element_at(const uint8_t *p, uint8_t size_bytes)
{
	uint16_t u16;
	uint32_t u32;

	switch (size_bytes) {
	case 1:
		return *p;
	case 2:
		memcpy(&u16, p, sizeof(u16));
		return u16;
	default:
		memcpy(&u32, p, sizeof(u32));
		return u32;
	}
}

static void put_smallints(struct wr *w, const struct column *c, size_t count)
{
	const uint8_t *from = c->first;
	uint8_t *p;

	put_array_head(w, count, INT2_OID, 2);
	p = wr_room(w, count * 6);
	for (size_t i = 0; p && i < count; i++, p += 6) {
		uint32_t v = element_at(from, c->size_bytes);

		p[0] = p[1] = p[2] = 0;
		p[3] = 2;
		p[4] = (uint8_t)(v >> 8);
		p[5] = (uint8_t)v;
		from += c->stride_bytes;
	}
}

static void put_integers(struct wr *w, const struct column *c, size_t count)
{
	const uint8_t *from = c->first;
	uint8_t *p;

	put_array_head(w, count, INT4_OID, 4);
	p = wr_room(w, count * 8);
	for (size_t i = 0; p && i < count; i++, p += 8) {
		uint32_t v = element_at(from, c->size_bytes);

		p[0] = p[1] = p[2] = 0;
		p[3] = 4;
		p[4] = (uint8_t)(v >> 24);
		p[5] = (uint8_t)(v >> 16);
		p[6] = (uint8_t)(v >> 8);
		p[7] = (uint8_t)v;
		from += c->stride_bytes;
	}
}

static struct column of_probes(const void *field, uint8_t size_bytes, bool wide)
{
	return (struct column){
		.first = field,
		.stride_bytes = sizeof(struct record_probe),
		.size_bytes = size_bytes,
		.wide = wide,
	};
}

static struct column of_bytes(const uint8_t *bytes)
{
	return (struct column){
		.first = bytes,
		.stride_bytes = 1,
		.size_bytes = 1,
	};
}

static void put_arrays(struct wr *w, const struct batch_run *run)
{
	const struct record_probe *p = run->record->probe;
	const struct column columns[] = {
		/* As in batch_columns. */
		of_probes(&p->direction, 1, false),
		of_probes(&p->transport, 1, false),
		of_probes(&p->port, 2, true),
		of_probes(&p->outcome, 1, false),
		of_probes(&p->rtt_us, 4, true),
		of_probes(&p->attempts, 1, false),
		of_probes(&p->hop, 1, false),
		of_bytes(run->judgement->seen),
		of_bytes(run->judgement->place),
	};
	size_t count = run->record->probe_count;

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		if (columns[i].wide)
			put_integers(w, &columns[i], count);
		else
			put_smallints(w, &columns[i], count);
	}
}

/* ---- evidence ------------------------------------------------------------ */

static void put_evidence(struct wr *w, const char *text)
{
	if (!text) {
		put_null(w);
		return;
	}
	wr_u32(w, (uint32_t)(1 + strlen(text)));
	wr_u8(w, JSONB_VERSION);
	wr_bytes(w, text, strlen(text));
}

/* ---- rows ---------------------------------------------------------------- */

static void put_head(struct wr *w, const struct batch_run *run)
{
	const struct record *r = run->record;

	wr_u16(w, FIELDS);
	put_int2(w, 0); /* batch_patch fills these two in */
	put_int2(w, 0);
	put_id(w, run->agent_id);
	put_int8(w, pg_time(r->started_ns));
	put_bytes(w, r->run, WIRE_RUN_BYTES);
	put_int8(w, pg_time(run->received_ns));
	put_int8(w, run->place->asn);
	put_text(w, run->place->country);
	put_id(w, run->line);
	put_prefix(w, run->seen);
	put_int2(w, r->family);
	put_int4(w, (int32_t)r->plan);
	put_int2(w, r->classes);
	put_int2(w, (int16_t)run->judgement->status);
	put_int2(w, r->void_tcp);
	put_int2(w, r->void_udp);
	put_int8(w, r->clock_offset_ms);
	put_int4(w, (int32_t)r->duration_ms);
	put_text(w, r->version);
}

static void put_tail(struct wr *w, const char *evidence)
{
	put_evidence(w, evidence);
	put_null(w); /* path: nothing locates yet */
}

/* As in enum batch_about. */
static void put_about(struct wr *w, const struct batch_run *run)
{
	const struct record *r = run->record;
	int64_t day = r->started_ns / CLOCK_DAY - PG_EPOCH_DAYS;

	put_int4(w, (int32_t)day);
	put_id(w, run->agent_id);
	put_text(w, r->version);
	put_text(w, r->platform);
	put_text(w, r->arch);
	put_int8(w, run->place->asn);
	put_text(w, run->place->asn_name);
	put_int8(w, pg_time(run->received_ns));
}

static void make_key(uint8_t key[BATCH_KEY_BYTES], const struct batch_run *run)
{
	struct wr w = wr_of(key, BATCH_KEY_BYTES);

	wr_bytes(&w, run->agent_id, KEYS_ID_BYTES);
	wr_u64(&w, (uint64_t)pg_time(run->record->started_ns));
	wr_bytes(&w, run->record->run, WIRE_RUN_BYTES);
	assert(wr_len(&w) == BATCH_KEY_BYTES);
}

static void make_room(struct batch *b, size_t n)
{
	size_t room = b->room_bytes;

	while (n > room - b->n_bytes)
		room *= 2;
	if (room == b->room_bytes)
		return;
	b->bytes = mem_resize(b->bytes, room, 1);
	b->room_bytes = room;
}

void batch_add(struct batch *b, const struct batch_run *run)
{
	char *evidence = evidence_text(run->record, run->evidence_asn);
	size_t most = FIXED_BYTES_MAX +
	              PROBE_BYTES * (size_t)run->record->probe_count +
	              (evidence ? strlen(evidence) : 0);
	struct batch_row *row = &b->row[b->count];
	size_t n_bytes;
	struct wr w;

	assert(!batch_is_full(b) && most <= BATCH_ROW_MAX);
	make_room(b, most);
	w = wr_of(b->bytes + b->n_bytes, most);
	put_head(&w, run);
	put_arrays(&w, run);
	put_tail(&w, evidence);
	free(evidence);
	n_bytes = wr_len(&w);
	put_about(&w, run);
	assert(!w.bad);
	*row = (struct batch_row){
		.reflector = run->reflector,
		.offset = b->n_bytes,
		.n_bytes = (uint32_t)n_bytes,
		.about_bytes = (uint32_t)(wr_len(&w) - n_bytes),
	};
	make_key(row->key, run);
	memcpy(row->peer, run->peer, BATCH_PEER_BYTES);
	b->n_bytes += wr_len(&w);
	b->order[b->count] = (uint32_t)b->count;
	b->count++;
}

/* ---- batches ------------------------------------------------------------- */

struct batch *batch_new(size_t max_rows, size_t max_bytes)
{
	struct batch *b = mem_alloc(sizeof(*b));

	b->max_rows = max_rows;
	b->max_bytes = max_bytes;
	b->row = mem_array(max_rows, sizeof(*b->row));
	b->order = mem_array(max_rows, sizeof(*b->order));
	b->room_bytes = FIRST_ROOM_BYTES;
	b->bytes = mem_alloc(b->room_bytes);
	return b;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	free(b->row);
	free(b->order);
	free(b->bytes);
	free(b);
}

void batch_clear(struct batch *b)
{
	b->count = 0;
	b->n_bytes = 0;
}

bool batch_is_full(const struct batch *b)
{
	return b->count == b->max_rows ||
	       b->max_bytes - b->n_bytes < BATCH_ROW_MAX;
}

static int by_key(const void *a, const void *b, void *rows)
{
	const struct batch_row *row = rows;
	const uint32_t *x = a;
	const uint32_t *y = b;

	return memcmp(row[*x].key, row[*y].key, BATCH_KEY_BYTES);
}

void batch_sort(struct batch *b)
{
	qsort_r(b->order, b->count, sizeof(*b->order), by_key, b->row);
}

bool batch_is_twin(const struct batch *b, size_t i)
{
	return i > 0 &&
	       memcmp(b->row[b->order[i]].key, b->row[b->order[i - 1]].key,
	              BATCH_KEY_BYTES) == 0;
}

bool batch_is_pending(const struct batch *b, size_t i)
{
	return b->row[b->order[i]].result == ROW_PENDING &&
	       !batch_is_twin(b, i);
}

struct rd batch_about(const struct batch *b, const struct batch_row *row)
{
	return rd_of(b->bytes + row->offset + row->n_bytes, row->about_bytes);
}

bool batch_same_about(const struct batch *b, const struct batch_row *x,
                      const struct batch_row *y)
{
	const uint8_t *of_x = b->bytes + x->offset + x->n_bytes;
	const uint8_t *of_y = b->bytes + y->offset + y->n_bytes;

	return x->about_bytes == y->about_bytes &&
	       memcmp(of_x, of_y, x->about_bytes - RECEIVED_BYTES) == 0;
}

void batch_patch(struct batch *b, const struct batch_row *row,
                 int16_t reflector_id, int16_t geo_source_id)
{
	uint8_t *at = b->bytes + row->offset;
	struct wr reflector = wr_of(at + REFLECTOR_AT, 2);
	struct wr source = wr_of(at + SOURCE_AT, 2);

	wr_u16(&reflector, (uint16_t)reflector_id);
	wr_u16(&source, (uint16_t)geo_source_id);
}
