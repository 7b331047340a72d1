/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "event/catalog.h"
#include "port/topic_admin.h"

/*
 * docs: the settings of interfaces.md, "Kafka". flush.messages=1: acks=all on one node
 * is the page cache, and a power cut lost every confirmed record without it. What is
 * compacted has a segment a day, since the open one is not.
 */
static bool create_one(struct ctl *ctl, struct admin *admin, const char *topic,
        int32_t partitions, const char *cleanup, struct fault *fault)
{
	bool compact = strcmp(cleanup, "compact") == 0;
	const char *const settings[] = { "message.timestamp.type", "LogAppendTime",
		"cleanup.policy", cleanup, "retention.ms", "7776000000", "segment.ms",
		compact ? "86400000" : "604800000", "max.message.bytes", "1048576",
		"flush.messages", "1", NULL };
	bool existed;

	if (!admin_create(admin, topic, partitions, settings, &existed, fault))
		return false;
	if (ctl->json)
		printf("%s{\"topic\": \"%s\", \"partitions\": %d, \"created\": %s}",
		        ctl->printed++ > 0 ? ", " : "", topic, (int)partitions,
		        existed ? "false" : "true");
	else
		printf("%s %s\n", topic, existed ? "was there" : "created");
	return true;
}

static bool create_all(struct ctl *ctl, struct admin *admin,
        const struct catalog *catalog, struct fault *fault)
{
	bool ok = true;

	if (ctl->json)
		printf("[");
	for (size_t i = 0; ok && i < catalog->topic_count; i++)
		ok = create_one(ctl, admin, catalog->topics[i].topic, catalog->modulus,
		        "delete", fault);
	for (size_t i = 0; ok && i < catalog->channel_count; i++)
		ok = create_one(ctl, admin, catalog->channels[i].topic,
		        catalog->modulus, catalog->channels[i].cleanup, fault);
	if (ctl->json && ok)
		printf("]\n");
	return ok;
}

bool ctl_topics_create(struct ctl *ctl, struct fault *fault)
{
	struct catalog *catalog = NULL;
	struct admin *admin = NULL;
	bool ok;

	if (ctl->count != 0 || conf_text(ctl->conf, "brokers")[0] == '\0')
		return ctl_usage(fault, "topics create takes --brokers HOST:PORT");
	ok = catalog_open(&catalog, conf_text(ctl->conf, "schemas"),
	             conf_text(ctl->conf, "mode"), fault)
	     && admin_open(&admin, ctl->conf, fault)
	     && create_all(ctl, admin, catalog, fault);
	admin_close(&admin);
	catalog_close(&catalog);
	return ok;
}
