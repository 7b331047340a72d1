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
	size_t strangers; /* subjects that were left alone */
};

/* FAULT_STOP with code "usage" unless url is http:// or https:// without a password. */
MUST_CHECK bool registry_open(
        struct registry **out, const char *url, struct fault *fault);
void registry_close(struct registry **registry);

/*
 * Every version of our subjects there: those that the catalog names, and those that
 * share what stands before the last dot of one ("desa."). Subjects of others are
 * counted only, and so are those beside ours that are no schema we could have.
 * FAULT_REJECT when an answer is not what a registry says, or a subject that the
 * catalog names is no Avro or shares its id.
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
