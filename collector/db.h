/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db - one PostgreSQL connection whose waits can be cut short.
 *
 * Every wait for the server also watches stop_fd: once that is readable, the
 * call in progress and all later ones fail with DB_STOPPED.  A failure is
 * sorted by what can be done about it (enum db_fault).
 */
#ifndef COLLECTOR_DB_H
#define COLLECTOR_DB_H

#include <libpq-fe.h>
#include <stddef.h>

#include "collector/array.h"
#include "lib/err.h"

enum { DB_ARRAYS_MAX = 8 };

enum db_fault {
	DB_FINE,
	DB_AWAY,    /* no connection, or it was lost: connect again */
	DB_BUSY,    /* deadlock, shutdown, out of resources: try again */
	DB_TAKEN,   /* another session has just stored such a key: 23505 */
	DB_DATA,    /* the values sent are not acceptable: 22*, 23* */
	DB_SCHEMA,  /* tables or functions are not there: 42P01, 42883, 3F* */
	DB_REFUSED, /* anything else; trying the same again may not help */
	DB_STOPPED,
};

struct db {
	PGconn *conn;
	int stop_fd; /* -1: nothing to watch */
	enum db_fault fault;
	char notice[256]; /* what the server remarked last */
};

/* Sort an SQLSTATE; NULL or "" means that the server never answered. */
enum db_fault db_fault_of(const char *sqlstate);

/* Connect; on failure db is closed and the fault says why. */
MUSTCHECK bool db_open(struct db *db, const char *conninfo, const char *program,
                       int stop_fd, struct err *e);

/* Closing a closed one is fine. */
void db_close(struct db *db);

/*
 * Run one statement with text parameters (NULL: none) and return its result:
 * PQclear() it.  binary: 1 for results in binary form.  NULL on failure.
 */
MUSTCHECK PGresult *db_query(struct db *db, const char *sql, int count,
                             const char *const *values, int binary,
                             struct err *e);

/* The same with arrays for $1, $2 ..., and a result in binary form. */
MUSTCHECK PGresult *db_query_arrays(struct db *db, const char *sql, int count,
                                    const struct array *arrays, struct err *e);

/* Run one or several statements without parameters or a result. */
MUSTCHECK bool db_run(struct db *db, const char *sql, struct err *e);

/* COPY ... FROM STDIN: begin, any number of puts, end. */
MUSTCHECK bool db_copy_begin(struct db *db, const char *sql, struct err *e);
MUSTCHECK bool db_copy_put(struct db *db, const void *bytes, size_t n_bytes,
                           struct err *e);
MUSTCHECK bool db_copy_end(struct db *db, struct err *e);

/*
 * Compare the schema's version with the one that this program was built with.
 * DB_FINE, and *version is 0 when there is no schema at all.
 */
MUSTCHECK bool db_schema_version(struct db *db, int *version, struct err *e);

#endif
