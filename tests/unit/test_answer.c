/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/answer.c"

#include "tests/unit/unit.h"

static const uint8_t seed[CONTROL_SEED_BYTES] = "seed of a plan.";
static const uint8_t run[WIRE_RUN_BYTES] = "a run";
static const int64_t day_ns = 86400 * INT64_C(1000000000);
static const int64_t epoch_ns = TOKEN_EPOCH_S * INT64_C(1000000000);

/* What the kernel would say. */
struct halfopen {
	uint64_t lost_syns;
	struct sockdiag_waits waits;
	struct sockdiag_query asked;
};

uint64_t halfopen_lost_syns(struct halfopen *h)
{
	return h->lost_syns;
}

void halfopen_look(struct halfopen *h, const struct sockdiag_query *q,
                   int64_t run_age_ns, uint64_t lost_syns,
                   struct halfopen_view *out)
{
	h->asked = *q;
	out->run_age_ns = run_age_ns;
	out->waits = h->waits;
	out->complete = h->lost_syns == lost_syns;
}

/* Everything that a reflector is made of, but sockets. */
struct bench {
	struct halfopen halfopen;
	struct addr local;
	struct answerer me;
	struct counters counters;
	uint8_t out[WIRE_MESSAGE_MAX];
};

static struct bench *bench_new(void)
{
	static const struct port_list ports = {
		.count = 3,
		.port = { { TRANSPORT_TCP, 443 },
		          { TRANSPORT_UDP, 53 },
		          { TRANSPORT_TCP, 25 } },
	};
	static const struct port_list nothing = { 0 };
	static const uint8_t key[ROSTER_KEY_BYTES] = "any";
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->local.family = 4;
	b->me.local = &b->local;
	b->me.halfopen = &b->halfopen;
	b->me.name = "fra1";
	memset(b->me.receipt_key, 1, sizeof(b->me.receipt_key));
	memset(b->me.token_key, 2, sizeof(b->me.token_key));
	b->me.ports = portset_new(&ports, &nothing, seed);
	portset_opened(b->me.ports, 0, 443, 0);
	portset_opened(b->me.ports, 1, 53, 0);

	struct session_limits limits = { 16, 8, portset_slots(b->me.ports) };

	b->me.sessions = sessions_new(&limits, key);
	return b;
}

static void bench_free(struct bench *b)
{
	sessions_free(b->me.sessions);
	portset_free(b->me.ports);
	free(b);
}

static struct arrival at(const char *host, enum transport transport,
                         uint16_t port)
{
	struct arrival a = { .transport = (uint8_t)transport,
		             .port = port,
		             .slot = transport == TRANSPORT_UDP,
		             .now_ns = 0,
		             .real_ns = 20000 * day_ns };

	assert_true(addr_parse(host, &a.from));
	a.from.port = 40001;
	return a;
}

static uint64_t counted(const struct bench *b, enum counter which)
{
	return b->counters.n[which];
}

static size_t say_hello(struct bench *b, const struct arrival *a)
{
	uint8_t bytes[64];
	struct wr w = wr_of(bytes, sizeof(bytes));
	struct wire_hello hello = { .nonce = "nonce12" };
	size_t n;

	memcpy(hello.run, run, sizeof(run));
	n = wire_hello_encode(&w, &hello);
	return answer_tcp(&b->me, &b->counters, a, rd_of(bytes, n), b->out);
}

static struct wire_welcome welcome_of(struct bench *b, const struct arrival *a)
{
	struct wire_welcome welcome;
	struct rd r = rd_of(b->out, say_hello(b, a));

	assert_true(wire_welcome_decode(&r, &welcome));
	return welcome;
}

static struct wire_probe probe_with(const uint8_t token[WIRE_TOKEN_BYTES],
                                    enum transport transport, uint16_t port)
{
	struct wire_probe probe = { .transport = (uint8_t)transport,
		                    .port = port,
		                    .attempt = 1,
		                    .nonce = "abcdefg" };

	memcpy(probe.run, run, sizeof(run));
	memcpy(probe.token, token, WIRE_TOKEN_BYTES);
	return probe;
}

static size_t send_probe(struct bench *b, const struct arrival *a,
                         const struct wire_probe *probe)
{
	uint8_t bytes[WIRE_PROBE_BYTES];
	struct wr w = wr_of(bytes, sizeof(bytes));
	size_t n = wire_probe_encode(&w, probe);

	if (a->transport == TRANSPORT_UDP)
		return answer_udp(&b->me, &b->counters, a, rd_of(bytes, n),
		                  b->out);
	return answer_tcp(&b->me, &b->counters, a, rd_of(bytes, n), b->out);
}

static size_t send_report(struct bench *b, const struct arrival *a,
                          const uint8_t token[WIRE_TOKEN_BYTES])
{
	uint8_t bytes[64];
	struct wr w = wr_of(bytes, sizeof(bytes));
	struct wire_report report;
	size_t n;

	memcpy(report.run, run, sizeof(run));
	memcpy(report.token, token, WIRE_TOKEN_BYTES);
	n = wire_report_encode(&w, &report);
	return answer_tcp(&b->me, &b->counters, a, rd_of(bytes, n), b->out);
}

static void a_welcome_tells_address_clock_and_open_ports(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &a);

	(void)state;
	assert_memory_equal(welcome.nonce, "nonce12", 8);
	assert_true(addr_same_host(&welcome.seen, &a.from));
	assert_int_equal(welcome.seen.port, 40001);
	assert_int_equal(welcome.clock_ns, a.real_ns);
	assert_int_equal(welcome.port_count, 2); /* 25 is wanted, not open */
	assert_int_equal(welcome.port[0].port, 443);
	assert_int_equal(welcome.port[1].port, 53);
	assert_int_equal(counted(b, COUNT_HELLO), 1);
	bench_free(b);
}

static void a_probe_is_echoed_over_both_transports(void **state)
{
	static const enum transport transports[] = { TRANSPORT_TCP,
		                                     TRANSPORT_UDP };
	struct bench *b = bench_new();
	struct arrival home = at("2001:db8::1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &home);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct arrival a = at("2001:db8::1", transports[i], 53);
		struct wire_probe probe =
			probe_with(welcome.token, transports[i], 5353);
		size_t n = send_probe(b, &a, &probe);
		struct rd r = rd_of(b->out, n);
		struct wire_echo echo;

		assert_true(n > 0 && n <= WIRE_PROBE_BYTES);
		assert_true(token_echo_valid(welcome.token, b->out, n));
		assert_true(wire_echo_decode(&r, &echo));
		assert_memory_equal(echo.nonce, probe.nonce, 8);
		assert_int_equal(echo.arrived, 53); /* not as intended */
		assert_int_equal(echo.seen.port, 40001);
	}
	bench_free(b);
}

static void a_token_is_worth_nothing_from_another_address(void **state)
{
	struct bench *b = bench_new();
	struct arrival home = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct arrival udp = at("203.0.113.5", TRANSPORT_UDP, 53);
	struct arrival tcp = at("203.0.113.5", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &home);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_UDP, 53);

	(void)state;
	assert_int_equal(send_probe(b, &udp, &probe), 0);
	assert_int_equal(send_probe(b, &tcp, &probe), 0);
	assert_int_equal(send_report(b, &tcp, welcome.token), 0);
	assert_int_equal(counted(b, COUNT_OTHER_ADDRESS), 2);
	assert_int_equal(counted(b, COUNT_BAD_TOKEN), 1);
	bench_free(b);
}

static void a_guessed_token_leaves_no_trace(void **state)
{
	static const uint8_t guess[WIRE_TOKEN_BYTES] = "guessed";
	struct bench *b = bench_new();
	struct arrival home = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct arrival other = at("203.0.113.5", TRANSPORT_UDP, 53);
	struct arrival own = at("192.0.2.1", TRANSPORT_UDP, 53);
	struct wire_probe probe = probe_with(guess, TRANSPORT_UDP, 53);
	struct session_view view;

	(void)state;
	say_hello(b, &home);
	assert_int_equal(send_probe(b, &own, &probe), 0);
	assert_int_equal(send_probe(b, &other, &probe), 0);
	assert_int_equal(counted(b, COUNT_BAD_TOKEN), 2);
	assert_true(sessions_view(b->me.sessions, run, &home, &view));
	assert_int_equal(view.mark[1].flags, 0);
	bench_free(b);
}

static void a_token_without_its_session_is_not_answered(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_UDP, 53);
	uint8_t token[WIRE_TOKEN_BYTES];
	struct wire_probe probe;

	(void)state;
	token_make(b->me.token_key, token_epoch(a.now_ns), run, &a.from, token);
	probe = probe_with(token, TRANSPORT_UDP, 53);
	assert_int_equal(send_probe(b, &a, &probe), 0);
	a.transport = TRANSPORT_TCP;
	assert_int_equal(send_probe(b, &a, &probe), 0);
	assert_int_equal(send_report(b, &a, token), 0);
	assert_int_equal(counted(b, COUNT_NO_SESSION), 3);
	bench_free(b);
}

static void a_token_lives_for_the_next_epoch_only(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &a);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_TCP, 443);

	(void)state;
	a.now_ns = epoch_ns - 1;
	say_hello(b, &a); /* the session lives on, the token is an old one */
	a.now_ns = 2 * epoch_ns - 2;
	assert_true(send_probe(b, &a, &probe) > 0);
	say_hello(b, &a);
	a.now_ns = 2 * epoch_ns;
	assert_int_equal(send_probe(b, &a, &probe), 0);
	assert_int_equal(counted(b, COUNT_BAD_TOKEN), 1);
	bench_free(b);
}

static void setting_the_clock_costs_no_run(void **state)
{
	static const int64_t steps[] = { -400, -1, 1, 400 };
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &a);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_TCP, 443);

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct arrival late = a;

		late.real_ns += steps[i] * day_ns;
		assert_true(send_probe(b, &late, &probe) > 0);
		assert_true(send_report(b, &late, welcome.token) > 0);
	}
	bench_free(b);
}

static void who_learns_a_run_id_cannot_touch_the_run(void **state)
{
	struct bench *b = bench_new();
	struct arrival home = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct arrival thief = at("203.0.113.5", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &home);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_TCP, 443);
	struct wire_welcome stolen;
	struct wire_manifest m;
	struct rd r;

	(void)state;
	assert_true(send_probe(b, &home, &probe) > 0);
	stolen = welcome_of(b, &thief);
	assert_memory_not_equal(stolen.token, welcome.token, WIRE_TOKEN_BYTES);
	r = rd_of(b->out, send_report(b, &thief, stolen.token));
	assert_true(wire_manifest_decode(&r, &m));
	assert_true(addr_same_host(&m.seen, &thief.from));
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags, 0);
	r = rd_of(b->out, send_report(b, &home, welcome.token));
	assert_true(wire_manifest_decode(&r, &m));
	assert_true(addr_same_host(&m.seen, &home.from));
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags,
	                 MANIFEST_SEEN);
	bench_free(b);
}

static void another_address_is_noted_in_the_run_of_its_token(void **state)
{
	struct bench *b = bench_new();
	struct arrival first = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct arrival second = at("192.0.2.2", TRANSPORT_TCP, 443);
	struct arrival udp = at("203.0.113.5", TRANSPORT_UDP, 53);
	struct wire_welcome welcome = welcome_of(b, &first);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_UDP, 53);
	struct session_view view;

	(void)state;
	say_hello(b, &second);
	assert_int_equal(send_probe(b, &udp, &probe), 0);
	assert_true(sessions_view(b->me.sessions, run, &first, &view));
	assert_int_equal(view.mark[1].flags, MANIFEST_OTHER_ADDRESS);
	assert_true(sessions_view(b->me.sessions, run, &second, &view));
	assert_int_equal(view.mark[1].flags, 0);
	bench_free(b);
}

static void a_run_of_too_many_hosts_gets_no_welcome(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);

	(void)state;
	for (uint8_t i = 0; i < SESSION_HOSTS_MAX + 2; i++) {
		a.from.ip[2] = i; /* a prefix of its own */
		assert_int_equal(say_hello(b, &a) > 0, i < SESSION_HOSTS_MAX);
	}
	assert_int_equal(counted(b, COUNT_NO_SESSION), 2);
	bench_free(b);
}

static void the_ninth_datagram_is_not_answered(void **state)
{
	struct bench *b = bench_new();
	struct arrival home = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct arrival udp = at("192.0.2.1", TRANSPORT_UDP, 53);
	struct wire_welcome welcome = welcome_of(b, &home);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_UDP, 53);

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(send_probe(b, &udp, &probe) > 0, i < 8);
	assert_int_equal(counted(b, COUNT_UDP_PROBE), 8);
	assert_int_equal(counted(b, COUNT_UDP_SPENT), 12);
	bench_free(b);
}

static void over_udp_only_probes_are_heard(void **state)
{
	struct bench *b = bench_new();
	struct arrival udp = at("192.0.2.1", TRANSPORT_UDP, 53);
	uint8_t bytes[WIRE_PROBE_BYTES + 1] = { 0 };
	struct wr w = wr_of(bytes, sizeof(bytes));
	struct wire_hello hello = { .nonce = "nonce12" };
	size_t n = wire_hello_encode(&w, &hello);

	(void)state;
	assert_int_equal(answer_udp(&b->me, &b->counters, &udp, rd_of(bytes, n),
	                            b->out),
	                 0);
	for (n = 0; n <= sizeof(bytes); n++)
		assert_int_equal(answer_udp(&b->me, &b->counters, &udp,
		                            rd_of(bytes, n), b->out),
		                 0);
	assert_int_equal(counted(b, COUNT_UDP_FOREIGN), sizeof(bytes) + 2);
	bench_free(b);
}

static void replies_are_not_requests(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	size_t n = say_hello(b, &a);
	uint8_t welcome[WIRE_MESSAGE_MAX];

	(void)state;
	memcpy(welcome, b->out, n);
	assert_int_equal(answer_tcp(&b->me, &b->counters, &a, rd_of(welcome, n),
	                            b->out),
	                 0);
	assert_int_equal(counted(b, COUNT_TCP_FOREIGN), 1);
	bench_free(b);
}

static struct wire_manifest manifest_of(struct bench *b,
                                        const struct arrival *a,
                                        const uint8_t token[WIRE_TOKEN_BYTES])
{
	struct wire_manifest m;
	struct rd r = rd_of(b->out, send_report(b, a, token));

	assert_true(wire_manifest_decode(&r, &m));
	return m;
}

static void a_report_asks_for_syns_of_the_session_s_host(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &a);
	struct wire_manifest m;
	const struct manifest_entry *entry;

	(void)state;
	m = manifest_of(b, &a, welcome.token);
	assert_true(addr_same_host(&b->halfopen.asked.peer, &a.from));
	assert_true(addr_same_host(&b->halfopen.asked.local, &b->local));
	entry = wire_manifest_find(&m, TRANSPORT_TCP, 443);
	assert_int_equal(entry->flags, 0);
	assert_int_equal(counted(b, COUNT_REPORT_UNSURE), 0);

	b->halfopen.waits.count = 1;
	b->halfopen.waits.wait[0] = (struct sockdiag_wait){ 443, 51234, 0 };
	m = manifest_of(b, &a, welcome.token);
	entry = wire_manifest_find(&m, TRANSPORT_TCP, 443);
	assert_int_equal(entry->flags, MANIFEST_HALF_OPEN);
	assert_int_equal(entry->source_port, 51234);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_UDP, 53)->flags, 0);
	bench_free(b);
}

static void syns_lost_since_the_hello_leave_a_report_unsure(void **state)
{
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome;
	struct wire_manifest m;

	(void)state;
	b->halfopen.lost_syns = 7; /* before the run */
	welcome = welcome_of(b, &a);
	m = manifest_of(b, &a, welcome.token);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags, 0);
	b->halfopen.lost_syns++;
	welcome_of(b, &a); /* a HELLO again does not make them forgotten */
	m = manifest_of(b, &a, welcome.token);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags,
	                 MANIFEST_UNSURE);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_UDP, 53)->flags, 0);
	assert_int_equal(counted(b, COUNT_REPORT_UNSURE), 1);
	bench_free(b);
}

static void what_waits_longer_than_the_run_is_none_of_it(void **state)
{
	static const int64_t age_ns = INT64_C(5000000000);
	struct bench *b = bench_new();
	struct arrival a = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct wire_welcome welcome = welcome_of(b, &a);
	struct wire_manifest m;

	(void)state;
	b->halfopen.waits.count = 1;
	b->halfopen.waits.wait[0] = (struct sockdiag_wait){ 443, 1, age_ns };
	a.now_ns = age_ns - 1;
	m = manifest_of(b, &a, welcome.token);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags, 0);
	a.now_ns++;
	m = manifest_of(b, &a, welcome.token);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags,
	                 MANIFEST_HALF_OPEN);
	bench_free(b);
}

static void a_report_brings_the_sealed_account(void **state)
{
	struct bench *b = bench_new();
	struct arrival home = at("192.0.2.1", TRANSPORT_TCP, 443);
	struct arrival udp = at("192.0.2.1", TRANSPORT_UDP, 53);
	struct wire_welcome welcome = welcome_of(b, &home);
	struct wire_probe probe = probe_with(welcome.token, TRANSPORT_UDP, 53);
	struct wire_manifest m;
	struct rd r;
	size_t n;

	(void)state;
	udp.from.port = 777;
	send_probe(b, &udp, &probe);
	home.real_ns += 5;
	n = send_report(b, &home, welcome.token);
	assert_true(token_manifest_valid(b->me.receipt_key, b->out, n));
	r = rd_of(b->out, n);
	assert_true(wire_manifest_decode(&r, &m));
	assert_int_equal(m.report_ns - m.hello_ns, 5);
	assert_int_equal(m.entry_count, 2);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_TCP, 443)->flags, 0);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_UDP, 53)->flags,
	                 MANIFEST_SEEN);
	assert_int_equal(wire_manifest_find(&m, TRANSPORT_UDP, 53)->source_port,
	                 777);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_welcome_tells_address_clock_and_open_ports),
		cmocka_unit_test(a_probe_is_echoed_over_both_transports),
		cmocka_unit_test(a_token_is_worth_nothing_from_another_address),
		cmocka_unit_test(a_guessed_token_leaves_no_trace),
		cmocka_unit_test(a_token_without_its_session_is_not_answered),
		cmocka_unit_test(a_token_lives_for_the_next_epoch_only),
		cmocka_unit_test(setting_the_clock_costs_no_run),
		cmocka_unit_test(who_learns_a_run_id_cannot_touch_the_run),
		cmocka_unit_test(
			another_address_is_noted_in_the_run_of_its_token),
		cmocka_unit_test(a_run_of_too_many_hosts_gets_no_welcome),
		cmocka_unit_test(the_ninth_datagram_is_not_answered),
		cmocka_unit_test(over_udp_only_probes_are_heard),
		cmocka_unit_test(replies_are_not_requests),
		cmocka_unit_test(a_report_asks_for_syns_of_the_session_s_host),
		cmocka_unit_test(
			syns_lost_since_the_hello_leave_a_report_unsure),
		cmocka_unit_test(what_waits_longer_than_the_run_is_none_of_it),
		cmocka_unit_test(a_report_brings_the_sealed_account),
	};

	return UNIT_RUN(tests);
}
