/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the text (record_encode.c shows it), in whatever order the
 * keys come; then what holds between the parts is checked.  The functions are
 * false after the first fault, which stays in struct decoder.
 */
#include <sodium.h>
#include <stdio.h>

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/record_decoder.h"

enum { MANIFEST_CHARS = 4 * ((WIRE_MESSAGE_MAX + 2) / 3) + 1 };

/* The least value of every column is 0. */
static const int64_t column_most[COLUMNS] = {
	[COLUMN_DIRECTION] = DIRECTION_IN, [COLUMN_TRANSPORT] = TRANSPORT_UDP,
	[COLUMN_PORT] = UINT16_MAX,        [COLUMN_OUTCOME] = OUTCOME_COUNT - 1,
	[COLUMN_RTT] = RECORD_INTEGER_MAX, [COLUMN_ATTEMPTS] = 4,
	[COLUMN_HOP] = UINT8_MAX,
};

static bool take_format(struct decoder *d)
{
	char text[sizeof(RECORD_FORMAT_NAME)];

	if (json_peek(&d->r) != '"')
		json_skip(&d->r);
	else if (json_string(&d->r, text, sizeof(text)) &&
	         strcmp(text, RECORD_FORMAT_NAME) == 0)
		return true;
	return decoder_blame(d, RECORD_FORMAT, "format");
}

static bool take_run(struct decoder *d, const char *name)
{
	char text[RUN_ID_CHARS + 1];

	if (!decoder_text(d, name, text, sizeof(text)))
		return false;
	if (!record_run_id_parse(text, d->out->run))
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_started(struct decoder *d, const char *name)
{
	char text[CLOCK_TEXT_BYTES];

	if (!decoder_text(d, name, text, sizeof(text)))
		return false;
	if (!clock_parse(text, &d->out->started_ns))
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_plan(struct decoder *d, const char *name)
{
	int64_t serial;

	if (!decoder_integer(d, name, 1, RECORD_INTEGER_MAX, &serial))
		return false;
	d->out->plan = (uint32_t)serial;
	return true;
}

static bool take_reflector(struct decoder *d, const char *name)
{
	char *text = d->out->reflector;

	if (!decoder_text(d, name, text, sizeof(d->out->reflector)))
		return false;
	if (!wire_name_valid(text))
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_family(struct decoder *d, const char *name)
{
	int64_t family;

	if (!decoder_integer(d, name, 4, 6, &family))
		return false;
	if (family == 5)
		return decoder_blame(d, RECORD_RANGE, "%s", name);
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

	if (!decoder_comes(d, '{', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_agent_names, AGENT_KEYS);

		if (key < 0) {
			json_skip(&d->r);
			continue;
		}
		if (!decoder_mark(d, &met, key, record_agent_names[key]) ||
		    !decoder_text(d, record_agent_names[key], text[key],
		                  RECORD_TEXT_BYTES))
			return false;
	}
	return decoder_complete(d, met, record_agent_names, AGENT_KEYS);
}

static bool take_classes(struct decoder *d, const char *name)
{
	char word[RECORD_WORD_BYTES];

	d->out->classes = 0;
	if (!decoder_comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		if (!decoder_text(d, name, word, sizeof(word)))
			return false;

		int class = consent_class_parse(word);

		if (class == 0)
			return decoder_blame(d, RECORD_RANGE, "%s", name);
		if (d->out->classes & class)
			return decoder_blame(d, RECORD_FIELD, "%s twice", name);
		d->out->classes |= (uint8_t) class;
	}
	if (d->out->classes == 0)
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_void_reason(struct decoder *d, const char *name, uint8_t *out)
{
	char word[RECORD_WORD_BYTES];

	*out = VOID_NONE;
	if (json_null(&d->r))
		return true;
	if (!decoder_text(d, name, word, sizeof(word)))
		return false;

	int reason = void_reason_parse(word);

	/* "none" is written as null. */
	if (reason <= VOID_NONE)
		return decoder_blame(d, RECORD_RANGE, "%s", name);
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
	if (!decoder_comes(d, '{', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_void_names, 2);

		if (key < 0) {
			json_skip(&d->r);
			continue;
		}
		if (!decoder_mark(d, &met, key, record_void_names[key]) ||
		    !take_void_reason(d, name, reason[key]))
			return false;
	}
	return decoder_complete(d, met, record_void_names, 2);
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

	if (!decoder_comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		int64_t value = 0;

		if (count == RECORD_PROBES_MAX)
			return decoder_blame(d, RECORD_RANGE,
			                     "probe.%s too long", name);
		if (!decoder_integer(d, name, 0, column_most[column], &value)) {
			snprintf(d->where, RECORD_WHERE_BYTES, "probe.%s[%d]",
			         name, count);
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

	if (!decoder_comes(d, '{', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_column_names, COLUMNS);

		if (key < 0)
			json_skip(&d->r);
		else if (!decoder_mark(d, &met, key,
		                       record_column_names[key]) ||
		         !take_column(d, (enum column)key))
			return false;
	}
	if (d->r.bad || !decoder_complete(d, met, record_column_names, COLUMNS))
		return false;
	for (int c = 1; c < COLUMNS; c++)
		if (d->column_count[c] != d->column_count[0])
			return decoder_blame(d, RECORD_ARRAYS, "probe.%s",
			                     record_column_names[c]);
	d->out->probe_count = (uint16_t)d->column_count[0];
	return true;
}

static bool take_manifest(struct decoder *d, const char *name)
{
	char text[MANIFEST_CHARS];
	size_t n = 0;

	d->out->manifest_bytes = 0;
	if (json_null(&d->r))
		return true;
	if (!decoder_comes(d, '"', name))
		return false;
	if (!json_string(&d->r, text, sizeof(text)) ||
	    sodium_base642bin(d->out->manifest, sizeof(d->out->manifest), text,
	                      strlen(text), NULL, &n, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n == 0)
		return decoder_blame(d, RECORD_MANIFEST, "%s", name);
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
		return decoder_integer(d, name, -RECORD_OFFSET_MAX_MS,
		                       RECORD_OFFSET_MAX_MS,
		                       &d->out->clock_offset_ms);
	case KEY_DURATION:
		return decoder_integer(d, name, 0, RECORD_DAY_MS,
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
		return decoder_evidence(d, name);
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
		return decoder_blame(d, RECORD_FORMAT, "format");
	}
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_names, RECORD_KEYS);

		if (key < 0)
			json_skip(&d->r);
		else if (!decoder_mark(d, &met, key, record_names[key]) ||
		         !take_member(d, (enum record_key)key))
			return false;
	}
	if (!json_ends(&d->r))
		return false;
	if (!(met & 1 << KEY_FORMAT))
		return decoder_blame(d, RECORD_FORMAT, "format");
	return decoder_complete(d, met, record_names, RECORD_KEYS);
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
			return decoder_blame(d, RECORD_DUPLICATE,
			                     "probe.port[%d]", i);
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
			return decoder_blame(
				d, RECORD_FIELD,
				"evidence of probe %d: skip missing", i);
		if (skipped && !untested)
			return decoder_blame(d, RECORD_FIELD,
			                     "evidence of probe %d: skip", i);
	}
	if (e < r->evidence_count)
		return decoder_blame(d, RECORD_RANGE, "evidence[%d].i", e);
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
