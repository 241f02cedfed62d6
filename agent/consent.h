/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consent - what a person agreed to have measured on this line.
 *
 * One small file that people can read, write and delete: "date" and
 * "classes", and what each class means.  Without it nothing is measured.
 */
#ifndef AGENT_CONSENT_H
#define AGENT_CONSENT_H

#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"

enum { CONSENT_TEXT_BYTES = 64 };

struct consent {
	uint8_t classes; /* bit set of enum consent_class; 0: none */
	int64_t date_ns; /* 0 when the file has none */
};

/* Read the file; a missing one means no consent and is no failure. */
MUSTCHECK bool consent_read(const char *path, struct consent *out,
                            struct err *e);

/* Replace the file. */
MUSTCHECK bool consent_write(const char *path, const struct consent *c,
                             struct err *e);

/* Remove the file; a missing one is no failure. */
MUSTCHECK bool consent_revoke(const char *path, struct err *e);

/* Read "basic,noisy", "basic noisy" or "all" into a bit set. */
MUSTCHECK bool consent_parse(const char *text, uint8_t *classes, struct err *e);

/* Write a bit set as "basic, noisy", or "none". */
void consent_format(uint8_t classes, char out[CONSENT_TEXT_BYTES]);

/* What agreeing to a class means, one or two sentences. */
const char *consent_meaning(uint8_t consent_class);

#endif
