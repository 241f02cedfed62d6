/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   +---------------+----------+---------+----------+------------+--------
 *   | dimensions 1  | nulls 0  | type    | count    | lowest 1   | values
 *   +---------------+----------+---------+----------+------------+--------
 *   0               4          8         12         16           20
 *
 * A value is its length, four bytes, and its bytes.
 */
#include "collector/array.h"

#include "lib/mem.h"
#include "lib/wire.h"

enum {
	HEAD_BYTES = 20,
	COUNT_AT = 12,
	FIRST_ROOM_BYTES = 1024,
};

static void make_room(struct array *a, size_t n)
{
	size_t room = a->room_bytes > 0 ? a->room_bytes : FIRST_ROOM_BYTES;

	while (n > room - a->n_bytes)
		room *= 2;
	if (room == a->room_bytes)
		return;
	a->bytes = mem_resize(a->bytes, room, 1);
	a->room_bytes = room;
}

void array_clear(struct array *a, enum array_type type)
{
	struct wr w;

	a->n_bytes = 0;
	a->count = 0;
	a->type = type;
	make_room(a, HEAD_BYTES);
	w = wr_of(a->bytes, HEAD_BYTES);
	wr_u32(&w, 1);
	wr_u32(&w, 0);
	wr_u32(&w, type);
	wr_u32(&w, 0);
	wr_u32(&w, 1);
	a->n_bytes = HEAD_BYTES;
}

void array_add(struct array *a, const void *value, size_t n_bytes)
{
	struct wr count;
	struct wr w;

	make_room(a, 4 + n_bytes);
	w = wr_of(a->bytes + a->n_bytes, 4 + n_bytes);
	wr_u32(&w, (uint32_t)n_bytes);
	wr_bytes(&w, value, n_bytes);
	a->n_bytes += 4 + n_bytes;
	a->count++;
	count = wr_of(a->bytes + COUNT_AT, 4);
	wr_u32(&count, a->count);
}

void array_fini(struct array *a)
{
	free(a->bytes);
	*a = (struct array){ 0 };
}
