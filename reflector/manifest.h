/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest - the reflector's sealed account of what it saw of a run.
 *
 * One entry for each port that is listened on, in the order of the portset,
 * whether a probe reached it or not: "nothing came" is evidence too.  A TCP
 * port that no probe reached may still have been sent a SYN; what the kernel
 * knows of it counts then.  Pure.
 */
#ifndef REFLECTOR_MANIFEST_H
#define REFLECTOR_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/token.h"
#include "lib/wire.h"
#include "reflector/halfopen.h"
#include "reflector/portset.h"
#include "reflector/session.h"

/* Who signs, and what the account is about. */
struct manifest_source {
	const char *reflector; /* its name */
	const uint8_t *receipt_key;
	const uint8_t *run;
	const struct session_view *session;
	const struct halfopen_view *halfopen;
	const struct portset_entry *listening;
	uint16_t listening_count;
	int64_t report_real_ns;
};

/* Write the sealed message; returns its length. */
size_t manifest_write(const struct manifest_source *source,
                      uint8_t out[WIRE_MESSAGE_MAX]);

#endif
