/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/shuffle.h"

/* Fisher-Yates, inside out. */
void shuffle_order(uint16_t *order, int count, uint32_t (*uniform)(uint32_t n))
{
	for (int i = 0; i < count; i++) {
		uint32_t at = uniform((uint32_t)i + 1);

		order[i] = order[at];
		order[at] = (uint16_t)i;
	}
}
