/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/spread.h"

static void an_empty_one_knows_nothing(void **state)
{
	struct spread spread = { 0 };

	(void)state;
	assert_int_equal(spread_at(&spread, 500), -1);
}

static void any_span_comes_back_to_an_eighth(void **state)
{
	(void)state;
	for (int64_t span = 0; span < INT64_C(130000000000); span += span / 7 + 1) {
		struct spread spread = { 0 };
		int64_t off;

		spread_add(&spread, span);
		off = spread_at(&spread, 500) - span;
		assert_true((off < 0 ? -off : off) * 8 <= span);
	}
}

static void parts_of_a_row(void **state)
{
	struct spread spread = { 0 };
	struct spread sum = { 0 };

	(void)state;
	for (int64_t span = 1; span <= 1000; span++)
		spread_add(&spread, span * 1000);
	spread_take(&sum, &spread);
	assert_in_range(spread_at(&sum, 500), 440000, 560000);
	assert_in_range(spread_at(&sum, 990), 870000, 1110000);
	assert_in_range(spread_at(&sum, 0), 900, 1100);
	assert_true(sum.total == 1000);
}

static void what_is_out_of_range_is_counted_at_its_end(void **state)
{
	struct spread spread = { 0 };

	(void)state;
	spread_add(&spread, -5);
	assert_int_equal(spread_at(&spread, 500), 0);
	spread_add(&spread, INT64_MAX);
	assert_true(spread_at(&spread, 1000) > INT64_C(120000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_knows_nothing),
		cmocka_unit_test(any_span_comes_back_to_an_eighth),
		cmocka_unit_test(parts_of_a_row),
		cmocka_unit_test(what_is_out_of_range_is_counted_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
