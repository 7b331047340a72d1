/* SPDX-License-Identifier: MIT */
/*
 * What the spool shows: the rows that are to be sent, receipts, and how full it is. A
 * row is shown only when it is what was written and none before it is gone unnamed.
 */
#include "port/spool_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static size_t stream_index(const struct spool *spool, int64_t id)
{
	size_t index = 0;

	while (index < spool->lane_count && spool->lanes[index].id != id)
		index++;
	return index;
}

/* As much of it as a receipt holds, whole characters only. */
static void put_reason(struct spool_receipt *receipt, struct bytes reason)
{
	size_t size = reason.size;

	if (size == 0)
		return;
	if (size >= sizeof receipt->reason)
		for (size = sizeof receipt->reason - 1;
		        size > 0 && (reason.data[size] & 0xC0) == 0x80; size--)
			continue;
	receipt->state = SPOOL_VOID;
	memcpy(receipt->reason, reason.data, size);
	receipt->reason[size] = '\0';
}

/* Fill a receipt from stream, seq, event_id, recorded_at, a digest or none, reason. */
static bool read_receipt(
        const struct spool *spool, sqlite3_stmt *statement, struct spool_receipt *out)
{
	struct bytes id = column_bytes(statement, 2);
	size_t index = stream_index(spool, sqlite3_column_int64(statement, 0));
	const struct lane *lane = &spool->lanes[index];

	if (index == spool->lane_count || id.size != 16)
		return false;
	*out = (struct spool_receipt){
		.stream = index,
		.topic = lane->topic,
		.seq = sqlite3_column_int64(statement, 1),
		.recorded_at_us = sqlite3_column_int64(statement, 3),
	};
	memcpy(out->incarnation, lane->incarnation, sizeof out->incarnation);
	identity_format(id.data, out->event_id);
	if (out->seq <= spool->lanes[out->stream].committed.stream.delivered_seq)
		out->state = SPOOL_DELIVERED;
	put_reason(out, column_bytes(statement, 5));
	return true;
}

static bool look_up(struct spool *spool, enum query query, const uint8_t id[16],
        bool *found, struct spool_receipt *out, uint8_t digest[32], struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[query];
	int result;

	sqlite3_bind_blob(statement, 1, id, 16, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, high_of(id));
	result = sqlite3_step(statement);
	*found = result == SQLITE_ROW && read_receipt(spool, statement, out);
	if (*found && digest != NULL) {
		struct bytes stored = column_bytes(statement, 4);

		memset(digest, 0, 32);
		if (stored.size == 32)
			memcpy(digest, stored.data, 32);
	}
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_reset(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool row_look_up(struct spool *spool, const uint8_t id[16], bool *found,
        struct spool_receipt *out, uint8_t digest[32], struct fault *fault)
{
	return look_up(spool, QUERY_BY_ID, id, found, out, digest, fault)
	       && (*found
	               || look_up(spool, QUERY_BY_ALIAS, id, found, out, digest, fault))
	       && (*found
	               || look_up(spool, QUERY_BY_KEY, id, found, out, digest, fault));
}

/* Numbers between two rows that a salvage named as missing. */
static bool is_missing(struct spool *spool, const struct lane *lane, int64_t from_seq,
        int64_t to_seq, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool found;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT 1 FROM missing WHERE stream = ? AND from_seq <= ? "
	            "AND to_seq >= ?",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, from_seq);
	sqlite3_bind_int64(statement, 3, to_seq);
	found = sqlite3_step(statement) == SQLITE_ROW;
	sqlite3_finalize(statement);
	return found || row_damaged(lane, from_seq, fault);
}

/* Show a row to the visitor. False: it is damaged, or the visitor has enough. */
static bool show_row(struct spool *spool, const struct lane *lane,
        sqlite3_stmt *statement, spool_visitor *visitor, void *context,
        int64_t *out_seq, struct fault *fault)
{
	int64_t expected = *out_seq + 1;
	struct spool_row shown;
	struct row row;

	row_read(statement, &row);
	if (!row_is_whole(lane, &row))
		return row_damaged(lane, row.seq, fault);
	if (expected <= lane->committed.stream.delivered_seq)
		expected = lane->committed.stream.delivered_seq + 1;
	if (row.seq > expected
	        && !is_missing(spool, lane, expected, row.seq - 1, fault))
		return false;
	identity_format(row.event_id.data, shown.event_id);
	shown.seq = row.seq;
	shown.recorded_at_us = row.recorded_at_us;
	shown.headers = row.headers;
	shown.value = row.value;
	if (!visitor(context, &shown))
		return false;
	*out_seq = row.seq;
	return true;
}

/* The last row of a stream is always there while it is pending. */
static bool ends_too_soon(const struct lane *lane, int64_t seq)
{
	const struct spool_stream *stream = &lane->committed.stream;

	return seq < stream->last_seq && stream->delivered_seq < stream->last_seq;
}

bool spool_read(struct spool *spool, size_t stream, int64_t after_seq, int limit,
        spool_visitor *visitor, void *context, int64_t *out_seq, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_READ];
	const struct lane *lane = &spool->lanes[stream];
	int shown = 0;
	int result;

	*out_seq = after_seq;
	fault_clear(fault);
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, after_seq);
	sqlite3_bind_int(statement, 3, limit);
	for (; (result = sqlite3_step(statement)) == SQLITE_ROW; shown++)
		if (!show_row(spool, lane, statement, visitor, context, out_seq, fault))
			break;
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		spool_fault(spool, fault);
	else if (result == SQLITE_DONE && shown < limit
	         && ends_too_soon(lane, *out_seq))
		row_damaged(lane, *out_seq + 1, fault);
	sqlite3_reset(statement);
	return fault->kind == FAULT_NONE;
}

bool spool_find(struct spool *spool, const uint8_t event_id[16], bool *found,
        struct spool_receipt *out, struct fault *fault)
{
	return look_up(spool, QUERY_BY_ID, event_id, found, out, NULL, fault);
}

static bool list_stream(struct spool *spool, const struct lane *lane, bool pending_only,
        struct spool_receipt *out, size_t room, size_t *count, struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT stream, seq, event_id, recorded_at, NULL, reason "
	            "FROM event WHERE " ROWS_AFTER " ORDER BY place DESC LIMIT ?3",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(
	        statement, 2, pending_only ? lane->committed.stream.delivered_seq : 0);
	sqlite3_bind_int64(statement, 3, (int64_t)(room - *count));
	while ((result = sqlite3_step(statement)) == SQLITE_ROW)
		if (read_receipt(spool, statement, &out[*count]))
			(*count)++;
	if (result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_DONE;
}

static int by_newest(const void *a, const void *b)
{
	const struct spool_receipt *left = a;
	const struct spool_receipt *right = b;

	return (left->recorded_at_us < right->recorded_at_us)
	       - (left->recorded_at_us > right->recorded_at_us);
}

bool spool_list(struct spool *spool, bool pending_only, struct spool_receipt *out,
        size_t room, size_t *count, struct fault *fault)
{
	size_t total = room * spool->lane_count;
	struct spool_receipt *all = calloc(total + 1, sizeof *all);
	bool ok = all != NULL || fault_memory(fault);

	*count = 0;
	for (size_t i = 0; ok && i < spool->lane_count; i++)
		ok = list_stream(spool, &spool->lanes[i], pending_only, all,
		        *count + room, count, fault);
	if (ok) {
		qsort(all, *count, sizeof *all, by_newest);
		*count = *count < room ? *count : room;
		memcpy(out, all, *count * sizeof *all);
	}
	free(all);
	return ok;
}

static bool note_oldest(void *context, const struct spool_row *row)
{
	int64_t *oldest = context;

	*oldest = row->recorded_at_us;
	return false;
}

bool spool_oldest(
        struct spool *spool, size_t stream, int64_t *out_us, struct fault *fault)
{
	const struct spool_stream *at = &spool->lanes[stream].committed.stream;
	int64_t seq;

	*out_us = 0;
	return at->last_seq == at->delivered_seq
	       || spool_read(spool, stream, at->delivered_seq, 1, note_oldest, out_us,
	               &seq, fault);
}

bool spool_span(struct spool *spool, size_t stream, int64_t from_us, int64_t to_us,
        int64_t *out_from_seq, int64_t *out_to_seq, struct fault *fault)
{
	const struct lane *lane = &spool->lanes[stream];
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT min(seq), max(seq) FROM event WHERE place > ?1 << 44 "
	            "AND place <= " ROW_PLACE
	            " AND recorded_at >= ?3 AND recorded_at < ?4",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, lane->committed.stream.delivered_seq);
	sqlite3_bind_int64(statement, 3, from_us);
	sqlite3_bind_int64(statement, 4, to_us);
	result = sqlite3_step(statement);
	*out_from_seq = sqlite3_column_int64(statement, 0); /* NULL is 0 */
	*out_to_seq = sqlite3_column_int64(statement, 1);
	if (result != SQLITE_ROW)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW;
}

bool spool_missing(struct spool *spool, size_t stream, struct spool_missing *out,
        size_t room, size_t *count, int64_t *total, struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	*count = 0;
	*total = 0;
	if (sqlite3_prepare_v2(spool->db,
	            "SELECT from_seq, to_seq FROM missing WHERE stream = ? "
	            "ORDER BY from_seq",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, spool->lanes[stream].id);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		struct spool_missing range = { sqlite3_column_int64(statement, 0),
			sqlite3_column_int64(statement, 1) };

		*total += range.to_seq - range.from_seq + 1;
		if (*count < room)
			out[(*count)++] = range;
	}
	if (result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_DONE;
}

bool spool_status(struct spool *spool, struct spool_status *out, struct fault *fault)
{
	char path[SPOOL_PATH_BYTES + 8];
	struct statvfs disk;
	struct stat file;
	int64_t oldest_us;

	*out = (struct spool_status){ .pending = spool->hidden };
	for (size_t i = 0; i < spool->lane_count; i++) {
		const struct spool_stream *stream = &spool->lanes[i].committed.stream;

		out->pending += stream->last_seq - stream->delivered_seq;
		if (!spool_oldest(spool, i, &oldest_us, fault))
			return false;
		if (oldest_us != 0
		        && (out->oldest_pending_us == 0
		                || oldest_us < out->oldest_pending_us))
			out->oldest_pending_us = oldest_us;
	}
	if (stat(spool->path, &file) == 0)
		out->bytes = file.st_size;
	snprintf(path, sizeof path, "%s-wal", spool->path);
	if (stat(path, &file) == 0)
		out->bytes += file.st_size;
	if (statvfs(spool->path, &disk) == 0)
		out->free_bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
	return true;
}
