/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/key.c"

#include "tests/unit/unit.h"

#include "tests/unit/scratch.h"

static void a_made_key_is_read_back(void **state)
{
	const char *path = scratch_path(state, KEY_FILE);
	struct key made;
	struct key loaded;
	struct stat st;
	struct err e;

	assert_false(key_exists(path));
	assert_true(key_make(path, &made, &e));
	assert_true(key_exists(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(key_load(path, &loaded, &e));
	assert_memory_equal(&made, &loaded, sizeof(made));
}

static void two_keys_differ(void **state)
{
	struct key a;
	struct key b;
	struct err e;

	assert_true(key_make(scratch_path(state, "a"), &a, &e));
	assert_true(key_make(scratch_path(state, "b"), &b, &e));
	assert_string_not_equal(a.public_text, b.public_text);
	assert_string_not_equal(a.secret_text, b.secret_text);
}

static void a_key_open_to_others_is_refused(void **state)
{
	static const mode_t modes[] = { 0604, 0640, 0620, 0602, 0660, 0644 };
	const char *path = scratch_path(state, KEY_FILE);
	struct key k;
	struct err e;

	assert_true(key_make(path, &k, &e));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_false(key_load(path, &k, &e));
		assert_non_null(strstr(e.text, "chmod"));
	}
}

static void a_cut_file_is_refused_at_every_length(void **state)
{
	const char *path = scratch_path(state, KEY_FILE);
	char text[256];
	struct key k;
	struct err e;
	int length;

	assert_true(key_make(path, &k, &e));
	length = snprintf(text, sizeof(text), "public %s\nsecret %s\n",
	                  k.public_text, k.secret_text);
	for (int n = 0; n < length - 1; n++) {
		char cut[256];

		snprintf(cut, sizeof(cut), "%.*s", n, text);
		scratch_write(path, cut);
		assert_false(key_load(path, &k, &e));
		assert_non_null(strstr(e.text, path));
	}
	text[length - 1] = '\0'; /* without the last line feed it is whole */
	scratch_write(path, text);
	assert_true(key_load(path, &k, &e));
}

static void halves_of_different_keys_are_refused(void **state)
{
	const char *path = scratch_path(state, KEY_FILE);
	char text[256];
	struct key a;
	struct key b;
	struct err e;

	assert_true(key_make(path, &a, &e));
	assert_true(key_make(path, &b, &e));
	snprintf(text, sizeof(text), "public %s\nsecret %s\n", a.public_text,
	         b.secret_text);
	scratch_write(path, text);
	assert_false(key_load(path, &a, &e));
}

static void a_missing_key_says_how_to_make_one(void **state)
{
	struct key k;
	struct err e;

	assert_false(key_load(scratch_path(state, "none"), &k, &e));
	assert_non_null(strstr(e.text, "keygen"));
}

static void derived_secrets_differ_by_key_and_purpose(void **state)
{
	uint8_t derived[3][KEY_BYTES];
	struct key a;
	struct key b;
	struct err e;

	assert_true(key_make(scratch_path(state, "a"), &a, &e));
	assert_true(key_make(scratch_path(state, "b"), &b, &e));
	key_derive(&a, "schedule", derived[0]);
	key_derive(&b, "schedule", derived[1]);
	key_derive(&a, "other", derived[2]);
	assert_memory_not_equal(derived[0], derived[1], KEY_BYTES);
	assert_memory_not_equal(derived[0], derived[2], KEY_BYTES);
	key_derive(&a, "schedule", derived[1]);
	assert_memory_equal(derived[0], derived[1], KEY_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(a_made_key_is_read_back),
		SCRATCH_TEST(two_keys_differ),
		SCRATCH_TEST(a_key_open_to_others_is_refused),
		SCRATCH_TEST(a_cut_file_is_refused_at_every_length),
		SCRATCH_TEST(halves_of_different_keys_are_refused),
		SCRATCH_TEST(a_missing_key_says_how_to_make_one),
		SCRATCH_TEST(derived_secrets_differ_by_key_and_purpose),
	};

	return UNIT_RUN(tests);
}
