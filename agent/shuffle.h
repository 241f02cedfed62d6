/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shuffle - an order that nobody can predict.
 */
#ifndef AGENT_SHUFFLE_H
#define AGENT_SHUFFLE_H

#include <stdint.h>

/*
 * Fill order with the numbers 0 to count-1, every order equally likely when
 * uniform(n) is uniform in 0 to n-1 (randombytes_uniform).
 */
void shuffle_order(uint16_t *order, int count, uint32_t (*uniform)(uint32_t n));

#endif
