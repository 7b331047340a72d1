/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_MARKS_H
#define MONITOR_MARKS_H

/*
 * Which offset came when, for each partition: enough of it to say how old what a
 * department has not yet applied is. About a second apart when they are new; as they
 * age every other one goes, so that a partition's whole day fits into 2 KB.
 *
 * No lock: all of it is under the board's.
 */

#include <stddef.h>
#include <stdint.h>

enum { MARKS = 128 };

struct marks {
	size_t count;
	int64_t offsets[MARKS];
	int64_t times_us[MARKS];
};

/* In the order of offsets; one that goes back begins anew: the topic was made again. */
void marks_note(struct marks *marks, int64_t offset, int64_t appended_us);

/* About when the record at this offset came, rather too early than too late; 0:
 * unknown. */
int64_t marks_time(const struct marks *marks, int64_t offset);

#endif
