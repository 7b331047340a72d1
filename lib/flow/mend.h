/* SPDX-License-Identifier: MIT */
#ifndef FLOW_MEND_H
#define FLOW_MEND_H

/*
 * Dead letters and the records that wait behind them, tried again: the records are read
 * from Kafka once more by their offsets and go the way of any batch (flow/apply), in
 * their order, in one transaction that keeps the sink of their partition out.
 *
 * When the head is applied or waived, those behind it follow; the first that fails is a
 * dead letter of its own, and the rest goes on to wait behind it.
 */

#include "flow/apply.h"
#include "port/topic_consumer.h"

/* A case's queue, or a letter that stands alone. */
struct mend_queue {
	char topic[128];
	int32_t partition;
	char village_code[16];
	char case_id[408];
	int64_t first_offset;
	int64_t letter_id; /* its head; 0: a record that waits for rows of others */
	bool alone;        /* nothing waits behind the letter */
	bool counted;      /* the letter's number has come */
	char sha256[65];   /* of the letter's value, in hex */
};

struct mend_wish {
	const char *who;
	const char *why;
	bool waive;        /* the head is dropped, the rest is tried */
	bool roll_back;    /* only look */
	apply_words *look; /* before the end; may be NULL */
	void *context;
};

struct mend_result {
	size_t applied;
	size_t waiting;
	size_t dead;
	size_t waived;
	char sqlstate[8]; /* of the first that failed */
	char constraint[64];
};

/* FAULT_REJECT: there is no such letter, it is decided, or another stands before it. */
MUST_CHECK bool mend_find(struct apply *apply, int64_t letter_id,
        struct mend_queue *out, struct fault *fault);

/*
 * FAULT_RETRY: somebody else moved the case meanwhile. FAULT_REJECT, code "gone": a
 * record is no longer in Kafka. What apply knows of streams and cases is forgotten.
 */
MUST_CHECK bool mend_run(struct apply *apply, struct consumer *consumer,
        const struct mend_queue *queue, const struct mend_wish *wish,
        struct mend_result *out, struct fault *fault);

/* Begins as zeros; the caller keeps it between two turns. */
struct mend_round {
	size_t from;  /* so many were tried in earlier turns, and failed again */
	size_t tried; /* in this turn */
	bool more;    /* the round is not through: take another turn soon */
};

/*
 * What a sink tries by itself, in its partitions (JSON, as kentongan.claim() takes it):
 * records that wait for rows of others; with unknown_too also records whose schema was
 * not in the catalog. One turn takes about half a second, so that thousands of them
 * hold up nobody. A queue that cannot be tried now is left for the next round. tried
 * more than 0: what apply knew of streams and cases is forgotten.
 */
MUST_CHECK bool mend_partitions(struct apply *apply, const struct conf *conf,
        struct bytes partitions, bool unknown_too, struct mend_round *round,
        struct fault *fault);

#endif
