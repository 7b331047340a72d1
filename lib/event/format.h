/* SPDX-License-Identifier: MIT */
#ifndef EVENT_FORMAT_H
#define EVENT_FORMAT_H

/*
 * The forms of text that a schema may name in `format`, with the words that tell a
 * person what to type.
 *
 * Sources: NIK is 16 digits without a check digit, and temporary ones begin with 0, so
 * that no more than the digits is checked; village codes are Kemendagri's
 * PP.RR.DD.KVVV with K = 1 kelurahan, 2 desa, 3 desa adat.
 */

#include "base/bytes.h"

struct format {
	const char *name;
	bool (*fits)(struct bytes text);
	const char *words;    /* "16 digits" */
	const char *words_id; /* "16 angka" */
};

/* NULL when there is no such format. */
const struct format *format_find(const char *name);

/* The code point at *at of well-formed UTF-8; *at moves behind it. */
uint32_t format_point(struct bytes text, size_t *at);

/* Controls, and what Unicode shows as nothing or turns the text around with. */
bool format_is_hidden(uint32_t point);

/* A digit as people read it: ASCII, wide, Arabic, mathematical. */
bool format_is_digit(uint32_t point);

#endif
