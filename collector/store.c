/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "collector/db.h"
#include "collector/migrate.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ENDPOINT       "inproc://store"
#define PAUSE_FIRST_NS (100 * CLOCK_MS)
#define PAUSE_LAST_NS  (10 * CLOCK_S)
#define TELL_AGAIN_NS  (60 * CLOCK_S)

/* Few large sends cost less than a send for each row. */
enum { CHUNK_BYTES = 131072 };

struct store {
	pthread_t thread;
	void *outside; /* socket of whoever started the thread */
	void *inside;
	int stop_fd;
	const char *conninfo;
	const struct keys_receipts *receipts;
	/* The thread's own. */
	struct db db;
	bool connected;
	bool quit; /* told to end by the schema's version */
	bool away; /* as last told */
	int64_t away_since_ns;
	int64_t told_ns; /* when the reason was last logged */
	char told[sizeof(((struct err *)0)->text)];
	int64_t pause_ns;
	bool refusal_told; /* since the connection was made */
	int16_t *reflector_id;
	uint32_t source_generation;
	int16_t source_id;
	uint8_t chunk[CHUNK_BYTES];
	size_t chunk_bytes;
};

/* ---- talking to the other thread ----------------------------------------- */

static void tell(struct store *s, enum store_news news, struct batch *b,
                 int exit_status)
{
	struct store_note note = {
		.news = news,
		.batch = b,
		.exit_status = exit_status,
	};
	int n = zmq_send(s->inside, &note, sizeof(note), 0);

	assert(n == sizeof(note));
	(void)n;
}

/*
 * A server that restarts gives several reasons within seconds: the first will
 * do, and another one only when it has lasted.
 */
static void tell_away(struct store *s, const struct err *e)
{
	int64_t now = clock_monotonic_ns();

	if (!s->away) {
		s->away_since_ns = now;
		s->told[0] = 0;
		tell(s, STORE_AWAY, NULL, 0);
	} else if (now - s->told_ns < TELL_AGAIN_NS) {
		return;
	}
	s->away = true;
	if (strcmp(s->told, e->text) == 0)
		return;
	s->told_ns = now;
	snprintf(s->told, sizeof(s->told), "%s", e->text);
	log_warn("%s; waiting for it: agents keep their runs", e->text);
}

/* It has just done what it is for: to have connected is not enough. */
static void tell_back(struct store *s)
{
	double away_s = (double)(clock_monotonic_ns() - s->away_since_ns) / 1e9;

	s->pause_ns = 0;
	if (!s->away)
		return;
	log_info("database: back after %.1f s", away_s);
	s->away = false;
	tell(s, STORE_BACK, NULL, 0);
}

/* ---- connection ---------------------------------------------------------- */

static bool is_stopped(const struct store *s)
{
	struct pollfd fd = { .fd = s->stop_fd, .events = POLLIN };

	return s->quit || poll(&fd, 1, 0) > 0;
}

static void pause_before_retry(struct store *s)
{
	struct pollfd fd = { .fd = s->stop_fd, .events = POLLIN };

	s->pause_ns = s->pause_ns == 0 ? PAUSE_FIRST_NS : s->pause_ns * 2;
	if (s->pause_ns > PAUSE_LAST_NS)
		s->pause_ns = PAUSE_LAST_NS;
	poll(&fd, 1, (int)(s->pause_ns / CLOCK_MS));
}

static void disconnect(struct store *s)
{
	db_close(&s->db);
	s->connected = false;
}

/* One smallint, the first column of the first row. */
static bool query_id(struct store *s, const char *sql, int count,
                     const char *const *values, int16_t *out, struct err *e)
{
	PGresult *result = db_query(&s->db, sql, count, values, 1, e);
	struct rd r;

	if (!result)
		return false;
	r = rd_of(PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0));
	*out = (int16_t)rd_u16(&r);
	PQclear(result);
	return true;
}

static bool learn_reflectors(struct store *s, struct err *e)
{
	for (size_t i = 0; i < s->receipts->count; i++) {
		const char *values[] = { s->receipts->item[i].name };

		if (!query_id(s, "select periplus.reflector_id($1)", 1, values,
		              &s->reflector_id[i], e))
			return false;
	}
	return true;
}

static bool check_schema(struct store *s, struct err *e)
{
	int status;

	if (migrate_check(&s->db, &status, e))
		return true;
	if (status == EXIT_DATABASE)
		return false;
	log_error("%s", e->text);
	s->quit = true;
	tell(s, STORE_QUIT, NULL, status);
	return false;
}

static bool connect_database(struct store *s, struct err *e)
{
	if (!db_open(&s->db, s->conninfo, "periplus-collector", s->stop_fd, e))
		return false;
	s->source_generation = 0;
	s->source_id = 0;
	s->refusal_told = false;
	s->connected = check_schema(s, e) &&
	               db_run(&s->db, "select periplus.stage_create()", e) &&
	               learn_reflectors(s, e);
	if (!s->connected)
		db_close(&s->db);
	return s->connected;
}

/* Try until the database is there; false when stopped before. */
static bool need_connection(struct store *s)
{
	struct err e;

	while (!s->connected) {
		if (is_stopped(s))
			return false;
		if (connect_database(s, &e))
			return true;
		if (is_stopped(s))
			return false;
		tell_away(s, &e);
		pause_before_retry(s);
	}
	return true;
}

/* Is the i-th row, in the order of keys, still to be stored? */
static bool is_pending(const struct batch *b, size_t i)
{
	return !batch_is_twin(b, i) &&
	       b->row[b->order[i]].result == ROW_PENDING;
}

static bool any_pending(const struct batch *b, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (is_pending(b, i))
			return true;
	}
	return false;
}

/* ---- one transaction ----------------------------------------------------- */

static bool learn_source(struct store *s, const struct geo_source *source,
                         struct err *e)
{
	char epoch[24];
	const char *values[] = { source->kind, source->file_name, epoch };

	if (source->generation == s->source_generation)
		return true;
	snprintf(epoch, sizeof(epoch), "%llu",
	         (unsigned long long)source->build_epoch);
	if (!query_id(s, "select periplus.geo_source_id($1, $2, $3::bigint)", 3,
	              values, &s->source_id, e))
		return false;
	s->source_generation = source->generation;
	return true;
}

static bool flush_chunk(struct store *s, struct err *e)
{
	size_t n = s->chunk_bytes;

	s->chunk_bytes = 0;
	return n == 0 || db_copy_put(&s->db, s->chunk, n, e);
}

static bool put(struct store *s, const void *bytes, size_t n, struct err *e)
{
	if (n > CHUNK_BYTES - s->chunk_bytes && !flush_chunk(s, e))
		return false;
	if (n > CHUNK_BYTES)
		return db_copy_put(&s->db, bytes, n, e);
	memcpy(s->chunk + s->chunk_bytes, bytes, n);
	s->chunk_bytes += n;
	return true;
}

static bool put_row(struct store *s, struct batch *b,
                    const struct batch_row *row, struct err *e)
{
	int16_t reflector = 0;

	if (row->reflector > 0)
		reflector = s->reflector_id[row->reflector - 1];
	batch_patch(b, row, reflector, s->source_id);
	return put(s, b->bytes + row->offset, row->n_bytes, e);
}

static bool copy_rows(struct store *s, struct batch *b, size_t from, size_t to,
                      struct err *e)
{
	char sql[1024];
	int n = snprintf(sql, sizeof(sql),
	                 "begin; copy run_stage (%s) from stdin "
	                 "(format binary)",
	                 batch_columns);

	assert(n > 0 && (size_t)n < sizeof(sql));
	(void)n;
	s->chunk_bytes = 0;
	if (!db_copy_begin(&s->db, sql, e) ||
	    !put(s, batch_header, BATCH_HEADER_BYTES, e))
		return false;
	for (size_t i = from; i < to; i++) {
		if (is_pending(b, i) && !put_row(s, b, &b->row[b->order[i]], e))
			return false;
	}
	return put(s, batch_trailer, BATCH_TRAILER_BYTES, e) &&
	       flush_chunk(s, e) && db_copy_end(&s->db, e);
}

/* Take a row's result from a row of store_batch's: key, stored. */
static void take_result(struct batch *b, const PGresult *result, int i)
{
	uint8_t key[BATCH_KEY_BYTES];
	struct wr w = wr_of(key, sizeof(key));
	struct batch_row *row;

	for (int column = 0; column < 3; column++)
		wr_bytes(&w, PQgetvalue(result, i, column),
		         (size_t)PQgetlength(result, i, column));
	row = wr_len(&w) == sizeof(key) ? batch_find(b, key) : NULL;
	if (!row)
		return;
	if (PQgetvalue(result, i, 3)[0])
		row->result = ROW_STORED;
	else
		row->result = ROW_DUPLICATE;
}

static bool commit(struct store *s, struct err *e)
{
	PGresult *result = db_query(&s->db, "commit", 0, NULL, 0, e);
	bool ok;

	if (!result)
		return false;
	ok = strcmp(PQcmdStatus(result), "COMMIT") == 0;
	PQclear(result);
	if (ok)
		return true;
	s->db.fault = DB_REFUSED;
	return err_set(e, 0, "database: the transaction was rolled back");
}

static bool try_rows(struct store *s, struct batch *b, size_t from, size_t to,
                     struct err *e)
{
	PGresult *result;
	bool ok;

	if (!copy_rows(s, b, from, to, e))
		return false;
	result = db_query(&s->db,
	                  "select agent_id, started, run_id, stored "
	                  "from periplus.store_batch()",
	                  0, NULL, 1, e);
	if (!result)
		return false;
	ok = commit(s, e);
	for (int i = 0; ok && i < PQntuples(result); i++)
		take_result(b, result, i);
	PQclear(result);
	if (!ok || !any_pending(b, from, to))
		return ok;
	s->db.fault = DB_REFUSED;
	return err_set(e, 0,
	               "database: store_batch() did not report every run");
}

/* ---- a batch ------------------------------------------------------------- */

static void refuse_row(struct store *s, struct batch_row *row,
                       const struct err *e)
{
	row->result = ROW_REFUSED;
	if (s->refusal_told)
		return;
	log_warn("a run was refused by the %s (told once a connection)",
	         e->text);
	s->refusal_told = true;
}

/*
 * Store rows from..to, in halves when one of them is not acceptable; those
 * that have a result already are done.  The depth is that of a halving: 15.
 */
static bool store_rows(struct store *s, struct batch *b, size_t from, size_t to,
                       struct err *e)
{
	size_t middle = from + (to - from) / 2;
	struct err ignored;

	if (!any_pending(b, from, to))
		return true;
	if (try_rows(s, b, from, to, e))
		return true;
	if (s->db.fault != DB_DATA)
		return false;
	if (!db_run(&s->db, "rollback", &ignored))
		return false;
	if (to - from == 1) {
		refuse_row(s, &b->row[b->order[from]], e);
		return true;
	}
	return store_rows(s, b, from, middle, e) &&
	       store_rows(s, b, middle, to, e);
}

/* What a failed attempt leaves to be done before the next. */
static void recover(struct store *s, const struct err *e)
{
	struct err ignored;

	if (s->db.fault == DB_STOPPED)
		return;
	tell_away(s, e);
	if (s->db.fault != DB_BUSY || !db_run(&s->db, "rollback", &ignored))
		disconnect(s);
	pause_before_retry(s);
}

static void settle_twins(struct batch *b)
{
	for (size_t i = 1; i < b->count; i++) {
		struct batch_row *row = &b->row[b->order[i]];

		if (!batch_is_twin(b, i))
			continue;
		row->result = b->row[b->order[i - 1]].result;
		if (row->result == ROW_STORED)
			row->result = ROW_DUPLICATE;
	}
}

static void store_batch(struct store *s, struct batch *b)
{
	struct err e;

	batch_sort(b);
	while (need_connection(s)) {
		if (learn_source(s, &b->source, &e) &&
		    store_rows(s, b, 0, b->count, &e)) {
			tell_back(s);
			break;
		}
		if (is_stopped(s))
			break;
		recover(s, &e);
	}
	settle_twins(b);
}

/* ---- the thread ---------------------------------------------------------- */

static void *run(void *arg)
{
	struct store *s = arg;
	struct batch *b;

	if (need_connection(s))
		tell_back(s);
	for (;;) {
		int n = zmq_recv(s->inside, &b, sizeof(b), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(b) || !b)
			break;
		store_batch(s, b);
		tell(s, STORE_DONE, b, 0);
	}
	disconnect(s);
	return NULL;
}

static bool open_sockets(struct store *s, void *context, struct err *e)
{
	s->outside = zmq_socket(context, ZMQ_PAIR);
	s->inside = zmq_socket(context, ZMQ_PAIR);
	if (!s->outside || !s->inside || zmq_bind(s->outside, ENDPOINT) != 0 ||
	    zmq_connect(s->inside, ENDPOINT) != 0)
		return err_set(e, zmq_errno(), "cannot open %s", ENDPOINT);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd < 0)
		return err_set(e, errno, "cannot make an eventfd");
	return true;
}

static void release(struct store *s)
{
	if (s->outside)
		zmq_close(s->outside);
	if (s->inside)
		zmq_close(s->inside);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	free(s->reflector_id);
	free(s);
}

struct store *store_start(void *context, const char *conninfo,
                          const struct keys_receipts *receipts, struct err *e)
{
	struct store *s = mem_alloc(sizeof(*s));
	int rc;

	s->stop_fd = -1;
	s->conninfo = conninfo;
	s->receipts = receipts;
	s->reflector_id = mem_array(receipts->count, sizeof(*s->reflector_id));
	if (!open_sockets(s, context, e))
		goto fail;
	rc = pthread_create(&s->thread, NULL, run, s);
	if (rc == 0)
		return s;
	err_set(e, rc, "cannot start the store's thread");
fail:
	release(s);
	return NULL;
}

void *store_socket(struct store *s)
{
	return s->outside;
}

void store_interrupt(struct store *s)
{
	uint64_t one = 1;
	ssize_t n = write(s->stop_fd, &one, sizeof(one));

	assert(n == sizeof(one));
	(void)n;
}

void store_stop(struct store *s)
{
	if (!s)
		return;
	pthread_join(s->thread, NULL);
	release(s);
}
