/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files only: fetching is a process, and tests/agent/cli.t has it.  Plans are
 * signed here, in minisign's legacy kind.
 */
#include "agent/plan_source.c"

#include <inttypes.h>
#include <sodium.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

#include "tests/unit/scratch.h"

#define NOW (INT64_C(1800000000) * CLOCK_S)

struct signer {
	uint8_t id[8];
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	char public_text[MINISIGN_TEXT_BYTES];
};

struct scene {
	void **state;
	struct loop *loop;
	struct config config;
	struct signer operator;
	struct plan_source *source;
};

static void to_base64(const void *bytes, size_t n, char *out, size_t out_bytes)
{
	sodium_bin2base64(out, out_bytes, bytes, n,
	                  sodium_base64_VARIANT_ORIGINAL);
}

static void make_signer(struct signer *s)
{
	uint8_t key[42] = { 'E', 'd' };

	crypto_sign_keypair(s->public, s->secret);
	randombytes_buf(s->id, sizeof(s->id));
	memcpy(key + 2, s->id, 8);
	memcpy(key + 10, s->public, 32);
	to_base64(key, sizeof(key), s->public_text, sizeof(s->public_text));
}

static void sign_file(const struct signer *s, const char *path,
                      const char *text)
{
	uint8_t line[74] = { 'E', 'd' };
	uint8_t global[crypto_sign_BYTES];
	uint8_t covered[64 + 4];
	char signature[128];
	char over_comment[128];
	char file[512];
	char sig_path[600];

	memcpy(line + 2, s->id, 8);
	crypto_sign_detached(line + 10, NULL, (const uint8_t *)text,
	                     strlen(text), s->secret);
	memcpy(covered, line + 10, 64);
	memcpy(covered + 64, "test", 4);
	crypto_sign_detached(global, NULL, covered, sizeof(covered), s->secret);
	to_base64(line, sizeof(line), signature, sizeof(signature));
	to_base64(global, sizeof(global), over_comment, sizeof(over_comment));
	snprintf(file, sizeof(file),
	         "untrusted comment: test\n%s\ntrusted comment: test\n%s\n",
	         signature, over_comment);
	snprintf(sig_path, sizeof(sig_path), "%s.minisig", path);
	scratch_write(path, text);
	scratch_write(sig_path, file);
}

/* Write and sign a plan that is valid until so many seconds after NOW. */
static void publish(const struct scene *c, const struct signer *s,
                    const char *name, int serial, int64_t valid_s,
                    const char *next_key)
{
	char until[CLOCK_TEXT_BYTES];
	char text[1024];

	clock_format(NOW + valid_s * CLOCK_S, until);
	snprintf(text, sizeof(text),
	         "{\"format\":\"periplus-plan/1\",\"serial\":%d,"
	         "\"valid_until\":\"%s\",\"interval_s\":3600,"
	         "\"min_agent\":\"0.1.0\","
	         "\"seed\":\"000102030405060708090a0b0c0d0e0f\","
	         "%s%s%s"
	         "\"collectors\":[{\"endpoint\":\"tcp://192.0.2.9:443\","
	         "\"key\":\"0123456789012345678901234567890123456789\"}],"
	         "\"reflectors\":[{\"name\":\"fra1\",\"ipv4\":\"192.0.2.7\","
	         "\"control_ports\":[443]}],"
	         "\"probes\":[{\"direction\":\"out\",\"transport\":\"tcp\","
	         "\"port\":25,\"class\":\"basic\"}]}",
	         serial, until, next_key ? "\"next_key\":\"" : "",
	         next_key ? next_key : "", next_key ? "\"," : "");
	sign_file(s, scratch_path(c->state, name), text);
}

static void add_source(struct scene *c, const char *name)
{
	c->config.plan.item[c->config.plan.count++] =
		mem_strdup(scratch_path(c->state, name));
}

static struct scene *open_scene(void **state)
{
	struct scene *c = mem_alloc(sizeof(*c));
	struct err e;

	c->state = state;
	c->loop = loop_new(&e);
	assert_non_null(c->loop);
	make_signer(&c->operator);
	c->config.state_dir = mem_strdup(*state);
	c->config.plan_key = mem_strdup(c->operator.public_text);
	c->config.allow_any_target = true;
	add_source(c, "one.json");
	return c;
}

static void restart(struct scene *c, int64_t now_ns)
{
	plan_source_free(c->source);
	c->source = plan_source_new(c->loop, &c->config, now_ns);
}

static void close_scene(struct scene *c)
{
	plan_source_free(c->source);
	loop_free(c->loop);
	config_free(&c->config);
	free(c);
}

static void on_done(void *ctx)
{
	struct scene *c = ctx;

	loop_stop(c->loop);
}

static void refresh_at(struct scene *c, int64_t now_ns)
{
	struct err e;

	if (!c->source)
		restart(c, now_ns);
	plan_source_refresh(c->source, now_ns, on_done, c);
	assert_true(loop_run(c->loop, &e));
}

/* The serial in force at a time; 0: none. */
static int serial_at(const struct scene *c, int64_t now_ns, struct err *e)
{
	const struct plan *p = plan_source_get(c->source, now_ns, e);

	return p ? (int)p->serial : 0;
}

static void the_first_acceptable_source_wins(void **state)
{
	struct scene *c = open_scene(state);
	struct signer forger;
	struct err e;

	make_signer(&forger);
	add_source(c, "two.json");
	add_source(c, "three.json");
	publish(c, &forger, "two.json", 9, 100, NULL);
	publish(c, &c->operator, "three.json", 3, 100, NULL);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 3);
	assert_non_null(strstr(plan_source_fault(c->source), "one.json"));
	assert_non_null(strstr(plan_source_fault(c->source), "two.json"));
	assert_null(strstr(plan_source_fault(c->source), "three.json"));
	publish(c, &c->operator, "one.json", 4, 100, NULL);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 4);
	assert_string_equal(plan_source_fault(c->source), "");
	close_scene(c);
}

static void without_sources_the_cached_plan_is_used(void **state)
{
	struct scene *c = open_scene(state);
	struct err e;

	publish(c, &c->operator, "one.json", 3, 100, NULL);
	refresh_at(c, NOW);
	unlink(scratch_path(state, "one.json"));
	restart(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 3);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 3);
	assert_non_null(strstr(plan_source_fault(c->source), "one.json"));
	close_scene(c);
}

static void a_plan_expires_while_it_is_held_and_while_it_is_cached(void **state)
{
	struct scene *c = open_scene(state);
	struct err e;

	publish(c, &c->operator, "one.json", 3, 100, NULL);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW + 99 * CLOCK_S, &e), 3);
	assert_int_equal(serial_at(c, NOW + 100 * CLOCK_S, &e), 0);
	assert_non_null(strstr(e.text, "expired"));
	restart(c, NOW + 101 * CLOCK_S);
	assert_int_equal(serial_at(c, NOW + 101 * CLOCK_S, &e), 0);
	assert_non_null(strstr(e.text, "expired"));
	/* The clock was wrong, and is set: the cached plan is good again. */
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 3);
	close_scene(c);
}

static void an_older_plan_is_refused_across_restarts(void **state)
{
	struct scene *c = open_scene(state);
	struct err e;

	publish(c, &c->operator, "one.json", 7, 100, NULL);
	refresh_at(c, NOW);
	publish(c, &c->operator, "one.json", 6, 100, NULL);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 7);
	assert_non_null(strstr(plan_source_fault(c->source), "older"));
	unlink(scratch_path(state, PLAN_FILE));
	restart(c, NOW);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 0);
	assert_non_null(strstr(e.text, "older"));
	close_scene(c);
}

static void losing_what_was_seen_leaves_the_cached_plan_as_witness(void **state)
{
	struct scene *c = open_scene(state);
	struct err e;

	publish(c, &c->operator, "one.json", 7, 100, NULL);
	refresh_at(c, NOW);
	scratch_write(scratch_path(state, SEEN_FILE), "{");
	publish(c, &c->operator, "one.json", 6, 100, NULL);
	restart(c, NOW);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 7);
	assert_non_null(strstr(plan_source_fault(c->source), "damaged"));
	assert_non_null(strstr(plan_source_fault(c->source), "older"));
	close_scene(c);
}

static void a_successor_must_have_been_named(void **state)
{
	struct scene *c = open_scene(state);
	struct signer heir;
	struct err e;

	make_signer(&heir);
	publish(c, &heir, "one.json", 2, 100, NULL);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 0);
	publish(c, &c->operator, "one.json", 3, 100, heir.public_text);
	refresh_at(c, NOW);
	publish(c, &heir, "one.json", 4, 100, NULL);
	restart(c, NOW); /* the name is kept on disk */
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 4);
	restart(c, NOW); /* and the cached plan of the heir holds */
	assert_int_equal(serial_at(c, NOW, &e), 4);
	close_scene(c);
}

static void a_chain_of_successors_is_followed(void **state)
{
	struct scene *c = open_scene(state);
	struct signer chain[SUCCESSORS_MAX + 3];
	struct err e;
	int count = SUCCESSORS_MAX + 3;

	chain[0] = c->operator;
	for (int i = 1; i < count; i++) {
		make_signer(&chain[i]);
		publish(c, &chain[i - 1], "one.json", i, 100,
		        chain[i].public_text);
		refresh_at(c, NOW);
		assert_int_equal(serial_at(c, NOW, &e), i);
	}
	assert_int_equal(c->source->seen.successor_count, SUCCESSORS_MAX);
	close_scene(c);
}

static void another_operator_begins_anew(void **state)
{
	struct scene *c = open_scene(state);
	struct signer other;
	struct err e;

	publish(c, &c->operator, "one.json", 70, 100, NULL);
	refresh_at(c, NOW);
	make_signer(&other);
	free(c->config.plan_key);
	c->config.plan_key = mem_strdup(other.public_text);
	publish(c, &other, "one.json", 1, 100, NULL);
	restart(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 0); /* not the old cache */
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 1);
	close_scene(c);
}

static void a_cache_torn_by_a_crash_is_not_used(void **state)
{
	struct scene *c = open_scene(state);
	struct err e;

	publish(c, &c->operator, "one.json", 7, 100, NULL);
	refresh_at(c, NOW);
	publish(c, &c->operator, "one.json", 8, 100, NULL);
	assert_int_equal(rename(scratch_path(state, "one.json.minisig"),
	                        scratch_path(state, PLAN_FILE ".minisig")),
	                 0);
	unlink(scratch_path(state, "one.json"));
	restart(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 0);
	assert_non_null(strstr(e.text, "cached plan"));
	close_scene(c);
}

static void nothing_configured_is_said(void **state)
{
	struct scene *c = open_scene(state);
	struct err e;

	config_free(&c->config);
	c->config.state_dir = mem_strdup(*state);
	refresh_at(c, NOW);
	assert_int_equal(serial_at(c, NOW, &e), 0);
	assert_non_null(strstr(e.text, "plan_key"));
	close_scene(c);
}

static void an_unchanged_plan_is_not_written_again(void **state)
{
	struct scene *c = open_scene(state);
	struct stat before;
	struct stat after;

	publish(c, &c->operator, "one.json", 7, 100, NULL);
	refresh_at(c, NOW);
	assert_int_equal(stat(scratch_path(state, PLAN_FILE), &before), 0);
	refresh_at(c, NOW);
	assert_int_equal(stat(scratch_path(state, PLAN_FILE), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	close_scene(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(the_first_acceptable_source_wins),
		SCRATCH_TEST(without_sources_the_cached_plan_is_used),
		SCRATCH_TEST(
			a_plan_expires_while_it_is_held_and_while_it_is_cached),
		SCRATCH_TEST(an_older_plan_is_refused_across_restarts),
		SCRATCH_TEST(
			losing_what_was_seen_leaves_the_cached_plan_as_witness),
		SCRATCH_TEST(a_successor_must_have_been_named),
		SCRATCH_TEST(a_chain_of_successors_is_followed),
		SCRATCH_TEST(another_operator_begins_anew),
		SCRATCH_TEST(a_cache_torn_by_a_crash_is_not_used),
		SCRATCH_TEST(nothing_configured_is_said),
		SCRATCH_TEST(an_unchanged_plan_is_not_written_again),
	};

	if (sodium_init() < 0)
		return 1;
	return UNIT_RUN(tests);
}
