/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poison - functions that nobody here may call.
 *
 * Included before every file by the Makefile; the system headers that declare
 * the names come first.
 */
#ifndef LIB_POISON_H
#define LIB_POISON_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Macros with _FORTIFY_SOURCE under clang, which does not poison macros. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll gets

#endif
