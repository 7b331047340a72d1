/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <stdio.h>

bool file_read(const char *path, struct buffer *out, struct fault *fault)
{
	FILE *file = fopen(path, "re");
	uint8_t part[4096];
	size_t most = out->size + FILE_MOST_BYTES;
	size_t size;
	bool failed;

	if (file == NULL)
		return fault_set(fault, FAULT_STOP, "%s: %s", path, strerror(errno));
	while (out->size <= most && (size = fread(part, 1, sizeof part, file)) > 0)
		buffer_append(out, part, size);
	failed = ferror(file);
	if (failed)
		fault_set(fault, FAULT_STOP, "%s: %s", path, strerror(errno));
	fclose(file);
	if (!failed && out->size > most)
		return fault_set(fault, FAULT_STOP, "%s: more than %d bytes", path,
		        FILE_MOST_BYTES);
	return !failed && buffer_ok(out, fault);
}
