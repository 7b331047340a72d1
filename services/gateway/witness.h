/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WITNESS_H
#define GATEWAY_WITNESS_H

/*
 * The witness is a thread that writes the spool's head file while the keeper's thread
 * commits the next group: an answer waits for two syncs, the disk works on both at
 * once.
 *
 * Promise: the posts of a group are given to `done` after the second witness knows of
 * them, in the order in which they were handed over.
 */

#include "port/spool.h"

struct keeper_post;
struct witness;

/* On the witness's thread; fault is NULL when all is well. posts may be NULL. */
typedef void witness_done(
        void *context, struct keeper_post *posts, const struct fault *fault);

MUST_CHECK bool witness_open(struct witness **out, struct spool *spool,
        witness_done *done, void *context, struct fault *fault);

/* Finishes what was handed over. */
void witness_close(struct witness **witness);

/* What the spool committed last, and whose it is; posts NULL: nobody's. */
void witness_hand(struct witness *witness, struct keeper_post *posts);

/* Nothing is under way: who has nothing else to do may call spool_witness() itself. */
bool witness_is_idle(struct witness *witness);

#endif
