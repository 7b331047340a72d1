/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT_BYTES = 128 }; /* room that most formatted text fits in */

struct bytes bytes_of(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of(text));
}

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xC0) == 0x80;
}

/* Length of the well-formed character at data, 0 if there is none (Unicode table 3-7).
 */
static size_t character_size(const uint8_t *data, size_t left)
{
	uint8_t lead = data[0];
	uint8_t low = 0x80;
	uint8_t high = 0xBF;
	size_t size;

	if (lead < 0x80)
		return lead != 0;
	if (lead >= 0xC2 && lead <= 0xDF)
		return left >= 2 && is_continuation(data[1]) ? 2 : 0;
	if (lead >= 0xE0 && lead <= 0xEF)
		size = 3;
	else if (lead >= 0xF0 && lead <= 0xF4)
		size = 4;
	else
		return 0;
	if (lead == 0xE0)
		low = 0xA0;
	else if (lead == 0xED)
		high = 0x9F;
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F;
	if (left < size || data[1] < low || data[1] > high || !is_continuation(data[2]))
		return 0;
	return size == 3 || is_continuation(data[3]) ? size : 0;
}

/* Eight plain ASCII bytes without a NUL: the common case, in one look. */
static bool is_plain_word(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof word);
	return ((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) == 0;
}

static bool is_text_slowly(struct bytes bytes)
{
	for (size_t at = 0; at < bytes.size;) {
		size_t size = character_size(bytes.data + at, bytes.size - at);

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

/* Words of plain ASCII, the last one overlapping; anything else is looked at slowly. */
bool bytes_is_text(struct bytes bytes)
{
	if (bytes.size < 8)
		return is_text_slowly(bytes);
	for (size_t at = 0; at + 8 <= bytes.size; at += 8)
		if (!is_plain_word(bytes.data + at))
			return is_text_slowly(bytes);
	return is_plain_word(bytes.data + bytes.size - 8) || is_text_slowly(bytes);
}

bool bytes_json_is_shallow(struct bytes text, int depth)
{
	int open = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];

		if (quoted && byte == '\\')
			i++;
		else if (byte == '"')
			quoted = !quoted;
		else if (!quoted && (byte == '{' || byte == '['))
			open++;
		else if (!quoted && (byte == '}' || byte == ']'))
			open--;
		if (open > depth)
			return false;
	}
	return true;
}

size_t bytes_code_points(struct bytes bytes)
{
	size_t count = 0;

	for (size_t at = 0; at < bytes.size; at++)
		count += !is_continuation(bytes.data[at]);
	return count;
}

static bool buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t room = buffer->room ? buffer->room : 256;
	uint8_t *data;

	if (buffer->failed)
		return false;
	if (buffer->size + size <= buffer->room)
		return true;
	while (room < buffer->size + size)
		room *= 2;
	data = realloc(buffer->data, room);
	if (data == NULL) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->room = room;
	return true;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t size)
{
	uint8_t *start;

	if (!buffer_reserve(buffer, size))
		return NULL;
	start = buffer->data + buffer->size;
	buffer->size += size;
	return start;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	uint8_t *start;

	if (size == 0)
		return;
	start = buffer_extend(buffer, size);
	if (start != NULL)
		memcpy(start, data, size);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_append_grown(struct buffer *buffer, uint8_t byte)
{
	buffer_append(buffer, &byte, 1);
}

/* One byte more for the NUL that vsnprintf writes; it is not counted. */
void buffer_format(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	va_list again;
	size_t room;
	int size;

	if (!buffer_reserve(buffer, FORMAT_BYTES))
		return;
	room = buffer->room - buffer->size;
	va_start(arguments, format);
	va_copy(again, arguments);
	size = vsnprintf((char *)buffer->data + buffer->size, room, format, arguments);
	va_end(arguments);
	if (size >= 0 && (size_t)size >= room
	        && buffer_reserve(buffer, (size_t)size + 1))
		vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format,
		        again);
	va_end(again);
	if (size >= 0 && !buffer->failed)
		buffer->size += (size_t)size;
}

void buffer_append_u16(struct buffer *buffer, uint16_t value)
{
	uint8_t out[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	buffer_append(buffer, out, sizeof out);
}

void buffer_append_u32(struct buffer *buffer, uint32_t value)
{
	uint32_t out = __builtin_bswap32(value);

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian only");
	buffer_append(buffer, &out, sizeof out);
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
	uint64_t out = __builtin_bswap64(value);

	buffer_append(buffer, &out, sizeof out);
}

static void append_escape(struct buffer *buffer, uint8_t byte)
{
	switch (byte) {
	case '"':
		buffer_append_text(buffer, "\\\"");
		break;
	case '\\':
		buffer_append_text(buffer, "\\\\");
		break;
	case '\n':
		buffer_append_text(buffer, "\\n");
		break;
	case '\r':
		buffer_append_text(buffer, "\\r");
		break;
	case '\t':
		buffer_append_text(buffer, "\\t");
		break;
	default:
		buffer_format(buffer, "\\u%04x", byte);
	}
}

/* Eight bytes of which none needs an escape: no control character, quote, backslash. */
static bool needs_no_escape(const uint8_t *data)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t word;
	uint64_t quote;
	uint64_t slash;

	memcpy(&word, data, sizeof word);
	quote = word ^ ones * '"';
	slash = word ^ ones * '\\';
	/* The high bit of a byte is set where it is below 0x20, or zero after the xor.
	 */
	return ((((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote)
	                | ((slash - ones) & ~slash))
	               & ones * 0x80)
	       == 0;
}

void buffer_append_json(struct buffer *buffer, struct bytes text)
{
	size_t start = 0;

	buffer_append_byte(buffer, '"');
	for (size_t at = 0; at < text.size; at++) {
		uint8_t byte = text.data[at];

		if (text.size - at >= 8 && needs_no_escape(text.data + at)) {
			at += 7;
			continue;
		}
		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		buffer_append(buffer, text.data + start, at - start);
		append_escape(buffer, byte);
		start = at + 1;
	}
	if (start < text.size)
		buffer_append(buffer, text.data + start, text.size - start);
	buffer_append_byte(buffer, '"');
}

struct bytes buffer_bytes(const struct buffer *buffer)
{
	return (struct bytes){ buffer->data, buffer->size };
}

bool buffer_ok(const struct buffer *buffer, struct fault *fault)
{
	return !buffer->failed || fault_memory(fault);
}

void buffer_reset(struct buffer *buffer)
{
	buffer->size = 0;
	buffer->failed = false;
}

void buffer_clear(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}
