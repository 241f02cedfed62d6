/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/catalogue.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void the_catalogue_has_147_entries_and_109_by_default(void **state)
{
	int by_default[2] = { 0, 0 };

	(void)state;
	assert_int_equal(catalogue_count, 147);
	for (size_t i = 0; i < catalogue_count; i++)
		by_default[catalogue[i].transport] += catalogue[i].tier <= 2;
	assert_int_equal(by_default[TRANSPORT_TCP], 67);
	assert_int_equal(by_default[TRANSPORT_UDP], 42);
}

static void entries_are_sorted_and_unique(void **state)
{
	(void)state;
	for (size_t i = 1; i < catalogue_count; i++)
		assert_true(
			order_of(catalogue[i - 1].transport,
		                 catalogue[i - 1].port) <
			order_of(catalogue[i].transport, catalogue[i].port));
}

static void entries_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < catalogue_count; i++) {
		const struct catalogue_entry *c = &catalogue[i];

		assert_in_range(c->tier, 1, 3);
		assert_non_null(
			consent_class_name((enum consent_class)c->consent));
		assert_true(c->iana_name[0] && c->application[0] &&
		            c->category[0] && c->direction[0] && c->reason[0]);
		assert_non_null(c->caution);
		assert_non_null(c->advice);
	}
}

/* One plain sentence that fits a line of the agent's table. */
static void advice_is_a_short_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < catalogue_count; i++) {
		const char *advice = catalogue[i].advice;
		size_t n = strlen(advice);

		if (n == 0)
			continue;
		assert_true(advice[0] >= 'A' && advice[0] <= 'Z');
		assert_int_equal(advice[n - 1], '.');
		assert_in_range(n, 10, 120);
	}
}

static void every_entry_is_found_and_nothing_else(void **state)
{
	size_t found = 0;

	(void)state;
	for (int port = 0; port <= UINT16_MAX; port++)
		for (int t = 0; t < 2; t++) {
			const struct catalogue_entry *c = catalogue_find(
				(enum transport)t, (uint16_t)port);

			if (!c)
				continue;
			assert_int_equal(c->port, port);
			assert_int_equal(c->transport, t);
			found++;
		}
	assert_int_equal(found, catalogue_count);
}

static void consent_follows_category_and_caution(void **state)
{
	(void)state;
	assert_int_equal(catalogue_find(TRANSPORT_TCP, 25)->consent,
	                 CONSENT_BASIC);
	assert_int_equal(catalogue_find(TRANSPORT_TCP, 445)->consent,
	                 CONSENT_NOISY);
	assert_int_equal(catalogue_find(TRANSPORT_UDP, 1434)->consent,
	                 CONSENT_NOISY);
	assert_int_equal(catalogue_find(TRANSPORT_UDP, 51820)->consent,
	                 CONSENT_TOR_VPN);
	assert_int_equal(catalogue_find(TRANSPORT_TCP, 9001)->consent,
	                 CONSENT_TOR_VPN);
	assert_string_equal(catalogue_find(TRANSPORT_TCP, 25)->advice,
	                    "Your mail program should use 587 or 465 instead.");
}

static void dhcpv6_is_for_ipv6_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < catalogue_count; i++) {
		bool dhcpv6 =
			catalogue[i].transport == TRANSPORT_UDP &&
			(catalogue[i].port == 546 || catalogue[i].port == 547);

		assert_int_equal(catalogue[i].family, dhcpv6 ? 6 : 0);
	}
}

static void class_names_are_read_back(void **state)
{
	(void)state;
	for (int c = 1; c <= CONSENT_ALL; c++) {
		const char *name = consent_class_name((enum consent_class)c);

		if (name)
			assert_int_equal(consent_class_parse(name), c);
		assert_int_equal(name != NULL, (c & (c - 1)) == 0);
	}
	assert_int_equal(consent_class_parse("Basic"), 0);
	assert_int_equal(consent_class_parse(""), 0);
	assert_string_equal(transport_name(TRANSPORT_TCP), "tcp");
	assert_string_equal(transport_name(TRANSPORT_UDP), "udp");
}

static const char header[] =
	"port\ttransport\tiana_name\tapplication\tcategory\tdirection\treason\t"
	"tier\tevidence\tcaution\tclass\tfamily\tadvice\n";

/* Run the generator over text; returns its exit status and first error. */
static int generate(const char *rows, char *message, int message_bytes)
{
	char directory[] = "/tmp/test_catalogue.XXXXXX";
	char path[64];
	char command[256];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ports.tsv", directory);

	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(rows, f);
	fclose(f);
	snprintf(command, sizeof(command),
	         "awk -f lib/catalogue_table.awk %s 2>&1 >/dev/null", path);
	f = popen(command, "r");
	assert_non_null(f);
	message[0] = '\0';
	if (fgets(message, message_bytes, f))
		message[strcspn(message, "\n")] = '\0';

	int status = pclose(f);

	unlink(path);
	rmdir(directory);
	return WEXITSTATUS(status);
}

static void a_malformed_row_is_named_by_file_and_line(void **state)
{
	static const char good[] =
		"25\ttcp\tsmtp\tSMTP\tmail\tboth\tspam\t1\tN X\t\tbasic\t0\t\n";
	static const char *const bad[] = {
		"",
		"25\ttcp\n",
		"65536\ttcp\tx\tx\tx\tx\tx\t1\tN\t\tbasic\t0\t\n",
		"026\ttcp\tx\tx\tx\tx\tx\t1\tN\t\tbasic\t0\t\n",
		"26\tsctp\tx\tx\tx\tx\tx\t1\tN\t\tbasic\t0\t\n",
		"26\ttcp\t\tx\tx\tx\tx\t1\tN\t\tbasic\t0\t\n",
		"26\ttcp\tx\tx\tx\tx\tx\t4\tN\t\tbasic\t0\t\n",
		"26\ttcp\tx\tx\tx\tx\tx\t1\tNX\t\tbasic\t0\t\n",
		"26\ttcp\tx\tx\tx\tx\tx\t1\tN\t\tnone\t0\t\n",
		"26\ttcp\tx\tx\tx\tx\tx\t1\tN\t\tbasic\t5\t\n",
		"26\ttcp\tx\tx\tx \tx\tx\t1\tN\t\tbasic\t0\t\n",
		"26\ttcp\tx\tx\tx\xc3\xa9\tx\tx\t1\tN\t\tbasic\t0\t\n",
		"26\ttcp\tx\tx\tx\tx\tx\t1\tN\t\tbasic\t0\t\tmore\n",
		"25\ttcp\tx\tx\tx\tx\tx\t1\tN\t\tbasic\t0\t\n",
	};
	char rows[1024];
	char message[256];

	(void)state;
	snprintf(rows, sizeof(rows), "%s%s", header, good);
	assert_int_equal(generate(rows, message, sizeof(message)), 0);
	for (size_t i = 1; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(rows, sizeof(rows), "%s%s%s", header, good, bad[i]);
		assert_int_equal(generate(rows, message, sizeof(message)), 1);
		assert_non_null(strstr(message, "/ports.tsv:3: "));
	}
	assert_int_equal(generate(good, message, sizeof(message)), 1);
	assert_non_null(strstr(message, "/ports.tsv:1: "));
	assert_int_equal(generate(header, message, sizeof(message)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_catalogue_has_147_entries_and_109_by_default),
		cmocka_unit_test(entries_are_sorted_and_unique),
		cmocka_unit_test(entries_are_complete),
		cmocka_unit_test(advice_is_a_short_sentence),
		cmocka_unit_test(every_entry_is_found_and_nothing_else),
		cmocka_unit_test(consent_follows_category_and_caution),
		cmocka_unit_test(dhcpv6_is_for_ipv6_only),
		cmocka_unit_test(class_names_are_read_back),
		cmocka_unit_test(a_malformed_row_is_named_by_file_and_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
