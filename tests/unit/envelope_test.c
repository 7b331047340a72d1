/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <ctype.h>
#include <string.h>

#include "event/catalog.h"
#include "event/envelope.h"
#include "event/identity.h"
#include "event/schema.h"

static void a_village_is_in_the_partition_of_zlibs_crc32(void **state)
{
	(void)state;
	/* python3 -c 'import zlib; print(zlib.crc32(b"35.09.01.2001") % 12)' */
	assert_int_equal(envelope_partition(bytes_of("35.09.01.2001"), 12), 7);
	assert_int_equal(envelope_partition(bytes_of("123456789"), 1 << 30),
	        0xCBF43926u % (1u << 30));
}

static void framing_goes_on_and_comes_off(void **state)
{
	struct buffer out = { 0 };
	struct bytes value;
	struct fault fault;
	int32_t id;

	(void)state;
	envelope_frame(&out, 0x01020304);
	buffer_append_text(&out, "xy");
	assert_memory_equal(out.data, "\0\1\2\3\4xy", 7);
	must(envelope_unframe(buffer_bytes(&out), &id, &value, &fault), &fault);
	assert_int_equal(id, 0x01020304);
	assert_int_equal(value.size, 2);
	for (size_t size = 0; size < 5; size++)
		assert_false(envelope_unframe(
		        (struct bytes){ out.data, size }, &id, &value, &fault));
	out.data[0] = 1;
	assert_false(envelope_unframe(buffer_bytes(&out), &id, &value, &fault));
	assert_int_equal(fault.kind, FAULT_REJECT);
	buffer_clear(&out);
}

static void headers_are_packed_and_unpacked_with_the_number(void **state)
{
	struct head head = { .event_id = bytes_of("id-1"),
		.village_code = bytes_of("35.09.01.2001"),
		.case_id = bytes_of("SKTM-1") };
	struct header headers[ENVELOPE_MAX_HEADERS];
	struct buffer block = { 0 };
	char sequence[24];
	size_t count;

	(void)state;
	envelope_pack(&block, &head, "id.go.jember.desa.Request", 1, bytes_of("00-x"));
	count = envelope_unpack(buffer_bytes(&block), 42, sequence, headers);
	assert_int_equal(count, 10);
	assert_string_equal(headers[3].name, "ce_type");
	assert_true(bytes_equal_text(headers[3].value, "id.go.jember.desa.Request.v1"));
	assert_string_equal(headers[9].name, "ce_sequence");
	assert_true(bytes_equal_text(headers[9].value, "00000000000000000042"));
	for (size_t size = 1; size < block.size;
	        size++) /* a cut block is never misread */
		(void)envelope_unpack(
		        (struct bytes){ block.data, size }, 1, sequence, headers);
	buffer_clear(&block);
}

static void new_ids_grow_and_never_repeat(void **state)
{
	char last[UUID_TEXT_BYTES];
	char id[UUID_TEXT_BYTES];
	uint8_t bytes[16];

	(void)state;
	identity_new(last);
	for (int i = 0; i < 20000; i++) {
		identity_new(id);
		assert_true(strcmp(id, last) > 0);
		assert_true(identity_parse(bytes_of(id), bytes));
		assert_int_equal(bytes[6] >> 4, 7);
		assert_int_equal(bytes[8] >> 6, 2);
		memcpy(last, id, sizeof id);
	}
}

static bool fits(size_t at, int byte)
{
	bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;

	return hyphen ? byte == '-' : isxdigit(byte) != 0;
}

static void read_plainly(const char *text, uint8_t out[16])
{
	for (size_t i = 0; i < 16; i++) {
		unsigned byte = 0;

		text += *text == '-';
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
		text += 2;
	}
}

static void what_is_a_uuid_is_told_for_every_byte(void **state)
{
	char text[] = "0192f3a4-5678-7abc-8DEF-0123456789ab";
	uint8_t bytes[16];
	uint8_t plain[16];

	(void)state;
	for (size_t at = 0; at < 36; at++) {
		char old = text[at];

		for (int byte = 0; byte < 256; byte++) {
			struct bytes view = { (const uint8_t *)text, 36 };

			text[at] = (char)byte;
			assert_int_equal(identity_is_uuid(view), fits(at, byte));
			assert_int_equal(identity_parse(view, bytes), fits(at, byte));
			if (fits(at, byte)) {
				read_plainly(text, plain);
				assert_memory_equal(bytes, plain, sizeof plain);
			}
		}
		text[at] = old;
	}
	assert_false(identity_is_uuid((struct bytes){ (const uint8_t *)text, 35 }));
}

static void an_id_derived_from_a_key_is_always_the_same(void **state)
{
	char a[UUID_TEXT_BYTES];
	char b[UUID_TEXT_BYTES];
	char again[UUID_TEXT_BYTES];

	(void)state;
	identity_derive(bytes_of("35.09.01.2001"), bytes_of("k"), a);
	identity_derive(bytes_of("35.09.01.2001"), bytes_of("k"), again);
	identity_derive(bytes_of("35.09.01.2002"), bytes_of("k"), b);
	assert_string_equal(a, again);
	assert_string_not_equal(a, b);
	/* It must never change, or a repeat after an upgrade would be another event. */
	assert_string_equal(a, "963db169-ad5c-8c2c-abaa-0084a4204725");
}

static void the_catalog_knows_topics_and_schemas(void **state)
{
	struct catalog *catalog;
	struct fault fault;

	(void)state;
	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault), &fault);
	assert_int_equal(catalog->modulus, 12);
	assert_string_equal(catalog->topics[0].topic, "desa.requests");
	assert_string_equal(catalog_short(catalog, "payments")->record, "Payment");
	assert_int_equal(catalog_short(catalog, "approvals")->newest->id, 2);
	assert_null(catalog_by_id(catalog, 99));
	catalog_close(&catalog);
	must(catalog_open(&catalog, SOURCE_DIR "/schemas", "latihan", &fault), &fault);
	assert_string_equal(catalog->topics[0].topic, "latihan.requests");
	assert_string_equal(catalog->topics[0].newest->subject, "desa.requests-value");
	catalog_close(&catalog);
	assert_false(catalog_open(&catalog, "/nowhere", "live", &fault));
	assert_int_equal(fault.kind, FAULT_STOP);
}

static void schemas_that_are_wrong_are_refused(void **state)
{
	static const char *const bad[] = { "", "{", "\"nothing\"", "[]",
		"[\"int\",\"int\"]", "[\"int\",[\"null\"]]",
		"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
		"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"A\"]}",
		"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"],\"default\":"
		"\"B\"}",
		"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\","
		"\"type\":\"R\"}]}",
		"{\"type\":\"record\",\"name\":\"1R\",\"fields\":[]}",
		"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\","
		"\"type\":\"int\"},"
		"{\"name\":\"a\",\"type\":\"int\"}]}",
		"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\","
		"\"type\":\"int\","
		"\"default\":\"x\"}]}",
		"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\","
		"\"type\":\"string\","
		"\"pattern\":\"((a{9}){9}){9}\"}]}",
		"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2,\"logicalType\":"
		"\"decimal\",\"precision\":5}",
		"{\"type\":{\"type\":\"long\"}}", "{\"type\":\"array\"}",
		"{\"type\":\"record\",\"name\":\"R\"}" };
	struct schema *schema;
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(schema_parse(&schema, bytes_of(bad[i]), &fault));
		assert_int_equal(fault.kind, FAULT_REJECT);
		assert_true(fault.text[0] != '\0');
	}
}

static void patterns_and_namespaces_are_understood(void **state)
{
	struct schema *schema;
	struct fault fault;
	const struct schema_node *root;

	(void)state;
	must(schema_parse(&schema,
	             bytes_of("{\"type\":\"record\",\"name\":\"a.b.R\",\"fields\":["
	                      "{\"name\":\"c\",\"type\":\"string\",\"pattern\":\"^[A-Z]"
	                      "{3}$\"},"
	                      "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":"
	                      "\"E\","
	                      "\"symbols\":[\"X\"]}},{\"name\":\"f\",\"type\":\"a.b."
	                      "E\"},"
	                      "{\"name\":\"g\",\"type\":\"E\"}]}"),
	             &fault),
	        &fault);
	root = schema_root(schema);
	assert_string_equal(root->fields[1].type->name, "a.b.E");
	assert_ptr_equal(root->fields[2].type, root->fields[3].type);
	assert_true(schema_matches(&root->fields[0], bytes_of("IDR")));
	assert_false(schema_matches(&root->fields[0], bytes_of("idr")));
	assert_false(schema_matches(&root->fields[0], bytes_of("IDRX")));
	schema_close(&schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_village_is_in_the_partition_of_zlibs_crc32),
		cmocka_unit_test(framing_goes_on_and_comes_off),
		cmocka_unit_test(headers_are_packed_and_unpacked_with_the_number),
		cmocka_unit_test(new_ids_grow_and_never_repeat),
		cmocka_unit_test(what_is_a_uuid_is_told_for_every_byte),
		cmocka_unit_test(an_id_derived_from_a_key_is_always_the_same),
		cmocka_unit_test(the_catalog_knows_topics_and_schemas),
		cmocka_unit_test(schemas_that_are_wrong_are_refused),
		cmocka_unit_test(patterns_and_namespaces_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
