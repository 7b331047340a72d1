/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "event/pattern.h"

static void what_both_dialects_read_alike_is_clear(void **state)
{
	static const char *const clear[] = { "", "^[A-Z]{3}$",
		"^[0-9]{4}(-(0[1-9]|1[0-2]))?$", "^\\+?[0-9]{2,}$", "a|b", "[a-z-]+",
		"(ab)*", "x{0,255}", "\\.\\\\" };

	(void)state;
	for (size_t i = 0; i < sizeof clear / sizeof clear[0]; i++)
		if (!pattern_is_clear(clear[i]))
			fail_msg("%s is refused", clear[i]);
}

static void what_they_read_differently_is_not(void **state)
{
	static const char *const unclear[] = { "^.{1,3}$", "^\\d+$", "[^a]", "[\\d]",
		"[[:alpha:]]", "[]a]", "[]", "(?:a)", "(?=a)", "a{,3}", "a{", "a}", "]",
		"a*?", "a+?", "a{2}?", "*a", "^*", "a|*", "\\", "(a", "a)", "[a",
		"\xC3\xA9", "a\tb", "{2}" };

	(void)state;
	for (size_t i = 0; i < sizeof unclear / sizeof unclear[0]; i++)
		if (pattern_is_clear(unclear[i]))
			fail_msg("%s is taken", unclear[i]);
}

static void counts_do_not_multiply(void **state)
{
	static const char *const bombs[] = { "a{255}{255}{255}", "a{255}{255}+{255}",
		"(a{255}){255}", "((a{9}){9}){9}", "a{256}", "a+{9}", "a*+",
		"a{99999999999999999999}" };

	(void)state;
	for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++)
		if (pattern_is_clear(bombs[i]))
			fail_msg("%s is taken", bombs[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_both_dialects_read_alike_is_clear),
		cmocka_unit_test(what_they_read_differently_is_not),
		cmocka_unit_test(counts_do_not_multiply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
