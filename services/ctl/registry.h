/* SPDX-License-Identifier: MIT */
#ifndef CTL_REGISTRY_H
#define CTL_REGISTRY_H

/*
 * The client's side of Confluent's Schema Registry REST API, as far as pinned ids need
 * it. A registry is a stranger: its answers are bounded, what it says it did is read
 * back.
 */

#include "event/catalog.h"

enum { REGISTRY_VERSIONS = 1000 };

struct registry;

/* Versions as a registry or a folder has them; what is borrowed is not closed. */
struct versions {
	size_t count;
	struct catalog_schema *list;
};

/* url begins with http:// or https:// and holds no password. */
MUST_CHECK bool registry_open(
        struct registry **out, const char *url, struct fault *fault);
void registry_close(struct registry **registry);

/*
 * Every version of every subject there, by subject and version. Subjects of others
 * that are no Avro or no schema of ours are left out; one that the catalog names is
 * FAULT_REJECT then.
 */
MUST_CHECK bool registry_list(struct registry *registry, const struct catalog *catalog,
        struct versions *out, struct fault *fault);
void versions_clear(struct versions *versions);

/*
 * Register the version under its own id and read it back. FAULT_REJECT when id or
 * schema there are others, also when the registry said that all went well.
 */
MUST_CHECK bool registry_put(struct registry *registry,
        const struct catalog_schema *schema, bool *out_existed, struct fault *fault);

#endif
