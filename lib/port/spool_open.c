/* SPDX-License-Identifier: MIT */
/*
 * From a path to a spool that can be believed: the file, whose it is, its streams, and
 * what the second witness says against them. Opening is the one way in which damage is
 * dealt with: what does not agree is set aside (spool_salvage.c) and opened anew.
 */
#include "port/spool_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/embedded.h"

enum { ENDING_MS = 3000 };

extern const struct embedded embedded_spool[];

static const char *const file_suffixes[SPOOL_FILES] = {
	[SPOOL_FILE] = "", [SPOOL_LOG] = "-wal", [SPOOL_HEAD] = ".head"
};

static const char *const query_texts[QUERY_COUNT] = {
	[QUERY_BEGIN] = "BEGIN IMMEDIATE",
	[QUERY_COMMIT] = "COMMIT",
	[QUERY_MARK] = "SAVEPOINT unit",
	[QUERY_UNDO] = "ROLLBACK TO unit",
	[QUERY_INSERT] =
	        "INSERT INTO event (place, event_id, id_high, recorded_at, headers, "
	        "value, digest, alias, alias_high, sum, reason) VALUES (" ROW_PLACE
	        ", ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[QUERY_BY_ID] =
	        "SELECT stream, seq, event_id, recorded_at, digest, reason FROM event "
	        "WHERE id_high = ?2 AND event_id = ?1",
	[QUERY_BY_ALIAS] =
	        "SELECT stream, seq, event_id, recorded_at, digest, reason FROM event "
	        "WHERE alias_high = ?2 AND alias = ?1",
	[QUERY_BY_KEY] =
	        "SELECT stream, seq, event_id, recorded_at, digest, reason FROM key "
	        "JOIN event USING (place) WHERE key.alias = ?1 AND ?2 IS NOT NULL",
	[QUERY_KEY] =
	        "INSERT INTO key VALUES (?3, " ROW_PLACE ") ON CONFLICT DO NOTHING",
	[QUERY_KEYS] = "DELETE FROM key WHERE place NOT IN (SELECT place FROM event)",
	[QUERY_READ] = "SELECT " ROW_COLUMNS " FROM event "
	               "WHERE " ROWS_AFTER " ORDER BY place LIMIT ?3",
	[QUERY_STREAM] =
	        "UPDATE stream SET next_seq = ?, delivered_seq = ?, chain = ?, "
	        "sum = ?, topic_offset = ?, again_seq = ?, again_to = ? "
	        "WHERE id = ?",
	[QUERY_ANCHOR] = "INSERT INTO anchor VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
	                 "SET topic_offset = excluded.topic_offset, "
	                 "appended_at = excluded.appended_at, seen = excluded.seen",
	/* The limit is inside: looking for old rows must not read all the young ones.
	 */
	[QUERY_EXPIRE] =
	        "DELETE FROM event WHERE place IN (SELECT place FROM event WHERE "
	        "place > ?1 << 44 AND place <= (?1 << 44) + min(?2, (SELECT "
	        "coalesce(max(last_seq), 0) FROM day WHERE stream = ?1 AND day < ?3)) "
	        "ORDER BY place LIMIT ?4)",
	[QUERY_ROW] = "SELECT " ROW_COLUMNS " FROM event WHERE place = " ROW_PLACE,
	[QUERY_VOID] =
	        "UPDATE event SET headers = ?3, value = ?4, reason = ?5, sum = ?6 "
	        "WHERE place = " ROW_PLACE,
	[QUERY_DAY] = "INSERT INTO day (day, stream, last_seq) VALUES (?, ?, ?) "
	              "ON CONFLICT DO NOTHING",
	[QUERY_MISS] = "INSERT INTO missing VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
	               "to_seq = max(to_seq, excluded.to_seq)",
};

static int note_log(void *context, sqlite3 *db, const char *name, int pages)
{
	struct spool *spool = context;

	(void)db;
	(void)name;
	spool->log_pages = pages;
	if (spool->log_room_pages < pages)
		spool->log_room_pages = pages;
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

/* Until the second witness has agreed, closing leaves the log as it is. */
static void keep_closed_log(const struct spool *spool, bool keep)
{
	sqlite3_db_config(
	        spool->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)keep, (int *)NULL);
}

/* The lock is taken by the first write; now is when to learn of another. */
static bool lock_spool(struct spool *spool, struct fault *fault)
{
	if (!spool_run(spool, "BEGIN IMMEDIATE", fault))
		return false;
	log_keep(spool->path);
	return spool_run(spool, "COMMIT", fault);
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

	keep_closed_log(spool, true);
	ok = ok && spool_run(spool, pragmas, fault) && lock_spool(spool, fault)
	     && journal_is_wal(spool, fault)
	     && spool_run(spool,
	             "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
	             "PRAGMA journal_size_limit=67108864;",
	             fault)
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

/* Whether the lists have a word in common; an empty one says nothing. */
static bool may_be_same(const char *words, const char *others)
{
	size_t size;

	if (*words == '\0' || *others == '\0')
		return true;
	for (; *words != '\0'; words += size + (words[size] == ' ')) {
		size = strcspn(words, " ");
		for (const char *at = others; *at != '\0';) {
			size_t other = strcspn(at, " ");

			if (other == size && memcmp(words, at, size) == 0)
				return true;
			at += other + (at[other] == ' ');
		}
	}
	return false;
}

/* Where it lived before, if that is known, is not here. */
static bool lived_elsewhere(struct spool *spool, const char *machine, int64_t inode,
        bool *out, struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	*out = false;
	if (sqlite3_prepare_v2(
	            spool->db, "SELECT machine, inode FROM home", -1, &statement, NULL)
	        != SQLITE_OK)
		return spool_fault(spool, fault);
	result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 1) != inode
		       || !may_be_same((const char *)sqlite3_column_text(statement, 0),
		               machine);
	else if (result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

static bool run_with(struct spool *spool, const char *sql, const char *text,
        int64_t number, const uint8_t *sum, struct fault *fault)
{
	sqlite3_stmt *statement;
	int result;

	if (sqlite3_prepare_v2(spool->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return spool_fault(spool, fault);
	sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, number);
	if (sum != NULL)
		sqlite3_bind_blob(statement, 3, sum, DIGEST_BYTES, SQLITE_STATIC);
	result = sqlite3_step(statement);
	if (result != SQLITE_DONE)
		spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return result == SQLITE_DONE;
}

static bool begin_life(
        struct spool *spool, const char *village_code, struct fault *fault)
{
	uint8_t sum[DIGEST_BYTES];

	identity_random(spool->incarnation);
	node_sum(village_code, spool->incarnation, sum);
	return run_with(spool,
	        "UPDATE node SET incarnation = ?, created_at = ?, sum = ?",
	        spool->incarnation, clock_wall_us(), sum, fault);
}

static bool open_head(struct spool *spool, struct fault *fault)
{
	char path[SPOOL_PATH_BYTES + 8];

	snprintf(path, sizeof path, "%s.head", spool->path);
	return head_open(&spool->head, path, fault);
}

/*
 * The first machine may go on giving numbers in the life that both know of, so that a
 * copy takes one of its own; an older copy that was put back would give numbers again
 * that it gave before. The words of the first day stay: one that was not there
 * then, such as of a card that is carried from machine to machine, proves nothing.
 */
static bool settle(struct spool *spool, const char *village_code, const char *machine,
        struct fault *fault)
{
	struct stat file;
	int64_t inode;

	if (machine == NULL)
		return true;
	inode = stat(spool->path, &file) == 0 ? (int64_t)file.st_ino : 0;
	if (!lived_elsewhere(spool, machine, inode, &spool->is_copy, fault))
		return false;
	spool->is_put_back = !spool->is_copy && head_was_touched(spool->head);
	return spool_run(spool, "BEGIN IMMEDIATE", fault)
	       && ((!spool->is_copy && !spool->is_put_back)
	               || begin_life(spool, village_code, fault))
	       && run_with(spool,
	               spool->is_copy
	                       ? "UPDATE home SET machine = ?, inode = ?"
	                       : "INSERT INTO home VALUES (1, ?, ?) ON CONFLICT DO "
	                         "UPDATE SET machine = excluded.machine "
	                         "WHERE home.machine = ''",
	               machine, inode, NULL, fault)
	       && spool_run(spool, "COMMIT", fault);
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
		.again_to = sqlite3_column_int64(statement, 7),
		.anchor = { sqlite3_column_int64(statement, 8),
		        sqlite3_column_int64(statement, 9),
		        sqlite3_column_int(statement, 10) != 0 } };
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
	            "topic_offset, again_seq, again_to, "
	            "coalesce((SELECT topic_offset FROM anchor WHERE stream = id), "
	            "-1), "
	            "(SELECT appended_at FROM anchor WHERE stream = id), "
	            "(SELECT seen FROM anchor WHERE stream = id)",
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

static bool note_hidden(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = sqlite3_prepare_v2(spool->db,
	                  "SELECT coalesce(sum(next_seq - 1 - delivered_seq), 0) "
	                  "FROM stream",
	                  -1, &statement, NULL)
	                  == SQLITE_OK
	          && sqlite3_step(statement) == SQLITE_ROW;

	spool->hidden = ok ? sqlite3_column_int64(statement, 0) : 0;
	for (size_t i = 0; i < spool->lane_count; i++)
		spool->hidden -= spool->lanes[i].now.stream.last_seq
		                 - spool->lanes[i].now.stream.delivered_seq;
	ok = ok || spool_fault(spool, fault);
	sqlite3_finalize(statement);
	return ok;
}

/*
 * Streams of earlier lives: some still have something to send, all have receipts. Where
 * there are too many, first those that have something to send, the oldest first.
 */
static bool open_old_lanes(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = true;
	int result = SQLITE_DONE;

	if (sqlite3_prepare_v2(spool->db,
	            "SELECT incarnation, topic FROM stream WHERE incarnation <> ? "
	            "ORDER BY delivered_seq < next_seq - 1 DESC, "
	            "CASE WHEN delivered_seq < next_seq - 1 THEN id ELSE -id END "
	            "LIMIT ?",
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
	return ok && note_hidden(spool, fault);
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

static bool compare_with_head(struct spool *spool, struct fault *fault)
{
	struct head_entry entries[HEAD_STREAMS];
	size_t count;

	if (!head_read(spool->head, entries, &count) && !is_empty(spool))
		return fault_code(fault, FAULT_STOP, "damaged",
		        "spool: its second witness %s.head is gone", spool->path);
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

static bool file_of(const struct spool *spool, size_t file, struct stat *out)
{
	char path[SPOOL_PATH_BYTES + 8];

	snprintf(path, sizeof path, "%s%s", spool->path, file_suffixes[file]);
	return stat(path, out) == 0;
}

/* What must still be there while the spool is open. */
static void note_files(struct spool *spool)
{
	struct stat info;

	for (size_t i = 0; i < SPOOL_FILES; i++)
		spool->files[i] = file_of(spool, i, &info) ? info.st_ino : 0;
	if (file_of(spool, SPOOL_LOG, &info))
		spool->log_room_pages = log_pages_in(info.st_size);
}

static bool spool_start(struct spool *spool, const char *village_code,
        const char *machine, const char *const *topics, size_t topic_count,
        struct fault *fault)
{
	if (!spool_has_disk(spool->path, fault) || !spool_has_files(spool->path, fault))
		return false;
	if (log_is_alone(spool->path))
		return fault_code(fault, FAULT_STOP, "damaged",
		        "spool: its file is gone, its log is there");
	if (!spool_connect(spool, fault) || !spool_prepare(spool, fault)
	        || !spool_identify(spool, village_code, fault)
	        || !open_head(spool, fault)
	        || !settle(spool, village_code, machine, fault))
		return false;
	for (size_t i = 0; i < topic_count; i++)
		if (!lane_open(spool, spool->incarnation, topics[i], fault))
			return false;
	return open_old_lanes(spool, fault) && read_newest_day(spool, fault)
	       && compare_with_head(spool, fault) && salvage_open(spool, fault);
}

static bool open_once(struct spool **out, const char *path, const char *village_code,
        const char *machine, const char *const *topics, size_t topic_count,
        struct fault *fault)
{
	struct spool *spool = calloc(1, sizeof *spool);

	if (spool == NULL)
		return fault_memory(fault);
	snprintf(spool->path, sizeof spool->path, "%s", path);
	if (!spool_start(spool, village_code, machine, topics, topic_count, fault)) {
		spool_close(&spool);
		if (strcmp(fault->code, "damaged") != 0)
			log_forget(path);
		return fault_wrap(fault, "open %s", path);
	}
	log_forget(path);
	keep_closed_log(spool, false);
	note_files(spool);
	*out = spool;
	return true;
}

/* One that was killed may still be ending, while its last sync is under way. */
static bool open_patiently(struct spool **out, const char *path,
        const char *village_code, const char *machine, const char *const *topics,
        size_t topic_count, struct fault *fault)
{
	static const struct timespec moment = { .tv_nsec = 50000000 };
	int64_t until_us = clock_monotonic_us() + ENDING_MS * 1000;

	while (!open_once(
	        out, path, village_code, machine, topics, topic_count, fault)) {
		if (strcmp(fault->code, "busy") != 0 || clock_monotonic_us() > until_us)
			return false;
		fault_clear(fault);
		nanosleep(&moment, NULL);
	}
	return true;
}

/*
 * Two that find the same damage at once would each set aside what the other has begun.
 * SQLite's own lock is given back between looking and opening anew, so there is one
 * more, for as long as that takes; -1: none, as in a folder that takes no file.
 */
static int lock_opening(const char *path)
{
	char name[SPOOL_PATH_BYTES + 16];
	int fd;

	snprintf(name, sizeof name, "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)flock(fd, LOCK_EX);
	return fd;
}

static bool open_or_begin(struct spool **out, const char *path,
        const char *village_code, const char *machine, const char *const *topics,
        size_t topic_count, struct fault *fault)
{
	struct fault aside;

	if (open_patiently(
	            out, path, village_code, machine, topics, topic_count, fault))
		return true;
	if (strcmp(fault->code, "damaged") != 0)
		return false;
	if (!spool_set_aside(path, fault->text, &aside)) {
		*fault = aside;
		return false;
	}
	fault_clear(fault);
	return open_patiently(
	        out, path, village_code, machine, topics, topic_count, fault);
}

bool spool_open(struct spool **out, const char *path, const char *village_code,
        const char *machine, const char *const *topics, size_t topic_count,
        struct fault *fault)
{
	char real[SPOOL_PATH_BYTES];
	bool ok;
	int lock;

	path_follow(path, real);
	spool_clear_places(real);
	lock = lock_opening(real);
	ok = spool_end_aside(real, fault);
	if (ok) {
		spool_bring_along(path, real);
		ok = open_or_begin(
		        out, real, village_code, machine, topics, topic_count, fault);
	}
	if (lock >= 0)
		close(lock);
	return ok;
}

/* A name of nobody: all that is in it, and in its log, in a file of its own. */
static void write_again(struct spool *spool)
{
	sqlite3_stmt *statement;
	mode_t mask = umask(0077);

	if (sqlite3_prepare_v2(spool->db, "VACUUM INTO ?", -1, &statement, NULL)
	        == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, spool->path, -1, SQLITE_STATIC);
		sqlite3_step(statement);
		sqlite3_finalize(statement);
	}
	umask(mask);
}

bool spool_is_there(struct spool *spool, struct fault *fault)
{
	struct stat info;

	for (size_t i = 0; i < SPOOL_FILES; i++) {
		bool found = file_of(spool, i, &info);

		if (found && info.st_ino == spool->files[i]
		        && (i != SPOOL_LOG || info.st_size >= log_size(spool)))
			continue;
		if (!found && i == SPOOL_FILE)
			write_again(spool);
		return fault_code(fault, FAULT_STOP, "internal",
		        "spool: %s%s was taken away or changed under it", spool->path,
		        file_suffixes[i]);
	}
	return true;
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
