/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_CLERK_H
#define MONITOR_CLERK_H

/*
 * Errands that may take a while: a thread of its own runs them, one after the other in
 * the order in which they were given, so that the loop waits for none.
 *
 * Promise: each errand given is ended once, by done() or, at the close, by drop().
 *
 * Everything but run() belongs to the loop's thread.
 */

#include <stddef.h>

#include "base/fault.h"
#include "port/loop.h"

struct clerk;

/* The first member of whatever an errand is. */
struct errand {
	struct errand *next;
};

struct clerk_duties {
	void (*run)(void *context, struct errand *errand); /* the clerk's thread */
	void (*done)(void *context, struct errand *errand);
	void (*drop)(void *context, struct errand *errand); /* not done, or not told */
};

/* duties and context must outlive the clerk. */
MUST_CHECK bool clerk_open(struct clerk **out, struct loop *loop,
        const struct clerk_duties *duties, void *context, struct fault *fault);

/* Ends the errand in hand first. */
void clerk_close(struct clerk **clerk);

void clerk_give(struct clerk *clerk, struct errand *errand);

/* How many were given and are not ended. */
size_t clerk_load(const struct clerk *clerk);

#endif
