/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/db.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "lib/value.h"

/* ---- faults -------------------------------------------------------------- */

static bool in_class(const char *sqlstate, const char *class)
{
	return strncmp(sqlstate, class, strlen(class)) == 0;
}

enum db_fault db_fault_of(const char *sqlstate)
{
	static const struct {
		const char *class;
		enum db_fault fault;
	} classes[] = {
		{ "08", DB_AWAY },      { "57P", DB_AWAY },
		{ "57014", DB_BUSY },   { "40", DB_BUSY },
		{ "53", DB_BUSY },      { "55P03", DB_BUSY },
		{ "23505", DB_TAKEN },  { "23", DB_DATA },
		{ "22", DB_DATA },      { "42P01", DB_SCHEMA },
		{ "42883", DB_SCHEMA }, { "42703", DB_SCHEMA },
		{ "3F", DB_SCHEMA },
	};

	if (!sqlstate || !*sqlstate)
		return DB_AWAY;
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		if (in_class(sqlstate, classes[i].class))
			return classes[i].fault;
	}
	return DB_REFUSED;
}

/* libpq's text has several lines, each with a final newline. */
static bool fail(struct db *db, enum db_fault fault, const char *text,
                 struct err *e)
{
	int n = (int)strcspn(text, "\n");

	/* A lost connection explains more than what the server last said. */
	if (fault != DB_STOPPED && PQstatus(db->conn) == CONNECTION_BAD)
		fault = DB_AWAY;
	db->fault = fault;
	return err_set(e, 0, "database: %.*s", n, text);
}

static bool fail_result(struct db *db, const PGresult *result, struct err *e)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (!text)
		text = PQresultErrorMessage(result);
	if (!*text)
		text = PQerrorMessage(db->conn);
	return fail(db, db_fault_of(state), text, e);
}

static bool fail_connection(struct db *db, struct err *e)
{
	return fail(db, DB_AWAY, PQerrorMessage(db->conn), e);
}

/* ---- waiting ------------------------------------------------------------- */

static bool wait_for(struct db *db, short events, struct err *e)
{
	struct pollfd fds[] = {
		{ .fd = PQsocket(db->conn), .events = events },
		{ .fd = db->stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return fail(db, DB_AWAY, "poll failed", e);
	}
	if (fds[1].revents)
		return fail(db, DB_STOPPED, "stopped while waiting", e);
	return true;
}

/* Send what is buffered, taking in what comes so that neither side blocks. */
static bool flush(struct db *db, struct err *e)
{
	int left;

	while ((left = PQflush(db->conn)) == 1) {
		if (!wait_for(db, POLLIN | POLLOUT, e))
			return false;
		if (!PQconsumeInput(db->conn))
			return fail_connection(db, e);
	}
	return left == 0 || fail_connection(db, e);
}

/* The next result of a command; *out is NULL at its end. */
static bool next_result(struct db *db, PGresult **out, struct err *e)
{
	while (PQisBusy(db->conn)) {
		if (!wait_for(db, POLLIN, e))
			return false;
		if (!PQconsumeInput(db->conn))
			return fail_connection(db, e);
	}
	*out = PQgetResult(db->conn);
	return true;
}

static bool is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_COPY_IN;
}

/*
 * Read a command's results to the end and keep the last; the first error is
 * the one to tell.
 */
static PGresult *collect(struct db *db, struct err *e)
{
	PGresult *last = NULL;
	PGresult *result = NULL;
	bool ok = true;

	for (;;) {
		if (!next_result(db, &result, e)) {
			PQclear(last);
			return NULL;
		}
		if (!result)
			break;
		PQclear(last);
		last = result;
		if (ok && !is_good(result))
			ok = fail_result(db, result, e);
		if (PQresultStatus(result) == PGRES_COPY_IN)
			break;
	}
	if (ok && last) {
		db->fault = DB_FINE;
		return last;
	}
	if (ok)
		fail_connection(db, e);
	PQclear(last);
	return NULL;
}

/* ---- connection ---------------------------------------------------------- */

static void keep_notice(void *arg, const PGresult *result)
{
	struct db *db = arg;
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	snprintf(db->notice, sizeof(db->notice), "%s", text ? text : "");
}

static bool finish_connect(struct db *db, struct err *e)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED)
			return fail_connection(db, e);
		if (!wait_for(db,
		              status == PGRES_POLLING_READING ? POLLIN
		                                              : POLLOUT,
		              e))
			return false;
		status = PQconnectPoll(db->conn);
	}
	return true;
}

bool db_open(struct db *db, const char *conninfo, const char *program,
             int stop_fd, struct err *e)
{
	/* What comes later wins: the caller's string may name its own. */
	const char *const keys[] = { "fallback_application_name", "dbname",
		                     NULL };
	const char *const values[] = { program, conninfo ? conninfo : "",
		                       NULL };
	bool ok;

	*db = (struct db){ .stop_fd = stop_fd };
	db->conn = PQconnectStartParams(keys, values, 1);
	if (!db->conn) {
		db->fault = DB_AWAY;
		return err_set(e, ENOMEM, "database");
	}
	if (PQstatus(db->conn) == CONNECTION_BAD)
		ok = fail_connection(db, e);
	else
		ok = finish_connect(db, e);
	if (!ok) {
		db_close(db);
		return false;
	}
	PQsetNoticeReceiver(db->conn, keep_notice, db);
	PQsetnonblocking(db->conn, 1);
	db->fault = DB_FINE;
	return true;
}

void db_close(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
}

/* ---- statements ---------------------------------------------------------- */

static PGresult *sent(struct db *db, int ok, struct err *e)
{
	if (!ok) {
		fail_connection(db, e);
		return NULL;
	}
	if (!flush(db, e))
		return NULL;
	return collect(db, e);
}

PGresult *db_query(struct db *db, const char *sql, int count,
                   const char *const *values, int binary, struct err *e)
{
	return sent(db,
	            PQsendQueryParams(db->conn, sql, count, NULL, values, NULL,
	                              NULL, binary),
	            e);
}

PGresult *db_query_arrays(struct db *db, const char *sql, int count,
                          const struct array *arrays, struct err *e)
{
	static const int binary[DB_ARRAYS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	const char *values[DB_ARRAYS_MAX];
	int lengths[DB_ARRAYS_MAX];

	assert(count <= DB_ARRAYS_MAX);
	for (int i = 0; i < count; i++) {
		assert(arrays[i].count > 0 && arrays[i].n_bytes <= INT32_MAX);
		values[i] = (const char *)arrays[i].bytes;
		lengths[i] = (int)arrays[i].n_bytes;
	}
	return sent(db,
	            PQsendQueryParams(db->conn, sql, count, NULL, values,
	                              lengths, binary, 1),
	            e);
}

bool db_run(struct db *db, const char *sql, struct err *e)
{
	PGresult *result = sent(db, PQsendQuery(db->conn, sql), e);

	PQclear(result);
	return result != NULL;
}

bool db_copy_begin(struct db *db, const char *sql, struct err *e)
{
	PGresult *result = sent(db, PQsendQuery(db->conn, sql), e);
	bool ok = result && PQresultStatus(result) == PGRES_COPY_IN;

	if (result && !ok)
		fail(db, DB_REFUSED, "COPY did not begin", e);
	PQclear(result);
	return ok;
}

bool db_copy_put(struct db *db, const void *bytes, size_t n_bytes,
                 struct err *e)
{
	assert(n_bytes <= INT32_MAX);
	if (PQputCopyData(db->conn, bytes, (int)n_bytes) != 1)
		return fail_connection(db, e);
	return flush(db, e);
}

bool db_copy_end(struct db *db, struct err *e)
{
	PGresult *result = sent(db, PQputCopyEnd(db->conn, NULL) == 1, e);

	PQclear(result);
	return result != NULL;
}

/* ---- schema -------------------------------------------------------------- */

bool db_schema_version(struct db *db, int *version, struct err *e)
{
	PGresult *result =
		db_query(db, "select max(version) from periplus.schema_version",
	                 0, NULL, 0, e);
	int64_t number = 0;

	*version = 0;
	if (!result)
		return db->fault == DB_SCHEMA;
	if (!PQgetisnull(result, 0, 0) &&
	    value_parse_int(PQgetvalue(result, 0, 0), &number))
		*version = (int)number;
	PQclear(result);
	return true;
}
