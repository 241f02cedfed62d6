/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan.c"
#include "lib/plan_accept.c"
#include "lib/plan_syntax.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/fixture.h"

static const char key[] =
	"RWSlqp+hooDto1Mn7CxpLy4PpQMfaw+ZHY/tR+IS9r33MZrdLlLpNn2V";

/* The golden plan with the first occurrence of one text made another. */
static char *changed_plan(const char *from, const char *to, size_t *n)
{
	char *plan = fixture_read("plan/plan.json", n);
	char *at = strstr(plan, from);
	char *out = malloc(*n + strlen(to) + 1);

	if (!at)
		fail_msg("the plan has no %s", from);
	size_t before = (size_t)(at - plan);

	memcpy(out, plan, before);
	memcpy(out + before, to, strlen(to));
	memcpy(out + before + strlen(to), at + strlen(from),
	       *n - before - strlen(from) + 1);
	*n = *n - strlen(from) + strlen(to);
	free(plan);
	return out;
}

static void assert_refused(const char *from, const char *to, const char *text)
{
	static struct plan plan;
	struct err e = { 0 };
	size_t n;
	char *json = changed_plan(from, to, &n);

	if (plan_parse(json, n, &plan, &e))
		fail_msg("accepted with %s", to);
	assert_string_equal(e.text, text);
	free(json);
}

static void assert_accepted(const char *from, const char *to)
{
	static struct plan plan;
	struct err e = { 0 };
	size_t n;
	char *json = changed_plan(from, to, &n);

	if (!plan_parse(json, n, &plan, &e))
		fail_msg("with %s: %s", to, e.text);
	free(json);
}

static void the_golden_plan_has_the_expected_values(void **state)
{
	static struct plan p;
	struct err e;
	size_t n;
	char *json = fixture_read("plan/plan.json", &n);
	char text[ADDR_TEXT_BYTES];

	(void)state;
	assert_true(plan_parse(json, n, &p, &e));
	assert_int_equal(p.serial, 2026112201);
	assert_true(p.valid_until_ns == INT64_C(1801353600) * CLOCK_S);
	assert_int_equal(p.interval_s, 21600);
	assert_string_equal(p.min_agent, "0.1.0");
	assert_int_equal(p.seed[0], 0);
	assert_int_equal(p.seed[15], 0xff);
	assert_string_equal(p.next_key, "");
	assert_int_equal(p.collector_count, 2);
	assert_string_equal(p.collector[0].endpoint,
	                    "tcp://collect.example.net:443");
	assert_string_equal(p.collector[0].key,
	                    "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
	assert_string_equal(p.collector[1].endpoint,
	                    "tcp://[2a00:1450::7]:5670");
	assert_int_equal(p.reflector_count, 2);
	assert_string_equal(p.reflector[0].name, "fra1");
	addr_format(&p.reflector[0].ipv4, text);
	assert_string_equal(text, "8.8.4.4");
	addr_format(&p.reflector[0].ipv6, text);
	assert_string_equal(text, "2a00:1450::4");
	assert_int_equal(p.reflector[0].control_port_count, 3);
	assert_int_equal(p.reflector[0].control_port[2], 8080);
	assert_int_equal(p.reflector[1].ipv6.family, 0);
	assert_int_equal(p.probe_count, 5);
	assert_int_equal(p.probe[2].direction, 1);
	assert_int_equal(p.probe[2].consent, CONSENT_INBOUND);
	assert_int_equal(p.probe[4].transport, TRANSPORT_UDP);
	assert_int_equal(p.probe[4].port, 51820);
	assert_int_equal(p.probe[4].consent, CONSENT_TOR_VPN);
	free(json);
}

static void every_truncation_is_refused(void **state)
{
	static struct plan p;
	struct err e;
	size_t n;
	char *json = fixture_read("plan/plan.json", &n);

	(void)state;
	/* Only the last line feed may be missing. */
	for (size_t cut = 0; cut < n - 1; cut++) {
		char *part = fixture_copy(json, cut);

		assert_false(plan_parse(part, cut, &p, &e));
		assert_string_equal(e.text, "not valid JSON");
		free(part);
	}
	assert_true(plan_parse(json, n - 1, &p, &e));
	free(json);
}

static void a_byte_of_zero_is_refused_wherever_it_stands(void **state)
{
	static struct plan p;
	struct err e;
	size_t n;
	char *json = fixture_read("plan/plan.json", &n);

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		char *part = calloc(1, n + 1);

		memcpy(part, json, i);
		memcpy(part + i + 1, json + i, n - i);
		assert_false(plan_parse(part, n + 1, &p, &e));
		assert_string_equal(e.text, "not valid JSON");
		free(part);
	}
	free(json);
}

static void what_is_not_json_is_refused(void **state)
{
	static struct plan p;
	char *long_text = calloc(1, PLAN_JSON_MAX + 1);
	struct err e;

	(void)state;
	assert_false(plan_parse("{} x", 4, &p, &e));
	assert_string_equal(e.text, "not valid JSON");
	assert_false(plan_parse("[]", 2, &p, &e));
	assert_string_equal(e.text, "the plan: must be a JSON object");
	assert_false(plan_parse("{}", 2, &p, &e));
	assert_string_equal(e.text, "format: is missing");
	memset(long_text, ' ', PLAN_JSON_MAX + 1);
	assert_false(plan_parse(long_text, PLAN_JSON_MAX + 1, &p, &e));
	assert_string_equal(e.text, "longer than 262144 bytes");
	free(long_text);
	assert_refused("\"fra1\"", "\"fra1\\u0000\"", "not valid JSON");
}

static void errors_at_the_top_name_the_field(void **state)
{
	(void)state;
	assert_refused("periplus-plan/1", "periplus-plan/2",
	               "format: \"periplus-plan/2\" is not known here, only "
	               "\"periplus-plan/1\": update periplus");
	assert_refused("\"format\"", "\"x\"", "format: is missing");
	assert_refused("2026112201", "0",
	               "serial: must be a whole number from 1 to 2147483647");
	assert_refused("2026112201", "12.5",
	               "serial: must be a whole number from 1 to 2147483647");
	assert_refused("2026112201", "\"12\"",
	               "serial: must be a whole number from 1 to 2147483647");
	assert_refused("2026112201", "12,\"serial\":13",
	               "serial: occurs twice");
	assert_refused("2027-01-31T", "2027-02-31T",
	               "valid_until: must be a time such as "
	               "2027-01-31T00:00:00Z");
	assert_refused("21600", "1799",
	               "interval_s: must be a whole number from 1800 to 86400");
	assert_refused("21600", "86401",
	               "interval_s: must be a whole number from 1800 to 86400");
	assert_refused("0.1.0", "0..1",
	               "min_agent: must be a version such as 0.1.0");
	assert_refused("0.1.0", "1.",
	               "min_agent: must be a version such as 0.1.0");
	assert_refused("00112233445566778899aabbccddeeff",
	               "00112233445566778899aabbccddee",
	               "seed: must be 32 hex digits");
	assert_refused("00112233445566778899aabbccddeeff",
	               "00112233445566778899aabbccddeefg",
	               "seed: must be 32 hex digits");
	assert_refused("\"a_later_key\"", "\"next_key\":\"RWQ\",\"x\"",
	               "next_key: must be the 56 characters of a minisign "
	               "public key");
}

static void a_next_key_may_be_given_or_null(void **state)
{
	(void)state;
	assert_accepted(
		"\"a_later_key\"",
		"\"next_key\":\"RWT3Y9TpheqmY3E8rkj8z01O211jJghJC3XbSstOr"
		"FV++6TD4O7Snlsl\",\"x\"");
	assert_accepted("\"a_later_key\"", "\"next_key\":null,\"x\"");
}

static void errors_in_collectors_name_the_field(void **state)
{
	static const char *const endpoints[] = {
		"udp://collect.example.net:443",
		"tcp://collect.example.net",
		"tcp://collect.example.net:0",
		"tcp://collect.example.net:65536",
		"tcp://collect.example.net:44 3",
		"tcp://:443",
		"tcp://*:443",
		"tcp://collect.example.net;10.0.0.1:443",
		"tcp://[2001:db8::1:443",
		"tcp://[192.0.2.1]:443",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(*endpoints); i++)
		assert_refused("tcp://collect.example.net:443", endpoints[i],
		               "collectors[0].endpoint: must be "
		               "tcp://host:port");
	assert_accepted("collect.example.net", "192.0.2.1");
	assert_refused("JTKVSB%%)wK0E", "JTKVSB%%)wK0",
	               "collectors[1].key: must be a CURVE public key, 40 "
	               "characters of Z85");
	/* A character outside the alphabet, and five that pass 2^32. */
	assert_refused("JTKVS", "JTKV~",
	               "collectors[1].key: must be a CURVE public key, 40 "
	               "characters of Z85");
	assert_refused("JTKVS", "#####",
	               "collectors[1].key: must be a CURVE public key, 40 "
	               "characters of Z85");
	assert_accepted("JTKVS", "%nSc0");
	assert_refused("JTKVS", "%nSc1",
	               "collectors[1].key: must be a CURVE public key, 40 "
	               "characters of Z85");
	assert_refused("\"endpoint\"", "\"e\"",
	               "collectors[0].endpoint: is missing");
}

static void errors_in_reflectors_name_the_field(void **state)
{
	(void)state;
	assert_refused("\"fra1\"", "\"Fra1\"",
	               "reflectors[0].name: may have a-z, 0-9 and - only");
	assert_refused("\"fra1\"", "\"\"",
	               "reflectors[0].name: must be a string of 1 to 31 "
	               "printable characters");
	assert_refused("\"sjc-2\"", "\"fra1\"",
	               "reflectors[1].name: \"fra1\" occurs twice");
	assert_refused("9.9.9.9", "9.9.9.256",
	               "reflectors[1].ipv4: must be an IPv4 address");
	assert_refused("9.9.9.9", "2001:db8::1",
	               "reflectors[1].ipv4: must be an IPv4 address");
	assert_refused("2a00:1450::4\"", "192.0.2.1\"",
	               "reflectors[0].ipv6: must be an IPv6 address");
	assert_refused("2a00:1450::4\"", "::ffff:192.0.2.1\"",
	               "reflectors[0].ipv6: must be an IPv6 address");
	assert_refused("\"ipv4\": \"9.9.9.9\",", "",
	               "reflectors[1]: needs ipv4, ipv6 or both");
	assert_refused("8080", "0",
	               "reflectors[0].control_ports: must be a whole number "
	               "from 1 to 65535");
	assert_refused("8080", "443",
	               "reflectors[0].control_ports: 443 occurs twice");
	assert_refused("8080", "1,2,3,4,5,6,7",
	               "reflectors[0].control_ports: must have 1 to 8 entries, "
	               "has 9");
	assert_refused("443\n   ]\n  }\n ]", "]}]",
	               "reflectors[1].control_ports: must have 1 to 8 entries, "
	               "has 0");
}

static void errors_in_probes_name_the_field(void **state)
{
	(void)state;
	assert_refused("\"out\"", "\"up\"",
	               "probes[0].direction: must be \"out\" or \"in\"");
	assert_refused("\"transport\": \"udp\"", "\"transport\": 17",
	               "probes[1].transport: must be \"tcp\" or \"udp\"");
	assert_refused("51820", "65536",
	               "probes[4].port: must be a whole number from 0 to "
	               "65535");
	assert_refused("\"noisy\"", "\"loud\"",
	               "probes[3].class: must be basic, noisy, inbound or "
	               "tor_vpn");
	assert_refused("\"direction\": \"in\"", "\"direction\": null",
	               "probes[2].direction: must be \"out\" or \"in\"");
	assert_refused("\"port\": 445", "\"port\": 25",
	               "probes[3]: is the same as probes[0]");
	assert_refused("\"port\": 25,", "", "probes[0].port: is missing");
}

static void caps_cannot_be_raised(void **state)
{
	enum { ROOM = 1 << 16 };
	char *many = calloc(1, ROOM);
	size_t n = (size_t)snprintf(many, ROOM, "\"probes\": [");

	(void)state;
	for (int i = 0; i < PLAN_PROBES_MAX - 4; i++)
		n += (size_t)snprintf(many + n, ROOM - n,
		                      "{\"direction\":\"out\",\"transport\":"
		                      "\"tcp\",\"port\":%d,\"class\":"
		                      "\"basic\"},",
		                      1000 + i);
	assert_refused("\"probes\": [", many,
	               "probes: must have 1 to 512 entries, has 513");
	free(many);
}

static struct plan_check check_of(const char *when)
{
	struct plan_check c = { .public_key = key, .agent_version = "0.1.0" };

	assert_true(clock_parse(when, &c.now_ns));
	return c;
}

/* The verdict on a golden plan as check says, and its error text. */
static enum plan_verdict verdict_on(const struct plan_check *check,
                                    const char *signature, struct err *e)
{
	static struct plan plan;
	size_t n;
	size_t m;
	char *json = fixture_read("plan/plan.json", &n);
	char *text = fixture_read(signature, &m);
	enum plan_verdict v = plan_accept(check, json, n, text, m, &plan, e);

	free(text);
	free(json);
	return v;
}

static void a_good_plan_is_accepted(void **state)
{
	struct plan_check c = check_of("2026-12-01T00:00:00Z");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e), PLAN_OK);
	assert_int_equal(verdict_on(&c, "plan/plan.json.legacy.minisig", &e),
	                 PLAN_OK);
	c.highest_serial = 2026112201;
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e), PLAN_OK);
}

static void the_next_key_is_accepted_too(void **state)
{
	struct plan_check c = check_of("2026-12-01T00:00:00Z");
	struct err e = { 0 };

	(void)state;
	c.public_key =
		"RWT3Y9TpheqmY3E8rkj8z01O211jJghJC3XbSstOrFV++6TD4O7Snlsl";
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e),
	                 PLAN_BAD_SIGNATURE);
	assert_non_null(strstr(e.text, "signed by key A3ED80A2A19FAAA5"));
	c.next_key = "";
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e),
	                 PLAN_BAD_SIGNATURE);
	c.next_key = key;
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e), PLAN_OK);
}

static void a_forged_plan_is_refused(void **state)
{
	static struct plan plan;
	struct plan_check c = check_of("2026-12-01T00:00:00Z");
	struct err e;
	size_t n;
	size_t m;
	char *json = changed_plan("8.8.4.4", "8.8.8.8", &n);
	char *text = fixture_read("plan/plan.json.minisig", &m);

	(void)state;
	assert_int_equal(plan_accept(&c, json, n, text, m, &plan, &e),
	                 PLAN_BAD_SIGNATURE);
	assert_non_null(strstr(e.text, "changed after it was signed"));
	free(text);
	free(json);
}

static void an_older_plan_is_refused(void **state)
{
	struct plan_check c = check_of("2026-12-01T00:00:00Z");
	struct err e;

	(void)state;
	c.highest_serial = 2026112202;
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e),
	                 PLAN_OLDER);
	assert_non_null(strstr(e.text, "2026112201 is older than 2026112202"));
}

static void a_plan_expires_at_the_moment_it_names(void **state)
{
	struct plan_check c = check_of("2027-01-31T00:00:00Z");
	struct err e;

	(void)state;
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e),
	                 PLAN_EXPIRED);
	assert_non_null(strstr(e.text, "expired at 2027-01-31T00:00:00"));
	c.now_ns--;
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e), PLAN_OK);
}

static void an_agent_that_is_too_old_is_told_so(void **state)
{
	struct plan_check c = check_of("2026-12-01T00:00:00Z");
	struct err e;

	(void)state;
	c.agent_version = "0.0.9";
	assert_int_equal(verdict_on(&c, "plan/plan.json.minisig", &e),
	                 PLAN_AGENT_TOO_OLD);
	assert_non_null(strstr(e.text, "needs periplus 0.1.0 or later"));
}

static void only_public_targets_are_allowed(void **state)
{
	static const char *const refused[] = {
		"10.1.2.3",   "192.168.1.1", "172.16.0.1",      "127.0.0.1",
		"100.64.0.1", "169.254.1.1", "192.0.2.1",       "198.18.0.1",
		"224.0.0.1",  "0.0.0.0",     "255.255.255.255",
	};
	static struct plan plan;
	struct plan_check c = check_of("2026-12-01T00:00:00Z");
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		size_t n;
		char *json = changed_plan("8.8.4.4", refused[i], &n);

		assert_true(plan_parse(json, n, &plan, &e));
		assert_int_equal(judge(&c, &plan, &e), PLAN_BAD_TARGET);
		assert_non_null(strstr(e.text, refused[i]));
		c.allow_any_target = true;
		assert_int_equal(judge(&c, &plan, &e), PLAN_OK);
		c.allow_any_target = false;
		free(json);
	}
}

static void versions_are_compared_number_by_number(void **state)
{
	(void)state;
	assert_true(plan_version_compare("0.1.0", "0.1.0") == 0);
	assert_true(plan_version_compare("0.1", "0.1.0") == 0);
	assert_true(plan_version_compare("0.10.0", "0.9.9") > 0);
	assert_true(plan_version_compare("1.0", "0.99.99") > 0);
	assert_true(plan_version_compare("0.1.0", "0.1.1") < 0);
	assert_true(plan_version_compare("0.1", "0.1.1") < 0);
	assert_true(plan_version_compare("0.01.0", "0.1.0") == 0);
	assert_true(plan_version_compare("99999999999999999999999.1",
	                                 "99999999999999999999999.2") < 0);
	assert_true(plan_version_compare("2", "10") < 0);
	assert_true(plan_version_compare("0.2.0-dev", "0.2.0") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_plan_has_the_expected_values),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(a_byte_of_zero_is_refused_wherever_it_stands),
		cmocka_unit_test(what_is_not_json_is_refused),
		cmocka_unit_test(errors_at_the_top_name_the_field),
		cmocka_unit_test(a_next_key_may_be_given_or_null),
		cmocka_unit_test(errors_in_collectors_name_the_field),
		cmocka_unit_test(errors_in_reflectors_name_the_field),
		cmocka_unit_test(errors_in_probes_name_the_field),
		cmocka_unit_test(caps_cannot_be_raised),
		cmocka_unit_test(a_good_plan_is_accepted),
		cmocka_unit_test(the_next_key_is_accepted_too),
		cmocka_unit_test(a_forged_plan_is_refused),
		cmocka_unit_test(an_older_plan_is_refused),
		cmocka_unit_test(a_plan_expires_at_the_moment_it_names),
		cmocka_unit_test(an_agent_that_is_too_old_is_told_so),
		cmocka_unit_test(only_public_targets_are_allowed),
		cmocka_unit_test(versions_are_compared_number_by_number),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
