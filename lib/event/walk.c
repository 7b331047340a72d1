/* SPDX-License-Identifier: MIT */
#include "event/walk.h"

#include <string.h>

#include "event/decimal.h"

/*
 * PostgreSQL's first date and time, 4714-11-24 BC, and its last date, 5874897-12-31:
 * datatype/timestamp.h. Its last time lies beyond 64 bits of ours.
 */
#define FIRST_DAY    (-2440588)
#define LAST_DAY     2145042905
#define FIRST_MICROS (INT64_C(-210866803200000000))
#define DAY_MICROS   (INT64_C(86400000000))

enum { MAX_WIDTHLESS = 4096 }; /* items without bytes in all of a value */

const uint8_t *walk_refuse(struct walk *walk, const uint8_t *at, const char *what)
{
	walk->what = what;
	walk->where = at;
	return NULL;
}

bool walk_fault(const struct walk *walk, const uint8_t *start, const char *path,
        struct fault *fault)
{
	return fault_code(fault, FAULT_REJECT, "decode", "%.200s at byte %zu: %s", path,
	        (size_t)(walk->where - start), walk->what);
}

static const uint8_t *long_by_byte(struct walk *walk, const uint8_t *at, int64_t *out)
{
	uint64_t raw = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (at == walk->end)
			return walk_refuse(walk, at, "the value ends within a number");
		byte = *at++;
		if (shift == 63 && byte > 1)
			return walk_refuse(walk, at, "a number is too large");
		raw |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80) {
			*out = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
			return at;
		}
	}
	return walk_refuse(walk, at, "a number is too long");
}

/* Eight bytes of seven bits each, the lowest first, as one number. */
static uint64_t join_sevens(uint64_t word)
{
	word = (word & 0x7F007F007F007F00u) >> 1 | (word & 0x007F007F007F007Fu);
	word = (word & 0x3FFF00003FFF0000u) >> 2 | (word & 0x00003FFF00003FFFu);
	return (word & 0x0FFFFFFF00000000u) >> 4 | (word & 0x000000000FFFFFFFu);
}

/* A number of up to eight bytes is read at once where so many are left: a time is. */
const uint8_t *walk_long_slow(struct walk *walk, const uint8_t *at, int64_t *out)
{
	uint64_t word;
	uint64_t last; /* the high bit of each byte that ends a number */
	uint64_t raw;

	if (walk->end - at < 8)
		return long_by_byte(walk, at, out);
	memcpy(&word, at, sizeof word);
	last = ~word & 0x8080808080808080u;
	if (last == 0)
		return long_by_byte(walk, at, out);
	raw = join_sevens(word & (last ^ (last - 1)));
	*out = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
	return at + __builtin_ctzll(last) / 8 + 1;
}

const uint8_t *walk_bool(struct walk *walk, const uint8_t *at, int64_t *out)
{
	if (at == walk->end)
		return walk_refuse(walk, at, "the value ends too early");
	if (*at > 1)
		return walk_refuse(walk, at, "a boolean is neither 0 nor 1");
	*out = *at;
	return at + 1;
}

/* Little-endian IEEE 754, as this machine has it. */
const uint8_t *walk_float(struct walk *walk, const uint8_t *at, double *out)
{
	struct bytes bytes;
	float number;

	at = walk_fixed(walk, at, sizeof number, &bytes);
	if (at == NULL)
		return NULL;
	memcpy(&number, bytes.data, sizeof number);
	*out = (double)number;
	return at;
}

const uint8_t *walk_double(struct walk *walk, const uint8_t *at, double *out)
{
	struct bytes bytes;

	at = walk_fixed(walk, at, sizeof *out, &bytes);
	if (at != NULL)
		memcpy(out, bytes.data, sizeof *out);
	return at;
}

const uint8_t *walk_date(struct walk *walk, const uint8_t *at, int64_t *out)
{
	at = walk_int(walk, at, out);
	if (at != NULL && (*out < FIRST_DAY || *out > LAST_DAY))
		return walk_refuse(walk, at, "a date is out of range");
	return at;
}

const uint8_t *walk_time(struct walk *walk, const uint8_t *at, int64_t *out)
{
	at = walk_long(walk, at, out);
	if (at != NULL && (*out < 0 || *out >= DAY_MICROS))
		return walk_refuse(walk, at, "a time of day is out of range");
	return at;
}

const uint8_t *walk_millis(struct walk *walk, const uint8_t *at, int64_t *out)
{
	at = walk_long(walk, at, out);
	if (at != NULL
	        && (__builtin_mul_overflow(*out, 1000, out) || *out < FIRST_MICROS))
		return walk_refuse(walk, at, "a time is out of range");
	return at;
}

const uint8_t *walk_micros(struct walk *walk, const uint8_t *at, int64_t *out)
{
	at = walk_long(walk, at, out);
	if (at != NULL && *out < FIRST_MICROS)
		return walk_refuse(walk, at, "a time is out of range");
	return at;
}

const uint8_t *walk_count(
        struct walk *walk, const uint8_t *at, uint64_t count, bool widthless)
{
	if (!widthless && count > (uint64_t)(walk->end - at))
		return walk_refuse(walk, at, "a block has more items than bytes");
	if (widthless && count > MAX_WIDTHLESS - walk->widthless)
		return walk_refuse(walk, at, "a list has too many empty items");
	walk->widthless += widthless ? count : 0;
	return at;
}

const uint8_t *walk_check_decimal(
        struct walk *walk, const uint8_t *at, struct bytes bytes, int precision)
{
	decimal number;

	if (!decimal_read(bytes, &number) || !decimal_fits(number, precision))
		return walk_refuse(walk, at, "a decimal has too many digits");
	return at;
}
