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
