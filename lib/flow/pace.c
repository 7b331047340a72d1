/* SPDX-License-Identifier: MIT */
#include "flow/pace.h"

/* Later than this, and the clock waits. */
#define LATE_US INT64_C(500000)

/* What may be used at once after a pause. */
#define BURST_US INT64_C(100000)

void pace_begin(struct pace *pace, int64_t at_us, int64_t now_us)
{
	pace->base_at_us = at_us;
	pace->base_us = now_us;
	pace->last_us = now_us;
}

int64_t pace_due(struct pace *pace, int64_t at_us, int64_t now_us)
{
	int64_t due_us;

	if (pace->speed <= 0)
		return now_us;
	due_us = pace->base_us
	         + (int64_t)((double)(at_us - pace->base_at_us) / pace->speed);
	if (pace->max_gap_us > 0 && due_us - pace->last_us > pace->max_gap_us) {
		pace->base_us -= due_us - pace->last_us - pace->max_gap_us;
		due_us = pace->last_us + pace->max_gap_us;
	}
	if (due_us + LATE_US <= now_us) {
		pace->base_us += now_us - due_us;
		due_us = now_us;
	}
	pace->last_us = due_us;
	return due_us;
}

int64_t pace_clock(const struct pace *pace, int64_t next_at_us, int64_t now_us)
{
	int64_t at_us = pace->base_at_us
	                + (int64_t)((double)(now_us - pace->base_us) * pace->speed);

	return pace->speed <= 0 || at_us > next_at_us ? next_at_us : at_us;
}

void quota_use(struct quota *quota, uint64_t amount, int64_t now_us)
{
	if (quota->each_second == 0)
		return;
	if (quota->free_us < now_us - BURST_US)
		quota->free_us = now_us - BURST_US;
	quota->free_us += (int64_t)((double)amount * 1e6 / (double)quota->each_second);
}

int64_t quota_wait_us(const struct quota *quota, int64_t now_us)
{
	return quota->free_us > now_us ? quota->free_us - now_us : 0;
}
