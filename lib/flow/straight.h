/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STRAIGHT_H
#define FLOW_STRAIGHT_H

/*
 * The straight way of a batch into a department's table. A mapping that does no more
 * than name columns of its batch is a COPY of those columns, which PostgreSQL does in
 * little more than half the time. That a mapping is such, and of which columns, says
 * PostgreSQL's own plan of it (kentongan.straight(); docs/decisions/0019); where its
 * table is another than it was then, the guard raises KT004.
 *
 * One thread owns a straight.
 */

#include "base/bytes.h"
#include "base/fault.h"
#include "port/table.h"

struct straight {
	char *copy;  /* COPY ... FROM STDIN BINARY; NULL: there is no straight way */
	char *guard; /* SELECT ...; to be run behind the COPY, which locks the table */
	bool conflicts; /* the mapping has ON CONFLICT */
	bool *wanted;   /* by cell of the batch's row: the COPY has it */
	size_t cell_count;
	size_t wanted_count;
	struct buffer rows; /* of the batch that flies */
};

/*
 * Ask whether the prepared mapping has a straight way; its batch has so many cells. In
 * a database that was made ready by an earlier release none has.
 */
MUST_CHECK bool straight_learn(struct straight *straight, struct table *table,
        const char *mapping, size_t cell_count, struct fault *fault);
void straight_forget(struct straight *straight);

#endif
