/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ASK_H
#define FLOW_ASK_H

/*
 * Numbers that have not come are asked for: an order to the village on the hub's
 * channel `commands`, {"resend": {"topic", "incarnation", "from_seq", "to_seq"}}. It is
 * a notice: what is not taken is asked for again the next time. A number whose record
 * came and could not be read is not asked for, it would only come again.
 */

#include "flow/apply.h"

/* Whether a partition is the caller's to ask for. */
typedef bool ask_owner(void *context, const char *topic, int32_t partition);

/*
 * Ask for at most 100 ranges. *asked of them were taken by the broker; waits for at
 * most five seconds. 0 and true where the catalog has no such channel.
 */
MUST_CHECK bool ask_villages(struct apply *apply, const struct conf *conf,
        const struct catalog *catalog, ask_owner *owns, void *context, size_t *asked,
        struct fault *fault);

#endif
