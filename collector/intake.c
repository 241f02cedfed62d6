/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/intake.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <zmq.h>

#include "collector/message.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	/* Messages taken before other things get their turn. */
	TURN_MAX = 256,
	REPLY_BYTES = 128,
};

#define REPORT_EVERY_NS (3600 * CLOCK_S)
#define NEVER           INT64_MAX

struct intake {
	struct intake_parts part;
	struct batch *open;  /* being filled; NULL: none is left */
	struct batch **idle; /* the others that are here */
	size_t idle_count;
	size_t batch_count;
	size_t in_store;       /* batches handed over */
	int64_t full_since_ns; /* when the last batch was used up; else NEVER */
	bool away;             /* the store said that the database is */
	bool stopping;
	int64_t stop_at_ns; /* when patience with the store ends */
	int64_t geo_at_ns;
	int64_t report_at_ns;
	int64_t watchdog_ns; /* interval; 0: nobody watches */
	int64_t watchdog_at_ns;
	uint64_t reported; /* messages received when last reported */
	int exit_status;
};

/* ---- replies ------------------------------------------------------------- */

static void reply(struct intake *in, const uint8_t *peer, const char *text)
{
	struct counters *c = in->part.counters;
	int flags = ZMQ_DONTWAIT;

	if (zmq_send(in->part.router, peer, BATCH_PEER_BYTES,
	             flags | ZMQ_SNDMORE) < 0) {
		/* It will send the run again and hear then. */
		if (zmq_errno() == EAGAIN)
			c->stuck++;
		else
			c->gone++;
		return;
	}
	if (zmq_send(in->part.router, text, strlen(text), flags) < 0)
		c->stuck++;
}

/* Half to one and a half times the setting, so that agents spread. */
static int64_t spread_wait_ns(const struct intake *in)
{
	int64_t wait_ms = in->part.config->wait_ns / CLOCK_MS;

	return (wait_ms / 2 + randombytes_uniform((uint32_t)wait_ms + 1)) *
	       CLOCK_MS;
}

static void reply_wait(struct intake *in, const uint8_t *peer, const char *run,
                       int64_t wait_ns)
{
	char text[REPLY_BYTES];

	snprintf(text, sizeof(text), "WAIT %s %" PRId64, run,
	         (wait_ns + CLOCK_S - 1) / CLOCK_S);
	reply(in, peer, text);
}

static void reply_refusal(struct intake *in, const uint8_t *peer,
                          const char *run, const char *reason)
{
	char text[REPLY_BYTES];

	snprintf(text, sizeof(text), "NAK %s %s", run, reason);
	reply(in, peer, text);
}

static void reply_stored(struct intake *in, const struct batch_row *row)
{
	bool stored = row->result == ROW_STORED;
	char text[REPLY_BYTES];
	char run[37];

	record_run_id_format(row->key + KEYS_ID_BYTES + 8, run);
	snprintf(text, sizeof(text), "ACK %s %s", run,
	         stored ? "stored" : "duplicate");
	in->part.counters->stored += stored;
	in->part.counters->duplicate += !stored;
	reply(in, row->peer, text);
}

static void reply_row(struct intake *in, const struct batch_row *row)
{
	char run[37];

	switch (row->result) {
	case ROW_STORED:
	case ROW_DUPLICATE:
		reply_stored(in, row);
		break;
	case ROW_REFUSED:
		record_run_id_format(row->key + KEYS_ID_BYTES + 8, run);
		in->part.counters->unplaced++;
		reply_refusal(in, row->peer, run, "database");
		break;
	default: /* pending: we are stopping, and the agent has it still */
		break;
	}
}

/* ---- batches ------------------------------------------------------------- */

static struct batch *take_idle(struct intake *in, int64_t now)
{
	if (in->idle_count > 0)
		return in->idle[--in->idle_count];
	in->full_since_ns = now;
	return NULL;
}

static void send_to_store(struct intake *in, struct batch *b)
{
	int n = zmq_send(store_socket(in->part.store), &b, sizeof(b), 0);

	assert(n == sizeof(b));
	(void)n;
}

static void hand_over(struct intake *in, int64_t now)
{
	send_to_store(in, in->open);
	in->in_store++;
	in->open = take_idle(in, now);
}

static bool open_has_rows(const struct intake *in)
{
	return in->open && in->open->count > 0;
}

/*
 * With the store at work, waiting makes the next batch larger; with the store
 * idle, a batch worth a commit need not wait to be full.
 */
static void hand_over_if_due(struct intake *in, int64_t now)
{
	int64_t due_ns;
	bool worth_it;

	if (!open_has_rows(in))
		return;
	due_ns = in->open->opened_ns + in->part.config->batch_max_age_ns;
	worth_it = in->open->count >= in->open->max_rows / 4;
	if (batch_is_full(in->open) ||
	    (in->in_store == 0 && (worth_it || now >= due_ns || in->stopping)))
		hand_over(in, now);
}

static void take_back(struct intake *in, struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		reply_row(in, &b->row[i]);
	batch_clear(b);
	in->in_store--;
	if (in->open) {
		in->idle[in->idle_count++] = b;
		return;
	}
	in->open = b;
	in->full_since_ns = NEVER;
}

/* ---- messages ------------------------------------------------------------ */

static void ensure_one_source(struct intake *in, int64_t now)
{
	const struct geo_source *source = geo_source_asn(in->part.geo);

	if (in->open->count > 0 &&
	    in->open->source.generation != source->generation)
		hand_over(in, now);
	if (!in->open || in->open->count > 0)
		return;
	in->open->source = *source;
	in->open->opened_ns = now;
}

static void tell_to_wait(struct intake *in, const struct admit_message *m)
{
	char run[37];

	in->part.counters->wait_busy++;
	admit_run_id(m->json, m->json_bytes, run);
	reply_wait(in, m->peer, run, spread_wait_ns(in));
}

static void on_record(struct intake *in, const struct admit_message *m)
{
	struct admit_answer answer;

	if (in->open && !in->away)
		ensure_one_source(in, m->now_ns);
	if (!in->open || in->away) {
		tell_to_wait(in, m);
		return;
	}
	admit_message(in->part.admit, in->part.geo, m, in->open, &answer);
	switch (answer.result) {
	case ADMIT_QUEUED:
		if (batch_is_full(in->open))
			hand_over(in, m->now_ns);
		break;
	case ADMIT_REFUSED:
		reply_refusal(in, m->peer, answer.run, answer.reason);
		break;
	case ADMIT_LATER:
		in->part.counters->wait_rate++;
		reply_wait(in, m->peer, answer.run, answer.wait_ns);
		break;
	case ADMIT_FOREIGN:
		in->part.counters->foreign++;
		break;
	}
}

static void on_message(struct intake *in, struct message *m, int64_t now)
{
	in->part.counters->received++;
	if (!message_has_own_name(m)) {
		in->part.counters->foreign++;
		return;
	}
	if (!message_is_run(m)) {
		in->part.counters->odd++;
		return;
	}
	/* Metadata is reliable on a payload frame only (libzmq 4.3.4). */
	const struct admit_message message = {
		.json = zmq_msg_data(&m->record),
		.json_bytes = zmq_msg_size(&m->record),
		.user = zmq_msg_gets(&m->record, "User-Id"),
		.address = zmq_msg_gets(&m->record, "Peer-Address"),
		.peer = zmq_msg_data(&m->peer),
		.now_ns = now,
		.real_ns = clock_realtime_ns(),
	};

	on_record(in, &message);
}

/* Is it a moment to leave messages where they are? */
static bool is_pausing(const struct intake *in, int64_t now)
{
	return !in->open && !in->away &&
	       now - in->full_since_ns < in->part.config->pause_max_ns;
}

static void on_router(struct intake *in, int64_t now)
{
	struct message m;

	for (int i = 0; i < TURN_MAX && !is_pausing(in, now); i++) {
		if (!message_receive(&m, in->part.router))
			break;
		on_message(in, &m, now);
		message_close(&m);
	}
}

/* ---- the store's news ---------------------------------------------------- */

static void begin_to_stop(struct intake *in, int exit_status, int64_t now)
{
	if (in->stopping)
		return;
	in->stopping = true;
	in->exit_status = exit_status;
	in->stop_at_ns = now + in->part.config->shutdown_grace_ns;
	if (in->away)
		in->stop_at_ns = now;
	sd_notify(0, "STOPPING=1");
}

static void on_news(struct intake *in, const struct store_note *note,
                    int64_t now)
{
	switch (note->news) {
	case STORE_DONE:
		take_back(in, note->batch);
		break;
	case STORE_AWAY:
		in->away = true;
		sd_notify(0, "STATUS=waiting for the database");
		break;
	case STORE_BACK:
		in->away = false;
		sd_notify(0, "STATUS=storing runs");
		break;
	case STORE_QUIT:
		in->away = true;
		begin_to_stop(in, note->exit_status, now);
		break;
	}
}

static void on_store(struct intake *in, int64_t now)
{
	struct store_note note;

	while (zmq_recv(store_socket(in->part.store), &note, sizeof(note),
	                ZMQ_DONTWAIT) == sizeof(note))
		on_news(in, &note, now);
}

/* ---- signals and the clock ----------------------------------------------- */

static void report(struct intake *in)
{
	struct zap_counts z = zap_counts(in->part.zap);
	char text[COUNTERS_TEXT_BYTES];

	counters_format(in->part.counters, text, sizeof(text));
	in->reported = in->part.counters->received;
	log_info("counters: %s; %" PRId64 " connected, %" PRIu64
	         " let in, %" PRIu64 " turned away",
	         text, z.connected, z.let_in, z.turned_away);
}

static void refresh_geo(struct intake *in)
{
	struct err e;

	switch (geo_refresh(in->part.geo, &e)) {
	case GEO_SAME:
		break;
	case GEO_RELOADED:
		log_info("geo data: reloaded %s", e.text);
		break;
	case GEO_KEPT:
		log_error("geo data: %s; keeping what was loaded before",
		          e.text);
		break;
	}
}

static void on_signal(struct intake *in, int64_t now)
{
	struct signalfd_siginfo info;

	while (read(in->part.signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			report(in);
		else if (info.ssi_signo == SIGHUP)
			refresh_geo(in);
		else
			begin_to_stop(in, EXIT_DONE, now);
	}
}

static void on_clock(struct intake *in, int64_t now)
{
	if (now >= in->geo_at_ns) {
		refresh_geo(in);
		in->geo_at_ns = now + in->part.config->geo_check_ns;
	}
	if (now >= in->report_at_ns) {
		if (in->part.counters->received != in->reported)
			report(in);
		in->report_at_ns = now + REPORT_EVERY_NS;
	}
	if (now >= in->watchdog_at_ns) {
		sd_notify(0, "WATCHDOG=1");
		in->watchdog_at_ns = now + in->watchdog_ns;
	}
	hand_over_if_due(in, now);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds until something is due, rounded up. */
static long next_wait_ms(const struct intake *in, int64_t now)
{
	int64_t at = earlier(in->geo_at_ns, in->report_at_ns);

	at = earlier(at, in->watchdog_at_ns);
	if (open_has_rows(in) && in->in_store == 0)
		at = earlier(at, in->open->opened_ns +
		                         in->part.config->batch_max_age_ns);
	if (is_pausing(in, now))
		at = earlier(at,
		             in->full_since_ns + in->part.config->pause_max_ns);
	if (in->stopping)
		at = earlier(at, in->stop_at_ns);
	if (at <= now)
		return 0;
	return (long)((at - now + CLOCK_MS - 1) / CLOCK_MS);
}

/* ---- the loop ------------------------------------------------------------ */

static void turn(struct intake *in)
{
	int64_t now = clock_monotonic_ns();
	zmq_pollitem_t items[] = {
		{ .fd = in->part.signal_fd, .events = ZMQ_POLLIN },
		{ .socket = store_socket(in->part.store),
		  .events = ZMQ_POLLIN },
		{ .socket = in->part.router, .events = ZMQ_POLLIN },
	};
	int count = in->stopping || is_pausing(in, now) ? 2 : 3;

	if (zmq_poll(items, count, next_wait_ms(in, now)) < 0)
		return;
	now = clock_monotonic_ns();
	if (items[0].revents)
		on_signal(in, now);
	if (items[1].revents)
		on_store(in, now);
	if (count == 3 && items[2].revents && !in->stopping)
		on_router(in, now);
	on_clock(in, now);
}

/* Everything that was taken is stored, or time is up. */
static void finish(struct intake *in)
{
	bool interrupted = false;

	while (in->in_store > 0 || open_has_rows(in)) {
		if (!interrupted && clock_monotonic_ns() >= in->stop_at_ns) {
			store_interrupt(in->part.store);
			in->stop_at_ns = NEVER;
			interrupted = true;
		}
		turn(in);
	}
	if (!interrupted)
		store_interrupt(in->part.store);
	send_to_store(in, NULL);
}

static void make_batches(struct intake *in)
{
	const struct config *c = in->part.config;
	size_t rows = (size_t)c->batch_max_runs;

	/* One is filled while another is stored, however small the queue. */
	in->batch_count = (size_t)c->queue_max_runs / rows;
	if (in->batch_count < 2)
		in->batch_count = 2;
	in->idle = mem_array(in->batch_count, sizeof(struct batch *));
	for (size_t i = 0; i < in->batch_count; i++)
		in->idle[i] = batch_new(rows, (size_t)c->batch_max_bytes);
	in->idle_count = in->batch_count - 1;
	in->open = in->idle[in->idle_count];
}

static void free_batches(struct intake *in)
{
	batch_free(in->open);
	for (size_t i = 0; i < in->idle_count; i++)
		batch_free(in->idle[i]);
	free(in->idle);
}

static void start_clock(struct intake *in)
{
	int64_t now = clock_monotonic_ns();
	uint64_t watchdog_us = 0;

	in->full_since_ns = NEVER;
	in->geo_at_ns = now + in->part.config->geo_check_ns;
	in->report_at_ns = now + REPORT_EVERY_NS;
	in->watchdog_at_ns = NEVER;
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		in->watchdog_ns = (int64_t)watchdog_us * 1000 / 2;
		in->watchdog_at_ns = now;
	}
}

int intake_run(const struct intake_parts *parts)
{
	struct intake in = { .part = *parts };

	make_batches(&in);
	start_clock(&in);
	sd_notify(0, "READY=1\nSTATUS=storing runs");
	while (!in.stopping)
		turn(&in);
	finish(&in);
	report(&in);
	free_batches(&in);
	return in.exit_status;
}
