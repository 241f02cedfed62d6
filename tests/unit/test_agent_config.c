/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.c"

#include "tests/unit/unit.h"

#include "tests/unit/scratch.h"

#define PLAN_KEY "RWT3Y9TpheqmY3E8rkj8z01O211jJghJC3XbSstOrFV++6TD4O7Snlsl"

static bool load_text(void **state, const char *text, struct config *c,
                      struct err *e)
{
	const struct args_list none = { 0 };
	const char *path = scratch_path(state, "periplus.conf");

	scratch_write(path, text);
	return config_load(c, path, &none, e);
}

static void a_file_is_loaded(void **state)
{
	struct config c;
	struct err e;

	assert_true(load_text(state,
	                      "plan = /a.json https://x/b.json\n"
	                      "plan = http://y/c.json\n"
	                      "plan_key = " PLAN_KEY "\n"
	                      "state_dir = /var/tmp/p\n"
	                      "spool_max = 2M\nupload = no\n",
	                      &c, &e));
	assert_int_equal(c.plan.count, 3);
	assert_false(config_is_url(c.plan.item[0]));
	assert_true(config_is_url(c.plan.item[1]));
	assert_true(config_is_url(c.plan.item[2]));
	assert_int_equal(c.spool_max_bytes, 2 * MIB);
	assert_false(c.upload);
	assert_false(c.allow_any_target);
	assert_string_equal(c.consent_file, "/var/tmp/p/consent");
	config_free(&c);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text;
		const char *wanted;
	} bad[] = {
		{ "plan = /a.json\n", "plan_key" },
		{ "plan = ftp://x\nplan_key = " PLAN_KEY "\n", "ftp://x" },
		{ "plan = file:///x\nplan_key = " PLAN_KEY "\n", "file:///x" },
		{ "plan_key = RWT3Y9T\n", "RWT3Y9T" },
		{ "plan_key = not base64!\n", "not base64!" },
		{ "plan_key = AAD3Y9TpheqmY3E8rkj8z01O211jJghJC3XbSstOrFV"
		  "++6TD4O7Snlsl\n",
		  "minisign" },
		{ "upload = 1\n", "upload" },
		{ "interval = 3\n", "interval" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config c;
		struct err e;

		assert_false(load_text(state, bad[i].text, &c, &e));
		assert_non_null(strstr(e.text, bad[i].wanted));
	}
}

static void assignments_come_after_the_file(void **state)
{
	const struct args_list set = {
		.count = 2,
		.item = { "upload=yes", "state_dir=/var/tmp/q" },
	};
	const char *path = scratch_path(state, "periplus.conf");
	struct config c;
	struct err e;

	scratch_write(path, "upload = no\nstate_dir = /var/tmp/p\n");
	assert_true(config_load(&c, path, &set, &e));
	assert_true(c.upload);
	assert_string_equal(c.state_dir, "/var/tmp/q");
	config_free(&c);
}

static void the_state_directory_is_made_with_its_parents(void **state)
{
	struct config c = { .state_dir = scratch_path(state, "a/b/c") };
	struct stat st;
	struct err e;

	assert_true(config_make_state_dir(&c, &e));
	assert_int_equal(stat(c.state_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(config_make_state_dir(&c, &e)); /* twice is fine */
	scratch_write(scratch_path(state, "file"), "");
	c.state_dir = scratch_path(state, "file/state");
	assert_false(config_make_state_dir(&c, &e));
	assert_non_null(strstr(e.text, "file/state"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_file_is_loaded),
		SCRATCH_TEST(mistakes_are_named),
		SCRATCH_TEST(assignments_come_after_the_file),
		SCRATCH_TEST(the_state_directory_is_made_with_its_parents),
	};

	return UNIT_RUN(tests);
}
