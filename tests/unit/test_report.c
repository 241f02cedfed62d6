/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a check: survey, words, table and JSON on made-up records. */
#include "agent/report_json.c"
#include "agent/report_progress.c"
#include "agent/report_table.c"
#include "agent/survey.c"
#include "agent/words.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lib/mem.h"

/* ---- a check made by hand ----------------------------------------------- */

enum { RUNS = 4 };

struct fixture {
	struct report_check check;
	struct report_run run[RUNS];
	struct record record[RUNS];
	struct wire_manifest manifest[RUNS];
};

static struct fixture *fixture_new(void)
{
	struct fixture *x = mem_alloc(sizeof(*x));

	x->check.run = x->run;
	x->check.version = "0.1.0";
	x->check.plan = 12;
	x->check.started_ns = INT64_C(1795340650125) * CLOCK_MS;
	x->check.duration_ms = 3180;
	return x;
}

static int add_reached(struct fixture *x, const char *reflector, int family)
{
	int i = x->check.run_count++;
	struct record *r = &x->record[i];

	x->run[i].record = r;
	snprintf(r->reflector, sizeof(r->reflector), "%s", reflector);
	r->family = (uint8_t)family;
	x->run[i].extra.rtt_ns = 12 * CLOCK_MS;
	assert_true(addr_parse(family == 6 ? "2001:db8::5" : "203.0.113.5",
	                       &x->run[i].extra.seen));
	return i;
}

static int add_unreached(struct fixture *x, const char *reflector, int family,
                         int error)
{
	int i = add_reached(x, reflector, family);

	x->record[i].void_tcp = VOID_NO_HELLO;
	x->record[i].void_udp = VOID_NO_HELLO;
	memset(&x->run[i].extra, 0, sizeof(x->run[i].extra));
	x->run[i].extra.hello_errno = error;
	snprintf(x->run[i].extra.hello_error, 128, "port 443: %s",
	         strerror(error));
	return i;
}

static struct record_evidence *add_probe(struct fixture *x, int run,
                                         enum transport transport,
                                         uint16_t port, enum outcome outcome,
                                         enum seen seen)
{
	struct record *r = &x->record[run];
	struct wire_manifest *m = &x->manifest[run];
	uint16_t i = r->probe_count++;

	r->probe[i] = (struct record_probe){
		.transport = (uint8_t)transport,
		.port = port,
		.outcome = (uint8_t)outcome,
		.attempts = outcome == OUTCOME_UNTESTED ? 0 : 1,
	};
	if (seen != SEEN_UNKNOWN)
		m->entry[m->entry_count++] = (struct manifest_entry){
			.transport = (uint8_t)transport,
			.port = port,
			.flags = seen == SEEN_YES ? MANIFEST_SEEN : 0,
		};
	r->evidence[r->evidence_count].probe = i;
	return &r->evidence[r->evidence_count++];
}

static void add_skip(struct fixture *x, int run, uint16_t port, enum skip skip)
{
	add_probe(x, run, TRANSPORT_TCP, port, OUTCOME_UNTESTED, SEEN_UNKNOWN)
		->skip = (uint8_t)skip;
}

static void seal(struct fixture *x)
{
	for (int i = 0; i < x->check.run_count; i++) {
		struct record *r = &x->record[i];
		struct wr w = wr_of(r->manifest, sizeof(r->manifest));

		memcpy(x->manifest[i].reflector, r->reflector,
		       sizeof(r->reflector));
		x->manifest[i].seen = x->run[i].extra.seen;
		if (x->run[i].extra.seen.family)
			r->manifest_bytes = (uint16_t)wire_manifest_encode(
				&w, &x->manifest[i]);
	}
}

/* Both reflectors, one family, the same outcome. */
static struct fixture *agreed(enum transport transport, uint16_t port,
                              enum outcome outcome, enum seen seen)
{
	struct fixture *x = fixture_new();

	for (int i = 0; i < 2; i++)
		add_probe(x, add_reached(x, i ? "nyc1" : "fra1", 4), transport,
		          port, outcome, seen);
	seal(x);
	return x;
}

/* The table with its white space folded; free() it. */
static char *table_of(const struct fixture *x, enum report_style style,
                      int width)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	report_table(f, &x->check, style, width);
	fclose(f);
	return text;
}

static char *folded(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (!isspace((unsigned char)*from))
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	*to = '\0';
	return text;
}

static void expect_text(const struct fixture *x, const char *wanted)
{
	char *text = folded(table_of(x, REPORT_PLAIN, 80));

	if (!strstr(text, wanted))
		fail_msg("\"%s\" is not in\n%s", wanted, text);
	free(text);
}

static void expect_words(const struct fixture *x, const char *wanted)
{
	struct survey s;
	char text[WORDS_BYTES];

	survey_init(&s, &x->check);
	assert_int_equal(s.port_count, 1);
	assert_string_equal(words_result(&s.port[0], text), wanted);
	survey_fini(&s);
}

static enum survey_result merged(enum outcome a, enum outcome b)
{
	struct fixture *x = fixture_new();
	enum survey_result result;
	struct survey s;

	add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP, 25, a, SEEN_NO);
	add_probe(x, add_reached(x, "nyc1", 4), TRANSPORT_TCP, 25, b, SEEN_NO);
	survey_init(&s, &x->check);
	result = s.port[0].result;
	survey_fini(&s);
	free(x);
	return result;
}

/* ---- survey ------------------------------------------------------------- */

static void blocked_needs_every_reflector_to_agree(void **state)
{
	(void)state;
	assert_int_equal(merged(OUTCOME_OPEN, OUTCOME_OPEN), SURVEY_OPEN);
	assert_int_equal(merged(OUTCOME_TIMEOUT, OUTCOME_REFUSED),
	                 SURVEY_BLOCKED);
	for (int o = OUTCOME_TIMEOUT; o <= OUTCOME_DENIED; o++) {
		assert_int_equal(merged(OUTCOME_OPEN, (enum outcome)o),
		                 SURVEY_DISPUTED);
		assert_int_equal(merged((enum outcome)o, OUTCOME_OPEN),
		                 SURVEY_DISPUTED);
	}
	assert_int_equal(merged(OUTCOME_INTERCEPTED, OUTCOME_INTERCEPTED),
	                 SURVEY_INTERCEPTED);
	assert_int_equal(merged(OUTCOME_INTERCEPTED, OUTCOME_TIMEOUT),
	                 SURVEY_BLOCKED);
	assert_int_equal(merged(OUTCOME_DENIED, OUTCOME_DENIED), SURVEY_DENIED);
}

static void what_is_not_tested_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(merged(OUTCOME_UNTESTED, OUTCOME_OPEN), SURVEY_OPEN);
	assert_int_equal(merged(OUTCOME_OPEN, OUTCOME_UNTESTABLE), SURVEY_OPEN);
	assert_int_equal(merged(OUTCOME_UNTESTED, OUTCOME_TIMEOUT),
	                 SURVEY_BLOCKED);
	assert_int_equal(merged(OUTCOME_UNTESTED, OUTCOME_UNTESTABLE),
	                 SURVEY_UNTESTED);
}

static void a_void_transport_counts_for_nothing(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);
	struct survey s;

	(void)state;
	x->record[0].void_tcp = VOID_CONTROL_AFTER;
	x->record[1].void_udp = VOID_CONTROL_AFTER;
	survey_init(&s, &x->check);
	assert_false(s.port[0].answer[0].counts);
	assert_true(s.port[0].answer[1].counts);
	survey_fini(&s);
	x->record[1].void_tcp = VOID_NO_MANIFEST;
	survey_init(&s, &x->check);
	assert_int_equal(s.port[0].result, SURVEY_UNTESTED);
	survey_fini(&s);
	free(x);
}

static void families_are_not_mixed(void **state)
{
	struct fixture *x = fixture_new();
	struct survey s;

	(void)state;
	add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP, 25,
	          OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, add_reached(x, "fra1", 6), TRANSPORT_TCP, 25, OUTCOME_OPEN,
	          SEEN_YES);
	seal(x);
	survey_init(&s, &x->check);
	assert_int_equal(s.port_count, 2);
	assert_int_equal(survey_find(&s, 0, TRANSPORT_TCP, 25, 4)->result,
	                 SURVEY_BLOCKED);
	assert_int_equal(survey_find(&s, 0, TRANSPORT_TCP, 25, 6)->result,
	                 SURVEY_OPEN);
	assert_int_equal(
		survey_find(&s, 0, TRANSPORT_TCP, 25, 6)->answer[0].seen,
		SEEN_YES);
	survey_fini(&s);
	expect_text(x, "0 of 1 ports are open from this line over IPv4; 1 is "
	               "blocked.");
	expect_text(x, "The one port that was tested is open from this line "
	               "over IPv6.");
	expect_text(x, "TCP 25 IPv4");
	free(x);
}

/* A router is one device, though it has an address in each family. */
static void what_both_families_meet_is_told_once(void **state)
{
	static const char *const from[] = { "192.168.1.1", "fd00::1" };
	struct fixture *x = fixture_new();
	char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct record_evidence *v =
			add_probe(x, add_reached(x, "fra1", i ? 6 : 4),
		                  TRANSPORT_TCP, 25, OUTCOME_UNREACHABLE,
		                  SEEN_NO);

		v->has_icmp = true;
		v->icmp_type = i ? 1 : 3;
		v->icmp_code = i ? 1 : 13;
		assert_true(addr_parse(from[i], &v->from));
	}
	seal(x);
	expect_text(x, "Blocked: refused by your home router (192.168.1.1): "
	               "\"prohibited\". TCP 25 SMTP relay Your mail");
	text = table_of(x, REPORT_PLAIN, 80);
	assert_null(strstr(text, "fd00::1"));
	free(text);
	free(x);
}

static void mail_comes_before_exotic_ports(void **state)
{
	struct fixture *x = fixture_new();
	int run = add_reached(x, "fra1", 4);
	char *text;

	(void)state;
	add_probe(x, run, TRANSPORT_TCP, 64999, OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, run, TRANSPORT_TCP, 445, OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, run, TRANSPORT_UDP, 53, OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, run, TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);
	seal(x);
	text = table_of(x, REPORT_PLAIN, 80);
	assert_true(strstr(text, "TCP 25 ") < strstr(text, "UDP 53"));
	assert_true(strstr(text, "UDP 53") < strstr(text, "TCP 445"));
	assert_true(strstr(text, "TCP 445") < strstr(text, "TCP 64999"));
	free(text);
	free(x);
}

static int count_of(const char *text, const char *part)
{
	int n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void what_many_ports_meet_is_said_once(void **state)
{
	struct fixture *x = fixture_new();
	int run = add_reached(x, "fra1", 4);
	char *text;

	(void)state;
	add_probe(x, run, TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, run, TRANSPORT_TCP, 23, OUTCOME_REFUSED, SEEN_NO);
	add_probe(x, run, TRANSPORT_TCP, 135, OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, run, TRANSPORT_UDP, 137, OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, run, TRANSPORT_TCP, 139, OUTCOME_TIMEOUT, SEEN_NO);
	seal(x);
	text = folded(table_of(x, REPORT_PLAIN, 80));
	assert_int_equal(count_of(text, "nothing arrives"), 1);
	assert_int_equal(count_of(text, "use Windows file sharing"), 1);
	assert_non_null(strstr(text, "UDP 137 NetBIOS name TCP 139 NetBIOS "
	                             "session Leave it blocked; use Windows"));
	assert_true(strstr(text, "TCP 139") < strstr(text, "is refused"));
	free(text);
	free(x);
}

static void a_name_is_never_cut_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < catalogue_count; i++) {
		const struct catalogue_entry *c = &catalogue[i];
		struct fixture *x =
			agreed(c->transport, c->port, OUTCOME_TIMEOUT, SEEN_NO);

		expect_text(x, c->application);
		free(x);
	}
}

/* ---- words -------------------------------------------------------------- */

static void silence_is_told_with_what_the_reflector_saw(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);

	(void)state;
	expect_words(x, "blocked: no answer, and nothing arrives (both "
	                "reflectors).");
	free(x);
	x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_YES);
	expect_words(x, "blocked: it arrives, but the answer is lost on the "
	                "way back (both reflectors).");
	free(x);
	x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_UNKNOWN);
	expect_words(x, "blocked: no answer (both reflectors).");
	free(x);
}

static void a_half_open_connection_has_arrived(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);

	(void)state;
	for (int i = 0; i < 2; i++)
		x->manifest[i].entry[0].flags = MANIFEST_HALF_OPEN;
	seal(x);
	expect_words(x, "blocked: it arrives, but the answer is lost on the "
	                "way back (both reflectors).");
	for (int i = 0; i < 2; i++)
		x->manifest[i].entry[0].flags = MANIFEST_UNSURE;
	seal(x);
	expect_words(x, "blocked: no answer (both reflectors).");
	free(x);
}

static void who_refused_is_told_by_the_address(void **state)
{
	static const struct {
		const char *from;
		const char *words;
	} wanted[] = {
		{ "192.168.1.1", "blocked: refused by your home router "
		                 "(192.168.1.1): \"prohibited\"." },
		{ "100.64.7.1", "blocked: refused by your provider's network "
		                "(100.64.7.1): \"prohibited\"." },
		{ "198.51.100.1", "blocked: refused by a device on the path "
		                  "(198.51.100.1): \"prohibited\"." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct fixture *x = fixture_new();
		struct record_evidence *v =
			add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP,
		                  25, OUTCOME_UNREACHABLE, SEEN_NO);

		v->has_icmp = true;
		v->icmp_type = 3;
		v->icmp_code = 13;
		assert_true(addr_parse(wanted[i].from, &v->from));
		expect_words(x, wanted[i].words);
		free(x);
	}
}

static void disagreement_is_said(void **state)
{
	struct fixture *x = fixture_new();

	(void)state;
	add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP, 25,
	          OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, add_reached(x, "nyc1", 4), TRANSPORT_TCP, 25, OUTCOME_OPEN,
	          SEEN_YES);
	seal(x);
	expect_words(x, "unclear: toward fra1 no answer, and nothing arrives; "
	                "toward nyc1 open. So it is no plain rule of your "
	                "provider's, or it was chance.");
	expect_text(x, "0 of 1 ports are open from this line; 1 is unclear.");
	free(x);
}

static void different_failures_are_told_one_by_one(void **state)
{
	struct fixture *x = fixture_new();

	(void)state;
	add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP, 25,
	          OUTCOME_TIMEOUT, SEEN_NO);
	add_probe(x, add_reached(x, "nyc1", 4), TRANSPORT_TCP, 25,
	          OUTCOME_RESET, SEEN_YES);
	seal(x);
	expect_words(x, "blocked: toward fra1 no answer, and nothing arrives; "
	                "toward nyc1 the connection is made, then cut before "
	                "the reflector can answer.");
	free(x);
}

static void one_of_two_reflectors_is_named(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);

	(void)state;
	x->record[1].void_tcp = VOID_CONTROL_BEFORE;
	expect_words(x, "blocked: no answer, and nothing arrives (only fra1 "
	                "could be asked).");
	expect_text(x, "TCP toward nyc1 over IPv4 does not count: a control "
	               "port failed before the probes.");
	free(x);
}

static void a_strangers_words_cannot_touch_the_terminal(void **state)
{
	struct fixture *x = fixture_new();
	struct record_evidence *v =
		add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP, 25,
	                  OUTCOME_INTERCEPTED, SEEN_NO);

	(void)state;
	memcpy(v->banner, "220 \033[31mhi\r\n", 13);
	v->banner_bytes = 13;
	expect_words(x, "intercepted: something else answers in the "
	                "reflector's place: \"220 \\x1b[31mhi\".");
	free(x);
}

static void a_firewall_here_is_not_the_providers(void **state)
{
	struct fixture *x = fixture_new();

	(void)state;
	add_probe(x, add_reached(x, "fra1", 4), TRANSPORT_TCP, 25,
	          OUTCOME_DENIED, SEEN_NO)
		->sys_errno = EPERM;
	seal(x);
	expect_words(x, "denied: a firewall on this computer does not let it "
	                "out.");
	expect_text(x, "1 is closed by this computer's own firewall");
	free(x);
}

static void advice_says_whether_the_way_out_is_open(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);

	(void)state;
	for (int i = 0; i < 2; i++) {
		add_probe(x, i, TRANSPORT_TCP, 587, OUTCOME_OPEN, SEEN_YES);
		add_probe(x, i, TRANSPORT_TCP, 465, OUTCOME_RESET, SEEN_YES);
	}
	seal(x);
	expect_text(x, "Your mail program should use 587 or 465 instead. (587 "
	               "is open.) (465 is not open either.)");
	free(x);
}

/* ---- the rest of the table ---------------------------------------------- */

static void all_open_is_said_in_one_line(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_OPEN, SEEN_YES);

	(void)state;
	expect_text(x, "The one port that was tested is open from this line.");
	expect_text(x, "Measured from 203.0.113.5 toward fra1 (12 ms), nyc1 "
	               "(12 ms).");
	free(x);
}

static void without_a_reflector_nothing_is_claimed(void **state)
{
	struct fixture *x = fixture_new();
	char *text;

	(void)state;
	add_unreached(x, "fra1", 4, ETIMEDOUT);
	expect_text(x, "Nothing could be measured: no reflector could be "
	               "reached.");
	expect_text(x, "fra1 could not be reached over IPv4 (port 443: "
	               "Connection timed out).");
	text = table_of(x, REPORT_PLAIN, 80);
	assert_null(strstr(text, "blocked"));
	free(text);
	free(x);
}

static void a_line_without_ipv6_is_told_once(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_OPEN, SEEN_YES);
	char *text;

	(void)state;
	add_unreached(x, "fra1", 6, ENETUNREACH);
	add_unreached(x, "nyc1", 6, ENETUNREACH);
	expect_text(x, "IPv6 was not tested: this line has none that works.");
	text = table_of(x, REPORT_PLAIN, 80);
	assert_null(strstr(text, "could not be reached"));
	assert_null(strstr(text, "over IPv4"));
	free(text);
	free(x);
}

static void what_was_left_out_is_counted_by_reason(void **state)
{
	struct fixture *x = fixture_new();
	int run = add_reached(x, "fra1", 4);

	(void)state;
	add_skip(x, run, 135, SKIP_NO_CONSENT);
	add_skip(x, run, 139, SKIP_NO_CONSENT);
	add_skip(x, run, 25, SKIP_NOT_LISTENING);
	seal(x);
	expect_text(x, "2 ports were not tested: nobody has consented to this "
	               "class of ports.");
	expect_text(x, "1 port was not tested: the reflector does not listen "
	               "there.");
	expect_text(x, "Nothing could be decided.");
	free(x);
}

static void every_void_has_words(void **state)
{
	(void)state;
	for (int i = VOID_NONE + 1; i < VOID_COUNT; i++)
		assert_true(words_void((enum void_reason)i)[0]);
	for (int i = SKIP_NONE + 1; i < SKIP_COUNT; i++)
		assert_true(skip_words((enum skip)i)[0]);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
	struct fixture *x = fixture_new();
	int run = add_reached(x, "fra1", 4);

	(void)state;
	for (size_t i = 0; i < catalogue_count; i++)
		add_probe(x, run, catalogue[i].transport, catalogue[i].port,
		          OUTCOME_RESET, SEEN_YES);
	seal(x);
	for (int width = 40; width <= 100; width += 5) {
		char *text = table_of(x, REPORT_PLAIN, width);
		char *rest = text;
		char *line;

		while ((line = strsep(&rest, "\n"))) {
			if (strlen(line) > (size_t)width)
				fail_msg("%d columns: %s", width, line);
		}
		free(text);
	}
	free(x);
}

static void colour_changes_no_word(void **state)
{
	struct fixture *x = agreed(TRANSPORT_TCP, 25, OUTCOME_TIMEOUT, SEEN_NO);
	char *plain = table_of(x, REPORT_PLAIN, 80);
	char *colour = table_of(x, REPORT_COLOUR, 80);
	char *to = colour;

	(void)state;
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(colour, "\033[31mBlocked:"));
	for (const char *from = colour; *from; from++) {
		if (*from == '\033')
			from = strchr(from, 'm');
		else
			*to++ = *from;
	}
	*to = '\0';
	assert_string_equal(plain, colour);
	free(plain);
	free(colour);
	free(x);
}

/* The second run has not begun. */
static void progress_fits_one_line(void **state)
{
	struct run_progress p[2] = { { 54, 108, 50, 4, "probes" }, { 0 } };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	report_progress(f, p, 2, REPORT_PLAIN, 80);
	fclose(f);
	assert_non_null(strstr(text, "54/108"));
	assert_non_null(strstr(text, "4 not open"));
	assert_null(strstr(text, "null"));
	assert_null(strchr(text, '\n'));
	assert_true(strlen(text) < 80);
	free(text);
}

/* ---- JSON --------------------------------------------------------------- */

static cJSON *parsed(const struct fixture *x)
{
	cJSON *upload = cJSON_CreateObject();
	char *text;
	cJSON *root;

	cJSON_AddStringToObject(upload, "state", "stored");
	text = report_json(&x->check, upload);
	root = cJSON_Parse(text);
	assert_non_null(root);
	free(text);
	return root;
}

static const cJSON *at(const cJSON *root, const char *list, int i)
{
	return cJSON_GetArrayItem(cJSON_GetObjectItem(root, list), i);
}

static void expect_member(const cJSON *object, const char *key,
                          const char *wanted)
{
	const cJSON *item = cJSON_GetObjectItem(object, key);

	assert_non_null(item);
	if (wanted)
		assert_string_equal(item->valuestring, wanted);
	else
		assert_true(cJSON_IsNull(item));
}

static void expect_number(const cJSON *object, const char *key, int wanted)
{
	const cJSON *item = cJSON_GetObjectItem(object, key);

	assert_non_null(item);
	assert_int_equal((int)item->valuedouble, wanted);
}

static void json_has_every_probe_with_its_evidence(void **state)
{
	struct fixture *x = fixture_new();
	int run = add_reached(x, "fra1", 4);
	struct record_evidence *v = add_probe(x, run, TRANSPORT_TCP, 25,
	                                      OUTCOME_UNREACHABLE, SEEN_NO);
	const cJSON *probe;
	cJSON *root;

	(void)state;
	v->has_icmp = true;
	v->icmp_type = 3;
	v->icmp_code = 13;
	assert_true(addr_parse("100.64.7.1", &v->from));
	x->record[run].void_udp = VOID_CONTROL_BEFORE;
	seal(x);
	root = parsed(x);
	expect_member(root, "format", "periplus-check/1");
	expect_member(root, "started", "2026-11-22T09:44:10.125Z");
	expect_member(at(root, "runs", 0), "seen_address", "203.0.113.5");
	expect_member(cJSON_GetObjectItem(at(root, "runs", 0), "void"), "tcp",
	              NULL);
	expect_member(cJSON_GetObjectItem(at(root, "runs", 0), "void"), "udp",
	              "control_before");
	probe = at(at(root, "runs", 0), "probes", 0);
	expect_member(probe, "application", "SMTP relay");
	expect_member(probe, "outcome", "unreachable");
	expect_member(probe, "seen", "no");
	expect_member(probe, "skip", NULL);
	expect_member(probe, "from", "100.64.7.1");
	assert_int_equal(at(probe, "icmp", 1)->valueint, 13);
	assert_null(cJSON_GetObjectItem(probe, "banner"));
	expect_member(at(root, "ports", 0), "result", "blocked");
	expect_number(cJSON_GetObjectItem(root, "summary"), "probes", 1);
	expect_number(cJSON_GetObjectItem(root, "summary"), "unreachable", 1);
	expect_number(cJSON_GetObjectItem(root, "summary"), "blocked_ports", 1);
	expect_member(cJSON_GetObjectItem(root, "upload"), "state", "stored");
	cJSON_Delete(root);
	free(x);
}

static void json_of_an_empty_check_is_whole(void **state)
{
	struct fixture *x = fixture_new();
	char *text = report_json(&x->check, NULL);
	cJSON *root = cJSON_Parse(text);

	(void)state;
	assert_non_null(root);
	expect_member(root, "upload", NULL);
	expect_number(cJSON_GetObjectItem(root, "summary"), "probes", 0);
	cJSON_Delete(root);
	free(text);
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocked_needs_every_reflector_to_agree),
		cmocka_unit_test(what_is_not_tested_does_not_count),
		cmocka_unit_test(a_void_transport_counts_for_nothing),
		cmocka_unit_test(families_are_not_mixed),
		cmocka_unit_test(what_both_families_meet_is_told_once),
		cmocka_unit_test(mail_comes_before_exotic_ports),
		cmocka_unit_test(what_many_ports_meet_is_said_once),
		cmocka_unit_test(a_name_is_never_cut_off),
		cmocka_unit_test(silence_is_told_with_what_the_reflector_saw),
		cmocka_unit_test(a_half_open_connection_has_arrived),
		cmocka_unit_test(who_refused_is_told_by_the_address),
		cmocka_unit_test(disagreement_is_said),
		cmocka_unit_test(different_failures_are_told_one_by_one),
		cmocka_unit_test(one_of_two_reflectors_is_named),
		cmocka_unit_test(a_strangers_words_cannot_touch_the_terminal),
		cmocka_unit_test(a_firewall_here_is_not_the_providers),
		cmocka_unit_test(advice_says_whether_the_way_out_is_open),
		cmocka_unit_test(all_open_is_said_in_one_line),
		cmocka_unit_test(without_a_reflector_nothing_is_claimed),
		cmocka_unit_test(a_line_without_ipv6_is_told_once),
		cmocka_unit_test(what_was_left_out_is_counted_by_reason),
		cmocka_unit_test(every_void_has_words),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(colour_changes_no_word),
		cmocka_unit_test(progress_fits_one_line),
		cmocka_unit_test(json_has_every_probe_with_its_evidence),
		cmocka_unit_test(json_of_an_empty_check_is_whole),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
