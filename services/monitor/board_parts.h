/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_BOARD_PARTS_H
#define MONITOR_BOARD_PARTS_H

/* What board.c and picture.c share, and nobody else sees. */

#include <pthread.h>

#include "alarms.h"
#include "base/spread.h"
#include "board.h"
#include "marks.h"

enum { RATE_SECONDS = 10 };

struct topic_counts {
	const char *topic;
	int64_t total;
	int64_t live;                   /* of them, not read back */
	int64_t minutes[BOARD_MINUTES]; /* by minute modulo 60 */
	int64_t minute_of[BOARD_MINUTES];
	int64_t seconds[RATE_SECONDS + 1];
	int64_t second_of[RATE_SECONDS + 1];
};

/* A minute of the last hour, at its number modulo 60. */
struct minute {
	int64_t number;          /* minutes since 1970 */
	struct spread delivered; /* from accepted to the broker */
	int64_t applied_p99_us;  /* the worst department's; -1: unknown */
	int64_t waiting;         /* events in villages at its end; -1: unknown */
};

struct ring_slot {
	char *json;
	size_t size;
};

struct board {
	pthread_mutex_t lock;
	struct topic_counts topics[BOARD_TOPICS];
	size_t topic_count;
	struct marks *marks; /* topic_count times partitions */
	int32_t partitions;
	struct minute minutes[BOARD_MINUTES];
	struct villages *villages;
	struct departments departments;
	struct alarms alarms;
	struct alarms alarms_before;
	struct ring_slot *ring;
	size_t ring_size;
	int64_t newest;
	int64_t undecodable;
	int64_t undecodable_live; /* not read back */
	int64_t undecodable_us;
	bool broker_is_up;
	int64_t broker_since_us;
	bool is_reading; /* the last day is not yet read */
};

/* The minute that a time lies in, emptied when it is a new one; NULL: an old one. */
struct minute *board_minute(struct board *board, int64_t at_us);

#endif
