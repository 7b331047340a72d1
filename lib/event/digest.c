/* SPDX-License-Identifier: MIT */
#include "event/digest.h"

#include <openssl/sha.h>

/* libcrypto's newer calls allocate for each digest. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void digest_of(const struct bytes *pieces, size_t count, uint8_t out[DIGEST_BYTES])
{
	SHA256_CTX context;

	SHA256_Init(&context);
	for (size_t i = 0; i < count; i++)
		SHA256_Update(&context, pieces[i].data, pieces[i].size);
	SHA256_Final(out, &context);
}

void digest_hex(const uint8_t digest[DIGEST_BYTES], char out[2 * DIGEST_BYTES + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * DIGEST_BYTES] = '\0';
}
