/* SPDX-License-Identifier: MIT */
/* The smallest steps over Avro's binary encoding, each with its bound. */
#include <string.h>

#include "event/decimal.h"
#include "event/plan_parts.h"

/*
 * PostgreSQL's first date and time, 4714-11-24 BC, and its last date, 5874897-12-31:
 * datatype/timestamp.h. Its last time lies beyond 64 bits of ours.
 */
#define FIRST_DAY    (-2440588)
#define LAST_DAY     2145042905
#define FIRST_MICROS (INT64_C(-210866803200000000))
#define DAY_MICROS   (INT64_C(86400000000))

bool walk_fault(struct walk *walk, const char *what)
{
	return fault_code(walk->fault, FAULT_REJECT, "decode", "%.200s at byte %zu: %s",
	        walk->path, (size_t)(walk->at - walk->start), what);
}

bool walk_long_slow(struct walk *walk, int64_t *out)
{
	uint64_t raw = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (walk->at == walk->end)
			return walk_fault(walk, "the value ends within a number");
		byte = *walk->at++;
		if (shift == 63 && byte > 1)
			return walk_fault(walk, "a number is too large");
		raw |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80) {
			*out = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
			return true;
		}
	}
	return walk_fault(walk, "a number is too long");
}

bool walk_int(struct walk *walk, int64_t *out)
{
	if (!walk_long(walk, out))
		return false;
	return (*out >= INT32_MIN && *out <= INT32_MAX)
	       || walk_fault(walk, "a number does not fit 32 bits");
}

bool walk_index(struct walk *walk, size_t count, size_t *out)
{
	int64_t index;

	if (!walk_long(walk, &index))
		return false;
	if (index < 0 || (uint64_t)index >= count)
		return walk_fault(walk, "an index is out of range");
	*out = (size_t)index;
	return true;
}

bool walk_fixed(struct walk *walk, size_t size, struct bytes *out)
{
	if ((size_t)(walk->end - walk->at) < size)
		return walk_fault(walk, "the value ends too early");
	*out = (struct bytes){ walk->at, size };
	walk->at += size;
	return true;
}

bool walk_bytes(struct walk *walk, struct bytes *out)
{
	int64_t size;

	if (!walk_long(walk, &size))
		return false;
	if (size < 0 || size > walk->end - walk->at)
		return walk_fault(walk, "a length is beyond the end of the value");
	return walk_fixed(walk, (size_t)size, out);
}

bool walk_text(struct walk *walk, struct bytes *out)
{
	if (!walk_bytes(walk, out))
		return false;
	return bytes_is_text(*out) || walk_fault(walk, "text is not UTF-8 without NUL");
}

bool walk_bool(struct walk *walk, int64_t *out)
{
	if (walk->at == walk->end)
		return walk_fault(walk, "the value ends too early");
	*out = *walk->at++;
	return *out <= 1 || walk_fault(walk, "a boolean is neither 0 nor 1");
}

/* Little-endian IEEE 754, as this machine has it. */
bool walk_float(struct walk *walk, double *out)
{
	struct bytes bytes = { 0 };
	float number;

	if (!walk_fixed(walk, sizeof number, &bytes))
		return false;
	memcpy(&number, bytes.data, sizeof number);
	*out = (double)number;
	return true;
}

bool walk_double(struct walk *walk, double *out)
{
	struct bytes bytes = { 0 };

	if (!walk_fixed(walk, sizeof *out, &bytes))
		return false;
	memcpy(out, bytes.data, sizeof *out);
	return true;
}

bool walk_date(struct walk *walk, int64_t *out)
{
	if (!walk_int(walk, out))
		return false;
	return (*out >= FIRST_DAY && *out <= LAST_DAY)
	       || walk_fault(walk, "a date is out of range");
}

bool walk_time(struct walk *walk, int64_t *out)
{
	if (!walk_long(walk, out))
		return false;
	return (*out >= 0 && *out < DAY_MICROS)
	       || walk_fault(walk, "a time of day is out of range");
}

bool walk_moment(struct walk *walk, bool millis, int64_t *out)
{
	if (!walk_long(walk, out))
		return false;
	if (millis && __builtin_mul_overflow(*out, 1000, out))
		return walk_fault(walk, "a time is out of range");
	return *out >= FIRST_MICROS || walk_fault(walk, "a time is out of range");
}

bool walk_decimal(struct walk *walk, struct bytes bytes, int precision)
{
	decimal number;

	if (!decimal_read(bytes, &number) || !decimal_fits(number, precision))
		return walk_fault(walk, "a decimal has too many digits");
	return true;
}
