/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_HEARTBEATS_H
#define MONITOR_HEARTBEATS_H

/*
 * What villages say of themselves on desa.status: the record that the gateway makes of
 * its /v1/status, as JSON again. docs/decisions/0010.
 *
 * One thread owns it.
 */

#include "event/catalog.h"
#include "villages.h"

struct heartbeats;

/* *out stays NULL where the catalog has no such topic. */
MUST_CHECK bool heartbeats_open(
        struct heartbeats **out, const struct catalog *catalog, struct fault *fault);
void heartbeats_close(struct heartbeats **heartbeats);

/*
 * Read a record's value, with its framing; out->status lives until the next call.
 * False when it is no heartbeat of ours.
 */
MUST_CHECK bool heartbeats_read(struct heartbeats *heartbeats, struct bytes framed,
        int64_t appended_us, struct village_report *out);

#endif
