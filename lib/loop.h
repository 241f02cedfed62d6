/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one epoll set, timers and signals for a single thread.
 *
 * The loop owns nothing: watches and timers live inside the caller's structs
 * and must be removed before those are freed; removing them from inside a
 * callback, also another's, is allowed.  The monotonic clock is read once a
 * turn and handed to the callbacks.  With nothing to do it sleeps without a
 * limit: no periodic wake-ups.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "lib/err.h"

struct loop;

struct watch {
	int fd; /* -1 while not in a loop */
	void (*ready)(struct watch *w, uint32_t epoll_events, int64_t now_ns);
};

struct timer {
	void (*fire)(struct timer *t, int64_t now_ns);
	int64_t at_ns;
	int heap_index; /* internal: 0 when not armed */
};

#define LOOP_CONTAINER(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

MUSTCHECK struct loop *loop_new(struct err *e);

/* NULL is allowed. */
void loop_free(struct loop *l);

/* Watch fd for EPOLLIN, EPOLLOUT ...; w->ready must be set. */
MUSTCHECK bool loop_watch(struct loop *l, struct watch *w, int fd,
                          uint32_t epoll_events, struct err *e);

/* Change what a watch waits for. */
void loop_rewatch(struct loop *l, struct watch *w, uint32_t epoll_events);

/* Stop watching; the descriptor stays open.  Not being watched is fine. */
void loop_unwatch(struct loop *l, struct watch *w);

/* Arm or move a timer to a monotonic time; t->fire must be set. */
void loop_arm(struct loop *l, struct timer *t, int64_t at_ns);

/* Not being armed is fine. */
void loop_disarm(struct loop *l, struct timer *t);

/* The time of the current turn, in monotonic nanoseconds. */
int64_t loop_now(const struct loop *l);

/* Run until loop_stop() or an error of epoll_wait. */
MUSTCHECK bool loop_run(struct loop *l, struct err *e);

/* End loop_run after the current callback. */
void loop_stop(struct loop *l);

/*
 * Block the signals and deliver them as reads of a signalfd to w; the caller
 * reads struct signalfd_siginfo from w->fd and closes it at the end.
 */
MUSTCHECK bool loop_watch_signals(struct loop *l, struct watch *w,
                                  const int *signals, int count, struct err *e);

#endif
