/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the evidence of a record, one object a probe that needs explaining. */
#include <sodium.h>
#include <stdio.h>

#include "lib/record_decoder.h"

enum { BANNER_CHARS = 4 * ((RECORD_BANNER_BYTES + 2) / 3) + 1 };

static bool take_skip(struct decoder *d, const char *name, uint8_t *out)
{
	char word[RECORD_WORD_BYTES];

	if (!decoder_text(d, name, word, sizeof(word)))
		return false;

	int skip = skip_parse(word);

	if (skip <= SKIP_NONE)
		return decoder_blame(d, RECORD_RANGE, "%s", name);
	*out = (uint8_t)skip;
	return true;
}

/* [type, code] */
static bool take_icmp(struct decoder *d, const char *name,
                      struct record_evidence *v)
{
	int64_t value[2] = { 0, 0 };
	int count = 0;

	if (!decoder_comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		if (count == 2)
			return decoder_blame(d, RECORD_FIELD, "%s", name);
		if (!decoder_integer(d, name, 0, UINT8_MAX, &value[count++]))
			return false;
	}
	if (count != 2)
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	v->has_icmp = true;
	v->icmp_type = (uint8_t)value[0];
	v->icmp_code = (uint8_t)value[1];
	return true;
}

static bool take_from(struct decoder *d, const char *name, struct addr *out)
{
	char word[RECORD_WORD_BYTES];

	if (!decoder_text(d, name, word, sizeof(word)))
		return false;
	if (!addr_parse(word, out))
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	return true;
}

static bool take_banner(struct decoder *d, const char *name,
                        struct record_evidence *v)
{
	char text[BANNER_CHARS];
	size_t n = 0;

	if (!decoder_text(d, name, text, sizeof(text)))
		return false;
	if (sodium_base642bin(v->banner, sizeof(v->banner), text, strlen(text),
	                      NULL, &n, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) != 0)
		return decoder_blame(d, RECORD_FIELD, "%s", name);
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
		if (!decoder_integer(d, name, 0, RECORD_PROBES_MAX - 1,
		                     &number))
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
		if (!decoder_integer(d, name, 1, UINT16_MAX, &number))
			return false;
		v->arrived_port = (uint16_t)number;
		return true;
	case EVIDENCE_ERRNO:
		if (!decoder_integer(d, name, 1, RECORD_ERRNO_MAX, &number))
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
	if (!decoder_comes(d, '{', "evidence"))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, '}')) {
		int key = json_key(&d->r, record_evidence_names, EVIDENCE_KEYS);

		if (key < 0)
			json_skip(&d->r);
		else if (!decoder_mark(d, &met, key,
		                       record_evidence_names[key]) ||
		         !take_evidence_member(d, (enum evidence_key)key, v))
			return false;
	}
	if (d->r.bad)
		return false;
	if (v->from.family != 0 && !v->has_icmp)
		return decoder_blame(d, RECORD_FIELD, "from without icmp");
	return decoder_complete(d, met, record_evidence_names,
	                        EVIDENCE_INDEX + 1);
}

/* Say which piece of evidence the field is in. */
static bool in_evidence(struct decoder *d, int index)
{
	char inner[RECORD_WHERE_BYTES / 2];

	if (d->fault == RECORD_OK)
		return false;
	snprintf(inner, sizeof(inner), "%s", d->where);
	snprintf(d->where, RECORD_WHERE_BYTES, "evidence[%d].%s", index, inner);
	return false;
}

bool decoder_evidence(struct decoder *d, const char *name)
{
	int count = 0;

	if (!decoder_comes(d, '[', name))
		return false;
	json_enter(&d->r);
	while (json_next(&d->r, ']')) {
		if (count == RECORD_EVIDENCE_MAX)
			return decoder_blame(d, RECORD_RANGE, "%s too long",
			                     name);

		struct record_evidence *v = &d->out->evidence[count];

		if (!take_one_evidence(d, v))
			return in_evidence(d, count);
		if (count > 0 && v->probe <= v[-1].probe)
			return decoder_blame(d, RECORD_RANGE, "evidence[%d].i",
			                     count);
		count++;
	}
	d->out->evidence_count = (uint16_t)count;
	return true;
}
