/* SPDX-License-Identifier: MIT */
#ifndef EVENT_ENVELOPE_H
#define EVENT_ENVELOPE_H

/*
 * What is around a value on a topic: Confluent's framing, the key, the partition of a
 * village and the CloudEvents headers.
 *
 * Sources: Confluent "Wire format" (00, schema id big-endian, Avro); CloudEvents 1.0
 * Kafka protocol binding, binary mode; CRC-32 as in ISO 3309 / zlib.
 */

#include "base/bytes.h"
#include "event/plan.h"

enum {
	FRAME_BYTES = 5,
	VILLAGE_BYTES = 13,   /* 35.09.01.2001 */
	CASE_MAX_BYTES = 400, /* 100 letters, as the schemas have it */
	ENVELOPE_MAX_HEADERS = 12,
};

struct header {
	const char *name;
	struct bytes value;
};

/* Append 00 and the id. */
void envelope_frame(struct buffer *out, int32_t schema_id);

/* Take the framing off. FAULT_REJECT, code "framing", when it is not ours. */
MUST_CHECK bool envelope_unframe(struct bytes framed, int32_t *out_schema_id,
        struct bytes *out_value, struct fault *fault);

/* Partition of a village: CRC-32 of its code modulo the catalog's count. */
int32_t envelope_partition(struct bytes village_code, int32_t modulus);

/*
 * Write the headers of an event as one block that the spool keeps: everything but
 * ce_sequence, which only the spool knows. record_name is the record's full name, as
 * in its schema; version is its schema's; case_id and traceparent may be empty.
 */
void envelope_pack(struct buffer *out, const struct head *head, const char *record_name,
        int version, struct bytes traceparent);

/*
 * Read a block back, with ce_sequence (20 digits, written to sequence) added; seq 0:
 * without. The values look into block. Returns the count, 0 when the block is broken.
 */
size_t envelope_unpack(struct bytes block, int64_t seq, char sequence[24],
        struct header headers[ENVELOPE_MAX_HEADERS]);

#endif
