/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_QUESTION_H
#define GATEWAY_QUESTION_H

/* What the keeper is asked beside posts, answered from the spool and the forward. */

#include "keeper.h"

/* Fills in what was asked for, ok and fault. On the keeper's thread. */
void question_answer(
        struct keeper_question *question, struct spool *spool, struct forward *forward);

#endif
