/* SPDX-License-Identifier: MIT */
/* What the monitor makes of sinks' reports. */
#include "services/monitor/departments.h"

#include "unit.h"

#define SECOND_US INT64_C(1000000)
#define NOON_S    INT64_C(1795000000)
#define NOON_US   (NOON_S * SECOND_US)

static void reported(struct departments *departments, int64_t at_s, int64_t now_s,
        int64_t heard_since_s)
{
	struct department_line report = {
		.name = "dinsos", .state = "running", .reported_at = at_s
	};

	(void)departments_report(
	        departments, &report, now_s * SECOND_US, heard_since_s * SECOND_US);
}

static void opened(struct departments *departments)
{
	struct fault fault;

	*departments = (struct departments){ 0 };
	must(departments_init(departments, "dinsos, dinkes", &fault), &fault);
}

static void who_reports_nothing_for_45_s_is_silent_since_its_last_word(void **state)
{
	struct departments departments;
	const struct department_line *dinsos = &departments.all[0];

	(void)state;
	opened(&departments);
	reported(&departments, NOON_S, NOON_S, NOON_S - 3600);
	departments_settle(
	        &departments, NOON_US + 44 * SECOND_US, NOON_US - 3600 * SECOND_US);
	assert_string_equal(dinsos->state, "running");
	departments_settle(
	        &departments, NOON_US + 45 * SECOND_US, NOON_US - 3600 * SECOND_US);
	assert_string_equal(dinsos->state, "silent");
	assert_int_equal(dinsos->since_us, NOON_US);
	assert_string_equal(departments.all[1].state, "unknown");
}

/* While Kafka was away nobody could be heard, however old his last word is. */
static void silence_counts_from_when_kafka_came_back(void **state)
{
	struct departments departments;
	const struct department_line *dinsos = &departments.all[0];
	int64_t back_s = NOON_S + 600;

	(void)state;
	opened(&departments);
	reported(&departments, NOON_S, NOON_S, NOON_S - 3600);
	departments_settle(&departments, (back_s + 1) * SECOND_US, back_s * SECOND_US);
	assert_string_equal(dinsos->state, "running");
	/* The group still has the words of before: they are heard, and old. */
	reported(&departments, NOON_S, back_s + 44, back_s);
	assert_string_equal(dinsos->state, "running");
	departments_settle(&departments, (back_s + 45) * SECOND_US, back_s * SECOND_US);
	assert_string_equal(dinsos->state, "silent");
	reported(&departments, back_s + 46, back_s + 46, back_s);
	assert_string_equal(dinsos->state, "running");
	assert_int_equal(dinsos->since_us, (back_s + 46) * SECOND_US);
}

/* A report's spans are those of two minutes: only who applies says something new. */
static void only_a_report_of_more_rows_says_how_long_they_took(void **state)
{
	struct departments departments;
	struct department_line report = { .name = "dinsos",
		.state = "running",
		.reported_at = NOON_S,
		.applied = 20,
		.p50_us = 9000,
		.p99_us = 90000 };

	(void)state;
	opened(&departments);
	assert_true(departments_report(&departments, &report, NOON_US, NOON_US));
	assert_false(departments_report(&departments, &report, NOON_US, NOON_US));
	report.applied = 3; /* it was started anew */
	assert_true(departments_report(&departments, &report, NOON_US, NOON_US));
	assert_int_equal(departments_worst(&departments, true), 90000);
	departments_settle(&departments, NOON_US + 45 * SECOND_US, NOON_US);
	assert_int_equal(departments_worst(&departments, true), -1);
}

static void letters_are_told_where_they_are_asked_for(void **state)
{
	struct departments departments;
	struct department_line report = { .name = "dinsos",
		.state = "running",
		.dead = 3,
		.letter_count = 1,
		.letters = { { .id = 7,
		        .topic = "desa.payments",
		        .partition = 3,
		        .offset = 42,
		        .village_code = "35.09.01.2001",
		        .seq = -1,
		        .class = "framing",
		        .at = NOON_S } } };
	struct buffer out = { 0 };

	(void)state;
	opened(&departments);
	(void)departments_report(&departments, &report, NOON_US, NOON_US);
	departments_put(&departments, NOON_US, true, &out);
	buffer_append_byte(&out, 0);
	assert_non_null(strstr((const char *)out.data,
	        "\"letters\":[{\"id\":7,\"topic\":\"desa.payments\",\"partition\":3,"
	        "\"offset\":42,\"village\":\"35.09.01.2001\",\"seq\":null,"
	        "\"class\":\"framing\",\"sqlstate\":null,\"at\":\"2026-11-18T"));
	assert_non_null(strstr((const char *)out.data, "\"letters\":[]"));
	buffer_reset(&out);
	departments_put(&departments, NOON_US, false, &out);
	buffer_append_byte(&out, 0);
	assert_null(strstr((const char *)out.data, "letters"));
	buffer_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		        who_reports_nothing_for_45_s_is_silent_since_its_last_word),
		cmocka_unit_test(silence_counts_from_when_kafka_came_back),
		cmocka_unit_test(only_a_report_of_more_rows_says_how_long_they_took),
		cmocka_unit_test(letters_are_told_where_they_are_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
