/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"

static void only_well_formed_utf8_without_nul_is_text(void **state)
{
	static const char *const good[] = { "", "abc", "Regapu\xE2\x80\x99u",
		"\xF0\x9F\xA5\x81", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF",
		"12345678\xC3\xA9" };
	static const char *const bad[] = { "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
		"\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
		"\xF5\x80\x80\x80", "\x80", "\xE2\x80", "12345678\xFF", "\xC3" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(bytes_is_text(bytes_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(bytes_is_text(bytes_of(bad[i])));
	assert_false(
	        bytes_is_text((struct bytes){ (const uint8_t *)"a\0bcdefghij", 12 }));
	assert_int_equal(bytes_code_points(bytes_of("Regapu\xE2\x80\x99u")), 8);
}

static void json_text_is_escaped(void **state)
{
	struct buffer out = { 0 };

	(void)state;
	for (int byte = 1; byte < 128; byte++) { /* at any place of a word */
		char text[] = "aaaaaaaaaaaaaaa";
		bool plain = byte >= 0x20 && byte != '"' && byte != '\\';

		text[byte % 15] = (char)byte;
		buffer_reset(&out);
		buffer_append_json(&out, bytes_of(text));
		assert_int_equal(out.size == 17, plain);
	}
	buffer_reset(&out);
	buffer_append_json(&out, bytes_of("a\"b\\c\n\x01\xC3\xA9"));
	buffer_append_byte(&out, 0);
	assert_string_equal((char *)out.data, "\"a\\\"b\\\\c\\n\\u0001\xC3\xA9\"");
	buffer_clear(&out);
}

static void times_are_read_strictly_and_written_back(void **state)
{
	static const struct {
		const char *text;
		const char *again;
	} good[] = {
		{ "2026-11-21T08:15:02+07:00", "2026-11-21T01:15:02.000000Z" },
		{ "2026-11-21T01:15:02.140Z", "2026-11-21T01:15:02.140000Z" },
		{ "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z" },
		{ "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z" },
		{ "2024-02-29t12:00:00z", "2024-02-29T12:00:00.000000Z" },
	};
	static const char *const bad[] = { "2026-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T08:15:60Z",
		"2026-11-21T08:15:02", "2026-11-21 08:15:02Z", "2026-11-21T08:15:02.Z",
		"2026-11-21T08:15:02.1234567Z", "2026-11-21T08:15:02+7:00",
		"2026-11-21T08:15:02+25:00", "9999-12-31T23:59:59-00:01",
		"0001-01-01T00:00:00+00:01", "", "2026-11-21T08:15:02Zx" };
	char text[CLOCK_TEXT_BYTES];
	int64_t time_us;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(clock_parse(bytes_of(good[i].text), &time_us));
		clock_format(time_us, text);
		assert_string_equal(text, good[i].again);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(clock_parse(bytes_of(bad[i]), &time_us));
}

static void every_day_of_four_centuries_goes_there_and_back(void **state)
{
	char text[CLOCK_TEXT_BYTES];

	(void)state;
	for (int32_t day = -80000; day < 80000; day++) {
		int32_t again;

		clock_format_date(day, text);
		assert_true(clock_parse_date(bytes_of(text), &again));
		assert_int_equal(again, day);
	}
}

static void a_fault_grows_outward_and_is_never_too_long(void **state)
{
	struct fault fault;

	(void)state;
	assert_false(fault_code(&fault, FAULT_RETRY, "busy", "inner %d", 7));
	assert_false(fault_wrap(&fault, "open %s", "file"));
	assert_string_equal(fault.text, "open file: inner 7");
	assert_string_equal(fault.code, "busy");
	for (int i = 0; i < 200; i++)
		fault_wrap(&fault, "around");
	assert_true(strlen(fault.text) < FAULT_TEXT_BYTES);
	assert_int_equal(fault.kind, FAULT_RETRY);
}

static const struct conf_key keys[] = {
	CONF_MUST(TEXT, village, "the village"),
	CONF_KEY(BYTES, limit, "4K", "a limit"),
	CONF_KEY(FLAG, quiet, "no", "whether to be quiet"),
	CONF_KEY(SECRET, password, "", "a secret"),
	CONF_ANY(kafka, "anything"),
	CONF_END,
};

static bool read_text(struct conf **conf, const char *text, struct fault *fault)
{
	char path[] = "/tmp/kentongan-conf-XXXXXX";
	int fd = mkstemp(path);
	bool ok;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ok = conf_read(conf, "test", keys, path, fault);
	remove(path);
	return ok;
}

static void settings_are_read_by_their_table(void **state)
{
	struct conf *conf;
	struct fault fault;
	const char *name;
	const char *value;

	(void)state;
	must(read_text(&conf,
	             "# a comment\n\nvillage = 35.09 # no comment\n "
	             "limit=2M\nkafka.a.b = c\n",
	             &fault),
	        &fault);
	assert_string_equal(conf_text(conf, "village"), "35.09 # no comment");
	assert_int_equal(conf_number(conf, "limit"), 2 << 20);
	assert_false(conf_flag(conf, "quiet"));
	assert_true(conf_member(conf, "kafka", 0, &name, &value));
	assert_string_equal(name, "a.b");
	assert_false(conf_member(conf, "kafka", 1, &name, &value));
	conf_close(&conf);
}

static void the_environment_wins_but_not_for_secrets(void **state)
{
	struct conf *conf;
	struct fault fault;

	(void)state;
	setenv("KENTONGAN_TEST_LIMIT", "1K", 1);
	setenv("KENTONGAN_TEST_PASSWORD", "from outside", 1);
	must(read_text(&conf, "village = x\nlimit = 2M\n", &fault), &fault);
	assert_int_equal(conf_number(conf, "limit"), 1024);
	assert_string_equal(conf_text(conf, "password"), "");
	conf_close(&conf);
	unsetenv("KENTONGAN_TEST_LIMIT");
	unsetenv("KENTONGAN_TEST_PASSWORD");
}

static void wrong_settings_stop_with_file_and_line(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "vilage = x\n", ":1: unknown setting vilage; did you mean village?" },
		{ "village = x\nlimit = 3X\n", ":2: limit takes bytes" },
		{ "village = x\nlimit = 99999999999999999999\n", "limit takes bytes" },
		{ "village = x\nquiet = maybe\n", "quiet takes yes or no" },
		{ "limit = 1\n", "the setting village is missing" },
		{ "village\n", "expected a line" },
		{ "village = x\nlimit = 1\nvillage = y\n",
		        ":3: village stands here again; first at" },
		{ "village = x\nkafka.a = 1\nkafka.b = 2\nkafka.a = 3\n",
		        ":4: kafka.a stands here again; first at" },
	};
	struct conf *conf;
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_false(read_text(&conf, cases[i].text, &fault));
		assert_int_equal(fault.kind, FAULT_STOP);
		assert_non_null(strstr(fault.text, cases[i].words));
	}
}

static char told[256];

static void note_difference(const char *name, const char *value, bool taken)
{
	size_t size = strlen(told);

	snprintf(told + size, sizeof told - size, "%s=%s%s ", name, value,
	        taken ? "" : " later");
}

static void renew(struct conf *conf, const char *text, const char *const *names)
{
	struct conf *fresh;
	struct fault fault;

	told[0] = '\0';
	must(read_text(&fresh, text, &fault), &fault);
	must(conf_renew(conf, &fresh, names, note_difference, &fault), &fault);
	assert_null(fresh);
}

static void what_is_named_is_renewed_and_old_texts_stay_readable(void **state)
{
	static const char *const names[] = { "limit", "password", "kafka", NULL };
	struct conf *conf;
	struct fault fault;
	const char *village;
	const char *member;
	const struct conf *before;

	(void)state;
	must(read_text(&conf, "village = x\nlimit = 1\nkafka.a = b\n", &fault), &fault);
	village = conf_text(conf, "village");
	member = conf_member_of(conf, "kafka", "a");
	before = conf_now(conf);
	renew(conf, "village = y\nlimit = 2\npassword = p\nkafka.a = c\n", names);
	assert_string_equal(told, "village=y later limit=2 password= kafka= ");
	renew(conf, "village = x\nlimit = 3\n", names);
	assert_string_equal(told, "limit=3 password= kafka= ");
	assert_string_equal(conf_text(conf, "village"), "x");
	assert_int_equal(conf_number(conf, "limit"), 3);
	assert_null(conf_member_of(conf, "kafka", "a"));
	assert_string_equal(village, "x");
	assert_string_equal(member, "b");
	assert_ptr_not_equal(before, conf_now(conf));
	conf_close(&conf);
}

static void a_family_that_is_not_named_stays(void **state)
{
	static const char *const names[] = { "limit", NULL };
	struct conf *conf;
	struct fault fault;

	(void)state;
	must(read_text(&conf, "village = x\nkafka.a = b\n", &fault), &fault);
	renew(conf, "village = x\nkafka.a = c\nkafka.d = e\n", names);
	assert_string_equal(told, "kafka= later ");
	assert_string_equal(conf_member_of(conf, "kafka", "a"), "b");
	assert_null(conf_member_of(conf, "kafka", "d"));
	conf_close(&conf);
}

static void secrets_are_not_printed(void **state)
{
	char out[512] = "";
	FILE *file = fmemopen(out, sizeof out, "w");
	struct conf *conf;
	struct fault fault;

	(void)state;
	must(read_text(&conf,
	             "village = x\npassword = rahasia\n"
	             "kafka.ssl.key.password = rahasia\nkafka.ssl.key.pem = rahasia\n"
	             "kafka.client.id = desa\n",
	             &fault),
	        &fault);
	conf_print(conf, file);
	fclose(file);
	assert_null(strstr(out, "rahasia"));
	assert_non_null(strstr(out, "kafka.ssl.key.password = (set)  # /tmp/"));
	assert_non_null(strstr(out, "kafka.client.id = desa  # /tmp/"));
	conf_close(&conf);
}

static void options_stand_above_the_file(void **state)
{
	static const char *const options[] = { "--limit", "7", "--kafka.a", "b" };
	static const char *const wrong[] = { "--limt", "7" };
	struct conf *conf;
	struct fault fault;

	(void)state;
	must(conf_read_options(&conf, keys, "/dev/null",
	             (const char *[]){ "--village", "x" }, 2, &fault),
	        &fault);
	conf_close(&conf);
	assert_false(conf_read_options(&conf, keys, NULL, options, 4, &fault));
	assert_non_null(strstr(fault.text, "village is missing"));
	assert_false(conf_read_options(&conf, keys, NULL, wrong, 2, &fault));
	assert_string_equal(fault.code, "usage");
	assert_non_null(strstr(fault.text, "did you mean limit?"));
}

static void an_arena_gives_zeroed_memory_again_and_again(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 3000; size += 7) {
			uint8_t *memory = arena_alloc(&arena, size);

			assert_non_null(memory);
			assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(memory[i], 0);
			memset(memory, 0xEE, size);
		}
		assert_non_null(arena_alloc(&arena, 1 << 20));
		arena_reset(&arena);
	}
	arena_clear(&arena);
}

static void a_number_is_digits_and_nothing_else(void **state)
{
	static const char *const others[] = { "", "x", "1x", " 1", "+1", "-1", "1.0",
		"1000000000000000000" };
	int64_t number = 0;

	(void)state;
	assert_true(bytes_number("007", &number));
	assert_int_equal(number, 7);
	assert_true(bytes_number("999999999999999999", &number));
	assert_int_equal(number, INT64_C(999999999999999999));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(bytes_number(others[i], &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_digits_and_nothing_else),
		cmocka_unit_test(only_well_formed_utf8_without_nul_is_text),
		cmocka_unit_test(json_text_is_escaped),
		cmocka_unit_test(times_are_read_strictly_and_written_back),
		cmocka_unit_test(every_day_of_four_centuries_goes_there_and_back),
		cmocka_unit_test(a_fault_grows_outward_and_is_never_too_long),
		cmocka_unit_test(settings_are_read_by_their_table),
		cmocka_unit_test(the_environment_wins_but_not_for_secrets),
		cmocka_unit_test(wrong_settings_stop_with_file_and_line),
		cmocka_unit_test(what_is_named_is_renewed_and_old_texts_stay_readable),
		cmocka_unit_test(a_family_that_is_not_named_stays),
		cmocka_unit_test(secrets_are_not_printed),
		cmocka_unit_test(options_stand_above_the_file),
		cmocka_unit_test(an_arena_gives_zeroed_memory_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
