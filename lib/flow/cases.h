/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CASES_H
#define FLOW_CASES_H

/*
 * A set of cases, each known by its key "village_code case_id". Cases are added one by
 * one and forgotten all at once: the database knows better when one of them is freed.
 */

#include "base/bytes.h"

struct cases {
	char **keys; /* open addressing, by FNV-1a; NULL: free */
	size_t room; /* 0 or a power of two */
	size_t count;
};

void cases_clear(struct cases *cases);
bool cases_has(const struct cases *cases, struct bytes key);
MUST_CHECK bool cases_add(struct cases *cases, struct bytes key, struct fault *fault);

/* FNV-1a, for tables that live in memory only. */
uint64_t cases_hash(struct bytes key);

#endif
