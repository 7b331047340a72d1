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
	int64_t at;        /* looked at up to here */
	int64_t end;
};

struct salvage {
	sqlite3 *db;
	sqlite3_stmt *read;
	struct wreck wrecks[HEAD_STREAMS];
	size_t wreck_count;
	size_t turn;
	int64_t skip;
	struct spool_loss loss;
	char note[SPOOL_PATH_BYTES + 16];
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
	ok = fprintf(file, "%s\n%.150s\n", name, reason) > 0 && fflush(file) == 0
	     && fsync(fileno(file)) == 0;
	ok = fclose(file) == 0 && ok;
	return (ok && rename(draft, note) == 0) || file_fault(note, fault);
}

/* A second name first, then the first one goes: a crash between leaves both. */
static bool give_names(const char *path, const char *name, struct fault *fault)
{
	static const char *const parts[] = { "", "-wal", ".head" };
	char from[SPOOL_PATH_BYTES + 8];
	char to[SPOOL_PATH_BYTES + 64];

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		snprintf(from, sizeof from, "%s%s", path, parts[i]);
		snprintf(to, sizeof to, "%s%s", name, parts[i]);
		if (link(from, to) != 0 && errno != ENOENT && errno != EEXIST)
			return file_fault(from, fault);
	}
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		snprintf(from, sizeof from, "%s%s", path, parts[i]);
		if (unlink(from) != 0 && errno != ENOENT)
			return file_fault(from, fault);
	}
	return true;
}

static bool sync_folder(const char *path, struct fault *fault)
{
	char folder[SPOOL_PATH_BYTES];
	char *slash;
	bool ok;
	int fd;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		strcpy(folder, ".");
	else
		slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok || file_fault(folder, fault);
}

bool spool_set_aside(const char *path, const char *reason, struct fault *fault)
{
	char time[CLOCK_TEXT_BYTES];
	char name[SPOOL_PATH_BYTES + 48];
	size_t length = 0;

	clock_format(clock_wall_us(), time);
	for (const char *at = time; *at != '\0'; at++)
		if (*at != ':' && *at != '-' && *at != '.')
			time[length++] = *at;
	time[length] = '\0';
	snprintf(name, sizeof name, "%s.damaged-%s", path, time);
	return write_note(path, name, reason, fault) && give_names(path, name, fault)
	       && sync_folder(path, fault);
}

/* Opening what was set aside */

static bool read_note(struct salvage *salvage, const char *path, char name[NOTE_BYTES])
{
	FILE *file;
	bool ok;

	snprintf(salvage->note, sizeof salvage->note, "%s.salvage", path);
	file = fopen(salvage->note, "re");
	if (file == NULL)
		return false;
	ok = fgets(name, NOTE_BYTES, file) != NULL
	     && fgets(salvage->loss.reason, sizeof salvage->loss.reason, file) != NULL;
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	salvage->loss.reason[strcspn(salvage->loss.reason, "\n")] = '\0';
	return ok;
}

static bool open_damaged(struct salvage *salvage, const char *name)
{
	return sqlite3_open_v2(name, &salvage->db,
	               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
	               == SQLITE_OK
	       && sqlite3_exec(salvage->db,
	                  "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; "
	                  "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-1024",
	                  NULL, NULL, NULL)
	                  == SQLITE_OK
	       && sqlite3_prepare_v2(salvage->db,
	                  "SELECT " ROW_COLUMNS " FROM event WHERE stream = ? "
	                  "AND seq > ? ORDER BY seq LIMIT ?",
	                  -1, &salvage->read, NULL)
	                  == SQLITE_OK;
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

/* How far the witness of the damaged spool says that a stream had come. */
static int64_t witnessed(const struct head_entry *entries, size_t count,
        const char *incarnation, const char *topic)
{
	uint8_t name[8];

	head_name(incarnation, topic, name);
	for (size_t i = 0; i < count; i++)
		if (memcmp(entries[i].name, name, sizeof name) == 0)
			return entries[i].seq;
	return 0;
}

static bool add_wreck(struct spool *spool, sqlite3_stmt *statement,
        const struct head_entry *entries, size_t count, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;
	const char *incarnation = (const char *)sqlite3_column_text(statement, 1);
	const char *topic = (const char *)sqlite3_column_text(statement, 2);
	int64_t last = sqlite3_column_int64(statement, 3);
	int64_t delivered = sqlite3_column_int64(statement, 4);
	struct wreck *wreck = &salvage->wrecks[salvage->wreck_count];
	int64_t seen;

	if (incarnation == NULL || topic == NULL
	        || salvage->wreck_count == HEAD_STREAMS)
		return true;
	seen = witnessed(entries, count, incarnation, topic);
	wreck->id = sqlite3_column_int64(statement, 0);
	wreck->end = last > seen ? last : seen;
	if (wreck->end <= delivered)
		return true;
	wreck->lane = own_lane(spool, incarnation, topic);
	if (wreck->lane == NULL) {
		if (!lane_open(spool, incarnation, topic, fault))
			return false;
		wreck->lane = &spool->lanes[spool->lane_count - 1];
	}
	if (wreck->lane->now.stream.last_seq < delivered)
		wreck->lane->now.stream.last_seq = delivered;
	if (wreck->lane->now.stream.delivered_seq < delivered)
		wreck->lane->now.stream.delivered_seq = delivered;
	wreck->at = wreck->lane->now.stream.last_seq;
	salvage->loss.missing += wreck->end - wreck->at;
	salvage->wreck_count++;
	return true;
}

/* Its streams, as far as the file still tells. */
static bool find_wrecks(struct spool *spool, const char *name, struct fault *fault)
{
	struct head_entry entries[HEAD_STREAMS];
	char path[NOTE_BYTES + 8];
	struct head_file *head;
	sqlite3_stmt *statement;
	size_t count = 0;
	bool ok = true;

	snprintf(path, sizeof path, "%s.head", name);
	if (access(path, R_OK) == 0 && head_open(&head, path, fault)) {
		head_read(head, entries, &count);
		head_close(&head);
	}
	if (sqlite3_prepare_v2(spool->salvage->db,
	            "SELECT id, incarnation, topic, next_seq - 1, delivered_seq "
	            "FROM stream ORDER BY id",
	            -1, &statement, NULL)
	        != SQLITE_OK)
		return true;
	while (ok && sqlite3_step(statement) == SQLITE_ROW)
		ok = add_wreck(spool, statement, entries, count, fault);
	sqlite3_finalize(statement);
	return ok;
}

bool salvage_open(struct spool *spool, struct fault *fault)
{
	struct salvage *salvage = calloc(1, sizeof *salvage);
	char name[NOTE_BYTES];
	const char *slash;

	if (salvage == NULL)
		return fault_memory(fault);
	spool->salvage = salvage;
	if (!read_note(salvage, spool->path, name))
		return true;
	slash = strrchr(name, '/');
	salvage->loss.any = true;
	snprintf(salvage->loss.file, sizeof salvage->loss.file, "%.255s",
	        slash ? slash + 1 : name);
	return !open_damaged(salvage, name) || find_wrecks(spool, name, fault);
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

static bool carry_row(struct spool *spool, struct wreck *wreck, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;
	struct row row;

	row_read(salvage->read, &row);
	wreck->at = row.seq;
	if (!row_is_whole(wreck->lane, &row))
		return true;
	salvage->loss.carried++;
	salvage->loss.missing--;
	return row_store(spool, wreck->lane, &row, fault);
}

/* Where the file cannot be read on, look further down, each time twice as far. */
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
	int count = 0;
	bool ok = true;
	int result;

	sqlite3_bind_int64(salvage->read, 1, wreck->id);
	sqlite3_bind_int64(salvage->read, 2, wreck->at);
	sqlite3_bind_int(salvage->read, 3, limit);
	while (ok && (result = sqlite3_step(salvage->read)) == SQLITE_ROW) {
		ok = carry_row(spool, wreck, fault);
		count++;
	}
	sqlite3_reset(salvage->read);
	if (!ok)
		return false;
	if (result != SQLITE_DONE)
		skip_on(salvage, wreck);
	else if (count < limit)
		wreck->at = wreck->end;
	else
		salvage->skip = 0;
	if (wreck->at >= wreck->end)
		salvage->turn++;
	return true;
}

static bool finish(struct salvage *salvage, struct fault *fault)
{
	sqlite3_finalize(salvage->read);
	sqlite3_close(salvage->db);
	salvage->read = NULL;
	salvage->db = NULL;
	salvage->loss.done = true;
	return unlink(salvage->note) == 0 || file_fault(salvage->note, fault);
}

bool spool_carry_over(struct spool *spool, int limit, struct fault *fault)
{
	struct salvage *salvage = spool->salvage;

	if (!salvage->loss.any || salvage->loss.done)
		return true;
	if (salvage->turn == salvage->wreck_count)
		return finish(salvage, fault);
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
