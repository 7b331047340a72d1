/* SPDX-License-Identifier: MIT */
/*
 * For tests: reads writer's schema, reader's schema and value, each behind its length
 * (4 bytes, big-endian), and prints the columns as a line of JSON, until the input
 * ends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "event/plan.h"

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

static void print_fault(const struct fault *fault)
{
	struct buffer line = { 0 };

	buffer_append_json(&line, bytes_of(fault->text));
	printf("%.*s\n", (int)line.size, (const char *)line.data);
	buffer_clear(&line);
}

static void print_columns(const struct plan *plan, struct bytes value)
{
	struct buffer scratch = { 0 };
	struct buffer line = { 0 };
	struct fault fault = { 0 };
	const struct column *columns;
	struct cell *cells;
	size_t count;

	columns = plan_columns(plan, &count);
	cells = calloc(count + 1, sizeof *cells);
	if (cells == NULL || !plan_decode(plan, value, cells, &scratch, &fault)) {
		print_fault(&fault);
		free(cells);
		return;
	}
	buffer_append_byte(&line, '{');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_byte(&line, ',');
		buffer_append_json(&line, bytes_of(columns[i].name));
		buffer_append_byte(&line, ':');
		cell_json(&columns[i], &cells[i], &line);
	}
	printf("%.*s}\n", (int)line.size, (const char *)line.data);
	free(cells);
	buffer_clear(&line);
	buffer_clear(&scratch);
}

static bool show(struct bytes writer_text, struct bytes reader_text, struct bytes value)
{
	static const struct plan_grant all = { .everything = true };
	struct schema *writer = NULL;
	struct schema *reader = NULL;
	struct plan *plan = NULL;
	struct fault fault = { 0 };
	bool ok = schema_parse(&writer, writer_text, &fault)
	          && schema_parse(&reader, reader_text, &fault)
	          && plan_compile(&plan, writer, reader, &all, &fault);

	if (ok)
		print_columns(plan, value);
	else
		print_fault(&fault);
	plan_close(&plan);
	schema_close(&reader);
	schema_close(&writer);
	return ok;
}

int main(void)
{
	struct buffer parts[3] = { { 0 }, { 0 }, { 0 } };

	while (read_part(&parts[0]) && read_part(&parts[1]) && read_part(&parts[2]))
		(void)!show(buffer_bytes(&parts[0]), buffer_bytes(&parts[1]),
		        buffer_bytes(&parts[2]));
	for (int i = 0; i < 3; i++)
		buffer_clear(&parts[i]);
	return 0;
}
