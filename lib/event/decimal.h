/* SPDX-License-Identifier: MIT */
#ifndef EVENT_DECIMAL_H
#define EVENT_DECIMAL_H

/*
 * Decimals of up to 38 digits as whole numbers of their smallest unit: text, Avro's
 * two's complement bytes, and PostgreSQL's numeric. Nothing passes through a double.
 *
 * Sources: Avro 1.11 "Decimal"; PostgreSQL src/backend/utils/adt/numeric.c,
 * numeric_send (base 10000 digits).
 */

#include "base/bytes.h"

/* ISO C has no name for it; gcc and clang do. */
__extension__ typedef __int128 decimal;

enum {
	DECIMAL_BYTES = 16,
	DECIMAL_TEXT_BYTES = 48,
};

/* Digits, at most `scale` of them behind a dot: "150000.00", "-3". */
MUST_CHECK bool decimal_parse(
        struct bytes text, int precision, int scale, decimal *out);

/* Smallest two's complement, big-endian, of at least one byte. Returns its size. */
size_t decimal_bytes(decimal number, uint8_t out[DECIMAL_BYTES]);

/* Sign-extended to size bytes (at least as many as the number needs). */
size_t decimal_bytes_fixed(decimal number, uint8_t *out, size_t size);

/* False when there are more bytes than a number of 38 digits can have. */
MUST_CHECK bool decimal_read(struct bytes bytes, decimal *out);

/* Whether the number has at most `precision` digits. */
bool decimal_fits(decimal number, int precision);

/* Text with exactly `scale` decimals. */
void decimal_format(decimal number, int scale, char text[DECIMAL_TEXT_BYTES]);

/* PostgreSQL's binary numeric, appended without a length. */
void decimal_numeric(decimal number, int scale, struct buffer *out);

#endif
