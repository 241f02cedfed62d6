/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that meet the same stand together below one sentence that says what it
 * is; ports with the same advice have it said once.
 */
#include "agent/report.h"

#include <ctype.h>
#include <errno.h>

#include "agent/page.h"
#include "agent/survey.h"
#include "agent/words.h"
#include "lib/mem.h"

/* What is told, and how. */
struct table {
	struct page page;
	const struct survey *survey;
	bool two_families;
	int name_column; /* where the ports' names stand */
};

/* ---- the summary -------------------------------------------------------- */

static bool has_family(const struct report_check *c, int family)
{
	for (int i = 0; i < c->run_count; i++)
		if (c->run[i].record->family == family)
			return true;
	return false;
}

static bool any_hello(const struct report_check *c, int family)
{
	for (int i = 0; i < c->run_count; i++) {
		const struct report_run *run = &c->run[i];

		if ((!family || run->record->family == family) &&
		    run->extra.hello_error[0] == '\0')
			return true;
	}
	return false;
}

struct tally {
	int tested;
	int count[SURVEY_RESULTS];
};

static struct tally tally_of(const struct survey *s, int family)
{
	struct tally t = { 0 };

	for (int i = 0; i < SURVEY_RESULTS; i++) {
		t.count[i] = survey_count(s, family, (enum survey_result)i);
		if (i != SURVEY_UNTESTED)
			t.tested += t.count[i];
	}
	return t;
}

static const char *be(int n)
{
	return n == 1 ? "is" : "are";
}

static void say_rest(char *text, size_t n_bytes, const struct tally *t)
{
	static const struct {
		enum survey_result result;
		const char *words;
	} kind[] = {
		{ SURVEY_BLOCKED, "blocked" },
		{ SURVEY_INTERCEPTED, "intercepted" },
		{ SURVEY_ALTERED, "altered" },
		{ SURVEY_DENIED, "closed by this computer's own firewall" },
		{ SURVEY_DISPUTED, "unclear" },
	};
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		int n = t->count[kind[i].result];

		if (n == 0 || used >= n_bytes)
			continue;
		used += (size_t)snprintf(text + used, n_bytes - used,
		                         "%s%d %s %s", used ? ", " : "; ", n,
		                         be(n), kind[i].words);
	}
}

static void summarise(const struct table *t, int family)
{
	struct tally n = tally_of(t->survey, family);
	int open = n.count[SURVEY_OPEN];
	char over[16] = "";
	char rest[256];

	if (t->two_families)
		snprintf(over, sizeof(over), " over IPv%d", family);
	if (n.tested == 0) {
		if (any_hello(t->survey->check, family))
			page_say(&t->page, INK_BAD,
			         "Nothing could be decided%s.", over);
		return;
	}
	say_rest(rest, sizeof(rest), &n);
	if (open == 1 && n.tested == 1)
		page_say(
			&t->page, INK_GOOD,
			"The one port that was tested is open from this line%s.",
			over);
	else if (open == n.tested)
		page_say(&t->page, INK_GOOD,
		         "All %d ports that were tested are open from this "
		         "line%s.",
		         open, over);
	else
		page_say(&t->page, INK_STRONG,
		         "%d of %d ports %s open from this line%s%s.", open,
		         n.tested, be(open), over, rest);
}

/* ---- the ports ---------------------------------------------------------- */

enum {
	LABEL_INDENT = 2,
	LABEL_COLUMNS = 11, /* "UDP 51413  " */
	FAMILY_COLUMNS = 5, /* " IPv6" */
};

/* A port of one family, or of both where they meet the same. */
struct row {
	const struct survey_port *port;
	const char *family; /* "" for both, or where there is only one */
	bool told;
};

static enum page_ink ink_of(enum survey_result result)
{
	switch (result) {
	case SURVEY_BLOCKED:
		return INK_BAD;
	case SURVEY_INTERCEPTED:
	case SURVEY_ALTERED:
	case SURVEY_DENIED:
	case SURVEY_DISPUTED:
		return INK_ODD;
	default:
		return INK_NONE;
	}
}

static bool is_shown(const struct survey_port *p)
{
	return p->result != SURVEY_OPEN && p->result != SURVEY_UNTESTED;
}

static bool same_port(const struct survey_port *a, const struct survey_port *b)
{
	return a->direction == b->direction && a->transport == b->transport &&
	       a->port == b->port;
}

/* Room for as many rows as the survey has ports. */
static int collect_rows(const struct table *t, struct row *row)
{
	const struct survey *s = t->survey;
	int n = 0;

	for (int i = 0; i < s->port_count; i++) {
		const struct survey_port *p = &s->port[i];

		if (!is_shown(p))
			continue;
		row[n] = (struct row){ .port = p, .family = "" };
		if (i + 1 < s->port_count && same_port(p, p + 1) &&
		    words_same(p, p + 1))
			i++; /* the families stand side by side */
		else if (t->two_families)
			row[n].family = p->family == 6 ? " IPv6" : " IPv4";
		n++;
	}
	return n;
}

static void tell_port(const struct table *t, const struct row *row)
{
	const struct catalogue_entry *entry = row->port->entry;
	char label[WORDS_BYTES];
	int column;

	words_port(row->port, label);
	column = fprintf(t->page.out, "%*s%s%s", LABEL_INDENT, "", label,
	                 row->family);
	if (entry)
		column += fprintf(t->page.out, "%*s", t->name_column - column,
		                  "");
	page_wrap(&t->page, column, t->name_column, INK_NONE,
	          entry ? entry->application : "");
}

static void tell_advice(const struct table *t, const char *advice)
{
	if (advice[0] == '\0')
		return;
	fprintf(t->page.out, "%*s", t->name_column, "");
	page_wrap(&t->page, t->name_column, t->name_column, INK_NONE, advice);
}

/* The ports below each other, and advice after the last that it is for. */
static void tell_row(const struct table *t, struct row *row,
                     char advice[WORDS_BYTES])
{
	char mine[WORDS_BYTES];

	words_advice(t->survey, row->port, mine);
	if (strcmp(advice, mine) != 0)
		tell_advice(t, advice);
	memcpy(advice, mine, sizeof(mine));
	tell_port(t, row);
	row->told = true;
}

/* The first row, and all after it that meet the same. */
static void tell_finding(const struct table *t, struct row *row, int count)
{
	char finding[WORDS_BYTES];
	char other[WORDS_BYTES];
	char advice[WORDS_BYTES] = "";

	words_result(row->port, finding);
	fputc('\n', t->page.out);
	page_say(&t->page, ink_of(row->port->result), "%c%s",
	         toupper((unsigned char)finding[0]), finding + 1);
	for (int i = 0; i < count; i++)
		if (!row[i].told &&
		    strcmp(finding, words_result(row[i].port, other)) == 0)
			tell_row(t, &row[i], advice);
	tell_advice(t, advice);
}

static void tell_ports(struct table *t)
{
	struct row *row =
		mem_array((size_t)t->survey->port_count + 1, sizeof(*row));
	int count = collect_rows(t, row);

	t->name_column = LABEL_INDENT + LABEL_COLUMNS;
	for (int i = 0; i < count; i++)
		if (row[i].family[0])
			t->name_column =
				LABEL_INDENT + LABEL_COLUMNS + FAMILY_COLUMNS;
	for (int i = 0; i < count; i++)
		if (!row[i].told)
			tell_finding(t, &row[i], count - i);
	free(row);
}

/* ---- what is not known -------------------------------------------------- */

enum { REASONS_MAX = 16 };

struct reason {
	char words[WORDS_BYTES];
	int count;
};

static void count_reason(struct reason *reason, int *reasons, const char *words)
{
	for (int i = 0; i < *reasons; i++)
		if (strcmp(reason[i].words, words) == 0) {
			reason[i].count++;
			return;
		}
	if (*reasons == REASONS_MAX)
		return;
	snprintf(reason[*reasons].words, WORDS_BYTES, "%s", words);
	reason[(*reasons)++].count = 1;
}

/* A port that both families leave out for one reason is one port. */
static bool same_reason(const struct survey_port *a,
                        const struct survey_port *b)
{
	return same_port(a, b) && words_same(a, b);
}

/* The same reason for many ports is said once. */
static void say_untested(const struct table *t)
{
	struct reason reason[REASONS_MAX];
	int reasons = 0;
	char text[WORDS_BYTES];

	for (int i = 0; i < t->survey->port_count; i++) {
		const struct survey_port *p = &t->survey->port[i];

		if (words_untested(p, text)[0] &&
		    !(i > 0 && same_reason(p - 1, p)))
			count_reason(reason, &reasons, text);
	}
	if (reasons > 0)
		fputc('\n', t->page.out);
	for (int i = 0; i < reasons; i++)
		page_say(&t->page, INK_FAINT, "%d %s not tested: %s.",
		         reason[i].count,
		         reason[i].count == 1 ? "port was" : "ports were",
		         reason[i].words);
}

static bool says_no_family(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH ||
	       error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

/* The family is missing on this line, not a reflector. */
static bool is_family_absent(const struct report_check *c, int family)
{
	for (int i = 0; i < c->run_count; i++) {
		const struct report_run *run = &c->run[i];

		if (run->record->family == family &&
		    !says_no_family(run->extra.hello_errno))
			return false;
	}
	return has_family(c, family);
}

static void say_unreached(const struct table *t, const struct report_run *run)
{
	const struct record *r = run->record;

	if (is_family_absent(t->survey->check, r->family))
		return;
	page_say(&t->page, INK_BAD, "%s could not be reached over IPv%d (%s).",
	         r->reflector, r->family, run->extra.hello_error);
}

static void say_one_void(const struct table *t, const struct report_run *run,
                         const char *what, enum void_reason reason)
{
	const char *detail = run->extra.report_error;

	if (reason != VOID_NO_MANIFEST || !detail[0])
		detail = NULL;
	page_say(&t->page, INK_ODD,
	         "%s toward %s over IPv%d does not count: %s%s%s%s.", what,
	         run->record->reflector, run->record->family,
	         words_void(reason), detail ? " (" : "", detail ? detail : "",
	         detail ? ")" : "");
}

static void say_void(const struct table *t, const struct report_run *run)
{
	const struct record *r = run->record;

	if (run->extra.hello_error[0]) {
		say_unreached(t, run);
	} else if (r->void_tcp == r->void_udp) {
		if (r->void_tcp != VOID_NONE)
			say_one_void(t, run, "What was measured", r->void_tcp);
	} else {
		if (r->void_tcp != VOID_NONE)
			say_one_void(t, run, "TCP", r->void_tcp);
		if (r->void_udp != VOID_NONE)
			say_one_void(t, run, "UDP", r->void_udp);
	}
}

static void say_absent(const struct table *t, int family)
{
	if (is_family_absent(t->survey->check, family))
		page_say(&t->page, INK_NONE,
		         "IPv%d was not tested: this line has none that works.",
		         family);
}

/* ---- where it was measured ---------------------------------------------- */

static void say_toward(const struct table *t, int family)
{
	const struct report_check *c = t->survey->check;
	char text[WORDS_BYTES] = "";
	char seen[ADDR_TEXT_BYTES] = "";
	size_t used = 0;

	for (int i = 0; i < c->run_count; i++) {
		const struct report_run *run = &c->run[i];

		if (run->record->family != family || !run->extra.seen.family ||
		    used >= sizeof(text))
			continue;
		addr_format(&run->extra.seen, seen);
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		                         "%s%s (%.0f ms)", used ? ", " : "",
		                         run->record->reflector,
		                         (double)run->extra.rtt_ns / 1e6);
	}
	if (used > 0)
		page_say(&t->page, INK_FAINT, "Measured from %s toward %s.",
		         seen, text);
}

/* One reflector cannot tell a block from its own network's trouble. */
static void say_alone(const struct table *t)
{
	const struct report_check *c = t->survey->check;
	const char *only = NULL;

	for (int i = 0; i < c->run_count; i++) {
		const struct report_run *run = &c->run[i];

		if (run->extra.hello_error[0])
			continue;
		if (only && strcmp(only, run->record->reflector) != 0)
			return;
		only = run->record->reflector;
	}
	if (only)
		page_say(
			&t->page, INK_FAINT,
			"Only one reflector answered: what is blocked may be so "
			"near %s only.",
			only);
}

void report_table(FILE *out, const struct report_check *c,
                  enum report_style style, int width)
{
	struct survey s;
	struct table t = {
		.page = page_of(out, style, width),
		.survey = &s,
		.two_families = any_hello(c, 4) && any_hello(c, 6),
	};

	survey_init(&s, c);
	if (!any_hello(c, 0))
		page_say(&t.page, INK_BAD,
		         "Nothing could be measured: no reflector could be "
		         "reached.");
	summarise(&t, 4);
	summarise(&t, 6);
	tell_ports(&t);
	say_untested(&t);
	fputc('\n', out);
	for (int i = 0; i < c->run_count; i++)
		say_void(&t, &c->run[i]);
	say_absent(&t, 4);
	say_absent(&t, 6);
	if (c->note)
		page_say(&t.page, INK_NONE, "%s.", c->note);
	say_toward(&t, 4);
	say_toward(&t, 6);
	say_alone(&t);
	survey_fini(&s);
}
