/* SPDX-License-Identifier: MIT */
/*
 * What the two dialects read differently is left out: "." and [^...] (a byte for one, a
 * character for the other), \d and its like, (?...), lazy counts, {,n}, [:alpha:].
 */
#include "event/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_BYTES = 200, MOST_TIMES = 255 };

/* What stands before the place at hand: what may be counted, and how. */
enum before { NOTHING, ONE, GROUP };

/* Behind a class, or NULL. */
static const char *read_class(const char *at)
{
	if (*at == '^' || *at == ']')
		return NULL;
	while (*at != '\0' && *at != ']' && *at != '[' && *at != '\\')
		at++;
	return *at == ']' ? at + 1 : NULL;
}

static const char *read_number(const char *at, long *out)
{
	char *end;

	if (!isdigit((unsigned char)*at))
		return NULL;
	*out = strtol(at, &end, 10);
	return *out <= MOST_TIMES ? end : NULL;
}

/* Behind {m}, {m,} or {m,n}, or NULL. */
static const char *read_count(const char *at)
{
	long least;
	long most;

	at = read_number(at, &least);
	if (at != NULL && *at == ',' && *++at != '}')
		at = read_number(at, &most);
	return at != NULL && *at == '}' ? at + 1 : NULL;
}

/* Go past one part of the pattern; NULL where it is none that is clear. */
static const char *read_part(const char *at, enum before *before, int *depth)
{
	enum before was = *before;
	char sign = *at++;

	*before = NOTHING;
	switch (sign) {
	case '*':
	case '+':
	case '?':
		return was != NOTHING ? at : NULL;
	case '{':
		return was == ONE ? read_count(at) : NULL;
	case '(':
		++*depth;
		return at;
	case ')':
		*before = GROUP;
		return (*depth)-- > 0 ? at : NULL;
	case '|':
	case '^':
	case '$':
		return at;
	case '.':
	case ']':
	case '}':
		return NULL;
	}
	*before = ONE;
	if (sign == '[')
		return read_class(at);
	if (sign == '\\')
		return ispunct((unsigned char)*at) ? at + 1 : NULL;
	return at;
}

bool pattern_is_clear(const char *pattern)
{
	enum before before = NOTHING;
	int depth = 0;

	if (strlen(pattern) > PATTERN_BYTES)
		return false;
	for (const char *at = pattern; *at != '\0'; at++)
		if (!isascii((unsigned char)*at) || !isprint((unsigned char)*at))
			return false;
	for (const char *at = pattern; *at != '\0';) {
		at = read_part(at, &before, &depth);
		if (at == NULL)
			return false;
	}
	return depth == 0;
}
