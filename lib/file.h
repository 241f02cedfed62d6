/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file - whole small files, read and replaced safely.
 */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

/*
 * Read a file of at most max_bytes; the result has a 0 after its last byte
 * and is the caller's to free().  n_bytes may be NULL.
 */
MUSTCHECK char *file_read(const char *path, size_t max_bytes, size_t *n_bytes,
                          struct err *e);

/*
 * The same for secrets: refuses a file that anybody but its owner can read or
 * write; one that belongs to root may be readable by its group.
 */
MUSTCHECK char *file_read_secret(const char *path, size_t max_bytes,
                                 size_t *n_bytes, struct err *e);

/* Stands in the names of unfinished files; a crash may leave some behind. */
#define FILE_TEMPORARY_MARK ".tmp-"

/*
 * Replace path by n bytes: written to a temporary name beside it, synced,
 * renamed, directory synced.  On failure the old content is untouched and no
 * temporary file is left; only when the last step fails is the new content
 * there, but not certain to survive a loss of power.
 */
MUSTCHECK bool file_replace(const char *path, const void *bytes, size_t n_bytes,
                            mode_t mode, struct err *e);

/* Read a key of n bytes written as hex on the first line of such a file. */
MUSTCHECK bool file_read_key(const char *path, uint8_t *out, size_t n_bytes,
                             struct err *e);

#endif
