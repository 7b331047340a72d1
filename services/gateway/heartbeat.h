/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HEARTBEAT_H
#define GATEWAY_HEARTBEAT_H

/*
 * The heartbeat tells the hub each minute, and soon after a change, how the gateway is:
 * the body of GET /v1/status as a record of the catalog's channel "status". It needs no
 * row of the spool and has a producer of its own, so that no event waits for it; one
 * that the broker does not take is forgotten, since the next one says more.
 *
 * Everything is the loop's thread's.
 */

#include "base/conf.h"
#include "event/catalog.h"

struct heartbeat;

/* NULL, and no fault, where the catalog has no such channel. */
MUST_CHECK bool heartbeat_open(struct heartbeat **out, const struct conf *conf,
        const struct catalog *catalog, struct fault *fault);
void heartbeat_close(struct heartbeat **heartbeat);

/* The settings have changed: the next one goes by the new ones. NULL is fine. */
void heartbeat_renew(struct heartbeat *heartbeat);

/*
 * To be called every few seconds: this is how things are. Sent when a minute has passed
 * since the last one that was, or when words, which say what a change is, are others
 * than last time. NULL is fine.
 */
void heartbeat_note(
        struct heartbeat *heartbeat, const char *words, struct bytes status);

#endif
