/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/record.c"
#include "lib/record_decode.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

/* The golden record without its line feed. */
static char *golden(size_t *n)
{
	char *json = fixture_read("record.json", n);

	assert_true(*n > 0 && json[*n - 1] == '\n');
	json[--*n] = '\0';
	return json;
}

/* The golden record with the first occurrence of one text made another. */
static char *changed(const char *from, const char *to, size_t *n)
{
	char *json = golden(n);
	char *at = strstr(json, from);
	char *out = malloc(*n + strlen(to) + 1);

	if (!at)
		fail_msg("the record has no %s", from);
	size_t before = (size_t)(at - json);

	memcpy(out, json, before);
	memcpy(out + before, to, strlen(to));
	memcpy(out + before + strlen(to), at + strlen(from),
	       *n - before - strlen(from));
	*n = *n - strlen(from) + strlen(to);
	free(json);
	return out;
}

static enum record_fault decode(const char *json, size_t n, struct record *r,
                                char *where)
{
	char *exact = fixture_copy(json, n);
	enum record_fault fault = record_decode(exact, n, r, where);

	free(exact);
	return fault;
}

static void assert_fault(const char *from, const char *to,
                         enum record_fault wanted, const char *where_wanted)
{
	static struct record r;
	char where[64];
	size_t n;
	char *json = changed(from, to, &n);
	enum record_fault fault = decode(json, n, &r, where);

	if (fault != wanted || strcmp(where, where_wanted) != 0)
		fail_msg("%s: %s at \"%s\" instead of %s at \"%s\"", to,
		         record_fault_name(fault), where,
		         record_fault_name(wanted), where_wanted);
	free(json);
}

static void assert_accepted(const char *from, const char *to)
{
	static struct record r;
	char where[64];
	size_t n;
	char *json = changed(from, to, &n);
	enum record_fault fault = decode(json, n, &r, where);

	if (fault != RECORD_OK)
		fail_msg("%s: %s at %s", to, record_fault_name(fault), where);
	free(json);
}

static void the_golden_record_has_the_expected_values(void **state)
{
	static const uint16_t ports[] = {
		25, 80, 443, 445, 2525, 53, 123, 51820
	};
	static const uint8_t outcomes[] = { 4, 6, 1, 8, 0, 7, 2, 3 };
	static struct record r;
	char where[64];
	char run[37];
	size_t n;
	char *json = golden(&n);

	(void)state;
	assert_int_equal(decode(json, n, &r, where), RECORD_OK);
	record_run_id_format(r.run, run);
	assert_string_equal(run, "019aab00-c0de-7abc-8def-0123456789ab");
	assert_true(r.started_ns ==
	            INT64_C(1775520000) * CLOCK_S + 125 * CLOCK_MS);
	assert_int_equal(r.clock_offset_ms, -1500);
	assert_int_equal(r.duration_ms, 61250);
	assert_int_equal(r.plan, 12);
	assert_string_equal(r.reflector, "fra1");
	assert_int_equal(r.family, 4);
	assert_string_equal(r.version, "0.1.0");
	assert_string_equal(r.platform, "linux");
	assert_string_equal(r.arch, "x86_64");
	assert_int_equal(r.classes, CONSENT_BASIC | CONSENT_TOR_VPN);
	assert_int_equal(r.void_tcp, VOID_NONE);
	assert_int_equal(r.void_udp, VOID_CONTROL_AFTER);
	assert_int_equal(r.probe_count, 8);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(r.probe[i].direction, DIRECTION_OUT);
		assert_int_equal(r.probe[i].transport, i >= 5);
		assert_int_equal(r.probe[i].port, ports[i]);
		assert_int_equal(r.probe[i].outcome, outcomes[i]);
	}
	assert_int_equal(r.probe[2].rtt_us, 18250);
	assert_int_equal(r.probe[0].attempts, 4);
	assert_int_equal(r.probe[7].hop, 255);
	free(json);
}

static void the_golden_evidence_has_the_expected_values(void **state)
{
	static struct record r;
	char where[64];
	char from[ADDR_TEXT_BYTES];
	size_t n;
	size_t m;
	char *json = golden(&n);
	uint8_t *manifest = fixture_read_hex("wire/manifest.hex", &m);

	(void)state;
	assert_int_equal(decode(json, n, &r, where), RECORD_OK);
	assert_int_equal(r.evidence_count, 6);
	assert_true(r.evidence[0].has_icmp);
	assert_int_equal(r.evidence[0].icmp_type, 3);
	assert_int_equal(r.evidence[0].icmp_code, 13);
	addr_format(&r.evidence[0].from, from);
	assert_string_equal(from, "100.64.7.1");
	assert_int_equal(r.evidence[1].banner_bytes, 26);
	assert_memory_equal(r.evidence[1].banner, "HTTP/1.1 400 Bad", 16);
	assert_int_equal(r.evidence[2].sys_errno, 1);
	assert_int_equal(r.evidence[3].skip, SKIP_NOT_LISTENING);
	assert_int_equal(r.evidence[4].arrived_port, 5353);
	assert_int_equal(r.evidence[5].from.family, 0);
	assert_ptr_equal(record_evidence_of(&r, 3), &r.evidence[2]);
	assert_null(record_evidence_of(&r, 2));
	assert_null(record_evidence_of(&r, 8));
	assert_int_equal(r.manifest_bytes, m);
	assert_memory_equal(r.manifest, manifest, m);
	free(manifest);
	free(json);
}

static void the_golden_record_is_encoded_to_the_same_bytes(void **state)
{
	static struct record r;
	char where[64];
	size_t n;
	size_t m;
	char *json = golden(&n);

	(void)state;
	assert_int_equal(decode(json, n, &r, where), RECORD_OK);
	char *again = record_encode(&r, &m);

	assert_string_equal(again, json);
	assert_int_equal(n, m);
	free(again);
	free(json);
}

static void every_truncation_is_refused(void **state)
{
	static struct record r;
	char where[64];
	size_t n;
	char *json = golden(&n);

	(void)state;
	for (size_t cut = 0; cut < n; cut++)
		if (decode(json, cut, &r, where) != RECORD_NOT_JSON)
			fail_msg("accepted %zu of %zu bytes", cut, n);
	free(json);
}

static void white_space_is_allowed_and_nothing_else_around(void **state)
{
	static struct record r;
	char where[64];

	(void)state;
	assert_accepted("{\"format\"", " \t\r\n{ \"format\"");
	assert_accepted("\"plan\":12", "\"plan\" : 12 ");
	assert_fault("\"manifest\":\"", "\"x\":1}x{\"manifest\":\"",
	             RECORD_NOT_JSON, "");
	assert_int_equal(decode("", 0, &r, where), RECORD_NOT_JSON);
	assert_int_equal(decode("null", 4, &r, where), RECORD_FORMAT);
	assert_int_equal(decode("nul", 3, &r, where), RECORD_NOT_JSON);
	assert_int_equal(decode("{}", 2, &r, where), RECORD_FORMAT);
	assert_int_equal(decode("[]", 2, &r, where), RECORD_FORMAT);
	assert_int_equal(decode("{\"a\":1,}", 8, &r, where), RECORD_NOT_JSON);
	assert_int_equal(decode("{,}", 3, &r, where), RECORD_NOT_JSON);
	assert_int_equal(decode("{\"a\" 1}", 7, &r, where), RECORD_NOT_JSON);
}

static void a_record_that_is_too_long_is_refused(void **state)
{
	static struct record r;
	char where[64];
	char *spaces = malloc(RECORD_JSON_MAX + 1);

	(void)state;
	memset(spaces, ' ', RECORD_JSON_MAX + 1);
	assert_int_equal(decode(spaces, RECORD_JSON_MAX + 1, &r, where),
	                 RECORD_TOO_LONG);
	assert_int_equal(decode(spaces, RECORD_JSON_MAX, &r, where),
	                 RECORD_NOT_JSON);
	free(spaces);
}

static void faults_at_the_top_name_the_field(void **state)
{
	(void)state;
	assert_fault("run/1", "run/2", RECORD_FORMAT, "format");
	assert_fault("\"periplus-run/1\"", "1", RECORD_FORMAT, "format");
	assert_fault("019aab00-", "019aab0g-", RECORD_FIELD, "run");
	assert_fault("019aab00-", "019aab00", RECORD_FIELD, "run");
	assert_fault("2026-04-07T", "2026-04-31T", RECORD_FIELD, "started");
	assert_fault("-1500", "1.5", RECORD_RANGE, "clock_offset_ms");
	assert_fault("-1500", "10000000000001", RECORD_RANGE,
	             "clock_offset_ms");
	assert_fault("-1500", "\"5\"", RECORD_FIELD, "clock_offset_ms");
	assert_fault("61250", "-1", RECORD_RANGE, "duration_ms");
	assert_fault("61250", "86400001", RECORD_RANGE, "duration_ms");
	assert_fault("61250", "6e3", RECORD_RANGE, "duration_ms");
	assert_fault("61250", "99999999999999999999999", RECORD_RANGE,
	             "duration_ms");
	assert_fault("61250", "NaN", RECORD_NOT_JSON, "duration_ms");
	assert_fault("61250", "061250", RECORD_NOT_JSON, "duration_ms");
	assert_fault("61250", "+1", RECORD_NOT_JSON, "duration_ms");
	assert_fault("61250", "null", RECORD_FIELD, "duration_ms");
	assert_fault("\"plan\":12", "\"plan\":0", RECORD_RANGE, "plan");
	assert_fault("\"plan\":12", "\"plan\":2147483648", RECORD_RANGE,
	             "plan");
	assert_fault("fra1", "FRA1", RECORD_FIELD, "reflector");
	assert_fault("fra1", "", RECORD_FIELD, "reflector");
	assert_fault("fra1", "01234567890123456789012345678901", RECORD_FIELD,
	             "reflector");
	assert_fault("\"family\":4", "\"family\":5", RECORD_RANGE, "family");
	assert_fault("\"family\":4", "\"family\":0", RECORD_RANGE, "family");
}

static void faults_in_agent_class_and_void_name_the_field(void **state)
{
	(void)state;
	assert_fault("\"x86_64\"", "\"x86\xc3\xa9\"", RECORD_FIELD, "arch");
	assert_fault("\"x86_64\"", "\"x86\\n\"", RECORD_FIELD, "arch");
	assert_fault("\"x86_64\"", "\"a\",\"arch\":\"b\"", RECORD_FIELD,
	             "arch twice");
	assert_fault("\"platform\":\"linux\",", "", RECORD_FIELD,
	             "platform missing");
	assert_fault("{\"version\":\"0.1.0\",", "[{\"a\":", RECORD_NOT_JSON,
	             "agent");
	assert_fault("[\"basic\",\"tor_vpn\"]", "\"basic\"", RECORD_FIELD,
	             "class");
	assert_fault("[\"basic\",\"tor_vpn\"]", "[]", RECORD_FIELD, "class");
	assert_fault("\"tor_vpn\"", "\"loud\"", RECORD_RANGE, "class");
	assert_fault("\"tor_vpn\"", "\"basic\"", RECORD_FIELD, "class twice");
	assert_fault("\"tor_vpn\"", "7", RECORD_FIELD, "class");
	assert_accepted("{\"tcp\":null,\"udp\":\"control_after\"}", "null");
	assert_fault("control_after", "none", RECORD_RANGE, "void");
	assert_fault("control_after", "bored", RECORD_RANGE, "void");
	assert_fault("{\"tcp\":null,", "{", RECORD_FIELD, "tcp missing");
	assert_fault("{\"tcp\":null,\"udp\":\"control_after\"}", "true",
	             RECORD_FIELD, "void");
}

static void keys_are_unique_and_complete(void **state)
{
	static const char *const keys[] = {
		"format", "run",    "started",  "clock_offset_ms",
		"plan",   "family", "evidence", "duration_ms",
		"agent",  "class",  "manifest", "reflector",
		"void",   "probe",
	};
	char from[32];
	char where[64];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(from, sizeof(from), "\"%s\":", keys[i]);
		snprintf(where, sizeof(where), "%s%s", keys[i],
		         strcmp(keys[i], "format") ? " missing" : "");
		assert_fault(from, "\"other\":",
		             i == 0 ? RECORD_FORMAT : RECORD_FIELD, where);
	}
	assert_fault("\"family\":4", "\"family\":4,\"family\":4", RECORD_FIELD,
	             "family twice");
}

static void unknown_keys_are_passed_over(void **state)
{
	(void)state;
	assert_accepted("{\"format\"",
	                "{\"path\":[{\"ttl\":1,\"x\":[true,false,null,-0.5e+7]"
	                "},{}],\"path\":[],\"\\u00e9\\\"\":\"\\ud83d\\ude00\","
	                "\"format\"");
	assert_accepted("\"hop\":", "\"snr\":[0.5],\"hop\":");
	assert_accepted("{\"i\":0,", "{\"dialogue\":{\"a\":\"b\"},\"i\":0,");
	assert_accepted("{\"version\"", "{\"kernel\":\"6.1\",\"version\"");
	/* As written by other encoders. */
	assert_accepted("fra1", "fr\\u00611");
	assert_accepted("x86_64", "x\\/y");
}

static void nesting_is_limited(void **state)
{
	static struct record r;
	char where[64];
	enum { DEEP = 100000 };
	char *deep = malloc(DEEP);

	(void)state;
	memset(deep, '[', DEEP);
	assert_int_equal(decode(deep, DEEP, &r, where), RECORD_NOT_JSON);
	memcpy(deep, "{\"a\":", 5);
	assert_int_equal(decode(deep, DEEP, &r, where), RECORD_NOT_JSON);
	free(deep);
}

/* "x":[[...]], as many brackets deep as given, before the first key. */
static void nest(char *out, size_t out_bytes, int depth)
{
	int n = snprintf(out, out_bytes, "{\"x\":");

	memset(out + n, '[', (size_t)depth);
	memset(out + n + depth, ']', (size_t)depth);
	snprintf(out + n + 2 * depth, out_bytes - (size_t)(n + 2 * depth),
	         ",\"format\"");
}

static void what_is_passed_over_may_be_32_levels_deep(void **state)
{
	char text[128];

	(void)state;
	nest(text, sizeof(text), 31);
	assert_accepted("{\"format\"", text);
	nest(text, sizeof(text), 32);
	assert_accepted("{\"format\"", text);
	nest(text, sizeof(text), 33);
	assert_fault("{\"format\"", text, RECORD_NOT_JSON, "");
}

/* A start and the same text some times over. */
static char *repeated(const char *start, const char *unit, int times)
{
	size_t room = strlen(start) + strlen(unit) * (size_t)times + 1;
	char *out = malloc(room);
	size_t n = (size_t)snprintf(out, room, "%s", start);

	for (int i = 0; i < times; i++)
		n += (size_t)snprintf(out + n, room - n, "%s", unit);
	return out;
}

static void lists_end_at_their_limit(void **state)
{
	/* The golden record has eight of each. */
	char *most = repeated("\"direction\":[", "0,", RECORD_PROBES_MAX - 8);
	char *more = repeated("\"direction\":[", "0,", RECORD_PROBES_MAX - 7);
	char *evidence;
	char *p;

	(void)state;
	assert_fault("\"direction\":[", most, RECORD_ARRAYS, "probe.transport");
	assert_fault("\"direction\":[", more, RECORD_RANGE,
	             "probe.direction too long");
	free(most);
	free(more);

	/* One for each probe there can be, and one more. */
	evidence =
		repeated("\"evidence\":[", "{\"i\":000},", RECORD_EVIDENCE_MAX);
	p = strchr(evidence, '[') + 1;
	for (int i = 0; i < RECORD_EVIDENCE_MAX; i++, p += 10) {
		char unit[16];

		snprintf(unit, sizeof(unit), "{\"i\":%3d},", i);
		memcpy(p, unit, 10);
	}
	assert_fault("\"evidence\":[", evidence, RECORD_RANGE,
	             "evidence too long");
	free(evidence);
}

static void faults_in_the_arrays_name_the_element(void **state)
{
	(void)state;
	assert_fault("[25,80,", "[25,65536,", RECORD_RANGE, "probe.port[1]");
	assert_fault("[25,80,", "[25,-1,", RECORD_RANGE, "probe.port[1]");
	assert_fault("[25,80,", "[25,80.5,", RECORD_RANGE, "probe.port[1]");
	assert_fault("[25,80,", "[25,\"80\",", RECORD_FIELD, "probe.port[1]");
	assert_fault("[25,80,", "[25,,80,", RECORD_NOT_JSON, "probe.port[1]");
	assert_fault("[25,80,", "[80,", RECORD_ARRAYS, "probe.port");
	assert_fault("[25,80,", "[1,2,80,", RECORD_ARRAYS, "probe.port");
	assert_fault("[4,6,1,8", "[10,6,1,8", RECORD_RANGE, "probe.outcome[0]");
	assert_fault("[4,1,1,1,0", "[5,1,1,1,0", RECORD_RANGE,
	             "probe.attempts[0]");
	assert_fault(",255]", ",256]", RECORD_RANGE, "probe.hop[7]");
	assert_fault("18250", "2147483648", RECORD_RANGE, "probe.rtt_us[2]");
	assert_fault("[0,0,0,0,0,1,1,1]", "[0,0,0,0,0,1,1,2]", RECORD_RANGE,
	             "probe.transport[7]");
	assert_fault("\"direction\":[0,", "\"direction\":[2,", RECORD_RANGE,
	             "probe.direction[0]");
	assert_fault("\"attempts\":[", "\"attempts\":[[", RECORD_FIELD,
	             "probe.attempts[0]");
	assert_fault("\"hop\":", "\"hops\":", RECORD_FIELD, "hop missing");
	assert_fault("[25,80,443,", "[25,80,25,", RECORD_DUPLICATE,
	             "probe.port[2]");
	/* Another direction or transport is another probe. */
	assert_accepted("[25,80,443,445,2525,53,", "[53,80,443,445,2525,53,");
	assert_accepted("\"direction\":[0,0,0,0,0,0,",
	                "\"direction\":[0,0,1,0,0,1,");
}

static void faults_in_evidence_name_the_element(void **state)
{
	(void)state;
	assert_fault("[3,13]", "[3]", RECORD_FIELD, "evidence[0].icmp");
	assert_fault("[3,13]", "[3,13,0]", RECORD_FIELD, "evidence[0].icmp");
	assert_fault("[3,13]", "[3,256]", RECORD_RANGE, "evidence[0].icmp");
	assert_fault("100.64.7.1", "100.64.7", RECORD_FIELD,
	             "evidence[0].from");
	assert_fault("\"icmp\":[3,13],", "", RECORD_FIELD,
	             "evidence[0].from without icmp");
	assert_fault("\"i\":0,", "", RECORD_FIELD, "evidence[0].i missing");
	assert_fault("{\"i\":1,", "{\"i\":0,", RECORD_RANGE, "evidence[1].i");
	assert_fault("{\"i\":7,", "{\"i\":8,", RECORD_RANGE, "evidence[5].i");
	assert_fault("{\"i\":7,", "{\"i\":512,", RECORD_RANGE, "evidence[5].i");
	assert_fault("SFRUUC8", "SFRUU*8", RECORD_FIELD, "evidence[1].banner");
	assert_fault("\"errno\":1", "\"errno\":0", RECORD_RANGE,
	             "evidence[2].errno");
	assert_fault("\"errno\":1", "\"errno\":4096", RECORD_RANGE,
	             "evidence[2].errno");
	assert_fault("not_listening", "lazy", RECORD_RANGE, "evidence[3].skip");
	assert_fault("not_listening", "none", RECORD_RANGE, "evidence[3].skip");
	assert_fault("5353", "0", RECORD_RANGE, "evidence[4].arrived");
	assert_fault("{\"i\":3,\"errno\":1}", "3", RECORD_FIELD,
	             "evidence[2].evidence");
}

static void skipped_means_untested_and_the_reverse(void **state)
{
	(void)state;
	assert_fault("{\"i\":4,\"skip\":\"not_listening\"},", "", RECORD_FIELD,
	             "evidence of probe 4: skip missing");
	assert_fault("{\"i\":4,\"skip\":\"not_listening\"},", "{\"i\":4},",
	             RECORD_FIELD, "evidence of probe 4: skip missing");
	assert_fault("\"errno\":1", "\"skip\":\"family\"", RECORD_FIELD,
	             "evidence of probe 3: skip");
}

static void a_banner_has_at_most_64_bytes(void **state)
{
	char text[128];

	(void)state;
	memset(text, 'A', 88);
	memcpy(text + 85, "A==", 4);
	assert_accepted("SFRUUC8xLjEgNDAwIEJhZCBSZXF1ZXN0DQo=", text);
	memcpy(text + 85, "AA=", 4);
	assert_fault("SFRUUC8xLjEgNDAwIEJhZCBSZXF1ZXN0DQo=", text, RECORD_FIELD,
	             "evidence[1].banner");
	assert_fault("SFRUUC8xLjEgNDAwIEJhZCBSZXF1ZXN0DQo=", "", RECORD_FIELD,
	             "evidence[1].banner");
}

static void a_manifest_is_null_or_base64(void **state)
{
	static char longest[4 * ((WIRE_MESSAGE_MAX + 2) / 3) + 32];
	enum { CHARS = 4 * (WIRE_MESSAGE_MAX / 3) + 4 };

	(void)state;
	assert_accepted("\"manifest\":\"", "\"manifest\":null,\"m\":\"");
	assert_fault("\"manifest\":\"", "\"manifest\":\"\",\"m\":\"",
	             RECORD_MANIFEST, "manifest");
	assert_fault("\"manifest\":\"", "\"manifest\":\"=", RECORD_MANIFEST,
	             "manifest");
	assert_fault("\"manifest\":\"", "\"manifest\":\"\xff", RECORD_MANIFEST,
	             "manifest");
	assert_fault("\"manifest\":\"", "\"manifest\":7,\"m\":\"", RECORD_FIELD,
	             "manifest");
	/* WIRE_MESSAGE_MAX is one more than a multiple of three. */
	assert_int_equal(WIRE_MESSAGE_MAX % 3, 1);
	snprintf(longest, sizeof(longest), "\"manifest\":\"%0*d==\",\"m\":\"",
	         CHARS - 2, 0);
	memset(strchr(longest, '0'), 'A', CHARS - 2);
	assert_accepted("\"manifest\":\"", longest);
	longest[12 + CHARS - 2] = 'A';
	assert_fault("\"manifest\":\"", longest, RECORD_MANIFEST, "manifest");
}

static void the_order_of_keys_does_not_matter(void **state)
{
	static struct record r;
	static struct record s;
	char where[64];
	size_t n;
	char *json = golden(&n);
	char *probe = strstr(json, ",\"probe\"");
	char *evidence = strstr(json, ",\"evidence\"");
	char *manifest = strstr(json, ",\"manifest\"");
	char *out = malloc(n + 1);

	(void)state;
	snprintf(out, n + 1, "%.*s%.*s%.*s%s", (int)(probe - json), json,
	         (int)(manifest - evidence), evidence, (int)(evidence - probe),
	         probe, manifest);
	assert_int_equal(decode(json, n, &r, where), RECORD_OK);
	assert_int_equal(decode(out, n, &s, where), RECORD_OK);
	assert_memory_equal(&r, &s, sizeof(r));
	free(out);
	free(json);
}

static void random_text(struct fixture_random *r, char out[RECORD_TEXT_BYTES])
{
	uint32_t n = 1 + fixture_below(r, RECORD_TEXT_BYTES - 1);

	for (uint32_t i = 0; i < n; i++)
		out[i] = (char)(' ' + fixture_below(r, '~' - ' ' + 1));
}

static void random_evidence(struct fixture_random *r, struct record_evidence *v)
{
	if (fixture_below(r, 2)) {
		v->has_icmp = true;
		v->icmp_type = (uint8_t)fixture_next(r);
		v->icmp_code = (uint8_t)fixture_next(r);
		v->from.family = fixture_below(r, 2) ? 4 : 6;
		fixture_fill(r, v->from.ip, v->from.family == 4 ? 4 : 16);
	}
	v->banner_bytes = (uint8_t)fixture_below(r, RECORD_BANNER_BYTES + 1);
	fixture_fill(r, v->banner, v->banner_bytes);
	v->arrived_port = (uint16_t)fixture_next(r);
	v->sys_errno = (int32_t)fixture_below(r, 4096);
}

static void random_probes(struct fixture_random *r, struct record *out)
{
	uint16_t port = (uint16_t)fixture_next(r);

	out->probe_count = (uint16_t)fixture_below(r, RECORD_PROBES_MAX + 1);
	for (uint16_t i = 0; i < out->probe_count; i++) {
		struct record_probe *p = &out->probe[i];

		p->direction = (uint8_t)fixture_below(r, 2);
		p->transport = (uint8_t)fixture_below(r, 2);
		p->port = (uint16_t)(port + i);
		p->outcome = (uint8_t)fixture_below(r, OUTCOME_COUNT);
		p->attempts = (uint8_t)fixture_below(r, 5);
		p->hop = (uint8_t)fixture_next(r);
		p->rtt_us = fixture_below(r, UINT32_C(1) << 31);
		if (p->outcome != OUTCOME_UNTESTED && fixture_below(r, 2))
			continue;

		struct record_evidence *v = &out->evidence[out->evidence_count];

		out->evidence_count++;
		v->probe = i;
		if (p->outcome == OUTCOME_UNTESTED)
			v->skip =
				(uint8_t)(1 + fixture_below(r, SKIP_COUNT - 1));
		else
			random_evidence(r, v);
	}
}

static void random_record(struct fixture_random *r, struct record *out)
{
	memset(out, 0, sizeof(*out));
	fixture_fill(r, out->run, sizeof(out->run));
	out->started_ns = (int64_t)fixture_below(r, 4000000000u) * CLOCK_S +
	                  (int64_t)fixture_below(r, 1000) * CLOCK_MS;
	out->clock_offset_ms =
		(int64_t)(fixture_next(r) % (2 * RECORD_OFFSET_MAX_MS)) -
		RECORD_OFFSET_MAX_MS;
	out->duration_ms = fixture_below(r, 86400001);
	out->plan = 1 + fixture_below(r, 2147483647);
	out->reflector[0] = 'a';
	out->family = fixture_below(r, 2) ? 4 : 6;
	out->classes = (uint8_t)(1 + fixture_below(r, 15));
	random_text(r, out->version);
	random_text(r, out->platform);
	random_text(r, out->arch);
	out->void_tcp = (uint8_t)fixture_below(r, VOID_COUNT);
	out->void_udp = (uint8_t)fixture_below(r, VOID_COUNT);
	random_probes(r, out);
	out->manifest_bytes = (uint16_t)fixture_below(r, WIRE_MESSAGE_MAX + 1);
	fixture_fill(r, out->manifest, out->manifest_bytes);
}

static void random_records_survive(void **state)
{
	struct fixture_random r = fixture_random_new();
	struct record *in = malloc(sizeof(*in));
	struct record *out = malloc(sizeof(*out));

	(void)state;
	for (int i = 0; i < 300; i++) {
		char where[64];
		size_t n;

		random_record(&r, in);
		char *json = record_encode(in, &n);

		memset(out, 0, sizeof(*out));
		if (n > RECORD_JSON_MAX) {
			free(json);
			continue;
		}
		if (decode(json, n, out, where) != RECORD_OK)
			fail_msg("%s in %s", where, json);
		assert_memory_equal(in, out, sizeof(*in));
		free(json);
	}
	free(out);
	free(in);
}

/* The largest record that an agent can make must not be refused as such. */
static void the_largest_usual_record_fits(void **state)
{
	static struct record r;
	struct fixture_random random = fixture_random_new();
	size_t n;

	(void)state;
	random_record(&random, &r);
	memset(r.evidence, 0, sizeof(r.evidence));
	r.probe_count = RECORD_PROBES_MAX;
	r.evidence_count = RECORD_EVIDENCE_MAX;
	r.manifest_bytes = WIRE_MESSAGE_MAX;
	for (int i = 0; i < RECORD_PROBES_MAX; i++) {
		struct record_evidence *v = &r.evidence[i];

		r.probe[i] = (struct record_probe){ 1, 1,   65535,    9,
			                            4, 255, INT32_MAX };
		v->probe = (uint16_t)i;
		v->has_icmp = true;
		v->icmp_type = 255;
		v->icmp_code = 255;
		v->from.family = 6;
		memset(v->from.ip, 0xee, sizeof(v->from.ip));
	}
	free(record_encode(&r, &n));
	assert_in_range(n, 1, RECORD_JSON_MAX);
}

static void run_ids_are_uuids_of_version_7(void **state)
{
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t other[WIRE_RUN_BYTES];
	char text[37];

	(void)state;
	record_new_run_id(INT64_C(1775520000125) * CLOCK_MS, run);
	record_new_run_id(INT64_C(1775520000125) * CLOCK_MS, other);
	assert_memory_not_equal(run, other, sizeof(run));
	record_run_id_format(run, text);
	assert_int_equal(strlen(text), 36);
	/* 1775520000125 is 0x19d653d287d. */
	assert_memory_equal(text, "019d653d-287d-7", 15);
	assert_non_null(strchr("89ab", text[19]));
	assert_true(record_run_id_parse(text, other));
	assert_memory_equal(run, other, sizeof(run));
}

static void other_texts_are_no_run_ids(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"019aab00-c0de-7abc-8def-0123456789a",
		"019aab00-c0de-7abc-8def-0123456789abc",
		"019aab00_c0de-7abc-8def-0123456789ab",
		"019aab00-c0de-7abc-8def-0123456789ag",
		"019aab000c0de-7abc-8def-0123456789ab",
		"{19aab00-c0de-7abc-8def-0123456789ab",
	};
	uint8_t run[WIRE_RUN_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(record_run_id_parse(bad[i], run));
	assert_true(record_run_id_parse("019AAB00-C0DE-7ABC-8DEF-0123456789AB",
	                                run));
}

static void every_fault_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < RECORD_FAULT_COUNT; i++)
		assert_non_null(record_fault_name((enum record_fault)i));
	assert_null(record_fault_name(RECORD_FAULT_COUNT));
	assert_string_equal(record_fault_name(RECORD_NOT_JSON), "not-json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_record_has_the_expected_values),
		cmocka_unit_test(the_golden_evidence_has_the_expected_values),
		cmocka_unit_test(
			the_golden_record_is_encoded_to_the_same_bytes),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(
			white_space_is_allowed_and_nothing_else_around),
		cmocka_unit_test(a_record_that_is_too_long_is_refused),
		cmocka_unit_test(faults_at_the_top_name_the_field),
		cmocka_unit_test(faults_in_agent_class_and_void_name_the_field),
		cmocka_unit_test(keys_are_unique_and_complete),
		cmocka_unit_test(unknown_keys_are_passed_over),
		cmocka_unit_test(nesting_is_limited),
		cmocka_unit_test(what_is_passed_over_may_be_32_levels_deep),
		cmocka_unit_test(lists_end_at_their_limit),
		cmocka_unit_test(faults_in_the_arrays_name_the_element),
		cmocka_unit_test(faults_in_evidence_name_the_element),
		cmocka_unit_test(skipped_means_untested_and_the_reverse),
		cmocka_unit_test(a_banner_has_at_most_64_bytes),
		cmocka_unit_test(a_manifest_is_null_or_base64),
		cmocka_unit_test(the_order_of_keys_does_not_matter),
		cmocka_unit_test(random_records_survive),
		cmocka_unit_test(the_largest_usual_record_fits),
		cmocka_unit_test(run_ids_are_uuids_of_version_7),
		cmocka_unit_test(other_texts_are_no_run_ids),
		cmocka_unit_test(every_fault_has_a_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
