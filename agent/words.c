/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/words.h"

#include <ctype.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdarg.h>

#include "lib/log.h"

enum { BANNER_SHOWN_BYTES = 32 };

__attribute__((format(printf, 2, 3))) static void append(char *text,
                                                         const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + used, WORDS_BYTES - used, fmt, args);
	va_end(args);
}

char *words_port(const struct survey_port *p, char text[WORDS_BYTES])
{
	text[0] = '\0';
	append(text, "%s %u", p->transport == TRANSPORT_TCP ? "TCP" : "UDP",
	       p->port);
	return text;
}

/* ---- ICMP --------------------------------------------------------------- */

struct icmp_words {
	uint8_t family;
	uint8_t type;
	uint8_t code;
	const char *words;
};

static const struct icmp_words icmp_words[] = {
	{ 4, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, "network unreachable" },
	{ 4, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, "host unreachable" },
	{ 4, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, "protocol unreachable" },
	{ 4, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, "port unreachable" },
	{ 4, ICMP_DEST_UNREACH, ICMP_NET_ANO, "prohibited" },
	{ 4, ICMP_DEST_UNREACH, ICMP_HOST_ANO, "prohibited" },
	{ 4, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, "prohibited" },
	{ 4, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, "time exceeded" },
	{ 6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, "no route" },
	{ 6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, "prohibited" },
	{ 6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, "host unreachable" },
	{ 6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, "port unreachable" },
	{ 6, ICMP6_DST_UNREACH, 5, "prohibited" },     /* RFC 4443: policy */
	{ 6, ICMP6_DST_UNREACH, 6, "route rejected" }, /* RFC 4443 */
	{ 6, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, "time exceeded" },
};

static void append_icmp(char *text, uint8_t family,
                        const struct record_evidence *v)
{
	for (size_t i = 0; i < sizeof(icmp_words) / sizeof(icmp_words[0]); i++)
		if (icmp_words[i].family == family &&
		    icmp_words[i].type == v->icmp_type &&
		    icmp_words[i].code == v->icmp_code) {
			append(text, "\"%s\"", icmp_words[i].words);
			return;
		}
	append(text, "ICMP error %u/%u", v->icmp_type, v->icmp_code);
}

/* Only a private address proves that it is the home's own router. */
static const char *sender_words(const struct addr *from)
{
	if (from->family == 0)
		return "a device on the path";
	switch (addr_class(from)) {
	case ADDR_PRIVATE:
	case ADDR_LINK_LOCAL:
		return "your home router";
	case ADDR_SHARED:
		return "your provider's network";
	default:
		return "a device on the path";
	}
}

/* The two families name one device by two addresses. */
enum detail { WITH_ADDRESS, WITHOUT_ADDRESS };

static void append_sender(char *text, const struct addr *from,
                          enum detail detail)
{
	char address[ADDR_TEXT_BYTES];

	append(text, "%s", sender_words(from));
	if (from->family == 0 || detail == WITHOUT_ADDRESS)
		return;
	addr_format(from, address);
	append(text, " (%s)", address);
}

/* ---- one answer --------------------------------------------------------- */

static void append_icmp_refusal(char *text, const struct survey_answer *a,
                                enum detail detail)
{
	const struct record_evidence *v = a->evidence;

	if (!v || !v->has_icmp) {
		append(text, "an error came back");
		return;
	}
	append(text, "refused by ");
	append_sender(text, &v->from, detail);
	append(text, ": ");
	append_icmp(text, a->record->family, v);
}

static void append_timeout(char *text, const struct survey_answer *a)
{
	switch (a->seen) {
	case SEEN_YES:
		append(text, "it arrives, but the answer is lost on the way "
		             "back");
		return;
	case SEEN_NO:
		append(text, "no answer, and nothing arrives");
		return;
	case SEEN_UNKNOWN:
		append(text, "no answer");
	}
}

static void append_banner(char *text, const struct survey_answer *a)
{
	const struct record_evidence *v = a->evidence;
	char escaped[4 * BANNER_SHOWN_BYTES + 1];
	size_t n;

	append(text, "something else answers in the reflector's place");
	if (!v || v->banner_bytes == 0)
		return;
	n = v->banner_bytes;
	while (n > 0 && isspace(v->banner[n - 1]))
		n--;
	if (n > BANNER_SHOWN_BYTES)
		n = BANNER_SHOWN_BYTES;
	append(text, ": \"%s\"",
	       log_escape(escaped, sizeof(escaped), v->banner, n));
}

static void append_answer(char *text, const struct survey_answer *a,
                          enum detail detail)
{
	switch ((enum outcome)a->probe->outcome) {
	case OUTCOME_OPEN:
		append(text, "open");
		return;
	case OUTCOME_TIMEOUT:
		append_timeout(text, a);
		return;
	case OUTCOME_REFUSED:
		if (a->evidence && a->evidence->has_icmp)
			append_icmp_refusal(text, a, detail);
		else
			append(text, "the connection is refused, though the "
			             "reflector listens");
		return;
	case OUTCOME_UNREACHABLE:
		append_icmp_refusal(text, a, detail);
		return;
	case OUTCOME_RESET:
		append(text, "the connection is made, then cut before the "
		             "reflector can answer");
		return;
	case OUTCOME_INTERCEPTED:
		append_banner(text, a);
		return;
	case OUTCOME_ALTERED:
		if (a->evidence && a->evidence->arrived_port)
			append(text, "it is redirected and arrives on port %u",
			       a->evidence->arrived_port);
		else
			append(text, "its content is changed on the way");
		return;
	case OUTCOME_DENIED:
		append(text, "a firewall on this computer does not let it out");
		return;
	case OUTCOME_UNTESTED:
	case OUTCOME_UNTESTABLE:
	case OUTCOME_COUNT:
		return;
	}
}

/* ---- all answers of a port ---------------------------------------------- */

static int counting(const struct survey_port *p)
{
	int n = 0;

	for (int i = 0; i < p->answer_count; i++)
		if (p->answer[i].counts)
			n++;
	return n;
}

static const struct survey_answer *first_counting(const struct survey_port *p)
{
	for (int i = 0; i < p->answer_count; i++)
		if (p->answer[i].counts)
			return &p->answer[i];
	return NULL;
}

/* Do all reflectors meet the same, told in the same words? */
static bool unanimous(const struct survey_port *p)
{
	char first[WORDS_BYTES] = "";
	char other[WORDS_BYTES];

	append_answer(first, first_counting(p), WITH_ADDRESS);
	for (int i = 0; i < p->answer_count; i++) {
		if (!p->answer[i].counts)
			continue;
		other[0] = '\0';
		append_answer(other, &p->answer[i], WITH_ADDRESS);
		if (strcmp(first, other) != 0)
			return false;
	}
	return true;
}

/* With one reflector in the check there is nothing to compare. */
static void append_agreement(char *text, const struct survey_port *p)
{
	int n = counting(p);

	if (n == 2)
		append(text, " (both reflectors)");
	else if (n > 2)
		append(text, " (all %d reflectors)", n);
	else if (p->answer_count > 1)
		append(text, " (only %s could be asked)",
		       first_counting(p)->record->reflector);
}

static void append_each(char *text, const struct survey_port *p,
                        enum detail detail)
{
	const char *separator = "";

	for (int i = 0; i < p->answer_count; i++) {
		const struct survey_answer *a = &p->answer[i];

		if (!a->counts)
			continue;
		append(text, "%stoward %s ", separator, a->record->reflector);
		append_answer(text, a, detail);
		separator = "; ";
	}
}

static const char *opening(enum survey_result result)
{
	switch (result) {
	case SURVEY_BLOCKED:
		return "blocked: ";
	case SURVEY_INTERCEPTED:
		return "intercepted: ";
	case SURVEY_ALTERED:
		return "altered: ";
	case SURVEY_DENIED:
		return "denied: ";
	case SURVEY_DISPUTED:
		return "unclear: ";
	case SURVEY_OPEN:
	case SURVEY_UNTESTED:
	case SURVEY_RESULTS:
		break;
	}
	return "";
}

static char *tell(const struct survey_port *p, enum detail detail,
                  char text[WORDS_BYTES])
{
	text[0] = '\0';
	if (p->result == SURVEY_UNTESTED)
		return words_untested(p, text);
	append(text, "%s", opening(p->result));
	if (p->result == SURVEY_OPEN) {
		append(text, "open");
		return text;
	}
	if (p->result == SURVEY_DENIED || unanimous(p))
		append_answer(text, first_counting(p), detail);
	else
		append_each(text, p, detail);
	if (p->result == SURVEY_DISPUTED)
		append(text, ". So it is no plain rule of your provider's, or "
		             "it was chance");
	else if (p->result != SURVEY_DENIED && unanimous(p))
		append_agreement(text, p);
	append(text, ".");
	return text;
}

char *words_result(const struct survey_port *p, char text[WORDS_BYTES])
{
	return tell(p, WITH_ADDRESS, text);
}

bool words_same(const struct survey_port *a, const struct survey_port *b)
{
	char x[WORDS_BYTES];
	char y[WORDS_BYTES];

	return strcmp(tell(a, WITHOUT_ADDRESS, x),
	              tell(b, WITHOUT_ADDRESS, y)) == 0;
}

/* ---- advice ------------------------------------------------------------- */

struct named_ports {
	int count;
	const struct survey_port *port[4];
};

/* The numbers in the text that are ports of this survey, TCP first. */
static struct named_ports ports_named(const struct survey *s,
                                      const struct survey_port *p,
                                      const char *text)
{
	struct named_ports named = { 0 };

	while (*text && named.count < 4) {
		char *end;
		unsigned long number;
		const struct survey_port *other;

		if (!isdigit((unsigned char)*text)) {
			text++;
			continue;
		}
		number = strtoul(text, &end, 10);
		text = end;
		if (number > UINT16_MAX)
			continue;
		other = survey_find(s, p->direction, TRANSPORT_TCP, (int)number,
		                    p->family);
		if (other && other != p && other->result != SURVEY_UNTESTED)
			named.port[named.count++] = other;
	}
	return named;
}

static void append_open(char *text, const struct named_ports *named, bool open)
{
	int n = 0;

	for (int i = 0; i < named->count; i++) {
		if ((named->port[i]->result == SURVEY_OPEN) != open)
			continue;
		append(text, "%s%u", n ? " and " : " (", named->port[i]->port);
		n++;
	}
	if (n > 0)
		append(text, open ? " %s open.)" : " %s not open either.)",
		       n > 1 ? "are" : "is");
}

char *words_advice(const struct survey *s, const struct survey_port *p,
                   char text[WORDS_BYTES])
{
	struct named_ports named;

	text[0] = '\0';
	if (!p->entry || p->result == SURVEY_OPEN ||
	    p->result == SURVEY_UNTESTED || p->result == SURVEY_DISPUTED ||
	    p->entry->advice[0] == '\0')
		return text;
	append(text, "%s", p->entry->advice);
	named = ports_named(s, p, p->entry->advice);
	append_open(text, &named, true);
	append_open(text, &named, false);
	return text;
}

/* ---- what is not known -------------------------------------------------- */

const char *words_void(enum void_reason reason)
{
	switch (reason) {
	case VOID_NO_HELLO:
		return "the reflector could not be reached";
	case VOID_CONTROL_BEFORE:
		return "a control port failed before the probes";
	case VOID_CONTROL_AFTER:
		return "a control port failed during or after the probes";
	case VOID_NO_MANIFEST:
		return "the reflector could not be asked what it saw";
	case VOID_SOURCE_CHANGED:
		return "the probes left from another address than the hello "
		       "(a provider's NAT)";
	case VOID_CANCELLED:
		return "the run was cancelled";
	case VOID_NONE:
	case VOID_COUNT:
		break;
	}
	return "";
}

static const char *skip_words(enum skip skip)
{
	switch (skip) {
	case SKIP_NOT_LISTENING:
		return "the reflector does not listen there";
	case SKIP_NO_CONSENT:
		return "nobody has consented to this class of ports";
	case SKIP_FAMILY:
		return "meaningful over IPv6 only";
	case SKIP_VOID:
		return "a control port failed";
	case SKIP_CANCELLED:
		return "the run was cancelled";
	case SKIP_NONE:
	case SKIP_COUNT:
		break;
	}
	return "";
}

char *words_untested(const struct survey_port *p, char text[WORDS_BYTES])
{
	const struct survey_answer *a = &p->answer[0];

	text[0] = '\0';
	if (p->result != SURVEY_UNTESTED || p->answer_count == 0)
		return text;
	if (a->evidence && a->evidence->skip)
		append(text, "%s", skip_words(a->evidence->skip));
	else if (a->evidence && a->evidence->sys_errno)
		append(text, "this computer could not send (%s)",
		       strerror(a->evidence->sys_errno));
	else if (a->probe->outcome == OUTCOME_UNTESTABLE)
		append(text, "the probes left from another address "
		             "(a provider's NAT)");
	else
		append(text, "%s",
		       words_void(survey_void(a->record, p->transport)));
	return text;
}
