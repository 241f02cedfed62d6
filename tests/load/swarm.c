/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swarm - many simulated agents that send made-up runs to a collector.
 *
 * Each agent has a CURVE key and a connection of its own and behaves as real
 * ones do: a run is sent until it is acknowledged, a connection on which
 * nothing comes back is replaced, WAIT is obeyed.  Records are made before
 * the clock starts.  Prints one JSON object; exit status 1 when a run was
 * left without an answer.
 */
#include <assert.h>
#include <inttypes.h>
#include <zmq.h>

#include "lib/args.h"
#include "lib/exit.h"
#include "lib/mem.h"
#include "lib/value.h"
#include "lib/version.h"
#include "tests/load/made.h"

enum { REPLY_BYTES = 256, KEY_BYTES = 41, RUN_CHARS = 36 };

struct options {
	const char *endpoint;
	const char *server_key;
	const char *receipt_key;
	const char *reflector;
	const char *network;
	int64_t agents;
	int64_t count;
	int64_t probes;
	int64_t bad_percent;
	int64_t duplicate_percent;
	int64_t window;
	int64_t retry_after_s;
	int64_t max_wait_ms;
	int64_t timeout_s;
	int64_t age_s;
	bool print;
};

enum state { WAITING, FLYING, DONE };

struct job {
	char *json;
	size_t n_bytes;
	char run[37];
	enum state state;
};

struct agent {
	void *socket;
	char public_key[KEY_BYTES];
	char secret_key[KEY_BYTES];
	struct addr address;
	struct job *job;
	size_t job_count;
	size_t first; /* all before it are done */
	size_t done;
	int64_t flying;
	int64_t heard_ns;  /* last reply, or when something was first sent */
	int64_t resume_ns; /* told to wait until then */
};

struct totals {
	uint64_t sent;
	uint64_t stored;
	uint64_t duplicate;
	uint64_t refused;
	uint64_t waits;
	uint64_t reconnects;
	uint64_t odd;
	char last_refusal[64];
};

struct swarm {
	struct options o;
	void *context;
	struct agent *agent;
	struct totals t;
	uint8_t receipt_key[TOKEN_KEY_BYTES];
};

static const struct args_option options[] = {
	{ "endpoint", 'e', ARGS_STRING, offsetof(struct options, endpoint), 0,
	  0, "URL", "where the collector listens" },
	{ "server-key", 'k', ARGS_STRING, offsetof(struct options, server_key),
	  0, 0, "Z85", "its public key" },
	{ "receipt-key", 'r', ARGS_STRING,
	  offsetof(struct options, receipt_key), 0, 0, "HEX",
	  "the reflector's receipt key" },
	{ "reflector", 0, ARGS_STRING, offsetof(struct options, reflector), 0,
	  0, "NAME", "the reflector's name" },
	{ "network", 0, ARGS_STRING, offsetof(struct options, network), 0, 0,
	  "ADDRESS", "the address of the first agent; others in the next /24" },
	{ "agents", 'a', ARGS_INT, offsetof(struct options, agents), 1, 10000,
	  "N", "how many agents" },
	{ "count", 'n', ARGS_INT, offsetof(struct options, count), 1, 10000000,
	  "N", "how many different runs in all" },
	{ "probes", 'p', ARGS_INT, offsetof(struct options, probes), 1, 500,
	  "N", "probes in a run" },
	{ "bad", 0, ARGS_INT, offsetof(struct options, bad_percent), 0, 100,
	  "PERCENT", "runs whose manifest is forged" },
	{ "duplicates", 0, ARGS_INT,
	  offsetof(struct options, duplicate_percent), 0, 100, "PERCENT",
	  "runs that are sent twice" },
	{ "window", 'w', ARGS_INT, offsetof(struct options, window), 1, 10000,
	  "N", "runs of an agent on their way at a time" },
	{ "retry-after", 0, ARGS_INT, offsetof(struct options, retry_after_s),
	  1, 3600, "SECONDS", "without a reply for so long, connect anew" },
	{ "max-wait", 0, ARGS_INT, offsetof(struct options, max_wait_ms), 0,
	  3600000, "MS", "wait no longer than this when told to" },
	{ "timeout", 't', ARGS_INT, offsetof(struct options, timeout_s), 1,
	  3600, "SECONDS", "give up" },
	{ "age", 0, ARGS_INT, offsetof(struct options, age_s), 0, 2592000,
	  "SECONDS", "spread the runs over so much time before now" },
	{ "print", 0, ARGS_FLAG, offsetof(struct options, print), 0, 0, NULL,
	  "only print the records, a line each" },
	{ 0 },
};

static const struct args_program program = {
	.name = "swarm",
	.summary = "many simulated agents that send runs to a collector",
	.version = PERIPLUS_VERSION,
	.common = options,
};

/* ---- making -------------------------------------------------------------- */

/* Each agent has a /24 of its own. */
static struct addr address_of(const struct options *o, size_t i)
{
	struct addr a = { 0 };

	addr_parse(o->network, &a);
	for (int byte = 2; byte >= 0 && i > 0; byte--) {
		i += a.ip[byte];
		a.ip[byte] = (uint8_t)i;
		i >>= 8;
	}
	return a;
}

/*
 * The text of an agent's first record, with the places of what differs in the
 * others: encoding each would take longer than sending it.
 */
struct template
{
	struct record record;
	char *json;
	size_t n_bytes;
	size_t run_at;
	size_t started_at;
	size_t manifest_at;
	size_t manifest_chars;
};

static size_t find_after(const char *json, const char *label)
{
	const char *at = strstr(json, label);

	assert(at);
	return (size_t)(at - json) + strlen(label);
}

static void seal_run(struct swarm *s, const struct agent *a, struct record *r)
{
	struct wire_manifest m;

	made_manifest(r, &a->address, &m);
	made_seal(r, &m, s->receipt_key);
	if (randombytes_uniform(100) < (uint32_t)s->o.bad_percent)
		r->manifest[r->manifest_bytes - 1] ^= 1;
}

static void make_template(struct swarm *s, const struct agent *a,
                          struct template *t)
{
	made_record(&t->record, s->o.reflector, clock_realtime_ns(),
	            (size_t)s->o.probes);
	seal_run(s, a, &t->record);
	t->json = record_encode(&t->record, &t->n_bytes);
	t->run_at = find_after(t->json, "\"run\":\"");
	t->started_at = find_after(t->json, "\"started\":\"");
	t->manifest_at = find_after(t->json, "\"manifest\":\"");
	t->manifest_chars = strcspn(t->json + t->manifest_at, "\"");
}

static void make_job(struct swarm *s, const struct agent *a, struct template *t,
                     int64_t started_ns, struct job *job)
{
	char started[CLOCK_TEXT_BYTES];
	char manifest[4 * (WIRE_MESSAGE_MAX + 2) / 3 + 1];
	struct record *r = &t->record;

	/* Whole milliseconds, as the record's text has them. */
	r->started_ns = started_ns - started_ns % CLOCK_MS;
	record_new_run_id(started_ns, r->run);
	record_run_id_format(r->run, job->run);
	clock_format(r->started_ns, started);
	seal_run(s, a, r);
	sodium_bin2base64(manifest, sizeof(manifest), r->manifest,
	                  r->manifest_bytes, sodium_base64_VARIANT_ORIGINAL);
	assert(strlen(manifest) == t->manifest_chars);
	job->n_bytes = t->n_bytes;
	job->json = mem_strdup(t->json);
	memcpy(job->json + t->run_at, job->run, RUN_CHARS);
	memcpy(job->json + t->started_at, started, strlen(started));
	memcpy(job->json + t->manifest_at, manifest, strlen(manifest));
}

static void make_agent(struct swarm *s, struct agent *a, size_t number,
                       struct template *t)
{
	size_t agents = (size_t)s->o.agents;
	size_t count = (size_t)s->o.count / agents +
	               (number < (size_t)s->o.count % agents);
	int64_t now = clock_realtime_ns();

	zmq_curve_keypair(a->public_key, a->secret_key);
	a->address = address_of(&s->o, number);
	a->job = mem_array(2 * count + 1, sizeof(*a->job));
	make_template(s, a, t);
	for (size_t i = 0; i < count; i++) {
		int64_t back =
			(int64_t)randombytes_uniform((uint32_t)s->o.age_s + 1) *
			CLOCK_S;
		struct job *job = &a->job[a->job_count++];

		make_job(s, a, t, now - back, job);
		if (randombytes_uniform(100) >=
		    (uint32_t)s->o.duplicate_percent)
			continue;
		a->job[a->job_count] = *job;
		a->job[a->job_count++].json = mem_strdup(job->json);
	}
	free(t->json);
}

/* ---- sending ------------------------------------------------------------- */

static void set_int(void *socket, int option, int value)
{
	zmq_setsockopt(socket, option, &value, sizeof(value));
}

static void connect_agent(struct swarm *s, struct agent *a)
{
	a->socket = zmq_socket(s->context, ZMQ_DEALER);
	set_int(a->socket, ZMQ_LINGER, 0);
	set_int(a->socket, ZMQ_SNDHWM, (int)s->o.window);
	set_int(a->socket, ZMQ_RECONNECT_IVL, 100);
	zmq_setsockopt(a->socket, ZMQ_CURVE_SERVERKEY, s->o.server_key,
	               strlen(s->o.server_key));
	zmq_setsockopt(a->socket, ZMQ_CURVE_PUBLICKEY, a->public_key,
	               KEY_BYTES - 1);
	zmq_setsockopt(a->socket, ZMQ_CURVE_SECRETKEY, a->secret_key,
	               KEY_BYTES - 1);
	zmq_connect(a->socket, s->o.endpoint);
}

static void reconnect(struct swarm *s, struct agent *a)
{
	zmq_close(a->socket);
	connect_agent(s, a);
	s->t.reconnects++;
	a->flying = 0;
	for (size_t i = a->first; i < a->job_count; i++) {
		if (a->job[i].state == FLYING)
			a->job[i].state = WAITING;
	}
}

static bool send_job(struct swarm *s, struct agent *a, struct job *job,
                     int64_t now)
{
	if (zmq_send(a->socket, "RUN", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		return false;
	if (zmq_send(a->socket, job->json, job->n_bytes, ZMQ_DONTWAIT) < 0)
		return false;
	if (a->flying++ == 0)
		a->heard_ns = now;
	job->state = FLYING;
	s->t.sent++;
	return true;
}

static void fill_window(struct swarm *s, struct agent *a, int64_t now)
{
	while (a->first < a->job_count && a->job[a->first].state == DONE)
		a->first++;
	if (now < a->resume_ns)
		return;
	for (size_t i = a->first; i < a->job_count && a->flying < s->o.window;
	     i++) {
		if (a->job[i].state == WAITING &&
		    !send_job(s, a, &a->job[i], now))
			return;
	}
}

/* ---- replies ------------------------------------------------------------- */

/* "-" is the oldest on its way. */
static struct job *find_job(struct agent *a, const char *run)
{
	for (size_t i = a->first; i < a->job_count; i++) {
		if (a->job[i].state == FLYING &&
		    (strcmp(run, "-") == 0 || strcmp(a->job[i].run, run) == 0))
			return &a->job[i];
	}
	return NULL;
}

static void on_answer(struct swarm *s, struct agent *a, const char *verb,
                      struct job *job, const char *rest, int64_t now)
{
	int64_t seconds = 0;

	a->flying--;
	job->state = DONE;
	if (strcmp(verb, "ACK") == 0) {
		s->t.stored += strcmp(rest, "stored") == 0;
		s->t.duplicate += strcmp(rest, "duplicate") == 0;
	} else if (strcmp(verb, "NAK") == 0) {
		s->t.refused++;
		snprintf(s->t.last_refusal, sizeof(s->t.last_refusal), "%s",
		         rest);
	} else if (strcmp(verb, "WAIT") == 0 &&
	           value_parse_int(rest, &seconds)) {
		int64_t ms = seconds * 1000;

		if (ms > s->o.max_wait_ms)
			ms = s->o.max_wait_ms;
		job->state = WAITING;
		a->resume_ns = now + ms * CLOCK_MS;
		s->t.waits++;
	} else {
		s->t.odd++;
	}
	a->done += job->state == DONE;
}

static void on_reply(struct swarm *s, struct agent *a, char *text, int64_t now)
{
	char *run = strchr(text, ' ');
	char *rest = run ? strchr(run + 1, ' ') : NULL;
	struct job *job;

	a->heard_ns = now;
	if (!rest) {
		s->t.odd++;
		return;
	}
	*run++ = 0;
	*rest++ = 0;
	job = find_job(a, run);
	if (job)
		on_answer(s, a, text, job, rest, now);
	else
		s->t.odd++;
}

static void take_replies(struct swarm *s, struct agent *a, int64_t now)
{
	char text[REPLY_BYTES];
	int n;

	while ((n = zmq_recv(a->socket, text, sizeof(text) - 1,
	                     ZMQ_DONTWAIT)) >= 0) {
		text[n < REPLY_BYTES ? n : REPLY_BYTES - 1] = 0;
		on_reply(s, a, text, now);
	}
}

/* ---- the run ------------------------------------------------------------- */

static bool all_done(const struct swarm *s)
{
	for (int64_t i = 0; i < s->o.agents; i++) {
		if (s->agent[i].done < s->agent[i].job_count)
			return false;
	}
	return true;
}

static void turn(struct swarm *s, zmq_pollitem_t *items)
{
	int64_t now = clock_monotonic_ns();
	int64_t retry_ns = s->o.retry_after_s * CLOCK_S;

	for (int64_t i = 0; i < s->o.agents; i++) {
		struct agent *a = &s->agent[i];

		take_replies(s, a, now);
		if (a->flying > 0 && now - a->heard_ns > retry_ns)
			reconnect(s, a);
		fill_window(s, a, now);
		items[i] = (zmq_pollitem_t){ .socket = a->socket,
			                     .events = ZMQ_POLLIN };
	}
	zmq_poll(items, (int)s->o.agents, 20);
}

static void report(const struct swarm *s, double elapsed_s)
{
	uint64_t answered = 0;
	uint64_t jobs = 0;

	for (int64_t i = 0; i < s->o.agents; i++) {
		answered += s->agent[i].done;
		jobs += s->agent[i].job_count;
	}
	printf("{\"runs\":%" PRId64 ",\"sends\":%" PRIu64
	       ",\"answered\":%" PRIu64 ",\"unanswered\":%" PRIu64
	       ",\"stored\":%" PRIu64 ",\"duplicate\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"waits\":%" PRIu64
	       ",\"reconnects\":%" PRIu64 ",\"odd\":%" PRIu64
	       ",\"last_refusal\":\"%s\",\"elapsed_s\":%.3f,"
	       "\"runs_per_s\":%.0f}\n",
	       s->o.count, s->t.sent, answered, jobs - answered, s->t.stored,
	       s->t.duplicate, s->t.refused, s->t.waits, s->t.reconnects,
	       s->t.odd, s->t.last_refusal, elapsed_s,
	       (double)answered / elapsed_s);
}

static int run(struct swarm *s)
{
	zmq_pollitem_t *items = mem_array((size_t)s->o.agents, sizeof(*items));
	int64_t start = clock_monotonic_ns();
	int64_t end = start + s->o.timeout_s * CLOCK_S;
	bool done;

	s->context = zmq_ctx_new();
	zmq_ctx_set(s->context, ZMQ_MAX_SOCKETS, (int)s->o.agents + 16);
	for (int64_t i = 0; i < s->o.agents; i++)
		connect_agent(s, &s->agent[i]);
	while (!(done = all_done(s)) && clock_monotonic_ns() < end)
		turn(s, items);
	report(s, (double)(clock_monotonic_ns() - start) / 1e9);
	for (int64_t i = 0; i < s->o.agents; i++)
		zmq_close(s->agent[i].socket);
	zmq_ctx_term(s->context);
	free(items);
	return done ? EXIT_DONE : EXIT_FAILED;
}

static void print_records(const struct swarm *s)
{
	for (int64_t i = 0; i < s->o.agents; i++) {
		for (size_t j = 0; j < s->agent[i].job_count; j++)
			puts(s->agent[i].job[j].json);
	}
}

static void make_all(struct swarm *s)
{
	struct template *t = mem_alloc(sizeof(*t));

	s->agent = mem_array((size_t)s->o.agents, sizeof(*s->agent));
	for (int64_t i = 0; i < s->o.agents; i++)
		make_agent(s, &s->agent[i], (size_t)i, t);
	free(t);
}

static void free_all(struct swarm *s)
{
	for (int64_t i = 0; i < s->o.agents; i++) {
		for (size_t j = 0; j < s->agent[i].job_count; j++)
			free(s->agent[i].job[j].json);
		free(s->agent[i].job);
	}
	free(s->agent);
}

static bool check(struct swarm *s, struct err *e)
{
	struct addr a;
	const char *hex = s->o.receipt_key;

	if (!s->o.print && (!s->o.endpoint || !s->o.server_key ||
	                    strlen(s->o.server_key) != KEY_BYTES - 1))
		return err_set(e, 0, "--endpoint and --server-key are needed");
	if (!hex || strlen(hex) != sizeof(s->receipt_key) * 2 ||
	    sodium_hex2bin(s->receipt_key, sizeof(s->receipt_key), hex,
	                   strlen(hex), NULL, NULL, NULL) != 0)
		return err_set(e, 0, "--receipt-key is needed, in hex");
	if (!addr_parse(s->o.network, &a) || a.family != 4)
		return err_set(e, 0, "--network is no IPv4 address");
	return true;
}

int main(int argc, char **argv)
{
	struct swarm s = {
		.o = {
			.reflector = "r1",
			.network = "198.18.0.1",
			.agents = 16,
			.count = 1000,
			.probes = 109,
			.window = 128,
			.retry_after_s = 10,
			.max_wait_ms = 1000,
			.timeout_s = 60,
			.age_s = 3600,
		},
	};
	struct args_result result;
	struct err e;
	int status = EXIT_DONE;

	switch (args_parse(&program, argc, argv, &s.o, &result, stdout, &e)) {
	case ARGS_SHOWN:
		return EXIT_DONE;
	case ARGS_BAD:
		fprintf(stderr, "%s\n", e.text);
		return EXIT_USAGE;
	case ARGS_RUN:
		break;
	}
	if (sodium_init() < 0 || !check(&s, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return EXIT_USAGE;
	}
	make_all(&s);
	if (s.o.print)
		print_records(&s);
	else
		status = run(&s);
	free_all(&s);
	return status;
}
