/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "flow/anchor.h"

static void a_topic_that_ends_before_a_record_is_another(void **state)
{
	(void)state;
	assert_int_equal(anchor_judge(ANCHOR_GONE, ANCHOR_NONE), VERDICT_OTHER);
	assert_int_equal(anchor_judge(ANCHOR_GONE, ANCHOR_GONE), VERDICT_OTHER);
	assert_int_equal(anchor_judge(ANCHOR_HOLDS, ANCHOR_GONE), VERDICT_OTHER);
}

static void a_record_that_was_seen_and_is_not_there_any_more_tells(void **state)
{
	(void)state;
	assert_int_equal(anchor_judge(ANCHOR_DIFFERS, ANCHOR_NONE), VERDICT_OTHER);
	assert_int_equal(anchor_judge(ANCHOR_DIFFERS, ANCHOR_HOLDS), VERDICT_OTHER);
}

static void a_clock_that_went_back_tells_nothing(void **state)
{
	(void)state;
	assert_int_equal(anchor_judge(ANCHOR_DIFFERS, ANCHOR_DIFFERS), VERDICT_OPEN);
	assert_int_equal(anchor_judge(ANCHOR_HOLDS, ANCHOR_DIFFERS), VERDICT_OPEN);
	assert_int_equal(anchor_judge(ANCHOR_NONE, ANCHOR_DIFFERS), VERDICT_OPEN);
}

static void what_was_found_is_looked_for_from_now_on(void **state)
{
	(void)state;
	assert_int_equal(anchor_judge(ANCHOR_HOLDS, ANCHOR_HOLDS), VERDICT_SAME);
	assert_int_equal(anchor_judge(ANCHOR_NONE, ANCHOR_HOLDS), VERDICT_SAME);
	assert_int_equal(anchor_judge(ANCHOR_HOLDS, ANCHOR_NONE), VERDICT_OPEN);
	assert_int_equal(anchor_judge(ANCHOR_NONE, ANCHOR_NONE), VERDICT_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_topic_that_ends_before_a_record_is_another),
		cmocka_unit_test(
		        a_record_that_was_seen_and_is_not_there_any_more_tells),
		cmocka_unit_test(a_clock_that_went_back_tells_nothing),
		cmocka_unit_test(what_was_found_is_looked_for_from_now_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
