/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/verdicts.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "collector/matrix.h"
#include "collector/migrate.h"
#include "lib/exit.h"
#include "lib/mem.h"
#include "lib/value.h"

/* What programs get: the view, column by column. */
#define COLUMNS                                                            \
	"asn, asn_name, country, direction, transport, port, family, "     \
	"application, lines, blocked, open, intercepted, altered, share, " \
	"share_low, share_high, posterior, label, confirmed, confidence, " \
	"mostly_blocked, flip_margin, place, prefixes, first_day, last_day"

#define ORDER "order by direction desc, asn, family, transport, port"

enum { PLAIN_WIDTH = 120 }; /* when it is not a terminal */

/* The rows to show; free() it.  NULL when the text cannot be quoted. */
static char *rows_wanted(struct db *db, const struct verdicts_query *q,
                         const char *columns, struct err *e)
{
	char *country = PQescapeLiteral(db->conn, q->country ? q->country : "",
	                                q->country ? strlen(q->country) : 0);
	char *direction =
		PQescapeLiteral(db->conn, q->direction ? q->direction : "",
	                        q->direction ? strlen(q->direction) : 0);
	char *sql = NULL;

	if (country && direction)
		sql = mem_printf("select %s from periplus.verdict_matrix "
		                 "where (%lld = 0 or asn = %lld) "
		                 "and %s in ('', country) "
		                 "and %s in ('', direction) " ORDER,
		                 columns, (long long)q->asn, (long long)q->asn,
		                 country, direction);
	else
		err_set(e, 0, "country or direction is no valid text");
	PQfreemem(country);
	PQfreemem(direction);
	return sql;
}

/* One text that the database has made: it knows its types best. */
static bool print_text(struct db *db, const char *sql, struct err *e)
{
	PGresult *result = db_query(db, sql, 0, NULL, 0, e);

	if (!result)
		return false;
	for (int i = 0; i < PQntuples(result); i++)
		puts(PQgetvalue(result, i, 0));
	PQclear(result);
	return true;
}

static bool print_json(struct db *db, const char *rows, struct err *e)
{
	char *sql = mem_printf("select '[' || coalesce(string_agg("
	                       "row_to_json(v)::text, E',\\n'), '') || ']' "
	                       "from (%s) as v",
	                       rows);
	bool ok = print_text(db, sql, e);

	free(sql);
	return ok;
}

/* ---- CSV (RFC 4180) ------------------------------------------------------ */

static void print_field(const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static bool print_csv(struct db *db, const char *rows, struct err *e)
{
	PGresult *result = db_query(db, rows, 0, NULL, 0, e);

	if (!result)
		return false;
	for (int row = -1; row < PQntuples(result); row++) {
		for (int column = 0; column < PQnfields(result); column++) {
			if (column > 0)
				putchar(',');
			if (row < 0)
				fputs(PQfname(result, column), stdout);
			else
				print_field(PQgetvalue(result, row, column));
		}
		fputs("\r\n", stdout);
	}
	PQclear(result);
	return true;
}

/* ---- the matrix ---------------------------------------------------------- */

enum matrix_column {
	COLUMN_ASN,
	COLUMN_NAME,
	COLUMN_COUNTRY,
	COLUMN_DIRECTION,
	COLUMN_TRANSPORT,
	COLUMN_PORT,
	COLUMN_FAMILY,
	COLUMN_LABEL,
	COLUMN_K,
	COLUMN_LINES,
	COLUMN_REMARKABLE,
};

#define MATRIX_COLUMNS                                                        \
	"asn, asn_name, country, direction, transport, port, family, label, " \
	"k, lines, label not in ('open', 'insufficient') or "                 \
	"(label = 'insufficient' and open < lines)"

static int64_t number(const PGresult *result, int row,
                      enum matrix_column column)
{
	int64_t n = 0;

	/* The server writes integers; a null is empty and stays 0. */
	if (!value_parse_int(PQgetvalue(result, row, (int)column), &n))
		n = 0;
	return n;
}

static const char *text(const PGresult *result, int row,
                        enum matrix_column column)
{
	return PQgetvalue(result, row, (int)column);
}

static struct matrix_cell cell_at(const PGresult *r, int row)
{
	return (struct matrix_cell){
		.asn = number(r, row, COLUMN_ASN),
		.asn_name = text(r, row, COLUMN_NAME),
		.country = text(r, row, COLUMN_COUNTRY),
		.direction = text(r, row, COLUMN_DIRECTION),
		.transport = text(r, row, COLUMN_TRANSPORT),
		.label = text(r, row, COLUMN_LABEL),
		.port = (int)number(r, row, COLUMN_PORT),
		.family = (int)number(r, row, COLUMN_FAMILY),
		.k = number(r, row, COLUMN_K),
		.lines = number(r, row, COLUMN_LINES),
		.remarkable = text(r, row, COLUMN_REMARKABLE)[0] == 't',
	};
}

static struct matrix_style style_of(const struct verdicts_query *q)
{
	struct matrix_style style = { .all = q->all, .width = PLAIN_WIDTH };
	struct winsize window;

	if (!isatty(STDOUT_FILENO))
		return style;
	style.colour = !getenv("NO_COLOR");
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
		style.width = window.ws_col;
	return style;
}

static bool print_matrix(struct db *db, const char *rows,
                         const struct verdicts_query *q, struct err *e)
{
	struct matrix_style style = style_of(q);
	PGresult *result = db_query(db, rows, 0, NULL, 0, e);
	struct matrix_cell *cells;
	int count;

	if (!result)
		return false;
	count = PQntuples(result);
	cells = mem_array((size_t)count + 1, sizeof(*cells));
	for (int i = 0; i < count; i++)
		cells[i] = cell_at(result, i);
	if (count > 0)
		matrix_print(cells, (size_t)count, &style, stdout);
	else
		puts("no verdicts match (new runs count after "
		     "'periplus-collector aggregate')");
	free(cells);
	PQclear(result);
	return true;
}

/* ---- all forms ----------------------------------------------------------- */

static int print(struct db *db, const struct verdicts_query *q, struct err *e)
{
	const char *columns =
		q->form == VERDICTS_MATRIX ? MATRIX_COLUMNS : COLUMNS;
	char *rows = rows_wanted(db, q, columns, e);
	bool ok = false;

	if (!rows)
		return EXIT_USAGE;
	switch (q->form) {
	case VERDICTS_MATRIX:
		ok = print_matrix(db, rows, q, e);
		break;
	case VERDICTS_JSON:
		ok = print_json(db, rows, e);
		break;
	case VERDICTS_CSV:
		ok = print_csv(db, rows, e);
		break;
	}
	free(rows);
	return ok ? EXIT_DONE : EXIT_DATABASE;
}

int verdicts_run(const char *conninfo, const struct verdicts_query *query,
                 struct err *e)
{
	struct db db;
	int status;

	if (!db_open(&db, conninfo, "periplus-collector verdicts", -1, e))
		return EXIT_DATABASE;
	if (migrate_check(&db, &status, e))
		status = print(&db, query, e);
	db_close(&db);
	return status;
}
