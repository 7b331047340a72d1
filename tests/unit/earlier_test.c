/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "flow/earlier.h"

static const char TOPIC[] = "desa.requests";
static const char OTHER[] = "desa.payments";

static struct earlier_event event(const char *topic, int id, int life, int64_t offset)
{
	struct earlier_event out = { .topic = topic, .offset = offset };

	memcpy(out.id, &id, sizeof id);
	memcpy(out.incarnation, &life, sizeof life);
	return out;
}

static void add(struct earlier *earlier, struct earlier_event event)
{
	struct fault fault;

	assert_true(earlier_add(earlier, &event, &fault));
}

static bool has(const struct earlier *earlier, struct earlier_event event)
{
	return earlier_has(earlier, &event);
}

static void the_first_of_several_lives_counts_and_it_alone(void **state)
{
	struct earlier earlier = { 0 };

	(void)state;
	assert_false(has(&earlier, event(TOPIC, 1, 1, 10)));
	add(&earlier, event(TOPIC, 1, 3, 30));
	add(&earlier, event(TOPIC, 1, 1, 10));
	add(&earlier, event(TOPIC, 1, 2, 20));
	assert_false(has(&earlier, event(TOPIC, 1, 1, 10)));
	assert_true(has(&earlier, event(TOPIC, 1, 2, 20)));
	assert_true(has(&earlier, event(TOPIC, 1, 3, 30)));
	assert_false(has(&earlier, event(TOPIC, 2, 3, 30)));
	assert_false(has(&earlier, event(OTHER, 1, 3, 30)));
	earlier_clear(&earlier);
}

/* It was sent once more on demand: its number tells, not its id. */
static void a_life_is_no_other_to_itself(void **state)
{
	struct earlier earlier = { 0 };

	(void)state;
	add(&earlier, event(TOPIC, 1, 1, 40));
	add(&earlier, event(TOPIC, 1, 1, 10));
	assert_false(has(&earlier, event(TOPIC, 1, 1, 40)));
	assert_true(has(&earlier, event(TOPIC, 1, 2, 11)));
	earlier_clear(&earlier);
}

static void many_are_remembered(void **state)
{
	struct earlier earlier = { 0 };

	(void)state;
	for (int id = 0; id < 5000; id++)
		for (int life = 1; life <= 2; life++)
			add(&earlier, event(TOPIC, id, life, 10 * id + life));
	assert_int_equal(earlier.count, 10000);
	for (int id = 0; id < 5000; id++) {
		assert_false(has(&earlier, event(TOPIC, id, 1, 10 * id + 1)));
		assert_true(has(&earlier, event(TOPIC, id, 2, 10 * id + 2)));
	}
	assert_false(has(&earlier, event(TOPIC, 5000, 2, 1000000)));
	earlier_clear(&earlier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_several_lives_counts_and_it_alone),
		cmocka_unit_test(a_life_is_no_other_to_itself),
		cmocka_unit_test(many_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
