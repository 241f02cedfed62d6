/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page - text laid out for a terminal of some width, perhaps in colour.
 */
#ifndef AGENT_PAGE_H
#define AGENT_PAGE_H

#include <stdio.h>

#include "agent/report.h"

enum { PAGE_TEXT_BYTES = 2048 };

enum page_ink { INK_NONE, INK_GOOD, INK_BAD, INK_ODD, INK_FAINT, INK_STRONG };

struct page {
	FILE *out;
	enum report_style style;
	int width;
};

/* Colour for a terminal whose user did not refuse it (NO_COLOR). */
enum report_style page_style(FILE *out);

/* The columns of a terminal; 0 when it is none, or does not say. */
int page_width(FILE *out);

/* width as the terminal says it; 0: unknown. */
struct page page_of(FILE *out, enum report_style style, int width);

/*
 * Write words and a line feed, the cursor being at column; what does not fit
 * goes on at indent in the next line.  ink colours the text up to its first
 * ": ", or all of it when there is none.
 */
void page_wrap(const struct page *g, int column, int indent, enum page_ink ink,
               const char *text);

/* The same from the beginning of a line; at most PAGE_TEXT_BYTES. */
void page_say(const struct page *g, enum page_ink ink, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
