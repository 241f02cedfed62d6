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

enum {
	BATCH_PEER_BYTES = 5, /* a ROUTER's own name for a connection */
	/* agent_id, started, run_id: the primary key as the server sends it */
	BATCH_KEY_BYTES = 40,
	/* Longer than any row; evidence is the largest part. */
	BATCH_ROW_MAX = 262144,
};

/* Where "COPY run_stage (...)" must name its columns in the order of a row. */
extern const char batch_columns[];

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
	size_t offset; /* of the encoded row in the batch's bytes */
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

/* Fill in the columns that only the database knows. */
void batch_patch(struct batch *b, const struct batch_row *row,
                 int16_t reflector_id, int16_t geo_source_id);

/* The row with a key, by halving; the batch must be sorted.  NULL: none. */
struct batch_row *batch_find(const struct batch *b,
                             const uint8_t key[BATCH_KEY_BYTES]);

/* What stands before the first row of a binary COPY, and after the last. */
enum { BATCH_HEADER_BYTES = 19, BATCH_TRAILER_BYTES = 2 };
extern const uint8_t batch_header[BATCH_HEADER_BYTES];
extern const uint8_t batch_trailer[BATCH_TRAILER_BYTES];

#endif
