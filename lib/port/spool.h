/* SPDX-License-Identifier: MIT */
#ifndef PORT_SPOOL_H
#define PORT_SPOOL_H

/*
 * The spool keeps events on disk from the moment a client is told "accepted" until the
 * broker has confirmed them, and for the days after in which they may be asked for
 * again. It gives the numbers.
 *
 * Promise: once spool_commit() has returned true, what was appended since
 * spool_begin() survives a crash of the process and a loss of power. Numbers of a
 * stream have no gap: one that was rolled back is given again. Once spool_witness() has
 * returned true too, damage to them does not go unnoticed.
 *
 * One thread of one process owns a spool; a second opener gets FAULT_RETRY, after
 * three seconds, since one that was killed may still be ending. A full disk
 * is FAULT_RETRY with code "disk-full"; what was committed can still be read.
 *
 * Damage is FAULT_STOP with code "damaged", whenever a row or the file is found not to
 * be what was written; "internal" is a disk that does not obey. After both the owner
 * closes the spool and opens it again. Opening compares the file with its second
 * witness, sets a damaged one aside (never deleting anything), begins a new one with a
 * new incarnation, and what can still be verified is carried over under its old
 * incarnation and numbers: see spool_carry_over().
 *
 * Format: schemas/spool/spool.sql. SQLite's facts: "Write-Ahead Logging", "PRAGMA
 * synchronous".
 */

#include "base/bytes.h"
#include "base/fault.h"
#include "event/identity.h"

struct spool;

enum spool_state { SPOOL_ACCEPTED, SPOOL_DELIVERED, SPOOL_VOID };
enum { SPOOL_REASON_BYTES = 256 };

/* An event that has everything but its number. Borrowed for the call. */
struct spool_draft {
	size_t stream; /* index among the topics given to spool_open() */
	uint8_t event_id[16];
	int64_t recorded_at_us;
	struct bytes headers;
	struct bytes value; /* with its framing */
	size_t seam;        /* where in value the number's byte stands */
	bool repeatable;    /* a repeat may come: it has a key or the sender's own id */
	uint8_t digest[32]; /* of the body, where repeatable */
	bool has_alias;
	uint8_t alias[16]; /* id derived from the key, where event_id is the sender's */
};

struct spool_receipt {
	char event_id[UUID_TEXT_BYTES];
	char incarnation[UUID_TEXT_BYTES];
	const char *topic; /* the spool's own */
	size_t stream;
	int64_t seq;
	int64_t recorded_at_us;
	enum spool_state state;
	char reason[SPOOL_REASON_BYTES]; /* VOID: why, cut where it is longer */
	bool repeated; /* the event was here before; nothing was stored */
};

/* An event as forward sends it; the views live until the visitor returns. */
struct spool_row {
	char event_id[UUID_TEXT_BYTES];
	int64_t seq;
	int64_t recorded_at_us;
	struct bytes headers;
	struct bytes value;
};

/* A record where the broker put it, by its own clock. */
struct spool_anchor {
	int64_t offset; /* SPOOL_OFFSET_UNKNOWN: none */
	int64_t appended_at_ms;
	bool seen; /* it was looked for and found there */
};

struct spool_stream {
	const char *topic;
	const char *incarnation;
	int64_t last_seq;
	int64_t delivered_seq;
	int64_t offset; /* of delivered_seq on its topic, or SPOOL_OFFSET_... */
	struct spool_anchor anchor; /* what shows that the topic is the same */
	int64_t again_seq; /* delivered ones that are sent once more: after this ... */
	int64_t again_to;  /* ... up to this one; 0: none */
};

enum { SPOOL_OFFSET_UNKNOWN = -1, SPOOL_OFFSET_REWOUND = -2 };
enum { SPOOL_STREAMS = 60 }; /* most that a spool has, of all its lives */

struct spool_status {
	int64_t pending;
	int64_t oldest_pending_us; /* 0: none is pending */
	int64_t bytes;             /* of the file and its log */
	int64_t free_bytes;        /* of the disk */
};

/*
 * Open the spool at path for the village, creating it if absent, with one stream for
 * each topic; streams of earlier incarnations that are not delivered yet come after
 * them. End it with spool_close().
 *
 * machine is a list of words with blanks between, of which the machine keeps at least
 * one for life; "" where none is known, NULL to open a copy as if it were the spool. A
 * spool that lived on another machine, or in another file, may still live there, and
 * one whose second witness was changed while it was closed may be an older copy: it
 * begins a new incarnation. What was accepted before keeps its numbers, whichever of
 * the two sends it.
 */
MUST_CHECK bool spool_open(struct spool **out, const char *path,
        const char *village_code, const char *machine, const char *const *topics,
        size_t topic_count, struct fault *fault);
void spool_close(struct spool **spool);

/*
 * Whether its files are still those that it has open: what is written into others is
 * found by nobody. FAULT_STOP, code "internal", when not; a file that is gone is then
 * written anew, with all that was in it.
 */
MUST_CHECK bool spool_is_there(struct spool *spool, struct fault *fault);

/*
 * Take from group and others what rights they have to the spool's files and to those
 * that were set aside: they hold personal data.
 */
struct spool_privacy {
	int closed; /* files that others could get at until now */
	int open;   /* ... and still can: they are another user's */
};
MUST_CHECK bool spool_keep_private(
        struct spool *spool, struct spool_privacy *out, struct fault *fault);

/* Events of earlier lives for which there was no stream left; the next opening has it.
 */
int64_t spool_hidden(const struct spool *spool);

const char *spool_incarnation(const struct spool *spool);
bool spool_is_copy(const struct spool *spool);     /* this opening found it elsewhere */
bool spool_is_put_back(const struct spool *spool); /* ... or changed by another hand */
const struct spool_stream *spool_stream(const struct spool *spool, size_t stream);
size_t spool_stream_count(const struct spool *spool);

/*
 * Give the closed spool at path another name, so that the next spool_open() begins
 * anew and carries over what it can: for damage that was found while running.
 */
MUST_CHECK bool spool_set_aside(
        const char *path, const char *reason, struct fault *fault);

/* What was set aside, while it is being carried over and until the next opening. */
struct spool_loss {
	bool any;
	char file[256];   /* what it is called now, without its folder */
	char reason[201]; /* no value of an event; the heartbeat takes no more */
	int64_t carried;
	int64_t missing;
	bool done;
};
void spool_loss(const struct spool *spool, struct spool_loss *out);

/* Numbers of a stream that were given and whose events are lost, in ranges. */
struct spool_missing {
	int64_t from_seq;
	int64_t to_seq;
};

/* The first room ranges, and how many numbers there are in all. */
MUST_CHECK bool spool_missing(struct spool *spool, size_t stream,
        struct spool_missing *out, size_t room, size_t *count, int64_t *total,
        struct fault *fault);

/*
 * Carry over up to limit rows. A group of its own, to be witnessed as any other; does
 * nothing when all is done.
 */
MUST_CHECK bool spool_carry_over(struct spool *spool, int limit, struct fault *fault);

/* A group: begin, append any number, commit or roll back. */
MUST_CHECK bool spool_begin(struct spool *spool, struct fault *fault);
MUST_CHECK bool spool_commit(struct spool *spool, struct fault *fault);
void spool_rollback(struct spool *spool);

/*
 * Tell the second witness of all that was committed before the call. An event may be
 * answered for when this has returned true, not before: what is lost of the file then
 * is known to be missing (docs/decisions/0011).
 */
MUST_CHECK bool spool_witness(struct spool *spool, struct fault *fault);

/* Within a group: what was appended since the mark can be taken back alone. */
MUST_CHECK bool spool_mark(struct spool *spool, struct fault *fault);
MUST_CHECK bool spool_undo(struct spool *spool, struct fault *fault);

/*
 * Store the draft and give it its number. A repeat of a known event yields its first
 * receipt; with another digest it is FAULT_REJECT, code "key-reused".
 */
MUST_CHECK bool spool_append(struct spool *spool, const struct spool_draft *draft,
        struct spool_receipt *out, struct fault *fault);

/* Within a group: the broker has confirmed all events of the stream up to seq, which it
 * has put at offset.
 */
void spool_delivered(struct spool *spool, size_t stream, int64_t seq, int64_t offset);

/* Within a group: this record of the stream is the one to look for. */
void spool_anchor(
        struct spool *spool, size_t stream, const struct spool_anchor *anchor);

/*
 * Within a group: the broker has lost what it had confirmed. All events that are still
 * kept are pending again; the stream has no anchor, and its offset is
 * SPOOL_OFFSET_REWOUND until the next is confirmed.
 */
MUST_CHECK bool spool_rewind(struct spool *spool, size_t stream, struct fault *fault);

/*
 * Within a group: a person's order takes the pending event out of its stream; headers
 * and value are those of the record that takes its number. FAULT_REJECT, code
 * "delivered", when the broker has it already.
 */
MUST_CHECK bool spool_void(struct spool *spool, size_t stream, int64_t seq,
        struct bytes headers, struct bytes value, struct bytes reason,
        struct fault *fault);

/*
 * Within a group: send these once more, as far as they are delivered and kept; an order
 * that is not yet carried out is widened. Confirmed up to seq: spool_again_done().
 */
void spool_again(struct spool *spool, size_t stream, int64_t from_seq, int64_t to_seq);
void spool_again_done(struct spool *spool, size_t stream, int64_t seq);

/*
 * The first and the last delivered event of the stream that was recorded at from_us or
 * later and before to_us; both 0: none is kept. Reads all that are kept.
 */
MUST_CHECK bool spool_span(struct spool *spool, size_t stream, int64_t from_us,
        int64_t to_us, int64_t *out_from_seq, int64_t *out_to_seq, struct fault *fault);

/* Within a group: the hub's orders before this offset are carried out. */
MUST_CHECK bool spool_note_orders(
        struct spool *spool, int64_t next_offset, struct fault *fault);

/* Where to read on; -1: none was carried out yet. */
MUST_CHECK bool spool_next_order(
        struct spool *spool, int64_t *out_offset, struct fault *fault);

/*
 * Show up to limit events after after_seq in order; the visitor returns false to stop.
 * *out_seq is the last one it accepted, after_seq when none.
 */
typedef bool spool_visitor(void *context, const struct spool_row *row);
MUST_CHECK bool spool_read(struct spool *spool, size_t stream, int64_t after_seq,
        int limit, spool_visitor *visitor, void *context, int64_t *out_seq,
        struct fault *fault);

/* *found tells whether there is one. */
MUST_CHECK bool spool_find(struct spool *spool, const uint8_t event_id[16], bool *found,
        struct spool_receipt *out, struct fault *fault);

/* The newest events of all streams, newest first; returns their count in *count. */
MUST_CHECK bool spool_list(struct spool *spool, bool pending_only,
        struct spool_receipt *out, size_t room, size_t *count, struct fault *fault);

/* recorded_at of the stream's oldest pending event; 0: none is pending. */
MUST_CHECK bool spool_oldest(
        struct spool *spool, size_t stream, int64_t *out_us, struct fault *fault);

MUST_CHECK bool spool_status(
        struct spool *spool, struct spool_status *out, struct fault *fault);

/*
 * Within a group: it is this day, in days since 1970, for sure. Days are how the spool
 * knows what is old; what rows say of their own time may be wrong by decades.
 */
MUST_CHECK bool spool_note_day(struct spool *spool, int32_t day, struct fault *fault);
int32_t spool_newest_day(const struct spool *spool); /* 0: none was noted */

/*
 * Within a group: forget up to limit delivered events of each stream that were there
 * when a day before this one began.
 */
MUST_CHECK bool spool_expire(
        struct spool *spool, int32_t before_day, int limit, struct fault *fault);

/*
 * Move the log into the file when it has grown. Once the disk was tight it is moved
 * sooner, and what more it took is given back. Outside a group only.
 */
MUST_CHECK bool spool_checkpoint(struct spool *spool, bool tight, struct fault *fault);

#endif
