/* SPDX-License-Identifier: Apache-2.0 */
/* version - the one place that holds the version of all three programs. */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

#define PERIPLUS_VERSION "0.1.0"

/* When it was released: a clock that says less is wrong. */
#define PERIPLUS_RELEASED "2026-11-01T00:00:00Z"

#endif
