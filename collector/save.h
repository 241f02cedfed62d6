/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save - rows of a batch into the database, all or none.
 *
 * Asks which runs are stored already, copies the others into periplus.run,
 * tells of them what the aggregation and the lookups need, and commits.
 */
#ifndef COLLECTOR_SAVE_H
#define COLLECTOR_SAVE_H

#include "collector/batch.h"
#include "collector/db.h"

struct save;

struct save *save_new(void);

/* NULL is allowed. */
void save_free(struct save *s);

/*
 * Store what is pending among the rows from..to, in the order of keys, of a
 * batch that is sorted and patched.  On success none of them is pending.  On
 * failure those that were known already are not, and unless the connection is
 * lost a transaction is left to be rolled back.
 */
MUSTCHECK bool save_rows(struct save *s, struct db *db, struct batch *b,
                         size_t from, size_t to, struct err *e);

#endif
