/* SPDX-License-Identifier: Apache-2.0 */
/*
 * portset - which ports the reflector wants to listen on, and really does.
 *
 * Every wanted (transport, port) has a slot, a small number by which sessions
 * remember it.  The catalogue's slots never change; the control ports of
 * yesterday, today and tomorrow move through twice as many slots as they need,
 * and one that was given up is the last to be used again: no session alive can
 * mistake a new port's slot for an old one's, whatever day the clock is set
 * to.
 *
 * Whether a port is listened on is kept for each local address ("local", the
 * index of a configured listening address): a bind may fail on one of them.
 * Shared by all threads; locks by itself.
 */
#ifndef REFLECTOR_PORTSET_H
#define REFLECTOR_PORTSET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/control.h"
#include "lib/wire.h"

enum {
	PORTSET_CONTROL_SLOTS = 12,
	PORTSET_FIXED_MAX = WIRE_PORTS_MAX - PORTSET_CONTROL_SLOTS,
	PORTSET_LOCALS_MAX = 32,
};

/* A list of ports, as the configuration names them. */
struct port_list {
	uint16_t count;
	struct wire_port port[PORTSET_FIXED_MAX];
};

bool port_list_has(const struct port_list *list, uint8_t transport,
                   uint16_t port);

struct portset;

/*
 * Create the set of the fixed ports.  Control ports that are in without are
 * left out.  No control ports are in it before portset_set_day.
 */
struct portset *portset_new(const struct port_list *fixed,
                            const struct port_list *without,
                            const uint8_t seed[CONTROL_SEED_BYTES]);

/* NULL is allowed. */
void portset_free(struct portset *s);

/* Want the control ports around a UTC day; the same day again is nothing. */
void portset_set_day(struct portset *s, int64_t day);

/* Slots are 0 to this, less one; some of them are empty. */
uint16_t portset_slots(const struct portset *s);

/* What a slot stands for; port 0: an empty slot. */
struct wire_port portset_wanted(struct portset *s, uint16_t slot);

/* A socket for this slot's port was opened, or closed. */
void portset_opened(struct portset *s, uint16_t slot, uint16_t port,
                    uint8_t local);
void portset_closed(struct portset *s, uint16_t slot, uint16_t port,
                    uint8_t local);

/* Is the slot's port listened on at this local address? */
bool portset_is_open(struct portset *s, uint16_t slot, uint8_t local);

/* A port that is listened on and its slot. */
struct portset_entry {
	struct wire_port port;
	uint16_t slot;
};

/*
 * Write what is listened on at a local address; returns the count, at most
 * WIRE_PORTS_MAX.
 */
uint16_t portset_listening(struct portset *s, uint8_t local,
                           struct portset_entry out[WIRE_PORTS_MAX]);

#endif
