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
#include "collector/save.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"

#define ENDPOINT       "inproc://store"
#define PAUSE_FIRST_NS (100 * CLOCK_MS)
#define PAUSE_LAST_NS  (10 * CLOCK_S)
#define TELL_AGAIN_NS  (60 * CLOCK_S)

/* How often rows are tried again that another collector keeps storing. */
enum { TRIES = 3 };
#define TRY_AGAIN_NS (20 * CLOCK_MS)

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
	struct save *save;
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

/* Shorter when told to stop. */
static void pause_for(const struct store *s, int64_t pause_ns)
{
	struct pollfd fd = { .fd = s->stop_fd, .events = POLLIN };

	poll(&fd, 1, (int)(pause_ns / CLOCK_MS));
}

static void pause_before_retry(struct store *s)
{
	s->pause_ns = s->pause_ns == 0 ? PAUSE_FIRST_NS : s->pause_ns * 2;
	if (s->pause_ns > PAUSE_LAST_NS)
		s->pause_ns = PAUSE_LAST_NS;
	pause_for(s, s->pause_ns);
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
	s->connected = check_schema(s, e) && learn_reflectors(s, e);
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

/* ---- a batch ------------------------------------------------------------- */

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

/* Fill in what the database calls the rows' reflectors and their geo data. */
static void patch(const struct store *s, struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct batch_row *row = &b->row[i];
		int16_t reflector = 0;

		if (row->reflector > 0)
			reflector = s->reflector_id[row->reflector - 1];
		batch_patch(b, row, reflector, s->source_id);
	}
}

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
 * Save rows from..to.  When the database says that one of them is there after
 * all, another collector has just stored it: asked again, it is known.
 */
static bool try_rows(struct store *s, struct batch *b, size_t from, size_t to,
                     struct err *e)
{
	struct err ignored;

	for (int i = 1; !save_rows(s->save, &s->db, b, from, to, e); i++) {
		enum db_fault fault = s->db.fault;

		if (fault != DB_TAKEN && fault != DB_DATA)
			return false;
		if (!db_run(&s->db, "rollback", &ignored))
			return false;
		s->db.fault = DB_DATA;
		if (fault == DB_DATA || i == TRIES)
			return false;
		pause_for(s, TRY_AGAIN_NS);
	}
	return true;
}

/*
 * Store rows from..to, in halves when one of them is not acceptable; those
 * that have a result already are done.  The depth is that of a halving: 15.
 */
static bool store_rows(struct store *s, struct batch *b, size_t from, size_t to,
                       struct err *e)
{
	size_t middle = from + (to - from) / 2;

	if (try_rows(s, b, from, to, e))
		return true;
	if (s->db.fault != DB_DATA)
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

static bool store_once(struct store *s, struct batch *b, struct err *e)
{
	if (!learn_source(s, &b->source, e))
		return false;
	patch(s, b);
	return store_rows(s, b, 0, b->count, e);
}

static void store_batch(struct store *s, struct batch *b)
{
	struct err e;

	batch_sort(b);
	while (need_connection(s)) {
		if (store_once(s, b, &e)) {
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
	save_free(s->save);
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
	s->save = save_new();
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
