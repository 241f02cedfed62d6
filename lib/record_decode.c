/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the text (record_encode.c shows it), in whatever order the
 * keys come; then what holds between the parts is checked.  The functions are
 * false after the first fault, which stays in struct decoder.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/json_reader.h"
#include "lib/record.h"
#include "lib/record_keys.h"

enum {
	WHERE_BYTES = 64,
	WORD_BYTES = 64, /* longer than any word or address that is read */
	MANIFEST_CHARS = 4 * ((WIRE_MESSAGE_MAX + 2) / 3) + 1,
	BANNER_CHARS = 4 * ((RECORD_BANNER_BYTES + 2) / 3) + 1,
};

struct decoder {
	struct json_reader r;
	struct record *out;
	enum record_fault fault;
	char *where;
	int column_count[COLUMNS];
};

/* The least value of every column is 0. */
static const int64_t column_most[COLUMNS] = {
	[COLUMN_DIRECTION] = DIRECTION_IN, [COLUMN_TRANSPORT] = TRANSPORT_UDP,
	[COLUMN_PORT] = UINT16_MAX,        [COLUMN_OUTCOME] = OUTCOME_COUNT - 1,
	[COLUMN_RTT] = RECORD_INTEGER_MAX, [COLUMN_ATTEMPTS] = 4,
	[COLUMN_HOP] = UINT8_MAX,
};

/* Note the fault and the field that is to blame, and return false. */
__attribute__((format(printf, 3, 4))) static bool
blame(struct decoder *d, enum record_fault fault, const char *fmt, ...)
{
	va_list args;

	if (d->fault != RECORD_OK)
		return false;
	d->fault = d->r.bad ? RECORD_NOT_JSON : fault;
	va_start(args, fmt);
	vsnprintf(d->where, WHERE_BYTES, fmt, args);
	va_end(args);
	return false;
}

/* What comes next is not what the field needs. */
static bool comes(struct decoder *d, char first, const char *name)
{
	if (json_peek(&d->r) == first)
		return true;
	json_skip(&d->r);
	return blame(d, RECORD_FIELD, "%s", name);
}

static bool take_integer(struct decoder *d, const char *name, int64_t least,
                         int64_t most, int64_t *out)
{
	char c = json_peek(&d->r);

	if (c != '-' && !(c >= '0' && c <= '9'))
		return comes(d, '0', name);
	if (!json_whole_number(&d->r, out) || *out < least || *out > most)
		return blame(d, RECORD_RANGE, "%s", name);
	return true;
}

/* A string of 1 to out_bytes - 1 printable characters. */
static bool take_text(struct decoder *d, const char *name, char *out,
                      size_t out_bytes)
{
	if (!comes(d, '"', name))
		return false;
	if (!json_string(&d->r, out, out_bytes) || out[0] == '\0')
		return blame(d, RECORD_FIELD, "%s", name);
	return true;
}

/* Remember that a key came; false when it came before. */
static bool mark(struct decoder *d, uint32_t *met, int key, const char *name)
{
	uint32_t bit = UINT32_C(1) << key;

	if (*met & bit)
		return blame(d, RECORD_FIELD, "%s twice", name);
	*met |= bit;
	return true;
}

/* All the keys must have come. */
static bool complete(struct decoder *d, uint32_t met, const char *const *names,
                     int count)
{
	for (int key = 0; key < count; key++)
		if (!(met & UINT32_C(1) << key))
			return blame(d, RECORD_FIELD, "%s missing", names[key]);
	return true;
}

static bool take_format(struct decoder *d)
{
	char text[sizeof(RECORD_FORMAT_NAME)];

	if (json_peek(&d->r) != '"')
		json_skip(&d->r);
	else if (json_string(&d->r, text, sizeof(text)) &&
	         strcmp(text, RECORD_FORMAT_NAME) == 0)
		return true;
	return blame(d, RECORD_FORMAT, "format");
}

static bool take_run(struct decoder *d, const char *name)
{
	char text[RUN_ID_CHARS + 1];

	if (!take_text(d, name, text, sizeof(text)))
		return false;
	if (!record_run_id_parse(text, d->out->run))
		return blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_started(struct decoder *d, const char *name)
{
	char text[CLOCK_TEXT_BYTES];

	if (!take_text(d, name, text, sizeof(text)))
		return false;
	if (!clock_parse(text, &d->out->started_ns))
		return blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_plan(struct decoder *d, const char *name)
{
	int64_t serial;

	if (!take_integer(d, name, 1, RECORD_INTEGER_MAX, &serial))
		return false;
	d->out->plan = (uint32_t)serial;
	return true;
}

static bool take_reflector(struct decoder *d, const char *name)
{
	char *text = d->out->reflector;

	if (!take_text(d, name, text, sizeof(d->out->reflector)))
		return false;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
	    strlen(text))
		return blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_family(struct decoder *d, const char *name)
{
	int64_t family;

	if (!take_integer(d, name, 4, 6, &family))
		return false;
	if (family == 5)
		return blame(d, RECORD_RANGE, "%s", name);
	d->out->family = (uint8_t)family;
	return true;
}

static bool take_agent(struct decoder *d, const char *name)
{
	char *const text[AGENT_KEYS] = {
		[AGENT_VERSION] = d->out->version,
		[AGENT_PLATFORM] = d->out->platform,
		[AGENT_ARCH] = d->out->arch,
	};
	uint32_t met = 0;

	if (!comes(d, '{', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_agent_names, AGENT_KEYS);

		if (key < 0) {
			json_skip(&d->r);
			continue;
		}
		if (!mark(d, &met, key, record_agent_names[key]) ||
		    !take_text(d, record_agent_names[key], text[key],
		               RECORD_TEXT_BYTES))
			return false;
	}
	return complete(d, met, record_agent_names, AGENT_KEYS);
}

static bool take_classes(struct decoder *d, const char *name)
{
	char word[WORD_BYTES];

	d->out->classes = 0;
	if (!comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		if (!take_text(d, name, word, sizeof(word)))
			return false;

		int class = consent_class_parse(word);

		if (class == 0)
			return blame(d, RECORD_RANGE, "%s", name);
		if (d->out->classes & class)
			return blame(d, RECORD_FIELD, "%s twice", name);
		d->out->classes |= (uint8_t) class;
	}
	if (d->out->classes == 0)
		return blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_void_reason(struct decoder *d, const char *name, uint8_t *out)
{
	char word[WORD_BYTES];

	*out = VOID_NONE;
	if (json_null(&d->r))
		return true;
	if (!take_text(d, name, word, sizeof(word)))
		return false;

	int reason = void_reason_parse(word);

	/* "none" is written as null. */
	if (reason <= VOID_NONE)
		return blame(d, RECORD_RANGE, "%s", name);
	*out = (uint8_t)reason;
	return true;
}

static bool take_void(struct decoder *d, const char *name)
{
	uint8_t *const reason[] = {
		[TRANSPORT_TCP] = &d->out->void_tcp,
		[TRANSPORT_UDP] = &d->out->void_udp,
	};
	uint32_t met = 0;

	d->out->void_tcp = VOID_NONE;
	d->out->void_udp = VOID_NONE;
	if (json_null(&d->r))
		return true;
	if (!comes(d, '{', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_void_names, 2);

		if (key < 0) {
			json_skip(&d->r);
			continue;
		}
		if (!mark(d, &met, key, record_void_names[key]) ||
		    !take_void_reason(d, name, reason[key]))
			return false;
	}
	return complete(d, met, record_void_names, 2);
}

static void column_set(struct record_probe *p, enum column column,
                       int64_t value)
{
	switch (column) {
	case COLUMN_DIRECTION:
		p->direction = (uint8_t)value;
		break;
	case COLUMN_TRANSPORT:
		p->transport = (uint8_t)value;
		break;
	case COLUMN_PORT:
		p->port = (uint16_t)value;
		break;
	case COLUMN_OUTCOME:
		p->outcome = (uint8_t)value;
		break;
	case COLUMN_RTT:
		p->rtt_us = (uint32_t)value;
		break;
	case COLUMN_ATTEMPTS:
		p->attempts = (uint8_t)value;
		break;
	case COLUMN_HOP:
		p->hop = (uint8_t)value;
		break;
	case COLUMNS:
		break;
	}
}

static bool take_column(struct decoder *d, enum column column)
{
	const char *name = record_column_names[column];
	int count = 0;

	if (!comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		int64_t value = 0;

		if (count == RECORD_PROBES_MAX)
			return blame(d, RECORD_RANGE, "probe.%s too long",
			             name);
		if (!take_integer(d, name, 0, column_most[column], &value)) {
			snprintf(d->where, WHERE_BYTES, "probe.%s[%d]", name,
			         count);
			return false;
		}
		column_set(&d->out->probe[count++], column, value);
	}
	d->column_count[column] = count;
	return true;
}

static bool take_probes(struct decoder *d, const char *name)
{
	uint32_t met = 0;

	if (!comes(d, '{', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_column_names, COLUMNS);

		if (key < 0)
			json_skip(&d->r);
		else if (!mark(d, &met, key, record_column_names[key]) ||
		         !take_column(d, (enum column)key))
			return false;
	}
	if (d->r.bad || !complete(d, met, record_column_names, COLUMNS))
		return false;
	for (int c = 1; c < COLUMNS; c++)
		if (d->column_count[c] != d->column_count[0])
			return blame(d, RECORD_ARRAYS, "probe.%s",
			             record_column_names[c]);
	d->out->probe_count = (uint16_t)d->column_count[0];
	return true;
}

static bool take_skip(struct decoder *d, const char *name, uint8_t *out)
{
	char word[WORD_BYTES];

	if (!take_text(d, name, word, sizeof(word)))
		return false;

	int skip = skip_parse(word);

	if (skip <= SKIP_NONE)
		return blame(d, RECORD_RANGE, "%s", name);
	*out = (uint8_t)skip;
	return true;
}

/* [type, code] */
static bool take_icmp(struct decoder *d, const char *name,
                      struct record_evidence *v)
{
	int64_t value[2] = { 0, 0 };
	int count = 0;

	if (!comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		if (count == 2)
			return blame(d, RECORD_FIELD, "%s", name);
		if (!take_integer(d, name, 0, UINT8_MAX, &value[count++]))
			return false;
	}
	if (count != 2)
		return blame(d, RECORD_FIELD, "%s", name);
	v->has_icmp = true;
	v->icmp_type = (uint8_t)value[0];
	v->icmp_code = (uint8_t)value[1];
	return true;
}

static bool take_from(struct decoder *d, const char *name, struct addr *out)
{
	char word[WORD_BYTES];

	if (!take_text(d, name, word, sizeof(word)))
		return false;
	if (!addr_parse(word, out))
		return blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_banner(struct decoder *d, const char *name,
                        struct record_evidence *v)
{
	char text[BANNER_CHARS];
	size_t n = 0;

	if (!take_text(d, name, text, sizeof(text)))
		return false;
	if (sodium_base642bin(v->banner, sizeof(v->banner), text, strlen(text),
	                      NULL, &n, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) != 0)
		return blame(d, RECORD_FIELD, "%s", name);
	v->banner_bytes = (uint8_t)n;
	return true;
}

static bool take_evidence_member(struct decoder *d, enum evidence_key key,
                                 struct record_evidence *v)
{
	const char *name = record_evidence_names[key];
	int64_t number = 0;

	switch (key) {
	case EVIDENCE_INDEX:
		if (!take_integer(d, name, 0, RECORD_PROBES_MAX - 1, &number))
			return false;
		v->probe = (uint16_t)number;
		return true;
	case EVIDENCE_SKIP:
		return take_skip(d, name, &v->skip);
	case EVIDENCE_ICMP:
		return take_icmp(d, name, v);
	case EVIDENCE_FROM:
		return take_from(d, name, &v->from);
	case EVIDENCE_BANNER:
		return take_banner(d, name, v);
	case EVIDENCE_ARRIVED:
		if (!take_integer(d, name, 1, UINT16_MAX, &number))
			return false;
		v->arrived_port = (uint16_t)number;
		return true;
	case EVIDENCE_ERRNO:
		if (!take_integer(d, name, 1, RECORD_ERRNO_MAX, &number))
			return false;
		v->sys_errno = (int32_t)number;
		return true;
	case EVIDENCE_KEYS:
		break;
	}
	return false;
}

static bool take_one_evidence(struct decoder *d, struct record_evidence *v)
{
	uint32_t met = 0;

	*v = (struct record_evidence){ 0 };
	if (!comes(d, '{', "evidence"))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_evidence_names, EVIDENCE_KEYS);

		if (key < 0)
			json_skip(&d->r);
		else if (!mark(d, &met, key, record_evidence_names[key]) ||
		         !take_evidence_member(d, (enum evidence_key)key, v))
			return false;
	}
	if (d->r.bad)
		return false;
	if (v->from.family != 0 && !v->has_icmp)
		return blame(d, RECORD_FIELD, "from without icmp");
	return complete(d, met, record_evidence_names, EVIDENCE_INDEX + 1);
}

/* Say which piece of evidence the field is in. */
static bool in_evidence(struct decoder *d, int index)
{
	char inner[WHERE_BYTES / 2];

	if (d->fault == RECORD_OK)
		return false;
	snprintf(inner, sizeof(inner), "%s", d->where);
	snprintf(d->where, WHERE_BYTES, "evidence[%d].%s", index, inner);
	return false;
}

static bool take_evidence(struct decoder *d, const char *name)
{
	int count = 0;

	if (!comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		if (count == RECORD_EVIDENCE_MAX)
			return blame(d, RECORD_RANGE, "%s too long", name);

		struct record_evidence *v = &d->out->evidence[count];

		if (!take_one_evidence(d, v))
			return in_evidence(d, count);
		if (count > 0 && v->probe <= v[-1].probe)
			return blame(d, RECORD_RANGE, "evidence[%d].i", count);
		count++;
	}
	d->out->evidence_count = (uint16_t)count;
	return true;
}

static bool take_manifest(struct decoder *d, const char *name)
{
	char text[MANIFEST_CHARS];
	size_t n = 0;

	d->out->manifest_bytes = 0;
	if (json_null(&d->r))
		return true;
	if (!comes(d, '"', name))
		return false;
	if (!json_string(&d->r, text, sizeof(text)) ||
	    sodium_base642bin(d->out->manifest, sizeof(d->out->manifest), text,
	                      strlen(text), NULL, &n, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n == 0)
		return blame(d, RECORD_MANIFEST, "%s", name);
	d->out->manifest_bytes = (uint16_t)n;
	return true;
}

static bool take_member(struct decoder *d, enum record_key key)
{
	const char *name = record_names[key];

	switch (key) {
	case KEY_FORMAT:
		return take_format(d);
	case KEY_RUN:
		return take_run(d, name);
	case KEY_STARTED:
		return take_started(d, name);
	case KEY_CLOCK_OFFSET:
		return take_integer(d, name, -RECORD_OFFSET_MAX_MS,
		                    RECORD_OFFSET_MAX_MS,
		                    &d->out->clock_offset_ms);
	case KEY_DURATION:
		return take_integer(d, name, 0, RECORD_DAY_MS,
		                    &d->out->duration_ms);
	case KEY_PLAN:
		return take_plan(d, name);
	case KEY_REFLECTOR:
		return take_reflector(d, name);
	case KEY_FAMILY:
		return take_family(d, name);
	case KEY_AGENT:
		return take_agent(d, name);
	case KEY_CLASS:
		return take_classes(d, name);
	case KEY_VOID:
		return take_void(d, name);
	case KEY_PROBE:
		return take_probes(d, name);
	case KEY_EVIDENCE:
		return take_evidence(d, name);
	case KEY_MANIFEST:
		return take_manifest(d, name);
	case RECORD_KEYS:
		break;
	}
	return false;
}

static bool take_record(struct decoder *d)
{
	uint32_t met = 0;

	if (json_peek(&d->r) != '{') {
		json_skip(&d->r);
		return blame(d, RECORD_FORMAT, "format");
	}
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_names, RECORD_KEYS);

		if (key < 0)
			json_skip(&d->r);
		else if (!mark(d, &met, key, record_names[key]) ||
		         !take_member(d, (enum record_key)key))
			return false;
	}
	if (!json_ends(&d->r))
		return false;
	if (!(met & 1 << KEY_FORMAT))
		return blame(d, RECORD_FORMAT, "format");
	return complete(d, met, record_names, RECORD_KEYS);
}

/* One bit a direction, transport and port: linear, and 32 kB of stack. */
static bool probes_differ(struct decoder *d)
{
	uint64_t met[4 * 65536 / 64] = { 0 };

	for (int i = 0; i < d->out->probe_count; i++) {
		const struct record_probe *p = &d->out->probe[i];
		size_t key = (p->direction * (size_t)2 + p->transport) * 65536 +
		             p->port;
		uint64_t bit = UINT64_C(1) << key % 64;

		if (met[key / 64] & bit)
			return blame(d, RECORD_DUPLICATE, "probe.port[%d]", i);
		met[key / 64] |= bit;
	}
	return true;
}

/* Evidence belongs to a probe; a probe was skipped for a reason, or made. */
static bool evidence_fits(struct decoder *d)
{
	const struct record *r = d->out;
	int e = 0;

	for (int i = 0; i < r->probe_count; i++) {
		bool untested = r->probe[i].outcome == OUTCOME_UNTESTED;
		bool skipped = false;

		if (e < r->evidence_count && r->evidence[e].probe == i)
			skipped = r->evidence[e++].skip != SKIP_NONE;
		if (untested && !skipped)
			return blame(d, RECORD_FIELD,
			             "evidence of probe %d: skip missing", i);
		if (skipped && !untested)
			return blame(d, RECORD_FIELD,
			             "evidence of probe %d: skip", i);
	}
	if (e < r->evidence_count)
		return blame(d, RECORD_RANGE, "evidence[%d].i", e);
	return true;
}

enum record_fault record_decode(const char *json, size_t n_bytes,
                                struct record *out, char where[64])
{
	struct decoder d = {
		.r = json_reader_of(json, n_bytes),
		.out = out,
		.where = where,
	};

	where[0] = '\0';
	if (n_bytes > RECORD_JSON_MAX)
		return RECORD_TOO_LONG;
	if (take_record(&d) && probes_differ(&d) && evidence_fits(&d))
		return RECORD_OK;
	return d.fault == RECORD_OK ? RECORD_NOT_JSON : d.fault;
}
