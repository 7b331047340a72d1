/* SPDX-License-Identifier: MIT */
#include "marks.h"

#define APART_US INT64_C(1000000)

/* Of the older half every other one goes. */
static void thin(struct marks *marks)
{
	size_t kept = 0;

	for (size_t i = 0; i < marks->count; i++) {
		if (i < MARKS / 2 && i % 2 == 1)
			continue;
		marks->offsets[kept] = marks->offsets[i];
		marks->times_us[kept] = marks->times_us[i];
		kept++;
	}
	marks->count = kept;
}

void marks_note(struct marks *marks, int64_t offset, int64_t appended_us)
{
	if (marks->count > 0 && offset <= marks->offsets[marks->count - 1])
		marks->count = 0;
	if (marks->count > 0
	        && appended_us - marks->times_us[marks->count - 1] < APART_US)
		return;
	if (marks->count == MARKS)
		thin(marks);
	marks->offsets[marks->count] = offset;
	marks->times_us[marks->count] = appended_us;
	marks->count++;
}

int64_t marks_time(const struct marks *marks, int64_t offset)
{
	for (size_t i = marks->count; i > 0; i--)
		if (marks->offsets[i - 1] <= offset)
			return marks->times_us[i - 1];
	return marks->count > 0 ? marks->times_us[0] : 0;
}
