/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report.h"

enum { BAR_MOST = 30, BAR_LEAST = 8, TEXT_BYTES = 128 };

/* The phase that the slowest run is in. */
static const struct run_progress *slowest(const struct run_progress *p,
                                          int run_count)
{
	const struct run_progress *least = &p[0];

	for (int i = 1; i < run_count; i++) {
		int64_t mine = (int64_t)p[i].done * (least->total + 1);
		int64_t best = (int64_t)least->done * (p[i].total + 1);

		if (mine < best)
			least = &p[i];
	}
	return least;
}

static void draw_bar(FILE *out, int columns, int done, int total,
                     enum report_style style)
{
	int full = total > 0 ? (int)((int64_t)columns * done / total) : 0;

	fputc('[', out);
	if (style == REPORT_COLOUR)
		fputs("\033[32m", out);
	for (int i = 0; i < columns; i++)
		fputc(i < full ? '#' : '-', out);
	if (style == REPORT_COLOUR)
		fputs("\033[0m", out);
	fputc(']', out);
}

void report_progress(FILE *out, const struct run_progress *p, int run_count,
                     enum report_style style, int width)
{
	struct run_progress sum = { .phase = "" };
	char text[TEXT_BYTES];
	int columns;

	for (int i = 0; i < run_count; i++) {
		sum.done += p[i].done;
		sum.total += p[i].total;
		sum.failed += p[i].failed;
	}
	if (run_count > 0 && slowest(p, run_count)->phase)
		sum.phase = slowest(p, run_count)->phase;
	snprintf(text, sizeof(text), " %d/%d  %d not open  %s", sum.done,
	         sum.total, sum.failed, sum.phase);
	columns = (width ? width : 80) - (int)strlen(text) - 3;
	if (columns > BAR_MOST)
		columns = BAR_MOST;
	fputc('\r', out);
	if (columns >= BAR_LEAST)
		draw_bar(out, columns, sum.done, sum.total, style);
	fprintf(out, "%s\033[K", text);
	fflush(out);
}

/* Blanks for terminals that do not know the escape. */
void report_progress_clear(FILE *out, int width)
{
	fprintf(out, "\r%*s\r\033[K", width > 1 ? width - 1 : 0, "");
	fflush(out);
}
