/* SPDX-License-Identifier: MIT */
#ifndef EVENT_COMPAT_H
#define EVENT_COMPAT_H

/*
 * Whether two versions of a schema read each other's records, both ways, as
 * FULL_TRANSITIVE demands of every pair of versions. The rules are Avro's ("Schema
 * Resolution"), and those that registries let pass although readers then see other
 * values: scale and precision of a decimal, the unit of a time, every other change of
 * a logical type, a rename behind an alias.
 *
 * Each refusal is one sentence: the field, the two versions, and what to do instead.
 * It holds names of the schemas only, whole up to 100 characters.
 */

#include "base/fault.h"
#include "event/schema.h"

enum {
	COMPAT_REFUSALS = 32, /* of one pair; what is beyond is counted only */
	COMPAT_PATH_BYTES = 360,
	COMPAT_SENTENCE_BYTES = 1200,
};

struct compat_version {
	const struct schema *schema;
	const char *name; /* "version 2"; cut to 63 bytes */
};

struct compat_refusal {
	uint64_t place;               /* the same for reasons of one field only */
	char path[COMPAT_PATH_BYTES]; /* "applicant/nik", "documents[]/kind" */
	char sentence[COMPAT_SENTENCE_BYTES];
};

struct compat_report {
	size_t count; /* 0: each reads the other */
	struct compat_refusal refusals[COMPAT_REFUSALS];
};

/* False only when memory is out. */
MUST_CHECK bool compat_compare(const struct compat_version *older,
        const struct compat_version *newer, struct compat_report *out,
        struct fault *fault);

#endif
