/* SPDX-License-Identifier: MIT */
#include "flow/breaker.h"

#include <stdio.h>
#include <string.h>

void breaker_passed(struct breaker *breaker, int64_t records)
{
	breaker->records += records;
	if (records > 0)
		breaker->in_a_row = 0;
}

static bool is_alike(
        const struct breaker_failure *a, const struct breaker_failure *b, int64_t now)
{
	return strcmp(a->sqlstate, b->sqlstate) == 0
	       && strcmp(a->constraint, b->constraint) == 0
	       && now - a->at <= BREAKER_RECORDS;
}

/* Villages among the remembered failures that failed as this one did. */
static int count_villages(
        const struct breaker *breaker, const struct breaker_failure *this)
{
	int villages = 0;

	for (int i = 0; i < breaker->used; i++) {
		const struct breaker_failure *failure = &breaker->failures[i];
		bool counted = !is_alike(failure, this, breaker->records);

		for (int j = 0; j < i && !counted; j++)
			counted =
			        is_alike(&breaker->failures[j], this, breaker->records)
			        && strcmp(breaker->failures[j].village_code,
			                   failure->village_code)
			                   == 0;
		villages += !counted;
	}
	return villages;
}

bool breaker_failed(struct breaker *breaker, const char *village_code,
        const char *sqlstate, const char *constraint, int64_t mapping_taken)
{
	struct breaker_failure *failure = &breaker->failures[breaker->next];

	snprintf(failure->village_code, sizeof failure->village_code, "%.15s",
	        village_code);
	snprintf(failure->sqlstate, sizeof failure->sqlstate, "%.7s", sqlstate);
	snprintf(failure->constraint, sizeof failure->constraint, "%.63s", constraint);
	failure->at = ++breaker->records;
	breaker->next = (breaker->next + 1) % BREAKER_FAILURES;
	if (breaker->used < BREAKER_FAILURES)
		breaker->used++;
	breaker->in_a_row++;
	return count_villages(breaker, failure) >= BREAKER_VILLAGES
	       || (breaker->in_a_row >= BREAKER_IN_A_ROW
	               && mapping_taken < BREAKER_NEW_UNTIL);
}
