/* SPDX-License-Identifier: MIT */
#ifndef FLOW_EARLIER_H
#define FLOW_EARLIER_H

/*
 * The events of villages that began a new life, as they stand in the log: which event
 * came first under another incarnation. Of two records with one event_id the one at the
 * lower offset counts, whichever order they are read or placed in
 * (docs/decisions/0022). Events are added one by one and forgotten all at once.
 */

#include "base/bytes.h"

struct earlier_event {
	const char *topic; /* compared by its address; of the catalog. NULL: free */
	uint8_t id[16];
	uint8_t incarnation[16];
	int64_t offset; /* a village's events of a topic stand in one partition */
};

struct earlier {
	struct earlier_event *events; /* open addressing, by the id */
	size_t room;                  /* 0 or a power of two */
	size_t count;
};

void earlier_clear(struct earlier *earlier);
MUST_CHECK bool earlier_add(struct earlier *earlier, const struct earlier_event *event,
        struct fault *fault);

/* The same event stands before it in the log, under another incarnation. */
bool earlier_has(const struct earlier *earlier, const struct earlier_event *event);

#endif
