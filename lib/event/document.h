/* SPDX-License-Identifier: MIT */
#ifndef EVENT_DOCUMENT_H
#define EVENT_DOCUMENT_H

/* What a document is inside: for document.c and check.c. */

#include "event/check.h"
#include "event/tree.h"

struct document {
	struct tree object;
	struct arena *arena;
};

#endif
