/* SPDX-License-Identifier: MIT */
/* What the monitor counts by the minute. */
#include "services/monitor/board.h"

#include "base/clock.h"
#include "unit.h"

#define MINUTE_S  INT64_C(60)
#define SECOND_US INT64_C(1000000)

static struct catalog *catalog;
static struct board *board;

static int open_board(void **state)
{
	struct fault fault;

	(void)state;
	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault), &fault);
	must(board_open(&board, catalog, SOURCE_DIR "/data/villages.csv", "dinsos", 10,
	             &fault),
	        &fault);
	return 0;
}

static int close_board(void **state)
{
	(void)state;
	board_close(&board);
	catalog_close(&catalog);
	return 0;
}

/* A minute's number of a series of the hour, the last minute is 59; "" for none. */
static void point(const char *series, size_t minute, char out[32])
{
	struct buffer stats = { 0 };
	const char *at;

	board_stats(board, NULL, &stats);
	buffer_append_byte(&stats, 0);
	at = strstr((const char *)stats.data, "\"minutes\":{");
	assert_non_null(at);
	at = strstr(at, series);
	assert_non_null(at);
	at = strchr(at, '[') + 1;
	while (minute-- > 0)
		at = strchr(at, ',') + 1;
	snprintf(out, 32, "%.*s", (int)strcspn(at, ",]"), at);
	buffer_clear(&stats);
}

/* Seconds of now, and never so late in a minute that the next begins meanwhile. */
static int64_t early_in_a_minute(void)
{
	int64_t now_s = clock_wall_us() / SECOND_US;

	while (now_s % MINUTE_S > MINUTE_S - 3)
		now_s = clock_wall_us() / SECOND_US;
	return now_s;
}

static void reported(int64_t at_s, int64_t applied, int64_t p99_us)
{
	const struct department_line report = { .name = "dinsos",
		.state = "running",
		.reported_at = at_s,
		.applied = applied,
		.p50_us = p99_us / 2,
		.p99_us = p99_us };

	board_department(board, &report);
}

static void a_report_counts_in_its_own_minute_and_the_worst_stays(void **state)
{
	int64_t now_s = early_in_a_minute();
	char text[32];

	(void)state;
	reported(now_s - 2 * MINUTE_S, 10, 90000);
	reported(now_s - 2 * MINUTE_S, 20, 40000);
	point("applied_p99_ms", 57, text);
	assert_string_equal(text, "90.0");
	point("applied_p99_ms", 59, text);
	assert_string_equal(text, "null");
}

static void a_report_without_more_rows_adds_no_minute(void **state)
{
	int64_t now_s = early_in_a_minute();
	char text[32];

	(void)state;
	reported(now_s - 2 * MINUTE_S, 10, 90000);
	reported(now_s, 10, 90000);
	point("applied_p99_ms", 59, text);
	assert_string_equal(text, "null");
	reported(now_s, 11, 8000);
	point("applied_p99_ms", 59, text);
	assert_string_equal(text, "8.0");
}

static void an_event_counts_in_the_minute_in_which_it_came(void **state)
{
	int64_t now_s = early_in_a_minute();
	const struct board_event event = { .village_code = "35.09.01.2001",
		.recorded_at_us = (now_s - MINUTE_S) * SECOND_US - 7000,
		.appended_at_us = (now_s - MINUTE_S) * SECOND_US };
	char text[32];

	(void)state;
	board_count(board, &event, 1);
	point("delivered_p99_ms", 58, text);
	assert_true(strtod(text, NULL) >= 6.5 && strtod(text, NULL) <= 7.5);
	point("delivered_p99_ms", 59, text);
	assert_string_equal(text, "null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        a_report_counts_in_its_own_minute_and_the_worst_stays,
		        open_board, close_board),
		cmocka_unit_test_setup_teardown(
		        a_report_without_more_rows_adds_no_minute, open_board,
		        close_board),
		cmocka_unit_test_setup_teardown(
		        an_event_counts_in_the_minute_in_which_it_came, open_board,
		        close_board),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
