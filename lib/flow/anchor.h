/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ANCHOR_H
#define FLOW_ANCHOR_H

/*
 * Whether a topic is still the one that confirmed our records. Each was given an offset
 * and a time by the broker; asked for the first record of that time and for the first
 * after it, the same topic names an offset at or before ours and one beyond it. A topic
 * that was made anew, or that lost its end and was filled again, does not. No record is
 * read: a village may not read the topics of events (docs/decisions/0015).
 */

#include "port/spool.h"
#include "port/topic_consumer.h"

enum anchor_verdict {
	VERDICT_OPEN,  /* nothing new can be said now */
	VERDICT_SAME,  /* *next is the anchor from now on */
	VERDICT_OTHER, /* what was confirmed before is lost */
};

/*
 * Look for the anchor, and for the newest record, which was confirmed after it (or is
 * it, or none). The newest says whether the broker's clock can be believed: a record is
 * an anchor for good only after it was once found. Asks the broker, and waits for it.
 */
MUST_CHECK bool anchor_compare(struct consumer *consumer, const char *topic,
        int32_t partition, const struct spool_anchor *anchor,
        const struct spool_anchor *newest, enum anchor_verdict *out,
        struct spool_anchor *next, struct fault *fault);

/* What was found of one record. */
enum anchor_state {
	ANCHOR_NONE,    /* nothing to look for, or older than what the topic keeps */
	ANCHOR_HOLDS,   /* it is where it was put */
	ANCHOR_DIFFERS, /* its time says that it is not, or the broker's clock went back
	                 */
	ANCHOR_GONE,    /* the topic ends before it */
};

enum anchor_verdict anchor_judge(enum anchor_state anchor, enum anchor_state newest);

#endif
