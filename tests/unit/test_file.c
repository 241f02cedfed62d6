/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/file.c"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"

enum { PATH_BYTES = 256 };

static char directory[PATH_BYTES];

static int make_directory(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/test_file-XXXXXX",
	         tmp ? tmp : "/tmp");
	return mkdtemp(directory) ? 0 : -1;
}

/* Count the entries of the directory; with_removal: and remove them. */
static int count_entries(bool with_removal)
{
	DIR *d = opendir(directory);
	const struct dirent *entry;
	int n = 0;

	assert_non_null(d);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		if (with_removal)
			unlinkat(dirfd(d), entry->d_name,
			         entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	}
	closedir(d);
	return n;
}

static int remove_directory(void **state)
{
	(void)state;
	count_entries(true);
	return rmdir(directory);
}

static const char *path_of(const char *name)
{
	static char path[2 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void put(const char *path, const char *text, mode_t mode)
{
	struct err e;

	if (!file_replace(path, text, strlen(text), mode, &e))
		fail_msg("%s", e.text);
}

static void check_content(const char *path, const char *expected)
{
	struct err e;
	char *text = file_read(path, 100, NULL, &e);

	if (!text)
		fail_msg("%s", e.text);
	assert_string_equal(text, expected);
	free(text);
}

/* "<before><path><after>" is what the error says. */
static void check_error(const struct err *e, const char *before,
                        const char *path, const char *after)
{
	char expected[4 * PATH_BYTES];

	snprintf(expected, sizeof(expected), "%s%s%s", before, path, after);
	assert_string_equal(e->text, expected);
}

/* ---- reading ------------------------------------------------------------ */

static void a_file_is_read_whole_with_its_length(void **state)
{
	const char *path = path_of("a");
	struct err e;
	size_t n;
	char *text;

	(void)state;
	assert_true(file_replace(path, "a\0b", 3, 0644, &e));
	text = file_read(path, 3, &n, &e);
	assert_non_null(text);
	assert_int_equal(n, 3);
	assert_memory_equal(text, "a\0b", 4); /* with a 0 after it */
	free(text);
}

static void an_empty_file_is_an_empty_text(void **state)
{
	(void)state;
	put(path_of("a"), "", 0644);
	check_content(path_of("a"), "");
}

static void every_length_around_the_buffer_is_read(void **state)
{
	const char *path = path_of("a");
	static const size_t lengths[] = { 4095, 4096, 4097, 8192, 50000 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *bytes = mem_alloc(lengths[i]);
		struct err e;
		size_t n;
		char *text;

		memset(bytes, 'x', lengths[i]);
		bytes[lengths[i] - 1] = 'y';
		assert_true(file_replace(path, bytes, lengths[i], 0644, &e));
		text = file_read(path, lengths[i], &n, &e);
		assert_non_null(text);
		assert_int_equal(n, lengths[i]);
		assert_memory_equal(text, bytes, n);
		free(text);
		assert_null(file_read(path, lengths[i] - 1, &n, &e));
		free(bytes);
	}
}

static void a_file_that_is_too_long_is_refused(void **state)
{
	const char *path = path_of("a");
	struct err e;

	(void)state;
	put(path, "12345", 0644);
	assert_null(file_read(path, 4, NULL, &e));
	check_error(&e, "", path, " is longer than 4 bytes: File too large");
}

static void a_file_of_unknown_length_is_read(void **state)
{
	struct err e;
	char *text = file_read("/proc/self/status", 100000, NULL, &e);

	(void)state;
	assert_non_null(text);
	assert_memory_equal(text, "Name:", 5);
	free(text);
}

static void what_cannot_be_read_is_named(void **state)
{
	struct err e;

	(void)state;
	assert_null(file_read(path_of("none"), 10, NULL, &e));
	check_error(&e, "cannot open ", path_of("none"),
	            ": No such file or directory");
	assert_null(file_read(directory, 10, NULL, &e));
	check_error(&e, "cannot read ", directory, ": Is a directory");
}

/* ---- replacing ---------------------------------------------------------- */

static void a_replaced_file_has_the_new_content_and_mode(void **state)
{
	const char *path = path_of("a");
	mode_t old_mask = umask(077);
	struct stat st;

	(void)state;
	put(path, "old", 0600);
	put(path, "new", 0644);
	umask(old_mask);
	check_content(path, "new");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(count_entries(false), 1);
}

static void a_path_without_a_directory_is_in_this_one(void **state)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(here >= 0);
	assert_int_equal(chdir(directory), 0);
	put("a", "text", 0644);
	check_content("a", "text");
	assert_int_equal(fchdir(here), 0);
	close(here);
}

static void a_missing_directory_is_named(void **state)
{
	struct err e;

	(void)state;
	assert_false(file_replace(path_of("none/a"), "x", 1, 0644, &e));
	check_error(&e, "cannot open the directory of ", path_of("none/a"),
	            ": No such file or directory");
	assert_int_equal(e.code, ENOENT);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
	static const char big[10000];
	const char *path = path_of("a");
	struct rlimit old;
	struct rlimit small;
	struct err e;
	bool ok;

	(void)state;
	put(path, "old", 0644);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	ok = file_replace(path, big, sizeof(big), 0644, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

	assert_false(ok);
	assert_int_equal(e.code, EFBIG);
	check_content(path, "old");
	assert_int_equal(count_entries(false), 1);
}

static void a_failed_rename_leaves_no_temporary_file(void **state)
{
	const char *path = path_of("a");
	struct err e;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	assert_false(file_replace(path, "x", 1, 0644, &e));
	check_error(&e, "cannot replace ", path, ": Is a directory");
	assert_int_equal(count_entries(false), 1);
}

/* Mount a file system of 16 pages over the directory; false: not allowed. */
static bool mount_small_disk(unsigned long flags)
{
	return mount("none", directory, "tmpfs", flags, "size=64k") == 0;
}

enum { CHILD_FINE = 0, CHILD_SKIPPED = 77 };

static bool tell_kernel(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write_all(fd, text, strlen(text));

	close(fd);
	return ok;
}

/* See user_namespaces(7): without both maps no file can be made. */
static bool enter_user_namespace(void)
{
	char uid[40];
	char gid[40];

	snprintf(uid, sizeof(uid), "0 %d 1", (int)geteuid());
	snprintf(gid, sizeof(gid), "0 %d 1", (int)getegid());
	return unshare(CLONE_NEWUSER) == 0 &&
	       tell_kernel("/proc/self/setgroups", "deny") &&
	       tell_kernel("/proc/self/uid_map", uid) &&
	       tell_kernel("/proc/self/gid_map", gid);
}

static bool make_mounts_private(void)
{
	return (geteuid() == 0 || enter_user_namespace()) &&
	       unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Run f where mounting is private to it; returns its exit status. */
static int status_of(int (*f)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(make_mounts_private() ? f() : CHILD_SKIPPED);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool still_old(const char *path)
{
	struct err e;
	char *text = file_read(path, 100, NULL, &e);
	bool same = text && strcmp(text, "old") == 0;

	free(text);
	return same && count_entries(false) == 1;
}

static int on_full_disk(void)
{
	static const char big[100000];
	const char *path = path_of("a");
	struct err e;

	if (!mount_small_disk(0))
		return CHILD_SKIPPED;
	if (!file_replace(path, "old", 3, 0644, &e))
		return 1;
	if (file_replace(path, big, sizeof(big), 0644, &e))
		return 2;
	if (e.code != ENOSPC || strncmp(e.text, "cannot write ", 13) != 0)
		return 3;
	return still_old(path) ? CHILD_FINE : 4;
}

static int on_read_only_disk(void)
{
	const char *path = path_of("a");
	struct err e;

	if (!mount_small_disk(0))
		return CHILD_SKIPPED;
	if (!file_replace(path, "old", 3, 0644, &e))
		return 1;
	if (!mount_small_disk(MS_REMOUNT | MS_RDONLY))
		return CHILD_SKIPPED;
	if (file_replace(path, "new", 3, 0644, &e))
		return 2;
	if (e.code != EROFS || strncmp(e.text, "cannot create ", 14) != 0)
		return 3;
	return still_old(path) ? CHILD_FINE : 4;
}

static void check_on_disk(int (*f)(void))
{
	int status = status_of(f);

	if (status == CHILD_SKIPPED)
		skip();
	assert_int_equal(status, CHILD_FINE);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
	(void)state;
	check_on_disk(on_full_disk);
}

static void a_read_only_disk_leaves_the_old_file(void **state)
{
	(void)state;
	check_on_disk(on_read_only_disk);
}

/* ---- secrets ------------------------------------------------------------ */

static void a_key_is_read_in_either_case_and_with_any_line_end(void **state)
{
	static const uint8_t expected[] = { 0x01, 0xab, 0xcd, 0xef };
	static const char *const text[] = {
		"01abcdef",
		"01ABCDEF\n",
		"01abCDef\r\n",
		"01abcdef \t",
		"01abcdef\n# comment\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		uint8_t key[4] = { 0 };
		struct err e;

		put(path_of("key"), text[i], 0600);
		if (!file_read_key(path_of("key"), key, sizeof(key), &e))
			fail_msg("%s", e.text);
		assert_memory_equal(key, expected, sizeof(key));
	}
}

static void a_malformed_key_is_refused_without_showing_it(void **state)
{
	static const char *const text[] = {
		"",          "\n01abcdef", "01abcde",
		"01abcdef0", "01abcdeg",   " 01abcdef",
		"01 abcdef", "0x1abcdef",  "01abcdef x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		uint8_t key[4];
		struct err e;

		put(path_of("key"), text[i], 0600);
		assert_false(
			file_read_key(path_of("key"), key, sizeof(key), &e));
		check_error(&e, "the first line of key file ", path_of("key"),
		            " is not 8 hex digits");
	}
}

static void a_missing_key_is_named(void **state)
{
	uint8_t key[4];
	struct err e;

	(void)state;
	assert_false(file_read_key(path_of("key"), key, sizeof(key), &e));
	check_error(&e, "cannot open key file ", path_of("key"),
	            ": No such file or directory");
	assert_int_equal(e.code, ENOENT);
}

static void a_key_that_others_can_read_or_write_is_refused(void **state)
{
	static const mode_t loose[] = { 0644, 0604, 0602, 0620, 0601, 0660 };
	const char *path = path_of("key");

	(void)state;
	put(path, "01abcdef\n", 0600);
	for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
		char after[100];
		uint8_t key[4];
		struct err e;

		assert_int_equal(chmod(path, loose[i]), 0);
		assert_false(file_read_key(path, key, sizeof(key), &e));
		snprintf(after, sizeof(after),
		         " is open to others (mode %04o): chmod 600 it",
		         loose[i]);
		check_error(&e, "key file ", path, after);
		assert_null(file_read_secret(path, 100, NULL, &e));
	}
}

static void only_roots_key_may_be_readable_by_its_group(void **state)
{
	const char *path = path_of("key");
	uint8_t key[4];
	struct err e;

	(void)state;
	put(path, "01abcdef\n", 0640);
	assert_int_equal(file_read_key(path, key, sizeof(key), &e),
	                 geteuid() == 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(path, 65534, 0), 0);
	assert_false(file_read_key(path, key, sizeof(key), &e));
}

static void a_secret_of_several_lines_is_read(void **state)
{
	const char *path = path_of("key");
	struct err e;
	size_t n;
	char *text;

	(void)state;
	put(path, "a\nb\n", 0400);
	text = file_read_secret(path, 100, &n, &e);
	assert_non_null(text);
	assert_string_equal(text, "a\nb\n");
	assert_int_equal(n, 4);
	free(text);
}

#define FILE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(a_file_is_read_whole_with_its_length),
		FILE_TEST(an_empty_file_is_an_empty_text),
		FILE_TEST(every_length_around_the_buffer_is_read),
		FILE_TEST(a_file_that_is_too_long_is_refused),
		FILE_TEST(a_file_of_unknown_length_is_read),
		FILE_TEST(what_cannot_be_read_is_named),
		FILE_TEST(a_replaced_file_has_the_new_content_and_mode),
		FILE_TEST(a_path_without_a_directory_is_in_this_one),
		FILE_TEST(a_missing_directory_is_named),
		FILE_TEST(a_failed_write_leaves_the_old_file),
		FILE_TEST(a_failed_rename_leaves_no_temporary_file),
		FILE_TEST(a_full_disk_leaves_the_old_file),
		FILE_TEST(a_read_only_disk_leaves_the_old_file),
		FILE_TEST(a_key_is_read_in_either_case_and_with_any_line_end),
		FILE_TEST(a_malformed_key_is_refused_without_showing_it),
		FILE_TEST(a_missing_key_is_named),
		FILE_TEST(a_key_that_others_can_read_or_write_is_refused),
		FILE_TEST(only_roots_key_may_be_readable_by_its_group),
		FILE_TEST(a_secret_of_several_lines_is_read),
	};

	return UNIT_RUN(tests);
}
