/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BATCH_PARTS_H
#define FLOW_BATCH_PARTS_H

/* What batch.c and batch_account.c share, and nobody else sees. */

#include "flow/batch.h"

/* Decode an item's record. False: it was set aside, or fault is STOP. */
MUST_CHECK bool batch_decode(struct batch *batch, struct lane *lane, struct item *item,
        struct head *head, bool *is_void, struct fault *fault);

#endif
