/* SPDX-License-Identifier: MIT */
#ifndef FLOW_HEIRS_H
#define FLOW_HEIRS_H

/*
 * A new life of a spool has forgotten its clients' keys: what they repeat has a new
 * number and an old event_id. So what the village's earlier lives sent is read back
 * before a record of the new one is placed: docs/decisions/0022.
 */

#include "base/conf.h"
#include "flow/batch.h"

/* The offset behind the last record of a partition that is in hand; 0: not ours. */
typedef int64_t heirs_end(void *context, const char *topic, int32_t partition);

/* Between apply_learn() and apply_batch(). conf has CONSUMER_KEYS. */
MUST_CHECK bool heirs_know(struct batch *batch, const struct conf *conf, heirs_end *end,
        void *context, struct fault *fault);

#endif
