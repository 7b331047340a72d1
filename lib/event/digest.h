/* SPDX-License-Identifier: MIT */
#ifndef EVENT_DIGEST_H
#define EVENT_DIGEST_H

/*
 * SHA-256 (FIPS 180-4) over pieces, without allocation: the fingerprint of bytes that
 * may change on a disk, or be changed in a log.
 */

#include "base/bytes.h"

enum { DIGEST_BYTES = 32 };

void digest_of(const struct bytes *pieces, size_t count, uint8_t out[DIGEST_BYTES]);

/* In hexadecimal, with a NUL. */
void digest_hex(const uint8_t digest[DIGEST_BYTES], char out[2 * DIGEST_BYTES + 1]);

#endif
