/* SPDX-License-Identifier: MIT */
#ifndef PORT_AVRO_H
#define PORT_AVRO_H

/*
 * The one door to Avro-C. It writes our own checked values by our own schemas, which
 * is what Avro-C is good at; it never reads bytes from outside (lib/event/plan does).
 *
 * One thread owns an encoder; it keeps its memory from value to value.
 */

#include "base/bytes.h"
#include "event/schema.h"
#include "event/value.h"

struct avro_encoder;

MUST_CHECK bool avro_encoder_open(
        struct avro_encoder **out, const struct schema *schema, struct fault *fault);
void avro_encoder_close(struct avro_encoder **encoder);

/*
 * Append the record's Avro binary to out. *out_seam is the offset, from where out
 * began, of the one byte that stands for the long field `seam_field` (written as 0):
 * the spool puts the number's varint in its place when it gives the number.
 * seam_field NULL: there is none.
 */
MUST_CHECK bool avro_encode(struct avro_encoder *encoder, const struct value *record,
        const char *seam_field, struct buffer *out, size_t *out_seam,
        struct fault *fault);

#endif
