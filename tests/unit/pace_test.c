/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "flow/pace.h"

#define S INT64_C(1000000)

static void ten_times_as_fast_takes_a_tenth(void **state)
{
	struct pace pace = { .speed = 10 };

	(void)state;
	pace_begin(&pace, 5000 * S, 100 * S);
	assert_int_equal(pace_due(&pace, 5000 * S, 100 * S), 100 * S);
	assert_int_equal(pace_due(&pace, 5010 * S, 100 * S), 101 * S);
	assert_int_equal(pace_due(&pace, 5015 * S, 101 * S), 101 * S + S / 2);
	assert_int_equal(pace_clock(&pace, 5100 * S, 102 * S), 5020 * S);
	assert_int_equal(pace_clock(&pace, 5018 * S, 102 * S), 5018 * S);
}

static void a_month_at_a_thousandth_is_exact(void **state)
{
	struct pace pace = { .speed = 1000 };
	int64_t month = INT64_C(30) * 86400 * S;

	(void)state;
	pace_begin(&pace, 1700000000 * S, 7);
	assert_int_equal(pace_due(&pace, 1700000000 * S + month, 7), 7 + month / 1000);
}

static void at_full_speed_all_is_due(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	pace_begin(&pace, 5000 * S, 100 * S);
	assert_int_equal(pace_due(&pace, 9000 * S, 100 * S), 100 * S);
	assert_int_equal(pace_clock(&pace, 9000 * S, 100 * S), 9000 * S);
}

static void a_long_silence_is_cut_and_what_follows_keeps_its_distance(void **state)
{
	struct pace pace = { .speed = 2, .max_gap_us = 5 * S };

	(void)state;
	pace_begin(&pace, 0, 0);
	assert_int_equal(pace_due(&pace, 4 * S, 0), 2 * S);
	assert_int_equal(pace_due(&pace, 7204 * S, 2 * S), 7 * S); /* not 3602 */
	assert_int_equal(pace_due(&pace, 7206 * S, 7 * S), 8 * S);
}

static void who_is_late_is_not_flooded(void **state)
{
	struct pace pace = { .speed = 1 };

	(void)state;
	pace_begin(&pace, 0, 0);
	assert_int_equal(pace_due(&pace, 1 * S, S + S / 5), 1 * S); /* a little late */
	assert_int_equal(pace_due(&pace, 2 * S, 60 * S), 60 * S);
	assert_int_equal(pace_due(&pace, 3 * S, 60 * S), 61 * S);
}

static void a_quota_is_kept_over_any_second(void **state)
{
	struct quota quota = { .each_second = 1000 };
	int64_t now_us = 50 * S;
	uint64_t used = 0;

	(void)state;
	assert_int_equal(quota_wait_us(&quota, now_us), 0);
	for (int i = 0; i < 100; i++) {
		now_us += quota_wait_us(&quota, now_us);
		quota_use(&quota, 50, now_us);
		used += 50;
	}
	assert_in_range(now_us - 50 * S, 4 * S, 5 * S); /* 5000 bytes */
	assert_int_equal(used, 5000);
	now_us += 3600 * S; /* a pause is not saved up */
	quota_use(&quota, 1000, now_us);
	assert_int_equal(quota_wait_us(&quota, now_us), S - S / 10);
}

static void no_quota_never_waits(void **state)
{
	struct quota quota = { 0 };

	(void)state;
	quota_use(&quota, UINT64_MAX / 2, 1);
	assert_int_equal(quota_wait_us(&quota, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_times_as_fast_takes_a_tenth),
		cmocka_unit_test(a_month_at_a_thousandth_is_exact),
		cmocka_unit_test(at_full_speed_all_is_due),
		cmocka_unit_test(
		        a_long_silence_is_cut_and_what_follows_keeps_its_distance),
		cmocka_unit_test(who_is_late_is_not_flooded),
		cmocka_unit_test(a_quota_is_kept_over_any_second),
		cmocka_unit_test(no_quota_never_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
