/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "event/envelope.h"
#include "event/mask.h"
#include "unit/message.h"

#define NIK  "\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2"
#define DOTS "\"\xE2\x80\xA2\xE2\x80\xA2\xE2\x80\xA2\""

/* Schemas of the test's own: a catalog is a struct, and nobody asks where it is from.
 */
struct scene {
	struct catalog catalog;
	struct catalog_schema schema;
	struct catalog_topic topic;
	struct mask *mask;
	struct buffer value;
	struct buffer out;
};

static const struct mask_place place = { "desa.tests", 7, 42, 1795000000123000 };

static void scene_open(struct scene *scene, const char *fields)
{
	struct buffer text = { 0 };
	struct fault fault;

	*scene = (struct scene){ 0 };
	buffer_format(&text,
	        "{\"type\":\"record\",\"name\":\"a.b.Test\",\"fields\":[%s]}", fields);
	scene->schema.id = 7;
	scene->schema.file = "test";
	must(schema_parse(&scene->schema.schema, buffer_bytes(&text), &fault), &fault);
	buffer_clear(&text);
	scene->topic =
	        (struct catalog_topic){ .topic = "desa.tests", .record = "Test" };
	scene->catalog = (struct catalog){ .topic_count = 1,
		.topics = &scene->topic,
		.schema_count = 1,
		.schemas = &scene->schema };
	must(mask_open(&scene->mask, &scene->catalog, &fault), &fault);
	envelope_frame(&scene->value, 7);
}

static void scene_close(struct scene *scene)
{
	mask_close(&scene->mask);
	schema_close(&scene->schema.schema);
	buffer_clear(&scene->value);
	buffer_clear(&scene->out);
}

static void put_text(struct scene *scene, const char *text)
{
	message_long(&scene->value, (int64_t)strlen(text));
	buffer_append_text(&scene->value, text);
}

static const char *shown(struct scene *scene, enum mask_view view)
{
	struct fault fault;
	struct head head;

	must(mask_decode(scene->mask, buffer_bytes(&scene->value), &head, &fault),
	        &fault);
	buffer_reset(&scene->out);
	mask_append(scene->mask, &place, view, &scene->out);
	buffer_append_byte(&scene->out, 0);
	return (const char *)scene->out.data;
}

#define PLACE                                                                          \
	"{\"topic\":\"desa.tests\",\"partition\":7,\"offset\":42,"                     \
	"\"appended_at\":\"2026-11-18T11:06:40.123000Z\",\"record\":\"Test\""

static void what_is_personal_or_unsaid_leaves_as_dots(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, "{\"name\":\"open\",\"type\":\"string\",\"pii\":\"none\"},"
	                   "{\"name\":\"who\",\"type\":\"string\",\"pii\":\"name\"},"
	                   "{\"name\":\"unsaid\",\"type\":\"long\"}");
	put_text(&scene, "a \"b\"");
	put_text(&scene, "Siti");
	message_long(&scene.value, -3);
	assert_string_equal(shown(&scene, VIEW_MASKED), PLACE
	        ",\"open\":\"a \\\"b\\\"\",\"who\":" DOTS ",\"unsaid\":" DOTS "}");
	assert_string_equal(shown(&scene, VIEW_OPEN),
	        PLACE ",\"open\":\"a \\\"b\\\"\",\"who\":\"Siti\",\"unsaid\":-3}");
	scene_close(&scene);
}

static void a_list_is_as_personal_as_the_worst_within_it(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene,
	        "{\"name\":\"list\",\"pii\":\"none\",\"type\":{\"type\":\"array\","
	        "\"items\":"
	        "{\"type\":\"record\",\"name\":\"I\",\"fields\":[{\"name\":\"nik\","
	        "\"type\":\"string\",\"pii\":\"nik\"}]}}}");
	message_long(&scene.value, 1);
	put_text(&scene, "9901234567890001");
	message_long(&scene.value, 0);
	assert_string_equal(shown(&scene, VIEW_MASKED), PLACE ",\"list\":" DOTS "}");
	assert_string_equal(shown(&scene, VIEW_OPEN),
	        PLACE ",\"list\":[{\"nik\":\"9901234567890001\"}]}");
	scene_close(&scene);
}

static void what_is_not_there_is_null_and_no_dots(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"pii\":"
	                   "\"free-text\",\"default\":null}");
	message_long(&scene.value, 0);
	assert_string_equal(shown(&scene, VIEW_MASKED), PLACE ",\"note\":null}");
	scene_close(&scene);
}

static void a_field_with_the_name_of_a_place_gets_an_underscore(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, "{\"name\":\"topic\",\"type\":\"string\",\"pii\":\"none\"},"
	                   "{\"name\":\"offset\",\"type\":\"long\",\"pii\":\"none\"}");
	put_text(&scene, "x");
	message_long(&scene.value, 5);
	assert_string_equal(
	        shown(&scene, VIEW_MASKED), PLACE ",\"topic_\":\"x\",\"offset_\":5}");
	scene_close(&scene);
}

static void the_head_is_told(void **state)
{
	struct scene scene;
	struct fault fault;
	struct head head;

	(void)state;
	scene_open(&scene,
	        "{\"name\":\"village_code\",\"type\":\"string\",\"pii\":\"none\"},"
	        "{\"name\":\"case_id\",\"type\":\"string\",\"pii\":\"none\"}");
	put_text(&scene, "35.09.01.2001");
	put_text(&scene, "SKTM-1");
	must(mask_decode(scene.mask, buffer_bytes(&scene.value), &head, &fault),
	        &fault);
	assert_true(bytes_equal_text(head.village_code, "35.09.01.2001"));
	assert_true(bytes_equal_text(head.case_id, "SKTM-1"));
	scene_close(&scene);
}

static void what_is_none_of_ours_is_said_to_be_undecodable(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} strange[] = { { "", 0 }, { "\0\0\0\0\x07", 5 }, { "\0\0\0\0\x08\2x", 7 },
		{ "\1\0\0\0\7\2x", 7 }, { "\0\0\0\0\7\2\xff", 7 } };
	struct scene scene;
	struct fault fault;
	struct head head;

	(void)state;
	scene_open(&scene, "{\"name\":\"a\",\"type\":\"string\",\"pii\":\"none\"}");
	put_text(&scene, "x"); /* one that is well-formed leaves nothing behind */
	shown(&scene, VIEW_OPEN);
	for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
		struct bytes value = { (const uint8_t *)strange[i].bytes,
			strange[i].size };

		assert_false(mask_decode(scene.mask, value, &head, &fault));
		assert_int_equal(fault.kind, FAULT_REJECT);
		buffer_reset(&scene.out);
		mask_append(scene.mask, &place, VIEW_OPEN, &scene.out);
		buffer_append_byte(&scene.out, 0);
		assert_string_equal(
		        (const char *)scene.out.data, PLACE ",\"undecodable\":true}");
	}
	scene_close(&scene);
}

static void what_has_the_shape_of_a_nik_is_hidden_in_any_text(void **state)
{
	static const struct {
		const char *text;
		const char *masked;
	} cases[] = {
		{ "470/3509010101900001/2026", "\"470/" NIK "/2026\"" },
		{ "NIK3509010101900001", "\"NIK" NIK "\"" },
		{ "3509010101900001350901010190000235090101019000033509010101900004",
		        "\"" NIK "\"" },
		{ "35090101\xE2\x80\x8B"
		  "01900001",
		        DOTS }, /* U+200B */
		{ "3509\xC2\xAD"
		  "010101900001 x",
		        "\"" NIK " x\"" }, /* U+00AD */
		{ "\xD9\xA3\xD9\xA5\xD9\xA0\xD9\xA9\xD9\xA0\xD9\xA1\xD9\xA0\xD9\xA1"
		  "\xD9\xA0\xD9\xA1\xD9\xA9\xD9\xA0\xD9\xA0\xD9\xA0\xD9\xA0\xD9\xA1",
		        DOTS },
		{ "\xEF\xBC\x93\xEF\xBC\x95"
		  "09010101900001",
		        "\"" NIK "\"" },
		{ "350901010190000", "\"350901010190000\"" },
		{ "470/123/35.09.01.2001/2026", "\"470/123/35.09.01.2001/2026\"" },
		{ "1234567890123456789012345678901234567890123456789012345678901bcd",
		        "\"123456789012345678901234567890123456789012345678901234567890"
		        "1"
		        "bcd\"" },
		{ "\x01"
		  "234567890123",
		        "\"\\u0001234567890123\"" },
		{ "\\\"3509010101900001\"", "\"\\\\\\\"" NIK "\\\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct scene scene;
		char wanted[256];

		scene_open(&scene,
		        "{\"name\":\"a\",\"type\":\"string\",\"pii\":\"none\"}");
		put_text(&scene, cases[i].text);
		snprintf(wanted, sizeof wanted, PLACE ",\"a\":%s}", cases[i].masked);
		assert_string_equal(shown(&scene, VIEW_MASKED), wanted);
		if (strstr(cases[i].text, "3509010101900001") != NULL)
			assert_non_null(
			        strstr(shown(&scene, VIEW_OPEN), "3509010101900001"));
		scene_close(&scene);
	}
}

static void numbers_are_hidden_within_texts_only(void **state)
{
	struct buffer out = { 0 };

	(void)state;
	buffer_append_text(&out,
	        "{\"3509010101900001\":3509010101900001,"
	        "\"b\":[\"x\",3509010101900001,\"3509010101900001\"]}");
	mask_hide_numbers(&out, 0);
	buffer_append_byte(&out, 0);
	assert_string_equal((const char *)out.data,
	        "{\"" NIK "\":3509010101900001,"
	        "\"b\":[\"x\",3509010101900001,\"" NIK "\"]}");
	buffer_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_personal_or_unsaid_leaves_as_dots),
		cmocka_unit_test(a_list_is_as_personal_as_the_worst_within_it),
		cmocka_unit_test(what_is_not_there_is_null_and_no_dots),
		cmocka_unit_test(a_field_with_the_name_of_a_place_gets_an_underscore),
		cmocka_unit_test(the_head_is_told),
		cmocka_unit_test(what_has_the_shape_of_a_nik_is_hidden_in_any_text),
		cmocka_unit_test(numbers_are_hidden_within_texts_only),
		cmocka_unit_test(what_is_none_of_ours_is_said_to_be_undecodable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
