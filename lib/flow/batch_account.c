/* SPDX-License-Identifier: MIT */
/*
 * What the database is told of a batch, as JSON for the functions of its schema
 * kentongan: what the streams gained, the dead letters, the records that wait.
 */
#include "flow/batch_parts.h"

#include <stdio.h>
#include <string.h>

#include "event/digest.h"

/* Streams */

/* What each stream gains, from what became of the items. */
static void count_items(struct batch *batch)
{
	for (struct stream *at = batch->touched; at != NULL; at = at->next_touched)
		at->applied = at->dead = at->parked = at->voided = 0;
	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++) {
			struct item *item = &lane->items[j];

			if (!item->counts)
				continue;
			item->stream->applied +=
			        item->fate == FATE_ROW || item->fate == FATE_REPEAT;
			item->stream->dead += item->fate == FATE_DEAD;
			item->stream->parked += item->fate == FATE_PARKED;
			item->stream->voided += item->fate == FATE_VOID;
		}
	}
}

bool batch_has_gaps(const struct batch *batch)
{
	for (const struct stream *at = batch->touched; at; at = at->next_touched)
		if (at->place.gap_count > 0)
			return true;
	return false;
}

bool batch_moves(struct batch *batch, struct buffer *out)
{
	size_t start = out->size;

	count_items(batch);
	for (struct stream *at = batch->touched; at != NULL; at = at->next_touched) {
		if (at->applied + at->dead + at->parked + at->voided == 0)
			continue;
		buffer_format(out,
		        "%c{\"village_code\":\"%s\",\"incarnation\":\"%s\",\"topic\":"
		        "\"%s\","
		        "\"first\":%lld,\"high\":%lld,\"applied\":%lld,\"dead\":%lld,"
		        "\"parked\":%lld,\"void\":%lld,\"missing\":%lld,\"gaps\":\"",
		        out->size == start ? '[' : ',', at->village_code,
		        at->incarnation, at->topic, (long long)at->place.first_seq,
		        (long long)at->place.high_seq, (long long)at->applied,
		        (long long)at->dead, (long long)at->parked,
		        (long long)at->voided, (long long)place_missing(&at->place));
		place_gaps_text(&at->place, out);
		if (at->known)
			buffer_format(out, "\",\"old\":%lld}", (long long)at->old_high);
		else
			buffer_append_text(out, "\",\"old\":null}");
	}
	if (out->size == start)
		return false;
	buffer_append_byte(out, ']');
	return true;
}

/* Dead letters */

static void put_hex(struct buffer *out, struct bytes bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.size; i++) {
		buffer_append_byte(out, (uint8_t)digits[bytes.data[i] >> 4]);
		buffer_append_byte(out, (uint8_t)digits[bytes.data[i] & 15]);
	}
}

static void put_text(struct buffer *out, const char *name, struct bytes text)
{
	buffer_format(out, ",\"%s\":", name);
	if (text.size == 0 || !bytes_is_text(text))
		buffer_append_text(out, "null");
	else
		buffer_append_json(out, text);
}

/* What the department may see of the record, if it can be decoded at all. */
static void put_fields(struct batch *batch, struct lane *lane, const struct item *item,
        struct buffer *out)
{
	struct item again = { .record = item->record };
	struct fault fault;
	struct head head;
	bool is_void;

	if (!batch_decode(batch, lane, &again, &head, &is_void, &fault) || is_void)
		return;
	buffer_append_text(out, ",\"fields\":{");
	for (size_t i = 0; i < lane->column_count; i++) {
		buffer_format(
		        out, "%s\"%s\":", i > 0 ? "," : "", lane->columns[i].name);
		cell_json(&lane->columns[i], &batch->cells[i], out);
	}
	buffer_append_byte(out, '}');
}

static struct bytes case_id_of(const struct lane *lane, const struct item *item)
{
	struct bytes key = batch_case(lane, item);

	return (struct bytes){ key.data + VILLAGE_BYTES + 1,
		key.size - VILLAGE_BYTES - 1 };
}

static void put_digest(struct bytes value, struct buffer *out)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[2 * DIGEST_BYTES + 1];

	digest_of(&value, 1, digest);
	digest_hex(digest, hex);
	buffer_format(out, ",\"sha256\":\"%s\"", hex);
}

static void put_letter(struct batch *batch, struct lane *lane, const struct item *item,
        struct buffer *out)
{
	const struct topic_record *record = item->record;
	bool is_village = record->key.size == VILLAGE_BYTES;

	buffer_format(out,
	        "{\"topic\":\"%s\",\"partition\":%d,\"kafka_offset\":%lld,\"class\":\"%"
	        "s\"",
	        record->topic, (int)record->partition, (long long)record->offset,
	        dead_class_name(item->class));
	put_text(out, "village_code", is_village ? record->key : (struct bytes){ 0 });
	put_text(out, "sqlstate", bytes_of(item->sqlstate));
	put_text(out, "constraint_name", bytes_of(item->constraint));
	put_text(out, "reason", bytes_of(item->reason));
	if (item->stream != NULL)
		put_text(out, "incarnation", bytes_of(item->stream->incarnation));
	if (item->stream != NULL || item->seq > 0)
		buffer_format(out, ",\"seq\":%lld", (long long)item->seq);
	if (item->case_size > 0)
		put_text(out, "case_id", case_id_of(lane, item));
	put_fields(batch, lane, item, out);
	buffer_format(out, ",\"holds\":%s", item->holds ? "true" : "false");
	put_digest(record->value, out);
	if (batch->keep_values) {
		buffer_append_text(out, ",\"value\":\"");
		put_hex(out, record->value);
		buffer_append_byte(out, '"');
	}
	buffer_append_byte(out, '}');
}

bool batch_letters(
        struct batch *batch, bool *any, struct buffer *out, struct fault *fault)
{
	*any = false;
	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++) {
			if (lane->items[j].fate != FATE_DEAD
			        || lane->items[j].letter_id != 0)
				continue;
			buffer_append_byte(out, *any ? ',' : '[');
			put_letter(batch, lane, &lane->items[j], out);
			*any = true;
		}
	}
	if (*any)
		buffer_append_byte(out, ']');
	return buffer_ok(out, fault);
}

bool batch_harmless(struct batch *batch, struct lane *lane, const struct item *item,
        struct cases *out, struct fault *fault)
{
	struct item again = { .record = item->record };
	struct head head;
	bool is_void;

	if (!batch_decode(batch, lane, &again, &head, &is_void, fault) || is_void)
		return true;
	for (size_t i = 0; i < lane->column_count; i++) {
		const struct column *column = &lane->columns[i];
		bool text = column->type == COLUMN_TEXT || column->type == COLUMN_UUID;

		if (text && strcmp(column->pii, "none") == 0 && !batch->cells[i].is_null
		        && !cases_add(out, batch->cells[i].bytes, fault))
			return false;
	}
	return true;
}

/* Records that wait, and what became of records that were mended */

static void put_place(const struct lane *lane, const struct item *item, char between,
        struct buffer *out)
{
	buffer_format(out, "%c{\"topic\":\"%s\",\"partition\":%d,\"kafka_offset\":%lld",
	        between, item->record->topic, (int)item->record->partition,
	        (long long)item->record->offset);
	put_text(out, "village_code", item->record->key);
	put_text(out, "case_id",
	        item->case_size ? case_id_of(lane, item) : (struct bytes){ 0 });
	if (item->stream != NULL)
		buffer_format(out, ",\"incarnation\":\"%s\",\"seq\":%lld",
		        item->stream->incarnation, (long long)item->seq);
}

bool batch_waiting(struct batch *batch, struct buffer *out)
{
	size_t start = out->size;

	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++) {
			struct item *item = &lane->items[j];

			if (item->fate != FATE_PARKED)
				continue;
			put_place(lane, item, out->size == start ? '[' : ',', out);
			put_text(out, "constraint_name", bytes_of(item->constraint));
			put_digest(item->record->value, out);
			if (item->awaits)
				buffer_format(out, ",\"deadline_ms\":%llu",
				        (unsigned long long)batch->order_wait_ms);
			buffer_append_byte(out, '}');
		}
	}
	if (out->size == start)
		return false;
	buffer_append_byte(out, ']');
	return true;
}

void batch_outcomes(struct batch *batch, struct buffer *out)
{
	static const char *const was[] = { "none", "dead", "parked" };
	static const char *const now[] = { "applied", "applied", "void", "dead",
		"parked" };
	char between = '[';

	for (size_t i = 0; i < batch->lane_count; i++) {
		struct lane *lane = &batch->lanes[i];

		for (size_t j = 0; j < lane->item_count; j++) {
			const struct item *item = &lane->items[j];

			put_place(lane, item, between, out);
			buffer_format(out, ",\"was\":\"%s\",\"now\":\"%s\"",
			        was[item->was], now[item->fate]);
			if (item->letter_id != 0)
				buffer_format(out, ",\"id\":%lld",
				        (long long)item->letter_id);
			buffer_append_byte(out, '}');
			between = ',';
		}
	}
	buffer_append_byte(out, ']');
}
