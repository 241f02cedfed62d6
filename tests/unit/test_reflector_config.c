/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/config.c"

#include <unistd.h>

#include "tests/unit/unit.h"

#define NAME "name = fra1\n"
#define SEED "seed = 00112233445566778899aabbccddeeff\n"

static bool load(struct reflector_config *c, const char *text, struct err *e)
{
	char path[] = "/tmp/reflector-config-XXXXXX";
	int fd = mkstemp(path);
	bool ok;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	ok = reflector_config_load(c, path, NULL, 0, e);
	unlink(path);
	return ok;
}

static void refuses(const char *text, const char *why)
{
	struct reflector_config c;
	struct err e = { 0 };

	if (load(&c, text, &e))
		fail_msg("accepted: %s", text);
	if (!strstr(e.text, why))
		fail_msg("'%s' does not say '%s'", e.text, why);
	reflector_config_free(&c);
}

static void name_and_seed_suffice(void **state)
{
	struct reflector_config c;
	struct err e;

	(void)state;
	assert_true(load(&c, NAME SEED, &e));
	assert_int_equal(c.seed[15], 0xff);
	assert_int_equal(c.local_count, 2);
	assert_int_equal(c.local[0].family, 4);
	assert_int_equal(c.local[1].family, 6);
	assert_true(port_list_has(&c.fixed, TRANSPORT_TCP, 443));
	assert_true(port_list_has(&c.fixed, TRANSPORT_UDP, 53));
	assert_false(port_list_has(&c.fixed, TRANSPORT_TCP, 0));
	assert_int_equal(c.without.count, 0);
	reflector_config_free(&c);
}

static void listed_ports_replace_the_catalogue(void **state)
{
	struct reflector_config c;
	struct err e;

	(void)state;
	assert_true(load(&c,
	                 NAME SEED "ports = tcp/80, udp/53 tcp/80\n"
	                           "without = udp/53\n",
	                 &e));
	assert_int_equal(c.fixed.count, 2);
	assert_true(port_list_has(&c.fixed, TRANSPORT_TCP, 80));
	assert_int_equal(c.without.count, 1);
	reflector_config_free(&c);
}

static void a_family_is_switched_off_by_an_empty_list(void **state)
{
	struct reflector_config c;
	struct err e;

	(void)state;
	assert_true(load(&c,
	                 NAME SEED "listen6 =\n"
	                           "listen4 = 192.0.2.1\nlisten4 = 192.0.2.2\n",
	                 &e));
	assert_int_equal(c.local_count, 2);
	assert_int_equal(c.local[1].ip[3], 2);
	reflector_config_free(&c);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	refuses(SEED, "name is not set");
	refuses("name = Fra_1\n" SEED, "name: ");
	refuses("name = a2345678901234567890123456789012\n" SEED, "at most 31");
	refuses(NAME, "seed is not set");
	refuses(NAME "seed = 0011\n", "32 hex digits");
	refuses(NAME "seed = 00112233445566778899aabbccddeefg\n",
	        "32 hex digits");
	refuses(NAME SEED "listen4 = ::1\n", "no IPv4 address");
	refuses(NAME SEED "listen6 = localhost\n", "no IPv6 address");
	refuses(NAME SEED "listen4 =\nlisten6 =\n", "nothing to listen on");
	refuses(NAME SEED "listen4 = 192.0.2.1 192.0.2.1\n", "twice");
	refuses(NAME SEED "listen4 = 192.0.2.1 0.0.0.0\n", "overlap");
	refuses(NAME SEED "ports = 80\n", "'80' is no port");
	refuses(NAME SEED "ports = tcp/0\n", "is no port");
	refuses(NAME SEED "ports = tcp/65536\n", "is no port");
	refuses(NAME SEED "without = sctp/80\n", "without: ");
	refuses(NAME SEED "without = tcp/1234567890123456789012345678\n",
	        "is no port");
	refuses(NAME SEED "threads = 65\n", "out of range");
	refuses(NAME SEED "sessions_max = 0\n", "out of range");
	refuses(NAME SEED "request_timeout = 0\n", "out of range");
	refuses(NAME SEED "receipt_key_file =\n", "receipt_key_file is empty");
	refuses(NAME SEED "port = tcp/80\n", "did you mean 'ports'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_and_seed_suffice),
		cmocka_unit_test(listed_ports_replace_the_catalogue),
		cmocka_unit_test(a_family_is_switched_off_by_an_empty_list),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return UNIT_RUN(tests);
}
