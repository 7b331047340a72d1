/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "event/place.h"

static void take(struct place_stream *stream, int64_t seq)
{
	struct fault fault;

	must(place_take(stream, seq, &fault), &fault);
}

static void numbers_are_told_apart(void **state)
{
	struct place_stream stream = { 0 };

	(void)state;
	assert_int_equal(place_of(&stream, 0), PLACE_JUMP);
	assert_int_equal(place_of(&stream, 50), PLACE_NEXT);
	take(&stream, 50);
	assert_int_equal(place_of(&stream, 50), PLACE_REPEAT);
	assert_int_equal(place_of(&stream, 51), PLACE_NEXT);
	assert_int_equal(place_of(&stream, 55), PLACE_GAP);
	assert_int_equal(place_of(&stream, 50 + PLACE_FARTHEST + 1), PLACE_JUMP);
	take(&stream, 55);
	assert_int_equal(place_missing(&stream), 4);
	assert_int_equal(place_of(&stream, 53), PLACE_LATE);
	take(&stream, 53);
	assert_int_equal(place_of(&stream, 53), PLACE_REPEAT);
	assert_int_equal(place_missing(&stream), 3);
	assert_int_equal(place_of(&stream, 47), PLACE_LATE);
	place_clear(&stream);
}

static void gaps_go_to_text_and_back(void **state)
{
	struct place_stream stream = { 0 };
	struct place_stream again = { 0 };
	struct buffer text = { 0 };
	struct fault fault;

	(void)state;
	take(&stream, 1);
	take(&stream, 5);
	take(&stream, 7);
	place_gaps_text(&stream, &text);
	buffer_append_byte(&text, 0);
	assert_string_equal((char *)text.data, "{[2,5),[6,7)}");
	must(place_gaps_parse(&again, (char *)text.data, &fault), &fault);
	assert_int_equal(place_missing(&again), 4);
	must(place_gaps_parse(&again, "{}", &fault), &fault);
	assert_int_equal(place_missing(&again), 0);
	assert_false(place_gaps_parse(&again, "{[1,2", &fault));
	place_clear(&stream);
	place_clear(&again);
	buffer_clear(&text);
}

/* Any history leaves exactly what a set would hold. */
static void random_histories_agree_with_a_set(void **state)
{
	enum { NUMBERS = 200 };
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct place_stream stream = { 0 };
		bool seen[NUMBERS + 1] = { false };
		int64_t first = 0;
		int64_t high = 0;
		int64_t missing = 0;

		for (int i = 0; i < 150; i++) {
			int64_t seq = 1 + rand_r(&seed) % NUMBERS;
			enum place place = place_of(&stream, seq);

			assert_int_equal(place == PLACE_REPEAT, seen[seq]);
			if (seen[seq])
				continue;
			take(&stream, seq);
			seen[seq] = true;
			first = first == 0 || seq < first ? seq : first;
			high = seq > high ? seq : high;
		}
		for (int64_t seq = first; seq <= high; seq++)
			missing += !seen[seq];
		assert_int_equal(stream.first_seq, first);
		assert_int_equal(stream.high_seq, high);
		assert_int_equal(place_missing(&stream), missing);
		place_clear(&stream);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_told_apart),
		cmocka_unit_test(gaps_go_to_text_and_back),
		cmocka_unit_test(random_histories_agree_with_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
