/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <jansson.h>

#include "event/tree.h"

/* What the tree prints; NULL where it refuses. To be freed. */
static char *printed(const char *text)
{
	struct arena arena = { 0 };
	struct buffer out = { 0 };
	struct tree tree;

	if (tree_parse(&tree, &arena, bytes_of(text), TREE_WITHOUT_NUL)) {
		tree_print(&tree, &arena, &out);
		buffer_append_byte(&out, 0);
	}
	arena_clear(&arena);
	return (char *)out.data;
}

static void check_against_jansson(const char *text)
{
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	char *other = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	char *own = printed(text);

	if ((own == NULL) != (other == NULL))
		fail_msg("%s is %s", text, own == NULL ? "refused" : "taken");
	if (own != NULL)
		assert_string_equal(own, other);
	json_decref(json);
	free(other);
	free(own);
}

static void what_jansson_takes_is_taken_and_printed_alike(void **state)
{
	static const char *const texts[] = { "null", " true ", "false", "0", "-0",
		"9223372036854775807", "-9223372036854775808", "1.5", "-0.0", "100.0",
		"1e5", "1E-7", "1e+300", "123456789012345678901234567890.5", "1e-400",
		"\"\"", "\"a\"", "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\u0041\\u00e9\"", "\"\\u20ac\\uD83D\\uDE00\\uffff\"",
		"\"\x7f\xC3\xA9\\u001f\"", "\"12345678\\u000b90\"", "[]", "[ ]",
		"[1, [2, []], {}]", "{}", "{\"\":1}",
		"{\"b\":1,\"a\":{\"d\":[],\"c\":null},\"ab\":2}\r\n\t",
		"{\"a\\u0062\":1,\"a\":\"\\\"\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		check_against_jansson(texts[i]);
}

static void what_jansson_refuses_is_refused(void **state)
{
	static const char *const texts[] = { "", " ", "nul", "nulll", "truefalse", "01",
		"-", "+1", ".5", "1.", "1.e3", "1e", "1e+", "--1", "0x10", "1e400",
		"-1e400", "9223372036854775808", "-9223372036854775809", "NaN",
		"Infinity", "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"",
		"\"\\u12g4\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
		"\"\\ud800x\"", "\"\\udc00\"", "\"a\nb\"", "\"12345678\t0\"", "[", "]",
		"[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "{", "}", "{\"a\"",
		"{\"a\":", "{\"a\":1", "{\"a\":1,}", "{,}", "{a:1}", "{1:1}",
		"{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1}x", "'a'", "1 2",
		"{\"a\":1,\"\\u0061\":2}", "{\"\\u0000\":1}", "[1]/**/" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		check_against_jansson(texts[i]);
}

/* An object of so many members, of which the last has the name of another. */
static char *members(int count, int last)
{
	struct buffer text = { 0 };

	buffer_append_byte(&text, '{');
	for (int i = 0; i < count - 1; i++)
		buffer_format(&text, "\"m%d\":%d,", i, i);
	buffer_format(&text, "\"m%d\":0}", last);
	buffer_append_byte(&text, 0);
	return (char *)text.data;
}

static void a_member_that_stands_twice_is_found_among_few_and_many(void **state)
{
	static const int counts[] = { 2, 24, 25, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		char *once = members(counts[i], counts[i]);
		char *twice = members(counts[i], 0);
		char *text = printed(once);

		assert_non_null(text);
		assert_null(printed(twice));
		free(text);
		free(once);
		free(twice);
	}
}

static void deep_texts_are_refused(void **state)
{
	char text[2 * TREE_DEPTH + 3] = "";
	char *taken;

	(void)state;
	memset(text, '[', TREE_DEPTH);
	memset(text + TREE_DEPTH, ']', TREE_DEPTH);
	taken = printed(text);
	assert_non_null(taken);
	free(taken);
	memset(text, '[', TREE_DEPTH + 1);
	memset(text + TREE_DEPTH + 1, ']', TREE_DEPTH + 1);
	assert_null(printed(text));
}

static void members_are_found_in_any_order_and_taken_out(void **state)
{
	static const char *const names[] = { "c", "a", "d", "b", "d" };
	static const char text[] = "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}";
	struct arena arena = { 0 };
	const struct tree *at = NULL;
	const struct tree *found;
	struct tree tree;

	(void)state;
	assert_true(tree_parse(&tree, &arena, bytes_of(text), TREE_WITHOUT_NUL));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		found = tree_member(&tree, names[i], &at);
		assert_non_null(found);
		assert_int_equal(found->integer, names[i][0] - 'a' + 1);
		assert_null(tree_member(&tree, "e", &at));
	}
	tree_take(&tree, found);
	at = NULL;
	assert_null(tree_member(&tree, "d", &at));
	assert_int_equal(tree.count, 3);
	arena_clear(&arena);
}

static void a_default_may_hold_a_nul(void **state)
{
	struct arena arena = { 0 };
	struct tree tree;

	(void)state;
	assert_true(tree_parse(&tree, &arena, bytes_of("\"a\\u0000\""), TREE_WITH_NUL));
	assert_int_equal(tree.text.size, 2);
	assert_false(
	        tree_parse(&tree, &arena, bytes_of("{\"\\u0000\":1}"), TREE_WITH_NUL));
	arena_clear(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_jansson_takes_is_taken_and_printed_alike),
		cmocka_unit_test(what_jansson_refuses_is_refused),
		cmocka_unit_test(
		        a_member_that_stands_twice_is_found_among_few_and_many),
		cmocka_unit_test(deep_texts_are_refused),
		cmocka_unit_test(members_are_found_in_any_order_and_taken_out),
		cmocka_unit_test(a_default_may_hold_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
