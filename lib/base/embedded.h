/* SPDX-License-Identifier: MIT */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

/*
 * Files that CMake's embed() puts into a program: an array embedded_<folder>, ended
 * by an entry without a name. The bytes are followed by a NUL that size leaves out, so
 * that text can be used as a string.
 */

#include <stddef.h>

struct embedded {
	const char *name; /* file name without its folder */
	const unsigned char *bytes;
	size_t size;
};

/* The file of that name, or NULL. */
const struct embedded *embedded_find(const struct embedded *files, const char *name);

#endif
