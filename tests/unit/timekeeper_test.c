/* SPDX-License-Identifier: MIT */
/* The clocks of village computers, from empty batteries to a visitor who set the year.
 */
#include "unit.h"

#include "base/timekeeper.h"

static const int64_t second = 1000000;
static const int64_t hour = 3600000000;
static const int64_t day = 86400000000;
enum { TODAY = 30000 }; /* 2052, later than any build of these tests */

static struct clock_reading at(int64_t wall_us, int64_t monotonic_us, bool synced)
{
	return (struct clock_reading){ wall_us, monotonic_us, synced };
}

static void a_clock_that_is_kept_right_is_sure_at_once(void **state)
{
	struct timekeeper keeper;
	struct clock_reading now = at(TODAY * day + hour, 5 * hour, true);

	(void)state;
	timekeeper_init(&keeper, TODAY - 1, &now);
	assert_string_equal(clock_quality_name(timekeeper_quality(&keeper)), "SYNCED");
	assert_int_equal(timekeeper_sure_day(&keeper), TODAY);
	assert_true(timekeeper_us(&keeper, &now) == now.wall_us);
}

static void a_start_in_1970_has_a_floor_that_goes_on(void **state)
{
	struct timekeeper keeper;
	struct clock_reading now = at(40 * second, 40 * second, false);

	(void)state;
	timekeeper_init(&keeper, TODAY, &now);
	assert_int_equal(timekeeper_quality(&keeper), CLOCK_UNSYNCED);
	assert_true(timekeeper_us(&keeper, &now) == TODAY * day);
	now = at(100 * second, 100 * second, false);
	assert_true(timekeeper_us(&keeper, &now) == TODAY * day + 60 * second);
	assert_int_equal(timekeeper_sure_day(&keeper), 0);
	timekeeper_init(&keeper, 0, &now);
	assert_true(timekeeper_us(&keeper, &now) > 50 * 365 * day);
}

static void a_link_that_is_lost_is_holdover_until_somebody_sets_the_clock(void **state)
{
	struct timekeeper keeper;
	struct clock_reading now = at(TODAY * day, hour, true);

	(void)state;
	timekeeper_init(&keeper, TODAY, &now);
	now = at(TODAY * day + 12 * hour, 13 * hour, false);
	timekeeper_look(&keeper, &now);
	assert_int_equal(timekeeper_quality(&keeper), CLOCK_HOLDOVER);
	assert_int_equal(timekeeper_sure_day(&keeper), 0);
	now = at(TODAY * day + 11 * hour, 13 * hour + second, false);
	timekeeper_look(&keeper, &now);
	assert_int_equal(timekeeper_quality(&keeper), CLOCK_UNSYNCED);
}

static void a_jump_of_more_than_a_day_is_waited_out(void **state)
{
	struct timekeeper keeper;
	struct clock_reading now = at(TODAY * day, hour, true);

	(void)state;
	timekeeper_init(&keeper, TODAY, &now);
	now = at((TODAY + 3650) * day, hour + second, true);
	timekeeper_look(&keeper, &now);
	assert_int_equal(timekeeper_quality(&keeper), CLOCK_SYNCED);
	assert_int_equal(timekeeper_sure_day(&keeper), 0);
	now = at((TODAY + 3651) * day + hour, 26 * hour, true);
	timekeeper_look(&keeper, &now);
	assert_int_equal(timekeeper_sure_day(&keeper), TODAY + 3651);
}

static void a_jump_while_it_was_off_is_waited_out_too(void **state)
{
	struct timekeeper keeper;
	struct clock_reading now = at(TODAY * day, hour, true);

	(void)state;
	timekeeper_init(&keeper, TODAY - 3, &now);
	assert_int_equal(timekeeper_sure_day(&keeper), 0);
	now = at((TODAY + 1) * day, 25 * hour, true);
	timekeeper_look(&keeper, &now);
	assert_int_equal(timekeeper_sure_day(&keeper), TODAY + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_is_kept_right_is_sure_at_once),
		cmocka_unit_test(a_start_in_1970_has_a_floor_that_goes_on),
		cmocka_unit_test(
		        a_link_that_is_lost_is_holdover_until_somebody_sets_the_clock),
		cmocka_unit_test(a_jump_of_more_than_a_day_is_waited_out),
		cmocka_unit_test(a_jump_while_it_was_off_is_waited_out_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
