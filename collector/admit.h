/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit - from the bytes of one message to a row of a batch, or a refusal.
 *
 * Applies the rate limits, decodes the record, verifies its manifest, looks
 * addresses up, judges, and encodes the row.  Knows no sockets and no clocks:
 * times come with the message.  Serves one thread.
 */
#ifndef COLLECTOR_ADMIT_H
#define COLLECTOR_ADMIT_H

#include "collector/batch.h"
#include "collector/config.h"
#include "collector/counters.h"

struct admit;

/* What came, and from whom; everything is borrowed. */
struct admit_message {
	const char *json;
	size_t json_bytes;
	const char *user;    /* z85 of the key proved by CURVE; may be NULL */
	const char *address; /* of the connection; may be NULL */
	const uint8_t *peer; /* BATCH_PEER_BYTES */
	int64_t now_ns;      /* monotonic */
	int64_t real_ns;
};

enum admit_result {
	ADMIT_QUEUED,  /* it is the batch's last row now */
	ADMIT_REFUSED, /* never send it again: reason says why */
	ADMIT_LATER,   /* over a rate limit: wait_ns says for how long */
	ADMIT_FOREIGN, /* no proven key: no answer */
};

struct admit_answer {
	enum admit_result result;
	const char *reason;
	int64_t wait_ns;
	char run[37]; /* id to answer with; "-" when none can be read */
};

/*
 * The config, keys and counters are borrowed and must outlive it; geo is
 * borrowed with every message, since it may be reloaded in between.
 */
struct admit *admit_new(const struct config *c,
                        const struct keys_receipts *receipts,
                        const uint8_t line_key[KEYS_LINE_BYTES],
                        struct counters *counters);

/* NULL is allowed. */
void admit_free(struct admit *a);

/* Judge a message; the batch must have room. */
void admit_message(struct admit *a, const struct geo *geo,
                   const struct admit_message *m, struct batch *b,
                   struct admit_answer *out);

/*
 * The run id in the text of a record, without decoding it: enough to say WAIT
 * or NAK.  "-" when it is not written as agents write it.
 */
void admit_run_id(const char *json, size_t n_bytes, char out[37]);

#endif
