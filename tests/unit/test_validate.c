/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "collector/validate.c" /* the code under test */

#include "tests/load/made.h"

#define NOW INT64_C(1795340650000000000)

enum { PROBES = 40, EVIDENCE_ASN = 64501, LINE_ASN = 64501 };

struct fixture {
	struct record record;
	struct wire_manifest sealed; /* as made, before sealing */
	struct wire_manifest manifest;
	struct keys_receipt receipt;
	struct judge *judge;
	struct judgement judgement;
	struct validate_facts facts;
	uint32_t evidence_asn[RECORD_EVIDENCE_MAX];
};

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct addr seen = address("198.51.100.7");

	f->receipt = (struct keys_receipt){ .name = "fra1", .key = { 7 } };
	made_record(&f->record, "fra1", NOW, PROBES);
	made_manifest(&f->record, &seen, &f->sealed);
	f->evidence_asn[0] = EVIDENCE_ASN;
	f->judge = judge_new();
	return f;
}

static void fixture_free(struct fixture *f)
{
	judge_free(f->judge);
	free(f);
}

static void seal(struct fixture *f)
{
	made_seal(&f->record, &f->sealed, f->receipt.key);
}

/* Verify and judge what the fixture holds, as the collector does. */
static enum run_status judge_it(struct fixture *f)
{
	f->facts = (struct validate_facts){
		.doubt = validate_manifest(&f->record, &f->receipt,
		                           &f->manifest),
		.receipt = &f->receipt,
		.evidence_asn = f->evidence_asn,
	};
	if (f->facts.doubt == DOUBT_NONE) {
		f->facts.manifest = &f->manifest;
		f->facts.asn = LINE_ASN;
	}
	judge_run(f->judge, &f->record, &f->facts, &f->judgement);
	return f->judgement.status;
}

static struct manifest_entry *entry(struct fixture *f, enum transport transport,
                                    uint16_t port)
{
	for (size_t i = 0; i < f->sealed.entry_count; i++) {
		struct manifest_entry *at = &f->sealed.entry[i];

		if (at->transport == transport && at->port == port)
			return at;
	}
	fail_msg("the manifest has no %d/%d", port, transport);
	return NULL;
}

static void assert_doubt(struct fixture *f, enum doubt expected)
{
	assert_int_equal(judge_it(f), RUN_UNPROVEN);
	assert_string_equal(doubt_name(f->judgement.doubt),
	                    doubt_name(expected));
}

/* The probe of a port, made to have an outcome. */
static struct record_probe *set_outcome(struct fixture *f, size_t i,
                                        enum outcome outcome)
{
	f->record.probe[i].outcome = (uint8_t)outcome;
	return &f->record.probe[i];
}

/* ---- what is believed ---------------------------------------------------- */

static void a_run_that_its_manifest_bears_out_is_valid(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	seal(f);
	assert_int_equal(judge_it(f), RUN_VALID);
	assert_int_equal(f->judgement.doubt, DOUBT_NONE);
	assert_int_equal(f->judgement.seen[0], SEEN_YES);
	assert_int_equal(f->judgement.place[0], PLACE_NONE);
	fixture_free(f);
}

static void no_manifest_proves_nothing(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	assert_doubt(f, DOUBT_NO_MANIFEST);
	for (size_t i = 0; i < PROBES; i++)
		assert_int_equal(f->judgement.seen[i], SEEN_UNKNOWN);
	fixture_free(f);
}

static void any_changed_byte_of_a_manifest_is_noticed(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	seal(f);
	for (size_t i = 0; i < f->record.manifest_bytes; i++) {
		f->record.manifest[i] ^= 0x40;
		assert_int_equal(judge_it(f), RUN_UNPROVEN);
		assert_true(f->judgement.doubt == DOUBT_FORGED ||
		            f->judgement.doubt == DOUBT_MALFORMED);
		f->record.manifest[i] ^= 0x40;
	}
	assert_int_equal(judge_it(f), RUN_VALID);
	fixture_free(f);
}

static void a_manifest_serves_no_other_run(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	seal(f);
	f->record.run[15] ^= 1;
	assert_doubt(f, DOUBT_OTHER_RUN);
	fixture_free(f);
}

static void a_manifest_speaks_for_its_own_reflector(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	snprintf(f->sealed.reflector, WIRE_NAME_BYTES, "ams1");
	seal(f);
	assert_doubt(f, DOUBT_OTHER_REFLECTOR);
	fixture_free(f);
}

static void without_a_receipt_key_nothing_is_proven(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	seal(f);
	assert_int_equal(validate_manifest(&f->record, NULL, &f->manifest),
	                 DOUBT_UNKNOWN_REFLECTOR);
	fixture_free(f);
}

static void hello_and_start_agree_within_ten_minutes(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->sealed.hello_ns = NOW + 600 * CLOCK_S;
	seal(f);
	assert_int_equal(judge_it(f), RUN_VALID);
	f->sealed.hello_ns = NOW - 601 * CLOCK_S;
	seal(f);
	assert_doubt(f, DOUBT_OTHER_TIME);
	f->sealed.hello_ns = INT64_MAX;
	seal(f);
	assert_doubt(f, DOUBT_OTHER_TIME);
	fixture_free(f);
}

static void the_address_family_must_be_the_run_s(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->sealed.seen = address("2001:db8::7");
	seal(f);
	assert_doubt(f, DOUBT_OTHER_FAMILY);
	fixture_free(f);
}

static void an_open_port_must_have_been_seen(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	entry(f, f->record.probe[0].transport, f->record.probe[0].port)->flags =
		0;
	seal(f);
	assert_doubt(f, DOUBT_OPEN_UNSEEN);
	assert_int_equal(f->judgement.seen[0], SEEN_NO);
	fixture_free(f);
}

static void a_block_needs_controls_that_arrived(void **state)
{
	struct fixture *f = fixture_new();
	struct control_ports drawn = control_draw(made_seed, clock_day(NOW));

	(void)state;
	set_outcome(f, 0, OUTCOME_TIMEOUT);
	entry(f, TRANSPORT_TCP, drawn.tcp)->flags = 0;
	seal(f);
	assert_doubt(f, DOUBT_CONTROL_UNSEEN);
	entry(f, TRANSPORT_TCP, drawn.tcp)->flags = MANIFEST_SEEN;
	entry(f, TRANSPORT_TCP, 443)->flags = 0;
	seal(f);
	assert_int_equal(judge_it(f), RUN_UNPROVEN);
	fixture_free(f);
}

static void a_void_transport_needs_no_controls(void **state)
{
	struct fixture *f = fixture_new();
	struct control_ports drawn = control_draw(made_seed, clock_day(NOW));
	size_t udp = 0;

	(void)state;
	while (f->record.probe[udp].transport != TRANSPORT_UDP && udp < PROBES)
		udp++;
	if (udp == PROBES)
		f->record.probe[--udp].transport = TRANSPORT_UDP;
	set_outcome(f, udp, OUTCOME_TIMEOUT);
	made_entry(&f->sealed, TRANSPORT_UDP, f->record.probe[udp].port, false);
	entry(f, TRANSPORT_UDP, drawn.udp)->flags = 0;
	seal(f);
	assert_doubt(f, DOUBT_CONTROL_UNSEEN);
	f->record.void_udp = VOID_CONTROL_BEFORE;
	assert_int_equal(judge_it(f), RUN_VALID);
	fixture_free(f);
}

static void a_port_that_is_not_listened_on_must_be_untested(void **state)
{
	static const enum outcome claims[] = {
		OUTCOME_OPEN,        OUTCOME_TIMEOUT, OUTCOME_REFUSED,
		OUTCOME_UNREACHABLE, OUTCOME_RESET,   OUTCOME_INTERCEPTED,
		OUTCOME_ALTERED,
	};
	struct fixture *f = fixture_new();

	(void)state;
	entry(f, f->record.probe[0].transport, f->record.probe[0].port)->port =
		1;
	seal(f);
	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		set_outcome(f, 0, claims[i]);
		assert_doubt(f, DOUBT_NOT_LISTENING);
	}
	set_outcome(f, 0, OUTCOME_UNTESTED);
	assert_int_equal(judge_it(f), RUN_VALID);
	assert_int_equal(f->judgement.seen[0], SEEN_UNKNOWN);
	fixture_free(f);
}

static void nothing_bears_out_an_inbound_result(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->record.probe[0].direction = DIRECTION_IN;
	seal(f);
	assert_doubt(f, DOUBT_INBOUND);
	set_outcome(f, 0, OUTCOME_UNTESTABLE);
	assert_int_equal(judge_it(f), RUN_VALID);
	fixture_free(f);
}

static void a_run_that_is_void_itself_needs_no_manifest(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->record.void_tcp = f->record.void_udp = VOID_NO_HELLO;
	assert_int_equal(judge_it(f), RUN_VOID);
	f->record.void_udp = VOID_NONE;
	assert_int_equal(judge_it(f), RUN_UNPROVEN);
	fixture_free(f);
}

static void one_run_leaves_nothing_for_the_next(void **state)
{
	struct fixture *f = fixture_new();
	struct fixture *other = fixture_new();

	(void)state;
	seal(f);
	assert_int_equal(judge_it(f), RUN_VALID);
	other->sealed.entry_count = 0;
	seal(other);
	other->facts.manifest = &other->manifest;
	judge_free(other->judge);
	other->judge = f->judge;
	assert_doubt(other, DOUBT_NOT_LISTENING);
	other->judge = NULL;
	fixture_free(other);
	fixture_free(f);
}

static void records_are_taken_for_thirty_days(void **state)
{
	struct record *r = mem_alloc(sizeof(*r));

	(void)state;
	r->started_ns = NOW - 30 * CLOCK_DAY;
	assert_int_equal(validate_time(r, NOW), REFUSAL_NONE);
	r->started_ns--;
	assert_int_equal(validate_time(r, NOW), REFUSAL_TOO_OLD);
	r->started_ns = NOW + 3600 * CLOCK_S;
	assert_int_equal(validate_time(r, NOW), REFUSAL_NONE);
	r->started_ns++;
	assert_int_equal(validate_time(r, NOW), REFUSAL_IN_FUTURE);
	free(r);
}

/* ---- places -------------------------------------------------------------- */

static enum place place_when(enum outcome outcome, const char *from,
                             uint32_t asn, bool seen)
{
	struct fixture *f = fixture_new();
	size_t i = f->record.evidence[0].probe;
	struct record_probe *p = set_outcome(f, i, outcome);
	enum place place;

	entry(f, p->transport, p->port)->flags = seen ? MANIFEST_SEEN : 0;
	f->evidence_asn[0] = asn;
	f->record.evidence[0].has_icmp = from != NULL;
	if (from)
		f->record.evidence[0].from = address(from);
	f->receipt.address_count = 1;
	f->receipt.address[0] = address("203.0.113.9");
	seal(f);
	assert_int_equal(judge_it(f), RUN_VALID);
	place = (enum place)f->judgement.place[i];
	fixture_free(f);
	return place;
}

static void the_sender_of_an_icmp_error_tells_the_place(void **state)
{
	static const struct {
		const char *from;
		uint32_t asn;
		enum place place;
	} cases[] = {
		{ "127.0.0.1", 0, PLACE_HOST },
		{ "192.168.1.1", 0, PLACE_GATEWAY },
		{ "10.1.2.3", LINE_ASN, PLACE_GATEWAY },
		{ "169.254.0.1", 0, PLACE_GATEWAY },
		{ "fd00::1", 0, PLACE_GATEWAY },
		{ "fe80::1", 0, PLACE_GATEWAY },
		{ "100.64.7.1", 0, PLACE_ISP },
		{ "198.51.100.1", LINE_ASN, PLACE_ISP },
		{ "198.51.100.1", LINE_ASN + 1, PLACE_TRANSIT },
		{ "198.51.100.1", 0, PLACE_UNKNOWN },
		{ "203.0.113.9", LINE_ASN, PLACE_TRANSIT }, /* reflector */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(place_when(OUTCOME_UNREACHABLE, cases[i].from,
		                            cases[i].asn, false),
		                 cases[i].place);
}

static enum place place_of_icmp6(const char *from)
{
	struct fixture *f = fixture_new();
	size_t i = f->record.evidence[0].probe;
	enum place place;

	set_outcome(f, i, OUTCOME_UNREACHABLE);
	f->record.family = 6;
	f->sealed.seen = address("2001:db8:1:2::50");
	f->evidence_asn[0] = LINE_ASN;
	f->record.evidence[0].has_icmp = true;
	f->record.evidence[0].from = address(from);
	seal(f);
	assert_int_equal(judge_it(f), RUN_VALID);
	place = (enum place)f->judgement.place[i];
	fixture_free(f);
	return place;
}

static void
over_ipv6_the_router_of_the_hosts_own_link_is_the_homes(void **state)
{
	(void)state;
	assert_int_equal(place_of_icmp6("2001:db8:1:2::1"), PLACE_GATEWAY);
	assert_int_equal(place_of_icmp6("2001:db8:1:3::1"), PLACE_ISP);
}

static void a_probe_that_arrived_and_timed_out_lost_its_answer(void **state)
{
	(void)state;
	assert_int_equal(place_when(OUTCOME_TIMEOUT, NULL, 0, true),
	                 PLACE_RETURN);
	assert_int_equal(place_when(OUTCOME_TIMEOUT, NULL, 0, false),
	                 PLACE_UNKNOWN);
	assert_int_equal(place_when(OUTCOME_RESET, NULL, 0, true),
	                 PLACE_UNKNOWN);
}

static void a_syn_that_waits_half_open_has_arrived(void **state)
{
	static const struct {
		uint8_t flags;
		enum seen seen;
		enum place place;
	} cases[] = {
		{ 0, SEEN_NO, PLACE_UNKNOWN },
		{ MANIFEST_HALF_OPEN, SEEN_YES, PLACE_RETURN },
		{ MANIFEST_UNSURE, SEEN_UNKNOWN, PLACE_UNKNOWN },
		{ MANIFEST_OTHER_ADDRESS, SEEN_UNKNOWN, PLACE_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture *f = fixture_new();
		struct record_probe *p = set_outcome(f, 0, OUTCOME_TIMEOUT);

		p->transport = TRANSPORT_TCP;
		entry(f, TRANSPORT_TCP, p->port)->flags = cases[i].flags;
		entry(f, TRANSPORT_TCP, p->port)->from = address("192.0.2.9");
		seal(f);
		assert_int_equal(judge_it(f), RUN_VALID);
		assert_int_equal(f->judgement.seen[0], cases[i].seen);
		assert_int_equal(f->judgement.place[0], cases[i].place);
		/* Nothing but a probe that was seen proves a port open. */
		set_outcome(f, 0, OUTCOME_OPEN);
		assert_doubt(f, DOUBT_OPEN_UNSEEN);
		fixture_free(f);
	}
}

static void only_failures_have_a_place(void **state)
{
	(void)state;
	assert_int_equal(place_when(OUTCOME_DENIED, NULL, 0, false),
	                 PLACE_HOST);
	assert_int_equal(place_when(OUTCOME_OPEN, "192.168.1.1", 0, true),
	                 PLACE_NONE);
	assert_int_equal(place_when(OUTCOME_UNTESTED, NULL, 0, false),
	                 PLACE_NONE);
	assert_int_equal(place_when(OUTCOME_UNTESTABLE, NULL, 0, false),
	                 PLACE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_that_its_manifest_bears_out_is_valid),
		cmocka_unit_test(no_manifest_proves_nothing),
		cmocka_unit_test(any_changed_byte_of_a_manifest_is_noticed),
		cmocka_unit_test(a_manifest_serves_no_other_run),
		cmocka_unit_test(a_manifest_speaks_for_its_own_reflector),
		cmocka_unit_test(without_a_receipt_key_nothing_is_proven),
		cmocka_unit_test(hello_and_start_agree_within_ten_minutes),
		cmocka_unit_test(the_address_family_must_be_the_run_s),
		cmocka_unit_test(an_open_port_must_have_been_seen),
		cmocka_unit_test(a_block_needs_controls_that_arrived),
		cmocka_unit_test(a_void_transport_needs_no_controls),
		cmocka_unit_test(
			a_port_that_is_not_listened_on_must_be_untested),
		cmocka_unit_test(nothing_bears_out_an_inbound_result),
		cmocka_unit_test(a_run_that_is_void_itself_needs_no_manifest),
		cmocka_unit_test(one_run_leaves_nothing_for_the_next),
		cmocka_unit_test(records_are_taken_for_thirty_days),
		cmocka_unit_test(the_sender_of_an_icmp_error_tells_the_place),
		cmocka_unit_test(
			over_ipv6_the_router_of_the_hosts_own_link_is_the_homes),
		cmocka_unit_test(
			a_probe_that_arrived_and_timed_out_lost_its_answer),
		cmocka_unit_test(a_syn_that_waits_half_open_has_arrived),
		cmocka_unit_test(only_failures_have_a_place),
	};

	return UNIT_RUN(tests);
}
