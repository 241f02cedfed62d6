/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/migrate.h"

#include "collector/migrations.h"
#include "lib/exit.h"
#include "lib/value.h"

/* Two migrations at a time wait for one another: "peri" as a number. */
#define LOCK   "select pg_catalog.pg_advisory_lock(1885696617)"
#define UNLOCK "select pg_catalog.pg_advisory_unlock(1885696617)"

static int newest(void)
{
	int version = 0;

	for (const struct migration *m = migrations; m->version > 0; m++)
		version = m->version;
	return version;
}

static bool compare(int found, int *exit_status, struct err *e)
{
	int wanted = newest();

	if (found == wanted)
		return true;
	if (found < wanted) {
		*exit_status = EXIT_SCHEMA_OLD;
		return err_set(e, 0,
		               "database: the schema has version %d and this "
		               "program needs %d: run 'periplus-collector "
		               "migrate'",
		               found, wanted);
	}
	*exit_status = EXIT_SCHEMA_NEW;
	return err_set(e, 0,
	               "database: the schema has version %d and this program "
	               "knows only %d: install a newer periplus-collector",
	               found, wanted);
}

bool migrate_check(struct db *db, int *exit_status, struct err *e)
{
	int found;

	*exit_status = EXIT_DATABASE;
	if (!db_schema_version(db, &found, e))
		return false;
	return compare(found, exit_status, e);
}

/* ---- applying ------------------------------------------------------------ */

static bool note_version(struct db *db, const struct migration *m,
                         struct err *e)
{
	char version[VALUE_TEXT_BYTES];
	const char *values[] = { version, m->name };
	PGresult *result;

	value_format_int(m->version, version);
	result = db_query(db,
	                  "insert into periplus.schema_version (version, name) "
	                  "values ($1, $2)",
	                  2, values, 0, e);
	PQclear(result);
	return result != NULL;
}

static bool apply(struct db *db, const struct migration *m, struct err *e)
{
	if (db_run(db, "begin", e) && db_run(db, m->sql, e) &&
	    note_version(db, m, e) && db_run(db, "commit", e)) {
		printf("applied %04d %s\n", m->version, m->name);
		return true;
	}
	return err_prefix(e, "migration %04d %s", m->version, m->name);
}

static bool seed(struct db *db, struct err *e)
{
	if (db_run(db, "begin", e) && db_run(db, migrations_seed, e) &&
	    db_run(db, "select periplus.partitions_ahead(8)", e) &&
	    db_run(db, "commit", e))
		return true;
	return err_prefix(e, "seed");
}

static int upgrade(struct db *db, struct err *e)
{
	int status;
	int found;

	if (!db_run(db, LOCK, e) || !db_schema_version(db, &found, e))
		return EXIT_DATABASE;
	if (found > newest()) {
		if (compare(found, &status, e))
			return EXIT_FAILED;
		return status;
	}
	for (const struct migration *m = migrations; m->version > 0; m++) {
		if (m->version > found && !apply(db, m, e))
			return EXIT_FAILED;
	}
	if (!seed(db, e) || !db_run(db, UNLOCK, e))
		return EXIT_FAILED;
	printf("schema version %d\n", newest());
	return EXIT_DONE;
}

int migrate_run(const char *conninfo, struct err *e)
{
	struct db db;
	int status;

	if (!db_open(&db, conninfo, "periplus-collector migrate", -1, e))
		return EXIT_DATABASE;
	status = upgrade(&db, e);
	db_close(&db);
	return status;
}
