/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/matrix.h"

#include "lib/mem.h"

enum {
	NAME_CHARS = 22, /* longer names of providers are cut */
	ROW_TEXT_BYTES = 160,
	CELL_TEXT_BYTES = 64,
	GAP = 2,
	MIN_COLUMNS = 1,
};

struct column {
	const char *transport;
	int port;
	bool remarkable;
	size_t width;
};

struct row {
	const struct matrix_cell *first; /* names the provider */
	int64_t lines;                   /* the most of any cell */
	char text[ROW_TEXT_BYTES];
};

struct grid {
	const struct matrix_style *style;
	FILE *out;
	struct column *column;
	size_t column_count;
	struct row *row;
	size_t row_count;
	const struct matrix_cell **cell; /* row by row; NULL: no data */
	size_t head_width;
	bool several_families;
};

static const struct look {
	const char *label;
	char letter;
	const char *colour;
} looks[] = {
	{ "blocked", 'B', "1;31" },   { "intercepted", 'I', "1;35" },
	{ "altered", 'A', "35" },     { "partial", 'P', "33" },
	{ "unclear", '?', "36" },     { "open", '.', "32" },
	{ "insufficient", '-', "2" },
};

static const struct look unknown_look = { "other", '*', "0" };

static const struct look *look_of(const char *label)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
		if (strcmp(looks[i].label, label) == 0)
			return &looks[i];
	}
	return &unknown_look;
}

/* ---- text ---------------------------------------------------------------- */

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Copy at most so many characters; control characters become "?". */
static void copy_name(char *out, size_t out_bytes, const char *name,
                      size_t chars)
{
	size_t used = 0;

	for (; *name && used + 1 < out_bytes; name++) {
		bool starts = (*name & 0xc0) != 0x80;

		if (starts && chars-- == 0)
			break;
		out[used++] = *name;
		if ((unsigned char)*name < ' ' || *name == 0x7f)
			out[used - 1] = '?';
	}
	out[used] = 0;
}

static void pad(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* Right-aligned, in the width of its column. */
static void print_right(const struct grid *g, const char *text, size_t width)
{
	size_t n = text_width(text);

	pad(g->out, GAP + (n < width ? width - n : 0));
	fputs(text, g->out);
}

static void format_cell(char out[CELL_TEXT_BYTES], const struct matrix_cell *c)
{
	if (c->lines == 0) {
		snprintf(out, CELL_TEXT_BYTES, "-");
		return;
	}
	snprintf(out, CELL_TEXT_BYTES, "%c %lld/%lld %3lld%%",
	         look_of(c->label)->letter, (long long)c->k,
	         (long long)c->lines,
	         (long long)((100 * c->k + c->lines / 2) / c->lines));
}

static void format_row(const struct grid *g, struct row *r)
{
	const struct matrix_cell *c = r->first;
	char name[4 * NAME_CHARS + 1];
	const char *family = "";

	if (g->several_families)
		family = c->family == 6 ? " IPv6" : " IPv4";
	copy_name(name, sizeof(name), c->asn_name, NAME_CHARS);
	snprintf(r->text, sizeof(r->text), "AS%lld %s (%.2s)%s%s",
	         (long long)c->asn, name, c->country, family,
	         strcmp(c->direction, "out") == 0 ? "" : " inbound");
}

/* ---- building ------------------------------------------------------------ */

static bool same_row(const struct matrix_cell *a, const struct matrix_cell *b)
{
	return a->asn == b->asn && a->family == b->family &&
	       strcmp(a->direction, b->direction) == 0;
}

static bool same_column(const struct column *c, const struct matrix_cell *at)
{
	return c->port == at->port && strcmp(c->transport, at->transport) == 0;
}

static struct column *find_column(const struct grid *g,
                                  const struct matrix_cell *at)
{
	for (size_t i = 0; i < g->column_count; i++) {
		if (same_column(&g->column[i], at))
			return &g->column[i];
	}
	return NULL;
}

static int by_port(const void *a, const void *b)
{
	const struct column *x = a;
	const struct column *y = b;
	int order = strcmp(x->transport, y->transport);

	return order != 0 ? order : x->port - y->port;
}

static void collect_columns(struct grid *g, const struct matrix_cell *cells,
                            size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct column *c = find_column(g, &cells[i]);

		if (!c) {
			c = &g->column[g->column_count++];
			*c = (struct column){ .transport = cells[i].transport,
				              .port = cells[i].port };
		}
		c->remarkable |= cells[i].remarkable;
	}
	for (size_t i = 0; i < g->column_count; i++) {
		if (g->style->all || g->column[i].remarkable)
			g->column[kept++] = g->column[i];
	}
	g->column_count = kept;
	qsort(g->column, g->column_count, sizeof(*g->column), by_port);
}

static void collect_rows(struct grid *g, const struct matrix_cell *cells,
                         size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct row *r;

		if (i == 0 || !same_row(&cells[i - 1], &cells[i]))
			g->row[g->row_count++].first = &cells[i];
		r = &g->row[g->row_count - 1];
		if (cells[i].lines > r->lines)
			r->lines = cells[i].lines;
		g->several_families |= cells[i].family != cells[0].family;
	}
	for (size_t i = 0; i < g->row_count; i++) {
		format_row(g, &g->row[i]);
		if (text_width(g->row[i].text) > g->head_width)
			g->head_width = text_width(g->row[i].text);
	}
}

static void place_cells(struct grid *g, const struct matrix_cell *cells,
                        size_t count)
{
	size_t row = 0;

	for (size_t i = 0; i < count; i++) {
		struct column *c = find_column(g, &cells[i]);
		char text[CELL_TEXT_BYTES];

		if (i > 0 && !same_row(&cells[i - 1], &cells[i]))
			row++;
		if (!c)
			continue;
		g->cell[row * g->column_count + (size_t)(c - g->column)] =
			&cells[i];
		format_cell(text, &cells[i]);
		if (text_width(text) > c->width)
			c->width = text_width(text);
	}
}

static void column_title(const struct column *c, char out[CELL_TEXT_BYTES])
{
	snprintf(out, CELL_TEXT_BYTES, "%d/%s", c->port, c->transport);
}

static void widen_for_titles(struct grid *g)
{
	char title[CELL_TEXT_BYTES];

	for (size_t i = 0; i < g->column_count; i++) {
		column_title(&g->column[i], title);
		if (strlen(title) > g->column[i].width)
			g->column[i].width = strlen(title);
	}
}

/* ---- printing ------------------------------------------------------------ */

/* How many columns from this one on fit on a line. */
static size_t columns_that_fit(const struct grid *g, size_t from)
{
	size_t used = g->head_width + GAP + strlen("lines");
	size_t n = 0;

	while (from + n < g->column_count) {
		used += GAP + g->column[from + n].width;
		if (used > g->style->width && n >= MIN_COLUMNS)
			break;
		n++;
	}
	return n;
}

static void print_cell(const struct grid *g, const struct matrix_cell *c,
                       size_t width)
{
	char text[CELL_TEXT_BYTES] = "";

	if (c)
		format_cell(text, c);
	if (c && g->style->colour)
		fprintf(g->out, "\033[%sm", look_of(c->label)->colour);
	print_right(g, text, width);
	if (c && g->style->colour)
		fputs("\033[0m", g->out);
}

static void print_part(const struct grid *g, size_t from, size_t n)
{
	char text[CELL_TEXT_BYTES];

	pad(g->out, g->head_width);
	print_right(g, "lines", strlen("lines"));
	for (size_t i = from; i < from + n; i++) {
		column_title(&g->column[i], text);
		print_right(g, text, g->column[i].width);
	}
	fputc('\n', g->out);
	for (size_t r = 0; r < g->row_count; r++) {
		fputs(g->row[r].text, g->out);
		pad(g->out, g->head_width - text_width(g->row[r].text));
		snprintf(text, sizeof(text), "%lld",
		         (long long)g->row[r].lines);
		print_right(g, text, strlen("lines"));
		for (size_t i = from; i < from + n; i++)
			print_cell(g, g->cell[r * g->column_count + i],
			           g->column[i].width);
		fputc('\n', g->out);
	}
	fputc('\n', g->out);
}

static void print_key(const struct grid *g, size_t hidden)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
		fprintf(g->out, "%s%c %s", i > 0 ? "  " : "", looks[i].letter,
		        looks[i].label);
	fputs("\nk/n: the label is about k of n lines; empty: no data.\n",
	      g->out);
	if (hidden > 0)
		fprintf(g->out,
		        "%zu more port%s let through everywhere it was "
		        "measured: --all shows %s.\n",
		        hidden, hidden == 1 ? " is" : "s are",
		        hidden == 1 ? "it" : "them");
}

static size_t count_ports(const struct matrix_cell *cells, size_t count)
{
	struct grid g = { .column = mem_array(count, sizeof(*g.column)) };
	struct matrix_style all = { .all = true };

	g.style = &all;
	collect_columns(&g, cells, count);
	free(g.column);
	return g.column_count;
}

void matrix_print(const struct matrix_cell *cells, size_t count,
                  const struct matrix_style *style, FILE *out)
{
	struct grid g = {
		.style = style,
		.out = out,
		.column = mem_array(count, sizeof(*g.column)),
		.row = mem_array(count, sizeof(*g.row)),
	};
	size_t n;

	collect_columns(&g, cells, count);
	collect_rows(&g, cells, count);
	g.cell = mem_array(g.row_count * g.column_count + 1, sizeof(*g.cell));
	place_cells(&g, cells, count);
	widen_for_titles(&g);
	for (size_t from = 0; from < g.column_count; from += n) {
		n = columns_that_fit(&g, from);
		print_part(&g, from, n);
	}
	print_key(&g, count_ports(cells, count) - g.column_count);
	free(g.cell);
	free(g.row);
	free(g.column);
}
