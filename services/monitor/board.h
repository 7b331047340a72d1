/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_BOARD_H
#define MONITOR_BOARD_H

/*
 * What the monitor knows: counters of the last hour, villages, departments, and a short
 * ring of the newest events as JSON, already masked. All of it is in memory and is made
 * anew from Kafka at each start.
 *
 * Any thread may call; a lock inside keeps them apart.
 */

#include <stdint.h>

#include "base/bytes.h"
#include "event/catalog.h"

struct board;

enum { BOARD_TOPICS = 16, BOARD_MINUTES = 60, BOARD_STATE_BYTES = 16 };

/* A record as the reader saw it. */
struct board_event {
	size_t topic;
	struct bytes village_code; /* empty when it could not be decoded */
	int64_t seq;
	int64_t recorded_at_us;
	int64_t appended_at_us;
	bool undecodable;
	struct bytes json; /* masked */
};

/* What a department's sink reported. */
struct board_department {
	char name[64];
	char state[BOARD_STATE_BYTES]; /* "unknown" until it has reported */
	int64_t lag;                   /* records */
	int64_t dead;
	int64_t applied;
	int64_t reported_at; /* seconds since 1970 */
};

MUST_CHECK bool board_open(struct board **out, const struct catalog *catalog,
        const char *villages_csv, const char *departments, size_t ring,
        struct fault *fault);
void board_close(struct board **board);

void board_add(struct board *board, const struct board_event *event);
void board_broker(struct board *board, bool up);
void board_department(struct board *board, const struct board_department *report);

/* The index-th department's name; NULL after the last. Does not change. */
const char *board_department_name(const struct board *board, size_t index);

/* JSON of the pages, appended. */
void board_stats(struct board *board, struct buffer *out);
void board_villages(struct board *board, struct buffer *out);
bool board_village(struct board *board, const char *code, struct buffer *out);
void board_departments(struct board *board, struct buffer *out);

/* Records read since the start, of one topic. */
int64_t board_total(struct board *board, size_t topic);

/*
 * The event with this number as JSON, appended. False when it has left the ring or has
 * not come. Numbers begin with 1.
 */
bool board_event_at(struct board *board, int64_t number, struct buffer *out);
int64_t board_newest(struct board *board);
int64_t board_oldest(struct board *board);

#endif
