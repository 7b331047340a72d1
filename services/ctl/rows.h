/* SPDX-License-Identifier: MIT */
#ifndef CTL_ROWS_H
#define CTL_ROWS_H

/*
 * The rows that a transaction wrote, before and after, for people; one that it deleted
 * has nothing after. In a table without a primary key a changed row is one that went
 * and one that came. Tables of other schemas are only named, on standard error.
 *
 * A department's own columns do not say whom they concern, so values are masked unless
 * one of the records has the same in a field that the schema calls free of personal
 * data and none has it in another: texts, numbers and times alike. Truths, and the
 * present moment, are shown.
 *
 * The transaction reads repeatably, has a number of its own and a savepoint before_all
 * (lib/flow/mend.c); it is at before_all when rows_look() returns.
 */

#include "flow/apply.h"

struct rows {
	bool json;
	bool personal;           /* show everything */
	size_t count;            /* printed so far */
	struct cases harmless;   /* values of fields without personal data */
	struct cases concerning; /* texts of the others */
};

/* An apply_words; context is a struct rows. Prints. */
bool rows_look(struct apply *apply, void *context, struct fault *fault);
void rows_clear(struct rows *rows);

#endif
