/* SPDX-License-Identifier: Apache-2.0 */
/* Which ICMP errors an attempt believes; the kernel's queue is a stand-in. */
#include "agent/probe.c"

#include <netinet/ip_icmp.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct icmp_message queue[4];
static int queued;
static int taken;

bool icmp_enable(int fd, int family)
{
	(void)fd;
	(void)family;
	return true;
}

bool icmp_next(int fd, struct icmp_message *out)
{
	(void)fd;
	if (taken == queued)
		return false;
	*out = queue[taken++];
	return true;
}

static struct judge_probe probe;
static struct judge_sent sent;

static struct attempt attempt_over(enum transport transport)
{
	struct attempt a = { .probe = &probe, .sent = &sent, .watch.fd = 3 };

	probe.transport = (uint8_t)transport;
	sent.at_ns = 1000;
	assert_true(addr_parse("192.168.1.2", &a.local));
	memset(a.message, 'm', sizeof(a.message));
	queued = 0;
	taken = 0;
	return a;
}

static void put_error(uint8_t code, char quoted, size_t quote_bytes)
{
	struct icmp_message *m = &queue[queued++];

	*m = (struct icmp_message){ .quote_bytes = quote_bytes };
	m->error.icmp_type = ICMP_DEST_UNREACH;
	m->error.icmp_code = code;
	assert_true(addr_parse("198.51.100.1", &m->error.from));
	memset(m->quote, quoted, sizeof(m->quote));
}

static void an_error_that_quotes_another_packet_is_ignored(void **state)
{
	struct attempt a = attempt_over(TRANSPORT_UDP);

	(void)state;
	put_error(ICMP_PORT_UNREACH, 'x', 20);
	assert_false(probe_take_errors(&a, 2000));
	assert_int_equal(a.finding.outcome, OUTCOME_UNTESTED);
	put_error(ICMP_PKT_FILTERED, 'm', 20);
	assert_true(probe_take_errors(&a, 2000));
	assert_int_equal(a.finding.outcome, OUTCOME_UNREACHABLE);
	assert_int_equal(a.finding.rtt_ns, 1000);
}

/* Its quotation is a segment, and the kernel has compared it. */
static void tcp_leaves_the_quote_to_the_kernel(void **state)
{
	struct attempt a = attempt_over(TRANSPORT_TCP);

	(void)state;
	put_error(ICMP_PKT_FILTERED, 'x', 20);
	assert_true(probe_take_errors(&a, 2000));
	assert_int_equal(a.finding.outcome, OUTCOME_UNREACHABLE);
}

static void the_first_error_counts_and_all_are_taken(void **state)
{
	struct attempt a = attempt_over(TRANSPORT_UDP);

	(void)state;
	put_error(ICMP_FRAG_NEEDED, 'm', 20);
	put_error(ICMP_PORT_UNREACH, 'm', 20);
	put_error(ICMP_PKT_FILTERED, 'm', 20);
	assert_true(probe_take_errors(&a, 2000));
	assert_int_equal(a.finding.outcome, OUTCOME_REFUSED);
	assert_int_equal(taken, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_error_that_quotes_another_packet_is_ignored),
		cmocka_unit_test(tcp_leaves_the_quote_to_the_kernel),
		cmocka_unit_test(the_first_error_counts_and_all_are_taken),
	};

	return UNIT_RUN(tests);
}
