/* SPDX-License-Identifier: MIT */
#ifndef PORT_TOPIC_ADMIN_H
#define PORT_TOPIC_ADMIN_H

/*
 * Asking and ordering a broker: topics to make, what groups have reported. Every call
 * waits for the broker's answer, at most ten seconds; FAULT_RETRY, code "unreachable",
 * when none comes.
 *
 * One thread owns an admin.
 */

#include "base/conf.h"
#include "port/topic_consumer.h"

struct admin;

MUST_CHECK bool admin_open(
        struct admin **out, const struct conf *conf, struct fault *fault);
void admin_close(struct admin **admin);

/*
 * Make a topic with these settings (pairs of name and value, ended by NULL).
 * *existed tells that it was there before; its settings are left alone then.
 */
MUST_CHECK bool admin_create(struct admin *admin, const char *topic, int32_t partitions,
        const char *const *settings, bool *existed, struct fault *fault);

/* One committed offset of a group; texts live until the visitor returns. */
typedef void admin_visitor(
        void *context, const struct topic_place *place, const char *metadata);

/* Show what a group has committed; a group that nobody knows shows nothing. */
MUST_CHECK bool admin_group(struct admin *admin, const char *group,
        admin_visitor *visitor, void *context, struct fault *fault);

#endif
