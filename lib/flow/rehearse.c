/* SPDX-License-Identifier: MIT */
#include "flow/rehearse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow/heirs.h"
#include "flow/mend.h"

enum { RECORDS = 5000, BYTES = 4 * 1024 * 1024 };

/* Where a partition of the scratch database stands. */
struct part {
	const char *topic;
	int32_t partition;
	int64_t next; /* as the database has it */
	int64_t read; /* behind the batch in hand */
};

struct rehearse {
	const struct conf *conf;
	struct apply apply;
	struct part *parts;
	size_t part_count;
	struct topic_record records[RECORDS];
	size_t count;
	size_t bytes;
	struct rehearse_counters counters;
};

bool rehearse_open(struct rehearse **out, const struct conf *conf,
        const struct department *department, const struct catalog *catalog,
        const char *database, struct fault *fault)
{
	struct rehearse *rehearse = calloc(1, sizeof *rehearse);

	if (rehearse == NULL)
		return fault_memory(fault);
	rehearse->conf = conf;
	if (!apply_open(&rehearse->apply, department, catalog, fault)
	        || !apply_connect(
	                &rehearse->apply, database, "kentongan rehearsal", fault)) {
		rehearse_close(&rehearse);
		return false;
	}
	*out = rehearse;
	return true;
}

void rehearse_close(struct rehearse **rehearse)
{
	struct rehearse *old = *rehearse;

	if (old == NULL)
		return;
	apply_close(&old->apply);
	ranges_release(old->records, old->count);
	free(old->parts);
	free(old);
	*rehearse = NULL;
}

/* Positions */

/* The partitions as JSON, with their beginnings. */
static void list_parts(const struct rehearse *rehearse, struct buffer *out)
{
	buffer_reset(out);
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < rehearse->part_count; i++)
		buffer_format(out,
		        "%s{\"topic\":\"%s\",\"partition\":%d,\"start\":%" PRId64 "}",
		        i > 0 ? "," : "", rehearse->parts[i].topic,
		        (int)rehearse->parts[i].partition, rehearse->parts[i].next);
	buffer_append_byte(out, ']');
}

bool rehearse_mark(struct rehearse *rehearse, const struct topic_range *list,
        size_t count, struct fault *fault)
{
	struct apply *apply = &rehearse->apply;

	rehearse->parts = calloc(count + 1, sizeof *rehearse->parts);
	if (rehearse->parts == NULL)
		return fault_memory(fault);
	rehearse->part_count = count;
	for (size_t i = 0; i < count; i++)
		rehearse->parts[i] = (struct part){ list[i].topic, list[i].partition,
			list[i].first, list[i].first };
	list_parts(rehearse, &apply->text);
	buffer_reset(&apply->sql);
	buffer_append_text(&apply->sql, "SELECT kentongan.claim(");
	if (!table_quote(apply->table, buffer_bytes(&apply->text), &apply->sql, fault))
		return false;
	buffer_append_text(&apply->sql, ", '" REHEARSE_OWNER "');");
	return apply_send(apply, fault);
}

static struct part *find_part(
        struct rehearse *rehearse, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < rehearse->part_count; i++)
		if (rehearse->parts[i].partition == partition
		        && strcmp(rehearse->parts[i].topic, topic) == 0)
			return &rehearse->parts[i];
	return NULL;
}

static int64_t read_end(void *context, const char *topic, int32_t partition)
{
	const struct part *part = find_part(context, topic, partition);

	return part != NULL ? part->read : 0;
}

/* As a sink does it: so that two rehearsals in one database fence each other. */
static bool put_moves(struct apply *apply, void *context, struct fault *fault)
{
	struct rehearse *rehearse = context;
	char between = '[';

	buffer_reset(&apply->text);
	for (size_t i = 0; i < rehearse->part_count; i++) {
		const struct part *part = &rehearse->parts[i];

		if (part->read == part->next)
			continue;
		buffer_format(&apply->text,
		        "%c{\"topic\":\"%s\",\"partition\":%d,\"old\":%" PRId64
		        ",\"next\":%" PRId64 "}",
		        between, part->topic, (int)part->partition, part->next,
		        part->read);
		between = ',';
	}
	buffer_append_byte(&apply->text, ']');
	return apply_call(apply, "move", buffer_bytes(&apply->text), fault);
}

/* One batch */

static void count_item(struct rehearse *rehearse, const struct item *item)
{
	switch (item->fate) {
	case FATE_ROW:
	case FATE_VOID:
		rehearse->counters.applied++;
		break;
	case FATE_REPEAT:
		rehearse->counters.repeats++;
		break;
	case FATE_PARKED:
		break; /* counted when all is through */
	case FATE_DEAD:
		rehearse->counters.dead[batch_refusal(item)->class]++;
		break;
	}
}

static void settle(struct rehearse *rehearse)
{
	struct batch *batch = &rehearse->apply.batch;

	for (size_t i = 0; i < batch->lane_count; i++)
		for (size_t j = 0; j < batch->lanes[i].item_count; j++)
			count_item(rehearse, &batch->lanes[i].items[j]);
	for (size_t i = 0; i < rehearse->part_count; i++)
		rehearse->parts[i].next = rehearse->parts[i].read;
	batch_settle(batch);
	batch_reset(batch);
}

static bool apply_all(struct rehearse *rehearse, struct fault *fault)
{
	const struct apply_frame frame = { .begin = put_moves, .context = rehearse };
	struct batch *batch = &rehearse->apply.batch;
	bool ok = true;

	if (rehearse->count == 0)
		return true;
	for (size_t i = 0; ok && i < rehearse->count; i++)
		ok = batch_add(batch, &rehearse->records[i], fault);
	ok = ok && apply_learn(&rehearse->apply, fault)
	     && heirs_know(batch, rehearse->conf, read_end, rehearse, fault)
	     && apply_batch(&rehearse->apply, &frame, fault);
	if (ok)
		settle(rehearse);
	ranges_release(rehearse->records, rehearse->count);
	rehearse->count = 0;
	rehearse->bytes = 0;
	return ok;
}

bool rehearse_take(struct rehearse *rehearse, const struct replay_event *event,
        struct fault *fault)
{
	const struct topic_record *record = &event->record;
	struct part *part = find_part(rehearse, record->topic, record->partition);

	rehearse->records[rehearse->count++] = *record;
	rehearse->bytes += record->value.size;
	part->read = record->offset + 1;
	return (rehearse->count < RECORDS && rehearse->bytes < BYTES)
	       || apply_all(rehearse, fault);
}

/* The end */

static bool note_number(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	(void)fault;
	*(int64_t *)context = strtoll(texts[0], NULL, 10);
	return true;
}

static bool count_waiting(struct rehearse *rehearse, int64_t *out, struct fault *fault)
{
	return table_query(rehearse->apply.table,
	        "SELECT count(*) FROM kentongan.waiting", note_number, out, fault);
}

/* What waits for rows of others may make rows that others wait for. */
static bool mend_all(struct rehearse *rehearse, struct fault *fault)
{
	struct buffer parts = { 0 };
	int64_t before = 0;
	int64_t *left = &rehearse->counters.waiting;
	struct mend_round round = { 0 };
	bool ok;

	list_parts(rehearse, &parts);
	ok = buffer_ok(&parts, fault) && count_waiting(rehearse, left, fault);
	do {
		before = *left;
		do
			ok = ok
			     && mend_partitions(&rehearse->apply, rehearse->conf,
			             buffer_bytes(&parts), false, &round, fault);
		while (ok && round.more);
		ok = ok && count_waiting(rehearse, left, fault);
	} while (ok && *left > 0 && *left < before);
	buffer_clear(&parts);
	return ok;
}

bool rehearse_end(struct rehearse *rehearse, struct fault *fault)
{
	return apply_all(rehearse, fault) && mend_all(rehearse, fault);
}

const struct rehearse_counters *rehearse_counters(const struct rehearse *rehearse)
{
	return &rehearse->counters;
}
