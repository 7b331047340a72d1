/* SPDX-License-Identifier: MIT */
/*
 * SQLite reads its write-ahead log up to the first frame that does not verify, and
 * writes over the rest: for a torn tail that is right, for a turned bit in the middle
 * it throws away what was answered for. So the log is kept aside before SQLite looks at
 * it, until the second witness has agreed, and one that was set aside is mended: a
 * frame's checksum begins with that of the frame before, which stands there too, so
 * that each can be looked at alone and a bad one left out.
 *
 * Format: https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log".
 */
#include "port/spool_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE = 4096, /* of our files */
	HEADER = 32,
	FRAME_HEADER = 24,
	FRAME = FRAME_HEADER + PAGE,
	SUMMED = 8, /* of a frame's header, and its page */
	SALTS = 8,
	SUM = 8,
	NAME_BYTES = SPOOL_PATH_BYTES + 320,
};

static const uint8_t magic[3] = { 0x37, 0x7f, 0x06 }; /* then 0x82 or 0x83 */

/* A header: magic, version, page size, number, salts at 16, checksum at 24. */
struct log_header {
	uint8_t bytes[HEADER];
};

/* A frame: page, size of the file if it ends a commit, salts at 8, checksum at 16. */
struct frame {
	uint8_t bytes[FRAME];
};

struct log {
	int fd;
	int64_t frames;
	struct log_header header;
	struct frame frame; /* the last one that was read */
};

static int64_t size_of(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

static void name_with(const char *path, const char *suffix, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "%s%s", path, suffix);
}

/* Keeping */

bool log_is_alone(const char *path)
{
	char log[NAME_BYTES];

	name_with(path, "-wal", log);
	return size_of(path) <= 0 && size_of(log) > HEADER;
}

static bool copy(int from, int to)
{
	static uint8_t block[16 * PAGE];
	ssize_t size;

	while ((size = read(from, block, sizeof block)) > 0)
		if (write(to, block, (size_t)size) != size)
			return false;
	return size == 0 && fsync(to) == 0;
}

bool log_copy(const char *from_path, const char *to_path)
{
	char draft[NAME_BYTES];
	bool whole = false;
	int from = open(from_path, O_RDONLY | O_CLOEXEC);
	int to;

	name_with(to_path, ".draft", draft);
	to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (from >= 0 && to >= 0)
		whole = copy(from, to);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	if (whole && rename(draft, to_path) == 0)
		return true;
	unlink(draft);
	return false;
}

void log_keep(const char *path)
{
	char log[NAME_BYTES];
	char kept[NAME_BYTES];

	name_with(path, "-wal", log);
	name_with(path, LOG_KEPT, kept);
	if (size_of(log) > HEADER && size_of(kept) <= 0)
		(void)log_copy(log, kept);
}

void log_forget(const char *path)
{
	char kept[NAME_BYTES];

	name_with(path, LOG_KEPT, kept);
	unlink(kept);
}

int64_t log_size(const struct spool *spool)
{
	return spool->log_pages > 0 ? HEADER + (int64_t)spool->log_pages * FRAME : 0;
}

int log_pages_in(int64_t size)
{
	return size > HEADER ? (int)((size - HEADER) / FRAME) : 0;
}

/* Mending */

static uint32_t word_at(const uint8_t *at, bool big_endian)
{
	return big_endian ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16
	                            | (uint32_t)at[2] << 8 | at[3]
	                  : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16
	                            | (uint32_t)at[1] << 8 | at[0];
}

static void put_word(uint8_t *at, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(word >> (24 - 8 * i));
}

static void add_sum(uint32_t sum[2], const uint8_t *bytes, size_t size, bool big_endian)
{
	for (size_t i = 0; i < size; i += 8) {
		sum[0] += word_at(bytes + i, big_endian) + sum[1];
		sum[1] += word_at(bytes + i + 4, big_endian) + sum[0];
	}
}

static bool is_big_endian(const struct log *log)
{
	return log->header.bytes[3] & 1;
}

/* The checksum that the frame has behind one that ends in sum. */
static void sum_frame(const struct log *log, uint32_t sum[2])
{
	add_sum(sum, log->frame.bytes, SUMMED, is_big_endian(log));
	add_sum(sum, log->frame.bytes + FRAME_HEADER, PAGE, is_big_endian(log));
}

static void read_sum(const uint8_t *at, uint32_t sum[2])
{
	sum[0] = word_at(at, true);
	sum[1] = word_at(at + 4, true);
}

static void write_sum(uint8_t *at, const uint32_t sum[2])
{
	put_word(at, sum[0]);
	put_word(at + 4, sum[1]);
}

static bool read_frame(struct log *log, int64_t index)
{
	return pread(log->fd, log->frame.bytes, FRAME, HEADER + index * FRAME) == FRAME;
}

static bool is_of_this_log(const struct log *log)
{
	return memcmp(log->frame.bytes + 8, log->header.bytes + 16, SALTS) == 0;
}

static void sum_header(struct log_header *header)
{
	uint32_t sum[2] = { 0, 0 };

	add_sum(sum, header->bytes, HEADER - SUM, header->bytes[3] & 1);
	write_sum(header->bytes + HEADER - SUM, sum);
}

/* A header that does not verify is made anew around the first frame's salts. */
static void mend_header(struct log *log)
{
	struct log_header found = log->header;

	sum_header(&log->header);
	if (memcmp(&found, &log->header, sizeof found) == 0
	        && memcmp(found.bytes, magic, sizeof magic) == 0)
		return;
	memset(log->header.bytes, 0, HEADER);
	memcpy(log->header.bytes, magic, sizeof magic);
	log->header.bytes[3] = (uint8_t)(0x82 | (found.bytes[3] & 1));
	put_word(log->header.bytes + 4, 3007000);
	put_word(log->header.bytes + 8, PAGE);
	if (read_frame(log, 0))
		memcpy(log->header.bytes + 16, log->frame.bytes + 8, SALTS);
	sum_header(&log->header);
}

/* Write all frames that verify beside the sum of the frame before, summed anew. */
static bool write_mended(struct log *log, FILE *out)
{
	uint32_t before[2];
	uint32_t sum[2];
	bool ok;

	read_sum(log->header.bytes + HEADER - SUM, before);
	mend_header(log);
	read_sum(log->header.bytes + HEADER - SUM, sum);
	ok = fwrite(log->header.bytes, 1, HEADER, out) == HEADER;
	for (int64_t i = 0; ok && i < log->frames; i++) {
		uint32_t stored[2];

		if (!read_frame(log, i))
			return false;
		sum_frame(log, before);
		read_sum(log->frame.bytes + FRAME_HEADER - SUM, stored);
		if (memcmp(before, stored, sizeof stored) == 0 && is_of_this_log(log)) {
			sum_frame(log, sum);
			write_sum(log->frame.bytes + FRAME_HEADER - SUM, sum);
			ok = fwrite(log->frame.bytes, 1, FRAME, out) == FRAME;
		}
		memcpy(before, stored, sizeof before);
	}
	return ok && fflush(out) == 0 && fsync(fileno(out)) == 0;
}

static bool mend_into(const char *log_name, const char *draft)
{
	struct log *log = malloc(sizeof *log);
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool ok = log != NULL && out != NULL;

	if (ok) {
		log->fd = open(log_name, O_RDONLY | O_CLOEXEC);
		log->frames = (size_of(log_name) - HEADER) / FRAME;
		ok = log->fd >= 0
		     && pread(log->fd, log->header.bytes, HEADER, 0) == HEADER
		     && write_mended(log, out);
		if (log->fd >= 0)
			close(log->fd);
	}
	if (out != NULL)
		ok = fclose(out) == 0 && ok;
	free(log);
	return ok;
}

/* SQLite deletes the log of a file that has no page. */
static void give_page(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && ftruncate(fd, PAGE) != 0)
		unlink(name);
	if (fd >= 0)
		close(fd);
}

void log_mend(const char *name)
{
	char log[NAME_BYTES];
	char found[NAME_BYTES];
	char draft[NAME_BYTES];

	name_with(name, "-wal", log);
	name_with(name, "-wal.found", found);
	name_with(name, "-wal.draft", draft);
	if (size_of(log) <= HEADER)
		return;
	if (log_is_alone(name))
		give_page(name);
	/* Both names: a crash came between, and it is not mended yet. */
	if (size_of(found) >= 0 && !path_is_same(log, found))
		return;
	if (!mend_into(log, draft) || (link(log, found) != 0 && errno != EEXIST)
	        || rename(draft, log) != 0)
		unlink(draft);
}
