/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool - runs that no collector has acknowledged yet.
 *
 * One file a run, named after its id; ids are UUIDv7, so the order of names
 * is the order of time.  Past a size limit the oldest are dropped and
 * counted.  A run that cannot be written (disk full) is held in memory and
 * can be sent from there all the same; spool_save_held tries the disk again.
 * What can never be sent is moved to "rejected/" beside its reason.
 */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/wire.h"

#define SPOOL_DIR "spool"

struct spool_stats {
	int runs;      /* waiting, held ones included */
	int held;      /* in memory only */
	int64_t bytes; /* of all that wait */
	/* Since spool_open: */
	int64_t dropped;
	int64_t rejected;
};

struct spool;

/* Make the directory if need be and take stock of it. */
MUSTCHECK struct spool *spool_open(const char *dir, int64_t max_bytes,
                                   struct err *e);

/* Runs held in memory are lost.  NULL is allowed. */
void spool_close(struct spool *s);

/* Take stock again: another process may have added or removed files. */
MUSTCHECK bool spool_scan(struct spool *s, struct err *e);

/*
 * Add a run.  False when it could not be written: it is then held in memory,
 * and not lost while the process lives.
 */
MUSTCHECK bool spool_add(struct spool *s, const uint8_t run[WIRE_RUN_BYTES],
                         const char *json, size_t n_bytes, struct err *e);

/* Write what is held; true when nothing is left in memory only. */
MUSTCHECK bool spool_save_held(struct spool *s, struct err *e);

/*
 * Return the newest run's record and its id, or NULL when there is none;
 * free() it.  Files that are no records are rejected on the way.
 */
char *spool_newest(struct spool *s, uint8_t run[WIRE_RUN_BYTES],
                   size_t *n_bytes);

/* The run is stored: forget it. */
void spool_remove(struct spool *s, const uint8_t run[WIRE_RUN_BYTES]);

/* The run is refused for good: keep it apart, with the reason. */
void spool_reject(struct spool *s, const uint8_t run[WIRE_RUN_BYTES],
                  const char *reason);

struct spool_stats spool_stats(const struct spool *s);

/* How many rejected runs are kept. */
int spool_rejected_kept(const struct spool *s);

#endif
