/* SPDX-License-Identifier: MIT */
/* JSON from a stranger: what the check lets through, Avro-C writes and the plan reads.
 */
#include <assert.h>
#include <stdlib.h>

#include "event/catalog.h"
#include "event/check.h"
#include "event/plan.h"
#include "port/avro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct catalog *catalog;
static struct avro_encoder *encoders[3];
static struct plan *plans[3];
static struct cell *cells;

/* Avro-C keeps pointers where the leak checker does not look, so all is given back. */
static void clean(void)
{
	for (size_t i = 0; i < 3; i++) {
		avro_encoder_close(&encoders[i]);
		plan_close(&plans[i]);
	}
	catalog_close(&catalog);
	free(cells);
}

static void prepare(void)
{
	static const struct plan_grant all = { .everything = true };
	struct fault fault;
	bool ok = catalog_open(&catalog, SOURCE_DIR "/schemas", "live", &fault);

	assert(ok);
	for (size_t i = 0; i < 3; i++) {
		const struct schema *schema = catalog->topics[i].newest->schema;

		ok = avro_encoder_open(&encoders[i], schema, &fault)
		     && plan_compile(&plans[i], schema, schema, &all, &fault);
		assert(ok);
	}
	cells = calloc(256, sizeof *cells);
	atexit(clean);
}

static void fill_head(struct arena *arena, struct value *value)
{
	struct fault fault;
	struct bytes uuid = bytes_of("0192f3a4-5678-7abc-8def-0123456789ab");
	bool ok = value_set_text(arena, value, "event_id", uuid, &fault)
	          && value_set_text(arena, value, "incarnation", uuid, &fault);

	assert(ok);
}

/* What is taken must travel: it is encoded, and read again. */
static void check_one(size_t topic, struct document *document, struct arena *arena)
{
	static struct check_report report;
	struct buffer bytes = { 0 };
	struct buffer scratch = { 0 };
	struct value value;
	struct fault fault;
	size_t seam;
	bool ok;

	if (check_record(catalog->topics[topic].newest->schema, document, 0, arena,
	            &value, &report, &fault)) {
		fill_head(arena, &value);
		ok = avro_encode(encoders[topic], &value, "seq", &bytes, &seam, &fault)
		     && plan_decode(plans[topic], buffer_bytes(&bytes), cells, &scratch,
		             &fault);
		assert(ok);
	}
	for (size_t i = 0; i < report.count; i++)
		assert(bytes_is_text(bytes_of(report.faults[i].pointer)));
	buffer_clear(&bytes);
	buffer_clear(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct check_report report;
	struct arena arena = { 0 };
	struct document *document;

	if (cells == NULL)
		prepare();
	if (size > 0
	        && document_parse(&document, &arena,
	                (struct bytes){ data + 1, size - 1 }, &report))
		check_one(data[0] % 3, document, &arena);
	arena_clear(&arena);
	return 0;
}
