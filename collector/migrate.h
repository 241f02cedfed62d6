/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate - bring the database's schema to what this program was built with,
 * and tell whether it is there.
 */
#ifndef COLLECTOR_MIGRATE_H
#define COLLECTOR_MIGRATE_H

#include "collector/db.h"

/*
 * Does the schema have this program's version?  If not, e says what to do and
 * *exit_status is EXIT_SCHEMA_OLD, EXIT_SCHEMA_NEW, or EXIT_DATABASE when
 * asking failed.
 */
MUSTCHECK bool migrate_check(struct db *db, int *exit_status, struct err *e);

/*
 * Apply the migrations that the database has not had, each in a transaction
 * of its own, then the seed.  Returns an exit status.
 */
int migrate_run(const char *conninfo, struct err *e);

#endif
