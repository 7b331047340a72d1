/* SPDX-License-Identifier: MIT */
#ifndef BASE_LANES_H
#define BASE_LANES_H

/*
 * Sixteen bytes looked at at once, in the vector type that gcc and clang have on every
 * machine: SSE2 here, NEON elsewhere, words where there is neither. A comparison of two
 * gives -1 in each lane where it holds and 0 where not. Lanes are signed: a byte above
 * 0x7F is below 0.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16 };

typedef int8_t lanes __attribute__((vector_size(LANES)));

static inline lanes lanes_at(const uint8_t *data)
{
	lanes loaded;

	memcpy(&loaded, data, sizeof loaded);
	return loaded;
}

static inline void lanes_put(uint8_t *to, lanes stored)
{
	memcpy(to, &stored, sizeof stored);
}

/* Whether a comparison holds in every lane. */
static inline bool lanes_all(lanes truth)
{
	uint64_t halves[2];

	memcpy(halves, &truth, sizeof halves);
	return (halves[0] & halves[1]) == UINT64_MAX;
}

/* -1 in each lane from size on: what stands there does not matter. */
static inline lanes lanes_from(size_t size)
{
	static const uint8_t edge[2 * LANES] = { [LANES] = 0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF,
		0xFF };

	return lanes_at(edge + LANES - size);
}

/* Plain ASCII without a NUL. */
static inline lanes lanes_plain(lanes text)
{
	return text > 0;
}

/* Plain ASCII that JSON takes as it is: no control character, quote or backslash. */
static inline lanes lanes_plain_json(lanes text)
{
	return (text > ' ' - 1) & (text != '"') & (text != '\\');
}

/* Hexadecimal digits, small or capital. ("At least" costs one step more than "more".)
 */
static inline lanes lanes_hex(lanes text)
{
	lanes small = text | ' ';

	return ((text > '0' - 1) & (text < '9' + 1))
	       | ((small > 'a' - 1) & (small < 'f' + 1));
}

#endif
