/* SPDX-License-Identifier: MIT */
#ifndef EVENT_DOCUMENT_H
#define EVENT_DOCUMENT_H

/* What a document is inside: for document.c and check.c, which know jansson. */

#include "event/check.h"

struct json_t;

enum { DOCUMENT_TAKEN = 4 };

struct document {
	struct json_t *object;
	struct json_t
	        *taken[DOCUMENT_TAKEN]; /* members that document_take() took out */
	size_t taken_count;
};

#endif
