/* SPDX-License-Identifier: MIT */
/*
 * A stranger's schema: parsed, compiled with itself, and its empty value decoded. Two
 * of them, with a NUL between, are compared and compiled for each other.
 */
#include <stdlib.h>
#include <string.h>

#include "event/compat.h"
#include "event/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the check lets pass, a plan reads. */
static void compare(struct bytes older, struct bytes newer)
{
	static struct compat_report report;
	struct schema *from = NULL;
	struct schema *to = NULL;
	struct fault fault;

	if (schema_parse(&from, older, &fault) && schema_parse(&to, newer, &fault)
	        && !compat_compare(&(struct compat_version){ from, "older" },
	                &(struct compat_version){ to, "newer" }, &report, &fault))
		abort(); /* memory */
	schema_close(&from);
	schema_close(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *middle = size > 0 ? memchr(data, 0, size) : NULL;
	static const struct plan_grant all = { .everything = true };
	static const uint8_t zeros[64];
	struct buffer scratch = { 0 };
	struct schema *schema;
	struct plan *plan;
	struct fault fault;
	size_t count;

	if (middle != NULL) {
		compare((struct bytes){ data, (size_t)(middle - data) },
		        (struct bytes){
		                middle + 1, size - (size_t)(middle - data) - 1 });
		return 0;
	}
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
