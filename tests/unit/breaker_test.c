/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "flow/breaker.h"
#include "flow/cases.h"

static void three_villages_that_fail_alike_trip_it(void **state)
{
	struct breaker breaker = { 0 };

	(void)state;
	assert_false(breaker_failed(&breaker, "a", "23514", "c", 5000));
	assert_false(breaker_failed(&breaker, "b", "23514", "c", 5000));
	assert_false(breaker_failed(&breaker, "c", "23514", "other", 5000));
	assert_false(breaker_failed(&breaker, "c", "23502", "c", 5000));
	assert_true(breaker_failed(&breaker, "c", "23514", "c", 5000));
}

static void one_village_never_trips_it(void **state)
{
	struct breaker breaker = { 0 };

	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_false(breaker_failed(&breaker, "a", "23514", "c", 5000));
}

static void old_failures_are_forgotten(void **state)
{
	struct breaker breaker = { 0 };

	(void)state;
	assert_false(breaker_failed(&breaker, "a", "23514", "c", 5000));
	breaker_passed(&breaker, BREAKER_RECORDS + 1);
	assert_false(breaker_failed(&breaker, "b", "23514", "c", 5000));
	assert_false(breaker_failed(&breaker, "c", "23514", "c", 5000));
	assert_true(breaker_failed(&breaker, "d", "23514", "c", 5000));
}

static void a_new_mapping_trips_it_after_five_in_a_row(void **state)
{
	struct breaker breaker = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_false(breaker_failed(&breaker, "a", "23514", "c", i));
	breaker_passed(&breaker, 1);
	for (int i = 0; i < 4; i++)
		assert_false(breaker_failed(&breaker, "a", "23514", "c", i));
	assert_true(breaker_failed(&breaker, "a", "23514", "c", 999));
	assert_false(breaker_failed(&breaker, "a", "23514", "c", 1000));
}

static void a_set_of_cases_knows_what_was_added(void **state)
{
	struct cases cases = { 0 };
	struct fault fault;
	char key[32];

	(void)state;
	assert_false(cases_has(&cases, bytes_of("none")));
	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof key, "35.09.01.2001 %d", i);
		must(cases_add(&cases, bytes_of(key), &fault), &fault);
		must(cases_add(&cases, bytes_of(key), &fault), &fault);
	}
	assert_int_equal(cases.count, 10000);
	assert_true(cases_has(&cases, bytes_of("35.09.01.2001 0")));
	assert_true(cases_has(&cases, bytes_of("35.09.01.2001 9999")));
	assert_false(cases_has(&cases, bytes_of("35.09.01.2001 10000")));
	assert_false(cases_has(&cases, bytes_of("")));
	cases_clear(&cases);
	assert_false(cases_has(&cases, bytes_of("35.09.01.2001 0")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_villages_that_fail_alike_trip_it),
		cmocka_unit_test(one_village_never_trips_it),
		cmocka_unit_test(old_failures_are_forgotten),
		cmocka_unit_test(a_new_mapping_trips_it_after_five_in_a_row),
		cmocka_unit_test(a_set_of_cases_knows_what_was_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
