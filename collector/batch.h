/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch - runs as PostgreSQL's binary COPY wants them, on their way to one
 * commit.
 *
 * The intake fills a batch, hands the pointer to the store over an inproc
 * socket, and gets the same pointer back with a result for each row: at any
 * time exactly one thread owns it.  Rows are encoded as they are added; two
 * columns whose values only the database knows come first, so that the store
 * can fill them in at a fixed place.
 *
 * Pure: no socket, no clock.
 */
#ifndef COLLECTOR_BATCH_H
#define COLLECTOR_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/geo.h"
#include "collector/keys.h"
#include "collector/validate.h"
#include "lib/record.h"
#include "lib/wire.h"

enum {
	BATCH_PEER_BYTES = 5, /* a ROUTER's own name for a connection */
	/* agent_id, started, run_id: the primary key as the server sends it */
	BATCH_KEY_BYTES = 40,
	/* Longer than any row; evidence is the largest part. */
	BATCH_ROW_MAX = 262144,
};

/* The columns of "run" in the order of a row. */
extern const char batch_columns[];

/* What "store_finish" is told of a run: its fields, in this order. */
enum batch_about {
	ABOUT_DAY,
	ABOUT_AGENT,
	ABOUT_VERSION,
	ABOUT_PLATFORM,
	ABOUT_ARCH,
	ABOUT_ASN,
	ABOUT_ASN_NAME,
	ABOUT_RECEIVED,
	ABOUT_FIELDS,
};

enum row_result {
	ROW_PENDING,
	ROW_STORED,
	ROW_DUPLICATE, /* the database has it already */
	ROW_REFUSED,   /* the database will not take it, now or later */
};

struct batch_row {
	uint8_t key[BATCH_KEY_BYTES];
	uint8_t peer[BATCH_PEER_BYTES];
	uint8_t result;     /* enum row_result */
	uint16_t reflector; /* index among the receipt keys plus one; 0: none */
	uint32_t n_bytes;
	uint32_t about_bytes;
	size_t offset; /* in the batch's bytes: the row, then what is about it */
};

struct batch {
	struct batch_row *row;
	size_t count;
	/* Index of the row, in the order of keys, once batch_sort was called. */
	uint32_t *order;
	uint8_t *bytes;
	size_t n_bytes;
	struct geo_source source; /* of all rows */
	int64_t opened_ns;        /* when the first row was added; monotonic */
	size_t max_rows;
	size_t max_bytes;
	size_t room_bytes; /* allocated */
};

/* One run with all that is stored of it; everything is borrowed. */
struct batch_run {
	const struct record *record;
	const struct judgement *judgement;
	const struct geo_place *place;
	const struct addr *seen; /* NULL: no address is proven */
	const uint8_t *agent_id; /* KEYS_ID_BYTES */
	const uint8_t *line;     /* KEYS_ID_BYTES; NULL as seen */
	const uint32_t *evidence_asn;
	uint16_t reflector; /* as in struct batch_row */
	int64_t received_ns;
	const uint8_t *peer; /* BATCH_PEER_BYTES */
};

struct batch *batch_new(size_t max_rows, size_t max_bytes);

/* NULL is allowed. */
void batch_free(struct batch *b);

/* Forget all rows; the memory stays. */
void batch_clear(struct batch *b);

/* Is there no room for another row, of whatever size? */
bool batch_is_full(const struct batch *b);

/* Encode a run as the next row; the batch must not be full. */
void batch_add(struct batch *b, const struct batch_run *run);

/* Order the rows by key, so that collectors cannot deadlock one another. */
void batch_sort(struct batch *b);

/* Is the i-th row in the order of keys the same run as the one before it? */
bool batch_is_twin(const struct batch *b, size_t i);

/*
 * Is the i-th row in the order of keys to be stored?  It has no result yet, and
 * a twin never is.
 */
bool batch_is_pending(const struct batch *b, size_t i);

/* ABOUT_FIELDS fields, each a length of four bytes and a value. */
struct rd batch_about(const struct batch *b, const struct batch_row *row);

/* Do two runs agree in all of it but the time when they were received? */
bool batch_same_about(const struct batch *b, const struct batch_row *x,
                      const struct batch_row *y);

/* Fill in the columns that only the database knows. */
void batch_patch(struct batch *b, const struct batch_row *row,
                 int16_t reflector_id, int16_t geo_source_id);

/* What stands before the first row of a binary COPY, and after the last. */
enum { BATCH_HEADER_BYTES = 19, BATCH_TRAILER_BYTES = 2 };
extern const uint8_t batch_header[BATCH_HEADER_BYTES];
extern const uint8_t batch_trailer[BATCH_TRAILER_BYTES];

#endif
