/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places stand in two doubly linked lists, oldest first: one of all taken
 * places, one of their prefix.  Prefixes stand in a chained hash table; there
 * are never more of them than places.  Every operation is O(1).
 */
#include "reflector/roster.h"

#include <assert.h>
#include <sodium.h>

#include "lib/mem.h"

struct link {
	uint32_t older;
	uint32_t newer;
};

struct ends {
	uint32_t oldest;
	uint32_t newest;
};

struct prefix {
	struct addr key;
	struct ends ends;
	uint32_t count; /* places held */
	uint32_t next;  /* in the hash chain, or in the list of free ones */
};

struct roster {
	uint8_t key[ROSTER_KEY_BYTES];
	uint32_t places;
	uint32_t per_prefix;
	uint32_t count;
	uint32_t free_place; /* linked by all[].newer */
	uint32_t free_prefix;
	uint32_t bucket_mask;
	struct ends ends;
	struct link *all;
	struct link *own; /* within the prefix */
	uint32_t *prefix_of;
	struct prefix *prefix;
	uint32_t *bucket;
};

static void append(struct link *links, struct ends *ends, uint32_t place)
{
	links[place] = (struct link){ ends->newest, ROSTER_NONE };
	if (ends->newest == ROSTER_NONE)
		ends->oldest = place;
	else
		links[ends->newest].newer = place;
	ends->newest = place;
}

static void detach(struct link *links, struct ends *ends, uint32_t place)
{
	struct link at = links[place];

	if (at.older == ROSTER_NONE)
		ends->oldest = at.newer;
	else
		links[at.older].newer = at.newer;
	if (at.newer == ROSTER_NONE)
		ends->newest = at.older;
	else
		links[at.newer].older = at.older;
}

static uint32_t *bucket_of(const struct roster *r, const struct addr *key)
{
	uint8_t text[sizeof(key->ip) + 1];
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t h;

	text[0] = key->family;
	memcpy(text + 1, key->ip, sizeof(key->ip));
	crypto_shorthash(hash, text, sizeof(text), r->key);
	memcpy(&h, hash, sizeof(h));
	return &r->bucket[h & r->bucket_mask];
}

static uint32_t find_prefix(const struct roster *r, const struct addr *key)
{
	uint32_t i = *bucket_of(r, key);

	while (i != ROSTER_NONE && !addr_same_host(&r->prefix[i].key, key))
		i = r->prefix[i].next;
	return i;
}

static uint32_t new_prefix(struct roster *r, const struct addr *key)
{
	uint32_t *bucket = bucket_of(r, key);
	uint32_t i = r->free_prefix;

	assert(i != ROSTER_NONE); /* there is one for each place */
	r->free_prefix = r->prefix[i].next;
	r->prefix[i] = (struct prefix){
		.key = *key,
		.ends = { ROSTER_NONE, ROSTER_NONE },
		.next = *bucket,
	};
	*bucket = i;
	return i;
}

static void drop_prefix(struct roster *r, uint32_t prefix)
{
	uint32_t *at = bucket_of(r, &r->prefix[prefix].key);

	while (*at != prefix)
		at = &r->prefix[*at].next;
	*at = r->prefix[prefix].next;
	r->prefix[prefix].next = r->free_prefix;
	r->free_prefix = prefix;
}

static uint32_t power_of_two(uint32_t least)
{
	uint32_t n = 1;

	while (n < least)
		n *= 2;
	return n;
}

struct roster *roster_new(uint32_t places, uint32_t per_prefix,
                          const uint8_t key[ROSTER_KEY_BYTES])
{
	struct roster *r = mem_alloc(sizeof(*r));

	assert(places > 0 && places < UINT32_MAX / 4 && per_prefix > 0);
	memcpy(r->key, key, sizeof(r->key));
	r->places = places;
	r->per_prefix = per_prefix;
	r->ends = (struct ends){ ROSTER_NONE, ROSTER_NONE };
	r->bucket_mask = power_of_two(places) - 1;
	r->all = mem_array(places, sizeof(*r->all));
	r->own = mem_array(places, sizeof(*r->own));
	r->prefix_of = mem_array(places, sizeof(*r->prefix_of));
	r->prefix = mem_array(places, sizeof(*r->prefix));
	r->bucket = mem_array(r->bucket_mask + 1, sizeof(*r->bucket));
	for (uint32_t i = 0; i <= r->bucket_mask; i++)
		r->bucket[i] = ROSTER_NONE;
	for (uint32_t i = 0; i < places; i++) {
		uint32_t next = i + 1 < places ? i + 1 : ROSTER_NONE;

		r->all[i].newer = next;
		r->prefix[i].next = next;
	}
	return r;
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	free(r->bucket);
	free(r->prefix);
	free(r->prefix_of);
	free(r->own);
	free(r->all);
	free(r);
}

void roster_leave(struct roster *r, uint32_t place)
{
	uint32_t prefix = r->prefix_of[place];

	detach(r->all, &r->ends, place);
	detach(r->own, &r->prefix[prefix].ends, place);
	if (--r->prefix[prefix].count == 0)
		drop_prefix(r, prefix);
	r->all[place].newer = r->free_place;
	r->free_place = place;
	r->count--;
}

struct roster_seat roster_admit(struct roster *r, const struct addr *from)
{
	struct addr key =
		addr_prefix(from, ROSTER_PREFIX4_BITS, ROSTER_PREFIX6_BITS);
	uint32_t prefix = find_prefix(r, &key);
	struct roster_seat seat = { ROSTER_NONE, false };

	if (prefix != ROSTER_NONE && r->prefix[prefix].count >= r->per_prefix)
		seat.place = r->prefix[prefix].ends.oldest;
	else if (r->free_place == ROSTER_NONE)
		seat.place = r->ends.oldest;
	if (seat.place != ROSTER_NONE) {
		seat.evicted = true;
		roster_leave(r, seat.place);
		prefix = find_prefix(r, &key); /* it may have been the last */
	}
	if (prefix == ROSTER_NONE)
		prefix = new_prefix(r, &key);

	seat.place = r->free_place; /* the evicted one's, if there was one */
	r->free_place = r->all[seat.place].newer;
	append(r->all, &r->ends, seat.place);
	append(r->own, &r->prefix[prefix].ends, seat.place);
	r->prefix_of[seat.place] = prefix;
	r->prefix[prefix].count++;
	r->count++;
	return seat;
}

void roster_renew(struct roster *r, uint32_t place)
{
	struct ends *own = &r->prefix[r->prefix_of[place]].ends;

	detach(r->all, &r->ends, place);
	append(r->all, &r->ends, place);
	detach(r->own, own, place);
	append(r->own, own, place);
}

uint32_t roster_oldest(const struct roster *r)
{
	return r->ends.oldest;
}

uint32_t roster_count(const struct roster *r)
{
	return r->count;
}
