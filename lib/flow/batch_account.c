/* SPDX-License-Identifier: MIT */
/*
 * What the database is told of a batch, for the functions of its schema kentongan: what
 * the streams gained, as arrays; as JSON the dead letters and the records that wait.
 */
#include "flow/batch_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/digest.h"

/* Streams */

/* What the functions of streams are told of each: an array for each of these. */
enum told {
	TOLD_VILLAGE,
	TOLD_INCARNATION,
	TOLD_FIRST,
	TOLD_OLD, /* 0: the stream is new */
	TOLD_HIGH,
	TOLD_APPLIED,
	TOLD_DEAD,
	TOLD_PARKED,
	TOLD_MISSING,
	TOLD_VOID,
	TOLD_GAPS,
	TOLD_ALL,
};

/* Whether a function is told of a stream. */
typedef bool told_of(const struct stream *stream);

static int64_t told_number(const struct stream *at, enum told told)
{
	switch (told) {
	case TOLD_FIRST:
		return at->place.first_seq;
	case TOLD_OLD:
		return at->known ? at->old_high : 0;
	case TOLD_HIGH:
		return at->place.high_seq;
	case TOLD_APPLIED:
		return at->applied;
	case TOLD_DEAD:
		return at->dead;
	case TOLD_PARKED:
		return at->parked;
	case TOLD_MISSING:
		return place_missing(&at->place);
	case TOLD_VOID:
		return at->voided;
	case TOLD_GAPS:
		return (int64_t)at->place.gap_count;
	case TOLD_VILLAGE:
	case TOLD_INCARNATION:
	case TOLD_ALL:
		break;
	}
	return 1;
}

/* A fifth of what buffer_format() takes, and there are thousands. */
static void put_number(struct buffer *out, int64_t number)
{
	char digits[24];
	size_t at = sizeof digits;
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (number < 0)
		digits[--at] = '-';
	buffer_append(out, digits + at, sizeof digits - at);
}

static void put_told(const struct stream *at, enum told told, struct buffer *out)
{
	switch (told) {
	case TOLD_VILLAGE:
		buffer_append_text(out, at->village_code);
		break;
	case TOLD_INCARNATION:
		buffer_append_text(out, at->incarnation);
		break;
	case TOLD_GAPS:
		buffer_append_byte(out, '"');
		place_gaps_text(&at->place, out);
		buffer_append_byte(out, '"');
		break;
	case TOLD_FIRST:
	case TOLD_OLD:
	case TOLD_HIGH:
	case TOLD_APPLIED:
	case TOLD_DEAD:
	case TOLD_PARKED:
	case TOLD_MISSING:
	case TOLD_VOID:
	case TOLD_ALL:
		put_number(out, told_number(at, told));
		break;
	}
}

/* An array that says nothing of any stream is NULL, which costs the server nothing. */
static void put_array(const struct batch *batch, const char *topic, told_of *wanted,
        enum told told, struct buffer *out)
{
	size_t start = out->size;
	bool any = false;
	char between = '{';

	buffer_append_text(out, ", '");
	for (size_t i = 0; i < batch->touched_count; i++) {
		const struct stream *at = batch->touched[i];

		if (at->topic != topic || !wanted(at))
			continue;
		buffer_append_byte(out, (uint8_t)between);
		put_told(at, told, out);
		any |= told_number(at, told) != 0;
		between = ',';
	}
	buffer_append_text(out, "}'");
	if (any)
		return;
	out->size = start;
	buffer_append_text(out, ", NULL");
}

/*
 * Call a function for each topic of which it is to be told of streams. No quotes can be
 * in what it is told: codes and identities are checked, topics are the catalog's.
 */
static void put_calls(const struct batch *batch, const char *call, told_of *wanted,
        enum told end, struct buffer *out)
{
	for (size_t i = 0; i < batch->lane_count; i++) {
		const char *topic = batch->lanes[i].topic->topic->topic;
		size_t at = 0;

		while (at < batch->touched_count
		        && (batch->touched[at]->topic != topic
		                || !wanted(batch->touched[at])))
			at++;
		if (at == batch->touched_count)
			continue;
		buffer_format(out, "%s('%s'", call, topic);
		for (enum told told = 0; told < end; told++)
			put_array(batch, topic, wanted, told, out);
		buffer_append_text(out, ");");
	}
}

static bool is_unknown(const struct stream *stream)
{
	return !stream->asked;
}

bool batch_unknown(struct batch *batch, struct buffer *out)
{
	size_t start = out->size;

	put_calls(
	        batch, "SELECT * FROM kentongan.streams", is_unknown, TOLD_FIRST, out);
	return out->size > start;
}

/* What each stream gains, from what became of the items. */
static void count_items(struct batch *batch)
{
	for (size_t i = 0; i < batch->touched_count; i++) {
		struct stream *at = batch->touched[i];

		at->applied = at->dead = at->parked = at->voided = 0;
	}
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
	for (size_t i = 0; i < batch->touched_count; i++)
		if (batch->touched[i]->place.gap_count > 0)
			return true;
	return false;
}

static bool gains(const struct stream *stream)
{
	return stream->applied + stream->dead + stream->parked + stream->voided != 0;
}

static int by_key(const void *a, const void *b)
{
	const struct stream *left = *(const struct stream *const *)a;
	const struct stream *right = *(const struct stream *const *)b;
	int order = strcmp(left->village_code, right->village_code);

	if (order == 0)
		order = memcmp(left->life, right->life, sizeof left->life);
	return order != 0 ? order : strcmp(left->topic, right->topic);
}

/* In the order of their keys, which is that of the index: neighbours lie together. */
void batch_moves(struct batch *batch, struct buffer *out)
{
	count_items(batch);
	if (batch->touched_count > 0)
		qsort(batch->touched, batch->touched_count, sizeof *batch->touched,
		        by_key);
	put_calls(batch, "SELECT kentongan.advance", gains, TOLD_ALL, out);
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
	struct refusal why;
	struct fault fault;
	struct head head;
	bool is_void;

	if (!batch_decode(batch, lane, item->record, &head, &is_void, &why, &fault)
	        || is_void)
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
	const struct refusal *why = batch_refusal(item);
	bool is_village = record->key.size == VILLAGE_BYTES;

	buffer_format(out,
	        "{\"topic\":\"%s\",\"partition\":%d,\"kafka_offset\":%lld,\"class\":\"%"
	        "s\"",
	        record->topic, (int)record->partition, (long long)record->offset,
	        dead_class_name(why->class));
	put_text(out, "village_code", is_village ? record->key : (struct bytes){ 0 });
	put_text(out, "sqlstate", bytes_of(why->sqlstate));
	put_text(out, "constraint_name", bytes_of(why->constraint));
	put_text(out, "reason", bytes_of(why->reason));
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

bool batch_visit(struct batch *batch, struct lane *lane, const struct item *item,
        cell_visitor *visit, void *context, struct fault *fault)
{
	struct refusal why;
	struct head head;
	bool is_void;

	if (!batch_decode(batch, lane, item->record, &head, &is_void, &why, fault)
	        || is_void)
		return true;
	for (size_t i = 0; i < lane->column_count; i++)
		if (!batch->cells[i].is_null
		        && !visit(context, &lane->columns[i], &batch->cells[i], fault))
			return false;
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
			put_text(out, "constraint_name",
			        bytes_of(batch_refusal(item)->constraint));
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
