/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_BOARD_H
#define MONITOR_BOARD_H

/*
 * What the monitor knows: counters of the last hour, villages, departments, alarms, and
 * a short ring of the newest events as JSON, already masked. All of it is in memory and
 * is made anew from Kafka at each start; its size does not grow with what passes.
 *
 * Any thread may call; a lock inside keeps them apart and is held for microseconds.
 */

#include <stdint.h>

#include "base/bytes.h"
#include "departments.h"
#include "event/catalog.h"
#include "villages.h"

struct board;

enum { BOARD_TOPICS = 16, BOARD_MINUTES = 60 };

/* A record as it is counted. */
struct board_event {
	size_t topic; /* index in the catalog */
	int32_t partition;
	int64_t offset;
	char village_code[16]; /* "" when it could not be decoded */
	int64_t recorded_at_us;
	int64_t appended_at_us;
	bool is_undecodable;
};

MUST_CHECK bool board_open(struct board **out, const struct catalog *catalog,
        const char *villages_csv, const char *departments, size_t ring,
        struct fault *fault);
void board_close(struct board **board);

/* Count them. What is to be seen in the ring is shown besides. */
void board_count(struct board *board, const struct board_event *events, size_t count);

/*
 * Put an event's text into the ring under the next number; texts without bytes stand
 * for one that was too old for the ring before it could have been seen.
 */
void board_show(struct board *board, struct bytes json);

/* The last day is read: what is shown from now on is live. */
void board_caught_up(struct board *board);
bool board_is_reading(struct board *board); /* it is not read yet */

void board_heartbeat(struct board *board, struct bytes village_code,
        const struct village_report *report);
void board_broker(struct board *board, bool up);
void board_department(struct board *board, const struct department_line *report);

/* The index-th department's name; NULL after the last. Does not change. */
const char *board_department_name(const struct board *board, size_t index);

/* About when the record at an offset came: see marks.h. 0: unknown. */
int64_t board_time_of(
        struct board *board, const char *topic, int32_t partition, int64_t offset);

/*
 * Each second: say anew how villages and departments are and what is wrong. Alarms that
 * began or ended are appended to news as Server-Sent Events, villages whose line
 * changed since the last time to changed as a JSON array.
 */
void board_settle(struct board *board, struct buffer *news, struct buffer *changed);

/* JSON of the pages, appended; changed NULL: without that member. */
void board_stats(struct board *board, const struct buffer *changed, struct buffer *out);
void board_villages(struct board *board, struct buffer *out);
bool board_has_village(const struct board *board, const char *code);

/* streams is what satu_data has of them, "topic incarnation" to numbers; or empty. */
void board_village(struct board *board, const char *code, struct bytes streams,
        struct buffer *out);
void board_departments(struct board *board, struct buffer *out);

/* Numbers for /metrics. */
struct board_gauges {
	bool broker_is_up;
	int64_t totals[BOARD_TOPICS]; /* records read, the last day's with them */
	int64_t undecodable;
	struct village_sums villages;
	int64_t alarms_bad;
	int64_t alarms_warn;
	struct departments departments;
};
void board_gauges(struct board *board, struct board_gauges *out);

/*
 * The event with this number as JSON, appended. False when it has left the ring, was
 * too old for it, or has not come. Numbers begin with 1.
 */
bool board_event_at(struct board *board, int64_t number, struct buffer *out);
int64_t board_newest(struct board *board);
int64_t board_oldest(struct board *board);

#endif
