/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ORDERS_H
#define GATEWAY_ORDERS_H

/*
 * The hub's orders to this village, from the catalog's channel "commands": nobody can
 * reach a gateway behind its router, so it looks for itself, each minute. Between two
 * looks nothing is open: on a thin link a connection that waits costs more. In the same
 * look it sees whether the topics are still those that confirmed our records
 * (flow/anchor.h).
 *
 * An order is JSON: {"resend": {"topic", "from_seq", "to_seq", "incarnation"?}}, or
 * "from" and "to", times of recording, in place of the numbers. One that this gateway
 * does not understand is passed over, with a line in the log.
 *
 * Only the hub may write there; the key must be our village's code. A thread of its
 * own.
 */

#include "base/conf.h"
#include "event/catalog.h"
#include "keeper.h"

struct orders;

/* Where the catalog has no such channel it looks at the topics only. */
MUST_CHECK bool orders_open(struct orders **out, struct keeper *keeper,
        const struct conf *conf, const struct catalog *catalog, struct fault *fault);

/* After it the keeper is not asked any more. Before the process ends, and only then. */
void orders_close(struct orders **orders);

/*
 * Read the members of a resend into the question. False, FAULT_REJECT, with the
 * pointer of what is wrong as its text.
 */
MUST_CHECK bool orders_parse_resend(
        struct bytes json, struct keeper_resend *out, struct fault *fault);

#define ORDERS_KEYS                                                                    \
	CONF_KEY(MS, orders_ms, "60000",                                               \
	        "pause between two looks at the hub: for orders, and whether topics "  \
	        "are still the same")

#endif
