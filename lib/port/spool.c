/* SPDX-License-Identifier: MIT */
/*
 * SQLite in WAL mode with synchronous=FULL: COMMIT returns after the log is synced, and
 * a commit that did not return never was. The counters of the streams are kept in
 * memory and written with the group; a rollback takes them back too, which is why the
 * numbers have no gap.
 *
 * Each row carries a digest of all that it says, and each stream a chain over them. The
 * head of each chain is written to a second file after the commit: what the two say of
 * each other is compared when the spool is opened, and a row's digest before it is
 * shown to anybody.
 *
 * One connection only: 3.40.1 has a fault in resetting the log that needs two.
 */
#include "port/spool_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/clock.h"
#include "base/embedded.h"

enum {
	IDLE_PAGES = 1024, /* 4 MiB of log */
	ENDING_MS = 3000,
	BUSY_PAGES = 4 * 1024, /* 16 MiB */
};

extern const struct embedded embedded_spool[];

static const char *const query_texts[QUERY_COUNT] = {
	[QUERY_BEGIN] = "BEGIN IMMEDIATE",
	[QUERY_COMMIT] = "COMMIT",
	[QUERY_MARK] = "SAVEPOINT unit",
	[QUERY_UNDO] = "ROLLBACK TO unit",
	[QUERY_INSERT] =
	        "INSERT INTO event (stream, seq, event_id, id_high, recorded_at, "
	        "headers, value, digest, alias, alias_high, sum, reason) "
	        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[QUERY_BY_ID] =
	        "SELECT stream, seq, event_id, recorded_at, digest, reason FROM event "
	        "WHERE id_high = ?2 AND event_id = ?1",
	[QUERY_BY_ALIAS] =
	        "SELECT stream, seq, event_id, recorded_at, digest, reason FROM event "
	        "WHERE alias_high = ?2 AND alias = ?1",
	[QUERY_READ] = "SELECT " ROW_COLUMNS " FROM event "
	               "WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
	[QUERY_STREAM] =
	        "UPDATE stream SET next_seq = ?, delivered_seq = ?, chain = ?, "
	        "sum = ?, topic_offset = ?, again_seq = ?, again_to = ? "
	        "WHERE id = ?",
	/* The limit is inside: looking for old rows must not read all the young ones.
	 */
	[QUERY_EXPIRE] =
	        "DELETE FROM event WHERE stream = ?1 AND seq IN (SELECT seq FROM event "
	        "WHERE stream = ?1 AND seq <= min(?2, (SELECT coalesce(max(last_seq), "
	        "0) FROM day WHERE stream = ?1 AND day < ?3)) ORDER BY seq LIMIT ?4)",
	[QUERY_ROW] = "SELECT " ROW_COLUMNS " FROM event WHERE stream = ? AND seq = ?",
	[QUERY_VOID] = "UPDATE event SET headers = ?, value = ?, reason = ?, sum = ? "
	               "WHERE stream = ? AND seq = ?",
	[QUERY_DAY] = "INSERT INTO day (day, stream, last_seq) VALUES (?, ?, ?) "
	              "ON CONFLICT DO NOTHING",
	[QUERY_MISS] = "INSERT INTO missing VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
	               "to_seq = max(to_seq, excluded.to_seq)",
};

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
	case SQLITE_IOERR:
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

static bool spool_run(struct spool *spool, const char *sql, struct fault *fault)
{
	return sqlite3_exec(spool->db, sql, NULL, NULL, NULL) == SQLITE_OK
	       || spool_fault(spool, fault);
}

/* Run a prepared statement that gives no rows. */
bool spool_query(struct spool *spool, enum query query, struct fault *fault)
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

static void node_sum(
        const char *village_code, const char *incarnation, uint8_t sum[DIGEST_BYTES])
{
	struct bytes pieces[] = { bytes_of(village_code), bytes_of(incarnation) };

	digest_of(pieces, 2, sum);
}

/* The row of the table node, if it is what was written. */
static bool node_read(struct spool *spool, sqlite3_stmt *statement,
        const char *village_code, struct fault *fault)
{
	const char *village = (const char *)sqlite3_column_text(statement, 0);
	const char *incarnation = (const char *)sqlite3_column_text(statement, 1);
	struct bytes stored = column_bytes(statement, 2);
	uint8_t sum[DIGEST_BYTES];

	if (village == NULL || incarnation == NULL)
		return fault_memory(fault);
	node_sum(village, incarnation, sum);
	if (stored.size != sizeof sum || memcmp(stored.data, sum, sizeof sum) != 0)
		return fault_code(fault, FAULT_STOP, "damaged",
		        "spool: it does not say whose it is");
	if (strcmp(village, village_code) != 0)
		return fault_set(fault, FAULT_STOP,
		        "spool %s belongs to village %.13s; set spool to another path",
		        spool->path, village);
	snprintf(spool->incarnation, sizeof spool->incarnation, "%s", incarnation);
	return true;
}

/* Whose spool this is: made on the first start, compared on every other. */
static bool spool_identify(
        struct spool *spool, const char *village_code, struct fault *fault)
{
	sqlite3_stmt *statement;
	char fresh[UUID_TEXT_BYTES];
	uint8_t sum[DIGEST_BYTES];
	bool ok;

	identity_random(fresh);
	node_sum(village_code, fresh, sum);
	if (sqlite3_prepare_v2(spool->db,
	            "INSERT INTO node VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
	            "SET one = 1 RETURNING village_code, incarnation, sum",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_text(statement, 1, village_code, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, fresh, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, clock_wall_us());
	sqlite3_bind_blob(statement, 4, sum, sizeof sum, SQLITE_STATIC);
	ok = sqlite3_step(statement) == SQLITE_ROW
	             ? node_read(spool, statement, village_code, fault)
	             : spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return ok;
}

void lane_sum(const char *incarnation, const char *topic,
        const struct progress *progress, uint8_t sum[DIGEST_BYTES])
{
	const int64_t numbers[] = { progress->stream.last_seq,
		progress->stream.delivered_seq, progress->stream.offset };
	struct bytes pieces[] = { bytes_of(incarnation), bytes_of(topic),
		{ (const uint8_t *)numbers, sizeof numbers },
		{ progress->chain, DIGEST_BYTES } };

	digest_of(pieces, 4, sum);
}

static bool take_lane(struct lane *lane, sqlite3_stmt *statement, struct fault *fault)
{
	struct bytes chain = column_bytes(statement, 3);
	struct bytes stored = column_bytes(statement, 4);
	uint8_t sum[DIGEST_BYTES];

	lane->id = sqlite3_column_int64(statement, 0);
	lane->now.stream = (struct spool_stream){ .topic = lane->topic,
		.incarnation = lane->incarnation,
		.last_seq = sqlite3_column_int64(statement, 1),
		.delivered_seq = sqlite3_column_int64(statement, 2),
		.offset = sqlite3_column_int64(statement, 5),
		.again_seq = sqlite3_column_int64(statement, 6),
		.again_to = sqlite3_column_int64(statement, 7) };
	memset(lane->now.chain, 0, DIGEST_BYTES);
	if (chain.size == DIGEST_BYTES)
		memcpy(lane->now.chain, chain.data, DIGEST_BYTES);
	lane->committed = lane->now;
	lane_sum(lane->incarnation, lane->topic, &lane->now, sum);
	if (stored.size == sizeof sum
	                ? memcmp(stored.data, sum, sizeof sum) == 0
	                : stored.size == 0 && lane->now.stream.last_seq == 0)
		return true;
	return fault_code(fault, FAULT_STOP, "damaged",
	        "spool: the numbers of %s are not those that were written",
	        lane->topic);
}

bool lane_open(struct spool *spool, const char *incarnation, const char *topic,
        struct fault *fault)
{
	struct lane *lane = &spool->lanes[spool->lane_count];
	sqlite3_stmt *statement;
	bool ok;

	if (spool->lane_count == HEAD_STREAMS)
		return fault_set(
		        fault, FAULT_STOP, "spool: more than %d streams", HEAD_STREAMS);
	snprintf(lane->topic, sizeof lane->topic, "%s", topic);
	snprintf(lane->incarnation, sizeof lane->incarnation, "%s", incarnation);
	head_name(incarnation, topic, lane->name);
	if (sqlite3_prepare_v2(spool->db,
	            "INSERT INTO stream (incarnation, topic) VALUES (?, ?) "
	            "ON CONFLICT DO UPDATE SET topic = excluded.topic "
	            "RETURNING id, next_seq - 1, delivered_seq, chain, sum, "
	            "topic_offset, again_seq, again_to",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_text(statement, 1, incarnation, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, topic, -1, SQLITE_STATIC);
	ok = sqlite3_step(statement) == SQLITE_ROW ? take_lane(lane, statement, fault)
	                                           : spool_fault(spool, fault);
	sqlite3_finalize(statement);
	spool->lane_count += ok;
	return ok;
}

/* Streams of earlier lives: some still have something to send, all have receipts. */
static bool open_old_lanes(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = true;
	int result = SQLITE_DONE;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT incarnation, topic FROM stream WHERE incarnation <> ? "
	            "ORDER BY id DESC LIMIT ?",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_text(statement, 1, spool->incarnation, -1, SQLITE_STATIC);
	sqlite3_bind_int64(
	        statement, 2, (int64_t)(HEAD_STREAMS / 2 - spool->lane_count));
	while (ok && (result = sqlite3_step(statement)) == SQLITE_ROW)
		ok = lane_open(spool, (const char *)sqlite3_column_text(statement, 0),
		        (const char *)sqlite3_column_text(statement, 1), fault);
	if (ok && result != SQLITE_DONE)
		ok = spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return ok;
}

static struct lane *find_lane(struct spool *spool, const uint8_t name[HEAD_NAME_BYTES])
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (memcmp(spool->lanes[i].name, name, HEAD_NAME_BYTES) == 0)
			return &spool->lanes[i];
	return NULL;
}

/* Rows after the witness's number were committed and not answered; they must chain on.
 */
static bool chains_on(struct spool *spool, const struct lane *lane,
        const struct head_entry *entry, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_READ];
	uint8_t chain[DIGEST_BYTES];
	struct row row = { .seq = entry->seq };
	int result;

	memcpy(chain, entry->chain, sizeof chain);
	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, entry->seq);
	sqlite3_bind_int64(statement, 3, INT64_MAX);
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		row_read(statement, &row);
		struct bytes links[] = { { chain, sizeof chain }, row.sum };

		digest_of(links, 2, chain);
	}
	if (result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_reset(statement);
	return result == SQLITE_DONE
	       && memcmp(chain, lane->now.chain, sizeof chain) == 0;
}

/* The oldest lives are no lanes any more. */
static bool stands_in_table(
        struct spool *spool, const struct head_entry *entry, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool found = false;
	uint8_t name[HEAD_NAME_BYTES];

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT incarnation, topic FROM stream WHERE next_seq > ?", -1,
	            &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_int64(statement, 1, entry->seq);
	while (!found && sqlite3_step(statement) == SQLITE_ROW) {
		head_name((const char *)sqlite3_column_text(statement, 0),
		        (const char *)sqlite3_column_text(statement, 1), name);
		found = memcmp(name, entry->name, sizeof name) == 0;
	}
	sqlite3_finalize(statement);
	return found;
}

/* What the witness says against what the file holds. */
static bool agrees(
        struct spool *spool, const struct head_entry *entry, struct fault *fault)
{
	struct lane *lane = find_lane(spool, entry->name);
	int64_t last = lane ? lane->now.stream.last_seq : 0;

	if (lane == NULL && stands_in_table(spool, entry, fault))
		return true;
	if (lane == NULL || last < entry->seq)
		return fault_code(fault, FAULT_STOP, "damaged",
		        "spool: it ends at number %lld, %lld was answered for",
		        (long long)last, (long long)entry->seq);
	fault_clear(fault);
	if (chains_on(spool, lane, entry, fault))
		return true;
	return fault->kind != FAULT_NONE
	       || fault_code(fault, FAULT_STOP, "damaged",
	               "spool: number %lld is not the one that was answered for",
	               (long long)entry->seq);
}

static bool is_empty(const struct spool *spool)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (spool->lanes[i].now.stream.last_seq > 0)
			return false;
	return true;
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

static bool compare_with_head(struct spool *spool, struct fault *fault)
{
	struct head_entry entries[HEAD_STREAMS];
	char path[SPOOL_PATH_BYTES + 8];
	size_t count;

	snprintf(path, sizeof path, "%s.head", spool->path);
	if (!head_open(&spool->head, path, fault))
		return false;
	if (!head_read(spool->head, entries, &count) && !is_empty(spool))
		return fault_code(fault, FAULT_STOP, "damaged",
		        "spool: its second witness %s is gone", path);
	for (size_t i = 0; i < count; i++)
		if (entries[i].seq > 0 && !agrees(spool, &entries[i], fault))
			return false;
	spool->unwitnessed = true;
	return spool_witness(spool, fault);
}

static bool read_newest_day(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT day FROM day ORDER BY id DESC LIMIT 1", -1, &statement,
	            NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		spool->newest_day = sqlite3_column_int(statement, 0);
	else if (result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

static bool spool_start(struct spool *spool, const char *village_code,
        const char *const *topics, size_t topic_count, struct fault *fault)
{
	if (!spool_connect(spool, fault) || !spool_prepare(spool, fault)
	        || !spool_identify(spool, village_code, fault))
		return false;
	for (size_t i = 0; i < topic_count; i++)
		if (!lane_open(spool, spool->incarnation, topics[i], fault))
			return false;
	return open_old_lanes(spool, fault) && read_newest_day(spool, fault)
	       && compare_with_head(spool, fault) && salvage_open(spool, fault);
}

static bool open_once(struct spool **out, const char *path, const char *village_code,
        const char *const *topics, size_t topic_count, struct fault *fault)
{
	struct spool *spool = calloc(1, sizeof *spool);

	if (spool == NULL)
		return fault_memory(fault);
	snprintf(spool->path, sizeof spool->path, "%s", path);
	if (!spool_start(spool, village_code, topics, topic_count, fault)) {
		spool_close(&spool);
		return fault_wrap(fault, "open %s", path);
	}
	*out = spool;
	return true;
}

/* One that was killed may still be ending, while its last sync is under way. */
static bool open_patiently(struct spool **out, const char *path,
        const char *village_code, const char *const *topics, size_t topic_count,
        struct fault *fault)
{
	static const struct timespec moment = { .tv_nsec = 50000000 };
	int64_t until_us = clock_monotonic_us() + ENDING_MS * 1000;

	while (!open_once(out, path, village_code, topics, topic_count, fault)) {
		if (strcmp(fault->code, "busy") != 0 || clock_monotonic_us() > until_us)
			return false;
		fault_clear(fault);
		nanosleep(&moment, NULL);
	}
	return true;
}

bool spool_open(struct spool **out, const char *path, const char *village_code,
        const char *const *topics, size_t topic_count, struct fault *fault)
{
	struct fault aside;

	if (open_patiently(out, path, village_code, topics, topic_count, fault))
		return true;
	if (strcmp(fault->code, "damaged") != 0)
		return false;
	if (!spool_set_aside(path, fault->text, &aside)) {
		*fault = aside;
		return false;
	}
	fault_clear(fault);
	return open_patiently(out, path, village_code, topics, topic_count, fault);
}

void spool_close(struct spool **spool)
{
	struct spool *old = *spool;
	struct fault ignored;

	if (old == NULL)
		return;
	/* A head that is behind is no fault. */
	if (!spool_witness(old, &ignored))
		fault_clear(&ignored);
	for (int i = 0; i < QUERY_COUNT; i++)
		sqlite3_finalize(old->queries[i]);
	sqlite3_close(old->db);
	salvage_close(old);
	head_close(&old->head);
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

static bool write_lanes(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_STREAM];
	uint8_t sum[DIGEST_BYTES];

	for (size_t i = 0; i < spool->lane_count; i++) {
		struct lane *lane = &spool->lanes[i];
		const struct spool_stream *now = &lane->now.stream;
		const struct spool_stream *old = &lane->committed.stream;

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

/* The event that has the id, as its own or as the one derived from its key. */
static bool look_up_both(struct spool *spool, const uint8_t id[16], bool *found,
        struct spool_receipt *out, uint8_t digest[32], struct fault *fault)
{
	if (!look_up(spool, QUERY_BY_ID, id, found, out, digest, fault))
		return false;
	return *found || look_up(spool, QUERY_BY_ALIAS, id, found, out, digest, fault);
}

/* Whether the draft is a repeat; its first receipt then is in out. */
static bool find_repeat(struct spool *spool, const struct spool_draft *draft,
        bool *found, struct spool_receipt *out, struct fault *fault)
{
	uint8_t digest[32];

	if (!look_up_both(spool, draft->event_id, found, out, digest, fault))
		return false;
	if (!*found && draft->has_alias
	        && !look_up_both(spool, draft->alias, found, out, digest, fault))
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

bool spool_rewind(struct spool *spool, size_t stream, struct fault *fault)
{
	struct lane *lane = &spool->lanes[stream];
	sqlite3_stmt *statement;
	int64_t first;
	int result;

	if (sqlite3_prepare_v2(spool->db, "SELECT min(seq) FROM event WHERE stream = ?",
	            -1, &statement, NULL)
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
	return result == SQLITE_ROW;
}

static bool damaged(const struct lane *lane, int64_t seq, struct fault *fault)
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
	bind_bytes(statement, 1, headers);
	bind_bytes(statement, 2, value);
	bind_reason(statement, 3, reason);
	sqlite3_bind_blob(statement, 4, sum, sizeof sum, SQLITE_TRANSIENT);
	sqlite3_bind_int64(statement, 5, lane->id);
	sqlite3_bind_int64(statement, 6, row->seq);
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
	             : damaged(lane, seq, fault);
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
	return found || damaged(lane, from_seq, fault);
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
		return damaged(lane, row.seq, fault);
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
		damaged(lane, *out_seq + 1, fault);
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
	            "FROM event WHERE stream = ? "
	            "AND seq > ? ORDER BY seq DESC LIMIT ?",
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

	*out = (struct spool_status){ 0 };
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
		if (!spool_query(spool, QUERY_EXPIRE, fault))
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
