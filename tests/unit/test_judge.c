/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/judge.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t token[WIRE_TOKEN_BYTES] = "the run's token";
static const uint8_t nonce[WIRE_NONCE_BYTES] = "nonce 1";
static const uint8_t digest[WIRE_DIGEST_BYTES] = "digest1";

static struct judge_probe probe_of(enum transport transport)
{
	struct judge_probe p = { .transport = (uint8_t)transport, .port = 25 };

	memcpy(p.token, token, sizeof(token));
	p.sent_count = 2;
	memcpy(p.sent[0].nonce, nonce, sizeof(nonce));
	memcpy(p.sent[0].digest, digest, sizeof(digest));
	p.sent[0].at_ns = 1000;
	memcpy(p.sent[1].nonce, "nonce 2", WIRE_NONCE_BYTES);
	memcpy(p.sent[1].digest, "digest2", WIRE_DIGEST_BYTES);
	p.sent[1].at_ns = 5000;
	return p;
}

static struct wire_echo echo_of(void)
{
	struct wire_echo m = { .arrived = 25 };

	assert_true(addr_parse("192.0.2.1", &m.seen));
	memcpy(m.nonce, nonce, sizeof(nonce));
	memcpy(m.digest, digest, sizeof(digest));
	return m;
}

/* Encode and tag; returns the length. */
static size_t seal(struct wire_echo m, uint8_t out[WIRE_PROBE_BYTES])
{
	struct wr w = wr_of(out, WIRE_PROBE_BYTES);
	size_t n = wire_echo_encode(&w, &m);

	assert_true(n > WIRE_TAG_BYTES);
	token_echo_tag(token, out, n - WIRE_TAG_BYTES,
	               out + n - WIRE_TAG_BYTES);
	return n;
}

static struct finding reply(enum transport transport, const void *bytes,
                            size_t n)
{
	struct judge_probe p = probe_of(transport);
	struct finding f = { 0 };

	assert_true(judge_reply(&p, bytes, n, 9000, &f));
	return f;
}

static struct finding one(enum outcome outcome)
{
	return (struct finding){ .outcome = (uint8_t)outcome };
}

static uint8_t combined(enum transport transport, enum outcome a,
                        enum outcome b, enum outcome c, enum outcome d)
{
	struct finding f[JUDGE_ATTEMPTS] = { one(a), one(b), one(c), one(d) };
	struct finding out;

	judge_combine(transport, f, JUDGE_ATTEMPTS, &out);
	return out.outcome;
}

/* ---- replies ------------------------------------------------------------ */

static void the_reflectors_own_reply_is_open(void **state)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	size_t n = seal(echo_of(), bytes);
	struct finding f = reply(TRANSPORT_TCP, bytes, n);

	(void)state;
	assert_int_equal(f.outcome, OUTCOME_OPEN);
	assert_int_equal(f.rtt_ns, 8000);
	assert_int_equal(reply(TRANSPORT_UDP, bytes, n).outcome, OUTCOME_OPEN);
}

static void a_reply_is_timed_by_the_attempt_it_answers(void **state)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	struct wire_echo m = echo_of();

	(void)state;
	memcpy(m.nonce, "nonce 2", sizeof(m.nonce));
	memcpy(m.digest, "digest2", sizeof(m.digest));
	assert_int_equal(reply(TRANSPORT_UDP, bytes, seal(m, bytes)).rtt_ns,
	                 4000);
}

static void another_port_or_payload_is_altered(void **state)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	struct wire_echo m = echo_of();
	struct finding f;

	(void)state;
	m.arrived = 2525;
	f = reply(TRANSPORT_TCP, bytes, seal(m, bytes));
	assert_int_equal(f.outcome, OUTCOME_ALTERED);
	assert_int_equal(f.arrived_port, 2525);
	m = echo_of();
	m.digest[0] ^= 1;
	f = reply(TRANSPORT_TCP, bytes, seal(m, bytes));
	assert_int_equal(f.outcome, OUTCOME_ALTERED);
	assert_int_equal(f.arrived_port, 0);
	m = echo_of();
	m.nonce[0] ^= 1;
	f = reply(TRANSPORT_UDP, bytes, seal(m, bytes));
	assert_int_equal(f.outcome, OUTCOME_ALTERED);
	assert_int_equal(f.rtt_ns, 0);
}

static void the_digest_must_be_of_the_attempt_with_the_nonce(void **state)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	struct wire_echo m = echo_of();

	(void)state;
	memcpy(m.digest, "digest2", sizeof(m.digest));
	assert_int_equal(reply(TRANSPORT_UDP, bytes, seal(m, bytes)).outcome,
	                 OUTCOME_ALTERED);
}

static void without_our_tag_nothing_is_open(void **state)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	size_t n = seal(echo_of(), bytes);

	(void)state;
	for (size_t i = 0; i < n * 8; i++) {
		struct finding f;

		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		f = reply(TRANSPORT_UDP, bytes, n);
		assert_int_equal(f.outcome, OUTCOME_INTERCEPTED);
		assert_memory_equal(f.banner, bytes, f.banner_bytes);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void a_tcp_reply_may_come_in_pieces(void **state)
{
	struct judge_probe p = probe_of(TRANSPORT_TCP);
	uint8_t bytes[WIRE_PROBE_BYTES];
	size_t n = seal(echo_of(), bytes);
	struct finding f = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_false(judge_reply(&p, bytes, i, 9000, &f));
	assert_int_equal(f.outcome, OUTCOME_UNTESTED);
	assert_true(judge_reply(&p, bytes, n, 9000, &f));
	assert_int_equal(f.outcome, OUTCOME_OPEN);
}

static void a_cut_datagram_is_a_strangers(void **state)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	size_t n = seal(echo_of(), bytes);

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(reply(TRANSPORT_UDP, bytes, i).outcome,
		                 OUTCOME_INTERCEPTED);
}

static void what_follows_an_echo_over_tcp_does_not_matter(void **state)
{
	uint8_t bytes[2 * WIRE_PROBE_BYTES] = { 0 };
	size_t n = seal(echo_of(), bytes);

	(void)state;
	assert_int_equal(reply(TRANSPORT_TCP, bytes, n + 5).outcome,
	                 OUTCOME_OPEN);
	assert_int_equal(reply(TRANSPORT_UDP, bytes, n + 5).outcome,
	                 OUTCOME_INTERCEPTED);
}

static void the_first_64_bytes_of_a_stranger_are_kept(void **state)
{
	char long_banner[200];
	struct finding f;

	(void)state;
	memset(long_banner, 'x', sizeof(long_banner));
	f = reply(TRANSPORT_TCP, long_banner, sizeof(long_banner));
	assert_int_equal(f.outcome, OUTCOME_INTERCEPTED);
	assert_int_equal(f.banner_bytes, RECORD_BANNER_BYTES);
	f = reply(TRANSPORT_TCP, "220 hi\r\n", 8);
	assert_int_equal(f.banner_bytes, 8);
	assert_memory_equal(f.banner, "220 hi\r\n", 8);
}

/* Our own PROBE sent back, or another message of the protocol. */
static void no_other_message_passes_for_an_echo(void **state)
{
	struct wire_probe m = { .transport = TRANSPORT_TCP, .port = 25 };
	uint8_t bytes[WIRE_PROBE_BYTES];
	struct wr w = wr_of(bytes, sizeof(bytes));

	(void)state;
	wire_probe_encode(&w, &m);
	assert_int_equal(reply(TRANSPORT_TCP, bytes, sizeof(bytes)).outcome,
	                 OUTCOME_INTERCEPTED);
}

/* ---- errors ------------------------------------------------------------- */

static struct finding error_of(enum transport transport, uint8_t type,
                               uint8_t code, const char *from)
{
	struct judge_error x = { .icmp_type = type,
		                 .icmp_code = code,
		                 .sys_errno = ECONNREFUSED };
	struct finding f = { 0 };
	struct addr local;

	assert_true(addr_parse(from, &x.from));
	assert_true(addr_parse(x.from.family == 6 ? "fd00::2" : "10.0.0.2",
	                       &local));
	assert_true(judge_error(transport, &x, &local, &f));
	return f;
}

static void port_unreachable_refuses_udp_and_filters_tcp(void **state)
{
	struct finding f = error_of(TRANSPORT_UDP, 3, 3, "10.0.0.1");

	(void)state;
	assert_int_equal(f.outcome, OUTCOME_REFUSED);
	assert_true(f.has_icmp);
	assert_int_equal(error_of(TRANSPORT_UDP, 1, 4, "fd00::1").outcome,
	                 OUTCOME_REFUSED);
	assert_int_equal(error_of(TRANSPORT_TCP, 3, 3, "10.0.0.1").outcome,
	                 OUTCOME_UNREACHABLE);
	assert_int_equal(error_of(TRANSPORT_TCP, 1, 4, "fd00::1").outcome,
	                 OUTCOME_UNREACHABLE);
}

static void other_errors_are_unreachable_with_their_evidence(void **state)
{
	struct finding f = error_of(TRANSPORT_TCP, 3, 13, "100.64.7.1");
	char from[ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(f.outcome, OUTCOME_UNREACHABLE);
	assert_true(f.has_icmp);
	assert_int_equal(f.icmp_type, 3);
	assert_int_equal(f.icmp_code, 13);
	addr_format(&f.from, from);
	assert_string_equal(from, "100.64.7.1");
	assert_int_equal(f.sys_errno, 0);
}

static void an_error_from_our_own_address_is_denied(void **state)
{
	struct finding f = error_of(TRANSPORT_TCP, 3, 3, "10.0.0.2");

	(void)state;
	assert_int_equal(f.outcome, OUTCOME_DENIED);
	assert_int_equal(f.sys_errno, ECONNREFUSED);
	assert_true(f.has_icmp);
	assert_int_equal(error_of(TRANSPORT_UDP, 1, 4, "fd00::2").outcome,
	                 OUTCOME_DENIED);
	assert_int_equal(error_of(TRANSPORT_UDP, 3, 3, "127.0.0.1").outcome,
	                 OUTCOME_DENIED);
}

static void an_error_of_the_stack_itself_is_denied(void **state)
{
	struct judge_error x = { .local = true, .sys_errno = EACCES };
	struct addr local = { 0 };
	struct finding f;

	(void)state;
	assert_true(judge_error(TRANSPORT_UDP, &x, &local, &f));
	assert_int_equal(f.outcome, OUTCOME_DENIED);
	assert_int_equal(f.sys_errno, EACCES);
	assert_false(f.has_icmp);
}

/* A next hop that does not answer, a lost route, no descriptors. */
static void what_this_host_lacks_says_nothing_of_the_port(void **state)
{
	static const int lacks[] = { ENETUNREACH, EHOSTUNREACH, EMFILE, ENOBUFS,
		                     EADDRNOTAVAIL };
	struct finding f;

	(void)state;
	assert_int_equal(error_of(TRANSPORT_TCP, 3, 1, "10.0.0.2").outcome,
	                 OUTCOME_UNTESTABLE);
	assert_int_equal(error_of(TRANSPORT_TCP, 1, 3, "fd00::2").outcome,
	                 OUTCOME_UNTESTABLE);
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		judge_call_failed(lacks[i], &f);
		assert_int_equal(f.outcome, OUTCOME_UNTESTABLE);
		assert_int_equal(f.sys_errno, lacks[i]);
	}
	judge_call_failed(EPERM, &f);
	assert_int_equal(f.outcome, OUTCOME_DENIED);
	assert_int_equal(combined(TRANSPORT_TCP, OUTCOME_TIMEOUT,
	                          OUTCOME_UNTESTABLE, OUTCOME_TIMEOUT,
	                          OUTCOME_TIMEOUT),
	                 OUTCOME_UNTESTABLE);
}

static void path_mtu_is_no_failure(void **state)
{
	struct judge_error four = { .icmp_type = 3, .icmp_code = 4 };
	struct judge_error six = { .icmp_type = 2 };
	struct addr local = { 0 };
	struct finding f;

	(void)state;
	assert_true(addr_parse("10.0.0.1", &four.from));
	assert_true(addr_parse("fd00::1", &six.from));
	assert_false(judge_error(TRANSPORT_UDP, &four, &local, &f));
	assert_false(judge_error(TRANSPORT_UDP, &six, &local, &f));
}

static void a_quote_is_ours_as_far_as_it_goes(void **state)
{
	const uint8_t sent[6] = "abcdef";

	(void)state;
	assert_true(judge_quote(sent, 6, sent, 0));
	assert_true(judge_quote(sent, 6, (const uint8_t *)"abc", 3));
	assert_true(judge_quote(sent, 6, (const uint8_t *)"abcdefGH", 8));
	assert_false(judge_quote(sent, 6, (const uint8_t *)"abX", 3));
}

static void a_rst_refuses_before_the_handshake_and_cuts_after(void **state)
{
	static const struct {
		int error;
		enum outcome outcome;
	} wanted[] = {
		{ ECONNREFUSED, OUTCOME_REFUSED },
		{ ECONNRESET, OUTCOME_RESET },
		{ EPIPE, OUTCOME_RESET },
		{ ETIMEDOUT, OUTCOME_TIMEOUT },
		{ EPERM, OUTCOME_DENIED },
		{ EACCES, OUTCOME_DENIED },
		{ EHOSTUNREACH, OUTCOME_UNREACHABLE },
	};
	struct finding f;

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		judge_tcp_failed(wanted[i].error, &f);
		assert_int_equal(f.outcome, wanted[i].outcome);
	}
}

/* ---- attempts together -------------------------------------------------- */

static void one_good_attempt_is_enough(void **state)
{
	(void)state;
	for (int o = 0; o < OUTCOME_COUNT; o++)
		assert_int_equal(combined(TRANSPORT_TCP, OUTCOME_TIMEOUT,
		                          (enum outcome)o, (enum outcome)o,
		                          OUTCOME_OPEN),
		                 OUTCOME_OPEN);
}

static void the_most_telling_failure_decides(void **state)
{
	static const enum outcome order[] = {
		OUTCOME_ALTERED, OUTCOME_INTERCEPTED, OUTCOME_RESET,
		OUTCOME_REFUSED, OUTCOME_UNREACHABLE, OUTCOME_DENIED,
		OUTCOME_TIMEOUT,
	};

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); i++)
		assert_int_equal(combined(TRANSPORT_TCP, order[i + 1],
		                          order[i + 1], order[i], order[i + 1]),
		                 order[i]);
	assert_int_equal(combined(TRANSPORT_TCP, OUTCOME_UNTESTED,
	                          OUTCOME_UNTESTED, OUTCOME_UNTESTED,
	                          OUTCOME_UNTESTED),
	                 OUTCOME_TIMEOUT);
}

static void one_datagram_of_a_stranger_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(combined(TRANSPORT_UDP, OUTCOME_INTERCEPTED,
	                          OUTCOME_TIMEOUT, OUTCOME_TIMEOUT,
	                          OUTCOME_TIMEOUT),
	                 OUTCOME_TIMEOUT);
	assert_int_equal(combined(TRANSPORT_UDP, OUTCOME_INTERCEPTED,
	                          OUTCOME_TIMEOUT, OUTCOME_INTERCEPTED,
	                          OUTCOME_TIMEOUT),
	                 OUTCOME_INTERCEPTED);
	assert_int_equal(combined(TRANSPORT_TCP, OUTCOME_INTERCEPTED,
	                          OUTCOME_TIMEOUT, OUTCOME_TIMEOUT,
	                          OUTCOME_TIMEOUT),
	                 OUTCOME_INTERCEPTED);
}

static void two_equal_answers_settle_a_probe_and_silence_does_not(void **state)
{
	struct finding f[] = { one(OUTCOME_REFUSED), one(OUTCOME_TIMEOUT),
		               one(OUTCOME_REFUSED) };
	struct finding silent[] = { one(OUTCOME_TIMEOUT), one(OUTCOME_TIMEOUT),
		                    one(OUTCOME_TIMEOUT) };
	struct finding open[] = { one(OUTCOME_UNTESTED), one(OUTCOME_OPEN) };

	(void)state;
	assert_false(judge_settled(f, 1));
	assert_false(judge_settled(f, 2));
	assert_true(judge_settled(f, 3));
	assert_false(judge_settled(silent, 3));
	assert_true(judge_settled(open, 2));
	assert_false(judge_settled(open, 1));
}

static void of_equal_findings_the_one_with_evidence_is_kept(void **state)
{
	struct finding f[] = { one(OUTCOME_UNREACHABLE),
		               one(OUTCOME_UNREACHABLE) };
	struct finding out;

	(void)state;
	f[1].has_icmp = true;
	f[1].icmp_code = 13;
	judge_combine(TRANSPORT_TCP, f, 2, &out);
	assert_int_equal(out.icmp_code, 13);
}

static void a_probe_from_another_address_decides_nothing(void **state)
{
	struct manifest_entry elsewhere = { .flags = MANIFEST_OTHER_ADDRESS };
	struct manifest_entry both = { .flags = MANIFEST_OTHER_ADDRESS |
		                                MANIFEST_SEEN };
	struct manifest_entry none = { 0 };

	(void)state;
	assert_int_equal(judge_with_manifest(OUTCOME_TIMEOUT, &elsewhere),
	                 OUTCOME_UNTESTABLE);
	assert_int_equal(judge_with_manifest(OUTCOME_RESET, &elsewhere),
	                 OUTCOME_UNTESTABLE);
	assert_int_equal(judge_with_manifest(OUTCOME_REFUSED, &elsewhere),
	                 OUTCOME_REFUSED);
	assert_int_equal(judge_with_manifest(OUTCOME_TIMEOUT, &both),
	                 OUTCOME_TIMEOUT);
	assert_int_equal(judge_with_manifest(OUTCOME_TIMEOUT, &none),
	                 OUTCOME_TIMEOUT);
	assert_int_equal(judge_with_manifest(OUTCOME_OPEN, NULL), OUTCOME_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reflectors_own_reply_is_open),
		cmocka_unit_test(a_reply_is_timed_by_the_attempt_it_answers),
		cmocka_unit_test(another_port_or_payload_is_altered),
		cmocka_unit_test(
			the_digest_must_be_of_the_attempt_with_the_nonce),
		cmocka_unit_test(without_our_tag_nothing_is_open),
		cmocka_unit_test(a_tcp_reply_may_come_in_pieces),
		cmocka_unit_test(a_cut_datagram_is_a_strangers),
		cmocka_unit_test(what_follows_an_echo_over_tcp_does_not_matter),
		cmocka_unit_test(the_first_64_bytes_of_a_stranger_are_kept),
		cmocka_unit_test(no_other_message_passes_for_an_echo),
		cmocka_unit_test(port_unreachable_refuses_udp_and_filters_tcp),
		cmocka_unit_test(
			other_errors_are_unreachable_with_their_evidence),
		cmocka_unit_test(an_error_from_our_own_address_is_denied),
		cmocka_unit_test(an_error_of_the_stack_itself_is_denied),
		cmocka_unit_test(what_this_host_lacks_says_nothing_of_the_port),
		cmocka_unit_test(path_mtu_is_no_failure),
		cmocka_unit_test(a_quote_is_ours_as_far_as_it_goes),
		cmocka_unit_test(
			a_rst_refuses_before_the_handshake_and_cuts_after),
		cmocka_unit_test(one_good_attempt_is_enough),
		cmocka_unit_test(the_most_telling_failure_decides),
		cmocka_unit_test(one_datagram_of_a_stranger_is_not_believed),
		cmocka_unit_test(
			two_equal_answers_settle_a_probe_and_silence_does_not),
		cmocka_unit_test(
			of_equal_findings_the_one_with_evidence_is_kept),
		cmocka_unit_test(a_probe_from_another_address_decides_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
