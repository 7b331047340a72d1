/* SPDX-License-Identifier: MIT */
#ifndef CTL_SPAN_H
#define CTL_SPAN_H

/* Partitions that are read up to where each ended when it was looked at. */

#include "port/topic_consumer.h"

enum { SPAN_PARTITIONS = 256 };

struct span {
	struct topic_place places[SPAN_PARTITIONS]; /* offset: of the next record */
	int64_t ends[SPAN_PARTITIONS];
	size_t count;
};

/* False: SPAN_PARTITIONS are in it. */
bool span_add(struct span *span, struct topic_place place, int64_t end);

void span_pass(struct span *span, const struct topic_record *record);

/* All was passed, but for markers of transactions, which are no records. */
bool span_is_read(const struct span *span, const struct consumer *consumer);

#endif
