/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - the frames of one message on the ROUTER.
 *
 * The first is the ROUTER's own name for the connection; agents send two more,
 * "RUN" and the record.  Whatever has another shape is taken whole as well, so
 * that the next message begins where it should, and is for the caller to drop.
 */
#ifndef COLLECTOR_MESSAGE_H
#define COLLECTOR_MESSAGE_H

#include <stdbool.h>
#include <zmq.h>

struct message {
	zmq_msg_t peer;
	zmq_msg_t kind;
	zmq_msg_t record;
	int frames; /* that came, also when more than three */
};

/* Take a message without waiting; false when there is none. */
bool message_receive(struct message *m, void *router);

/* Release what message_receive took. */
void message_close(struct message *m);

/*
 * Was the connection's name made up by the ROUTER?  Such begin with 0; agents
 * choose none, and whoever does cannot choose such.
 */
bool message_has_own_name(struct message *m);

/* Has it the two frames of a run? */
bool message_is_run(struct message *m);

#endif
