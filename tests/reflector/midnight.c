/* SPDX-License-Identifier: Apache-2.0 */
/*
 * midnight - move a program's real-time clock, for tests (LD_PRELOAD).
 *
 * The environment variable MIDNIGHT_SHIFT_S is added to what the program
 * reads, and taken off where it sets a timer to an absolute real time.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static time_t shift(void)
{
	const char *text = getenv("MIDNIGHT_SHIFT_S");

	return text ? (time_t)strtoll(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
	int result = (int)syscall(SYS_clock_gettime, id, out);

	if (id == CLOCK_REALTIME && result == 0)
		out->tv_sec += shift();
	return result;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
                    struct itimerspec *old_value)
{
	struct itimerspec at = *new_value;

	if (flags & TFD_TIMER_ABSTIME)
		at.it_value.tv_sec -= shift();
	return (int)syscall(SYS_timerfd_settime, fd, flags, &at, old_value);
}
