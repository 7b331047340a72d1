/* SPDX-License-Identifier: MIT */
#ifndef BASE_TIMEKEEPER_H
#define BASE_TIMEKEEPER_H

/*
 * How far the wall clock is to be believed. A village's computer may start in 1970, ten
 * years ahead, or be set back an hour while it runs: what is recorded then says so, and
 * nothing is thrown away by such a clock.
 *
 * SYNCED: the kernel says that somebody keeps it right (adjtimex). HOLDOVER: nobody
 * does now, somebody did since the start, and it has not been set since. UNSYNCED:
 * neither.
 *
 * One thread tells it the time; all may ask.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum clock_quality { CLOCK_SYNCED, CLOCK_HOLDOVER, CLOCK_UNSYNCED };

struct timekeeper {
	int64_t floor_us;     /* it is not earlier than this ... */
	int64_t started_us;   /* ... plus what has passed since then, monotonic */
	int64_t offset_us;    /* wall less monotonic, at the last look */
	int64_t sure_from_us; /* monotonic: until then a jump is waited out */
	bool was_synced;
	_Atomic enum clock_quality quality;
	atomic_int sure_day;
};

/* What the clocks say at one moment. */
struct clock_reading {
	int64_t wall_us;
	int64_t monotonic_us;
	bool synced;
};

struct clock_reading clock_reading_now(void);

/* newest_day is the last one that it was sure of, in days since 1970; 0: none. */
void timekeeper_init(struct timekeeper *timekeeper, int32_t newest_day,
        const struct clock_reading *reading);
void timekeeper_look(
        struct timekeeper *timekeeper, const struct clock_reading *reading);

enum clock_quality timekeeper_quality(const struct timekeeper *timekeeper);
const char *clock_quality_name(enum clock_quality quality); /* as the schemas have it */

/* The time to record: the wall clock's, but not before this program was made. */
int64_t timekeeper_us(
        const struct timekeeper *timekeeper, const struct clock_reading *reading);
int64_t timekeeper_now_us(const struct timekeeper *timekeeper);

/*
 * Today, in days since 1970, where that is sure enough to throw things away by it: the
 * clock is SYNCED and has not jumped by more than a day within the last day. Else 0.
 */
int32_t timekeeper_sure_day(const struct timekeeper *timekeeper);

#endif
