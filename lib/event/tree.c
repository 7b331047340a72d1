/* SPDX-License-Identifier: MIT */
/*
 * A parser by descent, one function for each thing that JSON has. Most texts are plain
 * runs, which are looked at eight bytes at a time and stay where they are.
 */
#include "event/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_MEMBERS = 24 }; /* so many are compared each with each */

struct parser {
	struct arena *arena;
	const uint8_t *at;
	const uint8_t *end;
	enum tree_nul nul;
	int depth;
};

static bool parse_value(struct parser *parser, struct tree *out);

static void skip_space(struct parser *parser)
{
	while (parser->at < parser->end
	        && (*parser->at == ' ' || *parser->at == '\n' || *parser->at == '\r'
	                || *parser->at == '\t'))
		parser->at++;
}

/* Whether this byte is next; it is passed then. */
static bool skip(struct parser *parser, char byte)
{
	if (parser->at == parser->end || *parser->at != (uint8_t)byte)
		return false;
	parser->at++;
	return true;
}

/* Texts */

/*
 * The high bit of each byte that ends a plain run: a quote, a backslash, a control
 * character. Above the first one there may be others too many.
 */
static uint64_t ends_of_run(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t quote = word ^ ones * '"';
	uint64_t slash = word ^ ones * '\\';

	return (((quote - ones) & ~quote) | ((slash - ones) & ~slash)
	               | ((word - ones * 0x20) & ~word))
	       & ones * 0x80;
}

static const uint8_t *end_of_run(const uint8_t *at, const uint8_t *end)
{
	while (end - at >= 8) {
		uint64_t word;
		uint64_t ends;

		memcpy(&word, at, sizeof word);
		ends = ends_of_run(word);
		if (ends != 0)
			return at + __builtin_ctzll(ends) / 8;
		at += 8;
	}
	while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* Four hexadecimal digits; they move *at. False where there are none. */
static bool read_hex(const uint8_t **at, const uint8_t *end, uint32_t *out)
{
	uint32_t number = 0;

	if (end - *at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		uint8_t byte = *(*at)++;
		uint8_t small = byte | 0x20;

		if (byte >= '0' && byte <= '9')
			number = number << 4 | (uint32_t)(byte - '0');
		else if (small >= 'a' && small <= 'f')
			number = number << 4 | (uint32_t)(small - 'a' + 10);
		else
			return false;
	}
	*out = number;
	return true;
}

/* The code point behind \u, of one escape or of a pair. */
static bool read_point(const uint8_t **at, const uint8_t *end, uint32_t *out)
{
	uint32_t low;

	if (!read_hex(at, end, out) || (*out >= 0xDC00 && *out < 0xE000))
		return false;
	if (*out < 0xD800 || *out >= 0xE000)
		return true;
	if (end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return false;
	*at += 2;
	if (!read_hex(at, end, &low) || low < 0xDC00 || low >= 0xE000)
		return false;
	*out = 0x10000 + ((*out - 0xD800) << 10 | (low - 0xDC00));
	return true;
}

static uint8_t *put_point(uint8_t *to, uint32_t point)
{
	static const uint8_t leads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	int size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

	for (int i = size - 1; i > 0; i--, point >>= 6)
		to[i] = (uint8_t)(0x80 | (point & 0x3F));
	to[0] = (uint8_t)(leads[size] | point);
	return to + size;
}

/* Unescape raw, which is what stands between quotes; it never becomes longer. */
static bool unescape(struct parser *parser, struct bytes raw, struct bytes *out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char bytes[] = "\"\\/\b\f\n\r\t";
	const uint8_t *at = raw.data;
	const uint8_t *end = at + raw.size;
	uint8_t *to = arena_alloc(parser->arena, raw.size);
	const char *name;
	uint32_t point;

	out->data = to;
	if (to == NULL)
		return false;
	while (at < end) {
		if (*at != '\\') {
			*to++ = *at++;
			continue;
		}
		at += 2;
		if (at[-1] == 'u') {
			if (!read_point(&at, end, &point)
			        || (point == 0 && parser->nul == TREE_WITHOUT_NUL))
				return false;
			to = put_point(to, point);
			continue;
		}
		name = strchr(names, at[-1]);
		if (name == NULL || *name == '\0')
			return false;
		*to++ = (uint8_t)bytes[name - names];
	}
	out->size = (size_t)(to - out->data);
	return true;
}

static bool parse_text(struct parser *parser, struct bytes *out)
{
	const uint8_t *start = parser->at;
	const uint8_t *at = start;
	bool escaped = false;

	for (;;) {
		at = end_of_run(at, parser->end);
		if (at == parser->end || *at < 0x20)
			return false;
		if (*at == '"')
			break;
		escaped = true;
		if (parser->end - at < 2)
			return false;
		at += 2;
	}
	*out = (struct bytes){ start, (size_t)(at - start) };
	parser->at = at + 1;
	return !escaped || unescape(parser, *out, out);
}

/* Numbers */

static bool skip_digits(struct parser *parser)
{
	const uint8_t *start = parser->at;

	while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9')
		parser->at++;
	return parser->at > start;
}

/* Its digits are checked; false where it is beyond 64 bits. */
static bool read_integer(struct bytes text, struct tree *out)
{
	bool negative = text.data[0] == '-';
	int64_t number = 0;

	for (size_t i = negative; i < text.size; i++) {
		int digit = text.data[i] - '0';

		if (__builtin_mul_overflow(number, 10, &number)
		        || __builtin_add_overflow(
		                number, negative ? -digit : digit, &number))
			return false;
	}
	out->kind = TREE_INTEGER;
	out->integer = number;
	return true;
}

/* One beyond a double is refused; one that is too small for it is 0. */
static bool read_real(struct parser *parser, struct bytes text, struct tree *out)
{
	const char *copy = arena_copy(parser->arena, text.data, text.size);

	if (copy == NULL)
		return false;
	out->kind = TREE_REAL;
	out->real = strtod(copy, NULL);
	return isfinite(out->real);
}

static bool parse_number(struct parser *parser, struct tree *out)
{
	struct bytes text = { parser->at, 0 };
	bool real = false;

	skip(parser, '-');
	if (!skip(parser, '0') && !skip_digits(parser))
		return false;
	if (skip(parser, '.')) {
		real = true;
		if (!skip_digits(parser))
			return false;
	}
	if (skip(parser, 'e') || skip(parser, 'E')) {
		real = true;
		if (!skip(parser, '+'))
			skip(parser, '-');
		if (!skip_digits(parser))
			return false;
	}
	text.size = (size_t)(parser->at - text.data);
	return real ? read_real(parser, text, out) : read_integer(text, out);
}

static bool parse_word(
        struct parser *parser, const char *word, enum tree_kind kind, struct tree *out)
{
	size_t size = strlen(word);

	if ((size_t)(parser->end - parser->at) < size
	        || memcmp(parser->at, word, size) != 0)
		return false;
	parser->at += size;
	out->kind = kind;
	return true;
}

/* Arrays and objects */

static int compare_names(struct bytes a, struct bytes b)
{
	size_t both = a.size < b.size ? a.size : b.size;
	int order = both > 0 ? memcmp(a.data, b.data, both) : 0;

	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_name(const void *a, const void *b)
{
	return compare_names((*(const struct tree *const *)a)->name,
	        (*(const struct tree *const *)b)->name);
}

/* The members in the order of their names; NULL when memory is out. */
static const struct tree **sort_members(struct arena *arena, const struct tree *object)
{
	const struct tree **members =
	        arena_alloc(arena, object->count * sizeof *members);
	size_t count = 0;

	if (members == NULL)
		return NULL;
	for (const struct tree *at = object->first; at != NULL; at = at->next)
		members[count++] = at;
	qsort(members, count, sizeof *members, by_name);
	return members;
}

static bool are_few_different(const struct tree *object)
{
	for (const struct tree *a = object->first; a != NULL; a = a->next)
		for (const struct tree *b = a->next; b != NULL; b = b->next)
			if (bytes_equal(a->name, b->name))
				return false;
	return true;
}

/* Many are sorted: a stranger chooses how many there are. */
static bool are_different(struct arena *arena, const struct tree *object)
{
	const struct tree **members;

	if (object->count <= FEW_MEMBERS)
		return are_few_different(object);
	members = sort_members(arena, object);
	if (members == NULL)
		return false;
	for (size_t i = 1; i < object->count; i++)
		if (bytes_equal(members[i - 1]->name, members[i]->name))
			return false;
	return true;
}

static bool parse_name(struct parser *parser, struct tree *out)
{
	skip_space(parser);
	if (!skip(parser, '"') || !parse_text(parser, &out->name)
	        || memchr(out->name.data, 0, out->name.size) != NULL)
		return false;
	skip_space(parser);
	return skip(parser, ':');
}

/* What is between brackets, of which the first has been passed. */
static bool parse_list(
        struct parser *parser, enum tree_kind kind, char closing, struct tree *out)
{
	struct tree **place = &out->first;

	out->kind = kind;
	skip_space(parser);
	if (skip(parser, closing))
		return true;
	do {
		struct tree *item = arena_alloc(parser->arena, sizeof *item);

		if (item == NULL || (kind == TREE_OBJECT && !parse_name(parser, item))
		        || !parse_value(parser, item))
			return false;
		*place = item;
		place = &item->next;
		out->count++;
		skip_space(parser);
	} while (skip(parser, ','));
	return skip(parser, closing)
	       && (kind == TREE_ARRAY || are_different(parser->arena, out));
}

static bool parse_nested(
        struct parser *parser, enum tree_kind kind, char closing, struct tree *out)
{
	bool ok =
	        ++parser->depth <= TREE_DEPTH && parse_list(parser, kind, closing, out);

	parser->depth--;
	return ok;
}

/* out is zeroed but for its name. */
static bool parse_value(struct parser *parser, struct tree *out)
{
	skip_space(parser);
	if (skip(parser, '"')) {
		out->kind = TREE_TEXT;
		return parse_text(parser, &out->text);
	}
	if (skip(parser, '{'))
		return parse_nested(parser, TREE_OBJECT, '}', out);
	if (skip(parser, '['))
		return parse_nested(parser, TREE_ARRAY, ']', out);
	return parse_word(parser, "null", TREE_NULL, out)
	       || parse_word(parser, "true", TREE_TRUE, out)
	       || parse_word(parser, "false", TREE_FALSE, out)
	       || parse_number(parser, out);
}

bool tree_parse(
        struct tree *out, struct arena *arena, struct bytes text, enum tree_nul nul)
{
	struct parser parser = { .arena = arena,
		.at = text.data,
		.end = text.data + text.size,
		.nul = nul };

	*out = (struct tree){ 0 };
	if (!parse_value(&parser, out))
		return false;
	skip_space(&parser);
	return parser.at == parser.end;
}

/* Using a tree */

static const struct tree *find(
        const struct tree *from, const struct tree *to, struct bytes name)
{
	while (from != to && !bytes_equal(from->name, name))
		from = from->next;
	return from;
}

const struct tree *tree_member(
        const struct tree *object, const char *name, const struct tree **at)
{
	struct bytes wanted = bytes_of(name);
	const struct tree *start = *at != NULL ? (*at)->next : object->first;
	const struct tree *found = find(start, NULL, wanted);

	if (found == NULL) {
		found = find(object->first, start, wanted);
		if (found == start)
			return NULL;
	}
	*at = found;
	return found;
}

void tree_take(struct tree *object, const struct tree *member)
{
	struct tree **place = &object->first;

	while (*place != member)
		place = &(*place)->next;
	*place = member->next;
	object->count--;
}

/* Printing */

static void print_text(struct bytes text, struct buffer *out)
{
	static const char names[] = "\"\\bfnrt";
	static const char bytes[] = "\"\\\b\f\n\r\t";
	const uint8_t *at = text.data;
	const uint8_t *end = at + text.size;

	buffer_append_byte(out, '"');
	while (at < end) {
		const uint8_t *stop = end_of_run(at, end);
		const char *escape = stop < end ? strchr(bytes, *stop) : NULL;

		buffer_append(out, at, (size_t)(stop - at));
		if (stop == end)
			break;
		at = stop + 1;
		if (escape != NULL && *escape != '\0')
			buffer_format(out, "\\%c", names[escape - bytes]);
		else
			buffer_format(out, "\\u%04X", *stop);
	}
	buffer_append_byte(out, '"');
}

/* 17 digits, with a dot or an exponent, and the exponent without plus and zeros. */
static void print_real(double real, struct buffer *out)
{
	char text[32];
	char *exponent;
	char *digits;

	snprintf(text, sizeof text, "%.17g", real);
	exponent = strchr(text, 'e');
	if (exponent != NULL) {
		digits = exponent + 1 + (exponent[1] == '-' || exponent[1] == '+');
		exponent += 1 + (exponent[1] == '-');
		digits += strspn(digits, "0");
		memmove(exponent, digits, strlen(digits) + 1);
	} else if (strchr(text, '.') == NULL) {
		strcat(text, ".0");
	}
	buffer_append_text(out, text);
}

static void print_object(
        const struct tree *tree, struct arena *arena, struct buffer *out)
{
	const struct tree **members = sort_members(arena, tree);

	if (members == NULL)
		out->failed = true;
	buffer_append_byte(out, '{');
	for (size_t i = 0; members != NULL && i < tree->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		print_text(members[i]->name, out);
		buffer_append_byte(out, ':');
		tree_print(members[i], arena, out);
	}
	buffer_append_byte(out, '}');
}

static void print_array(
        const struct tree *tree, struct arena *arena, struct buffer *out)
{
	buffer_append_byte(out, '[');
	for (const struct tree *at = tree->first; at != NULL; at = at->next) {
		tree_print(at, arena, out);
		if (at->next != NULL)
			buffer_append_byte(out, ',');
	}
	buffer_append_byte(out, ']');
}

void tree_print(const struct tree *tree, struct arena *arena, struct buffer *out)
{
	switch (tree->kind) {
	case TREE_NULL:
		buffer_append_text(out, "null");
		return;
	case TREE_FALSE:
		buffer_append_text(out, "false");
		return;
	case TREE_TRUE:
		buffer_append_text(out, "true");
		return;
	case TREE_INTEGER:
		buffer_format(out, "%lld", (long long)tree->integer);
		return;
	case TREE_REAL:
		print_real(tree->real, out);
		return;
	case TREE_TEXT:
		print_text(tree->text, out);
		return;
	case TREE_ARRAY:
		print_array(tree, arena, out);
		return;
	case TREE_OBJECT:
		print_object(tree, arena, out);
		return;
	}
}
