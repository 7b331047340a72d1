/* SPDX-License-Identifier: MIT */
#ifndef PORT_SPOOL_PARTS_H
#define PORT_SPOOL_PARTS_H

/* What spool.c and its helpers share; nobody else includes it. */

#include <sqlite3.h>
#include <sys/types.h>

#include "port/spool.h"
#include "port/spool_head.h"

enum { SPOOL_PATH_BYTES = 4096, SPOOL_TOPIC_BYTES = 128 };

/* How far a stream has come, and the chain over the digests of its rows. */
_Static_assert(
        (int)SPOOL_STREAMS == (int)HEAD_STREAMS, "the head speaks for each stream");

struct progress {
	struct spool_stream stream;
	uint8_t chain[DIGEST_BYTES];
};

struct lane {
	int64_t id;
	char topic[SPOOL_TOPIC_BYTES];
	char incarnation[UUID_TEXT_BYTES];
	uint8_t name[HEAD_NAME_BYTES]; /* head_name() of both */
	struct progress now;
	struct progress committed;
	struct progress marked;
};

enum query {
	QUERY_BEGIN,
	QUERY_COMMIT,
	QUERY_MARK,
	QUERY_UNDO,
	QUERY_INSERT,
	QUERY_BY_ID,
	QUERY_BY_ALIAS,
	QUERY_BY_KEY,
	QUERY_KEY,
	QUERY_KEYS,
	QUERY_READ,
	QUERY_STREAM,
	QUERY_ANCHOR,
	QUERY_EXPIRE,
	QUERY_MISS,
	QUERY_DAY,
	QUERY_ROW,
	QUERY_VOID,
	QUERY_COUNT,
};

struct salvage;

enum spool_file { SPOOL_FILE, SPOOL_LOG, SPOOL_HEAD, SPOOL_FILES };

struct spool {
	sqlite3 *db;
	sqlite3_stmt *queries[QUERY_COUNT];
	struct lane lanes[HEAD_STREAMS];
	size_t lane_count;
	int64_t hidden; /* events that wait in streams which are no lanes yet */
	ino_t files[SPOOL_FILES];
	char incarnation[UUID_TEXT_BYTES];
	bool is_copy;
	bool is_put_back;
	char path[SPOOL_PATH_BYTES];
	struct head_file *head;
	bool unwitnessed; /* rows were committed that the head does not know of */
	struct salvage *salvage;
	int32_t newest_day; /* in the table day, as last entered */
	int log_pages;      /* in the log, and rows since it was moved last */
	int log_rows;
	int log_room_pages;  /* that its file has room for, at least */
	int log_pause_pages; /* before there are so many it is not tried again */
	bool is_tight;       /* the disk was, since this opening */
	struct buffer value;
};

/* The fault of what SQLite said last. Always false. */
bool spool_fault(struct spool *spool, struct fault *fault);

bool spool_run(struct spool *spool, const char *sql, struct fault *fault);

/* Run a prepared statement that gives no rows. */
bool spool_query(struct spool *spool, enum query query, struct fault *fault);

/* A view that lives until the statement goes on. */
struct bytes column_bytes(sqlite3_stmt *statement, int column);

int64_t high_of(const uint8_t id[16]); /* what the indexes on ids hold */

/* Everything that the stream's row says: a changed delivered_seq would lose events. */
void lane_sum(const char *incarnation, const char *topic,
        const struct progress *progress, uint8_t sum[DIGEST_BYTES]);

/* A row as it stands in the table event; views live until the statement goes on. */
struct row {
	int64_t seq;
	struct bytes event_id;
	int64_t recorded_at_us;
	struct bytes headers;
	struct bytes value;
	struct bytes digest; /* of the body; none: data is NULL */
	struct bytes alias;
	struct bytes sum;    /* row_sum() when it was written */
	struct bytes reason; /* none: not void */
};

/* Where a row of stream ?1 stands; those after number ?2; all of the stream's. */
#define ROW_PLACE  "((?1 << 44) + ?2)"
#define ROWS_AFTER "place > " ROW_PLACE " AND place < (?1 + 1) << 44"
#define ROWS_OF    "place > ?1 << 44 AND place < (?1 + 1) << 44"

/* Columns of SELECT_ROW, in the order that row_read() reads. */
#define ROW_COLUMNS                                                                    \
	"seq, event_id, recorded_at, headers, value, digest, alias, sum, reason"

void row_read(sqlite3_stmt *statement, struct row *out);

/* Everything that the row says, and of which stream. */
void row_sum(const struct lane *lane, const struct row *row, uint8_t sum[DIGEST_BYTES]);
bool row_is_whole(const struct lane *lane, const struct row *row);

/* Always false: FAULT_STOP, code "damaged". */
bool row_damaged(const struct lane *lane, int64_t seq, struct fault *fault);

/* The event that has the id, as its own or as the one derived from its key. */
bool row_look_up(struct spool *spool, const uint8_t id[16], bool *found,
        struct spool_receipt *out, uint8_t digest[32], struct fault *fault);

/* Insert the row as it is and move the lane's progress to it. Within a group. */
MUST_CHECK bool row_store(
        struct spool *spool, struct lane *lane, struct row *row, struct fault *fault);

/* Add the lane of a stream to the spool, from the table or new. */
MUST_CHECK bool lane_open(struct spool *spool, const char *incarnation,
        const char *topic, struct fault *fault);

/* The write-ahead log of the file at path, as it was before SQLite looked at it. */
#define LOG_KEPT "-wal.kept"

/* Between the path and the time at which what lay there was set aside. */
#define SET_ASIDE ".damaged-"

/*
 * Where the file really lies, if path is a link to it: SQLite keeps its log there, and
 * so the other files stand there too. A link to nothing is not followed.
 */
void path_follow(const char *path, char out[SPOOL_PATH_BYTES]);

/* Both are names of one file. */
bool path_is_same(const char *one, const char *other);

/* There is something, a folder or a link to nothing, and no file. */
bool path_is_no_file(const char *path);

/* FAULT_RETRY where its folder lies behind a link to nothing: docs/decisions/0064. */
MUST_CHECK bool spool_has_disk(const char *path, struct fault *fault);

/* End a text that was cut, maybe amid a letter; there is room behind it. */
void text_end_whole(char *text, size_t size);

/* A spool behind a link to nothing was set aside once, and its link is still there. */
void spool_tell_left(const char *path, struct spool_loss *out);

/* Whether each of its files is one, or not there yet. */
bool spool_has_files(const char *path, struct fault *fault);

/*
 * Before anything is opened. What stands in the place of a file that only a spool
 * makes, and is none, a link too, makes way: it keeps its name with .found behind it.
 * And where link is one to the file at path, a log and a head that were left beside the
 * link, as when somebody moved the file to a larger disk after a crash, come along.
 */
void spool_clear_places(const char *path);
void spool_bring_along(const char *link, const char *path);

/* The folder of the file at path, for reading; below 0: errno says why not. */
int folder_open(const char *path);

/* The log is there and the file it belongs to is not, or is empty. */
bool log_is_alone(const char *path);

/*
 * Copy the log, under SQLite's lock and before anything is written: a crash while
 * opening leaves a copy, which is older than what stands there now and stays. Without
 * room on the disk there is none.
 */
void log_keep(const char *path);

/* Copy a file, whole or not at all; its draft is beside it meanwhile. */
bool log_copy(const char *from_path, const char *to_path);
void log_forget(const char *path);

/*
 * Of a file that was set aside: make its log one that SQLite reads to the end. What was
 * found stays beside it as -wal.found.
 */
void log_mend(const char *name);

int64_t log_size(const struct spool *spool); /* at least, as far as was committed */
int log_pages_in(int64_t size);              /* of a file of that size */

/*
 * Before anything is opened: a crash while the spool was set aside may have left it
 * both names, and what has lost its first one already must not be missed by who looks
 * there.
 */
MUST_CHECK bool spool_end_aside(const char *path, struct fault *fault);

/*
 * What was set aside before, if anything: its streams become lanes of this spool and
 * their rows are carried over by spool_carry_over(). Called while opening.
 */
MUST_CHECK bool salvage_open(struct spool *spool, struct fault *fault);
void salvage_close(struct spool *spool);

#endif
