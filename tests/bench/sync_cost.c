/* SPDX-License-Identifier: MIT */
/* The bare cost of a commit: one write of 4 KiB to a file written before and fdatasync.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { BLOCK = 4096, BLOCKS = 256, ROUNDS = 1000 };

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
	static char block[BLOCK];
	static int64_t spans[ROUNDS];
	int fd =
	        open(argc > 1 ? argv[1] : "sync.dat", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (int i = 0; i < BLOCKS; i++)
		assert(pwrite(fd, block, BLOCK, (off_t)i * BLOCK) == BLOCK);
	assert(fsync(fd) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t began = clock_monotonic_us();

		assert(pwrite(fd, block, BLOCK, (off_t)(i % BLOCKS) * BLOCK) == BLOCK);
		assert(fdatasync(fd) == 0);
		spans[i] = clock_monotonic_us() - began;
	}
	qsort(spans, ROUNDS, sizeof *spans, by_size);
	printf("{\"p50_us\": %lld, \"p99_us\": %lld}\n", (long long)spans[ROUNDS / 2],
	        (long long)spans[ROUNDS * 99 / 100]);
	return 0;
}
