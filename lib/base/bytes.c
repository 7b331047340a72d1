/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lanes.h"

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

/* 0 where eight bytes are plain ASCII without a NUL: the common case, in one look. */
static uint64_t not_plain(uint64_t word)
{
	return (word | (word - 0x0101010101010101u)) & 0x8080808080808080u;
}

static uint64_t word_at(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof word);
	return word;
}

/* Fewer than eight bytes as a word: some twice, so that nothing beyond is touched. */
static uint64_t short_word(const uint8_t *data, size_t size)
{
	uint32_t first;
	uint32_t last;

	if (size < 4)
		return 0x0101010101000000u | (uint64_t)data[0]
		       | (uint64_t)data[size / 2] << 8 | (uint64_t)data[size - 1] << 16;
	memcpy(&first, data, sizeof first);
	memcpy(&last, data + size - sizeof last, sizeof last);
	return (uint64_t)first << 32 | last;
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

/*
 * Sixteen bytes of plain ASCII at a time, the last of them overlapping others: most
 * texts are seen in a look or two. Anything else is looked at slowly.
 */
bool bytes_is_text(struct bytes bytes)
{
	const uint8_t *end = bytes.data + bytes.size;
	bool plain = true;

	if (bytes.size >= LANES) {
		lanes truth = lanes_plain(lanes_at(end - LANES));

		for (const uint8_t *at = bytes.data; at < end - LANES; at += LANES)
			truth &= lanes_plain(lanes_at(at));
		plain = lanes_all(truth);
	} else if (bytes.size >= 8) {
		plain = (not_plain(word_at(bytes.data)) | not_plain(word_at(end - 8)))
		        == 0;
	} else if (bytes.size > 0) {
		plain = not_plain(short_word(bytes.data, bytes.size)) == 0;
	}
	return plain || is_text_slowly(bytes);
}

bool bytes_number(const char *text, int64_t *out)
{
	size_t size = strspn(text, "0123456789");

	if (size == 0 || size > 18 || text[size] != '\0')
		return false;
	*out = strtoll(text, NULL, 10);
	return true;
}

bool bytes_is_reason(struct bytes bytes)
{
	size_t signs = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		if (bytes.data[i] < ' ' || bytes.data[i] == 0x7F)
			return false;
		signs += bytes.data[i] > 0x7F || isalnum(bytes.data[i]);
	}
	return signs >= 5 && bytes_is_text(bytes);
}

static bool opens(uint8_t byte)
{
	return byte == '{' || byte == '[';
}

/* Whether so few brackets are opened in all, in strings too, that it must be shallow.
 */
static bool opens_few(struct bytes text, int most)
{
	size_t at = 0;
	int count = 0;

	for (; text.size - at >= LANES; at += LANES) {
		lanes some = lanes_at(text.data + at);

		if (lanes_all((some != '{') & (some != '[')))
			continue;
		for (size_t i = 0; i < LANES; i++)
			count += opens(text.data[at + i]);
	}
	for (; at < text.size; at++)
		count += opens(text.data[at]);
	return count <= most;
}

bool bytes_json_is_shallow(struct bytes text, int depth)
{
	int open = 0;
	bool quoted = false;

	if (opens_few(text, depth))
		return true;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];

		if (quoted && byte == '\\')
			i++;
		else if (byte == '"')
			quoted = !quoted;
		else if (!quoted && opens(byte))
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

uint8_t *buffer_extend_grown(struct buffer *buffer, size_t size)
{
	uint8_t *start;

	if (!buffer_reserve(buffer, size))
		return NULL;
	start = buffer->data + buffer->size;
	buffer->size += size;
	return start;
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

/* 0 where eight bytes are plain JSON: ASCII, no control character, quote, backslash. */
static uint64_t not_plain_json(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t quote = word ^ ones * '"';
	uint64_t slash = word ^ ones * '\\';

	/* The high bit of a byte is set where it is below 0x20, or zero after the xor.
	 */
	return (word | (word - ones * 0x20) | (quote - ones) | (slash - ones))
	       & ones * 0x80;
}

static void append_escaped(struct buffer *buffer, struct bytes text)
{
	size_t start = 0;

	for (size_t at = 0; at < text.size; at++) {
		uint8_t byte = text.data[at];

		if (text.size - at >= 8
		        && not_plain_json(word_at(text.data + at)) == 0) {
			at += 7;
			continue;
		}
		if (byte >= 0x20 && byte != '"' && byte != '\\')
			continue;
		buffer_append(buffer, text.data + start, at - start);
		append_escape(buffer, byte);
		start = at + 1;
	}
	buffer_append(buffer, text.data + start, text.size - start);
}

/* The same for fewer than sixteen bytes. */
static bool copy_short_json(uint8_t *to, struct bytes text)
{
	const uint8_t *end = text.data + text.size;

	if (text.size == 0)
		return true;
	memcpy(to, text.data, text.size);
	if (text.size >= 8)
		return (not_plain_json(word_at(text.data))
		               | not_plain_json(word_at(end - 8)))
		       == 0;
	/* the 01 that fill a short word become letters */
	return not_plain_json(short_word(text.data, text.size)
	                      | (text.size < 4 ? 0x4040404040000000u : 0))
	       == 0;
}

/* Copy text to where there is room; false when it is not plain JSON as it stands. */
static bool copy_plain_json(uint8_t *to, struct bytes text)
{
	size_t last = text.size - LANES;
	lanes some;
	lanes truth;

	if (text.size < LANES)
		return copy_short_json(to, text);
	some = lanes_at(text.data + last);
	truth = lanes_plain_json(some);
	lanes_put(to + last, some);
	for (size_t at = 0; at < last; at += LANES) {
		some = lanes_at(text.data + at);
		truth &= lanes_plain_json(some);
		lanes_put(to + at, some);
	}
	return lanes_all(truth);
}

/* What most texts are: copied and looked at in one go. False with nothing appended. */
static bool append_plain(struct buffer *buffer, struct bytes text)
{
	uint8_t *to = buffer_extend(buffer, text.size + 2);

	if (to == NULL)
		return false;
	to[0] = '"';
	to[text.size + 1] = '"';
	if (copy_plain_json(to + 1, text))
		return true;
	buffer->size -= text.size + 2;
	return false;
}

void buffer_append_json(struct buffer *buffer, struct bytes text)
{
	if (append_plain(buffer, text))
		return;
	buffer_append_byte(buffer, '"');
	append_escaped(buffer, text);
	buffer_append_byte(buffer, '"');
}

bool buffer_append_json_checked(struct buffer *buffer, struct bytes text)
{
	if (append_plain(buffer, text))
		return true;
	if (!bytes_is_text(text))
		return false;
	buffer_append_json(buffer, text);
	return true;
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
