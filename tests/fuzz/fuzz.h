/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz - the entry point of every fuzz target.
 *
 * libFuzzer calls it with inputs that it makes; tests/fuzz/replay.c with files.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Abort when a property is broken; return 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
