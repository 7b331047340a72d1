/* SPDX-License-Identifier: MIT */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/* Small files that are read whole: settings, schemas, SQL, certificates. */

#include "base/bytes.h"

enum { FILE_MOST_BYTES = 16 << 20 };

/*
 * Append what stands in a file. FAULT_STOP with its path and the system's word when it
 * cannot be read, or is larger than FILE_MOST_BYTES.
 */
MUST_CHECK bool file_read(const char *path, struct buffer *out, struct fault *fault);

#endif
