/* SPDX-License-Identifier: MIT */
/*
 * A damaged spool is never repaired in place and never deleted. Its files get another
 * name; a note beside the path says which, until all that can be verified has been
 * carried over into the new spool. The note is written before anything is renamed and
 * removed after the last row is on disk, so a crash at any moment begins again where it
 * was.
 */
#include "port/spool_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LONGEST_SKIP = 4096, NOTE_BYTES = SPOOL_PATH_BYTES + 256 };

/* One stream of what was set aside. */
struct wreck {
	struct lane *lane; /* where its rows go */
	int64_t id;        /* in the damaged file */
	int64_t delivered; /* up to here nothing is missing: the hub has it */
	int64_t at;        /* looked at up to here */
	int64_t end;       /* last number that was answered for, as far as is known */
};

struct salvage {
	sqlite3 *db;
	sqlite3_stmt *read;
	struct wreck wrecks[HEAD_STREAMS];
	size_t wreck_count;
	size_t turn;
	size_t left; /* streams for which there is no lane yet: the next opening's */
	int64_t skip;
	struct spool_loss loss;
	char note[SPOOL_PATH_BYTES + 16];
	char older[NOTE_BYTES + 16]; /* note of one that was not carried over whole */
};

/* Setting aside */

static bool file_fault(const char *path, struct fault *fault)
{
	return fault_code(
	        fault, FAULT_STOP, "internal", "spool: %s: %s", path, strerror(errno));
}

static bool write_note(
        const char *path, const char *name, const char *reason, struct fault *fault)
{
	char note[SPOOL_PATH_BYTES + 16];
	char draft[SPOOL_PATH_BYTES + 24];
	FILE *file;
	bool ok;

	snprintf(note, sizeof note, "%s.salvage", path);
	snprintf(draft, sizeof draft, "%s.draft", note);
	file = fopen(draft, "we");
	if (file == NULL)
		return file_fault(draft, fault);
	ok = fprintf(file, "%s\n%.199s\n", name, reason) > 0 && fflush(file) == 0
	     && fsync(fileno(file)) == 0;
	ok = fclose(file) == 0 && ok;
	return (ok && rename(draft, note) == 0) || file_fault(note, fault);
}

/* What a file is called, and what it is called when it was set aside. */
static const char *const parts[] = { "", LOG_KEPT, "-wal", "-journal", ".head" };
static const char *const names[] = { "", "-wal", "-wal", "-journal", ".head" };

enum { PARTS = sizeof parts / sizeof *parts };

/*
 * A second name first, then the first one goes: a crash between leaves both, and the
 * next opening goes on (spool_end_aside). A log that was kept is the one that SQLite
 * has not written to. What is no file at all gets a name at which nobody looks for one.
 */
static bool give_names(const char *path, const char *name, struct fault *fault)
{
	char from[SPOOL_PATH_BYTES + 16];
	char to[NOTE_BYTES + 16];

	for (size_t i = 0; i < PARTS; i++) {
		snprintf(from, sizeof from, "%s%s", path, parts[i]);
		if (path_is_no_file(from)) {
			snprintf(to, sizeof to, "%s%s.found", name, parts[i]);
			if (rename(from, to) != 0)
				return file_fault(from, fault);
			continue;
		}
		snprintf(to, sizeof to, "%s%s", name, names[i]);
		if (link(from, to) != 0 && errno != ENOENT && errno != EEXIST)
			return file_fault(from, fault);
	}
	/* The witness first: a crash between must not let it stand against a new file.
	 */
	for (size_t i = PARTS; i-- > 0;) {
		snprintf(from, sizeof from, "%s%s", path, parts[i]);
		if (unlink(from) != 0 && errno != ENOENT)
			return file_fault(from, fault);
	}
	return true;
}

static bool has_both_names(const char *path, const char *name)
{
	char from[SPOOL_PATH_BYTES + 16];
	char to[NOTE_BYTES + 16];

	for (size_t i = 0; i < PARTS; i++) {
		snprintf(from, sizeof from, "%s%s", path, parts[i]);
		snprintf(to, sizeof to, "%s%s", name, names[i]);
		if (path_is_same(from, to))
			return true;
	}
	return false;
}

static bool sync_folder(const char *path, struct fault *fault)
{
	int fd = folder_open(path);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok || file_fault(path, fault);
}

/* What is not carried over yet from one that was set aside before waits its turn. */
static bool keep_older_note(const char *path, const char *name, struct fault *fault)
{
	char note[SPOOL_PATH_BYTES + 16];
	char older[SPOOL_PATH_BYTES + 64];

	snprintf(note, sizeof note, "%s.salvage", path);
	snprintf(older, sizeof older, "%s.salvage", name);
	if (path_is_no_file(note)) {
		strcat(older, ".found");
		return rename(note, older) == 0 || file_fault(note, fault);
	}
	return link(note, older) == 0 || errno == ENOENT || errno == EEXIST
	       || file_fault(older, fault);
}

bool spool_set_aside(const char *link, const char *reason, struct fault *fault)
{
	char path[SPOOL_PATH_BYTES];
	char time[CLOCK_TEXT_BYTES];
	char name[SPOOL_PATH_BYTES + 48];
	size_t length = 0;

	path_follow(link, path);
	clock_format(clock_wall_us(), time);
	for (const char *at = time; *at != '\0'; at++)
		if (*at != ':' && *at != '-' && *at != '.')
			time[length++] = *at;
	time[length] = '\0';
	snprintf(name, sizeof name, "%s" SET_ASIDE "%s", path, time);
	return keep_older_note(path, name, fault)
	       && write_note(path, name, reason, fault) && give_names(path, name, fault)
	       && sync_folder(path, fault);
}

/* What is in the note: the new name, and why. */
static bool read_note(const char *note, char name[NOTE_BYTES], struct spool_loss *loss)
{
	FILE *file = fopen(note, "re");
	bool ok;

	if (file == NULL)
		return false;
	ok = fgets(name, NOTE_BYTES, file) != NULL
	     && fgets(loss->reason, sizeof loss->reason, file) != NULL;
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	loss->reason[strcspn(loss->reason, "\n")] = '\0';
	text_end_whole(loss->reason, strlen(loss->reason));
	return ok;
}

bool spool_end_aside(const char *path, struct fault *fault)
{
	struct spool_loss loss = { 0 };
	char note[SPOOL_PATH_BYTES + 16];
	char name[NOTE_BYTES];

	snprintf(note, sizeof note, "%s.salvage", path);
	if (!read_note(note, name, &loss) || !has_both_names(path, name))
		return true;
	return give_names(path, name, fault) && sync_folder(path, fault);
}

/* Opening what was set aside */

/* As rows are stored now, and as they were before docs/decisions/0018. */
static bool prepare_read(struct salvage *salvage)
{
	static const char now[] = "SELECT " ROW_COLUMNS " FROM event WHERE " ROWS_AFTER
	                          " ORDER BY place LIMIT ?3";
	static const char before[] =
	        "SELECT " ROW_COLUMNS " FROM event WHERE stream = ? AND seq > ? "
	        "ORDER BY seq LIMIT ?";

	return sqlite3_prepare_v2(salvage->db, now, -1, &salvage->read, NULL)
	               == SQLITE_OK
	       || sqlite3_prepare_v2(salvage->db, before, -1, &salvage->read, NULL)
	                  == SQLITE_OK;
}

static bool open_damaged(struct salvage *salvage, const char *name)
{
	log_mend(name);
	return sqlite3_open_v2(name, &salvage->db,
	               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
	               == SQLITE_OK
	       && sqlite3_db_config(
	                  salvage->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL)
	                  == SQLITE_OK
	       && sqlite3_exec(salvage->db,
	                  "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; "
	                  "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-1024",
	                  NULL, NULL, NULL)
	                  == SQLITE_OK
	       && prepare_read(salvage);
}

static bool is_full(const struct spool *spool)
{
	return spool->lane_count == HEAD_STREAMS
	       || spool->salvage->wreck_count == HEAD_STREAMS;
}

static struct lane *own_lane(
        struct spool *spool, const char *incarnation, const char *topic)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (strcmp(spool->lanes[i].incarnation, incarnation) == 0
		        && strcmp(spool->lanes[i].topic, topic) == 0)
			return &spool->lanes[i];
	return NULL;
}

static struct wreck *find_wreck(struct salvage *salvage, const struct lane *lane)
{
	for (size_t i = 0; i < salvage->wreck_count; i++)
		if (salvage->wrecks[i].lane == lane)
			return &salvage->wrecks[i];
	return NULL;
}

static bool add_wreck(struct spool *spool, const char *incarnation, const char *topic,
        struct wreck **out, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;
	struct lane *lane = own_lane(spool, incarnation, topic);

	if (lane == NULL) {
		if (!lane_open(spool, incarnation, topic, fault))
			return false;
		lane = &spool->lanes[spool->lane_count - 1];
	}
	*out = find_wreck(salvage, lane);
	if (*out == NULL)
		*out = &salvage->wrecks[salvage->wreck_count++];
	(*out)->lane = lane;
	(*out)->at = lane->now.stream.last_seq;
	return true;
}

static bool is_uuid(const char *text)
{
	uint8_t id[16];

	return text != NULL && identity_parse(bytes_of(text), id);
}

static bool miss(struct spool *spool, const struct lane *lane, int64_t from_seq,
        int64_t to_seq, struct fault *fault)
{
	sqlite3_stmt *statement = spool->queries[QUERY_MISS];

	sqlite3_bind_int64(statement, 1, lane->id);
	sqlite3_bind_int64(statement, 2, from_seq);
	sqlite3_bind_int64(statement, 3, to_seq);
	return spool_query(spool, QUERY_MISS, fault);
}

/* What an earlier salvage could not find stays known. */
static bool copy_missing(
        struct spool *spool, const struct wreck *wreck, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = true;

	if (sqlite3_prepare_v2(spool->salvage->db,
	            "SELECT from_seq, to_seq FROM missing WHERE stream = ? "
	            "AND to_seq >= from_seq",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return true;
	sqlite3_bind_int64(statement, 1, wreck->id);
	while (ok && sqlite3_step(statement) == SQLITE_ROW)
		ok = miss(spool, wreck->lane, sqlite3_column_int64(statement, 0),
		        sqlite3_column_int64(statement, 1), fault);
	sqlite3_finalize(statement);
	return ok;
}

/* Its numbers, if they are what was written; else all of it is sent again. */
static void believe_numbers(struct wreck *wreck, sqlite3_stmt *statement)
{
	struct progress progress = {
		.stream = { .last_seq = sqlite3_column_int64(statement, 3),
		        .delivered_seq = sqlite3_column_int64(statement, 4),
		        .offset = sqlite3_column_int64(statement, 7) }
	};
	const void *chain = sqlite3_column_blob(statement, 5);
	const void *stored = sqlite3_column_blob(statement, 6);
	uint8_t sum[DIGEST_BYTES];

	if (sqlite3_column_bytes(statement, 5) != DIGEST_BYTES
	        || sqlite3_column_bytes(statement, 6) != DIGEST_BYTES)
		return;
	memcpy(progress.chain, chain, DIGEST_BYTES);
	lane_sum(wreck->lane->incarnation, wreck->lane->topic, &progress, sum);
	if (memcmp(stored, sum, sizeof sum) != 0)
		return;
	wreck->end = progress.stream.last_seq;
	wreck->delivered = progress.stream.delivered_seq;
}

/* Whether an earlier opening carried all of it over, or named what it did not find. */
static bool is_carried(struct spool *spool, const char *incarnation, const char *topic,
        int64_t end, bool *out, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = sqlite3_prepare_v2(spool->db,
	                  "SELECT 1 FROM stream WHERE incarnation = ? AND topic = ? "
	                  "AND max(next_seq - 1, coalesce((SELECT max(to_seq) FROM "
	                  "missing WHERE stream = id), 0)) >= ?",
	                  -1, &statement, NULL)
	          == SQLITE_OK;
	int result = SQLITE_ERROR;

	if (ok) {
		sqlite3_bind_text(statement, 1, incarnation, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, topic, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 3, end);
		result = sqlite3_step(statement);
	}
	ok = result == SQLITE_ROW || result == SQLITE_DONE || spool_fault(spool, fault);
	sqlite3_finalize(statement);
	*out = result == SQLITE_ROW;
	return ok;
}

/*
 * Streams as the file still tells of them; what it says may be wrong in any part. Where
 * there are too many, first those that have something to send; the others are left for
 * the next opening.
 */
static bool ask_file(struct spool *spool, struct fault *fault)
{
	sqlite3_stmt *statement;
	bool ok = true;

	if (sqlite3_prepare_v2(spool->salvage->db,
	            "SELECT id, incarnation, topic, next_seq - 1, delivered_seq, "
	            "chain, sum, topic_offset FROM stream WHERE next_seq > 1 "
	            "ORDER BY delivered_seq < next_seq - 1 DESC, id DESC",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return true;
	while (ok && sqlite3_step(statement) == SQLITE_ROW) {
		const char *incarnation =
		        (const char *)sqlite3_column_text(statement, 1);
		const char *topic = (const char *)sqlite3_column_text(statement, 2);
		int64_t end = sqlite3_column_int64(statement, 3);
		struct wreck *wreck;
		bool carried;

		if (!is_uuid(incarnation) || topic == NULL)
			continue;
		ok = is_carried(spool, incarnation, topic, end, &carried, fault);
		if (!ok || (carried && own_lane(spool, incarnation, topic) == NULL))
			continue;
		if (is_full(spool)) {
			spool->salvage->left++;
			spool->hidden += end - sqlite3_column_int64(statement, 4);
			continue;
		}
		ok = add_wreck(spool, incarnation, topic, &wreck, fault);
		if (!ok)
			break;
		wreck->id = sqlite3_column_int64(statement, 0);
		believe_numbers(wreck, statement);
		ok = copy_missing(spool, wreck, fault);
	}
	sqlite3_finalize(statement);
	return ok;
}

/* A topic of ours by the digest in a name; NULL: it is none. */
static const char *topic_of(
        const struct spool *spool, const uint8_t name[HEAD_NAME_BYTES])
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (memcmp(spool->lanes[i].name + 16, name + 16, HEAD_NAME_BYTES - 16)
		        == 0)
			return spool->lanes[i].topic;
	return NULL;
}

/* What the damaged spool's own witness says: it may know of more than the file. */
static bool ask_witness(struct spool *spool, const char *name, struct fault *fault)
{
	struct head_entry entries[HEAD_STREAMS];
	char path[NOTE_BYTES + 8];
	struct head_file *head;
	size_t count = 0;

	snprintf(path, sizeof path, "%s.head", name);
	if (access(path, R_OK) != 0 || !head_open(&head, path, fault))
		return true;
	head_read(head, entries, &count);
	head_close(&head);
	for (size_t i = 0; i < count; i++) {
		const char *topic = topic_of(spool, entries[i].name);
		char incarnation[UUID_TEXT_BYTES];
		struct wreck *wreck;

		identity_format(entries[i].name, incarnation);
		if (entries[i].seq == 0 || topic == NULL || is_full(spool))
			continue;
		if (!add_wreck(spool, incarnation, topic, &wreck, fault))
			return false;
		wreck->end = entries[i].seq;
	}
	return true;
}

static void count_missing(struct salvage *salvage)
{
	for (size_t i = 0; i < salvage->wreck_count; i++) {
		const struct wreck *wreck = &salvage->wrecks[i];
		int64_t from =
		        wreck->at > wreck->delivered ? wreck->at : wreck->delivered;

		if (wreck->end > from)
			salvage->loss.missing += wreck->end - from;
	}
}

bool salvage_open(struct spool *spool, struct fault *fault)
{
	struct salvage *salvage = calloc(1, sizeof *salvage);
	char name[NOTE_BYTES];
	const char *slash;

	if (salvage == NULL)
		return fault_memory(fault);
	spool->salvage = salvage;
	snprintf(salvage->note, sizeof salvage->note, "%s.salvage", spool->path);
	if (!read_note(salvage->note, name, &salvage->loss)) {
		spool_tell_left(spool->path, &salvage->loss);
		return true;
	}
	snprintf(salvage->older, sizeof salvage->older, "%s.salvage", name);
	slash = strrchr(name, '/');
	salvage->loss.any = true;
	snprintf(salvage->loss.file, sizeof salvage->loss.file, "%.255s",
	        slash ? slash + 1 : name);
	if ((open_damaged(salvage, name) && !ask_file(spool, fault))
	        || !ask_witness(spool, name, fault))
		return false;
	count_missing(salvage);
	return true;
}

void salvage_close(struct spool *spool)
{
	if (spool->salvage == NULL)
		return;
	sqlite3_finalize(spool->salvage->read);
	sqlite3_close(spool->salvage->db);
	free(spool->salvage);
	spool->salvage = NULL;
}

/* Carrying over */

/* Up to seq the lane has nothing more: what the hub does not have is missing. */
static bool miss_until(struct spool *spool, const struct wreck *wreck, int64_t seq,
        struct fault *fault)
{
	int64_t last = wreck->lane->now.stream.last_seq;
	int64_t from = 1 + (last > wreck->delivered ? last : wreck->delivered);

	return from > seq || miss(spool, wreck->lane, from, seq, fault);
}

static bool carry_row(struct spool *spool, struct wreck *wreck, struct fault *fault)
{
	struct spool_stream *now = &wreck->lane->now.stream;
	struct salvage *salvage = spool->salvage;
	int64_t delivered;
	struct row row;

	row_read(salvage->read, &row);
	if (!row_is_whole(wreck->lane, &row)) /* its number may lead anywhere */
		return true;
	if (wreck->at < row.seq)
		wreck->at = row.seq;
	if (row.seq <= now->last_seq)
		return true;
	if (!miss_until(spool, wreck, row.seq - 1, fault)
	        || !row_store(spool, wreck->lane, &row, fault))
		return false;
	delivered = row.seq < wreck->delivered ? row.seq : wreck->delivered;
	if (now->delivered_seq < delivered)
		now->delivered_seq = delivered;
	if (row.seq <= wreck->delivered)
		return true;
	salvage->loss.carried++;
	salvage->loss.missing -= row.seq <= wreck->end;
	return true;
}

/* Where the file cannot be read on, or nothing of what is read is whole, look further
 * down, each time twice as far. What is beyond the last number that was answered for
 * need not be found. */
static void skip_on(struct salvage *salvage, struct wreck *wreck)
{
	salvage->skip = salvage->skip == 0             ? 1
	                : salvage->skip < LONGEST_SKIP ? salvage->skip * 2
	                                               : LONGEST_SKIP;
	wreck->at += salvage->skip;
}

static bool carry_slice(
        struct spool *spool, struct wreck *wreck, int limit, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;
	int64_t before = wreck->at;
	bool finished = false;
	int count = 0;
	bool ok = true;
	int result = SQLITE_MISUSE;

	sqlite3_bind_int64(salvage->read, 1, wreck->id);
	sqlite3_bind_int64(salvage->read, 2, wreck->at);
	sqlite3_bind_int(salvage->read, 3, limit);
	while (ok && salvage->read != NULL
	        && (result = sqlite3_step(salvage->read)) == SQLITE_ROW) {
		ok = carry_row(spool, wreck, fault);
		count++;
	}
	sqlite3_reset(salvage->read);
	if (!ok)
		return false;
	if (result == SQLITE_DONE && (count < limit || wreck->at > before)) {
		finished = count < limit;
		salvage->skip = 0;
	} else {
		skip_on(salvage, wreck);
		finished = salvage->read == NULL || wreck->at >= wreck->end;
	}
	if (!finished)
		return true;
	salvage->turn++;
	salvage->skip = 0;
	return miss_until(spool, wreck, wreck->end, fault);
}

/* All of it is here: its note goes, or gives way to that of an older one. */
static bool drop_note(struct spool *spool, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;

	if (access(salvage->older, F_OK) != 0)
		return unlink(salvage->note) == 0 || file_fault(salvage->note, fault);
	spool->hidden++;
	return rename(salvage->older, salvage->note) == 0
	       || file_fault(salvage->older, fault);
}

static bool finish(struct spool *spool, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;

	sqlite3_finalize(salvage->read);
	sqlite3_close(salvage->db);
	salvage->read = NULL;
	salvage->db = NULL;
	salvage->loss.done = true;
	return salvage->left > 0 || drop_note(spool, fault);
}

bool spool_carry_over(struct spool *spool, int limit, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;

	if (!salvage->loss.any || salvage->loss.done)
		return true;
	if (salvage->turn == salvage->wreck_count)
		return finish(spool, fault);
	if (!spool_begin(spool, fault))
		return false;
	if (!carry_slice(spool, &salvage->wrecks[salvage->turn], limit, fault)) {
		spool_rollback(spool);
		return false;
	}
	return spool_commit(spool, fault);
}

void spool_loss(const struct spool *spool, struct spool_loss *out)
{
	*out = spool->salvage->loss;
}
