/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a run record: what is accepted has one encoded form, which is
 * accepted again and does not change any more.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record r;
	char where[64];
	size_t n;
	size_t m;

	if (record_decode((const char *)data, size, &r, where) != RECORD_OK) {
		if (strnlen(where, sizeof(where)) == sizeof(where))
			abort();
		return 0;
	}

	char *first = record_encode(&r, &n);

	if (n <= RECORD_JSON_MAX) {
		if (record_decode(first, n, &r, where) != RECORD_OK)
			abort();

		char *second = record_encode(&r, &m);

		if (n != m || memcmp(first, second, n) != 0)
			abort();
		free(second);
	}
	free(first);
	return 0;
}
