/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* periplus-fetch gives up by itself after two transfers of 30 s. */
#define HANG_NS (90 * CLOCK_S)

enum { LINE_MAX_BYTES = 2048 };

struct fetcher {
	struct loop *loop;
	fetcher_done done;
	void *ctx;
	pid_t pid;
	int pipe_fd;
	struct watch exited; /* the process, as a descriptor */
	struct timer hung;
};

static char *program_path(void)
{
	static const char name[] = "periplus-fetch";
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			char *path = mem_printf("%.*s/%s", (int)(slash - self),
			                        self, name);

			if (access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	return mem_printf("%s/%s", PERIPLUS_LIBEXECDIR, name);
}

/* "fetched ETAG", "unchanged", "failed REASON"; anything else is a failure. */
static void understand(char *line, struct fetcher_result *r)
{
	line[strcspn(line, "\n")] = '\0';
	r->outcome = FETCHER_FAILED;
	if (strcmp(line, "unchanged") == 0) {
		r->outcome = FETCHER_UNCHANGED;
	} else if (strncmp(line, "fetched ", 8) == 0 &&
	           strlen(line + 8) < sizeof(r->etag)) {
		r->outcome = FETCHER_FETCHED;
		memcpy(r->etag, line + 8, strlen(line + 8) + 1);
	} else if (strncmp(line, "failed ", 7) == 0) {
		err_set(&r->why, 0, "%s", line + 7);
	} else {
		err_set(&r->why, 0, "periplus-fetch ended without a word");
	}
}

/* Collect the process, which has ended or is ended now. */
static void reap(struct fetcher *f)
{
	if (f->pid <= 0)
		return;
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	f->pid = 0;
}

static void stop_watching(struct fetcher *f)
{
	int fd = f->exited.fd;

	if (fd < 0)
		return;
	loop_unwatch(f->loop, &f->exited);
	close(fd);
}

static void on_exited(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct fetcher *f = LOOP_CONTAINER(w, struct fetcher, exited);
	struct fetcher_result result = { 0 };
	char line[LINE_MAX_BYTES];
	ssize_t n = read(f->pipe_fd, line, sizeof(line) - 1);

	(void)events;
	(void)now_ns;
	reap(f);
	loop_disarm(f->loop, &f->hung);
	stop_watching(f);
	line[n > 0 ? n : 0] = '\0';
	understand(line, &result);
	f->done(f->ctx, &result);
}

/* The exit that follows is reported by on_exited, without a word. */
static void on_hung(struct timer *t, int64_t now_ns)
{
	struct fetcher *f = LOOP_CONTAINER(t, struct fetcher, hung);

	(void)now_ns;
	kill(f->pid, SIGKILL);
}

static int spawn(struct fetcher *f, const char *program, char *const *argv,
                 int out_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int error;

	sigemptyset(&none); /* the loop blocks signals; the child must not */
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
	                                 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	error = posix_spawn(&f->pid, program, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (error != 0)
		f->pid = 0;
	return error;
}

/* Start the program with its standard output in a pipe. */
static bool start(struct fetcher *f, char *const *argv, struct err *e)
{
	int fds[2];
	int error;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set(e, errno, "cannot make a pipe");
	f->pipe_fd = fds[0];
	error = spawn(f, argv[0], argv, fds[1]);
	close(fds[1]);
	if (error != 0)
		return err_set(e, error, "cannot start %s", argv[0]);
	return true;
}

static bool watch_exit(struct fetcher *f, struct err *e)
{
	int fd = pidfd_open(f->pid, 0);

	if (fd < 0)
		return err_set(e, errno, "cannot watch periplus-fetch");
	if (loop_watch(f->loop, &f->exited, fd, EPOLLIN, e)) {
		loop_arm(f->loop, &f->hung, loop_now(f->loop) + HANG_NS);
		return true;
	}
	close(fd);
	return false;
}

struct fetcher *fetcher_start(struct loop *l, const char *url,
                              const char *prefix, const char *etag,
                              fetcher_done done, void *ctx, struct err *e)
{
	struct fetcher *f = mem_alloc(sizeof(*f));
	char *argv[] = {
		program_path(),
		mem_strdup(url),
		mem_strdup(prefix),
		etag ? mem_strdup(etag) : NULL,
		NULL,
	};
	bool ok;

	*f = (struct fetcher){ .loop = l, .done = done, .ctx = ctx };
	f->pipe_fd = -1;
	f->exited.fd = -1;
	f->exited.ready = on_exited;
	f->hung.fire = on_hung;
	ok = start(f, argv, e) && watch_exit(f, e);
	for (int i = 0; argv[i]; i++)
		free(argv[i]);
	if (ok)
		return f;
	fetcher_free(f);
	return NULL;
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	loop_disarm(f->loop, &f->hung);
	if (f->pid > 0)
		kill(f->pid, SIGKILL);
	reap(f);
	stop_watching(f);
	if (f->pipe_fd >= 0)
		close(f->pipe_fd);
	free(f);
}
