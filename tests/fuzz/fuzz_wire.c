/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a message of the probe protocol: what a decoder accepts must
 * be encoded to the same bytes again, except for a PROBE's padding, which is
 * not checked when it is read.
 */
#include <stdlib.h>

#include "lib/wire.h"
#include "tests/fuzz/fuzz.h"

/* Where a PROBE's padding begins. */
enum { PADDING_AT = 52 };

union message {
	struct wire_hello hello;
	struct wire_welcome welcome;
	struct wire_probe probe;
	struct wire_echo echo;
	struct wire_report report;
	struct wire_manifest manifest;
};

/* Decode and encode again; the length of the copy, or 0 when refused. */
static size_t copy(enum wire_type type, struct rd *r, struct wr *w,
                   union message *m)
{
	switch (type) {
	case WIRE_HELLO:
		return wire_hello_decode(r, &m->hello)
		               ? wire_hello_encode(w, &m->hello)
		               : 0;
	case WIRE_WELCOME:
		return wire_welcome_decode(r, &m->welcome)
		               ? wire_welcome_encode(w, &m->welcome)
		               : 0;
	case WIRE_PROBE:
		return wire_probe_decode(r, &m->probe)
		               ? wire_probe_encode(w, &m->probe)
		               : 0;
	case WIRE_ECHO:
		return wire_echo_decode(r, &m->echo)
		               ? wire_echo_encode(w, &m->echo)
		               : 0;
	case WIRE_REPORT:
		return wire_report_decode(r, &m->report)
		               ? wire_report_encode(w, &m->report)
		               : 0;
	case WIRE_MANIFEST:
		return wire_manifest_decode(r, &m->manifest)
		               ? wire_manifest_encode(w, &m->manifest)
		               : 0;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[WIRE_MESSAGE_MAX];
	static union message m;
	struct rd r = rd_of(data, size);
	struct wr w = wr_of(again, sizeof(again));
	enum wire_type type;
	size_t length;

	if (wire_peek(data, size, &type, &length) != WIRE_MESSAGE)
		return 0;

	size_t n = copy(type, &r, &w, &m);

	if (n == 0)
		return 0;
	/* No decoder accepts a message that peek would have cut elsewhere. */
	if (n != size || n != length)
		abort();
	if (memcmp(again, data, type == WIRE_PROBE ? PADDING_AT : n) != 0)
		abort();
	return 0;
}
