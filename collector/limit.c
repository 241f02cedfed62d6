/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/limit.h"

#include <stdbool.h>

#include "lib/clock.h"
#include "lib/mem.h"

enum { WAYS = 8 }; /* places that one key may take */

#define HOUR (3600 * CLOCK_S)

struct slot {
	uint8_t key[LIMIT_KEY_BYTES];
	int64_t spent_until; /* free when this is not after now */
};

struct limit {
	int64_t step_ns; /* each one taken moves spent_until by this */
	size_t mask;
	struct slot *slot;
};

struct limit *limit_new(int64_t per_hour, size_t slots)
{
	struct limit *l;
	size_t n = WAYS;

	if (per_hour == 0)
		return NULL;
	while (n < slots)
		n *= 2;
	l = mem_alloc(sizeof(*l));
	l->step_ns = HOUR / per_hour;
	l->mask = n - 1;
	l->slot = mem_array(n, sizeof(*l->slot));
	return l;
}

void limit_free(struct limit *l)
{
	if (!l)
		return;
	free(l->slot);
	free(l);
}

/* Keys are hashes or addresses: mix, so that neighbours spread (FNV-1a). */
static size_t home_of(const uint8_t key[LIMIT_KEY_BYTES])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < LIMIT_KEY_BYTES; i++)
		h = (h ^ key[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 32);
}

/* The key's own slot, or else the one that is or will be free first. */
static struct slot *find(struct limit *l, const uint8_t key[LIMIT_KEY_BYTES],
                         bool *own)
{
	size_t home = home_of(key);
	struct slot *best = &l->slot[home & l->mask];

	for (size_t i = 0; i < WAYS; i++) {
		struct slot *s = &l->slot[(home + i) & l->mask];

		*own = memcmp(s->key, key, LIMIT_KEY_BYTES) == 0;
		if (*own)
			return s;
		if (s->spent_until < best->spent_until)
			best = s;
	}
	return best;
}

int64_t limit_take(struct limit *l, const uint8_t key[LIMIT_KEY_BYTES],
                   int64_t now_ns)
{
	struct slot *s;
	int64_t spent;
	bool own;

	if (!l)
		return 0;
	s = find(l, key, &own);
	spent = own && s->spent_until > now_ns ? s->spent_until : now_ns;
	if (spent + l->step_ns > now_ns + HOUR)
		return spent + l->step_ns - now_ns - HOUR;
	memcpy(s->key, key, LIMIT_KEY_BYTES);
	s->spent_until = spent + l->step_ns;
	return 0;
}
