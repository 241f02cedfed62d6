/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every message begins with the header of lib/wire.h, 8 bytes, whose length
 * counts the whole message.  Numbers are big-endian; figures are bytes.
 *
 *   address, 17       family (4 or 6) | 16: network order, IPv4 in the first
 *                     4 and the rest zero; IPv4-mapped IPv6 is not allowed
 *   endpoint, 19      address 17 | port 2
 *   name, 32          1 to 31 of [a-z0-9-], filled up with zeros
 *   port, 3           transport 1 (0 TCP, 1 UDP) | port 2
 *
 *   HELLO, 32         run 16 | nonce 8
 *   WELCOME, 61 + 3n  nonce 8 | seen: endpoint 19 | clock 8 | token 16 |
 *                     n 2 | n ports
 *   PROBE, 96         run 16 | token 16 | port 3 | attempt 1 | nonce 8 |
 *                     padding 44
 *   ECHO, 61          nonce 8 | seen: endpoint 19 | arrived 2 | digest 8 |
 *                     tag 16
 *   REPORT, 40        run 16 | token 16
 *   MANIFEST,         name 32 | run 16 | seen: endpoint 19 | hello clock 8 |
 *   125 + 6n + 19m    report clock 8 | n 2 | n entries | mac 32
 *     entry, 6 or 25  port 3 | flags 1 | source port 2 | and, only with
 *                     MANIFEST_OTHER_ADDRESS (m of them), from: endpoint 19
 *
 * Clocks are signed nanoseconds since the Unix epoch, in two's complement.
 *
 * An ECHO is shorter than a PROBE, so that a reflector never amplifies.  The
 * padding is not checked when a PROBE is read: a network that rewrites it is
 * found by the digest in the ECHO, and would only look silent if the PROBE
 * were refused.
 */
#include "lib/wire.h"

#include <assert.h>

enum {
	ENDPOINT_BYTES = 19,
	PORT_BYTES = 3,
	ENTRY_BYTES = 6,
	HELLO_BYTES = 32,
	WELCOME_BYTES = 61,
	PADDING_BYTES = 44,
	ECHO_BYTES = 61,
	REPORT_BYTES = 40,
	MANIFEST_BYTES = 125,
};

static_assert((int)ECHO_BYTES < (int)WIRE_PROBE_BYTES, "an echo would amplify");
static_assert(MANIFEST_BYTES +
                              WIRE_PORTS_MAX * (ENTRY_BYTES + ENDPOINT_BYTES) <=
                      WIRE_MESSAGE_MAX,
              "the longest manifest does not fit a message");

static const char padding[PADDING_BYTES] =
	"periplus port measurement; see periplus(1)";

/* The lengths that a message of each type can have. */
static const struct {
	uint16_t least;
	uint16_t most;
} lengths[] = {
	[WIRE_HELLO] = { HELLO_BYTES, HELLO_BYTES },
	[WIRE_WELCOME] = { WELCOME_BYTES,
	                   WELCOME_BYTES + WIRE_PORTS_MAX *PORT_BYTES },
	[WIRE_PROBE] = { WIRE_PROBE_BYTES, WIRE_PROBE_BYTES },
	[WIRE_ECHO] = { ECHO_BYTES, ECHO_BYTES },
	[WIRE_REPORT] = { REPORT_BYTES, REPORT_BYTES },
	[WIRE_MANIFEST] = { MANIFEST_BYTES,
	                    MANIFEST_BYTES + WIRE_PORTS_MAX *(ENTRY_BYTES +
	                                                      ENDPOINT_BYTES) },
};

uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_take(r, 1);

	return p ? p[0] : 0;
}

uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_take(r, 2);

	if (!p)
		return 0;
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t rd_u32(struct rd *r)
{
	uint32_t high = rd_u16(r);

	return high << 16 | rd_u16(r);
}

uint64_t rd_u64(struct rd *r)
{
	uint64_t high = rd_u32(r);

	return high << 32 | rd_u32(r);
}

void rd_bytes(struct rd *r, void *out, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wr_bytes(w, b, sizeof(b));
}

void wr_u32(struct wr *w, uint32_t v)
{
	wr_u16(w, (uint16_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

void wr_u64(struct wr *w, uint64_t v)
{
	wr_u32(w, (uint32_t)(v >> 32));
	wr_u32(w, (uint32_t)v);
}

void wr_bytes(struct wr *w, const void *bytes, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p)
		memcpy(p, bytes, n);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* One host has one form, so that addresses can be compared byte by byte. */
static bool address_is_canonical(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == 4)
		return is_zero(a->ip + 4, sizeof(a->ip) - 4);
	return a->family == 6 && memcmp(a->ip, mapped, sizeof(mapped)) != 0;
}

static void rd_endpoint(struct rd *r, struct addr *out)
{
	out->family = rd_u8(r);
	rd_bytes(r, out->ip, sizeof(out->ip));
	out->port = rd_u16(r);
	if (!address_is_canonical(out))
		r->bad = true;
}

static void wr_endpoint(struct wr *w, const struct addr *a)
{
	if (!address_is_canonical(a))
		w->bad = true;
	wr_u8(w, a->family);
	wr_bytes(w, a->ip, sizeof(a->ip));
	wr_u16(w, a->port);
}

static uint8_t rd_transport(struct rd *r)
{
	uint8_t transport = rd_u8(r);

	if (transport > TRANSPORT_UDP)
		r->bad = true;
	return transport;
}

static void wr_transport(struct wr *w, uint8_t transport)
{
	if (transport > TRANSPORT_UDP)
		w->bad = true;
	wr_u8(w, transport);
}

bool wire_name_valid(const char *name)
{
	size_t n = strnlen(name, WIRE_NAME_BYTES);

	return n > 0 && n < WIRE_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* A name and nothing but zeros after it. */
static bool name_is_valid(const char name[WIRE_NAME_BYTES])
{
	size_t n = strnlen(name, WIRE_NAME_BYTES);

	return n < WIRE_NAME_BYTES && wire_name_valid(name) &&
	       is_zero((const uint8_t *)name + n, WIRE_NAME_BYTES - n);
}

static void rd_name(struct rd *r, char out[WIRE_NAME_BYTES])
{
	rd_bytes(r, out, WIRE_NAME_BYTES);
	if (!name_is_valid(out))
		r->bad = true;
}

/* What stands behind the end of the caller's string does not travel. */
static void wr_name(struct wr *w, const char name[WIRE_NAME_BYTES])
{
	char clean[WIRE_NAME_BYTES] = { 0 };
	size_t n = strnlen(name, WIRE_NAME_BYTES);

	memcpy(clean, name, n);
	if (!name_is_valid(clean))
		w->bad = true;
	wr_bytes(w, clean, sizeof(clean));
}

/* The whole message is left in r, no more and no less. */
static void rd_header(struct rd *r, enum wire_type type)
{
	size_t n = (size_t)(r->end - r->p);

	if (rd_u32(r) != WIRE_MAGIC || rd_u8(r) != WIRE_VERSION ||
	    rd_u8(r) != type || rd_u16(r) != n)
		r->bad = true;
}

static void wr_header(struct wr *w, enum wire_type type, size_t n_bytes)
{
	if (n_bytes > WIRE_MESSAGE_MAX)
		w->bad = true;
	wr_u32(w, WIRE_MAGIC);
	wr_u8(w, WIRE_VERSION);
	wr_u8(w, (uint8_t)type);
	wr_u16(w, (uint16_t)n_bytes);
}

static bool rd_finish(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}

static size_t wr_finish(const struct wr *w, size_t n_bytes)
{
	return w->bad ? 0 : n_bytes;
}

/* The bytes that every message of ours has at its start, as far as they go. */
static bool starts_like_ours(const uint8_t *p, size_t n)
{
	static const uint8_t start[] = { WIRE_MAGIC >> 24,
		                         WIRE_MAGIC >> 16 & 0xff,
		                         WIRE_MAGIC >> 8 & 0xff,
		                         WIRE_MAGIC & 0xff, WIRE_VERSION };

	return memcmp(p, start, n < sizeof(start) ? n : sizeof(start)) == 0;
}

enum wire_sight wire_peek(const void *bytes, size_t n, enum wire_type *type,
                          size_t *length_bytes)
{
	struct rd r = rd_of(bytes, n);

	if (n > 0 && !starts_like_ours(bytes, n))
		return WIRE_FOREIGN;
	if (n < WIRE_HEADER_BYTES)
		return WIRE_SHORT;
	rd_take(&r, 5);
	uint8_t number = rd_u8(&r);
	uint16_t length = rd_u16(&r);

	/* Numbers that are not used have a greatest length of 0. */
	if (number >= sizeof(lengths) / sizeof(lengths[0]) || length == 0 ||
	    length < lengths[number].least || length > lengths[number].most)
		return WIRE_FOREIGN;
	*type = (enum wire_type)number;
	*length_bytes = length;
	return WIRE_MESSAGE;
}

bool wire_hello_decode(struct rd *r, struct wire_hello *out)
{
	rd_header(r, WIRE_HELLO);
	rd_bytes(r, out->run, sizeof(out->run));
	rd_bytes(r, out->nonce, sizeof(out->nonce));
	return rd_finish(r);
}

size_t wire_hello_encode(struct wr *w, const struct wire_hello *m)
{
	wr_header(w, WIRE_HELLO, HELLO_BYTES);
	wr_bytes(w, m->run, sizeof(m->run));
	wr_bytes(w, m->nonce, sizeof(m->nonce));
	return wr_finish(w, HELLO_BYTES);
}

bool wire_welcome_decode(struct rd *r, struct wire_welcome *out)
{
	rd_header(r, WIRE_WELCOME);
	rd_bytes(r, out->nonce, sizeof(out->nonce));
	rd_endpoint(r, &out->seen);
	out->clock_ns = (int64_t)rd_u64(r);
	rd_bytes(r, out->token, sizeof(out->token));
	out->port_count = rd_u16(r);
	if (out->port_count > WIRE_PORTS_MAX)
		r->bad = true;
	for (size_t i = 0; i < out->port_count && !r->bad; i++) {
		out->port[i].transport = rd_transport(r);
		out->port[i].port = rd_u16(r);
	}
	return rd_finish(r);
}

size_t wire_welcome_encode(struct wr *w, const struct wire_welcome *m)
{
	size_t n_bytes = WELCOME_BYTES + m->port_count * (size_t)PORT_BYTES;

	if (m->port_count > WIRE_PORTS_MAX)
		return 0;
	wr_header(w, WIRE_WELCOME, n_bytes);
	wr_bytes(w, m->nonce, sizeof(m->nonce));
	wr_endpoint(w, &m->seen);
	wr_u64(w, (uint64_t)m->clock_ns);
	wr_bytes(w, m->token, sizeof(m->token));
	wr_u16(w, m->port_count);
	for (size_t i = 0; i < m->port_count; i++) {
		wr_transport(w, m->port[i].transport);
		wr_u16(w, m->port[i].port);
	}
	return wr_finish(w, n_bytes);
}

bool wire_probe_decode(struct rd *r, struct wire_probe *out)
{
	rd_header(r, WIRE_PROBE);
	rd_bytes(r, out->run, sizeof(out->run));
	rd_bytes(r, out->token, sizeof(out->token));
	out->transport = rd_transport(r);
	out->port = rd_u16(r);
	out->attempt = rd_u8(r);
	rd_bytes(r, out->nonce, sizeof(out->nonce));
	rd_take(r, PADDING_BYTES);
	return rd_finish(r);
}

size_t wire_probe_encode(struct wr *w, const struct wire_probe *m)
{
	wr_header(w, WIRE_PROBE, WIRE_PROBE_BYTES);
	wr_bytes(w, m->run, sizeof(m->run));
	wr_bytes(w, m->token, sizeof(m->token));
	wr_transport(w, m->transport);
	wr_u16(w, m->port);
	wr_u8(w, m->attempt);
	wr_bytes(w, m->nonce, sizeof(m->nonce));
	wr_bytes(w, padding, sizeof(padding));
	return wr_finish(w, WIRE_PROBE_BYTES);
}

bool wire_echo_decode(struct rd *r, struct wire_echo *out)
{
	rd_header(r, WIRE_ECHO);
	rd_bytes(r, out->nonce, sizeof(out->nonce));
	rd_endpoint(r, &out->seen);
	out->arrived = rd_u16(r);
	rd_bytes(r, out->digest, sizeof(out->digest));
	rd_bytes(r, out->tag, sizeof(out->tag));
	return rd_finish(r);
}

size_t wire_echo_encode(struct wr *w, const struct wire_echo *m)
{
	wr_header(w, WIRE_ECHO, ECHO_BYTES);
	wr_bytes(w, m->nonce, sizeof(m->nonce));
	wr_endpoint(w, &m->seen);
	wr_u16(w, m->arrived);
	wr_bytes(w, m->digest, sizeof(m->digest));
	wr_bytes(w, m->tag, sizeof(m->tag));
	return wr_finish(w, ECHO_BYTES);
}

bool wire_report_decode(struct rd *r, struct wire_report *out)
{
	rd_header(r, WIRE_REPORT);
	rd_bytes(r, out->run, sizeof(out->run));
	rd_bytes(r, out->token, sizeof(out->token));
	return rd_finish(r);
}

size_t wire_report_encode(struct wr *w, const struct wire_report *m)
{
	wr_header(w, WIRE_REPORT, REPORT_BYTES);
	wr_bytes(w, m->run, sizeof(m->run));
	wr_bytes(w, m->token, sizeof(m->token));
	return wr_finish(w, REPORT_BYTES);
}

/* One of three says what came of TCP, or none; the address goes with any. */
static bool flags_are_valid(uint8_t transport, uint8_t flags)
{
	switch (flags & ~MANIFEST_OTHER_ADDRESS) {
	case 0:
	case MANIFEST_SEEN:
		return true;
	case MANIFEST_HALF_OPEN:
	case MANIFEST_UNSURE:
		return transport == TRANSPORT_TCP;
	default:
		return false;
	}
}

static void rd_entry(struct rd *r, struct manifest_entry *out)
{
	*out = (struct manifest_entry){ .transport = rd_transport(r) };
	out->port = rd_u16(r);
	out->flags = rd_u8(r);
	if (!flags_are_valid(out->transport, out->flags))
		r->bad = true;
	out->source_port = rd_u16(r);
	if (out->flags & MANIFEST_OTHER_ADDRESS)
		rd_endpoint(r, &out->from);
}

static void wr_entry(struct wr *w, const struct manifest_entry *m)
{
	if (!flags_are_valid(m->transport, m->flags))
		w->bad = true;
	wr_transport(w, m->transport);
	wr_u16(w, m->port);
	wr_u8(w, m->flags);
	wr_u16(w, m->source_port);
	if (m->flags & MANIFEST_OTHER_ADDRESS)
		wr_endpoint(w, &m->from);
}

/* One bit a transport and port: linear, and 16 kB of stack. */
static bool entries_differ(const struct manifest_entry *entry, size_t count)
{
	uint64_t met[2 * 65536 / 64] = { 0 };

	for (size_t i = 0; i < count; i++) {
		size_t key = entry[i].transport * (size_t)65536 + entry[i].port;
		uint64_t bit = UINT64_C(1) << key % 64;

		if (met[key / 64] & bit)
			return false;
		met[key / 64] |= bit;
	}
	return true;
}

bool wire_manifest_decode(struct rd *r, struct wire_manifest *out)
{
	rd_header(r, WIRE_MANIFEST);
	rd_name(r, out->reflector);
	rd_bytes(r, out->run, sizeof(out->run));
	rd_endpoint(r, &out->seen);
	out->hello_ns = (int64_t)rd_u64(r);
	out->report_ns = (int64_t)rd_u64(r);
	out->entry_count = rd_u16(r);
	if (out->entry_count > WIRE_PORTS_MAX)
		r->bad = true;
	for (size_t i = 0; i < out->entry_count && !r->bad; i++)
		rd_entry(r, &out->entry[i]);
	rd_bytes(r, out->mac, sizeof(out->mac));
	return rd_finish(r) && entries_differ(out->entry, out->entry_count);
}

static size_t manifest_bytes(const struct wire_manifest *m)
{
	size_t n_bytes = MANIFEST_BYTES + m->entry_count * (size_t)ENTRY_BYTES;

	for (size_t i = 0; i < m->entry_count; i++)
		if (m->entry[i].flags & MANIFEST_OTHER_ADDRESS)
			n_bytes += ENDPOINT_BYTES;
	return n_bytes;
}

size_t wire_manifest_encode(struct wr *w, const struct wire_manifest *m)
{
	if (m->entry_count > WIRE_PORTS_MAX)
		return 0;

	size_t n_bytes = manifest_bytes(m);

	wr_header(w, WIRE_MANIFEST, n_bytes);
	wr_name(w, m->reflector);
	wr_bytes(w, m->run, sizeof(m->run));
	wr_endpoint(w, &m->seen);
	wr_u64(w, (uint64_t)m->hello_ns);
	wr_u64(w, (uint64_t)m->report_ns);
	wr_u16(w, m->entry_count);
	for (size_t i = 0; i < m->entry_count; i++)
		wr_entry(w, &m->entry[i]);
	wr_bytes(w, m->mac, sizeof(m->mac));
	return wr_finish(w, n_bytes);
}

const struct manifest_entry *wire_manifest_find(const struct wire_manifest *m,
                                                enum transport transport,
                                                uint16_t port)
{
	for (size_t i = 0; i < m->entry_count; i++)
		if (m->entry[i].transport == transport &&
		    m->entry[i].port == port)
			return &m->entry[i];
	return NULL;
}
