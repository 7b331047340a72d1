/* SPDX-License-Identifier: MIT */
#include "heartbeats.h"

#include <stdlib.h>
#include <string.h>

#include "event/envelope.h"
#include "event/plan.h"

struct heartbeats {
	const struct catalog *catalog;
	struct plan **plans; /* by index of the catalog's schemas; NULL: another's */
	struct cell *cells;
	struct buffer scratch;
	struct buffer json;
};

static bool compile(
        struct heartbeats *heartbeats, const char *subject, struct fault *fault)
{
	static const struct plan_grant all = { .everything = true };
	const struct catalog *catalog = heartbeats->catalog;
	size_t most = 1;

	heartbeats->plans = calloc(catalog->schema_count, sizeof *heartbeats->plans);
	if (heartbeats->plans == NULL)
		return fault_memory(fault);
	for (size_t i = 0; i < catalog->schema_count; i++) {
		const struct schema *schema = catalog->schemas[i].schema;
		size_t count;

		if (strcmp(catalog->schemas[i].subject, subject) != 0)
			continue;
		if (!plan_compile(&heartbeats->plans[i], schema, schema, &all, fault))
			return fault_wrap(fault, "%s", catalog->schemas[i].file);
		plan_columns(heartbeats->plans[i], &count);
		most = count > most ? count : most;
	}
	heartbeats->cells = calloc(most, sizeof *heartbeats->cells);
	return heartbeats->cells != NULL || fault_memory(fault);
}

bool heartbeats_open(
        struct heartbeats **out, const struct catalog *catalog, struct fault *fault)
{
	const struct catalog_channel *channel = catalog_channel(catalog, "status");
	struct heartbeats *heartbeats;

	if (channel == NULL || channel->newest == NULL)
		return true;
	heartbeats = calloc(1, sizeof *heartbeats);
	if (heartbeats == NULL)
		return fault_memory(fault);
	heartbeats->catalog = catalog;
	if (!compile(heartbeats, channel->newest->subject, fault)) {
		heartbeats_close(&heartbeats);
		return false;
	}
	*out = heartbeats;
	return true;
}

void heartbeats_close(struct heartbeats **heartbeats)
{
	struct heartbeats *old = *heartbeats;

	if (old == NULL)
		return;
	for (size_t i = 0; old->plans != NULL && i < old->catalog->schema_count; i++)
		plan_close(&old->plans[i]);
	free(old->plans);
	free(old->cells);
	buffer_clear(&old->scratch);
	buffer_clear(&old->json);
	free(old);
	*heartbeats = NULL;
}

static const struct plan *find_plan(const struct heartbeats *heartbeats, int32_t id)
{
	for (size_t i = 0; i < heartbeats->catalog->schema_count; i++)
		if (heartbeats->catalog->schemas[i].id == id)
			return heartbeats->plans[i];
	return NULL;
}

/* Columns are flat, "link_state"; their paths, "link/state", say what they were in. */
static void put_status(const struct column *columns, const struct cell *cells,
        size_t count, struct buffer *out)
{
	struct bytes open = { 0 };

	buffer_append_byte(out, '{');
	for (size_t i = 0; i < count; i++) {
		const char *slash = strchr(columns[i].path, '/');
		struct bytes owner = { (const uint8_t *)columns[i].path,
			slash ? (size_t)(slash - columns[i].path) : 0 };

		if (open.size > 0 && !bytes_equal(open, owner))
			buffer_append_byte(out, '}');
		if (i > 0)
			buffer_append_byte(out, ',');
		if (owner.size > 0 && !bytes_equal(open, owner)) {
			buffer_append_json(out, owner);
			buffer_append_text(out, ":{");
		}
		open = owner;
		buffer_append_json(out, bytes_of(slash ? slash + 1 : columns[i].path));
		buffer_append_byte(out, ':');
		cell_json(&columns[i], &cells[i], out);
	}
	buffer_append_text(out, open.size > 0 ? "}}" : "}");
}

static const struct cell *find_cell(const struct column *columns,
        const struct cell *cells, size_t count, const char *path)
{
	static const struct cell none = { .is_null = true };

	for (size_t i = 0; i < count; i++)
		if (strcmp(columns[i].path, path) == 0)
			return &cells[i];
	return &none;
}

/* No gateway of ours gives a time before this; what waits since then waits since now.
 */
static int64_t since(const struct cell *oldest, int64_t pending, int64_t appended_us)
{
	static const int64_t first_us = INT64_C(1735689600) * 1000000; /* 2025 */

	if (pending == 0)
		return 0;
	return oldest->is_null || oldest->integer < first_us
	                       || oldest->integer > appended_us
	               ? appended_us
	               : oldest->integer;
}

bool heartbeats_read(struct heartbeats *heartbeats, struct bytes framed,
        int64_t appended_us, struct village_report *out)
{
	const struct cell *cells = heartbeats->cells;
	const struct column *columns;
	const struct cell *oldest;
	const struct cell *link;
	const struct plan *plan;
	struct fault fault;
	struct bytes value;
	int64_t pending;
	size_t count;
	int32_t id;

	if (!envelope_unframe(framed, &id, &value, &fault))
		return false;
	plan = find_plan(heartbeats, id);
	if (plan == NULL
	        || !plan_decode(
	                plan, value, heartbeats->cells, &heartbeats->scratch, &fault))
		return false;
	columns = plan_columns(plan, &count);
	pending = find_cell(columns, cells, count, "pending")->integer;
	if (pending < 0)
		return false; /* nobody's word */
	oldest = find_cell(columns, cells, count, "oldest_pending_at");
	link = find_cell(columns, cells, count, "link/state");
	buffer_reset(&heartbeats->json);
	put_status(columns, cells, count, &heartbeats->json);
	*out = (struct village_report){
		.reported_us = appended_us,
		.pending = pending,
		.oldest_pending_us = since(oldest, pending, appended_us),
		.is_blocked =
		        !link->is_null && bytes_equal_text(link->bytes, "blocked"),
		.status = buffer_bytes(&heartbeats->json),
	};
	return !heartbeats->json.failed;
}
