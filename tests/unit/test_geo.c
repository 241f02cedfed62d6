/* SPDX-License-Identifier: Apache-2.0 */
/* Uses the MMDB files that tests/geo/make_mmdb.pl makes in a temporary place. */
#include "tests/unit/unit.h"

#include "collector/geo.c" /* the code under test */

#define ASN_ROWS                                     \
	"198.51.100.0/24\t64501\tNorth Net\n"        \
	"203.0.113.0/25\t4294967294\tBig \303\204\n" \
	"2001:db8:1::/48\t64502\tSix\n"
#define COUNTRY_ROWS "198.51.100.0/24\tXA\n2001:db8:1::/48\tXB\n"

struct place_dir {
	char dir[32];
	char asn[64];
	char country[64];
};

static void make(const char *path, const char *kind, const char *rows)
{
	char command[256];
	FILE *pipe;

	snprintf(command, sizeof(command), "tests/geo/make_mmdb.pl %s %s", path,
	         kind);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	fputs(rows, pipe);
	assert_int_equal(pclose(pipe), 0);
}

static int set_up(void **state)
{
	struct place_dir *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	snprintf(d->dir, sizeof(d->dir), "/tmp/geo.XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->asn, sizeof(d->asn), "%s/asn.mmdb", d->dir);
	snprintf(d->country, sizeof(d->country), "%s/country.mmdb", d->dir);
	make(d->asn, "asn", ASN_ROWS);
	make(d->country, "country", COUNTRY_ROWS);
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct place_dir *d = *state;

	unlink(d->asn);
	unlink(d->country);
	rmdir(d->dir);
	free(d);
	return 0;
}

static struct geo_place look_up(const struct geo *g, const char *text)
{
	struct geo_place place;
	struct addr a;

	assert_true(addr_parse(text, &a));
	geo_lookup(g, &a, &place);
	assert_int_equal(geo_lookup_asn(g, &a), place.asn);
	return place;
}

static struct geo *open_both(const struct place_dir *d)
{
	struct err e;
	struct geo *g = geo_open(d->asn, d->country, &e);

	if (!g)
		fail_msg("%s", e.text);
	return g;
}

static void addresses_of_both_families_are_found(void **state)
{
	struct geo *g = open_both(*state);
	struct geo_place p = look_up(g, "198.51.100.200");

	assert_int_equal(p.asn, 64501);
	assert_string_equal(p.asn_name, "North Net");
	assert_string_equal(p.country, "XA");
	p = look_up(g, "2001:db8:1:2::3");
	assert_int_equal(p.asn, 64502);
	assert_string_equal(p.country, "XB");
	geo_close(g);
}

static void what_is_in_no_file_is_unknown(void **state)
{
	struct geo *g = open_both(*state);
	struct geo_place p = look_up(g, "192.0.2.1");

	assert_int_equal(p.asn, 0);
	assert_string_equal(p.asn_name, "");
	assert_string_equal(p.country, "ZZ");
	p = look_up(g, "203.0.113.1");
	assert_int_equal(p.asn, UINT32_C(4294967294));
	assert_string_equal(p.asn_name, "Big \303\204");
	assert_string_equal(p.country, "ZZ");
	geo_close(g);
}

static void a_file_of_the_wrong_type_is_refused(void **state)
{
	const struct place_dir *d = *state;
	struct err e;

	assert_null(geo_open(d->country, d->country, &e));
	assert_non_null(strstr(e.text, "wrong type"));
	assert_non_null(strstr(e.text, d->country));
	assert_null(geo_open(d->asn, d->asn, &e));
	assert_null(geo_open("/nonexistent/asn.mmdb", d->country, &e));
	assert_non_null(strstr(e.text, "/nonexistent/asn.mmdb"));
	assert_null(geo_open("tests/geo/make_mmdb.pl", d->country, &e));
	assert_non_null(strstr(e.text, "no MMDB"));
}

static void without_files_nothing_is_known(void **state)
{
	struct err e;
	struct geo *g = geo_open(NULL, NULL, &e);

	(void)state;
	assert_non_null(g);
	assert_int_equal(look_up(g, "198.51.100.1").asn, 0);
	assert_int_equal(geo_source_asn(g)->generation, 0);
	assert_int_equal(geo_refresh(g, &e), GEO_SAME);
	geo_close(g);
}

static void a_replaced_file_is_picked_up(void **state)
{
	const struct place_dir *d = *state;
	struct geo *g = open_both(d);
	uint32_t before = geo_source_asn(g)->generation;
	struct err e;

	assert_int_equal(geo_refresh(g, &e), GEO_SAME);
	make(d->asn, "asn", "198.51.100.0/24\t7\tNew\n");
	assert_int_equal(geo_refresh(g, &e), GEO_RELOADED);
	assert_int_equal(look_up(g, "198.51.100.1").asn, 7);
	assert_int_not_equal(geo_source_asn(g)->generation, before);
	assert_string_equal(geo_source_asn(g)->file_name, "asn.mmdb");
	assert_int_equal(geo_refresh(g, &e), GEO_SAME);
	geo_close(g);
}

static void overwrite(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_broken_replacement_is_told_once_and_not_used(void **state)
{
	const struct place_dir *d = *state;
	struct geo *g = open_both(d);
	struct err e;

	/* In place: a file that was mapped would end under our feet. */
	overwrite(d->asn, "no database");
	assert_int_equal(geo_refresh(g, &e), GEO_KEPT);
	assert_int_equal(geo_refresh(g, &e), GEO_SAME);
	assert_int_equal(look_up(g, "198.51.100.1").asn, 64501);
	unlink(d->asn);
	assert_int_equal(geo_refresh(g, &e), GEO_KEPT);
	assert_int_equal(geo_refresh(g, &e), GEO_SAME);
	make(d->asn, "asn", "198.51.100.0/24\t8\tBack\n");
	assert_int_equal(geo_refresh(g, &e), GEO_RELOADED);
	assert_int_equal(look_up(g, "198.51.100.1").asn, 8);
	geo_close(g);
}

static void assert_copied(const char *from, size_t out_bytes,
                          const char *expected)
{
	char out[64] = "";
	MMDB_entry_data_s value = { .utf8_string = from,
		                    .data_size = (uint32_t)strlen(from) };

	copy_text(out, out_bytes, &value);
	assert_string_equal(out, expected);
}

static void names_are_cut_between_characters_and_stay_utf8(void **state)
{
	(void)state;
	assert_copied("abc", 64, "abc");
	assert_copied("abcdef", 4, "abc");
	assert_copied("ab\303\204", 4, "ab");
	assert_copied("ab\303\204", 5, "ab\303\204");
	assert_copied("a\377b", 64, "a?b");
	assert_copied("a\303", 64, "a?");
	assert_copied("a\nb", 64, "a?b");
	assert_copied("\300\200", 64, "??");
	assert_copied("\355\240\200", 64, "???");
	assert_copied("\360\237\214\215", 64, "\360\237\214\215");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			addresses_of_both_families_are_found, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(what_is_in_no_file_is_unknown,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_file_of_the_wrong_type_is_refused, set_up, tear_down),
		cmocka_unit_test(without_files_nothing_is_known),
		cmocka_unit_test_setup_teardown(a_replaced_file_is_picked_up,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_broken_replacement_is_told_once_and_not_used, set_up,
			tear_down),
		cmocka_unit_test(
			names_are_cut_between_characters_and_stay_utf8),
	};

	return UNIT_RUN(tests);
}
