/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the thread that owns the database connection.
 *
 * Batches come as pointers over a PAIR socket and go back the same way, with
 * a result for every row, after the commit and never before.  With the
 * database away the batch in hand is kept and tried again; a connection that
 * is lost while committing leaves open what happened, so the same rows are
 * sent again and the key tells which are there already.  A row that the
 * database will not take is found by halving, so that it harms no other.
 */
#ifndef COLLECTOR_STORE_H
#define COLLECTOR_STORE_H

#include "collector/batch.h"
#include "lib/err.h"

enum store_news {
	STORE_DONE, /* a batch comes back */
	STORE_AWAY, /* the database is away; what is in hand is kept */
	STORE_BACK,
	STORE_QUIT, /* it never can be used: end with the status */
};

/* What the store says on its socket, as one frame of these bytes. */
struct store_note {
	enum store_news news;
	struct batch *batch; /* STORE_DONE; the receiver owns it */
	int exit_status;     /* STORE_QUIT */
};

struct store;

/*
 * Start the thread.  conninfo and receipts must outlive it; context is a ZeroMQ
 * context in which STORE_ENDPOINT is free.  NULL on failure.
 */
MUSTCHECK struct store *store_start(void *context, const char *conninfo,
                                    const struct keys_receipts *receipts,
                                    struct err *e);

/*
 * The socket that batches are sent to (8 bytes, a pointer; NULL: finish) and
 * notes are received from.  Belongs to the calling thread.
 */
void *store_socket(struct store *s);

/* Cut short whatever the thread waits for; rows in hand stay pending. */
void store_interrupt(struct store *s);

/* Wait for the thread's end and free; NULL is allowed. */
void store_stop(struct store *s);

#endif
