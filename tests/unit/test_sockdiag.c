/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/sockdiag.c"

#include <stdlib.h>

#include "tests/unit/unit.h"

/* An answer that is being put together. */
struct answer {
	uint8_t bytes[4096];
	size_t n;
};

static struct sockdiag_query query_of(const char *local, const char *peer)
{
	struct sockdiag_query q = { 0 };

	assert_true(addr_parse(local, &q.local));
	assert_true(addr_parse(peer, &q.peer));
	return q;
}

static void put(struct answer *a, const void *bytes, size_t n)
{
	assert_true(n <= sizeof(a->bytes) - a->n);
	memcpy(a->bytes + a->n, bytes, n);
	a->n += n;
}

static void put_message(struct answer *a, uint16_t type, uint16_t flags,
                        const void *payload, size_t n)
{
	struct nlmsghdr head = { .nlmsg_len = (uint32_t)(sizeof(head) + n),
		                 .nlmsg_type = type,
		                 .nlmsg_flags = flags,
		                 .nlmsg_seq = SEQUENCE };

	put(a, &head, sizeof(head));
	put(a, payload, n);
}

static struct inet_diag_msg waiting(const struct sockdiag_query *q,
                                    uint16_t local_port, uint16_t peer_port)
{
	struct inet_diag_msg m = {
		.idiag_family = domain_of(&q->peer),
		.idiag_state = TCP_SYN_RECV,
		.id.idiag_sport = htons(local_port),
		.id.idiag_dport = htons(peer_port),
	};

	memcpy(m.id.idiag_src, q->local.ip, ip_bytes(&q->local));
	memcpy(m.id.idiag_dst, q->peer.ip, ip_bytes(&q->peer));
	return m;
}

static void put_waiting(struct answer *a, const struct inet_diag_msg *m)
{
	put_message(a, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, m, sizeof(*m));
}

static void put_done(struct answer *a, int code)
{
	put_message(a, NLMSG_DONE, NLM_F_MULTI, &code, sizeof(code));
}

/* From memory of exactly n bytes, so that a read beyond them is noticed. */
static enum sockdiag_progress read_exact(const struct sockdiag_query *q,
                                         const struct answer *a, size_t n,
                                         struct sockdiag_waits *out, int *error)
{
	uint8_t *exact = malloc(n ? n : 1);
	enum sockdiag_progress at;

	assert_non_null(exact);
	memcpy(exact, a->bytes, n);
	at = sockdiag_read(q, rd_of(exact, n), out, error);
	free(exact);
	return at;
}

static enum sockdiag_progress read_all(const struct sockdiag_query *q,
                                       const struct answer *a,
                                       struct sockdiag_waits *out)
{
	int error = 0;

	return read_exact(q, a, a->n, out, &error);
}

/* ---- the question -------------------------------------------------------- */

/* What the kernel does with the filter (net/ipv4/inet_diag.c), in short. */
static bool passes(const uint8_t *filter, size_t n, const uint8_t *src,
                   const uint8_t *dst)
{
	int64_t left = (int64_t)n;

	while (left > 0) {
		const uint8_t *at = filter + (n - (size_t)left);
		struct inet_diag_bc_op op;
		struct inet_diag_hostcond host;
		const uint8_t *side;

		memcpy(&op, at, sizeof(op));
		memcpy(&host, at + sizeof(op), sizeof(host));
		assert_true(op.code == INET_DIAG_BC_S_COND ||
		            op.code == INET_DIAG_BC_D_COND);
		assert_int_equal(host.port, -1);
		assert_int_equal(host.prefix_len % 8, 0);
		side = op.code == INET_DIAG_BC_S_COND ? src : dst;
		left -= memcmp(at + sizeof(op) + sizeof(host), side,
		               host.prefix_len / 8) == 0
		                ? op.yes
		                : op.no;
	}
	return left == 0;
}

static void assert_filter(const char *local, const char *peer)
{
	struct sockdiag_query q = query_of(local, peer);
	struct addr other = q.peer;
	uint8_t request[SOCKDIAG_REQUEST_MAX];
	size_t n = sockdiag_request(&q, request);
	size_t at = sizeof(struct nlmsghdr) + sizeof(struct inet_diag_req_v2) +
	            sizeof(struct nlattr);
	struct nlmsghdr head;
	struct nlattr filter;

	other.ip[ip_bytes(&other) - 1] ^= 1;
	memcpy(&head, request, sizeof(head));
	memcpy(&filter, request + at - sizeof(filter), sizeof(filter));
	assert_int_equal(head.nlmsg_len, n);
	assert_int_equal(filter.nla_len, n - at + sizeof(filter));
	assert_true(passes(request + at, n - at, q.local.ip, q.peer.ip));
	assert_false(passes(request + at, n - at, q.local.ip, other.ip));
	assert_int_equal(passes(request + at, n - at, other.ip, q.peer.ip),
	                 is_wildcard(&q.local));
}

static void the_question_is_about_one_peer_only(void **state)
{
	(void)state;
	assert_filter("192.0.2.1", "198.51.100.7");
	assert_filter("0.0.0.0", "198.51.100.7");
	assert_filter("2001:db8::1", "2001:db8:a::7");
	assert_filter("::", "2001:db8:a::7");
}

/* ---- the answer ---------------------------------------------------------- */

static void what_waits_is_found_by_its_port(void **state)
{
	static const char *const pairs[][2] = {
		{ "192.0.2.1", "198.51.100.7" },
		{ "0.0.0.0", "198.51.100.7" },
		{ "2001:db8::1", "2001:db8:a::7" },
		{ "::", "2001:db8:a::7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct sockdiag_query q = query_of(pairs[i][0], pairs[i][1]);
		struct inet_diag_msg m = waiting(&q, 25, 50001);
		struct sockdiag_waits w = { 0 };
		struct answer a = { 0 };

		put_waiting(&a, &m);
		m.id.idiag_dport = htons(50002); /* its second attempt */
		put_waiting(&a, &m);
		m.id.idiag_sport = htons(80);
		put_waiting(&a, &m);
		assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_MORE);
		a.n = 0;
		put_done(&a, 0);
		assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_DONE);
		assert_int_equal(w.count, 2);
		assert_int_equal(sockdiag_find(&w, 25)->peer_port, 50001);
		assert_int_equal(sockdiag_find(&w, 80)->peer_port, 50002);
		assert_null(sockdiag_find(&w, 443));
	}
}

/* Times of a real kernel's, with a SYN that came again after a second. */
static void the_age_is_that_of_the_timer(void **state)
{
	static const struct {
		uint8_t retrans;
		uint32_t expires_ms;
		int64_t age_ms; /* by the clock */
	} cases[] = {
		{ 0, 990, 10 },      { 0, 10, 990 },      { 2, 1516, 1500 },
		{ 3, 484, 6600 },    { 4, 3476, 11700 },  { 5, 4440, 26900 },
		{ 6, 31000, 32100 }, { 6, 15400, 47600 },
	};
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct inet_diag_msg m = waiting(&q, 25, 50001);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t age_ms;

		m.idiag_retrans = cases[i].retrans;
		m.idiag_expires = cases[i].expires_ms;
		age_ms = age_of(&m) / CLOCK_MS;
		assert_in_range(cases[i].age_ms - age_ms, 0, 1000);
	}
	/* Whatever comes, it is some time. */
	m.idiag_retrans = UINT8_MAX;
	m.idiag_expires = UINT32_MAX;
	assert_true(age_of(&m) >= 0);
	m.idiag_expires = 0;
	assert_true(age_of(&m) > 0);
}

static void the_youngest_of_a_port_counts(void **state)
{
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct sockdiag_waits w = { 0 };
	struct answer a = { 0 };

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		static const uint8_t retrans[] = { 5, 0, 3 };
		struct inet_diag_msg m = waiting(&q, 25, 50001 + i);

		m.idiag_retrans = retrans[i];
		m.idiag_expires = 500;
		put_waiting(&a, &m);
	}
	assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_MORE);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.wait[0].peer_port, 50002);
}

static void what_was_not_asked_for_does_not_count(void **state)
{
	struct sockdiag_query q = query_of("192.0.2.1", "198.51.100.7");
	struct inet_diag_msg m[4];
	struct sockdiag_waits w = { 0 };
	struct answer a = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		m[i] = waiting(&q, 25, 50001);
	((uint8_t *)m[0].id.idiag_dst)[3] ^= 1; /* another peer */
	((uint8_t *)m[1].id.idiag_src)[3] ^= 1; /* another local address */
	m[2].idiag_state = TCP_ESTABLISHED;
	m[3].idiag_family = AF_INET6;
	for (int i = 0; i < 4; i++)
		put_waiting(&a, &m[i]);
	put_done(&a, 0);
	assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_DONE);
	assert_int_equal(w.count, 0);
}

static void a_cut_answer_is_never_taken_for_a_whole_one(void **state)
{
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct inet_diag_msg m = waiting(&q, 25, 50001);
	size_t whole = sizeof(struct nlmsghdr) + sizeof(m);
	struct answer a = { 0 };

	(void)state;
	put_waiting(&a, &m);
	put_waiting(&a, &m);
	put_done(&a, 0);
	for (size_t n = 0; n <= a.n; n++) {
		struct sockdiag_waits w = { 0 };
		int error = 0;
		enum sockdiag_progress at = read_exact(&q, &a, n, &w, &error);

		assert_int_equal(error, 0);
		assert_int_equal(w.count, n >= whole);
		if (n == a.n)
			assert_int_equal(at, SOCKDIAG_DONE);
		else if (n == 0 || n == whole || n == 2 * whole)
			assert_int_equal(at, SOCKDIAG_MORE);
		else
			assert_int_equal(at, SOCKDIAG_BROKEN);
	}
}

static void lengths_that_lie_are_refused(void **state)
{
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct inet_diag_msg m = waiting(&q, 25, 50001);
	uint32_t whole = sizeof(struct nlmsghdr) + sizeof(m);
	uint32_t lengths[] = { 0,          1,         15,         16,
		               whole - 1,  whole + 1, 0x7fffffff, 0x80000000,
		               0xfffffffd, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct sockdiag_waits w = { 0 };
		struct answer a = { 0 };

		put_waiting(&a, &m);
		memcpy(a.bytes, &lengths[i], sizeof(lengths[i]));
		assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_BROKEN);
		assert_int_equal(w.count, 0);
	}
}

static void an_error_is_named(void **state)
{
	static const uint16_t types[] = { NLMSG_ERROR, NLMSG_DONE };
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct sockdiag_waits w = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct nlmsgerr payload = { .error = -2 };
		struct answer a = { 0 };
		int error = 0;

		put_message(&a, types[i], 0, &payload, sizeof(payload));
		assert_int_equal(read_exact(&q, &a, a.n, &w, &error),
		                 SOCKDIAG_BROKEN);
		assert_int_equal(error, 2);
	}
}

static void an_interrupted_or_strange_answer_is_not_complete(void **state)
{
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct inet_diag_msg m = waiting(&q, 25, 50001);
	struct sockdiag_waits w = { 0 };
	struct answer a = { 0 };
	uint32_t other = SEQUENCE + 1;

	(void)state;
	put_message(&a, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP_INTR, &m, sizeof(m));
	assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_BROKEN);
	a.n = 0;
	put_message(&a, NLMSG_OVERRUN, 0, &m, sizeof(m));
	assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_BROKEN);
	a.n = 0;
	put_waiting(&a, &m);
	memcpy(a.bytes + offsetof(struct nlmsghdr, nlmsg_seq), &other,
	       sizeof(other));
	assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_BROKEN);
	a.n = 0;
	put_message(&a, NLMSG_NOOP, 0, &m, sizeof(m));
	assert_int_equal(read_all(&q, &a, &w), SOCKDIAG_MORE);
	assert_int_equal(w.count, 0);
}

static void more_ports_than_fit_are_not_complete(void **state)
{
	struct sockdiag_query q = query_of("0.0.0.0", "198.51.100.7");
	struct sockdiag_waits w = { 0 };

	(void)state;
	for (uint16_t port = 1; port <= WIRE_PORTS_MAX + 1; port++) {
		struct inet_diag_msg m = waiting(&q, port, 50001);
		struct answer a = { 0 };

		put_waiting(&a, &m);
		assert_int_equal(read_all(&q, &a, &w),
		                 port <= WIRE_PORTS_MAX ? SOCKDIAG_MORE
		                                        : SOCKDIAG_BROKEN);
	}
	assert_int_equal(w.count, WIRE_PORTS_MAX);
	assert_non_null(sockdiag_find(&w, WIRE_PORTS_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_question_is_about_one_peer_only),
		cmocka_unit_test(what_waits_is_found_by_its_port),
		cmocka_unit_test(the_age_is_that_of_the_timer),
		cmocka_unit_test(the_youngest_of_a_port_counts),
		cmocka_unit_test(what_was_not_asked_for_does_not_count),
		cmocka_unit_test(a_cut_answer_is_never_taken_for_a_whole_one),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(an_error_is_named),
		cmocka_unit_test(
			an_interrupted_or_strange_answer_is_not_complete),
		cmocka_unit_test(more_ports_than_fit_are_not_complete),
	};

	return UNIT_RUN(tests);
}
