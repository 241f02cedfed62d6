/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem - allocation that cannot fail.
 *
 * Out of memory ends the program with one line on stderr; the service manager
 * starts it again.  A size that comes from the network is bounded by the
 * caller before it gets here.  Free with free().
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

/* Return n bytes of zeroed memory. */
void *mem_alloc(size_t n_bytes);

/* Return a zeroed array; a product that overflows ends the program too. */
void *mem_array(size_t count, size_t size_bytes);

/* Resize an array from mem_array; new elements are not zeroed. */
void *mem_resize(void *p, size_t count, size_t size_bytes);

/* Return a copy of s. */
char *mem_strdup(const char *s);

/* Return the printf-formatted string. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
