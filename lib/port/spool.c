/* SPDX-License-Identifier: MIT */
/*
 * SQLite in WAL mode with synchronous=FULL: COMMIT returns after the log is synced, and
 * a commit that did not return never was. The counters of the streams are kept in
 * memory and written with the group; a rollback takes them back too, which is why the
 * numbers have no gap.
 *
 * Each row carries a digest of all that it says, and each stream a chain over them. The
 * head of each chain is written to a second file after the commit: what the two say of
 * each other is compared when the spool is opened (spool_open.c), and a row's digest
 * before it is shown to anybody (spool_read.c).
 *
 * One connection only: 3.40.1 has a fault in resetting the log that needs two.
 */
#include "port/spool_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Whoever posts while the log is moved waits for that, so it is moved when there is
 * much that is new in little, as large groups write it; single posts write the same
 * pages again and again, which are moved once.
 */
enum { LOG_ROWS = 1000, LOG_PAGES = 256, LOG_MOST_PAGES = 1024 }; /* 1 and 4 MiB */
enum { LOG_ROOM_PAGES = LOG_PAGES + LOG_PAGES / 4 }; /* of one that is kept short */

/* SQLite takes ENOSPC alone for a full disk; a quota and a limit are room too. */
static bool is_no_room(sqlite3 *db)
{
	sqlite3_file *log = NULL;
	int error = 0;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log != NULL && log->pMethods != NULL)
		log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

bool spool_fault(struct spool *spool, struct fault *fault)
{
	int code = spool->db ? sqlite3_errcode(spool->db) : SQLITE_NOMEM;
	const char *text = spool->db ? sqlite3_errmsg(spool->db) : "out of memory";

	switch (code & 0xFF) {
	case SQLITE_FULL:
		return fault_code(
		        fault, FAULT_RETRY, "disk-full", "spool: no room on the disk");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fault_code(fault, FAULT_RETRY, "busy",
		        "spool: another process holds the spool; end it first");
	case SQLITE_NOMEM:
		return fault_memory(fault);
	case SQLITE_READONLY:
		return fault_code(fault, FAULT_RETRY, "read-only",
		        "spool: the disk is read-only");
	case SQLITE_IOERR:
		if (is_no_room(spool->db))
			return fault_code(fault, FAULT_RETRY, "disk-full",
			        "spool: no room on the disk");
		if (code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ
		        || code == SQLITE_IOERR_CORRUPTFS) /* a bad sector */
			return fault_code(fault, FAULT_STOP, "damaged",
			        "spool: the disk does not give back what is in it");
		/* What was written since the last good answer is not to be believed. */
		return fault_code(fault, FAULT_STOP, "internal", "spool: %s", text);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our statements fit our tables: the tables are others */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return fault_code(fault, FAULT_STOP, "damaged", "spool: %s", text);
	default:
		return fault_code(fault, FAULT_STOP, "spool", "spool: %s", text);
	}
}

bool spool_run(struct spool *spool, const char *sql, struct fault *fault)
{
	return sqlite3_exec(spool->db, sql, NULL, NULL, NULL) == SQLITE_OK
	       || spool_fault(spool, fault);
}

bool spool_query(struct spool *spool, enum query query, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[query];
	int result = sqlite3_step(statement);
	bool ok = result == SQLITE_DONE || spool_fault(spool, fault);

	sqlite3_reset(statement);
	return ok;
}

int64_t high_of(const uint8_t id[16])
{
	uint64_t high = 0;

	for (int i = 0; i < 8; i++)
		high = high << 8 | id[i];
	return (int64_t)high;
}

struct bytes column_bytes(sqlite3_stmt *statement, int column)
{
	const void *data = sqlite3_column_blob(statement, column);

	return (struct bytes){ data, (size_t)sqlite3_column_bytes(statement, column) };
}

bool spool_witness(struct spool *spool, struct fault *fault)
{
	struct head_entry entries[HEAD_STREAMS];

	if (!spool->unwitnessed)
		return true;
	for (size_t i = 0; i < spool->lane_count; i++) {
		const struct lane *lane = &spool->lanes[i];

		memcpy(entries[i].name, lane->name, sizeof entries[i].name);
		entries[i].seq = lane->committed.stream.last_seq;
		memcpy(entries[i].chain, lane->committed.chain, DIGEST_BYTES);
	}
	if (!head_write(spool->head, entries, spool->lane_count, fault))
		return false;
	spool->unwitnessed = false;
	return true;
}

const char *spool_incarnation(const struct spool *spool)
{
	return spool->incarnation;
}

bool spool_is_copy(const struct spool *spool)
{
	return spool->is_copy;
}

bool spool_is_put_back(const struct spool *spool)
{
	return spool->is_put_back;
}

const struct spool_stream *spool_stream(const struct spool *spool, size_t stream)
{
	return &spool->lanes[stream].committed.stream;
}

size_t spool_stream_count(const struct spool *spool)
{
	return spool->lane_count;
}

bool spool_begin(struct spool *spool, struct fault *fault)
{
	return spool_query(spool, QUERY_BEGIN, fault);
}

static bool write_anchor(
        struct spool *spool, const struct lane *lane, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_ANCHOR];
	const struct spool_anchor *now = &lane->now.stream.anchor;
	const struct spool_anchor *old = &lane->committed.stream.anchor;

	if (now->offset == old->offset && now->appended_at_ms == old->appended_at_ms
	        && now->seen == old->seen)
		return true;
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, now->offset);
	sqlite3_bind_int64(statement, 3, now->appended_at_ms);
	sqlite3_bind_int(statement, 4, now->seen);
	return spool_query(spool, QUERY_ANCHOR, fault);
}

static bool write_lanes(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_STREAM];
	uint8_t sum[DIGEST_BYTES];

	for (size_t i = 0; i < spool->lane_count; i++) {
		struct lane *lane = &spool->lanes[i];
		const struct spool_stream *now = &lane->now.stream;
		const struct spool_stream *old = &lane->committed.stream;

		if (!write_anchor(spool, lane, fault))
			return false;
		if (now->last_seq == old->last_seq
		        && now->delivered_seq == old->delivered_seq
		        && now->offset == old->offset
		        && now->again_seq == old->again_seq
		        && now->again_to == old->again_to)
			continue;
		sqlite3_bind_int64(statement, 1, now->last_seq + 1);
		sqlite3_bind_int64(statement, 2, now->delivered_seq);
		sqlite3_bind_blob(
		        statement, 3, lane->now.chain, DIGEST_BYTES, SQLITE_STATIC);
		lane_sum(lane->incarnation, lane->topic, &lane->now, sum);
		sqlite3_bind_blob(statement, 4, sum, sizeof sum, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 5, now->offset);
		sqlite3_bind_int64(statement, 6, now->again_seq);
		sqlite3_bind_int64(statement, 7, now->again_to);
		sqlite3_bind_int64(statement, 8, lane->id);
		if (!spool_query(spool, QUERY_STREAM, fault))
			return false;
	}
	return true;
}

static bool has_new_rows(const struct spool *spool)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (spool->lanes[i].now.stream.last_seq
		        != spool->lanes[i].committed.stream.last_seq)
			return true;
	return false;
}

bool spool_commit(struct spool *spool, struct fault *fault)
{
	bool grown = has_new_rows(spool);

	if (!write_lanes(spool, fault) || !spool_query(spool, QUERY_COMMIT, fault)) {
		spool_rollback(spool);
		return false;
	}
	for (size_t i = 0; i < spool->lane_count; i++)
		spool->lanes[i].committed = spool->lanes[i].now;
	/* Marks of delivery may be lost: what is sent again is dropped by its number.
	 */
	spool->unwitnessed |= grown;
	return true;
}

void spool_rollback(struct spool *spool)
{
	if (sqlite3_get_autocommit(spool->db) == 0)
		sqlite3_exec(spool->db, "ROLLBACK", NULL, NULL, NULL);
	for (size_t i = 0; i < spool->lane_count; i++)
		spool->lanes[i].now = spool->lanes[i].committed;
}

bool spool_mark(struct spool *spool, struct fault *fault)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		spool->lanes[i].marked = spool->lanes[i].now;
	return spool_query(spool, QUERY_MARK, fault);
}

bool spool_undo(struct spool *spool, struct fault *fault)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		spool->lanes[i].now = spool->lanes[i].marked;
	return spool_query(spool, QUERY_UNDO, fault);
}

static bool is_reused(struct fault *fault)
{
	return fault_code(fault, FAULT_REJECT, "key-reused",
	        "the key or event_id was used with another body");
}

/* The event is known, by its own id: a key that it comes with now is its key too. */
static bool learn_key(struct spool *spool, const struct spool_draft *draft,
        const struct spool_receipt *known, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_KEY];
	struct spool_receipt other;
	bool found;

	if (!row_look_up(spool, draft->alias, &found, &other, NULL, fault))
		return false;
	if (found)
		return strcmp(other.event_id, known->event_id) == 0 || is_reused(fault);
	sqlite3_bind_int64(statement, 1, spool->lanes[known->stream].id);
	sqlite3_bind_int64(statement, 2, known->seq);
	sqlite3_bind_blob(statement, 3, draft->alias, 16, SQLITE_STATIC);
	return spool_query(spool, QUERY_KEY, fault);
}

/* Whether the draft is a repeat; its first receipt then is in out. */
static bool find_repeat(struct spool *spool, const struct spool_draft *draft,
        bool *found, struct spool_receipt *out, struct fault *fault)
{
	uint8_t digest[32];
	bool by_id;

	if (!row_look_up(spool, draft->event_id, found, out, digest, fault))
		return false;
	by_id = *found;
	if (!*found && draft->has_alias
	        && !row_look_up(spool, draft->alias, found, out, digest, fault))
		return false;
	out->repeated = *found;
	if (*found && memcmp(digest, draft->digest, sizeof digest) != 0)
		return is_reused(fault);
	return !by_id || !draft->has_alias || learn_key(spool, draft, out, fault);
}

/* The value with the number's varint in its seam: Avro 1.11, "long". */
static bool put_number(struct spool *spool, const struct spool_draft *draft,
        int64_t seq, struct fault *fault)
{
	uint64_t raw = (uint64_t)seq << 1;

	assert(draft->seam < draft->value.size && draft->value.data[draft->seam] == 0);
	buffer_reset(&spool->value);
	buffer_append(&spool->value, draft->value.data, draft->seam);
	for (; raw > 0x7F; raw >>= 7)
		buffer_append_byte(&spool->value, (uint8_t)(raw | 0x80));
	buffer_append_byte(&spool->value, (uint8_t)raw);
	buffer_append(&spool->value, draft->value.data + draft->seam + 1,
	        draft->value.size - draft->seam - 1);
	return buffer_ok(&spool->value, fault);
}

void row_read(sqlite3_stmt *statement, struct row *out)
{
	*out = (struct row){
		.seq = sqlite3_column_int64(statement, 0),
		.event_id = column_bytes(statement, 1),
		.recorded_at_us = sqlite3_column_int64(statement, 2),
		.headers = column_bytes(statement, 3),
		.value = column_bytes(statement, 4),
		.digest = column_bytes(statement, 5),
		.alias = column_bytes(statement, 6),
		.sum = column_bytes(statement, 7),
		.reason = column_bytes(statement, 8),
	};
}

void row_sum(const struct lane *lane, const struct row *row, uint8_t sum[DIGEST_BYTES])
{
	const int64_t numbers[] = { row->seq, row->recorded_at_us,
		(int64_t)row->headers.size, (int64_t)row->value.size,
		(int64_t)row->digest.size, (int64_t)row->alias.size,
		(int64_t)row->reason.size };
	struct bytes pieces[] = {
		bytes_of(lane->incarnation),
		bytes_of(lane->topic),
		{ (const uint8_t *)numbers, sizeof numbers },
		row->event_id,
		row->headers,
		row->value,
		row->digest,
		row->alias,
		row->reason,
	};

	digest_of(pieces, sizeof pieces / sizeof *pieces, sum);
}

bool row_is_whole(const struct lane *lane, const struct row *row)
{
	uint8_t sum[DIGEST_BYTES];

	row_sum(lane, row, sum);
	return row->event_id.size == 16 && row->sum.size == DIGEST_BYTES
	       && memcmp(sum, row->sum.data, sizeof sum) == 0;
}

static void bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes)
{
	if (bytes.size > 0)
		sqlite3_bind_blob64(
		        statement, index, bytes.data, bytes.size, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, index);
}

static void bind_reason(sqlite3_stmt *statement, int index, struct bytes reason)
{
	if (reason.size > 0)
		sqlite3_bind_text(statement, index, (const char *)reason.data,
		        (int)reason.size, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, index);
}

bool row_store(
        struct spool *spool, struct lane *lane, struct row *row, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_INSERT];
	struct bytes links[] = { { lane->now.chain, DIGEST_BYTES }, row->sum };

	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, row->seq);
	bind_bytes(statement, 3, row->event_id);
	sqlite3_bind_int64(statement, 4, high_of(row->event_id.data));
	sqlite3_bind_int64(statement, 5, row->recorded_at_us);
	bind_bytes(statement, 6, row->headers);
	bind_bytes(statement, 7, row->value);
	bind_bytes(statement, 8, row->digest);
	bind_bytes(statement, 9, row->alias);
	if (row->alias.size == 16)
		sqlite3_bind_int64(statement, 10, high_of(row->alias.data));
	else
		sqlite3_bind_null(statement, 10);
	bind_bytes(statement, 11, row->sum);
	bind_reason(statement, 12, row->reason);
	if (!spool_query(spool, QUERY_INSERT, fault))
		return false;
	digest_of(links, 2, lane->now.chain);
	lane->now.stream.last_seq = row->seq;
	return true;
}

bool spool_append(struct spool *spool, const struct spool_draft *draft,
        struct spool_receipt *out, struct fault *fault)
{
	struct lane *lane = &spool->lanes[draft->stream];
	uint8_t sum[DIGEST_BYTES];
	struct row row = {
		.seq = lane->now.stream.last_seq + 1,
		.event_id = { draft->event_id, 16 },
		.recorded_at_us = draft->recorded_at_us,
		.headers = draft->headers,
		.digest = { draft->digest, draft->repeatable ? 32 : 0 },
		.alias = { draft->alias, draft->has_alias ? 16 : 0 },
		.sum = { sum, sizeof sum },
	};
	bool found = false;

	if (draft->repeatable && !find_repeat(spool, draft, &found, out, fault))
		return false;
	if (found)
		return true;
	if (!put_number(spool, draft, row.seq, fault))
		return false;
	row.value = buffer_bytes(&spool->value);
	row_sum(lane, &row, sum);
	if (!row_store(spool, lane, &row, fault))
		return false;
	spool->log_rows++;
	*out = (struct spool_receipt){ .stream = draft->stream,
		.topic = lane->topic,
		.seq = row.seq,
		.recorded_at_us = draft->recorded_at_us };
	identity_format(draft->event_id, out->event_id);
	memcpy(out->incarnation, lane->incarnation, sizeof out->incarnation);
	return true;
}

void spool_delivered(struct spool *spool, size_t stream, int64_t seq, int64_t offset)
{
	struct spool_stream *now = &spool->lanes[stream].now.stream;

	assert(seq <= now->last_seq);
	if (seq <= now->delivered_seq)
		return;
	now->delivered_seq = seq;
	now->offset = offset;
}

void spool_anchor(struct spool *spool, size_t stream, const struct spool_anchor *anchor)
{
	spool->lanes[stream].now.stream.anchor = *anchor;
}

bool spool_rewind(struct spool *spool, size_t stream, struct fault *fault)
{
	struct lane *lane = &spool->lanes[stream];
	sqlite3_stmt *statement;
	int64_t first;
	int result;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT min(place) & 0xFFFFFFFFFFF FROM event WHERE " ROWS_OF, -1,
	            &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, lane->id);
	result = sqlite3_step(statement);
	first = sqlite3_column_int64(statement, 0); /* 0: none is kept */
	if (result != SQLITE_ROW)
		spool_fault(spool, fault);
	else if (first > 0 && first <= lane->now.stream.delivered_seq)
		lane->now.stream.delivered_seq = first - 1;
	sqlite3_finalize(statement);
	lane->now.stream.offset = SPOOL_OFFSET_REWOUND;
	lane->now.stream.anchor.offset = SPOOL_OFFSET_UNKNOWN;
	return result == SQLITE_ROW;
}

bool row_damaged(const struct lane *lane, int64_t seq, struct fault *fault)
{
	return fault_code(fault, FAULT_STOP, "damaged",
	        "spool: number %lld of %s is damaged", (long long)seq, lane->topic);
}

static bool write_void(struct spool *spool, const struct lane *lane, struct row *row,
        struct bytes headers, struct bytes value, struct bytes reason,
        struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_VOID];
	uint8_t sum[DIGEST_BYTES];

	row->headers = headers;
	row->value = value;
	row->reason = reason;
	row_sum(lane, row, sum);
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, row->seq);
	bind_bytes(statement, 3, headers);
	bind_bytes(statement, 4, value);
	bind_reason(statement, 5, reason);
	sqlite3_bind_blob(statement, 6, sum, sizeof sum, SQLITE_TRANSIENT);
	return spool_query(spool, QUERY_VOID, fault);
}

bool spool_void(struct spool *spool, size_t stream, int64_t seq, struct bytes headers,
        struct bytes value, struct bytes reason, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_ROW];
	const struct lane *lane = &spool->lanes[stream];
	struct row row;
	bool ok;

	if (seq <= lane->now.stream.delivered_seq)
		return fault_code(fault, FAULT_REJECT, "delivered",
		        "the event is delivered; correct it by a new one");
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, seq);
	if (sqlite3_step(statement) != SQLITE_ROW) {
		spool_fault(spool, fault);
		sqlite3_reset(statement);
		return false;
	}
	row_read(statement, &row);
	ok = row_is_whole(lane, &row)
	             ? write_void(spool, lane, &row, headers, value, reason, fault)
	             : row_damaged(lane, seq, fault);
	sqlite3_reset(statement);
	return ok;
}

void spool_again(struct spool *spool, size_t stream, int64_t from_seq, int64_t to_seq)
{
	struct spool_stream *now = &spool->lanes[stream].now.stream;

	if (to_seq > now->delivered_seq)
		to_seq = now->delivered_seq;
	if (from_seq < 1)
		from_seq = 1;
	if (from_seq > to_seq)
		return;
	if (now->again_to == 0 || now->again_seq > from_seq - 1)
		now->again_seq = from_seq - 1;
	if (now->again_to < to_seq)
		now->again_to = to_seq;
}

void spool_again_done(struct spool *spool, size_t stream, int64_t seq)
{
	struct spool_stream *now = &spool->lanes[stream].now.stream;

	if (now->again_to == 0 || seq <= now->again_seq)
		return;
	now->again_seq = seq;
	if (seq >= now->again_to)
		now->again_seq = now->again_to = 0;
}

bool spool_note_orders(struct spool *spool, int64_t next_offset, struct fault *fault)
{
	char sql[160];

	snprintf(sql, sizeof sql,
	        "INSERT INTO orders VALUES (1, %lld) ON CONFLICT DO UPDATE "
	        "SET next_offset = max(next_offset, excluded.next_offset)",
	        (long long)next_offset);
	return spool_run(spool, sql, fault);
}

bool spool_next_order(struct spool *spool, int64_t *out_offset, struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(
	            spool->db, "SELECT next_offset FROM orders", -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	result = sqlite3_step(statement);
	*out_offset = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool spool_note_day(struct spool *spool, int32_t day, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_DAY];

	if (day == spool->newest_day)
		return true;
	for (size_t i = 0; i < spool->lane_count; i++) {
		sqlite3_bind_int(statement, 1, day);
		sqlite3_bind_int64(statement, 2, spool->lanes[i].id);
		sqlite3_bind_int64(
		        statement, 3, spool->lanes[i].committed.stream.last_seq);
		if (!spool_query(spool, QUERY_DAY, fault))
			return false;
	}
	spool->newest_day = day; /* a group that is rolled back only skips a day */
	return true;
}

int64_t spool_hidden(const struct spool *spool)
{
	return spool->hidden;
}

int32_t spool_newest_day(const struct spool *spool)
{
	return spool->newest_day;
}

bool spool_expire(
        struct spool *spool, int32_t before_day, int limit, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_EXPIRE];

	for (size_t i = 0; i < spool->lane_count; i++) {
		sqlite3_bind_int64(statement, 1, spool->lanes[i].id);
		sqlite3_bind_int64(
		        statement, 2, spool->lanes[i].committed.stream.delivered_seq);
		sqlite3_bind_int(statement, 3, before_day);
		sqlite3_bind_int(statement, 4, limit);
		if (!spool_query(spool, QUERY_EXPIRE, fault)
		        || (sqlite3_changes(spool->db) > 0
		                && !spool_query(spool, QUERY_KEYS, fault)))
			return false;
	}
	return true;
}

static bool log_is_due(const struct spool *spool)
{
	return spool->log_pages >= LOG_PAGES
	       && (spool->log_rows >= LOG_ROWS || spool->log_pages >= LOG_MOST_PAGES);
}

/* Nothing is lost by having tried before it was due: the log still has its room. */
static bool give_up_early(struct spool *spool, struct fault *fault)
{
	spool->log_pause_pages = spool->log_pages + LOG_PAGES / 4;
	spool_fault(spool, fault);
	if (strcmp(fault->code, "disk-full") != 0)
		return false;
	fault_clear(fault);
	return true;
}

/* Where the disk was tight once the log stays short: its own size may be what it lacks.
 */
bool spool_checkpoint(struct spool *spool, bool tight, struct fault *fault)
{
	bool due = log_is_due(spool);
	bool large;

	spool->is_tight = spool->is_tight || tight;
	large = spool->is_tight && spool->log_room_pages > LOG_ROOM_PAGES;
	if (!due
	        && (!spool->is_tight || spool->log_pages < spool->log_pause_pages
	                || (!large && spool->log_pages < LOG_PAGES)))
		return true;
	if (sqlite3_wal_checkpoint_v2(spool->db, NULL,
	            large ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART,
	            NULL, NULL)
	        != SQLITE_OK)
		return due ? spool_fault(spool, fault) : give_up_early(spool, fault);
	spool->log_pages = 0;
	spool->log_rows = 0;
	spool->log_pause_pages = 0;
	if (large)
		spool->log_room_pages = 0;
	return true;
}
