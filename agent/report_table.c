/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report.h"

#include <errno.h>
#include <stdarg.h>

#include "agent/survey.h"
#include "agent/words.h"

enum {
	WIDTH_DEFAULT = 80,
	WIDTH_LEAST = 40,
	WIDTH_MOST = 100,
	LABEL_COLUMNS = 11, /* "UDP 51413  " */
	FAMILY_COLUMNS = 5, /* " IPv6" */
	NAME_COLUMNS = 22,
	NARROW = 64, /* below this the name gets no column of its own */
};

struct page {
	FILE *out;
	enum report_style style;
	int width;
	const struct survey *survey;
	bool two_families;
};

enum ink { INK_NONE, INK_GOOD, INK_BAD, INK_ODD, INK_FAINT, INK_STRONG };

static void set_ink(const struct page *g, enum ink ink)
{
	static const char *const code[] = {
		[INK_NONE] = "\033[0m",  [INK_GOOD] = "\033[32m",
		[INK_BAD] = "\033[31m",  [INK_ODD] = "\033[33m",
		[INK_FAINT] = "\033[2m", [INK_STRONG] = "\033[1m",
	};

	if (g->style == REPORT_COLOUR)
		fputs(code[ink], g->out);
}

/*
 * Write words from column on, wrapped with the later lines at indent.  ink
 * colours the text up to its first colon, or all of it when there is none.
 */
static void wrap(const struct page *g, int column, int indent, enum ink ink,
                 const char *text)
{
	const char *colon = strchr(text, ':');
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

__attribute__((format(printf, 3, 4))) static void
say(const struct page *g, enum ink ink, const char *fmt, ...)
{
	char text[2 * WORDS_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	wrap(g, 0, 0, ink, text);
}

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

static void summarise(const struct page *g, int family)
{
	struct tally t = tally_of(g->survey, family);
	int open = t.count[SURVEY_OPEN];
	char over[16] = "";
	char rest[256];

	if (g->two_families)
		snprintf(over, sizeof(over), " over IPv%d", family);
	if (t.tested == 0) {
		if (any_hello(g->survey->check, family))
			say(g, INK_BAD, "Nothing could be decided%s.", over);
		return;
	}
	say_rest(rest, sizeof(rest), &t);
	if (open == 1 && t.tested == 1)
		say(g, INK_GOOD,
		    "The one port that was tested is open from this line%s.",
		    over);
	else if (open == t.tested)
		say(g, INK_GOOD,
		    "All %d ports that were tested are open from this "
		    "line%s.",
		    open, over);
	else
		say(g, INK_STRONG, "%d of %d ports %s open from this line%s%s.",
		    open, t.tested, be(open), over, rest);
}

/* ---- the ports ---------------------------------------------------------- */

static enum ink ink_of(enum survey_result result)
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

/* As much of a name as fits, cut between words. */
static int name_bytes(const char *name, int most)
{
	int n = (int)strlen(name);

	if (n <= most)
		return n;
	for (n = most; n > 0 && name[n] != ' '; n--)
		;
	return n > 0 ? n : most;
}

static void show_port(const struct page *g, const struct survey_port *p,
                      const char *family)
{
	const char *name = p->entry ? p->entry->application : "";
	int label = LABEL_COLUMNS + (g->two_families ? FAMILY_COLUMNS : 0);
	char text[2 * WORDS_BYTES];
	char part[WORDS_BYTES];
	int indent = 6;
	int column;

	words_port(p, part);
	column = fprintf(g->out, "%s%s", part, family);
	if (g->width >= NARROW) {
		indent = label + NAME_COLUMNS;
		column += fprintf(g->out, "%*s%.*s", label - column, "",
		                  name_bytes(name, NAME_COLUMNS - 2), name);
		column += fprintf(g->out, "%*s", indent - column, "");
	} else {
		fprintf(g->out, " %s\n%*s", name, indent, "");
		column = indent;
	}
	snprintf(text, sizeof(text), "%s", words_result(p, part));
	words_advice(g->survey, p, part);
	if (part[0])
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		         " %s", part);
	wrap(g, column, indent, ink_of(p->result), text);
}

static const char *family_words(const struct survey_port *p)
{
	return p->family == 6 ? " IPv6" : " IPv4";
}

static void show_ports(const struct page *g)
{
	const struct survey *s = g->survey;
	const char *category = NULL;

	for (int i = 0; i < s->port_count; i++) {
		const struct survey_port *p = &s->port[i];
		const char *mine = p->entry ? p->entry->category : "other";

		if (!is_shown(p))
			continue;
		if (!category || strcmp(category, mine) != 0) {
			fputc('\n', g->out);
			category = mine;
		}
		if (!g->two_families) {
			show_port(g, p, "");
		} else if (i + 1 < s->port_count && same_port(p, p + 1) &&
		           words_same(p, p + 1)) {
			show_port(g, p, ""); /* the families side by side */
			i++;
		} else {
			show_port(g, p, family_words(p));
		}
	}
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
static void say_untested(const struct page *g)
{
	struct reason reason[REASONS_MAX];
	int reasons = 0;
	char text[WORDS_BYTES];

	for (int i = 0; i < g->survey->port_count; i++) {
		const struct survey_port *p = &g->survey->port[i];

		if (words_untested(p, text)[0] &&
		    !(i > 0 && same_reason(p - 1, p)))
			count_reason(reason, &reasons, text);
	}
	if (reasons > 0)
		fputc('\n', g->out);
	for (int i = 0; i < reasons; i++)
		say(g, INK_FAINT, "%d %s not tested: %s.", reason[i].count,
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

static void say_unreached(const struct page *g, const struct report_run *run)
{
	const struct record *r = run->record;

	if (is_family_absent(g->survey->check, r->family))
		return;
	say(g, INK_BAD, "%s could not be reached over IPv%d (%s).",
	    r->reflector, r->family, run->extra.hello_error);
}

static void say_one_void(const struct page *g, const struct report_run *run,
                         const char *what, enum void_reason reason)
{
	const char *detail = run->extra.report_error;

	if (reason != VOID_NO_MANIFEST || !detail[0])
		detail = NULL;
	say(g, INK_ODD, "%s toward %s over IPv%d does not count: %s%s%s%s.",
	    what, run->record->reflector, run->record->family,
	    words_void(reason), detail ? " (" : "", detail ? detail : "",
	    detail ? ")" : "");
}

static void say_void(const struct page *g, const struct report_run *run)
{
	const struct record *r = run->record;

	if (run->extra.hello_error[0]) {
		say_unreached(g, run);
	} else if (r->void_tcp == r->void_udp) {
		if (r->void_tcp != VOID_NONE)
			say_one_void(g, run, "What was measured", r->void_tcp);
	} else {
		if (r->void_tcp != VOID_NONE)
			say_one_void(g, run, "TCP", r->void_tcp);
		if (r->void_udp != VOID_NONE)
			say_one_void(g, run, "UDP", r->void_udp);
	}
}

static void say_absent(const struct page *g, int family)
{
	if (is_family_absent(g->survey->check, family))
		say(g, INK_NONE,
		    "IPv%d was not tested: this line has none that works.",
		    family);
}

/* ---- where it was measured ---------------------------------------------- */

static void say_toward(const struct page *g, int family)
{
	const struct report_check *c = g->survey->check;
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
		say(g, INK_FAINT, "Measured from %s toward %s.", seen, text);
}

/* One reflector cannot tell a block from its own network's trouble. */
static void say_alone(const struct page *g)
{
	const struct report_check *c = g->survey->check;
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
		say(g, INK_FAINT,
		    "Only one reflector answered: what is blocked may be so "
		    "near %s only.",
		    only);
}

void report_table(FILE *out, const struct report_check *c,
                  enum report_style style, int width)
{
	struct survey s;
	struct page g = { out, style, width ? width : WIDTH_DEFAULT, &s,
		          any_hello(c, 4) && any_hello(c, 6) };

	if (g.width < WIDTH_LEAST)
		g.width = WIDTH_LEAST;
	if (g.width > WIDTH_MOST)
		g.width = WIDTH_MOST;
	survey_init(&s, c);
	if (!any_hello(c, 0))
		say(&g, INK_BAD,
		    "Nothing could be measured: no reflector could be "
		    "reached.");
	summarise(&g, 4);
	summarise(&g, 6);
	show_ports(&g);
	say_untested(&g);
	fputc('\n', out);
	for (int i = 0; i < c->run_count; i++)
		say_void(&g, &c->run[i]);
	say_absent(&g, 4);
	say_absent(&g, 6);
	if (c->note)
		say(&g, INK_NONE, "%s.", c->note);
	say_toward(&g, 4);
	say_toward(&g, 6);
	say_alone(&g);
	survey_fini(&s);
}
