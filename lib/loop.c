/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn: sleep until a descriptor is ready or the first timer is due, read
 * the clock, call the watches, then the timers.  Watches come first so that
 * an answer which is already here wins over its own deadline.
 *
 * Timers stand in a binary heap whose root is heap[1]; index 0 is free to
 * mean "not armed".  Equal times fire in the order in which they were armed.
 */
#include "lib/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"

enum { BATCH_MAX = 64, HEAP_START = 64 };

struct slot {
	int64_t at_ns;
	uint64_t order; /* of arming */
	struct timer *timer;
};

struct loop {
	int epoll_fd;
	bool stopping;
	int64_t now_ns;
	struct epoll_event batch[BATCH_MAX]; /* data.ptr NULL: taken back */
	int batch_count;
	struct slot *heap;
	int heap_count;
	int heap_room;
	uint64_t next_order;
};

/* ---- the heap of timers ------------------------------------------------- */

static bool before(const struct slot *a, const struct slot *b)
{
	return a->at_ns < b->at_ns ||
	       (a->at_ns == b->at_ns && a->order < b->order);
}

static void put(struct loop *l, int i, struct slot s)
{
	l->heap[i] = s;
	s.timer->heap_index = i;
}

/* Put s where it belongs between i and the root. */
static void sift_up(struct loop *l, int i, struct slot s)
{
	for (; i > 1 && before(&s, &l->heap[i / 2]); i /= 2)
		put(l, i, l->heap[i / 2]);
	put(l, i, s);
}

/* Put s where it belongs between i and the leaves. */
static void sift_down(struct loop *l, int i, struct slot s)
{
	int child;

	for (; (child = 2 * i) <= l->heap_count; i = child) {
		if (child < l->heap_count &&
		    before(&l->heap[child + 1], &l->heap[child]))
			child++;
		if (!before(&l->heap[child], &s))
			break;
		put(l, i, l->heap[child]);
	}
	put(l, i, s);
}

void loop_arm(struct loop *l, struct timer *t, int64_t at_ns)
{
	struct slot s = { at_ns, l->next_order++, t };

	assert(t->fire);
	loop_disarm(l, t);
	if (l->heap_count + 1 >= l->heap_room) {
		l->heap_room *= 2;
		l->heap = mem_resize(l->heap, (size_t)l->heap_room,
		                     sizeof(*l->heap));
	}
	t->at_ns = at_ns;
	sift_up(l, ++l->heap_count, s);
}

void loop_disarm(struct loop *l, struct timer *t)
{
	int hole = t->heap_index;
	struct slot last;

	if (hole == 0)
		return;
	assert(hole <= l->heap_count && l->heap[hole].timer == t);
	t->heap_index = 0;
	last = l->heap[l->heap_count--];
	if (last.timer == t)
		return;
	if (hole > 1 && before(&last, &l->heap[hole / 2]))
		sift_up(l, hole, last);
	else
		sift_down(l, hole, last);
}

/*
 * Timers that are armed meanwhile wait for the next turn, even when due:
 * one that re-arms itself for now must not starve the watches.
 */
static void fire_timers(struct loop *l)
{
	uint64_t armed_before = l->next_order;

	while (!l->stopping && l->heap_count > 0) {
		struct slot first = l->heap[1];

		if (first.at_ns > l->now_ns || first.order >= armed_before)
			return;
		loop_disarm(l, first.timer);
		first.timer->fire(first.timer, l->now_ns);
	}
}

/* ---- watches ------------------------------------------------------------ */

/*
 * A batch may hold events of a watch that a callback has since removed or
 * told to wait for less: leave only the wanted ones.
 */
static void take_back_events(struct loop *l, const struct watch *w,
                             uint32_t wanted)
{
	for (int i = 0; i < l->batch_count; i++) {
		struct epoll_event *event = &l->batch[i];

		if (event->data.ptr != w)
			continue;
		event->events &= wanted;
		if (event->events == 0)
			event->data.ptr = NULL;
	}
}

bool loop_watch(struct loop *l, struct watch *w, int fd, uint32_t epoll_events,
                struct err *e)
{
	struct epoll_event event = { .events = epoll_events, .data.ptr = w };

	assert(w->ready);
	w->fd = -1;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_set(e, errno, "cannot watch descriptor %d", fd);
	w->fd = fd;
	return true;
}

void loop_rewatch(struct loop *l, struct watch *w, uint32_t epoll_events)
{
	struct epoll_event event = { .events = epoll_events, .data.ptr = w };
	int result = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);

	assert(result == 0); /* only a descriptor that is not watched fails */
	(void)result;
	take_back_events(l, w, epoll_events | EPOLLERR | EPOLLHUP);
}

void loop_unwatch(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	/* Fails when the descriptor is closed already: then it is gone. */
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	take_back_events(l, w, 0);
}

static void call_watches(struct loop *l)
{
	for (int i = 0; i < l->batch_count && !l->stopping; i++) {
		struct watch *w = l->batch[i].data.ptr;

		if (w)
			w->ready(w, l->batch[i].events, l->now_ns);
	}
	l->batch_count = 0;
}

/* ---- the loop ----------------------------------------------------------- */

struct loop *loop_new(struct err *e)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *l;

	if (epoll_fd < 0) {
		err_set(e, errno, "cannot make an epoll set");
		return NULL;
	}
	l = mem_alloc(sizeof(*l));
	l->epoll_fd = epoll_fd;
	l->now_ns = clock_monotonic_ns();
	l->heap_room = HEAP_START;
	l->heap = mem_array(HEAP_START, sizeof(*l->heap));
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

int64_t loop_now(const struct loop *l)
{
	return l->now_ns;
}

/*
 * The kernel gets the time that is left in nanoseconds and never wakes early,
 * so there is no spinning over the last millisecond.  What is left is counted
 * from a fresh reading: the callbacks of this turn took their time.
 */
static bool sleep_until_ready(struct loop *l, struct err *e)
{
	struct timespec left = { 0 };
	struct timespec *limit = NULL;

	if (l->heap_count > 0) {
		int64_t left_ns = l->heap[1].at_ns - clock_monotonic_ns();

		if (left_ns > 0)
			left = (struct timespec){ left_ns / CLOCK_S,
				                  left_ns % CLOCK_S };
		limit = &left;
	}
	l->batch_count =
		epoll_pwait2(l->epoll_fd, l->batch, BATCH_MAX, limit, NULL);
	if (l->batch_count >= 0)
		return true;
	l->batch_count = 0;
	return errno == EINTR || err_set(e, errno, "cannot wait for events");
}

bool loop_run(struct loop *l, struct err *e)
{
	bool ok = true;

	while (!l->stopping && ok) {
		ok = sleep_until_ready(l, e);
		l->now_ns = clock_monotonic_ns();
		call_watches(l);
		fire_timers(l);
	}
	l->stopping = false;
	return ok;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

bool loop_watch_signals(struct loop *l, struct watch *w, const int *signals,
                        int count, struct err *e)
{
	sigset_t set;
	sigset_t old;
	int fd;

	sigemptyset(&set);
	for (int i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "cannot make a signal descriptor");
	pthread_sigmask(SIG_BLOCK, &set, &old);
	if (loop_watch(l, w, fd, EPOLLIN, e))
		return true;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(fd);
	return false;
}
