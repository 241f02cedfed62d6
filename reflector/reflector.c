/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/reflector.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "reflector/worker.h"

enum {
	WORKERS_MAX = 64,
	FILES_SPARE = 64,      /* stderr, epoll sets, timers and the like */
	CONNECTIONS_LEAST = 8, /* of one worker */
};

struct reflector {
	const struct reflector_config *config;
	struct answerer answerer;
	struct worker_common common;
	int worker_count;
	struct worker *worker[WORKERS_MAX];
	struct worker_report report; /* of the first worker */
	struct loop *loop;
	struct watch signals;
	struct timer watchdog;
	int64_t watchdog_ns; /* how often to report to it; 0: never */
	bool is_stuck;       /* a worker does not answer */
};

/* ---- start -------------------------------------------------------------- */

static int core_count(void)
{
	cpu_set_t cores;

	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return 1;
	return CPU_COUNT(&cores);
}

static int choose_workers(const struct reflector_config *config)
{
	int n = config->threads > 0 ? (int)config->threads : core_count();

	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

/* Each thread's part of a limit that is meant for all. */
static uint32_t share(int64_t all, int threads)
{
	return (uint32_t)((all + threads - 1) / threads);
}

/* Raise the soft limit of descriptors to what is needed or allowed. */
static rlim_t raise_file_limit(rlim_t needed)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	if (files.rlim_cur >= needed)
		return files.rlim_cur;
	files.rlim_cur = files.rlim_max < needed ? files.rlim_max : needed;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? 0 : files.rlim_cur;
}

/*
 * Every connection that the limits let in must find a descriptor.  When the
 * system does not grant that many, hold fewer connections.
 */
static bool fit_connections(struct reflector *r, struct err *e)
{
	struct tcp_limits *limits = &r->common.tcp;
	rlim_t sockets = FILES_SPARE + (rlim_t)r->worker_count *
	                                       r->common.local_count *
	                                       portset_slots(r->common.ports);
	rlim_t needed = sockets + (rlim_t)r->worker_count * limits->connections;
	rlim_t granted = raise_file_limit(needed);
	rlim_t left = granted > sockets ? granted - sockets : 0;

	if (granted >= needed)
		return true;
	if (left / (rlim_t)r->worker_count < CONNECTIONS_LEAST)
		return err_set(e, 0,
		               "the limit of open files is %ju and %ju are "
		               "needed: raise it (LimitNOFILE, ulimit -n), or "
		               "lower threads or connections_max",
		               (uintmax_t)granted, (uintmax_t)needed);
	limits->connections = (uint32_t)(left / (rlim_t)r->worker_count);
	log_warn("the limit of open files is %ju and %ju are needed: holding "
	         "%ju connections at most; raise it (LimitNOFILE, ulimit -n)",
	         (uintmax_t)granted, (uintmax_t)needed,
	         (uintmax_t)limits->connections * (uintmax_t)r->worker_count);
	return true;
}

static void make_tables(struct reflector *r)
{
	const struct reflector_config *config = r->config;
	uint8_t key[ROSTER_KEY_BYTES];
	struct session_limits limits = {
		.sessions = (uint32_t)config->sessions_max,
		.per_prefix = (uint32_t)config->sessions_per_prefix,
	};

	randombytes_buf(key, sizeof(key));
	randombytes_buf(r->answerer.token_key, sizeof(r->answerer.token_key));
	r->answerer.name = config->name;
	r->answerer.ports =
		portset_new(&config->fixed, &config->without, config->seed);
	limits.slots = portset_slots(r->answerer.ports);
	r->answerer.sessions = sessions_new(&limits, key);
	r->answerer.halfopen = halfopen_new();
	r->answerer.local = config->local;
	r->worker_count = choose_workers(config);
	r->common = (struct worker_common){
		.answerer = &r->answerer,
		.ports = r->answerer.ports,
		.local = config->local,
		.local_count = config->local_count,
		.tcp = {
			.connections = share(config->connections_max,
		                             r->worker_count),
			.per_prefix = share(config->connections_per_prefix,
		                            r->worker_count),
			.request_timeout_ns = config->request_timeout_ns,
			.linger_timeout_ns = config->linger_timeout_ns,
		},
	};
}

static bool open_workers(struct reflector *r, enum exit_status *status,
                         struct err *e)
{
	for (int i = 0; i < r->worker_count; i++) {
		struct worker_report report;

		r->worker[i] = worker_new(&r->common, i, e);
		if (!r->worker[i])
			return false;
		report = worker_open(r->worker[i]);
		if (i == 0)
			r->report = report;
		if (report.opened > 0)
			continue;
		if (r->report.in_use > 0)
			*status = EXIT_ADDRESS_IN_USE;
		return err_set(e, 0,
		               "not one port could be listened on; the lines "
		               "above say why");
	}
	return true;
}

static void log_counters(struct reflector *r)
{
	struct counters *sets[WORKERS_MAX];
	struct session_counts sessions =
		sessions_count(r->answerer.sessions, clock_monotonic_ns());
	char text[COUNTERS_TEXT_BYTES];

	for (int i = 0; i < r->worker_count; i++)
		sets[i] = worker_counters(r->worker[i]);
	reflector_counters_format(sets, (size_t)r->worker_count, text);
	log_info("counters: sessions=%" PRIu32 " sessions-evicted=%" PRIu64
	         " %s",
	         sessions.held, sessions.evicted, text);
}

static void on_signal(struct watch *w, uint32_t epoll_events, int64_t now_ns)
{
	struct reflector *r = LOOP_CONTAINER(w, struct reflector, signals);
	struct signalfd_siginfo info;

	(void)epoll_events;
	(void)now_ns;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			loop_stop(r->loop);
		else
			log_counters(r);
	}
}

/* A worker that hangs must not hide behind this thread, which does not. */
static bool all_answered(const struct reflector *r)
{
	for (int i = 0; i < r->worker_count; i++)
		if (!worker_answered(r->worker[i]))
			return false;
	return true;
}

static void on_watchdog(struct timer *t, int64_t now_ns)
{
	struct reflector *r = LOOP_CONTAINER(t, struct reflector, watchdog);

	if (all_answered(r)) {
		sd_notify(0, "WATCHDOG=1");
		r->is_stuck = false;
		for (int i = 0; i < r->worker_count; i++)
			worker_ask(r->worker[i]);
	} else if (!r->is_stuck) {
		log_error("a worker does not answer: not feeding the "
		          "watchdog");
		r->is_stuck = true;
	}
	loop_arm(r->loop, t, now_ns + r->watchdog_ns);
}

static bool make_loop(struct reflector *r, struct err *e)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	uint64_t usec = 0;

	r->loop = loop_new(e);
	if (!r->loop)
		return false;
	if (sd_watchdog_enabled(0, &usec) > 0)
		r->watchdog_ns = (int64_t)usec * CLOCK_US / 3;
	/* Before the workers: they inherit what is blocked. */
	return loop_watch_signals(r->loop, &r->signals, signals,
	                          sizeof(signals) / sizeof(signals[0]), e);
}

struct reflector *reflector_new(const struct reflector_config *config,
                                enum exit_status *status, struct err *e)
{
	struct reflector *r = mem_alloc(sizeof(*r));

	r->config = config;
	r->signals = (struct watch){ .fd = -1, .ready = on_signal };
	r->watchdog.fire = on_watchdog;
	*status = EXIT_KEY;
	if (!file_read_key(config->receipt_key_file, r->answerer.receipt_key,
	                   sizeof(r->answerer.receipt_key), e))
		goto fail;
	*status = EXIT_FAILED;
	make_tables(r);
	if (!fit_connections(r, e) || !make_loop(r, e) ||
	    !open_workers(r, status, e))
		goto fail;
	return r;
fail:
	reflector_free(r);
	return NULL;
}

/* ---- running and ending ------------------------------------------------- */

/* Agents can do without any port but this one. */
static void warn_without_control(const struct reflector *r)
{
	struct portset_entry listening[WIRE_PORTS_MAX];
	char text[ADDR_TEXT_BYTES];

	for (uint8_t i = 0; i < r->common.local_count; i++) {
		uint16_t n = portset_listening(r->common.ports, i, listening);
		bool found = n == 0; /* nothing there: that was said */

		for (uint16_t j = 0; j < n; j++)
			found = found ||
			        (listening[j].port.transport == TRANSPORT_TCP &&
			         listening[j].port.port == CONTROL_TCP_PORT);
		addr_format(&r->common.local[i], text);
		if (!found)
			log_warn("tcp/%d is not listened on at %s: it is a "
			         "control, and runs without it count for "
			         "nothing",
			         CONTROL_TCP_PORT, text);
	}
}

/* Measuring goes on without it. */
static void warn_without_halfopen(void)
{
	struct err e;

	if (!halfopen_try(&e))
		log_warn("%s: whether TCP that is not answered has arrived "
		         "will not be known; does the system have the module "
		         "tcp_diag, and may this service use AF_NETLINK?",
		         e.text);
}

static void announce(const struct reflector *r)
{
	const struct worker_report *report = &r->report;
	int wanted = report->opened + report->failed;

	log_info("%s: listening on %d of %d sockets, %d %s", r->config->name,
	         report->opened, wanted, r->worker_count,
	         r->worker_count == 1 ? "thread" : "threads");
	sd_notifyf(0, "READY=1\nSTATUS=listening on %d of %d sockets",
	           report->opened, wanted);
}

static bool start_workers(struct reflector *r, struct err *e)
{
	for (int i = 0; i < r->worker_count; i++)
		if (!worker_start(r->worker[i], e))
			return false;
	return true;
}

static bool stop_workers(struct reflector *r)
{
	bool ok = true;

	for (int i = 0; i < r->worker_count; i++)
		worker_stop(r->worker[i]);
	for (int i = 0; i < r->worker_count; i++)
		ok = worker_join(r->worker[i]) && ok;
	return ok;
}

bool reflector_run(struct reflector *r, struct err *e)
{
	bool ok = start_workers(r, e);

	if (ok) {
		warn_without_control(r);
		warn_without_halfopen();
		announce(r);
		if (r->watchdog_ns > 0)
			loop_arm(r->loop, &r->watchdog, 0);
		ok = loop_run(r->loop, e);
	}
	sd_notify(0, "STOPPING=1");
	if (!stop_workers(r) && ok)
		ok = err_set(e, 0, "a worker failed; the lines above say why");
	log_counters(r);
	return ok;
}

void reflector_free(struct reflector *r)
{
	if (!r)
		return;
	for (int i = 0; i < WORKERS_MAX; i++)
		worker_free(r->worker[i]);
	if (r->signals.fd >= 0)
		close(r->signals.fd);
	loop_free(r->loop);
	halfopen_free(r->answerer.halfopen);
	sessions_free(r->answerer.sessions);
	portset_free(r->answerer.ports);
	sodium_memzero(&r->answerer, sizeof(r->answerer));
	free(r);
}
