/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each question has a netlink socket of its own, so that no thread waits for
 * another and nothing of an answer that was given up is left for the next.
 * The kernel walks its whole table of connections for each: some
 * milliseconds on a large machine, hence the allowance.
 */
#include "reflector/halfopen.h"

#include <errno.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"

enum {
	DATAGRAM_BYTES = 16384, /* the kernel sends 8 kB, or what we take */
	DATAGRAMS_MAX = 64,     /* some 10 000 connections */
	NETSTAT_BYTES_MAX = 65536,
	SHARE = 10, /* of one core's time, goes to questions: 1 / SHARE */
};

/* What came at the beginning of a run that is older may be gone. */
static const int64_t life_ns = 60 * CLOCK_S;

/* What may be spent at once after a quiet time. */
static const int64_t allowance_most_ns = 200 * CLOCK_MS;

/* How old the count of lost SYNs may be when a run begins. */
static const int64_t count_age_ns = 100 * CLOCK_MS;

static const char netstat_path[] = "/proc/net/netstat";

/* SYNs that got a cookie, and those that found a queue full. */
static const char *const lost_names[] = { "SyncookiesSent", "ListenOverflows",
	                                  "TCPReqQFullDrop" };

enum { LOST_NAMES = sizeof(lost_names) / sizeof(lost_names[0]) };

/* Time that may be spent; grows with time and shrinks with what is spent. */
struct allowance {
	int64_t left_ns;
	int64_t at_ns;
};

struct halfopen {
	pthread_mutex_t lock;
	struct allowance allowance;
	uint64_t lost_syns;
	int64_t counted_ns; /* when; 0: not yet */
};

/* ---- the allowance ------------------------------------------------------ */

static bool may_spend(struct allowance *a, int64_t now_ns)
{
	int64_t more_ns = (now_ns - a->at_ns) / SHARE;

	/* Less than a unit is not lost: it counts from where it was. */
	a->at_ns += more_ns * SHARE;
	a->left_ns = more_ns > allowance_most_ns - a->left_ns
	                     ? allowance_most_ns
	                     : a->left_ns + more_ns;
	return a->left_ns > 0;
}

/* ---- SYNs that the kernel does not keep --------------------------------- */

/* The next word of a line, or of length 0 at its end. */
static size_t next_word(const char **p)
{
	*p += strspn(*p, " ");
	return strcspn(*p, " \n");
}

static bool is_counted(const char *name, size_t n)
{
	for (int i = 0; i < LOST_NAMES; i++)
		if (strlen(lost_names[i]) == n &&
		    memcmp(lost_names[i], name, n) == 0)
			return true;
	return false;
}

/*
 * A line of names and one of values below it.  Sums up what is counted; false
 * unless all of that is there.
 */
static bool sum_lost(const char *names, const char *values, uint64_t *sum)
{
	int found = 0;
	size_t name;
	size_t value;

	*sum = 0;
	while ((name = next_word(&names)) > 0 &&
	       (value = next_word(&values)) > 0) {
		if (is_counted(names, name)) {
			*sum += strtoull(values, NULL, 10);
			found++;
		}
		names += name;
		values += value;
	}
	return found == LOST_NAMES;
}

static bool parse_lost(const char *netstat, uint64_t *sum)
{
	static const char label[] = "TcpExt:";
	const char *names = strstr(netstat, label);
	const char *values = names ? strstr(names + 1, label) : NULL;

	return values && sum_lost(names, values, sum);
}

/* One more than the count, so that 0 can stand for not knowing it. */
static uint64_t read_lost(struct err *e)
{
	char *text = file_read(netstat_path, NETSTAT_BYTES_MAX, NULL, e);
	uint64_t sum;
	bool ok;

	if (!text)
		return 0;
	ok = parse_lost(text, &sum);
	free(text);
	if (ok)
		return sum + 1;
	err_set(e, 0, "%s does not count SYN cookies", netstat_path);
	return 0;
}

/* ---- the question ------------------------------------------------------- */

/* A whole datagram from the kernel; nothing to wait for: it has answered. */
static bool receive(int fd, uint8_t bytes[DATAGRAM_BYTES], struct rd *out,
                    int *error)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = DATAGRAM_BYTES };
	struct msghdr m = { .msg_name = &from,
		            .msg_namelen = sizeof(from),
		            .msg_iov = &iov,
		            .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n < 0)
		*error = errno;
	if (n <= 0 || (m.msg_flags & MSG_TRUNC) || from.nl_pid != 0)
		return false;
	*out = rd_of(bytes, (size_t)n);
	return true;
}

static bool receive_all(int fd, const struct sockdiag_query *q,
                        struct sockdiag_waits *out, int *error)
{
	uint8_t bytes[DATAGRAM_BYTES];
	struct rd datagram;

	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		if (!receive(fd, bytes, &datagram, error))
			return false;
		switch (sockdiag_read(q, datagram, out, error)) {
		case SOCKDIAG_DONE:
			return true;
		case SOCKDIAG_BROKEN:
			return false;
		case SOCKDIAG_MORE:
			break;
		}
	}
	return false;
}

/* False: what is in out is true, and may not be all. */
static bool ask(const struct sockdiag_query *q, struct sockdiag_waits *out,
                int *error)
{
	uint8_t request[SOCKDIAG_REQUEST_MAX];
	size_t n = sockdiag_request(q, request);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool ok = false;

	if (fd >= 0 && send(fd, request, n, 0) == (ssize_t)n)
		ok = receive_all(fd, q, out, error);
	else
		*error = errno;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- for the outside ---------------------------------------------------- */

struct halfopen *halfopen_new(void)
{
	struct halfopen *h = mem_alloc(sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	h->allowance = (struct allowance){ .left_ns = allowance_most_ns,
		                           .at_ns = clock_monotonic_ns() };
	return h;
}

void halfopen_free(struct halfopen *h)
{
	if (!h)
		return;
	pthread_mutex_destroy(&h->lock);
	free(h);
}

bool halfopen_try(struct err *e)
{
	static const struct sockdiag_query nobody = {
		.local = { .family = 4 },
		.peer = { .family = 4, .ip = { 127, 0, 0, 1 } },
	};
	struct sockdiag_waits waits = { 0 };
	int error = 0;

	if (!ask(&nobody, &waits, &error))
		return err_set(e, error,
		               "cannot ask the kernel for half-open "
		               "connections");
	return read_lost(e) != 0;
}

uint64_t halfopen_lost_syns(struct halfopen *h)
{
	int64_t now_ns = clock_monotonic_ns();
	uint64_t lost;
	struct err e;

	pthread_mutex_lock(&h->lock);
	if (h->counted_ns == 0 || now_ns - h->counted_ns > count_age_ns) {
		h->lost_syns = read_lost(&e);
		h->counted_ns = now_ns;
	}
	lost = h->lost_syns;
	pthread_mutex_unlock(&h->lock);
	return lost;
}

void halfopen_look(struct halfopen *h, const struct sockdiag_query *q,
                   int64_t run_age_ns, uint64_t lost_syns,
                   struct halfopen_view *out)
{
	int64_t start_ns = clock_monotonic_ns();
	struct err e;
	int error = 0;
	bool may;

	out->complete = false;
	out->run_age_ns = run_age_ns;
	out->waits.count = 0;
	pthread_mutex_lock(&h->lock);
	may = may_spend(&h->allowance, start_ns);
	pthread_mutex_unlock(&h->lock);
	if (!may)
		return;
	/* The count comes last: what is lost while it is asked for counts. */
	out->complete = ask(q, &out->waits, &error) && run_age_ns <= life_ns &&
	                lost_syns != 0 && read_lost(&e) == lost_syns;
	pthread_mutex_lock(&h->lock);
	h->allowance.left_ns -= clock_monotonic_ns() - start_ns;
	pthread_mutex_unlock(&h->lock);
}
