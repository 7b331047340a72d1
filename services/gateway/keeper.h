/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_KEEPER_H
#define GATEWAY_KEEPER_H

/*
 * The keeper is the one thread that owns the spool and the forward. Posts and questions
 * are handed to it from the loop's thread; it takes whatever is waiting as one group,
 * commits, and hands the answers back to the loop's thread.
 *
 * Promise: a post whose result is KEEPER_KEPT is on disk, and the second witness knows
 * of it. A group costs two syncs: a lone post waits for nobody, and many posts share.
 *
 * When the spool is damaged or its disk does not obey, the thread ends and
 * keeper_is_ill() says so with FAULT_STOP: the program must begin again, which is when
 * damage is dealt with.
 */

#include "base/conf.h"
#include "base/timekeeper.h"
#include "event/catalog.h"
#include "flow/forward.h"
#include "machine.h"
#include "port/loop.h"
#include "port/spool.h"
#include "room.h"

struct keeper;

enum keeper_result { KEEPER_KEPT, KEEPER_REPEATED, KEEPER_FAILED };

/* One unit: all its drafts are stored, or none. The poster owns it until `done`. */
struct keeper_post {
	struct spool_draft *drafts;
	struct spool_receipt *receipts; /* NULL: made when it is its turn to be kept */
	size_t count;
	enum keeper_result result;
	size_t failed; /* which draft, when FAILED by a REJECT */
	struct fault fault;
	void (*done)(
	        void *context, struct keeper_post *post); /* on the loop's thread */
	void *context;
	struct keeper_post *next; /* the keeper's own */
	size_t bytes;
};

enum { KEEPER_RANGES = 100 }; /* as many as a heartbeat has room for */

/* What a damaged spool lost of a stream. */
struct keeper_missing {
	struct spool_missing ranges[KEEPER_RANGES]; /* the first ones */
	size_t count;
	int64_t total; /* numbers, of all ranges */
};

struct keeper_status {
	struct spool_status spool;
	struct forward_link link;
	struct spool_loss loss;
	struct spool_stream streams[SPOOL_STREAMS]; /* the catalog's, then earlier */
	int64_t oldest_us[SPOOL_STREAMS];           /* pending; 0: none */
	int64_t delivered[SPOOL_STREAMS];           /* since the start */
	struct keeper_missing missing[SPOOL_STREAMS];
	size_t stream_count;
};

enum keeper_asking {
	KEEPER_FIND,
	KEEPER_LIST,
	KEEPER_STATUS,
	KEEPER_RESEND,
	KEEPER_VOID,
	KEEPER_JUDGE
};

/* What takes the number of an event. Borrowed until `done`. */
struct keeper_void {
	size_t stream;
	int64_t seq;
	struct bytes headers;
	struct bytes value;
	struct bytes reason;
};

/* Delivered events to be sent once more. */
struct keeper_resend {
	char topic[128];
	char incarnation[UUID_TEXT_BYTES]; /* "": the present one */
	int64_t from_seq;
	int64_t to_seq;      /* 0: nothing, but note the offset */
	int64_t from_us;     /* by times instead, where to_us is not 0 */
	int64_t to_us;       /* the first that is not sent */
	int64_t next_offset; /* of the hub's orders; 0: it is not one */
};

/* Where the broker has put records of a stream. */
struct keeper_place {
	const char *topic; /* the spool's own */
	struct spool_anchor anchor;
	struct spool_anchor newest; /* confirmed since the start */
};

/* What a look at the topic has shown; of no more worth when the anchor is another. */
struct keeper_verdict {
	size_t stream;
	struct spool_anchor anchor; /* that was looked for */
	bool lost;
	struct spool_anchor next; /* where not lost: seen, the anchor from now on */
};

struct keeper_question {
	enum keeper_asking asking;
	uint8_t event_id[16];           /* FIND */
	bool pending_only;              /* LIST */
	struct keeper_void voiding;     /* VOID; event_id too, for the receipt */
	struct keeper_resend resend;    /* RESEND; ok with count 0: no such stream */
	struct keeper_verdict verdict;  /* JUDGE */
	struct spool_receipt *receipts; /* FIND: one; LIST: room of them */
	size_t room;
	size_t count;
	struct keeper_status status;
	bool ok;
	struct fault fault;
	void (*done)(void *context, struct keeper_question *question);
	void *context;
	struct keeper_question *next;
};

/* Opens the spool and the forward and starts the thread. loop_on_wake() is taken. */
MUST_CHECK bool keeper_open(struct keeper **out, struct loop *loop,
        const struct conf *conf, const struct catalog *catalog,
        const struct timekeeper *timekeeper, struct fault *fault);

/* The last day that the spool was sure of; 0: none. Before there is anything to post.
 */
int32_t keeper_newest_day(const struct keeper *keeper);

/* Where to read the hub's orders; -1: from the beginning. As it was when opened. */
int64_t keeper_next_order(const struct keeper *keeper);

/* The settings have changed: send by the new ones from now on. Any thread. */
void keeper_renew(struct keeper *keeper);

/* Finishes the group in hand, leaves the rest unanswered, ends the thread. */
void keeper_close(struct keeper **keeper);

/* Room on the disk: room_stage(), room_told(). Any thread. */
enum room_stage keeper_room(const struct keeper *keeper);
enum room_stage keeper_room_told(const struct keeper *keeper);

const char *keeper_incarnation(const struct keeper *keeper);

/*
 * False, FAULT_RETRY, when too much is waiting; then done is not called. The keeper
 * hears of it by the next keeper_tell(), so that what comes together is one group, or
 * when so many have come that storing them while more are taken is faster.
 */
MUST_CHECK bool keeper_post(
        struct keeper *keeper, struct keeper_post *post, struct fault *fault);
void keeper_tell(struct keeper *keeper);

void keeper_ask(
        struct keeper *keeper, struct keeper_question *question); /* any thread */

/*
 * The places of all streams as they were at the call before; they are noted anew for
 * the next one. Returns their count. Any thread.
 */
size_t keeper_places(struct keeper *keeper, struct keeper_place out[SPOOL_STREAMS]);

/* Why the gateway cannot take an event now; false when it can. Any thread. */
bool keeper_is_ill(const struct keeper *keeper, struct fault *out);

#define KEEPER_KEYS                                                                    \
	CONF_MUST(TEXT, village, "code of the village, such as 35.09.01.2001"),        \
	        CONF_MUST(PATH, spool, "file that keeps accepted events"),             \
	        CONF_KEY(COUNT, keep_days, "35",                                       \
	                "days that delivered events and keys are kept"),               \
	        MACHINE_KEYS, ROOM_KEYS, FORWARD_KEYS

#endif
