/* SPDX-License-Identifier: MIT */
#include "event/decimal.h"

#include <stdio.h>
#include <string.h>

enum { NUMERIC_DIGITS = 16 };

bool decimal_parse(struct bytes text, int precision, int scale, decimal *out)
{
	bool negative = text.size > 0 && text.data[0] == '-';
	decimal number = 0;
	int digits = 0;
	int behind = -1; /* digits behind the dot, -1 before it */
	size_t start = negative;

	for (size_t i = start; i < text.size; i++) {
		if (text.data[i] == '.' && behind < 0 && i > start) {
			behind = 0;
			continue;
		}
		if (text.data[i] < '0' || text.data[i] > '9' || behind == scale)
			return false;
		number = number * 10 + (text.data[i] - '0');
		digits += digits > 0 || text.data[i] != '0';
		behind += behind >= 0;
		if (digits > precision)
			return false;
	}
	if (start == text.size || behind == 0)
		return false;
	for (behind = behind < 0 ? 0 : behind; behind < scale; behind++) {
		number *= 10;
		digits += digits > 0;
		if (digits > precision)
			return false;
	}
	*out = negative ? -number : number;
	return true;
}

size_t decimal_bytes_fixed(decimal number, uint8_t *out, size_t size)
{
	for (size_t i = size; i > 0; i--) {
		out[i - 1] = (uint8_t)number;
		number >>= 8;
	}
	return size;
}

size_t decimal_bytes(decimal number, uint8_t out[DECIMAL_BYTES])
{
	size_t size = 1;

	for (decimal rest = number >> 7; rest != 0 && rest != -1; rest >>= 8)
		size++;
	return decimal_bytes_fixed(number, out, size);
}

static bool is_padding(const uint8_t *data)
{
	return data[0] == (data[1] & 0x80 ? 0xFF : 0x00);
}

bool decimal_read(struct bytes bytes, decimal *out)
{
	decimal number;

	/* Signs that only fill up, as in a long fixed, say nothing. */
	while (bytes.size > DECIMAL_BYTES && is_padding(bytes.data)) {
		bytes.data++;
		bytes.size--;
	}
	if (bytes.size == 0 || bytes.size > DECIMAL_BYTES)
		return false;
	number = (int8_t)bytes.data[0];
	for (size_t i = 1; i < bytes.size; i++)
		number = number * 256 + bytes.data[i];
	*out = number;
	return true;
}

bool decimal_fits(decimal number, int precision)
{
	decimal limit = 1;

	while (precision-- > 0)
		limit *= 10;
	return number < limit && number > -limit;
}

void decimal_format(decimal number, int scale, char text[DECIMAL_TEXT_BYTES])
{
	char digits[DECIMAL_TEXT_BYTES];
	char *at = digits + sizeof digits;
	bool negative = number < 0;
	int written = 0;

	*--at = '\0';
	do {
		int digit = (int)(number % 10);

		if (written == scale && scale > 0)
			*--at = '.';
		*--at = (char)('0' + (digit < 0 ? -digit : digit));
		number /= 10;
		written++;
	} while (number != 0 || written <= scale);
	if (negative)
		*--at = '-';
	memcpy(text, at, (size_t)(digits + sizeof digits - at));
}

/*
 * numeric is digits of base 10000 with the weight of the first. The fraction is filled
 * up to whole groups, so that the last group ends where a power of 10000 does.
 */
void decimal_numeric(decimal number, int scale, struct buffer *out)
{
	uint16_t groups[NUMERIC_DIGITS];
	bool negative = number < 0;
	decimal rest = negative ? -number : number;
	int behind = (scale + 3) / 4;
	int first = NUMERIC_DIGITS;
	int last = NUMERIC_DIGITS;
	int padding = behind * 4 - scale;
	static const uint16_t power[] = { 1, 10, 100, 1000 };

	if (padding > 0) {
		/* The lowest group takes fewer digits, so that no overflow can be. */
		int digits = 4 - padding;

		groups[--first] =
		        (uint16_t)((uint16_t)(rest % power[digits]) * power[padding]);
		rest /= power[digits];
	}
	for (; rest != 0; rest /= 10000)
		groups[--first] = (uint16_t)(rest % 10000);
	while (last > first && groups[last - 1] == 0)
		last--;
	while (first < last && groups[first] == 0)
		first++;
	buffer_append_u16(out, (uint16_t)(last - first));
	buffer_append_u16(out,
	        (uint16_t)(last > first ? NUMERIC_DIGITS - behind - first - 1 : 0));
	buffer_append_u16(out, negative ? 0x4000 : 0);
	buffer_append_u16(out, (uint16_t)scale);
	for (int i = first; i < last; i++)
		buffer_append_u16(out, groups[i]);
}
