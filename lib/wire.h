/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - the probe protocol: bytes between agent and reflector.
 *
 * Big-endian, fixed layout.  Only this module touches protocol bytes: struct
 * rd and struct wr are cursors that never read or write outside their buffer
 * and remember the first failure, so that a message is handled in straight
 * lines and tested once at the end.  Decoders and encoders are pure.
 *
 *  0        4   5   6      8
 *  +--------+---+---+------+----------------------+
 *  | magic  |ver|typ|length| body ...             |  length: whole message
 *  +--------+---+---+------+----------------------+
 *
 * The magic begins with 0x1b: to a service on the probed port it reads as an
 * escape character, on UDP 123 as an NTPv3 client request (RFC 1305), on UDP
 * 443 not as QUIC (RFC 9000, 17.2), on 1434 not as a resolution request.
 */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/addr.h"

#define WIRE_MAGIC   0x1b507053u /* ESC "PpS" */
#define WIRE_VERSION 1

enum {
	WIRE_HEADER_BYTES = 8,
	WIRE_RUN_BYTES = 16,
	WIRE_TOKEN_BYTES = 16,
	WIRE_NONCE_BYTES = 8,
	WIRE_TAG_BYTES = 16,
	WIRE_DIGEST_BYTES = 8,
	WIRE_MAC_BYTES = 32,
	WIRE_NAME_BYTES = 32,  /* a reflector's name with its terminating 0 */
	WIRE_PROBE_BYTES = 96, /* every PROBE, padding included */
	WIRE_PORTS_MAX = 512,  /* (transport, port) pairs in one message */
	WIRE_MESSAGE_MAX = 16384,
};

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_WELCOME = 2,
	WIRE_PROBE = 3,
	WIRE_ECHO = 4,
	/* 5 and 6 are reserved for inbound dialling. */
	WIRE_REPORT = 7,
	WIRE_MANIFEST = 8,
};

enum transport { TRANSPORT_TCP = 0, TRANSPORT_UDP = 1 };

/* A reader; sticky: after the first failure every read returns zero. */
struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

/* A writer; sticky in the same way. */
struct wr {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool bad;
};

static inline struct rd rd_of(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	return (struct rd){ .p = p, .end = p + n };
}

static inline struct wr wr_of(void *bytes, size_t n)
{
	uint8_t *p = bytes;

	return (struct wr){ .start = p, .p = p, .end = p + n };
}

/* Take the next n bytes, or NULL.  Compares with what is left: never adds. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (r->bad || n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return at;
}

static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *at = w->p;

	if (w->bad || n > (size_t)(w->end - w->p)) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	return at;
}

static inline size_t wr_len(const struct wr *w)
{
	return w->bad ? 0 : (size_t)(w->p - w->start);
}

uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
void rd_bytes(struct rd *r, void *out, size_t n);
void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, const void *bytes, size_t n);

struct wire_port {
	uint8_t transport;
	uint16_t port;
};

static inline bool wire_port_same(struct wire_port a, struct wire_port b)
{
	return a.transport == b.transport && a.port == b.port;
}

struct wire_hello {
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t nonce[WIRE_NONCE_BYTES];
};

struct wire_welcome {
	uint8_t nonce[WIRE_NONCE_BYTES];
	struct addr seen; /* where the HELLO came from */
	int64_t clock_ns; /* the reflector's real time */
	uint8_t token[WIRE_TOKEN_BYTES];
	uint16_t port_count;
	struct wire_port port[WIRE_PORTS_MAX]; /* listening now, this family */
};

struct wire_probe {
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t token[WIRE_TOKEN_BYTES];
	uint8_t transport;
	uint16_t port;   /* the port that the agent meant to reach */
	uint8_t attempt; /* from 1 */
	uint8_t nonce[WIRE_NONCE_BYTES];
};

struct wire_echo {
	uint8_t nonce[WIRE_NONCE_BYTES];
	struct addr seen; /* where the PROBE came from */
	uint16_t arrived; /* the port that it arrived on */
	uint8_t digest
		[WIRE_DIGEST_BYTES]; /* of the PROBE's bytes as they came */
	uint8_t tag[WIRE_TAG_BYTES]; /* keyed by the token over all before it */
};

struct wire_report {
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t token[WIRE_TOKEN_BYTES];
};

enum manifest_flag {
	MANIFEST_SEEN = 1, /* a probe of this run reached this port */
	/* A probe with this run's token came from another address than the
	 * HELLO; "from" says which, and it was not answered. */
	MANIFEST_OTHER_ADDRESS = 2,
	/* TCP, none seen: a SYN from the HELLO's address waits there, and our
	 * answer did not get through; source_port is that of the SYN. */
	MANIFEST_HALF_OPEN = 4,
	/* TCP, none seen: whether a SYN came cannot be told. */
	MANIFEST_UNSURE = 8,
};

struct manifest_entry {
	uint8_t transport;
	uint16_t port;
	uint8_t flags;
	uint16_t source_port; /* of the latest probe; 0 when none is known */
	struct addr from;     /* only with MANIFEST_OTHER_ADDRESS */
};

struct wire_manifest {
	char reflector[WIRE_NAME_BYTES];
	uint8_t run[WIRE_RUN_BYTES];
	struct addr seen; /* of the HELLO */
	int64_t hello_ns;
	int64_t report_ns;
	uint16_t entry_count;
	struct manifest_entry entry[WIRE_PORTS_MAX];
	uint8_t mac[WIRE_MAC_BYTES]; /* keyed by the receipt key */
};

/*
 * What the first bytes of a TCP stream or a datagram are.  WIRE_SHORT: more
 * bytes are needed to tell; WIRE_FOREIGN: not this protocol.
 */
enum wire_sight { WIRE_SHORT, WIRE_FOREIGN, WIRE_MESSAGE };

/* Look at a message's start; fills type and length when WIRE_MESSAGE. */
enum wire_sight wire_peek(const void *bytes, size_t n, enum wire_type *type,
                          size_t *length_bytes);

/* May a reflector be called so?  1 to 31 of a-z, 0-9 and '-'. */
bool wire_name_valid(const char *name);

/*
 * Each decoder takes one whole message, header included, and is false unless
 * the bytes are exactly that message.  Each encoder returns the length of the
 * message, or 0 when it does not fit.
 */
bool wire_hello_decode(struct rd *r, struct wire_hello *out);
size_t wire_hello_encode(struct wr *w, const struct wire_hello *m);
bool wire_welcome_decode(struct rd *r, struct wire_welcome *out);
size_t wire_welcome_encode(struct wr *w, const struct wire_welcome *m);
bool wire_probe_decode(struct rd *r, struct wire_probe *out);
/* Always WIRE_PROBE_BYTES; the padding says who is probing and why. */
size_t wire_probe_encode(struct wr *w, const struct wire_probe *m);
/* Does not check the tag: see token_echo_valid. */
bool wire_echo_decode(struct rd *r, struct wire_echo *out);
/* Writes m->tag as given: leave it zero and fill in with token_echo_tag. */
size_t wire_echo_encode(struct wr *w, const struct wire_echo *m);
bool wire_report_decode(struct rd *r, struct wire_report *out);
size_t wire_report_encode(struct wr *w, const struct wire_report *m);
/* Does not check the MAC: see token_manifest_valid. */
bool wire_manifest_decode(struct rd *r, struct wire_manifest *out);
/* Writes m->mac as given: leave it zero and use token_manifest_seal. */
size_t wire_manifest_encode(struct wr *w, const struct wire_manifest *m);

/* The entry for a transport and port, or NULL. */
const struct manifest_entry *wire_manifest_find(const struct wire_manifest *m,
                                                enum transport transport,
                                                uint16_t port);

#endif
