/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/admit.h"

#include <zmq.h>

#include "collector/limit.h"
#include "lib/mem.h"

enum {
	KEY_SLOTS = 1 << 18, /* 6 MB; agents that are busy at a time */
	PREFIX_SLOTS = 1 << 16,
	RUN_ID_CHARS = 36,
	/* The run id stands near the front of what agents write. */
	RUN_ID_WITHIN_BYTES = 256,
};

struct admit {
	const struct keys_receipts *receipts;
	const uint8_t *line_key;
	struct counters *counters;
	struct limit *per_key;
	struct limit *per_prefix;
	struct judge *judge;
	/* Work space, too large for the stack. */
	struct record record;
	struct wire_manifest manifest;
	struct judgement judgement;
	uint32_t evidence_asn[RECORD_EVIDENCE_MAX];
};

struct admit *admit_new(const struct config *c,
                        const struct keys_receipts *receipts,
                        const uint8_t line_key[KEYS_LINE_BYTES],
                        struct counters *counters)
{
	struct admit *a = mem_alloc(sizeof(*a));

	a->receipts = receipts;
	a->line_key = line_key;
	a->counters = counters;
	a->per_key = limit_new(c->rate_per_key_per_hour, KEY_SLOTS);
	a->per_prefix = limit_new(c->rate_per_prefix_per_hour, PREFIX_SLOTS);
	a->judge = judge_new();
	return a;
}

void admit_free(struct admit *a)
{
	if (!a)
		return;
	limit_free(a->per_key);
	limit_free(a->per_prefix);
	judge_free(a->judge);
	free(a);
}

void admit_run_id(const char *json, size_t n_bytes, char out[37])
{
	static const char label[] = "\"run\":\"";
	size_t n =
		n_bytes < RUN_ID_WITHIN_BYTES ? n_bytes : RUN_ID_WITHIN_BYTES;
	const char *at = memmem(json, n, label, sizeof(label) - 1);
	uint8_t run[WIRE_RUN_BYTES];

	memcpy(out, "-", 2);
	if (!at)
		return;
	at += sizeof(label) - 1;
	if (n_bytes - (size_t)(at - json) < RUN_ID_CHARS)
		return;
	memcpy(out, at, RUN_ID_CHARS);
	out[RUN_ID_CHARS] = 0;
	/* Back through the parser: nothing else may get into an answer. */
	if (record_run_id_parse(out, run))
		record_run_id_format(run, out);
	else
		memcpy(out, "-", 2);
}

/* The key that CURVE proved; false when there was none. */
static bool read_user(const char *user, uint8_t out[KEYS_PUBLIC_BYTES])
{
	return user && strlen(user) == KEYS_Z85_BYTES - 1 &&
	       zmq_z85_decode(out, user);
}

static int64_t limit_prefix(struct admit *a, const char *address,
                            int64_t now_ns)
{
	struct addr peer;
	struct addr prefix;

	if (!address || !addr_parse(address, &peer))
		return 0;
	prefix = addr_prefix(&peer, 24, 48);
	prefix.ip[LIMIT_KEY_BYTES - 1] = prefix.family;
	return limit_take(a->per_prefix, prefix.ip, now_ns);
}

static int64_t limit_sender(struct admit *a, const struct admit_message *m,
                            const uint8_t agent_id[KEYS_ID_BYTES])
{
	int64_t wait = limit_take(a->per_key, agent_id, m->now_ns);

	if (wait > 0)
		return wait;
	return limit_prefix(a, m->address, m->now_ns);
}

/* NULL, or why the record cannot be taken. */
static const char *read_record(struct admit *a, const struct admit_message *m)
{
	char where[64];
	enum record_fault fault =
		record_decode(m->json, m->json_bytes, &a->record, where);
	enum refusal refusal;

	if (fault != RECORD_OK) {
		a->counters->fault[fault]++;
		return record_fault_name(fault);
	}
	refusal = validate_time(&a->record, m->real_ns);
	if (refusal != REFUSAL_NONE) {
		a->counters->refusal[refusal]++;
		return refusal_name(refusal);
	}
	return NULL;
}

static void look_up_evidence(struct admit *a, const struct geo *geo)
{
	for (size_t i = 0; i < a->record.evidence_count; i++) {
		const struct record_evidence *v = &a->record.evidence[i];

		a->evidence_asn[i] = 0;
		if (v->has_icmp && v->from.family != 0)
			a->evidence_asn[i] = geo_lookup_asn(geo, &v->from);
	}
}

static void queue_run(struct admit *a, const struct geo *geo,
                      const struct admit_message *m, const uint8_t *public_key,
                      const uint8_t *agent_id, struct batch *b)
{
	const struct keys_receipt *receipt =
		keys_receipts_find(a->receipts, a->record.reflector);
	struct validate_facts facts = {
		.doubt = validate_manifest(&a->record, receipt, &a->manifest),
		.receipt = receipt,
		.evidence_asn = a->evidence_asn,
	};
	struct geo_place place = { .country = "ZZ" };
	uint8_t line[KEYS_ID_BYTES];
	struct batch_run run = {
		.record = &a->record,
		.judgement = &a->judgement,
		.place = &place,
		.agent_id = agent_id,
		.evidence_asn = a->evidence_asn,
		.received_ns = m->real_ns,
		.peer = m->peer,
	};

	if (receipt)
		run.reflector = (uint16_t)(receipt - a->receipts->item + 1);
	if (facts.doubt == DOUBT_NONE) {
		facts.manifest = &a->manifest;
		run.seen = &a->manifest.seen;
		geo_lookup(geo, run.seen, &place);
		facts.asn = place.asn;
		keys_line_id(a->line_key, public_key, run.seen, line);
		run.line = line;
	}
	look_up_evidence(a, geo);
	judge_run(a->judge, &a->record, &facts, &a->judgement);
	a->counters->doubt[a->judgement.doubt]++;
	a->counters->void_runs += a->judgement.status == RUN_VOID;
	batch_add(b, &run);
}

void admit_message(struct admit *a, const struct geo *geo,
                   const struct admit_message *m, struct batch *b,
                   struct admit_answer *out)
{
	uint8_t public_key[KEYS_PUBLIC_BYTES];
	uint8_t agent_id[KEYS_ID_BYTES];

	out->result = ADMIT_FOREIGN;
	if (!read_user(m->user, public_key))
		return;
	keys_agent_id(public_key, agent_id);
	out->wait_ns = limit_sender(a, m, agent_id);
	if (out->wait_ns > 0) {
		out->result = ADMIT_LATER;
		admit_run_id(m->json, m->json_bytes, out->run);
		return;
	}
	out->reason = read_record(a, m);
	if (out->reason) {
		out->result = ADMIT_REFUSED;
		admit_run_id(m->json, m->json_bytes, out->run);
		return;
	}
	out->result = ADMIT_QUEUED;
	queue_run(a, geo, m, public_key, agent_id, b);
}
