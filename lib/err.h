/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the reason why something failed, as a value.
 *
 * Lives on the caller's stack; nothing to free.  Functions that can fail take
 * a struct err last and return false after err_set(), so that
 * "return err_set(e, errno, "cannot open %s", path);" is the whole failure
 * path.  Text is lower case, names the object, has no final period.  The layer
 * that decides what to do about it is the one that logs it.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <stdbool.h>

#define MUSTCHECK __attribute__((warn_unused_result))

struct err {
	int code; /* an errno value, or 0 when none applies */
	char text[512];
};

/*
 * Fill in e and return false.  When code is not 0 the text gains
 * ": " and strerror(code).
 */
bool err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put the formatted context and ": " before the text; returns false. */
bool err_prefix(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
