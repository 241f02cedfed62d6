/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/exit.h"
#include "lib/log.h"

/* 64 probes of four attempts each, and a little for everything else. */
enum { DESCRIPTORS = 1024 };

/* open() takes the lowest number that is free. */
static void fill_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What the hard limit does not give, a probe will say that it lacked. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur =
		limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void process_prepare(void)
{
	fill_standard_streams();
	signal(SIGPIPE, SIG_IGN);
	allow_descriptors();
}

/* "periplus ports | head" is no mistake. */
static bool reader_is_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

int process_finish(int status)
{
	bool failed = fflush(stdout) != 0;

	if (!failed && !ferror(stdout))
		return status;
	if (!reader_is_gone())
		log_error("the output could not be written whole: is the disk "
		          "full?");
	return status == EXIT_DONE ? EXIT_FAILED : status;
}
