/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/message.h"

#include "collector/batch.h"

void message_close(struct message *m)
{
	zmq_msg_close(&m->peer);
	zmq_msg_close(&m->kind);
	zmq_msg_close(&m->record);
}

/* Take what is left of a message that has too many frames. */
static void drain(struct message *m, void *router)
{
	zmq_msg_t rest;
	bool more = true;

	while (more) {
		zmq_msg_init(&rest);
		if (zmq_msg_recv(&rest, router, ZMQ_DONTWAIT) < 0)
			more = false;
		else
			more = zmq_msg_more(&rest);
		zmq_msg_close(&rest);
		m->frames++;
	}
}

bool message_receive(struct message *m, void *router)
{
	zmq_msg_t *const frame[] = { &m->peer, &m->kind, &m->record };

	m->frames = 0;
	for (int i = 0; i < 3; i++)
		zmq_msg_init(frame[i]);
	for (int i = 0; i < 3; i++) {
		if (zmq_msg_recv(frame[i], router, ZMQ_DONTWAIT) < 0)
			break;
		m->frames++;
		if (!zmq_msg_more(frame[i]))
			break;
	}
	if (m->frames == 3 && zmq_msg_more(&m->record))
		drain(m, router);
	if (m->frames > 0)
		return true;
	message_close(m);
	return false;
}

bool message_has_own_name(struct message *m)
{
	const uint8_t *name = zmq_msg_data(&m->peer);

	return zmq_msg_size(&m->peer) == BATCH_PEER_BYTES && name[0] == 0;
}

bool message_is_run(struct message *m)
{
	return m->frames == 3 && zmq_msg_size(&m->kind) == 3 &&
	       memcmp(zmq_msg_data(&m->kind), "RUN", 3) == 0;
}
