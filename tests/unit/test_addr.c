/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/addr.c"

#include "tests/unit/unit.h"

static struct addr addr_of(const char *text, uint16_t port)
{
	struct addr a;

	if (!addr_parse(text, &a))
		fail_msg("cannot read %s", text);
	a.port = port;
	return a;
}

static void both_families_are_read_and_written(void **state)
{
	static const char *const text[] = { "192.0.2.1", "2001:db8::1",
		                            "::", "255.255.255.255" };

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		struct addr a = addr_of(text[i], 0);
		char out[ADDR_TEXT_BYTES];

		addr_format(&a, out);
		assert_string_equal(out, text[i]);
	}
}

static void no_address_has_a_text_too(void **state)
{
	struct addr none = { 0 };
	char out[ADDR_TEXT_BYTES];

	(void)state;
	addr_format(&none, out);
	assert_string_equal(out, "none");
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",           "localhost",     "192.0.2",     "192.0.2.256",
		"192.0.2.01", "192.0.2.1:80",  "192.0.2.1 ",  "[2001:db8::1]",
		"2001:db8:",  "fe80::1%eth0",  "0x7f.0.0.1",  "192.0.2.1/24",
		"1",          "::ffff:1.2.3.", "2001:db8::g",
	};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (addr_parse(bad[i], &a))
			fail_msg("accepted \"%s\"", bad[i]);
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
	struct addr plain = addr_of("192.0.2.1", 80);
	struct addr mapped = addr_of("::ffff:192.0.2.1", 80);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		                    .sin6_port = htons(80) };
	struct addr from_kernel;

	(void)state;
	assert_memory_equal(&plain, &mapped, sizeof(plain));
	assert_int_equal(
		inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
	assert_true(addr_from_sockaddr((const struct sockaddr *)&in6,
	                               sizeof(in6), &from_kernel));
	assert_memory_equal(&plain, &from_kernel, sizeof(plain));
}

static const struct {
	const char *text;
	enum addr_class class;
} classes[] = {
	{ "8.8.8.8", ADDR_PUBLIC },
	{ "0.0.0.0", ADDR_SPECIAL },
	{ "0.255.255.255", ADDR_SPECIAL },
	{ "1.0.0.0", ADDR_PUBLIC },
	{ "9.255.255.255", ADDR_PUBLIC },
	{ "10.0.0.0", ADDR_PRIVATE },
	{ "10.255.255.255", ADDR_PRIVATE },
	{ "11.0.0.0", ADDR_PUBLIC },
	{ "100.63.255.255", ADDR_PUBLIC },
	{ "100.64.0.0", ADDR_SHARED },
	{ "100.127.255.255", ADDR_SHARED },
	{ "100.128.0.0", ADDR_PUBLIC },
	{ "127.0.0.1", ADDR_LOOPBACK },
	{ "127.255.255.255", ADDR_LOOPBACK },
	{ "128.0.0.0", ADDR_PUBLIC },
	{ "169.254.1.1", ADDR_LINK_LOCAL },
	{ "172.15.255.255", ADDR_PUBLIC },
	{ "172.16.0.0", ADDR_PRIVATE },
	{ "172.31.255.255", ADDR_PRIVATE },
	{ "172.32.0.0", ADDR_PUBLIC },
	{ "192.0.0.8", ADDR_SPECIAL },
	{ "192.0.1.0", ADDR_PUBLIC },
	{ "192.0.2.255", ADDR_DOCUMENTATION },
	{ "192.0.3.0", ADDR_PUBLIC },
	{ "192.88.99.1", ADDR_SPECIAL },
	{ "192.168.255.255", ADDR_PRIVATE },
	{ "192.169.0.0", ADDR_PUBLIC },
	{ "198.17.255.255", ADDR_PUBLIC },
	{ "198.18.0.0", ADDR_DOCUMENTATION },
	{ "198.19.255.255", ADDR_DOCUMENTATION },
	{ "198.20.0.0", ADDR_PUBLIC },
	{ "198.51.100.1", ADDR_DOCUMENTATION },
	{ "203.0.113.1", ADDR_DOCUMENTATION },
	{ "203.0.114.0", ADDR_PUBLIC },
	{ "223.255.255.255", ADDR_PUBLIC },
	{ "224.0.0.1", ADDR_SPECIAL },
	{ "240.0.0.1", ADDR_SPECIAL },
	{ "255.255.255.255", ADDR_SPECIAL },
	{ "::", ADDR_SPECIAL },
	{ "::1", ADDR_LOOPBACK },
	{ "::2", ADDR_SPECIAL },
	{ "::ffff:10.0.0.1", ADDR_PRIVATE },
	{ "64:ff9b::808:808", ADDR_SPECIAL },
	{ "100::1", ADDR_SPECIAL },
	{ "1fff::1", ADDR_SPECIAL },
	{ "2000::1", ADDR_PUBLIC },
	{ "2001::1", ADDR_SPECIAL },
	{ "2001:1ff::1", ADDR_SPECIAL },
	{ "2001:200::1", ADDR_PUBLIC },
	{ "2001:2::1", ADDR_DOCUMENTATION },
	{ "2001:2:1::1", ADDR_SPECIAL },
	{ "2001:db7:ffff::1", ADDR_PUBLIC },
	{ "2001:db8::1", ADDR_DOCUMENTATION },
	{ "2001:db9::1", ADDR_PUBLIC },
	{ "2002:a00:1::1", ADDR_SPECIAL },
	{ "2a00:1450:4001::1", ADDR_PUBLIC },
	{ "3ffe:ffff::1", ADDR_PUBLIC },
	{ "3fff::1", ADDR_DOCUMENTATION },
	{ "3fff:fff:ffff::1", ADDR_DOCUMENTATION },
	{ "3fff:1000::1", ADDR_PUBLIC },
	{ "4000::1", ADDR_SPECIAL },
	{ "fbff::1", ADDR_SPECIAL },
	{ "fc00::1", ADDR_PRIVATE },
	{ "fdff:ffff::1", ADDR_PRIVATE },
	{ "fe00::1", ADDR_SPECIAL },
	{ "fe80::1", ADDR_LINK_LOCAL },
	{ "febf:ffff::1", ADDR_LINK_LOCAL },
	{ "fec0::1", ADDR_SPECIAL },
	{ "ff02::1", ADDR_SPECIAL },
};

static void the_edges_of_each_block_are_where_they_should_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct addr a = addr_of(classes[i].text, 0);

		if (addr_class(&a) != classes[i].class)
			fail_msg("%s is of class %d", classes[i].text,
			         (int)addr_class(&a));
	}
}

static void no_address_is_never_public(void **state)
{
	struct addr none = { 0 };

	(void)state;
	assert_int_equal(addr_class(&none), ADDR_SPECIAL);
}

static void the_port_does_not_make_another_host(void **state)
{
	struct addr a = addr_of("192.0.2.1", 1);
	struct addr b = addr_of("192.0.2.1", 2);
	struct addr other = addr_of("192.0.2.2", 1);
	struct addr v6 = addr_of("c000:201::", 1); /* the same first bytes */

	(void)state;
	assert_true(addr_same_host(&a, &b));
	assert_false(addr_same_host(&a, &other));
	assert_false(addr_same_host(&a, &v6));
}

static void check_prefix(const char *text, int bits4, int bits6,
                         const char *expected)
{
	struct addr a = addr_of(text, 99);
	struct addr prefix = addr_prefix(&a, bits4, bits6);
	char out[ADDR_TEXT_BYTES];

	addr_format(&prefix, out);
	assert_string_equal(out, expected);
	assert_int_equal(prefix.port, 0);
}

static void a_prefix_keeps_the_first_bits_and_no_port(void **state)
{
	(void)state;
	check_prefix("192.0.2.255", 24, 48, "192.0.2.0");
	check_prefix("192.0.2.255", 32, 48, "192.0.2.255");
	check_prefix("192.0.2.255", 31, 48, "192.0.2.254");
	check_prefix("255.255.255.255", 9, 48, "255.128.0.0");
	check_prefix("255.255.255.255", 0, 48, "0.0.0.0");
	check_prefix("2001:db8:1:2ff:3:4:5:6", 24, 56, "2001:db8:1:200::");
	check_prefix("2001:db8:1:2ff:3:4:5:6", 24, 128,
	             "2001:db8:1:2ff:3:4:5:6");
	check_prefix("2001:db8:1:2ff:3:4:5:6", 24, 0, "::");
}

static void the_kernel_gets_and_gives_the_same_address(void **state)
{
	static const char *const text[] = { "192.0.2.1", "2001:db8::1" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct addr a = addr_of(text[i], 4433);
		struct sockaddr_storage ss;
		socklen_t len = addr_to_sockaddr(&a, &ss);
		struct addr back;

		assert_true(addr_from_sockaddr((const struct sockaddr *)&ss,
		                               len, &back));
		assert_memory_equal(&a, &back, sizeof(a));
		/* One byte less is no such address any more. */
		assert_false(addr_from_sockaddr((const struct sockaddr *)&ss,
		                                len - 1, &back));
		assert_int_equal(back.family, 0);
	}
}

static void other_families_are_refused(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct addr a;

	(void)state;
	assert_false(addr_from_sockaddr((const struct sockaddr *)&ss,
	                                sizeof(ss), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_are_read_and_written),
		cmocka_unit_test(no_address_has_a_text_too),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
		cmocka_unit_test(
			the_edges_of_each_block_are_where_they_should_be),
		cmocka_unit_test(no_address_is_never_public),
		cmocka_unit_test(the_port_does_not_make_another_host),
		cmocka_unit_test(a_prefix_keeps_the_first_bits_and_no_port),
		cmocka_unit_test(the_kernel_gets_and_gives_the_same_address),
		cmocka_unit_test(other_families_are_refused),
	};

	return UNIT_RUN(tests);
}
