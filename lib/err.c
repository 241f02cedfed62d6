/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that is too long is cut where it hurts least: err_set keeps the
 * system's reason at the end, err_prefix keeps the context at the start.
 * Everything is put together in a local buffer first, because callers may
 * pass e->text itself as an argument.
 */
#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char ellipsis[] = "...";

/* End a text that snprintf would have made n characters long with dots. */
static void mark_cut(char *text, size_t room_bytes, int n)
{
	if (n >= 0 && (size_t)n >= room_bytes && room_bytes > sizeof(ellipsis))
		memcpy(text + room_bytes - sizeof(ellipsis), ellipsis,
		       sizeof(ellipsis));
}

bool err_set(struct err *e, int code, const char *fmt, ...)
{
	char text[sizeof(e->text)] = "";
	char reason[128] = "";
	char buffer[100];
	size_t room_bytes;
	va_list args;

	if (code != 0)
		snprintf(reason, sizeof(reason), ": %s",
		         strerror_r(code, buffer, sizeof(buffer)));
	room_bytes = sizeof(text) - strlen(reason);

	va_start(args, fmt);
	mark_cut(text, room_bytes, vsnprintf(text, room_bytes, fmt, args));
	va_end(args);

	e->code = code;
	memcpy(text + strlen(text), reason, strlen(reason) + 1);
	memcpy(e->text, text, sizeof(text));
	return false;
}

bool err_prefix(struct err *e, const char *fmt, ...)
{
	char text[sizeof(e->text)] = "";
	va_list args;
	size_t used_bytes;
	int n;

	va_start(args, fmt);
	mark_cut(text, sizeof(text), vsnprintf(text, sizeof(text), fmt, args));
	va_end(args);

	used_bytes = strlen(text);
	n = snprintf(text + used_bytes, sizeof(text) - used_bytes, ": %s",
	             e->text);
	mark_cut(text + used_bytes, sizeof(text) - used_bytes, n);
	memcpy(e->text, text, sizeof(text));
	return false;
}
