/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PACE_H
#define FLOW_PACE_H

/*
 * When what has happened happens again. `at` is a time of the past, `now` and what is
 * due are of the monotonic clock; all are microseconds. Nothing in here waits.
 */

#include <stdint.h>

struct pace {
	double speed;       /* 10: ten times as fast; 0: as fast as it goes */
	int64_t max_gap_us; /* longest silence of the viewer's time; 0: as it was */
	int64_t base_at_us;
	int64_t base_us; /* when base_at_us is */
	int64_t last_us; /* when the last was due */
};

void pace_begin(struct pace *pace, int64_t at_us, int64_t now_us);

/*
 * When the next one is due; called once for each, in order. A longer silence than
 * max_gap_us is cut short. Who comes half a second late or more finds that the clock
 * has waited: nobody is flooded with what he missed.
 */
int64_t pace_due(struct pace *pace, int64_t at_us, int64_t now_us);

/* What the replayed clock says; `next` is when its next one was. */
int64_t pace_clock(const struct pace *pace, int64_t next_at_us, int64_t now_us);

/* How fast something may be read: a second's worth is spread over it. */
struct quota {
	uint64_t each_second; /* 0: any */
	int64_t free_us;
};

/* It has been used; how long to wait before using more. */
void quota_use(struct quota *quota, uint64_t amount, int64_t now_us);
int64_t quota_wait_us(const struct quota *quota, int64_t now_us);

#endif
