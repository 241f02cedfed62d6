/* SPDX-License-Identifier: Apache-2.0 */
/*
 * array - a column of values as PostgreSQL takes a binary array parameter.
 *
 * Values are appended as the type's receive function wants them; the bytes
 * are a complete parameter after each.  An array without values is never
 * sent, so it has no form here.  The memory stays when one is cleared.
 */
#ifndef COLLECTOR_ARRAY_H
#define COLLECTOR_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/* Types by their numbers in pg_type, which never change. */
enum array_type {
	ARRAY_INT8 = 20,
	ARRAY_TEXT = 25,
	ARRAY_DATE = 1082,
	ARRAY_TIMESTAMPTZ = 1184,
	ARRAY_UUID = 2950,
};

struct array {
	uint8_t *bytes; /* owned */
	size_t n_bytes;
	size_t room_bytes;
	uint32_t count;
	enum array_type type;
};

/* Forget all values, if there were any; what comes is of the type. */
void array_clear(struct array *a, enum array_type type);

void array_add(struct array *a, const void *value, size_t n_bytes);

void array_fini(struct array *a);

#endif
