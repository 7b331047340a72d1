/* SPDX-License-Identifier: MIT */
#ifndef FLOW_APPLY_H
#define FLOW_APPLY_H

/*
 * One batch of records as one transaction of a department's database: the rows go
 * through the mapping, the numbers are accounted for, what the tables refuse is set
 * aside, what stands behind it waits. The sink, the mending of dead letters and
 * `kentongan department try` all run this.
 *
 * What is special to each of them is in its frame: the statements right after BEGIN
 * (the sink moves positions, mending locks one) and right before the end.
 *
 * One thread owns an apply.
 */

#include "flow/batch.h"
#include "flow/breaker.h"
#include "port/table.h"

struct apply {
	const struct department *department;
	struct table *table;
	struct batch batch;
	struct breaker breaker;
	struct fault doubt;   /* of a lane: what was taken for a bad record and may be a
	                         wrong mapping, or a slow database; NONE: nothing */
	bool impatient;       /* as the frame has it */
	bool by_copy;         /* parts of a batch go straight, too */
	unsigned detour;      /* so many batches go through the mapping */
	unsigned detours;     /* how long the last one was; 0: none of late */
	int64_t straights;    /* batches that went straight */
	unsigned grounded;    /* so many batches are waited for */
	struct bytes *copies; /* of the batch that goes straight, one for each COPY */
	bool may_conflict;    /* one of its mappings has ON CONFLICT */
	struct buffer sql;    /* what will be sent next */
	struct buffer text;
};

/* Append statements to apply->sql, or send it with apply_send() and ask. */
typedef bool apply_words(struct apply *apply, void *context, struct fault *fault);

struct apply_frame {
	apply_words *begin;
	apply_words *end;
	void *context;
	bool straight;  /* where the mappings have such a way: flow/straight.h */
	bool apart;     /* one by one from the start */
	bool impatient; /* then a record that takes too long is refused, where others of
	                   its topic pass: docs/decisions/0036 */
	bool roll_back; /* at the end: nothing is kept */
};

/* department and catalog must outlive the apply. */
MUST_CHECK bool apply_open(struct apply *apply, const struct department *department,
        const struct catalog *catalog, struct fault *fault);
void apply_close(struct apply *apply);

/* Connect and prepare the mappings, where that is not done. */
MUST_CHECK bool apply_connect(struct apply *apply, const char *database,
        const char *name, struct fault *fault);

/* Read from the database what it has of the batch's streams that are new to us. */
MUST_CHECK bool apply_learn(struct apply *apply, struct fault *fault);

/*
 * Place the batch's records and run the transaction. False: nothing happened, or
 * (FAULT_UNSURE) it may have; the batch and what is known of streams and cases is to be
 * forgotten. FAULT_STOP, code "breaker" or "bad-record": a person has to look.
 */
MUST_CHECK bool apply_batch(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault);

/*
 * As apply_batch(), but do not wait where the batch goes straight: *flies, and until
 * apply_land() nothing may be asked of the database. Its records may go meanwhile, and
 * other ones be added, by somebody who calls apply_push() now and then: PostgreSQL
 * works while they are decoded. apply_ready() does of the next one what needs no
 * answer, while one still flies. Where apply_land() fails with the code "again", the
 * records are to be read again, and no batch flies for a while.
 */
MUST_CHECK bool apply_ready(
        struct apply *apply, const struct apply_frame *frame, struct fault *fault);
MUST_CHECK bool apply_launch(struct apply *apply, const struct apply_frame *frame,
        bool *flies, struct fault *fault);
void apply_push(struct apply *apply);
bool apply_has_landed(struct apply *apply);
MUST_CHECK bool apply_land(struct apply *apply, struct fault *fault);

/* Append SELECT kentongan.FUNCTION('text'); to apply->sql. */
MUST_CHECK bool apply_call(struct apply *apply, const char *function, struct bytes text,
        struct fault *fault);

/* Send apply->sql and empty it. */
MUST_CHECK bool apply_send(struct apply *apply, struct fault *fault);

/* Send apply->sql, which is one query, and show its rows. */
MUST_CHECK bool apply_ask(struct apply *apply, table_visitor *visitor, void *context,
        struct fault *fault);

#endif
