/* SPDX-License-Identifier: MIT */
#include "base/spread.h"

enum { STEP_BITS = 3, STEPS = 1 << STEP_BITS };

static int step_of(int64_t span_us)
{
	int power;
	int step;

	if (span_us < STEPS)
		return span_us < 0 ? 0 : (int)span_us;
	power = 63 - __builtin_clzll((unsigned long long)span_us);
	step = (power - STEP_BITS + 1) * STEPS
	       + (int)(span_us >> (power - STEP_BITS)) % STEPS;
	return step < SPREAD_STEPS ? step : SPREAD_STEPS - 1;
}

/* The middle of a step. */
static int64_t span_of(int step)
{
	int shift = step / STEPS - 1;
	int64_t low = STEPS + step % STEPS;

	if (step < STEPS)
		return step;
	return (low << shift) + ((INT64_C(1) << shift) >> 1);
}

void spread_add(struct spread *spread, int64_t span_us)
{
	spread->counts[step_of(span_us)]++;
	spread->total++;
}

void spread_take(struct spread *spread, const struct spread *other)
{
	for (int i = 0; i < SPREAD_STEPS; i++)
		spread->counts[i] += other->counts[i];
	spread->total += other->total;
}

int64_t spread_at(const struct spread *spread, int permille)
{
	uint64_t wanted = (spread->total * (uint64_t)permille + 999) / 1000;
	uint64_t seen = 0;

	if (spread->total == 0)
		return -1;
	for (int i = 0; i < SPREAD_STEPS; i++) {
		seen += spread->counts[i];
		if (seen >= wanted && seen > 0)
			return span_of(i);
	}
	return span_of(SPREAD_STEPS - 1);
}
