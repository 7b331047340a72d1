/* SPDX-License-Identifier: MIT */
#ifndef EVENT_CATALOG_H
#define EVENT_CATALOG_H

/*
 * schemas/catalog.json and the .avsc files it names: pinned ids, topics in the order in
 * which a batch applies them, the modulus of the partitions, limits. Read once at
 * start, never changed, shared by all threads. Readers of events go by its topics;
 * channels are beside them and hold none.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "event/schema.h"

struct catalog_schema {
	int32_t id;
	int version;
	const char *subject;
	const char *file; /* as the catalog has it: "avro/Request.avsc" */
	struct schema *schema;
};

struct catalog_topic {
	const char *name;   /* short: "requests" */
	const char *topic;  /* full, with the mode's prefix: "desa.requests" */
	const char *record; /* short name of its record: "Request" */
	bool reserve;       /* taken in while there is any room on the disk */
	const struct catalog_schema *newest;
};

/* A topic that holds no events: villages' states, orders to villages. */
struct catalog_channel {
	const char *name;                    /* short: "status" */
	const char *topic;                   /* full: "desa.status" */
	const char *cleanup;                 /* Kafka's cleanup.policy */
	const struct catalog_schema *newest; /* NULL: its values are JSON */
};

struct catalog {
	int32_t modulus;
	size_t body_bytes;
	size_t batch_bytes;
	size_t batch_lines;
	size_t topic_count;
	struct catalog_topic *topics;
	size_t channel_count;
	struct catalog_channel *channels;
	size_t schema_count;
	struct catalog_schema *schemas;
	char *folder;
};

/* folder holds catalog.json; mode is "live" or "latihan". Faults are FAULT_STOP. */
MUST_CHECK bool catalog_open(struct catalog **out, const char *folder, const char *mode,
        struct fault *fault);
void catalog_close(struct catalog **catalog);

/* NULL when there is none. */
const struct catalog_schema *catalog_by_id(const struct catalog *catalog, int32_t id);
const struct catalog_topic *catalog_topic(
        const struct catalog *catalog, const char *topic);
const struct catalog_topic *catalog_short(
        const struct catalog *catalog, const char *name);
const struct catalog_channel *catalog_channel(
        const struct catalog *catalog, const char *name);

#endif
