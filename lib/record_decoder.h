/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_decoder - the steps that record_decode.c and record_evidence.c share.
 *
 * Each step reads what comes next into place, or keeps the first fault with
 * the name of the field and is false from then on.
 */
#ifndef LIB_RECORD_DECODER_H
#define LIB_RECORD_DECODER_H

#include "lib/json_reader.h"
#include "lib/record.h"
#include "lib/record_keys.h"

enum {
	RECORD_WHERE_BYTES = 64,
	RECORD_WORD_BYTES = 64, /* longer than any word or address */
};

struct decoder {
	struct json_reader r;
	struct record *out;
	enum record_fault fault;
	char *where;
	int column_count[COLUMNS];
};

/* Note the fault and the field that is to blame; returns false. */
bool decoder_blame(struct decoder *d, enum record_fault fault, const char *fmt,
                   ...) __attribute__((format(printf, 3, 4)));

/* Is this the first character of what comes next?  If not, pass over it. */
bool decoder_comes(struct decoder *d, char first, const char *name);

bool decoder_integer(struct decoder *d, const char *name, int64_t least,
                     int64_t most, int64_t *out);

/* A string of 1 to out_bytes - 1 printable characters. */
bool decoder_text(struct decoder *d, const char *name, char *out,
                  size_t out_bytes);

/* Remember that a key came; false when it came before. */
bool decoder_mark(struct decoder *d, uint32_t *met, int key, const char *name);

/* Did all the keys come? */
bool decoder_complete(struct decoder *d, uint32_t met, const char *const *names,
                      int count);

/* The whole list of evidence. */
bool decoder_evidence(struct decoder *d, const char *name);

#endif
