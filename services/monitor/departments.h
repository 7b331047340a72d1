/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_DEPARTMENTS_H
#define MONITOR_DEPARTMENTS_H

/*
 * What the departments' sinks report of themselves in their groups: docs/decisions/0002
 * and 0050.
 *
 * No lock: all of it is under the board's.
 */

#include <stdint.h>

#include "base/bytes.h"

enum { DEPARTMENTS = 80, LETTERS = 8 };

/* A dead letter, by codes only. */
struct letter {
	int64_t id;
	const char *topic; /* the catalog's */
	int32_t partition;
	int64_t offset;
	char village_code[16]; /* "": unknown */
	int64_t seq;           /* -1: unknown */
	char class[32];
	char sqlstate[8];
	int64_t at; /* seconds since 1970: when it was set aside */
};

struct department_line {
	char name[64];
	char title[96];    /* "" until it has reported */
	char state[16];    /* running, waiting, halted; silent; unknown: never heard */
	char reason[256];  /* why not running; in English, without any value */
	int64_t lag;       /* records not yet applied; -1: unknown */
	int64_t oldest_us; /* the broker's time of the oldest of them; 0: unknown */
	int64_t dead;      /* dead letters that wait for a person */
	int64_t parked;    /* cases that wait behind one */
	int64_t applied;   /* since the sink's start */
	int64_t p50_us;    /* from accepted to applied; -1: unknown */
	int64_t p99_us;
	int64_t row_at;      /* the broker's time of what it applied last, in seconds */
	int64_t reported_at; /* seconds since 1970; 0: never */
	int64_t since_us;    /* of the state */
	struct letter letters[LETTERS]; /* the newest that are open */
	size_t letter_count;
	int64_t letters_at; /* of the report that named them; 0: none did */
};

struct departments {
	struct department_line all[DEPARTMENTS];
	size_t count;
};

/* list is names with commas between. */
MUST_CHECK bool departments_init(
        struct departments *departments, const char *list, struct fault *fault);

/* A report takes the place of the one before, of its name. True: events were applied
 * since that one. */
bool departments_report(struct departments *departments,
        const struct department_line *report, int64_t now_us, int64_t heard_since_us);

/* One that has reported nothing for a while, in which it could have been heard, is
 * silent. */
void departments_settle(
        struct departments *departments, int64_t now_us, int64_t heard_since_us);

/* How old its oldest record is that is not applied, in seconds; -1: unknown. */
int64_t department_lag_seconds(const struct department_line *line, int64_t now_us);

/* The worst span of those that are known and not silent; -1: none is. */
int64_t departments_worst(const struct departments *departments, bool p99);

/* A JSON array, appended; with the letters or without. */
void departments_put(const struct departments *departments, int64_t now_us,
        bool with_letters, struct buffer *out);

#endif
