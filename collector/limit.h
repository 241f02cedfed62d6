/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit - how often each of very many keys may do something.
 *
 * A table of fixed size: a crowd of new keys cannot make it grow.  Each entry
 * is one moment, the time at which the key would have spent its allowance at
 * an even pace (the "generic cell rate algorithm"), so an entry whose moment
 * has passed says nothing and its place is free.  When all places that a key
 * may take are in use the entry nearest to being free gives way: under a
 * flood the limit errs on the side of allowing.
 *
 * Pure: the caller passes the time in.
 */
#ifndef COLLECTOR_LIMIT_H
#define COLLECTOR_LIMIT_H

#include <stddef.h>
#include <stdint.h>

enum { LIMIT_KEY_BYTES = 16 };

struct limit;

/*
 * Allow per_hour, all of which may come at once; slots is rounded up to a
 * power of two.  per_hour 0 gives NULL: no limit.
 */
struct limit *limit_new(int64_t per_hour, size_t slots);

/* NULL is allowed. */
void limit_free(struct limit *l);

/*
 * Take one at now.  Returns 0, or how many nanoseconds to wait when the key
 * has spent its allowance (nothing is taken then).  l NULL allows all.
 */
int64_t limit_take(struct limit *l, const uint8_t key[LIMIT_KEY_BYTES],
                   int64_t now_ns);

#endif
