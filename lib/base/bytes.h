/* SPDX-License-Identifier: MIT */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

/*
 * struct bytes is a view: it owns nothing and lives as long as what it looks at.
 * struct buffer is memory that grows and is used again; buffer_reset() keeps it, so
 * that a warm buffer allocates nothing. Out of memory is remembered in `failed` and
 * later appends do nothing: check once with buffer_ok() after a row of appends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fault.h"

struct bytes {
	const uint8_t *data;
	size_t size;
};

struct buffer {
	uint8_t *data;
	size_t size;
	size_t room;
	bool failed;
};

/* A view of text, without its NUL. */
struct bytes bytes_of(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms) and no NUL. */
bool bytes_is_text(struct bytes bytes);

/* One line of well-formed text with five letters or digits at least: why somebody wants
 * to see what is personal.
 */
bool bytes_is_reason(struct bytes bytes);

/* A number that is written as digits and nothing else, up to 18 of them. */
MUST_CHECK bool bytes_number(const char *text, int64_t *out);

/* Whether brackets of JSON text, well-formed or not, stand at most so deep: before a
 * parser that recurses is let at a stranger's text.
 */
bool bytes_json_is_shallow(struct bytes text, int depth);

/* Code points of well-formed UTF-8. */
size_t bytes_code_points(struct bytes bytes);

uint8_t *buffer_extend_grown(struct buffer *buffer, size_t size); /* the next's own */

/* size bytes more, not yet written; NULL when memory is out. */
static inline uint8_t *buffer_extend(struct buffer *buffer, size_t size)
{
	if (size > buffer->room - buffer->size || buffer->failed)
		return buffer_extend_grown(buffer, size);
	buffer->size += size;
	return buffer->data + buffer->size - size;
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	uint8_t *start = size > 0 ? buffer_extend(buffer, size) : NULL;

	if (start != NULL)
		memcpy(start, data, size);
}

void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_grown(struct buffer *buffer, uint8_t byte); /* the next one's own */

static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
	if (buffer->size < buffer->room && !buffer->failed)
		buffer->data[buffer->size++] = byte;
	else
		buffer_append_grown(buffer, byte);
}

void buffer_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Big-endian, as networks and PostgreSQL have it. */
void buffer_append_u16(struct buffer *buffer, uint16_t value);
void buffer_append_u32(struct buffer *buffer, uint32_t value);
void buffer_append_u64(struct buffer *buffer, uint64_t value);

/* Text as a JSON string with its quotes; the text is well-formed UTF-8. */
void buffer_append_json(struct buffer *buffer, struct bytes text);

/* The same for bytes that may be anything: false when they are no text. */
MUST_CHECK bool buffer_append_json_checked(struct buffer *buffer, struct bytes text);

struct bytes buffer_bytes(const struct buffer *buffer);
MUST_CHECK bool buffer_ok(const struct buffer *buffer, struct fault *fault);
void buffer_reset(struct buffer *buffer);
void buffer_clear(struct buffer *buffer);

#endif
