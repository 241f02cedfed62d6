/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each line leaves in one write(), so lines of several threads do not mix.
 */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static atomic_int most_detailed = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store(&most_detailed, level);
}

/*
 * Control characters could end the line early and start a forged one, or
 * drive the terminal.
 */
static void keep_one_line(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

/* stderr may be closed or full: there is nowhere left to say so. */
static void write_all(const char *p, size_t n_bytes)
{
	while (n_bytes > 0) {
		ssize_t n = write(STDERR_FILENO, p, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		p += n;
		n_bytes -= (size_t)n;
	}
}

static void write_line(enum log_level level, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static void write_line(enum log_level level, const char *fmt, va_list args)
{
	int saved_errno = errno;
	char line[LINE_BYTES];
	size_t start = 0;
	size_t end;

	if ((int)level > atomic_load(&most_detailed))
		return;
	if (!isatty(STDERR_FILENO))
		start = (size_t)snprintf(line, sizeof(line), "<%d>",
		                         (int)level);
	if (vsnprintf(line + start, sizeof(line) - start, fmt, args) < 0)
		line[start] = '\0';
	keep_one_line(line + start);
	end = strlen(line);
	line[end++] = '\n'; /* in place of the terminating 0 */
	write_all(line, end);
	errno = saved_errno;
}

void log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_ERROR, fmt, args);
	va_end(args);
}

void log_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_WARN, fmt, args);
	va_end(args);
}

void log_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_INFO, fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_DEBUG, fmt, args);
	va_end(args);
}

/* Write one byte as 1 or 4 characters, without a 0; returns how many. */
static size_t escape_byte(uint8_t byte, char out[4])
{
	static const char hex[] = "0123456789abcdef";

	if (byte >= ' ' && byte < 0x7f && !strchr("\"'\\", byte)) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[byte >> 4];
	out[3] = hex[byte & 15];
	return 4;
}

char *log_escape(char *out, size_t out_bytes, const void *bytes, size_t n_bytes)
{
	static const char dots[] = "...";
	const uint8_t *p = bytes;
	size_t used = 0;
	size_t cut = 0; /* where the dots go if the rest does not fit */

	if (out_bytes == 0)
		return out;
	for (size_t i = 0; i < n_bytes; i++) {
		char unit[4];
		size_t n = escape_byte(p[i], unit);

		if (n >= out_bytes - used) {
			size_t room = out_bytes - 1 - cut;

			n = room < 3 ? room : 3;
			memcpy(out + cut, dots, n);
			used = cut + n;
			break;
		}
		memcpy(out + used, unit, n);
		used += n;
		if (out_bytes - used >= sizeof(dots))
			cut = used;
	}
	out[used] = '\0';
	return out;
}
