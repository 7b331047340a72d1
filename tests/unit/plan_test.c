/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/clock.h"
#include "event/catalog.h"
#include "event/check.h"
#include "event/decimal.h"
#include "event/plan.h"
#include "port/avro.h"
#include "unit/message.h"

enum { MAX_CELLS = 64 };

static const struct plan_grant all = { .everything = true };

struct reading {
	struct plan *plan;
	struct cell cells[MAX_CELLS];
	struct buffer scratch;
	struct fault fault;
};

static struct schema *parse(const char *text)
{
	struct schema *schema;
	struct fault fault;

	must(schema_parse(&schema, bytes_of(text), &fault), &fault);
	return schema;
}

static void open_granted(struct reading *reading, const char *writer,
        const char *reader, const struct plan_grant *grant)
{
	struct schema *from = parse(writer);
	struct schema *to = parse(reader);

	*reading = (struct reading){ 0 };
	must(plan_compile(&reading->plan, from, to, grant, &reading->fault),
	        &reading->fault);
	schema_close(&from);
	schema_close(&to);
}

static void open_reading(
        struct reading *reading, const char *writer, const char *reader)
{
	open_granted(reading, writer, reader, &all);
}

static void close_reading(struct reading *reading)
{
	plan_close(&reading->plan);
	buffer_clear(&reading->scratch);
}

/* The bytes are copied to memory of their exact size, so that asan sees a step beyond.
 */
static bool decode(struct reading *reading, const void *data, size_t size)
{
	uint8_t *copy = malloc(size + !size);
	bool ok;

	memcpy(copy, data, size);
	ok = plan_decode(reading->plan, (struct bytes){ copy, size }, reading->cells,
	        &reading->scratch, &reading->fault);
	if (!ok)
		assert_int_equal(reading->fault.kind, FAULT_REJECT);
	free(copy);
	return ok;
}

#define RECORD(fields)    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define FIELD_OR(name, type, standard)                                                 \
	"{\"name\":\"" name "\",\"type\":" type ",\"default\":" standard "}"

static void refused(const char *type, const void *data, size_t size)
{
	struct reading reading;
	char schema[512];

	snprintf(schema, sizeof schema, RECORD("{\"name\":\"a\",\"type\":%s}"), type);
	open_reading(&reading, schema, schema);
	assert_false(decode(&reading, data, size));
	assert_non_null(strstr(reading.fault.text, "byte"));
	close_reading(&reading);
}

static void an_enum_out_of_range_is_refused(void **state)
{
	(void)state;
	refused("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "\x04",
	        1);
	refused("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "\x01",
	        1);
}

static void an_array_of_a_billion_nothings_is_refused(void **state)
{
	(void)state;
	refused("{\"type\":\"array\",\"items\":\"null\"}", "\x80\x80\x80\x80\x40\x00",
	        6);
}

static void many_small_lists_of_nothings_share_one_limit(void **state)
{
	char data[400];

	(void)state;
	data[0] = (char)0x80; /* a block of 64 lists, each of 4000 nulls */
	data[1] = 0x01;
	for (int i = 0; i < 64; i++)
		memcpy(data + 2 + 3 * i, "\xC0\x3E\x00", 3);
	data[2 + 3 * 64] = 0;
	refused("{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"null\"}"
	        "}",
	        data, 2 + 3 * 64 + 1);
}

static void a_length_of_four_gigabytes_is_refused(void **state)
{
	(void)state;
	refused("\"string\"", "\x80\x80\x80\x80\x20xx", 7);
	refused("\"bytes\"", "\x80\x80\x80\x80\x20xx", 7);
	refused("\"string\"", "\x01", 1);
}

static void a_boolean_of_two_is_refused(void **state)
{
	(void)state;
	refused("\"boolean\"", "\x02", 1);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	(void)state;
	refused("\"string\"", "\x04\xff\xfe", 3);
	refused("\"string\"",
	        "\x06"
	        "a\0b",
	        4);
	refused("\"string\"", "\x04\xc0\xaf", 3);
	refused("\"string\"", "\x06\xed\xa0\x80", 4);
}

static void bytes_left_over_are_refused(void **state)
{
	(void)state;
	refused("\"long\"", "\x02\x02", 2);
	refused("\"null\"", "\x02", 1);
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	refused("\"int\"", "\x80\x80\x80\x80\x20", 5);
	refused("\"long\"", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
	refused("\"long\"", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
	refused("\"long\"", "\x80", 1);
}

static void a_map_key_twice_is_refused(void **state)
{
	(void)state;
	refused("{\"type\":\"map\",\"values\":\"long\"}",
	        "\x04\x02"
	        "a\x02\x02"
	        "a\x02\x00",
	        8);
}

static void a_block_that_lies_about_its_size_is_refused(void **state)
{
	(void)state;
	refused("{\"type\":\"array\",\"items\":\"long\"}", "\x01\x04\x02\x00", 4);
	refused("{\"type\":\"array\",\"items\":\"long\"}", "\x01\x40\x02\x00", 4);
}

/* A list of nobody's in a block of two items that says its size, then the number 7. */
static void a_block_that_nobody_wants_is_not_entered(void **state)
{
	static const char *const kept[] = { "kept", NULL };
	const struct plan_grant grant = { .columns = kept };
	static const char writer[] = RECORD(FIELD(
	        "list", "{\"type\":\"array\",\"items\":\"string\"}") "," FIELD("map",
	        "{\"type\":\"map\",\"values\":\"long\"}") "," FIELD("kept",
	        "\"long\""));
	struct reading reading;

	(void)state;
	open_granted(&reading, writer, writer, &grant);
	/* The bytes within are no strings: only a reader that goes past takes them. */
	assert_true(
	        decode(&reading, "\x03\x06\xFF\xFF\xFF\x00\x01\x02\xFF\x00\x0E", 11));
	assert_int_equal(reading.cells[0].integer, 7);
	assert_true(decode(&reading, "\x04\x02x\x00\x00\x02\x02y\x10\x00\x0E", 11));
	assert_int_equal(reading.cells[0].integer, 7);
	assert_false(decode(&reading, "\x03\x7E\xFF\xFF\xFF\x00\x00\x0E", 8));
	assert_false(decode(&reading, "\x03\x05\xFF\xFF\xFF\x00\x00\x0E", 8));
	assert_false(decode(&reading, "\x10\x02x\x00\x00\x0E", 6));
	assert_false(decode(&reading, "\x04\x02x", 3));
	close_reading(&reading);
}

static void times_beyond_postgresql_are_refused(void **state)
{
	(void)state;
	refused("{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}",
	        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
	refused("{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",
	        "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
	refused("{\"type\":\"int\",\"logicalType\":\"date\"}", "\xff\xff\xff\xff\x0f",
	        5);
}

static void a_decimal_beyond_its_precision_is_refused(void **state)
{
	static const char decimal2[] =
	        "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2}";

	(void)state;
	refused(decimal2, "\x02\x64", 2);
	refused(decimal2, "\x00", 1);
	refused(decimal2,
	        "\x24\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	        "\x00\x00\x01",
	        19);
}

static void nesting_is_bounded_by_the_schema(void **state)
{
	struct schema *schema;
	struct fault fault;
	char text[4000] = RECORD("");
	char deep[40000];

	(void)state;
	strcpy(text, "");
	for (int i = 0; i < 40; i++)
		strcat(text, "{\"type\":\"array\",\"items\":");
	strcat(text, "\"null\"");
	for (int i = 0; i < 40; i++)
		strcat(text, "}");
	assert_false(schema_parse(&schema, bytes_of(text), &fault));
	assert_int_equal(fault.kind, FAULT_REJECT);
	memset(deep, '[', sizeof deep);
	assert_false(schema_parse(
	        &schema, (struct bytes){ (uint8_t *)deep, sizeof deep }, &fault));
}

static void a_schema_that_multiplies_itself_is_refused(void **state)
{
	struct schema *schema;
	struct fault fault;
	char text[8000] = "{\"type\":\"record\",\"name\":\"T\",\"fields\":["
	                  "{\"name\":\"x\",\"type\":";

	(void)state;
	strcat(text, "[{\"type\":\"record\",\"name\":\"R0\",\"fields\":[]}");
	for (int i = 1; i < 30; i++) {
		char part[256];

		snprintf(part, sizeof part,
		        ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":["
		        "{\"name\":\"a\",\"type\":\"R%d\"},{\"name\":\"b\",\"type\":"
		        "\"R%d\"}]}",
		        i, i - 1, i - 1);
		strcat(text, part);
	}
	strcat(text, "]}]}");
	assert_false(schema_parse(&schema, bytes_of(text), &fault));
	assert_int_equal(fault.kind, FAULT_REJECT);
	assert_non_null(strstr(fault.text, "too large"));
}

static const char *text_of(struct cell cell)
{
	static char text[256];

	snprintf(text, sizeof text, "%.*s", (int)cell.bytes.size,
	        (const char *)cell.bytes.data);
	return text;
}

static void fields_go_by_name_and_defaults_fill_the_rest(void **state)
{
	struct reading reading;
	uint8_t data[] = "\x0e\x04hi\x02";

	(void)state;
	open_reading(&reading,
	        RECORD(FIELD("n", "\"int\"") "," FIELD("gone", "\"string\"") "," FIELD(
	                "e", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"NEW\","
	                     "\"OLD\"]}")),
	        RECORD(FIELD("e",
	                "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"X\","
	                "\"OLD\"],\"default\":\"X\"}") "," FIELD_OR("extra",
	                "[\"null\",\"string\"]", "null") "," FIELD_OR("list",
	                "{\"type\":\"array\",\"items\":\"int\"}",
	                "[1,2]") "," FIELD("n", "\"long\"")));
	must(plan_decode(reading.plan, (struct bytes){ data, 5 }, reading.cells,
	             &reading.scratch, &reading.fault),
	        &reading.fault);
	assert_string_equal(text_of(reading.cells[0]), "OLD");
	assert_true(reading.cells[1].is_null);
	assert_string_equal(text_of(reading.cells[2]), "[1,2]");
	assert_int_equal(reading.cells[3].integer, 7);
	data[4] = 0; /* NEW is unknown to the reader */
	must(plan_decode(reading.plan, (struct bytes){ data, 5 }, reading.cells,
	             &reading.scratch, &reading.fault),
	        &reading.fault);
	assert_string_equal(text_of(reading.cells[0]), "X");
	close_reading(&reading);
}

static void nullable_records_flatten_and_unions_go_both_ways(void **state)
{
	static const char inner[] =
	        "[\"null\",{\"type\":\"record\",\"name\":\"I\",\"fields\":["
	        "{\"name\":\"x\",\"type\":\"long\"},"
	        "{\"name\":\"y\",\"type\":[\"string\",\"null\"]}]}]";
	char schema[512];
	struct reading reading;
	size_t count;

	(void)state;
	snprintf(schema, sizeof schema, RECORD("{\"name\":\"p\",\"type\":%s}"), inner);
	open_reading(&reading, schema, schema);
	assert_string_equal(plan_columns(reading.plan, &count)[1].name, "p_y");
	assert_int_equal(count, 2);
	assert_true(decode(&reading, "\x00", 1));
	assert_true(reading.cells[0].is_null && reading.cells[1].is_null);
	assert_true(decode(&reading, "\x02\x06\x02", 3));
	assert_int_equal(reading.cells[0].integer, 3);
	assert_true(reading.cells[1].is_null);
	assert_false(decode(&reading, "\x04\x06\x02", 3));
	close_reading(&reading);
}

static void lists_and_maps_become_json(void **state)
{
	struct reading reading;
	struct fault fault;
	static const uint8_t data[] = "\x02\x02k\x04\"\n\x00\x04\x02\x01\x02\x00\x00";

	(void)state;
	open_reading(&reading,
	        RECORD(FIELD("m", "{\"type\":\"map\",\"values\":\"string\"}") "," FIELD(
	                "a", "{\"type\":\"array\",\"items\":{\"type\":\"record\","
	                     "\"name\":\"I\","
	                     "\"fields\":[{\"name\":\"n\",\"type\":\"long\"},"
	                     "{\"name\":\"b\",\"type\":\"boolean\"}]}}")),
	        RECORD(FIELD("m", "{\"type\":\"map\",\"values\":\"string\"}") "," FIELD(
	                "a", "{\"type\":\"array\",\"items\":{\"type\":\"record\","
	                     "\"name\":\"I\","
	                     "\"fields\":[{\"name\":\"n\",\"type\":\"long\"},"
	                     "{\"name\":\"b\",\"type\":\"boolean\"},"
	                     "{\"name\":\"d\",\"type\":\"int\",\"default\":9}]}}")));
	must(plan_decode(reading.plan, (struct bytes){ data, sizeof data - 1 },
	             reading.cells, &reading.scratch, &fault),
	        &fault);
	assert_string_equal(text_of(reading.cells[0]), "{\"k\":\"\\\"\\n\"}");
	assert_string_equal(text_of(reading.cells[1]),
	        "[{\"n\":1,\"b\":true,\"d\":9},{\"n\":1,\"b\":false,\"d\":9}]");
	close_reading(&reading);
}

static void what_is_not_granted_is_no_column(void **state)
{
	static const char *const names[] = { "b", NULL };
	struct plan_grant grant = { .columns = names };
	struct reading reading;
	size_t count;

	(void)state;
	open_granted(&reading,
	        RECORD(FIELD("a", "\"string\"") "," FIELD("b", "\"long\"") "," FIELD(
	                "seq", "\"long\"")),
	        RECORD(FIELD("a", "\"string\"") "," FIELD("b", "\"long\"") "," FIELD(
	                "seq", "\"long\"")),
	        &grant);
	assert_string_equal(plan_columns(reading.plan, &count)[0].name, "b");
	assert_int_equal(count, 2); /* the head's own fields always are */
	/* The text is no UTF-8; nobody who was not granted it needs to know. */
	assert_true(decode(&reading, "\x02\xff\x04\x06", 4));
	assert_int_equal(reading.cells[0].integer, 2);
	assert_int_equal(reading.cells[1].integer, 3);
	close_reading(&reading);
}

/* Every type's default, within records and lists too, has the form of a value. */
static void defaults_of_every_type_read_as_values_do(void **state)
{
	static const struct {
		const char *type;
		const char *standard;
		const char *json;
	} cases[] = {
		{ "\"null\"", "null", "null" },
		{ "\"boolean\"", "true", "true" },
		{ "\"int\"", "-7", "-7" },
		{ "\"long\"", "9223372036854775807", "9223372036854775807" },
		{ "\"float\"", "1.5", "1.5" },
		{ "\"double\"", "0.1", "0.10000000000000001" },
		{ "\"string\"", "\"a\\\"b\"", "\"a\\\"b\"" },
		{ "\"bytes\"", "\"\\u0000\\u00ff\"", "\"00ff\"" },
		{ "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"a\\u00e9\"",
		        "\"61e9\"" },
		{ "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}",
		        "\"B\"", "\"B\"" },
		{ "{\"type\":\"int\",\"logicalType\":\"date\"}", "1",
		        "\"1970-01-02\"" },
		{ "{\"type\":\"long\",\"logicalType\":\"time-micros\"}", "5", "5" },
		{ "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", "1",
		        "\"1970-01-01T00:00:00.001000Z\"" },
		{ "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", "1",
		        "\"1970-01-01T00:00:00.000001Z\"" },
		{ "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,"
		  "\"scale\":2}",
		        "\"\\u0000\"", "\"0.00\"" },
		{ "{\"type\":\"fixed\",\"name\":\"D\",\"size\":20,\"logicalType\":"
		  "\"decimal\",\"precision\":38,\"scale\":1}",
		        "\"\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff"
		        "\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff\\u00ff"
		        "\\u00ff\\u00ff\\u00ff\\u009c\"",
		        "\"-10.0\"" },
		{ "{\"type\":\"string\",\"logicalType\":\"uuid\"}",
		        "\"0192f3a4-5678-7abc-8def-0123456789ab\"",
		        "\"0192f3a4-5678-7abc-8def-0123456789ab\"" },
		{ "[\"null\",\"long\"]", "null", "null" },
		{ "[\"long\",\"null\"]", "3", "3" },
		{ "[\"string\",\"null\",\"long\"]", "\"x\"", "\"x\"" },
		{ "{\"type\":\"array\",\"items\":{\"type\":\"int\",\"logicalType\":"
		  "\"date\"}}",
		        "[0,1]", "[\"1970-01-01\",\"1970-01-02\"]" },
		{ "{\"type\":\"map\",\"values\":[\"null\",\"long\"]}", "{\"k\":null}",
		        "{\"k\":null}" },
		{ "{\"type\":\"array\",\"items\":" RECORD(
		          FIELD("x", "\"int\"") "," FIELD_OR("y",
		                  "{\"type\":\"bytes\",\"logicalType\":\"decimal\","
		                  "\"precision\":4,\"scale\":2}",
		                  "\"d\"")) "}",
		        "[{\"x\":1}]", "[{\"x\":1,\"y\":\"1.00\"}]" },
	};
	static const char writer[] = "{\"type\":\"record\",\"name\":\"Top\","
	                             "\"fields\":[]}";
	static const char reader[] = "{\"type\":\"record\",\"name\":\"Top\","
	                             "\"fields\":[{\"name\":\"f\",\"type\":%s,"
	                             "\"default\":%s}]}";

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buffer json = { 0 };
		struct reading reading;
		char text[1024];
		size_t count;

		snprintf(text, sizeof text, reader, cases[i].type, cases[i].standard);
		open_reading(&reading, writer, text);
		assert_true(decode(&reading, "", 0));
		cell_json(plan_columns(reading.plan, &count), reading.cells, &json);
		buffer_append_byte(&json, 0);
		assert_string_equal((char *)json.data, cases[i].json);
		buffer_clear(&json);
		close_reading(&reading);
	}
}

static void refused_default(const char *type, const char *standard)
{
	static const struct plan_grant grant = { .everything = true };
	struct schema *writer = parse(RECORD(""));
	struct schema *reader = NULL;
	struct plan *plan = NULL;
	struct fault fault;
	char text[512];
	bool ok;

	snprintf(text, sizeof text,
	        RECORD("{\"name\":\"f\",\"type\":%s,\"default\":%s}"), type, standard);
	ok = schema_parse(&reader, bytes_of(text), &fault)
	     && plan_compile(&plan, writer, reader, &grant, &fault);
	assert_false(ok);
	assert_int_equal(fault.kind, FAULT_REJECT);
	schema_close(&writer);
	schema_close(&reader);
}

static void a_default_that_no_value_could_be_is_refused(void **state)
{
	(void)state;
	refused_default("\"string\"", "\"a\\u0000\"");
	refused_default("\"bytes\"", "\"\\u0100\"");
	refused_default("{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"a\"");
	refused_default("{\"type\":\"int\",\"logicalType\":\"date\"}", "2147483647");
	refused_default("{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",
	        "9223372036854775807");
	refused_default("{\"type\":\"string\",\"logicalType\":\"uuid\"}", "\"x\"");
	refused_default("{\"type\":\"bytes\",\"logicalType\":\"decimal\","
	                "\"precision\":1}",
	        "\"\\u0064\"");
	refused_default("[\"null\",\"long\"]", "3");
}

static void an_alias_finds_the_old_name_unless_that_is_a_field_again(void **state)
{
	struct reading reading;

	(void)state;
	open_reading(&reading, RECORD(FIELD("old", "\"int\"")),
	        RECORD("{\"name\":\"new\",\"type\":\"long\",\"aliases\":[\"older\","
	               "\"old\"]}"));
	assert_true(decode(&reading, "\x06", 1));
	assert_int_equal(reading.cells[0].integer, 3);
	close_reading(&reading);
	open_reading(&reading, RECORD(FIELD("old", "\"int\"")),
	        RECORD("{\"name\":\"new\",\"type\":\"int\",\"aliases\":[\"old\"],"
	               "\"default\":9}," FIELD("old", "\"int\"")));
	assert_true(decode(&reading, "\x06", 1));
	assert_int_equal(reading.cells[0].integer, 9);
	assert_int_equal(reading.cells[1].integer, 3);
	close_reading(&reading);
	open_reading(&reading,
	        RECORD(FIELD("old", "\"int\"") "," FIELD("new", "\"int\"")),
	        RECORD("{\"name\":\"new\",\"type\":\"int\",\"aliases\":[\"old\"]}"));
	assert_true(decode(&reading, "\x06\x08", 2));
	assert_int_equal(reading.cells[0].integer, 4);
	close_reading(&reading);
}

static void numbers_widen_as_avro_promotes_them(void **state)
{
	struct reading reading;

	(void)state;
	open_reading(&reading, RECORD(FIELD("a", "\"int\"")),
	        RECORD(FIELD("a", "\"double\"")));
	assert_true(decode(&reading, "\x07", 1));
	assert_true(reading.cells[0].real == -4.0);
	close_reading(&reading);
	open_reading(&reading, RECORD(FIELD("a", "\"float\"")),
	        RECORD(FIELD("a", "[\"null\",\"double\"]")));
	assert_true(decode(&reading, "\x00\x00\xc0\x3f", 4));
	assert_true(reading.cells[0].real == 1.5);
	close_reading(&reading);
	open_reading(&reading,
	        RECORD(FIELD("a", "{\"type\":\"array\",\"items\":\"float\"}")),
	        RECORD(FIELD("a", "{\"type\":\"array\",\"items\":\"double\"}")));
	must(plan_decode(reading.plan,
	             (struct bytes){ (const uint8_t *)"\x02\xcd\xcc\xcc\x3d\x00", 6 },
	             reading.cells, &reading.scratch, &reading.fault),
	        &reading.fault);
	assert_string_equal(text_of(reading.cells[0]), "[0.10000000149011612]");
	close_reading(&reading);
	open_reading(&reading, RECORD(FIELD("a", "\"bytes\"")),
	        RECORD(FIELD("a", "\"string\"")));
	assert_false(decode(&reading, "\x02\xff", 2));
	assert_true(decode(&reading, "\x02x", 2));
	close_reading(&reading);
}

static void a_schema_that_is_a_trap_is_refused(void **state)
{
	static const char *const traps[] = {
		"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
		"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1e3}",
		"{\"type\":\"fixed\",\"name\":\"F\",\"size\":99999999999}",
		"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\","
		"\"type\":\"R\"}]}",
		"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\","
		"\"type\":[\"null\",\"R\"]}]}",
		"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"A\"]}",
		"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\\u0000b\"]}",
		"{\"type\":\"record\",\"name\":\"R\\u0000\",\"fields\":[]}",
		"[\"null\",[\"null\"]]",
		"[\"int\",\"int\"]",
		"{\"type\":{\"type\":{\"type\":\"nothing\"}}}",
		"\"R\"",
		"",
		"{",
	};
	struct schema *schema;
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof traps / sizeof traps[0]; i++) {
		assert_false(schema_parse(&schema, bytes_of(traps[i]), &fault));
		assert_int_equal(fault.kind, FAULT_REJECT);
	}
}

static void a_grant_of_an_unknown_field_stops(void **state)
{
	static const char *const names[] = { "nick", NULL };
	struct plan_grant grant = { .columns = names };
	struct schema *schema = parse(RECORD(FIELD("nik", "\"string\"")));
	struct plan *plan;
	struct fault fault;

	(void)state;
	assert_false(plan_compile(&plan, schema, schema, &grant, &fault));
	assert_int_equal(fault.kind, FAULT_STOP);
	schema_close(&schema);
}

/* A whole Request through check, Avro-C and the plan. */
static void request_bytes(struct schema **schema, struct buffer *bytes)
{
	static const char body[] =
	        "{\"case_id\":\"SKTM-1\",\"service\":\"surat-domisili\","
	        "\"event_id\":\"0192f3a4-5678-7abc-8def-0123456789ab\","
	        "\"actor\":{\"role\":\"OPERATOR\",\"name\":\"Budi\"},\"action\":"
	        "\"SUBMITTED\","
	        "\"applicant\":{\"nik\":\"3509010101900001\",\"name\":\"Sit\xc3\xad\"},"
	        "\"attributes\":{\"keperluan\":\"sekolah\"},\"documents\":[{\"kind\":"
	        "\"kk\","
	        "\"sha256\":"
	        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
	        "}]}";
	struct buffer text = { 0 };
	struct arena arena = { 0 };
	struct document *document;
	struct check_report report;
	struct avro_encoder *encoder;
	struct value value;
	struct fault fault;
	FILE *file = fopen(SOURCE_DIR "/schemas/avro/Request.avsc", "r");
	char part[4096];
	size_t size;

	while ((size = fread(part, 1, sizeof part, file)) > 0)
		buffer_append(&text, part, size);
	fclose(file);
	must(schema_parse(schema, buffer_bytes(&text), &fault), &fault);
	assert_true(document_parse(&document, &arena, bytes_of(body), &report));
	assert_true(
	        check_record(*schema, document, 5, &arena, &value, &report, &fault));
	must(value_set_text(
	             &arena, &value, "village_code", bytes_of("35.09.01.2001"), &fault),
	        &fault);
	must(value_set_text(&arena, &value, "incarnation",
	             bytes_of("0192f3a4-5678-7abc-8def-0123456789ac"), &fault),
	        &fault);
	value_set_long(&value, "recorded_at", 1000);
	value_set_symbol(&value, "clock", "SYNCED");
	must(avro_encoder_open(&encoder, *schema, &fault), &fault);
	must(avro_encode(encoder, &value, NULL, bytes, NULL, &fault), &fault);
	avro_encoder_close(&encoder);
	arena_clear(&arena);
	buffer_clear(&text);
}

static void what_avro_c_writes_the_plan_reads(void **state)
{
	struct reading reading = { 0 };
	struct buffer bytes = { 0 };
	struct buffer json = { 0 };
	struct schema *schema;
	struct head head;
	size_t count;
	const struct column *columns;

	(void)state;
	request_bytes(&schema, &bytes);
	must(plan_compile(&reading.plan, schema, schema, &all, &reading.fault),
	        &reading.fault);
	must(plan_decode(reading.plan, buffer_bytes(&bytes), reading.cells,
	             &reading.scratch, &reading.fault),
	        &reading.fault);
	plan_head(reading.plan, reading.cells, &head);
	assert_true(bytes_equal_text(head.village_code, "35.09.01.2001"));
	assert_true(bytes_equal_text(head.case_id, "SKTM-1"));
	assert_int_equal(head.occurred_at_us, 5);
	columns = plan_columns(reading.plan, &count);
	for (size_t i = 0; i < count; i++) {
		buffer_append_byte(&json, ' ');
		cell_json(&columns[i], &reading.cells[i], &json);
	}
	buffer_append_byte(&json, 0);
	assert_non_null(strstr((char *)json.data, "\"SUBMITTED\""));
	assert_non_null(strstr((char *)json.data, "{\"keperluan\":\"sekolah\"}"));
	assert_non_null(
	        strstr((char *)json.data, "[{\"kind\":\"kk\",\"sha256\":\"aaaa"));
	assert_non_null(strstr((char *)json.data, "\"1970-01-01T00:00:00.001000Z\""));
	schema_close(&schema);
	buffer_clear(&bytes);
	buffer_clear(&json);
	close_reading(&reading);
}

/* What is read after a byte was changed is either refused or of the same shape. */
static void change_every_byte(struct reading *reading, uint8_t *bytes, size_t size)
{
	struct bytes value = { bytes, size };

	for (size_t at = 0; at < size; at++) {
		uint8_t old = bytes[at];

		for (int byte = 0; byte < 256; byte++) {
			bytes[at] = (uint8_t)byte;
			if (!plan_decode(reading->plan, value, reading->cells,
			            &reading->scratch, &reading->fault))
				assert_int_equal(reading->fault.kind, FAULT_REJECT);
		}
		bytes[at] = old;
	}
}

static void no_prefix_and_no_changed_byte_of_50_messages_harms(void **state)
{
	static const char *const names[] = { "requests", "approvals", "payments" };
	struct catalog *catalog;
	struct fault fault;
	uint64_t seed = 4;

	(void)state;
	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault), &fault);
	for (int message = 0; message < 50; message++) {
		const struct schema *schema =
		        catalog_short(catalog, names[message % 3])->newest->schema;
		struct reading reading = { 0 };
		struct buffer bytes = { 0 };
		uint8_t *exact;

		must(plan_compile(&reading.plan, schema, schema, &all, &fault), &fault);
		message_bytes(&seed, schema_root(schema), &bytes);
		assert_true(decode(&reading, bytes.data, bytes.size));
		for (size_t size = 0; size < bytes.size; size++)
			assert_false(decode(&reading, bytes.data, size));
		exact = malloc(bytes.size);
		memcpy(exact, bytes.data, bytes.size);
		change_every_byte(&reading, exact, bytes.size);
		free(exact);
		buffer_clear(&bytes);
		close_reading(&reading);
	}
	catalog_close(&catalog);
}

static void decimals_go_to_postgresql_digits(void **state)
{
	static const struct {
		const char *text;
		int scale;
		uint16_t words[8];
		size_t count;
	} cases[] = {
		{ "150000.00", 2, { 1, 1, 0, 2, 15 }, 5 },
		{ "0.00", 2, { 0, 0, 0, 2 }, 4 },
		{ "-12345.67", 2, { 3, 1, 0x4000, 2, 1, 2345, 6700 }, 7 },
		{ "0.01", 2, { 1, 0xffff, 0, 2, 100 }, 5 },
		{ "10000", 0, { 1, 1, 0, 0, 1 }, 5 },
		{ "7", 0, { 1, 0, 0, 0, 7 }, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buffer out = { 0 };
		char text[DECIMAL_TEXT_BYTES];
		decimal number;
		bool zero = strcmp(cases[i].text, "0.00") == 0;

		assert_true(decimal_parse(
		        bytes_of(cases[i].text), 18, cases[i].scale, &number));
		decimal_format(number, cases[i].scale, text);
		assert_string_equal(text, cases[i].text);
		decimal_numeric(number, cases[i].scale, &out);
		assert_int_equal(out.size, cases[i].count * 2);
		for (size_t j = 0; j < cases[i].count; j++)
			if (!(zero && j == 1))
				assert_int_equal(
				        out.data[2 * j] << 8 | out.data[2 * j + 1],
				        cases[i].words[j]);
		buffer_clear(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_enum_out_of_range_is_refused),
		cmocka_unit_test(an_array_of_a_billion_nothings_is_refused),
		cmocka_unit_test(many_small_lists_of_nothings_share_one_limit),
		cmocka_unit_test(a_length_of_four_gigabytes_is_refused),
		cmocka_unit_test(a_boolean_of_two_is_refused),
		cmocka_unit_test(text_that_is_not_utf8_is_refused),
		cmocka_unit_test(bytes_left_over_are_refused),
		cmocka_unit_test(numbers_that_do_not_fit_are_refused),
		cmocka_unit_test(a_map_key_twice_is_refused),
		cmocka_unit_test(a_block_that_lies_about_its_size_is_refused),
		cmocka_unit_test(a_block_that_nobody_wants_is_not_entered),
		cmocka_unit_test(times_beyond_postgresql_are_refused),
		cmocka_unit_test(a_decimal_beyond_its_precision_is_refused),
		cmocka_unit_test(nesting_is_bounded_by_the_schema),
		cmocka_unit_test(a_schema_that_multiplies_itself_is_refused),
		cmocka_unit_test(fields_go_by_name_and_defaults_fill_the_rest),
		cmocka_unit_test(nullable_records_flatten_and_unions_go_both_ways),
		cmocka_unit_test(lists_and_maps_become_json),
		cmocka_unit_test(what_is_not_granted_is_no_column),
		cmocka_unit_test(defaults_of_every_type_read_as_values_do),
		cmocka_unit_test(a_default_that_no_value_could_be_is_refused),
		cmocka_unit_test(
		        an_alias_finds_the_old_name_unless_that_is_a_field_again),
		cmocka_unit_test(numbers_widen_as_avro_promotes_them),
		cmocka_unit_test(a_schema_that_is_a_trap_is_refused),
		cmocka_unit_test(a_grant_of_an_unknown_field_stops),
		cmocka_unit_test(what_avro_c_writes_the_plan_reads),
		cmocka_unit_test(no_prefix_and_no_changed_byte_of_50_messages_harms),
		cmocka_unit_test(decimals_go_to_postgresql_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
