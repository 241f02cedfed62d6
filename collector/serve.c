/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/serve.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "collector/intake.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"

/* "Only peers that the ZAP handler has seen": a draft, but in every 4.3. */
#define OPTION_ZAP_ENFORCE_DOMAIN 93

enum {
	/* Of each agent, in messages of up to RECORD_JSON_MAX. */
	RECEIVE_QUEUE = 4,
	SEND_QUEUE = 1000,
	/* Of CURVE, counted by MAXMSGSIZE, and enough for a record that is
	 * only just too long to be told so. */
	FRAME_OVERHEAD_BYTES = 33 + 4096,
	HANDSHAKE_MS = 5000,
	BACKLOG = 4096,
	LINGER_MS = 500, /* for the last acknowledgements */
	/* Descriptors beside the agents' connections. */
	OWN_DESCRIPTORS = 64,
};

struct serve {
	const struct config *config;
	struct keys_pair pair;
	struct keys_receipts receipts;
	uint8_t line_key[KEYS_LINE_BYTES];
	struct geo *geo;
	int signal_fd;
	void *context;
	void *router;
	struct zap *zap;
	struct store *store;
	struct counters counters;
	struct admit *admit;
};

/* ---- 1. files ------------------------------------------------------------ */

static int load_files(struct serve *s, struct err *e)
{
	const struct config *c = s->config;

	if (!c->key_file || !c->line_key_file || !c->receipt_keys) {
		err_set(e, 0,
		        "key_file, line_key_file and receipt_keys must be "
		        "set");
		return EXIT_CONFIG;
	}
	if (!keys_pair_load(c->key_file, &s->pair, e) ||
	    !file_read_key(c->line_key_file, s->line_key, KEYS_LINE_BYTES, e) ||
	    !keys_receipts_load(c->receipt_keys, &s->receipts, e))
		return EXIT_KEY;
	s->geo = geo_open(c->geo_asn, c->geo_country, e);
	return s->geo ? EXIT_DONE : EXIT_GEO;
}

/* ---- 2. signals, before any thread is there to inherit them -------------- */

static int open_signals(struct serve *s, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd >= 0)
		return EXIT_DONE;
	err_set(e, errno, "cannot make a signalfd");
	return EXIT_FAILED;
}

/*
 * At the descriptor limit libzmq's thread would spin: stay below it.  Returns
 * how many connections there may be.
 */
static int64_t connections_allowed(const struct config *c)
{
	int64_t wanted = c->max_connections + OWN_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return c->max_connections;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= (rlim_t)wanted)
		return c->max_connections;
	log_warn("the descriptor limit is %lld: at most %lld agents at a "
	         "time instead of %lld (raise LimitNOFILE to %lld)",
	         (long long)limit.rlim_cur,
	         (long long)limit.rlim_cur - OWN_DESCRIPTORS,
	         (long long)c->max_connections, (long long)wanted);
	return (int64_t)limit.rlim_cur - OWN_DESCRIPTORS;
}

/* ---- 3. sockets ---------------------------------------------------------- */

static bool set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static bool set_limits(void *router)
{
	int64_t longest = RECORD_JSON_MAX + FRAME_OVERHEAD_BYTES;

	return set_int(router, ZMQ_RCVHWM, RECEIVE_QUEUE) &&
	       set_int(router, ZMQ_SNDHWM, SEND_QUEUE) &&
	       zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &longest,
	                      sizeof(longest)) == 0 &&
	       set_int(router, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
	       set_int(router, ZMQ_BACKLOG, BACKLOG) &&
	       set_int(router, ZMQ_LINGER, LINGER_MS);
}

static bool set_network(void *router)
{
	return set_int(router, ZMQ_IPV6, 1) &&
	       set_int(router, ZMQ_ROUTER_MANDATORY, 1) &&
	       set_int(router, ZMQ_TCP_KEEPALIVE, 1) &&
	       set_int(router, ZMQ_TCP_KEEPALIVE_IDLE, 60) &&
	       set_int(router, ZMQ_TCP_KEEPALIVE_INTVL, 15) &&
	       set_int(router, ZMQ_TCP_KEEPALIVE_CNT, 4);
}

/* Without the enforced domain a missing handler would let anybody in. */
static bool set_security(void *router, const struct keys_pair *pair)
{
	return set_int(router, ZMQ_CURVE_SERVER, 1) &&
	       zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, pair->secret_key,
	                      KEYS_Z85_BYTES - 1) == 0 &&
	       zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN,
	                      strlen(ZAP_DOMAIN)) == 0 &&
	       set_int(router, OPTION_ZAP_ENFORCE_DOMAIN, 1);
}

static int open_sockets(struct serve *s, struct err *e)
{
	int threads = (int)s->config->io_threads;

	s->context = zmq_ctx_new();
	if (!s->context ||
	    zmq_ctx_set(s->context, ZMQ_IO_THREADS, threads) != 0) {
		err_set(e, zmq_errno(), "cannot start ZeroMQ");
		return EXIT_FAILED;
	}
	s->router = zmq_socket(s->context, ZMQ_ROUTER);
	if (!s->router || !set_limits(s->router) || !set_network(s->router) ||
	    !set_security(s->router, &s->pair)) {
		err_set(e, zmq_errno(), "cannot set the socket up");
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int bind_all(struct serve *s, struct err *e)
{
	const struct conf_list *listen = &s->config->listen;

	for (int i = 0; i < listen->count; i++) {
		if (zmq_bind(s->router, listen->item[i]) == 0)
			continue;
		err_set(e, zmq_errno(), "cannot listen on %s", listen->item[i]);
		if (zmq_errno() == EADDRINUSE)
			return EXIT_ADDRESS_IN_USE;
		return EXIT_FAILED;
	}
	if (listen->count > 0)
		return EXIT_DONE;
	err_set(e, 0, "listen: no endpoint is given");
	return EXIT_CONFIG;
}

/* ---- 4. threads ---------------------------------------------------------- */

static int start_threads(struct serve *s, struct err *e)
{
	s->zap = zap_start(s->context, s->router,
	                   connections_allowed(s->config), e);
	if (!s->zap)
		return EXIT_FAILED;
	s->store =
		store_start(s->context, s->config->database, &s->receipts, e);
	return s->store ? EXIT_DONE : EXIT_FAILED;
}

/* ---- all of it ----------------------------------------------------------- */

static int open_all(struct serve *s, struct err *e)
{
	int status = load_files(s, e);

	if (status == EXIT_DONE)
		status = open_signals(s, e);
	if (status == EXIT_DONE)
		status = open_sockets(s, e);
	if (status == EXIT_DONE)
		status = start_threads(s, e);
	if (status == EXIT_DONE)
		status = bind_all(s, e);
	return status;
}

static int run(struct serve *s)
{
	const struct intake_parts parts = {
		.config = s->config,
		.router = s->router,
		.store = s->store,
		.zap = s->zap,
		.geo = s->geo,
		.admit = s->admit,
		.counters = &s->counters,
		.signal_fd = s->signal_fd,
	};

	for (int i = 0; i < s->config->listen.count; i++)
		log_info("periplus-collector %s listens on %s, public key %s",
		         PERIPLUS_VERSION, s->config->listen.item[i],
		         s->pair.public_key);
	return intake_run(&parts);
}

static void stop_store(struct serve *s)
{
	void *nothing = NULL;

	if (!s->store)
		return;
	/* After intake_run it has ended already and hears neither. */
	store_interrupt(s->store);
	zmq_send(store_socket(s->store), &nothing, sizeof(nothing),
	         ZMQ_DONTWAIT);
	store_stop(s->store);
}

static void close_all(struct serve *s)
{
	admit_free(s->admit);
	stop_store(s);
	if (s->router)
		zmq_close(s->router);
	if (s->context)
		zmq_ctx_shutdown(s->context);
	zap_stop(s->zap);
	if (s->context)
		zmq_ctx_term(s->context);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	geo_close(s->geo);
	keys_receipts_free(&s->receipts);
	explicit_bzero(s->line_key, sizeof(s->line_key));
	explicit_bzero(&s->pair, sizeof(s->pair));
}

int serve_run(const struct config *c, struct err *e)
{
	struct serve s = { .config = c, .signal_fd = -1 };
	int status = open_all(&s, e);

	if (status == EXIT_DONE) {
		s.admit = admit_new(c, &s.receipts, s.line_key, &s.counters);
		status = run(&s);
		e->text[0] = 0; /* what ends it later was logged then */
	}
	close_all(&s);
	return status;
}

int serve_check(const struct config *c, struct err *e)
{
	struct serve s = { .config = c, .signal_fd = -1 };
	int status = load_files(&s, e);

	close_all(&s);
	return status;
}
