/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "ctl.h"
#include "event/catalog.h"
#include "port/topic_admin.h"

/* docs: the settings of interfaces.md, "Kafka". flush.messages=1: acks=all on one node
 * is the page cache, and a power cut lost every confirmed record without it. */
static const char *const topic_settings[] = { "message.timestamp.type", "LogAppendTime",
	"cleanup.policy", "delete", "retention.ms", "7776000000", "max.message.bytes",
	"1048576", "flush.messages", "1", NULL };

static bool create_all(struct ctl *ctl, struct admin *admin,
        const struct catalog *catalog, struct fault *fault)
{
	if (ctl->json)
		printf("[");
	for (size_t i = 0; i < catalog->topic_count; i++) {
		const char *topic = catalog->topics[i].topic;
		bool existed;

		if (!admin_create(admin, topic, catalog->modulus, topic_settings,
		            &existed, fault))
			return false;
		if (ctl->json)
			printf("%s{\"topic\": \"%s\", \"partitions\": %d, \"created\": "
			       "%s}",
			        i > 0 ? ", " : "", topic, (int)catalog->modulus,
			        existed ? "false" : "true");
		else
			printf("%s %s\n", topic, existed ? "was there" : "created");
	}
	if (ctl->json)
		printf("]\n");
	return true;
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
