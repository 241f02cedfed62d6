/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/page.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, WIDTH_LEAST = 40, WIDTH_MOST = 100 };

enum report_style page_style(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (!isatty(fileno(out)) || (no_color && *no_color) ||
	    (term && strcmp(term, "dumb") == 0))
		return REPORT_PLAIN;
	return REPORT_COLOUR;
}

int page_width(FILE *out)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

static void set_ink(const struct page *g, enum page_ink ink)
{
	static const char *const code[] = {
		[INK_NONE] = "\033[0m",  [INK_GOOD] = "\033[32m",
		[INK_BAD] = "\033[31m",  [INK_ODD] = "\033[33m",
		[INK_FAINT] = "\033[2m", [INK_STRONG] = "\033[1m",
	};

	if (g->style == REPORT_COLOUR)
		fputs(code[ink], g->out);
}

struct page page_of(FILE *out, enum report_style style, int width)
{
	struct page g = { out, style, width ? width : WIDTH_DEFAULT };

	if (g.width < WIDTH_LEAST)
		g.width = WIDTH_LEAST;
	if (g.width > WIDTH_MOST)
		g.width = WIDTH_MOST;
	return g;
}

void page_wrap(const struct page *g, int column, int indent, enum page_ink ink,
               const char *text)
{
	const char *colon = strstr(text, ": ");
	const char *p = text;
	int at = column;

	if (ink != INK_NONE)
		set_ink(g, ink);
	while (*p) {
		int n = (int)strcspn(p, " ");

		if (at > indent && at + n + (p > text) > g->width) {
			fprintf(g->out, "\n%*s", indent, "");
			at = indent;
		} else if (p > text) {
			fputc(' ', g->out);
			at++;
		}
		fwrite(p, 1, (size_t)n, g->out);
		at += n;
		p += n;
		if (ink != INK_NONE && colon && p > colon) {
			set_ink(g, INK_NONE);
			ink = INK_NONE;
		}
		p += strspn(p, " ");
	}
	if (ink != INK_NONE)
		set_ink(g, INK_NONE);
	fputc('\n', g->out);
}

void page_say(const struct page *g, enum page_ink ink, const char *fmt, ...)
{
	char text[PAGE_TEXT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	page_wrap(g, 0, 0, ink, text);
}
