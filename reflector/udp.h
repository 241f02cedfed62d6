/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp - datagrams in, echoes out.
 */
#ifndef REFLECTOR_UDP_H
#define REFLECTOR_UDP_H

#include "reflector/answer.h"

/*
 * Read what waits on a socket, a bounded number, and answer what deserves it.
 * where holds all but the sender and the real time.
 */
void udp_serve(int fd, const struct answerer *me, struct counters *counters,
               const struct arrival *where);

#endif
