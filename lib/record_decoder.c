/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/record_decoder.h"

#include <stdarg.h>
#include <stdio.h>

bool decoder_blame(struct decoder *d, enum record_fault fault, const char *fmt,
                   ...)
{
	va_list args;

	if (d->fault != RECORD_OK)
		return false;
	d->fault = d->r.bad ? RECORD_NOT_JSON : fault;
	va_start(args, fmt);
	vsnprintf(d->where, RECORD_WHERE_BYTES, fmt, args);
	va_end(args);
	return false;
}

bool decoder_comes(struct decoder *d, char first, const char *name)
{
	if (json_peek(&d->r) == first)
		return true;
	json_skip(&d->r);
	return decoder_blame(d, RECORD_FIELD, "%s", name);
}

bool decoder_integer(struct decoder *d, const char *name, int64_t least,
                     int64_t most, int64_t *out)
{
	char c = json_peek(&d->r);

	if (c != '-' && !(c >= '0' && c <= '9'))
		return decoder_comes(d, '0', name);
	if (!json_whole_number(&d->r, out) || *out < least || *out > most)
		return decoder_blame(d, RECORD_RANGE, "%s", name);
	return true;
}

bool decoder_text(struct decoder *d, const char *name, char *out,
                  size_t out_bytes)
{
	if (!decoder_comes(d, '"', name))
		return false;
	if (!json_string(&d->r, out, out_bytes) || out[0] == '\0')
		return decoder_blame(d, RECORD_FIELD, "%s", name);
	return true;
}

bool decoder_mark(struct decoder *d, uint32_t *met, int key, const char *name)
{
	uint32_t bit = UINT32_C(1) << key;

	if (*met & bit)
		return decoder_blame(d, RECORD_FIELD, "%s twice", name);
	*met |= bit;
	return true;
}

bool decoder_complete(struct decoder *d, uint32_t met, const char *const *names,
                      int count)
{
	for (int key = 0; key < count; key++)
		if (!(met & UINT32_C(1) << key))
			return decoder_blame(d, RECORD_FIELD, "%s missing",
			                     names[key]);
	return true;
}
