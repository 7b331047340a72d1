/* SPDX-License-Identifier: MIT */
#ifndef SINK_NEWCOMERS_H
#define SINK_NEWCOMERS_H

/*
 * Schemas that came after the sink was started: a village may be newer than it. The
 * catalog on disk is looked at again, then a registry is asked, where one is set. What
 * it gives is believed only if it is of the subject, reads and is read by the newest
 * version there is, and bears its name: a registry that lies makes dead letters, never
 * wrong rows.
 *
 * One thread owns it.
 */

#include "base/conf.h"
#include "event/schema.h"

struct newcomers;

/* conf has schemas, mode and registry, and outlives this. */
MUST_CHECK bool newcomers_open(
        struct newcomers **out, const struct conf *conf, struct fault *fault);
void newcomers_close(struct newcomers **newcomers);

/*
 * context is the struct newcomers. *out NULL: unknown for certain, which is remembered
 * for a minute. FAULT_RETRY: the registry does not answer within two seconds, or not as
 * a registry.
 */
MUST_CHECK bool newcomers_find(void *context, int32_t id, const char *subject,
        const struct schema **out, struct fault *fault);

#endif
