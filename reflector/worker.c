/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "reflector/listener.h"
#include "reflector/udp.h"

/* How long accepting rests when descriptors or memory have run out. */
static const int64_t pause_ns = 100 * CLOCK_MS;

/* How long the log is silent about it after it said so. */
static const int64_t quiet_ns = 300 * CLOCK_S;

/* A socket for one port at one local address. */
struct port_socket {
	struct watch watch;
	struct worker *owner;
	struct wire_port port;    /* port 0: not open */
	struct wire_port refused; /* could not be opened, and said so */
	uint16_t slot;
	uint8_t local;
};

struct worker {
	const struct worker_common *common;
	int number;
	int64_t day; /* whose control ports are open */
	bool is_running;
	pthread_t thread;
	struct loop *loop;
	struct tcp *tcp;
	struct counters counters;
	struct watch wake;     /* eventfd, written from outside */
	struct watch midnight; /* timerfd */
	struct timer resume;   /* armed while accepting rests */
	int64_t said_short_ns; /* when the log last said that it rests */
	bool usable[PORTSET_LOCALS_MAX];
	_Atomic bool stop;
	_Atomic bool failed;
	_Atomic uint32_t asked;
	_Atomic uint32_t answered;
	int socket_count;
	struct port_socket *socket;
};

/* ---- what the sockets say ---------------------------------------------- */

static struct arrival arrival_at(const struct port_socket *s, int64_t now_ns)
{
	return (struct arrival){
		.transport = s->port.transport,
		.local = s->local,
		.port = s->port.port,
		.slot = s->slot,
		.now_ns = now_ns,
	};
}

/* A listening socket stays ready while it cannot be served: do not look. */
static void watch_listeners(struct worker *w, uint32_t epoll_events)
{
	for (int i = 0; i < w->socket_count; i++) {
		struct port_socket *s = &w->socket[i];

		if (s->port.port != 0 && s->port.transport == TRANSPORT_TCP)
			loop_rewatch(w->loop, &s->watch, epoll_events);
	}
}

static void on_resume(struct timer *t, int64_t now_ns)
{
	struct worker *w = LOOP_CONTAINER(t, struct worker, resume);

	(void)now_ns;
	watch_listeners(w, EPOLLIN);
}

/* Those that wait stay in the kernel's queue meanwhile. */
static void rest(struct worker *w, int64_t now_ns)
{
	count(&w->counters, COUNT_ACCEPT_PAUSED);
	if (w->said_short_ns == 0 || now_ns - w->said_short_ns > quiet_ns) {
		log_warn("out of file descriptors or memory: new connections "
		         "have to wait; raise LimitNOFILE or lower "
		         "connections_max");
		w->said_short_ns = now_ns;
	}
	watch_listeners(w, 0);
	loop_arm(w->loop, &w->resume, now_ns + pause_ns);
}

static void on_connections(struct watch *watch, uint32_t epoll_events,
                           int64_t now_ns)
{
	struct port_socket *s =
		LOOP_CONTAINER(watch, struct port_socket, watch);
	struct worker *w = s->owner;
	struct arrival where = arrival_at(s, now_ns);

	(void)epoll_events;
	if (tcp_accept(w->tcp, watch->fd, &where) == TCP_NO_FILES)
		rest(w, now_ns);
}

static void on_datagrams(struct watch *watch, uint32_t epoll_events,
                         int64_t now_ns)
{
	struct port_socket *s =
		LOOP_CONTAINER(watch, struct port_socket, watch);
	struct arrival where = arrival_at(s, now_ns);

	(void)epoll_events;
	udp_serve(watch->fd, s->owner->common->answerer, &s->owner->counters,
	          &where);
}

/* ---- opening and closing them ------------------------------------------ */

static void close_socket(struct port_socket *s)
{
	struct worker *w = s->owner;
	int fd = s->watch.fd;

	loop_unwatch(w->loop, &s->watch);
	close(fd);
	portset_closed(w->common->ports, s->slot, s->port.port, s->local);
	s->port = (struct wire_port){ 0 };
}

static bool open_socket(struct port_socket *s, struct wire_port port,
                        enum listener_claim claim, struct err *e)
{
	struct worker *w = s->owner;
	struct addr local = w->common->local[s->local];
	int fd;

	local.port = port.port;
	fd = listener_open(&local, port.transport, claim, e);
	if (fd < 0)
		return false;
	s->watch.ready =
		port.transport == TRANSPORT_TCP ? on_connections : on_datagrams;
	if (!loop_watch(w->loop, &s->watch, fd, EPOLLIN, e)) {
		close(fd);
		return false;
	}
	s->port = port;
	portset_opened(w->common->ports, s->slot, port.port, s->local);
	return true;
}

/*
 * Make a socket what the portset wants it to be.  A port that was refused is
 * not tried again: whoever has it may let us in beside them later, and would
 * then take half of our packets.
 */
static void adjust(struct port_socket *s, enum listener_claim claim,
                   struct worker_report *report)
{
	struct wire_port want =
		portset_wanted(s->owner->common->ports, s->slot);
	struct err e = { 0 };

	if (s->port.port != 0 && !wire_port_same(s->port, want))
		close_socket(s);
	if (want.port == 0)
		return;
	if (s->port.port != 0) {
		report->opened++;
		return;
	}
	if (!wire_port_same(s->refused, want) &&
	    open_socket(s, want, claim, &e)) {
		report->opened++;
		return;
	}
	report->failed++;
	report->in_use += e.code == EADDRINUSE;
	if (s->owner->number == 0 && !wire_port_same(s->refused, want))
		log_warn("%s", e.text);
	s->refused = want;
}

/* What the first worker did not get, the others leave alone. */
static void follow_first(struct port_socket *s)
{
	struct portset *ports = s->owner->common->ports;

	if (!portset_is_open(ports, s->slot, s->local))
		s->refused = portset_wanted(ports, s->slot);
}

static void try_locals(struct worker *w)
{
	for (uint8_t i = 0; i < w->common->local_count; i++) {
		struct err e;

		w->usable[i] = listener_try(&w->common->local[i], &e);
		if (!w->usable[i] && w->number == 0)
			log_warn("%s; none of its ports are listened on",
			         e.text);
	}
}

static struct worker_report adjust_all(struct worker *w,
                                       enum listener_claim claim)
{
	struct worker_report report = { 0 };

	for (int i = 0; i < w->socket_count; i++) {
		struct port_socket *s = &w->socket[i];

		if (w->usable[s->local])
			adjust(s, claim, &report);
		else if (portset_wanted(w->common->ports, s->slot).port != 0)
			report.failed++;
	}
	return report;
}

/* ---- midnight ----------------------------------------------------------- */

/* Wake at the next midnight, or as soon as somebody sets the clock. */
static void await_midnight(const struct worker *w)
{
	struct itimerspec at = {
		.it_value.tv_sec = (w->day + 1) * (CLOCK_DAY / CLOCK_S),
	};

	/* Can only fail for a wrong argument, and there is none. */
	timerfd_settime(w->midnight.fd,
	                TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
}

static int64_t today(void)
{
	return clock_day(clock_realtime_ns());
}

/* A clock that is set between reading it and arming would go unnoticed. */
static void enter_today(struct worker *w)
{
	do {
		w->day = today();
		await_midnight(w);
	} while (w->day != today());
	portset_set_day(w->common->ports, w->day);
}

static void on_midnight(struct watch *watch, uint32_t epoll_events,
                        int64_t now_ns)
{
	struct worker *w = LOOP_CONTAINER(watch, struct worker, midnight);
	struct worker_report report;
	int64_t old_day = w->day;
	uint64_t times;

	(void)epoll_events;
	(void)now_ns;
	/* Fails with ECANCELED when the clock was set: just as good. */
	if (read(watch->fd, &times, sizeof(times)) < 0 && errno == EAGAIN)
		return;
	enter_today(w);
	if (w->day == old_day)
		return;
	report = adjust_all(w, LISTENER_NEXT);
	if (w->number == 0)
		log_info("control ports drawn again: listening on %d of %d "
		         "sockets",
		         report.opened, report.opened + report.failed);
}

/* ---- the thread --------------------------------------------------------- */

static void on_wake(struct watch *watch, uint32_t epoll_events, int64_t now_ns)
{
	struct worker *w = LOOP_CONTAINER(watch, struct worker, wake);
	uint64_t times;

	(void)epoll_events;
	(void)now_ns;
	if (read(watch->fd, &times, sizeof(times)) < 0)
		return;
	atomic_store(&w->answered, atomic_load(&w->asked));
	if (atomic_load(&w->stop))
		loop_stop(w->loop);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct err e;

	if (!loop_run(w->loop, &e)) {
		log_error("worker %d: %s", w->number, e.text);
		atomic_store(&w->failed, true);
		kill(getpid(), SIGTERM); /* one thread less is not service */
	}
	return NULL;
}

static void wake(struct worker *w)
{
	uint64_t one = 1;

	/* Fails only when it is full of wakes already. */
	if (write(w->wake.fd, &one, sizeof(one)) < 0)
		return;
}

static bool watch_new(struct loop *l, struct watch *w, int fd, struct err *e)
{
	if (fd < 0)
		return err_set(e, errno, "cannot make a descriptor");
	if (loop_watch(l, w, fd, EPOLLIN, e))
		return true;
	close(fd);
	return false;
}

static void make_sockets(struct worker *w)
{
	uint16_t slots = portset_slots(w->common->ports);

	w->socket_count = slots * w->common->local_count;
	w->socket = mem_array((size_t)w->socket_count, sizeof(*w->socket));
	for (int i = 0; i < w->socket_count; i++)
		w->socket[i] = (struct port_socket){
			.watch.fd = -1,
			.owner = w,
			.slot = (uint16_t)(i % slots),
			.local = (uint8_t)(i / slots),
		};
}

struct worker *worker_new(const struct worker_common *common, int number,
                          struct err *e)
{
	struct worker *w = mem_alloc(sizeof(*w));
	uint8_t key[ROSTER_KEY_BYTES];

	w->common = common;
	w->number = number;
	w->wake = (struct watch){ .fd = -1, .ready = on_wake };
	w->midnight = (struct watch){ .fd = -1, .ready = on_midnight };
	w->resume.fire = on_resume;
	w->loop = loop_new(e);
	if (!w->loop ||
	    !watch_new(w->loop, &w->wake,
	               eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), e) ||
	    !watch_new(w->loop, &w->midnight,
	               timerfd_create(CLOCK_REALTIME,
	                              TFD_NONBLOCK | TFD_CLOEXEC),
	               e)) {
		worker_free(w);
		return NULL;
	}
	randombytes_buf(key, sizeof(key));
	w->tcp = tcp_new(w->loop, common->answerer, &w->counters, &common->tcp,
	                 key);
	make_sockets(w);
	return w;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	for (int i = 0; i < w->socket_count; i++)
		if (w->socket[i].port.port != 0)
			close_socket(&w->socket[i]);
	free(w->socket);
	tcp_free(w->tcp);
	if (w->midnight.fd >= 0)
		close(w->midnight.fd);
	if (w->wake.fd >= 0)
		close(w->wake.fd);
	loop_free(w->loop);
	free(w);
}

struct worker_report worker_open(struct worker *w)
{
	enter_today(w);
	try_locals(w);
	if (w->number == 0)
		return adjust_all(w, LISTENER_FIRST);
	for (int i = 0; i < w->socket_count; i++)
		follow_first(&w->socket[i]);
	return adjust_all(w, LISTENER_NEXT);
}

bool worker_start(struct worker *w, struct err *e)
{
	int code = pthread_create(&w->thread, NULL, run, w);

	if (code != 0)
		return err_set(e, code, "cannot start a thread");
	w->is_running = true;
	return true;
}

void worker_stop(struct worker *w)
{
	atomic_store(&w->stop, true);
	wake(w);
}

bool worker_join(struct worker *w)
{
	if (w->is_running)
		pthread_join(w->thread, NULL);
	w->is_running = false;
	return !atomic_load(&w->failed);
}

void worker_ask(struct worker *w)
{
	atomic_fetch_add(&w->asked, 1);
	wake(w);
}

bool worker_answered(const struct worker *w)
{
	return atomic_load(&w->answered) == atomic_load(&w->asked);
}

struct counters *worker_counters(struct worker *w)
{
	return &w->counters;
}
