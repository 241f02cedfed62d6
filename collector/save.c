/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/save.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

enum {
	/* Few large sends cost less than a send for each row. */
	CHUNK_BYTES = 131072,
	KEY_PARTS = 3,
};

struct save {
	struct array key[KEY_PARTS];
	struct array about[ABOUT_FIELDS];
	size_t chunk_bytes;
	uint8_t chunk[CHUNK_BYTES];
};

static const struct {
	enum array_type type;
	size_t n_bytes;
} key_parts[KEY_PARTS] = {
	{ .type = ARRAY_UUID, .n_bytes = 16 },
	{ .type = ARRAY_TIMESTAMPTZ, .n_bytes = 8 },
	{ .type = ARRAY_UUID, .n_bytes = 16 },
};

static const enum array_type about_types[ABOUT_FIELDS] = {
	[ABOUT_DAY] = ARRAY_DATE,      [ABOUT_AGENT] = ARRAY_UUID,
	[ABOUT_VERSION] = ARRAY_TEXT,  [ABOUT_PLATFORM] = ARRAY_TEXT,
	[ABOUT_ARCH] = ARRAY_TEXT,     [ABOUT_ASN] = ARRAY_INT8,
	[ABOUT_ASN_NAME] = ARRAY_TEXT, [ABOUT_RECEIVED] = ARRAY_TIMESTAMPTZ,
};

/* A part of the rows of a batch, in the order of keys. */
struct range {
	struct batch *batch;
	size_t from;
	size_t to;
};

static struct batch_row *row_at(const struct range *r, size_t i)
{
	return &r->batch->row[r->batch->order[i]];
}

static bool any_pending(const struct range *r)
{
	for (size_t i = r->from; i < r->to; i++) {
		if (batch_is_pending(r->batch, i))
			return true;
	}
	return false;
}

/* ---- 1. which are known? ------------------------------------------------- */

static void collect_keys(struct save *s, const struct range *r)
{
	for (size_t k = 0; k < KEY_PARTS; k++)
		array_clear(&s->key[k], key_parts[k].type);
	for (size_t i = r->from; i < r->to; i++) {
		const uint8_t *part = row_at(r, i)->key;

		for (size_t k = 0; k < KEY_PARTS; k++) {
			array_add(&s->key[k], part, key_parts[k].n_bytes);
			part += key_parts[k].n_bytes;
		}
	}
}

static bool settle_known(struct save *s, struct db *db, const struct range *r,
                         struct err *e)
{
	PGresult *result;

	collect_keys(s, r);
	result = db_query_arrays(db,
	                         "select n from periplus.known_runs"
	                         "($1, $2, $3) as k (n)",
	                         KEY_PARTS, s->key, e);
	if (!result)
		return false;
	for (int i = 0; i < PQntuples(result); i++) {
		struct rd value = rd_of(PQgetvalue(result, i, 0),
		                        (size_t)PQgetlength(result, i, 0));
		size_t at = r->from + rd_u32(&value) - 1;

		assert(!value.bad && at < r->to);
		if (batch_is_pending(r->batch, at))
			row_at(r, at)->result = ROW_DUPLICATE;
	}
	PQclear(result);
	return true;
}

/* ---- 2. the others ------------------------------------------------------- */

static bool flush_chunk(struct save *s, struct db *db, struct err *e)
{
	size_t n = s->chunk_bytes;

	s->chunk_bytes = 0;
	return n == 0 || db_copy_put(db, s->chunk, n, e);
}

static bool put(struct save *s, struct db *db, const void *bytes, size_t n,
                struct err *e)
{
	if (n > CHUNK_BYTES - s->chunk_bytes && !flush_chunk(s, db, e))
		return false;
	if (n > CHUNK_BYTES)
		return db_copy_put(db, bytes, n, e);
	memcpy(s->chunk + s->chunk_bytes, bytes, n);
	s->chunk_bytes += n;
	return true;
}

static bool begin_copy(struct db *db, struct err *e)
{
	char sql[1024];
	int n = snprintf(sql, sizeof(sql),
	                 "begin; copy periplus.run (%s) from stdin "
	                 "(format binary)",
	                 batch_columns);

	assert(n > 0 && (size_t)n < sizeof(sql));
	(void)n;
	return db_copy_begin(db, sql, e);
}

static bool copy_rows(struct save *s, struct db *db, const struct range *r,
                      struct err *e)
{
	s->chunk_bytes = 0;
	if (!begin_copy(db, e) ||
	    !put(s, db, batch_header, BATCH_HEADER_BYTES, e))
		return false;
	for (size_t i = r->from; i < r->to; i++) {
		const struct batch_row *row = row_at(r, i);

		if (batch_is_pending(r->batch, i) &&
		    !put(s, db, r->batch->bytes + row->offset, row->n_bytes, e))
			return false;
	}
	return put(s, db, batch_trailer, BATCH_TRAILER_BYTES, e) &&
	       flush_chunk(s, db, e) && db_copy_end(db, e);
}

/* ---- 3. what is about them ----------------------------------------------- */

static void add_about(struct save *s, struct rd about)
{
	for (size_t k = 0; k < ABOUT_FIELDS; k++) {
		uint32_t n = rd_u32(&about);
		const uint8_t *value = rd_take(&about, n);

		assert(value);
		array_add(&s->about[k], value, n);
	}
}

/* Runs of an agent lie side by side, and most of them say the same. */
static void collect_about(struct save *s, const struct range *r)
{
	const struct batch_row *last = NULL;

	for (size_t k = 0; k < ABOUT_FIELDS; k++)
		array_clear(&s->about[k], about_types[k]);
	for (size_t i = r->from; i < r->to; i++) {
		const struct batch_row *row = row_at(r, i);

		if (!batch_is_pending(r->batch, i) ||
		    (last && batch_same_about(r->batch, last, row)))
			continue;
		add_about(s, batch_about(r->batch, row));
		last = row;
	}
}

static bool finish(struct save *s, struct db *db, const struct range *r,
                   struct err *e)
{
	PGresult *result;

	collect_about(s, r);
	result = db_query_arrays(db,
	                         "select periplus.store_finish"
	                         "($1, $2, $3, $4, $5, $6, $7, $8)",
	                         ABOUT_FIELDS, s->about, e);
	PQclear(result);
	return result != NULL;
}

/* ---- 4. commit ----------------------------------------------------------- */

static bool commit(struct db *db, struct err *e)
{
	PGresult *result = db_query(db, "commit", 0, NULL, 0, e);
	bool ok;

	if (!result)
		return false;
	ok = strcmp(PQcmdStatus(result), "COMMIT") == 0;
	PQclear(result);
	if (ok)
		return true;
	db->fault = DB_REFUSED;
	return err_set(e, 0, "database: the transaction was rolled back");
}

static void settle_stored(const struct range *r)
{
	for (size_t i = r->from; i < r->to; i++) {
		if (batch_is_pending(r->batch, i))
			row_at(r, i)->result = ROW_STORED;
	}
}

bool save_rows(struct save *s, struct db *db, struct batch *b, size_t from,
               size_t to, struct err *e)
{
	const struct range r = { .batch = b, .from = from, .to = to };

	if (!any_pending(&r))
		return true;
	if (!settle_known(s, db, &r, e))
		return false;
	if (!any_pending(&r))
		return true;
	if (!copy_rows(s, db, &r, e) || !finish(s, db, &r, e) || !commit(db, e))
		return false;
	settle_stored(&r);
	return true;
}

struct save *save_new(void)
{
	return mem_alloc(sizeof(struct save));
}

void save_free(struct save *s)
{
	if (!s)
		return;
	for (size_t k = 0; k < KEY_PARTS; k++)
		array_fini(&s->key[k]);
	for (size_t k = 0; k < ABOUT_FIELDS; k++)
		array_fini(&s->about[k]);
	free(s);
}
