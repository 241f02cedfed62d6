/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What encoding (record_encode.c) and decoding (record_decode.c) share: names,
 * run ids, evidence by probe.
 */
#include "lib/record.h"

#include <sodium.h>

#include "lib/clock.h"
#include "lib/record_keys.h"

const char *const record_names[RECORD_KEYS] = {
	[KEY_FORMAT] = "format",
	[KEY_RUN] = "run",
	[KEY_STARTED] = "started",
	[KEY_CLOCK_OFFSET] = "clock_offset_ms",
	[KEY_DURATION] = "duration_ms",
	[KEY_PLAN] = "plan",
	[KEY_REFLECTOR] = "reflector",
	[KEY_FAMILY] = "family",
	[KEY_AGENT] = "agent",
	[KEY_CLASS] = "class",
	[KEY_VOID] = "void",
	[KEY_PROBE] = "probe",
	[KEY_EVIDENCE] = "evidence",
	[KEY_MANIFEST] = "manifest",
};

const char *const record_agent_names[AGENT_KEYS] = {
	[AGENT_VERSION] = "version",
	[AGENT_PLATFORM] = "platform",
	[AGENT_ARCH] = "arch",
};

const char *const record_void_names[2] = {
	[TRANSPORT_TCP] = "tcp",
	[TRANSPORT_UDP] = "udp",
};

const char *const record_column_names[COLUMNS] = {
	[COLUMN_DIRECTION] = "direction",
	[COLUMN_TRANSPORT] = "transport",
	[COLUMN_PORT] = "port",
	[COLUMN_OUTCOME] = "outcome",
	[COLUMN_RTT] = "rtt_us",
	[COLUMN_ATTEMPTS] = "attempts",
	[COLUMN_HOP] = "hop",
};

const char *const record_evidence_names[EVIDENCE_KEYS] = {
	[EVIDENCE_INDEX] = "i",       [EVIDENCE_SKIP] = "skip",
	[EVIDENCE_ICMP] = "icmp",     [EVIDENCE_FROM] = "from",
	[EVIDENCE_BANNER] = "banner", [EVIDENCE_ARRIVED] = "arrived",
	[EVIDENCE_ERRNO] = "errno",
};

static const char *const fault_names[RECORD_FAULT_COUNT] = {
	[RECORD_OK] = "ok",
	[RECORD_TOO_LONG] = "too-long",
	[RECORD_NOT_JSON] = "not-json",
	[RECORD_FORMAT] = "format",
	[RECORD_FIELD] = "field",
	[RECORD_RANGE] = "range",
	[RECORD_ARRAYS] = "arrays",
	[RECORD_DUPLICATE] = "duplicate",
	[RECORD_MANIFEST] = "manifest",
};

const char *record_fault_name(enum record_fault fault)
{
	return (int)fault >= 0 && fault < RECORD_FAULT_COUNT
	               ? fault_names[fault]
	               : NULL;
}

/* RFC 9562, 5.7: 48 bits of milliseconds, version, variant, random bits. */
void record_new_run_id(int64_t realtime_ns, uint8_t out[WIRE_RUN_BYTES])
{
	uint64_t ms = (uint64_t)(realtime_ns / CLOCK_MS);

	randombytes_buf(out, WIRE_RUN_BYTES);
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)(ms >> (40 - 8 * i));
	out[6] = (uint8_t)(0x70 | (out[6] & 0x0f));
	out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
}

void record_run_id_format(const uint8_t run[WIRE_RUN_BYTES], char out[37])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < WIRE_RUN_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[run[i] >> 4];
		*p++ = digits[run[i] & 15];
	}
	*p = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool record_run_id_parse(const char *text, uint8_t out[WIRE_RUN_BYTES])
{
	if (strlen(text) != RUN_ID_CHARS)
		return false;
	for (int i = 0; i < WIRE_RUN_BYTES; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;

		int high = hex_value(*text++);
		int low = high < 0 ? -1 : hex_value(*text++);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The index of a probe's evidence only grows. */
const struct record_evidence *record_evidence_of(const struct record *r,
                                                 size_t probe)
{
	for (size_t i = 0; i < r->evidence_count; i++) {
		if (r->evidence[i].probe == probe)
			return &r->evidence[i];
		if (r->evidence[i].probe > probe)
			break;
	}
	return NULL;
}
