/* SPDX-License-Identifier: MIT */
#ifndef EVENT_MASK_H
#define EVENT_MASK_H

/*
 * A record of a topic as people see it: one JSON object with its place and its fields
 * by name, nested ones flattened as in batch tables ("applicant_nik").
 *
 * Promise: masked, a field whose `pii` is not "none" is shown as dots, and as null
 * where it is null; a field of which the schema is silent counts as personal. Nothing
 * else of it is decoded into the text. What has the shape of a NIK is dots wherever it
 * was typed, also in a field that should hold none.
 *
 * One thread owns a mask.
 */

#include "event/catalog.h"
#include "event/plan.h"

struct mask;

enum mask_view {
	VIEW_MASKED,
	VIEW_OPEN, /* for whom the schema's pii does not bind: say why, and keep who */
};

/* Where the record lies. */
struct mask_place {
	const char *topic;
	int32_t partition;
	int64_t offset;
	int64_t appended_at_us;
};

/* For all schemas of the catalog, which must outlive the mask. */
MUST_CHECK bool mask_open(
        struct mask **out, const struct catalog *catalog, struct fault *fault);
void mask_close(struct mask **mask);

/*
 * Take a record's value, with its framing. The head's views live as long as the value.
 * FAULT_REJECT when it is none of ours; mask_append() then says so.
 */
MUST_CHECK bool mask_decode(
        struct mask *mask, struct bytes framed, struct head *head, struct fault *fault);

/*
 * Append the record that was taken last: "topic", "partition", "offset", "appended_at",
 * "record", then its fields. A field that bears one of these names gets an underscore
 * behind it. One that could not be decoded has "undecodable": true instead of fields,
 * and as record what its topic is for.
 */
void mask_append(struct mask *mask, const struct mask_place *place, enum mask_view view,
        struct buffer *out);

/*
 * In the texts of the JSON that begins at from: dots for each run of 16 digits or more,
 * in whatever width they are written. Digests, 32 and more of 0-9a-f with a letter
 * among them, are left as they are.
 */
void mask_hide_numbers(struct buffer *out, size_t from);

#endif
