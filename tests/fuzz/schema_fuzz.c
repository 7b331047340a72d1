/* SPDX-License-Identifier: MIT */
/* A stranger's schema: parsed, compiled with itself, and its empty value decoded. */
#include <stdlib.h>

#include "event/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct plan_grant all = { .everything = true };
	static const uint8_t zeros[64];
	struct buffer scratch = { 0 };
	struct schema *schema;
	struct plan *plan;
	struct fault fault;
	size_t count;

	if (!schema_parse(&schema, (struct bytes){ data, size }, &fault))
		return 0;
	if (plan_compile(&plan, schema, schema, &all, &fault)) {
		struct cell *cells;

		plan_columns(plan, &count);
		cells = calloc(count + 1, sizeof *cells);
		for (size_t length = 0; length < sizeof zeros; length += 9)
			(void)!plan_decode(plan, (struct bytes){ zeros, length }, cells,
			        &scratch, &fault);
		free(cells);
		plan_close(&plan);
	}
	buffer_clear(&scratch);
	schema_close(&schema);
	return 0;
}
