/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BATCH_PARTS_H
#define FLOW_BATCH_PARTS_H

/* What batch.c and batch_account.c share, and nobody else sees. */

#include "flow/batch.h"

/*
 * Decode a record; FAULT_REJECT: it cannot be, and why. An id without a plan is noted
 * as a newcomer.
 */
MUST_CHECK bool batch_decode(struct batch *batch, struct lane *lane,
        const struct topic_record *record, struct head *head, bool *is_void,
        struct refusal *why, struct fault *fault);

#endif
