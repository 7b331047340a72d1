/* SPDX-License-Identifier: MIT */
/*
 * For tests: reads schema and JSON body, each behind its length (4 bytes, big-endian),
 * and prints the Avro bytes that a gateway would send as a line of hexadecimal digits,
 * or the pointers of what does not fit, until the input ends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "event/check.h"
#include "port/avro.h"

static bool read_part(struct buffer *out)
{
	uint8_t size[4];

	if (fread(size, 1, 4, stdin) != 4)
		return false;
	buffer_reset(out);
	uint32_t count = (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16
	                 | (uint32_t)size[2] << 8 | size[3];
	uint8_t *place = buffer_extend(out, count + 1);

	out->size = count;
	return place != NULL && fread(place, 1, count, stdin) == count;
}

static void print_report(const struct check_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		printf("%s %s;", report->faults[i].pointer, report->faults[i].expected);
	printf("\n");
}

static bool encode(const struct schema *schema, struct bytes body, struct buffer *out,
        struct check_report *report, struct fault *fault)
{
	struct avro_encoder *encoder = NULL;
	struct document *document;
	struct arena arena = { 0 };
	struct value value;
	bool ok = document_parse(&document, &arena, body, report)
	          && check_record(schema, document, 0, &arena, &value, report, fault)
	          && avro_encoder_open(&encoder, schema, fault)
	          && avro_encode(encoder, &value, NULL, out, NULL, fault);

	avro_encoder_close(&encoder);
	arena_clear(&arena);
	return ok;
}

static void show(struct bytes text, struct bytes body)
{
	static struct check_report report;
	struct schema *schema = NULL;
	struct buffer out = { 0 };
	struct fault fault = { 0 };

	report.count = 0;
	if (!schema_parse(&schema, text, &fault)
	        || !encode(schema, body, &out, &report, &fault)) {
		printf("! %s ", fault.kind != FAULT_NONE ? fault.text : "");
		print_report(&report);
	} else {
		for (size_t i = 0; i < out.size; i++)
			printf("%02x", out.data[i]);
		printf("\n");
	}
	buffer_clear(&out);
	schema_close(&schema);
}

int main(void)
{
	struct buffer parts[2] = { { 0 }, { 0 } };

	while (read_part(&parts[0]) && read_part(&parts[1]))
		show(buffer_bytes(&parts[0]), buffer_bytes(&parts[1]));
	buffer_clear(&parts[0]);
	buffer_clear(&parts[1]);
	return 0;
}
