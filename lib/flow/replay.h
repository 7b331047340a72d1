/* SPDX-License-Identifier: MIT */
#ifndef FLOW_REPLAY_H
#define FLOW_REPLAY_H

/*
 * What has happened, again: the events of some topics between two times of the broker,
 * in one order, as fast as they came or faster.
 *
 * Promise: each event of the wish comes exactly once, those of a partition in its
 * order, all of them by the broker's time; two replays of one wish give the same row,
 * so that one can go on where another has stopped. What has left the log is told by
 * replay_cut(), never passed over. The broker is asked to read, on one's own and no
 * faster than bytes_per_second; nothing is written anywhere.
 *
 *     ranges (a queue a partition) --filter--> heads of partitions --oldest--> due? -->
 * out
 *
 * One thread owns a replay.
 */

#include "base/step.h"
#include "event/mask.h"
#include "flow/pace.h"
#include "port/topic_ranges.h"

struct replay;

enum { REPLAY_TOPICS = 64 };

/* A place in the order of a replay. Topics count as the catalog has them. */
struct replay_cursor {
	int64_t at_us;
	size_t topic;
	int32_t partition;
	int64_t offset;
};

struct replay_wish {
	bool topics[REPLAY_TOPICS]; /* by the catalog's index */
	int64_t from_us;            /* the broker's time, it included */
	int64_t to_us;              /* it not included */
	bool has_after;
	struct replay_cursor after; /* begin behind this one */
	const char *village;        /* its code; "" for all, as the others */
	const char *district;       /* its code, such as 35.09.01 */
	const char *case_id;
	const char *service;
	double speed; /* 0: as fast as it goes */
	int64_t max_gap_us;
	uint64_t bytes_per_second; /* read from the broker; 0: any */
	size_t memory_bytes;       /* about; at least 32 KiB a partition */
};

struct replay_event {
	struct topic_record record; /* the caller's, until replay_release() */
	struct replay_cursor cursor;
};

/* conf has brokers and kafka; wish and catalog must outlive the replay. */
MUST_CHECK bool replay_open(struct replay **out, const struct conf *conf,
        const struct catalog *catalog, const struct replay_wish *wish,
        struct fault *fault);
void replay_close(struct replay **replay);

/* Records that lie between the times, before any filter but the village's partition. */
int64_t replay_records(const struct replay *replay);

/* What is read of each partition. */
const struct topic_range *replay_ranges(const struct replay *replay, size_t *out_count);

/*
 * The index-th partition whose log begins within the time that was asked for, or behind
 * it, and once began earlier: what was there before is gone, and some of it may have
 * been asked for. False after the last.
 */
bool replay_cut(
        const struct replay *replay, size_t index, const struct topic_range **out);

/*
 * The next event, when it is due. STEP_IDLE after wait_ms without one, or at the end:
 * see replay_is_over(). FAULT_RETRY, code "unreachable": for half a minute the broker
 * has given nothing of what it has. FAULT_STOP, code "offset": the log was cut
 * meanwhile.
 */
enum step replay_next(struct replay *replay, int wait_ms, struct replay_event *event,
        struct fault *fault);
bool replay_is_over(const struct replay *replay);
void replay_release(struct replay_event *event);

/* Whether an event is at hand that is not due yet, and of when it is and how long to
 * wait.
 */
bool replay_waits(
        const struct replay *replay, int64_t *out_at_us, int64_t *out_left_us);

/* The replayed clock, and the bytes that were read so far. */
int64_t replay_clock(const struct replay *replay);
uint64_t replay_bytes(const struct replay *replay);

/* The event as people see it, appended. */
void replay_json(struct replay *replay, const struct replay_event *event,
        enum mask_view view, struct buffer *out);

#endif
