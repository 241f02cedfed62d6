/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

enum { READ_START_BYTES = 4096, KEY_FILE_MAX = 1024 };

/* Fill buffer until the end of the file or n bytes; -1 when reading fails. */
static ssize_t read_up_to(int fd, char *buffer, size_t n_bytes)
{
	size_t used = 0;

	while (used < n_bytes) {
		ssize_t n = read(fd, buffer + used, n_bytes - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

/* Grows as it reads: a file in /proc does not say how long it is. */
static char *read_all(int fd, const char *path, size_t max_bytes,
                      size_t *n_bytes, struct err *e)
{
	size_t room = READ_START_BYTES;
	size_t used = 0;
	char *text = mem_alloc(room + 1);
	ssize_t n;

	while ((n = read_up_to(fd, text + used, room - used)) > 0) {
		used += (size_t)n;
		if (used > max_bytes) {
			err_set(e, EFBIG, "%s is longer than %zu bytes", path,
			        max_bytes);
			goto fail;
		}
		if (used < room)
			break;
		room *= 2;
		text = mem_resize(text, room + 1, 1);
	}
	if (n < 0) {
		err_set(e, errno, "cannot read %s", path);
		goto fail;
	}
	text[used] = '\0';
	if (n_bytes)
		*n_bytes = used;
	return text;
fail:
	free(text);
	return NULL;
}

char *file_read(const char *path, size_t max_bytes, size_t *n_bytes,
                struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;

	if (fd < 0) {
		err_set(e, errno, "cannot open %s", path);
		return NULL;
	}
	text = read_all(fd, path, max_bytes, n_bytes, e);
	close(fd);
	return text;
}

static bool write_all(int fd, const char *p, size_t n_bytes)
{
	while (n_bytes > 0) {
		ssize_t n = write(fd, p, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		n_bytes -= (size_t)n;
	}
	return true;
}

/* Make an open file complete and durable; it is closed in any case. */
static bool finish(int fd, const void *bytes, size_t n_bytes, mode_t mode)
{
	bool ok = write_all(fd, bytes, n_bytes) && fchmod(fd, mode) == 0 &&
	          fsync(fd) == 0;
	int saved_errno = errno;

	if (close(fd) < 0 && ok)
		return false;
	errno = saved_errno;
	return ok;
}

/* Write a new file and put its name in the place of the X's. */
static bool write_new(char *template, const void *bytes, size_t n_bytes,
                      mode_t mode, struct err *e)
{
	int fd = mkostemp(template, O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "cannot create %s", template);
	if (finish(fd, bytes, n_bytes, mode))
		return true;
	err_set(e, errno, "cannot write %s", template);
	unlink(template);
	return false;
}

static bool rename_durably(const char *from, const char *to, int directory_fd,
                           struct err *e)
{
	if (rename(from, to) < 0) {
		err_set(e, errno, "cannot replace %s", to);
		unlink(from);
		return false;
	}
	if (fsync(directory_fd) < 0)
		return err_set(e, errno, "cannot sync the directory of %s", to);
	return true;
}

static int open_directory_of(const char *path, struct err *e)
{
	char *copy = mem_strdup(path); /* dirname() writes into it */
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err_set(e, errno, "cannot open the directory of %s", path);
	free(copy);
	return fd;
}

bool file_replace(const char *path, const void *bytes, size_t n_bytes,
                  mode_t mode, struct err *e)
{
	int directory_fd = open_directory_of(path, e);
	char *temporary;
	bool ok;

	if (directory_fd < 0)
		return false;
	temporary = mem_printf("%s" FILE_TEMPORARY_MARK "XXXXXX", path);
	ok = write_new(temporary, bytes, n_bytes, mode, e) &&
	     rename_durably(temporary, path, directory_fd, e);
	free(temporary);
	close(directory_fd);
	return ok;
}

/*
 * A file of root's may be readable by its group: the group is then the
 * service's own, and systemd's credentials look like that, too.
 */
static bool private_enough(int fd, const char *path, struct err *e)
{
	mode_t forbidden = S_IRWXG | S_IRWXO;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "cannot stat %s", path);
	if (st.st_uid == 0)
		forbidden &= ~(mode_t)S_IRGRP;
	if (st.st_mode & forbidden)
		return err_set(e, 0,
		               "key file %s is open to others (mode %04o): "
		               "chmod 600 it",
		               path, (unsigned int)(st.st_mode & 07777));
	return true;
}

char *file_read_secret(const char *path, size_t max_bytes, size_t *n_bytes,
                       struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;

	if (fd < 0) {
		err_set(e, errno, "cannot open key file %s", path);
		return NULL;
	}
	if (private_enough(fd, path, e))
		text = read_all(fd, path, max_bytes, n_bytes, e);
	close(fd);
	return text;
}

/* The first line holds 2 * n hex digits and at most white space after them. */
static bool decode_key(const char *text, uint8_t *out, size_t n_bytes)
{
	size_t digits = strspn(text, "0123456789abcdefABCDEF");
	size_t blank = strspn(text + digits, " \t\r");
	char end = text[digits + blank];

	return digits == 2 * n_bytes && (end == '\n' || end == '\0') &&
	       sodium_hex2bin(out, n_bytes, text, digits, NULL, NULL, NULL) ==
	               0;
}

bool file_read_key(const char *path, uint8_t *out, size_t n_bytes,
                   struct err *e)
{
	size_t text_bytes;
	char *text = file_read_secret(path, KEY_FILE_MAX, &text_bytes, e);
	bool ok;

	if (!text)
		return false;
	ok = decode_key(text, out, n_bytes);
	explicit_bzero(text, text_bytes);
	free(text);
	if (!ok)
		return err_set(e, 0,
		               "the first line of key file %s is not %zu hex "
		               "digits",
		               path, 2 * n_bytes);
	return true;
}
