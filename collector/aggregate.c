/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/aggregate.h"

#include "collector/migrate.h"
#include "lib/exit.h"

static int aggregate(struct db *db, enum aggregate_scope scope, struct err *e)
{
	const char *values[] = { scope == AGGREGATE_ALL ? "true" : "false" };
	PGresult *result;

	db->notice[0] = 0;
	result = db_query(db,
	                  "select cells_recomputed, runs_counted "
	                  "from periplus.aggregate($1::boolean)",
	                  1, values, 0, e);
	if (!result)
		return EXIT_DATABASE;
	if (db->notice[0])
		printf("nothing done: %s\n", db->notice);
	else
		printf("%s new runs counted, %s cells recomputed\n",
		       PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 0));
	PQclear(result);
	return EXIT_DONE;
}

int aggregate_run(const char *conninfo, enum aggregate_scope scope,
                  struct err *e)
{
	struct db db;
	int status;

	if (!db_open(&db, conninfo, "periplus-collector aggregate", -1, e))
		return EXIT_DATABASE;
	if (migrate_check(&db, &status, e))
		status = aggregate(&db, scope, e);
	db_close(&db);
	return status;
}
