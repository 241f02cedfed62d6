/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - the control ports that change every day.
 *
 * Agent and reflector draw the same high ports from the plan's seed and the
 * date, so that nobody can have a rule for them.  443/tcp is the third control
 * and needs no drawing.
 */
#ifndef LIB_CONTROL_H
#define LIB_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

enum { CONTROL_SEED_BYTES = 16, CONTROL_TCP_PORT = 443 };

struct control_ports {
	uint16_t tcp; /* 20000-59999, never in the catalogue */
	uint16_t udp;
};

/* Read a seed as plans and configurations write it: 32 hex digits. */
bool control_seed_parse(const char *text, uint8_t out[CONTROL_SEED_BYTES]);

/*
 * Draw the ports of a UTC day (clock_day): BLAKE2b of seed, day, transport
 * and a counter that steps over catalogue ports.
 */
struct control_ports control_draw(const uint8_t seed[CONTROL_SEED_BYTES],
                                  int64_t day);

#endif
