/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/wake.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/clock.h"

/* Reading is what arms the notice about a set clock again; ECANCELED is it. */
static void on_ready(struct watch *watch, uint32_t events, int64_t now_ns)
{
	struct wake *w = LOOP_CONTAINER(watch, struct wake, watch);
	uint64_t expirations;
	ssize_t n = read(w->fd, &expirations, sizeof(expirations));

	(void)events;
	(void)now_ns;
	if (n < 0 && errno == EAGAIN)
		return;
	w->fire(w);
}

bool wake_open(struct loop *l, struct wake *w, struct err *e)
{
	w->loop = l;
	w->watch.fd = -1;
	w->watch.ready = on_ready;
	w->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->fd < 0)
		return err_set(e, errno, "cannot make a timer");
	if (loop_watch(l, &w->watch, w->fd, EPOLLIN, e))
		return true;
	close(w->fd);
	w->loop = NULL;
	return false;
}

void wake_close(struct wake *w)
{
	if (!w->loop)
		return;
	loop_unwatch(w->loop, &w->watch);
	close(w->fd);
	w->loop = NULL;
}

bool wake_at(struct wake *w, int64_t realtime_ns, struct err *e)
{
	struct itimerspec at = {
		.it_value = {
			.tv_sec = realtime_ns / CLOCK_S,
			.tv_nsec = realtime_ns % CLOCK_S,
		},
	};

	if (realtime_ns <= 0) /* zero would disarm it */
		at.it_value = (struct timespec){ .tv_nsec = 1 };
	if (timerfd_settime(w->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
	                    &at, NULL) != 0)
		return err_set(e, errno, "cannot set a timer");
	return true;
}
