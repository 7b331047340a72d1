/* SPDX-License-Identifier: MIT */
/*
 * SQLite in WAL mode with synchronous=FULL: COMMIT returns after the log is synced, and
 * a commit that did not return never was. The counters of the streams are kept in
 * memory and written with the group; a rollback takes them back too, which is why the
 * numbers have no gap.
 *
 * One connection only: 3.40.1 has a fault in resetting the log that needs two.
 */
#include "port/spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/embedded.h"

enum {
	MAX_STREAMS = 64,
	IDLE_PAGES = 1024,     /* 4 MiB of log */
	BUSY_PAGES = 4 * 1024, /* 16 MiB */
	PATH_BYTES = 4096,
};

extern const struct embedded embedded_spool[];

enum query {
	QUERY_BEGIN,
	QUERY_COMMIT,
	QUERY_MARK,
	QUERY_UNDO,
	QUERY_INSERT,
	QUERY_BY_ID,
	QUERY_BY_ALIAS,
	QUERY_READ,
	QUERY_STREAM,
	QUERY_EXPIRE,
	QUERY_COUNT,
};

static const char *const query_texts[QUERY_COUNT] = {
	[QUERY_BEGIN] = "BEGIN IMMEDIATE",
	[QUERY_COMMIT] = "COMMIT",
	[QUERY_MARK] = "SAVEPOINT unit",
	[QUERY_UNDO] = "ROLLBACK TO unit",
	[QUERY_INSERT] =
	        "INSERT INTO event (stream, seq, event_id, id_high, recorded_at, "
	        "headers, value, digest, alias, alias_high) "
	        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[QUERY_BY_ID] = "SELECT stream, seq, event_id, recorded_at, digest FROM event "
	                "WHERE id_high = ?2 AND event_id = ?1",
	[QUERY_BY_ALIAS] =
	        "SELECT stream, seq, event_id, recorded_at, digest FROM event "
	        "WHERE alias_high = ?2 AND alias = ?1",
	[QUERY_READ] = "SELECT seq, event_id, recorded_at, headers, value FROM event "
	               "WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
	[QUERY_STREAM] =
	        "UPDATE stream SET next_seq = ?, delivered_seq = ? WHERE id = ?",
	/* The limit is inside: looking for old rows must not read all the young ones.
	 */
	[QUERY_EXPIRE] =
	        "DELETE FROM event WHERE stream = ?1 AND seq IN (SELECT seq FROM "
	        "(SELECT seq, recorded_at FROM event WHERE stream = ?1 AND seq <= ?2 "
	        "ORDER BY seq LIMIT ?4) WHERE recorded_at < ?3)",
};

struct stream {
	int64_t id;
	char topic[128];
	struct spool_stream now;
	struct spool_stream committed;
	struct spool_stream marked;
};

struct spool {
	sqlite3 *db;
	sqlite3_stmt *queries[QUERY_COUNT];
	struct stream streams[MAX_STREAMS];
	size_t stream_count;
	char incarnation[UUID_TEXT_BYTES];
	char path[PATH_BYTES];
	int log_pages;
	struct buffer value;
};

static bool spool_fault(struct spool *spool, struct fault *fault)
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
	case SQLITE_IOERR:
		/* What was written since the last good answer is not to be believed. */
		return fault_code(fault, FAULT_STOP, "internal", "spool: %s", text);
	default:
		return fault_code(fault, FAULT_STOP, "spool", "spool: %s", text);
	}
}

static bool spool_run(struct spool *spool, const char *sql, struct fault *fault)
{
	return sqlite3_exec(spool->db, sql, NULL, NULL, NULL) == SQLITE_OK
	       || spool_fault(spool, fault);
}

/* Run a prepared statement that gives no rows. */
static bool query_run(struct spool *spool, enum query query, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[query];
	int result = sqlite3_step(statement);
	bool ok = result == SQLITE_DONE || spool_fault(spool, fault);

	sqlite3_reset(statement);
	return ok;
}

static int64_t high_of(const uint8_t id[16])
{
	uint64_t high = 0;

	for (int i = 0; i < 8; i++)
		high = high << 8 | id[i];
	return (int64_t)high;
}

static struct bytes column_bytes(sqlite3_stmt *statement, int column)
{
	const void *data = sqlite3_column_blob(statement, column);

	return (struct bytes){ data, (size_t)sqlite3_column_bytes(statement, column) };
}

static int note_log(void *context, sqlite3 *db, const char *name, int pages)
{
	struct spool *spool = context;

	(void)db;
	(void)name;
	spool->log_pages = pages;
	return SQLITE_OK;
}

static bool journal_is_wal(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = sqlite3_prepare_v2(
	                  spool->db, "PRAGMA journal_mode=WAL", -1, &statement, NULL)
	          == SQLITE_OK;
	int result = ok ? sqlite3_step(statement) : SQLITE_ERROR;

	if (result != SQLITE_ROW)
		ok = spool_fault(spool, fault);
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
		ok = fault_set(fault, FAULT_STOP,
		        "spool: this file system cannot hold a write-ahead log");
	sqlite3_finalize(statement);
	return ok;
}

static bool spool_connect(struct spool *spool, struct fault *fault)
{
	static const char pragmas[] =
	        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA mmap_size=0;"
	        "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF;"
	        "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2048;";
	mode_t mask = umask(0077);
	int result = sqlite3_open_v2(spool->path, &spool->db,
	        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
	                | SQLITE_OPEN_EXRESCODE,
	        NULL);
	bool ok = result == SQLITE_OK || spool_fault(spool, fault);

	ok = ok && spool_run(spool, pragmas, fault) && journal_is_wal(spool, fault)
	     && spool_run(spool,
	             "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
	             "PRAGMA journal_size_limit=67108864;",
	             fault)
	     /* The lock is taken by the first write; now is when to learn of another.
	      */
	     && spool_run(spool, "BEGIN IMMEDIATE", fault)
	     && spool_run(spool, (const char *)embedded_spool[0].bytes, fault)
	     && spool_run(spool, "COMMIT", fault);
	umask(mask);
	sqlite3_wal_hook(spool->db, note_log, spool);
	return ok;
}

static bool spool_prepare(struct spool *spool, struct fault *fault)
{
	for (int i = 0; i < QUERY_COUNT; i++)
		if (sqlite3_prepare_v3(spool->db, query_texts[i], -1,
		            SQLITE_PREPARE_PERSISTENT, &spool->queries[i], NULL)
		        != SQLITE_OK)
			return spool_fault(spool, fault);
	return true;
}

/* Whose spool this is: made on the first start, compared on every other. */
static bool spool_identify(
        struct spool *spool, const char *village_code, struct fault *fault)
{
	sqlite3_stmt *statement;
	char fresh[UUID_TEXT_BYTES];
	bool ok;

	identity_random(fresh);
	if (sqlite3_prepare_v2(spool->db,
	            "INSERT INTO node VALUES (1, ?, ?, ?) ON CONFLICT DO UPDATE SET "
	            "one = 1 "
	            "RETURNING village_code, incarnation",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_text(statement, 1, village_code, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, fresh, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, clock_wall_us());
	if (sqlite3_step(statement) != SQLITE_ROW)
		ok = spool_fault(spool, fault);
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), village_code)
	         != 0)
		ok = fault_set(fault, FAULT_STOP,
		        "spool %s belongs to village %.13s; set spool to another path",
		        spool->path, sqlite3_column_text(statement, 0));
	else {
		snprintf(spool->incarnation, sizeof spool->incarnation, "%s",
		        sqlite3_column_text(statement, 1));
		ok = true;
	}
	sqlite3_finalize(statement);
	return ok;
}

static bool stream_open(struct spool *spool, struct stream *stream, const char *topic,
        struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok;

	snprintf(stream->topic, sizeof stream->topic, "%s", topic);
	if (sqlite3_prepare_v2(spool->db,
	            "INSERT INTO stream (incarnation, topic) VALUES (?, ?) "
	            "ON CONFLICT DO UPDATE SET topic = excluded.topic "
	            "RETURNING id, next_seq - 1, delivered_seq",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_text(statement, 1, spool->incarnation, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, topic, -1, SQLITE_STATIC);
	ok = sqlite3_step(statement) == SQLITE_ROW || spool_fault(spool, fault);
	if (ok) {
		stream->id = sqlite3_column_int64(statement, 0);
		stream->now = (struct spool_stream){ .topic = stream->topic,
			.last_seq = sqlite3_column_int64(statement, 1),
			.delivered_seq = sqlite3_column_int64(statement, 2) };
		stream->committed = stream->now;
	}
	sqlite3_finalize(statement);
	return ok;
}

static bool spool_start(struct spool *spool, const char *village_code,
        const char *const *topics, size_t topic_count, struct fault *fault)
{
	if (!spool_connect(spool, fault) || !spool_prepare(spool, fault)
	        || !spool_identify(spool, village_code, fault))
		return false;
	for (size_t i = 0; i < topic_count; i++)
		if (!stream_open(spool, &spool->streams[i], topics[i], fault))
			return false;
	spool->stream_count = topic_count;
	return true;
}

bool spool_open(struct spool **out, const char *path, const char *village_code,
        const char *const *topics, size_t topic_count, struct fault *fault)
{
	struct spool *spool = calloc(1, sizeof *spool);

	if (spool == NULL)
		return fault_memory(fault);
	assert(topic_count <= MAX_STREAMS);
	snprintf(spool->path, sizeof spool->path, "%s", path);
	if (!spool_start(spool, village_code, topics, topic_count, fault)) {
		spool_close(&spool);
		return fault_wrap(fault, "open %s", path);
	}
	*out = spool;
	return true;
}

void spool_close(struct spool **spool)
{
	struct spool *old = *spool;

	if (old == NULL)
		return;
	for (int i = 0; i < QUERY_COUNT; i++)
		sqlite3_finalize(old->queries[i]);
	sqlite3_close(old->db);
	buffer_clear(&old->value);
	free(old);
	*spool = NULL;
}

const char *spool_incarnation(const struct spool *spool)
{
	return spool->incarnation;
}

const struct spool_stream *spool_stream(const struct spool *spool, size_t stream)
{
	return &spool->streams[stream].committed;
}

bool spool_begin(struct spool *spool, struct fault *fault)
{
	return query_run(spool, QUERY_BEGIN, fault);
}

static bool write_streams(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_STREAM];

	for (size_t i = 0; i < spool->stream_count; i++) {
		struct stream *stream = &spool->streams[i];

		if (stream->now.last_seq == stream->committed.last_seq
		        && stream->now.delivered_seq == stream->committed.delivered_seq)
			continue;
		sqlite3_bind_int64(statement, 1, stream->now.last_seq + 1);
		sqlite3_bind_int64(statement, 2, stream->now.delivered_seq);
		sqlite3_bind_int64(statement, 3, stream->id);
		if (!query_run(spool, QUERY_STREAM, fault))
			return false;
	}
	return true;
}

bool spool_commit(struct spool *spool, struct fault *fault)
{
	if (!write_streams(spool, fault) || !query_run(spool, QUERY_COMMIT, fault)) {
		spool_rollback(spool);
		return false;
	}
	for (size_t i = 0; i < spool->stream_count; i++)
		spool->streams[i].committed = spool->streams[i].now;
	return true;
}

void spool_rollback(struct spool *spool)
{
	if (sqlite3_get_autocommit(spool->db) == 0)
		sqlite3_exec(spool->db, "ROLLBACK", NULL, NULL, NULL);
	for (size_t i = 0; i < spool->stream_count; i++)
		spool->streams[i].now = spool->streams[i].committed;
}

bool spool_mark(struct spool *spool, struct fault *fault)
{
	for (size_t i = 0; i < spool->stream_count; i++)
		spool->streams[i].marked = spool->streams[i].now;
	return query_run(spool, QUERY_MARK, fault);
}

bool spool_undo(struct spool *spool, struct fault *fault)
{
	for (size_t i = 0; i < spool->stream_count; i++)
		spool->streams[i].now = spool->streams[i].marked;
	return query_run(spool, QUERY_UNDO, fault);
}

static size_t stream_index(const struct spool *spool, int64_t id)
{
	size_t index = 0;

	while (index < spool->stream_count && spool->streams[index].id != id)
		index++;
	return index;
}

/* Fill a receipt from the columns stream, seq, event_id, recorded_at. */
static bool read_receipt(
        const struct spool *spool, sqlite3_stmt *statement, struct spool_receipt *out)
{
	struct bytes id = column_bytes(statement, 2);

	*out = (struct spool_receipt){
		.stream = stream_index(spool, sqlite3_column_int64(statement, 0)),
		.seq = sqlite3_column_int64(statement, 1),
		.recorded_at_us = sqlite3_column_int64(statement, 3),
	};
	if (out->stream == spool->stream_count || id.size != 16)
		return false;
	identity_format(id.data, out->event_id);
	if (out->seq <= spool->streams[out->stream].committed.delivered_seq)
		out->state = SPOOL_DELIVERED;
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

/* Whether the draft is a repeat; its first receipt then is in out. */
static bool find_repeat(struct spool *spool, const struct spool_draft *draft,
        bool *found, struct spool_receipt *out, struct fault *fault)
{
	uint8_t digest[32];

	if (!look_up(spool, QUERY_BY_ID, draft->event_id, found, out, digest, fault))
		return false;
	if (!*found && draft->has_alias
	        && !look_up(
	                spool, QUERY_BY_ALIAS, draft->alias, found, out, digest, fault))
		return false;
	out->repeated = *found;
	if (*found && memcmp(digest, draft->digest, sizeof digest) != 0)
		return fault_code(fault, FAULT_REJECT, "key-reused",
		        "the key or event_id was used with another body");
	return true;
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

static bool insert(struct spool *spool, const struct spool_draft *draft, int64_t seq,
        struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_INSERT];

	sqlite3_bind_int64(statement, 1, spool->streams[draft->stream].id);
	sqlite3_bind_int64(statement, 2, seq);
	sqlite3_bind_blob(statement, 3, draft->event_id, 16, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 4, high_of(draft->event_id));
	sqlite3_bind_int64(statement, 5, draft->recorded_at_us);
	sqlite3_bind_blob64(
	        statement, 6, draft->headers.data, draft->headers.size, SQLITE_STATIC);
	sqlite3_bind_blob64(
	        statement, 7, spool->value.data, spool->value.size, SQLITE_STATIC);
	sqlite3_bind_null(statement, 8);
	sqlite3_bind_null(statement, 9);
	sqlite3_bind_null(statement, 10);
	if (draft->repeatable)
		sqlite3_bind_blob(statement, 8, draft->digest, 32, SQLITE_STATIC);
	if (draft->has_alias) {
		sqlite3_bind_blob(statement, 9, draft->alias, 16, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 10, high_of(draft->alias));
	}
	return query_run(spool, QUERY_INSERT, fault);
}

bool spool_append(struct spool *spool, const struct spool_draft *draft,
        struct spool_receipt *out, struct fault *fault)
{
	struct stream *stream = &spool->streams[draft->stream];
	int64_t seq = stream->now.last_seq + 1;
	bool found = false;

	if (draft->repeatable && !find_repeat(spool, draft, &found, out, fault))
		return false;
	if (found)
		return true;
	if (!put_number(spool, draft, seq, fault) || !insert(spool, draft, seq, fault))
		return false;
	stream->now.last_seq = seq;
	*out = (struct spool_receipt){ .stream = draft->stream,
		.seq = seq,
		.recorded_at_us = draft->recorded_at_us };
	identity_format(draft->event_id, out->event_id);
	return true;
}

void spool_delivered(struct spool *spool, size_t stream, int64_t seq)
{
	struct spool_stream *now = &spool->streams[stream].now;

	assert(seq <= now->last_seq);
	if (seq > now->delivered_seq)
		now->delivered_seq = seq;
}

bool spool_read(struct spool *spool, size_t stream, int64_t after_seq, int limit,
        spool_visitor *visitor, void *context, int64_t *out_seq, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_READ];
	struct spool_row row;
	int result;

	*out_seq = after_seq;
	sqlite3_bind_int64(statement, 1, spool->streams[stream].id);
	sqlite3_bind_int64(statement, 2, after_seq);
	sqlite3_bind_int(statement, 3, limit);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		row.seq = sqlite3_column_int64(statement, 0);
		identity_format(column_bytes(statement, 1).data, row.event_id);
		row.recorded_at_us = sqlite3_column_int64(statement, 2);
		row.headers = column_bytes(statement, 3);
		row.value = column_bytes(statement, 4);
		if (!visitor(context, &row))
			break;
		*out_seq = row.seq;
	}
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_reset(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool spool_find(struct spool *spool, const uint8_t event_id[16], bool *found,
        struct spool_receipt *out, struct fault *fault)
{
	return look_up(spool, QUERY_BY_ID, event_id, found, out, NULL, fault);
}

static bool list_stream(struct spool *spool, const struct stream *stream,
        bool pending_only, struct spool_receipt *out, size_t room, size_t *count,
        struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT stream, seq, event_id, recorded_at FROM event WHERE stream "
	            "= ? "
	            "AND seq > ? ORDER BY seq DESC LIMIT ?",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, stream->id);
	sqlite3_bind_int64(
	        statement, 2, pending_only ? stream->committed.delivered_seq : 0);
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
	size_t total = room * spool->stream_count;
	struct spool_receipt *all = calloc(total + 1, sizeof *all);
	bool ok = all != NULL || fault_memory(fault);

	*count = 0;
	for (size_t i = 0; ok && i < spool->stream_count; i++)
		ok = list_stream(spool, &spool->streams[i], pending_only, all,
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

	if (*oldest == 0 || row->recorded_at_us < *oldest)
		*oldest = row->recorded_at_us;
	return false;
}

bool spool_status(struct spool *spool, struct spool_status *out, struct fault *fault)
{
	char path[PATH_BYTES + 8];
	struct statvfs disk;
	struct stat file;
	int64_t seq;

	*out = (struct spool_status){ 0 };
	for (size_t i = 0; i < spool->stream_count; i++) {
		const struct spool_stream *stream = &spool->streams[i].committed;

		out->pending += stream->last_seq - stream->delivered_seq;
		if (stream->last_seq > stream->delivered_seq
		        && !spool_read(spool, i, stream->delivered_seq, 1, note_oldest,
		                &out->oldest_pending_us, &seq, fault))
			return false;
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

bool spool_expire(
        struct spool *spool, int64_t before_us, int limit, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_EXPIRE];

	for (size_t i = 0; i < spool->stream_count; i++) {
		sqlite3_bind_int64(statement, 1, spool->streams[i].id);
		sqlite3_bind_int64(
		        statement, 2, spool->streams[i].committed.delivered_seq);
		sqlite3_bind_int64(statement, 3, before_us);
		sqlite3_bind_int(statement, 4, limit);
		if (!query_run(spool, QUERY_EXPIRE, fault))
			return false;
	}
	return true;
}

bool spool_checkpoint(struct spool *spool, bool idle, struct fault *fault)
{
	if (spool->log_pages < (idle ? IDLE_PAGES : BUSY_PAGES))
		return true;
	if (sqlite3_wal_checkpoint_v2(
	            spool->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	spool->log_pages = 0;
	return true;
}
