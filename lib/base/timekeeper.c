/* SPDX-License-Identifier: MIT */
#include "base/timekeeper.h"

#include <stdlib.h>

#include "base/clock.h"

static const int64_t day_us = 86400000000;
static const int64_t step_us = 10000000; /* more than any slewing between two looks */

struct clock_reading clock_reading_now(void)
{
	return (struct clock_reading){ clock_wall_us(), clock_monotonic_us(),
		clock_is_synced() };
}

static int32_t day_of(const struct clock_reading *reading)
{
	return (int32_t)(reading->wall_us / day_us);
}

void timekeeper_init(struct timekeeper *timekeeper, int32_t newest_day,
        const struct clock_reading *reading)
{
	int64_t built_us = (int64_t)KENTONGAN_BUILD_TIME * 1000000;
	int64_t newest_us = newest_day * day_us;

	timekeeper->floor_us = newest_us > built_us ? newest_us : built_us;
	timekeeper->started_us = reading->monotonic_us;
	timekeeper->offset_us = reading->wall_us - reading->monotonic_us;
	timekeeper->sure_from_us = reading->monotonic_us;
	if (newest_day != 0 && abs(day_of(reading) - newest_day) > 1)
		timekeeper->sure_from_us += day_us;
	timekeeper->was_synced = false;
	timekeeper_look(timekeeper, reading);
}

void timekeeper_look(struct timekeeper *timekeeper, const struct clock_reading *reading)
{
	int64_t offset_us = reading->wall_us - reading->monotonic_us;
	int64_t jump_us = llabs(offset_us - timekeeper->offset_us);
	bool sure;

	timekeeper->offset_us = offset_us;
	if (jump_us > day_us)
		timekeeper->sure_from_us = reading->monotonic_us + day_us;
	if (reading->synced)
		timekeeper->was_synced = true;
	else if (jump_us > step_us)
		timekeeper->was_synced = false;
	atomic_store(&timekeeper->quality, reading->synced          ? CLOCK_SYNCED
	                                   : timekeeper->was_synced ? CLOCK_HOLDOVER
	                                                            : CLOCK_UNSYNCED);
	sure = reading->synced && reading->monotonic_us >= timekeeper->sure_from_us;
	atomic_store(&timekeeper->sure_day, sure ? day_of(reading) : 0);
}

enum clock_quality timekeeper_quality(const struct timekeeper *timekeeper)
{
	return atomic_load(&timekeeper->quality);
}

const char *clock_quality_name(enum clock_quality quality)
{
	static const char *const names[] = { "SYNCED", "HOLDOVER", "UNSYNCED" };

	return names[quality];
}

int64_t timekeeper_us(
        const struct timekeeper *timekeeper, const struct clock_reading *reading)
{
	int64_t least_us =
	        timekeeper->floor_us + reading->monotonic_us - timekeeper->started_us;

	if (timekeeper_quality(timekeeper) == CLOCK_SYNCED
	        || reading->wall_us > least_us)
		return reading->wall_us;
	return least_us;
}

int64_t timekeeper_now_us(const struct timekeeper *timekeeper)
{
	struct clock_reading now = { clock_wall_us(), clock_monotonic_us(), false };

	return timekeeper_us(timekeeper, &now);
}

int32_t timekeeper_sure_day(const struct timekeeper *timekeeper)
{
	return atomic_load(&timekeeper->sure_day);
}
