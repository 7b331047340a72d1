/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "flow/replay_words.h"

#define REGISTER SOURCE_DIR "/data/villages.csv"

/* 2026-11-21T08:00:00+07:00 */
#define MORNING INT64_C(1795222800000000)
#define HOUR    INT64_C(3600000000)

static struct replay_wish between(const char *from, const char *to)
{
	struct replay_wish wish = { 0 };
	struct fault fault;

	must(replay_parse_times(from, to, &wish, &fault), &fault);
	return wish;
}

static void times_without_an_offset_are_those_of_jember(void **state)
{
	(void)state;
	assert_int_equal(between("2026-11-21T08:00", "+1h").from_us, MORNING);
	assert_int_equal(between("2026-11-21T08:00:00", "+1h").from_us, MORNING);
	assert_int_equal(
	        between("2026-11-21T08:00:00.869", "+1h").from_us, MORNING + 869000);
	assert_int_equal(
	        between("2026-11-21T08:00:00.000001", "+1h").from_us, MORNING + 1);
	assert_int_equal(between("2026-11-21T08:00:00+07:00", "+1h").from_us, MORNING);
	assert_int_equal(between("2026-11-21T01:00:00Z", "+1h").from_us, MORNING);
}

static void an_end_is_a_time_or_a_span(void **state)
{
	(void)state;
	assert_int_equal(between("2026-11-21T08:00", "+2h").to_us, MORNING + 2 * HOUR);
	assert_int_equal(
	        between("2026-11-21T08:00", "+90m").to_us, MORNING + HOUR + HOUR / 2);
	assert_int_equal(between("2026-11-21T08:00", "+1d").to_us, MORNING + 24 * HOUR);
	assert_int_equal(
	        between("2026-11-21T08:00", "2026-11-21T09:00").to_us, MORNING + HOUR);
}

static void what_is_no_time_is_refused_without_repeating_it(void **state)
{
	static const char *const bad[][2] = { { "", "+1h" }, { "08:00", "+1h" },
		{ "2026-11-21", "+1h" }, { "2026-11-21T08:0", "+1h" },
		{ "2026-11-21T08:00:00.", "+1h" }, { "2026-11-21T08:00.5", "+1h" },
		{ "2026-11-21T25:00", "+1h" }, { "2026-02-30T08:00", "+1h" },
		{ "2026-11-21T08:00", "" }, { "2026-11-21T08:00", "+" },
		{ "2026-11-21T08:00", "+2" }, { "2026-11-21T08:00", "+-2h" },
		{ "2026-11-21T08:00", "+2h " }, { "2026-11-21T08:00", "++2h" },
		{ "2026-11-21T08:00", "+ 2h" }, { "1969-12-31T23:59:59Z", "+1h" },
		{ "2026-11-21T08:00", "+0s" },
		{ "2026-11-21T08:00", "+99999999999999999999h" },
		{ "2026-11-21T08:00", "2026-11-21T08:00" } };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct replay_wish wish = { 0 };
		struct fault fault = { 0 };

		assert_false(replay_parse_times(bad[i][0], bad[i][1], &wish, &fault));
		assert_int_equal(fault.kind, FAULT_REJECT);
		assert_non_null(strstr(fault.text, "expected"));
	}
}

static void speeds_are_numbers_or_max(void **state)
{
	static const char *const bad[] = { "", "0", "-1", "nan", "inf", "10y", "1e9",
		"fast", "0x10", "+5", " 5" };
	struct fault fault;
	double speed;

	(void)state;
	must(replay_parse_speed("max", &speed, &fault), &fault);
	assert_true(speed <= 0);
	must(replay_parse_speed("60x", &speed, &fault), &fault);
	assert_int_equal((int)speed, 60);
	must(replay_parse_speed("0.5", &speed, &fault), &fault);
	assert_int_equal((int)(speed * 10), 5);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(replay_parse_speed(bad[i], &speed, &fault));
}

static void a_district_is_known_by_name_and_code(void **state)
{
	struct fault fault = { 0 };
	char code[16];

	(void)state;
	must(replay_parse_district("jombang", REGISTER, code, &fault), &fault);
	assert_string_equal(code, "35.09.01");
	must(replay_parse_district("35.09.19", REGISTER, code, &fault), &fault);
	assert_string_equal(code, "35.09.19");
	must(replay_parse_district("", "/nowhere", code, &fault), &fault);
	assert_string_equal(code, "");
	assert_false(replay_parse_district("Atlantis", REGISTER, code, &fault));
	assert_int_equal(fault.kind, FAULT_REJECT);
	assert_false(replay_parse_district("Jombang", "/nowhere", code, &fault));
	assert_int_equal(fault.kind, FAULT_STOP);
}

static void a_cursor_comes_back_as_it_was(void **state)
{
	static const char *const bad[] = { "-", "1-2-3", "1-2-3-4x", "x",
		"1795222799999999-2-11-5", "1795222801000000-2-11-5",
		"1795222800000000-3-11-5", "1795222800000000-64-11-5",
		"1795222800000000-2--1-5", "1795222800000000-2-11--5",
		"1795222800000000-2-11-9223372036854775808" };
	const struct replay_cursor cursor = { MORNING, 2, 11, 123456789012 };
	struct replay_wish wish = {
		.from_us = MORNING, .to_us = MORNING + 1000000, .topics = { [2] = true }
	};
	struct fault fault;
	char text[REPLAY_CURSOR_BYTES];

	(void)state;
	replay_cursor_text(&cursor, text);
	assert_string_equal(text, "1795222800000000-2-11-123456789012");
	must(replay_parse_cursor(text, &wish, &fault), &fault);
	assert_true(wish.has_after);
	assert_int_equal(wish.after.at_us, cursor.at_us);
	assert_int_equal(wish.after.topic, cursor.topic);
	assert_int_equal(wish.after.partition, cursor.partition);
	assert_int_equal(wish.after.offset, cursor.offset);
	must(replay_parse_cursor("", &wish, &fault), &fault);
	assert_false(wish.has_after);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(replay_parse_cursor(bad[i], &wish, &fault));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_without_an_offset_are_those_of_jember),
		cmocka_unit_test(an_end_is_a_time_or_a_span),
		cmocka_unit_test(what_is_no_time_is_refused_without_repeating_it),
		cmocka_unit_test(speeds_are_numbers_or_max),
		cmocka_unit_test(a_district_is_known_by_name_and_code),
		cmocka_unit_test(a_cursor_comes_back_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
