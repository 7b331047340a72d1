/* SPDX-License-Identifier: MIT */
/* Hostile bytes against plans of our own schemas and of one that has every type. */
#include <assert.h>
#include <stdlib.h>

#include "event/catalog.h"
#include "event/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char everything[] =
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
        "{\"name\":\"b\",\"type\":\"boolean\"},{\"name\":\"i\",\"type\":\"int\"},"
        "{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":\"double\"},"
        "{\"name\":\"y\",\"type\":\"bytes\"},"
        "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}},"
        "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"
        "{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":\"time-micros\"}},"
        "{\"name\":\"ms\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}},"
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"double\","
        "{\"type\":\"array\",\"items\":\"null\"}]}},"
        "{\"name\":\"l\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
        "\"name\":\"I\",\"fields\":[{\"name\":\"u\",\"type\":[\"string\",\"null\","
        "\"long\"]}]}}},"
        "{\"name\":\"o\",\"type\":[{\"type\":\"map\",\"values\":\"bytes\"},\"null\"]}]"
        "}";

enum { PLANS = 5 };

static struct plan *plans[PLANS];
static struct cell *cells;
static struct buffer scratch;
static struct buffer json;

static void prepare(void)
{
	static const struct plan_grant all = { .everything = true };
	struct catalog *catalog;
	struct schema *schema;
	struct fault fault;
	bool ok = catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault)
	          && schema_parse(&schema, bytes_of(everything), &fault)
	          && plan_compile(&plans[0], schema, schema, &all, &fault);

	assert(ok);
	for (size_t i = 1; i < PLANS; i++) {
		ok = plan_compile(&plans[i], catalog->schemas[i - 1].schema,
		        catalog->schemas[i - 1].schema, &all, &fault);
		assert(ok);
	}
	schema_close(&schema);
	catalog_close(&catalog);
	cells = calloc(256, sizeof *cells);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct column *columns;
	struct fault fault;
	size_t count;

	if (cells == NULL)
		prepare();
	if (size == 0
	        || !plan_decode(plans[data[0] % PLANS],
	                (struct bytes){ data + 1, size - 1 }, cells, &scratch, &fault))
		return 0;
	columns = plan_columns(plans[data[0] % PLANS], &count);
	buffer_reset(&json);
	for (size_t i = 0; i < count; i++)
		cell_json(&columns[i], &cells[i], &json);
	return 0;
}
