/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster - who gets a place when there are fewer places than comers.
 *
 * A fixed number of numbered places.  Each occupant is known by its source
 * address and belongs to a source prefix (/24, /48).  A prefix that already
 * holds as many places as it may loses its own oldest place to its newcomer;
 * when all places are taken the oldest of all goes.  So a flood from one
 * network costs only that network.  Used for sessions and for connections:
 * the caller keeps what sits in a place, in an array of its own.
 *
 * Allocates once, at start.  Pure: no clock; order is the order of calls.
 */
#ifndef REFLECTOR_ROSTER_H
#define REFLECTOR_ROSTER_H

#include <stdint.h>

#include "lib/addr.h"

enum {
	ROSTER_PREFIX4_BITS = 24,
	ROSTER_PREFIX6_BITS = 48,
	ROSTER_KEY_BYTES = 16,
};

/* Stands for no place. */
#define ROSTER_NONE UINT32_MAX

struct roster;

/* A place and what had to happen to make it free. */
struct roster_seat {
	uint32_t place;
	/* The place was somebody's until now: clear it before using it. */
	bool evicted;
};

/*
 * Create a roster.  The key is random, so that nobody outside can choose
 * prefixes that all hash alike.
 */
struct roster *roster_new(uint32_t places, uint32_t per_prefix,
                          const uint8_t key[ROSTER_KEY_BYTES]);

/* NULL is allowed. */
void roster_free(struct roster *r);

/* Give a place to a newcomer; always succeeds. */
struct roster_seat roster_admit(struct roster *r, const struct addr *from);

/* Give a place back. */
void roster_leave(struct roster *r, uint32_t place);

/* Make the occupant of a place the newest of all and of its prefix. */
void roster_renew(struct roster *r, uint32_t place);

/* The place whose occupant came first, or ROSTER_NONE. */
uint32_t roster_oldest(const struct roster *r);

uint32_t roster_count(const struct roster *r);

#endif
